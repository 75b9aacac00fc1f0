//! What `patchspan replay` says of a capture against what tshark says of it: server names in TLS and QUIC, questions and answers
//! of DNS, hosts and requests of HTTP, packets and bytes of each conversation.
//!
//! Without tshark on the machine this test says so and passes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use common::{Capture, Exception, of_kind, text};
use serde_json::Value;

/// Where the two differ, and why that is right: capture, what, reason. A newer tshark may find what is only ours here.
const EXCEPTIONS: &[Exception] = &[(
    "quic-versions",
    "only ours: quic * aus5.mozilla.org",
    "a version of its own invention is refused, then version 1 follows on the same ports and with the same connection id: tshark \
         4.0 keeps the keys of the first; the server's log confirms the name",
)];

#[test]
fn names_answers_hosts_and_conversations_are_tsharks() {
    let mut tshark = Command::new("tshark");
    let tshark = tshark.arg("--version").stdout(Stdio::null());
    if tshark.stderr(Stdio::null()).status().is_err() {
        eprintln!("skipped: tshark is not installed");
        return;
    }
    let found = common::on_every_capture(|capture| ours(capture).differences(&tsharks(capture)));
    let is_theirs_to_find = |exception: &&Exception| {
        exception.1.starts_with("only ours: ") && !common::happened(&found, exception)
    };
    let (_, exceptions): (Vec<&Exception>, Vec<&Exception>) =
        EXCEPTIONS.iter().partition(is_theirs_to_find);
    let exceptions: Vec<Exception> = exceptions.into_iter().copied().collect();
    common::assert_explained(&found, &exceptions);
}

/// What is compared.
#[derive(Debug, Default)]
struct Facts {
    /// Names, questions, answers and requests, each with its two ends.
    said: BTreeSet<String>,
    /// Answers that a record left out, by its own account, of a client and a question.
    left_out: BTreeMap<String, u64>,
    /// Packets and bytes one way, then the other way.
    conversations: BTreeMap<String, [u64; 4]>,
}

impl Facts {
    fn differences(&self, theirs: &Self) -> Vec<String> {
        let mut found: Vec<String> = self
            .said
            .difference(&theirs.said)
            .map(|fact| format!("only ours: {fact}"))
            .collect();
        let missing: Vec<&String> = theirs.said.difference(&self.said).collect();
        let mut left_out = self.left_out.clone();
        for fact in missing {
            let question = left_out
                .iter_mut()
                .find(|(question, left)| fact.starts_with(*question) && **left > 0);
            match question {
                Some((_, left)) => *left -= 1,
                None => found.push(format!("only tshark: {fact}")),
            }
        }
        let not_there = left_out.into_iter().filter(|(_, left)| *left > 0);
        found.extend(
            not_there
                .map(|(question, left)| format!("left out, but not there: {left} of {question}")),
        );
        let keys: BTreeSet<&String> = self
            .conversations
            .keys()
            .chain(theirs.conversations.keys())
            .collect();
        for key in keys {
            let (ours, theirs) = (self.conversations.get(key), theirs.conversations.get(key));
            if ours != theirs {
                let show = |counts: Option<&[u64; 4]>| {
                    counts.map_or("none".to_owned(), |counts| format!("{counts:?}"))
                };
                found.push(format!(
                    "flow {key}: ours {}, tshark {}",
                    show(ours),
                    show(theirs)
                ));
            }
        }
        found
    }

    /// Counts `counts` packets and bytes from `source` to `destination`, each with its port where there is one.
    fn count(&mut self, protocol: &str, source: &str, destination: &str, counts: [u64; 2]) {
        let is_forward = source <= destination;
        let (low, high) = if is_forward {
            (source, destination)
        } else {
            (destination, source)
        };
        let sums = self
            .conversations
            .entry(format!("{protocol} {low} {high}"))
            .or_default();
        let way = if is_forward { 0 } else { 2 };
        sums[way] += counts[0];
        sums[way + 1] += counts[1];
    }
}

// What patchspan says.

