//! Hours and days: when a host was on the network, when the sensor was blind, and how much time counts.
//!
//! An hour is one of UTC, as coverage records have it; a day is one of the report's time zone. A day on which a host did something
//! *counts in full* where all that it did on that day was seen and the sensor ran; only such days prove that something did not happen.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::kept::{Loss, Seen};
use crate::types::Timestamp;

/// Hours since 1970-01-01T00:00:00 UTC.
pub type Hour = i64;

const HOUR_S: i64 = 3_600;
/// A restart that hides less of an hour does not make it blind.
const MOST_HIDDEN_S: i64 = HOUR_S / 2;
/// Hours of a day in which the sensor may be blind without making days count anew.
pub const MOST_BRIEF: u32 = 2;
/// Longest stretch of hours that is walked through: a little more than a year.
pub const LONGEST_RANGE: Duration = Duration::from_secs(400 * 86_400);

/// The hour of a moment.
pub fn hour_of(time: Timestamp) -> Hour {
    time.seconds_and_nanos().0.div_euclid(HOUR_S)
}

/// Where an hour begins.
pub fn start_of(hour: Hour) -> Timestamp {
    Timestamp::from_seconds(hour.saturating_mul(HOUR_S), 0)
}

/// The day of a moment.
pub fn date_of(zone: &TimeZone, time: Timestamp) -> Date {
    let (seconds, _) = time.seconds_and_nanos();
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    zone.to_datetime(moment).date()
}

/// What is known of a host in an hour in which it did something.
#[derive(Clone, Copy, Debug)]
pub struct HostHour {
    /// How much of it was seen: the worst of its addresses.
    pub seen: Seen,
    /// What hid the rest, and what to know.
    pub blind: Words,
}

impl HostHour {
    /// What hid something in it: nothing of an hour that was seen completely, and no mere remark.
    pub fn hidden(&self) -> Words {
        if self.seen == Seen::Complete {
            return Words::default();
        }
        let remarks = Words::of(REMARKS);
        // Names stand in hellos, too, as long as those are plain.
        let is_plain = self.blind.common(Words::of(["ech"])).is_empty();
        let lookups = Words::of(is_plain.then_some(["doh", "dot"]).into_iter().flatten());
        self.blind.without(remarks.with(lookups))
    }

    /// Whether nothing but the sensor's own absence hid anything.
    fn is_sensors_doing(&self) -> bool {
        if !matches!(self.seen, Seen::Partial | Seen::Hidden) {
            return false;
        }
        let own = Words::of(["not_running", "warm_up"]);
        let hiding = Words::of([
            "doh",
            "dot",
            "ech",
            "vpn",
            "proxy",
            "loss",
            "no_client_side",
            "no_server_side",
            "no_queries",
            "other",
        ]);
        !self.blind.common(own).is_empty() && self.blind.common(hiding).is_empty()
    }
}

/// Words of coverage that mean something to a report.
const WORDS: [&str; 17] = [
    "doh",
    "dot",
    "ech",
    "vpn",
    "proxy",
    "internal_source",
    "internal_source_likely",
    "peer_cache",
    "loss",
    "no_client_side",
    "no_server_side",
    "no_queries",
    "warm_up",
    "not_running",
    "no_binding",
    "many_hosts",
    "other",
];

/// Those that hide nothing by themselves; docs/coverage.md.
const REMARKS: [&str; 6] = [
    "proxy",
    "internal_source",
    "internal_source_likely",
    "peer_cache",
    "no_binding",
    "many_hosts",
];

/// A set of words of coverage; a word that is not known counts as `other`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Words(u32);

impl Words {
    /// The set of these.
    pub fn of<'w>(words: impl IntoIterator<Item = &'w str>) -> Self {
        let bit = |word: &str| {
            let known = WORDS.iter().position(|known| *known == word);
            1 << known.unwrap_or(WORDS.len() - 1)
        };
        Self(words.into_iter().map(bit).fold(0, |set, bit| set | bit))
    }

    /// Those that say that a server of the site may give updates.
    pub fn own_sources() -> Self {
        Self::of(["internal_source", "internal_source_likely"])
    }

    /// Both sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What both have.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What the other one does not have.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each, in the order of the documentation.
    pub fn iter(self) -> impl Iterator<Item = &'static str> {
        let words = WORDS.iter().enumerate();
        words
            .filter(move |(at, _)| self.0 & 1 << at != 0)
            .map(|(_, word)| *word)
    }
}

/// When the sensor ran.
#[derive(Debug)]
pub struct Sensor {
    /// Hours of the range in which it saw nothing at all.
    pub blind: BTreeSet<Hour>,
    /// Hours of which lines are missing.
    pub holes: BTreeSet<Hour>,
}

