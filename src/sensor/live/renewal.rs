//! What a reload changes, on its way to the threads: each takes it up by itself at its next turn, so no packet and no flow is lost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Config;
use crate::config::hosts::HostList;
use crate::config::job::RunJob;
use crate::pseudonyms::Pseudonyms;
use crate::records::{Kinds, Style};
use crate::sensor::setup::{settings, under};
use crate::sensor::worker::Settings;
use crate::updates::Catalogue;

/// Everything that a reload may change.
#[derive(Debug)]
pub(super) struct Renewal {
    pub config: Config,
    pub settings: Arc<Settings>,
    /// Succeeds the one before.
    pub catalogue: Arc<Catalogue>,
    pub hosts: HostList,
}

/// What a reload leaves as it is.
#[derive(Debug)]
pub(super) struct Fixed {
    pub workers: usize,
    pub kinds: Kinds,
    pub style: Style,
    /// Of the keys of hashes.
    pub seed: u64,
    pub pseudonyms: Option<Arc<Pseudonyms>>,
}

/// Where the newest hangs.
#[derive(Debug)]
pub(super) struct Board {
    /// Number of the newest; published (release) after it is in place, read (acquire) before it is taken.
    number: AtomicU64,
    newest: Mutex<Arc<Renewal>>,
}

/// A thread's view of the board.
#[derive(Debug, Default)]
pub(super) struct Reader {
    taken: u64,
}

impl Fixed {
    /// What may change, as `job` has it: [`rewritten`] already.
    pub fn renewal(&self, job: &RunJob, catalogue: Arc<Catalogue>) -> Arc<Renewal> {
        let config = job.config.clone();
        let style = Style {
            drop_query: config.records.drop_query.unwrap_or(self.style.live),
            ..self.style.clone()
        };
        let pseudonyms = self.pseudonyms.clone();
        let settings = settings(
            &config,
            self.workers,
            self.kinds,
            style,
            self.seed,
            pseudonyms,
        );
        Arc::new(Renewal {
            settings: Arc::new(settings),
            hosts: job.hosts.clone(),
            catalogue,
            config,
        })
    }
}

/// A job as a sensor under pseudonyms has it.
pub(super) fn rewritten(job: &RunJob, pseudonyms: Option<&Pseudonyms>) -> RunJob {
    let (config, hosts) = under(pseudonyms, &job.config, &job.hosts);
    RunJob {
        config,
        hosts,
        files: job.files.clone(),
        alive_every: job.alive_every,
    }
}

impl Board {
    pub const fn new(first: Arc<Renewal>) -> Self {
        Self {
            number: AtomicU64::new(0),
            newest: Mutex::new(first),
        }
    }

    /// What counts now.
    pub fn newest(&self) -> Arc<Renewal> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&newest)
    }

    /// Hangs up another one.
    pub fn renew(&self, renewal: Arc<Renewal>) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = renewal;
        self.number.fetch_add(1, Ordering::Release);
    }
}

impl Reader {
    /// The newest, where this thread has not taken it yet. Costs a load where there is nothing new.
    pub fn look(&mut self, board: &Board) -> Option<Arc<Renewal>> {
        let number = board.number.load(Ordering::Acquire);
        if number == self.taken {
            return None;
        }
        self.taken = number;
        Some(board.newest())
    }
}
