//! Candidates for the catalogue, from the traffic of verification hosts: computers that nobody works at, one of which updates itself,
//! another by hand.
//!
//! * [`actions`]: what was started by hand, and when
//! * [`records`]: takes in lines; [`observed`]: what was seen, in bounded tables
//! * [`names`], [`words`]: what names, paths and User-Agents say; [`known`]: what the catalogue says
//! * [`setting`]: what surrounds a name; [`evidence`]: what speaks for and against it, in points
//! * [`lesson`]: what was learned; [`against`]: what changed since an earlier one
//! * [`fragment`], [`table`]: a lesson as catalogue, and for people

pub mod actions;
pub mod against;
pub mod evidence;
pub mod fragment;
pub mod known;
pub mod lesson;
pub mod names;
pub mod observed;
pub mod records;
pub mod setting;
pub mod table;
pub mod words;

use std::collections::HashSet;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use actions::Action;
use known::Known;
use lesson::Lesson;
use observed::{Observed, Pc};
use setting::Setting;

use super::lines::Reading;
use super::lines::{Lines, open};
use crate::source::capture::Input;
use crate::updates::Catalogue;

/// Score from which on a candidate is proposed.
pub const THRESHOLD: i32 = 34;

/// What is learned from, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The verification hosts.
    pub pcs: Vec<Pc>,
    /// What was started on them.
    pub actions: Vec<Action>,
    /// What follows from an action does so within this time.
    pub window: Duration,
    /// More than so many bytes are a large transfer.
    pub large: u64,
    /// Vendors that the catalogue shall not know.
    pub without: HashSet<String>,
    /// Least score of a candidate that is told.
    pub least: i32,
    /// Most candidates that are told.
    pub top: usize,
}

/// Whether a file holds JSON lines rather than captured frames: its first letter tells.
pub fn holds_lines(path: &Path) -> io::Result<bool> {
    const LOOK: u64 = 64;
    let mut start = Vec::new();
    open(path)?.take(LOOK).read_to_end(&mut start)?;
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start);
    Ok(text.trim_ascii_start().starts_with(b"{"))
}

/// Reads records and learns.
#[derive(Debug)]
pub struct Learner {
    options: Options,
    observed: Observed,
    /// Records that tell nothing here.
    skipped: u64,
    taken: u64,
    /// A line of which the rest is still to come.
    rest: Vec<u8>,
}

impl Learner {
    /// Nothing read yet.
    pub fn new(options: Options) -> Self {
        Self {
            observed: Observed::new(options.pcs.clone()),
            options,
            skipped: 0,
            taken: 0,
            rest: Vec::new(),
        }
    }

    /// Reads JSON lines to their end; how that went. An error is one of reading.
    pub fn read(&mut self, input: Input) -> io::Result<Reading> {
        let mut reading = Reading::default();
        let mut lines = Lines::of(input);
        while let Some(text) = lines.read()? {
            match text.bytes {
                None => reading.note(text.number, "too long"),
                Some(bytes) if bytes.trim_ascii().is_empty() => {}
                Some(bytes) => self.line(text.number, bytes, &mut reading),
            }
        }
        Ok(reading)
    }

    /// Takes in a piece of the output of a replay, which may end within a line.
    pub fn piece(&mut self, piece: &[u8]) {
        let mut reading = Reading::default();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(part);
            if self.rest.ends_with(b"\n") {
                let line = std::mem::take(&mut self.rest);
                self.line(0, &line, &mut reading);
                self.rest = line;
                self.rest.clear();
            }
        }
    }

    fn line(&mut self, number: u64, bytes: &[u8], reading: &mut Reading) {
        let value = match serde_json::from_slice(bytes) {
            Ok(value) => value,
            Err(error) => return reading.note(number, &error.to_string()),
        };
        match records::take(&mut self.observed, &value, self.options.large) {
            records::Line::Taken => self.taken += 1,
            records::Line::Skipped => self.skipped += 1,
            records::Line::Broken(why) => reading.note(number, why),
        }
    }

    /// What was learned, of what `catalogue` does not know.
    pub fn conclude(&self, catalogue: &Catalogue) -> Lesson {
        let known = Known::new(catalogue, self.options.without.clone());
        let Options {
            actions, window, ..
        } = &self.options;
        let setting = Setting::new(&self.observed, &known, actions, *window);
        let mut lesson = Lesson::of(&setting, &self.options, catalogue.version());
        lesson.figures.records = self.taken;
        lesson.figures.skipped = self.skipped;
        lesson
    }
}

#[cfg(test)]
mod tests;
