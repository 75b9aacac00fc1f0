//! Who is the host: addresses to MAC addresses, by what hosts say of themselves.
//!
//! * this file: what is known, and who is asked for
//! * [`evidence`]: what workers tell
//! * `taking`: how it counts
//! * `address`, `station`: what is kept of an address, and of a MAC address
//! * [`kept`]: all of it, out of one run of the sensor into the next
//!
//! ```text
//! ARP, NDP  sender has address ──┐                     ┌─ a host: what the address does is the host's doing
//! DHCP      client was given it ─┼─► binding ─► MAC ───┼─ a router: others send through it
//! packet    straight from a MAC ─┘   from .. to        └─ shared: several addresses, and no word of a single host
//! ```
//!
//! Nobody signs any of this. So a packet alone binds nothing, a MAC address that says that it has other addresses by turns is no host,
//! and an address over which two quarrel is nobody's. Whoever is not bound goes by his address, as if there were no bindings.
//!
//! Blind spots: hosts behind a router that takes no hop off, until it is known for one; two machines with one MAC address; a bridge that
//! puts its own MAC address in the place of others', while only one of them speaks.

mod address;
pub mod evidence;
pub mod kept;
mod station;
mod taking;

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};

use super::output::Binding as Told;
use crate::counters;
use crate::types::{Tick, Timestamp};
use address::Address;
pub use evidence::{Evidence, Hops, MAX_ASKED, Mac, Neighbour, Source};
use station::{Kind, Station};

/// A binding that nothing confirms for so long is over; a machine that was switched off for the night says itself that it is back.
const IDLE: Duration = Duration::from_secs(12 * 3_600);
/// Packets of one address from one MAC address count once in so long: workers tell them as often.
pub const SLOT: Duration = Duration::from_secs(10);
/// Packets of a slot that count, of one MAC address and one way each: with more it passes them on, which is known by then.
pub const MOST_OF_A_STATION: u8 = 64;
/// Memory of an address with its places in tables, and of whoever had it before.
const ADDRESS_BYTES: usize = size_of::<Address>() + 192;
/// Memory of a MAC address likewise, and of a few addresses, kinds of SYN and a name. A router's is larger; there are few.
const STATION_BYTES: usize = size_of::<Station>() + 320;
/// Bindings of a MAC address that is no host's are told up to so many: a router that answers for others has thousands.
const TOLD_OF_OTHERS: usize = 8;

counters! {
    /// What was seen of hosts, and refused.
    pub struct BindingCounters {
        /// Evidence of addresses and MAC addresses.
        evidence: "bindings.evidence",
        /// Bindings made.
        made: "bindings.made",
        /// Bindings that ended.
        ended: "bindings.ended",
        /// Claims that were not believed, because two machines quarrel over the address.
        disputed: "bindings.disputed",
        /// Bindings that ended because another machine sends from the address.
        contradicted: "bindings.contradicted",
        /// MAC addresses found to be routers'.
        routers: "bindings.routers",
        /// MAC addresses found to have several addresses of IPv4 at one time.
        shared: "bindings.shared",
        /// Addresses behind which several hosts stand.
        nat: "bindings.nat",
        /// Addresses and MAC addresses that were forgotten because there were too many.
        evicted: "bindings.evicted",
    }
}

/// Whose doing something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HostKey {
    /// Of whoever has the address.
    Address(IpAddr),
    /// Of the host with this MAC address, whatever its address is.
    Mac(Mac),
}

impl HostKey {
    /// The MAC address, where it goes by that.
    pub const fn mac(self) -> Option<Mac> {
        match self {
            Self::Address(_) => None,
            Self::Mac(mac) => Some(mac),
        }
    }
}

/// A row of the list of hosts that says which MAC address an address belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The address.
    pub address: IpAddr,
    /// The MAC address.
    pub mac: Mac,
    /// What people call the host; empty: nothing.
    pub label: String,
    /// From when on.
    pub from: Option<Timestamp>,
    /// Until when, exclusive.
    pub until: Option<Timestamp>,
}

