//! Own sources of updates: WSUS, caches, mirrors and relays of the campus, as the configuration names them.
//!
//! They are entries beside those of the files, found by the server's address and port where no name tells. What the catalogue knows
//! by its name stays what it is, whichever server gives it: a cache hands on what others made.

use super::facts::{EndpointFacts, ProductFacts};
use super::pattern::{NamePattern, PathPattern};
use super::{Catalogue, Endpoint, EndpointId, Product, ProductId, RequestRule, Role, Security};
use crate::types::{Endpoint as Server, Networks};

/// Where the ports begin that a server takes as they come.
const FIRST_DYNAMIC: u16 = 1_024;

/// A kind of source, and what is known of all of its kind.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceKind {
    /// Its word in the configuration.
    pub word: &'static str,
    /// Ports where none are configured; empty: whatever it took above 1023.
    pub ports: &'static [u16],
    /// Whether its ports have to be configured: every maker has others.
    pub needs_ports: bool,
    /// Vendor and product where none are configured; `None`: they have to be.
    pub product: Option<(&'static str, &'static str)>,
    /// Whether contact with it is an update by itself. A proxy hands on anything: there only names of the catalogue are.
    pub has_entry: bool,
    /// The query parameter that names the server which the client really asks.
    pub origin: Option<&'static str>,
    /// Roles by path, whatever the case of letters; what else there is counts by its volume.
    paths: &'static [(&'static str, Role)],
}

const WINDOWS: Option<(&str, &str)> = Some(("microsoft", "windows-update"));
const APT: Option<(&str, &str)> = Some(("debian", "apt"));

/// Paths of a repository of Debian's form.
const DEB_PATHS: &[(&str, Role)] = &[
    ("*/dists/*", Role::Check),
    ("*/pool/*", Role::Download),
    ("*.deb", Role::Download),
];

/// What kinds have in common.
const PLAIN: SourceKind = SourceKind {
    word: "",
    ports: &[80, 443],
    needs_ports: false,
    product: None,
    has_entry: true,
    origin: None,
    paths: &[],
};

/// Every kind.
pub static KINDS: [SourceKind; 10] = [
    // [MS-WUSP] section 2.1: the services, and where self-update and content lie.
    SourceKind {
        word: "wsus",
        ports: &[8530, 8531],
        product: WINDOWS,
        paths: &[
            ("/Content/*", Role::Download),
            ("/selfupdate/*", Role::Check),
            ("/ClientWebService/*", Role::Check),
            ("/SimpleAuthWebService/*", Role::Check),
            ("/ReportingWebService/*", Role::Metadata),
            ("/Inventory/*", Role::Metadata),
            // Another WSUS, which serves its own clients.
            ("/ServerSyncWebService/*", Role::Metadata),
            ("/DssAuthWebService/*", Role::Metadata),
        ],
        ..PLAIN
    },
    SourceKind {
        word: "connected-cache",
        product: WINDOWS,
        origin: Some("cacheHostOrigin"),
        paths: &[
            ("/filestreamingservice/*", Role::Download),
            ("*/msdownload/update/software/*", Role::Download),
        ],
        ..PLAIN
    },
    SourceKind {
        word: "apple-cache",
        ports: &[],
        product: Some(("apple", "macos-ios-software-update")),
        origin: Some("source"),
        ..PLAIN
    },
    // apt-cacher-ng.
    SourceKind {
        word: "apt-cache",
        ports: &[3142],
        product: APT,
        paths: DEB_PATHS,
        ..PLAIN
    },
    SourceKind {
        word: "squid-deb-proxy",
        ports: &[8000],
        product: APT,
        paths: DEB_PATHS,
        ..PLAIN
    },
    SourceKind {
        word: "apt-mirror",
        product: APT,
        paths: DEB_PATHS,
        ..PLAIN
    },
    SourceKind {
        word: "rpm-mirror",
        paths: &[("*/repodata/*", Role::Check), ("*.rpm", Role::Download)],
        ..PLAIN
    },
    SourceKind {
        word: "antivirus-relay",
        ports: &[],
        needs_ports: true,
        ..PLAIN
    },
    SourceKind {
        word: "update-server",
        ..PLAIN
    },
    SourceKind {
        word: "proxy",
        ports: &[3128, 8080],
        has_entry: false,
        ..PLAIN
    },
];

/// A source as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternalSource {
    /// Its name: the rule of its accesses is `internal/NAME`.
    pub name: String,
    /// What it is.
    pub kind: &'static SourceKind,
    /// Its addresses.
    pub networks: Networks,
    /// Its names.
    pub patterns: Vec<NamePattern>,
    /// Its ports; empty: any above 1023.
    pub ports: Vec<u16>,
    /// Who makes what it serves, and what that is.
    pub product: (String, String),
}

impl InternalSource {
    fn takes(&self, port: u16) -> bool {
        match self.ports.as_slice() {
            [] => port >= FIRST_DYNAMIC,
            ports => ports.contains(&port),
        }
    }

    fn is_called(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(name))
    }

    fn is_at(&self, name: Option<&str>, server: Server) -> bool {
        let is_called = || name.is_some_and(|name| self.is_called(name));
        self.takes(server.port) && (self.networks.contains(server.address) || is_called())
    }
}

