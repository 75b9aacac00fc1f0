//! Whether all is well, by the snapshots of the last minutes: pure functions of them and of a moment.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::snapshot::Snapshot;
use crate::config::metrics::HealthConfig;
use crate::records::health::Check;

/// Dropped frames and lines are looked at over so long,
const DROPS_OVER: Duration = Duration::from_secs(60);
/// bytes not seen over so long: flows tell of them when they end.
const UNSEEN_OVER: Duration = Duration::from_secs(300);
/// A sample a second.
const MAX_SAMPLES: usize = 512;
/// Of fewer frames no part is judged,
const LEAST_FRAMES: u64 = 1_000;
/// nor of fewer bytes.
const LEAST_BYTES: u64 = 1_000_000;
/// A worker turns ten times a second, and a snapshot comes once a second.
const SILENT_THREAD: Duration = Duration::from_secs(5);
/// Records are that late then.
const MOST_BEHIND: Duration = Duration::from_secs(10);

/// Keeps what was seen.
#[derive(Debug)]
pub(super) struct Watch {
    newest: Option<Arc<Snapshot>>,
    samples: VecDeque<Sample>,
    /// When frames last grew.
    packet: Instant,
    limits: HealthConfig,
}

/// What health looks at, since the start.
#[derive(Clone, Copy, Debug)]
struct Sample {
    taken: Instant,
    frames: u64,
    /// Frames that came to this machine.
    arrived: u64,
    /// Those that the ring or the interface dropped.
    dropped: u64,
    bytes: u64,
    unseen: u64,
    lines_dropped: u64,
}

impl Sample {
    fn of(snapshot: &Snapshot) -> Self {
        let lost: u64 = snapshot
            .interfaces
            .iter()
            .map(|interface| interface.own.lost())
            .sum();
        let counts = &snapshot.counts;
        let lines = ["outputs.dropped_conclusions", "outputs.dropped_logs"];
        Self {
            taken: snapshot.taken,
            frames: counts.of("live.frames"),
            arrived: counts.of("live.received") + lost,
            dropped: counts.of("live.dropped") + lost,
            bytes: counts.of("mirror.bytes"),
            unseen: counts.of("mirror.unseen_bytes"),
            lines_dropped: lines.iter().map(|name| counts.of(name)).sum(),
        }
    }
}

impl Watch {
    pub fn new(now: Instant) -> Self {
        Self {
            newest: None,
            samples: VecDeque::new(),
            packet: now,
            limits: HealthConfig::default(),
        }
    }

