//! `[coverage]`: from where on what is hidden of a client counts, and servers that hide it.

use std::net::IpAddr;
use std::time::Duration;

use super::document::{Document, Section};
use super::forms::{duration, percent, server_name};
use crate::types::Networks;
use crate::updates::coverage::known::{Known, KnownServer, ServerName};
use crate::updates::coverage::{HOUR, Limits};

/// Most servers of a list.
const MAX_SERVERS: usize = 256;
/// Networks that are nobody's but the campus's: RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291.
const PRIVATE: &str =
    "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 169.254.0.0/16 fc00::/7 fe80::/10";
/// Parts of a million in a thousandth of a percent.
const PPM: u32 = 10;

/// What of clients counts as hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageConfig {
    /// From where on it counts.
    pub limits: Limits,
    /// Resolvers for encrypted DNS, beside those that are known.
    pub resolvers: Vec<ServerName>,
    /// Gateways of tunnels, and proxies that are spoken to over TLS.
    pub tunnels: Vec<ServerName>,
    /// Where own servers are, if `networks.local` does not say it.
    pub near: Networks,
}

impl Default for CoverageConfig {
    fn default() -> Self {
        let networks = PRIVATE.split(' ').filter_map(|prefix| prefix.parse().ok());
        let near: Vec<ipnet::IpNet> = networks.collect();
        Self {
            limits: Limits::default(),
            resolvers: Vec::new(),
            tunnels: Vec::new(),
            near: near.into_iter().collect(),
        }
    }
}

impl CoverageConfig {
    /// Every server that hides what its clients do.
    pub fn known(&self) -> Known {
        let mut known = Known::embedded();
        let lists = [
            (&self.resolvers, KnownServer::Resolver),
            (&self.tunnels, KnownServer::Tunnel),
        ];
        for (servers, kind) in lists {
            servers.iter().for_each(|server| known.add(server, kind));
        }
        known
    }

    /// The same, of a sensor that sees other addresses.
    pub(super) fn under(
        &mut self,
        networks: impl Fn(&Networks) -> Networks,
        address: impl Fn(IpAddr) -> IpAddr,
    ) {
        self.near = networks(&self.near);
        for server in self.resolvers.iter_mut().chain(&mut self.tunnels) {
            if let ServerName::Address(known) = server {
                *known = address(*known);
            }
        }
    }

    /// What counts, in a line for a person.
    pub fn line(&self) -> String {
        let Limits {
            loss,
            onesided,
            vpn,
            away,
            ..
        } = self.limits;
        let percent = |share: u32| f64::from(share) / 1_000.0;
        format!(
            "an hour of a client cannot be told of from {} % loss, {} % of its flows one-sided, {} % of its bytes in a tunnel, or {} s without the sensor on\n",
            percent(loss),
            percent(onesided),
            percent(vpn),
            away.as_secs()
        )
    }
}

/// Reads the section.
pub(super) fn read<'i>(document: &mut Document<'i>, root: &mut Section<'i>) -> CoverageConfig {
    let mut section = document.section(root, "coverage");
    let mut coverage = CoverageConfig::default();
    let limits = &mut coverage.limits;
    for (key, limit) in [
        ("loss_percent", &mut limits.loss),
        ("onesided_percent", &mut limits.onesided),
        ("vpn_percent", &mut limits.vpn),
    ] {
        let mut ppm = *limit * PPM;
        document.set(&mut section, key, &percent(), &mut ppm);
        *limit = ppm / PPM;
    }
    let away = duration(Duration::from_secs(1)..=HOUR);
    document.set(&mut section, "not_running", &away, &mut limits.away);
    limits.away_partial = limits.away_partial.min(limits.away);
    for (key, servers) in [
        ("resolvers", &mut coverage.resolvers),
        ("tunnels", &mut coverage.tunnels),
    ] {
        document.set_list(&mut section, key, MAX_SERVERS, &server_name(), servers);
    }
    document.end(section);
    coverage
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;
    use super::*;

    #[test]
    fn limits_and_servers_are_read() {
        let text = "[coverage]\nloss_percent = 0.5\nvpn_percent = 100\nnot_running = \"30s\"\n\
            resolvers = [\"doh.example.ac.jp\", \"192.0.2.53\"]\ntunnels = [\"vpn.example.ac.jp\"]\n";
        let coverage = Config::parse(text, Path::new("c")).unwrap().coverage;
        let expected = Limits {
            loss: 500,
            vpn: 100_000,
            away: Duration::from_secs(30),
            away_partial: Duration::from_secs(30),
            ..Limits::default()
        };
        assert_eq!(coverage.limits, expected);
        let known = coverage.known();
        assert_eq!(
            known.of_name("vpn.example.ac.jp"),
            Some(KnownServer::Tunnel)
        );
        assert_eq!(
            known.of_name("doh.example.ac.jp"),
            Some(KnownServer::Resolver)
        );
        let resolver = "192.0.2.53".parse().unwrap();
        assert_eq!(known.of_address(resolver), Some(KnownServer::Resolver));
        for wrong in [
            "loss_percent = 0",
            "resolvers = [\"a b\"]",
            "not_running = \"2h\"",
        ] {
            assert!(
                Config::parse(&format!("coverage.{wrong}"), Path::new("c")).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn own_networks_are_private_where_nobody_names_them() {
        let near = CoverageConfig::default().near;
        for address in [
            "10.1.2.3",
            "172.31.0.1",
            "192.168.0.1",
            "fd00::1",
            "fe80::1",
        ] {
            assert!(near.contains(address.parse().unwrap()), "{address}");
        }
        assert!(!near.contains("203.0.113.1".parse().unwrap()));
    }
}
