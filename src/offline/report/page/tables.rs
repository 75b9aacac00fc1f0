//! The same as tables: every host and product, and every host with its times.
//!
//! On a narrow page a row becomes a card, which takes its meaning as a table away; so roles are said.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::civil::Date;
use maud::{Markup, html};

use super::{Entry, MOST_ROWS, View};
use crate::offline::report::Judged;
use crate::offline::report::hours::date_of;
use crate::offline::report::kept::What;
use crate::offline::report::timeline::{Span, absences, blindness};

/// Columns of the products, of the hosts: their words.
const PRODUCTS: [&str; 6] = [
    "col.host",
    "col.product",
    "col.state",
    "col.why",
    "col.last_check",
    "col.last_download",
];
const HOSTS: [&str; 6] = [
    "col.host",
    "col.state",
    "col.addresses",
    "col.hours",
    "col.hidden",
    "col.away",
];
/// Most downloads that stand in a cell, the last ones.
const MOST_DOWNLOADS: usize = 3;
/// Most stretches of time in a sentence or a cell, and in a row of a host without a timeline.
const MOST_SPANS: usize = 24;
const FEW_SPANS: usize = 3;

impl<'a> Entry<'a> {
    /// One for each product; a host without any has one that says so.
    fn rows(self) -> impl Iterator<Item = (Self, Option<&'a Judged>)> + Clone {
        let lanes = self.host.lanes.iter().map(Some);
        let nothing = self.host.lanes.is_empty().then_some(None);
        lanes.chain(nothing).map(move |judged| (self, judged))
    }
}

