//! A descriptor that ends a worker's wait.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// Ends the wait of one worker, from any thread.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    descriptor: EventFd,
    /// A worker that never waits does not look at the descriptor. Set by whoever wakes, reset by the worker.
    is_raised: AtomicBool,
}

impl Waker {
    pub(super) fn new() -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Self(Arc::new(Inner {
            descriptor: EventFd::from_value_and_flags(0, flags)?,
            is_raised: AtomicBool::new(false),
        })))
    }

    /// The worker's turn ends soon, and says that it was woken. Calls before it has noticed count as one.
    pub fn wake(&self) {
        if !self.0.is_raised.swap(true, Ordering::AcqRel) {
            // It can only fail for a counter that is full, and then the worker wakes all the same.
            let _ = self.0.descriptor.write(1);
        }
    }

    /// Whether somebody called since the last time. `is_readable`: a wait ended because of the descriptor.
    pub(super) fn take(&self, is_readable: bool) -> bool {
        if !is_readable && !self.0.is_raised.load(Ordering::Relaxed) {
            return false;
        }
        // Lowered last: a call in between is one with the call before. One whose write comes only after this read leaves the
        // descriptor readable, and the next wait ends once for nothing.
        let _ = self.0.descriptor.read();
        self.0.is_raised.swap(false, Ordering::AcqRel)
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_taken_once() {
        let waker = Waker::new().unwrap();
        assert!(!waker.take(false));
        waker.wake();
        waker.clone().wake();
        assert!(waker.take(false));
        assert!(!waker.take(true));
        waker.wake();
        assert!(waker.take(true));
        assert!(!waker.take(false));
    }
}
