//! What the forms tell: names of columns, what hid something and what is only to be known, an hour that two hosts share.

use unicode_width::UnicodeWidthStr as _;

use super::{CLIENT, Story};
use crate::offline::report::words::Language;
use crate::offline::report::{data, rows, table};

#[test]
fn the_columns_of_a_table_have_names_over_what_stands_in_them() {
    let story = Story::default().sensor(0..24).on(0..1, "complete", "");
    let report = story.access(0, "a", 1, "checked").report();
    for (language, names) in [
        (
            Language::English,
            [
                "State",
                "Host",
                "Product",
                "Last check seen",
                "Last download seen",
                "Why",
            ],
        ),
        (
            Language::Japanese,
            [
                "状態",
                "ホスト",
                "製品",
                "最終の更新照会",
                "最終ダウンロード",
                "理由",
            ],
        ),
    ] {
        for width in [None, Some(200)] {
            let text = table::text(&report, language, width);
            let at = text
                .lines()
                .position(|line| line.starts_with("  ") && line.contains(names[5]));
            let at = at.unwrap();
            let lines: Vec<&str> = text.lines().skip(at).take(2).collect();
            let found: Vec<&str> = lines[0]
                .split("  ")
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .collect();
            assert_eq!(found, names);
            let column = |line: &str, part: &str| line.split(part).next().unwrap().width();
            for (name, value) in [
                (names[1], CLIENT),
                (names[3], "2026-11-02 09:00"),
                (names[4], "–"),
            ] {
                assert_eq!(column(lines[0], name), column(lines[1], value), "{text}");
            }
        }
    }
}

#[test]
fn a_word_that_hid_nothing_is_a_remark() {
    let told = |verdict: &str, blind: &str| {
        let story = Story::default().sensor(0..24).on(0..1, verdict, blind);
        let report = story.access(0, "a", 1, "checked").report();
        let value: serde_json::Value =
            serde_json::from_str(&data::json(&report, Language::English)).unwrap();
        let csv = rows::csv(&report, Language::English);
        let words = |key: &str| {
            let list = value["hosts"][0][key].as_array().unwrap().iter();
            let words: Vec<&str> = list.map(|word| word.as_str().unwrap()).collect();
            words.join(" ")
        };
        let (hidden, remarks) = (words("hidden"), words("remarks"));
        assert!(
            csv.trim_end().ends_with(&format!(",{hidden},{remarks}")),
            "{csv}"
        );
        (hidden, remarks)
    };
    let of = |hidden: &str, remarks: &str| (hidden.to_owned(), remarks.to_owned());
    assert_eq!(
        told("complete", r#""peer_cache","no_binding""#),
        of("", "peer_cache no_binding")
    );
    assert_eq!(told("complete", r#""vpn""#), of("", "vpn"));
    assert_eq!(
        told("partial", r#""loss","no_binding""#),
        of("loss", "no_binding")
    );
    assert_eq!(told("cannot_tell", r#""doh","vpn""#), of("vpn", "doh"));
    assert_eq!(told("cannot_tell", r#""doh","ech""#), of("doh ech", ""));
}

/// Within the hour a lease ends, and another host gets the address.
#[test]
fn an_hour_of_an_address_that_was_handed_over_counts_for_both() {
    let (one, two) = ("02:00:5e:00:53:01", "02:00:5e:00:53:02");
    let story = |mac: &str| {
        let mut story = Story::default().sensor(0..24);
        for (mac, from, to) in [(one, "08:30", "09:20"), (two, "09:40", "10:30")] {
            story.0.push(format!(
                r#"{{"timestamp":"2026-11-02T{from}:00.000000+0000","event_type":"client_binding","client_binding":{{"client":"{CLIENT}","mac":"{mac}","start":"2026-11-02T{from}:00.000000+0000","end":"2026-11-02T{to}:00.000000+0000"}}}}"#
            ));
        }
        let fields = format!(
            r#""active_minutes":30,"verdict":"complete","blind":["no_binding"],"os":{{"name":"debian"}}{mac}"#
        );
        story.push(9, "coverage", &fields);
        let report = story.report();
        let seen = report.hosts.iter().map(|host| {
            let hours = host.hours_of(&report);
            (
                host.key.to_string(),
                hours.complete,
                hours.unknown,
                host.os.is_some(),
            )
        });
        let mut seen: Vec<_> = seen.collect();
        seen.sort_unstable();
        seen
    };
    let of = |mac: &str, has_system| (mac.to_owned(), 1, 0, has_system);
    assert_eq!(story(""), [of(one, false), of(two, false)]);
    // One that is named has it alone.
    assert_eq!(story(&format!(r#","client_mac":"{two}""#)), [of(two, true)]);
}
