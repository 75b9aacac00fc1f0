//! When a name was answered: the newest few moments, so that a look back *as of* one of them finds the one before it.

use std::time::Duration;

use crate::types::Timestamp;

/// Times that an entry keeps.
pub const KEPT_TIMES: usize = 4;
/// Of so much time one is kept, the first: what is told of when a name was answered may be so much too early. All of them reach back over a second and a half, also where a name is answered all the time: a look back comes
/// up to three ticks after its moment in a replay and seven live, and by then another worker may be ahead.
const SPAN: Duration = Duration::from_millis(500);
/// A slot that holds none: it sorts before every time.
const NO_TIME: u64 = 0;

/// Times as words that sort as they do, in no order.
///
/// Of half a second the earliest is kept, and of all those of the newest halves: whatever the order in which they come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times(pub(super) [u64; KEPT_TIMES]);

impl Times {
    /// `time` alone.
    pub fn of(time: Timestamp) -> Self {
        Self::default().with(time)
    }

    /// `time` too.
    #[must_use]
    pub fn with(mut self, time: Timestamp) -> Self {
        if let Some((index, _, word)) = self.slot_for(time)
            && let Some(slot) = self.0.get_mut(index)
        {
            *slot = word;
        }
        self
    }

    /// Those of `other` too.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        other.iter().fold(self, Self::with)
    }

    /// Each of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Timestamp> {
        let words = self.0.iter().filter(|word| **word != NO_TIME);
        words.map(|word| time_of(*word))
    }

    /// The last one.
    pub fn newest(&self) -> Option<Timestamp> {
        self.iter().max()
    }

    /// The first one that is kept.
    pub fn oldest(&self) -> Option<Timestamp> {
        let words = self.0.iter().filter(|word| **word != NO_TIME);
        words.min().map(|word| time_of(*word))
    }

    /// The last one at or before `moment`, where that is at most `retention` earlier.
    pub fn as_of(&self, moment: Timestamp, retention: Duration) -> Option<Timestamp> {
        let last = self.iter().filter(|time| *time <= moment).max()?;
        (moment.since(last) <= retention).then_some(last)
    }

    /// The slot that `time` belongs into, what it holds, and what it is to hold; `None`: it is to be forgotten.
    pub(super) fn slot_for(&self, time: Timestamp) -> Option<(usize, u64, u64)> {
        let new = word_of(time);
        let of_its_span = |(_, word): &(usize, &u64)| {
            **word != NO_TIME && span_of(time_of(**word)) == span_of(time)
        };
        let slots = || self.0.iter().enumerate();
        if let Some((index, known)) = slots().find(of_its_span) {
            return (new < *known).then_some((index, *known, new));
        }
        let (index, oldest) = slots().min_by_key(|(_, word)| **word)?;
        (*oldest < new).then_some((index, *oldest, new))
    }
}

/// The half of a second in which a moment lies, by its begin.
pub const fn span_of(time: Timestamp) -> Timestamp {
    time.floor(SPAN)
}

/// The shift by half the range keeps times before 1970 in order.
const fn word_of(time: Timestamp) -> u64 {
    let word = (time.as_nanos() as u64) ^ (1 << 63);
    if word == NO_TIME { 1 } else { word }
}

const fn time_of(word: u64) -> Timestamp {
    Timestamp::from_nanos((word ^ (1 << 63)) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_nanos(millisecond * 1_000_000)
    }

    #[test]
    fn the_newest_halves_of_seconds_are_kept_whatever_the_order() {
        let times = [500, 650, 1_250, -1_500, 2_100, 3_885, 4_505];
        let kept = |times: &[i64]| {
            let times = times.iter().map(|time| at(*time));
            let mut kept: Vec<_> = times.fold(Times::default(), Times::with).iter().collect();
            kept.sort_unstable();
            kept
        };
        let expected = [1_250, 2_100, 3_885, 4_505].map(at);
        assert_eq!(kept(&times), expected);
        let mut reversed = times;
        reversed.reverse();
        assert_eq!(kept(&reversed), expected);
        assert_eq!(
            kept(&[830, 500]),
            [at(500)],
            "of half a second the earliest"
        );
    }

    #[test]
    fn a_name_that_is_answered_all_the_time_is_known_as_of_a_second_ago() {
        let all = (0..100).fold(Times::default(), |times, tick| times.with(at(tick * 100)));
        let as_of = |moment| all.as_of(at(moment), Duration::from_secs(60));
        assert_eq!(
            [8_900, 9_170].map(as_of),
            [Some(at(8_500)), Some(at(9_000))]
        );
    }

    #[test]
    fn a_look_back_finds_the_one_before() {
        let times = Times::of(at(-300)).with(at(500)).and(&Times::of(at(250)));
        let as_of = |moment| times.as_of(at(moment), Duration::from_secs(1));
        assert_eq!(as_of(-301), None);
        assert_eq!(as_of(260), Some(at(250)));
        assert_eq!(as_of(1_500), Some(at(500)));
        assert_eq!(as_of(1_501), None);
        assert_eq!(times.newest(), Some(at(500)));
    }
}
