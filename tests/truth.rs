//! What `patchspan replay` says of a capture against what the clients and servers in it said themselves (`*.truth.json`).
//!
//! Every access is found by its name, with its status and the bytes that the client received; every lookup is a `dns` record; every
//! connection that was refused or not answered says so.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use common::{Capture, Exception, of_kind, text};
use serde_json::Value;

/// Where the capture shows less or other than what the programs know: capture, what, reason.
const EXCEPTIONS: &[Exception] = &[
    (
        "delivery-optimization",
        "http 203.0.113.90 is named tlu.dl.delivery.mp.microsoft.com by http",
        "the client asked a cache by its bare address; `cacheHostOrigin` in the query tells whose file it is",
    ),
    (
        "doh-firefox-ech",
        "dns download.mozilla.org is named  by ",
        "the true name is in no packet, and the cover name is not taken for it",
    ),
    (
        "http-reset",
        "GET /pub/update.mar: 200 with 60816 bytes, told is 200 with * bytes",
        "the client gave up with data unread: its system had received and acknowledged more than the program took",
    ),
    (
        "http2-coalescing",
        "tls download.mozilla.org is named www.campus.example by tls",
        "a second name's requests travel inside a connection that was made for the first: no packet shows them",
    ),
    (
        "late-use",
        "tls 203.0.113.10 is named addons.mozilla.org by dns",
        "the client was given the bare address that it had been answered for this name: no SNI, so DNS names the flow",
    ),
    (
        "loss",
        "GET /pub/update.mar: 200 with 60000 bytes, told is 200 with * bytes",
        "2 % of the copies are missing: `length` is what was seen, the flow's `delivered` has the rest by acknowledgement",
    ),
    (
        "loss-heavy",
        "GET /pub/update.mar: 200 with 45000 bytes, told is none",
        "the request is among the fifth that is missing",
    ),
    (
        "loss-heavy",
        "http download.mozilla.org is named download.mozilla.org by dns",
        "as above",
    ),
    (
        "resolver-mirror",
        "tls 203.0.113.10 is named  by ",
        "no SNI, and the resolver was answered the address for two names",
    ),
    (
        "midstream",
        "GET /pub/update.mar: 200 with 60000 bytes, told is none",
        "the request came before the capture",
    ),
    (
        "midstream",
        "http download.mozilla.org is named  by ",
        "question and request came before the capture",
    ),
    (
        "no-answer",
        "GET *: 0 with 0 bytes, told is  with 0 bytes",
        "curl writes 0 where no status came",
    ),
    (
        "one-sided-client",
        "GET /pub/update.mar: 200 with 6000 bytes, told is  with 0 bytes",
        "no packet of the server is on the mirror",
    ),
    (
        "one-sided-server",
        "*told is none",
        "no request is on the mirror",
    ),
    (
        "one-sided-server",
        "tls aus5.mozilla.org has the sni ",
        "no ClientHello is on the mirror",
    ),
    (
        "one-sided-server",
        "* is named  by ",
        "the answers are to questions that nobody saw; they count where the resolver is configured (see below)",
    ),
    (
        "quic-migration",
        "quic download.mozilla.org has the sni ",
        "the second flow continues the first and has no ClientHello",
    ),
    (
        "quic-migration",
        "quic download.mozilla.org is named download.mozilla.org by dns",
        "as above: DNS names it",
    ),
    (
        "refused-proxy",
        "tls update.googleapis.com is named update.googleapis.com by http",
        "the proxy refused CONNECT, so no hello followed",
    ),
    (
        "refused-proxy",
        "tls update.googleapis.com has the sni ",
        "as above",
    ),
    (
        "shared-address",
        "tls 203.0.113.10 is named ardownload.adobe.com by dns",
        "two names lead to the bare address that the client was given; the last answered stands first, the other is an alternative",
    ),
    (
        "shared-by-server",
        "tls 203.0.113.11 is named aus5.mozilla.org by dns_shared",
        "the client was given a bare address, for which another client had asked by name",
    ),
    (
        "snaplen",
        "GET /pub/update.mar: 200 with 6000 bytes, told is 200 with 0 bytes",
        "every segment is cut within the head, or before it",
    ),
    (
        "snaplen",
        "tls aus5.mozilla.org has the sni ",
        "the ClientHello is cut before the name",
    ),
    (
        "snaplen",
        "* is named  by ",
        "every answer is cut before its first address",
    ),
];

