//! What the next run goes on with: when it is told, who writes it, and how it is taken up.
//!
//! State is told as of a *cut*: the beginning of a tick. Workers keep their flows when they come to it, the conclusions thread has by then
//! taken in every fact from before it, and none from behind it. Nobody waits but what is behind the cut, which would wait for the slower
//! workers anyway. A thread of its own adds the names, which can be read meanwhile, and writes. Where a file cannot be written, the one
//! before stays, the log says so once, and it is tried again at the next time.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::config::Config;
use crate::config::memory::Shares;
use crate::counters;
use crate::names::Names;
use crate::pseudonyms::{Fingerprint, Pseudonyms};
use crate::records::stats::Loss;
use crate::sensor::kept::KeptFlow;
use crate::sensor::setup::SetupError;
use crate::sensor::state::{Frames, Moment, State, Store, Written};
use crate::source::clock::wall_time;
use crate::source::live::home;
use crate::types::{Tick, Timestamp};
use crate::updates::Engine;
use crate::updates::catalogue::Catalogue;
use crate::updates::coverage::kept::KeptCoverage;
use crate::updates::engine::kept::{Kept, Resumption, resolve};
use crate::updates::hosts::kept::KeptHost;

/// The cut lies so many ticks behind the newest one: every worker should learn of it before.
const AHEAD: i64 = 10;
/// Tellings that wait for the writer: with more, it is too slow.
const WAITING: usize = 1;
/// What is to be told to the network team, and was not yet; more of it is more of the same.
const NOTICES: usize = 16;

counters! {
    /// What became of the state directory.
    pub struct KeepingCounters {
        /// Files written.
        written: "state.written",
        /// Bytes of the last one.
        bytes: "state.bytes",
        /// Files that could not be written.
        failed: "state.failed",
        /// Times at which the file before was not written yet.
        late: "state.late",
        /// Items that did not fit, of all files.
        left_out: "state.left_out",
        /// Items that this run has taken up.
        taken_up: "state.taken_up",
        /// Items of the file that made no sense for this run.
        dropped: "state.dropped",
        /// A file that was refused as a whole.
        refused: "state.refused",
    }
}

/// Something to write.
#[derive(Debug)]
struct Telling {
    moment: Moment,
    engine: Frames,
    flows: Vec<Frames>,
}

/// The thread that writes.
#[derive(Debug)]
pub(super) struct Writer {
    store: Store,
    names: Arc<Names>,
    tellings: Receiver<Telling>,
    outcomes: Sender<Option<Written>>,
    notices: Sender<String>,
}

/// The conclusions thread's part.
#[derive(Debug)]
pub(super) struct Keeping<'s> {
    cut: &'s AtomicI64,
    workers: usize,
    interval: Duration,
    engine_bytes: usize,
    due: Timestamp,
    pending: Option<Pending>,
    /// Of the run's end.
    last: Vec<Frames>,
    tellings: Sender<Telling>,
    outcomes: Receiver<Option<Written>>,
    /// Outcomes that the writer owes.
    awaited: u64,
    counters: KeepingCounters,
    /// From when to when nobody looked.
    gap: Option<(Timestamp, Timestamp)>,
}

#[derive(Debug)]
struct Pending {
    cut: Tick,
    flows: Vec<Frames>,
}

/// What a run starts with.
#[derive(Debug, Default)]
pub(super) struct Resumed {
    pub updates: Vec<Kept>,
    pub hosts: Vec<KeptHost>,
    pub coverage: Vec<KeptCoverage>,
    pub flows: Vec<KeptFlow>,
    pub when: Option<Resumption>,
    pub counters: KeepingCounters,
}

/// Bytes for the flows of one of `workers` workers: a quarter of the file for all.
pub(super) fn flow_bytes(config: &Config, workers: usize) -> Option<usize> {
    config.state.directory.as_ref()?;
    let share = Shares::of(config.memory).state / 4 / workers.max(1) as u64;
    Some(usize::try_from(share).unwrap_or(usize::MAX))
}

/// The store that a configuration names, of clients under these pseudonyms.
pub(super) fn store(
    config: &Config,
    pseudonyms: Option<&Pseudonyms>,
) -> Result<Option<Store>, SetupError> {
    let Some(directory) = &config.state.directory else {
        return Ok(None);
    };
    let clients = pseudonyms.map_or(Fingerprint::NONE, Pseudonyms::fingerprint);
    let store = Store::open(directory, Shares::of(config.memory).state, clients);
    store.map(Some).map_err(|error| SetupError::State {
        path: directory.clone(),
        remedy: match error.kind() {
            io::ErrorKind::ResourceBusy => ": give each a directory of its own",
            _ => "",
        },
        error,
    })
}

