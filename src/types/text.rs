//! How bytes from the wire become text: printable ASCII, reversible, harmless to a terminal, a page or a parser.
//!
//! The one rule, RFC 1035 section 5.1 presentation escapes: printable ASCII stands for itself, a backslash is written `\\`,
//! every other byte `\DDD` (decimal). Inside a DNS label a dot is written `\.` as well.

/// Appends `bytes` to `text` in presentation form.
pub fn push_presentation(text: &mut String, bytes: &[u8]) {
    if let Some(plain) = as_plain(bytes) {
        return text.push_str(plain);
    }
    for &byte in bytes {
        push_byte(text, byte);
    }
}

/// Appends one DNS label to `text` in presentation form: a dot inside the label is escaped.
pub fn push_label(text: &mut String, label: &[u8]) {
    if let Some(plain) = as_plain(label).filter(|_| !label.contains(&b'.')) {
        return text.push_str(plain);
    }
    for &byte in label {
        if byte == b'.' {
            text.push_str("\\.");
        } else {
            push_byte(text, byte);
        }
    }
}

/// The text of bytes of which none has to be escaped, as of nearly all.
fn as_plain(bytes: &[u8]) -> Option<&str> {
    are_plain(bytes)
        .then(|| str::from_utf8(bytes).ok())
        .flatten()
}

/// The hexadecimal digit, in lower case, of a byte's lower half.
pub const fn hex_digit(byte: u8) -> u8 {
    match byte & 0x0f {
        number @ 0..=9 => b'0' + number,
        letter => b'a' + letter - 10,
    }
}

/// Whether none of `bytes` has to be escaped, here or in JSON; in a label a dot has to be.
///
/// They are looked at in blocks, of which the last one may begin within the one before: what a name or a word takes is two looks.
pub fn are_plain(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<16>();
    if let Some(last) = bytes.last_chunk::<16>() {
        return blocks.iter().all(all_plain) && all_plain(last);
    }
    match (rest.first_chunk::<8>(), rest.last_chunk::<8>()) {
        (Some(first), Some(last)) => all_plain(first) && all_plain(last),
        _ => match (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
            (Some(first), Some(last)) => all_plain(first) && all_plain(last),
            _ => rest.iter().all(|byte| is_plain(*byte)),
        },
    }
}

/// As [`are_plain`], to the end whatever comes, so that all are looked at together.
#[inline]
fn all_plain<const BYTES: usize>(block: &[u8; BYTES]) -> bool {
    block.map(|byte| u8::from(!is_plain(byte))) == [0; BYTES]
}

/// As [`are_plain`], of one byte.
#[inline]
pub const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'\\' && byte != b'"'
}

/// The presentation form of `bytes`.
pub fn presentation(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    push_presentation(&mut text, bytes);
    text
}

fn push_byte(text: &mut String, byte: u8) {
    match byte {
        b'\\' => text.push_str("\\\\"),
        0x20..=0x7e => text.push(char::from(byte)),
        _ => {
            text.push('\\');
            for digit in [byte / 100, byte / 10 % 10, byte % 10] {
                text.push(char::from(b'0' + digit));
            }
        }
    }
}

/// A message without anything that a terminal would obey: file names may hold escapes and marks that turn the text around.
pub fn harmless(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    for character in message.chars() {
        let is_mark = matches!(
            character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
        );
        if is_mark || (character.is_control() && character != '\n') {
            text.extend(character.escape_unicode());
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes_become_plain_ascii() {
        assert_eq!(
            presentation(b"a\0\x1b[31m\\\xe2\x80\xae"),
            "a\\000\\027[31m\\\\\\226\\128\\174"
        );
    }

    #[test]
    fn one_odd_byte_is_found_wherever_it_stands() {
        for length in 0..70 {
            let mut bytes = vec![b'a'; length];
            assert!(are_plain(&bytes), "{length}");
            for place in 0..length {
                for odd in [0x1f, 0x7f, b'\\', b'"', 0xe6] {
                    bytes[place] = odd;
                    assert!(!are_plain(&bytes), "{odd} at {place} of {length}");
                }
                bytes[place] = b'~';
            }
        }
    }

    #[test]
    fn a_message_holds_nothing_that_a_terminal_obeys() {
        assert_eq!(
            harmless("a\u{1b}[31m\u{202e}b\u{9b}\n端末 \"c\""),
            "a\\u{1b}[31m\\u{202e}b\\u{9b}\n端末 \"c\""
        );
    }

    #[test]
    fn a_dot_inside_a_label_differs_from_a_separator() {
        let mut text = String::new();
        push_label(&mut text, b"a.b");
        assert_eq!(text, "a\\.b");
    }
}
