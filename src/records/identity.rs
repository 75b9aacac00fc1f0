//! Which records of two runs tell of the same thing.
//!
//! A kind has several identities, the strictest first: ids are equal in every replay of one capture, but two captures of the same
//! traffic give other ids, so addresses, ports and the start stand in for them, and after those the order alone. Records with one
//! identity are told apart by their order.

use serde_json::Value;

/// One way to tell what a record is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// In words, for people.
    pub name: &'static str,
    /// Both endpoints and the protocol, whoever is the client.
    has_tuple: bool,
    /// Values that count, as JSON pointers; one that is absent counts as such, unless it is the first.
    pointers: &'static [&'static str],
}

const fn by(name: &'static str, pointers: &'static [&'static str]) -> Identity {
    Identity {
        name,
        has_tuple: false,
        pointers,
    }
}

const fn by_tuple(name: &'static str, pointers: &'static [&'static str]) -> Identity {
    Identity {
        name,
        has_tuple: true,
        pointers,
    }
}

const ID: &str = "id";
const FLOW: &str = "flow";
const TUPLE_AND_TIME: &str = "5-tuple and time";
const TUPLE: &str = "5-tuple";
const CLIENT_AND_TIME: &str = "client and time";
const CLIENT: &str = "client";
const TIME: &str = "time";

const ACCESS: &[Identity] = &[
    by(ID, &["/update/id", "/update/rev"]),
    by(
        CLIENT_AND_TIME,
        &[
            "/update/client",
            "/update/rule",
            "/update/role",
            "/update/final",
            "/update/start",
        ],
    ),
    by(
        CLIENT,
        &[
            "/update/client",
            "/update/rule",
            "/update/role",
            "/update/final",
        ],
    ),
];
const SESSION: &[Identity] = &[
    by(ID, &["/update_session/id", "/update_session/rev"]),
    by(
        CLIENT_AND_TIME,
        &[
            "/update_session/client",
            "/update_session/vendor",
            "/update_session/product",
            "/update_session/start",
        ],
    ),
    by(
        CLIENT,
        &[
            "/update_session/client",
            "/update_session/vendor",
            "/update_session/product",
        ],
    ),
];
const ENDED_FLOW: &[Identity] = &[
    by(FLOW, &["/flow_id"]),
    by_tuple(TUPLE_AND_TIME, &["/flow/start"]),
    by_tuple(TUPLE, &[]),
];
const MESSAGE: &[Identity] = &[
    by(FLOW, &["/flow_id", "/dns/type", "/timestamp"]),
    by(FLOW, &["/flow_id", "/dns/type"]),
    by_tuple(TUPLE_AND_TIME, &["/timestamp", "/dns/type"]),
    by_tuple(TUPLE, &["/dns/type"]),
];
const BINDING: &[Identity] = &[
    by(
        CLIENT_AND_TIME,
        &[
            "/client_binding/client",
            "/client_binding/mac",
            "/client_binding/start",
        ],
    ),
    by(CLIENT, &["/client_binding/client", "/client_binding/mac"]),
];
const COVERAGE: &[Identity] = &[
    by(CLIENT_AND_TIME, &["/coverage/client", "/coverage/start"]),
    by(CLIENT, &["/coverage/client"]),
];
const LOSS: &[Identity] = &[
    by(TIME, &["/loss/what", "/loss/where", "/loss/start"]),
    by("place", &["/loss/what", "/loss/where"]),
];
const COUNTERS: &[Identity] = &[by(TIME, &["/timestamp"])];
const OTHER: &[Identity] = &[
    by(FLOW, &["/flow_id", "/timestamp"]),
    by(FLOW, &["/flow_id"]),
    by_tuple(TUPLE_AND_TIME, &["/timestamp"]),
    by_tuple(TUPLE, &[]),
    by(TIME, &["/timestamp"]),
];

/// The kind of a record, empty where it names none.
pub fn kind_of(record: &Value) -> &str {
    record["event_type"].as_str().unwrap_or_default()
}

/// The identities of a kind (by its word), the strictest first. A kind that is not known is taken for one of a flow.
pub fn identities(kind: &str) -> &'static [Identity] {
    match kind {
        "update" => ACCESS,
        "update_session" => SESSION,
        "flow" => ENDED_FLOW,
        "dns" => MESSAGE,
        "client_binding" => BINDING,
        "coverage" => COVERAGE,
        "loss" => LOSS,
        "stats" | "patchspan_stats" => COUNTERS,
        _ => OTHER,
    }
}

impl Identity {
    /// The record's key by this identity; `None` where it has none.
    pub fn key(&self, record: &Value) -> Option<String> {
        let mut parts = Vec::with_capacity(self.pointers.len() + 3);
        if self.has_tuple {
            let endpoint = |address, port| format!("{} {}", record[address], record[port]);
            let mut ends = [
                endpoint("src_ip", "src_port"),
                endpoint("dest_ip", "dest_port"),
            ];
            ends.sort_unstable();
            record["src_ip"].as_str()?;
            parts.extend(ends);
            parts.push(record["proto"].to_string());
        } else {
            record.pointer(self.pointers.first()?)?;
        }
        let text = |pointer: &&str| record.pointer(pointer).map(Value::to_string);
        parts.extend(
            self.pointers
                .iter()
                .map(|pointer| text(pointer).unwrap_or_default()),
        );
        Some(parts.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tuple_is_the_same_whoever_is_the_client() {
        let one = json!({"src_ip": "192.0.2.1", "src_port": 5, "dest_ip": "192.0.2.2", "dest_port": 6, "proto": "TCP"});
        let other = json!({"src_ip": "192.0.2.2", "src_port": 6, "dest_ip": "192.0.2.1", "dest_port": 5, "proto": "TCP"});
        let third = json!({"src_ip": "192.0.2.2", "src_port": 5, "dest_ip": "192.0.2.1", "dest_port": 6, "proto": "TCP"});
        let key = |record| by_tuple(TUPLE, &[]).key(record).unwrap();
        assert_eq!(key(&one), key(&other));
        assert_ne!(key(&one), key(&third));
    }

    #[test]
    fn a_record_without_the_id_has_no_key_by_it() {
        assert_eq!(by(FLOW, &["/flow_id"]).key(&json!({"flow": {}})), None);
    }
}
