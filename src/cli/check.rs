//! `patchspan check`: every error of a configuration, before anything depends on it.

use std::path::{Path, PathBuf};

use clap::Args;

use super::diff::print;
use super::{Exit, tell_errors};
use crate::config::Config;
use crate::config::hosts::HostList;
use crate::config::memory::Shares;
use crate::sensor::setup;

/// Tell every error of a configuration: line, column, key, and what is accepted there.
///
/// A right configuration gives exit code 0 and says how its memory is shared out and where records go; a wrong one gives 3, and a line on standard error for each
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
    if let Ok(config) = &config
        && let Err(error) = setup::catalogue(config)
    {
        said.push(error.to_string());
    }
    match (config, hosts.transpose()) {
        (Ok(config), Ok(hosts)) if said.is_empty() => {
            let text = text(&flags.config, &config, hosts.as_ref());
            print(&text).err().unwrap_or(Exit::Done)
        }
        _ => {
            tell_errors(&said);
            Exit::Config
        }
    }
}

fn text(path: &Path, config: &Config, hosts: Option<&HostList>) -> String {
    let mut text = format!("{}: no errors\n", path.display());
    if let Some(hosts) = hosts {
        text += &format!("{} hosts in the list\n", hosts.hosts().len());
    }
    text += "memory is shared out to at most:\n";
    for line in Shares::of(config.memory).lines() {
        text += &format!("  {line}\n");
    }
    text += "`patchspan run` writes to:\n";
    for output in &config.outputs {
        text += &format!("  {}\n", output.line());
    }
    text
}
