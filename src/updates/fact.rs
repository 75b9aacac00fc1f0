//! What workers tell the updates stage: about catalogue names only, never packets.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::catalogue::EndpointId;
use super::coverage::Minute;
use super::hosts::Neighbour;
use super::manifest;
use super::os::OsFact;
use super::payload::Word;
use super::verdict::Evidence;
use crate::protocols::http::head::ContentRange;
use crate::types::kept::figure;
use crate::types::{Endpoint, Protocol, Timestamp};

/// Where a flow's name came from, from the weakest to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NameSource {
    /// Nothing names the flow but its server's address, which the configuration knows.
    Address,
    /// DNS, by the server alone.
    DnsShared,
    /// DNS, by client and server.
    Dns,
    /// The Host of an HTTP request.
    Http,
    /// The server name of a QUIC Initial.
    Quic,
    /// The server name of a TLS ClientHello.
    Tls,
}

impl NameSource {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::DnsShared => "dns_shared",
            Self::Dns => "dns",
            Self::Http => "http",
            Self::Quic => "quic",
            Self::Tls => "tls",
        }
    }

    /// Whether the client itself sent the name to the server.
    pub const fn is_claimed(self) -> bool {
        matches!(self, Self::Http | Self::Quic | Self::Tls)
    }
}

/// A flow of a client to a catalogue name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The flow.
    pub flow_id: u64,
    /// The client.
    pub client: Endpoint,
    /// The server.
    pub server: Endpoint,
    /// Transport protocol.
    pub protocol: Protocol,
    /// The flow's first packet.
    pub start: Timestamp,
    /// The endpoint that the name leads to.
    pub endpoint: EndpointId,
    /// The name.
    pub name: String,
    /// Where it came from.
    pub source: NameSource,
    /// Whether some client was answered the server's address for this name.
    pub corroborated: bool,
    /// From the name asked for to the owner of the address; empty without DNS.
    pub chain: Vec<String>,
    /// When the address was answered.
    pub answered: Option<Timestamp>,
    /// Endpoints of other live candidates.
    pub alternatives: Vec<EndpointId>,
    /// The client was answered the server's address for names that belong to no update: this contact may be one with those.
    pub is_doubtful: bool,
    /// The catalogue does not know the server: a request told by its path and by its client's name for itself.
    pub is_elsewhere: bool,
}

impl Contact {
    /// Bytes that it takes.
    pub fn memory(&self) -> usize {
        let chain = self.chain.iter();
        let chain: usize = chain.map(|name| size_of::<String>() + name.len()).sum();
        let alternatives = self.alternatives.capacity() * size_of::<EndpointId>();
        size_of::<Self>() + self.name.len() + chain + alternatives
    }
}

/// One fact, about one client; but for [`Fact::Presence`], which is about many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A catalogue name was asked.
    Asked(Question),
    /// A question was answered.
    Answered(Answer),
    /// A contact came to nothing: it was not made or not answered, its handshake was broken off, or a proxy refused it.
    Failed(Failure),
    /// Something went over a flow.
    Activity(Activity),
    /// A flow to a catalogue name ended.
    Ended(Ended),
    /// Who is behind an address.
    Neighbour(Neighbour),
    /// Something tells of a client's operating system.
    Os(OsFact),
    /// Who was there in a minute, update or not.
    Presence(Box<Minute>),
}

/// A DNS question for a catalogue name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// When.
    pub time: Timestamp,
    /// Flow of the query.
    pub flow_id: u64,
    /// Who asked.
    pub client: Endpoint,
    /// Who was asked.
    pub resolver: Endpoint,
    /// Protocol of the query.
    pub protocol: Protocol,
    /// The endpoint that the name leads to.
    pub endpoint: EndpointId,
    /// The name.
    pub name: String,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The question, with the time of the answer.
    pub question: Question,
    /// From the name asked for to the owner of the addresses.
    pub chain: Vec<String>,
    /// Addresses that one can connect to.
    pub addresses: Vec<IpAddr>,
    /// The message was captured in part: there may be more.
    pub is_cut: bool,
}

/// A contact that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The contact.
    pub contact: Arc<Contact>,
    /// Whether it was refused; else nothing came back.
    pub refused: bool,
    /// What tells more of it.
    pub evidence: Option<Evidence>,
    /// When it was known.
    pub time: Timestamp,
    /// The last packet.
    pub end: Timestamp,
    /// Bytes on the wire, toward the server.
    #[serde(deserialize_with = "figure")]
    pub bytes_toserver: u64,
    /// Toward the client.
    #[serde(deserialize_with = "figure")]
    pub bytes_toclient: u64,
}

