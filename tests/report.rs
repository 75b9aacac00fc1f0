//! `patchspan report` from outside: a month of fifty hosts, hostile records, each form of the output, and the page in a real browser.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "report/month.rs"]
mod month;
#[path = "support/program.rs"]
mod program;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use month::{Month, OVERDUE, ZONE};
use patchspan::config::hosts::HostList;
use patchspan::config::report::ReportConfig;
use patchspan::offline::report::reading::Records;
use patchspan::offline::report::rules::Rules;
use patchspan::offline::report::words::Language;
use patchspan::offline::report::{Options, Report, page, table};
use patchspan::source::capture::Input;
use patchspan::updates::Catalogue;
use program::{Scratch, patchspan};
use serde_json::Value;

/// The month's records, made once.
static MONTH: LazyLock<String> = LazyLock::new(|| {
    let mut text = Month::new().lines.join("\n");
    text.push('\n');
    text
});

fn report(flags: &[&str], records: &str) -> String {
    let all = [&["report", "--timezone", ZONE, "-"], flags].concat();
    let (code, out, err) = patchspan(&all, records.as_bytes());
    assert_eq!((code, err.as_str()), (0, ""));
    out
}

fn json(records: &str) -> Value {
    serde_json::from_str(&report(&["--format", "json"], records)).unwrap()
}

/// State and reason of each host and product.
fn states(report: &Value) -> BTreeMap<(String, String), (String, String)> {
    let mut all = BTreeMap::new();
    for host in report["hosts"].as_array().unwrap() {
        for product in host["products"].as_array().unwrap() {
            let word = |value: &Value| value.as_str().unwrap().to_owned();
            let key = (word(&host["host"]), word(&product["product"]));
            all.insert(key, (word(&product["state"]), word(&product["reason"])));
        }
    }
    all
}

#[test]
fn the_month_names_the_planted_hosts_as_overdue_and_nobody_else() {
    let report = json(&MONTH);
    assert_eq!(report["hosts"].as_array().unwrap().len(), 50);
    let states = states(&report);
    let overdue = states.iter().filter(|(_, (state, _))| state == "overdue");
    let mut overdue: Vec<_> = overdue
        .map(|((host, product), (_, reason))| (host.as_str(), product.as_str(), reason.as_str()))
        .collect();
    let mut planted = OVERDUE.to_vec();
    planted.sort_unstable();
    overdue.sort_unstable();
    assert_eq!(overdue, planted);
    // What needs attention stands first.
    let first = report["hosts"].as_array().unwrap().iter().take(5);
    assert!(first.clone().all(|host| host["state"] == "overdue"));
}

#[test]
fn whoever_was_away_hidden_or_elsewhere_is_what_it_is() {
    let states = states(&json(&MONTH));
    let windows = "microsoft/windows-update";
    for (host, product, state, reason) in [
        // On holiday: what was true when it left.
        ("pc-03", windows, "checked", "asked"),
        // At work all month.
        ("pc-01", windows, "downloaded", "fetched"),
        ("srv-01", "debian/apt", "downloaded", "fetched"),
        ("lab-01", windows, "checked", "asked"),
        // Updates only elsewhere.
        (
            "note-01",
            "apple/macos-ios-software-update",
            "not_seen",
            "never",
        ),
        ("note-05", windows, "not_seen", "never"),
        // WSUS, named and not.
        ("office-01", windows, "downloaded", "fetched"),
        ("office-03", windows, "cannot_tell", "elsewhere"),
        // Hidden.
        ("priv-01", windows, "cannot_tell", "hidden"),
        ("priv-03", windows, "cannot_tell", "hidden"),
        ("vpn-01", windows, "cannot_tell", "hidden"),
        ("vpn-02", windows, "cannot_tell", "hidden"),
        ("wing-01", windows, "cannot_tell", "hidden"),
        // Two that swapped their addresses: each keeps its own history.
        (
            "02:00:5e:00:53:01",
            "debian/apt",
            "checked",
            "nothing_offered",
        ),
        (
            "02:00:5e:00:53:02",
            "debian/apt",
            "checked",
            "nothing_offered",
        ),
        ("02:00:5e:00:53:02", "mozilla/firefox", "checked", "asked"),
        // Here for a day only.
        (
            "2001:db8::7",
            "canonical/ubuntu-apt",
            "cannot_tell",
            "little_seen",
        ),
    ] {
        let found = &states[&(host.to_owned(), product.to_owned())];
        assert_eq!(
            (found.0.as_str(), found.1.as_str()),
            (state, reason),
            "{host} {product}"
        );
    }
    let swapped = ("02:00:5e:00:53:01".to_owned(), "mozilla/firefox".to_owned());
    assert!(!states.contains_key(&swapped));
}