#[test]
fn every_access_is_found_by_name_with_what_the_client_received() {
    let found = common::on_every_capture(|capture| Story::of(capture).accesses());
    common::assert_explained(&found, EXCEPTIONS);
}

#[test]
fn every_connection_brings_as_many_bytes_as_its_accesses() {
    let found = common::on_every_capture(|capture| Story::of(capture).volumes());
    common::assert_explained(&found, VOLUME_EXCEPTIONS);
}

#[test]
fn every_lookup_is_a_dns_record_with_its_answer() {
    let found = common::on_every_capture(|capture| Story::of(capture).lookups());
    common::assert_explained(&found, LOOKUP_EXCEPTIONS);
}

#[test]
fn a_configured_resolver_is_believed_where_no_question_is_on_the_mirror() {
    let config = std::env::temp_dir().join(format!("patchspan-truth-{}.toml", std::process::id()));
    std::fs::write(&config, "[dns]\nresolvers = [\"192.0.2.53\"]\n").unwrap();
    let capture = common::captures()
        .into_iter()
        .find(|capture| capture.name == "one-sided-server")
        .unwrap();
    let flags = ["--config", config.to_str().unwrap()];
    let story = Story {
        truth: capture.truth(),
        records: common::records(&common::replay(&capture.path, &flags)),
    };
    std::fs::remove_file(&config).unwrap();
    for access in story.made() {
        let ends = ends(access);
        let flow = story.on("flow", &ends).next().unwrap();
        let fqdn = &flow["patchspan"]["fqdn"];
        assert_eq!(
            (&fqdn["name"], text(&fqdn["source"]).as_str()),
            (&access["name"], "dns")
        );
    }
}

#[test]
fn an_answer_that_the_mirror_shows_just_after_the_connection_corroborates_its_name() {
    for (late_us, is_corroborated) in [(10_000, true), (90_000, false)] {
        let path = std::env::temp_dir().join(format!(
            "patchspan-truth-{}-{late_us}.pcap",
            std::process::id()
        ));
        let stored = common::captures()
            .into_iter()
            .find(|capture| capture.name == "curl-http")
            .unwrap();
        std::fs::write(&path, with_late_answers(&stored.path, late_us)).unwrap();
        let records = common::records(&common::replay(&path, &[]));
        std::fs::remove_file(&path).unwrap();
        let named: Vec<_> = of_kind(&records, "flow")
            .filter(|flow| flow["proto"] == "TCP")
            .map(|flow| flow["patchspan"]["fqdn"]["corroborated"] == true)
            .collect();
        assert!(!named.is_empty() && named.iter().all(|named| *named == is_corroborated));
    }
}

/// A capture (pcap, little endian, microseconds) whose DNS answers come later by so much.
fn with_late_answers(path: &Path, late_us: u64) -> Vec<u8> {
    const HEAD: usize = 16;
    /// Where an IPv4 UDP packet in Ethernet has its source port.
    const SOURCE_PORT: std::ops::Range<usize> = HEAD + 34..HEAD + 36;
    let file = std::fs::read(path).unwrap();
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().unwrap());
    let (header, mut rest) = file.split_at(24);
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let (frame, behind) = rest.split_at(HEAD + number(&rest[8..]) as usize);
        let time = u64::from(number(frame)) * 1_000_000 + u64::from(number(&frame[4..]));
        let is_answer = frame.get(SOURCE_PORT) == Some(&[0, 53]);
        frames.push((if is_answer { time + late_us } else { time }, frame));
        rest = behind;
    }
    frames.sort_by_key(|(time, _)| *time);
    let mut late = header.to_vec();
    for (time, frame) in frames {
        late.extend(((time / 1_000_000) as u32).to_le_bytes());
        late.extend(((time % 1_000_000) as u32).to_le_bytes());
        late.extend(&frame[8..]);
    }
    late
}

