//! What a live run gives up before it reads the first packet: packets come from strangers.
//!
//! * `rights`: root becomes an unprivileged user, and every right goes but that to capture
//! * `files`: the files that can be reached, and the TCP ports (Landlock)
//! * `calls`: the system calls that can be made (seccomp)
//! * `report`: what of that holds, as the kernel tells it
//!
//! All of it holds for the calling thread and the threads that it starts, and cannot be taken back. Sockets, catalogue and outputs are
//! opened *inside*: each may have to be opened again hours later, and what cannot be opened inside is to fail at the start.
//!
//! It does not limit how much memory or time the sensor takes, and not whom a collector's port belongs to.
//!
//! Source: credentials(7), capabilities(7), landlock(7), seccomp(2).

mod calls;
mod files;
mod report;
mod rights;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

pub use report::{Part, Report};

use crate::config::Config;
use crate::config::job::RunJob;
use crate::config::metrics::Listen;
use crate::config::outputs::Target;

/// Why a run does not begin.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The user that root is to become does not exist.
    #[error(
        "there is no user {0}: make it (`adduser --system --group {0}`), or name another in `sandbox.user`"
    )]
    NoUser(String),
    /// That user is root.
    #[error("the user {0} is root: name an unprivileged one in `sandbox.user`")]
    Root(String),
    /// The kernel refuses to take rights away.
    #[error(
        "root cannot become {user}: {error}: start as that user, with CAP_NET_RAW (`setcap cap_net_raw=ep PROGRAM`, or systemd)"
    )]
    Change {
        /// The user that it should become.
        user: String,
        /// Why not.
        error: io::Error,
    },
    /// Rights cannot be taken away from a process that is not root.
    #[error("rights cannot be given up: {0}")]
    GiveUp(io::Error),
    /// The user that the sensor runs as cannot write where an output leads.
    #[error("output `{output}`: {}: the user {user} cannot write it: {remedy}", place.display())]
    Unwritable {
        /// The output.
        output: String,
        /// The file or directory.
        place: PathBuf,
        /// Who cannot.
        user: String,
        /// What mends it.
        remedy: String,
    },
    /// Where an output leads is no file that can be rotated.
    #[error("output `{output}`: {}: is {what}: name another file in `path`", place.display())]
    NoFile {
        /// The output.
        output: String,
        /// What is there.
        place: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The user that the sensor runs as cannot keep its state.
    #[error("state.directory: {}: the user {user} cannot write it: {remedy}", place.display())]
    NoState {
        /// The directory.
        place: PathBuf,
        /// Who cannot.
        user: String,
        /// What mends it.
        remedy: String,
    },
    /// The kernel knows Landlock, and refuses.
    #[error("files cannot be closed off (Landlock): {0}; `sandbox.enabled = false` does without")]
    Files(#[from] landlock::RulesetError),
    /// The kernel knows seccomp, and refuses.
    #[error(
        "system calls cannot be limited (seccomp): {0}; `sandbox.enabled = false` does without"
    )]
    Calls(#[from] seccompiler::Error),
    /// The configuration demands more than this machine can.
    #[error("`sandbox.required = true`, but this machine lacks: {}", .0.join("; "))]
    Lacking(Vec<String>),
}

/// What a run has to reach from inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// Files, and directories with all below them.
    readable: Vec<PathBuf>,
    /// Directories in which files are made, put aside and deleted.
    writable: Vec<PathBuf>,
    /// Ports of collectors.
    ports: Vec<u16>,
    /// A collector is known by its name.
    resolves: bool,
    /// Where metrics are asked for.
    serves: Option<Listen>,
}

/// Gives up everything that `job` does not need. To be called before any thread is started.
///
/// Gives what holds now. Errors: see [`SandboxError`]; the process may have given up some rights by then.
pub fn enter(job: &RunJob) -> Result<Report, SandboxError> {
    let sandbox = &job.config.sandbox;
    rights::give_up(sandbox.user.as_deref(), makes_files(&job.config))?;
    rights::check_outputs(&job.config.outputs)?;
    rights::check_state(job.config.state.directory.as_deref())?;
    let mut report = Report::of(rights::who());
    if sandbox.enabled {
        let needs = Needs::of(job);
        report.files = Some(files::close(&needs)?);
        report.calls = calls::limit(&needs)?;
    }
    report.ask_the_kernel();
    let lacking = report.lacking();
    if sandbox.required && !lacking.is_empty() {
        return Err(SandboxError::Lacking(lacking));
    }
    Ok(report)
}

