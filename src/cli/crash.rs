//! What a crash says of itself.

use std::panic::{Location, set_hook};

/// From now on a panic tells where it happened, and not with what: its message may quote bytes of a packet, and those hold addresses
/// that pseudonyms stand for.
pub(super) fn tell_place_only(say: impl Fn(String) + Send + Sync + 'static) {
    set_hook(Box::new(move |panic| {
        let place = panic.location().map(Location::to_string);
        let place = place.unwrap_or_else(|| "an unknown place".to_owned());
        say(format!(
            "internal error at {place}; its text is left out, as it may quote a packet"
        ));
    }));
}

#[cfg(test)]
mod tests {
    use std::panic::{catch_unwind, take_hook};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_crash_quotes_no_address() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        let before = take_hook();
        tell_place_only(move |text| heard.lock().unwrap().push(text));
        let crashed = catch_unwind(|| panic!("192.0.2.20 is not a name"));
        set_hook(before);
        assert!(crashed.is_err());
        let said = said.lock().unwrap().join(" ");
        assert!(said.contains("src/cli/crash.rs:"), "{said}");
        assert!(!said.contains("192.0.2.20"), "{said}");
    }
}
