//! Who takes frames apart: one worker in the thread that reads, or several in threads of their own.
//!
//! Frames come in *steps*, cut at the same places for any number of workers, because all of a step is written before the next one. Several
//! workers share each step, and take out what is theirs ([`super::road`]); what they make goes to the collector's thread over bounded channels.

use crossbeam_channel::{Receiver, Sender, bounded};

use super::collector::Collector;
use super::feed::{Feed, Part};
use super::frames::Item;
use super::gate::Gate;
use super::reading::{Cutter, Reader};
use super::road::{Road, Shares};
use super::statistics::Counts;
use super::worker::Made;
use crate::flows::AT_ONCE;
use crate::types::{Tick, Timestamp};

/// Results of a worker that wait for the collector.
const QUEUE: usize = 4;

/// What came of it: what writes, what the workers counted, and when the end was, behind all that was told.
pub(super) type Ended = (Collector, Counts, Timestamp);

/// What a worker made of a step.
struct StepResult {
    made: Made,
    tick: Tick,
    counts: Option<Counts>,
}

/// One worker, in this thread.
pub(super) fn inline(reader: &mut Reader<'_>, mut road: Road, mut collector: Collector) -> Ended {
    let mut cutter = Cutter::default();
    let mut end_step = |road: &mut Road, tick| {
        let mut made = [road.take()];
        collector.step(&mut made, tick);
        let [made] = made;
        road.give_back(made);
    };
    while reader.next(&mut |frames| {
        road.look_ahead(frames.iter().copied());
        for frame in frames {
            if let Some(tick) = cutter.frame(frame) {
                road.begin_tick(tick);
            }
            road.frame(frame);
        }
        if cutter.is_full() {
            end_step(&mut road, cutter.tick());
        }
    }) {}
    let (last, now) = cutter.finish();
    last.into_iter().for_each(|tick| road.begin_tick(tick));
    road.give_up_fragments(cutter.tick().start());
    road.finish(now);
    end_step(&mut road, cutter.tick());
    (collector, road.counts(), now)
}

/// Several workers, each in a thread of its own, and what follows them in another.
pub(super) fn threads(
    reader: &mut Reader<'_>,
    roads: Vec<Road>,
    key_vlan: bool,
    collector: Collector,
) -> Ended {
    let gate = Gate::new(roads.len());
    let feed = Feed::new(reader, Shares::new(roads.len()), key_vlan);
    let (gate, feed) = (&gate, &feed);
    std::thread::scope(|scope| {
        let (mut joins, mut results) = (Vec::new(), Vec::new());
        for (index, road) in roads.into_iter().enumerate() {
            let (made, result) = bounded(QUEUE);
            joins.push(scope.spawn(move || {
                let _guard = Leaving(gate, feed, index);
                work(road, index, gate, feed, &made)
            }));
            results.push(result);
        }
        let collector = scope.spawn(move || collect(collector, &results));
        let ends: Vec<Timestamp> = joins.into_iter().map(|join| pass_on(join.join())).collect();
        let mut collector = pass_on(collector.join());
        let counts = collector.take_counts();
        (collector, counts, ends.first().copied().unwrap_or_default())
    })
}

/// A panic of a thread goes on in the one that waits for it.
fn pass_on<T>(joined: std::thread::Result<T>) -> T {
    joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Whatever ends a worker, nobody waits for it.
struct Leaving<'p, 'r, 'e>(&'p Gate, &'p Feed<'r, 'e>, usize);

impl Drop for Leaving<'_, '_, '_> {
    fn drop(&mut self) {
        self.0.leave_all(self.2);
        self.1.leave(self.2);
    }
}

/// Works until the end of input; gives when that was.
fn work(
    mut road: Road,
    index: usize,
    gate: &Gate,
    feed: &Feed<'_, '_>,
    results: &Sender<StepResult>,
) -> Timestamp {
    loop {
        let Part {
            frames,
            tick,
            ends_step,
            end,
        } = feed.next(index);
        let mut groups = frames.items(index).chunks(AT_ONCE).peekable();
        while let Some(items) = groups.next() {
            frames.prefetch(groups.peek().copied().unwrap_or_default());
            road.look_ahead(items.iter().filter_map(|item| frames.frame_of(item)));
            for item in items {
                match item {
                    Item::Tick(tick) => {
                        road.note_answers();
                        if !gate.try_enter(index, *tick) {
                            if end.is_none() {
                                feed.read_ahead(index);
                            }
                            gate.enter(index, *tick);
                        }
                        road.begin_tick(*tick);
                    }
                    Item::Own(stored) => road.frame(&frames.frame(stored)),
                    Item::Other(stored) => road.unwrap(&frames.frame(stored)),
                }
            }
        }
        drop(frames);
        if let Some(now) = end {
            road.give_up_fragments(tick.start());
            road.note_answers();
            // As two ticks later: every answer of every worker is known.
            gate.enter(index, Tick(tick.0.saturating_add(2)));
            road.finish(now);
        }
        if !ends_step {
            continue;
        }
        let result = StepResult {
            made: road.take(),
            tick,
            counts: end.map(|_| road.counts()),
        };
        // Without a collector, which its join tells, there is nothing more to do.
        let is_taken = results.send(result).is_ok();
        if let Some(now) = end.or((!is_taken).then_some(Timestamp::EPOCH)) {
            return now;
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
