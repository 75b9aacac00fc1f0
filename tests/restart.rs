//! `patchspan run` that is stopped, or killed, and goes on: real downloads across it, and lines after a hundred kills.
//!
//! Network namespaces: needs root.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{of_kind, text};
use serde_json::Value;

const SIZE: u64 = 6_000_000;
/// Bytes a second.
const RATE: u64 = 500_000;
const SERVER: &str = "198.51.100.1";
const CLIENT: &str = "198.51.100.20";
const CONFIG: &str = r#"
catalogue.directory = "catalogue"
[updates]
idle = "6s"
burst_pause = "2s"
[flows]
tcp_closed = "1s"
[state]
directory = "state"
interval = "1s"
[[output]]
kind = "file"
path = "out.json"
"#;
/// Names that only a plain request, a TLS hello, and DNS tell.
const NAMES: [&str; 3] = ["plain.example", "secure.example", "asked.example"];

/// A server and a client with a cable between them; a sensor listens at the server's end.
struct World {
    name: String,
    folder: PathBuf,
    server: Child,
    sensor: Option<Child>,
    runs: usize,
}

impl World {
    fn new(name: &str, config: &str) -> Self {
        let name = format!("psr-{}-{name}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
        for part in ["catalogue", "state"] {
            std::fs::create_dir_all(folder.join(part)).unwrap();
            // The sensor does not stay root.
            std::fs::set_permissions(folder.join(part), Permissions::from_mode(0o777)).unwrap();
        }
        std::fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        std::fs::write(folder.join("catalogue/lab.toml"), catalogue()).unwrap();
        std::fs::write(folder.join("sensor.toml"), config).unwrap();
        connect(&name, &folder);
        let log = folder.join("server.log");
        let server = Command::new("ip")
            .args(["netns", "exec", &format!("{name}-s"), "python3"])
            .arg(support("world.py"))
            .args([SERVER, &SIZE.to_string()])
            .args([folder.join("cert.pem"), folder.join("key.pem")])
            .stdout(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        wait_for(&log, "ready", 1);
        let mut world = Self {
            name,
            folder,
            server,
            sensor: None,
            runs: 0,
        };
        world.start();
        world
    }

    /// Starts the sensor, and waits until it listens.
    fn start(&mut self) {
        let mut log = std::fs::File::options();
        let log = log.create(true).append(true).open(self.log()).unwrap();
        let sensor = Command::new("ip")
            .args(["netns", "exec", &format!("{}-s", self.name)])
            .arg(env!("CARGO_BIN_EXE_patchspan"))
            .args(["run", "--interface", "span0", "--config", "sensor.toml"])
            .current_dir(&self.folder)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.sensor = Some(sensor);
        self.runs += 1;
        wait_for(&self.log(), "listening on span0", self.runs);
    }

    /// Ends the sensor by `signal`.
    fn end(&mut self, signal: &str) {
        let mut sensor = self.sensor.take().unwrap();
        assert_success(Command::new("kill").args([signal, &sensor.id().to_string()]));
        let status = sensor.wait().unwrap();
        assert!(status.success() || signal == "-KILL", "{status}");
    }

    /// A program at the client.
    fn client(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &format!("{}-c", self.name), program]);
        command
    }

    /// A download of each kind begins; each gives how many bytes came.
    fn downloads(&self) -> Vec<Child> {
        let rate = RATE.to_string();
        let curl = |url: &str| {
            let mut curl = self.client("curl");
            curl.args(["-sk", "--limit-rate", &rate, "-o", "/dev/null"]);
            curl.args(["-w", "%{size_download}", url]);
            curl
        };
        let mut fetch = self.client("python3");
        fetch.arg(support("fetch.py")).args([NAMES[2], &rate]);
        let commands = [
            curl(&format!("http://{}/update.bin", NAMES[0])),
            curl(&format!("https://{}/update.bin", NAMES[1])),
            fetch,
        ];
        let begun = commands.map(|mut command| command.stdout(Stdio::piped()).spawn().unwrap());
        begun.into()
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Every line of every file, in the order of writing within a file.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for entry in std::fs::read_dir(&self.folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if !name.starts_with("out") {
                continue;
            }
            let mut bytes = std::fs::read(&path).unwrap();
            if name.ends_with(".zst") {
                bytes = zstd::decode_all(bytes.as_slice()).unwrap();
            }
            let text = String::from_utf8(bytes).unwrap();
            lines.extend(text.lines().map(str::to_owned));
        }
        lines
    }

