//! One benchmark a stage, for the question "what did this change cost?": run before it, run after it, and Criterion says whether the
//! difference is more than noise. They do not say how fast the sensor is: stages share caches when they run together.
//!
//! `make bench` runs them; `cargo test --benches` runs each once.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod samples;
mod updates;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use patchspan::decode::Decoder;
use patchspan::flows::{Chunk, EndReason, Flow, FlowOptions, FlowTable, Interest, Observer};
use patchspan::names::{Names, NamesOptions};
use patchspan::protocols::dns::{Message, is_plausible};
use patchspan::protocols::{quic, tls};
use patchspan::pseudonyms::{Clients, Key, Pseudonyms, Rewriter};
use patchspan::records::community_id::community_id;
use patchspan::records::header::FlowKeys;
use patchspan::records::line::{Scratch, write_line};
use patchspan::records::time::TimeText;
use patchspan::records::{self, Header, Kind, Style};
use patchspan::types::flow_key::Side;
use patchspan::types::packet::{TcpFlags, TcpSegment, UdpDatagram};
use patchspan::types::{
    Direction, Endpoint, Fqdn, Packet, Place, Protocol, Stamp, Timestamp, Transport, VlanTags,
};
use patchspan::updates::Catalogue;
use patchspan::updates::catalogue::SourceFile;

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    for capture in ["curl-tls13.pcap", "vxlan.pcap", "dns-fragments.pcap"] {
        let frames = samples::frames(capture);
        group.throughput(Throughput::Elements(frames.len() as u64));
        group.bench_function(capture, |b| {
            b.iter(|| {
                let mut decoder = Decoder::new();
                for frame in &frames {
                    decoder.decode(frame.input(), &mut |packet| {
                        black_box(packet);
                    });
                }
            });
        });
    }
    group.finish();
}

fn under_pseudonyms(c: &mut Criterion) {
    let mut group = c.benchmark_group("pseudonyms");
    let key = Key::parse(&"07".repeat(32)).unwrap();
    let clients = Clients {
        networks: "198.51.100.0/24,2001:db8:1::/48".parse().unwrap(),
        domains: Fqdn::from_presentation("clients.example.edu")
            .into_iter()
            .collect(),
    };
    let pseudonyms = Arc::new(Pseudonyms::new(&key, clients).unwrap());
    for (name, address) in [("IPv4", "198.51.100.7"), ("IPv6", "2001:db8:1::7")] {
        let address: IpAddr = address.parse().unwrap();
        group.bench_function(format!("{name} address, worked out"), |b| {
            b.iter(|| pseudonyms.address(black_box(address)));
        });
    }
    let frames = samples::frames("curl-tls13.pcap");
    let mut rewriter = Rewriter::new(Arc::clone(&pseudonyms));
    group.throughput(Throughput::Elements(frames.len() as u64));
    for is_rewritten in [false, true] {
        let name = if is_rewritten { "with" } else { "without" };
        group.bench_function(format!("decode a capture, {name}"), |b| {
            b.iter(|| {
                let mut decoder = Decoder::new();
                for frame in &frames {
                    decoder.decode(frame.input(), &mut |packet| {
                        if is_rewritten {
                            black_box(rewriter.packet(packet));
                        } else {
                            black_box(packet);
                        }
                    });
                }
            });
        });
    }
    group.throughput(Throughput::Elements(1));
    let (dns, mut written) = (response(), Vec::new());
    group.bench_function("dns response, written anew", |b| {
        b.iter(|| pseudonyms.message(black_box(&dns), &|_| false, &mut written));
    });
    let url = b"/c/msdownload/update/software/secu/2018/08/windows10.0-kb4343899-x64_5d4fb4b6.cab?P1=1534282200&P2=301";
    group.bench_function("URL of 103 bytes, nothing found", |b| {
        b.iter(|| pseudonyms.url(black_box(url), &|_| false));
    });
    group.finish();
}

fn response() -> Vec<u8> {
    samples::payload("prototype-host-b.pcap.zst", |bytes| {
        is_plausible(bytes)
            && Message::parse(bytes).is_ok_and(|message| message.answers().count() > 1)
    })
}

fn protocols(c: &mut Criterion) {
    let mut group = c.benchmark_group("protocols");
    let dns = response();
    group.bench_function("dns response, every record", |b| {
        b.iter(|| {
            let message = Message::parse(black_box(&dns)).unwrap();
            message.answers().for_each(|record| {
                black_box((record.name.to_fqdn(), record.data()));
            });
        });
    });
    let hello = samples::payload("curl-tls13.pcap", |bytes| bytes.starts_with(&[22, 3, 1]));
    group.bench_function("tls ClientHello with JA4", |b| {
        b.iter(|| {
            let mut session = tls::Session::new();
            session.push(Direction::ToServer, black_box(&hello));
            assert!(session.client_hello().is_some());
        });
    });
    let initial = samples::payload("quic-resumption.pcap", |bytes| {
        quic::probe(bytes) && quic::Connection::new().datagram(bytes) == quic::Progress::Hello
    });
    group.bench_function("quic Initial, keys and opening", |b| {
        b.iter(|| {
            let mut connection = quic::Connection::new();
            connection.datagram(black_box(&initial));
            assert!(connection.hello().is_some());
        });
    });
    group.finish();
}

