//! One worker of a live run: frames of its sockets to lines and facts. It waits for its sockets only, never for another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, TrySendError};

use super::census::{Clients, Rounds};
use super::conclusions::Report;
use super::renewal::Reader;
use super::router::Router;
use super::{LAST_LINES, Shared};
use crate::counters;
use crate::decode::{Decoder, FrameInput};
use crate::sensor::batch::Item;
use crate::sensor::cores;
use crate::sensor::delays::Delays;
use crate::sensor::order::Key;
use crate::sensor::outputs::Feeder;
use crate::sensor::state::Frames;
use crate::sensor::statistics::Counts;
use crate::sensor::worker::Worker;
use crate::source::clock::{PacketClock, wall_time};
use crate::source::live::{LinkEvent, LiveFrame, LiveWorker, Turn};
use crate::types::{Stamp, Tick, Timestamp};
use crate::updates::Fact;

/// Longest wait for a frame: a silent link still expires flows and answers signals.
const PATIENCE: Duration = Duration::from_millis(100);
/// How far behind the wall an idle worker's clock runs: frames may still wait in a block of the kernel's ring.
const IDLE_LAG: Duration = Duration::from_millis(400);
/// Longest time for what lies in the rings at the end.
const DRAIN: Duration = Duration::from_secs(1);
/// Facts that are kept while the conclusions thread is behind; beyond that they are dropped, and counted.
const MAX_FACTS: usize = 1 << 16;
/// Flows that end at once at the end of the run: their lines are a few megabytes at most.
const FLOWS_AT_ONCE: usize = 1 << 10;

counters! {
    /// What a worker could not hand on.
    pub struct CaptureCounters {
        /// Facts dropped because the conclusions thread was behind.
        facts_dropped: "updates.facts_dropped",
        /// Waits for frames that the kernel ended with an error.
        failed_waits: "capture.failed_waits",
        /// Workers that could not be bound to their core.
        unbound: "capture.unbound",
    }
}

/// What a worker reads from and hands on to.
#[derive(Debug)]
pub(super) struct Ends {
    pub index: usize,
    /// The core that it is bound to.
    pub core: Option<u16>,
    pub source: LiveWorker,
    pub feeder: Feeder,
    /// When it says whom it saw.
    pub rounds: Rounds,
    pub reports: Sender<Report>,
    pub events: Sender<LinkEvent>,
}

/// When lines and facts are handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handover {
    /// While frames come in: nobody is waited for.
    Turn,
    /// No frame comes any more: what was made before flows end because of that.
    Rest,
    /// While flows end at the end of the run.
    Part,
    /// The last time.
    Last,
}

/// A worker with its sockets.
#[derive(Debug)]
pub(super) struct CaptureWorker {
    ends: Ends,
    road: Road,
    /// Facts that the conclusions thread has not taken yet.
    facts: Vec<(Key, Fact)>,
    /// Whom it saw, which that thread has not taken either.
    clients: Option<Clients>,
    /// State that it has not taken yet.
    kept: Option<Frames>,
    /// The second at which counters were last reported.
    reported: i64,
    counters: CaptureCounters,
    lag: Delays,
    board: Reader,
}

/// The road of a packet within one worker, and the clock that goes with it.
#[derive(Debug)]
pub(super) struct Road {
    decoder: Decoder,
    worker: Worker,
    router: Router,
    clock: PacketClock,
    tick: Tick,
    began: Timestamp,
    /// The stamp of the first frame of this turn.
    oldest: Option<Timestamp>,
    /// Where this tick begins the flows are kept for the next run; see [`Shared::cut`].
    cut: Option<Tick>,
    /// Most bytes of what is kept; `None`: nothing is.
    keep_bytes: Option<usize>,
    kept: Option<Frames>,
}

impl CaptureWorker {
    pub fn new(ends: Ends, road: Road) -> Self {
        Self {
            ends,
            road,
            facts: Vec::new(),
            clients: None,
            kept: None,
            reported: i64::MIN,
            counters: CaptureCounters::default(),
            lag: Delays::default(),
            board: Reader::default(),
        }
    }

