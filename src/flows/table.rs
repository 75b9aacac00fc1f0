//! Key to flow, and the road of a packet through its flow.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::activity::Active;
use super::duplicates::Duplicates;
use super::flow::{BUSY_LINES, Flow};
use super::following::{Waiting, count, finish_streams, follow_datagram, follow_segment};
use super::index::Index;
use super::kept::Standing;
use super::options::FlowOptions;
use super::slab::Slab;
use super::timers::{Timer, Timers};
use super::victims::{Victims, Worth};
use super::{AT_ONCE, EndReason, Observer};
use crate::counters;
use crate::types::flow_key::Side;
use crate::types::packet::{TcpFlags, Transport};
use crate::types::{FlowKey, Packet, Stamp, Tick, Timestamp};

/// How long an ended flow is remembered for one that continues on its 5-tuple.
const REMEMBERED: Duration = Duration::from_secs(24 * 3_600);
/// Memory of an ended flow that is remembered, beside what the observer keeps of it.
pub(super) const REMEMBERED_BYTES: usize = 160;
/// Flows that a full table passes over, at most, because something came for them since it last looked.
const PASSED_OVER: usize = 32;
/// Flows whose 5-tuple is in use again and that wait for their alarm; beyond, they end without it.
const MAX_LEAVING: usize = 1 << 12;
/// Timers a flow: with more, those of flows that ended are swept out. They would go when they are due, but time may stand still.
const TIMERS_A_FLOW: usize = 4;
/// So many timers are never too many.
pub(super) const FEW_TIMERS: usize = 1 << 10;
/// With fewer flows looking ahead costs more than it brings: docs/performance.md.
const FEW_FLOWS: usize = 1 << 16;
/// A flow is fetched so many timers before its own.
const TIMERS_AHEAD: usize = 4;

counters! {
    /// What the flow table saw and refused.
    pub struct FlowCounters {
        /// Flows.
        total: "flow.total",
        /// TCP flows.
        tcp: "flow.tcp",
        /// UDP flows.
        udp: "flow.udp",
        /// ICMP flows.
        icmp: "flow.icmp",
        /// Flows given up because the table was full.
        forced: "flow.forced",
        /// 5-tuples taken into use again.
        reused: "flow.tcp_reuse",
        /// Flows that ended before their alarm, because too many waited for theirs.
        hurried: "flow.hurried",
        /// Streams in which what came early was handed on behind its gaps, because too much waited in all.
        streams_refused: "streams.refused",
        /// Names of ended flows that were forgotten early, because there were too many.
        forgotten: "flow.forgotten",
        /// Packets that the mirror showed twice.
        duplicates: "flow.duplicates",
        /// TCP segments whose sequence number was not believed.
        unbelieved: "flow.unbelieved_sequence",
    }
}

/// The flows that remain at the end of input, in the order in which they end: number of the first packet, id, slot.
#[derive(Debug)]
pub struct Remaining(std::vec::IntoIter<(u64, u64, u32)>);

/// What is kept of a flow that ended.
#[derive(Debug)]
pub(super) struct Remembered<M> {
    ended: Timestamp,
    memory: M,
    /// It did not end: an earlier run of the sensor did.
    standing: Option<Standing>,
}

/// The flows of one worker. `A`: what the observer keeps with each; `M`: what it remembers of ended ones.
#[derive(Debug)]
pub struct FlowTable<A, M> {
    options: FlowOptions,
    shortest: Duration,
    index: Index,
    slab: Slab<A>,
    leaving: usize,
    waiting: Waiting,
    pub(super) timers: Timers,
    victims: Victims,
    active: Active,
    duplicates: Duplicates,
    pub(super) remembered: HashMap<FlowKey, Remembered<M>, FixedState>,
    /// In the order of their ends, with what each takes.
    remembered_order: VecDeque<(FlowKey, Timestamp, usize)>,
    remembered_bytes: usize,
    hasher: FixedState,
    counters: FlowCounters,
}

