//! TLS handshakes in clear: what both hellos say, and JA4 (RFC 8446, RFC 5246, RFC 6066, RFC 7301).
//!
//! Envelope first, content second: [`Session`] takes the bytes of both directions in order, in any pieces, through
//! records ([`record`]) to handshake messages, and only whole messages are looked into ([`hello`]).
//!
//! Blind spots: TLS 1.3 encrypts the server's choice of ALPN, and an accepted ECH leaves only the public name in clear.
#![warn(clippy::indexing_slicing)]

pub mod hello;
pub mod ja4;
pub mod record;

pub use hello::{ClientHello, EchOuter, ServerHello};

use crate::types::Direction;
use record::{Handshakes, Step};

/// What the first bytes of a direction look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It is the protocol.
    Yes,
    /// It is not.
    No,
    /// More bytes are needed to tell.
    NeedMore,
}

/// How far a session is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are needed.
    NeedMore,
    /// All that can be seen in clear was seen.
    Complete,
    /// The bytes are not TLS, or no longer make sense.
    Broken,
}

/// Handshake type of a ClientHello (RFC 8446 section 4).
const CLIENT_HELLO: u8 = 1;
/// Handshake type of a ServerHello.
const SERVER_HELLO: u8 = 2;

/// Whether `bytes` begin with a handshake record that holds a hello.
pub fn probe(bytes: &[u8]) -> Probe {
    let fits = |index: usize, test: fn(u8) -> bool| bytes.get(index).is_none_or(|byte| test(*byte));
    let plausible = fits(0, |byte| byte == record::HANDSHAKE)
        && fits(1, |byte| byte == 3)
        && fits(2, |byte| byte <= 4)
        && fits(3, |byte| byte <= 0x48)
        && fits(5, |byte| matches!(byte, CLIENT_HELLO | SERVER_HELLO));
    match plausible {
        false => Probe::No,
        true if bytes.len() < 6 => Probe::NeedMore,
        true => Probe::Yes,
    }
}

/// Where in `bytes` a record with the start of a ClientHello lies: TLS after STARTTLS begins in the midst of a stream.
///
/// Strict, because other bytes may look alike: the lengths of record and message must agree, and the version must be known.
pub fn find_client_hello(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(record::HANDSHAKE, bytes).find(|at| {
        let start = bytes.get(*at..).and_then(|rest| rest.first_chunk::<11>());
        start.is_some_and(|start| {
            let [
                _,
                3,
                0..=4,
                high,
                low,
                CLIENT_HELLO,
                0,
                length_high,
                length_low,
                3,
                0..=4,
            ] = *start
            else {
                return false;
            };
            let (record, message) = (
                u16::from_be_bytes([high, low]),
                u16::from_be_bytes([length_high, length_low]),
            );
            message >= 38 && record <= message.saturating_add(4) && record > 6
        })
    })
}

/// The handshake of one connection.
#[derive(Debug, Default)]
pub struct Session {
    client: Handshakes,
    server: Handshakes,
    client_hello: Option<Box<ClientHello>>,
    /// Bytes that the client sent.
    client_bytes: u64,
    /// Those of the ClientHello, in one record.
    client_hello_bytes: u64,
    server_hello: Option<ServerHello>,
    server_encrypted: bool,
}

impl Session {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of the client's that came behind its first ClientHello.
    pub const fn behind_client_hello(&self) -> u64 {
        self.client_bytes.saturating_sub(self.client_hello_bytes)
    }

    /// Bytes that wait for more of a handshake, and of the hello that is whole.
    pub fn memory(&self) -> usize {
        let hello = self.client_hello.as_ref();
        self.client.memory() + self.server.memory() + hello.map_or(0, |hello| hello.memory())
    }

    /// Takes in the next bytes of a direction.
    pub fn push(&mut self, direction: Direction, bytes: &[u8]) -> Progress {
        match direction {
            Direction::ToServer => self.push_client(bytes),
            Direction::ToClient => self.push_server(bytes),
        }
    }

    /// Bytes of a direction were lost.
    pub fn gap(&mut self, direction: Direction) -> Progress {
        match direction {
            Direction::ToServer => self.client.stop(),
            Direction::ToClient => self.server.stop(),
        }
        self.progress()
    }

    /// Whether this direction needs no more bytes.
    pub const fn is_done(&self, direction: Direction) -> bool {
        match direction {
            Direction::ToServer => self.client.is_stopped(),
            Direction::ToClient => self.server.is_stopped(),
        }
    }

    /// The first ClientHello.
    pub fn client_hello(&self) -> Option<&ClientHello> {
        self.client_hello.as_deref()
    }

    /// The ServerHello; a HelloRetryRequest is none.
    pub const fn server_hello(&self) -> Option<&ServerHello> {
        self.server_hello.as_ref()
    }

    /// How far the session is understood.
    pub fn progress(&self) -> Progress {
        let has_hello = self.client_hello.is_some() || self.server_hello.is_some();
        let server_done = self.server_hello.is_some() || self.server_encrypted;
        let both_stopped = self.client.is_stopped() && self.server.is_stopped();
        if (has_hello && server_done && self.client.is_stopped()) || (has_hello && both_stopped) {
            Progress::Complete
        } else if both_stopped {
            Progress::Broken
        } else {
            Progress::NeedMore
        }
    }

    fn push_client(&mut self, bytes: &[u8]) -> Progress {
        /// Heads of a record and of a message.
        const HEADS: u64 = 5 + 4;
        self.client_bytes += bytes.len() as u64;
        let (client_hello, length) = (&mut self.client_hello, &mut self.client_hello_bytes);
        self.client.push(bytes, |step| {
            if let Step::Message(CLIENT_HELLO, body) = step {
                *client_hello = ClientHello::parse(body, ja4::Transport::Tcp).map(Box::new);
                *length = HEADS + body.len() as u64;
            }
            // The first ClientHello counts, and what follows it is no longer of interest.
            std::ops::ControlFlow::Break(())
        });
        self.progress()
    }

    fn push_server(&mut self, bytes: &[u8]) -> Progress {
        let (server_hello, encrypted) = (&mut self.server_hello, &mut self.server_encrypted);
        self.server.push(bytes, |step| {
            match step {
                Step::Message(SERVER_HELLO, body) => match ServerHello::parse(body) {
                    Some(hello) if hello.is_retry_request => {
                        return std::ops::ControlFlow::Continue(());
                    }
                    hello => *server_hello = hello,
                },
                Step::Message(..) => return std::ops::ControlFlow::Continue(()),
                Step::Encrypted => *encrypted = true,
            }
            std::ops::ControlFlow::Break(())
        });
        self.progress()
    }
}

#[cfg(test)]
pub(crate) mod tests;
