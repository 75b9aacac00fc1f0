//! What the kernel tells of this process, under the names that every Prometheus client uses.
//!
//! After root became another user, the kernel keeps `auxv` from the process itself: nothing here may need the size of a page or of a tick.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use procfs::process::{LimitValue, Process};

/// Figures of this process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ProcessFigures {
    pub cpu_seconds: f64,
    pub resident_bytes: f64,
    pub virtual_bytes: f64,
    pub open_fds: f64,
    pub max_fds: f64,
    pub threads: f64,
}

/// `None` where the kernel does not tell.
pub(super) fn figures() -> Option<ProcessFigures> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let cpu = usage.user_time() + usage.system_time();
    let process = Process::myself().ok()?;
    let status = process.status().ok()?;
    let bytes = |kibibytes: u64| (kibibytes * 1_024) as f64;
    let most = process.limits().ok()?.max_open_files.soft_limit;
    Some(ProcessFigures {
        cpu_seconds: cpu.num_microseconds() as f64 / 1e6,
        resident_bytes: bytes(status.vmrss?),
        virtual_bytes: bytes(status.vmsize?),
        open_fds: process.fd_count().ok()? as f64,
        max_fds: match most {
            LimitValue::Value(most) => most as f64,
            LimitValue::Unlimited => f64::INFINITY,
        },
        threads: status.threads as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_memory_time_and_descriptors() {
        let figures = figures().unwrap();
        assert!(figures.resident_bytes > 1e6 && figures.resident_bytes < figures.virtual_bytes);
        assert!(figures.open_fds >= 3.0 && figures.open_fds < figures.max_fds);
        assert!(figures.threads >= 1.0 && figures.cpu_seconds >= 0.0);
    }
}
