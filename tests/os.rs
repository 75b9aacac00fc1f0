//! Which operating system each client of the stored captures is taken for.
//!
//! All of them are Debian 12; those that play another system do so by programs. So a guess is right where it is Debian or its family,
//! and what is only played may be told as what is played, but never be trusted: the stack contradicts.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Capture, of_kind, on_every_capture, records, replay, text};
use serde_json::Value;

/// What clients in a capture play that is not theirs, and by what: capture, system, how.
const PLAYED: &[(&str, &str, &str)] = &[
    (
        "delivery-optimization",
        "windows",
        "curl with the User-Agent of Delivery Optimization",
    ),
    (
        "resolved-only",
        "windows",
        "a question for a name of Windows",
    ),
    ("wsus", "windows", "curl with User-Agents of Windows"),
    (
        "peer-cache",
        "windows",
        "curl that asks for names of Windows",
    ),
    (
        "prototype-host-b",
        "windows",
        "curl with the User-Agent of Windows Update, and its names",
    ),
    (
        "windows-unchanged",
        "windows",
        "curl with User-Agents of Windows, and its names",
    ),
    (
        "windows-update",
        "windows",
        "curl with User-Agents of Windows, and its names",
    ),
];

/// Captures in which something of every client is seen that tells more than its family: system and version.
const KNOWN: &[(&str, &str, &str)] = &[
    ("apt", "debian", "12"),
    ("apt-cacher", "debian", "12"),
    ("apt-unchanged", "debian", "12"),
];

/// What is wrong with the guess `os` of a client in a capture.
fn wrong(capture: &str, os: &Value) -> Option<String> {
    let (name, confidence) = (text(&os["name"]), text(&os["confidence"]));
    if name.is_empty() {
        return None;
    }
    let is_right = ["linux", "debian"].contains(&name.as_str());
    let is_played = PLAYED
        .iter()
        .any(|(of, system, _)| (*of, *system) == (capture, &name));
    let is_possible = is_right || (is_played && confidence == "low");
    let is_version_right = !is_right || ["", "12"].contains(&text(&os["version"]).as_str());
    (!is_possible || !is_version_right).then(|| os.to_string())
}

fn guesses(capture: &Capture, flags: &[&str]) -> Vec<(String, Value)> {
    let all = records(&replay(
        &capture.path,
        &[flags, &["--events", "update_session,coverage"]].concat(),
    ));
    let bodies = ["update_session", "coverage"]
        .map(|kind| of_kind(&all, kind).map(move |record| &record[kind]));
    let told = bodies.into_iter().flatten();
    told.map(|body| (text(&body["client"]), body["os"].clone()))
        .collect()
}

#[test]
fn no_client_of_the_stored_captures_is_taken_for_what_it_is_not() {
    let found = on_every_capture(|capture| {
        let guesses = guesses(capture, &[]).into_iter();
        let wrong = guesses
            .filter_map(|(client, os)| Some(format!("{client}: {}", wrong(&capture.name, &os)?)));
        wrong.collect()
    });
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn what_a_capture_shows_of_a_system_is_told() {
    let captures = common::captures();
    for (name, system, version) in KNOWN {
        let capture = captures
            .iter()
            .find(|capture| capture.name == *name)
            .unwrap();
        let guesses = guesses(capture, &[]);
        assert!(!guesses.is_empty(), "{name}");
        for (client, os) in guesses {
            assert_eq!(
                (text(&os["name"]), text(&os["version"])),
                ((*system).to_owned(), (*version).to_owned()),
                "{name} {client}"
            );
            assert_eq!(
                (&os["confidence"], &os["mixed"]),
                (&Value::from("medium"), &Value::from(false)),
                "{name}"
            );
        }
    }
    for (name, system, _) in PLAYED {
        let capture = captures
            .iter()
            .find(|capture| capture.name == *name)
            .unwrap();
        for (client, os) in guesses(capture, &[]) {
            assert_eq!(text(&os["name"]), *system, "{name} {client}");
            // Where nothing but a question told it, no connection says otherwise.
            let evidence = os["evidence"].to_string();
            assert!(
                evidence.contains("syn_differs") || evidence == r#"["question"]"#,
                "{name} {client}"
            );
        }
    }
}

#[test]
fn a_proxy_is_not_taken_for_its_clients() {
    let captures = common::captures();
    let capture = captures
        .iter()
        .find(|capture| capture.name == "proxy-both-legs")
        .unwrap();
    let guesses = guesses(capture, &[]);
    let proxy = guesses
        .iter()
        .find(|(client, _)| client == "198.51.100.80")
        .unwrap();
    assert!(
        proxy.1["evidence"].to_string().contains("relay"),
        "{:?}",
        proxy.1
    );
}

#[test]
fn the_number_of_workers_changes_no_guess() {
    for capture in common::captures().iter().filter(|capture| {
        [
            "apt",
            "windows-update",
            "proxy-both-legs",
            "dual-stack",
            "host-evidence",
        ]
        .contains(&capture.name.as_str())
    }) {
        let one = guesses(capture, &["--workers", "1"]);
        assert!(!one.is_empty());
        for workers in ["2", "4"] {
            assert_eq!(
                guesses(capture, &["--workers", workers]),
                one,
                "{}",
                capture.name
            );
        }
    }
}
