//! What is new, gone or changed since an earlier lesson, or beside a directory of catalogue files.

use std::io::{self, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::lesson::{Found, Lesson, VERSION};
use super::names::registered;
use crate::offline::lines::open;
use crate::updates::Catalogue;
use crate::updates::catalogue::file::read_directory;
use crate::updates::catalogue::pattern::NamePattern;

/// No longer lesson is read.
const MAX_FILE: u64 = 64 << 20;
/// Most endpoints of one.
const MOST: usize = 1 << 16;
/// A largest transfer that is so many times what it was is another one.
const FACTOR: u64 = 8;

/// What was known before.
#[derive(Debug, Default)]
pub struct Earlier(Vec<Was>);

/// An endpoint as it was known.
#[derive(Debug)]
struct Was {
    patterns: Vec<NamePattern>,
    names: Vec<String>,
    rule: Option<String>,
    role: String,
    by_volume: bool,
    /// What it was on verification hosts; none where a catalogue tells of it.
    seen: Option<Found>,
}

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `new`, `gone`, or what changed: `role`, `pattern`, `volume`, `aliases`.
    pub what: &'static str,
    /// The pattern, as it is now where it is there.
    pub pattern: String,
    /// The rule, where the catalogue knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// As it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// As it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
    /// In words.
    pub evidence: String,
}

#[derive(Deserialize)]
struct File {
    learn: Form,
}

#[derive(Deserialize)]
struct Form {
    v: u32,
    candidates: Vec<Found>,
    known: Vec<Found>,
}

impl Earlier {
    /// Reads a lesson in its JSON form, or a directory of catalogue files. An error is what a person should be told.
    pub fn read(path: &Path) -> Result<Self, Vec<String>> {
        let cannot =
            |error: io::Error| vec![format!("{}: cannot be read: {error}", path.display())];
        if path.is_dir() {
            let files = read_directory(path).map_err(cannot)?;
            let catalogue = Catalogue::from_files("", &files);
            let told = |errors: Vec<_>| errors.iter().map(ToString::to_string).collect::<Vec<_>>();
            return Ok(Self::of_catalogue(&catalogue.map_err(told)?));
        }
        let mut text = Vec::new();
        let read = open(path).and_then(|input| input.take(MAX_FILE + 1).read_to_end(&mut text));
        read.map_err(cannot)?;
        if text.len() as u64 > MAX_FILE {
            return Err(vec![format!(
                "{}: is larger than {MAX_FILE} bytes",
                path.display()
            )]);
        }
        Self::parse(&text).map_err(|why| vec![format!("{}:{why}", path.display())])
    }

    /// Reads the JSON form of a lesson. The error says where and what is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let file: File = serde_json::from_slice(text).map_err(|error| {
            format!(
                "{}:{}: is no output of `patchspan learn --format json`: {error}",
                error.line(),
                error.column()
            )
        })?;
        let Form {
            v,
            candidates,
            known,
        } = file.learn;
        if v != VERSION {
            return Err(format!("1: has the version {v}; {VERSION} is accepted"));
        }
        let all = candidates.into_iter().chain(known).take(MOST);
        let all: Result<_, _> = all.map(Was::of).collect();
        Ok(Self(all?))
    }

    fn of_catalogue(catalogue: &Catalogue) -> Self {
        let mut all: Vec<Was> = catalogue
            .endpoints()
            .map(|endpoint| Was {
                patterns: Vec::new(),
                names: Vec::new(),
                rule: Some(endpoint.rule.clone()),
                role: endpoint.role.as_str().to_owned(),
                by_volume: endpoint.by_volume,
                seen: None,
            })
            .collect();
        for (pattern, id) in catalogue.patterns() {
            if let Some(was) = all.get_mut(id.0 as usize) {
                was.patterns.push(pattern);
            }
        }
        all.retain(|was| {
            matches!(was.role.as_str(), "check" | "download") && !was.patterns.is_empty()
        });
        all.iter_mut()
            .for_each(|was| was.patterns.sort_by_key(ToString::to_string));
        Self(all)
    }

    /// Every difference: new ones, gone ones, then changed ones.
    pub fn changes(&self, lesson: &Lesson) -> Vec<Change> {
        let shown: Vec<&Found> = lesson.candidates.iter().chain(&lesson.known).collect();
        let is_old = |now: &&&Found| self.0.iter().any(|was| was.is(now));
        let fresh: Vec<&Found> = shown.iter().filter(|now| !is_old(now)).copied().collect();
        let mut changes: Vec<Change> = fresh.iter().map(|now| new(now)).collect();
        let mut changed = Vec::new();
        for was in &self.0 {
            // What lies below the threshold now was seen all the same.
            let all = || shown.iter().copied().chain(&lesson.below);
            let same = all().find(|now| was.is_exactly(now));
            match same.or_else(|| all().find(|now| was.is(now))) {
                Some(now) => changed.extend(was.changes(now)),
                None => changes.push(was.gone(lesson, &fresh)),
            }
        }
        changes.extend(changed);
        changes
    }
}