    fn records(&self) -> Vec<Value> {
        let lines = self.lines();
        let parse = |line: &String| serde_json::from_str(line).unwrap();
        lines.iter().map(parse).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in self.sensor.iter_mut().chain([&mut self.server]) {
            let _ = child.kill();
            let _ = child.wait();
        }
        for end in ["s", "c"] {
            let namespace = format!("{}-{end}", self.name);
            let _ = Command::new("ip")
                .args(["netns", "del", &namespace])
                .status();
        }
        let _ = std::fs::remove_dir_all(format!("/etc/netns/{}-c", self.name));
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// Two namespaces with a cable between them, a resolver for one, and a certificate.
fn connect(name: &str, folder: &Path) {
    let resolver = format!("/etc/netns/{name}-c");
    std::fs::create_dir_all(&resolver).unwrap();
    std::fs::write(
        format!("{resolver}/resolv.conf"),
        format!("nameserver {SERVER}\n"),
    )
    .unwrap();
    for line in [
        format!("ip netns add {name}-s"),
        format!("ip netns add {name}-c"),
        format!("ip -n {name}-s link add span0 type veth peer name eth0 netns {name}-c"),
        format!("ip -n {name}-s address add {SERVER}/24 dev span0"),
        format!("ip -n {name}-c address add {CLIENT}/24 dev eth0"),
        format!("ip -n {name}-s link set span0 up"),
        format!("ip -n {name}-c link set eth0 up"),
        format!("ip -n {name}-s link set lo up"),
        format!(
            "openssl req -x509 -newkey rsa:2048 -nodes -keyout {0}/key.pem -out {0}/cert.pem -days 2 -subj /CN=lab",
            folder.display()
        ),
    ] {
        let mut words = line.split(' ');
        assert_success(Command::new(words.next().unwrap()).args(words));
    }
}

fn catalogue() -> String {
    let mut text = "[vendor]\nid = \"lab\"\n".to_owned();
    for name in NAMES {
        let product = name.split('.').next().unwrap();
        text += &format!(
            "[[product]]\nid = \"{product}\"\ntitle = \"{product}\"\nsecurity = \"yes\"\n[[product.endpoint]]\nid = \"download\"\n\
             patterns = [\"{name}\"]\nrole = \"download\"\nexamples = [\"{name}\"]\nnot = [\"example.org\"]\n\
             source = \"made for this test\"\nverified = \"never\"\n"
        );
    }
    text
}

fn support(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/restart")
        .join(file)
}

fn assert_success(command: &mut Command) {
    let output = command.output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(output.status.success(), "{command:?}: {told}");
}

/// Waits until `words` stand `times` times in a file.
fn wait_for(file: &Path, words: &str, times: usize) {
    let limit = Instant::now() + Duration::from_secs(20);
    loop {
        let said = std::fs::read_to_string(file).unwrap_or_default();
        if said.matches(words).count() >= times {
            return;
        }
        assert!(Instant::now() < limit, "no {words:?} in {said}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl World {
    /// Waits until the state is written anew.
    fn wait_for_state(&self) {
        let number = || std::fs::metadata(self.folder.join("state/state")).map(|file| file.ino());
        let (before, limit) = (number().ok(), Instant::now() + Duration::from_secs(20));
        while number().ok() == before {
            assert!(Instant::now() < limit);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn pause(seconds: f64) {
    std::thread::sleep(Duration::from_secs_f64(seconds));
}

/// Downloads go over a restart by `signal`: each is found once, whole, with its name.
fn downloads_survive(name: &str, signal: &str) {
    let mut world = World::new(name, CONFIG);
    let downloads = world.downloads();
    wait_for(
        &world.folder.join("out.json"),
        "\"downloading\"",
        NAMES.len(),
    );
    // The first may be of a moment before that.
    world.wait_for_state();
    world.wait_for_state();
    world.end(signal);
    pause(0.5);
    world.start();
    for download in downloads {
        let output = download.wait_with_output().unwrap();
        let got = String::from_utf8(output.stdout).unwrap();
        assert_eq!(got.trim(), SIZE.to_string());
    }
    // Until the accesses are over.
    pause(10.0);
    world.end("-TERM");
    let records = world.records();
    for name in NAMES {
        let of_name = |record: &&Value| record["update"]["fqdn"] == *name;
        let updates: Vec<&Value> = of_kind(&records, "update").filter(of_name).collect();
        let is_final = |record: &&&Value| record["update"]["final"] == true;
        let finals: Vec<&&Value> = updates.iter().filter(is_final).collect();
        assert_eq!(finals.len(), 1, "{name}: {updates:#?}");
        let update = &finals[0]["update"];
        assert_eq!(text(&update["verdict"]), "downloaded", "{update:#}");
        let delivered = update["delivered_toclient"].as_u64().unwrap();
        let excess = delivered.abs_diff(SIZE);
        assert!(excess < SIZE / 50, "{name}: {delivered}");
        assert_eq!(
            update["flow_ids"].as_array().unwrap().len(),
            1,
            "{update:#}"
        );
    }
    let losses: Vec<&Value> = of_kind(&records, "loss")
        .filter(|record| record["loss"]["what"] == "restart")
        .collect();
    assert_eq!(losses.len(), 1, "{losses:?}");
    let sessions = of_kind(&records, "update_session").count();
    assert_eq!(sessions, 0, "they go on for ten minutes");
}

#[test]
#[ignore = "needs root: makes network namespaces"]
fn downloads_go_on_over_a_stop_as_root() {
    downloads_survive("stop", "-TERM");
}

#[test]
#[ignore = "needs root: makes network namespaces"]
fn downloads_go_on_over_a_kill_as_root() {
    downloads_survive("kill", "-KILL");
}

/// Traffic without end: connections that ask, fetch and end, one after the other.
const LOAD: &str = "
import socket, sys
server, name = sys.argv[1], sys.argv[2]
while True:
    try:
        socket.gethostbyname(name)
        with socket.create_connection((server, 80), 2) as connection:
            connection.sendall(b'GET /a HTTP/1.1\\r\\nHost: ' + name.encode() + b'\\r\\n\\r\\n')
            got = 0
            while got < 400000:
                got += len(connection.recv(65536))
    except OSError:
        pass
";

/// Kills under load; the full number takes a quarter of an hour.
fn kills() -> usize {
    let wanted = std::env::var("PATCHSPAN_KILLS").ok();
    wanted.map_or(10, |wanted| wanted.parse().unwrap())
}

#[test]
#[ignore = "needs root: makes network namespaces"]
fn lines_are_whole_and_single_after_every_kill_as_root() {
    let everything = CONFIG.replace(
        "path = \"out.json\"",
        "path = \"out.json\"\nrotate_every = \"1s\"\npurpose = \"a test\"\n\
         records = [\"update\", \"update_session\", \"stats\", \"patchspan_stats\", \"loss\", \"dns\", \"tls\", \"http\", \"flow\"]",
    );
    let mut world = World::new("kills", &everything);
    let mut load: Vec<Child> = NAMES[..2]
        .iter()
        .map(|name| {
            let mut python = world.client("python3");
            python.args(["-c", LOAD, SERVER, name]).spawn().unwrap()
        })
        .collect();
    for round in 0..kills() {
        // At another moment of saving, rotating and writing each time.
        pause(0.4 + (round * 37 % 230) as f64 / 100.0);
        world.end("-KILL");
        world.start();
    }
    pause(3.0);
    for sender in &mut load {
        let _ = sender.kill();
        let _ = sender.wait();
    }
    world.end("-TERM");
    let lines = world.lines();
    let records = world.records();
    let mut seen = std::collections::HashSet::new();
    let twice: Vec<&String> = lines.iter().filter(|line| !seen.insert(*line)).collect();
    assert!(twice.is_empty(), "{twice:#?}");
    // An access, at one revision, is told once.
    let mut seen = std::collections::HashSet::new();
    for kind in ["update", "update_session"] {
        for record in of_kind(&records, kind) {
            let of = &record[kind];
            let place = (kind, text(&of["id"]), of["rev"].as_u64());
            assert!(seen.insert(place), "{record}");
        }
    }
    let of_restarts = of_kind(&records, "loss")
        .filter(|record| record["loss"]["what"] == "restart")
        .count();
    let log = std::fs::read_to_string(world.log()).unwrap();
    assert!(!log.contains("the run begins anew"), "{log}");
    // Where a run died before it told of the gap, the next one tells of a longer one.
    assert!(of_restarts >= kills() * 3 / 4, "{of_restarts}");
    let kinds = ["update", "flow", "http", "loss"].map(|kind| of_kind(&records, kind).count());
    println!(
        "{} lines of {} runs; updates, flows, http, losses: {kinds:?}",
        lines.len(),
        world.runs
    );
    assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
}

#[test]
#[ignore = "needs root: makes network namespaces"]
fn a_state_that_cannot_be_taken_up_is_one_line_and_the_run_goes_on_as_root() {
    let mut world = World::new("refused", CONFIG);
    assert_success(world.client("getent").args(["ahostsv4", NAMES[0]]));
    pause(2.5);
    world.end("-TERM");
    let file = world.folder.join("state/state");
    let whole = std::fs::read(&file).unwrap();
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let (mut damaged, mut foreign, mut old) = (whole.clone(), whole.clone(), whole.clone());
    damaged[50] ^= 1;
    foreign[8] = 200;
    // Seen and written in 1970, and sealed again.
    old[16..32].fill(0);
    let crc = crc32fast::hash(&old[16..]);
    old[12..16].copy_from_slice(&crc.to_le_bytes());
    for (bytes, words) in [
        (damaged, "is damaged"),
        (whole[..whole.len() - 1].to_vec(), "is damaged"),
        (foreign, "has version 200"),
        (old, "is older than 2 hours"),
        (vec![0; 64 << 20], "is larger than"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let before = std::fs::read_to_string(world.log())
            .unwrap()
            .lines()
            .count();
        world.start();
        pause(1.0);
        world.end("-TERM");
        let log = std::fs::read_to_string(world.log()).unwrap();
        let about: Vec<&str> = log
            .lines()
            .skip(before)
            .filter(|line| line.contains("state "))
            .collect();
        assert_eq!(about.len(), 1, "{log}");
        assert!(about[0].contains(words), "{words}: {about:?}");
        // The run has left a right one.
        let state = patchspan::sensor::state::State::load(&file, 1 << 30).unwrap();
        assert_eq!(state.moment.runs, 0);
    }
}
