//! Lines of a file of records, compressed or not, one at a time and none longer than a limit.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use crate::source::capture::Input;
use crate::source::compression::decompressed;

/// A longer line is no record; ours have 8 KiB at most.
pub const LONGEST: usize = 1 << 20;
const BUFFER: usize = 256 << 10;

/// Reads lines.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
}

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub struct Text<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Without its end; `None` where it is longer than [`LONGEST`].
    pub bytes: Option<&'a [u8]>,
}

/// The plain bytes of a file, whatever compressed it.
pub fn open(path: &Path) -> io::Result<Input> {
    decompressed(Input::new(File::open(path)?))
}

impl Lines<BufReader<Input>> {
    /// The lines of `input`.
    pub fn of(input: Input) -> Self {
        Self::new(BufReader::with_capacity(BUFFER, input))
    }
}

impl<R: BufRead> Lines<R> {
    /// The lines of `input`.
    pub const fn new(input: R) -> Self {
        Self {
            input,
            line: Vec::new(),
            number: 0,
        }
    }

    /// The next line; no more than [`LONGEST`] bytes of it are held.
    pub fn read(&mut self) -> io::Result<Option<Text<'_>>> {
        if self.piece()? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let is_whole = self.line.len() < LONGEST || self.line.ends_with(b"\n");
        if !is_whole {
            while !self.line.ends_with(b"\n") && self.piece()? > 0 {}
        }
        let text = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Ok(Some(Text {
            number: self.number,
            bytes: is_whole.then_some(text),
        }))
    }

    fn piece(&mut self) -> io::Result<usize> {
        self.line.clear();
        let mut limited = self.input.by_ref().take(LONGEST as u64);
        limited.read_until(b'\n', &mut self.line)
    }
}

/// How a file was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Lines that make no sense, the first few as `LINE: reason`.
    pub problems: Vec<String>,
    /// The others.
    pub untold: u64,
    /// Lines that there was no room for.
    pub refused: u64,
}

impl Reading {
    /// Most problems that are told one by one.
    const MOST_TOLD: usize = 20;

    /// Whether everything was read and understood.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty() && self.refused == 0
    }

    /// A line makes no sense.
    pub(super) fn note(&mut self, line: u64, reason: &str) {
        if self.problems.len() < Self::MOST_TOLD {
            self.problems.push(format!("{line}: {reason}"));
        } else {
            self.untold += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(input: &[u8]) -> Vec<(u64, Option<usize>)> {
        let mut lines = Lines::new(input);
        let mut all = Vec::new();
        while let Some(text) = lines.read().unwrap() {
            all.push((text.number, text.bytes.map(<[u8]>::len)));
        }
        all
    }

    #[test]
    fn a_last_line_needs_no_end() {
        assert_eq!(
            lengths(b"ab\n\nc"),
            [(1, Some(2)), (2, Some(0)), (3, Some(1))]
        );
        assert_eq!(lengths(b""), []);
    }

    #[test]
    fn a_line_over_the_limit_is_passed_over_as_one() {
        for length in [LONGEST - 1, LONGEST, LONGEST + 1, 3 * LONGEST + 7] {
            let input = [vec![b'x'; length], b"\nab\n".to_vec()].concat();
            let told = (length < LONGEST).then_some(length);
            assert_eq!(lengths(&input), [(1, told), (2, Some(2))], "{length}");
        }
    }
}
