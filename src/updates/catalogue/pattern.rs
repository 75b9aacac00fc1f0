//! Patterns of names, paths and User-Agents.

use std::fmt;

/// A pattern of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// `aus5.mozilla.org`: this name.
    Exact(String),
    /// `deb*.debian.org`: `*` stands for any characters within its label.
    Glob(String),
    /// `*.example.com`: any name below, at any depth. Kept without the `*.`.
    Suffix(String),
}

/// A pattern of paths: `*` stands for any characters, a slash included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    glob: String,
    /// Whether `A` is `a`: for servers that make no difference.
    is_any_case: bool,
}

/// A pattern of User-Agents: `*` stands for any characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentPattern(String);

impl NamePattern {
    /// Reads a pattern. The error says what is accepted.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const ACCEPTED: &str = "a lower-case name such as aus5.mozilla.org, a suffix such as *.example.com, or a glob within labels such as deb*.debian.org";
        let is_plain = |text: &str| {
            let labels_fit = text
                .split('.')
                .all(|label| !label.is_empty() && label.len() <= 63);
            let characters_fit = text
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*'));
            labels_fit && characters_fit && text.contains('.')
        };
        if let Some(suffix) = text
            .strip_prefix("*.")
            .filter(|suffix| !suffix.contains('*'))
        {
            return if is_plain(suffix) {
                Ok(Self::Suffix(suffix.to_owned()))
            } else {
                Err(ACCEPTED)
            };
        }
        match is_plain(text) {
            true if text.contains('*') => Ok(Self::Glob(text.to_owned())),
            true => Ok(Self::Exact(text.to_owned())),
            false => Err(ACCEPTED),
        }
    }

    /// What kind it is, in a word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Exact(_) => "exact name",
            Self::Glob(_) => "glob",
            Self::Suffix(_) => "suffix",
        }
    }

    /// Whether it matches every name that `other` matches: a star of `other` is matched by a star alone.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Suffix(_), Self::Suffix(below)) => self == other || self.matches(below),
            (Self::Exact(_) | Self::Glob(_), Self::Suffix(_)) => false,
            (_, Self::Exact(text) | Self::Glob(text)) => self.matches(text),
        }
    }

    /// Whether `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Glob(glob) => glob_matches_labels(glob, name),
            Self::Suffix(suffix) => name
                .strip_suffix(suffix.as_str())
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) | Self::Glob(text) => f.write_str(text),
            Self::Suffix(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

/// Whether every label of `name` matches the label of `glob` at its place.
pub(super) fn glob_matches_labels(glob: &str, name: &str) -> bool {
    let (mut patterns, mut labels) = (glob.split('.'), name.split('.'));
    loop {
        match (patterns.next(), labels.next()) {
            (Some(pattern), Some(label)) if glob_matches(pattern.as_bytes(), label.as_bytes()) => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

impl PathPattern {
    /// Reads a pattern: it begins with a slash or a star.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.starts_with(['/', '*']) {
            Ok(Self {
                glob: text.to_owned(),
                is_any_case: false,
            })
        } else {
            Err("a path such as /dists/* or *.cab, beginning with a slash or a star")
        }
    }

    /// A pattern for servers that tell no upper case from lower case.
    pub(super) fn in_any_case(glob: &str) -> Self {
        Self {
            glob: glob.to_ascii_lowercase(),
            is_any_case: true,
        }
    }

    /// Whether it matches every path that `other` matches.
    pub fn covers(&self, other: &Self) -> bool {
        self.is_any_case == other.is_any_case
            && glob_matches(self.glob.as_bytes(), other.glob.as_bytes())
    }

    /// Whether a request's path matches, with or without its query.
    pub fn matches(&self, path: &[u8]) -> bool {
        let query = memchr::memchr(b'?', path).unwrap_or(path.len());
        let path = path.get(..query).unwrap_or(path);
        if self.is_any_case {
            return glob_matches(self.glob.as_bytes(), &path.to_ascii_lowercase());
        }
        glob_matches(self.glob.as_bytes(), path)
    }
}

impl AgentPattern {
    /// Reads a pattern, such as `Debian APT-HTTP/*`. The error says what is accepted.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.bytes().any(|byte| !matches!(byte, b'*' | b' ')) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a User-Agent such as Windows-Update-Agent/*, of more than stars")
        }
    }

    /// Whether it matches every User-Agent that `other` matches.
    pub fn covers(&self, other: &Self) -> bool {
        glob_matches(self.0.as_bytes(), other.0.as_bytes())
    }

    /// Whether a client that calls itself `agent` matches; upper case is no lower case.
    pub fn matches(&self, agent: &[u8]) -> bool {
        glob_matches(self.0.as_bytes(), agent)
    }
}

/// Whether `text` matches `glob`, where `*` stands for any bytes: time linear in the text for each star.
fn glob_matches(glob: &[u8], text: &[u8]) -> bool {
    // Nearly all that do not match differ in the first byte.
    if glob
        .first()
        .is_some_and(|first| *first != b'*' && text.first() != Some(first))
    {
        return false;
    }
    let mut parts = glob.split(|byte| *byte == b'*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = memchr::memmem::find(rest, part) else {
            return false;
        };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_stays_within_its_label_and_a_suffix_does_not() {
        let glob = NamePattern::parse("deb*.debian.org").unwrap();
        assert!(glob.matches("deb2.debian.org") && glob.matches("deb-mirror.debian.org"));
        assert!(!glob.matches("deb.x.debian.org") && !glob.matches("ftp.debian.org"));
        let suffix = NamePattern::parse("*.example.com").unwrap();
        assert!(
            suffix.matches("a.b.example.com")
                && !suffix.matches("example.com")
                && !suffix.matches("badexample.com")
        );
    }

    #[test]
    fn odd_patterns_are_refused() {
        for odd in [
            "",
            "*",
            "*.",
            "Upper.example",
            "no spaces.example",
            "a..b",
            "localhost",
        ] {
            assert!(NamePattern::parse(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn paths_match_without_their_query() {
        let pattern = PathPattern::parse("*/pool/*.deb").unwrap();
        assert!(pattern.matches(b"/debian/pool/main/c/curl.deb?x=y"));
        assert!(!pattern.matches(b"/debian/dists/x?/pool/a.deb"));
        assert!(PathPattern::parse("/a*b*c").unwrap().matches(b"/a1b2b3c"));
        assert!(!PathPattern::parse("/a*b*c").unwrap().matches(b"/a1c"));
    }
}
