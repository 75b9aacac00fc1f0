//! Truth and records one can read.

use super::report::Demand;
use super::truth::Truth;
use super::*;

const DEMAND: Demand = Demand {
    precision: Some(99.0),
    recall: Some(99.0),
    least: 2,
};

fn options() -> Options {
    Options {
        tolerance: Duration::from_secs(5),
        roles: ["check", "download"].map(str::to_owned).into(),
        transports: BTreeSet::new(),
        most_cases: 10,
    }
}

fn judged(truth: &str, records: &str) -> Score {
    let mut score = Score::new(options());
    take_in(&mut score, 1, truth, records);
    score
}

fn take_in(score: &mut Score, pair: usize, truth: &str, records: &str) -> [Reading; 2] {
    let input = |text: &str| {
        let bytes = text.as_bytes().to_vec();
        move || Ok(Input::new(io::Cursor::new(bytes)))
    };
    score.take_in(pair, input(truth), input(records)).unwrap()
}

/// A truth line; `more` are further keys.
fn truth(product: &str, role: &str, second: u32, verdict: &str, more: &str) -> String {
    format!(
        r#"{{"client":"192.0.2.7","product":"{product}","role":"{role}","verdict":{verdict},"fqdn":"a.example","start":"2026-01-02T03:04:{second:02}.0+0000","transport":"tls","scenario":"s"{more}}}"#
    ) + "\n"
}

/// A final record of an access.
fn told(product: &str, role: &str, second: u32, verdict: &str, confidence: &str) -> String {
    let (vendor, name) = product.split_once('/').unwrap();
    format!(
        r#"{{"event_type":"update","update":{{"id":"{product}{role}{second}","rev":1,"final":true,"client":"192.0.2.7","vendor":"{vendor}","product":"{name}","role":"{role}","verdict":"{verdict}","confidence":"{confidence}","fqdn":"a.example","name_source":"tls","start":"2026-01-02T03:04:{second:02}.5+0000","session":"{product}"}}}}"#
    ) + "\n"
}

fn session(product: &str, offered: &str) -> String {
    format!(
        r#"{{"event_type":"update_session","update_session":{{"id":"{product}","rev":1,"offered":"{offered}","payload_ids":[{{"kind":"kb","value":"KB1000000"}}]}}}}"#
    ) + "\n"
}

#[test]
fn an_access_and_its_record_may_differ_in_transport() {
    let by = |line: String, transport| line.replace("tls", transport);
    let truth = by(truth("a/b", "check", 1, "\"checked\"", ""), "quic")
        + &truth("a/c", "check", 3, "\"checked\"", "");
    let records = told("a/b", "check", 1, "checked", "high")
        + &by(told("a/c", "check", 3, "checked", "high"), "quic");
    for transport in ["quic", "tls"] {
        let mut score = Score::new(Options {
            transports: [transport.to_owned()].into(),
            ..options()
        });
        take_in(&mut score, 1, &truth, &records);
        assert_eq!(whats(&score), [] as [&str; 0]);
        let counts = score.cells.values().next().unwrap();
        assert_eq!((counts.expected, counts.found, counts.told), (1, 1, 1));
    }
}

fn whats(score: &Score) -> Vec<&'static str> {
    score.cases.iter().map(|case| case.what).collect()
}

#[test]
fn what_is_told_as_it_was_is_right() {
    let truths = truth(
        "v/p",
        "check",
        10,
        r#""checked""#,
        r#","offered":["no","unknown"]"#,
    );
    let records = told("v/p", "check", 10, "checked", "high") + &session("v/p", "unknown");
    let score = judged(&truths, &records);
    let expected = Counts {
        expected: 1,
        found: 1,
        told: 1,
        right: 1,
        ..Counts::default()
    };
    assert_eq!(score.total(), expected);
    assert_eq!(whats(&score), [""; 0]);
    assert!(score.shortfalls(&DEMAND).is_empty());
}

