//! What was seen: names on verification hosts in detail, names on all others by who asked for them. Every table has a ceiling, and a
//! counter for what it refused.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use serde::Serialize;

use super::words::Hint;
use crate::types::Timestamp;

/// Most names of verification hosts.
const MOST_NAMES: usize = 1 << 16;
/// Most names of other hosts.
const MOST_OTHER_NAMES: usize = 1 << 18;
/// Most other hosts.
const MOST_CLIENTS: usize = 1 << 16;
/// Most pairs of another host and a name.
const MOST_PAIRS: usize = 1 << 22;
/// Most minutes of one name on one verification host, and of all.
const MOST_MINUTES: usize = 4_096;
const MOST_MINUTES_OF_ALL: usize = 1 << 20;
/// Most ids of files.
const MOST_FILES: usize = 4_096;
/// Most aliases of one name, most different hints.
const MOST_TARGETS: usize = 16;

const MINUTE_NS: i64 = 60_000_000_000;

/// How a verification host is updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// By itself.
    Auto,
    /// By hand.
    Manual,
}

impl Kind {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Manual => "manual",
        }
    }
}

/// A verification host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pc {
    /// How it is updated.
    pub kind: Kind,
    /// Its addresses, at least one.
    pub addresses: Vec<IpAddr>,
}

/// What the tables refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Names of verification hosts.
    pub names: u64,
    /// Contacts of names that were kept: their minutes.
    pub minutes: u64,
    /// Other hosts, names of those, and pairs of both.
    pub others: u64,
    /// Ids of files, and named files.
    pub files: u64,
}

/// What one name was on one verification host.
#[derive(Clone, Debug, Default)]
pub struct Sighting {
    /// Flows to it.
    pub contacts: Moments,
    /// Handshakes and requests that name it: counted where no flow was told.
    pub spoken: Moments,
    /// Questions for it.
    pub asked: Moments,
    /// Bytes of its flows.
    pub flows: Volume,
    /// Bytes of its transactions on plain HTTP.
    pub http: Volume,
}

/// Minutes in which something happened, each with its first moment.
#[derive(Clone, Debug, Default)]
pub struct Moments(BTreeMap<i64, Timestamp>);

/// Bytes of transfers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// How many.
    pub count: u64,
    /// How many were larger than the threshold.
    pub large: u64,
    /// To the host.
    pub to_client: u64,
    /// To the server.
    pub to_server: u64,
    /// Most to the host in one.
    pub largest: u64,
}

/// What one name was on the verification hosts.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// By their places.
    pub on: BTreeMap<usize, Sighting>,
    /// What carried it.
    pub transports: BTreeSet<&'static str>,
    /// Names that it is an alias of.
    pub targets: BTreeSet<Box<str>>,
    /// What requests hint at, how often.
    pub hints: BTreeMap<(u8, &'static str), (Hint, u64)>,
}

/// A file that only an id names.
#[derive(Clone, Debug)]
pub struct File {
    /// The server.
    pub server: Box<str>,
    /// First request.
    pub first: Timestamp,
    /// Requests.
    pub requests: u64,
    /// Body bytes.
    pub bytes: u64,
}

/// A file with a name of its own.
#[derive(Clone, Debug)]
pub struct Named {
    /// The verification host.
    pub pc: usize,
    /// When it was asked for.
    pub time: Timestamp,
    /// What it is: kind and value.
    pub what: String,
}

/// Everything that was seen.
#[derive(Debug)]
pub struct Observed {
    /// The verification hosts.
    pub pcs: Vec<Pc>,
    places: HashMap<IpAddr, usize>,
    /// Names on them.
    pub names: HashMap<Box<str>, Seen>,
    minutes: usize,
    clients: HashMap<IpAddr, u32>,
    others: HashMap<Box<str>, BTreeSet<u32>>,
    pairs: usize,
    /// What is known of hosts' systems, by the same numbers.
    systems: HashMap<IpAddr, Box<str>>,
    /// Files by host and id.
    pub files: BTreeMap<(usize, Box<str>), File>,
    /// Files with names.
    pub named: Vec<Named>,
    /// First and last moment of each verification host.
    pub spans: Vec<Option<(Timestamp, Timestamp)>>,
    /// What the tables refused.
    pub refused: Refused,
}

/// Whose a name is.
pub enum Who<'o> {
    /// A verification host, and what the name was there.
    Pc(&'o mut Seen, usize),
    /// Another host, or one that there was no room for.
    Other,
}

/// How many of the other hosts a name was seen on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Share {
    /// With the name.
    pub with: u64,
    /// Of so many.
    pub of: u64,
}

