//! Root becomes an unprivileged user; every capability goes but CAP_NET_RAW.
//!
//! The ambient and the inheritable set are emptied too: they matter to programs that are started, and none is.

use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use nix::unistd::{Gid, Group, User, geteuid, getgid, getuid, setgroups, setresgid, setresuid};
use rustix::fs::{Access, access};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_keep_capabilities, set_no_new_privs,
};

use super::{SandboxError, directory};
use crate::config::outputs::{OutputConfig, Target};

/// What capturing needs.
const NEEDED: CapabilitySet = CapabilitySet::NET_RAW;
/// A capability's number is lower.
const CAPABILITIES: u32 = 64;
/// Users that root becomes where none is named.
const USERS: [&str; 2] = ["patchspan", "nobody"];
/// The group that reads logs on Debian.
const LOG_GROUP: &str = "adm";

/// A user and a group, by their names where they have any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Who {
    pub user: String,
    pub group: String,
    pub is_root: bool,
}

/// Takes every right away that capturing does not need. `writes_files`: they are to belong to the group that reads logs.
pub(super) fn give_up(user: Option<&str>, writes_files: bool) -> Result<(), SandboxError> {
    if geteuid().is_root() {
        let user = target(user)?;
        become_user(&user, writes_files).map_err(|error| SandboxError::Change {
            user: user.name,
            error,
        })?;
    }
    keep_only_the_needed().map_err(SandboxError::GiveUp)
}

/// Fails where an output's file or directory cannot be written by the user that this process runs as.
pub(super) fn check_outputs(outputs: &[OutputConfig]) -> Result<(), SandboxError> {
    for output in outputs {
        let Target::File(file) = &output.target else {
            continue;
        };
        if let Some(what) = what_else(&file.path) {
            return Err(SandboxError::NoFile {
                output: output.name.clone(),
                place: file.path.clone(),
                what,
            });
        }
        let folder = directory(&file.path);
        let place = if !may(folder, Access::WRITE_OK | Access::EXEC_OK) {
            folder
        } else if file.path.exists() && !may(&file.path, Access::READ_OK | Access::WRITE_OK) {
            &file.path
        } else {
            continue;
        };
        let user = who().user;
        return Err(SandboxError::Unwritable {
            output: output.name.clone(),
            remedy: remedy(place, &user),
            place: place.to_owned(),
            user,
        });
    }
    Ok(())
}

/// Fails where the user that this process runs as cannot keep state in `directory`.
pub(super) fn check_state(directory: Option<&Path>) -> Result<(), SandboxError> {
    let needed = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    let Some(place) = directory.filter(|place| !place.is_dir() || !may(place, needed)) else {
        return Ok(());
    };
    let (user, shown) = (who().user, place.display());
    Err(SandboxError::NoState {
        remedy: if !place.exists() {
            format!("`install -d -o {user} -m 700 {shown}` makes it")
        } else if !place.is_dir() {
            "it is no directory: name another".to_owned()
        } else if is_shared(place) {
            format!(
                "name a directory of its own (`install -d -o {user} -m 700 /var/lib/patchspan`)"
            )
        } else {
            format!("`chown {user} {shown}` gives it to that user, if nobody else needs it")
        },
        place: place.to_owned(),
        user,
    })
}

/// Who this process runs as.
pub(super) fn who() -> Who {
    let (uid, gid) = (getuid(), getgid());
    let user = User::from_uid(uid).ok().flatten();
    let group = Group::from_gid(gid).ok().flatten();
    Who {
        user: user.map_or_else(|| uid.to_string(), |user| user.name),
        group: group.map_or_else(|| gid.to_string(), |group| group.name),
        is_root: uid.is_root(),
    }
}

fn may(path: &Path, how: Access) -> bool {
    access(path, how).is_ok()
}

fn remedy(place: &Path, user: &str) -> String {
    let group = if Group::from_name(LOG_GROUP).is_ok_and(|group| group.is_some()) {
        LOG_GROUP
    } else {
        ""
    };
    let shown = place.display();
    if !place.exists() {
        let group = if group.is_empty() { "" } else { " -g adm" };
        return format!("`install -d -o {user}{group} -m 750 {shown}` makes it");
    }
    if is_shared(place) {
        let group = if group.is_empty() { "" } else { " -g adm" };
        return format!(
            "name a file in a directory of its own (`install -d -o {user}{group} -m 750 /var/log/patchspan`)"
        );
    }
    format!("`chown {user}:{group} {shown}` gives it to that user, if nobody else needs it")
}

/// What lies at `path`, where that is no file of its own; a link may lead to anybody's.
fn what_else(path: &Path) -> Option<&'static str> {
    let kind = path.symlink_metadata().ok()?.file_type();
    match kind {
        _ if kind.is_file() => None,
        _ if kind.is_dir() => Some("a directory"),
        _ if kind.is_symlink() => Some("a symbolic link, which may lead to a file of others"),
        _ if kind.is_fifo() => Some("a named pipe, which cannot be rotated"),
        _ if kind.is_socket() => Some("a socket (kind = \"unix\" writes to one)"),
        _ => Some("a device, which cannot be rotated"),
    }
}

/// Whether a place belongs to the system, or a link leads there: nobody is told to give it away.
fn is_shared(place: &Path) -> bool {
    let is_link = |path: &Path| path.symlink_metadata().is_ok_and(|data| data.is_symlink());
    let Ok(real) = place.canonicalize() else {
        return true;
    };
    let mut names = real.iter().skip(1).map(|name| name.to_string_lossy());
    let (first, depth) = (names.next(), names.count());
    let is_of_the_system = match first.as_deref() {
        None => true,
        Some(
            "bin" | "boot" | "dev" | "etc" | "lib" | "lib32" | "lib64" | "proc" | "root" | "sbin"
            | "sys" | "usr",
        ) => true,
        // `/var/log` is everybody's, `/var/log/patchspan` is not.
        Some("var" | "run" | "home") => depth < 2,
        Some(_) => depth == 0,
    };
    is_link(place) || is_of_the_system
}

