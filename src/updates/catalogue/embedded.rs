//! The catalogue that comes with the program.

use include_dir::{Dir, include_dir};

use super::SourceFile;
use super::tables::VendorFile;

static DIRECTORY: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/catalogue");

/// Its files, in the order of their names.
pub fn files() -> Vec<SourceFile> {
    let files = DIRECTORY.files().filter(|file| {
        file.path()
            .extension()
            .is_some_and(|extension| extension == "toml")
    });
    let mut files: Vec<SourceFile> = files
        .map(|file| SourceFile {
            name: format!("catalogue/{}", file.path().display()),
            text: file.contents_utf8().unwrap_or_default().to_owned(),
        })
        .collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

/// What stands in them, in the same order: read when the program was built, as TOML took most of the time of its start.
pub(super) fn tables() -> Vec<VendorFile> {
    let read = include_bytes!(concat!(env!("OUT_DIR"), "/catalogue.postcard"));
    // A test holds that it can be read, and is what the files say.
    postcard::from_bytes(read).unwrap_or_default()
}

/// Its version.
pub fn version() -> &'static str {
    include_str!("../../../catalogue/VERSION").trim_ascii()
}
