//! `patchspan replay`: capture files through every stage to records.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::collector::{Collector, Form, Written};
use super::hosts::KnownHosts;
use super::pool::Pool;
use super::printer::Printer;
use super::setup::{Origins, SetupError, catalogue, listed, pseudonyms, settings, style, under};
use super::statistics::Counts;
use super::worker::{Settings, Worker};
use crate::config::job::{Format, ReplayJob, ReplayOutcome};
use crate::decode::{Decoder, FrameInput};
use crate::flows::AT_ONCE;
use crate::names::Names;
use crate::pseudonyms::Pseudonyms;
use crate::records::Kinds;
use crate::records::Style;
use crate::records::people::{self, People};
use crate::sinks::{Sink, SinkError};
use crate::source::{FileError, LinkType, Replay, SourceError, TimedFrame, Timeline};
use crate::types::Timestamp;
use crate::updates::{Catalogue, Engine};

/// Tables have a fixed key in replay, so that every run is the same.
const SEED: u64 = 0;
/// Frames between two words on how far it is.
const FRAMES_BETWEEN: usize = 4_096;

/// What a person may want to know while a replay runs.
#[derive(Debug)]
pub enum Event<'a> {
    /// A file failed; the others are read.
    File(&'a FileError),
    /// Something that does not end the run.
    Warning(String),
    /// The output failed, and the run ends.
    Output(&'a SinkError),
    /// So many bytes of the files were read.
    Progress(u64),
}

/// Runs a replay; `on_event` is called in this thread.
pub fn run(
    job: ReplayJob,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<ReplayOutcome, SetupError> {
    let sink = match &job.output {
        Some(path) if is_input(path, &job.files) => {
            return Err(SetupError::OutputIsInput(path.clone()));
        }
        Some(path) => Sink::create(path).map_err(SetupError::Output)?,
        None => Sink::standard(),
    };
    run_into(job, sink, on_event)
}

/// Runs a replay whose records stay in the program: `on_bytes` is given their lines in this thread, in pieces that may end within a
/// line; `on_event` is called in the one that reads.
pub fn run_within(
    job: ReplayJob,
    on_event: &mut (dyn FnMut(Event<'_>) + Send),
    on_bytes: &mut dyn FnMut(&[u8]),
) -> Result<ReplayOutcome, SetupError> {
    let (sender, pieces) = crossbeam_channel::bounded(PIECES);
    std::thread::scope(|scope| {
        let sink = Sink::to_reader(Pieces(sender));
        let replay = scope.spawn(move || run_into(job, sink, on_event));
        for piece in pieces {
            on_bytes(&piece);
        }
        replay
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Pieces of output that wait for a reader within the program.
const PIECES: usize = 4;

/// Hands output to another thread.
#[derive(Debug)]
struct Pieces(crossbeam_channel::Sender<Vec<u8>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.send(bytes.to_vec());
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn run_into(
    job: ReplayJob,
    sink: Sink,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<ReplayOutcome, SetupError> {
    let pseudonyms = pseudonyms(&job.config)?;
    let (config, hosts) = under(pseudonyms.as_deref(), &job.config, &job.hosts);
    let job = ReplayJob {
        config,
        hosts,
        ..job
    };
    let catalogue = Arc::new(catalogue(&job.config)?);
    let is_over = Arc::new(AtomicBool::new(false));
    let names = Arc::new(Names::new(job.config.names_options(SEED)));
    let settings = Arc::new(replay_settings(&job, pseudonyms));
    let mut engine = Engine::new(Arc::clone(&catalogue), job.config.update_options());
    engine.list(listed(&job.config, &job.hosts));
    let form = form(&job, &settings.style, &catalogue);
    let collector = Collector::new(engine, form, sink, Arc::clone(&is_over));
    let worker = || {
        Worker::new(
            Arc::clone(&settings),
            Arc::clone(&names),
            Arc::clone(&catalogue),
        )
    };
    let key_vlan = job.config.flows.key_vlan;
    let mut reader = Reader::new(Replay::new(job.files, job.order), is_over, on_event);
    let (written, outcome) = if job.workers.get() == 1 {
        reader.run(Pool::inline(worker(), collector, key_vlan), &names)
    } else {
        let workers = (0..job.workers.get()).map(|_| worker()).collect();
        std::thread::scope(|scope| {
            reader.run(Pool::threads(scope, workers, collector, key_vlan), &names)
        })
    };
    Ok(conclude(&written, outcome, on_event))
}

/// Whether a path leads to one of `files`, by whatever name.
fn is_input(path: &Path, files: &[PathBuf]) -> bool {
    let place = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        metadata.is_file().then(|| (metadata.dev(), metadata.ino()))
    };
    place(path).is_some_and(|output| files.iter().any(|file| place(file) == Some(output)))
}

/// Reads frames and hands them on.
struct Reader<'e> {
    timeline: Timeline,
    seen: Seen,
    is_over: Arc<AtomicBool>,
    on_event: &'e mut dyn FnMut(Event<'_>),
    outcome: ReplayOutcome,
}

/// What the reader itself notes of frames.
#[derive(Default)]
struct Seen {
    /// The time of the first one.
    first: Option<Timestamp>,
    /// Files with frames of a link type that is not decoded.
    undecoded: BTreeSet<(u16, LinkType)>,
}

impl Seen {
    #[inline]
    fn note(&mut self, frame: &FrameInput<'_>) {
        self.first.get_or_insert(frame.stamp.timestamp);
        let link_type = LinkType(frame.link_type);
        if link_type != LinkType::ETHERNET && !Decoder::supports(frame.link_type) {
            self.undecoded.insert((frame.stamp.origin, link_type));
        }
    }
}

/// Frames that are at hand all at once.
#[derive(Default)]
struct Group<'a> {
    frames: [FrameInput<'a>; AT_ONCE],
    len: usize,
}

impl<'a> Group<'a> {
    #[inline]
    fn push(&mut self, frame: FrameInput<'a>) {
        if let Some(place) = self.frames.get_mut(self.len) {
            *place = frame;
            self.len += 1;
        }
    }

    fn frames(&self) -> &[FrameInput<'a>] {
        self.frames.get(..self.len).unwrap_or_default()
    }
}

impl<'e> Reader<'e> {
    fn new(
        replay: Replay,
        is_over: Arc<AtomicBool>,
        on_event: &'e mut dyn FnMut(Event<'_>),
    ) -> Self {
        Self {
            timeline: Timeline::new(replay),
            seen: Seen::default(),
            is_over,
            on_event,
            outcome: ReplayOutcome::default(),
        }
    }

    fn run(&mut self, mut pool: Pool<'_>, names: &Names) -> (Written, ReplayOutcome) {
        let (mut frames, mut told) = (0, 0);
        while !self.is_over.load(Ordering::Relaxed) {
            let mut group = Group::default();
            self.timeline
                .pass(AT_ONCE, &mut |frame| group.push(input(frame)));
            if group.frames().is_empty() {
                match self.timeline.next() {
                    Some(Ok(frame)) => {
                        let frame = input(frame);
                        self.seen.note(&frame);
                        pool.frame(&frame);
                    }
                    Some(Err(failure)) => self.failed(&failure),
                    None => break,
                }
                frames += 1;
            } else {
                pool.look_ahead(group.frames());
                for frame in group.frames() {
                    self.seen.note(frame);
                    pool.frame(frame);
                }
                frames += group.frames().len();
            }
            if frames - told >= FRAMES_BETWEEN {
                told = frames;
                let read = self.timeline.replay().bytes_read();
                (self.on_event)(Event::Progress(read));
            }
        }
        self.tell_undecoded();
        let (collector, mut counts, now) = pool.finish();
        self.count(&mut counts, names);
        let written = collector.finish(counts, self.seen.first, now);
        (written, self.outcome)
    }

    fn failed(&mut self, failure: &FileError) {
        (self.on_event)(Event::File(failure));
        if failure.is_cut() {
            self.outcome.cut += 1;
        } else {
            self.outcome.unreadable += 1;
        }
    }

    fn tell_undecoded(&mut self) {
        for (origin, link_type) in std::mem::take(&mut self.seen.undecoded) {
            let files = self.timeline.replay().files();
            let failure = FileError {
                path: files.get(usize::from(origin)).cloned().unwrap_or_default(),
                error: SourceError::LinkType(link_type),
            };
            self.failed(&failure);
        }
    }

    fn count(&self, counts: &mut Counts, names: &Names) {
        counts.add(self.timeline.counters().iter());
        counts.add(self.timeline.replay().counters().iter());
        counts.add([
            ("names.ceiling", names.ceiling()),
            ("names.evicted", names.evicted()),
        ]);
    }
}

fn input(frame: TimedFrame<'_>) -> FrameInput<'_> {
    FrameInput {
        stamp: frame.stamp,
        link_type: frame.head.link_type.0,
        wire_length: frame.head.wire_length,
        data: frame.data,
    }
}

fn replay_settings(job: &ReplayJob, pseudonyms: Option<Arc<Pseudonyms>>) -> Settings {
    let kinds = match job.format {
        Format::Json => job.kinds,
        Format::Text | Format::Figure2 | Format::Summary => Kinds::NONE,
    };
    let files = job.files.iter().map(|file| file.display().to_string());
    let style = style(&job.config, Origins::Files(files.collect()));
    settings(
        &job.config,
        job.workers.get(),
        kinds,
        style,
        SEED,
        pseudonyms,
    )
}

fn form(job: &ReplayJob, style: &Style, catalogue: &Arc<Catalogue>) -> Form {
    let form = match job.format {
        Format::Json => {
            let catalogue = Arc::clone(catalogue);
            let hosts = KnownHosts::new(job.hosts.clone(), job.config.tells_client_ids());
            let printer = Printer::new(job.kinds, style.clone(), catalogue, hosts);
            return Form::Json(Box::new(printer));
        }
        Format::Text => people::Form::Text,
        Format::Figure2 => people::Form::Figure2,
        Format::Summary => people::Form::Summary,
    };
    Form::People(Box::new(People::new(people::Options {
        form,
        timezone: job.timezone.clone(),
        labels: job.host_labels.clone(),
        catalogue: Arc::clone(catalogue),
        local: job.config.local.clone(),
    })))
}

/// Tells what was lost or refused.
fn conclude(
    written: &Written,
    mut outcome: ReplayOutcome,
    on_event: &mut dyn FnMut(Event<'_>),
) -> ReplayOutcome {
    for warning in written.counts.warnings() {
        on_event(Event::Warning(warning));
    }
    if written.dropped > 0 {
        outcome.lost += written.dropped;
        let what = "events were too many to be sorted, and are not shown; narrow the input";
        on_event(Event::Warning(format!("{} {what}", written.dropped)));
    }
    if let Some(failure) = &written.failure {
        outcome.lost += 1;
        on_event(Event::Output(failure));
    }
    outcome
}
