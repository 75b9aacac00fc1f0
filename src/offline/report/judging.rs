//! What to think of a host and a product: one of five states, never merged, and why.
//!
//! *Overdue* needs proof: days that count in full (see [`super::hours`]), on which a check or a download would have been seen. Where
//! there is only suspicion, the state is *cannot tell*, and the reason says what is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::Date;

use super::hours::{Calendar, Concealed, HostHour, Hour, Stretch, Words, date_of};
use super::kept::{Failure, Offered, What};
use super::rules::{Habits, Rules};
use crate::types::Timestamp;

/// What is thought of a host and a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Something was fetched, and nothing newer is known to wait.
    Downloaded,
    /// Servers were asked, nothing was fetched.
    Checked,
    /// No contact was seen.
    NotSeen,
    /// What was seen does not suffice.
    CannotTell,
    /// It did not do what it should have, and that is proven.
    Overdue,
}

impl State {
    /// Every state, what needs attention first.
    pub const ALL: [Self; 5] = [
        Self::Overdue,
        Self::CannotTell,
        Self::NotSeen,
        Self::Checked,
        Self::Downloaded,
    ];

    /// The word in JSON and CSV.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Downloaded => "downloaded",
            Self::Checked => "checked",
            Self::NotSeen => "not_seen",
            Self::CannotTell => "cannot_tell",
            Self::Overdue => "overdue",
        }
    }
}

/// How long something has been missing that should have been there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    /// Since when.
    pub since: Timestamp,
    /// The end of the report.
    pub until: Timestamp,
    /// Days after that of `since` on which the host did something.
    pub days: u32,
    /// Those of them that prove it: they count in full, and behind them no day made the count begin anew.
    pub proven: u32,
    /// The time of the days that count, with the rest of that of `since` where it does.
    pub counted: Duration,
    /// More time than this, on days that count, is too long.
    pub limit: Duration,
    /// When it was.
    pub passed: Timestamp,
}

impl Late {
    /// All the time that went by, whether the host was on the network or not.
    pub fn elapsed(&self) -> Duration {
        self.until.since(self.since)
    }
}

/// Why.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// Fetched; asked again since, at that time.
    Fetched {
        /// When, last.
        at: Timestamp,
        /// The last check after that.
        asked: Option<Timestamp>,
        /// Whether its answer was that there is nothing newer; else nothing tells.
        is_newest: bool,
    },
    /// Every answer was that there is nothing.
    NothingOffered {
        /// The last check.
        at: Timestamp,
    },
    /// Asked, and nothing tells whether there was an update.
    Asked {
        /// The last check.
        at: Timestamp,
    },
    /// An update waits, and its time is not over.
    OfferOpen {
        /// When it was first seen.
        since: Timestamp,
        /// How long it may wait.
        limit: Option<Duration>,
    },
    /// No check for too long, since the last one.
    NoCheck(Late),
    /// An update was not fetched for too long, since it was first seen.
    NotFetched(Late),
    /// Asked for servers for too long without reaching one, since the first attempt.
    NeverReached(Late),
    /// Asked for servers, reached none.
    OnlyAttempts {
        /// The last attempt.
        at: Timestamp,
    },
    /// Nothing of it, on so many days that count in full.
    Never {
        /// Those days.
        days: u32,
    },
    /// Something on the network hid what the host did.
    Hidden {
        /// Since when nothing is known; `None`: ever.
        since: Option<Timestamp>,
        /// How much of what it did since then.
        concealed: Concealed,
        /// What.
        words: Words,
    },
    /// The sensor was blind.
    SensorBlind {
        /// Since when nothing is known; `None`: ever.
        since: Option<Timestamp>,
    },
    /// No record says what could be seen.
    NoCoverage {
        /// Since when nothing is known; `None`: ever.
        since: Option<Timestamp>,
    },
    /// A server of the site may have given it.
    Elsewhere {
        /// Since when nothing is known; `None`: ever.
        since: Option<Timestamp>,
        /// Which.
        words: Words,
    },
    /// On the network for too short a time.
    LittleSeen {
        /// Days that count in full.
        days: u32,
    },
}

impl Reason {
    /// The word in JSON and CSV, and of its sentence.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Fetched { .. } => "fetched",
            Self::NothingOffered { .. } => "nothing_offered",
            Self::Asked { .. } => "asked",
            Self::OfferOpen { .. } => "offer_open",
            Self::NoCheck(_) => "no_check",
            Self::NotFetched(_) => "not_fetched",
            Self::NeverReached(_) => "never_reached",
            Self::OnlyAttempts { .. } => "only_attempts",
            Self::Never { .. } => "never",
            Self::Hidden { .. } => "hidden",
            Self::SensorBlind { .. } => "sensor_blind",
            Self::NoCoverage { .. } => "no_coverage",
            Self::Elsewhere { .. } => "elsewhere",
            Self::LittleSeen { .. } => "little_seen",
        }
    }

    /// What an overdue product lacks, and for how long.
    pub const fn late(&self) -> Option<&Late> {
        match self {
            Self::NoCheck(late) | Self::NotFetched(late) | Self::NeverReached(late) => Some(late),
            _ => None,
        }
    }
}

