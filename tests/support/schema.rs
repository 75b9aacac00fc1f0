//! Validates lines of output against the schemas that the program ships, each compiled once.
//!
//! Use it from an integration test by `#[path = "support/schema.rs"] mod schema;`, then `schema::check_lines(Form::Full, &output)`.

#![allow(dead_code, reason = "each test uses what it needs")]

use std::collections::HashMap;
use std::sync::OnceLock;

use jsonschema::Validator;
use patchspan::records::schema::{Form, of_kind};
use patchspan::records::{Kind, MAX_LINE};
use serde_json::Value;

type Validators = HashMap<&'static str, Validator>;

fn validators(form: Form) -> &'static Validators {
    static FULL: OnceLock<Validators> = OnceLock::new();
    static STRICT: OnceLock<Validators> = OnceLock::new();
    let place = match form {
        Form::Full => &FULL,
        Form::EveStrict => &STRICT,
    };
    place.get_or_init(|| {
        let compiled = |kind: Kind| {
            let validator = jsonschema::draft202012::new(&of_kind(kind, form)?);
            Some((kind.as_str(), validator.unwrap()))
        };
        Kind::ALL.into_iter().filter_map(compiled).collect()
    })
}

/// What is wrong with one line (without its newline), if anything. With [`Form::EveStrict`] kinds of ours are held to their own
/// schema, because `eve_strict` does not change them.
pub(crate) fn check(form: Form, line: &str) -> Result<(), String> {
    if !line.is_ascii() || line.len() >= MAX_LINE {
        return Err(format!("{} bytes, ASCII: {}", line.len(), line.is_ascii()));
    }
    let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    check_value(form, &value)
}

/// What is wrong with a record that was parsed already, if anything.
pub(crate) fn check_value(form: Form, value: &Value) -> Result<(), String> {
    let kind = value["event_type"].as_str().unwrap_or_default();
    let validator = validators(form)
        .get(kind)
        .or_else(|| validators(Form::Full).get(kind))
        .ok_or_else(|| format!("no kind `{kind}`"))?;
    if validator.is_valid(value) {
        return Ok(());
    }
    let errors = validator.iter_errors(value);
    let told: Vec<_> = errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    Err(told.join("; "))
}

/// Holds every line of `output` to its schema; how many there are.
///
/// # Panics
/// Where a line does not validate: with its number, what is wrong, and the line.
pub(crate) fn check_lines(form: Form, output: &str) -> usize {
    for (number, line) in output.lines().enumerate() {
        if let Err(error) = check(form, line) {
            panic!("line {}: {error}\n{line}", number + 1);
        }
    }
    output.lines().count()
}
