//! What an engine needs to know, and the file that says it.
//!
//! A [`Config`] can only exist correct: [`Config::parse`] gives one, or every error of the file with its line, column and key, and
//! what is accepted there.
//!
//! * [`errors`]: what is wrong with a configuration, and where
//! * [`document`]: a TOML file, walked key by key, with the places of its values
//! * [`forms`]: what a value may look like: durations, sizes, prefixes, names
//! * [`memory`]: how the one setting `memory` is shared out
//! * `options`: what each stage goes by, out of the settings
//! * [`outputs`]: where records go
//! * [`pseudonyms`]: whether clients get pseudonyms, and the file of the key
//! * `sources`: own caches and mirrors
//! * [`coverage`]: from where on what is hidden of a client counts
//! * [`metrics`]: where the sensor tells of itself, and from when on that is bad news
//! * [`report`]: when a report calls a host overdue
//! * `reload`: what can change while a sensor runs
//! * [`hosts`]: the list of hosts, a CSV file
//! * [`job`]: what a replay is asked to do

pub mod coverage;
mod document;
mod errors;
mod forms;
pub mod hosts;
pub mod job;
pub mod memory;
pub mod metrics;
mod options;
pub mod outputs;
pub mod pseudonyms;
mod reload;
pub mod report;
mod sections;
mod sources;

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use errors::{ConfigError, ConfigErrors, Problem, nearest};

use crate::types::{Fqdn, Networks};
use crate::updates::catalogue::sources::InternalSource;
use coverage::CoverageConfig;
use document::Document;
use metrics::{HealthConfig, Listen};
use outputs::OutputConfig;
use pseudonyms::PseudonymsConfig;
use report::ReportConfig;

/// No longer file is read.
pub const MAX_FILE: u64 = 1 << 20;

/// Everything that a file can set. See `sensor.toml.example` for what each setting means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Bytes that rings, tables, queues and buffers may take together.
    pub memory: u64,
    /// Clients that update records are made for; empty: all.
    pub local: Networks,
    /// `[capture]`.
    pub capture: CaptureConfig,
    /// `[dns]`.
    pub dns: DnsConfig,
    /// `[flows]`.
    pub flows: FlowsConfig,
    /// `[names]`.
    pub names: NamesConfig,
    /// `[records]`.
    pub records: RecordsConfig,
    /// `[updates]`.
    pub updates: UpdatesConfig,
    /// `[coverage]`: from where on what is hidden of a client counts.
    pub coverage: CoverageConfig,
    /// `[[internal_sources]]`: own caches and mirrors.
    pub internal_sources: Vec<InternalSource>,
    /// `[catalogue]`: a directory whose files add to the catalogue in the program and override it.
    pub catalogue: Option<PathBuf>,
    /// `[ech]`: names that an outer ClientHello shows.
    pub ech_public_names: Vec<Fqdn>,
    /// `[stats]`: time between two records of counters, in a live run.
    pub stats_interval: Duration,
    /// `[metrics]`: where metrics and health can be asked for.
    pub metrics: Option<Listen>,
    /// `[health]`: from when on a live run is not well.
    pub health: HealthConfig,
    /// `[state]`: what a live run keeps over a restart.
    pub state: StateConfig,
    /// `[sandbox]`: what a live run gives up before it listens.
    pub sandbox: SandboxConfig,
    /// `[pseudonyms]`: what stands for clients; `None`: they themselves.
    pub pseudonyms: Option<PseudonymsConfig>,
    /// `[report]`: when `patchspan report` calls a host overdue.
    pub report: ReportConfig,
    /// `[[output]]`: where records go; at least one.
    pub outputs: Vec<OutputConfig>,
}

/// Which frames are read in a live run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureConfig {
    /// Interfaces, by their names.
    pub interfaces: Vec<String>,
    /// Threads that take packets apart.
    pub workers: NonZeroUsize,
    /// Cores that they are bound to, each to the one at its place; empty: to none.
    pub cores: Vec<u16>,
    /// Most bytes of a frame that are captured.
    pub snap_length: u32,
    /// Frames to any address, not only to the interface's own.
    pub promiscuous: bool,
    /// Frames that are read: a filter in pcap-filter(7)'s language.
    pub filter: Option<String>,
}

/// Which messages are DNS, and which are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsConfig {
    /// Ports, over UDP and TCP.
    pub ports: Vec<u16>,
    /// Resolvers whose answers are believed without their query.
    pub resolvers: Vec<IpAddr>,
}

