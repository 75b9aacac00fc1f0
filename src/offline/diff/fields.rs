//! How pairs of records differ, by field.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Examples that are kept of a field.
const MAX_EXAMPLES: usize = 3;
/// Longest text of a value in an example, in bytes.
const MAX_VALUE: usize = 72;
/// How much is shown of what a long value has in common with the other one.
const LEAD: usize = 16;

/// How often each field differs. A path names keys with dots between; `[]` stands for the elements of a list of objects.
#[derive(Debug, Default)]
pub struct Fields(BTreeMap<String, Field>);

/// How one field differs.
#[derive(Debug, Default)]
pub struct Field {
    /// In how many pairs.
    pub pairs: usize,
    /// The first few.
    pub examples: Vec<Example>,
}

/// One difference.
#[derive(Debug, PartialEq, Eq)]
pub struct Example {
    /// Value in the first run, as JSON in ASCII.
    pub first: String,
    /// Value in the second run.
    pub second: String,
    /// Line of the first run.
    pub first_line: usize,
    /// Line of the second run.
    pub second_line: usize,
}

type Change<'a> = (String, Option<&'a Value>, Option<&'a Value>);

impl Fields {
    /// Takes in a pair; whether it differs.
    pub fn compare(
        &mut self,
        first_line: usize,
        first: &Value,
        second_line: usize,
        second: &Value,
    ) -> bool {
        let mut changes = Vec::new();
        walk(String::new(), Some(first), Some(second), &mut changes);
        let mut counted = BTreeSet::new();
        for (path, first, second) in &changes {
            let field = self.0.entry(path.clone()).or_default();
            field.pairs += usize::from(counted.insert(path));
            if field.examples.len() < MAX_EXAMPLES {
                let (first, second) = shown(&written(*first), &written(*second));
                field.examples.push(Example {
                    first,
                    second,
                    first_line,
                    second_line,
                });
            }
        }
        !changes.is_empty()
    }

    /// Every field that differs: those that differ most first.
    pub fn sorted(&self) -> Vec<(&str, &Field)> {
        let mut fields: Vec<_> = self
            .0
            .iter()
            .map(|(path, field)| (path.as_str(), field))
            .collect();
        fields.sort_by_key(|(path, field)| (std::cmp::Reverse(field.pairs), *path));
        fields
    }
}

fn walk<'a>(
    path: String,
    first: Option<&'a Value>,
    second: Option<&'a Value>,
    changes: &mut Vec<Change<'a>>,
) {
    if first == second {
        return;
    }
    match (first, second) {
        (Some(Value::Object(first)), Some(Value::Object(second))) => {
            let keys: BTreeSet<_> = first.keys().chain(second.keys()).collect();
            for key in keys {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{}", ascii(key));
                walk(path, first.get(key), second.get(key), changes);
            }
        }
        (Some(Value::Array(first)), Some(Value::Array(second))) if are_alike(first, second) => {
            for (first, second) in first.iter().zip(second) {
                walk(format!("{path}[]"), Some(first), Some(second), changes);
            }
        }
        _ => changes.push((path, first, second)),
    }
}

/// Lists of as many objects are compared element by element, all others as a whole.
fn are_alike(first: &[Value], second: &[Value]) -> bool {
    first.len() == second.len() && first.iter().chain(second).all(Value::is_object)
}

fn written(value: Option<&Value>) -> String {
    value.map_or_else(|| "(absent)".to_owned(), |value| ascii(&value.to_string()))
}

/// Whatever stands in a file must not reach a terminal as it is.
pub(in crate::offline) fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            ' '..='~' => out.push(character),
            _ => {
                let mut units = [0_u16; 2];
                for unit in character.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out
}

/// Both texts, cut around the place from which they differ where they are long.
fn shown(first: &str, second: &str) -> (String, String) {
    let common = first
        .bytes()
        .zip(second.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let is_long = first.len().max(second.len()) > MAX_VALUE;
    let start = if is_long && common > LEAD {
        common - LEAD
    } else {
        0
    };
    (excerpt(first, start), excerpt(second, start))
}

/// The text is ASCII, so every byte begins a character.
fn excerpt(text: &str, start: usize) -> String {
    let rest = text.get(start..).unwrap_or_default();
    let head = if start > 0 { "..." } else { "" };
    match rest.get(..MAX_VALUE) {
        Some(kept) if rest.len() > MAX_VALUE => format!("{head}{kept}..."),
        _ => format!("{head}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(first: &Value, second: &Value) -> Vec<(String, String, String)> {
        let mut fields = Fields::default();
        fields.compare(1, first, 1, second);
        let one = |(path, field): (&str, &Field)| {
            let example = &field.examples[0];
            (
                path.to_owned(),
                example.first.clone(),
                example.second.clone(),
            )
        };
        fields.sorted().into_iter().map(one).collect()
    }

    fn change(path: &str, first: &str, second: &str) -> (String, String, String) {
        (path.to_owned(), first.to_owned(), second.to_owned())
    }

    #[test]
    fn a_difference_is_named_by_its_path() {
        let first = json!({"flow": {"bytes": 1, "same": 2}, "patchspan": {"fqdn": {"name": "a"}}});
        let second = json!({"flow": {"bytes": 2, "same": 2}, "patchspan": {}});
        assert_eq!(
            fields(&first, &second),
            [
                change("flow.bytes", "1", "2"),
                change("patchspan.fqdn", "{\"name\":\"a\"}", "(absent)"),
            ]
        );
    }

    #[test]
    fn lists_of_as_many_objects_are_compared_element_by_element() {
        let first = json!({"answers": [{"ttl": 1}, {"ttl": 2}], "words": ["a", "b"]});
        let second = json!({"answers": [{"ttl": 1}, {"ttl": 3}], "words": ["a"]});
        assert_eq!(
            fields(&first, &second),
            [
                change("answers[].ttl", "2", "3"),
                change("words", "[\"a\",\"b\"]", "[\"a\"]"),
            ]
        );
    }

    #[test]
    fn a_field_counts_once_a_pair_however_often_it_differs_there() {
        let mut fields = Fields::default();
        let list = |ttl: u64| json!({"answers": [{"ttl": ttl}, {"ttl": ttl + 1}]});
        fields.compare(1, &list(1), 1, &list(5));
        assert_eq!(fields.sorted()[0].1.pairs, 1);
    }

    #[test]
    fn a_long_value_is_shown_where_it_differs() {
        let text = "x".repeat(200);
        let (first, second) = shown(&format!("{text}a"), &format!("{text}b"));
        assert_eq!(
            (first.as_str(), second.as_str()),
            ("...xxxxxxxxxxxxxxxxa", "...xxxxxxxxxxxxxxxxb")
        );
        assert_eq!(shown(&text, "y").0.len(), MAX_VALUE + 3);
    }

    #[test]
    fn nothing_in_a_file_reaches_the_terminal_as_it_is() {
        assert_eq!(
            ascii("a\u{1b}[2J\u{202e}\u{1f600}"),
            "a\\u001b[2J\\u202e\\ud83d\\ude00"
        );
    }
}
