//! Leases: DHCP for IPv4 ([`v4`]: RFC 2131, RFC 2132) and IPv6 ([`v6`]: RFC 8415).
//!
//! One datagram at a time, without state and without copies. What a client calls itself is a claim of the client.

pub mod v4;
pub mod v6;

use std::fmt::Write as _;

use crate::types::text::{presentation, push_label};

/// Ports of a server or relay, and of a client (RFC 2131 section 4.1).
pub const PORTS_V4: [u16; 2] = [67, 68];
/// Ports of a client, and of a server or relay (RFC 8415 section 7.2).
pub const PORTS_V6: [u16; 2] = [546, 547];
/// Longest name that is taken (RFC 1035 section 3.1).
const MAX_NAME: usize = 255;

/// Why a datagram is no such message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DhcpError {
    /// It ends too early.
    #[error("is too short")]
    Short,
    /// It is of another form.
    #[error("is of another form")]
    Form,
}

/// A name in presentation form: without the zeros and dots at its end; `None` where nothing is left, or too much.
fn plain_name(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| *byte == 0);
    let name = bytes.get(..end.unwrap_or(bytes.len()))?;
    let name = name.trim_ascii();
    let name = name.strip_suffix(b".").unwrap_or(name);
    if name.is_empty() || name.len() > MAX_NAME {
        return None;
    }
    Some(presentation(name))
}

/// A name in labels (RFC 1035 section 3.1), without pointers; one that is partial has no root (RFC 4704 section 4.2).
fn name_of_labels(mut bytes: &[u8]) -> Option<String> {
    let mut text = String::new();
    while let Some((length, rest)) = bytes.split_first().filter(|(length, _)| **length > 0) {
        let (label, rest) = rest.split_at_checked(usize::from(*length))?;
        if *length > 63 || text.len() > MAX_NAME {
            return None;
        }
        if !text.is_empty() {
            text.push('.');
        }
        push_label(&mut text, label);
        bytes = rest;
    }
    (!text.is_empty() && text.len() <= MAX_NAME).then_some(text)
}

/// Option numbers in the order in which they were asked for, as fingerprints write them: `1,3,6,15`.
pub fn fingerprint(options: impl Iterator<Item = u16>) -> String {
    let mut text = String::new();
    for option in options {
        if !text.is_empty() {
            text.push(',');
        }
        let _ = write!(text, "{option}");
    }
    text
}
