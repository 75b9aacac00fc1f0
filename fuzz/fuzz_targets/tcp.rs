//! Made-up segments of a few connections: streams come in order, and no figure exceeds what was sent.
//!
//! Input: mode (bit 0: contents may differ from copy to copy; bit 1: a table of four flows), initial numbers, then segments: flow
//! and side, flags, number and acknowledgement as steps from the last ones, length, what a snap length cut off, time.
#![no_main]

use std::net::IpAddr;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use patchspan::flows::{
    Chunk, EndReason, Flow, FlowOptions, FlowTable, Handshake, Interest, Observer,
};
use patchspan::types::flow_key::Side;
use patchspan::types::packet::{TcpFlags, TcpSegment, UdpDatagram};
use patchspan::types::{Direction, Packet, Place, Stamp, Timestamp, Transport, VlanTags};
use patchspan_fuzz::{Pieces, stamp};

/// Most segments of an input.
const MOST: u64 = 2_000;
const SERVER: u16 = 443;

/// What the observer saw of one side.
#[derive(Debug, Default)]
struct Stream {
    /// Bytes handed on since the last restart.
    bytes: u64,
    /// Bytes and losses since then.
    position: u64,
    /// Place of the next byte by its value, where the contents tell it.
    next: Option<u8>,
    delivered: u64,
    has_ended: bool,
    restarts: u32,
}

#[derive(Debug, Default)]
struct Sides([Stream; 2]);

#[derive(Default)]
struct Checks {
    /// The contents tell their place.
    is_consistent: bool,
    opened: u64,
    ended: u64,
    packets: u64,
}

impl Observer<Sides> for Checks {
    type Memory = u64;

    fn opened(&mut self, _: &mut Flow<Sides>, _: &Packet<'_>, earlier: Option<u64>) {
        self.opened += 1;
        assert!(earlier.is_none_or(|number| number < self.opened));
    }

    fn stream(
        &mut self,
        flow: &mut Flow<Sides>,
        side: Side,
        (chunk, _): (Chunk<'_>, Place),
        _: Stamp,
    ) -> Interest {
        let stream = &mut flow.annotation.0[side.index()];
        assert!(!stream.has_ended, "nothing follows an end");
        match chunk {
            Chunk::Bytes(bytes) => {
                assert!(!bytes.is_empty());
                if self.is_consistent {
                    stream.check_places(bytes);
                }
                stream.bytes += bytes.len() as u64;
                stream.position += bytes.len() as u64;
            }
            Chunk::Gap(lost) => {
                assert!(lost > 0);
                stream.position += lost;
                stream.next = stream.next.map(|next| next.wrapping_add(lost as u8));
            }
            Chunk::Restart => {
                assert!(stream.position <= 64);
                *stream = Stream {
                    delivered: stream.delivered,
                    restarts: stream.restarts + 1,
                    ..Stream::default()
                };
            }
            Chunk::End => stream.has_ended = true,
        }
        Interest::Continue
    }

    fn datagram(
        &mut self,
        _: &mut Flow<Sides>,
        _: Side,
        _: &UdpDatagram<'_>,
        _: Stamp,
    ) -> Interest {
        unreachable!("there are none")
    }

    fn delivered(&mut self, flow: &mut Flow<Sides>, side: Side, bytes: u64, _: Timestamp) {
        assert!(bytes > 0);
        flow.annotation.0[side.index()].delivered += bytes;
    }

    fn alarm(&mut self, _: &mut Flow<Sides>, _: Timestamp) {
        unreachable!("none was set")
    }

    fn ended(&mut self, flow: &mut Flow<Sides>, reason: EndReason, at: Timestamp) -> Option<u64> {
        self.ended += 1;
        assert!(at >= flow.first().timestamp);
        if reason == EndReason::Timeout {
            assert!(at >= flow.last());
        }
        for direction in [Direction::ToServer, Direction::ToClient] {
            let figures = flow.delivered(direction);
            let stream = &flow.annotation.0[flow.side(direction).index()];
            // Bytes at different places, each of which was seen.
            assert!(stream.bytes <= figures.bytes, "{stream:?} {figures:?}");
            assert!(figures.inferred <= figures.bytes);
            // The number of a FIN that was acknowledged before it was seen is taken back; what nobody acknowledged is told late.
            assert!(
                stream.delivered <= figures.bytes + 1,
                "{stream:?} {figures:?}"
            );
            assert!(stream.has_ended, "every stream is told its end");
            self.packets += flow.packets(direction);
        }
        assert!(flow.handshake().is_some() && flow.tcp_state().is_some());
        assert!(flow.handshake() != Some(Handshake::Refused) || flow.state() != "established");
        Some(self.opened - 1)
    }
}

impl Stream {
    fn check_places(&mut self, bytes: &[u8]) {
        let mut next = self.next.unwrap_or(bytes[0]);
        for byte in bytes {
            assert_eq!(*byte, next, "out of order");
            next = next.wrapping_add(1);
        }
        self.next = Some(next);
    }
}

struct Bench {
    table: FlowTable<Sides, u64>,
    checks: Checks,
    number: u64,
    now: Timestamp,
    /// The next number of each side of each flow.
    numbers: [[u32; 2]; 8],
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Pieces(bytes);
    let mode = input.byte();
    let first = [input.integer32(), input.integer32()];
    let options = FlowOptions {
        max_flows: if mode & 2 != 0 { 4 } else { 1 << 10 },
        ..FlowOptions::default()
    };
    let mut bench = Bench {
        table: FlowTable::new(options),
        checks: Checks {
            is_consistent: mode & 1 == 0,
            ..Checks::default()
        },
        number: 0,
        now: Timestamp::from_seconds(1_000_000_000, 0),
        numbers: [first; 8],
    };
    while !input.is_empty() && bench.number < MOST {
        bench.segment(&mut input);
    }
    bench.table.finish(bench.now, &mut bench.checks);
    assert!(bench.table.is_empty());
    assert_eq!(bench.checks.opened, bench.checks.ended);
    assert_eq!(bench.checks.packets, bench.number);
});

