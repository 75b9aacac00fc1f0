//! Letters and digits that are escaped although they need not be.

use super::is_name_byte;

/// The text without escapes of letters, digits, and what stands between parts of names and addresses; `None`: there are none.
pub(super) fn unescaped(bytes: &[u8]) -> Option<Vec<u8>> {
    let escape = |rest: &[u8]| {
        let [b'%', high, low, ..] = rest else {
            return None;
        };
        let digit = |digit: &u8| char::from(*digit).to_digit(16);
        let byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
        (is_name_byte(byte) || byte == b':').then_some(byte)
    };
    let mut text = Vec::new();
    let mut has_escapes = false;
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let byte = escape(rest);
        has_escapes |= byte.is_some();
        text.push(byte.unwrap_or(*first));
        rest = byte.and_then(|_| rest.get(3..)).unwrap_or(after);
    }
    has_escapes.then_some(text)
}
