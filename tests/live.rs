//! Capture on real interfaces: virtual cables in network namespaces of their own. These need root.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "live/wire.rs"]
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use patchspan::source::live::{self, Change, LinkEvent, LiveFrame, LiveOptions, LiveWorker};
use wire::{Lane, Sender, cable, frame, in_namespace, read, run, until};

const FLOWS: u16 = 64;
const BRIEF: Duration = Duration::from_millis(5);

fn options(interfaces: &[&str], workers: u16) -> LiveOptions {
    LiveOptions {
        interfaces: interfaces.iter().map(|name| (*name).to_owned()).collect(),
        workers,
        buffer_bytes: 16 << 20,
        ..LiveOptions::default()
    }
}

/// Tells a thread to end.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a worker saw: worker, interface, direction of which flow, number.
type Seen = Vec<(usize, u16, Lane, u64)>;

/// A turn of every worker.
fn turn(workers: &mut [LiveWorker], seen: &mut Seen) -> Vec<LinkEvent> {
    let mut events = Vec::new();
    for worker in workers {
        let index = worker.index();
        let mut note = |frame: &LiveFrame<'_>| {
            let (lane, number) = read(frame.data);
            seen.push((index, frame.origin, lane, number));
        };
        worker.poll(BRIEF, &mut note).unwrap();
        events.extend(std::iter::from_fn(|| worker.take_event()));
    }
    events
}

/// Sends `count` frames, each direction at its own cable where there are two, and polls until all are there.
fn exchange(workers: &mut [LiveWorker], senders: &mut [Sender], count: u64) -> Seen {
    let mut seen = Seen::new();
    for number in 0..count {
        let lane = Lane::of(number, FLOWS);
        let sender = usize::from(lane.is_answer) % senders.len();
        senders[sender].send(&frame(lane, number, 100));
        if number % 1_000 == 0 {
            turn(workers, &mut seen);
        }
    }
    until("all there", || {
        turn(workers, &mut seen);
        seen.len() as u64 >= count
    });
    // One too many would come now.
    for _ in 0..40 {
        turn(workers, &mut seen);
    }
    seen
}

/// Each frame was seen once, each flow by one worker, and every worker had some of them.
fn assert_shared(seen: &Seen, workers: usize, count: u64) {
    let numbers: BTreeSet<u64> = seen.iter().map(|(_, _, _, number)| *number).collect();
    assert_eq!((numbers.len() as u64, seen.len() as u64), (count, count));
    let mut of_flow: BTreeMap<u16, BTreeSet<usize>> = BTreeMap::new();
    for (worker, _, lane, _) in seen {
        of_flow.entry(lane.flow).or_default().insert(*worker);
    }
    assert_eq!(of_flow.len(), usize::from(FLOWS));
    assert!(of_flow.values().all(|of| of.len() == 1), "{of_flow:?}");
    let used: BTreeSet<usize> = seen.iter().map(|(worker, ..)| *worker).collect();
    assert_eq!(used.len(), workers);
}

#[test]
#[ignore = "needs root"]
fn every_frame_arrives_once_and_a_flow_at_one_worker_as_root() {
    in_namespace(
        "every_frame_arrives_once_and_a_flow_at_one_worker_as_root",
        || {
            cable("tap0", "span0");
            let mut senders = [Sender::new("tap0")];
            let before = live::status("span0").unwrap().unwrap().counters.rx_packets;
            for (round, workers) in [1_u16, 2, 3].into_iter().enumerate() {
                let mut workers = live::open(&options(&["span0"], workers)).unwrap();
                let seen = exchange(&mut workers, &mut senders, 20_000);
                assert_shared(&seen, workers.len(), 20_000);
                let is_drained = workers.iter_mut().map(LiveWorker::is_drained);
                assert!(is_drained.fold(true, |all, one| all & one));
                let counters = workers[0].counters();
                let figures = counters.total();
                assert_eq!((figures.received, figures.frames), (20_000, 20_000));
                assert_eq!((figures.dropped, figures.merged, figures.cut), (0, 0, 0));
                let status = counters.interfaces().unwrap().remove(0).unwrap();
                let sent = (round as u64 + 1) * 20_000;
                assert_eq!(status.counters.rx_packets - before, sent);
                assert!(status.is_promiscuous && status.is_up);
            }
        },
    );
}

