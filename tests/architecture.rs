//! Holds the imports to the design: who may import whom, which package belongs to which stage, and where clocks, files, sockets and
//! threads are. `ARCHITECTURE.md` shows the same tables in words.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "architecture/paths.rs"]
mod paths;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A stage, and the stages that it may import: only ones above it.
const STAGES: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("source", &["types"]),
    // Link types are numbers that the capture file says.
    ("decode", &["types", "source"]),
    ("protocols", &["types"]),
    ("flows", &["types"]),
    ("names", &["types"]),
    // A fact holds what an HTTP transaction told.
    ("updates", &["types", "protocols"]),
    // Lines are made of parsed messages and of verdicts.
    ("records", &["types", "protocols", "updates"]),
    ("sinks", &["types"]),
    // DNS messages are read and written anew.
    ("pseudonyms", &["types", "protocols"]),
    // It knows each stage's options, never the other way round.
    (
        "config",
        &[
            "types",
            "source",
            "flows",
            "names",
            "updates",
            "records",
            "pseudonyms",
        ],
    ),
    (
        "sensor",
        &[
            "types",
            "source",
            "decode",
            "protocols",
            "flows",
            "names",
            "updates",
            "records",
            "sinks",
            "pseudonyms",
            "config",
        ],
    ),
    // Commands that read records back: no packet, no table. Records may be compressed, and stand in the state of a run too. A report goes
    // by the catalogue's habits of products; what is learned is held against it.
    (
        "offline",
        &[
            "types",
            "source",
            "updates",
            "records",
            "sinks",
            "pseudonyms",
            "config",
            "sensor",
        ],
    ),
    (
        "cli",
        &[
            "types",
            "source",
            // Commands that look into the catalogue.
            "updates",
            "records",
            "sinks",
            "pseudonyms",
            "config",
            "sensor",
            "offline",
        ],
    ),
];

