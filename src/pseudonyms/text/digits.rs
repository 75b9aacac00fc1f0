//! Addresses as one number.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ipv6::is_chance;
use super::{Found, in_hex};
use crate::pseudonyms::Pseudonyms;

impl Pseudonyms {
    /// An address as one number: decimal, or hexadecimal of 8 or 32 digits; or a MAC address of 12.
    pub(super) fn digits(&self, before: Option<u8>, rest: &[u8]) -> Option<Found> {
        if before.is_some_and(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let hex = rest
            .iter()
            .take(33)
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let text = std::str::from_utf8(rest.get(..hex)?).ok()?;
        let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
        let cased = |lower: String| {
            if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                lower.to_ascii_uppercase()
            } else {
                lower
            }
        };
        let found = |text: String| Some(Found { length: hex, text });
        let is_word = before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            || rest.get(hex).is_some_and(u8::is_ascii_alphanumeric);
        match hex {
            12 if !is_decimal && !is_word => {
                let bits = u64::from_str_radix(text, 16).ok()?;
                let [_, _, mac @ ..] = bits.to_be_bytes();
                return found(cased(in_hex(&self.mac(mac), "")));
            }
            32 => {
                let address = Ipv6Addr::from_bits(u128::from_str_radix(text, 16).ok()?);
                let pseudonym = self.address(address.into());
                let IpAddr::V6(pseudonym) = pseudonym else {
                    return None;
                };
                return (pseudonym != address && !is_chance(address))
                    .then(|| found(cased(format!("{:032x}", pseudonym.to_bits()))))?;
            }
            8 => {
                let address = Ipv4Addr::from_bits(u32::from_str_radix(text, 16).ok()?);
                if let Some(pseudonym) = self.instead(address) {
                    return found(cased(format!("{:08x}", pseudonym.to_bits())));
                }
            }
            _ => {}
        }
        let number: u32 = Some(text).filter(|_| is_decimal)?.parse().ok()?;
        let pseudonym = self.instead(Ipv4Addr::from_bits(number))?;
        found(pseudonym.to_bits().to_string())
    }
}
