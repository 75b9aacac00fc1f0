//! Live lines to every output: files, sockets, standard output.
//!
//! Each output has a thread and two bounded queues. What the sensor concludes, and says of itself, goes first; the full logs
//! of DNS, TLS, QUIC, HTTP and flows go second, so they are what is dropped first when a reader is slow. Whoever makes lines
//! has a [`Feeder`], which never waits: what does not fit is dropped, counted, and told by a `loss` record in that output as
//! soon as it can be written again.
//!
//! * `feeder`: lines to blocks, blocks to queues
//! * `shared`: what feeders and threads count together
//! * `writer`: the thread of an output
//! * `keeper`: the thread that compresses and deletes files put aside

mod feeder;
mod keeper;
mod shared;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, Sender, bounded};

pub use feeder::Feeder;
pub use shared::OutputCounters;

use crate::config::outputs::{FULL_LOGS, FileTarget, OutputConfig, Target, TcpTarget, TlsTarget};
use crate::records::{Kind, Kinds, Style};
use crate::sinks::{Aside, Outlet, RotatingFile, Standard, Stream, Tls};
use crate::types::Timestamp;
use feeder::Feed;
use keeper::Keeper;
use shared::{Block, Shared};
use writer::{Control, Writer};

/// Gives wall-clock time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The queues of an output.
const LANES: usize = 2;
/// A queue has a place for every so many bytes of it; blocks are larger, where lines come fast.
const BYTES_PER_PLACE: u64 = 1_024;
/// Requests that wait for an output's thread.
const MAX_REQUESTS: usize = 16;
/// Messages that wait to be read. Further ones are forgotten: counters tell what matters.
const MAX_NOTICES: usize = 64;
/// What a thread that was told to stop is given beyond its deadline: it may be in the middle of a call.
const GRACE: Duration = Duration::from_millis(500);

/// Which queue a record goes through: 0 is served first.
fn lane(kind: Kind) -> usize {
    usize::from(FULL_LOGS.contains(&kind))
}

/// The clock of this machine.
pub fn wall_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Timestamp::EPOCH.plus(since.unwrap_or_default())
    })
}

/// Every output of a live run.
pub struct Outputs {
    running: Vec<Running>,
    keeper: Option<Keeper>,
    notices: Receiver<String>,
    clock: Clock,
}

/// An output and its thread.
#[derive(Debug)]
struct Running {
    name: String,
    kinds: Kinds,
    shared: Arc<Shared>,
    lanes: [Sender<Block>; LANES],
    control: Sender<Control>,
    thread: JoinHandle<()>,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
}

/// An output cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("output `{output}`: {}: {error}: {remedy}", place.display())]
pub struct OutputError {
    /// Its name.
    pub output: String,
    /// What cannot be opened.
    pub place: PathBuf,
    /// Why.
    pub error: io::Error,
    /// What mends it.
    pub remedy: String,
}

/// What an output lost without having told it in its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold {
    /// The output.
    pub output: String,
    /// Lines, at least.
    pub lines: u64,
}

/// An output before its thread is started.
struct Opened {
    outlet: Box<dyn Outlet>,
    /// Bytes of an unfinished line that a killed run left.
    cut: u64,
    aside: Option<Aside>,
    place: String,
}

impl Outputs {
    /// Opens every output, then starts their threads. Readers at sockets need not be there yet.
    ///
    /// `style`: the form of `loss` records; `clock`: wall-clock time, for rotation and for the times in them.
    pub fn start(
        configs: &[OutputConfig],
        style: &Style,
        clock: Clock,
    ) -> Result<Self, OutputError> {
        let opened: Result<Vec<Opened>, OutputError> =
            configs.iter().map(|config| open(config, clock())).collect();
        let opened = opened?;
        let (said, notices) = bounded(MAX_NOTICES);
        let asides = opened.iter().filter_map(|opened| opened.aside.clone());
        let keeper = Keeper::start(asides.collect(), &said, &clock);
        let keeper = keeper.map_err(|error| no_thread("files", error))?;
        let mut outputs = Self {
            running: Vec::new(),
            keeper,
            notices,
            clock,
        };
        for (config, opened) in configs.iter().zip(opened) {
            let running = outputs.run(config, opened, style, said.clone());
            let running = running.map_err(|error| no_thread(&config.name, error))?;
            outputs.running.push(running);
        }
        Ok(outputs)
    }

