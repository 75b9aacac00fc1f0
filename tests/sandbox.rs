//! What a live run gives up: rights, files, sockets, system calls. These need root: they become another user, in processes of their own.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "live/wire.rs"]
#[allow(dead_code, reason = "each test uses what it needs")]
mod wire;

use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use patchspan::config::Config;
use patchspan::config::hosts::HostList;
use patchspan::config::job::{ALIVE_EVERY, RunJob};
use patchspan::sensor::sandbox;
use wire::{Lane, Sender, cable, frame, in_namespace, run, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_patchspan");
/// The user that root becomes in these tests.
const USER: &str = "nobody";
/// SIGSYS.
const KILLED_FOR_A_CALL: i32 = 31;

/// A directory that USER may write, and one of root's beside it that anybody may read and write.
struct Place(PathBuf);

impl Place {
    fn new(test: &str) -> Self {
        let root = PathBuf::from(format!("/tmp/patchspan-{}-{test}", std::process::id()));
        let place = Self(root);
        for name in ["", "logs", "config", "other"] {
            fs::create_dir_all(place.at(name)).unwrap();
        }
        for (name, mode) in [
            ("", 0o755),
            ("logs", 0o750),
            ("config", 0o755),
            ("other", 0o777),
        ] {
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(place.at(name), mode).unwrap();
        }
        let user = number("passwd", USER);
        chown(place.at("logs"), Some(user), None).unwrap();
        fs::write(place.at("other/open"), "anybody may read this").unwrap();
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn config(&self, text: &str) -> String {
        let logs = self.at("logs/updates.json");
        let text =
            format!("sandbox.user = \"{USER}\"\n{text}").replace("LOGS", logs.to_str().unwrap());
        let path = self.at("config/sensor.toml");
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The number of a user or a group.
fn number(list: &str, name: &str) -> u32 {
    let text = fs::read_to_string(format!("/etc/{list}")).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name}:")));
    line.unwrap().split(':').nth(2).unwrap().parse().unwrap()
}

/// A running sensor; killed when it is dropped.
struct Sensor {
    child: Child,
    place: PathBuf,
}

impl Sensor {
    /// Standard output and standard error are pipes.
    fn start(config: &str, more: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["run", "--config", config]).args(more);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::of(command, config)
    }

    fn of(mut command: Command, config: &str) -> Self {
        Self {
            child: command.spawn().unwrap(),
            place: Path::new(config).to_owned(),
        }
    }

    fn status(&self, field: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let mut lines = status.lines();
        let value = lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value
            .unwrap_or_else(|| panic!("no {field}"))
            .trim()
            .to_owned()
    }

    /// Its sockets are open: it has become another user, and threads run.
    fn await_threads(&self, least: usize) {
        until("running", || {
            let threads = fs::read_dir(format!("/proc/{}/task", self.child.id()));
            threads.is_ok_and(|threads| threads.count() >= least)
        });
    }

    /// Ends it as Ctrl-C does; what it wrote to standard output and standard error.
    fn stop(mut self) -> (String, String) {
        run(&format!("kill -INT {}", self.child.id()));
        let mut out = String::new();
        let mut said = String::new();
        use std::io::Read;
        if let Some(mut pipe) = self.child.stdout.take() {
            pipe.read_to_string(&mut out).unwrap();
        }
        if let Some(mut pipe) = self.child.stderr.take() {
            pipe.read_to_string(&mut said).unwrap();
        }
        let status = self.child.wait().unwrap();
        assert!(
            status.success(),
            "{}: {status}: {said}",
            self.place.display()
        );
        (out, said)
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn send(tap: &str, count: u64) {
    let mut sender = Sender::new(tap);
    for number in 0..count {
        sender.send(&frame(Lane::of(number, 8), number, 100));
    }
}

/// The last value of a counter among statistics.
fn counted(lines: &str, group: &str, counter: &str) -> u64 {
    let lines = lines.lines().rev();
    let mut values = lines.filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["patchspan_stats"][group][counter].as_u64()
    });
    values.next().unwrap()
}

const FILE_OUTPUT: &str = r#"
    capture.interfaces = ["span0"]
    stats.interval = "1s"
    [[output]]
    kind = "file"
    path = "LOGS"
    rotate_every = "1s"
"#;

#[test]
#[ignore = "needs root"]
fn a_run_that_root_starts_has_one_right_left_and_captures_and_rotates_as_root() {
    let test = "a_run_that_root_starts_has_one_right_left_and_captures_and_rotates_as_root";
    in_namespace(test, || {
        cable("tap0", "span0");
        for workers in ["1", "2"] {
            let place = Place::new("rights");
            let sensor = Sensor::start(&place.config(FILE_OUTPUT), &["--workers", workers]);
            sensor.await_threads(4);
            let user = number("passwd", USER).to_string();
            let uids = sensor.status("Uid");
            assert!(uids.split_whitespace().all(|uid| uid == user), "{uids}");
            for (field, value) in [
                ("CapEff", "0000000000002000"),
                ("CapPrm", "0000000000002000"),
                ("CapBnd", "0000000000002000"),
                ("CapInh", "0000000000000000"),
                ("CapAmb", "0000000000000000"),
                ("NoNewPrivs", "1"),
                ("Seccomp", "2"),
            ] {
                assert_eq!(sensor.status(field), value, "{field}");
            }
            // Every thread of it.
            let threads = fs::read_dir(format!("/proc/{}/task", sensor.child.id())).unwrap();
            for thread in threads {
                let path = thread.unwrap().path().join("status");
                let status = fs::read_to_string(path).unwrap();
                assert!(status.contains("\nSeccomp:\t2\n"), "{status}");
                assert!(status.contains("\nCapEff:\t0000000000002000\n"), "{status}");
            }
            let files = || fs::read_dir(place.at("logs")).unwrap().count();
            send("tap0", 1_000);
            until("rotated and compressed", || {
                let names = fs::read_dir(place.at("logs")).unwrap();
                let names = names.map(|entry| entry.unwrap().file_name());
                let is_packed =
                    |name: &std::ffi::OsString| name.to_str().unwrap().ends_with(".zst");
                files() >= 3 && names.into_iter().any(|name| is_packed(&name))
            });
            let (_, said) = sensor.stop();
            assert!(said.contains("CAP_NET_RAW alone"), "{said}");
            let file = fs::metadata(place.at("logs/updates.json")).unwrap();
            assert_eq!(file.uid(), number("passwd", USER));
            assert_eq!(file.gid(), number("group", "adm"));
            assert_eq!(file.mode() & 0o777, 0o640);
            let lines = fs::read_to_string(place.at("logs/updates.json")).unwrap();
            assert_eq!(counted(&lines, "live", "frames"), 1_000);
        }
    });
}

#[test]
#[ignore = "needs root"]
fn an_interface_that_was_deleted_is_captured_again_inside_as_root() {
    let test = "an_interface_that_was_deleted_is_captured_again_inside_as_root";
    in_namespace(test, || {
        for workers in ["1", "2"] {
            cable("tap0", "span0");
            let place = Place::new("again");
            let config = place.config("capture.interfaces = [\"span0\"]\ncapture.filter = \"udp\"");
            // Standard output is a file of root's, opened before.
            let lines = place.at("other/lines.json");
            let said = place.at("other/said");
            let mut command = Command::new(PROGRAM);
            command.args(["run", "--config", &config, "--workers", workers]);
            command.stdout(fs::File::create(&lines).unwrap());
            command.stderr(fs::File::create(&said).unwrap());
            let sensor = Sensor::of(command, &config);
            let says = |what: &str| fs::read_to_string(&said).unwrap().contains(what);
            until("listening", || says("listening on span0"));
            send("tap0", 100);
            run("ip link del tap0");
            until("gone", || says("interface span0 is gone"));
            cable("tap0", "span0");
            until("back", || says("interface span0 is back"));
            send("tap0", 100);
            std::thread::sleep(std::time::Duration::from_millis(500));
            sensor.stop();
            let lines = fs::read_to_string(&lines).unwrap();
            assert!(counted(&lines, "live", "reopened") >= 1, "{lines}");
            let frames = counted(&lines, "live", "frames");
            let dropped = counted(&lines, "live", "dropped");
            assert_eq!(frames + dropped, 200, "{lines}");
            assert!(frames >= 100, "{frames}");
            run("ip link del tap0");
        }
    });
}

#[test]
#[ignore = "needs root"]
fn a_directory_of_roots_is_refused_with_its_remedy_before_anything_starts_as_root() {
    let place = Place::new("refused");
    let text = FILE_OUTPUT.replace("LOGS", place.at("config/a.json").to_str().unwrap());
    let config = place.config(&text.replace("span0", "lo"));
    let output = Command::new(PROGRAM)
        .args(["run", "--config", &config])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{said}");
    let folder = place.at("config").display().to_string();
    assert!(
        said.contains(&format!("{folder}: the user {USER} cannot write it")),
        "{said}"
    );
    assert!(
        said.contains(&format!("`chown {USER}:adm {folder}`")),
        "{said}"
    );
    assert!(!said.contains("listening"), "{said}");
}

/// What a process inside tries, by its name in the environment.
const ATTEMPT: &str = "PATCHSPAN_TEST_ATTEMPT";

/// Enters the sandbox of `text` in a process of its own, which then tries `attempt`.
fn attempt(test: &str, attempt: &str) -> std::process::ExitStatus {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(ATTEMPT, attempt)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.signal().is_some() || output.status.success(),
        "{attempt}: {said}{printed}"
    );
    output.status
}

/// The attempt of this process; `None` where it is the one that makes others try.
fn attempted() -> Option<String> {
    std::env::var(ATTEMPT).ok()
}

fn enter(place: &Path, text: &str) {
    let logs = place.join("logs/updates.json");
    let text = format!("sandbox.user = \"{USER}\"\n{text}").replace("LOGS", logs.to_str().unwrap());
    let path = place.join("config/sensor.toml");
    let job = RunJob {
        config: Config::parse(&text, &path).unwrap(),
        hosts: HostList::default(),
        files: vec![path],
        alive_every: ALIVE_EVERY,
    };
    let report = sandbox::enter(&job).unwrap();
    assert!(report.parts().iter().all(|part| part.holds), "{report:?}");
}

fn place_of(attempt: &str) -> (PathBuf, &str) {
    let (place, what) = attempt.split_once('|').unwrap();
    (place.into(), what)
}

#[test]
#[ignore = "needs root"]
fn files_elsewhere_can_be_neither_read_nor_written_as_root() {
    let test = "files_elsewhere_can_be_neither_read_nor_written_as_root";
    let Some(wanted) = attempted() else {
        let place = Place::new("files");
        place.config(FILE_OUTPUT);
        attempt(test, &format!("{}|", place.0.display()));
        return;
    };
    let (place, _) = place_of(&wanted);
    let other = place.join("other");
    // Anybody may, outside.
    assert!(fs::read(other.join("open")).is_ok());
    enter(&place, FILE_OUTPUT);
    let refused = |outcome: Result<(), std::io::Error>| {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::PermissionDenied);
    };
    refused(fs::read(other.join("open")).map(drop));
    refused(fs::write(other.join("new"), "no"));
    refused(fs::remove_file(other.join("open")));
    refused(fs::read_dir("/tmp").map(drop));
    refused(fs::read("/etc/passwd").map(drop));
    refused(fs::rename(other.join("open"), place.join("logs/open")));
    refused(fs::write(place.join("config/sensor.toml"), "no"));
    // What the configuration names can be.
    let log = place.join("logs/updates.json");
    fs::write(&log, "{}\n").unwrap();
    fs::rename(&log, place.join("logs/updates-1.json")).unwrap();
    fs::remove_file(place.join("logs/updates-1.json")).unwrap();
    assert!(fs::read(place.join("config/sensor.toml")).is_ok());
    assert!(fs::read("/sys/class/net/lo/ifindex").is_ok());
    // Not even known, as it is not needed.
    assert!(fs::create_dir(place.join("logs/folder")).is_err());
}

