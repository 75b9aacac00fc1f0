//! A snapshot as metrics in Prometheus' text format. `docs/metrics.md` tells each of them, with what to do; a test holds both together.
//!
//! Label values are names of interfaces and outputs, and words of closed lists: the number of series does not depend on traffic.

mod counted;

#[cfg(test)]
pub(super) use counted::{ELSEWHERE, FAMILIES};

use prometheus::TextEncoder;
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

use super::process::{self, ProcessFigures};
use super::snapshot::{InterfaceFigures, Snapshot};
use crate::records::health::Check;
use crate::sensor::delays::Delays;
use crate::sensor::outputs::OutputCounters;
use crate::types::Timestamp;

/// Which queue of an output, in words: see `OutputCounters`.
const QUEUES: [&str; 2] = ["conclusions", "logs"];

/// A counter that each interface or output has: its name, its help, and where it stands.
type Measured<T> = (&'static str, &'static str, fn(&T) -> u64);

#[rustfmt::skip]
const OF_INTERFACES: [Measured<InterfaceFigures>; 8] = [
    ("patchspan_capture_packets_total", "Frames taken from the rings and handed on", |i| i.sockets.frames),
    ("patchspan_capture_received_packets_total", "Frames that passed the filter, those included that found no room", |i| i.sockets.received),
    ("patchspan_capture_dropped_packets_total", "Frames that found no room in the ring", |i| i.sockets.dropped),
    ("patchspan_capture_merged_packets_total", "Frames longer than the MTU: segments that the card or the kernel merged", |i| i.sockets.merged),
    ("patchspan_capture_cut_packets_total", "Frames that the snap length cut", |i| i.sockets.cut),
    ("patchspan_capture_reopened_sockets_total", "Times that a socket was opened again", |i| i.sockets.reopened),
    ("patchspan_interface_receive_packets_total", "Frames that the interface itself counted since the start", |i| i.own.rx_packets),
    ("patchspan_interface_receive_bytes_total", "Bytes that the interface itself counted since the start", |i| i.own.rx_bytes),
];

#[rustfmt::skip]
const OF_OUTPUTS: [Measured<OutputCounters>; 4] = [
    ("patchspan_output_lines_total", "Lines written, loss records included", |output| output.lines),
    ("patchspan_output_bytes_total", "Bytes of them", |output| output.bytes),
    ("patchspan_output_unread_lines_total", "Lines that a reader had not read when it went away, as far as the kernel tells", |output| output.unread),
    ("patchspan_output_errors_total", "Attempts to write, open or connect that failed", |output| output.errors),
];

/// What a label can name.
trait Named {
    fn name(&self) -> &str;
}

impl Named for InterfaceFigures {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for OutputCounters {
    fn name(&self) -> &str {
        &self.name
    }
}

/// The text that `/metrics` answers; `None` where it cannot be written. Before the first snapshot it tells of the process alone.
pub(super) fn text(snapshot: Option<&Snapshot>, checks: &[Check]) -> Option<String> {
    let mut page = Page::default();
    page.health(checks);
    if let Some(snapshot) = snapshot {
        page.snapshot(snapshot);
    }
    if let Some(figures) = process::figures() {
        page.process(&figures, snapshot.map(|snapshot| snapshot.began));
    }
    TextEncoder::new().encode_to_string(&page.0).ok()
}

/// Families in the order of their making.
#[derive(Default)]
struct Page(Vec<MetricFamily>);

/// Labels of a series, and its value.
type Sample<'s> = (Vec<(&'static str, &'s str)>, f64);

impl Page {
    fn health(&mut self, checks: &[Check]) {
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        self.gauge(
            "patchspan_build_info",
            "Always 1; the version is a label",
            [(version, 1.0)],
        );
        let is_good = checks.iter().all(|check| check.is_good);
        let help = "Whether every check of /health is good: 1, else 0";
        self.gauge("patchspan_healthy", help, [(Vec::new(), number(is_good))]);
        let checks = checks
            .iter()
            .map(|check| (vec![("check", check.check)], number(check.is_good)));
        self.gauge(
            "patchspan_health_check",
            "Whether a check of /health is good: 1, else 0",
            checks,
        );
    }

