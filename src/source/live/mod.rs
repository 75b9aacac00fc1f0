//! Frames from interfaces.
//!
//! Worker i owns the i-th socket of every interface. Each socket has a ring that the kernel fills (TPACKET_V3, through libpcap), and a
//! worker reads its rings by itself: no thread, no copy, no channel lies between.
//!
//! * [`worker`]: a worker's sockets, read in turns
//! * [`socket`]: one socket: opened, read, lost, opened again
//! * [`fanout`]: how the workers share an interface
//! * [`interface`]: what the kernel tells of an interface
//! * [`counters`]: what the sockets count, readable by any thread
//! * [`waker`]: what ends a worker's wait
//!
//! The card is never changed, except that it is asked to take in what is not addressed to it (`promiscuous`) as long as the
//! sockets are open. Time stamps are the kernel's, in nanoseconds; the card's own would need to be switched on.
//!
//! Source: packet(7), pcap(3PCAP).

mod counters;
mod fanout;
mod interface;
mod socket;
mod waker;
mod worker;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use counters::{LiveCounters, LiveFigures};
pub use fanout::home;
pub use interface::{InterfaceCounters, InterfaceStatus, interfaces, status};
pub use socket::Change;
pub use waker::Waker;
pub use worker::{LinkEvent, LiveWorker, MAX_WAIT, Turn};

use super::Head;
use crate::types::{Stamp, Timestamp};
use fanout::Group;
use socket::Socket;

/// What fits into a block of the ring. A card or kernel that merges segments (LRO, GRO) hands over up to 64 KiB at once, and the ring
/// is filled packet by packet, so a short snap length would save nothing and lose the ends of those.
pub const SNAP_LENGTH: u32 = 262_144;
/// A smaller ring is enlarged: the kernel hands over blocks of 256 KiB, and needs some while others are read.
pub const MIN_BUFFER: u64 = 4 * 262_144;
/// Between two looks whether the sockets are ready.
const SETTLE_STEP: Duration = Duration::from_millis(10);
/// Opening sockets ends, whatever happens to the interface.
const OPEN_LIMIT: Duration = Duration::from_secs(10);

/// Which interfaces to capture on, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveOptions {
    /// Their names.
    pub interfaces: Vec<String>,
    /// Sockets an interface; 1 to 256, which is the kernel's limit for a group.
    pub workers: u16,
    /// Bytes of a frame that are captured.
    pub snap_length: u32,
    /// Bytes of a socket's ring, in all `interfaces × workers` times as much. At least [`MIN_BUFFER`], at most 2 GiB. The kernel may have
    /// room for less only.
    pub buffer_bytes: u64,
    /// Take in what is not addressed to this host: what a mirror port brings.
    pub promiscuous: bool,
    /// Frames to capture, in the words of pcap-filter(7).
    pub filter: Option<String>,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            workers: 1,
            snap_length: SNAP_LENGTH,
            buffer_bytes: 64 << 20,
            promiscuous: true,
            filter: None,
        }
    }
}

/// A frame off an interface.
#[derive(Clone, Copy, Debug)]
pub struct LiveFrame<'a> {
    /// What the kernel says of it.
    pub head: Head,
    /// Its captured bytes, in the ring.
    pub data: &'a [u8],
    /// Its number among those of its worker, from 1.
    pub number: u64,
    /// Its interface, as an index into those named.
    pub origin: u16,
    /// Its number in its socket, from 1.
    pub number_in_origin: u64,
}

impl LiveFrame<'_> {
    /// Which one it is, counting at `now`.
    pub const fn stamp(&self, now: Timestamp) -> Stamp {
        Stamp {
            timestamp: now,
            recorded: self.head.timestamp,
            number: self.number,
            number_in_origin: self.number_in_origin,
            origin: self.origin,
        }
    }
}

