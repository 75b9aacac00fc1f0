//! What was learned: candidates with their scores, and known servers that were seen.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Options;
use super::against::Change;
use super::evidence::{Evidence, Weighed, weigh};
use super::known::Rule;
use super::names::{is_opaque, patterns, registered};
use super::observed::{File, Kind, Observed, Refused, Seen, Share, Sighting, Volume};
use super::setting::Setting;
use super::words::{self, Hint};
use crate::records::time;
use crate::types::Timestamp;
use crate::updates::catalogue::pattern::NamePattern;

/// Version of the form.
pub const VERSION: u32 = 1;
/// Most names of a pattern that are told.
const MOST_NAMES: usize = 32;

/// What was learned.
#[derive(Clone, Debug, Serialize)]
pub struct Lesson {
    /// Version of this form.
    pub v: u32,
    /// Version of the catalogue that knew the others.
    pub catalogue: String,
    /// Score from which on candidates are told.
    pub least: i32,
    /// The verification hosts, in the order of the command line.
    pub hosts: Vec<Host>,
    /// How much of what.
    pub figures: Figures,
    /// Candidates, the best first.
    pub candidates: Vec<Found>,
    /// Servers of the catalogue that were seen.
    pub known: Vec<Found>,
    /// Files that only an id names.
    pub files: Vec<FileFound>,
    /// Everything else, for comparisons.
    #[serde(skip)]
    pub below: Vec<Found>,
}

/// A verification host.
#[derive(Clone, Debug, Serialize)]
pub struct Host {
    /// How it is updated.
    pub kind: Kind,
    /// Its addresses.
    pub addresses: Vec<std::net::IpAddr>,
    /// Names that it had to do with.
    pub names: u64,
    /// First moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// Last moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

/// How much of what.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Figures {
    /// Records that told something.
    pub records: u64,
    /// Records of other kinds.
    pub skipped: u64,
    /// Names on verification hosts.
    pub names: u64,
    /// Patterns that these make, without known servers.
    pub patterns: u64,
    /// Of those, the ones with a score that is high enough.
    pub proposed: u64,
    /// What tables refused.
    pub refused: Refused,
}

/// A candidate, or a known server that was seen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Found {
    /// Pattern of names, in the form of the catalogue.
    pub pattern: String,
    /// Names that were seen, the first few.
    pub names: Vec<String>,
    /// Its rule, where the catalogue knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What it seems to be for: `check` or `download`; of known ones what the catalogue says.
    pub role: String,
    /// Whether it is both, and only the volume tells.
    pub by_volume: bool,
    /// What carried it: `http`, `https`, `quic` or `any`.
    pub transport: String,
    /// Sum of the points.
    pub score: i32,
    /// On which hosts it was seen.
    pub seen: Vec<On>,
    /// Transfers.
    pub transfers: u64,
    /// Of those, large ones.
    pub large: u64,
    /// Bytes of the largest one.
    pub largest: u64,
    /// Bytes to the hosts.
    pub to_client: u64,
    /// Bytes to the servers.
    pub to_server: u64,
    /// On how many other hosts.
    pub others: Share,
    /// Registered domains of what it is an alias of.
    pub aliases: Vec<String>,
    /// The action that it follows, where it follows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// What speaks for and against it, the weightiest first.
    pub evidence: Vec<Evidence>,
}

/// What a candidate was on one host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct On {
    /// How the host is updated: `auto` or `manual`.
    pub kind: String,
    /// Which of the hosts, from 0.
    pub host: usize,
    /// Stretches of contacts.
    pub contacts: u64,
    /// The first one.
    pub first: String,
    /// The last one.
    pub last: String,
}

/// A file that only an id names, and what the host was doing.
#[derive(Clone, Debug, Serialize)]
pub struct FileFound {
    /// Which of the hosts, from 0.
    pub host: usize,
    /// The id.
    pub id: String,
    /// The server.
    pub server: String,
    /// First request.
    pub first: String,
    /// Requests.
    pub requests: u64,
    /// Body bytes.
    pub bytes: u64,
    /// The action before it, and s since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Before>,
    /// The known check before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Before>,
    /// Files with names that the host asked for about that time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
}

/// Something before something else.
#[derive(Clone, Debug, Serialize)]
pub struct Before {
    /// What.
    pub what: String,
    /// How long before, s.
    pub delay_s: u64,
}

impl Host {
    /// What a person calls it by: its first address.
    pub fn name(&self) -> String {
        let first = self.addresses.first();
        first.map(ToString::to_string).unwrap_or_default()
    }
}

