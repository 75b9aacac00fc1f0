//! The whole sensor over captures of known shapes, beside the floors below which no program comes, and beside other programs.
//!
//! `make bench-replay` runs it; `cargo bench --bench replay -- --help` tells of each measurement. Captures are made for a run and deleted
//! after it. Programs take turns, and a ratio is of two that ran one after the other: on a machine that does other things too, it
//! says more than any time.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark fails by panicking"
)]

mod floors;
mod memory;
mod programs;
mod shapes;

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use programs::{Cost, Program};
use shapes::Shape;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Where captures are: best a file system in memory
    #[arg(long, global = true, default_value = "/dev/shm/patchspan-bench")]
    folder: PathBuf,
    /// Packets of a capture; without it so many that a measurement can rest on them
    #[arg(long, global = true)]
    packets: Option<u64>,
    /// Leave captures where they are
    #[arg(long, global = true)]
    keep: bool,
    /// What cargo says to benchmarks
    #[arg(long, global = true, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum What {
    /// Packets a second of processor time, and the ratio to a bare libpcap loop
    Compare {
        #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Shape::Mix, Shape::Small, Shape::Dns, Shape::Bulk])]
        shapes: Vec<Shape>,
        #[arg(long, value_enum, value_delimiter = ',', default_values_t = [
            Program::Mapped, Program::Updates, Program::Sensor, Program::Tcpdump, Program::Ndpi, Program::Suricata, Program::Mercury
        ])]
        programs: Vec<Program>,
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Records go to a file beside the capture instead of /dev/null
        #[arg(long)]
        written: bool,
    },
    /// How much sooner two workers are done than one, by the clock
    Workers {
        #[arg(long, value_enum, default_value_t = Shape::Mix)]
        shape: Shape,
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// Resident memory above an idle start: 1,000,000 open flows; 4,000,000 entries of names
    Memory,
    /// Time a packet, as conversations become more: ten times and a hundred times as many
    Growth {
        #[arg(long, value_enum, default_value_t = Shape::Small)]
        shape: Shape,
    },
    /// What a capture of each shape holds
    Shapes,
    /// Makes one capture
    Make { shape: Shape, file: PathBuf },
    #[command(hide = true)]
    ReadByLibpcap { capture: PathBuf },
    #[command(hide = true)]
    WalkMapped { capture: PathBuf },
}

fn main() {
    // `cargo test --benches` only asks whether it starts.
    if std::env::args().len() <= 1 || std::env::args().any(|word| word == "--test") {
        return;
    }
    let arguments = Arguments::parse();
    let bench = Bench {
        folder: arguments.folder,
        packets: arguments.packets,
        keep: arguments.keep,
    };
    match arguments.what {
        What::Compare {
            shapes,
            programs,
            rounds,
            written,
        } => {
            for shape in shapes {
                bench.compare(shape, &programs, rounds, written);
            }
        }
        What::Workers { shape, rounds } => bench.workers(shape, rounds),
        What::Memory => bench.memory(),
        What::Growth { shape } => bench.growth(shape),
        What::Shapes => bench.shapes(),
        What::Make { shape, file } => {
            write_capture(shape, bench.packets(shape), &file);
        }
        What::ReadByLibpcap { capture } => {
            floors::read_by_libpcap(&capture);
        }
        What::WalkMapped { capture } => {
            floors::walk_mapped(&capture);
        }
    }
}

struct Bench {
    folder: PathBuf,
    packets: Option<u64>,
    keep: bool,
}

/// A capture that is deleted when it is done with.
struct Made {
    file: PathBuf,
    packets: u64,
    keep: bool,
}

impl Drop for Made {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_file(&self.file);
        }
    }
}

fn write_capture(shape: Shape, packets: u64, file: &Path) -> shapes::Tally {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(file).unwrap());
    let tally = shape.write(packets, &mut out).unwrap();
    out.flush().unwrap();
    let each = |count: u64| count as f64 * 1_000.0 / tally.packets as f64;
    println!(
        "{:<7} {:>9} packets, {:>6.1} bytes each; in 1,000: {:.1} flows, {:.1} DNS messages, {:.1} HTTP requests, {:.2} TLS and \
         {:.2} QUIC hellos, {:.0} carried",
        shape.name(),
        tally.packets,
        tally.bytes as f64 / tally.packets as f64,
        each(tally.flows),
        each(tally.dns_messages),
        each(tally.http_requests),
        each(tally.tls_hellos),
        each(tally.quic_hellos),
        each(tally.carried),
    );
    tally
}

