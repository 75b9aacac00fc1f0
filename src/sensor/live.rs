//! `patchspan run`: interfaces through every stage to the outputs, until somebody says stop.
//!
//! * this file: threads are started, watched and ended
//! * `capture`: one worker: from its sockets to lines and facts; it never waits for anybody
//! * `router`: packets whose flow belongs to another worker
//! * `renewal`: what a reload changes, on its way to the threads
//! * `census`: which networks the clients are in, told once
//! * `keeping`: what the next run goes on with: when it is written, and taken up
//! * `rings`: what the kernel had no room for
//! * `links`: what the interfaces counted themselves
//! * `watch`: the main thread meanwhile: signals, reloads, what is to be told
//! * `conclusions`: the one thread that turns the facts of all workers into accesses, sessions and statistics
//!
//! A worker's clock is set by its packets, on a silent link by the wall. Facts of several workers are put in the order of a replay
//! before they count: those of a tick once every worker has left it.

mod capture;
mod census;
mod conclusions;
mod keeping;
mod links;
mod renewal;
mod rings;
mod router;
mod watch;

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::cores;
use super::doctor::FlowWatch;
use super::hosts::KnownHosts;
use super::kept::KeptFlow;
use super::memory;
use super::metrics::{Mailbox, Server};
use super::outputs::{OutputCounters, Outputs};
use super::printer::Printer;
use super::sandbox;
use super::setup::{Origins, SetupError, catalogue, listed, pseudonyms, style};
use super::state::Store;
use super::statistics::Counts;
use super::worker::Worker;
use crate::config::Config;
use crate::config::job::{RunJob, RunOutcome};
use crate::config::metrics::Listen;
use crate::names::Names;
use crate::source::clock::wall_time;
use crate::source::live::{self, LinkEvent, LiveWorker};
use crate::types::Timestamp;
use crate::updates::Engine;
use capture::{CaptureWorker, Ends, Road};
use census::{Census, Rounds};
use conclusions::Conclusions;
use keeping::Resumed;
use renewal::{Board, Fixed, Renewal, rewritten};
use rings::Rings;
use router::Router;
use watch::Watch;

/// Reports of workers that wait for the conclusions thread, for each worker.
const REPORTS: usize = 64;
/// Longest wait for other workers at the end, and how often it is looked.
const LONGEST_MEETING: Duration = Duration::from_secs(2);
const MEETING_STEP: Duration = Duration::from_millis(5);
/// Clients that a worker tells apart for the proposed `networks.local`.
const MAX_CLIENTS: usize = 1 << 14;
/// How long outputs that take lines are waited for while the last ones are made.
const LAST_LINES: Duration = Duration::from_secs(8);
/// How long outputs may then take for what they still hold.
const FLUSH: Duration = Duration::from_secs(5);

/// What the network team may want to know while the sensor runs.
#[derive(Debug)]
pub enum Event {
    /// Every socket is open, and was polled once.
    Ready,
    /// Every worker has turned since the last time.
    Alive,
    /// Something that does not end the run.
    Notice(String),
    /// A signal asked for the end.
    Stopping,
}

/// What workers share with the main thread beside channels.
#[derive(Debug)]
struct Shared {
    is_stopping: AtomicBool,
    /// Turns of each worker's loop.
    turns: Box<[AtomicU64]>,
    /// How often workers have come to a meeting.
    arrivals: AtomicUsize,
    board: Board,
    /// The tick at whose beginning workers keep their flows: set by the conclusions thread, read by workers. Nothing hangs on when they
    /// see it, but that it should be before that tick.
    cut: AtomicI64,
}

impl Shared {
    fn new(workers: usize, first: Arc<Renewal>) -> Self {
        Self {
            board: Board::new(first),
            is_stopping: AtomicBool::new(false),
            turns: (0..workers).map(|_| AtomicU64::new(0)).collect(),
            arrivals: AtomicUsize::new(0),
            cut: AtomicI64::new(i64::MAX),
        }
    }

