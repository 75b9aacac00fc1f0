//! Any bytes as a DNS message, a name, a URL and a text under pseudonyms: what comes out is bounded, and holds no client's address where one was
//! read, nor one within an encoded text, whatever stands around it.
#![no_main]

use std::sync::OnceLock;

use data_encoding::{BASE32_NOPAD, BASE32HEX_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use libfuzzer_sys::fuzz_target;
use patchspan::protocols::dns::{Data, Message};
use patchspan::pseudonyms::{Clients, Key, Pseudonyms};
use patchspan::types::Fqdn;

/// A text grows by at most so much: a label of 18 bytes for one byte before a domain, an address of 39 for one of 3.
const GROWTH: usize = 20;

static PSEUDONYMS: OnceLock<Pseudonyms> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let pseudonyms = PSEUDONYMS.get_or_init(pseudonyms);
    for rewritten in [
        pseudonyms.text(bytes, &|_| false),
        pseudonyms.url(bytes, &|_| false),
        pseudonyms.host(bytes, &|_| false),
    ] {
        let length = rewritten.map_or(0, |rewritten| rewritten.len());
        assert!(length <= GROWTH * bytes.len() + 64, "{length}");
    }
    // An address alone is found in whatever form it is written.
    if let Ok(host) = std::str::from_utf8(bytes)
        && let Ok(address) = host.parse()
    {
        let expected = pseudonyms.address(address).to_string();
        let rewritten = pseudonyms.host(bytes, &|_| false);
        assert!(
            rewritten.is_some() || !pseudonyms.is_client(address),
            "{host}"
        );
        if address.is_ipv4() && pseudonyms.is_client(address) {
            assert_eq!(rewritten, Some(expected.into_bytes()));
        }
    }
    within_another_text(pseudonyms, bytes);
    message(pseudonyms, bytes);
});

/// A client in an encoded text, glued to anything.
fn within_another_text(pseudonyms: &Pseudonyms, bytes: &[u8]) {
    let Some(([base, last, at], around)) = bytes.split_first_chunk::<3>() else {
        return;
    };
    let inner = format!(" 192.0.2.{last} ");
    let bases = [BASE64URL_NOPAD, BASE32_NOPAD, BASE32HEX_NOPAD, HEXLOWER];
    let token = bases[usize::from(*base) % bases.len()].encode(inner.as_bytes());
    let (before, after) = around.split_at(usize::from(*at) % (around.len() + 1));
    let text = [before, token.as_bytes(), after].concat();
    let rewritten = pseudonyms.text(&text, &|_| false).expect("found");
    let mut windows = rewritten.windows(token.len());
    assert!(!windows.any(|window| window == token.as_bytes()), "{token}");
}

fn pseudonyms() -> Pseudonyms {
    let key = Key::parse(&"07".repeat(32)).expect("a key");
    let clients = Clients {
        networks: "192.0.2.0/24,10.0.0.0/8,2001:db8::/32"
            .parse()
            .expect("prefixes"),
        domains: Fqdn::from_presentation("a.b").into_iter().collect(),
    };
    Pseudonyms::new(&key, clients).expect("a key that suits")
}

fn message(pseudonyms: &Pseudonyms, bytes: &[u8]) {
    let mut written = Vec::new();
    let is_message = pseudonyms
        .message(bytes, &|_| false, &mut written)
        .is_some();
    assert_eq!(is_message, Message::parse(bytes).is_ok());
    if !is_message {
        return;
    }
    // A record has at most two names of 255 bytes, and its data.
    assert!(written.len() <= 3 * 512 * 1_024 + 16 * bytes.len());
    let (old, new) = (
        Message::parse(bytes).expect("read before"),
        Message::parse(&written).expect("whole"),
    );
    assert_eq!(
        (old.id(), old.flags(), old.rcode()),
        (new.id(), new.flags(), new.rcode())
    );
    assert_eq!(old.questions().count(), new.questions().count());
    let sections = |message: &Message<'_>| {
        [
            message.answers(),
            message.authorities(),
            message.additionals(),
        ]
        .map(Iterator::count)
    };
    assert_eq!(sections(&old), sections(&new));
    for record in new.answers() {
        match record.data() {
            Data::A(address) => assert!(!pseudonyms.is_client(address.into())),
            Data::Aaaa(address) => assert!(!pseudonyms.is_client(address.into())),
            _ => {}
        }
    }
}
