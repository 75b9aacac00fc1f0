//! Whether there was an update.

use super::{CAB, CHECK, DOWNLOAD, MIRROR, burst, catalogue, exchange, get, question, run};
use crate::updates::Fact;
use crate::updates::fact::{Answer, Exchange};

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

#[test]
fn what_a_name_was_asked_for_turns_out_by_its_path() {
    const OMAHA: &str = "update.googleapis.com";
    const FILES: &str = "edgedl.me.gvt1.com";
    let asked = || Fact::Asked(question(FILES, 3.0));
    let check = || burst(OMAHA, 1, 0.0, 2.0, 4_000);
    let chrome = |path: &str| {
        let file = exchange(FILES, 2, 4.0, get(path, 200, 900_000, 900_000));
        let (_, sessions) = run(&[asked(), file, check()]);
        let of_chrome = |session: &&super::super::super::output::Session| {
            let product = catalogue();
            let product = product.product_of(session.endpoint).unwrap().id.clone();
            product == "chrome-omaha-updater"
        };
        let session = sessions.iter().find(of_chrome).unwrap();
        (session.offered.as_str(), session.outcome.as_str())
    };
    let component = "/edgedl/release2/chrome_component/a_1/b_1.crx3";
    assert_eq!(chrome(component), ("unknown", "checked"));
    let list = "/whatever/list.txt";
    assert_eq!(chrome(list), ("unknown", "checked"));
    let installer = "/edgedl/release2/chrome/a_118.0.5993.71/118.0.5993.71_chrome_installer.exe";
    assert_eq!(chrome(installer), ("yes", "downloaded"));
    let yes = [("yes", vec!["download_asked"])];
    assert_eq!(offers(&[asked(), check()]), yes);
    let of_another = Fact::Asked(question("redirector.gvt1.com", 3.5));
    let file = exchange(FILES, 2, 4.0, get(component, 200, 900_000, 900_000));
    let offer = offers(&[asked(), of_another, file, check()]);
    assert!(offer.contains(&yes[0]), "another name: {offer:?}");
}

#[test]
fn a_late_answer_asks_nothing_anew() {
    const FILES: &str = "edgedl.me.gvt1.com";
    let component = "/edgedl/release2/chrome_component/a_1/b_1.crx3";
    let answer = |time| {
        Fact::Answered(Answer {
            question: question(FILES, time),
            chain: vec![FILES.to_owned()],
            addresses: Vec::new(),
            is_cut: false,
        })
    };
    let told = offers(&[
        Fact::Asked(question(FILES, 3.0)),
        answer(3.1),
        exchange(FILES, 2, 4.0, get(component, 200, 900_000, 900_000)),
        answer(5.0),
        burst("update.googleapis.com", 1, 0.0, 2.0, 4_000),
    ]);
    assert!(told.contains(&("unknown", vec![])), "{told:?}");
}

#[test]
fn a_hash_list_of_a_file_says_that_the_file_is_wanted() {
    let list = "/filestreamingservice/files/0a/pieceshash";
    let told = offers(&[
        Fact::Asked(question(DOWNLOAD, 3.0)),
        exchange(DOWNLOAD, 2, 4.0, get(list, 200, 24_000, 24_000)),
        burst(CHECK, 1, 0.0, 2.0, 9_000),
    ]);
    assert_eq!(told, [("yes", vec!["download_asked"])]);
}

#[test]
fn a_file_that_the_client_has_already_is_no_offer() {
    let check = || burst(CHECK, 1, 0.0, 2.0, 9_000);
    let unmodified = || exchange(DOWNLOAD, 2, 10.0, get(CAB, 304, 0, 0));
    assert_eq!(
        offers(&[check(), unmodified()]),
        [("no", vec!["file_not_modified"])]
    );
    let told = [("yes", vec!["download_contact"])];
    for status in [302, 503] {
        let other = exchange(DOWNLOAD, 2, 11.0, get(CAB, status, 0, 0));
        assert_eq!(offers(&[check(), unmodified(), other.clone()]), told);
        assert_eq!(offers(&[check(), other]), told);
    }
    let elsewhere = Fact::Asked(question("au.download.windowsupdate.com", 3.0));
    assert_eq!(offers(&[elsewhere, check(), unmodified()]), told);
    let fetched = exchange(DOWNLOAD, 2, 11.0, get(CAB, 200, 90_000, 90_000));
    assert_eq!(offers(&[check(), unmodified(), fetched]), told);
}

