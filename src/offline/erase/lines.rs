//! One pass over the lines of a file: those of the client are left out, all others are written as they are.

use std::io::{self, BufRead, BufReader, Read, Write};

use super::whose::{Line, Whose};
use super::{EraseError, Found};

/// A longer line is no record; ours have 8 KiB at most.
pub const LONGEST: usize = 1 << 20;
const BUFFER: usize = 256 << 10;

/// Copies `input` to `output` without the lines of the client. No more than [`LONGEST`] bytes are held.
pub fn without(
    input: impl Read,
    output: &mut impl Write,
    whose: &Whose,
) -> Result<Found, EraseError> {
    let mut input = BufReader::with_capacity(BUFFER, input);
    let mut found = Found::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        if !read_some(&mut input, &mut line)? {
            return Ok(found);
        }
        found.all += 1;
        let is_too_long = line.len() >= LONGEST && !line.ends_with(b"\n");
        let what = if is_too_long {
            Line::Unreadable
        } else {
            whose.judge(&line)
        };
        match what {
            Line::OfClient => {
                found.of_client += 1;
                continue;
            }
            Line::Unreadable if !line.trim_ascii().is_empty() => found.count_unreadable(),
            Line::Unreadable | Line::OfOthers => {}
        }
        output.write_all(&line).map_err(EraseError::Write)?;
        if is_too_long {
            copy_rest(&mut input, output, &mut line)?;
        }
    }
}

/// Reads up to the end of the line, or [`LONGEST`] bytes; whether there was anything.
fn read_some(input: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool, EraseError> {
    let mut limited = input.by_ref().take(LONGEST as u64);
    let read = limited.read_until(b'\n', line).map_err(EraseError::Read)?;
    Ok(read > 0)
}

/// Copies the rest of a long line.
fn copy_rest(
    input: &mut impl BufRead,
    output: &mut impl Write,
    piece: &mut Vec<u8>,
) -> Result<(), EraseError> {
    loop {
        piece.clear();
        if !read_some(input, piece)? {
            return Ok(());
        }
        output.write_all(piece).map_err(EraseError::Write)?;
        if piece.ends_with(b"\n") {
            return Ok(());
        }
    }
}

impl Found {
    /// The line counted last is no record.
    const fn count_unreadable(&mut self) {
        self.unreadable += 1;
        if self.first_unreadable.is_none() {
            self.first_unreadable = Some(self.all);
        }
    }
}

/// Counts, and writes nowhere.
pub fn count(input: impl Read, whose: &Whose) -> Result<Found, EraseError> {
    without(input, &mut io::sink(), whose)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pseudonyms::Fingerprint;

    const OURS: &str = "{\"src_ip\":\"192.0.2.2\"}";

    fn erased(input: &[u8]) -> (Vec<u8>, Found) {
        let whose = Whose::new(["192.0.2.2".parse().unwrap()], Fingerprint::NONE);
        let mut output = Vec::new();
        let found = without(input, &mut output, &whose).unwrap();
        assert_eq!(count(input, &whose).unwrap(), found);
        (output, found)
    }

    #[test]
    fn what_stays_stays_to_the_byte() {
        let others = b"{ \"src_ip\" : \"192.0.2.20\" }\r\n\n  \nno record \xff\n{\"a\":\"192.0.2.2";
        let mixed = [format!("{OURS}\n").as_bytes(), others].concat();
        let (output, found) = erased(&mixed);
        assert_eq!(output, others);
        let expected = Found {
            is_state: false,
            all: 6,
            of_client: 1,
            unreadable: 2,
            first_unreadable: Some(5),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_last_line_without_its_end_is_taken_out_where_it_is_whole() {
        assert_eq!(erased(OURS.as_bytes()).0, b"");
        assert_eq!(erased(format!("{{}}\n{OURS}").as_bytes()).0, b"{}\n");
        assert_eq!(erased(b"").1, Found::default());
    }

    #[test]
    fn a_line_over_the_limit_is_kept_and_counted_as_one() {
        for length in [LONGEST - 1, LONGEST, LONGEST + 1, 3 * LONGEST + 7] {
            let mut long = OURS.as_bytes().to_vec();
            long.resize(length, b' ');
            let input = [&long[..], b"\n", OURS.as_bytes(), b"\n{}\n"].concat();
            let (output, found) = erased(&input);
            let is_read = length < LONGEST;
            let kept = if is_read { &b""[..] } else { &input[..=length] };
            assert_eq!(output, [kept, b"{}\n"].concat(), "{length}");
            assert_eq!(found.all, 3);
            assert_eq!(found.unreadable, u64::from(!is_read));
        }
    }
}
