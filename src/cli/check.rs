//! `patchspan check`: every error of a configuration, before anything depends on it.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Exit, tell_errors};
use crate::config::Config;
use crate::config::hosts::HostList;
use crate::config::memory::Shares;

/// Tell every error of a configuration: line, column, key, and what is accepted there.
///
/// A right configuration gives exit code 0 and says how its memory is shared out; a wrong one gives 3, and a line on standard error for each
/// error.
#[derive(Debug, Args)]
pub struct Flags {
    /// The configuration (TOML); `sensor.toml.example` shows every setting.
    config: PathBuf,
    /// A list of hosts (CSV) to check too.
    #[arg(long, value_name = "FILE")]
    hosts: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(flags: &Flags) -> Exit {
    let mut said = Vec::new();
    let config = Config::load(&flags.config).map_err(|errors| said.push(errors.to_string()));
    let hosts = flags.hosts.as_deref().map(|path| {
        let hosts = HostList::load(path);
        hosts.map_err(|errors| said.push(errors.to_string()))
    });
    match (config, hosts.transpose()) {
        (Ok(config), Ok(hosts)) => {
            let _ = tell(&flags.config, &config, hosts.as_ref());
            Exit::Done
        }
        _ => {
            tell_errors(&said);
            Exit::Config
        }
    }
}

fn tell(path: &Path, config: &Config, hosts: Option<&HostList>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}: no errors", path.display())?;
    if let Some(hosts) = hosts {
        writeln!(out, "{} hosts in the list", hosts.hosts().len())?;
    }
    writeln!(out, "memory is shared out to at most:")?;
    for line in Shares::of(config.memory).lines() {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}