#[test]
fn a_connection_that_was_not_made_says_so_with_its_name() {
    let found = common::on_every_capture(|capture| Story::of(capture).failures());
    common::assert_explained(&found, FAILURE_EXCEPTIONS);
    let told: usize = common::captures()
        .iter()
        .map(|capture| failures_in(&capture.truth()).len())
        .sum();
    assert!(told >= 5, "{told} connections that were not made");
}

/// A capture's two accounts.
struct Story {
    truth: Value,
    records: Vec<Value>,
}

/// Client and server, each with its port.
type Ends = (String, String);

impl Story {
    fn of(capture: &Capture) -> Self {
        let records = common::records(&common::replay(&capture.path, &[]));
        Self {
            truth: capture.truth(),
            records,
        }
    }

    fn list(&self, key: &str) -> &[Value] {
        self.truth[key].as_array().map_or(&[], Vec::as_slice)
    }

    /// Records of a kind on a connection.
    fn on<'a>(&'a self, kind: &'a str, ends: &'a Ends) -> impl Iterator<Item = &'a Value> {
        of_kind(&self.records, kind).filter(|record| {
            end(record, "src_ip", "src_port") == ends.0
                && end(record, "dest_ip", "dest_port") == ends.1
        })
    }

    fn made(&self) -> impl Iterator<Item = &Value> {
        self.list("accesses")
            .iter()
            .filter(|access| access["transport"] != "none")
    }

    fn accesses(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut told: BTreeSet<usize> = BTreeSet::new();
        for access in self.made() {
            let (ends, name) = (ends(access), text(&access["name"]));
            let is_named = |flow: &&Value| flow["patchspan"]["fqdn"]["name"] == access["name"];
            let flow = self
                .on("flow", &ends)
                .find(is_named)
                .or_else(|| self.on("flow", &ends).next());
            let fqdn = flow.map_or(&Value::Null, |flow| &flow["patchspan"]["fqdn"]);
            let is_covered = access["ech"] == true;
            let source = if is_covered {
                "dns".to_owned()
            } else {
                text(&access["transport"])
            };
            let (our_name, our_source) = (text(&fqdn["name"]), text(&fqdn["source"]));
            if flow.is_none() {
                found.push(format!("no flow of {name}"));
            } else if (our_name.as_str(), our_source.as_str()) != (&name, &source) {
                found.push(format!(
                    "{source} {name} is named {our_name} by {our_source}"
                ));
            }
            found.extend(self.handshake(access, &ends));
            if access["transport"] == "http" {
                found.extend(self.transaction(access, &ends, &mut told));
            }
        }
        found
    }

    /// The name in the ClientHello of an access.
    fn handshake(&self, access: &Value, ends: &Ends) -> Option<String> {
        let kind = text(&access["transport"]);
        if kind == "http" || access["name"] == access["server"] {
            return None;
        }
        let outer = if access["ech"] == true {
            &access["public_name"]
        } else {
            &access["name"]
        };
        let sent = access.get("coalesced_with").unwrap_or(outer);
        let mut snis = self.on(&kind, ends).map(|record| &record[&kind]["sni"]);
        let sni = snis.next();
        (sni != Some(sent)).then(|| {
            format!(
                "{kind} {} has the sni {}",
                text(sent),
                sni.map(text).unwrap_or_default()
            )
        })
    }

    /// The `http` record of an access; `told` are those of earlier ones.
    fn transaction(
        &self,
        access: &Value,
        ends: &Ends,
        told: &mut BTreeSet<usize>,
    ) -> Option<String> {
        let wanted = (
            text(&access["method"]),
            path(&text(&access["url"])),
            text(&access["status"]),
            text(&access["bytes_received"]),
        );
        let said = |http: &Value| {
            (
                text(&http["http_method"]),
                path(&text(&http["url"])),
                text(&http["status"]),
                text(&http["length"]),
            )
        };
        let candidates: Vec<&Value> = self
            .on("http", ends)
            .map(|record| &record["http"])
            .collect();
        let address = |http: &Value| std::ptr::from_ref(http) as usize;
        let fits = candidates
            .iter()
            .find(|http| said(http) == wanted && !told.contains(&address(http)));
        if let Some(http) = fits {
            told.insert(address(http));
            return None;
        }
        let nearest = candidates
            .iter()
            .map(|http| said(http))
            .find(|http| http.0 == wanted.0 && http.1 == wanted.1);
        let nearest = nearest.map_or("none".to_owned(), |http| {
            format!("{} with {} bytes", http.2, http.3)
        });
        Some(format!(
            "{} {}: {} with {} bytes, told is {nearest}",
            wanted.0, wanted.1, wanted.2, wanted.3
        ))
    }

    fn volumes(&self) -> Vec<String> {
        let mut connections: BTreeMap<Ends, (String, u64, u64)> = BTreeMap::new();
        for access in self.made() {
            let sum = connections
                .entry(ends(access))
                .or_insert_with(|| (text(&access["transport"]), 0, 0));
            sum.1 += access["bytes_received"].as_u64().unwrap();
            sum.2 += 1;
        }
        let mut found = Vec::new();
        for (ends, (transport, received, accesses)) in connections {
            let delivered: u64 = self
                .on("flow", &ends)
                .filter_map(|flow| flow["patchspan"]["delivered"]["toclient"].as_u64())
                .sum();
            let most = most(&transport, received, accesses);
            if !(received..=most).contains(&delivered) {
                found.push(format!(
                    "{transport} of {received} bytes: {delivered} delivered, at most {most}"
                ));
            }
        }
        found
    }

    fn lookups(&self) -> Vec<String> {
        let mut counts: BTreeMap<String, [usize; 2]> = BTreeMap::new();
        for lookup in self.list("lookups") {
            let key = |key: &str| text(&lookup[key]);
            let of = format!(
                "{} {} {}",
                key("client"),
                key("name").to_lowercase(),
                key("type")
            );
            counts.entry(of.clone()).or_default()[0] += 1;
            counts.entry(format!("{of} {}", key("rcode"))).or_default()[0] += 1;
        }
        for record in of_kind(&self.records, "dns") {
            let (dns, query) = (&record["dns"], &record["dns"]["queries"][0]);
            let is_request = dns["type"] == "request";
            let client = text(&record[if is_request { "src_ip" } else { "dest_ip" }]);
            let of = format!(
                "{client} {} {}",
                text(&query["rrname"]).to_lowercase(),
                text(&query["rrtype"])
            );
            let key = if is_request {
                of
            } else {
                format!("{of} {}", text(&dns["rcode"]))
            };
            counts.entry(key).or_default()[1] += 1;
        }
        let wrong = counts
            .into_iter()
            .filter(|(_, [looked_up, told])| looked_up != told);
        wrong
            .map(|(of, [looked_up, told])| format!("{of}: {looked_up} times, told {told} times"))
            .collect()
    }

    fn failures(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (word, failure) in failures_in(&self.truth) {
            let flow = of_kind(&self.records, "flow")
                .filter(|flow| flow["dest_ip"] == failure["address"] && flow["proto"] == "TCP")
                .find(|flow| {
                    failure
                        .get("port")
                        .is_none_or(|port| flow["dest_port"] == *port)
                });
            let told = flow.map_or(&Value::Null, |flow| &flow["patchspan"]);
            let said = (
                text(&told["handshake"]),
                text(&told["fqdn"]["name"]),
                text(&told["fqdn"]["source"]),
            );
            if said != (word.to_owned(), text(&failure["name"]), "dns".to_owned()) {
                found.push(format!("{word} {}: {said:?}", text(&failure["name"])));
            }
        }
        found
    }
}

