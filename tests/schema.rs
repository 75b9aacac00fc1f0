//! Every writer's lines against the schemas that the program prints, and lines that are a little wrong.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/schema.rs"]
mod schema;

use std::process::Command;
use std::sync::Arc;

use patchspan::protocols::dns::Message;
use patchspan::records::binding::write_binding;
use patchspan::records::community_id::community_id;
use patchspan::records::flow::{Delivered, Flow, Name, Tcp};
use patchspan::records::header::FlowKeys;
use patchspan::records::http::{ContentRange, Http};
use patchspan::records::line::{Line, Scratch, write_line};
use patchspan::records::quic::Quic;
use patchspan::records::schema::Form;
use patchspan::records::stats::{Loss, write_counters, write_stats};
use patchspan::records::time::TimeText;
use patchspan::records::tls::{Claim, Tls};
use patchspan::records::update::{Context, write_access, write_session};
use patchspan::records::{Header, Kind, Style, dns};
use patchspan::types::packet::TunnelKind;
use patchspan::types::{Endpoint, Protocol, Timestamp, Tunnel, VlanTags};
use patchspan::updates::catalogue::{Catalogue, Role};
use patchspan::updates::fact::NameSource;
use patchspan::updates::hosts::{HostKey, Source};
use patchspan::updates::os::weigh::WORDS;
use patchspan::updates::os::{OsGuess, System};
use patchspan::updates::output::{Access, Binding, Session};
use patchspan::updates::payload::PayloadId;
use patchspan::updates::verdict::{Confidence, Evidence, Offered, Outcome, Verdict};
use serde_json::{Value, json};

const MAC: [u8; 6] = [2, 0, 0x5e, 0, 0x53, 1];
const NOW: Timestamp = Timestamp::from_seconds(1_534_277_865, 678_901_000);
const JA4: &str = "t13d1516h2_8daaf6152771_e5627efa2ab1";

fn styles() -> [Style; 2] {
    [false, true].map(|eve_strict| Style {
        eve_strict,
        ipv6_long: eve_strict,
        community_id: true,
        host: Some("sensor 日本".to_owned()),
        origins: vec!["a b.pcap".to_owned()],
        ..Style::default()
    })
}

const fn form(style: &Style) -> Form {
    if style.eve_strict {
        Form::EveStrict
    } else {
        Form::Full
    }
}

fn endpoint(address: &str, port: u16) -> Endpoint {
    Endpoint {
        address: address.parse().unwrap(),
        port,
    }
}

