//! What a flow is called, in order of trust: what the client itself sent, then DNS for this client, then DNS for others.
//!
//! Names are looked up once, over a full tick after the flow's first packet, as of its start: by then every worker has noted what
//! was answered before it, so the result is the same for any number of workers. A mirror may show an answer shortly after the
//! packet that it caused: where nothing came before, what came within [`REORDERING`] counts.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::annotation::{Annotation, Claimed, Naming};
use super::ending::Failed;
use super::worker::{Core, WorkerCounters};
use crate::flows::Flow;
use crate::names::Candidate;
use crate::protocols::http;
use crate::types::{Fqdn, Protocol, Tick, Timestamp};
use crate::updates::catalogue::{EndpointId, Role};
use crate::updates::fact::{Contact, Exchange, Fact, NameSource};

/// A mirror may show an answer so much later than the first packet that it caused; less than a tick.
const REORDERING: Duration = Duration::from_millis(20);
/// Ports of services that bring no updates: ssh, telnet, mail, whois, DNS, Kerberos, NTP, SNMP, BGP, LDAP, syslog, IKE,
/// RDP, SIP, XMPP, WireGuard.
const OTHER_SERVICES: [u16; 26] = [
    22, 23, 25, 43, 53, 88, 110, 123, 143, 161, 179, 389, 465, 500, 514, 587, 636, 853, 993, 995,
    3_389, 4_500, 5_060, 5_061, 5_222, 51_820,
];
/// Other live candidates that are told.
const MAX_ALTERNATIVES: usize = 3;

impl Core {
    /// Sets the flow's alarm to whatever comes first.
    pub(super) fn plan_alarm(&mut self, flow: &mut Flow<Annotation>) {
        let resolving = (!flow.annotation.is_resolved).then(|| self.resolving_time(flow));
        let burst = (flow.annotation.burst.bytes > 0 && flow.is_watched())
            .then(|| flow.annotation.burst.last.plus(self.settings.burst_pause));
        let unanswered = self
            .may_stay_unanswered(flow)
            .then(|| self.unanswered_time(flow));
        let early = flow.annotation.application.due();
        let due = [
            resolving,
            flow.annotation.tls_due(),
            early,
            burst,
            unanswered,
        ]
        .into_iter()
        .flatten()
        .min();
        flow.set_alarm(due);
    }

    /// The boundary at which every worker has noted the last answer that may name the flow.
    fn resolving_time(&self, flow: &Flow<Annotation>) -> Timestamp {
        let tick = latest_answer(flow).tick().0;
        Tick(tick.saturating_add(self.settings.settling_ticks)).start()
    }

    /// Whether the flow leads to a catalogue name, and nobody has answered so far, or a handshake of QUIC goes on.
    fn may_stay_unanswered(&self, flow: &Flow<Annotation>) -> bool {
        let is_new = !flow.annotation.is_resolved || flow.annotation.contact.is_some();
        let may_come_yet = || {
            let failed = self.failure(flow);
            matches!(failed, Some(Failed::Unanswered | Failed::Handshake))
        };
        is_new && !flow.annotation.is_failure_told && may_come_yet()
    }

    fn unanswered_time(&self, flow: &Flow<Annotation>) -> Timestamp {
        flow.first().timestamp.plus(self.settings.unanswered_after)
    }

    /// Runs what is due.
    pub(super) fn run_alarms(&mut self, flow: &mut Flow<Annotation>, now: Timestamp) {
        if !flow.annotation.is_resolved && self.resolving_time(flow) <= now {
            self.resolve(flow);
        }
        if flow.annotation.tls_due().is_some_and(|due| due <= now) {
            self.tls_overdue(flow);
        }
        if flow
            .annotation
            .application
            .due()
            .is_some_and(|due| due <= now)
        {
            self.http_overdue(flow, now);
        }
        self.burst_overdue(flow, now);
        if self.may_stay_unanswered(flow) && self.unanswered_time(flow) <= now {
            self.tell_failure(flow, false);
        }
        self.plan_alarm(flow);
    }

    /// The client sent a name of its own; a stronger source overrules a weaker one.
    pub(super) fn claim(&mut self, flow: &mut Flow<Annotation>, claimed: Option<Claimed>) {
        let Some(mut claimed) = claimed else {
            return;
        };
        if let Some(old) = &flow.annotation.claimed {
            if old.source >= claimed.source {
                return;
            }
            // TLS behind CONNECT.
            claimed.is_proxied |= old.is_proxied;
        }
        flow.annotation.claimed = Some(Box::new(claimed));
        if flow.annotation.is_resolved {
            self.resolve(flow);
        }
    }

