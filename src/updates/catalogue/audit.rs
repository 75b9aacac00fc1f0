//! What is readable in catalogue files, and yet makes no sense: rules that nothing reaches, that others shadow, that contradict each
//! other, and rules that no example holds.
//!
//! A sensor starts with such files; `patchspan catalogue check` refuses them.

use std::collections::{HashMap, HashSet};

use super::builder::{Builder, Placed};
use super::embedded;
use super::pattern::NamePattern;
use super::{CatalogueError, Endpoint, EndpointId, SourceFile};

/// What files hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Files.
    pub files: usize,
    /// Products.
    pub products: usize,
    /// Endpoints.
    pub endpoints: usize,
    /// Patterns of names.
    pub patterns: usize,
    /// Entries of `paths`.
    pub paths: usize,
    /// Examples, and names that must not match.
    pub claims: usize,
    /// Endpoints that were never seen on the wire.
    pub never_verified: usize,
    /// Endpoints whose source is unknown.
    pub unsourced: usize,
}

/// Every error of files that stand for themselves, in the order of their places; else what they hold.
pub fn audit(files: &[SourceFile]) -> Result<Figures, Vec<CatalogueError>> {
    judge(Builder::read(files, 0), files.len())
}

/// The same of local files, over those that come with the program.
pub fn audit_local(local: &[SourceFile]) -> Result<Figures, Vec<CatalogueError>> {
    let mut files = embedded::files();
    let shipped = files.len();
    files.extend_from_slice(local);
    judge(Builder::read(&files, shipped), local.len())
}

fn judge(mut builder: Builder<'_>, files: usize) -> Result<Figures, Vec<CatalogueError>> {
    let said = unreachable_entries(&builder)
        .into_iter()
        .chain(shadowed_globs(&builder))
        .chain(unknown_alternatives(&builder))
        .chain(disagreeing_claims(&builder))
        .chain(unproven(&builder))
        .collect::<Vec<_>>();
    for (place, what) in said {
        builder.error_at(&place, what);
    }
    if builder.errors.is_empty() {
        return Ok(figures(&builder, files));
    }
    let order = |file: &str| builder.files.iter().position(|known| known.name == file);
    builder
        .errors
        .sort_by_key(|error| (order(&error.file), error.line, error.column));
    Err(builder.errors)
}

type Said = (Placed, String);

/// Entries of `paths` behind one that catches all that they would.
fn unreachable_entries(builder: &Builder<'_>) -> Vec<Said> {
    let mut said = Vec::new();
    for entry in &builder.entries {
        let Some(endpoint) = builder.endpoints.get(entry.endpoint.0 as usize) else {
            continue;
        };
        let Some(rule) = endpoint.paths.get(entry.number) else {
            continue;
        };
        let mut earlier = endpoint.paths.iter().take(entry.number);
        if let Some(at) = earlier.position(|earlier| earlier.covers(rule)) {
            let what = format!(
                "unreachable: entry {} of these paths catches all of it",
                at + 1
            );
            said.push((entry.place.clone(), what));
        }
    }
    said
}

/// Globs of which another that wins matches every name.
fn shadowed_globs(builder: &Builder<'_>) -> Vec<Said> {
    let is_glob = |pattern: &NamePattern| matches!(pattern, NamePattern::Glob(_));
    let globs = builder.lookup.patterns();
    let mut globs: Vec<_> = globs.filter(|(pattern, _)| is_glob(pattern)).collect();
    // The lookup has no order, and a message shall be the same each time.
    globs.sort_by_cached_key(|(glob, _)| glob.to_string());
    let mut said = Vec::new();
    for (place, id) in builder.places.iter().zip(0..) {
        let own = place.patterns.iter();
        for (glob, at) in own.filter(|(pattern, _)| is_glob(pattern)) {
            let winner = globs.iter().find(|(other, _)| {
                other != glob && other.covers(glob) && wins(builder, other, glob)
            });
            if let Some((other, by)) = winner {
                let [rule, winner] = [EndpointId(id), *by].map(|id| builder.rule(Some(id)));
                let what = format!(
                    "shadowed: \"{glob}\" of {rule} never wins over \"{other}\" of {winner}"
                );
                said.push((at.clone(), what));
            }
        }
    }
    said
}

/// Whether the lookup gives `winner` for a name that both match.
fn wins(builder: &Builder<'_>, winner: &NamePattern, loser: &NamePattern) -> bool {
    let name = loser.to_string().replace('*', "x");
    let matching = builder.lookup.matching(&name);
    let place = |pattern| matching.iter().position(|(other, _)| other == pattern);
    place(winner) < place(loser)
}

/// Products that are named as alternatives, and do not stand anywhere.
fn unknown_alternatives(builder: &Builder<'_>) -> Vec<Said> {
    let products = builder.products.iter();
    let known: HashSet<String> = products
        .map(|product| format!("{}/{}", product.vendor, product.id))
        .collect();
    let alternatives = builder.places.iter().flat_map(|place| &place.alternatives);
    alternatives
        .filter(|alternative| !known.contains(&alternative.text))
        .map(|alternative| {
            let what = format!("contradictory: there is no product {}", alternative.text);
            (alternative.clone(), what)
        })
        .collect()
}

