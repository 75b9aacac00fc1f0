//! `patchspan erase` from outside, against a slow reading of every value.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use patchspan::names::{Names, NamesOptions};
use patchspan::offline::erase::{Found, Whose, lines::without};
use patchspan::pseudonyms::{Clients, Fingerprint, Key, Pseudonyms};
use patchspan::sensor::state::{Moment, NAME, State, Store};
use patchspan::sinks::{Aside, RotatingFile};
use patchspan::types::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

const CLIENT: &str = "198.51.100.7";
const KEY: &str = "0707070707070707070707070707070707070707070707070707070707070707";

/// A directory that goes when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("patchspan-erasing-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn erase(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_patchspan"));
        command.arg("erase").args(arguments);
        said(command.current_dir(&self.0).output().unwrap())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn said(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Every file of samples: its name, and its lines.
fn samples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/samples");
    let paths = std::fs::read_dir(folder).unwrap();
    let paths = paths.map(|entry| entry.unwrap().path());
    let records = paths.filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    let mut samples: Vec<_> = records
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    samples.sort();
    assert!(samples.len() >= 8);
    samples
}

/// The reverse name of an address, as the textbooks have it.
fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let digits = format!("{:032x}", v6.to_bits());
            let nibbles: Vec<String> = digits.chars().rev().map(String::from).collect();
            format!("{}.ip6.arpa", nibbles.join("."))
        }
    }
}

/// Whether any value below is the address or its reverse name.
fn tells_of(value: &Value, client: IpAddr) -> bool {
    match value {
        Value::String(text) => {
            let text = text.to_ascii_lowercase();
            let name = reverse(client);
            text.parse::<IpAddr>()
                .is_ok_and(|found| found.to_canonical() == client)
                || text == name
                || text.ends_with(&format!(".{name}"))
        }
        Value::Array(list) => list.iter().any(|value| tells_of(value, client)),
        Value::Object(map) => map.values().any(|value| tells_of(value, client)),
        _ => false,
    }
}

/// What should be left, and how many lines should go.
fn left(lines: &[u8], client: IpAddr) -> (Vec<u8>, usize) {
    let mut left = Vec::new();
    let mut gone = 0;
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let value = serde_json::from_slice(line).unwrap_or(Value::Null);
        if value.is_object() && tells_of(&value, client) {
            gone += 1;
        } else {
            left.extend_from_slice(line);
        }
    }
    (left, gone)
}

fn tool(program: &str, flags: &[&str], path: &Path) -> Vec<u8> {
    let output = Command::new(program)
        .args(flags)
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
    output.stdout
}

