//! What records mean for who looks after hosts: which missed an update, which were away, and where the sensor cannot tell.
//!
//! Records are held in memory, as far as a report needs them. `docs/report.md` says what each state means, and when.
//!
//! * [`forms`]: records as they are read; [`kept`]: what of them is kept
//! * [`reading`]: lines in, records out
//! * `whose`: whose a record is
//! * `hours`: when a host was on the network, when the sensor was blind
//! * [`rules`]: when a host is late, and with what
//! * [`judging`]: one of five states, and why
//! * [`gathering`]: from records to hosts; [`held`]: which addresses they had; [`asked`]: those that are asked for
//! * [`words`]: the words of a language; [`sentence`]: reasons and times in words
//! * [`timeline`]: stretches of time
//! * [`table`], [`data`], [`rows`], [`page`]: a report for a terminal, as JSON, as CSV, as a page

pub mod asked;
pub mod data;
pub mod forms;
pub mod gathering;
pub mod held;
pub mod hours;
pub mod judging;
pub mod kept;
pub mod page;
pub mod reading;
pub mod rows;
pub mod rules;
pub mod sentence;
pub mod table;
pub mod timeline;
pub mod whose;
pub mod words;

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use crate::types::Timestamp;
use asked::Unknown;
use held::Held;
use hours::{HostHour, Hour, Sensor};
use judging::{Lane, Reason, State};
use kept::Os;
use rules::Rules;
use whose::HostKey;

/// What is reported, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Hosts, by id, name, label, address or MAC address; empty: all.
    pub hosts: Vec<String>,
    /// What lies before is known, and not shown.
    pub since: Option<Timestamp>,
    /// What lies behind is left out.
    pub until: Option<Timestamp>,
    /// What a day is.
    pub zone: TimeZone,
    /// When a host is late.
    pub rules: Rules,
}

/// All that is reported.
#[derive(Debug)]
pub struct Report {
    /// From here.
    pub since: Timestamp,
    /// To here: as of when all is said.
    pub until: Timestamp,
    /// What a day is.
    pub zone: TimeZone,
    /// Whether any record says what could be seen.
    pub has_coverage: bool,
    /// Fewest days that make a host late.
    pub active_days: u32,
    /// When the sensor ran.
    pub sensor: Sensor,
    /// What needs attention first.
    pub hosts: Vec<Host>,
    /// What is too old to be reported, where there is any.
    pub left_out: Option<LeftOut>,
    /// Hosts that were asked for, and are none.
    pub unknown: Vec<Unknown>,
}

/// Records from before the longest stretch of time that a report covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// How many.
    pub records: u64,
    /// Hosts that only they tell of.
    pub hosts: u64,
    /// The last of them: a report up to then tells of it.
    pub last: Timestamp,
}

/// A host.
#[derive(Clone, Debug)]
pub struct Host {
    /// By what it is told apart.
    pub key: HostKey,
    /// What people call it.
    pub name: String,
    /// Who looks after it.
    pub manager: Option<String>,
    /// Its addresses, the last used first.
    pub addresses: Vec<Held>,
    /// Its MAC addresses.
    pub macs: BTreeSet<[u8; 6]>,
    /// Names that it gave itself.
    pub names: BTreeSet<String>,
    /// A guess at its system.
    pub os: Option<Os>,
    /// Hours in which it did something, of all records.
    pub hours: BTreeMap<Hour, HostHour>,
    /// As of when something is known of it: when it was last on the network.
    pub as_of: Option<Timestamp>,
    /// What it did for each product, and what to think of that.
    pub lanes: Vec<Judged>,
}

/// A lane with its state.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What was done.
    pub lane: Lane,
    /// What to think of it.
    pub state: State,
    /// Why.
    pub reason: Reason,
}

impl Host {
    /// What needs attention most; `None` without a product.
    pub fn state(&self) -> Option<State> {
        self.lanes.iter().map(|judged| judged.state).max()
    }
}

#[cfg(test)]
mod tests;
