//! A reader that listens on a Unix stream socket.

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::outlet::STALL;
use super::stream::{Link, Place, Stream};
use super::unread::unread;

#[derive(Debug)]
struct Socket(PathBuf);

impl Stream {
    /// To the reader that listens at `path`.
    pub fn unix(path: &Path) -> Self {
        Self::to(Socket(path.to_owned()))
    }
}

impl Place for Socket {
    fn connect(&self) -> io::Result<Box<dyn Link>> {
        let stream = UnixStream::connect(&self.0)?;
        stream.set_write_timeout(Some(STALL))?;
        Ok(Box::new(stream))
    }
}

impl Link for UnixStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(self, bytes)
    }

    /// A reader that only says that it will write nothing is still there.
    fn is_gone(&mut self) -> bool {
        let mut polled = [PollFd::new(self, PollFlags::empty())];
        let now = Timespec::default();
        let gone = PollFlags::HUP | PollFlags::ERR;
        poll(&mut polled, Some(&now)).is_ok()
            && polled
                .iter()
                .any(|polled| polled.revents().intersects(gone))
    }

    fn unread(&self) -> u64 {
        unread(self.as_fd()).unwrap_or_default()
    }

    fn close(&mut self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}
