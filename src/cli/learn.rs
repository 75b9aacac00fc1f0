//! `patchspan learn`: which update servers the catalogue lacks.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};
use jiff::tz::TimeZone;

use super::diff::print;
use super::progress::Progress;
use super::{Exit, complain, harmless, inputs, tell_errors, values};
use crate::config::job::{Format, ReplayJob};
use crate::offline::learn::actions::{self, Action};
use crate::offline::learn::against::{Change, Earlier};
use crate::offline::learn::lesson::Lesson;
use crate::offline::learn::observed::{Kind, Pc};
use crate::offline::learn::{Learner, Options, THRESHOLD, fragment, holds_lines, table};
use crate::records::Kinds;
use crate::sensor::replay::{self, Event};
use crate::sensor::setup;
use crate::sinks::Sink;
use crate::source::Order;
use crate::updates::Catalogue;

/// Kinds of record that tell something here.
const KINDS: &str = "dns,tls,quic,http,flow,update,update_session,coverage";

/// Find update servers that the catalogue lacks, in the traffic of verification hosts.
///
/// Verification hosts are computers that nobody works at: one updates itself (`--auto`), another by hand (`--manual`). Names that they
/// had to do with, and that the catalogue does not know, are weighed: words in the name, known names that are like it, what was started
/// before, how regular, how large, what paths and User-Agents say on plain HTTP, and whether other hosts in the input have them too. What
/// scores high enough is written as a fragment of the catalogue, with its evidence, for a person to complete. docs/learn.md tells how to
/// set up such hosts, and what the points mean.
///
/// FILE is a capture, or JSON lines that `replay` or `run` wrote; what it is, its first bytes tell.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("hosts").args(["auto", "manual"]).required(true).multiple(true)),
    after_long_help = "Exit codes: 0 done, with --against: nothing changed; 7 something did; 3 a configuration, actions or OLD are wrong; 4 some input cannot be read; see patchspan --help."
)]
pub struct Flags {
    /// Captures, or JSON lines; `-`: JSON lines on standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// A host that updates itself; its addresses, separated by commas. May be given again.
    #[arg(long, value_name = "ADDRESS", value_parser = host)]
    auto: Vec<Addresses>,

    /// A host that is updated by hand, likewise.
    #[arg(long, value_name = "ADDRESS", value_parser = host)]
    manual: Vec<Addresses>,

    /// What was started when: CSV with the columns time, host and what. Without a host, all that are updated by hand are meant.
    #[arg(long, value_name = "FILE")]
    actions: Option<PathBuf>,

    /// Time zone of actions whose time has no offset, by its IANA name.
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = values::timezone)]
    timezone: TimeZone,

    /// What follows from an action does so within so many seconds.
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = values::seconds)]
    window: Duration,

    /// Tell what is new, gone or changed since OLD: an earlier output in JSON, or a directory of catalogue files.
    #[arg(long, value_name = "OLD")]
    against: Option<PathBuf>,

    /// Form of the output.
    #[arg(long, default_value = "toml")]
    format: FormatFlag,

    /// File to write instead of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Candidates that are told, the best ones.
    #[arg(long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u16).range(1..))]
    top: u16,

    /// Least score of a candidate.
    #[arg(long, value_name = "SCORE", default_value_t = THRESHOLD, allow_negative_numbers = true)]
    least: i32,

    /// Local catalogue files, over those in the program. Wins over `catalogue.directory` of the configuration.
    #[arg(long, value_name = "DIR")]
    catalogue: Option<PathBuf>,

    /// Learn as if the catalogue did not know these vendors, separated by commas: shows what would be found of them.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    without: Vec<String>,

    /// Configuration (TOML); without it every setting has its default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Threads that take packets apart, 1 to 64.
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::workers)]
    workers: NonZeroUsize,
}

/// The addresses of one host.
#[derive(Clone, Debug)]
struct Addresses(Vec<IpAddr>);

/// How a lesson is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatFlag {
    /// A file of the catalogue, with the evidence in comments.
    Toml,
    /// One JSON object with everything that was weighed.
    Json,
    /// A list for people.
    Table,
}

fn host(text: &str) -> Result<Addresses, String> {
    let addresses = text.split(',').map(|one| one.trim().parse::<IpAddr>());
    let addresses: Result<Vec<_>, _> = addresses.collect();
    let refused =
        |_| "addresses are accepted, like 192.0.2.20 or 192.0.2.20,2001:db8::20".to_owned();
    addresses.map(Addresses).map_err(refused)
}

