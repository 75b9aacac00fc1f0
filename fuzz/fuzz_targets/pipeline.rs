//! Any bytes as a capture file, through a whole replay: every line is ASCII, short, and what its schema promises; lines for people
//! hold nothing that a terminal would obey; two workers write the same bytes as one.
//!
//! The settings come from a sum of the bytes, so that the first inputs can be captures as they are. Compressed files are left to
//! `capture_reader`: a small archive may hold gigabytes.
#![no_main]

use std::collections::HashMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jsonschema::Validator;
use libfuzzer_sys::fuzz_target;
use patchspan::config::Config;
use patchspan::config::hosts::HostList;
use patchspan::config::job::{Format, ReplayJob};
use patchspan::records::schema::{Form, of_kind};
use patchspan::records::{Kind, Kinds, MAX_LINE};
use patchspan::sensor::replay::{self, Event};
use patchspan::source::Order;
use patchspan::updates::catalogue::embedded;
use patchspan_fuzz::is_harmless;

/// First bytes of gzip, zstd and xz.
const COMPRESSED: [&[u8]; 3] = [
    &[0x1f, 0x8b],
    &[0x28, 0xb5, 0x2f, 0xfd],
    &[0xfd, b'7', b'z'],
];
/// Parts of the catalogue that are loaded: the whole one would take most of the time.
const VENDORS: [&str; 2] = ["microsoft", "mozilla"];

/// Files of this process, in memory where the system has such a place.
struct Place {
    capture: PathBuf,
    output: PathBuf,
    catalogue: PathBuf,
}

fuzz_target!(|bytes: &[u8]| {
    if COMPRESSED.iter().any(|magic| bytes.starts_with(magic)) {
        return;
    }
    fs::write(&place().capture, bytes).expect("the capture can be written");
    let settings: u8 = bytes
        .iter()
        .fold(0, |sum, byte| sum.wrapping_mul(31) ^ byte);
    let is_strict = settings & 1 != 0;
    let (output, was_full) = run(Format::Json, 1, is_strict);
    check_lines(&output, is_strict);
    match settings >> 1 & 7 {
        0 => {
            let (other, other_was_full) = run(Format::Json, 2, is_strict);
            assert!(was_full || other_was_full || output == other, "two workers");
        }
        1 => check_text(&run(Format::Text, 1, false).0),
        2 => check_text(&run(Format::Figure2, 1, false).0),
        3 => check_text(&run(Format::Summary, 1, false).0),
        _ => {}
    }
});

/// What a replay writes, and whether a table was full.
fn run(format: Format, workers: usize, is_strict: bool) -> (String, bool) {
    let place = place();
    let mut config = Config {
        memory: 64 << 20,
        catalogue: Some(place.catalogue.clone()),
        ..Config::default()
    };
    config.records.eve_strict = is_strict;
    let job = ReplayJob {
        files: vec![place.capture.clone()],
        order: Order::ByTime,
        config,
        kinds: Kinds::ALL,
        format,
        workers: NonZeroUsize::new(workers).unwrap_or(NonZeroUsize::MIN),
        output: Some(place.output.clone()),
        timezone: jiff::tz::TimeZone::UTC,
        host_labels: HashMap::new(),
        hosts: HostList::default(),
    };
    let mut was_full = false;
    let outcome = replay::run(job, &mut |event| match event {
        Event::Warning(warning) => {
            is_harmless(&warning);
            was_full = true;
        }
        Event::File(failure) => is_harmless(&failure.to_string()),
        Event::Output(failure) => panic!("{failure}"),
        Event::Progress(_) => {}
    });
    let outcome = outcome.expect("the replay begins");
    assert_eq!(outcome.lost, 0);
    // There is none where no input could be read.
    let output = fs::read(&place.output).unwrap_or_default();
    (String::from_utf8(output).expect("UTF-8"), was_full)
}

fn check_lines(output: &str, is_strict: bool) {
    assert!(output.is_empty() || output.ends_with('\n'));
    for line in output.lines() {
        assert!(line.len() < MAX_LINE, "{} bytes", line.len());
        assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let kind = value["event_type"].as_str().expect("a kind");
        let [full, strict] = validators();
        let validator = strict.get(kind).filter(|_| is_strict);
        let validator = validator.or(full.get(kind)).expect("a kind that exists");
        if let Err(error) = validator.validate(&value) {
            panic!("{error}\n{line}");
        }
    }
}

fn check_text(output: &str) {
    assert!(output.is_empty() || output.ends_with('\n'));
    is_harmless(output);
}

fn validators() -> &'static [HashMap<&'static str, Validator>; 2] {
    static VALIDATORS: OnceLock<[HashMap<&'static str, Validator>; 2]> = OnceLock::new();
    let compiled = |form| {
        let compiled = Kind::ALL.into_iter().filter_map(|kind| {
            let schema = of_kind(kind, form)?;
            let validator = jsonschema::draft202012::new(&schema).expect("a schema");
            Some((kind.as_str(), validator))
        });
        compiled.collect()
    };
    VALIDATORS.get_or_init(|| [compiled(Form::Full), compiled(Form::EveStrict)])
}

fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let folder = folder.join(format!("patchspan-fuzz-{}", std::process::id()));
        let catalogue = folder.join("catalogue");
        fs::create_dir_all(&catalogue).expect("a folder");
        let is_wanted = |name: &str| VENDORS.iter().any(|vendor| name.contains(vendor));
        for file in embedded::files()
            .iter()
            .filter(|file| is_wanted(&file.name))
        {
            let path = catalogue.join(file.name.replace('/', "-"));
            fs::write(path, &file.text).expect("a catalogue file");
        }
        Place {
            capture: folder.join("input.pcap"),
            output: folder.join("output.jsonl"),
            catalogue,
        }
    })
}