/// The user that root becomes.
fn target(named: Option<&str>) -> Result<User, SandboxError> {
    let candidates = named.map_or(USERS.to_vec(), |named| vec![named]);
    let find = |name: &&str| User::from_name(name).ok().flatten();
    let missing = || SandboxError::NoUser(candidates.last().copied().unwrap_or_default().into());
    let user = candidates.iter().find_map(find).ok_or_else(missing)?;
    if user.uid.is_root() {
        return Err(SandboxError::Root(user.name));
    }
    Ok(user)
}

fn become_user(user: &User, writes_files: bool) -> io::Result<()> {
    close_bounding_set()?;
    set_keep_capabilities(true)?;
    let log_group = Group::from_name(LOG_GROUP).ok().flatten();
    // New files belong to the first group; what belongs to the user's own group stays within reach.
    let log_group = log_group.filter(|_| writes_files).map(|group| group.gid);
    let groups: Vec<Gid> = log_group.into_iter().chain([user.gid]).collect();
    setgroups(&groups)?;
    let group = log_group.unwrap_or(user.gid);
    setresgid(group, group, group)?;
    setresuid(user.uid, user.uid, user.uid)?;
    set_keep_capabilities(false)?;
    Ok(())
}

/// No right beside the needed one can come back, not even by a program with rights of its own.
fn close_bounding_set() -> io::Result<()> {
    for number in 0..CAPABILITIES {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        // The kernel does not know the numbers above its last.
        let Ok(is_in) = capability_is_in_bounding_set(capability) else {
            break;
        };
        if is_in && capability != NEEDED {
            remove_capability_from_bounding_set(capability)?;
        }
    }
    Ok(())
}

fn keep_only_the_needed() -> io::Result<()> {
    clear_ambient_capability_set()?;
    let held = capabilities(None)?;
    let kept = held.permitted & NEEDED;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    let outcome = set_capabilities(None, sets);
    // A service manager may have taken all others away, and with them the call that does it.
    let is_done = NEEDED.contains(held.permitted | held.effective);
    outcome.or_else(|error| if is_done { Ok(()) } else { Err(error) })?;
    Ok(set_no_new_privs(true)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::outputs::FileTarget;

    #[test]
    fn root_and_users_that_do_not_exist_are_no_targets() {
        let refusal = |name| target(Some(name)).unwrap_err().to_string();
        assert!(refusal("root").contains("name an unprivileged one"));
        assert!(refusal("nobody-here").contains("`adduser --system --group nobody-here`"));
        assert!(!target(None).unwrap().uid.is_root());
    }

    #[test]
    fn a_state_directory_that_is_not_there_is_told_with_the_command_that_makes_it() {
        assert!(check_state(None).is_ok());
        let said = check_state(Some(Path::new("/nonexistent/state"))).unwrap_err();
        let user = who().user;
        assert_eq!(
            said.to_string(),
            format!(
                "state.directory: /nonexistent/state: the user {user} cannot write it: \
                 `install -d -o {user} -m 700 /nonexistent/state` makes it"
            )
        );
    }

    fn output(path: impl Into<std::path::PathBuf>) -> OutputConfig {
        OutputConfig {
            target: Target::File(FileTarget::new(path.into())),
            ..OutputConfig::default()
        }
    }

    #[test]
    fn what_is_no_file_is_told_for_what_it_is() {
        let folder = std::env::temp_dir().join(format!("patchspan-kinds-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let link = folder.join("link.json");
        std::os::unix::fs::symlink("/etc/hostname", &link).unwrap();
        for (path, what) in [
            (folder.clone(), "is a directory:"),
            (
                link,
                "is a symbolic link, which may lead to a file of others:",
            ),
            ("/dev/null".into(), "is a device, which cannot be rotated:"),
        ] {
            let said = check_outputs(&[output(&path)]).unwrap_err().to_string();
            assert!(said.contains(what), "{said}");
            assert!(!said.contains("chown"), "{said}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn nobody_is_told_to_give_away_what_is_the_systems() {
        for place in [
            "/",
            "/dev",
            "/etc",
            "/proc/self",
            "/usr/lib",
            "/var/log",
            "/tmp",
        ] {
            let said = remedy(Path::new(place), "patchspan");
            assert!(is_shared(Path::new(place)), "{place}");
            assert!(
                !said.contains("chown") && said.contains("of its own"),
                "{said}"
            );
        }
        let folder = std::env::temp_dir().join(format!("patchspan-own-{}", std::process::id()));
        let link = folder.with_extension("link");
        std::fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(remedy(&folder, "patchspan").starts_with("`chown patchspan:"));
        assert!(is_shared(&link));
        std::fs::remove_file(&link).unwrap();
        std::fs::remove_dir(&folder).unwrap();
    }

    #[test]
    fn a_directory_that_is_not_there_is_told_with_the_command_that_makes_it() {
        let output = output("/nonexistent/logs/a.json");
        let said = check_outputs(&[output]).unwrap_err().to_string();
        let user = who().user;
        assert!(said.contains(&format!(
            "the user {user} cannot write it: `install -d -o {user}"
        )));
        assert!(
            said.ends_with("-m 750 /nonexistent/logs` makes it"),
            "{said}"
        );
    }
}
