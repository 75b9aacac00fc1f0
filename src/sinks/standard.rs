//! Standard output as a live output: a reader that does not read keeps nobody waiting for long.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt as _;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FsWord, fstatfs};

use super::outlet::{Outlet, STALL, Taken};
use crate::types::Timestamp;

/// A pipe that poll calls writable has room for so much: its page size.
const PIPE_ROOM: usize = 4_096;
/// The file system of pipes without a name: `PIPEFS_MAGIC` of statfs(2).
const PIPE_FILES: FsWord = 0x5049_5045;

/// Standard output, or another open file.
#[derive(Debug)]
pub struct Standard {
    file: File,
    /// A write to a regular file never waits for a reader.
    is_regular: bool,
    /// Who reads it is not replaced: a pipe without a name, or a socket.
    is_tied: bool,
    /// Its reader is gone.
    has_ended: bool,
    /// Bytes of an unfinished line that were written before a failure: the line goes on behind them.
    begun: usize,
    is_open: bool,
}

impl Standard {
    /// Standard output.
    pub fn open() -> io::Result<Self> {
        // Not through the buffer of `Stdout`, which keeps unfinished lines back.
        let descriptor = io::stdout().as_fd().try_clone_to_owned()?;
        Self::to(File::from(descriptor))
    }

    /// An open file.
    pub fn to(file: File) -> io::Result<Self> {
        let kind = file.metadata()?.file_type();
        let is_nameless = || fstatfs(&file).is_ok_and(|data| data.f_type == PIPE_FILES);
        Ok(Self {
            is_regular: kind.is_file(),
            is_tied: kind.is_socket() || (kind.is_fifo() && is_nameless()),
            has_ended: false,
            file,
            begun: 0,
            is_open: true,
        })
    }

    /// Writes some of `bytes`; `None` where there is no room.
    fn write_some(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        if self.is_regular {
            return self.file.write(bytes).map(Some);
        }
        let wait = Timespec::try_from(STALL).ok();
        let mut polled = [PollFd::new(&self.file, PollFlags::OUT)];
        if poll(&mut polled, wait.as_ref())? == 0 {
            return Ok(None);
        }
        let chunk = bytes.get(..PIPE_ROOM).unwrap_or(bytes);
        match self.file.write(chunk) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            outcome => outcome.map(Some),
        }
    }
}

impl Outlet for Standard {
    fn write(&mut self, lines: &[u8], _now: Timestamp) -> Taken {
        let mut done = std::mem::take(&mut self.begun).min(lines.len());
        while let Some(rest) = lines.get(done..).filter(|rest| !rest.is_empty()) {
            match self.write_some(rest) {
                Ok(Some(0)) | Ok(None) => return Taken::stalled(done),
                Ok(Some(count)) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let written = lines.get(..done).unwrap_or_default();
                    self.begun = done - super::outlet::whole_lines(written);
                    self.is_open = false;
                    self.has_ended |= self.is_tied && error.kind() == io::ErrorKind::BrokenPipe;
                    return Taken::failed(done - self.begun, error);
                }
            }
            self.is_open = true;
        }
        Taken::all(done)
    }

    fn attend(&mut self, _now: Timestamp) -> io::Result<()> {
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.is_open
    }

    fn has_ended(&self) -> bool {
        self.has_ended
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::sinks::aside::tests::at;
    use crate::sinks::outlet::Fault;

    #[test]
    fn a_pipe_whose_reader_sleeps_is_not_waited_for_and_loses_nothing() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut standard = Standard::to(File::from(std::os::fd::OwnedFd::from(writer))).unwrap();
        let lines = b"{\"a\":1}\n".repeat(20_000);
        let taken = standard.write(&lines, at(0));
        assert!(matches!(taken.fault, Some(Fault::Stalled)), "{taken:?}");
        let reading = std::thread::spawn(move || {
            let mut text = Vec::new();
            reader.read_to_end(&mut text).unwrap();
            text
        });
        let mut done = taken.bytes;
        while done < lines.len() {
            done += standard.write(&lines[done..], at(0)).bytes;
        }
        drop(standard);
        assert!(reading.join().unwrap() == lines);
    }

    #[test]
    fn a_reader_that_is_gone_is_a_failure() {
        let (reader, writer) = io::pipe().unwrap();
        let mut standard = Standard::to(File::from(std::os::fd::OwnedFd::from(writer))).unwrap();
        drop(reader);
        let taken = standard.write(b"{}\n", at(0));
        assert!(
            taken.bytes == 0 && matches!(taken.fault, Some(Fault::Failed(_))),
            "{taken:?}"
        );
        assert!(!standard.is_open() && standard.has_ended());
    }

    #[test]
    fn a_named_pipe_may_find_another_reader() {
        let path = std::env::temp_dir().join(format!("patchspan-pipe-{}", std::process::id()));
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let open = || {
            let mut options = File::options();
            options.read(true).write(true).open(&path).unwrap()
        };
        let reader = open();
        let writer = File::options().write(true).open(&path).unwrap();
        let mut standard = Standard::to(writer).unwrap();
        drop(reader);
        let taken = standard.write(b"{}\n", at(0));
        assert!(matches!(taken.fault, Some(Fault::Failed(_))) && !standard.has_ended());
        let _reader = open();
        assert!(standard.write(b"{}\n", at(1)).fault.is_none() && standard.is_open());
        std::fs::remove_file(&path).unwrap();
    }
}
