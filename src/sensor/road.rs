//! The road of a replay's frames to one worker, which takes them apart and keeps the packets of its flows.
//!
//! A plain frame comes to the worker of its flow alone ([`super::feed`]); the few others are unwrapped by all workers, whose fragments stand
//! alike.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

use super::statistics::Counts;
use super::worker::{Made, Worker};
use crate::decode::{Decoder, FrameInput};
use crate::types::{FlowKey, Packet, Tick, Timestamp};

/// Which worker a flow belongs to is told by a hash apart from those of the tables.
const SEED: u64 = 0x776f_726b_6572_7321;

/// A worker, and what leads to it.
#[derive(Debug)]
pub(super) struct Road {
    decoder: Decoder,
    worker: Worker,
    share: Share,
    key_vlan: bool,
}

/// Which flows are whose: by a hash of the key, the same for both directions, inside tunnels too.
#[derive(Clone, Debug)]
pub(super) struct Shares {
    workers: usize,
    hasher: FixedState,
}

/// Which flows are a worker's.
#[derive(Debug)]
pub(super) struct Share {
    worker: usize,
    all: Shares,
}

impl Share {
    /// Those of one of `workers`, counted from 0.
    pub const fn new(worker: usize, workers: usize) -> Self {
        Self {
            worker,
            all: Shares::new(workers),
        }
    }

    #[inline]
    fn has(&self, key: &FlowKey) -> bool {
        self.all.workers <= 1 || self.all.owner(key) == self.worker
    }
}

impl Shares {
    /// Of so many workers.
    pub const fn new(workers: usize) -> Self {
        Self {
            workers,
            hasher: FixedState::with_seed(SEED),
        }
    }

    /// How many workers there are.
    pub const fn workers(&self) -> usize {
        self.workers
    }

    /// The worker of a flow.
    #[inline]
    pub fn owner(&self, key: &FlowKey) -> usize {
        let mut hasher = self.hasher.build_hasher();
        key.digest(&mut hasher);
        let scaled = u128::from(hasher.finish()) * self.workers as u128;
        (scaled >> u64::BITS) as usize
    }
}

impl Road {
    /// Leads to `worker` what is of its share.
    pub fn new(worker: Worker, share: Share, key_vlan: bool) -> Self {
        Self {
            decoder: Decoder::new(),
            worker,
            share,
            key_vlan,
        }
    }

    /// A tick begins: what is due by then runs, and fragments that waited too long count.
    pub fn begin_tick(&mut self, tick: Tick) {
        self.worker.begin_tick(tick);
        let now = tick.start();
        let (decoder, mut end) = self.parts();
        decoder.expire(now, &mut |packet| end.packet(&packet.at(now)));
    }

    /// These frames come soon: where there are many flows, theirs are fetched from memory all at once.
    pub fn look_ahead<'d>(&self, frames: impl Iterator<Item = FrameInput<'d>>) {
        let key_vlan = self.key_vlan;
        self.worker.look_ahead(|| {
            let keys = frames.filter_map(move |frame| Decoder::flow_key(&frame, key_vlan));
            keys.map(|(key, _)| key)
        });
    }

    /// A frame, plain or not: of a plain one the flow is this worker's.
    #[inline]
    pub fn frame(&mut self, frame: &FrameInput<'_>) {
        let worker = &mut self.worker;
        let plain = &mut |packet: &Packet<'_>, key: &FlowKey, side| {
            worker.packet_of(packet, key, side);
        };
        let decoder = &mut self.decoder;
        if decoder.plain(frame, self.key_vlan, plain).is_none() {
            self.unwrap(frame);
        }
    }

    /// A frame that is not plain.
    pub fn unwrap(&mut self, frame: &FrameInput<'_>) {
        let (decoder, mut end) = self.parts();
        decoder.unwrap(*frame, &mut |packet| end.packet(packet));
    }

    /// What was answered is in the table that all workers share: before a tick is left.
    pub fn note_answers(&mut self) {
        self.worker.core.note_answers();
    }

    /// No frame comes any more: what waits for fragments still counts, at `now`.
    pub fn give_up_fragments(&mut self, now: Timestamp) {
        let (decoder, mut end) = self.parts();
        decoder.finish(&mut |packet| end.packet(&packet.at(now)));
    }

    /// The end of input, at `now`: every flow ends.
    pub fn finish(&mut self, now: Timestamp) {
        self.worker.finish(now);
    }

    /// What was made since the last call.
    pub fn take(&mut self) -> Made {
        self.worker.take()
    }

    /// Buffers that were emptied are used again.
    pub fn give_back(&mut self, empty: Made) {
        self.worker.give_back(empty);
    }

    /// Every counter with its name. What decoders count of frames that are not plain is the same for all workers, so the first one tells it.
    pub fn counts(&self) -> Counts {
        let mut counts = self.worker.counts();
        let decoded = match self.share.worker {
            0 => self.decoder.counters(),
            _ => self.decoder.plain_counters(),
        };
        counts.add(decoded.iter());
        counts
    }

    fn parts(&mut self) -> (&mut Decoder, RoadEnd<'_>) {
        let end = RoadEnd {
            worker: &mut self.worker,
            share: &self.share,
            key_vlan: self.key_vlan,
        };
        (&mut self.decoder, end)
    }
}

/// Where packets arrive that were not plain.
struct RoadEnd<'r> {
    worker: &'r mut Worker,
    share: &'r Share,
    key_vlan: bool,
}

impl RoadEnd<'_> {
    /// A packet goes to the worker of its flow; an ICMP error is told to that of the flow that it quotes as well.
    fn packet(&mut self, packet: &Packet<'_>) {
        let (key, side) = packet.flow_key(self.key_vlan);
        if self.share.has(&key) {
            self.worker.packet_of(packet, &key, side);
        }
        let quoted = packet.quoted_key(self.key_vlan);
        if let Some(key) = quoted.filter(|key| self.share.has(key)) {
            self.worker.quoted(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Endpoint, Protocol};

    #[test]
    fn every_flow_is_one_workers_and_each_has_about_as_many() {
        let shares: Vec<Share> = (0..3).map(|worker| Share::new(worker, 3)).collect();
        let mut flows = [0; 3];
        for port in 0..3_000 {
            let endpoint = |address: [u8; 4], port| Endpoint {
                address: address.into(),
                port,
            };
            let (client, server) = (
                endpoint([192, 0, 2, 1], port),
                endpoint([192, 0, 2, 9], 443),
            );
            let (key, _) = FlowKey::new(client, server, Protocol::TCP, None);
            let has: Vec<bool> = shares.iter().map(|share| share.has(&key)).collect();
            assert_eq!(has.iter().filter(|has| **has).count(), 1);
            for (flows, has) in flows.iter_mut().zip(has) {
                *flows += u32::from(has);
            }
        }
        assert!(
            flows.iter().all(|flows| (900..1_100).contains(flows)),
            "{flows:?}"
        );
    }
}