/// What a truth file tells of connections that were not made: the word for the handshake, name and address.
fn failures_in(truth: &Value) -> Vec<(&'static str, Value)> {
    let mut found = Vec::new();
    for (key, word) in [
        ("refused", "refused"),
        ("unanswered", "unanswered"),
        ("silent", "unanswered"),
    ] {
        match &truth[key] {
            Value::Array(all) => found.extend(all.iter().map(|one| (word, one.clone()))),
            one @ Value::Object(_) => found.push((word, one.clone())),
            _ => {}
        }
    }
    found
}

/// Most payload bytes of a connection whose client received so many in so many answers.
fn most(transport: &str, received: u64, accesses: u64) -> u64 {
    match transport {
        // Heads of answers.
        "http" => received + received / 1_000 + 1_000 * accesses,
        // Certificates and tickets once, heads and settings of HTTP/2 for each answer.
        "tls" => received + received / 200 + 6_000 + 1_000 * accesses,
        // The same, and padded Initials and acknowledgements.
        _ => received + received * 12 / 100 + 12_000 + 1_000 * accesses,
    }
}

fn ends(access: &Value) -> Ends {
    (
        end(access, "client", "client_port"),
        end(access, "server", "server_port"),
    )
}

fn end(value: &Value, address: &str, port: &str) -> String {
    format!("{}|{}", text(&value[address]), text(&value[port]))
}

