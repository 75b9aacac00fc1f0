//! The engine on scripted facts.

mod files;
mod hosts;
mod offers;
mod trust;

use std::sync::LazyLock;

use super::*;
use crate::types::{Endpoint, Protocol};
use crate::updates::catalogue::sources::InternalSource;
use crate::updates::fact::{Answer, Exchange, Failure, NameSource, Question};
use crate::updates::output::Access;
use crate::updates::verdict::{Offered, Outcome};

fn at(second: f64) -> Timestamp {
    Timestamp::from_nanos((second * 1e9) as i64)
}

fn endpoint(address: &str, port: u16) -> Endpoint {
    Endpoint {
        address: address.parse().unwrap(),
        port,
    }
}

fn catalogue() -> Arc<Catalogue> {
    static READ: LazyLock<Arc<Catalogue>> =
        LazyLock::new(|| Arc::new(Catalogue::embedded().unwrap()));

    Arc::clone(&READ)
}

fn contact(name: &str, flow_id: u64, start: f64) -> Arc<Contact> {
    Arc::new(Contact {
        flow_id,
        client: endpoint("192.0.2.20", 50_000),
        server: endpoint("203.0.113.9", 443),
        protocol: Protocol::TCP,
        start: at(start),
        endpoint: catalogue().find(name).unwrap(),
        name: name.to_owned(),
        source: NameSource::Tls,
        corroborated: true,
        chain: vec![name.to_owned()],
        answered: None,
        alternatives: Vec::new(),
        is_doubtful: false,
        is_elsewhere: false,
    })
}

fn burst(name: &str, flow_id: u64, start: f64, end: f64, bytes: u64) -> Fact {
    Fact::Activity(Activity {
        contact: contact(name, flow_id, start),
        start: at(start),
        end: at(end),
        time: at(end + 5.0),
        delivered_toclient: bytes,
        inferred_toclient: 0,
        largest_burst: bytes,
        bytes_toserver: 100,
        bytes_toclient: bytes + 100,
        is_ongoing: false,
        exchange: None,
    })
}

/// What a worker tells when a burst begins.
fn begun(burst: &Fact) -> Fact {
    let Fact::Activity(activity) = burst else {
        unreachable!()
    };
    Fact::Activity(Activity {
        time: activity.start,
        end: activity.start,
        largest_burst: 0,
        is_ongoing: true,
        ..activity.clone()
    })
}

fn exchange(name: &str, flow_id: u64, time: f64, exchange: Exchange) -> Fact {
    let Fact::Activity(activity) = burst(name, flow_id, time, time, exchange.body_bytes) else {
        unreachable!()
    };
    Fact::Activity(Activity {
        time: at(time),
        exchange: Some(Box::new(exchange)),
        ..activity
    })
}

fn get(path: &str, status: u16, length: u64, body: u64) -> Exchange {
    Exchange {
        method: b"GET".to_vec(),
        path: path.as_bytes().to_vec(),
        status: Some(status),
        content_length: Some(length),
        body_bytes: body,
        is_complete: body >= length,
        ..Exchange::default()
    }
}

fn range(path: &str, start: u64, end: u64, size: u64) -> Exchange {
    let range = crate::protocols::http::head::ContentRange {
        raw: Vec::new(),
        range: Some((start, end - 1)),
        size: Some(size),
    };
    Exchange {
        content_range: Some(range),
        ..get(path, 206, end - start, end - start)
    }
}

/// Verdict, role, start, confidence of each final access, then outcome and offer of each session.
fn run_steps(facts: &[Fact], step: f64) -> (Vec<Access>, Vec<super::super::output::Session>) {
    let mut engine = Engine::new(catalogue(), UpdateOptions::default());
    let (mut accesses, mut sessions) = (Vec::new(), Vec::new());
    let mut sink = |_: Cause, output| match output {
        Output::Access(access) => accesses.push(*access),
        Output::Session(session) => sessions.push(*session),
        Output::Binding(_) | Output::Coverage(_) => {}
    };
    for fact in facts {
        engine.fact(fact, &mut sink);
    }
    let mut now = facts
        .last()
        .map_or(0.0, |fact| fact.time().as_nanos() as f64 / 1e9);
    for _ in 0..(2_000.0 / step) as u32 {
        now += step;
        engine.advance(at(now), &mut sink);
    }
    engine.finish(at(now), &mut sink);
    (accesses, sessions)
}

