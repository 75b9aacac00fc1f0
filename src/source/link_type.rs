//! Link types: what kind of frame a file holds.
//!
//! Source: the LINKTYPE_ list of the Tcpdump Group. Files carry these numbers; libpcap's words for them are asked by its own.

use std::fmt;

/// A LINKTYPE_ number. Unknown ones are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: a 4-byte address family.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// IEEE 802.5 token ring.
    pub const TOKEN_RING: Self = Self(6);
    /// SLIP, behind a direction and a compressed header.
    pub const SLIP: Self = Self(8);
    /// PPP, with or without HDLC framing.
    pub const PPP: Self = Self(9);
    /// FDDI.
    pub const FDDI: Self = Self(10);
    /// RFC 1483 ATM under the number that some systems write.
    pub const DLT_ATM_RFC1483: Self = Self(11);
    /// Raw IP under the number that some systems write.
    pub const DLT_RAW: Self = Self(12);
    /// Raw IP under OpenBSD's number.
    pub const DLT_RAW_OPENBSD: Self = Self(14);
    /// Linux classical IP over ATM.
    pub const ATM_CLIP: Self = Self(19);
    /// PPP with HDLC framing.
    pub const PPP_HDLC: Self = Self(50);
    /// PPPoE session frames.
    pub const PPP_ETHER: Self = Self(51);
    /// RFC 1483 ATM.
    pub const ATM_RFC1483: Self = Self(100);
    /// Raw IPv4 or IPv6.
    pub const RAW: Self = Self(101);
    /// Cisco HDLC.
    pub const C_HDLC: Self = Self(104);
    /// IEEE 802.11.
    pub const IEEE802_11: Self = Self(105);
    /// Frame relay.
    pub const FRELAY: Self = Self(107);
    /// OpenBSD loopback: a 4-byte address family in network order.
    pub const LOOP: Self = Self(108);
    /// OpenBSD's view of IPsec: address family, index, flags.
    pub const ENC: Self = Self(109);
    /// Linux cooked, version 1.
    pub const LINUX_SLL: Self = Self(113);
    /// IEEE 802.11 behind a Prism header.
    pub const PRISM: Self = Self(119);
    /// IEEE 802.11 behind a radiotap header.
    pub const RADIOTAP: Self = Self(127);
    /// IEEE 802.11 behind an AVS header.
    pub const AVS: Self = Self(163);
    /// PPP of pppd, with a direction byte.
    pub const PPP_PPPD: Self = Self(166);
    /// Per-packet information.
    pub const PPI: Self = Self(192);
    /// Solaris between zones.
    pub const IPNET: Self = Self(226);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux netfilter log.
    pub const NFLOG: Self = Self(239);
    /// IP over InfiniBand.
    pub const IPOIB: Self = Self(242);
    /// Apple's packet tap.
    pub const PKTAP: Self = Self(258);
    /// Linux cooked, version 2.
    pub const LINUX_SLL2: Self = Self(276);
    /// Ethernet with Broadcom's switch tag behind the addresses.
    pub const BROADCOM_TAG: Self = Self(281);
    /// Ethernet behind Broadcom's switch tag.
    pub const BROADCOM_TAG_PREPENDED: Self = Self(282);
    /// Ethernet with Marvell's switch tag behind the addresses.
    pub const MARVELL_DSA: Self = Self(284);
    /// Ethernet with Marvell's switch tag behind an ethertype.
    pub const MARVELL_EDSA: Self = Self(285);
}

/// LINKTYPE_ numbers that libpcap calls by another DLT_ number.
const DLT_NUMBERS: [(u16, i32); 5] = [(100, 11), (101, 12), (102, 15), (103, 16), (106, 19)];

impl LinkType {
    /// libpcap's words for it, where it has any.
    pub fn description(self) -> Option<String> {
        let other = DLT_NUMBERS.iter().find(|(number, _)| *number == self.0);
        let number = other.map_or(i32::from(self.0), |(_, dlt)| *dlt);
        let words = ::pcap::Linktype(number).get_description().ok()?;
        Some(if words.starts_with("802.") {
            format!("IEEE {words}")
        } else {
            words
        })
    }
}

impl fmt::Display for LinkType {
    /// The number, and what it is: `105 (IEEE 802.11)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.description() {
            Some(words) => write!(f, "{} ({words})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_type_says_what_it_is() {
        assert_eq!(LinkType::IEEE802_11.to_string(), "105 (IEEE 802.11)");
        assert_eq!(LinkType::RAW.to_string(), "101 (Raw IP)");
        assert!(LinkType(195).to_string().starts_with("195 (IEEE 802.15.4"));
        assert_eq!(LinkType(65_000).to_string(), "65000");
    }
}
