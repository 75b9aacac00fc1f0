//! One capture file: told by its first bytes, decompressed where needed.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::buffer::{Buffer, Fill};
use super::compression::decompressed;
use super::{Head, SourceCounters, SourceError, pcap, pcapng, snoop};

/// What files that are no captures, or of formats that are not read, begin with.
const OTHERS: [(&[u8], &str); 17] = [
    (b"TRSNIFF data", "a Network General Sniffer file"),
    (b"XCP\0", "a NetXRay or Windows Sniffer file"),
    (b"VL\0\0", "a NetXRay file"),
    (b"RTSS", "a Microsoft Network Monitor file"),
    (b"GMBU", "a Microsoft Network Monitor file"),
    (b"\x7fver", "a WildPackets EtherPeek file"),
    (b"btsnoop\0", "a Bluetooth snoop file"),
    (b"TR\0\x64", "an HP-UX nettl file"),
    (b"\xa1\xb2\x34\xcd", "a pcap file of a patched libpcap"),
    (b"\xcd\x34\xb2\xa1", "a pcap file of a patched libpcap"),
    (b"\xa1\x2b\x3c\x4d", "a Navtel pcap file"),
    (b"\x4d\x3c\x2b\xa1", "a Navtel pcap file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"BZh", "compressed by bzip2 (gzip, zstd and xz are read)"),
    (
        b"\x04\x22\x4d\x18",
        "compressed by lz4 (gzip, zstd and xz are read)",
    ),
    (
        b"\x1f\x9d",
        "compressed by compress (gzip, zstd and xz are read)",
    ),
];
/// Bytes that are looked at to tell the formats apart.
const LOOK: usize = 16;

/// Whether a file that begins like that is a capture of a format that is read.
pub fn is_capture(start: &[u8]) -> bool {
    let magic = start.first_chunk().copied();
    magic.is_some_and(|magic| pcap::is_magic(magic) || pcapng::is_magic(magic))
        || snoop::is_magic(start)
}

/// A capture file that is open.
#[derive(Debug)]
pub struct CaptureFile {
    format: Format,
    progress: Progress,
}

#[derive(Debug)]
enum Format {
    Pcap(pcap::Reader<Input>),
    Pcapng(pcapng::Reader<Input>),
    Snoop(snoop::Reader<Input>),
}

/// What frames are read from: the file, or a decompressor on it.
pub struct Input(Box<dyn Read + Send>);

impl Input {
    /// Reads from `reader`.
    pub fn new(reader: impl Read + Send + 'static) -> Self {
        Self(Box::new(reader))
    }
}

impl Read for Input {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.0.read(space)
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Input")
    }
}

/// How far the file on disk was read.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    read: Arc<AtomicU64>,
    total: Option<u64>,
}

impl CaptureFile {
    /// Opens `path`; `-` is standard input.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        if path == Path::new("-") {
            return Self::from_reader(Input::new(io::stdin()), None);
        }
        let file = File::open(path).map_err(SourceError::Open)?;
        let metadata = file.metadata().map_err(SourceError::Open)?;
        if metadata.is_dir() {
            return Err(SourceError::Open(io::ErrorKind::IsADirectory.into()));
        }
        Self::from_reader(
            Input::new(file),
            metadata.is_file().then_some(metadata.len()),
        )
    }

    /// Reads from `reader`, of `total` bytes where that is known.
    pub fn from_reader(reader: Input, total: Option<u64>) -> Result<Self, SourceError> {
        let progress = Progress {
            read: Arc::default(),
            total,
        };
        let counted = Counted {
            reader,
            read: Arc::clone(&progress.read),
        };
        let input = decompressed(Input::new(counted)).map_err(SourceError::Read)?;
        let mut buffer = Buffer::new(input);
        let fill = buffer.fill(LOOK).map_err(SourceError::Read)?;
        let start = buffer.window();
        let format = match start.first_chunk().copied() {
            Some(magic) if pcap::is_magic(magic) => Format::Pcap(pcap::Reader::new(buffer)?),
            Some(magic) if pcapng::is_magic(magic) => Format::Pcapng(pcapng::Reader::new(buffer)),
            _ if snoop::is_magic(start) => Format::Snoop(snoop::Reader::new(buffer)?),
            _ => return Err(not_a_capture(start, fill)),
        };
        Ok(Self { format, progress })
    }

    /// Goes to the next frame; `None` at the end. After an error there is nothing more.
    pub fn advance(&mut self) -> Result<Option<Head>, SourceError> {
        match &mut self.format {
            Format::Pcap(reader) => reader.advance(),
            Format::Pcapng(reader) => reader.advance(),
            Format::Snoop(reader) => reader.advance(),
        }
    }

    /// Goes on by at most `most` plain frames that were read already and that `take` says yes to: see [`pcap::Reader::pass`] and
    /// [`pcapng::Reader::pass`].
    #[inline]
    pub(super) fn pass<'a>(
        &'a mut self,
        most: usize,
        take: &mut impl FnMut(Head, &'a [u8]) -> bool,
    ) {
        match &mut self.format {
            Format::Pcap(reader) => reader.pass(most, take),
            Format::Pcapng(reader) => reader.pass(most, take),
            Format::Snoop(_) => {}
        }
    }

    /// The bytes of the frame that `advance` found.
    pub fn data(&self) -> &[u8] {
        match &self.format {
            Format::Pcap(reader) => reader.data(),
            Format::Pcapng(reader) => reader.data(),
            Format::Snoop(reader) => reader.data(),
        }
    }

    /// What was odd so far.
    pub const fn counters(&self) -> &SourceCounters {
        match &self.format {
            Format::Pcap(reader) => reader.counters(),
            Format::Pcapng(reader) => reader.counters(),
            Format::Snoop(reader) => reader.counters(),
        }
    }

    /// How far the file was read.
    pub const fn progress(&self) -> &Progress {
        &self.progress
    }
}

