//! What is told when a flow ends.

use std::time::Duration;

use super::annotation::Annotation;
use super::application::{AppProtocol, Application};
use super::kept::Earlier;
use super::worker::Core;
use super::writing::Way;
use crate::flows::{EndReason, Flow, Handshake};
use crate::records::Kind;
use crate::records::flow::{Delivered, Flow as FlowFields, Name, Tcp};
use crate::types::packet::TcpFlags;
use crate::types::{Direction, Protocol};
use crate::updates::fact::{Ended, Fact, Failure};
use crate::updates::verdict::Evidence;

/// The shortest end of a TLS handshake, a Finished of TLS 1.2 with ChangeCipherSpec: an alert is shorter.
const LEAST_FINISHED: u64 = 43;
/// SYN, ACK, a request, and the same again twice, behind a SYN+ACK alone: nobody is there any more.
const REPEATED: u64 = 5;
/// The first repetition comes no sooner (RFC 6298 section 2.4).
const REPEATING: Duration = Duration::from_secs(1);

/// How a contact came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// By RST to the SYN, or by an ICMP error that quotes it.
    Refused,
    /// Nothing was answered.
    Unanswered,
    /// By RST, once the connection was made.
    Reset,
    /// The handshake of TLS or QUIC was broken off by either side.
    Handshake,
}

impl Failed {
    /// What a record says of it beside the verdict.
    const fn evidence(self) -> Option<Evidence> {
        match self {
            Self::Refused | Self::Unanswered => None,
            Self::Reset => Some(Evidence::Reset),
            Self::Handshake => Some(Evidence::HandshakeFailed),
        }
    }
}

impl Core {
    /// The handshake did not go on: what is known of it is told.
    pub(super) fn tls_overdue(&mut self, flow: &mut Flow<Annotation>) {
        if let Some(conversation) = &mut flow.annotation.conversation {
            conversation.tls_due = None;
        }
        match std::mem::take(&mut flow.annotation.application) {
            Application::Tls(session) => {
                self.write_tls(flow, &session);
                flow.annotation.application = Application::Done;
            }
            other => flow.annotation.application = other,
        }
    }

    /// The end of a flow: open handshakes and transactions, volume, facts, the flow's own record.
    pub(super) fn end_flow(
        &mut self,
        flow: &mut Flow<Annotation>,
        reason: EndReason,
    ) -> Option<Box<Earlier>> {
        self.finish_application(flow);
        self.finish_volume(flow);
        self.count_end(flow);
        self.tell_end(flow, reason);
        self.write_flow(flow, reason);
        let naming = flow.annotation.naming.take();
        let naming = naming.filter(|_| flow.key().protocol() == Protocol::TCP)?;
        Some(Box::new(Earlier {
            naming: Some(*naming),
            going_on: None,
        }))
    }

    /// What the flow says of the mirror, and of the resolver behind it.
    fn count_end(&mut self, flow: &Flow<Annotation>) {
        if flow.key().protocol() == Protocol::TCP {
            self.mirror.ended(flow);
        }
        if let Some(queries) = &flow.annotation.queries {
            self.counters.dns_unanswered += queries.unanswered();
        }
    }

    fn finish_application(&mut self, flow: &mut Flow<Annotation>) {
        match std::mem::take(&mut flow.annotation.application) {
            Application::Tls(session)
                if session.client_hello().is_some() || session.server_hello().is_some() =>
            {
                self.write_tls(flow, &session);
            }
            Application::Http(mut connection) => {
                let mut open = Vec::new();
                let last = flow
                    .annotation
                    .conversation
                    .as_ref()
                    .map(|conversation| conversation.last);
                let is_closed = is_closed(flow, Direction::ToClient);
                let last = last.unwrap_or_default();
                connection.client_has(flow.acknowledged(Direction::ToClient));
                connection.finish(is_closed, last, &mut |transaction, stamp| {
                    open.push((transaction, stamp))
                });
                for (transaction, stamp) in open {
                    self.transaction(flow, transaction, stamp);
                }
                flow.annotation.application = Application::Http(connection);
            }
            _ => {}
        }
    }

