//! Link layers and tags, down to an IP packet.
//!
//! etherparse reads Ethernet, VLAN and Linux cooked headers; the others it does not know.

use etherparse::{Ethernet2HeaderSlice, LinuxSllHeaderSlice, SingleVlanHeaderSlice};

use super::cut::Cut;
use super::ip::NOT_IP;
use super::{Layer, Walk};
use crate::source::LinkType;
use crate::types::Transport;

/// Ethertypes (IANA IEEE 802 Numbers).
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const ARP: u16 = 0x0806;
const VLAN: u16 = 0x8100;
const PROVIDER_VLAN: u16 = 0x88a8;
const OLD_QINQ: [u16; 3] = [0x9100, 0x9200, 0x9300];
const MPLS: [u16; 2] = [0x8847, 0x8848];
const PPPOE_SESSION: u16 = 0x8864;
const BACKBONE_TAG: u16 = 0x88e7;
const TRANSPARENT_ETHERNET: u16 = 0x6558;
const PPP: u16 = 0x880b;
const FABRIC_PATH: u16 = 0x8903;
const CISCO_META_DATA: u16 = 0x8909;
const MACSEC: u16 = 0x88e5;
const SERVICE_HEADER: u16 = 0x894f;
/// Values of the Ethernet type field up to this are lengths (IEEE 802.3).
const LARGEST_LENGTH: u16 = 1_500;
const ETHERNET_HEADER: usize = 14;
const VLAN_TAG: usize = 4;

/// Whether frames of this link type are decoded.
pub(super) const fn supports(link_type: u16) -> bool {
    matches!(
        LinkType(link_type),
        LinkType::NULL
            | LinkType::ETHERNET
            | LinkType::TOKEN_RING
            | LinkType::SLIP
            | LinkType::PPP
            | LinkType::FDDI
            | LinkType::DLT_ATM_RFC1483
            | LinkType::DLT_RAW
            | LinkType::DLT_RAW_OPENBSD
            | LinkType::ATM_CLIP
            | LinkType::PPP_HDLC
            | LinkType::PPP_ETHER
            | LinkType::ATM_RFC1483
            | LinkType::RAW
            | LinkType::C_HDLC
            | LinkType::IEEE802_11
            | LinkType::FRELAY
            | LinkType::LOOP
            | LinkType::ENC
            | LinkType::LINUX_SLL
            | LinkType::PRISM
            | LinkType::RADIOTAP
            | LinkType::AVS
            | LinkType::PPP_PPPD
            | LinkType::PPI
            | LinkType::IPNET
            | LinkType::IPV4
            | LinkType::IPV6
            | LinkType::NFLOG
            | LinkType::IPOIB
            | LinkType::PKTAP
            | LinkType::LINUX_SLL2
            | LinkType::BROADCOM_TAG
            | LinkType::BROADCOM_TAG_PREPENDED
            | LinkType::MARVELL_DSA
            | LinkType::MARVELL_EDSA
    )
}

