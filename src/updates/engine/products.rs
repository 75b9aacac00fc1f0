//! What a client did for a product elsewhere: which product a shared server's file is of, whether a download was asked for, and how
//! large its checks usually are.

use std::collections::HashMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::super::catalogue::{Catalogue, EndpointId, ProductId, Role};
use super::Engine;
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
    by_name: HashMap<(String, String), ProductId>,
}

/// Sizes of one client's last checks of one product, in payload bytes toward the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsualCheck {
    sizes: [u32; REMEMBERED],
    count: u32,
    /// When the last one was.
    pub(super) last: Timestamp,
}

impl Products {
    pub(super) fn of(catalogue: &Catalogue) -> Self {
        let mut all = Self::default();
        for number in 0..u32::try_from(catalogue.len()).unwrap_or(u32::MAX) {
            let id = EndpointId(number);
            let Some(endpoint) = catalogue.endpoint(id) else {
                continue;
            };
            all.endpoints.entry(endpoint.product).or_default().push(id);
            let mut links: Vec<EndpointId> = endpoint
                .paths
                .iter()
                .filter_map(|rule| rule.leads_to)
                .collect();
            links.sort_unstable();
            links.dedup();
            if !links.is_empty() {
                all.links.insert(id, links);
            }
            if let Some(product) = catalogue.product(endpoint.product) {
                let name = (product.vendor.clone(), product.id.clone());
                all.by_name.insert(name, endpoint.product);
            }
        }
        all
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

impl UsualCheck {
    fn new(size: u64, at: Timestamp) -> Self {
        let mut usual = Self {
            sizes: [0; REMEMBERED],
            count: 0,
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
    /// More than this in one burst of a client is a download: what the catalogue says, else the larger of the configured size and
    /// twenty of the client's usual checks.
    pub(super) fn threshold(&self, client: IpAddr, endpoint: EndpointId) -> u64 {
        let product = self.catalogue.product_of(endpoint);
        if let Some(said) = product.and_then(|product| product.download_threshold) {
            return said;
        }
        let usual = self
            .product(endpoint)
            .and_then(|product| self.usual_check(client, product));
        let by_usual = usual.unwrap_or(0).saturating_mul(TIMES_USUAL);
        self.options.download_bytes.max(by_usual)
    }

    /// How large this client's checks of a product usually are.
    pub(super) fn usual_check(&self, client: IpAddr, product: ProductId) -> Option<u64> {
        self.usual.get(&(client, product))?.size()
    }

    /// Remembers a check after which nothing was asked for.
    pub(super) fn note_check(
        &mut self,
        client: IpAddr,
        product: ProductId,
        size: u64,
        at: Timestamp,
    ) {
        let key = (client, product);
        match self.usual.get_mut(&key) {
            Some(usual) => usual.note(size, at),
            None => self.put_usual(key, UsualCheck::new(size, at)),
        }
    }

    pub(super) fn put_usual(&mut self, key: (IpAddr, ProductId), usual: UsualCheck) {
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

    /// Whether the client asked for the name of a download server of the product at `since` or later.
    pub(super) fn was_download_asked(
        &self,
        client: IpAddr,
        product: ProductId,
        since: Timestamp,
    ) -> bool {
        let endpoints = self.products.endpoints(product).iter();
        let mut downloads = endpoints.filter(|id| {
            let endpoint = self.catalogue.endpoint(**id);
            endpoint.is_some_and(|endpoint| endpoint.role == Role::Download)
        });
        downloads.any(|id| {
            let window = self.windows.get(&(client, *id));
            window.is_some_and(|window| window.last >= since)
        })
    }

    /// Where several products share an entry: an endpoint of the only one of them that the client has to do with now.
    pub(super) fn decide(&self, client: IpAddr, endpoint: EndpointId) -> Option<EndpointId> {
        let shared = self.catalogue.endpoint(endpoint)?;
        if shared.alternatives.is_empty() || !self.catalogue.product_of(endpoint)?.is_unknown() {
            return None;
        }
        let others = shared.alternatives.iter();
        let products = others.filter_map(|name| self.products.by_name.get(name).copied());
        let mut active = products.filter_map(|product| {
            let mut own = self.products.endpoints(product).iter();
            let is_met = self.sessions.contains_key(&(client, product));
            own.find(|id| is_met || self.windows.contains_key(&(client, **id)))
                .copied()
        });
        let first = active.next()?;
        active.next().is_none().then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_check_is_the_median_of_the_last_seven() {
        let at = Timestamp::from_nanos(0);
        let mut usual = UsualCheck::new(100, at);
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
