//! Minutes of clients to hours of the clock.
//!
//! An hour is told [`PATIENCE`] after its end: by then every worker has told its last minute. [`A_TICK`] clients are told at a time, or the
//! outputs of a large network would have to take a hundred thousand lines at once. A client stays for an hour after the last
//! one in which it was active, so that whoever was there before the sensor stood still is known after it.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use foldhash::quality::FixedState;
use serde::{Deserialize, Serialize};

use super::super::hosts::HostKey;
use super::sums::{Minute, Sums};
use super::verdict::{Limits, Unseen, judge};
use super::{HOUR, HourOfClient, MINUTE};
use crate::counters;
use crate::types::{Tick, Timestamp};

/// An hour is told so long after its end.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most clients that are told at one tick boundary.
const A_TICK: usize = 1_000;
/// Memory of a client, its part of the table's free places included.
pub const CLIENT_BYTES: u64 = 192;

counters! {
    /// What was told of what could be seen, and what was refused.
    pub struct CoverageCounters {
        /// Minutes of clients.
        minutes: "coverage.minutes",
        /// Records.
        records: "coverage.records",
        /// Minutes of clients for whom there was no room.
        refused: "coverage.refused",
        /// Minutes that came when their hour had been told.
        late: "coverage.late",
    }
}

/// A client within the open hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Client {
    /// A bit for each minute of the hour in which it was active.
    pub minutes: u64,
    pub sums: Sums,
}

/// The open hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub start: Timestamp,
    /// The sensor looked from here.
    pub from: Timestamp,
    pub unseen: Unseen,
    /// Whoever was active in the hour before is told, even if it is not seen in this one.
    pub tells_all: bool,
}

/// An hour that is over, and whom it was not told of yet.
#[derive(Debug)]
struct Telling {
    open: Open,
    end: Timestamp,
    /// The boundary at which it goes on.
    next: Timestamp,
    /// Clients that may still be told there.
    left: usize,
    clients: VecDeque<(IpAddr, Client)>,
}

/// What could be seen of every client.
#[derive(Debug)]
pub struct Coverage {
    pub(super) limits: Limits,
    pub(super) max_clients: usize,
    pub(super) open: Option<Open>,
    pub(super) clients: HashMap<IpAddr, Client, FixedState>,
    /// The sensor stood still from here to here, and that was not told yet.
    pub(super) gap: Option<(Timestamp, Timestamp)>,
    /// Since when the sensor looks.
    pub(super) since: Timestamp,
    /// Hours before this are over.
    told: Timestamp,
    telling: VecDeque<Telling>,
    /// Frames without room, and frames, from before the open hour was opened.
    early: (u64, u64),
    /// Queries without an answer in the minute of this begin, of clients that no worker saw active in it so far.
    asking: (Timestamp, HashMap<IpAddr, u32, FixedState>),
    pub(super) counters: CoverageCounters,
}

/// Receives records, with the boundary at which each was decided; `None`: by what was just taken in.
pub type HourSink<'s> = dyn FnMut(Option<Timestamp>, HourOfClient) + 's;

impl Coverage {
    /// Nobody seen so far; at most `max_clients` at once.
    pub fn new(limits: Limits, max_clients: usize) -> Self {
        Self {
            limits,
            max_clients,
            open: None,
            clients: HashMap::with_hasher(FixedState::default()),
            gap: None,
            since: Timestamp::EPOCH,
            told: Timestamp::from_nanos(i64::MIN),
            telling: VecDeque::new(),
            early: (0, 0),
            asking: (Timestamp::EPOCH, HashMap::default()),
            counters: CoverageCounters::default(),
        }
    }

    /// From now on these limits count.
    pub const fn renew(&mut self, limits: Limits, max_clients: usize) {
        self.limits = limits;
        self.max_clients = max_clients;
    }