/// Why no capture begins.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// No interface was named.
    #[error("no interface is named: say `--interface NAME`, or `interfaces` under [capture]; there are: {}", existing.join(", "))]
    NoInterface {
        /// Those that exist.
        existing: Vec<String>,
    },
    /// There is none of this name.
    #[error("there is no interface {interface}; there are: {}", existing.join(", "))]
    NoSuchInterface {
        /// As named.
        interface: String,
        /// Those that exist.
        existing: Vec<String>,
    },
    /// An interface was named twice; its frames would count twice.
    #[error("interface {interface} is named twice")]
    Twice {
        /// As named.
        interface: String,
    },
    /// Nobody raised it.
    #[error("interface {interface} is down; `ip link set dev {interface} up` raises it")]
    Down {
        /// As named.
        interface: String,
    },
    /// The kernel refuses.
    #[error(
        "no right to capture on {interface}: that needs the capability CAP_NET_RAW. systemd grants it by \
         `AmbientCapabilities=CAP_NET_RAW` in the unit, `setcap cap_net_raw=ep PROGRAM` to whoever may run the program"
    )]
    NoRight {
        /// As named.
        interface: String,
    },
    /// The filter is not understood.
    #[error("capture.filter = {filter:?} is no filter: {reason}; pcap-filter(7) has the language")]
    Filter {
        /// As named.
        filter: String,
        /// What libpcap says.
        reason: String,
    },
    /// The kernel does not let the sockets share the interface.
    #[error("the sockets on {interface} cannot be set up: {reason}")]
    Fanout {
        /// As named.
        interface: String,
        /// What the kernel says.
        reason: io::Error,
    },
    /// Anything else.
    #[error("interface {interface} cannot be opened: {reason}")]
    Open {
        /// As named.
        interface: String,
        /// What libpcap says.
        reason: String,
    },
    /// There are too many interfaces, or not between 1 and 256 workers.
    #[error("{0} is not possible")]
    Number(String),
    /// The kernel has no descriptor left.
    #[error("waiting is not possible: {0}")]
    Wait(#[from] io::Error),
}

/// Whether libpcap understands a filter, for Ethernet; another link type may refuse it still.
pub fn check_filter(filter: &str) -> Result<(), LiveError> {
    let refused = |error: pcap::Error| LiveError::Filter {
        filter: filter.to_owned(),
        reason: message(&error),
    };
    let ethernet = pcap::Capture::dead(pcap::Linktype::ETHERNET).map_err(refused)?;
    ethernet.compile(filter, true).map(drop).map_err(refused)
}

/// Opens the sockets of all workers; they are ready when this returns, within a fifth of a second for most.
pub fn open(options: &LiveOptions) -> Result<Vec<LiveWorker>, LiveError> {
    check(options)?;
    let options = Arc::new(options.clone());
    let counters = LiveCounters::new(&options.interfaces, options.workers);
    let group = |_: &String| Arc::new(Group::new(options.workers));
    let groups: Vec<Arc<Group>> = options.interfaces.iter().map(group).collect();
    let now = Instant::now();
    let mut workers = Vec::with_capacity(usize::from(options.workers));
    for worker in 0..options.workers {
        let mut sockets = Vec::with_capacity(groups.len());
        for (interface, group) in (0_u16..).zip(&groups) {
            let counters = counters.socket(usize::from(interface), usize::from(worker));
            let place = (interface, worker);
            let mut socket = Socket::new(&options, place, group, counters, now);
            socket.open(Instant::now())?;
            sockets.push(socket);
        }
        workers.push(LiveWorker::new(worker, sockets, counters.clone())?);
    }
    settle(&mut workers, &options)?;
    Ok(workers)
}

fn check(options: &LiveOptions) -> Result<(), LiveError> {
    let named = &options.interfaces;
    if named.is_empty() {
        return Err(LiveError::NoInterface {
            existing: existing(),
        });
    }
    if u16::try_from(named.len()).is_err() {
        return Err(LiveError::Number(format!("{} interfaces", named.len())));
    }
    if !(1..=256).contains(&options.workers) {
        return Err(LiveError::Number(format!("{} workers", options.workers)));
    }
    for (index, name) in named.iter().enumerate() {
        if named.iter().take(index).any(|other| other == name) {
            return Err(LiveError::Twice {
                interface: name.clone(),
            });
        }
        match interface::link(name) {
            Ok(None) => return Err(LiveError::missing(name)),
            Ok(Some(link)) if !link.is_up => {
                return Err(LiveError::Down {
                    interface: name.clone(),
                });
            }
            // Where the kernel's files are hidden, opening tells.
            Ok(Some(_)) | Err(_) => {}
        }
    }
    Ok(())
}

