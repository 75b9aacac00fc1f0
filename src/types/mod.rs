//! The words that every stage uses. Imports nothing of ours.
//!
//! * [`time`]: packet time, ticks
//! * [`size`]: bytes on the wire and bytes of payload, which must not be mixed up
//! * [`fqdn`]: names, in lower-case presentation form
//! * [`text`]: how bytes from the wire become harmless, reversible ASCII
//! * [`flow_key`]: endpoints, directions, the ordered 5-tuple
//! * [`networks`]: sets of prefixes
//! * [`packet`]: what the decoder hands on: one IP packet, unwrapped
//! * [`counters`]: how refusals are counted
//! * [`hints`]: words about memory to the core and to the kernel
//! * [`kept`]: figures that come back out of a file

pub mod counters;
pub mod flow_key;
pub mod fqdn;
pub mod hints;
pub mod kept;
pub mod networks;
pub mod packet;
pub mod place;
pub mod size;
pub mod text;
pub mod time;

pub use flow_key::{Direction, Endpoint, FlowKey, Protocol};
pub use fqdn::Fqdn;
pub use networks::Networks;
pub use packet::{Packet, Stamp, Transport, Tunnel, VlanTags};
pub use place::Place;
pub use size::{PayloadBytes, WireBytes};
pub use time::{Tick, Timestamp};