    /// Waits at the end until all workers have come to the `meeting`th meeting, from 1. One that died is not waited for.
    fn meet(&self, meeting: usize) {
        self.arrivals.fetch_add(1, Ordering::AcqRel);
        let (awaited, limit) = (meeting * self.turns.len(), Instant::now() + LONGEST_MEETING);
        while self.arrivals.load(Ordering::Acquire) < awaited && Instant::now() < limit {
            thread::sleep(MEETING_STEP);
        }
    }
}

/// What all workers are made of.
struct Parts<'p> {
    config: &'p Config,
    names: Arc<Names>,
    outputs: &'p Outputs,
    fixed: Fixed,
    began: Timestamp,
    alive_every: Duration,
    shared: Shared,
    /// Where the state of each second goes, where somebody may ask for it.
    mailbox: Option<Mailbox>,
}

/// Reads the configuration and the list of hosts again, or gives every error of both.
pub type Reload<'r> = dyn FnMut() -> Result<RunJob, Vec<String>> + 'r;

/// Captures until SIGTERM or SIGINT; `on_event` and `reload` are called in this thread, which must be the only one of the process: it
/// gives up its rights, see [`sandbox`].
pub fn run(
    job: &RunJob,
    reload: &mut Reload<'_>,
    on_event: &mut dyn FnMut(Event),
) -> Result<RunOutcome, SetupError> {
    cores::check(&job.config.capture.cores, job.config.capture.workers)?;
    memory::check(job.config.memory)?;
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(SetupError::Thread)?;
    // The key is read with the rights of the start, and never again.
    let pseudonyms = pseudonyms(&job.config)?;
    let report = sandbox::enter(job).map_err(SetupError::Sandbox)?;
    let job = &rewritten(job, pseudonyms.as_deref());
    on_event(Event::Notice(report.summary()));
    let store = keeping::store(&job.config, pseudonyms.as_deref())?;
    let catalogue = catalogue(&job.config)?;
    let sources = live::open(&job.config.live_options()).map_err(SetupError::Capture)?;
    let seed = RandomState::new().hash_one(());
    let began = wall_time();
    let names = Arc::new(Names::new(job.config.names_options(seed)));
    let mut notice = |notice| on_event(Event::Notice(notice));
    let (resumed, catalogue) = Resumed::of(store.as_ref(), catalogue, &names, began, &mut notice);
    let origins = Origins::Interfaces(job.config.capture.interfaces.clone());
    let style = style(&job.config, origins);
    let outputs = Outputs::start(&job.config.outputs, &style, Arc::new(wall_time))
        .map_err(SetupError::Outputs)?;
    let (mailbox, server) = job.config.metrics.as_ref().map(serve).transpose()?.unzip();
    let fixed = Fixed {
        workers: sources.len(),
        kinds: outputs.kinds(),
        style,
        seed,
        pseudonyms,
    };
    let parts = Parts {
        config: &job.config,
        names,
        outputs: &outputs,
        began,
        alive_every: job.alive_every,
        shared: Shared::new(sources.len(), fixed.renewal(job, Arc::new(catalogue))),
        fixed,
        mailbox,
    };
    let ended = parts.run(sources, resumed, store, &mut signals, reload, on_event);
    ended.map_err(SetupError::Thread)?;
    drop(parts);
    if let Some(server) = server {
        server.stop();
    }
    Ok(conclude(outputs, on_event))
}

/// Metrics and health from now on.
fn serve(listen: &Listen) -> Result<(Mailbox, Server), SetupError> {
    let (mailbox, snapshots) = Mailbox::new();
    let server = Server::start(listen, snapshots).map_err(SetupError::Metrics)?;
    Ok((mailbox, server))
}