/// Contacts that two endpoints claim, or that one endpoint claims and denies.
fn disagreeing_claims(builder: &Builder<'_>) -> Vec<Said> {
    let mut claimed: HashMap<&str, EndpointId> = HashMap::new();
    let mut said = Vec::new();
    for claim in builder.claims.iter().filter(|claim| claim.matches) {
        let earlier = claimed.insert(&claim.contact.text, claim.endpoint);
        if let Some(earlier) = earlier.filter(|earlier| *earlier != claim.endpoint) {
            let rule = builder.rule(Some(earlier));
            let what = format!(
                "contradictory: {} is an example of {rule} too",
                claim.contact.text
            );
            said.push((claim.contact.clone(), what));
        }
    }
    for claim in builder.claims.iter().filter(|claim| !claim.matches) {
        if claimed.get(claim.contact.text.as_str()) == Some(&claim.endpoint) {
            let what = format!("contradictory: {} is an example too", claim.contact.text);
            said.push((claim.contact.clone(), what));
        }
    }
    said
}

/// Endpoints without an example, without a `not` line beside neighbours, without a source or the day of the fact.
fn unproven(builder: &Builder<'_>) -> Vec<Said> {
    let mut rules_at: HashMap<String, HashSet<usize>> = HashMap::new();
    for (place, id) in builder.places.iter().zip(0..) {
        for (pattern, _) in &place.patterns {
            rules_at.entry(registrable(pattern)).or_default().insert(id);
        }
    }
    let claimed = |wanted: bool| -> HashSet<usize> {
        let claims = builder
            .claims
            .iter()
            .filter(|claim| claim.matches == wanted);
        claims.map(|claim| claim.endpoint.0 as usize).collect()
    };
    let (proven, denied) = (claimed(true), claimed(false));
    let mut said = Vec::new();
    for (place, id) in builder.places.iter().zip(0..) {
        let mut say = |what: &str| said.push((place.id.clone(), what.to_owned()));
        // What leads from any host somewhere is proven there.
        let is_anywhere = builder
            .endpoints
            .get(id)
            .is_some_and(|known| known.any_host);
        if !proven.contains(&id) && !is_anywhere {
            say("no `examples` line: at least one contact that leads here");
        }
        let neighbours = place.patterns.iter().find(|(pattern, _)| {
            let rules = rules_at.get(&registrable(pattern));
            rules.is_some_and(|rules| rules.len() > 1)
        });
        if let (Some((pattern, _)), false) = (neighbours, denied.contains(&id)) {
            let what = format!(
                "no `not` line: other rules stand under {} too, so at least one contact that leads to them and not here",
                registrable(pattern)
            );
            say(&what);
        }
        if !place.has_source {
            say("no `source`: where the fact comes from, or `unsourced`");
        }
        if !place.has_verified {
            say("no `verified`: the day on which it was seen on the wire, or `never`");
        }
    }
    said
}

/// The part of a pattern that one owner has, roughly: two labels, or three below a country's short second level (`co.jp`).
fn registrable(pattern: &NamePattern) -> String {
    let text = pattern.to_string();
    let labels: Vec<&str> = text.split('.').collect();
    let is_short = |label: Option<&&str>| label.is_some_and(|label| label.len() <= 3);
    let (last, second) = (labels.last(), labels.iter().rev().nth(1));
    let is_below_country = last.is_some_and(|label| label.len() == 2) && is_short(second);
    let taken = if is_below_country { 3 } else { 2 };
    let from = labels.len().saturating_sub(taken);
    labels.get(from..).unwrap_or_default().join(".")
}

fn figures(builder: &Builder<'_>, files: usize) -> Figures {
    let places = builder.places.iter().zip(&builder.endpoints);
    let own: Vec<_> = places
        .filter(|(place, _)| builder.is_local(place.id.file))
        .collect();
    let count = |holds: &dyn Fn(&Endpoint) -> bool| {
        own.iter().filter(|(_, endpoint)| holds(endpoint)).count()
    };
    let products: HashSet<_> = own.iter().map(|(_, endpoint)| endpoint.product).collect();
    let claims = builder.claims.iter();
    Figures {
        files,
        products: products.len(),
        endpoints: own.len(),
        patterns: own.iter().map(|(place, _)| place.patterns.len()).sum(),
        paths: own.iter().map(|(_, endpoint)| endpoint.paths.len()).sum(),
        claims: claims
            .filter(|claim| builder.is_local(claim.contact.file))
            .count(),
        never_verified: count(&|endpoint| endpoint.facts.verified.is_none()),
        unsourced: count(&|endpoint| endpoint.facts.source == super::builder::UNSOURCED),
    }
}

#[cfg(test)]
mod tests;
