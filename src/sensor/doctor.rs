//! `patchspan doctor`: what a mirror port lacks.
//!
//! The frames go through the decoder and a worker as in any run, but no record is written: packets and ended flows are looked at on
//! their way, and what was counted is judged at the end.
//!
//! * this file: frames from files or interfaces, the interfaces' own counters
//! * `packets`, `flows`, `clock`, `hosts`: what is gathered
//! * `figures`: all that is judged
//! * `findings`: figures to verdicts; every threshold

mod clock;
mod figures;
mod findings;
mod flows;
mod hosts;
mod packets;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use findings::percent;
pub(super) use flows::FlowWatch;

use super::clients::ClientNetworks;
use super::memory;
use super::setup::{Origins, SetupError, catalogue, settings, style};
use super::worker::Worker;
use crate::config::Config;
use crate::config::hosts::HostList;
use crate::config::job::{DoctorJob, DoctorSource};
use crate::decode::{Decoder, FrameInput};
use crate::names::Names;
use crate::records::Kinds;
use crate::records::doctor::Finding;
use crate::source::clock::wall_time;
use crate::source::live::{
    self, Change, InterfaceStatus, LiveError, LiveFrame, LiveOptions, LiveWorker, MAX_WAIT,
};
use crate::source::{FileError, LinkType, Order, PacketClock, Replay, Timeline};
use crate::types::{Networks, Packet, Stamp, Tick, Timestamp};
use figures::{AskerFigures, Figures, LocalFigures, NameFigures};
use hosts::{HostFigures, MacWatch};
use packets::PacketWatch;

/// Whatever is looked at is looked at once, so the keys of hashes need no chance.
const SEED: u64 = 0;
/// Longest wait for what lies in the rings at the end.
const DRAIN: Duration = Duration::from_secs(1);
/// An empty ring moves the clock to the wall's time less this: a block of the ring may still come.
const IDLE_LAG: Duration = Duration::from_secs(1);

