//! IP fragments put together (RFC 791 section 3.2, RFC 8200 section 4.5).
//!
//! Bounded in datagrams, bytes and time. A datagram whose fragments overlap is refused whole (RFC 5722), except that the very
//! same fragment may come twice, as on a mirror that shows packets twice: also behind the one that made its datagram whole. Blind spot: copies
//! of several fragments behind that one are a datagram of their own.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use hashbrown::HashMap;

use super::Layer;
use super::cut::Cut;
use crate::types::{Protocol, Stamp, Timestamp};

/// Most datagrams that wait for fragments.
pub const MAX_DATAGRAMS: usize = 1_024;
/// Most bytes of all waiting datagrams.
pub const MAX_BYTES: usize = 8 << 20;
/// How long a datagram waits (RFC 8200 section 4.5 allows 60 s; a mirror has no reason to wait as long).
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest datagram: what a 16-bit length can say.
const MAX_LENGTH: usize = 65_535;
/// Most fragments of a datagram: 64 KiB in pieces of eight bytes would be more, but nobody sends that.
const MAX_FRAGMENTS: usize = 512;

/// How late a mirror shows a fragment a second time.
const COPY_WINDOW: Duration = Duration::from_millis(5);
/// Most datagrams that are whole, and whose last fragment may be shown a second time.
const MAX_DONE: usize = 64;

/// What the fragments of one datagram share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FragmentKey {
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// Protocol of the whole.
    pub protocol: u8,
    /// Identification.
    pub identification: u32,
}

/// Which piece it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Where it begins, in bytes.
    pub offset: u32,
    /// Whether others follow.
    pub more: bool,
}

/// A datagram under construction, or whole.
#[derive(Debug)]
pub(super) struct Datagram {
    pub key: FragmentKey,
    /// Of its newest frame.
    pub stamp: Stamp,
    pub layer: Layer,
    pub wire_bytes: u64,
    pub frames: u32,
    begun: Stamp,
    bytes: Vec<u8>,
    /// Pieces by offset: where each begins, ends, and how far it was captured.
    pieces: Vec<Piece>,
    /// Length of the whole, once the last fragment came.
    length: Option<usize>,
    refused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    start: usize,
    end: usize,
    captured: usize,
}

/// The fragment that made a datagram whole.
#[derive(Debug)]
struct Last {
    key: FragmentKey,
    piece: Piece,
    at: Timestamp,
    ports: [u16; 2],
}

/// What became of a fragment.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "it is taken apart at once, never stored"
)]
pub(super) enum Outcome {
    Waiting,
    Duplicate,
    Overlap,
    Broken,
    Complete(Datagram),
    /// The one that made a datagram whole, again. The ports of that datagram; zeros where it has none.
    Copy([u16; 2]),
}

/// Datagrams that wait for fragments.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    waiting: HashMap<FragmentKey, Datagram, foldhash::fast::RandomState>,
    /// Keys in the order of their first fragments, with those fragments' numbers; some are done already.
    order: VecDeque<(FragmentKey, u64)>,
    bytes: usize,
    done: VecDeque<Last>,
    /// A buffer to use again.
    spare: Vec<u8>,
}

impl Fragments {
    /// Takes in a fragment.
    pub fn insert(
        &mut self,
        key: FragmentKey,
        fragment: Fragment,
        body: Cut<'_>,
        layer: Layer,
        stamp: Stamp,
    ) -> Outcome {
        let start = fragment.offset as usize;
        let end = start + body.wire;
        // All but the last are multiples of eight bytes long.
        if end > MAX_LENGTH || body.wire == 0 || (fragment.more && !body.wire.is_multiple_of(8)) {
            return Outcome::Broken;
        }
        let piece = Piece {
            start,
            end,
            captured: start + body.bytes.len(),
        };
        let is_new = !self.waiting.contains_key(&key);
        if is_new {
            if let Some(ports) = self.copied(&key, piece, stamp.timestamp) {
                return Outcome::Copy(ports);
            }
            self.order.push_back((key, stamp.number));
            let bytes = std::mem::take(&mut self.spare);
            self.waiting
                .insert(key, Datagram::new(key, stamp, layer, bytes));
        }
        let Some(datagram) = self.waiting.get_mut(&key) else {
            return Outcome::Broken;
        };
        // A buffer that is used again counts anew.
        let before = if is_new { 0 } else { datagram.bytes.capacity() };
        let outcome = datagram.add(fragment, piece, body, layer, stamp);
        self.bytes = (self.bytes + datagram.bytes.capacity()).saturating_sub(before);
        if datagram.is_whole()
            && let Some(datagram) = self.remove(&key)
        {
            self.done.truncate(MAX_DONE - 1);
            self.done.push_front(Last {
                key,
                piece,
                at: stamp.timestamp,
                ports: datagram.ports(),
            });
            return Outcome::Complete(datagram);
        }
        outcome
    }

    /// Whether a fragment is the one that made a datagram whole a moment ago: gives the ports of that datagram.
    fn copied(&self, key: &FragmentKey, piece: Piece, now: Timestamp) -> Option<[u16; 2]> {
        let mut lately = self
            .done
            .iter()
            .take_while(|last| now.since(last.at) <= COPY_WINDOW);
        let last = lately.find(|last| last.key == *key && last.piece == piece)?;
        Some(last.ports)
    }

    /// The oldest datagram, where there are too many.
    pub fn pop_excess(&mut self) -> Option<Datagram> {
        let excess = self.waiting.len() > MAX_DATAGRAMS || self.bytes > MAX_BYTES;
        if excess { self.pop_oldest() } else { None }
    }

