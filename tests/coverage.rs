//! What the program says of what could be seen: of every client of every stored capture, against what its scenario hides; and of made
//! traffic with hours, days and months in it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "coverage/made.rs"]
mod made;
#[path = "support/program.rs"]
mod program;

use std::collections::BTreeMap;

use common::{of_kind, records, replay};
use made::{Made, SECOND};
use program::Scratch;
use serde_json::Value;

/// A client of a capture: capture, client, verdict, words, and what its scenario does to deserve them.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const CAMPUS: &str = "198.51.100.7";
const BROWSER: &str = "198.51.100.21";

/// Every client that is not `complete` without a word.
const HIDDEN: &[Row] = &[
    // What hides updates.
    (
        "doh-firefox-ech",
        BROWSER,
        "cannot_tell",
        "doh ech",
        "lookups over HTTPS and Encrypted ClientHello: no packet has the true name",
    ),
    (
        "vpn-wireguard",
        CAMPUS,
        "cannot_tell",
        "vpn",
        "the download goes through a tunnel",
    ),
    (
        "vpn-openvpn",
        CAMPUS,
        "cannot_tell",
        "vpn",
        "the download goes through a tunnel",
    ),
    (
        "loss-heavy",
        CAMPUS,
        "cannot_tell",
        "loss",
        "a fifth of the copies is missing",
    ),
    (
        "one-sided-server",
        CAMPUS,
        "cannot_tell",
        "no_client_side no_binding",
        "what the client sends is not on the mirror",
    ),
    // What hides some.
    (
        "one-sided-client",
        CAMPUS,
        "partial",
        "no_server_side",
        "what servers send is not on the mirror",
    ),
    (
        "resolver-mirror",
        CAMPUS,
        "partial",
        "no_queries warm_up",
        "the mirror is behind the resolver",
    ),
    (
        "midstream",
        CAMPUS,
        "partial",
        "no_queries warm_up",
        "the capture begins within the download",
    ),
    (
        "snaplen",
        CAMPUS,
        "partial",
        "warm_up",
        "names are cut off: that looks like lookups of before",
    ),
    // What is there, and hides nothing.
    (
        "doh-curl",
        BROWSER,
        "complete",
        "doh",
        "hellos have the names",
    ),
    ("dot", BROWSER, "complete", "dot", "hellos have the names"),
    ("ech", BROWSER, "complete", "ech", "plain DNS has the name"),
    (
        "ech-quic",
        BROWSER,
        "complete",
        "ech",
        "plain DNS has the name",
    ),
    (
        "ech-stale-key",
        BROWSER,
        "complete",
        "ech",
        "plain DNS has the name",
    ),
    (
        "proxy",
        CAMPUS,
        "complete",
        "proxy",
        "requests have the names",
    ),
    (
        "proxy-both-legs",
        CAMPUS,
        "complete",
        "proxy",
        "requests have the names",
    ),
    (
        "refused-proxy",
        CAMPUS,
        "complete",
        "proxy",
        "requests have the names",
    ),
    (
        "apt-cacher",
        CAMPUS,
        "complete",
        "proxy internal_source_likely",
        "a cache on the campus, by its port",
    ),
    (
        "wsus",
        CAMPUS,
        "complete",
        "internal_source_likely",
        "a WSUS on the campus, by its port",
    ),
    (
        "peer-cache",
        CAMPUS,
        "complete",
        "peer_cache",
        "parts come from another client",
    ),
    (
        "binding-leases",
        "198.51.100.101",
        "complete",
        "no_binding",
        "two hosts had the address in this hour",
    ),
    (
        "binding-nat",
        "198.51.100.101",
        "complete",
        "many_hosts",
        "two hosts behind one address",
    ),
    (
        "binding-routed",
        "198.51.100.20",
        "complete",
        "no_binding",
        "a router stands before the mirror",
    ),
    (
        "binding-routed",
        "198.51.100.21",
        "complete",
        "no_binding",
        "a router stands before the mirror",
    ),
    (
        "binding-routed",
        "198.51.100.22",
        "complete",
        "no_binding",
        "a router stands before the mirror",
    ),
    (
        "binding-swap",
        "198.51.100.101",
        "complete",
        "no_binding",
        "two hosts had the address in this hour",
    ),
    (
        "binding-swap",
        "198.51.100.102",
        "complete",
        "no_binding",
        "two hosts had the address in this hour",
    ),
];

