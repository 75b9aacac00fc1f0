//! DHCP for IPv6 (RFC 8415).
//!
//! ```text
//! client, server: | type 1 | transaction 3 | options: code 2, length 2, value ... |
//! relay:          | type 1 | hops 1 | link 16 | peer 16 | options, one of which is the message that it carries |
//! ```
#![warn(clippy::indexing_slicing)]

use std::net::Ipv6Addr;

use super::{DhcpError, name_of_labels};

const RELAY_FORWARD: u8 = 12;
const RELAY_REPLY: u8 = 13;
/// Relays that a message is taken out of (RFC 8415 section 7.6).
const MAX_HOPS: usize = 8;
/// Addresses that are taken of one message.
const MAX_ADDRESSES: usize = 16;
/// Options (RFC 8415 section 21, RFC 4704, RFC 6939).
const CLIENT_ID: u16 = 1;
const NON_TEMPORARY: u16 = 3;
const TEMPORARY: u16 = 4;
const ADDRESS: u16 = 5;
const REQUESTED: u16 = 6;
const RELAYED: u16 = 9;
const VENDOR_CLASS: u16 = 16;
const FQDN: u16 = 39;
const LINK_LAYER: u16 = 79;
/// DUIDs that hold a link-layer address: with a time, without (RFC 8415 section 11.2, 11.4).
const DUID_TIME: u16 = 1;
const DUID_LINK: u16 = 3;
const ETHERNET: u16 = 1;

/// What a message is (RFC 8415 section 7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A client looks for servers.
    Solicit,
    /// A client asks for addresses.
    Request,
    /// A client goes on with its addresses.
    Renew,
    /// A client goes on with them, with any server.
    Rebind,
    /// A server gives addresses.
    Reply,
    /// A client gives addresses back.
    Release,
    /// A client does not take addresses: somebody else has them.
    Decline,
    /// Another one.
    Unknown(u8),
}

/// An address, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv6Addr,
    /// Seconds for which it is valid; 0: no longer.
    pub valid_s: u32,
}

