//! How large the sensor becomes over a capture, before the end of input empties its tables.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::shapes::Shape;

/// Long enough to take in what lies in the pipe.
const SETTLE: Duration = Duration::from_secs(3);

/// Prints resident memory at an idle start, and with all of a capture of this shape read.
pub(crate) fn tell(shape: Shape, capture: &Path) {
    let configuration = capture.with_extension("toml");
    fs::write(&configuration, ceilings(shape)).unwrap();
    let mut sensor = Command::new(env!("CARGO_BIN_EXE_patchspan"))
        .args(["replay", "--workers", "1", "--events", "update"])
        .args(["--output", "/dev/null", "--config"])
        .args([configuration.as_os_str(), "-".as_ref()])
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
    fs::remove_file(&configuration).unwrap();
    println!(
        "{}: resident: idle {} MB, then {} MB: {} MB more",
        shape.name(),
        idle / 1_000,
        full / 1_000,
        (full - idle) / 1_000
    );
}

/// Ceilings above what the capture holds: the sensor tells on standard error what they took. Lookups end at once, so that what is measured
/// of answers is names.
const fn ceilings(shape: Shape) -> &'static str {
    match shape {
        Shape::Answers => "memory = \"2GiB\"\n[flows]\nudp = \"1s\"\n",
        _ => "memory = \"8GiB\"\n",
    }
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
