//! How large the sensor becomes over a capture, before the end of input empties its tables.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Long enough to take in what lies in the pipe.
const SETTLE: Duration = Duration::from_secs(3);

/// Prints resident memory at an idle start, and with all of a capture read.
pub(crate) fn tell(capture: &Path) {
    let mut sensor = Command::new(env!("CARGO_BIN_EXE_patchspan"))
        .args(["replay", "--events", "update", "--output", "/dev/null", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = sensor.stdin.take().unwrap();
    std::thread::sleep(SETTLE);
    let idle = resident(&sensor);
    io::copy(&mut File::open(capture).unwrap(), &mut input).unwrap();
    std::thread::sleep(SETTLE);
    let full = resident(&sensor);
    drop(input);
    sensor.wait().unwrap();
    println!(
        "resident: idle {} MB, then {} MB: {} MB more",
        idle / 1_000,
        full / 1_000,
        (full - idle) / 1_000
    );
}

/// In kB (proc(5), `status`, whose kB are KiB).
fn resident(process: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let row = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kib: u64 = row.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1_024 / 1_000
}
