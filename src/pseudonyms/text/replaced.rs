//! A text of which parts are replaced.

use std::ops::Range;

/// What was written so far, from the left to the right.
pub(super) struct Replaced<'t> {
    original: &'t [u8],
    text: Vec<u8>,
    /// Bytes of the original that are written, or replaced.
    done: usize,
}

impl<'t> Replaced<'t> {
    /// Nothing replaced yet.
    pub(super) const fn new(original: &'t [u8]) -> Self {
        Self {
            original,
            text: Vec::new(),
            done: 0,
        }
    }

    /// `instead` in the place of `part`, which lies behind those before.
    pub(super) fn put(&mut self, part: Range<usize>, instead: &[u8]) {
        let between = self.original.get(self.done..part.start);
        self.text.extend_from_slice(between.unwrap_or_default());
        self.text.extend_from_slice(instead);
        self.done = part.end;
    }

    /// The whole text; `None`: nothing was replaced.
    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        if self.done == 0 {
            return None;
        }
        let rest = self.original.get(self.done..);
        self.text.extend_from_slice(rest.unwrap_or_default());
        Some(self.text)
    }
}

/// Where at least so many bytes stand together of which `is_part` is true.
pub(super) fn runs(
    bytes: &[u8],
    least: usize,
    is_part: impl Fn(u8) -> bool,
) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    let mut next = move || {
        let rest = bytes.get(at..)?;
        let start = at + rest.iter().position(|byte| is_part(*byte))?;
        let run = bytes.get(start..)?;
        let length = run.iter().position(|byte| !is_part(*byte));
        at = start + length.unwrap_or(run.len());
        Some(start..at)
    };
    std::iter::from_fn(move || {
        loop {
            let run = next()?;
            if run.len() >= least {
                return Some(run);
            }
        }
    })
}
