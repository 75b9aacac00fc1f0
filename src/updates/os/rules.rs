//! The table of evidence that comes with the program: `evidence.toml`, beside this file.
//!
//! A row says what is seen, which system it tells, how far, and where that is known from.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use foldhash::fast::FixedState;
use serde::Deserialize;

use super::agent::TextPattern;
use super::system::System;
use crate::protocols::syn::Shape;
use crate::updates::catalogue::lookup::Lookup;
use crate::updates::catalogue::pattern::{NamePattern, PathPattern};

/// A row, by its place in the table. Equal in every part of one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub u16);

/// What kind of thing tells; two things of one kind are not independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The system's own check whether it is online.
    Connectivity,
    /// The time server that the system comes with.
    Time,
    /// Servers that only the system's own updater contacts.
    Update,
    /// How an update client calls itself on plain HTTP.
    UserAgent,
    /// What the host says when it asks for an address.
    Dhcp,
    /// How a browser calls itself on plain HTTP.
    Browser,
    /// A TLS ClientHello.
    Ja4,
    /// The shape of its TCP SYNs.
    Syn,
    /// It hands on the requests of others: what goes through it tells nothing of itself.
    Relay,
}

/// A row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its text in the table, by which the state of a run knows it again.
    pub key: String,
    /// What it tells; `None`: nothing of the system, as a relay's row.
    pub system: Option<System>,
    /// What kind of evidence it is.
    pub kind: Kind,
    /// Whether it tells by itself; else it only supports.
    pub is_strong: bool,
    version: Option<String>,
    versions: Vec<(String, HashMap<System, String>)>,
    path: Option<PathPattern>,
    agent: Option<TextPattern>,
}

/// The table.
#[derive(Debug, Default)]
pub struct Rules {
    rows: Vec<Row>,
    /// Rows of each pattern of names.
    names: Lookup<u16>,
    by_name: Vec<Vec<RowId>>,
    agents: Vec<(TextPattern, RowId)>,
    classes: Vec<(TextPattern, RowId)>,
    options: HashMap<Vec<u8>, RowId, FixedState>,
    hellos: HashMap<String, RowId, FixedState>,
    shapes: HashMap<Shape, RowId, FixedState>,
    forwarding: Option<RowId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Vec<Table>,
    agent: Vec<Table>,
    relay: Vec<Table>,
    dhcp: Vec<Table>,
    #[serde(default)]
    ja4: Vec<Table>,
    syn: Vec<Table>,
}

/// A row as it is written. Which fields it has depends on where it stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    agents: Vec<String>,
    #[serde(default)]
    classes: Vec<String>,
    #[serde(default)]
    option_lists: Vec<Vec<u8>>,
    #[serde(default)]
    hellos: Vec<String>,
    #[serde(default)]
    shapes: Vec<(u8, String)>,
    path: Option<String>,
    agent: Option<String>,
    system: Option<System>,
    kind: Option<Kind>,
    #[serde(default)]
    weak: bool,
    version: Option<String>,
    #[serde(default)]
    versions: HashMap<String, HashMap<System, String>>,
    source: String,
}

/// The word by which forwarded requests are known.
const FORWARDED: &str = "forwarded";

impl Rules {
    /// The table that comes with the program, read once.
    pub fn embedded() -> Arc<Self> {
        // A test holds that it can be read.
        static EMBEDDED: LazyLock<Arc<Rules>> = LazyLock::new(|| {
            Arc::new(Rules::read(include_str!("evidence.toml")).unwrap_or_default())
        });
        Arc::clone(&EMBEDDED)
    }

    /// Reads a table; the error says what is wrong in it.
    pub fn read(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut rules = Self::default();
        for table in file.name {
            rules.add_names(table)?;
        }
        for (tables, kind) in [
            (file.agent, Kind::UserAgent),
            (file.relay, Kind::Relay),
            (file.dhcp, Kind::Dhcp),
            (file.ja4, Kind::Ja4),
            (file.syn, Kind::Syn),
        ] {
            for table in tables {
                rules.add(table, kind)?;
            }
        }
        Ok(rules)
    }

