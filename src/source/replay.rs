//! Several files as one stream.
//!
//! Files whose time spans overlap are merged by packet time; a file keeps its own order, whatever its stamps say. A file is opened
//! when the stream reaches its first frame, so thousands of rotated files do not need thousands of descriptors. A file that fails
//! is told once, after its whole frames; the others go on.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::path::PathBuf;

use super::capture::CaptureFile;
use super::{FileError, Head, SourceCounters, SourceError};
use crate::types::{Stamp, Timestamp};

/// Most files of a replay: a packet names its file by 16 bits.
pub const MAX_FILES: usize = 1 << 16;
/// Most files that are open at once. Where more than these overlap, the frames of the others come late.
pub const MAX_OPEN: usize = 64;

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
    /// Files not reached yet, in the order in which the stream reaches them.
    pending: VecDeque<Pending>,
    /// Files whose frame at hand comes later than that of `current`, the earliest first.
    waiting: BinaryHeap<Reverse<Open>>,
    /// The file whose turn it is.
    current: Option<Open>,
    /// The frame at hand of `current` was handed out.
    is_taken: bool,
    failures: VecDeque<FileError>,
    number: u64,
    finished_bytes: u64,
    /// Of the files that have ended.
    counters: SourceCounters,
}

/// A file that the stream has not reached.
#[derive(Debug)]
struct Pending {
    origin: u16,
    /// When it is reached; `None`: when all before it have ended.
    first: Option<Timestamp>,
    /// A pipe cannot be opened twice.
    opened: Option<Open>,
    is_late: bool,
}

/// A file with a frame at hand. Ordered by that frame's time, then as named.
#[derive(Debug)]
struct Open {
    origin: u16,
    file: Box<CaptureFile>,
    head: Head,
    /// Number of the frame at hand in its file.
    number: u64,
}

impl Replay {
    /// A stream over `files`; by time, each file's first frame is looked at now.
    pub fn new(files: Vec<PathBuf>, order: Order) -> Self {
        let mut replay = Self {
            pending: VecDeque::with_capacity(files.len().min(MAX_FILES)),
            files,
            waiting: BinaryHeap::new(),
            current: None,
            is_taken: false,
            failures: VecDeque::new(),
            number: 0,
            finished_bytes: 0,
            counters: SourceCounters::default(),
        };
        let is_looked_at = order == Order::ByTime && replay.files.len() > 1;
        for index in 0..replay.files.len() {
            match u16::try_from(index) {
                Err(_) => replay.fail(index, SourceError::TooMany),
                Ok(origin) if is_looked_at => replay.look_at(origin),
                Ok(origin) => replay.pending.push_back(Pending::unseen(origin)),
            }
        }
        let pending = replay.pending.make_contiguous();
        pending.sort_by_key(|pending| (pending.first, pending.origin));
        replay
    }

