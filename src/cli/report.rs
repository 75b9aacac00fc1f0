//! `patchspan report`: which hosts missed an update, which were away, and where nobody can tell.

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;

use super::diff::print;
use super::score::tell;
use super::{Exit, complain, inputs, tell_errors, values};
use crate::offline::report::asked::Unknown;
use crate::offline::report::reading::Records;
use crate::offline::report::rules::Rules;
use crate::offline::report::sentence::{Voice, rfc3339};
use crate::offline::report::words::{Language, Words};
use crate::offline::report::{Options, Report, data, page, rows, table};
use crate::sensor::setup;
use crate::source::capture::{Input, is_capture};
use crate::types::Timestamp;

/// Bytes that tell a capture from records.
const LOOK: u64 = 16;

/// Tell for each host and product what updates were seen, and which need attention.
///
/// FILE holds records as `run` and `replay` write them, compressed or not, rotated or not, in any order. Read are `update`,
/// `update_session`, `coverage`, `client_binding` and `loss`; any other record says that the sensor ran. Each host and product has one
/// of five states with its reason: downloaded; checked, none fetched; overdue; not seen; cannot tell. Only what is proven is overdue:
/// without `coverage` records nothing is. docs/report.md says more. What a report needs of the records is held in memory.
#[derive(Debug, Args)]
#[command(
    after_long_help = "Exit codes: 0 reported, 3 a configuration, a list of hosts or a catalogue is wrong, 4 a file or a line of it cannot be read, or no host is called as asked for; see patchspan --help."
)]
pub struct Flags {
    /// Records (JSON lines), compressed or not; `-` is standard input, once.
    #[arg(value_name = "FILE", required_unless_present = "schema")]
    files: Vec<PathBuf>,

    /// Only this host, by id, name, label, address or MAC address; may be given again.
    #[arg(long, value_name = "HOST", value_parser = values::host)]
    host: Vec<String>,

    /// Show from here on: a date, which begins at midnight of `--timezone`, or a time of RFC 3339.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,

    /// Report as of then; what is later is left out. A date ends at its midnight.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,

    /// Language of sentences.
    #[arg(long, value_enum, default_value_t)]
    lang: Lang,

    /// Form of the output.
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Time zone of days and times, by its IANA name; JSON and CSV have times in UTC.
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = values::timezone)]
    timezone: TimeZone,

    /// Configuration (TOML): what is overdue, in `[report]`, and the catalogue.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// List of hosts (CSV): names them, and who looks after them.
    #[arg(long, value_name = "FILE")]
    hosts: Option<PathBuf>,

    /// Print the JSON Schema of `--format json`, and do nothing else.
    #[arg(long, exclusive = true)]
    schema: bool,
}

/// The language of a report.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Lang {
    /// English.
    #[default]
    En,
    /// Japanese.
    Ja,
}

/// How a report is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for the terminal.
    #[default]
    Table,
    /// One JSON object.
    Json,
    /// One page that needs nothing else.
    Html,
    /// A row a host and product.
    Csv,
}

