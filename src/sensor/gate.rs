//! Keeps the workers of a replay together: none enters tick n + 2 before all have left tick n.
//!
//! By then every answer of tick n and before is in the names table, and nothing later than tick n + 2 is, so what a look-up as of a
//! moment finds does not depend on how many workers there are. A worker that is ahead waits, on a condition variable. Only a
//! replay with several workers has a gate.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use crate::types::Tick;

/// The ticks that workers have left.
#[derive(Debug)]
pub(super) struct Gate {
    /// The last tick that each worker has left. Written by that worker alone, read by the others: what it wrote to the names table before
    /// is seen after.
    left: Box<[AtomicI64]>,
    /// Workers that wait, or are about to.
    waiting: AtomicUsize,
    lock: Mutex<()>,
    moved: Condvar,
}

impl Gate {
    /// A gate for `workers` that have not begun.
    pub fn new(workers: usize) -> Self {
        Self {
            left: (0..workers).map(|_| AtomicI64::new(i64::MIN)).collect(),
            waiting: AtomicUsize::new(0),
            lock: Mutex::new(()),
            moved: Condvar::new(),
        }
    }

    /// `worker` has left every tick before `tick`; whether all others have left every tick before the one before it, so that it may go on.
    pub fn try_enter(&self, worker: usize, tick: Tick) -> bool {
        self.leave(worker, tick.0.saturating_sub(1));
        self.all_left(tick.0.saturating_sub(2))
    }

    /// As [`Self::try_enter`]; returns once that is so.
    pub fn enter(&self, worker: usize, tick: Tick) {
        if self.try_enter(worker, tick) {
            return;
        }
        let needed = tick.0.saturating_sub(2);
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.all_left(needed) {
            guard = self
                .moved
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    /// `worker` ends, whatever the reason: nobody waits for it any more.
    pub fn leave_all(&self, worker: usize) {
        self.leave(worker, i64::MAX);
    }

    fn leave(&self, worker: usize, tick: i64) {
        if let Some(left) = self.left.get(worker) {
            left.store(tick, Ordering::SeqCst);
        }
        // Whoever comes to wait after this looks at what was stored before it: the order of all four is one (`SeqCst`).
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        // The lock is taken so that a waiter that has just looked is not missed.
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        drop(guard);
        self.moved.notify_all();
    }

    fn all_left(&self, tick: i64) -> bool {
        self.left
            .iter()
            .all(|left| left.load(Ordering::SeqCst) >= tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_two_ticks_ahead() {
        let gate = Gate::new(3);
        let at: Vec<AtomicI64> = (0..3).map(|_| AtomicI64::new(0)).collect();
        std::thread::scope(|scope| {
            for worker in 0..3 {
                let (gate, at) = (&gate, &at);
                scope.spawn(move || {
                    for tick in 1..2_000 {
                        gate.enter(worker, Tick(tick));
                        at[worker].store(tick, Ordering::SeqCst);
                        let slowest = at.iter().map(|at| at.load(Ordering::SeqCst)).min();
                        assert!(tick - slowest.unwrap() <= 2, "{tick} {slowest:?}");
                    }
                    gate.leave_all(worker);
                });
            }
        });
    }

    #[test]
    fn a_worker_that_ended_holds_nobody_up() {
        let gate = Gate::new(2);
        gate.leave_all(1);
        gate.enter(0, Tick(1_000));
    }
}
