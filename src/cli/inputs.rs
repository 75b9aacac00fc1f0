//! Files that commands read before they begin.

use std::path::Path;

use crate::config::Config;
use crate::config::hosts::HostList;

/// The configuration and the list of hosts, where they are named; or every error of both.
pub(super) fn load(
    config: Option<&Path>,
    hosts: Option<&Path>,
) -> Result<(Config, HostList), Vec<String>> {
    let config = config.map(Config::load).transpose();
    let hosts = hosts.map(HostList::load).transpose();
    match (config, hosts) {
        (Ok(config), Ok(hosts)) => Ok((config.unwrap_or_default(), hosts.unwrap_or_default())),
        (config, hosts) => {
            let config = config.err().map(|error| error.to_string());
            let hosts = hosts.err().map(|error| error.to_string());
            Err(config.into_iter().chain(hosts).collect())
        }
    }
}
