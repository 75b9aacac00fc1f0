//! A path taken apart: what extractors look at.

use crate::protocols::http::claim::percent_decoded;
use crate::types::text::presentation;

/// Longest path that is looked at; a longer one is cut.
const MAX_PATH: usize = 1_024;

/// Where a file lies, percent-decoded, in presentation form, without its query.
pub(super) struct Location {
    path: String,
    file: usize,
}

impl Location {
    /// Takes a path apart, as it is on the wire; `None` without a file.
    pub(super) fn new(path: &[u8]) -> Option<Self> {
        let end = memchr::memchr2(b'?', b'#', path).unwrap_or(path.len());
        let path = presentation(&percent_decoded(path.get(..end.min(MAX_PATH))?));
        let file = path.rfind('/').map_or(0, |slash| slash + 1);
        (file < path.len()).then_some(Self { path, file })
    }

    /// The whole path.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The last segment.
    pub(super) fn file(&self) -> &str {
        self.path.get(self.file..).unwrap_or_default()
    }

    /// The segments before the file, the nearest first.
    pub(super) fn folders(&self) -> impl Iterator<Item = &str> {
        let folders = self.path.get(..self.file).unwrap_or_default();
        folders.rsplit('/').filter(|folder| !folder.is_empty())
    }

    /// The file's name before one of these endings (lower case, with their dots).
    pub(super) fn stem(&self, endings: &[&str]) -> Option<&str> {
        let file = self.file();
        endings.iter().find_map(|ending| {
            let at = file.len().checked_sub(ending.len())?;
            let (stem, found) = file.split_at_checked(at)?;
            (found.eq_ignore_ascii_case(ending) && !stem.is_empty()).then_some(stem)
        })
    }

    /// The last segment before its last dot; `None` without one.
    pub(super) fn file_without_ending(&self) -> Option<&str> {
        self.file().rsplit_once('.').map(|(stem, _)| stem)
    }

    /// Whether the path holds `part`, in whatever case.
    pub(super) fn holds(&self, part: &str) -> bool {
        let lowered = self.path.to_ascii_lowercase();
        lowered.contains(part)
    }
}

/// Digits, one at least.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
}

/// Numbers with dots between them, two at least.
pub(super) fn is_version(text: &str) -> bool {
    text.contains('.') && text.split('.').all(is_number)
}

/// Whether it may be a version in the words of some packager.
pub(super) fn begins_with_digit(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
}

/// Hex digits of MD5, SHA-1 or SHA-256.
pub(super) fn is_hash(text: &str) -> bool {
    matches!(text.len(), 32 | 40 | 64) && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// `8-4-4-4-12` hex digits.
pub(super) fn is_guid(text: &str) -> bool {
    let groups = text.split('-').map(str::len);
    groups.eq([8, 4, 4, 4, 12])
        && text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}
