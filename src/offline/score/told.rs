//! The records to be judged: final accesses, and what their sessions say.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;

use serde_json::Value;

use super::{MOST_LINES, OTHER, Options, Reading};
use crate::offline::lines::Lines;
use crate::records::time::parsed;
use crate::source::capture::Input;
use crate::types::Timestamp;

/// A record of an access.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its line.
    pub line: u64,
    /// Address.
    pub client: String,
    /// Vendor and product, with a slash between.
    pub product: String,
    /// Role.
    pub role: String,
    /// Verdict.
    pub verdict: String,
    /// Confidence.
    pub confidence: String,
    /// Name of the server.
    pub fqdn: String,
    /// When it began.
    pub start: Timestamp,
    /// What names the server on the wire, in the words of the truth.
    pub transport: &'static str,
    /// Its session's id.
    pub session: String,
    /// What was fetched, as `kind value`.
    pub payload: Option<String>,
    revision: u64,
}

/// What a session says.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Whether an update was offered.
    pub offered: String,
    /// What was fetched, each as `kind value`.
    pub payloads: Vec<String>,
    revision: u64,
}

/// The records of a file.
#[derive(Debug, Default)]
pub struct Records {
    /// The valid revision of each, in the order of their lines.
    pub all: Vec<Told>,
    /// By id.
    pub sessions: HashMap<String, Session>,
    /// How it was read.
    pub reading: Reading,
}

impl Records {
    /// Reads to the end. Lines that make no sense are left out and told; an error is one of reading.
    pub fn read(input: Input, options: &Options) -> io::Result<Self> {
        let mut records = Self::default();
        let mut accesses = HashMap::new();
        let mut lines = Lines::of(input);
        while let Some(text) = lines.read()? {
            let Some(bytes) = text.bytes else {
                records.reading.note(text.number, "too long");
                continue;
            };
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice(bytes) {
                Ok(value) => records.take_in(text.number, &value, &mut accesses, options),
                Err(error) => records.reading.note(text.number, &error.to_string()),
            }
        }
        records.all = accesses.into_values().collect();
        records.all.sort_by_key(|told| told.line);
        Ok(records)
    }

    fn take_in(
        &mut self,
        line: u64,
        value: &Value,
        accesses: &mut HashMap<String, Told>,
        options: &Options,
    ) {
        let has_room = accesses.len() + self.sessions.len() < MOST_LINES;
        let is_refused = match value.get("event_type").and_then(Value::as_str) {
            Some("update") => {
                let Some((id, told)) = Told::of(line, value) else {
                    return self.reading.note(line, "an update record lacks something");
                };
                if !options.wants(&told.role) {
                    return;
                }
                !keep_newest(accesses, id, told, |told| told.revision, has_room)
            }
            Some("update_session") => {
                let Some((id, session)) = Session::of(value) else {
                    return self.reading.note(line, "a session lacks something");
                };
                let sessions = &mut self.sessions;
                !keep_newest(sessions, id, session, |told| told.revision, has_room)
            }
            Some(_) => false,
            None => return self.reading.note(line, "no record: it has no event_type"),
        };
        self.reading.refused += u64::from(is_refused);
    }

    /// What is said of whether an update was offered to whom `told` tells of; `-` where nothing is.
    pub fn offered(&self, told: &Told) -> &str {
        self.sessions
            .get(&told.session)
            .map_or(OTHER, |session| session.offered.as_str())
    }
}

impl Told {
    fn of(line: u64, value: &Value) -> Option<(String, Self)> {
        let update = value.get("update")?;
        let text = |key| update.get(key).and_then(Value::as_str);
        let client: std::net::IpAddr = text("client")?.parse().ok()?;
        let verdict = text("verdict")?;
        let told = Self {
            line,
            client: client.to_string(),
            product: format!("{}/{}", text("vendor")?, text("product")?),
            role: text("role")?.to_owned(),
            verdict: verdict.to_owned(),
            confidence: text("confidence")?.to_owned(),
            fqdn: text("fqdn")?.to_ascii_lowercase(),
            start: parsed(text("start")?)?,
            transport: transport(verdict, text("name_source")?),
            session: text("session").unwrap_or_default().to_owned(),
            payload: update.get("payload_id").and_then(payload),
            revision: update.get("rev")?.as_u64()?,
        };
        Some((text("id")?.to_owned(), told))
    }
}

impl Session {
    fn of(value: &Value) -> Option<(String, Self)> {
        const MOST: usize = 64;
        let session = value.get("update_session")?;
        let payloads = session.get("payload_ids").and_then(Value::as_array);
        let payloads = payloads.into_iter().flatten().filter_map(payload);
        let told = Self {
            offered: session.get("offered")?.as_str()?.to_owned(),
            payloads: payloads.take(MOST).collect(),
            revision: session.get("rev")?.as_u64()?,
        };
        Some((session.get("id")?.as_str()?.to_owned(), told))
    }
}

/// Of the revisions of one thing the highest is kept. Whether there was room.
fn keep_newest<T>(
    all: &mut HashMap<String, T>,
    id: String,
    told: T,
    revision: impl Fn(&T) -> u64,
    has_room: bool,
) -> bool {
    match all.entry(id) {
        Entry::Occupied(mut known) => {
            if revision(known.get()) < revision(&told) {
                known.insert(told);
            }
        }
        Entry::Vacant(_) if !has_room => return false,
        Entry::Vacant(place) => {
            place.insert(told);
        }
    }
    true
}

/// Where nothing was contacted, nothing names the server but the question.
fn transport(verdict: &str, source: &str) -> &'static str {
    match (verdict, source) {
        ("resolved" | "unanswered" | "refused", _) => "none",
        (_, "http") => "http",
        (_, "tls") => "tls",
        (_, "quic") => "quic",
        (_, "dns" | "dns_shared") => "dns",
        _ => OTHER,
    }
}

fn payload(value: &Value) -> Option<String> {
    let text = |key| value.get(key).and_then(Value::as_str);
    Some(format!("{} {}", text("kind")?, text("value")?))
}
