//! Any bytes as a message of DHCP for IPv4 and for IPv6: what is read lies within them, names are harmless, addresses are bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchspan::protocols::dhcp::{v4, v6};
use patchspan_fuzz::is_presentation;

/// The shortest message of each family.
const SHORTEST_V4: usize = 240;
const SHORTEST_V6: usize = 4;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = v4::Message::parse(bytes) {
        assert!(bytes.len() >= SHORTEST_V4);
        check_name(message.name.as_deref());
        check_part(bytes, message.parameters);
        check_part(bytes, message.vendor_class.unwrap_or_default());
        // What follows the end says nothing.
        let longer = [bytes, &[255, 53, 1, 1]].concat();
        let again = v4::Message::parse(&longer).expect("it is a message still");
        assert_eq!(again.mac, message.mac);
        assert_eq!(again.yours, message.yours);
    }
    if let Ok(message) = v6::Message::parse(bytes) {
        assert!(bytes.len() >= SHORTEST_V6);
        check_name(message.name.as_deref());
        assert!(message.leases.len() <= 16);
        assert!(message.transaction < 1 << 24);
        assert_eq!(message.peer.is_some(), message.is_relayed);
        check_part(bytes, message.parameters);
        check_part(bytes, message.client.unwrap_or_default());
        let within = |mac: [u8; 6]| bytes.windows(6).any(|window| window == mac);
        assert!(message.duid_mac().is_none_or(within));
        assert!(message.link.is_none_or(within));
    }
});

fn check_name(name: Option<&str>) {
    if let Some(name) = name {
        assert!(!name.is_empty() && name.len() <= 4 * 320);
        is_presentation(name);
    }
}

fn check_part(whole: &[u8], part: &[u8]) {
    let (whole, part) = (whole.as_ptr_range(), part.as_ptr_range());
    assert!(part.is_empty() || whole.start <= part.start && part.end <= whole.end);
}
