//! Which parts of a file a client has, over connections and accesses.

use std::time::Duration;

use super::super::access::{AccessKey, FilePart, KnownFile};
use super::super::catalogue::{Role, RoleOf};
use super::super::fact::{Contact, Exchange};
use super::super::payload;
use super::super::ranges::Ranges;
use super::{Engine, hash};
use crate::types::Timestamp;

/// How long the parts of a file are remembered.
const FILE_MEMORY: Duration = Duration::from_secs(6 * 3_600);
/// Memory of a file of which parts are remembered, beside its ranges.
pub(super) const FILE_BYTES: usize = 128;

impl Engine {
    /// Forgets files that are old, or too many.
    pub(super) fn forget_files(&mut self, now: Timestamp) {
        while self
            .file_order
            .front()
            .is_some_and(|(last, _)| now.since(*last) > FILE_MEMORY)
            || (self.file_bytes > self.options.max_bytes && !self.files.is_empty())
        {
            self.forget_file(now);
        }
    }

    /// What an exchange with a download endpoint brought of a file; `None`: it is no download.
    pub(super) fn file_part(
        &mut self,
        key: AccessKey,
        contact: &Contact,
        exchange: &Exchange,
        role: RoleOf,
        threshold: u64,
        now: Timestamp,
    ) -> Option<FilePart> {
        if role.role != Role::Download || !exchange.is_file() || exchange.is_known_by_volume() {
            return None;
        }
        let got = exchange.body_bytes.saturating_add(exchange.body_missing);
        let range = exchange
            .content_range
            .as_ref()
            .and_then(|range| range.range);
        let size = exchange
            .content_range
            .as_ref()
            .and_then(|range| range.size)
            .or_else(|| exchange.content_length.filter(|_| range.is_none()))
            .filter(|_| !exchange.is_part_unknown());
        let names_itself = payload::of_path(&exchange.path).is_some();
        let is_known = role.by_path || names_itself;
        if !is_known && got.max(size.unwrap_or(0)) <= threshold {
            return None;
        }
        let place = place_of(contact, exchange, names_itself);
        let file = hash(&(key.host, place, size));
        let known = self.files.entry(file).or_insert_with(|| {
            self.file_order.push_back((now, file));
            self.file_bytes += FILE_BYTES;
            KnownFile {
                client: key.client,
                ranges: Ranges::default(),
                last: now,
            }
        });
        let start = range.map_or(0, |(start, _)| start);
        let before = known.ranges.memory();
        known.ranges.add(start, start.saturating_add(got));
        self.file_bytes = self.file_bytes + known.ranges.memory() - before;
        known.last = now;
        let covered = known.ranges.covered();
        let ended = exchange.is_complete
            && !exchange.is_part_unknown()
            && exchange.content_length.is_none_or(|length| got >= length);
        Some(FilePart {
            key: file,
            covered,
            size,
            ended,
            is_range: range.is_some(),
        })
    }

    fn forget_file(&mut self, now: Timestamp) {
        let Some((_, file)) = self.file_order.pop_front() else {
            return;
        };
        match self.files.get(&file) {
            Some(known)
                if now.since(known.last) <= FILE_MEMORY
                    && self.file_bytes <= self.options.max_bytes =>
            {
                self.file_order.push_back((known.last, file));
            }
            _ => {
                if let Some(known) = self.files.remove(&file) {
                    self.file_bytes -= FILE_BYTES + known.ranges.memory();
                }
            }
        }
    }
}

/// What tells a file from others: its server and path. One that says by its name which update it is may come from any server.
fn place_of<'f>(
    contact: &'f Contact,
    exchange: &'f Exchange,
    names_itself: bool,
) -> (&'f str, &'f [u8]) {
    let query = memchr::memchr(b'?', &exchange.path).unwrap_or(exchange.path.len());
    let path = exchange.path.get(..query).unwrap_or_default();
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    if names_itself {
        ("", name)
    } else {
        (&contact.name, path)
    }
}

/// Whether a download endpoint gave something that is too small to be an update.
pub(super) fn is_small_file(role: RoleOf, exchange: Option<&Exchange>) -> bool {
    role.role == Role::Download
        && exchange.is_some_and(|exchange| exchange.is_file() && !exchange.is_known_by_volume())
}
