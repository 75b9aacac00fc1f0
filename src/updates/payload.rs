//! What was fetched, as far as a path on plain HTTP tells.

use serde::{Deserialize, Deserializer, Serialize, de::Error};

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadId {
    /// One of [`KINDS`].
    #[serde(deserialize_with = "kind")]
    pub kind: Word,
    /// The id in presentation form.
    pub value: String,
}

impl PayloadId {
    /// Bytes that it takes.
    pub const fn memory(&self) -> usize {
        size_of::<Self>() + self.value.len()
    }
}

/// A word of the program's own; serde would take a plain reference for one into the file.
pub type Word = &'static str;

/// What a file may be.
pub const KINDS: [&str; 5] = ["kb", "delivery_optimization", "deb", "rpm", "mar"];

/// Longest id.
const MAX_VALUE: usize = 256;

/// What the file at `path` (with or without query) is.
pub fn of_path(path: &[u8]) -> Option<PayloadId> {
    let end = memchr::memchr(b'?', path).unwrap_or(path.len());
    let path = path.get(..end)?;
    let file = path.rsplit(|byte| *byte == b'/').next()?;
    let found = knowledge_base(file)
        .map(|value| ("kb", value))
        .or_else(|| Some(("delivery_optimization", delivery_optimization(path)?)))
        .or_else(|| Some(("deb", file.strip_suffix(b".deb")?.to_vec())))
        .or_else(|| Some(("rpm", file.strip_suffix(b".rpm")?.to_vec())))
        .or_else(|| Some(("mar", file.strip_suffix(b".mar")?.to_vec())));
    let (kind, value) = found?;
    let value = crate::types::text::presentation(value.get(..MAX_VALUE).unwrap_or(&value));
    (!value.is_empty()).then_some(PayloadId { kind, value })
}

/// `windows10.0-kb4343899-x64_....cab` gives `KB4343899`.
fn knowledge_base(file: &[u8]) -> Option<Vec<u8>> {
    let lowered = file.to_ascii_lowercase();
    let start = memchr::memmem::find(&lowered, b"kb")?;
    let digits: Vec<u8> = lowered
        .get(start + 2..)?
        .iter()
        .copied()
        .take_while(u8::is_ascii_digit)
        .collect();
    (6..=8)
        .contains(&digits.len())
        .then(|| [b"KB", digits.as_slice()].concat())
}

/// `/filestreamingservice/files/<id>` gives the id.
fn delivery_optimization(path: &[u8]) -> Option<Vec<u8>> {
    const FOLDER: &[u8] = b"/filestreamingservice/files/";
    let rest = path.get(memchr::memmem::find(path, FOLDER)? + FOLDER.len()..)?;
    rest.split(|byte| *byte == b'/').next().map(<[u8]>::to_vec)
}

fn kind<'de, D: Deserializer<'de>>(from: D) -> Result<&'static str, D::Error> {
    let word = String::deserialize(from)?;
    let known = KINDS.into_iter().find(|kind| *kind == word);
    known.ok_or_else(|| D::Error::custom("no kind of payload"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_paths_tell_what_was_fetched() {
        let id = |path: &[u8]| of_path(path).map(|id| format!("{} {}", id.kind, id.value));
        let kb = b"/c/msdownload/update/software/secu/2018/08/windows10.0-kb4343899-x64_0f1c.cab";
        assert_eq!(id(kb).as_deref(), Some("kb KB4343899"));
        let file = b"/filestreamingservice/files/1d2c3b4a-0000-4000-8000-000000000001?P1=5";
        assert_eq!(
            id(file).as_deref(),
            Some("delivery_optimization 1d2c3b4a-0000-4000-8000-000000000001")
        );
        assert_eq!(
            id(b"/debian/pool/main/c/curl/curl_7.88.1-10_amd64.deb").as_deref(),
            Some("deb curl_7.88.1-10_amd64")
        );
        assert_eq!(id(b"/debian/dists/stable/InRelease"), None);
    }
}