    /// The next frame, or a file's failure; `None` when every file has ended.
    #[allow(
        clippy::should_implement_trait,
        reason = "a frame borrows from the replay, which an Iterator's item cannot"
    )]
    pub fn next(&mut self) -> Option<Result<ReplayFrame<'_>, FileError>> {
        match self.advance()? {
            Ok(()) => self.frame().map(Ok),
            Err(failure) => Some(Err(failure)),
        }
    }

    /// Goes to the next frame, which [`Replay::frame`] then gives, or tells a file's failure; `None` when every file has ended.
    pub fn advance(&mut self) -> Option<Result<(), FileError>> {
        self.move_on();
        if !self.pending.is_empty() {
            self.open_reached();
        }
        if !self.failures.is_empty() {
            return self.failures.pop_front().map(Err);
        }
        self.current.as_ref()?;
        self.is_taken = true;
        self.number += 1;
        Some(Ok(()))
    }

    /// Goes on by at most `most` plain frames of the file whose turn it is, as long as they come before those of every other file and `take`
    /// says yes to one: what the file says of it, its number, and its bytes. None, and nothing happens, where there is more to look at.
    #[inline]
    pub(super) fn pass<'a>(
        &'a mut self,
        most: usize,
        take: &mut impl FnMut(Head, Stamp, &'a [u8]) -> bool,
    ) {
        let reached = self.pending.front().and_then(|pending| pending.first);
        let next = self.waiting.peek().map(|Reverse(open)| open.place());
        let current = self.current.as_mut();
        let Some(open) = current.filter(|_| self.is_taken && self.failures.is_empty()) else {
            return;
        };
        let number = &mut self.number;
        let (origin, in_origin, last) = (open.origin, &mut open.number, &mut open.head);
        let is_next = |at: Timestamp| {
            reached.is_none_or(|first| at < first) && next.is_none_or(|next| (at, origin) < next)
        };
        open.file.pass(most, &mut |head, data| {
            let stamp = Stamp {
                timestamp: head.timestamp,
                recorded: head.timestamp,
                number: *number + 1,
                number_in_origin: *in_origin + 1,
                origin,
            };
            let is_taken = is_next(head.timestamp) && take(head, stamp, data);
            if is_taken {
                (*number, *in_origin, *last) = (stamp.number, stamp.number_in_origin, head);
            }
            is_taken
        });
    }

    /// The frame at hand.
    pub fn frame(&self) -> Option<ReplayFrame<'_>> {
        let open = self.current.as_ref()?;
        Some(ReplayFrame {
            head: open.head,
            data: open.file.data(),
            number: self.number,
            origin: open.origin,
            number_in_origin: open.number,
        })
    }

    /// The files as named; a frame's `origin` is an index into them.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Bytes read of all files, of the compressed ones as they are on the disk.
    pub fn bytes_read(&self) -> u64 {
        let open = self.open().map(|open| open.file.progress().read());
        self.finished_bytes + open.sum::<u64>()
    }

    /// What was odd so far.
    pub fn counters(&self) -> SourceCounters {
        let mut sum = self.counters.clone();
        self.open().for_each(|open| sum.add(open.file.counters()));
        sum
    }

    fn open(&self) -> impl Iterator<Item = &Open> {
        let waiting = self.waiting.iter().map(|Reverse(open)| open);
        self.current.iter().chain(waiting)
    }

    /// Makes a file pending by the time of its first frame; a file without frames has no part.
    fn look_at(&mut self, origin: u16) {
        let Some(open) = self.open_file(origin) else {
            return;
        };
        let is_pipe = open.file.progress().total().is_none();
        self.pending.push_back(Pending {
            first: Some(open.head.timestamp),
            opened: is_pipe.then_some(open),
            ..Pending::unseen(origin)
        });
    }

    /// Opens a file and goes to its first frame. `None`: it has none, or failed.
    fn open_file(&mut self, origin: u16) -> Option<Open> {
        let path = self.files.get(usize::from(origin))?;
        match CaptureFile::open(path).and_then(|mut file| Ok((file.advance()?, file))) {
            Ok((Some(head), file)) => Some(Open {
                origin,
                file: Box::new(file),
                head,
                number: 1,
            }),
            Ok((None, _)) => None,
            Err(error) => {
                self.fail(usize::from(origin), error);
                None
            }
        }
    }

    fn fail(&mut self, index: usize, error: SourceError) {
        let path = self.files.get(index).cloned().unwrap_or_default();
        self.failures.push_back(FileError { path, error });
    }

    /// The file whose frame was handed out goes to its next, and makes way for one that comes before it.
    fn move_on(&mut self) {
        if std::mem::take(&mut self.is_taken)
            && let Some(open) = &mut self.current
        {
            match open.file.advance() {
                Ok(Some(head)) => {
                    open.head = head;
                    open.number += 1;
                }
                Ok(None) => self.close(None),
                Err(error) => self.close(Some(error)),
            }
        }
        if let Some(Reverse(next)) = self.waiting.peek()
            && self.current.as_ref().is_none_or(|current| next < current)
        {
            let next = self.waiting.pop().map(|Reverse(open)| open);
            let current = std::mem::replace(&mut self.current, next);
            self.waiting.extend(current.map(Reverse));
        }
    }

    /// The current file has ended.
    fn close(&mut self, error: Option<SourceError>) {
        let Some(open) = self.current.take() else {
            return;
        };
        self.finished_bytes += open.file.progress().read();
        self.counters.add(open.file.counters());
        if let Some(error) = error {
            self.fail(usize::from(open.origin), error);
        }
    }

    /// Opens the files that the stream has reached.
    fn open_reached(&mut self) {
        while let Some(pending) = self.pending.front_mut() {
            let is_reached = match &self.current {
                None => true,
                Some(current) => pending.is_reached_by(current),
            };
            if !is_reached {
                return;
            }
            if self.waiting.len() + 1 >= MAX_OPEN && self.current.is_some() {
                self.counters.late_file += u64::from(!pending.is_late);
                pending.is_late = true;
                return;
            }
            self.open_next();
        }
    }

    fn open_next(&mut self) {
        let Some(pending) = self.pending.pop_front() else {
            return;
        };
        let opened = pending.opened.or_else(|| self.open_file(pending.origin));
        let (Some(mut earlier), later) = (opened, self.current.take()) else {
            return;
        };
        let Some(mut later) = later else {
            self.current = Some(earlier);
            return;
        };
        if later < earlier {
            std::mem::swap(&mut earlier, &mut later);
        }
        self.current = Some(earlier);
        self.waiting.push(Reverse(later));
    }
}

