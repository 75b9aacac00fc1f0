//! Who was there in a minute, and what of it could be seen: what a worker tells of every client, update or not.
//!
//! A packet leaves a bit (see [`crate::flows`]), and nothing else is done for it. At the end of a minute the flows with a bit are looked
//! at: what they counted since the last look is added up by client. [`SETTLING`] later, when young flows have their names too, the sums
//! are told as one fact. A flow that ends is looked at then.
//!
//! Only what came to something makes a client: a connection that was made, datagrams both ways, or a stream of which one side alone is
//! on the mirror. So an address that somebody forges is nobody.
//!
//! * `said`: what the name of a flow says, and its server
//! * [`tunnels`]: the shapes of tunnels

mod said;
pub(super) mod tunnels;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::FixedState;

use super::annotation::Annotation;
use super::application::AppProtocol;
use super::order::Key;
use super::worker::{Core, Worker};
use crate::flows::{Flow, Handshake};
use crate::records::Kind;
use crate::types::{Direction, FlowKey, Networks, Protocol, Tick, Timestamp};
use crate::updates::Fact;
use crate::updates::coverage::{HOUR, Known, MINUTE, Minute, Sign, Sums};

/// A minute is told so long after its end: flows that were young then have their names by now.
const SETTLING: Duration = Duration::from_secs(5);
/// Most clients of a worker in a minute.
const MOST_CLIENTS: usize = 1 << 17;
/// A shorter TCP flow does not tell whether the other direction is missing.
const LEAST_PACKETS: u64 = 4;

/// What all workers know of it.
#[derive(Clone, Debug)]
pub(super) struct PresenceSettings {
    /// Whether anybody wants it.
    pub is_wanted: bool,
    /// The networks whose clients are hosts; empty: every client is.
    pub local: Networks,
    /// Where own servers are.
    pub near: Networks,
    /// Servers that hide what their clients do.
    pub known: Arc<Known>,
}

/// Clients of a minute.
type Clients = HashMap<IpAddr, Present, FixedState>;

/// A client of a minute.
#[derive(Debug, Default)]
struct Present {
    sums: Sums,
    /// Something came to something.
    is_active: bool,
}

/// The minutes that a worker has not told.
#[derive(Debug, Default)]
pub(super) struct Presence {
    /// Since when packets are looked at.
    since: Option<Timestamp>,
    /// Names of before the start are known.
    is_warm: bool,
    /// Begin of the minute that goes on.
    minute: Timestamp,
    current: Clients,
    /// The minute that ended, until young flows have their names.
    settling: Option<(Timestamp, Clients)>,
    /// Those flows.
    young: Vec<FlowKey>,
}

/// What of a flow was told.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The hour in which it was counted last.
    hour: Timestamp,
    is_counted: bool,
    is_sided: bool,
    bytes: u64,
    payload: u64,
    unseen: u64,
    gaps: u64,
}

/// Whether a flow that is looked at goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    GoesOn,
    Over,
}

/// What came of a flow in a look at it.
struct Look {
    client: IpAddr,
    bytes: u64,
}

impl Presence {
    /// When something is due.
    fn due(&self) -> Option<Timestamp> {
        self.since?;
        let settled = self
            .settling
            .as_ref()
            .map(|(minute, _)| minute.plus(MINUTE).plus(SETTLING));
        Some(settled.unwrap_or(self.minute.plus(MINUTE)))
    }

    fn clients(&mut self, is_settling: bool) -> &mut Clients {
        match &mut self.settling {
            Some((_, clients)) if is_settling => clients,
            _ => &mut self.current,
        }
    }
}

impl Worker {
    /// Looks since `began`; `is_warm`: with the names that a run before knew.
    pub fn looking_since(mut self, began: Timestamp, is_warm: bool) -> Self {
        self.core.presence.since = Some(began);
        self.core.presence.minute = began.floor(MINUTE);
        self.core.presence.is_warm = is_warm;
        self
    }

    /// Ends minutes up to `now`.
    pub(super) fn end_minutes(&mut self, now: Timestamp) {
        if !self.core.settings.presence.is_wanted {
            return;
        }
        let presence = &mut self.core.presence;
        if presence.since.is_none() {
            presence.since = Some(now);
            presence.minute = now.floor(MINUTE);
        }
        while let Some(due) = self.core.presence.due().filter(|due| *due <= now) {
            self.core.set_cause_at(due);
            self.flows.advance(due, &mut self.core);
            self.core.set_cause_at(due);
            if self.core.presence.settling.is_some() {
                self.settle();
            } else {
                self.look(now.floor(MINUTE));
            }
        }
    }

    /// Tells all that was seen so far, at the end of the run.
    pub fn tell_presence(&mut self, now: Timestamp) {
        if !self.core.settings.presence.is_wanted {
            return;
        }
        self.core.set_cause_at(now);
        self.settle();
        self.look(self.core.presence.minute);
        self.settle();
    }

