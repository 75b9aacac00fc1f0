//! The programs that listen: the sensor, and what is installed beside it.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::mirror::SPAN;

/// Long enough for any program that does not say when it listens.
const SETTLE: Duration = Duration::from_secs(2);
const READY_WITHIN: Duration = Duration::from_secs(20);
/// As the sensor's share of 1 GiB, in KiB: 5 %.
const RING_KIB: &str = "52428";

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Program {
    /// The sensor, every kind of record into a file.
    Sensor,
    /// The sensor, with the kinds of record that it writes by default.
    SensorDefault,
    /// `tcpdump -w /dev/null`.
    Tcpdump,
    /// ndpiReader, which names flows.
    Ndpi,
}

/// How the sensor is set up.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) workers: u16,
    pub(crate) memory: String,
}

/// What a program says of a run, and what it cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Frames that it took.
    pub(crate) taken: u64,
    /// Frames that it says it lost.
    pub(crate) dropped: u64,
    /// Processor time while frames came, in seconds.
    pub(crate) cpu: f64,
}

/// A program that listens.
pub(crate) struct Running {
    program: Program,
    child: Child,
    folder: PathBuf,
    cpu_before: f64,
}

impl Program {
    /// Starts it in an empty folder and waits until it listens, for at most about `time`.
    pub(crate) fn start(self, setup: &Setup, folder: &Path, time: Duration) -> Running {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).unwrap();
        // The sensor gives root up.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(folder, open).unwrap();
        let mut command = self.command(setup, folder, time);
        let said = fs::File::create(folder.join("said")).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said);
        let notices = UnixDatagram::bind(folder.join("notify")).unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(folder.join("notify"), open).unwrap();
        command.env("NOTIFY_SOCKET", folder.join("notify"));
        let mut running = Running {
            program: self,
            child: command.spawn().unwrap(),
            folder: folder.to_owned(),
            cpu_before: 0.0,
        };
        if self.is_sensor() {
            running.wait_until_ready(&notices);
        } else {
            std::thread::sleep(SETTLE);
        }
        running.cpu_before = cpu_of(running.child.id());
        running
    }

    pub(crate) fn is_sensor(self) -> bool {
        matches!(self, Self::Sensor | Self::SensorDefault)
    }

    pub(crate) fn is_installed(self) -> bool {
        let name = match self {
            Self::Sensor | Self::SensorDefault => return true,
            Self::Tcpdump => "tcpdump",
            Self::Ndpi => "ndpiReader",
        };
        Command::new(name)
            .arg("--help")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok()
    }

    fn command(self, setup: &Setup, folder: &Path, time: Duration) -> Command {
        let seconds = (time + 2 * SETTLE).as_secs().to_string();
        let words: &[&str] = match self {
            Self::Sensor | Self::SensorDefault => {
                let config = folder.join("sensor.toml");
                fs::write(&config, self.configuration(setup, folder)).unwrap();
                let mut command = Command::new(env!("CARGO_BIN_EXE_patchspan"));
                command.args(["run", "--config"]).arg(config);
                return command;
            }
            Self::Tcpdump => &[
                "tcpdump",
                "-n",
                "-i",
                SPAN,
                "-B",
                RING_KIB,
                "-Z",
                "root",
                "-w",
                "/dev/null",
            ],
            Self::Ndpi => &["ndpiReader", "-i", SPAN, "-s", &seconds],
        };
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command
    }

    fn configuration(self, setup: &Setup, folder: &Path) -> String {
        let Setup { workers, memory } = setup;
        let path = folder.join("records.json");
        let records = match self {
            Self::SensorDefault => "",
            _ => concat!(
                "records = [\"update\", \"update_session\", \"dns\", \"tls\", \"quic\", \"http\", ",
                "\"flow\", \"stats\", \"patchspan_stats\", \"loss\"]\npurpose = \"benchmark\"\n"
            ),
        };
        format!(
            "memory = \"{memory}\"\n[capture]\ninterfaces = [\"{SPAN}\"]\nworkers = {workers}\n\
             [stats]\ninterval = \"1s\"\n[[output]]\nkind = \"file\"\npath = {path:?}\n{records}\
             rotate_size = \"1TiB\"\n"
        )
    }
}

impl Running {
    /// Until its word to the service manager (sd_notify(3)).
    fn wait_until_ready(&self, notices: &UnixDatagram) {
        notices.set_read_timeout(Some(READY_WITHIN)).unwrap();
        let mut message = [0; 4_096];
        loop {
            let length = notices
                .recv(&mut message)
                .unwrap_or_else(|error| panic!("not ready: {error}\n{}", self.said()));
            if String::from_utf8_lossy(&message[..length]).contains("READY=1") {
                return;
            }
        }
    }

    /// What it wrote to standard output and error.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.folder.join("said")).unwrap()
    }

    /// The file that the sensor writes.
    pub(crate) fn records(&self) -> PathBuf {
        self.folder.join("records.json")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Resident memory in bytes, and open descriptors.
    pub(crate) fn size(&self) -> (u64, usize) {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = fs::read_to_string(process.join("status")).unwrap();
        let row = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: u64 = row
            .and_then(|row| row.split_whitespace().next())
            .and_then(|figure| figure.parse().ok())
            .unwrap_or_default();
        (kib << 10, fs::read_dir(process.join("fd")).unwrap().count())
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Ends it and reads what it says.
    pub(crate) fn stop(mut self) -> Outcome {
        let cpu = cpu_of(self.child.id()) - self.cpu_before;
        // It says nothing when it is told to end.
        if self.program != Program::Ndpi {
            self.signal(Signal::SIGINT);
        }
        let status = self.child.wait().unwrap();
        let said = self.said();
        let (taken, dropped) = match self.program {
            Program::Sensor | Program::SensorDefault => {
                assert!(status.success(), "{status}: {said}");
                own_figures(&self.folder.join("records.json"))
            }
            Program::Tcpdump => (
                before(&said, "packets captured"),
                before(&said, "packets dropped by kernel"),
            ),
            Program::Ndpi => (before(&said, "packets total"), 0),
        };
        Outcome {
            taken,
            dropped,
            cpu,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the sensor's last statistics say: frames taken, frames that the rings had no room for.
fn own_figures(records: &Path) -> (u64, u64) {
    let text = fs::read_to_string(records).unwrap();
    let last = text
        .lines()
        .rev()
        .find(|line| line.contains(r#""event_type":"stats""#));
    let record: Value = serde_json::from_str(last.unwrap()).unwrap();
    let stats = &record["stats"];
    let figure = |value: &Value| value.as_u64().unwrap();
    (
        figure(&stats["decoder"]["pkts"]),
        figure(&stats["capture"]["kernel_drops"]),
    )
}

/// The number that stands before some words.
fn before(said: &str, words: &str) -> u64 {
    let line = said.lines().find(|line| line.contains(words));
    let figures = line.and_then(|line| line.split(words).next());
    figures
        .and_then(|text| text.split_whitespace().last())
        .and_then(|figure| figure.parse().ok())
        .unwrap_or_else(|| panic!("no {words:?} in {said}"))
}

/// Processor time of a process, all its threads, in seconds (proc(5), `stat`).
fn cpu_of(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: f64 = [fields[11], fields[12]]
        .iter()
        .map(|field| field.parse::<f64>().unwrap())
        .sum();
    // A tick of 10 ms on every Linux that user programs see.
    ticks / 100.0
}
