//! Fully qualified domain names.

use std::fmt;
use std::sync::Arc;

use super::text;

/// Longest presentation form of a name: 255 octets on the wire (RFC 1035 section 2.3.4), each at most `\DDD`.
pub const MAX_PRESENTATION: usize = 1_020;

/// A domain name in lower-case presentation form: ASCII, no trailing dot, 1 to [`MAX_PRESENTATION`] bytes.
///
/// What a record *prints* keeps the case of the wire; what is compared, stored and matched is an `Fqdn`.
/// Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fqdn(Arc<str>);

impl Fqdn {
    /// From presentation text (of a DNS name, or typed by a person): lowered, a trailing dot removed.
    ///
    /// `None` where it is empty, too long, or holds anything but printable ASCII.
    pub fn from_presentation(text: &str) -> Option<Self> {
        let text = text
            .strip_suffix('.')
            .filter(|t| !t.ends_with('\\'))
            .unwrap_or(text);
        let fits = !text.is_empty() && text.len() <= MAX_PRESENTATION;
        let printable = text
            .bytes()
            .fold(true, |all, b| all & (0x20..=0x7e).contains(&b));
        if !fits || !printable {
            return None;
        }
        let mut name: Arc<str> = text.into();
        if let Some(name) = Arc::get_mut(&mut name) {
            name.make_ascii_lowercase();
        }
        Some(Self(name))
    }

    /// From the raw bytes of a claimed host name (SNI, HTTP `Host` without its port), where dots separate labels.
    pub fn from_claim(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_suffix(b".").unwrap_or(bytes);
        if bytes.is_empty() || bytes.len() > 255 {
            return None;
        }
        Self::from_presentation(&text::presentation(bytes))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Fqdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Fqdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for Fqdn {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_trailing_dot_do_not_matter() {
        assert_eq!(
            Fqdn::from_presentation("AUS5.Mozilla.org."),
            Fqdn::from_claim(b"aus5.mozilla.ORG")
        );
    }

    #[test]
    fn an_escaped_dot_at_the_end_is_kept() {
        assert_eq!(Fqdn::from_presentation("a\\.").unwrap().as_str(), "a\\.");
    }

    #[test]
    fn an_empty_or_overlong_name_is_none() {
        assert!(Fqdn::from_presentation("").is_none());
        assert!(Fqdn::from_presentation(".").is_none());
        assert!(Fqdn::from_claim(&[b'a'; 256]).is_none());
    }
}
