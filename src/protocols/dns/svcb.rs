//! HTTPS and SVCB records (RFC 9460) and the ECH configurations in them (RFC 9849).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::name::Name;
use super::record::integer16;

/// Service parameter keys (RFC 9460 section 14.3.2, RFC 9848).
const ALPN: u16 = 1;
/// IPv4 addresses of the target.
pub const IPV4_HINT: u16 = 4;
const ECH: u16 = 5;
/// IPv6 addresses of the target.
pub const IPV6_HINT: u16 = 6;
/// Version of the one ECH configuration format.
const ECH_VERSION: u16 = 0xfe0d;
/// Configurations of a list that are looked at.
const MAX_ECH_CONFIGS: usize = 8;

/// An HTTPS or SVCB record.
#[derive(Clone, Copy, Debug)]
pub struct ServiceBinding<'a> {
    /// 0 is an alias.
    pub priority: u16,
    /// Target; the root stands for the owner.
    pub target: Name<'a>,
    parameters: &'a [u8],
}

/// An ECH configuration, as far as an observer can use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchConfig<'a> {
    /// Its id, which a ClientHello repeats in clear.
    pub config_id: u8,
    /// The name that the outer ClientHello shows.
    pub public_name: &'a [u8],
}

impl<'a> ServiceBinding<'a> {
    pub(super) const fn new(priority: u16, target: Name<'a>, parameters: &'a [u8]) -> Self {
        Self {
            priority,
            target,
            parameters,
        }
    }

    /// Protocols offered.
    pub fn alpn(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.parameter(ALPN).unwrap_or_default();
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first()?;
            let (protocol, after) = after.split_at_checked(usize::from(*length))?;
            rest = after;
            Some(protocol)
        })
    }

    /// IPv4 hints: addresses of the target.
    pub fn ipv4_hints(&self) -> impl Iterator<Item = Ipv4Addr> + use<'a> {
        let hints = self.parameter(IPV4_HINT).unwrap_or_default();
        hints
            .as_chunks::<4>()
            .0
            .iter()
            .map(|octets| Ipv4Addr::from(*octets))
    }

    /// IPv6 hints: addresses of the target.
    pub fn ipv6_hints(&self) -> impl Iterator<Item = Ipv6Addr> + use<'a> {
        let hints = self.parameter(IPV6_HINT).unwrap_or_default();
        hints
            .as_chunks::<16>()
            .0
            .iter()
            .map(|octets| Ipv6Addr::from(*octets))
    }

    /// The ECH configuration list.
    pub fn ech(&self) -> Option<&'a [u8]> {
        self.parameter(ECH)
    }

    /// Every parameter, key and value, up to the first that is cut.
    pub fn parameters(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        let mut rest = self.parameters;
        std::iter::from_fn(move || {
            let (key, length) = (integer16(rest, 0)?, integer16(rest, 2)?);
            let (value, after) = rest.get(4..)?.split_at_checked(usize::from(length))?;
            rest = after;
            Some((key, value))
        })
    }

    fn parameter(&self, key: u16) -> Option<&'a [u8]> {
        let found = self.parameters().find(|(found, _)| *found == key);
        found.map(|(_, value)| value)
    }
}

/// The configurations of a list (RFC 9849 section 4): version, length, then id, KEM, public key, suites, longest name, public name.
pub fn ech_configs(list: &[u8]) -> impl Iterator<Item = EchConfig<'_>> {
    let whole = integer16(list, 0).and_then(|length| list.get(2..2 + usize::from(length)));
    let mut rest = whole.unwrap_or_default();
    let configs = std::iter::from_fn(move || {
        let (version, length) = (integer16(rest, 0)?, integer16(rest, 2)?);
        let (contents, after) = rest.get(4..)?.split_at_checked(usize::from(length))?;
        rest = after;
        Some(if version == ECH_VERSION {
            ech_config(contents)
        } else {
            None
        })
    });
    configs.take(MAX_ECH_CONFIGS).flatten()
}

fn ech_config(contents: &[u8]) -> Option<EchConfig<'_>> {
    let config_id = *contents.first()?;
    let key_length = usize::from(integer16(contents, 3)?);
    let suites = contents.get(5 + key_length..)?;
    let rest = suites.get(2 + usize::from(integer16(suites, 0)?)..)?;
    let length = usize::from(*rest.get(1)?);
    Some(EchConfig {
        config_id,
        public_name: rest.get(2..2 + length)?,
    })
}
