//! Start lines and header fields (RFC 9112 sections 2 to 5), read leniently: bare line feeds, folded lines, odd spacing.

use serde::{Deserialize, Serialize};

use crate::protocols::tls::Probe;
use crate::types::kept::figure;
use crate::types::{Stamp, Timestamp};

use super::pairing::Extent;

/// Longest value that is kept.
const MAX_VALUE: usize = 8 * 1024;
/// Most fields of a head that are looked at.
const MAX_FIELDS: usize = 256;
/// Longest body that is kept.
pub const MAX_SMALL_BODY: u64 = 4 * 1024;
/// Longest method.
const MAX_METHOD: usize = 20;
/// Methods by which the first bytes of a connection are told, before the line is whole.
#[rustfmt::skip] // A list reads better in lines than one entry a line.
const METHODS: [&[u8]; 31] = [
    b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"PATCH", b"TRACE", b"PROPFIND", b"PROPPATCH", b"MKCOL",
    b"COPY", b"MOVE", b"LOCK", b"UNLOCK", b"REPORT", b"SEARCH", b"NOTIFY", b"SUBSCRIBE", b"UNSUBSCRIBE", b"POLL", b"BPROPPATCH",
    b"MERGE", b"CHECKOUT", b"MKACTIVITY", b"RPC_IN_DATA", b"RPC_OUT_DATA", b"BITS_POST", b"CCM_POST", b"PURGE",
];

/// A request's head.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Method.
    pub method: Vec<u8>,
    /// Target as on the wire.
    pub target: Vec<u8>,
    /// `HTTP/1.1` or the like.
    pub version: Vec<u8>,
    /// The first Host field.
    pub host: Option<Vec<u8>>,
    /// User-Agent.
    pub user_agent: Option<Vec<u8>>,
    /// The Range field.
    pub range: Option<Vec<u8>>,
    /// Whether it asks only for what changed (RFC 9110 section 13.1).
    pub is_conditional: bool,
    /// Length of its body.
    pub content_length: Option<u64>,
    /// Whether its body comes in chunks.
    pub is_chunked: bool,
    /// Whether it says that it is handed on for somebody else (RFC 9110 section 7.6.3, RFC 7239).
    pub is_forwarded: bool,
    /// The packet that completed the head.
    pub stamp: Stamp,
    /// Where the head stands, where that is known.
    #[serde(skip)]
    pub extent: Option<Extent>,
}

/// A response's head, and what was seen of its body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// `HTTP/1.1` or the like.
    pub version: Vec<u8>,
    /// Content-Type without parameters.
    pub content_type: Option<Vec<u8>>,
    /// Content-Length.
    pub content_length: Option<u64>,
    /// Content-Range.
    pub content_range: Option<ContentRange>,
    /// Entity tag, else the time of the last change: whether two ranges are of one file.
    pub validator: Option<Vec<u8>>,
    /// Whether the body comes in chunks.
    pub is_chunked: bool,
    /// What came of the body, where it is text of at most [`MAX_SMALL_BODY`] bytes; else `None`.
    #[serde(skip)]
    pub small_body: Option<Vec<u8>>,
    /// The packet that completed the head.
    pub stamp: Stamp,
    /// Where the head stands, where that is known.
    #[serde(skip)]
    pub extent: Option<Extent>,
    /// Where its body ends in the stream, where that is known.
    #[serde(skip)]
    pub end: Option<u64>,
    /// Its bytes in the stream, head and framing included, where others may have come before it is told.
    #[serde(skip)]
    pub stream_bytes: Option<u64>,
    /// Time of the body's last bytes.
    pub last_body: Timestamp,
    /// Body bytes seen, chunk framing left out.
    #[serde(deserialize_with = "figure")]
    pub body_bytes: u64,
    /// Body bytes lost.
    #[serde(deserialize_with = "figure")]
    pub body_missing: u64,
    /// Whether the body came to its end.
    pub is_complete: bool,
    /// Where the body ends was lost: `body_missing` is at least what was missed of it, as far as its length is not known.
    pub is_lost: bool,
}

/// A Content-Range field (RFC 9110 section 14.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentRange {
    /// As on the wire.
    pub raw: Vec<u8>,
    /// First and last byte.
    pub range: Option<(u64, u64)>,
    /// Size of the whole.
    pub size: Option<u64>,
}

/// Whether the first bytes are a start line.
pub(super) fn probe(bytes: &[u8]) -> Probe {
    const STATUS: &[u8] = b"HTTP/1.";
    // Every method begins with a capital letter, and hardly anything else does.
    if bytes
        .first()
        .is_some_and(|first| !first.is_ascii_uppercase())
    {
        return Probe::No;
    }
    if STATUS.starts_with(bytes) || bytes.is_empty() {
        return Probe::NeedMore;
    }
    if bytes.starts_with(STATUS) {
        return Probe::Yes;
    }
    match memchr::memchr(
        b' ',
        bytes.get(..MAX_METHOD.min(bytes.len())).unwrap_or_default(),
    ) {
        None if METHODS.iter().any(|method| method.starts_with(bytes)) => Probe::NeedMore,
        None => Probe::No,
        Some(space) if !METHODS.contains(&bytes.get(..space).unwrap_or_default()) => Probe::No,
        Some(_) => probe_version(bytes),
    }
}

