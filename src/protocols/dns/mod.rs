//! DNS messages (RFC 1035), one datagram or one TCP message at a time.
//!
//! A message is walked, never unpacked: nothing is allocated for what nobody asks for, forged counts reserve nothing, and a record
//! of an unknown type costs only itself. Where a record is broken, those before it stand.
//!
//! * [`name`]: names, compression pointers bounded
//! * [`record`]: questions and resource records
//! * [`resolution`]: what a response says of the name asked for
//! * [`svcb`]: HTTPS and SVCB parameters, ECH configurations
//! * [`words`]: the words for types and codes
//! * [`framer`]: DNS over TCP
#![warn(clippy::indexing_slicing)]

pub mod framer;
pub mod name;
pub mod record;
pub mod resolution;
pub mod svcb;
pub mod words;

pub use framer::Framer;
pub use name::Name;
pub use record::{Data, Question, Resource, Resources};
pub use resolution::Resolution;

/// Bytes of a header (RFC 1035 section 4.1.1).
pub const HEADER: usize = 12;
/// Records of one section that are walked; a 64 KiB message cannot hold more.
pub const MAX_RECORDS: u16 = 6_000;
/// The one reserved bit in the flags (RFC 6895 section 2.1).
const RESERVED_BIT: u8 = 0x40;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// Shorter than a header.
    #[error("shorter than a header")]
    Short,
    /// The header makes no sense.
    #[error("the header makes no sense")]
    BadHeader,
    /// The first question cannot be read.
    #[error("the first question cannot be read")]
    BadQuestion,
}

/// A message whose header is read.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    header: dns_parser::Header,
    flags: u16,
    /// The first question, and where the record behind it begins.
    first: Option<(Question<'a>, usize)>,
}

impl<'a> Message<'a> {
    /// Reads the header, and looks whether a first question is there where one is announced.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DnsError> {
        let mut start: [u8; HEADER] = *bytes.first_chunk().ok_or(DnsError::Short)?;
        let flags = u16::from_be_bytes([start[2], start[3]]);
        // dns-parser refuses a set reserved bit; wire messages have it.
        start[3] &= !RESERVED_BIT;
        let header = dns_parser::Header::parse(&start).map_err(|_| DnsError::BadHeader)?;
        let first = match header.questions {
            0 => None,
            _ => Some(Question::read(bytes, HEADER).ok_or(DnsError::BadQuestion)?),
        };
        Ok(Self {
            bytes,
            header,
            flags,
            first,
        })
    }

    /// Identifier.
    pub const fn id(&self) -> u16 {
        self.header.id
    }

    /// The flag word as on the wire.
    pub const fn flags(&self) -> u16 {
        self.flags
    }

    /// Whether it is a response.
    pub const fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// Whether it was cut to fit a datagram.
    pub const fn is_truncated(&self) -> bool {
        self.flags & 0x0200 != 0
    }

    /// Operation code.
    pub const fn opcode(&self) -> u8 {
        (self.flags >> 11 & 0x0f) as u8
    }

    /// Response code, with the upper bits of an OPT record (RFC 6891 section 6.1.3) where there is one.
    pub fn rcode(&self) -> u16 {
        let low = self.flags & 0x0f;
        if self.header.additional == 0 {
            return low;
        }
        let option = self.additionals().find(|record| record.kind == words::OPT);
        option.map_or(low, |record| (record.ttl >> 24) as u16 * 16 + low)
    }

    /// The questions, up to the first that cannot be read.
    pub fn questions(&self) -> impl Iterator<Item = Question<'a>> + use<'a> {
        let bytes = self.bytes;
        let mut offset = HEADER;
        let count = self.header.questions.min(MAX_RECORDS);
        (0..count).map_while(move |_| {
            let (question, next) = Question::read(bytes, offset)?;
            offset = next;
            Some(question)
        })
    }

    /// The first question.
    pub fn question(&self) -> Option<Question<'a>> {
        self.first.map(|(question, _)| question)
    }

    /// How many questions the header announces.
    pub const fn announced_questions(&self) -> u16 {
        self.header.questions
    }

    /// The answer section, up to the first record that cannot be read.
    pub fn answers(&self) -> Resources<'a> {
        Resources::new(self.bytes, self.after_questions(), self.header.answers)
    }

    /// Whether there are fewer answers than announced: a snap length cut the message, or its sender did.
    pub fn is_cut(&self) -> bool {
        self.answers().count() < usize::from(self.header.answers)
    }

    /// The authority section.
    pub fn authorities(&self) -> Resources<'a> {
        let mut answers = self.answers();
        answers.by_ref().for_each(drop);
        Resources::new(self.bytes, answers.offset(), self.header.nameservers)
    }

    /// The additional section.
    pub fn additionals(&self) -> Resources<'a> {
        let mut authorities = self.authorities();
        authorities.by_ref().for_each(drop);
        Resources::new(self.bytes, authorities.offset(), self.header.additional)
    }

    /// Whether it says what messages say: other things come to the port too.
    pub const fn is_plausible(&self) -> bool {
        let is_known_operation = matches!(self.opcode(), 0..=2 | 4..=6);
        let says_something =
            self.header.questions > 0 || self.is_response() || self.header.additional > 0;
        is_known_operation && says_something && self.header.questions <= 64
    }

    /// Where the answers begin; `None` where a question cannot be read.
    fn after_questions(&self) -> Option<usize> {
        let Some((_, second)) = self.first else {
            return Some(HEADER);
        };
        (1..self.header.questions.min(MAX_RECORDS)).try_fold(second, |offset, _| {
            Question::read(self.bytes, offset).map(|(_, next)| next)
        })
    }
}

/// Whether `bytes` may be a message: what else comes to the port is not taken for one.
pub fn is_plausible(bytes: &[u8]) -> bool {
    Message::parse(bytes).is_ok_and(|message| message.is_plausible())
}

#[cfg(test)]
mod tests;
