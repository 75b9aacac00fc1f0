//! What goes over a flow: TLS, HTTP and DNS in streams, QUIC and DNS in datagrams.

use super::annotation::{Annotation, Claimed};
use super::application::{
    AppProtocol, Application, Found, Heads, MAX_QUIC_PROBES, MAX_SEARCH, Told, probe, search,
};
use super::ending::is_closed;
use super::worker::Core;
use super::writing::Way;
use crate::flows::{Chunk, ClientEvidence, Flow, Interest};
use crate::protocols::tls::Progress;
use crate::protocols::tls::hello::version_word;
use crate::protocols::{http, quic, tls};
use crate::records::{Kind, tls::Claim, tls::Tls};
use crate::types::flow_key::Side;
use crate::types::packet::UdpDatagram;
use crate::types::text::presentation;
use crate::types::{Direction, Place, Protocol, Stamp, Timestamp};
use crate::updates::fact::NameSource;

/// A TLS record waits so long for the server's hello.
const TLS_PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Where a chunk stands in its stream, and which packet brought it.
#[derive(Clone, Copy)]
pub(super) struct At {
    /// `None`: unknown.
    pub place: Option<Place>,
    pub stamp: Stamp,
}

impl Core {
    /// Prepares a flow for what may go over it.
    pub(super) fn opened_flow(&mut self, flow: &mut Flow<Annotation>) {
        let is_dns = self.is_dns(flow);
        let protocol = flow.key().protocol();
        flow.annotation.application = match protocol {
            Protocol::TCP if is_dns => Application::DnsStream(Box::default()),
            Protocol::TCP => Application::Probing(Heads::default()),
            Protocol::UDP if is_dns => Application::Done,
            Protocol::UDP => Application::ProbingDatagrams(0),
            _ => Application::Done,
        };
        if is_dns {
            flow.annotation.protocol = Some(AppProtocol::Dns);
        }
        if matches!(protocol, Protocol::TCP | Protocol::UDP) && !is_dns {
            self.plan_alarm(flow);
        } else {
            flow.annotation.is_resolved = true;
            flow.set_watched(false);
        }
    }

    fn is_dns(&self, flow: &Flow<Annotation>) -> bool {
        let ports = &self.settings.dns_ports;
        matches!(flow.key().protocol(), Protocol::TCP | Protocol::UDP)
            && (ports.contains(&flow.server().port) || ports.contains(&flow.client().port))
    }

    /// The next piece of a TCP stream.
    pub(super) fn stream_chunk(
        &mut self,
        flow: &mut Flow<Annotation>,
        side: Side,
        chunk: Chunk<'_>,
        at: At,
    ) -> Interest {
        let application = std::mem::take(&mut flow.annotation.application);
        let next = match (application, chunk) {
            (Application::Probing(heads), Chunk::Bytes(bytes)) => {
                self.probe_stream(flow, heads, side, bytes, at)
            }
            (Application::Probing(mut heads), Chunk::Restart) => {
                heads.clear(side);
                Application::Probing(heads)
            }
            (Application::Probing(mut heads), Chunk::Gap(_)) => {
                // What comes behind the gap may well begin a message.
                heads.clear(side);
                Application::Probing(heads)
            }
            (Application::Searching(searched), Chunk::Bytes(bytes)) => {
                self.search_stream(flow, searched, side, bytes, at)
            }
            (Application::DnsStream(mut framers), chunk) => {
                self.dns_stream(flow, &mut framers[side.index()], side, chunk, at.stamp);
                Application::DnsStream(framers)
            }
            (Application::Tls(session), chunk) => self.tls_stream(flow, session, side, chunk, at),
            (Application::Http(connection), chunk) => {
                self.http_stream(flow, connection, side, chunk, at)
            }
            (application, _) => application,
        };
        flow.annotation.application = next;
        if flow.annotation.application.due().is_some() {
            self.plan_alarm(flow);
        }
        match &flow.annotation.application {
            Application::Done | Application::Unknown => Interest::Stop,
            Application::Tls(session) if session.is_done(flow.direction(side)) => Interest::Stop,
            Application::Searching(searched) if searched[side.index()] >= MAX_SEARCH => {
                Interest::Stop
            }
            _ => Interest::Continue,
        }
    }

