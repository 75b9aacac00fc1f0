//! What holds of `patchspan replay` on every stored capture: the same bytes with any number of workers, lines that keep the limits of
//! the format, and the `update` records that follow from what the programs in the capture did.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "support/schema.rs"]
mod schema;

use std::collections::BTreeMap;

use common::{of_kind, text};
use std::fs;

use patchspan::records::schema::Form;
use serde_json::Value;

/// Longest line, its end included.
const LONGEST_LINE: usize = 8 * 1_024;
/// Largest integer that every reader of JSON holds exactly.
const LARGEST_INTEGER: u64 = (1 << 53) - 1;

#[test]
fn one_two_and_four_workers_write_the_same_bytes() {
    let found = common::on_every_capture(|capture| {
        let one = common::replay(&capture.path, &["--workers", "1"]);
        let differs =
            |workers: &&&str| common::replay(&capture.path, &["--workers", workers]) != one;
        ["2", "4"]
            .iter()
            .filter(differs)
            .map(|workers| format!("{workers} workers write other bytes"))
            .collect()
    });
    common::assert_explained(&found, &[]);
}

#[test]
fn every_line_is_ascii_short_and_an_object_without_null() {
    let found = common::on_every_capture(|capture| {
        let output = common::replay(&capture.path, &[]);
        let mut found: Vec<String> = output
            .split_inclusive('\n')
            .filter_map(wrong_in_line)
            .collect();
        if output.is_empty() {
            found.push("no line".to_owned());
        }
        found
    });
    common::assert_explained(&found, &[]);
}

#[test]
fn every_line_validates_against_the_shipped_schema() {
    let strict = std::env::temp_dir().join(format!("patchspan-strict-{}.toml", std::process::id()));
    fs::write(&strict, "[records]\neve_strict = true\n").unwrap();
    let strict_flags = ["--config", strict.to_str().unwrap()];
    let found = common::on_every_capture(|capture| {
        let runs: [(Form, &[&str]); 2] = [(Form::Full, &[]), (Form::EveStrict, &strict_flags)];
        let wrong = runs.into_iter().flat_map(|(form, flags)| {
            let output = common::replay(&capture.path, flags);
            let lines: Vec<String> = output.lines().map(str::to_owned).collect();
            lines.into_iter().filter_map(move |line| {
                let error = schema::check(form, &line).err()?;
                Some(format!("{error}: {line}"))
            })
        });
        wrong.collect()
    });
    fs::remove_file(&strict).unwrap();
    common::assert_explained(&found, &[]);
}

/// What is wrong with a line. Whatever must hold of every line is asked here.
fn wrong_in_line(line: &str) -> Option<String> {
    if !line.is_ascii() || !line.ends_with('\n') {
        return Some(format!("not ASCII, or not ended: {line}"));
    }
    if line.len() > LONGEST_LINE {
        return Some(format!("{} bytes: {line}", line.len()));
    }
    let Ok(value @ Value::Object(_)) = serde_json::from_str(line) else {
        return Some(format!("no object: {line}"));
    };
    wrong_in_value(&value).map(|what| format!("{what}: {line}"))
}

fn wrong_in_value(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("null".to_owned()),
        Value::Number(number)
            if number
                .as_u64()
                .is_some_and(|number| number > LARGEST_INTEGER) =>
        {
            Some(format!("{number} is too large"))
        }
        Value::Array(all) => all.iter().find_map(wrong_in_value),
        Value::Object(fields) => fields.values().find_map(wrong_in_value),
        _ => None,
    }
}

#[test]
fn update_records_tell_what_the_hosts_did() {
    let table: BTreeMap<&str, &[&str]> = UPDATES.iter().copied().collect();
    let found = common::on_every_capture(|capture| {
        let records = common::records(&common::replay(&capture.path, &["--events", "update"]));
        let mut told: Vec<String> = of_kind(&records, "update")
            .map(|record| &record["update"])
            .filter(is_final)
            .map(summary)
            .collect();
        told.sort();
        let Some(expected) = table.get(capture.name.as_str()) else {
            return vec!["stands not in the table".to_owned()];
        };
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        if told == *expected {
            Vec::new()
        } else {
            vec![format!("updates are\n  {}", told.join("\n  "))]
        }
    });
    common::assert_explained(&found, &[]);
}

