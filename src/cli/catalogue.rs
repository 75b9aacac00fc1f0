//! `patchspan catalogue`: looks into the catalogue of update servers, and checks files of one.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::civil::Date;

use super::diff::print;
use super::{Exit, complain, harmless, tell_errors};
use crate::config::Config;
use crate::offline::lines::Lines;
use crate::records::catalogue::{Found, write_endpoint, write_found};
use crate::sensor::setup;
use crate::source::clock::wall_time;
use crate::types::Fqdn;
use crate::updates::Catalogue;
use crate::updates::catalogue::audit::{Figures, audit, audit_local};
use crate::updates::catalogue::facts::in_words;
use crate::updates::catalogue::file::read_directory;
use crate::updates::catalogue::pattern::NamePattern;
use crate::updates::catalogue::{Endpoint, EndpointId, Product, embedded};

/// Look into the catalogue of update servers: what it holds, which rule a name leads to, and whether own files of it are right.
#[derive(Debug, Args)]
#[command(disable_help_subcommand = true)]
pub struct Flags {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Tell every error of a directory of catalogue files: file, line, column, and what is accepted there.
    ///
    /// More is refused than a sensor refuses: rules that nothing reaches, that another always wins over, that contradict each other, and
    /// rules without an example, a source or the day on which they were seen. Right files give exit code 0 and figures, wrong ones 3.
    Check(CheckFlags),
    /// List products and their rules, for people, or as JSON lines.
    Show(ShowFlags),
    /// Tell which rule a name leads to, why, and which others it beats.
    Match(MatchFlags),
}

#[derive(Debug, Args)]
struct CheckFlags {
    /// The directory; without one, the catalogue in the program is checked.
    directory: Option<PathBuf>,
    /// The directory stands for itself, as the source of a catalogue does, and not over the catalogue in the program.
    #[arg(long, requires = "directory")]
    alone: bool,
}