#[test]
fn the_page_is_small_quick_and_asks_for_nothing() {
    let started = Instant::now();
    let page = report(&["--format", "html"], &MONTH);
    // The program is one without optimization here; whoever measures has time for itself.
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    assert!(page.len() < 1_000_000, "{}", page.len());
    for outside in [
        "http://", "https://", "//", "src=", "@import", "<script", "<link", "<iframe", "<img",
    ] {
        let page = page.replace("<!DOCTYPE", "");
        assert!(!page.contains(outside), "{outside}");
    }
}

/// What stands between two marks, each time.
fn between<'t>(text: &'t str, start: &str, end: &str) -> Vec<&'t str> {
    let parts = text.split(start).skip(1);
    parts.map(|part| part.split(end).next().unwrap()).collect()
}

#[test]
fn every_host_stands_in_one_tile() {
    let json = json(&MONTH);
    let hosts = json["hosts"].as_array().unwrap();
    // One of them has no product, and so no state.
    assert!(hosts.iter().any(|host| host["state"].is_null()));
    for language in ["en", "ja"] {
        let page = report(&["--format", "html", "--lang", language], &MONTH);
        let numbers = between(&page, "<p class=\"number\">", "</p>");
        let numbers = numbers
            .iter()
            .map(|text| text.rsplit('>').next().unwrap().parse::<usize>().unwrap());
        let numbers: Vec<usize> = numbers.collect();
        assert_eq!(numbers.len(), 6);
        assert_eq!(numbers.iter().sum::<usize>(), hosts.len());
        assert_eq!(numbers.last(), Some(&1));
        assert_eq!(page.matches("<article class=\"host\"").count(), hosts.len());
        // The same in the head of the terminal's.
        let table = report(&["--lang", language], &MONTH);
        let head = table.split("\n\n").next().unwrap();
        let digits = |line: &str| -> String {
            let number = line.rsplit(':').next().unwrap();
            number.chars().filter(char::is_ascii_digit).collect()
        };
        let told = head
            .lines()
            .skip(1)
            .map(|line| digits(line).parse::<usize>().unwrap());
        assert_eq!(told.collect::<Vec<_>>(), numbers);
    }
}

/// The month has ten hours in which the sensor did not run and nothing was written of anybody.
#[test]
fn hours_without_the_sensor_are_untold_and_nobody_is_away_in_them() {
    let down = [
        ("2026-11-14T13:00:00Z", "2026-11-14T21:00:00Z"),
        ("2026-11-18T03:00:00Z", "2026-11-18T05:00:00Z"),
    ];
    let spans = |value: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let all = value.as_array().unwrap().iter();
        all.map(|span| (text(&span["start"]), text(&span["end"])))
            .collect()
    };
    // Nothing at all was written of these hours: `2026-11-14T13`.
    for line in MONTH.lines().filter(|line| line.contains("\"coverage\"")) {
        let value: Value = serde_json::from_str(line).unwrap();
        let hour = value["coverage"]["start"].as_str().unwrap().get(..13);
        let is_within = |(from, to): &(&str, &str)| hour >= from.get(..13) && hour < to.get(..13);
        assert!(!down.iter().any(is_within), "{line}");
    }
    let json = json(&MONTH);
    let expected = down.map(|(from, to)| (from.to_owned(), to.to_owned()));
    assert_eq!(spans(&json["sensor_blind"]), expected);
    for host in json["hosts"].as_array().unwrap() {
        let untold = spans(&host["cannot_tell"]);
        for (from, to) in down {
            let holds =
                |(start, end): &(String, String)| start.as_str() <= from && to <= end.as_str();
            assert!(untold.iter().any(holds), "{} {untold:?}", host["host"]);
            let away = spans(&host["away"]);
            let overlaps =
                |(start, end): &(String, String)| start.as_str() < to && from < end.as_str();
            assert!(!away.iter().any(overlaps), "{} {away:?}", host["host"]);
        }
    }
    let page = report(&["--format", "html"], &MONTH);
    assert_eq!(page.matches("<rect class=\"off\" x=").count(), 2 * 50);
}

