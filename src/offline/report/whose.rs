//! Whose a record is: the host list's id, else the MAC address, else the address.
//!
//! An address is followed through bindings, so a host keeps its history when its address changes, and whoever gets the address then begins
//! one of his own.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::kept::{Binding, Coverage, Who};
use super::reading::Records;
use crate::config::hosts::{Host, HostList};
use crate::types::Timestamp;

/// A binding is learnt a little after the host began to speak, and forgotten a little before it ends.
const SLACK: Duration = Duration::from_secs(3_600);

/// A host, by the best that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostKey {
    /// By the host list's id.
    Id(String),
    /// By its MAC address.
    Mac([u8; 6]),
    /// By its address.
    Address(IpAddr),
}

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.write_str(id),
            Self::Mac(mac) => f.write_str(&mac_text(*mac)),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// `02:00:5e:00:53:17`.
pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// What tells hosts apart.
#[derive(Debug)]
pub struct Hosts<'a> {
    list: &'a HostList,
    /// Of each address, in the order of their starts: from, to, MAC address.
    bindings: HashMap<IpAddr, Vec<(Timestamp, Timestamp, [u8; 6])>>,
    /// The one id that records give a MAC address.
    ids: HashMap<[u8; 6], String>,
}

impl<'a> Hosts<'a> {
    /// Out of all records.
    pub fn of(records: &Records, list: &'a HostList) -> Self {
        let mut bindings: HashMap<IpAddr, Vec<_>> = HashMap::new();
        for Binding {
            who,
            mac,
            start,
            end,
            ..
        } in &records.bindings
        {
            if records.routers.contains(mac) {
                continue;
            }
            let of = bindings.entry(who.address).or_default();
            of.push((*start, *end, *mac));
        }
        bindings.values_mut().for_each(|all| all.sort_unstable());
        Self {
            list,
            bindings,
            ids: ids(records),
        }
    }

    /// Whose a record of `who` at `time` is.
    pub fn key(&self, who: &Who, time: Timestamp) -> HostKey {
        let mac = who.mac.or_else(|| self.bound(who.address, time));
        let listed = || self.row(who.address, mac, time).map(|host| host.id.clone());
        let by_mac = || self.ids.get(&mac?).cloned();
        if let Some(id) = who.id.clone().or_else(listed).or_else(by_mac) {
            return HostKey::Id(id);
        }
        mac.map_or(HostKey::Address(who.address), HostKey::Mac)
    }

    /// Who an hour of coverage is of, each with the moment from which on: everybody who had the address within it, where the record names nobody.
    pub fn sharers(&self, coverage: &Coverage) -> Vec<(Who, Timestamp)> {
        let Coverage {
            who, start, end, ..
        } = coverage;
        let bindings = self.bindings.get(&who.address);
        let is_named = who.id.is_some() || who.mac.is_some();
        let mut known = BTreeSet::new();
        let mut sharers = Vec::new();
        for (from, to, mac) in bindings.into_iter().flatten().filter(|_| !is_named) {
            if from <= end && to >= start {
                let (from, mac) = ((*from).max(*start), Some(*mac));
                let sharer = Who { mac, ..who.clone() };
                if known.insert(self.key(&sharer, from)) {
                    sharers.push((sharer, from));
                }
            }
        }
        if sharers.len() < 2 {
            sharers = vec![(who.clone(), *start)];
        }
        sharers
    }

    /// The list's row of who was at an address.
    pub fn row(&self, address: IpAddr, mac: Option<[u8; 6]>, time: Timestamp) -> Option<&'a Host> {
        self.list.find(address, mac, time)
    }

    /// The MAC address that had an address at a time.
    fn bound(&self, address: IpAddr, time: Timestamp) -> Option<[u8; 6]> {
        let all = self.bindings.get(&address)?;
        let after = all.partition_point(|(start, ..)| *start <= time);
        let before = all.get(..after)?.iter().rev();
        let holds = before.clone().find(|(_, end, _)| *end >= time);
        // The last that ended shortly before, else the next that begins shortly after.
        let ended = || {
            before
                .max_by_key(|(_, end, _)| *end)
                .filter(|(_, end, _)| end.plus(SLACK) >= time)
        };
        let begins = || {
            all.get(after)
                .filter(|(start, ..)| *start <= time.plus(SLACK))
        };
        let found = holds.or_else(ended).or_else(begins)?;
        Some(found.2)
    }
}

/// MAC addresses that records call by one id only.
fn ids(records: &Records) -> HashMap<[u8; 6], String> {
    let all = records.accesses.values().map(|access| &access.who);
    let all = all.chain(records.sessions.values().map(|session| &session.who));
    let all = all.chain(records.coverage.values().map(|coverage| &coverage.who));
    let all = all.chain(records.bindings.iter().map(|binding| &binding.who));
    let mut ids: HashMap<[u8; 6], BTreeSet<&str>> = HashMap::new();
    for Who { id, mac, .. } in all {
        if let (Some(id), Some(mac)) = (id, mac) {
            ids.entry(*mac).or_default().insert(id);
        }
    }
    let one = |(mac, ids): ([u8; 6], BTreeSet<&str>)| {
        let id = ids.first().filter(|_| ids.len() == 1)?;
        Some((mac, (*id).to_owned()))
    };
    ids.into_iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::source::capture::Input;

    const ADDRESS: &str = "192.0.2.7";

    fn records(bindings: &[(&str, &str, &str)]) -> Records {
        let line = |(mac, start, end): &(&str, &str, &str)| {
            format!(
                r#"{{"timestamp":"{start}","event_type":"client_binding","client_binding":{{"client":"{ADDRESS}","mac":"{mac}","start":"{start}","end":"{end}"}}}}"#
            )
        };
        let lines: Vec<_> = bindings.iter().map(line).collect();
        let mut records = Records::default();
        let reading = records
            .read(Input::new(Cursor::new(lines.join("\n"))))
            .unwrap();
        assert!(reading.is_whole(), "{reading:?}");
        records
    }

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + hour * 3_600, 0)
    }

    #[test]
    fn who_has_an_address_later_gets_nothing_of_who_had_it_before() {
        let text = crate::records::time::text;
        let (from, to, next, end) = (text(at(0)), text(at(10)), text(at(20)), text(at(30)));
        let (one, two) = ("02:00:5e:00:53:01", "02:00:5e:00:53:02");
        let records = records(&[(one, &from, &to), (two, &next, &end)]);
        let list = HostList::default();
        let hosts = Hosts::of(&records, &list);
        let who = Who {
            address: ADDRESS.parse().unwrap(),
            id: None,
            mac: None,
        };
        let found = |hour| hosts.key(&who, at(hour)).to_string();
        assert_eq!(found(5), one);
        assert_eq!(found(11), one);
        assert_eq!(found(15), ADDRESS);
        assert_eq!(found(19), two);
        assert_eq!(found(25), two);
        assert_eq!(found(40), ADDRESS);
    }
}
