//! `patchspan run` on a mirror port against `patchspan replay` on what tcpdump captured beside it.
//!
//! Real clients in network namespaces (`pcaps/lab`): needs root.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "pseudonyms/made.rs"]
mod made;

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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
    for kind in ["update", "coverage", "dns", "tls", "quic", "http", "flow"] {
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
        "coverage" => [
            "client",
            "active_minutes",
            "flows",
            "bytes_toclient",
            "named",
            "blind",
            "loss_percent",
            "onesided_percent",
            "verdict",
        ]
        .map(|key| record["coverage"][key].clone())
        .to_vec(),
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

/// A live sensor in a network namespace of its own, at one end of a cable.
struct Bench {
    namespace: String,
    folder: PathBuf,
    sensor: Child,
}

/// Starts the sensor with the umask of its service.
const SERVICE: &str = "umask 077; exec $0 run --interface span0 --config sensor.toml";

/// Sends the frames of a capture (pcap, little endian) to the interface `tap0`.
const SEND: &str = "
import socket, struct, sys
data = open(sys.argv[1], 'rb').read()[24:]
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(('tap0', 0))
while data:
    length, = struct.unpack_from('<I', data, 8)
    out.send(data[16:16 + length])
    data = data[16 + length:]
";

impl Bench {
    /// Starts `patchspan run` with a configuration, and waits until it listens.
    fn start(name: &str, config: &str) -> Self {
        let namespace = format!("patchspan-{}-{name}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&namespace);
        std::fs::create_dir_all(&folder).unwrap();
        for line in [
            format!("ip netns add {namespace}"),
            format!("ip -n {namespace} link add tap0 type veth peer name span0"),
            // Nothing speaks on the cable by itself.
            format!("ip -n {namespace} link set tap0 addrgenmode none"),
            format!("ip -n {namespace} link set span0 addrgenmode none"),
            format!("ip -n {namespace} link set tap0 up"),
            format!("ip -n {namespace} link set span0 up"),
            format!("ip -n {namespace} link set lo up"),
        ] {
            let mut words = line.split(' ');
            assert_success(Command::new(words.next().unwrap()).args(words));
        }
        // The sensor does not stay root.
        std::fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        std::fs::write(folder.join("sensor.toml"), config).unwrap();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let sensor = Command::new("ip")
            .args(["netns", "exec", &namespace, "sh", "-c"])
            .args([SERVICE, env!("CARGO_BIN_EXE_patchspan")])
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let bench = Self {
            namespace,
            folder,
            sensor,
        };
        bench.wait_for("listening on span0");
        bench
    }

    /// Waits until the sensor has said `words`.
    fn wait_for(&self, words: &str) {
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            let said = std::fs::read_to_string(self.folder.join("log")).unwrap();
            if said.contains(words) {
                return;
            }
            assert!(Instant::now() < limit, "no {words:?} in {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, signal: &str) {
        assert_success(Command::new("kill").args([signal, &self.sensor.id().to_string()]));
    }

    /// Writes another configuration, and has it read.
    fn reload(&self, config: &str) {
        std::fs::write(self.folder.join("sensor.toml"), config).unwrap();
        self.signal("-HUP");
    }

    fn send(&self, capture: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("pcaps")
            .join(capture);
        let mut python = Command::new("ip");
        python.args(["netns", "exec", &self.namespace, "python3", "-c", SEND]);
        assert_success(python.arg(path));
    }

    /// Ends the sensor; gives its records.
    fn stop(&mut self) -> Vec<Value> {
        self.signal("-TERM");
        let status = self.sensor.wait().unwrap();
        assert!(status.success(), "{status}");
        common::records(&std::fs::read_to_string(self.folder.join("out.json")).unwrap())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.sensor.kill();
        let _ = self.sensor.wait();
        let _ = Command::new("ip")
            .args(["netns", "del", &self.namespace])
            .status();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

const OUTPUT: &str = "[[output]]\nkind = \"file\"\npath = \"out.json\"\n";
const CATALOGUE: &str = r#"
[vendor]
id = "lab"
[[product]]
id = "browser"
title = "Browser"
security = "yes"
[[product.endpoint]]
id = "download"
patterns = ["download.mozilla.org"]
role = "download"
examples = ["download.mozilla.org"]
not = ["mozilla.org"]
source = "made for this test"
verified = "never"
"#;

#[test]
#[ignore = "needs root: makes a network namespace"]
fn a_reload_takes_effect_as_a_whole_or_says_why_not_as_root() {
    let mut bench = Bench::start("reload", OUTPUT);
    let rules = |records: &[Value]| -> Vec<String> {
        let updates = of_kind(records, "update");
        let rules: BTreeSet<String> = updates
            .map(|record| text(&record["update"]["rule"]))
            .collect();
        rules.into_iter().collect()
    };
    bench.send("curl-http.pcap");
    bench.reload("memory = \"1\"\n");
    bench.wait_for("sensor.toml:1:10: memory = \"1\": accepted is a size");
    bench.wait_for("the settings before stay in force");
    bench.reload(&format!("memory = \"2GiB\"\n{OUTPUT}"));
    bench.wait_for("reload refused: needs restart: memory");
    let catalogue = bench.folder.join("catalogue");
    std::fs::create_dir(&catalogue).unwrap();
    std::fs::write(
        catalogue.join("lab.toml"),
        CATALOGUE.replace("role", "rule"),
    )
    .unwrap();
    let config = format!("[catalogue]\ndirectory = \"catalogue\"\n{OUTPUT}");
    bench.reload(&config);
    bench.wait_for("unknown field `rule`");
    std::fs::write(catalogue.join("lab.toml"), CATALOGUE).unwrap();
    bench.reload(&config);
    bench.wait_for("were read again");
    // Every thread takes it up at its next turn.
    std::thread::sleep(Duration::from_secs(1));
    bench.send("resolved-only.pcap");
    let mode = std::fs::metadata(bench.folder.join("out.json"))
        .unwrap()
        .mode();
    assert_eq!(mode & 0o777, 0o640, "whatever the umask");
    let records = bench.stop();
    assert_eq!(
        rules(&records),
        [
            "lab/browser/download",
            "microsoft/windows-update/check",
            "microsoft/windows-update/download",
            "mozilla/firefox/download"
        ],
        "what is told anew, beside what the program knows"
    );
}

/// Every kind of record, of clients that have pseudonyms.
const PSEUDONYMS: &str = r#"
networks.local = ["192.0.2.0/24", "2001:db8:1::/48"]
capture.workers = 2
pseudonyms.key_file = "KEY"
pseudonyms.domains = ["clients.example.edu"]
[[output]]
kind = "file"
path = "out.json"
records = ["dns", "tls", "quic", "http", "flow", "update", "update_session", "stats", "patchspan_stats", "loss"]
purpose = "a test"
"#;

#[test]
#[ignore = "needs root: makes a network namespace"]
fn a_live_run_tells_no_client_either_and_its_key_is_read_once_as_root() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("patchspan-live-pseudonyms");
    std::fs::create_dir_all(&folder).unwrap();
    let (key, file) = (folder.join("key"), folder.join("capture.pcap"));
    std::fs::write(&key, "07".repeat(32)).unwrap();
    std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let clients = made::clients();
    let mut capture = made::Capture::of(&clients);
    // What fits on the cable.
    capture.frames.retain(|frame| frame.len() <= 1_514);
    std::fs::write(&file, capture.bytes()).unwrap();
    let config = PSEUDONYMS.replace("KEY", key.to_str().unwrap());
    let mut bench = Bench::start("pseudonyms", &config);
    bench.send(file.to_str().unwrap());
    // Root's key is out of reach for whom root became.
    bench.reload(&format!("http.query = \"drop\"\n{config}"));
    bench.wait_for("were read again");
    bench.send(file.to_str().unwrap());
    bench.reload(&config.replace("clients.example", "others.example"));
    bench.wait_for("reload refused: needs restart: pseudonyms");
    let records = bench.stop();
    for kind in ["dns", "tls", "http", "flow", "update", "update_session"] {
        assert!(of_kind(&records, kind).count() >= 50, "{kind}");
    }
    let traces = made::traces(&clients);
    for file in ["out.json", "log"] {
        let text = std::fs::read_to_string(bench.folder.join(file)).unwrap();
        assert_eq!(made::found(&text, &traces), Vec::<String>::new(), "{file}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
#[ignore = "needs root: makes a network namespace"]
fn workers_are_bound_to_their_cores_inside_the_sandbox_as_root() {
    let config = format!("capture.cores = [1, 0]\ncapture.workers = 2\n{OUTPUT}");
    let mut bench = Bench::start("cores", &config);
    let tasks = format!("/proc/{}/task", bench.sensor.id());
    let mut bound = Vec::new();
    for task in std::fs::read_dir(tasks).unwrap() {
        let task = task.unwrap().path();
        let read = |name| std::fs::read_to_string(task.join(name)).unwrap();
        let status = read("status");
        let list = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        bound.push((
            read("comm").trim().to_owned(),
            list.unwrap().trim().to_owned(),
        ));
    }
    let core_of = |name: &str| {
        let mut found = bound.iter().filter(|(thread, _)| thread == name);
        found.next().unwrap().1.clone()
    };
    assert_eq!(
        (core_of("worker-0").as_str(), core_of("worker-1").as_str()),
        ("1", "0")
    );
    assert_ne!(
        core_of("conclusions"),
        core_of("worker-0"),
        "others go where there is room"
    );
    let records = bench.stop();
    let stats = of_kind(&records, "patchspan_stats").last().unwrap();
    assert_eq!(stats["patchspan_stats"]["capture"]["unbound"], 0);
}

#[test]
#[ignore = "needs root: makes a network namespace"]
fn the_log_proposes_networks_once_and_a_reload_takes_up_own_sources_as_root() {
    // What the client does next is another access.
    let config = format!(
        "stats.interval = \"1s\"\nflows.tcp_closed = \"1s\"\nupdates.idle = \"1s\"\n{OUTPUT}"
    );
    let mut bench = Bench::start("hosts", &config);
    bench.send("proxy.pcap");
    bench.wait_for("under [networks]: local = [\"198.51.100.0/24\"]");
    let source = "[[internal_sources]]\nname = \"own\"\nkind = \"update-server\"\nservers = [\"203.0.113.10\"]\n\
                  vendor = \"lab\"\nproduct = \"own\"\n";
    bench.reload(&format!("{config}{source}"));
    bench.wait_for("were read again");
    std::thread::sleep(Duration::from_secs(1));
    bench.send("curl-http.pcap");
    let records = bench.stop();
    let via: Vec<&Value> = of_kind(&records, "update")
        .filter(|record| record["dest_ip"] == "203.0.113.10")
        .map(|record| &record["update"]["via"])
        .collect();
    assert!(
        !via.is_empty() && via.iter().all(|via| **via == "internal"),
        "{via:?}"
    );
    let log = std::fs::read_to_string(bench.folder.join("log")).unwrap();
    assert_eq!(log.matches("every client is a host").count(), 1, "{log}");
}

const METRICS: &str = "[metrics]\nlisten = \"ADDRESS\"\n[health]\nsilent_after = \"3s\"\n[updates]\nidle = \"1s\"\nburst_pause = \"1s\"\n[stats]\ninterval = \"1s\"\n";

impl Bench {
    /// Status and body of what the sensor answers, as curl sees it.
    fn ask(&self, way: &[&str], path: &str) -> (String, String) {
        let mut curl = Command::new("ip");
        curl.args([
            "netns",
            "exec",
            &self.namespace,
            "curl",
            "-sS",
            "-m",
            "5",
            "-w",
            "\n%{http_code}",
        ]);
        curl.args(way).current_dir(&self.folder);
        let output = curl.arg(path).output().unwrap();
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let (body, status) = told.trim_end().rsplit_once('\n').unwrap();
        (status.to_owned(), body.to_owned())
    }

    /// Waits until /health answers `status`.
    fn wait_for_health(&self, way: &[&str], status: &str) -> String {
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            let (found, body) = self.ask(way, "http://localhost:9477/health");
            if found == status {
                return body;
            }
            assert!(Instant::now() < limit, "{found}: {body}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// The sum of a metric's series.
fn metric(page: &str, name: &str) -> u64 {
    let mut lines = page
        .lines()
        .filter(|line| !line.starts_with('#'))
        .peekable();
    assert!(lines.peek().is_some());
    let series = lines.filter(|line| line.split(['{', ' ']).next() == Some(name));
    let values = series.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap());
    values.sum::<f64>() as u64
}

/// The number of threads of the sensor's process.
fn threads(page: &str) -> u64 {
    metric(page, "process_threads")
}

fn told_what_it_sees(name: &str, address: &str, way: &[&str]) {
    let config = format!("{}{OUTPUT}", METRICS.replace("ADDRESS", address));
    let mut bench = Bench::start(name, &config);
    bench.send("curl-http.pcap");
    bench.wait_for_health(way, "200");
    let bad = bench.wait_for_health(way, "503");
    let bad: Value = serde_json::from_str(&bad).unwrap();
    let checks = bad["checks"].as_array().unwrap();
    let bad: Vec<&Value> = checks
        .iter()
        .filter(|check| check["good"] == false)
        .collect();
    assert_eq!(bad.len(), 1, "{bad:?}");
    assert_eq!(
        (&bad[0]["check"], &bad[0]["limit"]),
        (&"packets".into(), &3.0.into())
    );
    bench.send("curl-http.pcap");
    bench.wait_for_health(way, "200");
    // Until what waits is counted.
    std::thread::sleep(Duration::from_secs(3));
    let (status, page) = bench.ask(way, "http://localhost:9477/metrics");
    assert_eq!(status, "200", "{page}");
    // Main, worker, conclusions, one output, its files, metrics: the runtime starts none.
    assert_eq!(threads(&page), 6, "{page}");
    let (open, most) = (
        metric(&page, "process_open_fds"),
        metric(&page, "process_max_fds"),
    );
    assert!(0 < open && open <= most, "{open} {most}");
    let records = bench.stop();
    let last = of_kind(&records, "patchspan_stats").last().unwrap();
    let counted = |group: &str, name: &str| last["patchspan_stats"][group][name].as_u64().unwrap();
    for (name, group, counter) in [
        ("patchspan_capture_packets_total", "live", "frames"),
        (
            "patchspan_capture_received_packets_total",
            "live",
            "received",
        ),
        (
            "patchspan_interface_receive_packets_total",
            "interface",
            "rx_packets",
        ),
        (
            "patchspan_interface_receive_bytes_total",
            "interface",
            "rx_bytes",
        ),
        ("patchspan_decoded_bytes_total", "decoder", "bytes"),
        ("patchspan_dns_queries_total", "dns", "queries"),
        ("patchspan_packet_lag_seconds_count", "lag", "frames"),
    ] {
        assert!(counted(group, counter) > 0, "{counter}: {last}");
        assert_eq!(metric(&page, name), counted(group, counter), "{name}");
    }
    let (timed, soon) = (
        counted("outputs", "updates"),
        counted("outputs", "updates_within_5s"),
    );
    assert!(timed > 0 && timed == soon, "{timed} {soon}");
    assert!(!bench.folder.join("metrics.sock").exists());
    promtool(&page);
}

fn promtool(page: &str) {
    use std::io::Write as _;
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else {
        return eprintln!("skipped: promtool is not installed");
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
#[ignore = "needs root: makes a network namespace"]
fn a_live_run_tells_over_a_unix_socket_what_it_sees_and_that_packets_stopped_as_root() {
    let way = ["--unix-socket", "metrics.sock"];
    told_what_it_sees("unix", "unix:metrics.sock", &way);
}

#[test]
#[ignore = "needs root: makes a network namespace"]
fn a_live_run_tells_over_loopback_what_it_sees_and_that_packets_stopped_as_root() {
    for (name, address, host) in [
        ("tcp4", "127.0.0.1:9477", "localhost:9477:127.0.0.1"),
        ("tcp6", "[::1]:9477", "localhost:9477:[::1]"),
    ] {
        told_what_it_sees(name, address, &["--resolve", host]);
    }
}