    fn probe_stream(
        &mut self,
        flow: &mut Flow<Annotation>,
        mut heads: Heads,
        side: Side,
        bytes: &[u8],
        at: At,
    ) -> Application {
        let told = probe(&mut heads, side, bytes);
        let (application, direction) = match told {
            Told::Nothing => return Application::Probing(heads),
            Told::Other => return self.search_stream(flow, [0; 2], side, bytes, at),
            Told::Tls(direction) => (Application::Tls(Box::default()), direction),
            Told::Http(direction) => (Application::Http(Box::default()), direction),
        };
        let client = if direction == Direction::ToServer {
            side
        } else {
            side.reversed()
        };
        flow.set_client(client, ClientEvidence::Protocol);
        // What the other side said first is of the same conversation.
        let (other, own) = (heads.take(side.reversed()), heads.take(side));
        let own = if own.is_empty() { bytes } else { &own };
        let order = [(side.reversed(), other.as_slice()), (side, own)];
        let order = order.into_iter().filter(|(_, head)| !head.is_empty());
        order.fold(application, |application, (fed, head)| {
            let place = at.place.filter(|_| fed == side);
            self.feed(flow, application, fed, head, At { place, ..at })
        })
    }

    fn feed(
        &mut self,
        flow: &mut Flow<Annotation>,
        application: Application,
        side: Side,
        bytes: &[u8],
        at: At,
    ) -> Application {
        match application {
            Application::Tls(session) => {
                self.tls_stream(flow, session, side, Chunk::Bytes(bytes), at)
            }
            Application::Http(connection) => {
                self.http_stream(flow, connection, side, Chunk::Bytes(bytes), at)
            }
            Application::Probing(heads) => self.probe_stream(flow, heads, side, bytes, at),
            other => other,
        }
    }

    fn search_stream(
        &mut self,
        flow: &mut Flow<Annotation>,
        mut searched: [u32; 2],
        side: Side,
        bytes: &[u8],
        at: At,
    ) -> Application {
        if searched.get(side.index()) == Some(&0) {
            flow.annotation.tunnel.stream(bytes);
        }
        let found = search(bytes);
        if found != Found::Nothing {
            flow.set_client(side, ClientEvidence::Protocol);
        }
        match found {
            Found::Tls(begin) => {
                let hello = bytes.get(begin..).unwrap_or_default();
                self.tls_stream(flow, Box::default(), side, Chunk::Bytes(hello), at)
            }
            Found::Http => self.http_stream(flow, Box::default(), side, Chunk::Bytes(bytes), at),
            Found::Nothing => {
                let seen = u32::try_from(bytes.len()).unwrap_or(MAX_SEARCH);
                let searched_side = &mut searched[side.index()];
                *searched_side = searched_side.saturating_add(seen);
                let is_enough = searched.iter().all(|searched| *searched >= MAX_SEARCH);
                if is_enough {
                    Application::Done
                } else {
                    Application::Searching(searched)
                }
            }
        }
    }

    fn tls_stream(
        &mut self,
        flow: &mut Flow<Annotation>,
        mut session: Box<tls::Session>,
        side: Side,
        chunk: Chunk<'_>,
        at: At,
    ) -> Application {
        let stamp = at.stamp;
        let direction = flow.direction(side);
        let knew_client = session.client_hello().is_some();
        let progress = match chunk {
            Chunk::Bytes(bytes) => session.push(direction, bytes),
            Chunk::Restart => {
                session = Box::default();
                Progress::NeedMore
            }
            Chunk::Gap(_) | Chunk::End => session.gap(direction),
        };
        if let Some(hello) = session.client_hello().filter(|_| !knew_client) {
            let claimed = hello
                .sni
                .as_deref()
                .filter(|sni| !sni.is_empty())
                .map(|sni| Claimed {
                    name: presentation(&self.reworded_host(sni)),
                    source: NameSource::Tls,
                    ech_config: hello.ech.map(|ech| ech.config_id),
                    is_proxied: false,
                });
            let conversation = flow.annotation.conversation.get_or_insert_default();
            conversation.tls_due = Some(stamp.timestamp.plus(TLS_PATIENCE));
            conversation.tls_stamp = stamp;
            let behind = session.behind_client_hello();
            let end = at.place.map_or(0, |place| place.end.saturating_sub(behind));
            flow.annotation.hello_end = u32::try_from(end).unwrap_or_default();
            self.claim(flow, claimed);
            self.greeted(flow, hello.ja4.as_str());
            self.plan_alarm(flow);
        }
        if progress == Progress::NeedMore {
            return Application::Tls(session);
        }
        if progress == Progress::Broken {
            self.counters.tls_broken += 1;
            return Application::Done;
        }
        flow.annotation
            .conversation
            .get_or_insert_default()
            .tls_stamp = stamp;
        self.tls_ready(flow, session)
    }

    /// A TLS record is complete: written now, or, where the names decide on ECH, once they were looked up.
    pub(super) fn tls_ready(
        &mut self,
        flow: &mut Flow<Annotation>,
        session: Box<tls::Session>,
    ) -> Application {
        let has_ech = session
            .client_hello()
            .is_some_and(|hello| hello.ech.is_some());
        if has_ech && !flow.annotation.is_resolved {
            flow.annotation.tls_waits = true;
            return Application::Tls(session);
        }
        self.write_tls(flow, &session);
        Application::Done
    }

