//! An access while it goes on: what came, and the verdict that follows.
//!
//! * `files`: files that it fetches, and how much of each came
//! * `trust`: which product it is of, and how far that is trusted

mod files;
mod trust;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::catalogue::{Catalogue, EndpointId, Role, RoleOf};
use super::fact::{Activity, Contact, Exchange, NameSource};
use super::hosts::HostKey;
use super::options::UpdateOptions;
use super::output::Access;
use super::payload::{self, PayloadId, Word};
use super::session::denial;
use super::verdict::{Evidence, Verdict};
use crate::types::Timestamp;
use crate::types::kept::figure;
use files::Files;
pub use files::{Brought, FilePart, KnownFile, TakenBack};

/// Most flows that an access names.
const MAX_FLOWS: usize = 32;

/// Most large bursts that an access tells apart.
const MAX_BURSTS: usize = 16;

/// A large burst, of which only the volume is known: it may be what was tried in vain over plain HTTP before.
#[derive(Debug, Serialize, Deserialize)]
struct Burst {
    start: Timestamp,
    #[serde(deserialize_with = "figure")]
    bytes: u64,
}

/// How doubtful the name of a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Doubt {
    /// Not at all.
    None,
    /// It is only one of several candidates of different products.
    Guess,
    /// Other clients were answered the address for it, or this one for other names alone.
    Weak,
}

/// What an access is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccessKey {
    /// Whose doing it is.
    pub host: HostKey,
    /// The client.
    pub client: IpAddr,
    /// The entry.
    pub endpoint: EndpointId,
    /// The role.
    pub role: Role,
    /// How doubtful the name of its server is: what came from there never joins what is surer.
    pub doubt: Doubt,
}

impl AccessKey {
    /// None of `host` stands before it.
    pub fn first_of(host: HostKey) -> Self {
        Self {
            host,
            client: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            endpoint: EndpointId::default(),
            role: Role::Check,
            doubt: Doubt::None,
        }
    }
}

/// What is known from DNS when an access begins.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Asked {
    /// When the name was asked.
    pub time: Option<Timestamp>,
    /// Addresses answered.
    pub addresses: Vec<IpAddr>,
    /// The chain answered.
    pub chain: Vec<String>,
    /// An answer was captured in part: which addresses it held is not known.
    pub is_cut: bool,
}

/// An access that goes on.
#[derive(Debug, Serialize, Deserialize)]
pub struct OpenAccess {
    /// Its id.
    pub id: u64,
    /// The entry: the one that its first contact's name leads to, or another that a path there leads to.
    pub endpoint: EndpointId,
    /// Where several products share the entry: an endpoint of the one that other accesses of the client speak for.
    pub decided: Option<EndpointId>,
    /// Whose doing it is.
    pub host: HostKey,
    /// Its first contact.
    pub contact: Arc<Contact>,
    /// Begin.
    pub start: Timestamp,
    /// Last payload.
    pub end: Timestamp,
    /// When its timer comes up.
    #[serde(skip)]
    pub armed: Timestamp,
    /// Its session.
    pub session: Option<u64>,
    /// Something went on when the sensor was restarted: when the new one began. What comes shortly after that still belongs here.
    pub resumed: Option<Timestamp>,
    /// Revisions that an earlier run of the sensor may have told already.
    pub told_before: u32,
    /// Flows on which something goes on.
    pub ongoing: BTreeSet<u64>,
    /// Bytes that it was last counted with: see [`OpenAccess::memory`].
    #[serde(skip)]
    pub weight: usize,
    asked: Asked,
    #[serde(deserialize_with = "figure")]
    bytes_toserver: u64,
    #[serde(deserialize_with = "figure")]
    bytes_toclient: u64,
    #[serde(deserialize_with = "figure")]
    delivered_toclient: u64,
    #[serde(deserialize_with = "figure")]
    largest_burst: u64,
    evidence: Vec<Evidence>,
    files: Files,
    by_path: bool,
    /// Something was fetched over plain HTTP that neither a rule nor its own name calls an update.
    has_unnamed: bool,
    /// Its volume alone made it a download: its server gives checks too.
    by_volume: bool,
    /// The client contacted a server of the product that serves nothing else.
    pub is_supported: bool,
    in_ranges: bool,
    burst_download: bool,
    /// Payload of exchanges whose response was not seen: it belongs to some part of a file.
    #[serde(deserialize_with = "figure")]
    unplaced: u64,
    /// Large bursts, as they were told; of many the first ones count as one.
    bursts: Vec<Burst>,
    /// A response was not seen, or too little of it to tell more than its volume.
    has_unseen: bool,
    /// Nothing came of a request.
    has_unanswered: bool,
    /// Payload of bursts that are no download each.
    #[serde(deserialize_with = "figure")]
    below_threshold: u64,
    /// More came than a download has at least, and yet no burst made it one.
    has_much: bool,
    /// A connection was made of which nothing that the server sent was seen or acknowledged.
    is_blind: bool,
    /// A redirect or an error came where a file was asked for.
    has_neutral: bool,
    /// A response was seen.
    has_response: bool,
    payloads: Vec<PayloadId>,
    #[serde(deserialize_with = "figure")]
    count: u64,
    flow_ids: Vec<u64>,
    reported_ongoing: bool,
    source: NameSource,
    corroborated: bool,
    /// Whether the name of its server is doubtful.
    pub is_doubtful: bool,
    /// What a response said of there being no update; another one may have said something else.
    #[serde(deserialize_with = "denial")]
    denied: Option<Word>,
    has_answer: bool,
    /// Something else than an error came.
    has_success: bool,
    /// A part of it went to an own source.
    is_internal: bool,
    /// A part of it went to a server that the catalogue does not know.
    has_elsewhere: bool,
}

