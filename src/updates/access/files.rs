//! Files that an access fetches, and how much of each came.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::OpenAccess;
use crate::types::Timestamp;
use crate::types::kept::figure;
use crate::updates::payload;
use crate::updates::ranges::Ranges;
use crate::updates::verdict::Evidence;

/// Most files that an access follows.
const MAX_FILES: usize = 64;

/// A file that is being fetched.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct File {
    key: u64,
    #[serde(deserialize_with = "figure")]
    covered: u64,
    pub(super) size: Option<u64>,
    pub(super) is_complete: bool,
}

/// What an exchange brought of a file.
#[derive(Clone, Copy, Debug)]
pub struct FilePart {
    /// Which file, as a hash.
    pub key: u64,
    /// Bytes of it that this client has, earlier accesses included.
    pub covered: u64,
    /// Its size, where that is known.
    pub size: Option<u64>,
    /// Whether the body came to its end without a length.
    pub ended: bool,
    /// Whether it is a range of the file.
    pub is_range: bool,
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
    pub fn take_in_file(&mut self, part: FilePart, path: &[u8], was_inferred: bool) {
        self.in_ranges |= part.is_range;
        if was_inferred {
            self.note(Evidence::Inferred);
        }
        if let Some(payload) = payload::of_path(path) {
            self.note(Evidence::HttpPath);
            if self.payloads.len() < MAX_FILES && !self.payloads.contains(&payload) {
                self.payloads.push(payload);
            }
        }
        let is_complete = part.size.map_or(part.ended, |size| part.covered >= size);
        if let Some(file) = self.files.iter_mut().find(|file| file.key == part.key) {
            file.covered = file.covered.max(part.covered);
            file.is_complete |= is_complete;
        } else if self.files.len() < MAX_FILES {
            self.files.push(File {
                key: part.key,
                covered: part.covered,
                size: part.size,
                is_complete,
            });
        }
    }

    /// How much of the files did not come; `None` where that cannot be known.
    pub(super) fn missing(&self) -> Option<u64> {
        let of = |file: &File| match (file.is_complete, file.size) {
            (true, _) => Some(0),
            (false, size) => size.map(|size| size.saturating_sub(file.covered)),
        };
        let mut files = self.files.iter().map(of);
        files.try_fold(0_u64, |sum, missing| Some(sum.saturating_add(missing?)))
    }

    /// Size of all files together, and how much of that came, in percent; `None` where it is not known of each.
    pub(super) fn completeness(&self) -> (Option<u64>, Option<u8>) {
        let mut sizes = self.files.iter().map(|file| file.size);
        let expected = sizes.try_fold(0_u64, |sum, size| Some(sum.saturating_add(size?)));
        let Some(expected) = expected.filter(|expected| *expected > 0) else {
            return (None, None);
        };
        let covered: u64 = self
            .files
            .iter()
            .map(|file| file.covered.min(file.size.unwrap_or(u64::MAX)))
            .fold(0, u64::saturating_add);
        let covered = covered.saturating_add(self.unplaced);
        let percent = u128::from(covered) * 100 / u128::from(expected);
        (Some(expected), Some(percent.min(100) as u8))
    }
}
