//! Versions: which salt and labels, which packet type means what.
//!
//! Sources: RFC 9001 section 5.2, RFC 9369 section 3.3, draft-ietf-quic-tls of each salt's span; Meta's and Google's own versions
//! as their implementations have them.

/// Versions that share how Initials are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Salt of the Initial secret.
    pub salt: &'static [u8; 20],
    /// Whether labels and packet types are those of version 2.
    pub is_version_2: bool,
}

const VERSION_1: Family =
    family(b"\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a");
const VERSION_2: Family = Family {
    salt: b"\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9",
    is_version_2: true,
};
/// Drafts 29 to 32.
const DRAFT_29: Family =
    family(b"\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99");
/// Drafts 23 to 28.
const DRAFT_23: Family =
    family(b"\xc3\xee\xf7\x12\xc7\x2e\xbb\x5a\x11\xa7\xd2\x43\x2b\xb4\x63\x65\xbe\xf9\xf5\x02");
/// Drafts 21 and 22.
const DRAFT_21: Family =
    family(b"\x7f\xbc\xdb\x0e\x7c\x66\xbb\xe9\x19\x3a\x96\xcd\x21\x51\x9e\xbd\x7a\x02\x64\x4a");
const GOOGLE_Q050: Family =
    family(b"\x50\x45\x74\xef\xd0\x66\xfe\x2f\x9d\x94\x5c\xfc\xdb\xd3\xa7\xf0\xd3\xb5\x6b\x45");
const GOOGLE_T050: Family =
    family(b"\x7f\xf5\x79\xe5\xac\xd0\x72\x91\x55\x80\x30\x4c\x43\xa2\x36\x7c\x60\x48\x83\x10");
const GOOGLE_T051: Family =
    family(b"\x7a\x4e\xde\xf4\xe7\xcc\xee\x5f\xa4\x50\x6c\x19\x12\x4f\xc8\xcc\xda\x6e\x03\x3d");

/// The number of version 2 (RFC 9369 section 3.1).
pub const NUMBER_OF_VERSION_2: u32 = 0x6b33_43cf;

const fn family(salt: &'static [u8; 20]) -> Family {
    Family {
        salt,
        is_version_2: false,
    }
}

/// The families that a version's Initials may be protected with; a greased or unknown version carries one of the common ones.
pub const fn candidates(version: u32) -> &'static [Family] {
    match version {
        1 | 0xff00_0021..=0xff00_0022 => &[VERSION_1],
        NUMBER_OF_VERSION_2 | 0x709a_50c4 => &[VERSION_2],
        0xff00_001d..=0xff00_0020 => &[DRAFT_29],
        0xff00_0017..=0xff00_001c => &[DRAFT_23],
        0xff00_0015..=0xff00_0016 => &[DRAFT_21],
        0xface_b001 => &[DRAFT_21],
        0xface_b002 | 0xface_b00e => &[DRAFT_23, DRAFT_29],
        0xface_b000..=0xface_b0ff => &[VERSION_1, DRAFT_29, DRAFT_23],
        0x5130_3530 => &[GOOGLE_Q050],
        0x5430_3530 => &[GOOGLE_T050],
        0x5430_3531 => &[GOOGLE_T051],
        _ => &[VERSION_1, VERSION_2, DRAFT_29, DRAFT_23],
    }
}

/// Whether a version is one that is in use, or a greased one (RFC 9000 section 15).
pub const fn is_known(version: u32) -> bool {
    let is_greased = version & 0x0f0f_0f0f == 0x0a0a_0a0a;
    let is_listed = matches!(
        version,
        1 | NUMBER_OF_VERSION_2
            | 0x709a_50c4
            | 0xff00_0015..=0xff00_0022
            | 0xface_b000..=0xface_b0ff
            | 0x5130_3530
            | 0x5430_3530
            | 0x5430_3531
    );
    is_greased || is_listed
}

/// Whether the two type bits of a long header say Initial (RFC 9000 section 17.2, RFC 9369 section 3.2).
pub const fn is_initial(version: u32, type_bits: u8) -> bool {
    let initial = if matches!(version, NUMBER_OF_VERSION_2 | 0x709a_50c4) {
        1
    } else {
        0
    };
    type_bits == initial
}
