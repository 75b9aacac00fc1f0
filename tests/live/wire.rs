//! A network namespace with virtual cables, and a sender of numbered frames.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Set in the process that runs inside the namespace.
const INSIDE: &str = "PATCHSPAN_TEST_NAMESPACE";
const HEADERS: usize = 14 + 20 + 8;

/// Runs `body` in a process of its own, in a network namespace of its own, which is removed afterwards. `test` is the name of the calling test.
pub(crate) fn in_namespace(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let namespace = Namespace::new(test);
    let program = std::env::current_exe().unwrap();
    let output = Command::new("timeout")
        .args(["60", "ip", "netns", "exec", &namespace.0])
        .arg(program)
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    print!("{printed}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(printed.contains(" 1 passed"), "{test} is not its name");
}

struct Namespace(String);

impl Namespace {
    fn new(test: &str) -> Self {
        let name = format!("patchspan-{}-{test}", std::process::id());
        run(&format!("ip netns add {name}"));
        Self(name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &str) -> Output {
    let words: Vec<&str> = command.split_whitespace().collect();
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {said}");
    output
}

/// A cable: what is sent at `tap` arrives at `span`. Nothing else speaks on it.
pub(crate) fn cable(tap: &str, span: &str) {
    run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
    run(&format!("ip link add {tap} type veth peer name {span}"));
    run(&format!("ip link set dev {tap} arp off up"));
    run(&format!("ip link set dev {span} arp off up"));
}

/// What is sent at `source` goes out of `tap` so many times, where the kernel can do that.
pub(crate) fn multiply(source: &str, tap: &str, copies: usize) -> bool {
    cable(source, "end0");
    run(&format!("tc qdisc add dev {source} clsact"));
    let copy = format!(" action mirred egress mirror dev {tap}").repeat(copies - 1);
    let last = format!("action mirred egress redirect dev {tap}");
    let filter = format!("protocol all u32 match u32 0 0{copy} {last}");
    let command = format!("tc filter add dev {source} egress {filter}");
    let output = Command::new("sh").args(["-c", &command]).output();
    output.is_ok_and(|output| output.status.success())
}

/// One of the two directions of one of many flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Lane {
    pub(crate) flow: u16,
    pub(crate) is_answer: bool,
}

impl Lane {
    /// Frames go round over the flows, one direction after the other.
    pub(crate) fn of(number: u64, flows: u16) -> Self {
        Self {
            flow: ((number / 2) % u64::from(flows)) as u16,
            is_answer: number % 2 == 1,
        }
    }
}

/// A UDP datagram that carries its number.
pub(crate) fn frame(lane: Lane, number: u64, length: usize) -> Vec<u8> {
    let client = (
        [10, 0, (lane.flow >> 8) as u8, lane.flow as u8],
        40_000 + lane.flow,
    );
    let server = ([192, 0, 2, 1], 443);
    let (source, target) = if lane.is_answer {
        (server, client)
    } else {
        (client, server)
    };
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    frame.extend(u16::try_from(length - 14).unwrap().to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend(source.0);
    frame.extend(target.0);
    frame.extend(source.1.to_be_bytes());
    frame.extend(target.1.to_be_bytes());
    frame.extend(u16::try_from(length - 34).unwrap().to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(number.to_be_bytes());
    frame.resize(length, 0);
    frame
}

/// What [`frame`] put in.
pub(crate) fn read(data: &[u8]) -> (Lane, u64) {
    let is_answer = data[26] == 192;
    let client = if is_answer {
        &data[30..34]
    } else {
        &data[26..30]
    };
    let lane = Lane {
        flow: u16::from_be_bytes([client[2], client[3]]),
        is_answer,
    };
    let number = data[HEADERS..HEADERS + 8].try_into().unwrap();
    (lane, u64::from_be_bytes(number))
}

/// Sends at the end of a cable.
pub(crate) struct Sender(pcap::Capture<pcap::Active>);

impl Sender {
    pub(crate) fn new(tap: &str) -> Self {
        let mut capture = pcap::Capture::from_device(tap).unwrap().open().unwrap();
        // It only sends.
        capture.filter("less 0", false).unwrap();
        Self(capture)
    }

    pub(crate) fn send(&mut self, frame: &[u8]) {
        self.0.sendpacket(frame).unwrap();
    }
}

/// Waits until something holds; fails after ten seconds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "not {what}");
    }
}
