//! Servers that hide what their clients ask or do, by name and by address: a list with its sources in `known.tsv`, and what a
//! configuration adds.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::types::Fqdn;

/// The list. A line that starts with `#` is a comment; else three fields with tabs between: kind, server, source.
const LIST: &str = include_str!("known.tsv");

/// What a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownServer {
    /// DNS over HTTPS, TLS or QUIC.
    Resolver,
    /// A tunnel or relay for other traffic.
    Tunnel,
    /// Where a client asks for a cache of its network.
    Locator,
}

/// A server as somebody names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerName {
    /// A name, and all below it.
    Name(Fqdn),
    /// An address.
    Address(IpAddr),
}

/// Known servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    names: HashMap<String, KnownServer>,
    addresses: HashMap<IpAddr, KnownServer>,
}

impl ServerName {
    /// From an address, or a name; `None` where it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse() {
            return Some(Self::Address(address));
        }
        Fqdn::from_presentation(text).map(Self::Name)
    }
}

impl Known {
    /// The list in the program.
    pub fn embedded() -> Self {
        let mut known = Self::default();
        for (kind, server) in entries() {
            if let Some(server) = ServerName::parse(server) {
                known.add(&server, kind);
            }
        }
        known
    }

    /// Adds a server; what was said of it before no longer counts.
    pub fn add(&mut self, server: &ServerName, kind: KnownServer) {
        match server {
            ServerName::Name(name) => {
                self.names.insert(name.as_str().to_owned(), kind);
            }
            ServerName::Address(address) => {
                self.addresses.insert(*address, kind);
            }
        }
    }

    /// What a server is for, by its name (in lower case) or by the nearest one above it.
    pub fn of_name(&self, name: &str) -> Option<KnownServer> {
        let mut rest = name;
        loop {
            if let Some(kind) = self.names.get(rest) {
                return Some(*kind);
            }
            rest = rest.split_once('.')?.1;
        }
    }

    /// By its address.
    pub fn of_address(&self, address: IpAddr) -> Option<KnownServer> {
        self.addresses.get(&address).copied()
    }
}

/// What the list says, line by line.
fn entries() -> impl Iterator<Item = (KnownServer, &'static str)> {
    let lines = LIST.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let mut fields = line.split('\t');
        let kind = match fields.next()? {
            "doh" => KnownServer::Resolver,
            "vpn" => KnownServer::Tunnel,
            "locator" => KnownServer::Locator,
            _ => return None,
        };
        Some((kind, fields.next()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_list_counts_and_has_a_source() {
        let lines: Vec<&str> = LIST.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(entries().count(), lines.len());
        let known = Known::embedded();
        assert_eq!(
            known.names.len() + known.addresses.len(),
            lines.len(),
            "one line a server"
        );
        for line in lines {
            let [_, server, source] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            assert!(ServerName::parse(server).is_some(), "{line}");
            assert_eq!(server, server.to_ascii_lowercase());
            assert!(!source.is_empty(), "{line}");
        }
    }

    #[test]
    fn names_below_a_known_one_are_known() {
        let known = Known::embedded();
        assert_eq!(
            known.of_name("mozilla.cloudflare-dns.com"),
            Some(KnownServer::Resolver)
        );
        assert_eq!(
            known.of_name("mask-h2.icloud.com"),
            Some(KnownServer::Tunnel)
        );
        for other in [
            "cloudflare-dns.com.example",
            "notdns.google",
            "icloud.com",
            "com",
            "",
        ] {
            assert_eq!(known.of_name(other), None, "{other}");
        }
        let address = "2620:fe::fe".parse().unwrap();
        assert_eq!(known.of_address(address), Some(KnownServer::Resolver));
    }
}
