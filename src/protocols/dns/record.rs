//! Questions and resource records (RFC 1035 section 4.1).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::name::{Name, end_of_name};
use super::svcb::ServiceBinding;
use super::{MAX_RECORDS, words};

/// Fields behind a record's name: type, class, TTL, data length.
const FIELDS: usize = 10;

/// A question.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What is asked for.
    pub name: Name<'a>,
    /// Type.
    pub kind: u16,
    /// Class.
    pub class: u16,
}

/// A resource record.
#[derive(Clone, Copy, Debug)]
pub struct Resource<'a> {
    /// Its owner.
    pub name: Name<'a>,
    /// Type.
    pub kind: u16,
    /// Class; the sender's datagram size in an OPT record.
    pub class: u16,
    /// Seconds; flags in an OPT record.
    pub ttl: u32,
    message: &'a [u8],
    start: usize,
    end: usize,
}

/// What a record says, where its type is decoded.
#[derive(Clone, Debug)]
pub enum Data<'a> {
    /// IPv4 address.
    A(Ipv4Addr),
    /// IPv6 address.
    Aaaa(Ipv6Addr),
    /// CNAME, DNAME, NS or PTR.
    Name(Name<'a>),
    /// Mail exchange.
    Mx(Name<'a>),
    /// Text strings.
    Txt(Strings<'a>),
    /// Start of authority: names, then serial, refresh, retry, expire, minimum.
    Soa(Name<'a>, Name<'a>, [u32; 5]),
    /// Service: priority, weight, port, target.
    Srv(u16, u16, u16, Name<'a>),
    /// SSH key fingerprint: algorithm, type, fingerprint.
    Sshfp(u8, u8, &'a [u8]),
    /// HTTPS or SVCB.
    Service(ServiceBinding<'a>),
    /// A type that is not decoded, or data that does not fit its type.
    Other,
}

/// The strings of a TXT record.
#[derive(Clone, Copy, Debug)]
pub struct Strings<'a>(&'a [u8]);

impl<'a> Question<'a> {
    /// The question at `offset`, and where the next record begins.
    pub(super) fn read(message: &'a [u8], offset: usize) -> Option<(Self, usize)> {
        let end = end_of_name(message, offset)?;
        let question = Self {
            name: Name::new(message, offset),
            kind: integer16(message, end)?,
            class: integer16(message, end + 2)?,
        };
        Some((question, end + 4))
    }
}

impl<'a> Resource<'a> {
    fn read(message: &'a [u8], offset: usize) -> Option<(Self, usize)> {
        let at = end_of_name(message, offset)?;
        let fields: [u8; FIELDS] = *message.get(at..)?.first_chunk()?;
        let [k0, k1, c0, c1, t0, t1, t2, t3, high, low] = fields;
        let start = at + FIELDS;
        let end = start + usize::from(u16::from_be_bytes([high, low]));
        message.get(start..end)?;
        let resource = Self {
            name: Name::new(message, offset),
            kind: u16::from_be_bytes([k0, k1]),
            class: u16::from_be_bytes([c0, c1]),
            ttl: u32::from_be_bytes([t0, t1, t2, t3]),
            message,
            start,
            end,
        };
        Some((resource, end))
    }

    /// What the record says.
    pub fn data(&self) -> Data<'a> {
        self.decoded().unwrap_or(Data::Other)
    }

    /// Its data as on the wire.
    pub fn bytes(&self) -> &'a [u8] {
        self.message.get(self.start..self.end).unwrap_or_default()
    }

    fn decoded(&self) -> Option<Data<'a>> {
        let bytes = self.message.get(self.start..self.end)?;
        let name = |offset: usize| Name::new(self.message, self.start + offset);
        Some(match self.kind {
            words::A => Data::A(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
            words::AAAA => Data::Aaaa(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
            words::CNAME | words::DNAME | words::NS | words::PTR => Data::Name(name(0)),
            words::MX => Data::Mx(name(2)),
            words::TXT => Data::Txt(Strings(bytes)),
            words::SOA => self.start_of_authority()?,
            words::SRV => Data::Srv(
                integer16(bytes, 0)?,
                integer16(bytes, 2)?,
                integer16(bytes, 4)?,
                name(6),
            ),
            words::SSHFP => Data::Sshfp(*bytes.first()?, *bytes.get(1)?, bytes.get(2..)?),
            words::HTTPS | words::SVCB => {
                let parameters = end_of_name(self.message, self.start + 2)?;
                let parameters = self.message.get(parameters..self.end)?;
                Data::Service(ServiceBinding::new(
                    integer16(bytes, 0)?,
                    name(2),
                    parameters,
                ))
            }
            _ => Data::Other,
        })
    }

    fn start_of_authority(&self) -> Option<Data<'a>> {
        let second = end_of_name(self.message, self.start)?;
        let numbers = end_of_name(self.message, second)?;
        let mut values = [0; 5];
        for (value, at) in values.iter_mut().zip((numbers..).step_by(4)) {
            *value = integer32(self.message, at)?;
        }
        (numbers + 20 <= self.end).then_some(())?;
        Some(Data::Soa(
            Name::new(self.message, self.start),
            Name::new(self.message, second),
            values,
        ))
    }
}

impl<'a> Strings<'a> {
    /// The strings, up to the first that is cut.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first()?;
            let (string, after) = after.split_at_checked(usize::from(*length))?;
            rest = after;
            Some(string)
        })
    }
}

/// The records of a section, up to the first that cannot be read.
#[derive(Clone, Debug)]
pub struct Resources<'a> {
    message: &'a [u8],
    offset: Option<usize>,
    left: u16,
}

impl<'a> Resources<'a> {
    pub(super) fn new(message: &'a [u8], offset: Option<usize>, count: u16) -> Self {
        Self {
            message,
            offset,
            left: count.min(MAX_RECORDS),
        }
    }

    /// Where the next section begins; `None` where a record could not be read.
    pub(super) const fn offset(&self) -> Option<usize> {
        self.offset
    }
}

impl<'a> Iterator for Resources<'a> {
    type Item = Resource<'a>;

    fn next(&mut self) -> Option<Resource<'a>> {
        if self.left == 0 {
            return None;
        }
        let read = Resource::read(self.message, self.offset?);
        self.left -= 1;
        self.offset = read.map(|(_, next)| next);
        read.map(|(resource, _)| resource)
    }
}

pub(super) fn integer16(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(offset..)?.first_chunk()?))
}

fn integer32(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(offset..)?.first_chunk()?))
}
