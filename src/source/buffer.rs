//! One reused buffer: what is needed next is read into it, and frames are slices of it.

use std::io::{self, Read};

/// Bytes asked of the file at once: so few that they are still in a core's own cache when they are looked at.
const BLOCK: usize = 64 * 1024;
/// Bytes asked for first: a look at a file's first frame shall be cheap, there may be thousands of files.
const FIRST_BLOCK: usize = 8 * 1024;

/// A reader with a window on what comes next.
pub struct Buffer<R> {
    reader: R,
    bytes: Vec<u8>,
    /// What was taken last lies before `start`.
    taken: usize,
    start: usize,
    end: usize,
    /// Bytes taken so far.
    offset: u64,
    /// The reader has told that its end is missing.
    cut: bool,
}

/// Whether the bytes asked for are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// They are.
    Whole,
    /// The file ended before the first of them.
    Empty,
    /// The file ended among them, or its compression did.
    Short,
}

impl<R: Read> Buffer<R> {
    /// An empty window at the start of `reader`.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            bytes: vec![0; FIRST_BLOCK],
            taken: 0,
            start: 0,
            end: 0,
            offset: 0,
            cut: false,
        }
    }

    /// Makes sure that the next `length` bytes can be looked at. The caller has bounded `length`.
    pub fn fill(&mut self, length: usize) -> io::Result<Fill> {
        if self.end - self.start >= length {
            return Ok(Fill::Whole);
        }
        self.make_room(length);
        while self.end - self.start < length {
            if self.cut {
                return Ok(Fill::Short);
            }
            let space = self.bytes.get_mut(self.end..).unwrap_or_default();
            match self.reader.read(space) {
                Ok(0) if self.start == self.end => return Ok(Fill::Empty),
                Ok(0) => return Ok(Fill::Short),
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A decompressor's word for an end in the middle, even where it falls between two records.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.cut = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Fill::Whole)
    }

    /// What is in the window.
    pub fn window(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Takes up to `length` bytes out of the window.
    pub fn take(&mut self, length: usize) -> &[u8] {
        self.taken = self.start;
        self.start = (self.start + length).min(self.end);
        self.offset += (self.start - self.taken) as u64;
        self.taken()
    }

    /// What was taken last; gone once more is asked for.
    pub fn taken(&self) -> &[u8] {
        self.bytes.get(self.taken..self.start).unwrap_or_default()
    }

    /// Takes records off the front of the window, at most `most`, as long as `record` finds one that lies there as a whole (what it is, its
    /// bytes, and what is behind it) and `take` says yes to it; how many. Their bytes stay there as long as somebody borrows them.
    #[inline]
    pub fn pass<'a, T>(
        &'a mut self,
        most: usize,
        record: impl Fn(&'a [u8]) -> Option<(T, &'a [u8], &'a [u8])>,
        mut take: impl FnMut(T, &'a [u8]) -> bool,
    ) -> u64 {
        let window = self.bytes.get(self.start..self.end).unwrap_or_default();
        let (mut rest, mut records) = (window, 0);
        for _ in 0..most {
            let Some((head, bytes, behind)) = record(rest) else {
                break;
            };
            if !take(head, bytes) {
                break;
            }
            rest = behind;
            records += 1;
        }
        self.offset += (window.len() - rest.len()) as u64;
        self.start = self.end - rest.len();
        self.taken = self.start;
        records
    }

    /// Bytes taken so far.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    fn make_room(&mut self, length: usize) {
        if self.offset > 0 && self.bytes.len() < BLOCK {
            self.bytes.resize(BLOCK, 0);
        }
        if self.start > 0 && self.bytes.len() - self.start < length.max(BLOCK / 2) {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            self.taken = 0;
        }
        if self.bytes.len() - self.start < length {
            self.bytes.resize(self.start + length, 0);
        }
    }
}

impl<R> std::fmt::Debug for Buffer<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buffer")
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}
