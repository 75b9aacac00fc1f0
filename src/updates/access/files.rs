//! Files that an access fetches, and how much of each came.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::OpenAccess;
use crate::types::Timestamp;
use crate::types::kept::figure;
use crate::updates::fact::Exchange;
use crate::updates::payload;
use crate::updates::ranges::Ranges;
use crate::updates::verdict::Evidence;

/// Most files that an access follows at once, and most ids that it names.
const MAX_FILES: usize = 64;

/// A file that is being fetched.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct File {
    key: u64,
    place: u64,
    piece: Option<(u64, u64)>,
    #[serde(deserialize_with = "figure")]
    covered: u64,
    size: Option<u64>,
    is_complete: bool,
    /// See [`FilePart::is_rest`].
    is_rest: bool,
    /// The part of it that was asked for last.
    last: Brought,
    /// The end of input cut that part off.
    is_cut: bool,
}

/// The files of an access: each that goes on, and the sum of those that made room for others because they were whole.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Files {
    followed: Vec<File>,
    /// How many whole ones are only summed up.
    #[serde(deserialize_with = "figure")]
    whole: u64,
    /// Their bytes.
    #[serde(deserialize_with = "figure")]
    whole_bytes: u64,
    /// Of some whole one the size was never told.
    has_sizeless: bool,
    /// Too many went on at once: of some it is not known what came.
    has_unfollowed: bool,
    /// See [`FilePart::is_sure`].
    has_unsure: bool,
}

/// By what a part of a file came. Blind: of parts that come over several flows at once only the one that was asked for last is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brought {
    /// When it was asked for.
    pub start: Timestamp,
    /// The flow.
    pub flow_id: u64,
    /// Where it ends among what was sent to the client over the flow, where that is known.
    pub end: Option<u64>,
    /// Where it ends in the file.
    pub file_end: u64,
    /// Bytes of it that the client had not before.
    #[serde(deserialize_with = "figure")]
    pub new: u64,
}

/// Bytes of a file that passed the mirror and never reached the client: up to `end`.
#[derive(Clone, Copy, Debug)]
pub struct TakenBack {
    /// Which file, as a hash.
    pub key: u64,
    /// How many.
    pub bytes: u64,
    /// Behind the last one, in the file.
    pub end: u64,
}

/// What an exchange brought of a file.
#[derive(Clone, Copy, Debug)]
pub struct FilePart {
    /// Which file, as a hash.
    pub key: u64,
    /// Its path, or the name by which it tells itself, as a hash: what lies there may get another size.
    pub place: u64,
    /// First and last byte, where a client wants a piece for itself: it counts as a file of its own.
    pub piece: Option<(u64, u64)>,
    /// Bytes of it that this client has, earlier accesses included.
    pub covered: u64,
    /// Its size, where that is known.
    pub size: Option<u64>,
    /// By what it came.
    pub brought: Brought,
    /// Whether the body came to its end without a length.
    pub ended: bool,
    /// Whether it is a range of the file.
    pub is_range: bool,
    /// Whether all came but the beginning, which the client may have had before anything of it was seen.
    pub is_rest: bool,
    /// Whether it is known which part of how large a file came, and that the client needs all of it.
    pub is_sure: bool,
}

/// What of a file the client has, over accesses: remembered for hours.
#[derive(Debug, Serialize, Deserialize)]
pub struct KnownFile {
    /// The client.
    pub client: IpAddr,
    /// Parts that came.
    pub ranges: Ranges,
    /// When the last one came.
    pub last: Timestamp,
}

impl KnownFile {
    /// Adds what came from `start` up to `end`; gives how much of it the client had not before. `whole`: the size, where all of the file was asked
    /// for; who has it already, and asks behind that, fetches it anew. `time`: when it was asked for, and when the last of it came.
    pub fn add(
        &mut self,
        (start, end): (u64, u64),
        whole: Option<u64>,
        time: (Timestamp, Timestamp),
    ) -> u64 {
        let before = self.ranges.covered();
        if time.0 >= self.last && whole.is_some_and(|size| before >= size) {
            self.ranges = Ranges::default();
        }
        self.ranges.add(start, end);
        self.last = self.last.max(time.1);
        self.ranges.covered().saturating_sub(before)
    }
}

impl OpenAccess {
    /// Takes in what an exchange brought of a file.
    pub fn take_in_file(&mut self, part: FilePart, exchange: &Exchange) {
        self.in_ranges |= part.is_range;
        if exchange.body_missing > 0 {
            self.note(Evidence::Inferred);
        }
        if let Some(payload) = payload::of_path(&exchange.path) {
            self.note(Evidence::HttpPath);
            if self.payloads.len() < MAX_FILES && !self.payloads.contains(&payload) {
                self.payloads.push(payload);
            }
        }
        self.files.take_in(part);
    }

    /// The client reset a flow, of which it had received as much as `acknowledged` says: what was sent to it behind that it has not.
    pub fn take_back(&mut self, flow_id: u64, acknowledged: u64) -> Vec<TakenBack> {
        let files = self.files.followed.iter_mut();
        let files = files.filter(|file| file.last.flow_id == flow_id);
        files
            .filter_map(|file| file.take_back(acknowledged))
            .collect()
    }

    /// Whether a flow brought the last part of some file.
    pub fn has_part_of(&self, flow_id: u64) -> bool {
        let mut files = self.files.followed.iter();
        files.any(|file| file.last.flow_id == flow_id)
    }

    /// The end of input cut a flow off.
    pub fn note_cut(&mut self, flow_id: u64) {
        let files = self.files.followed.iter_mut();
        let open = files.filter(|file| !file.is_complete && file.last.flow_id == flow_id);
        open.for_each(|file| file.is_cut = true);
    }