/// Looks at nothing, as the sensor does once it knows a flow's name.
struct Counting;

impl Observer<()> for Counting {
    type Memory = ();

    fn opened(&mut self, _: &mut Flow<()>, _: &Packet<'_>, _: Option<()>) {}

    fn stream(&mut self, _: &mut Flow<()>, _: Side, _: (Chunk<'_>, Place), _: Stamp) -> Interest {
        Interest::Stop
    }

    fn datagram(&mut self, _: &mut Flow<()>, _: Side, _: &UdpDatagram<'_>, _: Stamp) -> Interest {
        Interest::Stop
    }

    fn delivered(&mut self, _: &mut Flow<()>, _: Side, _: u64, _: Timestamp) {}

    fn alarm(&mut self, _: &mut Flow<()>, _: Timestamp) {}

    fn may_end(&self, _: &Flow<()>) -> bool {
        true
    }

    fn ending(&mut self, _: &mut Flow<()>, _: EndReason, _: Timestamp) {}

    fn ended(&mut self, _: &mut Flow<()>, _: EndReason, _: Timestamp) -> Option<()> {
        None
    }
}

const SEGMENT: &[u8] = &[0x17; 1_400];

/// The `number`th packet of `flows` downloads that go on at the same time, a microsecond apart.
fn segment(number: u64, flows: u64) -> Packet<'static> {
    let client = Ipv4Addr::from_bits(0x0a00_0000 + (number % flows) as u32);
    Packet {
        timestamp: Timestamp::from_nanos(number as i64 * 1_000),
        recorded: Timestamp::from_nanos(number as i64 * 1_000),
        number,
        origin: 0,
        number_in_origin: number,
        source: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)),
        destination: IpAddr::V4(client),
        transport: Transport::Tcp(TcpSegment {
            source_port: 443,
            destination_port: 50_000,
            sequence: (number / flows * SEGMENT.len() as u64) as u32,
            acknowledgement: 1,
            flags: TcpFlags(TcpFlags::ACK),
            window: 1_024,
            options: &[],
            payload: SEGMENT,
            payload_length: SEGMENT.len() as u32,
        }),
        wire_bytes: 1_454,
        frames: 1,
        identification: (number & 0xffff) as u32,
        hop_limit: 64,
        vlan: VlanTags::default(),
        tunnel: None,
        source_mac: None,
        destination_mac: None,
    }
}

fn flows(c: &mut Criterion) {
    let mut group = c.benchmark_group("flows");
    group.throughput(Throughput::Elements(1));
    for flows in [1_000, 100_000] {
        let mut table = FlowTable::new(FlowOptions::default());
        let mut number = 0;
        group.bench_function(format!("a segment, {flows} flows"), |b| {
            b.iter(|| {
                number += 1;
                table.packet(&segment(number, flows), &mut Counting);
            });
        });
        assert!(table.len() as u64 <= flows);
    }
    // The table is full from the start: each new flow makes an old one leave.
    let options = FlowOptions {
        max_flows: 10_000,
        ..FlowOptions::default()
    };
    let mut table = FlowTable::new(options);
    let mut number = 0;
    group.bench_function("a new flow, the table full", |b| {
        b.iter(|| {
            number += 1;
            table.packet(&segment(number, 1 << 24), &mut Counting);
        });
    });
    group.finish();
}

fn names(c: &mut Criterion) {
    const SERVERS: u32 = 1 << 16;
    let client = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 20));
    let server = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 + n % (2 * SERVERS)));
    let names = Names::new(NamesOptions::default());
    let chains: Vec<[String; 2]> = (0..SERVERS)
        .map(|n| {
            [
                format!("name-{n}.example.net"),
                format!("edge-{n}.example.org"),
            ]
        })
        .collect();
    let learn = |n: u32| {
        let chain = &chains[(n % SERVERS) as usize];
        names.learn(
            client,
            server(n % SERVERS),
            chain,
            Timestamp::from_seconds(1, n),
        );
    };
    (0..SERVERS).for_each(learn);
    let mut group = c.benchmark_group("names");
    let mut n = 0;
    let mut next = move || {
        n += 1;
        n * 7_919 % SERVERS
    };
    group.bench_function("an answer known before", |b| b.iter(|| learn(next())));
    let moment = Timestamp::from_seconds(60, 0);
    group.bench_function("the name of a server", |b| {
        b.iter(|| names.of_client(client, server(next()), moment));
    });
    group.bench_function("a server without a name", |b| {
        b.iter(|| names.of_client(client, server(SERVERS + next()), moment));
    });
    group.finish();
}

