//! One JSON line a record; the only place that knows field names.
//!
//! The shapes follow Suricata's EVE, so that what reads EVE reads these lines. What is ours on a standard kind sits in one
//! top-level object, `patchspan`. Every line is ASCII, at most [`MAX_LINE`] bytes, without `null`, with a fixed field order.
//!
//! * [`line`]: the writer: commas, escapes, cuts
//! * [`header`]: the keys that every kind shares
//! * [`time`]: packet time as text
//! * [`dns`], [`tls`], [`quic`], [`http`], [`flow`], [`stats`]: the standard kinds
//! * [`update`], [`binding`], [`coverage`]: our own kinds
//! * [`catalogue`]: rules of the catalogue, which are no records
//! * [`doctor`]: verdicts on a mirror, which are no records
//! * [`people`]: lines for people, no JSON
//! * [`community_id`]: flow hashes shared with other tools
//! * [`identity`]: which records of two runs tell of the same thing
//! * [`schema`]: what all of them promise, as JSON Schema

pub mod binding;
pub mod catalogue;
pub mod community_id;
pub mod coverage;
pub mod dns;
pub mod doctor;
pub mod flow;
pub mod header;
pub mod health;
pub mod http;
pub mod identity;
pub mod line;
pub mod people;
pub mod quic;
pub mod schema;
pub mod stats;
pub mod time;
pub mod tls;
pub mod update;

use std::fmt;
use std::str::FromStr;

pub use header::{Header, Style};
pub use line::Line;

/// No line is longer than this, its newline included.
pub const MAX_LINE: usize = 8 * 1024;

/// The kinds of record, in the order in which records of one packet are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A DNS message.
    Dns,
    /// A TLS handshake.
    Tls,
    /// A QUIC handshake.
    Quic,
    /// An HTTP/1 transaction.
    Http,
    /// A flow that ended.
    Flow,
    /// Counters, as EVE has them.
    Stats,
    /// One access of one client to one update endpoint.
    Update,
    /// What one client did for one product in one go.
    UpdateSession,
    /// Which addresses and names belong to a client.
    ClientBinding,
    /// What could be seen of a client.
    Coverage,
    /// What was not seen, or not written.
    Loss,
    /// Refusals, table sizes, naming figures.
    PatchspanStats,
}

impl Kind {
    /// Every kind, in order.
    pub const ALL: [Self; 12] = [
        Self::Dns,
        Self::Tls,
        Self::Quic,
        Self::Http,
        Self::Flow,
        Self::Stats,
        Self::Update,
        Self::UpdateSession,
        Self::ClientBinding,
        Self::Coverage,
        Self::Loss,
        Self::PatchspanStats,
    ];

    /// The word in `event_type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Quic => "quic",
            Self::Http => "http",
            Self::Flow => "flow",
            Self::Stats => "stats",
            Self::Update => "update",
            Self::UpdateSession => "update_session",
            Self::ClientBinding => "client_binding",
            Self::Coverage => "coverage",
            Self::Loss => "loss",
            Self::PatchspanStats => "patchspan_stats",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| UnknownKind(word.to_owned()))
    }
}

/// A word that names no kind of record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no kind of record; the kinds are dns, tls, quic, http, flow, stats, update, update_session, client_binding, coverage, loss, patchspan_stats"
)]
pub struct UnknownKind(pub String);

/// A set of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u16);

impl Kinds {
    /// Every kind.
    pub const ALL: Self = Self(u16::MAX);
    /// No kind.
    pub const NONE: Self = Self(0);

    /// This set and `kind`.
    pub const fn with(self, kind: Kind) -> Self {
        Self(self.0 | 1 << kind as u16)
    }

    /// Whether `kind` is in the set.
    pub const fn has(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u16 != 0
    }
}

impl FromStr for Kinds {
    type Err = UnknownKind;

    /// `all`, or kinds separated by commas.
    fn from_str(list: &str) -> Result<Self, UnknownKind> {
        if list.trim() == "all" {
            return Ok(Self::ALL);
        }
        list.split(',').try_fold(Self::NONE, |kinds, word| {
            Ok(kinds.with(word.trim().parse()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_names_its_kind() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
    }

    #[test]
    fn a_list_of_kinds_narrows() {
        let kinds: Kinds = "update, update_session".parse().unwrap();
        assert!(kinds.has(Kind::Update) && kinds.has(Kind::UpdateSession) && !kinds.has(Kind::Dns));
        assert!("updates".parse::<Kinds>().is_err());
    }
}
