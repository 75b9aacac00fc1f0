//! The JSON Schema (draft 2020-12) of every kind of record, as `patchspan schema` prints it.
//!
//! The schemas are data: one file a kind in `schema/`, and `schema/common.json` with the header's keys and the definitions that
//! kinds share. A kind's file names the header groups that it begins with; here they are put together to one object that
//! stands alone and is closed: a key that is misspelt, or new, does not validate.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Kind;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
const COMMON: &str = include_str!("schema/common.json");
/// How a reference to a definition begins.
const DEFINITION: &str = "#/$defs/";

/// Which lines a schema describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// All that is written by default.
    #[default]
    Full,
    /// What is written with `eve_strict`: only keys that the schema of Suricata 8's EVE knows.
    EveStrict,
}

/// The schema of `kind`; `None` where the kind is ours and the form is EVE's.
pub fn of_kind(kind: Kind, form: Form) -> Option<Value> {
    let (mut schema, definitions) = parts(kind, form)?;
    let used = used_definitions(&schema, definitions);
    schema.insert("$schema".to_owned(), DIALECT.into());
    schema.insert("$defs".to_owned(), used.into());
    Some(schema.into())
}

/// One schema for lines of every kind: each is exactly one of them, told apart by `event_type`.
pub fn of_all(form: Form) -> Value {
    let mut definitions = Map::new();
    let mut choices = Vec::new();
    for kind in Kind::ALL {
        let Some((schema, own)) = parts(kind, form) else {
            continue;
        };
        definitions.append(&mut used_definitions(&schema, own));
        definitions.insert(kind.as_str().to_owned(), schema.into());
        choices.push(json!({ "$ref": format!("{DEFINITION}{kind}") }));
    }
    json!({
        "$schema": DIALECT,
        "title": "patchspan record",
        "description": "One line of output.",
        "oneOf": choices,
        "$defs": definitions,
    })
}

const fn source(kind: Kind) -> &'static str {
    match kind {
        Kind::Dns => include_str!("schema/dns.json"),
        Kind::Tls => include_str!("schema/tls.json"),
        Kind::Quic => include_str!("schema/quic.json"),
        Kind::Http => include_str!("schema/http.json"),
        Kind::Flow => include_str!("schema/flow.json"),
        Kind::Stats => include_str!("schema/stats.json"),
        Kind::Update => include_str!("schema/update.json"),
        Kind::UpdateSession => include_str!("schema/update_session.json"),
        Kind::ClientBinding => include_str!("schema/client_binding.json"),
        Kind::Coverage => include_str!("schema/coverage.json"),
        Kind::Loss => include_str!("schema/loss.json"),
        Kind::PatchspanStats => include_str!("schema/patchspan_stats.json"),
    }
}

const fn is_eves(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Dns | Kind::Tls | Kind::Quic | Kind::Http | Kind::Flow | Kind::Stats
    )
}

/// The object of a kind without its definitions, and the definitions that it may refer to.
fn parts(kind: Kind, form: Form) -> Option<(Map<String, Value>, Map<String, Value>)> {
    if form == Form::EveStrict && !is_eves(kind) {
        return None;
    }
    let mut common = parsed(COMMON);
    let mut own = parsed(source(kind));
    let mut definitions = taken(&mut common, "$defs");
    definitions.append(&mut taken(&mut own, "$defs"));
    let mut overrides = taken(&mut own, "eve_strict");
    let mut groups = taken(&mut common, "header");
    let mut schema = Map::new();
    for name in list(own.remove("header")) {
        merge(&mut schema, taken(&mut groups, &name));
    }
    merge(&mut schema, own);
    if form == Form::EveStrict {
        merge(&mut schema, std::mem::take(&mut overrides));
        leave_out(&mut schema, "patchspan");
    }
    let mut properties = taken(&mut schema, "properties");
    properties.insert("event_type".to_owned(), json!({ "const": kind.as_str() }));
    schema.insert("properties".to_owned(), properties.into());
    schema.insert(
        "title".to_owned(),
        format!("patchspan record: {kind}").into(),
    );
    schema.insert("type".to_owned(), "object".into());
    schema.insert("additionalProperties".to_owned(), false.into());
    Some((schema, definitions))
}

/// Adds `more` to `schema`: properties and required keys join those that are there, anything else replaces.
fn merge(schema: &mut Map<String, Value>, more: Map<String, Value>) {
    for (key, value) in more {
        match (schema.get_mut(&key), value) {
            (Some(Value::Object(old)), Value::Object(mut new)) => old.append(&mut new),
            (Some(Value::Array(old)), Value::Array(new)) => old.extend(new),
            (_, value) => {
                schema.insert(key, value);
            }
        }
    }
}

fn leave_out(schema: &mut Map<String, Value>, key: &str) {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.remove(key);
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| name != key);
    }
}

/// Those of `definitions` that `schema` refers to, or that they refer to.
fn used_definitions(
    schema: &Map<String, Value>,
    mut definitions: Map<String, Value>,
) -> Map<String, Value> {
    let mut open = BTreeSet::new();
    schema
        .values()
        .for_each(|value| references(value, &mut open));
    let mut used = Map::new();
    while let Some(name) = open.pop_first() {
        let Some(definition) = definitions.remove(&name) else {
            continue;
        };
        references(&definition, &mut open);
        used.insert(name, definition);
    }
    used
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members
            .values()
            .for_each(|member| references(member, found)),
        Value::Array(elements) => elements
            .iter()
            .for_each(|element| references(element, found)),
        Value::String(text) => found.extend(text.strip_prefix(DEFINITION).map(str::to_owned)),
        _ => {}
    }
}

/// The files are part of the program; a test holds that each of them is an object.
fn parsed(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

fn taken(object: &mut Map<String, Value>, key: &str) -> Map<String, Value> {
    match object.remove(key) {
        Some(Value::Object(value)) => value,
        _ => Map::new(),
    }
}

fn list(value: Option<Value>) -> Vec<String> {
    serde_json::from_value(value.unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