    /// Looks the flow's names up, and tells what waited for them.
    pub(super) fn resolve(&mut self, flow: &mut Flow<Annotation>) {
        self.note_answers();
        let is_first = !std::mem::replace(&mut flow.annotation.is_resolved, true);
        let (naming, has_ech) = self.naming(flow, is_first);
        flow.annotation.has_ech = has_ech;
        flow.annotation.contact = self.contact(flow, naming.as_ref());
        self.note_contact(flow);
        flow.annotation.is_compared |= flow.annotation.claimed.is_some();
        flow.annotation.naming = naming.map(Box::new);
        let is_http = matches!(
            flow.annotation.application,
            super::application::Application::Http(_)
        );
        flow.set_watched(flow.annotation.contact.is_some() || is_http);
        self.tell_stack(flow);
        self.tell_pending(flow);
        if std::mem::take(&mut flow.annotation.tls_waits)
            && let super::application::Application::Tls(session) =
                std::mem::take(&mut flow.annotation.application)
        {
            self.write_tls(flow, &session);
            flow.annotation.application = super::application::Application::Done;
        }
    }

    /// What the flow is called, by the most trusted source that says anything.
    /// Also gives whether the client's own name was only the outer one of an accepted Encrypted ClientHello.
    fn naming(&mut self, flow: &Flow<Annotation>, is_first: bool) -> (Option<Naming>, bool) {
        let candidates = self.of_client(flow);
        let claimed = flow.annotation.claimed.as_deref().and_then(|claimed| {
            let name = Fqdn::from_presentation(&claimed.name)?;
            Some((name, claimed))
        });
        let ech_accepted = claimed
            .as_ref()
            .is_some_and(|(name, claimed)| self.is_outer_name(flow, name, claimed));
        let naming = match claimed.filter(|_| !ech_accepted) {
            Some((name, claimed)) => Some(self.claimed_naming(flow, &name, claimed, &candidates)),
            None => self.resolved_naming(flow, candidates, ech_accepted),
        };
        if is_first {
            self.count_naming(naming.as_ref());
        }
        (naming, ech_accepted)
    }

    /// What the flow's client was answered for its server.
    fn of_client(&self, flow: &Flow<Annotation>) -> Vec<Candidate> {
        let (client, server) = (flow.client().address, flow.server().address);
        self.names.of_client_by(client, server, moments(flow))
    }

    /// By the name that the client itself sent.
    fn claimed_naming(
        &mut self,
        flow: &Flow<Annotation>,
        name: &Fqdn,
        claimed: &Claimed,
        candidates: &[Candidate],
    ) -> Naming {
        let server = flow.server().address;
        let own = candidates
            .iter()
            .find(|candidate| candidate.name == name.as_str());
        if !flow.annotation.is_compared {
            *match own {
                Some(_) => &mut self.counters.agreed,
                None if candidates.is_empty() => &mut self.counters.uncompared,
                None => &mut self.counters.disagreed,
            } += 1;
        }
        let corroborated = own.is_some()
            || self
                .names
                .corroborates(server, name.as_str(), latest_answer(flow));
        Naming {
            corroborated,
            is_contradicted: !corroborated && !claimed.is_proxied && !candidates.is_empty(),
            chain: own.map(|own| own.chain.clone()).unwrap_or_default(),
            answered: own.map(|own| own.answered),
            name: name.as_str().to_owned(),
            source: claimed.source,
            alternatives: Vec::new(),
            inherited: false,
            ech_accepted: false,
        }
    }

    /// By DNS: for this client, else for anybody where only one name is live, else by an earlier flow on the 5-tuple.
    fn resolved_naming(
        &self,
        flow: &Flow<Annotation>,
        candidates: Vec<Candidate>,
        ech_accepted: bool,
    ) -> Option<Naming> {
        let inherited = || {
            let inherited = flow.annotation.inherited.as_deref().cloned();
            inherited.map(|naming| Naming {
                inherited: true,
                ..naming
            })
        };
        if flow.annotation.is_resumed
            && let Some(own) = inherited()
        {
            return Some(own);
        }
        let (found, source) = if candidates.is_empty() {
            let server = flow.server().address;
            let names = self.names.of_server_by(server, moments(flow));
            let only = Some(names).filter(|names| names.len() == 1);
            (only.unwrap_or_default(), NameSource::DnsShared)
        } else {
            (candidates, NameSource::Dns)
        };
        let mut found = found.into_iter();
        let Some(best) = found.next() else {
            return inherited();
        };
        let others = found.take(MAX_ALTERNATIVES);
        Some(Naming {
            name: best.name,
            source,
            corroborated: true,
            chain: best.chain,
            answered: Some(best.answered),
            alternatives: others.map(|candidate| candidate.name).collect(),
            inherited: false,
            ech_accepted,
            is_contradicted: false,
        })
    }

