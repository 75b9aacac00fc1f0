//! How evidence counts.

use std::net::IpAddr;
use std::time::Duration;

use super::address::{Address, Binding, Sighted};
use super::evidence::{Evidence, Hops, Mac, Neighbour, Source};
use super::station::{Kind, Station};
use super::{BindingSink, Hosts, IDLE, MOST_OF_A_STATION, SLOT, TOLD_OF_OTHERS};
use crate::types::Timestamp;

/// No lease is believed for longer.
const LONGEST_LEASE: Duration = Duration::from_secs(30 * 86_400);
/// Directions of a mirror may be told so far apart.
const SKEW: Duration = Duration::from_millis(100);
/// New names of a MAC address that are told in a slot.
const MOST_NAMES: u8 = 4;
/// What packets of a slot are remembered of; beyond that they count again.
const MAX_COUNTED: usize = 1 << 16;

impl Hosts {
    /// Takes in evidence; it comes in the order of its times. Gives the address that is bound for the first time now, where what it did
    /// before was the same host's doing.
    pub fn take_in(&mut self, evidence: &Neighbour, out: &mut BindingSink<'_>) -> Option<IpAddr> {
        let (address, mac, now) = (evidence.address, evidence.mac, evidence.time);
        if self.is_repeated(evidence) {
            return None;
        }
        self.counters.evidence += 1;
        self.note_station(mac, now);
        let adopted = match &evidence.what {
            Evidence::OnLink | Evidence::Asks { .. } => self.speaks(mac),
            Evidence::Router => self.becomes(mac, Kind::Router, now, out),
            Evidence::Named(name) => self.name(mac, name, now, out),
            Evidence::Probe => self.tries(address, mac, now),
            Evidence::Arp => self.claims(address, mac, Source::Arp, now, out),
            Evidence::Ndp => self.claims(address, mac, Source::Ndp, now, out),
            Evidence::Given(until) => self.is_given(address, mac, *until, now, out),
            Evidence::Returned => self.returns(address, mac, now, out),
            Evidence::SentTo => self.is_sent_to(address, mac, now, out),
            Evidence::Packet { hops, stack } => self.sends(address, mac, (*hops, *stack), now, out),
        };
        self.forget(out);
        adopted
    }

    /// Something about updates is known of `client`, which began at `start`: the list of hosts may say whose address it is.
    pub fn meet(&mut self, client: IpAddr, start: Timestamp, out: &mut BindingSink<'_>) {
        let known = self.addresses.get(&client);
        let is_known =
            known.is_some_and(|known| known.current.is_some() || !known.earlier.is_empty());
        if is_known {
            return;
        }
        if let Some(mac) = self.listed_at(client, start).map(|row| row.mac) {
            self.note_station(mac, start);
            self.is_whole(mac);
            self.bind(client, mac, Source::List, start, out);
            self.forget(out);
        }
    }

    /// Packets count once in a slot: workers, of which there may be any number, tell them as often at least.
    fn is_repeated(&mut self, evidence: &Neighbour) -> bool {
        let (way, what) = match evidence.what {
            Evidence::Packet { hops, stack } => (0, (Some(hops), stack)),
            Evidence::SentTo => (1, (None, None)),
            _ => return false,
        };
        self.begin_slot(evidence.time);
        let of_station = self.of_stations.entry(evidence.mac).or_default();
        let Some(of_way) = of_station
            .get_mut(way)
            .filter(|of| **of < MOST_OF_A_STATION)
        else {
            return true;
        };
        let is_new = self.counted.insert((evidence.address, evidence.mac, what));
        *of_way += u8::from(is_new);
        !is_new
    }

    fn begin_slot(&mut self, now: Timestamp) {
        let slot = slot_of(now);
        let is_full = self.counted.len().max(self.renamed.len()) >= MAX_COUNTED;
        if slot != self.slot || is_full {
            self.slot = slot;
            self.counted.clear();
            self.of_stations.clear();
            self.renamed.clear();
        }
    }

    fn note_station(&mut self, mac: Mac, now: Timestamp) {
        let order = &mut self.station_order;
        let station = self.stations.entry(mac).or_insert_with(|| {
            order.push_back((now, mac));
            Station::new(now)
        });
        if now.since(station.last) > IDLE && station.addresses.is_empty() {
            // What it was then it need not be now.
            station.begin_anew(now);
        }
        station.last = station.last.max(now);
    }

