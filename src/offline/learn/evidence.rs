//! What speaks for and against a candidate, in points: ten double the odds that it is an update server.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::known::{Likeness, Rule};
use super::names::{is_bare, registered};
use super::observed::{Kind, Seen, Share, Volume};
use super::setting::{Follows, Setting};
use super::words::{self, Hint};
use crate::types::Timestamp;
use crate::updates::catalogue::Role;

/// One thing that speaks for or against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Its word: one of a closed list.
    pub what: String,
    /// What it counts.
    pub points: i32,
    /// In words.
    pub detail: String,
}

/// Most points that following actions can have.
const MOST_AFTER: f64 = 34.0;
/// Content networks that thousands of sites share: an alias there says nothing.
const SHARED_NETWORKS: [&str; 22] = [
    "akamai.net",
    "akamaiedge.net",
    "edgekey.net",
    "edgesuite.net",
    "akadns.net",
    "akamaized.net",
    "cloudfront.net",
    "fastly.net",
    "fastlylb.net",
    "cloudflare.net",
    "cloudflare.com",
    "azureedge.net",
    "azurefd.net",
    "trafficmanager.net",
    "windows.net",
    "cloudapp.net",
    "amazonaws.com",
    "googlehosted.com",
    "llnwd.net",
    "b-cdn.net",
    "footprint.net",
    "impervadns.net",
];

/// Domains under which many have names of their own.
const HOSTERS: [&str; 5] = [
    "github.com",
    "githubusercontent.com",
    "sourceforge.net",
    "googleapis.com",
    "amazonaws.com",
];

/// A candidate as it is weighed.
pub struct Weighed<'w> {
    /// One of its names stands for it.
    pub name: &'w str,
    /// All of them.
    pub names: &'w [&'w str],
    /// What they were together.
    pub seen: &'w Seen,
    /// What the catalogue says of it.
    pub rule: Option<&'w Rule>,
}

/// Collects evidence.
struct Scale(Vec<Evidence>);

impl Scale {
    fn put(&mut self, what: &str, points: i32, detail: String) {
        if points != 0 {
            let what = what.to_owned();
            self.0.push(Evidence {
                what,
                points,
                detail,
            });
        }
    }
}

/// Everything that speaks for or against a candidate.
pub fn weigh(one: &Weighed<'_>, setting: &Setting<'_>) -> Vec<Evidence> {
    let mut scale = Scale(Vec::new());
    by_name(one, setting, &mut scale);
    by_aliases(one, setting, &mut scale);
    by_hosts(one, setting, &mut scale);
    by_actions(one, setting, &mut scale);
    by_regularity(one, setting, &mut scale);
    by_volume(one, &mut scale);
    by_requests(one, &mut scale);
    by_company(one, setting, &mut scale);
    scale.0.sort_by_key(|evidence| -evidence.points.abs());
    scale.0
}

fn by_name(one: &Weighed<'_>, setting: &Setting<'_>, scale: &mut Scale) {
    let (points, words) = words::of_name(one.name);
    scale.put("words", points, words.join(", "));
    if is_bare(one.name) {
        scale.put(
            "bare_domain",
            -10,
            "the name is a domain, as of a web site".to_owned(),
        );
    }
    match one.rule {
        Some(rule) if rule.role == Role::Metadata => {
            let points = if rule.is_shared { -18 } else { -8 };
            scale.put(
                "known_otherwise",
                points,
                format!("metadata of {}", rule.rule),
            );
        }
        Some(rule) if !rule.role.opens_session() => {
            scale.put(
                "known_otherwise",
                -70,
                format!("{} of {}", rule.role, rule.rule),
            );
        }
        _ => {}
    }
    let domain = registered(one.name);
    match setting.known.likeness(one.name) {
        Some(Likeness::Name(known)) if !HOSTERS.contains(&domain) => {
            scale.put("like_known_name", 26, known);
        }
        Some(Likeness::Domain(rules)) if !HOSTERS.contains(&domain) => {
            scale.put("known_domain", 8, format!("{rules} rules under {domain}"));
        }
        _ => {}
    }
}

