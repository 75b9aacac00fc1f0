//! From lines to a lesson.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::lesson::Lesson;
use super::observed::Kind;
use super::*;
use crate::records::time;
use crate::types::Timestamp;

const AUTO: &str = "192.0.2.20";
const MANUAL: &str = "192.0.2.21";
const BEGIN: i64 = 1_795_000_000;
const LARGE: u64 = 256 << 10;

fn at(seconds: i64) -> String {
    time::text(Timestamp::from_seconds(BEGIN + seconds, 0))
}

fn flow(client: &str, name: &str, seconds: i64, bytes: u64) -> Value {
    json!({
        "timestamp": at(seconds), "event_type": "flow", "src_ip": client, "flow": {"start": at(seconds)},
        "patchspan": {
            "handshake": "complete", "fqdn": {"name": name, "source": "tls"},
            "delivered": {"toclient": bytes, "toserver": 500},
        },
    })
}

fn options(actions: &[(i64, &str)]) -> Options {
    let pc = |kind, address: &str| Pc {
        kind,
        addresses: vec![address.parse::<IpAddr>().unwrap()],
    };
    let action = |(seconds, what): &(i64, &str)| Action {
        time: Timestamp::from_seconds(BEGIN + seconds, 0),
        host: None,
        what: (*what).to_owned(),
    };
    Options {
        pcs: vec![pc(Kind::Auto, AUTO), pc(Kind::Manual, MANUAL)],
        actions: actions.iter().map(action).collect(),
        window: Duration::from_secs(300),
        large: LARGE,
        without: HashSet::new(),
        least: -1_000,
        top: 1_000,
    }
}

fn learned(actions: &[(i64, &str)], records: &[Value]) -> Lesson {
    let mut learner = Learner::new(options(actions));
    let text: String = records.iter().map(|record| format!("{record}\n")).collect();
    let reading = learner
        .read(Input::new(io::Cursor::new(text.into_bytes())))
        .unwrap();
    assert!(reading.is_whole(), "{reading:?}");
    learner.conclude(&Catalogue::embedded().unwrap())
}

fn score(lesson: &Lesson, pattern: &str) -> i32 {
    let mut found = lesson
        .candidates
        .iter()
        .filter(|one| one.pattern == pattern);
    found
        .next()
        .unwrap_or_else(|| panic!("{pattern}: {lesson:?}"))
        .score
}

#[test]
fn what_follows_an_action_weighs_more_than_what_does_not() {
    let actions = [(36_000, "Editor"), (72_000, "Editor")];
    let mut records = Vec::new();
    for (start, _) in actions {
        records.push(flow(MANUAL, "quiet.vendor.example", start + 20, 4_000));
        records.push(flow(MANUAL, "other.site.example", start - 9_000, 4_000));
    }
    records.push(flow(MANUAL, "other.site.example", 86_400, 4_000));
    let lesson = learned(&actions, &records);
    assert!(score(&lesson, "quiet.vendor.example") >= THRESHOLD);
    assert!(score(&lesson, "other.site.example") < 10);
    assert_eq!(lesson.candidates[0].after.as_deref(), Some("Editor"));
    // Without the actions, nothing sets it apart.
    let without = learned(&[], &records);
    assert!(score(&without, "quiet.vendor.example") < THRESHOLD);
}

#[test]
fn regular_contacts_of_the_host_that_updates_itself_count() {
    let regular = (0..8).map(|number| {
        flow(
            AUTO,
            "a.vendor.example",
            number * 21_600 + number % 3 * 300,
            4_000,
        )
    });
    let irregular = [0, 900, 30_000, 31_500, 90_000, 91_000, 140_000];
    let irregular = irregular.map(|start| flow(AUTO, "b.site.example", start, 4_000));
    let lesson = learned(&[], &regular.chain(irregular).collect::<Vec<_>>());
    let difference = score(&lesson, "a.vendor.example") - score(&lesson, "b.site.example");
    assert!(difference >= 18, "{lesson:?}");
}

#[test]
fn names_that_everybody_has_are_ranked_down() {
    let mut records = vec![
        flow(AUTO, "a.example.com", 0, 4_000),
        flow(AUTO, "b.example.com", 0, 4_000),
    ];
    for number in 1..=9 {
        let client = format!("192.0.2.{number}");
        records.push(flow(&client, "a.example.com", 50, 4_000));
    }
    let lesson = learned(&[], &records);
    assert_eq!(
        score(&lesson, "b.example.com") - score(&lesson, "a.example.com"),
        16
    );
    assert_eq!(lesson.candidates[1].others.with, 9);
}

