//! What flows that ended show of the mirror: which directions are there, and what of them was acknowledged but never seen.

use super::annotation::Annotation;
use crate::counters;
use crate::flows::{Flow, Handshake};
use crate::types::Direction;

/// A shorter TCP flow does not tell whether the other direction is missing.
const LEAST_PACKETS: u64 = 4;

counters! {
    /// What was counted over TCP flows that ended.
    pub struct MirrorCounters {
        /// TCP flows of four packets or more that carried payload.
        tcp: "mirror.tcp_flows",
        /// Those of which only what the client sends was seen.
        client_only: "mirror.client_only",
        /// Those of which only what the server sends was seen.
        server_only: "mirror.server_only",
        /// Payload bytes of TCP flows seen both ways and from their beginning, each once.
        bytes: "mirror.bytes",
        /// Those that were acknowledged and never seen.
        unseen: "mirror.unseen_bytes",
        /// Holes that they left.
        gaps: "mirror.gaps",
    }
}

impl MirrorCounters {
    /// A TCP flow ended; gives whether it carried payload.
    pub fn ended(&mut self, flow: &Flow<Annotation>) -> bool {
        let ways = [Direction::ToServer, Direction::ToClient];
        let [to_server, to_client] = ways.map(|way| flow.packets(way));
        let [up, down] = ways.map(|way| flow.delivered(way));
        if up.bytes + down.bytes == 0 || to_server + to_client < LEAST_PACKETS {
            return false;
        }
        self.tcp += 1;
        match (to_server, to_client) {
            (_, 0) => self.client_only += 1,
            (0, _) => self.server_only += 1,
            // What was under way before the capture began is acknowledged in it, and was never to be seen.
            _ if flow.handshake() == Some(Handshake::Midstream) => {}
            _ => {
                self.bytes += up.bytes + down.bytes;
                self.unseen += up.inferred + down.inferred;
                self.gaps += up.gaps + down.gaps;
            }
        }
        true
    }
}