/// Receives bindings that are made, change or end.
pub type BindingSink<'s> = dyn FnMut(Told) + 's;

/// Addresses and MAC addresses.
#[derive(Debug)]
pub struct Hosts {
    addresses: HashMap<IpAddr, Address>,
    stations: HashMap<Mac, Station>,
    /// When bindings end, if nothing more comes.
    timers: BTreeSet<(Timestamp, IpAddr)>,
    /// In which order they are forgotten, where there are too many.
    address_order: VecDeque<(Timestamp, IpAddr)>,
    station_order: VecDeque<(Timestamp, Mac)>,
    listed: HashMap<IpAddr, Vec<Listed>>,
    /// Packets that counted in this slot.
    slot: i64,
    counted: HashSet<(IpAddr, Mac, Shown)>,
    /// How many of them were from a MAC address, and to it.
    of_stations: HashMap<Mac, [u8; 2]>,
    /// How many new names were told in this slot: a name is whatever a client says, and all its addresses are told with it.
    renamed: HashMap<Mac, u8>,
    /// MAC addresses that turned out to be no host's, since that was last asked.
    released: Vec<Mac>,
    max_bytes: usize,
    counters: BindingCounters,
}

/// What tells packets of a slot apart.
type Shown = (Option<Hops>, Option<u32>);

