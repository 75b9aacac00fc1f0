//! `patchspan doctor`: every planted fault is found, and nothing else; nothing on clean mirrors.
//!
//! Stored captures give little evidence; those of `pcaps/lab/scenarios_faults.py` and live capture need root.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;
#[allow(
    dead_code,
    reason = "it shares its file with the tests of live capture"
)]
#[path = "live/wire.rs"]
mod wire;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use patchspan::records::MAX_LINE;
use patchspan::records::doctor::{SCHEMA, State};
use serde_json::Value;
use wire::{Lane, Sender, cable, frame, in_namespace, run, until};

const GOOD: i32 = 0;
const UNREADABLE: i32 = 4;
const CUT: i32 = 5;
const DEGRADED: i32 = 8;
const BLIND: i32 = 9;

/// Findings on stored captures; on every other one there is none.
const STORED: &[(&str, i32, &[&str])] = &[
    // Two mirrored ports of one switch: what it floods while it learns who moved is copied twice.
    ("binding-leases", DEGRADED, &["doubled"]),
    ("binding-swap", DEGRADED, &["doubled"]),
    ("doubled", DEGRADED, &["doubled"]),
    ("loss-heavy", DEGRADED, &["mirror-loss"]),
    ("doubled-routed", DEGRADED, &["doubled"]),
    ("doubled-vlan", DEGRADED, &["doubled"]),
    ("offloads", DEGRADED, &["merged-frames"]),
    ("one-sided-client", DEGRADED, &["one-sided"]),
    ("one-sided-server", DEGRADED, &["one-sided"]),
    ("qinq", GOOD, &["qinq"]),
    ("snaplen", DEGRADED, &["snap-length"]),
];

/// The same of captures that the laboratory makes: seven clean mirrors, and one fault each.
const PLANTED: &[(&str, i32, &[&str])] = &[
    ("clean-uplink", GOOD, &[]),
    ("clean-vlan", GOOD, &[]),
    ("clean-erspan", GOOD, &[]),
    ("clean-ipv6", GOOD, &[]),
    ("clean-lossy-network", GOOD, &[]),
    ("clean-reordered", GOOD, &[]),
    ("clean-router", GOOD, &[]),
    ("fault-no-traffic", BLIND, &["traffic"]),
    (
        "fault-client-side",
        DEGRADED,
        &["one-sided", "dns-unanswered"],
    ),
    // Without questions names are few, too.
    (
        "fault-server-side",
        DEGRADED,
        &["one-sided", "dns-unasked", "named-flows"],
    ),
    ("fault-doubled", DEGRADED, &["doubled"]),
    ("fault-doubled-part", DEGRADED, &["doubled"]),
    ("fault-tags-one-sided", DEGRADED, &["tags-one-sided"]),
    ("fault-qinq", GOOD, &["qinq"]),
    ("fault-merged", DEGRADED, &["merged-frames"]),
    // Names lie behind the cut.
    (
        "fault-snap-length",
        DEGRADED,
        &["snap-length", "named-flows"],
    ),
    ("fault-loss-1", DEGRADED, &["mirror-loss"]),
    ("fault-loss-5", DEGRADED, &["mirror-loss"]),
    ("fault-clock-ahead", DEGRADED, &["clock-offset"]),
    ("fault-clock-behind", DEGRADED, &["clock-offset"]),
    ("fault-clock-backwards", DEGRADED, &["clock-backwards"]),
    ("fault-link-type", BLIND, &["traffic", "link-types"]),
    ("fault-no-dns", DEGRADED, &["dns-seen"]),
    ("fault-dns-answers-missing", DEGRADED, &["dns-unanswered"]),
    ("fault-dns-questions-missing", DEGRADED, &["dns-unasked"]),
    ("fault-resolver-side", DEGRADED, &["resolver-side"]),
];

fn doctor(flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patchspan"));
    command.arg("doctor").args(flags).output().unwrap()
}

/// The verdicts of a run with `--json`, each held to the schema.
#[derive(Debug)]
struct Told {
    verdicts: Vec<Value>,
    code: i32,
}