    /// A newer snapshot.
    pub fn take(&mut self, snapshot: Arc<Snapshot>, now: Instant) {
        let sample = Sample::of(&snapshot);
        if self
            .samples
            .back()
            .is_none_or(|last| sample.frames > last.frames)
        {
            self.packet = now;
        }
        let is_old = |first: &Sample| sample.taken.duration_since(first.taken) > UNSEEN_OVER;
        while self.samples.len() >= MAX_SAMPLES || self.samples.front().is_some_and(is_old) {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        self.limits = snapshot.limits;
        self.newest = Some(snapshot);
    }

    /// The newest snapshot.
    pub fn newest(&self) -> Option<&Snapshot> {
        self.newest.as_deref()
    }

    /// What is thought of everything.
    pub fn checks(&self, now: Instant) -> Vec<Check> {
        let Some(snapshot) = self.newest() else {
            return vec![ready(false)];
        };
        let is_ready = snapshot.workers.iter().all(Option::is_some);
        vec![
            ready(is_ready),
            self.packets(now),
            self.loss(),
            self.mirror_loss(),
            interfaces(snapshot),
            workers(snapshot),
            conclusions(snapshot, now),
            self.outputs(snapshot),
        ]
    }

    fn packets(&self, now: Instant) -> Check {
        let silent = now.duration_since(self.packet);
        let limit = self.limits.silent_after;
        let is_limited = !limit.is_zero();
        Check {
            check: "packets",
            is_good: !is_limited || silent <= limit,
            figure_thousandths: Some(millis(silent)),
            limit_thousandths: is_limited.then(|| millis(limit)),
            unit: "s",
            said: format!("the last packet came {} s ago", silent.as_secs()),
            step: "`patchspan doctor --interface NAME` tells whether the mirror sends anything; on a link that is silent at times \
                   raise health.silent_after",
        }
    }

    fn loss(&self) -> Check {
        let part = self.grown(DROPS_OVER, |sample| (sample.dropped, sample.arrived));
        share(Share {
            check: "loss",
            part: part.filter(|(_, frames)| *frames >= LEAST_FRAMES),
            limit_ppm: self.limits.loss_ppm,
            what: "frames of the last minute were dropped by the ring or the interface",
            step: "raise `memory` (rings) or capture.workers where patchspan_capture_dropped_packets_total grows, the ring of the card \
                   (`ethtool -G`) where the interface's own counters grow",
        })
    }

    fn mirror_loss(&self) -> Check {
        let part = self.grown(UNSEEN_OVER, |sample| (sample.unseen, sample.bytes));
        share(Share {
            check: "mirror_loss",
            part: part.filter(|(_, bytes)| *bytes >= LEAST_BYTES),
            limit_ppm: self.limits.mirror_loss_ppm,
            what: "bytes of connections that ended in the last five minutes were acknowledged and never seen",
            step: "where `loss` is good, the switch drops copies: mirror fewer ports, or to a faster one",
        })
    }

    fn outputs(&self, snapshot: &Snapshot) -> Check {
        let closed = snapshot.outputs.iter().filter(|output| !output.is_open);
        let closed: Vec<&str> = closed.map(|output| output.name.as_str()).collect();
        let dropped = self.grown(DROPS_OVER, |sample| (sample.lines_dropped, 0));
        let dropped = dropped.map_or(0, |(lines, _)| lines);
        let said = match closed.as_slice() {
            [] => format!("{dropped} lines were dropped in the last minute"),
            closed => format!(
                "{} cannot be written; {dropped} lines were dropped in the last minute",
                closed.join(", ")
            ),
        };
        Check {
            check: "outputs",
            is_good: closed.is_empty() && dropped == 0,
            figure_thousandths: Some(dropped.saturating_mul(1_000)),
            limit_thousandths: Some(0),
            unit: "lines",
            said,
            step: "look at the reader or the disk of that output; the journal says what failed",
        }
    }

    /// How two sums grew over the last `time`; `None` before there are two samples.
    fn grown(&self, time: Duration, sums: impl Fn(&Sample) -> (u64, u64)) -> Option<(u64, u64)> {
        let newest = self.samples.back()?;
        let mut within = self.samples.iter();
        let first = within.find(|sample| newest.taken.duration_since(sample.taken) <= time)?;
        let (now, then) = (sums(newest), sums(first));
        let is_later = newest.taken > first.taken;
        is_later.then(|| (now.0.saturating_sub(then.0), now.1.saturating_sub(then.1)))
    }
}

fn ready(is_good: bool) -> Check {
    Check {
        check: "ready",
        is_good,
        figure_thousandths: None,
        limit_thousandths: None,
        unit: "",
        said: if is_good {
            "every socket is read".to_owned()
        } else {
            "the sensor is starting".to_owned()
        },
        step: "wait some seconds; then look into the journal",
    }
}

fn interfaces(snapshot: &Snapshot) -> Check {
    let down = snapshot
        .interfaces
        .iter()
        .filter(|interface| !interface.is_up);
    let down: Vec<&str> = down.map(|interface| interface.name.as_str()).collect();
    Check {
        check: "interfaces",
        is_good: down.is_empty(),
        figure_thousandths: Some(down.len() as u64 * 1_000),
        limit_thousandths: Some(0),
        unit: "interfaces",
        said: if down.is_empty() {
            "every interface is up".to_owned()
        } else {
            format!("down, without a link, or gone: {}", down.join(", "))
        },
        step: "`ip link set dev NAME up`; look at the cable and at the switch's port",
    }
}

fn workers(snapshot: &Snapshot) -> Check {
    let silent = snapshot
        .workers
        .iter()
        .flatten()
        .max()
        .copied()
        .unwrap_or_default();
    Check {
        check: "workers",
        is_good: silent <= SILENT_THREAD,
        figure_thousandths: Some(millis(silent)),
        limit_thousandths: Some(millis(SILENT_THREAD)),
        unit: "s",
        said: format!(
            "the slowest worker was heard of {} ms ago",
            silent.as_millis()
        ),
        step: "give the sensor a processor of its own, or fewer other programs; `systemctl restart patchspan` where it stays so",
    }
}

fn conclusions(snapshot: &Snapshot, now: Instant) -> Check {
    let age = now.duration_since(snapshot.taken);
    let behind = snapshot.behind + age;
    Check {
        check: "conclusions",
        is_good: age <= SILENT_THREAD && behind <= MOST_BEHIND,
        figure_thousandths: Some(millis(behind)),
        limit_thousandths: Some(millis(MOST_BEHIND)),
        unit: "s",
        said: format!("conclusions are {} ms behind the clock", behind.as_millis()),
        step: "more processors or fewer workers; where the clock was set, or stamps lie behind it, look at the clock",
    }
}

struct Share {
    check: &'static str,
    /// `None`: too little to judge.
    part: Option<(u64, u64)>,
    limit_ppm: u32,
    what: &'static str,
    step: &'static str,
}

fn share(share: Share) -> Check {
    let ppm = share.part.map(|(part, whole)| {
        let ppm = u128::from(part) * 1_000_000 / u128::from(whole.max(1));
        u64::try_from(ppm).unwrap_or(u64::MAX)
    });
    let limit = u64::from(share.limit_ppm);
    Check {
        check: share.check,
        is_good: ppm.is_none_or(|ppm| ppm <= limit),
        // Thousandths of a percent.
        figure_thousandths: ppm.map(|ppm| ppm / 10),
        limit_thousandths: Some(limit / 10),
        unit: "percent",
        said: match (share.part, ppm) {
            (Some((part, whole)), Some(_)) => format!("{part} of {whole} {}", share.what),
            _ => "too little came to judge".to_owned(),
        },
        step: share.step,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::tests::snapshot;
    use super::*;

    /// Names of the checks that are bad.
    fn bad(watch: &Watch, now: Instant) -> Vec<&'static str> {
        let checks = watch.checks(now);
        checks
            .iter()
            .filter(|check| !check.is_good)
            .map(|check| check.check)
            .collect()
    }

    /// A watch that saw a snapshot a second, `change`d each by its second; and the moment of the last.
    fn watched(seconds: u64, change: impl Fn(u64, &mut Snapshot)) -> (Watch, Instant) {
        let start = Instant::now();
        let mut watch = Watch::new(start);
        let at = |second| start + Duration::from_secs(second);
        for second in 0..=seconds {
            let mut snapshot = snapshot();
            snapshot.taken = at(second);
            snapshot.counts.add([
                ("live.frames", second * 100),
                ("live.received", second * 100),
            ]);
            change(second, &mut snapshot);
            watch.take(Arc::new(snapshot), at(second));
        }
        (watch, at(seconds))
    }

    #[test]
    fn a_sensor_that_sees_everything_is_well() {
        let (watch, now) = watched(120, |_, _| {});
        assert!(bad(&watch, now).is_empty());
        assert_eq!(bad(&Watch::new(now), now), ["ready"]);
    }

    #[test]
    fn packets_that_stop_are_bad_after_the_configured_time_and_never_where_that_is_zero() {
        let stop = |silent_after: u64| {
            move |second: u64, snapshot: &mut Snapshot| {
                snapshot.limits.silent_after = Duration::from_secs(silent_after);
                let mut counts = crate::sensor::statistics::Counts::default();
                counts.add([("live.frames", second.min(10))]);
                snapshot.counts = counts;
            }
        };
        for (seconds, limit, is_bad) in [(40, 30, false), (41, 30, true), (200, 0, false)] {
            let (watch, now) = watched(seconds, stop(limit));
            assert_eq!(
                bad(&watch, now).contains(&"packets"),
                is_bad,
                "{seconds} {limit}"
            );
        }
    }

    #[test]
    fn loss_counts_over_the_last_minute_in_ring_and_interface_and_only_of_many_frames() {
        let lose = |part: u64, from: u64| {
            move |second: u64, snapshot: &mut Snapshot| {
                let lost = second.saturating_sub(from) * part;
                snapshot.counts.add([("live.dropped", lost)]);
            }
        };
        let judged = |seconds, part, from| {
            let (watch, now) = watched(seconds, lose(part, from));
            bad(&watch, now).contains(&"loss")
        };
        assert!(judged(60, 2, 0), "2 of 100");
        assert!(!judged(60, 1, 0), "1 of 100 is the limit");
        assert!(!judged(9, 2, 0), "900 frames are few");
        let long_ago = |second: u64, snapshot: &mut Snapshot| {
            snapshot.counts.add([("live.dropped", second.min(10) * 50)]);
        };
        let (watch, now) = watched(80, long_ago);
        assert!(bad(&watch, now).is_empty(), "the last minute lost nothing");
        let (watch, now) = watched(60, |second, snapshot| {
            snapshot.interfaces[0].own.rx_missed_errors = second * 3;
        });
        assert_eq!(bad(&watch, now), ["loss"]);
    }

    #[test]
    fn bytes_that_the_mirror_lost_are_bad_of_many_only() {
        let judged = |bytes: u64| {
            let (watch, now) = watched(60, move |second, snapshot| {
                let unseen = second * bytes / 50;
                snapshot.counts.add([
                    ("mirror.bytes", second * bytes),
                    ("mirror.unseen_bytes", unseen),
                ]);
            });
            bad(&watch, now)
        };
        assert_eq!(judged(100_000), ["mirror_loss"]);
        assert!(judged(10_000).is_empty());
    }

    #[test]
    fn what_does_not_work_any_more_is_named() {
        let (watch, now) = watched(5, |second, snapshot| {
            snapshot.interfaces[0].is_up = false;
            snapshot.outputs[0].is_open = false;
            snapshot.workers = vec![Some(Duration::from_secs(6))];
            snapshot.counts.add([("outputs.dropped_logs", second)]);
        });
        assert_eq!(bad(&watch, now), ["interfaces", "workers", "outputs"]);
        let said = |name| {
            let checks = watch.checks(now);
            checks
                .iter()
                .find(|check| check.check == name)
                .unwrap()
                .said
                .clone()
        };
        assert_eq!(
            said("outputs"),
            "up\"dates cannot be written; 5 lines were dropped in the last minute"
        );
        assert_eq!(said("interfaces"), "down, without a link, or gone: eth1");
        let late = now + Duration::from_secs(20);
        assert!(
            bad(&watch, late).contains(&"conclusions"),
            "no snapshot comes any more"
        );
    }
}
