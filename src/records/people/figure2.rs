//! `figure2`: the lines of the prototype's second figure, in the form of its first case, by end time as it sorted them.
//!
//! ```text
//! 2018-08-14T20:17:43,(HOST-B),DNS,fe2.update.microsoft.com
//! 2018-08-14T20:17:43,(HOST-B),DNS,fe2.update.microsoft.com,fe2.update.microsoft.com.nsatc.net. A 134.170.51.247
//! 2018-08-14T20:18:50,(HOST-B),HTTPS,134.170.51.247:443,duration 0:01:06 82075 bytes
//! ```
//!
//! A question stands at its own time, an answer at that of the first address, a connection at its end. Several addresses of an answer
//! stand in its one line, one after the other. Answers without an address, and connections that were not made, have no line: the logs that
//! the prototype read told nothing of them.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::Look;
use super::gathered::{Gathered, Lookup, Visit};
use super::words;
use crate::types::Timestamp;

/// The lines.
pub(super) fn lines(gathered: Gathered, look: Look) -> impl Iterator<Item = String> {
    order(&gathered)
        .into_iter()
        .filter_map(move |event| match event {
            Event::Question(at) => {
                let lookup = gathered.lookups.get(at)?;
                Some(question(lookup.start, lookup, &look))
            }
            Event::Answer(at) => answer(gathered.lookups.get(at)?, &look),
            Event::Connection(at) => Some(connection(gathered.visits.get(at)?, &look)),
        })
}

/// What a line tells, by its place in what was gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Question(usize),
    Answer(usize),
    Connection(usize),
}

/// Events by their time, then by arrival, a question before its answer.
fn order(gathered: &Gathered) -> Vec<Event> {
    let lookups = gathered.lookups.iter().enumerate();
    let lookups = lookups.flat_map(|(at, lookup)| {
        let question = lookup.was_asked.then_some(lookup.start);
        let question = question.map(|time| (time, lookup.number, Event::Question(at)));
        let answer = lookup.resolved;
        let answer = answer.map(|time| (time, lookup.number, Event::Answer(at)));
        question.into_iter().chain(answer)
    });
    let visits = gathered.visits.iter().enumerate();
    let visits = visits
        .filter(|(_, visit)| visit.failure.is_none())
        .map(|(at, visit)| (visit.end, visit.number, Event::Connection(at)));
    let mut order: Vec<_> = lookups.chain(visits).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, _, event)| event).collect()
}

fn start(time: Timestamp, client: IpAddr, look: &Look) -> String {
    format!("{},{},", look.clock.moment(time), look.client(client))
}

fn question(time: Timestamp, lookup: &Lookup, look: &Look) -> String {
    let start = start(time, lookup.client, look);
    format!("{start}DNS,{}", words::name(&lookup.name))
}

fn answer(lookup: &Lookup, look: &Look) -> Option<String> {
    let mut line = question(lookup.resolved?, lookup, look);
    let owner = lookup.chain.last().map_or(&*lookup.name, String::as_str);
    let _ = write!(line, ",{}.", words::name(owner));
    for (family, is_v4) in [("A", true), ("AAAA", false)] {
        let addresses = lookup.addresses.iter();
        let mut addresses = addresses
            .filter(|address| address.is_ipv4() == is_v4)
            .peekable();
        if addresses.peek().is_some() {
            let _ = write!(line, " {family}");
        }
        for address in addresses {
            let _ = write!(line, " {address}");
        }
    }
    Some(line)
}

fn connection(visit: &Visit, look: &Look) -> String {
    let start = start(visit.end, visit.client, look);
    let protocol = words::protocol(visit.application, visit.protocol);
    let server = words::server(visit.server);
    let duration = words::duration(visit.start, visit.end);
    format!(
        "{start}{protocol},{server},duration {duration} {} bytes",
        visit.bytes
    )
}