fn ours(capture: &Capture) -> Facts {
    let records = common::records(&common::replay(&capture.path, &[]));
    let mut facts = Facts::default();
    for record in of_kind(&records, "tls").filter(|record| record["tls"]["sni"].is_string()) {
        let (client, server) = ends(record);
        facts.said.insert(format!(
            "tls {client} {server} {}",
            text(&record["tls"]["sni"])
        ));
    }
    for record in of_kind(&records, "quic").filter(|record| record["quic"]["sni"].is_string()) {
        let (client, server) = ends(record);
        facts.said.insert(format!(
            "quic {client} {server} {}",
            text(&record["quic"]["sni"])
        ));
    }
    for record in
        of_kind(&records, "http").filter(|record| record["http"]["http_method"].is_string())
    {
        let (client, server) = ends(record);
        facts
            .said
            .insert(our_request(&client, &server, &record["http"]));
    }
    for record in of_kind(&records, "dns") {
        our_message(record, &mut facts);
    }
    for record in of_kind(&records, "flow") {
        let ((client, server), protocol) = (ends(record), text(&record["proto"]));
        let number = |key: &str| record["flow"][key].as_u64().unwrap();
        facts.count(
            &protocol,
            &client,
            &server,
            [number("pkts_toserver"), number("bytes_toserver")],
        );
        facts.count(
            &protocol,
            &server,
            &client,
            [number("pkts_toclient"), number("bytes_toclient")],
        );
    }
    facts
}

/// Source and destination of a record.
fn ends(record: &Value) -> (String, String) {
    let end = |ip: &str, port: &str| end(&text(&record[ip]), &text(&record[port]));
    (end("src_ip", "src_port"), end("dest_ip", "dest_port"))
}

fn end(address: &str, port: &str) -> String {
    if port.is_empty() {
        address.to_owned()
    } else {
        format!("{address}|{port}")
    }
}

fn our_request(client: &str, server: &str, http: &Value) -> String {
    let (host, port) = (text(&http["hostname"]), text(&http["http_port"]));
    let host = if port.is_empty() {
        host
    } else {
        format!("{host}:{port}")
    };
    format!(
        "http {client} {server} {host} {} {}",
        text(&http["http_method"]),
        text(&http["url"])
    )
}

fn our_message(record: &Value, facts: &mut Facts) {
    let ((source, destination), dns) = (ends(record), &record["dns"]);
    let is_response = dns["type"] == "response";
    let client = if is_response { destination } else { source };
    let list = |key: &str| dns[key].as_array().cloned().unwrap_or_default();
    let query = list("queries").first().cloned().unwrap_or_default();
    let question = question(
        &client,
        &text(&query["rrname"]),
        &text(&query["rrtype"]),
        is_response,
    );
    for answer in list("answers")
        .iter()
        .filter(|answer| answer["rdata"].is_string())
    {
        let kind = text(&answer["rrtype"]);
        if COMPARED.iter().any(|(_, word, _)| *word == kind) {
            let owner = text(&answer["rrname"]);
            facts.said.insert(format!(
                "{question} {owner} {kind} {}",
                text(&answer["rdata"])
            ));
        }
    }
    for cut in record["patchspan"]["cut"].as_array().into_iter().flatten() {
        if let Some((kept, all)) = text(cut)
            .strip_prefix("dns.answers:")
            .and_then(|numbers| numbers.split_once('/'))
        {
            let left = all.parse::<u64>().unwrap() - kept.parse::<u64>().unwrap();
            facts.left_out.insert(question.clone(), left);
        }
    }
    facts.said.insert(question);
}

fn question(client: &str, name: &str, kind: &str, is_response: bool) -> String {
    let word = if is_response { "answer" } else { "question" };
    format!("dns {word} {client} {name} {kind}")
}

// What tshark says.

/// Types of answers that are compared: number, word, tshark's field of the value.
const COMPARED: [(&str, &str, &str); 4] = [
    ("1", "A", "dns.a"),
    ("28", "AAAA", "dns.aaaa"),
    ("5", "CNAME", "dns.cname"),
    ("12", "PTR", "dns.ptr.domain_name"),
];

/// NSEC and NSEC3: the types that they list stand in the same field as types of records. They are no answers.
const LISTS_TYPES: [&str; 2] = ["47", "50"];

