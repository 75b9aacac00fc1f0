//! Who says that an address is his: ARP (RFC 826, RFC 5227) and neighbour discovery (RFC 4861).
//!
//! ```text
//! ARP    | hardware 2 | protocol 2 | lengths 1 1 | operation 2 | sender MAC 6 | sender 4 | target MAC 6 | target 4 |
//!
//! NDP    | type 1 | code 1 | checksum 2 | flags or reserved 4 | target 16 | options: type 1, length 1 (in 8 bytes), value ... |
//! ```
//!
//! One message at a time, without state. Whether a message says the truth is for others to judge: neither is protected.
#![warn(clippy::indexing_slicing)]

use std::net::{Ipv4Addr, Ipv6Addr};

/// A MAC address.
pub type Mac = [u8; 6];

/// Ethernet, IPv4, addresses of 6 and 4 bytes.
const ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
/// A router solicitation, and the three that follow it (RFC 4861 section 4).
pub const ROUTER_SOLICITATION: u8 = 133;
/// See [`ROUTER_SOLICITATION`].
pub const ROUTER_ADVERTISEMENT: u8 = 134;
/// See [`ROUTER_SOLICITATION`].
pub const NEIGHBOUR_SOLICITATION: u8 = 135;
/// See [`ROUTER_SOLICITATION`].
pub const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// Options (RFC 4861 section 4.6): link-layer address of the sender, of the target.
const SOURCE_LINK: u8 = 1;
const TARGET_LINK: u8 = 2;
/// The flag R of an advertisement.
const IS_ROUTER: u8 = 0x80;
/// Routers have no other hop limit's worth of belief (RFC 4861 section 6.1, 7.1).
pub const HOP_LIMIT: u8 = 255;
/// Virtual MAC addresses of routers that stand in for each other: VRRP over IPv4 and IPv6 (RFC 9568 section 7.3), HSRP 1, GLBP,
/// HSRP 2 over IPv4 and IPv6 (Cisco).
const VIRTUAL: [&[u8]; 6] = [
    &[0x00, 0x00, 0x5e, 0x00, 0x01],
    &[0x00, 0x00, 0x5e, 0x00, 0x02],
    &[0x00, 0x00, 0x0c, 0x07, 0xac],
    &[0x00, 0x07, 0xb4],
    &[0x00, 0x00, 0x0c, 0x9f],
    &[0x00, 0x05, 0x73, 0xa0],
];

/// Why bytes are no such message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NeighbourError {
    /// It ends too early.
    #[error("is too short")]
    Short,
    /// Its lengths make no sense, or it is of another kind.
    #[error("is of another form")]
    Form,
}

/// An ARP message over Ethernet for IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// 1 a request, 2 a reply; others exist.
    pub operation: u16,
    /// Who says it has `sender`.
    pub sender_mac: Mac,
    /// Unspecified in a probe (RFC 5227 section 2.1.1).
    pub sender: Ipv4Addr,
    /// Whose address is asked for, or who asked.
    pub target: Ipv4Addr,
}

/// A message of neighbour discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// Somebody looks for routers.
    RouterSolicitation {
        /// The sender's MAC address, where it tells it.
        link: Option<Mac>,
    },
    /// A router.
    RouterAdvertisement {
        /// For how long it is a default router, in seconds; 0: it is none.
        lifetime_s: u16,
        /// Its MAC address, where it tells it.
        link: Option<Mac>,
    },
    /// Somebody looks for `target`, or tries whether anybody has it: then its sender is unspecified.
    Solicitation {
        /// The address.
        target: Ipv6Addr,
        /// The sender's MAC address, where it tells it.
        link: Option<Mac>,
    },
    /// Somebody has `target`.
    Advertisement {
        /// The address.
        target: Ipv6Addr,
        /// It says that it is a router.
        is_router: bool,
        /// The MAC address of `target`, where it is told.
        link: Option<Mac>,
    },
}

