//! `patchspan replay`: from flags to a job.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;

use super::progress::Progress;
use super::{Exit, complain, crash, inputs, tell_errors, values};
use crate::config::job::{Format, ReplayJob};
use crate::records::Kinds;
use crate::sensor::replay::{self, Event};
use crate::source::Order;
use crate::types::Networks;

/// Read capture files and write records.
///
/// pcap and its variants, pcapng and snoop, also compressed by gzip, zstd or xz; what a file is, its first bytes tell. Several files are
/// one stream: connections, names and updates go on from one file to the next. A file that cannot be read is told on standard
/// error, and the others are read all the same.
#[derive(Debug, Args)]
#[command(after_long_help = "Exit codes: see patchspan --help.")]
pub struct Flags {
    /// Capture files; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Read the files one after the other, as named, instead of by the time of their packets. Time never runs back: where a file is
    /// named before an earlier one, the packets of that one count at the end of the first, which is told on standard error.
    #[arg(long)]
    in_order: bool,

    /// Configuration (TOML); without it every setting has its default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Kinds of record to write as JSON, separated by commas, or `all`: dns, tls, quic, http, flow, stats, update, update_session,
    /// client_binding, coverage, loss, patchspan_stats [default: all].
    #[arg(long, value_name = "LIST")]
    events: Option<Kinds>,

    /// Form of the output.
    #[arg(long, value_enum, default_value_t)]
    format: FormatFlag,

    /// Threads that take packets apart, 1 to 64; the output is the same with any number.
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::workers)]
    workers: NonZeroUsize,

    /// File to write instead of standard output, which `-` is too. A file that is there keeps what it holds where no input can be read.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Clients that update records are made for: prefixes, separated by commas. Wins over `networks.local` of the configuration.
    #[arg(long, value_name = "LIST")]
    networks: Option<Networks>,

    /// List of hosts (CSV with the columns id, label, address, mac, manager, sub_managers, valid_from, valid_until): records
    /// name the host by its id.
    #[arg(long, value_name = "FILE")]
    hosts: Option<PathBuf>,

    /// Time zone of `--format text`, `figure2` and `summary`, by its IANA name; JSON is always UTC.
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = values::timezone)]
    timezone: TimeZone,

    /// Show a text instead of an address, in `--format text`, `figure2` and `summary`; may be given again.
    #[arg(long, value_name = "ADDRESS=TEXT", value_parser = values::host_label)]
    host_label: Vec<(IpAddr, String)>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum FormatFlag {
    /// JSON lines, one object a record.
    #[default]
    Json,
    /// What matches the catalogue, a line an event, sorted by start time.
    Text,
    /// The same in the form of the prototype's figure, sorted by end time.
    Figure2,
    /// What it means: a line a host and product with its checks and downloads.
    Summary,
}

impl From<FormatFlag> for Format {
    fn from(flag: FormatFlag) -> Self {
        match flag {
            FormatFlag::Json => Self::Json,
            FormatFlag::Text => Self::Text,
            FormatFlag::Figure2 => Self::Figure2,
            FormatFlag::Summary => Self::Summary,
        }
    }
}

/// Runs the command.
pub(super) fn run(flags: Flags) -> Exit {
    let standard = flags.files.iter().filter(|file| inputs::is_standard(file));
    if standard.count() > 1 {
        complain("`-`, standard input, can be one of the files once only");
        return Exit::Usage;
    }
    if flags.events.is_some() && !matches!(flags.format, FormatFlag::Json) {
        complain("`--events` chooses kinds of JSON record: it goes with `--format json` alone");
        return Exit::Usage;
    }
    match flags.into_job() {
        Ok(job) => {
            if job.config.pseudonyms.is_some() {
                crash::tell_place_only(complain);
            }
            engine(job)
        }
        Err(errors) => {
            tell_errors(&errors);
            Exit::Config
        }
    }
}

impl Flags {
    /// What the sensor needs; or every error of the files that were named for it.
    fn into_job(self) -> Result<ReplayJob, Vec<String>> {
        let (mut config, hosts) = inputs::load(self.config.as_deref(), self.hosts.as_deref())?;
        config.local = self.networks.unwrap_or(config.local);
        Ok(ReplayJob {
            files: self.files,
            order: if self.in_order {
                Order::AsNamed
            } else {
                Order::ByTime
            },
            config,
            kinds: self.events.unwrap_or(Kinds::ALL),
            format: self.format.into(),
            workers: self.workers,
            output: self.output.filter(|path| !inputs::is_standard(path)),
            timezone: self.timezone,
            host_labels: self.host_label.into_iter().collect(),
            hosts,
        })
    }
}

/// Runs the replay, and tells on standard error what a person should know.
fn engine(job: ReplayJob) -> Exit {
    let mut progress = Progress::new(&job);
    let outcome = replay::run(job, &mut |event| match event {
        Event::File(failure) => progress.aside(|| complain(failure)),
        Event::Warning(warning) => progress.aside(|| complain(format_args!("warning: {warning}"))),
        Event::Output(failure) => progress.aside(|| complain(failure)),
        Event::Progress(read) => progress.read(read),
    });
    progress.end();
    match outcome {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            complain(&error);
            error.into()
        }
    }
}