    fn run(
        &self,
        config: &OutputConfig,
        opened: Opened,
        style: &Style,
        said: Sender<String>,
    ) -> io::Result<Running> {
        let places = usize::try_from(config.queue / BYTES_PER_PLACE).unwrap_or(usize::MAX);
        let (first, first_out) = bounded(places);
        let (second, second_out) = bounded(places);
        let (control, requests) = bounded(MAX_REQUESTS);
        let (ending, ended) = bounded(0);
        let shared = Arc::new(Shared::new(config.queue));
        let tidy = self.keeper.as_ref().map(Keeper::requests);
        let mut writer = Writer::new(
            &config.name,
            opened.outlet,
            [first_out, second_out],
            requests,
            Arc::clone(&shared),
            Arc::clone(&self.clock),
            style.clone(),
        );
        writer.place = opened.place;
        writer.tidy = opened.aside.zip(tidy);
        writer.said = Some(said);
        writer.lose_bytes(opened.cut);
        let name = format!("output-{}", config.name);
        let thread = thread::Builder::new().name(name).spawn(move || {
            writer.run();
            drop(ending);
        })?;
        Ok(Running {
            name: config.name.clone(),
            kinds: config.records,
            shared,
            lanes: [first, second],
            control,
            thread,
            ended,
        })
    }

    /// Every kind that some output wants: no other needs to be written.
    pub fn kinds(&self) -> Kinds {
        Kind::ALL
            .into_iter()
            .filter(|kind| self.running.iter().any(|output| output.kinds.has(*kind)))
            .fold(Kinds::NONE, Kinds::with)
    }

    /// For one more thread that makes lines.
    pub fn feeder(&self) -> Feeder {
        let feeds = self.running.iter().map(|output| {
            let lanes = output.lanes.clone();
            Feed::new(output.kinds, lanes, Arc::clone(&output.shared))
        });
        Feeder::new(feeds.collect(), Arc::clone(&self.clock))
    }

    /// Asks every output to open anew: files may have been moved away. Does not wait.
    pub fn reopen(&self) {
        for output in &self.running {
            // Where so many requests wait already, one of them is the same.
            let _ = output.control.try_send(Control::Reopen);
        }
    }

    /// Whether nobody will ever read any of them again.
    pub fn have_ended(&self) -> bool {
        self.running.iter().all(|output| output.shared.has_ended())
    }

    /// What each output has counted, in the order of the configuration.
    pub fn counters(&self) -> Vec<OutputCounters> {
        self.running
            .iter()
            .map(|output| output.shared.counters(&output.name))
            .collect()
    }

    /// What has to be told a person since the last call: outputs that fail, and that are written again.
    pub fn notices(&self) -> impl Iterator<Item = String> + '_ {
        self.notices.try_iter()
    }

    /// Lets every output write what waits, for at most `wait`, and ends the threads. Feeders are to be dropped, or flushed, before.
    ///
    /// Returns what was lost and could not be told in the stream itself.
    pub fn stop(self, wait: Duration) -> Vec<Untold> {
        let deadline = Instant::now() + wait;
        for output in &self.running {
            let _ = output
                .control
                .send_deadline(Control::Stop(deadline), deadline);
        }
        if let Some(keeper) = &self.keeper {
            keeper.give_up();
        }
        let mut untold = Vec::new();
        for output in self.running {
            // Nothing is ever sent: the answer is that the other end is gone.
            let answer = output.ended.recv_deadline(deadline + GRACE);
            let has_ended = answer.is_err_and(|error| error.is_disconnected());
            if has_ended {
                let _ = output.thread.join();
            }
            let lines = output.shared.untold();
            if lines > 0 {
                untold.push(Untold {
                    output: output.name,
                    lines,
                });
            }
        }
        if let Some(keeper) = self.keeper {
            keeper.stop(deadline + GRACE);
        }
        untold
    }
}