fn by_aliases(one: &Weighed<'_>, setting: &Setting<'_>, scale: &mut Scale) {
    let mut targets = one.seen.targets.iter();
    let shared = targets.find_map(|target| {
        let known = setting
            .alias_of(target)
            .filter(|known| !one.names.contains(known))?;
        Some((target, known))
    });
    if let Some((target, known)) = shared {
        let is_common = SHARED_NETWORKS.contains(&registered(target));
        let points = if is_common { 8 } else { 20 };
        scale.put("same_alias", points, format!("{target}, as {known}"));
    }
    let telling = one.seen.targets.iter().map(|target| {
        let (points, words) = words::of_name(target);
        (points, words, target)
    });
    let most = telling.max_by_key(|(points, ..)| *points);
    if let Some((points, words, target)) = most.filter(|(points, ..)| *points >= 20) {
        let detail = format!("{} in {target}", words.join(", "));
        scale.put("alias_words", points / 4, detail);
    }
}

fn by_hosts(one: &Weighed<'_>, setting: &Setting<'_>, scale: &mut Scale) {
    let kinds: Vec<Kind> = one
        .seen
        .on
        .keys()
        .filter_map(|place| Some(setting.observed.pcs.get(*place)?.kind))
        .collect();
    if kinds.contains(&Kind::Auto) && kinds.contains(&Kind::Manual) {
        scale.put("both_kinds", 10, "seen on hosts of both kinds".to_owned());
    }
    let is_only_asked = one
        .seen
        .on
        .values()
        .all(super::observed::Sighting::is_only_asked);
    if is_only_asked {
        scale.put("only_asked", -8, "asked for, never contacted".to_owned());
    }
    let names = || one.names.iter().copied();
    let others = setting.observed.share(names());
    let points = match others {
        Share { of: ..5, .. } => 0,
        Share { with: 0, .. } => 8,
        share if share.part() >= 0.3 => -8,
        share if share.part() >= 0.1 => -4,
        _ => 0,
    };
    scale.put(
        "other_hosts",
        points,
        format!("seen on {} of {} others", others.with, others.of),
    );
    let systems = one
        .seen
        .on
        .keys()
        .filter_map(|place| setting.observed.share_by_system(names(), *place));
    let best = systems.max_by(|a, b| a.0.part().total_cmp(&b.0.part()));
    if let Some((same, different)) = best
        && same.of >= 3
        && different.of >= 3
    {
        let points = match (same.part(), different.part()) {
            (0.5.., ..0.1) => 14,
            (0.2.., ..0.05) => 8,
            _ => 0,
        };
        let detail = format!(
            "{} of {} hosts with the same system, {} of {} with others",
            same.with, same.of, different.with, different.of
        );
        scale.put("same_system", points, detail);
    }
}

fn by_actions(one: &Weighed<'_>, setting: &Setting<'_>, scale: &mut Scale) {
    let of = |follows: &dyn Fn(usize, &[Timestamp]) -> Follows| -> Option<Follows> {
        let all = one
            .seen
            .on
            .iter()
            .map(|(place, sighting)| follows(*place, &sighting.moments().episodes()));
        all.max_by(|a, b| a.strength().total_cmp(&b.strength()))
    };
    let actions = of(&|place, episodes| setting.after_actions(place, episodes));
    if let Some(follows) = actions {
        let points = (10.0 * follows.bits).clamp(-12.0, MOST_AFTER) as i32;
        let same = (10.0 * follows.same_bits).clamp(0.0, MOST_AFTER) as i32;
        let is_rare = follows.after == 0 && follows.episodes < 3;
        let (what, points) = if same > points.max(0) {
            ("same_action", same)
        } else {
            ("after_action", if is_rare { 0 } else { points })
        };
        scale.put(what, points, in_words(&follows));
    }
    let checks = of(&|place, episodes| setting.after_checks(place, episodes));
    if let Some(follows) = checks.filter(|follows| follows.after * 2 > follows.episodes) {
        let points = (5.0 * follows.bits).clamp(0.0, 12.0) as i32;
        scale.put("after_check", points, in_words(&follows));
    }
}

fn in_words(follows: &Follows) -> String {
    let Follows {
        episodes,
        after,
        delay_s,
        ..
    } = follows;
    match &follows.what {
        Some((what, count)) => {
            format!(
                "{after} of {episodes} contacts, {count} after {what}, middle delay {delay_s} s"
            )
        }
        None => format!("none of {episodes} contacts"),
    }
}

