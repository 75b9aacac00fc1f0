//! From files to a catalogue, with the place of everything that can be wrong.
//!
//! Shipped files come first, then local ones: a local endpoint takes the place of the shipped one with the same rule, and a local pattern
//! that of a shipped one. Within either, a pattern stands once.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::ops::Range;
use std::time::Duration;

use super::embedded;
use super::facts::{self, EndpointFacts, Platform, ProductFacts, Transport, Worded};
use super::file::{SourceFile, error_at};
use super::lookup::Lookup;
use super::pattern::{AgentPattern, NamePattern, PathPattern};
use super::request::leading_anywhere;
use super::sources::Sources;
use super::tables::{EndpointTable, PathTable, ProductTable, Spanned, VendorFile};
use super::{
    Catalogue, CatalogueError, Endpoint, EndpointId, Product, ProductId, RequestRule, Role,
    Security,
};

/// A text, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub file: usize,
    pub span: Range<usize>,
    pub text: String,
}

/// A contact that must lead to an endpoint, or must not: `NAME`, `NAME PATH` or `NAME PATH AGENT`.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub contact: Placed,
    pub endpoint: EndpointId,
    pub matches: bool,
}

/// An entry of `paths`, by its place in an endpoint.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub endpoint: EndpointId,
    pub number: usize,
    pub place: Placed,
    /// The rule that it leads to.
    pub rule: Option<Placed>,
}

/// Where what stands of an endpoint.
#[derive(Clone, Debug)]
pub(super) struct EndpointPlace {
    pub id: Placed,
    pub patterns: Vec<(NamePattern, Placed)>,
    /// It has no patterns, and is not meant to.
    pub is_unnamed: bool,
    pub alternatives: Vec<Placed>,
    pub has_source: bool,
    pub has_verified: bool,
}

/// A catalogue in the making, and where everything stands.
pub(super) struct Builder<'f> {
    pub files: &'f [SourceFile],
    /// How many of the files are shipped; the others are local.
    shipped: usize,
    pub products: Vec<Product>,
    pub endpoints: Vec<Endpoint>,
    pub lookup: Lookup,
    anywhere: Vec<EndpointId>,
    pub claims: Vec<Claim>,
    pub entries: Vec<Entry>,
    pub places: Vec<EndpointPlace>,
    pub errors: Vec<CatalogueError>,
    rules: HashMap<String, EndpointId>,
    by_name: HashMap<(String, String), (ProductId, usize)>,
    /// Rules that local files tell anew.
    told_anew: HashSet<String>,
}

impl<'f> Builder<'f> {
    /// Reads files, of which the first `shipped` are those that come with the program, all of them.
    pub fn read(files: &'f [SourceFile], shipped: usize) -> Self {
        let mut builder = Self {
            files,
            shipped,
            products: Vec::new(),
            endpoints: Vec::new(),
            lookup: Lookup::default(),
            anywhere: Vec::new(),
            claims: Vec::new(),
            entries: Vec::new(),
            places: Vec::new(),
            errors: Vec::new(),
            rules: HashMap::new(),
            by_name: HashMap::new(),
            told_anew: HashSet::new(),
        };
        let vendors = builder.vendors();
        let local = vendors.iter().filter(|(index, _)| *index >= shipped);
        builder.told_anew = local.flat_map(|(_, vendor)| vendor.rules()).collect();
        for (index, vendor) in vendors {
            builder.check_id(index, &vendor.vendor.id);
            for product in vendor.product {
                builder.product(index, &vendor.vendor.id.value, product);
            }
        }
        builder.link();
        builder.check_claims();
        builder
    }

    /// What stands in the files that can be read, by file.
    fn vendors(&mut self) -> Vec<(usize, VendorFile)> {
        let mut vendors = Vec::new();
        if self.shipped > 0 {
            vendors.extend(embedded::tables().into_iter().enumerate());
        }
        for (index, file) in self.files.iter().enumerate().skip(self.shipped) {
            match toml::from_str(&file.text) {
                Ok(vendor) => vendors.push((index, vendor)),
                Err(error) => {
                    let start = error.span().map_or(0, |span| span.start);
                    // The parser speaks of its own types.
                    let what = error
                        .message()
                        .replace("expected u64", "expected a whole number");
                    self.errors.push(error_at(file, start, what));
                }
            }
        }
        vendors
    }

    /// The catalogue, where nothing is wrong.
    pub fn catalogue(self, version: &str) -> Result<Catalogue, Vec<CatalogueError>> {
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        Ok(Catalogue {
            version: version.to_owned(),
            products: self.products,
            endpoints: self.endpoints,
            lookup: self.lookup,
            anywhere: self.anywhere,
            sources: Sources::default(),
        })
    }