    /// How much of the files did not come; `None` where that cannot be known.
    pub(super) fn missing(&self) -> Option<u64> {
        self.files.missing()
    }

    /// Size of all files together, and how much of that came, in percent; `None` where it is not known of each.
    pub(super) fn completeness(&self) -> (Option<u64>, Option<u8>) {
        let Some(expected) = self.files.expected().filter(|expected| *expected > 0) else {
            return (None, None);
        };
        let covered = self.files.covered().saturating_add(self.volume());
        let percent = u128::from(covered) * 100 / u128::from(expected);
        (Some(expected), Some(percent.min(100) as u8))
    }
}

impl File {
    /// Whether this one came whole, and the client had tried in vain to get it before.
    fn makes_good(&self, tried: &Self) -> bool {
        let is_same = self.place == tried.place && self.key != tried.key;
        let is_behind = tried.last.start <= self.last.start;
        let has_all = match (self.piece, tried.piece) {
            (None, None) => tried.covered <= self.covered,
            (None, Some(_)) => true,
            (Some((first, last)), Some((begun, wanted))) => {
                last == wanted && first <= begun.saturating_add(tried.covered)
            }
            (Some(_), None) => false,
        };
        self.is_complete && !tried.is_complete && is_same && is_behind && has_all
    }

    /// What of the last part lies behind `acknowledged` did not reach the client.
    fn take_back(&mut self, acknowledged: u64) -> Option<TakenBack> {
        let end = self.last.end.take()?;
        let bytes = end.saturating_sub(acknowledged).min(self.last.new);
        if bytes == 0 {
            return None;
        }
        self.covered = self.covered.saturating_sub(bytes);
        self.is_complete = false;
        Some(TakenBack {
            key: self.key,
            bytes,
            end: self.last.file_end,
        })
    }
}

impl Files {
    fn take_in(&mut self, part: FilePart) {
        let is_complete = part.size.map_or(part.ended, |size| part.covered >= size);
        self.has_unsure |= !part.is_sure;
        let new = File {
            key: part.key,
            place: part.place,
            piece: part.piece,
            covered: part.covered,
            size: part.size,
            is_complete,
            is_rest: part.is_rest,
            last: part.brought,
            is_cut: false,
        };
        let mut followed = self.followed.iter_mut();
        if let Some(file) = followed.find(|file| file.key == part.key) {
            file.covered = file.covered.max(part.covered);
            file.is_complete |= is_complete;
            file.is_rest = part.is_rest;
            if part.brought.start >= file.last.start {
                (file.last, file.is_cut) = (part.brought, false);
            }
            let file = *file;
            return self.followed.retain(|tried| !file.makes_good(tried));
        }
        // What was tried when it was of another size, or when its size was not told, may come before or behind.
        if self.followed.iter().any(|file| file.makes_good(&new)) {
            return;
        }
        self.followed.retain(|file| !new.makes_good(file));
        if self.followed.len() >= MAX_FILES && !self.make_room() {
            self.has_unfollowed = true;
            return;
        }
        self.followed.push(new);
    }

    /// Whether the end of input cut one off.
    pub(super) fn are_cut(&self) -> bool {
        self.followed
            .iter()
            .any(|file| file.is_cut && !file.is_complete)
    }

    /// When the last of those that are not whole was asked for.
    pub(super) fn open_since(&self) -> Option<Timestamp> {
        let open = self.followed.iter().filter(|file| !file.is_complete);
        open.map(|file| file.last.start).max()
    }

    /// Whether it is doubtful what the client has of them: which parts came, or whether it had the beginning before.
    pub(super) fn are_doubtful(&self) -> bool {
        let mut open = self.followed.iter().filter(|file| !file.is_complete);
        self.has_unsure || open.any(|file| file.is_rest || file.is_cut)
    }

    /// Sums a whole file up, the oldest; whether there was one.
    fn make_room(&mut self) -> bool {
        let Some(at) = self.followed.iter().position(|file| file.is_complete) else {
            return false;
        };
        let file = self.followed.remove(at);
        self.whole += 1;
        self.whole_bytes = self
            .whole_bytes
            .saturating_add(file.size.unwrap_or(file.covered));
        self.has_sizeless |= file.size.is_none();
        true
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.followed.is_empty() && self.whole == 0
    }

    pub(super) fn are_complete(&self) -> bool {
        !self.has_unfollowed && self.followed.iter().all(|file| file.is_complete)
    }

    /// Whether the size of some file is known.
    pub(super) fn has_size(&self) -> bool {
        let is_summed = self.whole > 0 && !self.has_sizeless;
        is_summed || self.followed.iter().any(|file| file.size.is_some())
    }

    fn missing(&self) -> Option<u64> {
        let of = |file: &File| match (file.is_complete, file.size) {
            (true, _) => Some(0),
            (false, size) => size.map(|size| size.saturating_sub(file.covered)),
        };
        let mut files = self.followed.iter().map(of);
        let missing = files.try_fold(0_u64, |sum, missing| Some(sum.saturating_add(missing?)));
        missing.filter(|_| !self.has_unfollowed)
    }

    fn expected(&self) -> Option<u64> {
        let mut sizes = self.followed.iter().map(|file| file.size);
        let expected = sizes.try_fold(self.whole_bytes, |sum, size| {
            Some(sum.saturating_add(size?))
        });
        expected.filter(|_| !self.has_sizeless && !self.has_unfollowed)
    }

    fn covered(&self) -> u64 {
        let followed = self.followed.iter();
        let covered = followed.map(|file| file.covered.min(file.size.unwrap_or(u64::MAX)));
        covered.fold(self.whole_bytes, u64::saturating_add)
    }

    /// Bytes that they take.
    pub(super) const fn memory(&self) -> usize {
        self.followed.capacity() * size_of::<File>()
    }
}
