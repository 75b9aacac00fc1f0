//! Endpoints, directions and the ordered 5-tuple.

use std::hash::Hasher;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// IP protocol number of the transport layer.
///
/// Source: IANA Assigned Internet Protocol Numbers. Unknown numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Protocol(pub u8);

impl Protocol {
    /// ICMP for IPv4.
    pub const ICMP: Self = Self(1);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// ICMP for IPv6.
    pub const ICMPV6: Self = Self(58);
    /// No protocol's number (RFC 5237): what is not IP.
    pub const RESERVED: Self = Self(255);
}

/// An address and a port; port 0 where the protocol has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// IP address.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
}

impl Endpoint {
    /// Whether it stands at or before `other`; as `<=`, which compares byte by byte.
    fn is_below(self, other: Self) -> bool {
        match (self.address, other.address) {
            (IpAddr::V4(own), IpAddr::V4(others)) => {
                (own.to_bits(), self.port) <= (others.to_bits(), other.port)
            }
            (IpAddr::V6(own), IpAddr::V6(others)) => {
                (own.to_bits(), self.port) <= (others.to_bits(), other.port)
            }
            (own, _) => own.is_ipv4(),
        }
    }
}

/// Which way a packet of a flow goes, by the order of the flow's key: not yet who is the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// From the key's lower endpoint to its upper one.
    LowToHigh,
    /// From the key's upper endpoint to its lower one.
    HighToLow,
}

/// Which way a packet goes, once it is known who is the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From client to server.
    ToServer,
    /// From server to client.
    ToClient,
}

impl Direction {
    /// The other way.
    pub const fn reversed(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }
}

/// A 5-tuple in which both directions meet: the lower endpoint stands first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FlowKey {
    low: Endpoint,
    high: Endpoint,
    protocol: Protocol,
    /// 0, or one more than the outer VLAN id where VLANs belong to the key.
    vlan: u16,
}

impl FlowKey {
    /// The key of a packet from `source` to `destination`, and which side that packet shows.
    pub fn new(
        source: Endpoint,
        destination: Endpoint,
        protocol: Protocol,
        vlan: Option<u16>,
    ) -> (Self, Side) {
        let vlan = vlan.map_or(0, |id| id.saturating_add(1));
        if source.is_below(destination) {
            (
                Self {
                    low: source,
                    high: destination,
                    protocol,
                    vlan,
                },
                Side::LowToHigh,
            )
        } else {
            (
                Self {
                    low: destination,
                    high: source,
                    protocol,
                    vlan,
                },
                Side::HighToLow,
            )
        }
    }

    /// The same flow between other addresses.
    #[must_use]
    pub fn between(&self, mut address: impl FnMut(IpAddr) -> IpAddr) -> Self {
        let mut endpoint = |endpoint: Endpoint| Endpoint {
            address: address(endpoint.address),
            ..endpoint
        };
        let (low, high) = (endpoint(self.low), endpoint(self.high));
        let (key, _) = Self::new(low, high, self.protocol, None);
        Self {
            vlan: self.vlan,
            ..key
        }
    }

    /// The endpoint that sends in the direction of `side`.
    pub const fn sender(&self, side: Side) -> Endpoint {
        match side {
            Side::LowToHigh => self.low,
            Side::HighToLow => self.high,
        }
    }

    /// The endpoint that receives in the direction of `side`.
    pub const fn receiver(&self, side: Side) -> Endpoint {
        self.sender(side.reversed())
    }

    /// Feeds a hasher with the whole key, in few words: for tables, which look up every packet's.
    pub fn digest(&self, hasher: &mut impl Hasher) {
        match (self.low.address, self.high.address) {
            (IpAddr::V4(low), IpAddr::V4(high)) => {
                hasher.write_u64(u64::from(low.to_bits()) << 32 | u64::from(high.to_bits()));
            }
            (low, high) => [low, high]
                .map(to_bits)
                .into_iter()
                .for_each(|bits| hasher.write_u128(bits)),
        }
        let ports = u64::from(self.low.port) << 48 | u64::from(self.high.port) << 32;
        hasher.write_u64(ports | u64::from(self.vlan) << 8 | u64::from(self.protocol.0));
    }

    /// Transport protocol.
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }
}

const fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits() as u128,
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Side {
    /// The other side.
    pub const fn reversed(self) -> Self {
        match self {
            Self::LowToHigh => Self::HighToLow,
            Self::HighToLow => Self::LowToHigh,
        }
    }

    /// 0 for low to high, 1 for high to low.
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn endpoint() -> impl Strategy<Value = Endpoint> {
        let address = prop_oneof![
            (0..4_u32).prop_map(|bits| IpAddr::from(std::net::Ipv4Addr::from_bits(bits << 7))),
            (0..4_u128).prop_map(|bits| IpAddr::from(std::net::Ipv6Addr::from_bits(bits << 71))),
        ];
        (address, 0..3_u16).prop_map(|(address, port)| Endpoint { address, port })
    }

    proptest! {
        #[test]
        fn the_lower_endpoint_is_told_as_by_comparison(one in endpoint(), other in endpoint()) {
            prop_assert_eq!(one.is_below(other), one <= other);
        }
    }

    #[test]
    fn both_directions_have_one_key() {
        let a = Endpoint {
            address: "192.0.2.1".parse().unwrap(),
            port: 5000,
        };
        let b = Endpoint {
            address: "192.0.2.2".parse().unwrap(),
            port: 443,
        };
        let (forward, side) = FlowKey::new(a, b, Protocol::TCP, None);
        let (back, other) = FlowKey::new(b, a, Protocol::TCP, None);
        assert_eq!(forward, back);
        assert_eq!(side, other.reversed());
        assert_eq!(forward.sender(side), a);
        assert_eq!(back.sender(other), b);
    }
}