    /// The endpoint that a contact leads to.
    pub fn find(&self, contact: &str) -> Option<EndpointId> {
        let mut parts = contact.splitn(3, ' ');
        let name = parts.next()?;
        let [path, agent] = [parts.next(), parts.next()].map(|text| text.map(str::as_bytes));
        let elsewhere = || leading_anywhere(&self.anywhere, &self.endpoints, path?, agent);
        let id = self.lookup.find(name).or_else(elsewhere)?;
        let endpoint = self.endpoints.get(id.0 as usize)?;
        let told = endpoint.role_for(path, agent);
        Some(told.endpoint.unwrap_or(id))
    }

    /// The rule of an endpoint, for messages.
    pub fn rule(&self, id: Option<EndpointId>) -> &str {
        id.and_then(|id| self.endpoints.get(id.0 as usize))
            .map_or("no endpoint", |endpoint| endpoint.rule.as_str())
    }

    /// Whether a file is a local one.
    pub const fn is_local(&self, file: usize) -> bool {
        file >= self.shipped
    }

    /// Tells an error at a place. Shipped files are right by themselves: what local ones take from them is no error.
    pub fn error_at(&mut self, place: &Placed, what: String) {
        let has_local = self.files.len() > self.shipped;
        if has_local && !self.is_local(place.file) {
            return;
        }
        if let Some(file) = self.files.get(place.file) {
            self.errors.push(error_at(file, place.span.start, what));
        }
    }

    fn product(&mut self, file: usize, vendor: &str, table: ProductTable) {
        let security = self.parse(file, &table.security, "security", Security::parse);
        let facts = ProductFacts {
            platform: self
                .optional(file, &table.platform, "platform", Platform::parse)
                .unwrap_or_default(),
            check_interval: self.interval(file, &table.check_interval, "check_interval"),
            overdue_after: self.interval(file, &table.overdue_after, "overdue_after"),
            release_cadence: table.release_cadence,
            typical_check_bytes: table.typical_check_bytes,
            typical_download_bytes: table.typical_download_bytes,
        };
        let product = Product {
            vendor: vendor.to_owned(),
            id: table.id.value.clone(),
            title: table.title,
            security: security.unwrap_or(Security::Mixed),
            download_threshold: table.download_threshold,
            facts,
        };
        self.check_id(file, &table.id);
        let prefix = format!("{vendor}/{}", product.id);
        let id = self.place_product(file, &table.id, product);
        for endpoint in table.endpoint {
            self.endpoint(file, id, &prefix, endpoint);
        }
    }

    /// Ids stand in records, rules and commands.
    fn check_id(&mut self, file: usize, id: &Spanned<String>) {
        const LONGEST: usize = 64;
        let text = &id.value;
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let fits = text.len() <= LONGEST
            && text.bytes().next().is_some_and(is_plain)
            && text
                .bytes()
                .all(|byte| is_plain(byte) || b"._-".contains(&byte));
        if !fits {
            let shown: String = text.escape_debug().take(LONGEST).collect();
            let what = format!(
                "id \"{shown}\"; accepted are up to {LONGEST} of a-z, 0-9, dot, dash and underscore, a letter or digit first"
            );
            self.error_at(&placed(file, id), what);
        }
    }

    /// A local product says anew what a shipped one is.
    fn place_product(&mut self, file: usize, at: &Spanned<String>, product: Product) -> ProductId {
        let name = (product.vendor.clone(), product.id.clone());
        if let Some((known, earlier)) = self.by_name.get(&name).copied() {
            if self.is_local(file) == self.is_local(earlier) {
                let what = format!("a second product {}/{}", name.0, name.1);
                self.error_at(&placed(file, at), what);
            }
            if let Some(old) = self.products.get_mut(known.0 as usize) {
                *old = product;
            }
            return known;
        }
        let id = ProductId(u32::try_from(self.products.len()).unwrap_or(u32::MAX));
        self.products.push(product);
        self.by_name.insert(name, (id, file));
        id
    }

