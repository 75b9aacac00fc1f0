//! Files that an access fetches, and how much of each came.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::OpenAccess;
use crate::types::Timestamp;
use crate::types::kept::figure;
use crate::updates::fact::{Activity, Exchange};
use crate::updates::payload;
use crate::updates::ranges::Ranges;
use crate::updates::verdict::Evidence;

/// Most files that an access follows at once, and most ids that it names.
const MAX_FILES: usize = 64;

/// A file that is being fetched.
#[derive(Debug, Serialize, Deserialize)]
struct File {
    key: u64,
    place: u64,
    #[serde(deserialize_with = "figure")]
    covered: u64,
    size: Option<u64>,
    /// When the last part of it was asked for.
    start: Timestamp,
    is_complete: bool,
    is_rest: bool,
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

/// What an exchange brought of a file.
#[derive(Clone, Copy, Debug)]
pub struct FilePart {
    /// Which file, as a hash.
    pub key: u64,
    /// Where it lies on its server, as a hash: what lies there may get another size.
    pub place: u64,
    /// Bytes of it that this client has, earlier accesses included.
    pub covered: u64,
    /// Its size, where that is known.
    pub size: Option<u64>,
    /// When it was asked for.
    pub start: Timestamp,
    /// Whether the body came to its end without a length.
    pub ended: bool,
    /// Whether it is a range of the file.
    pub is_range: bool,
    /// Whether all came but the beginning, which the client may have had before anything of it was seen.
    pub is_rest: bool,
    /// Whether it is known which part came, and that the client needs the others too.
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

impl OpenAccess {
    /// Takes in what an exchange brought of a file.
    pub fn take_in_file(&mut self, part: FilePart, activity: &Activity, exchange: &Exchange) {
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
        let is_whole = exchange.is_complete;
        self.last_part = is_whole.then_some((activity.contact.flow_id, part.key));
    }

    /// The client reset a flow: of the last bytes that were sent to it, so many, it acknowledged none.
    pub fn take_back(&mut self, flow_id: u64, unreceived: u64) {
        if let Some((_, key)) = self.last_part.filter(|(flow, _)| *flow == flow_id) {
            self.files.take_back(key, unreceived);
        }
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
        let covered = self.files.covered().saturating_add(self.unplaced);
        let percent = u128::from(covered) * 100 / u128::from(expected);
        (Some(expected), Some(percent.min(100) as u8))
    }
}

impl Files {
    fn take_in(&mut self, part: FilePart) {
        let is_complete = part.size.map_or(part.ended, |size| part.covered >= size);
        self.has_unsure |= !part.is_sure;
        // What was tried before, when it was of another size or its size was not told, is made good by what came whole.
        let is_other = |file: &File| file.place == part.place && file.key != part.key;
        if is_complete {
            let is_before = |file: &File| !file.is_complete && file.start <= part.start;
            self.followed
                .retain(|file| !(is_other(file) && is_before(file)));
        } else {
            let is_behind = |file: &File| file.is_complete && part.start <= file.start;
            if self
                .followed
                .iter()
                .any(|file| is_other(file) && is_behind(file))
            {
                return;
            }
        }
        let mut followed = self.followed.iter_mut();
        if let Some(file) = followed.find(|file| file.key == part.key) {
            file.start = file.start.max(part.start);
            file.covered = file.covered.max(part.covered);
            file.is_complete |= is_complete;
            file.is_rest = part.is_rest;
            return;
        }
        if self.followed.len() >= MAX_FILES && !self.make_room() {
            self.has_unfollowed = true;
            return;
        }
        self.followed.push(File {
            key: part.key,
            place: part.place,
            covered: part.covered,
            size: part.size,
            start: part.start,
            is_complete,
            is_rest: part.is_rest,
        });
    }

    fn take_back(&mut self, key: u64, unreceived: u64) {
        if let Some(file) = self.followed.iter_mut().find(|file| file.key == key) {
            file.covered = file.covered.saturating_sub(unreceived);
            file.is_complete = false;
        }
    }

    /// Whether it is doubtful what the client has of them: which parts came, or whether it had the beginning before.
    pub(super) fn are_doubtful(&self) -> bool {
        let mut open = self.followed.iter().filter(|file| !file.is_complete);
        self.has_unsure || open.any(|file| file.is_rest)
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