/// A package, and the stages that touch it. Every dependency has a row.
const PACKAGES: &[(&str, &[&str])] = &[
    ("pcap", &["source"]),
    // Socket options, poll, eventfd; users and groups, numbers of calls: the kernel's words, safely.
    ("nix", &["source", "sensor"]),
    ("flate2", &["source"]),
    ("liblzma", &["source"]),
    ("zstd", &["source", "sinks"]),
    ("etherparse", &["decode"]),
    ("dns_parser", &["protocols"]),
    ("tls_parser", &["protocols"]),
    // Keys of QUIC, JA4; keys and hashes of pseudonyms.
    ("ring", &["protocols", "pseudonyms"]),
    // Community IDs: a flow's is one of the dearest things of its record, and ring has no use of the core's instructions for it.
    ("sha1", &["records"]),
    ("itoa", &["records"]),
    ("ipcrypt_rs", &["pseudonyms"]),
    ("memchr", &["protocols", "updates"]),
    ("hashbrown", &["decode", "flows", "updates", "pseudonyms"]),
    (
        "foldhash",
        &[
            "decode",
            "protocols",
            "flows",
            "names",
            "updates",
            "pseudonyms",
            "sensor",
        ],
    ),
    // Tables whose pages the kernel zeroes at their first use.
    ("bytemuck", &["names"]),
    ("include_dir", &["updates"]),
    ("data_encoding", &["records", "pseudonyms"]),
    ("toml", &["updates", "config"]),
    ("ipnet", &["types", "pseudonyms", "config"]),
    ("csv", &["config", "offline"]),
    // The list of public suffixes.
    ("psl", &["offline"]),
    (
        "jiff",
        &[
            "protocols",
            "updates",
            "records",
            "sinks",
            "config",
            "offline",
            "cli",
        ],
    ),
    // A page in which everything is escaped; how wide text is, and the terminal.
    ("maud", &["offline"]),
    ("unicode_width", &["offline"]),
    ("terminal_size", &["cli"]),
    // What a live run gives up.
    ("landlock", &["sensor"]),
    ("seccompiler", &["sensor"]),
    // Locks and polls on open files, a thread's priority, capabilities; advice on memory.
    ("rustix", &["types", "sinks", "sensor", "offline"]),
    ("rustls", &["sinks"]),
    ("crossbeam_channel", &["sensor"]),
    ("signal_hook", &["sensor"]),
    // Metrics and health over HTTP.
    ("hyper", &["sensor"]),
    ("hyper_util", &["sensor"]),
    ("http_body_util", &["sensor"]),
    ("tokio", &["sensor"]),
    ("prometheus", &["sensor"]),
    // What the kernel tells of this process.
    ("procfs", &["sensor"]),
    // READY, the watchdog.
    ("sd_notify", &["cli"]),
    // What is kept over a restart; the catalogue's files; records read without being held.
    (
        "serde",
        &[
            "types",
            "protocols",
            "flows",
            "names",
            "updates",
            "sensor",
            "offline",
        ],
    ),
    // The state of a run; the catalogue as the build script wrote it.
    ("postcard", &["sensor", "updates"]),
    ("crc32fast", &["sensor"]),
    ("serde_json", &["records", "offline"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    // Derives error types, wherever there is one.
    ("thiserror", ANYWHERE),
];

/// What of the standard library is kept to a few places: what it is, its paths, and the stages, folders or files that may.
const PLACES: &[(&str, &[&str], &[&str])] = &[
    (
        "the clock",
        &[
            "std::time::SystemTime",
            "std::time::Instant",
            "jiff::Timestamp::now",
            "jiff::Zoned::now",
        ],
        // The progress bar of `cli` has a clock of its own.
        &["source", "sinks", "sensor"],
    ),
    (
        "a socket",
        &[
            "std::net::TcpStream",
            "std::net::TcpListener",
            "std::net::UdpSocket",
            "std::os::unix::net",
        ],
        &["source", "sinks", "sensor"],
    ),
    (
        "a file",
        &["std::fs"],
        &[
            "source",
            "sinks",
            "sensor",
            "offline",
            // It opens what a person named; `offline` reads it.
            "cli/diff.rs",
            "config/mod.rs",
            "updates/catalogue/file.rs",
        ],
    ),
    ("a thread", &["std::thread"], &["sensor"]),
    (
        "a standard stream",
        &["std::io::stdin", "std::io::stdout", "std::io::stderr"],
        &["source/capture.rs", "sinks", "cli"],
    ),
    (
        "the process",
        &["std::env", "std::process"],
        &["cli", "main.rs"],
    ),
    (
        "an atomic",
        &["std::sync::atomic"],
        // In `source` the bytes read so far, for a progress bar; live, the sockets' counters, whose turn it is to join a group, and
        // that a worker was woken.
        &["names", "source/capture.rs", "source/live", "sensor"],
    ),
    (
        "a lock",
        &[
            "std::sync::Mutex",
            "std::sync::RwLock",
            "std::sync::Condvar",
            "std::sync::Barrier",
        ],
        // Workers wait here for each other, once a tick; they get thousands of frames at once; what a reload changed is taken once.
        &["sensor/feed.rs", "sensor/gate.rs", "sensor/live/renewal.rs"],
    ),
    // They panic where nobody reads.
    (
        "a print macro",
        &["print!", "println!", "eprint!", "eprintln!"],
        &[],
    ),
    ("unsafe code", &["unsafe"], UNSAFE_FILES),
];

/// Files that may have unsafe code, at most three.
const UNSAFE_FILES: &[&str] = &["sinks/unread.rs", "types/hints.rs"];

const ANYWHERE: &[&str] = &[""];

/// Paths with a star hide what is used.
const NO_GLOB: &str = "*";

#[test]
fn imports_keep_to_the_design() {
    let complaints: Vec<String> = sources()
        .iter()
        .flat_map(|file| complaints(file, &fs::read_to_string(root().join(file)).unwrap()))
        .collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn a_stage_imports_only_stages_above_it() {
    for (at, (stage, imports)) in STAGES.iter().enumerate() {
        for import in *imports {
            let is_above = STAGES[..at].iter().any(|(above, _)| above == import);
            assert!(is_above, "{stage} imports {import}");
        }
    }
}

#[test]
fn every_folder_is_a_stage_and_every_stage_a_folder() {
    let entries = fs::read_dir(root()).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let folders = folders.map(|entry| entry.file_name().into_string().unwrap());
    let stages = STAGES.iter().map(|(stage, _)| (*stage).to_owned());
    assert_eq!(
        folders.collect::<BTreeSet<_>>(),
        stages.collect::<BTreeSet<_>>()
    );
}

#[test]
fn every_row_of_a_package_is_needed() {
    let mut used = BTreeSet::new();
    for file in sources() {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        let stage = file.split('/').next().unwrap_or_default().to_owned();
        for found in paths::find(&text, &module_of(&file), &modules()) {
            let first = found.path.split("::").next().unwrap_or_default();
            used.insert((first.to_owned(), stage.clone()));
        }
    }
    let is_idle = |(package, stage): &(&str, &str)| {
        *stage != ANYWHERE[0] && !used.contains(&((*package).to_owned(), (*stage).to_owned()))
    };
    let rows = PACKAGES
        .iter()
        .flat_map(|(package, stages)| stages.iter().map(|stage| (*package, *stage)));
    let idle: Vec<_> = rows.filter(is_idle).collect();
    assert!(idle.is_empty(), "{idle:?}");
}

#[test]
fn every_package_has_a_row() {
    let manifest = fs::read_to_string(root().join("../Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let packages = manifest["dependencies"].as_table().unwrap().keys();
    let packages: BTreeSet<String> = packages.map(|name| name.replace('-', "_")).collect();
    let rows = PACKAGES.iter().map(|(package, _)| (*package).to_owned());
    assert_eq!(packages, rows.collect());
}

#[test]
fn a_made_up_line_is_told_with_its_file_and_line() {
    for (file, line, expected) in [
        (
            "flows/table.rs",
            "use crate::names::Names;",
            "flows may not import names",
        ),
        (
            "flows/tcp/mod.rs",
            "use super::super::names;",
            "flows may not import names",
        ),
        (
            "decode/ip.rs",
            "use super::super::{types, records::Kind};",
            "decode may not import records",
        ),
        (
            "types/time.rs",
            "fn f() -> crate::source::Order {}",
            "types may not import source",
        ),
        (
            "names/mod.rs",
            "fn f() { g(1..crate::flows::LIMIT) }",
            "names may not import flows",
        ),
        (
            "protocols/dns/mod.rs",
            "use crate::nothing::Nothing;",
            "nothing is no stage",
        ),
        (
            "source/capture.rs",
            "use etherparse::Ethernet2HeaderSlice;",
            "etherparse belongs to decode",
        ),
        (
            "decode/link.rs",
            "fn f() { ::pcap::Linktype(1); }",
            "pcap belongs to source",
        ),
        (
            "names/mod.rs",
            "#[derive(clap::Args)] struct Flags;",
            "clap belongs to cli",
        ),
        (
            "flows/table.rs",
            "use std::time::{Duration, Instant};",
            "the clock",
        ),
        (
            "flows/table.rs",
            "use std::time; fn f() { time::SystemTime::now(); }",
            "the clock",
        ),
        (
            "records/time.rs",
            "use jiff::Timestamp; fn f() { Timestamp::now(); }",
            "the clock",
        ),
        ("updates/engine.rs", "use std::{fs, fmt};", "a file"),
        (
            "sinks/mod.rs",
            "fn f() { std::thread::spawn(g); }",
            "a thread",
        ),
        ("cli/mod.rs", "use std::net::TcpStream;", "a socket"),
        ("records/mod.rs", "fn f() { println!(); }", "a print macro"),
        (
            "records/mod.rs",
            "use std::io; fn f() { io::stdout(); }",
            "a standard stream",
        ),
        ("flows/mod.rs", "use std::sync::Mutex;", "a lock"),
        ("decode/mod.rs", "fn f() { unsafe { g() } }", "unsafe code"),
        (
            "decode/mod.rs",
            "use crate::types::*;",
            "hides what is used",
        ),
    ] {
        let found = complaints(file, &format!("// One.\n{line}\n"));
        let [complaint] = found.as_slice() else {
            panic!("{file}: {line}: {found:?}");
        };
        assert!(
            complaint.starts_with(&format!("src/{file}:2: ")),
            "{complaint}"
        );
        assert!(complaint.contains(expected), "{complaint}");
    }
}

#[test]
fn what_the_design_allows_is_not_told() {
    for (file, line) in [
        ("records/dns.rs", "use crate::protocols::dns::Message;"),
        ("decode/mod.rs", "use crate::counters; counters! {}"),
        (
            "flows/table.rs",
            "use super::names; fn f() { super::flow::g(); }",
        ),
        (
            "source/capture.rs",
            "use super::pcap; fn f() { pcap::Reader::new(); }",
        ),
        ("source/mod.rs", "pub use pcap::Reader;"),
        (
            "flows/table.rs",
            "/// See [`crate::names`].\nconst A: &str = \"std::fs\"; // std::fs",
        ),
        (
            "flows/table.rs",
            "#[cfg(test)]\nmod tests { use std::thread; }",
        ),
        (
            "flows/table.rs",
            "fn f(s: &S) { s.fs.spawn(); std::net::IpAddr::from(s); }",
        ),
        ("updates/catalogue/file.rs", "use std::fs::read_dir;"),
    ] {
        let found = complaints(file, line);
        assert!(found.is_empty(), "{file}: {line}: {found:?}");
    }
}

#[test]
fn what_follows_a_test_is_looked_at_again() {
    let text = "#[cfg(test)]\nfn f() { std::thread::yield_now() }\n#[cfg(test)]\nmod tests;\nuse std::thread;";
    assert_eq!(
        complaints("flows/table.rs", text),
        ["src/flows/table.rs:5: std::thread is a thread, which belongs to sensor"]
    );
}

/// What in `text`, the file `src/FILE`, does not keep to the design.
fn complaints(file: &str, text: &str) -> Vec<String> {
    let found = paths::find(text, &module_of(file), &modules());
    let told = |found: &paths::Found| {
        let complaint = complaint(file, &found.path)?;
        Some(format!("src/{file}:{}: {complaint}", found.line))
    };
    found.iter().filter_map(told).collect()
}

fn complaint(file: &str, path: &str) -> Option<String> {
    if path.ends_with(NO_GLOB) && path.contains("::") {
        return Some(format!("{path} hides what is used"));
    }
    let (first, rest) = path.split_once("::").unwrap_or((path, ""));
    if first == "crate" {
        return import_complaint(file, rest);
    }
    if let Some((package, owners)) = PACKAGES.iter().find(|(package, _)| *package == first)
        && !rest.is_empty()
        && !is_among(file, owners)
    {
        return Some(format!("{package} belongs to {}", words(owners)));
    }
    let place = PLACES
        .iter()
        .find(|(_, paths, _)| paths.iter().any(|kept| starts_with(path, kept)));
    let (what, _, places) = place?;
    (!is_among(file, places))
        .then(|| format!("{path} is {what}, which belongs to {}", words(places)))
}

/// `rest` is what follows `crate::`.
fn import_complaint(file: &str, rest: &str) -> Option<String> {
    let (stage, _) = file.split_once('/')?;
    let first = rest.split("::").next().unwrap_or_default();
    // Exported macros stand at the root.
    let imported = match first.trim_end_matches('!') {
        "counters" => "types",
        other => other,
    };
    if !STAGES.iter().any(|(known, _)| *known == imported) {
        return Some(format!("{imported} is no stage"));
    }
    let row = STAGES.iter().find(|(known, _)| *known == stage);
    let allowed = row.map_or(&[][..], |(_, imports)| *imports);
    (imported != stage && !allowed.contains(&imported))
        .then(|| format!("{stage} may not import {imported}"))
}

/// Whether `file` is one of these stages, folders or files, or within one.
fn is_among(file: &str, places: &[&str]) -> bool {
    let within = |place: &&str| {
        let rest = file.strip_prefix(place);
        rest.is_some_and(|rest| place.is_empty() || rest.is_empty() || rest.starts_with('/'))
    };
    places.iter().any(within)
}

/// Whether `path` is `start`, or something in it.
fn starts_with(path: &str, start: &str) -> bool {
    let rest = path.strip_prefix(start);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn words(places: &[&str]) -> String {
    if places.is_empty() {
        return "nobody".to_owned();
    }
    places.join(", ")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file of the crate, as `decode/ip.rs`, sorted. Files that are tests only are left out.
fn sources() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
            if name.ends_with(".rs") && !is_test_only(name) {
                found.push(name.to_owned());
            }
        }
    }
    found.sort();
    assert!(found.len() > 60, "{found:?}");
    found
}

/// `tests.rs`, and the samples that only tests of their stage read.
fn is_test_only(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    matches!(name, "tests.rs" | "samples.rs")
}

/// `decode/ip.rs` is the module `decode::ip`.
fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_end_matches(".rs");
    let path = path.trim_end_matches("/mod");
    let path = if matches!(path, "lib" | "main") {
        ""
    } else {
        path
    };
    let parts = path.split('/').filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

fn modules() -> BTreeSet<String> {
    sources()
        .iter()
        .map(|file| module_of(file).join("::"))
        .collect()
}
