//! How far an access can be trusted, and to which product it belongs.

use super::{
    CAB, CHECK, DOWNLOAD, MIRROR, at, burst, catalogue, exchange, get, question, range, run,
    verdicts,
};
use crate::updates::Catalogue;
use crate::updates::Engine;
use crate::updates::Fact;
use crate::updates::UpdateOptions;
use crate::updates::engine::Cause;
use crate::updates::fact::Contact;
use crate::updates::fact::Exchange;
use crate::updates::fact::NameSource;
use crate::updates::output::Access;
use crate::updates::output::Output;
use crate::updates::verdict::Confidence;
use crate::updates::verdict::Evidence;
use crate::updates::verdict::Verdict;
use std::sync::Arc;

const GITHUB: &str = "github.com";
const SHARED: &str = r#"[vendor]
id = "v"
[[product]]
id = "unknown"
title = "V (several products)"
security = "mixed"
[[product.endpoint]]
id = "files"
role = "download"
patterns = ["dl.example.com"]
alternatives = ["v/one", "v/two"]
shared_host = true
paths = [
  { path = "/one/*", role = "download", rule = "v/one/files" },
  { path = "/any/*", role = "download" },
]
examples = ["dl.example.com"]
source = "unsourced"
verified = "never"

[[product]]
id = "one"
title = "One"
security = "yes"
[[product.endpoint]]
id = "files"
role = "download"
patterns = []
source = "unsourced"
verified = "never"
[[product.endpoint]]
id = "check"
role = "check"
patterns = ["one.example.com"]
examples = ["one.example.com"]
source = "unsourced"
verified = "never"

[[product]]
id = "two"
title = "Two"
security = "yes"
[[product.endpoint]]
id = "check"
role = "check"
patterns = ["two.example.com"]
examples = ["two.example.com"]
source = "unsourced"
verified = "never"
"#;

/// `fact`, told of a contact that `change` changed.
fn changed(fact: Fact, change: impl Fn(&mut Contact)) -> Fact {
    let Fact::Activity(mut activity) = fact else {
        unreachable!()
    };
    change(Arc::make_mut(&mut activity.contact));
    Fact::Activity(activity)
}

/// Product, verdict and confidence of each access with the catalogue above, and how many alternatives are told.
fn shared(facts: &[(&str, f64, Option<&str>)]) -> Vec<String> {
    let file = crate::updates::catalogue::SourceFile {
        name: "v.toml".to_owned(),
        text: SHARED.to_owned(),
    };
    let catalogue = Arc::new(Catalogue::from_files("test", &[file]).unwrap());
    let mut engine = Engine::new(Arc::clone(&catalogue), UpdateOptions::default());
    let mut told = Vec::new();
    let mut sink = |_: Cause, output| {
        if let Output::Access(access) = output {
            let product = catalogue.product_of(access.product_endpoint()).unwrap();
            let (verdict, confidence) = (access.verdict.as_str(), access.confidence.as_str());
            let others = access.alternatives.len();
            told.push(format!("{} {verdict} {confidence} {others}", product.id));
        }
    };
    for (name, start, path) in facts {
        let fact = match path {
            Some(path) => exchange(CHECK, 1, *start, get(path, 200, 900_000, 900_000)),
            None => burst(CHECK, 1, *start, *start, 900_000),
        };
        let fact = changed(fact, |contact| {
            contact.endpoint = catalogue.find(name).unwrap();
            contact.name = (*name).to_owned();
        });
        engine.fact(&fact, &mut sink);
    }
    engine.finish(at(9_000.0), &mut sink);
    told
}

