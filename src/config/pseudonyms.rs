//! `[pseudonyms]`: whether clients get other addresses and names in all that is written, and what that does to the other settings.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::hosts::{Host, HostList};
use super::{Config, read_secret};
use crate::pseudonyms::{Clients, Key, PseudonymError, Pseudonyms};

/// Longest file of a key: its digits, and lines around them.
const MAX_KEY_FILE: u64 = 1_024;

/// Whose pseudonyms, and by which key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PseudonymsConfig {
    /// The file of the key.
    pub key_file: PathBuf,
    /// Who gets pseudonyms.
    pub clients: Clients,
    /// Records still tell the id of the host list.
    pub client_id: bool,
}

/// Why there are no pseudonyms.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file of the key cannot be read.
    #[error("{}: cannot be read: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Everybody on the machine can read it.
    #[error(
        "{path}: others can read this key (mode {mode:04o}): `chmod o-rwx {path}`, and make another key if they may have",
        path = path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It holds no key, or one that does not suit the clients.
    #[error("{}: {error}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: PseudonymError,
    },
}

impl PseudonymsConfig {
    /// What of it a person should know.
    pub fn line(&self) -> String {
        let clients = &self.clients;
        let ids = if self.client_id {
            "told all the same"
        } else {
            "not told"
        };
        format!(
            "clients have pseudonyms: addresses in {} prefixes, names in {} domains; their ids in the list of hosts are {ids}\n",
            clients.networks.prefixes().len(),
            clients.domains.len()
        )
    }

    /// Reads the key, and makes what makes pseudonyms.
    pub fn load(&self) -> Result<Arc<Pseudonyms>, KeyError> {
        let wrong = |error| KeyError::Wrong {
            path: self.key_file.clone(),
            error,
        };
        let pseudonyms = Pseudonyms::new(&load_key(&self.key_file)?, self.clients.clone());
        pseudonyms.map(Arc::new).map_err(wrong)
    }
}

/// Reads the key in the file at `path`, which must be nobody's but its user's and group's.
pub fn load_key(path: &Path) -> Result<Key, KeyError> {
    let path = path.to_owned();
    match read_secret(&path, MAX_KEY_FILE) {
        Err(error) => Err(KeyError::Unreadable { path, error }),
        Ok((_, mode)) if mode & 0o007 != 0 => Err(KeyError::Open { path, mode }),
        Ok((text, _)) => Key::parse(&text).map_err(|error| KeyError::Wrong { path, error }),
    }
}

impl Config {
    /// The same settings for a sensor that sees pseudonyms only: addresses that it compares are theirs.
    #[must_use]
    pub fn under(&self, pseudonyms: &Pseudonyms) -> Self {
        let mut config = self.clone();
        config.local = pseudonyms.networks(&self.local);
        for source in &mut config.internal_sources {
            source.networks = pseudonyms.networks(&source.networks);
        }
        config.coverage.under(
            |networks| pseudonyms.networks(networks),
            |address| pseudonyms.address(address),
        );
        for resolver in &mut config.dns.resolvers {
            *resolver = pseudonyms.address(*resolver);
        }
        config
    }

    /// Whether records tell the ids of the list of hosts.
    pub fn tells_client_ids(&self) -> bool {
        let pseudonyms = self.pseudonyms.as_ref();
        pseudonyms.is_none_or(|pseudonyms| pseudonyms.client_id)
    }
}

