//! Figures that come back out of a file: what is counted may not overflow what counts on.

use serde::{Deserialize, Deserializer, de::Error};

/// No figure is greater: as in records, which hold no integer above 2^53-1.
const MAX_FIGURE: u64 = (1 << 53) - 1;

/// Reads a count that goes on being counted; refuses one that nobody can have counted.
pub fn figure<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let figure = u64::deserialize(from)?;
    if figure > MAX_FIGURE {
        return Err(D::Error::custom("a figure is too large"));
    }
    Ok(figure)
}
