//! Reads the files of the catalogue that comes with the program, so that its start need not.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "src/updates/catalogue/tables.rs"]
mod tables;

use tables::VendorFile;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=catalogue");
    println!("cargo::rerun-if-changed=src/updates/catalogue/tables.rs");
    let mut paths = fs::read_dir("catalogue")?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<PathBuf>, _>>()?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    paths.sort();
    let mut vendors = Vec::new();
    for path in &paths {
        match read(path) {
            Ok(vendor) => vendors.push(vendor),
            Err(what) => println!("cargo::error={}:{what}", path.display()),
        }
    }
    let written = Path::new(&std::env::var("OUT_DIR")?).join("catalogue.postcard");
    fs::write(written, postcard::to_stdvec(&vendors)?)?;
    Ok(())
}

/// What stands in a file; the error begins with the line.
fn read(path: &Path) -> Result<VendorFile, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("1: {error}"))?;
    toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = text
            .bytes()
            .take(start)
            .filter(|byte| *byte == b'\n')
            .count()
            + 1;
        format!("{line}: {}", error.message().replace('\n', " "))
    })
}
