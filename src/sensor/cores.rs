//! Cores that workers are bound to.

use std::num::NonZeroUsize;

use rustix::io::Result;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Why workers cannot be bound as the configuration says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoreError {
    /// Some worker would have none.
    #[error("capture.cores names {named} cores for {workers} workers; name one for each, or none")]
    TooFew {
        /// Cores named.
        named: usize,
        /// Workers.
        workers: NonZeroUsize,
    },
    /// Two workers would share one.
    #[error("capture.cores names core {0} twice; each worker needs its own")]
    Twice(u16),
    /// It is not there, or this process may not use it.
    #[error("capture.cores names core {core}, which this process cannot use; it can use {usable}")]
    Unusable {
        /// The core.
        core: u16,
        /// Those that it may use, as `0-3,6`.
        usable: String,
    },
}

/// Whether each of `workers` workers can be bound to its core of `cores`; no core: they are not bound.
pub fn check(cores: &[u16], workers: NonZeroUsize) -> std::result::Result<(), CoreError> {
    // A kernel that does not say which cores there are has more than can be named here; binding tells.
    let Some(usable) = sched_getaffinity(None).ok().filter(|_| !cores.is_empty()) else {
        return Ok(());
    };
    judge(cores, workers, &|core| usable.is_set(usize::from(core)))
}

/// Binds the calling thread to a core.
pub(super) fn bind(core: u16) -> Result<()> {
    let mut only = CpuSet::new();
    only.set(usize::from(core));
    sched_setaffinity(None, &only)
}

fn judge(
    cores: &[u16],
    workers: NonZeroUsize,
    is_usable: &dyn Fn(u16) -> bool,
) -> std::result::Result<(), CoreError> {
    let named = cores.len();
    if named < workers.get() {
        return Err(CoreError::TooFew { named, workers });
    }
    for (at, core) in cores.iter().enumerate() {
        if cores.iter().take(at).any(|earlier| earlier == core) {
            return Err(CoreError::Twice(*core));
        }
        if !is_usable(*core) {
            return Err(CoreError::Unusable {
                core: *core,
                usable: in_ranges(is_usable),
            });
        }
    }
    Ok(())
}

fn in_ranges(is_usable: &dyn Fn(u16) -> bool) -> String {
    let last = u16::try_from(CpuSet::MAX_CPU).unwrap_or(u16::MAX);
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for core in (0..last).filter(|core| is_usable(*core)) {
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == core => *end = core,
            _ => ranges.push((core, core)),
        }
    }
    let words = ranges.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    words.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_needs_a_core_of_its_own_that_can_be_used() {
        let two = NonZeroUsize::new(2).unwrap();
        let is_usable = |core: u16| matches!(core, 0..=3 | 6);
        let said = |cores: &[u16]| {
            let outcome = judge(cores, two, &is_usable);
            outcome.map_err(|error| error.to_string())
        };
        assert_eq!(said(&[2, 6]), Ok(()));
        assert_eq!(said(&[2, 3, 6]), Ok(()), "one may be too many");
        let few = "capture.cores names 1 cores for 2 workers; name one for each, or none";
        assert_eq!(said(&[2]), Err(few.to_owned()));
        let twice = "capture.cores names core 2 twice; each worker needs its own";
        assert_eq!(said(&[2, 2]), Err(twice.to_owned()));
        let absent = "capture.cores names core 5, which this process cannot use; it can use 0-3,6";
        assert_eq!(said(&[2, 5]), Err(absent.to_owned()));
    }

    #[test]
    fn without_cores_nothing_is_asked() {
        assert_eq!(check(&[], NonZeroUsize::MIN), Ok(()));
    }
}
