//! `text`: a line an event, by start time.
//!
//! ```text
//! 2018-08-14T20:17:43  192.0.2.20  DNS    fe2.update.microsoft.com -> fe2.update.microsoft.com.nsatc.net  A 134.170.51.247
//! 2018-08-14T20:17:44  192.0.2.20  HTTPS  134.170.51.247:443  fe2.update.microsoft.com  0:01:06  82,075 bytes  windows-update: checked
//! ```
//!
//! Fields are two blanks or more apart, and no field but the last holds two blanks in a row. A lookup tells `no answer`, or `no address` where
//! none came that one can connect to, and `product: resolved` where no contact followed. `no verdict`: nothing went over the flow, or
//! its access has more flows than it names.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use super::Look;
use super::gathered::{Gathered, Lookup, Step, Visit};
use super::words;
use crate::types::Timestamp;
use crate::updates::verdict::Verdict;

/// No column is padded to more than this.
const WIDEST: usize = 48;

/// The lines.
pub(super) fn lines(mut gathered: Gathered, look: Look) -> impl Iterator<Item = String> {
    let judged = Judged::of(&gathered.steps);
    judged.complete(&mut gathered);
    let widths = Widths::of(&gathered, &look);
    order(&gathered).into_iter().filter_map(move |event| {
        let mut line = String::new();
        match event {
            Event::Lookup(at) => {
                let lookup = gathered.lookups.get(at)?;
                let step = judged.of_lookup(lookup, &gathered.steps);
                push_lookup(&mut line, lookup, step, &look, &widths);
            }
            Event::Visit(at) => {
                let visit = gathered.visits.get(at)?;
                push_visit(&mut line, visit, &look, &widths);
                let steps = judged.of_flow(visit.flow_id);
                let steps = steps.filter_map(|at| gathered.steps.get(at));
                line.push_str(&verdicts(visit, steps, &look));
            }
        }
        Some(line)
    })
}

/// What a line tells, by its place in what was gathered.
#[derive(Clone, Copy, Debug)]
enum Event {
    Lookup(usize),
    Visit(usize),
}

/// Events by start, then by arrival.
fn order(gathered: &Gathered) -> Vec<Event> {
    let lookups = gathered.lookups.iter().enumerate();
    let lookups = lookups.map(|(at, lookup)| (lookup.start, lookup.number, Event::Lookup(at)));
    let visits = gathered.visits.iter().enumerate();
    let visits = visits.map(|(at, visit)| (visit.start, visit.number, Event::Visit(at)));
    let mut order: Vec<_> = lookups.chain(visits).collect();
    order.sort_by_key(|(start, number, _)| (*start, *number));
    order.into_iter().map(|(_, _, event)| event).collect()
}

/// Which accesses belong to a flow or lookup.
#[derive(Debug)]
struct Judged {
    /// Flow, start and place of each access that had contact, sorted.
    by_flow: Vec<(u64, Timestamp, usize)>,
    /// Places of accesses without contact.
    resolved: HashMap<(IpAddr, Arc<str>, Timestamp), usize>,
}

impl Judged {
    fn of(steps: &[Step]) -> Self {
        let mut by_flow = Vec::new();
        let mut resolved = HashMap::new();
        for (at, step) in steps.iter().enumerate() {
            if step.verdict == Verdict::Resolved {
                resolved.insert((step.client, Arc::clone(&step.name), step.start), at);
            } else {
                let flows = step.flow_ids.iter();
                by_flow.extend(flows.map(|flow_id| (*flow_id, step.start, at)));
            }
        }
        by_flow.sort_unstable();
        Self { by_flow, resolved }
    }

    /// Adds an event for each access that has none: its flow was named otherwise in the end, or its lookup began earlier.
    fn complete(&self, gathered: &mut Gathered) {
        let mut is_told = vec![false; gathered.steps.len()];
        let mut tell = |at: usize| {
            let was_told = is_told
                .get_mut(at)
                .map(|told| std::mem::replace(told, true));
            was_told.unwrap_or(true)
        };
        for lookup in &gathered.lookups {
            self.place_of(lookup).map(&mut tell);
        }
        for visit in &gathered.visits {
            self.of_flow(visit.flow_id).for_each(|at| {
                tell(at);
            });
        }
        for (at, step) in gathered.steps.iter().enumerate() {
            if tell(at) {
                continue;
            }
            if step.verdict == Verdict::Resolved {
                gathered.lookups.push(Lookup::of(step));
                continue;
            }
            let visit = Visit::of(step);
            self.of_flow(visit.flow_id).for_each(|at| {
                tell(at);
            });
            gathered.visits.push(visit);
        }
    }

