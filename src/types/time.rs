//! Packet time. The system clock is never read here: time is an argument, taken from the packet.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A moment of packet time, in nanoseconds since 1970-01-01T00:00:00 UTC.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The latest moment that can be expressed (in the year 2262).
    pub const MAX: Self = Self(i64::MAX);
    /// The earliest one.
    pub const MIN: Self = Self(i64::MIN);
    /// 1970-01-01T00:00:00 UTC.
    pub const EPOCH: Self = Self(0);

    /// From nanoseconds since the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From whole seconds since the epoch and nanoseconds within the second; what overflows saturates.
    pub const fn from_seconds(seconds: i64, nanos: u32) -> Self {
        Self(
            seconds
                .saturating_mul(NANOS_PER_SECOND)
                .saturating_add(nanos as i64),
        )
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch (rounded down) and the nanoseconds above them.
    pub const fn seconds_and_nanos(self) -> (i64, u32) {
        (
            self.0.div_euclid(NANOS_PER_SECOND),
            self.0.rem_euclid(NANOS_PER_SECOND) as u32,
        )
    }

    /// The time from `earlier` to this moment; zero where `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        let nanos = self.0.saturating_sub(earlier.0);
        Duration::from_nanos(if nanos > 0 { nanos as u64 } else { 0 })
    }

    /// This moment plus `duration`, saturating.
    pub const fn plus(self, duration: Duration) -> Self {
        let nanos = duration.as_nanos();
        let nanos = if nanos > i64::MAX as u128 {
            i64::MAX
        } else {
            nanos as i64
        };
        Self(self.0.saturating_add(nanos))
    }

    /// This moment minus `duration`, saturating.
    pub const fn minus(self, duration: Duration) -> Self {
        let nanos = duration.as_nanos();
        let nanos = if nanos > i64::MAX as u128 {
            i64::MAX
        } else {
            nanos as i64
        };
        Self(self.0.saturating_sub(nanos))
    }

    /// The last moment at or before this one that is a multiple of `step` from the epoch: a minute or an hour begins there.
    pub const fn floor(self, step: Duration) -> Self {
        let step = step.as_nanos() as i64;
        if step == 0 {
            return self;
        }
        Self(self.0.div_euclid(step).saturating_mul(step))
    }

    /// The tick that this moment lies in.
    pub const fn tick(self) -> Tick {
        Tick(self.0.div_euclid(Tick::NANOS))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = self.seconds_and_nanos();
        write!(f, "{seconds}.{nanos:09}")
    }
}

/// A span of 100 ms of packet time, numbered from the epoch.
///
/// Within a tick workers run freely; what needs an order between them happens at a tick's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub i64);

impl Tick {
    /// Length of a tick in nanoseconds.
    pub const NANOS: i64 = 100_000_000;
    /// The same as a duration.
    pub const LENGTH: Duration = Duration::from_nanos(Self::NANOS as u64);

    /// The first moment of this tick.
    pub const fn start(self) -> Timestamp {
        Timestamp(self.0.saturating_mul(Self::NANOS))
    }

    /// The first moment after this tick.
    pub const fn end(self) -> Timestamp {
        Self(self.0.saturating_add(1)).start()
    }

    /// The tick whose *start* is the first tick boundary at or after `moment`.
    pub const fn boundary_at_or_after(moment: Timestamp) -> Self {
        let tick = moment.tick();
        if tick.start().0 == moment.0 {
            tick
        } else {
            Self(tick.0.saturating_add(1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_before_the_epoch_rounds_down() {
        assert_eq!(Timestamp::from_nanos(-1).tick(), Tick(-1));
        assert_eq!(Timestamp::from_nanos(0).tick(), Tick(0));
        assert_eq!(Timestamp::from_nanos(99_999_999).tick(), Tick(0));
        assert_eq!(Timestamp::from_nanos(100_000_000).tick(), Tick(1));
    }

    #[test]
    fn a_boundary_is_its_own_next_boundary() {
        assert_eq!(Tick::boundary_at_or_after(Tick(7).start()), Tick(7));
        assert_eq!(
            Tick::boundary_at_or_after(Timestamp::from_nanos(Tick(7).start().as_nanos() + 1)),
            Tick(8)
        );
    }

    #[test]
    fn a_minute_and_an_hour_begin_where_clocks_say() {
        let at = Timestamp::from_seconds(7_265, 5);
        let floor = |seconds| at.floor(Duration::from_secs(seconds)).seconds_and_nanos();
        assert_eq!(floor(60), (7_260, 0));
        assert_eq!(floor(3_600), (7_200, 0));
        let before = Timestamp::from_seconds(-1, 0);
        assert_eq!(
            before.floor(Duration::from_secs(60)).seconds_and_nanos(),
            (-60, 0)
        );
    }

    #[test]
    fn time_never_overflows() {
        assert_eq!(Timestamp::MAX.plus(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::MAX), Duration::ZERO);
        assert_eq!(Timestamp::from_seconds(i64::MAX, 5), Timestamp::MAX);
    }
}
