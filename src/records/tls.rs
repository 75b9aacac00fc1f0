//! `tls`: one record a handshake.

use super::Line;

/// What a `tls` record says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tls<'a> {
    /// Server name of the first ClientHello, as on the wire.
    pub sni: Option<&'a [u8]>,
    /// The version agreed on, in EVE's words; without a ServerHello the highest one offered.
    pub version: &'a str,
    /// JA4 of the first ClientHello.
    pub ja4: Option<&'a str>,
    /// Protocols that the client offered (RFC 7301).
    pub client_alpns: &'a [Vec<u8>],
    /// The protocol that the server chose, where it is visible.
    pub server_alpn: Option<&'a [u8]>,
}

/// What both handshake kinds say in `patchspan`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claim {
    /// Whether the name is only the public name of an accepted Encrypted ClientHello.
    pub ech_accepted_likely: bool,
}

impl Tls<'_> {
    /// Writes the kind's own object.
    pub fn write(&self, line: &mut Line<'_>) {
        line.object("tls", |line| {
            if let Some(sni) = self.sni {
                line.wire("sni", "tls.sni", sni);
            }
            line.text("version", self.version);
            if let Some(ja4) = self.ja4 {
                line.text("ja4", ja4);
            }
            if !self.client_alpns.is_empty() {
                let kept = self.client_alpns.len().min(line.limits().list);
                if kept < self.client_alpns.len() {
                    line.note_cut("tls.client_alpns", kept, self.client_alpns.len());
                }
                line.list("client_alpns", |line| {
                    self.client_alpns
                        .iter()
                        .take(kept)
                        .for_each(|alpn| line.element_wire(alpn));
                });
            }
            if let Some(alpn) = self.server_alpn {
                line.list("server_alpns", |line| line.element_wire(alpn));
            }
        });
    }
}

impl Claim {
    /// Writes the `patchspan` object, where it has anything to say.
    pub fn write(self, line: &mut Line<'_>) {
        if !self.ech_accepted_likely && !line.was_cut() {
            return;
        }
        line.object("patchspan", |line| {
            if self.ech_accepted_likely {
                line.text("ech", "accepted_likely");
            }
            line.cuts();
        });
    }
}
