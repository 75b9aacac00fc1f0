//! From a name to an endpoint: a hash of exact names, globs by their last two labels, a hash of suffixes.

use std::cmp::Reverse;

use hashbrown::{HashMap, HashSet};

use super::EndpointId;
use super::pattern::{NamePattern, glob_matches_labels};

type Map<V> = HashMap<String, V, foldhash::fast::FixedState>;
/// More literal characters first.
type Globs<Id> = Vec<(String, Id)>;

/// Patterns in the order of specificity.
#[derive(Clone, Debug)]
pub struct Lookup<Id = EndpointId> {
    /// The last two labels of every pattern (see [`last_two_labels`]): nearly all names end otherwise.
    ends: HashSet<String, foldhash::fast::FixedState>,
    exact: Map<Id>,
    /// By the last two labels (see [`last_two_labels`]).
    globs: Map<Globs<Id>>,
    /// Those with a star there.
    starred: Globs<Id>,
    suffixes: Map<Id>,
    /// Most labels of a suffix: no longer one is probed.
    longest_suffix: usize,
}

impl<Id> Default for Lookup<Id> {
    fn default() -> Self {
        Self {
            ends: HashSet::default(),
            exact: Map::default(),
            globs: Map::default(),
            starred: Globs::default(),
            suffixes: Map::default(),
            longest_suffix: 0,
        }
    }
}

impl<Id: Copy> Lookup<Id> {
    /// Adds a pattern; gives what has the same one already.
    pub fn insert(&mut self, pattern: NamePattern, id: Id) -> Option<Id> {
        let (NamePattern::Exact(text) | NamePattern::Glob(text) | NamePattern::Suffix(text)) =
            &pattern;
        self.ends.insert(last_two_labels(text).to_owned());
        match pattern {
            NamePattern::Exact(name) => self.exact.insert(name, id),
            NamePattern::Suffix(suffix) => {
                self.longest_suffix = self.longest_suffix.max(suffix.split('.').count());
                self.suffixes.insert(suffix, id)
            }
            NamePattern::Glob(glob) => {
                let globs = match last_two_labels(&glob) {
                    STARRED => &mut self.starred,
                    end => self.globs.entry(end.to_owned()).or_default(),
                };
                let same = globs.iter_mut().find(|(other, _)| *other == glob);
                if let Some((_, known)) = same {
                    return Some(std::mem::replace(known, id));
                }
                globs.push((glob, id));
                // Of two that say as much the order of their texts decides, whichever file comes first.
                globs.sort_by(|(a, _), (b, _)| order(a).cmp(&order(b)));
                None
            }
        }
    }

    /// Gives every endpoint another id.
    pub fn renumber(&mut self, new: impl Fn(Id) -> Id) {
        let globs = self.globs.values_mut().chain([&mut self.starred]);
        let globs = globs.flatten().map(|(_, id)| id);
        let ids = self.exact.values_mut().chain(self.suffixes.values_mut());
        ids.chain(globs).for_each(|id| *id = new(*id));
    }

    /// Every pattern that matches `name`, the most specific first.
    pub fn matching(&self, name: &str) -> Vec<(NamePattern, Id)> {
        let mut all: Vec<_> = self
            .patterns()
            .filter(|(pattern, _)| pattern.matches(name))
            .collect();
        all.sort_by(|(a, _), (b, _)| specificity(a).cmp(&specificity(b)));
        all
    }

    /// Every pattern, in no order.
    pub fn patterns(&self) -> impl Iterator<Item = (NamePattern, Id)> {
        let exact = self.exact.iter();
        let exact = exact.map(|(name, id)| (NamePattern::Exact(name.clone()), *id));
        let globs = self.globs.values().chain([&self.starred]).flatten();
        let globs = globs.map(|(glob, id)| (NamePattern::Glob(glob.clone()), *id));
        let suffixes = self.suffixes.iter();
        let suffixes = suffixes.map(|(suffix, id)| (NamePattern::Suffix(suffix.clone()), *id));
        exact.chain(globs).chain(suffixes)
    }

    /// The endpoint whose most specific pattern matches `name`.
    pub fn find(&self, name: &str) -> Option<Id> {
        let end = last_two_labels(name);
        if !self.ends.contains(end) {
            return Some(first_glob(&self.starred, name)?.1);
        }
        if let Some(endpoint) = self.exact.get(name) {
            return Some(*endpoint);
        }
        if let Some(endpoint) = self.find_glob(end, name) {
            return Some(endpoint);
        }
        let dots = memchr::memchr_iter(b'.', name.as_bytes());
        let probed = dots.clone().count().saturating_sub(self.longest_suffix);
        dots.skip(probed)
            .find_map(|dot| self.suffixes.get(name.get(dot + 1..)?).copied())
    }

    /// The glob with the most literal characters.
    fn find_glob(&self, end: &str, name: &str) -> Option<Id> {
        let usual = self
            .globs
            .get(end)
            .and_then(|globs| first_glob(globs, name));
        let best = match (usual, first_glob(&self.starred, name)) {
            (Some(usual), Some(starred)) if order(&starred.0) < order(&usual.0) => starred,
            (usual, starred) => usual.or(starred)?,
        };
        Some(best.1)
    }
}

/// The first that matches.
fn first_glob<'g, Id>(globs: &'g [(String, Id)], name: &str) -> Option<&'g (String, Id)> {
    let mut globs = globs.iter();
    globs.find(|(glob, _)| glob_matches_labels(glob, name))
}

/// More literal characters first, then by the text.
fn order(glob: &str) -> (Reverse<usize>, &str) {
    (Reverse(literals(glob)), glob)
}

/// What stands before what: exact names, globs, the longest suffix.
fn specificity(pattern: &NamePattern) -> (u8, Reverse<usize>, &str) {
    match pattern {
        NamePattern::Exact(name) => (0, Reverse(name.len()), name),
        NamePattern::Glob(glob) => (1, Reverse(literals(glob)), glob),
        NamePattern::Suffix(suffix) => (2, Reverse(suffix.len()), suffix),
    }
}

fn literals(glob: &str) -> usize {
    glob.bytes().filter(|byte| *byte != b'*').count()
}

/// Where globs stand that have a star in their last two labels.
const STARRED: &str = "*";

/// Globs are told apart by their last two labels; the few that have a star there are tried for every name.
fn last_two_labels(name: &str) -> &str {
    let mut dots = memchr::memrchr_iter(b'.', name.as_bytes());
    let start = dots.nth(1).map_or(0, |at| at + 1);
    let labels = name.get(start..).unwrap_or(name);
    if memchr::memchr(b'*', labels.as_bytes()).is_some() {
        STARRED
    } else {
        labels
    }
}
