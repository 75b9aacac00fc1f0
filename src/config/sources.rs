//! Own sources of updates: the tables `[[internal_sources]]`.

use ipnet::IpNet;

use super::document::{Document, Section};
use super::forms::{Server, entry_word, port, server, source_kind};
use crate::updates::catalogue::pattern::NamePattern;
use crate::updates::catalogue::sources::{InternalSource, SourceKind};

/// Most sources.
const MAX_SOURCES: usize = 128;
/// Most addresses and names of one, and most ports.
const MAX_SERVERS: usize = 64;

/// A source, and where it stands.
struct Read {
    source: InternalSource,
    servers: Vec<Server>,
    path: String,
    /// Where its name and its servers stand.
    name_at: usize,
    servers_at: usize,
}

/// Reads the tables; what is wrong is told.
pub(super) fn read<'i>(document: &mut Document<'i>, root: &mut Section<'i>) -> Vec<InternalSource> {
    let sections = document.tables(root, "internal_sources", MAX_SOURCES);
    let mut all: Vec<Read> = Vec::new();
    for mut section in sections.unwrap_or_default() {
        let read = table(document, &mut section);
        document.end(section);
        let Some(read) = read else {
            continue;
        };
        for earlier in &all {
            compare(document, &read, earlier);
        }
        all.push(read);
    }
    all.into_iter().map(|read| read.source).collect()
}

/// `None` where the table does not say what it is, or where.
fn table<'i>(document: &mut Document<'i>, section: &mut Section<'i>) -> Option<Read> {
    let (name_at, servers_at) = (section.place_of("name"), section.place_of("servers"));
    let name = needed(
        document,
        section,
        "name",
        "a word of its own, which rules of records show",
    );
    let is_kind_there = section.has("kind");
    let form = source_kind();
    let mut kind = None;
    if !is_kind_there {
        document.miss(section, "kind", form.accepted());
    }
    document.set(section, "kind", &form, &mut kind);
    let servers = servers(document, section);
    let ports = ports(document, section, kind);
    let product = product(document, section, kind);
    let source = InternalSource {
        name: name?,
        kind: kind?,
        networks: servers.iter().filter_map(Server::network).collect(),
        patterns: servers.iter().filter_map(Server::pattern).collect(),
        ports,
        product,
    };
    Some(Read {
        source,
        servers,
        path: section.path("").trim_end_matches('.').to_owned(),
        name_at,
        servers_at,
    })
}

fn needed<'i>(
    document: &mut Document<'i>,
    section: &mut Section<'i>,
    key: &'static str,
    why: &str,
) -> Option<String> {
    if !section.has(key) {
        document.miss(section, key, why);
    }
    let mut word = None;
    document.set(section, key, &entry_word(), &mut word);
    word
}

fn servers<'i>(document: &mut Document<'i>, section: &mut Section<'i>) -> Vec<Server> {
    if !section.has("servers") {
        document.miss(
            section,
            "servers",
            "a list of addresses, prefixes and names",
        );
    }
    let mut servers = Vec::new();
    let form = server();
    document.refuse_empty(section, "servers", "a list of at least one server");
    document.set_list(section, "servers", MAX_SERVERS, &form, &mut servers);
    servers
}

fn ports<'i>(
    document: &mut Document<'i>,
    section: &mut Section<'i>,
    kind: Option<&'static SourceKind>,
) -> Vec<u16> {
    if kind.is_some_and(|kind| kind.needs_ports) && !section.has("ports") {
        let why = "every maker has others: see what its clients are configured with";
        document.miss(section, "ports", why);
    }
    let mut ports = kind.map_or_else(Vec::new, |kind| kind.ports.to_vec());
    document.refuse_empty(section, "ports", "a list of at least one port");
    document.set_list(section, "ports", MAX_SERVERS, &port(), &mut ports);
    ports
}

