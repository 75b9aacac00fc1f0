//! The system calls that can be made: three filters (seccomp), of which the strictest word counts.
//!
//! 1. A list of what the sensor, the C library and libpcap call. Anything else *does not exist* (ENOSYS), which is the answer that a
//!    newer C library knows how to live with: it falls back to the older call. A list of what is forbidden would let every call
//!    pass that a later kernel brings.
//! 2. Of those, arguments that are never right: sockets of families that the configuration does not need, processes instead of
//!    threads, memory that is writable and executable, settings of a network card. Not permitted (EPERM), as without the right.
//! 3. Calls that only an intruder makes: starting programs, looking into other processes, mounts, modules, BPF. They end the process:
//!    the service manager starts it again, the journal names the call, and whoever got that far does not get a second try.

use std::collections::BTreeMap;

use nix::libc;
use rustix::process::getpid;
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp,
    SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

use super::Needs;
use crate::config::metrics::Listen;

/// Conditions of which one refuses a call; each holds where all its parts do.
type Refusals = BTreeMap<i64, Vec<SeccompRule>>;

/// What the sensor and its libraries call.
const KNOWN: &[i64] = &[
    // Files.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_close,
    libc::SYS_lseek,
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_fchmod,
    libc::SYS_fchown,
    libc::SYS_ftruncate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_ioctl,
    // Waiting.
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_eventfd2,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    // Memory.
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Threads. Not clone3, whose arguments no filter can see: the C library falls back to clone.
    libc::SYS_clone,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_getpriority,
    libc::SYS_setpriority,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_prctl,
    libc::SYS_prlimit64,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_getrandom,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    // Adds a filter, takes none away.
    libc::SYS_seccomp,
    // Signals: to this process alone.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    // Clocks.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    // Sockets.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_shutdown,
];

/// Older forms of the same that other machines do not have.
#[cfg(target_arch = "x86_64")]
const OLDER: &[i64] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_unlink,
    libc::SYS_dup2,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[i64] = &[];

/// What answering takes beside that.
const SERVING: &[i64] = &[
    libc::SYS_listen,
    libc::SYS_accept4,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    // The mode of a Unix socket's file.
    libc::SYS_fchmodat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
];

/// What only an intruder calls.
const HOSTILE: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
];

/// Questions about descriptors and interfaces. None changes an interface.
const REQUESTS: &[u64] = &[
    libc::FIONBIO,
    libc::FIOCLEX,
    libc::FIONREAD,
    // How much of what was written to a socket is unread (SIOCOUTQ).
    libc::TIOCOUTQ,
    // Whether a descriptor is a terminal, and how wide.
    libc::TCGETS,
    libc::TCGETS2,
    libc::TIOCGWINSZ,
    libc::SIOCGIFNAME,
    libc::SIOCGIFINDEX,
    libc::SIOCGIFFLAGS,
    libc::SIOCGIFMTU,
    libc::SIOCGIFHWADDR,
    // The kernel asks for CAP_NET_ADMIN where ethtool changes anything.
    SIOCETHTOOL,
];
const SIOCETHTOOL: u64 = 0x8946;

const PR_SET_VMA: u64 = 0x5356_4d41;
const SOCKET_TYPE: u64 = 0xf;
const SOCK_PACKET: u64 = 10;

/// What seccomp does here; `None`: it has no filters for this kind of machine, or the kernel none.
pub(super) fn limit(needs: &Needs) -> Result<Option<usize>, Error> {
    let Some(machine) = machine() else {
        return Ok(None);
    };
    let programs = programs(needs, machine)?;
    for program in &programs {
        match apply_filter(program) {
            Err(Error::Seccomp(error)) if error.raw_os_error() == Some(libc::EINVAL) => {
                return Ok(None);
            }
            outcome => outcome?,
        }
    }
    Ok(Some(programs.len()))
}

const fn machine() -> Option<TargetArch> {
    if cfg!(target_arch = "x86_64") {
        Some(TargetArch::x86_64)
    } else if cfg!(target_arch = "aarch64") {
        Some(TargetArch::aarch64)
    } else {
        None
    }
}

/// In the order in which they are applied: the last refuses what applying a filter takes. For a call the kernel takes the strictest of
/// their answers.
fn programs(needs: &Needs, machine: TargetArch) -> Result<Vec<BpfProgram>, Error> {
    let refusal = |error: i32| SeccompAction::Errno(error.unsigned_abs());
    let all = |calls: &[i64]| calls.iter().map(|call| (*call, Vec::new())).collect();
    let serving = needs.serves.as_ref().map_or(&[][..], |_| SERVING);
    let known: Refusals = all(&[KNOWN, OLDER, serving].concat());
    let hostile: Refusals = all(HOSTILE);
    let filters = [
        (hostile, SeccompAction::Allow, SeccompAction::KillProcess),
        (known, refusal(libc::ENOSYS), SeccompAction::Allow),
        (refusals(needs)?, SeccompAction::Allow, refusal(libc::EPERM)),
    ];
    let program = |(rules, otherwise, listed)| {
        let filter = SeccompFilter::new(rules, otherwise, listed, machine)?;
        Ok(BpfProgram::try_from(filter)?)
    };
    filters.into_iter().map(program).collect()
}

