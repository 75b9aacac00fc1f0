//! Sessions: which one an access counts in.
//!
//! An access names its session by id, and is found to be its by that alone, wherever both went since they began. So what a record names
//! is what counts it. Where two keys turn out to be one host's, their sessions of a product become one; but an id that a record has told
//! stays, so two that were told stay two, and both are told to the end.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hashbrown::HashMap;

use super::super::access::{AccessKey, Doubt};
use super::super::catalogue::{EndpointId, ProductId, Role};
use super::super::hosts::HostKey;
use super::super::output::{Access, Output};
use super::super::session::OpenSession;
use super::hosts::keys_from;
use super::timers::{Closing, TimerKey};
use super::{Cause, ENTRY_BYTES, Engine, OutputSink, hash, reweigh};
use crate::types::Timestamp;

/// Where a session stands: its product, and its id. A host may have several of one product.
type Place = (ProductId, u64);

/// Sessions that go on.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_host: BTreeMap<(HostKey, Place), OpenSession>,
    hosts: HashMap<u64, (HostKey, ProductId)>,
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        self.by_host.len()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &OpenSession> {
        self.by_host.values()
    }

    pub(super) fn get(&self, id: u64) -> Option<&OpenSession> {
        self.by_host.get(&self.key_of(id)?)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut OpenSession> {
        let key = self.key_of(id)?;
        self.by_host.get_mut(&key)
    }

    /// The sessions of a host and product.
    pub(super) fn of(
        &self,
        host: HostKey,
        product: ProductId,
    ) -> impl Iterator<Item = &OpenSession> {
        let places = (host, (product, u64::MIN))..=(host, (product, u64::MAX));
        self.by_host.range(places).map(|(_, session)| session)
    }

    /// The same, to be changed.
    pub(super) fn of_mut(
        &mut self,
        host: HostKey,
        product: ProductId,
    ) -> impl Iterator<Item = &mut OpenSession> {
        let places = (host, (product, u64::MIN))..=(host, (product, u64::MAX));
        self.by_host.range_mut(places).map(|(_, session)| session)
    }

    /// The one that what is new counts in: it ends last.
    fn newest(&self, host: HostKey, product: ProductId) -> Option<u64> {
        let newest = self
            .of(host, product)
            .max_by_key(|open| (open.end, open.id));
        newest.map(|session| session.id)
    }

    fn insert(&mut self, product: ProductId, session: OpenSession) {
        self.hosts.insert(session.id, (session.host, product));
        let key = (session.host, (product, session.id));
        self.by_host.insert(key, session);
    }

    fn remove(&mut self, id: u64) -> Option<(ProductId, OpenSession)> {
        let key = self.key_of(id)?;
        self.hosts.remove(&id);
        let session = self.by_host.remove(&key)?;
        Some((key.1.0, session))
    }

    fn key_of(&self, id: u64) -> Option<(HostKey, Place)> {
        let (host, product) = self.hosts.get(&id)?;
        Some((*host, (*product, id)))
    }
}

impl Engine {
    /// The session in which an access counts from now on: that of its host and product, a new one where none goes on.
    pub(super) fn join_session(
        &mut self,
        key: AccessKey,
        endpoint: EndpointId,
        start: Timestamp,
    ) -> Option<u64> {
        let product = self.product(endpoint)?;
        let newest = self.sessions.newest(key.host, product);
        let id =
            newest.unwrap_or_else(|| self.begin_session((key.host, key.client), endpoint, start));
        // The question is told at once, what the client did before it at a pause.
        let asked = self.downloads_asked(key.host, product, start);
        let session = self.sessions.get_mut(id)?;
        session.open_accesses += 1;
        for name in asked {
            session.download_asked(name);
        }
        let memory = session.memory() + ENTRY_BYTES;
        reweigh(&mut self.bytes, &mut session.weight, memory);
        Some(id)
    }

