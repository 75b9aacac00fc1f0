//! The promises of the outputs: producers never wait, every line is read once or told as lost, no line is cut or glued.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicI64, AtomicU32};

use serde_json::Value;

use super::*;
use crate::records::schema::{Form, of_kind};

/// A directory of a test's own.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("patchspan-outputs-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The text of every file whose name begins with `start`, by name, the file that is written last.
    fn text(&self, start: &str) -> String {
        let mut paths: Vec<PathBuf> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                path.file_name()
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .starts_with(start)
            })
            .collect();
        // `a-2026...` before `a.json`: that is the order of bytes.
        paths.sort();
        paths.iter().map(|path| text(path)).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    let bytes = match path.extension().is_some_and(|extension| extension == "zst") {
        true => zstd::decode_all(bytes.as_slice()).unwrap(),
        false => bytes,
    };
    String::from_utf8(bytes).unwrap()
}

/// A clock that goes on by a microsecond at each look.
fn clock() -> Clock {
    let nanos = AtomicI64::new(1_767_323_045_000_000_000);
    let next = move || nanos.fetch_add(1_000, std::sync::atomic::Ordering::Relaxed);
    Arc::new(move || Timestamp::from_nanos(next()))
}

fn start(configs: &[OutputConfig]) -> Outputs {
    Outputs::start(configs, &Style::default(), clock()).unwrap()
}

fn file(folder: &Folder) -> OutputConfig {
    OutputConfig {
        name: "all".to_owned(),
        records: Kinds::ALL,
        target: Target::File(FileTarget::new(folder.path("all.json"))),
        queue: 256 << 10,
        ..OutputConfig::default()
    }
}

fn unix(folder: &Folder) -> OutputConfig {
    OutputConfig {
        name: "reader".to_owned(),
        target: Target::Unix(folder.path("s")),
        ..file(folder)
    }
}

fn line(kind: Kind, number: u64) -> String {
    let padding = "x".repeat((number % 97) as usize);
    format!("{{\"event_type\":\"{kind}\",\"n\":{number},\"padding\":\"{padding}\"}}\n")
}

/// What is in a stream: numbers, lines and bytes told as lost.
#[derive(Debug, Default, PartialEq)]
struct Stream {
    numbers: Vec<u64>,
    lost: u64,
    lost_bytes: u64,
}

/// Panics where a line is cut or glued.
fn parse(text: &str) -> Stream {
    let mut stream = Stream::default();
    let schema = of_kind(Kind::Loss, Form::Full).unwrap();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "cut: {:?}",
        text.lines().last()
    );
    for line in text.lines() {
        let value: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let loss = &value["loss"];
        assert!(loss.is_null() || schema.is_valid(&value), "{line}");
        match loss["what"].as_str() {
            Some("lines") => stream.lost += loss["count"].as_u64().unwrap(),
            Some("bytes") => stream.lost_bytes += loss["count"].as_u64().unwrap(),
            _ => stream.numbers.push(value["n"].as_u64().unwrap()),
        }
    }
    stream
}

fn assert_no_line_twice(stream: &Stream) {
    let numbers: BTreeSet<_> = stream.numbers.iter().collect();
    assert_eq!(numbers.len(), stream.numbers.len());
}

/// Waits until `is_so`.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Lines as a producer makes them, handed over every 100.
fn feed(outputs: &Outputs, kind: Kind, numbers: std::ops::Range<u64>) {
    let mut feeder = outputs.feeder();
    for number in numbers {
        feeder.line(kind, Timestamp::EPOCH, line(kind, number).as_bytes());
        if number % 100 == 0 {
            feeder.flush();
        }
    }
}

const WAIT: Duration = Duration::from_secs(10);

