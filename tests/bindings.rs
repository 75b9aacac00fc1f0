//! Whom records credit in captures of hosts that change addresses, have several, swap them, or stand behind routers, against the
//! truth (`*.truth.json`): which host did what, and which MAC address it has.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use common::{Capture, of_kind, text};
use serde_json::Value;

fn capture(name: &str) -> (Capture, Vec<Value>) {
    let mut captures = common::captures().into_iter();
    let capture = captures.find(|capture| capture.name == name).unwrap();
    let records = common::records(&common::replay(&capture.path, &[]));
    (capture, records)
}

/// The MAC address that a record of the access credits, by its first connection. Two hosts behind one address have one access together.
fn credited(records: &[Value], access: &Value, is_nat: bool) -> BTreeSet<Option<String>> {
    let is_its = |record: &&Value| {
        let same_client = record["src_ip"] == access["client"];
        let same_name = is_nat && record["update"]["fqdn"] == access["name"];
        same_client && (same_name || record["src_port"] == access["client_port"])
    };
    let updates = of_kind(records, "update").filter(is_its);
    updates
        .map(|record| record["update"]["client_mac"].as_str().map(str::to_owned))
        .collect()
}

const CAPTURES: [&str; 5] = [
    "binding-leases",
    "binding-families",
    "binding-swap",
    "binding-routed",
    "binding-nat",
];

#[test]
fn every_access_is_credited_to_the_host_that_made_it() {
    let mut accesses = 0;
    for name in CAPTURES {
        let (capture, records) = capture(name);
        let truth = capture.truth();
        for access in truth["accesses"].as_array().unwrap() {
            let mac = &truth["hosts"][access["host"].as_str().unwrap()];
            let expected = mac.as_str().map(str::to_owned);
            let credited = credited(&records, access, name == "binding-nat");
            assert_eq!(credited, BTreeSet::from([expected]), "{name}: {access}");
            accesses += 1;
        }
    }
    assert!(accesses > 25, "{accesses}");
}

#[test]
fn sessions_belong_to_hosts_and_not_to_addresses() {
    for name in CAPTURES {
        let (capture, records) = capture(name);
        let truth = capture.truth();
        let hosts = truth["hosts"].as_object().unwrap().values();
        let macs: BTreeSet<&str> = hosts.filter_map(Value::as_str).collect();
        if macs.is_empty() {
            continue;
        }
        // All that a host did lies within minutes, so each has one session, over all its addresses.
        let sessions = of_kind(&records, "update_session");
        let mut by_mac: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
        for record in sessions {
            let session = &record["update_session"];
            let figures = |key: &str| session[key].as_u64().unwrap();
            let of_mac = by_mac.entry(text(&session["client_mac"])).or_default();
            of_mac.push((figures("checks"), figures("downloads")));
        }
        let credited: BTreeSet<&str> = by_mac.keys().map(String::as_str).collect();
        assert_eq!(credited, macs, "{name}");
        assert!(
            by_mac.values().all(|sessions| sessions.len() == 1),
            "{name}: {by_mac:?}"
        );
    }
}

#[test]
fn bindings_are_those_of_the_truth_and_no_host_shares_another_s() {
    for name in CAPTURES {
        let (capture, records) = capture(name);
        let truth = capture.truth();
        let told: BTreeSet<(String, String)> = of_kind(&records, "client_binding")
            .map(|record| &record["client_binding"])
            .map(|binding| (text(&binding["client"]), text(&binding["mac"])))
            .collect();
        let true_macs: BTreeSet<String> = truth["bindings"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|binding| {
                let pair = (text(&binding["address"]), text(&binding["mac"]));
                assert!(told.contains(&pair), "{name}: {pair:?} in {told:?}");
                pair.1
            })
            .collect();
        // A host's MAC address is bound to nothing else, but for what it made of it itself.
        let of_truth = |address: &str| {
            let mut bindings = truth["bindings"].as_array().into_iter().flatten();
            bindings.any(|binding| binding["address"] == address)
        };
        for (address, mac) in told.iter().filter(|(_, mac)| true_macs.contains(mac)) {
            let is_made_of_mac = address.contains("ff:fe");
            assert!(
                of_truth(address) || is_made_of_mac,
                "{name}: {address} {mac}"
            );
        }
        for router in truth["routers"].as_array().into_iter().flatten() {
            let mut bindings = of_kind(&records, "client_binding");
            assert!(
                bindings.all(|record| {
                    let binding = &record["client_binding"];
                    binding["mac"] != *router || of_truth(&text(&binding["client"])) || {
                        // Its own address, which it says is its.
                        text(&binding["client"]).starts_with("203.0.113.1")
                            || text(&binding["client"]).starts_with("192.0.2.1")
                    }
                }),
                "{name}"
            );
        }
    }
}

