//! The updates thread: it merges what the workers made of a step, turns facts into accesses and sessions, and writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::order::{Key, Lines, merge};
use super::printer::Printer;
use super::statistics::Counts;
use super::worker::Made;
use crate::records::people::People;
use crate::sinks::{Sink, SinkError};
use crate::types::{Tick, Timestamp};
use crate::updates::{Engine, Fact};

/// What follows the workers.
pub(super) struct Collector {
    engine: Engine,
    form: Form,
    sink: Sink,
    counts: Counts,
    /// The first error of the output; nothing is written after it.
    failure: Option<SinkError>,
    /// Set when nobody reads the output any more: there is no use in going on.
    is_over: Arc<AtomicBool>,
}

/// How it is written.
pub(super) enum Form {
    /// As JSON lines.
    Json(Box<Printer>),
    /// For people, sorted at the end.
    People(Box<People>),
}

/// What became of the output.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub counts: Counts,
    pub failure: Option<SinkError>,
    /// Lines for people that were too many to be kept.
    pub dropped: u64,
}

impl Collector {
    pub fn new(engine: Engine, form: Form, sink: Sink, is_over: Arc<AtomicBool>) -> Self {
        Self {
            engine,
            form,
            sink,
            counts: Counts::default(),
            failure: None,
            is_over,
        }
    }

    /// Takes in what the workers made of a step that ends within `tick`.
    pub fn step(&mut self, made: &mut [Made], tick: Tick) {
        if let Some((first, others)) = made.split_first_mut() {
            let facts = &mut first.facts;
            others
                .iter_mut()
                .for_each(|part| facts.append(&mut part.facts));
            facts.sort_by_key(|(key, _)| *key);
            for (key, fact) in facts.drain(..) {
                self.form.fact(&mut self.engine, key, &fact);
            }
        }
        if tick.0 > i64::MIN {
            self.form.advance(&mut self.engine, tick.start());
        }
        self.write(made);
    }

    /// Adds what a worker counted.
    pub fn add_counts(&mut self, counts: Option<Counts>) {
        self.counts.add(counts.iter().flat_map(Counts::iter));
    }

    /// What workers counted.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// The end of input, at `now`: what is open ends, what was counted is told.
    pub fn finish(
        mut self,
        mut counts: Counts,
        first: Option<Timestamp>,
        now: Timestamp,
    ) -> Written {
        self.form.finish(&mut self.engine, now);
        counts.add(self.engine.counters().iter());
        counts.add(self.engine.hosts().counts());
        counts.add(self.engine.os_counters().iter());
        counts.add(self.engine.coverage().counters().iter());
        // Without a frame there is no time at which anything was counted.
        if let (Form::Json(printer), Some(first)) = (&mut self.form, first) {
            counts.add(printer.counts());
            printer.statistics(&counts, first, now);
        }
        self.write(&mut []);
        let mut dropped = 0;
        if let Form::People(people) = self.form {
            dropped = people.dropped();
            let mut lines = people.finish();
            while self.failure.is_none()
                && !self.sink.reader_gone()
                && let Some(line) = lines.next()
            {
                let outcome = self.sink.write(format!("{line}\n").as_bytes());
                self.failure = outcome.err();
            }
        }
        let failure = self.failure.or_else(|| self.sink.flush().err());
        Written {
            counts,
            failure,
            dropped,
        }
    }

    fn write(&mut self, made: &mut [Made]) {
        let Form::Json(printer) = &mut self.form else {
            return;
        };
        let mut parts: Vec<&Lines> = made.iter().map(|part| &part.lines).collect();
        parts.push(printer.lines());
        if self.failure.is_none() && !self.sink.reader_gone() {
            let outcome = merge(&parts, |line| self.sink.write(line));
            self.failure = outcome.err();
        }
        if self.failure.is_some() || self.sink.reader_gone() {
            self.is_over.store(true, Ordering::Relaxed);
        }
        printer.clear();
        made.iter_mut().for_each(|part| part.lines.clear());
    }
}

impl Form {
    fn fact(&mut self, engine: &mut Engine, key: Key, fact: &Fact) {
        match self {
            Self::Json(printer) => {
                engine.fact(fact, &mut |cause, output| {
                    printer.output(Some(key), cause, &output)
                });
                printer.saw(fact, engine.hosts());
            }
            Self::People(people) => {
                people.fact(fact);
                engine.fact(fact, &mut |_, output| people.output(&output));
            }
        }
    }

    fn advance(&mut self, engine: &mut Engine, now: Timestamp) {
        match self {
            Self::Json(printer) => engine.advance(now, &mut |cause, output| {
                printer.output(None, cause, &output)
            }),
            Self::People(people) => engine.advance(now, &mut |_, output| people.output(&output)),
        }
    }

    fn finish(&mut self, engine: &mut Engine, now: Timestamp) {
        match self {
            Self::Json(printer) => engine.finish(now, &mut |cause, output| {
                printer.output(None, cause, &output)
            }),
            Self::People(people) => engine.finish(now, &mut |_, output| people.output(&output)),
        }
    }
}
