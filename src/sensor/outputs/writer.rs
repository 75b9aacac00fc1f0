//! The thread of an output: takes blocks out of its queues, writes them, waits and tries again where that fails, and tells in
//! the stream itself what is missing from it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, select_biased};

use super::shared::{Block, Shared};
use super::{Clock, LANES};
use crate::records::line::{Scratch, write_line};
use crate::records::stats::Loss;
use crate::records::time::TimeText;
use crate::records::{Header, Kind, Style};
use crate::sinks::Aside;
use crate::sinks::outlet::{Fault, Outlet, count_lines, whole_lines};
use crate::types::Timestamp;

/// How long a failed output rests: at first, and at most; twice as long each time.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How often an output looks whether its file or reader is still there.
const ATTEND_EVERY: Duration = Duration::from_secs(1);
/// How often a gap that goes on is told.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How often a person is told that an output fails.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// What a writer is asked to do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Control {
    Reopen,
    /// Write what waits, until then.
    Stop(Instant),
}

/// An output's thread.
pub(super) struct Writer {
    name: String,
    /// Where it leads, for messages.
    pub(super) place: String,
    outlet: Box<dyn Outlet>,
    lanes: [Receiver<Block>; LANES],
    control: Receiver<Control>,
    shared: Arc<Shared>,
    clock: Clock,
    style: Style,
    /// Whom to tell that a file was put aside.
    pub(super) tidy: Option<(Aside, Sender<Aside>)>,
    /// Whom to tell what a person should know.
    pub(super) said: Option<Sender<String>>,
    losses: Vec<Lost>,
    stop: Option<Instant>,
    /// Zero while all is well.
    pause: Duration,
    rest_until: Instant,
    attended: Instant,
    told: Option<Instant>,
    complained: Option<Instant>,
    time: TimeText,
    scratch: Scratch,
}

/// Something that is missing from the stream, and not told yet.
#[derive(Clone, Copy, Debug)]
struct Lost {
    what: &'static str,
    count: u64,
    start: Timestamp,
    end: Timestamp,
}

enum Next {
    Block(usize, Block),
    Idle,
    End,
}

impl Writer {
    pub(super) fn new(
        name: &str,
        outlet: Box<dyn Outlet>,
        lanes: [Receiver<Block>; LANES],
        control: Receiver<Control>,
        shared: Arc<Shared>,
        clock: Clock,
        style: Style,
    ) -> Self {
        let now = Instant::now();
        shared.set_open(outlet.is_open());
        Self {
            name: name.to_owned(),
            place: String::new(),
            outlet,
            lanes,
            control,
            shared,
            clock,
            style,
            tidy: None,
            said: None,
            losses: Vec::new(),
            stop: None,
            pause: Duration::ZERO,
            rest_until: now,
            // At once: readers are connected to before there is anything to write.
            attended: now.checked_sub(ATTEND_EVERY).unwrap_or(now),
            told: None,
            complained: None,
            time: TimeText::default(),
            scratch: Scratch::default(),
        }
    }

    /// Bytes of an unfinished line were cut off when the output was opened.
    pub(super) fn lose_bytes(&mut self, count: u64) {
        let now = (self.clock)();
        self.lose("bytes", count, now, now);
    }

    /// Until it is told to stop.
    pub(super) fn run(mut self) {
        loop {
            self.attend();
            self.tell_losses();
            match self.next() {
                Next::Block(lane, block) => self.write_block(lane, &block),
                Next::Idle => {}
                Next::End => break,
            }
        }
        self.told = None;
        self.tell_losses();
        let untold = self.losses.iter().filter(|lost| lost.what == "lines");
        self.shared.add_untold(untold.map(|lost| lost.count).sum());
        self.outlet.close();
        self.shared.set_open(false);
    }

    /// The next block; the first lane before the second.
    fn next(&mut self) -> Next {
        if let Some(deadline) = self.stop {
            if Instant::now() >= deadline {
                return Next::End;
            }
            for (lane, blocks) in self.lanes.iter().enumerate() {
                if let Ok(block) = blocks.try_recv() {
                    return Next::Block(lane, block);
                }
            }
            return Next::End;
        }
        let [first, second] = &self.lanes;
        let asked = select_biased! {
            recv(self.control) -> request => request.ok(),
            recv(first) -> block => return block.map_or(Next::Idle, |block| Next::Block(0, block)),
            recv(second) -> block => return block.map_or(Next::Idle, |block| Next::Block(1, block)),
            default(ATTEND_EVERY) => return Next::Idle,
        };
        self.obey(asked);
        Next::Idle
    }

    /// `None`: nobody can ask any more.
    fn obey(&mut self, asked: Option<Control>) {
        match asked {
            Some(Control::Reopen) => {
                self.outlet.reopen();
                self.attended = self
                    .attended
                    .checked_sub(ATTEND_EVERY)
                    .unwrap_or(self.attended);
            }
            Some(Control::Stop(deadline)) => self.stop = Some(deadline),
            None => self.stop = Some(self.stop.unwrap_or_else(Instant::now)),
        }
    }

    fn write_block(&mut self, lane: usize, block: &Block) {
        let lines = self.deliver(&block.bytes);
        self.shared.written(lines);
        if lines == block.lines {
            self.shared.note_delay(lane, block, (self.clock)());
        }
        self.shared.release(lane, block);
    }