fn run(facts: &[Fact]) -> (Vec<Access>, Vec<super::super::output::Session>) {
    let coarse = run_steps(facts, 1_000.0);
    assert_eq!(
        coarse,
        run_steps(facts, 1.0),
        "the result depends on how often one asks"
    );
    for access in coarse.0.iter().filter(|access| access.is_final) {
        assert_eq!(
            coarse
                .0
                .iter()
                .filter(|other| other.id == access.id && other.is_final)
                .count(),
            1
        );
    }
    coarse
}

fn verdicts(accesses: &[Access]) -> Vec<(&'static str, &'static str, &'static str)> {
    accesses
        .iter()
        .map(|access| {
            (
                access.role.as_str(),
                access.verdict.as_str(),
                access.confidence.as_str(),
            )
        })
        .collect()
}

const CHECK: &str = "fe2.update.microsoft.com";
const DOWNLOAD: &str = "download.windowsupdate.com";
const MIRROR: &str = "ftp.jp.debian.org";
const CAB: &str = "/c/msdownload/update/software/secu/2018/08/windows10.0-kb4343899-x64_0f1c.cab";

#[test]
fn a_check_and_then_a_download_are_two_accesses_of_one_session() {
    let (accesses, sessions) = run(&[
        burst(CHECK, 1, 0.0, 2.0, 80_000),
        exchange(DOWNLOAD, 2, 10.0, get(CAB, 200, 3_050_000, 3_050_000)),
    ]);
    assert_eq!(
        verdicts(&accesses),
        [
            ("check", "checked", "high"),
            ("download", "downloaded", "high")
        ]
    );
    assert_eq!(accesses[1].payloads[0].value, "KB4343899");
    assert_eq!(
        (accesses[1].bytes_expected, accesses[1].ranges_percent),
        (Some(3_050_000), Some(100))
    );
    assert_eq!(sessions.len(), 1);
    let session = &sessions[0];
    assert_eq!(
        (
            session.checks,
            session.downloads,
            session.outcome,
            session.offered
        ),
        (1, 1, Outcome::Downloaded, Offered::Yes)
    );
    assert_eq!(accesses[0].session, accesses[1].session);
}

#[test]
fn fifty_nine_seconds_are_one_access_sixty_one_are_two() {
    let facts = |gap: f64| {
        let second = burst(CHECK, 2, 1.0 + gap, 2.0 + gap, 1_000);
        [burst(CHECK, 1, 0.0, 1.0, 1_000), begun(&second), second]
    };
    assert_eq!(run(&facts(59.0)).0.len(), 1);
    assert_eq!(run(&facts(61.0)).0.len(), 2);
}

#[test]
fn ranges_over_connections_complete_a_file() {
    let (accesses, _) = run(&[
        exchange(DOWNLOAD, 1, 0.0, range(CAB, 0, 1_000_000, 3_000_000)),
        exchange(
            DOWNLOAD,
            2,
            1.0,
            range(CAB, 2_000_000, 3_000_000, 3_000_000),
        ),
    ]);
    assert_eq!(verdicts(&accesses), [("download", "partial", "high")]);
    assert_eq!(accesses[0].ranges_percent, Some(66));
    let (accesses, _) = run(&[
        exchange(DOWNLOAD, 1, 0.0, range(CAB, 0, 1_000_000, 2_000_000)),
        exchange(
            DOWNLOAD,
            2,
            4_000.0,
            range(CAB, 1_000_000, 2_000_000, 2_000_000),
        ),
    ]);
    assert_eq!(
        verdicts(&accesses),
        [
            ("download", "partial", "high"),
            ("download", "downloaded", "high")
        ]
    );
}

