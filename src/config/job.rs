//! What a replay or a live run is asked to do, and what became of it: all that stands between the command line and the sensor.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::Config;
use super::hosts::HostList;
use crate::records::Kinds;
use crate::source::Order;

/// How often a live run tells that every worker turns, where nobody asks for more.
pub const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// Most workers.
pub const MAX_WORKERS: usize = 64;

/// A replay of capture files.
#[derive(Clone, Debug)]
pub struct ReplayJob {
    /// Files as named; `-` is standard input. At least one.
    pub files: Vec<PathBuf>,
    /// In which order they are read.
    pub order: Order,
    /// Everything that a configuration can set.
    pub config: Config,
    /// Kinds of record that are written.
    pub kinds: Kinds,
    /// Form of the output.
    pub format: Format,
    /// Workers, at most [`MAX_WORKERS`].
    pub workers: NonZeroUsize,
    /// File that is written; `None`: standard output.
    pub output: Option<PathBuf>,
    /// Time zone of what people read; records are always UTC.
    pub timezone: TimeZone,
    /// What people read instead of an address.
    pub host_labels: HashMap<IpAddr, String>,
    /// Who is behind the addresses.
    pub hosts: HostList,
}

/// A live run.
#[derive(Clone, Debug)]
pub struct RunJob {
    /// Everything that a configuration can set; `capture` holds at least one interface.
    pub config: Config,
    /// Who is behind the addresses.
    pub hosts: HostList,
    /// The files that both came from, where there are any.
    pub files: Vec<PathBuf>,
    /// How often it is told that every worker turns.
    pub alive_every: Duration,
}

/// A look at a mirror, to judge it.
#[derive(Clone, Debug)]
pub struct DoctorJob {
    /// Everything that a configuration can set; live, `capture` holds at least one interface.
    pub config: Config,
    /// Who is thought to be there; `None`: nobody says.
    pub hosts: Option<HostList>,
    /// Where the frames come from.
    pub source: DoctorSource,
}

/// Where the frames come from that are judged.
#[derive(Clone, Debug)]
pub enum DoctorSource {
    /// The configuration's interfaces, for so long.
    Interfaces(Duration),
    /// Capture files.
    Files(Vec<PathBuf>),
}

/// What became of a live run. Messages were written as things happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunOutcome {
    /// Lines that outputs had not written when they had to end.
    pub lost: u64,
    /// Lines that were lost before, of which `loss` records tell.
    pub told: u64,
}

/// Form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// JSON lines.
    #[default]
    Json,
    /// What matches the catalogue, a line an event, by start time.
    Text,
    /// The same in the form of the prototype, by end time.
    Figure2,
    /// What it means: a line a host and product.
    Summary,
}

/// What became of a replay. Messages were written as things happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayOutcome {
    /// Files that could not be read, or not to their end for another reason than being cut.
    pub unreadable: u64,
    /// Files that were cut in their last record.
    pub cut: u64,
    /// Records, or their lines, that were not written.
    pub lost: u64,
}