#[test]
#[ignore = "needs root"]
fn both_directions_on_two_interfaces_meet_at_one_worker_as_root() {
    in_namespace(
        "both_directions_on_two_interfaces_meet_at_one_worker_as_root",
        || {
            cable("tap0", "span0");
            cable("tap1", "span1");
            let mut senders = [Sender::new("tap0"), Sender::new("tap1")];
            let mut workers = live::open(&options(&["span0", "span1"], 2)).unwrap();
            let seen = exchange(&mut workers, &mut senders, 10_000);
            assert_shared(&seen, 2, 10_000);
            let is_placed = |(_, origin, lane, _): &(usize, u16, Lane, u64)| {
                *origin == u16::from(lane.is_answer)
            };
            assert!(seen.iter().all(is_placed));
        },
    );
}

#[test]
#[ignore = "needs root"]
fn frames_that_come_while_sockets_open_are_seen_once_at_most_as_root() {
    in_namespace(
        "frames_that_come_while_sockets_open_are_seen_once_at_most_as_root",
        || {
            cable("tap0", "span0");
            let is_over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let mut sender = Sender::new("tap0");
                    let mut number = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        let lane = Lane::of(number, FLOWS);
                        sender.send(&frame(lane, number, 100));
                        number += 1;
                    }
                });
                // Also where an assertion fails.
                let _over = Over(&is_over);
                for _ in 0..3 {
                    let mut workers = live::open(&options(&["span0"], 2)).unwrap();
                    let mut seen = Seen::new();
                    until("some", || {
                        turn(&mut workers, &mut seen);
                        seen.len() > 50_000
                    });
                    for worker in &mut workers {
                        worker.stop().unwrap();
                    }
                    until("drained", || {
                        turn(&mut workers, &mut seen);
                        workers.iter_mut().all(LiveWorker::is_drained)
                    });
                    let numbers: BTreeSet<u64> = seen.iter().map(|(.., number)| *number).collect();
                    assert_eq!(numbers.len(), seen.len());
                    let figures = workers[0].counters().total();
                    assert_eq!(figures.frames, seen.len() as u64);
                    assert_eq!(figures.received, figures.frames + figures.dropped);
                    for worker in 0..2 {
                        let of_one = seen.iter().filter(|(of, ..)| *of == worker);
                        let mut last = [None; FLOWS as usize];
                        for (_, _, lane, number) in of_one {
                            let last = &mut last[usize::from(lane.flow)];
                            assert!(last.is_none_or(|last| last < *number));
                            *last = Some(*number);
                        }
                    }
                }
            });
        },
    );
}

#[test]
#[ignore = "needs root"]
fn a_silent_link_and_a_waker_end_a_wait_as_root() {
    in_namespace("a_silent_link_and_a_waker_end_a_wait_as_root", || {
        cable("tap0", "span0");
        let mut workers = live::open(&options(&["span0"], 1)).unwrap();
        let worker = &mut workers[0];
        let start = Instant::now();
        let turn = worker.poll(Duration::from_secs(9), &mut |_| {}).unwrap();
        assert_eq!((turn.frames, turn.is_woken), (0, false));
        let waited = start.elapsed();
        assert!(waited >= Duration::from_millis(95), "{waited:?}");
        assert!(waited < Duration::from_millis(200), "{waited:?}");
        let waker = worker.waker();
        let start = Instant::now();
        std::thread::spawn(move || waker.wake()).join().unwrap();
        assert!(
            worker
                .poll(Duration::from_secs(9), &mut |_| {})
                .unwrap()
                .is_woken
        );
        assert!(start.elapsed() < Duration::from_millis(50));
    });
}

