//! What changed between the records of two runs, grouped by kind and field.
//!
//! Records are paired within a kind: first those whose lines are equal, then by the identities of
//! [`crate::records::identity`], the strictest first, in the order of their lines. Each step is one pass with a hash table, so the
//! work grows with the size of the files, not with its square. Both files are held in memory as text, and those records that
//! have no equal as values too: up to ten times the size of the files, where every record differs.
//!
//! * [`input`]: reads a run
//! * [`fields`]: compares two records field by field
//! * [`report`]: the report for people

pub mod fields;
pub mod input;
pub mod report;

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::Value;

use crate::records::Kind;
use crate::records::identity::{Identity, identities};
use fields::Fields;
use input::{Entry, Run};

/// What changed in one kind.
#[derive(Debug, Default)]
pub struct KindDiff {
    /// Pairs without a difference.
    pub equal: usize,
    /// Pairs that differ.
    pub differing: usize,
    /// Pairs by the identity that told them, where it was not the first of the kind.
    pub fallbacks: BTreeMap<&'static str, usize>,
    /// Lines of the first run that have no counterpart.
    pub only_first: Vec<usize>,
    /// Lines of the second run likewise.
    pub only_second: Vec<usize>,
    /// How the pairs differ.
    pub fields: Fields,
}

/// What changed between two runs.
#[derive(Debug)]
pub struct Diff {
    /// By kind, in the order in which kinds are written; unknown kinds last.
    pub kinds: Vec<(String, KindDiff)>,
}

/// A record that has no equal line in the other run.
struct Open {
    line: usize,
    value: Value,
}

impl Diff {
    /// Compares two runs.
    pub fn between(first: &Run, second: &Run) -> Self {
        let mut by_kind: BTreeMap<(usize, &str), [Vec<&Entry>; 2]> = BTreeMap::new();
        for (side, run) in [first, second].into_iter().enumerate() {
            for entry in &run.entries {
                let sides = by_kind.entry(rank(&entry.kind)).or_default();
                if let Some(entries) = sides.get_mut(side) {
                    entries.push(entry);
                }
            }
        }
        let kinds = by_kind
            .into_iter()
            .map(|((_, kind), [first, second])| (kind.to_owned(), compare(kind, &first, &second)))
            .collect();
        Self { kinds }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.kinds.iter().all(|(_, kind)| {
            kind.differing == 0 && kind.only_first.is_empty() && kind.only_second.is_empty()
        })
    }
}

fn rank(kind: &str) -> (usize, &str) {
    let place = Kind::ALL.iter().position(|known| known.as_str() == kind);
    (place.unwrap_or(Kind::ALL.len()), kind)
}

fn compare(kind: &str, first: &[&Entry], second: &[&Entry]) -> KindDiff {
    let mut diff = KindDiff::default();
    let (mut first, mut second) = without_equal_lines(first, second, &mut diff);
    let identities = identities(kind);
    let strictest = identities.first().map_or("", |identity| identity.name);
    for identity in identities {
        let pairs = pair_up(identity, &mut first, &mut second);
        if !pairs.is_empty() && identity.name != strictest {
            *diff.fallbacks.entry(identity.name).or_default() += pairs.len();
        }
        for (one, other) in pairs {
            if diff
                .fields
                .compare(one.line, &one.value, other.line, &other.value)
            {
                diff.differing += 1;
            } else {
                diff.equal += 1;
            }
        }
    }
    diff.only_first = first.iter().map(|open| open.line).collect();
    diff.only_second = second.iter().map(|open| open.line).collect();
    diff
}

/// Pairs what is equal to the byte; gives the rest of both sides, as values.
fn without_equal_lines(
    first: &[&Entry],
    second: &[&Entry],
    diff: &mut KindDiff,
) -> (Vec<Open>, Vec<Open>) {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for entry in second {
        *counts.entry(&entry.text).or_default() += 1;
    }
    let mut open_first = Vec::new();
    let mut taken: HashMap<&str, usize> = HashMap::new();
    for entry in first {
        match counts.get_mut(&*entry.text) {
            Some(left) if *left > 0 => {
                *left -= 1;
                *taken.entry(&entry.text).or_default() += 1;
                diff.equal += 1;
            }
            _ => open_first.push(open(entry)),
        }
    }
    let mut open_second = Vec::new();
    for entry in second {
        match taken.get_mut(&*entry.text) {
            Some(left) if *left > 0 => *left -= 1,
            _ => open_second.push(open(entry)),
        }
    }
    (open_first, open_second)
}

/// The line was read as an object before, so it parses.
fn open(entry: &Entry) -> Open {
    Open {
        line: entry.line,
        value: serde_json::from_str(&entry.text).unwrap_or_default(),
    }
}

/// Takes those out of both sides that have the same key, in the order of their lines.
fn pair_up(
    identity: &Identity,
    first: &mut Vec<Open>,
    second: &mut Vec<Open>,
) -> Vec<(Open, Open)> {
    let mut waiting: HashMap<String, VecDeque<Open>> = HashMap::new();
    let mut rest = Vec::new();
    for open in std::mem::take(second) {
        match identity.key(&open.value) {
            Some(key) => waiting.entry(key).or_default().push_back(open),
            None => rest.push(open),
        }
    }
    let mut pairs = Vec::new();
    for open in std::mem::take(first) {
        let key = identity.key(&open.value);
        let partner = key.and_then(|key| waiting.get_mut(&key)?.pop_front());
        match partner {
            Some(partner) => pairs.push((open, partner)),
            None => first.push(open),
        }
    }
    rest.extend(waiting.into_values().flatten());
    rest.sort_unstable_by_key(|open| open.line);
    *second = rest;
    pairs
}

#[cfg(test)]
mod tests;
