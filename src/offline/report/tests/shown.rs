//! What a reader is shown of a host: how long, as of when, by what name; and how much of very many hosts.

use super::{CLIENT, Story};
use crate::offline::report::judging::State;
use crate::offline::report::page::{MOST_CARDS, MOST_LISTED, MOST_ROWS, MOST_TIMELINES, page};
use crate::offline::report::timeline::{self, Span};
use crate::offline::report::whose::HostKey;
use crate::offline::report::words::Language;
use crate::offline::report::{Report, data, table};

#[test]
fn how_long_is_told_apart_from_what_proves_it() {
    // The day of the last check, twenty days away, six days on the network: a morning by VPN on the second of them.
    let mut story = Story::default()
        .sensor(0..27 * 24)
        .on(0..1, "complete", "")
        .access(0, "a", 1, "checked")
        .on(21..27, "complete", "");
    story.push(22 * 24 + 10, "coverage", r#""active_minutes":30,"verdict":"cannot_tell","blind":["vpn"],"reported":"2027-01-01T00:00:00.000000+0000""#);
    let (state, reason) = story.judged();
    let late = *reason.late().unwrap();
    assert_eq!(state, State::Overdue);
    assert_eq!((late.days, late.proven), (6, 4));
    assert_eq!(late.elapsed().as_secs() / 86_400, 26);
    let report = story.report();
    let page = page(&report, Language::English);
    for part in [
        "No check for 26 days",
        "Last check 2026-11-02 09:00, 26 days ago. On the network on 6 days since then; 4 of them are proof. Limit: 66 hours.",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let value: serde_json::Value =
        serde_json::from_str(&data::json(&report, Language::English)).unwrap();
    let overdue = &value["hosts"][0]["products"][0]["overdue"];
    assert_eq!(
        (&overdue["active_days"], &overdue["proven_days"]),
        (&6.into(), &4.into())
    );
}

#[test]
fn hours_without_a_record_are_told_as_such_and_not_as_absence() {
    // The host is on around the clock; from the second day's noon to the fourth's nobody writes anything.
    let down = 36..84;
    let mut story = Story::default().sensor(0..down.start).sensor(down.end..240);
    for hour in (0..240).filter(|hour| !down.contains(hour)) {
        let seen = r#""active_minutes":60,"verdict":"complete","blind":[]"#;
        story.push(hour, "coverage", seen);
    }
    let story = story.access(0, "a", 1, "checked");
    let report = story.report();
    let [host] = report.hosts.as_slice() else {
        panic!("{:?}", report.hosts);
    };
    let off = Span {
        start: Story::at(down.start),
        end: Story::at(down.end),
    };
    assert_eq!(timeline::blindness(&report), [off]);
    assert_eq!(timeline::untold(host, &report), [off]);
    assert_eq!(timeline::absences(host, &report), []);
    let page = page(&report, Language::English);
    assert_eq!(page.matches("<rect class=\"off\" x=").count(), 1);
    assert_eq!(page.matches("<rect class=\"away\" x=").count(), 0);
    assert!(page.contains(
        "The sensor did not run: 11-03 12:00 – 11-05 12:00. For these times nobody can tell"
    ));
    // The same host silent while the sensor ran: away, and nothing else.
    let away = story_with_hole(&story, down).report();
    assert_eq!(timeline::untold(&away.hosts[0], &away), []);
    assert_eq!(timeline::absences(&away.hosts[0], &away), [off]);
}

/// The sensor runs in those hours too, and sees nobody.
fn story_with_hole(story: &Story, hours: std::ops::Range<i64>) -> Story {
    Story(story.0.clone()).sensor(hours)
}

#[test]
fn who_is_away_has_a_state_of_then() {
    let story = |sensor: std::ops::Range<i64>| {
        Story::default()
            .on(0..2, "complete", "")
            .access(1, "a", 1, "checked")
            .sensor(sensor)
            .sensor(239..240)
    };
    let report = story(0..240).report();
    let last = Story::at(42);
    assert_eq!(report.hosts[0].state(), Some(State::Checked));
    assert_eq!(timeline::away_since(&report.hosts[0], &report), Some(last));
    let told = "as of 2026-11-03 18:00; not seen here since";
    let page = page(&report, Language::English);
    assert_eq!(page.matches(told).count(), 2);
    assert!(page.contains(
        "no activity seen since 2026-11-03 18:00 (8 days); state then: Checked, none fetched"
    ));
    assert!(table::text(&report, Language::English, None).contains(told));
    // A sensor that did not run saw nobody leave.
    let unwatched = story(0..60).report();
    assert_eq!(timeline::away_since(&unwatched.hosts[0], &unwatched), None);
}

#[test]
fn nights_between_days_that_are_hidden_belong_to_them() {
    let story = Story::default()
        .sensor(0..240)
        .on(0..4, "complete", "")
        .on(4..8, "partial", r#""loss""#)
        .access(0, "a", 1, "checked");
    let report = story.report();
    let hidden = timeline::partly_hidden(&report.hosts[0], &report);
    let [span] = hidden.as_slice() else {
        panic!("{hidden:?}");
    };
    assert_eq!(
        (span.start, span.end),
        (Story::at(4 * 24 + 9), Story::at(7 * 24 + 18))
    );
}

#[test]
fn a_host_is_called_by_what_people_know() {
    let binding = |story: &mut Story, names: &str| {
        story.push(
            0,
            "client_binding",
            &format!(r#""mac":"02:00:5e:00:53:01","names":[{names}]"#),
        );
    };
    let hour = r#""active_minutes":30,"verdict":"complete","blind":[]"#;
    let mut named = Story::default().sensor(0..24);
    binding(&mut named, r#""build-01""#);
    named.push(0, "coverage", hour);
    assert_eq!(named.report().hosts[0].name, "build-01");
    let mut plain = Story::default().sensor(0..24);
    binding(&mut plain, "");
    plain.push(0, "coverage", hour);
    let report = plain.report();
    assert_eq!(report.hosts[0].name, CLIENT);
    assert!(page(&report, Language::English).contains("02:00:5e:00:53:01"));
    // Another one that had the same address last: both are told apart.
    for hour in 40..44 {
        plain.push(hour, "coverage", r#""active_minutes":30,"verdict":"complete","blind":[],"client_mac":"02:00:5e:00:53:02""#);
    }
    let names: Vec<String> = plain
        .report()
        .hosts
        .iter()
        .map(|host| host.name.clone())
        .collect();
    assert_eq!(
        names,
        [
            format!("{CLIENT} (02:00:5e:00:53:01)"),
            format!("{CLIENT} (02:00:5e:00:53:02)")
        ]
    );
}

/// As many hosts as a campus has: most are calm, some need attention.
fn campus(hosts: usize) -> Report {
    let story = |days: i64| {
        let story = Story::default().sensor(0..720).on(0..30, "complete", "");
        (0..days).fold(story, |story, day| {
            story.access(day, &format!("a{day}"), 1, "downloaded")
        })
    };
    let (late, calm) = (story(10).report(), story(30).report());
    let host = |number: usize| {
        let of = if number < hosts / 20 { &late } else { &calm };
        let mut host = of.hosts[0].clone();
        let more: Vec<_> = host.lanes.iter().cycle().take(3).cloned().collect();
        host.lanes = more;
        host.name = format!("pc-{number:05}");
        host.key = HostKey::Id(host.name.clone());
        host
    };
    let hosts = (0..hosts).map(host).collect();
    Report { hosts, ..calm }
}

#[test]
fn a_page_of_very_many_hosts_stays_one_that_can_be_shown() {
    let report = campus(5_000);
    let many = page(&report, Language::English);
    assert!(many.len() < 8_000_000, "{}", many.len());
    assert_eq!(
        many.matches("<article class=\"host\"").count(),
        MOST_TIMELINES
    );
    assert_eq!(many.matches("<li class=\"card\"").count(), MOST_CARDS);
    assert_eq!(
        many.matches(": <strong>No check for ").count(),
        3 * (MOST_LISTED - MOST_CARDS)
    );
    // Every host stands in the table of hosts, and what is left out of the other is told.
    let rows = many.matches("<th scope=\"row\"").count();
    assert_eq!(rows, MOST_ROWS + 5_000);
    for told in [
        "Timelines of the 200 hosts that need attention most; 4800 hosts more stand in the tables only",
        "And 150 more overdue hosts",
        "5000 rows are left out here",
    ] {
        assert!(many.contains(told), "{told}");
    }
    for language in Language::ALL {
        let few = page(&campus(50), language);
        assert!(few.len() < 1_000_000, "{}", few.len());
        assert!(!few.contains("class=\"note\""));
    }
}
