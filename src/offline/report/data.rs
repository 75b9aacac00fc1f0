//! A report as JSON: a stable shape, which [`SCHEMA`] describes. Words of states and reasons are the same in every language; sentences
//! are in the language asked for.

use std::net::IpAddr;

use serde::Serialize;

use super::hours::{self, HostHour};
use super::judging::{Late, State};
use super::kept::{Seen, What};
use super::sentence::{Voice, rfc3339};
use super::timeline::{Span, absences, away_since, blindness, untold};
use super::whose::mac_text;
use super::words::{Language, Words};
use super::{Host, Judged, LeftOut, Report};

/// The JSON Schema (draft 2020-12) of a report.
pub const SCHEMA: &str = include_str!("schema.json");

/// Most downloads that are told of a host and product, the last ones.
pub const MOST_DOWNLOADS: usize = 64;

#[derive(Serialize)]
struct ReportData<'a> {
    v: u8,
    language: &'static str,
    timezone: &'a str,
    since: String,
    until: String,
    has_coverage: bool,
    sensor_blind: Vec<SpanData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<LeftOutData>,
    hosts: Vec<HostData<'a>>,
    note: &'a str,
}

/// What is too old to be reported.
#[derive(Serialize)]
struct LeftOutData {
    records: u64,
    hosts: u64,
    last: String,
}

#[derive(Serialize)]
struct SpanData {
    start: String,
    end: String,
}

#[derive(Serialize)]
struct HostData<'a> {
    host: String,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    manager: Option<&'a str>,
    addresses: Vec<IpAddr>,
    macs: Vec<String>,
    names: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    os: Option<OsData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<String>,
    hours: HoursData,
    hidden: Vec<&'static str>,
    remarks: Vec<&'static str>,
    cannot_tell: Vec<SpanData>,
    away: Vec<SpanData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    away_since: Option<String>,
    products: Vec<ProductData<'a>>,
}

#[derive(Serialize)]
struct OsData<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    mixed: bool,
}

/// Hours of the period in which a host did something.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct HoursData {
    /// All that matters was seen.
    pub complete: u64,
    /// Some was hidden.
    pub partial: u64,
    /// Nothing can be told.
    pub cannot_tell: u64,
    /// No record says.
    pub unknown: u64,
}

impl HoursData {
    /// All of them.
    pub fn total(self) -> u64 {
        self.complete + self.partial + self.cannot_tell + self.unknown
    }

    /// How many of a hundred were seen completely.
    pub fn percent(self) -> u64 {
        (self.complete * 100).checked_div(self.total()).unwrap_or(0)
    }
}

#[derive(Serialize)]
struct ProductData<'a> {
    product: &'a str,
    title: &'a str,
    state: &'static str,
    reason: &'static str,
    sentence: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    overdue: Option<LateData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_check: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_download: Option<String>,
    checks: u64,
    downloads: Vec<DownloadData<'a>>,
    evidence: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    check_interval_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overdue_after_s: Option<u64>,
}

/// What an overdue product lacks, and for how long.
#[derive(Serialize)]
struct LateData {
    since: String,
    elapsed_s: u64,
    active_days: u32,
    proven_days: u32,
    counted_s: u64,
    limit_s: u64,
    limit_passed: String,
}

#[derive(Serialize)]
struct DownloadData<'a> {
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<&'a str>,
    own_source: bool,
}

/// One JSON object, with a newline behind.
pub fn json(report: &Report, language: Language) -> String {
    let words = Words::of(language);
    let voice = Voice {
        words: &words,
        zone: &report.zone,
    };
    let data = ReportData {
        v: 1,
        language: language.tag(),
        timezone: voice.zone_name(),
        since: rfc3339(report.since),
        until: rfc3339(report.until),
        has_coverage: report.has_coverage,
        sensor_blind: spans(blindness(report)),
        left_out: report.left_out.as_ref().map(LeftOutData::from),
        hosts: report
            .hosts
            .iter()
            .map(|host| HostData::of(host, report, &voice))
            .collect(),
        note: words.say("foot"),
    };
    let mut text = serde_json::to_string_pretty(&data).unwrap_or_default();
    text.push('\n');
    text
}

impl From<&LeftOut> for LeftOutData {
    fn from(left_out: &LeftOut) -> Self {
        Self {
            records: left_out.records,
            hosts: left_out.hosts,
            last: rfc3339(left_out.last),
        }
    }
}

impl From<Span> for SpanData {
    fn from(span: Span) -> Self {
        Self {
            start: rfc3339(span.start),
            end: rfc3339(span.end),
        }
    }
}

fn spans(spans: Vec<Span>) -> Vec<SpanData> {
    spans.into_iter().map(SpanData::from).collect()
}