impl<A: Default, M> FlowTable<A, M> {
    /// An empty table.
    pub fn new(options: FlowOptions) -> Self {
        Self {
            index: Index::default(),
            slab: Slab::default(),
            leaving: 0,
            waiting: Waiting {
                bytes: 0,
                max: options.max_waiting,
            },
            timers: Timers::default(),
            victims: Victims::default(),
            active: Active::default(),
            duplicates: Duplicates::new(options.seed),
            remembered: HashMap::with_hasher(FixedState::with_seed(options.seed)),
            remembered_order: VecDeque::new(),
            remembered_bytes: 0,
            hasher: FixedState::with_seed(options.seed),
            counters: FlowCounters::default(),
            shortest: options.shortest(),
            options,
        }
    }

    /// Packets of flows with these keys come soon, at most [`AT_ONCE`]: where they lie is told to the core, which fetches them all while
    /// others are at work. Of a table larger than the caches, waiting for memory is most of what a packet costs.
    ///
    /// Nothing is done where that would cost more than it brings: few flows lie in the caches all the time.
    pub fn look_ahead<K: Iterator<Item = FlowKey>>(&self, keys: impl FnOnce() -> K) {
        if self.index.len() < FEW_FLOWS {
            return;
        }
        let mut hashes = [0; AT_ONCE];
        let mut known = 0;
        for (place, key) in hashes.iter_mut().zip(keys()) {
            *place = self.hash(&key);
            self.index.prefetch(*place);
            known += 1;
        }
        for hash in hashes.iter().take(known) {
            if let Some(slot) = self.index.find(*hash, |_| true) {
                self.slab.prefetch(slot, BUSY_LINES);
            }
        }
    }

    /// Counts a packet for its flow and follows its stream.
    pub fn packet(&mut self, packet: &Packet<'_>, observer: &mut impl Observer<A, Memory = M>) {
        let (key, side) = packet.flow_key(self.options.key_vlan);
        self.packet_of(packet, &key, side, observer);
    }

    /// As [`Self::packet`], where the key of its flow is known, and the side that it shows.
    pub fn packet_of(
        &mut self,
        packet: &Packet<'_>,
        key: &FlowKey,
        side: Side,
        observer: &mut impl Observer<A, Memory = M>,
    ) {
        let hash = self.hash(key);
        let is_duplicate = self.duplicates.is_duplicate((hash, side), packet);
        let known = self.find(hash, key);
        let known = known.filter(|slot| {
            let is_over = !is_duplicate && self.begins_another(*slot, side, packet);
            if is_over {
                self.counters.reused += 1;
                self.leave(*slot, EndReason::Reuse, packet.timestamp, observer);
            }
            !is_over
        });
        let slot = known.unwrap_or_else(|| self.open((hash, *key), side, packet, observer));
        self.active.note(slot);
        let Some(flow) = self.slab.flow(slot) else {
            return;
        };
        flow.touched |= known.is_some();
        count(flow, side, packet);
        if is_duplicate {
            self.counters.duplicates += 1;
            flow.duplicates += 1;
        } else {
            match &packet.transport {
                Transport::Tcp(segment) => {
                    let all = (&mut self.counters, &mut self.waiting, &self.options);
                    follow_segment(flow, side, segment, packet, all, observer);
                }
                Transport::Udp(datagram) => follow_datagram(flow, side, datagram, packet, observer),
                _ => {}
            }
        }
        if std::mem::take(&mut flow.is_stirred) {
            self.look_after(slot);
        }
    }

    /// An ICMP error quoted a packet of a flow: gives the flow, where it is one of this table.
    pub fn quoted(&mut self, key: &FlowKey) -> Option<&mut Flow<A>> {
        let slot = self.find(self.hash(key), key)?;
        let flow = self.slab.flow(slot)?;
        if let Some(tcp) = &mut flow.tcp {
            tcp.refuse();
            flow.is_stirred = true;
        }
        Some(flow)
    }

    /// Runs what is due up to the boundary `now`, in order of due time and first packet.
    pub fn advance(&mut self, now: Timestamp, observer: &mut impl Observer<A, Memory = M>) {
        while let Some(timer) = self.timers.pop_due(now) {
            if let Some(slot) = self.timers.upcoming(TIMERS_AHEAD) {
                self.slab.prefetch(slot, usize::MAX);
            }
            self.timer(timer, observer);
        }
    }

    /// The end of input: every flow ends, in the order of first packets.
    pub fn finish(&mut self, now: Timestamp, observer: &mut impl Observer<A, Memory = M>) {
        let mut remaining = self.remaining();
        self.finish_part(&mut remaining, usize::MAX, now, observer);
    }

