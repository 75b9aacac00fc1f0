//! `patchspan learn` from outside: what it finds on stored captures and in a fortnight, what it writes, and its exit codes; and what names
//! alone tell of vendors that the catalogue does not know.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "support/program.rs"]
mod program;

use std::collections::{BTreeSet, HashSet};

use patchspan::offline::learn::known::{Known, Likeness};
use patchspan::offline::learn::words;
use patchspan::records::time;
use patchspan::types::Timestamp;
use patchspan::updates::Catalogue;
use patchspan::updates::catalogue::pattern::NamePattern;
use program::{Scratch, patchspan};
use serde_json::{Value, json};

const NO_UPDATES: &str = include_str!("catalogue/no-updates.txt");
/// A day of the stored captures.
const DAY: i64 = 1_795_500_000;
const AUTO: &str = "198.51.100.21";
const MANUAL: &str = "198.51.100.7";

/// Captures of real programs, and the vendors whose servers they reach.
const CAPTURES: [&str; 8] = [
    "windows-update.pcap.zst",
    "delivery-optimization.pcap.zst",
    "apt.pcap.zst",
    "wget.pcap.gz",
    "firefox.pcap",
    "firefox-quic.pcap",
    "chromium-tcp.pcap",
    "chromium-quic.pcap",
];
const VENDORS: &str = "microsoft,debian,mozilla,google";

/// What was started in them, by when each begins.
const ACTIONS: &str = "time,host,what
2026-11-24T12:13:00Z,198.51.100.21,browsers
2026-11-24T12:15:00Z,198.51.100.21,browsers
2026-11-24T12:15:25Z,198.51.100.7,Windows Update
2026-11-24T12:25:55Z,198.51.100.7,apt
";

fn no_updates() -> Vec<&'static str> {
    let lines = NO_UPDATES
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    lines.filter(|name| !name.starts_with('#')).collect()
}

fn at(seconds: i64) -> String {
    time::text(Timestamp::from_seconds(seconds, 0))
}

fn flow(client: &str, name: &str, start: i64, bytes: u64, chain: &[&str]) -> String {
    let value = json!({
        "timestamp": at(start), "event_type": "flow", "src_ip": client, "dest_ip": "203.0.113.1", "flow": {"start": at(start)},
        "patchspan": {
            "handshake": "complete", "fqdn": {"name": name, "source": "tls", "corroborated": true, "chain": chain},
            "delivered": {"toclient": bytes, "toserver": 900},
        },
    });
    format!("{value}\n")
}

/// Pages that both verification hosts and ten others look at over a day: names that are no update servers.
fn browsing() -> String {
    let names: Vec<_> = no_updates().into_iter().step_by(23).collect();
    let mut lines = String::new();
    for (number, name) in names.iter().enumerate() {
        let number = i64::try_from(number).unwrap();
        let others = (0..10).map(|other| format!("198.51.100.{}", 100 + other));
        let clients = [AUTO.to_owned(), MANUAL.to_owned()]
            .into_iter()
            .chain(others);
        for (place, client) in clients.enumerate() {
            let place = i64::try_from(place).unwrap();
            // Ten names a page; every host has most of them, at times of its own.
            if (number + place) % 3 > 0 {
                let page = number / 10 * 4_001 + place * 977;
                lines += &flow(
                    &client,
                    name,
                    DAY + page % 86_400 + number % 10,
                    20_000,
                    &[],
                );
            }
        }
    }
    lines
}

fn json_of(flags: &[&str]) -> (i32, Value) {
    let (code, out, err) = patchspan(&[&["learn", "--format", "json"], flags].concat(), b"");
    let value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    (code, value)
}

/// Names of update servers that the programs in the captures reached, by their own logs.
fn reached() -> BTreeSet<String> {
    let catalogue = Catalogue::embedded().unwrap();
    let mut names = BTreeSet::new();
    for capture in CAPTURES {
        let name = capture.split('.').next().unwrap();
        let truth = std::fs::read(format!("pcaps/{name}.truth.json")).unwrap();
        let truth: Value = serde_json::from_slice(&truth).unwrap();
        let accesses = truth["accesses"].as_array().unwrap().iter();
        names.extend(accesses.filter_map(|access| Some(access["name"].as_str()?.to_owned())));
    }
    names.retain(|name| {
        let rule = catalogue.find(name).and_then(|id| catalogue.endpoint(id));
        rule.is_some_and(|rule| rule.role.opens_session())
    });
    names
}