#[test]
#[ignore = "needs root"]
fn a_program_is_not_started_and_the_attempt_ends_the_process_as_root() {
    let test = "a_program_is_not_started_and_the_attempt_ends_the_process_as_root";
    let Some(wanted) = attempted() else {
        let place = Place::new("exec");
        place.config(FILE_OUTPUT);
        for how in ["exec", "ptrace", "unshare"] {
            let status = attempt(test, &format!("{}|{how}", place.0.display()));
            assert_eq!(status.signal(), Some(KILLED_FOR_A_CALL), "{how}: {status}");
        }
        let status = attempt(test, &format!("{}|fork", place.0.display()));
        assert!(status.success(), "{status}");
        return;
    };
    let (place, how) = place_of(&wanted);
    enter(&place, FILE_OUTPUT);
    match how {
        "exec" => {
            use std::os::unix::process::CommandExt;
            let error = Command::new("/bin/true").exec();
            panic!("it lives: {error}");
        }
        "ptrace" => {
            let _ = nix::sys::ptrace::traceme();
            panic!("it lives");
        }
        "unshare" => {
            let _ = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER);
            panic!("it lives");
        }
        _ => {
            // A process of its own is refused before it could start anything; a thread is not.
            assert!(Command::new("/bin/true").spawn().is_err());
            assert_eq!(std::thread::spawn(|| 7).join().unwrap(), 7);
        }
    }
}

