//! Takes the lines of a client out of files of records, compressed or not, and out of the state that a run keeps.
//!
//! * [`whose`]: which lines are a client's
//! * [`lines`]: one pass over the lines of a file
//! * [`file`](mod@file): a file is read, and where it holds such lines, written aside and renamed
//! * [`kept`]: the state directory
//!
//! A file is what it was, or all of the new one, whenever the program is ended; one without a line of the client is not touched. What
//! cannot be read as a record stays byte for byte, and is counted. Lines that went elsewhere (backups, collectors) are not reached.

pub mod file;
pub mod kept;
pub mod lines;
pub mod whose;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::sensor::state::{self, Refusal};
pub use whose::Whose;

/// What is done with what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is taken out.
    Erase,
    /// It is counted only.
    Count,
}

/// What was found in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// It is the state of a run: what is counted are its items, not lines.
    pub is_state: bool,
    /// Lines or items.
    pub all: u64,
    /// Those of the client.
    pub of_client: u64,
    /// Lines that are no JSON object: cut, too long, or something else. They stay.
    pub unreadable: u64,
    /// The first of them, from 1.
    pub first_unreadable: Option<u64>,
}

/// Why a file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// It cannot be opened, or not be read to its end.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// The new file cannot be written.
    #[error("cannot be written anew: {0}; it is as it was")]
    Write(io::Error),
    /// The new file is there, and may be lost with the machine's power.
    #[error("was written anew, but its directory cannot be synced: {0}")]
    Unsynced(io::Error),
    /// A link, a pipe, a directory in a directory.
    #[error("is {0}, and not gone into: name the files themselves")]
    NoFile(&'static str),
    /// A hard link.
    #[error("has another name (a hard link), under which its lines would stay: delete that first")]
    Linked,
    /// A sensor writes or compresses it.
    #[error(
        "is in use: if a sensor writes it, move it away, send the sensor SIGHUP, and erase from the file moved; if it was put aside just now, try again"
    )]
    InUse,
    /// Somebody put another file in its place while it was read.
    #[error("was changed meanwhile: try again")]
    Changed,
    /// A sensor uses the state directory.
    #[error("{0}: stop that sensor, erase, and start it again")]
    Running(io::Error),
    /// A copy of a state.
    #[error(
        "is the state of a run, but is not called `{}`: delete it",
        state::NAME
    )]
    Misnamed,
    /// The state cannot be read.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The state calls clients by pseudonyms that nobody told us.
    #[error("calls clients by pseudonyms: name the configuration of its sensor with --config")]
    Pseudonyms,
}

impl EraseError {
    /// Whether something could not be written.
    pub const fn is_of_writing(&self) -> bool {
        matches!(self, Self::Write(_) | Self::Unsynced(_))
    }
}

impl Found {
    /// Adds what was found in another file.
    pub const fn add(&mut self, other: &Self) {
        self.all += other.all;
        self.of_client += other.of_client;
        self.unreadable += other.unreadable;
    }
}

/// Takes what is the client's out of one file: of records, or the state of a run.
pub fn erase(path: &Path, whose: &Whose, mode: Mode) -> Result<Found, EraseError> {
    let mut held = file::Held::open(path)?;
    if held.is_state() {
        drop(held);
        return kept::erase(path, whose, mode);
    }
    held.erase(whose, mode)
}

/// The files that a path names: itself, or all in that directory, by name. What lies deeper is not looked for.
pub fn files(path: &Path) -> Result<Vec<PathBuf>, EraseError> {
    let is_folder = fs::symlink_metadata(path)
        .map_err(EraseError::Read)?
        .is_dir();
    if !is_folder {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).map_err(EraseError::Read)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<io::Result<_>>().map_err(EraseError::Read)?;
    paths.sort_unstable();
    // What a killed run left of one of the files goes with that file.
    let all = paths.clone();
    paths.retain(|path| {
        let of = file::whose_aside(path).or_else(|| kept::whose_aside(path));
        of.is_none_or(|of| all.binary_search(&of).is_err())
    });
    Ok(paths)
}

#[cfg(test)]
mod tests;