/// What a person may want to know beside the verdicts.
#[derive(Debug)]
pub enum Event<'a> {
    /// A file failed; the others are read.
    File(&'a FileError),
    /// Frames are waited for, so long.
    Listening(&'a [String], Duration),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// A verdict on each thing; the overall one last. None where no file could be read.
    pub findings: Vec<Finding>,
    /// Files that could not be read, or not to their end for another reason than being cut.
    pub unreadable: u64,
    /// Files that were cut in their last record.
    pub cut: u64,
}

/// Looks and judges; `on_event` is called in this thread.
pub fn run(job: DoctorJob, on_event: &mut dyn FnMut(Event<'_>)) -> Result<Diagnosis, SetupError> {
    memory::check(job.config.memory)?;
    match job.source {
        DoctorSource::Files(files) => of_files(&job.config, job.hosts, files, on_event),
        DoctorSource::Interfaces(duration) => {
            of_interfaces(&job.config, job.hosts, duration, on_event)
        }
    }
}

fn of_files(
    config: &Config,
    hosts: Option<HostList>,
    files: Vec<PathBuf>,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<Diagnosis, SetupError> {
    let names = files.iter().map(|file| file.display().to_string());
    let mut look = Look::new(config, hosts, Origins::Files(names.collect()))?;
    let mut timeline = Timeline::new(Replay::new(files, Order::ByTime));
    let (mut unreadable, mut cut) = (0, 0);
    while let Some(next) = timeline.next() {
        match next {
            Ok(frame) => look.frame(FrameInput {
                stamp: frame.stamp,
                link_type: frame.head.link_type.0,
                wire_length: frame.head.wire_length,
                data: frame.data,
            }),
            Err(failure) => {
                let failed = if failure.is_cut() {
                    &mut cut
                } else {
                    &mut unreadable
                };
                *failed += 1;
                on_event(Event::File(&failure));
            }
        }
    }
    let now = look.now;
    look.finish(now);
    let figures = look.figures(None);
    // A file that is not there says nothing of a mirror.
    let findings = match (unreadable, figures.packets.frames) {
        (1.., 0) => Vec::new(),
        _ => findings::judge(&figures),
    };
    Ok(Diagnosis {
        findings,
        unreadable,
        cut,
    })
}

fn of_interfaces(
    config: &Config,
    hosts: Option<HostList>,
    duration: Duration,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<Diagnosis, SetupError> {
    let options = LiveOptions {
        workers: 1,
        ..config.live_options()
    };
    let mut sources = match live::open(&options) {
        Ok(sources) => sources,
        Err(LiveError::Down { interface }) => return Ok(down(interface)),
        Err(error) => return Err(SetupError::Capture(error)),
    };
    let mut look = Look::new(
        config,
        hosts,
        Origins::Interfaces(options.interfaces.clone()),
    )?;
    on_event(Event::Listening(&options.interfaces, duration));
    let mut local = LocalFigures {
        interfaces: options.interfaces,
        seconds: duration.as_secs(),
        ..LocalFigures::default()
    };
    if let Some(source) = sources.first_mut() {
        listen(&mut look, source, duration, &mut local);
    }
    look.finish(wall_time());
    let findings = findings::judge(&look.figures(Some(local)));
    Ok(Diagnosis {
        findings,
        unreadable: 0,
        cut: 0,
    })
}

/// Nobody raised the interface: nothing else can be told.
fn down(interface: String) -> Diagnosis {
    let local = LocalFigures {
        interfaces: vec![interface.clone()],
        down: vec![interface],
        ..LocalFigures::default()
    };
    let figures = Figures {
        local: Some(local),
        ..Figures::default()
    };
    Diagnosis {
        findings: findings::judge(&figures),
        unreadable: 0,
        cut: 0,
    }
}

/// Takes frames in for so long, and compares the interfaces' counters before and after.
fn listen(look: &mut Look, source: &mut LiveWorker, duration: Duration, local: &mut LocalFigures) {
    let mut clock = PacketClock::default();
    let counters = source.counters();
    let before = counters.interfaces().unwrap_or_default();
    let begin = Instant::now();
    let mut limit = begin + duration;
    let mut is_stopped = false;
    loop {
        let turn = source.poll(MAX_WAIT, &mut |frame| {
            look.frame(input(frame, clock.observe(frame.head.timestamp)));
        });
        while let Some(event) = source.take_event() {
            let name = local.interfaces.get(usize::from(event.interface)).cloned();
            if matches!(event.change, Change::Down | Change::Gone) {
                local
                    .down
                    .extend(name.filter(|name| !local.down.contains(name)));
            }
        }
        // On an idle link the wall says what time it is.
        if turn.is_ok_and(|turn| turn.frames == 0) {
            look.enter(clock.observe(wall_time().minus(IDLE_LAG)).tick());
        }
        if is_stopped && (source.is_drained() || Instant::now() >= limit) {
            break;
        }
        if !is_stopped && Instant::now() >= limit {
            // No frame comes in any more; what lies in the rings still counts.
            is_stopped = true;
            limit = Instant::now() + DRAIN;
            if source.stop().is_err() {
                break;
            }
        }
    }
    let sockets = counters.total();
    local.received = sockets.received;
    local.ring_dropped = sockets.dropped;
    local.merged = sockets.merged;
    let after = counters.interfaces().unwrap_or_default();
    for (before, after) in before.iter().zip(&after) {
        compare(before.as_ref(), after.as_ref(), local);
    }
}

fn compare(
    before: Option<&InterfaceStatus>,
    after: Option<&InterfaceStatus>,
    local: &mut LocalFigures,
) {
    let Some(after) = after else {
        return;
    };
    if after.has_carrier == Some(false) {
        local.without_link.push(after.name.clone());
    }
    // Made again in between, it counts from 0.
    let Some(before) = before.filter(|before| before.index == after.index) else {
        return;
    };
    let (after, before) = (after.counters.lost(), before.counters.lost());
    local.interface_dropped += after.saturating_sub(before);
}

fn input<'f>(frame: &LiveFrame<'f>, now: Timestamp) -> FrameInput<'f> {
    FrameInput {
        stamp: frame.stamp(now),
        link_type: frame.head.link_type.0,
        wire_length: frame.head.wire_length,
        data: frame.data,
    }
}

/// Frames on their way through decoder and worker.
struct Look {
    decoder: Decoder,
    worker: Worker,
    packets: PacketWatch,
    tick: Tick,
    now: Timestamp,
    /// Link types that are not decoded.
    undecoded: BTreeSet<LinkType>,
    key_vlan: bool,
    /// The list of hosts, and what it is held against beside flows.
    listed: Option<(HostList, MacWatch)>,
    local: Networks,
    tells_networks: bool,
}

impl Look {
    fn new(config: &Config, hosts: Option<HostList>, origins: Origins) -> Result<Self, SetupError> {
        let catalogue = Arc::new(catalogue(config)?);
        let style = style(config, origins);
        // Nothing is told by an address here but networks of clients: these only where nobody has a pseudonym.
        let settings = settings(config, 1, Kinds::NONE, style, SEED, None);
        let settings = Arc::new(settings);
        let names = Arc::new(Names::new(config.names_options(SEED)));
        Ok(Self {
            decoder: Decoder::new(),
            worker: Worker::new(settings, names, catalogue).watched_by(FlowWatch::default()),
            packets: PacketWatch::default(),
            tick: Tick(i64::MIN),
            now: Timestamp::EPOCH,
            undecoded: BTreeSet::new(),
            key_vlan: config.flows.key_vlan,
            listed: hosts.map(|list| (list, MacWatch::default())),
            local: config.local.clone(),
            tells_networks: config.pseudonyms.is_none(),
        })
    }

    fn frame(&mut self, frame: FrameInput<'_>) {
        let Stamp {
            timestamp,
            recorded,
            origin,
            ..
        } = frame.stamp;
        self.now = timestamp;
        self.enter(timestamp.tick());
        if !Decoder::supports(frame.link_type) {
            self.undecoded.insert(LinkType(frame.link_type));
        }
        self.packets
            .frame(origin, recorded, frame.data.len(), frame.wire_length);
        let (decoder, mut road) = self.road();
        decoder.decode(frame, &mut |packet| road.packet(packet));
    }

    /// A tick begins: what is due runs.
    fn enter(&mut self, tick: Tick) {
        if tick <= self.tick {
            return;
        }
        self.tick = tick;
        self.worker.begin_tick(tick);
        let now = tick.start();
        let (decoder, mut road) = self.road();
        decoder.expire(now, &mut |packet| road.packet(&packet.at(now)));
        self.forget();
    }

    /// Facts are nobody's here.
    fn forget(&mut self) {
        let mut made = self.worker.take();
        made.facts.clear();
        self.worker.give_back(made);
    }

    fn finish(&mut self, now: Timestamp) {
        self.enter(Tick(now.tick().0.saturating_add(1)));
        let (decoder, mut road) = self.road();
        decoder.finish(&mut |packet| road.packet(&packet.at(now)));
        self.worker.finish(now);
        self.forget();
    }

    fn road(&mut self) -> (&mut Decoder, Road<'_>) {
        let road = Road {
            worker: &mut self.worker,
            packets: &mut self.packets,
            macs: self.listed.as_mut().map(|(_, macs)| macs),
            key_vlan: self.key_vlan,
        };
        (&mut self.decoder, road)
    }

    fn figures(&self, local: Option<LocalFigures>) -> Figures {
        let mut counts = self.worker.counts();
        counts.add(self.decoder.counters().iter());
        let named = [
            "naming.claimed",
            "naming.dns",
            "naming.dns_shared",
            "naming.inherited",
        ];
        let broken = counts.iter().filter(|(name, _)| {
            name.starts_with("decoder.short_") || name.starts_with("decoder.bad_")
        });
        let mut figures = Figures {
            packets: self.packets.figures(),
            clock: self.packets.clock.figures(),
            names: NameFigures {
                queries: counts.of("dns.queries"),
                responses: counts.of("dns.responses"),
                unasked: counts.of("dns.unasked_responses"),
                named: named.iter().map(|name| counts.of(name)).sum(),
                unnamed: counts.of("naming.none"),
            },
            duplicates: counts.of("flow.duplicates"),
            unknown_link_types: counts.of("decoder.unknown_link_type"),
            link_types: self.undecoded.iter().map(ToString::to_string).collect(),
            broken: broken.map(|(_, figure)| figure).sum(),
            local,
            ..Figures::default()
        };
        if let Some(watch) = self.worker.watch() {
            figures.flows = watch.figures.clone();
            figures.askers = AskerFigures::of(&watch.clients);
            if self.tells_networks {
                figures.networks = ClientNetworks::of(watch.connections());
            }
            figures.hosts = self
                .listed
                .as_ref()
                .map(|(list, macs)| HostFigures::of(list, &watch.clients, &self.local, macs));
        }
        figures
    }
}

/// Where a packet goes.
struct Road<'l> {
    worker: &'l mut Worker,
    packets: &'l mut PacketWatch,
    macs: Option<&'l mut MacWatch>,
    key_vlan: bool,
}

impl Road<'_> {
    fn packet(&mut self, packet: &Packet<'_>) {
        self.packets.packet(packet);
        if let Some(macs) = &mut self.macs {
            macs.packet(packet);
        }
        self.worker.packet(packet);
        if let Some(key) = packet.quoted_key(self.key_vlan) {
            self.worker.quoted(&key);
        }
    }
}
