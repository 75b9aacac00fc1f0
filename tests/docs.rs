//! `docs/records.md` against the schemas, the closed lists and what the program writes; links of all documents.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "support/keys.rs"]
mod keys;
#[path = "support/schema.rs"]
mod schema;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use keys::{Key, written, written_kinds};
use patchspan::records::line::{Scratch, write_line};
use patchspan::records::schema::Form;
use patchspan::records::stats::Loss;
use patchspan::records::time::TimeText;
use patchspan::records::{Header, Kind, Style};
use patchspan::types::Timestamp;
use patchspan::updates::catalogue::Role;
use patchspan::updates::coverage::Blind;
use patchspan::updates::os::System;
use patchspan::updates::os::weigh::WORDS;
use patchspan::updates::verdict::{Confidence, Evidence, Offered, Outcome, Verdict};
use serde_json::Value;

const RECORDS: &str = include_str!("../docs/records.md");
const COMMON: &str = "Common keys";

/// What stands below the heading `title` of `level`, up to the next one of that level or above.
fn section(level: &str, title: &str) -> &'static str {
    let heading = format!("\n{level} {title}\n");
    let start = RECORDS
        .find(&heading)
        .unwrap_or_else(|| panic!("no heading `{title}`"));
    let rest = &RECORDS[start + heading.len()..];
    let ends = ["\n## ", "\n### "].into_iter().take(level.len() - 1);
    let end = ends.filter_map(|next| rest.find(next)).min();
    &rest[..end.unwrap_or(rest.len())]
}

/// Rows of the tables whose first column is called `column`: their cells without backticks.
fn rows(text: &str, column: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut is_wanted = false;
    let mut previous = "";
    for line in text.lines() {
        if line.starts_with("|---") {
            is_wanted = cells(previous).first().is_some_and(|cell| cell == column);
        } else if line.starts_with('|') && is_wanted {
            found.push(cells(line));
        } else {
            is_wanted = false;
        }
        previous = line;
    }
    found
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim_matches('|').split('|');
    inner
        .map(|cell| cell.trim().trim_matches('`').to_owned())
        .collect()
}

/// First cells of such rows.
fn firsts(text: &str, column: &str) -> BTreeSet<String> {
    let rows = rows(text, column).into_iter();
    rows.filter_map(|row| row.into_iter().next()).collect()
}

fn is_common(key: &Key) -> bool {
    const OWN: [&str; 4] = ["patchspan", "flow", "tcp", "app_proto"];
    let head = key.path.split(['.', '[']).next().unwrap_or_default();
    !OWN.contains(&head) && !Kind::ALL.iter().any(|kind| kind.as_str() == head)
}

/// What a row says of a key: path, type, whether it is always there.
type Said = (String, String, bool);

fn said(text: &str) -> BTreeSet<Said> {
    let rows = rows(text, "key").into_iter();
    let keys = rows.filter(|row| row.len() == 4 && row[1] != "word");
    keys.map(|row| (row[0].clone(), row[1].clone(), row[2] == "always"))
        .collect()
}

fn expected<'k>(keys: impl Iterator<Item = &'k Key>) -> BTreeSet<Said> {
    keys.map(|key| (key.path.clone(), key.form.clone(), key.is_always))
        .collect()
}

#[test]
fn every_kind_that_is_written_has_a_section_and_a_row_and_no_other() {
    let kinds: BTreeSet<String> = written_kinds().map(|kind| kind.to_string()).collect();
    let listed: BTreeSet<String> = rows(RECORDS, "kind")
        .iter()
        .filter_map(|row| row[0].strip_prefix("[`")?.split_once("`](#"))
        .map(|(kind, link)| {
            assert_eq!(format!("{kind})"), link);
            kind.to_owned()
        })
        .collect();
    assert_eq!(listed, kinds);
    kinds
        .iter()
        .for_each(|kind| assert!(!section("##", kind).is_empty()));
}

