//! What nobody who reads a capture can do without: the floors, each in a process of its own.

#![allow(
    unsafe_code,
    reason = "a file is mapped into memory: what is measured here is just that"
)]

use std::fs::File;
use std::hint::black_box;
use std::path::Path;

use memmap2::Mmap;

const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;

/// libpcap hands over every packet; gives how many.
pub(crate) fn read_by_libpcap(capture: &Path) -> u64 {
    let mut packets = 0;
    pcap::Capture::from_file(capture)
        .unwrap()
        .for_each(None, |packet| {
            packets += 1;
            black_box(packet.header.len);
        })
        .unwrap();
    packets
}

/// From packet header to packet header in the mapped file; gives how many.
pub(crate) fn walk_mapped(capture: &Path) -> u64 {
    let file = File::open(capture).unwrap();
    // SAFETY: nobody changes the capture while it is measured.
    let bytes = unsafe { Mmap::map(&file) }.unwrap();
    let mut rest = &bytes[FILE_HEADER..];
    let mut packets = 0;
    while let Some(length) = rest.get(8..12) {
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        let Some(behind) = rest.get(PACKET_HEADER + length..) else {
            break;
        };
        packets += 1;
        rest = behind;
    }
    black_box(packets)
}