    /// A minute is over: flows that had packets are looked at. The next one that can bring anything begins at `next`.
    fn look(&mut self, next: Timestamp) {
        let Self { flows, core, .. } = self;
        flows.take_active(|flow| core.look_at(flow, Life::GoesOn));
        let presence = &mut core.presence;
        presence.settling = Some((presence.minute, std::mem::take(&mut presence.current)));
        presence.minute = presence.minute.max(next);
    }

    /// Young flows have their names; what the minute brought is told.
    fn settle(&mut self) {
        let Self { flows, core, .. } = self;
        for key in std::mem::take(&mut core.presence.young) {
            if let Some(flow) = flows.flow(&key) {
                core.tell_young(flow);
            }
        }
        let Some((start, clients)) = core.presence.settling.take() else {
            return;
        };
        let (mut active, mut asking) = (Vec::new(), Vec::new());
        for (client, present) in clients {
            if present.is_active {
                active.push((client, present.sums));
            } else if present.sums.queries > 0 {
                asking.push((client, present.sums.queries));
            }
        }
        if active.is_empty() && asking.is_empty() {
            return;
        }
        active.sort_unstable_by_key(|(client, _)| *client);
        asking.sort_unstable();
        let time = core.now();
        let minute = Minute {
            start,
            time,
            since: core.presence.since.unwrap_or(start),
            clients: active,
            asking,
        };
        // At the end two minutes are told at once: those of all workers come minute by minute.
        let ordinal = start.since(Timestamp::EPOCH).as_secs() / MINUTE.as_secs();
        core.tell_at(
            Key::of_boundary(time, Kind::Coverage, ordinal, 0),
            Fact::Presence(Box::new(minute)),
        );
    }
}

impl Core {
    /// A flow is about to end: what it brought in this minute counts, and its name is as good as it gets.
    pub(super) fn look_at_end(&mut self, flow: &mut Flow<Annotation>) {
        if !self.settings.presence.is_wanted {
            return;
        }
        self.tell_young(flow);
        if flow.last() >= self.presence.minute {
            self.look_at(flow, Life::Over);
        }
    }

    /// A flow had packets in this minute.
    fn look_at(&mut self, flow: &mut Flow<Annotation>, life: Life) {
        let mut kept = flow.annotation.seen.take();
        let mut new = Seen::default();
        let seen = kept.as_deref_mut().unwrap_or(&mut new);
        let is_told = self.look_as_seen(flow, seen, life);
        let is_kept = is_told && life == Life::GoesOn;
        flow.annotation.seen = kept.or_else(|| is_kept.then(|| Box::new(new)));
    }

    /// As [`Self::look_at`], of a flow of which that was told before; whether something more is told now.
    fn look_as_seen(&mut self, flow: &mut Flow<Annotation>, seen: &mut Seen, life: Life) -> bool {
        let Some(look) = self.bring(flow, seen) else {
            return false;
        };
        let hour = self.presence.minute.floor(HOUR);
        if seen.hour != hour {
            (seen.hour, seen.is_counted, seen.is_sided) = (hour, false, false);
        }
        let is_first = !std::mem::replace(&mut seen.is_counted, true);
        if flow.annotation.protocol == Some(AppProtocol::Dns) {
            self.look_at_lookup(flow, look.client, is_first);
            return true;
        }
        let is_tunnel = self.is_tunnel(flow);
        let (payload, unseen, gaps) = losses(flow, seen);
        let sides = (!seen.is_sided).then(|| sides(flow)).flatten();
        seen.is_sided |= sides.is_some();
        let present = self.presence.current.entry(look.client).or_default();
        present.is_active = true;
        let sums = &mut present.sums;
        sums.bytes_toclient += look.bytes;
        sums.payload += payload;
        sums.unseen += unseen;
        sums.gaps += gaps;
        if is_tunnel {
            sums.tunnel_bytes += look.bytes;
            sums.signs.add(Sign::Vpn);
        }
        match sides {
            Some(Sides::Both) => sums.both_sides += 1,
            Some(Sides::Client) => sums.client_only += 1,
            Some(Sides::Server) => sums.server_only += 1,
            None => {}
        }
        if is_first {
            sums.flows += 1;
            flow.annotation.is_young = true;
            let end = self.presence.minute.plus(MINUTE);
            let is_young =
                flow.first().timestamp.plus(SETTLING) > end || !flow.annotation.is_resolved;
            if is_young && life == Life::GoesOn {
                self.presence.young.push(*flow.key());
            } else {
                self.tell_young_now(flow, false);
            }
        }
        true
    }

    /// A flow of lookups: it is none of the client's flows, and shows that its questions are on the mirror.
    fn look_at_lookup(&mut self, flow: &Flow<Annotation>, client: IpAddr, is_first: bool) {
        let present = self.presence.current.entry(client).or_default();
        present.is_active |= is_answered(flow);
        let is_asked = flow.packets(Direction::ToServer) > 0;
        present.sums.queries += u32::from(is_first && is_asked);
    }