impl Pending {
    const fn unseen(origin: u16) -> Self {
        Self {
            origin,
            first: None,
            opened: None,
            is_late: false,
        }
    }

    fn is_reached_by(&self, current: &Open) -> bool {
        self.first
            .is_some_and(|first| first <= current.head.timestamp)
    }
}

impl Open {
    const fn place(&self) -> (Timestamp, u16) {
        (self.head.timestamp, self.origin)
    }
}

impl PartialEq for Open {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Open {}

impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Open {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place().cmp(&other.place())
    }
}

/// The sizes of all files together; `None` where one of them has none.
pub fn total_bytes(files: &[PathBuf]) -> Option<u64> {
    let size = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        metadata.is_file().then_some(metadata.len())
    };
    files.iter().map(size).sum()
}

impl FileError {
    /// The file was cut in its last record, and all before it was read.
    pub const fn is_cut(&self) -> bool {
        matches!(self.error, SourceError::Cut { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Little, Scratch};
    use super::*;

    /// A file with one frame a second, of these seconds.
    fn capture(seconds: &[u32]) -> Vec<u8> {
        let header = Little.pcap_header(0xa1b2_c3d4);
        let frame = |second: &u32| Little.record([*second, 0], 1, b"x", 0);
        [header, seconds.iter().flat_map(frame).collect()].concat()
    }

    /// (second, file, number in the file) of every frame, and every failure; what plain frames are passed at once changes nothing.
    fn run(files: Vec<PathBuf>, order: Order) -> (Vec<(i64, u16, u64)>, Vec<String>) {
        let outcome = run_passing(files.clone(), order, 0);
        for most in [1, 2, 16] {
            assert_eq!(run_passing(files.clone(), order, most), outcome, "{most}");
        }
        outcome
    }

    fn run_passing(
        files: Vec<PathBuf>,
        order: Order,
        most: usize,
    ) -> (Vec<(i64, u16, u64)>, Vec<String>) {
        let (mut frames, mut failures) = (Vec::new(), Vec::new());
        let mut replay = Replay::new(files, order);
        loop {
            replay.pass(most, &mut |head, stamp, _| {
                let second = head.timestamp.seconds_and_nanos().0;
                frames.push((second, stamp.origin, stamp.number_in_origin));
                assert_eq!(stamp.number, frames.len() as u64);
                true
            });
            match replay.next() {
                Some(Ok(frame)) => {
                    frames.push((
                        frame.head.timestamp.seconds_and_nanos().0,
                        frame.origin,
                        frame.number_in_origin,
                    ));
                    assert_eq!(frame.number, frames.len() as u64);
                }
                Some(Err(error)) => failures.push(error.to_string()),
                None => break,
            }
        }
        assert!(replay.next().is_none());
        (frames, failures)
    }

    #[test]
    fn overlapping_files_are_merged_by_time_and_ties_go_as_named() {
        let scratch = Scratch::new("merge");
        let files = vec![
            scratch.file("a", &capture(&[10, 12, 14])),
            scratch.file("b", &capture(&[11, 12, 20])),
            scratch.file("c", &capture(&[5])),
        ];
        let (frames, failures) = run(files.clone(), Order::ByTime);
        assert_eq!(failures, [] as [String; 0]);
        let expected = [
            (5, 2, 1),
            (10, 0, 1),
            (11, 1, 1),
            (12, 0, 2),
            (12, 1, 2),
            (14, 0, 3),
            (20, 1, 3),
        ];
        assert_eq!(frames, expected);
        let (frames, _) = run(files, Order::AsNamed);
        let seconds: Vec<i64> = frames.iter().map(|frame| frame.0).collect();
        assert_eq!(seconds, [10, 12, 14, 11, 12, 20, 5]);
    }

    #[test]
    fn a_file_keeps_its_own_order() {
        let scratch = Scratch::new("order");
        let files = vec![
            scratch.file("a", &capture(&[10, 3, 30])),
            scratch.file("b", &capture(&[11, 12])),
        ];
        let (frames, _) = run(files, Order::ByTime);
        let seconds: Vec<i64> = frames.iter().map(|frame| frame.0).collect();
        assert_eq!(seconds, [10, 3, 11, 12, 30]);
    }

    #[test]
    fn a_file_that_fails_is_told_and_the_others_go_on() {
        let scratch = Scratch::new("failures");
        let mut cut = capture(&[11, 15]);
        cut.truncate(cut.len() - 1);
        let files = vec![
            scratch.file("a", &capture(&[10, 12])),
            scratch.file("cut", &cut),
            scratch.path().join("missing"),
            scratch.file("none", b"hello"),
            scratch.file("empty", &capture(&[])),
        ];
        for order in [Order::ByTime, Order::AsNamed] {
            let (frames, failures) = run(files.clone(), order);
            assert_eq!(frames.len(), 3);
            assert_eq!(failures.len(), 3);
            let said = failures.join("\n");
            assert!(said.contains("cut is cut in its last record, after 1 whole frames"));
            assert!(said.contains("missing cannot be opened: "));
            assert!(said.contains("none is no capture file"));
        }
    }

    #[test]
    fn more_files_than_may_be_open_are_read_in_order_when_they_do_not_overlap() {
        let scratch = Scratch::new("many");
        let file = |index: u32| {
            let bytes = capture(&[1_000 - 2 * index, 1_001 - 2 * index]);
            scratch.file(&index.to_string(), &bytes)
        };
        let files: Vec<PathBuf> = (0..300).map(file).collect();
        let mut replay = Replay::new(files, Order::ByTime);
        let mut last = Timestamp::EPOCH;
        while let Some(frame) = replay.next() {
            let now = frame.unwrap().head.timestamp;
            assert!(now >= last);
            last = now;
            assert!(replay.open().count() <= 2);
        }
        assert_eq!(replay.number, 600);
        assert_eq!(replay.counters().late_file, 0);
    }

    #[test]
    fn where_too_many_overlap_the_rest_come_late_and_are_counted() {
        let scratch = Scratch::new("late");
        let file = |index: u32| scratch.file(&index.to_string(), &capture(&[1, 100, 100 + index]));
        let files: Vec<PathBuf> = (0..100).map(file).collect();
        let mut replay = Replay::new(files, Order::ByTime);
        let mut frames = 0;
        while let Some(frame) = replay.next() {
            frame.unwrap();
            frames += 1;
            assert!(replay.open().count() <= MAX_OPEN);
        }
        assert_eq!(frames, 300);
        assert_eq!(replay.counters().late_file, 36);
    }
}
