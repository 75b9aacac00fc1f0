//! Captures of known shapes, made up conversation by conversation from a seed: as long as one likes, the same each time, stored nowhere.
//!
//! * this file: what a shape consists of, and conversations put in the order of time
//! * `talks`: conversations, packet by packet
//! * `hello`: ClientHello, ServerHello, and QUIC Initials that can be opened
//! * `names`: names, their chains and addresses
//! * `frames`: a packet as a frame, with tags or in a tunnel

mod frames;
mod hello;
mod names;
mod talks;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};

use fastrand::Rng;

use frames::{Carriage, Writer};
use names::Names;
use talks::{Kind, Maker, Talk};

const SECOND: u64 = 1_000_000_000;
/// 2026-01-01T00:00:00Z.
const BEGIN: u64 = 1_767_225_600 * SECOND;
/// A capture file's header, nanoseconds, Ethernet (draft-ietf-opsawg-pcap section 4).
const FILE_HEADER: [u32; 6] = [0xa1b2_3c4d, 0x0004_0002, 0, 0, 0x0004_0000, 1];

/// What traffic looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shape {
    /// A campus: 320 bytes a packet, names of every kind, tags and tunnels
    Mix,
    /// TCP flows of 12 packets and DNS pairs of 60 to 100 bytes
    Small,
    /// DNS queries and answers alone, 40,000 names
    Dns,
    /// 16 downloads in frames of 1,514 bytes
    Bulk,
    /// Connections that all stay open: handshake, request, response
    Open,
    /// Answers that each tell a client of an address it did not know: 4 for a name
    Answers,
}

/// What a capture came to hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) packets: u64,
    /// Frames' lengths, without the file's own headers.
    pub(crate) bytes: u64,
    pub(crate) flows: u64,
    pub(crate) dns_messages: u64,
    pub(crate) http_requests: u64,
    pub(crate) tls_hellos: u64,
    pub(crate) quic_hellos: u64,
    /// Packets with tags or in tunnels.
    pub(crate) carried: u64,
}

impl Shape {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Mix => "mix",
            Self::Small => "small",
            Self::Dns => "dns",
            Self::Bulk => "bulk",
            Self::Open => "open",
            Self::Answers => "answers",
        }
    }

    /// Packets of a capture that a measurement can rest on.
    pub(crate) const fn usual_packets(self) -> u64 {
        match self {
            Self::Mix => 3_200_000,
            Self::Small => 5_000_000,
            Self::Dns | Self::Open => 4_000_000,
            Self::Bulk => 800_000,
            Self::Answers => 8_000_000,
        }
    }

    /// Kinds of conversation, and how many begin within 1,000 packets of the capture.
    const fn parts(self) -> &'static [(f64, Kind)] {
        match self {
            Self::Mix => &[
                (6.5, Kind::Lookup),
                (2.4, Kind::Tls),
                (2.2, Kind::Quic),
                (2.0, Kind::Http),
                (8.0, Kind::Unanswered),
                (3.0, Kind::Refused),
                (4.0, Kind::Time),
                (2.0, Kind::Ping),
                (5.9, Kind::Opaque),
            ],
            Self::Small => &[(80.0, Kind::Tiny), (20.0, Kind::TinyLookup)],
            Self::Dns => &[(500.0, Kind::Lookup)],
            Self::Bulk => &[],
            Self::Open => &[(200.0, Kind::Open)],
            Self::Answers => &[(500.0, Kind::NewAddress)],
        }
    }

    const fn seconds(self) -> u64 {
        match self {
            Self::Answers => 900,
            Self::Open | Self::Bulk => 100,
            _ => 600,
        }
    }

    fn names(self) -> Names {
        match self {
            Self::Mix => Names::new(12_000),
            Self::Answers => Names::new(1_000_000),
            _ => Names::new(40_000),
        }
    }

    fn carriages(self) -> &'static [Carriage] {
        match self {
            Self::Mix => Carriage::ALL,
            _ => &[],
        }
    }

    /// Writes a capture of about `packets` packets.
    pub(crate) fn write(self, packets: u64, out: &mut impl Write) -> io::Result<Tally> {
        for word in FILE_HEADER {
            out.write_all(&word.to_le_bytes())?;
        }
        let mut rng = Rng::with_seed(0x7061_7463);
        let names = self.names();
        let mut schedule = Schedule::default();
        let mut maker = Maker::new(&names, self.carriages(), packets);
        if self == Self::Bulk {
            for _ in 0..16 {
                schedule.begin(BEGIN + rng.u64(..SECOND), maker.download(packets / 16));
            }
        }
        let time = self.seconds() * SECOND;
        for (often, kind) in self.parts() {
            let count = (packets as f64 * often / 1_000.0).round() as u64;
            for number in 0..count {
                // Evenly, and by chance within its place.
                let place = (number as f64 + rng.f64()) / count as f64;
                schedule.plan(BEGIN + (place * time as f64) as u64, *kind);
            }
        }
        let mut tally = Tally::default();
        schedule.run(&mut maker, &mut Writer::new(out, &mut tally))?;
        Ok(tally)
    }
}

/// What comes when: conversations that are to begin, and the next packet of each that is under way.
#[derive(Default)]
struct Schedule {
    planned: Vec<(u64, Kind)>,
    next: BinaryHeap<Reverse<(u64, usize)>>,
    under_way: Vec<Option<Talk>>,
    free: Vec<usize>,
}

impl Schedule {
    fn plan(&mut self, time: u64, kind: Kind) {
        self.planned.push((time, kind));
    }

    fn begin(&mut self, time: u64, talk: Talk) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.under_way.push(None);
            self.under_way.len() - 1
        });
        self.under_way[place] = Some(talk);
        self.next.push(Reverse((time, place)));
    }

    fn run(
        &mut self,
        maker: &mut Maker<'_>,
        writer: &mut Writer<'_, impl Write>,
    ) -> io::Result<()> {
        let mut planned = std::mem::take(&mut self.planned);
        // Stable: what begins at one moment begins in the order of the parts.
        planned.sort_by_key(|(time, _)| *time);
        let mut planned = planned.into_iter().peekable();
        loop {
            let due = self
                .next
                .peek()
                .map_or(u64::MAX, |Reverse((time, _))| *time);
            if let Some((time, kind)) = planned.next_if(|(time, _)| *time <= due) {
                self.begin(time, maker.make(kind));
                continue;
            }
            let Some(Reverse((time, place))) = self.next.pop() else {
                return Ok(());
            };
            let Some(talk) = &mut self.under_way[place] else {
                continue;
            };
            match writer.next(talk, time)? {
                Some(pause) => self.next.push(Reverse((time + pause, place))),
                None => {
                    self.under_way[place] = None;
                    self.free.push(place);
                }
            }
        }
    }
}
