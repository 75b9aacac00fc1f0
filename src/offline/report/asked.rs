//! Hosts that are asked for: by id, name, label, address, or MAC address in any of its usual notations.

use std::net::IpAddr;

use super::Host;
use super::whose::mac_text;
use crate::config::hosts::mac;
use crate::config::nearest;

/// Most names that are told in the place of one that is not known.
const MOST_NEAR: usize = 5;

/// A name that no host has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// What was asked for.
    pub wanted: String,
    /// Names of hosts that may have been meant.
    pub near: Vec<String>,
}

/// Whether a host is one of those that are `wanted`; where none is, all are.
pub(super) fn is_asked_for(host: &Host, wanted: &[String]) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| is_called(host, wanted))
}

/// What of `wanted` no host is called.
pub(super) fn unknown(hosts: &[Host], wanted: &[String]) -> Vec<Unknown> {
    let of = |wanted: &&String| !hosts.iter().any(|host| is_called(host, wanted));
    let missing = wanted.iter().filter(of);
    missing
        .map(|wanted| Unknown {
            wanted: wanted.clone(),
            near: near(hosts, wanted),
        })
        .collect()
}

fn is_called(host: &Host, wanted: &str) -> bool {
    let same = |own: &str| own.eq_ignore_ascii_case(wanted);
    let key = host.key.to_string();
    if same(&host.name) || same(&key) || host.names.iter().any(|name| same(name)) {
        return true;
    }
    // As a report calls hosts that share a name.
    if same(&format!("{} ({key})", host.name)) {
        return true;
    }
    if let Ok(address) = wanted.parse::<IpAddr>() {
        let mut held = host.addresses.iter();
        return held.any(|held| held.address == address.to_canonical());
    }
    mac(wanted).is_some_and(|mac| host.macs.contains(&mac))
}

/// Names that hold what was asked for, or are held by it; else the one that differs least.
fn near(hosts: &[Host], wanted: &str) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let mut names: Vec<String> = hosts.iter().flat_map(names).collect();
    names.sort_unstable();
    names.dedup();
    let is_alike = |name: &&String| {
        let name = name.to_lowercase();
        name.contains(&wanted) || wanted.contains(&name)
    };
    let alike: Vec<String> = names.iter().filter(is_alike).cloned().collect();
    if alike.is_empty() {
        let nearest = nearest(&wanted, names.iter().map(String::as_str));
        return nearest.map(str::to_owned).into_iter().collect();
    }
    alike.into_iter().take(MOST_NEAR).collect()
}

/// By what a host can be asked for.
fn names(host: &Host) -> impl Iterator<Item = String> {
    let own = [host.name.clone(), host.key.to_string()].into_iter();
    let given = host.names.iter().cloned();
    let addresses = host.addresses.iter().map(|held| held.address.to_string());
    let macs = host.macs.iter().map(|mac| mac_text(*mac));
    own.chain(given).chain(addresses).chain(macs)
}
