//! A worker: packets to lines and facts. It owns its flows and shares the names table alone.
//!
//! * this file: the way in, and the order of what comes out
//! * [`super::writing`]: lines and facts, and their places in the order
//! * [`super::streams`]: TLS, HTTP and DNS in TCP streams, QUIC and DNS in datagrams
//! * [`super::resolving`]: DNS messages to names
//! * [`super::neighbours`]: who is behind an address
//! * [`super::wording`]: what clients say of themselves, where they have pseudonyms
//! * [`super::naming`]: what a flow is called
//! * [`super::systems`]: what tells of clients' operating systems
//! * [`super::presence`]: who was there
//! * [`super::volume`]: bursts and activities
//! * [`super::ending`]: the flow record and what else is told at the end

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::FixedState;

use super::annotation::{Annotation, Queries};
use super::application::Application;
use super::doctor::FlowWatch;
use super::early::Early;
use super::kept::Earlier;
use super::mirror::MirrorCounters;
use super::neighbours::{self, Told};
use super::order::{Key, Lines};
use super::postponed::Postponed;
use super::presence::{Presence, PresenceSettings};
use super::statistics::Counts;
use super::streams::{At, note_handshake_over};
use super::systems::Sightings;
use crate::counters;
use crate::flows::{Chunk, EndReason, Flow, FlowOptions, FlowTable, Interest, Observer, Remaining};
use crate::names::{Answers, Names};
use crate::protocols::dns::Resolution;
use crate::protocols::quic;
use crate::pseudonyms::{Pseudonyms, Rewriter};
use crate::records::line::Scratch;
use crate::records::time::TimeText;
use crate::records::{Kinds, Style};
use crate::types::flow_key::Side;
use crate::types::packet::{Transport, UdpDatagram};
use crate::types::{Direction, FlowKey, Fqdn, Packet, Place, Stamp, Tick, Timestamp};
use crate::updates::{Catalogue, Fact};

counters! {
    /// What workers saw and refused, beside their flows.
    pub struct WorkerCounters {
        /// DNS queries.
        dns_queries: "dns.queries",
        /// DNS responses.
        dns_responses: "dns.responses",
        /// Addresses that answers named.
        names_answered: "names.answered",
        /// Responses whose query was not seen: they teach no name.
        dns_unasked: "dns.unasked_responses",
        /// Responses whose query was not seen, of resolvers that are believed without.
        dns_unasked_believed: "dns.unasked_believed",
        /// Queries that no response to was seen until their flow ended, each repetition once.
        dns_unanswered: "dns.unanswered_queries",
        /// Payload on a DNS port that is no message.
        dns_malformed: "dns.malformed",
        /// TLS handshakes.
        tls_handshakes: "tls.handshakes",
        /// Streams that began as TLS and made no sense.
        tls_broken: "tls.broken",
        /// QUIC connections whose hello was read.
        quic_hellos: "quic.hellos",
        /// QUIC flows whose hello could not be read.
        quic_unreadable: "quic.unreadable",
        /// QUIC datagrams that were not opened, because too many came at once.
        quic_passed_over: "quic.passed_over",
        /// HTTP transactions.
        http_transactions: "http.transactions",
        /// Flows that were named by TLS, QUIC or HTTP.
        named_claimed: "naming.claimed",
        /// Those by TLS.
        named_tls: "naming.tls",
        /// Those by QUIC.
        named_quic: "naming.quic",
        /// Those by HTTP.
        named_http: "naming.http",
        /// Flows that were named by DNS for their client.
        named_dns: "naming.dns",
        /// Flows that were named by DNS for another client.
        named_dns_shared: "naming.dns_shared",
        /// Flows that kept the name of an earlier flow on the 5-tuple.
        named_inherited: "naming.inherited",
        /// Flows without a name.
        named_none: "naming.none",
        /// Flows with a claimed name and DNS candidates that hold it.
        agreed: "naming.agreed",
        /// Flows with a claimed name and DNS candidates that do not.
        disagreed: "naming.disagreed",
        /// Flows with a claimed name and no DNS candidate.
        uncompared: "naming.uncompared",
        /// Activities dropped because a flow had too many before its name was known.
        pending_dropped: "updates.pending_dropped",
        /// Messages of ARP, neighbour discovery and DHCP that make no sense.
        neighbours_malformed: "bindings.malformed",
        /// Such messages that were not looked into, because too many came at once.
        neighbours_passed_over: "bindings.passed_over",
        /// Looks at flows of clients that the minute had no room for.
        crowded: "coverage.crowded",
        /// Flows of which nothing more was read, because too much of others was incomplete.
        buffers_refused: "streams.buffers_refused",
        /// Times that what was told of operating systems was forgotten within its hour, because it was too much: it may be told again.
        sightings_full: "os.sightings_full",
    }
}

