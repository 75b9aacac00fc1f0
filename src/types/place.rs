//! Where bytes stand in a stream.

/// Where the bytes behind a piece of a stream stand, by the numbers that both its sides count by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Position behind the piece in its own side's stream.
    pub end: u64,
    /// How far the segment that brought the piece acknowledged the other side's stream; `None` where no segment brought it, or where it is
    /// not known where that stream begins.
    pub acknowledged: Option<u64>,
}
