//! Accesses, sessions, coverage and statistics as JSON lines, each at its place in the order.

use std::sync::Arc;

use super::hosts::{Credited, KnownHosts};
use super::order::{Key, Lines};
use super::statistics::Counts;
use crate::config::hosts::HostList;
use crate::records::binding::write_binding;
use crate::records::community_id::community_id;
use crate::records::coverage::write_coverage;
use crate::records::header::FlowKeys;
use crate::records::line::{Scratch, write_line};
use crate::records::stats::Loss;
use crate::records::time::TimeText;
use crate::records::update::{Context, write_access, write_session};
use crate::records::{Header, Kind, Kinds, Style};
use crate::types::{Timestamp, VlanTags};
use crate::updates::coverage::HourOfClient;
use crate::updates::engine::Cause;
use crate::updates::hosts::Hosts;
use crate::updates::output::{Access, Binding, Output, Session};
use crate::updates::verdict::Verdict;
use crate::updates::{Catalogue, Fact};

/// Writes what the updates stage gives.
#[derive(Debug)]
pub(super) struct Printer {
    kinds: Kinds,
    style: Style,
    catalogue: Arc<Catalogue>,
    hosts: KnownHosts,
    lines: Lines,
    scratch: Scratch,
    time: TimeText,
    /// Tells apart what has one place in the order: there is one engine, so its own order counts.
    ordinal: u64,
}

impl Printer {
    pub fn new(kinds: Kinds, style: Style, catalogue: Arc<Catalogue>, hosts: KnownHosts) -> Self {
        Self {
            kinds,
            style,
            catalogue,
            hosts,
            lines: Lines::default(),
            scratch: Scratch::default(),
            time: TimeText::default(),
            ordinal: 0,
        }
    }

    /// From now on this catalogue and this list of hosts count.
    pub fn renew(&mut self, catalogue: Arc<Catalogue>, hosts: HostList) {
        self.catalogue = catalogue;
        self.hosts.renew(hosts);
    }

    /// Notes whom a fact is about.
    pub fn saw(&mut self, fact: &Fact, hosts: &Hosts) {
        if let Some(begin) = fact.begin() {
            let Some(client) = fact.client() else {
                return;
            };
            let mac = hosts.key_of(client, begin).mac();
            self.hosts.saw((client, mac), fact.time());
        }
    }

