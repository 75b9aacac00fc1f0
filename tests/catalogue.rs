//! The catalogue that comes with the program, against names and requests of real clients, and the commands that look into it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/program.rs"]
mod program;

use std::path::Path;

use patchspan::updates::Catalogue;
use patchspan::updates::catalogue::audit::audit;
use patchspan::updates::catalogue::{Role, embedded};
use program::Scratch;

/// Names that are no update servers; the file says where they come from.
const NO_UPDATES: &str = include_str!("catalogue/no-updates.txt");
/// What clients ask for, and what it means: rule, role, then name, path and User-Agent.
const CONTACTS: &str = include_str!("catalogue/contacts.txt");

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Rule and role of a contact.
fn told(catalogue: &Catalogue, contact: &str) -> Option<(String, Role)> {
    let mut parts = contact.splitn(3, ' ');
    let id = catalogue.find(parts.next()?)?;
    let (path, agent) = (parts.next(), parts.next());
    let named = catalogue.endpoint(id)?;
    let told = named.role_for(path.map(str::as_bytes), agent.map(str::as_bytes));
    let meant = catalogue.endpoint(told.endpoint.unwrap_or(id))?;
    Some((meant.rule.clone(), told.role))
}

#[test]
fn the_shipped_rules_are_reached_proven_and_free_of_contradictions() {
    let figures = audit(&embedded::files()).unwrap_or_else(|errors| panic!("{errors:#?}"));
    assert!(
        figures.endpoints > 650 && figures.patterns > 1_100,
        "{figures:?}"
    );
}

