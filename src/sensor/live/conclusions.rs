//! The conclusions thread: the facts of all workers, in the order of a replay, to accesses, sessions and statistics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::LAST_LINES;
use super::census::{Census, Clients};
use super::keeping::Keeping;
use super::links::Links;
use super::renewal::{Board, Reader, Renewal};
use super::rings::Rings;
use crate::config::metrics::HealthConfig;
use crate::counters;
use crate::records::stats::Loss;
use crate::sensor::delays::Delays;
use crate::sensor::metrics::{Mailbox, Snapshot};
use crate::sensor::order::Key;
use crate::sensor::outputs::{Feeder, OutputCounters};
use crate::sensor::printer::Printer;
use crate::sensor::setup::listed;
use crate::sensor::state::Frames;
use crate::sensor::statistics::Counts;
use crate::source::clock::wall_time;
use crate::types::{Tick, Timestamp};
use crate::updates::{Engine, Fact};

/// Longest wait for a report.
const PATIENCE: Duration = Duration::from_millis(100);
/// Facts that wait for a slower worker; beyond that they count out of order, and that is counted.
const MAX_WAITING: usize = 1 << 18;

counters! {
    /// What did not go its usual way.
    pub struct ConclusionCounters {
        /// Facts that counted before every worker had left their tick, because too many waited.
        hurried: "updates.facts_hurried",
    }
}

/// What a worker hands on after a turn.
#[derive(Debug)]
pub(super) struct Report {
    pub worker: usize,
    /// The tick that the worker is in: it makes no fact of an earlier one any more.
    pub tick: Tick,
    pub facts: Vec<(Key, Fact)>,
    /// Everything that the worker counted so far, and how late its frames were; now and then.
    pub counted: Option<(Counts, Delays)>,
    /// Whom the worker saw, in a round of the census.
    pub clients: Option<Clients>,
    /// What the worker's flows leave for the next run, where that is wanted.
    pub kept: Option<Frames>,
    /// Facts of flows that end because the run does: they count only where no state is kept.
    pub ending: Vec<(Key, Fact)>,
}

/// How the thread goes about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub workers: usize,
    pub began: Timestamp,
    /// Between two `stats` records.
    pub interval: Duration,
    /// Until a reload.
    pub limits: HealthConfig,
}

/// What the thread reads from and hands on to, beside reports.
pub(super) struct Ends<'s> {
    pub feeder: Feeder,
    pub rings: Rings,
    pub census: Census,
    /// Where metrics are told of, where they are.
    pub mailbox: Option<Mailbox>,
    pub keeping: Option<Keeping<'s>>,
}

/// What is known of a worker.
#[derive(Clone, Debug)]
struct Known {
    tick: Tick,
    counts: Counts,
    lag: Delays,
    heard: Option<Instant>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            tick: Tick(i64::MIN),
            counts: Counts::default(),
            lag: Delays::default(),
            heard: None,
        }
    }
}

/// The state of the thread.
pub(super) struct Conclusions<'s, F> {
    engine: Engine,
    printer: Printer,
    feeder: Feeder,
    options: Options,
    /// Counters of everything else, asked for when statistics are due.
    others: F,
    rings: Rings,
    census: Census,
    links: Links,
    /// Where metrics are told of, where they are.
    mailbox: Option<Mailbox>,
    workers: Vec<Known>,
    /// Facts whose tick not every worker has left.
    waiting: BTreeMap<(Key, usize), Fact>,
    arrived: usize,
    /// When statistics are due.
    due: Timestamp,
    counters: ConclusionCounters,
    keeping: Option<Keeping<'s>>,
    /// Facts of flows that end because the run does: see [`Report::ending`].
    ending: BTreeMap<(Key, usize), Fact>,
    /// Capture is over.
    is_ending: bool,
}

impl<'s, F: FnMut(&mut Counts) -> Vec<OutputCounters>> Conclusions<'s, F> {
    pub fn new(
        engine: Engine,
        printer: Printer,
        options: Options,
        ends: Ends<'s>,
        others: F,
    ) -> Self {
        let Ends {
            feeder,
            rings,
            census,
            mailbox,
            keeping,
        } = ends;
        Self {
            engine,
            printer,
            feeder,
            options,
            others,
            links: Links::new(rings.counters().clone()),
            rings,
            census,
            mailbox,
            workers: vec![Known::default(); options.workers],
            waiting: BTreeMap::new(),
            arrived: 0,
            due: options.began.plus(options.interval),
            counters: ConclusionCounters::default(),
            keeping,
            ending: BTreeMap::new(),
            is_ending: false,
        }
    }