    fn endpoint(&mut self, file: usize, product: ProductId, prefix: &str, table: EndpointTable) {
        self.check_id(file, &table.id);
        let rule = format!("{prefix}/{}", table.id.value);
        if !self.is_local(file) && self.told_anew.contains(&rule) {
            return;
        }
        let id = EndpointId(u32::try_from(self.endpoints.len()).unwrap_or(u32::MAX));
        if self.rules.insert(rule.clone(), id).is_some() {
            let what = format!("a second endpoint {rule}; ids are unique within a product");
            self.error_at(&placed(file, &table.id), what);
        }
        let role = self.parse(file, &table.role, "role", Role::parse);
        let verified = self.optional(file, &table.verified, "verified", facts::verified);
        let transport = self.optional(file, &table.transport, "transport", Transport::parse);
        let endpoint = Endpoint {
            rule,
            product,
            role: role.unwrap_or(Role::Ignore),
            by_volume: table.by_volume,
            is_internal: false,
            paths: self.paths(file, id, &table.paths),
            alternatives: self.alternatives(file, &table.alternatives),
            shared_host: table.shared_host,
            any_host: table.any_host,
            facts: EndpointFacts {
                transport: transport.unwrap_or_default(),
                source: table.source.clone().unwrap_or_else(|| UNSOURCED.to_owned()),
                verified: verified.flatten(),
                notes: table.notes.clone(),
            },
        };
        self.endpoints.push(endpoint);
        if table.any_host {
            self.any_host(file, id, &table);
        }
        let patterns = self.patterns(file, id, &table.patterns);
        self.places.push(EndpointPlace {
            id: placed(file, &table.id),
            patterns,
            is_unnamed: table.patterns.is_empty() && !table.any_host,
            alternatives: table
                .alternatives
                .iter()
                .map(|text| placed(file, text))
                .collect(),
            has_source: table.source.is_some_and(|source| !source.trim().is_empty()),
            has_verified: table.verified.is_some(),
        });
        let examples = table.examples.iter().map(|contact| (contact, true));
        let claims = examples.chain(table.not.iter().map(|contact| (contact, false)));
        self.claims.extend(claims.map(|(contact, matches)| Claim {
            contact: placed(file, contact),
            endpoint: id,
            matches,
        }));
    }

    /// Its requests may go to any server: they are told not by their paths alone, as others have such files too.
    fn any_host(&mut self, file: usize, id: EndpointId, table: &EndpointTable) {
        self.anywhere.push(id);
        let open = table.paths.iter();
        let open = open
            .filter(|entry| entry.path.is_none() || entry.agent.is_none() || entry.rule.is_none());
        for entry in open {
            let what =
                "an entry of an endpoint for any host has a path, an agent and a rule".to_owned();
            self.error_at(&placed(file, &entry.role), what);
        }
        if let Some(pattern) = table.patterns.first() {
            let what = "an endpoint for any host has no patterns".to_owned();
            self.error_at(&placed(file, pattern), what);
        }
    }

    fn patterns(
        &mut self,
        file: usize,
        id: EndpointId,
        texts: &[Spanned<String>],
    ) -> Vec<(NamePattern, Placed)> {
        let mut patterns = Vec::new();
        for text in texts {
            let Some(pattern) = self.parse(file, text, "pattern", NamePattern::parse) else {
                continue;
            };
            let earlier = self.lookup.insert(pattern.clone(), id);
            patterns.push((pattern, placed(file, text)));
            let Some(earlier) = earlier else {
                continue;
            };
            let earlier_file = self
                .places
                .get(earlier.0 as usize)
                .map(|place| place.id.file);
            let is_overridden =
                self.is_local(file) && earlier_file.is_some_and(|file| !self.is_local(file));
            if !is_overridden {
                let what = self.twice(&text.value, earlier, id);
                self.error_at(&placed(file, text), what);
            }
        }
        patterns
    }

    /// What to say of a pattern that stands twice.
    fn twice(&self, pattern: &str, earlier: EndpointId, id: EndpointId) -> String {
        let role = |id: EndpointId| self.endpoints.get(id.0 as usize).map(|known| known.role);
        let rule = self.rule(Some(earlier));
        match (role(earlier), role(id)) {
            (Some(old), Some(new)) if old != new => format!(
                "contradictory: pattern \"{pattern}\" stands in {rule} already, as {old}, and here as {new}"
            ),
            _ => format!(
                "shadowed: pattern \"{pattern}\" stands in {rule} already; what several products share belongs to a product `unknown` with alternatives"
            ),
        }
    }