#[test]
fn roles_follow_volume_and_a_known_server_is_no_candidate() {
    let mut records = vec![
        flow(AUTO, "x.vendor.example", 0, 5_000),
        flow(AUTO, "y.vendor.example", 5, 90_000_000),
        flow(AUTO, "aus5.mozilla.org", 0, 5_000),
        flow(AUTO, "www.msftconnecttest.com", 0, 500),
    ];
    records.extend((0..3).map(|number| flow(AUTO, "z.vendor.example", number * 3_600, 5_000)));
    records.push(flow(AUTO, "z.vendor.example", 9_000, 900_000));
    let lesson = learned(&[], &records);
    let role = |pattern: &str| {
        let found = lesson
            .candidates
            .iter()
            .find(|one| one.pattern == pattern)
            .unwrap();
        (found.role.as_str(), found.by_volume)
    };
    assert_eq!(role("x.vendor.example"), ("check", false));
    assert_eq!(role("y.vendor.example"), ("download", false));
    assert_eq!(role("z.vendor.example"), ("check", true));
    assert_eq!(
        lesson.known[0].rule.as_deref(),
        Some("mozilla/firefox/check")
    );
    assert!(score(&lesson, "www.msftconnecttest.com") < -40);
}

#[test]
fn an_id_is_tied_to_what_the_host_was_doing() {
    let id = "25d1e0a0-1111-2222-3333-444455556666";
    let request = json!({
        "timestamp": at(1_090), "event_type": "http", "src_ip": MANUAL,
        "http": {"hostname": "203.0.113.90", "url": format!("/filestreamingservice/files/{id}?P1=1"), "length": 1_000},
    });
    let named = json!({
        "timestamp": at(1_080), "event_type": "update",
        "update": {"client": MANUAL, "start": at(1_080), "payload_id": {"kind": "kb", "value": "KB1"}},
    });
    let records = [flow(MANUAL, "aus5.mozilla.org", 1_060, 900), request, named];
    let lesson = learned(&[(1_000, "Windows Update")], &records);
    let [file] = &lesson.files[..] else {
        panic!("{lesson:?}")
    };
    let action = file.action.as_ref().unwrap();
    assert_eq!(
        (file.id.as_str(), file.server.as_str()),
        (id, "203.0.113.90")
    );
    assert_eq!(
        (action.what.as_str(), action.delay_s),
        ("Windows Update", 90)
    );
    assert_eq!(file.check.as_ref().unwrap().delay_s, 30);
    assert_eq!(file.beside, ["kb KB1"]);
}

#[test]
fn hosts_with_the_same_system_count() {
    let mut records = vec![flow(AUTO, "a.vendor.example", 0, 900)];
    for number in 1..=8 {
        let client = format!("192.0.2.{number}");
        let name = if number <= 4 {
            "a.vendor.example"
        } else {
            "b.site.example"
        };
        records.push(flow(&client, name, 0, 900));
    }
    let system = |client: &str, name: &str| json!({"event_type": "coverage", "timestamp": at(0), "coverage": {"client": client, "os": {"name": name}}});
    records.push(system(AUTO, "windows"));
    records.extend((1..=4).map(|number| system(&format!("192.0.2.{number}"), "windows")));
    records.extend((5..=8).map(|number| system(&format!("192.0.2.{number}"), "ubuntu")));
    let lesson = learned(&[], &records);
    let evidence = &lesson.candidates[0].evidence;
    let same = evidence
        .iter()
        .find(|one| one.what == "same_system")
        .unwrap();
    assert_eq!(same.points, 14);
}

#[test]
fn a_replays_output_is_the_same_in_any_pieces() {
    let records: Vec<_> = (0..20)
        .map(|number| flow(AUTO, &format!("a{number}.b{number}.example"), number, 9))
        .collect();
    let text: String = records.iter().map(|record| format!("{record}\n")).collect();
    let expected = learned(&[], &records).json(None);
    for size in [1, 7, 300, 100_000] {
        let mut learner = Learner::new(options(&[]));
        text.as_bytes()
            .chunks(size)
            .for_each(|piece| learner.piece(piece));
        let lesson = learner.conclude(&Catalogue::embedded().unwrap());
        assert_eq!(lesson.json(None), expected, "{size}");
    }
}

#[test]
fn lines_that_make_no_sense_have_their_place_and_other_kinds_are_counted() {
    let mut learner = Learner::new(options(&[]));
    let text = "{\"event_type\":\"client_binding\"}\n\n[]\n{\"event_type\":\"flow\",\"src_ip\":\"x\"}\n{\"event_type\":\"dns\"}\nnot JSON\n";
    let reading = learner
        .read(Input::new(io::Cursor::new(text.as_bytes().to_vec())))
        .unwrap();
    let places: Vec<_> = reading
        .problems
        .iter()
        .filter_map(|problem| problem.split(':').next())
        .collect();
    assert_eq!(places, ["3", "4", "5", "6"], "{reading:?}");
    assert_eq!(learner.skipped, 1);
}

#[test]
fn tables_have_ceilings_and_tell_what_they_refused() {
    let mut learner = Learner::new(options(&[]));
    let mut reading = Reading::default();
    for number in 0..70_000 {
        let line = flow(AUTO, &format!("n{number}.example"), 0, 9).to_string();
        learner.line(number, line.as_bytes(), &mut reading);
    }
    let refused = learner.observed.refused;
    assert_eq!(learner.observed.names.len() as u64 + refused.names, 70_000);
    assert!(refused.names > 0);
}
