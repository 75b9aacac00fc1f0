//! HTTP/1 transactions (RFC 9110, RFC 9112): requests and responses of one connection, paired in order.
//!
//! [`Connection`] takes the bytes of both directions in order, and is told of gaps. Bodies are counted, and only a small text is
//! kept; a body of known length costs the same whatever its size.
//!
//! * [`head`]: start lines and header fields
//! * [`body`]: how long a body is
//! * [`claim`]: which host a request speaks of
//! * `pairing`: which response answers which request, by sequence numbers
//!
//! Which response answers which request is told by their order and, where [`Connection::place`] says where bytes stand, by sequence numbers:
//! whoever answers has received the request, and who asks has not received the answer. So a lost message, or one that the mirror shows
//! late, moves no other.
//!
//! Blind spots: what follows a gap within a head or a chunked body is lost up to the next start line; it is counted as missing
//! from the body that was coming. Where a gap holds more than one of the responses to requests that were sent at once, the next ones meet earlier requests.
#![warn(clippy::indexing_slicing)]

pub mod body;
pub mod claim;
pub mod head;
mod pairing;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::types::{Direction, Place, Stamp, Timestamp};
use body::Body;
pub use head::{ContentRange, Request, Response};
use pairing::{Early, Extent};

use super::tls::Probe;

/// A buffer of a head that is used again for the next one; a larger one is freed.
const KEPT_HEAD: usize = 2 * 1024;
/// Longest head; a longer one is given up.
pub const MAX_HEAD: usize = 64 * 1024;
/// Most requests that wait for their responses; beyond, the oldest is told without one.
pub const MAX_PIPELINE: usize = 64;

/// A request and its response. One of them may be missing: the mirror may show one side only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// The request.
    pub request: Option<Request>,
    /// The final response.
    pub response: Option<Response>,
}

impl Transaction {
    /// Bytes that it takes.
    fn memory(&self) -> usize {
        let request = self.request.as_ref().map_or(0, Request::memory);
        request + self.response.as_ref().map_or(0, Response::memory)
    }
}

/// Receives transactions, each with the stamp of the packet that completed it.
pub type TransactionSink<'s> = dyn FnMut(Transaction, Stamp) + 's;

/// The transactions of one connection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Connection {
    client: Side,
    server: Side,
    waiting: VecDeque<Request>,
    /// Bytes of the requests that wait.
    #[serde(skip)]
    waiting_bytes: usize,
    /// The response whose body is coming.
    current: Option<Transaction>,
    /// Whole responses that acknowledged requests which the mirror has not shown yet, each with the packet that completed it.
    #[serde(skip)]
    early: Early,
    tunnel: bool,
    /// How far the client had received the other direction when it closed its own.
    #[serde(skip)]
    left: Option<u64>,
    /// How far it has received it by now.
    #[serde(skip)]
    received: Option<u64>,
}

/// One direction.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Side {
    state: State,
    head: Vec<u8>,
    /// Of the next bytes.
    #[serde(skip)]
    place: Option<Place>,
    /// Position of the next byte to read.
    #[serde(skip)]
    at: Option<u64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
enum State {
    /// Between messages or within a head.
    #[default]
    Head,
    /// Within a body.
    Body(Body),
    /// Bytes were lost where they mattered: the next start line is looked for.
    Lost,
    /// Not HTTP, or not any more.
    Stopped,
}

/// What a finished head asks for.
enum AfterHead {
    Body(Body),
    Stop,
}

/// Whether the first bytes of a direction are a start line, which empty lines may precede (RFC 9112 section 2.2).
pub fn probe(bytes: &[u8]) -> Probe {
    head::probe(head::without_leading_lines(bytes))
}

impl Connection {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with every text as `reword` leaves it. A head that is not whole cannot be read: it is left out, and what follows is
    /// as after a loss.
    #[must_use]
    pub fn reworded(mut self, reword: &mut dyn FnMut(&mut Vec<u8>)) -> Self {
        for side in [&mut self.client, &mut self.server] {
            if !std::mem::take(&mut side.head).is_empty() {
                side.state = State::Lost;
            }
        }
        let current = self.current.as_mut();
        let (request, response) = current.map_or((None, None), |current| {
            (current.request.as_mut(), current.response.as_mut())
        });
        let requests = self.waiting.iter_mut().chain(request);
        requests.flat_map(Request::texts_mut).for_each(&mut *reword);
        let responses = response.into_iter();
        responses.flat_map(Response::texts_mut).for_each(reword);
        self.waiting_bytes = self.waiting.iter().map(Request::memory).sum();
        self.early = Early::default();
        self
    }

