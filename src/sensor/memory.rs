//! Whether this machine has the memory that a configuration asks for.
//!
//! Tables grow into their shares as traffic comes, and of the names table the kernel gives a page at its first use. So a sensor that
//! may take more than there is begins well, and is killed hours later: it is refused at the start. What the system refuses then, by a
//! limit of the process or by its policy, is asked for once and given back.
//!
//! The default is let through on a small machine: what little traffic it sees takes little of it.

use procfs::{Current as _, Meminfo};

use crate::config::memory::{DEFAULT, Shares, in_words};

/// Why a run does not begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// The machine has less.
    #[error(
        "memory = \"{asked}\": this machine has {there}: accepted is at most that, and the system needs some too: set memory = \"{proposed}\""
    )]
    TooMuch {
        /// What the configuration says.
        asked: String,
        /// What there is.
        there: String,
        /// Three quarters of that.
        proposed: String,
    },
    /// The system does not give what the names table takes at once.
    #[error(
        "memory = \"{0}\": the system refuses that much: set less, or raise the limit of this process (`ulimit -v`, `vm.overcommit_memory`)"
    )]
    Refused(String),
}

/// Whether so many bytes, which tables and queues may take together, can be had here.
pub fn check(memory: u64) -> Result<(), MemoryError> {
    // Where the kernel does not say what there is, nobody is refused.
    if let Ok(info) = Meminfo::current() {
        judge(memory, info.mem_total)?;
    }
    if can_be_had(Shares::of(memory).names) {
        Ok(())
    } else {
        Err(MemoryError::Refused(in_words(memory)))
    }
}

fn judge(asked: u64, there: u64) -> Result<(), MemoryError> {
    if asked <= there.max(DEFAULT) {
        return Ok(());
    }
    Err(MemoryError::TooMuch {
        asked: in_words(asked),
        there: in_words(there),
        proposed: in_words(there / 4 * 3),
    })
}

/// No page of it is touched, so it costs nothing.
fn can_be_had(bytes: u64) -> bool {
    let mut room: Vec<u8> = Vec::new();
    let outcome = room.try_reserve_exact(usize::try_from(bytes).unwrap_or(usize::MAX));
    // Without this the compiler may leave out what nobody reads, and say yes.
    std::hint::black_box(&room);
    outcome.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_does_not_have_is_refused_with_what_it_has() {
        let said = judge(1 << 40, 16 << 30).unwrap_err().to_string();
        assert_eq!(
            said,
            "memory = \"1TiB\": this machine has 16GiB: accepted is at most that, and the system needs some too: set memory = \"12GiB\""
        );
        assert_eq!(judge(16 << 30, 16 << 30), Ok(()));
    }

    #[test]
    fn a_small_machine_takes_the_default() {
        assert_eq!(judge(DEFAULT, 512 << 20), Ok(()));
        assert!(judge(DEFAULT + 1, 512 << 20).is_err());
        assert_eq!(check(64 << 20), Ok(()));
    }

    #[test]
    fn what_no_machine_can_give_is_no_panic() {
        assert!(!can_be_had(u64::MAX));
        assert!(check(1 << 50).is_err());
    }
}