/// A message, taken out of its relays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is.
    pub kind: Kind,
    /// Number of the exchange, 24 bits.
    pub transaction: u32,
    /// It came over a relay.
    pub is_relayed: bool,
    /// The client's own address, as its relay saw it.
    pub peer: Option<Ipv6Addr>,
    /// The client's MAC address, as its relay saw it.
    pub link: Option<[u8; 6]>,
    /// The client's DUID.
    pub client: Option<&'a [u8]>,
    /// Addresses, at most 16.
    pub leases: Vec<Lease>,
    /// What the client calls itself, in presentation form.
    pub name: Option<String>,
    /// Options of the vendor class, with its enterprise number.
    pub vendor_class: Option<&'a [u8]>,
    /// Numbers of the options that the client asks for, two bytes each, in its order.
    pub parameters: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a datagram's payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DhcpError> {
        let mut message = Self {
            kind: Kind::Unknown(0),
            transaction: 0,
            is_relayed: false,
            peer: None,
            link: None,
            client: None,
            leases: Vec::new(),
            name: None,
            vendor_class: None,
            parameters: &[],
        };
        let mut inner = bytes;
        for _ in 0..=MAX_HOPS {
            match inner.first().ok_or(DhcpError::Short)? {
                0 => return Err(DhcpError::Form),
                &RELAY_FORWARD | &RELAY_REPLY => inner = message.relay(inner)?,
                _ => return message.within(inner).map(|()| message),
            }
        }
        Err(DhcpError::Form)
    }

    /// What a relay says; gives the message that it carries. The last relay, next to the client, counts.
    fn relay(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], DhcpError> {
        let (head, options) = bytes.split_first_chunk::<34>().ok_or(DhcpError::Short)?;
        self.is_relayed = true;
        let peer = head.get(18..).and_then(|peer| peer.first_chunk::<16>());
        self.peer = peer.copied().map(Ipv6Addr::from);
        self.link = None;
        let mut carried = None;
        each_option(options, &mut |code, value| match code {
            RELAYED => carried = Some(value),
            LINK_LAYER => self.link = ethernet(value),
            _ => {}
        })?;
        carried.ok_or(DhcpError::Form)
    }

    fn within(&mut self, bytes: &'a [u8]) -> Result<(), DhcpError> {
        let ([kind, transaction @ ..], options) =
            bytes.split_first_chunk::<4>().ok_or(DhcpError::Short)?;
        let [high, middle, low] = *transaction;
        self.kind = (*kind).into();
        self.transaction = u32::from_be_bytes([0, high, middle, low]);
        each_option(options, &mut |code, value| self.option(code, value))
    }

    fn option(&mut self, code: u16, value: &'a [u8]) {
        match code {
            CLIENT_ID => self.client = Some(value),
            NON_TEMPORARY => self.association(value, 12),
            TEMPORARY => self.association(value, 4),
            REQUESTED => self.parameters = value,
            VENDOR_CLASS => self.vendor_class = Some(value),
            FQDN => self.name = value.get(1..).and_then(name_of_labels),
            _ => {}
        }
    }

    /// An identity association: a head, then options, addresses among them (RFC 8415 section 21.4 to 21.6).
    fn association(&mut self, value: &'a [u8], head: usize) {
        let leases = &mut self.leases;
        let _ = each_option(value.get(head..).unwrap_or_default(), &mut |code, value| {
            let parts = value.split_first_chunk::<16>();
            if let Some((address, rest)) = parts.filter(|_| code == ADDRESS)
                && let Some(valid) = rest.get(4..).and_then(|rest| rest.first_chunk())
                && leases.len() < MAX_ADDRESSES
            {
                leases.push(Lease {
                    address: Ipv6Addr::from(*address),
                    valid_s: u32::from_be_bytes(*valid),
                });
            }
        });
    }

    /// The MAC address in the client's DUID. It may be that of another interface of the client, and machines that were copied share
    /// it: alone it proves nothing.
    pub fn duid_mac(&self) -> Option<[u8; 6]> {
        let (kind, rest) = self.client?.split_first_chunk()?;
        match u16::from_be_bytes(*kind) {
            DUID_LINK => ethernet(rest),
            DUID_TIME => {
                let (hardware, rest) = rest.split_first_chunk::<2>()?;
                let link = rest.get(4..)?;
                ethernet(link_after(*hardware, link)?)
            }
            _ => None,
        }
    }
}

/// A MAC address alone, where the hardware type before it is Ethernet's: as [`ethernet`] reads it.
fn link_after(hardware: [u8; 2], link: &[u8]) -> Option<&[u8]> {
    let is_ethernet = u16::from_be_bytes(hardware) == ETHERNET && link.len() == 6;
    is_ethernet.then_some(link)
}

/// A hardware type and a MAC address, or the address alone.
fn ethernet(value: &[u8]) -> Option<[u8; 6]> {
    match value {
        [0, 1, rest @ ..] if rest.len() == 6 => rest.first_chunk().copied(),
        _ if value.len() == 6 => value.first_chunk().copied(),
        _ => None,
    }
}

fn each_option<'a>(
    mut rest: &'a [u8],
    each: &mut dyn FnMut(u16, &'a [u8]),
) -> Result<(), DhcpError> {
    while let Some((head, after)) = rest.split_first_chunk::<4>() {
        let [code_high, code_low, length_high, length_low] = *head;
        let length = u16::from_be_bytes([length_high, length_low]);
        let (value, after) = after
            .split_at_checked(length.into())
            .ok_or(DhcpError::Short)?;
        each(u16::from_be_bytes([code_high, code_low]), value);
        rest = after;
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(DhcpError::Short)
    }
}

