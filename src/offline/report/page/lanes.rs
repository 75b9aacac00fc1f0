//! The timeline: a lane a product, every host on one axis, hosts of the same system beside each other.
//!
//! A lane's checks are one path of ticks in a drawing that is stretched to the width there is; downloads, and what else has a shape, stand at
//! per cents of it, so that they keep theirs. Ticks that would fall on each other are drawn once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use jiff::ToSpan as _;
use jiff::civil::{Date, Weekday};
use maud::{Markup, html};

use super::tables::payload;
use super::{Entry, MOST_TIMELINES, View, icons, system_name};
use crate::offline::report::hours::date_of;
use crate::offline::report::judging::Offer;
use crate::offline::report::kept::What;
use crate::offline::report::timeline::{
    Span, absences, blindness, hidden, own_source, partly_hidden, unwatched,
};
use crate::offline::report::{Host, Judged};
use crate::types::Timestamp;

/// Height of a lane, in pixels; the style has the same.
const LANE: usize = 28;
/// Height of the mark of an own server, at the foot of a lane.
const OWN: usize = 5;
/// Steps of the axis that ticks can be told apart by.
const STEPS: u64 = 1_000;
/// Steps that marks with a shape can be told apart by.
const MARK_STEPS: u64 = 200;
/// Most days with a label each, then weeks, then months.
const MOST_DAYS: i64 = 10;
const MOST_WEEKS: i64 = 75;