    fn note_address(&mut self, address: IpAddr, now: Timestamp) -> &mut Address {
        let order = &mut self.address_order;
        let known = self.addresses.entry(address).or_insert_with(|| {
            order.push_back((now, address));
            Address::default()
        });
        known.last = known.last.max(now);
        known
    }

    fn is_whole(&mut self, mac: Mac) {
        if let Some(station) = self.stations.get_mut(&mac) {
            station.is_whole = true;
        }
    }

    fn speaks(&mut self, mac: Mac) -> Option<IpAddr> {
        let station = self.stations.get_mut(&mac)?;
        station.is_claimed = true;
        None
    }

    fn name(
        &mut self,
        mac: Mac,
        name: &str,
        now: Timestamp,
        out: &mut BindingSink<'_>,
    ) -> Option<IpAddr> {
        self.begin_slot(now);
        let station = self.stations.get_mut(&mac)?;
        if station.name.as_deref() != Some(name) {
            station.name = Some(name.to_owned());
            let renamed = self.renamed.entry(mac).or_default();
            *renamed = renamed.saturating_add(1);
            if *renamed <= MOST_NAMES {
                self.tell_all_of(mac, out);
            }
        }
        None
    }

    /// Nothing follows from it before the address is used: somebody else may have it, and say so.
    fn tries(&mut self, address: IpAddr, mac: Mac, now: Timestamp) -> Option<IpAddr> {
        let source = if address.is_ipv4() {
            Source::Arp
        } else {
            Source::Ndp
        };
        self.note_address(address, now).tentative = Some((mac, source));
        self.is_whole(mac);
        self.speaks(mac)
    }

    fn is_given(
        &mut self,
        address: IpAddr,
        mac: Mac,
        until: Option<Timestamp>,
        now: Timestamp,
        out: &mut BindingSink<'_>,
    ) -> Option<IpAddr> {
        self.is_whole(mac);
        let adopted = self.claims(address, mac, Source::Dhcp, now, out);
        let known = self.addresses.get_mut(&address)?;
        if let Some(binding) = known.current.as_mut()
            && let Some(until) = until
        {
            self.timers.remove(&(binding.armed, address));
            let until = until.min(now.plus(LONGEST_LEASE));
            (binding.is_leased, binding.due, binding.armed) = (true, until, until);
            self.timers.insert((until, address));
        }
        adopted
    }

    fn returns(
        &mut self,
        address: IpAddr,
        mac: Mac,
        now: Timestamp,
        out: &mut BindingSink<'_>,
    ) -> Option<IpAddr> {
        if self.binding(address).is_some_and(|known| known.mac == mac) {
            self.end(address, now, out);
        }
        None
    }

    /// A machine says that it has an address, or a server that it gave it.
    fn claims(
        &mut self,
        address: IpAddr,
        mac: Mac,
        source: Source,
        now: Timestamp,
        out: &mut BindingSink<'_>,
    ) -> Option<IpAddr> {
        if let Some(station) = self.stations.get_mut(&mac) {
            station.is_claimed = true;
            station.owns(address);
        }
        let known = self.note_address(address, now);
        if known.is_disputed(mac, now) && source != Source::Dhcp {
            self.counters.disputed += 1;
            self.end(address, now, out);
            return None;
        }
        match known.current.as_mut() {
            Some(binding) if binding.mac == mac => {
                binding.source = binding.source.max(source);
                self.confirm(address, now);
                None
            }
            _ => self.bind(address, mac, source, now, out),
        }
    }

    /// What was heard of a binding keeps it. A lease ends when it says, unless its host is heard of later.
    fn confirm(&mut self, address: IpAddr, now: Timestamp) {
        let known = self.addresses.get_mut(&address);
        if let Some(binding) = known.and_then(|known| known.current.as_mut()) {
            binding.confirm(now);
            if !binding.is_leased {
                binding.due = now.plus(IDLE);
            }
        }
    }

