//! What goes on over a restart of the sensor: open accesses, windows, failures, sessions, and parts of files.
//!
//! [`Engine::kept`] tells it item by item, [`Engine::take_up`] takes it in again. Items name endpoints by numbers that hold within one
//! telling; the endpoints in use come with it, so a rule that the next catalogue does not hold any more ends as at a reload. Timers,
//! weights and what follows from other items are made anew. Times may not lie behind the moment of telling: nothing becomes immortal.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::access::{AccessKey, KnownFile, OpenAccess};
use super::super::catalogue::facts::{EndpointFacts, ProductFacts};
use super::super::catalogue::{
    Catalogue, Endpoint, EndpointId, Product, ProductId, Role, Security,
};
use super::super::coverage::kept::KeptCoverage;
use super::super::fact::Contact;
use super::super::hosts::{HostKey, Mac};
use super::super::os::KeptSeen;
use super::super::session::OpenSession;
use super::Engine;
use super::files::FileKey;
use super::products::UsualCheck;
use super::timers::TimerKey;
use super::windows::{PendingFailure, Window};
use crate::types::Timestamp;

/// Revisions of one access that a run may tell: while it goes on, and at its end.
const REVISIONS: u32 = 2;

/// One item, as it is written. The variants are those of [`Kept`].
#[derive(Debug, Serialize)]
pub enum KeptRef<'k> {
    /// An endpoint that items name.
    Endpoint(KeptEndpoint),
    /// See [`Kept::Access`].
    Access(&'k AccessKey, &'k OpenAccess),
    /// See [`Kept::Session`].
    Session(&'k OpenSession),
    #[allow(private_interfaces, reason = "nobody but this file looks into it")]
    /// See [`Kept::Window`].
    Window(HostKey, &'k Window),
    #[allow(private_interfaces, reason = "nobody but this file looks into it")]
    /// See [`Kept::Failure`].
    Failure(HostKey, &'k PendingFailure),
    /// See [`Kept::File`].
    File(HostKey, u64, &'k KnownFile),
    /// See [`Kept::Usual`].
    Usual(HostKey, EndpointId, &'k UsualCheck),
    /// See [`Kept::System`].
    System(HostKey, Vec<KeptSeen>),
}

/// One item, as it is read.
#[derive(Debug, Serialize, Deserialize)]
pub enum Kept {
    /// An endpoint that items name.
    Endpoint(KeptEndpoint),
    /// An open access.
    Access(AccessKey, Box<OpenAccess>),
    /// An open session.
    Session(Box<OpenSession>),
    #[allow(private_interfaces, reason = "nobody but this file looks into it")]
    /// A name that was asked.
    Window(HostKey, Box<Window>),
    #[allow(private_interfaces, reason = "nobody but this file looks into it")]
    /// A contact that failed.
    Failure(HostKey, Box<PendingFailure>),
    /// What a host has of a file, by the file's hash.
    File(HostKey, u64, KnownFile),
    /// How large a client's checks of a product are, which one of its endpoints stands for.
    Usual(HostKey, EndpointId, UsualCheck),
    /// What tells of a client's operating system.
    System(HostKey, Vec<KeptSeen>),
}

/// An endpoint: what of it counts where no name leads to it any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptEndpoint {
    number: u32,
    rule: String,
    role: Role,
    shared_host: bool,
    is_internal: bool,
    alternatives: Vec<(String, String)>,
    vendor: String,
    product: String,
    title: String,
    security: Security,
}

/// When the items were told, and when they are taken up.
#[derive(Clone, Copy, Debug)]
pub struct Resumption {
    /// The items hold what was known up to here.
    pub seen: Timestamp,
    /// The run that takes them up sees everything from here on.
    pub resumed: Timestamp,
    /// Runs that went on after the telling, and died: what they told final may be told again, with a higher revision.
    pub runs_since: u32,
}

impl Kept {
    /// The client that it is about.
    pub fn client(&self) -> Option<IpAddr> {
        match self {
            Self::Endpoint(_) => None,
            Self::Access(key, _) => Some(key.client),
            Self::Session(session) => Some(session.client),
            Self::Window(_, window) => Some(window.question.client.address),
            Self::Failure(_, pending) => Some(pending.failure.contact.client.address),
            Self::File(_, _, file) => Some(file.client),
            Self::Usual(_, _, usual) => Some(usual.client),
            Self::System(HostKey::Address(client), _) => Some(*client),
            Self::System(HostKey::Mac(_), _) => None,
        }
    }

    /// The MAC address that it is about, where it goes by that alone.
    pub const fn mac(&self) -> Option<Mac> {
        match self {
            Self::System(host, _) => host.mac(),
            _ => None,
        }
    }
}

impl KeptEndpoint {
    fn of(catalogue: &Catalogue, number: u32) -> Option<Self> {
        let endpoint = catalogue.endpoint(EndpointId(number))?;
        let product = catalogue.product(endpoint.product)?;
        Some(Self {
            number,
            rule: endpoint.rule.clone(),
            role: endpoint.role,
            shared_host: endpoint.shared_host,
            is_internal: endpoint.is_internal,
            alternatives: endpoint.alternatives.clone(),
            vendor: product.vendor.clone(),
            product: product.id.clone(),
            title: product.title.clone(),
            security: product.security,
        })
    }

    fn parts(&self) -> (Product, Endpoint) {
        let product = Product {
            vendor: self.vendor.clone(),
            id: self.product.clone(),
            title: self.title.clone(),
            security: self.security,
            download_threshold: None,
            facts: ProductFacts::default(),
        };
        let endpoint = Endpoint {
            rule: self.rule.clone(),
            product: ProductId(0),
            role: self.role,
            by_volume: false,
            paths: Vec::new(),
            alternatives: self.alternatives.clone(),
            shared_host: self.shared_host,
            any_host: false,
            is_internal: self.is_internal,
            facts: EndpointFacts::default(),
        };
        (product, endpoint)
    }
}

/// `catalogue`, with the endpoints of `items` that it does not hold; items name endpoints by its ids from now on. One that names none
/// is left out, and so are parts of files that make no sense.
pub fn resolve(catalogue: Catalogue, items: Vec<Kept>) -> (Catalogue, Vec<Kept>) {
    let endpoints = || {
        items.iter().filter_map(|item| match item {
            Kept::Endpoint(endpoint) => Some(endpoint),
            _ => None,
        })
    };
    let (catalogue, ids) = catalogue.with_earlier(endpoints().map(KeptEndpoint::parts));
    let numbers = endpoints().map(|endpoint| endpoint.number);
    let mut known: Vec<(u32, EndpointId)> = numbers.zip(ids).collect();
    known.sort_unstable();
    let find = |id: EndpointId| {
        let at = known.binary_search_by_key(&id.0, |(number, _)| *number);
        at.ok().and_then(|at| known.get(at)).map(|(_, id)| *id)
    };
    let items = items.into_iter();
    let items = items.filter_map(|item| renumber(item, &find)).collect();
    (catalogue, items)
}

fn renumber(mut item: Kept, find: &impl Fn(EndpointId) -> Option<EndpointId>) -> Option<Kept> {
    match &mut item {
        Kept::Endpoint(_) => return None,
        Kept::Access(key, open) => {
            key.endpoint = find(key.endpoint)?;
            open.endpoint = find(open.endpoint)?;
            open.decided = open.decided.and_then(find);
            renumber_contact(&mut open.contact, find)?;
        }
        Kept::Session(session) => {
            session.endpoint = find(session.endpoint)?;
            let asked = session.asked.iter();
            let asked = asked.filter_map(|(id, name)| Some((find(*id)?, *name)));
            session.asked = asked.collect();
        }
        Kept::Usual(_, endpoint, _) => *endpoint = find(*endpoint)?,
        Kept::Window(_, window) => window.question.endpoint = find(window.question.endpoint)?,
        Kept::Failure(_, pending) => renumber_contact(&mut pending.failure.contact, find)?,
        Kept::File(_, _, file) => file.ranges = file.ranges.checked()?,
        Kept::System(..) => {}
    }
    Some(item)
}

fn renumber_contact(
    contact: &mut Arc<Contact>,
    find: &impl Fn(EndpointId) -> Option<EndpointId>,
) -> Option<()> {
    let contact = Arc::make_mut(contact);
    contact.endpoint = find(contact.endpoint)?;
    let alternatives = contact.alternatives.iter();
    contact.alternatives = alternatives.filter_map(|id| find(*id)).collect();
    Some(())
}

/// Endpoints in use, by their places in the catalogue.
struct InUse(Vec<bool>);

impl InUse {
    fn note(&mut self, id: EndpointId) {
        if let Some(is_used) = self.0.get_mut(id.0 as usize) {
            *is_used = true;
        }
    }

    fn note_contact(&mut self, contact: &Contact) {
        self.note(contact.endpoint);
        contact.alternatives.iter().for_each(|id| self.note(*id));
    }
}

impl Engine {
    /// Tells every item, endpoints first.
    pub fn kept(&self, each: &mut dyn FnMut(&KeptRef<'_>)) {
        for (number, is_used) in (0_u32..).zip(self.in_use().0) {
            if let Some(endpoint) = KeptEndpoint::of(&self.catalogue, number).filter(|_| is_used) {
                each(&KeptRef::Endpoint(endpoint));
            }
        }
        for (key, open) in &self.accesses {
            each(&KeptRef::Access(key, open));
        }
        for session in self.sessions.values() {
            each(&KeptRef::Session(session));
        }
        for ((host, _), window) in &self.windows {
            each(&KeptRef::Window(*host, window));
        }
        for ((host, _), pending) in &self.failures {
            each(&KeptRef::Failure(*host, pending));
        }
        // In the order in which they are forgotten.
        for (_, key) in &self.file_order {
            if let Some(known) = self.files.get(key) {
                each(&KeptRef::File(key.0, key.1, known));
            }
        }
        for (_, key) in &self.usual_order {
            let first = self.products.endpoints(key.1).first();
            if let Some((usual, endpoint)) = self.usual.get(key).zip(first) {
                each(&KeptRef::Usual(key.0, *endpoint, usual));
            }
        }
        for (client, seen) in self.systems.kept() {
            each(&KeptRef::System(client, seen));
        }
    }

    fn in_use(&self) -> InUse {
        let mut used = InUse(vec![false; self.catalogue.len()]);
        for (key, open) in &self.accesses {
            used.note(key.endpoint);
            open.decided.iter().for_each(|id| used.note(*id));
            used.note_contact(&open.contact);
        }
        for session in self.sessions.values() {
            used.note(session.endpoint);
            session.asked.iter().for_each(|(id, _)| used.note(*id));
        }
        for window in self.windows.values() {
            used.note(window.question.endpoint);
        }
        for (_, product) in self.usual.keys() {
            let first = self.products.endpoints(*product).first();
            first.iter().for_each(|id| used.note(**id));
        }
        for pending in self.failures.values() {
            used.note_contact(&pending.failure.contact);
        }
        used
    }

    /// The same for what could be seen of clients.
    pub fn take_up_coverage(&mut self, items: Vec<KeptCoverage>, when: &Resumption) -> u64 {
        let local = &self.options.local;
        let is_host = |client| local.is_empty() || local.contains(client);
        self.coverage
            .take_up(items, (when.seen, when.resumed), is_host)
    }

    /// Takes in what an earlier run told, by this engine's catalogue: see [`resolve`]. Gives how many items it took.
    pub fn take_up(&mut self, items: Vec<Kept>, when: &Resumption) -> u64 {
        let mut taken = 0;
        // Sessions first: accesses count for theirs.
        let (sessions, others): (Vec<Kept>, Vec<Kept>) = items
            .into_iter()
            .partition(|item| matches!(item, Kept::Session(_)));
        for item in sessions.into_iter().chain(others) {
            let is_taken = match item {
                Kept::Endpoint(_) => false,
                Kept::Access(key, open) => self.take_up_access(key, *open, when),
                Kept::Session(session) => self.take_up_session(*session, when),
                Kept::Window(host, window) => self.take_up_window(host, *window, when),
                Kept::Failure(host, pending) => self.take_up_failure(host, *pending, when),
                Kept::File(host, file, known) => self.take_up_file((host, file), known, when),
                Kept::Usual(host, endpoint, usual) => {
                    self.take_up_usual(host, endpoint, usual, when)
                }
                Kept::System(client, seen) => {
                    let most = self.options.max_bytes / 8;
                    let is_meant = match client {
                        HostKey::Address(address) => self.is_local(address),
                        HostKey::Mac(_) => true,
                    };
                    is_meant && self.systems.take_up(client, seen, when.seen, most)
                }
            };
            taken += u64::from(is_taken);
        }
        taken
    }

    fn take_up_access(&mut self, key: AccessKey, open: OpenAccess, when: &Resumption) -> bool {
        let mut open = open;
        let is_late = open.start.max(open.end) > when.seen;
        if is_late || self.accesses.contains_key(&key) || !self.is_local(key.client) {
            return false;
        }
        if !open.ongoing.is_empty() {
            // The flows tell themselves when they are seen again.
            open.ongoing.clear();
            open.resumed = Some(when.resumed);
        }
        open.told_before = when.told_before(open.told_before);
        if let Some(id) = open.session {
            match self.sessions.get_mut(id) {
                Some(session) => session.open_accesses += 1,
                // What its record names has to count it.
                None => {
                    let endpoint = open.decided.unwrap_or(key.endpoint);
                    open.session = self.join_session(key, endpoint, open.start);
                }
            }
        }
        open.armed = open.due(key.role, &self.options).max(when.resumed);
        self.timers.insert((open.armed, TimerKey::Access(key)));
        self.accesses.insert(key, open);
        self.weigh_access(&key);
        true
    }

    fn take_up_session(&mut self, mut session: OpenSession, when: &Resumption) -> bool {
        let Some(product) = self.product(session.endpoint) else {
            return false;
        };
        let is_known = self.sessions.get(session.id).is_some();
        if session.end > when.seen || is_known || !self.is_local(session.client) {
            return false;
        }
        session.told_before = when.told_before(session.told_before);
        let due = session.due().max(when.resumed);
        self.put_session(product, session, due);
        true
    }

    fn take_up_window(&mut self, host: HostKey, mut window: Window, when: &Resumption) -> bool {
        let key = (host, window.question.endpoint);
        let client = window.question.client.address;
        let is_late = window.last.max(window.question.time) > when.seen;
        if is_late || self.windows.contains_key(&key) || !self.is_local(client) {
            return false;
        }
        window.was_blind = true;
        window.told_before = when.told_before(window.told_before);
        window.armed = window.last.plus(self.options.window).max(when.resumed);
        self.put_window(host, window);
        true
    }

    fn take_up_failure(
        &mut self,
        host: HostKey,
        mut pending: PendingFailure,
        when: &Resumption,
    ) -> bool {
        let contact = &pending.failure.contact;
        let client = contact.client.address;
        let key = (host, contact.endpoint);
        let is_late = pending.failure.time.max(contact.start) > when.seen;
        if is_late || self.failures.contains_key(&key) || !self.is_local(client) {
            return false;
        }
        let latest = when.seen.plus(self.options.fallback);
        pending.due = pending.due.min(latest).max(when.resumed);
        pending.told_before = when.told_before(pending.told_before);
        self.put_failure(host, pending);
        true
    }

    fn take_up_file(&mut self, key: FileKey, known: KnownFile, when: &Resumption) -> bool {
        if known.last > when.seen || self.files.contains_key(&key) || !self.is_local(known.client) {
            return false;
        }
        self.put_file(key, known);
        true
    }

    fn take_up_usual(
        &mut self,
        host: HostKey,
        endpoint: EndpointId,
        usual: UsualCheck,
        when: &Resumption,
    ) -> bool {
        let Some(product) = self.product(endpoint) else {
            return false;
        };
        let key = (host, product);
        let is_local = self.is_local(usual.client);
        if usual.last > when.seen || self.usual.contains_key(&key) || !is_local {
            return false;
        }
        self.put_usual(key, usual);
        true
    }
}

impl Resumption {
    fn told_before(&self, earlier: u32) -> u32 {
        earlier.saturating_add(self.runs_since.saturating_mul(REVISIONS))
    }
}