/// Whether the request line, where it is whole, ends as HTTP's: RTSP and SIP share methods with it.
fn probe_version(bytes: &[u8]) -> Probe {
    let Some(end) = memchr::memchr(b'\n', bytes) else {
        return Probe::Yes;
    };
    let line = bytes.get(..end).unwrap_or_default().trim_ascii_end();
    let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    if version.starts_with(b"HTTP/1.") || version.starts_with(b"HTTP/0.") {
        Probe::Yes
    } else {
        Probe::No
    }
}

/// Where the head in `bytes` ends, its empty line included; what lies before `from` was searched already.
pub(super) fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let skipped = bytes.len() - without_leading_lines(bytes).len();
    let start = from.saturating_sub(3).max(skipped);
    memchr::memchr_iter(b'\n', bytes.get(start..)?)
        .map(|at| start + at)
        .find_map(|at| match bytes.get(at + 1..)? {
            [b'\n', ..] => Some(at + 2),
            [b'\r', b'\n', ..] => Some(at + 3),
            _ => None,
        })
}

/// Empty lines before a start line are allowed (RFC 9112 section 2.2).
pub(super) fn without_leading_lines(bytes: &[u8]) -> &[u8] {
    let start = bytes
        .iter()
        .position(|byte| !matches!(byte, b'\r' | b'\n'))
        .unwrap_or(bytes.len());
    bytes.get(start..).unwrap_or_default()
}

impl Response {
    /// It has no body.
    pub(super) fn empty(&mut self) {
        (self.body_bytes, self.body_missing) = (0, 0);
        self.small_body = None;
        self.is_lost = false;
    }

    /// Bytes that it takes.
    pub fn memory(&self) -> usize {
        let range = self.content_range.as_ref().map(|range| &range.raw);
        let fields = [self.content_type.as_ref(), range, self.validator.as_ref()];
        let fields: usize = fields.into_iter().flatten().map(Vec::len).sum();
        let small_body = self.small_body.as_ref().map_or(0, Vec::capacity);
        size_of::<Self>() + self.version.len() + fields + small_body
    }

    /// Whether it is an HTML page.
    pub fn is_page(&self) -> bool {
        const HTML: &[u8] = b"text/html";
        let start = self.content_type.as_deref();
        let start = start.and_then(|content_type| content_type.get(..HTML.len()));
        start.is_some_and(|start| start.eq_ignore_ascii_case(HTML))
    }

    /// Whether its body is worth keeping: an answer that programs read.
    fn is_small_text(&self) -> bool {
        let content_type = self.content_type.as_deref().unwrap_or_default();
        let content_type = content_type.to_ascii_lowercase();
        let is_text = content_type.is_empty()
            || content_type.starts_with(b"text/")
            || [b"xml".as_slice(), b"json"]
                .iter()
                .any(|ending| content_type.ends_with(ending));
        let is_small = self
            .content_length
            .is_none_or(|length| length <= MAX_SMALL_BODY);
        is_text && is_small && self.status == 200
    }

    /// Keeps `bytes` of the body, as long as it is small.
    pub(super) fn note_small_body(&mut self, bytes: &[u8]) {
        let kept = self
            .small_body
            .take_if(|kept| (kept.len() + bytes.len()) as u64 > MAX_SMALL_BODY);
        if kept.is_none()
            && let Some(kept) = &mut self.small_body
        {
            kept.extend_from_slice(bytes);
        }
    }
}

impl Response {
    /// What the server chose freely.
    pub(super) fn texts_mut(&mut self) -> impl Iterator<Item = &mut Vec<u8>> {
        let range = self.content_range.as_mut().map(|range| &mut range.raw);
        let fields = [self.content_type.as_mut(), range, self.validator.as_mut()];
        fields.into_iter().flatten()
    }
}

impl Request {
    /// What the client chose freely.
    pub(super) fn texts_mut(&mut self) -> impl Iterator<Item = &mut Vec<u8>> {
        let fields = [&mut self.host, &mut self.user_agent, &mut self.range];
        let fields = fields.into_iter().filter_map(Option::as_mut);
        fields.chain([&mut self.target])
    }

    /// Bytes that it takes.
    pub fn memory(&self) -> usize {
        let fields = [&self.host, &self.user_agent, &self.range];
        let fields: usize = fields.into_iter().flatten().map(Vec::len).sum();
        size_of::<Self>() + self.method.len() + self.target.len() + self.version.len() + fields
    }