/// What would keep [`Outputs::start`] from opening outputs, as far as can be told without opening any: certificates that are not there,
/// and one file by two names. Directories are not looked for: a service manager may make them.
pub fn check(configs: &[OutputConfig]) -> Vec<OutputError> {
    let mut errors = Vec::new();
    let mut files: Vec<(PathBuf, &str)> = Vec::new();
    for config in configs {
        match &config.target {
            Target::Tcp(TcpTarget { tls: Some(tls), .. }) => {
                errors.extend(open_tls(&config.name, tls).err());
            }
            Target::File(file) => {
                let place = real(&file.path);
                if let Some((_, other)) = files.iter().find(|(known, _)| *known == place) {
                    errors.push(OutputError {
                        output: config.name.clone(),
                        place: file.path.clone(),
                        error: io::Error::other(format!("is the file of output `{other}` too")),
                        remedy: "each needs its own: name another in `path`".to_owned(),
                    });
                }
                files.push((place, &config.name));
            }
            Target::Standard | Target::Unix(_) | Target::Tcp(_) => {}
        }
    }
    errors
}

/// A file's path without links and detours; as it is where its directory is not there.
fn real(path: &Path) -> PathBuf {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    match (folder, path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

impl fmt::Debug for Outputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.running).finish()
    }
}

fn open(config: &OutputConfig, now: Timestamp) -> Result<Opened, OutputError> {
    let opened = |outlet: Box<dyn Outlet>, place: String| Opened {
        outlet,
        cut: 0,
        aside: None,
        place,
    };
    match &config.target {
        Target::Standard => {
            let outlet = Standard::open().map_err(|error| OutputError {
                output: config.name.clone(),
                place: "standard output".into(),
                error,
                remedy: "start with a standard output, or configure another output".to_owned(),
            })?;
            Ok(opened(Box::new(outlet), "standard output".to_owned()))
        }
        Target::File(file) => open_file(&config.name, file, now),
        Target::Unix(path) => {
            let place = path.display().to_string();
            Ok(opened(Box::new(Stream::unix(path)), place))
        }
        Target::Tcp(tcp) => {
            let tls = tcp.tls.as_ref().map(|tls| open_tls(&config.name, tls));
            let stream = Stream::tcp(&tcp.address, tls.transpose()?);
            Ok(opened(Box::new(stream), tcp.address.clone()))
        }
    }
}

fn open_file(output: &str, file: &FileTarget, now: Timestamp) -> Result<Opened, OutputError> {
    let aside = Aside {
        path: file.path.clone(),
        compress: file.compress,
        keep_for: file.keep_for,
        keep_size: file.keep_size,
    };
    let outlet = RotatingFile::open(aside.clone(), file.rotate_size, file.rotate_every, now);
    let (outlet, cut) = outlet.map_err(|error| OutputError {
        output: output.to_owned(),
        place: file.path.clone(),
        remedy: remedy(&error),
        error,
    })?;
    Ok(Opened {
        outlet: Box::new(outlet),
        cut,
        aside: Some(aside),
        place: file.path.display().to_string(),
    })
}

fn open_tls(output: &str, tls: &TlsTarget) -> Result<Tls, OutputError> {
    Tls::new(&tls.ca_file, &tls.server_name).map_err(|error| OutputError {
        output: output.to_owned(),
        place: tls.ca_file.clone(),
        error,
        remedy:
            "name a readable file with the certificates of your authorities (PEM) in `ca_file`, \
                 and the name in the collector's certificate in `server_name`"
                .to_owned(),
    })
}

fn remedy(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "make its directory",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "let the user that patchspan runs as write the file and its directory"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on its file system",
        _ => "name another file in `path`",
    }
    .to_owned()
}

fn no_thread(output: &str, error: io::Error) -> OutputError {
    OutputError {
        output: output.to_owned(),
        place: "its thread".into(),
        error,
        remedy: "raise the limit of threads (`ulimit -u`, `TasksMax=`)".to_owned(),
    }
}
