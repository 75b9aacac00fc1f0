//! Packet time that never runs back.
//!
//! A file's stamps may be out of order, and one broken stamp must not end every flow. So the clock follows the stamps forward
//! only, and a jump of more than an hour only once the stamps after it agree, or two of them where the next lies still later.
//!
//! Blind spot: broken stamps that agree for a moment, and then lie still later, are believed.

use std::time::{Duration, SystemTime};

use crate::types::Timestamp;

/// A longer step forward must be confirmed.
pub(super) const JUMP: Duration = Duration::from_secs(3_600);
/// What lies further behind has wrong times by the clock.
const FAR: Duration = Duration::from_secs(1);
/// Frames that confirm a jump.
const CONFIRMING_FRAMES: u32 = 16;
/// Frames that confirm a jump where the next one lies still later; for a timeline, also where none follows.
pub(super) const FEWEST_FRAMES: u32 = 2;
/// Capture time that confirms a jump.
const CONFIRMING_TIME: Duration = Duration::from_secs(1);

crate::counters! {
    /// Stamps that did not set the clock.
    pub struct ClockCounters {
        /// Frames whose stamp lay behind the clock.
        behind: "clock.behind",
        /// Of those, frames that lay more than a second behind it.
        far_behind: "clock.far_behind",
        /// Frames that claimed a jump which nothing had confirmed yet.
        unconfirmed: "clock.unconfirmed",
        /// Jumps that were confirmed.
        jumps: "clock.jumps",
    }
}

/// What the clock on the wall says: for live runs only.
pub fn wall_time() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp::EPOCH.plus(since.unwrap_or_default())
}

/// A clock that is set by packets.
#[derive(Clone, Debug, Default)]
pub struct PacketClock {
    now: Option<Timestamp>,
    jump: Option<Jump>,
    counters: ClockCounters,
}

#[derive(Clone, Copy, Debug)]
struct Jump {
    first: Timestamp,
    last: Timestamp,
    frames: u32,
}

impl Jump {
    const fn to(stamp: Timestamp) -> Self {
        Self {
            first: stamp,
            last: stamp,
            frames: 1,
        }
    }

    fn agrees(&self, stamp: Timestamp) -> bool {
        stamp >= self.first && stamp.since(self.first) <= JUMP
    }
}

impl PacketClock {
    /// Takes in a frame's stamp; gives the time that it is now.
    pub fn observe(&mut self, stamp: Timestamp) -> Timestamp {
        let Some(now) = self.now else {
            self.now = Some(stamp);
            return stamp;
        };
        let next = if stamp < now {
            self.counters.behind += 1;
            self.counters.far_behind += u64::from(now.since(stamp) > FAR);
            self.jump = None;
            now
        } else if stamp.since(now) > JUMP {
            self.confirm(now, stamp)
        } else {
            self.jump = None;
            stamp
        };
        self.now = Some(next);
        next
    }

    /// As [`Self::observe`], where nearly every stamp lies: not behind the clock, an hour ahead at most, and no jump in question.
    /// `None`, and nothing changes, where it lies elsewhere.
    pub fn step(&mut self, stamp: Timestamp) -> Option<Timestamp> {
        let now = self
            .now
            .filter(|now| self.jump.is_none() && stamp >= *now)?;
        if stamp > now.plus(JUMP) {
            return None;
        }
        self.now = Some(stamp);
        self.now
    }

    /// It is at least `time`, at which a frame counted; gives the time that it is.
    pub fn reach(&mut self, time: Timestamp) -> Timestamp {
        let now = self.now.map_or(time, |now| now.max(time));
        self.now = Some(now);
        now
    }

    /// The time that it is now; `None` before the first frame.
    pub const fn now(&self) -> Option<Timestamp> {
        self.now
    }

    /// The jump that the last stamps claim and that is not confirmed: how many frames agree on it.
    pub fn unconfirmed(&self) -> Option<u32> {
        self.jump.map(|jump| jump.frames)
    }

    /// Stamps that did not set it.
    pub const fn counters(&self) -> &ClockCounters {
        &self.counters
    }

