//! How much was downloaded: what `patchspan replay` says against what the client programs received.
//!
//! Connections made frame by frame are exact. Downloads of megabytes by real programs come from the laboratory in `pcaps/lab`,
//! which needs root and takes about two minutes; `PATCHSPAN_LARGE=DIR` reads captures that `pcaps/lab/make.py --large DIR` made
//! before. The bounds hold for 3 MB or more: 0.1 % over HTTP, 0.5 % over TLS, 12 % over QUIC, with whatever the mirror did.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "sizes/made.rs"]
mod made;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Capture, of_kind, text};
use made::{Download, Mirror, Told, request_behind_a_hole};
use serde_json::Value;

const FIVE_GIGABYTES: Download = Download {
    body: 5_000_000_123,
    segment: 65_000,
    with_body: false,
    step_us: 1_000,
    linger_us: 0,
    // The sequence numbers wrap twice.
    first: u32::MAX - 1_000_000,
    mirror: Mirror::Whole,
};
const THREE_MEGABYTES: Download = Download {
    body: 3_000_123,
    segment: 1_460,
    with_body: true,
    ..FIVE_GIGABYTES
};

/// The one `flow` record.
fn flow(told: &Told) -> &Value {
    of_kind(&told.records, "flow").next().unwrap()
}

fn delivered(told: &Told, key: &str) -> u64 {
    flow(told)["patchspan"]["delivered"][key].as_u64().unwrap()
}

/// The one final `update` record.
fn update(told: &Told) -> &Value {
    let mut finals = finals(&told.records);
    assert_eq!(finals.len(), 1, "{finals:?}");
    finals.remove(0)
}

fn finals(records: &[Value]) -> Vec<&Value> {
    of_kind(records, "update")
        .map(|record| &record["update"])
        .filter(|update| update["final"] == true)
        .collect()
}

