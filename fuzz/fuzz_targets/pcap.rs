//! Any bytes as a pcap file, its relatives included: no frame holds more than the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchspan::source::pcap::{Reader, is_magic};
use patchspan_fuzz::files::{Format, buffer, read};

fuzz_target!(|bytes: &[u8]| {
    let is_known = bytes.first_chunk().is_some_and(|magic| is_magic(*magic));
    let Ok(reader) = Reader::new(buffer(bytes, usize::MAX)) else {
        return;
    };
    assert!(is_known);
    read(&mut Format::Pcap(reader), bytes.len());
});