/// Outputs write what they still hold; tells what they could not.
fn conclude(outputs: Outputs, on_event: &mut dyn FnMut(Event)) -> RunOutcome {
    let mut outcome = RunOutcome::default();
    for output in outputs.counters() {
        let told = output.dropped.iter().sum::<u64>() + output.unread;
        outcome.told += told;
        if told > 0 {
            on_event(Event::Notice(format!(
                "output {}: {told} lines were lost since the start, as its `loss` records tell",
                output.name
            )));
        }
    }
    for untold in outputs.stop(FLUSH) {
        outcome.lost += untold.lines;
        on_event(Event::Notice(format!(
            "output {}: {} lines were not written",
            untold.output, untold.lines
        )));
    }
    outcome
}

impl Parts<'_> {
    /// Until all threads have ended, and nothing is left to tell.
    fn run(
        &self,
        sources: Vec<LiveWorker>,
        resumed: Resumed,
        store: Option<Store>,
        signals: &mut Signals,
        reload: &mut Reload<'_>,
        on_event: &mut dyn FnMut(Event),
    ) -> io::Result<()> {
        let (to_watch, notices) = keeping::notices();
        let ended = thread::scope(|scope| {
            let kept = store.map(|store| (store, to_watch));
            let ended = self.start(scope, sources, (resumed, kept), |watch, events| {
                watch.run(events, &notices, signals, reload, on_event);
            });
            // Where a thread could not be started, those before it end.
            self.shared.is_stopping.store(true, Ordering::Relaxed);
            ended
        });
        for notice in notices.try_iter() {
            on_event(Event::Notice(notice));
        }
        ended
    }

    /// Starts the threads, watches them, and returns once the watch does.
    fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        sources: Vec<LiveWorker>,
        (mut resumed, store): (Resumed, Option<(Store, Sender<String>)>),
        watch: impl FnOnce(&mut Watch<'_, 'scope>, &Receiver<LinkEvent>),
    ) -> io::Result<()> {
        let (reports, reported) = bounded(REPORTS * sources.len());
        let (events, happened) = unbounded();
        let Some(counters) = sources.first().map(LiveWorker::counters) else {
            return Ok(());
        };
        let (clients, heard) = bounded(1);
        let mut shares = resumed.share_out(sources.len()).into_iter();
        let is_warm = resumed.when.is_some();
        let mut threads = Vec::new();
        let mut keeping = None;
        if let Some((store, notices)) = store {
            let (names, cut) = (Arc::clone(&self.names), &self.shared.cut);
            let workers = sources.len();
            let (ours, writer) = keeping::ends(store, names, self.config, workers, cut, notices);
            keeping = Some(ours);
            threads.push(spawn(scope, "state", move || writer.run())?);
        }
        let ends = conclusions::Ends {
            feeder: self.outputs.feeder(),
            rings: Rings::new(counters, self.began),
            census: Census::new(sources.len(), clients),
            mailbox: self.mailbox.clone(),
            keeping,
        };
        let conclusions = self.conclusions(ends, resumed);
        threads.push(spawn(scope, "conclusions", move || {
            conclusions.run(&reported, &self.shared.board)
        })?);
        let routers = Router::all(sources.len(), self.config.flows.key_vlan);
        for (index, (source, router)) in sources.into_iter().zip(routers).enumerate() {
            let ends = Ends {
                index,
                core: self.config.capture.cores.get(index).copied(),
                source,
                feeder: self.outputs.feeder(),
                rounds: Rounds::new(self.began, self.config.stats_interval),
                reports: reports.clone(),
                events: events.clone(),
            };
            let worker = self.worker(ends, router, shares.next().unwrap_or_default(), is_warm);
            let shared = &self.shared;
            let name = format!("worker-{index}");
            threads.push(spawn(scope, &name, move || worker.run(shared))?);
        }
        drop((reports, events));
        let mut watcher = Watch::new(self, &threads, heard);
        watch(&mut watcher, &happened);
        Ok(())
    }

    /// `flows`, of the run before; `is_warm`: its names are known too.
    fn worker(
        &self,
        ends: Ends,
        router: Router,
        flows: Vec<KeptFlow>,
        is_warm: bool,
    ) -> CaptureWorker {
        let first = self.shared.board.newest();
        let worker = Worker::new(
            Arc::clone(&first.settings),
            Arc::clone(&self.names),
            Arc::clone(&first.catalogue),
        )
        .looking_since(self.began, is_warm);
        // Whoever has named the clients' networks knows them; for pseudonyms they are named too.
        let is_unknown = self.config.local.is_empty() && self.config.pseudonyms.is_none();
        let mut worker = if is_unknown {
            worker.watched_by(FlowWatch::of_at_most(MAX_CLIENTS))
        } else {
            worker
        };
        worker.take_up(flows);
        let kept = keeping::flow_bytes(self.config, self.shared.turns.len());
        CaptureWorker::new(ends, Road::new(worker, router, self.began, kept))
    }

    fn conclusions<'s>(
        &'s self,
        mut ends: conclusions::Ends<'s>,
        mut resumed: Resumed,
    ) -> Conclusions<'s, impl FnMut(&mut Counts) -> Vec<OutputCounters> + use<'s>> {
        let (config, first) = (self.config, self.shared.board.newest());
        let printer = Printer::new(
            self.fixed.kinds,
            self.fixed.style.clone(),
            Arc::clone(&first.catalogue),
            KnownHosts::new(first.hosts.clone(), config.tells_client_ids()),
        );
        let options = conclusions::Options {
            workers: self.fixed.workers,
            began: self.began,
            interval: config.stats_interval,
            limits: config.health,
        };
        let mut engine = Engine::new(Arc::clone(&first.catalogue), config.update_options());
        engine.list(listed(config, &first.hosts));
        resumed.give_to(&mut engine);
        ends.keeping = ends.keeping.map(|keeping| keeping.after(&resumed));
        let others = |counts: &mut Counts| self.count_others(counts);
        Conclusions::new(engine, printer, options, ends, others)
    }

    /// Adds what outputs and the names table count, which no report of a worker holds.
    fn count_others(&self, counts: &mut Counts) -> Vec<OutputCounters> {
        let workers = self.fixed.workers;
        let flows = self.config.flow_options(workers, self.fixed.seed).max_flows * workers;
        let outputs = self.outputs.counters();
        for output in &outputs {
            let [conclusions, logs] = output.dropped;
            let [updates, _] = &output.delays;
            counts.add([
                ("outputs.lines", output.lines),
                ("outputs.bytes", output.bytes),
                ("outputs.dropped_conclusions", conclusions),
                ("outputs.dropped_logs", logs),
                ("outputs.unread", output.unread),
                ("outputs.errors", output.errors),
                ("outputs.closed", u64::from(!output.is_open)),
                ("outputs.updates", updates.total()),
                ("outputs.updates_within_1s", updates.within(1_000)),
                ("outputs.updates_within_5s", updates.within(5_000)),
            ]);
        }
        counts.add([
            ("flow.ceiling", flows as u64),
            ("names.entries", self.names.entries()),
            ("names.ceiling", self.names.ceiling()),
            ("names.evicted", self.names.evicted()),
        ]);
        outputs
    }
}

fn spawn<'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    run: impl FnOnce() + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, ()>> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn_scoped(scope, run)
}

/// The names of what only a live run counts.
#[cfg(test)]
pub(super) fn counted() -> Vec<&'static str> {
    let mut names = Vec::new();
    names.extend(capture::CaptureCounters::default().iter());
    names.extend(conclusions::ConclusionCounters::default().iter());
    names.extend(keeping::KeepingCounters::default().iter());
    names.extend(router::RouterCounters::default().iter());
    names.into_iter().map(|(name, _)| name).collect()
}
