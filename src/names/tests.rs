use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 20));
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 21));
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(second, 0)
}

fn small() -> Names {
    Names::new(NamesOptions {
        entries: 64,
        text_bytes: 4_096,
        ..NamesOptions::default()
    })
}

#[test]
fn a_name_outlives_its_ttl_but_not_its_retention() {
    let names = small();
    names.learn(
        CLIENT,
        SERVER,
        &["dl.example.net", "edge.example.org"],
        at(10),
    );
    let found = names.of_client(CLIENT, SERVER, at(7_000));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].chain, ["dl.example.net", "edge.example.org"]);
    assert_eq!(found[0].answered, at(10));
    assert!(names.of_client(CLIENT, SERVER, at(10 + 7_201)).is_empty());
}

#[test]
fn what_was_answered_later_does_not_count() {
    let names = small();
    names.learn(CLIENT, SERVER, &["a.example"], at(10));
    names.learn(CLIENT, SERVER, &["b.example"], at(20));
    names.learn(CLIENT, SERVER, &["a.example"], at(30));
    let as_of_15 = names.of_client(CLIENT, SERVER, at(15));
    assert_eq!(as_of_15.len(), 1);
    assert_eq!(
        (as_of_15[0].name.as_str(), as_of_15[0].answered),
        ("a.example", at(10))
    );
    let order: Vec<_> = names
        .of_client(CLIENT, SERVER, at(25))
        .into_iter()
        .map(|c| c.name)
        .collect();
    assert_eq!(order, ["b.example", "a.example"]);
}

#[test]
fn another_client_corroborates_but_does_not_name() {
    let names = small();
    names.learn(OTHER, SERVER, &["dl.example.net"], at(10));
    assert!(names.of_client(CLIENT, SERVER, at(11)).is_empty());
    assert_eq!(names.of_server(SERVER, at(11)).len(), 1);
    assert!(names.corroborates(SERVER, "dl.example.net", at(11)));
    assert!(!names.corroborates(SERVER, "dl.example.net", at(9)));
    assert!(!names.corroborates(SERVER, "evil.example", at(11)));
}

#[test]
fn a_name_asked_for_again_survives_a_flood() {
    let names = small();
    for round in 0..200_i64 {
        names.learn(CLIENT, SERVER, &["kept.example"], at(round));
        let flood = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + round as u32));
        names.learn(OTHER, flood, &[format!("flood-{round}.example")], at(round));
    }
    assert_eq!(names.of_client(CLIENT, SERVER, at(200)).len(), 1);
    assert!(
        names
            .of_client(OTHER, "10.0.0.0".parse().unwrap(), at(200))
            .is_empty(),
        "the oldest are forgotten"
    );
}

#[test]
fn an_ech_configuration_belongs_to_its_client_and_id() {
    let names = small();
    names.learn_ech(CLIENT, "public.example", 7, at(1));
    assert!(names.knows_ech(CLIENT, "public.example", 7, at(2)));
    assert!(!names.knows_ech(CLIENT, "public.example", 8, at(2)));
    assert!(!names.knows_ech(OTHER, "public.example", 7, at(2)));
}

#[test]
fn what_one_client_was_answered_is_one_entry_until_another_was() {
    let names = small();
    names.learn(CLIENT, SERVER, &["a.example"], at(1));
    names.learn(CLIENT, SERVER, &["a.example"], at(2));
    assert_eq!(names.entries(), 1);
    names.learn(OTHER, SERVER, &["a.example"], at(3));
    assert_eq!(names.entries(), 3, "the other's, and that of anybody");
    names.learn(OTHER, SERVER, &["a.example"], at(4));
    names.learn(CLIENT, SERVER, &["a.example"], at(5));
    assert_eq!(names.entries(), 3);
    let as_of = |moment| found(names.of_server(SERVER, at(moment)));
    assert_eq!(as_of(1), BTreeMap::new(), "four of five times are kept");
    for second in 2..=5 {
        assert_eq!(as_of(second)["a.example"], at(second));
    }
}

#[test]
fn a_server_of_many_names_is_asked_for_each_alone() {
    let names = small();
    let name = |n: i64| format!("site-{n}.example");
    for n in 0..12 {
        names.learn(CLIENT, SERVER, &[name(n)], at(n));
    }
    assert_eq!(names.of_server(SERVER, at(20)).len(), MAX_NAMES_OF_A_SERVER);
    for n in 0..12 {
        assert!(names.corroborates(SERVER, &name(n), at(n)));
        assert!(!names.corroborates(SERVER, &name(n), at(n - 1)));
    }
}

