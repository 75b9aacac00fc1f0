//! Capture files of one format each, read to their end or their error.

use std::io::{Cursor, Read};

use patchspan::source::buffer::Buffer;
use patchspan::source::{Head, SourceError, pcap, pcapng, snoop};

/// What a file is read from: bytes in pieces of a certain size.
pub struct Slow<'a> {
    bytes: Cursor<&'a [u8]>,
    size: usize,
}

impl Read for Slow<'_> {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        let size = space.len().min(self.size);
        self.bytes.read(&mut space[..size])
    }
}

/// `bytes`, at most `size` of them at once.
pub fn buffer(bytes: &[u8], size: usize) -> Buffer<Slow<'_>> {
    Buffer::new(Slow {
        bytes: Cursor::new(bytes),
        size,
    })
}

/// A reader of any format.
pub enum Format<'a> {
    /// pcap.
    Pcap(pcap::Reader<Slow<'a>>),
    /// pcapng.
    Pcapng(pcapng::Reader<Slow<'a>>),
    /// snoop.
    Snoop(snoop::Reader<Slow<'a>>),
}

impl Format<'_> {
    fn advance(&mut self) -> Result<Option<Head>, SourceError> {
        match self {
            Self::Pcap(reader) => reader.advance(),
            Self::Pcapng(reader) => reader.advance(),
            Self::Snoop(reader) => reader.advance(),
        }
    }

    fn data(&self) -> &[u8] {
        match self {
            Self::Pcap(reader) => reader.data(),
            Self::Pcapng(reader) => reader.data(),
            Self::Snoop(reader) => reader.data(),
        }
    }
}

/// A frame's head and bytes.
pub type Frame = (Head, Vec<u8>);

/// Reads a file of `size` bytes, which its frames together cannot exceed.
pub fn read(file: &mut Format<'_>, size: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut total = 0;
    while let Ok(Some(head)) = file.advance() {
        let data = file.data().to_vec();
        assert!(data.len() <= head.wire_length as usize);
        total += data.len();
        assert!(total <= size);
        frames.push((head, data));
    }
    frames
}
