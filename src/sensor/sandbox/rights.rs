//! Root becomes an unprivileged user; every capability goes but CAP_NET_RAW.
//!
//! The ambient and the inheritable set are emptied too: they matter to programs that are started, and none is.

use std::io;
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
        remedy: if place.exists() {
            format!("`chown {user} {shown}` gives it to that user, if nobody else needs it")
        } else {
            format!("`install -d -o {user} -m 700 {shown}` makes it")
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
    format!("`chown {user}:{group} {shown}` gives it to that user, if nobody else needs it")
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
    use std::time::Duration;

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

    #[test]
    fn a_directory_that_is_not_there_is_told_with_the_command_that_makes_it() {
        let file = FileTarget {
            path: "/nonexistent/logs/a.json".into(),
            rotate_size: 1,
            rotate_every: Duration::from_secs(1),
            compress: false,
            keep_for: Duration::from_secs(1),
            keep_size: 1,
        };
        let output = OutputConfig {
            target: Target::File(file),
            ..OutputConfig::default()
        };
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
