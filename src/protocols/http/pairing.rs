//! Which response answers which request, where sequence numbers tell (RFC 9293 section 3.4).
//!
//! Whoever answers has received what he answers, and who asks has not received the answer.

use std::collections::VecDeque;

use super::{LATENESS, MAX_PIPELINE, Request, Response, Transaction, TransactionSink};
use crate::types::{Place, Stamp, Timestamp};

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
