//! Catalogue files, and what can be wrong in them.
//!
//! ```toml
//! [vendor]
//! id = "mozilla"
//!
//! [[product]]
//! id = "firefox"
//! title = "Mozilla Firefox"
//! security = "yes"
//!
//! [[product.endpoint]]
//! id = "check"
//! patterns = ["aus5.mozilla.org"]
//! role = "check"
//! source = "where the fact comes from"
//! verified = "never"
//! examples = ["aus5.mozilla.org"]
//! not = ["aus5.mozilla.org.example"]
//! ```

use std::collections::HashMap;
use std::fs::File;
use std::io::{Error, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::lookup::Lookup;
use super::pattern::{AgentPattern, NamePattern, PathPattern};
use super::sources::Sources;
use super::{Catalogue, Endpoint, EndpointId, Product, ProductId, RequestRule, Role, Security};

/// Largest catalogue file.
const MAX_FILE: u64 = 4 << 20;

/// A file's name and text.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its name, for messages.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// One thing that is wrong in a catalogue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {what}")]
pub struct CatalogueError {
    /// File.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong, and what is accepted.
    pub what: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VendorFile {
    vendor: VendorTable,
    #[serde(default)]
    product: Vec<ProductTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VendorTable {
    id: String,
    #[serde(default, rename = "title")]
    _title: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProductTable {
    id: String,
    title: String,
    #[serde(default, rename = "platform")]
    _platform: Option<String>,
    security: Spanned<String>,
    #[serde(default)]
    download_threshold: Option<u64>,
    #[serde(default)]
    endpoint: Vec<EndpointTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndpointTable {
    id: Spanned<String>,
    patterns: Vec<Spanned<String>>,
    role: Spanned<String>,
    #[serde(default)]
    by_volume: bool,
    #[serde(default)]
    shared_host: bool,
    #[serde(default)]
    paths: Vec<PathTable>,
    #[serde(default)]
    alternatives: Vec<Spanned<String>>,
    #[serde(default)]
    examples: Vec<Spanned<String>>,
    #[serde(default)]
    not: Vec<Spanned<String>>,
    #[serde(default, rename = "source")]
    _source: Option<String>,
    #[serde(default, rename = "verified")]
    _verified: Option<String>,
    #[serde(default, rename = "notes")]
    _notes: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PathTable {
    #[serde(default)]
    path: Option<Spanned<String>>,
    #[serde(default)]
    agent: Option<Spanned<String>>,
    role: Spanned<String>,
    #[serde(default)]
    rule: Option<Spanned<String>>,
}

/// A name that must lead to an endpoint, or must not.
struct Claim {
    file: usize,
    name: Spanned<String>,
    endpoint: EndpointId,
    matches: bool,
}

/// An entry of `paths` that leads to another endpoint.
struct Link {
    file: usize,
    endpoint: EndpointId,
    entry: usize,
    rule: Spanned<String>,
}

#[derive(Default)]
struct Builder {
    products: Vec<Product>,
    endpoints: Vec<Endpoint>,
    lookup: Lookup,
    claims: Vec<Claim>,
    links: Vec<Link>,
    /// Endpoints without patterns, with their place: only links lead to them.
    unnamed: Vec<(usize, EndpointId, Spanned<String>)>,
    errors: Vec<CatalogueError>,
}

impl Catalogue {
    /// Reads files; every error of every file, where there are any. A later file's pattern overrides an earlier one's.
    pub fn from_files(version: &str, files: &[SourceFile]) -> Result<Self, Vec<CatalogueError>> {
        let mut builder = Builder::default();
        for (index, file) in files.iter().enumerate() {
            match toml::from_str::<VendorFile>(&file.text) {
                Ok(vendor) => builder.vendor(index, file, vendor),
                Err(error) => {
                    let what = error.message().to_owned();
                    builder.errors.push(error_at(
                        file,
                        error.span().map_or(0, |span| span.start),
                        what,
                    ));
                }
            }
        }
        builder.link(files);
        builder.check_claims(files);
        if !builder.errors.is_empty() {
            return Err(builder.errors);
        }
        Ok(Self {
            version: version.to_owned(),
            products: builder.products,
            endpoints: builder.endpoints,
            lookup: builder.lookup,
            sources: Sources::default(),
        })
    }
}

/// Reads the `*.toml` files of a directory, in the order of their names.
pub fn read_directory(directory: &Path) -> Result<Vec<SourceFile>, Error> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    paths.sort();
    let named = |path: &Path, error| Error::other(format!("{}: {error}", path.display()));
    paths
        .into_iter()
        .map(|path| read_file(&path).map_err(|error| named(&path, error)))
        .collect()
}

/// Reads a regular file, whatever its size is said to be: a device has no end, and a pipe may never begin.
fn read_file(path: &Path) -> Result<SourceFile, Error> {
    if !path.metadata()?.is_file() {
        return Err(Error::other("is no file"));
    }
    let mut text = String::new();
    let mut file = File::open(path)?.take(MAX_FILE + 1);
    let read = file.read_to_string(&mut text)?;
    if read as u64 > MAX_FILE {
        return Err(Error::other(format!("is larger than {MAX_FILE} bytes")));
    }
    Ok(SourceFile {
        text,
        name: path.display().to_string(),
    })
}

impl Builder {
    fn vendor(&mut self, index: usize, file: &SourceFile, vendor: VendorFile) {
        for product in vendor.product {
            let security = match product.security.get_ref().as_str() {
                "yes" => Security::Yes,
                "no" => Security::No,
                "mixed" => Security::Mixed,
                other => {
                    let what = format!("security = \"{other}\"; accepted are yes, no, mixed");
                    self.error(file, &product.security, what);
                    Security::Mixed
                }
            };
            let id = ProductId(self.products.len() as u32);
            self.products.push(Product {
                vendor: vendor.vendor.id.clone(),
                id: product.id.clone(),
                title: product.title,
                security,
                download_threshold: product.download_threshold,
            });
            let prefix = format!("{}/{}", vendor.vendor.id, product.id);
            for endpoint in product.endpoint {
                self.endpoint(index, file, id, &prefix, endpoint);
            }
        }
    }

    fn endpoint(
        &mut self,
        index: usize,
        file: &SourceFile,
        product: ProductId,
        prefix: &str,
        table: EndpointTable,
    ) {
        let id = EndpointId(self.endpoints.len() as u32);
        let rule = format!("{prefix}/{}", table.id.get_ref());
        if self.endpoints.iter().any(|endpoint| endpoint.rule == rule) {
            self.error(
                file,
                &table.id,
                format!("a second endpoint {rule}; ids are unique within a product"),
            );
        }
        let role = self.role(file, &table.role);
        let paths = table.paths.iter().enumerate();
        let paths = paths
            .map(|(entry, path)| {
                self.links.extend(path.rule.as_ref().map(|rule| Link {
                    file: index,
                    endpoint: id,
                    entry,
                    rule: rule.clone(),
                }));
                self.request_rule(file, path)
            })
            .collect();
        let alternatives = self.alternatives(file, &table.alternatives);
        let shared_host = table.shared_host;
        self.endpoints.push(Endpoint {
            rule,
            product,
            role,
            by_volume: table.by_volume,
            is_internal: false,
            paths,
            alternatives,
            shared_host,
        });
        if table.patterns.is_empty() {
            self.unnamed.push((index, id, table.id.clone()));
        }
        self.patterns(file, id, &table);
        let claims = table
            .examples
            .into_iter()
            .map(|name| (name, true))
            .chain(table.not.into_iter().map(|name| (name, false)));
        self.claims.extend(claims.map(|(name, matches)| Claim {
            file: index,
            name,
            endpoint: id,
            matches,
        }));
    }

    fn patterns(&mut self, file: &SourceFile, id: EndpointId, table: &EndpointTable) {
        for text in &table.patterns {
            let pattern = match NamePattern::parse(text.get_ref()) {
                Ok(pattern) => pattern,
                Err(accepted) => {
                    self.error(
                        file,
                        text,
                        format!("pattern \"{}\"; accepted is {accepted}", text.get_ref()),
                    );
                    continue;
                }
            };
            let earlier = self
                .lookup
                .insert(pattern, id)
                .and_then(|earlier| self.endpoints.get(earlier.0 as usize));
            if let Some(earlier) = earlier {
                let what = format!(
                    "pattern \"{}\" stands in {} already",
                    text.get_ref(),
                    earlier.rule
                );
                self.error(file, text, what);
            }
        }
    }

    fn request_rule(&mut self, file: &SourceFile, table: &PathTable) -> RequestRule {
        let mut parsed = |text: &Option<Spanned<String>>, refused: Option<&'static str>| {
            if let (Some(text), Some(accepted)) = (text, refused) {
                self.error(file, text, format!("accepted is {accepted}"));
            }
        };
        let path = table
            .path
            .as_ref()
            .map(|text| PathPattern::parse(text.get_ref()));
        let agent = table
            .agent
            .as_ref()
            .map(|text| AgentPattern::parse(text.get_ref()));
        parsed(
            &table.path,
            path.as_ref().and_then(|path| path.as_ref().err().copied()),
        );
        parsed(
            &table.agent,
            agent
                .as_ref()
                .and_then(|agent| agent.as_ref().err().copied()),
        );
        if path.is_none() && agent.is_none() {
            let what = "an entry of paths has a path, an agent, or both".to_owned();
            self.error(file, &table.role, what);
        }
        RequestRule {
            path: path.and_then(Result::ok),
            agent: agent.and_then(Result::ok),
            role: self.role(file, &table.role),
            leads_to: None,
        }
    }

    /// Entries of `paths` that lead to other endpoints find them; one without patterns that none leads to is an error.
    fn link(&mut self, files: &[SourceFile]) {
        let by_rule: HashMap<&str, u32> = self
            .endpoints
            .iter()
            .zip(0..)
            .map(|(endpoint, at)| (endpoint.rule.as_str(), at))
            .collect();
        let links = std::mem::take(&mut self.links);
        let places: Vec<_> = links
            .iter()
            .map(|link| {
                by_rule
                    .get(link.rule.get_ref().as_str())
                    .copied()
                    .map(EndpointId)
            })
            .collect();
        for (link, place) in links.iter().zip(&places) {
            let (Some(file), Some(endpoint)) = (
                files.get(link.file),
                self.endpoints.get_mut(link.endpoint.0 as usize),
            ) else {
                continue;
            };
            if let Some(entry) = endpoint.paths.get_mut(link.entry) {
                entry.leads_to = *place;
            }
            if place.is_none() {
                let what = format!(
                    "no endpoint {}; accepted is vendor/product/endpoint",
                    link.rule.get_ref()
                );
                self.error(file, &link.rule, what);
            }
        }
        for (file, id, place) in std::mem::take(&mut self.unnamed) {
            if let (false, Some(file)) = (places.contains(&Some(id)), files.get(file)) {
                let what =
                    "no pattern and no rule leads to this endpoint: it can never match".to_owned();
                self.error(file, &place, what);
            }
        }
    }

    fn alternatives(
        &mut self,
        file: &SourceFile,
        texts: &[Spanned<String>],
    ) -> Vec<(String, String)> {
        let mut alternatives = Vec::new();
        for text in texts {
            match text.get_ref().split_once('/') {
                Some((vendor, product)) => {
                    alternatives.push((vendor.to_owned(), product.to_owned()))
                }
                None => self.error(
                    file,
                    text,
                    "an alternative is written vendor/product".to_owned(),
                ),
            }
        }
        alternatives
    }

    fn role(&mut self, file: &SourceFile, word: &Spanned<String>) -> Role {
        let role = Role::WORDS
            .iter()
            .find(|(_, known)| known == word.get_ref());
        if role.is_none() {
            let what = format!(
                "role \"{}\"; accepted are check, download, metadata, connectivity, revocation, ignore",
                word.get_ref()
            );
            self.error(file, word, what);
        }
        role.map_or(Role::Ignore, |(role, _)| *role)
    }

    /// Every example leads to its endpoint, and nothing that must not does.
    fn check_claims(&mut self, files: &[SourceFile]) {
        for claim in std::mem::take(&mut self.claims) {
            let Some(file) = files.get(claim.file) else {
                continue;
            };
            let name = claim.name.get_ref();
            let found = self.lookup.find(name);
            let rule = |id: Option<EndpointId>| {
                id.and_then(|id| self.endpoints.get(id.0 as usize))
                    .map_or("no endpoint".to_owned(), |endpoint| endpoint.rule.clone())
            };
            let what = match (claim.matches, found == Some(claim.endpoint)) {
                (true, false) => format!(
                    "example {name} leads to {}, not to {}",
                    rule(found),
                    rule(Some(claim.endpoint))
                ),
                (false, true) => format!("{name} must not lead to {}", rule(found)),
                _ => continue,
            };
            self.error(file, &claim.name, what);
        }
    }

    fn error<T>(&mut self, file: &SourceFile, at: &Spanned<T>, what: String) {
        self.errors.push(error_at(file, at.span().start, what));
    }
}

fn error_at(file: &SourceFile, offset: usize, what: String) -> CatalogueError {
    let before = file.text.get(..offset).unwrap_or(&file.text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .map_or(0, |line| line.chars().count())
        + 1;
    CatalogueError {
        file: file.name.clone(),
        line,
        column,
        // A terminal shall not obey what a file says.
        what: what.replace(char::is_control, "?"),
    }
}
