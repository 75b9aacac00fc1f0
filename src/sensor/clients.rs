//! Which networks the clients are in: the line for `[networks] local`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::records::doctor::Prefix;

/// Prefixes that are told.
const MOST_PREFIXES: usize = 8;
/// A smaller part of the connections makes no prefix of clients, in parts of a million.
const LEAST_SHARE_PPM: u64 = 10_000;
/// The proposed line covers this part of the connections, where a few prefixes do.
const COVERED_PPM: u64 = 980_000;
/// More networks of one larger one are told as the part of it that they lie in.
const MOST_NEIGHBOURS: usize = 4;

/// The networks of clients, most connections first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientNetworks {
    /// Connections of all clients.
    pub connections: u64,
    networks: Vec<(Network, u64)>,
}

/// A prefix; its address has no bit beyond its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Network {
    is_v4: bool,
    /// The address in the upper bits.
    bits: u128,
    length: u32,
}

impl ClientNetworks {
    /// Out of the connections of each client.
    pub fn of(clients: impl IntoIterator<Item = (IpAddr, u64)>) -> Self {
        let mut sums: BTreeMap<Network, u64> = BTreeMap::new();
        let mut all = 0_u64;
        for (address, connections) in clients {
            if connections > 0 && !is_local_to_its_link(address) {
                all += connections;
                *sums.entry(Network::around(address)).or_default() += connections;
            }
        }
        // A campus has many networks in one or a few larger ones.
        for (v4, v6) in [(16, 48), (16, 32)] {
            sums = gathered(&sums, v4, v6);
        }
        let mut networks: Vec<(Network, u64)> = sums.into_iter().collect();
        networks.retain(|(_, connections)| ppm(*connections, all) >= LEAST_SHARE_PPM);
        networks.sort_by_key(|(network, connections)| (std::cmp::Reverse(*connections), *network));
        networks.truncate(MOST_PREFIXES);
        Self {
            connections: all,
            networks,
        }
    }

    /// Each with its part of all connections.
    pub fn shares(&self) -> Vec<Prefix> {
        let networks = self.networks.iter();
        networks
            .map(|(network, connections)| Prefix {
                prefix: network.to_string(),
                share_ppm: ppm(*connections, self.connections),
            })
            .collect()
    }

    /// In words: `192.0.2.0/24 98.00 %, 198.51.100.0/24 2.00 %`.
    pub fn said(&self) -> String {
        let shares = self.shares().into_iter();
        let words = shares.map(|share| format!("{} {}", share.prefix, percent(share.share_ppm)));
        words.collect::<Vec<_>>().join(", ")
    }

    /// What to do with it: the line, which stands at the end. `None` where there is no client.
    pub fn step(&self) -> Option<String> {
        let mut covered = 0;
        let mut proposed = Vec::new();
        for share in self.shares() {
            if covered < COVERED_PPM {
                proposed.push(format!("\"{}\"", share.prefix));
            }
            covered += share.share_ppm;
        }
        let list = proposed.join(", ");
        (!proposed.is_empty()).then(|| {
            format!(
                "to keep records of these hosts alone, put into sensor.toml, under [networks]: local = [{list}]"
            )
        })
    }
}

/// Networks of which more than a few lie in one of these lengths become what they have in common.
fn gathered(sums: &BTreeMap<Network, u64>, v4: u32, v6: u32) -> BTreeMap<Network, u64> {
    let mut groups: BTreeMap<Network, Vec<(Network, u64)>> = BTreeMap::new();
    for (network, connections) in sums {
        let length = if network.is_v4 { v4 } else { v6 };
        let group = groups.entry(network.cut(length)).or_default();
        group.push((*network, *connections));
    }
    let mut gathered = BTreeMap::new();
    for members in groups.into_values() {
        let is_one = members.len() > MOST_NEIGHBOURS;
        let common = members
            .iter()
            .map(|(network, _)| *network)
            .reduce(Network::common);
        for (network, connections) in members {
            let of = common.filter(|_| is_one).unwrap_or(network);
            *gathered.entry(of).or_default() += connections;
        }
    }
    gathered
}