/// What all workers know.
#[derive(Debug)]
pub(super) struct Settings {
    pub style: Style,
    pub kinds: Kinds,
    pub dns_ports: Vec<u16>,
    pub resolvers: Vec<IpAddr>,
    pub ech_public_names: Vec<Fqdn>,
    pub burst_pause: Duration,
    pub unanswered_after: Duration,
    pub download_bytes: u64,
    /// What makes pseudonyms, where clients have them.
    pub pseudonyms: Option<Arc<Pseudonyms>>,
    /// Most QUIC datagrams with long headers that are opened in a tick.
    pub most_quic: u32,
    /// Ticks after which every worker has noted what was answered.
    pub settling_ticks: i64,
    /// Most bytes of what is incomplete, of all flows together.
    pub max_buffered: usize,
    /// Flows are kept for the next run of the sensor.
    pub keeps_state: bool,
    pub presence: PresenceSettings,
    pub flows: FlowOptions,
}

/// A worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) flows: FlowTable<Annotation, Box<Earlier>>,
    /// Nothing behind it sees who the clients are.
    rewriter: Option<Box<Rewriter>>,
    pub(super) core: Core,
}

/// Everything of a worker but its flows, which push into it.
#[derive(Debug)]
pub(super) struct Core {
    pub settings: Arc<Settings>,
    pub names: Arc<Names>,
    pub catalogue: Arc<Catalogue>,
    pub counters: WorkerCounters,
    pub mirror: MirrorCounters,
    /// Flows to catalogue names, where state is kept.
    pub contacts: HashSet<FlowKey, FixedState>,
    /// Flows end for this run only: the next one goes on with them.
    pub is_pausing: bool,
    /// Who was there, until it is told.
    pub presence: Presence,
    /// `patchspan doctor` looks at every flow that ends.
    watch: Option<Box<FlowWatch>>,
    /// A DNS message written anew: see [`super::wording`].
    pub message: Vec<u8>,
    /// What the DNS message at hand says: its buffers are used again.
    pub resolution: Option<Box<Resolution>>,
    /// Empty, for flows that ask next.
    #[allow(clippy::vec_box)] // Flows hold the box.
    pub spare_queries: Vec<Box<Queries>>,
    /// Responses whose queries may come yet.
    pub early: Early,
    /// Answers that are not in the names table yet.
    pub answers: Answers,
    /// QUIC datagrams opened in this tick.
    pub quic_opened: u32,
    /// What was told of hosts lately.
    pub told: Told,
    /// What was told of operating systems within the hour.
    pub sightings: Sightings,
    /// Bytes of what is incomplete, of all flows together.
    buffered: usize,
    pub made: Made,
    pub postponed: Postponed,
    pub scratch: Scratch,
    pub time: TimeText,
    pub tick: Tick,
    pub cause: Cause,
    pub ordinal: u64,
}

/// What causes the records of the moment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause {
    Packet(Stamp),
    Boundary(Timestamp),
}

/// What a worker made in a step.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub lines: Lines,
    pub facts: Vec<(Key, Fact)>,
}

