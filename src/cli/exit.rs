//! How the program ends: one code for each reason, told in `--help`.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::config::job::{ReplayOutcome, RunOutcome};
use crate::sensor::sandbox::SandboxError;
use crate::sensor::setup::SetupError;
use crate::source::live::LiveError;

/// Why the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// The program itself failed.
    Internal = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// A configuration, a list of hosts or a catalogue is wrong; nothing was read.
    Config = 3,
    /// Some input could not be read, or not to its end; all else was.
    Input = 4,
    /// Some file was cut in its last record; all else was read.
    Cut = 5,
    /// Some output was lost.
    Lost = 6,
    /// Two runs that were compared differ.
    Differ = 7,
    /// A mirror is not all that it should be.
    Degraded = 8,
    /// A mirror shows nothing that could be judged.
    Blind = 9,
    /// A score is below what was asked for.
    Short = 10,
}

impl Exit {
    /// Every reason, by its code.
    pub const ALL: [Self; 11] = [
        Self::Done,
        Self::Internal,
        Self::Usage,
        Self::Config,
        Self::Input,
        Self::Cut,
        Self::Lost,
        Self::Differ,
        Self::Degraded,
        Self::Blind,
        Self::Short,
    ];

    /// The process's exit code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What it means.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done; nothing was lost",
            Self::Internal => "internal error",
            Self::Usage => "the command line makes no sense",
            Self::Config => {
                "a configuration, a list of hosts or a catalogue is wrong; nothing was read"
            }
            Self::Input => {
                "some input is missing, no capture (for diff, score, report, erase: no JSON lines), broken or of an unknown link type; report: no host has the name asked for; run, doctor: an interface cannot be opened; erase: a file is in use"
            }
            Self::Cut => "some file is cut in its last record; all whole records were read",
            Self::Lost => "some output could not be written, or not all of it",
            Self::Differ => "diff: the runs differ; learn: something changed",
            Self::Degraded => "doctor: degraded; some of the traffic is missing, or less is in it",
            Self::Blind => "doctor: blind; nothing can be told from what comes",
            Self::Short => "score: less than what was asked for",
        }
    }

    /// The table for `--help`.
    pub fn table() -> String {
        let mut table = "Exit codes:\n".to_owned();
        for exit in Self::ALL {
            let _ = writeln!(table, "{:>3}  {}", exit.code(), exit.meaning());
        }
        table.push_str("Where several apply: 6 before 4 before 5 before 7, 8, 9 or 10.");
        table
    }
}

impl From<ReplayOutcome> for Exit {
    /// The worst of what happened.
    fn from(outcome: ReplayOutcome) -> Self {
        match outcome {
            ReplayOutcome { lost: 1.., .. } => Self::Lost,
            ReplayOutcome {
                unreadable: 1.., ..
            } => Self::Input,
            ReplayOutcome { cut: 1.., .. } => Self::Cut,
            ReplayOutcome { .. } => Self::Done,
        }
    }
}

impl From<RunOutcome> for Exit {
    fn from(outcome: RunOutcome) -> Self {
        match outcome {
            RunOutcome { lost: 1.., .. } | RunOutcome { told: 1.., .. } => Self::Lost,
            RunOutcome { .. } => Self::Done,
        }
    }
}

impl From<SetupError> for Exit {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Output(_)
            | SetupError::Outputs(_)
            | SetupError::State { .. }
            | SetupError::Sandbox(
                SandboxError::Unwritable { .. }
                | SandboxError::NoFile { .. }
                | SandboxError::NoState { .. },
            ) => Self::Lost,
            SetupError::OutputIsInput(_) => Self::Usage,
            SetupError::Directory { .. }
            | SetupError::Catalogue(_)
            | SetupError::Key(_)
            | SetupError::Cores(_)
            | SetupError::Memory(_)
            | SetupError::Sandbox(_)
            | SetupError::Capture(LiveError::Filter { .. })
            | SetupError::Metrics(_) => Self::Config,
            SetupError::Capture(_) => Self::Input,
            SetupError::Thread(_) => Self::Internal,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_its_place_in_the_table() {
        for (code, exit) in Exit::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(exit.code()), code);
            assert!(Exit::table().contains(&format!("\n{code:>3}  {}\n", exit.meaning())));
        }
    }

    #[test]
    fn a_loss_is_never_a_success_and_the_worst_is_told() {
        let outcome = |unreadable, cut, lost| {
            Exit::from(ReplayOutcome {
                unreadable,
                cut,
                lost,
            })
        };
        assert_eq!(outcome(0, 0, 0), Exit::Done);
        assert_eq!(outcome(0, 2, 0), Exit::Cut);
        assert_eq!(outcome(1, 2, 0), Exit::Input);
        assert_eq!(outcome(1, 1, 1), Exit::Lost);
    }
}
