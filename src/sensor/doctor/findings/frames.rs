//! What arrives, and in which form.

use super::super::figures::{Figures, LocalFigures, ppm};
use super::{PARTLY_ONE_SIDED, WHOLLY_ONE_SIDED_PPM, percent, rule};
use crate::records::doctor::{Finding, State};

pub(super) fn interface(local: &LocalFigures) -> Finding {
    let rule = rule("interface");
    let bad = (local.down.len() + local.without_link.len()) as u64;
    let names = local.interfaces.join(", ");
    if let Some(name) = local.down.first() {
        let said = format!("interface {name} is down, or went away");
        let step = format!("ip link set dev {name} up");
        return rule.found(State::Blind, bad, said, step);
    }
    if let Some(name) = local.without_link.first() {
        let said = format!("interface {name} has no link");
        let step = format!(
            "check the cable and the switch's port: `ethtool {name}` must say `Link detected: yes`"
        );
        return rule.found(State::Blind, bad, said, step);
    }
    rule.good(0, format!("{names}: up"))
}

pub(super) fn traffic(figures: &Figures) -> Finding {
    let rule = rule("traffic");
    let (frames, unicast) = (figures.packets.frames, figures.packets.unicast);
    if unicast >= rule.threshold {
        return rule.good(
            unicast,
            format!("{unicast} IP packets from one host to another, in {frames} frames"),
        );
    }
    let step = match &figures.local {
        Some(local) => format!(
            "check on the switch that a mirror session is on and leads to this port; `ip -s link show dev {}` shows whether frames \
             arrive; a `filter` in [capture] may refuse them",
            local.interfaces.join(" ")
        ),
        None => "capture on the mirror port, while the switch's mirror session is on".to_owned(),
    };
    let said = if frames == 0 {
        "no traffic: not one frame".to_owned()
    } else {
        format!(
            "no mirrored traffic: none of {frames} frames holds an IP packet from one host to another"
        )
    };
    rule.found(State::Blind, unicast, said, step)
}

pub(super) fn link_types(figures: &Figures) -> Finding {
    let rule = rule("link-types");
    let (unknown, frames) = (figures.unknown_link_types, figures.packets.frames);
    if let Some(little) = rule.too_little(frames) {
        return little;
    }
    let share = ppm(unknown, frames);
    if share < rule.threshold {
        let said = format!(
            "{} of the frames are of a link type that is not decoded",
            percent(share)
        );
        return rule.good(share, said);
    }
    let state = if unknown == frames {
        State::Blind
    } else {
        State::Degraded
    };
    let said = format!(
        "{} of the frames are of a link type that is not decoded: {}",
        percent(share),
        figures.link_types.join(", ")
    );
    let step =
        "capture on the Ethernet interface itself, not on a bus, a radio or a virtual device";
    rule.found(state, share, said, step)
}

pub(super) fn undecoded(figures: &Figures) -> Finding {
    let rule = rule("undecoded");
    if let Some(little) = rule.too_little(figures.packets.frames) {
        return little;
    }
    let share = ppm(figures.broken, figures.packets.frames);
    let said = format!(
        "{} of the frames have headers that are cut or make no sense",
        percent(share)
    );
    let step = "the counters `decoder.short_*` and `decoder.bad_*` of a `patchspan_stats` record say which; a snap length that is too \
                short cuts headers, and so does a switch that truncates its copies";
    rule.by_threshold(share, said, step)
}

