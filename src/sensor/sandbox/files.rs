//! The files that can be reached, and the TCP ports that can be connected to: Landlock.
//!
//! What a kernel does not know yet is left out: TCP before Linux 6.7, signals before 6.12. Unix sockets with a path are not looked at.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::{Needs, directory};
use crate::config::metrics::Listen;

/// The newest version whose restrictions are asked for. Version 9 knows Unix sockets: they would need rules of their own.
const NEWEST: ABI = ABI::V7;
/// The version from which on TCP is known.
const TCP: i32 = ABI::V4 as i32;

/// What the kernel and libpcap tell of interfaces (links lead to the second), of this process, and who is in which group.
const ALWAYS: [&str; 4] = ["/sys/class/net", "/sys/devices", "/proc/self", "/etc/group"];
/// What looking a name up takes: files of `/etc` are replaced, so the directory; the parts that glibc loads; where systemd-resolved
/// and NetworkManager keep the resolver's file.
const RESOLVER: [&str; 8] = [
    "/etc",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/run/systemd/resolve",
    "/run/NetworkManager",
    "/run/resolvconf",
];
/// The services that a filter may name by their names.
const FILTER: [&str; 4] = [
    "/etc/services",
    "/etc/protocols",
    "/etc/hosts",
    "/etc/nsswitch.conf",
];
const DNS: u16 = 53;

/// What Landlock does here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// The kernel has not got it, or not switched on: in these words.
    No(&'static str),
    /// Files are closed off.
    Files {
        /// The kernel's version of Landlock.
        version: i32,
        /// So is TCP.
        tcp: bool,
    },
}

/// Closes off everything else.
pub(super) fn close(needs: &Needs) -> Result<Closed, RulesetError> {
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::Signal)?
        .create()?;
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    let writing = reading
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::RemoveFile;
    for path in readable(needs) {
        ruleset = open(ruleset, &path, reading)?;
    }
    for path in &needs.writable {
        ruleset = open(ruleset, path, writing)?;
    }
    // Beside its own socket a run sees no file there.
    let serving = AccessFs::MakeSock | AccessFs::RemoveFile;
    match &needs.serves {
        Some(Listen::Unix(path)) => ruleset = open(ruleset, directory(path), serving)?,
        Some(Listen::Tcp(address)) => {
            let port = NetPort::new(address.port(), AccessNet::BindTcp);
            ruleset = ruleset.add_rule(port)?;
        }
        None => {}
    }
    for port in ports(needs) {
        ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    let status = ruleset.restrict_self()?;
    let version = match status.landlock {
        LandlockStatus::NotImplemented => return Ok(Closed::No("the kernel has no Landlock")),
        LandlockStatus::NotEnabled => return Ok(Closed::No("Landlock is switched off (`lsm=`)")),
        LandlockStatus::Available {
            effective_abi,
            kernel_abi,
        } => kernel_abi.unwrap_or(effective_abi as i32),
    };
    if status.ruleset == RulesetStatus::NotEnforced {
        return Ok(Closed::No("Landlock enforces nothing"));
    }
    Ok(Closed::Files {
        version,
        tcp: version >= TCP,
    })
}

/// What is not there, or out of reach for this user anyway, needs no rule.
fn open(
    ruleset: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    let Ok(descriptor) = PathFd::new(path) else {
        return Ok(ruleset);
    };
    let access = if path.is_dir() {
        access
    } else {
        access & AccessFs::from_file(NEWEST)
    };
    ruleset.add_rule(PathBeneath::new(descriptor, access))
}

fn readable(needs: &Needs) -> Vec<PathBuf> {
    let mut paths = needs.readable.clone();
    paths.extend(ALWAYS.iter().chain(&FILTER).map(PathBuf::from));
    if needs.resolves {
        paths.extend(RESOLVER.map(PathBuf::from));
    }
    paths
}

fn ports(needs: &Needs) -> impl Iterator<Item = u16> {
    // A long answer of a resolver comes over TCP.
    let dns = needs.resolves.then_some(DNS);
    needs.ports.iter().copied().chain(dns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_collector_by_name_opens_what_the_resolver_reads() {
        let needs = |resolves| Needs {
            ports: vec![6000],
            resolves,
            ..Needs::default()
        };
        assert_eq!(ports(&needs(false)).collect::<Vec<_>>(), [6000]);
        assert_eq!(ports(&needs(true)).collect::<Vec<_>>(), [6000, 53]);
        let is_open = |resolves| readable(&needs(resolves)).contains(&"/etc".into());
        assert!(is_open(true) && !is_open(false));
    }
}