#[test]
fn another_access_of_the_client_decides_between_products() {
    let files = "dl.example.com";
    assert_eq!(shared(&[(files, 0.0, None)]), ["unknown downloaded low 2"]);
    assert_eq!(
        shared(&[("one.example.com", 0.0, None), (files, 3.0, None)]),
        ["one downloaded medium 0", "one checked high 0"],
        "at the end of input downloads are told first here"
    );
    assert_eq!(
        shared(&[
            ("one.example.com", 0.0, None),
            ("two.example.com", 1.0, None),
            (files, 3.0, None)
        ])
        .into_iter()
        .filter(|told| told.contains("unknown"))
        .collect::<Vec<_>>(),
        ["unknown downloaded low 2"],
        "two are none"
    );
    assert_eq!(
        shared(&[(files, 0.0, Some("/one/setup.exe"))]),
        ["one downloaded high 0"],
        "a path decides by itself"
    );
    assert_eq!(
        shared(&[(files, 0.0, Some("/any/setup.exe"))]),
        ["unknown downloaded low 2"],
        "a path may tell the role alone"
    );
}

#[test]
fn a_large_file_of_a_server_for_everything_is_no_sure_update() {
    let (accesses, _) = run(&[burst(GITHUB, 1, 0.0, 2.0, 9_000_000)]);
    let trusted = |access: &Access| access.confidence.as_str();
    assert!(
        accesses
            .iter()
            .all(|access| access.verdict != Verdict::Downloaded || trusted(access) == "low")
    );
}

#[test]
fn a_file_whose_path_says_nothing_is_trusted_after_a_check_only() {
    const PATH: &str = "/some/thing.bin";
    let file = || exchange(DOWNLOAD, 2, 10.0, get(PATH, 200, 900_000, 900_000));
    let alone = run(&[file()]).0;
    assert_eq!(verdicts(&alone), [("download", "downloaded", "low")]);
    let (after, _) = run(&[burst(CHECK, 1, 0.0, 2.0, 80_000), file()]);
    assert_eq!(
        verdicts(&after),
        [
            ("check", "checked", "high"),
            ("download", "downloaded", "medium")
        ]
    );
}

#[test]
fn a_name_by_dns_is_a_guess_where_others_were_answered_the_same_address() {
    let by_dns = |is_doubtful| {
        let fact = burst(DOWNLOAD, 1, 0.0, 2.0, 900_000);
        changed(fact, |contact| {
            contact.source = NameSource::Dns;
            contact.is_doubtful = is_doubtful;
        })
    };
    let told = |is_doubtful| {
        let (accesses, sessions) = run(&[by_dns(is_doubtful)]);
        (accesses[0].confidence.as_str(), sessions.len())
    };
    assert_eq!(told(false), ("medium", 1));
    assert_eq!(told(true), ("low", 0), "and opens no session");
}

#[test]
fn a_claim_against_dns_is_hardly_trusted() {
    let claimed = changed(burst(DOWNLOAD, 1, 0.0, 2.0, 900_000), |contact| {
        contact.corroborated = false;
        contact.is_doubtful = true;
    });
    let (accesses, _) = run(&[claimed]);
    assert_eq!(verdicts(&accesses), [("download", "downloaded", "low")]);
}

#[test]
fn what_came_from_a_doubtful_name_takes_no_certainty_from_a_sure_one() {
    let small = || burst(DOWNLOAD, 1, 0.0, 1.0, 2_000);
    let by = |change: fn(&mut Contact)| {
        let large = changed(burst(DOWNLOAD, 2, 5.0, 7.0, 900_000), change);
        [vec![small(), large.clone()], vec![large, small()]].map(|facts| run(&facts).0)
    };
    let of_others = by(|contact| contact.source = NameSource::DnsShared);
    let contradicted = by(|contact| {
        (contact.corroborated, contact.is_doubtful) = (false, true);
    });
    for accesses in of_others.iter().chain(&contradicted) {
        let mut told = verdicts(accesses);
        told.sort_unstable();
        assert_eq!(
            told,
            [
                ("download", "checked", "high"),
                ("download", "downloaded", "low")
            ]
        );
    }
}

