//! TLS around a connection to a collector.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::outlet::STALL;
use super::stream::Link;
use super::tcp::{part, receive};
use super::unread::unread;

/// Longest handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Most plain bytes of one TLS record (RFC 8446 section 5.1).
const RECORD: usize = 16 << 10;
/// Most reads in a row of what a collector says.
const MAX_READS: usize = 64;

/// Whom to believe, and who it should be.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// Reads the certificates in `ca_file`; `server_name` is the name in the collector's certificate.
    pub fn new(ca_file: &Path, server_name: &str) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let certificates = CertificateDer::pem_file_iter(ca_file).map_err(io::Error::other)?;
        for certificate in certificates {
            // One that is odd keeps nobody from believing the others.
            let _ = certificate.map(|certificate| roots.add(certificate));
        }
        if roots.is_empty() {
            return Err(io::Error::other("holds no certificate"));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(server_name.to_owned()).map_err(io::Error::other)?;
        Ok(Self {
            config: Arc::new(config),
            name,
        })
    }

    /// Shakes hands.
    pub(super) fn wrap(&self, mut stream: TcpStream) -> io::Result<TlsLink> {
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        let mut connection = connection.map_err(io::Error::other)?;
        let end = Instant::now() + HANDSHAKE;
        while connection.is_handshaking() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            stream.set_read_timeout(Some(left))?;
            stream.set_write_timeout(Some(left))?;
            if connection.wants_write() {
                connection.write_tls(&mut stream)?;
            } else if connection.read_tls(&mut stream)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            } else {
                connection.process_new_packets().map_err(io::Error::other)?;
            }
        }
        stream.set_write_timeout(Some(STALL))?;
        Ok(TlsLink {
            stream,
            connection,
            accepted: 0,
        })
    }
}

/// A TLS connection.
#[derive(Debug)]
pub(super) struct TlsLink {
    stream: TcpStream,
    connection: ClientConnection,
    /// Plain bytes that are encrypted already, and not sent yet: the next write begins with them.
    accepted: usize,
}

impl Link for TlsLink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.accepted == 0 {
            let record = bytes.get(..RECORD).unwrap_or(bytes);
            self.accepted = self.connection.writer().write(record)?;
        }
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.stream)?;
        }
        Ok(std::mem::take(&mut self.accepted))
    }

    fn is_gone(&mut self) -> bool {
        for _ in 0..MAX_READS {
            match self.connection.read_tls(&mut Waiting(&self.stream)) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
            let Ok(state) = self.connection.process_new_packets() else {
                return true;
            };
            let mut thrown = vec![0; state.plaintext_bytes_to_read()];
            let _ = self.connection.reader().read(&mut thrown);
            if state.peer_has_closed() {
                return true;
            }
        }
        false
    }

    fn unread(&self) -> u64 {
        unread(self.stream.as_fd()).unwrap_or_default()
    }

    fn close(&mut self) {
        self.connection.send_close_notify();
        while self.connection.wants_write() && self.connection.write_tls(&mut self.stream).is_ok() {
        }
        part(&mut self.stream);
    }
}

/// What is there to be read, without waiting.
struct Waiting<'s>(&'s TcpStream);

impl Read for Waiting<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        receive(self.0, bytes)
    }
}
