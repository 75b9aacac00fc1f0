//! The file that a run leaves for the next one: names, open accesses and sessions, what could be seen of clients so far, and where
//! flows stand.
//!
//! ```text
//! 0        8         12    16        24     32       40     44  48        64
//! | magic  | version | crc | written | seen | length | runs | 0 | clients | items ...
//!
//! item: | what: u, h, c, f or n | length: 4 bytes | postcard |
//! ```
//!
//! Numbers are little-endian. `crc` is a CRC-32 of all that follows it: it finds damage, not intent. `written` is wall time, `seen` the
//! packet time up to which the items hold everything. `runs`: how many runs have gone on since; it is raised whenever one takes the
//! file up. `clients`: what clients are called by in the items ([`Fingerprint`]); a run that calls them otherwise does not take them up,
//! or addresses would be told beside pseudonyms. postcard does not describe itself, so any change of an item's form is another [`VERSION`]; a test holds that.
//!
//! The file is written aside, synced and renamed: a reader meets the old one or the new one. It is never larger than its share of
//! memory: accesses come first, then flows, then names from the newest on; what does not fit is left out and counted. The directory is
//! locked while a run uses it.
//!
//! The file tells of clients: [`State::remove_client`] takes one out of it.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crc32fast::Hasher;
use rustix::fs::{FlockOperation, OFlags, flock};
use serde::Serialize;

use super::kept::KeptFlow;
use crate::names::kept::KeptName;
use crate::pseudonyms::Fingerprint;
use crate::types::Timestamp;
use crate::updates::coverage::kept::{KeptCoverage, KeptCoverageRef};
use crate::updates::engine::kept::{Kept, KeptRef};
use crate::updates::hosts::kept::{KeptHost, KeptHostRef};

/// Name of the file in its directory.
pub const NAME: &str = "state";
/// The file while it is written; a run that was killed may leave it.
pub const ASIDE: &str = "state.new";
const MAGIC: &[u8; 8] = b"PSPSTATE";
/// The form of the items.
pub const VERSION: u32 = 7;
const HEADER: usize = 64;
/// Where the CRC begins to count.
const COUNTED: usize = 16;
/// Longest item: a flow within two HTTP heads.
const MAX_ITEM: usize = 256 << 10;
const ITEM_HEAD: usize = 5;
/// An older file is not taken up.
pub const OLDEST: Duration = Duration::from_secs(2 * 3_600);
/// A file may say that it was written so much later than now: clocks are set.
const SLACK: Duration = Duration::from_secs(60);

const UPDATE: u8 = b'u';
const HOST: u8 = b'h';
const COVERAGE: u8 = b'c';
const FLOW: u8 = b'f';
const NAMED: u8 = b'n';

/// Why a file is not taken up.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is larger than this run would write.
    #[error("is larger than {0} bytes, the share of `memory` for it")]
    TooLarge(u64),
    /// It is something else.
    #[error("is no state of this program")]
    Foreign,
    /// Another version wrote it.
    #[error("has version {0}, and this program knows {VERSION}")]
    Version(u32),
    /// It is cut, or its bytes are not those that were written.
    #[error("is damaged")]
    Damaged,
    /// It is older than [`OLDEST`].
    #[error("is older than 2 hours")]
    Old,
    /// It says that it was written later than now.
    #[error("was written in the future: the clock went back")]
    Future,
    /// Its clients have other pseudonyms, or none, or should have none.
    #[error("calls clients otherwise: [pseudonyms] is not what it was")]
    Clients,
}

/// When the items were told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Wall time of writing.
    pub written: Timestamp,
    /// The items hold everything up to this packet time.
    pub seen: Timestamp,
    /// Runs that went on since.
    pub runs: u32,
}

/// Items as bytes, up to a limit.
#[derive(Debug)]
pub struct Frames {
    bytes: Vec<u8>,
    /// How many are in them.
    items: u64,
    limit: usize,
    left_out: u64,
}

/// The content of a file.
#[derive(Debug)]
pub struct State {
    /// When it was told.
    pub moment: Moment,
    /// What its clients are called by.
    pub clients: Fingerprint,
    /// Accesses, sessions, and what else belongs to clients.
    pub updates: Vec<Kept>,
    /// Addresses and MAC addresses.
    pub hosts: Vec<KeptHost>,
    /// What could be seen of clients in the open hour.
    pub coverage: Vec<KeptCoverage>,
    pub(super) flows: Vec<KeptFlow>,
    /// What clients were answered, newest first.
    pub names: Vec<KeptName>,
}

/// A directory in which a run keeps its state; nobody else does meanwhile.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    /// Holds the lock.
    open: File,
    limit: u64,
    clients: Fingerprint,
}

