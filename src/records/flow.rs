//! `flow`: one record a flow, when its end is decided.

use super::time::TimeText;
use super::{Line, Style};
use crate::types::Timestamp;

/// What a `flow` record says.
#[derive(Clone, Copy, Debug)]
pub struct Flow<'a> {
    /// Application protocol, in EVE's words.
    pub app_proto: Option<&'static str>,
    /// Toward the server: frames on the mirror.
    pub packets_toserver: u64,
    /// Toward the client.
    pub packets_toclient: u64,
    /// Toward the server: bytes on the wire.
    pub bytes_toserver: u64,
    /// Toward the client.
    pub bytes_toclient: u64,
    /// First packet.
    pub start: Timestamp,
    /// Last packet.
    pub end: Timestamp,
    /// EVE's flow state.
    pub state: &'static str,
    /// EVE's reason.
    pub reason: &'static str,
    /// TCP's own part.
    pub tcp: Option<Tcp>,
    /// Who the client spoke to.
    pub fqdn: Option<&'a Name<'a>>,
    /// Payload bytes, each once.
    pub delivered: Delivered,
}

/// TCP flags and state.
#[derive(Clone, Copy, Debug)]
pub struct Tcp {
    /// Flags toward the server.
    pub flags_toserver: u8,
    /// Flags toward the client.
    pub flags_toclient: u8,
    /// EVE's TCP state.
    pub state: &'static str,
    /// How the connection was made: `complete`, `refused`, `unanswered`, `midstream`.
    pub handshake: &'static str,
}

/// The name of a flow, and how far it can be trusted.
#[derive(Clone, Debug, Default)]
pub struct Name<'a> {
    /// The name asked for, in presentation form.
    pub name: &'a str,
    /// `tls`, `quic`, `http`, `dns`, `dns_shared`.
    pub source: &'static str,
    /// Whether some client was answered this address for this name.
    pub corroborated: bool,
    /// Whether it continues from an earlier flow on the same 5-tuple.
    pub inherited: bool,
    /// From the name asked for to the owner of the address.
    pub chain: &'a [String],
    /// From the answer to the flow's start, in milliseconds.
    pub age_ms: Option<u64>,
    /// Other live candidates, newest first.
    pub alternatives: &'a [String],
}

/// Application bytes: retransmissions, overlaps and mirror duplicates once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivered {
    /// Toward the server.
    pub toserver: u64,
    /// Toward the client.
    pub toclient: u64,
    /// The part known from acknowledgements alone.
    pub inferred_toserver: u64,
    /// See `inferred_toserver`.
    pub inferred_toclient: u64,
    /// Holes in the sequence space, both ways.
    pub gaps: u64,
    /// Packets that the mirror showed twice.
    pub duplicates: u64,
}

impl Flow<'_> {
    /// Writes `app_proto` and the kind's own objects.
    pub fn write(&self, line: &mut Line<'_>, style: &Style, time: &mut TimeText) {
        if let Some(app_proto) = self.app_proto {
            line.word("app_proto", app_proto);
        }
        line.object("flow", |line| self.write_flow(line, time));
        if let Some(tcp) = &self.tcp {
            line.object("tcp", |line| tcp.write(line));
        }
        if !style.eve_strict {
            line.object("patchspan", |line| self.write_own(line));
        }
    }

    fn write_flow(&self, line: &mut Line<'_>, time: &mut TimeText) {
        line.integer("pkts_toserver", self.packets_toserver);
        line.integer("pkts_toclient", self.packets_toclient);
        line.integer("bytes_toserver", self.bytes_toserver);
        line.integer("bytes_toclient", self.bytes_toclient);
        line.raw("start", |buffer| time.push_quoted(buffer, self.start));
        line.raw("end", |buffer| time.push_quoted(buffer, self.end));
        line.integer("age", self.end.since(self.start).as_secs());
        line.word("state", self.state);
        line.word("reason", self.reason);
    }

    fn write_own(&self, line: &mut Line<'_>) {
        if let Some(tcp) = &self.tcp {
            line.word("handshake", tcp.handshake);
        }
        if let Some(fqdn) = self.fqdn {
            line.object("fqdn", |line| fqdn.write(line));
        }
        line.object("delivered", |line| self.delivered.write(line));
        line.cuts();
    }
}

impl Tcp {
    fn write(&self, line: &mut Line<'_>) {
        line.hexadecimal("tcp_flags", self.flags_toserver | self.flags_toclient);
        line.hexadecimal("tcp_flags_ts", self.flags_toserver);
        line.hexadecimal("tcp_flags_tc", self.flags_toclient);
        line.word("state", self.state);
    }
}

impl Name<'_> {
    fn write(&self, line: &mut Line<'_>) {
        line.long_text("name", "patchspan.fqdn.name", self.name);
        line.word("source", self.source);
        line.boolean("corroborated", self.corroborated);
        if self.inherited {
            line.boolean("inherited", true);
        }
        write_names(line, "chain", "patchspan.fqdn.chain", self.chain);
        if let Some(age_ms) = self.age_ms {
            line.thousandths("age_s", age_ms);
        }
        write_names(
            line,
            "alternatives",
            "patchspan.fqdn.alternatives",
            self.alternatives,
        );
    }
}

/// Writes a list of names in presentation form, where it has any.
pub fn write_names(line: &mut Line<'_>, key: &str, path: &str, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let kept = names.len().min(line.limits().list);
    if kept < names.len() {
        line.note_cut(path, kept, names.len());
    }
    line.list(key, |line| {
        names
            .iter()
            .take(kept)
            .for_each(|name| line.element_text(name))
    });
}

impl Delivered {
    fn write(&self, line: &mut Line<'_>) {
        line.integer("toserver", self.toserver);
        line.integer("toclient", self.toclient);
        line.integer("inferred_toserver", self.inferred_toserver);
        line.integer("inferred_toclient", self.inferred_toclient);
        line.integer("gaps", self.gaps);
        line.integer("duplicates", self.duplicates);
    }
}