impl<'a> HostData<'a> {
    fn of(host: &'a Host, report: &Report, voice: &Voice<'_>) -> Self {
        Self {
            host: host.key.to_string(),
            name: &host.name,
            manager: host.manager.as_deref(),
            addresses: host.addresses.iter().map(|held| held.address).collect(),
            macs: host.macs.iter().map(|mac| mac_text(*mac)).collect(),
            names: host.names.iter().map(String::as_str).collect(),
            os: host.os.as_ref().map(|os| OsData {
                name: &os.name,
                version: os.version.as_deref(),
                mixed: os.is_mixed,
            }),
            state: host.state().map(State::as_str),
            as_of: host.as_of.map(rfc3339),
            hours: host.hours_of(report),
            hidden: host.hidden(report).iter().collect(),
            remarks: host.remarks(report).iter().collect(),
            cannot_tell: spans(untold(host, report)),
            away: spans(absences(host, report)),
            away_since: away_since(host, report).map(rfc3339),
            products: host
                .lanes
                .iter()
                .map(|judged| ProductData::of(judged, host, voice))
                .collect(),
        }
    }
}

impl From<&Late> for LateData {
    fn from(late: &Late) -> Self {
        Self {
            since: rfc3339(late.since),
            elapsed_s: late.elapsed().as_secs(),
            active_days: late.days,
            proven_days: late.proven,
            counted_s: late.counted.as_secs(),
            limit_s: late.limit.as_secs(),
            limit_passed: rfc3339(late.passed),
        }
    }
}

impl<'a> ProductData<'a> {
    fn of(judged: &'a Judged, host: &Host, voice: &Voice<'_>) -> Self {
        let lane = &judged.lane;
        let checks = lane.events.iter().filter(|event| event.what == What::Check);
        let downloads = judged.downloads().map(|event| DownloadData {
            at: rfc3339(event.at),
            what: event.payload.as_deref(),
            own_source: event.is_internal,
        });
        Self {
            product: &lane.product,
            title: &lane.habits.title,
            state: judged.state.as_str(),
            reason: judged.reason.as_str(),
            sentence: voice.sentence(judged),
            overdue: judged.reason.late().map(LateData::from),
            as_of: host.as_of.map(rfc3339),
            last_check: judged.last_check().map(rfc3339),
            last_download: judged.last_download().map(rfc3339),
            checks: checks.count() as u64,
            downloads: downloads.collect(),
            evidence: judged.evidence(),
            check_interval_s: lane.habits.check_interval.map(|time| time.as_secs()),
            overdue_after_s: lane.habits.overdue_after.map(|time| time.as_secs()),
        }
    }
}

impl Judged {
    /// When a server was last reached.
    pub fn last_check(&self) -> Option<crate::types::Timestamp> {
        self.lane.last(What::Check).map(|event| event.at)
    }

    /// When something was last fetched.
    pub fn last_download(&self) -> Option<crate::types::Timestamp> {
        self.lane.last(What::Download).map(|event| event.at)
    }

    /// The last downloads, in the order of time.
    pub fn downloads(&self) -> impl DoubleEndedIterator<Item = &super::judging::Event> {
        let events = self.lane.events.iter();
        let all: Vec<_> = events
            .filter(|event| event.what == What::Download)
            .collect();
        let from = all.len().saturating_sub(MOST_DOWNLOADS);
        all.into_iter().skip(from)
    }

    /// What the last contact's verdict rests on.
    pub fn evidence(&self) -> &[String] {
        let event = self
            .lane
            .last(What::Download)
            .or_else(|| self.lane.last(What::Attempt));
        event.map_or(&[], |event| event.evidence.as_slice())
    }
}

impl Host {
    /// How much was seen of the hours of the period in which it did something.
    pub fn hours_of(&self, report: &Report) -> HoursData {
        let mut hours = HoursData::default();
        for (_, hour) in self.hours.range(report.hours()) {
            let count = match hour.seen {
                Seen::Complete => &mut hours.complete,
                Seen::Partial => &mut hours.partial,
                Seen::Hidden => &mut hours.cannot_tell,
                Seen::Unsaid => &mut hours.unknown,
            };
            *count += 1;
        }
        hours
    }

    /// What hid something in the period.
    pub fn hidden(&self, report: &Report) -> hours::Words {
        self.words_of(report, HostHour::hidden)
    }

    /// What hid nothing in the period, and is to be known of it.
    pub fn remarks(&self, report: &Report) -> hours::Words {
        let all = self.words_of(report, |hour| hour.blind);
        all.without(self.hidden(report))
    }

    fn words_of(&self, report: &Report, of: impl Fn(&HostHour) -> hours::Words) -> hours::Words {
        let hours = self.hours.range(report.hours());
        let words = hours.map(|(_, hour)| of(hour));
        words.fold(hours::Words::default(), hours::Words::with)
    }
}