#[test]
fn every_key_that_is_written_has_a_row_with_its_type_and_no_other_has() {
    let mut common = BTreeSet::new();
    for kind in written_kinds() {
        let keys = written(kind);
        common.append(&mut expected(keys.iter().filter(|key| is_common(key))));
        let own = expected(keys.iter().filter(|key| !is_common(key)));
        assert_eq!(said(section("##", kind.as_str())), own, "{kind}");
    }
    assert_eq!(said(section("##", COMMON)), common);
}

#[test]
fn every_word_of_a_closed_list_stands_where_its_key_does() {
    for kind in written_kinds() {
        for key in written(kind) {
            let text = if is_common(&key) {
                RECORDS.to_owned()
            } else {
                // Lists that several kinds have stand where the first of them is.
                [kind.as_str(), "update", "update_session"]
                    .map(|kind| section("##", kind))
                    .concat()
            };
            for word in &key.words {
                assert!(
                    text.contains(&format!("`{word}`")),
                    "{kind} {}: {word}",
                    key.path
                );
            }
        }
    }
}

#[test]
fn the_closed_lists_are_those_of_the_program() {
    let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let words = |kind: Kind, path: &str| -> BTreeSet<String> {
        let keys = written(kind).into_iter();
        keys.filter(|key| key.path == path)
            .flat_map(|key| key.words)
            .collect()
    };
    let roles = Role::WORDS.iter().filter(|(role, _)| *role != Role::Ignore);
    let roles: Vec<&str> = roles.map(|(_, word)| *word).collect();
    let verdicts: Vec<&str> = Verdict::ALL.iter().map(|word| word.as_str()).collect();
    let evidence: Vec<&str> = Evidence::ALL.iter().map(|word| word.as_str()).collect();
    let outcomes: Vec<&str> = Outcome::ALL.iter().map(|word| word.as_str()).collect();
    let offered: Vec<&str> = Offered::ALL.iter().map(|word| word.as_str()).collect();
    let blind = words(Kind::Coverage, "coverage.blind");
    let told = Blind::ALL.iter().map(|word| word.as_str());
    assert!(told.into_iter().all(|word| blind.contains(word)));
    let lists: [(&str, &str, BTreeSet<String>); 11] = [
        ("Roles", "role", set(&roles)),
        ("Verdicts", "verdict", set(&verdicts)),
        ("Evidence", "word", set(&evidence)),
        ("Outcomes", "outcome", set(&outcomes)),
        ("Blind", "word", blind),
        ("Offered", "offered", set(&offered)),
        ("Operating systems", "os evidence", set(&WORDS)),
        (
            "Name sources",
            "source",
            words(Kind::Update, "update.name_source"),
        ),
        (
            "Payloads",
            "kind",
            words(Kind::Update, "update.payload_id.kind"),
        ),
        (
            "Sources of a binding",
            "source",
            words(Kind::ClientBinding, "client_binding.source"),
        ),
        ("Tunnels", "pkt_src", words(Kind::Dns, "pkt_src")),
    ];
    for (title, column, list) in lists {
        assert_eq!(firsts(section("###", title), column), list, "{title}");
    }
    let systems: Vec<&str> = System::all()
        .filter(|system| system.told() == *system)
        .map(System::as_str)
        .collect();
    assert_eq!(
        words(Kind::UpdateSession, "update_session.os.name"),
        set(&systems)
    );
    let confidence = rows(section("###", "Confidence"), "rule").into_iter();
    let confidence: BTreeSet<String> = confidence.map(|row| row[1].clone()).collect();
    let all: Vec<&str> = Confidence::ALL.iter().map(|word| word.as_str()).collect();
    assert_eq!(confidence, set(&all));
    let offered = rows(section("###", "Offered"), "offered").into_iter();
    let evidence: BTreeSet<String> = offered
        .map(|row| row[2].clone())
        .filter(|word| word != "none")
        .collect();
    assert_eq!(
        evidence,
        words(Kind::UpdateSession, "update_session.offered_evidence")
    );
}