/// A URL without scheme and authority, as most requests have it.
fn path(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| {
        rest.find('/').map_or("/", |at| &rest[at..])
    });
    rest.to_owned()
}

/// Where the volume is another.
const VOLUME_EXCEPTIONS: &[Exception] = &[
    (
        "http-reset",
        "http of 60816 bytes: * delivered, at most 61876",
        "the client's system acknowledged more than the program took",
    ),
    (
        "midstream",
        "http of 60000 bytes: * delivered, at most 61060",
        "the capture begins in the middle of the download",
    ),
];

/// Lookups that the capture lacks.
const LOOKUP_EXCEPTIONS: &[Exception] = &[
    (
        "loss-heavy",
        "198.51.100.7 *: 1 times, told 0 times",
        "a fifth of the copies is missing",
    ),
    (
        "apt-cacher",
        "198.51.100.86 *: 1 times, told 0 times",
        "the cacher's own way to the resolver is not on the mirror",
    ),
    (
        "apt-unchanged",
        "*: 2 times, told 1 times",
        "an earlier run is in the resolver's log, and not in the capture",
    ),
    (
        "doh-curl",
        "198.51.100.21 download.mozilla.org A*: 2 times, told 0 times",
        "asked over HTTPS",
    ),
    (
        "doh-firefox-ech",
        "198.51.100.21 download.mozilla.org *: 1 times, told 0 times",
        "asked over HTTPS",
    ),
    (
        "dot",
        "198.51.100.21 download.mozilla.org *: 1 times, told 0 times",
        "asked over TLS",
    ),
    (
        "midstream",
        "*: 1 times, told 0 times",
        "asked before the capture",
    ),
    (
        "one-sided-client",
        "* NOERROR: 1 times, told 0 times",
        "no answer is on the mirror",
    ),
    (
        "one-sided-server",
        "* A: 1 times, told 0 times",
        "no question is on the mirror",
    ),
    (
        "one-sided-server",
        "* AAAA: 1 times, told 0 times",
        "no question is on the mirror",
    ),
    (
        "prototype-host-*",
        "*: 0 times, told 1 times",
        "these two truth files have no resolver's log",
    ),
    (
        "proxy",
        "198.51.100.80 *: 1 times, told 0 times",
        "only the way between client and proxy is on the mirror",
    ),
    (
        "refused-proxy",
        "198.51.100.80 *: 1 times, told 0 times",
        "as above",
    ),
];

/// Where the name came by another way.
const FAILURE_EXCEPTIONS: &[Exception] = &[
    (
        "family-fallback",
        "* (\"refused\", \"aus5.mozilla.org\", \"dns_shared\")",
        "the host asked over IPv4 and tried IPv6: two hosts, as long as nothing ties its addresses",
    ),
    (
        "family-fallback",
        "* (\"unanswered\", \"download.mozilla.org\", \"dns_shared\")",
        "as above",
    ),
];