impl Hosts {
    /// Nothing known; at most `max_bytes` will be taken.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            addresses: HashMap::new(),
            stations: HashMap::new(),
            timers: BTreeSet::new(),
            address_order: VecDeque::new(),
            station_order: VecDeque::new(),
            listed: HashMap::new(),
            slot: i64::MIN,
            counted: HashSet::new(),
            of_stations: HashMap::new(),
            renamed: HashMap::new(),
            released: Vec::new(),
            max_bytes,
            counters: BindingCounters::default(),
        }
    }

    /// From now on no more than this is taken.
    pub const fn renew(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
    }

    /// From now on this list counts.
    pub fn list(&mut self, rows: Vec<Listed>) {
        self.listed.clear();
        for row in rows {
            self.listed.entry(row.address).or_default().push(row);
        }
    }

    /// MAC addresses that turned out to be no host's since the last call: what is open of them belongs to their addresses.
    pub fn take_released(&mut self) -> Vec<Mac> {
        std::mem::take(&mut self.released)
    }

    /// Whose doing it is what `address` did at `time`.
    pub fn key_of(&self, address: IpAddr, time: Timestamp) -> HostKey {
        let known = self.addresses.get(&address);
        let mac = known.and_then(|known| known.host_at(time));
        mac.map_or(HostKey::Address(address), HostKey::Mac)
    }

    /// Whose doing it is what `address` did between two moments: a host's only where no other had the address in that time.
    pub fn key_within(&self, address: IpAddr, from: Timestamp, to: Timestamp) -> HostKey {
        let known = self.addresses.get(&address);
        let mac = known.and_then(|known| known.host_within(from, to));
        mac.map_or(HostKey::Address(address), HostKey::Mac)
    }

    /// The addresses that are bound to a host.
    pub fn addresses_of(&self, host: HostKey) -> impl Iterator<Item = IpAddr> + '_ {
        let station = host.mac().and_then(|mac| self.stations.get(&mac));
        let own = station.filter(|station| station.kind == Kind::Host);
        own.into_iter()
            .flat_map(|station| station.addresses.iter().copied())
    }

    /// Whether any address is bound, or was in this run.
    pub fn knows_any(&self) -> bool {
        self.counters.made > 0 || !self.timers.is_empty()
    }

    /// Whether several hosts are known to stand behind what goes by one MAC address.
    pub fn is_nat(&self, host: HostKey) -> bool {
        let station = host.mac().and_then(|mac| self.stations.get(&mac));
        station.is_some_and(|station| station.is_nat)
    }

    /// What was seen and refused so far, and how many bindings there are.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let bound = ("bindings.bound", self.timers.len() as u64);
        self.counters.iter().chain([bound])
    }

    /// Ends what is due by `now`; the moment is that of the tick boundary.
    pub fn advance(&mut self, now: Timestamp, out: &mut dyn FnMut(Timestamp, Told)) {
        while let Some((due, address)) = self.timers.first().copied() {
            let at = Tick::boundary_at_or_after(due).start();
            if at > now {
                return;
            }
            self.timers.remove(&(due, address));
            let known = self.addresses.get_mut(&address);
            let Some(binding) = known.and_then(|known| known.current.as_mut()) else {
                continue;
            };
            if binding.due > due {
                binding.armed = binding.due;
                self.timers.insert((binding.due, address));
                continue;
            }
            self.end(address, due, &mut |told| out(at, told));
        }
    }

    /// The end of input, which ends no binding: each is told as it stands.
    pub fn finish(&self, out: &mut BindingSink<'_>) {
        let mut bound: Vec<IpAddr> = self.timers.iter().map(|(_, address)| *address).collect();
        bound.sort_unstable();
        for address in bound {
            let is_told = self.binding(address).is_some_and(|known| known.is_told);
            if let Some(told) = self.told(address, None).filter(|_| is_told) {
                out(told);
            }
        }
    }

    fn binding(&self, address: IpAddr) -> Option<&address::Binding> {
        self.addresses.get(&address)?.current.as_ref()
    }

    fn station_of(&self, address: IpAddr) -> Option<&Station> {
        self.stations.get(&self.binding(address)?.mac)
    }

    /// A record of the binding of `address`, which ended at `end`, or goes on.
    fn told(&self, address: IpAddr, end: Option<Timestamp>) -> Option<Told> {
        let binding = self.binding(address)?;
        let station = self.stations.get(&binding.mac);
        let listed = self.listed_at(address, binding.since);
        let label = listed.filter(|row| binding.source == Source::List && row.mac == binding.mac);
        let names = station.and_then(|station| station.name.clone());
        let label = label.map(|row| row.label.clone());
        Some(Told {
            client: address,
            mac: binding.mac,
            names: names
                .into_iter()
                .chain(label)
                .filter(|name| !name.is_empty())
                .collect(),
            source: binding.source,
            start: binding.since,
            end: end.unwrap_or(binding.last).max(binding.since),
            is_ongoing: end.is_none(),
            is_router: station.is_some_and(|station| station.kind == Kind::Router),
            is_nat: station.is_some_and(|station| station.is_nat),
        })
    }

    fn listed_at(&self, address: IpAddr, time: Timestamp) -> Option<&Listed> {
        let rows = self.listed.get(&address)?;
        rows.iter().find(|row| {
            row.from.is_none_or(|from| from <= time) && row.until.is_none_or(|until| time < until)
        })
    }

    /// Where there are too many, those that were not told of for longest are forgotten.
    fn forget(&mut self, out: &mut BindingSink<'_>) {
        while self.addresses.len() * ADDRESS_BYTES > self.max_bytes / 2
            && let Some((noted, address)) = self.address_order.pop_front()
        {
            match self.addresses.get(&address) {
                Some(known) if known.last > noted => {
                    self.address_order.push_back((known.last, address));
                }
                Some(known) => {
                    self.counters.evicted += 1;
                    let end = known.last;
                    self.end(address, end, out);
                    self.addresses.remove(&address);
                }
                None => {}
            }
        }
        while self.stations.len() * STATION_BYTES > self.max_bytes / 2
            && let Some((noted, mac)) = self.station_order.pop_front()
        {
            match self.stations.get(&mac) {
                Some(known) if known.last > noted => {
                    self.station_order.push_back((known.last, mac));
                }
                Some(known) => {
                    self.counters.evicted += 1;
                    let (end, bound) = (known.last, known.addresses.clone());
                    for address in bound {
                        self.end(address, end, out);
                    }
                    self.stations.remove(&mac);
                }
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