impl Asked {
    /// Bytes that it takes.
    pub fn memory(&self) -> usize {
        texts_memory(&self.chain) + self.addresses.capacity() * size_of::<IpAddr>()
    }
}

/// Bytes that texts take.
pub fn texts_memory(texts: &[String]) -> usize {
    let texts = texts.iter();
    texts.map(|text| size_of::<String>() + text.len()).sum()
}

impl OpenAccess {
    /// Bytes that it takes.
    pub fn memory(&self) -> usize {
        /// A flow in the tree of those that go on.
        const ONGOING: usize = 16;
        let payloads = self.payloads.iter();
        let payloads: usize = payloads.map(PayloadId::memory).sum();
        size_of::<Self>()
            + self.contact.memory()
            + self.asked.memory()
            + self.ongoing.len() * ONGOING
            + self.files.memory()
            + self.flow_ids.capacity() * size_of::<u64>()
            + self.bursts.capacity() * size_of::<Burst>()
            + payloads
    }

    /// An access that begins with `contact` at `start`.
    pub fn new(id: u64, contact: &Arc<Contact>, start: Timestamp, asked: Asked) -> Self {
        Self {
            id,
            endpoint: contact.endpoint,
            decided: None,
            host: HostKey::Address(contact.client.address),
            contact: Arc::clone(contact),
            start,
            end: start,
            armed: Timestamp::MAX,
            session: None,
            resumed: None,
            told_before: 0,
            ongoing: BTreeSet::new(),
            weight: 0,
            asked,
            bytes_toserver: 0,
            bytes_toclient: 0,
            delivered_toclient: 0,
            largest_burst: 0,
            evidence: Vec::new(),
            files: Files::default(),
            by_path: false,
            has_unnamed: false,
            by_volume: false,
            is_supported: false,
            in_ranges: false,
            burst_download: false,
            unplaced: 0,
            has_unseen: false,
            has_unanswered: false,
            below_threshold: 0,
            has_much: false,
            is_blind: false,
            has_neutral: false,
            has_response: false,
            bursts: Vec::new(),
            payloads: Vec::new(),
            count: 0,
            flow_ids: Vec::new(),
            reported_ongoing: false,
            source: contact.source,
            corroborated: contact.corroborated,
            is_doubtful: contact.is_doubtful,
            denied: None,
            has_answer: false,
            has_success: false,
            is_internal: false,
            has_elsewhere: false,
        }
    }