    /// Turns until the run stops; then every flow ends.
    pub fn run(mut self, shared: &Shared) {
        let is_bound = self.ends.core.is_none_or(|core| cores::bind(core).is_ok());
        self.counters.unbound += u64::from(!is_bound);
        while !shared.is_stopping.load(Ordering::Relaxed) {
            if let Some(new) = self.board.look(&shared.board) {
                let (settings, catalogue) = (&new.settings, &new.catalogue);
                self.road
                    .worker
                    .renew(Arc::clone(settings), Arc::clone(catalogue));
            }
            self.road.look_at_cut(&shared.cut);
            self.turn();
            if let Some(turns) = shared.turns.get(self.ends.index) {
                turns.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.drain();
        // Flows end only when every worker has handed over what belongs to others, and has noted what was answered.
        shared.meet(1);
        self.road.receive();
        shared.meet(2);
        self.finish();
    }

    /// Every flow ends. Capture is over, so outputs and conclusions are waited for, and what ends goes over in parts.
    fn finish(&mut self) {
        self.ends.feeder.wait_for_readers(LAST_LINES);
        let now = self.road.close();
        self.end_closed(now);
        self.road.keep_all();
        if self.road.keep_bytes.is_some() {
            // What flows bring that end for this run only is set apart; without state they end, and have their names then.
            self.road.worker.tell_presence(now);
        }
        self.hand_over(Handover::Rest);
        let mut remaining = self.road.worker.remaining();
        while self
            .road
            .worker
            .finish_part(&mut remaining, FLOWS_AT_ONCE, now)
        {
            self.hand_over(Handover::Part);
        }
        self.road.worker.tell_presence(now);
        self.hand_over(Handover::Last);
    }

    /// The next run cannot go on with flows that are over, so they are told by this one.
    fn end_closed(&mut self, now: Timestamp) {
        if self.road.keep_bytes.is_none() {
            return;
        }
        let mut closed = self.road.worker.closed();
        while self
            .road
            .worker
            .finish_part(&mut closed, FLOWS_AT_ONCE, now)
        {
            self.hand_over(Handover::Rest);
        }
    }

    /// A batch of frames from each socket, what other workers handed over, and what time brings.
    fn turn(&mut self) {
        let Self { ends, road, .. } = self;
        let turn = ends
            .source
            .poll(PATIENCE, &mut |frame| road.frame(frame))
            .unwrap_or_else(|_| {
                self.counters.failed_waits += 1;
                Turn::default()
            });
        road.receive();
        match road.oldest.take() {
            // No frame of the turn waited longer than its first. One look at the clock a turn is enough.
            Some(oldest) => self.lag.add(wall_time().since(oldest), turn.frames as u64),
            None => road.idle(),
        }
        road.router.flush();
        while let Some(event) = ends.source.take_event() {
            // The main thread is there as long as workers are.
            let _ = ends.events.send(event);
        }
        self.hand_over(Handover::Turn);
    }

    /// No frame comes in any more; what lies in the rings still counts.
    fn drain(&mut self) {
        let limit = Instant::now() + DRAIN;
        let is_stopped = self.ends.source.stop().is_ok();
        while is_stopped && !self.ends.source.is_drained() && Instant::now() < limit {
            self.turn();
        }
    }

    /// Lines to the outputs, facts and now and then counters to the conclusions thread.
    fn hand_over(&mut self, handover: Handover) {
        let ending = self.hand_on_lines(handover);
        if let Some(is_last) = self.ends.rounds.next(self.road.now()) {
            self.clients = self.road.worker.clients(is_last);
        }
        self.kept = self.road.kept.take().or(self.kept.take());
        let report = self.report(handover, ending);
        if handover != Handover::Turn {
            let _ = self.ends.reports.send(report);
            return;
        }
        match self.ends.reports.try_send(report) {
            Ok(()) => self.reported = self.second(),
            Err(TrySendError::Full(report) | TrySendError::Disconnected(report)) => {
                self.take_back(report);
            }
        }
    }

    /// Lines go to the outputs, facts wait to be reported; gives those of flows that ended because the run does.
    fn hand_on_lines(&mut self, handover: Handover) -> Vec<(Key, Fact)> {
        let mut made = self.road.worker.take();
        made.lines
            .each(|kind, decided, line| self.ends.feeder.line(kind, decided, line));
        self.ends.feeder.flush();
        made.lines.clear();
        let mut ending = Vec::new();
        let facts = match handover {
            Handover::Turn | Handover::Rest => &mut self.facts,
            Handover::Part | Handover::Last => &mut ending,
        };
        facts.append(&mut made.facts);
        self.road.worker.give_back(made);
        ending
    }

    fn report(&mut self, handover: Handover, ending: Vec<(Key, Fact)>) -> Report {
        // What is kept at the end counts once all flows have ended.
        let is_its_turn = matches!(handover, Handover::Turn | Handover::Last);
        let is_last = handover == Handover::Last;
        let is_due = is_last || self.second() > self.reported;
        Report {
            worker: self.ends.index,
            tick: if is_last {
                Tick(i64::MAX)
            } else {
                self.road.tick
            },
            facts: std::mem::take(&mut self.facts),
            clients: self.clients.take(),
            counted: is_due.then(|| (self.counts(), self.lag.clone())),
            kept: self.kept.take_if(|_| is_its_turn),
            ending,
        }
    }

    /// The conclusions thread is behind: what it did not take waits, facts up to a limit.
    fn take_back(&mut self, report: Report) {
        self.facts = report.facts;
        self.clients = report.clients;
        self.kept = report.kept;
        let excess = self.facts.len().saturating_sub(MAX_FACTS);
        self.facts.truncate(MAX_FACTS);
        self.counters.facts_dropped += excess as u64;
    }

    /// Of packet time.
    fn second(&self) -> i64 {
        self.road.now().seconds_and_nanos().0
    }

    fn counts(&self) -> Counts {
        let mut counts = self.road.worker.counts();
        counts.add(self.road.decoder.counters().iter());
        counts.add(self.road.clock.counters().iter());
        counts.add(self.road.router.counters().iter());
        counts.add(self.counters.iter());
        counts.add(self.road.worker.fill());
        counts
    }
}

impl Road {
    /// `began`: when the run began; `keep_bytes`: most bytes of what the next run goes on with, `None` where there is none.
    pub fn new(
        worker: Worker,
        router: Router,
        began: Timestamp,
        keep_bytes: Option<usize>,
    ) -> Self {
        Self {
            decoder: Decoder::new(),
            worker,
            router,
            clock: PacketClock::default(),
            tick: Tick(i64::MIN),
            began,
            oldest: None,
            cut: None,
            keep_bytes,
            kept: None,
        }
    }

    fn frame(&mut self, frame: &LiveFrame<'_>) {
        let recorded = frame.head.timestamp;
        self.oldest.get_or_insert(recorded);
        let now = self.clock.observe(recorded);
        self.enter(now.tick());
        let input = FrameInput {
            stamp: self.stamp(now, recorded, frame.origin),
            link_type: frame.head.link_type.0,
            wire_length: frame.head.wire_length,
            data: frame.data,
        };
        let Self {
            decoder,
            worker,
            router,
            ..
        } = self;
        let key_vlan = router.key_vlan();
        let plain = decoder.plain(&input, key_vlan, &mut |packet, key, side| {
            router.plain(worker, packet, key, side);
        });
        if plain.is_none() {
            decoder.unwrap(input, &mut |packet| router.packet(worker, packet));
        }
    }

    /// Packets have no numbers that all workers share, so the time since the run began stands for them, in microseconds.
    fn stamp(&self, now: Timestamp, recorded: Timestamp, origin: u16) -> Stamp {
        let number = now.since(self.began).as_micros();
        Stamp {
            timestamp: now,
            recorded,
            number: u64::try_from(number).unwrap_or(u64::MAX).max(1),
            number_in_origin: 0,
            origin,
        }
    }

    /// Packets that other workers handed over count now, at the earliest.
    fn receive(&mut self) {
        while let Some(batch) = self.router.received() {
            for item in batch.items() {
                match item {
                    Item::Packet(place) => {
                        let Some(packet) = batch.packet(*place) else {
                            continue;
                        };
                        let now = self.clock.observe(packet.timestamp);
                        self.enter(now.tick());
                        self.worker.packet(&packet.at(now));
                    }
                    Item::Quoted(key) => self.worker.quoted(key),
                }
            }
        }
        // The next turn may be long in coming, and others name their flows.
        self.worker.core.note_answers();
    }

    /// Nothing came: the wall says what time it is.
    fn idle(&mut self) {
        let wall = wall_time().minus(IDLE_LAG);
        if self.clock.now().is_none_or(|now| wall > now) {
            let now = self.clock.observe(wall);
            self.enter(now.tick());
        }
    }

    /// The conclusions thread may want the flows as of a tick.
    fn look_at_cut(&mut self, cut: &AtomicI64) {
        let wanted = Tick(cut.load(Ordering::Relaxed));
        if self.cut != Some(wanted) && wanted < Tick(i64::MAX) {
            self.cut = Some(wanted);
            if self.tick >= wanted {
                // It is behind with its request: better late than never.
                self.keep();
            }
        }
    }

    /// The tick of the cut begins with `tick`: flows are as all facts of the ticks before made them.
    fn keep_at_cut(&mut self, tick: Tick) {
        let is_cut = |cut: &Tick| self.tick < *cut && *cut <= tick;
        let Some(cut) = self.cut.filter(is_cut) else {
            return;
        };
        let before = Tick(cut.0.saturating_sub(1));
        if self.tick < before {
            self.worker.begin_tick(before);
        }
        self.keep();
    }

    fn keep(&mut self) {
        if let Some(limit) = self.keep_bytes {
            let mut frames = Frames::new(limit);
            self.worker.keep(&mut frames);
            self.kept = Some(frames);
        }
    }

    /// The end of the run: no packet comes any more. Gives the time at which flows end.
    fn close(&mut self) -> Timestamp {
        let now = self.clock.observe(wall_time());
        self.enter(Tick(now.tick().0.saturating_add(1)));
        let Self {
            decoder,
            worker,
            router,
            ..
        } = self;
        decoder.finish(&mut |packet| router.packet(worker, &packet.at(now)));
        worker.core.note_answers();
        now
    }

    fn keep_all(&mut self) {
        if let Some(limit) = self.keep_bytes {
            let mut frames = Frames::new(limit);
            self.worker.keep_all(&mut frames);
            self.kept = Some(frames);
        }
    }

    fn enter(&mut self, tick: Tick) {
        if tick <= self.tick {
            return;
        }
        self.keep_at_cut(tick);
        self.tick = tick;
        self.worker.begin_tick(tick);
        let now = tick.start();
        let Self {
            decoder,
            worker,
            router,
            ..
        } = self;
        decoder.expire(now, &mut |packet| router.packet(worker, &packet.at(now)));
    }

    fn now(&self) -> Timestamp {
        self.clock.now().unwrap_or(self.began)
    }
}
