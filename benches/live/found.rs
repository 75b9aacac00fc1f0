//! What the sensor wrote, held against what the clients of the visits did.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::traffic::client_address;

/// How often what an access says: rule, role and verdict.
type Accesses = BTreeMap<String, usize>;

/// What the clients of a stored capture did, as a replay tells it.
pub(crate) fn expected(capture: &str) -> Accesses {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("pcaps")
        .join(capture);
    let output = Command::new(env!("CARGO_BIN_EXE_patchspan"))
        .arg("replay")
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success());
    let mut accesses = Accesses::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        if let Some((_, access)) = access(line) {
            *accesses.entry(access).or_default() += 1;
        }
    }
    accesses
}

/// Client and what it did, if this line is the last word on an access.
fn access(line: &str) -> Option<(String, String)> {
    if !line.contains(r#""event_type":"update","#) {
        return None;
    }
    let record: Value = serde_json::from_str(line).unwrap();
    let update = &record["update"];
    let text = |key: &str| update[key].as_str().unwrap().to_owned();
    let is_final = update["final"] == true;
    is_final.then(|| {
        let what = ["rule", "role", "verdict"].map(text).join(" ");
        (text("client"), what)
    })
}

/// Accesses that were to be found, and were.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Score {
    pub(crate) expected: usize,
    pub(crate) found: usize,
    /// Said of these clients, and not done by them.
    pub(crate) wrong: usize,
}

/// Compares what was written with what the first `visits` clients did; client n did what the n-th of `wanted` says, in turn.
pub(crate) fn score(records: &Path, wanted: &[Accesses], visits: u32) -> Score {
    let mut told: BTreeMap<String, Accesses> = BTreeMap::new();
    for line in BufReader::new(File::open(records).unwrap()).lines() {
        if let Some((client, access)) = access(&line.unwrap()) {
            *told.entry(client).or_default().entry(access).or_default() += 1;
        }
    }
    let mut score = Score::default();
    for number in 0..visits {
        let [a, b, c, d] = client_address(number);
        let told = told.get(&format!("{a}.{b}.{c}.{d}"));
        let wanted = &wanted[number as usize % wanted.len()];
        let found: usize = wanted
            .iter()
            .map(|(access, count)| {
                told.and_then(|told| told.get(access))
                    .map_or(0, |told| *count.min(told))
            })
            .sum();
        score.expected += wanted.values().sum::<usize>();
        score.found += found;
        score.wrong += told.map_or(0, |told| told.values().sum::<usize>()) - found;
    }
    score
}

/// Reads what is written while it is written, and tells how late each line is: from the moment that decided it.
pub(crate) struct Follower {
    file: File,
    pending: Vec<u8>,
    lines: usize,
    /// Seconds, by kind of record.
    pub(crate) delays: BTreeMap<String, Vec<f64>>,
}

/// Of so many lines one is looked at: reading all would take the sensor's processor.
const SAMPLE: usize = 16;

impl Follower {
    pub(crate) fn new(records: &Path) -> Self {
        Self {
            file: File::open(records).unwrap(),
            pending: Vec::new(),
            lines: 0,
            delays: BTreeMap::new(),
        }
    }

    /// Reads what there is.
    pub(crate) fn read(&mut self) {
        self.file.read_to_end(&mut self.pending).unwrap();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs_f64();
        let Some(end) = self.pending.iter().rposition(|byte| *byte == b'\n') else {
            return;
        };
        let rest = self.pending.split_off(end + 1);
        for line in self.pending.split(|byte| *byte == b'\n') {
            self.lines += 1;
            let is_update = line
                .windows(10)
                .take(160)
                .any(|part| part == b"\"update\",\"");
            if !line.is_empty() && (is_update || self.lines.is_multiple_of(SAMPLE)) {
                note(&mut self.delays, line, now);
            }
        }
        self.pending = rest;
    }
}

fn note(delays: &mut BTreeMap<String, Vec<f64>>, line: &[u8], now: f64) {
    let record: Value = serde_json::from_slice(line).unwrap();
    let kind = record["event_type"].as_str().unwrap();
    let decided = match kind {
        "update" => &record["update"]["reported"],
        "update_session" => &record["update_session"]["reported"],
        "dns" | "tls" | "quic" | "http" | "flow" => &record["timestamp"],
        _ => return,
    };
    let decided = jiff::Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", decided.as_str().unwrap());
    let decided = decided.unwrap().as_nanosecond() as f64 / 1e9;
    delays
        .entry(kind.to_owned())
        .or_default()
        .push(now - decided);
}

/// The value below which such a share of the values lies.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values
        .get((last as f64 * share) as usize)
        .copied()
        .unwrap_or(f64::NAN)
}
