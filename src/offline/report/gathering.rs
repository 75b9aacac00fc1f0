//! From records to hosts: everything that one did stands together, judged, in the order of what needs attention.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use super::asked;
use super::held::{self, Held};
use super::hours::{Calendar, HostHour, Hour, LONGEST_RANGE, Sensor, Words, hour_of, start_of};
use super::judging::{Event, Judge, Lane, Offer};
use super::kept::{Access, Offered, Os, Seen, Session, What, Who};
use super::reading::Records;
use super::rules::Rules;
use super::whose::{HostKey, Hosts};
use super::{Host, Judged, LeftOut, Options, Report};
use crate::config::hosts::HostList;
use crate::types::Timestamp;

/// Most addresses, and most names, that are told of a host.
const MOST_NAMES: usize = 16;
const HOUR: Duration = Duration::from_secs(3_600);

/// A host whose records are being put together.
#[derive(Default)]
struct Draft {
    addresses: BTreeMap<IpAddr, Held>,
    macs: BTreeSet<[u8; 6]>,
    names: BTreeSet<String>,
    label: Option<(String, String)>,
    os: Option<Os>,
    hours: BTreeMap<Hour, HostHour>,
    lanes: BTreeMap<String, Lane>,
    last: Option<Timestamp>,
}

/// What all hosts are put together from.
struct Gathering<'a> {
    hosts: Hosts<'a>,
    drafts: HashMap<HostKey, Draft>,
    beginning: Timestamp,
    until: Timestamp,
    early: Early,
}

/// What lies before the beginning.
#[derive(Default)]
struct Early {
    records: u64,
    hosts: HashSet<HostKey>,
    last: Option<Timestamp>,
}

impl Report {
    /// What records say, in order; `None` where there is none up to the end asked for.
    pub fn of(records: &Records, list: &HostList, options: &Options) -> Option<Self> {
        let (first, last) = records.span?;
        let until = options.until.unwrap_or(last).min(last);
        let since = options
            .since
            .unwrap_or(first)
            .max(first)
            .max(until.minus(LONGEST_RANGE));
        if first > until || since > until {
            return None;
        }
        let beginning = first.max(until.minus(LONGEST_RANGE));
        let mut gathering = Gathering {
            hosts: Hosts::of(records, list),
            drafts: HashMap::new(),
            beginning,
            until,
            early: Early::default(),
        };
        gathering.take_in(records);
        // Whoever asks for a later time misses nothing of an earlier one.
        let is_asked_for = options.since.is_none_or(|since| since < beginning);
        let left_out = gathering.left_out().filter(|_| is_asked_for);
        let range = hour_of(beginning)..=hour_of(until);
        let sensor = Sensor::new(&records.hours, &records.losses, range);
        let calendar = Calendar {
            zone: &options.zone,
            sensor: &sensor,
            until,
        };
        let has_coverage = !records.coverage.is_empty();
        let mut hosts: Vec<Host> = gathering
            .drafts
            .into_iter()
            .map(|(key, draft)| {
                let judge = |draft: &Draft| {
                    judged(draft, &options.rules, &calendar, beginning, has_coverage)
                };
                let lanes = judge(&draft);
                draft.into_host(key, lanes, until)
            })
            .collect();
        held::note_others(&mut hosts);
        let unknown = asked::unknown(&hosts, &options.hosts);
        hosts.retain(|host| asked::is_asked_for(host, &options.hosts));
        tell_apart(&mut hosts);
        hosts.sort_by(|a, b| order(a).cmp(&order(b)));
        Some(Self {
            since,
            until,
            zone: options.zone.clone(),
            has_coverage,
            active_days: options.rules.active_days,
            sensor,
            hosts,
            left_out,
            unknown,
        })
    }
}

fn order(host: &Host) -> (Reverse<Option<super::State>>, &str, &HostKey) {
    (Reverse(host.state()), &host.name, &host.key)
}

/// Of hosts with the same name each gets behind it by what it is told apart.
fn tell_apart(hosts: &mut [Host]) {
    let mut names: HashMap<String, usize> = HashMap::new();
    for host in hosts.iter() {
        *names.entry(host.name.clone()).or_default() += 1;
    }
    for host in hosts {
        let is_shared = names.get(&host.name).is_some_and(|number| *number > 1);
        let key = host.key.to_string();
        if is_shared && key != host.name {
            host.name = format!("{} ({key})", host.name);
        }
    }
}