#[test]
fn a_path_of_another_exchange_tells_nothing_of_a_burst() {
    const SHARED_HOST: &str = "clients2.googleusercontent.com";
    let missing = exchange(SHARED_HOST, 1, 0.0, get("/crx/none.crx", 404, 100, 100));
    let large = burst(SHARED_HOST, 2, 5.0, 7.0, 9_000_000);
    let (accesses, _) = run(&[missing, large]);
    assert_eq!(verdicts(&accesses), [("download", "downloaded", "low")]);
}

#[test]
fn a_file_that_names_itself_is_one_over_several_servers() {
    const OTHER: &str = "au.download.windowsupdate.com";
    let (accesses, _) = run(&[
        exchange(DOWNLOAD, 1, 0.0, range(CAB, 0, 500_000, 1_000_000)),
        exchange(OTHER, 2, 100.0, range(CAB, 500_000, 1_000_000, 1_000_000)),
    ]);
    let told: Vec<&str> = accesses
        .iter()
        .map(|access| access.verdict.as_str())
        .collect();
    assert_eq!(told, ["partial", "downloaded"]);
}

#[test]
fn what_is_known_at_the_end_may_move_a_file_to_another_session() {
    // The check's burst is told at its pause, after the large file has begun.
    let told = shared(&[
        ("dl.example.com", 3.0, None),
        ("one.example.com", 0.0, None),
    ]);
    assert!(
        told.contains(&"one downloaded medium 0".to_owned()),
        "{told:?}"
    );
}

#[test]
fn a_host_whose_paths_lead_to_files_of_others_may_give_theirs() {
    let (file, check) = ("download.cdn.mozilla.net", "aus.thunderbird.net");
    let product = |access: &Access| {
        let catalogue = catalogue();
        let product = catalogue.product_of(access.product_endpoint()).unwrap();
        format!("{} {}", product.id, access.confidence.as_str())
    };
    let last = |facts: &[Fact]| {
        let accesses = run(facts).0;
        product(
            accesses
                .iter()
                .rfind(|access| access.verdict == Verdict::Downloaded)
                .unwrap(),
        )
    };
    let large = || burst(file, 2, 10.0, 12.0, 9_000_000);
    assert_eq!(last(&[large()]), "firefox medium");
    assert_eq!(
        last(&[burst(check, 1, 0.0, 1.0, 9_000), large()]),
        "thunderbird medium"
    );
    let firefox = burst("aus5.mozilla.org", 1, 0.0, 1.0, 9_000);
    assert_eq!(last(&[firefox, large()]), "firefox high");
}

#[test]
fn what_another_address_may_have_reached_is_hardly_only_resolved() {
    let asked = || Fact::Asked(question(DOWNLOAD, 0.0));
    let resolved = |facts: &[Fact]| {
        let accesses = run(facts).0;
        let told = accesses
            .iter()
            .find(|access| access.verdict == Verdict::Resolved);
        told.unwrap().confidence.as_str()
    };
    let elsewhere = |start| {
        changed(burst(DOWNLOAD, 7, start, start + 1.0, 900_000), |contact| {
            contact.client.address = "2001:db8::20".parse().unwrap();
        })
    };
    assert_eq!(resolved(&[asked()]), "medium");
    assert_eq!(resolved(&[asked(), elsewhere(1.0)]), "low");
}

#[test]
fn of_many_files_each_counts() {
    let file = |number: u32, body: u64| {
        let path = format!("/debian/pool/main/p/p{number}/p{number}_1_amd64.deb");
        let time = f64::from(number) / 10.0;
        exchange(
            MIRROR,
            u64::from(number),
            time,
            get(&path, 200, 1_000, body),
        )
    };
    let told = |facts: Vec<Fact>| {
        let access = run(&facts).0.remove(0);
        (access.verdict.as_str(), access.bytes_expected)
    };
    let whole = || (0..200).map(|number| file(number, 1_000));
    assert_eq!(told(whole().collect()), ("downloaded", Some(200_000)));
    let broken = whole().chain([file(200, 10)]).collect();
    assert_eq!(told(broken), ("partial", Some(201_000)));
    let many = (0..100).map(|number| file(number, 10)).collect();
    assert_eq!(told(many), ("partial", None), "too many at once to follow");
}