impl Walk<'_, '_> {
    /// A frame of the given link type.
    pub(super) fn link(&mut self, link_type: u16, frame: Cut<'_>, layer: Layer) {
        let Some(layer) = self.deeper(layer) else {
            return;
        };
        let outcome = match LinkType(link_type) {
            LinkType::ETHERNET => self.ethernet(frame, layer),
            LinkType::RAW
            | LinkType::DLT_RAW
            | LinkType::DLT_RAW_OPENBSD
            | LinkType::IPV4
            | LinkType::IPV6 => {
                self.ip(frame, layer);
                Some(())
            }
            LinkType::LINUX_SLL => self.linux_sll(frame, layer),
            LinkType::LINUX_SLL2 => self.linux_sll2(frame, layer),
            LinkType::NULL | LinkType::LOOP => self.loopback(frame, layer),
            LinkType::PPP | LinkType::PPP_HDLC => self.ppp(frame, layer),
            LinkType::PPP_PPPD => frame.skip(1).and_then(|frame| self.ppp(frame, layer)),
            LinkType::PPP_ETHER => self.pppoe(frame, layer),
            LinkType::C_HDLC => self.cisco_hdlc(frame, layer),
            LinkType::FRELAY => self.frame_relay(frame, layer),
            LinkType::ATM_RFC1483 | LinkType::DLT_ATM_RFC1483 | LinkType::ATM_CLIP => {
                self.llc(frame, layer)
            }
            LinkType::SLIP => self.ip_behind(16, frame, layer),
            LinkType::ENC => self.ip_behind(12, frame, layer),
            LinkType::IPNET => self.ip_behind(24, frame, layer),
            LinkType::IPOIB => self.infiniband(frame, layer),
            LinkType::BROADCOM_TAG | LinkType::MARVELL_DSA => self.switch_tag(4, frame, layer),
            LinkType::MARVELL_EDSA => self.switch_tag(8, frame, layer),
            LinkType::BROADCOM_TAG_PREPENDED => {
                frame.skip(4).and_then(|frame| self.ethernet(frame, layer))
            }
            LinkType::FDDI => frame.skip(13).and_then(|frame| self.llc(frame, layer)),
            LinkType::TOKEN_RING => self.token_ring(frame, layer),
            LinkType::IEEE802_11 => self.wireless(frame, layer, false),
            LinkType::RADIOTAP => self.radiotap(frame, layer),
            LinkType::PRISM => self.prism(frame, layer),
            LinkType::AVS => self.avs(frame, layer),
            LinkType::PPI => self.ppi(frame, layer),
            LinkType::NFLOG => self.nflog(frame, layer),
            LinkType::PKTAP => self.pktap(frame, layer),
            _ => {
                self.counters.unknown_link_type += 1;
                Some(())
            }
        };
        if outcome.is_none() {
            self.counters.short_link += 1;
        }
    }

    /// An Ethernet frame (IEEE 802.3). `None`: it is too short.
    pub(super) fn ethernet(&mut self, frame: Cut<'_>, layer: Layer) -> Option<()> {
        let header = Ethernet2HeaderSlice::from_slice(frame.bytes).ok()?;
        let layer = Layer {
            source_mac: Some(header.source()),
            destination_mac: Some(header.destination()),
            ..layer
        };
        self.length_or_type(header.ether_type().0, frame.skip(ETHERNET_HEADER)?, layer)
    }

    /// An ARP message (RFC 826): who reads it looks into it.
    fn arp(&mut self, message: Cut<'_>, layer: Layer) {
        self.counters.arp += 1;
        let layer = Layer { frames: 1, ..layer };
        self.hand_on(NOT_IP, Transport::Arp(message.bytes), layer);
    }

    /// An IP packet behind a header of which only its length matters.
    fn ip_behind(&mut self, header: usize, frame: Cut<'_>, layer: Layer) -> Option<()> {
        self.ip(frame.skip(header)?, layer);
        Some(())
    }

    /// IP over InfiniBand: a global route header, then an ethertype and two reserved bytes (RFC 4391 section 6).
    fn infiniband(&mut self, frame: Cut<'_>, layer: Layer) -> Option<()> {
        self.ether_type(frame.integer16(40)?, frame.skip(44)?, layer)
    }

    /// An Ethernet frame with a switch's tag between its addresses and its type.
    fn switch_tag(&mut self, tag: usize, frame: Cut<'_>, layer: Layer) -> Option<()> {
        let layer = Layer {
            source_mac: Some(frame.array(6)?),
            destination_mac: Some(frame.array(0)?),
            ..layer
        };
        let value = frame.integer16(12 + tag)?;
        self.length_or_type(value, frame.skip(14 + tag)?, layer)
    }

    /// An Ethernet frame within another link layer.
    fn bridged_ethernet(&mut self, frame: Cut<'_>, layer: Layer) -> Option<()> {
        let Some(layer) = self.deeper(layer) else {
            return Some(());
        };
        self.ethernet(frame, layer)
    }

    fn length_or_type(&mut self, value: u16, rest: Cut<'_>, layer: Layer) -> Option<()> {
        if value > LARGEST_LENGTH {
            return self.ether_type(value, rest, layer);
        }
        // Novell's raw 802.3 starts with an IPX checksum; it carries no IP.
        self.llc(rest.limit(usize::from(value)), layer)
    }

