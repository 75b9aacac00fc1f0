//! Packets within packets. The outer packet was handed on already: what does not parse here loses nothing.

use super::cut::Cut;
use super::{Outer, Walk};
use crate::types::Protocol;
use crate::types::packet::TunnelKind;

/// UDP ports of tunnels (IANA, and those in wide use).
const VXLAN_PORTS: [u16; 2] = [4_789, 8_472];
const VXLAN_GPE_PORT: u16 = 4_790;
const GENEVE_PORT: u16 = 6_081;
const GTPU_PORT: u16 = 2_152;
const TEREDO_PORT: u16 = 3_544;
const TZSP_PORT: u16 = 37_008;
const L2TP_PORT: u16 = 1_701;
const CAPWAP_PORT: u16 = 5_247;
const LISP_PORT: u16 = 4_341;
const MPLS_PORT: u16 = 6_635;
/// GRE protocol types of ERSPAN.
const ERSPAN_II: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;
const WCCP: u16 = 0x883e;

const GRE: Protocol = Protocol(47);
const ETHER_IP: Protocol = Protocol(97);
const MPLS_IN_IP: Protocol = Protocol(137);
const ETHERNET_IN_IP: Protocol = Protocol(143);

/// Whether [`Walk::udp_tunnel`] looks into datagrams between these ports.
pub(super) const fn is_tunnel_port(source: u16, destination: u16) -> bool {
    const FIRST_VXLAN: u16 = VXLAN_PORTS[0];
    const SECOND_VXLAN: u16 = VXLAN_PORTS[1];
    is_tunnel_port_both_ways(source)
        || is_tunnel_port_both_ways(destination)
        || matches!(
            destination,
            FIRST_VXLAN
                | SECOND_VXLAN
                | VXLAN_GPE_PORT
                | GENEVE_PORT
                | TZSP_PORT
                | LISP_PORT
                | MPLS_PORT
        )
}

/// Of the others only what goes to them is looked into.
const fn is_tunnel_port_both_ways(port: u16) -> bool {
    matches!(port, GTPU_PORT | TEREDO_PORT | L2TP_PORT | CAPWAP_PORT)
}

impl Walk<'_, '_> {
    /// A tunnel directly over IP: IP in IP, GRE, Ethernet, MPLS.
    pub(super) fn ip_tunnel(&mut self, outer: &Outer, body: Cut<'_>) {
        let outcome = match outer.protocol {
            GRE => self.gre(outer, body),
            ETHER_IP => self.ether_ip(outer, body),
            ETHERNET_IN_IP => self.inner_ethernet(outer, body, TunnelKind::Ethernet, None),
            _ => {
                self.ip_in_ip(outer, body);
                Some(())
            }
        };
        if outcome.is_none() {
            self.counters.bad_tunnel += 1;
        }
    }

    fn ip_in_ip(&mut self, outer: &Outer, body: Cut<'_>) {
        let kind = if outer.source.address.is_ipv4() {
            TunnelKind::Ipv4
        } else {
            TunnelKind::Ipv6
        };
        let Some(layer) = self.inside(outer, body, kind, None) else {
            return;
        };
        if outer.protocol == MPLS_IN_IP {
            let _ = self.mpls(body, layer);
        } else {
            self.ip(body, layer);
        }
    }

    /// A tunnel over UDP, told by its port and by content that fits.
    pub(super) fn udp_tunnel(&mut self, outer: &Outer, payload: Cut<'_>) {
        let (source, destination) = (outer.source.port, outer.destination.port);
        let outcome = match destination {
            _ if VXLAN_PORTS.contains(&destination) => self.vxlan(outer, payload),
            VXLAN_GPE_PORT => self.vxlan_gpe(outer, payload),
            GENEVE_PORT => self.geneve(outer, payload),
            TZSP_PORT => self.tzsp(outer, payload),
            _ if destination == GTPU_PORT || source == GTPU_PORT => self.gtpu(outer, payload),
            _ if destination == TEREDO_PORT || source == TEREDO_PORT => self.teredo(outer, payload),
            _ if destination == L2TP_PORT || source == L2TP_PORT => self.l2tp(outer, payload),
            _ if destination == CAPWAP_PORT || source == CAPWAP_PORT => self.capwap(outer, payload),
            LISP_PORT => self.lisp(outer, payload),
            MPLS_PORT => self.mpls_over_udp(outer, payload),
            _ => return,
        };
        if outcome.is_none() {
            self.counters.bad_tunnel += 1;
        }
    }

