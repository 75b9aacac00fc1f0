//! A small draw of the laboratory's scenarios, played, replayed and scored: `make accuracy` in a minute or two.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

/// Not one that the documentation's table rests on.
const SEED: &str = "7";

#[test]
#[ignore = "needs root and the laboratory"]
fn scenarios_drawn_from_a_seed_are_told_rightly_as_root() {
    let out = std::env::temp_dir().join(format!("patchspan-accuracy-{}", std::process::id()));
    let needs = Command::new("tools/needs").arg("lab").status().unwrap();
    assert!(needs.success(), "the laboratory cannot be installed");
    let played = Command::new("tools/accuracy")
        .arg(SEED)
        .env("PATCHSPAN", env!("CARGO_BIN_EXE_patchspan"))
        .env("SCALE", "0.1")
        .env("OUT", &out)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&played.stdout).into_owned();
    let messages = String::from_utf8_lossy(&played.stderr).into_owned();
    // Kept where it failed, to look into.
    assert!(
        played.status.success(),
        "{}: {told}{messages}",
        out.display()
    );
    assert!(
        told.contains("fetched") && told.contains("stored"),
        "{told}"
    );
    assert_eq!(captures_in(&out), 0, "captures are deleted");
    std::fs::remove_dir_all(out).unwrap();
}

fn captures_in(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| match path.is_dir() {
            true => captures_in(&path),
            false => usize::from(path.extension().is_some_and(|ending| ending == "pcap")),
        })
        .sum()
}