impl View<'_> {
    /// Its heading, its legend, and a group of hosts for each system.
    pub(super) fn timeline(self) -> Markup {
        let mut groups: BTreeMap<(bool, &str), Vec<Entry<'_>>> = BTreeMap::new();
        for entry in self.entries().take_while(|entry| entry.is_drawn()) {
            let name = entry.host.os.as_ref().map_or("", |os| os.name.as_str());
            let group = groups.entry((name.is_empty(), name)).or_default();
            group.push(entry);
        }
        html! {
            section aria-labelledby="timeline" {
                h2 #timeline { (self.words.say("timeline")) }
                p.muted { (self.words.say("timeline_lead")) }
                (self.left_out())
                (self.legend())
                @for ((is_unknown, name), entries) in groups {
                    section.group {
                        h3 {
                            (self.words.fill("group", &[
                                ("os", if is_unknown { self.words.say("os.unknown").to_owned() } else { system_name(name) }.as_str()),
                                ("hosts", &self.words.count("hosts", entries.len() as u64)),
                            ]))
                        }
                        (self.axis())
                        @for entry in entries { (self.host(entry)) }
                    }
                }
            }
        }
    }

    /// How many hosts have no timeline.
    fn left_out(self) -> Markup {
        let more = self.report.hosts.len().saturating_sub(MOST_TIMELINES);
        let values = [
            ("shown", &*MOST_TIMELINES.to_string()),
            ("hosts", &self.words.count("hosts", more as u64)),
        ];
        html! { @if more > 0 { p.note { (self.words.fill("timelines_left_out", &values)) } } }
    }

    fn legend(self) -> Markup {
        let hours = self.report.shortest_absence();
        html! {
            ul.legend aria-label=(self.words.say("legend")) {
                (self.key("legend.check", &html! { path.tick d="M8 2v12" {} }))
                (self.key("legend.download", &html! { use.download href="#m-download" x="8" y="8" {} }))
                (self.key("legend.offer", &html! { use.offer href="#m-offer" x="8" y="8" {} }))
                (self.key("legend.attempt", &html! { use.attempt href="#m-attempt" x="8" y="8" {} }))
                (self.key("legend.waiting", &html! { rect.waiting width="16" height="2" y="7" {} }))
                (self.key("legend.overdue", &html! { rect.late width="16" height="4" y="6" {} }))
                (self.key("legend.away", &html! { rect.away width="16" height="16" {} }))
                (self.key("legend.off", &html! { rect.off width="8" height="16" x="4" {} }))
                (self.key("legend.hidden", &html! { rect.hidden width="16" height="16" {} }))
                (self.key("legend.partial", &html! { rect.partial width="16" height="16" {} }))
                (self.key("legend.own", &html! { rect.own width="16" height="5" y="6" {} }))
            }
            @if hours > Duration::from_secs(3_600) {
                p.muted { (self.words.fill("legend.nights", &[("limit", &self.voice.length(hours))])) }
            }
        }
    }

    fn key(self, word: &str, shape: &Markup) -> Markup {
        html! {
            li { svg.key width="16" height="16" aria-hidden="true" focusable="false" { (shape) } (self.words.say(word)) }
        }
    }

    /// Days, weeks or months.
    fn axis(self) -> Markup {
        html! {
            div.host.axis aria-hidden="true" {
                div {}
                svg.plot width="100%" height="20" {
                    @for (date, place) in self.dates() {
                        line.grid x1=(place) x2=(place) y1="14" y2="20" {}
                        text x=(place) y="11" { (date) }
                    }
                }
            }
        }
    }

    /// Where the axis has a date, and which.
    fn dates(self) -> Vec<(String, String)> {
        let zone = &self.report.zone;
        let (first, last) = (
            date_of(zone, self.report.since),
            date_of(zone, self.report.until),
        );
        let days = first
            .until(last)
            .map_or(0, |span| i64::from(span.get_days()));
        let is_marked = |date: Date| {
            if days <= MOST_DAYS {
                true
            } else if days <= MOST_WEEKS {
                date.weekday() == Weekday::Monday
            } else {
                date.day() == 1
            }
        };
        let all = first.series(1.day()).take_while(|date| *date <= last);
        all.filter(|date| is_marked(*date))
            .filter_map(|date| {
                let start = zone.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
                let start = Timestamp::from_seconds(start.as_second(), 0);
                (start >= self.report.since)
                    .then(|| (date.strftime("%m-%d").to_string(), self.percent(start)))
            })
            .collect()
    }

    fn host(self, entry: Entry<'_>) -> Markup {
        let host = entry.host;
        let gaps = unwatched(host, self.report);
        let height = (host.lanes.len().max(1) * LANE).to_string();
        let values = [
            ("host", host.name.as_str()),
            ("since", &*self.voice.time(self.report.since)),
            ("until", &*self.voice.time(self.report.until)),
        ];
        html! {
            article.host #(entry.anchor()) {
                h4 { (host.name) " " span.muted { (self.about(host)) " · " (self.activity(host)) } }
                ul.names {
                    @for judged in &host.lanes {
                        li { (icons::state(Some(judged.state))) span.visually-hidden { (self.state(Some(judged.state))) ": " } (judged.lane.habits.title) }
                    }
                }
                svg.plot width="100%" height=(height) role="img" aria-label=(self.words.fill("timeline_label", &values)) {
                    @for (_, place) in self.dates() { line.grid x1=(place) x2=(place) y1="0" y2="100%" {} }
                    @for span in absences(host, self.report) { (self.band("away", span)) }
                    @for span in partly_hidden(host, self.report) { (self.band("partial", span)) }
                    @for span in hidden(host, self.report) { (self.band("hidden", span)) }
                    @for (at, judged) in host.lanes.iter().enumerate() {
                        line.base x1="0" x2="100%" y1=(at * LANE + LANE / 2) y2=(at * LANE + LANE / 2) {}
                        (self.own_source(host, judged, at * LANE))
                        (self.late_line(judged, &gaps, at * LANE + LANE / 2))
                    }
                    // Over the lines, because a short band is wider than its time.
                    @for span in blindness(self.report) { (self.band("off", span)) }
                    @for (at, judged) in host.lanes.iter().enumerate() { (self.lane(judged, at * LANE)) }
                }
            }
        }
    }

    fn band(self, class: &str, span: Span) -> Markup {
        let width = self.width(span);
        // However short, it has its look.
        let style = format!("width:max(4px,{width})");
        html! { rect class=(class) x=(self.percent(span.start)) width=(width) height="100%" style=[(class != "away").then_some(style)] {} }
    }

    /// Where a server of the site may have given updates of this product.
    fn own_source(self, host: &Host, judged: &Judged, top: usize) -> Markup {
        let is_of_system = judged.lane.habits.is_of_system;
        let spans = is_of_system.then(|| own_source(host, self.report));
        html! {
            @for span in spans.into_iter().flatten() {
                rect.own x=(self.percent(span.start)) width=(self.width(span)) y=(top + LANE - OWN) height=(OWN) {}
            }
        }
    }

    /// From the last contact or the offer on: thin until the limit was passed, then thick; nothing where the host was away or not seen.
    fn late_line(self, judged: &Judged, gaps: &[Span], middle: usize) -> Markup {
        let late = judged.reason.late();
        let parts = late.map(|late| {
            [
                ("waiting", 2, late.since, late.passed),
                ("late", 4, late.passed, late.until),
            ]
        });
        html! {
            @for (class, height, start, end) in parts.into_iter().flatten() {
                @for span in (Span { start: start.max(self.report.since), end }).without(gaps) {
                    rect class=(class) x=(self.percent(span.start)) y=(middle - height / 2) height=(height) width=(self.width(span)) {}
                }
            }
        }
    }

    fn lane(self, judged: &Judged, top: usize) -> Markup {
        let middle = (top + LANE / 2).to_string();
        html! {
            svg y=(top) width="100%" height=(LANE) viewBox=(format!("0 0 {STEPS} {LANE}")) preserveAspectRatio="none" {
                path.tick d=(self.ticks(judged)) {}
            }
            (self.marks(judged, &middle))
        }
    }

    /// Checks that reached a server.
    fn ticks(self, judged: &Judged) -> String {
        let events = judged
            .lane
            .events
            .iter()
            .filter(|event| event.what == What::Check);
        let steps: BTreeSet<u64> = events
            .filter_map(|event| self.step(event.at, STEPS))
            .collect();
        let mut path = String::new();
        for step in steps {
            let _ = write!(path, "M{step} 6v16");
        }
        path
    }

    /// What has a shape of its own; downloads above everything else.
    fn marks(self, judged: &Judged, middle: &str) -> Markup {
        let lane = &judged.lane;
        let attempts = lane
            .events
            .iter()
            .filter(|event| event.what == What::Attempt);
        let places = |times: &mut dyn Iterator<Item = Timestamp>| -> Vec<String> {
            let mut seen = BTreeSet::new();
            let apart = times.filter(|at| {
                self.step(*at, MARK_STEPS)
                    .is_some_and(|step| seen.insert(step))
            });
            apart.map(|at| self.percent(at)).collect()
        };
        let mut seen = BTreeSet::new();
        let fetched = judged.downloads().filter(|event| {
            self.step(event.at, MARK_STEPS)
                .is_some_and(|step| seen.insert(step))
        });
        let mut seen = BTreeSet::new();
        let waiting = lane.offers.iter().filter(|offer| {
            let step = self.step(offer.at, MARK_STEPS);
            offer.is_waiting() && step.is_some_and(|step| seen.insert(step))
        });
        html! {
            @for place in places(&mut attempts.map(|event| event.at)) { use.attempt href="#m-attempt" x=(place) y=(middle) {} }
            @for offer in waiting {
                use.offer href="#m-offer" x=(self.percent(offer.at)) y=(middle) { title { (self.offer_title(offer, judged)) } }
            }
            @for event in fetched {
                use.download href="#m-download" x=(self.percent(event.at)) y=(middle) {
                    title { (self.voice.time(event.at)) @if let Some(what) = &event.payload { " " (payload(what)) } }
                }
            }
        }
    }

    fn offer_title(self, offer: &Offer, judged: &Judged) -> String {
        let values = [
            ("at", &*self.voice.time(offer.at)),
            ("product", &judged.lane.habits.title),
            ("known", self.voice.known_from(offer)),
        ];
        self.words.fill("legend.offer_title", &values)
    }

    /// How far along the axis, of `steps`; `None` outside of the period.
    fn step(self, at: Timestamp, steps: u64) -> Option<u64> {
        let is_within = (self.report.since..=self.report.until).contains(&at);
        is_within.then(|| (self.share(at) * steps as f64).round() as u64)
    }

    fn share(self, at: Timestamp) -> f64 {
        let whole = self
            .report
            .until
            .since(self.report.since)
            .as_secs_f64()
            .max(1.0);
        at.since(self.report.since).as_secs_f64() / whole
    }

    fn percent(self, at: Timestamp) -> String {
        percent(self.share(at))
    }

    fn width(self, span: Span) -> String {
        percent(self.share(span.end) - self.share(span.start))
    }
}

fn percent(share: f64) -> String {
    format!("{:.2}%", (share * 100.0).clamp(0.0, 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_as_high_in_the_drawing_as_in_the_style() {
        let style = include_str!("style.css");
        assert!(style.contains(&format!("--lane: {LANE}px;")));
        assert_eq!(percent(0.12345), "12.35%");
    }
}