#[test]
fn each_error_has_its_word_and_counts_once_on_each_side() {
    for (verdict, offered, what) in [
        ("partial", "yes", "verdict"),
        ("downloaded", "no", "offered"),
    ] {
        let truths = truth(
            "v/p",
            "download",
            10,
            r#""downloaded""#,
            r#","offered":"yes""#,
        );
        let records = told("v/p", "download", 10, verdict, "high") + &session("v/p", offered);
        let score = judged(&truths, &records);
        assert_eq!(whats(&score), [what]);
        let counts = score.total();
        assert_eq!((counts.expected, counts.found, counts.missed), (1, 0, 0));
        assert_eq!((counts.told, counts.right, counts.wrong()), (1, 0, 1));
    }
    let one = truth("v/p", "check", 10, r#""checked""#, "");
    let role = judged(&one, &told("v/p", "download", 10, "downloaded", "low"));
    assert_eq!(whats(&role), ["role"]);
    let product = judged(&one, &told("v/q", "check", 10, "checked", "medium"));
    assert_eq!(whats(&product), ["product"]);
    assert_eq!(product.unfounded["medium"], 1);
    let apart = judged(&one, &told("v/p", "check", 20, "checked", "high"));
    assert_eq!(whats(&apart), ["missed", "invented"]);
    assert_eq!(apart.unfounded["high"], 1);
    assert_eq!(apart.shortfalls(&DEMAND).len(), 2);
}

#[test]
fn an_access_has_one_record_and_that_the_nearest() {
    let truths = truth("v/p", "check", 10, r#""checked""#, "");
    let records = told("v/p", "check", 12, "checked", "high")
        + &told("v/p", "check", 10, "unanswered", "high");
    assert_eq!(whats(&judged(&truths, &records)), ["verdict", "invented"]);
}

#[test]
fn what_need_not_be_told_is_only_wrong_where_it_is_sure() {
    for (expect, product, confidence, excused, right) in [
        ("may", "v/p", "high", 0, 1),
        ("cannot_tell", "v/p", "high", 1, 0),
        ("cannot_tell", "v/q", "medium", 1, 0),
        ("cannot_tell", "v/q", "high", 0, 0),
        ("never_confident", "v/p", "medium", 1, 0),
        ("never_confident", "v/p", "high", 0, 0),
    ] {
        let more = format!(r#","expect":"{expect}""#);
        let truths = truth("v/p", "check", 10, r#""checked""#, &more);
        assert_eq!(judged(&truths, "").total(), Counts::default(), "{expect}");
        let score = judged(&truths, &told(product, "check", 10, "checked", confidence));
        let counts = score.total();
        let case = format!("{expect} {product} {confidence}");
        assert_eq!(
            (counts.excused, counts.right, counts.expected),
            (excused, right, 0),
            "{case}"
        );
        assert_eq!(counts.told, 1 - excused, "{case}");
        assert_eq!(whats(&score).len() as u64, 1 - excused - right, "{case}");
    }
}

#[test]
fn the_highest_revision_counts() {
    let truths = truth("v/p", "download", 10, r#""downloaded""#, "");
    let first = told("v/p", "download", 10, "downloading", "high");
    let last =
        told("v/p", "download", 10, "downloaded", "high").replace(r#""rev":1"#, r#""rev":2"#);
    for records in [format!("{first}{last}"), format!("{last}{first}")] {
        assert_eq!(whats(&judged(&truths, &records)), [""; 0]);
    }
}

#[test]
fn payload_ids_are_compared_over_a_session() {
    let payload =
        r#","payloads":[{"kind":"kb","value":"KB1000000"},{"kind":"kb","value":"KB2000000"}]"#;
    let truths = truth("v/p", "download", 10, r#""downloaded""#, payload);
    let records = told("v/p", "download", 10, "downloaded", "high") + &session("v/p", "yes");
    let payloads = judged(&truths, &records).payloads;
    assert_eq!(
        (payloads.fetched, payloads.told, payloads.invented),
        (2, 1, 0)
    );
    let other = session("v/p", "yes").replace("KB1", "KB3");
    let payloads = judged(
        &truths,
        &(told("v/p", "download", 10, "downloaded", "high") + &other),
    )
    .payloads;
    assert_eq!(
        (payloads.fetched, payloads.told, payloads.invented),
        (2, 0, 1)
    );
}

#[test]
fn lines_that_make_no_sense_are_told_and_left_out() {
    let good = truth("v/p", "check", 10, r#""checked""#, "");
    let wrong = [
        "{",
        "[]",
        "{}",
        &truth("vp", "check", 10, r#""checked""#, ""),
        &truth("v/p", "chek", 10, r#""checked""#, ""),
        &truth("v/p", "check", 10, r#""downloading""#, ""),
        &truth("v/p", "check", 10, "[]", ""),
        &truth("v/p", "check", 10, r#""checked""#, r#","expect":"perhaps""#),
        &truth("v/p", "check", 61, r#""checked""#, ""),
        &good.replace("192.0.2.7", "nobody"),
        &good.replace("a.example", &"a".repeat(2_000)),
    ];
    for line in wrong {
        let mut score = Score::new(options());
        let [truths, records] =
            take_in(&mut score, 1, &format!("{line}\n{good}\n"), "no record\n\n");
        assert_eq!(
            (truths.problems.len(), records.problems.len()),
            (1, 1),
            "{line}"
        );
        assert_eq!(score.total().missed, 1, "{line}");
    }
    let seconds = good.replace(r#""2026-01-02T03:04:10.0+0000""#, "1767323050.25");
    let start = Truth::parse(1, seconds.as_bytes()).unwrap().start;
    assert_eq!(start.as_nanos(), 1_767_323_050_250_000_000);
}

#[test]
fn shares_have_the_bounds_of_wilson() {
    let all = tally::Share::of(300, 300);
    assert!((all.at_least - 98.7356).abs() < 1e-3, "{}", all.at_least);
    let half = tally::Share::of(5, 10);
    assert!((half.at_least - 23.6593).abs() < 1e-3, "{}", half.at_least);
    assert_eq!(tally::Share::of(0, 0).at_least, 0.0);
}

#[test]
fn several_runs_add_up_and_the_list_of_cases_is_bounded() {
    let mut score = Score::new(options());
    for pair in 1..=12 {
        take_in(
            &mut score,
            pair,
            &truth("v/p", "check", 10, r#""checked""#, ""),
            "",
        );
    }
    assert_eq!(score.total().missed, 12);
    assert_eq!((score.cases.len(), score.more_cases), (10, 2));
    let text = score.text(&DEMAND);
    assert!(
        text.contains("v, tls, check") && text.contains("and 2 more"),
        "{text}"
    );
    assert_eq!(score.json(&DEMAND)["all"]["counts"]["missed"], 12);
}
