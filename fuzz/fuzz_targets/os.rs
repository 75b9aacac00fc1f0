//! What tells of an operating system, out of any bytes: texts of programs, vendor classes, options of SYNs.
//!
//! Input: pieces: kind (0 and 1 User-Agent, 2 vendor class, 3 list of options, 4 SYN with its hop limit as the first byte), length
//! (2 bytes, little-endian), bytes.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use patchspan::protocols::syn::Shape;
use patchspan::types::Timestamp;
use patchspan::updates::Fact;
use patchspan::updates::hosts::{Evidence, HostKey, Neighbour};
use patchspan::updates::os::{Guesses, OsEvidence, OsFact, RowId, Rules};
use patchspan_fuzz::Pieces;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const MOST_BYTES: usize = 1 << 16;

static RULES: LazyLock<std::sync::Arc<Rules>> = LazyLock::new(Rules::embedded);

fuzz_target!(|bytes: &[u8]| {
    let mut input = Pieces(bytes);
    let mut guesses = Guesses::new(std::sync::Arc::clone(&RULES));
    let mut hour = 0;
    while !input.is_empty() {
        let (kind, piece) = (input.byte() % 5, input.piece());
        hour += 1;
        let time = Timestamp::from_seconds(hour * 3_600, 0);
        let seen = match kind {
            0 | 1 => RULES.of_agent(piece),
            2 => {
                guesses.neighbour(&asks(piece, &[], time), MOST_BYTES);
                RULES.of_vendor_class(piece)
            }
            3 => {
                guesses.neighbour(&asks(&[], piece, time), MOST_BYTES);
                RULES.of_option_list(piece).map(|row| (row, ""))
            }
            _ => shape(piece).map(|row| (row, "")),
        };
        let Some((row, version)) = seen else {
            continue;
        };
        let is_plain = |byte: u8| byte.is_ascii_digit() || byte == b'.';
        assert!(version.len() <= 16 && version.bytes().all(is_plain));
        let fact = OsFact {
            client: CLIENT,
            time,
            evidence: OsEvidence::seen((row, version)),
        };
        guesses.fact(&Fact::Os(fact), MOST_BYTES);
        if let Some(guess) = guesses.of(
            [HostKey::Address(CLIENT), HostKey::Mac(MAC)].into_iter(),
            time,
        ) {
            assert!(guess.evidence.iter().all(|word| !word.is_empty()));
            let version = guess.version.unwrap_or_default();
            assert!(version.len() <= 32 && version.is_ascii());
        }
    }
});

fn shape(piece: &[u8]) -> Option<RowId> {
    let (hops, options) = piece.split_first()?;
    RULES.of_shape(&Shape::of(options, *hops)?)
}

fn asks(class: &[u8], options: &[u8], time: Timestamp) -> Neighbour {
    let (class, options) = (class.into(), options.into());
    Neighbour {
        time,
        address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        mac: MAC,
        what: Evidence::Asks { class, options },
    }
}