    /// Notes whether a contact was with an own source, or with a server that the catalogue does not know: a file may come from a cache and from
    /// the net by turns.
    pub fn note_server(&mut self, contact: &Contact, catalogue: &Catalogue) {
        self.is_internal |= is_own(contact, catalogue, true);
        self.has_elsewhere |= contact.is_elsewhere;
    }

    /// Takes in what went over a flow.
    pub fn take_in(&mut self, activity: &Activity, role: RoleOf, threshold: u64) {
        self.end = self.end.max(activity.end);
        if activity.start < self.start {
            // What was told later began earlier.
            self.start = activity.start;
            self.contact = Arc::clone(&activity.contact);
        }
        self.bytes_toserver += activity.bytes_toserver;
        self.bytes_toclient += activity.bytes_toclient;
        self.delivered_toclient += activity.delivered_toclient;
        self.largest_burst = self.largest_burst.max(activity.largest_burst);
        self.count += 1;
        self.note_flow(activity.contact.flow_id);
        self.ongoing.remove(&activity.contact.flow_id);
        if activity.contact.source > self.source {
            self.source = activity.contact.source;
            self.corroborated = activity.contact.corroborated;
        }
        self.note_role(role);
        if activity.inferred_toclient > 0 {
            self.note(Evidence::Inferred);
        }
        let told = activity.exchange.as_deref();
        self.has_unnamed |= told.is_some_and(|told| is_unnamed(told, role));
        let is_unseen = told.is_some_and(Exchange::is_known_by_volume);
        let has_come = activity.delivered_toclient > 0;
        // What goes on over a connection of plain HTTP, and is no response.
        let is_headless = told.is_none() && activity.contact.source == NameSource::Http;
        self.has_unseen |= (is_unseen || is_headless) && has_come;
        self.has_unanswered |= is_unseen && !has_come;
        self.has_response |= told.is_some_and(|told| told.status.is_some());
        if is_unseen {
            self.unplaced += activity.delivered_toclient;
        } else if told.is_none() && activity.largest_burst > threshold {
            self.note_burst(activity);
        }
        match &activity.exchange {
            Some(exchange) if !is_by_volume(activity) => self.take_in_status(exchange, role.role),
            _ if role.role != Role::Download => {}
            exchange if activity.largest_burst > threshold => {
                self.burst_download = true;
                self.note(Evidence::BurstVolume);
                if exchange.is_some() {
                    self.note(Evidence::Inferred);
                }
            }
            // Nothing at all: the mirror shows the client's side alone, and nothing tells how much came.
            exchange if activity.delivered_toclient == 0 => self.is_blind |= exchange.is_none(),
            exchange => {
                self.note(Evidence::BelowThreshold);
                if exchange.is_none() {
                    self.below_threshold += activity.delivered_toclient;
                    self.has_much |= self.below_threshold > threshold;
                }
            }
        }
    }

    /// Notes what was answered: that there is no update, or anything else.
    pub fn note_answer(&mut self, activity: &Activity) {
        let status = activity.exchange.as_ref().and_then(|told| told.status);
        self.has_success |= status.is_none_or(|status| status < 400);
        let denied = match activity.exchange.as_deref() {
            Some(exchange) if exchange.is_neutral() => {
                self.has_neutral |= status.is_some_and(|status| status >= 300);
                return;
            }
            Some(exchange) => exchange.denial(),
            None => None,
        };
        self.denied = self.denied.or(denied);
        self.has_answer |= denied.is_none();
    }

    /// Notes what told the role.
    pub fn note_role(&mut self, role: RoleOf) {
        self.by_path |= role.by_path;
        self.by_volume |= role.by_volume;
        self.note(if role.by_path {
            Evidence::HttpPath
        } else {
            Evidence::Role
        });
    }

