//! A month of fifty hosts: what `replay` tells of stored captures of real clients, with other times and clients, and the coverage, bindings
//! and losses of such a month. The same in every run.
//!
//! Time is that of Japan: 1 to 30 November 2026, the 3rd and the 23rd are holidays. The sensor does not run from the 14th 22:00 to the 15th
//! 06:00 (a restart that is told) and on the 18th from 12:00 to 14:00 (nothing is told at all).

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde_json::{Value, json};

use super::program::{Scratch, patchspan};

pub(crate) const ZONE: &str = "Asia/Tokyo";
/// Hosts that missed something, with the product and the reason that a report must give.
pub(crate) const OVERDUE: [(&str, &str, &str); 5] = [
    // Stopped asking on the 10th; at work every day.
    ("pc-07", "microsoft/windows-update", "no_check"),
    // Firefox is not asked for any more, Windows Update is.
    ("pc-12", "mozilla/firefox", "no_check"),
    // An update of Chrome was offered on the 6th and at every check since.
    ("lab-02", "google/chrome-omaha-updater", "not_fetched"),
    // A firewall refuses it.
    ("pc-15", "mozilla/firefox", "never_reached"),
    // A server without an id, which got another address on the 16th and did not ask since.
    ("02:00:5e:00:53:04", "debian/apt", "no_check"),
];
const WSUS: &str =
    "[[internal_sources]]\nname = \"wsus\"\nkind = \"wsus\"\nservers = [\"198.51.100.85\"]\n";
/// Windows' habit is the same on every day; minutes after the hour by host, so that nothing stands in one line.
const STEP: i64 = 7;

pub(crate) struct Month {
    pub(crate) lines: Vec<String>,
    scenarios: BTreeMap<&'static str, Vec<Value>>,
    zone: TimeZone,
}

/// Who a host is to the sensor.
#[derive(Clone, Default)]
struct Who {
    address: String,
    id: Option<String>,
    mac: Option<String>,
    os: Option<&'static str>,
}

/// When a host is on.
#[derive(Clone, Copy, PartialEq)]
enum Life {
    /// On weekdays, nine to six.
    Office,
    /// Always.
    Server,
    /// On some weekdays, ten to four.
    Laptop,
}

impl Month {
    /// Plays the month.
    pub(crate) fn new() -> Self {
        let mut month = Self {
            lines: Vec::new(),
            scenarios: BTreeMap::new(),
            zone: TimeZone::get(ZONE).unwrap(),
        };
        month.read_scenarios();
        month.sensor();
        month.office();
        month.servers();
        month.laptops();
        month.hidden();
        month.moved();
        month.lines.sort();
        month.lines = month
            .lines
            .iter()
            .map(|line| line[32..].to_owned())
            .collect();
        month
    }

    /// What captures of real clients give.
    fn read_scenarios(&mut self) {
        let scratch = Scratch::new("report-scenarios");
        let config = scratch.file("sensor.toml", WSUS);
        for (name, file, product) in [
            ("windows", "windows-unchanged.pcap", "windows-update"),
            (
                "windows-download",
                "windows-update.pcap.zst",
                "windows-update",
            ),
            ("apt", "apt-unchanged.pcap", "apt"),
            ("apt-download", "apt.pcap.zst", "apt"),
            ("firefox", "firefox.pcap", "firefox"),
            ("firefox-download", "wget.pcap.gz", "firefox"),
            ("firefox-refused", "refused.pcap", "firefox"),
            ("chrome-offer", "chromium-tcp.pcap", "chrome-omaha-updater"),
            ("wsus", "wsus.pcap.zst", "windows-update"),
        ] {
            let path = format!("pcaps/{file}");
            let mut flags = vec!["replay", "--events", "update,update_session", &path];
            if name == "wsus" {
                flags.extend(["--config", &config]);
            }
            let (code, out, err) = patchspan(&flags, b"");
            assert_eq!(code, 0, "{err}");
            let lines = out.lines().map(|line| serde_json::from_str(line).unwrap());
            let told = lines.filter(|value: &Value| body(value)["product"] == product);
            let told: Vec<Value> = told.collect();
            assert!(!told.is_empty(), "{name}");
            self.scenarios.insert(name, told);
        }
    }

    fn at(&self, day: i8, hour: i8, minute: i8) -> Timestamp {
        let moment = date(2026, 11, day).at(hour, minute, 0, 0);
        self.zone.to_timestamp(moment).unwrap()
    }

