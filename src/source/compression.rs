//! Decompressors, told by the first bytes: gzip, zstd, xz. Each takes several members one after the other.
//!
//! A stream that ends in the middle gives all that could be decompressed, then an error of the kind `UnexpectedEof`; the
//! readers know by it that the file was cut. The memory that a stream can ask for is bounded.
//!
//! Sources: RFC 1952 (gzip), RFC 8878 (Zstandard), the .xz file format 1.2.

use std::io::{self, BufRead, BufReader, Read};

use super::capture::Input;

/// Largest window of a zstd stream, as a power of two: what `zstd` itself accepts without being asked to.
const ZSTD_WINDOW_LOG: u32 = 27;
/// Memory that an xz stream may ask for: `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 128 << 20;
/// Compressed bytes asked for at once.
const BLOCK: usize = 64 * 1024;
/// Bytes that tell the formats apart.
pub const LOOK: u64 = 6;

/// A compression that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// The .xz file format.
    Xz,
}

/// Looks at the first bytes of `reader`, and puts a decompressor in front where they ask for one.
pub fn decompressed(mut reader: Input) -> io::Result<Input> {
    let mut start = Vec::new();
    reader.by_ref().take(LOOK).read_to_end(&mut start)?;
    let compression = Compression::told_by(&start);
    let whole = Input::new(io::Cursor::new(start).chain(reader));
    let Some(compression) = compression else {
        return Ok(whole);
    };
    let decoder = match compression {
        Compression::Gzip => {
            let whole = BufReader::with_capacity(BLOCK, whole);
            Input::new(Gzip(Some(flate2::bufread::GzDecoder::new(whole))))
        }
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::new(whole)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Input::new(decoder)
        }
        Compression::Xz => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, flags)?;
            let whole = BufReader::with_capacity(BLOCK, whole);
            Input::new(liblzma::bufread::XzDecoder::new_stream(whole, stream))
        }
    };
    Ok(Input::new(Named {
        compression,
        decoder,
    }))
}

impl Compression {
    /// What the first [`LOOK`] bytes of a file say.
    pub const fn told_by(start: &[u8]) -> Option<Self> {
        match start {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            // A skippable frame may come first (RFC 8878 section 3.1.2).
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
        }
    }
}

/// A decompressor whose errors say what it is.
struct Named {
    compression: Compression,
    decoder: Input,
}

impl Read for Named {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.decoder
            .read(space)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::Interrupted => error,
                kind => io::Error::new(kind, format!("{}: {error}", self.compression.name())),
            })
    }
}

/// Gzip members up to the end, or up to what is none: padding behind the last one is no damage (RFC 1952 section 2.2).
struct Gzip(Option<flate2::bufread::GzDecoder<BufReader<Input>>>);

impl Read for Gzip {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.0 {
            let read = member.read(space)?;
            if read > 0 || space.is_empty() {
                return Ok(read);
            }
            let rest = self.0.take().map(flate2::bufread::GzDecoder::into_inner);
            self.0 = rest.map(next_member).transpose()?.flatten();
        }
        Ok(0)
    }
}

fn next_member(
    mut rest: BufReader<Input>,
) -> io::Result<Option<flate2::bufread::GzDecoder<BufReader<Input>>>> {
    let is_member = rest.fill_buf()?.first() == Some(&0x1f);
    Ok(is_member.then(|| flate2::bufread::GzDecoder::new(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// Noise, so that every piece of the compressed text stands for a piece of the plain one.
    fn noise() -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..4_000).map(|_| next()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn xz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: Vec<u8>) -> (Vec<u8>, io::Result<usize>) {
        let mut plain = Vec::new();
        let result = decompressed(Input::new(io::Cursor::new(bytes)))
            .and_then(|mut decoder| decoder.read_to_end(&mut plain));
        (plain, result)
    }

    #[test]
    fn members_follow_each_other() {
        for compress in [gzip, xz, zstd] {
            let file = [compress(b"one "), compress(b""), compress(b"two")].concat();
            let (plain, result) = read(file);
            assert_eq!((plain.as_slice(), result.is_ok()), (&b"one two"[..], true));
        }
    }

    #[test]
    fn a_cut_file_gives_what_is_there_and_says_that_it_was_cut() {
        for compress in [gzip, xz, zstd] {
            let whole = compress(&noise());
            for length in 40..whole.len() {
                let (plain, result) = read(whole[..length].to_vec());
                let error = result.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
                assert!(noise().starts_with(&plain));
            }
        }
        assert!(read(gzip(&noise())[..3_000].to_vec()).0.len() > 2_000);
    }

    #[test]
    fn padding_behind_the_last_gzip_member_is_no_damage() {
        let (plain, result) = read([gzip(b"text"), vec![0; 100]].concat());
        assert_eq!((plain.as_slice(), result.is_ok()), (&b"text"[..], true));
    }

    #[test]
    fn damage_says_whose_it_is() {
        for (compress, name) in [
            (gzip as fn(&[u8]) -> Vec<u8>, "gzip: "),
            (xz, "xz: "),
            (zstd, "zstd: "),
        ] {
            let mut file = compress(&noise());
            let middle = file.len() / 2;
            file[middle..middle + 20].fill(0x55);
            let error = read(file).1.unwrap_err();
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }

    #[test]
    fn a_window_of_gigabytes_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(30).unwrap();
        encoder.write_all(&noise()).unwrap();
        assert!(read(encoder.finish().unwrap()).1.is_err());
    }

    #[test]
    fn plain_bytes_pass_as_they_are() {
        for plain in [&b""[..], b"x", b"\x1f", b"some text"] {
            assert_eq!(read(plain.to_vec()).0, plain);
        }
    }

    #[test]
    fn one_changed_byte_is_never_a_crash() {
        for compress in [gzip, xz, zstd] {
            let whole = compress(b"some text, and some text again");
            for at in 0..whole.len() {
                for value in [0, 0xff, whole[at] ^ 1, whole[at] ^ 0x80] {
                    let mut changed = whole.clone();
                    changed[at] = value;
                    let (plain, _) = read(changed);
                    assert!(plain.len() < 1 << 20);
                }
            }
        }
    }
}
