//! How right records are, measured against what clients say they did.
//!
//! Truth and records are held in memory, one pair of files at a time; each access of the truth is paired with at most one record. The
//! form of a truth line, and what is counted as right, is in `docs/accuracy.md`.
//!
//! * [`truth`]: reads truth lines
//! * [`told`]: reads the records to be judged
//! * [`pairing`]: which record tells of which access
//! * [`judging`]: what is right in a pair
//! * [`tally`]: counts, shares and their bounds
//! * [`report`]: the table for people, and the same as JSON

pub mod judging;
pub mod pairing;
pub mod report;
pub mod tally;
pub mod told;
pub mod truth;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::time::Duration;

use serde::Serialize;

use super::lines::Reading;
use crate::source::capture::Input;
use tally::{Cell, Counts};
use told::Records;
use truth::Truths;

/// Most lines of one file that are held.
pub const MOST_LINES: usize = 1 << 20;
/// Most different words of a table; the rest is counted together.
const MOST_CELLS: usize = 4_096;
/// Stands for what has no word, and for what a full table has no place for.
const OTHER: &str = "-";

/// What is judged, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// A record tells of an access when their starts differ by no more.
    pub tolerance: Duration,
    /// Roles that are judged.
    pub roles: BTreeSet<String>,
    /// Transports that are judged; empty: all.
    pub transports: BTreeSet<String>,
    /// Wrong cases that are kept.
    pub most_cases: usize,
}

impl Options {
    /// Whether accesses of this role are judged.
    fn wants(&self, role: &str) -> bool {
        self.roles.contains(role)
    }

    /// Whether accesses over this transport are judged. An access and its record may differ in that: first both are paired.
    fn judges(&self, transport: &str) -> bool {
        self.transports.is_empty() || self.transports.contains(transport)
    }
}

/// What was counted so far.
#[derive(Debug)]
pub struct Score {
    options: Options,
    cells: BTreeMap<Cell, Counts>,
    /// Truth's verdict, then the one told.
    verdicts: BTreeMap<(String, String), u64>,
    /// The same of whether an update was offered.
    offered: BTreeMap<(String, String), u64>,
    /// Records that nothing which the clients did supports, by their confidence: without an access, of another product, sure of what
    /// nothing tells.
    unfounded: BTreeMap<String, u64>,
    payloads: Payloads,
    /// Right in all but the server's name.
    other_names: u64,
    cases: Vec<Case>,
    more_cases: u64,
    families: HashMap<String, String>,
}

/// Ids of what was fetched.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Payloads {
    /// That the clients know of.
    pub fetched: u64,
    /// Of those, told.
    pub told: u64,
    /// Told, and not fetched.
    pub invented: u64,
}

/// Something wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    /// What is wrong: `missed`, `invented`, `verdict`, `offered`, `role`, `product` or `confident`.
    pub what: &'static str,
    /// The access, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truth: Option<Side>,
    /// The record, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<Side>,
}

/// One side of a case.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// Which pair of files, from 1.
    pub pair: usize,
    /// Line in its file.
    pub line: u64,
    /// In words.
    pub words: String,
}

impl Score {
    /// Nothing counted yet.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            cells: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            offered: BTreeMap::new(),
            unfounded: BTreeMap::new(),
            payloads: Payloads::default(),
            other_names: 0,
            cases: Vec::new(),
            more_cases: 0,
            families: HashMap::new(),
        }
    }

    /// Whether nothing was judged: neither an access nor a record.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.unfounded.is_empty()
    }

    /// Judges the records of one run; how both files were read. An error is one of reading.
    pub fn take_in(
        &mut self,
        pair: usize,
        truth: impl FnOnce() -> io::Result<Input>,
        records: impl FnOnce() -> io::Result<Input>,
    ) -> Result<[Reading; 2], (usize, io::Error)> {
        let truths = truth()
            .and_then(|input| Truths::read(input, &self.options))
            .map_err(|error| (0, error))?;
        let told = records()
            .and_then(|input| Records::read(input, &self.options))
            .map_err(|error| (1, error))?;
        let readings = [truths.reading.clone(), told.reading.clone()];
        self.judge(pair, truths, told);
        Ok(readings)
    }

    fn note_case(&mut self, case: Case) {
        if self.cases.len() < self.options.most_cases {
            self.cases.push(case);
        } else {
            self.more_cases += 1;
        }
    }

    /// The counts of a cell.
    fn cell(&mut self, cell: Cell) -> &mut Counts {
        place(&mut self.cells, cell, Cell::other)
    }
}

/// The place of `key` in a table, or that of `other` where a full one has none for it.
fn place<K: Ord, V: Default>(
    table: &mut BTreeMap<K, V>,
    key: K,
    other: impl FnOnce() -> K,
) -> &mut V {
    let has_room = table.len() < MOST_CELLS || table.contains_key(&key);
    let key = if has_room { key } else { other() };
    table.entry(key).or_default()
}

#[cfg(test)]
mod tests;
