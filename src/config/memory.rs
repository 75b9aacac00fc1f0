//! How the one setting `memory` is shared out.
//!
//! The shares are ceilings: a table that is full evicts or refuses, and counts it. What is not shared out is left for the
//! program itself and for what the allocator rounds up.

use super::forms::size_in_words;

/// What `memory` is where nobody set it.
pub const DEFAULT: u64 = 1 << 30;

/// Bytes for a person: whole mebibytes.
pub fn in_words(bytes: u64) -> String {
    size_in_words(bytes >> 20 << 20)
}

/// Bytes for each consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Flow tables of all workers.
    pub flows: u64,
    /// Payload that waits to be put in order: streams, hellos, fragments.
    pub streams: u64,
    /// The names table and the text of names.
    pub names: u64,
    /// Accesses, sessions, hosts.
    pub updates: u64,
    /// Lines that wait for outputs.
    pub outputs: u64,
    /// The kernel's rings of a live run.
    pub rings: u64,
    /// What is about to be written to the state directory, and the file there.
    pub state: u64,
}

impl Shares {
    /// Shares of `memory` bytes.
    pub const fn of(memory: u64) -> Self {
        let percent = memory / 100;
        Self {
            flows: percent * 35,
            streams: percent * 15,
            names: percent * 20,
            updates: percent * 10,
            outputs: percent * 10,
            rings: percent * 5,
            state: percent * 4,
        }
    }

    /// Each share with its name, for a person.
    pub fn lines(&self) -> impl Iterator<Item = String> + use<> {
        let shares = [
            ("flows", self.flows),
            ("streams", self.streams),
            ("names", self.names),
            ("updates", self.updates),
            ("outputs", self.outputs),
            ("rings", self.rings),
            ("state", self.state),
        ];
        let line = |(name, bytes): (&str, u64)| {
            let bytes = in_words(bytes);
            format!("{name:8} {bytes:>8}")
        };
        shares.into_iter().map(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_less_than_the_whole() {
        for memory in [64 << 20, 1 << 30, 1 << 40] {
            let Shares {
                flows,
                streams,
                names,
                updates,
                outputs,
                rings,
                state,
            } = Shares::of(memory);
            assert!(flows + streams + names + updates + outputs + rings + state < memory);
        }
    }

    #[test]
    fn shares_are_told_in_mebibytes() {
        let lines: Vec<String> = Shares::of(1 << 30).lines().collect();
        assert_eq!(lines.first().unwrap(), "flows      358MiB");
    }
}
