//! IEEE 802.11: unencrypted data frames, behind the headers that capture tools put in front.

use super::cut::Cut;
use super::{Layer, Walk};

/// Frame control, first byte: type and subtype.
const TYPE_MASK: u8 = 0x0c;
const TYPE_DATA: u8 = 0x08;
const SUBTYPE_QOS: u8 = 0x80;
const SUBTYPE_NO_DATA: u8 = 0x40;
/// Frame control, second byte.
const BOTH_DS: u8 = 0x03;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;
/// QoS control: several frames in one.
const AGGREGATE: u8 = 0x80;

impl Walk<'_, '_> {
    /// A radiotap header (radiotap.org): version, padding, length, presence words, fields.
    pub(super) fn radiotap(&mut self, frame: Cut<'_>, layer: Layer) -> Option<()> {
        const DATA_PADDED: u8 = 0x20;
        let length = usize::from(u16::from_le_bytes(frame.array(2)?));
        let padded = radiotap_flags(frame).is_some_and(|flags| flags & DATA_PADDED != 0);
        self.wireless(frame.skip(length)?, layer, padded)
    }

    /// A Prism header: message code and length, in the byte order of the capturing machine.
    pub(super) fn prism(&mut self, frame: Cut<'_>, layer: Layer) -> Option<()> {
        let length = frame.integer32(4)?;
        let length = length.min(length.swap_bytes()) as usize;
        self.wireless(frame.skip(length)?, layer, false)
    }

    /// An AVS header: version and length in network order.
    pub(super) fn avs(&mut self, frame: Cut<'_>, layer: Layer) -> Option<()> {
        let length = frame.integer32(4)? as usize;
        self.wireless(frame.skip(length)?, layer, false)
    }

    /// Per-packet information: version, flags, length, link type, all little-endian.
    pub(super) fn ppi(&mut self, frame: Cut<'_>, layer: Layer) -> Option<()> {
        let length = usize::from(u16::from_le_bytes(frame.array(2)?));
        let link_type = u32::from_le_bytes(frame.array(4)?);
        self.link(
            u16::try_from(link_type).unwrap_or(u16::MAX),
            frame.skip(length)?,
            layer,
        );
        Some(())
    }

    /// An 802.11 frame (IEEE 802.11 section 9.2). `padded`: its header is padded to four bytes.
    pub(super) fn wireless(&mut self, frame: Cut<'_>, layer: Layer, padded: bool) -> Option<()> {
        let control = frame.array(0)?;
        self.wireless_frame(control, frame, layer, padded)
    }

    /// An 802.11 frame as wireless controllers tunnel it: some swap the two bytes of frame control. Version 0 and type data stand
    /// in the first of them, and few flags look like that.
    pub(super) fn wireless_of_controller(&mut self, frame: Cut<'_>, layer: Layer) -> Option<()> {
        const VERSION_AND_TYPE: u8 = 0x0f;
        let [first, second] = frame.array(0)?;
        let is_swapped =
            first & VERSION_AND_TYPE != TYPE_DATA && second & VERSION_AND_TYPE == TYPE_DATA;
        let control = if is_swapped {
            [second, first]
        } else {
            [first, second]
        };
        self.wireless_frame(control, frame, layer, false)
    }

    fn wireless_frame(
        &mut self,
        [first, second]: [u8; 2],
        frame: Cut<'_>,
        layer: Layer,
        padded: bool,
    ) -> Option<()> {
        if first & TYPE_MASK != TYPE_DATA || first & SUBTYPE_NO_DATA != 0 {
            self.counters.wireless_control += 1;
            return Some(());
        }
        if second & PROTECTED != 0 {
            self.counters.encrypted_wireless += 1;
            return Some(());
        }
        let has_qos = first & SUBTYPE_QOS != 0;
        let addresses = if second & BOTH_DS == BOTH_DS { 30 } else { 24 };
        let ht_control = if has_qos && second & ORDER != 0 { 4 } else { 0 };
        let header = addresses + if has_qos { 2 } else { 0 } + ht_control;
        let aggregate = has_qos && frame.byte(addresses)? & AGGREGATE != 0;
        let body = frame.skip(if padded {
            header.next_multiple_of(4)
        } else {
            header
        })?;
        if aggregate {
            self.aggregate(body, layer)
        } else {
            self.llc(body, layer)
        }
    }

    /// Several frames in one: each with addresses and length, padded to four bytes.
    fn aggregate(&mut self, mut body: Cut<'_>, layer: Layer) -> Option<()> {
        let mut layer = layer;
        // One frame at least; what is too short behind it is padding.
        body.integer16(12)?;
        while let Some(length) = body.integer16(12) {
            let length = usize::from(length);
            let Some(deeper) = self.deeper(layer) else {
                return Some(());
            };
            layer.depth = deeper.depth;
            let frame = body.skip(14)?.limit(length);
            self.llc(
                frame,
                Layer {
                    wire_bytes: 14 + frame.wire as u64,
                    ..layer
                },
            )?;
            let Some(rest) = body.skip((14 + length).next_multiple_of(4)) else {
                return Some(());
            };
            body = rest;
        }
        Some(())
    }
}

/// The flags field: the second one, behind an 8-byte time where that is present.
fn radiotap_flags(frame: Cut<'_>) -> Option<u8> {
    const TIME: u32 = 1;
    const FLAGS: u32 = 1 << 1;
    const MORE: u32 = 1 << 31;
    const MAX_WORDS: usize = 16;
    let present = u32::from_le_bytes(frame.array(4)?);
    let mut offset = 8;
    let mut word = present;
    for _ in 0..MAX_WORDS {
        if word & MORE == 0 {
            break;
        }
        word = u32::from_le_bytes(frame.array(offset)?);
        offset += 4;
    }
    if present & TIME != 0 {
        offset = offset.next_multiple_of(8) + 8;
    }
    if present & FLAGS == 0 {
        None
    } else {
        frame.byte(offset)
    }
}
