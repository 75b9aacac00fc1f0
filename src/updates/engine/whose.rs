//! Hours of clients, and whose they are: which host, and what its operating system is.

use std::net::IpAddr;

use super::super::coverage::{Blind, HourOfClient, Minute};
use super::super::hosts::{HostKey, Hosts};
use super::super::os::{Guesses, OsGuess};
use super::super::output::Output;
use super::{Cause, Engine, OutputSink};
use crate::types::Timestamp;

/// What tells whose doing something is.
#[derive(Clone, Copy)]
pub(super) struct Whose<'e> {
    hosts: &'e Hosts,
    systems: &'e Guesses,
}

impl Whose<'_> {
    /// The operating system of a host, of whose addresses one is `client`.
    pub fn system_of(self, host: HostKey, client: IpAddr, now: Timestamp) -> Option<OsGuess> {
        let others = self.hosts.addresses_of(host);
        let others = others.filter(|other| *other != client);
        let addresses = others.chain([client]).map(HostKey::Address);
        let keys = addresses.chain(host.mac().map(HostKey::Mac));
        let guess = self.systems.of(keys, now)?;
        Some(if self.hosts.is_nat(host) {
            guess.of_several_hosts()
        } else {
            guess
        })
    }

    /// Tells an hour with whose it was.
    fn tell(self, boundary: Option<Timestamp>, mut hour: HourOfClient, out: &mut OutputSink<'_>) {
        hour.host = self.hosts.key_within(hour.client, hour.start, hour.end);
        hour.os = self.system_of(hour.host, hour.client, hour.end);
        if hour.host.mac().is_none() && self.hosts.knows_any() {
            hour.blind.push(Blind::NoBinding);
        }
        if self.hosts.is_nat(hour.host) {
            hour.blind.push(Blind::ManyHosts);
        }
        let cause = boundary.map_or(Cause::Fact, Cause::Boundary);
        out(cause, Output::Coverage(Box::new(hour)));
    }
}

impl Engine {
    /// Whose doing things are.
    pub(super) const fn whose(&self) -> Whose<'_> {
        whose(&self.hosts, &self.systems)
    }

    /// Who was there in a minute.
    pub(super) fn presence(&mut self, minute: &Minute, out: &mut OutputSink<'_>) {
        let (local, whose) = (&self.options.local, whose(&self.hosts, &self.systems));
        let is_host = |client| local.is_empty() || local.contains(client);
        let mut tell = |boundary, hour| whose.tell(boundary, hour, out);
        self.coverage.minute(minute, is_host, &mut tell);
    }

    /// Tells hours of clients that are over and wait for their turn: the run ends, and another one goes on.
    pub fn tell_hours(&mut self, now: Timestamp, out: &mut OutputSink<'_>) {
        let whose = whose(&self.hosts, &self.systems);
        let mut tell = |boundary, hour| whose.tell(boundary, hour, out);
        self.coverage.tell_rest(Some(now), now, &mut tell);
    }

    /// Tells hours that are over by `now`.
    pub(super) fn advance_hours(&mut self, now: Timestamp, out: &mut OutputSink<'_>) {
        let whose = whose(&self.hosts, &self.systems);
        let mut tell = |boundary, hour| whose.tell(boundary, hour, out);
        self.coverage.advance(now, &mut tell);
    }

    /// The end of input.
    pub(super) fn finish_hours(&mut self, at: Timestamp, out: &mut OutputSink<'_>) {
        let whose = whose(&self.hosts, &self.systems);
        let mut tell = |boundary, hour| whose.tell(boundary, hour, out);
        self.coverage.finish(at, &mut tell);
    }
}

const fn whose<'e>(hosts: &'e Hosts, systems: &'e Guesses) -> Whose<'e> {
    Whose { hosts, systems }
}