const FIELDS: &[&str] = &[
    "frame.number",
    "frame.len",
    "frame.protocols",
    "ip.src",
    "ip.dst",
    "ip.len",
    "ip.reassembled_in",
    "ipv6.src",
    "ipv6.dst",
    "ipv6.plen",
    "ipv6.reassembled.in",
    "tcp.srcport",
    "tcp.dstport",
    "udp.srcport",
    "udp.dstport",
    "tls.handshake.extensions_server_name",
    "http.request.method",
    "http.request.uri",
    "http.host",
    "dns.flags.response",
    "dns.count.queries",
    "dns.count.answers",
    "dns.count.auth_rr",
    "dns.count.add_rr",
    "dns.qry.name",
    "dns.qry.type",
    "dns.resp.name",
    "dns.resp.type",
    "dns.a",
    "dns.aaaa",
    "dns.cname",
    "dns.ptr.domain_name",
];

/// Between several values of a field; no name, address or URI of the captures has it.
const AGGREGATOR: char = '^';

/// One frame: the values of each field, taken from the front.
struct Frame<'a>(BTreeMap<&'static str, std::collections::VecDeque<&'a str>>);

impl<'a> Frame<'a> {
    fn new(line: &'a str) -> Self {
        let values = line.split('\t').map(|field| {
            field
                .split(AGGREGATOR)
                .filter(|value| !value.is_empty())
                .collect()
        });
        Self(FIELDS.iter().copied().zip(values).collect())
    }

    fn take(&mut self, field: &str) -> Option<&'a str> {
        self.0.get_mut(field)?.pop_front()
    }

    fn must(&mut self, field: &str) -> &'a str {
        self.take(field)
            .unwrap_or_else(|| panic!("no more {field} in {:?}", self.0))
    }

    fn number(&mut self, field: &str) -> u64 {
        self.must(field).parse().unwrap()
    }
}

fn tsharks(capture: &Capture) -> Facts {
    let mut tshark = Command::new("tshark");
    // Twice over the file, so that a fragment knows where its datagram is whole.
    tshark.args([
        "-n",
        "-2",
        "-T",
        "fields",
        "-E",
        "occurrence=a",
        "-E",
        &format!("aggregator={AGGREGATOR}"),
    ]);
    tshark.args(["-o", "tcp.reassemble_out_of_order:TRUE"]);
    FIELDS.iter().for_each(|field| {
        tshark.args(["-e", field]);
    });
    let output = tshark.arg("-r").arg(&capture.path).output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {complaints}", capture.name);
    let text = String::from_utf8(output.stdout).unwrap();
    let mut facts = Facts::default();
    let mut fragments = BTreeMap::new();
    for line in text.lines() {
        their_frame(Frame::new(line), &mut fragments, &mut facts);
    }
    facts
}

/// `fragments`: number and bytes of the frames that wait for the one in which their datagram is whole.
fn their_frame(mut frame: Frame<'_>, fragments: &mut BTreeMap<u64, [u64; 2]>, facts: &mut Facts) {
    let (number, bytes) = (frame.number("frame.number"), frame.number("frame.len"));
    let whole = frame
        .take("ip.reassembled_in")
        .or_else(|| frame.take("ipv6.reassembled.in"));
    let sum = fragments
        .entry(whole.map_or(number, |whole| whole.parse().unwrap()))
        .or_default();
    *sum = [sum[0] + 1, sum[1] + bytes];
    if whole.is_some() {
        return;
    }
    let counts = fragments.remove(&number).unwrap_or_default();
    let layers: Vec<&str> = frame.must("frame.protocols").split(':').collect();
    let mut packets = their_packets(&layers, &mut frame, counts);
    for packet in &packets {
        facts.count(
            &packet.protocol,
            &packet.source,
            &packet.destination,
            packet.counts,
        );
    }
    // A packet within an ICMP error is one that the error quotes.
    let Some(packet) = packets
        .pop()
        .filter(|packet| !packet.protocol.contains("ICMP"))
    else {
        return;
    };
    let (source, destination) = (&packet.source, &packet.destination);
    while let Some(name) = frame.take("tls.handshake.extensions_server_name") {
        let word = if packet.protocol == "UDP" {
            "quic"
        } else {
            "tls"
        };
        facts
            .said
            .insert(format!("{word} {source} {destination} {name}"));
    }
    while let Some(method) = frame.take("http.request.method") {
        let (host, uri) = (
            frame.take("http.host").unwrap_or_default(),
            frame.must("http.request.uri"),
        );
        facts
            .said
            .insert(format!("http {source} {destination} {host} {method} {uri}"));
    }
    if layers.contains(&"dns") {
        while let Some(response) = frame.take("dns.flags.response") {
            their_message(
                source,
                destination,
                matches!(response, "1" | "True"),
                &mut frame,
                facts,
            );
        }
    }
}

