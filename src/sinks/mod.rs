//! Where lines leave the program.
//!
//! A replay has one [`Sink`], standard output or a file: a reader that went away (`| head`) ends the run quietly; anything else that
//! keeps a line from being written is an error that names the output, and the run does not end with success.
//!
//! A live run has several [`Outlet`]s, which outlive what happens to them:
//!
//! * [`outlet`]: what they have in common: whole lines, and how far a write came
//! * [`standard`]: standard output
//! * [`file`]: a file that is rotated; [`aside`]: the files that it put aside
//! * [`stream`]: a reader at the other end of a socket: `unix`, `tcp`, [`tls`], `unread`

pub mod aside;
pub mod file;
pub mod outlet;
pub mod standard;
pub mod stream;
mod tcp;
pub mod tls;
mod unix;
mod unread;

pub use aside::Aside;
pub use file::RotatingFile;
pub use outlet::{Fault, Outlet, Taken, Unread};
pub use standard::Standard;
pub use stream::Stream;
pub use tls::Tls;

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Lines are gathered in a buffer of this size before they are written.
const BUFFER_BYTES: usize = 256 * 1024;

/// An output that takes whole lines.
#[derive(Debug)]
pub struct Sink {
    name: String,
    writer: BufWriter<Target>,
    reader_gone: bool,
}

/// An output failed.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// It cannot be created.
    #[error("{}: cannot be written: {error}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A line was lost.
    #[error("{name}: output lost: {error}")]
    Lost {
        /// The output.
        name: String,
        /// Why.
        error: io::Error,
    },
}

#[derive(Debug)]
enum Target {
    Standard(io::Stdout),
    File(File),
    Reader(Box<dyn WriteLines>),
}

/// A reader within the program.
trait WriteLines: Write + Send + fmt::Debug {}

impl<W: Write + Send + fmt::Debug> WriteLines for W {}

impl Sink {
    /// Standard output.
    pub fn standard() -> Self {
        Self::to(Target::Standard(io::stdout()), "standard output".to_owned())
    }

    /// A new file, or an old one emptied.
    pub fn create(path: &Path) -> Result<Self, SinkError> {
        let file = File::create(path).map_err(|error| SinkError::Create {
            path: path.to_owned(),
            error,
        })?;
        Ok(Self::to(Target::File(file), path.display().to_string()))
    }

    /// A reader within the program: what it is given are whole lines, many at a time.
    pub fn to_reader(reader: impl Write + Send + fmt::Debug + 'static) -> Self {
        Self::to(
            Target::Reader(Box::new(reader)),
            "reader of lines".to_owned(),
        )
    }

    fn to(target: Target, name: String) -> Self {
        Self {
            name,
            writer: BufWriter::with_capacity(BUFFER_BYTES, target),
            reader_gone: false,
        }
    }

    /// Writes `lines`: one or more whole lines.
    pub fn write(&mut self, lines: &[u8]) -> Result<(), SinkError> {
        let outcome = if self.reader_gone {
            Ok(())
        } else {
            self.writer.write_all(lines)
        };
        self.judge(outcome)
    }

    /// Writes out what is buffered.
    pub fn flush(&mut self) -> Result<(), SinkError> {
        let outcome = if self.reader_gone {
            Ok(())
        } else {
            self.writer.flush()
        };
        self.judge(outcome)
    }

    /// Whether the reader went away: there is no use in going on.
    pub const fn reader_gone(&self) -> bool {
        self.reader_gone
    }

    fn judge(&mut self, outcome: io::Result<()>) -> Result<(), SinkError> {
        match outcome {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.reader_gone = true;
                Ok(())
            }
            Err(error) => Err(SinkError::Lost {
                name: self.name.clone(),
                error,
            }),
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Standard(stdout) => stdout.lock().write(bytes),
            Self::File(file) => file.write(bytes),
            Self::Reader(reader) => reader.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Standard(stdout) => stdout.lock().flush(),
            Self::File(file) => file.flush(),
            Self::Reader(reader) => reader.flush(),
        }
    }
}
