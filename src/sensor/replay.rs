//! `patchspan replay`: capture files through every stage to records.

use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::collector::{Collector, Form, Written};
use super::hosts::KnownHosts;
use super::memory;
use super::pool;
use super::printer::Printer;
use super::reading::Reader;
use super::road::{Road, Share};
use super::setup::{Origins, SetupError, catalogue, listed, pseudonyms, settings, style, under};
use super::worker::{Settings, Worker};
use crate::config::job::{Format, ReplayJob, ReplayOutcome};
use crate::names::Names;
use crate::pseudonyms::Pseudonyms;
use crate::records::Kinds;
use crate::records::Style;
use crate::records::people::{self, People};
use crate::sinks::{Sink, SinkError};
use crate::source::capture::CaptureFile;
use crate::source::{FileError, Replay};
use crate::updates::{Catalogue, Engine};

/// Tables have a fixed key in replay, so that every run is the same.
const SEED: u64 = 0;

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

/// Runs a replay; `on_event` is called in the thread that reads, which with several workers is theirs by turns.
pub fn run(
    job: ReplayJob,
    on_event: &mut (dyn FnMut(Event<'_>) + Send),
) -> Result<ReplayOutcome, SetupError> {
    let output = job.output.clone();
    if let Some(path) = output.as_ref().filter(|path| is_input(path, &job.files)) {
        return Err(SetupError::OutputIsInput(path.clone()));
    }
    let has_input = output.is_none() || job.files.iter().any(|file| may_be_read(file));
    let sink = || match &output {
        Some(path) if has_input => Sink::create(path).map_err(SetupError::Output),
        // No record comes, and the file keeps what it held.
        Some(_) => Ok(Sink::to_reader(io::sink())),
        None => Ok(Sink::standard()),
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
        let replay = scope.spawn(move || {
            let sink = || Ok(Sink::to_reader(Pieces(sender)));
            run_into(job, sink, on_event)
        });
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

/// `sink` is opened once nothing else can keep the replay from beginning: a file that is there is emptied by it.
fn run_into(
    job: ReplayJob,
    sink: impl FnOnce() -> Result<Sink, SetupError>,
    on_event: &mut (dyn FnMut(Event<'_>) + Send),
) -> Result<ReplayOutcome, SetupError> {
    memory::check(job.config.memory)?;
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
    let collector = Collector::new(engine, form, sink()?, Arc::clone(&is_over));
    let (key_vlan, workers) = (job.config.flows.key_vlan, job.workers.get());
    let road = |index| {
        let (settings, names) = (Arc::clone(&settings), Arc::clone(&names));
        let worker = Worker::new(settings, names, Arc::clone(&catalogue));
        Road::new(worker, Share::new(index, workers), key_vlan)
    };
    let mut reader = Reader::new(Replay::new(job.files, job.order), is_over, on_event);
    let (collector, mut counts, now) = if workers == 1 {
        pool::inline(&mut reader, road(0), collector)
    } else {
        pool::threads(
            &mut reader,
            (0..workers).map(road).collect(),
            key_vlan,
            collector,
        )
    };
    let outcome = reader.finish(&mut counts);
    counts.add([
        ("names.ceiling", names.ceiling()),
        ("names.evicted", names.evicted()),
    ]);
    let written = collector.finish(counts, reader.first(), now);
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

/// Whether a file is a capture; a pipe, which can be looked at once only, may be one.
fn may_be_read(file: &Path) -> bool {
    if file.as_os_str() == "-" {
        return true;
    }
    let kind = std::fs::metadata(file).map(|data| data.file_type());
    kind.is_ok_and(|kind| kind.is_fifo() || CaptureFile::open(file).is_ok())
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