fn refusals(needs: &Needs) -> Result<Refusals, Error> {
    let writable_code = (libc::PROT_WRITE | libc::PROT_EXEC) as u64;
    let code = libc::PROT_EXEC as u64;
    let process = u64::from(getpid().as_raw_pid().unsigned_abs());
    let other_requests = REQUESTS.iter().map(|request| is_not(1, *request));
    let refusals = [
        (libc::SYS_socket, sockets(needs)?),
        (
            libc::SYS_socketpair,
            vec![rule([is_not(0, libc::AF_UNIX as u64)])?],
        ),
        (
            libc::SYS_clone,
            vec![rule([has(0, libc::CLONE_THREAD as u64, 0)])?],
        ),
        (
            libc::SYS_mmap,
            // The resolver's parts are loaded when they are needed.
            vec![if needs.resolves {
                rule([has(2, writable_code, writable_code)])?
            } else {
                rule([has(2, code, code)])?
            }],
        ),
        (libc::SYS_mprotect, vec![rule([has(2, code, code)])?]),
        (libc::SYS_ioctl, vec![rule(other_requests)?]),
        (
            libc::SYS_prctl,
            vec![rule([
                is_not(0, libc::PR_SET_NAME as u64),
                is_not(0, PR_SET_VMA),
            ])?],
        ),
        // Limits are read, not set.
        (libc::SYS_prlimit64, vec![rule([is_given(2)])?]),
        (libc::SYS_tgkill, vec![rule([is_not(0, process)])?]),
    ];
    Ok(refusals.into_iter().collect())
}

/// Packet sockets to capture, Unix sockets for outputs, metrics and systemd; for a collector TCP; for its name a resolver over UDP and
/// TCP, and the kernel's list of addresses; for metrics on a port TCP of its family. libpcap asks for a netlink socket to put questions about interfaces to, and takes a Unix one instead.
fn sockets(needs: &Needs) -> Result<Vec<SeccompRule>, Error> {
    let (inet, inet6) = (libc::AF_INET as u64, libc::AF_INET6 as u64);
    let netlink = libc::AF_NETLINK as u64;
    let mut families = vec![libc::AF_PACKET as u64, libc::AF_UNIX as u64];
    let mut rules = Vec::new();
    let tcp = match &needs.serves {
        _ if needs.has_collector() => vec![inet, inet6],
        Some(Listen::Tcp(address)) if address.is_ipv4() => vec![inet],
        Some(Listen::Tcp(_)) => vec![inet6],
        _ => Vec::new(),
    };
    if !tcp.is_empty() {
        families.extend(&tcp);
        let raw = [libc::SOCK_RAW, libc::SOCK_RDM, libc::SOCK_SEQPACKET].map(|kind| kind as u64);
        let datagrams = (!needs.resolves).then_some(libc::SOCK_DGRAM as u64);
        for kind in raw.into_iter().chain([SOCK_PACKET]).chain(datagrams) {
            for family in tcp.iter().copied() {
                rules.push(rule([is(0, family), has(1, SOCKET_TYPE, kind)])?);
            }
        }
    }
    if needs.resolves {
        families.push(netlink);
        let route = libc::NETLINK_ROUTE as u64;
        rules.push(rule([is(0, netlink), is_not(2, route)])?);
    }
    rules.push(rule(families.into_iter().map(|family| is_not(0, family)))?);
    Ok(rules)
}

type Condition = Result<SeccompCondition, BackendError>;

/// Holds where all conditions do.
fn rule(conditions: impl IntoIterator<Item = Condition>) -> Result<SeccompRule, Error> {
    let conditions: Result<Vec<_>, _> = conditions.into_iter().collect();
    Ok(SeccompRule::new(conditions?)?)
}

fn is(argument: u8, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn is_not(argument: u8, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
}

/// Of the bits in `mask`, exactly those in `value` are set.
fn has(argument: u8, mask: u64, value: u64) -> Condition {
    let masked = SeccompCmpOp::MaskedEq(mask);
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, masked, value)
}

/// A pointer that is not null.
fn is_given(argument: u8) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_both_known_and_hostile_and_none_stands_twice() {
        let known: Vec<i64> = [KNOWN, OLDER, SERVING].concat();
        assert!(HOSTILE.iter().all(|call| !known.contains(call)));
        for list in [known.as_slice(), HOSTILE] {
            let mut once = list.to_vec();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), list.len());
        }
    }

    #[test]
    fn every_filter_is_short_enough_for_the_kernel_on_every_machine() {
        for (ports, resolves) in [(vec![], false), (vec![1], false), (vec![1], true)] {
            let address = "127.0.0.1:9477".parse().unwrap();
            let needs = Needs {
                ports,
                resolves,
                serves: Some(Listen::Tcp(address)),
                ..Needs::default()
            };
            for machine in [TargetArch::x86_64, TargetArch::aarch64] {
                let lengths: Vec<usize> = programs(&needs, machine)
                    .unwrap()
                    .iter()
                    .map(Vec::len)
                    .collect();
                assert_eq!(lengths.len(), 3);
                assert!(lengths.iter().all(|length| *length < 4_096), "{lengths:?}");
            }
        }
    }
}
