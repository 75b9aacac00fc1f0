//! The three forms on scripted facts, judged by the real engine.

use super::*;
use crate::types::{Endpoint, Networks, Protocol, Timestamp};
use crate::updates::Engine;
use crate::updates::fact::{
    Activity, Answer, Contact, Ended, Exchange, Failure, NameSource, Question,
};

const CHECK: &str = "fe2.update.microsoft.com";
const DOWNLOAD: &str = "download.windowsupdate.com";
const MIRROR: &str = "ftp.jp.debian.org";
const CAB: &str = "/c/msdownload/update/software/secu/2018/08/windows10.0-kb4343899-x64_0f1c.cab";

/// Packet time of a moment in UTC.
fn at(moment: &str) -> Timestamp {
    let moment: jiff::Timestamp = format!("{moment}Z").parse().unwrap();
    Timestamp::from_nanos(moment.as_nanosecond() as i64)
}

fn catalogue() -> Arc<Catalogue> {
    Arc::new(Catalogue::embedded().unwrap())
}

fn options(form: Form) -> Options {
    Options {
        form,
        timezone: TimeZone::UTC,
        labels: HashMap::new(),
        catalogue: catalogue(),
        local: Networks::default(),
    }
}

/// One client, whose facts a test writes down.
struct Script {
    client: &'static str,
    catalogue: Arc<Catalogue>,
    facts: Vec<Fact>,
}

impl Script {
    fn of(client: &'static str) -> Self {
        Self {
            client,
            catalogue: catalogue(),
            facts: Vec::new(),
        }
    }

    fn endpoint(address: &str, port: u16) -> Endpoint {
        Endpoint {
            address: address.parse().unwrap(),
            port,
        }
    }

    fn question(&self, moment: &str, name: &str) -> Question {
        Question {
            time: at(moment),
            flow_id: 7_000,
            client: Self::endpoint(self.client, 40_000),
            resolver: Self::endpoint("192.0.2.53", 53),
            protocol: Protocol::UDP,
            endpoint: self.catalogue.find(name).unwrap(),
            name: name.to_owned(),
        }
    }

    fn ask(mut self, moment: &str, name: &str) -> Self {
        self.facts.push(Fact::Asked(self.question(moment, name)));
        self
    }

    fn answer(mut self, moment: &str, chain: &[&str], addresses: &[&str]) -> Self {
        self.facts.push(Fact::Answered(Answer {
            question: self.question(moment, chain[0]),
            chain: chain.iter().map(|name| (*name).to_owned()).collect(),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            is_cut: false,
        }));
        self
    }

    fn contact(
        &self,
        flow_id: u64,
        start: &str,
        server: (&str, u16),
        name: &str,
        source: NameSource,
    ) -> Arc<Contact> {
        Arc::new(Contact {
            flow_id,
            client: Self::endpoint(self.client, 50_000),
            server: Self::endpoint(server.0, server.1),
            protocol: if source == NameSource::Quic {
                Protocol::UDP
            } else {
                Protocol::TCP
            },
            start: at(start),
            endpoint: self.catalogue.find(name).unwrap(),
            name: name.to_owned(),
            source,
            corroborated: true,
            chain: vec![name.to_owned()],
            answered: None,
            alternatives: Vec::new(),
            is_doubtful: false,
            is_elsewhere: false,
        })
    }

    /// Payload over a flow: a burst, or a whole file by HTTP.
    fn payload(
        mut self,
        contact: &Arc<Contact>,
        (start, end): (Timestamp, Timestamp),
        bytes: u64,
        path: Option<&str>,
    ) -> Self {
        let exchange = path.map(|path| {
            Box::new(Exchange {
                method: b"GET".to_vec(),
                path: path.as_bytes().to_vec(),
                status: Some(200),
                content_length: Some(bytes),
                body_bytes: bytes,
                is_complete: true,
                ..Exchange::default()
            })
        });
        self.facts.push(Fact::Activity(Activity {
            contact: Arc::clone(contact),
            start,
            end,
            time: end,
            delivered_toclient: bytes,
            inferred_toclient: 0,
            largest_burst: bytes,
            bytes_toserver: 0,
            bytes_toclient: bytes,
            is_ongoing: false,
            exchange,
        }));
        self
    }