/// When a flow ends, and what makes a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowsConfig {
    /// TCP with a whole handshake, without a packet for so long.
    pub tcp_established: Duration,
    /// TCP without one.
    pub tcp_incomplete: Duration,
    /// TCP after FIN both ways, or RST.
    pub tcp_closed: Duration,
    /// UDP one way.
    pub udp_oneway: Duration,
    /// UDP both ways.
    pub udp: Duration,
    /// DNS over UDP of which every query was answered.
    pub dns: Duration,
    /// ICMP.
    pub icmp: Duration,
    /// Every other protocol.
    pub other: Duration,
    /// The outermost VLAN tag tells flows apart.
    pub key_vlan: bool,
    /// Ports above 1023 that servers listen on.
    pub service_ports: Vec<u16>,
}

/// What is kept of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamesConfig {
    /// How long an answer names flows, whatever its time to live.
    pub retention: Duration,
}

/// The form of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordsConfig {
    /// Name of this sensor.
    pub host: Option<String>,
    /// Write `community_id`.
    pub community_id: bool,
    /// IPv6 in EVE's long form.
    pub ipv6_long: bool,
    /// Leave out what EVE does not know.
    pub eve_strict: bool,
    /// Leave the query out of URLs; `None`: a live run does, a replay does not.
    pub drop_query: Option<bool>,
}

/// What makes an access, and a download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdatesConfig {
    /// A burst of so many payload bytes from a download endpoint is a download.
    pub download_bytes: u64,
    /// A pause that ends a burst.
    pub burst_pause: Duration,
    /// A pause that ends an access.
    pub idle: Duration,
    /// How long after the last answer a contact still belongs to a question.
    pub resolved_window: Duration,
    /// Nothing back for so long: unanswered.
    pub unanswered_after: Duration,
    /// Longest access.
    pub longest: Duration,
}

/// What a live run keeps for the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateConfig {
    /// Where; `None`: nothing is kept.
    pub directory: Option<PathBuf>,
    /// Time between two times of writing.
    pub interval: Duration,
}

/// What a live run may still do once it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxConfig {
    /// Files, sockets and system calls are limited to those that the configuration needs.
    pub enabled: bool,
    /// A machine that cannot do all of that is an error.
    pub required: bool,
    /// The user that root becomes; `None`: `patchspan`, else `nobody`.
    pub user: Option<String>,
}

impl Config {
    /// Reads `text`; `path` stands in the messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigErrors> {
        let mut document = Document::new(text);
        let config = sections::read(&mut document);
        let errors = document.into_errors();
        if errors.is_empty() {
            return Ok(config);
        }
        Err(ConfigErrors {
            path: path.to_owned(),
            errors,
        })
    }

    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        match read_text(path, MAX_FILE) {
            Ok(text) => Self::parse(&text, path),
            Err(error) => Err(ConfigErrors::unreadable(path, &error)),
        }
    }
}

/// The text of a file of at most `limit` bytes.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    read_open(File::open(path)?, limit)
}

/// The text of a file, and its permissions: of the very file that was read.
fn read_secret(path: &Path, limit: u64) -> io::Result<(String, u32)> {
    let file = File::open(path)?;
    let mode = file.metadata()?.mode() & 0o7777;
    Ok((read_open(file, limit)?, mode))
}

fn read_open(file: File, limit: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    let read = file.take(limit + 1).read_to_end(&mut bytes)?;
    if read as u64 > limit {
        return Err(io::Error::other(format!("is longer than {limit} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let right = error.utf8_error().valid_up_to();
        let lines = error.as_bytes().iter().take(right);
        let line = 1 + lines.filter(|byte| **byte == b'\n').count();
        io::Error::other(format!(
            "line {line} is no UTF-8: save the file in that encoding"
        ))
    })
}

impl Default for Config {
    fn default() -> Self {
        Self {
            memory: memory::DEFAULT,
            local: Networks::default(),
            capture: CaptureConfig::default(),
            dns: DnsConfig::default(),
            flows: FlowsConfig::default(),
            names: NamesConfig::default(),
            records: RecordsConfig::default(),
            updates: UpdatesConfig::default(),
            coverage: CoverageConfig::default(),
            internal_sources: Vec::new(),
            catalogue: None,
            ech_public_names: Fqdn::from_presentation("cloudflare-ech.com")
                .into_iter()
                .collect(),
            stats_interval: Duration::from_secs(60),
            metrics: None,
            health: HealthConfig::default(),
            state: StateConfig::default(),
            sandbox: SandboxConfig::default(),
            pseudonyms: None,
            report: ReportConfig::default(),
            outputs: vec![OutputConfig::default()],
        }
    }
}

impl Default for CaptureConfig {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            workers: NonZeroUsize::MIN,
            cores: Vec::new(),
            snap_length: 65_535 + 256,
            promiscuous: true,
            filter: None,
        }
    }
}

