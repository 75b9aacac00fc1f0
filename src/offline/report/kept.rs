//! What a report keeps of records. Text in it is harmless and of bounded length; see [`super::forms`].

use std::net::IpAddr;

use crate::types::Timestamp;

/// Who did something, as a record says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Its address.
    pub address: IpAddr,
    /// The host list's id of it.
    pub id: Option<String>,
    /// Its MAC address.
    pub mac: Option<[u8; 6]>,
}

/// What an access came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Asked for a server, and reached none.
    Attempt,
    /// Reached a server; nothing was fetched.
    Check,
    /// Fetching began and did not end.
    Partial,
    /// Something was fetched, or is being fetched.
    Download,
}

/// How an attempt failed to reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// Only its name was asked for.
    Resolved,
    /// Nothing came back.
    Unanswered,
    /// It was refused.
    Refused,
}

/// One contact with an update server.
#[derive(Clone, Debug)]
pub struct Access {
    /// Whose.
    pub who: Who,
    /// `vendor/product`.
    pub product: String,
    /// What it came to.
    pub what: What,
    /// How it failed, where it is an attempt.
    pub failure: Option<Failure>,
    /// When it began.
    pub start: Timestamp,
    /// What was fetched, where the record tells.
    pub payload: Option<String>,
    /// What the verdict rests on.
    pub evidence: Vec<String>,
    /// Whether the server was one of the site's own.
    pub is_internal: bool,
    /// Its session.
    pub session: Option<String>,
    pub(super) revision: u64,
}

/// Whether there was an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// There was.
    Yes,
    /// There was none.
    No,
    /// Nothing tells.
    Unknown,
}

/// What a client did for a product in one go.
#[derive(Clone, Debug)]
pub struct Session {
    /// Whose.
    pub who: Who,
    /// `vendor/product`.
    pub product: String,
    /// When it began.
    pub start: Timestamp,
    /// The strongest of what it came to.
    pub what: What,
    /// Whether there was an update.
    pub offered: Offered,
    /// What that rests on.
    pub evidence: Vec<String>,
    /// What was fetched.
    pub payloads: Vec<String>,
    /// A guess at the client's system.
    pub os: Option<Os>,
    pub(super) revision: u64,
}

/// A guess at an operating system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Os {
    /// Its word.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// 0 low, 1 medium, 2 high.
    pub confidence: u8,
    /// Whether several systems share the address.
    pub is_mixed: bool,
}

/// How much of what a client did was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// All that matters.
    Complete,
    /// Some was hidden.
    Partial,
    /// Nothing can be told.
    Hidden,
    /// No record says; the client did something.
    Unsaid,
}

/// What could be seen of a client in a stretch of time.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// Of whom.
    pub who: Who,
    /// From here; a later record of the same address and start replaces an earlier one.
    pub start: Timestamp,
    /// To here.
    pub end: Timestamp,
    /// Minutes in which it did something.
    pub active_minutes: u64,
    /// How much was seen.
    pub seen: Seen,
    /// What hid the rest, and what to know.
    pub blind: Vec<String>,
    /// A guess at its system.
    pub os: Option<Os>,
    pub(super) reported: Timestamp,
}

/// Whose an address is.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The address, and the id of its host.
    pub who: Who,
    /// The MAC address.
    pub mac: [u8; 6],
    /// Names that it gave itself.
    pub names: Vec<String>,
    /// From here.
    pub start: Timestamp,
    /// To here.
    pub end: Timestamp,
}

/// What was not seen, or not written.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// Whether the sensor did not run; else the output missed lines.
    pub is_restart: bool,
    /// From here.
    pub start: Timestamp,
    /// To here.
    pub end: Timestamp,
}
