//! The keys that every kind shares, in EVE's order.

use std::net::IpAddr;

use super::community_id::CommunityId;
use super::time::TimeText;
use super::{Kind, Line};
use crate::types::packet::TunnelKind;
use crate::types::{Endpoint, Protocol, Timestamp, Tunnel, VlanTags};

/// What the configuration says about the form of lines.
#[derive(Clone, Debug, Default)]
pub struct Style {
    /// Leave out the `patchspan` object and whatever EVE's own schema does not know.
    pub eve_strict: bool,
    /// IPv6 addresses in EVE's long form instead of RFC 5952.
    pub ipv6_long: bool,
    /// Write `community_id`.
    pub community_id: bool,
    /// Cut the query string from URLs in the output.
    pub drop_query: bool,
    /// Name of this sensor.
    pub host: Option<String>,
    /// Files (replay) or interfaces (live), by the index that packets carry.
    pub origins: Vec<String>,
    /// Whether origins are interfaces.
    pub live: bool,
}

/// The common keys of one record.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// Its time.
    pub timestamp: Timestamp,
    /// Its kind.
    pub kind: Kind,
    /// The flow that it speaks of; `None` for records of no flow.
    pub flow: Option<FlowKeys>,
    /// Number of the packet within its file, and the file or interface; `None` where no packet completed it.
    pub packet: Option<(u64, u16)>,
}

/// The keys that name a flow.
#[derive(Clone, Copy, Debug)]
pub struct FlowKeys {
    /// `flow_id`, below 2^51.
    pub id: u64,
    /// Source: of the packet for `dns`, else the client.
    pub source: Endpoint,
    /// Destination.
    pub destination: Endpoint,
    /// Transport protocol.
    pub protocol: Protocol,
    /// ICMP type and code of the flow's first packet.
    pub icmp: Option<(u8, u8)>,
    /// Tags of the flow's first frame.
    pub vlan: VlanTags,
    /// The tunnel around the flow's first packet.
    pub tunnel: Option<Tunnel>,
    /// Its Community ID, where it is written.
    pub community_id: Option<CommunityId>,
}

impl Header {
    /// Writes the keys; the caller goes on with the kind's own object.
    pub fn write(&self, line: &mut Line<'_>, style: &Style, time: &mut TimeText) {
        line.raw("timestamp", |buffer| {
            time.push_quoted(buffer, self.timestamp)
        });
        if let Some(flow) = &self.flow {
            line.integer("flow_id", flow.id);
        }
        self.write_packet(line, style);
        line.word("event_type", self.kind.as_str());
        if let Some(flow) = &self.flow {
            flow.write(line, style);
        }
        if let Some(host) = &style.host {
            line.text("host", host);
        }
    }

    fn write_packet(&self, line: &mut Line<'_>, style: &Style) {
        let Some((number, origin)) = self.packet else {
            return;
        };
        let origin = style.origins.get(usize::from(origin));
        if style.live {
            if let Some(name) = origin {
                line.text("in_iface", name);
            }
            return;
        }
        line.integer("pcap_cnt", number);
        if let Some(name) = origin {
            line.text("pcap_filename", name);
        }
    }
}

impl FlowKeys {
    fn write(&self, line: &mut Line<'_>, style: &Style) {
        if !self.vlan.ids().is_empty() {
            line.list("vlan", |line| {
                self.vlan
                    .ids()
                    .iter()
                    .for_each(|id| line.element_integer(u64::from(*id)));
            });
        }
        write_address(line, "src_ip", self.source.address, style);
        self.write_port(line, "src_port", self.source.port);
        write_address(line, "dest_ip", self.destination.address, style);
        self.write_port(line, "dest_port", self.destination.port);
        write_protocol(line, self.protocol);
        if let Some((kind, code)) = self.icmp {
            line.integer("icmp_type", u64::from(kind));
            line.integer("icmp_code", u64::from(code));
        }
        line.integer("ip_v", if self.source.address.is_ipv4() { 4 } else { 6 });
        if let Some(tunnel) = &self.tunnel {
            write_tunnel(line, tunnel, style);
        }
        if let Some(community_id) = &self.community_id {
            line.word("community_id", community_id.as_str());
        }
    }

    fn write_port(&self, line: &mut Line<'_>, key: &str, port: u16) {
        if matches!(self.protocol, Protocol::TCP | Protocol::UDP) {
            line.integer(key, u64::from(port));
        }
    }
}

