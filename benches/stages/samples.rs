//! Inputs: what real programs sent, out of the stored captures.

use std::path::Path;

use patchspan::decode::{Decoder, FrameInput};
use patchspan::source::CaptureFile;
use patchspan::types::{Packet, Stamp, Transport};

/// A frame as the capture file has it.
pub(crate) struct Frame {
    pub(crate) stamp: Stamp,
    pub(crate) link_type: u16,
    pub(crate) wire_length: u32,
    pub(crate) data: Vec<u8>,
}

impl Frame {
    pub(crate) fn input(&self) -> FrameInput<'_> {
        FrameInput {
            stamp: self.stamp,
            link_type: self.link_type,
            wire_length: self.wire_length,
            data: &self.data,
        }
    }
}

/// Every frame of a stored capture.
pub(crate) fn frames(capture: &str) -> Vec<Frame> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("pcaps")
        .join(capture);
    let mut file = CaptureFile::open(&path).unwrap();
    let mut frames: Vec<Frame> = Vec::new();
    while let Some(head) = file.advance().unwrap() {
        let number = frames.len() as u64 + 1;
        frames.push(Frame {
            stamp: Stamp {
                timestamp: head.timestamp,
                recorded: head.timestamp,
                number,
                number_in_origin: number,
                origin: 0,
            },
            link_type: head.link_type.0,
            wire_length: head.wire_length,
            data: file.data().to_vec(),
        });
    }
    frames
}

/// The first payload in a stored capture that is `wanted`.
pub(crate) fn payload(capture: &str, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut found = None;
    let mut look = |packet: &Packet<'_>| {
        let payload = match packet.transport {
            Transport::Tcp(segment) => segment.payload,
            Transport::Udp(datagram) => datagram.payload,
            _ => return,
        };
        if found.is_none() && wanted(payload) {
            found = Some(payload.to_vec());
        }
    };
    let mut decoder = Decoder::new();
    for frame in frames(capture) {
        decoder.decode(frame.input(), &mut look);
    }
    found.unwrap()
}
