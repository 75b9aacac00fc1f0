//! What was fetched, as far as a path on plain HTTP tells.
//!
//! * this file: what an id is, and who is asked for it
//! * `windows`: packages of Windows Update, Delivery Optimization, Defender, Office
//! * `packages`: package managers of Linux
//! * `browsers`: Firefox, Chrome, Edge and their components
//! * `vendors`: Apple, Adobe, Java, antivirus definitions
//! * `location`: a path taken apart
//!
//! Blind spots: over TLS and QUIC no path is seen; a Delivery Optimization id names no product.

mod browsers;
mod location;
mod packages;
mod vendors;
mod windows;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use location::Location;

/// What a file is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadId {
    /// One of [`kinds`].
    #[serde(deserialize_with = "kind")]
    pub kind: Word,
    /// The id in presentation form.
    pub value: String,
    /// The version that it brings.
    pub version: Option<String>,
    /// The version that it needs, where it brings only what changed.
    pub from_version: Option<String>,
    /// What machines it is for, in the vendor's word.
    pub architecture: Option<String>,
    /// Its language, in the vendor's word.
    pub locale: Option<String>,
    /// The hash of the file that its name carries, in hex.
    pub hash: Option<String>,
}

/// A word of the program's own; serde would take a plain reference for one into the file.
pub type Word = &'static str;

/// Reads the id of one kind of file out of its place.
struct Extractor {
    kind: Word,
    /// What it reads, for the documentation.
    about: &'static str,
    read: fn(&Location) -> Option<PayloadId>,
}

/// Asked in this order; the first that knows the file tells what it is.
#[rustfmt::skip] // A table reads better a line an entry.
const EXTRACTORS: &[Extractor] = &[
    Extractor { kind: "defender", about: "definitions and engine of Microsoft Defender", read: windows::defender },
    Extractor { kind: "kb", about: "a package of Windows Update that names its article", read: windows::knowledge_base },
    Extractor { kind: "windows_package", about: "another package of Windows Update, by the name before its hash", read: windows::package },
    Extractor { kind: "edge", about: "an installer of Edge", read: browsers::edge },
    Extractor { kind: "delivery_optimization", about: "a file of Delivery Optimization, by its opaque id", read: windows::delivery_optimization },
    Extractor { kind: "office", about: "a part of Office Click-to-Run, by its build", read: windows::office },
    Extractor { kind: "deb", about: "a package of Debian, Ubuntu and their kin", read: packages::deb },
    Extractor { kind: "rpm", about: "a package of Fedora, Red Hat, SUSE and their kin", read: packages::rpm },
    Extractor { kind: "apk", about: "a package of Alpine Linux", read: packages::apk },
    Extractor { kind: "pacman", about: "a package of Arch Linux and its kin", read: packages::pacman },
    Extractor { kind: "snap", about: "a snap, by its id and revision", read: packages::snap },
    Extractor { kind: "mar", about: "an update of Firefox or Thunderbird", read: browsers::mar },
    Extractor { kind: "chrome", about: "an installer of Chrome", read: browsers::chrome },
    Extractor { kind: "chrome_component", about: "a component or extension of Chrome and its kin, by its id", read: browsers::component },
    Extractor { kind: "apple", about: "a package, an asset or a firmware of Apple", read: vendors::apple },
    Extractor { kind: "adobe", about: "a package of Adobe", read: vendors::adobe },
    Extractor { kind: "java", about: "an installer of Java", read: vendors::java },
    Extractor { kind: "clamav", about: "signatures of ClamAV", read: vendors::clamav },
    Extractor { kind: "eset", about: "a module of ESET", read: vendors::eset },
    Extractor { kind: "mcafee", about: "definitions of McAfee, now Trellix", read: vendors::mcafee },
];

/// Every kind, with what it stands for.
pub fn kinds() -> impl Iterator<Item = (Word, &'static str)> {
    let all = EXTRACTORS.iter();
    all.map(|extractor| (extractor.kind, extractor.about))
}

/// What the file at `path` (as on the wire, with or without query) is.
pub fn of_path(path: &[u8]) -> Option<PayloadId> {
    let location = Location::new(path)?;
    EXTRACTORS.iter().find_map(|extractor| {
        let found = (extractor.read)(&location)?;
        let kind = extractor.kind;
        (!found.value.is_empty()).then_some(PayloadId { kind, ..found })
    })
}

/// Whether clients read what they need out of the file at `path`, and never all of it: Windows' express packages.
pub fn is_read_in_pieces(path: &[u8]) -> bool {
    Location::new(path).is_some_and(|at| at.stem(&[".psf"]).is_some())
}

impl PayloadId {
    /// A value, and nothing more that is known.
    fn of(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            ..Self::default()
        }
    }

    /// Bytes that it takes.
    pub fn memory(&self) -> usize {
        let others = [
            &self.version,
            &self.from_version,
            &self.architecture,
            &self.locale,
            &self.hash,
        ];
        let others: usize = others.into_iter().flatten().map(String::len).sum();
        size_of::<Self>() + self.value.len() + others
    }
}

fn kind<'de, D: Deserializer<'de>>(from: D) -> Result<&'static str, D::Error> {
    let word = String::deserialize(from)?;
    let known = kinds().find(|(kind, _)| *kind == word);
    let (kind, _) = known.ok_or_else(|| D::Error::custom("no kind of payload"))?;
    Ok(kind)
}

#[cfg(test)]
mod tests;
