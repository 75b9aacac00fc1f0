//! How long a body is (RFC 9112 section 6.3), and chunked coding (section 7.1).

use serde::{Deserialize, Serialize};

use super::head::{Request, Response};

/// Longest line of a chunk's size, extensions included.
const MAX_SIZE_LINE: usize = 1_024;

/// A body that is coming.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body(Kind);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    /// So many bytes are left.
    Length(u64),
    /// As long as the connection.
    UntilClose,
    Chunked(Chunk),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Chunk {
    /// Within the size line: its value so far, and how long it is.
    Size {
        value: u64,
        length: usize,
        in_extension: bool,
    },
    /// Within the data.
    Data(u64),
    /// Before the line feed behind the data.
    DataEnd,
    /// Within the trailer; whether the line is empty so far.
    Trailer {
        is_empty: bool,
    },
    Over,
}

const NEW_CHUNK: Chunk = Chunk::Size {
    value: 0,
    length: 0,
    in_extension: false,
};

impl Body {
    /// None at all.
    pub(super) const fn none() -> Self {
        Self(Kind::Length(0))
    }

    /// A request's: without a length there is none.
    pub(super) fn of_request(request: &Request) -> Self {
        match request.content_length {
            _ if request.is_chunked => Self(Kind::Chunked(NEW_CHUNK)),
            // A tunnel's bytes are no body.
            Some(length) if request.method != b"CONNECT" => Self(Kind::Length(length)),
            _ => Self::none(),
        }
    }

    /// A response's: without a length it lasts as long as the connection.
    pub(super) fn of_response(request: Option<&Request>, response: &Response) -> Self {
        let is_head = request.is_some_and(|request| request.method == b"HEAD");
        let is_tunnel = request.is_some_and(|request| request.opens_tunnel(response.status));
        if is_head || is_tunnel || matches!(response.status, 100..=199 | 204 | 304) {
            return Self::none();
        }
        match response.content_length {
            _ if response.is_chunked => Self(Kind::Chunked(NEW_CHUNK)),
            Some(length) => Self(Kind::Length(length)),
            None => Self(Kind::UntilClose),
        }
    }

    /// Takes body bytes from the start of `bytes`, and hands `payload` what of them is no framing: how many were payload, and what follows.
    pub(super) fn take<'b>(
        &mut self,
        bytes: &'b [u8],
        payload: &mut dyn FnMut(&[u8]),
    ) -> (u64, &'b [u8]) {
        let (seen, after) = match &mut self.0 {
            Kind::UntilClose => (
                bytes.len() as u64,
                bytes.get(bytes.len()..).unwrap_or_default(),
            ),
            Kind::Length(left) => take_length(left, bytes),
            Kind::Chunked(chunk) => return chunk.take_all(bytes, payload),
        };
        payload(bytes.get(..bytes.len() - after.len()).unwrap_or_default());
        (seen, after)
    }

    /// `length` bytes were lost; whether it is still known where the body ends.
    pub(super) fn miss(&mut self, length: u64) -> bool {
        match &mut self.0 {
            Kind::UntilClose => true,
            Kind::Length(left) | Kind::Chunked(Chunk::Data(left)) if *left >= length => {
                *left -= length;
                true
            }
            _ => false,
        }
    }

    /// How many bytes are left, where the length is known.
    pub(super) const fn left(&self) -> Option<u64> {
        match self.0 {
            Kind::Length(left) => Some(left),
            _ => None,
        }
    }

    /// Whether it came to its end.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.0, Kind::Length(0) | Kind::Chunked(Chunk::Over))
    }

    /// Whether the end of the connection is its proper end.
    pub(super) const fn ends_with_connection(&self) -> bool {
        matches!(self.0, Kind::UntilClose)
    }
}

fn take_length<'b>(left: &mut u64, bytes: &'b [u8]) -> (u64, &'b [u8]) {
    let taken = usize::try_from(*left)
        .unwrap_or(usize::MAX)
        .min(bytes.len());
    *left -= taken as u64;
    (taken as u64, bytes.get(taken..).unwrap_or_default())
}

impl Chunk {
    fn take_all<'b>(&mut self, bytes: &'b [u8], payload: &mut dyn FnMut(&[u8])) -> (u64, &'b [u8]) {
        let (mut seen, mut rest) = (0, bytes);
        while !rest.is_empty() && *self != Self::Over {
            if let Self::Data(left) = self {
                let (taken, after) = take_length(left, rest);
                payload(rest.get(..rest.len() - after.len()).unwrap_or_default());
                seen += taken;
                rest = after;
                if *left == 0 {
                    *self = Self::DataEnd;
                }
                continue;
            }
            let Some((byte, after)) = rest.split_first() else {
                break;
            };
            self.step(*byte);
            rest = after;
        }
        (seen, rest)
    }

    fn step(&mut self, byte: u8) {
        *self = match (&*self, byte) {
            (
                Self::Size {
                    value: 0,
                    length: 1..,
                    ..
                },
                b'\n',
            ) => Self::Trailer { is_empty: true },
            (
                Self::Size {
                    value, length: 1.., ..
                },
                b'\n',
            ) => Self::Data(*value),
            (Self::Size { length: 0, .. }, b'\n') => NEW_CHUNK,
            (Self::Size { length, .. }, _) if *length >= MAX_SIZE_LINE => Self::Over,
            (
                Self::Size {
                    value,
                    length,
                    in_extension,
                },
                _,
            ) => size_digit(*value, *length, *in_extension, byte),
            (Self::DataEnd, b'\n') => NEW_CHUNK,
            (Self::DataEnd, b'\r') => Self::DataEnd,
            (Self::Trailer { is_empty: true }, b'\n') => Self::Over,
            (Self::Trailer { .. }, b'\n') => Self::Trailer { is_empty: true },
            (Self::Trailer { is_empty }, b'\r') => Self::Trailer {
                is_empty: *is_empty,
            },
            (Self::Trailer { .. }, _) => Self::Trailer { is_empty: false },
            // Anything else is no chunked coding: the body is given up where it stands.
            _ => Self::Over,
        };
    }
}

/// A character of a size line: a digit, or part of an extension, which is passed over.
fn size_digit(value: u64, length: usize, in_extension: bool, byte: u8) -> Chunk {
    let digit = char::from(byte).to_digit(16).filter(|_| !in_extension);
    match digit {
        Some(digit) => Chunk::Size {
            value: value.saturating_mul(16).saturating_add(digit.into()),
            length: length + 1,
            in_extension,
        },
        None if byte == b'\r' => Chunk::Size {
            value,
            length,
            in_extension,
        },
        None if length == 0 => Chunk::Over,
        None => Chunk::Size {
            value,
            length: length + 1,
            in_extension: true,
        },
    }
}
