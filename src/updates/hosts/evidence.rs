//! What workers tell of hosts: who says that an address is his, who sends from it, who was given it.
//!
//! What addresses and MAC addresses mean (a group's, a link's own, a virtual router's) was looked at before pseudonyms were put in their place.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::types::Timestamp;

/// A MAC address.
pub type Mac = [u8; 6];

/// Time to live and hop limit that systems begin with (64: all but Windows; 128: Windows; 255: routers and some others).
const INITIAL: [u8; 3] = [64, 128, 255];
/// Within a site hardly more routers stand between a host and a mirror; what is sent with fewer hops on purpose (traceroute, scanners)
/// has more taken off.
const MOST_HOPS: u8 = 3;

/// Most bytes of a vendor class, or of a list of options, that are told.
pub const MAX_ASKED: usize = 64;

/// Evidence of one address or MAC address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// When.
    pub time: Timestamp,
    /// The address; nobody asks for it where only the MAC address is told of.
    pub address: IpAddr,
    /// The MAC address.
    pub mac: Mac,
    /// What is said of them.
    pub what: Evidence,
}

/// What is said of an address and a MAC address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A message of ARP: the sender says that it has the address.
    Arp,
    /// A message of neighbour discovery: likewise.
    Ndp,
    /// The sender tries whether anybody has the address, to take it (RFC 5227, RFC 4862 section 5.4).
    Probe,
    /// The MAC address has an address of its link alone: it speaks for itself.
    OnLink,
    /// It says that it is a router, or it is a virtual one.
    Router,
    /// A packet came from the address in a frame of the MAC address: the first of a flow.
    Packet {
        /// What was left of its hops.
        hops: Hops,
        /// Of a SYN: what its options look like, which no program but only the system decides.
        stack: Option<u32>,
    },
    /// A frame with a packet for the address went to the MAC address: the first packet of a flow.
    SentTo,
    /// A server gave the address until then; `None`: it said no time.
    Given(Option<Timestamp>),
    /// The client gave the address back, or it does not take it.
    Returned,
    /// The client calls itself so, in presentation form.
    Named(String),
    /// The client asks for an address: its vendor class, and which options it wants, as DHCP for IPv4 numbers them (options 60 and 55).
    Asks {
        /// Empty where it says none; of no more than [`MAX_ASKED`] bytes.
        class: Box<[u8]>,
        /// Likewise.
        options: Box<[u8]>,
    },
}

/// What was left of a packet's hops: whether a router stood before the mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Hops {
    /// All: the frame is the sender's own.
    Whole(u8),
    /// A few less than this: a router sent the frame.
    Less(u8),
    /// It cannot be told.
    Unknown,
}

impl Hops {
    /// Of a time to live, or hop limit, as it was seen.
    pub fn of(hop_limit: u8) -> Self {
        let begun = INITIAL.into_iter().find(|initial| *initial >= hop_limit);
        match begun.map(|initial| (initial, initial - hop_limit)) {
            Some((initial, 0)) => Self::Whole(initial),
            Some((initial, taken)) if taken <= MOST_HOPS => Self::Less(initial),
            _ => Self::Unknown,
        }
    }

    /// What it began with.
    pub const fn initial(self) -> Option<u8> {
        match self {
            Self::Whole(initial) | Self::Less(initial) => Some(initial),
            Self::Unknown => None,
        }
    }
}

/// What told of a binding, from the weakest to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Source {
    /// The list of hosts.
    List,
    /// Packets of a MAC address that is known for a host's.
    Frame,
    /// Neighbour discovery.
    Ndp,
    /// ARP.
    Arp,
    /// A lease.
    Dhcp,
}

impl Source {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Frame => "frame",
            Self::Ndp => "ndp",
            Self::Arp => "arp",
            Self::Dhcp => "dhcp",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_tell_whether_a_router_stood_between() {
        for (left, expected) in [
            (64, Hops::Whole(64)),
            (128, Hops::Whole(128)),
            (255, Hops::Whole(255)),
            (63, Hops::Less(64)),
            (125, Hops::Less(128)),
            (252, Hops::Less(255)),
            (60, Hops::Unknown),
            (1, Hops::Unknown),
            (0, Hops::Unknown),
        ] {
            assert_eq!(Hops::of(left), expected, "{left}");
        }
    }
}