#[test]
fn the_page_tells_when_and_why_as_its_drawing_does() {
    let page = report(&["--format", "html"], &MONTH);
    for told in [
        // The last check was on the 6th; nothing was hidden before the 9th.
        "Since 2026-11-09 09:00 all of its traffic was hidden from the sensor. Cause: VPN.",
        "Since 2026-11-20 09:00 part of its traffic was hidden from the sensor",
        "In the whole period all of its traffic was hidden from the sensor",
        "earlier 192.0.2.94 · ",
        "earlier 192.0.2.92 (until 2026-11-13; another host uses it now)",
        "192.0.2.91 (since 2026-11-16; another host used it before)",
        "there is nothing to judge",
        // Seen completely, and yet nobody can tell.
        "What its own update server sends cannot be seen, even where all other traffic is (own update server likely",
        "weekends too, are drawn as away",
    ] {
        assert!(page.contains(told), "{told}");
    }
    let unseen = between(&page, "<section class=\"list unseen\"", "</section>");
    assert_eq!(unseen[0].matches("<li>").count(), 6);
    // Of four hosts with an own server, on the lane of their system each.
    assert!(page.matches("<rect class=\"own\" x=").count() >= 4);
    let japanese = report(&["--format", "html", "--lang", "ja"], &MONTH);
    assert!(japanese.contains("確実に観測できた日は9日"));
}

/// Words of records and of the trade stand in JSON and CSV, not before readers.
#[test]
fn the_page_speaks_plainly() {
    let csv = report(&["--format", "csv"], &MONTH);
    for language in ["en", "ja"] {
        let page = report(&["--format", "html", "--lang", language], &MONTH);
        let body = page.split("<body>").nth(1).unwrap();
        for word in [
            "endpoint_role",
            "ranges_covered",
            "burst_volume",
            "not_modified",
            "no_server_side",
            "cannot_tell",
            "Omaha",
            "omaha",
            "mirror",
            "ClientHello",
            "coverage record",
        ] {
            assert!(!body.contains(word), "{language} {word}");
        }
        let known = ["evidence.", "word.", "reason.", "late.", "legend.", "help."];
        let texts = between(body, ">", "<");
        assert!(
            !texts
                .iter()
                .any(|text| known.iter().any(|key| text.starts_with(key)))
        );
    }
    assert!(csv.contains("endpoint_role") && csv.contains("chrome-omaha-updater"));
}

#[test]
fn every_form_tells_the_same_and_json_keeps_its_schema() {
    let (_, schema, _) = patchspan(&["report", "--schema"], b"");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let report_json = json(&MONTH);
    let errors: Vec<_> = validator
        .iter_errors(&report_json)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    let told = states(&report_json).len();
    let csv = report(&["--format", "csv"], &MONTH);
    assert_eq!(csv.lines().count(), told + 1);
    let table = report(&["--lang", "ja"], &MONTH);
    assert_eq!(
        table
            .lines()
            .filter(|line| line.starts_with("! 要確認 "))
            .count(),
        OVERDUE.len()
    );
    assert!(!table.contains("reason.") && !table.contains("state."));
    let mut lines = table.lines();
    assert!(lines.any(|line| line.starts_with("  判定対象なし ") && line.contains("192.0.2.99")));
    let page = report(&["--format", "html"], &MONTH);
    assert_eq!(
        page.matches("<tr role=\"row\"><th scope=\"row\"").count(),
        // One without a product has a row, too, and each host one of its own.
        told + 1 + 50
    );
}

#[test]
fn equal_records_give_equal_bytes_in_any_order_and_compressed() {
    let scratch = Scratch::new("report-order");
    let lines: Vec<&str> = MONTH.lines().collect();
    let (first, second) = lines.split_at(lines.len() / 2);
    let packed = zstd::encode_all(second.join("\n").as_bytes(), 1).unwrap();
    let (later, earlier) = (
        scratch.file("patchspan.json", first.join("\n")),
        scratch.file("patchspan-2.json.zst", packed),
    );
    for format in ["html", "json", "csv", "table"] {
        let flags = [
            "report",
            "--timezone",
            ZONE,
            "--format",
            format,
            &earlier,
            &later,
        ];
        let (code, out, err) = patchspan(&flags, b"");
        assert_eq!((code, err.as_str()), (0, ""));
        assert_eq!(out, report(&["--format", format], &MONTH), "{format}");
    }
}