/// Its own resolver is none that anybody knows.
const CONFIG: &str = "[coverage]\nresolvers = [\"doh.lab-edge.example\"]\n";

fn coverage(lines: &str) -> Vec<Value> {
    let records = records(lines);
    let coverage = of_kind(&records, "coverage").map(|record| record["coverage"].clone());
    coverage.collect()
}

fn words(hour: &Value) -> String {
    let words = hour["blind"].as_array().unwrap().iter();
    let words: Vec<&str> = words.map(|word| word.as_str().unwrap()).collect();
    words.join(" ")
}

#[test]
fn every_client_of_every_capture_is_told_what_its_scenario_hides() {
    let scratch = Scratch::new("coverage-table");
    let config = scratch.file("sensor.toml", CONFIG);
    let flags = ["--events", "coverage", "--config", &config];
    let mut unmet: Vec<&Row> = HIDDEN.iter().collect();
    let mut wrong = Vec::new();
    let mut hours = 0;
    for capture in common::captures() {
        for hour in coverage(&replay(&capture.path, &flags)) {
            hours += 1;
            let client = hour["client"].as_str().unwrap();
            let is_it = |row: &Row| row.0 == capture.name && row.1 == client;
            unmet.retain(|row| !is_it(row));
            let row = HIDDEN.iter().find(|row| is_it(row));
            let expected = row.map_or(("complete", ""), |row| (row.2, row.3));
            let told = (hour["verdict"].as_str().unwrap(), words(&hour));
            if (told.0, told.1.as_str()) != expected {
                wrong.push(format!(
                    "{} {client}: {told:?}, not {expected:?}",
                    capture.name
                ));
            }
        }
    }
    assert!(
        wrong.is_empty() && unmet.is_empty(),
        "{wrong:#?}\n{unmet:#?}"
    );
    assert!(hours > 90, "{hours}");
}

#[test]
fn what_is_configured_is_no_longer_likely() {
    let scratch = Scratch::new("coverage-sources");
    let text = "[[internal_sources]]\nname = \"wsus\"\nkind = \"wsus\"\nservers = [\"wsus.lab.example\"]\n\
        [[internal_sources]]\nname = \"cacher\"\nkind = \"apt-cache\"\nservers = [\"198.51.100.86\"]\n";
    let config = scratch.file("sensor.toml", text);
    let flags = ["--events", "coverage", "--config", &config];
    let told = |name: &str| {
        let capture = common::captures()
            .into_iter()
            .find(|capture| capture.name == name);
        words(&coverage(&replay(&capture.unwrap().path, &flags))[0])
    };
    assert_eq!(told("wsus"), "internal_source");
    assert_eq!(told("apt-cacher"), "proxy internal_source");
}

/// What the program tells of made traffic, with any number of workers.
fn of(made: Made, name: &str, config: &str) -> Vec<Value> {
    let scratch = Scratch::new(name);
    let (config, path) = (
        scratch.file("sensor.toml", config),
        scratch.file("made.pcap", made.pcap()),
    );
    let path = std::path::Path::new(&path);
    let run = |workers| {
        replay(
            path,
            &[
                "--events",
                "coverage",
                "--config",
                &config,
                "--workers",
                workers,
            ],
        )
    };
    let one = run("1");
    for workers in ["2", "4"] {
        assert_eq!(run(workers), one, "{workers} workers");
    }
    coverage(&one)
}

