//! ClientHello and ServerHello (RFC 8446 section 4.1), read with tls-parser.
//!
//! Extensions are read one by one, so that a malformed one costs only itself.

use tls_parser::{
    TlsExtension, parse_tls_client_hello_extension, parse_tls_handshake_client_hello,
    parse_tls_handshake_server_hello, parse_tls_server_hello_extension,
};

use super::ja4::{self, Ja4, Transport};
use crate::types::Fqdn;

/// Extension types (IANA TLS ExtensionType Values).
pub(super) const SERVER_NAME: u16 = 0;
pub(super) const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;
const ECH: u16 = 0xfe0d;
/// Most protocols of an ALPN list that are kept.
const MAX_ALPNS: usize = 32;
/// Most extensions of a hello that are looked at.
const MAX_EXTENSIONS: usize = 256;
/// The random of a HelloRetryRequest (RFC 8446 section 4.1.3).
const RETRY_REQUEST: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What a ClientHello says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// Server name as on the wire.
    pub sni: Option<Vec<u8>>,
    /// Highest version offered, GREASE left out.
    pub version: u16,
    /// Protocols offered.
    pub alpns: Vec<Vec<u8>>,
    /// Fingerprint.
    pub ja4: Ja4,
    /// An Encrypted ClientHello extension: nearly always GREASE.
    pub ech: Option<EchOuter>,
}

/// The clear part of an outer Encrypted ClientHello (RFC 9849 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchOuter {
    /// Which configuration it was encrypted for.
    pub config_id: u8,
}

/// What a ServerHello says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// The version chosen.
    pub version: u16,
    /// The protocol chosen, where it is in clear (up to TLS 1.2).
    pub alpn: Option<Vec<u8>>,
    /// Whether it is a HelloRetryRequest.
    pub is_retry_request: bool,
}

impl ClientHello {
    /// Bytes that it takes.
    pub fn memory(&self) -> usize {
        let alpns = self.alpns.iter();
        let alpns: usize = alpns.map(|alpn| size_of::<Vec<u8>>() + alpn.len()).sum();
        size_of::<Self>() + self.sni.as_ref().map_or(0, Vec::len) + alpns
    }

    /// Reads the body of a ClientHello message. `None` where it is broken before its extensions.
    pub fn parse(body: &[u8], transport: Transport) -> Option<Self> {
        let (_, contents) = parse_tls_handshake_client_hello(body).ok()?;
        let mut inputs = ja4::Inputs {
            version: contents.version.0,
            ciphers: contents.ciphers.iter().map(|cipher| cipher.0).collect(),
            ..Default::default()
        };
        let mut hello = Self {
            version: contents.version.0,
            ..Self::default()
        };
        for extension in extensions(contents.ext.unwrap_or_default()) {
            inputs.extensions.push(extension.kind);
            hello.take_in(&extension, &mut inputs);
        }
        inputs.alpn = hello
            .alpns
            .first()
            .map(Vec::as_slice)
            .unwrap_or_default()
            .to_vec();
        hello.ja4 = ja4::ja4(transport, &inputs);
        Some(hello)
    }

    /// The server name as a name to compare and match.
    pub fn fqdn(&self) -> Option<Fqdn> {
        Fqdn::from_claim(self.sni.as_deref()?)
    }

    fn take_in(&mut self, extension: &Extension<'_>, inputs: &mut ja4::Inputs) {
        if extension.kind == ECH {
            // Type 0 is the outer form: suite (4 bytes), then the configuration's id.
            let outer = extension
                .data
                .first_chunk::<6>()
                .filter(|start| start[0] == 0);
            self.ech = outer.map(|start| EchOuter {
                config_id: start[5],
            });
            return;
        }
        match parse_tls_client_hello_extension(extension.whole) {
            Ok((_, TlsExtension::SNI(names))) => {
                let name = names
                    .into_iter()
                    .find(|(kind, name)| kind.0 == 0 && !name.is_empty());
                self.sni = self.sni.take().or(name.map(|(_, name)| name.to_vec()));
            }
            Ok((_, TlsExtension::ALPN(protocols))) => {
                self.alpns = protocols
                    .into_iter()
                    .take(MAX_ALPNS)
                    .map(<[u8]>::to_vec)
                    .collect();
            }
            Ok((_, TlsExtension::SupportedVersions(versions))) => {
                let offered = versions
                    .iter()
                    .map(|version| version.0)
                    .filter(|version| !is_grease(*version));
                inputs.version = offered.clone().max().unwrap_or(inputs.version);
                self.version = offered
                    .max_by_key(|version| version_rank(*version))
                    .unwrap_or(self.version);
            }
            Ok((_, TlsExtension::SignatureAlgorithms(algorithms))) => {
                inputs.signature_algorithms = algorithms
            }
            _ => {}
        }
    }
}

impl ServerHello {
    /// Reads the body of a ServerHello message.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let (_, contents) = parse_tls_handshake_server_hello(body).ok()?;
        let is_retry_request = contents.random == RETRY_REQUEST;
        let mut hello = Self {
            version: contents.version.0,
            alpn: None,
            is_retry_request,
        };
        for extension in extensions(contents.ext.unwrap_or_default()) {
            if extension.kind == SUPPORTED_VERSIONS
                && let [high, low] = *extension.data
            {
                hello.version = u16::from_be_bytes([high, low]);
                continue;
            }
            if let Ok((_, TlsExtension::ALPN(protocols))) =
                parse_tls_server_hello_extension(extension.whole)
            {
                hello.alpn = protocols.first().map(|protocol| protocol.to_vec());
            }
        }
        Some(hello)
    }
}

struct Extension<'a> {
    kind: u16,
    data: &'a [u8],
    /// With type and length.
    whole: &'a [u8],
}

/// Cuts a list of extensions; the last may be cut by its own length.
fn extensions(list: &[u8]) -> impl Iterator<Item = Extension<'_>> {
    let mut rest = list;
    let cut = std::iter::from_fn(move || {
        let [a, b, c, d] = *rest.first_chunk()?;
        let end = 4 + usize::from(u16::from_be_bytes([c, d]));
        let (whole, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(Extension {
            kind: u16::from_be_bytes([a, b]),
            data: whole.get(4..)?,
            whole,
        })
    });
    cut.take(MAX_EXTENSIONS)
}

/// Reserved values that clients send to keep servers tolerant (RFC 8701).
pub(super) const fn is_grease(value: u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// Drafts of TLS 1.3 (0x7f00 and up) stand between 1.2 and 1.3.
const fn version_rank(version: u16) -> u32 {
    match version {
        0x0304 => 0xffff,
        0x7f00..=0x7fff => 0x1000 + version as u32,
        _ => version as u32,
    }
}

/// EVE's words for a version.
pub fn version_word(version: u16) -> std::borrow::Cow<'static, str> {
    std::borrow::Cow::Borrowed(match version {
        0x0002 | 0x0200 => "SSLv2",
        0x0300 => "SSLv3",
        0x0301 => "TLSv1",
        0x0302 => "TLS 1.1",
        0x0303 => "TLS 1.2",
        0x0304 => "TLS 1.3",
        0x7f00..=0x7fff => return format!("TLS 1.3 draft-{:02}", version & 0xff).into(),
        other => return format!("0x{other:04x}").into(),
    })
}
