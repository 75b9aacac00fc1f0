//! Letters and digits that are escaped although they need not be: `%31` (RFC 3986 section 2.3), `\u0031` (RFC 8259 section 7), `\x31`.
//!
//! Escapes of escapes (`%2531`) lose one layer at a time.

use super::is_name_byte;

/// How long escapes are.
const LENGTHS: [usize; 3] = [3, 4, 6];

/// The text without escapes of letters, digits, what stands between parts of names and addresses, and what begins another escape; `None`:
/// there are none.
pub(super) fn unescaped(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.iter().any(|byte| matches!(byte, b'%' | b'\\')) {
        return None;
    }
    let mut text = Vec::with_capacity(bytes.len());
    let mut has_escapes = false;
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let found = escape(rest);
        has_escapes |= found.is_some();
        let (byte, after) = found.unwrap_or((*first, after));
        text.push(byte);
        rest = after;
    }
    has_escapes.then_some(text)
}

/// The byte at the end of `text`, or what the escape there stands for: `%3D` is no end of a number.
pub(super) fn last(text: &[u8]) -> Option<u8> {
    let escaped = LENGTHS.iter().find_map(|length| {
        let (_, end) = text.split_at_checked(text.len().checked_sub(*length)?)?;
        let (byte, after) = any(end)?;
        after.is_empty().then_some(byte)
    });
    escaped.or_else(|| text.last().copied())
}

/// How long the escape at the start of `text` is.
pub(super) fn length(text: &[u8]) -> Option<usize> {
    let (_, after) = any(text)?;
    Some(text.len() - after.len())
}

/// What an escape at the start of `text` stands for, and what follows it; `None` also where that has to stay escaped.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (byte, after) = any(text)?;
    let is_open = match byte {
        b'%' => {
            matches!(after, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
        }
        b'\\' => matches!(after, [b'u' | b'x', ..]),
        _ => is_name_byte(byte) || matches!(byte, b':' | b','),
    };
    is_open.then_some((byte, after))
}

fn any(text: &[u8]) -> Option<(u8, &[u8])> {
    let (high, low, after) = match text {
        [b'%', high, low, after @ ..]
        | [b'\\', b'u', b'0', b'0', high, low, after @ ..]
        | [b'\\', b'x', high, low, after @ ..] => (high, low, after),
        _ => return None,
    };
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    let byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    Some((byte, after))
}
