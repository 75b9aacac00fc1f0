//! Any bytes as a snoop file: no frame holds more than the file, and it reads the same in pieces or cut short.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchspan::source::snoop::Reader;
use patchspan_fuzz::files::{Format, Frame, buffer, read};

fuzz_target!(|bytes: &[u8]| {
    let Some(whole) = frames(bytes, usize::MAX) else {
        return;
    };
    assert_eq!(frames(bytes, 7), Some(whole.clone()));
    let half = frames(&bytes[..bytes.len() / 2], usize::MAX).unwrap_or_default();
    assert!(whole.starts_with(&half));
});

fn frames(bytes: &[u8], size: usize) -> Option<Vec<Frame>> {
    let reader = Reader::new(buffer(bytes, size)).ok()?;
    Some(read(&mut Format::Snoop(reader), bytes.len()))
}