impl Worker {
    pub fn new(settings: Arc<Settings>, names: Arc<Names>, catalogue: Arc<Catalogue>) -> Self {
        let flows = FlowTable::new(settings.flows.clone());
        let rewriter = settings.pseudonyms.clone().map(Rewriter::new).map(Box::new);
        let core = Core {
            settings,
            names,
            catalogue,
            counters: WorkerCounters::default(),
            mirror: MirrorCounters::default(),
            contacts: HashSet::with_hasher(FixedState::default()),
            is_pausing: false,
            presence: Presence::default(),
            watch: None,
            message: Vec::new(),
            resolution: None,
            spare_queries: Vec::new(),
            early: Early::default(),
            answers: Answers::of_worker(),
            quic_opened: 0,
            told: Told::default(),
            sightings: Sightings::default(),
            buffered: 0,
            made: Made::default(),
            postponed: Postponed::default(),
            scratch: Scratch::default(),
            time: TimeText::default(),
            tick: Tick(i64::MIN),
            cause: Cause::Boundary(Timestamp::EPOCH),
            ordinal: 0,
        };
        Self {
            flows,
            rewriter,
            core,
        }
    }

    /// From now on this counts. What a flow was called stays what it is.
    pub fn renew(&mut self, settings: Arc<Settings>, catalogue: Arc<Catalogue>) {
        self.core.write_postponed();
        self.core.settings = settings;
        self.core.catalogue = catalogue;
    }

    /// A tick begins: what is due by its start runs.
    pub fn begin_tick(&mut self, tick: Tick) {
        self.core.note_answers();
        self.core.counters.dns_unasked += self.core.early.expire(tick.start());
        self.end_minutes(tick.start());
        self.core.set_cause(Cause::Boundary(tick.start()));
        self.flows.advance(tick.start(), &mut self.core);
        self.core.tick = tick;
        self.core.quic_opened = 0;
        self.core.told.begin_tick();
    }

    /// Packets of flows with these keys come soon: see [`FlowTable::look_ahead`].
    pub fn look_ahead<K: Iterator<Item = FlowKey>>(&self, keys: impl FnOnce() -> K) {
        if self.rewriter.is_none() {
            self.flows.look_ahead(keys);
        }
    }

