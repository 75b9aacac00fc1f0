//! States and their reasons, on records that one can read.

use std::io::Cursor;
use std::sync::LazyLock;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::judging::{Late, Reason, State};
use super::page::page;
use super::reading::Records;
use super::rules::Rules;
use super::words::Language;
use super::{Options, Report, data, rows, table};
use crate::config::hosts::HostList;
use crate::config::report::ReportConfig;
use crate::records::time;
use crate::source::capture::Input;
use crate::types::Timestamp;
use crate::updates::Catalogue;

mod shown;
mod told;

const CLIENT: &str = "192.0.2.7";
const WINDOWS: &str = "windows-update";
/// Monday, 2 November 2026, 00:00 UTC.
const MONDAY: i64 = 1_793_577_600;

/// Records of a network: hours are counted from Monday.
#[derive(Default)]
struct Story(Vec<String>);

impl Story {
    fn at(hour: i64) -> Timestamp {
        Timestamp::from_seconds(MONDAY + hour * 3_600, 0)
    }

    fn push(&mut self, hour: i64, kind: &str, fields: &str) {
        let time = time::text(Self::at(hour));
        let end = time::text(Self::at(hour + 1));
        self.0.push(format!(
            r#"{{"timestamp":"{time}","event_type":"{kind}","{kind}":{{"v":1,"client":"{CLIENT}","start":"{time}","end":"{end}",{fields}}}}}"#
        ));
    }

    /// The sensor runs from one hour to another.
    fn sensor(mut self, hours: std::ops::Range<i64>) -> Self {
        for hour in hours {
            let time = time::text(Self::at(hour));
            self.0.push(format!(
                r#"{{"timestamp":"{time}","event_type":"stats","stats":{{}}}}"#
            ));
        }
        self
    }

