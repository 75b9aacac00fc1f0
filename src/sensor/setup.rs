//! What a replay and a live run have in common before the first packet.

use std::path::PathBuf;
use std::sync::Arc;

use super::cores::CoreError;
use super::memory::MemoryError;
use super::metrics::MetricsError;
use super::outputs::OutputError;
use super::presence::PresenceSettings;
use super::sandbox::SandboxError;
use super::worker::Settings;
use crate::config::Config;
use crate::config::hosts::HostList;
use crate::config::pseudonyms::{KeyError, PseudonymsConfig};
use crate::pseudonyms::Pseudonyms;
use crate::records::{Kind, Kinds, Style};
use crate::sinks::SinkError;
use crate::source::live::LiveError;
use crate::updates::Catalogue;
use crate::updates::catalogue::CatalogueError;
use crate::updates::catalogue::file::read_directory;
use crate::updates::hosts::Listed;

/// What keeps a run from beginning.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The catalogue's directory cannot be read.
    #[error("catalogue.directory: {}: cannot be read: {error}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The catalogue is wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Catalogue(Vec<CatalogueError>),
    /// There is no key for pseudonyms, or it does not suit.
    #[error(transparent)]
    Key(KeyError),
    /// The output is one of the inputs, which it would empty.
    #[error("{}: is an input and cannot be the output; nothing was written", .0.display())]
    OutputIsInput(PathBuf),
    /// The output cannot be created.
    #[error(transparent)]
    Output(SinkError),
    /// Rights cannot be given up, or outputs could not be written without them.
    #[error(transparent)]
    Sandbox(SandboxError),
    /// Workers cannot be bound to the cores that the configuration names.
    #[error(transparent)]
    Cores(#[from] CoreError),
    /// This machine has not the memory that the configuration asks for.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// No capture can begin.
    #[error(transparent)]
    Capture(LiveError),
    /// An output of a live run cannot be opened.
    #[error(transparent)]
    Outputs(OutputError),
    /// Nobody could ask for metrics.
    #[error(transparent)]
    Metrics(MetricsError),
    /// The state directory cannot be used.
    #[error("state.directory: {}: {error}{remedy}", path.display())]
    State {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
        /// What to do about it, where that is known.
        remedy: &'static str,
    },
    /// The system has no thread or signal handler left.
    #[error("the sensor cannot be started: {0}")]
    Thread(std::io::Error),
}

/// In a replay the gate keeps workers together: see [`super::gate`].
const REPLAY_SETTLING_TICKS: i64 = 2;
/// Live, frames wait in the kernel's ring for up to a tick, and a worker may be behind.
const LIVE_SETTLING_TICKS: i64 = 6;
/// QUIC datagrams that a worker opens in a tick: ten thousand a second are more than ten times what a link of 10 Gbit/s brings, and take
/// a fifteenth of a core.
const LIVE_QUIC_A_TICK: u32 = 1_000;

/// Where frames come from, by the names that records tell.
#[derive(Clone, Debug)]
pub(super) enum Origins {
    /// Capture files.
    Files(Vec<String>),
    /// Interfaces.
    Interfaces(Vec<String>),
}

/// The catalogue that a configuration names, else the one in the program; with its own sources.
pub fn catalogue(config: &Config) -> Result<Catalogue, SetupError> {
    let catalogue = match &config.catalogue {
        None => Catalogue::embedded(),
        Some(path) => {
            let files = read_directory(path).map_err(|error| SetupError::Directory {
                path: path.clone(),
                error,
            })?;
            Catalogue::with_local(&files)
        }
    };
    let catalogue = catalogue.map_err(SetupError::Catalogue)?;
    Ok(catalogue.with_sources(&config.internal_sources))
}

/// What makes pseudonyms, where the configuration wants them: its key is read here.
pub fn pseudonyms(config: &Config) -> Result<Option<Arc<Pseudonyms>>, SetupError> {
    let pseudonyms = config.pseudonyms.as_ref().map(PseudonymsConfig::load);
    pseudonyms.transpose().map_err(SetupError::Key)
}

/// The settings and the list of a sensor that sees pseudonyms only, where there are any.
pub(super) fn under(
    pseudonyms: Option<&Pseudonyms>,
    config: &Config,
    hosts: &HostList,
) -> (Config, HostList) {
    match pseudonyms {
        Some(pseudonyms) => (config.under(pseudonyms), hosts.under(pseudonyms)),
        None => (config.clone(), hosts.clone()),
    }
}

/// What the list of hosts says of addresses and MAC addresses. What people call a host is told where its id is.
pub(super) fn listed(config: &Config, hosts: &HostList) -> Vec<Listed> {
    let mut listed = hosts.pairs();
    if !config.tells_client_ids() {
        listed.iter_mut().for_each(|row| row.label.clear());
    }
    listed
}

/// The form of records.
pub(super) fn style(config: &Config, origins: Origins) -> Style {
    let live = matches!(origins, Origins::Interfaces(_));
    let (Origins::Files(origins) | Origins::Interfaces(origins)) = origins;
    Style {
        eve_strict: config.records.eve_strict,
        ipv6_long: config.records.ipv6_long,
        community_id: config.records.community_id,
        // A live run keeps less than a replay of what somebody captured on purpose.
        drop_query: config.records.drop_query.unwrap_or(live),
        host: config.records.host.clone(),
        origins,
        live,
    }
}

/// What all of `workers` workers know. `seed`: of their tables; fixed in a replay, random live. `config` is [`under`] the pseudonyms.
pub(super) fn settings(
    config: &Config,
    workers: usize,
    kinds: Kinds,
    style: Style,
    seed: u64,
    pseudonyms: Option<Arc<Pseudonyms>>,
) -> Settings {
    let keeps_state = style.live && config.state.directory.is_some();
    Settings {
        settling_ticks: if style.live {
            LIVE_SETTLING_TICKS
        } else {
            REPLAY_SETTLING_TICKS
        },
        most_quic: if style.live {
            LIVE_QUIC_A_TICK
        } else {
            u32::MAX
        },
        style,
        kinds,
        dns_ports: config.dns.ports.clone(),
        resolvers: config.dns.resolvers.clone(),
        ech_public_names: config.ech_public_names.clone(),
        burst_pause: config.updates.burst_pause,
        unanswered_after: config.updates.unanswered_after,
        download_bytes: config.updates.download_bytes,
        pseudonyms,
        max_buffered: config.max_buffered(workers),
        keeps_state,
        presence: presence(config, kinds),
        flows: config.flow_options(workers, seed),
    }
}

/// Whose presence workers tell, and what hides it.
fn presence(config: &Config, kinds: Kinds) -> PresenceSettings {
    let (local, coverage) = (&config.local, &config.coverage);
    let near = if local.is_empty() {
        &coverage.near
    } else {
        local
    };
    PresenceSettings {
        is_wanted: kinds.has(Kind::Coverage),
        local: local.clone(),
        near: near.clone(),
        known: Arc::new(coverage.known()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_live_run_drops_queries_unless_told_and_a_replay_keeps_them() {
        let drops = |text: &str, origins| {
            let config = Config::parse(text, Path::new("c")).unwrap();
            style(&config, origins).drop_query
        };
        let live = || Origins::Interfaces(Vec::new());
        let replay = || Origins::Files(Vec::new());
        assert!(drops("", live()) && !drops("", replay()));
        let (keep, drop) = ("http.query = \"keep\"", "http.query = \"drop\"");
        assert!(!drops(keep, live()) && !drops(keep, replay()));
        assert!(drops(drop, live()) && drops(drop, replay()));
    }
}