fn by_regularity(one: &Weighed<'_>, setting: &Setting<'_>, scale: &mut Scale) {
    let auto = one.seen.on.iter().filter(|(place, _)| {
        let pc = setting.observed.pcs.get(**place);
        pc.is_some_and(|pc| pc.kind == Kind::Auto)
    });
    let best = auto.filter_map(|(_, sighting)| regularity(&sighting.moments().episodes()));
    if let Some((share, interval)) = best.max_by(|a, b| a.0.total_cmp(&b.0)) {
        let points = match share {
            0.7.. => 18,
            0.5.. => 9,
            _ => -4,
        };
        let minutes = interval.as_secs() / 60;
        let percent = (share * 100.0).round();
        scale.put(
            "regular",
            points,
            format!("{percent} % of intervals are about {minutes} min"),
        );
    }
}

/// The share of the intervals that are about the middle one, and that one; `None` of few, or of short ones.
fn regularity(episodes: &[Timestamp]) -> Option<(f64, Duration)> {
    const FEWEST: usize = 4;
    const SHORTEST: Duration = Duration::from_secs(600);
    const TOLERANCE: f64 = 0.25;
    let pairs = episodes.iter().zip(episodes.iter().skip(1));
    let mut intervals: Vec<Duration> = pairs.map(|(one, next)| next.since(*one)).collect();
    if intervals.len() < FEWEST {
        return None;
    }
    intervals.sort_unstable();
    let middle = *intervals.get(intervals.len() / 2)?;
    let middle_s = middle.as_secs_f64();
    let near = |one: &&Duration| (one.as_secs_f64() - middle_s).abs() <= TOLERANCE * middle_s;
    let count = intervals.iter().filter(near).count();
    (middle >= SHORTEST).then(|| (count as f64 / intervals.len() as f64, middle))
}

fn by_volume(one: &Weighed<'_>, scale: &mut Scale) {
    const LEAST_UPLOAD: u64 = 20_000;
    let all = one.seen.on.values().map(super::observed::Sighting::volume);
    let volume = all.fold(Volume::default(), Volume::with);
    if volume.large > 0 {
        let detail = format!(
            "{} of {} transfers are large, the largest {} bytes",
            volume.large, volume.count, volume.largest
        );
        scale.put("volume", 14, detail);
    }
    let flows = one
        .seen
        .on
        .values()
        .fold(Volume::default(), |sum, one| sum.with(one.flows));
    if flows.to_server > flows.to_client.saturating_mul(2) && flows.to_server > LEAST_UPLOAD {
        let detail = format!(
            "{} bytes to the server, {} from it",
            flows.to_server, flows.to_client
        );
        scale.put("upload", -16, detail);
    }
}

fn by_requests(one: &Weighed<'_>, scale: &mut Scale) {
    let of = |wanted: Hint| {
        let hints = one
            .seen
            .hints
            .iter()
            .filter(move |(_, (hint, _))| *hint == wanted);
        hints
            .max_by_key(|(_, (_, count))| *count)
            .map(|((_, part), (_, count))| (*part, *count))
    };
    let points = [
        (Hint::File, "path_of_file", 22),
        (Hint::List, "path_of_list", 18),
        (Hint::Agent, "user_agent", 26),
        (Hint::Package, "content_type", 14),
        (Hint::Page, "content_type", -16),
    ];
    for (hint, what, points) in points {
        if let Some((part, count)) = of(hint) {
            scale.put(what, points, format!("{part} in {count} requests"));
        }
    }
}

fn by_company(one: &Weighed<'_>, setting: &Setting<'_>, scale: &mut Scale) {
    let crowds = one
        .seen
        .on
        .iter()
        .filter_map(|(place, sighting)| setting.crowd(*place, sighting.moments().minutes()));
    let Some(crowd) = crowds.min_by(f64::total_cmp) else {
        return;
    };
    let points = match crowd {
        12.0.. => -18,
        6.0.. => -8,
        ..3.0 => 6,
        _ => 0,
    };
    scale.put(
        "company",
        points,
        format!("{crowd:.1} other names in the same minute"),
    );
}