impl Bench {
    fn packets(&self, shape: Shape) -> u64 {
        self.packets.unwrap_or_else(|| shape.usual_packets())
    }

    fn make(&self, shape: Shape, packets: u64) -> Made {
        fs::create_dir_all(&self.folder).unwrap();
        let file = self.folder.join(format!("{}.pcap", shape.name()));
        let tally = write_capture(shape, packets, &file);
        Made {
            file,
            packets: tally.packets,
            keep: self.keep,
        }
    }

    fn compare(&self, shape: Shape, programs: &[Program], rounds: usize, written: bool) {
        let made = self.make(shape, self.packets(shape));
        let output = if written {
            self.folder.join("records")
        } else {
            PathBuf::from("/dev/null")
        };
        println!(
            "{:<10} {:>9} {:>9} {:>8} {:>15}",
            "program", "Mpkt/cpu s", "ns/pkt", "ratio", "from to"
        );
        let speed = |cost: Cost| made.packets as f64 / cost.cpu;
        let mut floor = Vec::new();
        let present: Vec<Program> = programs
            .iter()
            .copied()
            .filter(|program| program.is_installed())
            .collect();
        let mut speeds = vec![Vec::new(); present.len()];
        for _ in 0..rounds {
            for (program, speeds) in present.iter().zip(&mut speeds) {
                let base = speed(Program::Libpcap.run(&made.file, &output));
                floor.push(base);
                let own = speed(program.run(&made.file, &output));
                speeds.push((own, own / base));
            }
        }
        tell("libpcap", &floor, &vec![1.0; floor.len()]);
        for (program, speeds) in present.iter().zip(&speeds) {
            let (speeds, ratios): (Vec<f64>, Vec<f64>) = speeds.iter().copied().unzip();
            tell(&format!("{program:?}").to_lowercase(), &speeds, &ratios);
        }
        if written {
            let _ = fs::remove_file(&output);
        }
    }

    fn workers(&self, shape: Shape, rounds: usize) {
        let made = self.make(shape, self.packets(shape));
        let null = Path::new("/dev/null");
        let gains: Vec<f64> = (0..rounds)
            .map(|_| {
                let [one, two] = [Program::Sensor, Program::Workers]
                    .map(|program| program.run(&made.file, null));
                println!(
                    "one: {:.2} s, {:.2} s cpu; two: {:.2} s, {:.2} s cpu",
                    one.wall, one.cpu, two.wall, two.cpu
                );
                one.wall / two.wall
            })
            .collect();
        println!("two workers are {:.2} times as fast as one", median(&gains));
    }

    fn memory(&self) {
        for shape in [Shape::Open, Shape::Answers] {
            let made = self.make(shape, self.packets(shape));
            memory::tell(shape, &made.file);
        }
    }

    fn growth(&self, shape: Shape) {
        let least = self.packets(shape) / 5;
        println!("{:>10} {:>8}", "packets", "ns/pkt");
        for times in [1, 2, 10, 100] {
            let made = self.make(shape, least * times);
            let cost = Program::Updates.run(&made.file, Path::new("/dev/null"));
            println!(
                "{:>10} {:>8.1}",
                made.packets,
                cost.cpu * 1e9 / made.packets as f64
            );
        }
    }

    fn shapes(&self) {
        for shape in [
            Shape::Mix,
            Shape::Small,
            Shape::Dns,
            Shape::Bulk,
            Shape::Open,
            Shape::Answers,
        ] {
            self.make(shape, self.packets(shape));
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn tell(program: &str, speeds: &[f64], ratios: &[f64]) {
    let (low, high) = ratios
        .iter()
        .fold((f64::MAX, f64::MIN), |(low, high), ratio| {
            (low.min(*ratio), high.max(*ratio))
        });
    let speed = median(speeds);
    println!(
        "{program:<10} {:>9.3} {:>9.1} {:>8.3} {:>7.3} {:>7.3}",
        speed / 1e6,
        1e9 / speed,
        median(ratios),
        low,
        high
    );
}
