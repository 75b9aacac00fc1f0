//! What is known of an address: whose it is, and whose it was.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::evidence::{Mac, Source};
use crate::types::Timestamp;

/// Earlier bindings of an address that are remembered: flows that began under one go on for a while.
const MAX_EARLIER: usize = 4;
/// Two machines that take an address from each other so quickly quarrel over it.
const QUARREL: Duration = Duration::from_secs(60);
/// So often.
const RETURNS: u8 = 2;
/// Nobody has it until it has been quiet for so long.
const QUIET: Duration = Duration::from_secs(600);
/// Flows from another machine, and none of the owner's, when the owner is gone.
const CONTRADICTIONS: u8 = 3;

/// An address.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Address {
    /// Whose it is.
    pub current: Option<Binding>,
    /// Whose it was, newest first.
    pub earlier: VecDeque<Past>,
    /// Who tries to take it, and how that is called.
    pub tentative: Option<(Mac, Source)>,
    /// Whose frames it came in before anybody said that he has it.
    pub sighted: Sighted,
    /// Since when.
    pub sighted_since: Option<Timestamp>,
    /// When it was last told of.
    pub last: Timestamp,
    /// Times at which it went back to who had it before, one soon after the other.
    returns: u8,
    /// Until when nobody has it, because two quarrel.
    disputed: Option<Timestamp>,
}

/// Whose frames an address came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sighted {
    /// None so far.
    #[default]
    Never,
    /// One machine's.
    Of(Mac),
    /// Those of several.
    OfSeveral,
}

/// Whose an address is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The MAC address.
    pub mac: Mac,
    /// What told it.
    pub source: Source,
    /// From when on.
    pub since: Timestamp,
    /// From when on what it says of its host counts.
    pub start: Timestamp,
    /// When it was last confirmed.
    pub last: Timestamp,
    /// When it ends, if nothing more comes.
    pub due: Timestamp,
    /// When its timer comes up.
    pub armed: Timestamp,
    /// A lease says so.
    pub is_leased: bool,
    /// The MAC address is one host's: what the address does is the host's doing.
    pub is_host: bool,
    /// It was told in a record.
    pub is_told: bool,
    /// Who sends from it without having it, how often, and since when.
    contradicted: Option<(Mac, u8, Timestamp)>,
}

/// Whose an address was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// The MAC address.
    pub mac: Mac,
    /// From when on.
    pub start: Timestamp,
    /// Until when, exclusive.
    pub end: Timestamp,
    /// See [`Binding::is_host`].
    pub is_host: bool,
}

impl Address {
    /// The MAC address of the host that had it at `time`; `None`: nobody is known to.
    pub fn host_at(&self, time: Timestamp) -> Option<Mac> {
        if let Some(current) = self.current.as_ref().filter(|now| now.start <= time) {
            return Some(current.mac).filter(|_| current.is_host);
        }
        let mut earlier = self.earlier.iter();
        let past = earlier.find(|past| past.start <= time && time < past.end)?;
        Some(past.mac).filter(|_| past.is_host)
    }

    /// The MAC address of the one host that had it between two moments; `None`: nobody is known to, or several had.
    pub fn host_within(&self, from: Timestamp, to: Timestamp) -> Option<Mac> {
        let current = self.current.iter().filter(|now| now.start <= to);
        let current = current.map(|now| (now.mac, now.is_host));
        let earlier = self.earlier.iter();
        let earlier = earlier.filter(|past| past.start <= to && from < past.end);
        let mut all = current.chain(earlier.map(|past| (past.mac, past.is_host)));
        let (mac, is_host) = all.next()?;
        (is_host && all.all(|other| other == (mac, true))).then_some(mac)
    }

    /// Whether it is, or lately was, another's than `mac`'s.
    pub fn was_of_other(&self, mac: Mac) -> bool {
        let current = self.current.iter().map(|now| now.mac);
        let last = self.earlier.front().map(|past| past.mac);
        current.chain(last).any(|other| other != mac)
    }

