//! Figures to verdicts. Every threshold, and every least number of something below which nothing is judged, stands in
//! `RULES`.
//!
//! * `frames`: what arrives, and in which form
//! * `losses`: what is lost, and what the clock says
//! * `hosts`: whether the list of hosts fits to who is there
//! * `names`: whether names can be tied to clients

mod frames;
mod hosts;
mod losses;
mod names;

use super::figures::{Figures, LocalFigures, ppm};
use crate::records::doctor::{Finding, Measure, State, Unit};
pub use crate::sensor::clients::percent;

/// When something is a finding.
#[derive(Clone, Copy, Debug)]
struct Rule {
    check: &'static str,
    /// From here on it is one; for `traffic`, `dns-seen` and `named-flows`: below it.
    threshold: u64,
    unit: Unit,
    /// With less of `of` nothing is judged.
    minimum: u64,
    of: &'static str,
}

#[rustfmt::skip] // A table reads better in lines than one field a line.
const RULES: [Rule; 22] = [
    Rule { check: "interface", threshold: 1, unit: Unit::Count, minimum: 0, of: "interfaces" },
    Rule { check: "traffic", threshold: 1, unit: Unit::Count, minimum: 0, of: "frames" },
    Rule { check: "link-types", threshold: 100, unit: Unit::Ppm, minimum: 1, of: "frames" },
    Rule { check: "undecoded", threshold: 10_000, unit: Unit::Ppm, minimum: 1_000, of: "frames" },
    Rule { check: "one-sided", threshold: 50_000, unit: Unit::Ppm, minimum: 2, of: "TCP flows with payload" },
    Rule { check: "doubled", threshold: 10_000, unit: Unit::Ppm, minimum: 50, of: "packets" },
    Rule { check: "tags-one-sided", threshold: 50_000, unit: Unit::Ppm, minimum: 2, of: "flows seen both ways" },
    Rule { check: "qinq", threshold: 1, unit: Unit::Count, minimum: 1, of: "packets" },
    Rule { check: "merged-frames", threshold: 1_000, unit: Unit::Ppm, minimum: 20, of: "TCP segments with payload" },
    Rule { check: "snap-length", threshold: 1_000, unit: Unit::Ppm, minimum: 20, of: "frames" },
    Rule { check: "local-drops", threshold: 1_000, unit: Unit::Ppm, minimum: 1_000, of: "frames" },
    Rule { check: "mirror-loss", threshold: 1_000, unit: Unit::Ppm, minimum: 1_500_000, of: "TCP bytes of connections seen both ways and from their beginning" },
    Rule { check: "clock-offset", threshold: 300_000, unit: Unit::Milliseconds, minimum: 3, of: "dated answers of servers" },
    Rule { check: "clock-backwards", threshold: 1, unit: Unit::Count, minimum: 2, of: "frames" },
    Rule { check: "dns-seen", threshold: 1, unit: Unit::Count, minimum: 50, of: "connections" },
    Rule { check: "dns-unanswered", threshold: 100_000, unit: Unit::Ppm, minimum: 50, of: "DNS queries" },
    Rule { check: "dns-unasked", threshold: 100_000, unit: Unit::Ppm, minimum: 50, of: "DNS responses" },
    Rule { check: "resolver-side", threshold: 950_000, unit: Unit::Ppm, minimum: 20, of: "DNS questions" },
    Rule { check: "named-flows", threshold: 500_000, unit: Unit::Ppm, minimum: 50, of: "flows" },
    Rule { check: "clients", threshold: 0, unit: Unit::Count, minimum: 1, of: "connections" },
    Rule { check: "hosts-listed", threshold: 500_000, unit: Unit::Ppm, minimum: 1, of: "clients" },
    Rule { check: "hosts-macs", threshold: 900_000, unit: Unit::Ppm, minimum: 8, of: "clients whose MAC address is known" },
];

/// A larger part of the flows one-sided: the mirror shows one side only; less: routes differ.
const WHOLLY_ONE_SIDED_PPM: u64 = 900_000;
/// That part of the flows is one-sided is judged only over so many.
const PARTLY_ONE_SIDED: u64 = 20;
/// One gap may be chance, as a card that is just being opened.
const FEW_GAPS: u64 = 3;
/// One server's clock may be wrong.
const FEW_SERVERS: u64 = 2;
/// With fewer clients a mirror is not said to lie behind a resolver.
const FEW_CLIENTS: u64 = 4;
/// Resolvers are at most one for so many clients: hosts that ask over IPv4 and connect over IPv6 are as many as their addresses.
const CLIENTS_A_RESOLVER: u64 = 4;
/// Where a larger part of the connecting clients asks for itself, resolvers beside them are no fault.
const ASKING_PPM: u64 = 50_000;