    /// Whether the sensor runs.
    fn runs(&self, at: Timestamp) -> bool {
        let down = [
            (self.at(14, 22, 0), self.at(15, 6, 0)),
            (self.at(18, 12, 0), self.at(18, 14, 0)),
        ];
        !down.iter().any(|(from, to)| (*from..*to).contains(&at))
    }

    fn push(&mut self, at: Timestamp, value: &Value) {
        if self.runs(at) {
            self.lines.push(format!("{:31} {value}", at.to_string()));
        }
    }

    /// Statistics, and the restart.
    fn sensor(&mut self) {
        let mut at = self.at(1, 0, 0);
        while at <= self.at(30, 18, 0) {
            let value =
                json!({"timestamp": text(at), "event_type": "stats", "stats": {"uptime": 0}});
            self.push(at, &value);
            at += SignedDuration::from_mins(10);
        }
        let (from, to) = (self.at(14, 22, 0), self.at(15, 6, 0));
        let loss = json!({"v": 1, "what": "restart", "where": "capture", "count": 1, "start": text(from), "end": text(to)});
        self.push(
            to,
            &json!({"timestamp": text(to), "event_type": "loss", "loss": loss}),
        );
    }

    /// A scenario with other times and another client.
    fn play(&mut self, scenario: &'static str, who: &Who, at: Timestamp) {
        if !self.runs(at) || at > self.at(30, 18, 0) {
            return;
        }
        let told = self.scenarios[scenario].clone();
        let starts = told
            .iter()
            .filter_map(|value| parse(body(value)["start"].as_str()?));
        let shift = at - starts.min().unwrap();
        let salt = format!("{scenario}{}{at}", who.address);
        for mut value in told {
            let client = body(&value)["client"].as_str().unwrap().to_owned();
            rewrite(&mut value, &|key, text| match key {
                "client" | "src_ip" if text == client => Some(who.address.clone()),
                "id" | "session" => Some(format!("{:016x}", hash(&format!("{text}{salt}")))),
                _ => parse(text).map(|moment| self::text(moment + shift)),
            });
            let kind = value["event_type"].as_str().unwrap().to_owned();
            let object = value[&kind].as_object_mut().unwrap();
            // Whoever played it is somebody else here.
            ["client_mac", "os"]
                .iter()
                .for_each(|key| drop(object.remove(*key)));
            name(object, who);
            if let (Some(os), "update_session") = (who.os, kind.as_str()) {
                object.insert("os".into(), system(os));
            }
            self.push(at, &value);
        }
    }

    /// A coverage record of the hour.
    fn cover(&mut self, who: &Who, hour: Timestamp, verdict: &str, blind: &[&str]) {
        let end = hour + SignedDuration::from_hours(1);
        let mut coverage = json!({
            "v": 1, "client": who.address, "start": text(hour), "end": text(end), "active_minutes": 34, "flows": 120,
            "bytes_toclient": 4_000_000, "named": {"tls": 90, "quic": 12, "http": 8, "dns": 6, "dns_shared": 2, "none": 2},
            "blind": blind, "loss_percent": 0.01, "onesided_percent": 0.2, "verdict": verdict,
        });
        let object = coverage.as_object_mut().unwrap();
        name(object, who);
        if let Some(os) = who.os {
            object.insert("os".into(), system(os));
        }
        let value = json!({"timestamp": text(end), "event_type": "coverage", "coverage": coverage});
        if self.runs(hour) {
            self.push(end - SignedDuration::from_secs(1), &value);
        }
    }

    /// Days on which a host is on, and its hours.
    fn days(&self, life: Life, number: i8) -> Vec<(i8, std::ops::Range<i8>)> {
        let first = date(2026, 11, 1);
        let days = first.series(1.day()).take(30);
        let is_off = |day: Date| {
            let is_weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
            is_weekend || matches!(day.day(), 3 | 23)
        };
        let on = days.filter(|day| match life {
            Life::Server => true,
            Life::Office => !is_off(*day),
            Life::Laptop => !is_off(*day) && (day.day() * 3 + number) % 4 != 0,
        });
        let hours = match life {
            Life::Server => 0..24,
            Life::Office => 9..18,
            Life::Laptop => 10..16,
        };
        on.map(|day| (day.day(), hours.clone())).collect()
    }