#[test]
fn every_server_of_the_captures_is_found_among_browsing() {
    let scratch = Scratch::new("learn-captures");
    let noise = scratch.file("browsing.jsonl", browsing());
    let paths: Vec<String> = CAPTURES
        .iter()
        .map(|name| format!("pcaps/{name}"))
        .collect();
    let actions = scratch.file("actions.csv", ACTIONS);
    let mut flags = vec![
        "--actions",
        &actions,
        "--auto",
        AUTO,
        "--manual",
        MANUAL,
        "--without",
        VENDORS,
        &noise,
    ];
    flags.extend(paths.iter().map(String::as_str));
    let (code, value) = json_of(&flags);
    assert_eq!(code, 0);
    let candidates = value["learn"]["candidates"].as_array().unwrap();
    let truth = reached();
    assert!(truth.len() >= 7, "{truth:?}");
    let is_right = |one: &&Value| {
        one["names"]
            .as_array()
            .unwrap()
            .iter()
            .any(|name| truth.contains(name.as_str().unwrap()))
    };
    let (right, wrong): (Vec<&Value>, Vec<&Value>) = candidates.iter().partition(is_right);
    let found: BTreeSet<&str> = right
        .iter()
        .flat_map(|one| one["names"].as_array().unwrap())
        .map(|name| name.as_str().unwrap())
        .collect();
    let missed: Vec<_> = truth
        .iter()
        .filter(|name| !found.contains(name.as_str()))
        .collect();
    let wrong: Vec<_> = wrong
        .iter()
        .map(|one| (&one["pattern"], &one["score"]))
        .collect();
    println!(
        "{} of {} servers found; {} of {} proposals right; wrong: {wrong:?}",
        found.len(),
        truth.len(),
        right.len(),
        candidates.len()
    );
    assert!(missed.is_empty(), "{missed:?}");
    assert!(right.len() * 10 >= candidates.len() * 8, "{wrong:?}");
}

#[test]
fn a_fragment_is_a_file_of_the_catalogue() {
    let scratch = Scratch::new("learn-fragment");
    let directory = scratch.0.join("catalogue");
    std::fs::create_dir(&directory).unwrap();
    let actions = "time,what\n2026-11-24T06:40:00Z,\"Say \"\"update\"\"\nnow\"\n";
    let actions = scratch.file("actions.csv", actions);
    let mut records = String::new();
    for name in [
        "dl-1.update.example.org",
        "dl-2.update.example.org",
        "aus.thunderbird.net",
        "update.mozilla.org",
        "update.example.org",
    ] {
        records += &flow(MANUAL, name, DAY + 60, 9_000_000, &[]);
    }
    let records = scratch.file("records.jsonl", records);
    let output = directory.join("learned.toml");
    let flags = [
        "learn",
        "--manual",
        MANUAL,
        "--actions",
        &actions,
        "--output",
        output.to_str().unwrap(),
        &records,
    ];
    let (code, out, err) = patchspan(&flags, b"");
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", ""));
    let text = std::fs::read_to_string(&output).unwrap();
    assert!(
        text.contains("patterns = [\"dl-*.update.example.org\"]"),
        "{text}"
    );
    assert!(text.contains("TO DO"), "{text}");
    let (code, _, err) = patchspan(&["catalogue", "check", directory.to_str().unwrap()], b"");
    assert_eq!((code, err.as_str()), (0, ""), "{text}");
    // What was adopted is known.
    let flags = [
        "--manual",
        MANUAL,
        "--catalogue",
        directory.to_str().unwrap(),
        &records,
    ];
    let (_, value) = json_of(&flags);
    assert_eq!(value["learn"]["candidates"], json!([]));
}

/// Half of a fortnight: a host that asks four servers every six hours.
fn week(begin: i64, names: &[(&str, u64, &str)]) -> String {
    let mut lines = String::new();
    for number in 0..28 {
        for (place, (name, bytes, alias)) in names.iter().enumerate() {
            let start = begin + number * 21_600 + i64::try_from(place).unwrap() * 700;
            lines += &flow(AUTO, name, start, *bytes, &[*name, *alias]);
        }
    }
    lines
}