#[test]
fn a_session_that_begins_at_the_end_of_input_is_told() {
    let mut engine = Engine::new(catalogue(), UpdateOptions::default());
    let (mut of_access, mut told) = (None, Vec::new());
    let mut sink = |_: Cause, output| match output {
        Output::Access(access) if access.verdict == Verdict::Downloaded => {
            of_access = access.session
        }
        Output::Access(_) | Output::Coverage(_) => {}
        Output::Session(session) => told.push(session.id),
        Output::Binding(_) => {}
    };
    let file = burst("download.cdn.mozilla.net", 2, 10.0, 12.0, 9_000_000);
    let asked = Fact::Asked(question("aus.thunderbird.net", 18.0));
    engine.fact(&file, &mut sink);
    engine.fact(&asked, &mut sink);
    engine.finish(at(19.0), &mut sink);
    assert_eq!(
        told,
        [of_access.unwrap()],
        "of Thunderbird, and none of Firefox"
    );
}

#[test]
fn of_a_request_that_was_not_seen_no_rule_takes_the_path() {
    const FILES: &str = "edgedl.me.gvt1.com";
    let unseen = Exchange {
        method: Vec::new(),
        path: Vec::new(),
        ..get("", 200, 2_200_000, 2_200_000)
    };
    let (accesses, _) = run(&[exchange(FILES, 1, 0.0, unseen)]);
    let told = &accesses[0];
    assert_eq!(
        (told.role.as_str(), told.verdict.as_str()),
        ("download", "downloaded")
    );
    assert!(!told.evidence.contains(&Evidence::HttpPath));
}

#[test]
fn what_goes_on_over_plain_http_without_a_response_is_known_by_its_volume() {
    let of_http = |contact: &mut Contact| contact.source = NameSource::Http;
    let rest = changed(burst(DOWNLOAD, 1, 0.0, 1.0, 900_000), of_http);
    let (accesses, _) = run(&[rest]);
    let told = (accesses[0].verdict, accesses[0].confidence);
    assert_eq!(told, (Verdict::Downloaded, Confidence::Medium));
}

#[test]
fn what_a_server_outside_the_catalogue_gave_is_never_sure() {
    let elsewhere = |contact: &mut Contact| {
        contact.name = "203.0.113.40".to_owned();
        contact.is_elsewhere = true;
    };
    let start = exchange(DOWNLOAD, 1, 0.0, range(CAB, 0, 400_000, 900_000));
    let rest = exchange(DOWNLOAD, 2, 1.0, range(CAB, 400_000, 900_000, 900_000));
    let told = |facts: &[Fact]| {
        let (accesses, _) = run(facts);
        let told = accesses
            .iter()
            .map(|access| (access.verdict, access.confidence));
        told.collect::<Vec<_>>()
    };
    let both = |rest: Fact| told(&[start.clone(), rest]);
    assert_eq!(
        both(rest.clone()),
        [(Verdict::Downloaded, Confidence::High)]
    );
    let medium = [(Verdict::Downloaded, Confidence::Medium)];
    assert_eq!(both(changed(rest, elsewhere)), medium);
    // It reaches no name that was asked.
    let asked = Fact::Asked(question(DOWNLOAD, -1.0));
    let whole = exchange(DOWNLOAD, 1, 0.0, get(CAB, 200, 900_000, 900_000));
    let both = told(&[asked, changed(whole, elsewhere)]);
    assert_eq!(both, [medium[0], (Verdict::Resolved, Confidence::Medium)]);
}
