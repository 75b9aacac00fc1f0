//! What the engine goes by: times, ceilings, and which clients are hosts.

use std::time::Duration;

use super::coverage::Limits;
use crate::types::Networks;

/// Times and limits of accesses.
#[derive(Clone, Debug)]
pub struct UpdateOptions {
    /// The networks whose clients are hosts; empty: every client is.
    pub local: Networks,
    /// A name that was asked and is not contacted for so long after its last answer is only resolved.
    pub window: Duration,
    /// Within so long of a contact that failed, another way to the same name makes it a fallback.
    pub fallback: Duration,
    /// Contacts at least so far apart are two accesses.
    pub gap: Duration,
    /// No access lasts longer.
    pub longest: Duration,
    /// More than this in one burst is a download, where the catalogue does not say otherwise, in bytes.
    pub download_bytes: u64,
    /// Most open accesses, windows, failures and sessions together.
    pub max_open: usize,
    /// Most bytes that they take together; as many again may the parts of files take that are remembered, half as many what is known of
    /// addresses and MAC addresses, a quarter of it the sizes of usual checks, an eighth what tells of operating systems.
    pub max_bytes: usize,
    /// From where on what is hidden of a client counts.
    pub coverage: Limits,
    /// Most clients of which that is kept.
    pub max_clients: usize,
}

impl Default for UpdateOptions {
    fn default() -> Self {
        Self {
            local: Networks::default(),
            window: Duration::from_secs(300),
            fallback: Duration::from_secs(60),
            gap: Duration::from_secs(60),
            longest: Duration::from_secs(24 * 3_600),
            download_bytes: 256 * 1024,
            max_open: 1 << 18,
            max_bytes: 1 << 27,
            coverage: Limits::default(),
            max_clients: 1 << 17,
        }
    }
}
