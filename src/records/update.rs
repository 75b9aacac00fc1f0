//! `update` and `update_session`.

use super::binding::write_mac;
use super::flow::write_names;
use super::header::write_address;
use super::time::TimeText;
use super::{Line, Style};
use crate::types::Timestamp;
use crate::updates::catalogue::Catalogue;
use crate::updates::os::OsGuess;
use crate::updates::output::{Access, Session};
use crate::updates::payload::PayloadId;

/// What records of the updates stage need beside their values.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Names rules, vendors and products.
    pub catalogue: &'a Catalogue,
    /// The host list's id of the client.
    pub client_id: Option<&'a str>,
    /// The client's MAC address, where it is known.
    pub client_mac: Option<[u8; 6]>,
    /// `internal` where the server is one of the campus.
    pub via: Option<&'a str>,
}

/// Writes the object of an access.
pub fn write_access(
    line: &mut Line<'_>,
    access: &Access,
    context: &Context<'_>,
    style: &Style,
    time: &mut TimeText,
) {
    line.object("update", |line| {
        line.integer("v", 1);
        write_id(line, "id", access.id);
        line.integer("rev", u64::from(access.revision));
        line.boolean("final", access.is_final);
        write_time(line, time, "reported", access.reported);
        write_client(line, context, access.client.address, style);
        write_product(line, context, access);
        write_name(line, access, context, time);
        write_figures(line, access, time);
        line.list("evidence", |line| {
            access
                .evidence
                .iter()
                .for_each(|evidence| line.element_text(evidence.as_str()))
        });
        if let Some(expected) = access.bytes_expected {
            line.integer("bytes_expected", expected);
        }
        if let Some(percent) = access.ranges_percent {
            line.integer("ranges_percent", u64::from(percent));
        }
        if let Some(payload) = access.payloads.first() {
            line.object("payload_id", |line| write_payload(line, payload));
        }
        if let Some(count) = access.count {
            line.integer("count", count);
        }
        if let Some(via) = context.via {
            line.text("via", via);
        }
        if !access.alternatives.is_empty() {
            write_alternatives(line, &access.alternatives);
        }
        if let Some(session) = access.session {
            write_id(line, "session", session);
        }
        write_flows(line, &access.flow_ids);
        line.cuts();
    });
}

fn write_product(line: &mut Line<'_>, context: &Context<'_>, access: &Access) {
    if let Some(product) = context.catalogue.product_of(access.product_endpoint()) {
        line.text("vendor", &product.vendor);
        line.text("product", &product.id);
        line.text("security", product.security.as_str());
    }
    line.text("role", access.role.as_str());
    line.text("verdict", access.verdict.as_str());
    line.text("confidence", access.confidence.as_str());
}

fn write_name(line: &mut Line<'_>, access: &Access, context: &Context<'_>, time: &mut TimeText) {
    line.long_text("fqdn", "update.fqdn", &access.name);
    line.text("name_source", access.source.as_str());
    if let Some(endpoint) = context.catalogue.endpoint(access.endpoint) {
        line.text("rule", &endpoint.rule);
    }
    line.text("catalogue", context.catalogue.version());
    if access.asked.is_none() && access.chain.is_empty() && access.addresses.is_empty() {
        return;
    }
    line.object("dns", |line| {
        if let Some(asked) = access.asked {
            write_time(line, time, "asked", asked);
        }
        write_names(line, "chain", "update.dns.chain", &access.chain);
        if !access.addresses.is_empty() {
            line.list("addresses", |line| {
                access
                    .addresses
                    .iter()
                    .for_each(|address| line.element_address(*address))
            });
        }
    });
}

fn write_figures(line: &mut Line<'_>, access: &Access, time: &mut TimeText) {
    write_time(line, time, "start", access.start);
    write_time(line, time, "end", access.end);
    let duration = access.end.since(access.start).as_millis();
    line.thousandths("duration_s", u64::try_from(duration).unwrap_or(u64::MAX));
    line.integer("bytes_toserver", access.bytes_toserver);
    line.integer("bytes_toclient", access.bytes_toclient);
    line.integer("delivered_toclient", access.delivered_toclient);
    line.integer("largest_burst", access.largest_burst);
}

