//! Community ID v1 with seed 0: a flow hash that other tools compute alike.
//!
//! Source: the Community ID Flow Hashing specification, version 1: SHA-1 over seed, addresses, protocol, a zero byte and ports,
//! with the lower endpoint first; ICMP types stand for ports where a type has a counterpart.

use std::net::IpAddr;

use data_encoding::BASE64;
use sha1::{Digest, Sha1};

use crate::types::{Endpoint, Protocol};

/// What it begins with.
const VERSION: &[u8] = b"1:";
/// Length of a Community ID: version, and SHA-1's 20 bytes in base64.
const LENGTH: usize = VERSION.len() + 28;
/// Bytes that are hashed, at most: seed, two addresses of IPv6, protocol, two ports.
const LONGEST: usize = 2 + 2 * 16 + 2 + 2 * 2;

/// A Community ID, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommunityId([u8; LENGTH]);

impl CommunityId {
    /// Its text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The Community ID of a packet from `source` to `destination`. For ICMP, `source.port` is its type, `destination.port` its code.
pub fn community_id(source: Endpoint, destination: Endpoint, protocol: Protocol) -> CommunityId {
    let (source, destination, one_way) = match protocol {
        Protocol::ICMP => with_icmp_ports(source, destination, icmp_counterpart),
        Protocol::ICMPV6 => with_icmp_ports(source, destination, icmpv6_counterpart),
        _ => (source, destination, false),
    };
    let (low, high) = if one_way || ordered(source) <= ordered(destination) {
        (source, destination)
    } else {
        (destination, source)
    };
    let mut hashed = Vec::with_capacity(LONGEST);
    hashed.extend([0, 0]);
    push_address(&mut hashed, low.address);
    push_address(&mut hashed, high.address);
    hashed.extend([protocol.0, 0]);
    if has_ports(protocol) {
        hashed.extend(low.port.to_be_bytes());
        hashed.extend(high.port.to_be_bytes());
    }
    let hash = Sha1::digest(&hashed);
    let mut text = [0; LENGTH];
    let (version, encoded) = text.split_at_mut(VERSION.len());
    version.copy_from_slice(VERSION);
    BASE64.encode_mut(&hash, encoded);
    CommunityId(text)
}

const fn has_ports(protocol: Protocol) -> bool {
    const SCTP: Protocol = Protocol(132);
    matches!(
        protocol,
        Protocol::TCP | Protocol::UDP | Protocol::ICMP | Protocol::ICMPV6 | SCTP
    )
}

/// What two endpoints are compared by; both are of one family.
fn ordered(endpoint: Endpoint) -> (u128, u16) {
    let address = match endpoint.address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    };
    (address, endpoint.port)
}

fn push_address(hashed: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => hashed.extend(address.octets()),
        IpAddr::V6(address) => hashed.extend(address.octets()),
    }
}

/// Type and counterpart stand for ports; without a counterpart, type and code do, and the flow is one-way.
fn with_icmp_ports(
    source: Endpoint,
    destination: Endpoint,
    counterpart: fn(u16) -> Option<u16>,
) -> (Endpoint, Endpoint, bool) {
    let (kind, code) = (source.port, destination.port);
    let other = counterpart(kind);
    (
        Endpoint {
            port: kind,
            ..source
        },
        Endpoint {
            port: other.unwrap_or(code),
            ..destination
        },
        other.is_none(),
    )
}

const fn icmp_counterpart(kind: u16) -> Option<u16> {
    Some(match kind {
        0 => 8,
        8 => 0,
        9 => 10,
        10 => 9,
        13 => 14,
        14 => 13,
        15 => 16,
        16 => 15,
        17 => 18,
        18 => 17,
        _ => return None,
    })
}

const fn icmpv6_counterpart(kind: u16) -> Option<u16> {
    Some(match kind {
        128 => 129,
        129 => 128,
        130 => 131,
        131 => 130,
        133 => 134,
        134 => 133,
        135 => 136,
        136 => 135,
        139 => 140,
        140 => 139,
        144 => 145,
        145 => 144,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(address: &str, port: u16) -> Endpoint {
        Endpoint {
            address: address.parse().unwrap(),
            port,
        }
    }

    #[test]
    fn the_published_tcp_vector_holds_in_both_directions() {
        let (a, b) = (
            endpoint("128.232.110.120", 34_855),
            endpoint("66.35.250.204", 80),
        );
        assert_eq!(
            community_id(a, b, Protocol::TCP).as_str(),
            "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
        );
        assert_eq!(
            community_id(b, a, Protocol::TCP).as_str(),
            "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
        );
    }

    #[test]
    fn the_published_udp_vector_holds() {
        let (a, b) = (endpoint("192.168.1.52", 54_585), endpoint("8.8.8.8", 53));
        assert_eq!(
            community_id(a, b, Protocol::UDP).as_str(),
            "1:d/FP5EW3wiY1vCndhwleRRKHowQ="
        );
    }

    #[test]
    fn the_published_icmp_vector_holds() {
        let (a, b) = (endpoint("192.168.0.89", 8), endpoint("192.168.0.1", 0));
        assert_eq!(
            community_id(a, b, Protocol::ICMP).as_str(),
            "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="
        );
    }

    #[test]
    fn equal_ports_are_ordered_by_address() {
        let (a, b) = (endpoint("10.0.0.2", 500), endpoint("10.0.0.1", 500));
        assert_eq!(
            community_id(a, b, Protocol::UDP),
            community_id(b, a, Protocol::UDP)
        );
    }
}
