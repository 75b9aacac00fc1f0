//! `docs/samples` is what the program writes for the stored captures, and shows every key and word that it writes.
//!
//! `PATCHSPAN_WRITE_SAMPLES=1 cargo test --test samples` writes them anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "support/keys.rs"]
mod keys;
#[path = "support/schema.rs"]
mod schema;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use common::{Exception, assert_explained, captures, replay};
use keys::{Key, all, is_written, written, written_kinds};
use patchspan::records::Kind;
use patchspan::records::schema::Form;
use serde_json::Value;

/// Lines of a kind that are taken from every capture, whatever they show; of other kinds all.
const FIRST: [(Kind, usize); 6] = [
    (Kind::ClientBinding, 1),
    (Kind::Dns, 3),
    (Kind::Flow, 3),
    (Kind::Stats, 0),
    (Kind::Coverage, 1),
    (Kind::PatchspanStats, 0),
];

/// What no stored capture shows: kind, key or key and word, reason.
const NOT_SHOWN: &[Exception] = &[
    (
        "dns",
        "dns.aa",
        "the laboratory's resolver is not authoritative",
    ),
    ("dns", "dns.z", "nobody sets the reserved bit"),
    ("dns", "dns.answers[].soa*", "nobody asks for SOA"),
    ("dns", "dns.answers[].srv*", "nobody asks for SRV"),
    ("dns", "dns.answers[].sshfp*", "nobody asks for SSHFP"),
    ("dns", "dns.additionals[].rdata", "only OPT stands there"),
    ("dns", "dns.authorities[].rdata", "only SOA stands there"),
    ("*", "in_iface", "a replay has no interface"),
    (
        "*",
        "pkt_src=*",
        "the relay makes only some kinds of tunnel",
    ),
    ("quic", "pkt_src", "no QUIC in a tunnel"),
    ("quic", "tunnel*", "no QUIC in a tunnel"),
    ("quic", "vlan", "no QUIC with tags"),
    (
        "quic",
        "patchspan*",
        "Encrypted ClientHello over QUIC was not accepted",
    ),
    ("http", "patchspan*", "no HTTP value is long enough"),
    ("tls", "patchspan.cut", "no TLS value is long enough"),
    ("flow", "patchspan.cut", "no chain is long enough"),
    ("flow", "flow.reason=forced", "no capture fills the table"),
    (
        "flow",
        "patchspan.fqdn.inherited",
        "no 5-tuple comes back without SYN",
    ),
    ("flow", "tcp.state=syn_recv", "none ends in this state"),
    ("update", "update.cut", "no value is long enough"),
    (
        "update_session",
        "update_session.cut",
        "no session has so many ids",
    ),
    (
        "update",
        "update.evidence=burst_volume",
        "large downloads are not stored",
    ),
    (
        "update",
        "update.payload_id.from_version",
        "no partial archive is fetched",
    ),
    (
        "update_session",
        "update_session.payload_ids[].from_version",
        "no partial archive is fetched",
    ),
    (
        "update",
        "update.payload_id.kind=*",
        "packages, installers and archives are fetched, of few vendors",
    ),
    (
        "update_session",
        "update_session.payload_ids[].kind=*",
        "packages, installers and archives are fetched, of few vendors",
    ),
    (
        "update_session",
        "update_session.offered_evidence=usual_size",
        "no client checks for days",
    ),
    (
        "update_session",
        "update_session.security=no",
        "no such product is fetched",
    ),
    (
        "update_session",
        "update_session.offered_evidence=download_asked",
        "downloads asked for are contacted",
    ),
    (
        "update_session",
        "update_session.offered_evidence=file_not_modified",
        "no file is asked for again",
    ),
    (
        "update_session",
        "update_session.outcome=attempted",
        "every session contacts something",
    ),
    (
        "update_session",
        "update_session.os.name=*",
        "every client is Debian, and some play Windows",
    ),
    (
        "update_session",
        "update_session.os.confidence=high",
        "no client shows more of its system than apt",
    ),
    (
        "update_session",
        "update_session.os.evidence=time",
        "no client that updates asks for the time",
    ),
    (
        "client_binding",
        "client_binding.source=frame",
        "every address is announced before it is used",
    ),
    ("loss", "*", "written by `run` only"),
    (
        "coverage",
        "coverage.os.name=*",
        "the laboratory's clients are Debian's",
    ),
    (
        "coverage",
        "coverage.os.confidence=high",
        "no client shows more of its system than apt",
    ),
    (
        "coverage",
        "coverage.os.evidence=time",
        "no client asks for the time",
    ),
    (
        "coverage",
        "coverage.blind=not_running",
        "a replay does not stand still",
    ),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/samples")
}

