//! Who is behind an address: ARP, neighbour discovery, DHCP, and the frames that flows begin with.
//!
//! Messages are read before pseudonyms are put in their place, and what they tell is rewritten before it is told: what an address means
//! (its link's own, a group's) and what a MAC address means (a virtual router's) cannot be seen of a pseudonym. Names are not told then.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use foldhash::quality::FixedState;

use super::annotation::Annotation;
use super::worker::Core;
use crate::flows::Flow;
use crate::protocols::dhcp::{self, v4, v6};
use crate::protocols::neighbour::{self, Arp, Discovery};
use crate::pseudonyms::Rewriter;
use crate::types::packet::{TcpFlags, Transport, UdpDatagram};
use crate::types::{Packet, Timestamp};
use crate::updates::Fact;
use crate::updates::hosts::{Evidence, Hops, MAX_ASKED, MOST_OF_A_STATION, Mac, Neighbour, SLOT};

/// Messages of a tick that are looked into; a flood has more.
const MAX_A_TICK: u32 = 4_096;
/// Senders and receivers of a slot that are remembered; beyond that they are told again.
const MAX_TOLD: usize = 1 << 14;

/// What a packet says of its ends before they have pseudonyms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    source: IpAddr,
    destination: IpAddr,
    source_mac: Option<Mac>,
}

/// What was told lately.
#[derive(Debug)]
pub(super) struct Told {
    slot: i64,
    packets: HashSet<Sighting, FixedState>,
    /// How many of them were from a MAC address, and to it.
    stations: HashMap<Mac, [u8; 2], FixedState>,
    /// Messages of this tick.
    messages: u32,
    /// Of the packet at hand, where it has pseudonyms.
    ends: Option<Ends>,
}

/// Which end of a packet.
#[derive(Clone, Copy, Debug)]
enum Way {
    From,
    To,
}

/// An address behind a MAC address, and what of a packet tells them apart; in few words, for every flow is looked up.
type Sighting = (u128, u64, Option<u32>);

fn sighting(address: IpAddr, mac: Mac, hops: Hops, stack: Option<u32>) -> Sighting {
    let address = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    let hops = match hops {
        Hops::Unknown => [0, 0],
        Hops::Whole(hops) => [1, hops],
        Hops::Less(hops) => [2, hops],
    };
    let [a, b, c, d, e, f] = mac;
    let [kind, hops] = hops;
    let sender = u64::from_be_bytes([a, b, c, d, e, f, kind, hops]);
    (address.to_bits(), sender, stack)
}

impl Default for Told {
    fn default() -> Self {
        Self {
            slot: i64::MIN,
            packets: HashSet::with_hasher(FixedState::default()),
            stations: HashMap::with_hasher(FixedState::default()),
            messages: 0,
            ends: None,
        }
    }
}

impl Told {
    /// A tick begins.
    pub const fn begin_tick(&mut self) {
        self.messages = 0;
    }

    fn begin_slot(&mut self, now: Timestamp) {
        let slot = now.seconds_and_nanos().0.div_euclid(SLOT.as_secs() as i64);
        if slot != self.slot || self.packets.len() >= MAX_TOLD {
            self.slot = slot;
            self.packets.clear();
            self.stations.clear();
        }
    }

    /// Whether a packet's end was not told in this slot. Of a MAC address with very many nothing more is told: it passes packets on.
    fn is_news(&mut self, mac: Mac, way: Way, sighting: Sighting) -> bool {
        let station = self.stations.entry(mac).or_default();
        let told = station.get_mut(way as usize);
        let Some(told) = told.filter(|told| **told < MOST_OF_A_STATION) else {
            return false;
        };
        let is_new = self.packets.insert(sighting);
        *told += u8::from(is_new);
        is_new
    }
}

impl Ends {
    fn of(packet: &Packet<'_>) -> Self {
        Self {
            source: packet.source,
            destination: packet.destination,
            source_mac: packet.source_mac,
        }
    }
}

/// Whether a packet may tell of hosts: hardly any does.
#[inline]
pub(super) fn may_tell(packet: &Packet<'_>) -> bool {
    match &packet.transport {
        Transport::Tcp(_) | Transport::Other { .. } => false,
        Transport::Udp(datagram) => {
            is_lease(datagram, dhcp::PORTS_V4) || is_lease(datagram, dhcp::PORTS_V6)
        }
        Transport::Icmp(_) | Transport::Arp(_) => true,
    }
}

