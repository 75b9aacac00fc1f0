//! `seeds CAPTURES CORPUS`: first inputs for the targets, out of stored captures. Each target says how it reads its input.
//!
//! * `capture_reader`, `pipeline`: whole files
//! * `pcap`, `pcapng`, `snoop`: the first frames of a capture, in that format
//! * `frame`, `tunnels`, `dhcp`, `neighbour`, `dns`, `pseudonyms`, `quic`, `tcp`, `client_hello`, `http`, `record_line`: what connections carried
//! * `catalogue`: the catalogue that comes with the program

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use patchspan::decode::{Decoder, FrameInput};
use patchspan::flows::{Chunk, EndReason, Flow, FlowOptions, FlowTable, Interest, Observer};
use patchspan::source::{CaptureFile, Head};
use patchspan::types::flow_key::Side;
use patchspan::types::packet::{TcpFlags, TcpSegment, UdpDatagram};
use patchspan::types::{Direction, FlowKey, Packet, Place, Protocol, Stamp, Timestamp, Transport};
use patchspan::updates::catalogue::embedded;

/// Larger captures make the fuzzer slow.
const MAX_FILE: u64 = 64 * 1024;
/// Frames taken of a capture, each of another length.
const FRAMES: usize = 40;
/// Frames of a capture that is written in another format, and their bytes.
const WRITTEN: usize = 20;
const MAX_WRITTEN: usize = 400;
/// Bytes of each direction of a connection.
const MAX_STREAM: usize = 4 * 1024;
/// Datagrams and segments of a connection.
const DATAGRAMS: usize = 8;
const SEGMENTS: usize = 60;
/// Inputs of one kind of one capture.
const EACH: usize = 6;
/// Layers of the targets `tunnels`: see there.
const WRAPS: u8 = 12;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(captures), Some(corpus)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("usage: seeds CAPTURES CORPUS"));
    };
    let corpus = Corpus(corpus);
    for file in embedded::files() {
        corpus.add(
            "catalogue",
            &file.name.replace('/', "-"),
            file.text.as_bytes(),
        )?;
    }
    let mut folders = vec![captures];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if let Ok(file) = CaptureFile::open(&entry.path()) {
                add(&entry.path(), file, &corpus)?;
            }
        }
    }
    Ok(())
}

struct Corpus(PathBuf);

impl Corpus {
    fn add(&self, target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        let folder = self.0.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)
    }
}

fn add(path: &Path, mut file: CaptureFile, corpus: &Corpus) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if fs::metadata(path)?.len() <= MAX_FILE {
        let bytes = fs::read(path)?;
        corpus.add("capture_reader", &name, &bytes)?;
        corpus.add("pipeline", &name, &bytes)?;
    }
    let mut frames = Vec::new();
    while let Ok(Some(head)) = file.advance() {
        frames.push((head, file.data().to_vec()));
    }
    add_frames(&name, &frames, corpus)?;
    add_files(&name, &frames, corpus)?;
    let mut connections = Connections::default();
    connections.read(&frames);
    connections.add(&name, corpus)
}

fn add_frames(name: &str, frames: &[(Head, Vec<u8>)], corpus: &Corpus) -> io::Result<()> {
    let mut lengths = HashSet::new();
    for (head, data) in frames {
        if lengths.len() < FRAMES && lengths.insert(data.len()) {
            let frame = [&head.link_type.0.to_le_bytes(), data.as_slice()].concat();
            corpus.add("frame", &format!("{name}-{}", lengths.len()), &frame)?;
        }
    }
    Ok(())
}

/// The first frames as files of every format.
fn add_files(name: &str, frames: &[(Head, Vec<u8>)], corpus: &Corpus) -> io::Result<()> {
    let Some((first, _)) = frames.first() else {
        return Ok(());
    };
    let words = |words: &[u32]| {
        words
            .iter()
            .flat_map(|word| word.to_be_bytes())
            .collect::<Vec<u8>>()
    };
    let link_type = u32::from(first.link_type.0);
    let block = |kind: u32, body: &[u8]| {
        let padded = [body, &[0; 3]].concat();
        let body = padded
            .get(..body.len().next_multiple_of(4))
            .unwrap_or_default();
        let length = body.len() as u32 + 12;
        [words(&[kind, length]), body.to_vec(), words(&[length])].concat()
    };
    let mut pcap = words(&[0xa1b2_c3d4, 2 << 16 | 4, 0, 0, 262_144, link_type]);
    let mut pcapng = block(
        0x0a0d_0d0a,
        &words(&[0x1a2b_3c4d, 1 << 16, u32::MAX, u32::MAX]),
    );
    pcapng.extend(block(1, &words(&[link_type << 16, 0])));
    let mut snoop = [b"snoop\0\0\0".to_vec(), words(&[2, 4])].concat();
    for (head, data) in frames.iter().take(WRITTEN) {
        let data = data.get(..MAX_WRITTEN).unwrap_or(data);
        let (length, wire) = (data.len() as u32, head.wire_length);
        let (seconds, nanos) = head.timestamp.seconds_and_nanos();
        let (seconds, micros) = (seconds as u32, nanos / 1_000);
        pcap.extend([words(&[seconds, micros, length, wire]), data.to_vec()].concat());
        let time = u64::from(seconds) * 1_000_000 + u64::from(micros);
        let packet = words(&[0, (time >> 32) as u32, time as u32, length, wire]);
        pcapng.extend(block(6, &[packet, data.to_vec()].concat()));
        snoop.extend(
            [
                words(&[wire, length, length + 24, 0, seconds, micros]),
                data.to_vec(),
            ]
            .concat(),
        );
    }
    corpus.add("pcap", name, &pcap)?;
    corpus.add("pcapng", name, &pcapng)?;
    corpus.add("snoop", name, &snoop)
}