impl Resumed {
    /// Takes up what the run before left, where it can be gone on with; tells why where not.
    pub fn of(
        store: Option<&Store>,
        catalogue: Catalogue,
        names: &Names,
        resumed: Timestamp,
        notice: &mut dyn FnMut(String),
    ) -> (Self, Catalogue) {
        let mut this = Self::default();
        let Some((store, taken)) = store.and_then(|store| Some((store, store.take_up(resumed)?)))
        else {
            return (this, catalogue);
        };
        match taken {
            Ok(state) => {
                let catalogue = this.take_up(state, catalogue, names, resumed);
                (this, catalogue)
            }
            Err(refusal) => {
                let path = store.path();
                notice(format!(
                    "state {}: {refusal}; the run begins anew",
                    path.display()
                ));
                this.counters.refused = 1;
                (this, catalogue)
            }
        }
    }

    fn take_up(
        &mut self,
        state: State,
        catalogue: Catalogue,
        names: &Names,
        resumed: Timestamp,
    ) -> Catalogue {
        let moment = state.moment;
        let latest = moment.written.max(moment.seen);
        let mut learnt = 0;
        // From the oldest on: where there is no room for all, the newest stay.
        for name in state.names.iter().rev() {
            learnt += u64::from(names.take_up(name, latest));
        }
        self.counters.taken_up += learnt;
        self.counters.dropped += state.names.len() as u64 - learnt;
        let flows = state.flows.len();
        let is_past = |flow: &KeptFlow| flow.last <= latest;
        self.flows = state.flows.into_iter().filter(is_past).collect();
        self.counters.taken_up += self.flows.len() as u64;
        self.counters.dropped += (flows - self.flows.len()) as u64;
        let (catalogue, updates) = resolve(catalogue, state.updates);
        self.updates = updates;
        self.hosts = state.hosts;
        self.coverage = state.coverage;
        self.when = Some(Resumption {
            seen: moment.seen,
            resumed,
            runs_since: moment.runs,
        });
        catalogue
    }

    /// The flows of each of `workers` workers.
    pub fn share_out(&mut self, workers: usize) -> Vec<Vec<KeptFlow>> {
        let mut shares: Vec<Vec<KeptFlow>> = (0..workers).map(|_| Vec::new()).collect();
        for flow in std::mem::take(&mut self.flows) {
            let [one, other] = flow.ends();
            if let Some(share) = shares.get_mut(home(one, other, workers)) {
                share.push(flow);
            }
        }
        shares
    }

    /// Accesses, sessions and what else belongs to clients.
    pub fn give_to(&mut self, engine: &mut Engine) {
        if let Some(when) = self.when {
            let updates = std::mem::take(&mut self.updates);
            let hosts = std::mem::take(&mut self.hosts);
            let coverage = std::mem::take(&mut self.coverage);
            let all = (updates.len() + hosts.len() + coverage.len()) as u64;
            // Whose things are comes first: what comes now may belong to what is taken up.
            let taken = engine.take_up_hosts(hosts, &when)
                + engine.take_up(updates, &when)
                + engine.take_up_coverage(coverage, &when);
            self.counters.taken_up += taken;
            self.counters.dropped += all - taken;
        }
    }
}

/// The two ends of keeping: the conclusions thread's, and the writer's.
pub(super) fn ends<'s>(
    store: Store,
    names: Arc<Names>,
    config: &Config,
    workers: usize,
    cut: &'s AtomicI64,
    notices: Sender<String>,
) -> (Keeping<'s>, Writer) {
    let (to_writer, tellings) = bounded(WAITING);
    let (to_keeping, outcomes) = bounded(WAITING + 1);
    let half = usize::try_from(store.limit() / 2).unwrap_or(usize::MAX);
    let keeping = Keeping {
        cut,
        workers,
        interval: config.state.interval,
        engine_bytes: half,
        // Soon: a run that dies early should not cost what the one before knew.
        due: wall_time(),
        pending: None,
        last: Vec::new(),
        tellings: to_writer,
        outcomes,
        awaited: 0,
        counters: KeepingCounters::default(),
        gap: None,
    };
    let writer = Writer {
        store,
        names,
        tellings,
        outcomes: to_keeping,
        notices,
    };
    (keeping, writer)
}

/// Room for what there is to say.
pub(super) fn notices() -> (Sender<String>, Receiver<String>) {
    bounded(NOTICES)
}

