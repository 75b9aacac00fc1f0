//! What is counted of a client, in a minute and in an hour.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::super::fact::NameSource;
use crate::types::Timestamp;
use crate::types::kept::figure;

/// Something that a flow of the client showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// DNS over HTTPS, at a known name or address.
    Doh = 0,
    /// DNS over TLS or QUIC.
    Dot,
    /// A ClientHello was accepted that hides the name.
    Ech,
    /// A tunnel that nobody looks into.
    Vpn,
    /// A request to a proxy.
    Proxy,
    /// An own source of updates, as configured.
    Internal,
    /// What is likely one.
    InternalLikely,
    /// Parts of updates from another client.
    Peer,
    /// The client asked for a cache of its network.
    Locator,
    /// A file over HTTP from a server of its network, at a port that nobody has.
    NearFile,
}

/// A set of signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signs(u16);

/// What was counted of a client's flows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Bytes on the wire toward the client.
    #[serde(deserialize_with = "figure")]
    pub bytes_toclient: u64,
    /// Those that came in a tunnel.
    #[serde(deserialize_with = "figure")]
    pub tunnel_bytes: u64,
    /// Payload bytes of TCP flows seen both ways and from their beginning.
    #[serde(deserialize_with = "figure")]
    pub payload: u64,
    /// Those that were acknowledged and never seen. What was taken for unseen may still come.
    pub unseen: i64,
    /// Holes that they left.
    pub gaps: i64,
    /// Flows that came to something, lookups apart; each once an hour.
    pub flows: u32,
    /// Those by where their name is from, the strongest first: TLS, QUIC, HTTP, DNS, DNS by the server alone, nowhere.
    pub named: [u32; 6],
    /// Lookups by plain DNS: flows.
    pub queries: u32,
    /// Flows whose name was under an accepted Encrypted ClientHello, and that no answer named.
    pub hidden: u32,
    /// Flows without a name that may lead to any server, and are no tunnel.
    pub nameless: u32,
    /// Those that began so soon after the start of the sensor that their lookup may have come before.
    pub early: u32,
    /// TCP and QUIC flows of which both sides were seen.
    pub both_sides: u32,
    /// Those of which only what the client sends was seen.
    pub client_only: u32,
    /// Those of which only what the server sends was seen.
    pub server_only: u32,
    /// What flows showed.
    pub signs: Signs,
}

/// What a worker saw in a minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minute {
    /// Its begin.
    pub start: Timestamp,
    /// When it is told.
    pub time: Timestamp,
    /// Since when the sensor looks.
    pub since: Timestamp,
    /// Who was active in it.
    pub clients: Vec<(IpAddr, Sums)>,
    /// Who only asked names, and was answered none: how many queries. They count where another worker saw the client active.
    pub asking: Vec<(IpAddr, u32)>,
}

impl Signs {
    /// This set and `sign`.
    pub const fn add(&mut self, sign: Sign) {
        self.0 |= 1 << sign as u16;
    }

    /// Whether `sign` is in the set.
    pub const fn has(self, sign: Sign) -> bool {
        self.0 & 1 << sign as u16 != 0
    }

    /// Everything that `other` has.
    const fn merge(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl Sums {
    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.bytes_toclient, other.bytes_toclient),
            (&mut self.tunnel_bytes, other.tunnel_bytes),
            (&mut self.payload, other.payload),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.unseen = self.unseen.saturating_add(other.unseen);
        self.gaps = self.gaps.saturating_add(other.gaps);
        for (sum, more) in [
            (&mut self.flows, other.flows),
            (&mut self.queries, other.queries),
            (&mut self.hidden, other.hidden),
            (&mut self.nameless, other.nameless),
            (&mut self.early, other.early),
            (&mut self.both_sides, other.both_sides),
            (&mut self.client_only, other.client_only),
            (&mut self.server_only, other.server_only),
        ] {
            *sum = sum.saturating_add(more);
        }
        for (sum, more) in self.named.iter_mut().zip(other.named) {
            *sum = sum.saturating_add(more);
        }
        self.signs.merge(other.signs);
    }

    /// Counts a flow by where its name is from.
    pub fn name(&mut self, source: Option<NameSource>) {
        let [tls, quic, http, dns, shared, none] = &mut self.named;
        let named = match source {
            Some(NameSource::Tls) => tls,
            Some(NameSource::Quic) => quic,
            Some(NameSource::Http) => http,
            Some(NameSource::Dns) => dns,
            Some(NameSource::DnsShared) => shared,
            Some(NameSource::Address) | None => none,
        };
        *named = named.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_add_up_and_signs_stay() {
        let mut sums = Sums {
            flows: 1,
            unseen: -1,
            ..Sums::default()
        };
        let mut other = Sums {
            bytes_toclient: 7,
            flows: u32::MAX,
            unseen: 3,
            ..Sums::default()
        };
        other.name(Some(NameSource::Http));
        other.name(None);
        other.signs.add(Sign::NearFile);
        sums.add(&other);
        assert_eq!(
            (sums.flows, sums.unseen, sums.bytes_toclient),
            (u32::MAX, 2, 7)
        );
        assert_eq!(sums.named, [0, 0, 1, 0, 0, 1]);
        assert!(sums.signs.has(Sign::NearFile) && !sums.signs.has(Sign::Doh));
    }
}