fn catalogue(c: &mut Criterion) {
    let catalogue = Catalogue::embedded().unwrap();
    let mut group = c.benchmark_group("catalogue");
    for (what, name) in [
        ("an exact name", "aus5.mozilla.org"),
        ("a suffix", "3.au.download.windowsupdate.com"),
        ("a name that is none", "www.a.b.example.net"),
    ] {
        group.bench_function(what, |b| b.iter(|| catalogue.find(black_box(name))));
    }
    let large = large_catalogue();
    for (what, name) in [
        (
            "an exact name of 5,000 patterns",
            "host4001.update.example.org",
        ),
        ("a glob of 5,000 patterns", "cdn7-x.vendor1200.example"),
        ("a suffix of 5,000 patterns", "a.b.dl2503.example.net"),
        (
            "a name that is none of 5,000 patterns",
            "www.a.b.c.example.net",
        ),
    ] {
        assert_eq!(large.find(name).is_none(), what.contains("none"), "{what}");
        group.bench_function(what, |b| b.iter(|| large.find(black_box(name))));
    }
    group.finish();
}

/// A catalogue of 5,000 patterns: exact names and suffixes that share an ending, and globs below several endings.
pub(crate) fn large_catalogue() -> Catalogue {
    let patterns = (0..5_000).map(|number| match number % 4 {
        0 => format!("\"cdn*-x.vendor{number}.example\""),
        1 => format!("\"host{number}.update.example.org\""),
        2 => format!("\"name{number}.example.com\""),
        _ => format!("\"*.dl{number}.example.net\""),
    });
    let patterns: Vec<String> = patterns.collect();
    let text = format!(
        "[vendor]\nid = \"v\"\n[[product]]\nid = \"p\"\ntitle = \"P\"\nsecurity = \"yes\"\n[[product.endpoint]]\nid = \"e\"\nrole = \"check\"\npatterns = [{}]\n",
        patterns.join(", ")
    );
    let file = SourceFile {
        name: "large.toml".to_owned(),
        text,
    };
    Catalogue::from_files("bench", &[file]).unwrap()
}

fn keys() -> FlowKeys {
    let endpoint = |last, port| Endpoint {
        address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)),
        port,
    };
    let (source, destination) = (endpoint(20, 50_000), endpoint(53, 443));
    FlowKeys {
        id: 1 << 50,
        source,
        destination,
        protocol: Protocol::TCP,
        icmp: None,
        vlan: VlanTags::NONE,
        tunnel: None,
        community_id: Some(community_id(source, destination, Protocol::TCP)),
    }
}

fn records(c: &mut Criterion) {
    let dns = response();
    let message = Message::parse(&dns).unwrap();
    let (style, keys) = (Style::default(), keys());
    let header = |kind| Header {
        timestamp: Timestamp::from_seconds(1_534_277_864, 123_456_000),
        kind,
        flow: Some(keys),
        packet: None,
    };
    let (mut buffer, mut scratch, mut time) = (Vec::new(), Scratch::default(), TimeText::default());
    let mut group = c.benchmark_group("records");
    group.bench_function("a dns line", |b| {
        b.iter(|| {
            buffer.clear();
            write_line(&mut buffer, &mut scratch, |line| {
                header(Kind::Dns).write(line, &style, &mut time);
                records::dns::write(line, &message, 1, &style);
            });
            black_box(&buffer);
        });
    });
    let chain = ["dl.example.net".to_owned(), "edge.example.org".to_owned()];
    let name = flow_name(&chain);
    let flow = flow_record(&name);
    group.bench_function("a flow line", |b| {
        b.iter(|| {
            buffer.clear();
            write_line(&mut buffer, &mut scratch, |line| {
                header(Kind::Flow).write(line, &style, &mut time);
                flow.write(line, &style, &mut time);
            });
            black_box(&buffer);
        });
    });
    group.finish();
}

fn flow_name(chain: &[String]) -> records::flow::Name<'_> {
    records::flow::Name {
        name: "dl.example.net",
        source: "tls",
        corroborated: true,
        chain,
        age_ms: Some(1_200),
        ..records::flow::Name::default()
    }
}

fn flow_record<'a>(name: &'a records::flow::Name<'a>) -> records::flow::Flow<'a> {
    let start = Timestamp::from_seconds(1_534_277_864, 0);
    records::flow::Flow {
        app_proto: Some("tls"),
        packets_toserver: 12,
        packets_toclient: 18,
        bytes_toserver: 2_100,
        bytes_toclient: 20_480,
        start,
        end: start.plus(Duration::from_secs(66)),
        state: "closed",
        reason: "timeout",
        tcp: Some(records::flow::Tcp {
            flags_toserver: 0x1b,
            flags_toclient: 0x1b,
            state: "closed",
            handshake: "complete",
        }),
        fqdn: Some(name),
        delivered: records::flow::Delivered::default(),
    }
}

criterion_group!(
    name = stages;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = decode, under_pseudonyms, protocols, flows, names, catalogue, updates::engine, records
);
criterion_main!(stages);