/// A line of `kind`, with a header of a flow where the kind has one.
fn line(
    kind: Kind,
    protocol: Protocol,
    style: &Style,
    mut fields: impl FnMut(&mut Line<'_>),
) -> String {
    let mut vlan = VlanTags::default();
    vlan.push(10);
    vlan.push(20);
    let tunnel = Tunnel {
        kind: TunnelKind::Vxlan,
        source: "192.0.2.1".parse().unwrap(),
        destination: "2001:db8::7".parse().unwrap(),
        source_port: 40_000,
        destination_port: 4_789,
        protocol: Protocol::UDP,
        id: Some(7),
        depth: 1,
    };
    let source = endpoint("2001:db8::1", 50_000);
    let destination = endpoint("2001:db8::2", 443);
    let flow = FlowKeys {
        id: (1 << 51) - 1,
        source,
        destination,
        protocol,
        icmp: (protocol == Protocol::ICMPV6).then_some((128, 0)),
        vlan,
        tunnel: Some(tunnel),
        community_id: style
            .community_id
            .then(|| community_id(source, destination, protocol)),
    };
    let of_flow = !matches!(
        kind,
        Kind::Stats | Kind::UpdateSession | Kind::ClientBinding | Kind::Loss | Kind::PatchspanStats
    );
    let header = Header {
        timestamp: NOW,
        kind,
        flow: of_flow.then_some(flow),
        packet: of_flow.then_some((u64::MAX, 0)),
    };
    let mut buffer = Vec::new();
    write_line(&mut buffer, &mut Scratch::default(), |line| {
        header.write(line, style, &mut TimeText::default());
        fields(line);
    });
    String::from_utf8(buffer).unwrap().trim_end().to_owned()
}

fn record(name: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [
        name,
        &kind.to_be_bytes(),
        &[0, 1, 0xff, 0xff, 0xff, 0xff],
        &length.to_be_bytes(),
        data,
    ]
    .concat()
}

/// A response with every kind of record that is decoded, in every section.
fn message(extra: usize) -> Vec<u8> {
    let soa = [&b"\x01m\x00\x01r\x00"[..], &[0xff; 20]].concat();
    let service = b"\x00\x01\x04edge\x00\x00\x01\x00\x03\x02h2\x00\x04\x00\x04\xc0\x00\x02\x01\x00\x05\x00\x04\x00\x01\x02\x03";
    let records = [
        record(b"\xc0\x0c", 1, &[203, 0, 113, 9]),
        record(b"\xc0\x0c", 28, &[0x20; 16]),
        record(b"\xc0\x0c", 5, b"\x05a\\.b\x1b\x00"),
        record(b"\xc0\x0c", 15, b"\x00\x0a\x04mail\x00"),
        record(b"\xc0\x0c", 16, b"\x05he\x00\xff!"),
        record(b"\xc0\x0c", 6, &soa),
        record(b"\xc0\x0c", 33, b"\x00\x01\x00\x02\x01\xbb\x03srv\x00"),
        record(b"\xc0\x0c", 44, b"\x01\x02\xaa\xbb"),
        record(b"\xc0\x0c", 65, service),
        record(b"\xc0\x0c", 65_280, b"\x00"),
        record(b"\x00", 41, b""),
    ];
    let section: Vec<u8> = records.iter().flatten().copied().collect();
    let answers = (records.len() + extra).to_be_bytes();
    let count = u8::try_from(records.len()).unwrap();
    let mut bytes = vec![
        0x12, 0x67, 0x87, 0xc0, 0, 1, answers[6], answers[7], 0, count, 0, count,
    ];
    bytes.extend(b"\x02dL\x07example\x03net\x00\x00\x01\x00\x01");
    bytes.extend(&section);
    (0..extra).for_each(|_| bytes.extend(record(b"\xc0\x0c", 1, &[203, 0, 113, 9])));
    bytes.extend(section.repeat(2));
    bytes
}

fn dns_line(bytes: &[u8], style: &Style) -> String {
    let message = Message::parse(bytes).unwrap();
    line(Kind::Dns, Protocol::UDP, style, |line| {
        dns::write(line, &message, 3, style)
    })
}

fn tls_line(style: &Style) -> String {
    let alpns = vec![b"h2".to_vec(); 300];
    let tls = Tls {
        sni: Some(b"dl.example.net\x00\xff"),
        version: "TLS 1.3",
        ja4: Some(JA4),
        client_alpns: &alpns,
        server_alpn: Some(b"h2"),
    };
    let claim = Claim {
        ech_accepted_likely: true,
    };
    line(Kind::Tls, Protocol::TCP, style, |line| {
        tls.write(line);
        if !style.eve_strict {
            claim.write(line);
        }
    })
}

fn http_line(style: &Style) -> String {
    let http = Http {
        hostname: Some(b"dl.example.net"),
        port: Some(8_080),
        url: Some(&[b'\\'; 3_000]),
        user_agent: Some(b"curl/8 \"quoted\""),
        method: Some(b"GET"),
        protocol: Some(b"HTTP/1.1"),
        status: Some(206),
        length: u64::MAX,
        content_type: Some(b"application/octet-stream"),
        content_range: Some(ContentRange {
            raw: b"bytes 0-1/2",
            range: Some((0, 1)),
            size: Some(2),
        }),
    };
    line(Kind::Http, Protocol::TCP, style, |line| {
        http.write(line, false);
        if !style.eve_strict {
            Claim::default().write(line);
        }
    })
}

fn flow_line(protocol: Protocol, style: &Style) -> String {
    let names: Vec<String> = ["a.example", "b.example"].map(str::to_owned).to_vec();
    let name = Name {
        name: "a.example",
        source: "tls",
        corroborated: true,
        inherited: true,
        chain: &names,
        age_ms: Some(1_200),
        alternatives: &names,
    };
    let flow = Flow {
        app_proto: Some("tls"),
        packets_toserver: 12,
        packets_toclient: 18,
        bytes_toserver: 2_100,
        bytes_toclient: u64::MAX,
        start: NOW,
        end: Timestamp::MAX,
        state: "closed",
        reason: "tcp_reuse",
        tcp: (protocol == Protocol::TCP).then_some(Tcp {
            flags_toserver: 0x1b,
            flags_toclient: 2,
            state: "fin_wait1",
            handshake: "complete",
        }),
        fqdn: Some(&name),
        delivered: Delivered {
            toclient: 19_200,
            ..Delivered::default()
        },
    };
    line(Kind::Flow, protocol, style, |line| {
        flow.write(line, style, &mut TimeText::default())
    })
}

fn access(catalogue: &Catalogue) -> Access {
    Access {
        id: 7,
        revision: 2,
        is_final: true,
        reported: NOW,
        endpoint: catalogue.find("download.windowsupdate.com").unwrap(),
        decided: None,
        role: Role::Download,
        verdict: Verdict::Downloaded,
        confidence: Confidence::High,
        flow_id: 1,
        client: endpoint("2001:db8::1", 50_000),
        host: HostKey::Mac(MAC),
        server: endpoint("2001:db8::2", 80),
        protocol: Protocol::TCP,
        name: Arc::from("download.windowsupdate.com"),
        source: NameSource::Http,
        asked: Some(NOW),
        chain: vec!["cs11.wpc.v0cdn.net".to_owned()],
        addresses: vec![
            "117.18.232.240".parse().unwrap(),
            "2001:db8::2".parse().unwrap(),
        ],
        start: NOW,
        end: NOW,
        bytes_toserver: 51_200,
        bytes_toclient: 3_167_048,
        delivered_toclient: 3_050_412,
        largest_burst: 3_050_412,
        evidence: Evidence::ALL.to_vec(),
        bytes_expected: Some(3_050_000),
        ranges_percent: Some(100),
        payloads: vec![PayloadId {
            kind: "kb",
            value: "KB4343899".to_owned(),
            version: Some("2".to_owned()),
            from_version: Some("1".to_owned()),
            architecture: Some("x64".to_owned()),
            locale: Some("ja".to_owned()),
            hash: Some("0f1c2d3e4b5a69788796a5b4c3d2e1f001234567".to_owned()),
        }],
        denied: None,
        is_error: false,
        may_have_fetched: false,
        count: Some(3),
        session: Some(u64::MAX),
        flow_ids: vec![1, 2],
        alternatives: vec![("mozilla".to_owned(), "firefox".to_owned())],
        is_internal: true,
    }
}

fn session(access: &Access) -> Session {
    Session {
        id: 9,
        revision: 1,
        client: access.client.address,
        host: access.host,
        endpoint: access.endpoint,
        start: NOW,
        end: NOW,
        reported: NOW,
        checks: 1,
        downloads: 1,
        delivered_toclient: 3_050_412,
        offered: Offered::Yes,
        offered_evidence: vec!["download_contact"],
        outcome: Outcome::Downloaded,
        payloads: access.payloads.clone(),
        flow_ids: vec![1, 2],
        os: Some(OsGuess {
            name: System::Windows,
            version: Some("10 or later".to_owned()),
            confidence: Confidence::High,
            is_mixed: false,
            evidence: WORDS.to_vec(),
        }),
    }
}

fn update_lines(style: &Style) -> [String; 2] {
    let catalogue = Catalogue::embedded().unwrap();
    let access = access(&catalogue);
    let session = session(&access);
    let context = Context {
        catalogue: &catalogue,
        client_id: Some("端末-7"),
        client_mac: Some(MAC),
        via: Some("internal"),
    };
    let time = TimeText::default;
    [
        line(Kind::Update, Protocol::TCP, style, |line| {
            write_access(line, &access, &context, style, &mut time())
        }),
        line(Kind::UpdateSession, Protocol::TCP, style, |line| {
            write_session(line, &session, &context, style, &mut time())
        }),
    ]
}

#[test]
fn a_session_of_many_ids_tells_how_many_were_cut() {
    let catalogue = Catalogue::embedded().unwrap();
    let access = access(&catalogue);
    let session = Session {
        payloads: vec![access.payloads[0].clone(); 64],
        ..session(&access)
    };
    let context = Context {
        catalogue: &catalogue,
        client_id: None,
        client_mac: None,
        via: None,
    };
    let style = Style::default();
    let line = line(Kind::UpdateSession, Protocol::TCP, &style, |line| {
        write_session(line, &session, &context, &style, &mut TimeText::default())
    });
    schema::check_lines(Form::Full, &line);
    let record: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        record["update_session"]["cut"],
        json!(["payload_ids:32/64"])
    );
}

