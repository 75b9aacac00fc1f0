//! A mirror port in a network namespace of this process, and the sender at its other end.

use std::fs;
use std::os::fd::{AsRawFd as _, RawFd};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, MultiHeaders, sendmmsg};

use crate::traffic::Traffic;

/// Where the sensor listens.
pub(crate) const SPAN: &str = "span0";
const TAP: &str = "tap0";
/// Frames in one system call: enough that the call costs little beside them.
const BATCH: usize = 64;
/// Longer than the sender ever sleeps between two batches.
const NAP: Duration = Duration::from_micros(200);

/// Set in the process that runs inside.
const INSIDE: &str = "PATCHSPAN_BENCH_INSIDE";

/// Runs `body` in a process with a network of its own, which ends with it, and a cable there.
pub(crate) fn inside(body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
        run("ip link set dev lo up");
        run(&format!("ip link add {TAP} type veth peer name {SPAN}"));
        run(&format!("ip link set dev {TAP} arp off up"));
        run(&format!("ip link set dev {SPAN} arp off up"));
        return body();
    }
    // What the kernel tells of interfaces is told of the network in which /sys was mounted.
    let status = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c"])
        .args(["mount -t sysfs none /sys && exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .status()
        .unwrap();
    std::process::exit(status.code().unwrap_or(1));
}

fn run(command: &str) {
    let mut words = command.split_whitespace();
    let status = Command::new(words.next().unwrap()).args(words).status();
    assert!(status.unwrap().success(), "{command}");
}

/// What the interface of the mirror port received, and threw away, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) frames: u64,
    pub(crate) dropped: u64,
}

/// Reads the interface's own counters.
pub(crate) fn received() -> Received {
    let table = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let row = table
        .lines()
        .find_map(|line| line.trim().strip_prefix("span0:"));
    let figures: Vec<u64> = row
        .unwrap()
        .split_whitespace()
        .map(|figure| figure.parse().unwrap())
        .collect();
    Received {
        frames: figures[1],
        dropped: figures[3],
    }
}

/// Sends at the far end of the cable.
pub(crate) struct Sender {
    socket: pcap::Capture<pcap::Active>,
    buffers: Vec<Vec<u8>>,
}

/// What a sender did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
}

impl Sent {
    pub(crate) fn rate(&self) -> f64 {
        self.frames as f64 / self.seconds
    }
}

impl Sender {
    pub(crate) fn new() -> Self {
        let mut socket = pcap::Capture::from_device(TAP).unwrap().open().unwrap();
        // It only sends.
        socket.filter("less 0", false).unwrap();
        Self {
            socket,
            buffers: vec![Vec::new(); BATCH],
        }
    }

    /// Sends what `traffic` makes for so long, at most so many frames a second; `None`: as fast as it goes.
    pub(crate) fn send(
        &mut self,
        traffic: &mut dyn Traffic,
        rate: Option<u64>,
        time: Duration,
    ) -> Sent {
        let mut sent = Sent {
            frames: 0,
            bytes: 0,
            seconds: 0.0,
        };
        let start = Instant::now();
        while start.elapsed() < time {
            let due = match rate {
                Some(rate) => (start.elapsed().as_secs_f64() * rate as f64) as u64 - sent.frames,
                None => BATCH as u64,
            };
            // Small batches would cost the sender more than they give the receiver.
            if due < 16 {
                std::thread::sleep(NAP);
                continue;
            }
            let count = BATCH.min(due as usize);
            for buffer in &mut self.buffers[..count] {
                buffer.clear();
                traffic.next(buffer);
                sent.bytes += buffer.len() as u64;
            }
            send_all(self.socket.as_raw_fd(), &self.buffers[..count]);
            sent.frames += count as u64;
        }
        sent.seconds = start.elapsed().as_secs_f64();
        sent
    }
}

fn send_all(socket: RawFd, frames: &[Vec<u8>]) {
    let mut headers: MultiHeaders<()> = MultiHeaders::preallocate(frames.len(), None);
    let mut rest = frames;
    while !rest.is_empty() {
        let slices: Vec<[std::io::IoSlice<'_>; 1]> = rest
            .iter()
            .map(|frame| [std::io::IoSlice::new(frame)])
            .collect();
        let nowhere = vec![None; rest.len()];
        let done = sendmmsg(
            socket,
            &mut headers,
            &slices,
            nowhere,
            [],
            MsgFlags::empty(),
        );
        match done {
            Ok(done) => rest = &rest[done.count()..],
            Err(nix::errno::Errno::ENOBUFS) => std::thread::yield_now(),
            Err(error) => panic!("cannot send: {error}"),
        }
    }
}
