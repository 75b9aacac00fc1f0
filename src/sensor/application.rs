//! Which application protocol a flow speaks, and the state that it needs: told by its bytes, not by its ports (DNS excepted).

use crate::protocols::tls::{Probe, find_client_hello};
use crate::protocols::{dns, http, quic, tls};
use crate::types::flow_key::Side;
use crate::types::{Direction, Timestamp};

/// First bytes of a side that are kept until they tell the protocol.
const MAX_HEAD: usize = 64;
/// Bytes of a direction in which a ClientHello after STARTTLS or a later request is looked for.
pub(super) const MAX_SEARCH: u32 = 64 * 1024;
/// Datagrams of a flow that are looked at before it is taken for no QUIC.
pub(super) const MAX_QUIC_PROBES: u8 = 4;

/// The state of a flow's application protocol.
#[derive(Debug, Default)]
pub(super) enum Application {
    /// Not told yet.
    #[default]
    Unknown,
    /// TCP: the first bytes of both sides.
    Probing(Heads),
    /// TCP: something else, in which TLS or HTTP may begin; bytes of both sides that were searched.
    Searching([u32; 2]),
    /// DNS over TCP.
    DnsStream(Box<[dns::Framer; 2]>),
    /// TLS.
    Tls(Box<tls::Session>),
    /// HTTP/1.
    Http(Box<http::Connection>),
    /// UDP: datagrams looked at so far.
    ProbingDatagrams(u8),
    /// QUIC.
    Quic(Box<quic::Connection>),
    /// Nothing more to learn.
    Done,
}

/// What a flow speaks, as records name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum AppProtocol {
    Dns,
    Http,
    Quic,
    Tls,
}

impl Application {
    /// Whether it is TLS or HTTP, of which the end of the flow may tell more.
    pub const fn is_read(&self) -> bool {
        matches!(self, Self::Tls(_) | Self::Http(_))
    }

    /// Whether something else is looked for what may begin in it.
    pub const fn is_searched(&self) -> bool {
        matches!(self, Self::Searching(_))
    }

    /// Until when a response waits for its request.
    pub fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Http(connection) => connection.due(),
            _ => None,
        }
    }

    /// Bytes that wait for more.
    pub fn memory(&self) -> usize {
        match self {
            Self::Probing(heads) => heads.memory(),
            Self::DnsStream(framers) => framers.iter().map(dns::Framer::memory).sum(),
            Self::Tls(session) => session.memory(),
            Self::Http(connection) => connection.memory(),
            Self::Quic(connection) => connection.memory(),
            Self::Unknown | Self::Searching(_) | Self::ProbingDatagrams(_) | Self::Done => 0,
        }
    }
}

impl AppProtocol {
    /// EVE's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Http => "http",
            Self::Quic => "quic",
            Self::Tls => "tls",
        }
    }
}

/// What the first bytes of a stream say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Not enough yet.
    Nothing,
    /// TLS; who said the first hello, if one can tell.
    Tls(Direction),
    /// HTTP; which way the bytes go.
    Http(Direction),
    /// Something else.
    Other,
}

/// The first bytes of both sides, while they do not tell the protocol.
#[derive(Debug, Default)]
pub(super) struct Heads(Option<Box<[Vec<u8>; 2]>>);

impl Heads {
    /// Forgets those of a side.
    pub fn clear(&mut self, side: Side) {
        if let Some(head) = self.head(side) {
            head.clear();
        }
    }

    /// Takes those of a side out.
    pub fn take(&mut self, side: Side) -> Vec<u8> {
        self.head(side).map(std::mem::take).unwrap_or_default()
    }

    fn head(&mut self, side: Side) -> Option<&mut Vec<u8>> {
        let [low, high] = self.0.as_deref_mut()?;
        Some(if side == Side::LowToHigh { low } else { high })
    }

    fn memory(&self) -> usize {
        self.0
            .iter()
            .flat_map(|heads| heads.iter())
            .map(Vec::capacity)
            .sum()
    }
}