    /// The oldest datagram, where it has waited too long.
    pub fn pop_expired(&mut self, now: Timestamp) -> Option<Datagram> {
        loop {
            let (key, number) = *self.order.front()?;
            match self
                .waiting
                .get(&key)
                .filter(|datagram| datagram.begun.number == number)
            {
                None => {
                    self.order.pop_front();
                }
                Some(datagram)
                    if now != Timestamp::MAX && now.since(datagram.begun.timestamp) < TIMEOUT =>
                {
                    return None;
                }
                Some(_) => return self.pop_oldest(),
            }
        }
    }

    /// Takes a datagram's buffer back, to use it again.
    pub fn give_back(&mut self, mut datagram: Datagram) {
        datagram.bytes.clear();
        self.spare = datagram.bytes;
    }

    fn pop_oldest(&mut self) -> Option<Datagram> {
        loop {
            let (key, number) = self.order.pop_front()?;
            if self
                .waiting
                .get(&key)
                .is_some_and(|datagram| datagram.begun.number == number)
            {
                return self.remove(&key);
            }
        }
    }

    fn remove(&mut self, key: &FragmentKey) -> Option<Datagram> {
        let datagram = self.waiting.remove(key)?;
        self.bytes = self.bytes.saturating_sub(datagram.bytes.capacity());
        // What is done leaves a key behind; where those outnumber the waiting, they go.
        if self.order.len() > 2 * (self.waiting.len() + MAX_DATAGRAMS) {
            let waiting = &self.waiting;
            self.order.retain(|(key, number)| {
                waiting
                    .get(key)
                    .is_some_and(|datagram| datagram.begun.number == *number)
            });
        }
        Some(datagram)
    }
}

impl Datagram {
    fn new(key: FragmentKey, stamp: Stamp, layer: Layer, bytes: Vec<u8>) -> Self {
        Self {
            key,
            stamp,
            layer,
            wire_bytes: 0,
            frames: 0,
            begun: stamp,
            bytes,
            pieces: Vec::new(),
            length: None,
            refused: false,
        }
    }

    /// Everything, as far as it was captured without a hole.
    pub fn whole(&self) -> Cut<'_> {
        let captured = self.contiguous();
        Cut::new(
            self.bytes.get(..captured).unwrap_or_default(),
            self.length.unwrap_or(captured),
        )
    }

    /// Source and destination port, where TCP or UDP carries it.
    fn ports(&self) -> [u16; 2] {
        const WITH_PORTS: [Protocol; 2] = [Protocol::TCP, Protocol::UDP];
        let whole = self.whole();
        let ports = whole.integer16(0).zip(whole.integer16(2));
        let ports = ports.filter(|_| WITH_PORTS.contains(&Protocol(self.key.protocol)));
        ports.unwrap_or_default().into()
    }

    /// What is there from the start of an incomplete datagram, unless it was refused.
    pub fn start(&self) -> Option<Cut<'_>> {
        let captured = self.contiguous();
        (captured > 0 && !self.refused)
            .then(|| Cut::new(self.bytes.get(..captured).unwrap_or_default(), captured))
    }

    /// Payload bytes of the fragments that came.
    pub fn bytes_present(&self) -> usize {
        self.pieces
            .iter()
            .map(|piece| piece.end - piece.start)
            .sum()
    }

    fn add(
        &mut self,
        fragment: Fragment,
        piece: Piece,
        body: Cut<'_>,
        layer: Layer,
        stamp: Stamp,
    ) -> Outcome {
        self.stamp = stamp;
        self.frames += 1;
        self.wire_bytes += layer.wire_bytes;
        if self.refused {
            return Outcome::Overlap;
        }
        let at = self
            .pieces
            .partition_point(|other| other.start < piece.start);
        if self
            .pieces
            .get(at)
            .is_some_and(|other| self.is_same(*other, piece, body.bytes))
        {
            return Outcome::Duplicate;
        }
        let after = self
            .pieces
            .get(at)
            .is_some_and(|next| next.start < piece.end);
        let before = at
            .checked_sub(1)
            .and_then(|at| self.pieces.get(at))
            .is_some_and(|last| last.end > piece.start);
        let beyond = self
            .length
            .is_some_and(|length| piece.end > length || (!fragment.more && piece.end != length));
        let cut_off = !fragment.more && self.pieces.last().is_some_and(|last| last.end > piece.end);
        if after || before || beyond || cut_off || self.pieces.len() >= MAX_FRAGMENTS {
            self.refused = true;
            return Outcome::Overlap;
        }
        self.pieces.insert(at, piece);
        if !fragment.more {
            self.length = Some(piece.end);
        }
        self.write(piece.start, body.bytes);
        Outcome::Waiting
    }

    fn write(&mut self, start: usize, bytes: &[u8]) {
        let end = start + bytes.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        if let Some(space) = self.bytes.get_mut(start..end) {
            space.copy_from_slice(bytes);
        }
    }

    fn is_same(&self, other: Piece, piece: Piece, bytes: &[u8]) -> bool {
        other == piece && self.bytes.get(piece.start..piece.captured) == Some(bytes)
    }

    fn is_whole(&self) -> bool {
        let covered = self
            .pieces
            .iter()
            .try_fold(0, |end, piece| (piece.start == end).then_some(piece.end));
        !self.refused && self.length.is_some() && covered == self.length
    }

    /// How many bytes from the start were captured without a hole.
    fn contiguous(&self) -> usize {
        let mut end = 0;
        for piece in &self.pieces {
            if piece.start != end {
                break;
            }
            end = piece.captured;
            if piece.captured < piece.end {
                break;
            }
        }
        end
    }
}
