//! The endpoint as whoever asks sees it, and documents and dashboard against what it serves.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::families::{ELSEWHERE, FAMILIES};
use super::*;
use crate::config::metrics::HealthConfig;
use crate::decode::DecodeCounters;
use crate::flows::FlowCounters;
use crate::sensor::delays::Delays;
use crate::sensor::hosts::KnownHosts;
use crate::sensor::live;
use crate::sensor::mirror::MirrorCounters;
use crate::sensor::outputs::OutputCounters;
use crate::sensor::statistics::Counts;
use crate::sensor::worker::WorkerCounters;
use crate::source::clock::ClockCounters;
use crate::source::live::{InterfaceCounters, LiveFigures};
use crate::types::Timestamp;
use crate::updates::coverage::CoverageCounters;
use crate::updates::engine::UpdateCounters;

const DOCUMENT: &str = include_str!("../../../docs/metrics.md");
const DASHBOARD: &str = include_str!("../../../docs/integrations/grafana/patchspan.json");
const ALERTS: &str = include_str!("../../../docs/integrations/prometheus-alerts.yml");

/// A sensor that is well: an interface, an output, a worker.
pub(super) fn snapshot() -> Snapshot {
    let mut lag = Delays::default();
    lag.add(Duration::from_millis(80), 900);
    let mut counts = Counts::default();
    counts.add([
        ("decoder.packets", 900),
        ("live.frames", 900),
        ("naming.tls", 3),
    ]);
    Snapshot {
        taken: Instant::now(),
        began: Timestamp::from_seconds(1_767_323_045, 0),
        counts,
        lag: lag.clone(),
        interfaces: vec![InterfaceFigures {
            name: "eth1".to_owned(),
            is_up: true,
            sockets: LiveFigures {
                frames: 900,
                received: 900,
                ..LiveFigures::default()
            },
            own: InterfaceCounters {
                rx_missed_errors: 7,
                ..InterfaceCounters::default()
            },
        }],
        outputs: vec![OutputCounters {
            name: "up\"dates".to_owned(),
            lines: 12,
            bytes: 3_000,
            dropped: [0, 5],
            dropped_by_kind: Vec::new(),
            unread: 0,
            errors: 0,
            queued: [0, 100],
            capacity: 8 << 20,
            is_open: true,
            delays: [lag, Delays::default()],
        }],
        workers: vec![Some(Duration::from_millis(20))],
        behind: Duration::from_millis(600),
        limits: HealthConfig::default(),
    }
}

/// An endpoint of its own, on a Unix socket.
struct Endpoint {
    path: PathBuf,
    mailbox: Mailbox,
    server: Option<Server>,
}

impl Endpoint {
    fn start(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("patchspan-{name}-{}.sock", std::process::id()));
        let (mailbox, snapshots) = Mailbox::new();
        let server = Server::start(&Listen::Unix(path.clone()), snapshots).unwrap();
        Self {
            path,
            mailbox,
            server: Some(server),
        }
    }

    /// Status line with headers, and body.
    fn ask(&self, request: &str) -> (String, String) {
        let mut stream = UnixStream::connect(&self.path).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    fn get(&self, path: &str) -> (String, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.server.take().unwrap().stop();
        assert!(!self.path.exists());
    }
}

/// Name, type and help of every family of a page.
fn families(page: &str) -> BTreeMap<String, (String, String)> {
    let mut found = BTreeMap::<String, (String, String)>::new();
    for line in page.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                found.entry(name.to_owned()).or_default().1 = help.to_owned();
            }
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                found.entry(name.to_owned()).or_default().0 = kind.to_owned();
            }
            _ => {}
        }
    }
    found
}

fn served(name: &str) -> String {
    let endpoint = Endpoint::start(name);
    endpoint.mailbox.put(snapshot());
    endpoint.get("/metrics").1
}

#[test]
fn the_endpoint_tells_metrics_health_and_where_they_are() {
    let endpoint = Endpoint::start("paths");
    let (head, body) = endpoint.get("/health");
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(body.contains("the sensor is starting"), "{body}");
    endpoint.mailbox.put(snapshot());
    let (head, body) = endpoint.get("/health");
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.contains("application/json"),
        "{head} {body}"
    );
    assert!(serde_json::from_str::<serde_json::Value>(&body).unwrap()["status"] == "good");
    let (head, body) = endpoint.get("/metrics");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    for line in [
        "patchspan_capture_packets_total{interface=\"eth1\"} 900",
        "patchspan_interface_receive_lost_packets_total{interface=\"eth1\",reason=\"rx_missed_errors\"} 7",
        "patchspan_named_flows_total{source=\"tls\"} 3",
        "patchspan_output_dropped_lines_total{output=\"up\\\"dates\",queue=\"logs\"} 5",
        "patchspan_packet_lag_seconds_bucket{le=\"0.1\"} 900",
        "patchspan_record_delay_seconds_count{output=\"up\\\"dates\",records=\"updates\"} 900",
        "patchspan_healthy 1",
        "process_start_time_seconds 1767323045",
    ] {
        assert!(body.lines().any(|found| found == line), "{line} in {body}");
    }
    assert!(endpoint.get("/").1.contains("/metrics"));
    assert!(endpoint.get("/nothing").0.starts_with("HTTP/1.1 404 "));
    let (head, body) = endpoint.ask("HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 ") && body.is_empty());
    let (head, _) = endpoint.ask("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 405 ") && head.to_lowercase().contains("allow: get, head"));
}

