//! Stretches of time: when a host was away, when the sensor was blind, when what a host did was hidden.

use std::collections::BTreeSet;
use std::time::Duration;

use super::hours::{HostHour, Hour, Words, hour_of, start_of};
use super::kept::Seen;
use super::{Host, Report};
use crate::types::Timestamp;

/// In a longer period nights are not told.
const SHORT_PERIOD: Duration = Duration::from_secs(7 * 86_400);
/// Longest absence that is a night.
pub const NIGHT: Duration = Duration::from_secs(20 * 3_600);

/// Hours after which a host is away: a weekend is 63.
const LONG_ABSENCE_H: u64 = 72;

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

    /// The same spans, those in one of which only a night lies in between: the host did nothing, and the sensor ran.
    fn bridged(&self, host: &Host, spans: Vec<Span>) -> Vec<Span> {
        let is_quiet = |start: Timestamp, end: Timestamp| {
            let between = hour_of(start)..hour_of(end);
            end.since(start) < self.shortest_absence()
                && host.hours.range(between.clone()).next().is_none()
                && self.sensor.blind.range(between).next().is_none()
        };
        let mut bridged: Vec<Span> = Vec::new();
        for span in spans {
            match bridged.last_mut() {
                Some(last) if is_quiet(last.end, span.start) => last.end = span.end,
                _ => bridged.push(span),
            }
        }
        bridged
    }
}

/// When the sensor saw nothing at all.
pub fn blindness(report: &Report) -> Vec<Span> {
    report.spans(report.sensor.blind.range(report.hours()).copied())
}

/// When the sensor ran and could not see what a host did. In a long period the nights between such days belong to it.
pub fn hidden(host: &Host, report: &Report) -> Vec<Span> {
    let is_hidden = |hour: &HostHour| hour.seen == Seen::Hidden;
    report.bridged(host, report.spans(active(host, report, is_hidden)))
}

/// When some of what a host did was hidden and the rest was seen, or no record says how much was; with its nights, as above.
pub fn partly_hidden(host: &Host, report: &Report) -> Vec<Span> {
    let is_partial = |hour: &HostHour| match hour.seen {
        Seen::Partial => true,
        Seen::Unsaid => report.has_coverage,
        Seen::Complete | Seen::Hidden => false,
    };
    report.bridged(host, report.spans(active(host, report, is_partial)))
}

/// When a server of the site may have given a host updates; with its nights, as above.
pub fn own_source(host: &Host, report: &Report) -> Vec<Span> {
    let own = Words::own_sources();
    let is_own = |hour: &HostHour| !hour.blind.common(own).is_empty();
    report.bridged(host, report.spans(active(host, report, is_own)))
}

/// When a host was not seen, or not all of it, in the order of time.
pub fn unwatched(host: &Host, report: &Report) -> Vec<Span> {
    let mut gaps = absences(host, report);
    gaps.extend(hidden(host, report));
    gaps.extend(partly_hidden(host, report));
    gaps.extend(blindness(report));
    gaps.sort_by_key(|span| span.start);
    gaps
}

impl Span {
    /// What of it lies in none of `gaps`, which are in the order of time.
    pub fn without(self, gaps: &[Span]) -> Vec<Span> {
        let mut rest = Vec::new();
        let mut start = self.start;
        for gap in gaps {
            let end = gap.start.min(self.end);
            if start < end {
                rest.push(Span { start, end });
            }
            start = start.max(gap.end);
        }
        if start < self.end {
            let end = self.end;
            rest.push(Span { start, end });
        }
        rest
    }
}

/// When nobody can tell what a host did: all of it was hidden, or the sensor did not run. To the hour.
pub fn untold(host: &Host, report: &Report) -> Vec<Span> {
    let is_hidden = |hour: &HostHour| hour.seen == Seen::Hidden;
    let mut hours: BTreeSet<Hour> = active(host, report, is_hidden).collect();
    hours.extend(report.sensor.blind.range(report.hours()));
    report.spans(hours)
}

/// Hours of the period in which the sensor ran and a host did something, those that are meant.
fn active(
    host: &Host,
    report: &Report,
    is_meant: impl Fn(&HostHour) -> bool,
) -> impl Iterator<Item = Hour> {
    let hours = host.hours.range(report.hours());
    let alike = hours.filter(move |(_, hour)| is_meant(hour));
    let all = alike.map(|(hour, _)| *hour);
    all.filter(|hour| !report.sensor.blind.contains(hour))
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

/// When a host was last on the network, where it has been away since for longer than a weekend and the sensor would have seen it.
pub fn away_since(host: &Host, report: &Report) -> Option<Timestamp> {
    let last = host.as_of.filter(|_| report.has_coverage)?;
    let (first, end) = (hour_of(last).saturating_add(1), hour_of(report.until));
    if first > end {
        return None;
    }
    let blind = report.sensor.blind.range(first..=end).count() as u64;
    let watched = (end.abs_diff(first) + 1).saturating_sub(blind);
    (watched >= LONG_ABSENCE_H).then_some(last)
}