    /// What is left to end at the end of input. No packet may come any more.
    pub fn remaining(&self) -> Remaining {
        self.remaining_where(|_| true)
    }

    /// Those of [`Self::remaining`] of which nothing comes any more: closed from both sides, or reset.
    pub fn closed(&self) -> Remaining {
        self.remaining_where(|flow| !flow.goes_on())
    }

    fn remaining_where(&self, is_meant: impl Fn(&Flow<A>) -> bool) -> Remaining {
        let meant = self.slab.iter().filter(|(_, flow)| is_meant(flow));
        let mut slots: Vec<(u64, u64, u32)> = meant
            .map(|(slot, flow)| (flow.first().number, flow.id(), slot))
            .collect();
        slots.sort_unstable();
        Remaining(slots.into_iter())
    }

    /// Ends at most `most` flows of those that remain; whether some remain still.
    pub fn finish_part(
        &mut self,
        remaining: &mut Remaining,
        most: usize,
        now: Timestamp,
        observer: &mut impl Observer<A, Memory = M>,
    ) -> bool {
        for (_, _, slot) in remaining.0.by_ref().take(most) {
            self.end(slot, EndReason::Shutdown, now, observer);
        }
        remaining.0.len() > 0
    }

    /// An earlier run of the sensor remembered a flow that ended at `last`, or followed one up to `standing` then, which may go on.
    /// `bytes`: what `memory` takes beyond its own size.
    pub fn take_up(
        &mut self,
        key: FlowKey,
        last: Timestamp,
        standing: Option<Standing>,
        memory: M,
        bytes: usize,
    ) {
        self.remember(key, last, memory, standing, bytes);
    }

    /// The flow of a key.
    pub fn flow(&mut self, key: &FlowKey) -> Option<&mut Flow<A>> {
        let slot = self.find(self.hash(key), key)?;
        self.slab.flow(slot)
    }

    /// Hands every flow that is there and had a packet since the last call to `each`, in no order that means anything.
    pub fn take_active(&mut self, mut each: impl FnMut(&mut Flow<A>)) {
        let slab = &mut self.slab;
        self.active.take(|slot| {
            if let Some(flow) = slab.flow(slot) {
                each(flow);
            }
        });
    }

    /// The keys of all flows, in the order of their first packets.
    pub fn keys(&self) -> Vec<FlowKey> {
        let of = |(_, flow): (u32, &Flow<A>)| (flow.first().number, flow.id(), *flow.key());
        let mut keys: Vec<(u64, u64, FlowKey)> = self.slab.iter().map(of).collect();
        keys.sort_unstable();
        keys.into_iter().map(|(_, _, key)| key).collect()
    }

    /// What is remembered of flows, in the order of their ends: key, end, and how it stood where only an earlier run of the sensor ended.
    pub fn remembered(&self) -> impl Iterator<Item = (&FlowKey, Timestamp, Option<&Standing>, &M)> {
        let order = self.remembered_order.iter();
        order.filter_map(|(key, ended, _)| {
            let known = self.remembered.get(key)?;
            let is_it = known.ended == *ended;
            is_it.then_some((key, *ended, known.standing.as_ref(), &known.memory))
        })
    }

    /// What was seen and refused so far.
    pub const fn counters(&self) -> &FlowCounters {
        &self.counters
    }