#[test]
#[ignore = "needs root"]
fn a_lone_frame_is_late_by_a_tenth_of_a_second_at_most_as_root() {
    in_namespace(
        "a_lone_frame_is_late_by_a_tenth_of_a_second_at_most_as_root",
        || {
            cable("tap0", "span0");
            let mut workers = live::open(&options(&["span0"], 1)).unwrap();
            let mut sender = Sender::new("tap0");
            for number in 0..20 {
                let start = Instant::now();
                sender.send(&frame(Lane::of(number, FLOWS), number, 100));
                let mut stamps = Vec::new();
                let mut note = |frame: &LiveFrame<'_>| stamps.push(frame.head.timestamp);
                while workers[0]
                    .poll(Duration::from_secs(1), &mut note)
                    .unwrap()
                    .frames
                    == 0
                {}
                let waited = start.elapsed();
                assert!(waited < Duration::from_millis(110), "{waited:?}");
                let now = std::time::SystemTime::now();
                let now = now
                    .duration_since(std::time::UNIX_EPOCH)
                    .unwrap()
                    .as_nanos() as i64;
                let age = now - stamps[0].as_nanos();
                assert!((0..200_000_000).contains(&age), "{age}");
            }
        },
    );
}

/// Polls until an event comes; gives it and the number of turns.
fn event(workers: &mut [LiveWorker]) -> (LinkEvent, usize) {
    let mut turns = 0;
    let mut found = None;
    until("told", || {
        turns += 1;
        found = turn(workers, &mut Seen::new()).first().copied();
        found.is_some()
    });
    (found.unwrap(), turns)
}

/// No event in half a second, and no more turns than the waits allow.
fn assert_calm(workers: &mut [LiveWorker]) {
    let start = Instant::now();
    let mut turns = 0;
    while start.elapsed() < Duration::from_millis(500) {
        let events = turn(workers, &mut Seen::new());
        assert!(events.is_empty(), "{events:?}");
        turns += 1;
    }
    // A turn waits 5 ms a worker.
    assert!(turns <= 500 / (5 * workers.len()) + 20, "{turns}");
}

#[test]
#[ignore = "needs root"]
fn an_interface_that_goes_down_is_waited_for_as_root() {
    in_namespace("an_interface_that_goes_down_is_waited_for_as_root", || {
        cable("tap0", "span0");
        cable("tap1", "span1");
        let mut senders = [Sender::new("tap0"), Sender::new("tap1")];
        let mut workers = live::open(&options(&["span0", "span1"], 2)).unwrap();
        for _ in 0..3 {
            run("ip link set dev span1 down");
            let (told, _) = event(&mut workers);
            assert_eq!((told.interface, told.change), (1, Change::Down));
            assert_calm(&mut workers);
            run("ip link set dev span1 up");
            let (told, _) = event(&mut workers);
            assert_eq!((told.interface, told.change), (1, Change::Up));
            // Before the kernel has noticed the carrier, it throws away what is sent.
            until("a carrier at both ends", || {
                ["tap1", "span1"].iter().all(|name| {
                    let status = live::status(name).unwrap();
                    status.is_some_and(|status| status.operstate == "up")
                })
            });
            let seen = exchange(&mut workers, &mut senders, 2_000);
            assert_shared(&seen, 2, 2_000);
        }
    });
}

#[test]
#[ignore = "needs root"]
fn an_interface_that_is_made_again_is_opened_again_as_root() {
    in_namespace(
        "an_interface_that_is_made_again_is_opened_again_as_root",
        || {
            cable("tap0", "span0");
            cable("tap1", "span1");
            let mut workers = live::open(&options(&["span0", "span1"], 2)).unwrap();
            // The second one notices first, and must wait for the first all the same.
            workers.reverse();
            for round in 1..=3 {
                let mut senders = [Sender::new("tap0"), Sender::new("tap1")];
                let seen = exchange(&mut workers, &mut senders, 2_000);
                assert_shared(&seen, 2, 2_000);
                run("ip link del span0");
                let (told, _) = event(&mut workers);
                assert_eq!(told.interface, 0);
                assert!(matches!(told.change, Change::Gone | Change::Down));
                assert_calm(&mut workers);
                cable("tap0", "span0");
                let (told, _) = event(&mut workers);
                assert_eq!((told.interface, told.change), (0, Change::Up));
                until("both there", || {
                    turn(&mut workers, &mut Seen::new());
                    workers[0].counters().of_interface(0).reopened == 2 * round
                });
                assert_calm(&mut workers);
            }
            let mut senders = [Sender::new("tap0"), Sender::new("tap1")];
            let seen = exchange(&mut workers, &mut senders, 2_000);
            assert_shared(&seen, 2, 2_000);
        },
    );
}

