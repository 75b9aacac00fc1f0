//! A report as one HTML page that needs nothing else: no script, no image, no font, no request.
//!
//! Everything that goes into it passes through `maud`, which escapes text and attributes; names on it come from the wire.
//!
//! However many hosts there are, it stays one that a browser can show: drawings, cards and rows have limits, those that need attention come first, and what
//! is left out is told.
//!
//! * `about`: a host in a line
//! * `summary`: what a reader sees first
//! * `lanes`: the timeline
//! * `tables`: the same as tables
//! * `icons`: shapes of states and marks

mod about;
mod icons;
mod lanes;
mod summary;
mod tables;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::judging::State;
use super::sentence::Voice;
use super::words::{Language, Words};
use super::{Host, Report};

const STYLE: &str = include_str!("page/style.css");
/// Nothing may be loaded from anywhere.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Most hosts with a timeline, and with days, payloads and evidence in the table.
pub const MOST_TIMELINES: usize = 200;
/// Most overdue hosts with a card each; the next have a line.
pub const MOST_CARDS: usize = 15;
/// Most lines of a list.
pub const MOST_LISTED: usize = 100;
/// Most rows of a table.
pub const MOST_ROWS: usize = 10_000;

/// The page.
pub fn page(report: &Report, language: Language) -> String {
    let words = Words::of(language);
    let voice = Voice {
        words: &words,
        zone: &report.zone,
    };
    let view = View {
        report,
        voice: &voice,
        words: &words,
    };
    let document = html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (words.say("title")) " · " (view.period()) }
                style { (PreEscaped(STYLE)) (PreEscaped(view.labels())) }
            }
            body {
                a.skip href="#table" { (words.say("skip")) }
                (icons::definitions())
                (view.body())
            }
        }
    };
    document.into_string()
}

/// What the parts of the page are made from.
#[derive(Clone, Copy)]
struct View<'a> {
    report: &'a Report,
    voice: &'a Voice<'a>,
    words: &'a Words,
}

/// A host, and its place in the order of what needs attention, from 1 on.
#[derive(Clone, Copy)]
struct Entry<'a> {
    number: usize,
    host: &'a Host,
}

impl Entry<'_> {
    /// Whether it has a timeline, and all that is known of it in the table.
    const fn is_drawn(self) -> bool {
        self.number <= MOST_TIMELINES
    }

    /// Where its timeline stands: by its place, because its name may hold anything.
    fn anchor(self) -> String {
        format!("host-{}", self.number)
    }
}

impl<'a> View<'a> {
    /// Every host, what needs attention first.
    fn entries(self) -> impl Iterator<Item = Entry<'a>> + Clone {
        let hosts = self.report.hosts.iter();
        hosts.zip(1..).map(|(host, number)| Entry { number, host })
    }
}

impl View<'_> {
    fn body(self) -> Markup {
        html! {
            header.top {
                h1 { (self.words.say("title")) }
                p.lead { (self.period()) }
                p.caveat { (self.words.say("caveat")) }
                @if !self.report.has_coverage {
                    p.note { (self.words.say("no_coverage_note")) }
                }
                @if let Some(left_out) = self.voice.left_out(self.report) { p.note { (left_out) } }
            }
            main {
                (self.summary())
                @if self.report.hosts.is_empty() {
                    p.note { (self.words.say("no_hosts")) }
                } @else {
                    (self.timeline())
                    (self.tables())
                }
            }
            footer {
                p.muted { (self.words.fill("made_from", &[("until", &self.voice.time(self.report.until))])) }
                p { strong { (self.words.say("foot")) } " " (self.words.say("foot_absence")) }
            }
        }
    }

    fn period(self) -> String {
        let values = [
            ("since", &*self.voice.time(self.report.since)),
            ("until", &*self.voice.time(self.report.until)),
            ("zone", self.voice.zone_name()),
        ];
        self.words.fill("period", &values)
    }

    /// A host's name; it leads to its timeline, where it has one.
    fn name(self, entry: Entry<'_>) -> Markup {
        html! {
            @if entry.is_drawn() { a href=(format!("#{}", entry.anchor())) { (entry.host.name) } } @else { (entry.host.name) }
        }
    }

    /// A state's icon and word; `None`: there is nothing to judge.
    fn badge(self, state: Option<State>) -> Markup {
        html! {
            span class=(format!("badge {}", class(state))) { (icons::state(state)) (self.state(state)) }
        }
    }

    /// A state's word.
    fn state(&self, state: Option<State>) -> &str {
        self.words.say(match state {
            Some(State::Overdue) => "state.overdue",
            Some(State::CannotTell) => "state.cannot_tell",
            Some(State::NotSeen) => "state.not_seen",
            Some(State::Checked) => "state.checked",
            Some(State::Downloaded) => "state.downloaded",
            None => "state.none",
        })
    }

    /// What a host's system is called.
    fn system(&self, host: &Host) -> String {
        let Some(os) = &host.os else {
            return self.words.say("os.unknown").to_owned();
        };
        let mut name = system_name(&os.name);
        if let Some(version) = &os.version {
            name.push(' ');
            name.push_str(version);
        }
        if os.is_mixed {
            name.push_str(&format!(" ({})", self.words.say("os.mixed")));
        }
        name
    }
}

/// The usual way to write a system's name.
fn system_name(word: &str) -> String {
    let known = [
        ("windows", "Windows"),
        ("macos", "macOS"),
        ("ios", "iOS"),
        ("android", "Android"),
        ("chromeos", "ChromeOS"),
        ("debian", "Debian"),
        ("ubuntu", "Ubuntu"),
        ("fedora", "Fedora"),
        ("rhel", "RHEL"),
        ("suse", "SUSE"),
        ("arch", "Arch Linux"),
        ("linux", "Linux"),
    ];
    let found = known.iter().find(|(own, _)| *own == word);
    found.map_or(word, |(_, name)| name).to_owned()
}

/// Of a state, in the style.
const fn class(state: Option<State>) -> &'static str {
    match state {
        Some(State::Overdue) => "overdue",
        Some(State::CannotTell) => "unclear",
        Some(State::NotSeen) => "unseen",
        Some(State::Checked) => "checked",
        Some(State::Downloaded) => "fetched",
        None => "none",
    }
}
