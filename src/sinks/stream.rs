//! A reader at the other end of a socket: it is connected to, again and again where it goes away.
//!
//! Each connection begins with a whole line. A line that was cut off because the connection broke is sent again in the next
//! one; whole lines that the reader had not read yet are counted, as far as the kernel tells.

use std::collections::VecDeque;
use std::fmt;
use std::io;

use super::outlet::{Outlet, Taken, Unread};
use crate::types::Timestamp;

/// How a reader is reached.
pub(super) trait Place: fmt::Debug + Send {
    /// Connects; waits a few seconds at most.
    fn connect(&self) -> io::Result<Box<dyn Link>>;
}

/// A connection to a reader.
pub(super) trait Link: fmt::Debug + Send {
    /// Writes the start of `bytes`; `WouldBlock` where there was no room within [`super::outlet::STALL`].
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Whether the reader has closed the connection.
    fn is_gone(&mut self) -> bool;

    /// Bytes that the reader has not read yet.
    fn unread(&self) -> u64;

    /// Tells the reader that nothing follows.
    fn close(&mut self);
}

/// Lines to a reader.
#[derive(Debug)]
pub struct Stream {
    place: Box<dyn Place>,
    link: Option<Box<dyn Link>>,
    /// Bytes given to this connection.
    sent: u64,
    /// Where those lines end that may not be read yet, and when they were written.
    line_ends: VecDeque<(u64, Timestamp)>,
    unread: Option<Unread>,
}

impl Stream {
    pub(super) fn to(place: impl Place + 'static) -> Self {
        Self {
            place: Box::new(place),
            link: None,
            sent: 0,
            line_ends: VecDeque::new(),
            unread: None,
        }
    }

    /// The connection, with a reader that is there.
    fn live(&mut self) -> io::Result<&mut Box<dyn Link>> {
        let link = match self.link.take() {
            None => {
                self.sent = 0;
                self.place.connect()?
            }
            Some(mut link) => {
                // In this order: once the reader is gone, nothing counts as unread.
                let unread = link.unread();
                if link.is_gone() {
                    self.count_unread();
                    return Err(io::Error::other("the reader closed the connection"));
                }
                self.forget_read(unread);
                link
            }
        };
        Ok(self.link.insert(link))
    }

    fn forget_read(&mut self, unread: u64) {
        let read = self.sent.saturating_sub(unread);
        while self.line_ends.front().is_some_and(|(end, _)| *end <= read) {
            self.line_ends.pop_front();
        }
    }

    /// The connection is lost.
    fn count_unread(&mut self) {
        self.link = None;
        if let Some((_, first)) = self.line_ends.front() {
            let before = self.unread.take();
            self.unread = Some(Unread {
                lines: self.line_ends.len() as u64 + before.map_or(0, |unread| unread.lines),
                since: before.map_or(*first, |unread| unread.since),
            });
        }
        self.line_ends.clear();
    }

    fn note(&mut self, bytes: &[u8], now: Timestamp) {
        let ends = bytes.iter().enumerate();
        let ends = ends.filter(|(_, byte)| **byte == b'\n');
        let sent = self.sent;
        self.line_ends
            .extend(ends.map(|(at, _)| (sent + at as u64 + 1, now)));
        self.sent += bytes.len() as u64;
    }
}

impl Outlet for Stream {
    fn write(&mut self, lines: &[u8], now: Timestamp) -> Taken {
        let mut done = 0;
        while let Some(rest) = lines.get(done..).filter(|rest| !rest.is_empty()) {
            let link = match self.live() {
                Ok(link) => link,
                Err(error) => return Taken::failed(done, error),
            };
            match link.write(rest) {
                Ok(0) => return Taken::stalled(done),
                Ok(count) => {
                    self.note(rest.get(..count).unwrap_or(rest), now);
                    done += count;
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        return Taken::stalled(done);
                    }
                    _ => {
                        self.count_unread();
                        return Taken::failed(done, error);
                    }
                },
            }
        }
        Taken::all(done)
    }

    fn attend(&mut self, _now: Timestamp) -> io::Result<()> {
        self.live().map(|_| ())
    }

    fn is_open(&self) -> bool {
        self.link.is_some()
    }

    fn take_unread(&mut self) -> Option<Unread> {
        self.unread.take()
    }

    fn close(&mut self) {
        if let Some(mut link) = self.link.take() {
            link.close();
        }
    }
}
