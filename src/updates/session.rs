//! A session while it goes on: accesses of one client to one product that belong together.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::catalogue::{EndpointId, Role};
use super::hosts::HostKey;
use super::output::{Access, Session};
use super::payload::{PayloadId, Word};
use super::verdict::{Offered, Outcome, Verdict};
use crate::types::Timestamp;
use crate::types::kept::figure;

/// Accesses that begin later after the last one's end belong to another session.
pub const GAP: Duration = Duration::from_secs(600);
/// Within so long of the last access's end none is cut off.
const REST: Duration = Duration::from_secs(60);
/// A client that always has something to do has one session after the other: none goes on longer, but for what is open then.
const LONGEST: Duration = Duration::from_secs(3_600);
/// Most flows and payloads that a session names.
const MOST: usize = 64;

/// A session that goes on.
#[derive(Debug, Serialize, Deserialize)]
pub struct OpenSession {
    /// Its id.
    pub id: u64,
    /// When its timer comes up.
    #[serde(skip)]
    pub armed: Timestamp,
    /// Accesses that are not closed yet.
    #[serde(skip)]
    pub open_accesses: u32,
    /// Bytes that it was last counted with: see [`OpenSession::memory`].
    #[serde(skip)]
    pub weight: usize,
    /// Revisions that an earlier run of the sensor may have told already.
    pub told_before: u32,
    /// End of the last access, as far as it is known.
    pub end: Timestamp,
    /// Whose doing it is.
    pub host: HostKey,
    pub(super) client: IpAddr,
    pub(super) endpoint: EndpointId,
    pub(super) start: Timestamp,
    #[serde(deserialize_with = "figure")]
    checks: u64,
    #[serde(deserialize_with = "figure")]
    downloads: u64,
    /// A check endpoint was contacted.
    has_checked: bool,
    /// Something was fetched, whole or in part.
    has_fetched: bool,
    #[serde(deserialize_with = "figure")]
    delivered_toclient: u64,
    /// Names of download endpoints of the product that were asked, and not contacted since.
    pub(super) asked: Vec<AskedName>,
    /// A download endpoint of the product was contacted.
    has_download_contact: bool,
    /// Nothing of it was new to the client.
    is_unmodified: bool,
    /// Something may have been fetched though nothing shows it.
    may_have_fetched: bool,
    /// A check server of the product that serves nothing else was contacted.
    pub(super) has_own_check: bool,
    /// Payload of the largest check.
    #[serde(deserialize_with = "figure")]
    largest_check: u64,
    /// Whether a check said that there is no update, and by what word; another one may have said nothing.
    #[serde(deserialize_with = "denial")]
    denied: Option<Word>,
    has_silent_check: bool,
    outcome: Outcome,
    payloads: Vec<PayloadId>,
    flow_ids: Vec<u64>,
}

/// A name that was asked, by its hash, and the endpoint that it leads to.
pub type AskedName = (EndpointId, u64);

/// The client has the file already that it asked for.
const UNMODIFIED: Word = "file_not_modified";

/// What told that there was none.
pub const DENIALS: [Word; 4] = ["not_modified", UNMODIFIED, "empty_answer", "usual_size"];

/// Whether a check is no larger than the usual one. What is far smaller is of another kind, such as one in a resumed TLS session.
fn is_no_larger((size, usual): (u64, u64)) -> bool {
    /// Time stamps and numbers in an answer have more or fewer digits.
    const PLAY: u64 = 32;
    (usual / 4 * 3..=usual + PLAY + usual / 100).contains(&size)
}

/// Reads one of [`DENIALS`].
pub(super) fn denial<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Word>, D::Error> {
    let known = |word: String| DENIALS.into_iter().find(|known| *known == word);
    let word = Option::<String>::deserialize(from)?;
    let missing = || D::Error::custom("no word of a session");
    word.map(|word| known(word).ok_or_else(missing)).transpose()
}

impl OpenSession {
    /// A session that begins at `start`.
    pub const fn new(
        id: u64,
        (host, client): (HostKey, IpAddr),
        endpoint: EndpointId,
        start: Timestamp,
    ) -> Self {
        Self {
            id,
            armed: Timestamp::MAX,
            open_accesses: 0,
            weight: 0,
            told_before: 0,
            end: start,
            host,
            client,
            endpoint,
            start,
            checks: 0,
            downloads: 0,
            has_checked: false,
            has_fetched: false,
            delivered_toclient: 0,
            asked: Vec::new(),
            has_download_contact: false,
            is_unmodified: true,
            may_have_fetched: false,
            has_own_check: false,
            largest_check: 0,
            denied: None,
            has_silent_check: false,
            outcome: Outcome::Attempted,
            payloads: Vec::new(),
            flow_ids: Vec::new(),
        }
    }

    /// Bytes that it takes.
    pub fn memory(&self) -> usize {
        let payloads: usize = self.payloads.iter().map(PayloadId::memory).sum();
        let asked = self.asked.capacity() * size_of::<AskedName>();
        size_of::<Self>() + payloads + asked + self.flow_ids.capacity() * size_of::<u64>()
    }

    /// When it is over, if nothing more comes.
    pub fn due(&self) -> Timestamp {
        let longest = self.start.plus(LONGEST).max(self.end.plus(REST));
        self.end.plus(GAP).min(longest)
    }

