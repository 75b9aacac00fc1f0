//! Any bytes as a message of ARP and of neighbour discovery: what is read lies within them, and nothing behind them matters.
//!
//! Input: type and code of an ICMPv6 message (2 bytes), then the message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchspan::protocols::neighbour::{Arp, Discovery};
use patchspan_fuzz::Pieces;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Pieces(bytes);
    let (kind, code) = (input.byte(), input.byte());
    let message = input.rest();
    let within = |mac: &[u8; 6]| message.windows(6).any(|window| window == mac);
    if let Ok(arp) = Arp::parse(message) {
        assert!(within(&arp.sender_mac));
        let padded = [message, &[0xff; 18]].concat();
        assert_eq!(Arp::parse(&padded), Ok(arp));
    }
    match Discovery::parse(kind, code, message) {
        Ok(None) => assert!(!(133..=136).contains(&kind)),
        Ok(Some(read)) => {
            assert!((133..=136).contains(&kind) && code == 0);
            let link = match read {
                Discovery::RouterSolicitation { link }
                | Discovery::RouterAdvertisement { link, .. } => link,
                Discovery::Solicitation { target, link }
                | Discovery::Advertisement { target, link, .. } => {
                    assert!(!target.is_multicast() && !target.is_unspecified());
                    link
                }
            };
            assert!(link.as_ref().is_none_or(within));
        }
        Err(_) => {}
    }
});