    /// Writes the record of a TLS session, once.
    pub(super) fn write_tls(&mut self, flow: &mut Flow<Annotation>, session: &tls::Session) {
        let conversation = flow.annotation.conversation.take();
        if std::mem::replace(&mut flow.annotation.tls_told, true) {
            return;
        }
        self.counters.tls_handshakes += 1;
        flow.annotation.protocol = Some(AppProtocol::Tls);
        let stamp = conversation
            .map(|conversation| conversation.tls_stamp)
            .unwrap_or_default();
        let (client, server) = (session.client_hello(), session.server_hello());
        let version = server
            .map(|hello| hello.version)
            .or(client.map(|hello| hello.version))
            .unwrap_or_default();
        let ech_accepted_likely = flow
            .annotation
            .naming
            .as_ref()
            .is_some_and(|naming| naming.ech_accepted);
        let sni = client.and_then(|hello| hello.sni.as_deref());
        let sni = sni.map(|sni| self.reworded_host(sni));
        let alpns = client.map(|hello| hello.alpns.as_slice());
        let alpns = self.reworded_list(alpns.unwrap_or_default());
        let alpn = server.and_then(|hello| hello.alpn.as_deref());
        let alpn = alpn.map(|alpn| self.reworded(alpn));
        self.write(
            Kind::Tls,
            flow,
            Some(stamp),
            Way::FromClient,
            |line, style, _, _| {
                let version = version_word(version);
                let tls = Tls {
                    sni: sni.as_deref(),
                    version: &version,
                    ja4: client.map(|hello| hello.ja4.as_str()),
                    client_alpns: &alpns,
                    server_alpn: alpn.as_deref(),
                };
                tls.write(line);
                if !style.eve_strict {
                    Claim {
                        ech_accepted_likely,
                    }
                    .write(line);
                }
            },
        );
    }

    fn http_stream(
        &mut self,
        flow: &mut Flow<Annotation>,
        mut connection: Box<http::Connection>,
        side: Side,
        chunk: Chunk<'_>,
        at: At,
    ) -> Application {
        let direction = flow.direction(side);
        let stamp = at.stamp;
        connection.place(direction, at.place);
        flow.annotation.protocol = Some(AppProtocol::Http);
        let mut done = Vec::new();
        let mut sink =
            |transaction: http::Transaction, stamp: Stamp| done.push((transaction, stamp));
        let mut rest: &[u8] = &[];
        match chunk {
            Chunk::Bytes(bytes) => {
                let taken = connection.data(direction, bytes, stamp, &mut sink);
                rest = bytes.get(taken..).unwrap_or_default();
            }
            Chunk::Gap(lost) => connection.gap(direction, lost, stamp, &mut sink),
            Chunk::End => {
                connection.client_has(flow.acknowledged(Direction::ToClient));
                connection.close(direction, is_closed(flow, direction), stamp, &mut sink);
            }
            Chunk::Restart => {
                connection.overdue(Timestamp::MAX, &mut sink);
                *connection = http::Connection::new();
            }
        }
        self.transactions(flow, &connection, done);
        if connection.is_tunnel() {
            let inside = Application::Probing(Heads::default());
            return if rest.is_empty() {
                inside
            } else {
                self.feed(flow, inside, side, rest, at)
            };
        }
        Application::Http(connection)
    }

    /// Transactions are over.
    fn transactions(
        &mut self,
        flow: &mut Flow<Annotation>,
        connection: &http::Connection,
        done: Vec<(http::Transaction, Stamp)>,
    ) {
        self.claim_host(flow, connection, &done);
        for (transaction, stamp) in done {
            self.transaction(flow, transaction, stamp);
        }
    }

    /// Responses that came before their requests wait for them no longer.
    pub(super) fn http_overdue(&mut self, flow: &mut Flow<Annotation>, now: Timestamp) {
        let mut done = Vec::new();
        let application = std::mem::take(&mut flow.annotation.application);
        let Application::Http(mut connection) = application else {
            flow.annotation.application = application;
            return;
        };
        connection.overdue(now, &mut |transaction, stamp| {
            done.push((transaction, stamp))
        });
        self.transactions(flow, &connection, done);
        flow.annotation.application = Application::Http(connection);
    }

    /// The flow is called by the first host that its requests name.
    fn claim_host(
        &mut self,
        flow: &mut Flow<Annotation>,
        connection: &http::Connection,
        done: &[(http::Transaction, Stamp)],
    ) {
        if flow.annotation.claimed.is_some() {
            return;
        }
        let current = connection
            .in_progress()
            .and_then(|transaction| transaction.request.as_ref());
        let first = done
            .iter()
            .find_map(|(transaction, _)| transaction.request.as_ref());
        let request = first.or(current).or(connection.first_waiting());
        if let Some(request) = request
            && let Some(name) = request.host_name()
        {
            let claimed = Claimed {
                name: self.reworded_name(name.as_str().to_owned()),
                source: NameSource::Http,
                ech_config: None,
                is_proxied: request.is_to_proxy(),
            };
            self.claim(flow, Some(claimed));
        }
    }