    /// Writes `bytes`, however often that has to be tried, until the deadline; how many whole lines went out.
    fn deliver(&mut self, bytes: &[u8]) -> u64 {
        let (mut done, mut whole, mut lines) = (0, 0, 0);
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            if self.is_over() {
                break;
            }
            let taken = self.outlet.write(rest, (self.clock)());
            done = (done + taken.bytes).min(bytes.len());
            let end = whole_lines(bytes.get(..done).unwrap_or_default());
            let written = bytes.get(whole..end).unwrap_or_default();
            lines += count_lines(written);
            self.shared
                .wrote(count_lines(written), written.len() as u64);
            whole = end;
            self.report_rotation();
            match taken.fault {
                None => self.recover(),
                Some(Fault::Stalled) => {}
                Some(Fault::Failed(error)) => {
                    done = whole;
                    self.fail(&error);
                    self.rest();
                }
            }
        }
        lines
    }

    /// Looks after the outlet, about once a second, while it does not rest.
    fn attend(&mut self) {
        let now = Instant::now();
        if now < self.rest_until || now.duration_since(self.attended) < ATTEND_EVERY {
            return;
        }
        self.attended = now;
        let was_open = self.outlet.is_open();
        match self.outlet.attend((self.clock)()) {
            Ok(()) if !was_open && self.outlet.is_open() => self.recover(),
            Ok(()) => {}
            Err(error) => self.fail(&error),
        }
        self.shared.set_open(self.outlet.is_open());
        self.report_rotation();
    }

    fn report_rotation(&mut self) {
        if self.outlet.take_rotated()
            && let Some((aside, requests)) = &self.tidy
        {
            let _ = requests.try_send(aside.clone());
        }
    }

    fn fail(&mut self, error: &std::io::Error) {
        self.shared.fail();
        self.shared.set_open(self.outlet.is_open());
        if let Some(unread) = self.outlet.take_unread() {
            self.shared.add_unread(unread.lines);
            self.lose("lines", unread.lines, unread.since, (self.clock)());
        }
        let has_ended = self.outlet.has_ended();
        if has_ended {
            self.shared.end();
        }
        let now = Instant::now();
        let is_new = self.pause.is_zero();
        self.pause = (self.pause * 2).clamp(PAUSES.0, PAUSES.1);
        self.rest_until = now + self.pause;
        let was_said = self
            .complained
            .is_some_and(|at| now.duration_since(at) < SAY_EVERY);
        if is_new && !was_said {
            self.complained = Some(now);
            let then = if has_ended {
                "its reader is gone for good, and what it should get is lost"
            } else {
                "what it should get waits, and is dropped when its queue is full"
            };
            self.say(&format!("{error}; {then}"));
        }
    }

    fn recover(&mut self) {
        if self.pause.is_zero() {
            return;
        }
        self.pause = Duration::ZERO;
        self.rest_until = Instant::now();
        self.shared.set_open(self.outlet.is_open());
        if self.complained.is_some() {
            self.say("is written again");
        }
    }

    fn say(&self, what: &str) {
        if let Some(said) = &self.said {
            let _ = said.try_send(format!("output `{}`: {}: {what}", self.name, self.place));
        }
    }

    /// Waits until the outlet may be tried again; obeys meanwhile.
    fn rest(&mut self) {
        while self.stop.is_none_or(|deadline| Instant::now() < deadline) {
            let until = self
                .stop
                .map_or(self.rest_until, |stop| stop.min(self.rest_until));
            match self.control.recv_deadline(until) {
                Ok(request) => self.obey(Some(request)),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => self.obey(None),
            }
        }
    }

    /// Whether the deadline has passed, or nobody will read any more; obeys what is asked.
    fn is_over(&mut self) -> bool {
        loop {
            match self.control.try_recv() {
                Ok(request) => self.obey(Some(request)),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.obey(None);
                    break;
                }
            }
        }
        let is_late = self.stop.is_some_and(|deadline| Instant::now() >= deadline);
        is_late || self.outlet.has_ended()
    }

    fn lose(&mut self, what: &'static str, count: u64, start: Timestamp, end: Timestamp) {
        if count > 0 {
            self.losses.push(Lost {
                what,
                count,
                start: start.min(end),
                end,
            });
        }
    }

    /// Tells in the stream what is missing, once the outlet works and nothing waits; a gap that goes on, once a second.
    fn tell_losses(&mut self) {
        let is_behind = self.lanes.iter().any(|blocks| !blocks.is_empty());
        let was_told = self.told.is_some_and(|at| at.elapsed() < TELL_EVERY);
        if !self.pause.is_zero() || (is_behind && was_told) {
            return;
        }
        if let Some(dropped) = self.shared.take_dropped() {
            self.lose("lines", dropped.lines, dropped.start, dropped.end);
        }
        if self.losses.is_empty() {
            return;
        }
        self.told = Some(Instant::now());
        for lost in std::mem::take(&mut self.losses) {
            let line = self.loss_line(lost);
            if self.deliver(&line) == 0 && lost.what == "lines" {
                self.shared.add_untold(lost.count);
            }
        }
    }

    fn loss_line(&mut self, lost: Lost) -> Vec<u8> {
        let mut line = Vec::new();
        let header = Header {
            timestamp: (self.clock)(),
            kind: Kind::Loss,
            flow: None,
            packet: None,
        };
        let loss = Loss {
            what: lost.what,
            place: &self.name,
            count: lost.count,
            start: lost.start,
            end: lost.end,
        };
        let (style, time) = (&self.style, &mut self.time);
        write_line(&mut line, &mut self.scratch, |line| {
            header.write(line, style, time);
            loss.write(line, style, time);
        });
        line
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("name", &self.name)
            .field("outlet", &self.outlet)
            .finish_non_exhaustive()
    }
}
