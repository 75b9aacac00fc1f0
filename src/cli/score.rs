//! `patchspan score`: how right records are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::diff::print;
use super::values::seconds;
use super::{Exit, complain, inputs, tell_errors};
use crate::offline::lines::Reading;
use crate::offline::score::report::Demand;
use crate::offline::score::truth::{ROLES, TRANSPORTS};
use crate::offline::score::{Options, Score};

/// Measure records against what clients really did.
///
/// TRUTH has one JSON object an access, written by clients or by whoever watched them; RECORDS are those that `replay` or `run` wrote over
/// the same time, of which `update` and `update_session` are read. Each access is paired with one record at most. The table tells precision
/// and recall with their lower 95 % bounds by scenario, transport, product family and role, how verdicts and `offered` were confused, and
/// each wrong case. docs/accuracy.md has the form of truth lines. Both files of a pair are held in memory; they may be compressed.
#[derive(Debug, Args)]
#[command(
    after_long_help = "Exit codes: 0 everything asked for was met, 10 it was not, 4 a file or a line of it cannot be read; see patchspan --help."
)]
pub struct Flags {
    /// Truth and records of a run, or of several: TRUTH RECORDS TRUTH RECORDS ...; `-` is standard input, once.
    #[arg(value_name = "TRUTH RECORDS", required = true, num_args = 2..)]
    files: Vec<PathBuf>,

    /// A record tells of an access when they began no more than so many seconds apart.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    tolerance: Duration,

    /// Roles that are judged, separated by commas.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values = ["check", "download"], value_parser = ROLES)]
    roles: Vec<String>,

    /// Transports that are judged, separated by commas; without it all.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = TRANSPORTS)]
    transports: Vec<String>,

    /// Form of the output.
    #[arg(long, default_value = "text")]
    format: Format,

    /// Fail where precision is below so many per cent, on the whole or in a cell that is large enough.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min_precision: Option<f64>,

    /// Fail where recall is.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min_recall: Option<f64>,

    /// Accesses that a cell needs before anything is claimed of it.
    #[arg(long, value_name = "N", default_value_t = 300)]
    least: u64,

    /// Wrong cases that are listed.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16))]
    cases: u16,
}

/// How the score is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table.
    Text,
    /// One JSON object.
    Json,
}

/// Runs the command.
pub(super) fn run(flags: &Flags) -> Exit {
    let standard = flags.files.iter().filter(|path| inputs::is_standard(path));
    if standard.count() > 1 {
        complain("standard input can be one of the files only");
        return Exit::Usage;
    }
    let mut score = Score::new(flags.options());
    let mut is_whole = true;
    for (at, pair) in flags.files.chunks(2).enumerate() {
        let [truth, records] = pair else {
            complain("every file of truth needs one of records");
            return Exit::Usage;
        };
        match score.take_in(at + 1, || inputs::lines(truth), || inputs::lines(records)) {
            Ok(readings) => {
                for (path, reading) in [truth, records].into_iter().zip(&readings) {
                    tell(path, reading);
                    is_whole &= reading.is_whole();
                }
            }
            Err((which, error)) => {
                let path = if which == 0 { truth } else { records };
                complain(format_args!("{} cannot be read: {error}", path.display()));
                return Exit::Input;
            }
        }
    }
    if score.is_empty() {
        complain("the files tell of no access that is judged: nothing was measured");
        is_whole = false;
    }
    flags.end(&score, is_whole)
}

impl Flags {
    fn options(&self) -> Options {
        let words = |list: &[String]| -> BTreeSet<String> { list.iter().cloned().collect() };
        Options {
            tolerance: self.tolerance,
            roles: words(&self.roles),
            transports: words(&self.transports),
            most_cases: usize::from(self.cases),
        }
    }

    fn end(&self, score: &Score, is_whole: bool) -> Exit {
        let demand = Demand {
            precision: self.min_precision,
            recall: self.min_recall,
            least: self.least,
        };
        let report = match self.format {
            Format::Text => score.text(&demand),
            Format::Json => format!("{}\n", score.json(&demand)),
        };
        if let Err(exit) = print(&report) {
            return exit;
        }
        let short = score.shortfalls(&demand);
        if !short.is_empty() {
            tell_errors(&short);
        }
        match (is_whole, short.is_empty()) {
            (false, _) => Exit::Input,
            (true, false) => Exit::Short,
            (true, true) => Exit::Done,
        }
    }
}

/// Tells what of a file made no sense.
pub(super) fn tell(path: &Path, reading: &Reading) {
    let path = path.display();
    let mut told: Vec<_> = reading
        .problems
        .iter()
        .map(|problem| format!("{path}:{problem}"))
        .collect();
    if reading.untold > 0 {
        told.push(format!(
            "{path}: {} more lines make no sense",
            reading.untold
        ));
    }
    if reading.refused > 0 {
        told.push(format!("{path}: no room for {} lines", reading.refused));
    }
    if !told.is_empty() {
        tell_errors(&told);
    }
}

/// A share that can be asked for.
fn percent(text: &str) -> Result<f64, String> {
    let value = text.parse().ok();
    let value = value.filter(|value| (0.0..=100.0).contains(value));
    value.ok_or_else(|| "a number from 0 to 100 is accepted".to_owned())
}