#[test]
fn what_gave_no_file_is_a_check() {
    let head = Exchange {
        method: b"HEAD".to_vec(),
        ..get(CAB, 200, 3_000_000, 0)
    };
    let page = Exchange {
        is_page: true,
        ..get(CAB, 200, 3_000, 3_000)
    };
    let nothing = Exchange {
        is_complete: true,
        ..get(CAB, 204, 0, 0)
    };
    let upload = Exchange {
        method: b"PUT".to_vec(),
        ..get(CAB, 200, 3_000_000, 3_000_000)
    };
    for (answer, word) in [
        (get(CAB, 304, 0, 0), "not_modified"),
        (get(CAB, 404, 9, 9), "http_error"),
        (page, "web_page"),
        (nothing, "http_path"),
        (upload, "http_path"),
        (head, "head_request"),
    ] {
        let (accesses, _) = run(&[exchange(DOWNLOAD, 1, 0.0, answer)]);
        assert_eq!(accesses[0].verdict, Verdict::Checked);
        assert!(
            accesses[0]
                .evidence
                .iter()
                .any(|evidence| evidence.as_str() == word),
            "{:?}",
            accesses[0].evidence
        );
    }
    let (accesses, _) = run(&[burst(DOWNLOAD, 1, 0.0, 1.0, 20_000)]);
    assert_eq!(accesses[0].verdict, Verdict::Checked);
}

#[test]
fn without_a_response_the_volume_tells() {
    let unseen = Exchange {
        method: b"GET".to_vec(),
        path: b"/pub/update.mar".to_vec(),
        ..Exchange::default()
    };
    let with_volume = |start: f64, bytes: u64, exchange: &Exchange| {
        let Fact::Activity(activity) = burst("download.mozilla.org", 1, start, start + 1.0, bytes)
        else {
            unreachable!()
        };
        Fact::Activity(Activity {
            exchange: Some(Box::new(exchange.clone())),
            ..activity
        })
    };
    let headless = Exchange {
        status: Some(200),
        body_bytes: 1_000,
        body_missing: 3_000_000,
        is_lost: true,
        ..unseen.clone()
    };
    let head = Exchange {
        method: b"HEAD".to_vec(),
        ..unseen.clone()
    };
    let facts = [
        with_volume(0.0, 4_000_000, &unseen),
        with_volume(100.0, 300, &unseen),
        with_volume(200.0, 4_000_000, &headless),
        with_volume(300.0, 4_000_000, &head),
    ];
    let (accesses, _) = run(&facts);
    let told: Vec<_> = accesses
        .iter()
        .map(|access| {
            let by_volume = access.evidence.contains(&Evidence::BurstVolume);
            (access.verdict.as_str(), by_volume)
        })
        .collect();
    let expected = [
        ("downloaded", true),
        ("checked", false),
        ("downloaded", true),
        ("checked", false),
    ];
    assert_eq!(told, expected);
    assert!(accesses[0].evidence.contains(&Evidence::Inferred));
    assert!(accesses[1].evidence.contains(&Evidence::BelowThreshold));
}

#[test]
fn ranges_whose_responses_were_lost_fill_what_is_missing() {
    let run_with = |lost: u64| {
        let path = "/pub/update.mar";
        let unseen = Exchange {
            method: b"GET".to_vec(),
            path: path.as_bytes().to_vec(),
            ..Exchange::default()
        };
        let Fact::Activity(by_volume) = burst("download.mozilla.org", 3, 2.0, 2.0, lost) else {
            unreachable!()
        };
        let facts = [
            exchange(
                "download.mozilla.org",
                1,
                0.0,
                range(path, 0, 1_000_000, 3_000_000),
            ),
            exchange(
                "download.mozilla.org",
                2,
                1.0,
                range(path, 2_000_000, 3_000_000, 3_000_000),
            ),
            Fact::Activity(Activity {
                exchange: Some(Box::new(unseen)),
                ..by_volume
            }),
        ];
        let (accesses, _) = run(&facts);
        let inferred = accesses[0].evidence.contains(&Evidence::Inferred);
        (
            accesses[0].verdict.as_str(),
            accesses[0].ranges_percent,
            inferred,
        )
    };
    assert_eq!(run_with(1_000_300), ("downloaded", Some(100), true));
    assert_eq!(run_with(200_000), ("partial", Some(73), false));
}

#[test]
fn without_a_request_the_response_tells_how_much_of_the_file_came() {
    let answer = |length, body| Exchange {
        method: Vec::new(),
        ..get("", 200, length, body)
    };
    let facts = [
        exchange("download.mozilla.org", 1, 0.0, answer(4_000_000, 4_000_000)),
        exchange(
            "download.mozilla.org",
            2,
            100.0,
            answer(5_000_000, 1_000_000),
        ),
    ];
    let (accesses, _) = run(&facts);
    let told: Vec<_> = accesses
        .iter()
        .map(|access| (access.verdict.as_str(), access.ranges_percent))
        .collect();
    assert_eq!(told, [("downloaded", Some(100)), ("partial", Some(20))]);
}