/// A packet of a frame: the outer ones come first.
struct Packet {
    protocol: String,
    source: String,
    destination: String,
    counts: [u64; 2],
}

fn their_packets(layers: &[&str], frame: &mut Frame<'_>, whole: [u64; 2]) -> Vec<Packet> {
    let (mut packets, mut link, mut ip) = (Vec::new(), 0, None);
    for layer in layers {
        match *layer {
            "eth" => link = 14,
            "vlan" | "ieee8021ad" => link += 4,
            "ip" | "ipv6" => {
                let length = if *layer == "ip" {
                    frame.number("ip.len")
                } else {
                    40 + frame.number("ipv6.plen")
                };
                let counts = if packets.is_empty() {
                    whole
                } else {
                    [1, link + length]
                };
                ip = Some((
                    frame.must(&format!("{layer}.src")),
                    frame.must(&format!("{layer}.dst")),
                    counts,
                ));
                link = 0;
            }
            "tcp" | "udp" | "icmp" | "icmpv6" | "gre" => {
                let Some((source, destination, counts)) = ip.take() else {
                    continue;
                };
                let (mut source, mut destination) = (source.to_owned(), destination.to_owned());
                if matches!(*layer, "tcp" | "udp") {
                    source = end(&source, frame.must(&format!("{layer}.srcport")));
                    destination = end(&destination, frame.must(&format!("{layer}.dstport")));
                }
                let protocol = if *layer == "icmpv6" {
                    "IPV6-ICMP".to_owned()
                } else {
                    layer.to_uppercase()
                };
                packets.push(Packet {
                    protocol,
                    source,
                    destination,
                    counts,
                });
                if layer.starts_with("icmp") {
                    break;
                }
            }
            _ => {}
        }
    }
    packets
}

fn their_message(
    source: &str,
    destination: &str,
    is_response: bool,
    frame: &mut Frame<'_>,
    facts: &mut Facts,
) {
    let client = if is_response { destination } else { source };
    let counted =
        |section: &str, frame: &mut Frame<'_>| frame.number(&format!("dns.count.{section}"));
    let mut first = None;
    for _ in 0..counted("queries", frame) {
        let (name, kind) = (frame.must("dns.qry.name"), frame.must("dns.qry.type"));
        first.get_or_insert_with(|| question(client, name, &type_word(kind), is_response));
    }
    let question = first.unwrap_or_else(|| question(client, "", "", is_response));
    let answers = counted("answers", frame);
    let all = answers + counted("auth_rr", frame) + counted("add_rr", frame);
    for index in 0..all {
        // A message that the snap length cuts has fewer than announced.
        let (Some(owner), Some(kind)) = (frame.take("dns.resp.name"), frame.take("dns.resp.type"))
        else {
            break;
        };
        if LISTS_TYPES.contains(&kind) {
            break;
        }
        let Some((_, word, field)) = COMPARED.iter().find(|(number, _, _)| *number == kind) else {
            continue;
        };
        let Some(value) = frame.take(field) else {
            break;
        };
        if index < answers {
            facts
                .said
                .insert(format!("{question} {owner} {word} {value}"));
        }
    }
    facts.said.insert(question);
}

/// The word for a type of question, of those that the captures have.
fn type_word(number: &str) -> String {
    let words = [
        ("6", "SOA"),
        ("33", "SRV"),
        ("48", "DNSKEY"),
        ("43", "DS"),
        ("65", "HTTPS"),
        ("2", "NS"),
        ("16", "TXT"),
    ];
    let compared = COMPARED.iter().map(|(number, word, _)| (*number, *word));
    let found = words
        .into_iter()
        .chain(compared)
        .find(|(known, _)| *known == number);
    found.map_or_else(|| format!("TYPE{number}"), |(_, word)| word.to_owned())
}
