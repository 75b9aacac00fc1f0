//! A collector that listens on a TCP port.
//!
//! What the collector's machine acknowledged counts as read: whether its program read it, TCP does not tell. A collector
//! that closes its own direction is taken to be gone.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};

use super::outlet::STALL;
use super::stream::{Link, Place, Stream};
use super::tls::Tls;
use super::unread::unread;

/// Waiting for an address of the collector.
const CONNECT: Duration = Duration::from_secs(3);
/// Waiting for the collector's goodbye.
const PARTING: Duration = Duration::from_secs(1);
/// Most of its addresses that are tried in a row.
const MAX_ADDRESSES: usize = 4;
/// Most reads that throw away what a collector says.
const MAX_READS: usize = 64;

#[derive(Debug)]
struct Collector {
    address: String,
    tls: Option<Tls>,
}

impl Stream {
    /// To the collector at `address`, a name or an address with its port.
    pub fn tcp(address: &str, tls: Option<Tls>) -> Self {
        Self::to(Collector {
            address: address.to_owned(),
            tls,
        })
    }
}

impl Place for Collector {
    fn connect(&self) -> io::Result<Box<dyn Link>> {
        let mut outcome = Err(io::Error::other("its name has no address"));
        for address in self.address.to_socket_addrs()?.take(MAX_ADDRESSES) {
            outcome = TcpStream::connect_timeout(&address, CONNECT);
            if outcome.is_ok() {
                break;
            }
        }
        let stream = outcome?;
        stream.set_nodelay(true)?;
        match &self.tls {
            Some(tls) => Ok(Box::new(tls.wrap(stream)?)),
            None => {
                stream.set_write_timeout(Some(STALL))?;
                Ok(Box::new(stream))
            }
        }
    }
}

impl Link for TcpStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(self, bytes)
    }

    fn is_gone(&mut self) -> bool {
        let mut thrown = [0; 1024];
        for _ in 0..MAX_READS {
            match receive(self, &mut thrown) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
        false
    }

    fn unread(&self) -> u64 {
        unread(self.as_fd()).unwrap_or_default()
    }

    fn close(&mut self) {
        part(self);
    }
}

/// Says that nothing follows, and reads until the other side says the same: a connection that is closed with anything unread
/// is reset, and what the collector has not read by then is lost.
pub(super) fn part(stream: &mut TcpStream) {
    let mut thrown = [0; 1024];
    let end = Instant::now() + PARTING;
    let _ = stream.shutdown(Shutdown::Write);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        // A time of zero is refused: that is the end.
        let is_set = stream.set_read_timeout(Some(left)).is_ok();
        if !is_set || !matches!(stream.read(&mut thrown), Ok(1..)) {
            return;
        }
    }
}

/// Reads what is there, without waiting.
pub(super) fn receive(stream: &TcpStream, bytes: &mut [u8]) -> io::Result<usize> {
    let (count, _) = recv(stream, bytes, RecvFlags::DONTWAIT)?;
    Ok(count)
}