    /// The end of a flow; `seen` are the bytes that accesses know of already.
    fn end(
        mut self,
        contact: &Arc<Contact>,
        moment: &str,
        bytes: u64,
        seen: u64,
        application: Option<&'static str>,
    ) -> Self {
        self.facts.push(Fact::Ended(Ended {
            contact: Arc::clone(contact),
            end: at(moment),
            time: at(moment),
            bytes_toserver: bytes / 10,
            bytes_toclient: bytes - bytes / 10,
            rest_toserver: bytes - seen,
            rest_toclient: 0,
            was_reset: false,
            acknowledged: None,
            is_cut: false,
            application,
        }));
        self
    }

    fn fail(mut self, contact: &Arc<Contact>, moment: &str, refused: bool) -> Self {
        self.facts.push(Fact::Failed(Failure {
            contact: Arc::clone(contact),
            refused,
            evidence: None,
            time: at(moment),
            end: at(moment),
            bytes_toserver: 180,
            bytes_toclient: 0,
        }));
        self
    }

    /// A whole flow over TLS with one burst at its start.
    fn tls_flow(
        self,
        flow_id: u64,
        (start, end): (&str, &str),
        server: (&str, u16),
        name: &str,
        bytes: u64,
    ) -> Self {
        let contact = self.contact(flow_id, start, server, name, NameSource::Tls);
        self.payload(&contact, (at(start), at(start)), bytes / 2, None)
            .end(&contact, end, bytes, bytes / 2, Some("tls"))
    }

    fn http_flow(
        self,
        flow_id: u64,
        (start, end): (&str, &str),
        server: (&str, u16),
        (name, path): (&str, &str),
        bytes: u64,
    ) -> Self {
        let contact = self.contact(flow_id, start, server, name, NameSource::Http);
        let body = bytes - bytes / 20;
        self.payload(&contact, (at(start), at(end)), body, Some(path))
            .end(&contact, end, bytes, body, Some("http"))
    }
}

/// What the updates thread does: facts to the engine and to the lines, outputs to the lines.
fn people(scripts: Vec<Script>, options: Options) -> People {
    let mut facts: Vec<Fact> = scripts.into_iter().flat_map(|s| s.facts).collect();
    facts.sort_by_key(Fact::time);
    let mut people = People::new(options);
    feed(&mut people, &facts);
    people
}

fn feed(people: &mut People, facts: &[Fact]) {
    let mut engine = Engine::new(catalogue(), crate::updates::UpdateOptions::default());
    for fact in facts {
        engine.fact(fact, &mut |_, output| people.output(&output));
        people.fact(fact);
    }
    let last = facts.last().map_or(Timestamp::EPOCH, Fact::time);
    let end = last.plus(Duration::from_secs(3_600));
    engine.advance(end, &mut |_, output| people.output(&output));
    engine.finish(end, &mut |_, output| people.output(&output));
}

fn lines(scripts: Vec<Script>, options: Options) -> Vec<String> {
    people(scripts, options).finish().collect()
}

/// The prototype's first case.
fn host_b() -> Script {
    let day = |time: &str| format!("2018-08-14T{time}");
    Script::of("192.0.2.20")
        .ask(&day("20:17:43.1"), CHECK)
        .answer(
            &day("20:17:43.106"),
            &[CHECK, "fe2.update.microsoft.com.nsatc.net"],
            &["134.170.51.247"],
        )
        .tls_flow(
            1,
            (&day("20:17:44.2"), &day("20:18:50.2")),
            ("134.170.51.247", 443),
            CHECK,
            82_075,
        )
        .ask(&day("20:17:45.05"), DOWNLOAD)
        .answer(
            &day("20:17:45.056"),
            &[DOWNLOAD, "cs11.wpc.v0cdn.net"],
            &["117.18.232.240"],
        )
        .http_flow(
            2,
            (&day("20:17:45.3"), &day("20:20:24.3")),
            ("117.18.232.240", 80),
            (DOWNLOAD, CAB),
            3_218_248,
        )
}