impl Keeping<'_> {
    /// What the run began with.
    #[must_use]
    pub fn after(mut self, resumed: &Resumed) -> Self {
        self.counters.add(&resumed.counters);
        let when = resumed.when;
        self.gap = when.map(|when| (when.seen.min(when.resumed), when.resumed));
        self
    }

    /// The gap that the restart made, once.
    pub fn gap(&mut self) -> Option<Loss<'static>> {
        let (start, end) = self.gap.take()?;
        Some(Loss {
            what: "restart",
            place: "capture",
            count: 1,
            start,
            end,
        })
    }

    /// The tick before which everything is to be told, and nothing from behind it.
    pub fn cut(&self) -> Option<Tick> {
        self.pending.as_ref().map(|pending| pending.cut)
    }

    /// A worker has come to the cut.
    pub fn kept(&mut self, flows: Frames) {
        if let Some(pending) = &mut self.pending {
            pending.flows.push(flows);
        }
    }

    /// A worker has come to its end.
    pub fn kept_last(&mut self, flows: Frames) {
        self.last.push(flows);
    }

    /// Asks the workers for their flows, where it is time.
    pub fn begin_where_due(&mut self, newest: Tick) {
        let now = wall_time();
        self.hear();
        if now < self.due || self.pending.is_some() {
            return;
        }
        self.due = now.plus(self.interval);
        let cut = Tick(newest.0.saturating_add(AHEAD));
        self.cut.store(cut.0, Ordering::Relaxed);
        self.pending = Some(Pending {
            cut,
            flows: Vec::new(),
        });
    }

    /// Hands to the writer what there is, once every worker has come to the cut.
    pub fn write_where_whole(&mut self, engine: &Engine) {
        let workers = self.workers;
        let Some(pending) = self
            .pending
            .take_if(|pending| pending.flows.len() >= workers)
        else {
            return;
        };
        // Whoever takes it up comes after a run that did not end as it should.
        let telling = self.telling(engine, pending.cut.start(), 1, pending.flows);
        match self.tellings.try_send(telling) {
            Ok(()) => self.awaited += 1,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.counters.late += 1,
        }
    }

    /// The run ends: what is pending is not written any more.
    pub fn give_up(&mut self) {
        self.pending = None;
    }

    /// The end: writes, waits for it, and tells whether the next run can go on with it.
    pub fn write_last(&mut self, engine: &Engine, now: Timestamp) -> bool {
        self.hear();
        let flows = std::mem::take(&mut self.last);
        let telling = self.telling(engine, now, 0, flows);
        if self.tellings.send(telling).is_err() {
            return false;
        }
        self.awaited += 1;
        let mut is_written = false;
        while self.awaited > 0
            && let Ok(outcome) = self.outcomes.recv()
        {
            is_written = outcome.is_some();
            self.heard(outcome);
        }
        // A writer that is gone may have owed the last one.
        self.awaited == 0 && is_written
    }

    /// What was counted.
    pub const fn counters(&self) -> &KeepingCounters {
        &self.counters
    }

    fn telling(&self, engine: &Engine, seen: Timestamp, runs: u32, flows: Vec<Frames>) -> Telling {
        let mut frames = Frames::new(self.engine_bytes);
        engine.hosts().kept(&mut |item| frames.host(item));
        engine.kept(&mut |item| frames.update(item));
        engine.coverage().kept(&mut |item| frames.coverage(item));
        Telling {
            moment: Moment {
                written: seen,
                seen,
                runs,
            },
            engine: frames,
            flows,
        }
    }

    fn hear(&mut self) {
        while let Ok(outcome) = self.outcomes.try_recv() {
            self.heard(outcome);
        }
    }

    fn heard(&mut self, outcome: Option<Written>) {
        self.awaited = self.awaited.saturating_sub(1);
        match outcome {
            Some(written) => {
                self.counters.written += 1;
                self.counters.bytes = written.bytes;
                self.counters.left_out += written.left_out;
            }
            None => self.counters.failed += 1,
        }
    }
}

impl Writer {
    /// Until nobody tells anything any more.
    pub fn run(self) {
        let mut is_failing = false;
        for telling in &self.tellings {
            let written = self.write(telling);
            if let Err(error) = &written
                && !is_failing
            {
                let path = self.store.path();
                let shown = path.parent().unwrap_or(Path::new("")).display();
                let notice =
                    format!("state in {shown} cannot be written: {error}; it is tried again");
                let _ = self.notices.try_send(notice);
            }
            is_failing = written.is_err();
            if self.outcomes.send(written.ok()).is_err() {
                return;
            }
        }
    }

    fn write(&self, telling: Telling) -> std::io::Result<Written> {
        // Names may have come since.
        let moment = Moment {
            written: wall_time().max(telling.moment.seen),
            ..telling.moment
        };
        let parts: Vec<&Frames> = [&telling.engine]
            .into_iter()
            .chain(&telling.flows)
            .collect();
        self.store
            .write(moment, &parts, self.names.kept(moment.written))
    }
}