impl Share {
    /// From 0 to 1.
    pub fn part(self) -> f64 {
        if self.of == 0 {
            0.0
        } else {
            self.with as f64 / self.of as f64
        }
    }
}

impl Observed {
    /// Nothing seen yet.
    pub fn new(pcs: Vec<Pc>) -> Self {
        let addresses = pcs.iter().enumerate();
        let places = addresses
            .flat_map(|(place, pc)| {
                pc.addresses
                    .iter()
                    .map(move |one| (one.to_canonical(), place))
            })
            .collect();
        Self {
            spans: vec![None; pcs.len()],
            pcs,
            places,
            names: HashMap::new(),
            minutes: 0,
            clients: HashMap::new(),
            others: HashMap::new(),
            pairs: 0,
            systems: HashMap::new(),
            files: BTreeMap::new(),
            named: Vec::new(),
            refused: Refused::default(),
        }
    }

    /// The verification host with this address.
    pub fn place(&self, client: IpAddr) -> Option<usize> {
        self.places.get(&client.to_canonical()).copied()
    }

    /// Notes that a host had to do with a name.
    pub fn name(&mut self, client: IpAddr, name: &str, time: Timestamp) -> Who<'_> {
        let client = client.to_canonical();
        let Some(place) = self.place(client) else {
            self.other(client, name);
            return Who::Other;
        };
        if let Some(span) = self.spans.get_mut(place) {
            let (first, last) = span.unwrap_or((time, time));
            *span = Some((first.min(time), last.max(time)));
        }
        if self.names.len() >= MOST_NAMES && !self.names.contains_key(name) {
            self.refused.names += 1;
            return Who::Other;
        }
        Who::Pc(self.names.entry(name.into()).or_default(), place)
    }

    /// Notes a moment of a name on a verification host.
    pub fn moment(
        &mut self,
        name: &str,
        place: usize,
        time: Timestamp,
        of: impl Fn(&mut Sighting) -> &mut Moments,
    ) {
        let Some(seen) = self.names.get_mut(name) else {
            return;
        };
        let moments = &mut of(seen.on.entry(place).or_default()).0;
        let minute = time.as_nanos().div_euclid(MINUTE_NS);
        let is_known = moments.contains_key(&minute);
        if !is_known && (moments.len() >= MOST_MINUTES || self.minutes >= MOST_MINUTES_OF_ALL) {
            self.refused.minutes += 1;
            return;
        }
        self.minutes += usize::from(!is_known);
        let first = moments.entry(minute).or_insert(time);
        *first = (*first).min(time);
    }

    fn other(&mut self, client: IpAddr, name: &str) {
        let number = u32::try_from(self.clients.len()).unwrap_or(u32::MAX);
        let has_room = self.clients.len() < MOST_CLIENTS;
        let number = match self.clients.get(&client) {
            Some(number) => *number,
            None if has_room => *self.clients.entry(client).or_insert(number),
            None => return self.refused.others += 1,
        };
        if self.others.len() >= MOST_OTHER_NAMES && !self.others.contains_key(name) {
            return self.refused.others += 1;
        }
        let with = self.others.entry(name.into()).or_default();
        match with.contains(&number) {
            true => {}
            false if self.pairs >= MOST_PAIRS => self.refused.others += 1,
            false => {
                self.pairs += 1;
                with.insert(number);
            }
        }
    }

    /// Notes a host's operating system.
    pub fn system(&mut self, client: IpAddr, name: &str) {
        let client = client.to_canonical();
        if self.systems.len() < MOST_CLIENTS || self.systems.contains_key(&client) {
            self.systems.insert(client, name.into());
        }
    }

    /// Notes a request for a file that only an id names.
    pub fn file(&mut self, place: usize, id: &str, server: &str, time: Timestamp, bytes: u64) {
        let key = (place, id.into());
        if self.files.len() >= MOST_FILES && !self.files.contains_key(&key) {
            self.refused.files += 1;
            return;
        }
        let file = self.files.entry(key).or_insert_with(|| File {
            server: server.into(),
            first: time,
            requests: 0,
            bytes: 0,
        });
        file.first = file.first.min(time);
        file.requests += 1;
        file.bytes = file.bytes.saturating_add(bytes);
    }

    /// Notes a file with a name of its own.
    pub fn named_file(&mut self, pc: usize, time: Timestamp, what: String) {
        if self.named.len() < MOST_FILES {
            self.named.push(Named { pc, time, what });
        } else {
            self.refused.files += 1;
        }
    }

    /// On how many other hosts any of `names` was seen.
    pub fn share<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Share {
        Share {
            with: self.with(names).len() as u64,
            of: self.clients.len() as u64,
        }
    }

    /// The same of the hosts that have the system of the verification host at `place`, and of those known to have another.
    pub fn share_by_system<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
        place: usize,
    ) -> Option<(Share, Share)> {
        let addresses = &self.pcs.get(place)?.addresses;
        let own = addresses
            .iter()
            .find_map(|one| self.systems.get(&one.to_canonical()))?;
        let with = self.with(names);
        let (mut same, mut different) = (Share::default(), Share::default());
        for (client, number) in &self.clients {
            let Some(system) = self.systems.get(client) else {
                continue;
            };
            let share = if system == own {
                &mut same
            } else {
                &mut different
            };
            share.of += 1;
            share.with += u64::from(with.contains(number));
        }
        Some((same, different))
    }

    fn with<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> BTreeSet<u32> {
        let names = names.into_iter();
        names
            .filter_map(|name| self.others.get(name))
            .flatten()
            .copied()
            .collect()
    }

    /// Whether another host has a name that `matches`.
    pub fn others(&self) -> impl Iterator<Item = &str> {
        self.others.keys().map(|name| &**name)
    }
}

