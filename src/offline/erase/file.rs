//! One file: held, read, and where the client is in it, written anew beside it.
//!
//! The file is locked as a sensor locks those that it writes and compresses, so neither works on it meanwhile. The new one is written as
//! `.NAME.erase` in the same directory, gets mode, user, group and time of the old one, is synced, and renamed. A run that is killed
//! leaves that file at most; the next one on the same file removes it. Access lists and other attributes are not carried over.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileTimes, Metadata, OpenOptions};
use std::io::{self, BufWriter, Read as _, Seek as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::lines::{count, without};
use super::whose::Whose;
use super::{EraseError, Found, Mode};
use crate::sensor::state::State;
use crate::source::capture::Input;
use crate::source::compression::{Compression, LOOK, decompressed};
use crate::source::packing::Packer;

/// What the name of a new file begins and ends with.
const BEFORE: &[u8] = b".";
const BEHIND: &[u8] = b".erase";
/// Enough for what tells a state.
const START: u64 = 8;
const BUFFER: usize = 256 << 10;

/// A file that nobody else writes or compresses.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    file: File,
    data: Metadata,
    start: Vec<u8>,
}

/// The new file; it goes with this unless it was renamed.
#[derive(Debug)]
struct Aside {
    path: PathBuf,
    file: File,
}

impl Held {
    /// Opens and locks it.
    pub fn open(path: &Path) -> Result<Self, EraseError> {
        let kind = fs::symlink_metadata(path).map_err(EraseError::Read)?;
        if kind.is_symlink() {
            return Err(EraseError::NoFile("a symbolic link"));
        }
        if kind.is_dir() {
            return Err(EraseError::NoFile("a directory"));
        }
        if !kind.is_file() {
            return Err(EraseError::NoFile("no regular file"));
        }
        let mut file = File::open(path).map_err(EraseError::Read)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| EraseError::InUse)?;
        let data = file.metadata().map_err(EraseError::Read)?;
        if data.nlink() > 1 {
            return Err(EraseError::Linked);
        }
        let mut start = Vec::new();
        let look = (&mut file).take(START.max(LOOK)).read_to_end(&mut start);
        look.map_err(EraseError::Read)?;
        let held = Self {
            path: path.to_owned(),
            file,
            data,
            start,
        };
        held.check_place()?;
        Ok(held)
    }

    /// Whether it is the state of a run.
    pub fn is_state(&self) -> bool {
        State::is_begun_by(&self.start)
    }

    /// Takes the lines of the client out.
    pub fn erase(&mut self, whose: &Whose, mode: Mode) -> Result<Found, EraseError> {
        if mode == Mode::Erase {
            remove_leftover(&aside_of(&self.path)).map_err(EraseError::Write)?;
        }
        let found = count(self.plain()?, whose)?;
        if found.of_client == 0 || mode == Mode::Count {
            return Ok(found);
        }
        self.rewrite(whose)
    }

    fn rewrite(&mut self, whose: &Whose) -> Result<Found, EraseError> {
        let input = self.plain()?;
        let aside = Aside::create(&self.path).map_err(EraseError::Write)?;
        let writer = BufWriter::with_capacity(BUFFER, &aside.file);
        let compression = Compression::told_by(&self.start);
        let mut packer = Packer::new(compression, writer).map_err(EraseError::Write)?;
        let found = without(input, &mut packer, whose)?;
        let flushed = packer.finish().and_then(|mut writer| writer.flush());
        flushed.map_err(EraseError::Write)?;
        aside.be_like(&self.data).map_err(EraseError::Write)?;
        self.check_place()?;
        aside.replace(&self.path)?;
        Ok(found)
    }

    /// Its plain bytes, from the first.
    fn plain(&mut self) -> Result<Input, EraseError> {
        self.file.rewind().map_err(EraseError::Read)?;
        let file = self.file.try_clone().map_err(EraseError::Read)?;
        decompressed(Input::new(file)).map_err(EraseError::Read)
    }

    /// It is still what lies at its path, as long as it was.
    fn check_place(&self) -> Result<(), EraseError> {
        let identity = |data: &Metadata| (data.dev(), data.ino(), data.len());
        let there = fs::symlink_metadata(&self.path).map_err(|_| EraseError::Changed)?;
        if identity(&there) == identity(&self.data) {
            Ok(())
        } else {
            Err(EraseError::Changed)
        }
    }
}

impl Aside {
    /// For its user alone, until it is like the old one.
    fn create(of: &Path) -> io::Result<Self> {
        let path = aside_of(of);
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        Ok(Self { path, file })
    }

    fn be_like(&self, old: &Metadata) -> io::Result<()> {
        let owner = |data: &Metadata| (data.uid(), data.gid());
        if owner(&self.file.metadata()?) != owner(old) {
            fchown(&self.file, Some(old.uid()), Some(old.gid()))?;
        }
        self.file.set_permissions(old.permissions())?;
        let times = FileTimes::new().set_modified(old.modified()?);
        self.file.set_times(times)
    }

    /// Takes the place of the old one, for good.
    fn replace(mut self, old: &Path) -> Result<(), EraseError> {
        let synced = self.file.sync_all();
        let renamed = synced.and_then(|()| fs::rename(&self.path, old));
        renamed.map_err(EraseError::Write)?;
        // Nothing of this name is ours any more.
        self.path = PathBuf::new();
        let synced = File::open(folder(old)).and_then(|folder| folder.sync_all());
        synced.map_err(EraseError::Unsynced)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // It may be what fills the disk.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The file that a path would be written to first.
fn aside_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().as_bytes();
    path.with_file_name(OsString::from_vec([BEFORE, name, BEHIND].concat()))
}

/// The file that one was written for, by its name.
pub(super) fn whose_aside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.as_bytes();
    let name = name.strip_prefix(BEFORE)?.strip_suffix(BEHIND)?;
    Some(path.with_file_name(OsStr::from_bytes(name)))
}

/// Deletes what a killed run left.
pub(super) fn remove_leftover(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The directory of a file.
pub(super) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