/// What went over a flow: a burst, or an HTTP transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// The contact.
    pub contact: Arc<Contact>,
    /// When it began.
    pub start: Timestamp,
    /// Its last payload.
    pub end: Timestamp,
    /// When this fact was made.
    pub time: Timestamp,
    /// Payload bytes toward the client, of this activity; while it goes on, so far.
    pub delivered_toclient: u64,
    /// Of them, bytes that were lost on the mirror, and that acknowledgements alone tell.
    pub inferred_toclient: u64,
    /// The largest burst within it.
    pub largest_burst: u64,
    /// Bytes on the wire of the flow since the last activity, toward the server.
    pub bytes_toserver: u64,
    /// Toward the client.
    pub bytes_toclient: u64,
    /// It goes on: this only tells that it is large already.
    pub is_ongoing: bool,
    /// The transaction, on plain HTTP.
    pub exchange: Option<Box<Exchange>>,
}

/// Longest User-Agent that a fact holds: what names the program stands in front.
pub const MAX_AGENT: usize = 256;

/// An HTTP transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Method.
    pub method: Vec<u8>,
    /// Path and query.
    pub path: Vec<u8>,
    /// User-Agent, of no more than [`MAX_AGENT`] bytes.
    pub agent: Option<Vec<u8>>,
    /// Status; `None` where no response was seen.
    pub status: Option<u16>,
    /// Content-Length.
    pub content_length: Option<u64>,
    /// Content-Range.
    pub content_range: Option<ContentRange>,
    /// Entity tag or time of change.
    pub validator: Option<Vec<u8>>,
    /// The body, where it is small text and whole; empty otherwise.
    pub body: Vec<u8>,
    /// Body bytes seen.
    pub body_bytes: u64,
    /// Body bytes lost on the mirror, which the client acknowledged.
    pub body_missing: u64,
    /// It is an HTML page.
    pub is_page: bool,
    /// A proxy answered, which did not connect: the server was not reached.
    pub is_denied: bool,
    /// Whether the body came to its end.
    pub is_complete: bool,
    /// Where the body ends was lost on the mirror.
    pub is_lost: bool,
    /// Where it ends among what was sent to the client over the flow, where that is known.
    pub end: Option<u64>,
}

impl Exchange {
    /// Whether it says nothing of updates: redirects, errors, what asks for no content.
    pub fn is_neutral(&self) -> bool {
        let status = self.status.unwrap_or(200);
        !self.asks_for_content() || (300..304).contains(&status) || status > 304
    }

    /// Whether a body is asked for. A request that was not seen may have been such a one.
    fn asks_for_content(&self) -> bool {
        matches!(self.method.as_slice(), b"" | b"GET" | b"POST")
    }

    /// By what word it says that there is no update.
    pub fn denial(&self) -> Option<Word> {
        let is_empty = self.body_bytes == 0 && self.body_missing == 0 && self.is_complete;
        match self.status {
            Some(304) => Some("not_modified"),
            Some(204) => Some("empty_answer"),
            Some(200) if is_empty || manifest::offers_nothing(&self.body) => Some("empty_answer"),
            _ => None,
        }
    }

    /// Whether a body was asked for and given that may be a file: 204 and 205 have none (RFC 9110 sections 15.3.5 and 15.3.6), and a page
    /// is for people.
    pub fn is_file(&self) -> bool {
        let is_given = matches!(self.status, Some(200..=203 | 206..=299));
        self.asks_for_content() && is_given && !self.is_page
    }

    /// Whether the first byte or two were asked for, which tell how large the whole is.
    pub fn asks_for_size(&self) -> bool {
        let range = self.content_range.as_ref();
        let range = range.and_then(|range| range.range.zip(range.size));
        range.is_some_and(|((first, last), size)| first == 0 && last < 2 && size > 2)
    }

    /// The path without the query.
    pub fn path_alone(&self) -> &[u8] {
        let query = memchr::memchr(b'?', &self.path).unwrap_or(self.path.len());
        self.path.get(..query).unwrap_or_default()
    }

    /// Body bytes that came, those that the mirror lost included.
    pub const fn received(&self) -> u64 {
        self.body_bytes.saturating_add(self.body_missing)
    }

    /// First and last byte of the part of a file that it brought.
    pub fn range(&self) -> Option<(u64, u64)> {
        self.content_range.as_ref()?.range
    }

    /// How large the whole file is, where that is told.
    pub fn file_size(&self) -> Option<u64> {
        let of_range = self.content_range.as_ref().and_then(|range| range.size);
        let length = self.content_length.filter(|_| self.range().is_none());
        of_range.or(length).filter(|_| !self.is_part_unknown())
    }