#[test]
fn one_host_checks_and_downloads_by_path() {
    let (accesses, sessions) = run(&[
        exchange(
            MIRROR,
            1,
            0.0,
            get("/debian/dists/stable/InRelease", 200, 9_000_000, 9_000_000),
        ),
        exchange(
            MIRROR,
            1,
            1.0,
            get("/debian/pool/main/c/curl/curl_1.deb", 200, 20_000, 20_000),
        ),
    ]);
    let mut seen = verdicts(&accesses);
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            ("check", "checked", "high"),
            ("download", "downloaded", "high")
        ]
    );
    assert_eq!(sessions.len(), 1);
}

#[test]
fn a_download_that_goes_on_is_told_once_before_its_end() {
    let Fact::Activity(large) = burst("download-installer.cdn.mozilla.net", 1, 0.0, 1.0, 400_000)
    else {
        unreachable!()
    };
    let begun = Fact::Activity(Activity {
        is_ongoing: true,
        time: at(1.0),
        ..large
    });
    let (accesses, _) = run(&[
        begun.clone(),
        begun,
        burst(
            "download-installer.cdn.mozilla.net",
            1,
            0.0,
            100.0,
            50_000_000,
        ),
    ]);
    let revisions: Vec<_> = accesses
        .iter()
        .map(|access| (access.revision, access.is_final, access.verdict.as_str()))
        .collect();
    assert_eq!(
        revisions,
        [(1, false, "downloading"), (2, true, "downloaded")]
    );
    assert_eq!(accesses[0].id, accesses[1].id);
}

pub(super) fn question(name: &str, time: f64) -> Question {
    Question {
        time: at(time),
        flow_id: 77,
        client: endpoint("192.0.2.20", 40_000),
        resolver: endpoint("192.0.2.53", 53),
        protocol: Protocol::UDP,
        endpoint: catalogue().find(name).unwrap(),
        name: name.to_owned(),
    }
}

fn answer(name: &str, time: f64, addresses: &[&str]) -> Fact {
    let addresses = addresses
        .iter()
        .map(|address| address.parse().unwrap())
        .collect();
    Fact::Answered(Answer {
        question: question(name, time),
        chain: vec![name.to_owned()],
        addresses,
        is_cut: false,
    })
}

#[test]
fn a_name_that_is_asked_and_not_contacted_is_resolved() {
    let (accesses, sessions) = run(&[
        Fact::Asked(question(CHECK, 0.0)),
        answer(CHECK, 0.1, &["203.0.113.9"]),
    ]);
    assert_eq!(verdicts(&accesses), [("check", "resolved", "medium")]);
    assert_eq!(accesses[0].reported, at(300.1));
    assert_eq!(
        (
            accesses[0].server.address.to_string().as_str(),
            accesses[0].flow_id
        ),
        ("203.0.113.9", 77)
    );
    assert!(sessions.is_empty());
    let (accesses, _) = run(&[Fact::Asked(question(CHECK, 0.0)), answer(CHECK, 0.1, &[])]);
    assert_eq!(accesses[0].evidence, [Evidence::NoAddress]);
}

#[test]
fn a_name_whose_answer_was_cut_may_have_been_contacted() {
    let Fact::Answered(mut cut) = answer(CHECK, 0.1, &[]) else {
        unreachable!()
    };
    cut.is_cut = true;
    let (accesses, _) = run(&[Fact::Asked(question(CHECK, 0.0)), Fact::Answered(cut)]);
    assert_eq!(verdicts(&accesses), [("check", "resolved", "low")]);
    assert!(accesses[0].evidence.is_empty());
}

#[test]
fn a_contact_uses_up_the_question() {
    let (accesses, _) = run(&[
        answer(CHECK, 0.1, &["203.0.113.9"]),
        burst(CHECK, 1, 1.0, 2.0, 9_000),
    ]);
    assert_eq!(verdicts(&accesses), [("check", "checked", "high")]);
    assert_eq!(accesses[0].asked, Some(at(0.1)));
    assert_eq!(accesses[0].addresses.len(), 1);
}

