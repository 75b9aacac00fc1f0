//! Every threshold from both sides, out of figures of a clean mirror.

use std::net::IpAddr;

use super::super::super::mirror::MirrorCounters;
use super::super::clock::ClockFigures;
use super::super::figures::{AskerFigures, NameFigures};
use super::super::flows::FlowFigures;
use super::super::hosts::HostFigures;
use super::super::packets::PacketFigures;
use super::*;
use crate::sensor::clients::ClientNetworks;

/// Enough of everything, and nothing wrong.
fn clean() -> Figures {
    Figures {
        packets: PacketFigures {
            frames: 10_000,
            packets: 10_000,
            unicast: 9_000,
            segments: 5_000,
            both_ways: 100,
            ..PacketFigures::default()
        },
        flows: FlowFigures {
            mirror: MirrorCounters {
                tcp: 100,
                bytes: 2_000_000,
                ..MirrorCounters::default()
            },
            connections: 100,
        },
        clock: ClockFigures {
            dated: 10,
            servers: 4,
            ahead_ms: 400,
            ..ClockFigures::default()
        },
        names: NameFigures {
            queries: 100,
            responses: 100,
            named: 90,
            unnamed: 10,
            ..NameFigures::default()
        },
        askers: AskerFigures {
            questions: 100,
            connecting: 8,
            connecting_and_asking: 8,
            ..AskerFigures::default()
        },
        networks: ClientNetworks::of([
            (IpAddr::from([192, 0, 2, 7]), 99),
            ("2001:db8::7".parse().unwrap(), 1),
        ]),
        hosts: Some(HostFigures {
            entries: 40,
            seen: 20,
            clients: 30,
            unlisted: 14,
            outside: 1,
            with_mac: 30,
            ..HostFigures::default()
        }),
        local: Some(LocalFigures {
            interfaces: vec!["eth1".to_owned()],
            received: 10_000,
            ..LocalFigures::default()
        }),
        ..Figures::default()
    }
}

/// What is found of figures that differ from clean ones, and the overall state.
fn found(change: impl FnOnce(&mut Figures)) -> (Vec<&'static str>, State) {
    let mut figures = clean();
    change(&mut figures);
    let mut findings = judge(&figures);
    let overall = findings.pop().unwrap();
    assert_eq!(overall.check, "overall");
    let found = findings.iter().filter(|finding| finding.state.is_finding());
    (found.map(|finding| finding.check).collect(), overall.state)
}

fn verdict(figures: &Figures, check: &str) -> Finding {
    let findings = judge(figures);
    findings
        .into_iter()
        .find(|finding| finding.check == check)
        .unwrap()
}

#[test]
fn a_clean_mirror_is_judged_by_every_rule_and_nothing_is_found() {
    let findings = judge(&clean());
    let checks: Vec<&str> = findings.iter().map(|finding| finding.check).collect();
    let rules = RULES.iter().map(|rule| rule.check).chain(["overall"]);
    assert_eq!(checks, rules.collect::<Vec<_>>());
    for finding in findings {
        assert_eq!(finding.state, State::Good, "{finding:?}");
    }
}

#[test]
fn nothing_is_found_just_below_a_threshold_and_something_at_it() {
    type Change = fn(&mut Figures, u64);
    let cases: [(&str, u64, Change); 15] = [
        ("link-types", 1, |f, n| f.unknown_link_types = n),
        ("undecoded", 100, |f, n| f.broken = n),
        ("one-sided", 5, |f, n| f.flows.mirror.client_only = n),
        ("doubled", 100, |f, n| f.duplicates = n),
        ("tags-one-sided", 5, |f, n| f.packets.tagged_one_way = n),
        ("qinq", 1, |f, n| f.packets.double_tagged = n),
        ("merged-frames", 5, |f, n| f.packets.merged = n),
        ("merged-frames", 5, |f, n| {
            f.local.as_mut().unwrap().merged = n
        }),
        ("snap-length", 10, |f, n| f.packets.cut = n),
        ("local-drops", 10, |f, n| {
            f.local.as_mut().unwrap().ring_dropped = n
        }),
        ("mirror-loss", 2_000, |f, n| {
            (f.flows.mirror.unseen, f.flows.mirror.gaps) = (n, 3)
        }),
        ("clock-offset", 300_000, |f, n| {
            f.clock.ahead_ms = -(n as i64)
        }),
        ("clock-backwards", 1, |f, n| f.clock.steps_back = n),
        ("dns-unanswered", 10, |f, n| f.names.responses = 100 - n),
        ("dns-unasked", 10, |f, n| {
            (f.names.unasked, f.names.queries) = (n, 100 - n)
        }),
    ];
    for (check, threshold, change) in cases {
        assert_eq!(found(|f| change(f, threshold - 1)).0, [""; 0], "{check}");
        let (checks, overall) = found(|f| change(f, threshold));
        assert_eq!(checks, [check]);
        let expected = if check == "qinq" {
            State::Good
        } else {
            State::Degraded
        };
        assert_eq!(overall, expected, "{check}");
    }
}