fn binding_line(style: &Style) -> String {
    let binding = Binding {
        client: "2001:db8::1".parse().unwrap(),
        mac: MAC,
        names: vec!["pc-7\\255".to_owned(), "Room 3".to_owned()],
        source: Source::Dhcp,
        start: NOW,
        end: NOW,
        is_ongoing: true,
        is_router: true,
        is_nat: true,
    };
    line(Kind::ClientBinding, Protocol::TCP, style, |line| {
        write_binding(
            line,
            &binding,
            Some("端末-7"),
            style,
            &mut TimeText::default(),
        )
    })
}

fn counter_lines(style: &Style) -> [String; 3] {
    let counters = [
        ("uptime", 1),
        ("decoder.packets", 2),
        ("decoder.bad_ipv4", 3),
        ("flow.total", u64::MAX),
    ];
    let loss = Loss {
        what: "lines",
        place: "/var/日本",
        count: 3,
        start: NOW,
        end: NOW,
    };
    [
        line(Kind::Stats, Protocol::TCP, style, |line| {
            write_stats(line, &counters, style)
        }),
        line(Kind::PatchspanStats, Protocol::TCP, style, |line| {
            line.object("patchspan_stats", |line| write_counters(line, &counters));
        }),
        line(Kind::Loss, Protocol::TCP, style, |line| {
            loss.write(line, style, &mut TimeText::default())
        }),
    ]
}