    /// What was counted of hosts.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.hosts.counts()
    }

    /// What was written since the last [`Printer::clear`].
    pub const fn lines(&self) -> &Lines {
        &self.lines
    }

    /// Forgets what was written.
    pub fn clear(&mut self) {
        self.lines.clear();
    }

    /// Writes an access, a session, or what could be seen of a client; `fact`: the place of the fact that caused it.
    pub fn output(&mut self, fact: Option<Key>, cause: Cause, output: &Output) {
        let kind = match output {
            Output::Access(_) => Kind::Update,
            Output::Session(_) => Kind::UpdateSession,
            Output::Binding(_) => Kind::ClientBinding,
            Output::Coverage(_) => Kind::Coverage,
        };
        self.credit(output);
        if !self.kinds.has(kind) {
            return;
        }
        self.ordinal += 1;
        let key = match (cause, fact) {
            (Cause::Fact, Some(fact)) => fact.for_kind(kind, self.ordinal),
            (Cause::Boundary(at), _) => Key::of_boundary(at, kind, self.ordinal, 0),
            (Cause::Fact, None) => return,
        };
        match output {
            Output::Access(access) => self.access(key, access),
            Output::Session(session) => self.session(key, session),
            Output::Binding(binding) => self.binding(key, binding),
            Output::Coverage(hour) => self.coverage(key, hour),
        }
    }

    /// Writes what was counted; `first` and `now`: begin and end of the input.
    pub fn statistics(&mut self, counts: &Counts, first: Timestamp, now: Timestamp) {
        let uptime_s = now.since(first).as_secs();
        for kind in [Kind::Stats, Kind::PatchspanStats] {
            if !self.kinds.has(kind) {
                continue;
            }
            self.ordinal += 1;
            let key = Key::of_boundary(Timestamp::MAX, kind, self.ordinal, 0);
            let header = Header {
                timestamp: now,
                kind,
                flow: None,
                packet: None,
            };
            let (scratch, time, style) = (&mut self.scratch, &mut self.time, &self.style);
            self.lines.push(key, |buffer| {
                write_line(buffer, scratch, |line| {
                    header.write(line, style, time);
                    match kind {
                        Kind::Stats => counts.write_standard(line, uptime_s),
                        _ => counts.write_own(line),
                    }
                });
            });
        }
    }

    /// Writes what was not seen.
    pub fn loss(&mut self, loss: &Loss<'_>) {
        if !self.kinds.has(Kind::Loss) {
            return;
        }
        self.ordinal += 1;
        let key = Key::of_boundary(loss.end, Kind::Loss, self.ordinal, 0);
        let header = Header {
            timestamp: loss.end,
            kind: Kind::Loss,
            flow: None,
            packet: None,
        };
        let (scratch, time, style) = (&mut self.scratch, &mut self.time, &self.style);
        self.lines.push(key, |buffer| {
            write_line(buffer, scratch, |line| {
                header.write(line, style, time);
                loss.write(line, style, time);
            });
        });
    }

    /// Counts what no host is credited with.
    fn credit(&mut self, output: &Output) {
        match output {
            Output::Access(access) => {
                let what = match access.is_final {
                    true => Credited::Access,
                    false => Credited::Preliminary,
                };
                let client = (access.client.address, access.host.mac());
                self.hosts.count(what, client, access.start);
            }
            Output::Session(session) => {
                let client = (session.client, session.host.mac());
                self.hosts.count(Credited::Session, client, session.start);
            }
            // The list says who is asked about, not who is there.
            Output::Binding(_) | Output::Coverage(_) => {}
        }
    }

    fn access(&mut self, key: Key, access: &Access) {
        // What was only resolved has the query's ports and the answer's address: no flow has that Community ID.
        let is_flow = access.verdict != Verdict::Resolved;
        let is_wanted = self.style.community_id && is_flow;
        let header = Header {
            timestamp: access.start,
            kind: Kind::Update,
            flow: Some(FlowKeys {
                id: access.flow_id,
                source: access.client,
                destination: access.server,
                protocol: access.protocol,
                icmp: None,
                vlan: VlanTags::NONE,
                tunnel: None,
                community_id: is_wanted
                    .then(|| community_id(access.client, access.server, access.protocol)),
            }),
            packet: None,
        };
        let mac = access.host.mac();
        let client = (access.client.address, mac);
        let context = Context {
            catalogue: &self.catalogue,
            client_id: self.hosts.id(client, access.start),
            client_mac: mac,
            via: access.is_internal.then_some("internal"),
        };
        let (scratch, time, style) = (&mut self.scratch, &mut self.time, &self.style);
        self.lines.push(key, |buffer| {
            write_line(buffer, scratch, |line| {
                header.write(line, style, time);
                write_access(line, access, &context, style, time);
            });
        });
    }

    fn session(&mut self, key: Key, session: &Session) {
        let header = Header {
            timestamp: session.start,
            kind: Kind::UpdateSession,
            flow: None,
            packet: None,
        };
        let mac = session.host.mac();
        let context = Context {
            catalogue: &self.catalogue,
            client_id: self.hosts.id((session.client, mac), session.start),
            client_mac: mac,
            via: None,
        };
        let (scratch, time, style) = (&mut self.scratch, &mut self.time, &self.style);
        self.lines.push(key, |buffer| {
            write_line(buffer, scratch, |line| {
                header.write(line, style, time);
                write_session(line, session, &context, style, time);
            });
        });
    }

    fn binding(&mut self, key: Key, binding: &Binding) {
        let header = Header {
            timestamp: binding.start,
            kind: Kind::ClientBinding,
            flow: None,
            packet: None,
        };
        let client = (binding.client, Some(binding.mac));
        let client_id = self.hosts.id(client, binding.start);
        let (scratch, time, style) = (&mut self.scratch, &mut self.time, &self.style);
        self.lines.push(key, |buffer| {
            write_line(buffer, scratch, |line| {
                header.write(line, style, time);
                write_binding(line, binding, client_id, style, time);
            });
        });
    }

    fn coverage(&mut self, key: Key, hour: &HourOfClient) {
        let header = Header {
            timestamp: hour.start,
            kind: Kind::Coverage,
            flow: None,
            packet: None,
        };
        let client = (hour.client, hour.host.mac());
        let client_id = self.hosts.id(client, hour.start);
        let (scratch, time, style) = (&mut self.scratch, &mut self.time, &self.style);
        self.lines.push(key, |buffer| {
            write_line(buffer, scratch, |line| {
                header.write(line, style, time);
                write_coverage(line, hour, client_id, style, time);
            });
        });
    }
}