#[test]
fn every_finding_has_its_figure_its_threshold_and_a_step() {
    let mut figures = clean();
    figures.duplicates = 5_000;
    let finding = verdict(&figures, "doubled");
    let measure = Measure {
        figure: 500_000,
        threshold: 10_000,
        unit: Unit::Ppm,
    };
    assert_eq!(finding.measure, Some(measure));
    assert!(
        finding.said.starts_with("50.00 % of the packets"),
        "{}",
        finding.said
    );
    assert!(finding.step.is_some());
}

#[test]
fn with_less_than_its_minimum_a_check_is_not_judged() {
    let findings = judge(&Figures {
        packets: PacketFigures {
            frames: 10,
            packets: 10,
            unicast: 10,
            ..PacketFigures::default()
        },
        ..Figures::default()
    });
    let of = |state| {
        findings
            .iter()
            .filter(move |finding| finding.state == state)
    };
    let good: Vec<&str> = of(State::Good).map(|finding| finding.check).collect();
    assert_eq!(
        good,
        [
            "traffic",
            "link-types",
            "qinq",
            "clock-backwards",
            "overall"
        ]
    );
    for finding in of(State::TooLittle) {
        assert!(
            finding.said.starts_with("too little seen to judge: "),
            "{finding:?}"
        );
        assert!(finding.measure.is_none() && finding.step.is_none());
    }
    assert_eq!(of(State::TooLittle).count() + good.len(), findings.len());
}

#[test]
fn no_frame_and_no_frame_that_was_mirrored_are_blind() {
    let (checks, overall) = found(|f| *f = Figures::default());
    assert_eq!((checks, overall), (vec!["traffic"], State::Blind));
    let (checks, overall) = found(|f| f.packets.unicast = 0);
    assert_eq!((checks, overall), (vec!["traffic"], State::Blind));
    let (checks, overall) = found(|f| f.unknown_link_types = f.packets.frames);
    assert_eq!((checks, overall), (vec!["link-types"], State::Blind));
}

#[test]
fn an_interface_that_is_down_is_blind_with_the_command_that_raises_it() {
    let mut figures = Figures {
        local: clean().local,
        ..Figures::default()
    };
    figures.local.as_mut().unwrap().down = vec!["eth1".to_owned()];
    let findings = judge(&figures);
    let checks: Vec<&str> = findings.iter().map(|finding| finding.check).collect();
    assert_eq!(checks, ["interface", "overall"]);
    assert_eq!(findings[0].step.as_deref(), Some("ip link set dev eth1 up"));
    assert_eq!(findings[1].state, State::Blind);
    let (checks, overall) =
        found(|f| f.local.as_mut().unwrap().without_link = vec!["eth1".to_owned()]);
    assert_eq!((checks, overall), (vec!["interface"], State::Blind));
}

#[test]
fn loss_on_the_mirror_port_is_told_from_drops_here() {
    let lost = |dropped: u64, local: bool| {
        let mut figures = clean();
        (figures.flows.mirror.unseen, figures.flows.mirror.gaps) = (20_000, 50);
        figures.local.as_mut().unwrap().ring_dropped = dropped;
        figures.local = figures.local.filter(|_| local);
        verdict(&figures, "mirror-loss")
    };
    let before = lost(0, true);
    assert_eq!(before.state, State::Degraded);
    assert!(
        before.said.contains("the mirror port is oversubscribed"),
        "{}",
        before.said
    );
    let here = lost(100, true);
    assert_eq!(here.state, State::Note);
    assert!(
        here.said.contains("dropped here, which explains it"),
        "{}",
        here.said
    );
    let unknown = lost(0, false);
    assert_eq!(unknown.state, State::Degraded);
    assert!(!unknown.said.contains("oversubscribed"), "{}", unknown.said);
}

#[test]
fn gaps_are_evidence_in_few_bytes_but_their_absence_is_not() {
    let mut figures = clean();
    figures.flows.mirror.bytes = 300_000;
    assert_eq!(verdict(&figures, "mirror-loss").state, State::TooLittle);
    (figures.flows.mirror.unseen, figures.flows.mirror.gaps) = (10_000, 3);
    assert_eq!(verdict(&figures, "mirror-loss").state, State::Degraded);
    figures.flows.mirror.gaps = 2;
    assert_eq!(verdict(&figures, "mirror-loss").state, State::TooLittle);
}

