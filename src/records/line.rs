//! The writer of one JSON line: field by field into a reused buffer, held byte-equal to serde_json by a test.
//!
//! Text from the wire is written in presentation form (see [`crate::types::text`]), so every line is ASCII, and what does not
//! fit is cut at a character; the cuts are remembered, to be told in `patchspan.cut`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;

use crate::types::text::{are_plain, hex_digit};

/// How much of a value or list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest value, in bytes of presentation text.
    pub value: usize,
    /// Longest URL, likewise.
    pub url: usize,
    /// Most entries of a list.
    pub list: usize,
}

impl Limits {
    /// What a line starts with; a line that still gets too long is written again with halves.
    pub const FULL: Self = Self {
        value: 1_024,
        url: 4_096,
        list: 256,
    };

    /// The next smaller limits.
    #[must_use]
    pub const fn halved(self) -> Self {
        Self {
            value: self.value / 2,
            url: self.url / 2,
            list: self.list / 2,
        }
    }
}

/// The text of each octet of an IPv4 address with a dot behind it, and the length of both.
const OCTETS: [([u8; 4], u8); 256] = {
    let mut texts = [([0; 4], 0); 256];
    let (mut rest, mut octet): (&mut [_], u8) = (&mut texts, 0);
    while let Some((text, others)) = rest.split_first_mut() {
        let digits = [octet / 100, octet / 10 % 10, octet % 10];
        let [hundreds, tens, ones] = [b'0' + digits[0], b'0' + digits[1], b'0' + digits[2]];
        *text = match octet {
            0..10 => ([ones, b'.', 0, 0], 2),
            10..100 => ([tens, ones, b'.', 0], 3),
            _ => ([hundreds, tens, ones, b'.'], 4),
        };
        (rest, octet) = (others, octet.wrapping_add(1));
    }
    texts
};

/// What an object begins and ends with.
const OBJECT: [u8; 2] = *b"{}";
/// What a list begins and ends with.
const LIST: [u8; 2] = *b"[]";
/// No limit cuts text of ours below this: it holds every word of a closed list.
const LEAST_TEXT: usize = 32;

/// A JSON object under construction at the end of a buffer.
#[derive(Debug)]
pub struct Line<'b> {
    buffer: &'b mut Vec<u8>,
    cuts: &'b mut String,
    limits: Limits,
    /// What stands before the next key or element: a comma, or the bracket that opens the object or list of which it is the first.
    before: u8,
    /// Elements that the list being written was given so far.
    elements: usize,
}

/// Buffers that outlive a line, so that writing one allocates nothing.
#[derive(Debug, Default)]
pub struct Scratch {
    cuts: String,
}