fn has(update: &Value, evidence: &str) -> bool {
    update["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .any(|word| word == evidence)
}

#[test]
fn what_is_understood_at_the_end_bears_the_packet_that_brought_it() {
    let told = request_behind_a_hole(THREE_MEGABYTES);
    let request = of_kind(&told.records, "http").next().unwrap();
    assert_eq!(request["pcap_cnt"], 4, "{request}");
    assert_eq!(request["timestamp"], "2023-11-14T22:13:20.004000+0000");
}

#[test]
fn a_flow_of_more_than_four_gigabytes_is_exact() {
    let told = FIVE_GIGABYTES.replay();
    assert_eq!(delivered(&told, "toclient"), told.sent);
    assert_eq!(delivered(&told, "inferred_toclient"), 0);
    assert_eq!(delivered(&told, "gaps"), 0);
    assert_eq!(flow(&told)["flow"]["bytes_toclient"], told.wire);
    let update = update(&told);
    assert_eq!(update["verdict"], "downloaded");
    assert_eq!(update["delivered_toclient"], told.sent);
    assert_eq!(update["largest_burst"], told.sent);
    assert_eq!(update["bytes_expected"], FIVE_GIGABYTES.body);
    assert_eq!(update["ranges_percent"], 100);
}

#[test]
fn with_two_percent_missing_acknowledgements_make_it_exact() {
    let told = Download {
        mirror: Mirror::Missing,
        ..FIVE_GIGABYTES
    }
    .replay();
    assert_eq!(delivered(&told, "toclient"), told.sent);
    let inferred = delivered(&told, "inferred_toclient");
    assert!((80_000_000..120_000_000).contains(&inferred), "{inferred}");
    assert_eq!(flow(&told)["flow"]["bytes_toclient"], told.wire);
    assert_eq!(update(&told)["ranges_percent"], 100);
}

#[test]
fn one_side_alone_is_exact() {
    for mirror in [
        Mirror::FromClient,
        Mirror::FromServer,
        Mirror::FromServerMissing,
    ] {
        for download in [FIVE_GIGABYTES, THREE_MEGABYTES] {
            let told = Download { mirror, ..download }.replay();
            assert_eq!(delivered(&told, "toclient"), told.sent, "{mirror:?}");
            let fields = &flow(&told)["patchspan"];
            assert_eq!(fields["handshake"], "complete", "{mirror:?}");
            assert_eq!(flow(&told)["src_ip"], "192.0.2.20", "{mirror:?}");
        }
    }
}

#[test]
fn the_client_s_side_alone_shows_a_download() {
    for linger_us in [0, 20_000_000, 200_000_000] {
        let told = Download {
            mirror: Mirror::FromClient,
            linger_us,
            ..THREE_MEGABYTES
        }
        .replay();
        let update = update(&told);
        assert_eq!(update["verdict"], "downloaded");
        assert!(has(update, "burst_volume") && has(update, "inferred"));
        assert_eq!(update["delivered_toclient"], told.sent);
        assert!(update["duration_s"].as_f64().unwrap() < 10.0, "{update:?}");
    }
}

#[test]
fn copies_that_come_late_count_once() {
    let told = Download {
        mirror: Mirror::TwiceLate,
        ..THREE_MEGABYTES
    }
    .replay();
    assert_eq!(delivered(&told, "toclient"), told.sent);
    assert_eq!(flow(&told)["flow"]["bytes_toclient"], 2 * told.wire);
    let lengths: Vec<&Value> = of_kind(&told.records, "http")
        .map(|record| &record["http"]["length"])
        .collect();
    assert_eq!(lengths, [THREE_MEGABYTES.body]);
    assert_eq!(update(&told)["delivered_toclient"], told.sent);
}

#[test]
fn a_capture_that_begins_midway_counts_from_its_first_packet() {
    // After the head come two segments and an acknowledgement, again and again.
    let pairs = 200;
    let told = Download {
        mirror: Mirror::Since(5 + 3 * pairs),
        ..THREE_MEGABYTES
    }
    .replay();
    let before = 2 * pairs * u64::from(THREE_MEGABYTES.segment);
    assert_eq!(
        delivered(&told, "toclient"),
        THREE_MEGABYTES.body - before,
        "{:?}",
        flow(&told)
    );
    assert_eq!(flow(&told)["patchspan"]["handshake"], "midstream");
    assert_eq!(flow(&told)["src_ip"], "192.0.2.20");
}

#[test]
fn a_response_whose_head_is_missing_is_judged_by_its_volume() {
    let told = Download {
        mirror: Mirror::Without(4),
        ..THREE_MEGABYTES
    }
    .replay();
    assert_eq!(delivered(&told, "toclient"), told.sent);
    let update = update(&told);
    assert_eq!(update["verdict"], "downloaded");
    assert!(has(update, "burst_volume") && has(update, "inferred"));
    assert_eq!(update["delivered_toclient"], told.sent);
}

#[test]
fn a_body_whose_last_segment_is_missing_is_whole() {
    let last = THREE_MEGABYTES
        .body
        .div_ceil(THREE_MEGABYTES.segment.into())
        - 1;
    // Five frames come before the body, and an acknowledgement after every second segment.
    let told = Download {
        mirror: Mirror::Without(5 + last + last / 2),
        ..THREE_MEGABYTES
    }
    .replay();
    assert_eq!(delivered(&told, "toclient"), told.sent);
    assert!(delivered(&told, "inferred_toclient") > 0);
    let update = update(&told);
    assert_eq!(update["verdict"], "downloaded", "{update:?}");
    assert_eq!(update["ranges_percent"], 100);
    assert!(has(update, "inferred"));
}

#[test]
fn a_request_that_is_missing_leaves_the_flow_its_size() {
    let told = Download {
        mirror: Mirror::Without(3),
        ..THREE_MEGABYTES
    }
    .replay();
    assert_eq!(delivered(&told, "toclient"), told.sent);
    let http = of_kind(&told.records, "http").next().unwrap();
    assert_eq!(http["http"]["length"], THREE_MEGABYTES.body);
}

#[test]
fn a_download_of_minutes_is_one_burst() {
    let told = Download {
        step_us: 100_000,
        ..THREE_MEGABYTES
    }
    .replay();
    let update = update(&told);
    assert!(update["duration_s"].as_f64().unwrap() > 300.0, "{update:?}");
    assert_eq!(update["largest_burst"], told.sent);
}

#[test]
fn the_client_s_side_of_quic_is_a_contact_of_unknown_volume() {
    let captures = common::captures();
    let quic = captures.iter().find(|one| one.name == "chromium-quic");
    let (udp, client): (u8, [u8; 4]) = (17, [198, 51, 100, 21]);
    let path = filtered(quic.unwrap(), |frame| {
        frame.get(23) == Some(&udp) && frame.get(26..30) == Some(&client[..])
    });
    let records = common::records(&common::replay(&path, &[]));
    let updates = finals(&records);
    assert!(updates.len() >= 2, "{updates:?}");
    for update in updates {
        assert_eq!(update["verdict"], "checked", "{update:?}");
        assert_eq!(update["delivered_toclient"], 0, "{update:?}");
        assert!(!has(update, "below_threshold"), "{update:?}");
    }
}

#[test]
fn captured_headers_are_enough_for_a_volume() {
    let cut = |mirror| {
        let download = Download {
            mirror,
            with_body: false,
            ..THREE_MEGABYTES
        };
        download.replay()
    };
    let whole = cut(Mirror::Whole);
    assert_eq!(delivered(&whole, "toclient"), whole.sent);
    assert_eq!(update(&whole)["ranges_percent"], 100);
    let without_head = cut(Mirror::Without(4));
    assert_eq!(update(&without_head)["verdict"], "downloaded");
}

/// A stored capture with these of its frames.
fn filtered(capture: &Capture, is_wanted: impl Fn(&[u8]) -> bool) -> PathBuf {
    const FILE_HEADER: usize = 24;
    const FRAME_HEADER: usize = 16;
    let bytes = std::fs::read(&capture.path).unwrap();
    let (header, mut rest) = bytes.split_at(FILE_HEADER);
    let mut kept = header.to_vec();
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        let (record, after) = rest.split_at(FRAME_HEADER + length);
        if is_wanted(&record[FRAME_HEADER..]) {
            kept.extend(record);
        }
        rest = after;
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-part.pcap", capture.name));
    std::fs::write(&path, kept).unwrap();
    path
}

/// Reads what `PATCHSPAN_LARGE` names, else makes it.
#[test]
#[ignore = "needs root and the laboratory, or PATCHSPAN_LARGE"]
fn downloads_are_as_large_as_their_clients_say_as_root() {
    let Some(folder) = laboratory() else {
        println!("skipped: network namespaces cannot be made here");
        return;
    };
    let mut wrong = Vec::new();
    println!(
        "| capture | on | connections | received | delivered | error |\n|---|---|---:|---:|---:|---:|"
    );
    let captures = large(&folder);
    assert!(captures.len() >= 20, "{} captures", captures.len());
    for capture in captures {
        wrong.extend(Measured::of(&capture).wrong());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The folder with the captures; `None` where the machine lets nobody make namespaces.
fn laboratory() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("PATCHSPAN_LARGE") {
        return Some(folder.into());
    }
    let is_allowed = Command::new("unshare")
        .args(["--net", "true"])
        .status()
        .is_ok_and(|status| status.success());
    if !is_allowed {
        return None;
    }
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("pcaps/lab");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("large");
    run(Command::new("sh").arg(lab.join("install.sh")));
    let list = Command::new("python3")
        .arg(lab.join("make.py"))
        .args(["--list", "--large"])
        .arg(&folder)
        .output()
        .unwrap();
    let names = String::from_utf8(list.stdout).unwrap();
    let has_quic = Path::new("/opt/patchspan-lab/bin/python").exists();
    if !has_quic {
        println!("QUIC is left out: pcaps/lab/install_browsers.sh installs its programs");
    }
    let wanted = names
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| name.starts_with("large-") && (has_quic || !name.contains("-quic-")));
    for name in wanted {
        make(&lab, &folder, name);
    }
    Some(folder)
}

/// A busy machine may lose frames of its own, and the laboratory then gives no capture: it gets three chances.
fn make(lab: &Path, folder: &Path, name: &str) {
    let mut command = Command::new("python3");
    command
        .arg(lab.join("make.py"))
        .arg("--large")
        .arg(folder)
        .arg(name);
    let told: Vec<String> = (0..3).map_while(|_| failure(&mut command)).collect();
    assert!(told.len() < 3, "{name}: {}", told.join("\n"));
}

fn run(command: &mut Command) {
    let failed = failure(command);
    assert!(failed.is_none(), "{command:?}: {failed:?}");
}

/// What a command that failed said.
fn failure(command: &mut Command) -> Option<String> {
    let output = command.output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    (!output.status.success()).then(|| String::from_utf8_lossy(&told).into_owned())
}

fn large(folder: &Path) -> Vec<Capture> {
    let mut found: Vec<Capture> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let name = path
                .file_name()?
                .to_str()?
                .strip_suffix(".pcap")?
                .to_owned();
            name.starts_with("large-").then_some(Capture { name, path })
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// A connection's ends, and its volume.
#[derive(Default)]
struct Connection {
    received: u64,
    delivered: u64,
    /// What each answer of it brought, as the client and as the `http` records tell.
    bodies: [Vec<u64>; 2],
}

/// A capture, as its programs and as the sensor tell of it.
struct Measured {
    name: String,
    transport: String,
    condition: String,
    connections: BTreeMap<String, Connection>,
    records: Vec<Value>,
}

impl Measured {
    fn of(capture: &Capture) -> Self {
        let (transport, condition) = capture
            .name
            .strip_prefix("large-")
            .and_then(|rest| rest.split_once('-'))
            .unwrap();
        let records = common::records(&replay(capture, condition == "server-side"));
        let mut connections: BTreeMap<String, Connection> = BTreeMap::new();
        for access in capture.truth()["accesses"].as_array().unwrap() {
            let ends = ends(access, ["client", "client_port", "server", "server_port"]);
            let connection = connections.entry(ends).or_default();
            let received = access["bytes_received"].as_u64().unwrap();
            connection.received += received;
            connection.bodies[0].push(received);
        }
        for record in &records {
            let ends = ends(record, ["src_ip", "src_port", "dest_ip", "dest_port"]);
            let Some(connection) = connections.get_mut(&ends) else {
                continue;
            };
            if let Some(bytes) = record["patchspan"]["delivered"]["toclient"].as_u64() {
                connection.delivered += bytes;
            }
            if let Some(length) = record["http"]["length"].as_u64() {
                connection.bodies[1].push(length);
            }
        }
        Self {
            name: capture.name.clone(),
            transport: transport.to_owned(),
            condition: condition.to_owned(),
            connections,
            records,
        }
    }

    /// Prints the capture's line; gives what is beyond the bounds.
    fn wrong(&self) -> Vec<String> {
        let received: u64 = self.connections.values().map(|c| c.received).sum();
        let delivered: u64 = self.connections.values().map(|c| c.delivered).sum();
        println!(
            "| {} | {} | {} | {received} | {delivered} | {:+.3} % |",
            self.condition,
            self.transport,
            self.connections.len(),
            percent(received, delivered)
        );
        let mut wrong = Vec::new();
        assert!(received >= 3_000_000, "{}: {received}", self.name);
        if !self.is_unknowable() {
            wrong.extend(self.beyond("the flows", received, delivered));
        }
        if self.transport == "http" && self.has_whole_bodies() {
            wrong.extend(self.bodies());
        }
        wrong.extend(self.verdicts(received));
        wrong
            .into_iter()
            .map(|what| format!("{}: {what}", self.name))
            .collect()
    }

    /// The client's side of QUIC shows neither what came nor how much of it was acknowledged.
    fn is_unknowable(&self) -> bool {
        self.transport == "quic" && self.condition == "client-side"
    }

    fn has_whole_bodies(&self) -> bool {
        !["loss", "client-side"].contains(&self.condition.as_str())
    }

    fn beyond(&self, what: &str, received: u64, delivered: u64) -> Option<String> {
        let most = match self.transport.as_str() {
            "http" => 0.1,
            "tls" => 0.5,
            _ => 12.0,
        };
        let error = percent(received, delivered);
        (error.abs() > most)
            .then(|| format!("{what} tell of {delivered}, not of {received} bytes: {error:+.3} %"))
    }

    fn bodies(&self) -> Vec<String> {
        self.connections
            .values()
            .filter(|connection| connection.bodies[0] != connection.bodies[1])
            .map(|connection| {
                let [received, told] = &connection.bodies;
                format!("bodies of {received:?} bytes are told as {told:?}")
            })
            .collect()
    }

    fn verdicts(&self, received: u64) -> Vec<String> {
        let finals = finals(&self.records);
        let words: Vec<String> = finals.iter().map(|one| text(&one["verdict"])).collect();
        let expected: &[&str] = match self.condition.as_str() {
            "resumed" => &["partial", "downloaded"],
            _ if self.is_unknowable() => &["checked"],
            _ => &["downloaded"],
        };
        let mut wrong = Vec::new();
        if words != expected {
            wrong.push(format!("verdicts are {words:?}"));
        }
        if self.is_unknowable() {
            return wrong;
        }
        let sum = |key: &str| -> u64 { finals.iter().filter_map(|one| one[key].as_u64()).sum() };
        let delivered = sum("delivered_toclient");
        wrong.extend(self.beyond("updates", received, delivered));
        let largest = finals
            .iter()
            .filter_map(|one| one["largest_burst"].as_u64());
        let largest = largest.max().unwrap_or_default();
        let bodies = self.connections.values().flat_map(|c| &c.bodies[0]);
        let largest_body = bodies.copied().max().unwrap_or_default();
        // A slow one pauses, where a script stretched its first round trips.
        let least = if self.condition == "slow" {
            300_000
        } else {
            largest_body * 88 / 100
        };
        if !(least..=delivered).contains(&largest) {
            wrong.push(format!("the largest burst is {largest} of {delivered}"));
        }
        if self.transport == "http" && self.condition != "client-side" {
            wrong.extend(incomplete(finals.last()));
        }
        wrong
    }
}

/// Whether the last access does not have its whole file.
fn incomplete(last: Option<&&Value>) -> Option<String> {
    let last = last?;
    let (expected, percent) = (&last["bytes_expected"], &last["ranges_percent"]);
    let is_whole = expected.as_u64().is_some_and(|size| size >= 4_000_000) && *percent == 100;
    (!is_whole).then(|| format!("{percent} % of {expected} bytes are covered"))
}

/// Where no question is on the mirror, the site's resolver is configured.
fn replay(capture: &Capture, names_resolver: bool) -> String {
    if !names_resolver {
        return common::replay(&capture.path, &[]);
    }
    let config = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.toml", capture.name));
    std::fs::write(&config, "[dns]\nresolvers = [\"192.0.2.53\"]\n").unwrap();
    common::replay(&capture.path, &["--config", config.to_str().unwrap()])
}

fn ends(value: &Value, keys: [&str; 4]) -> String {
    keys.map(|key| text(&value[key])).join("|")
}

fn percent(received: u64, delivered: u64) -> f64 {
    (delivered as f64 - received as f64) * 100.0 / received as f64
}