    /// What an ethertype announces.
    pub(super) fn ether_type(
        &mut self,
        ether_type: u16,
        rest: Cut<'_>,
        layer: Layer,
    ) -> Option<()> {
        match ether_type {
            IPV4 | IPV6 => self.ip(rest, layer),
            ARP => self.arp(rest, layer),
            VLAN | PROVIDER_VLAN => return self.vlan(rest, layer),
            _ if OLD_QINQ.contains(&ether_type) => return self.vlan(rest, layer),
            _ if MPLS.contains(&ether_type) => return self.mpls(rest, layer),
            PPPOE_SESSION => return self.pppoe(rest, layer),
            PPP => return self.ppp(rest, layer),
            TRANSPARENT_ETHERNET => return self.bridged_ethernet(rest, layer),
            BACKBONE_TAG => return self.bridged_ethernet(rest.skip(4)?, layer),
            // Cisco's tag between an outer Ethernet header and the frame.
            FABRIC_PATH => return self.bridged_ethernet(rest.skip(2)?, layer),
            CISCO_META_DATA => return self.cisco_meta_data(rest, layer),
            MACSEC => return self.macsec(rest, layer),
            SERVICE_HEADER => return self.service_header(rest, layer),
            _ => self.counters.not_ip += 1,
        }
        Some(())
    }

    /// A VLAN tag (IEEE 802.1Q).
    fn vlan(&mut self, rest: Cut<'_>, layer: Layer) -> Option<()> {
        let tag = SingleVlanHeaderSlice::from_slice(rest.bytes).ok()?;
        let Some(mut layer) = self.deeper(layer) else {
            return Some(());
        };
        layer.vlan.push(tag.vlan_identifier().value());
        self.length_or_type(tag.ether_type().0, rest.skip(VLAN_TAG)?, layer)
    }

    /// Cisco's security group tag: version, length, option, tag, then an ethertype.
    fn cisco_meta_data(&mut self, rest: Cut<'_>, layer: Layer) -> Option<()> {
        let Some(layer) = self.deeper(layer) else {
            return Some(());
        };
        self.length_or_type(rest.integer16(6)?, rest.skip(8)?, layer)
    }

    /// A MACsec tag (IEEE 802.1AE): control, short length, packet number, identifier where flagged. Integrity alone leaves the rest
    /// readable.
    fn macsec(&mut self, rest: Cut<'_>, layer: Layer) -> Option<()> {
        const ENCRYPTED_OR_CHANGED: u8 = 0x0c;
        const HAS_IDENTIFIER: u8 = 0x20;
        let Some(layer) = self.deeper(layer) else {
            return Some(());
        };
        let control = rest.byte(0)?;
        if control & ENCRYPTED_OR_CHANGED != 0 {
            self.counters.not_ip += 1;
            return Some(());
        }
        let tag = if control & HAS_IDENTIFIER != 0 { 14 } else { 6 };
        self.length_or_type(rest.integer16(tag)?, rest.skip(tag + 2)?, layer)
    }

    /// A network service header (RFC 8300 section 2.2): its length in words in the low bits of the first two bytes, what follows in
    /// the fourth.
    pub(super) fn service_header(&mut self, rest: Cut<'_>, layer: Layer) -> Option<()> {
        let Some(layer) = self.deeper(layer) else {
            return Some(());
        };
        let length = usize::from(rest.integer16(0)? & 0x3f) * 4;
        let inner = rest.skip(length)?;
        match rest.byte(3)? {
            1 | 2 => self.ip(inner, layer),
            3 => return self.bridged_ethernet(inner, layer),
            5 => return self.mpls(inner, layer),
            _ => self.counters.not_ip += 1,
        }
        Some(())
    }

