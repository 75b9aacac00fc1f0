//! What could be seen of each client: whether "no update seen" means anything.
//!
//! Workers tell what each client did in a minute ([`Minute`]); [`Coverage`] adds minutes up to clock hours and says of each what hid
//! traffic and what follows from it.
//!
//! * [`sums`]: what is counted of a client
//! * [`hours`]: minutes to hours, hours in which the sensor did not run
//! * [`verdict`]: the closed lists of words, and how a verdict falls
//! * [`known`]: servers that hide what their clients do
//! * [`kept`]: the open hour, out of one run of the sensor into the next
//!
//! Blind spots: what hides without a known shape or name (a tunnel that looks like a web site, an unknown resolver), and hosts that
//! never show on the mirror at all: of them there is no record.

pub mod hours;
pub mod kept;
pub mod known;
pub mod sums;
pub mod verdict;

use std::net::IpAddr;
use std::time::Duration;

pub use hours::{Coverage, CoverageCounters};
pub use known::Known;
pub use sums::{Minute, Sign, Signs, Sums};
pub use verdict::{Blind, CoverageVerdict, Limits};

use super::hosts::HostKey;
use super::os::OsGuess;
use crate::types::Timestamp;

/// What workers tell is told by the minute.
pub const MINUTE: Duration = Duration::from_secs(60);
/// What records tell is told by the hour.
pub const HOUR: Duration = Duration::from_secs(3_600);

/// What could be seen of one client in a stretch of time, within one hour of the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HourOfClient {
    /// The client.
    pub client: IpAddr,
    /// Which host that was, as far as it is known.
    pub host: HostKey,
    /// Its operating system, likewise.
    pub os: Option<OsGuess>,
    /// The sensor looked from here.
    pub start: Timestamp,
    /// To here.
    pub end: Timestamp,
    /// Packet time of writing.
    pub reported: Timestamp,
    /// Minutes in which something of the client was seen.
    pub active_minutes: u32,
    /// What was counted.
    pub sums: Sums,
    /// What hid traffic, in the order of [`Blind`].
    pub blind: Vec<Blind>,
    /// Share of what was there and not seen, in thousandths of a percent.
    pub loss: u32,
    /// Share of flows of which one side alone was seen, in thousandths of a percent.
    pub onesided: u32,
    /// What it comes to.
    pub verdict: CoverageVerdict,
}