/// Both or none, where the kind says what such a source mostly serves.
fn product<'i>(
    document: &mut Document<'i>,
    section: &mut Section<'i>,
    kind: Option<&'static SourceKind>,
) -> (String, String) {
    if kind.is_some_and(|kind| !kind.has_entry) {
        for key in ["vendor", "product"] {
            let others = "sources that serve one product; a proxy hands on those of many";
            document.misplace(section, key, others);
        }
        return Default::default();
    }
    let usual = kind.and_then(|kind| kind.product);
    let is_said = section.has("vendor") || section.has("product");
    if let (Some((vendor, product)), false) = (usual, is_said) {
        return (vendor.to_owned(), product.to_owned());
    }
    let why =
        "say vendor and product of what it serves, as the catalogue calls them where it has them";
    let mut word = |key| match kind {
        Some(_) => needed(document, section, key, why).unwrap_or_default(),
        None => {
            section.forget(key);
            String::new()
        }
    };
    (word("vendor"), word("product"))
}

/// Tells where two sources cannot be told apart.
fn compare(document: &mut Document<'_>, new: &Read, earlier: &Read) {
    if new.source.name == earlier.source.name {
        let other = format!("{}.name", earlier.path);
        document.repeat(new.name_at, format!("{}.name", new.path), other);
    }
    let Some(ports) = common_ports(&new.source.ports, &earlier.source.ports) else {
        return;
    };
    for server in &new.servers {
        if let Some(other) = earlier.servers.iter().find(|other| server.meets(other)) {
            let what = format!(
                "{server} and {other} of {}.servers meet at {ports}: give each source other ports, or other servers",
                earlier.path
            );
            document.clash(new.servers_at, format!("{}.servers", new.path), what);
        }
    }
}

/// `None`: there is none; no ports stand for all above 1023.
fn common_ports(new: &[u16], earlier: &[u16]) -> Option<String> {
    const ALL: &str = "every port above 1023";
    let first = |ports: &[u16], takes: &dyn Fn(u16) -> bool| {
        let found = ports.iter().find(|port| takes(**port));
        found.map(|port| format!("port {port}"))
    };
    match (new, earlier) {
        ([], []) => Some(ALL.to_owned()),
        ([], ports) | (ports, []) => first(ports, &|port| port > 1_023),
        (new, earlier) => first(new, &|port| earlier.contains(&port)),
    }
}

impl Server {
    fn network(&self) -> Option<IpNet> {
        match self {
            Self::Network(network) => Some(*network),
            Self::Named(..) => None,
        }
    }

    fn pattern(&self) -> Option<NamePattern> {
        match self {
            Self::Network(_) => None,
            Self::Named(pattern, _) => Some(pattern.clone()),
        }
    }