/// What became of a file that was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Its size.
    pub bytes: u64,
    /// Items that did not fit.
    pub left_out: u64,
}

impl Frames {
    /// None so far, and at most `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            items: 0,
            limit,
            left_out: 0,
        }
    }

    /// Adds what the engine tells.
    pub fn update(&mut self, item: &KeptRef<'_>) {
        self.push(UPDATE, item);
    }

    /// Adds what is known of an address or MAC address.
    pub fn host(&mut self, item: &KeptHostRef<'_>) {
        self.push(HOST, item);
    }

    /// Adds what the engine tells of what could be seen.
    pub fn coverage(&mut self, item: &KeptCoverageRef<'_>) {
        self.push(COVERAGE, item);
    }

    /// Adds a flow.
    pub(super) fn flow(&mut self, flow: &KeptFlow) {
        self.push(FLOW, flow);
    }

    /// Adds a name.
    fn name(&mut self, name: &KeptName) {
        self.push(NAMED, name);
    }

    /// Bytes so far.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn push(&mut self, what: u8, item: &impl Serialize) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[what, 0, 0, 0, 0]);
        let begun = std::mem::take(&mut self.bytes);
        let Ok(bytes) = postcard::to_extend(item, begun) else {
            // Only what has no length beforehand cannot be written, and there is none.
            self.left_out += 1;
            return;
        };
        self.bytes = bytes;
        let length = self.bytes.len() - start - ITEM_HEAD;
        if length > MAX_ITEM || self.bytes.len() > self.limit {
            self.bytes.truncate(start);
            self.left_out += 1;
        } else if let Some(head) = self.bytes.get_mut(start + 1..start + ITEM_HEAD) {
            head.copy_from_slice(&(length as u32).to_le_bytes());
            self.items += 1;
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.items = 0;
    }
}

impl State {
    /// Reads a file's bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let Header { moment, clients } = Header::check(bytes)?;
        let mut state = Self {
            moment,
            clients,
            updates: Vec::new(),
            hosts: Vec::new(),
            coverage: Vec::new(),
            flows: Vec::new(),
            names: Vec::new(),
        };
        let mut rest = bytes.get(HEADER..).unwrap_or_default();
        while !rest.is_empty() {
            rest = state.item(rest).ok_or(Refusal::Damaged)?;
        }
        Ok(state)
    }

    /// Reads the file at `path`, of at most `limit` bytes, whatever its age.
    pub fn load(path: &Path, limit: u64) -> Result<Self, Refusal> {
        Self::decode(&read(path, limit)?)
    }

    /// Whether a file that begins so is a state.
    pub fn is_begun_by(start: &[u8]) -> bool {
        start.starts_with(MAGIC)
    }

    /// How many items it has.
    pub const fn items(&self) -> u64 {
        let engine = self.updates.len() + self.hosts.len() + self.coverage.len();
        (engine + self.flows.len() + self.names.len()) as u64
    }

    /// Takes everything about a client out; gives how many items that were.
    pub fn remove_client(&mut self, client: &IpAddr) -> u64 {
        let before = self.items();
        let hosts = self.hosts.iter();
        let own = hosts.filter(|host| host.client() == Some(*client));
        let macs: Vec<_> = own.flat_map(KeptHost::macs).collect();
        let is_of = |mac| macs.contains(&mac);
        self.updates
            .retain(|item| item.client() != Some(*client) && !item.mac().is_some_and(is_of));
        self.hosts.retain_mut(|item| !item.forget_address(*client));
        self.coverage.retain(|item| item.client() != Some(*client));
        self.flows.retain(|flow| !flow.is_of(*client));
        self.names.retain(|name| name.client() != *client);
        before - self.items()
    }

    /// Writes it to its directory, in the place of what is there, whose user and group keep it.
    pub fn save(&self, directory: &Path) -> io::Result<Written> {
        let mut frames = Frames::new(usize::MAX);
        self.hosts.iter().for_each(|item| frames.push(HOST, item));
        let updates = self.updates.iter();
        updates.for_each(|item| frames.push(UPDATE, item));
        let coverage = self.coverage.iter();
        coverage.for_each(|item| frames.push(COVERAGE, item));
        self.flows.iter().for_each(|flow| frames.flow(flow));
        self.names.iter().for_each(|name| frames.name(name));
        let header = Header {
            moment: self.moment,
            clients: self.clients,
        };
        write(directory, header, &[&frames], || None, u64::MAX)
    }

    /// Takes in the item at the start of `bytes`; gives what follows.
    fn item<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let (what, bytes) = bytes.split_first()?;
        let (length, bytes) = bytes.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (item, rest) = bytes
            .split_at_checked(length)
            .filter(|_| length <= MAX_ITEM)?;
        match *what {
            UPDATE => self.updates.push(whole(item)?),
            HOST => self.hosts.push(whole(item)?),
            COVERAGE => self.coverage.push(whole(item)?),
            FLOW => self.flows.push(whole(item)?),
            NAMED => self.names.push(whole(item)?),
            _ => return None,
        }
        Some(rest)
    }
}