#[test]
#[ignore = "needs root"]
fn sockets_are_those_that_the_configuration_needs_as_root() {
    let test = "sockets_are_those_that_the_configuration_needs_as_root";
    let Some(wanted) = attempted() else {
        let place = Place::new("sockets");
        let collector = TcpListener::bind("127.0.0.1:0").unwrap();
        let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
        let reader = UnixListener::bind(place.at("other/reader.sock")).unwrap();
        let anybody = fs::Permissions::from_mode(0o777);
        fs::set_permissions(place.at("other/reader.sock"), anybody).unwrap();
        let ports = [&collector, &stranger].map(|one| one.local_addr().unwrap().port());
        for how in ["none", "address", "name"] {
            let [right, wrong] = ports;
            attempt(
                test,
                &format!("{}|{how} {right} {wrong}", place.0.display()),
            );
        }
        drop(reader);
        return;
    };
    let (place, words) = place_of(&wanted);
    let words: Vec<&str> = words.split(' ').collect();
    let [right, wrong] = [words[1], words[2]].map(|port| port.parse::<u16>().unwrap());
    let host = match words[0] {
        "none" => None,
        "address" => Some("127.0.0.1"),
        _ => Some("localhost"),
    };
    let output = host.map_or_else(String::new, |host| {
        format!("[[output]]\nkind = \"tcp\"\naddress = \"{host}:{right}\"\n")
    });
    enter(&place, &format!("capture.interfaces = [\"lo\"]\n{output}"));
    let kind = |outcome: std::io::Result<()>| outcome.map_err(|error| error.kind());
    let denied = Err(ErrorKind::PermissionDenied);
    assert!(UnixStream::connect(place.join("other/reader.sock")).is_ok());
    assert_eq!(
        kind(TcpStream::connect(("127.0.0.1", wrong)).map(drop)),
        denied
    );
    assert_eq!(kind(TcpListener::bind("127.0.0.1:0").map(drop)), denied);
    let datagram = kind(UdpSocket::bind("127.0.0.1:0").map(drop));
    let connection = |host: &str| kind(TcpStream::connect((host, right)).map(drop));
    match host {
        None => {
            assert_eq!(connection("127.0.0.1"), denied);
            assert_eq!(datagram, denied);
        }
        Some("127.0.0.1") => {
            assert_eq!(connection("127.0.0.1"), Ok(()));
            assert_eq!(datagram, denied);
        }
        Some(name) => {
            assert_eq!(connection(name), Ok(()));
            assert_eq!(datagram, Ok(()));
        }
    }
    // What no configuration needs.
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    for (family, kind) in [
        (AddressFamily::Inet, SockType::Raw),
        (AddressFamily::Inet6, SockType::Raw),
        (AddressFamily::Vsock, SockType::Stream),
        (AddressFamily::Alg, SockType::SeqPacket),
    ] {
        let refused = socket(family, kind, SockFlag::empty(), None);
        assert_eq!(refused.unwrap_err(), nix::errno::Errno::EPERM, "{family:?}");
    }
}
