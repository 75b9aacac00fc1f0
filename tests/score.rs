//! `patchspan score` from outside: what it prints, and its exit codes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/program.rs"]
mod program;

use patchspan::offline::score::truth::{OFFERED, ROLES, VERDICTS};
use patchspan::updates::catalogue::Role;
use patchspan::updates::verdict::{Offered, Verdict};
use program::{Scratch, patchspan};

const TRUTH: &str = r#"{"scenario":"apt","client":"198.51.100.7","product":"debian/apt","role":"check","verdict":"checked","offered":"yes","fqdn":"ftp.jp.debian.org","transport":"http","start":START_CHECK}
{"scenario":"apt","client":"198.51.100.7","product":"debian/apt","role":"download","verdict":"downloaded","offered":"yes","fqdn":"ftp.jp.debian.org","transport":"http","start":START_DOWNLOAD,"payloads":[{"kind":"deb","value":"sample-tool_1.0-1_amd64"},{"kind":"deb","value":"sample-library_1.0-1_amd64"}]}
"#;

/// Records of the stored capture of apt, and its truth by the server's log.
fn apt() -> (String, String) {
    let (code, records, _) = patchspan(
        &[
            "replay",
            "--events",
            "update,update_session",
            "pcaps/apt.pcap.zst",
        ],
        b"",
    );
    assert_eq!(code, 0);
    let known = std::fs::read_to_string("pcaps/apt.truth.json").unwrap();
    let known: serde_json::Value = serde_json::from_str(&known).unwrap();
    let first = |part: &str| {
        let accesses = known["accesses"].as_array().unwrap().iter();
        let found = accesses.filter(|access| access["url"].as_str().unwrap().contains(part));
        found
            .map(|access| access["start"].as_f64().unwrap())
            .reduce(f64::min)
            .unwrap()
    };
    let truth = TRUTH
        .replace("START_CHECK", &first("/dists/").to_string())
        .replace("START_DOWNLOAD", &first("/pool/").to_string());
    (truth, records)
}

#[test]
fn a_real_run_of_apt_is_told_rightly() {
    let scratch = Scratch::new("score-apt");
    let (truth, records) = apt();
    let truth = scratch.file("truth.jsonl", truth);
    let flags = [
        "score",
        "--min-precision",
        "100",
        "--min-recall",
        "100",
        &truth,
        "-",
    ];
    let (code, out, err) = patchspan(&flags, records.as_bytes());
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(
        out.contains("payload ids: 2 fetched, 2 of them told, 0 told"),
        "{out}"
    );
    assert!(out.contains("unfounded, by confidence: none"), "{out}");
}

#[test]
fn what_falls_short_is_10_and_is_named() {
    let scratch = Scratch::new("score-short");
    let (truth, records) = apt();
    let lied = truth.replacen("\"verdict\":\"checked\"", "\"verdict\":\"refused\"", 1);
    let truth = scratch.file("truth.jsonl", lied);
    let records = scratch.file("records.jsonl", records);
    let flags = [
        "score",
        "--min-recall",
        "60",
        "--least",
        "1",
        &truth,
        &records,
    ];
    let (code, out, err) = patchspan(&flags, b"");
    assert_eq!(code, 10, "{out}");
    let expected = "all: recall is 50.00 %, asked for is 60 %\ndebian, http, check: recall is 0.00 %, asked for is 60 %\n";
    assert_eq!(err, expected);
    assert!(out.contains("refused -> checked"), "{out}");
    let flags = [
        "score", "--format", "json", "--roles", "download", &truth, &records,
    ];
    let (code, out, _) = patchspan(&flags, b"");
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, value["all"]["counts"]["found"].as_u64()),
        (0, Some(1))
    );
}

#[test]
fn compressed_files_are_read_and_broken_lines_are_4() {
    let scratch = Scratch::new("score-broken");
    let (truth, records) = apt();
    let packed = scratch.file(
        "records.jsonl.zst",
        zstd::encode_all(records.as_bytes(), 1).unwrap(),
    );
    let truth = scratch.file("truth.jsonl", format!("{truth}{{\"client\":\"192.0"));
    let (code, out, err) = patchspan(&["score", &truth, &packed], b"");
    assert_eq!(code, 4);
    assert!(err.contains("truth.jsonl:3: EOF while parsing"), "{err}");
    assert!(out.contains("debian, http, download"), "{out}");
    let standard = zstd::encode_all(records.as_bytes(), 1).unwrap();
    assert_eq!(
        patchspan(&["score", &truth, "-"], &standard),
        (code, out, err)
    );
    let (code, _, err) = patchspan(&["score", "--min-recall", "99", "/dev/null", "-"], b"");
    assert!(code == 4 && err.contains("nothing was measured"), "{err}");
    let (code, _, err) = patchspan(&["score", "-", "/dev/null"], b"3\n");
    assert!(
        code == 4 && err.contains("expected an object with client, product"),
        "{err}"
    );
    let (code, _, err) = patchspan(&["score", &truth, "/nonexistent"], b"");
    assert!(
        code == 4 && err.contains("/nonexistent cannot be read"),
        "{err}"
    );
    for flags in [
        &["score", "-", "-"][..],
        &["score", &truth, &packed, &truth],
    ] {
        assert_eq!(patchspan(flags, b"").0, 2);
    }
}

#[test]
fn the_words_of_a_truth_line_are_those_of_the_program() {
    let roles = Role::WORDS.iter().filter(|(role, _)| *role != Role::Ignore);
    assert!(roles.map(|(_, word)| *word).eq(ROLES));
    let verdicts = Verdict::ALL
        .iter()
        .filter(|word| **word != Verdict::Downloading);
    let mut verdicts: Vec<&str> = verdicts.map(|word| word.as_str()).collect();
    let mut known = VERDICTS.to_vec();
    verdicts.sort_unstable();
    known.sort_unstable();
    assert_eq!(verdicts, known);
    let offered: Vec<&str> = Offered::ALL.iter().map(|word| word.as_str()).collect();
    assert_eq!(offered, OFFERED);
}
