//! What surrounds a name: actions and known checks before it, how much else a host did at the time, aliases of known names.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::actions::Action;
use super::known::Known;
use super::observed::{Kind, Observed};
use crate::types::Timestamp;
use crate::updates::catalogue::Role;

/// A contact so shortly before what started it belongs to it all the same: clocks differ.
const EARLY: Duration = Duration::from_secs(5);
/// A contact so soon after a known check may follow from it.
const AFTER_CHECK: Duration = Duration::from_secs(60);
/// No host is so quiet that chance explains less.
const LEAST_CHANCE: f64 = 0.03;

/// The surroundings of all names.
#[derive(Debug)]
pub struct Setting<'a> {
    /// What was seen.
    pub observed: &'a Observed,
    /// What is known.
    pub known: &'a Known<'a>,
    /// What was started on each verification host.
    actions: Vec<Starts>,
    /// Known checks of each.
    checks: Vec<Starts>,
    /// How many names each host had to do with in a minute.
    crowds: HashMap<(usize, i64), u32>,
    /// Aliases of known names.
    aliases: HashMap<&'a str, &'a str>,
}

/// Moments from which others may follow.
#[derive(Clone, Debug, Default)]
struct Starts {
    all: Vec<(Timestamp, String)>,
    window: Duration,
    /// Share of the host's time that follows from any of them.
    chance: f64,
}

/// How much of what a name did follows from starts.
#[derive(Clone, Debug, Default)]
pub struct Follows {
    /// Stretches of contacts.
    pub episodes: u64,
    /// Of those, ones that follow.
    pub after: u64,
    /// How much more often than by chance, as the logarithm to the base of two.
    pub bits: f64,
    /// How unlikely it is that so many follow one and the same thing by chance, likewise; 0 where fewer than half do.
    pub same_bits: f64,
    /// What they follow most often, and how often.
    pub what: Option<(String, u64)>,
    /// The middle delay, s.
    pub delay_s: u64,
}

impl Follows {
    /// What it says, at its best.
    pub fn strength(&self) -> f64 {
        self.bits.max(self.same_bits)
    }
}

impl<'a> Setting<'a> {
    /// Looks at everything once.
    pub fn new(
        observed: &'a Observed,
        known: &'a Known<'a>,
        actions: &[Action],
        window: Duration,
    ) -> Self {
        let mut setting = Self {
            observed,
            known,
            actions: Vec::new(),
            checks: vec![Starts::default(); observed.pcs.len()],
            crowds: HashMap::new(),
            aliases: HashMap::new(),
        };
        for (name, seen) in &observed.names {
            let rule = known.rule(name);
            let is_update = rule.as_ref().is_some_and(|rule| rule.role.opens_session());
            let is_check = rule.as_ref().is_some_and(|rule| rule.role == Role::Check);
            for (place, sighting) in &seen.on {
                for minute in sighting.moments().minutes() {
                    *setting.crowds.entry((*place, minute)).or_default() += 1;
                }
                if let (true, Some(rule), Some(checks)) =
                    (is_check, &rule, setting.checks.get_mut(*place))
                {
                    let episodes = sighting.moments().episodes().into_iter();
                    checks
                        .all
                        .extend(episodes.map(|time| (time, rule.rule.clone())));
                }
            }
            if is_update && !rule.is_some_and(|rule| rule.is_shared) {
                let targets = seen.targets.iter().map(|target| (&**target, &**name));
                setting.aliases.extend(targets);
            }
        }
        for (place, pc) in observed.pcs.iter().enumerate() {
            let own = actions.iter().filter(|action| match action.host {
                Some(host) => observed.place(host) == Some(place),
                None => pc.kind == Kind::Manual,
            });
            let all = own
                .map(|action| (action.time, action.what.clone()))
                .collect();
            let span = observed.spans.get(place).copied().flatten();
            setting.actions.push(Starts::new(all, window, span));
            if let Some(checks) = setting.checks.get_mut(place) {
                *checks = Starts::new(std::mem::take(&mut checks.all), AFTER_CHECK, span);
            }
        }
        setting
    }

    /// How contacts of one host follow actions.
    pub fn after_actions(&self, place: usize, episodes: &[Timestamp]) -> Follows {
        let starts = self.actions.get(place);
        starts
            .map(|starts| starts.follows(episodes))
            .unwrap_or_default()
    }

    /// How they follow known checks.
    pub fn after_checks(&self, place: usize, episodes: &[Timestamp]) -> Follows {
        let starts = self.checks.get(place);
        starts
            .map(|starts| starts.follows(episodes))
            .unwrap_or_default()
    }

    /// The last action on a host before a moment, no longer ago than half an hour, and how many s ago.
    pub fn action_before(&self, place: usize, time: Timestamp) -> Option<(&str, u64)> {
        self.actions.get(place)?.before(time)
    }

