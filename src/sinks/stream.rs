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

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixListener;
    use std::path::Path;
    use std::sync::Arc;
    use std::thread::{self, JoinHandle};

    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ServerConfig, ServerConnection, StreamOwned};

    use super::*;
    use crate::sinks::aside::tests::{Folder, at};
    use crate::sinks::outlet::Fault;
    use crate::sinks::tls::Tls;

    const LINE: &[u8] = b"{\"a\":1}\n";

    fn assert_taken(stream: &mut Stream, lines: &[u8]) {
        let taken = stream.write(lines, at(0));
        assert!(
            taken.fault.is_none() && taken.bytes == lines.len(),
            "{taken:?}"
        );
    }

    /// Writes until the reader's buffers are full; where it stood.
    fn fill(stream: &mut Stream, lines: &[u8]) -> usize {
        let taken = stream.write(lines, at(0));
        assert!(matches!(taken.fault, Some(Fault::Stalled)), "{taken:?}");
        taken.bytes
    }

    #[test]
    fn nobody_there_is_a_failure_until_somebody_listens() {
        let folder = Folder::new();
        let path = folder.0.join("s");
        let mut stream = Stream::unix(&path);
        assert!(stream.attend(at(0)).is_err() && !stream.is_open());
        assert!(matches!(
            stream.write(LINE, at(0)).fault,
            Some(Fault::Failed(_))
        ));
        let listener = UnixListener::bind(&path).unwrap();
        stream.attend(at(1)).unwrap();
        assert!(stream.is_open());
        assert_taken(&mut stream, LINE);
        stream.close();
        let mut text = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut text).unwrap();
        assert_eq!(text, LINE);
        assert_eq!(stream.take_unread(), None);
    }

    #[test]
    fn a_reader_that_read_everything_and_went_away_lost_nothing() {
        let folder = Folder::new();
        let path = folder.0.join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let mut stream = Stream::unix(&path);
        assert_taken(&mut stream, &LINE.repeat(10));
        let (mut reader, _) = listener.accept().unwrap();
        reader.read_exact(&mut [0; 80]).unwrap();
        stream.attend(at(1)).unwrap();
        drop(reader);
        assert!(stream.attend(at(2)).is_err());
        assert_eq!(stream.take_unread(), None);
    }

    #[test]
    fn what_a_reader_left_unread_is_counted_and_the_next_begins_with_a_line() {
        let folder = Folder::new();
        let path = folder.0.join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let mut stream = Stream::unix(&path);
        let lines = LINE.repeat(200_000);
        stream.attend(at(0)).unwrap();
        let (mut reader, _) = listener.accept().unwrap();
        let done = fill(&mut stream, &lines);
        let mut read = vec![0; 1_001];
        reader.read_exact(&mut read).unwrap();
        drop(reader);
        let taken = stream.write(&lines[done..], at(5));
        assert!(
            taken.bytes == 0 && matches!(taken.fault, Some(Fault::Failed(_))),
            "{taken:?}"
        );
        let unread = stream.take_unread().unwrap();
        let whole = (done / LINE.len()) as u64;
        // 125 whole lines were read, and the kernel may count some of them as unread: it counts memory.
        assert!(
            unread.lines <= whole && unread.lines >= whole - 125,
            "{unread:?} {whole}"
        );
        assert_eq!(unread.since, at(0));
        let begun = done / LINE.len() * LINE.len();
        assert_taken(&mut stream, &lines[begun..begun + 80]);
        stream.close();
        let mut text = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut text).unwrap();
        assert_eq!(text, LINE.repeat(10));
    }

    #[test]
    fn a_reader_that_does_not_read_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut stream = Stream::tcp(&address, None);
        let lines = LINE.repeat(4_000_000);
        let done = fill(&mut stream, &lines);
        let (reader, _) = listener.accept().unwrap();
        let reading =
            thread::spawn(move || BufReader::new(reader).lines().map(Result::unwrap).count());
        let mut done = done;
        while done < lines.len() {
            done += stream.write(&lines[done..], at(0)).bytes;
        }
        stream.close();
        assert_eq!(reading.join().unwrap(), 4_000_000);
    }

    #[test]
    fn a_collector_that_closed_gets_no_line_more() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut stream = Stream::tcp(&address, None);
        stream.attend(at(0)).unwrap();
        drop(listener.accept().unwrap());
        while stream.attend(at(0)).is_ok() && stream.is_open() {
            thread::yield_now();
        }
        assert_taken(&mut stream, LINE);
        stream.close();
        let mut text = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut text).unwrap();
        assert_eq!(text, LINE);
    }

    /// A collector with a certificate for `name`; what it read from its one connection.
    fn collector(name: &str, ca_file: &Path) -> (String, JoinHandle<io::Result<Vec<u8>>>) {
        let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        std::fs::write(ca_file, certified.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let reading = thread::spawn(move || {
            let (socket, _): (TcpStream, _) = listener.accept()?;
            let connection = ServerConnection::new(Arc::new(config)).unwrap();
            let mut text = Vec::new();
            let mut tls = StreamOwned::new(connection, socket);
            let outcome = tls.read_to_end(&mut text);
            let _ = tls.flush();
            outcome.map(|_| text)
        });
        (address, reading)
    }

    #[test]
    fn lines_go_through_tls_to_whom_the_certificate_names() {
        let folder = Folder::new();
        let ca_file = folder.0.join("ca.pem");
        let (address, reading) = collector("collector.example.org", &ca_file);
        let tls = Tls::new(&ca_file, "collector.example.org").unwrap();
        let mut stream = Stream::tcp(&address, Some(tls));
        let lines = LINE.repeat(100_000);
        let mut done = 0;
        while done < lines.len() {
            let taken = stream.write(&lines[done..], at(0));
            assert!(!matches!(taken.fault, Some(Fault::Failed(_))), "{taken:?}");
            done += taken.bytes;
        }
        stream.close();
        assert!(reading.join().unwrap().unwrap() == lines);
    }

    #[test]
    fn who_has_another_name_or_no_certificate_gets_nothing() {
        let folder = Folder::new();
        let ca_file = folder.0.join("ca.pem");
        let (address, reading) = collector("other.example.org", &ca_file);
        let tls = Tls::new(&ca_file, "collector.example.org").unwrap();
        let mut stream = Stream::tcp(&address, Some(tls));
        let taken = stream.write(LINE, at(0));
        assert!(
            taken.bytes == 0 && matches!(taken.fault, Some(Fault::Failed(_))),
            "{taken:?}"
        );
        drop(stream);
        assert!(reading.join().unwrap().is_err());
        std::fs::write(&ca_file, "nothing").unwrap();
        assert!(Tls::new(&ca_file, "collector.example.org").is_err());
        assert!(Tls::new(&folder.0.join("none"), "collector.example.org").is_err());
    }
}
