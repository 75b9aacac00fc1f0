//! The record layer (RFC 8446 section 5.1): one direction's bytes to whole handshake messages.
//!
//! ```text
//! record:    type(1) version(2) length(2) fragment
//! handshake: type(1) length(3) body
//! ```
//!
//! Messages may span records, records may span segments, down to one byte each. Only the handshake in clear is gathered.

use std::ops::ControlFlow;

/// Record types.
pub(super) const HANDSHAKE: u8 = 22;
const CHANGE_CIPHER_SPEC: u8 = 20;
const APPLICATION_DATA: u8 = 23;
const HEARTBEAT: u8 = 24;
const HEADER: usize = 5;
const MESSAGE_HEADER: usize = 4;
/// Longest record: 2^14 bytes and what encryption may add (RFC 5246 section 6.2.3).
const MAX_RECORD: usize = (1 << 14) + 2_048;
/// Longest gathered handshake: post-quantum hellos take a few kilobytes.
pub const MAX_HANDSHAKE: usize = 64 * 1024;

/// What was found in a direction.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// A whole handshake message: type and body.
    Message(u8, &'a [u8]),
    /// A record of encrypted application data: nothing in clear follows.
    Encrypted,
}

/// One direction's handshake.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    header: [u8; HEADER],
    header_length: usize,
    /// Bytes of the current record that have not come yet.
    left: usize,
    gathered: Vec<u8>,
    stopped: bool,
}

impl Handshakes {
    /// Bytes that wait.
    pub const fn memory(&self) -> usize {
        self.gathered.capacity()
    }

    /// Takes in the next bytes; `step` says whether to go on.
    pub fn push(&mut self, bytes: &[u8], mut step: impl FnMut(Step<'_>) -> ControlFlow<()>) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.stopped {
            rest = if self.left == 0 {
                self.take_header(rest)
            } else {
                self.take_fragment(rest)
            };
            if self.header_length < HEADER {
                continue;
            }
            if self.header[0] == APPLICATION_DATA && step(Step::Encrypted).is_break() {
                self.stop();
            }
            self.take_messages(&mut step);
            if self.left == 0 {
                self.header_length = 0;
            }
        }
    }

    /// No more bytes are wanted.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.gathered = Vec::new();
    }

    /// Whether no more bytes are wanted.
    pub const fn is_stopped(&self) -> bool {
        self.stopped
    }

    fn take_header<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (taken, rest) = bytes.split_at(bytes.len().min(HEADER - self.header_length));
        let space = self
            .header
            .get_mut(self.header_length..self.header_length + taken.len());
        space.unwrap_or_default().copy_from_slice(taken);
        self.header_length += taken.len();
        if self.header_length == HEADER {
            let [kind, major, _, high, low] = self.header;
            self.left = usize::from(u16::from_be_bytes([high, low]));
            if !(CHANGE_CIPHER_SPEC..=HEARTBEAT).contains(&kind)
                || major != 3
                || self.left > MAX_RECORD
            {
                self.stop();
            }
        }
        rest
    }

    fn take_fragment<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (taken, rest) = bytes.split_at(bytes.len().min(self.left));
        self.left -= taken.len();
        if self.header[0] == HANDSHAKE {
            self.gathered.extend_from_slice(taken);
        }
        rest
    }

    fn take_messages(&mut self, step: &mut impl FnMut(Step<'_>) -> ControlFlow<()>) {
        let mut done = 0;
        while let Some((kind, body)) = message(self.gathered.get(done..).unwrap_or_default()) {
            done += MESSAGE_HEADER + body.len();
            if step(Step::Message(kind, body)).is_break() {
                return self.stop();
            }
        }
        self.gathered.drain(..done);
        // A message that announces more than is gathered is no hello; waiting for it would keep the bytes for nothing.
        if announced(&self.gathered) > MAX_HANDSHAKE {
            self.stop();
        }
    }
}

fn announced(bytes: &[u8]) -> usize {
    bytes.first_chunk().map_or(0, |[_, a, b, c]| {
        u32::from_be_bytes([0, *a, *b, *c]) as usize
    })
}

fn message(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let kind = *bytes.first()?;
    let body = bytes.get(MESSAGE_HEADER..)?.get(..announced(bytes))?;
    Some((kind, body))
}