#[test]
fn usual_checks_say_nothing_of_a_server_that_gives_files_alone() {
    let day = 86_400.0;
    let check = |number: u32| {
        let start = f64::from(number) * day;
        burst(CHECK, u64::from(number) + 1, start, start + 1.0, 600_000)
    };
    let (start, bytes) = (3.0 * day, 6_000_000);
    let fetched = burst(DOWNLOAD, 9, start, start + 1.0, bytes);
    let (accesses, _) = run(&[check(0), check(1), check(2), fetched]);
    assert_eq!(accesses.last().unwrap().verdict.as_str(), "downloaded");
}

#[test]
fn a_large_check_where_files_come_from_the_same_server_is_no_sure_one() {
    const FLATHUB: &str = "dl.flathub.org";
    let trust = |bytes| {
        let (accesses, _) = run(&[burst(FLATHUB, 1, 0.0, 1.0, bytes)]);
        (
            accesses[0].verdict.as_str(),
            accesses[0].confidence.as_str(),
        )
    };
    assert_eq!(trust(60_000), ("checked", "high"));
    assert_eq!(trust(900_000), ("checked", "medium"));
    assert_eq!(trust(3_000_000), ("downloaded", "medium"));
}

#[test]
fn what_may_have_been_fetched_is_not_told_as_left_alone() {
    let check = || burst(CHECK, 1, 0.0, 2.0, 9_000);
    let told = |pieces: &[u64]| {
        let pieces = pieces.iter().zip(0_u32..).map(|(bytes, number)| {
            let start = 10.0 + 6.0 * f64::from(number);
            burst(DOWNLOAD, 2, start, start + 1.0, *bytes)
        });
        let facts: Vec<Fact> = std::iter::once(check()).chain(pieces).collect();
        let (accesses, sessions) = run(&facts);
        let access = accesses.iter().find(|access| access.flow_id == 2).unwrap();
        let (verdict, trust) = (access.verdict.as_str(), access.confidence.as_str());
        (verdict, trust, sessions[0].outcome.as_str())
    };
    assert_eq!(told(&[150_000]), ("checked", "high", "offered"));
    let pieces = [150_000; 20];
    assert_eq!(told(&pieces), ("checked", "medium", "checked"));
    assert_eq!(
        told(&[0]),
        ("checked", "low", "checked"),
        "the client alone"
    );
}

#[test]
fn a_list_of_certificates_is_no_offer_and_of_many_names_late_answers_are_none() {
    const LIST: &str = "/msdownload/update/v3/static/trustedr/en/authrootstl.cab";
    let check = || burst(CHECK, 1, 0.0, 2.0, 9_000);
    let told = offers(&[
        Fact::Asked(question(DOWNLOAD, 3.0)),
        exchange(DOWNLOAD, 2, 4.0, get(LIST, 200, 70_000, 70_000)),
        check(),
    ]);
    assert_eq!(told, [("unknown", vec![])]);
    let names: Vec<String> = (0..20)
        .map(|number| format!("{number}.au.download.windowsupdate.com"))
        .collect();
    let facts = names.iter().zip(0_u32..).flat_map(|(name, number)| {
        let start = 3.0 + f64::from(number) / 10.0;
        let list = exchange(name, 2, start + 0.01, get(LIST, 200, 70_000, 70_000));
        [Fact::Asked(question(name, start)), list]
    });
    let mut facts: Vec<Fact> = facts.collect();
    facts.extend(names.iter().map(|name| {
        Fact::Answered(Answer {
            question: question(name, 6.0),
            chain: vec![name.clone()],
            addresses: Vec::new(),
            is_cut: false,
        })
    }));
    facts.push(check());
    assert_eq!(offers(&facts), [("unknown", vec![])]);
}
