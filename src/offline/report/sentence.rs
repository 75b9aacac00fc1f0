//! Reasons, times and spans in the words of a language.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::hours::{Concealed, MOST_BRIEF};
use super::judging::{Late, Offer, Reason};
use super::kept::{Failure, What};
use super::timeline::away_since;
use super::words::Words;
use super::{Host, Judged, Report, hours};
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
    /// `2026-11-05`.
    pub fn date(&self, time: Timestamp) -> String {
        moment(self.zone, time, "%Y-%m-%d")
    }

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

    /// `2.8 days`, to be held against another number of days; whole ones without a fraction, less than one in hours.
    fn in_days(&self, time: Duration) -> String {
        if time.as_secs() < DAY_S {
            return self.length(time);
        }
        let tenths = (time.as_secs() * 10 + DAY_S / 2) / DAY_S;
        let (whole, rest) = (tenths / 10, tenths % 10);
        if rest == 0 {
            return self.words.count("days", whole);
        }
        let number = format!("{whole}.{rest}");
        self.words.fill("days.many", &[("n", &number)])
    }

    /// What was held against the limit: `4 days count, limit 2.8 days`.
    pub fn tested(&self, late: &Late) -> String {
        // As the sentence counts, unless the first day's rest is what makes it more than the limit.
        let days = u64::from(late.proven);
        let counted = if days * DAY_S > late.limit.as_secs() {
            self.words.count("days", days)
        } else {
            self.in_days(late.counted)
        };
        let values = [("counted", &*counted), ("limit", &self.in_days(late.limit))];
        self.words.fill("tested", &values)
    }

    /// Why, as a sentence.
    pub fn sentence(&self, judged: &Judged) -> String {
        let word = judged.reason.as_str();
        match &judged.reason {
            Reason::NoCheck(late) | Reason::NotFetched(late) | Reason::NeverReached(late) => {
                self.late(word, late, judged)
            }
            Reason::Hidden {
                since,
                concealed,
                words,
            } => self.hidden(*since, concealed, *words),
            Reason::Elsewhere {
                since: Some(since),
                words,
            } if words.common(hours::Words::own_sources()).is_empty() => {
                self.say("elsewhere_neighbours", &[("since", &self.time(*since))])
            }
            Reason::Elsewhere { since, words } => {
                self.unknown(word, *since, &self.coverage_words(*words))
            }
            Reason::SensorBlind { since } | Reason::NoCoverage { since } => {
                self.unknown(word, *since, "")
            }
            Reason::Fetched {
                at,
                asked: Some(asked),
                is_newest,
            } => {
                let values = [("at", &*self.time(*at)), ("asked", &self.time(*asked))];
                let word = ["fetched_asked", "fetched_newest"][usize::from(*is_newest)];
                self.say(word, &values)
            }
            Reason::Fetched {
                at, asked: None, ..
            }
            | Reason::NothingOffered { at }
            | Reason::Asked { at } => self.say(word, &[("at", &self.time(*at))]),
            Reason::OnlyAttempts { at } => {
                let values = [
                    ("at", &*self.time(*at)),
                    ("attempts", &self.attempts(judged)),
                ];
                self.say(word, &values)
            }
            Reason::OfferOpen { since, limit } => self.waiting(word, *since, *limit, judged),
            Reason::Never { days } | Reason::LittleSeen { days } => {
                let days = self.words.count("days", (*days).into());
                self.say(word, &[("days", &days)])
            }
        }
    }

    fn say(&self, reason: &str, values: &[(&str, &str)]) -> String {
        self.words.fill(&format!("reason.{reason}"), values)
    }

    /// What was missed, for how long, how much of that counts, and why that is too much.
    fn late(&self, word: &str, late: &Late, judged: &Judged) -> String {
        let values = [
            ("since", &*self.time(late.since)),
            ("elapsed", &self.elapsed(late.elapsed())),
            ("attempts", &self.attempts(judged)),
            ("known", self.first_known_from(judged)),
        ];
        let count = [
            ("days", &*self.words.count("days", late.days.into())),
            ("proven", &late.proven.to_string()),
            ("limit", &self.limit(late, judged)),
        ];
        let counted = self.words.fill("counted", &count);
        self.say(word, &[&values[..], &[("counted", &counted)]].concat())
    }

    /// `66 hours: 3 times the usual 22 hours between checks`.
    fn limit(&self, late: &Late, judged: &Judged) -> String {
        let limit = self.length(late.limit);
        let interval = judged.lane.habits.check_interval;
        let interval = interval.filter(|_| !matches!(judged.reason, Reason::NotFetched(_)));
        let Some(interval) = interval.filter(|interval| !interval.is_zero()) else {
            return self.words.fill("limit.offer", &[("limit", &limit)]);
        };
        let times = late.limit.as_secs() / interval.as_secs().max(1);
        let values = [
            ("limit", &*limit),
            ("times", &times.to_string()),
            ("interval", &self.length(interval)),
        ];
        self.words.fill("limit.checks", &values)
    }

    /// What tells that an update waits.
    pub fn known_from(&self, offer: &Offer) -> &str {
        let known = |word: &String| self.words.find(&format!("offer.{word}"));
        let known = offer.evidence.iter().find_map(known);
        known.unwrap_or(self.words.say("offer"))
    }

    /// The same of the first that is open.
    fn first_known_from(&self, judged: &Judged) -> &str {
        let open = judged.lane.open_offers();
        open.map_or("", |(first, _)| self.known_from(first))
    }

    /// `36 attempts: refused`.
    pub fn attempts(&self, judged: &Judged) -> String {
        let events = &judged.lane.events;
        let failed = events.iter().filter(|event| event.what == What::Attempt);
        let (mut number, mut ways) = (0, BTreeSet::new());
        for event in failed {
            number += 1;
            ways.extend(event.failure);
        }
        let way = |failure: &Failure| {
            self.words.say(match failure {
                Failure::Resolved => "attempt.resolved",
                Failure::Unanswered => "attempt.unanswered",
                Failure::Refused => "attempt.refused",
            })
        };
        let ways: Vec<&str> = ways.iter().map(way).collect();
        let count = self.words.count("attempts", number);
        if ways.is_empty() {
            return count;
        }
        let values = [
            ("count", &*count),
            ("ways", &ways.join(self.words.say("comma"))),
        ];
        self.words.fill("attempts.ways", &values)
    }

    /// Since when how much was hidden, and by what.
    fn hidden(
        &self,
        since: Option<Timestamp>,
        concealed: &Concealed,
        words: hours::Words,
    ) -> String {
        let counted = [
            ("hours", &*(concealed.whole + concealed.partly).to_string()),
            ("all", &self.words.count("hours", concealed.hours.into())),
        ];
        let how_much = if concealed.whole == concealed.hours {
            self.words.say("hidden.whole").to_owned()
        } else if concealed.partly == concealed.hours {
            self.words.say("hidden.partly").to_owned()
        } else if concealed.whole == 0 {
            self.words.fill("hidden.partly_at_times", &counted)
        } else {
            self.words.fill("hidden.at_times", &counted)
        };
        let from = concealed
            .from
            .filter(|_| !concealed.is_ever || since.is_some());
        let values = [
            ("from", &*self.time_or_dash(from)),
            ("how_much", &how_much),
            ("words", &self.coverage_words(words)),
            ("since", &self.time_or_dash(since)),
        ];
        self.say(
            match (from, since) {
                (Some(_), Some(_)) => "hidden",
                (Some(_), None) => "hidden_never_seen",
                (None, _) => "hidden_ever",
            },
            &values,
        )
    }

    /// What is too old to be reported, and how it can be.
    pub fn left_out(&self, report: &Report) -> Option<String> {
        let left_out = report.left_out.as_ref()?;
        let values = [
            ("days", &*self.length(hours::LONGEST_RANGE)),
            ("records", &*self.words.count("records", left_out.records)),
            ("hosts", &*self.words.count("hosts", left_out.hosts)),
            ("last", &*self.date(left_out.last)),
        ];
        Some(self.words.fill("left_out", &values))
    }

    /// Which days count.
    pub fn counting(&self, report: &Report) -> String {
        let values = [
            ("brief", &*self.words.count("hours", MOST_BRIEF.into())),
            (
                "least",
                &self.words.count("days", report.active_days.into()),
            ),
        ];
        self.words.fill("counting", &values)
    }

    /// What is not known since some moment, or was never known.
    fn unknown(&self, word: &str, since: Option<Timestamp>, words: &str) -> String {
        match since {
            Some(since) => self.say(word, &[("since", &self.time(since)), ("words", words)]),
            None => self.say(&format!("{word}_ever"), &[("words", words)]),
        }
    }

    /// An offer that may still wait, for as long as it may.
    fn waiting(
        &self,
        word: &str,
        since: Timestamp,
        limit: Option<Duration>,
        judged: &Judged,
    ) -> String {
        let since = self.time(since);
        let values = [("since", &*since), ("known", self.first_known_from(judged))];
        match limit.map(|limit| self.length(limit)) {
            Some(limit) => self.say(word, &[values[0], values[1], ("limit", &limit)]),
            None => self.say(&format!("{word}_unlimited"), &values),
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