/// The prototype's second case.
fn host_a() -> Script {
    let day = |time: &str| format!("2018-08-24T{time}");
    let (check, download) = ("aus5.mozilla.org", "download.mozilla.org");
    Script::of("192.0.2.10")
        .ask(&day("20:08:54.02"), check)
        .answer(
            &day("20:08:54.026"),
            &[check, "balrog-aus5.r53-2.services.mozilla.com"],
            &["34.215.50.48"],
        )
        .tls_flow(
            3,
            (&day("20:08:54.2"), &day("20:09:55.2")),
            ("34.215.50.48", 443),
            check,
            4_671,
        )
        .ask(&day("20:08:58.02"), download)
        .answer(
            &day("20:08:58.026"),
            &[download, "bouncer-bouncer-elb.prod.mozaws.net"],
            &["52.35.227.82"],
        )
        .http_flow(
            4,
            (&day("20:08:58.2"), &day("20:09:59.2")),
            ("52.35.227.82", 80),
            (download, "/pub/firefox-61.0.complete.mar"),
            52_050_906,
        )
}

#[test]
fn the_prototypes_two_cases_give_its_twelve_lines() {
    let mut options = options(Form::Figure2);
    for (address, label) in [("192.0.2.20", "(HOST-B)"), ("192.0.2.10", "(HOST-A)")] {
        let address = address.parse().unwrap();
        options.labels.insert(address, label.to_owned());
    }
    assert_eq!(
        lines(vec![host_b(), host_a()], options),
        [
            "2018-08-14T20:17:43,(HOST-B),DNS,fe2.update.microsoft.com",
            "2018-08-14T20:17:43,(HOST-B),DNS,fe2.update.microsoft.com,fe2.update.microsoft.com.nsatc.net. A 134.170.51.247",
            "2018-08-14T20:17:45,(HOST-B),DNS,download.windowsupdate.com",
            "2018-08-14T20:17:45,(HOST-B),DNS,download.windowsupdate.com,cs11.wpc.v0cdn.net. A 117.18.232.240",
            "2018-08-14T20:18:50,(HOST-B),HTTPS,134.170.51.247:443,duration 0:01:06 82075 bytes",
            "2018-08-14T20:20:24,(HOST-B),HTTP,117.18.232.240:80,duration 0:02:39 3218248 bytes",
            "2018-08-24T20:08:54,(HOST-A),DNS,aus5.mozilla.org",
            "2018-08-24T20:08:54,(HOST-A),DNS,aus5.mozilla.org,balrog-aus5.r53-2.services.mozilla.com. A 34.215.50.48",
            "2018-08-24T20:08:58,(HOST-A),DNS,download.mozilla.org",
            "2018-08-24T20:08:58,(HOST-A),DNS,download.mozilla.org,bouncer-bouncer-elb.prod.mozaws.net. A 52.35.227.82",
            "2018-08-24T20:09:55,(HOST-A),HTTPS,34.215.50.48:443,duration 0:01:01 4671 bytes",
            "2018-08-24T20:09:59,(HOST-A),HTTP,52.35.227.82:80,duration 0:01:01 52050906 bytes",
        ]
    );
}

#[test]
fn text_tells_the_first_case_by_start_time() {
    assert_eq!(
        lines(vec![host_b()], options(Form::Text)),
        [
            "2018-08-14T20:17:43  192.0.2.20  DNS    fe2.update.microsoft.com -> fe2.update.microsoft.com.nsatc.net  A 134.170.51.247",
            "2018-08-14T20:17:44  192.0.2.20  HTTPS  134.170.51.247:443  fe2.update.microsoft.com    0:01:06     82,075 bytes  windows-update: checked",
            "2018-08-14T20:17:45  192.0.2.20  DNS    download.windowsupdate.com -> cs11.wpc.v0cdn.net  A 117.18.232.240",
            "2018-08-14T20:17:45  192.0.2.20  HTTP   117.18.232.240:80   download.windowsupdate.com  0:02:39  3,218,248 bytes  windows-update: downloaded",
        ]
    );
}

