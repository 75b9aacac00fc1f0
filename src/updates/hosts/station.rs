//! What is known of a MAC address: whether it is one host's, and which addresses it has.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::evidence::Hops;
use crate::types::Timestamp;

/// Addresses of one MAC address that are kept; IPv6 hosts have a few dozen at most, the oldest is let go.
const MAX_ADDRESSES: usize = 64;
/// What tells that a MAC address forwards: an address of others that comes from it with fewer hops counts for [`SENT`], one of IPv4 that
/// frames to it are for counts for 1.
const FORWARDED: usize = 4;
const SENT: usize = 2;
/// Addresses of others that come from it at all: with so many it forwards, and takes no hop off.
const FOREIGN: usize = 16;
/// A host that changes its address does not come back so soon; two addresses by turns are two hosts, or one that says nothing of itself.
const BY_TURNS: Duration = Duration::from_secs(600);
/// How often it came back when that is clear.
const RETURNS: u8 = 2;
/// Addresses of IPv6 that a host has at a time: its own, and temporary ones (RFC 8981 section 3.4).
const FEW_IPV6: usize = 3;
/// Kinds of SYN that are remembered.
const MAX_STACKS: usize = 8;
/// SYNs of one kind that are no accident.
const FEWEST: u8 = 2;

/// Whose a MAC address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// One host's, as far as it is known.
    Host,
    /// A router's.
    Router,
    /// It has several addresses of IPv4 at one time: those of a bridge that puts its own MAC address in the place of others', or of one
    /// machine.
    Shared,
}

/// A MAC address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Station {
    /// Whose it is.
    pub kind: Kind,
    /// It has said that some address is its own.
    pub is_claimed: bool,
    /// It did what a host does for itself alone: it took a lease, tried an address before it used it, or the list of hosts names it. Without
    /// that several addresses may be those of one machine, or of many that are played by one.
    pub is_whole: bool,
    /// When it was last told of.
    pub last: Timestamp,
    /// What it calls itself, newest first.
    pub name: Option<String>,
    /// Several hosts send from its own address.
    pub is_nat: bool,
    /// Addresses that are bound to it, oldest first.
    pub addresses: VecDeque<IpAddr>,
    /// Addresses of others that came from it or went to it, and what they count for.
    foreign: Vec<(IpAddr, usize)>,
    /// The address of IPv4 before this one, and until when.
    before: Option<(IpAddr, Timestamp)>,
    returns: u8,
    stacks: Vec<Stack>,
}

/// A kind of SYN.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Stack {
    options: u32,
    hops: Hops,
    count: u8,
    last: Timestamp,
}

impl Station {
    /// Nothing known but that it is there.
    pub const fn new(now: Timestamp) -> Self {
        Self {
            kind: Kind::Host,
            is_claimed: false,
            is_whole: false,
            last: now,
            name: None,
            is_nat: false,
            addresses: VecDeque::new(),
            foreign: Vec::new(),
            before: None,
            returns: 0,
            stacks: Vec::new(),
        }
    }

    /// It was not heard of for long: what it was then it need not be now.
    pub fn begin_anew(&mut self, now: Timestamp) {
        let name = self.name.take();
        *self = Self {
            name,
            ..Self::new(now)
        };
    }

    /// The address of IPv4 that is bound to it.
    pub fn ipv4(&self) -> Option<IpAddr> {
        let mut addresses = self.addresses.iter().copied();
        addresses.rfind(IpAddr::is_ipv4)
    }

    /// Whether one host, of which no more is known, has `address` too: beside one address of IPv4 few of IPv6.
    pub fn may_have(&self, address: IpAddr) -> bool {
        let others = self.addresses.iter().filter(|known| **known != address);
        let alike = others.filter(|known| known.is_ipv4() == address.is_ipv4());
        self.is_whole || alike.count() < if address.is_ipv4() { 1 } else { FEW_IPV6 }
    }

    /// An address is bound to it now; gives one that is let go for that.
    pub fn bind(&mut self, address: IpAddr) -> Option<IpAddr> {
        self.unbind(address);
        self.addresses.push_back(address);
        if self.addresses.len() > MAX_ADDRESSES {
            return self.addresses.pop_front();
        }
        None
    }

    /// An address is not bound to it any more.
    pub fn unbind(&mut self, address: IpAddr) {
        self.addresses.retain(|known| *known != address);
    }

    /// Nothing is known of an address any more.
    pub fn forget(&mut self, address: IpAddr) {
        self.unbind(address);
        self.owns(address);
        self.before.take_if(|(before, _)| *before == address);
    }

    /// It takes `address` in the place of `before`; whether it comes back to what it had too often for one host.
    pub fn moves(&mut self, before: IpAddr, address: IpAddr, now: Timestamp) -> bool {
        let is_return = self
            .before
            .is_some_and(|(known, until)| known == address && now.since(until) < BY_TURNS);
        self.returns = if is_return {
            self.returns.saturating_add(1)
        } else {
            0
        };
        self.before = Some((before, now));
        self.returns >= RETURNS
    }

    /// A packet from an address that it has not; whether it must be a router.
    pub fn sends_for(&mut self, address: IpAddr, hops: Hops) -> bool {
        let is_less = matches!(hops, Hops::Less(_));
        self.passes_on(address, if is_less { SENT } else { 0 })
    }

    /// A frame to it was for an address that it has not; whether it must be a router.
    pub fn receives_for(&mut self, address: IpAddr) -> bool {
        self.passes_on(address, usize::from(address.is_ipv4()))
    }

    fn passes_on(&mut self, address: IpAddr, count: usize) -> bool {
        let mut known = self.foreign.iter_mut();
        if let Some((_, counted)) = known.find(|(known, _)| *known == address) {
            *counted = count.max(*counted);
        } else if self.foreign.len() < FOREIGN {
            self.foreign.push((address, count));
        }
        let forwarded: usize = self.foreign.iter().map(|(_, count)| count).sum();
        forwarded >= FORWARDED || self.foreign.len() >= FOREIGN
    }

    /// An address that came from it is its own.
    pub fn owns(&mut self, address: IpAddr) {
        self.foreign.retain(|(known, _)| *known != address);
    }

    /// A SYN from its own address; whether it shows now that several hosts stand behind it: some came with fewer hops, though nothing
    /// stands between this address and the mirror, and they are of two systems.
    pub fn sends_syn(&mut self, options: u32, hops: Hops, now: Timestamp) -> bool {
        if self.is_nat || hops == Hops::Unknown {
            return false;
        }
        self.stacks.retain(|stack| now.since(stack.last) < BY_TURNS);
        let mut known = self.stacks.iter_mut();
        if let Some(stack) = known.find(|stack| (stack.options, stack.hops) == (options, hops)) {
            stack.count = stack.count.saturating_add(1);
            stack.last = now;
        } else if self.stacks.len() < MAX_STACKS {
            self.stacks.push(Stack {
                options,
                hops,
                count: 1,
                last: now,
            });
        }
        self.is_nat = self.has_two_systems();
        self.is_nat
    }

    fn has_two_systems(&self) -> bool {
        let told = || self.stacks.iter().filter(|stack| stack.count >= FEWEST);
        let mut forwarded = told().filter(|stack| matches!(stack.hops, Hops::Less(_)));
        forwarded.any(|one| {
            told().any(|other| {
                one.options != other.options || one.hops.initial() != other.hops.initial()
            })
        })
    }
}
