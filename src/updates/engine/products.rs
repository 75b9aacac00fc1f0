//! What a client did for a product elsewhere: which product a shared server's file is of, whether a download was asked for, and how
//! large its checks usually are.

use std::collections::HashMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::super::access::{AccessKey, OpenAccess};
use super::super::catalogue::{Catalogue, Endpoint, EndpointId, Product, ProductId, Role, RoleOf};
use super::super::fact::Contact;
use super::super::hosts::HostKey;
use super::super::session::{AskedName, OpenSession};
use super::windows::name_hash;
use super::{ENTRY_BYTES, Engine, reweigh};
use crate::types::Timestamp;

/// Checks of a client that make its usual one.
const FEWEST: u32 = 3;
/// Checks that are remembered; an odd number has a median.
const REMEMBERED: usize = 7;
/// A download is larger than so many usual checks.
const TIMES_USUAL: u64 = 20;
/// Memory of the checks of one client and product, with its places in table and queue.
pub(super) const USUAL_BYTES: usize = 256;

/// How endpoints belong together.
#[derive(Debug, Default)]
pub(super) struct Products {
    /// The endpoints of each product.
    endpoints: HashMap<ProductId, Vec<EndpointId>>,
    /// Where requests to the names of an endpoint lead to others: those.
    links: HashMap<EndpointId, Vec<EndpointId>>,
    /// Where several products share an endpoint: those, its own first.
    sharing: HashMap<EndpointId, Vec<ProductId>>,
    /// Endpoints that give files of a product, shared ones too.
    downloads: HashMap<ProductId, Vec<EndpointId>>,
}

/// Sizes of one client's last checks of one product, in payload bytes toward the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsualCheck {
    sizes: [u32; REMEMBERED],
    count: u32,
    /// An address of the client.
    pub(super) client: IpAddr,
    /// When the last one was.
    pub(super) last: Timestamp,
}

impl Products {
    pub(super) fn of(catalogue: &Catalogue) -> Self {
        let mut all = Self::default();
        let mut by_name = HashMap::new();
        for (id, endpoint) in every(catalogue) {
            all.endpoints.entry(endpoint.product).or_default().push(id);
            if let Some(product) = catalogue.product(endpoint.product) {
                let name = (product.vendor.clone(), product.id.clone());
                by_name.insert(name, endpoint.product);
            }
        }
        for (id, endpoint) in every(catalogue) {
            let mut links: Vec<EndpointId> = endpoint
                .paths
                .iter()
                .filter_map(|rule| rule.leads_to)
                .collect();
            links.sort_unstable();
            links.dedup();
            let products = sharing(catalogue, endpoint, &by_name);
            if endpoint.role == Role::Download {
                for product in &products {
                    all.downloads.entry(*product).or_default().push(id);
                }
            }
            if products.len() > 1 || !endpoint.alternatives.is_empty() {
                all.sharing.insert(id, products);
            }
            if !links.is_empty() {
                all.links.insert(id, links);
            }
        }
        all
    }

    /// The products that share an endpoint, its own first; none where it is of one alone.
    pub(super) fn sharing(&self, endpoint: EndpointId) -> &[ProductId] {
        let products = self.sharing.get(&endpoint);
        products.map(Vec::as_slice).unwrap_or_default()
    }

    /// The endpoints of a product.
    pub(super) fn endpoints(&self, product: ProductId) -> &[EndpointId] {
        let endpoints = self.endpoints.get(&product);
        endpoints.map(Vec::as_slice).unwrap_or_default()
    }

    /// The endpoints that a contact with the names of `endpoint` may come to: itself first.
    pub(super) fn reached_from(&self, endpoint: EndpointId) -> impl Iterator<Item = EndpointId> {
        let links = self.links.get(&endpoint).into_iter().flatten();
        std::iter::once(endpoint).chain(links.copied())
    }
}

/// Every endpoint of a catalogue.
fn every(catalogue: &Catalogue) -> impl Iterator<Item = (EndpointId, &Endpoint)> {
    let ids = (0..u32::try_from(catalogue.len()).unwrap_or(u32::MAX)).map(EndpointId);
    ids.filter_map(|id| Some((id, catalogue.endpoint(id)?)))
}