impl Default for DnsConfig {
    fn default() -> Self {
        Self {
            ports: vec![53],
            resolvers: Vec::new(),
        }
    }
}

impl Default for FlowsConfig {
    fn default() -> Self {
        Self {
            tcp_established: Duration::from_secs(3_600),
            tcp_incomplete: Duration::from_secs(60),
            tcp_closed: Duration::from_secs(10),
            udp_oneway: Duration::from_secs(30),
            udp: Duration::from_secs(300),
            dns: Duration::from_secs(30),
            icmp: Duration::from_secs(30),
            other: Duration::from_secs(120),
            key_vlan: false,
            service_ports: vec![3128, 8000, 8080, 8443, 8530, 8531],
        }
    }
}

impl Default for NamesConfig {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(7_200),
        }
    }
}

impl Default for RecordsConfig {
    fn default() -> Self {
        Self {
            host: None,
            community_id: true,
            ipv6_long: false,
            eve_strict: false,
            drop_query: None,
        }
    }
}

impl Default for UpdatesConfig {
    fn default() -> Self {
        Self {
            download_bytes: 256 << 10,
            burst_pause: Duration::from_secs(5),
            idle: Duration::from_secs(60),
            resolved_window: Duration::from_secs(300),
            unanswered_after: Duration::from_secs(60),
            longest: Duration::from_secs(86_400),
        }
    }
}

impl Default for StateConfig {
    fn default() -> Self {
        Self {
            directory: None,
            interval: Duration::from_secs(60),
        }
    }
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            required: false,
            user: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../sensor.toml.example");

    fn parse(text: &str) -> Result<Config, ConfigErrors> {
        Config::parse(text, Path::new("sensor.toml"))
    }

    fn messages(text: &str) -> Vec<String> {
        let errors = parse(text).unwrap_err().to_string();
        errors.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_example_equals_the_defaults() {
        assert_eq!(parse(EXAMPLE), Ok(Config::default()));
        assert_eq!(parse(""), Ok(Config::default()));
    }

    /// The example with the settings that have no default.
    fn whole_example() -> String {
        let line = |line: &str| {
            let is_setting = line.starts_with('#') && !line.starts_with("# ") && line.len() > 1;
            let shown = if is_setting { &line[1..] } else { line };
            format!("{shown}\n")
        };
        EXAMPLE.lines().map(line).collect()
    }

    #[test]
    fn every_setting_stands_in_the_example_and_no_other() {
        let example = whole_example();
        let config = parse(&example).unwrap();
        assert_eq!(config.records.host.as_deref(), Some("sensor-1"));
        let mut document = Document::new(&example);
        sections::read(&mut document);
        let root: toml::Table = example.parse().unwrap();
        for key in document.asked() {
            let path: Vec<&str> = key.split('.').collect();
            assert!(stands(&root, &path), "{key} is not in the example");
        }
    }

    /// Whether a setting is there, in some table of each list.
    fn stands(table: &toml::Table, path: &[&str]) -> bool {
        let Some((first, rest)) = path.split_first() else {
            return true;
        };
        let name = first.split('[').next().unwrap();
        match table.get(name) {
            None => false,
            Some(toml::Value::Table(inner)) => stands(inner, rest),
            Some(toml::Value::Array(all)) if !rest.is_empty() => {
                let mut tables = all.iter().filter_map(toml::Value::as_table);
                tables.any(|inner| stands(inner, rest))
            }
            Some(_) => true,
        }
    }

    #[test]
    fn every_line_of_the_example_that_sets_something_has_a_comment_above() {
        let lines: Vec<&str> = EXAMPLE.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if line.contains(" = ") && !line.starts_with("# ") {
                assert!(lines[at - 1].starts_with("# "), "{line}");
            }
        }
    }