    fn add_names(&mut self, table: Table) -> Result<(), String> {
        let names = table.names.clone();
        let first = names.first().ok_or("a row without names")?.clone();
        let id = self.push(&table, &first, None)?;
        for name in names {
            let pattern = NamePattern::parse(&name)?;
            let place = u16::try_from(self.by_name.len()).map_err(|_| "too many names")?;
            self.by_name.push(vec![id]);
            if let Some(other) = self.names.insert(pattern, place) {
                // Several rows of one pattern: they differ in path or agent, and the first that fits counts.
                let earlier = self.by_name.get(usize::from(other)).cloned();
                if let Some(rows) = self.by_name.last_mut() {
                    rows.splice(0..0, earlier.unwrap_or_default());
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, table: Table, kind: Kind) -> Result<(), String> {
        for agent in &table.agents {
            let id = self.push(&table, agent, Some(kind))?;
            if agent == FORWARDED {
                self.forwarding = Some(id);
            } else {
                self.agents.push((TextPattern::parse(agent)?, id));
            }
        }
        for class in &table.classes {
            let id = self.push(&table, class, Some(kind))?;
            self.classes.push((TextPattern::parse(class)?, id));
        }
        for list in &table.option_lists {
            let id = self.push(&table, &format!("{list:?}"), Some(kind))?;
            self.options.insert(list.clone(), id);
        }
        for hello in &table.hellos {
            let id = self.push(&table, hello, Some(kind))?;
            self.hellos.insert(hello.clone(), id);
        }
        for (hops, words) in &table.shapes {
            let id = self.push(&table, &format!("{hops}:{words}"), Some(kind))?;
            let shape = Shape::parse(*hops, words).ok_or_else(|| format!("no shape: {words}"))?;
            self.shapes.insert(shape, id);
        }
        Ok(())
    }

    /// Adds a row; `kind`: where it does not say its own.
    fn push(&mut self, table: &Table, key: &str, kind: Option<Kind>) -> Result<RowId, String> {
        let kind = table
            .kind
            .or(kind)
            .ok_or_else(|| format!("{key}: no kind"))?;
        if table.source.is_empty() || (table.system.is_none() && kind != Kind::Relay) {
            return Err(format!("{key}: no source, or no system"));
        }
        let agent = table.agent.as_deref().map(TextPattern::parse).transpose()?;
        let path = table.path.as_deref().map(PathPattern::parse).transpose()?;
        let own = table.agent.as_deref().unwrap_or_default();
        let id = u16::try_from(self.rows.len()).map_err(|_| "too many rows")?;
        self.rows.push(Row {
            key: format!("{kind:?} {key} {own}"),
            system: table.system,
            kind,
            is_strong: !table.weak && !matches!(kind, Kind::Browser | Kind::Ja4 | Kind::Syn),
            version: table.version.clone(),
            versions: table.versions.clone().into_iter().collect(),
            path,
            agent,
        });
        Ok(RowId(id))
    }

    /// A row.
    pub fn row(&self, id: RowId) -> Option<&Row> {
        self.rows.get(usize::from(id.0))
    }

    /// Every row with its id.
    pub fn rows(&self) -> impl Iterator<Item = (RowId, &Row)> {
        (0..u16::MAX).map(RowId).zip(&self.rows)
    }

    /// What a contact with a name tells; `path` and `agent`: of the request, on plain HTTP.
    pub fn of_name(&self, name: &str, path: Option<&[u8]>, agent: Option<&[u8]>) -> Option<RowId> {
        let rows = self.by_name.get(usize::from(self.names.find(name)?))?;
        let fits = |id: &&RowId| self.row(**id).is_some_and(|row| row.fits(path, agent));
        rows.iter().find(fits).copied()
    }

    /// What a User-Agent tells, with the version in it.
    pub fn of_agent<'t>(&self, agent: &'t [u8]) -> Option<(RowId, &'t str)> {
        first(&self.agents, agent)
    }

    /// What a request tells that says of itself that it is handed on.
    pub const fn of_forwarding(&self) -> Option<RowId> {
        self.forwarding
    }

    /// What a DHCP vendor class (option 60) tells, with the version in it.
    pub fn of_vendor_class<'t>(&self, class: &'t [u8]) -> Option<(RowId, &'t str)> {
        first(&self.classes, class)
    }

    /// What the list of options that a DHCP client asks for (option 55) tells.
    pub fn of_option_list(&self, options: &[u8]) -> Option<RowId> {
        self.options.get(options).copied()
    }

    /// What a ClientHello tells.
    pub fn of_hello(&self, ja4: &str) -> Option<RowId> {
        self.hellos.get(ja4).copied()
    }

    /// What a SYN tells.
    pub fn of_shape(&self, shape: &Shape) -> Option<RowId> {
        self.shapes.get(shape).copied()
    }
}

/// The first pattern that matches a text.
fn first<'t>(patterns: &[(TextPattern, RowId)], text: &'t [u8]) -> Option<(RowId, &'t str)> {
    let mut all = patterns.iter();
    all.find_map(|(pattern, id)| Some((*id, pattern.matches(text)?.version)))
}