fn write_tunnel(line: &mut Line<'_>, tunnel: &Tunnel, style: &Style) {
    line.word("pkt_src", packet_source(tunnel.kind));
    line.object("tunnel", |line| {
        write_address(line, "src_ip", tunnel.source, style);
        line.integer("src_port", u64::from(tunnel.source_port));
        write_address(line, "dest_ip", tunnel.destination, style);
        line.integer("dest_port", u64::from(tunnel.destination_port));
        write_protocol(line, tunnel.protocol);
        line.integer("depth", u64::from(tunnel.depth));
    });
}

/// EVE's words for how a packet was unwrapped; those that EVE lacks follow their pattern.
const fn packet_source(kind: TunnelKind) -> &'static str {
    match kind {
        TunnelKind::Gre => "gre tunnel",
        TunnelKind::Erspan => "erspan tunnel",
        TunnelKind::Vxlan => "vxlan encapsulation",
        TunnelKind::Geneve => "geneve encapsulation",
        TunnelKind::Gtpu => "gtp-u tunnel",
        TunnelKind::Ipv4 => "ipv4 tunnel",
        TunnelKind::Ipv6 => "ipv6 tunnel",
        TunnelKind::Teredo => "teredo tunnel",
        TunnelKind::Tzsp => "tzsp encapsulation",
        TunnelKind::L2tp => "l2tp tunnel",
        TunnelKind::Capwap => "capwap tunnel",
        TunnelKind::Ethernet => "ethernet tunnel",
        TunnelKind::Lisp => "lisp encapsulation",
    }
}

/// Writes an address: RFC 5952 text, or EVE's long form of IPv6 where the style says so.
pub fn write_address(line: &mut Line<'_>, key: &str, address: IpAddr, style: &Style) {
    match address {
        IpAddr::V6(address) if style.ipv6_long => {
            let mut text = String::with_capacity(39);
            for (index, segment) in address.segments().iter().enumerate() {
                let colon = if index > 0 { ":" } else { "" };
                text.push_str(&format!("{colon}{segment:04x}"));
            }
            line.text(key, &text);
        }
        _ => line.address(key, address),
    }
}

fn write_protocol(line: &mut Line<'_>, protocol: Protocol) {
    match protocol_name(protocol) {
        Some(name) => line.word("proto", name),
        None => line.display("proto", format_args!("{:03}", protocol.0)),
    }
}

/// The upper-case name of a protocol number (IANA Assigned Internet Protocol Numbers), for those seen in practice.
pub const fn protocol_name(protocol: Protocol) -> Option<&'static str> {
    Some(match protocol.0 {
        0 => "HOPOPT",
        1 => "ICMP",
        2 => "IGMP",
        4 => "IP",
        6 => "TCP",
        8 => "EGP",
        17 => "UDP",
        33 => "DCCP",
        41 => "IPV6",
        46 => "RSVP",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "IPV6-ICMP",
        59 => "IPV6-NONXT",
        88 => "EIGRP",
        89 => "OSPFIGP",
        94 => "IPIP",
        103 => "PIM",
        112 => "VRRP",
        115 => "L2TP",
        132 => "SCTP",
        136 => "UDPLITE",
        137 => "MPLS-IN-IP",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::line::{Scratch, write_line};

    #[test]
    fn ports_are_left_out_where_there_are_none() {
        let flow = FlowKeys {
            id: 7,
            source: Endpoint {
                address: "2001:db8::1".parse().unwrap(),
                port: 0,
            },
            destination: Endpoint {
                address: "2001:db8::2".parse().unwrap(),
                port: 0,
            },
            protocol: Protocol::ICMPV6,
            icmp: Some((128, 0)),
            vlan: VlanTags::NONE,
            tunnel: None,
            community_id: None,
        };
        let header = Header {
            timestamp: Timestamp::EPOCH,
            kind: Kind::Flow,
            flow: Some(flow),
            packet: None,
        };
        let mut buffer = Vec::new();
        let style = Style {
            ipv6_long: true,
            ..Style::default()
        };
        write_line(&mut buffer, &mut Scratch::default(), |line| {
            header.write(line, &style, &mut TimeText::default())
        });
        assert_eq!(
            String::from_utf8(buffer).unwrap(),
            "{\"timestamp\":\"1970-01-01T00:00:00.000000+0000\",\"flow_id\":7,\"event_type\":\"flow\",\
             \"src_ip\":\"2001:0db8:0000:0000:0000:0000:0000:0001\",\"dest_ip\":\"2001:0db8:0000:0000:0000:0000:0000:0002\",\
             \"proto\":\"IPV6-ICMP\",\"icmp_type\":128,\"icmp_code\":0,\"ip_v\":6}\n"
        );
    }
}
