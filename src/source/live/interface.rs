//! What the kernel tells of an interface: its state, and what it counts itself. Read from `/sys/class/net`: no right, no socket.
//!
//! Whether the card merges segments (GRO, LRO) does not stand there. Frames longer than the MTU tell it: see
//! [`LiveFigures`](super::LiveFigures).
//!
//! Source: the kernel's Documentation/ABI/testing/sysfs-class-net and sysfs-class-net-statistics.

use std::path::{Path, PathBuf};
use std::{fs, io};

const SYSFS: &str = "/sys/class/net";

/// Bits of `flags` (`linux/if.h`).
const IFF_UP: u32 = 0x1;
const IFF_PROMISC: u32 = 0x100;

/// An interface at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceStatus {
    /// Its name.
    pub name: String,
    /// The kernel's number of it; another one once it was deleted and made again.
    pub index: u32,
    /// Somebody raised it.
    pub is_up: bool,
    /// It takes in frames that are not addressed to it; some capture asked for that.
    pub is_promiscuous: bool,
    /// The kernel's word: `up`, `down`, `unknown`, `lowerlayerdown`...
    pub operstate: String,
    /// There is a link; `None` where the kernel does not say, as of an interface that is down.
    pub has_carrier: Option<bool>,
    /// Longest packet, without the link header.
    pub mtu: u32,
    /// In megabits a second, where the driver knows it.
    pub speed_mbps: Option<u32>,
    /// What it counted since it exists.
    pub counters: InterfaceCounters,
}

crate::counters! {
    /// What an interface counts itself, before any capture sees a frame. It never goes back while the interface exists.
    pub struct InterfaceCounters {
        /// Bytes received.
        rx_bytes: "interface.rx_bytes",
        /// Frames received.
        rx_packets: "interface.rx_packets",
        /// Frames received and dropped by the kernel.
        rx_dropped: "interface.rx_dropped",
        /// Frames that the card had no room for.
        rx_missed_errors: "interface.rx_missed_errors",
        /// Frames with errors, of all kinds.
        rx_errors: "interface.rx_errors",
        /// Frames lost because a queue of the card was full.
        rx_fifo_errors: "interface.rx_fifo_errors",
        /// Frames longer than the card takes.
        rx_over_errors: "interface.rx_over_errors",
        /// Frames whose checksum was wrong.
        rx_crc_errors: "interface.rx_crc_errors",
        /// Frames that nobody in the kernel wanted.
        rx_nohandler: "interface.rx_nohandler",
    }
}

impl InterfaceCounters {
    /// Frames that never reached a capture. A card counts one that it had no room for as missed or in its queue, some cards in both.
    pub fn lost(&self) -> u64 {
        let no_room = self.rx_missed_errors.max(self.rx_fifo_errors);
        self.rx_dropped + no_room + self.rx_over_errors + self.rx_crc_errors
    }
}

/// What a socket must know of its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) mtu: u32,
    pub(super) is_up: bool,
}

/// The names of the interfaces that exist, sorted.
pub fn interfaces() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(SYSFS)? {
        let entry = entry?;
        // A bonding driver keeps a file of its own here.
        if entry.path().join("ifindex").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The state and counters of an interface; `None` where there is none of this name.
pub fn status(name: &str) -> io::Result<Option<InterfaceStatus>> {
    let Some(folder) = folder(name)? else {
        return Ok(None);
    };
    let flags = flags(&folder);
    Ok(Some(InterfaceStatus {
        name: name.to_owned(),
        index: number(&folder, "ifindex").unwrap_or_default(),
        is_up: flags & IFF_UP != 0,
        is_promiscuous: flags & IFF_PROMISC != 0,
        operstate: text(&folder, "operstate").unwrap_or_default(),
        has_carrier: number::<u8>(&folder, "carrier").map(|carrier| carrier != 0),
        mtu: number(&folder, "mtu").unwrap_or_default(),
        // A speed that is not known is written as -1.
        speed_mbps: number(&folder, "speed"),
        counters: counters(&folder),
    }))
}

/// `None`: there is none of this name. An error: it cannot be told.
pub(super) fn link(name: &str) -> io::Result<Option<Link>> {
    let Some(folder) = folder(name)? else {
        return Ok(None);
    };
    // It may vanish between two reads.
    Ok(number(&folder, "ifindex").map(|index| Link {
        index,
        mtu: number(&folder, "mtu").unwrap_or(u32::MAX),
        is_up: flags(&folder) & IFF_UP != 0,
    }))
}

fn folder(name: &str) -> io::Result<Option<PathBuf>> {
    let root = Path::new(SYSFS);
    // Also tells an absent interface from a kernel whose files are hidden.
    fs::metadata(root)?;
    let is_plain = !name.is_empty() && !name.contains('/') && !name.starts_with('.');
    let folder = root.join(name);
    Ok((is_plain && folder.join("ifindex").exists()).then_some(folder))
}

fn counters(folder: &Path) -> InterfaceCounters {
    let figure = |name: &str| number(folder, &format!("statistics/{name}")).unwrap_or_default();
    InterfaceCounters {
        rx_bytes: figure("rx_bytes"),
        rx_packets: figure("rx_packets"),
        rx_dropped: figure("rx_dropped"),
        rx_missed_errors: figure("rx_missed_errors"),
        rx_errors: figure("rx_errors"),
        rx_fifo_errors: figure("rx_fifo_errors"),
        rx_over_errors: figure("rx_over_errors"),
        rx_crc_errors: figure("rx_crc_errors"),
        rx_nohandler: figure("rx_nohandler"),
    }
}

fn flags(folder: &Path) -> u32 {
    let text = text(folder, "flags").unwrap_or_default();
    u32::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_default()
}

fn number<T: std::str::FromStr>(folder: &Path, file: &str) -> Option<T> {
    text(folder, file)?.parse().ok()
}

/// `None` also where the kernel refuses to say, as it does of the carrier of an interface that is down.
fn text(folder: &Path, file: &str) -> Option<String> {
    let text = fs::read_to_string(folder.join(file)).ok()?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_told() {
        assert!(interfaces().unwrap().contains(&"lo".to_owned()));
        let status = status("lo").unwrap().unwrap();
        assert!(status.index > 0);
        assert!(status.mtu > 1_000);
        assert_eq!(status.speed_mbps, None);
        assert_eq!(link("lo").unwrap().unwrap().index, status.index);
    }

    #[test]
    fn a_name_is_no_path() {
        for name in ["", ".", "..", "../net/lo", "lo/", "nothing-here"] {
            assert_eq!(status(name).unwrap(), None, "{name}");
            assert_eq!(link(name).unwrap(), None, "{name}");
        }
    }
}
