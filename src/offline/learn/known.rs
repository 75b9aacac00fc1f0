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
    /// Registered domains of update servers: how many rules each has, and whether one of them is a shared host.
    domains: HashMap<String, (usize, bool)>,
    /// First labels of update servers, by their registered domain.
    labels: HashMap<String, Vec<String>>,
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
    /// A known name but for a number or a letter.
    Name(String),
    /// Under a domain with update servers; how many rules.
    Domain(usize),
}

impl<'c> Known<'c> {
    /// Reads the catalogue.
    pub fn new(catalogue: &'c Catalogue, without: HashSet<String>) -> Self {
        let mut known = Self {
            catalogue,
            without,
            domains: HashMap::new(),
            labels: HashMap::new(),
        };
        for (pattern, id) in catalogue.patterns() {
            let Some(endpoint) = catalogue.endpoint(id) else {
                continue;
            };
            if !endpoint.role.opens_session() || known.is_out(&endpoint.rule) {
                continue;
            }
            let text = match &pattern {
                NamePattern::Exact(text) | NamePattern::Glob(text) | NamePattern::Suffix(text) => {
                    text
                }
            };
            let domain = registered(text);
            if domain.contains('*') {
                continue;
            }
            let entry = known.domains.entry(domain.to_owned()).or_default();
            entry.0 += 1;
            entry.1 |= endpoint.shared_host;
            if !matches!(pattern, NamePattern::Suffix(_)) {
                let labels = known.labels.entry(domain.to_owned()).or_default();
                labels.push(text.clone());
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

    /// What known update server a name is like.
    pub fn likeness(&self, name: &str) -> Option<Likeness> {
        let domain = registered(name);
        let (rules, _) = self.domains.get(domain)?;
        let first = name.split('.').next().unwrap_or_default();
        let rest = |text: &str| text.split_once('.').map(|(_, rest)| rest.to_owned());
        let like = self.labels.get(domain).into_iter().flatten().find(|known| {
            let label = known.split('.').next().unwrap_or_default();
            let is_near = label.len() >= SHORTEST
                && first.len() >= SHORTEST
                && rest(known) == rest(name)
                && distance(label, first, MOST_CHANGES) <= MOST_CHANGES;
            shape(known) == shape(name) || is_near
        });
        Some(match like {
            Some(known) => Likeness::Name(known.clone()),
            None => Likeness::Domain(*rules),
        })
    }

    /// A contact of the same domain that a known rule claims, and a new pattern does not match.
    pub fn neighbour(&self, domain: &str, is_own: impl Fn(&str) -> bool) -> Option<&str> {
        let labels = self.labels.get(domain).into_iter().flatten();
        let mut exact = labels.filter(|known| !known.contains('*') && !is_own(known));
        exact.next().map(String::as_str)
    }
}
