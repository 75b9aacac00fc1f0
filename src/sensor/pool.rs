//! Who takes packets apart: one worker in the reader's own thread, or several in threads of their own.
//!
//! What goes over is cut into *steps*: the same cuts for any number of workers, because all of a step is written before the next
//! one. With several workers each has two bounded channels, steps in and results out; the reader waits when they are full.

use std::sync::Arc;
use std::thread::{Scope, ScopedJoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use foldhash::fast::FixedState;
use std::hash::{BuildHasher, Hasher};

use super::batch::{Batch, Item};
use super::collector::Collector;
use super::gate::Gate;
use super::statistics::Counts;
use super::worker::{Made, Worker};
use crate::decode::FrameInput;
use crate::flows::AT_ONCE;
use crate::types::flow_key::Side;
use crate::types::{FlowKey, Packet, Tick, Timestamp};

/// Packets of a step.
const STEP_PACKETS: usize = 1_024;
/// Payload bytes of a step.
const STEP_BYTES: u64 = 1 << 20;
/// Steps that wait for a worker, and results that wait for the collector.
const QUEUE: usize = 4;
/// Which worker a flow belongs to is told by a hash apart from those of the tables.
const SEED: u64 = 0x776f_726b_6572_7321;

/// Takes packets, in the order of a replay.
pub(super) struct Pool<'scope> {
    workers: Workers<'scope>,
    key_vlan: bool,
    packets: usize,
    bytes: u64,
    tick: Tick,
}

enum Workers<'scope> {
    Inline(Box<Worker>, Box<Collector>),
    Threads(Threads<'scope>),
}

struct Threads<'scope> {
    links: Vec<Link>,
    joins: Vec<ScopedJoinHandle<'scope, ()>>,
    collector: ScopedJoinHandle<'scope, Collector>,
    hasher: FixedState,
}

/// The reader's side of a worker.
struct Link {
    batch: Batch,
    steps: Sender<Step>,
    used: Receiver<Batch>,
}

/// What a worker gets at once.
struct Step {
    batch: Batch,
    tick: Tick,
    /// The end of input, and when that is.
    end: Option<Timestamp>,
}

/// What a worker made of a step.
struct StepResult {
    made: Made,
    tick: Tick,
    counts: Option<Counts>,
}

impl<'scope> Pool<'scope> {
    /// One worker, in this thread.
    pub fn inline(worker: Worker, collector: Collector, key_vlan: bool) -> Self {
        Self::new(
            Workers::Inline(Box::new(worker), Box::new(collector)),
            key_vlan,
        )
    }

    /// Each worker in a thread of its own, and another for what follows them.
    pub fn threads<'env>(
        scope: &'scope Scope<'scope, 'env>,
        workers: Vec<Worker>,
        collector: Collector,
        key_vlan: bool,
    ) -> Self {
        let gate = Arc::new(Gate::new(workers.len()));
        let (mut links, mut joins, mut results) = (Vec::new(), Vec::new(), Vec::new());
        for (index, worker) in workers.into_iter().enumerate() {
            let (steps, incoming) = bounded(QUEUE);
            let (empty, used) = bounded(QUEUE);
            let (made, result) = bounded(QUEUE);
            let gate = Arc::clone(&gate);
            joins.push(scope.spawn(move || {
                let _guard = Leaving(&gate, index);
                work(worker, index, &gate, &incoming, &empty, &made);
            }));
            results.push(result);
            links.push(Link {
                batch: Batch::default(),
                steps,
                used,
            });
        }
        let collector = scope.spawn(move || collect(collector, &results));
        let threads = Threads {
            links,
            joins,
            collector,
            hasher: FixedState::with_seed(SEED),
        };
        Self::new(Workers::Threads(threads), key_vlan)
    }

    fn new(workers: Workers<'scope>, key_vlan: bool) -> Self {
        Self {
            workers,
            key_vlan,
            packets: 0,
            bytes: 0,
            tick: Tick(i64::MIN),
        }
    }

    /// A tick begins.
    pub fn tick(&mut self, tick: Tick) {
        self.tick = tick;
        match &mut self.workers {
            Workers::Inline(worker, _) => worker.begin_tick(tick),
            Workers::Threads(threads) => {
                let batches = threads.links.iter_mut().map(|link| &mut link.batch);
                batches.for_each(|batch| batch.push_tick(tick));
            }
        }
    }

    /// Whether VLANs belong to the keys of flows.
    pub const fn key_vlan(&self) -> bool {
        self.key_vlan
    }

    /// These frames come soon, where that concerns this thread.
    pub fn look_ahead<'d>(&self, frames: impl Iterator<Item = FrameInput<'d>>) {
        if let Workers::Inline(worker, _) = &self.workers {
            worker.look_ahead(frames);
        }
    }

    /// The packet of a plain frame, which goes to the worker of its flow.
    #[inline]
    pub fn plain(
        &mut self,
        frame: &FrameInput<'_>,
        packet: &Packet<'_>,
        key: &FlowKey,
        side: Side,
    ) {
        self.packets += 1;
        self.bytes += packet.wire_bytes;
        match &mut self.workers {
            Workers::Inline(worker, _) => worker.packet_of(packet, key, side),
            Workers::Threads(threads) => {
                if let Some(batch) = threads.batch_of(key) {
                    batch.push_plain(frame);
                }
            }
        }
    }

    /// A packet, which goes to the worker of its flow; an ICMP error is told to that of the flow that it quotes as well.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        self.packets += 1;
        self.bytes += packet.wire_bytes;
        let quoted = packet.quoted_key(self.key_vlan);
        match &mut self.workers {
            Workers::Inline(worker, _) => {
                worker.packet(packet);
                quoted.iter().for_each(|key| worker.quoted(key));
            }
            Workers::Threads(threads) => {
                let (key, _) = packet.flow_key(self.key_vlan);
                if let Some(batch) = threads.batch_of(&key) {
                    batch.push(packet);
                }
                if let Some(key) = quoted
                    && let Some(batch) = threads.batch_of(&key)
                {
                    batch.push_quoted(key);
                }
            }
        }
    }

    /// Ends the step where it is large enough. Between frames only: what one frame causes belongs to one step.
    pub fn end_step_if_full(&mut self) {
        if self.packets >= STEP_PACKETS || self.bytes >= STEP_BYTES {
            (self.packets, self.bytes) = (0, 0);
            self.end_step(None);
        }
    }

    /// The end of input, at `now`: every flow ends. Gives what writes, and what the workers counted.
    pub fn finish(mut self, now: Timestamp) -> (Collector, Counts) {
        self.end_step(Some(now));
        match self.workers {
            Workers::Inline(worker, collector) => (*collector, worker.counts()),
            Workers::Threads(threads) => threads.join(),
        }
    }

    fn end_step(&mut self, end: Option<Timestamp>) {
        match &mut self.workers {
            Workers::Inline(worker, collector) => {
                if let Some(now) = end {
                    worker.finish(now);
                }
                let mut made = [worker.take()];
                collector.step(&mut made, self.tick);
                let [made] = made;
                worker.give_back(made);
            }
            Workers::Threads(threads) => threads.send_step(self.tick, end),
        }
    }
}