#[test]
fn each_output_gets_the_kinds_that_it_wants() {
    let folder = Folder::new();
    let narrow = OutputConfig {
        records: Kinds::NONE.with(Kind::Update),
        name: "narrow".to_owned(),
        target: Target::File(FileTarget::new(folder.path("narrow.json"))),
        ..file(&folder)
    };
    let wide = OutputConfig {
        records: Kinds::NONE.with(Kind::Update).with(Kind::Dns),
        ..file(&folder)
    };
    let outputs = start(&[narrow, wide]);
    let kinds = outputs.kinds();
    assert!(kinds.has(Kind::Update) && kinds.has(Kind::Dns) && !kinds.has(Kind::Flow));
    feed(&outputs, Kind::Dns, 0..10);
    feed(&outputs, Kind::Update, 10..20);
    feed(&outputs, Kind::Flow, 20..30);
    assert_eq!(outputs.stop(WAIT), []);
    assert_eq!(
        parse(&folder.text("narrow")).numbers,
        Vec::from_iter(10..20)
    );
    assert_eq!(parse(&folder.text("all")).numbers.len(), 20);
}

#[test]
fn a_block_goes_over_by_itself_and_the_rest_with_a_flush() {
    let folder = Folder::new();
    let outputs = start(&[file(&folder)]);
    let mut feeder = outputs.feeder();
    let one = line(Kind::Update, 1);
    for _ in 0..(65 << 10) / one.len() {
        feeder.line(Kind::Update, Timestamp::EPOCH, one.as_bytes());
    }
    until("a full block", || outputs.counters()[0].bytes > 60 << 10);
    assert!(folder.text("all").len() <= 64 << 10);
    feeder.flush();
    until("the rest", || folder.text("all").len() > 64 << 10);
    drop(feeder);
    assert_eq!(outputs.stop(WAIT), []);
}

#[test]
fn a_reader_that_stops_reading_keeps_nobody_waiting_and_what_is_missing_is_told() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.path("s")).unwrap();
    let outputs = start(&[unix(&folder)]);
    let (reader, _) = listener.accept().unwrap();
    let begun = Instant::now();
    feed(&outputs, Kind::Dns, 0..100_000);
    // A reader that was waited for would have to read first.
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    let counters = &outputs.counters()[0];
    assert!(
        counters.dropped[1] > 50_000 && counters.dropped[0] == 0,
        "{counters:?}"
    );
    assert_eq!(counters.dropped_by_kind, [(Kind::Dns, counters.dropped[1])]);
    assert!(counters.queued[1] <= counters.capacity && counters.queued[1] > counters.capacity / 2);
    // The conclusions have a lane of their own, which still has room.
    feed(&outputs, Kind::Update, 100_000..100_100);
    let reading = thread::spawn(move || {
        let mut text = String::new();
        BufReader::new(reader).read_to_string(&mut text).unwrap();
        text
    });
    until("written", || outputs.counters()[0].queued == [0, 0]);
    assert_eq!(outputs.stop(WAIT), []);
    let stream = parse(&reading.join().unwrap());
    assert_no_line_twice(&stream);
    assert_eq!(stream.numbers.len() as u64 + stream.lost, 100_100);
    assert!(stream.lost > 50_000);
    assert!((100_000..100_100).all(|number| stream.numbers.contains(&number)));
    // They overtook what waited longer.
    let last_dns = stream.numbers.iter().rposition(|number| *number < 100_000);
    let first_update = stream.numbers.iter().position(|number| *number >= 100_000);
    assert!(first_update < last_dns);
}

#[test]
fn at_the_end_a_slow_reader_is_waited_for_and_a_dead_one_is_not() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.path("s")).unwrap();
    let outputs = start(&[unix(&folder)]);
    let (slow, _) = listener.accept().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let mut slow = BufReader::with_capacity(4 << 10, slow);
        (0..40_000).for_each(|_| assert!(slow.read_line(&mut text).unwrap() > 0));
        (text, slow)
    });
    let mut feeder = outputs.feeder();
    feeder.wait_for_readers(Duration::from_secs(60));
    // Some four megabytes through a queue of a quarter.
    let mut give = |n| feeder.line(Kind::Dns, Timestamp::EPOCH, line(Kind::Dns, n).as_bytes());
    (0..40_000).for_each(&mut give);
    feeder.flush();
    let (text, _open) = reader.join().unwrap();
    assert_eq!(parse(&text).numbers, (0..40_000).collect::<Vec<_>>());
    let start = Instant::now();
    let mut give = |n| feeder.line(Kind::Dns, Timestamp::EPOCH, line(Kind::Dns, n).as_bytes());
    (0..40_000).for_each(&mut give);
    feeder.flush();
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(outputs.counters()[0].dropped[1] > 0);
}