fn new(now: &Found) -> Change {
    let best = now.evidence.iter().filter(|one| one.points > 0).take(3);
    let best: Vec<_> = best
        .map(|one| format!("{} {}", one.what, one.detail))
        .collect();
    Change {
        what: "new",
        pattern: now.pattern.clone(),
        rule: now.rule.clone(),
        before: None,
        now: Some(now.role.clone()),
        evidence: format!(
            "score {}, {} contacts; {}",
            now.score,
            now.contacts(),
            best.join("; ")
        ),
    }
}

impl Was {
    fn of(found: Found) -> Result<Self, String> {
        let pattern = NamePattern::parse(&found.pattern);
        let pattern = pattern.map_err(|accepted| {
            format!(
                "1: the pattern `{}` is not {accepted}",
                found.pattern.escape_debug()
            )
        })?;
        Ok(Self {
            patterns: vec![pattern],
            names: found.names.clone(),
            rule: found.rule.clone(),
            role: found.role.clone(),
            by_volume: found.by_volume,
            seen: Some(found),
        })
    }

    /// Whether `now` has the same rule, or the same pattern.
    fn is_exactly(&self, now: &Found) -> bool {
        let own = self.seen.as_ref().filter(|_| self.rule.is_none());
        match own {
            Some(own) => now.rule.is_none() && own.pattern == now.pattern,
            None => self.rule == now.rule,
        }
    }

    /// Whether `now` is the same: by its rule, or because names of one match the pattern of the other.
    fn is(&self, now: &Found) -> bool {
        if self.rule.is_some() && self.rule == now.rule {
            return true;
        }
        let own = |name: &String| self.patterns.iter().any(|pattern| pattern.matches(name));
        let theirs = NamePattern::parse(&now.pattern)
            .ok()
            .filter(|_| now.rule.is_none());
        let theirs = |name: &String| theirs.as_ref().is_some_and(|pattern| pattern.matches(name));
        now.names.iter().any(own) || self.names.iter().any(theirs)
    }

    fn change(
        &self,
        what: &'static str,
        now: &Found,
        words: [String; 2],
        evidence: String,
    ) -> Change {
        let [before, after] = words;
        Change {
            what,
            pattern: now.pattern.clone(),
            rule: now.rule.clone().or_else(|| self.rule.clone()),
            before: Some(before),
            now: Some(after),
            evidence,
        }
    }

    fn changes(&self, now: &Found) -> Vec<Change> {
        let mut changes = Vec::new();
        let volume = format!("{} of {} transfers are large", now.large, now.transfers);
        // A catalogue's word stands until a volume speaks against it.
        let is_other_role = match &self.seen {
            Some(_) => self.role != now.role || self.by_volume != now.by_volume,
            None => self.role == "check" && !self.by_volume && now.large > 0,
        };
        if is_other_role {
            let of = |role: &str, by_volume| {
                if by_volume {
                    format!("{role}, by volume")
                } else {
                    role.to_owned()
                }
            };
            let role = if now.large > 0 && self.seen.is_none() {
                "download"
            } else {
                &now.role
            };
            let words = [of(&self.role, self.by_volume), of(role, now.by_volume)];
            changes.push(self.change("role", now, words, volume));
        }
        let Some(seen) = &self.seen else {
            return changes;
        };
        if seen.pattern != now.pattern && now.rule.is_none() {
            let words = [seen.pattern.clone(), now.pattern.clone()];
            changes.push(self.change("pattern", now, words, now.names.join(", ")));
        }
        let (small, large) = (seen.largest.min(now.largest), seen.largest.max(now.largest));
        if small > 0 && large / small >= FACTOR {
            let words = [seen.largest.to_string(), now.largest.to_string()];
            changes.push(self.change(
                "volume",
                now,
                words,
                "bytes of the largest transfer".to_owned(),
            ));
        }
        let is_disjoint = !seen.aliases.iter().any(|one| now.aliases.contains(one));
        if is_disjoint && !seen.aliases.is_empty() && !now.aliases.is_empty() {
            let words = [seen.aliases.join(", "), now.aliases.join(", ")];
            changes.push(self.change(
                "aliases",
                now,
                words,
                "domains that it is an alias of".to_owned(),
            ));
        }
        changes
    }

    fn gone(&self, lesson: &Lesson, fresh: &[&Found]) -> Change {
        let pattern = self
            .patterns
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        let (from, until) = lesson.span();
        let mut evidence = match &self.seen {
            Some(seen) => format!(
                "{} contacts before, the last {}",
                seen.contacts(),
                seen.last()
            ),
            None => "in the catalogue".to_owned(),
        };
        evidence.push_str(&format!(
            "; not asked for from {} to {}",
            from.unwrap_or("-"),
            until.unwrap_or("-")
        ));
        let after = self.seen.as_ref().and_then(|seen| seen.after.as_ref());
        let is_heir = |now: &&&Found| {
            let is_near = registered(&now.pattern) == registered(&pattern);
            (is_near || (after.is_some() && now.after.as_ref() == after)) && now.role == self.role
        };
        if let Some(heir) = fresh.iter().find(is_heir) {
            evidence.push_str(&format!("; it may have moved to {}", heir.pattern));
        }
        Change {
            what: "gone",
            pattern,
            rule: self.rule.clone(),
            before: Some(self.role.clone()),
            now: None,
            evidence,
        }
    }
}