/// Every line of every stored capture, by capture. The program is run where the captures are named as in the samples.
fn everything() -> Vec<String> {
    const FLAGS: [&str; 4] = [
        "--config",
        "docs/samples/sensor.toml",
        "--hosts",
        "docs/samples/hosts.csv",
    ];
    let captures = captures().into_iter();
    let outputs = captures.map(|capture| {
        let path = capture
            .path
            .strip_prefix(env!("CARGO_MANIFEST_DIR"))
            .unwrap();
        replay(path, &FLAGS)
    });
    outputs.collect()
}

fn kind(value: &Value) -> Kind {
    value["event_type"].as_str().unwrap().parse().unwrap()
}

/// The keys of each kind by path.
fn known(kind: Kind) -> &'static HashMap<String, Key> {
    static KEYS: OnceLock<HashMap<Kind, HashMap<String, Key>>> = OnceLock::new();
    let of = |kind| {
        let keys = all(kind).into_iter();
        (kind, keys.map(|key| (key.path.clone(), key)).collect())
    };
    &KEYS.get_or_init(|| Kind::ALL.into_iter().map(of).collect())[&kind]
}

/// Keys of a record, and words of closed lists (`update.verdict=checked`).
fn shown(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(value, String::new(), known(kind(value)), &mut found);
    found
}

fn collect(
    value: &Value,
    path: String,
    known: &HashMap<String, Key>,
    found: &mut BTreeSet<String>,
) {
    let dot = if path.is_empty() { "" } else { "." };
    match value {
        Value::Object(members) => members.iter().for_each(|(key, member)| {
            let path = format!("{path}{dot}{key}");
            if known.contains_key(&path) {
                found.insert(path.clone());
            }
            collect(member, path, known, found);
        }),
        Value::Array(elements) => elements.iter().for_each(|element| {
            let inner = if element.is_object() { "[]" } else { "" };
            collect(element, format!("{path}{inner}"), known, found);
        }),
        Value::String(word) if known.get(&path).is_some_and(|key| key.words.contains(word)) => {
            found.insert(format!("{path}={word}"));
        }
        _ => {}
    }
}

/// The samples of each kind: the first lines of every capture, and whatever shows a key or a word for the first time.
fn chosen(everything: &[String]) -> BTreeMap<Kind, String> {
    let mut chosen = BTreeMap::<Kind, String>::new();
    let mut seen = BTreeSet::new();
    for output in everything {
        let mut taken = HashMap::<Kind, usize>::new();
        for line in output.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            let kind = kind(&value);
            let first = FIRST.iter().find(|(limited, _)| *limited == kind);
            let taken = taken.entry(kind).or_default();
            let features = shown(&value).into_iter().map(|feature| (kind, feature));
            // Each one counts as seen, also after the first new one.
            let is_new = features
                .filter(|feature| seen.insert(feature.clone()))
                .count()
                > 0;
            if is_new || first.is_none_or(|(_, limit)| *taken < *limit) {
                *taken += 1;
                writeln!(chosen.entry(kind).or_default(), "{line}").unwrap();
            }
        }
    }
    chosen
}

#[test]
fn the_samples_are_what_the_program_writes_today() {
    let chosen = chosen(&everything());
    let is_writing = std::env::var_os("PATCHSPAN_WRITE_SAMPLES").is_some();
    let mut lines = 0;
    for (kind, text) in &chosen {
        let path = folder().join(format!("{kind}.jsonl"));
        if is_writing {
            std::fs::write(&path, text).unwrap();
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        let different = stored
            .lines()
            .zip(text.lines())
            .find(|(stored, now)| stored != now);
        assert!(
            stored == *text,
            "{path:?} is out of date, see the head of this file; {} lines, now {}: {different:?}",
            stored.lines().count(),
            text.lines().count(),
        );
        lines += schema::check_lines(Form::Full, &stored);
    }
    assert!((800..1_500).contains(&lines), "{lines}");
    let files = std::fs::read_dir(folder()).unwrap();
    let files = files.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .path()
            .extension()
            .is_some_and(|ending| ending == "jsonl")
    });
    assert_eq!(files.count(), chosen.len());
}

#[test]
fn every_key_and_word_that_is_written_is_shown() {
    let mut missing = Vec::new();
    for kind in written_kinds() {
        let text =
            std::fs::read_to_string(folder().join(format!("{kind}.jsonl"))).unwrap_or_default();
        let found: BTreeSet<String> = common::records(&text).iter().flat_map(shown).collect();
        for key in written(kind) {
            let words = key.words.iter().map(|word| format!("{}={word}", key.path));
            let features = [key.path.clone()].into_iter().chain(words);
            let unseen = features.filter(|feature| !found.contains(feature));
            missing.extend(unseen.map(|feature| (kind.to_string(), feature)));
        }
    }
    assert_explained(&missing, NOT_SHOWN);
}

#[test]
fn no_capture_shows_a_key_that_is_called_unwritten() {
    for output in everything() {
        for value in common::records(&output) {
            let kind = kind(&value);
            for feature in shown(&value) {
                assert!(is_written(kind, &feature), "{kind}: {feature}");
            }
        }
    }
}