#[derive(Debug, Args)]
struct Source {
    /// Configuration of a sensor: its catalogue, with its own sources.
    #[arg(long, value_name = "FILE", conflicts_with = "catalogue")]
    config: Option<PathBuf>,
    /// Local catalogue files, over those in the program.
    #[arg(long, value_name = "DIR")]
    catalogue: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ShowFlags {
    /// The vendor, or vendor/product.
    vendor: Option<String>,
    /// Only rules that were not seen on the wire in the last so many days, or never.
    #[arg(long, value_name = "DAYS")]
    stale: Option<u32>,
    /// A JSON object a line, one for each rule.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Args)]
struct MatchFlags {
    /// Names; `-`: a list on standard input, a name a line, with a path behind it where one is known.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// The path that plain HTTP asks for.
    #[arg(long)]
    path: Option<String>,
    /// The User-Agent that plain HTTP tells.
    #[arg(long, value_name = "UA")]
    agent: Option<String>,
    /// A JSON object a line, one for each name.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

/// Runs the command.
pub(super) fn run(flags: &Flags) -> Exit {
    let done = match &flags.command {
        Action::Check(flags) => check(flags),
        Action::Show(flags) => show(flags),
        Action::Match(flags) => find(flags),
    };
    done.err().unwrap_or(Exit::Done)
}

fn check(flags: &CheckFlags) -> Result<(), Exit> {
    let (name, found) = match &flags.directory {
        None => {
            let name = format!("the catalogue in the program, {}", embedded::version());
            (name, audit(&embedded::files()))
        }
        Some(path) => {
            let files = read_directory(path).map_err(|error| {
                complain(format_args!("{}: cannot be read: {error}", path.display()));
                Exit::Config
            })?;
            if files.is_empty() {
                complain(format_args!(
                    "{}: holds no catalogue file: their names end in .toml",
                    path.display()
                ));
                return Err(Exit::Config);
            }
            let audit = if flags.alone { audit } else { audit_local };
            (path.display().to_string(), audit(&files))
        }
    };
    match found {
        Ok(figures) => print(&harmless(&good(&name, figures))),
        Err(errors) => {
            let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
            tell_errors(&said);
            Err(Exit::Config)
        }
    }
}

fn good(name: &str, figures: Figures) -> String {
    let Figures {
        files,
        products,
        endpoints,
        patterns,
        paths,
        claims,
        never_verified,
        unsourced,
    } = figures;
    format!(
        "{name}: no errors\n  {files} files, {products} products, {endpoints} rules with {patterns} patterns of names and {paths} of requests\n  \
         {claims} examples hold; {never_verified} rules were never seen on the wire, {unsourced} are unsourced\n"
    )
}

impl Source {
    fn load(&self) -> Result<Catalogue, Exit> {
        let refused = |said: String| {
            tell_errors(&[said]);
            Exit::Config
        };
        let mut config = match &self.config {
            Some(path) => Config::load(path).map_err(|errors| refused(errors.to_string()))?,
            None => Config::default(),
        };
        if self.catalogue.is_some() {
            config.catalogue.clone_from(&self.catalogue);
        }
        setup::catalogue(&config).map_err(|error| refused(error.to_string()))
    }
}

fn show(flags: &ShowFlags) -> Result<(), Exit> {
    let catalogue = flags.source.load()?;
    let since = flags.stale.map(days_ago);
    let mut patterns: Vec<Vec<NamePattern>> = vec![Vec::new(); catalogue.len()];
    for (pattern, id) in catalogue.patterns() {
        if let Some(of) = patterns.get_mut(id.0 as usize) {
            of.push(pattern);
        }
    }
    let mut rows: Vec<(&Product, &Endpoint, Vec<NamePattern>)> = catalogue
        .endpoints()
        .zip(patterns)
        .filter(|(endpoint, _)| since.is_none_or(|since| is_stale(endpoint, since)))
        .filter_map(|(endpoint, of)| Some((catalogue.product(endpoint.product)?, endpoint, of)))
        .filter(|(product, ..)| {
            flags
                .vendor
                .as_deref()
                .is_none_or(|vendor| is_of(product, vendor))
        })
        .collect();
    if let (true, Some(vendor)) = (rows.is_empty() && since.is_none(), &flags.vendor) {
        complain(format_args!("the catalogue has no {vendor}"));
        return Err(Exit::Usage);
    }
    rows.sort_by(|(a, ..), (b, ..)| (&a.vendor, &a.id).cmp(&(&b.vendor, &b.id)));
    rows.iter_mut()
        .for_each(|(.., of)| of.sort_by_key(ToString::to_string));
    let mut buffer = Vec::new();
    if flags.json {
        for (product, endpoint, of) in &rows {
            write_endpoint(&mut buffer, (product, endpoint), of);
        }
    } else {
        buffer = table(&rows).into_bytes();
    }
    print(&String::from_utf8_lossy(&buffer))
}

fn is_of(product: &Product, wanted: &str) -> bool {
    match wanted.split_once('/') {
        Some((vendor, id)) => product.vendor == vendor && product.id == id,
        None => product.vendor == wanted,
    }
}

fn days_ago(days: u32) -> Date {
    let moment = wall_time().minus(Duration::from_secs(u64::from(days) * 86_400));
    let (seconds, _) = moment.seconds_and_nanos();
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    jiff::tz::Offset::UTC.to_datetime(moment).date()
}

fn is_stale(endpoint: &Endpoint, since: Date) -> bool {
    endpoint.facts.verified.is_none_or(|day| day < since)
}

/// A block a product, a line a rule.
fn table(rows: &[(&Product, &Endpoint, Vec<NamePattern>)]) -> String {
    let mut text = String::new();
    let mut last = None;
    for (product, endpoint, patterns) in rows {
        let name = (&product.vendor, &product.id);
        if last.replace(name) != Some(name) {
            text += &head(product);
        }
        let id = endpoint.rule.rsplit('/').next().unwrap_or_default();
        let more = patterns.len().saturating_sub(1);
        let first = patterns
            .first()
            .map_or_else(|| "(by other rules' paths)".to_owned(), ToString::to_string);
        let names = if more > 0 {
            format!("{first} (+{more})")
        } else {
            first
        };
        let day = endpoint.facts.verified;
        let day = day.map_or_else(|| "never".to_owned(), |day| day.to_string());
        let shared = if endpoint.shared_host { "shared" } else { "" };
        let _ = writeln!(
            text,
            "  {id:<16} {:<12} {:<5} {shared:<6} {day:<10} {names}",
            endpoint.role.as_str(),
            endpoint.facts.transport.as_str(),
        );
    }
    harmless(&text)
}

fn head(product: &Product) -> String {
    let facts = &product.facts;
    let mut text = format!(
        "{}/{}  {} ({}, security: {})",
        product.vendor,
        product.id,
        product.title,
        facts.platform.as_str(),
        product.security.as_str()
    );
    if let Some(time) = facts.check_interval {
        text += &format!("; asks every {}", in_words(time));
    }
    if let Some(cadence) = &facts.release_cadence {
        text += &format!("; released {cadence}");
    }
    if let Some(time) = facts.overdue_after {
        text += &format!("; late after {}", in_words(time));
    }
    text.push('\n');
    text
}

fn find(flags: &MatchFlags) -> Result<(), Exit> {
    let catalogue = flags.source.load()?;
    let mut first = Ok(());
    for typed in &flags.names {
        let told = match typed.as_str() {
            "-" => find_all(&catalogue, flags),
            name => one(&catalogue, flags, name, None),
        };
        first = first.and(told);
    }
    first
}

/// Tells of every name of the list on standard input; empty lines and comments are passed over.
fn find_all(catalogue: &Catalogue, flags: &MatchFlags) -> Result<(), Exit> {
    let mut lines = Lines::new(std::io::stdin().lock());
    let mut first = Ok(());
    loop {
        let line = lines.read().map_err(|error| {
            complain(format_args!("standard input cannot be read: {error}"));
            Exit::Input
        })?;
        let Some(line) = line else {
            return first;
        };
        let Some(bytes) = line.bytes else {
            complain(format_args!("line {}: is no name", line.number));
            first = first.and(Err(Exit::Usage));
            continue;
        };
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim();
        if !text.is_empty() && !text.starts_with('#') {
            let (name, path) = text.split_once([' ', '\t']).unzip();
            let path = path.map(str::trim);
            first = first.and(one(catalogue, flags, name.unwrap_or(text), path));
        }
    }
}

/// Tells of one name; `path` is the one that stands behind it in a list.
fn one(
    catalogue: &Catalogue,
    flags: &MatchFlags,
    typed: &str,
    path: Option<&str>,
) -> Result<(), Exit> {
    let Some(name) = Fqdn::from_presentation(typed.trim()) else {
        complain(format_args!("{typed}: is no name"));
        return Err(Exit::Usage);
    };
    let (path, agent) = (path.or(flags.path.as_deref()), flags.agent.as_deref());
    let elsewhere = || catalogue.find_request(path?.as_bytes(), agent.map(str::as_bytes));
    let found = Found {
        name: name.as_str(),
        path,
        agent,
        matching: catalogue.matching(name.as_str()),
        endpoint: catalogue.find(name.as_str()).or_else(elsewhere),
    };
    if flags.json {
        let mut buffer = Vec::new();
        write_found(&mut buffer, catalogue, &found);
        return print(&String::from_utf8_lossy(&buffer));
    }
    print(&harmless(&told(catalogue, &found)))
}

/// Why this rule, in words.
fn told(catalogue: &Catalogue, found: &Found<'_>) -> String {
    let rule = |id: EndpointId| {
        let endpoint = catalogue.endpoint(id);
        endpoint.map_or("", |endpoint| endpoint.rule.as_str())
    };
    let named = found
        .endpoint
        .and_then(|id| Some((id, catalogue.endpoint(id)?)));
    let Some((id, named)) = named else {
        return format!("{}: no rule\n", found.name);
    };
    let (path, agent) = (
        found.path.map(str::as_bytes),
        found.agent.map(str::as_bytes),
    );
    let role = named.role_for(path, agent);
    let meant = rule(role.endpoint.unwrap_or(id));
    let mut text = format!("{}: {meant}, {}\n", found.name, role.role);
    match found.matching.first() {
        Some((pattern, _)) => {
            text += &format!("  by the {} {pattern} of {}\n", pattern.kind(), named.rule);
        }
        None if catalogue.find(found.name).is_none() => {
            text += "  by path and User-Agent: the catalogue does not know the name\n";
        }
        None => text += &format!("  by the own source {}\n", named.rule),
    }
    for (pattern, beaten) in found.matching.iter().skip(1) {
        text += &format!(
            "  before the {} {pattern} of {}\n",
            pattern.kind(),
            rule(*beaten)
        );
    }
    let mut entries = named.paths.iter();
    let entry = entries.position(|entry| entry.matches(path, agent));
    if named.is_list(path, agent) {
        text += "  the path is that of a list of packages, which is a check on every server\n";
    } else if let Some(at) = entry {
        text += &format!("  entry {} of its paths tells the role\n", at + 1);
    } else if !named.paths.is_empty() {
        text += &format!("  none of its {} paths matches\n", named.paths.len());
    }
    if named.shared_host {
        text += "  the name also serves what is no update\n";
    }
    if !named.alternatives.is_empty() && role.endpoint.is_none() {
        let others: Vec<String> = named
            .alternatives
            .iter()
            .map(|(vendor, product)| format!("{vendor}/{product}"))
            .collect();
        text += &format!("  it may be {}\n", others.join(", "));
    }
    text
}