/// One thing that a host did for a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it began.
    pub at: Timestamp,
    /// What it came to.
    pub what: What,
    /// What was fetched, where that is known.
    pub payload: Option<String>,
    /// What the verdict rests on.
    pub evidence: Vec<String>,
    /// Whether a server of the site gave it.
    pub is_internal: bool,
    /// How an attempt failed, where that is known.
    pub failure: Option<Failure>,
}

/// Whether there was an update, at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// When.
    pub at: Timestamp,
    /// Whether.
    pub offered: Offered,
    /// Whether it was fetched then.
    pub is_fetched: bool,
    /// What tells whether there was one.
    pub evidence: Vec<String>,
}

/// What a host did for a product, in the order of time.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    /// `vendor/product`.
    pub product: String,
    /// What is known of it.
    pub habits: Habits,
    /// Contacts.
    pub events: Vec<Event>,
    /// What sessions say of updates that wait.
    pub offers: Vec<Offer>,
}

impl Offer {
    /// Whether an update was there and was not fetched then.
    pub fn is_waiting(&self) -> bool {
        self.offered == Offered::Yes && !self.is_fetched
    }

    /// Whether the server only said that its last answer still holds: what waited then waits on.
    fn is_unchanged(&self) -> bool {
        let mut evidence = self.evidence.iter();
        self.offered == Offered::No && evidence.any(|word| word == "not_modified")
    }

    /// Whether there was no update, whatever there was before.
    fn is_denied(&self) -> bool {
        self.offered == Offered::No && !self.is_unchanged()
    }
}

impl Lane {
    /// The last contact that came to `what` or more.
    pub fn last(&self, what: What) -> Option<&Event> {
        self.events.iter().rev().find(|event| event.what >= what)
    }

    /// The first and the last offer after which nothing was fetched, and no session said that there was no update.
    pub fn open_offers(&self) -> Option<(&Offer, &Offer)> {
        let fetched = self.last(What::Download).map(|event| event.at);
        let denied = self.offers.iter().rev().find(|offer| offer.is_denied());
        let closed = fetched.max(denied.map(|offer| offer.at));
        let is_open = |offer: &&Offer| offer.is_waiting() && closed.is_none_or(|at| at < offer.at);
        let mut open = self.offers.iter().filter(is_open);
        let first = open.next()?;
        Some((first, open.next_back().unwrap_or(first)))
    }

    /// Whether the last session said that there was no update. That nothing changed is worth as much as the answer before it, where one is known.
    fn is_nothing_new(&self) -> bool {
        let Some(last) = self.offers.last() else {
            return false;
        };
        let answers = self.offers.iter().rev();
        let before = answers.clone().find(|offer| !offer.is_unchanged());
        let is_settled = |offer: &Offer| offer.is_denied() || offer.is_fetched;
        last.offered == Offered::No && before.is_none_or(is_settled)
    }
}

/// What a lane is judged by.
pub struct Judge<'a> {
    /// When a host is late.
    pub rules: &'a Rules,
    /// The days of the report.
    pub calendar: &'a Calendar<'a>,
    /// What is known of the host's hours.
    pub hours: &'a BTreeMap<Hour, HostHour>,
    /// Before the first moment of the records.
    pub beginning: Timestamp,
    /// Whether any record says what could be seen.
    pub has_coverage: bool,
}