    /// GRE (RFC 2784, RFC 2890): flags and version, protocol type, then checksum, key and sequence where flagged.
    fn gre(&mut self, outer: &Outer, body: Cut<'_>) -> Option<()> {
        const CHECKSUM: u16 = 0x8000;
        const ROUTING: u16 = 0x4000;
        const KEY: u16 = 0x2000;
        const SEQUENCE: u16 = 0x1000;
        const ACKNOWLEDGEMENT: u16 = 0x0080;
        let (flags, kind) = (body.integer16(0)?, body.integer16(2)?);
        let is_pptp = flags & 7 == 1;
        let mut rest = body.skip(4)?;
        if flags & (CHECKSUM | ROUTING) != 0 {
            rest = rest.skip(4)?;
        }
        let key = if flags & KEY != 0 {
            Some(rest.integer32(0)?)
        } else {
            None
        };
        for flag in [KEY, SEQUENCE] {
            rest = if flags & flag != 0 {
                rest.skip(4)?
            } else {
                rest
            };
        }
        if is_pptp && flags & ACKNOWLEDGEMENT != 0 {
            rest = rest.skip(4)?;
        }
        if rest.wire == 0 {
            return Some(());
        }
        match kind {
            ERSPAN_II if flags & SEQUENCE == 0 => {
                self.inner_ethernet(outer, rest, TunnelKind::Erspan, None)
            }
            ERSPAN_II | ERSPAN_III => self.erspan(outer, rest),
            WCCP => {
                let rest = if rest.byte(0)? >> 4 == 4 {
                    rest
                } else {
                    rest.skip(4)?
                };
                let layer = self.inside(outer, rest, TunnelKind::Gre, key)?;
                self.ip(rest, layer);
                Some(())
            }
            0x6558 => self.inner_ethernet(outer, rest, TunnelKind::Gre, key),
            _ => {
                let layer = self.inside(outer, rest, TunnelKind::Gre, key)?;
                self.ether_type(kind, rest, layer)
            }
        }
    }

    /// ERSPAN, told by the version in its first four bits: 1 is type II with 8 bytes, 2 is type III with 12, and 8 more where its
    /// last bit says so. Source: draft-foschiano-erspan.
    fn erspan(&mut self, outer: &Outer, body: Cut<'_>) -> Option<()> {
        let session = u32::from(body.integer16(2)? & 0x03ff);
        let header = match body.byte(0)? >> 4 {
            1 => 8,
            2 if body.byte(11)? & 1 == 1 => 20,
            2 => 12,
            _ => return None,
        };
        self.inner_ethernet(outer, body.skip(header)?, TunnelKind::Erspan, Some(session))
    }

    /// VXLAN (RFC 7348 section 5): flags, reserved, network identifier, reserved; then Ethernet.
    fn vxlan(&mut self, outer: &Outer, payload: Cut<'_>) -> Option<()> {
        const HAS_IDENTIFIER: u8 = 0x08;
        if payload.byte(0)? & HAS_IDENTIFIER == 0 {
            return None;
        }
        let identifier = payload.integer32(4)? >> 8;
        self.inner_ethernet(outer, payload.skip(8)?, TunnelKind::Vxlan, Some(identifier))
    }

    /// VXLAN with the generic protocol extension: the fourth byte names what follows.
    fn vxlan_gpe(&mut self, outer: &Outer, payload: Cut<'_>) -> Option<()> {
        let identifier = Some(payload.integer32(4)? >> 8);
        let rest = payload.skip(8)?;
        match payload.byte(3)? {
            1 | 2 => {
                let layer = self.inside(outer, rest, TunnelKind::Vxlan, identifier)?;
                self.ip(rest, layer);
                Some(())
            }
            3 => self.inner_ethernet(outer, rest, TunnelKind::Vxlan, identifier),
            4 => {
                let layer = self.inside(outer, rest, TunnelKind::Vxlan, identifier)?;
                self.service_header(rest, layer)
            }
            _ => None,
        }
    }