impl Arp {
    /// Reads a message, from its hardware type on; what follows it is padding.
    pub fn parse(bytes: &[u8]) -> Result<Self, NeighbourError> {
        let message: &[u8; 28] = bytes.first_chunk().ok_or(NeighbourError::Short)?;
        let rest = message
            .strip_prefix(&ETHERNET_IPV4)
            .ok_or(NeighbourError::Form)?;
        let (operation, rest) = split::<2>(rest)?;
        let (sender_mac, rest) = split(rest)?;
        let (sender, rest) = split::<4>(rest)?;
        let (_, rest) = split::<6>(rest)?;
        let (target, _) = split::<4>(rest)?;
        Ok(Self {
            operation: u16::from_be_bytes(operation),
            sender_mac,
            sender: sender.into(),
            target: target.into(),
        })
    }
}

impl Discovery {
    /// Reads a message of this type, from behind its checksum on. `None`: it is another ICMPv6 message.
    pub fn parse(kind: u8, code: u8, body: &[u8]) -> Result<Option<Self>, NeighbourError> {
        if !(ROUTER_SOLICITATION..=NEIGHBOUR_ADVERTISEMENT).contains(&kind) {
            return Ok(None);
        }
        if code != 0 {
            return Err(NeighbourError::Form);
        }
        let (head, rest) = split::<4>(body)?;
        match kind {
            ROUTER_SOLICITATION => Ok(Some(Self::RouterSolicitation {
                link: link(rest, SOURCE_LINK)?,
            })),
            ROUTER_ADVERTISEMENT => {
                let [_, _, high, low] = head;
                // Reachable time and retransmission timer.
                let (_, options) = split::<8>(rest)?;
                Ok(Some(Self::RouterAdvertisement {
                    lifetime_s: u16::from_be_bytes([high, low]),
                    link: link(options, SOURCE_LINK)?,
                }))
            }
            _ => Self::of_target(kind, head, rest).map(Some),
        }
    }

    fn of_target(kind: u8, head: [u8; 4], rest: &[u8]) -> Result<Self, NeighbourError> {
        let (target, options) = split::<16>(rest)?;
        let target = Ipv6Addr::from(target);
        if target.is_multicast() || target.is_unspecified() {
            return Err(NeighbourError::Form);
        }
        if kind == NEIGHBOUR_SOLICITATION {
            let link = link(options, SOURCE_LINK)?;
            return Ok(Self::Solicitation { target, link });
        }
        let [flags, ..] = head;
        Ok(Self::Advertisement {
            target,
            is_router: flags & IS_ROUTER != 0,
            link: link(options, TARGET_LINK)?,
        })
    }
}

/// Whether a MAC address stands for routers that stand in for each other.
pub fn is_virtual(mac: Mac) -> bool {
    VIRTUAL.iter().any(|prefix| mac.starts_with(prefix))
}

/// Whether a MAC address can be one machine's: no group's, not all zeros.
pub const fn is_station(mac: Mac) -> bool {
    let [first, ..] = mac;
    first & 1 == 0 && !matches!(mac, [0, 0, 0, 0, 0, 0])
}

/// The MAC address in the option of this type. An option without length ends in an error (RFC 4861 section 4.6).
fn link(mut options: &[u8], wanted: u8) -> Result<Option<Mac>, NeighbourError> {
    const UNIT: usize = 8;
    while let [kind, length, ..] = *options {
        if length == 0 {
            return Err(NeighbourError::Form);
        }
        let (option, rest) = options
            .split_at_checked(usize::from(length) * UNIT)
            .ok_or(NeighbourError::Short)?;
        if kind == wanted && length == 1 {
            return Ok(option.get(2..).and_then(<[u8]>::first_chunk).copied());
        }
        options = rest;
    }
    Ok(None)
}

