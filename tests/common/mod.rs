//! What the tests on stored captures share: where the captures are, what `patchspan replay` says of one, and how a table of
//! exceptions is held against the differences found.

#![allow(dead_code, reason = "each test uses its part")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

/// A stored capture.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    /// File name without its endings: `apt` of `apt.pcap.zst`.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

impl Capture {
    /// What the programs in it said themselves.
    pub(crate) fn truth(&self) -> Value {
        let path = self
            .path
            .with_file_name(format!("{}.truth.json", self.name));
        let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"))
    }
}

/// Every stored capture, by name.
pub(crate) fn captures() -> Vec<Capture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pcaps");
    let mut found: Vec<Capture> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let (name, endings) = path.file_name()?.to_str()?.split_once('.')?;
            let name = endings.starts_with("pcap").then(|| name.to_owned())?;
            Some(Capture { name, path })
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!found.is_empty());
    found
}

/// What `patchspan replay` writes on standard output.
pub(crate) fn replay(path: &Path, flags: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patchspan"));
    let output = command
        .arg("replay")
        .args(flags)
        .arg(path)
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{path:?}: {complaints}");
    String::from_utf8(output.stdout).unwrap()
}

/// The lines of a replay as objects.
pub(crate) fn records(lines: &str) -> Vec<Value> {
    let parsed = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")));
    parsed.collect()
}

/// The records of one kind.
pub(crate) fn of_kind<'a>(records: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    records
        .iter()
        .filter(move |record| record["event_type"] == kind)
}

/// Text of a string, digits of a number, nothing of anything else.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// A capture and what is wrong with it.
pub(crate) type Difference = (String, String);

/// Runs `check` on every capture, two at a time, and gathers what it finds.
pub(crate) fn on_every_capture(check: impl Fn(&Capture) -> Vec<String> + Sync) -> Vec<Difference> {
    let captures = captures();
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(capture) = captures.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let differences = check(capture);
                    let differences = differences
                        .into_iter()
                        .map(|what| (capture.name.clone(), what));
                    found.lock().unwrap().extend(differences);
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    found.sort();
    found
}

/// Something that is different for a good reason: capture, what (`*` stands for anything), reason.
pub(crate) type Exception = (&'static str, &'static str, &'static str);

/// Every difference must stand in the table, and every exception must have happened.
pub(crate) fn assert_explained(found: &[Difference], exceptions: &[Exception]) {
    let is_explained = |difference: &&Difference| {
        exceptions
            .iter()
            .any(|exception| fits(difference, exception))
    };
    let unexplained = found.iter().filter(|difference| !is_explained(difference));
    let mut wrong: Vec<String> = unexplained
        .map(|(capture, what)| format!("{capture}: {what}"))
        .collect();
    let unused = exceptions
        .iter()
        .filter(|exception| !happened(found, exception));
    wrong
        .extend(unused.map(|(capture, what, _)| format!("{capture}: no longer different: {what}")));
    assert!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Whether an exception explains anything.
pub(crate) fn happened(found: &[Difference], exception: &Exception) -> bool {
    found.iter().any(|difference| fits(difference, exception))
}

fn fits((capture, what): &Difference, exception: &Exception) -> bool {
    matches(exception.0, capture) && matches(exception.1, what)
}

/// Whether `text` is `pattern`, in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(tail) = text.strip_prefix(head) else {
        return false;
    };
    (0..=tail.len()).any(|at| tail.get(at..).is_some_and(|end| matches(rest, end)))
}
