//! Who takes frames apart: one worker in the reader's own thread, or several in threads of their own.
//!
//! Frames are cut into *steps*: the same cuts for any number of workers, because all of a step is written before the next one. With
//! several workers each step is copied once and lent to all of them, who take out what is theirs ([`super::road`]); each has two bounded
//! channels, steps in and results out, and the reader waits when they are full.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::{Scope, ScopedJoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::collector::Collector;
use super::frames::{Frames, Item};
use super::gate::Gate;
use super::road::{Road, Share};
use super::statistics::Counts;
use super::worker::{Made, Worker};
use crate::decode::FrameInput;
use crate::flows::AT_ONCE;
use crate::types::{Tick, Timestamp};

/// Frames of a step.
const STEP_FRAMES: usize = 1_024;
/// Their bytes on the wire.
const STEP_BYTES: u64 = 1 << 20;
/// Steps that wait for a worker, and results that wait for the collector.
const QUEUE: usize = 4;

/// Takes frames, in the order of a replay.
pub(super) struct Pool<'scope> {
    workers: Workers<'scope>,
    frames: usize,
    bytes: u64,
    tick: Tick,
    /// When that ends.
    end: Timestamp,
}

enum Workers<'scope> {
    Inline(Box<Road>, Box<Collector>),
    Threads(Threads<'scope>),
}

struct Threads<'scope> {
    /// What is gathered for the next step.
    frames: Frames,
    /// Frames of the last steps, as long as a worker may look at them.
    lent: VecDeque<Arc<Frames>>,
    steps: Vec<Sender<Step>>,
    joins: Vec<ScopedJoinHandle<'scope, ()>>,
    collector: ScopedJoinHandle<'scope, Collector>,
}

/// What every worker gets at once.
#[derive(Clone)]
struct Step {
    frames: Arc<Frames>,
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
        let road = Road::new(worker, Share::new(0, 1), key_vlan);
        Self::new(Workers::Inline(Box::new(road), Box::new(collector)))
    }

    /// Each worker in a thread of its own, and another for what follows them.
    pub fn threads<'env>(
        scope: &'scope Scope<'scope, 'env>,
        workers: Vec<Worker>,
        collector: Collector,
        key_vlan: bool,
    ) -> Self {
        let all = workers.len();
        let gate = Arc::new(Gate::new(all));
        let (mut steps, mut joins, mut results) = (Vec::new(), Vec::new(), Vec::new());
        for (index, worker) in workers.into_iter().enumerate() {
            let (to_worker, incoming) = bounded(QUEUE);
            let (made, result) = bounded(QUEUE);
            let gate = Arc::clone(&gate);
            let road = Road::new(worker, Share::new(index, all), key_vlan);
            joins.push(scope.spawn(move || {
                let _guard = Leaving(&gate, index);
                work(road, index, &gate, &incoming, &made);
            }));
            results.push(result);
            steps.push(to_worker);
        }
        let collector = scope.spawn(move || collect(collector, &results));
        Self::new(Workers::Threads(Threads {
            frames: Frames::default(),
            lent: VecDeque::new(),
            steps,
            joins,
            collector,
        }))
    }

    const fn new(workers: Workers<'scope>) -> Self {
        Self {
            workers,
            frames: 0,
            bytes: 0,
            tick: Tick(i64::MIN),
            end: Timestamp::MIN,
        }
    }

    /// These frames come next, where that concerns this thread.
    pub fn look_ahead(&self, frames: &[FrameInput<'_>]) {
        if let Workers::Inline(road, _) = &self.workers {
            road.look_ahead(frames.iter().copied());
        }
    }

    /// A frame; its time may begin a tick.
    #[inline]
    pub fn frame(&mut self, frame: &FrameInput<'_>) {
        let now = frame.stamp.timestamp;
        if now >= self.end {
            self.begin_tick(now.tick());
        }
        self.frames += 1;
        self.bytes += u64::from(frame.wire_length);
        match &mut self.workers {
            Workers::Inline(road, _) => road.frame(frame),
            Workers::Threads(threads) => threads.frames.push(frame),
        }
        if self.frames >= STEP_FRAMES || self.bytes >= STEP_BYTES {
            (self.frames, self.bytes) = (0, 0);
            self.end_step(None);
        }
    }

    /// The end of input: every flow ends. Gives what writes, what the workers counted, and when it was: behind all that was told.
    pub fn finish(mut self) -> (Collector, Counts, Timestamp) {
        let mut now = Timestamp::EPOCH;
        if self.tick > Tick(i64::MIN) {
            let last = Tick(self.tick.0.saturating_add(1));
            self.begin_tick(last);
            // The boundary at which the workers end what is open.
            now = last.end();
        }
        self.end_step(Some(now));
        let (collector, counts) = match self.workers {
            Workers::Inline(road, collector) => (*collector, road.counts()),
            Workers::Threads(threads) => threads.join(),
        };
        (collector, counts, now)
    }

    fn begin_tick(&mut self, tick: Tick) {
        (self.tick, self.end) = (tick, tick.end());
        match &mut self.workers {
            Workers::Inline(road, _) => road.begin_tick(tick),
            Workers::Threads(threads) => threads.frames.push_tick(tick),
        }
    }

    fn end_step(&mut self, end: Option<Timestamp>) {
        match &mut self.workers {
            Workers::Inline(road, collector) => {
                if let Some(now) = end {
                    road.give_up_fragments(self.tick.start());
                    road.finish(now);
                }
                let mut made = [road.take()];
                collector.step(&mut made, self.tick);
                let [made] = made;
                road.give_back(made);
            }
            Workers::Threads(threads) => threads.send_step(self.tick, end),
        }
    }
}

