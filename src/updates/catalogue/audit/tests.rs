use super::*;

/// Two rules beside each other, with nothing wrong.
const GOOD: &str = r#"[vendor]
id = "v"
[[product]]
id = "p"
title = "P"
security = "yes"
[[product.endpoint]]
id = "a"
patterns = ["a*.example.com"]
role = "check"
paths = [{ path = "/x/*.cab", role = "download" }, { agent = "A/*", role = "check" }]
alternatives = ["v/p"]
examples = ["ab.example.com"]
not = ["b.example.com"]
source = "unsourced"
verified = "never"
[[product.endpoint]]
id = "b"
patterns = ["b.example.com"]
role = "download"
examples = ["b.example.com"]
not = ["ab.example.com"]
source = "seen"
verified = "2026-11-20"
"#;

fn file(text: &str) -> SourceFile {
    SourceFile {
        name: "v.toml".to_owned(),
        text: text.to_owned(),
    }
}

/// The errors of the good file after a change.
fn errors(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "{from}");
    let errors = audit(&[file(&GOOD.replace(from, to))]).unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn only(from: &str, to: &str, expected: &str) {
    let errors = errors(from, to);
    assert!(
        errors.len() == 1 && errors[0].contains(expected),
        "{errors:?}"
    );
}

#[test]
fn good_files_are_counted() {
    let figures = audit(&[file(GOOD)]).unwrap();
    let expected = Figures {
        files: 1,
        products: 1,
        endpoints: 2,
        patterns: 2,
        paths: 2,
        claims: 4,
        never_verified: 1,
        unsourced: 1,
    };
    assert_eq!(figures, expected);
}

#[test]
fn what_nothing_reaches_is_told_with_its_place() {
    only(
        "{ agent = \"A/*\"",
        "{ path = \"/x/y/*.cab\", agent = \"A/*\"",
        "v.toml:11:61: unreachable: entry 1 of these paths catches all of it",
    );
    let unnamed = errors("patterns = [\"b.example.com\"]", "patterns = []");
    assert!(
        unnamed[0].starts_with("v.toml:18:6: unreachable: no pattern and no rule leads"),
        "{unnamed:?}"
    );
}

#[test]
fn a_wider_entry_behind_a_narrow_one_is_reached() {
    let wider = GOOD.replace("{ agent = \"A/*\"", "{ path = \"/x/*\"");
    assert!(audit(&[file(&wider)]).is_ok());
    let other = GOOD.replace(
        "{ path = \"/x/*.cab\"",
        "{ path = \"/x/*.cab\", agent = \"B/*\"",
    );
    let other = other.replace("{ agent = \"A/*\"", "{ path = \"/x/y.cab\"");
    assert!(audit(&[file(&other)]).is_ok());
}

#[test]
fn what_another_rule_always_wins_is_told() {
    let covered = errors(
        "[\"b.example.com\"]\nrole",
        "[\"b.example.com\", \"a**.example.com\"]\nrole",
    );
    assert!(
        covered
            .iter()
            .any(|error| error.contains("shadowed: \"a*.example.com\" of v/p/a never wins")),
        "{covered:?}"
    );
    let twice = errors(
        "patterns = [\"b.example.com\"]\nrole = \"download\"",
        "patterns = [\"b.example.com\", \"a*.example.com\"]\nrole = \"check\"",
    );
    assert!(
        twice
            .iter()
            .any(|error| error
                .contains("shadowed: pattern \"a*.example.com\" stands in v/p/a already")),
        "{twice:?}"
    );
    let roles = errors(
        "patterns = [\"b.example.com\"]",
        "patterns = [\"b.example.com\", \"a*.example.com\"]",
    );
    assert!(
        roles
            .iter()
            .any(|error| error.contains("contradictory: pattern")
                && error.contains("as check, and here as download")),
        "{roles:?}"
    );
}

#[test]
fn what_contradicts_itself_is_told() {
    only(
        "[\"v/p\"]",
        "[\"v/q\"]",
        "contradictory: there is no product v/q",
    );
    let both = errors("not = [\"ab.example.com\"]", "not = [\"b.example.com\"]");
    assert!(
        both.iter()
            .any(|error| error.contains("contradictory: b.example.com is an example too")),
        "{both:?}"
    );
    let two = errors(
        "examples = [\"b.example.com\"]",
        "examples = [\"b.example.com\", \"ab.example.com\"]",
    );
    assert!(
        two.iter()
            .any(|error| error.contains("ab.example.com is an example of v/p/a too")),
        "{two:?}"
    );
}

#[test]
fn a_rule_without_proof_is_told() {
    only(
        "examples = [\"b.example.com\"]\n",
        "",
        "v.toml:18:6: no `examples` line",
    );
    only(
        "not = [\"ab.example.com\"]\n",
        "",
        "no `not` line: other rules stand under example.com too",
    );
    only("source = \"seen\"\n", "", "no `source`");
    only("verified = \"2026-11-20\"\n", "", "no `verified`");
    only(
        "2026-11-20",
        "2026-11-31",
        "accepted is a day such as 2026-11-28, or never",
    );
}

#[test]
fn an_example_may_hold_a_path_and_an_agent() {
    let path = GOOD.replace(
        "[\"ab.example.com\"]\nnot = [\"b",
        "[\"ab.example.com /x/a.cab\", \"ab.example.com / A/1 B\"]\nnot = [\"b",
    );
    assert!(audit(&[file(&path)]).is_ok());
}

#[test]
fn local_files_answer_for_themselves_alone() {
    let figures = audit_local(&[file(GOOD)]).unwrap();
    assert_eq!((figures.files, figures.endpoints), (1, 2));
    let lonely = GOOD.replace("v/p", "mozilla/firefox");
    assert!(audit_local(&[file(&lonely)]).is_ok(), "a shipped product");
    let errors = audit_local(&[file(&GOOD.replace("v/p", "mozilla/none"))]).unwrap_err();
    assert_eq!((errors.len(), errors[0].file.as_str()), (1, "v.toml"));
}

#[test]
fn owners_are_told_apart_below_countries() {
    let of = |text: &str| registrable(&NamePattern::parse(text).unwrap());
    assert_eq!(of("a.b.example.co.jp"), "example.co.jp");
    assert_eq!(of("*.example.com"), "example.com");
    assert_eq!(of("www.heise.de"), "heise.de");
}
