//! Which response answers which request, where sequence numbers tell (RFC 9293 section 3.4).
//!
//! Whoever answers has received what he answers, and who asks has not received the answer.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Connection, MAX_PIPELINE, Request, Response, State, Transaction, TransactionSink};
use crate::types::{Direction, Place, Stamp, Timestamp};

/// How much later than the head of its response a request may come, where sequence numbers do not tell whether it is its; and how long a
/// whole response waits for its request.
pub(super) const LATENESS: Duration = Duration::from_secs(1);

/// Where a head stands in its stream, and how far the other one was acknowledged then: positions, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Its first byte.
    pub start: u64,
    /// Behind it.
    pub end: u64,
    /// How far its sender had received the other direction.
    pub acknowledged: u64,
    /// Of a request: nothing else was under way when it was sent.
    pub is_alone: bool,
}

impl Extent {
    /// That of a head of `length` bytes with `behind` bytes behind it, up to `place`.
    pub(super) fn of(place: Place, behind: u64, length: usize) -> Option<Self> {
        let end = place.end.saturating_sub(behind);
        Some(Self {
            start: end.saturating_sub(length as u64),
            end,
            acknowledged: place.acknowledged?,
            is_alone: false,
        })
    }
}

impl Connection {
    /// The request that a response answers: the oldest that waits, unless sequence numbers say that it is another, or that the mirror has not
    /// shown it.
    pub(super) fn answered_by(
        &mut self,
        response: &Response,
        stamp: Stamp,
        out: &mut TransactionSink<'_>,
    ) -> Option<Request> {
        while let [first, second, ..] = self.waiting.make_contiguous()
            && response.is_behind_answer_to(first, second)
        {
            let request = self.first_of_waiting();
            let response = None;
            out(Transaction { request, response }, stamp);
        }
        let first = self.waiting.front()?;
        response
            .may_answer(first)
            .then(|| self.first_of_waiting())?
    }

    /// Whether the response to this request is coming already: the mirror showed them in the wrong order.
    pub(super) fn is_late(&self, request: &Request) -> bool {
        let answered = self.current.as_ref().and_then(|current| {
            let response = current.response.as_ref();
            response.filter(|_| current.request.is_none())
        });
        answered.is_some_and(|response| {
            let is_known = response.extent.is_some() && request.extent.is_some();
            let lateness = request.stamp.timestamp.since(response.stamp.timestamp);
            response.may_answer(request) && (is_known || lateness <= LATENESS)
        })
    }

    /// The response that is coming answers this request.
    pub(super) fn adopt(&mut self, request: Request, stamp: Stamp, out: &mut TransactionSink<'_>) {
        let is_head = request.method == b"HEAD";
        let Some(current) = &mut self.current else {
            return;
        };
        if let Some(response) = &mut current.response
            && request.opens_tunnel(response.status)
        {
            // What was taken for its body went through the tunnel already.
            response.empty();
            current.request = Some(request);
            self.tunnel = true;
            self.early.tell(|_, _| true, out);
            return self.end_body(Direction::ToClient, true, stamp, out);
        }
        let has_body = current
            .response
            .as_ref()
            .is_some_and(|response| response.body_bytes + response.body_missing > 0);
        current.request = Some(request);
        if is_head && !has_body {
            self.end_body(Direction::ToClient, true, stamp, out);
        }
    }

    /// Whether the request of a response may still come: it was acknowledged, and the mirror has not shown it.
    pub(super) fn is_early(&self, transaction: &Transaction) -> bool {
        let response = transaction.response.as_ref();
        transaction.request.is_none()
            && !matches!(self.client.state, State::Stopped)
            && self.early.has_room()
            && response.is_some_and(|response| response.acknowledges_beyond(self.client.at))
    }
}

impl Response {
    /// Whether it may answer `request`: whoever answers has received what he answers, and who asks has not received the answer. Where it is
    /// not known, it may.
    pub(super) fn may_answer(&self, request: &Request) -> bool {
        match (self.extent, request.extent) {
            (Some(answer), Some(question)) => {
                answer.acknowledged >= question.end && answer.start >= question.acknowledged
            }
            _ => true,
        }
    }

    /// Whether it acknowledges more of the client's direction than up to `asked`, of which nothing was seen where that is `None`.
    pub(super) fn acknowledges_beyond(&self, asked: Option<u64>) -> bool {
        self.extent
            .is_some_and(|extent| extent.acknowledged > asked.unwrap_or_default())
    }

    /// Whether the answer to `first` began before this response, and was not seen: when `second` was asked some of it had been received, and
    /// nothing else was to come when `first` was asked.
    pub(super) fn is_behind_answer_to(&self, first: &Request, second: &Request) -> bool {
        match (self.extent, first.extent, second.extent) {
            (Some(answer), Some(first), Some(second)) => {
                first.is_alone
                    && second.acknowledged > first.acknowledged
                    && answer.start >= second.acknowledged
            }
            _ => false,
        }
    }
}

/// Whole responses that acknowledged requests which the mirror has not shown yet, each with the packet that completed it.
#[derive(Clone, Debug, Default)]
pub(super) struct Early(VecDeque<(Transaction, Stamp)>);

impl Early {
    /// Whether another one may wait.
    pub fn has_room(&self) -> bool {
        self.0.len() < MAX_PIPELINE
    }

    /// A whole response waits for its request; others may come before it is told.
    pub fn keep(&mut self, mut transaction: Transaction, stamp: Stamp) {
        if let Some(response) = &mut transaction.response {
            let bytes = |(head, end): (Extent, u64)| end.saturating_sub(head.start);
            response.stream_bytes = response.extent.zip(response.end).map(bytes);
        }
        self.0.push_back((transaction, stamp));
    }

    /// The answer to a request that the mirror shows only now. Those before it are told: their requests would have come first.
    pub fn answer(&mut self, request: &Request, out: &mut TransactionSink<'_>) -> Option<Response> {
        let is_it = |(early, _): &(Transaction, Stamp)| {
            let response = early.response.as_ref();
            response.is_some_and(|response| response.may_answer(request))
        };
        let at = self.0.iter().position(is_it)?;
        for (transaction, stamp) in self.0.drain(..at) {
            out(transaction, stamp);
        }
        self.0.pop_front()?.0.response
    }

    /// Until when the first one waits.
    pub fn due(&self) -> Option<Timestamp> {
        let (_, since) = self.0.front()?;
        Some(since.timestamp.plus(LATENESS))
    }

    /// Tells those that waited long enough.
    pub fn overdue(&mut self, now: Timestamp, out: &mut TransactionSink<'_>) {
        self.tell(|_, since| since.timestamp.plus(LATENESS) <= now, out);
    }

    /// Tells those for which `is_left` holds, from the first to one for which it does not.
    pub fn tell(
        &mut self,
        is_left: impl Fn(&Response, Stamp) -> bool,
        out: &mut TransactionSink<'_>,
    ) {
        while let Some((transaction, stamp)) = self.0.pop_front() {
            let response = transaction.response.as_ref();
            if response.is_some_and(|response| !is_left(response, stamp)) {
                return self.0.push_front((transaction, stamp));
            }
            out(transaction, stamp);
        }
        // Few connections need it, and then for a moment.
        self.0 = VecDeque::new();
    }

    /// Bytes that they take.
    pub fn memory(&self) -> usize {
        self.0.iter().map(|(early, _)| early.memory()).sum()
    }
}
