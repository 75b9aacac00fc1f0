//! `patchspan diff` from outside: what it prints, and its exit codes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/program.rs"]
mod program;

use program::{Scratch, patchspan};

fn diff(arguments: &[&str], input: &str) -> (i32, String, String) {
    patchspan(&[&["diff"], arguments].concat(), input.as_bytes())
}

const BEFORE: &str = r#"{"event_type":"dns","timestamp":"1","flow_id":5,"dns":{"type":"request"}}
{"event_type":"flow","flow_id":1,"flow":{"bytes_toclient":1200},"patchspan":{"fqdn":{"name":"a.example"}}}
{"event_type":"flow","flow_id":2,"flow":{"bytes_toclient":7},"patchspan":{}}
{"event_type":"flow","flow_id":3,"flow":{"bytes_toclient":8},"patchspan":{}}
"#;
const AFTER: &str = r#"{"event_type":"dns","timestamp":"1","flow_id":5,"dns":{"type":"request"}}
{"event_type":"flow","flow_id":2,"flow":{"bytes_toclient":9},"patchspan":{}}
{"event_type":"flow","flow_id":1,"flow":{"bytes_toclient":1300},"patchspan":{}}
{"event_type":"update","update":{"id":"00","rev":1}}
"#;

#[test]
fn what_changed_is_grouped_by_kind_and_field_and_it_is_7() {
    let scratch = Scratch::new("diff-report");
    let (a, b) = (
        scratch.file("a.jsonl", BEFORE),
        scratch.file("b.jsonl", AFTER),
    );
    let (code, out, err) = diff(&[&a, &b], "");
    assert_eq!((code, err.as_str()), (7, ""));
    let expected = format!(
        "A: {a}
B: {b}

dns: 1 equal, 0 differ, 0 only in A, 0 only in B

flow: 0 equal, 2 differ, 1 only in A, 0 only in B
  only in A: line 4
  flow.bytes_toclient: 2 differ
    1200 -> 1300  (A line 2, B line 3)
    7 -> 9  (A line 3, B line 2)
  patchspan.fqdn: 1 differ
    {{\"name\":\"a.example\"}} -> (absent)  (A line 2, B line 3)

update: 0 equal, 0 differ, 0 only in A, 1 only in B
  only in B: line 4

the runs differ
"
    );
    assert_eq!(out, expected);
}

#[test]
fn equal_runs_are_0_also_from_standard_input() {
    let scratch = Scratch::new("diff-equal");
    let a = scratch.file("a.jsonl", BEFORE);
    for arguments in [[a.as_str(), "-"], ["-", a.as_str()]] {
        let (code, out, err) = diff(&arguments, BEFORE);
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(out.ends_with("\nno difference\n"), "{out}");
    }
}

#[test]
fn broken_or_missing_input_is_4_and_is_told_with_its_line() {
    let scratch = Scratch::new("diff-broken");
    let a = scratch.file("a.jsonl", BEFORE);
    let b = scratch.file("b.jsonl", format!("{BEFORE}{{\"event_type\":\"fl"));
    let (code, out, err) = diff(&[&a, &b], "");
    assert_eq!(code, 4);
    assert!(
        err.contains("b.jsonl:5: no JSON object: EOF while parsing"),
        "{err}"
    );
    assert!(out.contains("flow: 3 equal"), "{out}");
    let (code, out, err) = diff(&[&a, "/nonexistent.jsonl"], "");
    assert_eq!((code, out.as_str()), (4, ""));
    assert!(
        err.contains("/nonexistent.jsonl cannot be read: No such file"),
        "{err}"
    );
}

#[test]
fn standard_input_can_be_one_run_only() {
    let (code, out, err) = diff(&["-", "-"], "");
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("one of the two"), "{err}");
}

#[test]
fn compressed_runs_are_read_also_from_standard_input() {
    let scratch = Scratch::new("diff-packed");
    let packed = zstd::encode_all(BEFORE.as_bytes(), 1).unwrap();
    let a = scratch.file("a.jsonl.zst", &packed);
    let (code, out, err) = program::patchspan(&["diff", &a, "-"], &packed);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.ends_with("\nno difference\n"), "{out}");
}

#[test]
fn two_files_without_a_record_are_no_equal_runs() {
    let (code, out, err) = diff(&["/dev/null", "-"], "");
    assert_eq!((code, out.as_str()), (4, ""));
    assert!(err.contains("neither run has a record"), "{err}");
}