impl From<u8> for Kind {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Solicit,
            3 => Self::Request,
            5 => Self::Renew,
            6 => Self::Rebind,
            7 => Self::Reply,
            8 => Self::Release,
            9 => Self::Decline,
            other => Self::Unknown(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0x5e, 0, 0, 7];

    fn option(code: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap();
        [&code.to_be_bytes()[..], &length.to_be_bytes(), value].concat()
    }

    fn address() -> Ipv6Addr {
        "2001:db8::7".parse().unwrap()
    }

    fn reply() -> Vec<u8> {
        let lease = [&address().octets()[..], &[0, 0, 1, 0, 0, 0, 2, 0]].concat();
        let association = [vec![0; 12], option(ADDRESS, &lease)].concat();
        let duid = [&[0, 1, 0, 1, 9, 9, 9, 9][..], &MAC].concat();
        [
            vec![7, 1, 2, 3],
            option(CLIENT_ID, &duid),
            option(NON_TEMPORARY, &association),
            option(FQDN, b"\x01\x02pc\x07example\x00"),
        ]
        .concat()
    }

    #[test]
    fn a_reply_tells_addresses_and_whose_they_are() {
        let bytes = reply();
        let read = Message::parse(&bytes).unwrap();
        assert_eq!((read.kind, read.transaction), (Kind::Reply, 0x0001_0203));
        let lease = Lease {
            address: address(),
            valid_s: 512,
        };
        assert_eq!(read.leases, [lease]);
        assert_eq!(read.duid_mac(), Some(MAC));
        assert_eq!(read.name.as_deref(), Some("pc.example"));
        assert!(!read.is_relayed);
    }

    #[test]
    fn a_message_is_taken_out_of_its_relays_and_the_nearest_knows_the_client() {
        let relay = |peer: Ipv6Addr, link: &[u8], carried: &[u8]| {
            [
                vec![RELAY_REPLY, 0],
                vec![0; 16],
                peer.octets().to_vec(),
                option(LINK_LAYER, link),
                option(RELAYED, carried),
            ]
            .concat()
        };
        let near = "fe80::7".parse().unwrap();
        let link = [&[0, 1][..], &MAC].concat();
        let inner = relay(near, &link, &reply());
        let bytes = relay(address(), &[0, 1, 9, 9, 9, 9, 9, 9], &inner);
        let read = Message::parse(&bytes).unwrap();
        assert_eq!((read.is_relayed, read.peer), (true, Some(near)));
        assert_eq!((read.link, read.leases.len()), (Some(MAC), 1));
        let mut deep = reply();
        for _ in 0..=MAX_HOPS {
            deep = relay(near, &link, &deep);
        }
        assert_eq!(Message::parse(&deep), Err(DhcpError::Form));
    }

    #[test]
    fn duids_without_a_mac_address_give_none() {
        for duid in [
            &[0, 2, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6][..],
            &[0, 4],
            &[0, 1, 0, 6],
            &[],
        ] {
            let bytes = [vec![1, 0, 0, 0], option(CLIENT_ID, duid)].concat();
            assert_eq!(Message::parse(&bytes).unwrap().duid_mac(), None, "{duid:?}");
        }
        let plain = [&[0, 3, 0, 1][..], &MAC].concat();
        let bytes = [vec![1, 0, 0, 0], option(CLIENT_ID, &plain)].concat();
        assert_eq!(Message::parse(&bytes).unwrap().duid_mac(), Some(MAC));
    }

    #[test]
    fn what_is_cut_or_changed_never_panics() {
        let whole = reply();
        for length in 0..whole.len() {
            let _ = Message::parse(&whole[..length]);
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut other = whole.clone();
                other[at] ^= 1 << bit;
                let _ = Message::parse(&other);
            }
        }
        assert_eq!(Message::parse(&[]), Err(DhcpError::Short));
        assert_eq!(Message::parse(&[0; 40]), Err(DhcpError::Form));
    }
}