/// Something that others read: a file, or the socket of metrics.
fn makes_files(config: &Config) -> bool {
    let is_file = |target: &Target| matches!(target, Target::File(_));
    let is_socket = matches!(config.metrics, Some(Listen::Unix(_)));
    is_socket || config.outputs.iter().any(|output| is_file(&output.target))
}

impl Needs {
    fn of(job: &RunJob) -> Self {
        let mut needs = Self::default();
        // A file that is edited is mostly replaced: what may be read is the directory that it stands in.
        let read = job.files.iter().map(|file| directory(file));
        needs.readable.extend(read.map(Path::to_owned));
        needs.readable.extend(job.config.catalogue.clone());
        needs.serves.clone_from(&job.config.metrics);
        needs.writable.extend(job.config.state.directory.clone());
        for output in &job.config.outputs {
            match &output.target {
                Target::File(file) => needs.writable.push(directory(&file.path).to_owned()),
                Target::Tcp(tcp) => {
                    let (host, port) = tcp.address.rsplit_once(':').unwrap_or_default();
                    needs.ports.extend(port.parse::<u16>());
                    let host = host.trim_matches(['[', ']']);
                    needs.resolves |= host.parse::<IpAddr>().is_err();
                    let ca_file = tcp.tls.as_ref().map(|tls| directory(&tls.ca_file));
                    needs.readable.extend(ca_file.map(Path::to_owned));
                }
                // Landlock does not look at Unix sockets that have a path.
                Target::Standard | Target::Unix(_) => {}
            }
        }
        needs
    }

    fn has_collector(&self) -> bool {
        !self.ports.is_empty()
    }
}

/// The directory that a file stands in.
fn directory(file: &Path) -> &Path {
    let parent = file.parent().unwrap_or(Path::new("/"));
    if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(text: &str) -> Needs {
        let config = Config::parse(text, Path::new("c")).unwrap();
        Needs::of(&RunJob {
            config,
            hosts: crate::config::hosts::HostList::default(),
            files: vec!["/etc/patchspan/sensor.toml".into(), "hosts.csv".into()],
            alive_every: crate::config::job::ALIVE_EVERY,
        })
    }

    #[test]
    fn a_run_needs_what_its_configuration_names_and_no_more() {
        let expected = Needs {
            readable: vec!["/etc/patchspan".into(), ".".into()],
            ..Needs::default()
        };
        assert_eq!(needs(""), expected);
        let expected = Needs {
            readable: vec![
                "/etc/patchspan".into(),
                ".".into(),
                "/srv/catalogue".into(),
                "/srv/pki".into(),
            ],
            writable: vec!["/var/lib/patchspan".into(), "/var/log/patchspan".into()],
            ports: vec![6000, 6514],
            resolves: false,
            serves: Some(Listen::Unix("/run/patchspan/metrics.sock".into())),
        };
        let text = r#"
            catalogue.directory = "/srv/catalogue"
            metrics.listen = "unix:/run/patchspan/metrics.sock"
            state.directory = "/var/lib/patchspan"
            [[output]]
            kind = "file"
            path = "/var/log/patchspan/updates.json"
            [[output]]
            kind = "tcp"
            name = "a"
            address = "[2001:db8::1]:6000"
            [[output]]
            kind = "tcp"
            name = "b"
            address = "192.0.2.1:6514"
            tls = true
            ca_file = "/srv/pki/ca.pem"
            [[output]]
            kind = "unix"
            path = "/run/collector.sock"
            "#;
        assert_eq!(needs(text), expected);
        let named = needs("[[output]]\nkind = \"tcp\"\naddress = \"collector.example.org:6000\"\n");
        assert!(named.resolves && named.has_collector());
    }
}
