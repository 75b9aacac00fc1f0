//! What the schemas say of each key, for the tests that hold documents and samples to them.

#![allow(dead_code, reason = "each test uses what it needs")]

use patchspan::records::Kind;
use patchspan::records::schema::{Form, of_kind};
use serde_json::{Map, Value};

/// One key of a kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// From the top: `update.alternatives[].vendor`.
    pub(crate) path: String,
    /// `string`, `list of object` and so on.
    pub(crate) form: String,
    /// Whether it is there as long as its object is.
    pub(crate) is_always: bool,
    /// The words of a closed list.
    pub(crate) words: Vec<String>,
}

/// Keys that a schema allows and no part of the program writes: kind, and how the path begins. No document may tell of them.
const UNWRITTEN: &[(Kind, &str)] = &[
    (Kind::Flow, "pcap_"),
    (Kind::Flow, "in_iface"),
    (Kind::Update, "pcap_"),
    (Kind::Update, "in_iface"),
    (Kind::Update, "vlan"),
    (Kind::Update, "icmp_"),
    (Kind::Update, "pkt_src"),
    (Kind::Update, "tunnel"),
    (Kind::Dns, "icmp_"),
    (Kind::Tls, "icmp_"),
    (Kind::Quic, "icmp_"),
    (Kind::Http, "icmp_"),
];

/// Whether some part of the program writes a key.
pub(crate) fn is_written(kind: Kind, path: &str) -> bool {
    !UNWRITTEN
        .iter()
        .any(|(of, begin)| *of == kind && path.starts_with(begin))
}

/// Kinds that some part of the program writes.
pub(crate) fn written_kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL
        .into_iter()
        .filter(|kind| is_written(*kind, kind.as_str()))
}

/// Every key of `kind` that is written, in the order of the schema.
pub(crate) fn written(kind: Kind) -> Vec<Key> {
    let mut keys = all(kind);
    keys.retain(|key| is_written(kind, &key.path));
    keys
}

/// Every key that the schema of `kind` allows.
pub(crate) fn all(kind: Kind) -> Vec<Key> {
    let schema = of_kind(kind, Form::Full).unwrap();
    let definitions = schema["$defs"].as_object().cloned().unwrap_or_default();
    let mut keys = Vec::new();
    members(&schema, &definitions, "", &mut keys);
    keys
}

fn members(schema: &Value, definitions: &Map<String, Value>, path: &str, keys: &mut Vec<Key>) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let is_always = required.iter().any(|key| key == name);
        key(
            member,
            definitions,
            format!("{path}{name}"),
            is_always,
            keys,
        );
    }
}

fn key(
    schema: &Value,
    definitions: &Map<String, Value>,
    path: String,
    is_always: bool,
    keys: &mut Vec<Key>,
) {
    let schema = resolved(schema, definitions);
    let items = schema
        .get("items")
        .map(|items| resolved(items, definitions));
    let inner = items.unwrap_or(schema);
    let (form, dots) = match items {
        Some(items) => (format!("list of {}", form(items)), "[]."),
        None => (form(schema), "."),
    };
    let below = format!("{path}{dots}");
    keys.push(Key {
        path,
        form,
        is_always,
        words: words(inner),
    });
    members(inner, definitions, &below, keys);
}

fn resolved<'s>(schema: &'s Value, definitions: &'s Map<String, Value>) -> &'s Value {
    let name = schema["$ref"]
        .as_str()
        .and_then(|path| path.strip_prefix("#/$defs/"));
    name.map_or(schema, |name| resolved(&definitions[name], definitions))
}

fn form(schema: &Value) -> String {
    let value = schema.get("const").or_else(|| schema["enum"].get(0));
    let by_value = value.map(|value| match value {
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        _ => "integer",
    });
    schema["type"]
        .as_str()
        .or(by_value)
        .unwrap_or_default()
        .to_owned()
}

fn words(schema: &Value) -> Vec<String> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    let words = listed
        .chain(schema.get("const"))
        .filter_map(Value::as_str)
        .map(str::to_owned);
    words.collect()
}
