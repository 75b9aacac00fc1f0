//! The catalogue of update servers: data that people can read, extend and check.
//!
//! One TOML file a vendor. A product has endpoints; an endpoint has patterns of names, a role, and where one host serves
//! several purposes, roles by path. The most specific pattern wins: an exact name, then a glob within one label, then the longest
//! suffix. `ignore` endpoints win by the same rule and give no record.
//!
//! * [`file`]: the files, and how local ones add to those of the program; `tables`: what stands in one; `builder`: what can be wrong in them
//! * [`audit`]: what is readable in files, and yet makes no sense
//! * [`facts`]: what is told of products and endpoints beyond what verdicts need
//! * [`pattern`]: patterns of names, paths and User-Agents
//! * [`request`]: what a path and a User-Agent tell beyond the name
//! * [`lookup`]: from a name to an endpoint
//! * [`sources`]: own caches and mirrors, which the configuration names
//! * [`embedded`]: the catalogue that comes with the program

pub mod audit;
mod builder;
pub mod embedded;
pub mod facts;
pub mod file;
pub mod lookup;
pub mod pattern;
pub mod request;
pub mod sources;
mod tables;

use std::fmt;

use serde::{Deserialize, Serialize};

use builder::Builder;
use facts::{EndpointFacts, ProductFacts, Worded};
pub use file::{CatalogueError, SourceFile};
use lookup::Lookup;
use pattern::NamePattern;
pub use request::{RequestRule, RoleOf};
use sources::Sources;

/// What an endpoint is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// A client asks whether there is an update.
    Check,
    /// A client fetches one.
    Download,
    /// What surrounds updates: lists, keys, configuration.
    Metadata,
    /// A client asks whether it is online.
    Connectivity,
    /// Certificate lists: never an update.
    Revocation,
    /// A false friend: no record at all.
    Ignore,
}

impl Worded for Role {
    const WORDS: &'static [(Self, &'static str)] = &Self::WORDS;
}

impl Role {
    /// Every role, with its word.
    pub const WORDS: [(Self, &'static str); 6] = [
        (Self::Check, "check"),
        (Self::Download, "download"),
        (Self::Metadata, "metadata"),
        (Self::Connectivity, "connectivity"),
        (Self::Revocation, "revocation"),
        (Self::Ignore, "ignore"),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        self.word()
    }

    /// Whether contacts are told once an hour rather than one by one.
    pub const fn is_hourly(self) -> bool {
        matches!(self, Self::Connectivity | Self::Revocation)
    }

    /// Whether accesses belong to a session.
    pub const fn opens_session(self) -> bool {
        matches!(self, Self::Check | Self::Download)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a product's updates concern security.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Security {
    /// They do.
    Yes,
    /// They do not.
    No,
    /// Some do.
    Mixed,
}

impl Worded for Security {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Yes, "yes"), (Self::No, "no"), (Self::Mixed, "mixed")];
}

impl Security {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Mixed => "mixed",
        }
    }
}

/// An endpoint, by its place in the catalogue.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct EndpointId(pub u32);

/// A product, by its place in the catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductId(pub u32);

/// A product whose updates are watched.
#[derive(Clone, Debug)]
pub struct Product {
    /// Vendor's id.
    pub vendor: String,
    /// Its id, unique with the vendor's.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// Whether its updates concern security.
    pub security: Security,
    /// More than this in one burst over TLS or QUIC is a download, in bytes; `None`: as for every product.
    pub download_threshold: Option<u64>,
    /// Its habits.
    pub facts: ProductFacts,
}

/// Some servers of a product.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `vendor/product/endpoint`.
    pub rule: String,
    /// The product served.
    pub product: ProductId,
    /// What the servers are for, where no path says otherwise.
    pub role: Role,
    /// Whether a large burst makes a contact a download: check and payload share the name.
    pub by_volume: bool,
    /// Whether it is an own source: there a path that no rule names tells nothing.
    pub is_internal: bool,
    /// What requests tell beyond the name: the first that matches counts.
    pub paths: Vec<RequestRule>,
    /// Other products that the same servers serve.
    pub alternatives: Vec<(String, String)>,
    /// Whether names and addresses are shared with services that are no updates.
    pub shared_host: bool,
    /// Whether its `paths` count at every server that the catalogue does not know.
    pub any_host: bool,
    /// How it is reached, and how that is known.
    pub facts: EndpointFacts,
}

/// A catalogue that is whole: no pattern stands twice, every link leads to an endpoint, and every example of its files holds. What is
/// readable and makes no sense is for [`audit`] to tell.
#[derive(Clone, Debug)]
pub struct Catalogue {
    version: String,
    products: Vec<Product>,
    endpoints: Vec<Endpoint>,
    lookup: Lookup,
    /// Endpoints that requests lead to, at whatever server.
    anywhere: Vec<EndpointId>,
    sources: Sources,
}

impl Catalogue {
    /// The catalogue that comes with the program.
    pub fn embedded() -> Result<Self, Vec<CatalogueError>> {
        let files = embedded::files();
        Builder::read(&files, files.len()).catalogue(embedded::version())
    }

