//! Compressors: what [`compression`](super::compression) reads, written again in the same form.

use std::io::{self, Write};

use super::compression::Compression;

/// The levels at which the tools themselves compress where nobody says otherwise.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;
const XZ_LEVEL: u32 = 6;

/// Takes plain bytes; gives them on compressed. What was written is whole after [`Packer::finish`] only.
pub struct Packer<W: Write>(Form<W>);

enum Form<W: Write> {
    Plain(W),
    Gzip(flate2::write::GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
    Xz(liblzma::write::XzEncoder<W>),
}

impl<W: Write> Packer<W> {
    /// In front of `writer`; `None` compresses nothing.
    pub fn new(compression: Option<Compression>, writer: W) -> io::Result<Self> {
        let form = match compression {
            None => Form::Plain(writer),
            Some(Compression::Gzip) => {
                let level = flate2::Compression::new(GZIP_LEVEL);
                Form::Gzip(flate2::write::GzEncoder::new(writer, level))
            }
            Some(Compression::Zstd) => {
                let mut encoder = zstd::Encoder::new(writer, ZSTD_LEVEL)?;
                encoder.include_checksum(true)?;
                Form::Zstd(encoder)
            }
            Some(Compression::Xz) => Form::Xz(liblzma::write::XzEncoder::new(writer, XZ_LEVEL)),
        };
        Ok(Self(form))
    }

    /// Ends the stream; gives the writer back, which is not flushed.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Form::Plain(writer) => Ok(writer),
            Form::Gzip(encoder) => encoder.finish(),
            Form::Zstd(encoder) => encoder.finish(),
            Form::Xz(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Form::Plain(writer) => writer.write(bytes),
            Form::Gzip(encoder) => encoder.write(bytes),
            Form::Zstd(encoder) => encoder.write(bytes),
            Form::Xz(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Form::Plain(writer) => writer.flush(),
            Form::Gzip(encoder) => encoder.flush(),
            Form::Zstd(encoder) => encoder.flush(),
            Form::Xz(encoder) => encoder.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::super::capture::Input;
    use super::super::compression::decompressed;
    use super::*;

    #[test]
    fn what_is_packed_is_told_by_its_first_bytes_and_reads_the_same() {
        let text = b"some text, and some text again\n".repeat(1_000);
        for form in [
            None,
            Some(Compression::Gzip),
            Some(Compression::Zstd),
            Some(Compression::Xz),
        ] {
            let mut packer = Packer::new(form, Vec::new()).unwrap();
            packer.write_all(&text).unwrap();
            let packed = packer.finish().unwrap();
            assert_eq!(Compression::told_by(&packed), form);
            assert!(form.is_none() || packed.len() < text.len() / 10);
            let mut plain = Vec::new();
            let mut reader = decompressed(Input::new(io::Cursor::new(packed))).unwrap();
            reader.read_to_end(&mut plain).unwrap();
            assert_eq!(plain, text);
        }
    }
}