    /// Coverage of all hours of a host, seen as `seen` says.
    fn live(
        &mut self,
        who: &Who,
        days: &[(i8, std::ops::Range<i8>)],
        seen: impl Fn(i8) -> (&'static str, &'static [&'static str]),
    ) {
        for (day, hours) in days {
            for hour in hours.clone() {
                let at = self.at(*day, hour, 0);
                if at < self.at(30, 18, 0) {
                    let (verdict, blind) = seen(*day);
                    self.cover(who, at, verdict, blind);
                }
            }
        }
    }

    /// Seventeen PCs with Windows; some have Firefox.
    fn office(&mut self) {
        for number in 1..=17_i8 {
            let who = Who::listed(
                &format!("pc-{number:02}"),
                &format!("192.0.2.{}", 10 + i16::from(number)),
                "windows",
            );
            let mut days = self.days(Life::Office, number);
            // On holiday from the 9th on.
            if matches!(number, 3 | 4) {
                days.retain(|(day, _)| *day < 9);
            }
            // Goes by VPN on one morning: a day that proves nothing.
            let is_hidden = |day: i8| number == 7 && day == 13;
            self.live(&who, &days, |day| {
                if is_hidden(day) {
                    ("cannot_tell", &["vpn"])
                } else {
                    complete(day)
                }
            });
            for (day, _) in &days {
                let at = self.at(*day, 9, 5 + number * 2);
                let is_patch_day = *day == 11 + number % 2;
                if number != 7 || *day <= 10 {
                    self.play(
                        if is_patch_day {
                            "windows-download"
                        } else {
                            "windows"
                        },
                        &who,
                        at,
                    );
                }
                self.firefox(&who, number, *day);
            }
        }
    }

    fn firefox(&mut self, who: &Who, number: i8, day: i8) {
        if number % 3 != 0 || (number == 12 && day > 5) {
            return;
        }
        let refused = number == 15;
        for hour in [10, 16] {
            let at = self.at(day, hour, number * 2);
            self.play(
                match (refused, day == 19 && hour == 10) {
                    (true, _) => "firefox-refused",
                    (false, true) => "firefox-download",
                    (false, false) => "firefox",
                },
                who,
                at,
            );
        }
    }

    /// Eight machines that are always on.
    fn servers(&mut self) {
        for number in 1..=8_i8 {
            let who = Who::listed(
                &format!("srv-{number:02}"),
                &format!("192.0.2.{}", 40 + number),
                "debian",
            );
            let days = self.days(Life::Server, number);
            self.live(&who, &days, complete);
            for (day, _) in days {
                let minute = (i64::from(number) * STEP % 60) as i8;
                self.play("apt", &who, self.at(day, 6, minute));
                let has_news = day % 5 == number % 5;
                self.play(
                    if has_news { "apt-download" } else { "apt" },
                    &who,
                    self.at(day, 18, minute),
                );
            }
        }
        for number in 1..=2_i8 {
            let who = Who::listed(
                &format!("lab-{number:02}"),
                &format!("192.0.2.{}", 50 + number),
                "windows",
            );
            let days = self.days(Life::Server, number);
            self.live(&who, &days, complete);
            for (day, _) in days {
                self.play("windows", &who, self.at(day, 3, 20));
                if number == 2 && day >= 6 {
                    self.play("chrome-offer", &who, self.at(day, 11, 40));
                }
            }
        }
    }

    /// Laptops: some update here, some only elsewhere.
    fn laptops(&mut self) {
        for number in 1..=7_i8 {
            let os = if number <= 4 { "macos" } else { "windows" };
            let who = Who::listed(
                &format!("note-{number:02}"),
                &format!("192.0.2.{}", 60 + number),
                os,
            );
            let days = self.days(Life::Laptop, number);
            self.live(&who, &days, complete);
            // The first six never ask here.
            if number == 7 {
                for (day, _) in days {
                    self.play("windows", &who, self.at(day, 10, 12));
                }
            }
        }
        // Two of a WSUS that the configuration names, two of one that it does not.
        for number in 1..=4_i8 {
            let who = Who::listed(
                &format!("office-{number:02}"),
                &format!("192.0.2.{}", 70 + number),
                "windows",
            );
            let days = self.days(Life::Office, number);
            let is_known = number <= 2;
            self.live(&who, &days, |_| {
                if is_known {
                    ("complete", &["internal_source"])
                } else {
                    ("complete", &["internal_source_likely"])
                }
            });
            if is_known {
                for (day, _) in days {
                    self.play("wsus", &who, self.at(day, 9, 30 + number));
                }
            }
        }
    }

    /// Hosts that hide what they do, from some day on.
    fn hidden(&mut self) {
        let ways: [(&str, i8, &'static str, &'static [&'static str]); 6] = [
            ("priv-01", 12, "cannot_tell", &["doh", "ech"]),
            ("priv-02", 17, "cannot_tell", &["doh", "ech"]),
            ("priv-03", 1, "cannot_tell", &["dot", "ech"]),
            ("vpn-01", 9, "cannot_tell", &["vpn"]),
            ("vpn-02", 1, "cannot_tell", &["vpn"]),
            ("wing-01", 20, "partial", &["loss", "no_server_side"]),
        ];
        for (number, (id, from, verdict, blind)) in (1_i8..).zip(ways) {
            let who = Who::listed(id, &format!("192.0.2.{}", 80 + number), "windows");
            let days = self.days(Life::Office, number);
            self.live(&who, &days, |day| {
                if day >= from {
                    (verdict, blind)
                } else {
                    complete(day)
                }
            });
            for (day, _) in days.iter().filter(|(day, _)| *day < from) {
                self.play("windows", &who, self.at(*day, 9, 40));
            }
        }
    }

    /// Hosts that nobody listed: two swap their addresses on the 16th, one gets a new one, one has no binding, one never updates.
    fn moved(&mut self) {
        let (one, two) = ("192.0.2.91", "192.0.2.92");
        for (mac, before, after) in [
            ("02:00:5e:00:53:01", one, two),
            ("02:00:5e:00:53:02", two, one),
            ("02:00:5e:00:53:04", "192.0.2.94", "192.0.2.95"),
        ] {
            self.bind(mac, before, self.at(1, 0, 0), self.at(16, 5, 0));
            self.bind(mac, after, self.at(16, 5, 0), self.at(30, 18, 0));
            let who = |day: i8| Who {
                address: if day < 16 { before } else { after }.to_owned(),
                os: Some("debian"),
                ..Who::default()
            };
            for (day, hours) in self.days(Life::Office, 1) {
                self.live(&who(day), &[(day, hours)], complete);
                if mac.ends_with("01") || (mac.ends_with("04") && day < 16) {
                    self.play("apt", &who(day), self.at(day, 9, 44));
                }
                if mac.ends_with("02") {
                    self.play("firefox", &who(day), self.at(day, 9, 52));
                    self.play("apt", &who(day), self.at(day, 15, 3));
                }
            }
        }
        let plain = |address: &str, os| Who {
            address: address.to_owned(),
            os,
            ..Who::default()
        };
        let days = self.days(Life::Office, 1);
        let guest = plain("2001:db8::7", Some("ubuntu"));
        self.live(&guest, &days[..1], complete);
        self.play("firefox", &guest, self.at(2, 11, 11));
        let printer = plain("192.0.2.99", None);
        self.live(&printer, &days, complete);
        self.play(
            "apt",
            &plain("192.0.2.98", Some("debian")),
            self.at(24, 13, 0),
        );
        self.live(
            &plain("192.0.2.98", Some("debian")),
            &days[16..17],
            complete,
        );
    }

    fn bind(&mut self, mac: &str, address: &str, start: Timestamp, end: Timestamp) {
        let names: &[&str] = if mac.ends_with("02") {
            &["build-01"]
        } else {
            &[]
        };
        let binding = json!({"v": 1, "client": address, "mac": mac, "source": "arp", "names": names, "start": text(start), "end": text(end)});
        self.push(end, &json!({"timestamp": text(end), "event_type": "client_binding", "client_binding": binding}));
    }
}

impl Who {
    fn listed(id: &str, address: &str, os: &'static str) -> Self {
        let last = hash(id) & 0xffff;
        Self {
            address: address.to_owned(),
            id: Some(id.to_owned()),
            mac: Some(format!("02:00:5e:10:{:02x}:{:02x}", last >> 8, last & 0xff)),
            os: Some(os),
        }
    }
}

fn complete(_: i8) -> (&'static str, &'static [&'static str]) {
    ("complete", &[])
}

fn name(object: &mut serde_json::Map<String, Value>, who: &Who) {
    for (key, value) in [("client_id", &who.id), ("client_mac", &who.mac)] {
        if let Some(value) = value {
            object.insert(key.into(), value.clone().into());
        }
    }
}

fn system(name: &str) -> Value {
    json!({"name": name, "confidence": "high", "mixed": false, "evidence": ["connectivity_check"]})
}

fn body(value: &Value) -> &Value {
    &value[value["event_type"].as_str().unwrap()]
}

/// Puts other texts in the place of those that `change` has one for.
fn rewrite(value: &mut Value, change: &dyn Fn(&str, &str) -> Option<String>) {
    let Value::Object(object) = value else {
        return;
    };
    for (key, value) in object {
        if let Some(new) = value.as_str().and_then(|text| change(key, text)) {
            *value = new.into();
        }
        rewrite(value, change);
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok()
}

pub(crate) fn text(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6f+0000").to_string()
}

/// FNV-1a, so that ids are the same in every run.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
