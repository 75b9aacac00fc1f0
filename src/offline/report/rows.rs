//! A report as CSV (RFC 4180, UTF-8): one row a host and product, words of states and reasons the same in every language.
//!
//! A spreadsheet takes a value that begins with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula; such a value gets an apostrophe
//! in front, as spreadsheets have it for text.

use super::data::HoursData;
use super::sentence::{Voice, rfc3339};
use super::words::{Language, Words};
use super::{Host, Judged, Report, hours};

/// The header line.
pub const COLUMNS: [&str; 20] = [
    "host",
    "name",
    "manager",
    "addresses",
    "os",
    "os_version",
    "product",
    "title",
    "state",
    "reason",
    "sentence",
    "as_of",
    "last_check",
    "last_download",
    "downloaded",
    "evidence",
    "hours_seen",
    "hours_complete",
    "hidden",
    "remarks",
];

/// The header line, and a row a host and product.
pub fn csv(report: &Report, language: Language) -> String {
    let words = Words::of(language);
    let voice = Voice {
        words: &words,
        zone: &report.zone,
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory does not fail, and all rows have as many columns.
    let _ = writer.write_record(COLUMNS);
    for host in &report.hosts {
        let hours = host.hours_of(report);
        for judged in &host.lanes {
            let row = row(host, judged, hours, report, &voice);
            let _ = writer.write_record(row.iter().map(|value| inert(value)));
        }
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn row(
    host: &Host,
    judged: &Judged,
    hours: HoursData,
    report: &Report,
    voice: &Voice<'_>,
) -> [String; COLUMNS.len()] {
    let time = |time: Option<_>| time.map(rfc3339).unwrap_or_default();
    let addresses: Vec<_> = host
        .addresses
        .iter()
        .map(|held| held.address.to_string())
        .collect();
    let payloads: Vec<&str> = judged
        .downloads()
        .filter_map(|event| event.payload.as_deref())
        .collect();
    let words = |words: hours::Words| words.iter().collect::<Vec<_>>().join(" ");
    let os = host.os.as_ref();
    [
        host.key.to_string(),
        host.name.clone(),
        host.manager.clone().unwrap_or_default(),
        addresses.join(" "),
        os.map(|os| os.name.clone()).unwrap_or_default(),
        os.and_then(|os| os.version.clone()).unwrap_or_default(),
        judged.lane.product.clone(),
        judged.lane.habits.title.clone(),
        judged.state.as_str().to_owned(),
        judged.reason.as_str().to_owned(),
        voice.sentence(judged),
        time(host.as_of),
        time(judged.last_check()),
        time(judged.last_download()),
        payloads.join("; "),
        judged.evidence().join(" "),
        hours.total().to_string(),
        hours.complete.to_string(),
        words(host.hidden(report)),
        words(host.remarks(report)),
    ]
}

/// A value that no spreadsheet calculates.
fn inert(value: &str) -> String {
    if value.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        format!("'{value}")
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_documented_in_its_place() {
        let document = include_str!("../../../docs/report.md");
        let table = document.split("| CSV column |").nth(1).unwrap();
        let rows = table
            .lines()
            .skip(2)
            .take_while(|line| line.starts_with('|'));
        let columns: Vec<&str> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
        assert_eq!(columns, COLUMNS);
    }

    #[test]
    fn no_value_is_a_formula() {
        for value in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"] {
            assert_eq!(inert(value), format!("'{value}"));
        }
        assert_eq!(inert("a=1"), "a=1");
    }
}
