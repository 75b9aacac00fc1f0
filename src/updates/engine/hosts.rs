//! Whose doing it is: what is open belongs to a host, not to an address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::fact::Contact;
use super::super::hosts::kept::KeptHost;
use super::super::hosts::{HostKey, Neighbour};
use super::super::output::{Binding, Output};
use super::super::verdict::Evidence;
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
            let host = self.hosts.key_of(address, evidence.time);
            self.rehost(HostKey::Address(address), |_| host);
        }
        self.release();
    }

    /// What is open of MAC addresses that turned out to be no host's belongs to the addresses.
    fn release(&mut self) {
        for mac in self.hosts.take_released() {
            self.rehost(HostKey::Mac(mac), HostKey::Address);
        }
    }

    /// Something about updates is known of a client.
    pub(super) fn meet(&mut self, client: IpAddr, start: Timestamp, out: &mut OutputSink<'_>) {
        let mut tell = |told: Binding| out(Cause::Fact, Output::Binding(Box::new(told)));
        self.hosts.meet(client, start, &mut tell);
        self.release();
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

    /// What is open of `from` is another host's, as it turned out: by the client whose doing it is.
    fn rehost(&mut self, from: HostKey, to: impl Fn(IpAddr) -> HostKey) {
        let moved = self.move_accesses(from, &to);
        self.move_sessions(from, &to);
        self.move_questions(from, &to);
        self.move_files(from, &to);
        for key in moved {
            self.part_session(key);
            self.excuse_failure(key);
        }
        for key in keys_from(&self.usual, from) {
            let client = self.usual.get(&key).map(|usual| usual.client);
            let new = client.map(|client| (to(client), key.1));
            if let Some((new, usual)) =
                new.and_then(|new| Some((new, take(&mut self.usual, key, new)?)))
            {
                self.put_usual(new, usual);
            }
        }
    }

    /// Gives what their keys are now.
    fn move_accesses(&mut self, from: HostKey, to: impl Fn(IpAddr) -> HostKey) -> Vec<AccessKey> {
        let accesses = self.accesses.range(AccessKey::first_of(from)..);
        let accesses = accesses.map(|(key, _)| *key);
        let accesses = accesses.take_while(|key| key.host == from);
        let mut moved = Vec::new();
        for key in accesses.collect::<Vec<_>>() {
            let host = to(key.client);
            let new = AccessKey { host, ..key };
            if let Some(mut open) = take(&mut self.accesses, key, new) {
                open.host = host;
                self.rename_timer(open.armed, TimerKey::Access(key), TimerKey::Access(new));
                self.accesses.insert(new, open);
                moved.push(new);
            }
        }
        moved
    }

    fn move_questions(&mut self, from: HostKey, to: impl Fn(IpAddr) -> HostKey) {
        for key in keys_from(&self.windows, from) {
            if let Some(window) = self.take_window(key) {
                self.put_window(to(window.question.client.address), window);
            }
        }
        for key in keys_from(&self.failures, from) {
            if let Some(pending) = self.take_failure(key) {
                self.put_failure(to(pending.failure.contact.client.address), pending);
            }
        }
    }

    /// What failed over one address of a host came to something over another.
    fn excuse_failure(&mut self, key: AccessKey) {
        let contact = self.accesses.get(&key).map(|open| open.contact.endpoint);
        let failed = contact.and_then(|endpoint| self.take_failure((key.host, endpoint)));
        if failed.is_some()
            && let Some(open) = self.accesses.get_mut(&key)
        {
            open.note(Evidence::Fallback);
        }
    }

    fn rename_timer(&mut self, at: Timestamp, from: TimerKey, to: TimerKey) {
        if self.timers.remove(&(at, from)) {
            self.timers.insert((at, to));
        }
    }
}

/// The keys of one host, which stand side by side.
pub(super) fn keys_from<T: Copy + Ord + Default, V>(
    table: &BTreeMap<(HostKey, T), V>,
    host: HostKey,
) -> Vec<(HostKey, T)> {
    let keys = table.range((host, T::default())..).map(|(key, _)| *key);
    keys.take_while(|key| key.0 == host).collect()
}

/// Takes out what is to stand at `to`, where nothing stands there.
fn take<K: Ord, V>(table: &mut BTreeMap<K, V>, from: K, to: K) -> Option<V> {
    if table.contains_key(&to) {
        return None;
    }
    table.remove(&from)
}
