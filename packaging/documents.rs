//! The documents as the package installs them: links lead to where it puts things, or are words where it does not bring them.
//!
//! Links inside a document and to the web stay as they are. Whatever stands between `](` and `)` is taken as a link.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Where they are installed.
pub const FOLDER: &str = "usr/share/doc/patchspan";
/// Those that are written anew, files and folders.
const DOCUMENTS: [&str; 3] = ["README.md", "ARCHITECTURE.md", "docs"];
/// What is installed elsewhere, or under another name.
const MOVED: [(&str, &str); 2] = [
    ("CHANGELOG.md", "usr/share/doc/patchspan/changelog.gz"),
    (
        "catalogue/README.md",
        "usr/share/patchspan/catalogue/README.md",
    ),
];
const ELSEWHERE: &str = "\nFiles that are named here and not linked are in the source code.\n";

/// Writes the documents of `source` into `target`, which stands for [`FOLDER`].
pub fn write(source: &Path, target: &Path) -> io::Result<()> {
    for document in DOCUMENTS {
        copy(source, Path::new(document), target)?;
    }
    Ok(())
}

fn copy(source: &Path, document: &Path, target: &Path) -> io::Result<()> {
    let path = source.join(document);
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            copy(source, &document.join(entry?.file_name()), target)?;
        }
        return Ok(());
    }
    let written = target.join(document);
    if let Some(folder) = written.parent() {
        fs::create_dir_all(folder)?;
    }
    if path.extension() != Some(OsStr::new("md")) {
        return fs::copy(path, written).map(drop);
    }
    fs::write(written, relinked(&fs::read_to_string(path)?, document))
}

/// The text of `document`, a path in the source, with the links of the package.
fn relinked(text: &str, document: &Path) -> String {
    let mut parts = text.split("](");
    let mut made = parts.next().unwrap_or_default().to_owned();
    let mut all_are_there = true;
    for part in parts {
        let (link, rest) = part.split_once(')').unwrap_or((part, ""));
        if let Some(link) = installed_link(link, document) {
            made.push_str(&format!("]({link}){rest}"));
            continue;
        }
        all_are_there = false;
        if let Some(bracket) = made.rfind('[') {
            made.remove(bracket);
        }
        made.push_str(rest);
    }
    if !all_are_there {
        made.push_str(ELSEWHERE);
    }
    made
}

/// None where nothing is installed that `link` leads to.
fn installed_link(link: &str, document: &Path) -> Option<String> {
    if link.starts_with('#') || link.contains("://") {
        return Some(link.to_owned());
    }
    let (path, heading) = link.find('#').map_or((link, ""), |at| link.split_at(at));
    let meant = plain(&document.parent()?.join(path));
    let way = way(installed(document)?.parent()?, &installed(&meant)?);
    Some(format!("{}{heading}", way.display()))
}

/// Where a file of the source is installed.
fn installed(file: &Path) -> Option<PathBuf> {
    let moved = MOVED.iter().find(|(from, _)| file == Path::new(from));
    if let Some((_, to)) = moved {
        return Some(PathBuf::from(to));
    }
    let is_document = DOCUMENTS.iter().any(|document| file.starts_with(document));
    is_document.then(|| Path::new(FOLDER).join(file))
}

/// Without `..`.
pub fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    plain
}

/// From a folder to a file, both below the same root.
fn way(folder: &Path, file: &Path) -> PathBuf {
    let (from, to) = (folder.components(), file.components());
    let shared = from.zip(to).take_while(|(from, to)| from == to).count();
    let up = folder.components().skip(shared).map(|_| "..");
    let down = file.components().skip(shared);
    up.map(OsStr::new)
        .chain(down.map(Component::as_os_str))
        .collect()
}