impl Row {
    /// Whether a request is one that it means: what it asks for and the request does not tell does not fit.
    fn fits(&self, path: Option<&[u8]>, agent: Option<&[u8]>) -> bool {
        let path_fits = self
            .path
            .as_ref()
            .is_none_or(|own| path.is_some_and(|path| own.matches(path)));
        let agent_fits = self
            .agent
            .as_ref()
            .is_none_or(|own| agent.is_some_and(|agent| own.matches(agent).is_some()));
        path_fits && agent_fits
    }

    /// Which version of `system` it tells, where `seen` was read from the wire.
    pub fn version_of(&self, system: System, seen: &str) -> Option<String> {
        if !self.versions.is_empty() {
            let is_of = |known: &str| {
                let rest = seen.strip_prefix(known);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let fitting = self.versions.iter().filter(|(known, _)| is_of(known));
            let (_, told) = fitting.max_by_key(|(known, _)| known.len())?;
            return told.get(&system).cloned();
        }
        self.system
            .filter(|own| own.told() == system || *own == system)?;
        let seen = Some(seen.trim_end_matches('.')).filter(|seen| !seen.is_empty());
        self.version.clone().or_else(|| seen.map(str::to_owned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read_and_no_row_stands_twice() {
        let rules = Rules::read(include_str!("evidence.toml")).unwrap();
        let mut keys: Vec<&str> = rules.rows().map(|(_, row)| row.key.as_str()).collect();
        keys.sort_unstable();
        for pair in keys.windows(2) {
            assert_ne!(pair[0], pair[1]);
        }
        assert!(rules.of_forwarding().is_some() && !rules.shapes.is_empty());
    }

    #[test]
    fn the_catalogue_knows_every_name_else_workers_would_not_tell_of_it() {
        use crate::updates::Catalogue;
        use crate::updates::catalogue::Role;
        let catalogue = Catalogue::embedded().unwrap();
        let file: File = toml::from_str(include_str!("evidence.toml")).unwrap();
        for name in file.name.iter().flat_map(|table| &table.names) {
            let example = name.replace('*', "2");
            let endpoint = catalogue.find(&example);
            let role = endpoint
                .and_then(|id| catalogue.endpoint(id))
                .map(|endpoint| endpoint.role);
            assert!(role.is_some_and(|role| role != Role::Ignore), "{name}");
        }
    }

    #[test]
    fn a_row_with_an_agent_counts_for_that_program_alone() {
        let rules = Rules::embedded();
        let system = |agent: Option<&[u8]>| {
            let id = rules.of_name("ftp.jp.debian.org", Some(b"/debian/dists/"), agent);
            id.and_then(|id| rules.row(id))
                .map(|row| (row.system.unwrap(), row.is_strong))
        };
        let apt: &[u8] = b"Debian APT-HTTP/1.3 (2.6.1)";
        assert_eq!(system(Some(apt)), Some((System::Debian, true)));
        assert_eq!(system(Some(b"Wget/1.21")), None);
    }

    #[test]
    fn versions_are_those_of_the_system_in_question() {
        let rules = Rules::embedded();
        let told = |agent: &[u8], system| {
            let (id, seen) = rules.of_agent(agent).unwrap();
            rules.row(id).unwrap().version_of(system, seen)
        };
        let apt = b"Debian APT-HTTP/1.3 (2.6.1)".as_slice();
        assert_eq!(told(apt, System::Debian).as_deref(), Some("12"));
        assert_eq!(told(apt, System::Linux), None);
        assert_eq!(
            told(
                b"Debian APT-HTTP/1.3 (2.4.11) non-interactive",
                System::Ubuntu
            )
            .as_deref(),
            Some("22.04")
        );
        let dnf = b"libdnf (Fedora Linux 42; kde; Linux.x86_64)";
        assert_eq!(told(dnf, System::Fedora).as_deref(), Some("42"));
        let darwin = b"trustd (unknown version) CFNetwork/1568 Darwin/24.1.0";
        assert_eq!(told(darwin, System::Macos).as_deref(), Some("15"));
        assert_eq!(told(darwin, System::Ios).as_deref(), Some("18"));
    }
}
