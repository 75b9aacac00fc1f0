//! What holds of every text: no panic, bounded growth, nothing changed without a client, nothing left of one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use data_encoding::{BASE32_NOPAD, BASE32HEX_NOPAD, BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use proptest::prelude::{
    ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_assume, prop_oneof,
    proptest,
};

use crate::pseudonyms::Pseudonyms;
use crate::pseudonyms::tests::pseudonyms;

/// A text grows by at most so much: a label of 18 bytes for one byte before a domain.
const GROWTH: usize = 20;

/// A text that holds an address, in one of many ways.
type Notation = fn(&str) -> String;

const NOTATIONS: [Notation; 10] = [
    |text| text.to_owned(),
    |text| BASE64.encode(text.as_bytes()),
    |text| BASE64URL_NOPAD.encode(text.as_bytes()),
    |text| BASE32_NOPAD.encode(text.as_bytes()),
    |text| BASE32_NOPAD.encode(text.as_bytes()).to_lowercase(),
    |text| BASE32HEX_NOPAD.encode(text.as_bytes()),
    |text| HEXLOWER.encode(text.as_bytes()),
    |text| HEXUPPER.encode(text.as_bytes()),
    escaped,
    |text| escaped(&escaped(text)),
];

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Without two layers of escapes.
fn opened(text: &str) -> String {
    let once = |text: &str| {
        let mut pieces = text.split('%');
        let first = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(first, |text, piece| {
            let byte = u8::from_str_radix(&piece[..2], 16).unwrap();
            text + &char::from(byte).to_string() + &piece[2..]
        })
    };
    once(&once(text))
}

fn rewritten(pseudonyms: &Pseudonyms, text: &str) -> String {
    let other = pseudonyms.text(text.as_bytes(), &|_| false);
    other.map_or_else(
        || text.to_owned(),
        |other| String::from_utf8(other).unwrap(),
    )
}

/// One pseudonym of 20,000 reads backwards, as in reverse DNS, as the address of a client.
fn is_clients_backwards(pseudonyms: &Pseudonyms, pseudonym: IpAddr) -> bool {
    let IpAddr::V4(pseudonym) = pseudonym else {
        return false;
    };
    let [a, b, c, d] = pseudonym.octets();
    let backwards = [d, c, b, a].into();
    pseudonyms.address(backwards) != backwards
}

fn client() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u8>().prop_map(|last| Ipv4Addr::new(192, 0, 2, last).into()),
        any::<u16>().prop_map(|last| Ipv4Addr::from_bits(0x0a14_0000 | u32::from(last)).into()),
        any::<[u16; 5]>().prop_map(|[a, b, c, d, e]| {
            IpAddr::from(Ipv6Addr::from([0x2001, 0xdb8, 1, a, b, c, d, e]))
        }),
    ]
}

fn stranger() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        any::<u8>().prop_map(|last| format!("203.0.113.{last}")),
        any::<u16>().prop_map(|last| format!("2001:db8:ffff::{last:x}")),
        "(Windows|Firefox|apt|mozilla|checkupdate|Strings|download|getImage)",
        "[1-9]\\.[0-9]\\.[1-9][0-9]{4}",
    ];
    let encoded = (text, prop::sample::select(&NOTATIONS));
    // Not encoded: read from a wrong place, one of ten thousand has the form of a MAC address.
    let hash = prop_oneof![
        "[0-9a-f]{40}",
        "[0-9a-f]{64}",
        // Of others one of 65,536 begins with a link-local address.
        "5[0-9a-f]{7}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}",
        any::<[u8; 20]>().prop_map(|hash| BASE64.encode(&hash)),
        any::<[u8; 32]>().prop_map(|hash| BASE64URL_NOPAD.encode(&hash)),
    ];
    prop_oneof![encoded.prop_map(|(text, notation)| notation(&text)), hash]
}

fn around() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..16),
        "[A-Za-z0-9%/=_-]{0,24}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_rewritten_to_boundedly_many(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let pseudonyms = pseudonyms();
        for rewritten in [
            pseudonyms.text(&bytes, &|_| false),
            pseudonyms.url(&bytes, &|_| false),
            pseudonyms.host(&bytes, &|_| false),
        ] {
            prop_assert!(rewritten.is_none_or(|text| text.len() <= GROWTH * bytes.len() + 64));
        }
    }

    #[test]
    fn signs_of_notations_in_any_order_are_no_trouble(text in "([0-9a-f]{1,3}|[.:%=/_-]|%[0-9a-f]{2}|0x|\\\\u00|\\\\x|[A-Za-z0-9]{4}){0,80}") {
        let pseudonyms = pseudonyms();
        let other = rewritten(&pseudonyms, &text);
        prop_assert!(other.len() <= GROWTH * text.len() + 64);
    }

    #[test]
    fn a_text_without_clients_stays(
        pieces in prop::collection::vec((stranger(), "[/?&;= ]"), 0..6),
    ) {
        let pseudonyms = pseudonyms();
        let text: String = pieces
            .iter()
            .flat_map(|(text, between)| [&**text, between])
            .collect();
        prop_assert_eq!(rewritten(&pseudonyms, &text), text);
    }

    #[test]
    fn a_client_is_replaced_in_every_notation_and_that_is_all(
        (client, notation) in (client(), 0..NOTATIONS.len()),
        (before, after) in ("([a-z]{0,5}[ =;?])?", "([ &;][a-z]{0,5})?"),
        (start, end) in ("(/[a-z]{1,8})?[/?=]", "([/&;][a-z]{0,8})?"),
    ) {
        let pseudonyms = pseudonyms();
        let whole = |inside: &str| format!("{start}{}{end}", NOTATIONS[notation](inside));
        let inside = |address: IpAddr| format!("{before}{address}{after}");
        let text = whole(&inside(client));
        let other = rewritten(&pseudonyms, &text);
        let expected = whole(&inside(pseudonyms.address(client)));
        // Escapes of what need not be escaped are opened.
        // Escapes of what need not be escaped may be opened; nobody can tell whether a token without padding is one that could have it.
        let compared = |text: &str| opened(text).replace('=', "");
        prop_assert_eq!(compared(&other), compared(&expected));
        prop_assert!(!other.contains(&NOTATIONS[notation](&client.to_string())));
        // Once is enough.
        prop_assume!(!is_clients_backwards(&pseudonyms, pseudonyms.address(client)));
        prop_assert_eq!(rewritten(&pseudonyms, &other), other);
    }

    #[test]
    fn a_client_in_an_encoded_text_is_replaced_whatever_stands_around(
        (last, notation) in (any::<u8>(), 1..8_usize),
        (before, after) in (around(), around()),
    ) {
        let token = NOTATIONS[notation](&format!(" 192.0.2.{last} "));
        let token = token.trim_end_matches('=').as_bytes();
        let text = [&before, token, &after].concat();
        let other = pseudonyms().text(&text, &|_| false);
        prop_assert!(!other.unwrap().windows(token.len()).any(|window| window == token));
    }
}
