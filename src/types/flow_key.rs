//! Endpoints, directions and the ordered 5-tuple.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

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

/// A 5-tuple in which both directions meet: the lower endpoint stands first. In words, as every packet's is compared and hashed.
#[derive(Clone, Copy, Debug, Eq)]
pub struct FlowKey {
    low: Words,
    high: Words,
    rest: Rest,
}

/// Both ports, the lower endpoint's first (16 bits each); the family (8); 0, or one more than the outer VLAN id where VLANs belong to the key
/// (16); the protocol (8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rest(u64);

impl Rest {
    const fn new([low, high]: [u16; 2], family: Family, vlan: u16, protocol: Protocol) -> Self {
        let ports = (low as u64) << 48 | (high as u64) << 32;
        Self(ports | (family as u64) << 24 | (vlan as u64) << 8 | protocol.0 as u64)
    }

    const fn port(self, side: Side) -> u16 {
        match side {
            Side::LowToHigh => (self.0 >> 48) as u16,
            Side::HighToLow => (self.0 >> 32) as u16,
        }
    }

    const fn family(self) -> Family {
        match self.0 as u32 >> 24 {
            0 => Family::V4,
            _ => Family::V6,
        }
    }

    const fn vlan(self) -> u16 {
        (self.0 >> 8) as u16
    }

    const fn with_vlan(self, vlan: u16) -> Self {
        const VLAN: u64 = 0xffff << 8;
        Self(self.0 & !VLAN | (vlan as u64) << 8)
    }

    const fn protocol(self) -> Protocol {
        Protocol(self.0 as u8)
    }
}

/// An address's bits, the upper half first.
type Words = [u64; 2];

/// What the addresses of a key are: a packet's are of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

/// What a key is made of, in the order in which keys are compared, hashed and kept.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename = "FlowKey")]
struct Parts {
    low: Endpoint,
    high: Endpoint,
    protocol: Protocol,
    vlan: u16,
}

impl FlowKey {
    /// The key of a packet from `source` to `destination`, and which side that packet shows.
    ///
    /// Both addresses are of one family; of two families the IPv4 address counts as the IPv6 one that it is mapped to (RFC 4291 section
    /// 2.5.5.2).
    #[inline]
    pub fn new(
        source: Endpoint,
        destination: Endpoint,
        protocol: Protocol,
        vlan: Option<u16>,
    ) -> (Self, Side) {
        let (family, from, to, is_in_order) = match (source.address, destination.address) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let (from, to) = (u64::from(from.to_bits()), u64::from(to.to_bits()));
                let place = |address: u64, port: u16| address << 16 | u64::from(port);
                let is_in_order = place(from, source.port) <= place(to, destination.port);
                (Family::V4, [0, from], [0, to], is_in_order)
            }
            (from, to) => {
                let (from, to) = (words(from), words(to));
                let is_in_order = (from, source.port) <= (to, destination.port);
                (Family::V6, from, to, is_in_order)
            }
        };
        let vlan = vlan.map_or(0, |id| id.saturating_add(1));
        let (side, low, high, ports) = if is_in_order {
            (Side::LowToHigh, from, to, [source.port, destination.port])
        } else {
            (Side::HighToLow, to, from, [destination.port, source.port])
        };
        let rest = Rest::new(ports, family, vlan, protocol);
        (Self { low, high, rest }, side)
    }

    /// The same flow between other addresses.
    #[must_use]
    pub fn between(&self, mut address: impl FnMut(IpAddr) -> IpAddr) -> Self {
        let mut endpoint = |side: Side| {
            let endpoint = self.sender(side);
            Endpoint {
                address: address(endpoint.address),
                ..endpoint
            }
        };
        let (low, high) = (endpoint(Side::LowToHigh), endpoint(Side::HighToLow));
        let (key, _) = Self::new(low, high, self.protocol(), None);
        Self {
            rest: key.rest.with_vlan(self.rest.vlan()),
            ..key
        }
    }

    /// The endpoint that sends in the direction of `side`.
    pub const fn sender(&self, side: Side) -> Endpoint {
        let words = match side {
            Side::LowToHigh => self.low,
            Side::HighToLow => self.high,
        };
        Endpoint {
            address: self.rest.family().address(words),
            port: self.rest.port(side),
        }
    }

    /// The endpoint that receives in the direction of `side`.
    pub const fn receiver(&self, side: Side) -> Endpoint {
        self.sender(side.reversed())
    }

    /// Feeds a hasher with the whole key, in few words: for tables, which look up every packet's.
    #[inline]
    pub fn digest(&self, hasher: &mut impl Hasher) {
        let ([low_half, low], [high_half, high]) = (self.low, self.high);
        if self.rest.family() == Family::V6 {
            hasher.write_u64(low_half);
            hasher.write_u64(high_half);
        }
        hasher.write_u64(low);
        hasher.write_u64(high);
        hasher.write_u64(self.rest.0);
    }

    const fn parts(&self) -> Parts {
        Parts {
            low: self.sender(Side::LowToHigh),
            high: self.sender(Side::HighToLow),
            protocol: self.protocol(),
            vlan: self.rest.vlan(),
        }
    }

    /// Transport protocol.
    pub const fn protocol(&self) -> Protocol {
        self.rest.protocol()
    }
}