    /// Whose the flow is and what it brought since the last look; `None` where it came to nothing, or is nobody's.
    fn bring(&mut self, flow: &Flow<Annotation>, seen: &mut Seen) -> Option<Look> {
        let (client, way) = self.owner(flow)?;
        let is_lookup = flow.annotation.protocol == Some(AppProtocol::Dns);
        if !is_lookup && !came_to_something(flow) {
            return None;
        }
        let clients = &self.presence.current;
        if clients.len() >= MOST_CLIENTS && !clients.contains_key(&client) {
            self.counters.crowded += 1;
            return None;
        }
        let all = flow.wire_bytes(way);
        let before = std::mem::replace(&mut seen.bytes, all);
        Some(Look {
            client,
            bytes: all.saturating_sub(before),
        })
    }

    /// The host that a flow belongs to, and which way goes toward it. Of datagrams the first packet seen tells the client, and a tunnel
    /// that was there before may well begin with the other side's.
    fn owner(&self, flow: &Flow<Annotation>) -> Option<(IpAddr, Direction)> {
        let local = &self.settings.presence.local;
        let (client, server) = (flow.client().address, flow.server().address);
        if local.is_empty() || local.contains(client) {
            return Some((client, Direction::ToClient));
        }
        let is_turned = flow.key().protocol() != Protocol::TCP && local.contains(server);
        is_turned.then_some((server, Direction::ToServer))
    }

    /// A young flow of the minute that ended is looked at again.
    fn tell_young(&mut self, flow: &mut Flow<Annotation>) {
        self.tell_young_now(flow, true);
    }

    /// The name of a flow that was counted, and all that follows from it.
    fn tell_young_now(&mut self, flow: &mut Flow<Annotation>, is_settling: bool) {
        if !std::mem::take(&mut flow.annotation.is_young) {
            return;
        }
        let Some((client, _)) = self.owner(flow) else {
            return;
        };
        let said = self.said(flow);
        let present = self
            .presence
            .clients(is_settling)
            .entry(client)
            .or_default();
        present.sums.add(&said);
    }

    /// What is due at `at` happens then, or at the next boundary.
    fn set_cause_at(&mut self, at: Timestamp) {
        self.begin_boundary(Tick::boundary_at_or_after(at).start());
    }
}

/// Which sides of a connection are on the mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sides {
    Both,
    Client,
    Server,
}

/// `None` where the flow is too short to tell.
fn sides(flow: &Flow<Annotation>) -> Option<Sides> {
    let [to_server, to_client] =
        [Direction::ToServer, Direction::ToClient].map(|way| flow.packets(way));
    let is_quic = flow.annotation.protocol == Some(AppProtocol::Quic);
    let is_stream = flow.key().protocol() == Protocol::TCP || is_quic;
    if !is_stream || to_server + to_client < LEAST_PACKETS || !carries(flow) {
        return None;
    }
    Some(match (to_server, to_client) {
        // Nobody may have answered: where UDP at port 443 is dropped browsers try, and go over TCP.
        (_, 0) if is_quic && !flow.annotation.answered_unseen => return None,
        (_, 0) => Sides::Client,
        (0, _) => Sides::Server,
        _ => Sides::Both,
    })
}

/// Whether the other side answered, as far as the mirror shows it.
fn is_answered(flow: &Flow<Annotation>) -> bool {
    [Direction::ToServer, Direction::ToClient]
        .into_iter()
        .all(|way| flow.packets(way) > 0)
}

/// Whether a flow shows that its client was there. Whoever answers a forged segment with a reset shows nothing.
fn came_to_something(flow: &Flow<Annotation>) -> bool {
    let is_made = match flow.key().protocol() {
        Protocol::ICMP | Protocol::ICMPV6 => return false,
        Protocol::TCP => match flow.handshake() {
            Some(Handshake::Complete) => true,
            Some(Handshake::Midstream) => carries(flow),
            _ => false,
        },
        _ => true,
    };
    (is_made && is_answered(flow)) || sides(flow).is_some_and(|sides| sides != Sides::Both)
}

/// Whether a flow carries payload.
fn carries(flow: &Flow<Annotation>) -> bool {
    [Direction::ToServer, Direction::ToClient]
        .into_iter()
        .any(|way| flow.delivered(way).bytes > 0)
}

/// Payload since the last look, and what of it was acknowledged and never seen: of connections that were seen from their beginning, both
/// ways. What was under way before is acknowledged too, and was never to be seen.
fn losses(flow: &Flow<Annotation>, seen: &mut Seen) -> (u64, i64, i64) {
    if flow.handshake() != Some(Handshake::Complete) || !is_answered(flow) {
        return (0, 0, 0);
    }
    let [up, down] = [Direction::ToServer, Direction::ToClient].map(|way| flow.delivered(way));
    let (payload, unseen, gaps) = (
        up.bytes + down.bytes,
        up.inferred + down.inferred,
        up.gaps + down.gaps,
    );
    let payload = payload.saturating_sub(std::mem::replace(&mut seen.payload, payload));
    let unseen = change(&mut seen.unseen, unseen);
    let gaps = change(&mut seen.gaps, gaps);
    (payload, unseen, gaps)
}

/// By how much a figure differs from what it was.
const fn change(before: &mut u64, now: u64) -> i64 {
    let change = now.cast_signed().saturating_sub((*before).cast_signed());
    *before = now;
    change
}
