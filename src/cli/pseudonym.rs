//! `patchspan pseudonym`: who is behind a pseudonym, for those who have the key.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::diff::print;
use super::{Exit, complain, tell_errors};
use crate::config::Config;
use crate::config::hosts::mac;
use crate::config::pseudonyms::load_key;
use crate::pseudonyms::{Clients, Pseudonyms};
use crate::sensor::setup;
use crate::types::Networks;

/// Tell the pseudonym of an address, a MAC address or a name; with --reverse, the address of a pseudonym.
///
/// Only who has the key can do this. MAC addresses and names cannot be turned around: try those that it may be.
#[derive(Debug, Args)]
#[command(after_long_help = "Exit codes: see patchspan --help.")]
pub struct Flags {
    /// Configuration with a section [pseudonyms].
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "key_file",
        conflicts_with = "key_file"
    )]
    config: Option<PathBuf>,

    /// File of the key, instead of a configuration.
    #[arg(long, value_name = "FILE", requires = "networks")]
    key_file: Option<PathBuf>,

    /// With --key-file: whose addresses have pseudonyms, as in the configuration: prefixes, separated by commas.
    #[arg(long, value_name = "LIST", requires = "key_file")]
    networks: Option<Networks>,

    /// Tell addresses by their pseudonyms.
    #[arg(long)]
    reverse: bool,

    /// Addresses; without --reverse also MAC addresses (02:00:5e:00:53:01) and names.
    #[arg(required = true, value_name = "ADDRESS")]
    addresses: Vec<String>,
}

/// Runs the command.
pub(super) fn run(flags: &Flags) -> Exit {
    let pseudonyms = match flags.pseudonyms() {
        Ok(pseudonyms) => pseudonyms,
        Err(error) => {
            tell_errors(&[error]);
            return Exit::Config;
        }
    };
    let mut text = String::new();
    for original in &flags.addresses {
        let told = if flags.reverse {
            reversed(&pseudonyms, original)
        } else {
            pseudonym(&pseudonyms, original)
        };
        match told {
            Ok(told) => text += &format!("{told}\n"),
            Err(error) => {
                complain(format_args!("{original}: {error}"));
                return Exit::Usage;
            }
        }
    }
    print(&text).err().unwrap_or(Exit::Done)
}

impl Flags {
    fn pseudonyms(&self) -> Result<Arc<Pseudonyms>, String> {
        let named = (self.config.as_deref(), self.key_file.as_deref());
        let missing = || {
            let path = self.config.as_deref().unwrap_or(Path::new(""));
            format!("{}: there is no pseudonyms.key_file", path.display())
        };
        load(named, self.networks.as_ref())?.ok_or_else(missing)
    }
}

/// What makes pseudonyms, as a configuration says it, or a key and networks; `None` where neither has any.
pub(super) fn load(
    (config, key_file): (Option<&Path>, Option<&Path>),
    networks: Option<&Networks>,
) -> Result<Option<Arc<Pseudonyms>>, String> {
    if let Some(path) = config {
        let config = Config::load(path).map_err(|errors| errors.to_string())?;
        return setup::pseudonyms(&config).map_err(|error| error.to_string());
    }
    let Some(path) = key_file else {
        return Ok(None);
    };
    let key = load_key(path).map_err(|error| error.to_string())?;
    let clients = Clients {
        networks: networks.cloned().unwrap_or_default(),
        domains: Vec::new(),
    };
    let pseudonyms = Pseudonyms::new(&key, clients).map(Arc::new);
    let wrong = |error| format!("{}: {error}", path.display());
    pseudonyms.map(Some).map_err(wrong)
}

fn pseudonym(pseudonyms: &Pseudonyms, original: &str) -> Result<String, &'static str> {
    if let Ok(address) = original.parse::<IpAddr>() {
        let pseudonym = Some(pseudonyms.address(address)).filter(|pseudonym| *pseudonym != address);
        return pseudonym
            .map(|pseudonym| pseudonym.to_string())
            .ok_or("is no client's by the networks given, and has no pseudonym");
    }
    if let Some(mac) = mac(original) {
        let hashed = pseudonyms.mac(mac).map(|byte| format!("{byte:02x}"));
        return Ok(hashed.join(":"));
    }
    let name = pseudonyms.name_of_client(original);
    name.ok_or("is neither an address nor a MAC address nor a name")
}

fn reversed(pseudonyms: &Pseudonyms, pseudonym: &str) -> Result<String, &'static str> {
    let address: IpAddr = pseudonym
        .parse()
        .map_err(|_| "is no address; nothing else can be turned around")?;
    let original = pseudonyms.reverse(address);
    original
        .map(|address| address.to_string())
        .ok_or("is nobody's pseudonym by this key and these networks")
}
