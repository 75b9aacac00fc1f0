//! `patchspan run` on a mirror port against `patchspan replay` on what tcpdump captured beside it.
//!
//! Real clients in network namespaces (`pcaps/lab`): needs root.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{of_kind, text};
use serde_json::Value;

/// Scenarios of the laboratory: downloads over HTTP and TLS, ranges, failed connections, DNS over TCP.
const SCENARIOS: &[&str] = &[
    "curl-http",
    "curl-tls13",
    "http-ranges",
    "apt",
    "dns-tcp",
    "dns-fragments",
    "vxlan",
    "refused",
    "resolved-only",
];

#[test]
#[ignore = "needs root: makes network namespaces"]
fn a_live_run_tells_what_a_replay_tells_as_root() {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("pcaps/lab");
    assert_success(Command::new("sh").arg(lab.join("install.sh")));
    for workers in ["1", "2"] {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("live-{workers}"));
        let _ = std::fs::remove_dir_all(&folder);
        let program = env!("CARGO_BIN_EXE_patchspan");
        let mut make = Command::new("python3");
        make.arg(lab.join("make.py"))
            .arg("--out")
            .arg(&folder)
            .args(SCENARIOS)
            .env("PATCHSPAN_SENSOR", format!("{program} --workers {workers}"));
        assert_success(&mut make);
        for scenario in SCENARIOS {
            compare(&folder, scenario);
        }
    }
}

fn assert_success(command: &mut Command) {
    let output = command.output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&told)
    );
}

/// Updates, names and flows are the same; nothing was lost.
fn compare(folder: &Path, scenario: &str) {
    let live = std::fs::read_to_string(folder.join(format!("{scenario}.live.jsonl"))).unwrap();
    let live = common::records(&live);
    let replayed = common::records(&common::replay(&capture(folder, scenario), &[]));
    for kind in ["update", "dns", "tls", "quic", "http", "flow"] {
        // What machines say by themselves may fall between the two beginnings.
        let is_meant = |record: &&Value| kind != "flow" || record["app_proto"].is_string();
        let told = |records: &[Value]| -> BTreeSet<String> {
            let meant = of_kind(records, kind).filter(is_meant);
            meant.map(|record| essence(kind, record)).collect()
        };
        assert_eq!(told(&live), told(&replayed), "{scenario}: {kind}");
    }
    assert_eq!(of_kind(&live, "loss").count(), 0, "{scenario}");
    let stats = of_kind(&live, "patchspan_stats").last().unwrap();
    let captured = &stats["patchspan_stats"]["capture"];
    assert_eq!(captured["handover_drops"], 0, "{scenario}");
    // The kernel looks into no tunnel; all else it gives to the right worker.
    let is_tunnelled = scenario == "vxlan";
    assert!(
        is_tunnelled || captured["handed_over"] == 0,
        "{scenario}: {captured}"
    );
}

fn capture(folder: &Path, scenario: &str) -> PathBuf {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(&format!("{scenario}.pcap"))
        })
        .unwrap()
}

/// What must be equal: all but numbers of packets, identities made of them, and stamps finer than the capture file's.
fn essence(kind: &str, record: &Value) -> String {
    let ends =
        ["src_ip", "src_port", "dest_ip", "dest_port", "proto"].map(|key| text(&record[key]));
    let own: Vec<Value> = match kind {
        "update" => [
            "client",
            "rule",
            "role",
            "verdict",
            "confidence",
            "fqdn",
            "final",
            "bytes_toserver",
            "bytes_toclient",
            "delivered_toclient",
            "evidence",
        ]
        .map(|key| record["update"][key].clone())
        .to_vec(),
        "flow" => {
            let counts = [
                "pkts_toserver",
                "pkts_toclient",
                "bytes_toserver",
                "bytes_toclient",
            ];
            let mut own: Vec<Value> = counts.map(|key| record["flow"][key].clone()).to_vec();
            own.extend(
                ["fqdn", "delivered", "handshake"]
                    .map(|key| without_age(&record["patchspan"][key])),
            );
            own
        }
        _ => vec![record[kind].clone()],
    };
    // Of connections at once, either may be the one that an access is told by.
    let ends = if kind == "update" {
        [&*ends[0], &*ends[2], "", "", ""].map(str::to_owned)
    } else {
        ends
    };
    format!("{ends:?} {own:?}")
}

fn without_age(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(object) = value.as_object_mut() {
        object.remove("age_s");
    }
    value
}