/// Runs the command.
pub(super) fn run(flags: &Flags) -> Exit {
    match report(flags) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn report(flags: &Flags) -> Result<Exit, Exit> {
    if flags.schema {
        return print(data::SCHEMA).map(|()| Exit::Done);
    }
    if flags
        .files
        .iter()
        .filter(|path| inputs::is_standard(path))
        .count()
        > 1
    {
        complain("`-`, standard input, can be one of the files once only");
        return Err(Exit::Usage);
    }
    let (config, list) =
        inputs::load(flags.config.as_deref(), flags.hosts.as_deref()).map_err(|errors| {
            tell_errors(&errors);
            Exit::Config
        })?;
    let catalogue = setup::catalogue(&config).map_err(|error| {
        tell_errors(&[error.to_string()]);
        Exit::Config
    })?;
    let (rules, unknown) = Rules::new(&catalogue, &config.report);
    for product in unknown {
        complain(format_args!(
            "warning: report.products: the catalogue has no {product}"
        ));
    }
    let options = flags.options(rules)?;
    let (records, is_whole) = read(&flags.files);
    let Some(report) = Report::of(&records, &list, &options) else {
        tell_empty(&records, is_whole);
        return Err(Exit::Input);
    };
    let words = Words::of(Language::English);
    let voice = Voice {
        words: &words,
        zone: &report.zone,
    };
    if let Some(left_out) = voice.left_out(&report) {
        complain(format_args!("warning: {left_out}"));
    }
    tell_unknown(&report.unknown);
    if !flags.host.is_empty() && report.hosts.is_empty() {
        return Err(Exit::Input);
    }
    print(&flags.told(&report))?;
    Ok(if is_whole && report.unknown.is_empty() {
        Exit::Done
    } else {
        Exit::Input
    })
}

impl Flags {
    fn options(&self, rules: Rules) -> Result<Options, Exit> {
        let moment = |flag: &str, text: &Option<String>, is_end: bool| match text {
            None => Ok(None),
            Some(text) => values::moment(text, &self.timezone, is_end)
                .map(Some)
                .map_err(|accepted| {
                    complain(format_args!(
                        "invalid value '{text}' for '--{flag} <TIME>': {accepted}"
                    ));
                    Exit::Usage
                }),
        };
        let since: Option<Timestamp> = moment("since", &self.since, false)?;
        let until = moment("until", &self.until, true)?;
        if since
            .zip(until)
            .is_some_and(|(since, until)| since >= until)
        {
            complain("--since must lie before --until");
            return Err(Exit::Usage);
        }
        Ok(Options {
            hosts: self.host.clone(),
            since,
            until,
            zone: self.timezone.clone(),
            rules,
        })
    }

    fn told(&self, report: &Report) -> String {
        let language = match self.lang {
            Lang::En => Language::English,
            Lang::Ja => Language::Japanese,
        };
        match self.format {
            // None where standard output is no terminal: then nothing is broken, whatever the other streams are.
            Format::Table => {
                let size = terminal_size::terminal_size_of(io::stdout());
                let width = size.map(|(width, _)| usize::from(width.0));
                table::text(report, language, width)
            }
            Format::Json => data::json(report, language),
            Format::Html => page::page(report, language),
            Format::Csv => rows::csv(report, language),
        }
    }
}

/// Why there is nothing to report; where no file could be read, that has been told.
fn tell_empty(records: &Records, is_whole: bool) {
    match records.span {
        Some((first, last)) => complain(format_args!(
            "no record lies in the period that was asked for: they are from {} to {}",
            rfc3339(first),
            rfc3339(last)
        )),
        None if is_whole => complain("the files have no records"),
        None => {}
    }
}

/// Names that no host has, with those that may have been meant.
fn tell_unknown(unknown: &[Unknown]) {
    for Unknown { wanted, near } in unknown {
        let near = match near.as_slice() {
            [] => String::new(),
            near => format!("; there is {}", near.join(", ")),
        };
        complain(format_args!(
            "no host of these records is called {wanted}{near}"
        ));
    }
}

/// The records of all files, and whether all was read; what is wrong is told at once.
fn read(files: &[PathBuf]) -> (Records, bool) {
    let mut records = Records::default();
    let mut is_whole = true;
    for path in files {
        let input = input(path);
        let reading = input.and_then(|input| records.read(input).map_err(Unreadable::Io));
        match reading {
            Ok(reading) => {
                tell(path, &reading);
                is_whole &= reading.is_whole();
            }
            Err(error) => {
                complain(format_args!("{} {error}", path.display()));
                is_whole = false;
            }
        }
    }
    (records, is_whole)
}

/// Why a file gives no lines.
enum Unreadable {
    Io(io::Error),
    Directory,
    Capture,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot be read: {error}"),
            Self::Directory => f.write_str("is a directory: name its files"),
            Self::Capture => f.write_str(
                "is a capture: run `patchspan replay` on it first, and report its records",
            ),
        }
    }
}

fn input(path: &Path) -> Result<Input, Unreadable> {
    if path.is_dir() && !inputs::is_standard(path) {
        return Err(Unreadable::Directory);
    }
    no_capture(inputs::lines(path).map_err(Unreadable::Io)?)
        .map_err(Unreadable::Io)?
        .ok_or(Unreadable::Capture)
}

/// The same input; `None` where it begins like a capture.
fn no_capture(mut input: Input) -> io::Result<Option<Input>> {
    let mut start = Vec::new();
    input.by_ref().take(LOOK).read_to_end(&mut start)?;
    let is_capture = is_capture(&start);
    Ok((!is_capture).then(|| Input::new(io::Cursor::new(start).chain(input))))
}
