//! What of a flow goes into the next run of the sensor: its name, what was not told of it, and where in its stream it stands.
//!
//! A flow to a catalogue name that goes on is taken up as if nothing had happened, but that its packets in between were not seen: what its
//! sequence numbers tell of them counts as inferred. Of other flows the name is kept.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::annotation::{Annotation, Burst, Naming, Told};
use super::application::{AppProtocol, Application};
use super::state::Frames;
use super::worker::{Core, Worker};
use crate::flows::Flow;
use crate::flows::kept::Standing;
use crate::protocols::http;
use crate::types::flow_key::Side;
use crate::types::kept::figure;
use crate::types::{Direction, FlowKey, Protocol, Timestamp};

/// Most flows to catalogue names that a worker keeps while it goes on; at its end it keeps all.
const MAX_CONTACTS: usize = 1 << 16;

/// What is remembered of a flow, for one that continues on its 5-tuple.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Earlier {
    pub naming: Option<Naming>,
    /// It did not end.
    pub going_on: Option<Box<GoingOn>>,
}

/// What was known, and not told, of a flow that goes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct GoingOn {
    protocol: Option<AppProtocol>,
    http: Option<Box<http::Connection>>,
    /// Whether it leads to a catalogue name.
    is_contact: bool,
    burst: Burst,
    #[serde(deserialize_with = "figure")]
    untold_toserver: u64,
    #[serde(deserialize_with = "figure")]
    untold_toclient: u64,
    #[serde(deserialize_with = "figure")]
    transactions: u64,
    #[serde(deserialize_with = "figure")]
    delivered: u64,
    #[serde(deserialize_with = "figure")]
    inferred: u64,
    largest_burst: u64,
    last: Timestamp,
    without_response: bool,
}

/// A flow, as it stands in the state file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeptFlow {
    pub key: FlowKey,
    /// Its last packet, or its end.
    pub last: Timestamp,
    /// `None`: it ended.
    pub standing: Option<Standing>,
    pub earlier: Earlier,
}

impl Earlier {
    /// Bytes that it takes beyond its own size.
    pub fn memory(&self) -> usize {
        let naming = self.naming.as_ref().map_or(0, Naming::memory);
        let going_on = self.going_on.as_ref().map_or(0, |going_on| {
            let http = going_on.http.as_ref();
            size_of::<GoingOn>() + http.map_or(0, |http| size_of_val(&**http) + http.memory())
        });
        naming + going_on
    }

    fn of(flow: &mut Flow<Annotation>, core: &Core) -> Self {
        Self {
            naming: flow.annotation.naming.as_deref().cloned(),
            going_on: Some(Box::new(GoingOn::of(flow, core))),
        }
    }
}

impl GoingOn {
    fn of(flow: &mut Flow<Annotation>, core: &Core) -> Self {
        let ahead = flow.ahead(Direction::ToClient);
        let brought = flow.delivered(Direction::ToClient);
        let delivered = brought.bytes;
        let (toserver, toclient) = (
            flow.wire_bytes(Direction::ToServer),
            flow.wire_bytes(Direction::ToClient),
        );
        let (annotation, last) = (&flow.annotation, flow.last());
        let told = annotation.was_told();
        let mut burst = annotation.burst;
        if burst.bytes == 0 {
            (burst.start, burst.last) = (last, last);
        }
        // What was counted behind the place where the flow stands counts again.
        burst.bytes =
            (burst.bytes + delivered.saturating_sub(annotation.counted)).saturating_sub(ahead);
        Self {
            protocol: annotation.protocol,
            http: match &annotation.application {
                Application::Http(connection) => Some(Box::new(core.reworded_http(connection))),
                _ => None,
            },
            is_contact: annotation.contact.is_some(),
            burst,
            untold_toserver: told.rest_toserver(toserver),
            untold_toclient: told.rest_toclient(toclient),
            transactions: told.transactions,
            delivered: told.delivered,
            inferred: told.rest_inferred(brought.inferred),
            largest_burst: told.largest_burst,
            last: told.last,
            without_response: told.without_response,
        }
    }

    const fn told(&self) -> Told {
        Told {
            transactions: self.transactions,
            bytes_toserver: 0,
            bytes_toclient: 0,
            untold_toserver: self.untold_toserver,
            untold_toclient: self.untold_toclient,
            delivered: self.delivered,
            inferred: 0,
            untold_inferred: self.inferred,
            largest_burst: self.largest_burst,
            last: self.last,
            without_response: self.without_response,
        }
    }
}

impl KeptFlow {
    /// Whether `address` is one of its ends.
    pub fn is_of(&self, address: IpAddr) -> bool {
        self.ends().contains(&address)
    }

