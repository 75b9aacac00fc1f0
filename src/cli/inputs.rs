//! Files that commands read before they begin.

use std::io;
use std::path::Path;

use crate::config::Config;
use crate::config::hosts::HostList;
use crate::offline::lines::open;
use crate::source::capture::Input;
use crate::source::compression::decompressed;

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

/// Whether a file is standard input.
pub(super) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The plain bytes of a file of lines, or of standard input, whatever compressed it.
pub(super) fn lines(path: &Path) -> io::Result<Input> {
    if is_standard(path) {
        decompressed(Input::new(io::stdin()))
    } else {
        open(path)
    }
}