#[test]
fn another_way_to_the_same_name_makes_a_failure_a_fallback() {
    let failure = |time: f64| {
        Fact::Failed(Failure {
            contact: contact(CHECK, 9, time),
            refused: true,
            evidence: None,
            time: at(time),
            end: at(time),
            bytes_toserver: 180,
            bytes_toclient: 0,
        })
    };
    let (accesses, _) = run(&[failure(0.0)]);
    assert_eq!(verdicts(&accesses), [("check", "refused", "medium")]);
    let (accesses, _) = run(&[failure(0.0), burst(CHECK, 1, 1.0, 2.0, 9_000)]);
    assert_eq!(verdicts(&accesses), [("check", "checked", "high")]);
    assert!(accesses[0].evidence.contains(&Evidence::Fallback));
}

#[test]
fn a_name_that_is_asked_again_while_it_is_in_use_is_not_only_resolved() {
    let mut facts = vec![answer(CHECK, 0.1, &["203.0.113.9"])];
    for n in 0..8 {
        let start = 1.0 + 50.0 * f64::from(n);
        facts.push(burst(CHECK, 1, start, start + 1.0, 9_000));
    }
    facts.push(Fact::Asked(question(CHECK, 400.0)));
    facts.push(burst(CHECK, 1, 400.5, 401.0, 9_000));
    let (accesses, _) = run(&facts);
    assert_eq!(verdicts(&accesses), [("check", "checked", "high")]);
}

#[test]
fn a_transfer_that_is_slow_reaches_its_name_from_its_begin_on() {
    let slow = burst(DOWNLOAD, 1, 1.0, 400.0, 900_000);
    let refused = Fact::Failed(Failure {
        contact: contact(DOWNLOAD, 9, 0.5),
        refused: true,
        evidence: None,
        time: at(0.5),
        end: at(0.5),
        bytes_toserver: 180,
        bytes_toclient: 0,
    });
    let facts = [
        answer(DOWNLOAD, 0.1, &["203.0.113.9"]),
        refused,
        begun(&slow),
        slow,
    ];
    let (accesses, _) = run(&facts);
    let told: Vec<_> = accesses
        .iter()
        .map(|access| access.verdict.as_str())
        .collect();
    assert_eq!(told, ["downloaded"]);
}

#[test]
fn a_failure_that_is_told_after_a_burst_began_is_a_fallback() {
    let reached = burst(CHECK, 1, 1.0, 2.0, 9_000);
    let failed = Fact::Failed(Failure {
        contact: contact(CHECK, 9, 0.5),
        refused: true,
        evidence: None,
        time: at(1.5),
        end: at(0.5),
        bytes_toserver: 180,
        bytes_toclient: 0,
    });
    let asked = answer(CHECK, 0.1, &["203.0.113.9"]);
    let (accesses, _) = run(&[asked, begun(&reached), failed, reached]);
    assert_eq!(verdicts(&accesses), [("check", "checked", "high")]);
    assert!(accesses[0].evidence.contains(&Evidence::Fallback));
}

#[test]
fn a_claimed_name_is_never_trusted_highly() {
    let Fact::Activity(activity) = burst(CHECK, 1, 0.0, 1.0, 9_000) else {
        unreachable!()
    };
    let claimed = Contact {
        corroborated: false,
        ..(*activity.contact).clone()
    };
    let shared = Contact {
        source: NameSource::DnsShared,
        ..claimed.clone()
    };
    for (contact, confidence) in [(claimed, "medium"), (shared, "low")] {
        let fact = Fact::Activity(Activity {
            contact: Arc::new(contact),
            ..activity.clone()
        });
        assert_eq!(
            verdicts(&run(&[fact]).0),
            [("check", "checked", confidence)]
        );
    }
}

#[test]
fn connectivity_is_told_once_an_hour() {
    let name = "www.msftconnecttest.com";
    let facts: Vec<_> = (0..10)
        .map(|n| burst(name, n, n as f64 * 600.0, n as f64 * 600.0, 500))
        .collect();
    let (accesses, sessions) = run(&facts);
    let counts: Vec<_> = accesses
        .iter()
        .map(|access| (access.role.as_str(), access.count))
        .collect();
    assert_eq!(
        counts,
        [("connectivity", Some(6)), ("connectivity", Some(4))]
    );
    assert!(sessions.is_empty());
}

