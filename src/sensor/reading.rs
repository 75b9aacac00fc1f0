//! What a replay reads: frames in packet time, some at once, cut into ticks and steps.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::replay::Event;
use super::statistics::Counts;
use crate::config::job::ReplayOutcome;
use crate::decode::{Decoder, FrameInput};
use crate::flows::AT_ONCE;
use crate::source::{FileError, LinkType, Replay, SourceError, TimedFrame, Timeline};
use crate::types::{Tick, Timestamp};

/// Frames between two words on how far it is.
const FRAMES_BETWEEN: usize = 4_096;
/// Frames of a step.
const STEP_FRAMES: usize = 4_096;
/// Their bytes on the wire.
const STEP_BYTES: u64 = 1 << 20;

/// Reads frames.
pub(super) struct Reader<'e> {
    timeline: Timeline,
    seen: Seen,
    is_over: Arc<AtomicBool>,
    on_event: &'e mut (dyn FnMut(Event<'_>) + Send),
    outcome: ReplayOutcome,
    frames: usize,
    /// How many there were at the last word.
    told: usize,
}

/// What is noted of frames when they are read.
#[derive(Default)]
struct Seen {
    /// The time of the first one.
    first: Option<Timestamp>,
    /// Files with frames of a link type that is not decoded.
    undecoded: BTreeSet<(u16, LinkType)>,
}

/// Frames that are at hand all at once.
struct Group<'a> {
    frames: [FrameInput<'a>; AT_ONCE],
    len: usize,
}

/// Cuts frames into ticks and steps, at the same places for any number of workers.
#[derive(Debug)]
pub(super) struct Cutter {
    frames: usize,
    bytes: u64,
    tick: Tick,
    /// When that ends.
    end: Timestamp,
}

impl<'e> Reader<'e> {
    /// Reads until the files end, or `is_over`.
    pub fn new(
        replay: Replay,
        is_over: Arc<AtomicBool>,
        on_event: &'e mut (dyn FnMut(Event<'_>) + Send),
    ) -> Self {
        Self {
            timeline: Timeline::new(replay),
            seen: Seen::default(),
            is_over,
            on_event,
            outcome: ReplayOutcome::default(),
            frames: 0,
            told: 0,
        }
    }

    /// Hands the next frames to `take`, at most [`AT_ONCE`], where they lie; false where there are no more.
    pub fn next(&mut self, take: &mut impl FnMut(&[FrameInput<'_>])) -> bool {
        if self.is_over.load(Ordering::Relaxed) {
            return false;
        }
        let mut group = Group::new();
        self.timeline
            .pass(AT_ONCE, &mut |frame| group.push(input(frame)));
        if group.frames().is_empty() {
            self.frames += 1;
            match self.timeline.next() {
                Some(Ok(frame)) => {
                    let frame = input(frame);
                    self.seen.note(&frame);
                    take(&[frame]);
                }
                Some(Err(failure)) => self.failed(&failure),
                None => return false,
            }
        } else {
            self.frames += group.frames().len();
            group
                .frames()
                .iter()
                .for_each(|frame| self.seen.note(frame));
            take(group.frames());
        }
        if self.frames - self.told >= FRAMES_BETWEEN {
            self.told = self.frames;
            let read = self.timeline.replay().bytes_read();
            (self.on_event)(Event::Progress(read));
        }
        true
    }

    /// The time of the first frame; `None`: there was none.
    pub const fn first(&self) -> Option<Timestamp> {
        self.seen.first
    }

    /// Tells what could not be decoded, once all is read, and adds what was counted.
    pub fn finish(&mut self, counts: &mut Counts) -> ReplayOutcome {
        for (origin, link_type) in std::mem::take(&mut self.seen.undecoded) {
            let files = self.timeline.replay().files();
            let failure = FileError {
                path: files.get(usize::from(origin)).cloned().unwrap_or_default(),
                error: SourceError::LinkType(link_type),
            };
            self.failed(&failure);
        }
        counts.add(self.timeline.counters().iter());
        counts.add(self.timeline.replay().counters().iter());
        std::mem::take(&mut self.outcome)
    }

    fn failed(&mut self, failure: &FileError) {
        (self.on_event)(Event::File(failure));
        if failure.is_cut() {
            self.outcome.cut += 1;
        } else {
            self.outcome.unreadable += 1;
        }
    }
}

impl Seen {
    #[inline]
    fn note(&mut self, frame: &FrameInput<'_>) {
        self.first.get_or_insert(frame.stamp.timestamp);
        let link_type = LinkType(frame.link_type);
        if link_type != LinkType::ETHERNET && !Decoder::supports(frame.link_type) {
            self.undecoded.insert((frame.stamp.origin, link_type));
        }
    }
}

impl<'a> Group<'a> {
    fn new() -> Self {
        // Not by `Default`, which takes an array apart: 2 KB of instructions, once a group.
        Self {
            frames: [FrameInput::default(); AT_ONCE],
            len: 0,
        }
    }

    #[inline]
    fn push(&mut self, frame: FrameInput<'a>) {
        if let Some(place) = self.frames.get_mut(self.len) {
            *place = frame;
            self.len += 1;
        }
    }

    fn frames(&self) -> &[FrameInput<'a>] {
        self.frames.get(..self.len).unwrap_or_default()
    }
}

impl Default for Cutter {
    fn default() -> Self {
        Self {
            frames: 0,
            bytes: 0,
            tick: Tick(i64::MIN),
            end: Timestamp::MIN,
        }
    }
}

impl Cutter {
    /// A frame comes; gives the tick that begins with it, where one does.
    #[inline]
    pub fn frame(&mut self, frame: &FrameInput<'_>) -> Option<Tick> {
        self.frames += 1;
        self.bytes += u64::from(frame.wire_length);
        let now = frame.stamp.timestamp;
        // The last tick of all has no end.
        (now >= self.end && now.tick() > self.tick).then(|| self.begin(now.tick()))
    }

    /// Whether the step is large enough, so that the next one begins: asked where frames that come at once end.
    pub const fn is_full(&mut self) -> bool {
        let is_full = self.frames >= STEP_FRAMES || self.bytes >= STEP_BYTES;
        if is_full {
            (self.frames, self.bytes) = (0, 0);
        }
        is_full
    }

    /// The tick of the moment.
    pub const fn tick(&self) -> Tick {
        self.tick
    }

    /// The end of input: the tick behind that of the last frame, where there was one, and the boundary at which what is open ends. Nothing was
    /// told later.
    pub fn finish(&mut self) -> (Option<Tick>, Timestamp) {
        if self.tick == Tick(i64::MIN) {
            return (None, Timestamp::EPOCH);
        }
        let last = self.begin(Tick(self.tick.0.saturating_add(1)));
        (Some(last), last.end())
    }

    const fn begin(&mut self, tick: Tick) -> Tick {
        (self.tick, self.end) = (tick, tick.end());
        tick
    }
}

fn input(frame: TimedFrame<'_>) -> FrameInput<'_> {
    FrameInput {
        stamp: frame.stamp,
        link_type: frame.head.link_type.0,
        wire_length: frame.head.wire_length,
        data: frame.data,
    }
}
