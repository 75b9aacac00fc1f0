//! The words for record types and response codes (IANA Domain Name System Parameters); response codes as EVE has them.

use std::borrow::Cow;

/// Record types that are decoded.
pub const A: u16 = 1;
/// See above.
pub const NS: u16 = 2;
/// See above.
pub const CNAME: u16 = 5;
/// See above.
pub const SOA: u16 = 6;
/// See above.
pub const PTR: u16 = 12;
/// See above.
pub const MX: u16 = 15;
/// See above.
pub const TXT: u16 = 16;
/// See above.
pub const AAAA: u16 = 28;
/// See above.
pub const SRV: u16 = 33;
/// See above.
pub const DNAME: u16 = 39;
/// See above.
pub const OPT: u16 = 41;
/// See above.
pub const SSHFP: u16 = 44;
/// See above.
pub const SVCB: u16 = 64;
/// See above.
pub const HTTPS: u16 = 65;

/// Types by number.
#[rustfmt::skip] // A table reads better in columns than one entry a line.
const TYPES: [(u16, &str); 83] = [
    (1, "A"), (2, "NS"), (3, "MD"), (4, "MF"), (5, "CNAME"), (6, "SOA"), (7, "MB"), (8, "MG"), (9, "MR"), (10, "NULL"),
    (11, "WKS"), (12, "PTR"), (13, "HINFO"), (14, "MINFO"), (15, "MX"), (16, "TXT"), (17, "RP"), (18, "AFSDB"), (19, "X25"),
    (20, "ISDN"), (21, "RT"), (22, "NSAP"), (23, "NSAPPTR"), (24, "SIG"), (25, "KEY"), (26, "PX"), (27, "GPOS"), (28, "AAAA"),
    (29, "LOC"), (30, "NXT"), (31, "EID"), (32, "NIMLOC"), (33, "SRV"), (34, "ATMA"), (35, "NAPTR"), (36, "KX"), (37, "CERT"),
    (38, "A6"), (39, "DNAME"), (40, "SINK"), (41, "OPT"), (42, "APL"), (43, "DS"), (44, "SSHFP"), (45, "IPSECKEY"),
    (46, "RRSIG"), (47, "NSEC"), (48, "DNSKEY"), (49, "DHCID"), (50, "NSEC3"), (51, "NSEC3PARAM"), (52, "TLSA"), (53, "SMIMEA"),
    (55, "HIP"), (56, "NINFO"), (57, "RKEY"), (58, "TALINK"), (59, "CDS"), (60, "CDNSKEY"), (61, "OPENPGPKEY"), (62, "CSYNC"),
    (63, "ZONEMD"), (64, "SVCB"), (65, "HTTPS"), (99, "SPF"), (104, "NID"), (105, "L32"), (106, "L64"), (107, "LP"),
    (108, "EUI48"), (109, "EUI64"), (249, "TKEY"), (250, "TSIG"), (251, "IXFR"), (252, "AXFR"), (253, "MAILB"), (254, "MAILA"),
    (255, "ANY"), (256, "URI"), (257, "CAA"), (258, "AVC"), (32_768, "TA"), (32_769, "DLV"),
];

/// The word for a type, else `TYPE<n>` (RFC 3597 section 5).
pub fn type_word(kind: u16) -> Cow<'static, str> {
    match TYPES.binary_search_by_key(&kind, |(number, _)| *number) {
        Ok(at) => TYPES
            .get(at)
            .map_or(Cow::Borrowed(""), |(_, word)| Cow::Borrowed(word)),
        Err(_) => Cow::Owned(format!("TYPE{kind}")),
    }
}

/// The word for a response code, else its number.
pub fn rcode_word(rcode: u16) -> Cow<'static, str> {
    Cow::Borrowed(match rcode {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        16 => "BADVERS/BADSIG",
        17 => "BADKEY",
        18 => "BADTIME",
        19 => "BADMODE",
        20 => "BADNAME",
        21 => "BADALG",
        22 => "BADTRUNC",
        other => return Cow::Owned(other.to_string()),
    })
}