    /// Whether all of a file that it brought as a whole, or of a known part, came.
    pub fn has_ended(&self) -> bool {
        let has_all = self
            .content_length
            .is_none_or(|length| self.received() >= length);
        self.is_complete && has_all && !self.is_part_unknown()
    }

    /// Whether it brought a part of a file, and what part was not told: several at once, each with its place in the body (RFC 9110 section
    /// 14.6), or one of a file of unknown size.
    pub fn is_part_unknown(&self) -> bool {
        let range = self.content_range.as_ref();
        self.status == Some(206)
            && range.is_none_or(|range| range.range.is_none() || range.size.is_none())
    }

    /// Whether only the volume tells what it brought: no response was seen, or neither the body's length nor its end.
    pub fn is_known_by_volume(&self) -> bool {
        let is_unseen = self.status.is_none();
        let is_endless = matches!(self.status, Some(200..=299))
            && self.is_lost
            && self.content_length.is_none()
            && self.content_range.is_none();
        // Of a tunnel whose answer was not seen the volume is that of what went through it.
        let is_tunnel = self.method == b"CONNECT" && is_unseen;
        is_tunnel || (self.asks_for_content() && (is_unseen || is_endless))
    }

    /// Bytes that it takes.
    pub fn memory(&self) -> usize {
        let validator = self.validator.as_ref().map_or(0, Vec::len);
        let agent = self.agent.as_ref().map_or(0, Vec::len);
        let texts = self.method.len() + self.path.len() + self.body.capacity();
        size_of::<Self>() + texts + agent + validator
    }
}

/// A flow to a catalogue name ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The contact.
    pub contact: Arc<Contact>,
    /// Its last packet.
    pub end: Timestamp,
    /// When the end was decided.
    pub time: Timestamp,
    /// Bytes on the wire of the whole flow, toward the server.
    pub bytes_toserver: u64,
    /// Toward the client.
    pub bytes_toclient: u64,
    /// Bytes on the wire since the last activity.
    pub rest_toserver: u64,
    /// See `rest_toserver`.
    pub rest_toclient: u64,
    /// Whether it was reset.
    pub was_reset: bool,
    /// It went on when the input ended.
    pub is_cut: bool,
    /// How far the client had acknowledged what was sent to it, where it reset the connection: a position as [`Exchange::end`].
    pub acknowledged: Option<u64>,
    /// `tls`, `http`, `quic`, as far as it is known.
    pub application: Option<&'static str>,
}

impl Fact {
    /// An activity; or that its contact came to nothing, where a proxy did not connect.
    pub fn of(activity: Activity) -> Self {
        let exchange = activity.exchange.as_ref();
        let is_denied = exchange.is_some_and(|exchange| exchange.is_denied);
        if !is_denied || activity.is_ongoing {
            return Self::Activity(activity);
        }
        Self::Failed(Failure {
            refused: true,
            evidence: Some(Evidence::ProxyRefused),
            time: activity.time,
            end: activity.end,
            bytes_toserver: activity.bytes_toserver,
            bytes_toclient: activity.bytes_toclient,
            contact: activity.contact,
        })
    }

    /// Whom it is about; `None` where it is about many.
    pub fn client(&self) -> Option<IpAddr> {
        let client = match self {
            Self::Neighbour(evidence) => return Some(evidence.address),
            Self::Asked(question) => question.client,
            Self::Answered(answer) => answer.question.client,
            Self::Failed(failure) => failure.contact.client,
            Self::Activity(activity) => activity.contact.client,
            Self::Ended(ended) => ended.contact.client,
            Self::Os(fact) => return Some(fact.client),
            Self::Presence(_) => return None,
        };
        Some(client.address)
    }

    /// When what it is about began; `None`: it is about no update.
    pub fn begin(&self) -> Option<Timestamp> {
        match self {
            Self::Asked(question) => Some(question.time),
            Self::Answered(answer) => Some(answer.question.time),
            Self::Failed(failure) => Some(failure.contact.start),
            Self::Activity(activity) => Some(activity.contact.start),
            Self::Ended(ended) => Some(ended.contact.start),
            Self::Neighbour(_) | Self::Os(_) | Self::Presence(_) => None,
        }
    }

    /// When the fact was known.
    pub fn time(&self) -> Timestamp {
        match self {
            Self::Asked(question) => question.time,
            Self::Answered(answer) => answer.question.time,
            Self::Failed(failure) => failure.time,
            Self::Activity(activity) => activity.time,
            Self::Ended(ended) => ended.time,
            Self::Neighbour(evidence) => evidence.time,
            Self::Os(fact) => fact.time,
            Self::Presence(minute) => minute.time,
        }
    }
}
