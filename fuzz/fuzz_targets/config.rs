//! Any text as a configuration and as a list of hosts: right, or every error on a line of its own.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use patchspan::config::Config;
use patchspan::config::hosts::HostList;

fuzz_target!(|text: &str| {
    if let Err(errors) = Config::parse(text, Path::new("c")) {
        assert!(!errors.errors.is_empty());
        let places = errors.errors.iter().map(|error| error.place);
        assert!(places.is_sorted());
        is_harmless(&errors.to_string());
    }
    match HostList::parse(text, Path::new("h")) {
        Ok(list) => {
            for host in list.hosts() {
                assert!(!host.id.is_empty());
            }
        }
        Err(errors) => is_harmless(&errors.to_string()),
    }
});

/// Nothing that a terminal would obey.
fn is_harmless(message: &str) {
    assert!(!message.chars().any(|c| c.is_control() && c != '\n'));
}