impl Core {
    /// What a message tells of hosts; nothing of other packets. `rewriter`: who has pseudonyms.
    pub(super) fn look_for_hosts(&mut self, packet: &Packet<'_>, rewriter: Option<&mut Rewriter>) {
        self.told.ends = rewriter.is_some().then(|| Ends::of(packet));
        let read: fn(&Packet<'_>) -> Result<Vec<Neighbour>, Malformed> = match &packet.transport {
            Transport::Arp(_) => arp,
            Transport::Icmp(message)
                if packet.hop_limit == neighbour::HOP_LIMIT
                    && packet.source.is_ipv6()
                    && (neighbour::ROUTER_SOLICITATION..=neighbour::NEIGHBOUR_ADVERTISEMENT)
                        .contains(&message.kind) =>
            {
                discovery
            }
            Transport::Udp(datagram) if is_lease(datagram, dhcp::PORTS_V4) => lease_v4,
            Transport::Udp(datagram) if is_lease(datagram, dhcp::PORTS_V6) => lease_v6,
            _ => return,
        };
        self.told.messages += 1;
        if self.told.messages > MAX_A_TICK {
            self.counters.neighbours_passed_over += 1;
            return;
        }
        match read(packet) {
            Ok(evidence) => self.tell_hosts(evidence, rewriter),
            Err(Malformed) => self.counters.neighbours_malformed += 1,
        }
    }

    fn tell_hosts(&mut self, evidence: Vec<Neighbour>, mut rewriter: Option<&mut Rewriter>) {
        for mut evidence in evidence {
            if let Some(rewriter) = rewriter.as_deref_mut() {
                if matches!(evidence.what, Evidence::Named(_)) {
                    continue;
                }
                evidence.address = rewriter.address(evidence.address);
                evidence.mac = rewriter.mac(evidence.mac);
            }
            self.tell_host(0, Fact::Neighbour(evidence));
        }
    }

    /// A flow begins with `packet`: in whose frame it came, and to whom.
    pub(super) fn note_ends(&mut self, flow: &Flow<Annotation>, packet: &Packet<'_>) {
        let ends = self.told.ends.unwrap_or_else(|| Ends::of(packet));
        let now = self.now();
        self.told.begin_slot(now);
        if let Some(mac) = packet.source_mac
            && ends.source_mac.is_some_and(neighbour::is_station)
            && is_hosts(ends.source)
        {
            let hops = Hops::of(packet.hop_limit);
            let stack = stack(packet);
            let sighting = sighting(packet.source, mac, hops, stack);
            if self.told.is_news(mac, Way::From, sighting) {
                self.tell_ends_of(flow, packet.source, mac, Evidence::Packet { hops, stack });
            }
        }
        if let Some(mac) = packet
            .destination_mac
            .filter(|mac| neighbour::is_station(*mac))
            && is_hosts(ends.destination)
        {
            let sighting = sighting(packet.destination, mac, Hops::Unknown, Some(u32::MAX));
            if self.told.is_news(mac, Way::To, sighting) {
                self.tell_ends_of(flow, packet.destination, mac, Evidence::SentTo);
            }
        }
    }

    fn tell_ends_of(&mut self, flow: &Flow<Annotation>, address: IpAddr, mac: Mac, what: Evidence) {
        let evidence = Neighbour {
            time: self.now(),
            address,
            mac,
            what,
        };
        self.tell_host(flow.id(), Fact::Neighbour(evidence));
    }
}

/// A message that makes no sense.
struct Malformed;

/// What a message tells, so far.
struct Reading<'p> {
    packet: &'p Packet<'p>,
    evidence: Vec<Neighbour>,
}

impl<'p> Reading<'p> {
    const fn of(packet: &'p Packet<'p>) -> Self {
        Self {
            packet,
            evidence: Vec::new(),
        }
    }

    fn tell(&mut self, address: IpAddr, mac: Mac, what: Evidence) {
        if !neighbour::is_station(mac) {
            return;
        }
        self.evidence.push(Neighbour {
            time: self.packet.timestamp,
            address,
            mac,
            what,
        });
    }

    /// `mac` says that it has `address`. One that every link has names nobody, but whoever says so speaks for himself.
    fn claim(&mut self, address: IpAddr, mac: Mac, what: Evidence) {
        if is_link_local(address) {
            self.tell(NOBODY, mac, Evidence::OnLink);
        } else if is_hosts(address) {
            self.tell(address, mac, what);
        }
    }

