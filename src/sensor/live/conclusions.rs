//! The conclusions thread: the facts of all workers, in the order of a replay, to accesses, sessions and statistics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::census::{Census, Clients};
use super::renewal::{Board, Reader, Renewal};
use super::rings::Rings;
use crate::counters;
use crate::records::stats::Loss;
use crate::sensor::order::Key;
use crate::sensor::outputs::Feeder;
use crate::sensor::printer::Printer;
use crate::sensor::statistics::Counts;
use crate::source::clock::wall_time;
use crate::types::{Tick, Timestamp};
use crate::updates::{Engine, Fact};

/// Longest wait for a report.
const PATIENCE: Duration = Duration::from_millis(100);
/// Longest that outputs that take lines are waited for at the end.
const LAST_LINES: Duration = Duration::from_secs(8);
/// Facts that wait for a slower worker; beyond that they count out of order, and that is counted.
const MAX_WAITING: usize = 1 << 18;

counters! {
    /// What did not go its usual way.
    pub struct ConclusionCounters {
        /// Facts that counted before every worker had left their tick, because too many waited.
        hurried: "updates.facts_hurried",
    }
}

/// What was printed goes to the outputs, in blocks.
fn hand_on(printer: &mut Printer, feeder: &mut Feeder) {
    printer.lines().each(|kind, line| feeder.line(kind, line));
    printer.clear();
}

/// What a worker hands on after a turn.
#[derive(Debug)]
pub(super) struct Report {
    pub worker: usize,
    /// The tick that the worker is in: it makes no fact of an earlier one any more.
    pub tick: Tick,
    pub facts: Vec<(Key, Fact)>,
    /// Everything that the worker counted so far; now and then.
    pub counts: Option<Counts>,
    /// Whom the worker saw, in a round of the census.
    pub clients: Option<Clients>,
}

/// How the thread goes about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub workers: usize,
    pub began: Timestamp,
    /// Between two `stats` records.
    pub interval: Duration,
}

/// The state of the thread.
pub(super) struct Conclusions<F> {
    engine: Engine,
    printer: Printer,
    feeder: Feeder,
    options: Options,
    /// Counters of everything else, asked for when statistics are due.
    others: F,
    rings: Rings,
    census: Census,
    /// The tick of each worker.
    ticks: Vec<Tick>,
    /// Facts whose tick not every worker has left.
    waiting: BTreeMap<(Key, usize), Fact>,
    arrived: usize,
    counts: Vec<Counts>,
    /// When statistics are due.
    due: Timestamp,
    counters: ConclusionCounters,
}

impl<F: FnMut(&mut Counts)> Conclusions<F> {
    pub fn new(
        engine: Engine,
        printer: Printer,
        feeder: Feeder,
        options: Options,
        rings: Rings,
        census: Census,
        others: F,
    ) -> Self {
        Self {
            engine,
            printer,
            feeder,
            options,
            others,
            rings,
            census,
            ticks: vec![Tick(i64::MIN); options.workers],
            waiting: BTreeMap::new(),
            arrived: 0,
            counts: vec![Counts::default(); options.workers],
            due: options.began.plus(options.interval),
            counters: ConclusionCounters::default(),
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
            self.tell_what_is_due();
            self.hand_on();
        }
        self.finish();
    }

    fn renew(&mut self, new: &Renewal) {
        let catalogue = || Arc::clone(&new.catalogue);
        self.engine.renew(catalogue(), new.config.update_options());
        self.printer.renew(catalogue(), new.hosts.clone());
    }

    fn report(&mut self, report: Report) {
        for (key, fact) in report.facts {
            // Two workers may give equal keys: the order of arrival tells them apart.
            self.arrived += 1;
            self.waiting.insert((key, self.arrived), fact);
        }
        if let Some(tick) = self.ticks.get_mut(report.worker) {
            *tick = report.tick;
        }
        if let Some(clients) = report.clients {
            self.census.take_in(report.worker, clients);
        }
        if let (Some(counts), Some(known)) = (report.counts, self.counts.get_mut(report.worker)) {
            *known = counts;
        }
    }

    /// What every worker has left behind counts.
    fn conclude(&mut self) {
        let left = self.ticks.iter().min().copied().unwrap_or_default();
        while let Some(first) = self.waiting.first_entry() {
            let (key, _) = *first.key();
            let is_early = key.tick() >= left;
            if is_early && self.waiting.len() <= MAX_WAITING {
                break;
            }
            self.counters.hurried += u64::from(is_early);
            if let Some((_, fact)) = self.waiting.pop_first() {
                let printer = &mut self.printer;
                printer.saw(&fact);
                self.engine.fact(&fact, &mut |cause, output| {
                    printer.output(Some(key), cause, &output)
                });
            }
        }
        if left > Tick(i64::MIN) && left < Tick(i64::MAX) {
            let printer = &mut self.printer;
            self.engine.advance(left.start(), &mut |cause, output| {
                printer.output(None, cause, &output)
            });
        }
    }

    fn tell_what_is_due(&mut self) {
        let now = wall_time();
        if self.rings.is_due(now) {
            self.tell_losses(now);
        }
        if now >= self.due {
            self.due = now.plus(self.options.interval);
            self.tell_statistics(now);
        }
    }

    fn tell_losses(&mut self, now: Timestamp) {
        let printer = &mut self.printer;
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
        let mut sum = Counts::default();
        for counts in &self.counts {
            sum.add(counts.iter());
        }
        sum.add(self.engine.counters().iter());
        sum.add(self.counters.iter());
        sum.add(self.printer.counts());
        sum.add(self.rings.counters().total().iter());
        (self.others)(&mut sum);
        self.printer.statistics(&sum, self.options.began, now);
    }

    fn hand_on(&mut self) {
        hand_on(&mut self.printer, &mut self.feeder);
        self.feeder.flush();
    }

    /// Capture is over, so outputs are waited for.
    fn finish(mut self) {
        self.feeder.wait_for_readers(LAST_LINES);
        self.conclude();
        let now = wall_time();
        let (printer, feeder) = (&mut self.printer, &mut self.feeder);
        self.engine.finish(now, &mut |cause, output| {
            printer.output(None, cause, &output);
            hand_on(printer, feeder);
        });
        self.tell_losses(now);
        self.tell_statistics(now);
        self.hand_on();
    }
}