#[test]
fn one_flow_alone_is_not_padded() {
    let script = Script::of("192.0.2.20").tls_flow(
        1,
        ("2018-08-14T20:17:44.2", "2018-08-14T20:18:50.2"),
        ("134.170.51.247", 443),
        CHECK,
        82_075,
    );
    assert_eq!(
        lines(vec![script], options(Form::Text)),
        [
            "2018-08-14T20:17:44  192.0.2.20  HTTPS  134.170.51.247:443  fe2.update.microsoft.com  0:01:06  82,075 bytes  windows-update: checked"
        ]
    );
}

#[test]
fn summary_tells_what_both_cases_mean() {
    let only_b = lines(vec![host_b()], options(Form::Summary));
    assert_eq!(
        only_b,
        ["192.0.2.20 windows-update  20:17:44 checked -> 20:17:45 downloaded 3.2 MB  high"]
    );
    assert_eq!(
        lines(vec![host_b(), host_a()], options(Form::Summary)),
        [
            "2018-08-24  192.0.2.10 firefox         20:08:54 checked -> 20:08:58 downloaded 52.1 MB  high".to_owned(),
            format!("2018-08-14  {}", only_b[0]),
        ]
    );
}

#[test]
fn times_are_told_in_the_zone_asked_for() {
    let tokyo = |form| Options {
        timezone: TimeZone::get("Asia/Tokyo").unwrap(),
        ..options(form)
    };
    let lines_of = |form| lines(vec![host_b()], tokyo(form));
    assert!(lines_of(Form::Text)[0].starts_with("2018-08-15T05:17:43  "));
    assert!(lines_of(Form::Figure2)[5].starts_with("2018-08-15T05:20:24,192.0.2.20,HTTP,"));
    assert!(lines_of(Form::Summary)[0].contains("  05:17:44 checked -> "));
}

#[test]
fn both_families_and_what_is_asked_again_are_one_lookup() {
    let script = || {
        Script::of("2001:db8::20")
            .ask("2026-01-02T03:04:05.0", CHECK)
            .ask("2026-01-02T03:04:05.1", CHECK)
            .answer("2026-01-02T03:04:05.2", &[CHECK, "edge.example.org"], &[])
            .ask("2026-01-02T03:04:10.0", CHECK)
            .answer(
                "2026-01-02T03:04:10.1",
                &[CHECK, "edge.example.org"],
                &["203.0.113.9", "203.0.113.8"],
            )
            .answer(
                "2026-01-02T03:04:10.2",
                &[CHECK, "edge.example.org"],
                &["2001:db8::9", "203.0.113.9"],
            )
    };
    assert_eq!(
        lines(vec![script()], options(Form::Text)),
        [
            "2026-01-02T03:04:05  2001:db8::20  DNS    fe2.update.microsoft.com -> edge.example.org  A 203.0.113.9, 203.0.113.8  AAAA 2001:db8::9  windows-update: resolved"
        ]
    );
    assert_eq!(
        lines(vec![script()], options(Form::Figure2)),
        [
            "2026-01-02T03:04:05,2001:db8::20,DNS,fe2.update.microsoft.com",
            "2026-01-02T03:04:10,2001:db8::20,DNS,fe2.update.microsoft.com,edge.example.org. A 203.0.113.9 203.0.113.8 AAAA 2001:db8::9",
        ]
    );
    let again = script().ask("2026-01-02T03:04:16.0", CHECK);
    assert_eq!(lines(vec![again], options(Form::Text)).len(), 2);
}

