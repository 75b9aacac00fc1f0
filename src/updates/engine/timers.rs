//! What is due when: the timers of accesses, windows, failures and sessions, in one order.

use super::super::access::AccessKey;
use super::super::catalogue::{EndpointId, ProductId};
use super::super::hosts::HostKey;
use super::{Cause, Engine, OutputSink};
use crate::types::{Tick, Timestamp};

/// What a timer belongs to. At the end of input, what is open ends in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimerKey {
    Access(AccessKey),
    Failure(HostKey, EndpointId),
    Window(HostKey, EndpointId),
    Session(HostKey, ProductId, u64),
}

/// What closes something, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closing {
    pub(super) cause: Cause,
    pub(super) at: Timestamp,
    /// The end of input.
    pub(super) is_end: bool,
}

impl Engine {
    /// Runs what is due up to `now`.
    pub fn advance(&mut self, now: Timestamp, out: &mut OutputSink<'_>) {
        while let Some((due, _)) = self.timers.first() {
            let at = Tick::boundary_at_or_after(*due).start();
            if at > now {
                break;
            }
            let cause = Cause::Boundary(at);
            self.run_first(
                Closing {
                    cause,
                    at,
                    is_end: false,
                },
                out,
            );
        }
        self.advance_hosts(now, out);
        self.forget_files(now);
        self.advance_hours(now, out);
    }

    /// Too much is open: what would end first ends now.
    pub(super) fn evict(&mut self, now: Timestamp, out: &mut OutputSink<'_>) {
        while self.is_full()
            && let Some((due, key)) = self.timers.pop_first()
        {
            if self.has_open_accesses(key)
                && let Some(real) = self.real_due(key, due)
            {
                // A session ends after its accesses: its record counts them.
                self.rearm(key, real);
                self.set_timer(key, real);
                continue;
            }
            self.counters.evicted += 1;
            let cause = Cause::Fact;
            self.close(
                key,
                Closing {
                    cause,
                    at: now,
                    is_end: false,
                },
                out,
            );
        }
    }

    fn has_open_accesses(&self, key: TimerKey) -> bool {
        let session = match key {
            TimerKey::Session(.., id) => self.sessions.get(id),
            _ => None,
        };
        session.is_some_and(|session| session.open_accesses > 0)
    }

    /// Everything that takes memory has a timer: what ends first makes room.
    fn is_full(&self) -> bool {
        let too_many = self.timers.len() > self.options.max_open;
        too_many || (self.bytes > self.options.max_bytes && !self.timers.is_empty())
    }

    /// The end of input: everything that is open ends.
    pub fn finish(&mut self, at: Timestamp, out: &mut OutputSink<'_>) {
        self.close_all(at, out);
        self.finish_hours(at, out);
    }

    fn close_all(&mut self, at: Timestamp, out: &mut OutputSink<'_>) {
        let cause = Cause::Boundary(at);
        // Again, where an access that ends turns out to belong to a session that is not there yet.
        while !self.timers.is_empty() {
            let timers = std::mem::take(&mut self.timers);
            let mut keys: Vec<TimerKey> = timers.into_iter().map(|(_, key)| key).collect();
            keys.sort_unstable();
            for key in keys {
                self.close(
                    key,
                    Closing {
                        cause,
                        at,
                        is_end: true,
                    },
                    out,
                );
            }
        }
        self.finish_hosts(at, out);
    }

    /// Sets the timer of `key`.
    pub(super) fn set_timer(&mut self, key: TimerKey, at: Timestamp) {
        self.timers.insert((at, key));
    }

    /// The first timer came up: what it belongs to ends, or is due later by now.
    fn run_first(&mut self, closing: Closing, out: &mut OutputSink<'_>) {
        let Some((due, key)) = self.timers.pop_first() else {
            return;
        };
        match self.real_due(key, due) {
            Some(real) if real > due => {
                self.rearm(key, real);
                self.set_timer(key, real);
            }
            Some(_) => self.close(key, closing, out),
            None => {}
        }
    }

    /// When `key` is due by now; `None` where another timer was set for it since, or it is gone.
    fn real_due(&self, key: TimerKey, due: Timestamp) -> Option<Timestamp> {
        let (armed, real) = match key {
            TimerKey::Access(key) => {
                let access = self.accesses.get(&key)?;
                (access.armed, access.due(key.role, &self.options))
            }
            TimerKey::Failure(host, endpoint) => {
                let due = self.failures.get(&(host, endpoint))?.due;
                (due, due)
            }
            TimerKey::Window(host, endpoint) => {
                let window = self.windows.get(&(host, endpoint))?;
                (window.armed, window.last.plus(self.options.window))
            }
            TimerKey::Session(.., id) => {
                let session = self.sessions.get(id)?;
                let real = if session.open_accesses > 0 {
                    session.due().max(due.plus(self.options.gap))
                } else {
                    session.due()
                };
                (session.armed, real)
            }
        };
        (armed == due).then_some(real)
    }

    fn rearm(&mut self, key: TimerKey, at: Timestamp) {
        let armed = match key {
            TimerKey::Access(key) => self.accesses.get_mut(&key).map(|open| &mut open.armed),
            TimerKey::Failure(..) => None,
            TimerKey::Window(host, endpoint) => self
                .windows
                .get_mut(&(host, endpoint))
                .map(|window| &mut window.armed),
            TimerKey::Session(.., id) => {
                let session = self.sessions.get_mut(id);
                session.map(|session| &mut session.armed)
            }
        };
        if let Some(armed) = armed {
            *armed = at;
        }
    }

    fn close(&mut self, key: TimerKey, closing: Closing, out: &mut OutputSink<'_>) {
        match key {
            TimerKey::Access(key) => self.close_access(key, closing.cause, closing.at, out),
            TimerKey::Failure(host, endpoint) => self.close_failure(host, endpoint, closing, out),
            TimerKey::Window(host, endpoint) => self.close_window(host, endpoint, closing, out),
            TimerKey::Session(.., id) => self.close_session(id, closing, out),
        }
    }
}
