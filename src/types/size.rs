//! Sizes that must not be mixed up.

use std::ops::AddAssign;

/// Bytes as they were on the wire: whole frames, from the packet's original length, link header included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WireBytes(pub u64);

/// Bytes of application payload, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PayloadBytes(pub u64);

impl AddAssign for WireBytes {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

impl AddAssign for PayloadBytes {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}