    /// The client is on from nine to six, on days counted from Monday.
    fn on(mut self, days: std::ops::Range<i64>, verdict: &str, blind: &str) -> Self {
        for hour in days.flat_map(|day| day * 24 + 9..day * 24 + 18) {
            let fields = format!(r#""active_minutes":30,"verdict":"{verdict}","blind":[{blind}]"#);
            self.push(hour, "coverage", &fields);
        }
        self
    }

    fn access(mut self, day: i64, id: &str, rev: u64, verdict: &str) -> Self {
        let fields = format!(
            r#""id":"{id}","rev":{rev},"final":true,"vendor":"microsoft","product":"{WINDOWS}","role":"check","verdict":"{verdict}","evidence":["endpoint_role"]"#
        );
        self.push(day * 24 + 9, "update", &fields);
        self
    }

    fn session(self, day: i64, id: &str, offered: &str, outcome: &str) -> Self {
        self.answer(day, id, (offered, outcome), "")
    }

    /// A session, and what tells whether there was an update.
    fn answer(
        mut self,
        day: i64,
        id: &str,
        (offered, outcome): (&str, &str),
        evidence: &str,
    ) -> Self {
        let fields = format!(
            r#""id":"{id}","rev":1,"vendor":"microsoft","product":"{WINDOWS}","checks":1,"downloads":0,"offered":"{offered}","offered_evidence":[{evidence}],"outcome":"{outcome}","os":{{"name":"windows","confidence":"high","mixed":false}}"#
        );
        self.push(day * 24 + 9, "update_session", &fields);
        self
    }

    fn report(&self) -> Report {
        let mut records = Records::default();
        let input = Input::new(Cursor::new(self.0.join("\n")));
        let reading = records.read(input).unwrap();
        assert!(reading.is_whole(), "{reading:?}");
        Report::of(&records, &HostList::default(), &options()).unwrap()
    }

    /// Of the one host and product that there is.
    fn judged(&self) -> (State, Reason) {
        let report = self.report();
        let [host] = report.hosts.as_slice() else {
            panic!("{:?}", report.hosts);
        };
        let [judged] = host.lanes.as_slice() else {
            panic!("{:?}", host.lanes);
        };
        (judged.state, judged.reason.clone())
    }
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::embedded().unwrap());

fn options() -> Options {
    let (rules, _) = Rules::new(&CATALOGUE, &ReportConfig::default());
    Options {
        hosts: Vec::new(),
        since: None,
        until: None,
        zone: TimeZone::UTC,
        rules,
    }
}

#[test]
fn silence_is_overdue_only_after_three_intervals_of_days_that_count() {
    let story = |days| {
        Story::default()
            .sensor(0..days * 24)
            .on(0..days, "complete", "")
            .access(0, "a", 1, "checked")
    };
    // 22 h times three are 66 h: not over on Wednesday night, over on Thursday.
    assert_eq!(story(3).judged().0, State::Checked);
    let (state, reason) = story(4).judged();
    assert_eq!(state, State::Overdue);
    let expected = Late {
        since: Story::at(9),
        until: Story::at(95),
        days: 3,
        proven: 3,
        counted: Duration::from_secs((15 + 71) * 3_600),
        limit: Duration::from_secs(66 * 3_600),
        // Fifteen hours of Monday, two days, and three hours.
        passed: Story::at(75),
    };
    assert_eq!(reason, Reason::NoCheck(expected));
}

#[test]
fn days_away_do_not_count() {
    let story = Story::default()
        .sensor(0..480)
        .on(0..2, "complete", "")
        .access(0, "a", 1, "checked");
    assert_eq!(story.judged().0, State::Checked);
    // Back for one day after two weeks.
    let story = story.on(18..19, "complete", "");
    assert_eq!(story.judged().0, State::Checked);
}

#[test]
fn a_day_that_proves_nothing_makes_the_others_count_anew() {
    let story = |verdict, blind| {
        let story = Story::default().sensor(0..144).access(0, "a", 1, "checked");
        story
            .on(0..3, "complete", "")
            .on(3..4, verdict, blind)
            .on(4..6, "complete", "")
    };
    assert_eq!(story("complete", "").judged().0, State::Overdue);
    let (state, reason) = story("cannot_tell", r#""vpn""#).judged();
    assert_eq!((state, reason.as_str()), (State::CannotTell, "hidden"));
    assert_eq!(
        story("partial", r#""no_server_side""#).judged().0,
        State::CannotTell
    );
}

#[test]
fn a_sensor_that_did_not_run_proves_nothing() {
    let story = |story: Story| story.access(0, "a", 1, "checked").on(0..6, "complete", "");
    // It says nothing from Thursday's night to Friday's noon, while the host is on before and after.
    let silent = story(Story::default().sensor(0..93).sensor(144..145));
    let mut quiet = silent.0;
    quiet.retain(|line| !line.contains("2026-11-06T0") && !line.contains("2026-11-06T10"));
    let quiet = Story(quiet);
    assert_eq!(quiet.judged().1.as_str(), "sensor_blind");
    // The same as a restart that is told.
    let mut told = story(Story::default().sensor(0..144));
    let restart = r#""what":"restart","where":"capture","count":1"#;
    told.push(100, "loss", restart);
    // An hour or two hide no host that asks again and again.
    assert_eq!(told.judged().1.as_str(), "no_check");
    told.push(101, "loss", restart);
    told.push(102, "loss", restart);
    assert_eq!(told.judged().1.as_str(), "sensor_blind");
    // Lines that an output did not get may have told of a check.
    let mut holes = story(Story::default().sensor(0..144));
    holes.push(100, "loss", r#""what":"lines","where":"file","count":7"#);
    holes.push(110, "loss", r#""what":"lines","where":"file","count":7"#);
    assert_eq!(holes.judged().0, State::CannotTell);
}

#[test]
fn without_coverage_nothing_is_overdue_and_that_is_said() {
    let story = Story::default().sensor(0..720).access(0, "a", 1, "checked");
    let report = story.report();
    assert!(!report.has_coverage);
    let (state, reason) = story.judged();
    assert_eq!((state, reason.as_str()), (State::CannotTell, "no_coverage"));
    for text in [
        page(&report, Language::English),
        table::text(&report, Language::English, None),
    ] {
        assert!(
            text.contains("no coverage records in these files"),
            "{text}"
        );
    }
}

#[test]
fn the_highest_revision_is_valid_and_one_that_is_not_final_may_stand_alone() {
    let story = Story::default().sensor(0..24).on(0..1, "complete", "");
    let newer_first = story
        .access(0, "a", 2, "downloaded")
        .access(0, "a", 1, "checked");
    assert_eq!(newer_first.judged().0, State::Downloaded);
    let alone = Story::default()
        .sensor(0..24)
        .access(0, "a", 1, "downloading");
    assert_eq!(alone.judged().0, State::Downloaded);
}

#[test]
fn an_offer_is_overdue_when_its_days_are_over_and_fetched_when_it_was() {
    let story = |days: i64| {
        let story = Story::default()
            .sensor(0..days * 24)
            .on(0..days, "complete", "");
        (0..days).fold(story, |story, day| {
            story.session(day, &format!("s{day}"), "yes", "offered")
        })
    };
    assert_eq!(story(10).judged().1.as_str(), "offer_open");
    assert_eq!(story(16).judged().1.as_str(), "not_fetched");
    // A day that is hidden before the last offer proves nothing less: the offer stood after it.
    let hidden = story(18).on(3..4, "cannot_tell", r#""vpn""#);
    assert_eq!(hidden.judged().1.as_str(), "not_fetched");
    let fetched =
        story(16)
            .access(15, "a", 1, "downloaded")
            .session(15, "s99", "yes", "downloaded");
    assert_eq!(fetched.judged().0, State::Downloaded);
}

#[test]
fn an_offer_is_closed_by_an_answer_that_there_is_none_and_not_by_one_that_nothing_changed() {
    let story = |evidence: &str, end: i64| {
        let story = Story::default().sensor(0..720).on(0..30, "complete", "");
        (3..end).fold(story, |story, day| {
            let id = format!("s{day}");
            if day < 10 {
                story.answer(day, &id, ("yes", "offered"), r#""download_asked""#)
            } else {
                story.answer(day, &id, ("no", "checked"), evidence)
            }
        })
    };
    for evidence in [r#""empty_answer""#, r#""usual_size""#, ""] {
        let (state, reason) = story(evidence, 30).judged();
        assert_eq!(
            (state, reason.as_str()),
            (State::Checked, "nothing_offered")
        );
    }
    let (_, reason) = story(r#""not_modified""#, 30).judged();
    let late = *reason.late().unwrap();
    assert_eq!(reason.as_str(), "not_fetched");
    assert_eq!(late.since, Story::at(3 * 24 + 9));
    // Once closed it stays so; the next one counts from its own day.
    let again = story(r#""empty_answer""#, 28);
    let again = again.answer(28, "t", ("yes", "offered"), r#""download_asked""#);
    let (_, reason) = again.judged();
    assert!(
        matches!(reason, Reason::OfferOpen { since, .. } if since == Story::at(28 * 24 + 9)),
        "{reason:?}"
    );
}

#[test]
fn an_offer_in_an_hour_of_which_nothing_can_be_told_is_no_proof() {
    let story = |verdict: &str, blind: &str| {
        let story = Story::default()
            .sensor(0..720)
            .on(0..1, verdict, blind)
            .on(1..30, "complete", "")
            .answer(0, "s0", ("yes", "offered"), r#""download_contact""#);
        (1..30).fold(story, |story, day| {
            story.answer(
                day,
                &format!("s{day}"),
                ("no", "checked"),
                r#""not_modified""#,
            )
        })
    };
    assert_eq!(story("complete", "").judged().1.as_str(), "not_fetched");
    // What nothing changed since is not known: neither that an update waits nor that none does.
    let (state, reason) = story("cannot_tell", r#""loss""#).judged();
    assert_eq!((state, reason.as_str()), (State::Checked, "asked"));
}

#[test]
fn whoever_never_asks_is_not_seen_and_whoever_never_reaches_is_overdue() {
    let expected = r#""active_minutes":30,"verdict":"complete","blind":[],"os":{"name":"windows","confidence":"high"}"#;
    let mut story = Story::default().sensor(0..240).on(0..10, "complete", "");
    story.push(9, "coverage", expected);
    assert_eq!(story.judged(), (State::NotSeen, Reason::Never { days: 10 }));
    let tries = Story::default().sensor(0..240).on(0..10, "complete", "");
    let tries = (0..10).fold(tries, |story, day| {
        story.access(day, &format!("a{day}"), 1, "refused")
    });
    assert_eq!(tries.judged().1.as_str(), "never_reached");
    // A web page may have a browser look up names; whoever connects once may have been told to by anybody.
    let looked_up = Story::default().sensor(0..240).on(0..10, "complete", "");
    let looked_up = (0..10).fold(looked_up, |story, day| {
        story.access(day, &format!("a{day}"), 1, "resolved")
    });
    assert_eq!(looked_up.judged().0, State::NotSeen);
    let tried = Story::default().sensor(0..240).on(0..10, "complete", "");
    assert_eq!(
        tried.access(0, "a", 1, "refused").judged().0,
        State::NotSeen
    );
    let once = Story::default()
        .sensor(0..24)
        .on(0..1, "complete", "")
        .access(0, "a", 1, "refused");
    assert_eq!(once.judged().0, State::NotSeen);
}

#[test]
fn an_own_server_may_have_given_it() {
    let story = Story::default()
        .sensor(0..240)
        .on(0..10, "complete", r#""internal_source_likely""#)
        .access(0, "a", 1, "checked");
    assert_eq!(story.judged().1.as_str(), "elsewhere");
    let sentence = |story: &Story| {
        let report = story.report();
        let text = data::json(&report, Language::English);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let product = &value["hosts"][0]["products"][0];
        product["sentence"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        sentence(&story),
        "What its own update server sent since 2026-11-02 09:00 cannot be seen, even where all other traffic was (own update server likely, such \
         as WSUS). It may have been updated from there."
    );
    let story = Story::default()
        .sensor(0..480)
        .on(0..20, "complete", r#""peer_cache""#);
    let story = (0..20).fold(story, |story, day| {
        story.session(day, &format!("s{day}"), "yes", "offered")
    });
    assert!(sentence(&story).starts_with("What neighbours sent it since 2026-11-02 09:00 cannot"));
}

#[test]
fn a_configured_habit_is_what_is_judged_by() {
    let story = Story::default()
        .sensor(0..240)
        .on(0..10, "complete", "")
        .access(0, "a", 1, "checked");
    let config = ReportConfig {
        intervals: 100,
        ..ReportConfig::default()
    };
    let mut records = Records::default();
    records
        .read(Input::new(Cursor::new(story.0.join("\n"))))
        .unwrap();
    let (rules, _) = Rules::new(&CATALOGUE, &config);
    let report = Report::of(
        &records,
        &HostList::default(),
        &Options { rules, ..options() },
    )
    .unwrap();
    assert_eq!(report.hosts[0].state(), Some(State::Checked));
}

#[test]
fn names_from_the_wire_are_data_in_every_form() {
    let mut story = Story::default().sensor(0..24).on(0..1, "complete", "");
    let evil =
        r#"=cmd|' /C calc'!A0 <script>alert(1)</script> \" onload=\"x \u202e \u0007 <!-- ]]>"#;
    let fields = format!(
        r#""id":"x","rev":1,"client_id":"{evil}","vendor":"{evil}","product":"{evil}","role":"download","verdict":"downloaded","evidence":["{evil}"],"payload_id":{{"kind":"{evil}","value":"{evil}"}}"#
    );
    story.push(9, "update", &fields);
    let session = format!(
        r#""id":"y","rev":1,"client_id":"{evil}","vendor":"{evil}","product":"{evil}","offered":"no","outcome":"checked","os":{{"name":"{evil}","version":"{evil}"}}"#
    );
    story.push(9, "update_session", &session);
    let report = story.report();
    for language in Language::ALL {
        let page = page(&report, language);
        for wrong in ["<script", "onload=\"", "<!--", "\u{202e}", "\u{7}"] {
            assert!(!page.contains(wrong), "{wrong}");
        }
        assert!(page.contains("&lt;script&gt;alert(1)"));
        let table = table::text(&report, language, Some(80));
        assert!(table.chars().all(|c| c == '\n' || !c.is_control()) && !table.contains('\u{202e}'));
        for line in rows::csv(&report, language).lines() {
            assert!(
                !line.starts_with(['=', '"']) || line.starts_with("\"'="),
                "{line}"
            );
        }
        let value: serde_json::Value =
            serde_json::from_str(&data::json(&report, language)).unwrap();
        assert!(
            value["hosts"]
                .as_array()
                .is_some_and(|hosts| hosts.len() == 2)
        );
    }
}

#[test]
fn lines_that_make_no_sense_are_told_and_the_rest_counts() {
    let mut story = Story::default()
        .sensor(0..24)
        .on(0..1, "complete", "")
        .access(0, "a", 1, "checked");
    story.0.insert(0, "{\"timestamp\":".to_owned());
    story.0.insert(1, r#"{"event_type":"update","timestamp":"2026-11-02T00:00:00.000000+0000","update":{"id":7}}"#.to_owned());
    story.0.insert(2, "[]".to_owned());
    story.0.insert(
        3,
        r#"{"event_type":"stats","timestamp":"today"}"#.to_owned(),
    );
    let mut records = Records::default();
    let reading = records
        .read(Input::new(Cursor::new(story.0.join("\n"))))
        .unwrap();
    assert_eq!(reading.problems.len(), 4, "{reading:?}");
    assert_eq!(records.accesses.len(), 1);
}

#[test]
fn a_period_shows_less_and_knows_as_much() {
    let story = Story::default()
        .sensor(0..240)
        .on(0..10, "complete", "")
        .access(0, "a", 1, "downloaded")
        .access(9, "b", 1, "checked");
    let mut records = Records::default();
    records
        .read(Input::new(Cursor::new(story.0.join("\n"))))
        .unwrap();
    let of = |since, until| {
        let options = Options {
            since,
            until,
            ..options()
        };
        Report::of(&records, &HostList::default(), &options)
    };
    let late = of(Some(Story::at(200)), None).unwrap();
    assert_eq!(late.hosts[0].state(), Some(State::Downloaded));
    assert_eq!(late.hosts[0].hours_of(&late).total(), 18);
    let early = of(None, Some(Story::at(100))).unwrap();
    assert_eq!(early.hosts[0].lanes[0].lane.events.len(), 1);
    assert!(of(Some(Story::at(5_000)), None).is_none());
    assert!(of(None, Some(Story::at(-5_000))).is_none());
}
