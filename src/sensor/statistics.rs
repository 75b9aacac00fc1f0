//! What was counted, and how it is told at the end: `stats` in EVE's words, `patchspan_stats` with every counter.

use std::collections::BTreeMap;

use crate::records::Line;
use crate::records::stats::write_counters;

/// Counters by name, summed over workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    /// Adds figures.
    pub fn add(&mut self, figures: impl IntoIterator<Item = (&'static str, u64)>) {
        for (name, figure) in figures {
            let sum = self.0.entry(name).or_default();
            *sum = sum.saturating_add(figure);
        }
    }

    /// Every figure with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(name, figure)| (*name, *figure))
    }

    /// A figure; 0 where nobody counted it.
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Writes the object of `stats`: what EVE knows.
    pub fn write_standard(&self, line: &mut Line<'_>, uptime_s: u64) {
        let invalid: u64 = self
            .0
            .iter()
            .filter(|(name, _)| is_invalid(name))
            .map(|(_, figure)| figure)
            .sum();
        // A replay has no kernel: what it read was received.
        let received = self.of("live.received").max(self.of("decoder.frames"));
        line.object("stats", |line| {
            let figures = [
                ("uptime", uptime_s),
                ("capture.kernel_packets", received),
                ("capture.kernel_drops", self.of("live.dropped")),
                ("decoder.pkts", self.of("decoder.frames")),
                ("decoder.bytes", self.of("decoder.bytes")),
                ("decoder.invalid", invalid),
                ("flow.total", self.of("flow.total")),
                ("flow.tcp", self.of("flow.tcp")),
                ("flow.udp", self.of("flow.udp")),
                ("flow.tcp_reuse", self.of("flow.tcp_reuse")),
            ];
            write_counters(line, &figures);
        });
    }

    /// Writes the object of `patchspan_stats`: every counter, sorted by name.
    pub fn write_own(&self, line: &mut Line<'_>) {
        let figures: Vec<(&str, u64)> = self.0.iter().map(|(name, sum)| (*name, *sum)).collect();
        line.object("patchspan_stats", |line| {
            line.integer("v", 1);
            write_counters(line, &figures);
        });
    }

    /// What has to be told a person: tables that were full, and times that are wrong.
    pub fn warnings(&self) -> impl Iterator<Item = String> + '_ {
        const FULL: [(&str, &str); 9] = [
            (
                "flow.forced",
                "flows ended early because the flow table was full",
            ),
            ("flow.hurried", "flows ended before they could be named"),
            (
                "flow.forgotten",
                "names of ended connections were forgotten early because there were too many",
            ),
            (
                "streams.refused",
                "streams were given up because too much of others waited",
            ),
            (
                "streams.buffers_refused",
                "streams were read no further because too much of others was incomplete",
            ),
            (
                "updates.evicted",
                "accesses ended early because too many were open",
            ),
            (
                "coverage.refused",
                "minutes of clients did not count in coverage because there were too many clients",
            ),
            (
                "bindings.evicted",
                "addresses and MAC addresses were forgotten early because there were too many: what their hosts did stands under addresses",
            ),
            (
                "names.evicted",
                "answers of DNS were forgotten early because the names table was full",
            ),
        ];
        let full = FULL
            .iter()
            .map(|(name, what)| (self.of(name), what))
            .filter(|(figure, _)| *figure > 0)
            .map(|(figure, what)| {
                format!("{figure} {what}; raise `memory`, and compare no runs with other numbers of workers")
            });
        full.chain(self.warning_of_order())
    }

    /// Frames that came long after their time.
    fn warning_of_order(&self) -> Option<String> {
        let late = self.of("clock.far_behind");
        (late > 0).then(|| {
            format!(
                "{late} of {} frames lie more than a second behind one that was read before them, and count at its time; \
                 of several files, leave out --in-order; within one file, sort its packets by time (reordercap)",
                self.of("decoder.frames")
            )
        })
    }
}

fn is_invalid(name: &str) -> bool {
    ["decoder.short_", "decoder.bad_", "decoder.too_many"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}