    /// Geneve (RFC 8926 section 3.4): version and option length, flags, protocol type, network identifier, options.
    fn geneve(&mut self, outer: &Outer, payload: Cut<'_>) -> Option<()> {
        let first = payload.byte(0)?;
        if first >> 6 != 0 {
            return None;
        }
        let options = usize::from(first & 0x3f) * 4;
        let (kind, identifier) = (payload.integer16(2)?, payload.integer32(4)? >> 8);
        let rest = payload.skip(8 + options)?;
        let mut layer = self.inside(outer, rest, TunnelKind::Geneve, Some(identifier))?;
        if kind == 0x6558 {
            return self.ethernet(rest, layer);
        }
        layer.wire_bytes = rest.wire as u64;
        self.ether_type(kind, rest, layer)
    }

    /// GTP-U (3GPP TS 29.281 section 5.1): flags, message type, length, endpoint identifier, optional fields, extension headers.
    fn gtpu(&mut self, outer: &Outer, payload: Cut<'_>) -> Option<()> {
        const VERSION_AND_TYPE: u8 = 0xf0;
        const GTP_1: u8 = 0x30;
        const OPTIONAL_FIELDS: u8 = 0x07;
        const HAS_EXTENSION: u8 = 0x04;
        const USER_DATA: u8 = 255;
        let flags = payload.byte(0)?;
        if flags & VERSION_AND_TYPE != GTP_1 {
            return None;
        }
        if payload.byte(1)? != USER_DATA {
            return Some(());
        }
        let identifier = payload.integer32(4)?;
        let mut rest = payload
            .limit(8 + usize::from(payload.integer16(2)?))
            .skip(8)?;
        if flags & OPTIONAL_FIELDS != 0 {
            let mut next = if flags & HAS_EXTENSION != 0 {
                rest.byte(3)?
            } else {
                0
            };
            rest = rest.skip(4)?;
            while next != 0 {
                let length = usize::from(rest.byte(0)?.max(1)) * 4;
                next = rest.byte(length - 1)?;
                rest = rest.skip(length)?;
            }
        }
        let layer = self.inside(outer, rest, TunnelKind::Gtpu, Some(identifier))?;
        self.ip(rest, layer);
        Some(())
    }

    /// Teredo (RFC 4380 section 5.1.1): authentication and origin indications may come before the IPv6 packet. Other
    /// datagrams of the port are none.
    fn teredo(&mut self, outer: &Outer, payload: Cut<'_>) -> Option<()> {
        let mut rest = payload;
        if rest.integer16(0) == Some(1) {
            let (client, value) = (usize::from(rest.byte(2)?), usize::from(rest.byte(3)?));
            rest = rest.skip(4 + client + value + 9)?;
        }
        if rest.integer16(0) == Some(0) {
            rest = rest.skip(8)?;
        }
        let fits = rest.byte(0).is_some_and(|byte| byte >> 4 == 6)
            && usize::from(rest.integer16(4)?) + 40 <= rest.wire;
        if !fits {
            return Some(());
        }
        let layer = self.inside(outer, rest, TunnelKind::Teredo, None)?;
        self.ip(rest, layer);
        Some(())
    }

    /// TZSP: version, type, encapsulated protocol, then tagged fields up to the end tag.
    fn tzsp(&mut self, outer: &Outer, payload: Cut<'_>) -> Option<()> {
        const PADDING: u8 = 0;
        const END: u8 = 1;
        const ETHERNET: u16 = 1;
        const WIRELESS: u16 = 18;
        if payload.byte(0)? != 1 {
            return None;
        }
        let protocol = payload.integer16(2)?;
        let mut rest = payload.skip(4)?;
        loop {
            match rest.byte(0)? {
                PADDING => rest = rest.skip(1)?,
                END => break,
                _ => rest = rest.skip(2 + usize::from(rest.byte(1)?))?,
            }
        }
        rest = rest.skip(1)?;
        if rest.wire == 0 {
            return Some(());
        }
        match protocol {
            ETHERNET => self.inner_ethernet(outer, rest, TunnelKind::Tzsp, None),
            WIRELESS => {
                let layer = self.inside(outer, rest, TunnelKind::Tzsp, None)?;
                self.wireless(rest, layer, false)
            }
            _ => {
                self.counters.not_ip += 1;
                Some(())
            }
        }
    }