impl Lesson {
    /// Weighs everything.
    pub fn of(setting: &Setting<'_>, options: &Options, catalogue: &str) -> Self {
        let observed = setting.observed;
        let known = known(setting);
        let mut found = candidates(setting);
        found.sort_by(|a, b| {
            b.score
                .cmp(&a.score)
                .then_with(|| a.pattern.cmp(&b.pattern))
        });
        let patterns = found.len() as u64;
        let at = found.partition_point(|one| one.score >= options.least);
        let mut below = found.split_off(at);
        let proposed = found.len() as u64;
        if found.len() > options.top {
            below.extend(found.drain(options.top..));
        }
        Self {
            v: VERSION,
            catalogue: catalogue.to_owned(),
            least: options.least,
            hosts: hosts(observed),
            figures: Figures {
                names: observed.names.len() as u64,
                patterns,
                proposed,
                refused: observed.refused,
                ..Figures::default()
            },
            candidates: found,
            known,
            files: files(setting),
            below,
        }
    }

    /// As one JSON object, with what changed where it was compared.
    pub fn json(&self, changes: Option<&[Change]>) -> String {
        let mut value = serde_json::json!({ "learn": self });
        if let (Some(changes), Some(learn)) = (
            changes,
            value.get_mut("learn").and_then(Value::as_object_mut),
        ) {
            learn.insert("changes".to_owned(), serde_json::json!(changes));
        }
        value.to_string()
    }

    /// Whether nothing was read at all.
    pub const fn is_of_nothing(&self) -> bool {
        self.figures.records == 0 && self.figures.skipped == 0
    }

    /// The first and the last moment of any host.
    pub fn span(&self) -> (Option<&str>, Option<&str>) {
        let first = self
            .hosts
            .iter()
            .filter_map(|host| host.first.as_deref())
            .min();
        let last = self
            .hosts
            .iter()
            .filter_map(|host| host.last.as_deref())
            .max();
        (first, last)
    }
}

fn hosts(observed: &Observed) -> Vec<Host> {
    let of = |place: usize| {
        let seen = observed.names.values();
        seen.filter(|seen| seen.on.contains_key(&place)).count() as u64
    };
    let pcs = observed.pcs.iter().enumerate().zip(&observed.spans);
    pcs.map(|((place, pc), span)| Host {
        kind: pc.kind,
        addresses: pc.addresses.clone(),
        names: of(place),
        first: span.map(|(first, _)| time::text(first)),
        last: span.map(|(_, last)| time::text(last)),
    })
    .collect()
}

/// Servers of the catalogue that were seen: one for each rule.
fn known(setting: &Setting<'_>) -> Vec<Found> {
    let mut by_rule: BTreeMap<String, (Rule, Vec<&str>)> = BTreeMap::new();
    for name in setting.observed.names.keys() {
        if let Some(rule) = setting
            .known
            .rule(name)
            .filter(|rule| rule.role.opens_session())
        {
            let entry = by_rule
                .entry(rule.rule.clone())
                .or_insert_with(|| (rule, Vec::new()));
            entry.1.push(name);
        }
    }
    let found = by_rule.into_values().map(|(rule, mut names)| {
        names.sort_unstable();
        let pattern = names.first().copied().unwrap_or_default().to_owned();
        Found {
            role: rule.role.as_str().to_owned(),
            rule: Some(rule.rule),
            ..Found::of(&pattern, &names, None, setting)
        }
    });
    found.collect()
}

/// Everything else on verification hosts: one for each pattern.
fn candidates(setting: &Setting<'_>) -> Vec<Found> {
    let names = setting.observed.names.keys().map(|name| &**name);
    let is_update = |name: &str| {
        let rule = setting.known.rule(name);
        rule.is_some_and(|rule| rule.role.opens_session())
    };
    let (updates, rest): (Vec<&str>, Vec<&str>) = names.partition(|name| is_update(name));
    // A suffix lies within the domain of those that it is of: others are not looked at.
    let mut words: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in rest.iter().copied().chain(setting.observed.others()) {
        if !is_opaque(name.split('.').next().unwrap_or_default()) {
            words.entry(registered(name)).or_default().push(name);
        }
    }
    let is_other = |pattern: &NamePattern| {
        let beside = match pattern {
            NamePattern::Suffix(suffix) => words.get(registered(suffix)),
            NamePattern::Exact(_) | NamePattern::Glob(_) => None,
        };
        let mut beside = beside.into_iter().flatten();
        updates.iter().any(|name| pattern.matches(name)) || beside.any(|name| pattern.matches(name))
    };
    let groups = patterns(rest.iter().copied(), is_other);
    let found = groups.into_iter().map(|(pattern, names)| {
        let rule = names.iter().find_map(|name| setting.known.rule(name));
        Found::of(&pattern, &names, rule.as_ref(), setting)
    });
    found.collect()
}

