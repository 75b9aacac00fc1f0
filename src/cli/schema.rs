//! `patchspan schema`: what every line of output looks like, as JSON Schema.

use clap::Args;

use super::diff::print;
use super::{Exit, complain};
use crate::records::Kind;
use crate::records::schema::{Form, of_all, of_kind};

/// Print the JSON Schema of a kind of record, or of all.
///
/// The schema (draft 2020-12) is closed: a line with a key that it does not name does not validate. Without a kind it is one schema with a choice
/// among the kinds, told apart by `event_type`.
#[derive(Debug, Args)]
pub struct Flags {
    /// The kind, as in `event_type`: dns, tls, quic, http, flow, stats, update, update_session, client_binding, coverage, loss,
    /// patchspan_stats.
    kind: Option<Kind>,
    /// What is written with `eve_strict = true`: only keys that Suricata 8's EVE schema knows, for the kinds dns, tls, quic, http,
    /// flow and stats.
    #[arg(long)]
    eve: bool,
}

/// Runs the command.
pub(super) fn run(flags: &Flags) -> Exit {
    let form = if flags.eve {
        Form::EveStrict
    } else {
        Form::Full
    };
    let schema = match flags.kind {
        None => Some(of_all(form)),
        Some(kind) => of_kind(kind, form),
    };
    let Some(schema) = schema else {
        complain("--eve: only dns, tls, quic, http, flow and stats are kinds of EVE");
        return Exit::Usage;
    };
    match print(&format!("{schema:#}\n")) {
        Ok(()) => Exit::Done,
        Err(exit) => exit,
    }
}
