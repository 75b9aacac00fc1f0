//! Any bytes as truth lines and as records: sums agree, nothing is paired twice, and the report is harmless to a terminal.
//!
//! Input: truth lines, a byte 0, records.
#![no_main]

use std::io::Cursor;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use patchspan::offline::score::report::Demand;
use patchspan::offline::score::truth::ROLES;
use patchspan::offline::score::{Options, Score};
use patchspan::source::capture::Input;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (truth, records) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let mut score = Score::new(Options {
        tolerance: Duration::from_secs(5),
        roles: ROLES.map(str::to_owned).into(),
        transports: Default::default(),
        most_cases: 8,
    });
    let input = |part: &[u8]| Ok(Input::new(Cursor::new(part.to_vec())));
    score
        .take_in(1, || input(truth), || input(records))
        .expect("memory can be read");
    let total = score.total();
    let lines = |part: &[u8]| part.split(|byte| *byte == b'\n').count() as u64;
    assert!(total.found + total.missed <= total.expected);
    assert!(total.right <= total.told && total.found <= total.right);
    assert!(total.expected <= lines(truth));
    assert!(total.told + total.excused <= lines(records));
    let demand = Demand {
        precision: Some(100.0),
        recall: Some(100.0),
        least: 1,
    };
    let text = score.text(&demand);
    assert!(text.bytes().all(|byte| matches!(byte, b'\n' | b' '..=b'~')));
    let _ = score.json(&demand);
    // Whatever falls short is told.
    let is_perfect = total.right == total.told && total.found == total.expected;
    assert_eq!(is_perfect, score.shortfalls(&demand).is_empty());
});
