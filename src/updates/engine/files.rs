//! Which parts of a file a client has, over connections and accesses.

use std::net::IpAddr;
use std::time::Duration;

use super::super::access::{AccessKey, Brought, FilePart, KnownFile, TakenBack};
use super::super::catalogue::{Role, RoleOf};
use super::super::fact::{Activity, Exchange};
use super::super::hosts::HostKey;
use super::super::payload;
use super::super::ranges::Ranges;
use super::hosts::keys_from;
use super::{Engine, hash};
use crate::types::Timestamp;

/// How long the parts of a file are remembered.
const FILE_MEMORY: Duration = Duration::from_secs(6 * 3_600);
/// Memory of a file of which parts are remembered, beside its ranges.
pub(super) const FILE_BYTES: usize = 192;

/// Whose it is, and which file: a hash of its place and size.
pub(super) type FileKey = (HostKey, u64);

impl Engine {
    /// Forgets files that are old, or too many.
    pub(super) fn forget_files(&mut self, now: Timestamp) {
        while let Some((last, key)) = self.file_order.first().copied()
            && (now.since(last) > FILE_MEMORY || self.file_bytes > self.options.max_bytes)
        {
            self.take_file(key);
        }
    }

    /// What a transaction with a download endpoint brought of a file; `None`: it is no download.
    pub(super) fn file_part(
        &mut self,
        key: AccessKey,
        activity: &Activity,
        role: RoleOf,
        threshold: u64,
    ) -> Option<FilePart> {
        let exchange = activity.exchange.as_deref()?;
        if role.role != Role::Download || !exchange.is_file() || exchange.is_known_by_volume() {
            return None;
        }
        let (got, range, size) = (exchange.received(), exchange.range(), exchange.file_size());
        let names_itself = payload::of_path(&exchange.path).is_some();
        // A client wants each piece for itself.
        let piece = range.filter(|_| payload::is_read_in_pieces(&exchange.path));
        let is_known = role.by_path || names_itself;
        if !is_known && got.max(size.unwrap_or(0)) <= threshold {
            return None;
        }
        let place = place_of(exchange, names_itself);
        // Of which the size is told, it is the same file wherever it comes from.
        let server = (size.is_none() && !names_itself).then_some(&activity.contact.name);
        let file = hash(&(server, place, size, piece));
        let file_key = (key.host, file);
        let mut known = self.take_file(file_key).unwrap_or_else(|| KnownFile {
            client: key.client,
            ranges: Ranges::default(),
            last: activity.end,
        });
        let start = range.map_or(0, |(start, _)| start);
        let end = start.saturating_add(got);
        let whole = size.filter(|_| range.is_none());
        let new = known.add((start, end), whole, (activity.start, activity.end));
        if exchange.asks_for_size() {
            self.put_file(file_key, known);
            return None;
        }
        let part = FilePart {
            key: file,
            place: hash(&if names_itself { place } else { &exchange.path }),
            piece,
            covered: known.ranges.covered(),
            size: piece.map_or(size, |(first, last)| Some(last.saturating_sub(first) + 1)),
            brought: Brought {
                start: activity.start,
                flow_id: activity.contact.flow_id,
                end: exchange.end,
                file_end: end,
                new,
            },
            ended: exchange.has_ended(),
            is_range: range.is_some(),
            is_rest: piece.is_none() && size.is_some_and(|size| known.ranges.are_rest_of(size)),
            is_sure: piece.is_none() && !exchange.is_part_unknown(),
        };
        self.put_file(file_key, known);
        Some(part)
    }

    /// What passed the mirror and never reached the client it has not.
    pub(super) fn take_back(&mut self, host: HostKey, taken: Vec<TakenBack>) {
        for TakenBack { key, bytes, end } in taken {
            if let Some(mut known) = self.take_file((host, key)) {
                known.ranges.remove(end.saturating_sub(bytes), end);
                self.put_file((host, key), known);
            }
        }
    }

    /// Files of which `from` has parts are another host's: of whoever fetched of each first.
    pub(super) fn move_files(&mut self, from: HostKey, to: impl Fn(IpAddr) -> HostKey) {
        for key in keys_from(&self.files, from) {
            let Some(mut known) = self.take_file(key) else {
                continue;
            };
            let new = (to(known.client), key.1);
            if let Some(own) = self.take_file(new) {
                known.ranges.add_all(&own.ranges);
                known.last = known.last.max(own.last);
            }
            self.put_file(new, known);
        }
    }

    pub(super) fn put_file(&mut self, key: FileKey, known: KnownFile) {
        self.file_bytes += FILE_BYTES + known.ranges.memory();
        self.file_order.insert((known.last, key));
        self.files.insert(key, known);
    }

    fn take_file(&mut self, key: FileKey) -> Option<KnownFile> {
        let known = self.files.remove(&key)?;
        self.file_order.remove(&(known.last, key));
        self.file_bytes -= FILE_BYTES + known.ranges.memory();
        Some(known)
    }
}

/// What tells a file from others of its server: its path. One that says by its name which update it is may lie anywhere.
fn place_of(exchange: &Exchange, names_itself: bool) -> &[u8] {
    let path = exchange.path_alone();
    let name = path.rsplit(|byte| *byte == b'/').next();
    name.filter(|_| names_itself).unwrap_or(path)
}

/// Whether a download endpoint gave something that is too small to be an update.
pub(super) fn is_small_file(role: RoleOf, exchange: Option<&Exchange>) -> bool {
    role.role == Role::Download
        && exchange.is_some_and(|exchange| exchange.is_file() && !exchange.is_known_by_volume())
}
