//! Which servers have many names, as one worker knows it: to find that out, the first few of their entries have to be walked, one behind
//! the other.
//!
//! What is kept says what was found, and as long as none of the entries is overwritten it would be found again.

use std::net::IpAddr;

use super::MAX_NAMES_OF_A_SERVER;
use super::key::{Words, words};
use super::table::{Crowd, settled_at};
use crate::types::Timestamp;

/// Servers that are kept at most. Each has two places, and takes that of one whose entries are overwritten sooner.
const SERVERS: usize = 1 << 13;

/// Servers of many names.
#[derive(Debug, Default)]
pub(super) struct Crowds {
    /// None, or [`SERVERS`].
    slots: Box<[Slot]>,
}

type Slot = Option<(Words, Crowd<MAX_NAMES_OF_A_SERVER>)>;

impl Crowds {
    /// Keeps servers.
    pub fn new() -> Self {
        Self {
            slots: vec![None; SERVERS].into_boxed_slice(),
        }
    }

    /// Brings what is kept of a server into the core's cache; `hash`: that of the server.
    pub fn touch(&self, hash: u64) -> u64 {
        let slots = places(hash)
            .into_iter()
            .filter_map(|place| self.slots.get(place));
        slots.fold(0, |sum, slot| sum ^ u64::from(slot.is_some()))
    }

    /// Whether the server is known to have many names other than that with `name_hash`, as of an answer at `time`, where `written` lines of
    /// the table were ever reserved.
    pub fn holds(
        &self,
        (hash, server): (u64, IpAddr),
        (name_hash, time): (u32, Timestamp),
        written: u64,
    ) -> bool {
        let server = words(server);
        let mut slots = places(hash).into_iter();
        let known = slots.find_map(|place| match self.slots.get(place) {
            Some(Some((known, crowd))) if *known == server => Some(crowd),
            _ => None,
        });
        known.is_some_and(|crowd| {
            written <= crowd.until
                && crowd.since <= settled_at(time)
                && !crowd.names.contains(&name_hash)
        })
    }

    /// Keeps what was found.
    pub fn note(&mut self, (hash, server): (u64, IpAddr), crowd: Crowd<MAX_NAMES_OF_A_SERVER>) {
        let server = words(server);
        let until = |place: &usize| match self.slots.get(*place) {
            Some(Some((known, _))) if *known == server => 0,
            Some(Some((_, crowd))) => crowd.until,
            _ => 1,
        };
        let place = places(hash).into_iter().min_by_key(until);
        if let Some(slot) = place.and_then(|place| self.slots.get_mut(place)) {
            *slot = Some((server, crowd));
        }
    }
}

const fn places(hash: u64) -> [usize; 2] {
    [hash as usize % SERVERS, (hash >> 32) as usize % SERVERS]
}
