//! What the updates stage gives: accesses, sessions and coverage, ready to be written.

use std::net::IpAddr;
use std::sync::Arc;

use super::catalogue::EndpointId;
use super::coverage::HourOfClient;
use super::fact::NameSource;
use super::hosts::{HostKey, Mac, Source};
use super::os::OsGuess;
use super::payload::{PayloadId, Word};
use super::verdict::{Confidence, Evidence, Offered, Outcome, Verdict};
use crate::types::{Endpoint, Protocol, Timestamp};

/// One access of one client to one catalogue entry, at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Its id.
    pub id: u64,
    /// Revision, from 1.
    pub revision: u32,
    /// Whether no further revision comes.
    pub is_final: bool,
    /// Packet time of this revision.
    pub reported: Timestamp,
    /// The entry.
    pub endpoint: EndpointId,
    /// Where several products share the entry: an endpoint of the one that it was.
    pub decided: Option<EndpointId>,
    /// `check`, `download` ...
    pub role: super::catalogue::Role,
    /// What it came to.
    pub verdict: Verdict,
    /// How far it can be trusted.
    pub confidence: Confidence,
    /// The first flow.
    pub flow_id: u64,
    /// The client.
    pub client: Endpoint,
    /// Whose doing it was.
    pub host: HostKey,
    /// The server.
    pub server: Endpoint,
    /// Transport protocol.
    pub protocol: Protocol,
    /// The name.
    pub name: Arc<str>,
    /// Where it came from.
    pub source: NameSource,
    /// When the name was asked, where the question was seen.
    pub asked: Option<Timestamp>,
    /// From the name to the owner of the address.
    pub chain: Vec<String>,
    /// Addresses that were answered.
    pub addresses: Vec<IpAddr>,
    /// Begin.
    pub start: Timestamp,
    /// Last payload.
    pub end: Timestamp,
    /// Bytes on the wire toward the server.
    pub bytes_toserver: u64,
    /// Toward the client.
    pub bytes_toclient: u64,
    /// Payload bytes toward the client.
    pub delivered_toclient: u64,
    /// The largest burst.
    pub largest_burst: u64,
    /// What the verdict rests on.
    pub evidence: Vec<Evidence>,
    /// A check that said that there is no update: by what word.
    pub denied: Option<Word>,
    /// Nothing but errors came.
    pub is_error: bool,
    /// A download server was contacted, and something may have been fetched though nothing shows it.
    pub may_have_fetched: bool,
    /// Bytes of the file, where that is known.
    pub bytes_expected: Option<u64>,
    /// Share of the file that came, in percent.
    pub ranges_percent: Option<u8>,
    /// What was fetched.
    pub payloads: Vec<PayloadId>,
    /// Contacts of the hour, for roles that are told once an hour.
    pub count: Option<u64>,
    /// The session it belongs to.
    pub session: Option<u64>,
    /// Its flows.
    pub flow_ids: Vec<u64>,
    /// Other products that it may have been.
    pub alternatives: Vec<(String, String)>,
    /// Whether its server, or one of them, is an own source.
    pub is_internal: bool,
}

impl Access {
    /// An endpoint of the product that it was.
    pub fn product_endpoint(&self) -> EndpointId {
        self.decided.unwrap_or(self.endpoint)
    }
}

/// What one client did for one product in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: u64,
    /// Revision: 1, but after a crash of the sensor.
    pub revision: u32,
    /// The client: the address of its first access.
    pub client: IpAddr,
    /// Whose doing it was.
    pub host: HostKey,
    /// The product's endpoint that was met first.
    pub endpoint: EndpointId,
    /// Begin of its first access.
    pub start: Timestamp,
    /// End of its last access.
    pub end: Timestamp,
    /// Packet time of writing.
    pub reported: Timestamp,
    /// Accesses that checked.
    pub checks: u64,
    /// Accesses that downloaded.
    pub downloads: u64,
    /// Payload bytes toward the client.
    pub delivered_toclient: u64,
    /// Whether there was an update.
    pub offered: Offered,
    /// What tells.
    pub offered_evidence: Vec<&'static str>,
    /// What it came to.
    pub outcome: Outcome,
    /// What was fetched.
    pub payloads: Vec<PayloadId>,
    /// Its flows.
    pub flow_ids: Vec<u64>,
    /// The client's operating system, as far as it is known.
    pub os: Option<OsGuess>,
}

/// Which MAC address an address belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The address.
    pub client: IpAddr,
    /// The MAC address.
    pub mac: Mac,
    /// What the host calls itself, or the list of hosts calls it.
    pub names: Vec<String>,
    /// What told it.
    pub source: Source,
    /// From when on.
    pub start: Timestamp,
    /// Until when, exclusive; of one that goes on, when it was last confirmed.
    pub end: Timestamp,
    /// It has not ended.
    pub is_ongoing: bool,
    /// The MAC address is a router's.
    pub is_router: bool,
    /// Several hosts stand behind the address.
    pub is_nat: bool,
}

/// What the engine pushes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// An access.
    Access(Box<Access>),
    /// A session.
    Session(Box<Session>),
    /// An address belongs to a MAC address, or did.
    Binding(Box<Binding>),
    /// What could be seen of a client.
    Coverage(Box<HourOfClient>),
}