#[test]
fn questions_that_led_nowhere_say_so() {
    let script = || {
        Script::of("192.0.2.20")
            .ask("2026-01-02T03:04:05", CHECK)
            .ask("2026-01-02T03:05:05", DOWNLOAD)
            .answer("2026-01-02T03:05:06", &[DOWNLOAD, "edge.example.org"], &[])
    };
    assert_eq!(
        lines(vec![script()], options(Form::Text)),
        [
            "2026-01-02T03:04:05  192.0.2.20  DNS    fe2.update.microsoft.com  no answer  windows-update: resolved",
            "2026-01-02T03:05:05  192.0.2.20  DNS    download.windowsupdate.com -> edge.example.org  no address  windows-update: resolved",
        ]
    );
    assert_eq!(
        lines(vec![script()], options(Form::Figure2)),
        [
            "2026-01-02T03:04:05,192.0.2.20,DNS,fe2.update.microsoft.com",
            "2026-01-02T03:05:05,192.0.2.20,DNS,download.windowsupdate.com",
        ]
    );
    assert_eq!(
        lines(vec![script()], options(Form::Summary)),
        ["192.0.2.20 windows-update  03:04:05 resolved x2  medium"]
    );
}

#[test]
fn an_answer_alone_has_no_question_line() {
    let script = Script::of("192.0.2.20").answer("2026-01-02T03:04:05", &[CHECK], &["203.0.113.9"]);
    assert_eq!(
        lines(vec![script], options(Form::Figure2)),
        [
            "2026-01-02T03:04:05,192.0.2.20,DNS,fe2.update.microsoft.com,fe2.update.microsoft.com. A 203.0.113.9"
        ]
    );
}

#[test]
fn contacts_that_failed_are_told_in_text_only() {
    let script = || {
        let script = Script::of("192.0.2.20");
        let (v4, v6) = (("203.0.113.9", 443), ("2001:db8::9", 443));
        let refused = script.contact(1, "2026-01-02T03:04:05", v6, CHECK, NameSource::Dns);
        let silent = script.contact(2, "2026-01-02T03:06:30", v4, DOWNLOAD, NameSource::Quic);
        script
            .fail(&refused, "2026-01-02T03:04:05.5", true)
            .end(&refused, "2026-01-02T03:04:05.5", 154, 154, None)
            .fail(&silent, "2026-01-02T03:06:33", false)
            .end(&silent, "2026-01-02T03:06:33", 3_750, 3_750, Some("quic"))
    };
    assert_eq!(
        lines(vec![script()], options(Form::Text)),
        [
            "2026-01-02T03:04:05  192.0.2.20  TCP    [2001:db8::9]:443  fe2.update.microsoft.com    0:00:00    154 bytes  windows-update: refused",
            "2026-01-02T03:06:30  192.0.2.20  QUIC   203.0.113.9:443    download.windowsupdate.com  0:00:03  3,750 bytes  windows-update: unanswered",
        ]
    );
    assert!(lines(vec![script()], options(Form::Figure2)).is_empty());
}

#[test]
fn a_failure_that_another_way_made_good_is_still_told() {
    let script = Script::of("192.0.2.20");
    let refused = script.contact(
        1,
        "2026-01-02T03:04:05",
        ("2001:db8::9", 443),
        CHECK,
        NameSource::Dns,
    );
    let script = script
        .fail(&refused, "2026-01-02T03:04:05", true)
        .end(&refused, "2026-01-02T03:04:05", 154, 154, None)
        .tls_flow(
            2,
            ("2026-01-02T03:04:06", "2026-01-02T03:04:07"),
            ("203.0.113.9", 443),
            CHECK,
            9_000,
        );
    let lines = lines(vec![script], options(Form::Text));
    assert_eq!(lines.len(), 2);
    assert!(lines[0].ends_with("154 bytes  windows-update: refused"));
    assert!(lines[1].ends_with("9,000 bytes  windows-update: checked"));
}

