//! What stands in a catalogue file, as it is read: nothing of it is understood yet.
//!
//! The build script reads the files that come with the program, and stands outside of its modules: nothing of them is used here.

use std::ops::Range;

use serde::{Deserialize, Deserializer, Serialize};

/// A value, and where it stands in its file, in bytes. The place is read where the form of the file tells it, as TOML does; a form that
/// is not for people holds both.
#[derive(Debug, PartialEq, Serialize)]
pub struct Spanned<T> {
    pub span: Range<usize>,
    pub value: T,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (span, value) = if deserializer.is_human_readable() {
            let read = toml::Spanned::deserialize(deserializer)?;
            (read.span(), read.into_inner())
        } else {
            Deserialize::deserialize(deserializer)?
        };
        Ok(Self { span, value })
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorFile {
    pub vendor: VendorTable,
    #[serde(default)]
    pub product: Vec<ProductTable>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorTable {
    pub id: Spanned<String>,
    #[serde(default, rename = "title")]
    _title: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductTable {
    pub id: Spanned<String>,
    pub title: String,
    pub security: Spanned<String>,
    pub platform: Option<Spanned<String>>,
    pub check_interval: Option<Spanned<String>>,
    pub release_cadence: Option<String>,
    pub overdue_after: Option<Spanned<String>>,
    pub typical_check_bytes: Option<u64>,
    pub typical_download_bytes: Option<u64>,
    pub download_threshold: Option<u64>,
    #[serde(default)]
    pub endpoint: Vec<EndpointTable>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointTable {
    pub id: Spanned<String>,
    pub patterns: Vec<Spanned<String>>,
    pub role: Spanned<String>,
    pub transport: Option<Spanned<String>>,
    #[serde(default)]
    pub by_volume: bool,
    #[serde(default)]
    pub shared_host: bool,
    #[serde(default)]
    pub any_host: bool,
    #[serde(default)]
    pub paths: Vec<PathTable>,
    #[serde(default)]
    pub alternatives: Vec<Spanned<String>>,
    #[serde(default)]
    pub examples: Vec<Spanned<String>>,
    #[serde(default)]
    pub not: Vec<Spanned<String>>,
    pub source: Option<String>,
    pub verified: Option<Spanned<String>>,
    pub notes: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathTable {
    pub path: Option<Spanned<String>>,
    pub agent: Option<Spanned<String>>,
    pub role: Spanned<String>,
    pub rule: Option<Spanned<String>>,
}
