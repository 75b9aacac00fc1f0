//! Which settings there are: the one place that knows the file's keys, with the range of each; those of outputs are in `outputs`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::document::{Document, Section};
use super::forms::{
    address, choice, core, duration, filter, interface, label, name, network, number, path, port,
    size, word_of_letters, workers, yes_or_no,
};
use super::job::MAX_WORKERS;
use super::memory::Shares;
use super::pseudonyms::PseudonymsConfig;
use super::{
    CaptureConfig, Config, DnsConfig, FlowsConfig, NamesConfig, RecordsConfig, SandboxConfig,
    StateConfig, UpdatesConfig, coverage, metrics, outputs, report, sources,
};
use crate::types::Networks;

/// Most prefixes of a list.
const MAX_NETWORKS: usize = 4_096;
/// Most ports, addresses or names of a list.
const MAX_LIST: usize = 256;
/// Most interfaces.
const MAX_INTERFACES: usize = 16;
const MEMORY: RangeInclusive<u64> = 64 << 20..=1 << 40;
const TIMEOUT: RangeInclusive<Duration> = seconds(1)..=seconds(86_400);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Reads every setting; what is absent or wrong keeps its default.
pub(super) fn read<'i>(document: &mut Document<'i>) -> Config {
    let mut root = document.root();
    let mut config = Config::default();
    document.set(&mut root, "memory", &size(MEMORY), &mut config.memory);
    config.capture = capture(document, &mut root);
    networks(document, &mut root, &mut config);
    config.dns = dns(document, &mut root);
    config.flows = flows(document, &mut root);
    config.names = names(document, &mut root);
    config.records = records(document, &mut root);
    http(document, &mut root, &mut config.records);
    config.updates = updates(document, &mut root);
    config.coverage = coverage::read(document, &mut root);
    config.internal_sources = sources::read(document, &mut root);
    catalogue(document, &mut root, &mut config);
    ech(document, &mut root, &mut config);
    stats(document, &mut root, &mut config);
    metrics::metrics(document, &mut root, &mut config.metrics);
    config.health = metrics::health(document, &mut root);
    config.state = state(document, &mut root);
    config.sandbox = sandbox(document, &mut root);
    config.pseudonyms = pseudonyms(document, &mut root, &config.local);
    config.report = report::read(document, &mut root);
    config.outputs = outputs::read(document, &mut root, Shares::of(config.memory).outputs);
    document.end(root);
    config
}

fn capture<'i>(document: &mut Document<'i>, root: &mut Section<'i>) -> CaptureConfig {
    let mut section = document.section(root, "capture");
    let mut capture = CaptureConfig::default();
    interfaces(document, &mut section, &mut capture.interfaces);
    document.set(
        &mut section,
        "workers",
        &workers(MAX_WORKERS),
        &mut capture.workers,
    );
    let cores = &mut capture.cores;
    document.set_list(&mut section, "cores", MAX_WORKERS, &core(), cores);
    document.set(
        &mut section,
        "snap_length",
        &number(256..=262_144),
        &mut capture.snap_length,
    );
    let promiscuous = &mut capture.promiscuous;
    document.set(&mut section, "promiscuous", &yes_or_no(), promiscuous);
    document.set(&mut section, "filter", &filter(), &mut capture.filter);
    document.end(section);
    capture
}

/// One socket an interface: named twice, every packet would count twice.
fn interfaces<'i>(
    document: &mut Document<'i>,
    section: &mut Section<'i>,
    interfaces: &mut Vec<String>,
) {
    let at = section.place_of("interfaces");
    document.set_list(
        section,
        "interfaces",
        MAX_INTERFACES,
        &interface(),
        interfaces,
    );
    for (index, name) in interfaces.iter().enumerate() {
        let earlier = interfaces.iter().take(index);
        if let Some(other) = earlier.into_iter().position(|earlier| earlier == name) {
            let key = |index| section.path(&format!("interfaces[{index}]"));
            document.repeat(at, key(index), key(other));
        }
    }
}

fn stats<'i>(document: &mut Document<'i>, root: &mut Section<'i>, config: &mut Config) {
    let mut section = document.section(root, "stats");
    let interval = duration(seconds(1)..=seconds(3_600));
    document.set(
        &mut section,
        "interval",
        &interval,
        &mut config.stats_interval,
    );
    document.end(section);
}

fn state<'i>(document: &mut Document<'i>, root: &mut Section<'i>) -> StateConfig {
    let mut section = document.section(root, "state");
    let mut state = StateConfig::default();
    document.set(&mut section, "directory", &path(), &mut state.directory);
    let interval = duration(seconds(1)..=seconds(3_600));
    document.set(&mut section, "interval", &interval, &mut state.interval);
    document.end(section);
    state
}

fn sandbox<'i>(document: &mut Document<'i>, root: &mut Section<'i>) -> SandboxConfig {
    let mut section = document.section(root, "sandbox");
    let mut sandbox = SandboxConfig::default();
    let at = section.place_of("required");
    for (key, setting) in [
        ("enabled", &mut sandbox.enabled),
        ("required", &mut sandbox.required),
    ] {
        document.set(&mut section, key, &yes_or_no(), setting);
    }
    document.set(&mut section, "user", &word_of_letters(), &mut sandbox.user);
    if sandbox.required && !sandbox.enabled {
        let what = "true does not go with sandbox.enabled = false, which leaves out what is required: set one of them the other way";
        document.clash(at, section.path("required"), what.to_owned());
    }
    document.end(section);
    sandbox
}

fn networks<'i>(document: &mut Document<'i>, root: &mut Section<'i>, config: &mut Config) {
    let mut section = document.section(root, "networks");
    let mut local = Vec::new();
    document.set_list(&mut section, "local", MAX_NETWORKS, &network(), &mut local);
    config.local = local.into_iter().collect();
    document.end(section);
}

