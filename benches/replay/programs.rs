//! What is measured: the sensor, two floors, and what is installed beside it.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// Reads a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Program {
    /// Floor: libpcap hands over each packet, nobody looks at it
    Libpcap,
    /// Floor: headers of packets in a file that is mapped into memory
    Mapped,
    /// The sensor, update records alone
    Updates,
    /// The sensor, every kind of record
    Sensor,
    /// The same with two workers
    Workers,
    Tcpdump,
    Tshark,
    Ndpi,
    Suricata,
    Mercury,
}

/// What a run cost, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Of processors, by the program and its system calls.
    pub(crate) cpu: f64,
    /// By the clock.
    pub(crate) wall: f64,
}

/// What the sensor writes where everything is wanted.
const EVERYTHING: &str = "dns,tls,quic,http,flow,update,update_session,stats,patchspan_stats,loss";

impl Program {
    pub(crate) fn is_installed(self) -> bool {
        let name = match self {
            Self::Libpcap | Self::Mapped | Self::Updates | Self::Sensor | Self::Workers => {
                return true;
            }
            Self::Tcpdump => "tcpdump",
            Self::Tshark => "tshark",
            Self::Ndpi => "ndpiReader",
            Self::Suricata => "suricata",
            Self::Mercury => "mercury",
        };
        Command::new(name)
            .arg("--help")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok()
    }

    fn command(self, capture: &Path, output: &Path) -> Command {
        let myself = || Command::new(std::env::current_exe().unwrap());
        let sensor = |records: &str, workers: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_patchspan"));
            command.args([
                "replay",
                "--workers",
                workers,
                "--events",
                records,
                "--output",
            ]);
            command.arg(output).arg(capture);
            command
        };
        let other = |words: &[&str], last: &[&Path]| {
            let mut command = Command::new(words[0]);
            command.args(&words[1..]).args(last);
            command
        };
        match self {
            Self::Libpcap => {
                let mut command = myself();
                command.arg("read-by-libpcap").arg(capture);
                command
            }
            Self::Mapped => {
                let mut command = myself();
                command.arg("walk-mapped").arg(capture);
                command
            }
            Self::Updates => sensor("update", "1"),
            Self::Sensor => sensor(EVERYTHING, "1"),
            Self::Workers => sensor(EVERYTHING, "2"),
            Self::Tcpdump => other(&["tcpdump", "-n", "-w", "/dev/null", "-r"], &[capture]),
            Self::Tshark => other(&["tshark", "-n", "-q", "-z", "conv,tcp", "-r"], &[capture]),
            Self::Ndpi => other(&["ndpiReader", "-q", "-i"], &[capture]),
            Self::Suricata => other(
                &[
                    "suricata",
                    "--runmode",
                    "single",
                    "-S",
                    "/dev/null",
                    "-l",
                    "/dev/shm",
                    "-r",
                ],
                &[capture],
            ),
            Self::Mercury => other(&["mercury", "-f", "/dev/null", "-r"], &[capture]),
        }
    }

    /// Runs it over a capture.
    pub(crate) fn run(self, capture: &Path, output: &Path) -> Cost {
        let before = children_cpu();
        let start = Instant::now();
        let out = if output == Path::new("-") {
            Stdio::null()
        } else {
            File::create("/dev/null").unwrap().into()
        };
        let finished = self
            .command(capture, output)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let wall = start.elapsed().as_secs_f64();
        let said = String::from_utf8_lossy(&finished.stderr);
        assert!(
            finished.status.success(),
            "{self:?}: {} {said}",
            finished.status
        );
        Cost {
            cpu: children_cpu() - before,
            wall,
        }
    }
}

/// Processor time of all children that ended, in seconds.
fn children_cpu() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let time = usage.user_time() + usage.system_time();
    time.num_microseconds() as f64 / 1e6
}