/// Runs the command.
pub(super) fn run(flags: &Flags) -> Exit {
    match learn(flags) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn learn(flags: &Flags) -> Result<Exit, Exit> {
    let refused = |errors: Vec<String>| {
        tell_errors(&errors);
        Exit::Config
    };
    let (captures, lines, is_readable) = flags.sorted_files()?;
    let earlier = flags
        .against
        .as_deref()
        .map(Earlier::read)
        .transpose()
        .map_err(refused)?;
    let actions = flags.actions().map_err(refused)?;
    let (mut config, hosts) = inputs::load(flags.config.as_deref(), None).map_err(refused)?;
    if flags.catalogue.is_some() {
        config.catalogue.clone_from(&flags.catalogue);
    }
    let catalogue = setup::catalogue(&config).map_err(|error| refused(vec![error.to_string()]))?;
    flags.complain_of_unknown_vendors(&catalogue)?;
    let large = config.updates.download_bytes;
    let mut learner = Learner::new(flags.options(actions, large)?);
    let mut exits = vec![if is_readable { Exit::Done } else { Exit::Input }];
    exits.extend(lines.iter().map(|path| read_lines(path, &mut learner)));
    if !captures.is_empty() {
        let job = ReplayJob {
            files: captures,
            order: Order::ByTime,
            config,
            kinds: KINDS.parse().unwrap_or(Kinds::ALL),
            format: Format::Json,
            workers: flags.workers,
            output: None,
            timezone: TimeZone::UTC,
            host_labels: Default::default(),
            hosts,
        };
        exits.push(read_captures(job, &mut learner)?);
    }
    let lesson = learner.conclude(&catalogue);
    let changes = earlier.map(|earlier| earlier.changes(&lesson));
    if lesson.is_of_nothing() && exits.contains(&Exit::Input) {
        // What was wrong is told; there is nothing that could be.
        return Ok(Exit::Input);
    }
    flags.write(&lesson, changes.as_deref(), &catalogue)?;
    tell_absent(&lesson);
    tell_refused(&lesson);
    let is_changed = changes.is_some_and(|changes| !changes.is_empty());
    exits.push(if is_changed { Exit::Differ } else { Exit::Done });
    let worst = [Exit::Lost, Exit::Input, Exit::Cut, Exit::Differ];
    Ok(worst
        .into_iter()
        .find(|exit| exits.contains(exit))
        .unwrap_or(Exit::Done))
}

impl Flags {
    /// Captures, files of lines, and whether all could be opened.
    fn sorted_files(&self) -> Result<(Vec<PathBuf>, Vec<PathBuf>, bool), Exit> {
        let (mut captures, mut lines, mut is_readable) = (Vec::new(), Vec::new(), true);
        for path in &self.files {
            if inputs::is_standard(path) && lines.contains(path) {
                complain("standard input can be one of the files once only");
                return Err(Exit::Usage);
            }
            let holds_lines = if inputs::is_standard(path) {
                Ok(true)
            } else {
                holds_lines(path)
            };
            match holds_lines {
                Ok(true) => lines.push(path.clone()),
                Ok(false) => captures.push(path.clone()),
                Err(error) => {
                    complain(format_args!("{} cannot be read: {error}", path.display()));
                    is_readable = false;
                }
            }
        }
        Ok((captures, lines, is_readable))
    }

    fn actions(&self) -> Result<Vec<Action>, Vec<String>> {
        let Some(path) = &self.actions else {
            return Ok(Vec::new());
        };
        let text = crate::config::read_text(path, actions::MAX_FILE)
            .map_err(|error| vec![format!("{}: cannot be read: {error}", path.display())])?;
        let told = |errors: Vec<actions::ActionError>| {
            let errors = errors
                .iter()
                .map(|error| format!("{}:{error}", path.display()));
            errors.collect()
        };
        actions::parse(&text, &self.timezone).map_err(told)
    }

    fn options(&self, actions: Vec<Action>, large: u64) -> Result<Options, Exit> {
        let pcs = |kind, all: &[Addresses]| -> Vec<Pc> {
            let all = all.iter().map(|Addresses(addresses)| Pc {
                kind,
                addresses: addresses.clone(),
            });
            all.collect()
        };
        let pcs = [pcs(Kind::Auto, &self.auto), pcs(Kind::Manual, &self.manual)].concat();
        let mut all: Vec<IpAddr> = pcs
            .iter()
            .flat_map(|pc| &pc.addresses)
            .map(IpAddr::to_canonical)
            .collect();
        all.sort_unstable();
        if let Some(twice) = all
            .iter()
            .zip(all.iter().skip(1))
            .find(|(one, next)| one == next)
        {
            complain(format_args!(
                "{} belongs to two hosts, or stands twice",
                twice.0
            ));
            return Err(Exit::Usage);
        }
        if let Some(stranger) = actions
            .iter()
            .find_map(|one| one.host.filter(|host| !all.contains(host)))
        {
            complain(format_args!(
                "warning: actions name {stranger}, which is no verification host"
            ));
        }
        let without_host = actions.iter().filter(|one| one.host.is_none()).count();
        if without_host > 0 && self.manual.is_empty() {
            complain(format_args!(
                "warning: {without_host} actions name no host, and there is no --manual host that they could be of"
            ));
        }
        Ok(Options {
            pcs,
            actions,
            window: self.window,
            large,
            without: self.without.iter().cloned().collect(),
            least: self.least,
            top: usize::from(self.top),
        })
    }

    fn complain_of_unknown_vendors(&self, catalogue: &Catalogue) -> Result<(), Exit> {
        let is_known = |vendor: &&String| {
            let mut endpoints = catalogue.endpoints();
            endpoints.any(|endpoint| endpoint.rule.split('/').next() == Some(vendor.as_str()))
        };
        match self.without.iter().find(|vendor| !is_known(vendor)) {
            Some(vendor) => {
                complain(format_args!("the catalogue has no {vendor}"));
                Err(Exit::Usage)
            }
            None => Ok(()),
        }
    }

    fn write(
        &self,
        lesson: &Lesson,
        changes: Option<&[Change]>,
        catalogue: &Catalogue,
    ) -> Result<(), Exit> {
        let text = match self.format {
            FormatFlag::Toml => fragment::toml(lesson, changes, catalogue),
            FormatFlag::Json => format!("{}\n", lesson.json(changes)),
            FormatFlag::Table => harmless(&table::text(lesson, changes)),
        };
        let Some(path) = self
            .output
            .as_ref()
            .filter(|path| !inputs::is_standard(path))
        else {
            return print(&text);
        };
        let written = Sink::create(path).and_then(|mut sink| {
            sink.write(text.as_bytes())?;
            sink.flush()
        });
        written.map_err(|error| {
            complain(error);
            Exit::Lost
        })
    }
}

/// Reads a file of lines, and tells what is wrong with it.
fn read_lines(path: &Path, learner: &mut Learner) -> Exit {
    match inputs::lines(path).and_then(|input| learner.read(input)) {
        Ok(reading) => {
            super::score::tell(path, &reading);
            if reading.is_whole() {
                Exit::Done
            } else {
                Exit::Input
            }
        }
        Err(error) => {
            complain(format_args!("{} cannot be read: {error}", path.display()));
            Exit::Input
        }
    }
}

fn read_captures(job: ReplayJob, learner: &mut Learner) -> Result<Exit, Exit> {
    let mut progress = Progress::new(&job);
    let bar = &mut progress;
    let mut on_event = move |event: Event<'_>| match event {
        Event::File(failure) => bar.aside(|| complain(failure)),
        Event::Warning(warning) => bar.aside(|| complain(format_args!("warning: {warning}"))),
        Event::Output(failure) => bar.aside(|| complain(failure)),
        Event::Progress(read) => bar.read(read),
    };
    let outcome = replay::run_within(job, &mut on_event, &mut |piece| learner.piece(piece));
    progress.end();
    outcome.map(Exit::from).map_err(|error| {
        complain(&error);
        error.into()
    })
}

/// Tells which hosts are not in the input.
fn tell_absent(lesson: &Lesson) {
    for host in lesson.hosts.iter().filter(|host| host.first.is_none()) {
        let (kind, name) = (host.kind.as_str(), host.name());
        complain(format_args!(
            "warning: the input has no name that {name} (--{kind}) had to do with"
        ));
    }
}

/// Tells what there was no room for.
fn tell_refused(lesson: &Lesson) {
    let refused = lesson.figures.refused;
    let counts = [
        (refused.names, "names of verification hosts"),
        (refused.minutes, "minutes of contacts"),
        (refused.others, "contacts of other hosts"),
        (refused.files, "files"),
    ];
    for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
        complain(format_args!(
            "warning: no room for {count} {what}; narrow the input"
        ));
    }
}