/// What the connections of a capture carried.
#[derive(Default)]
struct Connections {
    /// By server port: pieces of both directions.
    streams: Vec<(u16, Vec<u8>)>,
    messages: Vec<Vec<u8>>,
    /// Messages of DHCP, and of ARP and neighbour discovery with their type and code.
    leases: Vec<Vec<u8>>,
    neighbours: Vec<Vec<u8>>,
    datagrams: BTreeMap<FlowKey, Vec<Vec<u8>>>,
    segments: BTreeMap<FlowKey, Segments>,
}

/// Segments as the target `tcp` reads them.
#[derive(Default)]
struct Segments {
    input: Vec<u8>,
    count: usize,
    /// The next number of each side.
    next: [Option<u32>; 2],
}

impl Connections {
    fn read(&mut self, frames: &[(Head, Vec<u8>)]) {
        let mut decoder = Decoder::new();
        let mut table = FlowTable::new(FlowOptions::default());
        for (number, (head, data)) in (1..).zip(frames) {
            let stamp = Stamp {
                timestamp: head.timestamp,
                recorded: head.timestamp,
                number,
                number_in_origin: number,
                origin: 0,
            };
            let frame = FrameInput {
                stamp,
                link_type: head.link_type.0,
                wire_length: head.wire_length,
                data,
            };
            decoder.decode(frame, &mut |packet| {
                if let Transport::Tcp(segment) = packet.transport {
                    let (key, side) = packet.flow_key(false);
                    self.segments
                        .entry(key)
                        .or_default()
                        .take_in(side, &segment);
                }
                match &packet.transport {
                    Transport::Arp(message) => {
                        return self.neighbours.push([&[0, 0], *message].concat());
                    }
                    Transport::Icmp(message) if (133..=136).contains(&message.kind) => {
                        let head = [message.kind, message.code];
                        self.neighbours.push([&head, message.payload].concat());
                    }
                    Transport::Udp(datagram) if is_lease(datagram) => {
                        self.leases.push(datagram.payload.to_vec());
                    }
                    _ => {}
                }
                table.packet(packet, self);
            });
        }
        table.finish(Timestamp::MAX, self);
    }

    fn add(&self, name: &str, corpus: &Corpus) -> io::Result<()> {
        for (number, message) in self.messages.iter().take(EACH).enumerate() {
            for target in ["dns", "pseudonyms"] {
                corpus.add(target, &format!("{name}-{number}"), message)?;
            }
            let fields = [
                piece(&[1], message),
                piece(&[2], message),
                piece(&[0x19, 2], message),
            ]
            .concat();
            corpus.add("record_line", &format!("{name}-{number}"), &fields)?;
        }
        for (target, messages) in [("dhcp", &self.leases), ("neighbour", &self.neighbours)] {
            for (number, message) in messages.iter().take(EACH).enumerate() {
                corpus.add(target, &format!("{name}-{number}"), message)?;
            }
        }
        if let Some(message) = self.messages.first() {
            let payload = message.get(..100).unwrap_or(message);
            for wrap in 0..WRAPS {
                let wraps = [4, 7, wrap, wrap ^ 0x80, wrap];
                corpus.add(
                    "tunnels",
                    &format!("{name}-{wrap}"),
                    &piece(&wraps, payload),
                )?;
            }
        }
        for (number, (port, stream)) in self.streams.iter().take(EACH * 4).enumerate() {
            let is_http = matches!(port, 80 | 3_128 | 8_000..=8_099);
            let target = if is_http { "http" } else { "client_hello" };
            corpus.add(target, &format!("{name}-{number}"), stream)?;
        }
        for (number, datagrams) in self.datagrams.values().take(EACH).enumerate() {
            let pieces: Vec<u8> = datagrams
                .iter()
                .flat_map(|datagram| piece(&[], datagram))
                .collect();
            corpus.add(
                "quic",
                &format!("{name}-{number}"),
                &[&[0], pieces.as_slice()].concat(),
            )?;
        }
        for (number, segments) in self.segments.values().take(EACH).enumerate() {
            let input = [&[0; 9], segments.input.as_slice()].concat();
            corpus.add("tcp", &format!("{name}-{number}"), &input)?;
        }
        Ok(())
    }
}

