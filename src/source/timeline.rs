//! The frames of a replay, each with the packet time at which it counts.
//!
//! A stamp that claims a jump of over an hour may be broken, so its frame is held until the frames behind it agree or disagree, or lie
//! still later. Those of a true jump then count at their own time, those of a broken stamp at the time before it. At most as many
//! frames are held as confirm a jump.

use std::collections::VecDeque;

use super::clock::{ClockCounters, FEWEST_FRAMES, JUMP, PacketClock};
use super::replay::{Replay, ReplayFrame};
use super::{FileError, Head};
use crate::types::{Stamp, Timestamp};

/// A frame and its time.
#[derive(Clone, Copy, Debug)]
pub struct TimedFrame<'a> {
    /// Which one, and when.
    pub stamp: Stamp,
    /// What the file says of it.
    pub head: Head,
    /// Its captured bytes.
    pub data: &'a [u8],
}

/// Frames in packet time.
#[derive(Debug)]
pub struct Timeline {
    replay: Replay,
    clock: PacketClock,
    /// Frames that claim a jump which nothing has confirmed yet.
    held: Vec<Held>,
    /// Frames that were held, with their times.
    ready: VecDeque<Held>,
    at_hand: Option<Held>,
    has_ended: bool,
}

/// A copy of a frame.
#[derive(Clone, Debug)]
struct Held {
    stamp: Stamp,
    head: Head,
    data: Vec<u8>,
}

/// Where the frame at hand lies.
enum Place {
    Replay(Timestamp),
    Held,
}

impl Timeline {
    /// The frames of `replay`.
    pub fn new(replay: Replay) -> Self {
        Self {
            replay,
            clock: PacketClock::default(),
            held: Vec::new(),
            ready: VecDeque::new(),
            at_hand: None,
            has_ended: false,
        }
    }

    /// The next frame, or a file's failure; `None` when every file has ended.
    #[allow(
        clippy::should_implement_trait,
        reason = "a frame borrows from the timeline, which an Iterator's item cannot"
    )]
    pub fn next(&mut self) -> Option<Result<TimedFrame<'_>, FileError>> {
        match self.advance()? {
            Ok(Place::Held) => self.at_hand.as_ref().map(|held| Ok(held.as_frame())),
            Ok(Place::Replay(now)) => self.replay.frame().map(|frame| Ok(timed(frame, now))),
            Err(failure) => Some(Err(failure)),
        }
    }

    /// Passes at most `most` of the next frames at once, as long as they are of the plainest kind: none where [`Self::next`] has to be asked.
    #[inline]
    pub fn pass<'a>(&'a mut self, most: usize, each: &mut impl FnMut(TimedFrame<'a>)) {
        if self.at_hand.is_some() || !self.ready.is_empty() || !self.held.is_empty() {
            return;
        }
        let clock = &mut self.clock;
        self.replay.pass(most, &mut |head, stamp, data| {
            let is_next = clock.step(head.timestamp).is_some();
            if is_next {
                each(TimedFrame { stamp, head, data });
            }
            is_next
        });
    }

    /// The replay behind it.
    pub const fn replay(&self) -> &Replay {
        &self.replay
    }

    /// Stamps that did not set the clock.
    pub const fn counters(&self) -> &ClockCounters {
        self.clock.counters()
    }

    fn advance(&mut self) -> Option<Result<Place, FileError>> {
        loop {
            if self.at_hand.is_some() || !self.ready.is_empty() {
                self.at_hand = self.ready.pop_front();
                if self.at_hand.is_some() {
                    return Some(Ok(Place::Held));
                }
            }
            if self.has_ended {
                return None;
            }
            match self.replay.advance() {
                Some(Ok(())) => {
                    if let Some(now) = self.observe() {
                        return Some(Ok(Place::Replay(now)));
                    }
                }
                Some(Err(failure)) => return Some(Err(failure)),
                None => self.end(),
            }
        }
    }

    /// Sets the clock by the frame at hand; gives its time, unless it is held.
    fn observe(&mut self) -> Option<Timestamp> {
        let frame = self.replay.frame()?;
        let before = self.clock.now();
        let Some(before) = before else {
            return self.first(frame.head.timestamp);
        };
        let jumps = self.clock.counters().jumps;
        let now = self.clock.observe(frame.head.timestamp);
        let agreeing = self.clock.unconfirmed();
        if agreeing.is_none() && self.held.is_empty() {
            return Some(now);
        }
        let mut frame = Held::new(frame, now);
        let is_confirmed = self.clock.counters().jumps > jumps;
        if agreeing.is_none_or(|frames| frames == 1) {
            let latest = self.release(is_confirmed, before);
            frame = frame.at(self.clock.reach(latest));
        }
        if agreeing.is_some() {
            self.held.push(frame);
        } else {
            self.ready.push_back(frame);
        }
        None
    }

    /// The first stamp of all starts the clock, unless the second one shows that it is broken: then both count at the second's time.
    fn first(&mut self, stamp: Timestamp) -> Option<Timestamp> {
        let frame = self.replay.frame()?;
        if self.held.is_empty() {
            self.held.push(Held::new(frame, stamp));
            return None;
        }
        let second = Held::new(frame, stamp);
        for mut first in std::mem::take(&mut self.held) {
            let is_broken = first.head.timestamp.since(stamp) > JUMP;
            let start = if is_broken {
                stamp
            } else {
                first.head.timestamp
            };
            first.stamp.timestamp = self.clock.observe(start);
            self.ready.push_back(first);
        }
        let now = self.clock.observe(stamp);
        if self.clock.unconfirmed().is_some() {
            self.held.push(second);
        } else {
            self.ready.push_back(second.at(now));
        }
        None
    }

    /// The frames held count at their own times, or, where what they claim was wrong, at the time before; gives the time of the last.
    fn release(&mut self, is_confirmed: bool, before: Timestamp) -> Timestamp {
        let mut now = before;
        for held in self.held.drain(..) {
            if is_confirmed {
                now = now.max(held.head.timestamp);
            }
            self.ready.push_back(held.at(now));
        }
        now
    }

    /// At the end a jump is believed where few frames agree on it.
    fn end(&mut self) {
        self.has_ended = true;
        let first = self.held.first().map(|held| held.head.timestamp);
        let before = self.clock.now().or(first).unwrap_or_default();
        self.release(self.held.len() >= FEWEST_FRAMES as usize, before);
    }
}

