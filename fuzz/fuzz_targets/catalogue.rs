//! Any texts as catalogue files: every error has its place, also those of the audit, and in a catalogue that is whole every pattern leads somewhere.
//!
//! Input: files, with a NUL between them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchspan::updates::catalogue::audit::audit;
use patchspan::updates::catalogue::{Catalogue, CatalogueError, SourceFile};
use patchspan_fuzz::{is_harmless, line};

/// Larger inputs make patterns with the same ending slow to add, and show nothing new.
const LARGEST: usize = 32 * 1024;

fuzz_target!(|text: &str| {
    if text.len() > LARGEST {
        return;
    }
    let texts: Vec<&str> = text.split('\0').collect();
    let files: Vec<SourceFile> = texts
        .iter()
        .enumerate()
        .map(|(number, text)| SourceFile {
            name: format!("{number}.toml"),
            text: (*text).to_owned(),
        })
        .collect();
    if let Err(errors) = audit(&files) {
        errors.iter().for_each(|error| check_error(error, &files));
    }
    match Catalogue::from_files("fuzz", &files) {
        Ok(catalogue) => {
            let patterns = texts.iter().flat_map(|text| patterns(text));
            patterns.for_each(|pattern| check_pattern(&catalogue, &pattern));
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            errors.iter().for_each(|error| check_error(error, &files));
        }
    }
});

/// A name that a pattern is meant for leads to an endpoint: this one, or one with a pattern that says more.
fn check_pattern(catalogue: &Catalogue, pattern: &str) {
    let name = pattern.replace('*', "x");
    let endpoint = catalogue.find(&name).and_then(|id| catalogue.endpoint(id));
    let endpoint = endpoint.unwrap_or_else(|| panic!("{pattern} cannot be reached"));
    let by_path = endpoint.role_for(Some(b"/a/b.cab?c"), Some(b"agent/1"));
    assert!(by_path.by_path || by_path.role == endpoint.role);
    assert!(catalogue.product(endpoint.product).is_some());
    line(|line| line.text("rule", &endpoint.rule));
}

fn patterns(text: &str) -> Vec<String> {
    let table: toml::Table = text.parse().expect("read before");
    let list = |value: Option<&toml::Value>| {
        value
            .and_then(toml::Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let products = list(table.get("product"));
    let endpoints = products
        .iter()
        .flat_map(|product| list(product.get("endpoint")));
    let patterns = endpoints.flat_map(|endpoint| list(endpoint.get("patterns")));
    patterns
        .filter_map(|pattern| pattern.as_str().map(str::to_owned))
        .collect()
}

fn check_error(error: &CatalogueError, files: &[SourceFile]) {
    is_harmless(&error.to_string());
    let file = files
        .iter()
        .find(|file| file.name == error.file)
        .expect("one of the files");
    let lines = file.text.matches('\n').count() + 1;
    assert!((1..=lines).contains(&error.line) && error.column >= 1);
    assert!(!error.what.is_empty());
}
