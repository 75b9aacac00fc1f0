//! Any text as a configuration: right, or every error at its place.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use patchspan::config::Config;
use patchspan_fuzz::is_harmless;

fuzz_target!(|text: &str| {
    let Err(errors) = Config::parse(text, Path::new("c")) else {
        return;
    };
    assert!(!errors.errors.is_empty());
    let places = errors.errors.iter().map(|error| error.place);
    assert!(places.clone().is_sorted());
    let lines = text.matches('\n').count() + 1;
    assert!(
        places
            .flatten()
            .all(|(line, column)| line <= lines && column >= 1)
    );
    is_harmless(&errors.to_string());
});
