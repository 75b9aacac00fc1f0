//! One socket of one worker on one interface: opened, emptied of what came too early, read, lost, opened again.
//!
//! ```text
//! Closed ──turn in the group──► Settling ──group complete, strays gone──► Open
//!    ▲                              │                                      │
//!    └───────── interface gone, or the epoch of the group over ────────────┘
//! ```
//!
//! A socket sees every frame of its interface from its activation until it has joined its group. So from the first moment the kernel
//! refuses all frames for it; what came before that is thrown away; and only when all sockets of the group are there does
//! it get its filter.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollTimeout, poll};
use pcap::{Active, Capture, Packet, Precision};

use super::counters::{Narrow, SocketCounters};
use super::fanout::{self, Group};
use super::interface::{self, Link};
use super::{LiveError, LiveFrame, LiveOptions};
use crate::source::{Head, LinkType};
use crate::types::Timestamp;
use crate::types::hints::prefetch_behind;

/// After this time the kernel hands over a block of the ring that is not full. It may take twice as long, so that a frame on a
/// slow link is late by 80 ms at most.
const BLOCK_TIMEOUT_MS: i32 = 40;
/// A frame that another core was about to put into the ring is there by then.
const SETTLE_MIN: Duration = Duration::from_millis(20);
/// What came too early lies in a block that the kernel has handed over by then.
const SETTLE_MAX: Duration = Duration::from_millis(300);
/// Most frames of a socket in one turn of its worker: so many that a turn costs nothing beside them, so few that the other
/// sockets do not wait long.
pub(super) const BATCH: usize = 512;
/// Between two tries to open an interface that is away.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LAST_DELAY: Duration = Duration::from_secs(1);
/// Between two looks at the interface and at libpcap's figures.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The same while it is down.
const LOOK_EVERY_DOWN: Duration = Duration::from_millis(100);
/// Ethernet header and two VLAN tags, which the MTU does not count.
const LINK_HEADER: u32 = 22;
/// Lines of the cache that the kernel's header of the next frame and that frame's own headers take.
const NEXT_LINES: usize = 3;

/// A socket and its history.
pub(super) struct Socket {
    interface: u16,
    worker: u16,
    name: String,
    options: Arc<LiveOptions>,
    group: Arc<Group>,
    counters: Arc<SocketCounters>,
    state: State,
    delay: Duration,
    next_try: Instant,
}

enum State {
    Closed,
    Settling(Handle, Instant),
    Open(Handle),
}

/// libpcap's handle and what belongs to its lifetime.
struct Handle {
    capture: Capture<Active>,
    epoch: u32,
    link: Link,
    link_type: LinkType,
    received: Narrow,
    dropped: Narrow,
    /// Frames that came too early and were thrown away.
    discarded: u32,
    /// Frames were left behind by the last batch.
    has_more: bool,
    next_look: Instant,
}

/// What happened to an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Somebody took it down. Its sockets stay, and go on by themselves when it is raised.
    Down,
    /// It was deleted, moved or renamed, or reading it failed. It is waited for by its name.
    Gone,
    /// It is back.
    Up,
}

impl Socket {
    pub(super) fn new(
        options: &Arc<LiveOptions>,
        (interface, worker): (u16, u16),
        group: &Arc<Group>,
        counters: Arc<SocketCounters>,
        now: Instant,
    ) -> Self {
        let name = options.interfaces.get(usize::from(interface));
        Self {
            interface,
            worker,
            name: name.cloned().unwrap_or_default(),
            options: Arc::clone(options),
            group: Arc::clone(group),
            counters,
            state: State::Closed,
            delay: FIRST_DELAY,
            next_try: now,
        }
    }

    /// Opens the socket if it is its turn. `Ok(false)`: it is not.
    pub(super) fn open(&mut self, now: Instant) -> Result<bool, LiveError> {
        let Some(turn) = self.group.turn_of(self.worker) else {
            return Ok(false);
        };
        let mut handle = Handle::activate(&self.name, &self.options, now)?;
        let joined = self.group.take_in(turn, &handle.capture);
        let epoch = joined.map_err(|reason| LiveError::Fanout {
            interface: self.name.clone(),
            reason,
        })?;
        let Some(epoch) = epoch else {
            return Ok(false);
        };
        handle.epoch = epoch;
        self.state = State::Settling(handle, now);
        Ok(true)
    }

