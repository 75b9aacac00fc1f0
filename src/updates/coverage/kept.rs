//! What goes on over a restart of the sensor: the open hour, and who was there.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::HOUR;
use super::hours::{Client, Coverage, Open};
use super::verdict::Unseen;
use crate::types::Timestamp;
use crate::types::kept::figure;

/// A longer one is none: what was there before says nothing of today.
const LONGEST_GAP: Duration = Duration::from_secs(24 * 3_600);
/// The bits of an hour's minutes.
const MINUTES: u64 = (1 << 60) - 1;

/// Who was active in an hour before the open one is kept as well, so an hour that began just now is no reason to forget anybody.
#[derive(Debug, Serialize, Deserialize)]
pub enum KeptCoverage {
    /// The open hour, before all others.
    Hour(KeptHour),
    #[allow(private_interfaces, reason = "nobody but this stage looks into it")]
    /// A client.
    Client(IpAddr, Box<Client>),
}

/// The same, as it is written.
#[derive(Debug, Serialize)]
pub enum KeptCoverageRef<'k> {
    /// See [`KeptCoverage::Hour`].
    Hour(KeptHour),
    #[allow(private_interfaces, reason = "nobody but this stage looks into it")]
    /// See [`KeptCoverage::Client`].
    Client(IpAddr, &'k Client),
}

/// An open hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptHour {
    start: Timestamp,
    from: Timestamp,
    since: Timestamp,
    away: Duration,
    #[serde(deserialize_with = "figure")]
    dropped: u64,
    #[serde(deserialize_with = "figure")]
    frames: u64,
    tells_all: bool,
}

impl KeptCoverage {
    /// The client that it is about.
    pub const fn client(&self) -> Option<IpAddr> {
        match self {
            Self::Hour(_) => None,
            Self::Client(client, _) => Some(*client),
        }
    }
}

impl Coverage {
    /// Tells every item.
    pub fn kept(&self, each: &mut dyn FnMut(&KeptCoverageRef<'_>)) {
        let Some(open) = self.open else {
            return;
        };
        each(&KeptCoverageRef::Hour(KeptHour {
            start: open.start,
            from: open.from,
            since: self.since,
            away: open.unseen.away,
            dropped: open.unseen.dropped,
            frames: open.unseen.frames,
            tells_all: open.tells_all,
        }));
        for (address, client) in &self.clients {
            each(&KeptCoverageRef::Client(*address, client));
        }
    }

    /// Takes in what an earlier run told, which held everything up to `seen`; this one looks from `resumed` on. Gives how many items it
    /// took. Where nobody was there, nobody misses the hours between.
    pub fn take_up(
        &mut self,
        items: Vec<KeptCoverage>,
        (seen, resumed): (Timestamp, Timestamp),
        is_host: impl Fn(IpAddr) -> bool,
    ) -> u64 {
        let mut taken = 0;
        if resumed.since(seen) > LONGEST_GAP {
            return taken;
        }
        for item in items {
            let is_taken = match item {
                KeptCoverage::Hour(hour) => self.take_up_hour(hour, seen),
                KeptCoverage::Client(address, mut client) => {
                    client.minutes &= MINUTES;
                    let is_taken = self.open.is_some()
                        && is_host(address)
                        && self.clients.len() < self.max_clients;
                    if is_taken {
                        self.clients.insert(address, *client);
                    }
                    is_taken
                }
            };
            taken += u64::from(is_taken);
        }
        if self.open.is_some() {
            self.gap = Some((seen, resumed.max(seen)));
        }
        taken
    }

    fn take_up_hour(&mut self, hour: KeptHour, seen: Timestamp) -> bool {
        let is_sound = hour.start == hour.start.floor(HOUR)
            && hour.start <= hour.from
            && hour.from <= seen
            && seen < hour.start.plus(HOUR * 2)
            && hour.since <= seen
            && hour.away <= HOUR;
        if !is_sound || self.open.is_some() {
            return false;
        }
        self.since = hour.since;
        self.open = Some(Open {
            start: hour.start,
            from: hour.from,
            unseen: Unseen {
                away: hour.away,
                dropped: hour.dropped,
                frames: hour.frames,
            },
            tells_all: hour.tells_all,
        });
        true
    }
}