/// The sources of a catalogue, each with its entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources(Vec<(InternalSource, Option<EndpointId>)>);

impl Sources {
    pub(super) fn renumber(&mut self, new: impl Fn(EndpointId) -> EndpointId) {
        let ids = self.0.iter_mut().filter_map(|(_, id)| id.as_mut());
        ids.for_each(|id| *id = new(*id));
    }

    /// The entry that a name alone leads to.
    pub(super) fn named(&self, name: &str) -> Option<EndpointId> {
        let mut sources = self.0.iter();
        sources.find_map(|(source, id)| id.filter(|_| source.is_called(name)))
    }

    fn at(
        &self,
        name: Option<&str>,
        server: Server,
    ) -> Option<&(InternalSource, Option<EndpointId>)> {
        self.0.iter().find(|(source, _)| source.is_at(name, server))
    }
}

impl Catalogue {
    /// The same, with own sources.
    #[must_use]
    pub fn with_sources(mut self, sources: &[InternalSource]) -> Self {
        let placed = sources.iter().map(|source| {
            let entry = source.kind.has_entry.then(|| self.add_entry(source));
            (source.clone(), entry)
        });
        let placed = placed.collect();
        self.sources = Sources(placed);
        self
    }

    /// The endpoint of a server that is contacted over TCP, under a name where one is known: the catalogue's of that name, else that of
    /// an own source.
    pub fn find_at(&self, name: Option<&str>, server: Server) -> Option<EndpointId> {
        let by_name = name.and_then(|name| self.lookup.find(name));
        by_name.or_else(|| self.sources.at(name, server)?.1)
    }

