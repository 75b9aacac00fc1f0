//! What the records of one output say of each other, on every stored capture: accesses lie within the bindings of their hosts, the time of
//! writing never runs back, and what was inferred is told.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, HashMap};

use common::{assert_explained, of_kind, on_every_capture, records, replay, text};
use serde_json::Value;

/// Final accesses.
fn accesses(records: &[Value]) -> impl Iterator<Item = &Value> {
    let all = of_kind(records, "update").map(|record| &record["update"]);
    all.filter(|access| access["final"] == true)
}

/// The last line of each binding.
fn bindings(records: &[Value]) -> Vec<&Value> {
    let mut last = BTreeMap::new();
    for binding in of_kind(records, "client_binding").map(|record| &record["client_binding"]) {
        let key = ["client", "mac", "start"].map(|key| text(&binding[key]));
        last.insert(key, binding);
    }
    last.into_values().collect()
}

/// Whether an access began while its client was bound to its MAC address.
fn is_within(access: &Value, binding: &Value) -> bool {
    let time = |value: &Value| text(value);
    let start = time(&access["start"]);
    binding["client"] == access["client"]
        && binding["mac"] == access["client_mac"]
        && time(&binding["start"]) <= start
        && (binding["ongoing"] == true || start < time(&binding["end"]))
}

#[test]
fn every_access_with_a_mac_address_lies_within_a_binding_of_both() {
    let found = on_every_capture(|capture| {
        let records = records(&replay(
            &capture.path,
            &["--events", "update,client_binding"],
        ));
        let bindings = bindings(&records);
        let outside = accesses(&records)
            .filter(|access| access["client_mac"].is_string())
            .filter(|access| !bindings.iter().any(|binding| is_within(access, binding)));
        outside.map(Value::to_string).collect()
    });
    assert_explained(&found, &[]);
}

#[test]
fn a_binding_that_ended_is_told_from_one_that_goes_on() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("pcaps/binding-swap.pcap");
    let records = records(&replay(&path, &["--events", "client_binding"]));
    let of = |mac: &str| -> Vec<bool> {
        let all = bindings(&records).into_iter();
        let own = all.filter(|one| one["mac"] == mac && one["client"] == "198.51.100.101");
        own.map(|one| one["ongoing"] == true).collect()
    };
    assert_eq!(of("02:00:5e:00:00:0d"), [false], "it gave the address up");
    assert_eq!(of("02:00:5e:00:00:0f"), [true], "it has it at the end");
}

#[test]
fn the_time_of_writing_never_runs_back_and_the_counters_come_last() {
    let found = on_every_capture(|capture| {
        let (mut last, mut wrong) = (String::new(), Vec::new());
        for record in records(&replay(&capture.path, &[])) {
            let kind = text(&record["event_type"]);
            let told = match kind.as_str() {
                "update" | "update_session" | "coverage" => text(&record[&kind]["reported"]),
                "flow" | "stats" | "patchspan_stats" => text(&record["timestamp"]),
                _ => continue,
            };
            if told < last {
                wrong.push(format!("{kind} of {told} after {last}"));
            }
            last = last.max(told);
        }
        wrong
    });
    assert_explained(&found, &[]);
}

#[test]
fn an_access_says_that_something_was_inferred_where_its_flows_do() {
    let found = on_every_capture(|capture| {
        let records = records(&replay(&capture.path, &["--events", "update,flow"]));
        let inferred: HashMap<u64, u64> = of_kind(&records, "flow")
            .map(|flow| {
                let bytes = &flow["patchspan"]["delivered"]["inferred_toclient"];
                (flow["flow_id"].as_u64().unwrap(), bytes.as_u64().unwrap())
            })
            .collect();
        let wrong = accesses(&records).filter_map(|access| {
            let flows = access["flow_ids"].as_array().unwrap().iter();
            let of = |flow: &Value| inferred.get(&flow.as_u64()?).copied();
            let lost: u64 = flows.filter_map(of).sum();
            let evidence = access["evidence"].as_array().unwrap();
            let is_told = evidence.iter().any(|word| word == "inferred");
            let what = if is_told { "inferred" } else { "not inferred" };
            (is_told != (lost > 0)).then(|| format!("{what}, of {lost} bytes: {access}"))
        });
        wrong.collect()
    });
    assert_explained(&found, &[]);
}