    /// Throws away what came too early; gives the socket its filter once nothing of that is left and the group is complete.
    pub(super) fn settle(&mut self, now: Instant) -> Result<(), LiveError> {
        let State::Settling(handle, since) = &mut self.state else {
            return Ok(());
        };
        let age = now.saturating_duration_since(*since);
        if age < SETTLE_MIN || !self.group.is_complete(handle.epoch) {
            return Ok(());
        }
        let discarded = handle.discard();
        let is_settled = discarded.map_err(|error| LiveError::of_opening(&self.name, &error))?;
        if !is_settled && age < SETTLE_MAX {
            return Ok(());
        }
        let filter = self.options.filter.as_deref().unwrap_or_default();
        handle.set_filter(filter)?;
        if let State::Settling(handle, _) = std::mem::replace(&mut self.state, State::Closed) {
            self.state = State::Open(handle);
        }
        Ok(())
    }

    /// Keeps the socket alive; tells what happened to its interface, unless another worker told it.
    pub(super) fn maintain(&mut self, now: Instant) -> Option<Change> {
        let epoch = match &self.state {
            State::Closed => return self.open_again(now),
            State::Settling(handle, _) | State::Open(handle) => handle.epoch,
        };
        if epoch != self.group.epoch() {
            self.close(now);
            return None;
        }
        if let State::Settling(..) = &self.state {
            return self.settle_again(now);
        }
        let is_due = matches!(&self.state, State::Open(handle) if now >= handle.next_look);
        is_due.then(|| self.look(now)).flatten()
    }

    /// Looks at the interface and takes in libpcap's figures.
    pub(super) fn look(&mut self, now: Instant) -> Option<Change> {
        self.read_figures();
        let State::Open(handle) = &mut self.state else {
            return None;
        };
        handle.next_look = now + LOOK_EVERY;
        // Where the kernel's files cannot be read, libpcap's errors have to do.
        match interface::link(&self.name).ok()? {
            Some(link) if link.index == handle.link.index && link.is_up => {
                self.delay = FIRST_DELAY;
                self.group.tell_up().then_some(Change::Up)
            }
            Some(link) if link.index == handle.link.index => {
                handle.next_look = now + LOOK_EVERY_DOWN;
                self.group.tell_down().then_some(Change::Down)
            }
            _ => self.lose(now),
        }
    }

    /// Hands on what lies in the ring, at most a batch; gives the number of frames.
    pub(super) fn read(
        &mut self,
        numbers: &mut u64,
        sink: &mut impl FnMut(&LiveFrame<'_>),
    ) -> Result<usize, pcap::Error> {
        let State::Open(handle) = &mut self.state else {
            return Ok(0);
        };
        let mut frames = 0;
        let (mut merged, mut cut) = (0, 0);
        let before = self.counters.frames.sum();
        let longest = handle.link.mtu.saturating_add(LINK_HEADER);
        let (link_type, origin) = (handle.link_type, self.interface);
        let read = handle.capture.dispatch(Some(BATCH), |packet| {
            // Frames lie in the ring one behind the other, and the kernel wrote them on another core.
            prefetch_behind(packet.data, NEXT_LINES);
            frames += 1;
            merged += u64::from(packet.header.len > longest);
            cut += u64::from(packet.header.caplen < packet.header.len);
            sink(&LiveFrame {
                head: head(&packet, link_type),
                data: packet.data,
                number: *numbers + frames,
                origin,
                number_in_origin: before + frames,
            });
        });
        *numbers += frames;
        self.counters.frames.add(frames);
        self.counters.merged.add(merged);
        self.counters.cut.add(cut);
        handle.has_more = frames >= BATCH as u64;
        read.map(|_| frames as usize)
    }

    /// The interface is away.
    pub(super) fn lose(&mut self, now: Instant) -> Option<Change> {
        if let State::Settling(handle, _) | State::Open(handle) = &self.state {
            self.group.lose(handle.epoch);
        }
        self.close(now);
        self.group.tell_down().then_some(Change::Gone)
    }

    /// From now on no frame comes in; what lies in the ring can still be read.
    pub(super) fn refuse_all(&mut self) -> io::Result<()> {
        match &self.state {
            State::Settling(handle, _) | State::Open(handle) => fanout::refuse_all(&handle.capture),
            State::Closed => Ok(()),
        }
    }

    /// Takes in libpcap's figures.
    pub(super) fn read_figures(&mut self) {
        let State::Open(handle) = &mut self.state else {
            return;
        };
        if let Ok((received, dropped)) = handle.figures() {
            self.counters.received.add(received);
            self.counters.dropped.add(dropped);
        }
    }

    /// Frames that the socket took in and that were neither handed on nor dropped.
    pub(super) fn waiting(&mut self) -> u64 {
        self.read_figures();
        let figures = self.counters.figures();
        (figures.received).saturating_sub(figures.dropped + figures.frames)
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    pub(super) fn has_more(&self) -> bool {
        matches!(&self.state, State::Open(handle) if handle.has_more)
    }

    /// What to wait for; `None` where there is nothing to be read.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Open(handle) => Some(handle.capture.as_fd()),
            _ => None,
        }
    }

