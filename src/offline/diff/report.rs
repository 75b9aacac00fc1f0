//! The report for people: plain text, the same for the same files.

use std::fmt::Write as _;

use super::fields::{Fields, ascii};
use super::{Diff, KindDiff};

/// Lines without counterpart that are named.
const MAX_LINES: usize = 3;

impl Diff {
    /// The report; `names` are those of the two files.
    pub fn report(&self, names: [&str; 2]) -> String {
        let [first, second] = names.map(ascii);
        let mut text = format!("A: {first}\nB: {second}\n");
        for (kind, diff) in &self.kinds {
            let kind = if kind.is_empty() {
                "(no event_type)".to_owned()
            } else {
                ascii(kind)
            };
            let _ = writeln!(text, "\n{kind}: {}", headline(diff));
            write_details(&mut text, diff);
        }
        let verdict = if self.is_empty() {
            "no difference"
        } else {
            "the runs differ"
        };
        let _ = writeln!(text, "\n{verdict}");
        text
    }
}

fn headline(diff: &KindDiff) -> String {
    format!(
        "{} equal, {} differ, {} only in A, {} only in B",
        diff.equal,
        diff.differing,
        diff.only_first.len(),
        diff.only_second.len()
    )
}

fn write_details(text: &mut String, diff: &KindDiff) {
    for (name, count) in &diff.fallbacks {
        let _ = writeln!(text, "  {count} of them paired by {name}");
    }
    for (name, lines) in [("A", &diff.only_first), ("B", &diff.only_second)] {
        if let Some(places) = places(lines) {
            let _ = writeln!(text, "  only in {name}: {places}");
        }
    }
    write_fields(text, &diff.fields);
}

/// `line 3`, `lines 3, 5, 8 and 12 more`; nothing without lines.
fn places(lines: &[usize]) -> Option<String> {
    let named: Vec<_> = lines.iter().take(MAX_LINES).map(usize::to_string).collect();
    let word = if lines.len() == 1 { "line" } else { "lines" };
    let more = match lines.len().saturating_sub(MAX_LINES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!named.is_empty()).then(|| format!("{word} {}{more}", named.join(", ")))
}

fn write_fields(text: &mut String, fields: &Fields) {
    for (path, field) in fields.sorted() {
        let _ = writeln!(text, "  {path}: {} differ", field.pairs);
        for example in &field.examples {
            let _ = writeln!(
                text,
                "    {} -> {}  (A line {}, B line {})",
                example.first, example.second, example.first_line, example.second_line
            );
        }
    }
}
