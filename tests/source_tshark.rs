//! The readers against tshark: number, time and lengths of every frame, in every format that editcap writes.
//!
//! Without tshark on the machine these tests say so and pass.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use patchspan::source::CaptureFile;

/// Formats of editcap that are read here.
const FORMATS: [&str; 8] = [
    "pcap",
    "nsecpcap",
    "modpcap",
    "rh6_1pcap",
    "suse6_3pcap",
    "nokiapcap",
    "pcapng",
    "snoop",
];

/// Captures that are converted to every format.
const CONVERTED: usize = 3;

/// Nanoseconds, wire length, captured length.
type Frame = (i64, u32, usize);

fn has_tshark() -> bool {
    let is_there = |program: &&str| {
        let mut command = Command::new(program);
        let command = command.arg("--version").stdout(Stdio::null());
        command.stderr(Stdio::null()).status().is_ok()
    };
    let found = ["tshark", "editcap"].iter().all(is_there);
    if !found {
        eprintln!("skipped: tshark and editcap are not installed");
    }
    found
}

fn ours(path: &Path) -> Vec<Frame> {
    let mut file = CaptureFile::open(path).unwrap_or_else(|error| panic!("{path:?} {error}"));
    let mut frames = Vec::new();
    while let Ok(Some(head)) = file.advance() {
        let length = file.data().len();
        frames.push((head.timestamp.as_nanos(), head.wire_length, length));
    }
    frames
}

fn tsharks(path: &Path) -> Vec<Frame> {
    let output = Command::new("tshark")
        .args(["-n", "-T", "fields", "-e", "frame.time_epoch"])
        .args(["-e", "frame.len", "-e", "frame.cap_len", "-r"])
        .arg(path)
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(frame).collect()
}

fn frame(line: &str) -> Frame {
    let mut fields = line.split('\t');
    let (seconds, nanos) = fields.next().unwrap().split_once('.').unwrap();
    let nanos = seconds.parse::<i64>().unwrap() * 1_000_000_000 + nanos.parse::<i64>().unwrap();
    let wire = fields.next().unwrap().parse().unwrap();
    (nanos, wire, fields.next().unwrap().parse().unwrap())
}

/// The captures that are stored with the program.
fn captures() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("pcaps")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.contains(".pcap") || name.ends_with(".cap") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_frame_has_tsharks_time_and_lengths() {
    if !has_tshark() {
        return;
    }
    for path in captures() {
        let theirs = tsharks(&path);
        // tshark does not read xz.
        if theirs.is_empty() && path.extension().is_some_and(|end| end == "xz") {
            continue;
        }
        assert_eq!(ours(&path), theirs, "{path:?}");
    }
}

#[test]
fn every_format_of_editcap_gives_the_same_frames() {
    let captures = captures();
    if captures.is_empty() || !has_tshark() {
        return;
    }
    let folder = std::env::temp_dir().join(format!("patchspan-formats-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let every = captures.len().div_ceil(CONVERTED);
    for (index, capture) in captures.iter().step_by(every).enumerate() {
        for format in FORMATS {
            let copy = folder.join(format!("{index}.{format}"));
            let mut editcap = Command::new("editcap");
            editcap.args(["-F", format]).arg(capture).arg(&copy);
            // Not every format knows every link type.
            if editcap.stderr(Stdio::null()).status().unwrap().success() {
                assert_eq!(ours(&copy), tsharks(&copy), "{capture:?} as {format}");
            }
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
