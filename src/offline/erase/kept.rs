//! The state that a run keeps for the next one: names, flows, accesses and sessions of the client are taken out.

use std::path::{Path, PathBuf};

use super::file::{folder, remove_leftover};
use super::whose::Whose;
use super::{EraseError, Found, Mode};
use crate::pseudonyms::Fingerprint;
use crate::sensor::state::{self, State, Store};

/// The largest file that is read: a sensor writes 4 % of its memory.
const LARGEST: u64 = 4 << 30;

/// Takes the client out of the state at `path`. No sensor may use its directory meanwhile.
pub fn erase(path: &Path, whose: &Whose, mode: Mode) -> Result<Found, EraseError> {
    if path.file_name() != Some(state::NAME.as_ref()) {
        return Err(EraseError::Misnamed);
    }
    let directory = folder(path);
    let _locked = Store::open(directory, LARGEST, whose.clients()).map_err(EraseError::Running)?;
    let mut state = State::load(path, LARGEST)?;
    if ![Fingerprint::NONE, whose.clients()].contains(&state.clients) {
        return Err(EraseError::Pseudonyms);
    }
    let mut found = Found {
        is_state: true,
        all: state.items(),
        ..Found::default()
    };
    let removed = whose.addresses().map(|client| state.remove_client(client));
    found.of_client = removed.sum();
    if mode == Mode::Erase {
        remove_leftover(&directory.join(state::ASIDE)).map_err(EraseError::Write)?;
        if found.of_client > 0 {
            state.save(directory).map_err(EraseError::Write)?;
        }
    }
    Ok(found)
}

/// The state that a file was written for, by its name.
pub(super) fn whose_aside(path: &Path) -> Option<PathBuf> {
    let is_aside = path.file_name() == Some(state::ASIDE.as_ref());
    is_aside.then(|| path.with_file_name(state::NAME))
}
