//! What a reload changes, on its way to the threads: each takes it up by itself at its next turn, so no packet and no flow is lost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Config;
use crate::config::hosts::HostList;
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