    /// How a contact failed before it was made, as far as that shows.
    pub(super) fn failure(&self, flow: &Flow<Annotation>) -> Option<Failed> {
        let annotation = &flow.annotation;
        let is_silent_quic = annotation.protocol == Some(AppProtocol::Quic)
            && flow.packets(Direction::ToClient) == 0
            && !annotation.answered_unseen;
        match flow.handshake() {
            Some(Handshake::Refused) => Some(Failed::Refused),
            Some(Handshake::Unanswered) => Some(Failed::Unanswered),
            None if is_silent_quic && annotation.is_quoted => Some(Failed::Refused),
            None if is_silent_quic => Some(Failed::Unanswered),
            // What ends a connection of QUIC is encrypted (RFC 9000 section 10.2): time tells, and the end of input.
            None if is_in_quic_handshake(flow) => Some(Failed::Handshake),
            _ => None,
        }
    }

    /// Tells once that a contact with a catalogue name failed, where it did; of one that was made that shows when it is over.
    pub(super) fn tell_failure(&mut self, flow: &mut Flow<Annotation>, is_over: bool) {
        let made = || came_to_nothing(flow).filter(|_| is_over);
        let failed = self.failure(flow).or_else(made);
        let (Some(contact), Some(failed)) = (flow.annotation.contact.clone(), failed) else {
            return;
        };
        if std::mem::replace(&mut flow.annotation.is_failure_told, true) {
            return;
        }
        let failure = Failure {
            contact,
            refused: failed != Failed::Unanswered,
            evidence: failed.evidence(),
            end: flow.last(),
            time: self.now(),
            bytes_toserver: flow.wire_bytes(Direction::ToServer),
            bytes_toclient: flow.wire_bytes(Direction::ToClient),
        };
        self.tell(flow, Fact::Failed(failure));
    }

    fn tell_end(&mut self, flow: &mut Flow<Annotation>, reason: EndReason) {
        let Some(contact) = flow.annotation.contact.clone() else {
            return;
        };
        let now = self.now();
        if reason != EndReason::Forced || !is_in_quic_handshake(flow) {
            self.tell_failure(flow, true);
        }
        let (toserver, toclient) = (
            flow.wire_bytes(Direction::ToServer),
            flow.wire_bytes(Direction::ToClient),
        );
        let told = flow.annotation.was_told();
        let ended = Ended {
            contact,
            end: flow.last(),
            time: now,
            bytes_toserver: toserver,
            bytes_toclient: toclient,
            rest_toserver: told.rest_toserver(toserver),
            rest_toclient: told.rest_toclient(toclient),
            was_reset: flow.was_reset(),
            is_cut: reason == EndReason::Shutdown && flow.goes_on(),
            acknowledged: acknowledged(flow),
            application: flow.annotation.protocol.map(AppProtocol::as_str),
        };
        self.tell(flow, Fact::Ended(ended));
    }

    fn write_flow(&mut self, flow: &mut Flow<Annotation>, reason: EndReason) {
        self.write(
            Kind::Flow,
            flow,
            None,
            Way::FromClient,
            |line, style, time, flow| {
                let naming = flow.annotation.naming.as_deref();
                let name = naming.map(|naming| Name {
                    name: &naming.name,
                    source: naming.source.as_str(),
                    corroborated: naming.corroborated,
                    inherited: naming.inherited,
                    chain: &naming.chain,
                    age_ms: naming.answered.map(|answered| {
                        u64::try_from(flow.first().timestamp.since(answered).as_millis())
                            .unwrap_or(u64::MAX)
                    }),
                    alternatives: &naming.alternatives,
                });
                let (up, down) = (
                    flow.delivered(Direction::ToServer),
                    flow.delivered(Direction::ToClient),
                );
                let tcp = flow.handshake().map(|handshake| Tcp {
                    flags_toserver: flow.tcp_flags(Direction::ToServer),
                    flags_toclient: flow.tcp_flags(Direction::ToClient),
                    state: flow.tcp_state().unwrap_or_default(),
                    handshake: handshake.as_str(),
                });
                let fields = FlowFields {
                    app_proto: flow.annotation.protocol.map(AppProtocol::as_str),
                    packets_toserver: flow.packets(Direction::ToServer),
                    packets_toclient: flow.packets(Direction::ToClient),
                    bytes_toserver: flow.wire_bytes(Direction::ToServer),
                    bytes_toclient: flow.wire_bytes(Direction::ToClient),
                    start: flow.first().recorded,
                    end: flow.last_recorded(),
                    state: flow.state(),
                    reason: reason.as_str(),
                    tcp,
                    fqdn: name.as_ref(),
                    delivered: Delivered {
                        toserver: up.bytes,
                        toclient: down.bytes,
                        inferred_toserver: up.inferred,
                        inferred_toclient: down.inferred,
                        gaps: up.gaps + down.gaps,
                        duplicates: flow.duplicates(),
                    },
                };
                fields.write(line, style, time);
            },
        );
    }
}

