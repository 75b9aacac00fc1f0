//! Any bytes as a pcapng file: no frame holds more than the file, and it reads the same in pieces or cut short.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchspan::source::pcapng::Reader;
use patchspan_fuzz::files::{Format, buffer, read};

fuzz_target!(|bytes: &[u8]| {
    let frames = |bytes: &[u8], size| {
        read(
            &mut Format::Pcapng(Reader::new(buffer(bytes, size))),
            bytes.len(),
        )
    };
    let whole = frames(bytes, usize::MAX);
    assert_eq!(frames(bytes, 7), whole);
    let half = frames(&bytes[..bytes.len() / 2], usize::MAX);
    assert!(whole.starts_with(&half));
});