    /// Reads a whole head. `None`: its start line is no request's.
    pub(super) fn parse(head: &[u8], stamp: Stamp) -> Option<Self> {
        let mut lines = lines(without_leading_lines(head));
        let line = lines.next()?;
        let space = memchr::memchr(b' ', line)?;
        let method = line.get(..space)?;
        let last = memchr::memrchr(b' ', line)?;
        let version = line.get(last + 1..)?;
        if method.is_empty()
            || method.len() > MAX_METHOD
            || !version.starts_with(b"HTTP/")
            || last <= space
        {
            return None;
        }
        let target = line.get(space + 1..last)?.trim_ascii();
        let mut request = Self {
            method: method.to_vec(),
            target: kept(target),
            version: kept(version),
            stamp,
            ..Self::default()
        };
        for (name, value) in lines.take(MAX_FIELDS).filter_map(field) {
            request.take_in(name, value);
        }
        Some(request)
    }

    fn take_in(&mut self, name: &[u8], value: &[u8]) {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("host") {
            self.host.get_or_insert_with(|| kept(value));
        } else if is("user-agent") {
            self.user_agent.get_or_insert_with(|| kept(value));
        } else if is("range") {
            self.range.get_or_insert_with(|| kept(value));
        } else if is("content-length") {
            self.content_length = self.content_length.or(integer(value));
        } else if is("transfer-encoding") {
            self.is_chunked |= is_chunked(value);
        } else if is("if-modified-since") || is("if-none-match") {
            self.is_conditional = true;
        } else if is("via") || is("x-forwarded-for") || is("forwarded") {
            self.is_forwarded = true;
        }
    }
}

impl Response {
    /// Reads a whole head. `None`: its start line is no status line.
    pub(super) fn parse(head: &[u8], stamp: Stamp) -> Option<Self> {
        let mut lines = lines(without_leading_lines(head));
        let mut words = lines
            .next()?
            .split(|byte| *byte == b' ')
            .filter(|word| !word.is_empty());
        let version = words
            .next()
            .filter(|version| version.starts_with(b"HTTP/"))?;
        let status = u16::try_from(integer(words.next()?)?)
            .ok()
            .filter(|status| *status < 1_000)?;
        let mut response = Self {
            status,
            version: kept(version),
            stamp,
            last_body: stamp.timestamp,
            ..Self::default()
        };
        for (name, value) in lines.take(MAX_FIELDS).filter_map(field) {
            response.take_in(name, value);
        }
        // RFC 9112 section 6.3: how it is transferred overrides a length that is told.
        response.content_length.take_if(|_| response.is_chunked);
        response.small_body = response.is_small_text().then(Vec::new);
        Some(response)
    }

    fn take_in(&mut self, name: &[u8], value: &[u8]) {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("content-length") {
            self.content_length = self.content_length.or(integer(value));
        } else if is("content-type") {
            let end = memchr::memchr(b';', value).unwrap_or(value.len());
            self.content_type
                .get_or_insert_with(|| kept(value.get(..end).unwrap_or_default().trim_ascii()));
        } else if is("content-range") {
            self.content_range
                .get_or_insert_with(|| ContentRange::parse(value));
        } else if is("transfer-encoding") {
            self.is_chunked |= is_chunked(value);
        } else if is("etag") {
            self.validator = Some(kept(value));
        } else if is("last-modified") {
            self.validator.get_or_insert_with(|| kept(value));
        }
    }
}

impl ContentRange {
    /// `bytes 0-99/1000`, `bytes */1000`, `bytes 0-99/*`.
    fn parse(value: &[u8]) -> Self {
        let mut parsed = Self {
            raw: kept(value),
            ..Self::default()
        };
        let Some(rest) = value
            .get(..6)
            .filter(|unit| unit.eq_ignore_ascii_case(b"bytes "))
            .and_then(|_| value.get(6..))
        else {
            return parsed;
        };
        let mut halves = rest.splitn(2, |byte| *byte == b'/');
        let mut ends = halves
            .next()
            .unwrap_or_default()
            .splitn(2, |byte| *byte == b'-');
        let ends = (ends.next().and_then(integer), ends.next().and_then(integer));
        parsed.range = ends.0.zip(ends.1).filter(|(start, end)| start <= end);
        parsed.size = halves.next().and_then(integer);
        parsed
    }
}

/// The lines of a head, folded ones joined to nothing: their first line stands.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let is_folded = line
        .first()
        .is_some_and(|byte| matches!(byte, b' ' | b'\t'));
    (!is_folded).then_some((
        line.get(..colon)?.trim_ascii_end(),
        line.get(colon + 1..)?.trim_ascii(),
    ))
}

fn is_chunked(value: &[u8]) -> bool {
    value.len() >= 7
        && value
            .to_ascii_lowercase()
            .trim_ascii()
            .ends_with(b"chunked")
}

pub(super) fn integer(digits: &[u8]) -> Option<u64> {
    let digits = digits.trim_ascii();
    let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| all_digits)?
        .parse()
        .ok()
}

fn kept(value: &[u8]) -> Vec<u8> {
    value.get(..MAX_VALUE).unwrap_or(value).to_vec()
}