    /// This catalogue in the place of an `earlier` one: what both hold keeps its id, so what is open under an id stays what it was. What
    /// only the earlier one holds keeps its id too, and no name leads to it any more.
    #[must_use]
    pub fn succeeding(self, earlier: &Self) -> Self {
        let mut all = earlier.clone();
        let products: Vec<ProductId> = self
            .products
            .into_iter()
            .map(|product| ProductId(place(&mut all.products, product, Product::is_same)))
            .collect();
        let endpoints: Vec<EndpointId> = self
            .endpoints
            .into_iter()
            .map(|mut endpoint| {
                let product = products.get(endpoint.product.0 as usize);
                endpoint.product = product.copied().unwrap_or(endpoint.product);
                EndpointId(place(&mut all.endpoints, endpoint, Endpoint::is_same))
            })
            .collect();
        let (mut lookup, mut anywhere) = (self.lookup, self.anywhere);
        let mut sources = self.sources;
        let new = |id: EndpointId| endpoints.get(id.0 as usize).copied().unwrap_or(id);
        for id in &endpoints {
            if let Some(endpoint) = all.endpoints.get_mut(id.0 as usize) {
                let links = endpoint.paths.iter_mut();
                links.for_each(|rule| rule.leads_to = rule.leads_to.map(new));
            }
        }
        lookup.renumber(new);
        anywhere.iter_mut().for_each(|id| *id = new(*id));
        sources.renumber(new);
        Self {
            version: self.version,
            lookup,
            anywhere,
            sources,
            ..all
        }
    }

    /// This catalogue, with endpoints that only an `earlier` run of the sensor knew: no name leads to those. Gives the id of each.
    pub fn with_earlier(
        self,
        earlier: impl IntoIterator<Item = (Product, Endpoint)>,
    ) -> (Self, Vec<EndpointId>) {
        let Self {
            mut products,
            mut endpoints,
            ..
        } = self;
        let mut ids = Vec::new();
        for (product, mut endpoint) in earlier {
            let known = endpoints.iter().position(|own| own.is_same(&endpoint));
            ids.push(EndpointId(match known {
                Some(at) => u32::try_from(at).unwrap_or(u32::MAX),
                None => {
                    let known = products.iter().position(|own| own.is_same(&product));
                    endpoint.product = ProductId(match known {
                        Some(at) => u32::try_from(at).unwrap_or(u32::MAX),
                        None => place(&mut products, product, Product::is_same),
                    });
                    place(&mut endpoints, endpoint, Endpoint::is_same)
                }
            }));
        }
        let with = Self {
            products,
            endpoints,
            ..self
        };
        (with, ids)
    }

    /// The endpoint whose most specific pattern matches `name` (lower-case presentation form); else the own source of that name.
    pub fn find(&self, name: &str) -> Option<EndpointId> {
        self.lookup.find(name).or_else(|| self.sources.named(name))
    }

    /// The endpoint that a request leads to by its path and by how its client calls itself, whatever server it goes to; for servers of which
    /// [`Self::find`] knows nothing.
    pub fn find_request(&self, path: &[u8], agent: Option<&[u8]>) -> Option<EndpointId> {
        request::leading_anywhere(&self.anywhere, &self.endpoints, path, agent)
    }

    /// An endpoint.
    pub fn endpoint(&self, id: EndpointId) -> Option<&Endpoint> {
        self.endpoints.get(id.0 as usize)
    }

    /// A product.
    pub fn product(&self, id: ProductId) -> Option<&Product> {
        self.products.get(id.0 as usize)
    }

    /// The product of an endpoint.
    pub fn product_of(&self, id: EndpointId) -> Option<&Product> {
        self.product(self.endpoint(id)?.product)
    }

    /// Which catalogue this is: every update record names it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Every endpoint, in the order of their ids.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter()
    }

    /// Every pattern that matches `name` in the files, the one that wins first.
    pub fn matching(&self, name: &str) -> Vec<(NamePattern, EndpointId)> {
        self.lookup.matching(name)
    }

    /// Every pattern of the files, with the endpoint that it leads to, in no order.
    pub fn patterns(&self) -> impl Iterator<Item = (NamePattern, EndpointId)> {
        self.lookup.patterns()
    }

    /// How many endpoints there are.
    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }
}

/// Puts `new` where the same stands already, else at the end; gives its place.
fn place<T>(all: &mut Vec<T>, new: T, is_same: impl Fn(&T, &T) -> bool) -> u32 {
    let known = all.iter().position(|old| is_same(old, &new));
    let at = known.unwrap_or(all.len());
    match all.get_mut(at) {
        Some(old) => *old = new,
        None => all.push(new),
    }
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl Product {
    /// The id of what stands for several products of a vendor.
    pub const UNKNOWN: &str = "unknown";

    /// Whether it stands for several products: servers that they share.
    pub fn is_unknown(&self) -> bool {
        self.id == Self::UNKNOWN
    }

    fn is_same(&self, other: &Self) -> bool {
        (&self.vendor, &self.id) == (&other.vendor, &other.id)
    }
}

impl Endpoint {
    fn is_same(&self, other: &Self) -> bool {
        self.rule == other.rule
    }
}

#[cfg(test)]
mod tests;