#[test]
#[ignore = "needs root"]
fn an_interface_that_is_down_is_refused_with_the_command_that_raises_it_as_root() {
    let test = "an_interface_that_is_down_is_refused_with_the_command_that_raises_it_as_root";
    in_namespace(test, || {
        run("ip link add span0 type veth peer name tap0");
        let said = live::open(&options(&["span0"], 1)).unwrap_err().to_string();
        assert!(said.contains("`ip link set dev span0 up`"), "{said}");
        let said = live::open(&options(&["span9"], 1)).unwrap_err().to_string();
        assert!(said.ends_with("there are: lo, span0, tap0"), "{said}");
    });
}

#[test]
#[ignore = "needs root"]
fn a_bad_filter_is_refused_and_a_good_one_is_obeyed_as_root() {
    in_namespace(
        "a_bad_filter_is_refused_and_a_good_one_is_obeyed_as_root",
        || {
            cable("tap0", "span0");
            let with = |filter: &str| LiveOptions {
                filter: Some(filter.to_owned()),
                ..options(&["span0"], 2)
            };
            let said = live::open(&with("port http-ish")).unwrap_err().to_string();
            assert!(
                said.starts_with("capture.filter = \"port http-ish\" is no filter"),
                "{said}"
            );
            let mut workers = live::open(&with("src host 192.0.2.1")).unwrap();
            let mut sender = Sender::new("tap0");
            for number in 0..1_000 {
                sender.send(&frame(Lane::of(number, FLOWS), number, 100));
            }
            let mut seen = Seen::new();
            until("all there", || {
                turn(&mut workers, &mut seen);
                seen.len() >= 500
            });
            assert!(seen.iter().all(|(_, _, lane, _)| lane.is_answer));
            assert_eq!(seen.len(), 500);
        },
    );
}

#[test]
#[ignore = "needs root"]
fn a_frame_cut_by_the_snap_length_keeps_its_length_as_root() {
    in_namespace(
        "a_frame_cut_by_the_snap_length_keeps_its_length_as_root",
        || {
            cable("tap0", "span0");
            let options = LiveOptions {
                snap_length: 96,
                ..options(&["span0"], 1)
            };
            let mut workers = live::open(&options).unwrap();
            Sender::new("tap0").send(&frame(Lane::of(0, FLOWS), 0, 1_000));
            let mut lengths = Vec::new();
            until("there", || {
                let mut note = |frame: &LiveFrame<'_>| {
                    lengths.push((frame.data.len(), frame.head.wire_length))
                };
                workers[0].poll(BRIEF, &mut note).unwrap();
                !lengths.is_empty()
            });
            assert_eq!(lengths, [(96, 1_000)]);
            assert_eq!(workers[0].counters().total().cut, 1);
        },
    );
}

/// Copies that the kernel makes of each frame of a flood: a sender by itself would be slower than what it is held against.
const COPIES: usize = 16;

/// Sends for a while, as fast as one thread can; gives the number of frames.
fn flood((sender, copies): &mut (Sender, u64), time: Duration) -> u64 {
    let frames: Vec<_> = (0..2 * u64::from(FLOWS))
        .map(|number| frame(Lane::of(number, FLOWS), number, 200))
        .collect();
    let start = Instant::now();
    let mut sent = 0;
    while start.elapsed() < time {
        frames.iter().for_each(|frame| sender.send(frame));
        sent += frames.len() as u64 * *copies;
    }
    sent
}

/// Nanoseconds that a thread ran.
fn cpu_time(thread: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{thread}/schedstat")).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn print_rate(who: &str, sent: u64, dropped: u64, time: Duration, cpu: u64) {
    let rate = sent as f64 / time.as_secs_f64() / 1e3;
    let each = cpu / (sent - dropped).max(1);
    println!(
        "{who}: {rate:.0} thousand frames/s, {dropped} of {sent} dropped, {each} ns CPU a frame"
    );
}