    /// Flows at present.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    fn hash(&self, key: &FlowKey) -> u64 {
        hash(&self.hasher, key)
    }

    #[inline]
    fn find(&self, hash: u64, key: &FlowKey) -> Option<u32> {
        let is_it = |slot: u32| self.slab.key(slot) == Some(key);
        self.index.find(hash, is_it)
    }

    #[inline(never)]
    fn open(
        &mut self,
        (hash, key): (u64, FlowKey),
        side: Side,
        packet: &Packet<'_>,
        observer: &mut impl Observer<A, Memory = M>,
    ) -> u32 {
        if self.index.len() >= self.options.max_flows {
            self.give_up_one(packet.timestamp, observer);
        }
        self.counters.total += 1;
        match packet.transport {
            Transport::Tcp(_) => self.counters.tcp += 1,
            Transport::Udp(_) => self.counters.udp += 1,
            Transport::Icmp(_) => self.counters.icmp += 1,
            Transport::Other { .. } | Transport::Arp(_) => {}
        }
        let earlier = self.recall(&key, packet);
        let mut flow = Flow::new(key, side, packet, &self.options);
        let earlier = earlier.map(|(memory, standing)| {
            if let Some(standing) = standing {
                flow.resume(&standing, side, packet);
            }
            memory
        });
        let slot = self.slab.insert(flow);
        if let Some(flow) = self.slab.flow(slot) {
            observer.opened(flow, packet, earlier);
        }
        self.victims.push(slot, Worth::default());
        self.index.insert(hash, slot);
        slot
    }

    /// What is remembered of the flow that this one continues: the 5-tuple is the same, and nothing says that it is new.
    fn recall(&mut self, key: &FlowKey, packet: &Packet<'_>) -> Option<(M, Option<Standing>)> {
        if self.remembered.is_empty() {
            return None;
        }
        let Remembered {
            ended,
            memory,
            standing,
        } = self.remembered.remove(key)?;
        let is_new =
            matches!(packet.transport, Transport::Tcp(segment) if segment.flags.has(TcpFlags::SYN));
        (!is_new && packet.timestamp.since(ended) <= REMEMBERED).then_some((memory, standing))
    }

    fn remember(
        &mut self,
        key: FlowKey,
        at: Timestamp,
        memory: M,
        standing: Option<Standing>,
        bytes: usize,
    ) {
        let bytes = bytes + REMEMBERED_BYTES;
        let remembered = Remembered {
            ended: at,
            memory,
            standing,
        };
        self.remembered.insert(key, remembered);
        self.remembered_order.push_back((key, at, bytes));
        self.remembered_bytes += bytes;
        while self.remembered_bytes > self.options.max_remembered {
            self.forget_one(at);
        }
    }

    /// The flow that ended first is remembered no longer.
    fn forget_one(&mut self, now: Timestamp) {
        let Some((key, ended, bytes)) = self.remembered_order.pop_front() else {
            self.remembered_bytes = 0;
            return;
        };
        self.remembered_bytes -= bytes;
        let is_same = |remembered: &Remembered<M>| remembered.ended == ended;
        if self.remembered.get(&key).is_some_and(is_same) {
            self.remembered.remove(&key);
            self.counters.forgotten += u64::from(now.since(ended) <= REMEMBERED);
        }
    }

    /// Whether a segment begins another connection on the 5-tuple of `slot`.
    #[inline]
    fn begins_another(&mut self, slot: u32, side: Side, packet: &Packet<'_>) -> bool {
        let Transport::Tcp(segment) = &packet.transport else {
            return false;
        };
        if !segment.flags.has(TcpFlags::SYN) {
            return false;
        }
        let Some(flow) = self.slab.flow(slot) else {
            return false;
        };
        let is_answer = segment.flags.has(TcpFlags::ACK);
        flow.tcp.is_some()
            && flow.sides.is_other_connection(side, segment.sequence)
            && (!is_answer || flow.sides.is_closed())
    }

    /// What would be lost with a flow may have changed, and when it is due.
    fn look_after(&mut self, slot: u32) {
        let Some(flow) = self.slab.flow(slot) else {
            return;
        };
        let now = flow.worth_now();
        let before = std::mem::replace(&mut flow.worth, now);
        let is_due_later = flow.is_armed_within(self.shortest);
        if now != before {
            self.victims.remove(slot, before);
            self.victims.push(slot, now);
        }
        if !is_due_later {
            self.arm(slot);
        }
    }

    fn arm(&mut self, slot: u32) {
        let Some(flow) = self.slab.flow(slot) else {
            return;
        };
        let armed = flow.armed;
        if let Some(due) = flow.due_before(armed, &self.options) {
            flow.armed = due;
            self.timers.set(Timer {
                due,
                first_packet: flow.first().number,
                flow_id: flow.id(),
                slot,
            });
            self.sweep_timers();
        }
    }

    /// Flows that ended leave timers behind; where they are most of all, they go at once.
    fn sweep_timers(&mut self) {
        let flows = self.index.len() + self.leaving;
        if self.timers.len() > (flows * TIMERS_A_FLOW).max(FEW_TIMERS) {
            let slab = &mut self.slab;
            self.timers.retain(|timer| {
                let flow = slab.flow(timer.slot);
                flow.is_some_and(|flow| flow.id() == timer.flow_id && flow.armed == timer.due)
            });
        }
    }

    fn timer(&mut self, timer: Timer, observer: &mut impl Observer<A, Memory = M>) {
        let Some(flow) = self
            .slab
            .flow(timer.slot)
            .filter(|flow| flow.id() == timer.flow_id)
        else {
            return;
        };
        if flow.armed != timer.due {
            return;
        }
        flow.armed = Timestamp::MAX;
        if flow.alarm <= timer.due {
            let alarm = std::mem::replace(&mut flow.alarm, Timestamp::MAX);
            let boundary = Tick::boundary_at_or_after(alarm).start();
            observer.alarm(flow, boundary.max(timer.due));
        }
        if let Some(reason) = flow.leaving {
            self.end(timer.slot, reason, timer.due, observer);
        } else if flow.deadline(&self.options) <= timer.due {
            self.end(timer.slot, EndReason::Timeout, timer.due, observer);
        } else {
            self.look_after(timer.slot);
        }
    }

    /// The table is full: of the flows of the least worth the one that waits longest goes, unless something came for it lately; see
    /// [`Victims`].
    fn give_up_one(&mut self, now: Timestamp, observer: &mut impl Observer<A, Memory = M>) {
        for _ in 0..PASSED_OVER {
            let next = self.victims.first(self.options.max_flows);
            let Some((slot, flow)) = next.and_then(|slot| Some((slot, self.slab.flow(slot)?)))
            else {
                return;
            };
            if !std::mem::take(&mut flow.touched) {
                break;
            }
            let worth = flow.worth;
            self.victims.remove(slot, worth);
            self.victims.push(slot, worth);
        }
        if let Some(slot) = self.victims.first(self.options.max_flows) {
            self.counters.forced += 1;
            self.end(slot, EndReason::Forced, now, observer);
        }
    }

    /// The 5-tuple of a flow is in use again: it ends, at once or, where the observer has to wait for something, at its alarm.
    fn leave(
        &mut self,
        slot: u32,
        reason: EndReason,
        at: Timestamp,
        observer: &mut impl Observer<A, Memory = M>,
    ) {
        let Some(flow) = self.slab.flow(slot) else {
            return;
        };
        let waits = !observer.may_end(flow);
        if !waits || self.leaving >= MAX_LEAVING {
            self.counters.hurried += u64::from(waits);
            return self.end(slot, reason, at, observer);
        }
        flow.leaving = Some(reason);
        let (key, worth) = (*flow.key(), flow.worth);
        self.victims.remove(slot, worth);
        self.forget_key(&key, slot);
        self.leaving += 1;
        self.arm(slot);
    }

    fn forget_key(&mut self, key: &FlowKey, slot: u32) {
        self.index.remove(self.hash(key), slot);
    }

    fn end(
        &mut self,
        slot: u32,
        reason: EndReason,
        at: Timestamp,
        observer: &mut impl Observer<A, Memory = M>,
    ) {
        let Some(flow) = self.slab.flow(slot) else {
            return;
        };
        let (key, worth) = (*flow.key(), flow.worth);
        match flow.leaving {
            Some(_) => self.leaving -= 1,
            None => {
                self.victims.remove(slot, worth);
                self.forget_key(&key, slot);
            }
        }
        // It ends where it lies: it is large.
        let Some(flow) = self.slab.flow(slot) else {
            return;
        };
        observer.ending(flow, reason, at);
        let stamp = Stamp {
            timestamp: flow.last(),
            recorded: flow.last_recorded(),
            ..flow.first()
        };
        let stood = flow.sides.passed();
        if flow.tcp.is_some() {
            flow.sides.settle();
        }
        finish_streams(flow, stamp, stood, &mut self.waiting, observer);
        let memory = observer.ended(flow, reason, at);
        self.slab.free(slot);
        if let Some(memory) = memory {
            let bytes = observer.weight(&memory);
            self.remember(key, at, memory, None, bytes);
        }
    }
}

fn hash(hasher: &FixedState, key: &FlowKey) -> u64 {
    let mut state = hasher.build_hasher();
    key.digest(&mut state);
    state.finish()
}
