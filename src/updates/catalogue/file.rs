//! Catalogue files, and what can be wrong in them.
//!
//! ```toml
//! [vendor]
//! id = "mozilla"
//!
//! [[product]]
//! id = "firefox"
//! title = "Mozilla Firefox"
//! security = "yes"
//!
//! [[product.endpoint]]
//! id = "check"
//! patterns = ["aus5.mozilla.org"]
//! role = "check"
//! transport = "https"
//! examples = ["aus5.mozilla.org"]
//! not = ["www.mozilla.org"]
//! source = "where the fact comes from"
//! verified = "never"
//! ```

use std::fs::File;
use std::hash::BuildHasher as _;
use std::io::{Error, Read};
use std::path::{Path, PathBuf};

use foldhash::quality::FixedState;

use super::builder::Builder;
use super::{Catalogue, embedded};

/// Largest catalogue file.
const MAX_FILE: u64 = 4 << 20;

/// A file's name and text.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its name, for messages.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// One thing that is wrong in a catalogue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {what}")]
pub struct CatalogueError {
    /// File.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong, and what is accepted.
    pub what: String,
}

impl Catalogue {
    /// Reads files; every error of every file, where there are any.
    pub fn from_files(version: &str, files: &[SourceFile]) -> Result<Self, Vec<CatalogueError>> {
        Builder::read(files, 0).catalogue(version)
    }

    /// Reads local files over those that come with the program: a local endpoint takes the place of the one with the same rule, a local
    /// pattern that of the same one. The version tells that, and which local files they were.
    pub fn with_local(local: &[SourceFile]) -> Result<Self, Vec<CatalogueError>> {
        let mut files = embedded::files();
        let shipped = files.len();
        files.extend_from_slice(local);
        Builder::read(&files, shipped).catalogue(&local_version(local))
    }
}

/// The version of the catalogue in the program with these local files: equal files, whatever they are called, make the same one.
pub(super) fn local_version(local: &[SourceFile]) -> String {
    const SEED: u64 = 0x6361_7461_6c6f_6775;

    let texts: Vec<&str> = local.iter().map(|file| file.text.as_str()).collect();
    let hash = FixedState::with_seed(SEED).hash_one(&texts);
    format!("{}+local.{:08x}", embedded::version(), hash >> 32)
}

/// Reads the `*.toml` files of a directory, in the order of their names.
pub fn read_directory(directory: &Path) -> Result<Vec<SourceFile>, Error> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    paths.sort();
    let named = |path: &Path, error| Error::other(format!("{}: {error}", path.display()));
    paths
        .into_iter()
        .map(|path| read_file(&path).map_err(|error| named(&path, error)))
        .collect()
}

/// Reads a regular file, whatever its size is said to be: a device has no end, and a pipe may never begin.
fn read_file(path: &Path) -> Result<SourceFile, Error> {
    if !path.metadata()?.is_file() {
        return Err(Error::other("is no file"));
    }
    let mut text = String::new();
    let mut file = File::open(path)?.take(MAX_FILE + 1);
    let read = file.read_to_string(&mut text)?;
    if read as u64 > MAX_FILE {
        return Err(Error::other(format!("is larger than {MAX_FILE} bytes")));
    }
    Ok(SourceFile {
        text,
        name: path.display().to_string(),
    })
}

/// An error at a byte of a file.
pub(super) fn error_at(file: &SourceFile, offset: usize, what: String) -> CatalogueError {
    let before = file.text.get(..offset).unwrap_or(&file.text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .map_or(0, |line| line.chars().count())
        + 1;
    CatalogueError {
        file: file.name.clone(),
        line,
        column,
        // A terminal shall not obey what a file says.
        what: what.replace(char::is_control, "?"),
    }
}