impl Held {
    fn new(frame: ReplayFrame<'_>, now: Timestamp) -> Self {
        Self {
            stamp: stamp(&frame, now),
            head: frame.head,
            data: frame.data.to_vec(),
        }
    }

    fn at(mut self, now: Timestamp) -> Self {
        self.stamp.timestamp = now;
        self
    }

    fn as_frame(&self) -> TimedFrame<'_> {
        TimedFrame {
            stamp: self.stamp,
            head: self.head,
            data: &self.data,
        }
    }
}

const fn stamp(frame: &ReplayFrame<'_>, now: Timestamp) -> Stamp {
    Stamp {
        timestamp: now,
        recorded: frame.head.timestamp,
        number: frame.number,
        number_in_origin: frame.number_in_origin,
        origin: frame.origin,
    }
}

const fn timed(frame: ReplayFrame<'_>, now: Timestamp) -> TimedFrame<'_> {
    TimedFrame {
        stamp: stamp(&frame, now),
        head: frame.head,
        data: frame.data,
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::source::Order;

    /// Every frame of a file. `most`: how many are passed at once; 0: each is asked for.
    fn frames(path: &Path, most: usize) -> Vec<(Stamp, Head, Vec<u8>)> {
        let mut timeline = Timeline::new(Replay::new(vec![path.to_owned()], Order::ByTime));
        let mut frames = Vec::new();
        let held = |frame: TimedFrame<'_>| (frame.stamp, frame.head, frame.data.to_vec());
        loop {
            let before = frames.len();
            timeline.pass(most, &mut |frame| frames.push(held(frame)));
            if frames.len() == before {
                let Some(frame) = timeline.next() else {
                    return frames;
                };
                frames.push(held(frame.unwrap()));
            }
        }
    }

    /// The times at which frames with these stamps (in seconds) count.
    fn times(stamps: &[u32]) -> Vec<i64> {
        let stamps: Vec<u64> = stamps
            .iter()
            .map(|stamp| u64::from(*stamp) * 1_000)
            .collect();
        let times = times_in_milliseconds(&stamps);
        times.iter().map(|time| time / 1_000).collect()
    }

    fn times_in_milliseconds(stamps: &[u64]) -> Vec<i64> {
        let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
        file.extend([0; 8]);
        file.extend(65_535_u32.to_le_bytes());
        file.extend(1_u32.to_le_bytes());
        for (stamp, filling) in stamps.iter().zip(0..) {
            let [seconds, micros] = [stamp / 1_000, stamp % 1_000 * 1_000];
            file.extend(
                [seconds as u32, micros as u32, 60, 60]
                    .map(u32::to_le_bytes)
                    .concat(),
            );
            file.extend([filling; 60]);
        }
        let path: PathBuf = std::env::temp_dir().join(format!(
            "patchspan-timeline-{}-{}.pcap",
            std::process::id(),
            stamps
                .iter()
                .map(u64::to_string)
                .collect::<Vec<_>>()
                .join("-")
        ));
        std::fs::write(&path, file).unwrap();
        let asked_for = frames(&path, 0);
        for most in [1, 3, 16] {
            assert_eq!(frames(&path, most), asked_for, "{most} at once");
        }
        std::fs::remove_file(path).unwrap();
        let time = |((stamp, _, data), recorded): (&(Stamp, Head, Vec<u8>), &u64)| {
            assert_eq!(stamp.number, u64::from(data[0]) + 1);
            assert_eq!(stamp.recorded.as_nanos() as u64, recorded * 1_000_000);
            stamp.timestamp.as_nanos() / 1_000_000
        };
        assert_eq!(asked_for.len(), stamps.len());
        asked_for.iter().zip(stamps).map(time).collect()
    }

    #[test]
    fn frames_behind_the_clock_count_at_its_time() {
        assert_eq!(times(&[5, 3, 6]), [5, 5, 6]);
    }

    #[test]
    fn a_broken_stamp_counts_at_the_time_before_it() {
        assert_eq!(times(&[5, 1_000_000, 6]), [5, 5, 6]);
        assert_eq!(times(&[5, 1_000_000]), [5, 5]);
    }

    #[test]
    fn frames_of_a_true_jump_count_at_their_own_time() {
        assert_eq!(
            times(&[5, 10_000, 10_000, 10_002, 10_003]),
            [5, 10_000, 10_000, 10_002, 10_003]
        );
        assert_eq!(times(&[5, 10_000, 10_000]), [5, 10_000, 10_000]);
    }

    #[test]
    fn few_frames_every_few_hours_count_at_their_own_times() {
        let polls = [5, 10_000, 10_000, 20_000, 20_000, 30_000, 30_000, 30_000];
        assert_eq!(times(&polls), polls.map(i64::from));
        // A lone one may be wrong, and so may the first of those that come back.
        assert_eq!(
            times(&[5, 10_000, 20_000, 20_000, 30_000, 6]),
            [5, 5, 20_000, 20_000, 20_000, 20_000]
        );
    }

    #[test]
    fn time_does_not_run_back_where_a_jump_is_confirmed_out_of_order() {
        // Frames confirm the jump, within less than a second, and the last of them lies behind others.
        let stamps = [5_000, 10_000_000, 10_000_900].into_iter();
        let stamps: Vec<u64> = stamps.chain([10_000_500; 15]).chain([10_000_950]).collect();
        let times = times_in_milliseconds(&stamps);
        assert!(times.is_sorted(), "{times:?}");
        assert_eq!(times.last(), Some(&10_000_950));
    }

    #[test]
    fn a_broken_stamp_in_front_does_not_stop_the_clock() {
        assert_eq!(times(&[2_000_000_000, 5, 6]), [5, 5, 6]);
        assert_eq!(times(&[0, 1_000_000, 1_000_002]), [0, 1_000_000, 1_000_002]);
    }

    #[test]
    fn a_lone_frame_counts() {
        assert_eq!(times(&[7]), [7]);
    }
}
