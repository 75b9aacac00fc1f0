//! DNS responses that the mirror shows before their queries: where each direction comes from an interface of its own, or over a way of its own.
//!
//! A response whose query was not seen teaches nothing, as anybody may send one. Some of the latest are kept for a moment, so that a query
//! which comes behind its response finds it. Few are enough: a flood of responses drives out others that nobody asked for.

use std::collections::VecDeque;
use std::time::Duration;

use super::annotation::Query;
use crate::types::Timestamp;

/// How much later than its response a query may come: as much as stamps of two interfaces run back.
const LATENESS: Duration = Duration::from_millis(100);
/// Most responses that are kept.
const MAX_KEPT: usize = 64;
/// A longer one is not.
const MAX_MESSAGE: usize = 4_096;

/// Responses that may be asked for yet, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Early {
    kept: VecDeque<Kept>,
    /// Emptied buffers.
    spare: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Kept {
    flow: u64,
    answered: Query,
    message: Vec<u8>,
    since: Timestamp,
}

impl Early {
    /// Keeps a response of a flow; gives how many are kept no longer, of which this may be one.
    pub fn keep(&mut self, flow: u64, answered: Query, message: &[u8], now: Timestamp) -> u64 {
        if message.len() > MAX_MESSAGE {
            return 1;
        }
        let oldest = (self.kept.len() >= MAX_KEPT).then(|| self.kept.pop_front());
        let oldest = oldest.flatten().map(|kept| kept.message);
        let is_driven_out = oldest.is_some();
        let mut buffer = oldest.or_else(|| self.spare.pop()).unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(message);
        self.kept.push_back(Kept {
            flow,
            answered,
            message: buffer,
            since: now,
        });
        u64::from(is_driven_out)
    }

    /// The response to a query of a flow, where it came before, and when.
    pub fn take(
        &mut self,
        flow: u64,
        query: &Query,
        now: Timestamp,
    ) -> Option<(Vec<u8>, Timestamp)> {
        let is_it = |kept: &Kept| {
            kept.flow == flow && kept.answered.is_same(query) && now.since(kept.since) <= LATENESS
        };
        let place = self.kept.iter().position(is_it)?;
        let kept = self.kept.remove(place)?;
        Some((kept.message, kept.since))
    }

    /// A response that was taken is done with.
    pub fn give_back(&mut self, message: Vec<u8>) {
        if self.spare.len() < MAX_KEPT {
            self.spare.push(message);
        }
    }

    /// Those that nobody asked for in time; gives how many.
    pub fn expire(&mut self, now: Timestamp) -> u64 {
        let mut expired = 0;
        while let Some(first) = self.kept.front()
            && now.since(first.since) > LATENESS
        {
            let first = self.kept.pop_front();
            first
                .into_iter()
                .for_each(|kept| self.give_back(kept.message));
            expired += 1;
        }
        expired
    }

    /// No query comes any more; gives how many were kept.
    pub fn clear(&mut self) -> u64 {
        let kept = self.kept.len() as u64;
        self.kept.clear();
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(id: u16) -> Query {
        Query {
            id,
            question: 7,
            is_answered: false,
        }
    }

    #[test]
    fn a_query_finds_the_response_that_came_just_before() {
        let at = |milliseconds: i64| Timestamp::from_nanos(milliseconds * 1_000_000);
        let mut early = Early::default();
        assert_eq!(early.keep(1, query(5), b"response", at(0)), 0);
        assert_eq!(early.take(2, &query(5), at(1)), None, "another flow");
        assert_eq!(early.take(1, &query(6), at(1)), None, "another id");
        assert_eq!(early.take(1, &query(5), at(101)), None, "too late");
        assert_eq!(early.expire(at(100)), 0);
        assert_eq!(
            early.take(1, &query(5), at(100)),
            Some((b"response".to_vec(), at(0)))
        );
        assert_eq!(early.take(1, &query(5), at(100)), None, "once");
        early.keep(1, query(5), b"response", at(0));
        assert_eq!((early.expire(at(101)), early.clear()), (1, 0));
    }

    #[test]
    fn a_flood_is_bounded_and_counted() {
        let mut early = Early::default();
        let lost: u64 = (0..1_000)
            .map(|flow| early.keep(flow, query(1), &[0; 100], Timestamp::EPOCH))
            .sum();
        assert_eq!(
            early.keep(1, query(1), &[0; MAX_MESSAGE + 1], Timestamp::EPOCH),
            1
        );
        assert_eq!(lost + early.clear(), 1_000);
    }
}
