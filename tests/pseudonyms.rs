//! Fifty clients whose addresses, MAC addresses and names are known, through everything that the program writes: nothing of them is found
//! again, and all else is as it would be without pseudonyms.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "pseudonyms/made.rs"]
mod made;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use patchspan::pseudonyms::{Clients, Key, Pseudonyms};
use patchspan::types::Fqdn;
use serde_json::Value;

use made::{Capture, clients, found, macs, notations, others, traces};

const KEY: &str = "0707070707070707070707070707070707070707070707070707070707070707";
const NETWORKS: &str = "192.0.2.0/24,2001:db8:1::/48";
const SECTION: &str = "networks.local = [\"192.0.2.0/24\", \"2001:db8:1::/48\"]\n\
                       dns.resolvers = [\"192.0.2.253\"]\n\
                       internal_sources = [{ name = \"own\", kind = \"proxy\", servers = [\"192.0.2.252\", \"2001:db8:1::fc\"], ports = [80, 443] }]\n";

/// A folder with a capture, a key, a list of hosts and configurations.
struct Place(PathBuf);

impl Place {
    fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("patchspan-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let place = Self(folder);
        place.write("key", KEY, 0o600);
        place.write("off.toml", SECTION, 0o644);
        place.write("on.toml", place.section(""), 0o644);
        place
    }

    fn section(&self, more: &str) -> String {
        let key = self.path("key");
        format!(
            "{SECTION}{more}pseudonyms.key_file = \"{}\"\npseudonyms.domains = [\"clients.example.edu\"]\n",
            key.display()
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>, mode: u32) {
        std::fs::write(self.path(name), text).unwrap();
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.path(name), permissions).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_patchspan"));
        command
            .current_dir(&self.0)
            .args(arguments)
            .output()
            .unwrap()
    }