/// Whether it is between ports of DHCP.
fn is_lease(datagram: &UdpDatagram<'_>) -> bool {
    let ports = [datagram.source_port, datagram.destination_port];
    ports.iter().all(|port| [67, 68, 546, 547].contains(port))
}

impl Segments {
    fn take_in(&mut self, side: Side, segment: &TcpSegment<'_>) {
        self.count += 1;
        if self.count > SEGMENTS {
            return;
        }
        let (own, other) = (side.index(), 1 - side.index());
        let step = |next: Option<u32>, number: u32| {
            let step = number.wrapping_sub(next.unwrap_or(number)) as i32;
            step.clamp(i16::MIN.into(), i16::MAX.into()) as i16
        };
        let long = if segment.payload_length > 255 {
            0x10
        } else {
            0
        };
        let scale = if long > 0 { 32 } else { 1 };
        let length = (segment.payload_length / scale).min(255);
        self.input
            .extend([(own as u8) << 3 | long, segment.flags.0]);
        self.input
            .extend(step(self.next[own], segment.sequence).to_le_bytes());
        self.input
            .extend(step(self.next[other], segment.acknowledgement).to_le_bytes());
        self.input.extend([length as u8, 0, 1]);
        let syn = u32::from(segment.flags.has(TcpFlags::SYN));
        let next = segment.sequence.wrapping_add(segment.payload_length + syn);
        self.next[own] = Some(next);
        if segment.flags.has(TcpFlags::ACK) && self.next[other].is_none() {
            self.next[other] = Some(segment.acknowledgement);
        }
    }
}

/// Pieces of a connection: direction, length, bytes.
#[derive(Default)]
struct Pieces {
    input: Vec<u8>,
    lengths: [usize; 2],
}

impl Observer<Pieces> for Connections {
    type Memory = ();

    fn opened(&mut self, _: &mut Flow<Pieces>, _: &Packet<'_>, _: Option<()>) {}

    fn stream(
        &mut self,
        flow: &mut Flow<Pieces>,
        side: Side,
        (chunk, _): (Chunk<'_>, Place),
        _: Stamp,
    ) -> Interest {
        let direction = flow.direction(side);
        let pieces = &mut flow.annotation;
        let is_down = u8::from(direction == Direction::ToClient);
        let length = &mut pieces.lengths[usize::from(is_down)];
        match chunk {
            Chunk::Bytes(bytes) if *length < MAX_STREAM => {
                let bytes = bytes.get(..MAX_STREAM - *length).unwrap_or(bytes);
                *length += bytes.len();
                pieces.input.extend(piece(&[is_down], bytes));
                Interest::Continue
            }
            _ => Interest::Stop,
        }
    }

    fn datagram(
        &mut self,
        flow: &mut Flow<Pieces>,
        side: Side,
        datagram: &UdpDatagram<'_>,
        _: Stamp,
    ) -> Interest {
        match flow.server().port {
            53 => self.messages.push(datagram.payload.to_vec()),
            443 | 8_443 if flow.direction(side) == Direction::ToServer => {
                let datagrams = self.datagrams.entry(*flow.key()).or_default();
                if datagrams.len() < DATAGRAMS {
                    datagrams.push(datagram.payload.to_vec());
                }
            }
            _ => {}
        }
        Interest::Continue
    }

    fn delivered(&mut self, _: &mut Flow<Pieces>, _: Side, _: u64, _: Timestamp) {}

    fn alarm(&mut self, _: &mut Flow<Pieces>, _: Timestamp) {}

    fn may_end(&self, _: &Flow<Pieces>) -> bool {
        true
    }

    fn ending(&mut self, _: &mut Flow<Pieces>, _: EndReason, _: Timestamp) {}

    fn ended(&mut self, flow: &mut Flow<Pieces>, _: EndReason, _: Timestamp) -> Option<()> {
        let input = std::mem::take(&mut flow.annotation.input);
        match (flow.key().protocol(), flow.server().port) {
            (Protocol::TCP, 53) => self.messages.push(input),
            (Protocol::TCP, port) if !input.is_empty() => self.streams.push((port, input)),
            _ => {}
        }
        None
    }
}

/// A piece of an input: what stands in front, then the length (2 bytes, little-endian), then the bytes.
fn piece(head: &[u8], bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let bytes = bytes.get(..length.into()).unwrap_or_default();
    [head, &length.to_le_bytes(), bytes].concat()
}
