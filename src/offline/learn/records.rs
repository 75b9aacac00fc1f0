//! From lines of records to what was seen. Whoever wrote them, nothing in them is trusted.

use std::net::IpAddr;

use serde_json::Value;

use super::names::nameable;
use super::observed::{Observed, Who};
use super::words;
use crate::records::time::parsed;
use crate::types::Timestamp;

/// Most questions and answers of one message that are looked at.
const MOST_RECORDS: usize = 64;

/// Most letters that are kept of what names a file.
const LONGEST_FILE: usize = 256;

/// What a line was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// A record that tells something.
    Taken,
    /// A record of a kind that tells nothing here.
    Skipped,
    /// It lacks something; what.
    Broken(&'static str),
}

/// Takes in one line. A transfer of more than `large` bytes is a large one.
pub fn take(observed: &mut Observed, value: &Value, large: u64) -> Line {
    let done = match value.get("event_type").and_then(Value::as_str) {
        Some("dns") => dns(observed, value),
        Some("tls") => handshake(observed, value, "tls"),
        Some("quic") => handshake(observed, value, "quic"),
        Some("http") => http(observed, value, large),
        Some("flow") => flow(observed, value, large),
        Some(kind @ ("update" | "update_session" | "coverage")) => system(observed, value, kind),
        Some(_) => return Line::Skipped,
        None => return Line::Broken("no record: it has no event_type"),
    };
    done.map_or_else(Line::Broken, |()| Line::Taken)
}

type Done = Result<(), &'static str>;

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer)?.as_str()
}

fn address(value: &Value, key: &str) -> Result<IpAddr, &'static str> {
    let address = text(value, key).and_then(|text| text.parse().ok());
    address.ok_or("a record lacks an address")
}

fn time(value: &Value, key: &str) -> Result<Timestamp, &'static str> {
    text(value, key)
        .and_then(parsed)
        .ok_or("a record lacks a time")
}

fn dns(observed: &mut Observed, value: &Value) -> Done {
    let dns = value.get("dns").ok_or("a dns record lacks its message")?;
    let time = time(value, "/timestamp")?;
    let is_response = match text(dns, "/type") {
        Some("request") => false,
        Some("response") => true,
        _ => return Err("a dns record is neither request nor response"),
    };
    let client = address(value, if is_response { "/dest_ip" } else { "/src_ip" })?;
    for question in list(dns, "queries") {
        let asks_address = matches!(text(question, "/rrtype"), Some("A" | "AAAA" | "HTTPS"));
        let name = text(question, "/rrname").filter(|_| asks_address);
        let Some(name) = name.and_then(nameable) else {
            continue;
        };
        let Who::Pc(seen, place) = observed.name(client, &name, time) else {
            continue;
        };
        for answer in list(dns, "answers").filter(|one| text(one, "/rrtype") == Some("CNAME")) {
            if let Some(target) = text(answer, "/rdata").and_then(nameable) {
                seen.target(&target);
            }
        }
        observed.moment(&name, place, time, |sighting| &mut sighting.asked);
    }
    Ok(())
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    let list = value.get(key).and_then(Value::as_array);
    list.into_iter().flatten().take(MOST_RECORDS)
}

fn handshake(observed: &mut Observed, value: &Value, kind: &'static str) -> Done {
    let (client, time) = (address(value, "/src_ip")?, time(value, "/timestamp")?);
    if value.pointer("/patchspan/ech").is_some() {
        // The name is only the public one of whoever hides the others.
        return Ok(());
    }
    let name = value.get(kind).and_then(|message| text(message, "/sni"));
    let Some(name) = name.and_then(nameable) else {
        return Ok(());
    };
    if let Who::Pc(seen, place) = observed.name(client, &name, time) {
        seen.transports
            .insert(if kind == "tls" { "https" } else { kind });
        observed.moment(&name, place, time, |sighting| &mut sighting.spoken);
    }
    Ok(())
}