/// Every lane of a host with its state, what needs attention first.
fn judged(
    draft: &Draft,
    rules: &Rules,
    calendar: &Calendar<'_>,
    beginning: Timestamp,
    has_coverage: bool,
) -> Vec<Judged> {
    let judge = Judge {
        rules,
        calendar,
        hours: &draft.hours,
        // A day before, because the day of the beginning counts.
        beginning: beginning.minus(24 * HOUR),
        has_coverage,
    };
    let expected = draft.os.iter().flat_map(|os| Rules::expected(&os.name));
    let mut names: BTreeSet<&str> = expected.collect();
    names.extend(draft.lanes.keys().map(String::as_str));
    let mut lanes: Vec<Judged> = names
        .into_iter()
        .map(|product| {
            let mut lane = draft.lanes.get(product).cloned().unwrap_or_default();
            product.clone_into(&mut lane.product);
            lane.habits = rules.habits(product);
            lane.events.sort_by_key(|event| event.at);
            lane.offers.sort_by_key(|offer| offer.at);
            doubt_hidden_offers(&mut lane, &draft.hours);
            let (state, reason) = judge.judge(&lane);
            Judged {
                lane,
                state,
                reason,
            }
        })
        .collect();
    lanes.sort_by(|a, b| {
        (Reverse(a.state), &a.lane.product).cmp(&(Reverse(b.state), &b.lane.product))
    });
    lanes
}

/// Where nothing could be told of the hour, a download may have gone unseen: that an update waited then is no more than possible.
fn doubt_hidden_offers(lane: &mut Lane, hours: &BTreeMap<Hour, HostHour>) {
    for offer in lane.offers.iter_mut().filter(|offer| offer.is_waiting()) {
        let hour = hours.get(&hour_of(offer.at));
        if hour.is_some_and(|hour| hour.seen == Seen::Hidden) {
            offer.offered = Offered::Unknown;
        }
    }
}

impl Gathering<'_> {
    fn take_in(&mut self, records: &Records) {
        let told: BTreeSet<(&str, &str)> = records
            .accesses
            .values()
            .filter_map(|access| Some((access.session.as_deref()?, access.product.as_str())))
            .collect();
        // In one order, whatever that of the tables: equal records give equal reports.
        let mut accesses: Vec<(&String, &Access)> = records.accesses.iter().collect();
        accesses.sort_by_key(|(id, access)| (access.start, *id));
        for (_, access) in accesses {
            let has_session = access
                .session
                .as_ref()
                .is_some_and(|id| records.sessions.contains_key(id));
            self.access(access, has_session);
        }
        let mut sessions: Vec<(&String, &Session)> = records.sessions.iter().collect();
        sessions.sort_by_key(|(id, session)| (session.start, *id));
        for (id, session) in sessions {
            self.session(
                session,
                told.contains(&(id.as_str(), session.product.as_str())),
            );
        }
        for coverage in records.coverage.values() {
            if coverage.active_minutes == 0 {
                continue;
            }
            let words = Words::of(coverage.blind.iter().map(String::as_str));
            let sharers = self.hosts.sharers(coverage);
            // Of several nobody can tell whose system it is.
            let os = coverage.os.as_ref().filter(|_| sharers.len() == 1);
            for (who, from) in sharers {
                if let Some(draft) = self.draft(&who, from) {
                    draft.note_hour(hour_of(coverage.start), coverage.seen, words);
                    draft.note_os(os);
                }
            }
        }
        for binding in &records.bindings {
            if let Some(draft) = self.draft(&binding.who, binding.start) {
                draft.names.extend(binding.names.iter().cloned());
            }
        }
        // Whoever only has a binding did nothing that anybody could judge.
        self.drafts.retain(|_, draft| !draft.hours.is_empty());
    }

    fn access(&mut self, access: &Access, has_session: bool) {
        let Some(draft) = self.draft(&access.who, access.start) else {
            return;
        };
        draft.note_hour(hour_of(access.start), Seen::Unsaid, Words::default());
        let lane = draft.lanes.entry(access.product.clone()).or_default();
        lane.events.push(Event {
            at: access.start,
            what: access.what,
            payload: access.payload.clone(),
            evidence: access.evidence.clone(),
            is_internal: access.is_internal,
            failure: access.failure,
        });
        if access.what == What::Partial && !has_session {
            lane.offers.push(Offer {
                at: access.start,
                offered: Offered::Yes,
                is_fetched: false,
                evidence: access.evidence.clone(),
            });
        }
    }

    /// A session tells of offers; of contacts only where no access does.
    fn session(&mut self, session: &Session, is_told: bool) {
        let Some(draft) = self.draft(&session.who, session.start) else {
            return;
        };
        draft.note_hour(hour_of(session.start), Seen::Unsaid, Words::default());
        draft.note_os(session.os.as_ref());
        let lane = draft.lanes.entry(session.product.clone()).or_default();
        lane.offers.push(Offer {
            at: session.start,
            offered: session.offered,
            is_fetched: session.what == What::Download,
            evidence: session.evidence.clone(),
        });
        if !is_told {
            lane.events.push(Event {
                at: session.start,
                what: session.what,
                payload: session.payloads.first().cloned(),
                evidence: session.evidence.clone(),
                is_internal: false,
                failure: None,
            });
        }
    }

    /// What was too early, and whom only that tells of.
    fn left_out(&self) -> Option<LeftOut> {
        let last = self.early.last?;
        let hosts = self.early.hosts.iter();
        let gone = hosts.filter(|key| !self.drafts.contains_key(*key));
        Some(LeftOut {
            records: self.early.records,
            hosts: gone.count() as u64,
            last,
        })
    }

    /// The host of a record; `None` for what lies behind the end, or before anything is walked through.
    fn draft(&mut self, who: &Who, time: Timestamp) -> Option<&mut Draft> {
        if time > self.until {
            return None;
        }
        let key = self.hosts.key(who, time);
        if time < self.beginning {
            self.early.note(key, time);
            return None;
        }
        let row = self.hosts.row(who.address, who.mac, time);
        let label = row.map(|host| {
            (
                super::forms::text(&host.label),
                super::forms::text(&host.manager),
            )
        });
        let mac = match &key {
            HostKey::Mac(mac) => Some(*mac),
            HostKey::Id(_) | HostKey::Address(_) => who.mac,
        };
        let draft = self.drafts.entry(key).or_default();
        let held = draft.addresses.entry(who.address);
        let held = held.or_insert_with(|| Held::at(who.address, time));
        held.note(time);
        draft.last = draft.last.max(Some(time));
        draft.macs.extend(mac);
        draft.label = label.or(draft.label.take());
        Some(draft)
    }
}

