//! Endpoints, directions and the ordered 5-tuple.

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
        if source <= destination {
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

    /// Transport protocol.
    pub const fn protocol(&self) -> Protocol {
        self.protocol
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
    use super::*;

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
