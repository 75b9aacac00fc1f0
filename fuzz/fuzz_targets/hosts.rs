//! Any text as a list of hosts: every row is found by what it says, or every error has its line.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use patchspan::config::hosts::{Host, HostList};
use patchspan::types::Timestamp;
use patchspan_fuzz::is_harmless;

fuzz_target!(|text: &str| match HostList::parse(text, Path::new("h")) {
    Ok(list) => list.hosts().iter().for_each(|host| check(&list, host)),
    Err(errors) => {
        assert!((1..=100).contains(&errors.errors.len()));
        is_harmless(&errors.to_string());
        let lines = text.lines().count() as u64 + 1;
        assert!(errors.errors.iter().all(|error| error.line <= lines));
    }
});

fn check(list: &HostList, host: &Host) {
    assert!(!host.id.is_empty() && (host.prefix.is_some() || host.mac.is_some()));
    let at = host
        .valid_from
        .unwrap_or_else(|| Timestamp::from_nanos(i64::MIN));
    if host.valid_until.is_some_and(|until| until <= at) {
        return;
    }
    // Another row may say more of this address, but somebody is always found.
    if let Some(prefix) = host.prefix {
        assert!(list.find(prefix.addr(), None, at).is_some(), "{host:?}");
        assert!(
            list.find(prefix.broadcast(), host.mac, at).is_some(),
            "{host:?}"
        );
    }
    if host.mac.is_some() {
        let found = list
            .find([192, 0, 2, 1].into(), host.mac, at)
            .expect("found by its MAC");
        assert_eq!(found.mac, host.mac);
    }
}
