//! What `patchspan doctor` finds: a verdict on one thing that can be wrong with a mirror, as a JSON line.
//!
//! These lines are no records of a run: nothing but `doctor --json` writes them. `schema/doctor.json` describes them.

use super::Line;
use super::line::{Scratch, write_line};

/// The JSON Schema (draft 2020-12) of a line.
pub const SCHEMA: &str = include_str!("schema/doctor.json");

/// What is thought of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nothing is wrong.
    Good,
    /// Too little was seen to judge.
    TooLittle,
    /// Something to know; nothing is lost by it.
    Note,
    /// Records are made, but some are missing or less is in them.
    Degraded,
    /// Nothing can be told from what comes.
    Blind,
}

impl State {
    /// Every state, from good to bad.
    pub const ALL: [Self; 5] = [
        Self::Good,
        Self::TooLittle,
        Self::Note,
        Self::Degraded,
        Self::Blind,
    ];

    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::TooLittle => "too_little",
            Self::Note => "note",
            Self::Degraded => "degraded",
            Self::Blind => "blind",
        }
    }

    /// Whether something was found.
    pub const fn is_finding(self) -> bool {
        matches!(self, Self::Note | Self::Degraded | Self::Blind)
    }
}

/// Of what a figure is a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Parts of a million.
    Ppm,
    /// Milliseconds.
    Milliseconds,
    /// A number of something.
    Count,
}

impl Unit {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ppm => "ppm",
            Self::Milliseconds => "ms",
            Self::Count => "count",
        }
    }
}

/// A figure and what it is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// What was measured.
    pub figure: u64,
    /// From here on it is a finding.
    pub threshold: u64,
    /// Of both.
    pub unit: Unit,
}

/// A prefix of client addresses and its part of all connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// As `[networks] local` takes it.
    pub prefix: String,
    /// Connections of its addresses, in parts of a million of all.
    pub share_ppm: u64,
}

/// A verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at: a word of a closed list.
    pub check: &'static str,
    /// What is thought of it.
    pub state: State,
    /// By what; `None` where nothing is measured, or too little was seen.
    pub measure: Option<Measure>,
    /// The same in words.
    pub said: String,
    /// What mends it: a command or a step.
    pub step: Option<String>,
    /// Prefixes of clients, largest first; in the verdict on clients only.
    pub prefixes: Vec<Prefix>,
}

impl Finding {
    /// Writes the line, with its newline, to the end of `buffer`.
    pub fn write(&self, buffer: &mut Vec<u8>) {
        write_line(buffer, &mut Scratch::default(), |line| {
            line.object("doctor", |line| self.fields(line));
        });
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.integer("v", 1);
        line.text("check", self.check);
        line.text("state", self.state.as_str());
        if let Some(measure) = self.measure {
            line.integer("figure", measure.figure);
            line.integer("threshold", measure.threshold);
            line.text("unit", measure.unit.as_str());
        }
        line.text("said", &self.said);
        if let Some(step) = &self.step {
            line.text("step", step);
        }
        if !self.prefixes.is_empty() {
            line.list("prefixes", |line| {
                for prefix in &self.prefixes {
                    line.element_object(|line| {
                        line.text("prefix", &prefix.prefix);
                        line.integer("share_ppm", prefix.share_ppm);
                    });
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_ascii_without_null_and_says_everything() {
        let finding = Finding {
            check: "clients",
            state: State::Note,
            measure: Some(Measure {
                figure: 3,
                threshold: 2,
                unit: Unit::Count,
            }),
            said: "\u{201c}two\u{201d}".to_owned(),
            step: None,
            prefixes: vec![Prefix {
                prefix: "192.0.2.0/24".to_owned(),
                share_ppm: 1_000_000,
            }],
        };
        let mut buffer = Vec::new();
        finding.write(&mut buffer);
        assert_eq!(
            String::from_utf8(buffer).unwrap(),
            "{\"doctor\":{\"v\":1,\"check\":\"clients\",\"state\":\"note\",\"figure\":3,\"threshold\":2,\"unit\":\"count\",\
             \"said\":\"\\u201ctwo\\u201d\",\"prefixes\":[{\"prefix\":\"192.0.2.0/24\",\"share_ppm\":1000000}]}}\n"
        );
    }
}
