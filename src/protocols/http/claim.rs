//! Which host a request speaks of: a claim, since anyone can write any Host.

use std::net::IpAddr;

use super::Transaction;
use super::head::Request;
use crate::types::Fqdn;

/// The query parameter in which Windows Delivery Optimization names the origin, when it asks a cache by its address.
const CACHE_HOST_ORIGIN: &str = "cacheHostOrigin";
/// Longest name that is decoded.
const MAX_NAME: usize = 512;

/// Host and port as a request names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// Host without brackets or port.
    pub host: &'a [u8],
    /// Port, where one is named.
    pub port: Option<u16>,
}

impl Transaction {
    /// Whether a proxy connected, and what follows goes to the server.
    pub fn opens_tunnel(&self) -> bool {
        let whole = self.request.as_ref().zip(self.response.as_ref());
        whole.is_some_and(|(request, response)| request.opens_tunnel(response.status))
    }

    /// Whether a proxy said that it does not connect, or could not (RFC 9110 sections 9.3.6, 15.5.8, 15.6.3 and 15.6.5).
    pub fn is_denied_by_proxy(&self) -> bool {
        let whole = self.request.as_ref().zip(self.response.as_ref());
        whole.is_some_and(|(request, response)| {
            let is_proxys = matches!(response.status, 407 | 502 | 504);
            let is_connect = request.method == b"CONNECT";
            (is_connect && !request.opens_tunnel(response.status))
                || (request.is_to_proxy() && is_proxys)
        })
    }
}

impl Request {
    /// The authority: of an absolute target or CONNECT, else of the Host field (RFC 9112 section 3.2).
    pub fn authority(&self) -> Option<Authority<'_>> {
        let target = if self.method == b"CONNECT" {
            Some(self.target.as_slice())
        } else {
            absolute_authority(&self.target)
        };
        let named = target.or(self.host.as_deref())?;
        Some(split_port(named)).filter(|authority| !authority.host.is_empty())
    }

    /// Whether it is one to a proxy: CONNECT, or an absolute target (RFC 9112 section 3.2).
    pub fn is_to_proxy(&self) -> bool {
        self.method == b"CONNECT" || absolute_authority(&self.target).is_some()
    }

    /// Whether a response of this status opens a tunnel (RFC 9110 section 9.3.6).
    pub fn opens_tunnel(&self, status: u16) -> bool {
        self.method == b"CONNECT" && (200..300).contains(&status)
    }

    /// The name of the host: that of the authority, or, where it is a bare address, the one that the query calls the origin.
    pub fn host_name(&self) -> Option<Fqdn> {
        let authority = self.authority();
        let named = authority.filter(|authority| !is_address(authority.host));
        match named {
            Some(authority) => Fqdn::from_claim(authority.host),
            None => origin(&self.target, CACHE_HOST_ORIGIN),
        }
    }

    /// The path and query of the target, without scheme and authority.
    pub fn path(&self) -> &[u8] {
        let target = self.target.as_slice();
        let Some(authority) = absolute_authority(target) else {
            return target;
        };
        let start = memchr::memmem::find(target, b"://").map_or(0, |at| at + 3) + authority.len();
        target
            .get(start..)
            .filter(|path| !path.is_empty())
            .unwrap_or(b"/")
    }
}

/// The name of the host that a query names in `parameter`.
pub fn origin(target: &[u8], parameter: &str) -> Option<Fqdn> {
    let query = target.get(memchr::memchr(b'?', target)? + 1..)?;
    let value = query.split(|byte| *byte == b'&').find_map(|pair| {
        let rest = pair.strip_prefix(parameter.as_bytes())?;
        rest.strip_prefix(b"=")
    })?;
    let decoded = percent_decoded(value.get(..MAX_NAME).unwrap_or(value));
    let host = split_port(&decoded).host;
    Fqdn::from_claim(host).filter(|_| !is_address(host))
}

fn absolute_authority(target: &[u8]) -> Option<&[u8]> {
    let start = memchr::memmem::find(target.get(..8.min(target.len()))?, b"://")? + 3;
    let rest = target.get(start..)?;
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?' | b'#'))
        .unwrap_or(rest.len());
    let authority = rest.get(..end)?;
    let user = memchr::memrchr(b'@', authority).map_or(0, |at| at + 1);
    authority.get(user..)
}

fn split_port(authority: &[u8]) -> Authority<'_> {
    if let Some(rest) = authority.strip_prefix(b"[") {
        let end = memchr::memchr(b']', rest).unwrap_or(rest.len());
        let port = rest.get(end + 2..).and_then(port);
        return Authority {
            host: rest.get(..end).unwrap_or_default(),
            port,
        };
    }
    let colons = memchr::memchr_iter(b':', authority).count();
    match memchr::memchr(b':', authority) {
        Some(colon) if colons == 1 => Authority {
            host: authority.get(..colon).unwrap_or_default(),
            port: authority.get(colon + 1..).and_then(port),
        },
        _ => Authority {
            host: authority,
            port: None,
        },
    }
}

fn port(digits: &[u8]) -> Option<u16> {
    super::head::integer(digits).and_then(|port| u16::try_from(port).ok())
}

fn is_address(host: &[u8]) -> bool {
    std::str::from_utf8(host).is_ok_and(|host| host.parse::<IpAddr>().is_ok())
}

/// The bytes that `text` stands for (RFC 3986 section 2.1); what is no escape stays.
pub fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        let escaped = match (byte, after) {
            (b'%', [high, low, ..]) => char::from(*high)
                .to_digit(16)
                .zip(char::from(*low).to_digit(16)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                decoded.push((high * 16 + low) as u8);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push(*byte);
                rest = after;
            }
        }
    }
    decoded
}
