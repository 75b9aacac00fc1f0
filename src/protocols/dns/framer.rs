//! DNS over TCP: each message behind its length (RFC 1035 section 4.2.2, RFC 7766).

/// Cuts one direction of a stream into messages; keeps only the message that is incomplete.
#[derive(Debug, Default)]
pub struct Framer {
    pending: Vec<u8>,
}

/// Bytes of the length in front of a message.
const LENGTH: usize = 2;

impl Framer {
    /// Takes in the next bytes of the stream; hands every whole message to `message`.
    pub fn push(&mut self, bytes: &[u8], mut message: impl FnMut(&[u8])) {
        let mut rest = bytes;
        while !self.pending.is_empty() {
            let needed = self.needed();
            if needed > rest.len() {
                self.pending.extend_from_slice(rest);
                return;
            }
            let (taken, after) = rest.split_at(needed);
            self.pending.extend_from_slice(taken);
            rest = after;
            if self.needed() == 0 {
                let whole = std::mem::take(&mut self.pending);
                message(whole.get(LENGTH..).unwrap_or_default());
            }
        }
        while let Some(whole) = first_message(rest) {
            message(whole);
            rest = rest.get(LENGTH + whole.len()..).unwrap_or_default();
        }
        self.pending.extend_from_slice(rest);
    }

    /// Bytes were lost: where the next message begins is not known until a segment begins with one.
    pub fn gap(&mut self) {
        self.pending = Vec::new();
    }

    /// Memory of what waits.
    pub const fn memory(&self) -> usize {
        self.pending.capacity()
    }

    /// How many bytes the pending message still needs, or its length field does.
    fn needed(&self) -> usize {
        match self.pending.first_chunk::<LENGTH>() {
            Some(length) => LENGTH + usize::from(u16::from_be_bytes(*length)) - self.pending.len(),
            None => LENGTH - self.pending.len(),
        }
    }
}

fn first_message(bytes: &[u8]) -> Option<&[u8]> {
    let length = usize::from(u16::from_be_bytes(*bytes.first_chunk()?));
    bytes.get(LENGTH..LENGTH + length)
}