    /// The addresses between which it goes.
    pub fn ends(&self) -> [IpAddr; 2] {
        [Side::LowToHigh, Side::HighToLow].map(|side| self.key.sender(side).address)
    }
}

impl Worker {
    /// Flows to catalogue names, as they stand.
    pub fn keep(&mut self, frames: &mut Frames) {
        let Self { flows, core, .. } = self;
        for key in &core.contacts {
            if let Some(flow) = flows.flow(key) {
                keep(flow, core, frames);
            }
        }
        self.keep_remembered(frames, |earlier| {
            let going_on = earlier.going_on.as_ref();
            going_on.is_some_and(|going_on| going_on.is_contact)
        });
    }

    /// The end of the run, after which another one may go on: every flow with a name, as it stands, and what is remembered of others.
    pub fn keep_all(&mut self, frames: &mut Frames) {
        let Self { flows, core, .. } = self;
        let keys = flows.keys();
        for key in &keys {
            // Responses that wait for their requests are not kept.
            if let Some(flow) = flows.flow(key) {
                core.http_overdue(flow, Timestamp::MAX);
            }
        }
        core.is_pausing = true;
        let (contacts, others): (Vec<FlowKey>, Vec<FlowKey>) = keys
            .into_iter()
            .partition(|key| core.contacts.contains(key));
        for key in contacts.into_iter().chain(others) {
            let Some(flow) = flows.flow(&key) else {
                continue;
            };
            if !flow.annotation.is_resolved {
                core.resolve(flow);
            }
            keep(flow, core, frames);
        }
        self.keep_remembered(frames, |_| true);
    }

    /// Flows that an earlier run kept.
    pub fn take_up(&mut self, flows: Vec<KeptFlow>) {
        for flow in flows {
            let bytes = flow.earlier.memory();
            let memory = Box::new(flow.earlier);
            self.flows
                .take_up(flow.key, flow.last, flow.standing, memory, bytes);
        }
    }

    fn keep_remembered(&self, frames: &mut Frames, is_wanted: impl Fn(&Earlier) -> bool) {
        for (key, last, standing, earlier) in self.flows.remembered() {
            if is_wanted(earlier) {
                frames.flow(&KeptFlow {
                    key: *key,
                    last,
                    standing: standing.cloned(),
                    earlier: (**earlier).clone(),
                });
            }
        }
    }
}

/// A flow that may go on and has a name, or a transaction under way.
fn keep(flow: &mut Flow<Annotation>, core: &Core, frames: &mut Frames) {
    let annotation = &flow.annotation;
    let is_http = matches!(annotation.application, Application::Http(_));
    let is_followed = match flow.key().protocol() {
        Protocol::TCP => annotation.naming.is_some() || is_http,
        // No other datagrams show that they go on with a conversation.
        _ => annotation.contact.is_some() && annotation.protocol == Some(AppProtocol::Quic),
    };
    if is_followed && annotation.is_resolved && flow.goes_on() {
        let standing = flow.standing();
        frames.flow(&KeptFlow {
            key: standing.key,
            last: standing.last,
            standing: Some(standing),
            earlier: Earlier::of(flow, core),
        });
    }
}

impl Core {
    /// Whether the flow leads to a catalogue name is known.
    pub(super) fn note_contact(&mut self, flow: &Flow<Annotation>) {
        if !self.settings.keeps_state {
            return;
        }
        if flow.annotation.contact.is_none() {
            self.contacts.remove(flow.key());
        } else if self.contacts.len() < MAX_CONTACTS {
            self.contacts.insert(*flow.key());
        }
    }

    /// The flow goes on with an earlier one.
    pub(super) fn inherit(&mut self, flow: &mut Flow<Annotation>, earlier: Earlier) {
        let first = flow.first().timestamp;
        let annotation = &mut flow.annotation;
        annotation.inherited = earlier.naming.map(Box::new);
        let Some(going_on) = earlier.going_on else {
            return;
        };
        annotation.is_resumed = true;
        annotation.is_unannounced = true;
        annotation.protocol = going_on.protocol;
        annotation.told = Some(Box::new(going_on.told()));
        annotation.burst = going_on.burst;
        // How long the pause was that nobody saw, nobody knows.
        annotation.burst.last = first.max(annotation.burst.last);
        if annotation.burst.large == 0 {
            annotation.burst.large = self.settings.download_bytes;
        }
        match (going_on.http, going_on.protocol) {
            (Some(connection), _) => {
                annotation.application = Application::Http(Box::new(connection.taken_up()));
            }
            (None, Some(AppProtocol::Tls | AppProtocol::Quic)) => {
                annotation.tls_told = true;
                annotation.application = Application::Done;
            }
            (None, _) => {}
        }
        self.plan_alarm(flow);
    }
}