    /// A packet came from `address` in a frame of `mac`.
    fn sends(
        &mut self,
        address: IpAddr,
        mac: Mac,
        (hops, stack): (Hops, Option<u32>),
        now: Timestamp,
        out: &mut BindingSink<'_>,
    ) -> Option<IpAddr> {
        let is_whole = matches!(hops, Hops::Whole(_));
        let is_host = |hosts: &Self| {
            let station = hosts.stations.get(&mac);
            station.is_some_and(|station| station.kind == Kind::Host)
        };
        match self.binding(address) {
            Some(binding) if binding.mac == mac => {
                let is_own = address.is_ipv4() && binding.source >= Source::Arp;
                self.note_address(address, now);
                self.confirm(address, now);
                if let Some(stack) = stack.filter(|_| is_own && is_host(self)) {
                    self.sends_syn(mac, stack, hops, now, out);
                }
                None
            }
            Some(_) => {
                self.forwards(address, mac, hops, now, out);
                if is_whole && is_host(self) {
                    self.contradict(address, mac, now, out);
                }
                None
            }
            None if is_whole && is_host(self) => self.sends_unbound(address, mac, now, out),
            None => {
                self.forwards(address, mac, hops, now, out);
                None
            }
        }
    }

    /// A packet straight from `mac`, from an address that nobody is known to have.
    fn sends_unbound(
        &mut self,
        address: IpAddr,
        mac: Mac,
        now: Timestamp,
        out: &mut BindingSink<'_>,
    ) -> Option<IpAddr> {
        let known = self.note_address(address, now);
        let tried = known.tentative.filter(|(tried, _)| *tried == mac);
        if let Some((_, source)) = tried {
            return self.bind(address, mac, source, now, out);
        }
        let last = known.earlier.front();
        if last.is_some_and(|last| last.mac == mac && last.end == now) {
            // It is the packet that gave the address back.
            return None;
        }
        known.saw(mac, now);
        let station = self.stations.get(&mac)?;
        // A host has any number of addresses of IPv6, and does not announce each.
        let is_free = address.is_ipv6() || station.ipv4().is_none();
        if station.is_claimed && is_free {
            return self.bind(address, mac, Source::Frame, now, out);
        }
        self.forwards(address, mac, Hops::Unknown, now, out);
        None
    }

    fn sends_syn(
        &mut self,
        mac: Mac,
        stack: u32,
        hops: Hops,
        now: Timestamp,
        out: &mut BindingSink<'_>,
    ) {
        let station = self.stations.get_mut(&mac);
        if station.is_some_and(|station| station.sends_syn(stack, hops, now)) {
            self.counters.nat += 1;
            self.tell_all_of(mac, out);
        }
    }

    /// Another machine than its owner sends from an address. A packet may have a forged source; but where the owner is not heard of
    /// between several, he is gone, and who it is now will say so.
    fn contradict(&mut self, address: IpAddr, mac: Mac, now: Timestamp, out: &mut BindingSink<'_>) {
        let known = self.addresses.get_mut(&address);
        let Some(binding) = known.and_then(|known| known.current.as_mut()) else {
            return;
        };
        if let Some(since) = binding.contradict(mac, now) {
            self.counters.contradicted += 1;
            self.end(address, since, out);
        }
    }

    fn forwards(
        &mut self,
        address: IpAddr,
        mac: Mac,
        hops: Hops,
        now: Timestamp,
        out: &mut BindingSink<'_>,
    ) {
        let station = self.stations.get_mut(&mac);
        if station.is_some_and(|station| station.sends_for(address, hops)) {
            self.becomes(mac, Kind::Router, now, out);
        }
    }

    /// A frame for `address` went to `mac`: where that does not have it, it passes it on.
    fn is_sent_to(
        &mut self,
        address: IpAddr,
        mac: Mac,
        now: Timestamp,
        out: &mut BindingSink<'_>,
    ) -> Option<IpAddr> {
        let is_own = self.binding(address).is_some_and(|known| known.mac == mac);
        let station = self.stations.get_mut(&mac)?;
        if !is_own && station.receives_for(address) {
            self.becomes(mac, Kind::Router, now, out);
        }
        None
    }

    /// It is known now what a MAC address is: its addresses are not one host's any more.
    pub(super) fn becomes(
        &mut self,
        mac: Mac,
        kind: Kind,
        now: Timestamp,
        out: &mut BindingSink<'_>,
    ) -> Option<IpAddr> {
        let station = self.stations.get_mut(&mac)?;
        if station.kind == kind || station.kind == Kind::Router {
            return None;
        }
        station.kind = kind;
        match kind {
            Kind::Router => self.counters.routers += 1,
            Kind::Shared => self.counters.shared += 1,
            Kind::Host => {}
        }
        for address in station.addresses.clone() {
            if let Some(known) = self.addresses.get_mut(&address) {
                match kind {
                    Kind::Shared => known.was_no_host(mac),
                    _ => known.is_no_host(now),
                }
            }
        }
        if kind == Kind::Shared {
            self.released.push(mac);
        }
        if kind == Kind::Router {
            self.tell_all_of(mac, out);
        }
        None
    }