impl Threads<'_> {
    fn send_step(&mut self, tick: Tick, end: Option<Timestamp>) {
        let empty = self.take_back();
        let frames = Arc::new(std::mem::replace(&mut self.frames, empty));
        let step = Step { frames, tick, end };
        for worker in &self.steps {
            // A worker that is gone has panicked, which its join tells.
            let _ = worker.send(step.clone());
        }
        self.lent.push_back(step.frames);
    }

    /// The frames that no worker looks at any more, emptied.
    fn take_back(&mut self) -> Frames {
        let is_free = |frames: &Arc<Frames>| Arc::strong_count(frames) == 1;
        let free = self.lent.pop_front_if(|frames| is_free(frames));
        let mut frames = free.and_then(Arc::into_inner).unwrap_or_default();
        frames.clear();
        frames
    }

    fn join(self) -> (Collector, Counts) {
        drop(self.steps);
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
    mut road: Road,
    index: usize,
    gate: &Gate,
    steps: &Receiver<Step>,
    results: &Sender<StepResult>,
) {
    for Step { frames, tick, end } in steps {
        let mut groups = frames.items().chunks(AT_ONCE).peekable();
        while let Some(items) = groups.next() {
            frames.prefetch(groups.peek().copied().unwrap_or_default());
            road.look_ahead(items.iter().filter_map(|item| match item {
                Item::Frame(stored) => Some(frames.frame(stored)),
                Item::Tick(_) => None,
            }));
            for item in items {
                match item {
                    Item::Tick(tick) => {
                        road.note_answers();
                        gate.enter(index, *tick);
                        road.begin_tick(*tick);
                    }
                    Item::Frame(stored) => road.frame(&frames.frame(stored)),
                }
            }
        }
        if let Some(now) = end {
            road.give_up_fragments(tick.start());
            // As two ticks later: every answer of every worker is known.
            road.note_answers();
            gate.enter(index, Tick(tick.0.saturating_add(2)));
            road.finish(now);
        }
        drop(frames);
        let result = StepResult {
            made: road.take(),
            tick,
            counts: end.map(|_| road.counts()),
        };
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