#[test]
fn every_kind_of_record_loses_the_lines_of_its_client_and_no_other() {
    let mut kinds = std::collections::BTreeSet::new();
    for (name, text) in samples() {
        for client in [CLIENT, "198.51.100.21", "192.0.2.53", "192.0.2.5"] {
            let scratch = Scratch::new();
            let path = scratch.file(&name, &text);
            let (left, gone) = left(text.as_bytes(), client.parse().unwrap());
            if gone > 0 {
                kinds.insert(name.clone());
            }
            let all = text.lines().count();
            let (code, out, err) = scratch.erase(&["--dry-run", client, &name]);
            assert_eq!((code, err.as_str()), (Some(0), ""));
            let line = format!("{name}: {gone} of {all} lines would be taken out\n");
            assert!(out.starts_with(&line), "{out}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
            let (code, out, err) = scratch.erase(&[client, &name]);
            assert_eq!((code, err.as_str()), (Some(0), ""));
            let line = format!("{name}: {gone} of {all} lines taken out\n");
            let total = format!("total, of 1 file: {gone} of {all} taken out\n");
            assert_eq!(out, line + &total);
            assert_eq!(std::fs::read(&path).unwrap(), left, "{name} {client}");
        }
    }
    let of_clients = [
        "client_binding",
        "coverage",
        "dns",
        "flow",
        "http",
        "quic",
        "tls",
        "update",
        "update_session",
    ];
    let of_clients = of_clients.map(|kind| format!("{kind}.jsonl"));
    assert_eq!(kinds, of_clients.into());
}

#[test]
fn compressed_files_are_read_by_their_tools_afterwards() {
    let scratch = Scratch::new();
    let text: String = samples().into_iter().map(|(_, text)| text).collect();
    let (left, gone) = left(text.as_bytes(), CLIENT.parse().unwrap());
    assert!(gone > 0 && !left.is_empty());
    let plain = scratch.file("plain.json", &text);
    let tools = [
        ("gzip", "a.json.gz"),
        ("zstd", "a.json.zst"),
        ("xz", "a.json.xz"),
    ];
    for (program, name) in tools {
        scratch.file(name, tool(program, &["-cq"], &plain));
    }
    let (code, out, err) = scratch.erase(&[CLIENT, "."]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("\ntotal, of 4 files: "), "{out}");
    for (program, name) in tools {
        let path = scratch.0.join(name);
        assert_eq!(tool(program, &["-dcq"], &path), left, "{name}");
    }
    assert_eq!(std::fs::read(plain).unwrap(), left);
}

#[test]
fn of_a_hundred_addresses_that_begin_alike_one_goes() {
    let addresses: Vec<String> = (1..=25)
        .flat_map(|last| {
            [
                format!("192.0.2.{last}"),
                format!("192.0.2.{}", 100 + last),
                format!("2001:db8::{last}"),
                format!("2001:db8::{last}00"),
            ]
        })
        .collect();
    let line = |address: &String| format!("{{\"src_ip\":\"{address}\"}}\n");
    let distinct: std::collections::BTreeSet<&String> = addresses.iter().collect();
    assert_eq!(distinct.len(), 100);
    let text: String = distinct.iter().map(|address| line(address)).collect();
    for address in &distinct {
        let scratch = Scratch::new();
        let path = scratch.file("a", &text);
        assert_eq!(scratch.erase(&[address, "a"]).0, Some(0));
        let left = text.replacen(&line(address), "", 1);
        assert_eq!(std::fs::read_to_string(path).unwrap(), left);
    }
}

#[test]
fn what_is_no_record_is_told_and_stays() {
    let scratch = Scratch::new();
    let text = format!("{{\"src_ip\":\"{CLIENT}\"}}\nnot {CLIENT}\n{{\"src_ip\":\"{CLIENT}");
    let path = scratch.file("a", text);
    let (code, out, err) = scratch.erase(&[CLIENT, "a", "missing"]);
    assert_eq!(code, Some(4));
    assert!(out.starts_with("a: 1 of 3 lines taken out\n"), "{out}");
    let told = "patchspan: a: 2 of its lines are no JSON objects and stay, the first is line 2\n";
    assert!(err.starts_with(told), "{err}");
    assert!(
        err.contains("patchspan: missing: cannot be read: "),
        "{err}"
    );
    let left = std::fs::read_to_string(path).unwrap();
    assert_eq!(left, format!("not {CLIENT}\n{{\"src_ip\":\"{CLIENT}"));
}

#[test]
fn several_addresses_go_at_once_and_what_is_none_is_an_error_of_usage() {
    let scratch = Scratch::new();
    let path = scratch.file("a", "{\"a\":\"192.0.2.1\"}\n{\"a\":\"2001:db8::1\"}\n{}\n");
    assert_eq!(
        scratch.erase(&["192.0.2.1,2001:0db8::0001", "a"]).0,
        Some(0)
    );
    assert_eq!(std::fs::read_to_string(path).unwrap(), "{}\n");
    for wrong in ["192.0.2.0/24", "pc1.example", ""] {
        assert_eq!(scratch.erase(&[wrong, "a"]).0, Some(2), "{wrong}");
    }
    assert_eq!(scratch.erase(&["192.0.2.1"]).0, Some(2));
}

#[test]
fn a_file_that_a_sensor_writes_is_refused_until_it_was_moved_and_left() {
    let scratch = Scratch::new();
    let path = scratch.file("all.json", format!("{{\"src_ip\":\"{CLIENT}\"}}\n"));
    let aside = Aside {
        path: path.clone(),
        compress: true,
        keep_for: Duration::from_secs(1),
        keep_size: 1,
    };
    let hour = Duration::from_secs(3_600);
    let (written, _) = RotatingFile::open(aside, 1 << 20, hour, Timestamp::EPOCH).unwrap();
    let refused = |name: &str| {
        let (code, _, err) = scratch.erase(&[CLIENT, name]);
        assert_eq!(code, Some(4));
        assert!(
            err.contains("is in use: ") && err.contains("SIGHUP"),
            "{err}"
        );
    };
    refused("all.json");
    let moved = scratch.0.join("moved.json");
    std::fs::rename(&path, &moved).unwrap();
    refused("moved.json");
    drop(written);
    assert_eq!(scratch.erase(&[CLIENT, "moved.json"]).0, Some(0));
    assert_eq!(std::fs::read(moved).unwrap(), b"");
}

/// Runs it where no file may have more than 100 KiB; `before` is for the shell.
fn limited(scratch: &Scratch, before: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_patchspan");
    let script = format!("{before} ulimit -c 0 -f 100; exec {program} erase {CLIENT} a");
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(&scratch.0);
    command.output().unwrap()
}

#[test]
fn a_kill_or_a_full_disk_in_the_middle_leaves_the_old_file_whole() {
    let scratch = Scratch::new();
    let rest = "{\"src_ip\":\"192.0.2.1\"}\n".repeat(50_000);
    let text = format!("{rest}{{\"src_ip\":\"{CLIENT}\"}}\n");
    let path = scratch.file("a", &text);
    let killed = limited(&scratch, "");
    assert_eq!(killed.status.signal(), Some(25), "SIGXFSZ: {killed:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    assert!(scratch.0.join(".a.erase").exists(), "it was in the middle");
    let (code, out, err) = said(limited(&scratch, "trap '' XFSZ;"));
    assert_eq!(code, Some(6), "{out}{err}");
    assert!(err.contains("a: cannot be written anew: "), "{err}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    assert!(!scratch.0.join(".a.erase").exists());
    let (code, out, _) = scratch.erase(&[CLIENT, "a"]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with("a: 1 of 50,001 lines taken out\n"), "{out}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), rest);
}

fn pseudonyms() -> Pseudonyms {
    let clients = Clients {
        networks: "198.51.100.0/24".parse().unwrap(),
        domains: Vec::new(),
    };
    Pseudonyms::new(&Key::parse(KEY).unwrap(), clients).unwrap()
}

/// A state in which two clients were answered a name.
fn keep(scratch: &Scratch, clients: [IpAddr; 2], fingerprint: Fingerprint) {
    let names = Names::new(NamesOptions::default());
    let now = Timestamp::from_seconds(1_800_000_000, 0);
    for client in clients {
        let server = "203.0.113.9".parse().unwrap();
        names.learn(client, server, &["dl.example.net"], now);
    }
    let moment = Moment {
        written: now,
        seen: now,
        runs: 0,
    };
    let store = Store::open(&scratch.0, 1 << 20, fingerprint).unwrap();
    store.write(moment, &[], names.kept(now)).unwrap();
}

#[test]
fn the_kept_state_loses_the_client_where_no_sensor_uses_it() {
    let scratch = Scratch::new();
    let other: IpAddr = "198.51.100.70".parse().unwrap();
    keep(
        &scratch,
        [CLIENT.parse().unwrap(), other],
        Fingerprint::NONE,
    );
    let running = Store::open(&scratch.0, 1 << 20, Fingerprint::NONE).unwrap();
    let (code, _, err) = scratch.erase(&[CLIENT, "."]);
    assert_eq!(code, Some(4));
    assert!(
        err.contains("another sensor keeps its state there: stop"),
        "{err}"
    );
    drop(running);
    let load = || State::load(&scratch.0.join(NAME), 1 << 20).unwrap();
    assert_eq!(scratch.erase(&["--dry-run", CLIENT, NAME]).0, Some(0));
    assert_eq!(load().names.len(), 2);
    scratch.file("state.new", "what a crash left");
    let (code, out, err) = scratch.erase(&[CLIENT, "."]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(
        out.starts_with("./state: 1 of 2 items taken out\n"),
        "{out}"
    );
    assert_eq!(load().names.len(), 1);
    assert_eq!(load().names[0].client(), other);
    assert!(!scratch.0.join("state.new").exists());
    std::fs::copy(scratch.0.join(NAME), scratch.0.join("copy")).unwrap();
    let (code, _, err) = scratch.erase(&[CLIENT, "copy"]);
    assert_eq!(code, Some(4));
    assert!(err.contains("delete it"), "{err}");
}

#[test]
#[ignore = "needs root"]
fn files_and_state_stay_their_owner_s_as_root() {
    let scratch = Scratch::new();
    let other: IpAddr = "198.51.100.70".parse().unwrap();
    keep(
        &scratch,
        [CLIENT.parse().unwrap(), other],
        Fingerprint::NONE,
    );
    scratch.file("a", format!("{{\"src_ip\":\"{CLIENT}\"}}\n"));
    for name in ["a", NAME] {
        let path = scratch.0.join(name);
        std::os::unix::fs::chown(&path, Some(4_321), Some(4_322)).unwrap();
        let (code, out, _) = scratch.erase(&[CLIENT, name]);
        assert_eq!(code, Some(0));
        assert!(out.starts_with(&format!("{name}: 1 of ")), "{out}");
        let data = std::fs::metadata(&path).unwrap();
        assert_eq!((data.uid(), data.gid()), (4_321, 4_322), "{name}");
    }
}

#[test]
fn under_pseudonyms_the_true_address_is_given_and_both_go() {
    let scratch = Scratch::new();
    let key = scratch.file("key", KEY);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(key, mode).unwrap();
    scratch.file(
        "sensor.toml",
        "[pseudonyms]\nkey_file = \"key\"\nnetworks = [\"198.51.100.0/24\"]\n",
    );
    let client: IpAddr = CLIENT.parse().unwrap();
    let pseudonym = pseudonyms().address(client);
    let text =
        format!("{{\"a\":\"{pseudonym}\"}}\n{{\"a\":\"{CLIENT}\"}}\n{{\"a\":\"198.51.100.70\"}}\n");
    let by_key = ["--key-file", "key", "--networks", "198.51.100.0/24", CLIENT];
    let by_config = ["--config", "sensor.toml", CLIENT];
    for flags in [&by_key[..], &by_config] {
        let path = scratch.file("a", &text);
        let (code, out, err) = scratch.erase(&[flags, &["a"]].concat());
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert!(out.starts_with("a: 2 of 3 lines"), "{out}");
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            "{\"a\":\"198.51.100.70\"}\n"
        );
    }
    let (code, _, err) = scratch.erase(&["--config", "sensor.toml", "192.0.2.1", "a"]);
    assert_eq!(code, Some(2));
    assert!(
        err.contains("is no client's by the networks given"),
        "{err}"
    );

    keep(
        &scratch,
        [pseudonym, "203.0.113.70".parse().unwrap()],
        pseudonyms().fingerprint(),
    );
    let (code, _, err) = scratch.erase(&[CLIENT, NAME]);
    assert_eq!(code, Some(4));
    assert!(err.contains("calls clients by pseudonyms"), "{err}");
    let (code, out, err) = scratch.erase(&["--config", "sensor.toml", CLIENT, NAME]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.starts_with("state: 1 of 2 items taken out\n"), "{out}");
}

/// An address of a few that begin alike, in one of its notations.
fn written() -> impl Strategy<Value = String> {
    let v4 = (0_u8..4, 0_u8..40).prop_map(|(c, d)| IpAddr::from([192, 0, c, d]));
    let v6 = (0_u16..40).prop_map(|last| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]));
    (prop_oneof![v4, v6], 0..7).prop_map(|(address, notation)| match (notation, address) {
        (0, _) => reverse(address),
        (1, _) => reverse(address).to_uppercase(),
        (2, _) => format!("_a._tcp.{}", reverse(address)),
        (3, _) => format!("{address}.example"),
        (4, IpAddr::V6(v6)) => long(v6),
        (4, IpAddr::V4(v4)) => v4.to_ipv6_mapped().to_string(),
        (5, IpAddr::V4(v4)) => long(v4.to_ipv6_mapped()),
        _ => address.to_string(),
    })
}

fn long(address: Ipv6Addr) -> String {
    let parts = address.segments().map(|segment| format!("{segment:04X}"));
    parts.join(":")
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => written().prop_map(Value::from),
        1 => "[a-z0-9.:\\\\\"é]{0,12}".prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,6}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::btree_map("[a-z_]{1,6}", value(), 0..3).prop_map(|map| {
        let object = Value::Object(map.into_iter().collect());
        object.to_string().into_bytes()
    })
}

/// A line: most are objects, some are cut, some are anything.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let whole = value().prop_map(|value| value.to_string().into_bytes());
    let cut = (object(), any::<prop::sample::Index>()).prop_map(|(mut line, at)| {
        line.truncate(at.index(line.len()));
        line
    });
    let anything = prop::collection::vec(any::<u8>().prop_filter("", |byte| *byte != b'\n'), 0..20);
    prop_oneof![6 => object(), 1 => whole, 1 => cut, 1 => anything]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn what_is_left_is_what_a_slow_reading_says(
        lines in prop::collection::vec(line(), 0..12),
        ends in any::<bool>(),
        (is_v4, c, d) in (any::<bool>(), 0_u8..4, 0_u8..40),
    ) {
        let mut input = lines.join(&b'\n');
        if ends {
            input.push(b'\n');
        }
        let client = if is_v4 {
            IpAddr::from(Ipv4Addr::new(192, 0, c, d))
        } else {
            IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, d.into()))
        };
        let (left, gone) = left(&input, client);
        let whose = Whose::new([client], Fingerprint::NONE);
        let mut output = Vec::new();
        let found: Found = without(&input[..], &mut output, &whose).unwrap();
        prop_assert_eq!(output, left);
        prop_assert_eq!(found.of_client, gone as u64);
    }
}