    /// Places of the accesses on a flow, by their start.
    fn of_flow(&self, flow_id: u64) -> impl Iterator<Item = usize> {
        let first = self.by_flow.partition_point(|(flow, _, _)| *flow < flow_id);
        let rest = self.by_flow.get(first..).unwrap_or_default();
        rest.iter()
            .take_while(move |(flow, _, _)| *flow == flow_id)
            .map(|(_, _, at)| *at)
    }

    fn of_lookup<'s>(&self, lookup: &Lookup, steps: &'s [Step]) -> Option<&'s Step> {
        steps.get(self.place_of(lookup)?)
    }

    fn place_of(&self, lookup: &Lookup) -> Option<usize> {
        let key = (lookup.client, Arc::clone(&lookup.name), lookup.start);
        self.resolved.get(&key).copied()
    }
}

/// How wide columns are.
#[derive(Debug, Default)]
struct Widths {
    client: usize,
    server: usize,
    name: usize,
    duration: usize,
    bytes: usize,
}

impl Widths {
    fn of(gathered: &Gathered, look: &Look) -> Self {
        let widen = |width: &mut usize, text: &str| {
            *width = (*width).max(text.chars().count()).min(WIDEST);
        };
        let mut widths = Self::default();
        for lookup in &gathered.lookups {
            widen(&mut widths.client, &look.client(lookup.client));
        }
        for visit in &gathered.visits {
            widen(&mut widths.client, &look.client(visit.client));
            widen(&mut widths.server, &words::server(visit.server));
            widen(&mut widths.name, &words::name(&visit.name));
            widen(
                &mut widths.duration,
                &words::duration(visit.start, visit.end),
            );
            widen(&mut widths.bytes, &words::thousands(visit.bytes));
        }
        widths
    }
}

fn push_start(line: &mut String, start: Timestamp, client: IpAddr, look: &Look, widths: &Widths) {
    let client = look.client(client);
    let moment = look.clock.moment(start);
    let _ = write!(line, "{moment}  {client:<0$}  ", widths.client);
}

fn push_lookup(
    line: &mut String,
    lookup: &Lookup,
    step: Option<&Step>,
    look: &Look,
    widths: &Widths,
) {
    push_start(line, lookup.start, lookup.client, look, widths);
    let _ = write!(line, "DNS    {}", words::name(&lookup.name));
    for alias in lookup.chain.iter().skip(1) {
        let _ = write!(line, " -> {}", words::name(alias));
    }
    push_addresses(line, lookup);
    if let Some(step) = step {
        let _ = write!(line, "  {}", verdict(step, look));
    }
}

fn push_addresses(line: &mut String, lookup: &Lookup) {
    if !lookup.was_answered {
        return line.push_str("  no answer");
    }
    if lookup.addresses.is_empty() && lookup.left_out == 0 {
        return line.push_str("  no address");
    }
    for (family, is_v4) in [("A", true), ("AAAA", false)] {
        let addresses = lookup.addresses.iter();
        let mut addresses = addresses.filter(|address| address.is_ipv4() == is_v4);
        let Some(first) = addresses.next() else {
            continue;
        };
        let _ = write!(line, "  {family} {first}");
        for address in addresses {
            let _ = write!(line, ", {address}");
        }
    }
    if lookup.left_out > 0 {
        let _ = write!(line, "  and {} more", lookup.left_out);
    }
}

fn push_visit(line: &mut String, visit: &Visit, look: &Look, widths: &Widths) {
    push_start(line, visit.start, visit.client, look, widths);
    let protocol = words::protocol(visit.application, visit.protocol);
    let server = words::server(visit.server);
    let _ = write!(line, "{protocol:<5}  {server:<0$}  ", widths.server);
    let name = words::name(&visit.name);
    let duration = words::duration(visit.start, visit.end);
    let _ = write!(
        line,
        "{name:<0$}  {duration:>1$}  ",
        widths.name, widths.duration
    );
    let bytes = words::thousands(visit.bytes);
    let _ = write!(line, "{bytes:>0$} bytes  ", widths.bytes);
}

/// What came of a flow: `apt: checked + apt: downloaded`.
fn verdicts<'s>(visit: &Visit, steps: impl Iterator<Item = &'s Step>, look: &Look) -> String {
    let mut joined: Vec<(String, usize)> = Vec::new();
    for step in steps {
        let word = verdict(step, look);
        match joined.last_mut() {
            Some((last, count)) if *last == word => *count += 1,
            _ => joined.push((word, 1)),
        }
    }
    if joined.is_empty() {
        let word = visit.failure.map_or("no verdict", Verdict::as_str);
        return format!("{}: {word}", look.product(visit.endpoint));
    }
    let joined = joined
        .iter()
        .map(|(word, count)| words::times(word, *count));
    joined.collect::<Vec<_>>().join(" + ")
}

fn verdict(step: &Step, look: &Look) -> String {
    format!("{}: {}", look.product(step.endpoint), step.verdict.as_str())
}
