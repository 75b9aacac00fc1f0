//! How much went over a flow, and when: bursts, and HTTP transactions.

use std::sync::Arc;

use super::annotation::{ActivityParts, Annotation, Burst, Pending, PendingActivity};
use super::application::{AppProtocol, Application};
use super::ending::{is_in_handshake, is_silent};
use super::worker::Core;
use super::writing::Way;
use crate::flows::Flow;
use crate::protocols::http;
use crate::records::Kind;
use crate::records::http::{ContentRange, Http};
use crate::types::{Direction, Stamp, Timestamp};
use crate::updates::fact::{Exchange, Fact, MAX_AGENT};

/// Activities of a flow that wait for its name, a tick or two.
const MAX_PENDING: usize = 1_024;
/// What is larger is no page, whatever its server calls it.
const LARGEST_PAGE: u64 = 256 * 1024;

impl Core {
    /// New payload toward the client on a watched flow.
    pub(super) fn payload(&mut self, flow: &mut Flow<Annotation>, now: Timestamp) {
        let bytes = uncounted(flow);
        if bytes == 0 {
            return;
        }
        let burst = &flow.annotation.burst;
        if burst.bytes > 0 && now >= burst.last.plus(self.settings.burst_pause) {
            self.end_burst(flow);
        }
        let burst = &mut flow.annotation.burst;
        let begins = burst.bytes == 0;
        if begins {
            *burst = Burst {
                start: now,
                large: self.settings.download_bytes,
                ..Burst::default()
            };
        }
        burst.last = burst.last.max(now);
        burst.bytes += bytes;
        let is_large = burst.bytes > burst.large;
        if is_large {
            burst.large = burst.bytes.saturating_mul(2);
        }
        let is_unannounced = std::mem::take(&mut flow.annotation.is_unannounced);
        if begins || is_large || is_unannounced {
            self.tell_ongoing(flow, is_large);
        }
        if begins {
            self.plan_alarm(flow);
        }
    }

    /// Tells that something goes on: an access that is open stays so, a large download is known at once.
    fn tell_ongoing(&mut self, flow: &mut Flow<Annotation>, is_large: bool) {
        if is_in_handshake(flow) {
            flow.annotation.is_unannounced = true;
            return;
        }
        let burst = flow.annotation.burst;
        let (name, exchange) = match &flow.annotation.application {
            Application::Http(connection) => match told_so_far(connection) {
                Some((name, exchange)) => (name, Some(Box::new(exchange))),
                None => return,
            },
            _ => (None, None),
        };
        let told = flow.annotation.was_told();
        let activity = ActivityParts {
            start: burst.start,
            end: burst.last,
            delivered_toclient: burst.bytes,
            // What is acknowledged and not there may still come.
            inferred_toclient: 0,
            largest_burst: if is_large { burst.bytes } else { 0 },
            bytes_toserver: told.rest_toserver(flow.wire_bytes(Direction::ToServer)),
            bytes_toclient: told.rest_toclient(flow.wire_bytes(Direction::ToClient)),
            is_ongoing: true,
            exchange,
        };
        self.tell_activity(flow, name, activity);
    }

    /// A pause ended the burst: that is an activity, but for HTTP's transactions, which tell for themselves once a response is seen.
    fn end_burst(&mut self, flow: &mut Flow<Annotation>) {
        let burst = std::mem::take(&mut flow.annotation.burst);
        if burst.bytes == 0 {
            return;
        }
        let told = flow.annotation.told();
        told.delivered += burst.bytes;
        told.largest_burst = told.largest_burst.max(burst.bytes);
        told.last = burst.last;
        if is_in_handshake(flow) {
            // What the server says before the client asks belongs to what comes of it.
            return;
        }
        let (name, exchange) = match &flow.annotation.application {
            Application::Http(connection) => match told_so_far(connection) {
                Some((name, exchange)) if exchange.status.is_none() => {
                    flow.annotation.told().without_response = true;
                    (name, Some(Box::new(exchange)))
                }
                _ => return,
            },
            _ => (None, None),
        };
        self.tell_volume(flow, burst.start, burst.last, name, exchange);
    }

