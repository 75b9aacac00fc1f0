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

impl Quic<'_> {
    /// Writes the kind's own object: the version as a hex string without leading zeros, `v2` for QUIC version 2.
    pub fn write(&self, line: &mut Line<'_>) {
        line.object("quic", |line| {
            match self.version {
                VERSION_2 => line.text("version", "v2"),
                version => line.display("version", format_args!("{version:x}")),
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