/// Tells the protocol by the first bytes of `side`, of which `bytes` are the next. They are kept where they do not tell it, or where
/// earlier ones were.
pub(super) fn probe(heads: &mut Heads, side: Side, bytes: &[u8]) -> Told {
    if let Some(head) = heads.head(side).filter(|head| !head.is_empty()) {
        head.extend_from_slice(bytes);
        return told_by(head);
    }
    let told = told_by(bytes);
    if told == Told::Nothing {
        heads.0.get_or_insert_default();
        if let Some(head) = heads.head(side) {
            head.extend_from_slice(bytes);
        }
    }
    told
}

fn told_by(head: &[u8]) -> Told {
    match (tls::probe(head), http::probe(head)) {
        (Probe::Yes, _) => Told::Tls(if head.get(5) == Some(&2) {
            Direction::ToClient
        } else {
            Direction::ToServer
        }),
        (_, Probe::Yes) => Told::Http(if head.starts_with(b"HTTP/") {
            Direction::ToClient
        } else {
            Direction::ToServer
        }),
        (Probe::No, Probe::No) => Told::Other,
        _ if head.len() > MAX_HEAD => Told::Other,
        _ => Told::Nothing,
    }
}

/// What a piece in the midst of a stream brings.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing to read.
    Nothing,
    /// A ClientHello begins there.
    Tls(usize),
    /// An HTTP request, with its first byte.
    Http,
}

/// Looks for TLS after STARTTLS, and for the next request of a connection that was taken up in the midst of a body.
pub(super) fn search(bytes: &[u8]) -> Found {
    if let Some(at) = find_client_hello(bytes) {
        return Found::Tls(at);
    }
    let is_request = http::probe(bytes) == Probe::Yes && !bytes.starts_with(b"HTTP/");
    if is_request && bytes.contains(&b'\n') {
        return Found::Http;
    }
    Found::Nothing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_the_protocol_and_the_client() {
        let told = |bytes: &[u8]| probe(&mut Heads::default(), Side::LowToHigh, bytes);
        assert_eq!(
            told(b"\x16\x03\x01\x02\x00\x01"),
            Told::Tls(Direction::ToServer)
        );
        assert_eq!(
            told(b"\x16\x03\x03\x00\x50\x02"),
            Told::Tls(Direction::ToClient)
        );
        assert_eq!(told(b"GET / HTTP/1.1\r\n"), Told::Http(Direction::ToServer));
        assert_eq!(
            told(b"HTTP/1.1 200 OK\r\n"),
            Told::Http(Direction::ToClient)
        );
        assert_eq!(told(b"220 mail.example ESMTP\r\n"), Told::Other);
        assert_eq!(told(b"G"), Told::Nothing);
        assert_eq!(
            told(b"\r\nGET / HTTP/1.1\r\n"),
            Told::Http(Direction::ToServer)
        );
        let mut heads = Heads::default();
        let mut more = |side, bytes: &[u8]| probe(&mut heads, side, bytes);
        assert_eq!(more(Side::LowToHigh, b"GE"), Told::Nothing);
        assert_eq!(more(Side::HighToLow, b"HT"), Told::Nothing);
        assert_eq!(
            more(Side::LowToHigh, b"T / HTTP/1.1\r\n"),
            Told::Http(Direction::ToServer)
        );
        assert_eq!(heads.take(Side::LowToHigh), b"GET / HTTP/1.1\r\n");
        assert_eq!(heads.take(Side::HighToLow), b"HT");
    }

    #[test]
    fn a_whole_request_line_in_the_midst_of_a_stream_is_http() {
        assert_eq!(
            search(b"GET /a HTTP/1.1\r\nHost: dl.example.net\r\n\r\n"),
            Found::Http
        );
        for other in [
            b"GET /a RTSP/1.0\r\n".as_slice(),
            b"GET /a HTTP/1.1",
            b"HTTP/1.1 200 OK\r\n",
            b"\x05\x01\x00",
        ] {
            assert_eq!(search(other), Found::Nothing);
        }
    }
}