#[test]
fn a_new_day_does_not_split_an_access() {
    let midnight = 86_400.0;
    let (accesses, _) = run(&[
        burst(CHECK, 1, midnight - 5.0, midnight - 1.0, 900),
        burst(CHECK, 1, midnight + 8.0, midnight + 9.0, 900),
    ]);
    assert_eq!(accesses.len(), 1);
}

#[test]
fn clients_elsewhere_give_no_record() {
    let mut engine = Engine::new(
        catalogue(),
        UpdateOptions {
            local: "198.51.100.0/24".parse().unwrap(),
            ..UpdateOptions::default()
        },
    );
    engine.fact(&burst(CHECK, 1, 0.0, 1.0, 9_000), &mut |_, _| {
        panic!("a record")
    });
    engine.finish(at(1_000.0), &mut |_, _| panic!("a record"));
    assert_eq!(engine.counters().not_local, 1);
}

#[test]
fn what_is_open_takes_no_more_than_its_share() {
    let options = UpdateOptions {
        max_bytes: 1 << 20,
        ..UpdateOptions::default()
    };
    let mut engine = Engine::new(catalogue(), options);
    let mut written = 0;
    let mut count = |_: Cause, _: Output| written += 1;
    let Fact::Answered(mut answered) = answer(CHECK, 0.0, &["203.0.113.9"]) else {
        unreachable!()
    };
    let aliases = std::iter::repeat_n("a".repeat(1_000), 15);
    answered.chain.extend(aliases);
    for client in 0..500_u32 {
        answered.question.client.address = std::net::Ipv4Addr::from(client).into();
        engine.fact(&Fact::Answered(answered.clone()), &mut count);
        assert!(engine.bytes <= 1 << 20);
    }
    engine.fact(&burst(CHECK, 1, 10.0, 11.0, 9_000), &mut count);
    assert!((400..480).contains(&engine.counters().evicted));
    engine.finish(at(20.0), &mut count);
    assert_eq!((engine.bytes, written), (0, 502));
}

#[test]
fn every_flow_that_goes_on_is_counted_once() {
    let mut engine = Engine::new(catalogue(), UpdateOptions::default());
    let mut ignore = |_: Cause, _: Output| {};
    let whole = burst(CHECK, 1, 7.0, 8.0, 9_000);
    let of_flow = |fact: &Fact, flow_id: u64| {
        let Fact::Activity(mut activity) = fact.clone() else {
            unreachable!()
        };
        Arc::make_mut(&mut activity.contact).flow_id = flow_id;
        Fact::Activity(activity)
    };
    engine.fact(&burst(CHECK, 1, 0.0, 1.0, 9_000), &mut ignore);
    let before = engine.bytes;
    for flow in (2..2_002).chain(2..2_002) {
        engine.fact(&of_flow(&begun(&whole), flow), &mut ignore);
    }
    assert_eq!(engine.bytes, before + 2_000 * 16);
    for flow in 2..2_002 {
        engine.fact(&of_flow(&whole, flow), &mut ignore);
    }
    // What is left of them are the flows that the record names.
    assert!(engine.bytes <= before + 32 * 8);
}

#[test]
fn the_parts_of_files_take_no_more_than_their_share() {
    let options = UpdateOptions {
        max_bytes: 1 << 16,
        ..UpdateOptions::default()
    };
    let mut engine = Engine::new(catalogue(), options);
    let name = "download.windowsupdate.com";
    let Fact::Activity(mut activity) = exchange(name, 1, 0.0, Exchange::default()) else {
        unreachable!()
    };
    for number in 0..5_000_u32 {
        let path = format!("/c/msdownload/update/kb{:07}.cab", number / 10);
        let start = u64::from(number) * 10;
        activity.exchange = Some(Box::new(range(&path, start, start + 1, 1 << 20)));
        engine.fact(&Fact::Activity(activity.clone()), &mut |_, _| {});
        assert!(engine.file_bytes <= (1 << 16) + 4_096);
    }
    assert!((100..500).contains(&engine.files.len()));
    assert_eq!(engine.files.len(), engine.file_order.len());
}