fn write_alternatives(line: &mut Line<'_>, alternatives: &[(String, String)]) {
    line.list("alternatives", |line| {
        for (vendor, product) in alternatives {
            line.element_object(|line| {
                line.text("vendor", vendor);
                line.text("product", product);
            });
        }
    });
}

/// Writes the object of a session.
pub fn write_session(
    line: &mut Line<'_>,
    session: &Session,
    context: &Context<'_>,
    style: &Style,
    time: &mut TimeText,
) {
    line.object("update_session", |line| {
        line.integer("v", 1);
        write_id(line, "id", session.id);
        line.integer("rev", u64::from(session.revision));
        line.boolean("final", true);
        write_client(line, context, session.client, style);
        if let Some(product) = context.catalogue.product_of(session.endpoint) {
            line.text("vendor", &product.vendor);
            line.text("product", &product.id);
            line.text("security", product.security.as_str());
        }
        write_time(line, time, "start", session.start);
        write_time(line, time, "end", session.end);
        write_time(line, time, "reported", session.reported);
        line.integer("checks", session.checks);
        line.integer("downloads", session.downloads);
        line.integer("delivered_toclient", session.delivered_toclient);
        line.text("offered", session.offered.as_str());
        if !session.offered_evidence.is_empty() {
            line.list("offered_evidence", |line| {
                session
                    .offered_evidence
                    .iter()
                    .for_each(|word| line.element_text(word))
            });
        }
        line.text("outcome", session.outcome.as_str());
        if !session.payloads.is_empty() {
            line.list("payload_ids", |line| {
                session
                    .payloads
                    .iter()
                    .for_each(|payload| line.element_object(|line| write_payload(line, payload)));
            });
        }
        write_flows(line, &session.flow_ids);
        if let Some(os) = &session.os {
            write_system(line, os);
        }
        line.cuts();
    });
}

/// Writes what is known of a client's operating system.
pub fn write_system(line: &mut Line<'_>, os: &OsGuess) {
    line.object("os", |line| {
        line.text("name", os.name.as_str());
        if let Some(version) = &os.version {
            line.text("version", version);
        }
        line.text("confidence", os.confidence.as_str());
        line.boolean("mixed", os.is_mixed);
        line.list("evidence", |line| {
            os.evidence.iter().for_each(|word| line.element_text(word));
        });
    });
}

fn write_client(
    line: &mut Line<'_>,
    context: &Context<'_>,
    client: std::net::IpAddr,
    style: &Style,
) {
    write_address(line, "client", client, style);
    if let Some(id) = context.client_id {
        line.long_text("client_id", "client_id", id);
    }
    if let Some(mac) = context.client_mac {
        write_mac(line, "client_mac", mac);
    }
}

fn write_payload(line: &mut Line<'_>, payload: &PayloadId) {
    line.text("kind", payload.kind);
    line.text("value", &payload.value);
    let more = [
        ("version", &payload.version),
        ("from_version", &payload.from_version),
        ("architecture", &payload.architecture),
        ("locale", &payload.locale),
        ("hash", &payload.hash),
    ];
    for (key, value) in more {
        if let Some(value) = value {
            line.text(key, value);
        }
    }
}

fn write_flows(line: &mut Line<'_>, flow_ids: &[u64]) {
    line.list("flow_ids", |line| {
        flow_ids.iter().for_each(|flow| line.element_integer(*flow))
    });
}

fn write_id(line: &mut Line<'_>, key: &str, id: u64) {
    line.display(key, format_args!("{id:016x}"));
}

fn write_time(line: &mut Line<'_>, time: &mut TimeText, key: &str, moment: Timestamp) {
    line.raw(key, |buffer| time.push_quoted(buffer, moment));
}