    /// The burst's pause may be over.
    pub(super) fn burst_overdue(&mut self, flow: &mut Flow<Annotation>, now: Timestamp) {
        let burst = flow.annotation.burst;
        if burst.bytes > 0 && burst.last.plus(self.settings.burst_pause) <= now {
            self.end_burst(flow);
        }
    }

    /// The server answers, and the mirror shows nothing of it: a contact of unknown volume, which goes on until the flow ends.
    pub(super) fn contact_unseen(&mut self, flow: &mut Flow<Annotation>, stamp: Stamp) {
        let (start, now) = (flow.first().timestamp, stamp.timestamp);
        self.tell_volume(flow, start, now, None, None);
        let goes_on = ActivityParts {
            start,
            end: now,
            delivered_toclient: 0,
            inferred_toclient: 0,
            largest_burst: 0,
            bytes_toserver: 0,
            bytes_toclient: 0,
            is_ongoing: true,
            exchange: None,
        };
        self.tell_activity(flow, None, goes_on);
    }

    /// What is left at the flow's end.
    pub(super) fn finish_volume(&mut self, flow: &mut Flow<Annotation>) {
        // Nobody is told of any other flow's: requests alone may lead elsewhere than their flow.
        let annotation = &flow.annotation;
        if annotation.contact.is_none() && annotation.protocol != Some(AppProtocol::Http) {
            return;
        }
        if flow.annotation.answered_unseen && flow.packets(Direction::ToClient) == 0 {
            return self.tell_volume(flow, flow.first().timestamp, flow.last(), None, None);
        }
        let delivered = flow.delivered(Direction::ToClient).bytes;
        // An acknowledgement that was taken for a byte and turned out to be the FIN's.
        let excess = flow.annotation.counted.saturating_sub(delivered);
        let rest = uncounted(flow);
        let (first, last) = (flow.first().timestamp, flow.last());
        let burst = &mut flow.annotation.burst;
        if burst.bytes == 0 {
            (burst.start, burst.last) = (first, last);
        }
        burst.bytes = (burst.bytes + rest).saturating_sub(excess);
        let burst = *burst;
        self.end_burst(flow);
        let is_http = matches!(flow.annotation.application, Application::Http(_));
        let told = flow.annotation.was_told();
        // Payload of HTTP belongs to its transactions; where none was understood, the volume is all that is known. What was kept back
        // of a handshake is told with what came of it.
        let is_untold = !is_http || told.transactions == 0;
        if is_untold && told.delivered > 0 && !is_in_handshake(flow) {
            self.tell_volume(flow, burst.start, burst.last, None, None);
        }
    }

    /// A transaction is over: its record, and what it means for updates.
    pub(super) fn transaction(
        &mut self,
        flow: &mut Flow<Annotation>,
        transaction: http::Transaction,
        stamp: Stamp,
    ) {
        self.counters.http_transactions += 1;
        self.write_http(flow, &transaction, stamp);
        if let Some(request) = &transaction.request {
            self.requested(flow, request);
        }
        let (request, response) = (&transaction.request, &transaction.response);
        if response.is_none() && is_silent(flow) {
            // The contact came to nothing, which is told at its end.
            self.note_unanswered(flow, &transaction);
            return;
        }
        if transaction.opens_tunnel() {
            // What goes on in the tunnel tells; it began with this.
            return;
        }
        let began = request.as_ref().map(|request| request.stamp.timestamp);
        let answered = response.as_ref().map(|response| response.stamp.timestamp);
        let Some(start) = began.or(answered) else {
            return;
        };
        let rest = uncounted(flow);
        let burst = &mut flow.annotation.burst;
        let all = burst.bytes + rest;
        let own = response.as_ref().and_then(|response| response.stream_bytes);
        let bytes = own.map_or(all, |own| own.min(all));
        burst.bytes = all - bytes;
        let last = burst.last;
        let claimed = flow.annotation.claimed.as_ref();
        if request.is_none() && claimed.is_some_and(|claimed| claimed.is_proxied) {
            // Whose answer a proxy handed on is not known.
            return;
        }
        let told = flow.annotation.told();
        if bytes > 0 {
            told.last = last;
        }
        let end = response
            .as_ref()
            .map_or(told.last, |response| response.last_body);
        if response.is_none() && bytes == 0 && told.without_response {
            return;
        }
        told.transactions += 1;
        told.delivered += bytes;
        told.largest_burst = told.largest_burst.max(bytes);
        self.tell_volume(
            flow,
            start,
            end.max(start),
            host_of(&transaction),
            Some(Box::new(exchange_of(&transaction))),
        );
    }