impl Sensor {
    /// Out of the hours in which anything was written, and of what was lost.
    pub fn new(written: &BTreeSet<Hour>, losses: &[Loss], range: RangeInclusive<Hour>) -> Self {
        let mut blind: BTreeSet<Hour> = range
            .clone()
            .filter(|hour| !written.contains(hour))
            .collect();
        let mut holes = BTreeSet::new();
        for loss in losses {
            let (first, last) = (hour_of(loss.start), hour_of(loss.end));
            for hour in first.max(*range.start())..=last.min(*range.end()) {
                if !loss.is_restart {
                    holes.insert(hour);
                } else if hidden_seconds(loss, hour) >= MOST_HIDDEN_S {
                    blind.insert(hour);
                }
            }
        }
        Self { blind, holes }
    }
}

fn hidden_seconds(loss: &Loss, hour: Hour) -> i64 {
    let (start, end) = (
        loss.start.seconds_and_nanos().0,
        loss.end.seconds_and_nanos().0,
    );
    let first = hour.saturating_mul(HOUR_S);
    end.min(first + HOUR_S) - start.max(first)
}

/// How much of what a host did was hidden, counted in hours in which it did something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Concealed {
    /// The first hour of which anything was hidden.
    pub from: Option<Timestamp>,
    /// Whether nothing was seen of the host before that hour, in the stretch that is looked at.
    pub is_ever: bool,
    /// Hours since then.
    pub hours: u32,
    /// Those of which all was hidden.
    pub whole: u32,
    /// Those of which a part was hidden, or no record says how much.
    pub partly: u32,
}

/// A day that counts in full.
#[derive(Clone, Copy, Debug)]
struct FullDay {
    start: Timestamp,
    length: Duration,
    /// 0 on the day that the stretch begins on.
    days: u32,
}

/// How long a host was on the network since some moment, and how much of that proves something.
#[derive(Clone, Debug, Default)]
pub struct Stretch {
    /// Days on which it did something.
    pub days: u32,
    /// Their length.
    pub time: Duration,
    /// Days that count in full, since the last that made them count anew.
    full: Vec<FullDay>,
    /// Days that count in full, whatever came between.
    pub all_full_days: u32,
    /// Whether the sensor was blind on some day that does not count in full.
    pub is_sensor_blind: bool,
    /// Whether no record says what was seen on such a day.
    pub is_unsaid: bool,
    /// What hid something on such days.
    pub hidden: Words,
    /// What to know of all days.
    pub words: Words,
}

impl Stretch {
    /// How many days count in full.
    pub fn full_days(&self) -> u32 {
        self.full.iter().map(|day| day.days).sum()
    }

    /// The time of those days.
    pub fn full_time(&self) -> Duration {
        self.full.iter().map(|day| day.length).sum()
    }

    /// When those days became `least` and longer than `limit`.
    pub fn passed(&self, least: u32, limit: Duration) -> Option<Timestamp> {
        let (mut days, mut time) = (0, Duration::ZERO);
        for day in &self.full {
            let missing = limit.saturating_sub(time);
            days += day.days;
            time += day.length;
            if days >= least && time > limit {
                return Some(day.start.plus(missing));
            }
        }
        None
    }
}

/// How an hour was seen in which a host did something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    Clear,
    /// The sensor alone is to blame.
    Blind,
    Hidden,
}

#[derive(Default)]
struct Day {
    /// Hours in which the sensor alone is to blame.
    blind_hours: u32,
    /// Whether anything else was hidden.
    is_hidden: bool,
    is_unsaid: bool,
    hidden: Words,
    words: Words,
}

impl Day {
    /// Whether something may have happened unseen.
    const fn is_full(&self) -> bool {
        self.blind_hours == 0 && !self.is_hidden
    }

    /// Whether the sensor was blind for so short a time that a host which asks again and again would have been seen.
    const fn is_brief(&self) -> bool {
        self.blind_hours <= MOST_BRIEF && !self.is_hidden
    }
}

/// The days of a report, and when the sensor ran on them.
#[derive(Debug)]
pub struct Calendar<'a> {
    /// What a day is.
    pub zone: &'a TimeZone,
    /// When the sensor ran.
    pub sensor: &'a Sensor,
    /// The end of the report.
    pub until: Timestamp,
}