    /// Takes in a minute of the clients that are `hosts`; minutes come in the order of their times.
    pub fn minute(
        &mut self,
        minute: &Minute,
        is_host: impl Fn(IpAddr) -> bool,
        out: &mut HourSink<'_>,
    ) {
        let hour = minute.start.floor(HOUR);
        let bit = 1 << (minute.start.since(hour).as_secs() / MINUTE.as_secs()).min(59);
        self.note_asking(minute, hour, bit);
        if minute.clients.is_empty() {
            return;
        }
        if self.since == Timestamp::EPOCH {
            self.since = minute.since;
        }
        while self.open.is_some_and(|open| open.start < hour) {
            self.close(minute.time);
            self.tell_rest(None, minute.time, out);
        }
        let hosts = minute.clients.iter().filter(|(client, _)| is_host(*client));
        if hour < self.told {
            self.counters.late += hosts.count() as u64;
            return;
        }
        let open = self.open.get_or_insert_with(|| Open::at(hour, self.since));
        let (dropped, frames) = std::mem::take(&mut self.early);
        open.unseen.dropped += dropped;
        open.unseen.frames += frames;
        hosts.for_each(|(client, sums)| self.add(*client, sums, bit));
    }

    /// Queries count for a client that is active in the minute, whichever worker tells first.
    fn note_asking(&mut self, minute: &Minute, hour: Timestamp, bit: u64) {
        let (start, waiting) = &mut self.asking;
        if *start != minute.start {
            *start = minute.start;
            waiting.clear();
        }
        let is_open = self.open.is_some_and(|open| open.start == hour);
        for (address, queries) in &minute.asking {
            let client = self.clients.get_mut(address);
            let active = client.filter(|client| is_open && client.minutes & bit != 0);
            let sum = active.map_or_else(
                || waiting.entry(*address).or_default(),
                |client| &mut client.sums.queries,
            );
            *sum = sum.saturating_add(*queries);
        }
    }

    fn add(&mut self, address: IpAddr, sums: &Sums, bit: u64) {
        let is_full = self.clients.len() >= self.max_clients;
        if is_full && !self.clients.contains_key(&address) {
            self.counters.refused += 1;
            return;
        }
        let client = self.clients.entry(address).or_default();
        // Several workers may tell of one client.
        self.counters.minutes += u64::from(client.minutes & bit == 0);
        client.minutes |= bit;
        client.sums.add(sums);
        let asked = self.asking.1.remove(&address).unwrap_or_default();
        client.sums.queries = client.sums.queries.saturating_add(asked);
    }

    /// The rings had no room for `dropped` of `frames` frames since the last call.
    pub const fn dropped(&mut self, dropped: u64, frames: u64) {
        let (sum, all) = match &mut self.open {
            Some(open) => (&mut open.unseen.dropped, &mut open.unseen.frames),
            None => (&mut self.early.0, &mut self.early.1),
        };
        *sum = sum.saturating_add(dropped);
        *all = all.saturating_add(frames);
    }

    /// For so long, up to now, an interface brought nothing: nobody looked at what goes over it.
    pub fn blinded(&mut self, time: Duration) {
        self.open = self.open.map(|open| open.away(time, &self.limits));
    }

    /// Tells what is over by `now`.
    pub fn advance(&mut self, now: Timestamp, out: &mut HourSink<'_>) {
        self.close_gap();
        self.tell(now, out);
        while let Some(open) = self.open {
            let due = Tick::boundary_at_or_after(open.start.plus(HOUR).plus(PATIENCE)).start();
            if due > now {
                break;
            }
            self.close(due);
            self.tell(now, out);
        }
    }

    /// The end of input: tells what is open.
    pub fn finish(&mut self, now: Timestamp, out: &mut HourSink<'_>) {
        self.close_gap();
        if let Some(open) = self.open {
            let end = open.start.plus(HOUR).min(now).max(open.from);
            self.close_at(end, now);
        }
        self.tell_rest(Some(now), now, out);
    }

    /// Tells the rest of hours that are over, at once.
    pub fn tell_rest(
        &mut self,
        boundary: Option<Timestamp>,
        now: Timestamp,
        out: &mut HourSink<'_>,
    ) {
        for telling in std::mem::take(&mut self.telling) {
            for client in &telling.clients {
                self.counters.records += 1;
                out(boundary, self.limits.hour(&telling, now, client));
            }
        }
    }