impl Threads<'_> {
    fn batch_of(&mut self, key: &FlowKey) -> Option<&mut Batch> {
        let mut hasher = self.hasher.build_hasher();
        key.digest(&mut hasher);
        let index = hasher.finish() % self.links.len().max(1) as u64;
        self.links
            .get_mut(index as usize)
            .map(|link| &mut link.batch)
    }

    fn send_step(&mut self, tick: Tick, end: Option<Timestamp>) {
        for link in &mut self.links {
            let empty = link.used.try_recv().unwrap_or_default();
            let batch = std::mem::replace(&mut link.batch, empty);
            // A worker that is gone has panicked, which its join tells.
            let _ = link.steps.send(Step { batch, tick, end });
        }
    }

    fn join(self) -> (Collector, Counts) {
        drop(self.links);
        for join in self.joins {
            pass_on(join.join());
        }
        let mut collector = pass_on(self.collector.join());
        let counts = collector.take_counts();
        (collector, counts)
    }
}

/// A panic of a thread goes on in the one that waits for it.
fn pass_on<T>(joined: std::thread::Result<T>) -> T {
    joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Whatever ends a worker, nobody waits for it at the gate.
struct Leaving<'g>(&'g Gate, usize);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.leave_all(self.1);
    }
}

fn work(
    mut worker: Worker,
    index: usize,
    gate: &Gate,
    steps: &Receiver<Step>,
    used: &Sender<Batch>,
    results: &Sender<StepResult>,
) {
    for mut step in steps {
        for items in step.batch.items().chunks(AT_ONCE) {
            let plain = items.iter().filter_map(|item| match item {
                Item::Plain(stored) => Some(step.batch.frame(stored)),
                _ => None,
            });
            worker.look_ahead(plain);
            for item in items {
                match item {
                    Item::Tick(tick) => {
                        gate.enter(index, *tick);
                        worker.begin_tick(*tick);
                    }
                    Item::Plain(stored) => worker.plain(&step.batch.frame(stored)),
                    Item::Packet(place) => {
                        if let Some(packet) = step.batch.packet(*place) {
                            worker.packet(&packet);
                        }
                    }
                    Item::Quoted(key) => worker.quoted(key),
                }
            }
        }
        if let Some(now) = step.end {
            // As two ticks later: every answer of every worker is known.
            gate.enter(index, Tick(step.tick.0.saturating_add(2)));
            worker.finish(now);
        }
        let result = StepResult {
            made: worker.take(),
            tick: step.tick,
            counts: step.end.map(|_| worker.counts()),
        };
        step.batch.clear();
        let _ = used.try_send(step.batch);
        if results.send(result).is_err() {
            return;
        }
    }
}

/// Gathers one result a worker for each step, in order.
fn collect(mut collector: Collector, workers: &[Receiver<StepResult>]) -> Collector {
    let mut made = Vec::with_capacity(workers.len());
    loop {
        let mut tick = Tick(i64::MIN);
        for worker in workers {
            let Ok(result) = worker.recv() else {
                return collector;
            };
            tick = tick.max(result.tick);
            made.push(result.made);
            collector.add_counts(result.counts);
        }
        collector.step(&mut made, tick);
        made.clear();
    }
}