    /// Nobody has it any more, from `end` on.
    pub fn end(&mut self, end: Timestamp) -> Option<Binding> {
        let binding = self.current.take()?;
        self.remember(&binding, end);
        Some(binding)
    }

    /// What `mac` did with it was no host's doing, at no time.
    pub fn was_no_host(&mut self, mac: Mac) {
        let current = self.current.iter_mut().filter(|now| now.mac == mac);
        current.for_each(|now| now.is_host = false);
        let earlier = self.earlier.iter_mut().filter(|past| past.mac == mac);
        earlier.for_each(|past| past.is_host = false);
    }

    /// The MAC address that has it is no host's, from `now` on.
    pub fn is_no_host(&mut self, now: Timestamp) {
        let Some(binding) = self.current.clone().filter(|binding| binding.is_host) else {
            return;
        };
        self.remember(&binding, now);
        self.current = Some(Binding {
            start: now,
            is_host: false,
            ..binding
        });
    }

    /// Whether nothing of it lies behind `moment`.
    pub fn is_past(&self, moment: Timestamp) -> bool {
        let current = self.current.iter();
        let mut current = current.map(|now| now.since.max(now.start).max(now.last));
        current.all(|time| time <= moment) && self.earlier.iter().all(|past| past.end <= moment)
    }

    /// It came in a frame of `mac`.
    pub fn saw(&mut self, mac: Mac, now: Timestamp) {
        self.sighted_since.get_or_insert(now);
        self.sighted = match self.sighted {
            Sighted::Never => Sighted::Of(mac),
            Sighted::Of(known) if known == mac => Sighted::Of(mac),
            Sighted::Of(_) | Sighted::OfSeveral => Sighted::OfSeveral,
        };
    }

    fn remember(&mut self, binding: &Binding, end: Timestamp) {
        self.earlier.push_front(Past {
            mac: binding.mac,
            start: binding.start,
            end: end.max(binding.start),
            is_host: binding.is_host,
        });
        self.earlier.truncate(MAX_EARLIER);
    }

    /// `mac` says that it has it; whether that is not believed, because two quarrel.
    pub fn is_disputed(&mut self, mac: Mac, now: Timestamp) -> bool {
        if let Some(until) = self.disputed {
            if now < until {
                self.disputed = Some(now.plus(QUIET));
                return true;
            }
            self.disputed = None;
            self.returns = 0;
        }
        let is_change = self.current.as_ref().is_some_and(|now| now.mac != mac);
        if !is_change {
            return false;
        }
        let before = self.earlier.front();
        let is_return = before.is_some_and(|past| past.mac == mac && now.since(past.end) < QUARREL);
        self.returns = if is_return {
            self.returns.saturating_add(1)
        } else {
            0
        };
        if self.returns >= RETURNS {
            self.disputed = Some(now.plus(QUIET));
        }
        self.disputed.is_some()
    }
}

impl Binding {
    /// `mac` has an address from `now` on.
    pub const fn new(mac: Mac, source: Source, now: Timestamp, due: Timestamp) -> Self {
        Self {
            mac,
            source,
            since: now,
            start: now,
            last: now,
            due,
            armed: due,
            is_leased: false,
            is_host: true,
            is_told: false,
            contradicted: None,
        }
    }

    /// It was confirmed.
    pub fn confirm(&mut self, now: Timestamp) {
        self.last = self.last.max(now);
        self.contradicted = None;
    }

    /// A flow from another machine; since when the owner must be gone, where that is clear.
    pub fn contradict(&mut self, mac: Mac, now: Timestamp) -> Option<Timestamp> {
        let before = self.contradicted.filter(|(other, ..)| *other == mac);
        let (_, count, since) = before.unwrap_or((mac, 0, now));
        self.contradicted = Some((mac, count.saturating_add(1), since));
        (count.saturating_add(1) >= CONTRADICTIONS).then_some(since)
    }
}