#[test]
fn nat_is_marked_where_it_is_and_nowhere_else() {
    let marked: BTreeSet<(String, String)> = common::captures()
        .iter()
        .flat_map(|capture| {
            let records = common::records(&common::replay(&capture.path, &[]));
            let marked: Vec<String> = of_kind(&records, "client_binding")
                .filter(|record| record["client_binding"]["nat"] == true)
                .map(|record| text(&record["client_binding"]["client"]))
                .collect();
            marked
                .into_iter()
                .map(|client| (capture.name.clone(), client))
        })
        .collect();
    let expected = ("binding-nat".to_owned(), "198.51.100.101".to_owned());
    assert_eq!(marked, BTreeSet::from([expected]));
}

#[test]
fn whatever_tells_of_the_system_behind_nat_is_mixed() {
    let (_, records) = capture("binding-nat");
    let told = ["coverage", "update_session"].into_iter().flat_map(|kind| {
        let all = of_kind(&records, kind).map(move |record| &record[kind]);
        all.filter(|told| told["client"] == "198.51.100.101" && told["os"].is_object())
    });
    let mixed: Vec<bool> = told.map(|told| told["os"]["mixed"] == true).collect();
    assert!(
        !mixed.is_empty() && mixed.iter().all(|mixed| *mixed),
        "{mixed:?}"
    );
}

#[test]
fn any_number_of_workers_writes_the_same() {
    for name in CAPTURES.iter().chain(&["host-evidence", "dual-stack"]) {
        let (capture, _) = capture(name);
        let lines = |workers: &str| common::replay(&capture.path, &["--workers", workers]);
        let one = lines("1");
        assert!(one.contains("client_binding"), "{name}");
        for workers in ["2", "4"] {
            assert_eq!(lines(workers), one, "{name}: {workers}");
        }
    }
}

#[test]
fn the_list_of_hosts_is_matched_by_mac_address() {
    let (capture, _) = capture("binding-swap");
    let truth = capture.truth();
    let folder = std::env::temp_dir().join(format!("patchspan-listed-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let list = folder.join("hosts.csv");
    let rows: String = ["one", "other"]
        .iter()
        .map(|host| format!("{host}-id,{}\n", text(&truth["hosts"][*host])))
        .collect();
    std::fs::write(&list, format!("id,mac\n{rows}")).unwrap();
    let lines = common::replay(&capture.path, &["--hosts", list.to_str().unwrap()]);
    std::fs::remove_dir_all(&folder).unwrap();
    let records = common::records(&lines);
    for access in truth["accesses"].as_array().unwrap() {
        let id = format!("{}-id", text(&access["host"]));
        let mut updates = of_kind(&records, "update").filter(|record| {
            record["src_ip"] == access["client"] && record["src_port"] == access["client_port"]
        });
        assert!(
            updates.all(|record| record["update"]["client_id"] == id),
            "{access}"
        );
    }
    let ids = of_kind(&records, "update_session").map(|record| &record["update_session"]);
    let ids: BTreeSet<String> = ids.map(|session| text(&session["client_id"])).collect();
    assert_eq!(ids, ["one-id", "other-id"].map(str::to_owned).into());
}

/// Who has what by the messages that tshark reads.
fn tsharks(capture: &Capture, filter: &str, fields: [&str; 2]) -> BTreeSet<(String, String)> {
    let output = Command::new("tshark")
        .args([
            "-r",
            capture.path.to_str().unwrap(),
            "-Y",
            filter,
            "-T",
            "fields",
        ])
        .args(["-e", fields[0], "-e", fields[1]])
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let pairs = lines.lines().filter_map(|line| line.split_once('\t'));
    pairs
        .map(|(address, mac)| (address.to_owned(), mac.to_owned()))
        .collect()
}

#[test]
fn leases_and_claims_are_those_that_tshark_reads() {
    let mut tshark = Command::new("tshark");
    let tshark = tshark.arg("--version").stdout(Stdio::null());
    if tshark.stderr(Stdio::null()).status().is_err() {
        eprintln!("skipped: tshark is not installed");
        return;
    }
    for name in CAPTURES
        .iter()
        .chain(&["host-evidence", "shared-by-server", "vlan"])
    {
        let (capture, records) = capture(name);
        let ours = |source: &str| -> BTreeSet<(String, String)> {
            of_kind(&records, "client_binding")
                .map(|record| &record["client_binding"])
                .filter(|binding| source.is_empty() || binding["source"] == source)
                .map(|binding| (text(&binding["client"]), text(&binding["mac"])))
                .collect()
        };
        let leases = tsharks(
            &capture,
            "dhcp.option.dhcp == 5",
            ["dhcp.ip.your", "dhcp.hw.mac_addr"],
        );
        assert_eq!(ours("dhcp"), leases, "{name}");
        let claims = tsharks(&capture, "arp", ["arp.src.proto_ipv4", "arp.src.hw_mac"]);
        assert!(ours("arp").is_subset(&claims), "{name}");
        // Whatever says that it has an address is believed, where nothing speaks against it.
        assert!(claims.is_subset(&ours("")), "{name}: {claims:?}");
    }
}