    /// Tells what is due by `now`.
    fn tell(&mut self, now: Timestamp, out: &mut HourSink<'_>) {
        while let Some(telling) = self.telling.front_mut() {
            if telling.left == 0 {
                telling.next = telling.next.tick().end();
                telling.left = A_TICK;
            }
            if telling.next > now {
                return;
            }
            let Some(client) = telling.clients.pop_front() else {
                self.telling.pop_front();
                continue;
            };
            telling.left -= 1;
            self.counters.records += 1;
            let boundary = telling.next;
            out(Some(boundary), self.limits.hour(telling, boundary, &client));
        }
    }

    /// What was counted so far.
    pub const fn counters(&self) -> &CoverageCounters {
        &self.counters
    }

    /// Clients at present.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// The hours of a gap: the one in which it began, those that it took as a whole, and the one in which it ended goes on.
    fn close_gap(&mut self) {
        let Some((began, ended)) = self.gap.take() else {
            return;
        };
        let first = began.floor(HOUR);
        let last = ended.floor(HOUR);
        let mut open = self.open.unwrap_or_else(|| Open::at(first, first));
        while open.start < last {
            let end = open.start.plus(HOUR);
            self.open = Some(open.away(end.since(began.max(open.start)), &self.limits));
            let seen_to = if open.start == first {
                began.max(open.from)
            } else {
                end
            };
            self.close_at(seen_to, ended);
            let is_back = began <= end && end == last;
            open = Open::at(end, if is_back { ended } else { end });
        }
        self.open = Some(open.away(ended.since(began.max(last)), &self.limits));
    }

    /// The open hour is over, and told from `boundary` on.
    fn close(&mut self, boundary: Timestamp) {
        if let Some(open) = self.open {
            self.close_at(open.start.plus(HOUR), boundary);
        }
    }

    /// It is over; the sensor looked until `end`. Who was not there goes, but for one who was there before the sensor stood still.
    fn close_at(&mut self, end: Timestamp, boundary: Timestamp) {
        let Some(open) = self.open.take() else {
            return;
        };
        let mut clients = Vec::new();
        self.clients.retain(|address, client| {
            let is_told = open.tells_all || client.minutes != 0;
            if is_told {
                clients.push((*address, std::mem::take(client)));
            }
            is_told
        });
        clients.sort_unstable_by_key(|(address, _)| *address);
        if !clients.is_empty() {
            self.telling.push_back(Telling {
                open,
                end,
                next: Tick::boundary_at_or_after(boundary).start(),
                left: A_TICK,
                clients: clients.into(),
            });
        }
        let next = open.start.plus(HOUR);
        self.told = next;
        self.open = (!self.clients.is_empty()).then(|| Open::at(next, self.since));
    }
}

impl Open {
    /// The hour at `start`, in a run that looks since `since`.
    pub(super) fn at(start: Timestamp, since: Timestamp) -> Self {
        Self {
            start,
            from: start.max(since),
            unseen: Unseen::default(),
            tells_all: false,
        }
    }

    /// Nobody looked for `time` of it. Where that is long, whoever was there before may have been there.
    fn away(mut self, time: Duration, limits: &Limits) -> Self {
        self.unseen.away += time;
        self.tells_all |= self.unseen.away > limits.away;
        self
    }
}

impl Limits {
    fn hour(
        &self,
        telling: &Telling,
        reported: Timestamp,
        (address, client): &(IpAddr, Client),
    ) -> HourOfClient {
        let judged = judge(&client.sums, &telling.open.unseen, self);
        HourOfClient {
            client: *address,
            host: HostKey::Address(*address),
            os: None,
            start: telling.open.from,
            end: telling.end,
            reported,
            active_minutes: client.minutes.count_ones(),
            sums: client.sums.clone(),
            blind: judged.blind,
            loss: judged.loss,
            onesided: judged.onesided,
            verdict: judged.verdict,
        }
    }
}

#[cfg(test)]
mod tests;