    fn begin_session(
        &mut self,
        (host, client): (HostKey, IpAddr),
        endpoint: EndpointId,
        start: Timestamp,
    ) -> u64 {
        let name = self.catalogue.product_of(endpoint);
        let name = name.map(|product| (product.vendor.as_str(), product.id.as_str()));
        let id = hash(&(client, name, start, "session"));
        let mut session = OpenSession::new(id, (host, client), endpoint, start);
        session.id = self.id_apart(id, session.due());
        let id = session.id;
        if self.sessions.get(id).is_none()
            && let Some(product) = self.product(endpoint)
        {
            let due = session.due().max(self.now);
            self.put_session(product, session, due);
        }
        id
    }

    /// Puts a session in its place; its timer comes up at `due`.
    pub(super) fn put_session(
        &mut self,
        product: ProductId,
        mut session: OpenSession,
        due: Timestamp,
    ) {
        session.armed = due;
        let memory = session.memory() + ENTRY_BYTES;
        reweigh(&mut self.bytes, &mut session.weight, memory);
        self.timers.insert((due, timer_of(product, &session)));
        self.sessions.insert(product, session);
    }

    fn take_session(&mut self, id: u64) -> Option<(ProductId, OpenSession)> {
        let (product, mut session) = self.sessions.remove(id)?;
        reweigh(&mut self.bytes, &mut session.weight, 0);
        self.timers
            .remove(&(session.armed, timer_of(product, &session)));
        Some((product, session))
    }

    /// Something of an access came: its session goes on.
    pub(super) fn touch_session(&mut self, key: AccessKey, end: Timestamp) {
        let id = self.accesses.get(&key).and_then(|open| open.session);
        let own = self.catalogue.endpoint(key.endpoint);
        // Where one name gives checks and files, a small transfer proves nothing of a large one; nor does a list of a server of files.
        let is_own =
            own.is_some_and(|own| !own.shared_host && !own.by_volume && own.role != Role::Download);
        if let Some(session) = id.and_then(|id| self.sessions.get_mut(id)) {
            session.end = session.end.max(end);
            let is_sure = key.doubt == Doubt::None;
            session.has_own_check |= key.role == Role::Check && is_own && is_sure;
        }
    }

    /// Whether the host contacted, in such a session, a check server of the product that serves nothing else.
    pub(super) fn is_supported(&self, key: &AccessKey, decided: Option<EndpointId>) -> bool {
        let product = self.product(decided.unwrap_or(key.endpoint));
        let sessions = product.map(|product| self.sessions.of(key.host, product));
        let mut sessions = sessions.into_iter().flatten();
        sessions.any(|session| session.has_own_check)
    }

    /// Tells an access, which counts in its session.
    pub(super) fn give(&mut self, cause: Cause, access: Access, out: &mut OutputSink<'_>) {
        self.counters.accesses += 1;
        if let Some(id) = access.session
            && let Some(session) = self.sessions.get_mut(id)
        {
            session.open_accesses = session.open_accesses.saturating_sub(1);
            session.take_in(&access);
            let memory = session.memory() + ENTRY_BYTES;
            reweigh(&mut self.bytes, &mut session.weight, memory);
            self.rearm_session(id, access.reported);
        }
        out(cause, Output::Access(Box::new(access)));
    }