#[test]
fn an_entry_whose_text_moves_on_keeps_its_name() {
    let names = Names::new(NamesOptions {
        entries: 1 << 16,
        text_bytes: 0,
        ..NamesOptions::default()
    });
    for turn in 0..40_000 {
        names.learn(CLIENT, SERVER, &["kept.example", "edge.example"], at(0));
        names.learn(OTHER, OTHER, &[format!("filling-{turn}.example")], at(0));
        assert_eq!(names.of_client(CLIENT, SERVER, at(1)).len(), 1, "{turn}");
    }
}

/// Clients and servers of both kinds, few enough to meet again.
fn address(number: u8) -> IpAddr {
    let low = u16::from(number);
    match number % 2 {
        0 => [192, 0, 2, number].into(),
        _ => [0x2001, 0xdb8, 0, 0, 0, 0, 0, low].into(),
    }
}

/// Who was answered which server for which name through which alias, and in which half of a second.
type Answer = (u8, u8, u8, u8, u8);

fn learn(names: &Names, (client, server, name, alias, half): Answer) {
    let chain = [format!("n{name}.example"), format!("alias-{alias}.example")];
    let chain = &chain[..1 + usize::from(alias > 0)];
    names.learn(address(client), address(100 + server), chain, moment(half));
}

fn moment(half: u8) -> Timestamp {
    Timestamp::from_nanos(i64::from(half) * 500_000_000)
}

/// By name, when last before `moment`, of those of whom `is_wanted` says so.
fn expected(
    answers: &[Answer],
    until: u8,
    is_wanted: impl Fn(&Answer) -> bool,
) -> BTreeMap<String, Timestamp> {
    let mut last = BTreeMap::new();
    for answer in answers.iter().filter(|answer| is_wanted(answer)) {
        let (_, _, name, _, half) = *answer;
        if half <= until {
            let known = last.entry(format!("n{name}.example")).or_insert(moment(0));
            *known = moment(half).max(*known);
        }
    }
    last
}

fn found(candidates: Vec<Candidate>) -> BTreeMap<String, Timestamp> {
    let times = candidates.into_iter();
    times.map(|found| (found.name, found.answered)).collect()
}

proptest! {
    /// Four halves of seconds, so that an entry keeps all times; four names, so that those of a server are complete.
    #[test]
    fn look_ups_tell_what_a_plain_list_tells(
        answers in prop::collection::vec((0..5_u8, 0..4_u8, 0..4_u8, 0..2_u8, 0..4_u8), 0..120),
    ) {
        let names = Names::new(NamesOptions { entries: 1 << 12, ..NamesOptions::default() });
        answers.iter().for_each(|answer| learn(&names, *answer));
        for until in 0..4 {
            for server in 0..4 {
                let at_server = address(100 + server);
                for client in 0..5 {
                    let of_client = names.of_client(address(client), at_server, moment(until));
                    let own = |answer: &Answer| (answer.0, answer.1) == (client, server);
                    prop_assert_eq!(found(of_client), expected(&answers, until, own));
                }
                let anybodys = expected(&answers, until, |answer| answer.1 == server);
                for name in 0..4 {
                    let name = format!("n{name}.example");
                    let is_known = names.corroborates(at_server, &name, moment(until));
                    prop_assert_eq!(is_known, anybodys.contains_key(&name));
                }
                prop_assert_eq!(found(names.of_server(at_server, moment(until))), anybodys);
            }
        }
    }
}

proptest! {
    /// Names enough for servers to have many; in the order of time, as answers come.
    #[test]
    fn answers_that_are_noted_together_teach_what_they_teach_one_by_one(
        mut answers in prop::collection::vec((0..3_u8, 0..3_u8, 0..12_u8, 0..2_u8, 0..40_u8), 0..200),
    ) {
        answers.sort_by_key(|(.., half)| *half);
        let [alone, together] = [(); 2].map(|()| Names::new(NamesOptions::default()));
        let mut waiting = Answers::of_worker();
        for answer in &answers {
            learn(&alone, *answer);
            let (client, server, name, alias, half) = *answer;
            let chain = [format!("n{name}.example"), format!("alias-{alias}.example")];
            let chain = chain.iter().take(1 + usize::from(alias > 0)).map(String::as_str);
            let led = std::iter::once(address(100 + server));
            waiting.push(&together, (address(client), moment(half)), chain, led);
        }
        together.note_all(&mut waiting);
        prop_assert!(waiting.is_empty());
        prop_assert_eq!(alone.entries(), together.entries());
        for (server, until) in (0..3).flat_map(|server| (0..40).map(move |until| (server, until))) {
            let (server, until) = (address(100 + server), moment(until));
            prop_assert_eq!(alone.of_server(server, until), together.of_server(server, until));
            for client in (0..3).map(address) {
                let of_client = |names: &Names| names.of_client(client, server, until);
                prop_assert_eq!(of_client(&alone), of_client(&together));
            }
            for name in (0..12).map(|name| format!("n{name}.example")) {
                let knows = |names: &Names| names.corroborates(server, &name, until);
                prop_assert_eq!(knows(&alone), knows(&together));
            }
        }
    }
}