#[test]
fn a_fortnight_later_it_tells_what_is_new_gone_and_changed() {
    let scratch = Scratch::new("learn-fortnight");
    let before = [
        ("updates.steady.example", 5_000, "a.cdn-one.example"),
        ("update.leaving.example", 5_000, "b.cdn-one.example"),
        ("download.moving.example", 700_000, "c.cdn-one.example"),
        ("upgrade.growing.example", 5_000, "d.cdn-one.example"),
        ("aus5.mozilla.org", 4_000, "e.cdn-one.example"),
    ];
    let after = [
        ("updates.steady.example", 5_400, "a7.cdn-one.example"),
        ("update.arriving.example", 5_000, "b.cdn-one.example"),
        ("download.moving.example", 700_000, "c.cdn-two.example"),
        ("upgrade.growing.example", 9_000_000, "d.cdn-one.example"),
    ];
    let first = scratch.file("first.jsonl", week(DAY, &before));
    let second = scratch.file("second.jsonl", week(DAY + 14 * 86_400, &after));
    let (code, old) = json_of(&["--auto", AUTO, &first]);
    assert_eq!(code, 0);
    let old = scratch.file("old.json", old.to_string());
    let (code, value) = json_of(&["--auto", AUTO, "--against", &old, &second]);
    assert_eq!(code, 7);
    let changes = value["learn"]["changes"].as_array().unwrap().iter();
    let changes: Vec<(&str, &str)> = changes
        .map(|one| {
            (
                one["what"].as_str().unwrap(),
                one["pattern"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        changes,
        [
            ("new", "update.arriving.example"),
            ("gone", "update.leaving.example"),
            ("gone", "aus5.mozilla.org"),
            ("aliases", "download.moving.example"),
            ("role", "upgrade.growing.example"),
            ("volume", "upgrade.growing.example"),
        ]
    );
    let (code, out, _) = patchspan(
        &[
            "learn",
            "--auto",
            AUTO,
            "--against",
            &old,
            "--format",
            "table",
            &second,
        ],
        b"",
    );
    assert_eq!(code, 7);
    assert!(
        out.contains("gone: aus5.mozilla.org (mozilla/firefox/check), check; 28 contacts before"),
        "{out}"
    );
    // The same again: nothing changed.
    let (code, _) = json_of(&["--auto", AUTO, "--against", &old, &first]);
    assert_eq!(code, 0);
}

#[test]
fn a_directory_of_the_catalogue_is_compared_too() {
    let scratch = Scratch::new("learn-directory");
    let directory = scratch.0.join("catalogue");
    std::fs::create_dir(&directory).unwrap();
    let endpoint = |id: &str, name: &str| {
        format!("[[product.endpoint]]\nid = \"{id}\"\nrole = \"check\"\npatterns = [\"{name}\"]\n")
    };
    let file = format!(
        "[vendor]\nid = \"v\"\n[[product]]\nid = \"p\"\ntitle = \"P\"\nsecurity = \"yes\"\n{}{}",
        endpoint("a", "updates.steady.example"),
        endpoint("b", "update.leaving.example")
    );
    std::fs::write(directory.join("v.toml"), file).unwrap();
    let directory = directory.to_str().unwrap();
    let records = week(
        DAY,
        &[
            ("updates.steady.example", 5_000, "x.example"),
            ("update.arriving.example", 5_000, "y.example"),
        ],
    );
    let records = scratch.file("records.jsonl", records);
    let flags = [
        "--auto",
        AUTO,
        "--catalogue",
        directory,
        "--against",
        directory,
        &records,
    ];
    let (code, value) = json_of(&flags);
    assert_eq!(code, 7);
    let changes = value["learn"]["changes"].as_array().unwrap().iter();
    let changes: Vec<_> = changes
        .map(|one| {
            (
                one["what"].as_str().unwrap(),
                one["pattern"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        changes,
        [
            ("new", "update.arriving.example"),
            ("gone", "update.leaving.example")
        ]
    );
}

#[test]
fn wrong_files_and_flags_have_their_exit_codes() {
    let scratch = Scratch::new("learn-wrong");
    let records = scratch.file("records.jsonl", flow(AUTO, "a.example", DAY, 1, &[]));
    let actions = scratch.file("actions.csv", "time,what\nsoon,x\n");
    let run = |flags: &[&str]| {
        let (code, _, err) = patchspan(&[&["learn"], flags].concat(), b"");
        (code, err)
    };
    assert_eq!(run(&[&records]).0, 2);
    assert_eq!(run(&["--auto", "pc", &records]).0, 2);
    assert_eq!(run(&["--auto", AUTO, "--manual", AUTO, &records]).0, 2);
    assert_eq!(run(&["--auto", AUTO, "--without", "nobody", &records]).0, 2);
    let (code, err) = run(&["--auto", AUTO, "--actions", &actions, &records]);
    assert_eq!(code, 3);
    assert!(err.contains("actions.csv:2: time `soon`"), "{err}");
    assert_eq!(run(&["--auto", AUTO, "--against", &records, &records]).0, 3);
    assert_eq!(run(&["--auto", AUTO, "/nonexistent"]).0, 4);
    let broken = scratch.file(
        "broken.jsonl",
        format!("{}{{\n", flow(AUTO, "a.example", DAY, 1, &[])),
    );
    let (code, err) = run(&["--auto", AUTO, &broken]);
    assert_eq!(code, 4);
    assert!(err.contains("broken.jsonl:2:"), "{err}");
}

#[test]
fn what_cannot_be_learned_from_is_told() {
    let scratch = Scratch::new("learn-told");
    let records = scratch.file("records.jsonl", flow(AUTO, "a.example", DAY, 1, &[]));
    let run = |flags: &[&str]| patchspan(&[&["learn"], flags].concat(), b"");
    // Hosts that are not there.
    let absent = "192.0.2.99";
    let (code, _, err) = run(&["--auto", AUTO, "--manual", absent, &records]);
    assert_eq!(code, 0);
    assert_eq!(
        err,
        format!(
            "patchspan: warning: the input has no name that {absent} (--manual) had to do with\n"
        )
    );
    // Actions of nobody.
    let actions = scratch.file("actions.csv", "time,what\n2026-11-24T06:40:00Z,x\n");
    let (_, _, err) = run(&["--auto", AUTO, "--actions", &actions, &records]);
    assert!(err.contains("1 actions name no host"), "{err}");
    let (_, _, err) = run(&["--manual", AUTO, "--actions", &actions, &records]);
    assert_eq!(err, "");
    // Neither host.
    let (code, _, err) = run(&[&records]);
    assert_eq!(code, 2);
    assert!(err.contains("--auto") && err.contains("--manual"), "{err}");
    // What is no capture gives no lesson.
    let other = scratch.file("notes.pcap", "These are notes, and no capture.\n");
    for format in ["toml", "json", "table"] {
        let (code, out, err) = run(&["--auto", AUTO, "--format", format, &other]);
        assert_eq!((code, out.as_str()), (4, ""), "{err}");
    }
}

#[test]
fn a_person_reads_which_host_and_which_words() {
    let scratch = Scratch::new("learn-words");
    let request = json!({
        "timestamp": at(DAY), "event_type": "http", "src_ip": MANUAL,
        "http": {
            "hostname": "203.0.113.90", "length": 1_000,
            "url": "/filestreamingservice/files/25d1e0a0-1111-2222-3333-444455556666",
        },
    });
    let alias = flow(
        MANUAL,
        "a.vendor.example",
        DAY,
        900,
        &["a.vendor.example", "update.cdn.example"],
    );
    let records = scratch.file("records.jsonl", format!("{request}\n{alias}"));
    let flags = [
        "learn", "--manual", MANUAL, "--format", "table", "--least", "-99", &records,
    ];
    let (code, out, err) = patchspan(&flags, b"");
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains(&format!("\n  {MANUAL} 20")), "{out}");
    assert!(
        out.contains("alias_words: update, cdn in update.cdn.example\n"),
        "{out}"
    );
}

#[test]
fn a_known_server_is_not_like_itself() {
    let catalogue = Catalogue::embedded().unwrap();
    let known = Known::new(&catalogue, HashSet::new());
    for (pattern, id) in catalogue.patterns() {
        let (NamePattern::Exact(name), true) = (
            pattern,
            catalogue.endpoint(id).unwrap().role.opens_session(),
        ) else {
            continue;
        };
        let like = known.likeness(&name);
        assert_ne!(like, Some(Likeness::Name(name.clone())), "{name}");
    }
    // Another one may be like it, and is.
    let like = known.likeness("aus6.mozilla.org");
    assert!(matches!(like, Some(Likeness::Name(_))), "{like:?}");
}

/// Points that a name has by itself where the catalogue does not know its vendor.
fn points(known: &Known<'_>, name: &str) -> i32 {
    let like = match known.likeness(name) {
        Some(Likeness::Name(_)) => 26,
        Some(Likeness::Domain(_)) => 8,
        None => 0,
    };
    words::of_name(name).0 + like
}

#[test]
fn names_tell_most_servers_of_vendors_that_are_not_known() {
    const ENOUGH: i32 = 20;
    let catalogue = Catalogue::embedded().unwrap();
    let vendor = |rule: &str| rule.split('/').next().unwrap().to_owned();
    let rules: Vec<_> = catalogue
        .patterns()
        .filter_map(|(pattern, id)| {
            let endpoint = catalogue.endpoint(id)?;
            let NamePattern::Exact(name) = pattern else {
                return None;
            };
            endpoint
                .role
                .opens_session()
                .then(|| (vendor(&endpoint.rule), name))
        })
        .collect();
    let vendors: BTreeSet<&String> = rules.iter().map(|(vendor, _)| vendor).collect();
    let mut told = 0;
    for one in vendors {
        let known = Known::new(&catalogue, HashSet::from([one.clone()]));
        let names = rules.iter().filter(|(vendor, _)| vendor == one);
        told += names
            .filter(|(_, name)| points(&known, name) >= ENOUGH)
            .count();
    }
    let known = Known::new(&catalogue, HashSet::new());
    let all = no_updates();
    let wrong = all
        .iter()
        .filter(|name| points(&known, name) >= ENOUGH)
        .count();
    println!(
        "{told} of {} names of update servers have {ENOUGH} points or more, {wrong} of {} others",
        rules.len(),
        all.len()
    );
    assert!(told * 100 >= rules.len() * 60, "{told} of {}", rules.len());
    assert!(wrong * 100 <= all.len() * 4, "{wrong} of {}", all.len());
}
