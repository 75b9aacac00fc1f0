//! What a person types, and how the program ends.
//!
//! * [`replay`], [`run`](mod@run), [`doctor`], [`check`], [`catalogue`], [`pseudonym`], [`schema`], [`diff`], [`score`], [`report`], [`learn`], [`erase`]: commands: flags in, what the engine needs out
//! * [`exit`]: exit codes
//! * `crash`: what a panic says
//! * [`values`]: what a flag's value may look like
//!
//! Standard output carries what was asked for and nothing else; messages go to standard error.

pub mod catalogue;
pub mod check;
mod crash;
pub mod diff;
pub mod doctor;
pub mod erase;
pub mod exit;
mod inputs;
pub mod learn;
mod progress;
pub mod pseudonym;
pub mod replay;
pub mod report;
pub mod run;
pub mod schema;
pub mod score;
mod values;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use exit::Exit;

use crate::types::text::harmless;

/// From packets alone: which host contacted which software-update server, when, and whether it downloaded something.
///
/// patchspan reads what a mirror (SPAN) port shows and writes one JSON object a line: DNS messages, TLS, QUIC and HTTP names, flows
/// with their bytes, and from them one record for each access of a host to an update server.
#[derive(Debug, Parser)]
#[command(name = "patchspan", version, max_term_width = 120)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Replay(replay::Flags),
    Run(run::Flags),
    Doctor(doctor::Flags),
    Check(check::Flags),
    Catalogue(catalogue::Flags),
    Pseudonym(pseudonym::Flags),
    Schema(schema::Flags),
    Diff(diff::Flags),
    Score(score::Flags),
    Report(report::Flags),
    Erase(erase::Flags),
    Learn(learn::Flags),
}

const EXAMPLES: &str = "\
Examples:
  patchspan replay capture.pcap                          every record, as JSON lines
  patchspan replay --format text monday.pcap.gz          what matches the catalogue, for people
  patchspan replay --events update,update_session *.pcap only the conclusions, over many files
  tcpdump -w - | patchspan replay -                      from a pipe
  patchspan run --interface eth1                         what a mirror port shows, until Ctrl-C
  patchspan doctor --interface eth1                      what that mirror port lacks
  patchspan check sensor.toml                            every error of a configuration
  patchspan catalogue match download.windowsupdate.com   which rule a name leads to, and why
  patchspan pseudonym --config sensor.toml 192.0.2.20    what stands for a client in records
  patchspan schema update                                what an update record looks like
  patchspan diff before.jsonl after.jsonl                what changed between two runs
  patchspan score truth.jsonl records.jsonl              how right records are, against what clients did
  patchspan report --format html *.jsonl > report.html   who missed an update, as a page
  patchspan erase 192.0.2.20 /var/log/patchspan          one client's lines out of all files there
  patchspan learn --auto 192.0.2.20 week.pcap            update servers that the catalogue lacks
";

/// What can be typed, as `--help`, manual pages and shell completions tell it.
pub fn command() -> clap::Command {
    let help = format!("{EXAMPLES}\n{}", Exit::table());
    Arguments::command().after_long_help(help)
}

/// Runs the program with the process's arguments.
pub fn run() -> ExitCode {
    let ended = catch_unwind(AssertUnwindSafe(|| run_with(std::env::args_os())));
    // The panic has told itself on standard error.
    ended.unwrap_or(Exit::Internal).into()
}

/// Runs the program with these arguments, the first of which is its name.
pub fn run_with(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Exit {
    let parsed = command()
        .try_get_matches_from_mut(arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    match parsed {
        Ok(arguments) => arguments.command.run(),
        Err(error) => {
            // `--help` and `--version` are errors to clap; where nobody reads them any more, there is nothing to tell.
            let _ = error.print();
            if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            }
        }
    }
}

impl Command {
    fn run(self) -> Exit {
        match self {
            Self::Replay(flags) => replay::run(flags),
            Self::Run(flags) => run::run(flags),
            Self::Doctor(flags) => doctor::run(flags),
            Self::Check(flags) => check::run(&flags),
            Self::Catalogue(flags) => catalogue::run(&flags),
            Self::Pseudonym(flags) => pseudonym::run(&flags),
            Self::Schema(flags) => schema::run(&flags),
            Self::Diff(flags) => diff::run(&flags),
            Self::Score(flags) => score::run(&flags),
            Self::Report(flags) => report::run(&flags),
            Self::Erase(flags) => erase::run(&flags),
            Self::Learn(flags) => learn::run(&flags),
        }
    }
}

/// Writes a message to standard error; where that is gone, nobody can be told.
fn complain(message: impl fmt::Display) {
    let message = harmless(&message.to_string());
    let _ = writeln!(io::stderr().lock(), "patchspan: {message}");
}

/// Writes errors that begin with `FILE:LINE:COLUMN:`, as editors expect it, to standard error.
fn tell_errors(errors: &[String]) {
    let _ = writeln!(io::stderr().lock(), "{}", harmless(&errors.join("\n")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_make_sense_to_clap() {
        Arguments::command().debug_assert();
    }
}
