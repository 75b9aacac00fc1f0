//! Patterns of texts that name a program: `*` stands for any bytes, `{version}` for a number such as `2.6.1`.

/// Longest version that is read.
pub const MAX_VERSION: usize = 16;
/// Longest text that is looked at: what names the program stands in front.
const MAX_TEXT: usize = 256;

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<[u8]>),
    Star,
    Version,
}

/// What a text that matches says: a version, where its pattern has a place for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matched<'t> {
    /// Digits and dots, beginning with a digit, no longer than [`MAX_VERSION`]; empty without.
    pub version: &'t str,
}

impl TextPattern {
    /// Reads a pattern, which begins with what is no star.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const ACCEPTED: &str =
            "a text such as Debian APT-HTTP/1.3 ({version})*, with one {version} at most";
        if text.is_empty() || text.bytes().all(|byte| matches!(byte, b'*' | b' ')) {
            return Err(ACCEPTED);
        }
        let mut parts = Vec::new();
        for (number, piece) in text.split("{version}").enumerate() {
            if number > 1 {
                return Err(ACCEPTED);
            }
            if number > 0 {
                parts.push(Part::Version);
            }
            for (number, literal) in piece.split('*').enumerate() {
                if number > 0 {
                    parts.push(Part::Star);
                }
                if !literal.is_empty() {
                    parts.push(Part::Literal(literal.as_bytes().into()));
                }
            }
        }
        Ok(Self(parts))
    }

    /// Whether `text` matches as a whole, as far as it is looked at.
    pub fn matches<'t>(&self, text: &'t [u8]) -> Option<Matched<'t>> {
        matches(&self.0, text.get(..MAX_TEXT).unwrap_or(text))
    }
}

fn matches<'t>(parts: &[Part], text: &'t [u8]) -> Option<Matched<'t>> {
    let Some((part, parts)) = parts.split_first() else {
        return text.is_empty().then_some(Matched { version: "" });
    };
    match part {
        Part::Literal(literal) => matches(parts, text.strip_prefix(literal.as_ref())?),
        Part::Version => {
            let version = version(text)?;
            matches(parts, text.get(version.len()..)?)?;
            Some(Matched { version })
        }
        // A star at the end needs no search; there are two or three in a pattern, and the text is short.
        Part::Star if parts.is_empty() => Some(Matched { version: "" }),
        Part::Star => (0..=text.len()).find_map(|at| matches(parts, text.get(at..)?)),
    }
}

/// Whether `text` is a version that a pattern may have read, or none.
pub fn is_version(text: &str) -> bool {
    text.is_empty() || version(text.as_bytes()).is_some_and(|version| version == text)
}

/// The number that `text` begins with.
fn version(text: &[u8]) -> Option<&str> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let end = text.iter().position(|byte| !is_part(byte));
    let number = text.get(..end.unwrap_or(text.len()))?;
    let begins = number.first().is_some_and(u8::is_ascii_digit);
    let number = number.get(..number.len().min(MAX_VERSION))?;
    std::str::from_utf8(number).ok().filter(|_| begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version_in<'t>(pattern: &str, text: &'t [u8]) -> Option<&'t str> {
        let matched = TextPattern::parse(pattern).unwrap().matches(text)?;
        Some(matched.version)
    }

    #[test]
    fn a_version_is_read_where_the_pattern_says() {
        const APT: &str = "Debian APT-HTTP/1.3 ({version})*";
        assert_eq!(
            version_in(APT, b"Debian APT-HTTP/1.3 (2.6.1) non-interactive"),
            Some("2.6.1")
        );
        assert_eq!(version_in(APT, b"Debian APT-HTTP/1.3 (unknown)"), None);
        assert_eq!(version_in(APT, b"debian apt-http/1.3 (2.6.1)"), None);
        let darwin = b"trustd (unknown version) CFNetwork/811.7.2 Darwin/16.7.0";
        assert_eq!(
            version_in("*CFNetwork/* Darwin/{version}*", darwin),
            Some("16.7.0")
        );
        assert_eq!(version_in("Microsoft NCSI", b"Microsoft NCSI"), Some(""));
        assert_eq!(version_in("Microsoft NCSI", b"Microsoft NCSI 2"), None);
    }

    #[test]
    fn hostile_texts_end_and_give_nothing_but_digits_and_dots() {
        let long = [b"a*Darwin/1".repeat(100), vec![0xff; 300]].concat();
        for pattern in ["*a*Darwin/{version}", "*/*1{version}*", "{version}*"] {
            let pattern = TextPattern::parse(pattern).unwrap();
            for end in 0..long.len() {
                if let Some(matched) = pattern.matches(&long[..end]) {
                    let is_plain = |byte: u8| byte.is_ascii_digit() || byte == b'.';
                    assert!(matched.version.bytes().all(is_plain));
                }
            }
        }
        let digits = version_in("{version}*", &[b'1'; 100]).unwrap();
        assert_eq!(digits.len(), MAX_VERSION);
        assert!(TextPattern::parse("**").is_err());
        assert!(TextPattern::parse("{version}/{version}").is_err());
    }
}
