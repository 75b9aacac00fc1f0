//! What the kernel tells of this process, under the names that every Prometheus client uses.

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
    let process = Process::myself().ok()?;
    let stat = process.stat().ok()?;
    let open = process.limits().ok()?.max_open_files.soft_limit;
    Some(ProcessFigures {
        cpu_seconds: (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64,
        resident_bytes: (stat.rss * procfs::page_size()) as f64,
        virtual_bytes: stat.vsize as f64,
        open_fds: process.fd_count().ok()? as f64,
        max_fds: match open {
            LimitValue::Value(most) => most as f64,
            LimitValue::Unlimited => f64::INFINITY,
        },
        threads: stat.num_threads as f64,
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