    fn take_in_status(&mut self, exchange: &Exchange, role: Role) {
        match exchange.status {
            _ if exchange.method == b"HEAD" => self.note(Evidence::HeadRequest),
            Some(304) => self.note(Evidence::NotModified),
            Some(300..=399) => self.note(Evidence::Redirect),
            Some(400..) => self.note(Evidence::HttpError),
            Some(200..=299) if exchange.is_page && role == Role::Download => {
                self.note(Evidence::WebPage);
            }
            _ => {}
        }
    }

    /// Takes in the last bytes of a flow, whose end brought no payload.
    pub fn take_in_rest(&mut self, bytes_toserver: u64, bytes_toclient: u64) {
        self.bytes_toserver += bytes_toserver;
        self.bytes_toclient += bytes_toclient;
    }

    /// Whether a flow belongs to it.
    pub fn has_flow(&self, flow_id: u64) -> bool {
        self.flow_ids.contains(&flow_id)
    }

    /// Something large goes on: whether that is to be reported now.
    pub fn begins_download(&mut self, flow_id: u64) -> bool {
        self.note_flow(flow_id);
        self.ongoing.insert(flow_id);
        !std::mem::replace(&mut self.reported_ongoing, true)
    }

    /// Whether a record of it was written.
    pub const fn was_told(&self) -> bool {
        self.reported_ongoing
    }

    /// Adds a piece of evidence.
    pub fn note(&mut self, evidence: Evidence) {
        if !self.evidence.contains(&evidence) {
            self.evidence.push(evidence);
        }
    }

    /// When it is over, if nothing more comes.
    pub fn due(&self, role: Role, options: &UpdateOptions) -> Timestamp {
        if role.is_hourly() {
            const HOUR: i64 = 3_600_000_000_000;
            let hour = self.start.as_nanos().div_euclid(HOUR);
            return Timestamp::from_nanos(hour.saturating_add(1).saturating_mul(HOUR));
        }
        let latest = self.start.plus(options.longest);
        if self.ongoing.is_empty() {
            self.reach().plus(options.gap).min(latest)
        } else {
            latest
        }
    }

    /// What begins long after this is another access: its last payload, or the restart that hid what went on.
    pub fn reach(&self) -> Timestamp {
        self.resumed
            .map_or(self.end, |resumed| resumed.max(self.end))
    }

    /// The final record.
    pub fn close(mut self, role: Role, catalogue: &Catalogue, reported: Timestamp) -> Access {
        let verdict = self.verdict(role);
        match verdict {
            Verdict::Partial => {
                self.note(Evidence::Incomplete);
                if self.files.are_cut() {
                    self.note(Evidence::CaptureEnd);
                }
            }
            Verdict::Downloaded if self.files.has_size() => {
                self.note(if self.in_ranges {
                    Evidence::RangesCovered
                } else {
                    Evidence::ContentLengthReached
                });
                if self.missing() != Some(0) {
                    self.note(Evidence::Inferred);
                }
            }
            _ => {}
        }
        self.record(role, catalogue, verdict, true, reported)
    }

    /// A record of its present state.
    pub fn record(
        &self,
        role: Role,
        catalogue: &Catalogue,
        verdict: Verdict,
        is_final: bool,
        reported: Timestamp,
    ) -> Access {
        let mut evidence = self.evidence.clone();
        evidence.sort_unstable();
        if matches!(verdict, Verdict::Downloaded | Verdict::Downloading) {
            // A small part before or after a large one says nothing against it.
            evidence.retain(|evidence| *evidence != Evidence::BelowThreshold);
        }
        let (expected, percent) = self.completeness();
        let contact = &self.contact;
        let has_port = verdict != Verdict::Resolved;
        Access {
            id: self.id,
            revision: self.revision(is_final),
            is_final,
            reported,
            endpoint: self.endpoint,
            decided: self.decided,
            role,
            verdict,
            confidence: self.confidence(role, catalogue),
            flow_id: contact.flow_id,
            client: contact.client,
            host: self.host,
            server: contact.server,
            protocol: contact.protocol,
            name: contact.name.as_str().into(),
            source: self.source,
            asked: self.asked.time.filter(|asked| *asked <= self.start),
            chain: self.chain().to_vec(),
            addresses: self.asked.addresses.clone(),
            start: self.start,
            end: self.end,
            bytes_toserver: self.bytes_toserver,
            bytes_toclient: self.bytes_toclient,
            delivered_toclient: self.delivered_toclient,
            largest_burst: self.largest_burst,
            evidence,
            denied: self.denied(role),
            is_error: !self.has_success,
            may_have_fetched: self.may_have_fetched(role),
            bytes_expected: expected,
            ranges_percent: percent,
            payloads: self.payloads.clone(),
            count: role.is_hourly().then_some(self.count),
            session: self.session,
            flow_ids: self.flow_ids.clone(),
            alternatives: self.alternatives(role, catalogue),
            is_internal: self.is_internal || is_own(contact, catalogue, has_port),
        }
    }

