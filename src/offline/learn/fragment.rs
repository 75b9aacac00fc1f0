//! A lesson as a file of the catalogue, for a person to complete.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::against::Change;
use super::known::Known;
use super::lesson::{Found, Lesson};
use super::names::{own_part, registered};
use crate::updates::Catalogue;
use crate::updates::catalogue::pattern::NamePattern;

/// Most examples of an endpoint.
const MOST_EXAMPLES: usize = 3;
/// Most evidence that stands above an endpoint.
const MOST_EVIDENCE: usize = 6;

/// Writes the candidates as a file that `patchspan catalogue check` accepts, over the catalogue in the program.
pub fn toml(lesson: &Lesson, changes: Option<&[Change]>, catalogue: &Catalogue) -> String {
    let (from, until) = lesson.span();
    let mut text = format!(
        "# Candidates for the catalogue of update servers, learned from {} to {}.\n\
         # TO DO: look at each one; give it to its vendor and product (one file a vendor), or delete it. See docs/learn.md.\n",
        from.unwrap_or("-"),
        until.unwrap_or("-"),
    );
    for change in changes.into_iter().flatten() {
        comment(&mut text, &in_words(change));
    }
    text.push_str("\n[vendor]\nid = \"learned\"\ntitle = \"TO DO: vendor\"\n");
    let known = Known::new(catalogue, Default::default());
    let mut products: BTreeMap<String, Vec<&Found>> = BTreeMap::new();
    for found in &lesson.candidates {
        products.entry(product(found)).or_default().push(found);
    }
    for (id, endpoints) in products {
        let title = endpoints.first().and_then(|found| found.after.as_deref());
        let title =
            title.unwrap_or_else(|| registered(endpoints.first().map_or("", |one| &one.pattern)));
        let _ = write!(
            text,
            "\n[[product]]\nid = {}\ntitle = {}\nsecurity = \"mixed\"\n",
            quoted(&id),
            quoted(&format!("TO DO: {title}")),
        );
        let mut ids = BTreeSet::new();
        for found in endpoints {
            endpoint(&mut text, found, lesson, &known, &mut ids);
        }
    }
    text
}

fn endpoint(
    text: &mut String,
    found: &Found,
    lesson: &Lesson,
    known: &Known<'_>,
    ids: &mut BTreeSet<String>,
) {
    text.push('\n');
    let seen = found
        .seen
        .iter()
        .map(|on| format!("{} {} times", on.kind, on.contacts));
    let seen: Vec<_> = seen.collect();
    comment(
        text,
        &format!(
            "score {}; seen on {}; largest transfer {} bytes",
            found.score,
            seen.join(", "),
            found.largest
        ),
    );
    for one in found.evidence.iter().take(MOST_EVIDENCE) {
        comment(
            text,
            &format!("{:+} {}: {}", one.points, one.what, one.detail),
        );
    }
    let number = (1..).map(|number| match number {
        1 => found.role.clone(),
        _ => format!("{}-{number}", found.role),
    });
    let id = number
        .into_iter()
        .find(|id| ids.insert(id.clone()))
        .unwrap_or_default();
    let examples: Vec<&str> = found
        .names
        .iter()
        .take(MOST_EXAMPLES)
        .map(String::as_str)
        .collect();
    let _ = writeln!(
        text,
        "[[product.endpoint]]\nid = {}\nrole = {}",
        quoted(&id),
        quoted(&found.role)
    );
    let _ = writeln!(text, "patterns = [{}]", quoted(&found.pattern));
    if found.transport != "any" {
        let _ = writeln!(text, "transport = {}", quoted(&found.transport));
    }
    if found.by_volume {
        text.push_str("by_volume = true\n");
    }
    let examples: Vec<_> = examples.into_iter().map(quoted).collect();
    let _ = writeln!(text, "examples = [{}]", examples.join(", "));
    let _ = writeln!(text, "not = [{}]", quoted(&other(found, lesson, known)));
    let _ = writeln!(text, "source = \"patchspan learn, score {}\"", found.score);
    let day = found.last().get(.."2026-11-28".len()).unwrap_or("never");
    let _ = writeln!(text, "verified = {}", quoted(day));
}

/// A contact under the same domain that must not lead here.
fn other(found: &Found, lesson: &Lesson, known: &Known<'_>) -> String {
    let domain = registered(&found.pattern);
    let pattern = NamePattern::parse(&found.pattern);
    let is_own = |name: &str| pattern.as_ref().is_ok_and(|pattern| pattern.matches(name));
    let others = lesson
        .candidates
        .iter()
        .filter(|other| other.pattern != found.pattern);
    let mut beside = others.filter(|other| registered(&other.pattern) == domain);
    let beside = beside.find_map(|other| other.names.iter().find(|name| !is_own(name)));
    if let Some(name) = beside {
        return name.clone();
    }
    if let Some(name) = known.neighbour(domain, is_own) {
        return name.to_owned();
    }
    // Nobody was seen beside it: whoever adopts it knows of a better one.
    let tried = [
        format!("www.{domain}"),
        domain.to_owned(),
        format!("other.example.{domain}"),
    ];
    let free = tried.into_iter().find(|name| !is_own(name));
    free.unwrap_or_else(|| "other.example".to_owned())
}

/// What a candidate is grouped by: the action that it follows, else its domain.
fn product(found: &Found) -> String {
    let text = found
        .after
        .as_deref()
        .unwrap_or_else(|| registered(&found.pattern));
    let id = slug(text);
    if id.is_empty() {
        slug(own_part(&found.pattern))
    } else {
        id
    }
}

/// A text as an id: lower-case letters, digits and single hyphens.
fn slug(text: &str) -> String {
    let mut id = String::new();
    for letter in text.chars().flat_map(char::to_lowercase) {
        if letter.is_ascii_alphanumeric() {
            id.push(letter);
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
    }
    id.trim_end_matches('-').chars().take(60).collect()
}

/// A change in a line.
pub fn in_words(change: &Change) -> String {
    let mut text = format!("{}: {}", change.what, change.pattern);
    if let Some(rule) = &change.rule {
        let _ = write!(text, " ({rule})");
    }
    match (&change.before, &change.now) {
        (Some(before), Some(now)) => {
            let _ = write!(text, ", {before} before, {now} now");
        }
        (Some(word), None) | (None, Some(word)) => {
            let _ = write!(text, ", {word}");
        }
        (None, None) => {}
    }
    text + "; " + &change.evidence
}

/// A line that no text can leave.
fn comment(text: &mut String, line: &str) {
    text.push_str("# ");
    text.extend(line.chars().filter(|letter| !letter.is_control()));
    text.push('\n');
}

/// A text of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted + "\""
}