fn http(observed: &mut Observed, value: &Value, large: u64) -> Done {
    let (client, time) = (address(value, "/src_ip")?, time(value, "/timestamp")?);
    let http = value
        .get("http")
        .ok_or("an http record lacks its transaction")?;
    let url = text(http, "/url").unwrap_or_default();
    let bytes = http.get("length").and_then(Value::as_u64).unwrap_or(0);
    let host = text(http, "/hostname").unwrap_or_default();
    if let (Some(place), Some(id)) = (observed.place(client), opaque_id(url)) {
        // A cache is called by its address.
        let is_plain = host.parse::<IpAddr>().is_ok() || nameable(host).is_some();
        observed.file(place, id, if is_plain { host } else { "-" }, time, bytes);
    }
    let Some(name) = nameable(host) else {
        return Ok(());
    };
    let Who::Pc(seen, place) = observed.name(client, &name, time) else {
        return Ok(());
    };
    seen.transports.insert("http");
    // A redirect or an error is a page, whatever was asked for.
    let is_whole = matches!(http.get("status").and_then(Value::as_u64), Some(200 | 206));
    let hints = [
        words::of_path(url),
        text(http, "/http_user_agent").and_then(words::of_agent),
        text(http, "/http_content_type")
            .filter(|_| is_whole)
            .and_then(words::of_type),
    ];
    hints.into_iter().flatten().for_each(|hint| seen.hint(hint));
    let sighting = seen.on.entry(place).or_default();
    sighting.http.add(bytes, 0, large);
    observed.moment(&name, place, time, |sighting| &mut sighting.spoken);
    Ok(())
}

fn flow(observed: &mut Observed, value: &Value, large: u64) -> Done {
    let (client, start) = (address(value, "/src_ip")?, time(value, "/flow/start")?);
    let Some(fqdn) = value.pointer("/patchspan/fqdn") else {
        return Ok(());
    };
    // Of several that share an address nothing tells which one was meant.
    let is_sure = matches!(text(fqdn, "/source"), Some("tls" | "quic" | "http" | "dns"));
    let name = text(fqdn, "/name").filter(|_| is_sure);
    let Some(name) = name.and_then(nameable) else {
        return Ok(());
    };
    let is_made = !matches!(
        text(value, "/patchspan/handshake"),
        Some("refused" | "unanswered")
    );
    let bytes = |key: &str| value.pointer(key).and_then(Value::as_u64).unwrap_or(0);
    let (to_client, to_server) = (
        bytes("/patchspan/delivered/toclient"),
        bytes("/patchspan/delivered/toserver"),
    );
    let Who::Pc(seen, place) = observed.name(client, &name, start) else {
        return Ok(());
    };
    for target in list(fqdn, "chain")
        .filter_map(Value::as_str)
        .filter_map(nameable)
    {
        if target != name {
            seen.target(&target);
        }
    }
    if is_made {
        let sighting = seen.on.entry(place).or_default();
        sighting.flows.add(to_client, to_server, large);
        observed.moment(&name, place, start, |sighting| &mut sighting.contacts);
    }
    Ok(())
}

/// Records about a host: its operating system, and files that have names.
fn system(observed: &mut Observed, value: &Value, kind: &str) -> Done {
    let record = value.get(kind).ok_or("a record lacks its object")?;
    let client = address(record, "/client")?;
    if let Some(name) = text(record, "/os/name") {
        observed.system(client, name);
    }
    let Some(place) = observed.place(client) else {
        return Ok(());
    };
    if let (Some(payload), Ok(start)) = (record.get("payload_id"), time(record, "/start"))
        && let (Some(kind), Some(value)) = (text(payload, "/kind"), text(payload, "/value"))
        && kind != "delivery_optimization"
    {
        let what = format!("{kind} {value}");
        let what = what.chars().filter(|letter| !letter.is_control());
        observed.named_file(place, start, what.take(LONGEST_FILE).collect());
    }
    Ok(())
}

/// The id in a path that says nothing else: of Delivery Optimization, a UUID, or a long hash in hex.
pub fn opaque_id(url: &str) -> Option<&str> {
    const SHORTEST: usize = 32;
    let path = url.split(['?', '#']).next()?;
    let last = path.rsplit('/').next()?;
    let is_id = last.len() >= SHORTEST
        && last.len() <= 128
        && last
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let is_streamed = path.contains("/filestreamingservice/files/")
        && !last.is_empty()
        && last.bytes().all(|byte| byte.is_ascii_graphic());
    (is_id || is_streamed).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_says_nothing() {
        let id = "25d1e0a0-1111-2222-3333-444455556666";
        assert_eq!(
            opaque_id(&format!("/filestreamingservice/files/{id}?P1=1")),
            Some(id)
        );
        assert_eq!(opaque_id(&format!("/x/{id}")), Some(id));
        for named in [
            "/",
            "",
            "/pool/a_1.deb",
            "/x/25d1e0a0",
            "/filestreamingservice/files/",
        ] {
            assert_eq!(opaque_id(named), None, "{named}");
        }
    }
}
