//! `pages FOLDER`: manual pages and shell completions, out of what the program says of its own flags; and the documents of the package.
//!
//! An example and no command of the program: only who makes a package needs it.

mod documents;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

const NAME: &str = "patchspan";
const VERSION: &str = concat!("patchspan ", env!("CARGO_PKG_VERSION"));
/// What the package puts where.
const FILES: &[(&str, &str)] = &[
    (
        "/etc/patchspan/sensor.toml",
        "Configuration of the service patchspan. patchspan@NAME reads NAME.toml beside it.",
    ),
    (
        "/var/log/patchspan/patchspan.json",
        "Where that configuration writes to.",
    ),
    (
        "/usr/share/doc/patchspan/sensor.toml.example",
        "Every setting, with its default.",
    ),
    (
        "/usr/share/patchspan/catalogue",
        "The catalogue of update servers, as it is in the program; the form of own files, see catalogue.directory.",
    ),
];

fn main() -> io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("usage: pages FOLDER"));
    };
    fs::create_dir_all(&folder)?;
    let mut command = patchspan::cli::command();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, NAME, &folder)?;
    }
    // Commands get their full names when all is built; `help` has no page.
    let mut command = patchspan::cli::command().disable_help_subcommand(true);
    command.build();
    let pages: Vec<String> = command.get_subcommands().map(page_name).collect();
    write(&command, &pages, &folder)?;
    for subcommand in command.get_subcommands() {
        let mut related = vec![NAME.to_owned()];
        for action in subcommand.get_subcommands() {
            write(action, &[NAME.to_owned(), page_name(subcommand)], &folder)?;
            related.push(page_name(action));
        }
        write(subcommand, &related, &folder)?;
    }
    documents::write(Path::new("."), &folder.join("documents"))
}

fn page_name(command: &Command) -> String {
    let name = command.get_display_name();
    name.unwrap_or_else(|| command.get_name()).to_owned()
}

/// One page. The crate's own form would fill examples and tables like a paragraph.
fn write(command: &Command, related: &[String], folder: &Path) -> io::Result<()> {
    let name = page_name(command);
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .source(VERSION)
        .manual("patchspan");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    closing(command, related).to_writer(&mut page)?;
    fs::write(folder.join(format!("{name}.1")), page)
}

/// Notes as they stand in the help, files of the package, related pages.
fn closing(command: &Command, related: &[String]) -> Roff {
    let mut roff = Roff::new();
    if let Some(notes) = command.get_after_long_help() {
        roff.control("SH", ["NOTES"]).control("nf", []);
        for line in notes.to_string().lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    roff.control("SH", ["FILES"]);
    for (path, what) in FILES {
        roff.control("TP", [])
            .text([bold(*path)])
            .text([roman(*what)]);
    }
    let related: Vec<String> = related.iter().map(|page| format!("{page}(1)")).collect();
    roff.control("SH", ["SEE ALSO"])
        .text([roman(related.join(", "))]);
    roff
}
