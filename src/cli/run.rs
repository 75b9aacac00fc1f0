//! `patchspan run`: from flags to a live run.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use sd_notify::NotifyState;

use super::{Exit, complain, crash, inputs, tell_errors, values};
use crate::config::job::{ALIVE_EVERY, RunJob};
use crate::sensor::live::{self, Event};
use crate::source::live::interfaces;

/// Read interfaces and write records, until SIGTERM or SIGINT.
///
/// Needs the right to capture (CAP_NET_RAW) and no other. Where records go, the configuration says; without any output they go to
/// standard output. SIGHUP reads the configuration, the catalogue and the list of hosts again, and opens the files that are written anew;
/// what is wrong, or counts only from the next start, is refused with its reason.
#[derive(Debug, Args)]
#[command(after_long_help = "Exit codes: see patchspan --help.")]
pub struct Flags {
    /// Configuration (TOML); without it every setting has its default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Interface to listen on; may be given again. Wins over `capture.interfaces` of the configuration.
    #[arg(long, value_name = "NAME")]
    interface: Vec<String>,

    /// Threads that take packets apart, 1 to 64. Wins over `capture.workers` of the configuration.
    #[arg(long, value_name = "N", value_parser = values::workers)]
    workers: Option<NonZeroUsize>,

    /// List of hosts (CSV): see `patchspan replay --help`.
    #[arg(long, value_name = "FILE")]
    hosts: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(flags: Flags) -> Exit {
    match flags.job() {
        Ok(job) => match &flags.config {
            Some(path) if job.config.capture.interfaces.is_empty() => nameless(path),
            _ => {
                if job.config.pseudonyms.is_some() {
                    crash::tell_place_only(complain);
                }
                engine(&job, &flags)
            }
        },
        Err(errors) => {
            tell_errors(&errors);
            Exit::Config
        }
    }
}

impl Flags {
    /// What the sensor needs, by the files as they are now; or every error of them.
    fn job(&self) -> Result<RunJob, Vec<String>> {
        let (mut config, hosts) = inputs::load(self.config.as_deref(), self.hosts.as_deref())?;
        if !self.interface.is_empty() {
            config.capture.interfaces.clone_from(&self.interface);
        }
        config.capture.workers = self.workers.unwrap_or(config.capture.workers);
        Ok(RunJob {
            config,
            hosts,
            files: self.config.iter().chain(&self.hosts).cloned().collect(),
            alive_every: alive_every(sd_notify::watchdog_enabled()),
        })
    }
}

/// A configuration whose interface nobody has set yet. It is not tried again, unlike an interface that cannot be opened.
fn nameless(path: &Path) -> Exit {
    let existing = interfaces().unwrap_or_default().join(", ");
    complain(format_args!(
        "{}: capture.interfaces is empty: name the interface of the mirror port there; there are: {existing}",
        path.display()
    ));
    Exit::Config
}

/// Runs the sensor, and tells systemd and standard error what they should know.
fn engine(job: &RunJob, flags: &Flags) -> Exit {
    let outcome = live::run(job, &mut || flags.job(), &mut |event| match event {
        Event::Ready => {
            complain(format_args!(
                "listening on {}",
                job.config.capture.interfaces.join(", ")
            ));
            notify(NotifyState::Ready);
        }
        Event::Alive => notify(NotifyState::Watchdog),
        Event::Stopping => notify(NotifyState::Stopping),
        Event::Notice(notice) => complain(notice),
    });
    match outcome {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            complain(&error);
            error.into()
        }
    }
}

/// Twice within the time after which systemd takes the sensor for dead, which sd_watchdog_enabled(3) asks for.
fn alive_every(watchdog: Option<Duration>) -> Duration {
    watchdog.map_or(ALIVE_EVERY, |limit| ALIVE_EVERY.min(limit / 2))
}

/// Tells systemd, where it started this program and waits for word.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        complain(format_args!("systemd cannot be told: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_hears_twice_within_its_limit() {
        let of = |seconds| alive_every(Some(Duration::from_secs(seconds)));
        assert_eq!(alive_every(None), ALIVE_EVERY);
        assert_eq!(of(30), ALIVE_EVERY);
        assert_eq!(of(4), Duration::from_secs(2));
    }
}