fn is_final(update: &&Value) -> bool {
    update["final"] == true
}

fn summary(update: &Value) -> String {
    let word = |key: &str| text(&update[key]);
    let (product, role, verdict) = (word("product"), word("role"), word("verdict"));
    format!(
        "{product} {role}: {verdict} {} by {}",
        word("fqdn"),
        word("name_source")
    )
}

/// Every access of every capture: product, role, verdict, name and where the name came from.
///
/// Most downloads of the laboratory are far below the 256 KiB that make a download where no path tells: they are contacts.
const UPDATES: &[(&str, &[&str])] = &[
    (
        "apt",
        &[
            "apt check: checked ftp.jp.debian.org by http",
            "apt download: downloaded ftp.jp.debian.org by http",
        ],
    ),
    (
        // The first requests ask the cache by its address, as if it were a mirror.
        "apt-cacher",
        &[
            "apt check: checked 198.51.100.86 by http",
            "apt download: downloaded ftp.jp.debian.org by http",
        ],
    ),
    (
        "apt-unchanged",
        &["apt check: checked ftp.jp.debian.org by http"],
    ),
    (
        "binding-families",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "binding-leases",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
            "firefox download: downloaded download.mozilla.org by http",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "binding-nat",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "binding-routed",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
            "firefox download: downloaded download.mozilla.org by http",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "binding-swap",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
            "firefox download: downloaded download.mozilla.org by http",
            "firefox download: downloaded download.mozilla.org by http",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "browser-hellos",
        &["firefox download: checked download.mozilla.org by tls"],
    ),
    // Asked over IPv4, reached over IPv6: one host, as its neighbours know.
    (
        "chromium-ipv6",
        &[
            "firefox download: checked download.mozilla.org by tls",
            "unknown download: checked edgedl.me.gvt1.com by quic",
        ],
    ),
    (
        "chromium-quic",
        &[
            "chrome-omaha-updater check: checked update.googleapis.com by quic",
            "chrome-omaha-updater download: checked edgedl.me.gvt1.com by quic",
        ],
    ),
    (
        "chromium-tcp",
        &[
            "chrome-omaha-updater check: checked clients2.google.com by tls",
            "chrome-omaha-updater check: checked update.googleapis.com by tls",
            "chrome-omaha-updater download: checked edgedl.me.gvt1.com by tls",
        ],
    ),
    (
        "cooked-sll",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "cooked-sll2",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "curl-http",
        &["firefox download: downloaded download.mozilla.org by http"],
    ),
    (
        "curl-tls12",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: checked download.mozilla.org by tls",
        ],
    ),
    (
        "curl-tls13",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: checked download.mozilla.org by tls",
        ],
    ),
    (
        "delivery-optimization",
        &["unknown download: downloaded tlu.dl.delivery.mp.microsoft.com by http"],
    ),
    (
        "dns-fragments",
        &["firefox download: downloaded archive.mozilla.org by http"],
    ),
    // Asked over IPv6, reached over IPv4, as above.
    (
        "dns-fragments-ipv6",
        &["firefox download: downloaded archive.mozilla.org by http"],
    ),
    // Names of the laboratory, which no catalogue knows.
    ("dns-https-record", &[]),
    (
        "dns-mixed-case",
        &["firefox download: downloaded download.mozilla.org by http"],
    ),
    (
        "dns-tcp",
        &["firefox download: downloaded archive.mozilla.org by http"],
    ),
    (
        "dnssec",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "doh-curl",
        &["firefox download: checked download.mozilla.org by tls"],
    ),
    // The true name is in no packet.
    ("doh-firefox-ech", &[]),
    (
        "dot",
        &["firefox download: downloaded download.mozilla.org by tls"],
    ),
    (
        "doubled",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "doubled-routed",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "doubled-vlan",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "dual-stack",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    ("ech", &["firefox check: checked aus5.mozilla.org by dns"]),
    (
        "ech-grease",
        &["firefox check: checked aus5.mozilla.org by tls"],
    ),
    (
        "ech-quic",
        &["firefox check: checked aus5.mozilla.org by dns"],
    ),
    (
        "ech-stale-key",
        &["firefox check: checked aus5.mozilla.org by tls"],
    ),
    (
        "erspan1",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "erspan2",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "erspan3",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    // Asked over IPv4, tried over IPv6, as above; so the fallback cannot be seen as one.
    (
        "family-fallback",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "firefox",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox connectivity: checked detectportal.firefox.com by http",
        ],
    ),
    // The updater also asks for a second plug-in's server, which has no address here.
    (
        "firefox-plugin",
        &[
            "chrome-omaha-updater check: resolved update.googleapis.com by dns",
            "firefox check: checked aus5.mozilla.org by tls",
            "openh264 download: checked ciscobinary.openh264.org by tls",
        ],
    ),
    (
        "firefox-quic",
        &["firefox download: checked download.mozilla.org by quic"],
    ),
    (
        "geneve",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "gtpu",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "hello-two-records",
        &["firefox check: checked aus5.mozilla.org by tls"],
    ),
    // Asked over IPv4, reached over IPv6 the first time: one host, as its leases and neighbours say.
    (
        "host-evidence",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "http-answers",
        &[
            "firefox download: downloaded download.mozilla.org by http",
            "windows-update download: downloaded download.windowsupdate.com by http",
        ],
    ),
    (
        "http-chunked",
        &["firefox download: downloaded download.mozilla.org by http"],
    ),
    (
        "http-keepalive",
        &["firefox download: downloaded download.mozilla.org by http"],
    ),
    // 40,960 of 400,000 bytes.
    (
        "http-partial",
        &["firefox download: partial download.mozilla.org by http"],
    ),
    (
        "http-pipelined",
        &["firefox download: downloaded download.mozilla.org by http"],
    ),
    (
        "http-ranges",
        &["firefox download: downloaded download.mozilla.org by http"],
    ),
    // 60,816 of 400,000 bytes.
    (
        "http-reset",
        &["firefox download: partial download.mozilla.org by http"],
    ),
    // Two connections of this name stay unused; its download travels inside another name's.
    (
        "http2-coalescing",
        &["firefox download: checked download.mozilla.org by tls"],
    ),
    // 90 seconds lie between: two accesses on one connection.
    (
        "keepalive-gap",
        &[
            "firefox download: checked download.mozilla.org by http",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    // Nothing for 40 minutes after the answer, then a contact.
    (
        "late-use",
        &[
            "firefox metadata: checked addons.mozilla.org by dns",
            "firefox metadata: resolved addons.mozilla.org by dns",
        ],
    ),
    (
        "loss",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    // The request is among what was lost.
    (
        "loss-heavy",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: checked download.mozilla.org by dns",
        ],
    ),
    (
        "no-answer",
        &[
            "apt check: refused ftp.jp.debian.org by http",
            "apt check: unanswered ftp.jp.debian.org by http",
            "apt check: unanswered ftp.jp.debian.org by http",
        ],
    ),
    (
        "parts",
        &[
            "apt download: checked ftp.jp.debian.org by http",
            "apt download: downloaded ftp.jp.debian.org by http",
            "apt download: partial ftp.jp.debian.org by http",
            "apt download: partial ftp.jp.debian.org by http",
            "firefox download: checked download.mozilla.org by http",
            "firefox download: checked download.mozilla.org by http",
            "firefox download: partial download.mozilla.org by http",
        ],
    ),
    (
        "peer-cache",
        &["windows-update check: checked fe2.update.microsoft.com by tls"],
    ),
    (
        "refused-proxy",
        &[
            "apt check: refused ftp.jp.debian.org by http",
            "chrome-omaha-updater check: refused update.googleapis.com by http",
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: refused download.mozilla.org by http",
        ],
    ),
    (
        "refused-tls",
        &[
            "firefox check: refused aus5.mozilla.org by tls",
            "firefox check: refused aus5.mozilla.org by tls",
            "firefox check: refused aus5.mozilla.org by tls",
            "firefox check: refused aus5.mozilla.org by tls",
            "firefox check: unanswered aus5.mozilla.org by tls",
        ],
    ),
    // Questions are those of the campus resolver.
    (
        "resolver-mirror",
        &[
            "firefox check: checked aus5.mozilla.org by http",
            "firefox check: resolved aus5.mozilla.org by dns",
            "firefox download: resolved download.mozilla.org by dns",
            "firefox metadata: resolved addons.mozilla.org by dns",
        ],
    ),
    // The download is inside the tunnel.
    (
        "vpn-openvpn",
        &["firefox check: checked aus5.mozilla.org by http"],
    ),
    (
        "vpn-wireguard",
        &["firefox check: checked aus5.mozilla.org by http"],
    ),
    // Question and request came before the capture.
    ("midstream", &[]),
    (
        "nanoseconds",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "offloads",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "one-sided-client",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: checked download.mozilla.org by http",
        ],
    ),
    // No question, no ClientHello, no request.
    ("one-sided-server", &[]),
    (
        "port-reuse",
        &[
            "acrobat-reader download: downloaded ardownload.adobe.com by http",
            "defender-antivirus download: downloaded definitionupdates.microsoft.com by http",
        ],
    ),
    (
        "prototype-host-a",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "prototype-host-b",
        &[
            "windows-update check: checked fe2.update.microsoft.com by tls",
            "windows-update download: downloaded download.windowsupdate.com by http",
        ],
    ),
    (
        "proxy",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "proxy-both-legs",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "qinq",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "quic-late-hello",
        &["firefox download: checked download.mozilla.org by quic"],
    ),
    // The second flow continues the first.
    (
        "quic-migration",
        &["firefox download: checked download.mozilla.org by quic"],
    ),
    (
        "quic-resumption",
        &["firefox download: checked download.mozilla.org by quic"],
    ),
    (
        "quic-retry",
        &["firefox download: checked download.mozilla.org by quic"],
    ),
    (
        "quic-versions",
        &[
            "firefox check: checked aus5.mozilla.org by quic",
            "firefox download: checked download.mozilla.org by quic",
        ],
    ),
    (
        "raw-ip",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "refused",
        &[
            "firefox check: refused aus5.mozilla.org by dns",
            "firefox download: refused download.mozilla.org by dns",
        ],
    ),
    (
        "reordered",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "resolved-only",
        &[
            "windows-update check: resolved fe2.update.microsoft.com by dns",
            "windows-update download: resolved download.windowsupdate.com by dns",
        ],
    ),
    (
        "retransmitted",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    // The second contact shows no name, and DNS alone cannot tell which of two it meant: the newer stands first.
    (
        "shared-address",
        &[
            "acrobat-reader download: checked ardownload.adobe.com by dns",
            "acrobat-reader download: downloaded ardownload.adobe.com by http",
        ],
    ),
    (
        "shared-by-server",
        &[
            "firefox check: checked aus5.mozilla.org by dns_shared",
            "firefox check: checked aus5.mozilla.org by tls",
        ],
    ),
    // Every name but those of questions is cut.
    (
        "snaplen",
        &[
            "firefox check: resolved aus5.mozilla.org by dns",
            "firefox download: resolved download.mozilla.org by dns",
        ],
    ),
    ("starttls", &[]),
    (
        "tiny-segments",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "tls-hello-retry",
        &["firefox check: checked aus5.mozilla.org by tls"],
    ),
    (
        "tls-resumption",
        &["firefox check: checked aus5.mozilla.org by tls"],
    ),
    (
        "two-interfaces",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "two-interfaces-unsorted",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "unanswered",
        &["firefox download: unanswered download.mozilla.org by dns"],
    ),
    (
        "vlan",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "vxlan",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "wget",
        &[
            "firefox check: checked aus5.mozilla.org by tls",
            "firefox download: downloaded download.mozilla.org by http",
        ],
    ),
    (
        "windows-unchanged",
        &[
            "connectivity-check connectivity: checked www.msftconnecttest.com by http",
            "windows-update check: checked fe2.update.microsoft.com by tls",
            "windows-update revocation: checked ctldl.windowsupdate.com by http",
        ],
    ),
    (
        "windows-update",
        &[
            "connectivity-check connectivity: checked www.msftconnecttest.com by http",
            "windows-update check: checked fe2.update.microsoft.com by tls",
            "windows-update download: downloaded download.windowsupdate.com by http",
            "windows-update revocation: checked ctldl.windowsupdate.com by http",
        ],
    ),
    // A server of the campus: no catalogue knows its name.
    ("wsus", &[]),
];

/// Own sources, as the laboratory has them.
const SOURCES: &str = r#"
[[internal_sources]]
name = "cacher"
kind = "apt-cache"
servers = ["198.51.100.86"]
[[internal_sources]]
name = "wsus"
kind = "wsus"
servers = ["wsus*.lab.example"]
[[internal_sources]]
name = "mcc"
kind = "connected-cache"
servers = ["203.0.113.90"]
"#;

#[test]
fn contact_with_an_own_source_is_an_update_and_what_the_catalogue_knows_keeps_its_entry() {
    let config =
        std::env::temp_dir().join(format!("patchspan-sources-{}.toml", std::process::id()));
    std::fs::write(&config, SOURCES).unwrap();
    let told = |name: &str| -> Vec<String> {
        let mut all = common::captures().into_iter();
        let capture = all.find(|capture| capture.name == name).unwrap();
        let flags = ["--config", config.to_str().unwrap(), "--events", "update"];
        let records = common::records(&common::replay(&capture.path, &flags));
        let updates = of_kind(&records, "update").map(|record| &record["update"]);
        let mut told: Vec<String> = updates
            .filter(is_final)
            .map(|update| {
                let keys = [
                    "rule",
                    "role",
                    "verdict",
                    "name_source",
                    "confidence",
                    "via",
                ];
                keys.map(|key| text(&update[key])).join(" ")
            })
            .collect();
        told.sort();
        told
    };
    assert_eq!(
        told("apt-cacher"),
        [
            "debian/apt/check check checked http medium internal",
            "debian/apt/check download downloaded http medium internal",
            "internal/cacher check checked address high internal",
        ]
    );
    assert_eq!(
        told("wsus"),
        [
            "internal/wsus check checked http high internal",
            "internal/wsus download downloaded http high internal",
        ]
    );
    let optimization = "microsoft/unknown/delivery download downloaded http low internal";
    assert_eq!(told("delivery-optimization"), [optimization]);
    std::fs::remove_file(&config).unwrap();
}

/// A stored capture of QUIC on Ethernet and IPv4, without what clients send once the handshake is over; and the second of its last frame.
fn without_data_of_clients(name: &str) -> (Vec<u8>, u32) {
    /// The header of a record in the file, Ethernet, IPv4 and UDP.
    const BEFORE: usize = 16 + 14 + 20 + 8;
    const TO_443: [u8; 2] = [1, 187];
    let is_short = |record: &[u8]| {
        let is_udp = record.get(16 + 14 + 9) == Some(&17);
        let port = record.get(BEFORE - 6..BEFORE - 4);
        let payload = record.get(BEFORE);
        is_udp && port == Some(&TO_443) && payload.is_some_and(|first| first & 0x80 == 0)
    };
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    let mut all = common::captures().into_iter();
    let whole = fs::read(all.find(|capture| capture.name == name).unwrap().path).unwrap();
    let (header, mut rest) = whole.split_at(24);
    let (mut cut, mut second) = (header.to_vec(), 0);
    while !rest.is_empty() {
        let (record, behind) = rest.split_at(16 + word(&rest[8..12]) as usize);
        (rest, second) = (behind, word(&record[..4]));
        let is_ipv4 = record.get(16 + 12..16 + 15) == Some(&[8, 0, 0x45]);
        if !(is_ipv4 && is_short(record)) {
            cut.extend(record);
        }
    }
    assert!(cut.len() < whole.len(), "{name}");
    (cut, second)
}

#[test]
fn a_quic_handshake_that_did_not_end_is_refused() {
    const ARP: &str =
        "ffffffffffff02005e0000990806000108000604000102005e000099c6336463000000000000c6336462";
    let arp = data_encoding::HEXLOWER.decode(ARP.as_bytes()).unwrap();
    let length = arp.len() as u32;
    for name in ["quic-retry", "quic-late-hello", "firefox-quic"] {
        let (cut, second) = without_data_of_clients(name);
        let mut later = cut.clone();
        for pause in (20..=800).step_by(20) {
            let record = [second + pause, 0, length, length].map(u32::to_le_bytes);
            later.extend(record.concat());
            later.extend(&arp);
        }
        for capture in [cut, later] {
            let path =
                std::env::temp_dir().join(format!("patchspan-{name}-{}", std::process::id()));
            fs::write(&path, capture).unwrap();
            let records = common::records(&common::replay(&path, &["--events", "update"]));
            fs::remove_file(path).unwrap();
            let updates = of_kind(&records, "update").map(|record| &record["update"]);
            let told: Vec<_> = updates
                .filter(|update| is_final(update) && update["fqdn"] == "download.mozilla.org")
                .map(|update| (text(&update["verdict"]), text(&update["name_source"])))
                .collect();
            let is_refused =
                |(verdict, source): &(String, String)| verdict == "refused" && source == "quic";
            assert!(
                !told.is_empty() && told.iter().all(is_refused),
                "{name}: {told:?}"
            );
        }
    }
}

/// A capture of bare IPv4 without checksums: at each second what the host asks its resolver from port 40,000, or is answered, by the id.
fn lookups(messages: &[(u32, u16, bool)]) -> Vec<u8> {
    const HOST: [u8; 6] = [192, 0, 2, 20, 0x9c, 0x40];
    const RESOLVER: [u8; 6] = [192, 0, 2, 53, 0, 53];
    const QUESTION: &[u8] = b"\x03www\x07example\x00\x00\x01\x00\x01";
    let header = [0xa1b2_c3d4, 2 | 4 << 16, 0, 0, 65_535, 101_u32];
    let mut capture = header.map(u32::to_le_bytes).concat();
    for (second, id, is_answer) in messages {
        let flags = if *is_answer { 0x8180 } else { 0x0100 };
        let counts = [*id, flags, 1, 0, 0, 0_u16];
        let message = [&counts.map(u16::to_be_bytes).concat(), QUESTION].concat();
        let length = (28 + message.len()) as u16;
        let [from, to] = if *is_answer {
            [RESOLVER, HOST]
        } else {
            [HOST, RESOLVER]
        };
        let ip = [0x4500, length, *id, 0, 0x4011, 0].map(u16::to_be_bytes);
        let udp = [length - 20, 0].map(u16::to_be_bytes);
        let record = [*second, 0, length.into(), length.into()].map(u32::to_le_bytes);
        capture.extend([record.concat(), ip.concat()].concat());
        capture.extend([&from[..4], &to[..4], &from[4..], &to[4..]].concat());
        capture.extend([udp.concat(), message].concat());
    }
    capture
}

#[test]
fn a_lookup_is_over_sooner_than_what_was_not_answered() {
    let flows = |messages: &[(u32, u16, bool)]| {
        let name = format!(
            "patchspan-lookups-{}-{}",
            std::process::id(),
            messages.len()
        );
        let path = std::env::temp_dir().join(name);
        fs::write(&path, lookups(messages)).unwrap();
        let records = common::records(&common::replay(&path, &["--events", "flow"]));
        fs::remove_file(path).unwrap();
        let packets = |record: &Value| {
            let side = |key| record["flow"][key].as_u64().unwrap();
            side("pkts_toserver") + side("pkts_toclient")
        };
        of_kind(&records, "flow").map(packets).collect::<Vec<u64>>()
    };
    let (asked, answered) = (false, true);
    let pause = [
        (1, 7, asked),
        (1, 7, answered),
        (45, 8, asked),
        (45, 8, answered),
    ];
    assert_eq!(flows(&pause), [2, 2]);
    let waiting = [
        (1, 7, asked),
        (1, 9, asked),
        (1, 7, answered),
        (45, 8, asked),
        (45, 9, answered),
    ];
    assert_eq!(flows(&waiting), [5]);
}

/// A segment: its second, whether the client sent it, flags, sequence and acknowledgement behind the first ones, payload.
type Segment<'a> = (u32, bool, u8, u32, u32, &'a [u8]);

/// A capture of one connection over bare IPv4 without checksums, of a host with a web server that no list names.
fn connection(segments: &[Segment<'_>]) -> Vec<u8> {
    const HOST: [u8; 6] = [192, 0, 2, 20, 0x9c, 0x40];
    const MIRROR: [u8; 6] = [203, 0, 113, 9, 0, 80];
    const BEGIN: u32 = 1_000;
    const START: u32 = 5_000;
    let header = [0xa1b2_c3d4, 2 | 4 << 16, 0, 0, 65_535, 101_u32];
    let mut capture = header.map(u32::to_le_bytes).concat();
    for (number, (second, is_client, flags, sequence, acknowledged, payload)) in (1..).zip(segments)
    {
        let length = (40 + payload.len()) as u16;
        let ([from, to], [own, other]) = if *is_client {
            ([HOST, MIRROR], [BEGIN, START])
        } else {
            ([MIRROR, HOST], [START, BEGIN])
        };
        let ip = [0x4500, length, number, 0, 0x4006, 0].map(u16::to_be_bytes);
        let numbers = [own + sequence, other + acknowledged].map(u32::to_be_bytes);
        let rest = [0x5000 | u16::from(*flags), 0xffff, 0, 0].map(u16::to_be_bytes);
        let record = [*second, u32::from(number), length.into(), length.into()];
        capture.extend(record.map(u32::to_le_bytes).concat());
        capture.extend([&ip.concat()[..], &from[..4], &to[..4], &from[4..], &to[4..]].concat());
        capture.extend([&numbers.concat()[..], &rest.concat()[..], payload].concat());
    }
    capture
}

#[test]
fn a_package_from_a_mirror_outside_the_catalogue_is_told_as_any_other() {
    const REQUEST: &[u8] = b"GET /fedora/linux/updates/42/x/curl-8.11.1-4.fc42.x86_64.rpm HTTP/1.1\r\n\
        Host: mirror.example.net\r\nUser-Agent: libdnf (Fedora Linux 42; server; Linux.x86_64)\r\n\r\n";
    let body = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".as_slice(),
        &[7; 1_000],
    ]
    .concat();
    let (asked, sent) = (REQUEST.len() as u32 + 1, body.len() as u32 + 1);
    let made = [
        (1, true, 2, 0, 0, &[][..]),
        (1, false, 0x12, 0, 1, &[]),
        (1, true, 0x10, 1, 1, &[]),
    ];
    let request = (1, true, 0x18, 1, 1, REQUEST);
    let answer = (2, false, 0x18, 1, asked, body.as_slice());
    let told = |rest: &[Segment<'_>]| {
        let name = format!("patchspan-elsewhere-{}-{}", std::process::id(), rest.len());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, connection(&[&made[..], &[request], rest].concat())).unwrap();
        let records = common::records(&common::replay(&path, &["--events", "update"]));
        fs::remove_file(path).unwrap();
        let finals = of_kind(&records, "update").map(|record| &record["update"]);
        let keys = ["rule", "role", "verdict", "confidence", "fqdn"];
        let words = |update: &Value| keys.map(|key| text(&update[key])).join(" ");
        finals.filter(is_final).map(words).collect::<Vec<_>>()
    };
    let of = |what: &str| vec![format!("fedora/dnf/check {what} mirror.example.net")];
    let whole = [
        answer,
        (3, true, 0x11, asked, sent, &[]),
        (3, false, 0x11, sent, asked + 1, &[]),
    ];
    assert_eq!(told(&whole), of("download downloaded medium"));
    let left = [answer, (3, true, 0x14, asked, 300, &[])];
    assert_eq!(
        told(&left),
        of("download partial medium"),
        "the client never had the end"
    );
    let unanswered = [(3, true, 0x11, asked, 1, &[][..])];
    assert_eq!(told(&unanswered), of("check unanswered medium"));
}