fn pseudonyms<'i>(
    document: &mut Document<'i>,
    root: &mut Section<'i>,
    local: &Networks,
) -> Option<PseudonymsConfig> {
    let mut section = document.section(root, "pseudonyms");
    let is_on = section.has("key_file");
    let mut pseudonyms = PseudonymsConfig::default();
    let (mut key_file, mut networks) = (None, Vec::new());
    document.set(&mut section, "key_file", &path(), &mut key_file);
    document.set_list(
        &mut section,
        "networks",
        MAX_NETWORKS,
        &network(),
        &mut networks,
    );
    let clients = &mut pseudonyms.clients;
    document.set_list(
        &mut section,
        "domains",
        MAX_LIST,
        &name(),
        &mut clients.domains,
    );
    clients.networks = networks.into_iter().collect();
    document.set(
        &mut section,
        "client_id",
        &yes_or_no(),
        &mut pseudonyms.client_id,
    );
    if !is_on && pseudonyms != PseudonymsConfig::default() {
        document.miss(
            &section,
            "key_file",
            "without a key there are no pseudonyms",
        );
    }
    let clients = &mut pseudonyms.clients.networks;
    if clients.is_empty() {
        clients.clone_from(local);
    }
    if is_on && clients.is_empty() {
        let why = "whose addresses get pseudonyms? networks.local is empty too, and an address in an answer or a name could be anybody's";
        document.miss(&section, "networks", why);
    }
    document.end(section);
    pseudonyms.key_file = key_file?;
    Some(pseudonyms)
}

fn dns<'i>(document: &mut Document<'i>, root: &mut Section<'i>) -> DnsConfig {
    let mut section = document.section(root, "dns");
    let mut dns = DnsConfig::default();
    document.set_list(&mut section, "ports", MAX_LIST, &port(), &mut dns.ports);
    document.set_list(
        &mut section,
        "resolvers",
        MAX_LIST,
        &address(),
        &mut dns.resolvers,
    );
    document.end(section);
    dns
}

fn flows<'i>(document: &mut Document<'i>, root: &mut Section<'i>) -> FlowsConfig {
    let mut section = document.section(root, "flows");
    let mut flows = FlowsConfig::default();
    let timeout = duration(TIMEOUT);
    for (key, setting) in [
        ("tcp_established", &mut flows.tcp_established),
        ("tcp_incomplete", &mut flows.tcp_incomplete),
        ("tcp_closed", &mut flows.tcp_closed),
        ("udp_oneway", &mut flows.udp_oneway),
        ("udp", &mut flows.udp),
        ("dns", &mut flows.dns),
        ("icmp", &mut flows.icmp),
        ("other", &mut flows.other),
    ] {
        document.set(&mut section, key, &timeout, setting);
    }
    document.set(&mut section, "key_vlan", &yes_or_no(), &mut flows.key_vlan);
    document.set_list(
        &mut section,
        "service_ports",
        MAX_LIST,
        &port(),
        &mut flows.service_ports,
    );
    document.end(section);
    flows
}

fn names<'i>(document: &mut Document<'i>, root: &mut Section<'i>) -> NamesConfig {
    let mut section = document.section(root, "names");
    let mut names = NamesConfig::default();
    let retention = duration(seconds(60)..=seconds(86_400));
    document.set(&mut section, "retention", &retention, &mut names.retention);
    document.end(section);
    names
}

fn records<'i>(document: &mut Document<'i>, root: &mut Section<'i>) -> RecordsConfig {
    let mut section = document.section(root, "records");
    let mut records = RecordsConfig::default();
    document.set(&mut section, "host", &label(), &mut records.host);
    for (key, setting) in [
        ("community_id", &mut records.community_id),
        ("ipv6_long", &mut records.ipv6_long),
        ("eve_strict", &mut records.eve_strict),
    ] {
        document.set(&mut section, key, &yes_or_no(), setting);
    }
    document.end(section);
    records
}

fn http<'i>(document: &mut Document<'i>, root: &mut Section<'i>, records: &mut RecordsConfig) {
    let mut section = document.section(root, "http");
    let query = choice(&[("keep", Some(false)), ("drop", Some(true))]);
    document.set(&mut section, "query", &query, &mut records.drop_query);
    document.end(section);
}

fn updates<'i>(document: &mut Document<'i>, root: &mut Section<'i>) -> UpdatesConfig {
    let mut section = document.section(root, "updates");
    let mut updates = UpdatesConfig::default();
    document.set(
        &mut section,
        "download_bytes",
        &size(1..=1 << 40),
        &mut updates.download_bytes,
    );
    let (short, long) = (duration(seconds(1)..=seconds(3_600)), duration(TIMEOUT));
    for (key, form, setting) in [
        ("burst_pause", &short, &mut updates.burst_pause),
        ("idle", &short, &mut updates.idle),
        ("resolved_window", &short, &mut updates.resolved_window),
        ("unanswered_after", &short, &mut updates.unanswered_after),
        ("longest", &long, &mut updates.longest),
    ] {
        document.set(&mut section, key, form, setting);
    }
    document.end(section);
    updates
}

fn catalogue<'i>(document: &mut Document<'i>, root: &mut Section<'i>, config: &mut Config) {
    let mut section = document.section(root, "catalogue");
    document.set(&mut section, "directory", &path(), &mut config.catalogue);
    document.end(section);
}

fn ech<'i>(document: &mut Document<'i>, root: &mut Section<'i>, config: &mut Config) {
    let mut section = document.section(root, "ech");
    let names = &mut config.ech_public_names;
    document.set_list(&mut section, "public_names", MAX_LIST, &name(), names);
    document.end(section);
}