#[test]
fn a_reader_that_goes_away_and_comes_back_begins_with_a_line_and_is_told_what_it_missed() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.path("s")).unwrap();
    let outputs = start(&[unix(&folder)]);
    let read = |stream: UnixStream, lines: usize| -> String {
        let lines = BufReader::new(stream).lines().take(lines);
        lines.map(|line| line.unwrap() + "\n").collect()
    };
    let (first, _) = listener.accept().unwrap();
    feed(&outputs, Kind::Dns, 0..1_000);
    // All of it lies in the kernel, where it will be lost.
    until("written", || outputs.counters()[0].queued == [0, 0]);
    let mut seen = read(first, 300);
    let (second, _) = listener.accept().unwrap();
    feed(&outputs, Kind::Dns, 1_000..2_000);
    let reading = thread::spawn(move || read(second, usize::MAX));
    until("written", || outputs.counters()[0].queued == [0, 0]);
    let counters = outputs.counters().remove(0);
    assert!(counters.errors > 0 && counters.is_open, "{counters:?}");
    let notices: Vec<String> = outputs.notices().collect();
    assert!(
        notices[0].contains("output `reader`: ") && notices[0].contains("closed"),
        "{notices:?}"
    );
    assert_eq!(outputs.stop(WAIT), []);
    seen += &reading.join().unwrap();
    let stream = parse(&seen);
    assert_no_line_twice(&stream);
    // What the first reader had buffered itself was read by nobody; the kernel counts it as read.
    let missing = 2_000 - stream.numbers.len() as u64;
    assert!(
        stream.lost > 0 && counters.unread == stream.lost,
        "{} {missing}",
        stream.lost
    );
    assert!(stream.lost + 1_000 > missing, "{} {missing}", stream.lost);
}

#[test]
fn what_a_killed_run_left_is_told_first() {
    let folder = Folder::new();
    fs::write(folder.path("all.json"), line(Kind::Dns, 1) + "{\"half").unwrap();
    let outputs = start(&[file(&folder)]);
    feed(&outputs, Kind::Dns, 2..3);
    assert_eq!(outputs.stop(WAIT), []);
    let now = text(&folder.path("all.json"));
    assert!(
        now.starts_with("{\"timestamp\":\"2026-01-02T03:04:05."),
        "{now}"
    );
    assert!(
        now.contains("\"loss\":{\"v\":1,\"what\":\"bytes\",\"where\":\"all\",\"count\":6,"),
        "{now}"
    );
    let expected = Stream {
        numbers: vec![1, 2],
        lost: 0,
        lost_bytes: 6,
    };
    assert_eq!(parse(&folder.text("all")), expected);
}

/// Where the child of the next test writes, and its first number.
const CHILD: [&str; 2] = ["PATCHSPAN_TEST_FOLDER", "PATCHSPAN_TEST_FIRST"];

#[test]
fn runs_that_are_killed_while_they_write_leave_whole_lines_each_once() {
    let folder = Folder::new();
    const ROUNDS: u64 = 8;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--ignored",
                "sensor::outputs::tests::child_that_is_killed",
            ])
            .env(CHILD[0], &folder.0)
            .env(CHILD[1], (round * 1_000_000).to_string())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        until("lines of this child", || folder.path("begun").exists());
        child.kill().unwrap();
        child.wait().unwrap();
        fs::remove_file(folder.path("begun")).unwrap();
    }
    let outputs = start(&[file(&folder)]);
    assert_eq!(outputs.stop(WAIT), []);
    let stream = parse(&folder.text("all"));
    assert_eq!(stream.lost, 0);
    let mut numbers = stream.numbers.into_iter().peekable();
    for round in 0..ROUNDS {
        let first = round * 1_000_000;
        let count = std::iter::from_fn(|| numbers.next_if(|number| *number < first + 1_000_000));
        // From its first to its last, without a hole.
        let last = count.zip(first..).map(|(number, expected)| {
            assert_eq!(number, expected);
            number
        });
        assert!(last.last() > Some(first + 400));
    }
    assert_eq!(numbers.next(), None);
}

