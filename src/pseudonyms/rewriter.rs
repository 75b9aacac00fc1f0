//! A worker's part: packets get pseudonyms before anything is made of them, and what was worked out is kept.
//!
//! A pseudonym takes 64 or 256 calls of AES, far too many for every packet, so the last ones are kept, in bounded memory: two
//! generations, of which the older is forgotten when the younger is full.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::Pseudonyms;
use crate::types::packet::{IcmpMessage, Quoted, Transport};
use crate::types::{Endpoint, FlowKey, Packet, Tunnel};

/// Addresses of a generation; one takes some 40 bytes.
const GENERATION: usize = 1 << 15;

/// Rewrites what one worker sees.
#[derive(Debug)]
pub struct Rewriter {
    pseudonyms: Arc<Pseudonyms>,
    addresses: Recent<IpAddr>,
    macs: Recent<[u8; 6]>,
}

/// What was worked out lately.
#[derive(Debug)]
struct Recent<T> {
    young: HashMap<T, T, RandomState>,
    old: HashMap<T, T, RandomState>,
}

impl Rewriter {
    /// Nothing worked out yet.
    pub fn new(pseudonyms: Arc<Pseudonyms>) -> Self {
        Self {
            pseudonyms,
            addresses: Recent::new(),
            macs: Recent::new(),
        }
    }

    /// The packet as everything after this sees it.
    #[must_use]
    pub fn packet<'p>(&mut self, packet: &Packet<'p>) -> Packet<'p> {
        Packet {
            source: self.address(packet.source),
            destination: self.address(packet.destination),
            transport: self.transport(packet.transport),
            tunnel: packet.tunnel.map(|tunnel| Tunnel {
                source: self.address(tunnel.source),
                destination: self.address(tunnel.destination),
                ..tunnel
            }),
            source_mac: packet.source_mac.map(|mac| self.mac(mac)),
            destination_mac: packet.destination_mac.map(|mac| self.mac(mac)),
            ..*packet
        }
    }

    /// The key of a flow between pseudonyms.
    #[must_use]
    pub fn flow_key(&mut self, key: &FlowKey) -> FlowKey {
        key.between(|address| self.address(address))
    }

    fn transport<'p>(&mut self, transport: Transport<'p>) -> Transport<'p> {
        let Transport::Icmp(message) = transport else {
            return transport;
        };
        let mut endpoint = |endpoint: Endpoint| Endpoint {
            address: self.address(endpoint.address),
            ..endpoint
        };
        let quoted = message.quoted.map(|quoted| Quoted {
            source: endpoint(quoted.source),
            destination: endpoint(quoted.destination),
            ..quoted
        });
        Transport::Icmp(IcmpMessage { quoted, ..message })
    }

    /// What an address is called.
    pub fn address(&mut self, address: IpAddr) -> IpAddr {
        let pseudonyms = &self.pseudonyms;
        if address.is_ipv4() && !pseudonyms.is_client(address) {
            return address;
        }
        self.addresses
            .get(address, |address| pseudonyms.address(address))
    }

    /// What a MAC address is called.
    pub fn mac(&mut self, mac: [u8; 6]) -> [u8; 6] {
        self.macs.get(mac, |mac| self.pseudonyms.mac(mac))
    }
}

impl<T: Copy + Eq + Hash> Recent<T> {
    fn new() -> Self {
        Self {
            young: HashMap::default(),
            old: HashMap::default(),
        }
    }

    fn get(&mut self, key: T, work_out: impl FnOnce(T) -> T) -> T {
        if let Some(known) = self.young.get(&key) {
            return *known;
        }
        let known = self.old.get(&key).copied();
        let value = known.unwrap_or_else(|| work_out(key));
        if self.young.len() >= GENERATION {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(key, value);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::flow_key::Side;
    use crate::types::packet::TunnelKind;
    use crate::types::{Protocol, Timestamp, VlanTags};

    #[test]
    fn a_packet_is_rewritten_wherever_it_tells_an_address() {
        let address = |last| IpAddr::from([192, 0, 2, last]);
        let endpoint = |last| Endpoint {
            address: address(last),
            port: 7,
        };
        let quoted = Quoted {
            source: endpoint(3),
            destination: endpoint(4),
            protocol: Protocol::TCP,
        };
        let packet = Packet {
            timestamp: Timestamp::EPOCH,
            recorded: Timestamp::EPOCH,
            number: 1,
            origin: 0,
            number_in_origin: 1,
            source: address(1),
            destination: address(2),
            transport: Transport::Icmp(IcmpMessage {
                kind: 3,
                code: 3,
                quoted: Some(quoted),
                payload: &[],
                message_length: 8,
            }),
            wire_bytes: 60,
            frames: 1,
            identification: 0,
            hop_limit: 64,
            vlan: VlanTags::default(),
            tunnel: Some(Tunnel {
                kind: TunnelKind::Gre,
                source: address(5),
                destination: address(6),
                source_port: 0,
                destination_port: 0,
                protocol: Protocol(47),
                id: None,
                depth: 1,
            }),
            source_mac: Some([2, 0, 0, 0, 0, 7]),
            destination_mac: Some([2, 0, 0, 0, 0, 8]),
        };
        let pseudonyms = Arc::new(super::super::tests::pseudonyms());
        let mut rewriter = Rewriter::new(Arc::clone(&pseudonyms));
        let rewritten = rewriter.packet(&packet);
        let of = |last| pseudonyms.address(address(last));
        assert_eq!((rewritten.source, rewritten.destination), (of(1), of(2)));
        let tunnel = rewritten.tunnel.unwrap();
        assert_eq!((tunnel.source, tunnel.destination), (of(5), of(6)));
        assert_eq!(
            rewritten.source_mac,
            Some(pseudonyms.mac([2, 0, 0, 0, 0, 7]))
        );
        assert_eq!(
            rewritten.destination_mac,
            Some(pseudonyms.mac([2, 0, 0, 0, 0, 8]))
        );
        let key = packet.quoted_key(false).unwrap();
        assert_eq!(rewritten.quoted_key(false), Some(rewriter.flow_key(&key)));
        assert_eq!(rewriter.flow_key(&key).sender(Side::LowToHigh).port, 7);
        assert_ne!(rewritten.quoted_key(false), Some(key));
    }

    #[test]
    fn what_was_worked_out_is_kept_and_memory_is_bounded() {
        let mut recent: Recent<u64> = Recent::new();
        let mut worked = 0;
        for round in 0..3 {
            for key in 0..GENERATION as u64 {
                let value = recent.get(key, |key| {
                    worked += 1;
                    key + 1
                });
                assert_eq!(value, key + 1, "{round}");
            }
        }
        assert_eq!(worked, GENERATION);
        for key in 0..10 * GENERATION as u64 {
            recent.get(key, |key| key);
        }
        assert!(recent.young.len() <= GENERATION && recent.old.len() <= GENERATION);
        // What is used all the time is never worked out again.
        for key in 0..4 * GENERATION as u64 {
            recent.get(1 << 40, |key| key);
            recent.get(key, |key| key);
        }
        recent.get(1 << 40, |_| panic!("worked out again"));
    }
}
