//! What the live outputs have in common: each takes whole lines, and says how far it came.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::types::Timestamp;

/// No call waits longer for a reader that does not read.
pub const STALL: Duration = Duration::from_millis(250);

/// Somewhere lines go. What it took and what went wrong is told to the caller, who decides when to try again.
///
/// An outlet never leaves a cut line before another: what follows a part of a line is its rest, or it stands in another
/// file or connection.
pub trait Outlet: Send + fmt::Debug {
    /// Writes the start of `lines`, at the wall-clock time `now`.
    ///
    /// `lines` ends with a whole line. It begins with a line, or, after [`Fault::Stalled`], with the rest of one.
    fn write(&mut self, lines: &[u8], now: Timestamp) -> Taken;

    /// What is to be done now and then, about once a second: connecting, looking whether the file or reader is still there.
    fn attend(&mut self, now: Timestamp) -> io::Result<()>;

    /// Opens anew at the next write: the file may have been moved away.
    fn reopen(&mut self) {}

    /// Whether it is open, or connected.
    fn is_open(&self) -> bool;

    /// Whether its reader is gone, and no other can ever come.
    fn has_ended(&self) -> bool {
        false
    }

    /// What a reader had not read when it went away, as far as the kernel tells; since the last call.
    fn take_unread(&mut self) -> Option<Unread> {
        None
    }

    /// Whether a file was put aside since the last call.
    fn take_rotated(&mut self) -> bool {
        false
    }

    /// Says goodbye to the reader.
    fn close(&mut self) {}
}

/// Whole lines that were written to a reader, but not read by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    /// How many, at most.
    pub lines: u64,
    /// When the first of them was written.
    pub since: Timestamp,
}

/// How far a write came.
#[derive(Debug)]
pub struct Taken {
    /// So many bytes from the start need not be given again.
    pub bytes: usize,
    /// Why not all.
    pub fault: Option<Fault>,
}

/// Why a write did not take everything.
#[derive(Debug)]
pub enum Fault {
    /// No room: the rest can be tried at once.
    Stalled,
    /// It failed. The caller waits a while, then begins with the line in which it failed.
    Failed(io::Error),
}

impl Taken {
    pub(super) const fn all(bytes: usize) -> Self {
        Self { bytes, fault: None }
    }

    pub(super) const fn stalled(bytes: usize) -> Self {
        Self {
            bytes,
            fault: Some(Fault::Stalled),
        }
    }

    pub(super) const fn failed(bytes: usize, error: io::Error) -> Self {
        Self {
            bytes,
            fault: Some(Fault::Failed(error)),
        }
    }
}

/// Bytes of `bytes` up to the end of its last whole line.
pub fn whole_lines(bytes: &[u8]) -> usize {
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    end.map_or(0, |end| end + 1)
}

/// Whole lines in `bytes`.
pub fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}