    /// The client asked for the name of a download endpoint of the product.
    pub fn download_asked(&mut self, name: AskedName) {
        if self.asked.len() < MOST && !self.asked.contains(&name) {
            self.asked.push(name);
        }
    }

    /// What it asked such a name for is known: what came of it tells.
    pub fn contacted(&mut self, name: AskedName) {
        self.asked.retain(|asked| *asked != name);
    }

    /// Takes in an access that is closed.
    pub fn take_in(&mut self, access: &Access) {
        self.start = self.start.min(access.start);
        self.end = self.end.max(access.end);
        self.delivered_toclient += access.delivered_toclient;
        let outcome = match (access.role, access.verdict) {
            (_, Verdict::Downloaded) => Outcome::Downloaded,
            (_, Verdict::Partial) => Outcome::Partial,
            (_, Verdict::Checked) => Outcome::Checked,
            _ => Outcome::Attempted,
        };
        self.outcome = self.outcome.max(outcome);
        match access.role {
            Role::Download => {
                self.has_download_contact = true;
                self.is_unmodified &= access.denied == Some("not_modified");
            }
            _ => self.has_checked |= access.verdict == Verdict::Checked,
        }
        self.checks += u64::from(access.verdict == Verdict::Checked);
        self.downloads += u64::from(access.verdict == Verdict::Downloaded);
        self.may_have_fetched |= access.may_have_fetched;
        self.has_fetched |= matches!(access.verdict, Verdict::Downloaded | Verdict::Partial);
        if (access.role, access.verdict) == (Role::Check, Verdict::Checked) {
            // An error says nothing of what a check usually brings.
            if !access.is_error {
                self.largest_check = self.largest_check.max(access.delivered_toclient);
            }
            self.denied = self.denied.or(access.denied);
            self.has_silent_check |= access.denied.is_none();
        }
        for payload in &access.payloads {
            if self.payloads.len() < MOST && !self.payloads.contains(payload) {
                self.payloads.push(payload.clone());
            }
        }
        for flow in &access.flow_ids {
            if self.flow_ids.len() < MOST && !self.flow_ids.contains(flow) {
                self.flow_ids.push(*flow);
            }
        }
    }

    /// Another one, of which no access is closed, turned out to be the same.
    pub fn merge(&mut self, other: &Self) {
        if other.start < self.start {
            self.start = other.start;
            self.client = other.client;
            self.endpoint = other.endpoint;
        }
        self.end = self.end.max(other.end);
        self.open_accesses += other.open_accesses;
        self.has_own_check |= other.has_own_check;
        for asked in &other.asked {
            self.download_asked(*asked);
        }
    }

    /// Whether it has nothing but one access that goes on, in the session `own`.
    pub fn is_only_of(&self, own: Option<u64>) -> bool {
        own == Some(self.id) && self.open_accesses <= 1 && self.is_empty()
    }

    /// Whether no access was taken in.
    pub fn is_empty(&self) -> bool {
        self.flow_ids.is_empty() && self.checks == 0 && self.downloads == 0 && !self.has_fetched
    }

    /// Payload of its largest check, where that was all that happened: nothing tells of an update.
    pub fn plain_check(&self) -> Option<u64> {
        let is_plain = self.has_checked && !self.has_fetched && self.touch().is_none();
        (is_plain && self.largest_check > 0).then_some(self.largest_check)
    }

    /// What tells that there was something to fetch.
    fn touch(&self) -> Option<Word> {
        let is_asked = !self.asked.is_empty();
        let asked = is_asked.then_some("download_asked");
        let is_contacted = self.has_download_contact;
        is_contacted.then_some("download_contact").or(asked)
    }

    /// Whether there was an update, and what tells; `usual` is how large the client's checks usually are.
    fn offer(&self, usual: Option<u64>) -> (Offered, Option<Word>) {
        let denied = self.denied.filter(|_| !self.has_silent_check);
        let is_usual = || self.plain_check().zip(usual).is_some_and(is_no_larger);
        match self.touch() {
            Some(_) if self.has_download_contact && self.is_unmodified && self.asked.is_empty() => {
                (Offered::No, Some(UNMODIFIED))
            }
            Some(word) if self.has_checked || self.has_fetched => (Offered::Yes, Some(word)),
            Some(_) => (Offered::Unknown, None),
            None if denied.is_some() => (Offered::No, denied),
            None if is_usual() => (Offered::No, Some("usual_size")),
            None => (Offered::Unknown, None),
        }
    }

    /// The record; `usual` is how large the client's checks of the product usually are.
    pub fn close(self, reported: Timestamp, usual: Option<u64>) -> Session {
        let (offered, word) = self.offer(usual);
        let offered_evidence = word.into_iter().collect();
        let is_only_checked = self.outcome == Outcome::Checked && !self.may_have_fetched;
        let is_only_offered = offered == Offered::Yes && is_only_checked;
        Session {
            id: self.id,
            revision: self.told_before.saturating_add(1),
            client: self.client,
            host: self.host,
            endpoint: self.endpoint,
            start: self.start,
            end: self.end,
            reported,
            checks: self.checks,
            downloads: self.downloads,
            delivered_toclient: self.delivered_toclient,
            offered,
            offered_evidence,
            outcome: if is_only_offered {
                Outcome::Offered
            } else {
                self.outcome
            },
            payloads: self.payloads,
            flow_ids: self.flow_ids,
            os: None,
        }
    }
}
