//! Which servers have many names, as one worker knows it: to find that out, the first few of their entries have to be walked, one behind
//! the other.
//!
//! What is kept says what was found, and as long as none of the entries is overwritten it would be found again.

use std::net::IpAddr;

use super::MAX_NAMES_OF_A_SERVER;
use super::key::{Words, words};
use super::table::{Crowd, settled_at};
use crate::types::Timestamp;

/// Servers that are kept at most; one takes the place of another.
const SERVERS: usize = 1 << 13;

/// Servers of many names.
#[derive(Debug, Default)]
pub(super) struct Crowds {
    /// None, or [`SERVERS`].
    slots: Box<[Option<(Words, Crowd<MAX_NAMES_OF_A_SERVER>)>]>,
}

impl Crowds {
    /// Keeps servers.
    pub fn new() -> Self {
        Self {
            slots: vec![None; SERVERS].into_boxed_slice(),
        }
    }

    /// Brings what is kept of a server into the core's cache; `hash`: that of the server.
    pub fn touch(&self, hash: u64) -> u64 {
        let slot = self.slots.get(place(hash));
        slot.map_or(0, |slot| u64::from(slot.is_some()))
    }

    /// Whether the server is known to have many names other than that with `name_hash`, as of an answer at `time`, where `written` lines of
    /// the table were ever reserved.
    pub fn holds(
        &self,
        (hash, server): (u64, IpAddr),
        (name_hash, time): (u32, Timestamp),
        written: u64,
    ) -> bool {
        let Some(Some((known, crowd))) = self.slots.get(place(hash)) else {
            return false;
        };
        *known == words(server)
            && written <= crowd.until
            && crowd.since <= settled_at(time)
            && !crowd.names.contains(&name_hash)
    }

    /// Keeps what was found.
    pub fn note(&mut self, (hash, server): (u64, IpAddr), crowd: Crowd<MAX_NAMES_OF_A_SERVER>) {
        if let Some(slot) = self.slots.get_mut(place(hash)) {
            *slot = Some((words(server), crowd));
        }
    }
}

const fn place(hash: u64) -> usize {
    hash as usize % SERVERS
}