impl Bench {
    fn segment(&mut self, input: &mut Pieces<'_>) {
        let (which, flags) = (input.byte(), input.byte());
        let (step, acknowledged) = (input.integer16() as i16, input.integer16() as i16);
        let (length, cut, wait) = (usize::from(input.byte()), input.byte(), input.byte());
        let length = if which & 0x10 != 0 {
            length * 32
        } else {
            length
        };
        let flow = usize::from(which & 7);
        let side = usize::from(which >> 3 & 1);
        let far = if which & 0x20 != 0 { 1 << 16 } else { 1 };
        let sequence = self.numbers[flow][side].wrapping_add((i32::from(step) * far) as u32);
        let acknowledgement =
            self.numbers[flow][1 - side].wrapping_add((i32::from(acknowledged) * far) as u32);
        let salt = if self.checks.is_consistent { 0 } else { wait };
        // A SYN takes a number of its own.
        let start = sequence.wrapping_add(u32::from(flags & TcpFlags::SYN != 0));
        let payload: Vec<u8> = (0..length)
            .map(|at| (start as u8).wrapping_add(at as u8).wrapping_add(salt))
            .collect();
        self.now = self
            .now
            .plus(Duration::from_millis(u64::from(wait) * u64::from(wait)));
        self.table
            .advance(self.now.tick().start(), &mut self.checks);
        let segment = TcpSegment {
            source_port: 0,
            destination_port: 0,
            sequence,
            acknowledgement,
            flags: TcpFlags(flags),
            window: 1_000,
            options: &[],
            payload: &payload[..length.saturating_sub(cut.into())],
            payload_length: length as u32,
        };
        self.packet(flow as u16, side == 1, segment);
        if which & 0x40 == 0 {
            self.numbers[flow][side] = start.wrapping_add(length as u32);
        }
    }

    fn packet(&mut self, flow: u16, from_server: bool, segment: TcpSegment<'_>) {
        self.number += 1;
        let (client, server): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [203, 0, 113, 9].into());
        let (source, destination) = if from_server {
            (server, client)
        } else {
            (client, server)
        };
        let client_port = 50_000 + flow;
        let (source_port, destination_port) = if from_server {
            (SERVER, client_port)
        } else {
            (client_port, SERVER)
        };
        let stamp = stamp(self.number, self.now);
        let packet = Packet {
            timestamp: stamp.timestamp,
            recorded: stamp.recorded,
            number: stamp.number,
            origin: stamp.origin,
            number_in_origin: stamp.number_in_origin,
            source,
            destination,
            transport: Transport::Tcp(TcpSegment {
                source_port,
                destination_port,
                ..segment
            }),
            wire_bytes: 40 + u64::from(segment.payload_length),
            frames: 1,
            identification: self.number as u32,
            hop_limit: 64,
            vlan: VlanTags::default(),
            tunnel: None,
            source_mac: None,
            destination_mac: None,
        };
        self.table.packet(&packet, &mut self.checks);
    }
}