/// Names of counters below `value`, with dots.
fn counters(value: &Value, name: &str, found: &mut BTreeSet<String>) {
    match value.as_object() {
        Some(members) => members.iter().for_each(|(key, member)| {
            let dot = if name.is_empty() { "" } else { "." };
            counters(member, &format!("{name}{dot}{key}"), found);
        }),
        None => {
            found.insert(name.to_owned());
        }
    }
}

#[test]
fn every_counter_that_a_replay_writes_has_a_row_and_no_other() {
    let records = common::records(&common::replay(Path::new("pcaps/curl-http.pcap"), &[]));
    for kind in ["stats", "patchspan_stats"] {
        let record = common::of_kind(&records, kind).next().unwrap();
        let mut found = BTreeSet::new();
        counters(&record[kind], "", &mut found);
        assert_eq!(firsts(section("##", kind), "counter"), found, "{kind}");
    }
}

/// Every example of a section: the capture that it is from, where it is from one, and the line.
fn examples(text: &str) -> Vec<(Option<&str>, &str)> {
    let parts: Vec<&str> = text.split("```json\n").collect();
    let pairs = parts.windows(2).map(|pair| {
        let above = pair[0].trim_end().lines().next_back().unwrap_or_default();
        let capture = above
            .strip_prefix("From `")
            .and_then(|rest| rest.strip_suffix("`:"));
        (capture, pair[1].lines().next().unwrap_or_default())
    });
    pairs.collect()
}

#[test]
fn each_example_is_a_line_that_the_program_writes_for_the_capture_named() {
    for kind in written_kinds().filter(|kind| *kind != Kind::Loss) {
        let examples = examples(section("##", kind.as_str()));
        assert!(!examples.is_empty(), "{kind} has no example");
        for (capture, line) in examples {
            schema::check(Form::Full, line).unwrap();
            let path = capture.unwrap_or_else(|| panic!("{kind}: no capture is named"));
            // As it is written by default: what is not asked for is not counted either.
            let lines = common::replay(Path::new(path), &[]);
            assert!(
                lines.lines().any(|written| written == line),
                "{path}: {line}"
            );
        }
    }
}

#[test]
fn the_example_of_loss_is_what_its_writer_writes() {
    let at = |seconds: i64, nanos| Timestamp::from_seconds(1_767_323_045 + seconds, nanos);
    let loss = Loss {
        what: "lines",
        place: "full",
        count: 1_204,
        start: at(0, 678_901_000),
        end: at(1, 912_345_000),
    };
    let header = Header {
        timestamp: at(2, 0),
        kind: Kind::Loss,
        flow: None,
        packet: None,
    };
    let (style, mut time, mut buffer) = (Style::default(), TimeText::default(), Vec::new());
    write_line(&mut buffer, &mut Scratch::default(), |line| {
        header.write(line, &style, &mut time);
        loss.write(line, &style, &mut time);
    });
    let written = String::from_utf8(buffer).unwrap();
    schema::check_lines(Form::Full, &written);
    assert_eq!(
        examples(section("##", "loss")),
        [(None, written.trim_end())]
    );
}

/// Every document below `docs`.
fn documents(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let found = entries.flat_map(|entry| {
        let path = entry.unwrap().path();
        match path.extension() {
            _ if path.is_dir() => documents(&path),
            Some(extension) if extension == "md" => vec![path],
            _ => Vec::new(),
        }
    });
    found.collect()
}

/// How a heading is called in a link.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn what_documents_link_to_is_there() {
    let documents = documents(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs"));
    assert!(!documents.is_empty());
    for document in documents {
        let text = std::fs::read_to_string(&document).unwrap();
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => document.clone(),
                _ => document.with_file_name(file),
            };
            assert!(target.exists(), "{document:?}: {link}");
            if !place.is_empty() {
                let text = std::fs::read_to_string(&target).unwrap();
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                let is_there =
                    headings.any(|line| anchor(line.trim_start_matches('#').trim()) == place);
                assert!(is_there, "{document:?}: {link}");
            }
        }
    }
}