#[test]
fn a_list_names_hosts_and_one_host_can_be_asked_for() {
    let scratch = Scratch::new("report-list");
    let list =
        "id,label,mac,manager\nserver-4,Printing <b>,02:00:5e:00:53:04,print@example.ac.jp\n";
    let list = scratch.file("hosts.csv", list);
    for wanted in [
        "server-4",
        "printing <b>",
        "02:00:5e:00:53:04",
        "02-00-5E-00-53-04",
        "0200.5e00.5304",
        "192.0.2.94",
    ] {
        let out = report(
            &["--format", "json", "--hosts", &list, "--host", wanted],
            &MONTH,
        );
        let report: Value = serde_json::from_str(&out).unwrap();
        let [host] = report["hosts"].as_array().unwrap().as_slice() else {
            panic!("{wanted}: {report}");
        };
        assert_eq!(
            (host["host"].as_str(), host["name"].as_str()),
            (Some("server-4"), Some("Printing <b>"))
        );
        assert_eq!(host["manager"], "print@example.ac.jp");
        assert_eq!(host["state"], "overdue");
    }
}

#[test]
fn a_host_that_is_none_is_told_with_names_like_it() {
    let run = |hosts: &[&str]| {
        let flags = hosts.iter().flat_map(|host| ["--host", host]);
        let flags: Vec<_> = ["report", "-", "--format", "csv"]
            .into_iter()
            .chain(flags)
            .collect();
        patchspan(&flags, MONTH.as_bytes())
    };
    let (code, out, err) = run(&["pc-7"]);
    assert_eq!((code, out.as_str()), (4, ""));
    assert!(
        err.contains("no host of these records is called pc-7; there is pc-0"),
        "{err}"
    );
    let (_, _, err) = run(&["office"]);
    assert!(err.contains("there is office-01, office-02"), "{err}");
    let (_, _, err) = run(&["nowhere.example.ac.jp"]);
    assert_eq!(
        err,
        "patchspan: no host of these records is called nowhere.example.ac.jp\n"
    );
    // Of a good one and a bad one the good one is reported, and the bad one is told.
    let (code, out, err) = run(&["pc-07", "pc-7"]);
    assert!(code == 4 && err.contains("called pc-7;"), "{code} {err}");
    assert!(out.lines().skip(1).all(|line| line.starts_with("pc-07,")) && out.lines().count() > 1);
    for empty in ["", " "] {
        let (code, out, err) = run(&[empty]);
        assert_eq!((code, out.as_str()), (2, ""));
        assert!(err.contains("an id, a name, an address"), "{err}");
    }
}

#[test]
fn what_makes_no_sense_is_told_with_its_exit_code() {
    let lines = b"{\"event_type\":\n\n[1]\n{\"event_type\":\"update\",\"update\":[]}\n{\"loss\":7}";
    let (code, out, err) = patchspan(&["report", "-"], lines);
    assert_eq!((code, out.as_str()), (4, ""));
    let told = [
        "-:1: no JSON: EOF while parsing a value, at column 14",
        "-:3: no record: it is no JSON object",
        "-:4: no record that a report understands: invalid length 0, expected an `update` object",
        "-:5: no record that a report understands: invalid type: integer `7`, expected a `loss` object",
    ];
    assert_eq!(err.lines().collect::<Vec<_>>(), told);
    let scratch = Scratch::new("report-files");
    for (file, records, told) in [
        (
            "/nonexistent",
            "",
            "/nonexistent cannot be read: No such file",
        ),
        ("-", "", "the files have no records"),
        ("tests", "", "tests is a directory: name its files"),
        (
            "pcaps/firefox.pcap",
            "",
            "pcaps/firefox.pcap is a capture: run `patchspan replay` on it first",
        ),
        (
            "pcaps/apt.pcap.zst",
            "",
            "pcaps/apt.pcap.zst is a capture: run `patchspan replay` on it first",
        ),
    ] {
        let (code, out, err) = patchspan(&["report", file], records.as_bytes());
        assert_eq!(
            (code, out.as_str(), err.lines().count()),
            (4, "", 1),
            "{err}"
        );
        assert!(err.contains(told), "{err}");
    }
    let month = scratch.file("month.json", MONTH.as_str());
    let (code, _, err) = patchspan(&["report", &month, "--since", "2027-01-01"], b"");
    assert!(
        code == 4 && err.contains("they are from 2026-10-31T15:00:00Z to 2026-11-30T"),
        "{err}"
    );
    for flags in [
        &["--since", "yesterday"][..],
        &["--since", "9999-12-31"],
        &["--since", "2026-11-02", "--until", "2026-11-01"],
        &["--lang", "fr"],
        &["-"],
    ] {
        let (code, _, err) = patchspan(&[&["report", "-"], flags].concat(), b"");
        assert_eq!(code, 2, "{flags:?} {err}");
    }
    let scratch = Scratch::new("report-config");
    let config = scratch.file("sensor.toml", "[report]\nintervals = 0\n");
    let (code, _, err) = patchspan(&["report", "--config", &config, "-"], b"");
    assert!(code == 3 && err.contains("report.intervals = 0"), "{err}");
}