    /// Whether something is meant by both.
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Network(one), Self::Network(other)) => {
                one.contains(&other.network()) || other.contains(&one.network())
            }
            (Self::Named(one, text), Self::Named(other, other_text)) => {
                one == other || one.matches(other_text) || other.matches(text)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;

    fn messages(text: &str) -> Vec<String> {
        let errors = Config::parse(text, Path::new("c")).unwrap_err();
        errors.to_string().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_kind_brings_its_ports_and_its_product() {
        let text = "[[internal_sources]]\nname = \"wsus\"\nkind = \"wsus\"\nservers = [\"192.0.2.8\", \"WSUS*.example.org\"]\n\
                    [[internal_sources]]\nname = \"av\"\nkind = \"antivirus-relay\"\nservers = [\"192.0.2.8\"]\nports = [2222]\n\
                    vendor = \"eset\"\nproduct = \"endpoint\"\n";
        let sources = Config::parse(text, Path::new("c"))
            .unwrap()
            .internal_sources;
        assert_eq!(sources[0].ports, [8530, 8531]);
        assert_eq!(sources[0].product.1, "windows-update");
        assert!(sources[0].networks.contains("192.0.2.8".parse().unwrap()));
        assert!(sources[0].patterns[0].matches("wsus1.example.org"));
        assert_eq!(
            sources[1].product,
            ("eset".to_owned(), "endpoint".to_owned())
        );
    }

    #[test]
    fn every_error_is_told_with_its_place_and_remedy() {
        let said = messages(
            "[[internal_sources]]\nname = \"Mirror\"\nkind = \"mirror\"\nservers = []\nvendor = \"x\"\n\
             [[internal_sources]]\nname = \"av\"\nkind = \"antivirus-relay\"\nservers = [\"192.0.2.300\"]\n\
             [[internal_sources]]\nname = \"squid\"\nkind = \"proxy\"\nservers = [\"192.0.2.9\"]\nports = [0]\nvendor = \"x\"\n\
             [[internal_sources]]\nkind = \"wsus\"\nports = []\nvendor = \"microsoft\"\n",
        );
        let starts = [
            "c:2:8: internal_sources[0].name = \"Mirror\": accepted is 1 to 64 of",
            "c:3:8: internal_sources[0].kind = \"mirror\": accepted is \"wsus\", \"connected-cache\"",
            "c:4:11: internal_sources[0].servers = []: accepted is a list of at least one server",
            "c:6:1: internal_sources[1].ports: is missing: every maker has others",
            "c:6:1: internal_sources[1].vendor: is missing: say vendor and product",
            "c:6:1: internal_sources[1].product: is missing: say vendor and product",
            "c:9:12: internal_sources[1].servers[0] = \"192.0.2.300\": accepted is an address",
            "c:14:10: internal_sources[2].ports[0] = 0: accepted is a port",
            "c:15:10: internal_sources[2].vendor: is a setting of sources that serve one product",
            "c:16:1: internal_sources[3].name: is missing",
            "c:16:1: internal_sources[3].servers: is missing: a list",
            "c:16:1: internal_sources[3].product: is missing: say vendor and product",
            "c:18:9: internal_sources[3].ports = []: accepted is a list of at least one port",
        ];
        assert_eq!(said.len(), starts.len(), "{said:#?}");
        for (said, start) in said.iter().zip(starts) {
            assert!(said.starts_with(start), "{said}\n{start}");
        }
    }

    #[test]
    fn two_sources_that_cannot_be_told_apart_are_told() {
        let source = |name: &str, kind: &str, servers: &str, more: &str| {
            format!(
                "[[internal_sources]]\nname = \"{name}\"\nkind = \"{kind}\"\nservers = [{servers}]\n{more}\n"
            )
        };
        let text = [
            source(
                "a",
                "apt-mirror",
                "\"192.0.2.0/24\", \"*.mirror.example.org\"",
                "",
            ),
            source("a", "apt-cache", "\"192.0.2.8\"", ""),
            source("b", "connected-cache", "\"192.0.2.8\"", ""),
            source(
                "c",
                "apt-mirror",
                "\"deb.mirror.example.org\"",
                "ports = [443]",
            ),
            source("d", "apple-cache", "\"192.0.2.8\"", ""),
        ];
        let meet = |what: &str| format!("{what}: give each source other ports, or other servers");
        let expected = [
            "c:7:8: internal_sources[1].name: has the value of internal_sources[0].name; each needs its own".to_owned(),
            meet("c:14:11: internal_sources[2].servers: 192.0.2.8/32 and 192.0.2.0/24 of internal_sources[0].servers meet at port 80"),
            meet("c:19:11: internal_sources[3].servers: deb.mirror.example.org and *.mirror.example.org of internal_sources[0].servers meet at port 443"),
            meet("c:24:11: internal_sources[4].servers: 192.0.2.8/32 and 192.0.2.8/32 of internal_sources[1].servers meet at port 3142"),
        ];
        assert_eq!(messages(&text.concat()), expected);
    }

    #[test]
    fn more_than_the_ceiling_is_refused() {
        let one = |number: u32| {
            format!(
                "[[internal_sources]]\nname = \"s{number}\"\nkind = \"wsus\"\nservers = [\"192.0.2.{number}\"]\n"
            )
        };
        let tables: String = (0..129).map(one).collect();
        assert!(messages(&tables)[0].contains("accepted is at most 128 tables"));
    }
}
