//! `seeds CAPTURES CORPUS`: first inputs for the targets, out of stored captures.
//!
//! * `capture_reader`, `pipeline`: whole files
//! * `frame`: frames, each behind its link type (2 bytes, little-endian)

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use patchspan::source::CaptureFile;

/// Larger captures make the fuzzer slow.
const MAX_FILE: u64 = 64 * 1024;
/// Frames taken of a capture, each of another length.
const FRAMES: usize = 40;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(captures), Some(corpus)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("usage: seeds CAPTURES CORPUS"));
    };
    for folder in ["capture_reader", "pipeline", "frame"] {
        fs::create_dir_all(corpus.join(folder))?;
    }
    let mut folders = vec![captures];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if let Ok(file) = CaptureFile::open(&entry.path()) {
                add(&entry.path(), file, &corpus)?;
            }
        }
    }
    Ok(())
}

fn add(path: &Path, mut file: CaptureFile, corpus: &Path) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default();
    if fs::metadata(path)?.len() <= MAX_FILE {
        fs::copy(path, corpus.join("capture_reader").join(name))?;
        fs::copy(path, corpus.join("pipeline").join(name))?;
    }
    let mut lengths = HashSet::new();
    while let Ok(Some(head)) = file.advance() {
        if lengths.len() < FRAMES && lengths.insert(file.data().len()) {
            let frame = [&head.link_type.0.to_le_bytes(), file.data()].concat();
            let name = format!("{}-{}", name.to_string_lossy(), lengths.len());
            fs::write(corpus.join("frame").join(name), frame)?;
        }
    }
    Ok(())
}
