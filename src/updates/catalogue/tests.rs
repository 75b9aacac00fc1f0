//! The catalogue's rules, and the catalogue that comes with the program.

use super::tables::VendorFile;
use super::*;

fn file(text: &str) -> SourceFile {
    SourceFile {
        name: "test.toml".to_owned(),
        text: text.to_owned(),
    }
}

fn endpoint(id: &str, pattern: &str, role: &str) -> String {
    format!("[[product.endpoint]]\nid = \"{id}\"\npatterns = [\"{pattern}\"]\nrole = \"{role}\"\n")
}

fn catalogue(endpoints: &[String]) -> Result<Catalogue, Vec<CatalogueError>> {
    let head = "[vendor]\nid = \"v\"\n[[product]]\nid = \"p\"\ntitle = \"P\"\nsecurity = \"yes\"\n"
        .to_owned();
    Catalogue::from_files("test", &[file(&(head + &endpoints.concat()))])
}

fn rule<'c>(catalogue: &'c Catalogue, name: &str) -> Option<&'c str> {
    catalogue
        .find(name)
        .and_then(|id| catalogue.endpoint(id))
        .map(|endpoint| endpoint.rule.as_str())
}

#[test]
fn the_most_specific_pattern_wins() {
    let catalogue = catalogue(&[
        endpoint("suffix", "*.example.com", "check"),
        endpoint("longer", "*.dl.example.com", "download"),
        endpoint("glob", "dl*.example.com", "download"),
        endpoint("exact", "dl1.example.com", "ignore"),
    ])
    .unwrap();
    assert_eq!(rule(&catalogue, "dl1.example.com"), Some("v/p/exact"));
    assert_eq!(rule(&catalogue, "dl2.example.com"), Some("v/p/glob"));
    assert_eq!(rule(&catalogue, "a.dl.example.com"), Some("v/p/longer"));
    assert_eq!(rule(&catalogue, "a.b.example.com"), Some("v/p/suffix"));
    assert_eq!(rule(&catalogue, "example.com"), None);
}

#[test]
fn a_star_near_the_end_of_a_glob_is_found_as_well() {
    let catalogue = catalogue(&[
        endpoint("country", "www.example.co*", "check"),
        endpoint("any", "w*.example.com", "download"),
    ])
    .unwrap();
    assert_eq!(rule(&catalogue, "www.example.com"), Some("v/p/country"));
    assert_eq!(rule(&catalogue, "ww2.example.com"), Some("v/p/any"));
    assert_eq!(rule(&catalogue, "www.example.coop"), Some("v/p/country"));
}

#[test]
fn a_message_holds_nothing_that_a_terminal_would_obey() {
    let errors = catalogue(&[endpoint("a", "\\u001b[31m.example", "check")]).unwrap_err();
    assert!(errors[0].what.contains("\"?[31m.example\""), "{errors:?}");
}

#[test]
fn every_error_has_its_place() {
    let errors = catalogue(&[
        endpoint("a", "UPPER.example", "check"),
        endpoint("b", "b.example", "chek"),
        endpoint("c", "b.example", "check"),
    ])
    .unwrap_err();
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert!(
        texts[0].starts_with("test.toml:9:13: pattern \"UPPER.example\""),
        "{texts:?}"
    );
    assert!(
        texts[1].contains("role \"chek\"") && texts[1].contains("accepted is check, "),
        "{texts:?}"
    );
    assert!(texts[2].contains("stands in v/p/b already"), "{texts:?}");
    assert_eq!(texts.len(), 3, "{texts:?}");
}

#[test]
fn local_files_add_and_override() {
    let local = "[vendor]\nid = \"mozilla\"\n[[product]]\nid = \"firefox\"\ntitle = \"Our Firefox\"\nsecurity = \"yes\"\n"
        .to_owned()
        + &endpoint("check", "aus.example.org", "check")
        + "[[product]]\nid = \"own\"\ntitle = \"Own\"\nsecurity = \"no\"\n"
        + &endpoint("all", "download.windowsupdate.com", "ignore");
    let catalogue = Catalogue::with_local(&[file(&local)]).unwrap();
    assert_eq!(
        rule(&catalogue, "aus.example.org"),
        Some("mozilla/firefox/check")
    );
    assert_ne!(
        rule(&catalogue, "aus5.mozilla.org"),
        Some("mozilla/firefox/check"),
        "a rule is told anew as a whole"
    );
    let own = rule(&catalogue, "download.windowsupdate.com");
    assert_eq!(own, Some("mozilla/own/all"));
    let firefox = catalogue.find("aus.example.org").unwrap();
    assert_eq!(catalogue.product_of(firefox).unwrap().title, "Our Firefox");
    assert!(
        catalogue.find("swscan.apple.com").is_some(),
        "the rest stays"
    );
    let version = catalogue.version();
    assert!(version.starts_with(&format!("{}+local.", embedded::version())));
    let other = Catalogue::with_local(&[file(&local.replace("Our", "My"))]).unwrap();
    assert_ne!(other.version(), version);
}

#[test]
fn a_local_file_that_stands_twice_is_an_error() {
    let local = |id: &str| {
        let head = format!(
            "[vendor]\nid = \"{id}\"\n[[product]]\nid = \"p\"\ntitle = \"P\"\nsecurity = \"no\"\n"
        );
        file(&(head + &endpoint("e", "aus5.mozilla.org", "check")))
    };
    let errors = Catalogue::with_local(&[local("a"), local("b")]).unwrap_err();
    assert_eq!(errors.len(), 1);
    let errors = Catalogue::with_local(&[local("a"), local("a")]).unwrap_err();
    assert!(
        errors[0].what.contains("a second product a/p"),
        "{errors:?}"
    );
}