/// Products that a contact with an endpoint may be about where nothing more tells: its own, unless that stands for several, those that
/// the catalogue names, and those whose files its paths lead to.
fn sharing(
    catalogue: &Catalogue,
    endpoint: &Endpoint,
    by_name: &HashMap<(String, String), ProductId>,
) -> Vec<ProductId> {
    let own = catalogue.product(endpoint.product);
    let own = own
        .filter(|own| !own.is_unknown())
        .map(|_| endpoint.product);
    let named = endpoint.alternatives.iter();
    let named = named.filter_map(|name| by_name.get(name).copied());
    let files = endpoint
        .paths
        .iter()
        .filter(|rule| rule.role == Role::Download);
    let files = files.filter_map(|rule| catalogue.endpoint(rule.leads_to?).map(|led| led.product));
    let mut products = Vec::new();
    for product in own.into_iter().chain(named).chain(files) {
        if !products.contains(&product) {
            products.push(product);
        }
    }
    products
}

impl UsualCheck {
    fn new(client: IpAddr, size: u64, at: Timestamp) -> Self {
        let mut usual = Self {
            sizes: [0; REMEMBERED],
            count: 0,
            client,
            last: at,
        };
        usual.note(size, at);
        usual
    }

    fn note(&mut self, size: u64, at: Timestamp) {
        let place = self.count as usize % REMEMBERED;
        if let Some(oldest) = self.sizes.get_mut(place) {
            *oldest = u32::try_from(size).unwrap_or(u32::MAX);
        }
        self.count = self.count.saturating_add(1);
        self.last = self.last.max(at);
    }

    /// The median; `None` where there were too few.
    fn size(&self) -> Option<u64> {
        let known = self.sizes.get(..REMEMBERED.min(self.count as usize))?;
        let mut sorted = known.to_vec();
        sorted.sort_unstable();
        let median = sorted.get(sorted.len() / 2).copied().map(u64::from);
        median.filter(|_| self.count >= FEWEST)
    }
}

impl Engine {
    /// More than this in one burst of a client is a download: what the catalogue says, else the configured size, or twenty of the client's
    /// usual checks where those are more and the server gives answers to checks too.
    pub(super) fn threshold(&self, host: HostKey, endpoint: EndpointId) -> u64 {
        let product = self.catalogue.product_of(endpoint);
        if let Some(said) = product.and_then(|product| product.download_threshold) {
            return said;
        }
        // A server that gives nothing but files gives no lists that may be large.
        let own = self.catalogue.endpoint(endpoint);
        let product = own.filter(|own| own.role != Role::Download || own.by_volume);
        let usual = product.and_then(|own| self.usual_check(host, own.product));
        let by_usual = usual.unwrap_or(0).saturating_mul(TIMES_USUAL);
        self.options.download_bytes.max(by_usual)
    }

    /// How large this client's checks of a product usually are.
    pub(super) fn usual_check(&self, host: HostKey, product: ProductId) -> Option<u64> {
        self.usual.get(&(host, product))?.size()
    }

    /// Remembers a check after which nothing was asked for.
    pub(super) fn note_check(
        &mut self,
        (host, client): (HostKey, IpAddr),
        product: ProductId,
        size: u64,
        at: Timestamp,
    ) {
        let key = (host, product);
        match self.usual.get_mut(&key) {
            Some(usual) => usual.note(size, at),
            None => self.put_usual(key, UsualCheck::new(client, size, at)),
        }
    }

    pub(super) fn put_usual(&mut self, key: (HostKey, ProductId), usual: UsualCheck) {
        self.usual_order.push_back((usual.last, key));
        self.usual.insert(key, usual);
        while self.usual.len() * USUAL_BYTES > self.options.max_bytes / 4
            && let Some((noted, key)) = self.usual_order.pop_front()
        {
            match self.usual.get(&key) {
                Some(usual) if usual.last > noted => self.usual_order.push_back((usual.last, key)),
                _ => {
                    self.usual.remove(&key);
                }
            }
        }
    }

    /// Names of servers with files of the product that the client asked for at `since` or later, and did not contact for something else.
    pub(super) fn downloads_asked(
        &self,
        host: HostKey,
        product: ProductId,
        since: Timestamp,
    ) -> Vec<AskedName> {
        let downloads = self.products.downloads.get(&product);
        let downloads = downloads.into_iter().flatten();
        let windows = downloads.filter_map(|id| Some((*id, self.windows.get(&(host, *id))?)));
        windows
            .flat_map(|(id, window)| window.open_since(since).map(move |name| (id, name)))
            .collect()
    }

