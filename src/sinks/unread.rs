//! How much of what was written to a socket its reader has not read yet.

#![allow(
    unsafe_code,
    reason = "the ioctl SIOCOUTQ, for which no package has a safe function"
)]

use std::ffi::c_int;
use std::os::fd::AsFd;

use rustix::ioctl::{Getter, Opcode, ioctl};

/// SIOCOUTQ, by its other name TIOCOUTQ (asm-generic/ioctls.h).
const SIOCOUTQ: Opcode = 0x5411;
/// Machines on which Linux numbers it differently.
const IS_KNOWN: bool = cfg!(not(any(
    target_arch = "mips",
    target_arch = "mips64",
    target_arch = "powerpc",
    target_arch = "powerpc64",
    target_arch = "sparc64",
)));

/// Bytes that wait in the kernel; `None` where it does not say.
///
/// TCP: what the other machine has not acknowledged: what it has, its program may still leave unread. Unix: the memory that
/// unread bytes take, which is more than the bytes.
pub(super) fn unread(socket: impl AsFd) -> Option<u64> {
    if !IS_KNOWN {
        return None;
    }
    // SAFETY: SIOCOUTQ writes one int to the address given, and `Getter` provides one (man 7 tcp, man 7 unix).
    let bytes = unsafe { ioctl(socket, Getter::<SIOCOUTQ, c_int>::new()) };
    bytes.ok().and_then(|bytes| u64::try_from(bytes).ok())
}