    /// The last known check before a moment, likewise.
    pub fn check_before(&self, place: usize, time: Timestamp) -> Option<(&str, u64)> {
        self.checks.get(place)?.before(time)
    }

    /// With how many other names a host had to do in the same minutes, on average.
    pub fn crowd(&self, place: usize, minutes: impl Iterator<Item = i64>) -> Option<f64> {
        let (mut sum, mut count) = (0_u64, 0_u64);
        for minute in minutes {
            let crowd = self.crowds.get(&(place, minute)).copied().unwrap_or(1);
            sum += u64::from(crowd.saturating_sub(1));
            count += 1;
        }
        (count > 0).then(|| sum as f64 / count as f64)
    }

    /// The known name that is an alias of the same.
    pub fn alias_of(&self, target: &str) -> Option<&str> {
        self.aliases.get(target).copied()
    }
}

impl Starts {
    fn new(
        mut all: Vec<(Timestamp, String)>,
        window: Duration,
        span: Option<(Timestamp, Timestamp)>,
    ) -> Self {
        all.sort();
        let (mut covered, mut end) = (Duration::ZERO, Timestamp::from_nanos(i64::MIN));
        for (time, _) in &all {
            let (from, until) = (end.max(*time), time.plus(window));
            covered += until.since(from);
            end = end.max(until);
        }
        let whole = span.map_or(Duration::ZERO, |(first, last)| last.since(first));
        let whole = whole.max(window).as_secs_f64();
        Self {
            all,
            window,
            chance: (covered.as_secs_f64() / whole).clamp(LEAST_CHANCE, 1.0),
        }
    }

    fn follows(&self, episodes: &[Timestamp]) -> Follows {
        let mut follows = Follows {
            episodes: episodes.len() as u64,
            ..Follows::default()
        };
        if self.all.is_empty() || episodes.is_empty() {
            return follows;
        }
        let (mut delays, mut counts) = (Vec::new(), HashMap::<&str, u64>::new());
        for time in episodes {
            // Several things may have been started at once: it follows each of them.
            let before = self.all_before(*time, self.window);
            let whats: HashSet<&str> = before.iter().map(|(_, what)| what.as_str()).collect();
            whats
                .into_iter()
                .for_each(|what| *counts.entry(what).or_default() += 1);
            if let Some((start, _)) = before.last() {
                delays.push(time.since(*start).as_secs());
            }
        }
        delays.sort_unstable();
        follows.after = delays.len() as u64;
        follows.delay_s = delays.get(delays.len() / 2).copied().unwrap_or(0);
        let most = counts
            .into_iter()
            .max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(a.0)));
        follows.what = most.map(|(what, count)| (what.to_owned(), count));
        if let Some((what, count)) = &follows.what {
            follows.same_bits = self.same_bits(what, *count, follows.episodes);
        }
        // One contact that chance decided stands before those that were seen: few say little.
        let share = (follows.after as f64 + self.chance) / (follows.episodes as f64 + 1.0);
        follows.bits = (share / self.chance).log2();
        follows
    }

    /// The surprise that `count` of `episodes` follow this one of all the things, whichever it is: the binomial term, for as many
    /// choices as there are things.
    fn same_bits(&self, what: &str, count: u64, episodes: u64) -> f64 {
        const LEAST: f64 = 0.003;
        if count * 2 < episodes {
            return 0.0;
        }
        let own = self.all.iter().filter(|(_, other)| other == what).count();
        let chance = self.chance * own as f64 / self.all.len().max(1) as f64;
        let kinds: HashSet<&str> = self.all.iter().map(|(_, what)| what.as_str()).collect();
        let ways: f64 = (0..episodes - count)
            .map(|step| ((episodes - step) as f64 / (step + 1) as f64).log2())
            .sum();
        let surprise = count as f64 * -chance.max(LEAST).log2();
        (surprise - ways - (kinds.len() as f64).log2()).max(0.0)
    }

    /// What began no longer than `window` before a moment, in the order of time.
    fn all_before(&self, time: Timestamp, window: Duration) -> &[(Timestamp, String)] {
        let late = time.plus(EARLY);
        let end = self.all.partition_point(|(start, _)| *start <= late);
        let started = self.all.get(..end).unwrap_or_default();
        let begin = started.partition_point(|(start, _)| time.since(*start) > window);
        started.get(begin..).unwrap_or_default()
    }

    fn before(&self, time: Timestamp) -> Option<(&str, u64)> {
        const LONGEST: Duration = Duration::from_secs(1_800);
        let (start, what) = self.all_before(time, LONGEST).last()?;
        Some((what, time.since(*start).as_secs()))
    }
}