    /// The client asked for a name of `endpoint`: sessions of the products whose files it gives know that.
    pub(super) fn note_download_asked(&mut self, host: HostKey, name: AskedName) {
        self.for_sessions_at(host, name.0, |_, session| session.download_asked(name));
    }

    /// What a client asked a name for turned out: a download stands for itself, and a path that leads to one product, or to nothing that
    /// is a file, says that no file of the others was meant that share the server.
    pub(super) fn note_purpose(&mut self, host: HostKey, contact: &Contact, role: RoleOf) {
        let name = (contact.endpoint, name_hash(&contact.name));
        let is_download = role.role == Role::Download;
        let led = self.product(role.endpoint.unwrap_or(contact.endpoint));
        // What surrounds a file, as its list of hashes, is for the file's sake; a check and a list of certificates stand for themselves.
        let is_around = role.role == Role::Metadata && role.endpoint.is_some();
        let meant = led.filter(|_| is_download || is_around);
        let product = meant.and_then(|meant| self.catalogue.product(meant));
        if product.is_some_and(Product::is_unknown) {
            return;
        }
        let is_settled = role.by_path && (is_download || meant.is_none());
        if is_settled && let Some(window) = self.windows.get_mut(&(host, name.0)) {
            window.close(name.1);
        }
        self.for_sessions_at(host, name.0, |product, session| {
            let is_meant = Some(product) == meant;
            if (is_meant && is_download) || (!is_meant && role.by_path) {
                session.contacted(name);
            }
        });
    }

    /// Each session of a host that is of a product whose files `endpoint` gives.
    fn for_sessions_at(
        &mut self,
        host: HostKey,
        endpoint: EndpointId,
        mut each: impl FnMut(ProductId, &mut OpenSession),
    ) {
        let own = self.product(endpoint);
        let shared = self.products.sharing(endpoint).iter().copied();
        for product in own.into_iter().chain(shared) {
            for session in self.sessions.of_mut(host, product) {
                each(product, session);
                let memory = session.memory() + ENTRY_BYTES;
                reweigh(&mut self.bytes, &mut session.weight, memory);
            }
        }
    }

    /// Where several products share an entry: an endpoint of the only one of them that the client has to do with now, beside the access
    /// in question, whose session is `own`.
    pub(super) fn decide(&self, key: &AccessKey, own: Option<u64>) -> Option<EndpointId> {
        let is_unknown = self.catalogue.product_of(key.endpoint)?.is_unknown();
        if key.role != Role::Download && !is_unknown {
            return None;
        }
        let sharing = self.products.sharing(key.endpoint).iter();
        let mut active = sharing.filter_map(|product| self.met(key, *product, own));
        let first = active.next()?;
        active.next().is_none().then_some(first)
    }

    /// An endpoint of `product`, if the client of `key` has to do with it: a session goes on, or one of its names was asked. A question for
    /// the shared name itself says nothing.
    fn met(&self, key: &AccessKey, product: ProductId, own: Option<u64>) -> Option<EndpointId> {
        let mut sessions = self.sessions.of(key.host, product);
        let is_met = sessions.any(|session| !session.is_only_of(own));
        let endpoints = self.products.endpoints(product);
        let mut others = endpoints.iter().filter(|id| **id != key.endpoint);
        let asked = others.find(|id| self.windows.contains_key(&(key.host, **id)));
        asked
            .or_else(|| endpoints.first().filter(|_| is_met))
            .copied()
    }

    /// By the end of an access more is known: it may belong to another product, and so to another session.
    pub(super) fn decide_late(&mut self, key: AccessKey, open: &mut OpenAccess) {
        if open.decided.is_some() || open.is_told(&self.catalogue) {
            return;
        }
        let Some(decided) = self.decide(&key, open.session) else {
            return;
        };
        open.decided = Some(decided);
        let (was, is) = (self.product(key.endpoint), self.product(decided));
        let Some(session) = open.session.filter(|_| was != is) else {
            return;
        };
        self.leave_session(session);
        open.session = self.join_session(key, decided, open.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_check_is_the_median_of_the_last_seven() {
        let at = Timestamp::from_nanos(0);
        let mut usual = UsualCheck::new("192.0.2.1".parse().unwrap(), 100, at);
        usual.note(5_000, at);
        assert_eq!(usual.size(), None, "two make no habit");
        usual.note(110, at);
        assert_eq!(usual.size(), Some(110));
        for size in [200; 7] {
            usual.note(size, at);
        }
        assert_eq!(usual.size(), Some(200));
    }
}