    /// A packet of a flow of this worker.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        let (key, side) = packet.flow_key(self.core.settings.flows.key_vlan);
        self.packet_of(packet, &key, side);
    }

    /// As [`Self::packet`], where the key of its flow is known, and the side that it shows.
    #[inline]
    pub fn packet_of(&mut self, packet: &Packet<'_>, key: &FlowKey, side: Side) {
        self.core.set_cause(Cause::Packet(packet.stamp()));
        if self.rewriter.is_some() {
            return self.rewritten(packet);
        }
        if neighbours::may_tell(packet) {
            self.core.look_for_hosts(packet, None);
            if matches!(packet.transport, Transport::Arp(_)) {
                return;
            }
        }
        self.flows.packet_of(packet, key, side, &mut self.core);
    }

    /// A packet where clients have pseudonyms: its flow is between those.
    fn rewritten(&mut self, packet: &Packet<'_>) {
        let Some(rewriter) = self.rewriter.as_deref_mut() else {
            return;
        };
        self.core.look_for_hosts(packet, Some(&mut *rewriter));
        if !matches!(packet.transport, Transport::Arp(_)) {
            self.flows.packet(&rewriter.packet(packet), &mut self.core);
        }
    }

    /// An ICMP error quotes a packet of a flow that may be this worker's.
    pub fn quoted(&mut self, key: &FlowKey) {
        let flow = match &mut self.rewriter {
            Some(rewriter) => self.flows.quoted(&rewriter.flow_key(key)),
            None => self.flows.quoted(key),
        };
        if let Some(flow) = flow {
            flow.annotation.is_quoted = true;
        }
    }

    /// The end of input.
    pub fn finish(&mut self, now: Timestamp) {
        self.core.note_answers();
        self.core.counters.dns_unasked += self.core.early.clear();
        self.core.set_cause(Cause::Boundary(now));
        self.flows.finish(now, &mut self.core);
        self.tell_presence(now);
    }

    /// The end of input in parts: ends at most `most` of the flows that [`Self::remaining`] gave; whether some remain still.
    pub fn finish_part(&mut self, remaining: &mut Remaining, most: usize, now: Timestamp) -> bool {
        self.core.counters.dns_unasked += self.core.early.clear();
        self.core.set_cause(Cause::Boundary(now));
        self.flows.finish_part(remaining, most, now, &mut self.core)
    }

    /// The flows that the end of input ends.
    pub fn remaining(&self) -> Remaining {
        self.flows.remaining()
    }

    /// Those that are over already.
    pub fn closed(&self) -> Remaining {
        self.flows.closed()
    }

    /// What was made since the last call.
    pub fn take(&mut self) -> Made {
        self.core.write_postponed();
        std::mem::take(&mut self.core.made)
    }

    /// From now on `watch` looks at every flow that ends.
    pub fn watched_by(self, watch: FlowWatch) -> Self {
        let core = Core {
            watch: Some(Box::new(watch)),
            ..self.core
        };
        Self { core, ..self }
    }

    /// What the watch gathered.
    pub fn watch(&self) -> Option<&FlowWatch> {
        self.core.watch.as_deref()
    }

    /// The connections of each client that a watch has seen so far; after the last time it looks no more.
    pub fn clients(&mut self, is_last: bool) -> Option<Vec<(IpAddr, u64)>> {
        let clients = self.core.watch.as_ref()?.connections().collect();
        if is_last {
            self.core.watch = None;
        }
        Some(clients)
    }

    /// Buffers that were emptied are used again.
    pub fn give_back(&mut self, empty: Made) {
        self.core.made = empty;
    }

    /// How full the worker's tables are, at the moment.
    pub fn fill(&self) -> [(&'static str, u64); 2] {
        [
            ("flow.active", self.flows.len() as u64),
            ("streams.buffered_bytes", self.core.buffered as u64),
        ]
    }

    /// Every counter with its name.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        counts.add(self.flows.counters().iter());
        counts.add(self.core.counters.iter());
        counts.add(self.core.mirror.iter());
        counts
    }
}

impl Core {
    /// What follows is caused by the tick boundary at `at`.
    pub fn begin_boundary(&mut self, at: Timestamp) {
        self.set_cause(Cause::Boundary(at));
    }

    /// A boundary never lies before what is written already: what comes up late counts at the next one.
    fn set_cause(&mut self, cause: Cause) {
        self.cause = match cause {
            Cause::Boundary(at) => Cause::Boundary(at.max(self.tick.end())),
            packet @ Cause::Packet(_) => packet,
        };
        self.ordinal = 0;
    }

    /// Counts what the flow keeps; where all flows together keep too much, this one gives up what is incomplete.
    fn weigh(&mut self, flow: &mut Flow<Annotation>, interest: Interest) -> Interest {
        let annotation = &mut flow.annotation;
        let weight = annotation.weigh(&mut self.buffered);
        if self.buffered <= self.settings.max_buffered || weight == 0 {
            return interest;
        }
        self.counters.buffers_refused += 1;
        self.http_overdue(flow, Timestamp::MAX);
        flow.annotation.give_up();
        flow.annotation.weigh(&mut self.buffered);
        Interest::Stop
    }

    /// The packet time of the moment: of the packet, or of the boundary.
    pub fn now(&self) -> Timestamp {
        match self.cause {
            Cause::Packet(stamp) => stamp.timestamp,
            Cause::Boundary(at) => at,
        }
    }
}

/// A datagram of a QUIC connection whose hello is known, that tells nothing any more.
fn is_quic_data(flow: &Flow<Annotation>, side: Side, payload: &[u8]) -> bool {
    let Application::Quic(connection) = &flow.annotation.application else {
        return false;
    };
    let is_answered = flow.direction(side) == Direction::ToClient || is_answer_known(flow);
    is_answered && connection.is_established() && quic::is_short(payload)
}