#[test]
fn several_accesses_of_a_flow_stand_together() {
    let script = Script::of("192.0.2.20");
    let start = "2026-01-02T03:04:05";
    let contact = script.contact(1, start, ("203.0.113.9", 80), MIRROR, NameSource::Http);
    let (release, package) = (
        "/debian/dists/stable/InRelease",
        "/debian/pool/main/c/curl/curl_1.deb",
    );
    let script = script
        .payload(
            &contact,
            (at("2026-01-02T03:04:05"), at("2026-01-02T03:04:05")),
            9_000,
            Some(release),
        )
        .payload(
            &contact,
            (at("2026-01-02T03:04:06"), at("2026-01-02T03:04:06")),
            20_000,
            Some(package),
        )
        .payload(
            &contact,
            (at("2026-01-02T03:07:00"), at("2026-01-02T03:07:00")),
            20_000,
            Some(package),
        )
        .end(
            &contact,
            "2026-01-02T03:07:01",
            60_000,
            49_000,
            Some("http"),
        );
    let lines = lines(vec![script], options(Form::Text));
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].ends_with("60,000 bytes  apt: checked + apt: downloaded x2"),
        "{}",
        lines[0]
    );
}

#[test]
fn a_flow_without_access_and_an_access_without_flow_are_told() {
    let script = Script::of("192.0.2.20");
    let server = ("203.0.113.9", 8_530);
    let unused = script.contact(1, "2026-01-02T03:04:05", server, CHECK, NameSource::Dns);
    let endless = script.contact(2, "2026-01-02T03:04:06", server, CHECK, NameSource::Tls);
    let script = script
        .end(&unused, "2026-01-02T03:04:08", 180, 180, None)
        .payload(
            &endless,
            (at("2026-01-02T03:04:07"), at("2026-01-02T03:04:07")),
            5_000,
            None,
        );
    assert_eq!(
        lines(vec![script], options(Form::Text)),
        [
            "2026-01-02T03:04:05  192.0.2.20  TCP    203.0.113.9:8530  fe2.update.microsoft.com  0:00:03    180 bytes  windows-update: no verdict",
            "2026-01-02T03:04:07  192.0.2.20  HTTPS  203.0.113.9:8530  fe2.update.microsoft.com  0:00:00  5,000 bytes  windows-update: checked",
        ]
    );
}

#[test]
fn a_name_from_the_wire_cannot_forge_a_field() {
    let hostile = "a  b,\\027[31m.windowsupdate.com";
    let script = || {
        Script::of("192.0.2.20")
            .answer(
                "2026-01-02T03:04:05",
                &[hostile, "x,y z.example.org"],
                &["203.0.113.9"],
            )
            .tls_flow(
                1,
                ("2026-01-02T03:04:06", "2026-01-02T03:04:07"),
                ("203.0.113.9", 443),
                hostile,
                9_000,
            )
    };
    let text = lines(vec![script()], options(Form::Text));
    let shown = "a\\032\\032b\\044\\027[31m.windowsupdate.com";
    assert_eq!(
        text[0].split("  ").nth(4).unwrap(),
        format!("{shown} -> x\\044y\\032z.example.org")
    );
    assert_eq!(text[1].split("  ").nth(4).unwrap(), shown);
    let figure = lines(vec![script()], options(Form::Figure2));
    assert_eq!(figure[0].split(',').count(), 5);
}

#[test]
fn names_to_ignore_and_clients_elsewhere_have_no_line() {
    let ignored = "activation-v2.sls.microsoft.com";
    for form in [Form::Text, Form::Figure2] {
        let script = Script::of("192.0.2.20")
            .ask("2026-01-02T03:04:05", ignored)
            .tls_flow(
                1,
                ("2026-01-02T03:04:06", "2026-01-02T03:04:07"),
                ("203.0.113.9", 443),
                ignored,
                9_000,
            );
        assert!(lines(vec![script], options(form)).is_empty());
    }
    for form in [Form::Text, Form::Figure2, Form::Summary] {
        let options = Options {
            local: "192.0.2.16/28".parse().unwrap(),
            ..options(form)
        };
        let lines = lines(vec![host_b(), host_a()], options);
        assert!(!lines.is_empty());
        assert!(lines.iter().all(|line| line.contains("192.0.2.20")));
    }
}