    #[test]
    fn what_is_set_is_taken() {
        let config = parse(
            r#"
            memory = "2GiB"
            capture = { interfaces = ["eth1", "eth2"], workers = 2, filter = "not port 22" }
            stats.interval = "10s"
            networks.local = ["192.0.2.0/24"]
            dns = { ports = [53, 5300], resolvers = ["192.0.2.53"] }
            http.query = "drop"
            sandbox = { required = true, user = "sensor" }
            [flows]
            udp = "1min"
            key_vlan = true
            [[internal_sources]]
            name = "wsus"
            kind = "wsus"
            servers = ["198.51.100.0/24", "WSUS.example.org"]
            "#,
        )
        .unwrap();
        assert_eq!(config.memory, 2 << 30);
        assert_eq!(config.capture.interfaces, ["eth1", "eth2"]);
        assert_eq!(config.capture.filter.as_deref(), Some("not port 22"));
        assert_eq!(config.live_options().workers, 2);
        assert_eq!(config.stats_interval, Duration::from_secs(10));
        assert!(config.local.contains("192.0.2.1".parse().unwrap()));
        assert_eq!(config.dns.ports, [53, 5300]);
        assert!(config.records.drop_query == Some(true) && config.flows.key_vlan);
        assert_eq!(config.flows.udp, Duration::from_secs(60));
        assert!(config.sandbox.enabled && config.sandbox.required);
        assert_eq!(config.sandbox.user.as_deref(), Some("sensor"));
        assert_eq!(config.internal_sources[0].name, "wsus");
    }

    #[test]
    fn every_error_is_told_with_its_place_and_what_is_accepted() {
        let text = "memory = \"1\"\n[flow]\n[flows]\ntcp_close = \"1s\"\n  udp = \"10 parsecs\"\nicmp = 30\n\
                    [networks]\nlocal = [\"192.0.2.0/24\", \"192.0.2.0/40\",\n 7]\n[dns]\nports = 53\n";
        let time = "accepted is a time with its unit (\"500ms\", \"60s\", \"5min\", \"2h\"), from 1s to 24h";
        let network = "accepted is an address or a prefix (\"192.0.2.0/24\", \"2001:db8::/32\")";
        let expected = [
            "sensor.toml:1:10: memory = \"1\": accepted is a size with its unit (\"256KiB\", \"512MiB\", \"1GiB\"), from 64MiB to 1TiB".to_owned(),
            "sensor.toml:2:2: flow: there is no such table; did you mean flows?".to_owned(),
            "sensor.toml:4:1: flows.tcp_close: there is no such setting; did you mean flows.tcp_closed?".to_owned(),
            format!("sensor.toml:5:9: flows.udp = \"10 parsecs\": {time}"),
            format!("sensor.toml:6:8: flows.icmp = 30: {time}"),
            format!("sensor.toml:8:26: networks.local[1] = \"192.0.2.0/40\": {network}"),
            format!("sensor.toml:9:2: networks.local[2] = 7: {network}"),
            "sensor.toml:11:9: dns.ports = 53: accepted is a list of at most 256 values, each a port, 1 to 65535".to_owned(),
        ];
        assert_eq!(messages(text), expected);
    }

    #[test]
    fn a_table_that_is_none_is_told() {
        assert_eq!(
            messages("flows = 3"),
            ["sensor.toml:1:9: flows = 3: accepted is a table: [flows]"]
        );
    }

    #[test]
    fn syntax_errors_are_all_told_and_cause_no_others() {
        let said = messages(
            "memory = \n[flows\ntcp_closed = \"10s\"\n[dns]\nports = [70000]\nports = [53]\n",
        );
        assert!(said.len() >= 3, "{said:#?}");
        assert!(
            said.iter().any(|line| line.starts_with("sensor.toml:1:")),
            "{said:#?}"
        );
        assert!(
            !said.iter().any(|line| line.contains("no such")),
            "{said:#?}"
        );
    }

    #[test]
    fn a_file_that_is_missing_or_huge_or_no_text_is_told() {
        let error = Config::load(Path::new("/nonexistent/sensor.toml")).unwrap_err();
        assert!(error.to_string().contains("cannot be read: No such file"));
        let latin = std::env::temp_dir().join(format!("patchspan-latin-{}", std::process::id()));
        std::fs::write(&latin, b"# a\n# \xe9t\xe9\n").unwrap();
        let error = Config::load(&latin).unwrap_err().to_string();
        std::fs::remove_file(&latin).unwrap();
        assert!(
            error.ends_with("line 2 is no UTF-8: save the file in that encoding"),
            "{error}"
        );
        let error = read_text(Path::new("/dev/zero"), 100).unwrap_err();
        assert!(error.to_string().contains("longer than 100 bytes"));
    }

    #[test]
    fn no_prefix_and_no_changed_byte_of_the_example_is_a_crash() {
        let example = whole_example();
        for length in (0..example.len()).filter(|at| example.is_char_boundary(*at)) {
            let _ = parse(&example[..length]);
        }
        for at in 0..example.len() {
            let other = example.as_bytes()[at] ^ 1;
            for byte in [b'"', b'[', b'\n', 0x00, other] {
                let mut changed = example.clone().into_bytes();
                changed[at] = byte;
                let _ = parse(&String::from_utf8(changed).unwrap());
            }
        }
    }
}