impl Seen {
    /// Puts what another name of the same server was to it.
    pub fn merge(&mut self, other: &Self) {
        for (place, theirs) in &other.on {
            let own = self.on.entry(*place).or_default();
            for (own, theirs) in [
                (&mut own.contacts, &theirs.contacts),
                (&mut own.spoken, &theirs.spoken),
                (&mut own.asked, &theirs.asked),
            ] {
                for (minute, time) in &theirs.0 {
                    let first = own.0.entry(*minute).or_insert(*time);
                    *first = (*first).min(*time);
                }
            }
            own.flows = own.flows.with(theirs.flows);
            own.http = own.http.with(theirs.http);
        }
        self.transports.extend(&other.transports);
        self.targets.extend(other.targets.iter().cloned());
        for (key, (hint, count)) in &other.hints {
            self.hints.entry(*key).or_insert((*hint, 0)).1 += count;
        }
    }

    /// Notes what a name is an alias of.
    pub fn target(&mut self, name: &str) {
        if self.targets.len() < MOST_TARGETS {
            self.targets.insert(name.into());
        }
    }

    /// Notes what a request hints at.
    pub fn hint(&mut self, (hint, part): (Hint, &'static str)) {
        // The words are ours: there are no more than those.
        self.hints.entry((hint as u8, part)).or_insert((hint, 0)).1 += 1;
    }
}

impl Sighting {
    /// The moments that tell when it was contacted: those of flows, else of what named it, else of questions.
    pub fn moments(&self) -> &Moments {
        let told = [&self.contacts, &self.spoken];
        told.into_iter()
            .find(|moments| !moments.0.is_empty())
            .unwrap_or(&self.asked)
    }

    /// Whether it was only asked for.
    pub fn is_only_asked(&self) -> bool {
        self.contacts.0.is_empty() && self.spoken.0.is_empty()
    }

    /// Transactions where they were seen, else flows.
    pub fn volume(&self) -> Volume {
        if self.http.count > 0 {
            self.http
        } else {
            self.flows
        }
    }
}

impl Moments {
    /// When each stretch of contacts began: a pause of more than one whole minute ends one.
    pub fn episodes(&self) -> Vec<Timestamp> {
        let mut episodes = Vec::new();
        let mut last = None;
        for (minute, first) in &self.0 {
            if last.is_none_or(|last| minute - last > 2) {
                episodes.push(*first);
            }
            last = Some(*minute);
        }
        episodes
    }

    /// The minutes.
    pub fn minutes(&self) -> impl Iterator<Item = i64> {
        self.0.keys().copied()
    }

    /// The first moment, and the last one that is known.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let first = self.0.first_key_value()?.1;
        Some((*first, *self.0.last_key_value()?.1))
    }
}

impl Volume {
    /// Counts a transfer.
    pub fn add(&mut self, to_client: u64, to_server: u64, large: u64) {
        self.count += 1;
        self.large += u64::from(to_client > large);
        self.to_client = self.to_client.saturating_add(to_client);
        self.to_server = self.to_server.saturating_add(to_server);
        self.largest = self.largest.max(to_client);
    }

    /// Both together.
    pub fn with(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            large: self.large + other.large,
            to_client: self.to_client.saturating_add(other.to_client),
            to_server: self.to_server.saturating_add(other.to_server),
            largest: self.largest.max(other.largest),
        }
    }
}