#[test]
fn a_later_revision_replaces_the_earlier_one() {
    let script = Script::of("192.0.2.20");
    let name = "download-installer.cdn.mozilla.net";
    let contact = script.contact(
        1,
        "2026-01-02T03:04:05",
        ("203.0.113.9", 443),
        name,
        NameSource::Tls,
    );
    let begun = Fact::Activity(Activity {
        contact: Arc::clone(&contact),
        start: at("2026-01-02T03:04:05"),
        end: at("2026-01-02T03:04:06"),
        time: at("2026-01-02T03:04:06"),
        delivered_toclient: 4_000_000,
        inferred_toclient: 0,
        largest_burst: 4_000_000,
        bytes_toserver: 0,
        bytes_toclient: 4_000_000,
        is_ongoing: true,
        exchange: None,
    });
    let mut script = script
        .payload(
            &contact,
            (at("2026-01-02T03:04:30"), at("2026-01-02T03:04:30")),
            9_000_000,
            None,
        )
        .end(
            &contact,
            "2026-01-02T03:04:31",
            9_000_000,
            9_000_000,
            Some("tls"),
        );
    script.facts.push(begun);
    assert_eq!(
        lines(vec![script], options(Form::Summary)),
        ["192.0.2.20 firefox  03:04:05 downloaded 9.0 MB  medium"]
    );
}

#[test]
fn a_long_summary_is_bounded_and_tells_days() {
    let mut script = Script::of("192.0.2.20");
    for hour in 0..20 {
        let day = 2 + hour / 12;
        let hour_of_day = 12 + hour % 12;
        let moment = |second| format!("2026-01-{day:02}T{hour_of_day}:00:{second:02}");
        let is_check = hour % 2 == 0;
        script = if is_check {
            script.tls_flow(
                hour,
                (&moment(0), &moment(9)),
                ("203.0.113.9", 443),
                CHECK,
                9_000,
            )
        } else {
            script.http_flow(
                hour,
                (&moment(0), &moment(9)),
                ("203.0.113.8", 80),
                (DOWNLOAD, CAB),
                2_000_000,
            )
        };
    }
    assert_eq!(
        lines(vec![script], options(Form::Summary)),
        [
            "2026-01-02  192.0.2.20 windows-update  12:00:00 checked -> 13:00:00 downloaded 2.0 MB -> 14:00:00 checked -> 15:00:00 downloaded 2.0 MB -> 16:00:00 checked -> 17:00:00 downloaded 2.0 MB -> 18:00:00 checked -> 12 more -> 2026-01-03 19:00:00 downloaded 2.0 MB  high"
        ]
    );
}

#[test]
fn products_of_one_id_are_told_apart() {
    let script = Script::of("192.0.2.20").http_flow(
        1,
        ("2026-01-02T03:04:05", "2026-01-02T03:04:06"),
        ("203.0.113.9", 80),
        (MIRROR, "/debian/dists/stable/InRelease"),
        9_000,
    );
    assert_eq!(
        lines(vec![script], options(Form::Summary)),
        ["192.0.2.20 debian/apt  03:04:05 checked  high"]
    );
}

#[test]
fn events_beyond_a_ceiling_are_counted_and_the_rest_is_told() {
    let facts = host_b().facts;
    let mut few = People::with_ceilings(options(Form::Figure2), 3, MAX_BYTES);
    feed(&mut few, &facts);
    assert_eq!(few.dropped(), 1);
    let lines: Vec<_> = few.finish().collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[4].contains(",HTTPS,"));

    let mut short = People::with_ceilings(options(Form::Text), MAX_EVENTS, CHECK.len());
    feed(&mut short, &facts);
    assert!(short.dropped() > 0);
    assert_eq!(
        short.finish().collect::<Vec<_>>(),
        ["2018-08-14T20:17:43  192.0.2.20  DNS    fe2.update.microsoft.com  and 1 more"]
    );
    let mut roomy = People::new(options(Form::Text));
    feed(&mut roomy, &facts);
    assert_eq!(roomy.dropped(), 0);
}
