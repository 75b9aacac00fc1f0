//! What a reader sees first: which hosts need attention, how many stand how, for which nobody can tell, and which were away.

use maud::{Markup, html};

use super::{Entry, MOST_CARDS, MOST_LISTED, View, class, icons};
use crate::offline::report::judging::{Late, Reason, State};
use crate::offline::report::timeline::away_since;
use crate::offline::report::{Host, Judged};

impl<'a> View<'a> {
    pub(super) fn summary(self) -> Markup {
        html! {
            section aria-labelledby="summary" {
                h2.quiet #summary { (self.words.say("summary")) }
                (self.attention())
                @if !self.report.hosts.is_empty() { (self.tiles()) }
                div.lists {
                    (self.of_state(State::CannotTell, "unclear"))
                    div { (self.of_state(State::NotSeen, "unseen")) (self.away()) }
                }
            }
        }
    }

    /// Hosts that are overdue, each with its products and reasons.
    fn attention(self) -> Markup {
        let late = self.with_state(Some(State::Overdue));
        html! {
            div.attention.good[late.is_empty()] {
                @if late.is_empty() {
                    p.headline { (icons::state(Some(State::Downloaded))) (self.words.say("attention_none")) }
                } @else {
                    p.headline { (icons::state(Some(State::Overdue))) (self.words.count("attention_lead", late.len() as u64)) }
                    p.muted { (self.words.say("counts")) }
                    ul.cards {
                        @for entry in late.iter().take(MOST_CARDS) { li.card { (self.card(*entry)) } }
                    }
                    @if late.len() > MOST_CARDS {
                        ul.lines { @for entry in late.iter().take(MOST_LISTED).skip(MOST_CARDS) { li { (self.line(*entry)) } } }
                    }
                    (self.and_more("more_overdue", late.len()))
                    p.muted { (self.voice.counting(self.report)) }
                }
            }
        }
    }

    fn card(self, entry: Entry<'_>) -> Markup {
        let host = entry.host;
        html! {
            h3 { (self.name(entry)) }
            p.muted { (self.about(host)) }
            @for (judged, late) in host.lanes.iter().filter_map(late) {
                p.why {
                    strong { (judged.lane.habits.title) } br;
                    span.late-for { (self.late(&judged.reason, late)) } br;
                    strong { (self.voice.tested(late)) } br;
                    (self.voice.sentence(judged))
                }
            }
            p.muted { (self.activity(host)) }
        }
    }

    /// The same in one line.
    fn line(self, entry: Entry<'_>) -> Markup {
        html! {
            (self.name(entry))
            @for (judged, late) in entry.host.lanes.iter().filter_map(late) {
                " · " (judged.lane.habits.title) ": " strong { (self.late(&judged.reason, late)) }
            }
        }
    }

    /// What is missing, and for how long: `No check seen for 20 days`.
    fn late(self, reason: &Reason, late: &Late) -> String {
        let elapsed = self.voice.elapsed(late.elapsed());
        let key = format!("late.{}", reason.as_str());
        self.words.fill(&key, &[("elapsed", &elapsed)])
    }

    /// How many hosts stand how: each in one tile, by what needs attention most.
    fn tiles(self) -> Markup {
        let all = self.words.count("hosts", self.report.hosts.len() as u64);
        let states = State::ALL.map(Some).into_iter().chain([None]);
        html! {
            p.lead { (self.words.fill("by_state", &[("hosts", &all)])) }
            ul.tiles { @for state in states { (self.tile(state)) } }
        }
    }

    fn tile(self, state: Option<State>) -> Markup {
        let hosts = self.with_state(state);
        let away = hosts
            .iter()
            .filter(|entry| self.is_away(entry.host))
            .count();
        let help = match state {
            Some(State::Overdue) => "help.overdue",
            Some(State::CannotTell) => "help.cannot_tell",
            Some(State::NotSeen) => "help.not_seen",
            Some(State::Checked) => "help.checked",
            Some(State::Downloaded) => "help.downloaded",
            None => "help.none",
        };
        html! {
            li class=(format!("tile {}", class(state))) {
                p.number { (icons::state(state)) (hosts.len()) }
                p.word { (self.state(state)) }
                p.muted { (self.words.say(help)) }
                @if away > 0 {
                    p.stale { (self.words.fill("tile_away", &[("hosts", &self.words.count("hosts", away as u64))])) }
                }
            }
        }
    }

    /// Hosts of which something cannot be told, or was not seen, and why: never to be taken for late. `key` is that of its words.
    fn of_state(self, state: State, key: &str) -> Markup {
        let lines: Vec<(Entry<'_>, &Judged)> = self
            .entries()
            .flat_map(|entry| entry.host.lanes.iter().map(move |judged| (entry, judged)))
            .filter(|(_, judged)| judged.state == state)
            .collect();
        html! {
            @if !lines.is_empty() {
                section class=(format!("list {key}")) aria-labelledby=(key) {
                    h3 #(key) { (icons::state(Some(state))) (self.words.say(key)) }
                    p.muted { (self.words.say(&format!("{key}_lead"))) }
                    ul {
                        @for (entry, judged) in lines.iter().take(MOST_LISTED) {
                            li { (self.name(*entry)) " · " (judged.lane.habits.title) ": " (self.voice.sentence(judged)) }
                        }
                    }
                    (self.and_more("more_listed", lines.len()))
                }
            }
        }
    }

    /// Hosts that were not here lately: whatever is said of them is as old as that.
    fn away(self) -> Markup {
        let hosts: Vec<Entry<'_>> = self
            .entries()
            .filter(|entry| self.is_away(entry.host))
            .collect();
        html! {
            @if !hosts.is_empty() {
                section.list.away-list aria-labelledby="away" {
                    h3 #away { (self.words.say("away")) }
                    p.muted { (self.words.say("away_lead")) }
                    ul { @for entry in hosts.iter().take(MOST_LISTED) { li { (self.name(*entry)) ": " (self.away_line(entry.host)) } } }
                    (self.and_more("more_listed", hosts.len()))
                }
            }
        }
    }

    fn away_line(self, host: &Host) -> String {
        let (until, last) = (self.report.until, host.as_of.unwrap_or(self.report.until));
        let values = [
            ("at", &*self.voice.time(last)),
            ("elapsed", &self.voice.elapsed(until.since(last))),
            ("state", self.state(host.state())),
        ];
        self.words.fill("away_line", &values)
    }

    fn is_away(self, host: &Host) -> bool {
        away_since(host, self.report).is_some()
    }

    /// How many of `all` a list of limited length leaves out.
    fn and_more(self, key: &str, all: usize) -> Markup {
        let more = all.saturating_sub(MOST_LISTED);
        html! { @if more > 0 { p.note { (self.words.fill(key, &[("n", &more.to_string())])) } } }
    }

    fn with_state(self, state: Option<State>) -> Vec<Entry<'a>> {
        let entries = self.entries();
        entries
            .filter(|entry| entry.host.state() == state)
            .collect()
    }
}

/// What is overdue, and how.
fn late(judged: &Judged) -> Option<(&Judged, &Late)> {
    Some((judged, judged.reason.late()?)).filter(|(judged, _)| judged.state == State::Overdue)
}