/// An item that takes all of its bytes.
fn whole<'b, T: serde::Deserialize<'b>>(bytes: &'b [u8]) -> Option<T> {
    let (item, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(item)
}

impl Store {
    /// Opens a directory for files of at most `limit` bytes, in which clients are called by `clients`, and locks it.
    pub fn open(directory: &Path, limit: u64, clients: Fingerprint) -> io::Result<Self> {
        let open = File::open(directory)?;
        flock(&open, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            rustix::io::Errno::WOULDBLOCK => io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another sensor keeps its state there",
            ),
            other => other.into(),
        })?;
        Ok(Self {
            directory: directory.to_owned(),
            open,
            limit,
            clients,
        })
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.directory.join(NAME)
    }

    /// Most bytes of the file.
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// What the run before left, where it is to be gone on with at `now`; `None` where there is nothing.
    ///
    /// The file says from then on that another run has gone on: what that one tells has higher revisions, even if it dies at once.
    pub fn take_up(&self, now: Timestamp) -> Option<Result<State, Refusal>> {
        match self.taken(now) {
            Err(Refusal::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => None,
            taken => Some(taken),
        }
    }

    fn taken(&self, now: Timestamp) -> Result<State, Refusal> {
        let mut bytes = read(&self.path(), self.limit)?;
        let state = State::decode(&bytes)?;
        if state.clients != self.clients {
            return Err(Refusal::Clients);
        }
        let written = state.moment.written;
        if now.since(written) > OLDEST {
            return Err(Refusal::Old);
        }
        if written.since(now) > SLACK {
            return Err(Refusal::Future);
        }
        let gone_on = Moment {
            runs: state.moment.runs.saturating_add(1),
            ..state.moment
        };
        let items = bytes.split_off(HEADER);
        let mut crc = Hasher::new();
        crc.update(&items);
        let header = self.header(gone_on).bytes(items.len() as u64, &crc);
        self.replace(|file| {
            file.write_all(&header)?;
            file.write_all(&items)
        })?;
        Ok(state)
    }

    /// Writes what a run keeps: the items of `parts`, then `names` as far as there is room.
    pub fn write(
        &self,
        moment: Moment,
        parts: &[&Frames],
        mut names: impl Iterator<Item = KeptName>,
    ) -> io::Result<Written> {
        let header = self.header(moment);
        write(&self.directory, header, parts, || names.next(), self.limit)
    }

    const fn header(&self, moment: Moment) -> Header {
        Header {
            moment,
            clients: self.clients,
        }
    }

    fn replace(&self, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        replace(&self.directory, fill)?;
        self.open.sync_all()
    }
}

/// Writes a file aside, and puts it in the place of the one before.
fn replace(directory: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let aside = directory.join(ASIDE);
    // What lies there may be a link, a pipe, or open to others: nothing is written into it.
    match std::fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options.open(&aside).and_then(|mut file| {
        keep_owner(&directory.join(NAME), &file);
        fill(&mut file)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| std::fs::rename(&aside, directory.join(NAME)));
    if renamed.is_err() {
        // It may be what fills the disk.
        let _ = std::fs::remove_file(&aside);
    }
    renamed?;
    File::open(directory)?.sync_all()
}

/// Gives `file` to whoever owns `before`, where that may be done: root erases clients in the sensor's place.
fn keep_owner(before: &Path, file: &File) {
    let owner = |data: Metadata| (data.uid(), data.gid());
    let Ok((user, group)) = std::fs::symlink_metadata(before).map(owner) else {
        return;
    };
    if file.metadata().map(owner).ok() != Some((user, group)) {
        let _ = fchown(file, Some(user), Some(group));
    }
}

/// Names that are turned to bytes together.
const NAMES_AT_ONCE: usize = 64 << 10;

fn write(
    directory: &Path,
    header: Header,
    parts: &[&Frames],
    mut next_name: impl FnMut() -> Option<KeptName>,
    limit: u64,
) -> io::Result<Written> {
    let mut told = Written::default();
    replace(directory, |file| {
        file.write_all(&[0; HEADER])?;
        let mut body = Body {
            file: BufWriter::new(file),
            crc: Hasher::new(),
            length: 0,
            limit,
        };
        for part in parts {
            told.left_out += part.left_out + body.add(part)?;
        }
        told.left_out += body.add_names(&mut next_name)?;
        told.bytes = HEADER as u64 + body.length;
        let header = header.bytes(body.length, &body.crc);
        body.file.flush()?;
        drop(body);
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&header)
    })?;
    Ok(told)
}