/// How a connection that was made, and that somebody ended or nobody is at, came to nothing: nobody answered what the client asked, or it
/// could not ask.
fn came_to_nothing(flow: &Flow<Annotation>) -> Option<Failed> {
    let [server, client] = [Direction::ToClient, Direction::ToServer]
        .map(|direction| TcpFlags(flow.tcp_flags(direction)));
    let was_ended = [server, client]
        .iter()
        .any(|flags| flags.has(TcpFlags::FIN) || flags.has(TcpFlags::RST));
    let is_left = flow.packets(Direction::ToClient) <= 1
        && flow.packets(Direction::ToServer) >= REPEATED
        && flow.last().since(flow.first().timestamp) >= REPEATING;
    if flow.handshake() != Some(Handshake::Complete) || !(was_ended || is_left) {
        return None;
    }
    let annotation = &flow.annotation;
    let has_asked = annotation.hello_end > 0 || annotation.protocol == Some(AppProtocol::Http);
    match is_silent(flow) {
        true if has_asked && server.has(TcpFlags::RST) => Some(Failed::Reset),
        true if has_asked => Some(Failed::Unanswered),
        false if is_in_handshake(flow) => Some(Failed::Handshake),
        _ => None,
    }
}

/// Whether not a byte of an answer came over a connection that was made.
pub(super) fn is_silent(flow: &Flow<Annotation>) -> bool {
    flow.handshake() == Some(Handshake::Complete)
        && flow.delivered(Direction::ToClient).bytes == 0
        && flow.annotation.counted == 0
}

/// Whether the sender of a direction closed it. Where the other one did, and nobody reset the connection, its FIN may have been lost on the
/// mirror.
pub(super) fn is_closed(flow: &Flow<Annotation>, direction: Direction) -> bool {
    let has_fin = |direction| TcpFlags(flow.tcp_flags(direction)).has(TcpFlags::FIN);
    has_fin(direction) || (!flow.was_reset() && has_fin(direction.reversed()))
}

/// How far a client that reset the connection had acknowledged what was sent to it.
fn acknowledged(flow: &Flow<Annotation>) -> Option<u64> {
    let client = TcpFlags(flow.tcp_flags(Direction::ToServer));
    let has_reset = client.has(TcpFlags::RST);
    has_reset.then(|| flow.acknowledged(Direction::ToClient))?
}

/// Whether the client has not ended a handshake of QUIC, or of TLS on a connection that was made, that it began: nothing was asked so far.
///
/// Blind: a second ClientHello, after a HelloRetryRequest, looks like the end; so does a client that looks at the certificate afterwards.
pub(super) fn is_in_handshake(flow: &Flow<Annotation>) -> bool {
    if is_in_quic_handshake(flow) {
        return true;
    }
    let hello_end = u64::from(flow.annotation.hello_end);
    hello_end > 0
        && flow.delivered(Direction::ToServer).bytes < hello_end + LEAST_FINISHED
        && flow.handshake() == Some(Handshake::Complete)
}

/// The same of QUIC, where what the client sends is on the mirror at all.
fn is_in_quic_handshake(flow: &Flow<Annotation>) -> bool {
    flow.annotation.is_shaking_hands && flow.packets(Direction::ToServer) > 0
}