    fn snapshot(&mut self, snapshot: &Snapshot) {
        self.interfaces(&snapshot.interfaces);
        for family in counted::FAMILIES {
            let samples = family.members.iter().map(|(word, counter)| {
                let label = (!word.is_empty()).then_some((family.label, *word));
                (
                    label.into_iter().collect(),
                    snapshot.counts.of(counter) as f64,
                )
            });
            self.add(family.kind, family.name, family.help, samples.collect());
        }
        self.times(snapshot);
        self.outputs(&snapshot.outputs);
    }

    fn interfaces(&mut self, interfaces: &[InterfaceFigures]) {
        self.table(&OF_INTERFACES, interfaces, "interface");
        let lost = interfaces.iter().flat_map(|interface| {
            lost(interface).map(|(reason, frames)| {
                let labels = vec![("interface", interface.name()), ("reason", reason)];
                (labels, frames as f64)
            })
        });
        self.counter("patchspan_interface_receive_lost_packets_total", "Frames that the interface or the kernel lost before any capture, by the kernel's word for it", lost);
        let up = interfaces.iter().map(|interface| {
            let label = vec![("interface", interface.name())];
            (label, number(interface.is_up))
        });
        self.gauge(
            "patchspan_interface_up",
            "Whether the interface is up and has a link: 1, else 0",
            up,
        );
    }

    fn times(&mut self, snapshot: &Snapshot) {
        let lag = [(Vec::new(), &snapshot.lag)];
        self.histogram("patchspan_packet_lag_seconds", "From a frame's stamp to the end of the turn that handled it; no frame waited longer than told", lag);
        let behind = snapshot.behind.as_secs_f64();
        let help = "How far what every worker has left behind lies behind the clock";
        self.gauge(
            "patchspan_conclusions_behind_seconds",
            help,
            [(Vec::new(), behind)],
        );
        let silent = snapshot.workers.iter().flatten().max().copied();
        let silent = silent.unwrap_or_default().as_secs_f64();
        let help = "Since the slowest worker was last heard of";
        self.gauge(
            "patchspan_worker_silent_seconds",
            help,
            [(Vec::new(), silent)],
        );
        self.gauge(
            "patchspan_workers",
            "Workers",
            [(Vec::new(), snapshot.workers.len() as f64)],
        );
    }

    fn outputs(&mut self, outputs: &[OutputCounters]) {
        self.table(&OF_OUTPUTS, outputs, "output");
        self.queues(outputs);
        let open = outputs.iter().map(|output| {
            let label = vec![("output", output.name())];
            (label, number(output.is_open))
        });
        self.gauge(
            "patchspan_output_open",
            "Whether the output is open, or connected: 1, else 0",
            open,
        );
        let delays = outputs.iter().flat_map(|output| {
            let lanes = ["updates", "logs"].into_iter().zip(&output.delays);
            lanes.map(|(records, delays)| {
                let labels = vec![("output", output.name()), ("records", records)];
                (labels, delays)
            })
        });
        self.histogram("patchspan_record_delay_seconds", "From the moment in packet time at which a record was decided to its write; never told shorter, at most a turn longer", delays);
    }

    fn queues(&mut self, outputs: &[OutputCounters]) {
        let by_queue = |figures: fn(&OutputCounters) -> [u64; 2]| {
            outputs.iter().flat_map(move |output| {
                let lanes = QUEUES.into_iter().zip(figures(output));
                lanes.map(|(queue, figure)| {
                    let labels = vec![("output", output.name()), ("queue", queue)];
                    (labels, figure as f64)
                })
            })
        };
        self.counter(
            "patchspan_output_dropped_lines_total",
            "Lines dropped because a queue was full",
            by_queue(|output| output.dropped),
        );
        self.gauge(
            "patchspan_output_queue_bytes",
            "Bytes that wait for the reader",
            by_queue(|output| output.queued),
        );
        let capacity = outputs.iter().map(|output| {
            let label = vec![("output", output.name())];
            (label, output.capacity as f64)
        });
        self.gauge(
            "patchspan_output_queue_capacity_bytes",
            "Most bytes that may wait in each of the two queues",
            capacity,
        );
    }

