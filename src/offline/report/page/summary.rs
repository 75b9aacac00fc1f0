//! What a reader sees first: how many hosts stand how, which need attention, and for which nobody can tell.

use maud::{Markup, html};

use super::{View, class, icons};
use crate::offline::report::judging::State;
use crate::offline::report::{Host, Judged};

impl View<'_> {
    pub(super) fn summary(self) -> Markup {
        html! {
            section aria-labelledby="summary" {
                h2.quiet #summary { (self.words.say("summary")) }
                (self.attention())
                (self.tiles())
                (self.unclear())
            }
        }
    }

    /// Hosts that are overdue, each with its products and reasons.
    fn attention(self) -> Markup {
        let late: Vec<&Host> = self.with_state(State::Overdue);
        html! {
            div.attention.good[late.is_empty()] {
                @if late.is_empty() {
                    p.headline { (icons::state(State::Downloaded)) (self.words.say("attention_none")) }
                } @else {
                    p.headline { (icons::state(State::Overdue)) (self.words.count("attention_lead", late.len() as u64)) }
                    ul.cards {
                        @for host in late { li.card { (self.card(host)) } }
                    }
                }
            }
        }
    }

    fn card(self, host: &Host) -> Markup {
        html! {
            h3 { a href=(format!("#{}", self.anchor(host))) { (host.name) } }
            p.muted { (self.about(host)) }
            @for judged in of_state(host, State::Overdue) {
                p.why { (self.badge(State::Overdue)) " " strong { (judged.lane.habits.title) } br; (self.voice.sentence(&judged.reason)) }
            }
            p.muted { (self.as_of(host)) }
        }
    }

    /// How many hosts stand how: each by what needs attention most.
    fn tiles(self) -> Markup {
        html! {
            ul.tiles {
                @for state in State::ALL {
                    li class=(format!("tile {}", class(state))) {
                        p.number { (icons::state(state)) (self.with_state(state).len()) }
                        p.word { (self.state(state)) }
                        p.muted { (self.words.say(match state {
                            State::Overdue => "help.overdue",
                            State::CannotTell => "help.cannot_tell",
                            State::NotSeen => "help.not_seen",
                            State::Checked => "help.checked",
                            State::Downloaded => "help.downloaded",
                        })) }
                    }
                }
            }
        }
    }

    /// Hosts of which something cannot be told: never to be taken for late.
    fn unclear(self) -> Markup {
        let mut hosts = self.with_state(State::CannotTell);
        let partly = self.with_state(State::Overdue).into_iter();
        hosts.extend(partly.filter(|host| of_state(host, State::CannotTell).next().is_some()));
        html! {
            @if !hosts.is_empty() {
                section.unclear-list aria-labelledby="unclear" {
                    h3 #unclear { (icons::state(State::CannotTell)) (self.words.say("unclear")) }
                    p.muted { (self.words.say("unclear_lead")) }
                    ul {
                        @for host in hosts {
                            @for judged in of_state(host, State::CannotTell) {
                                li {
                                    a href=(format!("#{}", self.anchor(host))) { (host.name) }
                                    " · " (judged.lane.habits.title) ": " (self.voice.sentence(&judged.reason))
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn with_state(&self, state: State) -> Vec<&Host> {
        let hosts = self.report.hosts.iter();
        hosts.filter(|host| host.state() == Some(state)).collect()
    }

    /// Addresses, system, who looks after it.
    pub(super) fn about(self, host: &Host) -> String {
        const MOST: usize = 2;
        let mut parts = vec![self.system(host)];
        let shown = host.addresses.iter().take(MOST);
        parts.extend(shown.map(ToString::to_string));
        if host.addresses.len() > MOST {
            let more = (host.addresses.len() - MOST).to_string();
            parts.push(self.words.fill("more", &[("n", &more)]));
        }
        parts.extend(host.manager.clone());
        parts.retain(|part| *part != host.name);
        parts.join(" · ")
    }

    pub(super) fn as_of(self, host: &Host) -> String {
        self.words
            .fill("as_of", &[("at", &self.voice.time_or_dash(host.as_of))])
    }

    /// Where a host's timeline stands: by its place, because its name may hold anything.
    pub(super) fn anchor(self, host: &Host) -> String {
        let place = self
            .report
            .hosts
            .iter()
            .position(|other| std::ptr::eq(other, host));
        format!("host-{}", place.unwrap_or_default() + 1)
    }
}

fn of_state(host: &Host, state: State) -> impl Iterator<Item = &Judged> {
    host.lanes
        .iter()
        .filter(move |judged| judged.state == state)
}
