//! What is told when a flow ends.

use super::annotation::Annotation;
use super::application::{AppProtocol, Application};
use super::kept::Earlier;
use super::worker::{Core, Way};
use crate::flows::{EndReason, Flow, Handshake};
use crate::records::Kind;
use crate::records::flow::{Delivered, Flow as FlowFields, Name, Tcp};
use crate::types::{Direction, Protocol};
use crate::updates::fact::{Ended, Fact, Failure};

/// How a contact came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    Refused,
    Unanswered,
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
        self.tell_end(flow);
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
                connection.finish(last.unwrap_or_default(), &mut |transaction, stamp| {
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

    /// How a contact failed, where it did.
    pub(super) fn failure(&self, flow: &Flow<Annotation>) -> Option<Failed> {
        let is_quic = flow.annotation.protocol == Some(AppProtocol::Quic);
        match flow.handshake() {
            Some(Handshake::Refused) => Some(Failed::Refused),
            Some(Handshake::Unanswered) => Some(Failed::Unanswered),
            None if is_quic
                && flow.packets(Direction::ToClient) == 0
                && !flow.annotation.answered_unseen =>
            {
                Some(Failed::Unanswered)
            }
            _ => None,
        }
    }

    /// Tells once that a contact with a catalogue name failed, where it did.
    pub(super) fn tell_failure(&mut self, flow: &mut Flow<Annotation>) {
        let (Some(contact), Some(failed)) = (flow.annotation.contact.clone(), self.failure(flow))
        else {
            return;
        };
        if std::mem::replace(&mut flow.annotation.is_failure_told, true) {
            return;
        }
        let failure = Failure {
            contact,
            refused: failed == Failed::Refused,
            end: flow.last(),
            time: self.now(),
            bytes_toserver: flow.wire_bytes(Direction::ToServer),
            bytes_toclient: flow.wire_bytes(Direction::ToClient),
        };
        self.tell(flow, Fact::Failed(failure));
    }

    fn tell_end(&mut self, flow: &mut Flow<Annotation>) {
        let Some(contact) = flow.annotation.contact.clone() else {
            return;
        };
        let now = self.now();
        self.tell_failure(flow);
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
