//! Two runs against each other.

use serde_json::json;

use super::*;

fn run(lines: &[Value]) -> Run {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    Run::read(text.as_bytes()).unwrap()
}

fn diff(first: &[Value], second: &[Value]) -> Diff {
    Diff::between(&run(first), &run(second))
}

fn flow(id: u64, port: u16, start: &str, bytes: u64) -> Value {
    json!({"event_type": "flow", "flow_id": id, "src_ip": "192.0.2.1", "src_port": port, "dest_ip": "192.0.2.2", "dest_port": 443,
        "proto": "TCP", "flow": {"start": start, "bytes_toclient": bytes}})
}

fn http(flow_id: u64, time: &str, url: &str) -> Value {
    json!({"event_type": "http", "timestamp": time, "flow_id": flow_id, "http": {"url": url}})
}

#[test]
fn a_run_equals_itself_in_any_order() {
    let (one, other) = (flow(1, 5000, "a", 10), flow(2, 5001, "b", 10));
    let diff = diff(&[one.clone(), other.clone()], &[other, one]);
    assert!(diff.is_empty());
    assert_eq!(diff.kinds[0].1.equal, 2);
}

#[test]
fn records_of_one_flow_are_paired_and_their_fields_compared() {
    let diff = diff(&[flow(1, 5000, "a", 10)], &[flow(1, 5000, "a", 12)]);
    let (kind, flows) = &diff.kinds[0];
    assert_eq!(
        (kind.as_str(), flows.equal, flows.differing),
        ("flow", 0, 1)
    );
    let fields = flows.fields.sorted();
    assert_eq!((fields.len(), fields[0].0), (1, "flow.bytes_toclient"));
    assert!(flows.fallbacks.is_empty() && !diff.is_empty());
}

#[test]
fn other_ids_fall_back_to_the_five_tuple_and_the_start() {
    let first = [flow(1, 5000, "a", 10), flow(2, 5000, "b", 20)];
    let second = [flow(8, 5000, "b", 20), flow(9, 5000, "a", 10)];
    let diff = diff(&first, &second);
    let flows = &diff.kinds[0].1;
    assert_eq!(
        flows.fallbacks.iter().collect::<Vec<_>>(),
        [(&"5-tuple and time", &2)]
    );
    let fields: Vec<_> = flows
        .fields
        .sorted()
        .iter()
        .map(|(path, field)| (path.to_string(), field.pairs))
        .collect();
    assert_eq!(fields, [("flow_id".to_owned(), 2)]);
}

#[test]
fn a_missing_record_does_not_shift_the_others_of_its_flow() {
    let all = [http(1, "1", "/a"), http(1, "2", "/b"), http(1, "3", "/c")];
    let fewer = [http(1, "1", "/a"), http(1, "3", "/x")];
    let diff = diff(&all, &fewer);
    let (_, http) = &diff.kinds[0];
    assert_eq!((http.equal, http.differing), (1, 1));
    assert_eq!(
        (http.only_first.as_slice(), http.only_second.as_slice()),
        (&[2][..], &[][..])
    );
    assert_eq!(http.fields.sorted()[0].1.examples[0].first_line, 3);
}

#[test]
fn accesses_are_paired_by_id_and_revision() {
    let access = |rev: u64, verdict: &str| json!({"event_type": "update", "update": {"id": "00", "rev": rev, "verdict": verdict}});
    let first = [access(1, "downloading"), access(2, "downloaded")];
    let second = [access(2, "partial"), access(1, "downloading")];
    let diff = diff(&first, &second);
    let updates = &diff.kinds[0].1;
    assert_eq!((updates.equal, updates.differing), (1, 1));
    assert_eq!(updates.fields.sorted()[0].0, "update.verdict");
}

#[test]
fn doubled_lines_are_counted_one_by_one() {
    let one = flow(1, 5000, "a", 10);
    let diff = diff(&[one.clone(), one.clone()], &[one]);
    let flows = &diff.kinds[0].1;
    assert_eq!((flows.equal, flows.only_first.len()), (1, 1));
}

#[test]
fn kinds_come_in_the_order_of_records_and_unknown_ones_last() {
    let lines =
        ["zebra", "update", "dns"].map(|kind| json!({"event_type": kind, "timestamp": "1"}));
    let kinds: Vec<_> = diff(&lines, &[])
        .kinds
        .into_iter()
        .map(|(kind, _)| kind)
        .collect();
    assert_eq!(kinds, ["dns", "update", "zebra"]);
}

#[test]
fn another_order_of_keys_is_no_difference() {
    let first =
        Run::read(&b"{\"event_type\":\"dns\",\"timestamp\":\"1\",\"flow_id\":1}\n"[..]).unwrap();
    let second =
        Run::read(&b"{\"flow_id\":1, \"timestamp\":\"1\", \"event_type\":\"dns\"}"[..]).unwrap();
    assert!(Diff::between(&first, &second).is_empty());
}

#[test]
fn lines_that_are_no_object_are_told_and_left_out() {
    let run = Run::read(&b"{}\n[1]\n\nnull\n\xff\n{\"a\":1}"[..]).unwrap();
    assert_eq!(
        run.entries
            .iter()
            .map(|entry| entry.line)
            .collect::<Vec<_>>(),
        [1, 6]
    );
    let starts = [
        "2: no JSON object: a list",
        "3: no JSON object: EOF",
        "4: no JSON object: a bare word",
        "5: no JSON object: invalid utf-8",
    ];
    for (problem, start) in run.problems.iter().zip(starts) {
        assert!(problem.starts_with(start), "{problem}");
    }
    assert_eq!(run.problems.len(), 4);
    let many = Run::read("x\n".repeat(50).as_bytes()).unwrap();
    assert_eq!((many.problems.len(), many.untold), (20, 30));
}

#[test]
fn twenty_thousand_records_of_one_flow_are_compared_at_once() {
    let first: Vec<_> = (0..20_000)
        .map(|n| http(1, "t", &format!("/{n}")))
        .collect();
    let second: Vec<_> = (0..20_000)
        .map(|n| http(1, "t", &format!("/x{n}")))
        .collect();
    let started = std::time::Instant::now();
    assert_eq!(diff(&first, &second).kinds[0].1.differing, 20_000);
    assert!(
        started.elapsed().as_secs() < 20,
        "the work must not grow with the square"
    );
}

#[test]
fn counters_are_paired_by_their_time() {
    let stats = |time: &str, packets: u64| json!({"event_type": "stats", "timestamp": time, "stats": {"pkts": packets}});
    let diff = diff(
        &[stats("1", 5), stats("2", 6)],
        &[stats("2", 7), stats("3", 8)],
    );
    let (_, stats) = &diff.kinds[0];
    assert_eq!(
        (
            stats.differing,
            stats.only_first.len(),
            stats.only_second.len()
        ),
        (1, 1, 1)
    );
    let report = diff.report(["a", "b"]);
    assert!(
        report.contains("stats.pkts: 1 differ") && !report.contains("paired by"),
        "{report}"
    );
}

#[test]
fn a_report_tells_what_was_paired_without_an_id() {
    let diff = diff(&[flow(1, 5000, "a", 10)], &[flow(2, 5000, "a", 10)]);
    assert!(
        diff.report(["a", "b"])
            .contains("1 of them paired by 5-tuple and time")
    );
}
