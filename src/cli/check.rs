//! `patchspan check`: every error of a configuration, before anything depends on it.

use std::path::{Path, PathBuf};

use clap::Args;

use super::diff::print;
use super::{Exit, tell_errors};
use crate::config::Config;
use crate::config::hosts::{HostList, ListFigures};
use crate::config::job::{ALIVE_EVERY, RunJob};
use crate::config::memory::Shares;
use crate::config::metrics::Listen;
use crate::sensor::setup::{self, SetupError};
use crate::sensor::{cores, memory, outputs, sandbox};
use crate::source::clock::wall_time;
use crate::source::live::check_filter;

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
    /// Give up the rights that `patchspan run` gives up, and tell which of that this machine can do.
    ///
    /// Whoever runs it becomes the user that the sensor would become, so it also tells whether that user can write the outputs.
    #[arg(long)]
    sandbox: bool,
}

/// Runs the command.
pub(super) fn run(flags: &Flags) -> Exit {
    let mut said = Vec::new();
    let config = Config::load(&flags.config).map_err(|errors| said.push(errors.to_string()));
    let hosts = flags.hosts.as_deref().map(|path| {
        let hosts = HostList::load(path);
        hosts.map_err(|errors| said.push(errors.to_string()))
    });
    if let Ok(config) = &config {
        let catalogue = setup::catalogue(config).err();
        let pseudonyms = setup::pseudonyms(config).err();
        let filter = config.capture.filter.as_deref().map(check_filter);
        let filter = filter.and_then(Result::err).map(SetupError::Capture);
        said.extend(
            catalogue
                .into_iter()
                .chain(pseudonyms)
                .chain(filter)
                .map(|error| error.to_string()),
        );
    }
    if let Ok(config) = &config {
        said.extend(
            of_the_machine(config)
                .iter()
                .map(|error| format!("{}: {error}", flags.config.display())),
        );
    }
    match (config, hosts.transpose()) {
        (Ok(config), Ok(hosts)) if said.is_empty() => {
            let text = text(&flags.config, &config, hosts.as_ref());
            let told = print(&text).err().unwrap_or(Exit::Done);
            if told != Exit::Done || !flags.sandbox {
                return told;
            }
            sandboxed(&RunJob {
                config,
                hosts: hosts.unwrap_or_default(),
                files: [&flags.config]
                    .into_iter()
                    .chain(&flags.hosts)
                    .cloned()
                    .collect(),
                alive_every: ALIVE_EVERY,
            })
        }
        _ => {
            tell_errors(&said);
            Exit::Config
        }
    }
}

/// What the configuration asks of this machine, and it does not have.
fn of_the_machine(config: &Config) -> Vec<SetupError> {
    let cores = cores::check(&config.capture.cores, config.capture.workers);
    let memory = memory::check(config.memory);
    let outputs = outputs::check(&config.outputs).into_iter();
    let cores = cores.err().map(SetupError::Cores);
    let memory = memory.err().map(SetupError::Memory);
    cores
        .into_iter()
        .chain(memory)
        .chain(outputs.map(SetupError::Outputs))
        .collect()
}

/// Does what a run does, and tells what became of it.
fn sandboxed(job: &RunJob) -> Exit {
    match sandbox::enter(job) {
        Ok(report) => {
            let mut text = "rights that `patchspan run` gives up, started like this:\n".to_owned();
            for part in report.parts() {
                let holds = if part.holds { "yes" } else { "NO " };
                text += &format!("  {:<13} {holds}  {}\n", part.name, part.how);
            }
            print(&text).err().unwrap_or(Exit::Done)
        }
        Err(error) => {
            tell_errors(&[error.to_string()]);
            SetupError::Sandbox(error).into()
        }
    }
}

/// What a list says without traffic; what it fits to, the doctor sees.
fn listed(figures: ListFigures) -> String {
    let mut text = format!("{} entries in the list of hosts", figures.rows);
    for (number, what) in [
        (figures.expired, "no longer valid"),
        (figures.future, "not valid yet"),
        (figures.shared_ids, "ids in several entries"),
    ] {
        if number > 0 {
            text += &format!(", {number} {what}");
        }
    }
    text.push('\n');
    if figures.mac_only > 0 {
        text += &format!(
            "  {} have a MAC address alone: it matches where the mirror shows the hosts' own frames, or their leases; behind a router no other can\n",
            figures.mac_only
        );
    }
    text + "  `patchspan doctor --hosts` tells how many of them are seen on a mirror\n"
}

fn text(path: &Path, config: &Config, hosts: Option<&HostList>) -> String {
    let mut text = format!("{}: no errors\n", path.display());
    if let Some(hosts) = hosts {
        text += &listed(hosts.figures(wall_time()));
    }
    if let Some(pseudonyms) = &config.pseudonyms {
        text += &pseudonyms.line();
    }
    text += "memory is shared out to at most:\n";
    for line in Shares::of(config.memory).lines() {
        text += &format!("  {line}\n");
    }
    match &config.state.directory {
        Some(directory) => {
            let interval = config.state.interval.as_secs();
            text += &format!(
                "state is kept in {} every {interval}s\n",
                directory.display()
            );
        }
        None => text += "no state is kept over a restart\n",
    }
    text += &config.coverage.line();
    text += "`patchspan run` writes to:\n";
    for output in &config.outputs {
        text += &format!("  {}\n", output.line());
    }
    if let Some(Listen::Unix(path)) = &config.metrics {
        text += &asked_at(path);
    }
    text
}

/// Where metrics are asked for. A directory that is not there now is no error: systemd makes one for as long as the sensor runs.
fn asked_at(path: &Path) -> String {
    let mut text = format!("metrics are told at unix:{}\n", path.display());
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        text += &format!(
            "  there is no directory {} now: `patchspan run` needs it, and systemd makes it by `RuntimeDirectory=`\n",
            folder.display()
        );
    }
    text
}