impl Found {
    fn of(pattern: &str, names: &[&str], rule: Option<&Rule>, setting: &Setting<'_>) -> Self {
        let mut seen = Seen::default();
        for one in names
            .iter()
            .filter_map(|name| setting.observed.names.get(*name))
        {
            seen.merge(one);
        }
        let name = names.first().copied().unwrap_or_default();
        let weighed = Weighed {
            name,
            names,
            seen: &seen,
            rule,
        };
        let evidence = weigh(&weighed, setting);
        let volume = seen
            .on
            .values()
            .map(Sighting::volume)
            .fold(Volume::default(), Volume::with);
        let flows = seen
            .on
            .values()
            .fold(Volume::default(), |sum, one| sum.with(one.flows));
        let (role, by_volume) = role(name, &seen, volume);
        let aliases: BTreeSet<_> = seen
            .targets
            .iter()
            .map(|target| registered(target).to_owned())
            .collect();
        Self {
            pattern: pattern.to_owned(),
            names: names
                .iter()
                .take(MOST_NAMES)
                .map(|name| (*name).to_owned())
                .collect(),
            rule: None,
            role: role.to_owned(),
            by_volume,
            transport: transport(&seen).to_owned(),
            score: evidence.iter().map(|one| one.points).sum(),
            seen: seen
                .on
                .iter()
                .filter_map(|(place, one)| on(*place, one, setting))
                .collect(),
            transfers: volume.count,
            large: volume.large,
            largest: volume.largest,
            to_client: volume.to_client.max(flows.to_client),
            to_server: flows.to_server,
            others: setting.observed.share(names.iter().copied()),
            aliases: aliases.into_iter().collect(),
            after: after(&seen, setting),
            evidence,
        }
    }

    /// Stretches of contacts on all hosts.
    pub fn contacts(&self) -> u64 {
        self.seen.iter().map(|on| on.contacts).sum()
    }

    /// The last contact.
    pub fn last(&self) -> &str {
        self.seen
            .iter()
            .map(|on| on.last.as_str())
            .max()
            .unwrap_or_default()
    }
}

fn on(place: usize, sighting: &Sighting, setting: &Setting<'_>) -> Option<On> {
    let moments = sighting.moments();
    let (first, last) = moments.span()?;
    Some(On {
        kind: setting.observed.pcs.get(place)?.kind.as_str().to_owned(),
        host: place,
        contacts: moments.episodes().len() as u64,
        first: time::text(first),
        last: time::text(last),
    })
}

/// What large and small transfers, paths and words say of the purpose; and whether it is both.
fn role(name: &str, seen: &Seen, volume: Volume) -> (&'static str, bool) {
    let brings_files = seen
        .hints
        .values()
        .any(|(hint, _)| matches!(hint, Hint::File | Hint::Package));
    let asks = seen.hints.values().any(|(hint, _)| *hint == Hint::List);
    let small = volume.count - volume.large;
    match volume.large {
        0 if brings_files || (words::speaks_of_files(name) && !asks) => ("download", false),
        0 => ("check", false),
        large if small > large || asks => ("check", true),
        _ => ("download", false),
    }
}

fn transport(seen: &Seen) -> &'static str {
    let mut all = seen.transports.iter();
    match (all.next(), all.next()) {
        (Some(one), None) => one,
        _ => "any",
    }
}

/// The action that most of the contacts follow.
fn after(seen: &Seen, setting: &Setting<'_>) -> Option<String> {
    let follows = seen
        .on
        .iter()
        .map(|(place, one)| setting.after_actions(*place, &one.moments().episodes()));
    let most = follows.filter(|follows| follows.after * 2 > follows.episodes);
    let (what, count) = most
        .filter_map(|follows| follows.what)
        .max_by_key(|(_, count)| *count)?;
    (count > 0).then_some(what)
}

fn files(setting: &Setting<'_>) -> Vec<FileFound> {
    let all = setting.observed.files.iter();
    all.map(|((host, id), file)| FileFound {
        host: *host,
        id: id.to_string(),
        server: file.server.to_string(),
        first: time::text(file.first),
        requests: file.requests,
        bytes: file.bytes,
        action: setting.action_before(*host, file.first).map(Before::of),
        check: setting.check_before(*host, file.first).map(Before::of),
        beside: beside(setting.observed, *host, file),
    })
    .collect()
}

impl Before {
    fn of((what, delay_s): (&str, u64)) -> Self {
        let what = what.to_owned();
        Self { what, delay_s }
    }
}

/// Files with names that a host asked for within ten minutes of one without.
fn beside(observed: &Observed, host: usize, file: &File) -> Vec<String> {
    const NEAR_S: u64 = 600;
    const MOST: usize = 8;
    let near = |time: Timestamp| {
        let (early, late) = (time.min(file.first), time.max(file.first));
        late.since(early).as_secs() <= NEAR_S
    };
    let named = observed
        .named
        .iter()
        .filter(|named| named.pc == host && near(named.time));
    let named: BTreeSet<&str> = named.map(|named| named.what.as_str()).collect();
    named.into_iter().take(MOST).map(str::to_owned).collect()
}
