//! `patchspan diff`: what changed between two runs.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Exit, complain, inputs, tell_errors};
use crate::offline::diff::Diff;
use crate::offline::diff::input::Run;
use crate::sinks::Sink;

/// Group what changed between the records of two runs, by kind and field.
///
/// Records are paired within their kind: by id, else by addresses, ports and start, else by their order. The report tells for each kind
/// how many are equal, differ, or stand in one run only, and for each field how often it differs, with up to three examples. Both files
/// are held in memory: it takes up to ten times their size, where every record differs.
#[derive(Debug, Args)]
#[command(
    after_long_help = "Exit codes: 0 no difference, 7 the runs differ, 4 a file or a line of it cannot be read; see patchspan --help."
)]
pub struct Flags {
    /// Records of the first run (JSON lines), compressed or not; `-` is standard input.
    #[arg(value_name = "A")]
    first: PathBuf,
    /// Records of the second run; `-` is standard input, for one of the two.
    #[arg(value_name = "B")]
    second: PathBuf,
}

/// Runs the command.
pub(super) fn run(flags: &Flags) -> Exit {
    if inputs::is_standard(&flags.first) && inputs::is_standard(&flags.second) {
        complain("standard input can be one of the two runs only");
        return Exit::Usage;
    }
    let (Some(first), Some(second)) = (read(&flags.first), read(&flags.second)) else {
        return Exit::Input;
    };
    if first.entries.is_empty() && second.entries.is_empty() {
        complain("neither run has a record: there is nothing to compare");
        return Exit::Input;
    }
    let diff = Diff::between(&first, &second);
    let names = [&flags.first, &flags.second].map(|path| path.display().to_string());
    let is_whole = first.is_whole() && second.is_whole();
    let mut report = diff.report([&names[0], &names[1]]);
    if !is_whole {
        report.push_str("lines that could not be read are not compared\n");
    }
    if let Err(exit) = print(&report) {
        return exit;
    }
    match (is_whole, diff.is_empty()) {
        (false, _) => Exit::Input,
        (true, true) => Exit::Done,
        (true, false) => Exit::Differ,
    }
}

/// A run; what is wrong with it is told at once, `None` where nothing could be read.
fn read(path: &Path) -> Option<Run> {
    let run = inputs::lines(path).and_then(|input| Run::read(BufReader::new(input)));
    let run = run
        .map_err(|error| complain(format_args!("{} cannot be read: {error}", path.display())))
        .ok()?;
    let mut told: Vec<_> = run
        .problems
        .iter()
        .map(|problem| format!("{}:{problem}", path.display()))
        .collect();
    if run.untold > 0 {
        told.push(format!(
            "{}: {} more lines are no JSON object",
            path.display(),
            run.untold
        ));
    }
    if !told.is_empty() {
        tell_errors(&told);
    }
    Some(run)
}

/// Writes what was asked for to standard output.
pub(super) fn print(text: &str) -> Result<(), Exit> {
    let mut sink = Sink::standard();
    let written = sink.write(text.as_bytes()).and_then(|()| sink.flush());
    written.map_err(|error| {
        complain(error);
        Exit::Lost
    })
}
