//! What a flow says by its name and its server: whether its name is hidden, whom it is spoken to, and where updates may come from
//! inside the network.

use std::net::IpAddr;
use std::time::Duration;

use super::super::annotation::Annotation;
use super::super::application::AppProtocol;
use super::super::worker::Core;
use crate::flows::Flow;
use crate::types::{Direction, Protocol};
use crate::updates::coverage::known::KnownServer;
use crate::updates::coverage::{HOUR, Sign, Sums};
use crate::updates::fact::NameSource;

/// A flow that nothing names, begun so soon after the start: its lookup may have come before. Programs keep answers no longer, as a rule.
const WARM_UP: Duration = HOUR;
/// Ports of servers whose flows may lead to an update, whatever they speak.
const WEB_PORTS: [u16; 4] = [80, 443, 8080, 8443];
/// DNS over TLS (RFC 7858) and over QUIC (RFC 9250).
const DOT_PORT: u16 = 853;
const HTTPS: u16 = 443;
/// Delivery Optimization between clients.
const PEER_PORT: u16 = 7680;
/// IKE through NAT (RFC 3948), and OpenVPN (IANA).
const TUNNEL_PORTS: [u16; 2] = [4500, 1194];
/// IKE (RFC 7296): what it makes is ESP.
const IKE_PORT: u16 = 500;
/// ESP and AH.
const IPSEC: [Protocol; 2] = [Protocol(50), Protocol(51)];
/// WSUS, plain and over TLS; apt-cacher-ng; the distribution points of one maker of antivirus programs.
const SOURCE_PORTS: [u16; 4] = [8530, 8531, 3142, 13_000];
/// Ports below belong to somebody.
const FIRST_DYNAMIC: u16 = 1_024;
/// More than this from a server of the own network is a file.
const FILE_BYTES: u64 = 64 << 10;

impl Core {
    /// What the name of a flow says, and its server.
    pub(super) fn said(&self, flow: &Flow<Annotation>) -> Sums {
        let mut said = Sums::default();
        let naming = flow.annotation.naming.as_deref();
        let source = naming.map(|naming| naming.source);
        said.name(source);
        if flow.annotation.has_ech {
            said.signs.add(Sign::Ech);
            said.hidden = u32::from(matches!(source, None | Some(NameSource::DnsShared)));
        }
        let is_known = self.note_known(flow, naming.map(|naming| naming.name.as_str()), &mut said);
        self.note_sources(flow, &mut said);
        let is_anywhere = may_lead_anywhere(flow) && !self.is_near(flow.server().address);
        if source.is_none() && said.hidden == 0 && !is_known && is_anywhere && !self.is_tunnel(flow)
        {
            said.nameless = 1;
            let since = self.presence.since.unwrap_or_default();
            let is_early = !self.presence.is_warm && flow.first().timestamp < since.plus(WARM_UP);
            said.early = u32::from(is_early);
        }
        said
    }

    /// What the server is known for; gives whether it is known.
    fn note_known(&self, flow: &Flow<Annotation>, name: Option<&str>, said: &mut Sums) -> bool {
        let (server, protocol) = (flow.server(), flow.annotation.protocol);
        let is_dot = server.port == DOT_PORT
            && (protocol == Some(AppProtocol::Tls) || protocol == Some(AppProtocol::Quic));
        let known = self.known_server(flow, name);
        match known {
            _ if is_dot => said.signs.add(Sign::Dot),
            Some(KnownServer::Resolver) => said.signs.add(Sign::Doh),
            Some(KnownServer::Locator) => said.signs.add(Sign::Locator),
            Some(KnownServer::Tunnel) | None => {}
        }
        is_dot || known.is_some()
    }

    fn known_server(&self, flow: &Flow<Annotation>, name: Option<&str>) -> Option<KnownServer> {
        let known = &self.settings.presence.known;
        let server = flow.server();
        let by_name = name.and_then(|name| known.of_name(name));
        by_name.or_else(|| {
            let is_open = [HTTPS, DOT_PORT].contains(&server.port);
            is_open.then(|| known.of_address(server.address)).flatten()
        })
    }

    /// Where updates may come from inside the network.
    fn note_sources(&self, flow: &Flow<Annotation>, said: &mut Sums) {
        let (server, protocol) = (flow.server(), flow.annotation.protocol);
        let is_proxied = flow
            .annotation
            .claimed
            .as_ref()
            .is_some_and(|claimed| claimed.is_proxied);
        let is_near = self.is_near(server.address);
        let is_web = matches!(protocol, Some(AppProtocol::Http | AppProtocol::Tls));
        let endpoint = flow.annotation.contact.as_ref();
        let endpoint = endpoint.and_then(|contact| self.catalogue.endpoint(contact.endpoint));
        // A cache that is used as a proxy: the contact is with whom the request names.
        let source = self.catalogue.find_at(None, server);
        let source = source.and_then(|source| self.catalogue.endpoint(source));
        let is_internal = [endpoint, source]
            .into_iter()
            .flatten()
            .any(|endpoint| endpoint.is_internal);
        let is_likely = is_near && endpoint.is_some() && !is_proxied;
        let is_at_port = is_web && SOURCE_PORTS.contains(&server.port);
        let is_file = flow.delivered(Direction::ToClient).bytes > FILE_BYTES;
        let is_near_file = is_near && is_file && !is_proxied && server.port >= FIRST_DYNAMIC;
        let is_peer = flow.key().protocol() == Protocol::TCP && server.port == PEER_PORT;
        for (sign, is_so) in [
            (Sign::Proxy, is_proxied),
            (Sign::Internal, is_internal),
            (
                Sign::InternalLikely,
                !is_internal && (is_likely || is_at_port),
            ),
            (Sign::Peer, is_peer),
            (
                Sign::NearFile,
                is_near_file && protocol == Some(AppProtocol::Http),
            ),
        ] {
            if is_so {
                said.signs.add(sign);
            }
        }
    }

    fn is_near(&self, address: IpAddr) -> bool {
        self.settings.presence.near.contains(address)
    }

    /// Whether nobody sees what goes over the flow.
    pub(super) fn is_tunnel(&self, flow: &Flow<Annotation>) -> bool {
        let (protocol, server) = (flow.key().protocol(), flow.server());
        let is_at_port = protocol == Protocol::UDP
            && (TUNNEL_PORTS.contains(&server.port) || server.port == IKE_PORT);
        let name = flow
            .annotation
            .naming
            .as_deref()
            .map(|naming| naming.name.as_str());
        IPSEC.contains(&protocol)
            || is_at_port
            || flow.annotation.tunnel.is_tunnel()
            || self.known_server(flow, name) == Some(KnownServer::Tunnel)
    }
}

/// Whether a flow without a name may be one to any server, an update server included.
fn may_lead_anywhere(flow: &Flow<Annotation>) -> bool {
    let is_stream = matches!(flow.key().protocol(), Protocol::TCP | Protocol::UDP);
    let is_known = matches!(
        flow.annotation.protocol,
        Some(AppProtocol::Http | AppProtocol::Tls | AppProtocol::Quic)
    );
    // Plain HTTP shows what was asked for, whatever its host is called.
    let is_plain = flow.annotation.protocol == Some(AppProtocol::Http)
        && flow.packets(Direction::ToServer) > 0;
    let carries = !is_plain && (flow.delivered(Direction::ToClient).bytes > 0 || is_known);
    is_stream && carries && (is_known || WEB_PORTS.contains(&flow.server().port))
}