#[test]
fn what_is_known_of_a_crowd_ends_with_its_entries() {
    let names = small();
    let mut waiting = Answers::of_worker();
    let mut push = |server: IpAddr, name: &str, second| {
        let chain = std::iter::once(name);
        let led = std::iter::once(server);
        waiting.push(&names, (CLIENT, at(second)), chain, led);
        names.note_all(&mut waiting);
    };
    for n in 0..6 {
        push(SERVER, &format!("site-{n}.example"), n);
    }
    assert_eq!(names.of_server(SERVER, at(10)).len(), MAX_NAMES_OF_A_SERVER);
    for n in 0..64 {
        let flood = Ipv4Addr::from_bits(0x0a00_0000 + n);
        push(flood.into(), "flood.example", 10);
    }
    assert!(names.of_server(SERVER, at(10)).is_empty());
    push(SERVER, "site-7.example", 11);
    assert_eq!(
        names.of_server(SERVER, at(11)).len(),
        1,
        "it is one of few again"
    );
}

#[test]
fn an_answer_of_very_many_servers_teaches_them_all() {
    let names = Names::new(NamesOptions::default());
    let servers = || (0..100).map(|n| IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + n)));
    let mut waiting = Answers::of_worker();
    let chain = ["a.example", "edge.example"];
    waiting.push(&names, (CLIENT, at(1)), chain.into_iter(), servers());
    names.note_all(&mut waiting);
    for server in servers() {
        assert_eq!(names.of_client(CLIENT, server, at(1))[0].chain, chain);
    }
}

#[test]
fn threads_that_learn_at_once_lose_nothing() {
    let mut rng = fastrand::Rng::with_seed(1);
    let answers: Vec<Answer> = (0..40_000)
        .map(|_| {
            (
                rng.u8(..5),
                rng.u8(..4),
                rng.u8(..4),
                rng.u8(..2),
                rng.u8(..4),
            )
        })
        .collect();
    let names = Names::new(NamesOptions {
        entries: 1 << 17,
        ..NamesOptions::default()
    });
    std::thread::scope(|scope| {
        for answers in answers.chunks(10_000) {
            let names = &names;
            scope.spawn(move || answers.iter().for_each(|answer| learn(names, *answer)));
        }
    });
    for server in 0..4 {
        let anybodys = expected(&answers, 3, |answer| answer.1 == server);
        assert_eq!(
            found(names.of_server(address(100 + server), moment(3))),
            anybodys
        );
        for client in 0..5 {
            let own = |answer: &Answer| (answer.0, answer.1) == (client, server);
            let of_client = names.of_client(address(client), address(100 + server), moment(3));
            assert_eq!(found(of_client), expected(&answers, 3, own));
        }
    }
}

#[test]
fn threads_that_overwrite_each_other_never_read_what_nobody_wrote() {
    let names = Names::new(NamesOptions {
        entries: 64,
        text_bytes: 0,
        ..NamesOptions::default()
    });
    let tell = |client: u8, server: u8| format!("of-{client}-{server}.example");
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let names = &names;
            scope.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(seed);
                for _ in 0..20_000 {
                    let (client, server) = (rng.u8(..20), rng.u8(..20));
                    let (client_address, server_address) = (address(client), address(100 + server));
                    names.learn(
                        client_address,
                        server_address,
                        &[tell(client, server)],
                        at(1),
                    );
                    for found in names.of_client(client_address, server_address, at(2)) {
                        assert_eq!((found.name, found.answered), (tell(client, server), at(1)));
                    }
                    let end = format!("-{server}.example");
                    for found in names.of_server(server_address, at(2)) {
                        assert!(found.name.ends_with(&end), "{}", found.name);
                    }
                }
            });
        }
    });
}