impl Progress {
    /// Bytes read, of the compressed file where it is compressed.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The file's size; `None` for a pipe.
    pub const fn total(&self) -> Option<u64> {
        self.total
    }
}

fn not_a_capture(start: &[u8], fill: Fill) -> SourceError {
    let known = OTHERS.iter().find(|(magic, _)| start.starts_with(magic));
    let what = match (fill, known) {
        (Fill::Empty, _) => "it is empty".to_owned(),
        (_, Some((_, name))) => format!("it is {name}"),
        _ => "its first bytes are neither pcap's nor pcapng's nor snoop's".to_owned(),
    };
    SourceError::NotACapture { what }
}

/// Counts what is read from the file itself.
struct Counted {
    reader: Input,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(space)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Scratch, pcap, pcapng, read, snoop, two_frames};
    use super::*;
    use std::io::Write as _;

    #[test]
    fn compressed_files_are_told_by_their_bytes() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(&pcap()).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        xz.write_all(&pcap()).unwrap();
        let zstd = zstd::encode_all(pcap().as_slice(), 3).unwrap();
        for file in [gzip.finish().unwrap(), xz.finish().unwrap(), zstd] {
            assert_eq!(read(&file).frames, two_frames());
        }
    }

    #[test]
    fn a_compressed_file_cut_between_two_records_is_cut_all_the_same() {
        // Stored blocks, so that the plain text can be cut where a record ends.
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        gzip.write_all(&pcap()).unwrap();
        let whole = gzip.finish().unwrap();
        let outcome = read(&whole[..whole.len() - 8]);
        assert_eq!(outcome.frames, two_frames());
        assert!(matches!(
            outcome.error,
            Some(SourceError::Cut { frames: 2 })
        ));
    }

    #[test]
    fn every_prefix_gives_its_whole_frames_and_says_that_it_was_cut() {
        let whole = pcap();
        for length in 0..whole.len() {
            let outcome = read(&whole[..length]);
            let expected = if length < 44 { 0 } else { 1 };
            assert_eq!(outcome.frames.len(), expected, "at {length}");
            let at_a_boundary = length == 24 || length == 44;
            assert_eq!(outcome.error.is_none(), at_a_boundary, "at {length}");
        }
    }

    #[test]
    fn every_prefix_of_every_format_gives_a_prefix_of_its_frames() {
        for whole in [pcap(), pcapng(), snoop()] {
            let frames = read(&whole).frames;
            for length in 0..whole.len() {
                let outcome = read(&whole[..length]);
                assert!(frames.starts_with(&outcome.frames), "at {length}");
                let is_told = matches!(
                    outcome.error,
                    None | Some(SourceError::Cut { .. } | SourceError::NotACapture { .. })
                );
                assert!(is_told, "at {length}: {:?}", outcome.error);
            }
        }
    }

    #[test]
    fn one_changed_byte_is_never_a_crash() {
        for whole in [pcap(), pcapng(), snoop()] {
            for at in 0..whole.len() {
                for value in 0..=u8::MAX {
                    let mut changed = whole.clone();
                    changed[at] = value;
                    let frames = read(&changed).frames.len();
                    assert!(frames <= 12, "{frames} at {at}: {value}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_capture_is_called_by_its_name() {
        let message = |bytes: &[u8]| read(bytes).error.unwrap().to_string();
        assert!(message(b"PK\x03\x04 and so on ........").contains("a zip archive"));
        assert!(message(b"RTSS").contains("Network Monitor"));
        assert_eq!(message(b""), "is no capture file: it is empty");
        assert!(message(b"#!/bin/sh\n").contains("neither pcap's nor pcapng's"));
    }

    #[test]
    fn what_cannot_be_opened_says_why() {
        let scratch = Scratch::new("open");
        let message = |path: &Path| CaptureFile::open(path).unwrap_err().to_string();
        assert!(message(&scratch.path().join("none")).contains("No such file"));
        assert!(message(scratch.path()).contains("directory"));
    }

    #[test]
    fn progress_is_told_in_bytes_of_the_file_on_disk() {
        let scratch = Scratch::new("progress");
        let compressed = zstd::encode_all(pcap().as_slice(), 3).unwrap();
        let mut file = CaptureFile::open(&scratch.file("a.zst", &compressed)).unwrap();
        while file.advance().unwrap().is_some() {}
        assert_eq!(file.progress().total(), Some(compressed.len() as u64));
        assert_eq!(file.progress().read(), compressed.len() as u64);
    }
}
