//! Reads records: lines in, what a report needs of them out; bounded, whatever the lines say.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::IpAddr;

use super::forms::{Line, Record};
use super::hours::{Hour, hour_of};
use super::kept::{Access, Binding, Coverage, Loss, Session};
use crate::offline::lines::{Lines, Reading};
use crate::records::time::parsed;
use crate::source::capture::Input;
use crate::types::Timestamp;

/// Most accesses and sessions, each.
pub const MOST_ACCESSES: usize = 1 << 20;
/// Most coverage records.
pub const MOST_COVERAGE: usize = 1 << 22;
/// Most bindings, and most losses.
pub const MOST_BINDINGS: usize = 1 << 18;
/// Most hours of which something is known: a hundred years.
const MOST_HOURS: usize = 1 << 20;

/// What records say, of any host.
#[derive(Debug, Default)]
pub struct Records {
    /// The valid revision of each, by id.
    pub accesses: HashMap<String, Access>,
    /// The same of sessions.
    pub sessions: HashMap<String, Session>,
    /// The valid one of each address and start.
    pub coverage: BTreeMap<(Timestamp, IpAddr), Coverage>,
    /// In the order of their lines.
    pub bindings: Vec<Binding>,
    /// MAC addresses of routers.
    pub routers: BTreeSet<[u8; 6]>,
    /// In the order of their lines.
    pub losses: Vec<Loss>,
    /// Hours in which the sensor wrote something.
    pub hours: BTreeSet<Hour>,
    /// The first and the last moment that any record tells of.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Lines that were records.
    pub lines: u64,
    /// Lines that there was no room for.
    pub refused: u64,
}

impl Records {
    /// Reads one input to its end. Lines that make no sense are left out and told; an error is one of reading.
    pub fn read(&mut self, input: Input) -> io::Result<Reading> {
        let mut reading = Reading::default();
        let mut lines = Lines::of(input);
        let before = self.refused;
        while let Some(text) = lines.read()? {
            let Some(bytes) = text.bytes else {
                reading.note(text.number, "too long");
                continue;
            };
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            match parse(bytes) {
                Ok(line) => {
                    if let Err(reason) = self.take_in(line) {
                        reading.note(text.number, reason);
                    }
                }
                Err(reason) => reading.note(text.number, &reason),
            }
        }
        reading.refused = self.refused - before;
        Ok(reading)
    }

    fn take_in(&mut self, mut line: Line) -> Result<(), &'static str> {
        let time = line.timestamp.take();
        let time = time.as_deref().and_then(parsed);
        let time = time.ok_or("no record: it has no timestamp")?;
        let record = line.into_record()?;
        self.lines += 1;
        let written = match &record {
            // It may be written when its hour is over.
            Record::Coverage(coverage) => coverage.start,
            _ => time,
        };
        self.note_hour(written);
        self.note_span(time, time);
        let is_kept = match record {
            Record::Access(id, access) => {
                keep_newest(&mut self.accesses, id, *access, |access| access.revision)
            }
            Record::Session(id, session) => {
                keep_newest(&mut self.sessions, id, *session, |session| session.revision)
            }
            Record::Coverage(coverage) => self.cover(*coverage),
            Record::Binding(binding) => push(&mut self.bindings, *binding, MOST_BINDINGS),
            Record::Router(mac) => {
                let has_room = self.routers.len() < MOST_BINDINGS;
                has_room && {
                    self.routers.insert(mac);
                    true
                }
            }
            Record::Loss(loss) => push(&mut self.losses, loss, MOST_BINDINGS),
            Record::Other => true,
        };
        self.refused += u64::from(!is_kept);
        Ok(())
    }

    /// Of two records of one stretch that written later is valid, the later line among equals. Whether there was room.
    fn cover(&mut self, coverage: Coverage) -> bool {
        self.note_span(coverage.start, coverage.end);
        let key = (coverage.start, coverage.who.address);
        let has_room = self.coverage.len() < MOST_COVERAGE;
        match self.coverage.get_mut(&key) {
            Some(known) if known.reported <= coverage.reported => *known = coverage,
            Some(_) => {}
            None if !has_room => return false,
            None => {
                self.coverage.insert(key, coverage);
            }
        }
        true
    }

    /// The sensor ran at `time`.
    fn note_hour(&mut self, time: Timestamp) {
        if self.hours.len() < MOST_HOURS {
            self.hours.insert(hour_of(time));
        }
    }

    fn note_span(&mut self, from: Timestamp, to: Timestamp) {
        let (first, last) = self.span.unwrap_or((from, to));
        self.span = Some((first.min(from), last.max(to)));
    }
}

/// A line; else what is wrong with it, in words of records.
fn parse(bytes: &[u8]) -> Result<Line, String> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err("no record: it is no JSON object".to_owned());
    }
    serde_json::from_slice(bytes).map_err(|error| {
        // The line is told already, and a value of another type stands anywhere in it.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let text = error.to_string();
        let what = text.strip_suffix(&place).unwrap_or(&text);
        if error.is_data() {
            format!("no record that a report understands: {what}")
        } else {
            format!("no JSON: {what}, at column {}", error.column())
        }
    })
}

fn push<T>(all: &mut Vec<T>, one: T, most: usize) -> bool {
    let has_room = all.len() < most;
    if has_room {
        all.push(one);
    }
    has_room
}

/// Of the revisions of one thing the highest is kept. Whether there was room.
fn keep_newest<T>(
    all: &mut HashMap<String, T>,
    id: String,
    one: T,
    revision: impl Fn(&T) -> u64,
) -> bool {
    let has_room = all.len() < MOST_ACCESSES;
    match all.entry(id) {
        Entry::Occupied(mut known) => {
            if revision(known.get()) < revision(&one) {
                known.insert(one);
            }
        }
        Entry::Vacant(_) if !has_room => return false,
        Entry::Vacant(place) => {
            place.insert(one);
        }
    }
    true
}
