//! `quic`: one record a connection, when its ClientHello is whole.

use super::Line;

/// What a `quic` record says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quic<'a> {
    /// Version field of the client's Initial (RFC 9000 section 15).
    pub version: u32,
    /// Server name, as on the wire.
    pub sni: Option<&'a [u8]>,
    /// JA4 of the ClientHello.
    pub ja4: Option<&'a str>,
}

/// QUIC version 2 (RFC 9369 section 3.1).
const VERSION_2: u32 = 0x6b33_43cf;
/// Google's versions that EVE has words for: `Q043` to `Q046`.
const GOOGLE: std::ops::RangeInclusive<u32> = 0x5130_3433..=0x5130_3436;

impl Quic<'_> {
    /// Writes the kind's own object: the version as a hex string without leading zeros, `v2` for QUIC version 2, and Google's
    /// versions in clear as EVE has them, because they are letters.
    pub fn write(&self, line: &mut Line<'_>) {
        line.object("quic", |line| {
            match self.version {
                VERSION_2 => line.text("version", "v2"),
                version if GOOGLE.contains(&version) => {
                    line.wire("version", "quic.version", &version.to_be_bytes())
                }
                version => line.hexadecimal_number("version", version),
            }
            if let Some(sni) = self.sni {
                line.wire("sni", "quic.sni", sni);
            }
            if let Some(ja4) = self.ja4 {
                line.text("ja4", ja4);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::line::{Scratch, write_line};

    #[test]
    fn a_version_has_eves_word() {
        for (version, word) in [
            (1, "1"),
            (VERSION_2, "v2"),
            (0x5130_3436, "Q046"),
            (0x5130_3530, "51303530"),
            (0xff00_001d, "ff00001d"),
        ] {
            let quic = Quic {
                version,
                ..Quic::default()
            };
            let mut buffer = Vec::new();
            write_line(&mut buffer, &mut Scratch::default(), |line| {
                quic.write(line)
            });
            assert_eq!(
                String::from_utf8(buffer).unwrap(),
                format!("{{\"quic\":{{\"version\":\"{word}\"}}}}\n")
            );
        }
    }
}
