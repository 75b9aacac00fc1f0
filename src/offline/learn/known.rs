//! What the catalogue knows already, and what is like it.

use std::collections::{HashMap, HashSet};

use super::names::{distance, registered, shape};
use crate::updates::Catalogue;
use crate::updates::catalogue::Role;
use crate::updates::catalogue::pattern::NamePattern;

/// Most letters by which a first label may differ from a known one.
const MOST_CHANGES: usize = 1;
/// Shortest first label that is compared by letters.
const SHORTEST: usize = 5;

/// The catalogue, without the vendors that are to be learned anew.
#[derive(Debug)]
pub struct Known<'c> {
    catalogue: &'c Catalogue,
    without: HashSet<String>,
    /// Patterns of update servers, by their registered domain.
    domains: HashMap<String, Vec<NamePattern>>,
}

/// What the catalogue says of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The rule.
    pub rule: String,
    /// Its role.
    pub role: Role,
    /// Whether the name serves what is no update too.
    pub is_shared: bool,
}

/// How a name is like known ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// Another known name but for a number or a letter.
    Name(String),
    /// Under a domain with other update servers; how many rules.
    Domain(usize),
}

impl<'c> Known<'c> {
    /// Reads the catalogue.
    pub fn new(catalogue: &'c Catalogue, without: HashSet<String>) -> Self {
        let mut known = Self {
            catalogue,
            without,
            domains: HashMap::new(),
        };
        for (pattern, id) in catalogue.patterns() {
            let Some(endpoint) = catalogue.endpoint(id) else {
                continue;
            };
            if !endpoint.role.opens_session() || known.is_out(&endpoint.rule) {
                continue;
            }
            let domain = registered(text_of(&pattern)).to_owned();
            if !domain.contains('*') {
                known.domains.entry(domain).or_default().push(pattern);
            }
        }
        known
    }

    fn is_out(&self, rule: &str) -> bool {
        let vendor = rule.split('/').next().unwrap_or_default();
        self.without.contains(vendor)
    }

    /// The rule that a name leads to.
    pub fn rule(&self, name: &str) -> Option<Rule> {
        // A rule of a vendor that is left out may stand before another's.
        let matching = self.catalogue.matching(name).into_iter().map(|(_, id)| id);
        let found = matching.chain(self.catalogue.find(name));
        let mut endpoints = found.filter_map(|id| self.catalogue.endpoint(id));
        let endpoint = endpoints.find(|endpoint| !self.is_out(&endpoint.rule))?;
        Some(Rule {
            rule: endpoint.rule.clone(),
            role: endpoint.role,
            is_shared: endpoint.shared_host,
        })
    }

    /// What known update server a name is like; one that is known itself is not like itself.
    pub fn likeness(&self, name: &str) -> Option<Likeness> {
        let patterns = self.domains.get(registered(name))?.iter();
        let others: Vec<&NamePattern> = patterns.filter(|known| !known.matches(name)).collect();
        let first = name.split('.').next().unwrap_or_default();
        let rest = |text: &str| text.split_once('.').map(|(_, rest)| rest.to_owned());
        let like = others
            .iter()
            .filter_map(|known| own_text(known))
            .find(|known| {
                let label = known.split('.').next().unwrap_or_default();
                let is_near = label.len() >= SHORTEST
                    && first.len() >= SHORTEST
                    && rest(known) == rest(name)
                    && distance(label, first, MOST_CHANGES) <= MOST_CHANGES;
                shape(known) == shape(name) || is_near
            });
        match like {
            Some(known) => Some(Likeness::Name(known.to_owned())),
            None => (!others.is_empty()).then_some(Likeness::Domain(others.len())),
        }
    }

    /// A contact of the same domain that a known rule claims, and a new pattern does not match.
    pub fn neighbour(&self, domain: &str, is_own: impl Fn(&str) -> bool) -> Option<&str> {
        let patterns = self.domains.get(domain).into_iter().flatten();
        let mut exact = patterns
            .filter_map(own_text)
            .filter(|known| !known.contains('*') && !is_own(known));
        exact.next()
    }
}

fn text_of(pattern: &NamePattern) -> &str {
    match pattern {
        NamePattern::Exact(text) | NamePattern::Glob(text) | NamePattern::Suffix(text) => text,
    }
}

/// The text of a pattern that has a first label of its own.
fn own_text(pattern: &NamePattern) -> Option<&str> {
    let is_suffix = matches!(pattern, NamePattern::Suffix(_));
    (!is_suffix).then(|| text_of(pattern))
}