    /// Nothing came of a request: at a server that the catalogue does not know it alone tells what was asked for.
    fn note_unanswered(&mut self, flow: &mut Flow<Annotation>, transaction: &http::Transaction) {
        let host = host_of(transaction).map(|name| self.reworded_name(name));
        let exchange = exchange_of(transaction);
        if let Some(contact) = self.contact_of(flow, host.as_deref(), Some(&exchange)) {
            self.note_elsewhere(flow, &contact);
        }
    }

    fn tell_volume(
        &mut self,
        flow: &mut Flow<Annotation>,
        start: Timestamp,
        end: Timestamp,
        name: Option<String>,
        exchange: Option<Box<Exchange>>,
    ) {
        let (toserver, toclient) = (
            flow.wire_bytes(Direction::ToServer),
            flow.wire_bytes(Direction::ToClient),
        );
        let inferred = flow.delivered(Direction::ToClient).inferred;
        let told = flow.annotation.told();
        let activity = ActivityParts {
            start,
            end,
            delivered_toclient: std::mem::take(&mut told.delivered),
            inferred_toclient: told.rest_inferred(inferred),
            largest_burst: std::mem::take(&mut told.largest_burst),
            bytes_toserver: told.rest_toserver(toserver),
            bytes_toclient: told.rest_toclient(toclient),
            is_ongoing: false,
            exchange,
        };
        (told.bytes_toserver, told.bytes_toclient) = (toserver, toclient);
        (told.untold_toserver, told.untold_toclient) = (0, 0);
        (told.inferred, told.untold_inferred) = (inferred, 0);
        self.tell_activity(flow, name, activity);
    }

    fn tell_activity(
        &mut self,
        flow: &mut Flow<Annotation>,
        name: Option<String>,
        activity: ActivityParts,
    ) {
        let name = name.map(|name| self.reworded_name(name));
        let activity = self.reworded_activity(activity);
        if flow.annotation.is_resolved {
            let exchange = activity.exchange.as_deref();
            let contact: Option<Arc<_>> = self.contact_of(flow, name.as_deref(), exchange);
            if let Some(contact) = contact {
                self.note_elsewhere(flow, &contact);
                let now = self.now();
                self.tell(flow, Fact::of(activity.with(contact, now)));
            }
            return;
        }
        let activity = PendingActivity { name, activity };
        match &mut flow.annotation.pending {
            Some(pending) => {
                let has_room = pending.push(activity, MAX_PENDING);
                self.counters.pending_dropped += u64::from(!has_room);
            }
            none => *none = Some(Box::new(Pending::new(activity))),
        }
    }

