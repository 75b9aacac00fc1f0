//! Capture files made byte by byte, and how a test reads them.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use super::capture::Input;
use super::{CaptureFile, Head, SourceCounters, SourceError};

/// Byte order of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endian {
    Little,
    Big,
}

pub(super) use Endian::{Big, Little};

impl Endian {
    pub(super) fn words(self, values: &[u32]) -> Vec<u8> {
        let bytes = |value: &u32| match self {
            Little => value.to_le_bytes(),
            Big => value.to_be_bytes(),
        };
        values.iter().flat_map(bytes).collect()
    }

    pub(super) fn halves(self, values: &[u16]) -> Vec<u8> {
        let bytes = |value: &u16| match self {
            Little => value.to_le_bytes(),
            Big => value.to_be_bytes(),
        };
        values.iter().flat_map(bytes).collect()
    }

    /// A pcap header of version 2.4, Ethernet.
    pub(super) fn pcap_header(self, magic: u32) -> Vec<u8> {
        self.pcap_header_of(magic, [2, 4], 1)
    }

    pub(super) fn pcap_header_of(self, magic: u32, version: [u16; 2], link_type: u32) -> Vec<u8> {
        [
            self.words(&[magic]),
            self.halves(&version),
            self.words(&[0, 0, 65_535, link_type]),
        ]
        .concat()
    }

    /// A pcap record whose header is `extra` bytes longer than usual.
    pub(super) fn record(self, time: [u32; 2], wire: u32, data: &[u8], extra: usize) -> Vec<u8> {
        let [seconds, fraction] = time;
        let header = self.words(&[seconds, fraction, data.len() as u32, wire]);
        [header, vec![0xee; extra], data.to_vec()].concat()
    }

    /// Two frames: `abcd` of 60 bytes on the wire, and `e`, at 1.5 s and 2 s.
    pub(super) fn two_records(self, half_second: u32, extra: usize) -> Vec<u8> {
        [
            self.record([1, half_second], 60, b"abcd", extra),
            self.record([2, 0], 1, b"e", extra),
        ]
        .concat()
    }

    /// A pcapng block; the body is padded.
    pub(super) fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let length = body.len() as u32 + 12;
        [self.words(&[kind, length]), body, self.words(&[length])].concat()
    }

    pub(super) fn section(self) -> Vec<u8> {
        self.section_of([1, 0])
    }

    pub(super) fn section_of(self, version: [u16; 2]) -> Vec<u8> {
        let body = [
            self.words(&[0x1a2b_3c4d]),
            self.halves(&version),
            self.words(&[u32::MAX, u32::MAX]),
        ];
        self.block(0x0a0d_0d0a, &body.concat())
    }

    /// An interface with one option.
    pub(super) fn interface(
        self,
        link_type: u16,
        snap_length: u32,
        (code, value): (u16, &[u8]),
    ) -> Vec<u8> {
        let mut value_padded = value.to_vec();
        value_padded.resize(value.len().next_multiple_of(4), 0);
        let body = [
            self.halves(&[link_type, 0]),
            self.words(&[snap_length]),
            self.halves(&[code, value.len() as u16]),
            value_padded,
            self.words(&[0]),
        ];
        self.block(1, &body.concat())
    }

    /// An interface that counts in units of `resolution`.
    pub(super) fn interface_counting(self, resolution: u8) -> Vec<u8> {
        self.interface(1, 0, (9, &[resolution]))
    }

    pub(super) fn enhanced(self, interface: u32, time: u64, wire: u32, data: &[u8]) -> Vec<u8> {
        let (high, low) = ((time >> 32) as u32, time as u32);
        let header = self.words(&[interface, high, low, data.len() as u32, wire]);
        self.block(6, &[&header, data].concat())
    }
}

/// A little-endian pcap file of two frames.
pub(super) fn pcap() -> Vec<u8> {
    [
        Little.pcap_header(0xa1b2_c3d4),
        Little.two_records(500_000, 0),
    ]
    .concat()
}

/// A pcapng file of two sections, of either byte order, with every kind of block.
pub(super) fn pcapng() -> Vec<u8> {
    [Big, Little]
        .map(|order| {
            [
                order.section(),
                order.interface_counting(3),
                order.interface(101, 96, (9, &[0x8a])),
                order.enhanced(0, 1_500, 9, b"xyz"),
                order.block(5, &[0; 12]),
                order.enhanced(1, 1_536, 9, b"xyz"),
                order.block(3, &[order.words(&[2]), b"pq".to_vec()].concat()),
                order.block(
                    2,
                    &[
                        order.halves(&[1, 0]),
                        order.words(&[0, 2_048, 1, 1]),
                        b"r".to_vec(),
                    ]
                    .concat(),
                ),
                order.block(0x0bad, b"something else"),
            ]
            .concat()
        })
        .concat()
}

/// A snoop file of two frames.
pub(super) fn snoop() -> Vec<u8> {
    [
        b"snoop\0\0\0".to_vec(),
        Big.words(&[2, 4]),
        Big.words(&[60, 4, 28, 0, 1, 500_000]),
        b"abcd".to_vec(),
        Big.words(&[1, 1, 28, 0, 2, 0]),
        b"e\0\0\0".to_vec(),
    ]
    .concat()
}

/// Nanoseconds, link type, wire length, bytes.
pub(super) type Seen = (i64, u16, u32, Vec<u8>);

/// What the two frames of a sample look like.
pub(super) fn two_frames() -> Vec<Seen> {
    vec![
        (1_500_000_000, 1, 60, b"abcd".to_vec()),
        (2_000_000_000, 1, 1, b"e".to_vec()),
    ]
}

/// What a file gave.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) frames: Vec<Seen>,
    pub(super) error: Option<SourceError>,
    pub(super) counters: SourceCounters,
}

/// Reads a file to its end or its error; what plain frames are passed at once changes nothing.
pub(super) fn read(bytes: &[u8]) -> Outcome {
    let outcome = read_passing(bytes, 0);
    for most in [1, 3, 16] {
        let passing = read_passing(bytes, most);
        assert_eq!(passing.frames, outcome.frames, "{most} at once");
        assert_eq!(
            format!("{:?} {:?}", passing.error, passing.counters),
            format!("{:?} {:?}", outcome.error, outcome.counters)
        );
    }
    outcome
}

fn read_passing(bytes: &[u8], most: usize) -> Outcome {
    let mut outcome = Outcome {
        frames: Vec::new(),
        error: None,
        counters: SourceCounters::default(),
    };
    let input = Input::new(Cursor::new(bytes.to_vec()));
    let mut file = match CaptureFile::from_reader(input, None) {
        Ok(file) => file,
        Err(error) => {
            outcome.error = Some(error);
            return outcome;
        }
    };
    let seen = |head: Head, data: &[u8]| {
        let nanos = head.timestamp.as_nanos();
        (nanos, head.link_type.0, head.wire_length, data.to_vec())
    };
    loop {
        file.pass(most, &mut |head, data| {
            outcome.frames.push(seen(head, data));
            true
        });
        match file.advance() {
            Ok(Some(head)) => outcome.frames.push(seen(head, file.data())),
            Ok(None) => break,
            Err(error) => {
                outcome.error = Some(error);
                break;
            }
        }
    }
    outcome.counters = file.counters().clone();
    outcome
}

/// Reads a file that has no error.
pub(super) fn frames(bytes: &[u8]) -> Vec<Seen> {
    let outcome = read(bytes);
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    outcome.frames
}

/// A directory that goes when the test ends.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new(test: &str) -> Self {
        let name = format!("patchspan-source-{test}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A file with these bytes.
    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
