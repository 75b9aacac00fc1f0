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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Kind;
    use crate::types::Timestamp;

    fn header(seconds: i64) -> Header {
        Header {
            timestamp: Timestamp::from_seconds(seconds, 0),
            kind: Kind::Dns,
            flow: None,
            packet: None,
        }
    }

    fn query(id: u8, labels: u8) -> Vec<u8> {
        let mut message = vec![0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(std::iter::repeat_n(*b"\x01a", labels.into()).flatten());
        message.extend([0, 0, 1, 0, 1]);
        message
    }

    #[test]
    fn messages_are_handed_over_in_their_order_with_what_is_theirs() {
        let mut postponed = Postponed::default();
        for round in 0..2 {
            for number in 1..=3 {
                postponed.push(
                    usize::from(number),
                    header(round),
                    number.into(),
                    &query(number, number),
                );
            }
            let mut taken = Vec::new();
            postponed.take(|place, header, tx_id, message| {
                let name = message.questions().next().unwrap().name.to_fqdn().unwrap();
                let labels = name.as_str().split('.').count();
                let (seconds, _) = header.timestamp.seconds_and_nanos();
                taken.push((place, seconds, tx_id, message.id(), labels));
            });
            let expected = [1, 2, 3].map(|n| (n, round, n as u64, n as u16, n));
            assert_eq!(taken, expected);
        }
        postponed.take(|_, _, _, _| panic!("nothing waits"));
    }

    #[test]
    fn neither_many_nor_large_messages_wait() {
        let mut postponed = Postponed::default();
        for number in 0..MOST {
            assert!(!postponed.is_full(), "{number}");
            postponed.push(number, header(0), 0, &query(0, 1));
        }
        assert!(postponed.is_full());
        postponed.take(|_, _, _, _| ());
        assert!(!postponed.is_full());
        postponed.push(0, header(0), 0, &[0; MOST_BYTES]);
        assert!(postponed.is_full());
    }
}