    /// EtherIP (RFC 3378 section 3): a version of 3 and twelve reserved bits, then Ethernet.
    fn ether_ip(&mut self, outer: &Outer, body: Cut<'_>) -> Option<()> {
        if body.integer16(0)? != 0x3000 {
            return None;
        }
        self.inner_ethernet(outer, body.skip(2)?, TunnelKind::Ethernet, None)
    }

    /// L2TP (RFC 2661 section 3.1): flags and version, then length, tunnel, session, numbers and padding as flagged, then PPP.
    fn l2tp(&mut self, outer: &Outer, payload: Cut<'_>) -> Option<()> {
        const CONTROL: u16 = 0x8000;
        const LENGTH: u16 = 0x4000;
        const SEQUENCE: u16 = 0x0800;
        const OFFSET: u16 = 0x0200;
        const VERSION: u16 = 0x000f;
        let flags = payload.integer16(0)?;
        if flags & CONTROL != 0 || flags & VERSION != 2 {
            return Some(());
        }
        let mut rest = payload;
        let mut header = 2;
        if flags & LENGTH != 0 {
            rest = rest.limit(usize::from(payload.integer16(2)?));
            header += 2;
        }
        let session = payload.integer32(header)?;
        header += if flags & SEQUENCE != 0 { 8 } else { 4 };
        if flags & OFFSET != 0 {
            header += 2 + usize::from(payload.integer16(header)?);
        }
        let rest = rest.skip(header)?;
        let layer = self.inside(outer, rest, TunnelKind::L2tp, Some(session))?;
        self.ppp(rest, layer)
    }

    /// CAPWAP data (RFC 5415 section 4.3): version and type, then header length, radio, payload type and flags, fragment numbers.
    /// What is encrypted, a keep-alive or a fragment is not unwrapped.
    fn capwap(&mut self, outer: &Outer, payload: Cut<'_>) -> Option<()> {
        const NATIVE: u32 = 0x0100;
        const FRAGMENT: u32 = 0x0080;
        const KEEP_ALIVE: u32 = 0x0008;
        const PAYLOAD_TYPE: u32 = 0x3e00;
        const WIRELESS: u32 = 0x0200;
        let fields = payload.integer32(0)?;
        if fields >> 24 != 0 || fields & (FRAGMENT | KEEP_ALIVE) != 0 {
            return Some(());
        }
        let rest = payload.skip((fields >> 19 & 0x1f) as usize * 4)?;
        if fields & NATIVE == 0 {
            return self.inner_ethernet(outer, rest, TunnelKind::Capwap, None);
        }
        if fields & PAYLOAD_TYPE != WIRELESS {
            return None;
        }
        let layer = self.inside(outer, rest, TunnelKind::Capwap, None)?;
        self.wireless_of_controller(rest, layer)
    }

    /// LISP data (RFC 9300 section 5.3): flags and numbers in eight bytes, then IP.
    fn lisp(&mut self, outer: &Outer, payload: Cut<'_>) -> Option<()> {
        let rest = payload.skip(8)?;
        if !matches!(rest.byte(0)? >> 4, 4 | 6) {
            return None;
        }
        let layer = self.inside(outer, rest, TunnelKind::Lisp, None)?;
        self.ip(rest, layer);
        Some(())
    }

    /// MPLS over UDP (RFC 7510).
    fn mpls_over_udp(&mut self, outer: &Outer, payload: Cut<'_>) -> Option<()> {
        let kind = if outer.source.address.is_ipv4() {
            TunnelKind::Ipv4
        } else {
            TunnelKind::Ipv6
        };
        let layer = self.inside(outer, payload, kind, None)?;
        self.mpls(payload, layer)
    }

    fn inner_ethernet(
        &mut self,
        outer: &Outer,
        frame: Cut<'_>,
        kind: TunnelKind,
        id: Option<u32>,
    ) -> Option<()> {
        let layer = self.inside(outer, frame, kind, id)?;
        self.ethernet(frame, layer)
    }
}