    /// A server gave an address, or a client gave it back.
    fn lease(&mut self, address: IpAddr, mac: Mac, what: Evidence) {
        if is_hosts(address) {
            self.tell(address, mac, what);
        }
    }

    fn name(&mut self, mac: Mac, name: Option<&String>) {
        if let Some(name) = name {
            self.tell(NOBODY, mac, Evidence::Named(name.clone()));
        }
    }

    fn asks(&mut self, mac: Mac, class: Option<&[u8]>, options: &[u8]) {
        let [class, options]: [Box<[u8]>; 2] = [class.unwrap_or_default(), options]
            .map(|said| said.get(..MAX_ASKED).unwrap_or(said).into());
        if !(class.is_empty() && options.is_empty()) {
            self.tell(NOBODY, mac, Evidence::Asks { class, options });
        }
    }

    fn after(&self, seconds: u32) -> Timestamp {
        let lease = Duration::from_secs(seconds.into());
        self.packet.timestamp.plus(lease)
    }
}

const NOBODY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// A message that another machine passed on under its own MAC address tells of neither.
fn arp(packet: &Packet<'_>) -> Result<Vec<Neighbour>, Malformed> {
    let mut reading = Reading::of(packet);
    let Transport::Arp(bytes) = packet.transport else {
        return Ok(Vec::new());
    };
    let message = Arp::parse(bytes).map_err(|_| Malformed)?;
    let mac = message.sender_mac;
    if packet.source_mac.is_some_and(|sender| sender != mac) || !matches!(message.operation, 1 | 2)
    {
        return Ok(Vec::new());
    }
    if neighbour::is_virtual(mac) {
        reading.tell(NOBODY, mac, Evidence::Router);
    }
    if message.sender.is_unspecified() {
        reading.claim(message.target.into(), mac, Evidence::Probe);
    } else {
        // An announcement (RFC 5227 section 2.3) ends a trial, which may have gone unseen.
        if message.sender == message.target {
            reading.claim(message.sender.into(), mac, Evidence::Probe);
        }
        reading.claim(message.sender.into(), mac, Evidence::Arp);
    }
    Ok(reading.evidence)
}

fn discovery(packet: &Packet<'_>) -> Result<Vec<Neighbour>, Malformed> {
    let mut reading = Reading::of(packet);
    let (Transport::Icmp(message), Some(mac)) = (&packet.transport, packet.source_mac) else {
        return Ok(Vec::new());
    };
    let body = message.payload;
    let read = Discovery::parse(message.kind, message.code, body).map_err(|_| Malformed)?;
    let is_own = |link: Option<Mac>| link.is_none_or(|link| link == mac);
    match read {
        Some(Discovery::RouterAdvertisement { link, .. }) if is_own(link) => {
            reading.tell(NOBODY, mac, Evidence::Router);
            reading.claim(packet.source, mac, Evidence::Ndp);
        }
        Some(Discovery::Solicitation { target, .. }) if packet.source.is_unspecified() => {
            reading.claim(target.into(), mac, Evidence::Probe);
        }
        Some(Discovery::RouterSolicitation { link } | Discovery::Solicitation { link, .. })
            if is_own(link) =>
        {
            reading.claim(packet.source, mac, Evidence::Ndp);
        }
        Some(Discovery::Advertisement {
            target,
            is_router,
            link,
        }) if is_own(link) => {
            if is_router || neighbour::is_virtual(mac) {
                reading.tell(NOBODY, mac, Evidence::Router);
            }
            reading.claim(target.into(), mac, Evidence::Ndp);
        }
        _ => {}
    }
    Ok(reading.evidence)
}

const fn is_lease(datagram: &UdpDatagram<'_>, [one, other]: [u16; 2]) -> bool {
    let (from, to) = (datagram.source_port, datagram.destination_port);
    (from == one || from == other) && (to == one || to == other)
}