    /// A UDP datagram.
    pub(super) fn flow_datagram(
        &mut self,
        flow: &mut Flow<Annotation>,
        side: Side,
        datagram: &UdpDatagram<'_>,
        stamp: Stamp,
    ) -> Interest {
        if flow.annotation.protocol == Some(AppProtocol::Dns) {
            self.dns_message(flow, side, datagram.payload, stamp);
            return Interest::Continue;
        }
        match std::mem::take(&mut flow.annotation.application) {
            Application::ProbingDatagrams(_) if quic::probe(datagram.payload) => {
                flow.annotation.is_shaking_hands = true;
                self.quic_datagram(flow, Box::default(), side, datagram.payload, stamp)
            }
            Application::ProbingDatagrams(looked) if looked < MAX_QUIC_PROBES => {
                let port = flow.server().port;
                flow.annotation.tunnel.datagram(datagram.payload, port);
                flow.annotation.application = Application::ProbingDatagrams(looked + 1);
                Interest::Continue
            }
            Application::Quic(connection) => {
                self.quic_datagram(flow, connection, side, datagram.payload, stamp)
            }
            _ => Interest::Stop,
        }
    }

    fn quic_datagram(
        &mut self,
        flow: &mut Flow<Annotation>,
        mut connection: Box<quic::Connection>,
        side: Side,
        payload: &[u8],
        stamp: Stamp,
    ) -> Interest {
        flow.annotation.protocol = Some(AppProtocol::Quic);
        let progress = if quic::is_short(payload) || self.may_open_quic() {
            connection.datagram(payload)
        } else {
            quic::Progress::Nothing
        };
        if progress == quic::Progress::Done {
            self.counters.quic_unreadable += 1;
            flow.annotation.is_shaking_hands = false;
            flow.annotation.application = Application::Done;
            return Interest::Stop;
        }
        if progress == quic::Progress::Hello {
            flow.set_client(side, ClientEvidence::Protocol);
            flow.annotation.is_shaking_hands = connection.is_established();
            // A connection before it on these ports may have told enough.
            flow.set_needed_bits(0);
            self.quic_hello(flow, &connection, stamp);
        }
        note_handshake_over(flow, side, payload);
        let is_unseen = flow.packets(Direction::ToClient) == 0
            && flow.direction(side) == Direction::ToServer
            && quic::is_short(payload);
        if is_unseen && !std::mem::replace(&mut flow.annotation.answered_unseen, true) {
            self.contact_unseen(flow, stamp);
        }
        flow.annotation.application = Application::Quic(connection);
        Interest::Continue
    }

    /// Opening an Initial costs microseconds, and anyone can send as many as there is room on the wire: a live run opens so many in a
    /// tick and leaves the others to DNS, so that all else is still seen.
    fn may_open_quic(&mut self) -> bool {
        let is_allowed = self.quic_opened < self.settings.most_quic;
        self.quic_opened += u32::from(is_allowed);
        self.counters.quic_passed_over += u64::from(!is_allowed);
        is_allowed
    }

    fn quic_hello(
        &mut self,
        flow: &mut Flow<Annotation>,
        connection: &quic::Connection,
        stamp: Stamp,
    ) {
        let Some(hello) = connection.hello() else {
            return;
        };
        self.counters.quic_hellos += 1;
        let client_hello = &hello.client_hello;
        let claimed = client_hello.sni.as_deref().map(|sni| Claimed {
            name: presentation(&self.reworded_host(sni)),
            source: NameSource::Quic,
            ech_config: client_hello.ech.map(|ech| ech.config_id),
            is_proxied: false,
        });
        self.claim(flow, claimed);
        let sni = client_hello.sni.as_deref();
        let sni = sni.map(|sni| self.reworded_host(sni));
        self.write(
            Kind::Quic,
            flow,
            Some(stamp),
            Way::FromClient,
            |line, style, _, _| {
                let quic = crate::records::quic::Quic {
                    version: hello.version,
                    sni: sni.as_deref(),
                    ja4: (client_hello.version != 0).then(|| client_hello.ja4.as_str()),
                };
                quic.write(line);
                if !style.eve_strict {
                    Claim::default().write(line);
                }
            },
        );
    }
}

/// Notes a datagram by which a client shows that its QUIC handshake is over.
pub(super) fn note_handshake_over(flow: &mut Flow<Annotation>, side: Side, payload: &[u8]) {
    if flow.direction(side) == Direction::ToServer && quic::is_short(payload) {
        flow.annotation.is_shaking_hands = false;
    }
}