/// Whether the server answers, as far as the client's own datagrams show it as well.
fn is_answer_known(flow: &Flow<Annotation>) -> bool {
    flow.packets(Direction::ToClient) > 0 || flow.annotation.answered_unseen
}

impl Observer<Annotation> for Core {
    type Memory = Box<Earlier>;

    fn opened(
        &mut self,
        flow: &mut Flow<Annotation>,
        packet: &Packet<'_>,
        earlier: Option<Box<Earlier>>,
    ) {
        self.note_ends(flow, packet);
        self.opened_flow(flow);
        self.opened_by(flow, packet);
        if let Some(earlier) = earlier {
            self.inherit(flow, *earlier);
        }
    }

    fn stream(
        &mut self,
        flow: &mut Flow<Annotation>,
        side: Side,
        (chunk, place): (Chunk<'_>, Place),
        stamp: Stamp,
    ) -> Interest {
        let last = flow.annotation.conversation.as_ref();
        let last = last.map(|conversation| conversation.last);
        let is_packets = matches!(self.cause, Cause::Packet(_));
        let stamp = last.filter(|_| !is_packets).unwrap_or(stamp);
        let was_searched = flow.annotation.application.is_searched();
        let at = At {
            place: Some(place),
            stamp,
        };
        let interest = self.stream_chunk(flow, side, chunk, at);
        let annotation = &mut flow.annotation;
        if annotation.application.is_read() {
            annotation.conversation.get_or_insert_default().last = stamp;
        } else if let Some(conversation) = &mut annotation.conversation {
            conversation.last = stamp;
        }
        if was_searched && annotation.application.is_searched() {
            // Nothing is kept of the stream.
            return interest;
        }
        self.weigh(flow, interest)
    }

    fn datagram(
        &mut self,
        flow: &mut Flow<Annotation>,
        side: Side,
        datagram: &UdpDatagram<'_>,
        stamp: Stamp,
    ) -> Interest {
        if is_quic_data(flow, side, datagram.payload) {
            note_handshake_over(flow, side, datagram.payload);
            if is_answer_known(flow) && !flow.annotation.is_shaking_hands {
                // So it stays, and these are nearly all that come.
                flow.set_needed_bits(quic::LONG_HEADER);
            }
            return Interest::Continue;
        }
        let interest = self.flow_datagram(flow, side, datagram, stamp);
        self.weigh(flow, interest)
    }

    #[inline]
    fn delivered(&mut self, flow: &mut Flow<Annotation>, side: Side, _: u64, at: Timestamp) {
        if flow.direction(side) == Direction::ToClient {
            self.payload(flow, at);
        }
    }

    fn alarm(&mut self, flow: &mut Flow<Annotation>, now: Timestamp) {
        self.set_cause(Cause::Boundary(now));
        self.run_alarms(flow, now);
        self.weigh(flow, Interest::Continue);
    }

    fn may_end(&self, flow: &Flow<Annotation>) -> bool {
        flow.annotation.is_resolved
    }

    fn ending(&mut self, flow: &mut Flow<Annotation>, _: EndReason, at: Timestamp) {
        if matches!(self.cause, Cause::Boundary(_)) {
            self.set_cause(Cause::Boundary(at));
        }
        if !flow.annotation.is_resolved {
            self.resolve(flow);
        }
    }

    fn weight(&self, memory: &Box<Earlier>) -> usize {
        memory.memory()
    }

    fn ended(
        &mut self,
        flow: &mut Flow<Annotation>,
        reason: EndReason,
        _: Timestamp,
    ) -> Option<Box<Earlier>> {
        if !self.contacts.is_empty() {
            self.contacts.remove(flow.key());
        }
        self.buffered -= std::mem::take(&mut flow.annotation.weight) as usize;
        self.look_at_end(flow);
        if let Some(watch) = &mut self.watch {
            watch.ended(flow);
        }
        self.end_flow(flow, reason)
    }
}
