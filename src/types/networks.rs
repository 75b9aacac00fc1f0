//! Sets of prefixes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A set of IPv4 and IPv6 prefixes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// Disjoint ranges, first and last address, in order.
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

/// A text that is no list of prefixes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an address nor a prefix like 192.0.2.0/24 or 2001:db8::/32")]
pub struct NotANetwork(pub String);

impl Networks {
    /// Whether there is no prefix in the set.
    pub const fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// The prefixes of the set: disjoint, in order, as few as there can be.
    pub fn prefixes(&self) -> Vec<IpNet> {
        let bits = |size: u128| size.ilog2() as u8;
        let v4 = self.v4.iter().filter_map(|(first, last)| {
            let length = 32 - bits(u128::from(last - first) + 1);
            IpNet::new(Ipv4Addr::from(*first).into(), length).ok()
        });
        let v6 = self.v6.iter().filter_map(|(first, last)| {
            let length = (last - first)
                .checked_add(1)
                .map_or(0, |size| 128 - bits(size));
            IpNet::new(Ipv6Addr::from(*first).into(), length).ok()
        });
        v4.chain(v6).collect()
    }

    /// Whether a prefix of the set has this address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => lies_in(&self.v4, address.to_bits()),
            IpAddr::V6(address) => lies_in(&self.v6, address.to_bits()),
        }
    }
}

impl FromIterator<IpNet> for Networks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(prefixes: I) -> Self {
        let (mut v4, mut v6) = (Vec::<Ipv4Net>::new(), Vec::<Ipv6Net>::new());
        for prefix in prefixes {
            match prefix {
                IpNet::V4(prefix) => v4.push(prefix),
                IpNet::V6(prefix) => v6.push(prefix),
            }
        }
        let range4 = |net: &Ipv4Net| (net.network().to_bits(), net.broadcast().to_bits());
        let range6 = |net: &Ipv6Net| (net.network().to_bits(), net.broadcast().to_bits());
        Self {
            v4: Ipv4Net::aggregate(&v4).iter().map(range4).collect(),
            v6: Ipv6Net::aggregate(&v6).iter().map(range6).collect(),
        }
    }
}

impl FromStr for Networks {
    type Err = NotANetwork;

    /// Prefixes or addresses, separated by commas.
    fn from_str(list: &str) -> Result<Self, NotANetwork> {
        let words = list.split(',').map(str::trim);
        let network = |word: &str| prefix(word).ok_or_else(|| NotANetwork(word.to_owned()));
        words.map(network).collect()
    }
}

/// A prefix, or an address as the prefix that holds it alone.
pub fn prefix(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().map(IpNet::from).ok();
    text.parse::<IpNet>().ok().or_else(address)
}

fn lies_in<T: Copy + Ord>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    let range = after.checked_sub(1).and_then(|at| ranges.get(at));
    range.is_some_and(|(_, last)| address <= *last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(networks: &Networks, address: &str) -> bool {
        networks.contains(address.parse().unwrap())
    }

    #[test]
    fn an_address_lies_in_its_prefix_and_in_no_other() {
        let networks: Networks = "192.0.2.0/24, 198.51.100.7,2001:db8::/32".parse().unwrap();
        for inside in [
            "192.0.2.0",
            "192.0.2.255",
            "198.51.100.7",
            "2001:db8:ffff::1",
            "::ffff:192.0.2.9",
        ] {
            assert!(has(&networks, inside), "{inside}");
        }
        for outside in ["192.0.1.255", "192.0.3.0", "198.51.100.8", "2001:db9::"] {
            assert!(!has(&networks, outside), "{outside}");
        }
        assert!(!Networks::default().contains("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn prefixes_that_overlap_are_one() {
        let networks: Networks = "10.0.0.0/8,10.1.0.0/16,11.0.0.0/8,0.0.0.0/32"
            .parse()
            .unwrap();
        assert_eq!(networks.v4.len(), 2);
        assert!(has(&networks, "10.2.0.0") && has(&networks, "11.255.255.255"));
        let all: Networks = "0.0.0.0/0,::/0".parse().unwrap();
        assert!(has(&all, "255.255.255.255") && has(&all, "::") && has(&all, "ffff::1"));
    }

    #[test]
    fn a_set_gives_its_prefixes() {
        for (text, expected) in [
            (
                "192.0.2.0/25,192.0.2.128/25,10.0.0.1",
                "10.0.0.1/32 192.0.2.0/24",
            ),
            ("0.0.0.0/0,::/0", "0.0.0.0/0 ::/0"),
            (
                "2001:db8::/33,fe80::/10,::1",
                "::1/128 2001:db8::/33 fe80::/10",
            ),
        ] {
            let networks: Networks = text.parse().unwrap();
            let prefixes = networks.prefixes();
            let words: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
            assert_eq!(words.join(" "), expected);
            assert_eq!(prefixes.into_iter().collect::<Networks>(), networks);
        }
    }

    #[test]
    fn what_is_no_prefix_is_named() {
        let error = "192.0.2.0/24,192.0.2.0/33".parse::<Networks>().unwrap_err();
        assert!(error.to_string().starts_with("`192.0.2.0/33` is neither"));
        assert!("".parse::<Networks>().is_err());
    }
}