impl Calendar<'_> {
    /// What counts of a host's time after `from`. A day that does not count in full makes the full ones count anew, because what is looked
    /// for may have happened on it; unless the sensor was blind briefly, or it was before `confirmed`, when it was seen not to have.
    pub fn stretch(
        &self,
        hours: &BTreeMap<Hour, HostHour>,
        from: Timestamp,
        confirmed: Timestamp,
    ) -> Stretch {
        let mut stretch = Stretch::default();
        let (first, confirmed) = (date_of(self.zone, from), date_of(self.zone, confirmed));
        for (date, day) in self.days(hours, from) {
            let (start, end) = self.bounds(date, from);
            let length = end.since(start);
            // The day of `from` itself had what is looked for.
            let days = u32::from(date > first);
            stretch.days += days;
            stretch.time += length;
            stretch.words = stretch.words.with(day.words);
            if day.is_full() {
                stretch.full.push(FullDay {
                    start,
                    length,
                    days,
                });
                stretch.all_full_days += days;
                continue;
            }
            stretch.is_sensor_blind |= day.blind_hours > 0;
            stretch.is_unsaid |= day.is_unsaid;
            stretch.hidden = stretch.hidden.with(day.hidden);
            if date > confirmed && !day.is_brief() {
                stretch.full.clear();
            }
        }
        stretch
    }

    /// How much of what a host did after `from` was hidden.
    pub fn concealed(&self, hours: &BTreeMap<Hour, HostHour>, from: Timestamp) -> Concealed {
        let mut concealed = Concealed {
            is_ever: true,
            ..Concealed::default()
        };
        for (hour, seen) in self.after(hours, from) {
            let is_hidden = self.sight(hour, seen) == Sight::Hidden;
            if concealed.from.is_none() && !is_hidden {
                concealed.is_ever = false;
                continue;
            }
            concealed.from.get_or_insert(start_of(hour));
            concealed.hours += 1;
            let is_whole = is_hidden && seen.seen == Seen::Hidden;
            concealed.whole += u32::from(is_whole);
            concealed.partly += u32::from(is_hidden && !is_whole);
        }
        concealed
    }

    /// The hours behind that of `from` in which a host did something.
    fn after<'h>(
        &self,
        hours: &'h BTreeMap<Hour, HostHour>,
        from: Timestamp,
    ) -> impl Iterator<Item = (Hour, &'h HostHour)> + use<'h> {
        let last = hour_of(self.until);
        let behind = hours.range(hour_of(from).saturating_add(1)..);
        behind
            .map(|(hour, seen)| (*hour, seen))
            .take_while(move |(hour, _)| *hour <= last)
    }

    fn sight(&self, hour: Hour, seen: &HostHour) -> Sight {
        let is_hole = self.sensor.holes.contains(&hour);
        let is_blind = self.sensor.blind.contains(&hour) || seen.is_sensors_doing();
        if is_blind && !is_hole {
            Sight::Blind
        } else if is_hole || seen.seen != Seen::Complete {
            Sight::Hidden
        } else {
            Sight::Clear
        }
    }

    /// The days after `from` on which a host did something.
    fn days(&self, hours: &BTreeMap<Hour, HostHour>, from: Timestamp) -> BTreeMap<Date, Day> {
        let (first, last) = (hour_of(from).saturating_add(1), hour_of(self.until));
        let mut days = BTreeMap::new();
        if first > last {
            return days;
        }
        for (hour, seen) in self.after(hours, from) {
            let day: &mut Day = days.entry(date_of(self.zone, start_of(hour))).or_default();
            day.words = day.words.with(seen.blind);
            day.is_unsaid |= seen.seen == Seen::Unsaid;
            match self.sight(hour, seen) {
                Sight::Clear => {}
                Sight::Blind => day.blind_hours += 1,
                Sight::Hidden => {
                    day.is_hidden = true;
                    day.hidden = day.hidden.with(seen.hidden());
                }
            }
        }
        for hour in self.sensor.blind.range(first..=last) {
            let day = days.get_mut(&date_of(self.zone, start_of(*hour)));
            if let Some(day) = day.filter(|_| !hours.contains_key(hour)) {
                day.blind_hours += 1;
            }
        }
        days
    }

    /// What of a day lies after `from` and before the end.
    fn bounds(&self, date: Date, from: Timestamp) -> (Timestamp, Timestamp) {
        let moment = |date: Option<Date>| {
            let start = date.and_then(|date| self.zone.to_timestamp(date.at(0, 0, 0, 0)).ok());
            start.map(|start| Timestamp::from_seconds(start.as_second(), 0))
        };
        let start = moment(Some(date)).unwrap_or(from).max(from);
        let end = moment(date.tomorrow().ok()).unwrap_or(self.until);
        (start, end.min(self.until))
    }
}
