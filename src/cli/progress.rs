//! A progress bar on standard error, where that is a terminal.

use std::io::{IsTerminal as _, stderr, stdout};
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::config::job::ReplayJob;
use crate::source::replay::total_bytes;

/// How far a replay is; nothing where nobody watches.
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    /// A bar for `job`: with the time left, unless a pipe hides how much is to come. Where the records go to the same terminal,
    /// they are progress enough.
    pub fn new(job: &ReplayJob) -> Self {
        let records_on_terminal = job.output.is_none() && stdout().is_terminal();
        if !stderr().is_terminal() || records_on_terminal {
            return Self(None);
        }
        let is_pipe = job.files.iter().any(|file| file == Path::new("-"));
        let bar = match total_bytes(&job.files).filter(|_| !is_pipe) {
            Some(total) => ProgressBar::new(total).with_style(style(
                "{wide_bar} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
            )),
            None => {
                ProgressBar::no_length().with_style(style("{spinner} {bytes}  {bytes_per_sec}"))
            }
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
        Self(Some(bar))
    }

    /// So many bytes were read.
    pub fn read(&self, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(bytes);
        }
    }

    /// Writes something else to the terminal, above the bar.
    pub fn aside(&self, write: impl FnOnce()) {
        match &self.0 {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Takes the bar away.
    pub fn end(&mut self) {
        if let Some(bar) = self.0.take() {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