/// Lines of every kind that has a writer.
fn lines(style: &Style) -> Vec<String> {
    let quic = |version| Quic {
        version,
        sni: Some(b"q.example"),
        ja4: Some("q13d0310h3_55b375c5d22e_cd85d2d88918"),
    };
    let mut lines = vec![
        dns_line(&message(0), style),
        dns_line(&message(300), style),
        dns_line(&[0; 12], style),
        tls_line(style),
        http_line(style),
        flow_line(Protocol::TCP, style),
        flow_line(Protocol::ICMPV6, style),
        flow_line(Protocol(200), style),
    ];
    for version in [1, 0x6b33_43cf, 0x5130_3436, 0xff00_001d] {
        lines.push(line(Kind::Quic, Protocol::UDP, style, |line| {
            quic(version).write(line)
        }));
    }
    lines.extend(update_lines(style));
    lines.push(binding_line(style));
    lines.extend(counter_lines(style));
    lines
}

#[test]
fn what_is_written_validates_in_both_forms() {
    for style in styles() {
        let lines = lines(&style);
        assert_eq!(schema::check_lines(form(&style), &lines.join("\n")), 18);
        for line in &lines {
            let has_own = serde_json::from_str::<Value>(line)
                .unwrap()
                .get("patchspan")
                .is_some();
            assert!(!(style.eve_strict && has_own), "{line}");
        }
    }
}