impl Judge<'_> {
    /// The state, and why.
    pub fn judge(&self, lane: &Lane) -> (State, Reason) {
        let Some(contact) = lane.last(What::Check) else {
            return self.without_contact(lane);
        };
        if let Some(found) = self.offers(lane) {
            return found;
        }
        if let Some(found) = self.silence(lane, contact.at) {
            return found;
        }
        if let Some((first, _)) = lane.open_offers() {
            let (since, limit) = (first.at, lane.habits.overdue_after);
            return (State::Checked, Reason::OfferOpen { since, limit });
        }
        let is_nothing = lane.is_nothing_new();
        if let Some(fetched) = lane.last(What::Download) {
            let reason = Reason::Fetched {
                at: fetched.at,
                asked: (contact.at > fetched.at).then_some(contact.at),
                is_newest: is_nothing,
            };
            return (State::Downloaded, reason);
        }
        let at = contact.at;
        let reason = if is_nothing {
            Reason::NothingOffered { at }
        } else {
            Reason::Asked { at }
        };
        (State::Checked, reason)
    }

    /// An update waits for too long, or may do so.
    fn offers(&self, lane: &Lane) -> Option<(State, Reason)> {
        let (first, last) = lane.open_offers()?;
        let due = (first.at, lane.habits.overdue_after?);
        let stretch = self.calendar.stretch(self.hours, first.at, last.at);
        let others = Words::own_sources().with(Words::of(["peer_cache"]));
        self.weigh(&stretch, due, Reason::NotFetched, others, lane)
    }

    /// No check for too long, or perhaps.
    fn silence(&self, lane: &Lane, since: Timestamp) -> Option<(State, Reason)> {
        let limit = self.limit(lane)?;
        let stretch = self.calendar.stretch(self.hours, since, since);
        let own = Words::own_sources();
        let found = self.weigh(&stretch, (since, limit), Reason::NoCheck, own, lane);
        // Without coverage a host that is away looks like one that is silent.
        let is_unknown = !self.has_coverage && self.calendar.until.since(since) > limit;
        found.or_else(|| {
            let reason = Reason::NoCoverage { since: Some(since) };
            is_unknown.then_some((State::CannotTell, reason))
        })
    }

    /// Days on which a connection to a server failed. A name that was only looked up is no attempt: any page may ask for it.
    fn failed_days(&self, lane: &Lane) -> usize {
        let is_failed = |event: &&Event| {
            let failure = event.failure.as_ref();
            failure.is_some_and(|failure| *failure != Failure::Resolved)
        };
        let failed = lane.events.iter().filter(is_failed);
        let days: BTreeSet<Date> = failed
            .map(|event| date_of(self.calendar.zone, event.at))
            .collect();
        days.len()
    }

    fn without_contact(&self, lane: &Lane) -> (State, Reason) {
        if let Some(first) = lane.events.first() {
            let (since, last) = (first.at, lane.events.last().unwrap_or(first).at);
            let stretch = self.calendar.stretch(self.hours, since, since);
            let is_tried = self.failed_days(lane) >= self.rules.active_days as usize;
            let found = self.limit(lane).filter(|_| is_tried).and_then(|limit| {
                let own = Words::own_sources();
                self.weigh(&stretch, (since, limit), Reason::NeverReached, own, lane)
            });
            return found.unwrap_or((State::NotSeen, Reason::OnlyAttempts { at: last }));
        }
        let stretch = self
            .calendar
            .stretch(self.hours, self.beginning, self.beginning);
        let sources = stretch.words.common(Words::own_sources());
        if !sources.is_empty() && lane.habits.is_of_system {
            let reason = Reason::Elsewhere {
                since: None,
                words: sources,
            };
            return (State::CannotTell, reason);
        }
        let days = stretch.all_full_days;
        if days >= self.rules.active_days && days * 2 >= stretch.days {
            return (State::NotSeen, Reason::Never { days });
        }
        if stretch.days > days {
            return (State::CannotTell, self.unknown(&stretch, None));
        }
        (State::CannotTell, Reason::LittleSeen { days })
    }

    /// Late, where the days that count in full prove it; unknown, where all days together would.
    fn weigh(
        &self,
        stretch: &Stretch,
        (since, limit): (Timestamp, Duration),
        reason: fn(Late) -> Reason,
        sources: Words,
        lane: &Lane,
    ) -> Option<(State, Reason)> {
        let least = self.rules.active_days;
        if stretch.days < least || stretch.time <= limit {
            return None;
        }
        let words = stretch.words.common(sources);
        if !words.is_empty() && lane.habits.is_of_system {
            let since = Some(since);
            return Some((State::CannotTell, Reason::Elsewhere { since, words }));
        }
        let Some(passed) = stretch.passed(least, limit) else {
            return Some((State::CannotTell, self.unknown(stretch, Some(since))));
        };
        let late = Late {
            since,
            until: self.calendar.until,
            days: stretch.days,
            proven: stretch.full_days(),
            counted: stretch.full_time(),
            limit,
            passed,
        };
        Some((State::Overdue, reason(late)))
    }

    /// What is missing.
    fn unknown(&self, stretch: &Stretch, since: Option<Timestamp>) -> Reason {
        if !self.has_coverage || (stretch.is_unsaid && stretch.hidden.is_empty()) {
            return Reason::NoCoverage { since };
        }
        if stretch.is_sensor_blind && stretch.hidden.is_empty() {
            return Reason::SensorBlind { since };
        }
        let from = since.unwrap_or(self.beginning);
        Reason::Hidden {
            since,
            concealed: self.calendar.concealed(self.hours, from),
            words: stretch.hidden,
        }
    }

    fn limit(&self, lane: &Lane) -> Option<Duration> {
        let interval = lane.habits.check_interval?;
        Some(interval.saturating_mul(self.rules.intervals))
    }
}