    fn write_http(
        &mut self,
        flow: &mut Flow<Annotation>,
        transaction: &http::Transaction,
        stamp: Stamp,
    ) {
        let (request, response) = (transaction.request.as_ref(), transaction.response.as_ref());
        if self.is_pausing && response.is_none_or(|response| !response.is_complete) {
            // It goes on, and the next run of the sensor tells it as a whole.
            return;
        }
        let authority = request.and_then(http::Request::authority);
        let version = request
            .map(|request| request.version.as_slice())
            .or(response.map(|response| response.version.as_slice()));
        let range = response.and_then(|response| response.content_range.as_ref());
        let (host, url) = (
            authority.map(|authority| self.reworded_host(authority.host)),
            request.map(|request| self.reworded_url(&request.target)),
        );
        let agent = request.and_then(|request| request.user_agent.as_deref());
        let agent = agent.map(|agent| self.reworded(agent));
        let content_type = response.and_then(|response| response.content_type.as_deref());
        let content_type = content_type.map(|content_type| self.reworded(content_type));
        let raw_range = range.map(|range| self.reworded(&range.raw));
        let http = Http {
            hostname: host.as_deref(),
            port: authority.and_then(|authority| authority.port),
            url: url.as_deref(),
            user_agent: agent.as_deref(),
            method: request.map(|request| request.method.as_slice()),
            protocol: version,
            status: response.map(|response| response.status),
            length: response.map_or(0, |response| response.body_bytes),
            content_type: content_type.as_deref(),
            content_range: range
                .zip(raw_range.as_deref())
                .map(|(range, raw)| ContentRange {
                    raw,
                    range: range.range,
                    size: range.size,
                }),
        };
        self.write(
            Kind::Http,
            flow,
            Some(stamp),
            Way::FromClient,
            |line, style, _, _| {
                http.write(line, style.drop_query);
                if !style.eve_strict && line.was_cut() {
                    line.object("patchspan", crate::records::Line::cuts);
                }
            },
        );
    }
}

/// Payload toward the client that belongs to no burst and no activity yet; from now on it does.
fn uncounted(flow: &mut Flow<Annotation>) -> u64 {
    let delivered = flow.delivered(Direction::ToClient).bytes;
    let counted = std::mem::replace(&mut flow.annotation.counted, delivered);
    delivered.saturating_sub(counted)
}

fn host_of(transaction: &http::Transaction) -> Option<String> {
    let request = transaction.request.as_ref()?;
    request.host_name().map(|name| name.as_str().to_owned())
}

/// The transaction that goes on. Where no response is on the mirror, its bytes are known from acknowledgements.
fn told_so_far(connection: &http::Connection) -> Option<(Option<String>, Exchange)> {
    if let Some(transaction) = connection.in_progress() {
        return Some((host_of(transaction), exchange_of(transaction)));
    }
    let request = connection.first_waiting()?;
    let host = request.host_name().map(|name| name.as_str().to_owned());
    Some((host, asked_of(request)))
}

/// An exchange of which the request alone was seen.
fn asked_of(request: &http::Request) -> Exchange {
    Exchange {
        method: request.method.clone(),
        path: request.path().to_vec(),
        agent: request
            .user_agent
            .as_deref()
            .map(|agent| agent.get(..MAX_AGENT).unwrap_or(agent).to_vec()),
        ..Exchange::default()
    }
}

/// The body, where it was kept and came whole.
fn whole_small_body(response: &http::Response) -> Vec<u8> {
    let is_whole = response.is_complete && response.body_missing == 0;
    let body = response.small_body.clone();
    body.filter(|_| is_whole).unwrap_or_default()
}

fn exchange_of(transaction: &http::Transaction) -> Exchange {
    let response = transaction.response.as_ref();
    let asked = transaction.request.as_ref().map(asked_of);
    Exchange {
        status: response.map(|response| response.status),
        content_length: response.and_then(|response| response.content_length),
        content_range: response.and_then(|response| response.content_range.clone()),
        validator: response.and_then(|response| response.validator.clone()),
        body: response.map_or_else(Vec::new, whole_small_body),
        body_bytes: response.map_or(0, |response| response.body_bytes),
        body_missing: response.map_or(0, |response| response.body_missing),
        is_page: response
            .is_some_and(|response| response.is_page() && response.body_bytes <= LARGEST_PAGE),
        is_denied: transaction.is_denied_by_proxy(),
        is_complete: response.is_some_and(|response| response.is_complete),
        is_lost: response.is_some_and(|response| response.is_lost),
        end: response.and_then(|response| response.end),
        ..asked.unwrap_or_default()
    }
}
