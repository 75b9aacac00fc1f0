//! Reasons, times and spans in the words of a language.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::hours;
use super::judging::Reason;
use super::words::Words;
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
        all.join(", ")
    }

    /// A reason as a sentence.
    pub fn sentence(&self, reason: &Reason) -> String {
        let say =
            |key: &str, values: &[(&str, &str)]| self.words.fill(&format!("reason.{key}"), values);
        let days = |days: u32| self.words.count("days", days.into());
        let word = reason.as_str();
        // What is not known since some moment, or was never known.
        let open = |since: Option<Timestamp>, words: &str| match since {
            Some(since) => say(word, &[("since", &self.time(since)), ("words", words)]),
            None => say(&format!("{word}_ever"), &[("words", words)]),
        };
        match reason {
            Reason::Fetched { at, asked: None }
            | Reason::NothingOffered { at }
            | Reason::Asked { at }
            | Reason::OnlyAttempts { at } => say(word, &[("at", &self.time(*at))]),
            Reason::Fetched {
                at,
                asked: Some(asked),
            } => say(
                "fetched_asked",
                &[("at", &self.time(*at)), ("asked", &self.time(*asked))],
            ),
            Reason::OfferOpen {
                since,
                limit: Some(limit),
            } => say(
                word,
                &[
                    ("since", &self.time(*since)),
                    ("limit", &self.length(*limit)),
                ],
            ),
            Reason::OfferOpen { since, limit: None } => {
                say("offer_open_unlimited", &[("since", &self.time(*since))])
            }
            Reason::NoCheck {
                since,
                days: on,
                limit,
            }
            | Reason::NotFetched {
                since,
                days: on,
                limit,
            } => say(
                word,
                &[
                    ("since", &self.time(*since)),
                    ("days", &days(*on)),
                    ("limit", &self.length(*limit)),
                ],
            ),
            Reason::NeverReached { since, days: on } => {
                say(word, &[("since", &self.time(*since)), ("days", &days(*on))])
            }
            Reason::Never { days: on } | Reason::LittleSeen { days: on } => {
                say(word, &[("days", &days(*on))])
            }
            Reason::Hidden { since, words } | Reason::Elsewhere { since, words } => {
                open(*since, &self.coverage_words(*words))
            }
            Reason::SensorBlind { since } | Reason::NoCoverage { since } => open(*since, ""),
        }
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
