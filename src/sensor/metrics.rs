//! Metrics and health of a live run, over HTTP on a Unix socket or a loopback port.
//!
//! One thread answers, from the newest snapshot that the conclusions thread left for it: no question reaches the threads that packets
//! go through, and nobody waits for the other. It tells figures of interfaces, outputs, tables and kinds, never of a client.
//!
//! * `snapshot`: the state of one moment
//! * `families`: a snapshot as metrics, in Prometheus' text format
//! * `process`: what the kernel tells of this process
//! * `health`: whether all is well, by the snapshots of the last minutes
//! * `socket`: the address
//! * `server`: requests and answers

mod families;
mod health;
mod process;
mod server;
mod snapshot;
mod socket;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::Receiver;
use tokio::runtime;
use tokio::sync::oneshot;

use crate::config::metrics::Listen;
pub(super) use snapshot::{InterfaceFigures, Mailbox, Snapshot};
use socket::Socket;

/// Why metrics cannot be told.
#[derive(Debug, thiserror::Error)]
#[error("metrics.listen = \"{address}\": {error}: {remedy}")]
pub struct MetricsError {
    address: String,
    error: io::Error,
    remedy: &'static str,
}

/// The thread that answers.
#[derive(Debug)]
pub(super) struct Server {
    thread: JoinHandle<()>,
    /// Dropped, it ends the thread.
    stop: oneshot::Sender<()>,
}

impl Server {
    /// Opens the address, and answers from now on.
    pub fn start(
        listen: &Listen,
        snapshots: Receiver<Arc<Snapshot>>,
    ) -> Result<Self, MetricsError> {
        let failed = |error, remedy| MetricsError {
            address: socket::in_words(listen),
            error,
            remedy,
        };
        let no_thread = |error| failed(error, "raise the limit of threads or open files");
        let socket = Socket::bind(listen).map_err(|(error, remedy)| failed(error, remedy))?;
        let mut builder = runtime::Builder::new_current_thread();
        let runtime = builder.enable_io().enable_time().build();
        let runtime = runtime.map_err(no_thread)?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || {
                // An address that cannot be polled ends the thread; the run goes on.
                let _ = runtime.block_on(server::serve(socket, snapshots, stopped));
            })
            .map_err(no_thread)?;
        Ok(Self { thread, stop })
    }

    /// Answers no more, and takes the socket away.
    pub fn stop(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }
}