/// The items of a file that is being written.
struct Body<'f> {
    file: BufWriter<&'f mut File>,
    crc: Hasher,
    length: u64,
    limit: u64,
}

impl Body<'_> {
    /// Adds all of `frames`, or nothing where there is no room; gives how many items were left out.
    fn add(&mut self, frames: &Frames) -> io::Result<u64> {
        let bytes = &frames.bytes;
        let length = self.length + bytes.len() as u64;
        if HEADER as u64 + length > self.limit {
            return Ok(frames.items);
        }
        self.length = length;
        self.crc.update(bytes);
        self.file.write_all(bytes)?;
        Ok(0)
    }

    /// Adds names as long as there is room; gives how many were left out.
    fn add_names(&mut self, next: &mut impl FnMut() -> Option<KeptName>) -> io::Result<u64> {
        let mut frames = Frames::new(NAMES_AT_ONCE + MAX_ITEM);
        let mut refused = 0;
        while refused == 0
            && let Some(name) = next()
        {
            frames.name(&name);
            if frames.len() > NAMES_AT_ONCE {
                refused = self.add(&frames)?;
                frames.clear();
            }
        }
        refused += self.add(&frames)?;
        let unread = std::iter::from_fn(next).count() as u64;
        Ok(refused + frames.left_out + unread)
    }
}

/// The first bytes of a file.
#[derive(Clone, Copy, Debug)]
struct Header {
    moment: Moment,
    clients: Fingerprint,
}

impl Header {
    /// `length` and `items`: length and CRC of all items.
    fn bytes(&self, length: u64, items: &Hasher) -> [u8; HEADER] {
        let moment = &self.moment;
        let counted = [
            &moment.written.as_nanos().to_le_bytes()[..],
            &moment.seen.as_nanos().to_le_bytes(),
            &length.to_le_bytes(),
            &moment.runs.to_le_bytes(),
            &[0; 4],
            &self.clients.0,
        ]
        .concat();
        let mut crc = Hasher::new();
        crc.update(&counted);
        crc.combine(items);
        let whole = [
            &MAGIC[..],
            &VERSION.to_le_bytes(),
            &crc.finalize().to_le_bytes(),
            &counted,
        ]
        .concat();
        let mut header = [0; HEADER];
        for (to, from) in header.iter_mut().zip(whole) {
            *to = from;
        }
        header
    }

    /// What the first bytes say of a file that is whole.
    fn check(bytes: &[u8]) -> Result<Self, Refusal> {
        let Some((magic, rest)) = bytes.split_first_chunk::<8>() else {
            return Err(Refusal::Foreign);
        };
        if magic != MAGIC {
            return Err(Refusal::Foreign);
        }
        let mut fields = Fields(rest);
        let version = u32::from_le_bytes(fields.take()?);
        if version != VERSION {
            return Err(Refusal::Version(version));
        }
        let crc = u32::from_le_bytes(fields.take()?);
        let moment = |nanos| Timestamp::from_nanos(i64::from_le_bytes(nanos));
        let (written, seen) = (moment(fields.take()?), moment(fields.take()?));
        let length = u64::from_le_bytes(fields.take()?);
        let runs = u32::from_le_bytes(fields.take()?);
        fields.take::<4>()?;
        let clients = Fingerprint(fields.take()?);
        let counted = bytes.get(COUNTED..).unwrap_or_default();
        if fields.0.len() as u64 != length || crc32fast::hash(counted) != crc {
            return Err(Refusal::Damaged);
        }
        // Nobody writes what has not been seen; items are judged by this moment, so it may not lie anywhere.
        if seen > written {
            return Err(Refusal::Damaged);
        }
        let moment = Moment {
            written,
            seen,
            runs,
        };
        Ok(Self { moment, clients })
    }
}

/// Fixed fields, one after the other.
struct Fields<'b>(&'b [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let (field, rest) = self.0.split_first_chunk().ok_or(Refusal::Damaged)?;
        self.0 = rest;
        Ok(*field)
    }
}

/// The bytes of a file of at most `limit` bytes.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Refusal> {
    // A pipe would be waited for, for ever.
    let mut options = OpenOptions::new();
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = options.read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file").into());
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(Refusal::TooLarge(limit));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