    /// A label stack (RFC 3032 section 2.1); what it carries is told by its first four bits (RFC 4385 section 3).
    pub(super) fn mpls(&mut self, mut rest: Cut<'_>, layer: Layer) -> Option<()> {
        const BOTTOM_OF_STACK: u32 = 0x100;
        let Some(mut layer) = self.deeper(layer) else {
            return Some(());
        };
        while rest.integer32(0)? & BOTTOM_OF_STACK == 0 {
            rest = rest.skip(4)?;
            let Some(deeper) = self.deeper(layer) else {
                return Some(());
            };
            layer = deeper;
        }
        rest = rest.skip(4)?;
        match rest.byte(0)? >> 4 {
            4 | 6 => {
                self.ip(rest, layer);
                Some(())
            }
            0 => self.ethernet(rest.skip(4)?, layer),
            _ => self.ethernet(rest, layer),
        }
    }

    /// A PPPoE session frame (RFC 2516 section 4): version and type, code, session, length.
    fn pppoe(&mut self, rest: Cut<'_>, layer: Layer) -> Option<()> {
        let Some(layer) = self.deeper(layer) else {
            return Some(());
        };
        if rest.byte(1)? != 0 {
            self.counters.not_ip += 1;
            return Some(());
        }
        let length = usize::from(rest.integer16(4)?);
        self.ppp(rest.skip(6)?.limit(length), layer)
    }

    /// A PPP frame (RFC 1661, RFC 1662), with or without address and control, with a protocol of one or two bytes.
    pub(super) fn ppp(&mut self, frame: Cut<'_>, layer: Layer) -> Option<()> {
        const MPLS_UNICAST: u16 = 0x0281;
        const MPLS_MULTICAST: u16 = 0x0283;
        // A serial line's frames, whichever framing it has, come under PPP's link type.
        const CISCO_ADDRESSES: [u16; 2] = [0x0f00, 0x8f00];
        if frame
            .integer16(0)
            .is_some_and(|head| CISCO_ADDRESSES.contains(&head))
        {
            return self.cisco_hdlc(frame, layer);
        }
        let frame = if frame.integer16(0) == Some(0xff03) {
            frame.skip(2)?
        } else {
            frame
        };
        let first = frame.byte(0)?;
        let (protocol, rest) = if first & 1 == 1 {
            (u16::from(first), frame.skip(1)?)
        } else {
            (frame.integer16(0)?, frame.skip(2)?)
        };
        match protocol {
            0x0021 | 0x0057 => self.ip(rest, layer),
            MPLS_UNICAST | MPLS_MULTICAST => return self.mpls(rest, layer),
            _ => self.counters.not_ip += 1,
        }
        Some(())
    }

    /// Logical link control, with or without SNAP (IEEE 802.2).
    pub(super) fn llc(&mut self, rest: Cut<'_>, layer: Layer) -> Option<()> {
        const SNAP: [u8; 3] = [0xaa, 0xaa, 0x03];
        const IP_SAP: [u8; 3] = [0x06, 0x06, 0x03];
        let llc: [u8; 3] = rest.array(0)?;
        if llc == IP_SAP {
            self.ip(rest.skip(3)?, layer);
            return Some(());
        }
        let is_bridged = rest.array(3) == Some([0, 0x80, 0xc2]);
        if llc == SNAP && is_bridged {
            return self.bridged(rest, layer);
        }
        if llc != SNAP {
            self.counters.not_ip += 1;
            return Some(());
        }
        let ether_type = rest.integer16(6)?;
        self.ether_type(ether_type, rest.skip(8)?, layer)
    }

    /// Bridged Ethernet behind SNAP (RFC 2684 section 5.2): two bytes of padding, then the frame.
    fn bridged(&mut self, rest: Cut<'_>, layer: Layer) -> Option<()> {
        match rest.integer16(6)? {
            1 | 7 => self.bridged_ethernet(rest.skip(10)?, layer),
            _ => {
                self.counters.not_ip += 1;
                Some(())
            }
        }
    }

    /// Linux cooked, version 1: packet type, device type, address length and address, protocol.
    fn linux_sll(&mut self, frame: Cut<'_>, layer: Layer) -> Option<()> {
        // etherparse refuses device types that it does not know; the protocol stands at the same place.
        let known = LinuxSllHeaderSlice::from_slice(frame.bytes).is_ok();
        let protocol = frame.integer16(14)?;
        let rest = frame.skip(16)?;
        if known {
            self.cooked(protocol, rest, layer)
        } else {
            self.length_or_type(protocol, rest, layer)
        }
    }

