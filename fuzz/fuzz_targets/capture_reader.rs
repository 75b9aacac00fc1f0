//! Any bytes as a capture file: every format and compression, to its end or its error.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use patchspan::source::capture::Input;
use patchspan::source::{CaptureFile, MAX_FRAME, PacketClock};

/// A small archive may hold gigabytes of frames; some are enough.
const FRAMES: usize = 10_000;

fuzz_target!(|bytes: &[u8]| {
    let input = Input::new(Cursor::new(bytes.to_vec()));
    let Ok(mut file) = CaptureFile::from_reader(input, Some(bytes.len() as u64)) else {
        return;
    };
    let mut clock = PacketClock::default();
    for _ in 0..FRAMES {
        let before = clock.now();
        let Ok(Some(head)) = file.advance() else {
            break;
        };
        assert!(file.data().len() <= MAX_FRAME);
        assert!(file.data().len() <= head.wire_length as usize);
        assert!(Some(clock.observe(head.timestamp)) >= before);
    }
    assert!(file.progress().read() <= bytes.len() as u64);
});