    /// From the name asked for to the owner of the address, as far as it is known.
    fn chain(&self) -> &[String] {
        if self.contact.chain.is_empty() {
            &self.asked.chain
        } else {
            &self.contact.chain
        }
    }

    /// By what word everything that was answered said that there is no update, or that the client has the file already.
    fn denied(&self, role: Role) -> Option<Word> {
        let is_all = !self.has_answer && (role != Role::Download || !self.has_neutral);
        self.denied.filter(|_| is_all)
    }

    fn revision(&self, is_final: bool) -> u32 {
        let of_this_run = if is_final && self.reported_ongoing {
            2
        } else {
            1
        };
        self.told_before.saturating_add(of_this_run)
    }

    fn verdict(&self, role: Role) -> Verdict {
        if role != Role::Download {
            return Verdict::Checked;
        }
        match (self.files.is_empty(), self.files.are_complete()) {
            (false, true) => Verdict::Downloaded,
            // What is missing came with responses that were not seen.
            (false, false)
                if self
                    .missing()
                    .is_some_and(|missing| missing <= self.volume()) =>
            {
                Verdict::Downloaded
            }
            (false, false) => Verdict::Partial,
            (true, _) if self.burst_download => Verdict::Downloaded,
            (true, _) => Verdict::Checked,
        }
    }

    /// A burst was more than a download has at least, and may yet have been a check where both come from one server.
    pub const fn note_large_check(&mut self) {
        self.has_much = true;
    }

    /// Whether something may have been fetched though nothing shows it.
    fn may_have_fetched(&self, role: Role) -> bool {
        self.verdict(role) == Verdict::Checked && (self.has_much || self.is_blind)
    }

    /// Payload of which only the volume is known, and that may be of files.
    fn volume(&self) -> u64 {
        let open = self.files.open_since();
        let bursts = self.bursts.iter();
        let bursts = bursts.filter(|burst| open.is_some_and(|open| open <= burst.start));
        self.unplaced + bursts.map(|burst| burst.bytes).sum::<u64>()
    }

    fn note_burst(&mut self, activity: &Activity) {
        self.bursts.push(Burst {
            start: activity.start,
            bytes: activity.delivered_toclient,
        });
        if self.bursts.len() > MAX_BURSTS
            && let [first, second, ..] = &mut *self.bursts
        {
            second.start = second.start.min(first.start);
            second.bytes += first.bytes;
            self.bursts.remove(0);
        }
    }

    fn note_flow(&mut self, flow_id: u64) {
        if self.flow_ids.len() < MAX_FLOWS && !self.flow_ids.contains(&flow_id) {
            self.flow_ids.push(flow_id);
        }
    }
}

/// Whether a contact is one with an own source.
fn is_own(contact: &Contact, catalogue: &Catalogue, has_port: bool) -> bool {
    let (endpoint, server) = (contact.endpoint, contact.server);
    catalogue.is_internal(endpoint, &contact.name, server, has_port)
}

/// Whether an exchange brought a file of which neither a rule nor its own name says that it is an update.
fn is_unnamed(exchange: &Exchange, role: RoleOf) -> bool {
    exchange.is_file() && !role.by_path && payload::of_path(&exchange.path).is_none()
}

fn is_by_volume(activity: &Activity) -> bool {
    let exchange = activity.exchange.as_deref();
    exchange.is_none_or(Exchange::is_known_by_volume)
}
