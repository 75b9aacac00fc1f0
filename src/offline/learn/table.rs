//! A lesson for people.

use std::fmt::Write as _;

use super::against::Change;
use super::fragment::in_words;
use super::lesson::{FileFound, Found, Host, Lesson};

/// Most files that are listed.
const MOST_FILES: usize = 20;

/// The list: candidates with their evidence, files, what changed, and figures.
pub fn text(lesson: &Lesson, changes: Option<&[Change]>) -> String {
    let mut text = String::new();
    for found in &lesson.candidates {
        candidate(&mut text, found);
    }
    if lesson.candidates.is_empty() {
        text.push_str("no candidates\n");
    }
    if !lesson.files.is_empty() {
        text.push_str("\nfiles that only an id names\n");
        lesson
            .files
            .iter()
            .take(MOST_FILES)
            .for_each(|one| file(&mut text, one, &lesson.hosts));
        let more = lesson.files.len().saturating_sub(MOST_FILES);
        if more > 0 {
            let _ = writeln!(text, "  and {more} more");
        }
    }
    if let Some(changes) = changes {
        let _ = writeln!(text, "\n{} changes", changes.len());
        for change in changes {
            let _ = writeln!(text, "  {}", in_words(change));
        }
    }
    figures(&mut text, lesson);
    text
}

fn candidate(text: &mut String, found: &Found) {
    let seen: Vec<_> = found
        .seen
        .iter()
        .map(|on| format!("{} {}x", on.kind, on.contacts))
        .collect();
    let role = if found.by_volume {
        "check, by volume"
    } else {
        &found.role
    };
    let _ = writeln!(
        text,
        "{:>4}  {:<40} {role}, {}; {}; largest {} bytes",
        found.score,
        found.pattern,
        found.transport,
        seen.join(", "),
        found.largest,
    );
    for one in &found.evidence {
        let _ = writeln!(text, "      {:+} {}: {}", one.points, one.what, one.detail);
    }
}

fn file(text: &mut String, file: &FileFound, hosts: &[Host]) {
    let host = hosts.get(file.host).map(Host::name).unwrap_or_default();
    let _ = write!(
        text,
        "  {host} {} {} from {}: {} requests, {} bytes",
        file.first, file.id, file.server, file.requests, file.bytes
    );
    for (word, before) in [("after", &file.action), ("after", &file.check)] {
        if let Some(before) = before {
            let _ = write!(text, "; {} s {word} {}", before.delay_s, before.what);
        }
    }
    if !file.beside.is_empty() {
        let _ = write!(text, "; beside {}", file.beside.join(", "));
    }
    text.push('\n');
}

fn figures(text: &mut String, lesson: &Lesson) {
    let figures = lesson.figures;
    let (from, until) = lesson.span();
    let _ = writeln!(
        text,
        "\n{} to {}: {} names on {} verification hosts; {} rules of the catalogue seen; {} other patterns, {} of them with a score of {} or more",
        from.unwrap_or("-"),
        until.unwrap_or("-"),
        figures.names,
        lesson.hosts.len(),
        lesson.known.len(),
        figures.patterns,
        figures.proposed,
        lesson.least,
    );
}
