//! A flow as it stands, for the next run of the sensor: enough to know it again, and to count what went over in between.
//!
//! Sequence numbers go around after 4 GiB: what went over unseen is counted up to 2 GiB, and not at all beyond.

use serde::{Deserialize, Serialize};

use crate::types::flow_key::Side;
use crate::types::{FlowKey, Timestamp};

/// How a flow stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its key.
    pub key: FlowKey,
    /// Its id: the same in the next run.
    pub id: u64,
    /// Time of its last packet.
    pub last: Timestamp,
    /// The side that the client sends.
    pub client: Side,
    /// TCP: the sequence number of each side that comes next.
    pub next: [Option<u32>; 2],
}
