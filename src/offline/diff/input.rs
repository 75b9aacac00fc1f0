//! Reads a run: JSON lines, each an object.

use std::io::{self, BufRead};

use serde_json::Value;

use crate::records::identity::kind_of;

/// Broken lines that are told one by one; the others are counted.
const MAX_TOLD: usize = 20;

/// One record.
#[derive(Debug)]
pub struct Entry {
    /// Its line, from 1.
    pub line: usize,
    /// The word in `event_type`; empty where there is none.
    pub kind: String,
    /// The line as it stands in the file.
    pub text: Box<str>,
}

/// The records of a run.
#[derive(Debug, Default)]
pub struct Run {
    /// In the order of the file.
    pub entries: Vec<Entry>,
    /// What is wrong with lines that are no JSON object, each `LINE: reason`.
    pub problems: Vec<String>,
    /// Broken lines that are not told in `problems`.
    pub untold: usize,
}

impl Run {
    /// Reads to the end. Lines that are no JSON object are left out and told; an error is one of reading.
    pub fn read(mut input: impl BufRead) -> io::Result<Self> {
        let mut run = Self::default();
        let mut buffer = Vec::new();
        for line in 1.. {
            buffer.clear();
            if input.read_until(b'\n', &mut buffer)? == 0 {
                break;
            }
            run.take_in(line, buffer.strip_suffix(b"\n").unwrap_or(&buffer));
        }
        Ok(run)
    }

    /// Whether every line was a record.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }

    fn take_in(&mut self, line: usize, bytes: &[u8]) {
        match parse(bytes) {
            Ok((kind, text)) => self.entries.push(Entry { line, kind, text }),
            Err(reason) if self.problems.len() < MAX_TOLD => {
                self.problems
                    .push(format!("{line}: no JSON object: {reason}"));
            }
            Err(_) => self.untold += 1,
        }
    }
}

fn parse(bytes: &[u8]) -> Result<(String, Box<str>), String> {
    let text = str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let what = match &value {
        Value::Object(_) => return Ok((kind_of(&value).to_owned(), text.into())),
        Value::Array(_) => "a list",
        Value::String(_) => "a string",
        Value::Number(_) => "a number",
        Value::Bool(_) | Value::Null => "a bare word",
    };
    Err(format!("{what} stands there"))
}