/// Waits until every socket has its filter.
fn settle(workers: &mut [LiveWorker], options: &LiveOptions) -> Result<(), LiveError> {
    let start = Instant::now();
    loop {
        let now = Instant::now();
        let mut is_open = true;
        for socket in workers.iter_mut().flat_map(LiveWorker::sockets) {
            socket.settle(now)?;
            is_open &= socket.is_open();
        }
        if is_open {
            return Ok(());
        }
        if start.elapsed() > OPEN_LIMIT {
            return Err(LiveError::Open {
                interface: options.interfaces.join(", "),
                reason: "it went away while it was opened".to_owned(),
            });
        }
        socket::wait(&mut [], SETTLE_STEP)?;
    }
}

fn existing() -> Vec<String> {
    interfaces().unwrap_or_default()
}

impl LiveError {
    fn missing(interface: &str) -> Self {
        Self::NoSuchInterface {
            interface: interface.to_owned(),
            existing: existing(),
        }
    }

    /// libpcap tells in words only what went wrong, so the interface is looked at first.
    fn of_opening(interface: &str, error: &pcap::Error) -> Self {
        match interface::link(interface) {
            Ok(None) => return Self::missing(interface),
            Ok(Some(link)) if !link.is_up => {
                return Self::Down {
                    interface: interface.to_owned(),
                };
            }
            Ok(Some(_)) | Err(_) => {}
        }
        let reason = message(error);
        let interface = interface.to_owned();
        if reason.contains("CAP_NET_RAW") || reason.contains("not permitted") {
            return Self::NoRight { interface };
        }
        Self::Open { interface, reason }
    }
}

/// Without the words that the package puts in front.
fn message(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(message) => message.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(names: &[&str], workers: u16) -> String {
        let options = LiveOptions {
            interfaces: names.iter().map(|name| (*name).to_owned()).collect(),
            workers,
            ..LiveOptions::default()
        };
        open(&options).unwrap_err().to_string()
    }

    #[test]
    fn a_wrong_name_is_told_with_those_that_exist() {
        let said = refusal(&["lo", "span0"], 1);
        assert!(said.starts_with("there is no interface span0; there are: "));
        assert!(said.contains("lo"), "{said}");
        assert!(refusal(&[], 1).starts_with("no interface is named: say `--interface NAME`"));
    }

    #[test]
    fn what_cannot_be_captured_on_is_refused_before_anything_is_opened() {
        assert_eq!(refusal(&["lo", "lo"], 1), "interface lo is named twice");
        assert_eq!(refusal(&["lo"], 0), "0 workers is not possible");
        assert_eq!(refusal(&["lo"], 257), "257 workers is not possible");
    }

    #[test]
    fn a_refusal_of_the_kernel_names_the_right_and_how_it_is_granted() {
        let words = "Attempt to create packet socket failed - CAP_NET_RAW may be required";
        let error = LiveError::of_opening("lo", &pcap::Error::PcapError(words.to_owned()));
        let said = error.to_string();
        assert!(
            said.contains("CAP_NET_RAW") && said.contains("setcap"),
            "{said}"
        );
    }

    #[test]
    fn a_stamp_keeps_what_the_kernel_said() {
        let frame = LiveFrame {
            head: Head {
                timestamp: Timestamp::from_nanos(5),
                link_type: super::super::LinkType::ETHERNET,
                wire_length: 60,
            },
            data: &[],
            number: 7,
            origin: 2,
            number_in_origin: 3,
        };
        let stamp = frame.stamp(Timestamp::from_nanos(9));
        assert_eq!(stamp.timestamp.as_nanos(), 9);
        assert_eq!(stamp.recorded.as_nanos(), 5);
        assert_eq!(
            (stamp.number, stamp.origin, stamp.number_in_origin),
            (7, 2, 3)
        );
    }
}