    /// An access turned out to be none of a session's; one that has no other is not told.
    pub(super) fn leave_session(&mut self, id: u64) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.open_accesses = session.open_accesses.saturating_sub(1);
        if session.open_accesses == 0 && session.is_empty() {
            self.take_session(id);
        } else {
            self.rearm_session(id, self.now);
        }
    }

    /// Once nothing of it is open, a session may be over earlier than it seemed.
    fn rearm_session(&mut self, id: u64, at: Timestamp) {
        let Some((host, (product, _))) = self.sessions.key_of(id) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let due = session.due().max(at).max(self.now);
        if session.open_accesses == 0 && due < session.armed {
            let timer = TimerKey::Session(host, product, id);
            self.timers.remove(&(session.armed, timer));
            session.armed = due;
            self.timers.insert((due, timer));
        }
    }

    pub(super) fn close_session(&mut self, id: u64, closing: Closing, out: &mut OutputSink<'_>) {
        let Some((product, session)) = self.take_session(id) else {
            return;
        };
        self.counters.sessions += 1;
        let host = session.host;
        let usual = self.usual_check(host, product);
        if let Some(size) = session.plain_check() {
            self.note_check((host, session.client), product, size, session.end);
        }
        let mut session = session.close(closing.at, usual);
        session.os = self.whose().system_of(host, session.client, closing.at);
        out(closing.cause, Output::Session(Box::new(session)));
    }

    /// The sessions of `from` are other hosts' now, each that of its client; with those of the same product there they become one.
    pub(super) fn move_sessions(&mut self, from: HostKey, to: impl Fn(IpAddr) -> HostKey) {
        for (_, (_, id)) in keys_from(&self.sessions.by_host, from) {
            let Some((product, mut session)) = self.take_session(id) else {
                continue;
            };
            session.host = to(session.client);
            let (host, armed) = (session.host, session.armed);
            self.put_session(product, session, armed);
            self.unite_sessions(host, product);
        }
    }

    /// An access that went to a host of its own goes out of the session of the host that it was taken for, unless it was told as that
    /// one's.
    pub(super) fn part_session(&mut self, key: AccessKey) {
        let Some(open) = self.accesses.get(&key).filter(|open| !open.was_told()) else {
            return;
        };
        let (start, end, decided) = (open.start, open.end, open.decided);
        let session = open.session.and_then(|id| self.sessions.get(id));
        let Some(session) = session.filter(|session| session.host != key.host) else {
            return;
        };
        self.leave_session(session.id);
        let joined = self.join_session(key, decided.unwrap_or(key.endpoint), start);
        if let Some(open) = self.accesses.get_mut(&key) {
            open.session = joined;
        }
        self.touch_session(key, end);
    }

    /// Sessions of one host and product become one. It has the id that was told, else that of the first.
    fn unite_sessions(&mut self, host: HostKey, product: ProductId) {
        let sessions = self.sessions.of(host, product);
        let mut ids: Vec<(bool, Timestamp, u64)> = sessions
            .map(|open| (self.untold_of(open).is_some(), open.start, open.id))
            .collect();
        ids.sort_unstable();
        let mut ids = ids.into_iter();
        let Some((_, _, kept)) = ids.next() else {
            return;
        };
        for (_, _, id) in ids.filter(|(is_untold, ..)| *is_untold) {
            self.merge_session(id, kept);
        }
    }

    /// The accesses of a session that no record has named; `None`: one has, or may have.
    fn untold_of(&self, session: &OpenSession) -> Option<Vec<AccessKey>> {
        if !session.is_empty() || session.told_before > 0 {
            return None;
        }
        let accesses = self.accesses.range(AccessKey::first_of(session.host)..);
        let accesses = accesses.take_while(|(key, _)| key.host == session.host);
        let own = accesses.filter(|(_, open)| open.session == Some(session.id));
        let (mut keys, mut is_untold) = (Vec::new(), true);
        for (key, open) in own {
            keys.push(*key);
            is_untold &= !open.was_told();
        }
        // What stands elsewhere was told there.
        let are_all = keys.len() == session.open_accesses as usize;
        (is_untold && are_all).then_some(keys)
    }

    fn merge_session(&mut self, id: u64, kept: u64) {
        let accesses = self.sessions.get(id).map(|session| self.untold_of(session));
        let Some(accesses) = accesses.flatten() else {
            return;
        };
        let Some((_, merged)) = self.take_session(id) else {
            return;
        };
        for key in accesses {
            if let Some(open) = self.accesses.get_mut(&key) {
                open.session = Some(kept);
            }
        }
        if let Some(session) = self.sessions.get_mut(kept) {
            session.merge(&merged);
        }
        self.rearm_session(kept, self.now);
    }
}

fn timer_of(product: ProductId, session: &OpenSession) -> TimerKey {
    TimerKey::Session(session.host, product, session.id)
}