/// Writes one line with its newline to the end of `buffer`, again with smaller limits while it exceeds [`super::MAX_LINE`].
pub fn write_line(
    buffer: &mut Vec<u8>,
    scratch: &mut Scratch,
    mut fields: impl FnMut(&mut Line<'_>),
) {
    let start = buffer.len();
    let mut limits = Limits::FULL;
    loop {
        scratch.cuts.clear();
        let mut line = Line {
            buffer,
            cuts: &mut scratch.cuts,
            limits,
            before: OBJECT[0],
            elements: 0,
        };
        fields(&mut line);
        line.close(OBJECT);
        buffer.push(b'\n');
        if buffer.len() - start <= super::MAX_LINE || limits.value == 0 {
            return;
        }
        buffer.truncate(start);
        limits = limits.halved();
    }
}

impl Line<'_> {
    /// The limits of this line.
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// A field that is an object.
    pub fn object(&mut self, key: &str, fields: impl FnOnce(&mut Self)) {
        self.key(key);
        self.before = OBJECT[0];
        fields(self);
        self.close(OBJECT);
    }

    /// A field that is a list; `elements` writes them with the `element…` calls. What exceeds the limit is left out, and told.
    pub fn list(&mut self, key: &str, elements: impl FnOnce(&mut Self)) {
        self.key(key);
        self.before = LIST[0];
        let outer = std::mem::take(&mut self.elements);
        elements(self);
        let all = std::mem::replace(&mut self.elements, outer);
        if all > self.limits.list {
            self.note_cut(key, self.limits.list, all);
        }
        self.close(LIST);
    }

    /// An element of a list that is an object.
    pub fn element_object(&mut self, fields: impl FnOnce(&mut Self)) {
        if !self.begins_element() {
            return;
        }
        self.before = OBJECT[0];
        fields(self);
        self.close(OBJECT);
    }

    /// An element of a list that is text of ours (printable ASCII).
    pub fn element_text(&mut self, text: &str) {
        if self.begins_element() {
            self.quoted(cut_presentation(text, self.text_limit()));
        }
    }

    /// An element of a list that is bytes from the wire.
    pub fn element_wire(&mut self, bytes: &[u8]) {
        if self.begins_element() {
            self.wire_quoted(bytes, self.limits.value);
        }
    }

    /// An element of a list that is an integer.
    pub fn element_integer(&mut self, value: u64) {
        if self.begins_element() {
            self.push_integer(value);
        }
    }

    /// An element of a list that is an address, in the text of RFC 5952 where it is one of IPv6.
    pub fn element_address(&mut self, address: IpAddr) {
        if self.begins_element() {
            self.push_address(address);
        }
    }

    /// An element of a list that displays as plain ASCII.
    pub fn element_display(&mut self, value: impl std::fmt::Display) {
        if self.begins_element() {
            let _ = write!(self.buffer, "\"{value}\"");
        }
    }

    /// A field with text: ours, or from a config file; escaped as JSON needs, non-ASCII as `\u`.
    #[allow(clippy::inline_always, reason = "as of a key")]
    #[inline(always)]
    pub fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        self.text_limited(key, text, self.text_limit());
    }

    /// A field with a word of a closed list, or another text that is never long, of which nothing has to be escaped.
    #[allow(clippy::inline_always, reason = "as of a key")]
    #[inline(always)]
    pub fn word(&mut self, key: &str, word: &str) {
        self.key(key);
        self.plain_quoted(word.as_bytes());
    }

    /// A field with text of the wire of which nothing has to be escaped; `path` names it when it is cut.
    pub fn plain(&mut self, key: &str, path: &str, text: &[u8]) {
        self.key(key);
        let kept = text.get(..self.limits.value).unwrap_or(text);
        self.plain_quoted(kept);
        if kept.len() < text.len() {
            self.note_cut(path, kept.len(), text.len());
        }
    }

    /// A field with presentation text that may be longer than a value may be; `path` names it when it is cut.
    pub fn long_text(&mut self, key: &str, path: &str, text: &str) {
        self.key(key);
        self.text_limited(path, text, self.limits.value);
    }

    fn text_limited(&mut self, path: &str, text: &str, limit: usize) {
        let kept = cut_presentation(text, limit);
        if kept.len() < text.len() {
            self.note_cut(path, kept.len(), text.len());
        }
        self.quoted(kept);
    }

    /// A field with bytes from the wire; `path` names it when it is cut.
    pub fn wire(&mut self, key: &str, path: &str, bytes: &[u8]) {
        self.wire_limited(key, path, bytes, self.limits.value);
    }

    /// A URL from the wire.
    pub fn url(&mut self, key: &str, path: &str, bytes: &[u8]) {
        self.wire_limited(key, path, bytes, self.limits.url);
    }

    fn wire_limited(&mut self, key: &str, path: &str, bytes: &[u8], limit: usize) {
        self.key(key);
        let kept = self.wire_quoted(bytes, limit);
        if kept < bytes.len() {
            self.note_cut(path, kept, bytes.len());
        }
    }

    /// A field with an address, in the text of RFC 5952 where it is one of IPv6.
    #[allow(clippy::inline_always, reason = "as of a key")]
    #[inline(always)]
    pub fn address(&mut self, key: &str, address: IpAddr) {
        self.key(key);
        self.push_address(address);
    }

    /// A field that displays as plain ASCII without quotes or backslashes (a hash, a pattern).
    pub fn display(&mut self, key: &str, value: impl std::fmt::Display) {
        self.key(key);
        let _ = write!(self.buffer, "\"{value}\"");
    }

    /// A field with a byte as two hexadecimal digits, in quotes.
    #[inline]
    pub fn hexadecimal(&mut self, key: &str, byte: u8) {
        self.key(key);
        let text = [b'"', hex_digit(byte >> 4), hex_digit(byte), b'"'];
        self.buffer.extend_from_slice(&text);
    }

    /// A field with a number in hexadecimal digits without leading zeros, in quotes.
    pub fn hexadecimal_number(&mut self, key: &str, value: u32) {
        self.key(key);
        let octets = value.to_be_bytes();
        let digits = octets.map(|octet| [hex_digit(octet >> 4), hex_digit(octet)]);
        let zeros = (value.leading_zeros() / 4).min(7) as usize;
        self.plain_quoted(digits.as_flattened().get(zeros..).unwrap_or_default());
    }

    /// A field with an integer, at most 2^53 - 1: greater ones are written as that.
    #[allow(clippy::inline_always, reason = "as of a key")]
    #[inline(always)]
    pub fn integer(&mut self, key: &str, value: u64) {
        self.key(key);
        self.push_integer(value);
    }

    /// A field with a decimal fraction of at most three digits, given in thousandths.
    pub fn thousandths(&mut self, key: &str, value: u64) {
        self.key(key);
        self.push_integer(value / 1_000);
        let digits = [100, 10, 1].map(|unit| b'0' + (value / unit % 10) as u8);
        self.buffer.push(b'.');
        self.buffer.extend_from_slice(match &digits {
            [tenths, b'0', b'0'] => std::slice::from_ref(tenths),
            [two @ .., b'0'] => two,
            all => all,
        });
    }

    /// A field that is true or false.
    #[allow(clippy::inline_always, reason = "as of a key")]
    #[inline(always)]
    pub fn boolean(&mut self, key: &str, value: bool) {
        self.key(key);
        self.buffer
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// A field whose bytes `write` appends, quotes included.
    pub fn raw(&mut self, key: &str, write: impl FnOnce(&mut Vec<u8>)) {
        self.key(key);
        write(self.buffer);
    }

    /// Remembers that of `path` only `kept` of `whole` was written.
    pub fn note_cut(&mut self, path: &str, kept: usize, whole: usize) {
        let _ = writeln!(self.cuts, "{path}:{kept}/{whole}");
    }

    /// Whether anything was cut so far.
    pub fn was_cut(&self) -> bool {
        !self.cuts.is_empty()
    }

    /// The field `cut`, where anything was cut.
    pub fn cuts(&mut self) {
        if self.cuts.is_empty() {
            return;
        }
        let cuts = std::mem::take(self.cuts);
        self.list("cut", |line| {
            cuts.lines().for_each(|cut| line.element_text(cut))
        });
        *self.cuts = cuts;
    }

    #[allow(
        clippy::inline_always,
        reason = "of a key that is known where this is inlined, the copy is a store or two, and it was left a function of its own"
    )]
    #[inline(always)]
    fn key(&mut self, key: &str) {
        // Nearly all keys have room: all of the block but its first byte is known.
        let mut block = [b'"'; 32];
        if let [first, _, rest @ ..] = &mut block
            && let Some((text, [_, colon, ..])) = rest.split_at_mut_checked(key.len())
        {
            *first = std::mem::replace(&mut self.before, b',');
            text.copy_from_slice(key.as_bytes());
            *colon = b':';
            self.push_block(&block, key.len() + 4);
        } else {
            self.separate();
            self.plain_quoted(key.as_bytes());
            self.buffer.push(b':');
        }
    }

    /// The first `length` bytes of `block`, which is written whole: a size that is known is a few stores.
    #[inline]
    fn push_block<const SIZE: usize>(&mut self, block: &[u8; SIZE], length: usize) {
        let end = self.buffer.len() + length;
        self.buffer.extend_from_slice(block);
        self.buffer.truncate(end);
    }

    /// The end of an object or list; where nothing was in it, its begin as well.
    #[inline]
    fn close(&mut self, [begin, end]: [u8; 2]) {
        if std::mem::replace(&mut self.before, b',') == begin {
            self.buffer.push(begin);
        }
        self.buffer.push(end);
    }

    fn text_limit(&self) -> usize {
        self.limits.value.max(LEAST_TEXT)
    }

    /// Counts an element; whether the list still has room for it.
    fn begins_element(&mut self) -> bool {
        self.elements += 1;
        let fits = self.elements <= self.limits.list;
        if fits {
            self.separate();
        }
        fits
    }

    #[inline]
    fn separate(&mut self) {
        let before = std::mem::replace(&mut self.before, b',');
        self.buffer.push(before);
    }

    fn push_integer(&mut self, value: u64) {
        const LARGEST: u64 = (1 << 53) - 1;
        if value < 10 {
            return self.buffer.push(b'0' + value as u8);
        }
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(value.min(LARGEST));
        self.buffer.extend_from_slice(digits.as_bytes());
    }

    /// An IPv4 address is written here: nearly every line has two.
    fn push_address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => {
                let mut block = [b'"'; "\"".len() + 4 * 4];
                let mut end = 1;
                for octet in address.octets() {
                    let (text, length) =
                        OCTETS.get(usize::from(octet)).copied().unwrap_or_default();
                    if let Some(place) = block.get_mut(end..end + text.len()) {
                        place.copy_from_slice(&text);
                    }
                    end += usize::from(length);
                }
                // In place of the last one's dot.
                if let Some(last) = block.get_mut(end - 1) {
                    *last = b'"';
                }
                self.push_block(&block, end);
            }
            IpAddr::V6(address) => {
                let _ = write!(self.buffer, "\"{address}\"");
            }
        }
    }

    /// Text of which nothing has to be escaped.
    #[inline]
    fn plain_quoted(&mut self, text: &[u8]) {
        debug_assert!(are_plain(text), "{}", text.escape_ascii());
        self.buffer.reserve(text.len() + 2);
        self.buffer.push(b'"');
        self.buffer.extend_from_slice(text);
        self.buffer.push(b'"');
    }

    fn quoted(&mut self, text: &str) {
        self.buffer.push(b'"');
        if are_plain(text.as_bytes()) {
            self.buffer.extend_from_slice(text.as_bytes());
        } else {
            self.push_escaped(text);
        }
        self.buffer.push(b'"');
    }

    fn push_escaped(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '"' => self.buffer.extend_from_slice(b"\\\""),
                '\\' => self.buffer.extend_from_slice(b"\\\\"),
                ' '..='~' => self.buffer.push(character as u8),
                _ => self.escape_utf16(character),
            }
        }
    }

    fn escape_utf16(&mut self, character: char) {
        let mut units = [0_u16; 2];
        for unit in character.encode_utf16(&mut units) {
            let _ = write!(self.buffer, "\\u{unit:04x}");
        }
    }

    /// Presentation form and JSON escapes in one pass. Returns how many of `bytes` were written.
    fn wire_quoted(&mut self, bytes: &[u8], limit: usize) -> usize {
        self.buffer.push(b'"');
        if bytes.len() <= limit && are_plain(bytes) {
            self.buffer.extend_from_slice(bytes);
            self.buffer.push(b'"');
            return bytes.len();
        }
        let mut room = limit;
        let mut written = bytes.len();
        for (index, &byte) in bytes.iter().enumerate() {
            let size = presentation_size(byte);
            if size > room {
                written = index;
                break;
            }
            room -= size;
            self.push_wire_byte(byte);
        }
        self.buffer.push(b'"');
        written
    }

    fn push_wire_byte(&mut self, byte: u8) {
        match byte {
            b'"' => self.buffer.extend_from_slice(b"\\\""),
            b'\\' => self.buffer.extend_from_slice(b"\\\\\\\\"),
            0x20..=0x7e => self.buffer.push(byte),
            _ => {
                let digits = [b'0' + byte / 100, b'0' + byte / 10 % 10, b'0' + byte % 10];
                self.buffer.extend_from_slice(b"\\\\");
                self.buffer.extend_from_slice(&digits);
            }
        }
    }
}