    fn paths(&mut self, file: usize, id: EndpointId, tables: &[PathTable]) -> Vec<RequestRule> {
        let mut rules = Vec::new();
        for table in tables {
            let path = self.optional(file, &table.path, "path", PathPattern::parse);
            let agent = self.optional(file, &table.agent, "agent", AgentPattern::parse);
            let first = table.path.as_ref().or(table.agent.as_ref());
            if first.is_none() {
                let what = "an entry of paths has a path, an agent, or both".to_owned();
                self.error_at(&placed(file, &table.role), what);
            }
            self.entries.push(Entry {
                endpoint: id,
                number: rules.len(),
                place: placed(file, first.unwrap_or(&table.role)),
                rule: table.rule.as_ref().map(|rule| placed(file, rule)),
            });
            let role = self.parse(file, &table.role, "role", Role::parse);
            rules.push(RequestRule {
                path,
                agent,
                role: role.unwrap_or(Role::Ignore),
                leads_to: None,
            });
        }
        rules
    }

    fn alternatives(&mut self, file: usize, texts: &[Spanned<String>]) -> Vec<(String, String)> {
        let mut alternatives = Vec::new();
        for text in texts {
            let parsed = self.parse(file, text, "alternative", |text| {
                let (vendor, product) = text.split_once('/').ok_or("vendor/product")?;
                Ok::<_, &str>((vendor.to_owned(), product.to_owned()))
            });
            alternatives.extend(parsed);
        }
        alternatives
    }

    /// Entries of `paths` that lead to other endpoints find them; one without patterns that none leads to is an error.
    fn link(&mut self) {
        let mut reached = HashSet::new();
        for at in 0..self.entries.len() {
            let Some(entry) = self.entries.get(at).cloned() else {
                continue;
            };
            let Some(rule) = entry.rule else {
                continue;
            };
            let id = self.rules.get(&rule.text).copied();
            reached.extend(id);
            let endpoint = self.endpoints.get_mut(entry.endpoint.0 as usize);
            if let Some(told) = endpoint.and_then(|known| known.paths.get_mut(entry.number)) {
                told.leads_to = id;
            }
            if id.is_none() {
                let what = format!(
                    "no endpoint {}; accepted is vendor/product/endpoint",
                    rule.text
                );
                self.error_at(&rule, what);
            }
        }
        let places = self.places.iter().zip(0..);
        let unnamed: Vec<Placed> = places
            .filter(|(place, id)| place.is_unnamed && !reached.contains(&EndpointId(*id)))
            .map(|(place, _)| place.id.clone())
            .collect();
        for place in unnamed {
            let what = "unreachable: no pattern and no rule leads to this endpoint".to_owned();
            self.error_at(&place, what);
        }
    }

    /// Every example leads to its endpoint, and nothing that must not does.
    fn check_claims(&mut self) {
        for at in 0..self.claims.len() {
            let Some(claim) = self.claims.get(at).cloned() else {
                continue;
            };
            let found = self.find(&claim.contact.text);
            let (text, rule) = (&claim.contact.text, self.rule(found));
            let what = match (claim.matches, found == Some(claim.endpoint)) {
                (true, false) => format!(
                    "example {text} leads to {rule}, not to {}",
                    self.rule(Some(claim.endpoint))
                ),
                (false, true) => format!("{text} must not lead to {rule}"),
                _ => continue,
            };
            self.error_at(&claim.contact, what);
        }
    }

    fn interval(
        &mut self,
        file: usize,
        text: &Option<Spanned<String>>,
        key: &str,
    ) -> Option<Duration> {
        self.optional(file, text, key, facts::interval)
    }

    fn optional<T, E: Display>(
        &mut self,
        file: usize,
        text: &Option<Spanned<String>>,
        key: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.parse(file, text.as_ref()?, key, read)
    }

    /// Makes sense of a value, or tells what is accepted.
    fn parse<T, E: Display>(
        &mut self,
        file: usize,
        text: &Spanned<String>,
        key: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let read = read(&text.value);
        if let Err(accepted) = &read {
            let what = format!("{key} \"{}\"; accepted is {accepted}", &text.value);
            self.error_at(&placed(file, text), what);
        }
        read.ok()
    }
}

impl VendorFile {
    /// The rules of all endpoints.
    fn rules(&self) -> impl Iterator<Item = String> {
        self.product.iter().flat_map(|product| {
            let endpoints = product.endpoint.iter();
            endpoints.map(|endpoint| {
                let (vendor, product) = (&self.vendor.id.value, &product.id.value);
                format!("{vendor}/{product}/{}", endpoint.id.value)
            })
        })
    }
}

/// The source of what nobody said.
pub(super) const UNSOURCED: &str = "unsourced";

fn placed(file: usize, text: &Spanned<String>) -> Placed {
    Placed {
        file,
        span: text.span.clone(),
        text: text.value.clone(),
    }
}
