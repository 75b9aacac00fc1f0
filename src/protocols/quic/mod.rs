//! QUIC Initial packets: the ClientHello inside them (RFC 9000, RFC 9001, RFC 9369).
//!
//! Initial packets are protected with keys that anyone can derive from the client's first destination connection id. This module
//! derives them, opens what a client sent, and puts the CRYPTO frames of several packets and datagrams together, in any order:
//! post-quantum hellos take two datagrams, and browsers shuffle their pieces.
//!
//! * [`packet`]: headers, coalesced packets
//! * [`version`]: salts, labels, packet types
//! * [`keys`]: Initial keys
//! * [`frames`]: CRYPTO frames put together
//! * [`gquic`]: the hello of Google's QUIC, before TLS
//!
//! Blind spots: datagrams cut by a snap length cannot be opened; a hello with accepted ECH shows only the public name.
#![warn(clippy::indexing_slicing)]

pub mod frames;
pub mod gquic;
pub mod keys;
pub mod packet;
pub mod version;

use std::hash::BuildHasher as _;

use super::tls::ClientHello;
use super::tls::ja4::Transport;
use frames::Crypto;
use keys::InitialKeys;
use packet::{ConnectionId, Initial};

/// Most connection ids for which keys are derived in one flow: each costs some microseconds.
pub const MAX_DERIVATIONS: u8 = 24;
/// Most packets of one flow that may fail to open.
pub const MAX_FAILURES: u8 = 32;

/// What a datagram brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing new.
    Nothing,
    /// A ClientHello is whole: [`Connection::hello`].
    Hello,
    /// The flow is no QUIC, or nothing more can be learnt of it.
    Done,
}

/// A client's hello.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// Version field of its Initial.
    pub version: u32,
    /// What it says.
    pub client_hello: ClientHello,
}

/// What is known of the QUIC connections on one UDP flow.
#[derive(Debug, Default)]
pub struct Connection {
    attempt: Option<Box<Attempt>>,
    /// The connection whose hello is whole.
    finished: Option<Box<InitialKeys>>,
    hello: Option<Box<Hello>>,
    /// Of the bytes of that hello.
    hello_hash: Option<u64>,
    derivations: u8,
    failures: u8,
}

/// A hello that is being put together.
#[derive(Debug)]
struct Attempt {
    keys: Box<InitialKeys>,
    version: u32,
    crypto: Crypto,
}

/// Whether `datagram` begins with a long header that may be QUIC's.
pub fn probe(datagram: &[u8]) -> bool {
    packet::long_header(datagram).is_some_and(|header| version::is_known(header.version))
        || gquic::client_hello(datagram).is_some()
}

/// The bit of a datagram's first byte that says that it begins with a long header (RFC 8999 section 5.1).
pub const LONG_HEADER: u8 = 0x80;

/// Whether `datagram` begins with a short header (RFC 8999 section 5.2). A client sends one only once the server has answered:
/// its keys come from the handshake (RFC 9001 section 4.1).
pub fn is_short(datagram: &[u8]) -> bool {
    datagram
        .first()
        .is_some_and(|first| first & LONG_HEADER == 0)
}

impl Connection {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a datagram that may come from the client.
    pub fn datagram(&mut self, datagram: &[u8]) -> Progress {
        if let Some(hello) = gquic::client_hello(datagram) {
            self.hello = Some(Box::new(hello));
            return Progress::Hello;
        }
        for initial in packet::initials(datagram) {
            if self.initial(&initial) == Progress::Hello {
                return Progress::Hello;
            }
        }
        if self.failures >= MAX_FAILURES {
            Progress::Done
        } else {
            Progress::Nothing
        }
    }

    /// Bytes that wait for more of a handshake, and of the hello that is whole.
    pub fn memory(&self) -> usize {
        let attempt = self.attempt.as_ref();
        let attempt = attempt.map_or(0, |attempt| {
            size_of::<Attempt>() + size_of::<InitialKeys>() + attempt.crypto.memory()
        });
        let hello = self.hello.as_ref();
        attempt + hello.map_or(0, |hello| hello.client_hello.memory())
    }

    /// The hello of a connection of IETF QUIC is whole: no datagram with a short header begins another. (One of gQUIC may.)
    pub fn is_established(&self) -> bool {
        self.hello
            .as_ref()
            .is_some_and(|hello| hello.client_hello.version != 0)
    }

    /// The newest hello that is whole.
    pub fn hello(&self) -> Option<&Hello> {
        self.hello.as_deref()
    }

    fn initial(&mut self, initial: &Initial<'_>) -> Progress {
        if self.failures >= MAX_FAILURES {
            return Progress::Nothing;
        }
        if let Some(payload) = self.open_known(initial) {
            return self.take_in(&payload);
        }
        if self
            .finished
            .as_ref()
            .is_some_and(|keys| keys.open(initial).is_some())
        {
            return Progress::Nothing;
        }
        match self.open_new(initial) {
            Some(payload) => self.take_in(&payload),
            None => {
                self.failures += 1;
                Progress::Nothing
            }
        }
    }

    /// Opens with the keys of the connection at hand: later Initials of a client may go to an id that the server chose.
    fn open_known(&self, initial: &Initial<'_>) -> Option<Vec<u8>> {
        self.attempt.as_ref()?.keys.open(initial)
    }

    /// Opens with keys of the packet's own destination id: a new connection, one after a Retry, or one that began unseen.
    fn open_new(&mut self, initial: &Initial<'_>) -> Option<Vec<u8>> {
        for family in version::candidates(initial.version) {
            if self.derivations >= MAX_DERIVATIONS {
                return None;
            }
            self.derivations += 1;
            let keys = InitialKeys::derive(family, &initial.destination)?;
            if let Some(payload) = keys.open(initial) {
                self.attempt = Some(Box::new(Attempt {
                    keys: Box::new(keys),
                    version: initial.version,
                    crypto: Crypto::default(),
                }));
                return Some(payload);
            }
        }
        None
    }

    fn take_in(&mut self, payload: &[u8]) -> Progress {
        let Some(attempt) = &mut self.attempt else {
            return Progress::Nothing;
        };
        attempt.crypto.take_in(payload);
        let crypto = &attempt.crypto;
        let tls = crypto
            .client_hello()
            .map(|body| ClientHello::parse(body, Transport::Quic).unwrap_or_default());
        let Some(client_hello) = tls.or_else(|| gquic::whole_hello(crypto.contiguous())) else {
            return Progress::Nothing;
        };
        let version = attempt.version;
        let hello_hash = hash(crypto.contiguous());
        if self.hello_hash.replace(hello_hash) == Some(hello_hash) {
            // After a Retry the client sends its hello once more (RFC 9000 section 17.2.5.2).
            self.finished = self.attempt.take().map(|attempt| attempt.keys);
            return Progress::Nothing;
        }
        self.hello = Some(Box::new(Hello {
            version,
            client_hello,
        }));
        self.finished = self.attempt.take().map(|attempt| attempt.keys);
        Progress::Hello
    }
}

fn hash(bytes: &[u8]) -> u64 {
    foldhash::fast::FixedState::with_seed(0).hash_one(bytes)
}

/// The destination connection id of a datagram's first packet, for those who want to tell connections apart.
pub fn destination_id(datagram: &[u8]) -> Option<ConnectionId> {
    packet::long_header(datagram).map(|header| header.destination)
}

#[cfg(test)]
mod tests;
