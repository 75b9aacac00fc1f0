//! Downloads frame by frame, for what no laboratory makes quickly: gigabytes in segments of 64 KB of which only the headers were
//! captured, copies that come late, one frame that is missing.
//!
//! One connection of HTTP: handshake, request, head of the response, body, FIN both ways. The client acknowledges every
//! second segment. The frames go into `patchspan replay -`.

use std::collections::VecDeque;
use std::io::{BufWriter, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::Value;

const CLIENT: ([u8; 4], u16) = ([192, 0, 2, 20], 50_000);
const SERVER: ([u8; 4], u16) = ([203, 0, 113, 9], 80);
const REQUEST: &[u8] = b"GET /pub/update.mar HTTP/1.1\r\nHost: download.mozilla.org\r\n\r\n";
/// Ethernet, IPv4, TCP without options.
const HEADERS: usize = 54;
const FIN: u8 = 1;
const SYN: u8 = 2;
const ACK: u8 = 16;
const LATE_US: u64 = 8_000;

/// What the mirror makes of the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mirror {
    Whole,
    FromClient,
    FromServer,
    /// One in fifty has no copy.
    Missing,
    /// Only these from the server, and one in fifty of them has no copy.
    FromServerMissing,
    /// Each again, later than a mirror's second copy is looked for.
    TwiceLate,
    /// All but the one of this number, which counts from 0.
    Without(u64),
    /// Those from this number on.
    Since(u64),
}

/// A download, and how it is captured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Download {
    pub(crate) body: u64,
    pub(crate) segment: u32,
    /// Whether the body was captured, or its headers only.
    pub(crate) with_body: bool,
    pub(crate) step_us: u64,
    /// How long the connection stays open behind the body.
    pub(crate) linger_us: u64,
    /// The server's first sequence number.
    pub(crate) first: u32,
    pub(crate) mirror: Mirror,
}

/// What was sent, and what the sensor says of it.
pub(crate) struct Told {
    /// Payload of the server: head and body.
    pub(crate) sent: u64,
    /// Frames of the server on the mirror, with their headers.
    pub(crate) wire: u64,
    pub(crate) records: Vec<Value>,
}

impl Download {
    pub(crate) fn replay(&self) -> Told {
        let mut tap = Tap::new(*self);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", self.body);
        let (mut here, mut there) = (1_000_u32, self.first);
        tap.segment(true, SYN, (here, 0), &[], 0);
        tap.segment(false, SYN | ACK, (there, here + 1), &[], 0);
        (here, there) = (here + 1, there.wrapping_add(1));
        tap.segment(true, ACK, (here, there), &[], 0);
        tap.segment(true, ACK, (here, there), REQUEST, REQUEST.len() as u32);
        here += REQUEST.len() as u32;
        tap.segment(
            false,
            ACK,
            (there, here),
            head.as_bytes(),
            head.len() as u32,
        );
        there = there.wrapping_add(head.len() as u32);
        let zeros = vec![
            0;
            if self.with_body {
                self.segment as usize
            } else {
                0
            }
        ];
        let mut left = self.body;
        for number in 0_u64.. {
            let length = left.min(self.segment.into()) as u32;
            let captured = zeros.get(..length as usize).unwrap_or_default();
            tap.segment(false, ACK, (there, here), captured, length);
            there = there.wrapping_add(length);
            left -= u64::from(length);
            if number % 2 == 1 || left == 0 {
                tap.segment(true, ACK, (here, there), &[], 0);
            }
            if left == 0 {
                break;
            }
        }
        tap.now_us += self.linger_us;
        tap.segment(true, FIN | ACK, (here, there), &[], 0);
        tap.segment(false, FIN | ACK, (there, here + 1), &[], 0);
        tap.segment(true, ACK, (here + 1, there.wrapping_add(1)), &[], 0);
        tap.finish(head.len() as u64 + self.body)
    }
}

/// A client alone: something that is no HTTP, a segment that is not on the mirror, and a request behind it, the fourth frame. So the request
/// waits for what is missing until the flow ends.
pub(crate) fn request_behind_a_hole(download: Download) -> Told {
    const BANNER: [u8; 100] = [b'-'; 100];
    const MISSED: u32 = 50;
    let mut tap = Tap::new(download);
    let here = 1_001;
    tap.segment(true, SYN, (here - 1, 0), &[], 0);
    tap.segment(true, ACK, (here, 1), &[], 0);
    tap.segment(true, ACK, (here, 1), &BANNER, BANNER.len() as u32);
    let behind = here + BANNER.len() as u32 + MISSED;
    tap.segment(true, ACK, (behind, 1), REQUEST, REQUEST.len() as u32);
    tap.finish(0)
}

