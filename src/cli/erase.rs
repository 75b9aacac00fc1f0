//! `patchspan erase`: takes one client out of what was written.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

use super::diff::print;
use super::pseudonym::load;
use super::{Exit, complain, harmless, tell_errors};
use crate::offline::erase::{EraseError, Found, Mode, Whose, erase, files};
use crate::pseudonyms::{Fingerprint, Pseudonyms};
use crate::records::people::thousands;
use crate::types::Networks;

/// Take the lines of one client out of files of records, and out of the state that a run keeps.
///
/// A line is the client's where a value in it is its address, in any notation, or its reverse name, in whatever field; lines of other
/// clients that tell of it go too. Files may be compressed by gzip, zstd or xz, and stay so. Each is written aside and renamed; one
/// without such a line is not touched. Lines that are no JSON objects stay. A file that a sensor writes is refused: move it away, send the
/// sensor SIGHUP, and name the file moved. Backups, and what went to a collector, are not reached.
#[derive(Debug, Args)]
#[command(
    after_long_help = "Exit codes: 0 every file was gone through, 4 a file or a line of it cannot be read, or is in use, 6 a file cannot be written; see patchspan --help."
)]
pub struct Flags {
    /// The client's address, or several, separated by commas. Where pseudonyms are on, its true one.
    #[arg(value_name = "CLIENT")]
    client: Addresses,

    /// Files of records, directories of them (not what lies deeper), and the state directory of a sensor that does not run.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Tell what would be taken out, and change nothing.
    #[arg(long)]
    dry_run: bool,

    /// Configuration of the sensor: where it has [pseudonyms], lines of the client's pseudonym are taken out too.
    #[arg(long, value_name = "FILE", conflicts_with = "key_file")]
    config: Option<PathBuf>,

    /// File of the key of pseudonyms, instead of a configuration; not for a state.
    #[arg(long, value_name = "FILE", requires = "networks")]
    key_file: Option<PathBuf>,

    /// With --key-file: whose addresses have pseudonyms, as in the configuration: prefixes, separated by commas.
    #[arg(long, value_name = "LIST", requires = "key_file")]
    networks: Option<Networks>,
}

/// Addresses of one machine.
#[derive(Clone, Debug)]
struct Addresses(Vec<IpAddr>);

impl FromStr for Addresses {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        let address = |word: &str| {
            let word = word.trim();
            word.parse()
                .map_err(|_| format!("`{word}` is no address like 192.0.2.20 or 2001:db8::7"))
        };
        list.split(',')
            .map(address)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// What became of all files.
#[derive(Debug, Default)]
struct Sum {
    found: Found,
    /// Files in which there was something.
    files: u64,
    is_unread: bool,
    is_unwritten: bool,
}

/// Runs the command.
pub(super) fn run(flags: &Flags) -> Exit {
    let whose = match flags.whose() {
        Ok(whose) => whose,
        Err(exit) => return exit,
    };
    let mode = if flags.dry_run {
        Mode::Count
    } else {
        Mode::Erase
    };
    let mut sum = Sum::default();
    for named in &flags.files {
        match files(named) {
            Ok(files) => {
                for path in files {
                    if let Err(exit) = sum.file(&path, &whose, mode) {
                        return exit;
                    }
                }
            }
            Err(error) => sum.failed(named, &error),
        }
    }
    let files = thousands(sum.files);
    let of = if sum.files == 1 { "file" } else { "files" };
    let all = format!("total, of {files} {of}: {}\n", told(&sum.found, "", mode));
    match (print(&all), sum.is_unwritten, sum.is_unread) {
        (Err(exit), ..) => exit,
        (_, true, _) => Exit::Lost,
        (_, _, true) => Exit::Input,
        _ => Exit::Done,
    }
}

impl Flags {
    /// Its addresses, with their pseudonyms where there are any.
    fn whose(&self) -> Result<Whose, Exit> {
        let named = (self.config.as_deref(), self.key_file.as_deref());
        let pseudonyms = load(named, self.networks.as_ref()).map_err(|error| {
            tell_errors(&[error]);
            Exit::Config
        })?;
        let Some(pseudonyms) = pseudonyms else {
            return Ok(Whose::new(self.client.0.iter().copied(), Fingerprint::NONE));
        };
        let mut addresses = self.client.0.clone();
        for client in &self.client.0 {
            let pseudonym = pseudonyms.address(*client);
            if pseudonym == *client {
                complain(format_args!(
                    "{client}: is no client's by the networks given, and has no pseudonym"
                ));
                return Err(Exit::Usage);
            }
            addresses.push(pseudonym);
        }
        let clients = Pseudonyms::fingerprint(&pseudonyms);
        Ok(Whose::new(addresses, clients))
    }
}

impl Sum {
    /// Goes through a file and tells of it.
    fn file(&mut self, path: &Path, whose: &Whose, mode: Mode) -> Result<(), Exit> {
        let found = match erase(path, whose, mode) {
            Ok(found) => found,
            Err(error) => {
                self.failed(path, &error);
                return Ok(());
            }
        };
        if let Some(first) = found.first_unreadable {
            complain(format_args!(
                "{}: {} of its lines are no JSON objects and stay, the first is line {first}",
                path.display(),
                thousands(found.unreadable)
            ));
            self.is_unread = true;
        }
        self.found.add(&found);
        self.files += 1;
        let things = if found.is_state { " items" } else { " lines" };
        let line = format!("{}: {}\n", path.display(), told(&found, things, mode));
        print(&harmless(&line))
    }

    fn failed(&mut self, path: &Path, error: &EraseError) {
        complain(format_args!("{}: {error}", path.display()));
        if error.is_of_writing() {
            self.is_unwritten = true;
        } else {
            self.is_unread = true;
        }
    }
}

fn told(found: &Found, things: &str, mode: Mode) -> String {
    let what = match mode {
        Mode::Erase => "taken out",
        Mode::Count => "would be taken out",
    };
    let of_client = thousands(found.of_client);
    format!("{of_client} of {}{things} {what}", thousands(found.all))
}
