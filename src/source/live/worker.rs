//! A worker's sockets, one on every interface, read in turns.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};

use super::socket::{self, Change, Socket};
use super::{LiveCounters, LiveFrame, Waker};

/// No wait is longer: a silent link still lets time pass, and a worker is heard of.
pub const MAX_WAIT: Duration = Duration::from_millis(100);

/// The sockets that one worker reads. It may be sent to the thread that polls it.
pub struct LiveWorker {
    index: u16,
    /// In the order of the interfaces.
    sockets: Vec<Socket>,
    /// Those that the last wait found readable.
    ready: Vec<bool>,
    /// The socket that is read first in the next turn.
    first: usize,
    waker: Waker,
    counters: LiveCounters,
    events: VecDeque<LinkEvent>,
    /// Frames handed on.
    number: u64,
    is_stopped: bool,
}

/// What a turn brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Frames handed on; none: the turn was silent.
    pub frames: usize,
    /// Somebody called [`Waker::wake`].
    pub is_woken: bool,
}

/// Something happened to an interface. Each event is told once, by whichever worker saw it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkEvent {
    /// Its interface, as an index into those named.
    pub interface: u16,
    /// What.
    pub change: Change,
}

impl LiveWorker {
    pub(super) fn new(
        index: u16,
        sockets: Vec<Socket>,
        counters: LiveCounters,
    ) -> io::Result<Self> {
        Ok(Self {
            index,
            ready: vec![false; sockets.len()],
            sockets,
            first: 0,
            waker: Waker::new()?,
            counters,
            events: VecDeque::new(),
            number: 0,
            is_stopped: false,
        })
    }

    /// Waits for frames, at most `timeout` and [`MAX_WAIT`], and hands on what has come.
    ///
    /// A turn takes at most a batch of each socket, and begins with another socket each time.
    ///
    /// Order: the frames of a socket come as the kernel took them in. Between the interfaces of a worker stamps may run back, by 80 ms
    /// on slow links (the kernel hands over whole blocks), by more where the worker lags behind. So a flow that uses one interface
    /// is in order, and one whose directions use two is only nearly so. The kernel's stamps follow the system clock, which
    /// may be set.
    ///
    /// A frame's bytes lie in the ring, and are valid during the call of `sink` only.
    pub fn poll(
        &mut self,
        timeout: Duration,
        sink: &mut impl FnMut(&LiveFrame<'_>),
    ) -> io::Result<Turn> {
        self.maintain(Instant::now());
        let is_readable = self.wait(timeout.min(MAX_WAIT))?;
        let is_woken = self.waker.take(is_readable);
        let frames = self.read(sink);
        Ok(Turn { frames, is_woken })
    }

    /// What happened to an interface since the last call.
    pub fn take_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// From now on no frame comes in. What lies in the rings can still be polled: until [`LiveWorker::is_drained`], which a block
    /// of the ring delays by 80 ms.
    pub fn stop(&mut self) -> io::Result<()> {
        self.is_stopped = true;
        self.sockets.iter_mut().try_for_each(Socket::refuse_all)
    }

    /// Whether every frame that came in was handed on or counted as dropped. Brings the counters up to date.
    ///
    /// On a loopback interface it never becomes true: libpcap passes over one of the two copies that the kernel counts.
    pub fn is_drained(&mut self) -> bool {
        let waiting = self.sockets.iter_mut().map(Socket::waiting);
        waiting.sum::<u64>() == 0
    }

    /// Its number, from 0.
    pub const fn index(&self) -> usize {
        self.index as usize
    }

    /// What ends its waits.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// The figures of all workers.
    pub fn counters(&self) -> LiveCounters {
        self.counters.clone()
    }

    pub(super) fn sockets(&mut self) -> &mut [Socket] {
        &mut self.sockets
    }

    fn maintain(&mut self, now: Instant) {
        if self.is_stopped {
            return;
        }
        for index in 0..self.sockets.len() {
            let change = self.sockets.get_mut(index).and_then(|s| s.maintain(now));
            self.tell(index, change);
        }
    }

    /// Whether the waker ended it.
    fn wait(&mut self, timeout: Duration) -> io::Result<bool> {
        let has_more = self.sockets.iter().any(Socket::has_more);
        let timeout = if has_more { Duration::ZERO } else { timeout };
        let mut descriptors = Vec::with_capacity(self.sockets.len() + 1);
        descriptors.push(PollFd::new(self.waker.as_fd(), PollFlags::POLLIN));
        for socket in &self.sockets {
            let descriptor = socket.descriptor();
            descriptors
                .extend(descriptor.map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN)));
        }
        socket::wait(&mut descriptors, timeout)?;
        let mut seen = descriptors
            .iter()
            .map(|descriptor| descriptor.any() == Some(true));
        let is_readable = seen.next().unwrap_or_default();
        for (ready, socket) in self.ready.iter_mut().zip(&self.sockets) {
            // An error of the socket counts as readable: reading tells it.
            *ready = socket.is_open() && (seen.next().unwrap_or_default() || socket.has_more());
        }
        Ok(is_readable)
    }

    fn read(&mut self, sink: &mut impl FnMut(&LiveFrame<'_>)) -> usize {
        let count = self.sockets.len();
        let mut frames = 0;
        for index in (self.first..count).chain(0..self.first) {
            if self.ready.get(index) != Some(&true) {
                continue;
            }
            let Some(socket) = self.sockets.get_mut(index) else {
                continue;
            };
            let change = match socket.read(&mut self.number, sink) {
                // Readable, and nothing there: an error that libpcap keeps to itself until it is sure.
                Ok(0) => socket.look(Instant::now()),
                Ok(read) => {
                    frames += read;
                    None
                }
                Err(_) => socket.lose(Instant::now()),
            };
            self.tell(index, change);
        }
        self.first = if self.first + 1 < count {
            self.first + 1
        } else {
            0
        };
        frames
    }

    fn tell(&mut self, index: usize, change: Option<Change>) {
        let interface = u16::try_from(index).unwrap_or(u16::MAX);
        let event = change.map(|change| LinkEvent { interface, change });
        self.events.extend(event);
    }
}

impl fmt::Debug for LiveWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveWorker")
            .field("index", &self.index)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