impl Early {
    fn note(&mut self, key: HostKey, time: Timestamp) {
        self.records += 1;
        self.hosts.insert(key);
        self.last = self.last.max(Some(time));
    }
}

impl Draft {
    /// An hour is as badly seen as the worst that is said of it; what nobody says counts only where nothing is said.
    fn note_hour(&mut self, hour: Hour, seen: Seen, blind: Words) {
        let known = self.hours.entry(hour).or_insert(HostHour { seen, blind });
        known.blind = known.blind.with(blind);
        known.seen = match (known.seen, seen) {
            (Seen::Unsaid, said) | (said, Seen::Unsaid) => said,
            (one, other) => one.max(other),
        };
    }

    /// The surest guess counts, the later one among equals.
    fn note_os(&mut self, os: Option<&Os>) {
        let is_better = |os: &&Os| {
            self.os
                .as_ref()
                .is_none_or(|known| known.confidence <= os.confidence)
        };
        if let Some(os) = os.filter(is_better) {
            self.os = Some(os.clone());
        }
    }

    fn into_host(self, key: HostKey, lanes: Vec<Judged>, until: Timestamp) -> Host {
        let mut addresses: Vec<Held> = self.addresses.into_values().collect();
        addresses.sort_by_key(|held| (Reverse(held.last), held.address));
        let (label, manager) = self.label.unwrap_or_default();
        let own = self.names.first().filter(|name| !name.is_empty());
        let name = match &key {
            _ if !label.is_empty() => label,
            HostKey::Id(id) => id.clone(),
            // A MAC address tells people nothing; the address that it had last does.
            HostKey::Mac(_) | HostKey::Address(_) => {
                let address = addresses.first().map(|held| held.address.to_string());
                let own = own.cloned().or(address);
                own.unwrap_or_else(|| key.to_string())
            }
        };
        let last_hour = self
            .hours
            .last_key_value()
            .map(|(hour, _)| start_of(*hour).plus(HOUR));
        Host {
            key,
            name,
            manager: Some(manager).filter(|manager| !manager.is_empty()),
            addresses: addresses.into_iter().take(MOST_NAMES).collect(),
            macs: self.macs.into_iter().take(MOST_NAMES).collect(),
            names: self.names.into_iter().take(MOST_NAMES).collect(),
            os: self.os,
            as_of: self.last.max(last_hour).map(|last| last.min(until)),
            hours: self.hours,
            lanes,
        }
    }
}
