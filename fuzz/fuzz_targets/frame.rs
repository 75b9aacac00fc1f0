//! Any bytes as a frame of any link type: packets hold no more than the frame, and a frame always leaves a trace.
//!
//! Input: link type (12 bits) and hundreds of bytes that a snap length cut off (4 bits), little-endian; the frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchspan_fuzz::{Pieces, decode};

fuzz_target!(|bytes: &[u8]| {
    let mut input = Pieces(bytes);
    let word = input.integer16();
    let frame = input.rest();
    let wire_length = frame.len() as u32 + u32::from(word >> 12) * 100;
    let seen = decode(word & 0x0fff, frame, wire_length);
    assert_eq!(seen, decode(word & 0x0fff, frame, wire_length));
});
