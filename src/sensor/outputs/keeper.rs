//! The thread that compresses and deletes files put aside: one for all outputs, behind everything else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fmt, io};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::Clock;
use crate::sinks::Aside;

/// Files grow too old without anything happening.
const EVERY: Duration = Duration::from_secs(600);
/// Requests that wait; a request that finds no place is done with the next.
const MAX_REQUESTS: usize = 16;
/// The lowest priority that a thread can have.
const NICE: i32 = 19;

/// The thread, and the way to it.
pub(super) struct Keeper {
    requests: Sender<Aside>,
    gives_up: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    ended: Receiver<()>,
}

impl Keeper {
    /// Starts the thread, where there is anything to keep; it begins with what earlier runs left.
    pub(super) fn start(
        asides: Vec<Aside>,
        said: &Sender<String>,
        clock: &Clock,
    ) -> io::Result<Option<Self>> {
        if asides.is_empty() {
            return Ok(None);
        }
        let (requests, asked) = bounded(MAX_REQUESTS);
        let (ending, ended) = bounded(0);
        let gives_up = Arc::new(AtomicBool::new(false));
        let work = Work {
            asides,
            asked,
            gives_up: Arc::clone(&gives_up),
            said: said.clone(),
            clock: Arc::clone(clock),
        };
        let builder = thread::Builder::new().name("output-files".to_owned());
        let thread = builder.spawn(move || {
            work.run();
            drop(ending);
        })?;
        Ok(Some(Self {
            requests,
            gives_up,
            thread,
            ended,
        }))
    }

    /// Where files put aside are reported.
    pub(super) fn requests(&self) -> Sender<Aside> {
        self.requests.clone()
    }

    /// What is not finished is left to the next run.
    pub(super) fn give_up(&self) {
        self.gives_up.store(true, Ordering::Relaxed);
    }

    pub(super) fn stop(self, deadline: Instant) {
        drop(self.requests);
        let answer = self.ended.recv_deadline(deadline);
        if answer.is_err_and(|error| error.is_disconnected()) {
            let _ = self.thread.join();
        }
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

struct Work {
    asides: Vec<Aside>,
    asked: Receiver<Aside>,
    gives_up: Arc<AtomicBool>,
    said: Sender<String>,
    clock: Clock,
}

impl Work {
    fn run(self) {
        // Of this thread alone: on Linux each has its own. Where it may not, it works as fast as the others.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
        self.asides.iter().for_each(|aside| self.tidy(aside));
        loop {
            match self.asked.recv_timeout(EVERY) {
                Ok(aside) => self.tidy(&aside),
                Err(RecvTimeoutError::Timeout) => {
                    self.asides.iter().for_each(|aside| self.tidy(aside));
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn tidy(&self, aside: &Aside) {
        let goes_on = || !self.gives_up.load(Ordering::Relaxed);
        if !goes_on() {
            return;
        }
        if let Err(error) = aside.tidy((self.clock)(), &goes_on) {
            let path = aside.path.display();
            let said =
                format!("files put aside beside {path} cannot be compressed or deleted: {error}");
            let _ = self.said.try_send(said);
        }
    }
}