    fn count_naming(&mut self, naming: Option<&Naming>) {
        *match naming {
            None => &mut self.counters.named_none,
            Some(naming) if naming.inherited => &mut self.counters.named_inherited,
            Some(naming) => match naming.source {
                NameSource::Dns => &mut self.counters.named_dns,
                NameSource::DnsShared => &mut self.counters.named_dns_shared,
                NameSource::Http => &mut self.counters.named_http,
                NameSource::Quic => &mut self.counters.named_quic,
                NameSource::Tls => &mut self.counters.named_tls,
                NameSource::Address => &mut self.counters.named_none,
            },
        } += 1;
        let WorkerCounters {
            named_http,
            named_quic,
            named_tls,
            ..
        } = self.counters;
        self.counters.named_claimed = named_http + named_quic + named_tls;
    }

    /// Whether a server name is only the public name of an accepted ECH: it is one of a configuration that this client received,
    /// or of the configured list. An ECH extension alone says nothing: nearly all are GREASE.
    fn is_outer_name(&self, flow: &Flow<Annotation>, name: &Fqdn, claimed: &Claimed) -> bool {
        let Some(config_id) = claimed.ech_config else {
            return false;
        };
        self.settings.ech_public_names.contains(name)
            || self.names.knows_ech(
                flow.client().address,
                name.as_str(),
                config_id,
                latest_answer(flow),
            )
    }

    /// The contact of a flow, where the catalogue knows its name, or the configuration its server. Where DNS alone names it and the newest candidate
    /// is unknown to the catalogue, the next one of an update server counts: which one was contacted is not known.
    pub(super) fn contact(
        &self,
        flow: &Flow<Annotation>,
        naming: Option<&Naming>,
    ) -> Option<Arc<Contact>> {
        let other = naming
            .filter(|naming| self.endpoint(flow, Some(&naming.name)).is_none())
            .and_then(|naming| naming.with_another_name(|name| self.leads_to_updates(name)));
        self.contact_by(flow, other.as_ref().or(naming))
    }

    fn endpoint(&self, flow: &Flow<Annotation>, name: Option<&str>) -> Option<EndpointId> {
        match flow.key().protocol() {
            Protocol::TCP => self.catalogue.find_at(name, flow.server()),
            _ => name.and_then(|name| self.catalogue.find(name)),
        }
    }

    /// Whether the catalogue knows a name as that of an update server.
    fn leads_to_updates(&self, name: &str) -> bool {
        let endpoint = self.catalogue.find(name);
        let endpoint = endpoint.and_then(|endpoint| self.catalogue.endpoint(endpoint));
        endpoint.is_some_and(|endpoint| endpoint.role != Role::Ignore)
    }

    fn contact_by(&self, flow: &Flow<Annotation>, naming: Option<&Naming>) -> Option<Arc<Contact>> {
        let name = naming.map(|naming| naming.name.as_str());
        let contact = self.contact_with(flow, naming, self.endpoint(flow, name)?)?;
        Some(Arc::new(contact))
    }

    fn contact_with(
        &self,
        flow: &Flow<Annotation>,
        naming: Option<&Naming>,
        endpoint: EndpointId,
    ) -> Option<Contact> {
        if self.catalogue.endpoint(endpoint)?.role == Role::Ignore {
            return None;
        }
        let naming = naming.map_or_else(|| Cow::Owned(nameless(flow)), Cow::Borrowed);
        let is_known = self.catalogue.is_source_at(endpoint, flow.server());
        if !is_known && !naming.source.is_claimed() && is_other_service(flow.server().port) {
            return None;
        }
        let others = naming.alternatives.iter().filter(|_| !is_known);
        let (found, unknown): (Vec<_>, Vec<_>) = others
            .map(|name| self.catalogue.find(name))
            .partition(Option::is_some);
        Some(Contact {
            flow_id: flow.id(),
            client: flow.client(),
            server: flow.server(),
            protocol: flow.key().protocol(),
            start: flow.first().timestamp,
            endpoint,
            name: naming.name.clone(),
            source: naming.source,
            corroborated: naming.corroborated,
            chain: naming.chain.clone(),
            answered: naming.answered,
            alternatives: found.into_iter().flatten().collect(),
            is_doubtful: !is_known && (naming.is_contradicted || !unknown.is_empty()),
            is_elsewhere: false,
        })
    }

    /// The contact of a request that names its host; the flow's own where it names none, or the same.
    pub(super) fn contact_for(
        &self,
        flow: &Flow<Annotation>,
        name: Option<&str>,
    ) -> Option<Arc<Contact>> {
        let own = flow.annotation.contact.as_ref();
        // What one request told says nothing of another one.
        let own = own.filter(|own| !own.is_elsewhere);
        let Some(name) = name.filter(|name| own.is_none_or(|own| own.name != **name)) else {
            return own.cloned();
        };
        self.contact(flow, Some(&self.requested_naming(flow, name)))
    }