/// The mirror port, and the sensor behind it.
struct Tap {
    download: Download,
    sensor: Child,
    out: BufWriter<ChildStdin>,
    late: VecDeque<(u64, Vec<u8>, u32)>,
    now_us: u64,
    number: u64,
    chance: u64,
    wire: u64,
}

impl Tap {
    fn new(download: Download) -> Self {
        let mut sensor = Command::new(env!("CARGO_BIN_EXE_patchspan"))
            .args(["replay", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufWriter::new(sensor.stdin.take().unwrap());
        let header = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1];
        for word in header {
            out.write_all(&word.to_le_bytes()).unwrap();
        }
        Self {
            download,
            sensor,
            out,
            late: VecDeque::new(),
            now_us: 1_700_000_000_000_000,
            number: 0,
            chance: 0x2545_f491_4f6c_dd1d,
            wire: 0,
        }
    }

    fn segment(
        &mut self,
        from_client: bool,
        flags: u8,
        (sequence, acknowledgement): (u32, u32),
        captured: &[u8],
        length: u32,
    ) {
        let number = self.number;
        self.number += 1;
        self.now_us += self.download.step_us;
        let (source, target) = if from_client {
            (CLIENT, SERVER)
        } else {
            (SERVER, CLIENT)
        };
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        let total = 40 + u16::try_from(length).unwrap();
        frame.extend([0x45, 0]);
        frame.extend(total.to_be_bytes());
        frame.extend((number as u16).to_be_bytes());
        frame.extend([0x40, 0, 64, 6, 0, 0]);
        frame.extend(source.0);
        frame.extend(target.0);
        frame.extend(source.1.to_be_bytes());
        frame.extend(target.1.to_be_bytes());
        frame.extend(sequence.to_be_bytes());
        frame.extend(acknowledgement.to_be_bytes());
        frame.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        assert_eq!(frame.len(), HEADERS);
        frame.extend(captured);
        self.pass_late(self.now_us);
        let wire = HEADERS as u32 + length;
        if !self.shows(number, from_client) {
            return;
        }
        self.write(self.now_us, &frame, wire);
        if self.download.mirror == Mirror::TwiceLate {
            self.late.push_back((self.now_us + LATE_US, frame, wire));
        }
        self.wire += if from_client { 0 } else { wire.into() };
    }

    fn shows(&mut self, number: u64, from_client: bool) -> bool {
        match self.download.mirror {
            Mirror::Whole | Mirror::TwiceLate => true,
            Mirror::FromClient => from_client,
            Mirror::FromServer => !from_client,
            Mirror::Missing => self.is_lucky(),
            Mirror::FromServerMissing => self.is_lucky() && !from_client,
            Mirror::Without(other) => number != other,
            Mirror::Since(first) => number >= first,
        }
    }

    fn is_lucky(&mut self) -> bool {
        // xorshift64
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        !self.chance.is_multiple_of(50)
    }

    fn pass_late(&mut self, until_us: u64) {
        while self.late.front().is_some_and(|(due, ..)| *due <= until_us) {
            let (due, frame, wire) = self.late.pop_front().unwrap();
            self.write(due, &frame, wire);
        }
    }

    fn write(&mut self, time_us: u64, frame: &[u8], wire: u32) {
        let (seconds, fraction) = (time_us / 1_000_000, time_us % 1_000_000);
        for word in [seconds as u32, fraction as u32, frame.len() as u32, wire] {
            self.out.write_all(&word.to_le_bytes()).unwrap();
        }
        self.out.write_all(frame).unwrap();
    }

    fn finish(mut self, sent: u64) -> Told {
        self.pass_late(u64::MAX);
        self.out.flush().unwrap();
        drop(self.out);
        let output = self.sensor.wait_with_output().unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaints}");
        let lines = String::from_utf8(output.stdout).unwrap();
        Told {
            sent,
            wire: self.wire,
            records: crate::common::records(&lines),
        }
    }
}
