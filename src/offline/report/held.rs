//! Which addresses a host had, when, and whether another host had them before or after.

use std::collections::HashMap;
use std::net::IpAddr;

use super::Host;
use crate::types::Timestamp;

/// An address of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Which.
    pub address: IpAddr,
    /// When the host was first seen to use it.
    pub first: Timestamp,
    /// When it last did.
    pub last: Timestamp,
    /// Whether another host used it before.
    pub was_others: bool,
    /// Whether another host uses it since.
    pub is_others: bool,
}

impl Held {
    /// Used at one moment.
    pub const fn at(address: IpAddr, time: Timestamp) -> Self {
        Self {
            address,
            first: time,
            last: time,
            was_others: false,
            is_others: false,
        }
    }

    /// Used then, too.
    pub fn note(&mut self, time: Timestamp) {
        self.first = self.first.min(time);
        self.last = self.last.max(time);
    }
}

/// Notes of every address whether another host had it before or after.
pub fn note_others(hosts: &mut [Host]) {
    // Of each address: when the first of its users stopped, when the last began.
    let mut users: HashMap<IpAddr, (Timestamp, Timestamp)> = HashMap::new();
    for held in hosts.iter().flat_map(|host| &host.addresses) {
        let (stopped, began) = users.entry(held.address).or_insert((held.last, held.first));
        *stopped = (*stopped).min(held.last);
        *began = (*began).max(held.first);
    }
    for held in hosts.iter_mut().flat_map(|host| &mut host.addresses) {
        // Its own use neither stopped before it began nor began after it stopped.
        if let Some((stopped, began)) = users.get(&held.address) {
            held.was_others = *stopped < held.first;
            held.is_others = *began > held.last;
        }
    }
}