#[test]
fn names_that_are_no_update_servers_match_no_check_and_no_download() {
    let catalogue = Catalogue::embedded().unwrap();
    let names: std::collections::BTreeSet<&str> = lines(NO_UPDATES).collect();
    assert!(names.len() >= 2_000, "{}", names.len());
    assert!(names.iter().filter(|name| name.contains("update")).count() >= 40);
    let wrong: Vec<_> = names
        .iter()
        .filter_map(|name| Some((name, told(&catalogue, name)?)))
        .filter(|(_, (_, role))| matches!(role, Role::Check | Role::Download))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_clients_ask_for_leads_to_the_right_product_and_role() {
    let catalogue = Catalogue::embedded().unwrap();
    let mut wrong = Vec::new();
    for line in lines(CONTACTS) {
        let mut parts = line.splitn(3, ' ');
        let (rule, role) = (parts.next().unwrap(), parts.next().unwrap());
        let contact = parts.next().unwrap();
        let told = told(&catalogue, contact);
        let said = told.map(|(rule, role)| format!("{rule} {role}"));
        if said.as_deref() != Some(&format!("{rule} {role}")) {
            wrong.push(format!("{contact}: {said:?}, not {rule} {role}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_several_products_share_is_unknown_until_a_path_tells() {
    let catalogue = Catalogue::embedded().unwrap();
    for name in [
        "dl.google.com",
        "r4---sn-oguesnde.gvt1.com",
        "github.com",
        "ftp.jaist.ac.jp",
        "download.microsoft.com",
        "2.tlu.dl.delivery.mp.microsoft.com",
    ] {
        let id = catalogue.find(name).unwrap();
        let endpoint = catalogue.endpoint(id).unwrap();
        assert_eq!(catalogue.product_of(id).unwrap().id, "unknown", "{name}");
        assert!(
            endpoint.shared_host && !endpoint.alternatives.is_empty(),
            "{name}"
        );
    }
}

/// A directory with one catalogue file.
fn own(test: &str, text: &str) -> Scratch {
    let scratch = Scratch::new(&format!("catalogue-{test}"));
    scratch.file("own.toml", text);
    scratch
}

fn patchspan(arguments: &[&str], input: &str) -> (i32, String, String) {
    program::patchspan(&[&["catalogue"], arguments].concat(), input.as_bytes())
}

const OWN: &str = r#"[vendor]
id = "own"
[[product]]
id = "tool"
title = "Tool"
security = "yes"
check_interval = "12h"
[[product.endpoint]]
id = "check"
patterns = ["tool.example.org", "aus5.mozilla.org"]
role = "check"
examples = ["tool.example.org"]
not = ["aus2.mozilla.org"]
source = "our own server"
verified = "2026-11-20"
"#;

#[test]
fn check_tells_every_error_with_its_place_and_it_is_3() {
    let (code, out, err) = patchspan(&["check"], "");
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains(": no errors\n"), "{out}");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogue");
    let (code, out, err) = patchspan(&["check", "--alone", sources.to_str().unwrap()], "");
    assert_eq!((code, err.as_str()), (0, ""), "{out}");

    let good = own("good", OWN);
    let directory = good.0.to_str().unwrap();
    let (code, out, err) = patchspan(&["check", directory], "");
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.contains("1 files, 1 products, 1 rules with 2 patterns"),
        "{out}"
    );

    let text = OWN
        .replace("examples = [\"tool.example.org\"]\n", "")
        .replace("2026-11-20", "soon");
    let bad = own("bad", &text);
    let directory = bad.0.to_str().unwrap();
    let (code, out, err) = patchspan(&["check", directory], "");
    assert_eq!((code, out.as_str()), (3, ""));
    let file = format!("{directory}/own.toml");
    assert!(
        err.contains(&format!("{file}:9:6: no `examples` line")),
        "{err}"
    );
    assert!(
        err.contains(&format!(
            "{file}:14:12: verified \"soon\"; accepted is a day"
        )),
        "{err}"
    );
    let (code, _, err) = patchspan(&["check", "/nonexistent"], "");
    assert_eq!(code, 3);
    assert!(err.contains("/nonexistent: cannot be read"), "{err}");
}

#[test]
fn what_path_and_agent_tell_of_a_name_that_is_unknown_is_said() {
    let path = "/fedora/linux/updates/42/x/curl.x86_64.rpm";
    let asked = |agent: &str| {
        let flags = [
            "match",
            "mirror.example.net",
            "--path",
            path,
            "--agent",
            agent,
        ];
        patchspan(&flags, "").1
    };
    let told = asked("libdnf (Fedora Linux 42; server; Linux.x86_64)");
    assert!(
        told.starts_with("mirror.example.net: fedora/dnf/check, download\n"),
        "{told}"
    );
    assert!(
        told.contains("\n  by path and User-Agent: the catalogue does not know the name\n"),
        "{told}"
    );
    assert_eq!(asked("curl/8.5"), "mirror.example.net: no rule\n");
}

#[test]
fn match_tells_the_rule_and_why() {
    let (code, out, err) = patchspan(&["match", "CTLDL.windowsupdate.com."], "");
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.starts_with("ctldl.windowsupdate.com: microsoft/windows-update/revocation, revocation\n  by the exact name ctldl.windowsupdate.com of "),
        "{out}"
    );
    assert!(
        out.contains("before the suffix *.windowsupdate.com of microsoft/windows-update/download"),
        "{out}"
    );
    let list = "# names\nedgedl.me.gvt1.com /edgedl/chromeos/x.bin\n\nwww.example.org\n";
    let (code, out, _) = patchspan(&["match", "-", "--json"], list);
    assert_eq!(code, 0);
    let found: Vec<serde_json::Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let first = &found[0]["catalogue_match"];
    assert_eq!(
        (&first["rule"], &first["role"], &first["named_rule"]),
        (
            &"google/chromeos/files".into(),
            &"download".into(),
            &"google/unknown/files".into()
        )
    );
    assert!(found[1]["catalogue_match"].get("rule").is_none());
    assert_eq!(found.len(), 2);
    let (code, _, err) = patchspan(&["match", "n\u{e4}me"], "");
    assert_eq!(code, 2);
    assert!(err.contains("is no name"), "{err}");
}

#[test]
fn a_local_directory_adds_and_overrides() {
    let own = own("local", OWN);
    let directory = own.0.to_str().unwrap();
    let (code, out, _) = patchspan(
        &[
            "match",
            "--catalogue",
            directory,
            "aus5.mozilla.org",
            "aus2.mozilla.org",
        ],
        "",
    );
    assert_eq!(code, 0);
    assert!(out.contains("aus5.mozilla.org: own/tool/check"), "{out}");
    assert!(
        out.contains("aus2.mozilla.org: mozilla/firefox/check"),
        "{out}"
    );
    let (_, out, _) = patchspan(&["show", "own", "--catalogue", directory], "");
    assert!(
        out.starts_with("own/tool  Tool (cross, security: yes); asks every 12h\n"),
        "{out}"
    );
}

#[test]
fn show_lists_rules_and_those_that_nobody_saw_of_late() {
    let (code, out, err) = patchspan(&["show", "mozilla"], "");
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.contains("mozilla/firefox  Firefox (cross, security: yes); asks every 6h"),
        "{out}"
    );
    let (_, all, _) = patchspan(&["show", "--json"], "");
    let (_, stale, _) = patchspan(&["show", "--json", "--stale", "30"], "");
    assert!(all.lines().count() >= stale.lines().count() && stale.lines().count() > 0);
    for line in all.lines() {
        let rule: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(rule["catalogue_rule"]["source"].is_string(), "{line}");
    }
    let (code, _, err) = patchspan(&["show", "nobody"], "");
    assert_eq!(
        (code, err.as_str()),
        (2, "patchspan: the catalogue has no nobody\n")
    );
}
