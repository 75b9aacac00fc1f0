//! A session while it goes on: accesses of one client to one product that belong together.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::catalogue::{EndpointId, Role};
use super::output::{Access, Session};
use super::payload::{PayloadId, Word};
use super::verdict::{Evidence, Offered, Outcome, Verdict};
use crate::types::Timestamp;
use crate::types::kept::figure;

/// Accesses that begin later after the last one's end belong to another session.
pub const GAP: Duration = Duration::from_secs(600);
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
    pub(super) client: IpAddr,
    pub(super) endpoint: EndpointId,
    start: Timestamp,
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
    #[serde(deserialize_with = "touch")]
    download_touched: Option<Word>,
    not_modified: bool,
    outcome: Outcome,
    payloads: Vec<PayloadId>,
    flow_ids: Vec<u64>,
}

/// What told that there was an update.
const TOUCHES: [&str; 2] = ["download_asked", "download_contact"];

fn touch<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'static str>, D::Error> {
    let known = |word: String| TOUCHES.into_iter().find(|touch| *touch == word);
    let word = Option::<String>::deserialize(from)?;
    let missing = || D::Error::custom("no word of a session");
    word.map(|word| known(word).ok_or_else(missing)).transpose()
}

impl OpenSession {
    /// A session that begins at `start`.
    pub const fn new(id: u64, client: IpAddr, endpoint: EndpointId, start: Timestamp) -> Self {
        Self {
            id,
            armed: Timestamp::MAX,
            open_accesses: 0,
            weight: 0,
            told_before: 0,
            end: start,
            client,
            endpoint,
            start,
            checks: 0,
            downloads: 0,
            has_checked: false,
            has_fetched: false,
            delivered_toclient: 0,
            download_touched: None,
            not_modified: false,
            outcome: Outcome::Attempted,
            payloads: Vec::new(),
            flow_ids: Vec::new(),
        }
    }

    /// Bytes that it takes.
    pub fn memory(&self) -> usize {
        let payloads: usize = self.payloads.iter().map(PayloadId::memory).sum();
        size_of::<Self>() + payloads + self.flow_ids.capacity() * size_of::<u64>()
    }

    /// When it is over, if nothing more comes.
    pub fn due(&self) -> Timestamp {
        self.end.plus(GAP)
    }

    /// The client asked for the name of a download endpoint of the product.
    pub fn download_asked(&mut self) {
        self.download_touched.get_or_insert("download_asked");
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
            Role::Download => self.download_touched = Some("download_contact"),
            _ => self.has_checked |= access.verdict == Verdict::Checked,
        }
        self.checks += u64::from(access.verdict == Verdict::Checked);
        self.downloads += u64::from(access.verdict == Verdict::Downloaded);
        self.has_fetched |= matches!(access.verdict, Verdict::Downloaded | Verdict::Partial);
        self.not_modified |=
            access.role == Role::Check && access.evidence.contains(&Evidence::NotModified);
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

    /// The record.
    pub fn close(self, reported: Timestamp) -> Session {
        let (offered, offered_evidence) = match (self.download_touched, self.not_modified) {
            (Some(word), _) if self.has_checked || self.has_fetched => (Offered::Yes, vec![word]),
            (None, true) => (Offered::No, vec!["not_modified"]),
            _ => (Offered::Unknown, Vec::new()),
        };
        let is_only_offered = offered == Offered::Yes && self.outcome == Outcome::Checked;
        Session {
            id: self.id,
            revision: self.told_before.saturating_add(1),
            client: self.client,
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
        }
    }
}