#[test]
#[ignore = "the child of the test above: writes until it is killed"]
fn child_that_is_killed() {
    let [folder, first] = CHILD.map(|name| std::env::var(name).unwrap());
    let folder = std::mem::ManuallyDrop::new(Folder(folder.into()));
    let mut config = file(&folder);
    let mut target = FileTarget::new(folder.path("all.json"));
    (target.rotate_size, target.compress) = (50_000, false);
    config.target = Target::File(target);
    let outputs = Outputs::start(&[config], &Style::default(), wall_clock()).unwrap();
    let mut feeder = outputs.feeder();
    let begun = Instant::now();
    for number in first.parse().unwrap().. {
        feeder.line(
            Kind::Dns,
            Timestamp::EPOCH,
            line(Kind::Dns, number).as_bytes(),
        );
        feeder.flush();
        // The queue has 256 places.
        while outputs.counters()[0].queued[1] > 20_000 {
            thread::yield_now();
        }
        if outputs.counters()[0].lines >= 500 && !folder.path("begun").exists() {
            fs::write(folder.path("begun"), "").unwrap();
        }
        assert!(begun.elapsed() < WAIT, "nobody killed it");
    }
}

#[test]
fn through_rotation_and_compression_every_line_is_there_once() {
    let folder = Folder::new();
    let mut config = file(&folder);
    config.queue = 64 << 20;
    let mut target = FileTarget::new(folder.path("all.json"));
    target.rotate_size = 5_000;
    config.target = Target::File(target);
    let outputs = start(&[config]);
    let producers = [0, 10_000, 20_000, 30_000].map(|from| {
        let mut feeder = outputs.feeder();
        thread::spawn(move || {
            for number in from..from + 10_000 {
                feeder.line(
                    Kind::Dns,
                    Timestamp::EPOCH,
                    line(Kind::Dns, number).as_bytes(),
                );
            }
        })
    });
    for producer in producers {
        producer.join().unwrap();
    }
    until("written", || outputs.counters()[0].queued == [0, 0]);
    let names = || {
        fs::read_dir(&folder.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
    };
    let count = |end: &str| {
        names()
            .filter(|name| name.to_str().unwrap().ends_with(end))
            .count()
    };
    until("compressed", || count(".json") == 2 && count(".part") == 0);
    assert!(count(".zst") > 400, "{}", count(".zst"));
    assert_eq!(outputs.stop(WAIT), []);
    let stream = parse(&folder.text("all"));
    assert_eq!(stream.lost, 0);
    let numbers: BTreeSet<u64> = stream.numbers.iter().copied().collect();
    assert!(numbers.iter().copied().eq(0..40_000) && stream.numbers.len() == 40_000);
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew_when_asked() {
    let folder = Folder::new();
    let outputs = start(&[file(&folder)]);
    feed(&outputs, Kind::Update, 0..10);
    until("written", || outputs.counters()[0].lines == 10);
    fs::rename(folder.path("all.json"), folder.path("moved")).unwrap();
    outputs.reopen();
    until("opened", || folder.path("all.json").exists());
    feed(&outputs, Kind::Update, 10..20);
    assert_eq!(outputs.stop(WAIT), []);
    assert_eq!(parse(&folder.text("moved")).numbers, Vec::from_iter(0..10));
    assert_eq!(parse(&folder.text("all")).numbers, Vec::from_iter(10..20));
}

#[test]
fn what_nobody_reads_until_the_end_is_said_at_the_end() {
    let folder = Folder::new();
    let outputs = start(&[unix(&folder)]);
    feed(&outputs, Kind::Dns, 0..20_000);
    feed(&outputs, Kind::Update, 20_000..20_010);
    let begun = Instant::now();
    let untold = outputs.stop(Duration::from_millis(300));
    assert!(begun.elapsed() < Duration::from_secs(3));
    let expected = Untold {
        output: "reader".to_owned(),
        lines: 20_010,
    };
    assert_eq!(untold, [expected]);
}

#[test]
fn an_output_that_cannot_be_opened_says_which_where_and_what_to_do() {
    let folder = Folder::new();
    let mut config = file(&folder);
    config.target = Target::File(FileTarget::new(folder.path("none/all.json")));
    let error = Outputs::start(&[config], &Style::default(), clock()).unwrap_err();
    let path = folder.path("none/all.json").display().to_string();
    let expected =
        format!("output `all`: {path}: No such file or directory (os error 2): make its directory");
    assert_eq!(error.to_string(), expected);
}

#[test]
#[ignore = "needs root: it mounts a file system"]
fn a_full_disk_loses_no_line_untold_and_leaves_none_cut_as_root() {
    let folder = Folder::new();
    let disk = folder.path("disk");
    fs::create_dir(&disk).unwrap();
    run(Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(&disk));
    let unmount = Unmount(disk.clone());
    fs::write(disk.join("ballast"), vec![0; 100 << 10]).unwrap();
    let mut config = file(&folder);
    config.target = Target::File(FileTarget::new(disk.join("all.json")));
    let outputs = start(&[config]);
    feed(&outputs, Kind::Dns, 0..20_000);
    until("full", || outputs.counters()[0].errors > 1);
    assert!(outputs.counters()[0].dropped[1] > 0);
    parse(&text(&disk.join("all.json")));
    let notices: Vec<String> = outputs.notices().collect();
    assert!(notices[0].contains("No space left"), "{notices:?}");
    // Somebody makes room: it goes on by itself.
    let first = fs::read_to_string(disk.join("all.json")).unwrap();
    fs::remove_file(disk.join("ballast")).unwrap();
    run(Command::new("mount")
        .args(["-o", "remount,size=64m"])
        .arg(&disk));
    until("written again", || outputs.counters()[0].queued == [0, 0]);
    feed(&outputs, Kind::Dns, 20_000..20_100);
    assert_eq!(outputs.stop(WAIT), []);
    let whole = text(&disk.join("all.json"));
    assert!(whole.starts_with(&first));
    let stream = parse(&whole);
    assert_no_line_twice(&stream);
    assert_eq!(stream.numbers.len() as u64 + stream.lost, 20_100);
    assert!(stream.lost > 0);
    drop(unmount);
}

struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

#[test]
fn an_output_whose_reader_is_gone_for_good_takes_nothing_and_tells_it() {
    let shared = Arc::new(Shared::new(256 << 10));
    let (blocks, first) = bounded(8);
    let (_logs, second) = bounded::<Block>(8);
    let (control, requests) = bounded(8);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let outlet = Standard::to(fs::File::from(std::os::fd::OwnedFd::from(writer))).unwrap();
    let (said, notices) = bounded(8);
    let mut writer = Writer::new(
        "stdout",
        Box::new(outlet),
        [first, second],
        requests,
        Arc::clone(&shared),
        clock(),
        Style::default(),
    );
    writer.said = Some(said);
    let thread = thread::spawn(move || writer.run());
    let text = line(Kind::Update, 1);
    let block = Block {
        bytes: text.as_bytes().into(),
        lines: 1,
        timed: None,
    };
    assert!(shared.admit(0, &block));
    blocks.send(block).unwrap();
    until("ended", || shared.has_ended());
    let notice = notices.recv().unwrap();
    assert!(notice.contains("its reader is gone for good"), "{notice}");
    control.send(Control::Stop(Instant::now() + WAIT)).unwrap();
    thread.join().unwrap();
    assert_eq!(shared.untold(), 1);
}
