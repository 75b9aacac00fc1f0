//! Truth lines: one JSON object an access, as its client knows it.

use std::io;

use serde::Deserialize;

use super::{MOST_LINES, OTHER, Options, Reading};
use crate::offline::lines::Lines;
use crate::records::time::parsed;
use crate::source::capture::Input;
use crate::types::Timestamp;

/// Transports, by what names the server on the wire.
pub const TRANSPORTS: [&str; 5] = ["http", "tls", "quic", "dns", "none"];
/// Roles.
pub const ROLES: [&str; 5] = [
    "check",
    "download",
    "metadata",
    "connectivity",
    "revocation",
];
/// Verdicts that are final.
pub const VERDICTS: [&str; 6] = [
    "resolved",
    "unanswered",
    "refused",
    "checked",
    "downloaded",
    "partial",
];
/// Whether an update was offered.
pub const OFFERED: [&str; 3] = ["yes", "no", "unknown"];
/// Longest text of a key.
const MAX_TEXT: usize = 1_024;
/// Most words that are right, and most payloads of an access.
const MAX_WORDS: usize = 64;

/// What is expected of the sensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// A record that is right.
    #[default]
    Must,
    /// None, or one that is right.
    May,
    /// Nothing on the wire tells: any record but one that is sure of a wrong product.
    CannotTell,
    /// The name is forged: any record but one that is sure.
    NeverConfident,
}

/// An access as its client knows it.
#[derive(Clone, Debug)]
pub struct Truth {
    /// Its line.
    pub line: u64,
    /// What was played; `-` where nothing is said.
    pub scenario: String,
    /// What the product is counted with; its vendor where nothing is said.
    pub family: String,
    /// Address.
    pub client: String,
    /// Vendor and product, with a slash between.
    pub product: String,
    /// Role.
    pub role: String,
    /// Words that are right, the true one first.
    pub verdicts: Vec<String>,
    /// Words that are right, the true one first; empty: not judged.
    pub offered: Vec<String>,
    /// Name of the server; empty: not judged.
    pub fqdn: String,
    /// When it began.
    pub start: Timestamp,
    /// What names the server on the wire.
    pub transport: String,
    /// What is expected.
    pub expect: Expect,
    /// What was fetched, as `kind value`.
    pub payloads: Vec<String>,
}

/// The accesses of a file.
#[derive(Debug, Default)]
pub struct Truths {
    /// In the order of their lines.
    pub all: Vec<Truth>,
    /// How it was read.
    pub reading: Reading,
}

/// A line as it is written. Keys that are not known are left alone.
#[derive(Deserialize)]
#[serde(expecting = "an object with client, product, role, verdict and start")]
struct Form {
    scenario: Option<String>,
    family: Option<String>,
    client: std::net::IpAddr,
    product: String,
    role: String,
    verdict: Words,
    offered: Option<Words>,
    fqdn: Option<String>,
    start: Moment,
    transport: Option<String>,
    #[serde(default)]
    expect: Expect,
    #[serde(default)]
    payloads: Vec<Payload>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a verdict is a word or a list of words")]
enum Words {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "start is a number of seconds since 1970, or a time of RFC 3339"
)]
enum Moment {
    Seconds(f64),
    Text(String),
}

#[derive(Deserialize)]
#[serde(expecting = "an object with kind and value")]
struct Payload {
    kind: String,
    value: String,
}

impl Truths {
    /// Reads to the end. Lines that make no sense are left out and told; an error is one of reading.
    pub fn read(input: Input, options: &Options) -> io::Result<Self> {
        let mut truths = Self::default();
        let mut lines = Lines::of(input);
        while let Some(text) = lines.read()? {
            let Some(bytes) = text.bytes else {
                truths.reading.note(text.number, "too long");
                continue;
            };
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            match Truth::parse(text.number, bytes) {
                Ok(truth) if !options.wants(&truth.role) => {}
                Ok(_) if truths.all.len() >= MOST_LINES => truths.reading.refused += 1,
                Ok(truth) => truths.all.push(truth),
                Err(reason) => truths.reading.note(text.number, &reason),
            }
        }
        Ok(truths)
    }
}

impl Truth {
    /// One line; the error says what is wrong with it.
    pub fn parse(line: u64, bytes: &[u8]) -> Result<Self, String> {
        let form: Form = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let Some((vendor, _)) = form.product.split_once('/') else {
            return Err("`product` is vendor and product, with a slash between".to_owned());
        };
        let payload = |payload: Payload| format!("{} {}", payload.kind, payload.value);
        let truth = Self {
            line,
            scenario: form.scenario.unwrap_or_else(|| OTHER.to_owned()),
            family: form.family.unwrap_or_else(|| vendor.to_owned()),
            client: form.client.to_string(),
            role: one_of("role", form.role, &ROLES)?,
            verdicts: form.verdict.known("verdict", &VERDICTS)?,
            offered: form
                .offered
                .map_or(Ok(Vec::new()), |words| words.known("offered", &OFFERED))?,
            fqdn: form.fqdn.unwrap_or_default().to_ascii_lowercase(),
            start: form.start.read()?,
            transport: match form.transport {
                Some(word) => one_of("transport", word, &TRANSPORTS)?,
                None => OTHER.to_owned(),
            },
            expect: form.expect,
            payloads: form.payloads.into_iter().map(payload).collect(),
            product: form.product,
        };
        let texts = [&truth.scenario, &truth.family, &truth.product, &truth.fqdn];
        let payloads = truth.payloads.iter();
        if truth.payloads.len() > MAX_WORDS
            || texts
                .into_iter()
                .chain(payloads)
                .any(|text| text.len() > MAX_TEXT)
        {
            return Err("a text or a list is too long".to_owned());
        }
        Ok(truth)
    }
}

impl Words {
    /// At least one, all of them known.
    fn known(self, key: &str, words: &[&str]) -> Result<Vec<String>, String> {
        let given = match self {
            Self::One(word) => vec![word],
            Self::Several(several) => several,
        };
        if given.is_empty() || given.len() > MAX_WORDS {
            return Err(format!("`{key}` needs a word"));
        }
        let known = given.into_iter().map(|word| one_of(key, word, words));
        known.collect()
    }
}

fn one_of(key: &str, word: String, words: &[&str]) -> Result<String, String> {
    if words.contains(&word.as_str()) {
        Ok(word)
    } else {
        Err(format!("`{key}` is one of {}", words.join(", ")))
    }
}

impl Moment {
    /// Seconds since 1970, or a time as records have it.
    fn read(self) -> Result<Timestamp, String> {
        /// A day in the year 2261: whoever writes milliseconds is told so.
        const LAST: f64 = 9.2e9;
        match self {
            Self::Seconds(seconds) if (0.0..LAST).contains(&seconds) => {
                // It fits: see LAST. A double tells no more than microseconds.
                let micros = (seconds * 1e6).round() as i64;
                Ok(Timestamp::from_nanos(micros.saturating_mul(1_000)))
            }
            Self::Text(text) => parsed(&text).ok_or_else(|| refused_start().to_owned()),
            Self::Seconds(_) => Err(refused_start().to_owned()),
        }
    }
}

const fn refused_start() -> &'static str {
    "`start` is seconds since 1970, or a time like 2026-01-02T03:04:05.678901+0000"
}