impl Told {
    fn of(output: &Output) -> Self {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let schema = jsonschema::draft202012::new(&schema).unwrap();
        let text = std::str::from_utf8(&output.stdout).unwrap();
        assert!(text.is_ascii() && !text.contains("null"), "{text}");
        let verdicts = text.lines().map(|line| {
            assert!(line.len() < MAX_LINE);
            let value: Value = serde_json::from_str(line).unwrap();
            let wrong: Vec<String> = schema
                .iter_errors(&value)
                .map(|error| error.to_string())
                .collect();
            assert!(wrong.is_empty(), "{line}: {wrong:?}");
            value["doctor"].clone()
        });
        Self {
            verdicts: verdicts.collect(),
            code: output.status.code().unwrap(),
        }
    }

    fn of_file(path: &Path) -> Self {
        Self::of(&doctor(&["--json", "--pcap", path.to_str().unwrap()]))
    }

    fn verdict(&self, check: &str) -> &Value {
        let is_it = |verdict: &&Value| verdict["check"] == check;
        let found = self.verdicts.iter().find(is_it);
        found.unwrap_or_else(|| panic!("no {check} in {self:?}"))
    }

    fn found(&self) -> BTreeSet<&str> {
        let (overall, others) = self.verdicts.split_last().unwrap();
        assert_eq!(overall["check"], "overall");
        let is_finding = |verdict: &&Value| {
            let state = State::ALL
                .into_iter()
                .find(|state| verdict["state"] == state.as_str());
            state.unwrap().is_finding()
        };
        let found = others.iter().filter(is_finding);
        found
            .map(|verdict| verdict["check"].as_str().unwrap())
            .collect()
    }

    fn complaint(&self, name: &str, code: i32, expected: &[&str]) -> Option<String> {
        let found = self.found();
        let is_right = found == expected.iter().copied().collect() && self.code == code;
        (!is_right).then(|| {
            format!(
                "{name}: {found:?}, code {}, but expected {expected:?}, {code}",
                self.code
            )
        })
    }
}