    /// The query parameter in which a client tells this server, an own source, whom it really asks.
    pub fn origin_parameter(&self, name: Option<&str>, server: Server) -> Option<&'static str> {
        self.sources.at(name, server)?.0.kind.origin
    }

    /// Whether a name is that of a server of updates, or of an own source of any kind.
    pub fn knows(&self, name: &str) -> bool {
        let mut sources = self.sources.0.iter();
        self.lists(name) || sources.any(|(source, _)| source.is_called(name))
    }

    /// Whether the files of the catalogue know this name.
    pub fn lists(&self, name: &str) -> bool {
        self.lookup.find(name).is_some()
    }

    /// Whether this entry is an own source with this address: what it is need not be guessed by names.
    pub fn is_source_at(&self, endpoint: EndpointId, server: Server) -> bool {
        let mut sources = self.sources.0.iter();
        sources
            .any(|(source, id)| *id == Some(endpoint) && source.networks.contains(server.address))
    }

    /// Whether an access went to an own source. Of what was only asked in DNS no port is known.
    pub fn is_internal(
        &self,
        endpoint: EndpointId,
        name: &str,
        server: Server,
        has_port: bool,
    ) -> bool {
        self.sources.0.iter().any(|(source, id)| {
            let is_there = source.networks.contains(server.address) || source.is_called(name);
            *id == Some(endpoint) || (is_there && (!has_port || source.takes(server.port)))
        })
    }

    fn add_entry(&mut self, source: &InternalSource) -> EndpointId {
        let paths = source.kind.paths.iter();
        let endpoint = Endpoint {
            rule: format!("internal/{}", source.name),
            product: self.product_named(&source.product),
            role: Role::Check,
            by_volume: true,
            is_internal: true,
            paths: paths
                .map(|(path, role)| RequestRule {
                    path: Some(PathPattern::in_any_case(path)),
                    agent: None,
                    role: *role,
                    leads_to: None,
                })
                .collect(),
            alternatives: Vec::new(),
            shared_host: false,
            any_host: false,
            facts: EndpointFacts::default(),
        };
        self.endpoints.push(endpoint);
        EndpointId(u32::try_from(self.endpoints.len() - 1).unwrap_or(u32::MAX))
    }

    /// A product that the catalogue has stays what it is; of another one nobody said whether it concerns security.
    fn product_named(&mut self, (vendor, id): &(String, String)) -> ProductId {
        let mut known = self.products.iter();
        let known = known.position(|product| product.vendor == *vendor && product.id == *id);
        let at = known.unwrap_or_else(|| {
            self.products.push(Product {
                vendor: vendor.clone(),
                id: id.clone(),
                title: id.clone(),
                security: Security::Mixed,
                download_threshold: None,
                facts: ProductFacts::default(),
            });
            self.products.len() - 1
        });
        ProductId(u32::try_from(at).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, kind: &str, networks: &str, patterns: &[&str]) -> InternalSource {
        let kind = KINDS.iter().find(|known| known.word == kind).unwrap();
        let (vendor, product) = kind.product.unwrap_or(("eset", "relay"));
        InternalSource {
            name: name.to_owned(),
            kind,
            networks: networks.parse().unwrap_or_default(),
            patterns: patterns
                .iter()
                .map(|pattern| NamePattern::parse(pattern).unwrap())
                .collect(),
            ports: kind.ports.to_vec(),
            product: (vendor.to_owned(), product.to_owned()),
        }
    }

    fn catalogue() -> Catalogue {
        Catalogue::embedded().unwrap().with_sources(&[
            source("wsus", "wsus", "192.0.2.8", &["wsus*.example.org"]),
            source("apple", "apple-cache", "192.0.2.9", &[]),
            source("squid", "proxy", "192.0.2.10", &[]),
            source("relay", "update-server", "192.0.2.8", &[]),
        ])
    }

    fn server(address: &str, port: u16) -> Server {
        Server {
            address: address.parse().unwrap(),
            port,
        }
    }

    fn rule(catalogue: &Catalogue, name: Option<&str>, address: &str, port: u16) -> Option<String> {
        let id = catalogue.find_at(name, server(address, port))?;
        Some(catalogue.endpoint(id).unwrap().rule.clone())
    }

    #[test]
    fn a_source_is_found_by_address_and_port_or_by_name_and_port() {
        let catalogue = catalogue();
        let found = |name, address, port| rule(&catalogue, name, address, port);
        let wsus = Some("internal/wsus".to_owned());
        assert_eq!(found(None, "192.0.2.8", 8530), wsus);
        assert_eq!(found(Some("www.example.org"), "192.0.2.8", 8531), wsus);
        assert_eq!(found(Some("wsus2.example.org"), "203.0.113.1", 8530), wsus);
        assert_eq!(found(Some("wsus2.example.org"), "203.0.113.1", 443), None);
        assert_eq!(
            found(None, "192.0.2.8", 443),
            Some("internal/relay".to_owned())
        );
        assert_eq!(found(None, "192.0.2.8", 22), None);
        assert_eq!(
            found(None, "192.0.2.9", 49_152),
            Some("internal/apple".to_owned())
        );
        assert_eq!(found(None, "192.0.2.9", 443), None, "no dynamic port");
    }

    #[test]
    fn what_the_catalogue_knows_by_name_stays_what_it_is_and_a_proxy_has_no_entry() {
        let catalogue = catalogue();
        let firefox = Some("aus5.mozilla.org");
        for (address, port) in [("192.0.2.8", 8530), ("192.0.2.10", 3128)] {
            let found = rule(&catalogue, firefox, address, port).unwrap();
            assert!(found.starts_with("mozilla/firefox/"), "{found}");
        }
        assert_eq!(
            rule(&catalogue, Some("www.example.org"), "192.0.2.10", 3128),
            None
        );
        let id = catalogue.find("aus5.mozilla.org").unwrap();
        let is_internal = |address, port, has_port| {
            catalogue.is_internal(id, "aus5.mozilla.org", server(address, port), has_port)
        };
        assert!(is_internal("192.0.2.10", 3128, true) && !is_internal("192.0.2.10", 443, true));
        assert!(is_internal("192.0.2.10", 53, false), "only asked for");
        assert!(!is_internal("203.0.113.1", 3128, true));
    }

    #[test]
    fn paths_tell_the_role_in_any_case() {
        let catalogue = catalogue();
        let id = catalogue.find("wsus1.example.org").unwrap();
        let endpoint = catalogue.endpoint(id).unwrap();
        let role = |path: &str| endpoint.role_for(Some(path.as_bytes()), None).role;
        assert_eq!(role("/selfupdate/wuident.cab?2611240000"), Role::Check);
        assert_eq!(role("/SelfUpdate/wuident.cab"), Role::Check);
        assert_eq!(role("/content/0A/FF00.cab"), Role::Download);
        assert_eq!(
            role("/ReportingWebService/ReportingWebService.asmx"),
            Role::Metadata
        );
        assert!(!endpoint.role_for(Some(b"/other"), None).by_path);
    }

    #[test]
    fn a_product_of_the_catalogue_is_the_same_and_another_one_is_added() {
        let catalogue = catalogue();
        let product = |name, address, port| {
            let id = catalogue.find_at(name, server(address, port)).unwrap();
            catalogue.endpoint(id).unwrap().product
        };
        assert_eq!(
            product(None, "192.0.2.8", 8530),
            product(Some("fe2.update.microsoft.com"), "203.0.113.1", 443)
        );
        let own = catalogue.product(product(None, "192.0.2.8", 80)).unwrap();
        assert_eq!(
            (own.vendor.as_str(), own.security),
            ("eset", Security::Mixed)
        );
    }

    #[test]
    fn a_source_keeps_its_id_over_a_reload_and_loses_its_way_when_it_is_gone() {
        let old = catalogue();
        let at = server("192.0.2.8", 8530);
        let id = old.find_at(None, at).unwrap();
        let moved = [source("wsus", "wsus", "198.51.100.8", &[])];
        let new = Catalogue::embedded().unwrap().with_sources(&moved);
        let new = new.succeeding(&old);
        assert_eq!(new.find_at(None, server("198.51.100.8", 8530)), Some(id));
        assert_eq!(new.find_at(None, at), None);
        let none = Catalogue::embedded().unwrap().succeeding(&new);
        assert_eq!(none.find_at(None, server("198.51.100.8", 8530)), None);
        assert_eq!(none.endpoint(id).unwrap().rule, "internal/wsus");
    }
}
