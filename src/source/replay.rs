//! Several files as one stream.
//!
//! Files whose time spans overlap are merged by packet time. A file is opened when the stream reaches its first frame, so
//! thousands of rotated files do not need thousands of descriptors. A file that fails is told once; the others go on.

use std::path::PathBuf;

use super::capture::CaptureFile;
use super::{FileError, Head, SourceError};
use crate::types::Timestamp;

/// In which order several files are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By the time of their packets.
    #[default]
    ByTime,
    /// One after the other, as named.
    AsNamed,
}

/// A frame of a replay.
#[derive(Clone, Copy, Debug)]
pub struct ReplayFrame<'a> {
    /// What the file says of it.
    pub head: Head,
    /// Its captured bytes.
    pub data: &'a [u8],
    /// Its number over all files, from 1.
    pub number: u64,
    /// Its file, as an index into the files named.
    pub origin: u16,
    /// Its number in its file, from 1.
    pub number_in_origin: u64,
}

/// A stream over files.
#[derive(Debug)]
pub struct Replay {
    files: Vec<PathBuf>,
    /// Files not reached yet, the next one last.
    pending: Vec<Pending>,
    open: Vec<Open>,
    failures: Vec<FileError>,
    /// The file whose frame was handed out last: it moves on first.
    current: Option<usize>,
    number: u64,
    finished_bytes: u64,
}

#[derive(Debug)]
struct Pending {
    index: usize,
    /// `None`: it comes when those before it have ended.
    first: Option<Timestamp>,
    /// A pipe cannot be opened twice.
    opened: Option<Open>,
}

#[derive(Debug)]
struct Open {
    index: usize,
    file: CaptureFile,
    head: Head,
    number: u64,
}

impl Replay {
    /// A stream over `files`; by time, each file's first frame is looked at now.
    pub fn new(files: Vec<PathBuf>, order: Order) -> Self {
        let mut replay = Self {
            pending: Vec::with_capacity(files.len()),
            files,
            open: Vec::new(),
            failures: Vec::new(),
            current: None,
            number: 0,
            finished_bytes: 0,
        };
        for index in 0..replay.files.len() {
            match order {
                Order::AsNamed => replay.pending.push(Pending {
                    index,
                    first: None,
                    opened: None,
                }),
                Order::ByTime => replay.look_at(index),
            }
        }
        replay
            .pending
            .sort_by_key(|pending| (pending.first, pending.index));
        replay.pending.reverse();
        replay
    }

    /// The next frame, or a file's failure; `None` when every file has ended.
    pub fn next(&mut self) -> Option<Result<ReplayFrame<'_>, FileError>> {
        self.move_on();
        self.open_reached();
        if let Some(failure) = self.failures.pop() {
            return Some(Err(failure));
        }
        let (at, open) = self
            .open
            .iter_mut()
            .enumerate()
            .min_by_key(|(_, open)| (open.head.timestamp, open.index))?;
        self.current = Some(at);
        self.number += 1;
        open.number += 1;
        Some(Ok(ReplayFrame {
            head: open.head,
            data: open.file.data(),
            number: self.number,
            origin: u16::try_from(open.index).unwrap_or(u16::MAX),
            number_in_origin: open.number,
        }))
    }

    /// Bytes read of all files.
    pub fn bytes_read(&self) -> u64 {
        let open = self.open.iter().map(|open| open.file.progress().read());
        self.finished_bytes + open.sum::<u64>()
    }

    fn look_at(&mut self, index: usize) {
        let Some(open) = self.open_file(index) else {
            return;
        };
        let is_regular = open.file.progress().total().is_some();
        let first = Some(open.head.timestamp);
        self.pending.push(Pending {
            index,
            first,
            opened: (!is_regular).then_some(open),
        });
    }

    /// Opens a file and goes to its first frame. `None`: it has none, or failed.
    fn open_file(&mut self, index: usize) -> Option<Open> {
        let path = self.files.get(index)?.clone();
        let opened = CaptureFile::open(&path).and_then(|mut file| Ok((file.advance()?, file)));
        match opened {
            Ok((head, file)) => head.map(|head| Open {
                index,
                file,
                head,
                number: 0,
            }),
            Err(error) => {
                self.failures.push(FileError { path, error });
                None
            }
        }
    }

    /// The file whose frame was handed out goes to its next.
    fn move_on(&mut self) {
        let Some(at) = self.current.take() else {
            return;
        };
        let Some(open) = self.open.get_mut(at) else {
            return;
        };
        match open.file.advance() {
            Ok(Some(head)) => {
                open.head = head;
                return;
            }
            Ok(None) => {}
            Err(error) => self.fail(at, error),
        }
        let ended = self.open.remove(at);
        self.finished_bytes += ended.file.progress().read();
    }

    fn fail(&mut self, at: usize, error: SourceError) {
        let path = self
            .open
            .get(at)
            .and_then(|open| self.files.get(open.index))
            .cloned();
        self.failures.push(FileError {
            path: path.unwrap_or_default(),
            error,
        });
    }

    /// Opens the files that the stream has reached.
    fn open_reached(&mut self) {
        loop {
            let now = self.open.iter().map(|open| open.head.timestamp).min();
            let reached = match (self.pending.last(), now) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(pending), Some(now)) => pending.first.is_some_and(|first| first <= now),
            };
            let Some(pending) = self.pending.pop_if(|_| reached) else {
                return;
            };
            let opened = pending.opened.or_else(|| self.open_file(pending.index));
            self.open.extend(opened);
        }
    }
}

/// The sizes of all files together; `None` where one of them has none.
pub fn total_bytes(files: &[PathBuf]) -> Option<u64> {
    files
        .iter()
        .map(|path| {
            Some(
                std::fs::metadata(path)
                    .ok()
                    .filter(std::fs::Metadata::is_file)?
                    .len(),
            )
        })
        .sum()
}

impl FileError {
    /// The file was cut in its last record, and all before it was read.
    pub const fn is_cut(&self) -> bool {
        matches!(self.error, SourceError::Cut { .. })
    }
}