    /// What a request says that it asks `name`.
    fn requested_naming(&self, flow: &Flow<Annotation>, name: &str) -> Naming {
        let (server, latest) = (flow.server().address, latest_answer(flow));
        let candidates = self.of_client(flow);
        let is_known = !candidates.is_empty();
        let found = candidates
            .into_iter()
            .find(|candidate| candidate.name == name);
        let corroborated = found.is_some() || self.names.corroborates(server, name, latest);
        let claimed = flow.annotation.claimed.as_ref();
        let is_proxied = claimed.is_some_and(|claimed| claimed.is_proxied);
        Naming {
            name: name.to_owned(),
            source: NameSource::Http,
            corroborated,
            is_contradicted: !corroborated && !is_proxied && is_known,
            answered: found.as_ref().map(|found| found.answered),
            chain: found.map(|found| found.chain).unwrap_or_default(),
            alternatives: Vec::new(),
            inherited: false,
            ech_accepted: false,
        }
    }

    /// The contact of an activity: at an own cache, with whom the request says that it really asks, where the catalogue knows that name. Where it
    /// does not know the server at all, path and User-Agent may tell.
    pub(super) fn contact_of(
        &self,
        flow: &Flow<Annotation>,
        host: Option<&str>,
        exchange: Option<&Exchange>,
    ) -> Option<Arc<Contact>> {
        let naming = flow.annotation.naming.as_deref();
        let name = host.or(naming.map(|naming| naming.name.as_str()));
        let origin = exchange.and_then(|exchange| {
            let parameter = self.catalogue.origin_parameter(name, flow.server())?;
            let origin = http::claim::origin(&exchange.path, parameter)?;
            Some(origin).filter(|origin| self.catalogue.lists(origin.as_str()))
        });
        let contact = self.contact_for(flow, origin.as_ref().map(Fqdn::as_str).or(host));
        if contact.is_some() || self.endpoint(flow, name).is_some() {
            return contact;
        }
        let exchange = exchange?;
        let endpoint = self
            .catalogue
            .find_request(&exchange.path, exchange.agent.as_deref())?;
        let requested = host.map(|host| self.requested_naming(flow, host));
        let contact = self.contact_with(flow, requested.as_ref().or(naming), endpoint)?;
        Some(Arc::new(Contact {
            is_elsewhere: true,
            ..contact
        }))
    }

    /// The flow of a request at a server that the catalogue does not know is one of updates from then on: its end is told.
    pub(super) fn note_elsewhere(&mut self, flow: &mut Flow<Annotation>, contact: &Arc<Contact>) {
        if contact.is_elsewhere {
            flow.annotation.contact = Some(Arc::clone(contact));
            self.note_contact(flow);
        }
    }

    fn tell_pending(&mut self, flow: &mut Flow<Annotation>) {
        let now = self.now();
        let pending = flow.annotation.pending.take();
        for pending in pending.into_iter().flat_map(|pending| pending.into_all()) {
            let exchange = pending.activity.exchange.as_deref();
            if let Some(contact) = self.contact_of(flow, pending.name.as_deref(), exchange) {
                self.note_elsewhere(flow, &contact);
                self.tell(flow, Fact::of(pending.activity.with(contact, now)));
            }
        }
    }
}

/// Whether a port is that of another service than one that brings updates.
fn is_other_service(port: u16) -> bool {
    OTHER_SERVICES.contains(&port)
}

/// What a flow is called that nothing names.
fn nameless(flow: &Flow<Annotation>) -> Naming {
    Naming {
        name: flow.server().address.to_string(),
        source: NameSource::Address,
        corroborated: false,
        chain: Vec::new(),
        answered: None,
        alternatives: Vec::new(),
        inherited: false,
        ech_accepted: false,
        is_contradicted: false,
    }
}

/// The last moment at which the mirror may show an answer that the flow's client had before it began.
fn latest_answer(flow: &Flow<Annotation>) -> Timestamp {
    flow.first().timestamp.plus(REORDERING)
}

/// What was known before the flow began counts; where that is nothing, what the mirror showed shortly after.
fn moments(flow: &Flow<Annotation>) -> [Timestamp; 2] {
    [flow.first().timestamp, latest_answer(flow)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_that_bring_no_updates_are_none() {
        assert!([22, 53, 123].into_iter().all(is_other_service));
        // Trees of ports and packages come by rsync.
        assert!(![80, 443, 873, 3_142].into_iter().any(is_other_service));
    }
}