/// A host of which nothing was heard for more than 400 days is in no report of today.
#[test]
fn what_is_too_old_is_told_with_the_remedy() {
    let (old, new) = (
        "2018-08-14T09:00:00.000000+0000",
        "2026-11-02T09:00:00.000000+0000",
    );
    let line = |client: &str, at: &str| {
        format!(
            r#"{{"timestamp":"{at}","event_type":"coverage","coverage":{{"client":"{client}","start":"{at}","end":"{at}","active_minutes":9,"verdict":"complete"}}}}"#
        )
    };
    let records = [("192.0.2.1", new), ("192.0.2.1", old), ("192.0.2.2", old)];
    let records = records.map(|(client, at)| line(client, at)).join("\n");
    let run = |flags: &[&str]| {
        let all = [&["report", "-", "--format", "json"], flags].concat();
        let (code, out, err) = patchspan(&all, records.as_bytes());
        assert_eq!(code, 0, "{err}");
        (serde_json::from_str::<Value>(&out).unwrap(), err)
    };
    let (report, err) = run(&[]);
    assert!(
        err.contains("older: 2 records, and 1 host of which") && err.contains("--until 2018-08-14"),
        "{err}"
    );
    let expected = serde_json::json!({"records": 2, "hosts": 1, "last": "2018-08-14T09:00:00Z"});
    assert_eq!(report["left_out"], expected);
    assert_eq!(report["hosts"].as_array().unwrap().len(), 1);
    let (_, page, _) = patchspan(
        &["report", "-", "--format", "html", "--lang", "ja"],
        records.as_bytes(),
    );
    assert!(page.contains("--until 2018-08-14 を指定すると"));
    let (_, schema, _) = patchspan(&["report", "--schema"], b"");
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    assert!(validator.is_valid(&report));
    for flags in [["--until", "2018-08-14"], ["--since", "2026-11-01"]] {
        let (report, err) = run(&flags);
        assert!(
            err.is_empty() && report["left_out"].is_null(),
            "{flags:?} {err}"
        );
    }
    assert_eq!(
        run(&["--until", "2018-08-14"]).0["hosts"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

/// Every prefix of a line of each kind, and every byte of it in another's place: read, judged, and told.
#[test]
fn no_line_however_broken_does_harm() {
    let (rules, _) = Rules::new(&Catalogue::embedded().unwrap(), &ReportConfig::default());
    let options = Options {
        hosts: Vec::new(),
        since: None,
        until: None,
        zone: jiff::tz::TimeZone::UTC,
        rules,
    };
    let list = HostList::default();
    let mut kinds = BTreeMap::new();
    for line in MONTH.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        kinds.insert(value["event_type"].as_str().unwrap().to_owned(), line);
    }
    assert_eq!(kinds.len(), 6);
    let (mut understood, mut refused) = (0_u64, 0_u64);
    let mut number = 0;
    let mut tell = |line: &[u8]| {
        let mut records = Records::default();
        let reading = records
            .read(Input::new(std::io::Cursor::new(line.to_vec())))
            .unwrap();
        assert!(reading.problems.len() <= 1);
        refused += reading.problems.len() as u64;
        understood += records.lines;
        number += 1;
        let report = Report::of(&records, &list, &options);
        for report in report.iter().filter(|_| number % 8 == 0) {
            let page = page::page(report, Language::Japanese);
            assert!(page.ends_with("</html>") && !page.contains("<script"));
            table::text(report, Language::English, Some(60));
        }
    };
    for line in kinds.values() {
        let bytes = line.as_bytes();
        (0..bytes.len()).for_each(|end| tell(&bytes[..end]));
        for at in 0..bytes.len() {
            for new in [b'9', b'"', 0xff] {
                let mut changed = bytes.to_vec();
                changed[at] = new;
                tell(&changed);
            }
        }
    }
    assert!(
        understood > 1_000 && refused > 1_000,
        "{understood} {refused}"
    );
}

/// Chromium, and axe-core where it is there (`make test` sees to both).
fn browser() -> Option<(String, Vec<String>)> {
    let named = std::env::var("PATCHSPAN_CHROMIUM").ok();
    let program = named.or_else(|| {
        let path = std::env::var("PATH").unwrap_or_default();
        let known = ["chromium", "chromium-browser", "google-chrome"];
        let mut places = path
            .split(':')
            .flat_map(|folder| known.map(|name| format!("{folder}/{name}")));
        places.find(|place| Path::new(place).exists())
    })?;
    let axe = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/target/tools/node_modules/axe-core/axe.min.js"
    );
    let axe = Path::new(axe)
        .exists()
        .then(|| vec!["--axe".to_owned(), axe.to_owned()]);
    Some((program, axe.unwrap_or_default()))
}

/// What is wrong with a page, in each of its four looks.
fn findings(
    page: &str,
    name: &str,
    (program, flags): &(String, Vec<String>),
) -> BTreeMap<String, Vec<String>> {
    let scratch = Scratch::new(name);
    let page = scratch.file("page.html", page);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/report/browser.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(program)
        .arg(&page)
        .args(flags)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let found: BTreeMap<String, Value> = serde_json::from_slice(&output.stdout).unwrap();
    let lists = ["problems", "console", "requests", "resources"];
    let texts = |look: &Value| {
        let all = lists.iter().flat_map(|list| look[list].as_array().unwrap());
        all.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    found
        .iter()
        .map(|(look, value)| (look.clone(), texts(value)))
        .collect()
}

#[test]
fn a_real_browser_finds_nothing_wrong_with_the_page() {
    let Some(browser) = browser() else {
        eprintln!("skipped: Chromium is not installed");
        return;
    };
    for language in ["en", "ja"] {
        let page = report(&["--format", "html", "--lang", language], &MONTH);
        let found = findings(&page, &format!("report-{language}"), &browser);
        assert_eq!(found.len(), 4);
        for (look, all) in found {
            assert!(all.is_empty(), "{language} {look}: {all:#?}");
        }
    }
}

#[test]
fn the_browser_finds_what_is_wrong() {
    let Some(browser) = browser() else {
        eprintln!("skipped: Chromium is not installed");
        return;
    };
    let page = report(&["--format", "html", "--host", "pc-07"], &MONTH);
    let wrong = "<h6>Deep</h6><p style='width:2000px'>wide</p><p style='color:#bbb;background:#fff'>pale</p><a href='#nowhere'>x</a>\
                 <svg width=9 height=9></svg><img src='https://example.org/x.png'><p id=table></p></main>";
    let page = page.replace("</main>", wrong);
    for (look, all) in findings(&page, "report-wrong", &browser) {
        for part in [
            "left out",
            "wide, the window",
            "contrast",
            "leads nowhere",
            "without a name",
            "stands twice",
            "example.org",
        ] {
            assert!(
                all.iter().any(|text| text.contains(part)),
                "{look} {part}: {all:#?}"
            );
        }
    }
}

#[test]
#[ignore = "writes the pages for people to look at: PATCHSPAN_PAGES=DIR"]
fn pages_for_people() {
    let folder = std::path::PathBuf::from(std::env::var_os("PATCHSPAN_PAGES").unwrap());
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("month.jsonl"), &*MONTH).unwrap();
    for language in ["en", "ja"] {
        let page = report(&["--format", "html", "--lang", language], &MONTH);
        std::fs::write(folder.join(format!("{language}.html")), page).unwrap();
        let table = report(&["--lang", language], &MONTH);
        std::fs::write(folder.join(format!("{language}.txt")), table).unwrap();
    }
}
