//! Fragments of a few datagrams in any order: every byte put together is the byte that was sent, and every frame counts once.
//!
//! Input: IP version; then fragments: which datagram and whether others follow, offset (in eight bytes), length, seconds passed.
//! Where the first byte says so, a datagram is cut at the places given and all of it comes: then it is put together.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use patchspan::decode::{Decoder, FrameInput};
use patchspan::source::LinkType;
use patchspan::types::{Packet, Timestamp, Transport};
use patchspan_fuzz::{Pieces, check_packet, stamp};

const UDP_HEADER: usize = 8;
/// Most fragments of an input.
const MOST: u64 = 3_000;

struct Bench {
    decoder: Decoder,
    is_ipv6: bool,
    number: u64,
    now: Timestamp,
    frames: u64,
    wire_bytes: u64,
    seen: Seen,
}

#[derive(Default)]
struct Seen {
    frames: u64,
    wire_bytes: u64,
    whole: Vec<usize>,
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Pieces(bytes);
    let mode = input.byte();
    let mut bench = Bench::new(mode & 1 != 0);
    if mode & 2 != 0 {
        bench.all_of_one(&mut input);
    }
    while !input.is_empty() && bench.number < MOST {
        let which = input.byte();
        let (offset, length) = (input.integer16() & 0x1fff, input.integer16() % 1_500);
        let seconds = if which & 0x40 != 0 { input.byte() } else { 0 };
        bench.wait(seconds);
        bench.fragment(which % 16, offset.into(), length.into(), which & 0x80 != 0);
    }
    bench.end();
});

impl Bench {
    fn new(is_ipv6: bool) -> Self {
        Self {
            decoder: Decoder::new(),
            is_ipv6,
            number: 0,
            now: Timestamp::EPOCH,
            frames: 0,
            wire_bytes: 0,
            seen: Seen::default(),
        }
    }

    /// Cuts one datagram at given places, and sends the pieces in a given order, some twice.
    fn all_of_one(&mut self, input: &mut Pieces<'_>) {
        const WHICH: u8 = 99;
        let last = usize::from(input.byte()) + 1;
        let mut starts: Vec<usize> = input.take(8).iter().map(|at| usize::from(*at)).collect();
        starts.push(0);
        starts.retain(|start| *start < last);
        starts.sort_unstable();
        starts.dedup();
        let ends = starts.iter().skip(1).copied().chain([last]);
        let mut pieces: Vec<(usize, usize)> = starts.iter().copied().zip(ends).collect();
        if pieces.len() < 2 {
            return;
        }
        while !pieces.is_empty() {
            let choice = usize::from(input.byte());
            let (start, end) = pieces.swap_remove(choice % pieces.len());
            // The same fragment twice is no overlap, as long as others are missing.
            let copies = if choice & 0x80 != 0 && !pieces.is_empty() {
                2
            } else {
                1
            };
            for _ in 0..copies {
                self.fragment(WHICH, start, (end - start) * 8, end != last);
            }
        }
        assert_eq!(self.seen.whole, [last * 8 - UDP_HEADER]);
    }

    fn wait(&mut self, seconds: u8) {
        self.now = self.now.plus(Duration::from_secs(seconds.into()));
        let seen = &mut self.seen;
        self.decoder
            .expire(self.now, &mut |packet| seen.take_in(packet));
    }

    fn fragment(&mut self, which: u8, offset: usize, length: usize, more: bool) {
        let body: Vec<u8> = (offset * 8..offset * 8 + length)
            .map(|at| byte_at(which, at))
            .collect();
        let frame = if self.is_ipv6 {
            ipv6(which, offset, more, &body)
        } else {
            ipv4(which, offset, more, &body)
        };
        self.number += 1;
        let input = FrameInput {
            stamp: stamp(self.number, self.now),
            link_type: LinkType::RAW.0,
            wire_length: frame.len() as u32,
            data: &frame,
        };
        let refused = self.decoder.counters().bad_fragments;
        let seen = &mut self.seen;
        let before = (seen.frames, seen.wire_bytes);
        self.decoder
            .decode(input, &mut |packet| seen.take_in(packet));
        let length = frame.len() as u64;
        let is_lone = self.decoder.counters().bad_fragments != refused;
        if !is_lone || self.seen.lone((before.0 + 1, before.1 + length)) {
            self.frames += 1;
            self.wire_bytes += length;
        }
    }

    /// Every fragment that was not refused counted for exactly one packet.
    fn end(mut self) {
        let seen = &mut self.seen;
        self.decoder.finish(&mut |packet| seen.take_in(packet));
        assert_eq!(
            (self.seen.frames, self.seen.wire_bytes),
            (self.frames, self.wire_bytes)
        );
    }
}

impl Seen {
    /// Whether a fragment that fits no datagram counted by itself: nothing but its frame came.
    fn lone(&self, expected: (u64, u64)) -> bool {
        (self.frames, self.wire_bytes) == expected
    }

    fn take_in(&mut self, packet: &Packet<'_>) {
        check_packet(packet);
        self.frames += u64::from(packet.frames);
        self.wire_bytes += packet.wire_bytes;
        if let Transport::Udp(datagram) = packet.transport {
            let which = datagram.source_port as u8;
            let bytes = datagram.payload.iter().zip(UDP_HEADER..);
            bytes.for_each(|(byte, at)| assert_eq!(*byte, byte_at(which, at)));
            if which == 99 {
                self.whole.push(datagram.payload.len());
            }
        }
    }
}

/// The byte at a place of a datagram: a UDP header whose length is not told, then a pattern.
fn byte_at(which: u8, at: usize) -> u8 {
    match at {
        1 => which,
        0 | 3..UDP_HEADER => 0,
        2 => 0x70,
        _ => (at as u32)
            .wrapping_mul(0x9e37_79b1)
            .wrapping_add(which.into())
            .to_be_bytes()[0],
    }
}

fn ipv4(which: u8, offset: usize, more: bool, body: &[u8]) -> Vec<u8> {
    let length = (20 + body.len() as u16).to_be_bytes();
    let place = (offset as u16 & 0x1fff | if more { 0x2000 } else { 0 }).to_be_bytes();
    let head = [
        0x45, 0, length[0], length[1], 0, which, place[0], place[1], 64, 17, 0, 0,
    ];
    [&head[..], &[192, 0, 2, 1, 192, 0, 2, 2], body].concat()
}

fn ipv6(which: u8, offset: usize, more: bool, body: &[u8]) -> Vec<u8> {
    let length = (8 + body.len() as u16).to_be_bytes();
    let place = ((offset as u16) << 3 | u16::from(more)).to_be_bytes();
    let head = [0x60, 0, 0, 0, length[0], length[1], 44, 64];
    let fragment = [17, 0, place[0], place[1], 0, 0, 0, which];
    [&head[..], &[0x20; 32], &fragment, body].concat()
}
