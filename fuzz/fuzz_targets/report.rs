//! Any bytes as records: a report in every form; nothing in it is markup, a formula, or what a terminal obeys.
//!
//! Input: JSON lines.
#![no_main]

use std::io::Cursor;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use patchspan::config::hosts::HostList;
use patchspan::config::report::ReportConfig;
use patchspan::offline::report::reading::Records;
use patchspan::offline::report::rules::Rules;
use patchspan::offline::report::words::Language;
use patchspan::offline::report::{Options, Report, data, page, rows, table};
use patchspan::source::capture::Input;
use patchspan::updates::Catalogue;

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let catalogue = Catalogue::embedded().expect("the catalogue is right");
    Rules::new(&catalogue, &ReportConfig::default()).0
});

fuzz_target!(|bytes: &[u8]| {
    let mut records = Records::default();
    let input = Input::new(Cursor::new(bytes.to_vec()));
    records.read(input).expect("memory can be read");
    let lines = bytes.split(|byte| *byte == b'\n').count();
    assert!(records.lines as usize + records.coverage.len() <= 2 * lines);
    let options = Options {
        hosts: Vec::new(),
        since: None,
        until: None,
        zone: jiff::tz::TimeZone::UTC,
        rules: RULES.clone(),
    };
    let Some(report) = Report::of(&records, &HostList::default(), &options) else {
        return;
    };
    assert!(report.hosts.len() <= lines);
    for language in Language::ALL {
        let page = page::page(&report, language);
        assert!(!page.contains("<script") && page.ends_with("</html>"));
        let text = table::text(&report, language, Some(80));
        assert!(
            text.chars()
                .all(|character| character == '\n' || !character.is_control())
        );
        let read: serde_json::Value =
            serde_json::from_str(&data::json(&report, language)).expect("JSON");
        assert_eq!(
            read["hosts"].as_array().map(Vec::len),
            Some(report.hosts.len())
        );
        rows::csv(&report, language);
    }
    // An overdue host needs coverage.
    let is_late = |host: &patchspan::offline::report::Host| {
        host.state() == Some(patchspan::offline::report::judging::State::Overdue)
    };
    assert!(report.has_coverage || !report.hosts.iter().any(is_late));
});
