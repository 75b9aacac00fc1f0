//! Whether the list of hosts fits to who is there.

use super::super::figures::Figures;
use super::super::hosts::{ADDRESSES_OF_A_ROUTER, HostFigures};
use super::{percent, ppm, rule};
use crate::records::doctor::{Finding, State};

/// Nothing where no list was given.
pub(super) fn judge(figures: &Figures) -> Vec<Finding> {
    let hosts = figures.hosts.iter();
    hosts
        .flat_map(|hosts| [listed(hosts), macs(hosts)])
        .collect()
}

fn listed(hosts: &HostFigures) -> Finding {
    let rule = rule("hosts-listed");
    if let Some(little) = rule.too_little(hosts.clients) {
        return little;
    }
    let share = ppm(hosts.unlisted, hosts.clients);
    let mut said = format!(
        "{} of {} entries seen; {} of {} clients ({}) are in no entry",
        hosts.seen,
        hosts.entries,
        hosts.unlisted,
        hosts.clients,
        percent(share)
    );
    if hosts.outside > 0 {
        said += &format!(", {} only in entries that are not valid", hosts.outside);
    }
    if hosts.mac_only > 0 {
        said += &format!(
            "; {} entries have a MAC address alone, which names nobody behind a router",
            hosts.mac_only
        );
    }
    if share < rule.threshold {
        return rule.good(share, said);
    }
    let step = "add these clients to the list, or name the networks of those in it by `local` in [networks]";
    rule.found(State::Note, share, said, step)
}

fn macs(hosts: &HostFigures) -> Finding {
    let rule = rule("hosts-macs");
    if let Some(little) = rule.too_little(hosts.with_mac) {
        return little;
    }
    let share = ppm(hosts.behind_routers, hosts.with_mac);
    let said = format!(
        "{} of {} clients come with the MAC address of a router ({ADDRESSES_OF_A_ROUTER} or more share it, or packets come with fewer hops); there are {} such",
        percent(share),
        hosts.with_mac,
        hosts.routers
    );
    if share < rule.threshold {
        return rule.good(share, said);
    }
    let said = format!("{said}: MAC addresses can never match here");
    let step = "give the hosts their addresses or prefixes in the list, or mirror the link between the hosts and their router";
    let state = if hosts.mac_only > 0 {
        State::Degraded
    } else {
        State::Note
    };
    rule.found(state, share, said, step)
}
