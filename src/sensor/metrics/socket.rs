//! The address on which metrics are asked for. A Unix socket is a file: it is made, opened to the group, and taken away at the end.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::config::metrics::Listen;

/// User and group may ask.
const MODE: u32 = 0o660;

/// A listening socket.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket; dropped, it is gone.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Which file it is: another sensor may have made one of the same name since.
    identity: (u64, u64),
}

type Failure = (io::Error, &'static str);

impl Socket {
    /// Opens the address, or says why not and what to do.
    pub fn bind(listen: &Listen) -> Result<Self, Failure> {
        let socket = match listen {
            Listen::Tcp(address) => {
                let listener = TcpListener::bind(address);
                Self::Tcp(listener.map_err(|error| (error, "name a free port"))?)
            }
            Listen::Unix(path) => {
                let listener = bind_file(path)?;
                let file = SocketFile::open_to_group(path).map_err(|error| (error, DIRECTORY))?;
                Self::Unix(listener, file)
            }
        };
        let nonblocking = match &socket {
            Self::Tcp(listener) => listener.set_nonblocking(true),
            Self::Unix(listener, _) => listener.set_nonblocking(true),
        };
        nonblocking.map_err(|error| (error, "raise the limit of open files"))?;
        Ok(socket)
    }
}

/// As the configuration has it.
pub(super) fn in_words(listen: &Listen) -> String {
    match listen {
        Listen::Unix(path) => format!("unix:{}", path.display()),
        Listen::Tcp(address) => address.to_string(),
    }
}

const DIRECTORY: &str = "make its directory, writable to the user that patchspan runs as";

fn bind_file(path: &Path) -> Result<UnixListener, Failure> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            remove_stale(path)?;
            UnixListener::bind(path)
        }
        outcome => outcome,
    }
    .map_err(|error| (error, DIRECTORY))
}

/// What a killed run left behind goes. A file that is no socket, or behind which somebody answers, stays.
fn remove_stale(path: &Path) -> Result<(), Failure> {
    let in_use = |remedy| (ErrorKind::AddrInUse.into(), remedy);
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if !is_socket {
        return Err(in_use("there is a file of this name that is no socket"));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| (error, DIRECTORY))
        }
        _ => Err(in_use("another process answers there: name another socket")),
    }
}

impl SocketFile {
    fn open_to_group(path: &Path) -> io::Result<Self> {
        fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
        let identity = identity(path)?;
        Ok(Self {
            path: path.to_owned(),
            identity,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("patchspan-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn a_socket_is_for_user_and_group_and_gone_at_the_end() {
        let folder = folder("socket");
        let path = folder.join("metrics.sock");
        let listen = Listen::Unix(path.clone());
        let socket = Socket::bind(&listen).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, MODE);
        assert!(Socket::bind(&listen).is_err(), "somebody answers there");
        drop(socket);
        assert!(!path.exists());
        // A killed run leaves the file behind.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        assert!(Socket::bind(&listen).is_ok());
        fs::write(&path, "mine").unwrap();
        assert!(Socket::bind(&listen).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_another_process_made_since_stays() {
        let folder = folder("socket-other");
        let path = folder.join("metrics.sock");
        let socket = Socket::bind(&Listen::Unix(path.clone())).unwrap();
        fs::rename(&path, folder.join("moved")).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(socket);
        assert!(path.exists());
        fs::remove_dir_all(&folder).unwrap();
    }
}
