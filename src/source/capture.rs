//! One capture file: told by its first bytes, decompressed where needed.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::buffer::{Buffer, Fill};
use super::{Head, SourceError, pcap, pcapng};

/// What a format's first bytes are called, for files that are something else.
const OTHERS: [(&[u8], &str); 8] = [
    (b"snoop\0\0\0", "a Sun snoop file"),
    (b"TRSNIFF data", "a Network General Sniffer file"),
    (b"XCP\0", "a NetXRay file"),
    (b"RTSS", "a Network Monitor file"),
    (b"GMBU", "a Network Monitor file"),
    (b"btsnoop\0", "a Bluetooth snoop file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"BZh", "a bzip2 file; gzip, zstd and xz are read"),
];

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
        let mut buffer = Buffer::new(decompressed(Input::new(counted))?);
        let fill = buffer.fill(4).map_err(SourceError::Read)?;
        let format = match buffer.window().first_chunk::<4>() {
            Some(magic) if pcap::is_magic(*magic) => Format::Pcap(pcap::Reader::new(buffer)?),
            Some(magic) if pcapng::is_magic(*magic) => Format::Pcapng(pcapng::Reader::new(buffer)),
            _ => {
                return Err(SourceError::NotACapture {
                    what: what_it_is(&mut buffer, fill),
                });
            }
        };
        Ok(Self { format, progress })
    }

    /// Goes to the next frame; `None` at the end. After an error there is nothing more.
    pub fn advance(&mut self) -> Result<Option<Head>, SourceError> {
        match &mut self.format {
            Format::Pcap(reader) => reader.advance(),
            Format::Pcapng(reader) => reader.advance(),
        }
    }

    /// The bytes of the frame that `advance` found.
    pub fn data(&self) -> &[u8] {
        match &self.format {
            Format::Pcap(reader) => reader.data(),
            Format::Pcapng(reader) => reader.data(),
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

/// Looks at the first bytes and puts a decompressor in front where they ask for one.
fn decompressed(mut reader: Input) -> Result<Input, SourceError> {
    let mut start = Vec::new();
    reader
        .by_ref()
        .take(6)
        .read_to_end(&mut start)
        .map_err(SourceError::Read)?;
    let is_gzip = start.starts_with(&[0x1f, 0x8b]);
    let is_xz = start.starts_with(b"\xfd7zXZ\0");
    // A skippable frame may come first (RFC 8878 section 3.1.2).
    let is_zstd = start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
        || matches!(start.as_slice(), [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
    let whole = io::Cursor::new(start).chain(reader);
    Ok(if is_gzip {
        Input::new(flate2::read::MultiGzDecoder::new(whole))
    } else if is_zstd {
        Input::new(zstd::Decoder::new(whole).map_err(SourceError::Read)?)
    } else if is_xz {
        Input::new(liblzma::read::XzDecoder::new_multi_decoder(whole))
    } else {
        Input::new(whole)
    })
}

fn what_it_is(buffer: &mut Buffer<Input>, fill: Fill) -> String {
    if fill == Fill::Empty {
        return "it is empty".to_owned();
    }
    let _ = buffer.fill(16);
    let known = OTHERS
        .iter()
        .find(|(start, _)| buffer.window().starts_with(start));
    known.map_or_else(
        || "its first bytes are neither pcap's nor pcapng's".to_owned(),
        |(_, name)| format!("it is {name}, neither pcap nor pcapng"),
    )
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
    use super::*;
    use crate::source::LinkType;
    use std::io::Write as _;

    fn little(values: &[u32]) -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    }

    fn big(values: &[u32]) -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_be_bytes())
            .collect()
    }

    /// Two frames, `abcd` of 60 bytes on the wire and `e`, at 1.5 s and 2 s.
    fn pcap() -> Vec<u8> {
        let mut file = little(&[0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 65_535, 1]);
        file.extend(little(&[1, 500_000, 4, 60]));
        file.extend(b"abcd");
        file.extend(little(&[2, 0, 1, 1]));
        file.push(b'e');
        file
    }

    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let length = body.len() as u32 + 12;
        [big(&[kind, length]), body.to_vec(), big(&[length])].concat()
    }

    /// A big-endian section with two interfaces, milliseconds and 2^-10 seconds, and one packet each, then a simple one.
    fn pcapng() -> Vec<u8> {
        let section = block(
            0x0a0d_0d0a,
            &big(&[0x1a2b_3c4d, 1 << 16, u32::MAX, u32::MAX]),
        );
        let resolution = |byte: u8| [&[0, 9, 0, 1, byte, 0, 0, 0][..], &[0, 0, 0, 0]].concat();
        let first = block(1, &[big(&[1 << 16, 96]), resolution(3)].concat());
        let second = block(1, &[big(&[101 << 16, 0]), resolution(0x8a)].concat());
        let packet = |interface: u32, time: u32| {
            block(
                6,
                &[big(&[interface, 0, time, 3, 9]), b"xyz\0".to_vec()].concat(),
            )
        };
        let simple = block(3, &[big(&[2]), b"pq\0\0".to_vec()].concat());
        [
            section,
            first,
            second,
            packet(0, 1_500),
            block(5, &big(&[0])),
            packet(1, 1_536),
            simple,
        ]
        .concat()
    }

    type Seen = Vec<(i64, u16, u32, Vec<u8>)>;

    fn read(bytes: &[u8]) -> (Seen, Option<SourceError>) {
        let mut frames = Vec::new();
        let mut file =
            match CaptureFile::from_reader(Input::new(io::Cursor::new(bytes.to_vec())), None) {
                Ok(file) => file,
                Err(error) => return (frames, Some(error)),
            };
        loop {
            match file.advance() {
                Ok(Some(head)) => {
                    frames.push((
                        head.timestamp.as_nanos(),
                        head.link_type.0,
                        head.wire_length,
                        file.data().to_vec(),
                    ));
                }
                Ok(None) => return (frames, None),
                Err(error) => return (frames, Some(error)),
            }
        }
    }

    fn two_frames() -> Seen {
        vec![
            (1_500_000_000, 1, 60, b"abcd".to_vec()),
            (2_000_000_000, 1, 1, b"e".to_vec()),
        ]
    }

    #[test]
    fn a_pcap_file_is_read_in_both_byte_orders_and_resolutions() {
        assert_eq!(read(&pcap()).0, two_frames());
        let mut nanoseconds = big(&[0xa1b2_3c4d, 2 << 16 | 4, 0, 0, 65_535, 101]);
        nanoseconds.extend(big(&[1, 500_000, 1, 1]));
        nanoseconds.push(7);
        assert_eq!(read(&nanoseconds).0, [(1_000_500_000, 101, 1, vec![7])]);
    }

    #[test]
    fn the_modified_format_has_longer_record_headers() {
        let mut file = little(&[0xa1b2_cd34, 4 << 16 | 2, 0, 0, 65_535, 1]);
        file.extend(little(&[1, 0, 2, 2, 0, 0]));
        file.extend(b"ab");
        assert_eq!(read(&file).0, [(1_000_000_000, 1, 2, b"ab".to_vec())]);
    }

    #[test]
    fn pcapng_interfaces_have_their_own_link_type_and_resolution() {
        let (frames, error) = read(&pcapng());
        assert!(error.is_none(), "{error:?}");
        assert_eq!(frames[0], (1_500_000_000, 1, 9, b"xyz".to_vec()));
        assert_eq!(frames[1], (1_500_000_000, 101, 9, b"xyz".to_vec()));
        assert_eq!(frames[2], (0, 1, 2, b"pq".to_vec()));
    }

    #[test]
    fn compressed_files_are_told_by_their_bytes() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(&pcap()).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        xz.write_all(&pcap()).unwrap();
        let zstd = zstd::encode_all(pcap().as_slice(), 3).unwrap();
        for file in [gzip.finish().unwrap(), xz.finish().unwrap(), zstd] {
            assert_eq!(read(&file).0, two_frames());
        }
    }

    #[test]
    fn every_prefix_gives_its_whole_frames_and_says_that_it_was_cut() {
        let whole = pcap();
        for length in 0..whole.len() {
            let (frames, error) = read(&whole[..length]);
            let expected = if length < 44 { 0 } else { 1 };
            assert_eq!(frames.len(), expected, "at {length}");
            let at_a_boundary = length == 24 || length == 44;
            assert_eq!(error.is_none(), at_a_boundary, "at {length}: {error:?}");
        }
    }

    #[test]
    fn one_changed_byte_is_never_a_crash() {
        for whole in [pcap(), pcapng()] {
            for at in 0..whole.len() {
                for change in [0xff, 0x80, 0x01] {
                    let mut changed = whole.clone();
                    changed[at] ^= change;
                    read(&changed);
                }
            }
            for length in 0..whole.len() {
                read(&whole[..length]);
            }
        }
    }

    #[test]
    fn a_length_of_four_gigabytes_is_broken_not_allocated() {
        let mut file = pcap();
        file[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(
            read(&file).1,
            Some(SourceError::Broken { offset: 24, .. })
        ));
    }

    #[test]
    fn what_is_no_capture_is_called_by_its_name() {
        let error = read(b"PK\x03\x04 and so on ........").1.unwrap();
        assert!(error.to_string().contains("a zip archive"), "{error}");
        assert_eq!(
            read(b"").1.unwrap().to_string(),
            "is no capture file: it is empty"
        );
        assert_eq!(LinkType(1), LinkType::ETHERNET);
    }
}
