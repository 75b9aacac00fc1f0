//! The whole sensor on a mirror port of a network namespace: the rates that it holds beside other programs, how late its lines are, what
//! floods do to it, and whether it stays as it is for half an hour.
//!
//! `make bench-live` runs them one after the other, as root; `cargo bench --bench live -- --help` tells of each. What is sent are visits of
//! clients to update servers out of stored captures, each visit by a client of its own, so what is found can be compared with
//! what was done.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark fails by panicking"
)]

mod floods;
mod found;
mod mirror;
mod program;
#[path = "../stages/samples.rs"]
#[allow(dead_code, reason = "one of its functions is used here")]
mod samples;
mod traffic;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use nix::sys::signal::Signal;

use found::{Follower, quantile};
use mirror::{Received, Sender, received};
use program::{Outcome, Program, Running, Setup};
use traffic::{Amid, Visits};

/// Downloads and checks over HTTP, TLS and QUIC, by curl, apt and browsers.
const CAPTURES: &[&str] = &[
    "curl-http.pcap",
    "curl-tls13.pcap",
    "chromium-tcp.pcap",
    "chromium-quic.pcap",
    "http-keepalive.pcap",
    "firefox.pcap",
];
const AT_ONCE: usize = 256;
/// What the last frames need to come through.
const AFTERGLOW: Duration = Duration::from_millis(1_500);

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Workers of the sensor
    #[arg(long, global = true, default_value_t = 1)]
    workers: u16,
    /// Memory of the sensor
    #[arg(long, global = true, default_value = "1GiB")]
    memory: String,
    /// Where records are written: best a file system in memory
    #[arg(long, global = true, default_value = "/dev/shm/patchspan-bench")]
    folder: PathBuf,
    /// What cargo says to benchmarks
    #[arg(long, global = true, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum What {
    /// The highest rate without loss, and the processor time of a frame, of the sensor and of its peers
    Rates {
        /// Frames a second, each tried in turn by each program
        #[arg(long, value_delimiter = ',', default_values_t = [25_000, 50_000, 75_000, 100_000, 150_000, 200_000, 300_000, 400_000])]
        rates: Vec<u64>,
        /// Seconds a rate
        #[arg(long, default_value_t = 5)]
        seconds: u64,
        #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Program::Tcpdump, Program::Sensor, Program::SensorDefault, Program::Ndpi])]
        programs: Vec<Program>,
    },
    /// Every frame is accounted for although the sensor is held up most of the time
    Slowed {
        #[arg(long, default_value_t = 150_000)]
        rate: u64,
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// How late lines are
    Delays {
        #[arg(long, default_value_t = 50_000)]
        rate: u64,
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
    /// Nothing is lost while the sensor reloads twice a second, every other time a configuration that is broken
    Reloads {
        #[arg(long, default_value_t = 100_000)]
        rate: u64,
        #[arg(long, default_value_t = 20)]
        seconds: u64,
    },
    /// Memory, life, and the updates of watched hosts in a flood
    Flood {
        /// syn, flows, names, answers or quic
        kind: String,
        /// Frames a second, the hosts' included; without it as fast as it goes
        #[arg(long)]
        rate: Option<u64>,
        #[arg(long, default_value_t = 20)]
        seconds: u64,
        /// One frame in so many is a watched host's
        #[arg(long, default_value_t = 50)]
        every: u64,
    },
    /// Memory and descriptors over time
    Steady {
        #[arg(long, default_value_t = 20_000)]
        rate: u64,
        #[arg(long, default_value_t = 30)]
        minutes: u64,
    },
}

fn main() {
    // `cargo test --benches` only asks whether it starts.
    if std::env::args().len() <= 1 || std::env::args().any(|word| word == "--test") {
        return;
    }
    let arguments = Arguments::parse();
    mirror::inside(|| {
        let bench = Bench {
            setup: Setup {
                workers: arguments.workers,
                memory: arguments.memory,
            },
            folder: arguments.folder,
        };
        bench.run(&arguments.what);
    });
}

struct Bench {
    setup: Setup,
    folder: PathBuf,
}

impl Bench {
    fn run(&self, what: &What) {
        match what {
            What::Rates {
                rates,
                seconds,
                programs,
            } => self.rates(rates, *seconds, programs),
            What::Slowed { rate, seconds } => self.slowed(*rate, *seconds),
            What::Delays { rate, seconds } => self.delays(*rate, *seconds),
            What::Reloads { rate, seconds } => self.reloads(*rate, *seconds),
            What::Flood {
                kind,
                rate,
                seconds,
                every,
            } => self.flood(kind, *rate, *seconds, *every),
            What::Steady { rate, minutes } => self.steady(*rate, *minutes),
        }
        // Half an hour of records may be gigabytes, of memory as a rule.
        let _ = std::fs::remove_dir_all(&self.folder);
    }

    fn start(&self, program: Program, time: Duration) -> Running {
        program.start(&self.setup, &self.folder, time)
    }

    fn rates(&self, rates: &[u64], seconds: u64, programs: &[Program]) {
        println!(
            "{:<16} {:>9} {:>9} {:>9} {:>8} {:>7}",
            "program", "offered", "frames", "lost", "ns/frame", "bytes"
        );
        for rate in rates {
            for program in programs.iter().filter(|program| program.is_installed()) {
                let mut visits = Visits::new(CAPTURES, AT_ONCE);
                let time = Duration::from_secs(seconds);
                let running = self.start(*program, time);
                let before = received();
                let sent = Sender::new().send(&mut visits, Some(*rate), time);
                std::thread::sleep(AFTERGLOW);
                let outcome = running.stop();
                let arrived = received().frames - before.frames;
                println!(
                    "{:<16} {:>9.0} {:>9} {:>9} {:>8.0} {:>7}",
                    format!("{program:?}"),
                    sent.rate(),
                    arrived,
                    arrived as i64 - outcome.taken as i64,
                    outcome.cpu * 1e9 / outcome.taken.max(1) as f64,
                    sent.bytes / sent.frames,
                );
                if program.is_sensor() {
                    self.tell_found(&visits, CAPTURES);
                }
            }
        }
    }

    fn slowed(&self, rate: u64, seconds: u64) {
        let mut visits = Visits::new(CAPTURES, AT_ONCE);
        let running = self.start(Program::Sensor, Duration::from_secs(seconds));
        let before = received();
        let start = Instant::now();
        let mut sender = Sender::new();
        while start.elapsed() < Duration::from_secs(seconds) {
            running.signal(Signal::SIGSTOP);
            sender.send(&mut visits, Some(rate), Duration::from_millis(180));
            running.signal(Signal::SIGCONT);
            sender.send(&mut visits, Some(rate), Duration::from_millis(20));
        }
        std::thread::sleep(AFTERGLOW);
        let outcome = running.stop();
        tell_accounts(before, outcome);
    }

    fn delays(&self, rate: u64, seconds: u64) {
        let mut visits = Visits::new(CAPTURES, AT_ONCE);
        let mut running = self.start(Program::Sensor, Duration::from_secs(seconds));
        let before = received();
        let mut follower = Follower::new(&running.records());
        let mut sender = Sender::new();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(seconds) {
            sender.send(&mut visits, Some(rate), Duration::from_millis(20));
            follower.read();
        }
        // What only silence decides comes later.
        let end = Instant::now();
        while end.elapsed() < Duration::from_secs(70) {
            std::thread::sleep(Duration::from_millis(20));
            follower.read();
        }
        assert!(running.is_alive());
        tell_accounts(before, running.stop());
        println!(
            "{:<16} {:>8} {:>8} {:>8} {:>8}",
            "kind", "lines", "50 %", "99 %", "most"
        );
        for (kind, delays) in &mut follower.delays {
            let [half, most, all] = [0.5, 0.99, 1.0].map(|share| quantile(delays, share));
            println!(
                "{kind:<16} {:>8} {half:>7.2}s {most:>7.2}s {all:>7.2}s",
                delays.len()
            );
        }
        self.tell_found(&visits, CAPTURES);
    }

    fn reloads(&self, rate: u64, seconds: u64) {
        let mut visits = Visits::new(CAPTURES, AT_ONCE);
        let running = self.start(Program::Sensor, Duration::from_secs(seconds));
        let config = self.folder.join("sensor.toml");
        let good = std::fs::read_to_string(&config).unwrap();
        let broken = format!("{good}\nmemory =\n");
        let before = received();
        let start = Instant::now();
        let mut sender = Sender::new();
        for text in [&broken, &good].into_iter().cycle() {
            sender.send(&mut visits, Some(rate), Duration::from_millis(500));
            if start.elapsed() >= Duration::from_secs(seconds) {
                break;
            }
            std::fs::write(&config, text).unwrap();
            running.signal(Signal::SIGHUP);
        }
        std::thread::sleep(AFTERGLOW);
        let said = running.said();
        tell_accounts(before, running.stop());
        let told = |word: &str| said.lines().filter(|line| line.contains(word)).count();
        println!(
            "reloads: {} taken, {} refused",
            told("were read again"),
            told("reload refused")
        );
        self.tell_found(&visits, CAPTURES);
    }

    fn flood(&self, kind: &str, rate: Option<u64>, seconds: u64, every: u64) {
        let mut flood = floods::by_name(kind).unwrap_or_else(|| panic!("no flood {kind:?}"));
        let watched = &["curl-http.pcap", "curl-tls13.pcap"];
        let mut visits = Visits::new(watched, 16);
        let mut running = self.start(Program::SensorDefault, Duration::from_secs(seconds));
        let (idle, _) = running.size();
        let before = received();
        let mut sender = Sender::new();
        let mut most = idle;
        let start = Instant::now();
        let mut amid = Amid {
            main: &mut *flood,
            other: &mut visits,
            every,
            sent: 0,
        };
        let mut frames = 0;
        while start.elapsed() < Duration::from_secs(seconds) {
            frames += sender
                .send(&mut amid, rate, Duration::from_millis(500))
                .frames;
            most = most.max(running.size().0);
        }
        let offered = frames as f64 / start.elapsed().as_secs_f64();
        let during = visits.ended();
        // Normal again: the same hosts without the flood.
        std::thread::sleep(Duration::from_secs(5));
        sender.send(&mut visits, Some(2_000), Duration::from_secs(10));
        std::thread::sleep(AFTERGLOW);
        assert!(running.is_alive());
        println!(
            "{kind}: {offered:.0} frames/s, memory idle {} MiB, most {} MiB",
            idle >> 20,
            most >> 20
        );
        tell_accounts(before, running.stop());
        let wanted: Vec<_> = watched
            .iter()
            .map(|capture| found::expected(capture))
            .collect();
        let records = self.folder.join("records.json");
        println!(
            "watched hosts in the flood: {:?}",
            found::score(&records, &wanted, during)
        );
        println!(
            "and after it, all in all: {:?}",
            found::score(&records, &wanted, visits.ended())
        );
    }

    fn steady(&self, rate: u64, minutes: u64) {
        let mut visits = Visits::by_clients(CAPTURES, AT_ONCE, 20_000);
        let running = self.start(Program::SensorDefault, Duration::from_secs(60 * minutes));
        let before = received();
        let mut sender = Sender::new();
        println!("minute    MiB  descriptors");
        for minute in 0..minutes {
            sender.send(&mut visits, Some(rate), Duration::from_secs(60));
            let (bytes, descriptors) = running.size();
            println!(
                "{minute:>6} {:>6.1} {descriptors:>6}",
                bytes as f64 / (1 << 20) as f64
            );
        }
        std::thread::sleep(AFTERGLOW);
        tell_accounts(before, running.stop());
    }

    fn tell_found(&self, visits: &Visits, captures: &[&str]) {
        let wanted: Vec<_> = captures
            .iter()
            .map(|capture| found::expected(capture))
            .collect();
        let records: &Path = &self.folder.join("records.json");
        println!(
            "    accesses: {:?}",
            found::score(
                records,
                &wanted,
                visits.ended().saturating_sub(AT_ONCE as u32)
            )
        );
    }
}

/// Whether what the interface received is what the sensor took and what it says was dropped.
fn tell_accounts(before: Received, outcome: Outcome) {
    let after = received();
    let arrived = after.frames - before.frames;
    let told = outcome.taken + outcome.dropped;
    println!(
        "interface received {arrived} (dropped {}), sensor took {} in {:.0} ns each and tells {} dropped: {}",
        after.dropped - before.dropped,
        outcome.taken,
        outcome.cpu * 1e9 / outcome.taken.max(1) as f64,
        outcome.dropped,
        if told == arrived {
            "exact"
        } else {
            "NOT EXACT"
        },
    );
}