fn lease_v4(packet: &Packet<'_>) -> Result<Vec<Neighbour>, Malformed> {
    let mut reading = Reading::of(packet);
    let Transport::Udp(datagram) = packet.transport else {
        return Ok(Vec::new());
    };
    let message = v4::Message::parse(datagram.payload).map_err(|_| Malformed)?;
    let Some(mac) = message.mac else {
        return Ok(Vec::new());
    };
    match message.kind {
        v4::Kind::Ack => {
            reading.name(mac, message.name.as_ref());
            let until = message.lease_s.map(|seconds| reading.after(seconds));
            // An answer to a client that asks for settings alone gives no address.
            let address = match message.yours {
                yours if yours.is_unspecified() => message.client,
                yours => yours,
            };
            reading.lease(address.into(), mac, Evidence::Given(until));
        }
        v4::Kind::Discover | v4::Kind::Request | v4::Kind::Inform => {
            reading.name(mac, message.name.as_ref());
            reading.asks(mac, message.vendor_class, message.parameters);
        }
        v4::Kind::Release => reading.lease(message.client.into(), mac, Evidence::Returned),
        v4::Kind::Decline => {
            if let Some(address) = message.requested {
                reading.lease(address.into(), mac, Evidence::Returned);
            }
        }
        v4::Kind::Offer | v4::Kind::Nak | v4::Kind::Unknown(_) => {}
    }
    Ok(reading.evidence)
}

fn lease_v6(packet: &Packet<'_>) -> Result<Vec<Neighbour>, Malformed> {
    let mut reading = Reading::of(packet);
    let Transport::Udp(datagram) = packet.transport else {
        return Ok(Vec::new());
    };
    let message = v6::Message::parse(datagram.payload).map_err(|_| Malformed)?;
    let Some(mac) = client_mac(packet, &message) else {
        return Ok(Vec::new());
    };
    match message.kind {
        v6::Kind::Reply => {
            for lease in &message.leases {
                let what = match lease.valid_s {
                    0 => Evidence::Returned,
                    seconds => Evidence::Given(Some(reading.after(seconds))),
                };
                reading.lease(lease.address.into(), mac, what);
            }
        }
        v6::Kind::Release | v6::Kind::Decline => {
            for lease in &message.leases {
                reading.lease(lease.address.into(), mac, Evidence::Returned);
            }
        }
        _ => reading.name(mac, message.name.as_ref()),
    }
    Ok(reading.evidence)
}

/// The MAC address of the client that a message is from or for: that of its frame, what its relay says, or that in its DUID where
/// its address is made of it.
fn client_mac(packet: &Packet<'_>, message: &v6::Message<'_>) -> Option<Mac> {
    if message.is_relayed {
        let by_address = message
            .peer
            .and_then(mac_within)
            .filter(|mac| Some(*mac) == message.duid_mac());
        return message.link.or(by_address);
    }
    if message.kind == v6::Kind::Reply {
        return packet
            .destination_mac
            .filter(|_| is_link_local(packet.destination));
    }
    packet.source_mac.filter(|_| is_link_local(packet.source))
}

/// The MAC address that an interface identifier is made of (RFC 4291 appendix A).
fn mac_within(address: std::net::Ipv6Addr) -> Option<Mac> {
    match address.octets() {
        [_, _, _, _, _, _, _, _, a, b, c, 0xff, 0xfe, d, e, f] => Some([a ^ 2, b, c, d, e, f]),
        _ => None,
    }
}

/// Whether an address may be one host's, and tells it from others: no group's, not every machine's.
fn is_hosts(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    let is_nobodys = address.is_unspecified() || address.is_loopback() || address.is_multicast();
    !is_nobodys && !is_broadcast && !is_link_local(address)
}

const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// The kinds of a SYN's options in their order, as a number, which the next run of the sensor is told: the system decides them, and no program.
fn stack(packet: &Packet<'_>) -> Option<u32> {
    const END: u8 = 0;
    const NOTHING: u8 = 1;
    /// A TCP header has room for so many bytes of them (RFC 9293 section 3.1).
    const MOST_OPTIONS: usize = 40;
    let Transport::Tcp(segment) = packet.transport else {
        return None;
    };
    let is_syn = segment.flags.has(TcpFlags::SYN) && !segment.flags.has(TcpFlags::ACK);
    let mut options = Some(segment.options).filter(|_| is_syn)?;
    let (mut kinds, mut count) = ([0; MOST_OPTIONS], 0);
    while let Some((kind, rest)) = options.split_first() {
        *kinds.get_mut(count)? = *kind;
        count += 1;
        options = match *kind {
            END => break,
            NOTHING => rest,
            _ => {
                let length = usize::from(*rest.first()?);
                options.get(length.max(2)..)?
            }
        };
    }
    // The largest stands for frames that are sent: see above.
    let kinds = kinds.get(..count).unwrap_or_default();
    Some(crc32fast::hash(kinds).min(u32::MAX - 1))
}

#[cfg(test)]
mod tests;