#[test]
fn whoever_asks_slowly_or_for_too_much_keeps_nobody_waiting() {
    let endpoint = Endpoint::start("slow");
    endpoint.mailbox.put(snapshot());
    let slow: Vec<UnixStream> = (0..100)
        .map(|_| {
            let mut stream = UnixStream::connect(&endpoint.path).unwrap();
            stream.write_all(b"GET /metrics HT").unwrap();
            stream
        })
        .collect();
    let asked = Instant::now();
    let (head, _) = endpoint.get("/metrics");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "{:?}",
        asked.elapsed()
    );
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(20_000));
    let mut stream = UnixStream::connect(&endpoint.path).unwrap();
    let _ = stream.write_all(long.as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(!answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // The last of the slow ones kept its place until its time was up.
    let mut last = slow.last().unwrap();
    last.set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let _ = last.read_to_string(&mut answer);
    assert!(
        asked.elapsed() < Duration::from_secs(15),
        "{:?}",
        asked.elapsed()
    );
}

#[test]
fn every_counter_has_a_metric() {
    let mut names: BTreeSet<&str> = live::counted().into_iter().collect();
    names.extend(DecodeCounters::default().iter().map(|(name, _)| name));
    names.extend(ClockCounters::default().iter().map(|(name, _)| name));
    names.extend(FlowCounters::default().iter().map(|(name, _)| name));
    names.extend(WorkerCounters::default().iter().map(|(name, _)| name));
    names.extend(MirrorCounters::default().iter().map(|(name, _)| name));
    names.extend(UpdateCounters::default().iter().map(|(name, _)| name));
    names.extend(CoverageCounters::default().iter().map(|(name, _)| name));
    names.extend(KnownHosts::default().counts().map(|(name, _)| name));
    names.extend(LiveFigures::default().iter().map(|(name, _)| name));
    names.extend(InterfaceCounters::default().iter().map(|(name, _)| name));
    let told: Vec<&str> = FAMILIES
        .iter()
        .flat_map(|family| family.members.iter().map(|(_, counter)| *counter))
        .collect();
    let once: BTreeSet<&str> = told.iter().copied().collect();
    assert_eq!(once.len(), told.len(), "a counter is told twice");
    let is_elsewhere = |name: &str| ELSEWHERE.iter().any(|(begin, _)| name.starts_with(begin));
    let missing: Vec<&&str> = names
        .iter()
        .filter(|name| !once.contains(**name) && !is_elsewhere(name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_document_tells_every_metric_that_is_served_and_no_other() {
    let rows: BTreeMap<String, (String, String)> = DOCUMENT
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter(|line| line.starts_with("patchspan_") || line.starts_with("process_"))
        .map(|line| {
            let cells: Vec<&str> = line
                .trim_end_matches('|')
                .split(" | ")
                .map(str::trim)
                .collect();
            assert_eq!(cells.len(), 4, "{line}");
            assert!(!cells[3].is_empty(), "{line}");
            let kind = cells[1].split(' ').next().unwrap().trim_end_matches(',');
            let name = cells[0].trim_end_matches('`').to_owned();
            (name, (kind.to_owned(), cells[2].replace('`', "")))
        })
        .collect();
    assert_eq!(rows, families(&served("document")));
}

/// Every name of ours in a text of queries.
fn named(text: &str) -> BTreeSet<String> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter| !is_name(letter));
    words
        .filter(|word| word.starts_with("patchspan_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

/// The values of `key`, at whatever depth.
fn values(value: &serde_json::Value, key: &str, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(members) => {
            let text = members.get(key).and_then(serde_json::Value::as_str);
            found.extend(text.map(str::to_owned));
            members
                .values()
                .for_each(|member| values(member, key, found));
        }
        serde_json::Value::Array(elements) => {
            elements
                .iter()
                .for_each(|element| values(element, key, found));
        }
        _ => {}
    }
}

#[test]
fn dashboard_and_alerts_ask_only_for_what_is_served() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut expressions = Vec::new();
    values(&dashboard, "expr", &mut expressions);
    values(&dashboard, "definition", &mut expressions);
    assert!(expressions.len() > 20, "{expressions:?}");
    let page = served("dashboard");
    let is_series = |line: &&str| !line.starts_with('#');
    let series: BTreeSet<&str> = page
        .lines()
        .filter(is_series)
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let alerts: String = ALERTS
        .lines()
        .filter(|line| !line.contains("alert:"))
        .collect();
    for text in expressions.iter().chain([&alerts]) {
        let asked = named(text);
        assert!(!asked.is_empty(), "{text} asks for nothing of ours");
        for name in asked {
            assert!(
                series.contains(name.as_str()),
                "{name} of {text} is not served"
            );
        }
    }
}

/// Runs promtool on `input`, where it is installed.
fn promtool(arguments: &[&str], input: &str) {
    let spawned = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else {
        return eprintln!("skipped: promtool is not installed");
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{said}");
}

#[test]
fn promtool_finds_nothing_wrong() {
    promtool(&["check", "metrics"], &served("promtool"));
    let rules = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/docs/integrations/prometheus-alerts.yml"
    );
    promtool(&["check", "rules", rules], "");
}
