//! `patchspan doctor`: verdicts on a mirror.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::diff::print;
use super::{Exit, complain, inputs, tell_errors, values};
use crate::config::job::{DoctorJob, DoctorSource};
use crate::records::doctor::{Finding, Measure, State, Unit};
use crate::sensor::doctor::{self, Event};

/// Say what a mirror port lacks: one side only, lost or doubled copies, merged or cut frames, a wrong clock, DNS that is missing.
///
/// Looks at an interface for a while, or at capture files, and gives a verdict on each thing that can be wrong: what was measured, from
/// where on it is a fault, and what mends it. The last line is the overall verdict, and so is the exit code: 0 good, 8 degraded, 9 blind.
/// The checks and their thresholds stand in docs/doctor.md.
#[derive(Debug, Args)]
#[command(after_long_help = "Exit codes: see patchspan --help.")]
pub struct Flags {
    /// Configuration (TOML); without it every setting has its default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Interface to listen on; may be given again. Wins over `capture.interfaces` of the configuration.
    #[arg(long, value_name = "NAME", conflicts_with = "pcap")]
    interface: Vec<String>,

    /// How long to listen, 1 to 86,400 seconds.
    #[arg(long, value_name = "N", default_value = "30", value_parser = values::seconds, conflicts_with = "pcap")]
    seconds: Duration,

    /// Capture file to look at instead of an interface; may be given again, `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pcap: Vec<PathBuf>,

    /// List of hosts (CSV: see `patchspan replay --help`): says how many of its entries are there, who is in none, and whether MAC addresses
    /// can match here.
    #[arg(long, value_name = "FILE")]
    hosts: Option<PathBuf>,

    /// Write a JSON object a line: `patchspan doctor --schema` describes it.
    #[arg(long)]
    json: bool,

    /// Print the JSON Schema of the lines that --json writes, and look at nothing.
    #[arg(long)]
    schema: bool,
}

/// Runs the command.
pub(super) fn run(flags: Flags) -> Exit {
    if flags.schema {
        return print(crate::records::doctor::SCHEMA)
            .err()
            .unwrap_or(Exit::Done);
    }
    match inputs::load(flags.config.as_deref(), flags.hosts.as_deref()) {
        Ok((mut config, hosts)) => {
            if !flags.interface.is_empty() {
                config.capture.interfaces = flags.interface;
            }
            let source = if flags.pcap.is_empty() {
                DoctorSource::Interfaces(flags.seconds)
            } else {
                DoctorSource::Files(flags.pcap)
            };
            let job = DoctorJob {
                config,
                hosts: flags.hosts.map(|_| hosts),
                source,
            };
            look(job, flags.json)
        }
        Err(errors) => {
            tell_errors(&errors);
            Exit::Config
        }
    }
}

fn look(job: DoctorJob, is_json: bool) -> Exit {
    let outcome = doctor::run(job, &mut |event| match event {
        Event::File(failure) => complain(failure),
        Event::Listening(interfaces, duration) => complain(format_args!(
            "listening on {} for {} s",
            interfaces.join(", "),
            duration.as_secs()
        )),
    });
    let diagnosis = match outcome {
        Ok(diagnosis) => diagnosis,
        Err(error) => {
            complain(&error);
            return error.into();
        }
    };
    let mut text = Vec::new();
    for finding in &diagnosis.findings {
        if is_json {
            finding.write(&mut text);
        } else {
            text.extend(line(finding).into_bytes());
        }
    }
    if let Err(exit) = print(&String::from_utf8_lossy(&text)) {
        return exit;
    }
    if diagnosis.unreadable > 0 {
        return Exit::Input;
    }
    if diagnosis.cut > 0 {
        return Exit::Cut;
    }
    match diagnosis.findings.last().map(|overall| overall.state) {
        Some(State::Blind) => Exit::Blind,
        Some(State::Degraded) => Exit::Degraded,
        _ => Exit::Done,
    }
}

/// A verdict for people: what is thought of what, by which figure; what mends it on a line of its own.
fn line(finding: &Finding) -> String {
    let word = match finding.state {
        State::Good => "good",
        State::TooLittle => "-",
        State::Note => "note",
        State::Degraded => "DEGRADED",
        State::Blind => "BLIND",
    };
    let mut line = format!("{word:<9} {:<15} {}", finding.check, finding.said);
    if let Some(measure) = finding.measure {
        line += &format!(" (threshold {})", threshold(measure));
    }
    line.push('\n');
    if let Some(step) = &finding.step {
        line += &format!("{:>25} {step}\n", "->");
    }
    line
}

fn threshold(measure: Measure) -> String {
    match measure.unit {
        Unit::Ppm => doctor::percent(measure.threshold),
        Unit::Milliseconds => format!("{} s", measure.threshold / 1_000),
        Unit::Count => measure.threshold.to_string(),
    }
}
