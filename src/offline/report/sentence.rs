//! Reasons, times and spans in the words of a language.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::judging::{Late, Reason};
use super::timeline::away_since;
use super::words::Words;
use super::{Host, Report, hours};
use crate::types::Timestamp;

const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;

/// Says things in a language and a time zone.
#[derive(Debug)]
pub struct Voice<'a> {
    /// The words.
    pub words: &'a Words,
    /// The time zone.
    pub zone: &'a TimeZone,
}

impl Voice<'_> {
    /// `2026-11-05 09:14`.
    pub fn time(&self, time: Timestamp) -> String {
        moment(self.zone, time, "%Y-%m-%d %H:%M")
    }

    /// The same, or a dash.
    pub fn time_or_dash(&self, time: Option<Timestamp>) -> String {
        time.map_or_else(|| "–".to_owned(), |time| self.time(time))
    }

    /// `66 hours`, `14 days`.
    pub fn length(&self, length: Duration) -> String {
        let seconds = length.as_secs();
        if seconds >= 3 * DAY_S && seconds.is_multiple_of(DAY_S) {
            return self.words.count("days", seconds / DAY_S);
        }
        self.words.count("hours", seconds / HOUR_S)
    }

    /// The time zone's name.
    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// Words of coverage, with commas between.
    pub fn coverage_words(&self, words: hours::Words) -> String {
        if words.is_empty() {
            return self.words.say("word.none").to_owned();
        }
        let all: Vec<String> = words
            .iter()
            .map(|word| self.words.fill(&format!("word.{word}"), &[]))
            .collect();
        all.join(self.words.say("comma"))
    }

    /// `24 days`, whole ones; of a shorter time `30 hours`.
    pub fn elapsed(&self, time: Duration) -> String {
        let days = time.as_secs() / DAY_S;
        if days >= 2 {
            return self.words.count("days", days);
        }
        self.words.count("hours", time.as_secs() / HOUR_S)
    }

    /// A reason as a sentence.
    pub fn sentence(&self, reason: &Reason) -> String {
        let word = reason.as_str();
        match reason {
            Reason::NoCheck(late) | Reason::NotFetched(late) | Reason::NeverReached(late) => {
                self.late(word, late)
            }
            Reason::Hidden { since, words } | Reason::Elsewhere { since, words } => {
                self.unknown(word, *since, &self.coverage_words(*words))
            }
            Reason::SensorBlind { since } | Reason::NoCoverage { since } => {
                self.unknown(word, *since, "")
            }
            Reason::Fetched {
                at,
                asked: Some(asked),
            } => {
                let (at, asked) = (self.time(*at), self.time(*asked));
                self.say("fetched_asked", &[("at", &at), ("asked", &asked)])
            }
            Reason::Fetched { at, asked: None }
            | Reason::NothingOffered { at }
            | Reason::Asked { at }
            | Reason::OnlyAttempts { at } => self.say(word, &[("at", &self.time(*at))]),
            Reason::OfferOpen { since, limit } => self.waiting(word, *since, *limit),
            Reason::Never { days } | Reason::LittleSeen { days } => {
                let days = self.words.count("days", (*days).into());
                self.say(word, &[("days", &days)])
            }
        }
    }

    fn say(&self, reason: &str, values: &[(&str, &str)]) -> String {
        self.words.fill(&format!("reason.{reason}"), values)
    }

    /// What was missed, and for how long.
    fn late(&self, word: &str, late: &Late) -> String {
        let days = self.words.count("days", late.days.into());
        let values = [
            ("since", &*self.time(late.since)),
            ("elapsed", &self.elapsed(late.elapsed())),
            ("days", &days),
            ("proven", &late.proven.to_string()),
            ("limit", &self.length(late.limit)),
        ];
        self.say(word, &values)
    }

    /// What is not known since some moment, or was never known.
    fn unknown(&self, word: &str, since: Option<Timestamp>, words: &str) -> String {
        match since {
            Some(since) => self.say(word, &[("since", &self.time(since)), ("words", words)]),
            None => self.say(&format!("{word}_ever"), &[("words", words)]),
        }
    }

    /// An offer that may still wait, for as long as it may.
    fn waiting(&self, word: &str, since: Timestamp, limit: Option<Duration>) -> String {
        let since = self.time(since);
        match limit.map(|limit| self.length(limit)) {
            Some(limit) => self.say(word, &[("since", &since), ("limit", &limit)]),
            None => self.say(&format!("{word}_unlimited"), &[("since", &since)]),
        }
    }

    /// `last active 2026-11-30 16:00`, or since when nothing was seen of the host.
    pub fn activity(&self, host: &Host, report: &Report) -> String {
        let at = self.time_or_dash(host.as_of);
        let away = away_since(host, report);
        let elapsed = away.map(|since| self.elapsed(report.until.since(since)));
        match elapsed {
            Some(elapsed) => {
                let values = [("at", &*at), ("elapsed", &elapsed)];
                self.words.fill("inactive_since", &values)
            }
            None => self.words.fill("active_until", &[("at", &at)]),
        }
    }

    /// As of when a state is true, where the host has been away since.
    pub fn as_of_away(&self, host: &Host, report: &Report) -> Option<String> {
        let since = self.time(away_since(host, report)?);
        Some(self.words.fill("as_of_away", &[("at", &since)]))
    }
}

/// A moment in a zone, as strftime has it.
pub fn moment(zone: &TimeZone, time: Timestamp, format: &str) -> String {
    let (seconds, _) = time.seconds_and_nanos();
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    zone.to_datetime(moment).strftime(format).to_string()
}

/// RFC 3339 in UTC, whole seconds.
pub fn rfc3339(time: Timestamp) -> String {
    moment(&TimeZone::UTC, time, "%Y-%m-%dT%H:%M:%SZ")
}
