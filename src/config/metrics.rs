//! `[metrics]` and `[health]`: where the sensor tells of itself, and from when on that is bad news.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::document::{Document, Section};
use super::forms::{duration, listen, percent};

/// Where metrics and health can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A Unix socket.
    Unix(PathBuf),
    /// A loopback address.
    Tcp(SocketAddr),
}

/// `[health]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthConfig {
    /// No packet for longer is bad; zero: never.
    pub silent_after: Duration,
    /// A larger part of the frames dropped on this machine is bad, in parts of a million.
    pub loss_ppm: u32,
    /// A larger part of the acknowledged bytes never seen is bad, in parts of a million.
    pub mirror_loss_ppm: u32,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            silent_after: Duration::from_secs(60),
            loss_ppm: 10_000,
            mirror_loss_ppm: 10_000,
        }
    }
}

pub(super) fn metrics<'i>(
    document: &mut Document<'i>,
    root: &mut Section<'i>,
    address: &mut Option<Listen>,
) {
    let mut section = document.section(root, "metrics");
    document.set(&mut section, "listen", &listen(), address);
    document.end(section);
}

pub(super) fn health<'i>(document: &mut Document<'i>, root: &mut Section<'i>) -> HealthConfig {
    let mut section = document.section(root, "health");
    let mut health = HealthConfig::default();
    document.set(
        &mut section,
        "silent_after",
        &duration(Duration::ZERO..=Duration::from_secs(86_400)),
        &mut health.silent_after,
    );
    for (key, setting) in [
        ("loss_percent", &mut health.loss_ppm),
        ("mirror_loss_percent", &mut health.mirror_loss_ppm),
    ] {
        document.set(&mut section, key, &percent(), setting);
    }
    document.end(section);
    health
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Config, ConfigErrors};
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigErrors> {
        Config::parse(text, Path::new("c"))
    }

    #[test]
    fn an_address_is_a_unix_socket_or_a_loopback_port() {
        let listen = |address: &str| parse(&format!("metrics.listen = \"{address}\"\n"));
        let unix = listen("unix:/run/patchspan/metrics.sock").unwrap();
        let path = PathBuf::from("/run/patchspan/metrics.sock");
        assert_eq!(unix.metrics, Some(Listen::Unix(path)));
        for address in ["127.0.0.1:9477", "[::1]:9477"] {
            let tcp = listen(address).unwrap().metrics;
            assert_eq!(tcp, Some(Listen::Tcp(address.parse().unwrap())));
        }
        let long = format!("unix:/{}", "a".repeat(107));
        for address in [
            "0.0.0.0:9477",
            "[::]:1",
            "127.0.0.1:0",
            "unix:",
            &long,
            "localhost:9",
        ] {
            let errors = listen(address).unwrap_err().to_string();
            assert!(errors.contains("loopback"), "{errors}");
        }
        assert_eq!(parse("").unwrap().metrics, None);
    }

    #[test]
    fn limits_of_health_are_percents_and_a_time() {
        let text =
            "[health]\nsilent_after = \"0s\"\nloss_percent = 5\nmirror_loss_percent = 0.25\n";
        let expected = HealthConfig {
            silent_after: Duration::ZERO,
            loss_ppm: 50_000,
            mirror_loss_ppm: 2_500,
        };
        assert_eq!(parse(text).unwrap().health, expected);
        for value in ["0", "0.0", "100.5", "-1", "\"1%\"", "nan"] {
            assert!(
                parse(&format!("health.loss_percent = {value}")).is_err(),
                "{value}"
            );
        }
    }
}