    /// The same, out of a file.
    #[must_use]
    pub fn taken_up(mut self) -> Self {
        self.waiting.truncate(MAX_PIPELINE);
        self.waiting_bytes = self.waiting.iter().map(Request::memory).sum();
        for side in [&mut self.client, &mut self.server] {
            side.head.truncate(MAX_HEAD);
        }
        self
    }

    /// Says where the bytes of the next call end; without, responses meet requests in their order alone.
    pub const fn place(&mut self, direction: Direction, place: Option<Place>) {
        self.side(direction).place = place;
    }

    /// Takes in the next bytes of a direction; gives how many were HTTP's. Fewer than all: a tunnel begins behind them.
    pub fn data(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        stamp: Stamp,
        out: &mut TransactionSink<'_>,
    ) -> usize {
        let place = self.side(direction).place.take();
        let taken = self.read(direction, (bytes, place), stamp, out);
        self.passed(direction, place, out);
        taken
    }

    fn read(
        &mut self,
        direction: Direction,
        (bytes, place): (&[u8], Option<Place>),
        stamp: Stamp,
        out: &mut TransactionSink<'_>,
    ) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() && !self.tunnel {
            let is_kept = direction == Direction::ToClient && self.keeps_body();
            rest = match &mut self.side(direction).state {
                State::Stopped => return bytes.len(),
                State::Lost => {
                    if !self.resume(direction, rest, stamp, out) {
                        self.miss(direction, rest.len() as u64, stamp);
                        return bytes.len();
                    }
                    rest
                }
                State::Head => self.head(direction, rest, place, stamp, out),
                State::Body(body) => {
                    let mut kept = Vec::new();
                    let (seen, after) = body.take(rest, &mut |payload| {
                        if is_kept {
                            kept.extend_from_slice(payload);
                        }
                    });
                    let is_over = body.is_over();
                    self.count(direction, seen, &kept, stamp);
                    self.stand(direction, place, after.len() as u64);
                    if is_over {
                        self.end_body(direction, true, stamp, out);
                    }
                    after
                }
            };
        }
        bytes.len() - rest.len()
    }

    /// `behind` bytes of those that end at `place` are to be read yet.
    fn stand(&mut self, direction: Direction, place: Option<Place>, behind: u64) {
        if let Some(place) = place {
            self.side(direction).at = Some(place.end.saturating_sub(behind));
        }
    }

    /// `length` bytes of a direction were lost.
    pub fn gap(
        &mut self,
        direction: Direction,
        length: u64,
        stamp: Stamp,
        out: &mut TransactionSink<'_>,
    ) {
        let place = self.side(direction).place.take();
        self.lose(direction, (length, place), stamp, out);
        self.passed(direction, place, out);
    }

    fn lose(
        &mut self,
        direction: Direction,
        (length, place): (u64, Option<Place>),
        stamp: Stamp,
        out: &mut TransactionSink<'_>,
    ) {
        if matches!(self.side(direction).state, State::Head) {
            self.cut_head(direction, (length, place), stamp, out);
            return self.miss(direction, length, stamp);
        }
        let side = self.side(direction);
        if let State::Body(body) = &side.state
            && let Some(left) = body.left().filter(|left| *left < length)
        {
            // The end of the body is in the gap, and the beginning of what follows.
            self.miss(direction, left, stamp);
            self.stand(direction, place, length - left);
            self.end_body(direction, true, stamp, out);
            return self.lose(direction, (length - left, place), stamp, out);
        }
        let survived = match &mut side.state {
            State::Body(body) => body.miss(length),
            State::Stopped => return,
            _ => false,
        };
        if !survived {
            side.state = State::Lost;
        }
        self.stand(direction, place, 0);
        if direction == Direction::ToServer {
            return;
        }
        self.miss(direction, length, stamp);
        let is_over = matches!(&self.server.state, State::Body(body) if body.is_over());
        if is_over {
            self.end_body(direction, true, stamp, out);
        }
    }

    /// A direction ended. `is_closed`: its sender closed it, which is the end of a body without a length (RFC 9112 section 6.3).
    pub fn close(
        &mut self,
        direction: Direction,
        is_closed: bool,
        stamp: Stamp,
        out: &mut TransactionSink<'_>,
    ) {
        let place = self.side(direction).place.take();
        match direction {
            Direction::ToServer => self.left = place.and_then(|place| place.acknowledged),
            Direction::ToClient => self.stand(direction, place, 0),
        }
        if let State::Body(body) = &self.side(direction).state {
            let is_whole = is_closed && body.ends_with_connection();
            let is_whole = is_whole && !self.was_left();
            self.end_body(direction, is_whole, stamp, out);
        }
        self.side(direction).state = State::Stopped;
    }

    /// The client has acknowledged the other direction up to `position`, as far as that is known: before that one is closed.
    pub fn client_has(&mut self, position: Option<u64>) {
        self.received = position;
    }

    /// Whether the client closed its direction in the midst of the body that is coming: behind its beginning, and before the end, which
    /// counts as a byte. One that closes as soon as it has asked waits for the whole, and acknowledges what still comes.
    fn was_left(&self) -> bool {
        let current = self.current.as_ref();
        let head = current.and_then(|current| current.response.as_ref()?.extent);
        let (Some(left), Some(head), Some(end)) = (self.left, head, self.server.at) else {
            return false;
        };
        let goes_on = self.received.is_some_and(|received| received > left);
        left > head.end && left <= end && !goes_on
    }

    /// The flow ended: what is open is told as it stands. `is_closed`: the server closed its direction.
    pub fn finish(&mut self, is_closed: bool, stamp: Stamp, out: &mut TransactionSink<'_>) {
        self.close(Direction::ToClient, is_closed, stamp, out);
        self.early.tell(|_, _| true, out);
        if let Some(transaction) = self.current.take() {
            out(transaction, stamp);
        }
        self.waiting_bytes = 0;
        for request in std::mem::take(&mut self.waiting) {
            out(
                Transaction {
                    request: Some(request),
                    response: None,
                },
                stamp,
            );
        }
    }

    /// Bytes of heads that wait for their end, of requests that wait for their responses, and of the transaction that goes on.
    pub fn memory(&self) -> usize {
        let current = self.current.as_ref().map_or(0, Transaction::memory);
        let heads = self.client.head.capacity() + self.server.head.capacity();
        heads + self.waiting_bytes + current + self.early.memory()
    }

    /// Bytes of a direction were handed over: responses that came early to requests before that will not meet them any more.
    fn passed(
        &mut self,
        direction: Direction,
        place: Option<Place>,
        out: &mut TransactionSink<'_>,
    ) {
        self.stand(direction, place, 0);
        if direction == Direction::ToServer {
            let asked = self.client.at;
            self.early
                .tell(|response, _| !response.acknowledges_beyond(asked), out);
        }
    }

    /// Until when a whole response waits for its request.
    pub fn due(&self) -> Option<Timestamp> {
        self.early.due()
    }

    /// Tells the responses that waited long enough.
    pub fn overdue(&mut self, now: Timestamp, out: &mut TransactionSink<'_>) {
        self.early.overdue(now, out);
    }

    fn first_of_waiting(&mut self) -> Option<Request> {
        let request = self.waiting.pop_front()?;
        self.waiting_bytes -= request.memory();
        Some(request)
    }

    /// The transaction whose response is coming, as far as it has come.
    pub const fn in_progress(&self) -> Option<&Transaction> {
        self.current.as_ref()
    }

    /// Whether a CONNECT was answered: what follows is another protocol.
    pub const fn is_tunnel(&self) -> bool {
        self.tunnel
    }

    /// Whether neither direction is HTTP (any more).
    pub const fn is_stopped(&self) -> bool {
        matches!(self.client.state, State::Stopped) && matches!(self.server.state, State::Stopped)
    }

    /// The oldest request that waits for its response.
    pub fn first_waiting(&self) -> Option<&Request> {
        self.waiting.front()
    }

    const fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::ToServer => &mut self.client,
            Direction::ToClient => &mut self.server,
        }
    }

    /// Gathers a head; gives what follows it.
    fn head<'b>(
        &mut self,
        direction: Direction,
        bytes: &'b [u8],
        place: Option<Place>,
        stamp: Stamp,
        out: &mut TransactionSink<'_>,
    ) -> &'b [u8] {
        let side = self.side(direction);
        let before = side.head.len();
        side.head.extend_from_slice(bytes);
        let end = head::end(&side.head, before);
        // Whole or not: what a connection is must not depend on how it was cut into segments.
        if end.unwrap_or(side.head.len()) > MAX_HEAD
            || head::probe(head::without_leading_lines(&side.head)) == Probe::No
        {
            side.state = State::Stopped;
            side.head = Vec::new();
            return &[];
        }
        let Some(end) = end else {
            return &[];
        };
        let mut gathered = std::mem::take(&mut side.head);
        gathered.truncate(end);
        let rest = bytes.get(end - before..).unwrap_or_default();
        let extent = place.and_then(|place| Extent::of(place, rest.len() as u64, end));
        self.stand(direction, place, rest.len() as u64);
        let after = self.understand(direction, (&gathered, extent), stamp, out);
        self.side(direction).state = match after {
            Some(AfterHead::Body(body)) => State::Body(body),
            _ => State::Stopped,
        };
        let is_over = matches!(&self.side(direction).state, State::Body(body) if body.is_over());
        if is_over {
            self.end_body(direction, true, stamp, out);
        }
        if gathered.capacity() <= KEPT_HEAD {
            gathered.clear();
            self.side(direction).head = gathered;
        }
        rest
    }

    /// Bytes were lost between messages or within a head: what came of a head counts, up to its last whole line. A snap
    /// length cuts most heads.
    fn cut_head(
        &mut self,
        direction: Direction,
        (length, place): (u64, Option<Place>),
        stamp: Stamp,
        out: &mut TransactionSink<'_>,
    ) {
        let mut head = std::mem::take(&mut self.side(direction).head);
        let extent = place.and_then(|place| Extent::of(place, length, head.len()));
        head.truncate(memchr::memrchr(b'\n', &head).map_or(0, |last| last + 1));
        let after = self.understand(direction, (&head, extent), stamp, out);
        if direction == Direction::ToClient && after.is_none() && self.current.is_none() {
            // The response that was due is in the gap: what comes next answers another request.
            self.current = self.first_of_waiting().map(|request| Transaction {
                request: Some(request),
                response: None,
            });
        }
        self.side(direction).state = match after {
            Some(AfterHead::Stop) => State::Stopped,
            _ => State::Lost,
        };
    }

    /// `length` bytes toward the client, most of them of the body that is coming, were lost or cannot be told apart.
    fn miss(&mut self, direction: Direction, length: u64, stamp: Stamp) {
        let is_lost = matches!(self.server.state, State::Lost);
        let current = self.current.as_mut();
        let Some(response) = current
            .and_then(|current| current.response.as_mut())
            .filter(|_| direction == Direction::ToClient)
        else {
            return;
        };
        let left = response.content_length.map_or(u64::MAX, |whole| {
            whole.saturating_sub(response.body_bytes + response.body_missing)
        });
        response.body_missing += length.min(left);
        response.is_lost |= is_lost;
        response.last_body = response.last_body.max(stamp.timestamp);
    }

    fn understand(
        &mut self,
        direction: Direction,
        (head, extent): (&[u8], Option<Extent>),
        stamp: Stamp,
        out: &mut TransactionSink<'_>,
    ) -> Option<AfterHead> {
        match direction {
            Direction::ToServer => {
                let request = Request {
                    extent,
                    ..Request::parse(head, stamp)?
                };
                let body = Body::of_request(&request);
                if let Some(response) = self.early.answer(&request, out) {
                    self.tunnel = request.opens_tunnel(response.status);
                    let transaction = Transaction {
                        request: Some(request),
                        response: Some(response),
                    };
                    out(transaction, stamp);
                    return Some(AfterHead::Body(body));
                }
                if self.is_late(&request) {
                    self.adopt(request, stamp, out);
                    return Some(AfterHead::Body(body));
                }
                if self.waiting.len() >= MAX_PIPELINE
                    && let Some(oldest) = self.first_of_waiting()
                {
                    out(
                        Transaction {
                            request: Some(oldest),
                            response: None,
                        },
                        stamp,
                    );
                }
                let is_open = !self.waiting.is_empty() || self.current.is_some();
                let answered = self.server.at.unwrap_or_default();
                let extent = request.extent.map(|extent| Extent {
                    is_alone: !is_open && extent.acknowledged >= answered,
                    ..extent
                });
                self.waiting_bytes += request.memory();
                self.waiting.push_back(Request { extent, ..request });
                Some(AfterHead::Body(body))
            }
            Direction::ToClient => {
                let response = Response {
                    extent,
                    ..Response::parse(head, stamp)?
                };
                self.response(response, stamp, out)
            }
        }
    }

    fn response(
        &mut self,
        response: Response,
        stamp: Stamp,
        out: &mut TransactionSink<'_>,
    ) -> Option<AfterHead> {
        const SWITCHING_PROTOCOLS: u16 = 101;
        if (100..200).contains(&response.status) && response.status != SWITCHING_PROTOCOLS {
            // What the client acknowledges from now on may be this.
            if let Some(Request {
                extent: Some(extent),
                ..
            }) = self.waiting.front_mut()
            {
                extent.is_alone = false;
            }
            return Some(AfterHead::Body(Body::none()));
        }
        let request = self.answered_by(&response, stamp, out);
        let body = Body::of_response(request.as_ref(), &response);
        let is_tunnel = request
            .as_ref()
            .is_some_and(|request| request.opens_tunnel(response.status));
        let is_switch = response.status == SWITCHING_PROTOCOLS;
        self.current = Some(Transaction {
            request,
            response: Some(response),
        });
        if is_tunnel {
            self.tunnel = true;
            self.early.tell(|_, _| true, out);
            self.end_body(Direction::ToClient, true, stamp, out);
            return Some(AfterHead::Stop);
        }
        if is_switch {
            self.end_body(Direction::ToClient, true, stamp, out);
            self.client.state = State::Stopped;
            return Some(AfterHead::Stop);
        }
        Some(AfterHead::Body(body))
    }

    /// Whether the body that is coming is small text so far.
    fn keeps_body(&self) -> bool {
        let current = self.current.as_ref();
        let response = current.and_then(|current| current.response.as_ref());
        response.is_some_and(|response| response.small_body.is_some())
    }

    /// `seen` bytes of a body came; `kept` are they, where the body is kept.
    fn count(&mut self, direction: Direction, seen: u64, kept: &[u8], stamp: Stamp) {
        if direction == Direction::ToServer || seen == 0 {
            return;
        }
        if let Some(response) = self
            .current
            .as_mut()
            .and_then(|current| current.response.as_mut())
        {
            response.body_bytes += seen;
            response.note_small_body(kept);
            response.last_body = stamp.timestamp;
        }
    }

    fn end_body(
        &mut self,
        direction: Direction,
        is_whole: bool,
        stamp: Stamp,
        out: &mut TransactionSink<'_>,
    ) {
        self.side(direction).state = State::Head;
        if direction == Direction::ToServer {
            return;
        }
        if let Some(mut transaction) = self.current.take() {
            if let Some(response) = &mut transaction.response {
                response.is_complete = is_whole;
                response.end = self.server.at;
            }
            if self.is_early(&transaction) {
                self.early.keep(transaction, stamp);
            } else {
                out(transaction, stamp);
            }
        }
    }

    /// Looks whether `bytes` begin with a start line again. What was open before the gap is told as it stands.
    fn resume(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        stamp: Stamp,
        out: &mut TransactionSink<'_>,
    ) -> bool {
        if head::probe(bytes) != Probe::Yes {
            return false;
        }
        self.end_body(direction, false, stamp, out);
        true
    }
}

#[cfg(test)]
mod tests;