impl View<'_> {
    pub(super) fn tables(self) -> Markup {
        let rows = self.entries().flat_map(Entry::rows);
        let all = rows.clone().count();
        html! {
            section aria-labelledby="table" {
                h2 #table tabindex="-1" { (self.words.say("table")) }
                (self.rows_left_out(all))
                table.products role="table" {
                    caption { (self.words.say("table_caption")) }
                    (self.columns(&PRODUCTS))
                    tbody role="rowgroup" {
                        @for (entry, judged) in rows.take(MOST_ROWS) {
                            @if let Some(judged) = judged { (self.product(entry, judged)) } @else { (self.nothing(entry)) }
                        }
                    }
                }
            }
            section aria-labelledby="hosts" {
                h2 #hosts { (self.words.say("hosts_table")) }
                p.muted { (self.sensor()) }
                (self.rows_left_out(self.report.hosts.len()))
                table.hosts role="table" {
                    caption { (self.words.say("hosts_caption")) }
                    (self.columns(&HOSTS))
                    tbody role="rowgroup" {
                        @for entry in self.entries().take(MOST_ROWS) { (self.row(entry)) }
                    }
                }
            }
        }
    }

    fn rows_left_out(self, all: usize) -> Markup {
        let more = all.saturating_sub(MOST_ROWS);
        html! { @if more > 0 { p.note { (self.words.fill("rows_left_out", &[("n", &more.to_string())])) } } }
    }

    fn columns(self, columns: &[&str]) -> Markup {
        html! {
            thead role="rowgroup" {
                tr role="row" {
                    @for column in columns { th scope="col" role="columnheader" { (self.words.say(column)) } }
                }
            }
        }
    }

    fn product(self, entry: Entry<'_>, judged: &Judged) -> Markup {
        let host = entry.host;
        html! {
            tr role="row" {
                th scope="row" role="rowheader" { (self.name(entry)) }
                td role="cell" { (judged.lane.habits.title) }
                td role="cell" {
                    (self.badge(Some(judged.state)))
                    @if let Some(as_of) = self.voice.as_of_away(host, self.report) { small.stale { (as_of) } }
                }
                td role="cell" { (self.voice.sentence(judged)) @if entry.is_drawn() { (self.evidence(judged)) } }
                td role="cell" { (self.voice.time_or_dash(judged.last_check())) @if entry.is_drawn() { (self.check_days(judged)) } }
                td role="cell" { @if entry.is_drawn() { (self.downloads(judged)) } @else { (self.voice.time_or_dash(judged.last_download())) } }
            }
        }
    }

    /// A host without a product.
    fn nothing(self, entry: Entry<'_>) -> Markup {
        html! {
            tr role="row" {
                th scope="row" role="rowheader" { (self.name(entry)) }
                td role="cell" { "–" }
                td role="cell" {
                    (self.badge(None))
                    @if let Some(as_of) = self.voice.as_of_away(entry.host, self.report) { small.stale { (as_of) } }
                }
                td role="cell" { (self.words.say("reason.none")) }
                td role="cell" { "–" }
                td role="cell" { "–" }
            }
        }
    }

    /// What the verdict rests on, as far as there are words for people.
    fn evidence(self, judged: &Judged) -> Markup {
        let words = judged.evidence().iter().filter_map(|word| {
            let key = format!("evidence.{word}");
            self.words.find(&key).map(str::to_owned)
        });
        let mut words: Vec<String> = words.collect();
        // The records' word tells which server was meant, which reads as if it had been reached.
        if judged.lane.last(What::Check).is_none() && !judged.lane.events.is_empty() {
            words = vec![self.voice.attempts(judged)];
        }
        html! {
            @if !words.is_empty() { small { (self.words.say("evidence")) ": " (words.join(self.words.say("comma"))) } }
        }
    }

    /// Days on which a server was reached: what the ticks of the timeline say.
    fn check_days(self, judged: &Judged) -> Markup {
        let events = judged.lane.events.iter();
        let shown =
            events.filter(|event| event.what >= What::Check && event.at >= self.report.since);
        let days: BTreeSet<Date> = shown
            .map(|event| date_of(&self.report.zone, event.at))
            .collect();
        html! {
            @if !days.is_empty() {
                small {
                    (self.words.say("col.checks")) ": "
                    @for (at, range) in ranges(&days).iter().enumerate() { @if at > 0 { ", " } span.run { (range) } }
                }
            }
        }
    }

    fn downloads(self, judged: &Judged) -> Markup {
        let all: Vec<_> = judged.downloads().rev().collect();
        html! {
            @if all.is_empty() { "–" }
            @for event in all.iter().take(MOST_DOWNLOADS) {
                div {
                    (self.voice.time(event.at))
                    @if event.is_internal { " (" (self.words.say("own_source")) ")" }
                    @if let Some(what) = &event.payload { small.code { (payload(what)) } }
                }
            }
            @if all.len() > MOST_DOWNLOADS { small { (self.words.fill("more", &[("n", (all.len() - MOST_DOWNLOADS).to_string().as_str())])) } }
        }
    }

    fn row(self, entry: Entry<'_>) -> Markup {
        let host = entry.host;
        html! {
            tr role="row" {
                th scope="row" role="rowheader" { (self.name(entry)) @if let Some(manager) = &host.manager { small { (manager) } } }
                td role="cell" {
                    (self.badge(host.state()))
                    @if let Some(as_of) = self.voice.as_of_away(host, self.report) { small.stale { (as_of) } }
                }
                td role="cell" { (self.system(host)) small.code { (self.own_names(host)) } }
                td role="cell" { (self.voice.activity(host, self.report)) small { (self.coverage(host.hours_of(self.report))) } }
                td role="cell" { (self.blind_spots(host)) }
                td role="cell" { (self.spans(&absences(host, self.report), if entry.is_drawn() { MOST_SPANS } else { FEW_SPANS })) }
            }
        }
    }

    fn sensor(self) -> String {
        let spans = blindness(self.report);
        if spans.is_empty() {
            return self.words.say("sensor_never_blind").to_owned();
        }
        self.words.fill(
            "sensor_blind",
            &[("spans", &self.spans(&spans, MOST_SPANS))],
        )
    }

    fn spans(self, spans: &[Span], most: usize) -> String {
        if spans.is_empty() {
            return self.words.say("none").to_owned();
        }
        let shown = spans.iter().take(most);
        let mut all: Vec<String> = shown
            .map(|span| {
                let (start, end) = (self.short(span.start), self.short(span.end));
                format!("{start} – {end}")
            })
            .collect();
        if spans.len() > all.len() {
            let more = (spans.len() - all.len()).to_string();
            all.push(self.words.fill("more", &[("n", &more)]));
        }
        all.join(", ")
    }

    fn short(self, time: crate::types::Timestamp) -> String {
        crate::offline::report::sentence::moment(&self.report.zone, time, "%m-%d %H:%M")
    }

    /// What stands before each cell where rows are cards.
    pub(super) fn labels(self) -> String {
        let mut style = "@media screen and (max-width:56rem){".to_owned();
        for (table, columns) in [("products", &PRODUCTS[..]), ("hosts", &HOSTS[..])] {
            for (at, column) in columns.iter().enumerate().skip(1) {
                let word = self.words.say(column).replace(['"', '\\', '<'], "");
                let place = at + 1;
                let _ = write!(
                    style,
                    ".{table} td:nth-child({place})::before{{content:\"{word}\"}}"
                );
            }
        }
        style.push('}');
        style
    }
}

/// What was fetched, without the word of its kind.
pub(super) fn payload(what: &str) -> &str {
    what.split_once(' ').map_or(what, |(_, value)| value)
}

/// `11-02–11-06`, `11-09`: days in a row are told by their ends.
fn ranges(days: &BTreeSet<Date>) -> Vec<String> {
    let mut runs: Vec<(Date, Date)> = Vec::new();
    for day in days {
        match runs.last_mut() {
            Some((_, last)) if last.tomorrow().is_ok_and(|next| next == *day) => *last = *day,
            _ => runs.push((*day, *day)),
        }
    }
    let told = runs.iter().map(|(first, last)| {
        let (start, end) = (first.strftime("%m-%d"), last.strftime("%m-%d"));
        if first == last {
            start.to_string()
        } else {
            format!("{start}–{end}")
        }
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_in_a_row_are_told_by_their_ends() {
        let days = ["2026-11-29", "2026-11-30", "2026-12-01", "2026-12-03"];
        let days = days.iter().map(|day| day.parse().unwrap()).collect();
        assert_eq!(ranges(&days), ["11-29–12-01", "12-03"]);
    }
}
