//! The list of hosts while a run goes on: whom an access is credited to, and which entries were seen.

use std::collections::HashSet;
use std::net::IpAddr;

use crate::config::hosts::{Host, HostList};
use crate::counters;
use crate::types::Timestamp;
use crate::updates::hosts::Mac;

counters! {
    /// What the list had no host for.
    pub struct HostCounters {
        /// Final accesses of clients that only entries have which were not valid then.
        accesses_outside: "hosts.accesses_outside",
        /// Sessions of such clients.
        sessions_outside: "hosts.sessions_outside",
    }
}

/// Who is behind the addresses, and who was there.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownHosts {
    list: HostList,
    /// Of each row, whether something about update servers was seen of it.
    seen: Vec<bool>,
    /// Pseudonyms would be in vain where the list tells who a client is.
    tells_ids: bool,
    counters: HostCounters,
}

/// An address, and the MAC address of the host that had it, where that is known.
pub(super) type Client = (IpAddr, Option<Mac>);

/// What a record credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credited {
    /// A revision that is not valid in the end.
    Preliminary,
    /// An access, finally.
    Access,
    /// A session.
    Session,
}

impl KnownHosts {
    /// `tells_ids`: whether anybody is credited by the id of an entry.
    pub fn new(list: HostList, tells_ids: bool) -> Self {
        Self {
            seen: vec![false; list.hosts().len()],
            list,
            tells_ids,
            counters: HostCounters::default(),
        }
    }

    /// From now on this list counts. An entry that stands in both was seen where it was before.
    pub fn renew(&mut self, list: HostList) {
        let rows = self.list.hosts().iter().zip(&self.seen);
        let seen: HashSet<&Host> = rows
            .filter(|(_, seen)| **seen)
            .map(|(row, _)| row)
            .collect();
        self.seen = list.hosts().iter().map(|row| seen.contains(row)).collect();
        self.list = list;
    }

    /// Something about update servers was seen of a client.
    pub fn saw(&mut self, (address, mac): Client, time: Timestamp) {
        let row = self.list.find_row(address, mac, time);
        if let Some(seen) = row.and_then(|row| self.seen.get_mut(row)) {
            *seen = true;
        }
    }

    /// Counts what nobody is credited with, because the entries of its client were not valid at its start.
    pub fn count(&mut self, what: Credited, client: Client, start: Timestamp) {
        let counter = match what {
            Credited::Preliminary => return,
            Credited::Access => &mut self.counters.accesses_outside,
            Credited::Session => &mut self.counters.sessions_outside,
        };
        let (address, mac) = client;
        let is_outside =
            self.list.find(address, mac, start).is_none() && self.list.has(address, mac);
        *counter += u64::from(is_outside);
    }

    /// Who is credited with what a client began at `start`.
    pub fn id(&self, (address, mac): Client, start: Timestamp) -> Option<&str> {
        let host = self.list.find(address, mac, start);
        host.filter(|_| self.tells_ids).map(|host| host.id.as_str())
    }

    /// Every figure with its name.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let seen = self.seen.iter().filter(|seen| **seen).count();
        let rows = [("hosts.entries", self.seen.len()), ("hosts.seen", seen)];
        let rows = rows.into_iter().map(|(name, rows)| (name, rows as u64));
        rows.chain(self.counters.iter())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Two students had one address after each other, with a week between.
    const LIST: &str = "id,address,valid_from,valid_until\n\
        first,192.0.2.7,1970-01-01,1970-01-08\nsecond,192.0.2.7,1970-01-15,\nother,192.0.2.8,,\n";

    fn day(day: i64) -> Timestamp {
        Timestamp::from_nanos((day - 1) * 86_400 * 1_000_000_000)
    }

    fn known(list: &str) -> KnownHosts {
        KnownHosts::new(HostList::parse(list, Path::new("hosts.csv")).unwrap(), true)
    }

    fn client(address: &str) -> Client {
        (address.parse().unwrap(), None)
    }

    fn figure(hosts: &KnownHosts, name: &str) -> u64 {
        hosts.counts().find(|(known, _)| *known == name).unwrap().1
    }

    #[test]
    fn the_entry_that_was_valid_at_the_start_is_credited_and_what_lies_between_is_counted() {
        let mut hosts = known(LIST);
        let client = ("192.0.2.7".parse().unwrap(), None);
        assert_eq!(hosts.id(client, day(7)), Some("first"));
        assert_eq!(hosts.id(client, day(10)), None);
        assert_eq!(hosts.id(client, day(15)), Some("second"));
        for what in [Credited::Preliminary, Credited::Access, Credited::Session] {
            for at in [7, 10, 15] {
                hosts.count(what, client, day(at));
            }
            hosts.count(what, ("198.51.100.1".parse().unwrap(), None), day(10));
        }
        assert_eq!(figure(&hosts, "hosts.accesses_outside"), 1);
        assert_eq!(figure(&hosts, "hosts.sessions_outside"), 1);
    }

    #[test]
    fn an_entry_is_seen_while_it_is_valid_and_stays_so_over_a_reload() {
        let mut hosts = known(LIST);
        hosts.saw(client("192.0.2.7"), day(10));
        hosts.saw(client("198.51.100.1"), day(10));
        assert_eq!(figure(&hosts, "hosts.seen"), 0);
        hosts.saw(client("192.0.2.7"), day(16));
        hosts.saw(client("192.0.2.7"), day(17));
        assert_eq!(
            (
                figure(&hosts, "hosts.entries"),
                figure(&hosts, "hosts.seen")
            ),
            (3, 1)
        );
        let list = "id,address,valid_from\nnew,192.0.2.9,\nsecond,192.0.2.7,1970-01-15\n";
        hosts.renew(known(list).list);
        assert_eq!(
            (
                figure(&hosts, "hosts.entries"),
                figure(&hosts, "hosts.seen")
            ),
            (2, 1)
        );
        hosts.renew(known("id,address\nsecond,192.0.2.7\n").list);
        assert_eq!(
            figure(&hosts, "hosts.seen"),
            0,
            "another validity, another entry"
        );
    }
}