const fn presentation_size(byte: u8) -> usize {
    match byte {
        b'\\' => 2,
        0x20..=0x7e => 1,
        _ => 4,
    }
}

/// The longest start of `text` of at most `limit` bytes that ends at a character, never inside an escape.
fn cut_presentation(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let bytes = text.as_bytes();
    let mut end = 0;
    while let Some(character) = text.get(end..).and_then(|rest| rest.chars().next()) {
        let size = match (character, bytes.get(end + 1)) {
            ('\\', Some(b'0'..=b'9')) => 4,
            ('\\', Some(0..=0x7f)) => 2,
            _ => character.len_utf8(),
        };
        if end + size > limit {
            break;
        }
        end += size;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(fields: impl FnMut(&mut Line<'_>)) -> String {
        let mut buffer = Vec::new();
        write_line(&mut buffer, &mut Scratch::default(), fields);
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn fields_come_in_the_order_written() {
        let text = line(|l| {
            l.integer("b", 1);
            l.object("a", |l| l.boolean("x", true));
            l.list("c", |l| {
                l.element_integer(1);
                l.element_object(|l| l.text("d", "e"));
            });
            l.thousandths("t", 1_200);
            l.thousandths("u", 159_000);
            l.thousandths("v", 7);
            l.hexadecimal("h", 0x0a);
            l.hexadecimal_number("i", 0);
            l.hexadecimal_number("j", 0x0100);
            l.hexadecimal_number("k", 0xff00_001d);
            l.word("w", "word");
            l.object("o", |_| ());
            l.list("p", |l| l.element_object(|_| ()));
            l.list("q", |_| ());
            l.boolean(&"r".repeat(29), false);
            l.boolean(&"s".repeat(28), false);
        });
        assert_eq!(line(|_| ()), "{}\n");
        assert_eq!(
            text,
            "{\"b\":1,\"a\":{\"x\":true},\"c\":[1,{\"d\":\"e\"}],\"t\":1.2,\"u\":159.0,\"v\":0.007,\"h\":\"0a\",\"i\":\"0\",\"j\":\"100\",\"k\":\"ff00001d\",\"w\":\"word\",\
             \"o\":{},\"p\":[{}],\"q\":[],\"rrrrrrrrrrrrrrrrrrrrrrrrrrrrr\":false,\"ssssssssssssssssssssssssssss\":false}\n"
        );
    }

    #[test]
    fn addresses_are_as_they_display() {
        for text in [
            "0.0.0.0",
            "1.22.133.9",
            "255.100.99.10",
            "::",
            "2001:db8::1",
            "::ffff:192.0.2.1",
        ] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(
                line(|l| l.address("a", address)),
                format!("{{\"a\":\"{address}\"}}\n")
            );
            assert_eq!(
                line(|l| l.list("a", |l| l.element_address(address))),
                format!("{{\"a\":[\"{address}\"]}}\n")
            );
        }
    }

    #[test]
    fn hostile_bytes_stay_one_line_of_ascii_and_parse_back() {
        let every: Vec<u8> = (0..=255).collect();
        let text = line(|l| {
            l.wire("w", "w", &every);
            l.text("t", "日本\u{202e}\n\"\\😀");
        });
        assert!(text.is_ascii() && text.matches('\n').count() == 1);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["w"], crate::types::text::presentation(&every));
        assert_eq!(value["t"], "日本\u{202e}\n\"\\😀");
    }

    #[test]
    fn a_long_value_is_cut_at_a_character_and_told() {
        let text = line(|l| {
            l.wire("w", "x.w", &[0xff; 300]);
            l.object("patchspan", Line::cuts);
        });
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["w"].as_str().unwrap().len(), 1_024);
        assert_eq!(value["patchspan"]["cut"][0], "x.w:256/300");
    }

    #[test]
    fn text_is_never_cut_inside_an_escape_or_a_character() {
        assert_eq!(cut_presentation("ab\\255c", 5), "ab");
        assert_eq!(cut_presentation("ab\\255c", 6), "ab\\255");
        assert_eq!(cut_presentation("ab\\.c", 3), "ab");
        assert_eq!(cut_presentation("ab日本", 7), "ab日");
        assert_eq!(cut_presentation("aé\\é", 3), "aé");
        assert_eq!(cut_presentation("aé\\é", 4), "aé\\");
    }

    #[test]
    fn a_line_that_is_too_long_is_written_smaller() {
        let text = line(|l| {
            for key in ["a", "b", "c", "d"] {
                l.url(key, key, &[b'\\'; 4_000]);
            }
        });
        assert!(text.len() <= crate::records::MAX_LINE);
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }

    #[test]
    fn a_line_of_long_texts_and_lists_is_written_smaller_too() {
        let text = line(|l| {
            for key in ["a", "b", "c", "d", "e", "f", "g", "h", "i"] {
                l.text(key, &"\u{202e}".repeat(1_000));
                l.list(key, |l| (0..5_000).for_each(|n| l.element_integer(n)));
            }
            l.text("word", "accepted_likely");
            l.object("patchspan", Line::cuts);
        });
        assert!(text.len() <= crate::records::MAX_LINE);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["word"], "accepted_likely");
        let cut = value["patchspan"]["cut"].as_array().unwrap();
        assert!(cut[1].as_str().unwrap().ends_with("/5000"), "{cut:?}");
    }

    #[test]
    fn no_integer_exceeds_what_a_double_holds() {
        assert_eq!(
            line(|l| l.integer("n", u64::MAX)),
            "{\"n\":9007199254740991}\n"
        );
    }
}