/// Facts of a server that only the configuration knows.
fn run_at_a_relay(exchanges: &[Exchange]) -> Vec<Access> {
    let kind = &crate::updates::catalogue::sources::KINDS[0];
    let source = InternalSource {
        name: "wsus".to_owned(),
        kind,
        networks: "203.0.113.9".parse().unwrap(),
        patterns: Vec::new(),
        ports: vec![443],
        product: ("microsoft".to_owned(), "windows-update".to_owned()),
    };
    let catalogue = Arc::new(Catalogue::embedded().unwrap().with_sources(&[source]));
    let mut engine = Engine::new(Arc::clone(&catalogue), UpdateOptions::default());
    let mut accesses = Vec::new();
    let mut sink = |_: Cause, output| {
        if let Output::Access(access) = output {
            accesses.push(*access);
        }
    };
    for (number, exchange) in exchanges.iter().enumerate() {
        let time = 1.0 + number as f64;
        let contact = contact("aus5.mozilla.org", 1, 1.0);
        let fact = self::exchange("aus5.mozilla.org", 1, time, exchange.clone());
        let Fact::Activity(activity) = fact else {
            unreachable!()
        };
        let contact = Contact {
            endpoint: catalogue.find_at(None, contact.server).unwrap(),
            name: "203.0.113.9".to_owned(),
            source: NameSource::Address,
            corroborated: false,
            chain: Vec::new(),
            ..(*contact).clone()
        };
        let activity = Activity {
            contact: Arc::new(contact),
            ..activity
        };
        engine.fact(&Fact::Activity(activity), &mut sink);
    }
    engine.finish(at(1_000.0), &mut sink);
    accesses.sort_by_key(|access| access.start);
    accesses
}

#[test]
fn at_an_own_source_paths_tell_and_volume_where_they_do_not() {
    let told = |exchanges: &[Exchange]| -> Vec<(Role, &str, &str)> {
        let accesses = run_at_a_relay(exchanges);
        let told = accesses.iter();
        told.map(|access| {
            (
                access.role,
                access.verdict.as_str(),
                access.confidence.as_str(),
            )
        })
        .collect()
    };
    let check = (Role::Check, "checked", "high");
    let download = (Role::Download, "downloaded", "high");
    let (small, large) = (20_000, 900_000);
    let soap = get("/ClientWebService/client.asmx", 200, large, large);
    assert_eq!(told(&[soap]), [check], "a large answer is no file");
    let content = get("/Content/0A/00FF.cab", 200, small, small);
    assert_eq!(told(&[content]), [download], "a small file is one");
    let other = |bytes| get("/definitions.bin", 200, bytes, bytes);
    assert_eq!(told(&[other(small), other(large)]), [check, download]);
}

#[test]
fn what_is_told_late_is_not_reported_earlier() {
    // A burst of half an hour ago, told at the end of its flow, after others were.
    let late = match burst("aus5.mozilla.org", 1, 10.0, 20.0, 900) {
        Fact::Activity(activity) => Fact::Activity(Activity {
            time: at(1_815.03),
            ..activity
        }),
        other => other,
    };
    let facts = [burst("dl.google.com", 2, 1_700.0, 1_710.0, 900), late];
    let (accesses, sessions) = run(&facts);
    let reported: Vec<_> = accesses.iter().map(|access| access.reported).collect();
    assert_eq!(reported, [at(1_770.0), at(1_815.1)]);
    let mut sessions = sessions.iter().map(|session| session.reported);
    assert!(sessions.all(|told| told >= at(1_815.1)));
}

/// Of an exchange that the end of its flow tells, what began it may be long over: `run` holds that no id is final twice.
#[test]
fn what_is_told_when_its_access_is_over_is_another_access() {
    let Fact::Activity(late) = burst(CHECK, 1, 0.0, 1.0, 1_000) else {
        unreachable!()
    };
    let again = |time| {
        Fact::Activity(Activity {
            time: at(time),
            ..late.clone()
        })
    };
    let times = [6.0, 300.0, 300.0, 600.0, 1_300.0, 2_600.0];
    let (accesses, sessions) = run(&times.map(again));
    assert_eq!((accesses.len(), sessions.len()), (5, 3));
    let ids: BTreeSet<u64> = sessions.iter().map(|session| session.id).collect();
    assert_eq!(ids.len(), 3);
}