    fn replay(&self, arguments: &[&str]) -> String {
        let output = self.run(&[&["replay", "capture.pcap"], arguments].concat());
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaints}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn pseudonyms() -> Pseudonyms {
    let clients = Clients {
        networks: NETWORKS.parse().unwrap(),
        domains: Fqdn::from_presentation("clients.example.edu")
            .into_iter()
            .collect(),
    };
    Pseudonyms::new(&Key::parse(KEY).unwrap(), clients).unwrap()
}

#[test]
fn nothing_that_is_written_tells_who_a_client_is() {
    let place = Place::new("pseudonyms-all");
    let clients = clients();
    place.write("capture.pcap", Capture::of(&clients).bytes(), 0o644);
    place.write(
        "cut.pcap",
        &Capture::of(&clients[..2]).bytes()[..3_000],
        0o644,
    );
    let rows = clients.iter().map(|client| {
        format!(
            "{}-id,{},{}\n",
            client.name,
            client.address,
            macs(client.mac)[0]
        )
    });
    place.write(
        "hosts.csv",
        format!("id,address,mac\n{}", rows.collect::<String>()),
        0o644,
    );
    place.write(
        "strict.toml",
        place.section("records.eve_strict = true\n"),
        0o644,
    );
    place.write(
        "long.toml",
        place.section("records.ipv6_long = true\nhttp.query = \"drop\"\n"),
        0o644,
    );
    let traces = traces(&clients);
    let hosts = ["--hosts", "hosts.csv"];
    let replay = |arguments: &[&'static str]| {
        [&["replay", "capture.pcap", "cut.pcap"], arguments, &hosts].concat()
    };
    for arguments in [
        replay(&["--config", "on.toml"]),
        replay(&["--config", "on.toml", "--workers", "4"]),
        replay(&["--config", "on.toml", "--output", "lines.json"]),
        replay(&["--config", "strict.toml"]),
        replay(&["--config", "long.toml"]),
        replay(&["--config", "on.toml", "--format", "text"]),
        replay(&["--config", "on.toml", "--format", "figure2"]),
        replay(&["--config", "on.toml", "--format", "summary"]),
        vec!["doctor", "--config", "on.toml", "--pcap", "capture.pcap"],
        vec![
            "doctor",
            "--config",
            "on.toml",
            "--pcap",
            "capture.pcap",
            "--json",
        ],
    ] {
        let output = place.run(&arguments);
        let file = std::fs::read(place.path("lines.json")).unwrap_or_default();
        assert!(
            output.stdout.len() + file.len() > 1_000,
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        for bytes in [&output.stdout, &output.stderr, &file] {
            let found = found(&String::from_utf8_lossy(bytes), &traces);
            assert!(found.is_empty(), "{arguments:?}\n{}", found.join("\n"));
        }
        let _ = std::fs::remove_file(place.path("lines.json"));
    }
}

#[test]
fn the_search_finds_clients_where_they_have_no_pseudonyms() {
    let place = Place::new("pseudonyms-none");
    let clients = clients();
    place.write("capture.pcap", Capture::of(&clients).bytes(), 0o644);
    let lines = place.replay(&["--config", "off.toml"]).to_lowercase();
    // What is only in DHCP, or in the head of a request, is never written; every notation of an address is.
    let missing: Vec<String> = traces(&clients)
        .into_iter()
        .filter(|trace| !lines.contains(trace))
        .collect();
    let is_of_others = |trace: &String| {
        others()
            .into_iter()
            .flat_map(notations)
            .any(|other| other.to_lowercase() == *trace)
    };
    let missing: Vec<String> = missing
        .into_iter()
        .filter(|trace| !is_of_others(trace))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

/// A line without what pseudonyms change, and with its addresses under `address`.
fn essence(line: &str, address: impl Fn(IpAddr) -> IpAddr) -> Option<String> {
    let record: Value = serde_json::from_str(line).unwrap();
    let text = |value: &Value| {
        value.as_str().map(|text| {
            text.parse()
                .map_or(text.to_owned(), |known| address(known).to_string())
        })
    };
    let ends = ["src_ip", "dest_ip"].map(|key| text(&record[key]));
    let kind = record["event_type"].as_str().unwrap();
    let rest = match kind {
        "flow" => {
            format!(
                "{} {} {} {}",
                record["flow"],
                record["src_port"],
                record["app_proto"],
                record["patchspan"]["delivered"]
            ) + &record["patchspan"]["handshake"].to_string()
        }
        "update" => {
            let update = &record["update"];
            let of = |key: &str| update[key].to_string();
            let words = [
                "product",
                "role",
                "verdict",
                "confidence",
                "fqdn",
                "name_source",
                "bytes_toclient",
                "delivered_toclient",
                "start",
                "end",
                "via",
            ];
            format!("{:?} {}", text(&update["client"]), words.map(of).join(" "))
        }
        "update_session" => {
            let session = &record["update_session"];
            let of = |key: &str| session[key].to_string();
            let words = [
                "product",
                "start",
                "end",
                "checks",
                "downloads",
                "outcome",
                "delivered_toclient",
            ];
            format!("{:?} {}", text(&session["client"]), words.map(of).join(" "))
        }
        // Names make further lines, and are left out under pseudonyms: see below.
        "client_binding" => return None,
        "patchspan_stats" => {
            let mut counters = record["patchspan_stats"].clone();
            // Names are no evidence then.
            counters.as_object_mut().unwrap().remove("bindings");
            counters.to_string()
        }
        "dns" => format!("{} {}", record["dns"]["type"], record["dns"]["rcode"]),
        "http" => format!("{} {}", record["http"]["status"], record["http"]["length"]),
        _ => String::new(),
    };
    Some(format!("{kind} {ends:?} {rest}"))
}

/// Addresses and MAC addresses that bindings tell.
fn bound(lines: &str) -> BTreeSet<(String, String)> {
    let records = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let bindings = records.filter(|record| record["event_type"] == "client_binding");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    bindings
        .map(|record| {
            let binding = &record["client_binding"];
            (text(&binding["client"]), text(&binding["mac"]))
        })
        .collect()
}

/// Those of the clients, under pseudonyms.
fn bound_of(clients: &[made::Client], pseudonyms: &Pseudonyms) -> BTreeSet<(String, String)> {
    let one = |client: &made::Client| {
        let address = pseudonyms.address(client.address);
        let mac = macs(pseudonyms.mac(client.mac));
        (address.to_string(), mac[0].clone())
    };
    clients.iter().map(one).collect()
}

#[test]
fn all_else_is_as_without_pseudonyms() {
    let place = Place::new("pseudonyms-same");
    let clients = clients();
    place.write("capture.pcap", Capture::of(&clients).bytes(), 0o644);
    let pseudonyms = pseudonyms();
    let lines = |config: &str| place.replay(&["--config", config]);
    let (without, with) = (lines("off.toml"), lines("on.toml"));
    let mut expected: Vec<_> = without
        .lines()
        .filter_map(|line| essence(line, |address| pseudonyms.address(address)))
        .collect();
    let mut told: Vec<_> = with
        .lines()
        .filter_map(|line| essence(line, |address| address))
        .collect();
    expected.sort();
    told.sort();
    for (expected, told) in expected.iter().zip(&told) {
        assert_eq!(expected, told);
    }
    assert_eq!(expected.len(), told.len());
    // Each of the fifty is one client, who downloaded and is at the place where the key says.
    let downloads = with
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let downloads = downloads.filter(|record| record["update"]["verdict"] == "downloaded");
    let downloaders: BTreeSet<IpAddr> = downloads
        .map(|record| {
            record["update"]["client"]
                .as_str()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    let everybody: BTreeSet<IpAddr> = clients
        .iter()
        .map(|client| pseudonyms.address(client.address))
        .collect();
    assert_eq!(downloaders, everybody);
    assert_eq!(everybody.len(), 50);
    assert_eq!(bound(&with), bound_of(&clients, &pseudonyms));
    assert!(without.contains("anna00-laptop") && !with.contains("\"names\":["));
    for workers in ["2", "4"] {
        assert!(
            place.replay(&["--config", "on.toml", "--workers", workers]) == with,
            "{workers} workers"
        );
    }
}

#[test]
fn a_name_over_quic_is_rewritten_as_one_over_tls_and_a_server_of_updates_keeps_its_own() {
    let place = Place::new("pseudonyms-quic");
    let lines = |capture: &str, domain: &str| {
        let config = place.section("").replace("clients.example.edu", domain);
        place.write("quic.toml", config, 0o644);
        let capture = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("pcaps")
            .join(capture);
        let output = place.run(&["replay", "--config", "quic.toml", capture.to_str().unwrap()]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let clear = lines("ech-quic.pcap", "clients.example.edu");
    assert!(clear.contains("\"sni\":\"cover.lab-edge.example\""));
    let rewritten = lines("ech-quic.pcap", "lab-edge.example");
    assert!(rewritten.contains("\"sni\":\"p-") && !rewritten.contains("cover.lab-edge"));
    let kept = lines("chromium-quic.pcap", "googleapis.com");
    assert!(kept.contains("\"sni\":\"update.googleapis.com\""));
}

#[test]
fn an_id_of_the_list_is_told_only_where_the_configuration_says_so() {
    let place = Place::new("pseudonyms-ids");
    let clients = &clients()[..2];
    place.write("capture.pcap", Capture::of(clients).bytes(), 0o644);
    place.write(
        "hosts.csv",
        format!(
            "id,address\npc-one,{}\npc-two,{}\n",
            clients[0].address, clients[1].address
        ),
        0o644,
    );
    place.write(
        "ids.toml",
        place.section("pseudonyms.client_id = true\n"),
        0o644,
    );
    let ids = |config: &str| {
        let lines = place.replay(&["--config", config, "--hosts", "hosts.csv"]);
        ["pc-one", "pc-two"].map(|id| lines.contains(&format!("\"client_id\":\"{id}\"")))
    };
    assert_eq!(ids("on.toml"), [false, false]);
    assert_eq!(ids("ids.toml"), [true, true]);
}

#[test]
fn a_key_that_others_can_read_or_that_is_none_is_refused_with_what_mends_it() {
    let place = Place::new("pseudonyms-key");
    place.write("capture.pcap", Capture::of(&clients()[..1]).bytes(), 0o644);
    let said = |arguments: &[&str]| {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(3));
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    for arguments in [
        vec!["check", "on.toml"],
        vec!["replay", "capture.pcap", "--config", "on.toml"],
    ] {
        place.write("key", KEY, 0o644);
        let open = said(&arguments);
        assert!(
            open.contains("others can read this key (mode 0644): `chmod o-rwx "),
            "{open}"
        );
        place.write("key", "12345", 0o640);
        assert!(said(&arguments).contains("a key is 64 hexadecimal digits"));
        std::fs::remove_file(place.path("key")).unwrap();
        assert!(said(&arguments).contains("cannot be read: No such file"));
    }
    place.write("key", KEY, 0o640);
    let checked = place.run(&["check", "on.toml"]);
    let text = String::from_utf8(checked.stdout).unwrap();
    assert!(
        text.contains("clients have pseudonyms: addresses in 2 prefixes, names in 1 domains"),
        "{text}"
    );
}

#[test]
fn who_has_the_key_can_ask_both_ways() {
    let place = Place::new("pseudonyms-ask");
    let pseudonyms = pseudonyms();
    let say = |arguments: &[&str]| {
        let output = place.run(&[&["pseudonym"], arguments].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), text.trim_end().to_owned())
    };
    for client in ["192.0.2.20", "2001:db8:1::20"] {
        let expected = pseudonyms.address(client.parse().unwrap()).to_string();
        assert_eq!(say(&["--config", "on.toml", client]), (0, expected.clone()));
        assert_eq!(
            say(&["--key-file", "key", "--networks", NETWORKS, client]),
            (0, expected.clone())
        );
        assert_eq!(
            say(&["--config", "on.toml", "--reverse", &expected]),
            (0, client.to_owned())
        );
    }
    let (code, mac) = say(&["--config", "on.toml", "02-00-5E-AC-53-01"]);
    assert_eq!(code, 0);
    assert_eq!(
        mac,
        pseudonyms
            .mac([2, 0, 0x5e, 0xac, 0x53, 1])
            .map(|byte| format!("{byte:02x}"))
            .join(":")
    );
    let (_, name) = say(&["--config", "on.toml", "Anna01-laptop.clients.example.edu"]);
    assert!(
        name.starts_with("p-") && name.ends_with(".clients.example.edu"),
        "{name}"
    );
    assert_eq!(say(&["--config", "on.toml", "203.0.113.9"]).0, 2);
    assert_eq!(
        say(&["--config", "on.toml", "--reverse", "203.0.113.9"]).0,
        2
    );
    assert_eq!(say(&["--config", "off.toml", "192.0.2.20"]).0, 3);
    assert_eq!(say(&["192.0.2.20"]).0, 2);
}