#[test]
fn planted_faults_of_stored_captures_are_found_and_nothing_else() {
    let mut met = 0;
    let mut complaints = Vec::new();
    for capture in common::captures() {
        let row = STORED.iter().find(|(name, _, _)| *name == capture.name);
        met += usize::from(row.is_some());
        let (_, code, expected) = row.copied().unwrap_or((&capture.name, GOOD, &[]));
        let told = Told::of_file(&capture.path);
        complaints.extend(told.complaint(&capture.name, code, expected));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert_eq!(met, STORED.len());
}

#[test]
fn small_captures_are_said_to_be_small() {
    let path = pcaps().join("vlan.pcap");
    let told = Told::of_file(&path);
    assert_eq!(told.verdict("mirror-loss")["state"], "too_little");
    let overall = told.verdict("overall")["said"].as_str().unwrap();
    assert!(
        overall.starts_with("good; too little seen to judge "),
        "{overall}"
    );
}

#[test]
fn people_read_figure_threshold_and_step_and_the_overall_verdict_last() {
    let path = pcaps().join("doubled.pcap");
    let output = doctor(&["--pcap", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(DEGRADED));
    let text = String::from_utf8(output.stdout).unwrap();
    let at = text.find("DEGRADED  doubled ").unwrap();
    let mut lines = text[at..].lines();
    let verdict = lines.next().unwrap();
    assert!(
        verdict.contains(" % of the packets are second copies (threshold 1.00 %)"),
        "{verdict}"
    );
    assert!(
        lines
            .next()
            .unwrap()
            .contains("-> let the mirror show each packet once")
    );
    assert!(
        text.lines()
            .last()
            .unwrap()
            .starts_with("DEGRADED  overall         degraded: doubled")
    );
}

#[test]
fn several_files_are_judged_together() {
    let [first, second] = ["one-sided-client.pcap", "one-sided-server.pcap"]
        .map(|name| pcaps().join(name).to_str().unwrap().to_owned());
    let told = Told::of(&doctor(&["--json", "--pcap", &first, "--pcap", &second]));
    let said = told.verdict("one-sided")["said"].as_str().unwrap();
    assert!(
        said.starts_with("one side only: 100.00 % of the TCP flows"),
        "{said}"
    );
}

#[test]
fn an_empty_or_missing_file_and_wrong_flags_are_told_by_their_codes() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let empty = folder.join("doctor-empty.pcap");
    let header = std::fs::read(pcaps().join("vlan.pcap")).unwrap()[..24].to_vec();
    std::fs::write(&empty, header).unwrap();
    let told = Told::of_file(&empty);
    assert_eq!(told.complaint("empty", BLIND, &["traffic"]), None);
    let cut = folder.join("doctor-cut.pcap");
    let whole = std::fs::read(pcaps().join("curl-http.pcap")).unwrap();
    std::fs::write(&cut, &whole[..3_000]).unwrap();
    let told = doctor(&["--pcap", cut.to_str().unwrap()]);
    assert_eq!(told.status.code(), Some(CUT));
    assert!(!told.stdout.is_empty(), "the verdict on what is whole");
    let missing = doctor(&["--pcap", "/nonexistent.pcap"]);
    assert_eq!(missing.status.code(), Some(UNREADABLE));
    assert!(missing.stdout.is_empty(), "no verdict without a frame");
    for wrong in [
        &["--seconds", "0"][..],
        &["--interface", "lo", "--pcap", "a.pcap"],
        &["--seconds", "5", "--pcap", "a.pcap"],
    ] {
        assert_eq!(doctor(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn a_wrong_name_is_told_with_those_that_exist() {
    for flags in [&["--interface", "span9"][..], &[]] {
        let output = doctor(flags);
        assert_eq!(output.status.code(), Some(UNREADABLE));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains("; there are: ") && said.contains("lo"),
            "{said}"
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn the_schema_is_printed_and_its_checks_stand_in_the_document() {
    let output = doctor(&["--schema"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), SCHEMA);
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let checks = &schema["properties"]["doctor"]["properties"]["check"]["enum"];
    let document = include_str!("../docs/doctor.md");
    for check in checks.as_array().unwrap() {
        let check = check.as_str().unwrap();
        assert!(document.contains(&format!("`{check}`")), "{check}");
    }
}

/// Reads what `PATCHSPAN_FAULTS` names, else makes it.
#[test]
#[ignore = "needs root and the laboratory, or PATCHSPAN_FAULTS"]
fn every_fault_that_the_laboratory_plants_is_found_and_none_on_clean_mirrors_as_root() {
    let named = std::env::var_os("PATCHSPAN_FAULTS").map(PathBuf::from);
    let Some(folder) = named.or_else(made) else {
        println!("skipped: network namespaces cannot be made here");
        return;
    };
    let mut complaints = Vec::new();
    for (name, code, expected) in PLANTED {
        let told = Told::of_file(&folder.join(format!("{name}.pcap")));
        complaints.extend(told.complaint(name, *code, expected));
        if let Some(loss) = name.strip_prefix("fault-loss-") {
            let figure = told.verdict("mirror-loss")["figure"].as_u64().unwrap();
            let planted = loss.parse::<u64>().unwrap() * 10_000;
            let is_near = (planted / 2..planted * 2).contains(&figure);
            assert!(is_near, "{name}: {figure} ppm");
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// The captures, made now; `None` where the machine lets nobody make namespaces. A busy machine may lose frames of its own, and the
/// laboratory then gives none: it gets three chances.
fn made() -> Option<PathBuf> {
    let allowed = Command::new("unshare").args(["--net", "true"]).status();
    if !allowed.is_ok_and(|status| status.success()) {
        return None;
    }
    let lab = pcaps().join("lab");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults");
    let install = Command::new("sh")
        .arg(lab.join("install.sh"))
        .output()
        .unwrap();
    assert!(install.status.success(), "{install:?}");
    for (name, _, _) in PLANTED {
        let mut make = Command::new("python3");
        make.arg(lab.join("make.py"))
            .arg("--large")
            .arg(&folder)
            .arg(name);
        let is_made = (0..3).any(|_| make.output().unwrap().status.success());
        assert!(is_made, "{name}");
    }
    Some(folder)
}

fn pcaps() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pcaps")
}

/// A doctor that listens on `span0`; it is there when this returns.
fn listening(flags: &[&str]) -> Child {
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_patchspan"))
        .args(["doctor", "--json", "--interface", "span0"])
        .args(flags)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut stderr = std::io::BufReader::new(doctor.stderr.take().unwrap());
    std::io::BufRead::read_line(&mut stderr, &mut said).unwrap();
    assert!(said.contains("listening on span0 for "), "{said}");
    doctor
}

fn told(doctor: Child) -> Told {
    Told::of(&doctor.wait_with_output().unwrap())
}

#[test]
#[ignore = "needs root"]
fn live_traffic_is_judged_and_silence_is_blind_as_root() {
    in_namespace(
        "live_traffic_is_judged_and_silence_is_blind_as_root",
        || {
            cable("tap0", "span0");
            // Two tags make frames longer.
            run("ip link set dev tap0 mtu 1600");
            run("ip link set dev span0 mtu 1600");
            let silent = told(listening(&["--seconds", "1"]));
            assert_eq!(silent.complaint("silence", BLIND, &["traffic"]), None);
            for (name, code, expected) in STORED {
                // Cards cut nothing, and nobody merges here.
                if matches!(*name, "snaplen" | "offloads") {
                    continue;
                }
                let doctor = listening(&["--seconds", "2"]);
                send(&pcaps().join(format!("{name}.pcap")));
                assert_eq!(told(doctor).complaint(name, *code, expected), None);
            }
        },
    );
}

/// Sends the frames of a capture with the pauses between them, where they are short.
fn send(path: &Path) {
    let mut capture = pcap::Capture::from_file(path).unwrap();
    let mut sender = Sender::new("tap0");
    let mut last = None;
    while let Ok(packet) = capture.next_packet() {
        let now = packet.header.ts.tv_sec * 1_000_000 + packet.header.ts.tv_usec;
        let pause = u64::try_from(now - last.unwrap_or(now)).unwrap_or(0);
        std::thread::sleep(Duration::from_micros(pause.min(10_000)));
        last = Some(now);
        sender.send(packet.data);
    }
}

#[test]
#[ignore = "needs root"]
fn an_interface_that_is_down_or_goes_down_is_found_as_root() {
    let test = "an_interface_that_is_down_or_goes_down_is_found_as_root";
    in_namespace(test, || {
        cable("tap0", "span0");
        run("ip link set dev span0 down");
        let told_down = Told::of(&doctor(&["--json", "--interface", "span0"]));
        assert_eq!(told_down.complaint("down", BLIND, &["interface"]), None);
        let step = &told_down.verdict("interface")["step"];
        assert_eq!(step, "ip link set dev span0 up");
        run("ip link set dev span0 up");
        let doctor = listening(&["--seconds", "2"]);
        run("ip link set dev span0 down");
        let told_later = told(doctor);
        assert_eq!(told_later.verdict("interface")["state"], "blind");
        assert_eq!(told_later.code, BLIND);
    });
}

/// The doctor is stopped amid a flood, as if it had no time: what its ring cannot hold is lost here.
#[test]
#[ignore = "needs root"]
fn what_is_lost_in_the_ring_is_told_as_a_local_drop_as_root() {
    let test = "what_is_lost_in_the_ring_is_told_as_a_local_drop_as_root";
    in_namespace(test, || {
        cable("tap0", "span0");
        let config = Path::new(env!("CARGO_TARGET_TMPDIR")).join("doctor-small.toml");
        std::fs::write(&config, "memory = \"64MiB\"\n").unwrap();
        let doctor = listening(&["--seconds", "4", "--config", config.to_str().unwrap()]);
        let signal = |name: &str| run(&format!("kill -{name} {}", doctor.id()));
        signal("STOP");
        let mut sender = Sender::new("tap0");
        let mut number = 0;
        let status = || patchspan::source::live::status("span0").unwrap().unwrap();
        until("sent", || {
            for _ in 0..10_000 {
                sender.send(&frame(Lane::of(number, 64), number, 1_400));
                number += 1;
            }
            status().counters.rx_bytes > 128 << 20
        });
        signal("CONT");
        let told = told(doctor);
        let verdict = told.verdict("local-drops");
        assert_eq!(verdict["state"], "degraded", "{verdict}");
        assert!(verdict["figure"].as_u64().unwrap() > 100_000, "{verdict}");
        assert!(verdict["said"].as_str().unwrap().contains("dropped here: "));
    });
}

#[test]
#[ignore = "needs root"]
fn a_missing_right_is_named_as_root() {
    in_namespace("a_missing_right_is_named_as_root", || {
        cable("tap0", "span0");
        let output = Command::new("setpriv")
            .args(["--bounding-set=-net_raw", env!("CARGO_BIN_EXE_patchspan")])
            .args(["doctor", "--interface", "span0"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(UNREADABLE));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains("CAP_NET_RAW") && said.contains("setcap"),
            "{said}"
        );
    });
}