impl PartialEq for FlowKey {
    /// All that its parts say, as for the order and the hash. Without a branch between its words: nearly all that are compared are equal.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let addresses = |key: &Self| {
            let ([a, b], [c, d]) = (key.low, key.high);
            [a, b, c, d]
        };
        let [a, b, c, d] = addresses(self);
        let [e, f, g, h] = addresses(other);
        let addresses = (a ^ e) | (b ^ f) | (c ^ g) | (d ^ h);
        addresses | (self.rest.0 ^ other.rest.0) == 0
    }
}

impl Ord for FlowKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for FlowKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for FlowKey {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.parts().hash(hasher);
    }
}

impl Serialize for FlowKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.parts().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FlowKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = Parts::deserialize(deserializer)?;
        let (key, _) = Self::new(parts.low, parts.high, parts.protocol, None);
        Ok(Self {
            rest: key.rest.with_vlan(parts.vlan),
            ..key
        })
    }
}

const fn words(address: IpAddr) -> Words {
    let bits = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    };
    [(bits >> 64) as u64, bits as u64]
}

impl Family {
    const fn address(self, [upper, lower]: Words) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::from_bits(lower as u32)),
            Self::V6 => IpAddr::V6(Ipv6Addr::from_bits((upper as u128) << 64 | lower as u128)),
        }
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

    fn endpoints() -> impl Strategy<Value = [Endpoint; 2]> {
        let v4 = |bits: u128| IpAddr::from(Ipv4Addr::from_bits((bits as u32) << 7));
        let v6 = |bits: u128| IpAddr::from(Ipv6Addr::from_bits(bits << 71));
        let endpoint = || (0..4_u128, 0..3_u16);
        (any::<bool>(), endpoint(), endpoint()).prop_map(move |(is_v4, one, other)| {
            [one, other].map(|(bits, port)| Endpoint {
                address: if is_v4 { v4(bits) } else { v6(bits) },
                port,
            })
        })
    }

    proptest! {
        #[test]
        fn keys_are_what_their_endpoints_are([one, other] in endpoints()) {
            let (key, side) = FlowKey::new(one, other, Protocol::UDP, None);
            prop_assert_eq!((key.sender(side), key.receiver(side)), (one, other));
            prop_assert_eq!(side == Side::LowToHigh, one <= other);
            let kept = serde_json::to_string(&key).unwrap();
            prop_assert_eq!(serde_json::from_str::<FlowKey>(&kept).unwrap(), key);
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
