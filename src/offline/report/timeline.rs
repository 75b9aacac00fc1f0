//! Stretches of time: when a host was away, when the sensor was blind, when what a host did was hidden.

use std::collections::BTreeSet;
use std::time::Duration;

use super::hours::{Hour, hour_of, start_of};
use super::kept::Seen;
use super::{Host, Report};
use crate::types::Timestamp;

/// In a longer period nights are not told.
const SHORT_PERIOD: Duration = Duration::from_secs(7 * 86_400);
/// Longest absence that is a night.
pub const NIGHT: Duration = Duration::from_secs(20 * 3_600);

/// From one moment to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// From here.
    pub start: Timestamp,
    /// To here.
    pub end: Timestamp,
}

impl Report {
    /// The hours of the period.
    pub fn hours(&self) -> std::ops::RangeInclusive<Hour> {
        hour_of(self.since)..=hour_of(self.until)
    }

    /// Shorter absences are not told: the hour between two hours of work, in a long period the night.
    pub fn shortest_absence(&self) -> Duration {
        if self.until.since(self.since) > SHORT_PERIOD {
            NIGHT
        } else {
            Duration::from_secs(3_600)
        }
    }

    fn spans(&self, hours: impl IntoIterator<Item = Hour>) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for hour in hours {
            let start = start_of(hour).max(self.since);
            let end = start_of(hour + 1).min(self.until);
            match spans.last_mut() {
                Some(last) if last.end >= start => last.end = end,
                _ => spans.push(Span { start, end }),
            }
        }
        spans.retain(|span| span.start < span.end);
        spans
    }
}

/// When the sensor saw nothing at all.
pub fn blindness(report: &Report) -> Vec<Span> {
    report.spans(report.sensor.blind.range(report.hours()).copied())
}

/// When the sensor could not see what a host did; or saw nothing at all.
pub fn hidden(host: &Host, report: &Report) -> Vec<Span> {
    let hours = host.hours.range(report.hours());
    let hidden = hours.filter(|(_, hour)| hour.seen == Seen::Hidden);
    let mut all: BTreeSet<Hour> = hidden.map(|(hour, _)| *hour).collect();
    all.extend(report.sensor.blind.range(report.hours()));
    report.spans(all)
}

/// When some of what a host did was hidden, and the rest was seen.
pub fn partly_hidden(host: &Host, report: &Report) -> Vec<Span> {
    let hours = host.hours.range(report.hours());
    let partial = hours.filter(|(_, hour)| hour.seen == Seen::Partial);
    report.spans(partial.map(|(hour, _)| *hour))
}

/// When a host was not on the network, while the sensor ran. Without coverage nobody knows.
pub fn absences(host: &Host, report: &Report) -> Vec<Span> {
    if !report.has_coverage {
        return Vec::new();
    }
    let is_away =
        |hour: &Hour| !host.hours.contains_key(hour) && !report.sensor.blind.contains(hour);
    let mut spans = report.spans(report.hours().filter(is_away));
    spans.retain(|span| span.end.since(span.start) >= report.shortest_absence());
    spans
}