/// What `tcpdump -w /dev/null` makes of the same flood, with a ring of the same size.
fn flood_tcpdump(sender: &mut (Sender, u64), time: Duration) {
    let dump = Command::new("tcpdump")
        .args(["-i", "span0", "-B", "16384", "-w", "/dev/null"])
        .stderr(Stdio::piped())
        .spawn();
    let Ok(dump) = dump else {
        return println!("tcpdump is not installed");
    };
    std::thread::sleep(Duration::from_secs(1));
    let sent = flood(sender, time);
    std::thread::sleep(Duration::from_millis(500));
    let cpu = cpu_time(&dump.id().to_string());
    run(&format!("kill -INT {}", dump.id()));
    let said = dump.wait_with_output().unwrap().stderr;
    let said = String::from_utf8_lossy(&said);
    let line = said
        .lines()
        .find(|line| line.ends_with("dropped by kernel"));
    let dropped = line.unwrap().split(' ').next().unwrap().parse().unwrap();
    print_rate("tcpdump -w /dev/null", sent, dropped, time, cpu);
}

#[test]
#[ignore = "needs root"]
fn a_flood_is_counted_to_the_last_frame_as_root() {
    in_namespace("a_flood_is_counted_to_the_last_frame_as_root", || {
        cable("tap0", "span0");
        let is_copied = wire::multiply("many0", "tap0", COPIES);
        let mut sender = match is_copied {
            true => (Sender::new("many0"), COPIES as u64),
            false => (Sender::new("tap0"), 1),
        };
        let time = Duration::from_secs(2);
        flood_tcpdump(&mut sender, time);
        // The second worker takes 20 µs a frame: its ring overflows.
        for (who, burden) in [
            ("a worker", Duration::ZERO),
            ("a slow one", Duration::from_micros(20)),
        ] {
            let mut workers = live::open(&options(&["span0"], 1)).unwrap();
            let mut worker = workers.remove(0);
            let before = live::status("span0").unwrap().unwrap().counters;
            let (counters, waker) = (worker.counters(), worker.waker());
            let mut take = |frame: &LiveFrame<'_>| {
                let until = Instant::now() + burden;
                std::hint::black_box(frame.data);
                while !burden.is_zero() && Instant::now() < until {}
            };
            let (sent, cpu) = std::thread::scope(|scope| {
                let reader = scope.spawn(|| {
                    while !worker
                        .poll(Duration::from_secs(1), &mut take)
                        .unwrap()
                        .is_woken
                    {}
                    worker.stop().unwrap();
                    until("drained", || {
                        worker.poll(BRIEF, &mut take).unwrap();
                        worker.is_drained()
                    });
                    cpu_time("thread-self")
                });
                let sent = flood(&mut sender, time);
                waker.wake();
                (sent, reader.join().unwrap())
            });
            let figures = counters.total();
            let after = counters.interfaces().unwrap().remove(0).unwrap().counters;
            print_rate(who, sent, figures.dropped, time, cpu);
            assert_eq!(figures.received, figures.frames + figures.dropped);
            let lost = after.rx_dropped - before.rx_dropped;
            assert_eq!(after.rx_packets - before.rx_packets + lost, sent);
            // The kernel's own queue, before any capture.
            assert_eq!(figures.received + lost, sent);
            assert!(burden.is_zero() || figures.dropped > 0);
        }
    });
}

#[test]
#[ignore = "needs root"]
fn one_capability_is_enough_and_without_it_it_is_named_as_root() {
    const RIGHT: &str = "PATCHSPAN_TEST_RIGHT";
    let test = "one_capability_is_enough_and_without_it_it_is_named_as_root";
    if let Some(right) = std::env::var_os(RIGHT) {
        let opened = live::open(&options(&["span0"], 2));
        if right == "-all,+net_raw" {
            assert_eq!(opened.unwrap().len(), 2);
            return;
        }
        let said = opened.unwrap_err().to_string();
        assert!(
            said.contains("CAP_NET_RAW") && said.contains("setcap"),
            "{said}"
        );
        return;
    }
    in_namespace(test, || {
        cable("tap0", "span0");
        for right in ["-net_raw", "-all,+net_raw"] {
            let output = Command::new("setpriv")
                .arg(format!("--bounding-set={right}"))
                .arg(std::env::current_exe().unwrap())
                .args(["--exact", test, "--ignored"])
                .env(RIGHT, right)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{right}: {said}");
        }
    });
}