    /// Linux cooked, version 2: protocol, reserved, interface, device type, packet type, address length and address.
    fn linux_sll2(&mut self, frame: Cut<'_>, layer: Layer) -> Option<()> {
        self.cooked(frame.integer16(0)?, frame.skip(20)?, layer)
    }

    /// The protocol of a cooked frame: an ethertype, or one of Linux's own numbers for frames without.
    fn cooked(&mut self, protocol: u16, rest: Cut<'_>, layer: Layer) -> Option<()> {
        const LLC_FRAME: u16 = 0x0004;
        match protocol {
            LLC_FRAME => self.llc(rest, layer),
            protocol if protocol > LARGEST_LENGTH => self.ether_type(protocol, rest, layer),
            _ => {
                self.counters.not_ip += 1;
                Some(())
            }
        }
    }

    /// BSD loopback: an address family in either byte order. The families of IPv6 differ by system.
    fn loopback(&mut self, frame: Cut<'_>, layer: Layer) -> Option<()> {
        let family = frame.integer32(0)?;
        match family.min(family.swap_bytes()) {
            2 | 10 | 24 | 28 | 30 => self.ip(frame.skip(4)?, layer),
            _ => self.counters.not_ip += 1,
        }
        Some(())
    }

    /// Cisco HDLC: address, control, ethertype.
    fn cisco_hdlc(&mut self, frame: Cut<'_>, layer: Layer) -> Option<()> {
        let ether_type = frame.integer16(2)?;
        self.ether_type(ether_type, frame.skip(4)?, layer)
    }

    /// Frame relay (RFC 2427): address, control, NLPID; or Cisco's form with an ethertype.
    fn frame_relay(&mut self, frame: Cut<'_>, layer: Layer) -> Option<()> {
        const UNNUMBERED: u8 = 0x03;
        if frame.byte(2)? != UNNUMBERED {
            let ether_type = frame.integer16(2)?;
            return self.ether_type(ether_type, frame.skip(4)?, layer);
        }
        let rest = if frame.byte(3)? == 0 {
            frame.skip(4)?
        } else {
            frame.skip(3)?
        };
        match rest.byte(0)? {
            0xcc | 0x8e => self.ip(rest.skip(1)?, layer),
            0x80 => {
                let ether_type = rest.integer16(4)?;
                return self.ether_type(ether_type, rest.skip(6)?, layer);
            }
            _ => self.counters.not_ip += 1,
        }
        Some(())
    }

    /// Token ring (IEEE 802.5): access and frame control, addresses, and routing where the source's first bit says so.
    fn token_ring(&mut self, frame: Cut<'_>, layer: Layer) -> Option<()> {
        let routing = if frame.byte(8)? & 0x80 != 0 {
            usize::from(frame.byte(14)? & 0x1f)
        } else {
            0
        };
        self.llc(frame.skip(14 + routing)?, layer)
    }

    /// Linux netfilter log: family, version, resource, then type-length-values; the packet is type 9.
    fn nflog(&mut self, frame: Cut<'_>, layer: Layer) -> Option<()> {
        const PAYLOAD: u16 = 9;
        let mut rest = frame.skip(4)?;
        while let (Some(length), Some(kind)) = (rest.array(0), rest.array(2)) {
            let length = usize::from(u16::from_le_bytes(length));
            if length < 4 {
                break;
            }
            if u16::from_le_bytes(kind) & 0x7fff == PAYLOAD {
                self.ip(rest.skip(4)?.limit(length - 4), layer);
                return Some(());
            }
            rest = rest.skip(length.next_multiple_of(4))?;
        }
        self.counters.not_ip += 1;
        Some(())
    }

    /// Apple's packet tap: a little-endian header that names its length and the link type behind it.
    fn pktap(&mut self, frame: Cut<'_>, layer: Layer) -> Option<()> {
        let length = u32::from_le_bytes(frame.array(0)?);
        let link_type = u32::from_le_bytes(frame.array(8)?);
        let rest = frame.skip(length as usize)?;
        self.link(u16::try_from(link_type).unwrap_or(u16::MAX), rest, layer);
        Some(())
    }
}