pub(super) fn one_sided(figures: &Figures) -> Finding {
    let rule = rule("one-sided");
    let flows = &figures.flows.mirror;
    if let Some(little) = rule.too_little(flows.tcp) {
        return little;
    }
    let one_sided = flows.client_only + flows.server_only;
    let share = ppm(one_sided, flows.tcp);
    let (seen, other) = if flows.client_only >= flows.server_only {
        ("what clients send", "what servers send")
    } else {
        ("what servers send", "what clients send")
    };
    if share >= WHOLLY_ONE_SIDED_PPM {
        let said = format!(
            "one side only: {} of the TCP flows show {seen} and not {other}",
            percent(share)
        );
        let step = "mirror both directions: `both` (Cisco: `monitor session 1 source interface X both`; Juniper: `ingress` and `egress` \
                    as input; a tap: both of its outputs as interfaces)";
        return rule.found(State::Degraded, share, said, step);
    }
    if share >= rule.threshold && flows.tcp >= PARTLY_ONE_SIDED {
        let said = format!(
            "{} of the TCP flows show one side only, mostly {seen}",
            percent(share)
        );
        let step = "packets go and come by different links: mirror the other link too, as a second interface of one sensor";
        return rule.found(State::Degraded, share, said, step);
    }
    rule.good(
        share,
        format!("{} of the TCP flows show one side only", percent(share)),
    )
}

pub(super) fn doubled(figures: &Figures) -> Finding {
    let rule = rule("doubled");
    if let Some(little) = rule.too_little(figures.packets.packets) {
        return little;
    }
    let share = ppm(figures.duplicates, figures.packets.packets);
    let said = format!("{} of the packets are second copies", percent(share));
    let step = "let the mirror show each packet once: of a VLAN or of several ports mirror the receiving direction only (`rx`), of an \
                uplink alone `both`; the sensor leaves copies out, but they fill the mirror port";
    rule.by_threshold(share, said, step)
}

pub(super) fn tags_one_sided(figures: &Figures) -> Finding {
    let rule = rule("tags-one-sided");
    let packets = &figures.packets;
    if let Some(little) = rule.too_little(packets.both_ways) {
        return little;
    }
    let share = ppm(packets.tagged_one_way, packets.both_ways);
    let said = format!(
        "{} of the flows have VLAN tags one way and none the other way",
        percent(share)
    );
    let step = "nothing is lost while `key_vlan` in [flows] stays false; let the switch tag the copies of both directions alike \
                (Cisco: `encapsulation replicate`), before a `filter` in [capture] names VLANs";
    rule.by_threshold(share, said, step)
}

pub(super) fn qinq(figures: &Figures) -> Finding {
    let rule = rule("qinq");
    if let Some(little) = rule.too_little(figures.packets.packets) {
        return little;
    }
    let tagged = figures.packets.double_tagged;
    if tagged < rule.threshold {
        return rule.good(tagged, "no packet has two VLAN tags".to_owned());
    }
    let said = format!("{tagged} packets have two VLAN tags or more (QinQ)");
    let step = "they are decoded; a `filter` in [capture] needs `vlan and vlan and ...` to meet them; where customers behind outer tags \
                use the same addresses, set `key_vlan = true` in [flows], or take a sensor for each";
    rule.found(State::Note, tagged, said, step)
}

pub(super) fn merged_frames(figures: &Figures) -> Finding {
    let rule = rule("merged-frames");
    let packets = &figures.packets;
    if let Some(little) = rule.too_little(packets.segments) {
        return little;
    }
    let by_mtu = figures.local.as_ref().map_or(0, |local| local.merged);
    let share = ppm(packets.merged.max(by_mtu), packets.segments);
    let said = format!(
        "{} of the TCP segments are longer than any wire carries: merged by a card or a kernel (GRO, LRO, TSO)",
        percent(share)
    );
    let interfaces = figures
        .local
        .as_ref()
        .map_or("INTERFACE".to_owned(), |local| local.interfaces.join(" "));
    let step = format!("ethtool -K {interfaces} gro off lro off rx-gro-hw off");
    rule.by_threshold(share, said, &step)
}

pub(super) fn snap_length(figures: &Figures) -> Finding {
    let rule = rule("snap-length");
    let packets = &figures.packets;
    if let Some(little) = rule.too_little(packets.frames) {
        return little;
    }
    let share = ppm(packets.cut, packets.frames);
    let said = format!("{} of the frames are cut by a snap length", percent(share));
    let step = match figures.local {
        Some(_) => "raise `snap_length` in [capture], or leave it out",
        None => "capture whole frames: `tcpdump -s 0`; a switch that truncates its copies must not",
    };
    rule.by_threshold(share, said, step)
}