#[test]
fn a_hundred_thousand_forged_senders_are_nobody() {
    let mut made = Made::default();
    for number in 0..100_000_u32 {
        let sender = 0x0b00_0000 + number;
        let at = i64::from(number) * SECOND / 1_000;
        made.syn(at, sender, number % 4);
        made.udp(at, (sender, 40_000), (made::SERVER, 9), b"x");
    }
    made.exchange(0, made::CLIENT, 40_000);
    let told = of(made, "coverage-forged", "");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["flows"], &told[0]["verdict"]),
        (&1.into(), &"complete".into())
    );
}

#[test]
fn a_host_that_only_asks_for_the_time_is_there_and_seen() {
    let mut made = Made::default();
    for minute in 0..3 {
        let at = minute * 60 * SECOND;
        made.udp(at, (made::CLIENT, 123), (made::SERVER, 123), &[0x23; 48]);
        made.udp(
            at + SECOND / 50,
            (made::SERVER, 123),
            (made::CLIENT, 123),
            &[0x24; 48],
        );
    }
    let told = of(made, "coverage-ntp", "");
    let hour = &told[0];
    assert_eq!(
        (told.len(), &hour["active_minutes"], &hour["flows"]),
        (1, &3.into(), &1.into())
    );
    assert_eq!(
        (hour["verdict"].as_str(), words(hour)),
        (Some("complete"), String::new())
    );
    assert_eq!(hour["named"]["none"], 1);
}

#[test]
fn hours_are_those_of_the_clock_over_midnight_and_over_months() {
    let midnight = 86_400 * SECOND;
    let mut made = Made::default();
    made.exchange(midnight - SECOND / 10, made::CLIENT, 40_000);
    made.again(midnight + SECOND / 10, made::CLIENT, 40_000);
    // A capture whose time jumps is not believed at once: somebody says something twice an hour.
    for number in 0..31 * 13 * 48 {
        made.udp(
            midnight + number * 1_800 * SECOND,
            (7, 7),
            (made::SERVER, 9),
            b"x",
        );
    }
    for month in 1..=12 {
        made.exchange(midnight * 31 * month + 60 * SECOND, made::CLIENT, 40_000);
    }
    let told = of(made, "coverage-months", "");
    assert_eq!(told.len(), 14);
    let times = |hour: &Value| {
        (
            hour["start"].as_str().unwrap().to_owned(),
            hour["end"].as_str().unwrap().to_owned(),
        )
    };
    let first = (
        "1970-01-01T23:59:59.900000+0000",
        "1970-01-02T00:00:00.000000+0000",
    );
    assert_eq!(times(&told[0]), (first.0.to_owned(), first.1.to_owned()));
    let second = (
        "1970-01-02T00:00:00.000000+0000",
        "1970-01-02T01:00:00.000000+0000",
    );
    assert_eq!(times(&told[1]), (second.0.to_owned(), second.1.to_owned()));
    for hour in &told {
        assert_eq!(
            (&hour["flows"], &hour["active_minutes"]),
            (&1.into(), &1.into()),
            "{hour}"
        );
        assert_eq!(hour["verdict"], "complete");
    }
    assert_eq!(told[1]["reported"], "1970-01-02T01:00:10.000000+0000");
}

#[test]
fn clients_of_the_own_networks_alone_have_hours() {
    let mut made = Made::default();
    let mut expected = BTreeMap::new();
    for number in 0..200_u32 {
        let client = 0xc000_0200 + number;
        made.exchange(
            i64::from(number) * 37 * SECOND,
            client,
            40_000 + number as u16,
        );
        if number < 128 {
            *expected.entry(client).or_insert(0) += 1;
        }
    }
    let told = of(
        made,
        "coverage-local",
        "networks.local = [\"192.0.2.0/25\"]\n",
    );
    let mut found = BTreeMap::new();
    for hour in &told {
        let client: std::net::Ipv4Addr = hour["client"].as_str().unwrap().parse().unwrap();
        *found.entry(client.to_bits()).or_insert(0) += 1;
    }
    assert_eq!(found, expected);
}