/// A verdict on everything, the overall one last.
pub(super) fn judge(figures: &Figures) -> Vec<Finding> {
    let local = figures.local.as_ref();
    let mut findings: Vec<Finding> = local.map(frames::interface).into_iter().collect();
    if !local.is_some_and(|local| local.is_down() && figures.packets.frames == 0) {
        findings.push(frames::traffic(figures));
        findings.extend(judge_frames(figures));
        findings.extend(local.map(losses::local_drops));
        findings.push(losses::mirror_loss(figures));
        findings.extend([
            losses::clock_offset(figures),
            losses::clock_backwards(figures),
        ]);
        findings.extend(judge_names(figures));
        findings.extend(hosts::judge(figures));
    }
    findings.push(overall(&findings));
    findings
}

fn judge_frames(figures: &Figures) -> [Finding; 8] {
    [
        frames::link_types(figures),
        frames::undecoded(figures),
        frames::one_sided(figures),
        frames::doubled(figures),
        frames::tags_one_sided(figures),
        frames::qinq(figures),
        frames::merged_frames(figures),
        frames::snap_length(figures),
    ]
}

fn judge_names(figures: &Figures) -> [Finding; 6] {
    [
        names::dns_seen(figures),
        names::dns_unanswered(figures),
        names::dns_unasked(figures),
        names::resolver_side(figures),
        names::named_flows(figures),
        names::clients(figures),
    ]
}

fn overall(findings: &[Finding]) -> Finding {
    let of = |state: State| -> Vec<&str> {
        let is_it = |finding: &&Finding| finding.state == state;
        findings
            .iter()
            .filter(is_it)
            .map(|finding| finding.check)
            .collect()
    };
    let worst = [State::Blind, State::Degraded]
        .into_iter()
        .find(|state| !of(*state).is_empty());
    let state = worst.unwrap_or(State::Good);
    let mut said = match state {
        State::Blind => format!("blind: {}", of(State::Blind).join(", ")),
        State::Degraded => format!("degraded: {}", of(State::Degraded).join(", ")),
        _ => "good".to_owned(),
    };
    let notes = of(State::Note);
    if !notes.is_empty() {
        said += &format!("; worth knowing: {}", notes.join(", "));
    }
    let unjudged = of(State::TooLittle);
    if !unjudged.is_empty() {
        said += &format!(
            "; too little seen to judge {} of {} checks: {}",
            unjudged.len(),
            findings.len(),
            unjudged.join(", ")
        );
    }
    Finding {
        check: "overall",
        state,
        measure: None,
        said,
        step: None,
        prefixes: Vec::new(),
    }
}

/// The rule of a check; every check above has one, which a test holds.
fn rule(check: &str) -> Rule {
    let found = RULES.iter().find(|rule| rule.check == check);
    found.copied().unwrap_or(Rule {
        check: "overall",
        threshold: 0,
        unit: Unit::Count,
        minimum: 0,
        of: "",
    })
}

impl Rule {
    fn too_little(self, seen: u64) -> Option<Finding> {
        (seen < self.minimum).then(|| {
            self.unjudged(format!(
                "too little seen to judge: {seen} {}, at least {} are needed",
                self.of, self.minimum
            ))
        })
    }

    fn unjudged(self, said: String) -> Finding {
        Finding {
            check: self.check,
            state: State::TooLittle,
            measure: None,
            said,
            step: None,
            prefixes: Vec::new(),
        }
    }

    /// Degraded from the threshold on, else good.
    fn by_threshold(self, figure: u64, said: String, step: &str) -> Finding {
        if figure >= self.threshold {
            self.found(State::Degraded, figure, said, step)
        } else {
            self.good(figure, said)
        }
    }

    fn good(self, figure: u64, said: String) -> Finding {
        Finding {
            measure: Some(self.measure(figure)),
            state: State::Good,
            ..self.unjudged(said)
        }
    }

    fn found(self, state: State, figure: u64, said: String, step: impl Into<String>) -> Finding {
        Finding {
            measure: Some(self.measure(figure)),
            state,
            step: Some(step.into()),
            ..self.unjudged(said)
        }
    }

    const fn measure(self, figure: u64) -> Measure {
        Measure {
            figure,
            threshold: self.threshold,
            unit: self.unit,
        }
    }
}

impl LocalFigures {
    fn is_down(&self) -> bool {
        !self.down.is_empty()
    }

    fn dropped_ppm(&self) -> u64 {
        ppm(
            self.ring_dropped + self.interface_dropped,
            self.received + self.interface_dropped,
        )
    }
}

#[cfg(test)]
mod tests;