#[test]
fn a_live_line_names_the_interface() {
    let [style, _] = styles();
    let style = Style {
        live: true,
        origins: vec!["eth0".to_owned()],
        ..style
    };
    let line = flow_line(Protocol::TCP, &style);
    assert!(line.contains("\"in_iface\":\"eth0\"") && !line.contains("pcap_cnt"));
    schema::check_lines(Form::Full, &line);
}

#[test]
fn lines_of_the_full_form_are_refused_by_the_strict_one() {
    let [style, _] = styles();
    let refused = |line: &str| schema::check(Form::EveStrict, line).is_err();
    assert!(refused(&flow_line(Protocol::TCP, &style)) && refused(&tls_line(&style)));
    assert!(refused(&counter_lines(&style)[0]));
}

/// Every place of a value, as a JSON pointer.
fn places(value: &Value, place: &str, found: &mut Vec<String>) {
    found.push(place.to_owned());
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(key, member)| places(member, &format!("{place}/{key}"), found)),
        Value::Array(elements) => {
            let elements = elements.iter().enumerate();
            elements
                .for_each(|(index, element)| places(element, &format!("{place}/{index}"), found));
        }
        _ => {}
    }
}

/// `line` with each of its values made wrong in turn.
fn mutated(line: &str) -> Vec<Value> {
    let whole: Value = serde_json::from_str(line).unwrap();
    let mut found = Vec::new();
    places(&whole, "", &mut found);
    let mut wrong = Vec::new();
    for place in found {
        let mut with = |value: Value| {
            let mut copy = whole.clone();
            *copy.pointer_mut(&place).unwrap() = value;
            wrong.push(copy);
        };
        let old = whole.pointer(&place).unwrap();
        with(Value::Null);
        match old {
            Value::Object(members) => {
                let mut members = members.clone();
                members.insert("unheard-Of".to_owned(), json!(1));
                with(members.into());
                with(json!([]));
            }
            Value::Number(_) => {
                with(json!(1_u64 << 53));
                with(json!(-1));
                with(json!("1"));
            }
            Value::String(_) => with(json!(1)),
            Value::Bool(_) => with(json!("true")),
            _ => with(json!({})),
        }
    }
    wrong
}

#[test]
fn a_line_with_one_wrong_value_or_key_is_refused() {
    let mut count = 0;
    for style in styles() {
        for line in lines(&style) {
            for wrong in mutated(&line) {
                let seconds = wrong
                    .pointer("/patchspan/fqdn/age_s")
                    .or(wrong.pointer("/update/duration_s"));
                // Seconds are the one kind of number without an upper bound.
                if seconds != Some(&json!(1_u64 << 53)) {
                    assert!(
                        schema::check_value(form(&style), &wrong).is_err(),
                        "{wrong}"
                    );
                    count += 1;
                }
            }
        }
    }
    assert!(count > 3_000, "{count}");
}

fn printed(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_patchspan"))
        .arg("schema")
        .args(arguments)
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

#[test]
fn the_program_prints_each_schema_and_one_for_all() {
    for (arguments, kinds) in [(&[][..], 12), (&["--eve"][..], 6)] {
        let (code, out) = printed(arguments);
        let all: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, all["oneOf"].as_array().unwrap().len()), (0, kinds));
        let validator = jsonschema::draft202012::new(&all).unwrap();
        let style = &styles()[usize::from(kinds == 6)];
        for line in lines(style) {
            let value: Value = serde_json::from_str(&line).unwrap();
            let is_ours = !all["$defs"][value["event_type"].as_str().unwrap()].is_object();
            assert_ne!(validator.is_valid(&value), is_ours, "{line}");
        }
    }
    let (code, out) = printed(&["update"]);
    let update: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, update["$schema"].as_str()),
        (0, Some("https://json-schema.org/draft/2020-12/schema"))
    );
    assert_eq!(update["properties"]["event_type"]["const"], "update");
}

#[test]
fn a_kind_that_does_not_exist_or_is_not_eves_is_2() {
    for arguments in [&["updates"][..], &["--eve", "update"]] {
        assert_eq!(printed(arguments), (2, String::new()));
    }
}