    /// `mac` has `address` from `now` on, and nobody else.
    fn bind(
        &mut self,
        address: IpAddr,
        mac: Mac,
        source: Source,
        now: Timestamp,
        out: &mut BindingSink<'_>,
    ) -> Option<IpAddr> {
        let known = self.addresses.get(&address);
        let is_taken_over = known.is_some_and(|known| known.was_of_other(mac));
        self.end(address, now, out);
        let station = self.stations.get(&mac)?;
        let (is_whole, may_have) = (station.is_whole, station.may_have(address));
        if address.is_ipv4() && (is_whole || is_taken_over) {
            self.leaves(address, mac, source, now, out);
        } else if !may_have {
            self.becomes(mac, Kind::Shared, now, out);
        }
        let station = self.stations.get_mut(&mac)?;
        let is_host = station.kind == Kind::Host;
        let excess = station.bind(address);
        let due = now.plus(IDLE);
        let known = self.note_address(address, now);
        let is_first = known.earlier.is_empty() && is_host;
        let is_adopted = is_first && known.sighted == Sighted::Of(mac);
        let mut binding = Binding::new(mac, source, now, due);
        binding.is_host = is_host;
        if is_first && known.sighted == Sighted::Never {
            // A mirror may show what the host was answered before its own first frame.
            binding.start = now.minus(SKEW);
        }
        if is_adopted {
            // What it did before was its doing as well, also what began before its first frame came from here.
            binding.start = Timestamp::MIN;
            binding.since = known.sighted_since.map_or(now, |since| since.min(now));
        }
        known.current = Some(binding);
        (known.sighted, known.sighted_since, known.tentative) = (Sighted::Never, None, None);
        self.timers.insert((due, address));
        self.counters.made += 1;
        self.tell(address, out);
        if let Some(excess) = excess {
            self.end(excess, now, out);
        }
        is_adopted.then_some(address)
    }

    /// A host has one address of IPv4: where it takes another, it leaves the one before.
    fn leaves(
        &mut self,
        address: IpAddr,
        mac: Mac,
        source: Source,
        now: Timestamp,
        out: &mut BindingSink<'_>,
    ) {
        let Some(station) = self.stations.get_mut(&mac) else {
            return;
        };
        let before = station.ipv4().filter(|before| *before != address);
        let Some(before) = before.filter(|_| station.kind == Kind::Host) else {
            return;
        };
        if station.moves(before, address, now) && source != Source::Dhcp {
            self.becomes(mac, Kind::Shared, now, out);
        } else {
            self.end(before, now, out);
        }
    }

    /// Nobody has `address` any more from `until` on.
    pub(super) fn end(&mut self, address: IpAddr, until: Timestamp, out: &mut BindingSink<'_>) {
        let told = self.told(address, Some(until));
        let known = self.addresses.get_mut(&address);
        let Some(binding) = known.and_then(|known| known.end(until)) else {
            return;
        };
        self.timers.remove(&(binding.armed, address));
        self.counters.ended += 1;
        if let Some(station) = self.stations.get_mut(&binding.mac) {
            station.unbind(address);
        }
        if let Some(told) = told.filter(|_| binding.is_told) {
            out(told);
        }
    }

    /// Tells a binding as it stands.
    fn tell(&mut self, address: IpAddr, out: &mut BindingSink<'_>) {
        let station = self.station_of(address);
        let is_wanted = station.is_some_and(|station| {
            station.kind == Kind::Host || station.addresses.len() <= TOLD_OF_OTHERS
        });
        let Some(told) = self.told(address, None).filter(|_| is_wanted) else {
            return;
        };
        let known = self.addresses.get_mut(&address);
        if let Some(binding) = known.and_then(|known| known.current.as_mut()) {
            binding.is_told = true;
        }
        out(told);
    }

    fn tell_all_of(&mut self, mac: Mac, out: &mut BindingSink<'_>) {
        let station = self.stations.get(&mac);
        let addresses = station.map(|station| station.addresses.clone());
        for address in addresses.unwrap_or_default() {
            self.tell(address, out);
        }
    }
}

/// The slot of a moment.
pub(super) fn slot_of(time: Timestamp) -> i64 {
    time.seconds_and_nanos().0.div_euclid(SLOT.as_secs() as i64)
}