    /// Until every worker has ended: then everything that is open ends.
    pub fn run(mut self, reports: &Receiver<Report>, board: &Board) {
        let mut reader = Reader::default();
        loop {
            match reports.recv_timeout(PATIENCE) {
                Ok(report) => self.report(report),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            reports.try_iter().for_each(|report| self.report(report));
            // Before a fact counts that a worker made by a newer catalogue.
            if let Some(new) = reader.look(board) {
                self.renew(&new);
            }
            self.conclude();
            self.keep();
            self.tell_what_is_due();
            self.hand_on();
        }
        self.finish();
    }

    fn renew(&mut self, new: &Renewal) {
        let catalogue = || Arc::clone(&new.catalogue);
        self.engine.renew(catalogue(), new.config.update_options());
        self.engine.list(listed(&new.config, &new.hosts));
        self.printer.renew(catalogue(), new.hosts.clone());
        self.options.limits = new.config.health;
    }

    fn report(&mut self, report: Report) {
        for (key, fact) in report.facts {
            // Two workers may give equal keys: the order of arrival tells them apart.
            self.arrived += 1;
            self.waiting.insert((key, self.arrived), fact);
        }
        if let Some(clients) = report.clients {
            self.census.take_in(report.worker, clients);
        }
        if !report.ending.is_empty() && !std::mem::replace(&mut self.is_ending, true) {
            // Flows end because the run does, thousands at once: outputs are waited for from here on.
            self.feeder.wait_for_readers(LAST_LINES);
        }
        let ending = match self.keeping {
            Some(_) => &mut self.ending,
            None => &mut self.waiting,
        };
        for (key, fact) in report.ending {
            self.arrived += 1;
            ending.insert((key, self.arrived), fact);
        }
        if let (Some(kept), Some(keeping)) = (report.kept, &mut self.keeping) {
            if report.tick == Tick(i64::MAX) {
                keeping.kept_last(kept);
            } else {
                keeping.kept(kept);
            }
        }
        let Some(known) = self.workers.get_mut(report.worker) else {
            return;
        };
        known.tick = report.tick;
        known.heard = Some(Instant::now());
        if let Some((counts, lag)) = report.counted {
            (known.counts, known.lag) = (counts, lag);
        }
    }

    /// What every worker has left behind counts.
    fn conclude(&mut self) {
        let left = self.left();
        while let Some(first) = self.waiting.first_entry() {
            let (key, _) = *first.key();
            let is_early = key.tick() >= left;
            if is_early && self.waiting.len() <= MAX_WAITING {
                break;
            }
            self.counters.hurried += u64::from(is_early);
            if let Some((_, fact)) = self.waiting.pop_first() {
                let printer = &mut self.printer;
                self.engine.fact(&fact, &mut |cause, output| {
                    printer.output(Some(key), cause, &output)
                });
                printer.saw(&fact, self.engine.hosts());
            }
        }
        if left > Tick(i64::MIN) && left < Tick(i64::MAX) {
            let printer = &mut self.printer;
            self.engine.advance(left.start(), &mut |cause, output| {
                printer.output(None, cause, &output)
            });
        }
    }

    /// Every worker has left the ticks before this one.
    fn all_left(&self) -> Tick {
        let ticks = self.workers.iter().map(|worker| worker.tick);
        ticks.min().unwrap_or_default()
    }

    /// The same, for facts. Where state is kept, what comes after its cut waits until that is done.
    fn left(&self) -> Tick {
        let left = self.all_left();
        let cut = self.keeping.as_ref().and_then(Keeping::cut);
        cut.map_or(left, |cut| left.min(cut))
    }

    /// State is kept now and then: as of a tick that every worker has left, with what each kept of its flows there.
    fn keep(&mut self) {
        let left = self.all_left();
        let Some(keeping) = &mut self.keeping else {
            return;
        };
        let ticks = self.workers.iter().map(|worker| worker.tick);
        let newest = ticks.max().unwrap_or_default();
        if newest > Tick(i64::MIN) && newest < Tick(i64::MAX) {
            keeping.begin_where_due(newest);
        }
        if keeping.cut().is_some_and(|cut| cut <= left) {
            keeping.write_where_whole(&self.engine);
        }
        if let Some(gap) = keeping.gap() {
            self.printer.loss(&gap);
        }
    }

    fn tell_what_is_due(&mut self) {
        let now = wall_time();
        if self.rings.is_due(now) {
            self.tell_losses(now);
            self.engine.blinded(self.links.look(Instant::now()));
            self.tell_metrics(now);
        }
        if now >= self.due {
            self.due = now.plus(self.options.interval);
            self.tell_statistics(now);
        }
    }

    fn tell_losses(&mut self, now: Timestamp) {
        let printer = &mut self.printer;
        let (dropped, frames) = self.rings.since_last();
        self.engine.dropped(dropped, frames);
        self.rings.look(now, |interface, count, since| {
            printer.loss(&Loss {
                what: "frames",
                place: interface,
                count,
                start: since,
                end: now,
            });
        });
    }

    fn tell_statistics(&mut self, now: Timestamp) {
        let (sum, _, _) = self.sum();
        self.printer.statistics(&sum, self.options.began, now);
    }

    /// The state of the moment, where somebody may ask for it.
    fn tell_metrics(&mut self, now: Timestamp) {
        if self.mailbox.is_none() {
            return;
        }
        let (counts, lag, outputs) = self.sum();
        let left = self.left();
        let ago = |heard: Instant| heard.elapsed();
        let snapshot = Snapshot {
            taken: Instant::now(),
            began: self.options.began,
            counts,
            lag,
            interfaces: self.links.figures(),
            outputs,
            workers: self
                .workers
                .iter()
                .map(|worker| worker.heard.map(ago))
                .collect(),
            behind: if left > Tick(i64::MIN) {
                now.since(left.start())
            } else {
                Duration::ZERO
            },
            limits: self.options.limits,
        };
        if let Some(mailbox) = &self.mailbox {
            mailbox.put(snapshot);
        }
    }

    /// What everybody counted.
    fn sum(&mut self) -> (Counts, Delays, Vec<OutputCounters>) {
        let (mut sum, mut lag) = (Counts::default(), Delays::default());
        for worker in &self.workers {
            sum.add(worker.counts.iter());
            lag.merge(&worker.lag);
        }
        sum.add(self.engine.counters().iter());
        sum.add(self.engine.hosts().counts());
        sum.add(self.engine.os_counters().iter());
        sum.add(self.engine.coverage().counters().iter());
        sum.add(self.counters.iter());
        sum.add(self.printer.counts());
        if let Some(keeping) = &self.keeping {
            sum.add(keeping.counters().iter());
        }
        sum.add(self.rings.counters().total().iter());
        sum.add(self.links.total().iter());
        sum.add([
            ("lag.frames", lag.total()),
            ("lag.within_1s", lag.within(1_000)),
            ("lag.within_5s", lag.within(5_000)),
            ("updates.open", self.engine.open_entries() as u64),
            ("coverage.clients", self.engine.coverage().len() as u64),
            ("updates.facts_waiting", self.waiting.len() as u64),
        ]);
        let outputs = (self.others)(&mut sum);
        (sum, lag, outputs)
    }

    fn hand_on(&mut self) {
        hand_on(&mut self.printer, &mut self.feeder);
        self.feeder.flush();
    }

    /// Capture is over, so outputs are waited for.
    fn finish(mut self) {
        self.feeder.wait_for_readers(LAST_LINES);
        if let Some(keeping) = &mut self.keeping {
            keeping.give_up();
        }
        self.conclude();
        let now = wall_time();
        let printer = &mut self.printer;
        self.engine.tell_hours(now, &mut |cause, output| {
            printer.output(None, cause, &output)
        });
        let keeping = self.keeping.as_mut();
        if !keeping.is_some_and(|keeping| keeping.write_last(&self.engine, now)) {
            self.waiting = std::mem::take(&mut self.ending);
            self.conclude();
            let (printer, feeder) = (&mut self.printer, &mut self.feeder);
            self.engine.finish(now, &mut |cause, output| {
                printer.output(None, cause, &output);
                hand_on(printer, feeder);
            });
        }
        self.tell_losses(now);
        self.links.look(Instant::now());
        self.tell_statistics(now);
        self.hand_on();
    }
}

/// What was printed goes to the outputs, in blocks.
fn hand_on(printer: &mut Printer, feeder: &mut Feeder) {
    printer
        .lines()
        .each(|kind, decided, line| feeder.line(kind, decided, line));
    printer.clear();
}