#[test]
fn an_example_that_leads_elsewhere_is_an_error() {
    let wrong = endpoint("a", "*.example.com", "check")
        + "examples = [\"a.example.net\"]\nnot = [\"b.example.com\"]\n";
    assert_eq!(catalogue(&[wrong]).unwrap_err().len(), 2);
}

#[test]
fn a_successor_keeps_the_ids_of_what_both_hold() {
    let [a, b, c, d] =
        ["a", "b", "c", "d"].map(|id| endpoint(id, &format!("{id}.example.com"), "check"));
    let moved = endpoint("b", "other.example.com", "download");
    let old = catalogue(&[a, b, c]).unwrap();
    let new = catalogue(&[d, moved]).unwrap().succeeding(&old);
    let of = |name: &str| old.find(name).unwrap();
    assert_eq!(new.find("other.example.com"), Some(of("b.example.com")));
    assert_eq!(
        new.endpoint(of("b.example.com")).unwrap().role,
        Role::Download
    );
    assert_eq!(new.find("a.example.com"), None, "it is gone");
    assert_eq!(
        new.endpoint(of("a.example.com")).unwrap().rule,
        old.endpoint(of("a.example.com")).unwrap().rule,
        "what is open under it stays what it was"
    );
    let added = new.find("d.example.com").unwrap();
    assert_eq!(added.0 as usize, old.len());
    assert_eq!(new.product_of(added).unwrap().id, old.products[0].id);
}

#[test]
fn the_embedded_catalogue_is_what_its_files_say() {
    let read = |file: SourceFile| toml::from_str::<VendorFile>(&file.text).unwrap();
    let read: Vec<VendorFile> = embedded::files().into_iter().map(read).collect();
    assert_eq!(embedded::tables(), read);
}

#[test]
fn the_embedded_catalogue_is_whole() {
    let catalogue = Catalogue::embedded().unwrap_or_else(|errors| panic!("{}", errors[0]));
    assert!(catalogue.len() > 50);
    assert_eq!(
        rule(&catalogue, "aus5.mozilla.org"),
        Some("mozilla/firefox/check")
    );
    assert_eq!(
        rule(&catalogue, "download.windowsupdate.com"),
        Some("microsoft/windows-update/download")
    );
    let revocation = catalogue
        .find("ctldl.windowsupdate.com")
        .and_then(|id| catalogue.endpoint(id))
        .unwrap();
    assert_eq!(revocation.role, Role::Revocation);
    let mirror = catalogue
        .find("ftp.jp.debian.org")
        .and_then(|id| catalogue.endpoint(id))
        .unwrap();
    assert_eq!(
        mirror.role_for(Some(b"/debian/dists/bookworm/InRelease"), None),
        RoleOf {
            role: Role::Check,
            by_path: true,
            by_volume: false,
            endpoint: None
        }
    );
    assert_eq!(
        mirror.role_for(Some(b"/debian/pool/main/c/curl/curl.deb"), None),
        RoleOf {
            role: Role::Download,
            by_path: true,
            by_volume: false,
            endpoint: None
        }
    );
}

/// A file with every key.
const WHOLE: &str = r#"[vendor]
id = "v"
title = "V"
[[product]]
id = "p"
title = "P"
platform = "cross"
security = "mixed"
check_interval = "22h"
release_cadence = "monthly"
overdue_after = "14d"
typical_check_bytes = 80_000
typical_download_bytes = 3_000_000
download_threshold = 1_000
[[product.endpoint]]
id = "a"
patterns = ["a.example.com", "d*.example.com", "*.example.net"]
role = "check"
transport = "http"
by_volume = true
shared_host = false
alternatives = ["w/q"]
examples = ["a.example.com"]
not = ["example.net"]
paths = [{ path = "/d/*", role = "download" }, { agent = "A/*", role = "check", rule = "v/p/b" }]
source = "seen"
verified = "2026-11-20"
notes = "n"
[[product.endpoint]]
id = "b"
patterns = []
role = "check"
examples = ["a.example.com / A/1"]
"#;

#[test]
fn every_prefix_and_every_changed_byte_is_harmless() {
    let read = |text: &str| {
        let read = Catalogue::from_files("test", &[file(text)]);
        let errors = read.err().unwrap_or_default();
        let lines = text.matches('\n').count() + 1;
        let has_place = |error: &CatalogueError| (1..=lines).contains(&error.line);
        assert!(errors.iter().all(has_place), "{errors:?}");
    };
    assert!(Catalogue::from_files("test", &[file(WHOLE)]).is_ok());
    for length in 0..WHOLE.len() {
        read(&WHOLE[..length]);
    }
    for at in 0..WHOLE.len() {
        let byte = WHOLE.as_bytes()[at];
        for value in [0, b'"', b'[', b'\n', b'*', b'.', 0x7f, byte ^ 1] {
            let mut changed = WHOLE.to_owned().into_bytes();
            changed[at] = value;
            read(&String::from_utf8(changed).unwrap());
        }
    }
}

#[test]
fn an_id_is_what_records_and_rules_can_hold() {
    let with = |vendor: &str| {
        let file = SourceFile {
            name: "v.toml".to_owned(),
            text: format!("[vendor]\nid = \"{vendor}\"\n"),
        };
        Catalogue::from_files("test", &[file])
    };
    assert!(with("7-zip_x.y").is_ok());
    for wrong in [
        "",
        "-a",
        "A",
        "a b",
        "a\\nb",
        "a/b",
        "\u{e9}",
        &"a".repeat(65),
    ] {
        let errors = with(wrong).unwrap_err();
        assert!(
            errors[0].to_string().starts_with("v.toml:2:6: id "),
            "{errors:?}"
        );
    }
}