#[test]
fn one_server_does_not_tell_the_time() {
    let mut figures = clean();
    figures.clock.ahead_ms = 3_600_000;
    figures.clock.servers = 1;
    assert_eq!(verdict(&figures, "clock-offset").state, State::TooLittle);
    figures.clock.servers = 2;
    let finding = verdict(&figures, "clock-offset");
    assert_eq!(finding.state, State::Degraded);
    assert!(finding.said.contains("3600 s ahead of"), "{}", finding.said);
}

#[test]
fn the_side_that_is_missing_is_named() {
    let said = |client_only, server_only| {
        let mut figures = clean();
        (
            figures.flows.mirror.client_only,
            figures.flows.mirror.server_only,
        ) = (client_only, server_only);
        verdict(&figures, "one-sided").said
    };
    assert!(said(100, 0).contains("show what clients send and not what servers send"));
    assert!(said(0, 95).contains("show what servers send and not what clients send"));
    assert!(said(20, 0).contains("mostly what clients send"));
}

#[test]
fn a_resolver_is_few_beside_its_clients_and_hosts_of_two_families_are_not() {
    let behind = |resolvers, connecting, connecting_and_asking| {
        let mut figures = clean();
        figures.askers = AskerFigures {
            questions: 100,
            questions_of_resolvers: 100,
            resolvers,
            connecting,
            connecting_and_asking,
        };
        verdict(&figures, "resolver-side").state
    };
    assert_eq!(behind(2, 100, 4), State::Degraded);
    assert_eq!(behind(1, 4, 0), State::Degraded);
    assert_eq!(behind(2, 100, 5), State::Good);
    assert_eq!(behind(4, 4, 0), State::Good);
    assert_eq!(behind(1, 3, 0), State::TooLittle);
}

#[test]
fn no_dns_at_all_and_few_names_are_told() {
    let (checks, overall) = found(|f| {
        f.names = NameFigures {
            named: 90,
            unnamed: 10,
            ..NameFigures::default()
        }
    });
    assert_eq!((checks, overall), (vec!["dns-seen"], State::Degraded));
    let (checks, overall) = found(|f| (f.names.named, f.names.unnamed) = (49, 51));
    assert_eq!((checks, overall), (vec!["named-flows"], State::Good));
}

#[test]
fn the_proposed_line_holds_the_prefixes_that_matter() {
    let clients = verdict(&clean(), "clients");
    let step = clients.step.unwrap();
    assert!(
        step.ends_with("under [networks]: local = [\"192.0.2.0/24\"]"),
        "{step}"
    );
    assert_eq!(clients.prefixes.len(), 2);
    assert_eq!(clients.prefixes[0].share_ppm, 990_000);
}

#[test]
fn a_list_of_hosts_is_judged_where_there_is_one() {
    let fits = clean().hosts.unwrap();
    let with = |figures: HostFigures| found(|f| f.hosts = Some(figures));
    assert_eq!(with(fits), (vec![], State::Good));
    let unlisted = 15;
    let strange = with(HostFigures { unlisted, ..fits });
    assert_eq!(strange, (vec!["hosts-listed"], State::Good));
    let routed = |behind_routers, mac_only| {
        with(HostFigures {
            behind_routers,
            mac_only,
            routers: 1,
            ..fits
        })
    };
    assert_eq!(routed(26, 5), (vec![], State::Good));
    assert_eq!(
        routed(27, 0),
        (vec!["hosts-macs"], State::Good),
        "nobody needs them"
    );
    assert_eq!(routed(27, 5), (vec!["hosts-macs"], State::Degraded));
    let few = HostFigures {
        clients: 7,
        unlisted: 0,
        with_mac: 7,
        behind_routers: 7,
        ..fits
    };
    assert_eq!(with(few), (vec![], State::Good), "too few to judge");
    let said = verdict(&clean(), "hosts-listed").said;
    assert_eq!(
        said,
        "20 of 40 entries seen; 14 of 30 clients (46.66 %) are in no entry, 1 only in entries that are not valid"
    );
}

#[test]
fn the_document_shows_every_rule() {
    let document = include_str!("../../../../docs/doctor.md");
    for rule in RULES {
        let threshold = match rule.unit {
            Unit::Ppm => percent(rule.threshold),
            Unit::Milliseconds => format!("{} s", rule.threshold / 1_000),
            Unit::Count if rule.check == "clients" => "-".to_owned(),
            Unit::Count => rule.threshold.to_string(),
        };
        let minimum = match rule.minimum {
            0 => "-".to_owned(),
            minimum => format!("{minimum} {}", rule.of),
        };
        let row = format!("| `{}` | {threshold} | {minimum} |", rule.check);
        assert!(document.contains(&row), "{row}");
    }
}