impl HostList {
    /// The same list, in which hosts are found by their pseudonyms.
    #[must_use]
    pub fn under(&self, pseudonyms: &Pseudonyms) -> Self {
        // Parts of a prefix are as long as those of one within it, so the one within comes first.
        let mut hosts: Vec<_> = self.hosts().iter().collect();
        hosts.sort_by_key(|host| Reverse(host.prefix.map(|prefix| prefix.prefix_len())));
        let mut list = Self::default();
        for host in hosts {
            let mac = host.mac.map(|mac| pseudonyms.mac(mac));
            let parts = host.prefix.map(|prefix| pseudonyms.prefix(prefix));
            let parts = parts.map_or(vec![None], |parts| parts.into_iter().map(Some).collect());
            for prefix in parts {
                let host = Host {
                    prefix,
                    mac,
                    ..host.clone()
                };
                // Lines are told in errors only, and this list has passed.
                list.add(host, 0);
            }
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Timestamp;

    fn config(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("c")).map_err(|errors| errors.to_string())
    }

    fn pseudonyms() -> Pseudonyms {
        let key = Key::parse(&"07".repeat(32)).unwrap();
        let clients = Clients {
            networks: "192.0.2.0/24".parse().unwrap(),
            domains: Vec::new(),
        };
        Pseudonyms::new(&key, clients).unwrap()
    }

    #[test]
    fn clients_are_named_or_those_of_the_local_networks() {
        assert_eq!(config("").unwrap().pseudonyms, None);
        let key = "pseudonyms.key_file = \"/k\"\n";
        let of = |text: &str| config(&format!("{key}{text}")).unwrap().pseudonyms.unwrap();
        let local = of("networks.local = [\"192.0.2.0/24\"]");
        assert_eq!(local.clients.networks, "192.0.2.0/24".parse().unwrap());
        let named =
            of("pseudonyms.networks = [\"10.0.0.0/8\"]\nnetworks.local = [\"192.0.2.0/24\"]");
        assert_eq!(named.clients.networks, "10.0.0.0/8".parse().unwrap());
        assert!(!named.client_id);
    }

    #[test]
    fn half_a_section_is_an_error_and_not_silence() {
        let error = config("[pseudonyms]\nkey_file = \"/k\"\n").unwrap_err();
        assert!(
            error.starts_with("c:1:1: pseudonyms.networks: is missing: "),
            "{error}"
        );
        let error = config("[pseudonyms]\nnetworks = [\"10.0.0.0/8\"]\n").unwrap_err();
        assert!(
            error.starts_with("c:1:1: pseudonyms.key_file: is missing: "),
            "{error}"
        );
    }

    #[test]
    fn what_is_compared_with_addresses_becomes_pseudonyms() {
        let text = "networks.local = [\"192.0.2.0/25\"]\ndns.resolvers = [\"192.0.2.53\", \"203.0.113.53\"]\n\
                    [[internal_sources]]\nname = \"w\"\nkind = \"wsus\"\nservers = [\"192.0.2.80\"]";
        let (pseudonyms, address) = (pseudonyms(), |text: &str| text.parse().unwrap());
        let pseudonym = |text: &str| pseudonyms.address(address(text));
        let config = config(text).unwrap().under(&pseudonyms);
        assert!(config.local.contains(pseudonym("192.0.2.7")));
        assert!(
            !config.local.contains(pseudonym("192.0.2.200"))
                && !config.local.contains(address("192.0.2.7"))
        );
        assert_eq!(
            config.dns.resolvers,
            [pseudonym("192.0.2.53"), address("203.0.113.53")]
        );
        assert!(
            config.internal_sources[0]
                .networks
                .contains(pseudonym("192.0.2.80"))
        );
    }

    #[test]
    fn a_host_is_found_by_its_pseudonyms() {
        let text = "id,address,mac\nb,192.0.0.0/16,\nd,192.0.0.0/20,\na,192.0.2.7,\nc,,02:00:5e:00:53:17\n";
        let (pseudonyms, now) = (pseudonyms(), Timestamp::EPOCH);
        let list = HostList::parse(text, Path::new("h"))
            .unwrap()
            .under(&pseudonyms);
        let find = |address: &str, mac| {
            let address = pseudonyms.address(address.parse().unwrap());
            list.find(address, mac, now).map(|host| host.id.clone())
        };
        assert_eq!(find("192.0.2.7", None).as_deref(), Some("a"));
        assert_eq!(find("192.0.2.8", None).as_deref(), Some("d"));
        assert_eq!(find("192.0.3.8", None).as_deref(), Some("d"));
        assert_eq!(find("192.0.77.8", None).as_deref(), Some("b"));
        assert_eq!(find("203.0.113.9", None), None);
        let mac = pseudonyms.mac([2, 0, 0x5e, 0, 0x53, 0x17]);
        assert_eq!(find("203.0.113.9", Some(mac)).as_deref(), Some("c"));
    }
}
