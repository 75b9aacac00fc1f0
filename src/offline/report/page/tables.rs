//! The same as tables: every host and product, and every host with its times.
//!
//! On a narrow page a row becomes a card, which takes its meaning as a table away; so roles are said.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::civil::Date;
use maud::{Markup, html};

use super::View;
use crate::offline::report::data::HoursData;
use crate::offline::report::hours::date_of;
use crate::offline::report::kept::What;
use crate::offline::report::timeline::{Span, absences, blindness};
use crate::offline::report::{Host, Judged};

/// Columns of the products, of the hosts: their words.
const PRODUCTS: [&str; 9] = [
    "col.host",
    "col.product",
    "col.state",
    "col.why",
    "col.last_check",
    "col.last_download",
    "col.evidence",
    "col.coverage",
    "col.as_of",
];
const HOSTS: [&str; 6] = [
    "col.host",
    "col.os",
    "col.addresses",
    "col.hours",
    "col.hidden",
    "col.away",
];
/// Most downloads, and most stretches of time, that stand in a cell.
const MOST: usize = 6;

impl View<'_> {
    pub(super) fn tables(self) -> Markup {
        html! {
            section aria-labelledby="table" {
                h2 #table tabindex="-1" { (self.words.say("table")) }
                table.products role="table" {
                    caption { (self.words.say("table_caption")) }
                    (self.columns(&PRODUCTS))
                    tbody role="rowgroup" {
                        @for host in &self.report.hosts {
                            @for judged in &host.lanes { (self.product(host, judged)) }
                        }
                    }
                }
            }
            section aria-labelledby="hosts" {
                h2 #hosts { (self.words.say("hosts_table")) }
                p.muted { (self.sensor()) }
                table.hosts role="table" {
                    caption { (self.words.say("hosts_caption")) }
                    (self.columns(&HOSTS))
                    tbody role="rowgroup" {
                        @for host in &self.report.hosts { (self.row(host)) }
                    }
                }
            }
        }
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

    fn product(self, host: &Host, judged: &Judged) -> Markup {
        let hours = host.hours_of(self.report);
        html! {
            tr role="row" {
                th scope="row" role="rowheader" { (host.name) }
                td role="cell" { (judged.lane.habits.title) }
                td role="cell" { (self.badge(judged.state)) }
                td role="cell" { (self.voice.sentence(&judged.reason)) }
                td role="cell" { (self.voice.time_or_dash(judged.last_check())) (self.check_days(judged)) }
                td role="cell" { (self.downloads(judged)) }
                td.code role="cell" { (judged.evidence().join(", ")) }
                td role="cell" { (self.coverage(hours)) }
                td role="cell" { (self.voice.time_or_dash(host.as_of)) }
            }
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
            @if !days.is_empty() { small { (self.words.say("col.checks")) ": " (ranges(&days)) } }
        }
    }

    fn downloads(self, judged: &Judged) -> Markup {
        let all: Vec<_> = judged.downloads().rev().collect();
        html! {
            @if all.is_empty() { "–" }
            @for event in all.iter().take(MOST) {
                div {
                    (self.voice.time(event.at))
                    @if let Some(what) = &event.payload { " " span.code { (what) } }
                    @if event.is_internal { " (" (self.words.say("own_source")) ")" }
                }
            }
            @if all.len() > MOST { small { (self.words.fill("more", &[("n", (all.len() - MOST).to_string().as_str())])) } }
        }
    }

    fn row(self, host: &Host) -> Markup {
        let hours = host.hours_of(self.report);
        let hidden = host.hidden(self.report);
        let addresses = host.addresses.iter().map(ToString::to_string);
        let macs = host
            .macs
            .iter()
            .map(|mac| crate::offline::report::whose::mac_text(*mac));
        let all: Vec<String> = addresses
            .chain(macs)
            .chain(host.names.iter().cloned())
            .collect();
        html! {
            tr role="row" {
                th scope="row" role="rowheader" { (host.name) @if let Some(manager) = &host.manager { small { (manager) } } }
                td role="cell" { (self.system(host)) }
                td.code role="cell" { (all.join(", ")) }
                td role="cell" { (self.coverage(hours)) }
                td role="cell" { @if hidden.is_empty() { (self.words.say("none")) } @else { (self.voice.coverage_words(hidden)) } }
                td role="cell" { (self.spans(&absences(host, self.report))) }
            }
        }
    }

    /// How many of a host's hours were seen completely.
    fn coverage(self, hours: HoursData) -> String {
        let percent = hours.percent().to_string();
        let values = [
            ("percent", percent.as_str()),
            ("hours", &self.words.count("hours", hours.total())),
        ];
        self.words.fill("coverage_of", &values)
    }

    fn sensor(self) -> String {
        let spans = blindness(self.report);
        if spans.is_empty() {
            return self.words.say("sensor_never_blind").to_owned();
        }
        self.words
            .fill("sensor_blind", &[("spans", &self.spans(&spans))])
    }

    fn spans(self, spans: &[Span]) -> String {
        if spans.is_empty() {
            return self.words.say("none").to_owned();
        }
        let shown = spans.iter().take(MOST * 4);
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

/// `11-02–11-06, 11-09`: days in a row are told by their ends.
fn ranges(days: &BTreeSet<Date>) -> String {
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
    told.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_in_a_row_are_told_by_their_ends() {
        let days = ["2026-11-29", "2026-11-30", "2026-12-01", "2026-12-03"];
        let days = days.iter().map(|day| day.parse().unwrap()).collect();
        assert_eq!(ranges(&days), "11-29–12-01, 12-03");
    }
}