    fn open_again(&mut self, now: Instant) -> Option<Change> {
        if now < self.next_try {
            return None;
        }
        match self.open(now) {
            Ok(true) => self.counters.reopened.add(1),
            // Another worker's turn.
            Ok(false) => {}
            Err(_) => self.back_off(now),
        }
        None
    }

    fn settle_again(&mut self, now: Instant) -> Option<Change> {
        if self.settle(now).is_err() {
            return self.lose(now);
        }
        (self.is_open() && self.group.tell_up()).then_some(Change::Up)
    }

    fn close(&mut self, now: Instant) {
        // What lay in the ring and went with it was dropped, too.
        let lost = self.waiting();
        self.counters.dropped.add(lost);
        self.state = State::Closed;
        self.back_off(now);
    }

    fn back_off(&mut self, now: Instant) {
        self.next_try = now + self.delay;
        self.delay = (self.delay * 2).min(LAST_DELAY);
    }
}

impl Handle {
    /// A handle that the kernel refuses all frames.
    fn activate(name: &str, options: &LiveOptions, now: Instant) -> Result<Self, LiveError> {
        let failed = |error: pcap::Error| LiveError::of_opening(name, &error);
        let link = interface::link(name).ok().flatten();
        let bytes = options.buffer_bytes.max(super::MIN_BUFFER);
        let capture = Capture::from_device(name)
            .map_err(failed)?
            .timeout(BLOCK_TIMEOUT_MS)
            .snaplen(i32::try_from(options.snap_length).unwrap_or(i32::MAX))
            .buffer_size(i32::try_from(bytes).unwrap_or(i32::MAX))
            .promisc(options.promiscuous)
            .precision(Precision::Nano)
            .open()
            .map_err(failed)?;
        fanout::refuse_all(&capture).map_err(|reason| LiveError::Fanout {
            interface: name.to_owned(),
            reason,
        })?;
        let capture = capture.setnonblock().map_err(failed)?;
        let link_type = capture.get_datalink();
        Ok(Self {
            link_type: LinkType(u16::try_from(link_type.0).unwrap_or(u16::MAX)),
            capture,
            epoch: 0,
            link: link.ok_or_else(|| LiveError::missing(name))?,
            received: Narrow::default(),
            dropped: Narrow::default(),
            discarded: 0,
            has_more: false,
            next_look: now + LOOK_EVERY,
        })
    }

    /// Throws away what lies in the ring; whether that was all that came in.
    fn discard(&mut self) -> Result<bool, pcap::Error> {
        loop {
            let mut frames = 0_u32;
            self.capture.dispatch(Some(BATCH), |_| frames += 1)?;
            self.discarded = self.discarded.wrapping_add(frames);
            if (frames as usize) < BATCH {
                break;
            }
        }
        let figures = self.capture.stats()?;
        Ok(figures.received.wrapping_sub(figures.dropped) == self.discarded)
    }

    /// Takes the place of the refusal. Counting begins here.
    fn set_filter(&mut self, filter: &str) -> Result<(), LiveError> {
        let refused = |error: pcap::Error| LiveError::Filter {
            filter: filter.to_owned(),
            reason: super::message(&error),
        };
        let figures = self.capture.stats().map_err(refused)?;
        self.received.since(figures.received);
        self.dropped.since(figures.dropped);
        self.capture.filter(filter, true).map_err(refused)
    }

    /// What came in and what found no room since the last time.
    fn figures(&mut self) -> Result<(u64, u64), pcap::Error> {
        let figures = self.capture.stats()?;
        let received = self.received.since(figures.received);
        Ok((received, self.dropped.since(figures.dropped)))
    }
}

/// libpcap puts nanoseconds where its type says microseconds, because it was asked to.
fn head(packet: &Packet<'_>, link_type: LinkType) -> Head {
    let time = packet.header.ts;
    let nanos = u32::try_from(time.tv_usec).unwrap_or_default();
    Head {
        timestamp: Timestamp::from_seconds(time.tv_sec, nanos),
        link_type,
        wire_length: packet.header.len.max(packet.header.caplen),
    }
}

/// Waits for one of the descriptors, at most so long; without any it is a pause. A signal ends it.
pub(super) fn wait(descriptors: &mut [PollFd<'_>], timeout: Duration) -> io::Result<()> {
    let millis = u16::try_from(timeout.as_millis()).unwrap_or(u16::MAX);
    match poll(descriptors, PollTimeout::from(millis)) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
