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
        "No check seen for 26 days",
        "<strong>4 days count, limit 2.8 days</strong>",
        "Last check seen 2026-11-02 09:00, 26 days ago. On the network on 6 days since then; 4 of these count (all traffic seen), which is over the limit: \
         66 hours, 3 times the usual 22 hours between checks.",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let value: serde_json::Value =
        serde_json::from_str(&data::json(&report, Language::English)).unwrap();
    let overdue = &value["hosts"][0]["products"][0]["overdue"];
    assert_eq!(
        (
            &overdue["active_days"],
            &overdue["proven_days"],
            &overdue["counted_s"]
        ),
        (&6.into(), &4.into(), &(95 * 3_600).into())
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
        "The sensor was off: 11-03 12:00 – 11-05 12:00. For these times nobody can tell"
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

/// The drawing of the timeline, without its legend.
fn plot(page: &str) -> &str {
    page.split("<article class=\"host\"").nth(1).unwrap()
}

#[test]
fn the_line_of_what_is_overdue_is_thin_until_the_limit_and_stops_where_nothing_was_seen() {
    let story = |sensor: std::ops::Range<i64>| {
        let story = Story::default()
            .sensor(0..sensor.start)
            .sensor(sensor.end..240);
        let story = story.access(0, "a", 1, "checked");
        (0..240).fold(story, |mut story, hour| {
            if !sensor.contains(&hour) {
                let seen = r#""active_minutes":60,"verdict":"complete","blind":[]"#;
                story.push(hour, "coverage", seen);
            }
            story
        })
    };
    let lines = |story: &Story| {
        let page = page(&story.report(), Language::English);
        let of = |class: &str| {
            plot(&page)
                .matches(&format!("<rect class=\"{class}\""))
                .count()
        };
        (of("waiting"), of("late"))
    };
    assert_eq!(lines(&story(240..240)), (1, 1));
    // An hour without the sensor after the limit, and one before.
    assert_eq!(lines(&story(200..201)), (1, 2));
    assert_eq!(lines(&story(30..31)), (2, 1));
}

#[test]
fn what_is_said_to_be_hidden_is_as_much_as_was_and_begins_when_it_did() {
    let sentence = |story: Story| {
        let story = story.sensor(0..240);
        let report = story.report();
        let value: serde_json::Value =
            serde_json::from_str(&data::json(&report, Language::English)).unwrap();
        let product = &value["hosts"][0]["products"][0];
        product["sentence"].as_str().unwrap().to_owned()
    };
    let checked = || {
        Story::default()
            .on(0..2, "complete", "")
            .access(1, "a", 1, "checked")
    };
    let (all, part) = ("cannot_tell", "partial");
    for (story, told) in [
        (
            checked().on(4..9, all, r#""vpn""#),
            "Since 2026-11-06 09:00 all of its traffic was hidden from the sensor. Cause: VPN. ",
        ),
        (
            checked().on(4..9, part, r#""loss""#),
            "Since 2026-11-06 09:00 part of its traffic was hidden",
        ),
        (
            checked()
                .on(4..5, part, r#""loss""#)
                .on(5..9, "complete", "")
                .on(9..10, part, r#""loss""#),
            "Since 2026-11-06 09:00 part of its traffic (in 18 of its 54 hours on the network) was hidden",
        ),
        (
            checked()
                .on(4..5, part, r#""loss""#)
                .on(5..9, all, r#""vpn""#),
            "Since 2026-11-06 09:00 all or part of its traffic (in 45 of its 45 hours on the network) was hidden",
        ),
    ] {
        let found = sentence(story);
        assert!(found.starts_with(told), "{found}");
        assert!(
            found.ends_with("Last check seen 2026-11-03 09:00."),
            "{found}"
        );
    }
}

#[test]
fn an_offer_is_told_with_what_tells_of_it() {
    let offered = |evidence: &str| {
        let mut story = Story::default().sensor(0..480).on(0..20, "complete", "");
        for day in 0..20 {
            let fields = format!(
                r#""id":"s{day}","rev":1,"vendor":"microsoft","product":"{}","checks":1,"downloads":0,"offered":"yes","offered_evidence":[{evidence}],"outcome":"offered""#,
                super::WINDOWS
            );
            story.push(day * 24 + 9, "update_session", &fields);
        }
        page(&story.report(), Language::English)
    };
    for (evidence, told) in [
        (
            r#""download_asked""#,
            "(after a check it looked up a download server); no download seen",
        ),
        (
            r#""download_contact""#,
            "(after a check it contacted a download server); no download seen",
        ),
        (
            "",
            "(the records do not say how this is known); no download seen",
        ),
    ] {
        let page = offered(evidence);
        assert!(page.contains(told), "{told}");
        assert!(page.contains(
            "which is over the limit: 14 days, as long as an update of this product may wait."
        ));
        assert!(page.contains("<title>2026-11-02 09:00: update of Windows Update waiting"));
    }
}

#[test]
fn failed_attempts_are_the_basis_where_nothing_was_reached() {
    let story = Story::default().sensor(0..240).on(0..10, "complete", "");
    let story = (0..10).fold(story, |story, day| {
        let verdict = if day < 4 { "refused" } else { "unanswered" };
        story.access(day, &format!("a{day}"), 1, verdict)
    });
    let page = page(&story.report(), Language::English);
    assert!(page.contains("Known from: 10 attempts: no answer, connection refused"));
    assert!(!page.contains("contact with a server known to serve updates"));
}

#[test]
fn a_product_whose_updates_cannot_be_seen_does_not_read_like_one_without_news() {
    let story = |offered: &str| {
        let story = Story::default().sensor(0..48).on(0..2, "complete", "");
        let story = story
            .access(0, "a", 1, "downloaded")
            .access(1, "b", 1, "checked");
        page(
            &story.session(1, "s", offered, "checked").report(),
            Language::English,
        )
    };
    assert!(story("no").contains("nothing newer was on offer"));
    assert!(story("unknown").contains("Whether there was anything newer cannot be seen"));
}

#[test]
fn a_server_of_the_site_has_a_mark_of_its_own() {
    let drawn = |blind: &str| {
        let story = Story::default().sensor(0..240).on(0..10, "complete", blind);
        let page = page(
            &story.access(0, "a", 1, "checked").report(),
            Language::English,
        );
        plot(&page).matches("<rect class=\"own\"").count()
    };
    assert_eq!(drawn(r#""internal_source_likely""#), 1);
    assert_eq!(drawn(""), 0);
}

#[test]
fn an_hour_of_which_no_record_says_how_much_was_seen_is_drawn_and_told() {
    let story = Story::default().sensor(0..48).on(0..1, "complete", "");
    let page = page(
        &story.access(1, "a", 1, "checked").report(),
        Language::English,
    );
    assert!(page.contains("no record of how much was seen: 1 hour<"));
    assert!(page.contains("all traffic seen in 90 % of the 10 hours it was seen on the network"));
    assert_eq!(plot(&page).matches("<rect class=\"partial\"").count(), 1);
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
    let page = page(&plain.report(), Language::English);
    assert!(page.contains("192.0.2.7 (since 2026-11-03; another host used it before)"));
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
    assert!(many.len() < 8_500_000, "{}", many.len());
    assert_eq!(
        many.matches("<article class=\"host\"").count(),
        MOST_TIMELINES
    );
    assert_eq!(many.matches("<li class=\"card\"").count(), MOST_CARDS);
    assert_eq!(
        many.matches(": <strong>No check seen for ").count(),
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
