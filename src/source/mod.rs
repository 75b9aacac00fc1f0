//! Frames from capture files and from interfaces.
//!
//! * [`capture`]: one file: told by its first bytes, decompressed where needed
//! * [`pcap`], [`pcapng`], [`snoop`]: the formats
//! * [`compression`]: gzip, zstd and xz, told by their first bytes; [`packing`]: the way back, for files that are changed
//! * [`buffer`]: the one reused buffer that frames are slices of
//! * [`replay`]: several files as one stream
//! * [`live`]: frames off interfaces
//! * [`clock`]: packet time that never runs back
//! * [`timeline`]: the stream's frames, each with its packet time
//! * [`link_type`]: what kind of frame
//!
//! Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, RFC 1761.

#![warn(clippy::indexing_slicing)]

pub mod buffer;
pub mod capture;
pub mod clock;
pub mod compression;
pub mod link_type;
pub mod live;
pub mod packing;
pub mod pcap;
pub mod pcapng;
pub mod replay;
#[cfg(test)]
mod samples;
pub mod snoop;
pub mod timeline;

use std::io;
use std::path::PathBuf;

pub use capture::CaptureFile;
pub use clock::PacketClock;
pub use link_type::LinkType;
pub use replay::{Order, Replay};
pub use timeline::{TimedFrame, Timeline};

use crate::types::Timestamp;

/// Longest frame that is read; a record that claims more is broken.
pub const MAX_FRAME: usize = 16 << 20;

/// What a file says of one frame, beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// When it was captured.
    pub timestamp: Timestamp,
    /// Its kind.
    pub link_type: LinkType,
    /// Its length on the wire; at least the captured length.
    pub wire_length: u32,
}

/// Why a file cannot be read, or not any further. Every whole record before was delivered.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file cannot be opened.
    #[error("cannot be opened: {0}")]
    Open(io::Error),
    /// Reading or decompressing failed.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// The first bytes are of no capture format.
    #[error("is no capture file: {what}")]
    NotACapture {
        /// What they are, as far as that is known.
        what: String,
    },
    /// The file is of a version of its format that nobody here knows.
    #[error("is {format} of version {major}.{minor}, which is not read")]
    Version {
        /// Its format.
        format: &'static str,
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// There are more files than a packet can name.
    #[error(
        "is one file too many: at most {} are read in one go",
        replay::MAX_FILES
    )]
    TooMany,
    /// Frames of a kind that nobody here decodes; frames of other kinds are read all the same.
    #[error("holds frames that are passed over: link type {0} is not decoded")]
    LinkType(LinkType),
    /// The file ends in the middle of a record, or of its compression.
    #[error("is cut in its last record, after {frames} whole frames")]
    Cut {
        /// Frames that were whole.
        frames: u64,
    },
    /// A record makes no sense; nothing behind it can be found.
    #[error("is broken at byte {offset}: {what}")]
    Broken {
        /// Where, in the decompressed file.
        offset: u64,
        /// What.
        what: &'static str,
    },
}

crate::counters! {
    /// What was odd, but read all the same.
    pub struct SourceCounters {
        /// Frames of which nothing was captured.
        empty_frame: "source.empty_frame",
        /// Frames of which more was captured than there was on the wire.
        longer_than_wire: "source.longer_than_wire",
        /// Frames longer than the snap length.
        longer_than_snap: "source.longer_than_snap",
        /// Time stamps whose fraction is a second or more.
        odd_fraction: "source.odd_fraction",
        /// Frames without a time stamp of their own.
        no_timestamp: "source.no_timestamp",
        /// Blocks whose length is no multiple of four.
        odd_block_length: "source.odd_block_length",
        /// Interfaces with options that make no sense.
        odd_option: "source.odd_option",
        /// Blocks of types that are passed over.
        skipped_block: "source.skipped_block",
        /// Files that were reached while too many others were open: their first frames come late.
        late_file: "source.late_file",
    }
}

/// A file and why it failed.
#[derive(Debug, thiserror::Error)]
#[error("{} {error}", path.display())]
pub struct FileError {
    /// The file as named.
    pub path: PathBuf,
    /// Why.
    pub error: SourceError,
}
