//! What is wrong with a configuration, and where.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Longest piece of a value that a message repeats, in characters.
const MAX_VALUE: usize = 60;

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Line and column in characters, from 1; `None` where the whole file is meant.
    pub place: Option<(usize, usize)>,
    /// The key with its tables, like `flows.tcp_closed` or `networks.local[2]`; empty where no key is meant.
    pub key: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The file cannot be read.
    Unreadable(String),
    /// It is no TOML.
    Syntax(String),
    /// There is no such setting.
    UnknownKey {
        /// A known one that is written much the same.
        nearest: Option<String>,
        /// Whether a whole table is meant.
        is_table: bool,
    },
    /// The value cannot be taken.
    Value {
        /// The value as it is written.
        value: String,
        /// What is accepted.
        accepted: String,
    },
    /// A setting has to be there.
    Missing(String),
    /// The setting belongs to tables of another kind: these.
    Misplaced(String),
    /// Only one may have this value, and that key has it too.
    Twice(String),
    /// It does not go with another one: how, and what mends it.
    Clash(String),
}

/// Every error of a file, in the order of their places.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    /// The file.
    pub path: PathBuf,
    /// Its errors; at least one.
    pub errors: Vec<ConfigError>,
}

impl ConfigErrors {
    pub(super) fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self {
            path: path.to_owned(),
            errors: vec![ConfigError {
                place: None,
                key: String::new(),
                problem: Problem::Unreadable(error.to_string()),
            }],
        }
    }
}

impl fmt::Display for ConfigErrors {
    /// One line an error: `FILE:LINE:COLUMN: KEY = VALUE: accepted is ...`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}", self.path.display())?;
            if let Some((line, column)) = error.place {
                write!(f, ":{line}:{column}")?;
            }
            write!(f, ": {error}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.problem {
            Problem::Unreadable(reason) => write!(f, "cannot be read: {reason}"),
            Problem::Syntax(message) => write!(f, "is no TOML: {message}"),
            Problem::UnknownKey { nearest, is_table } => {
                let what = if *is_table { "table" } else { "setting" };
                write!(f, "{key}: there is no such {what}")?;
                match nearest {
                    Some(nearest) => write!(f, "; did you mean {nearest}?"),
                    None => Ok(()),
                }
            }
            Problem::Value { value, accepted } => {
                write!(f, "{key} = {value}: accepted is {accepted}")
            }
            Problem::Missing(why) => write!(f, "{key}: is missing: {why}"),
            Problem::Misplaced(kinds) => write!(f, "{key}: is a setting of {kinds} only"),
            Problem::Clash(what) => write!(f, "{key}: {what}"),
            Problem::Twice(other) => {
                write!(f, "{key}: has the value of {other}; each needs its own")
            }
        }
    }
}

/// Line and column of a byte offset in `text`, from 1.
pub(super) fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.get(line_start..).unwrap_or_default();
    (line, column.chars().count() + 1)
}

/// What a message repeats of a value: one line, nothing that a terminal would obey.
pub(super) fn shown(value: &str) -> String {
    let line = value.lines().next().unwrap_or_default();
    let is_cut = line.len() < value.len() || line.chars().count() > MAX_VALUE;
    let mut shown: String = line
        .chars()
        .take(MAX_VALUE)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    if is_cut {
        shown.push_str("...");
    }
    shown
}

/// The one of `known` that `word` was probably meant to be.
pub fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let far = 1 + word.chars().count() / 3;
    let measured = known.map(|candidate| (distance(word, candidate), candidate));
    let (distance, candidate) = measured.min()?;
    (distance <= far).then_some(candidate)
}

/// Insertions, deletions and replacements between two words (Levenshtein's distance).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.chars().enumerate() {
        let mut diagonal = index;
        let mut before = index + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(&right) {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = *cell;
            before = replaced.min(before + 1).min(*cell + 1);
            *cell = before;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_characters_from_one() {
        assert_eq!(place("a\nbc", 0), (1, 1));
        assert_eq!(place("a\nbc", 3), (2, 2));
        assert_eq!(place("é = 1", 3), (1, 3));
        assert_eq!(place("", 9), (1, 1));
    }

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (left, right, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
            ("same", "same", 0),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
            assert_eq!(distance(right, left), expected, "{right} {left}");
        }
    }

    #[test]
    fn only_what_is_near_is_suggested() {
        let known = || ["tcp_closed", "udp", "icmp"].into_iter();
        assert_eq!(nearest("tcp_close", known()), Some("tcp_closed"));
        assert_eq!(nearest("memory", known()), None);
    }

    #[test]
    fn a_value_in_a_message_is_short_and_harmless() {
        assert_eq!(shown("\"\u{1b}[31m\""), "\"?[31m\"");
        assert_eq!(shown("[\n1,\n]"), "[...");
        assert_eq!(shown(&"x".repeat(100)).len(), MAX_VALUE + 3);
    }
}