    fn confirm(&mut self, mut now: Timestamp, stamp: Timestamp) -> Timestamp {
        let jump = match self.jump {
            Some(jump) if jump.agrees(stamp) => Jump {
                last: jump.last.max(stamp),
                frames: jump.frames + 1,
                ..jump
            },
            Some(jump) if jump.frames >= FEWEST_FRAMES && stamp > jump.first => {
                // Few frames, and hours later the next few.
                self.counters.jumps += 1;
                now = jump.last;
                if stamp.since(now) <= JUMP {
                    self.jump = None;
                    return stamp;
                }
                Jump::to(stamp)
            }
            _ => Jump::to(stamp),
        };
        if jump.frames >= CONFIRMING_FRAMES || stamp.since(jump.first) >= CONFIRMING_TIME {
            self.counters.jumps += 1;
            self.jump = None;
            return stamp;
        }
        self.counters.unconfirmed += 1;
        self.jump = Some(jump);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second, 0)
    }

    #[test]
    fn time_never_runs_back() {
        let mut clock = PacketClock::default();
        assert_eq!(
            [5, 3, 6].map(|second| clock.observe(at(second))),
            [at(5), at(5), at(6)]
        );
        assert_eq!(clock.counters().behind, 1);
    }

    #[test]
    fn a_step_is_what_a_clock_without_steps_observes() {
        let (mut stepping, mut plain) = (PacketClock::default(), PacketClock::default());
        for stamp in [5, 5, 6, 4, 9_000, 9_001, 7, 3_607, 3_606, 20_000, 8] {
            let stamp = at(stamp);
            let now = stepping
                .step(stamp)
                .unwrap_or_else(|| stepping.observe(stamp));
            assert_eq!(now, plain.observe(stamp));
            assert_eq!(stepping.unconfirmed(), plain.unconfirmed());
        }
        assert_eq!(stepping.counters().behind, plain.counters().behind);
    }

    #[test]
    fn one_broken_stamp_does_not_move_the_clock() {
        let mut clock = PacketClock::default();
        clock.observe(at(0));
        assert_eq!(clock.observe(at(1_000_000)), at(0));
        assert_eq!(clock.observe(at(1)), at(1));
    }

    #[test]
    fn a_jump_counts_once_frames_or_a_second_agree() {
        let mut clock = PacketClock::default();
        clock.observe(at(0));
        for _ in 0..15 {
            assert_eq!(clock.observe(at(10_000)), at(0));
        }
        assert_eq!(clock.observe(at(10_000)), at(10_000));
        assert_eq!(clock.observe(at(20_000)), at(10_000));
        assert_eq!(clock.observe(at(20_001)), at(20_001));
        assert_eq!(clock.counters().jumps, 2);
        assert_eq!(clock.counters().unconfirmed, 16);
    }

    #[test]
    fn few_frames_confirm_a_jump_where_the_next_lies_still_later() {
        let mut clock = PacketClock::default();
        let stamps = [
            0, 10_000, 10_000, 20_000, 20_000, 23_600, 40_000, 60_000, 60_000, 5,
        ];
        let times = stamps.map(|second| clock.observe(at(second)));
        // 40,000 is alone: nothing says that it is right.
        let expected = [
            0, 0, 0, 10_000, 10_000, 23_600, 23_600, 23_600, 23_600, 23_600,
        ];
        assert_eq!(times, expected.map(at));
        assert_eq!(clock.counters().jumps, 2);
    }

    #[test]
    fn stamps_that_disagree_confirm_nothing() {
        let mut clock = PacketClock::default();
        clock.observe(at(0));
        for frame in 0..100_i64 {
            let odd = if frame % 2 == 0 { 1_000_000 } else { 9_000_000 };
            assert_eq!(clock.observe(at(odd)), at(0));
        }
    }

    #[test]
    fn a_step_of_an_hour_needs_no_confirmation() {
        let mut clock = PacketClock::default();
        clock.observe(at(0));
        assert_eq!(clock.observe(at(3_600)), at(3_600));
        assert_eq!(clock.now(), Some(at(3_600)));
    }
}