impl Network {
    /// The network that most sites give to one link.
    fn around(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self {
                is_v4: true,
                bits: u128::from(address.to_bits()) << 96,
                length: 24,
            }
            .cut(24),
            IpAddr::V6(address) => Self {
                is_v4: false,
                bits: address.to_bits(),
                length: 64,
            }
            .cut(64),
        }
    }

    fn cut(self, length: u32) -> Self {
        let length = length.min(self.length);
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or_default();
        Self {
            bits: self.bits & mask,
            length,
            ..self
        }
    }

    fn common(self, other: Self) -> Self {
        let equal = (self.bits ^ other.bits).leading_zeros();
        self.cut(equal.min(other.length))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_v4 {
            let bits = u32::try_from(self.bits >> 96).unwrap_or_default();
            write!(f, "{}/{}", Ipv4Addr::from_bits(bits), self.length)
        } else {
            write!(f, "{}/{}", Ipv6Addr::from_bits(self.bits), self.length)
        }
    }
}

const fn is_local_to_its_link(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_unspecified(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_unspecified(),
    }
}

/// `part` of `all` in parts of a million; 0 of nothing.
pub(super) fn ppm(part: u64, all: u64) -> u64 {
    let share = u128::from(part) * 1_000_000 / u128::from(all.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// Parts of a million as `1.02 %`.
pub fn percent(ppm: u64) -> String {
    format!("{}.{:02} %", ppm / 10_000, ppm % 10_000 / 100)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn networks(list: &[(&str, u64)]) -> ClientNetworks {
        let clients = list.iter();
        ClientNetworks::of(clients.map(|(address, number)| (address.parse().unwrap(), *number)))
    }

    fn told(networks: &ClientNetworks) -> Vec<(String, u64)> {
        let shares = networks.shares().into_iter();
        shares
            .map(|share| (share.prefix, share.share_ppm))
            .collect()
    }

    #[test]
    fn prefixes_come_by_their_connections_without_strays() {
        let found = networks(&[
            ("192.0.2.7", 50),
            ("192.0.2.8", 50),
            ("2001:db8:0:1::9", 299),
            ("198.51.100.1", 1),
            ("fe80::1", 900),
            ("203.0.113.1", 0),
        ]);
        let expected = [("2001:db8:0:1::/64", 747_500), ("192.0.2.0/24", 250_000)];
        let expected = expected.map(|(prefix, share)| (prefix.to_owned(), share));
        assert_eq!(told(&found), expected);
        assert_eq!(found.connections, 400);
    }

    #[test]
    fn many_networks_of_a_campus_are_one_and_a_few_are_not() {
        let v4: Vec<String> = (0..100).map(|net| format!("10.20.{net}.5")).collect();
        let v6: Vec<String> = (0..50)
            .map(|net| format!("2001:db8:{net:x}:1::5"))
            .collect();
        let few = ["198.51.100.1", "198.51.101.1"].map(str::to_owned);
        let all: Vec<(&str, u64)> = [&v4[..], &v6, &few]
            .concat()
            .iter()
            .map(|address| (&*address.clone().leak(), 10))
            .collect();
        let found: Vec<String> = told(&networks(&all))
            .into_iter()
            .map(|(net, _)| net)
            .collect();
        let expected = ["10.20.0.0/17", "2001:db8::/42"];
        assert_eq!(found[..2], expected);
    }

    #[test]
    fn the_proposed_line_is_one_that_the_configuration_takes() {
        let step = networks(&[("192.0.2.7", 60), ("2001:db8::1", 38), ("198.51.100.1", 2)]).step();
        let step = step.unwrap();
        let line = &step[step.find("local = ").unwrap()..];
        assert_eq!(line, "local = [\"192.0.2.0/24\", \"2001:db8::/64\"]");
        let config = Config::parse(&format!("[networks]\n{line}"), Path::new("c")).unwrap();
        assert!(config.local.contains("192.0.2.200".parse().unwrap()));
        assert_eq!(networks(&[]).step(), None);
    }
}
