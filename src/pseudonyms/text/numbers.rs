//! IPv4 addresses as inet_aton(3) reads them: one to four numbers, each decimal, octal behind `0` or hexadecimal behind `0x`. The last one fills
//! all bytes that are left.
//!
//! ```text
//! 0300.0.02.024   0xc0.0x0.0x2.0x14   0xc0.0.02.20   0300.0.532   0xc0.532   030000001024   0xc0000214   192.0.532
//! ```
//!
//! Two or three decimal numbers are mostly a version (`10.0.19045`). They are an address only where a URL has its host, or where nothing else
//! stands in the text. An octal number in front is believed from 8 upwards: those below begin dates (`01.02.2026`).

use std::net::Ipv4Addr;

use super::{Found, escapes};
use crate::pseudonyms::Pseudonyms;

/// Longest number: 32 bits in octal digits, and some zeros.
const MAX_DIGITS: usize = 20;
/// What stands before the host of a URL (RFC 3986 section 3.2), or its escapes.
const BEFORE_HOST: [&[u8]; 6] = [b"//", b"@", b"%2F%2F", b"%2f%2f", b"%40", b"\\/\\/"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Decimal,
    /// With so many digits, the 0 included.
    Octal(usize),
    /// Behind `0x` so many digits; whether letters among them are upper case.
    Hexadecimal(usize, bool),
}

struct Number<'t> {
    value: u32,
    form: Form,
    text: &'t [u8],
}

impl Pseudonyms {
    /// One to four numbers, of which one is not decimal, or that stand where a host does.
    pub(super) fn numbers(&self, before: &[u8], rest: &[u8]) -> Option<Found> {
        let is_glued = escapes::last(before).is_some_and(|byte| byte.is_ascii_alphanumeric());
        if is_glued || !rest.first()?.is_ascii_digit() {
            return None;
        }
        let (numbers, after) = numbers(rest)?;
        let is_host = || {
            let begins = before.is_empty() || BEFORE_HOST.iter().any(|sign| before.ends_with(sign));
            begins && matches!(after.first(), None | Some(b':' | b'/' | b'?' | b'#'))
        };
        let is_told = says_so(&numbers, before.ends_with(b"."));
        // A single decimal number and four of them are found anywhere.
        let is_short = matches!(numbers.len(), 2 | 3);
        (is_told || is_short && is_host()).then_some(())?;
        let pseudonym = self.instead(address(&numbers)?)?;
        Some(Found {
            length: rest.len() - after.len(),
            text: written(pseudonym, &numbers),
        })
    }
}

impl<'t> Number<'t> {
    /// The number that all letters and digits at the start of `text` make.
    fn of(text: &'t [u8]) -> Option<Self> {
        let all = text.iter().take(MAX_DIGITS + 1);
        let length = all.take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let text = text.get(..length).filter(|_| length <= MAX_DIGITS)?;
        let (digits, radix, form) = match text {
            [b'0', b'x' | b'X', digits @ ..] => {
                let is_upper = digits.iter().any(u8::is_ascii_uppercase);
                (digits, 16, Form::Hexadecimal(digits.len(), is_upper))
            }
            [b'0', digits @ ..] if !digits.is_empty() => (digits, 8, Form::Octal(text.len())),
            digits => (digits, 10, Form::Decimal),
        };
        let digits = std::str::from_utf8(digits).ok()?;
        let value = u32::from_str_radix(digits, radix).ok()?;
        Some(Self { value, form, text })
    }
}

/// As many numbers as stand between dots, and what follows them; none where they are more than four.
fn numbers(text: &[u8]) -> Option<(Vec<Number<'_>>, &[u8])> {
    let mut numbers = Vec::with_capacity(4);
    let mut rest = text;
    loop {
        let number = Number::of(rest)?;
        rest = rest.get(number.text.len()..)?;
        numbers.push(number);
        match rest {
            [b'.', b'0'..=b'9', ..] if numbers.len() == 4 => return None,
            [b'.', after @ ..] if after.first().is_some_and(u8::is_ascii_digit) => rest = after,
            _ => return Some((numbers, rest)),
        }
    }
}

