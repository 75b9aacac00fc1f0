//! MAC addresses between colons, hyphens, underscores or dots.

use super::{Found, in_hex, separator};
use crate::pseudonyms::Pseudonyms;

/// What may stand between the bytes of a MAC address.
const MAC_SEPARATORS: [&[u8]; 5] = [b":", b"-", b"_", b"%3A", b"%3a"];

impl Pseudonyms {
    /// Six bytes between colons, hyphens or underscores, or three times two between dots.
    pub(super) fn mac_in(&self, before: Option<u8>, rest: &[u8]) -> Option<Found> {
        if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b':') {
            return None;
        }
        let width = rest
            .iter()
            .take(5)
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let separators: &[&[u8]] = match width {
            2 => &MAC_SEPARATORS,
            4 => &[b"."],
            _ => return None,
        };
        let separator = separator(rest.get(width..)?, separators)?;
        let (mut digits, mut at) = (String::with_capacity(12), 0);
        while digits.len() < 12 {
            let group = rest.get(at..at + width)?;
            group.iter().all(u8::is_ascii_hexdigit).then_some(())?;
            digits.push_str(std::str::from_utf8(group).ok()?);
            at += width;
            if digits.len() < 12 {
                rest.get(at..)?.strip_prefix(separator)?;
                at += separator.len();
            }
        }
        let after = rest.get(at..)?;
        let goes_on = after.first().is_some_and(u8::is_ascii_hexdigit)
            || after
                .strip_prefix(separator)
                .is_some_and(|after| after.first().is_some_and(u8::is_ascii_hexdigit));
        let is_dotted_number = width == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
        if goes_on || is_dotted_number {
            return None;
        }
        let [_, _, mac @ ..] = u64::from_str_radix(&digits, 16).ok()?.to_be_bytes();
        let hashed = in_hex(&self.mac(mac), "");
        let groups: Vec<&str> = (0..12)
            .step_by(width)
            .filter_map(|at| hashed.get(at..at + width))
            .collect();
        Some(Found {
            length: at,
            text: groups.join(std::str::from_utf8(separator).ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::text;
    use super::*;
    use crate::pseudonyms::tests::pseudonyms;

    #[test]
    fn a_mac_address_is_hashed_in_its_notation() {
        let mac = pseudonyms().mac([2, 0, 0x5e, 0, 0x53, 0x17]);
        let plain = in_hex(&mac, "");
        for (original, expected) in [
            (
                "?mac=02:00:5e:00:53:17",
                format!("?mac={}", in_hex(&mac, ":")),
            ),
            ("02-00-5E-00-53-17", in_hex(&mac, "-")),
            ("02%3A00%3A5e%3A00%3A53%3A17", in_hex(&mac, "%3A")),
            (
                "0200.5e00.5317",
                format!("{}.{}.{}", &plain[..4], &plain[4..8], &plain[8..]),
            ),
            ("m=02005e005317&", format!("m={plain}&")),
            ("02005E005317", plain.to_uppercase()),
            ("02_00_5e_00_53_17", in_hex(&mac, "_")),
        ] {
            assert_eq!(text(original), expected, "{original}");
        }
    }
}
