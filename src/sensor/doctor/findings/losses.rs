//! What is lost, here or before, and what the clock says.

use super::super::figures::{Figures, LocalFigures, ppm};
use super::{FEW_GAPS, FEW_SERVERS, Rule, percent, rule};
use crate::records::doctor::{Finding, State};

pub(super) fn local_drops(local: &LocalFigures) -> Finding {
    let rule = rule("local-drops");
    let arrived = local.received + local.interface_dropped;
    if let Some(little) = rule.too_little(arrived) {
        return little;
    }
    let share = local.dropped_ppm();
    let said = format!(
        "{} of the frames that reached this machine were dropped here: {} in the ring, {} by the interface",
        percent(share),
        local.ring_dropped,
        local.interface_dropped
    );
    let step = if local.ring_dropped >= local.interface_dropped {
        "raise `memory` (a quarter of it are the rings) and `workers` in [capture]; give the sensor cores of its own".to_owned()
    } else {
        let names = local.interfaces.join(" ");
        format!(
            "enlarge the card's own ring: `ethtool -g {names}` shows the most, `ethtool -G {names} rx N` sets it"
        )
    };
    rule.by_threshold(share, said, &step)
}

pub(super) fn mirror_loss(figures: &Figures) -> Finding {
    let rule = rule("mirror-loss");
    let flows = &figures.flows.mirror;
    let share = ppm(flows.unseen, flows.bytes);
    let said = format!(
        "{} of the TCP bytes were acknowledged, yet never seen; {} gaps",
        percent(share),
        flows.gaps
    );
    let is_found = share >= rule.threshold && flows.gaps >= FEW_GAPS;
    // Gaps are evidence wherever they are; that there is none says something of many bytes only.
    if let Some(little) = rule.too_little(flows.bytes).filter(|_| !is_found) {
        return little;
    }
    if !is_found {
        return rule.good(share, said);
    }
    lost(rule, share, said, figures.local.as_ref())
}

/// Bytes were lost: here, or before.
fn lost(rule: Rule, share: u64, said: String, local: Option<&LocalFigures>) -> Finding {
    let switch = "mirror fewer ports or VLANs, or to a faster port; the switch counts what its mirror port had no room for (output drops \
                  of that port)";
    match local {
        // What was dropped here explains at least half of it.
        Some(local) if local.dropped_ppm() >= share / 2 => {
            let said = format!(
                "{said}; {} of the frames were dropped here, which explains it",
                percent(local.dropped_ppm())
            );
            rule.found(State::Note, share, said, "mend local-drops first")
        }
        Some(local) => {
            let said = format!(
                "{said}; only {} of the frames were dropped here, so they were lost before: the mirror port is oversubscribed",
                percent(local.dropped_ppm())
            );
            rule.found(State::Degraded, share, said, switch)
        }
        None => {
            let step =
                format!("look what the capturing program said of its own drops; if none, {switch}");
            rule.found(
                State::Degraded,
                share,
                format!("{said}: copies are missing"),
                step,
            )
        }
    }
}

pub(super) fn clock_offset(figures: &Figures) -> Finding {
    let rule = rule("clock-offset");
    let clock = &figures.clock;
    if let Some(little) = rule.too_little(clock.dated) {
        return little;
    }
    if clock.servers < FEW_SERVERS {
        let said = format!(
            "too little seen to judge: all dated answers are of {} server, whose clock may be wrong",
            clock.servers
        );
        return rule.unjudged(said);
    }
    let offset = clock.ahead_ms.unsigned_abs();
    let way = if clock.ahead_ms < 0 {
        "behind"
    } else {
        "ahead of"
    };
    let said = format!(
        "packet times are {} s {way} the clocks of {} servers (HTTP Date, NTP)",
        offset / 1_000,
        clock.servers
    );
    let step = "let the capturing machine keep time: `timedatectl set-ntp true`; `timedatectl` shows whether it is synchronised";
    rule.by_threshold(offset, said, step)
}

pub(super) fn clock_backwards(figures: &Figures) -> Finding {
    let rule = rule("clock-backwards");
    if let Some(little) = rule.too_little(figures.packets.frames) {
        return little;
    }
    let clock = &figures.clock;
    if clock.steps_back < rule.threshold {
        return rule.good(
            0,
            "packet times never run back by more than a second".to_owned(),
        );
    }
    let said = format!(
        "packet times ran back {} times, by up to {} s",
        clock.steps_back,
        clock.largest_step_ms.div_ceil(1_000)
    );
    let step = "let one program keep the time, and slew it: `timedatectl set-ntp true`; a file of several interfaces is sorted by \
                `reordercap IN OUT`";
    rule.found(State::Degraded, clock.steps_back, said, step)
}