    fn process(&mut self, figures: &ProcessFigures, began: Option<Timestamp>) {
        let one = |value| [(Vec::new(), value)];
        let help = "User and system time that the process took";
        self.counter("process_cpu_seconds_total", help, one(figures.cpu_seconds));
        self.gauge(
            "process_resident_memory_bytes",
            "Resident memory",
            one(figures.resident_bytes),
        );
        self.gauge(
            "process_virtual_memory_bytes",
            "Virtual memory",
            one(figures.virtual_bytes),
        );
        self.gauge(
            "process_open_fds",
            "Open file descriptors",
            one(figures.open_fds),
        );
        self.gauge(
            "process_max_fds",
            "Most open file descriptors",
            one(figures.max_fds),
        );
        self.gauge("process_threads", "Threads", one(figures.threads));
        if let Some(began) = began {
            let (seconds, nanos) = began.seconds_and_nanos();
            let start = seconds as f64 + f64::from(nanos) / 1e9;
            self.gauge(
                "process_start_time_seconds",
                "When the run began, since 1970",
                one(start),
            );
        }
    }

    /// The counters of a table, each with a series for each of `things`.
    fn table<T: Named>(&mut self, table: &[Measured<T>], things: &[T], label: &'static str) {
        for (name, help, figure) in table {
            let samples = things.iter().map(|thing| {
                let label = vec![(label, thing.name())];
                (label, figure(thing) as f64)
            });
            self.counter(name, help, samples);
        }
    }

    fn counter<'s>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = Sample<'s>>,
    ) {
        self.add(
            MetricType::COUNTER,
            name,
            help,
            samples.into_iter().collect(),
        );
    }

    fn gauge<'s>(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = Sample<'s>>) {
        self.add(MetricType::GAUGE, name, help, samples.into_iter().collect());
    }

    fn add(&mut self, kind: MetricType, name: &str, help: &str, samples: Vec<Sample<'_>>) {
        let metrics = samples.into_iter().map(|(labels, value)| {
            let mut metric = Metric::from_label(pairs(labels));
            if kind == MetricType::COUNTER {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            } else {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
            metric
        });
        self.family(kind, name, help, metrics.collect());
    }

    fn histogram<'s>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Vec<(&'static str, &'s str)>, &'s Delays)>,
    ) {
        let metrics = series.into_iter().map(|(labels, delays)| {
            let buckets = delays.cumulative().map(|(bound_ms, count)| {
                let mut bucket = Bucket::default();
                bucket.set_upper_bound(bound_ms as f64 / 1e3);
                bucket.set_cumulative_count(count);
                bucket
            });
            let mut histogram = Histogram::default();
            histogram.set_bucket(buckets.collect());
            histogram.set_sample_count(delays.total());
            histogram.set_sample_sum(delays.sum_ms() as f64 / 1e3);
            let mut metric = Metric::from_label(pairs(labels));
            metric.set_histogram(histogram);
            metric
        });
        self.family(MetricType::HISTOGRAM, name, help, metrics.collect());
    }

    /// A family without series would be an error of the encoder.
    fn family(&mut self, kind: MetricType, name: &str, help: &str, metrics: Vec<Metric>) {
        if metrics.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.0.push(family);
    }
}

fn pairs(labels: Vec<(&'static str, &str)>) -> Vec<LabelPair> {
    let pair = |(name, value): (&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    labels.into_iter().map(pair).collect()
}

fn lost(interface: &InterfaceFigures) -> [(&'static str, u64); 7] {
    let own = &interface.own;
    [
        ("rx_dropped", own.rx_dropped),
        ("rx_missed_errors", own.rx_missed_errors),
        ("rx_errors", own.rx_errors),
        ("rx_fifo_errors", own.rx_fifo_errors),
        ("rx_over_errors", own.rx_over_errors),
        ("rx_crc_errors", own.rx_crc_errors),
        ("rx_nohandler", own.rx_nohandler),
    ]
}

const fn number(is_so: bool) -> f64 {
    if is_so { 1.0 } else { 0.0 }
}
