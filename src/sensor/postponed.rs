//! DNS messages whose lines are written later, several at once.
//!
//! The code that writes a line and the code that reads a packet together do not fit a cache of instructions: one behind the other, for
//! each message, both would be fetched anew.

use crate::protocols::dns::Message;
use crate::records::Header;

/// Most messages that wait.
const MOST: usize = 64;
/// Most of their bytes, but for the last one's.
const MOST_BYTES: usize = 64 << 10;

/// Messages that wait for their lines, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Postponed {
    waiting: Vec<Waiting>,
    /// The messages, one behind the other.
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Waiting {
    /// Its line's place.
    place: usize,
    header: Header,
    tx_id: u64,
    length: usize,
}

impl Postponed {
    /// Keeps a message; `place`, `header` and `tx_id` are its line's.
    pub fn push(&mut self, place: usize, header: Header, tx_id: u64, message: &[u8]) {
        self.bytes.extend_from_slice(message);
        self.waiting.push(Waiting {
            place,
            header,
            tx_id,
            length: message.len(),
        });
    }

    /// Whether no more should wait.
    pub const fn is_full(&self) -> bool {
        self.waiting.len() >= MOST || self.bytes.len() >= MOST_BYTES
    }

    /// Hands over every message with what it was kept with, and keeps the memory.
    pub fn take(&mut self, mut write: impl FnMut(usize, &Header, u64, &Message<'_>)) {
        let mut rest = self.bytes.as_slice();
        for waiting in self.waiting.drain(..) {
            let (bytes, others) = rest.split_at_checked(waiting.length).unwrap_or_default();
            rest = others;
            if let Ok(message) = Message::parse(bytes) {
                write(waiting.place, &waiting.header, waiting.tx_id, &message);
            }
        }
        self.bytes.clear();
    }
}