fn split<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), NeighbourError> {
    let (head, rest) = bytes.split_first_chunk().ok_or(NeighbourError::Short)?;
    Ok((*head, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = [2, 0, 0x5e, 0, 0, 7];

    fn arp(operation: u8, sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
        [
            &[0, 1, 8, 0, 6, 4, 0, operation][..],
            &MAC,
            &sender,
            &[0; 6],
            &target,
        ]
        .concat()
    }

    fn solicitation(option: &[u8]) -> Vec<u8> {
        let target: Ipv6Addr = "2001:db8::7".parse().unwrap();
        [&[0; 4][..], &target.octets(), option].concat()
    }

    #[test]
    fn an_arp_message_tells_who_has_what() {
        let read = Arp::parse(&arp(1, [192, 0, 2, 7], [192, 0, 2, 1])).unwrap();
        let expected = Arp {
            operation: 1,
            sender_mac: MAC,
            sender: [192, 0, 2, 7].into(),
            target: [192, 0, 2, 1].into(),
        };
        assert_eq!(read, expected);
        let padded = [arp(2, [192, 0, 2, 7], [192, 0, 2, 1]), vec![0; 18]].concat();
        assert_eq!(Arp::parse(&padded).unwrap().operation, 2);
    }

    #[test]
    fn a_message_that_is_cut_or_of_other_hardware_is_refused() {
        let whole = arp(1, [192, 0, 2, 7], [192, 0, 2, 1]);
        for length in 0..whole.len() {
            let cut = Arp::parse(&whole[..length]);
            assert_eq!(cut, Err(NeighbourError::Short), "{length}");
        }
        for at in 0..6 {
            let mut other = whole.clone();
            other[at] ^= 0x40;
            assert_eq!(Arp::parse(&other), Err(NeighbourError::Form), "{at}");
        }
    }

    #[test]
    fn a_solicitation_tells_its_target_and_who_asks() {
        let option = [&[14, 1, 0, 0, 0, 0, 0, 0, 1, 1][..], &MAC].concat();
        let body = solicitation(&option);
        let read = Discovery::parse(NEIGHBOUR_SOLICITATION, 0, &body).unwrap();
        let expected = Discovery::Solicitation {
            target: "2001:db8::7".parse().unwrap(),
            link: Some(MAC),
        };
        assert_eq!(read, Some(expected));
        let without = Discovery::parse(NEIGHBOUR_SOLICITATION, 0, &solicitation(&[]));
        assert!(matches!(
            without,
            Ok(Some(Discovery::Solicitation { link: None, .. }))
        ));
        for length in 0..body.len() {
            if length == 20 || length == 21 || length == 28 || length == 29 {
                continue;
            }
            let cut = Discovery::parse(NEIGHBOUR_SOLICITATION, 0, &body[..length]);
            assert_eq!(cut, Err(NeighbourError::Short), "{length}");
        }
    }

    #[test]
    fn an_advertisement_tells_routers_from_hosts() {
        let mut body = solicitation(&[&[2, 1][..], &MAC].concat());
        for (flags, is_router) in [(0x60, false), (0xe0, true)] {
            body[0] = flags;
            let read = Discovery::parse(NEIGHBOUR_ADVERTISEMENT, 0, &body).unwrap();
            let expected = Discovery::Advertisement {
                target: "2001:db8::7".parse().unwrap(),
                is_router,
                link: Some(MAC),
            };
            assert_eq!(read, Some(expected));
        }
        let router = [&[64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1][..], &MAC].concat();
        let read = Discovery::parse(ROUTER_ADVERTISEMENT, 0, &router).unwrap();
        let expected = Discovery::RouterAdvertisement {
            lifetime_s: 1_800,
            link: Some(MAC),
        };
        assert_eq!(read, Some(expected));
        let read = Discovery::parse(ROUTER_SOLICITATION, 0, &[0; 4]).unwrap();
        assert_eq!(read, Some(Discovery::RouterSolicitation { link: None }));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let endless = solicitation(&[1, 0, 0, 0, 0, 0, 0, 0]);
        let form = Err(NeighbourError::Form);
        assert_eq!(Discovery::parse(135, 0, &endless), form);
        assert_eq!(Discovery::parse(135, 1, &solicitation(&[])), form);
        assert_eq!(Discovery::parse(135, 0, &[0; 20]), form, "unspecified");
        assert_eq!(Discovery::parse(128, 0, &[]), Ok(None));
    }

    #[test]
    fn virtual_macs_and_groups_are_no_hosts() {
        assert!(is_virtual([0, 0, 0x5e, 0, 1, 9]) && is_virtual([0, 0, 0x0c, 7, 0xac, 1]));
        assert!(!is_virtual([0, 0, 0x5e, 0, 0x53, 1]) && !is_virtual(MAC));
        assert!(is_station(MAC));
        assert!(
            !is_station([0; 6]) && !is_station([0xff; 6]) && !is_station([1, 0, 0x5e, 0, 0, 1])
        );
    }
}
