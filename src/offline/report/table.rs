//! A report for a terminal: a line a host and product, what needs attention first; the reason is broken to the width there is.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::judging::State;
use super::sentence::Voice;
use super::words::{Language, Words};
use super::{Host, Judged, Report};

/// The least that a reason needs; a narrower terminal breaks lines by itself.
const NARROWEST: usize = 24;
/// Longest name that is shown whole.
const LONGEST_NAME: usize = 28;
const GAP: &str = "  ";

/// Text with a newline behind each line; `width` is that of the terminal, `None` where nobody looks.
pub fn text(report: &Report, language: Language, width: Option<usize>) -> String {
    let words = Words::of(language);
    let voice = Voice {
        words: &words,
        zone: &report.zone,
    };
    let mut text = String::new();
    head(&mut text, report, &voice);
    let mut rows = rows(report, &voice);
    if rows.is_empty() {
        let _ = writeln!(text, "{}", words.say("no_hosts"));
    } else {
        rows.insert(0, columns(&words));
    }
    let widths: Vec<usize> = (0..5)
        .map(|column| {
            rows.iter()
                .map(|row| row.cells[column].width())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let taken: usize = widths.iter().map(|width| width + GAP.len()).sum();
    let room = width.map(|width| width.saturating_sub(taken).max(NARROWEST));
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.cells.iter().zip(&widths) {
            line.push_str(&padded(cell, *width));
            line.push_str(GAP);
        }
        let reason = room.map_or_else(
            || vec![row.reason.clone()],
            |room| broken(&row.reason, room),
        );
        for (at, part) in reason.iter().enumerate() {
            let before = if at == 0 {
                line.clone()
            } else {
                " ".repeat(taken)
            };
            let _ = writeln!(text, "{}", format!("{before}{part}").trim_end());
        }
    }
    text.push('\n');
    let is_late = report
        .hosts
        .iter()
        .any(|host| host.state() == Some(State::Overdue));
    if is_late {
        let _ = writeln!(text, "{}", words.say("counts"));
        let _ = writeln!(text, "{}", voice.counting(report));
    }
    for note in ["foot", "foot_absence"] {
        let _ = writeln!(text, "{}", words.say(note));
    }
    text
}

fn head(text: &mut String, report: &Report, voice: &Voice<'_>) {
    let words = voice.words;
    let values = [
        ("since", &*voice.time(report.since)),
        ("until", &*voice.time(report.until)),
        ("zone", voice.zone_name()),
    ];
    let _ = writeln!(text, "{}", words.fill("period", &values));
    if !report.has_coverage {
        let _ = writeln!(text, "{}", words.say("no_coverage_note"));
    }
    for state in State::ALL.map(Some).into_iter().chain([None]) {
        let hosts = report.hosts.iter();
        let number = hosts.filter(|host| host.state() == state).count();
        let word = state.map_or("none", State::as_str);
        let _ = writeln!(
            text,
            "  {} {}: {}",
            state.map_or(' ', mark),
            words.say(&format!("state.{word}")),
            words.count("hosts", number as u64)
        );
    }
    text.push('\n');
}

struct Row {
    cells: [String; 5],
    reason: String,
}

fn rows(report: &Report, voice: &Voice<'_>) -> Vec<Row> {
    let hosts = report.hosts.iter();
    let lanes = hosts.flat_map(|host| host.lanes.iter().map(move |judged| (host, judged)));
    let mut rows: Vec<_> = lanes
        .map(|(host, judged)| {
            let state = format!("state.{}", judged.state.as_str());
            let row = Row {
                cells: [
                    format!("{} {}", mark(judged.state), voice.words.say(&state)),
                    shortened(&host.name),
                    shortened(&judged.lane.habits.title),
                    voice.time_or_dash(judged.last_check()),
                    voice.time_or_dash(judged.last_download()),
                ],
                reason: reason(host, judged, report, voice),
            };
            (judged.state, row)
        })
        .collect();
    rows.sort_by_key(|(state, _)| std::cmp::Reverse(*state));
    let hosts = report.hosts.iter();
    let without = hosts.filter(|host| host.lanes.is_empty());
    let nothing = without.map(|host| nothing(host, voice));
    rows.into_iter()
        .map(|(_, row)| row)
        .chain(nothing)
        .collect()
}

/// What stands in each column.
fn columns(words: &Words) -> Row {
    let column = |key: &str| words.find(key).unwrap_or_default().to_owned();
    Row {
        cells: [
            format!("  {}", column("col.state")),
            column("col.host"),
            column("col.product"),
            column("col.last_check"),
            column("col.last_download"),
        ],
        reason: column("col.why"),
    }
}

/// Of a host without a product.
fn nothing(host: &Host, voice: &Voice<'_>) -> Row {
    let dash = || voice.time_or_dash(None);
    Row {
        cells: [
            format!("  {}", voice.words.say("state.none")),
            shortened(&host.name),
            dash(),
            dash(),
            dash(),
        ],
        reason: voice.words.say("reason.none").to_owned(),
    }
}

/// Why; and as of when, where the host has been away since.
fn reason(host: &Host, judged: &Judged, report: &Report, voice: &Voice<'_>) -> String {
    let sentence = voice.sentence(judged);
    match voice.as_of_away(host, report) {
        Some(as_of) => format!("{sentence} ({as_of})"),
        None => sentence,
    }
}

/// A shape, so that states differ without colour.
const fn mark(state: State) -> char {
    match state {
        State::Overdue => '!',
        State::CannotTell => '?',
        State::NotSeen => '-',
        State::Checked => '=',
        State::Downloaded => '+',
    }
}

fn padded(text: &str, width: usize) -> String {
    let space = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(space))
}

fn shortened(text: &str) -> String {
    if text.width() <= LONGEST_NAME {
        return text.to_owned();
    }
    let mut taken = 0;
    let start: String = text
        .chars()
        .take_while(|character| {
            taken += character.width().unwrap_or(0);
            taken < LONGEST_NAME
        })
        .collect();
    format!("{start}…")
}

/// Lines of at most `room` columns, broken at spaces; a word that is longer is broken within.
fn broken(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut taken = 0;
    for word in text.split_inclusive([' ', '、', '。']) {
        let width = word.trim_end().width();
        if taken > 0 && taken + width > room {
            lines.push(String::new());
            taken = 0;
        }
        for character in word.chars() {
            let width = character.width().unwrap_or(0);
            if taken + width > room && character != ' ' {
                lines.push(String::new());
                taken = 0;
            }
            if let Some(line) = lines.last_mut() {
                line.push(character);
            }
            taken += width;
        }
    }
    lines
        .iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_to_the_room_there_is() {
        assert_eq!(broken("one two three", 7), ["one two", "three"]);
        assert_eq!(broken("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(
            broken("更新の確認がありません。", 10),
            ["更新の確認", "がありませ", "ん。"]
        );
        for room in 4..30 {
            let lines = broken(
                "Has not asked for updates、更新の確認がありません。 since",
                room,
            );
            assert!(
                lines.iter().all(|line| line.width() <= room),
                "{room} {lines:?}"
            );
        }
    }
}