/// Whether one of the numbers tells that these are no decimal ones.
fn says_so(numbers: &[Number<'_>], goes_on_before: bool) -> bool {
    let is = |wanted: fn(&Number<'_>) -> bool| numbers.iter().any(wanted);
    let has_hexadecimal = is(|number| matches!(number.form, Form::Hexadecimal(..)));
    let has_octal = is(|number| matches!(number.form, Form::Octal(_)));
    let begins_octal = numbers
        .first()
        .is_some_and(|first| matches!(first.form, Form::Octal(_)) && first.value >= 8);
    match numbers.len() {
        4 => has_hexadecimal || has_octal,
        _ => !goes_on_before && (has_hexadecimal || begins_octal),
    }
}

fn address(numbers: &[Number<'_>]) -> Option<Ipv4Addr> {
    let (last, first) = numbers.split_last()?;
    let left = 32_u32.checked_sub(8 * u32::try_from(first.len()).ok()?)?;
    (u64::from(last.value) < 1 << left).then_some(())?;
    let mut bits = 0_u32;
    for number in first {
        bits = bits << 8 | u32::from(u8::try_from(number.value).ok()?);
    }
    let before = bits.checked_shl(left).unwrap_or_default();
    Some(Ipv4Addr::from_bits(before | last.value))
}

/// The address in as many numbers, each in the form of that before.
fn written(address: Ipv4Addr, numbers: &[Number<'_>]) -> String {
    let bits = u64::from(address.to_bits());
    let mut left = 32;
    let mut parts = Vec::with_capacity(numbers.len());
    for (at, number) in numbers.iter().enumerate() {
        let is_last = at + 1 == numbers.len();
        let value = bits & ((1 << left) - 1);
        left -= 8;
        let value = if is_last { value } else { value >> left };
        parts.push(match number.form {
            Form::Decimal => value.to_string(),
            Form::Octal(width) => format!("0{value:0width$o}", width = width - 1),
            Form::Hexadecimal(width, true) => format!("0x{value:0width$X}"),
            Form::Hexadecimal(width, false) => format!("0x{value:0width$x}"),
        });
    }
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{text, v4};

    #[test]
    fn an_address_in_octal_and_hexadecimal_numbers_keeps_its_form() {
        let [a, b, c, d] = v4().octets();
        let bits = v4().to_bits();
        let (three, two) = (bits & 0xffff, bits & 0xff_ffff);
        for (original, expected) in [
            ("0300.0.02.024", format!("0{a:03o}.{b}.0{c:o}.0{d:02o}")),
            (
                "http://0300.0000.0002.0024/a",
                format!("http://0{a:03o}.0{b:03o}.0{c:03o}.0{d:03o}/a"),
            ),
            (
                "0xc0.0x0.0x2.0x14",
                format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
            ),
            (
                "0XC0.0x00.0x02.0x14:80",
                format!("0x{a:02X}.0x{b:02x}.0x{c:02x}.0x{d:02x}:80"),
            ),
            ("0xc0.0.02.20", format!("0x{a:x}.{b}.0{c:o}.{d}")),
            ("ip=0300.0.532;", format!("ip=0{a:03o}.{b}.{three};")),
            ("0xc0.532", format!("0x{a:x}.{two}")),
            ("192.0x214", format!("{a}.0x{two:03x}")),
            ("030000001024", format!("0{bits:011o}")),
            ("0xc0000214", format!("0x{bits:08x}")),
            ("0x00c0000214", format!("0x{bits:010x}")),
            ("192.0.532", format!("{a}.{b}.{three}")),
            ("192.0.532:443", format!("{a}.{b}.{three}:443")),
            ("http://192.532/", format!("http://{a}.{two}/")),
            (
                "http://u@192.0.532?a",
                format!("http://u@{a}.{b}.{three}?a"),
            ),
            (
                "url=http%3A%2F%2F192.0.532/",
                format!("url=http%3A%2F%2F{a}.{b}.{three}/"),
            ),
            ("0%33%300.0.02.024", format!("0{a:03o}.{b}.0{c:o}.0{d:02o}")),
        ] {
            assert_eq!(text(original), expected, "{original}");
        }
    }

    #[test]
    fn versions_dates_and_other_numbers_stay() {
        for same in [
            "Windows/10.21.19045",
            "/10.21.7/file",
            "v=10.20",
            "Ubuntu/10.024",
            "0300.0.02.0400",
            "0300.0.0x10000",
            "0300.0.02.024x",
            "0300.0.02.029",
            "x0300.0.532",
            "1.0300.0.532",
            "0x.0x.0x.0x",
            "0x1c0000214",
            "077777777777777777777777777",
            "01.02.2026",
        ] {
            assert_eq!(text(same), same);
        }
    }
}
