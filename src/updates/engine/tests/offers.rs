//! Whether there was an update.

use super::{CHECK, DOWNLOAD, MIRROR, burst, catalogue, exchange, get, question, run};
use crate::updates::Fact;
use crate::updates::fact::Exchange;

/// `offered` and its evidence, of each session.
fn offers(facts: &[Fact]) -> Vec<(&'static str, Vec<&'static str>)> {
    let (_, sessions) = run(facts);
    let told = sessions.into_iter();
    told.map(|session| (session.offered.as_str(), session.offered_evidence))
        .collect()
}

/// A small answer to a check, on plain HTTP.
fn answered(path: &str, body: &str) -> Exchange {
    Exchange {
        body: body.as_bytes().to_vec(),
        ..get(path, 200, body.len() as u64, body.len() as u64)
    }
}

#[test]
fn a_question_that_is_told_before_the_check_counts() {
    // The burst of the check is told at its pause, the question at once.
    let check = burst(CHECK, 1, 0.0, 2.0, 9_000);
    let asked = Fact::Asked(question(DOWNLOAD, 3.0));
    assert_eq!(
        offers(&[asked, check.clone()]),
        [("yes", vec!["download_asked"])]
    );
    let asked_before = Fact::Asked(question(DOWNLOAD, -1.0));
    assert_eq!(offers(&[asked_before, check]), [("unknown", vec![])]);
}

#[test]
fn only_where_every_answer_says_no_there_was_none() {
    const PATH: &str = "/debian/dists/stable/InRelease";
    let unchanged = || exchange(MIRROR, 1, 0.0, get(PATH, 304, 0, 0));
    let changed = || exchange(MIRROR, 1, 1.0, get(PATH, 200, 5_000, 5_000));
    let moved = || exchange(MIRROR, 1, 1.0, get(PATH, 302, 200, 200));
    assert_eq!(offers(&[unchanged()]), [("no", vec!["not_modified"])]);
    assert_eq!(
        offers(&[unchanged(), moved()]),
        [("no", vec!["not_modified"])]
    );
    assert_eq!(offers(&[unchanged(), changed()]), [("unknown", vec![])]);
}

#[test]
fn an_empty_list_is_no_update_and_another_answer_tells_nothing() {
    const AUS: &str = "aus5.mozilla.org";
    let told = |body| offers(&[exchange(AUS, 1, 0.0, answered("/update/3/GMP/", body))]);
    assert_eq!(told("<updates></updates>"), [("no", vec!["empty_answer"])]);
    assert_eq!(
        told("<updates><update version=\"9\"/></updates>"),
        [("unknown", vec![])]
    );
    assert_eq!(told("whatever"), [("unknown", vec![])]);
    let nothing = exchange(AUS, 1, 0.0, get("/update/3/GMP/", 204, 0, 0));
    assert_eq!(offers(&[nothing]), [("no", vec!["empty_answer"])]);
}

#[test]
fn a_check_as_large_as_usual_offers_nothing() {
    let day = 86_400.0;
    let check = |number: u32, bytes| {
        let start = f64::from(number) * day;
        burst(CHECK, u64::from(number) + 1, start, start + 1.0, bytes)
    };
    let told = offers(&[
        check(0, 9_000),
        check(1, 9_010),
        check(2, 9_004),
        check(3, 9_008),
        check(4, 9_700),
        check(5, 1_000),
    ]);
    let (unknown, no) = (("unknown", vec![]), ("no", vec!["usual_size"]));
    assert_eq!(
        told,
        [
            unknown.clone(),
            unknown.clone(),
            unknown.clone(),
            no,
            unknown.clone(),
            unknown
        ],
        "three make a habit; more may be an offer, far less is a check of another kind"
    );
}

#[test]
fn a_client_with_large_checks_needs_a_larger_burst_for_a_download() {
    let endpoint = catalogue();
    let endpoint = endpoint.endpoint(endpoint.find(MIRROR).unwrap()).unwrap();
    assert!(endpoint.by_volume, "check and payload share the name");
    let day = 86_400.0;
    let facts = |check: u64| {
        let checks = (0..4_u32).map(|number| {
            let start = f64::from(number) * day;
            burst(MIRROR, u64::from(number), start, start + 1.0, check)
        });
        let mut facts: Vec<Fact> = checks.collect();
        facts.push(burst(MIRROR, 9, 9.0 * day, 9.0 * day + 1.0, 900_000));
        facts
    };
    let last = |check| run(&facts(check)).0.last().unwrap().verdict.as_str();
    assert_eq!(last(10_000), "downloaded");
    assert_eq!(last(60_000), "checked");
}

#[test]
fn a_client_that_always_checks_has_a_session_an_hour() {
    let checks: Vec<Fact> = (0..30_u32)
        .map(|number| {
            let start = f64::from(number) * 300.0;
            burst(CHECK, u64::from(number), start, start + 1.0, 9_000)
        })
        .collect();
    let checked = |facts: &[Fact]| -> Vec<u64> {
        let sessions = run(facts).1.into_iter();
        sessions.map(|session| session.checks).collect()
    };
    assert_eq!(checked(&checks), [12, 12, 6]);
}
