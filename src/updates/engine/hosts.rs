//! Whose doing it is: what is open belongs to a host, not to an address.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use super::super::fact::Contact;
use super::super::hosts::kept::KeptHost;
use super::super::hosts::{HostKey, Neighbour};
use super::super::output::{Binding, Output};
use super::kept::Resumption;
use super::timers::TimerKey;
use super::{AccessKey, Cause, Engine, OutputSink};
use crate::types::Timestamp;

impl Engine {
    /// Takes in who is behind an address.
    pub(super) fn neighbour(&mut self, evidence: &Neighbour, out: &mut OutputSink<'_>) {
        let local = &self.options.local;
        let mut tell = |told: Binding| {
            if local.is_empty() || local.contains(told.client) {
                out(Cause::Fact, Output::Binding(Box::new(told)));
            }
        };
        self.systems.neighbour(evidence, self.options.max_bytes / 8);
        if let Some(address) = self.hosts.take_in(evidence, &mut tell) {
            self.adopt(address, evidence.time);
        }
    }

    /// Something about updates is known of a client.
    pub(super) fn meet(&mut self, client: IpAddr, start: Timestamp, out: &mut OutputSink<'_>) {
        let mut tell = |told: Binding| out(Cause::Fact, Output::Binding(Box::new(told)));
        self.hosts.meet(client, start, &mut tell);
    }

    /// Takes in what an earlier run knew of addresses; gives how many items it took. What it told it need not tell again.
    pub fn take_up_hosts(&mut self, items: Vec<KeptHost>, when: &Resumption) -> u64 {
        self.hosts.take_up(items, when.seen)
    }

    /// Ends bindings that are due.
    pub(super) fn advance_hosts(&mut self, now: Timestamp, out: &mut OutputSink<'_>) {
        let local = &self.options.local;
        self.hosts.advance(now, &mut |at, told| {
            if local.is_empty() || local.contains(told.client) {
                out(Cause::Boundary(at), Output::Binding(Box::new(told)));
            }
        });
    }

    /// The end of input: bindings are told as they stand.
    pub(super) fn finish_hosts(&mut self, at: Timestamp, out: &mut OutputSink<'_>) {
        let local = &self.options.local;
        self.hosts.finish(&mut |told| {
            if local.is_empty() || local.contains(told.client) {
                out(Cause::Boundary(at), Output::Binding(Box::new(told)));
            }
        });
    }

    /// Whose doing a contact is: of whoever had the address when its flow began.
    pub(super) fn host_of(&self, contact: &Contact) -> HostKey {
        self.hosts.key_of(contact.client.address, contact.start)
    }

    /// It is known now which host has an address, and that it was the same one before: what is open is that host's.
    fn adopt(&mut self, address: IpAddr, now: Timestamp) {
        let (from, to) = (HostKey::Address(address), self.hosts.key_of(address, now));
        let keys: Vec<_> = self
            .accesses
            .keys()
            .filter(|key| key.host == from)
            .copied()
            .collect();
        for key in keys {
            let new = AccessKey { host: to, ..key };
            if let Some(mut open) = take(&mut self.accesses, key, new) {
                open.host = to;
                self.rename_timer(open.armed, TimerKey::Access(key), TimerKey::Access(new));
                self.accesses.insert(new, open);
            }
        }
        for key in keys_from(&self.windows, from) {
            let new = (to, key.1);
            if let Some(window) = take(&mut self.windows, key, new) {
                self.rename_timer(
                    window.armed,
                    TimerKey::Window(from, key.1),
                    TimerKey::Window(to, key.1),
                );
                self.windows.insert(new, window);
            }
        }
        for key in keys_from(&self.failures, from) {
            let new = (to, key.1);
            if let Some(pending) = take(&mut self.failures, key, new) {
                self.rename_timer(
                    pending.due,
                    TimerKey::Failure(from, key.1),
                    TimerKey::Failure(to, key.1),
                );
                self.failures.insert(new, pending);
            }
        }
        for key in keys_from(&self.sessions, from) {
            let new = (to, key.1);
            if let Some(mut session) = take(&mut self.sessions, key, new) {
                session.host = to;
                self.rename_timer(
                    session.armed,
                    TimerKey::Session(from, key.1),
                    TimerKey::Session(to, key.1),
                );
                self.sessions.insert(new, session);
            }
        }
        for key in keys_from(&self.usual, from) {
            if let Some(usual) = take(&mut self.usual, key, (to, key.1)) {
                self.put_usual((to, key.1), usual);
            }
        }
    }

    fn rename_timer(&mut self, at: Timestamp, from: TimerKey, to: TimerKey) {
        if self.timers.remove(&(at, from)) {
            self.timers.insert((at, to));
        }
    }
}

/// The keys of one host.
fn keys_from<T: Copy, V>(table: &HashMap<(HostKey, T), V>, host: HostKey) -> Vec<(HostKey, T)> {
    table.keys().filter(|key| key.0 == host).copied().collect()
}

/// Takes out what is to stand at `to`, where nothing stands there.
fn take<K: Eq + Hash, V>(table: &mut HashMap<K, V>, from: K, to: K) -> Option<V> {
    if table.contains_key(&to) {
        return None;
    }
    table.remove(&from)
}
