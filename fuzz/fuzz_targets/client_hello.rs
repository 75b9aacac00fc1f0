//! Any bytes as a TLS connection: both hellos are the same however the streams are cut, and JA4 has its form.
//!
//! Input: pieces of the streams: direction (1 byte), length (2 bytes, little-endian), bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchspan::protocols::tls::hello::version_word;
use patchspan::protocols::tls::ja4::Transport;
use patchspan::protocols::tls::{ClientHello, Probe, Progress, Session, find_client_hello, probe};
use patchspan::records::tls::{Claim, Tls};
use patchspan::types::Direction;
use patchspan_fuzz::{Pieces, is_presentation, line};

fuzz_target!(|bytes: &[u8]| {
    let mut input = Pieces(bytes);
    let mut session = Session::new();
    let (mut up, mut down) = (Vec::new(), Vec::new());
    while !input.is_empty() {
        let is_down = input.byte() & 1 != 0;
        let piece = input.piece();
        let (stream, direction) = if is_down {
            (&mut down, Direction::ToClient)
        } else {
            (&mut up, Direction::ToServer)
        };
        stream.extend_from_slice(piece);
        let progress = session.push(direction, piece);
        assert_eq!(progress, session.progress());
        let has_hello = session.client_hello().is_some() || session.server_hello().is_some();
        assert!(progress != Progress::Complete || has_hello);
    }
    for size in [1, 7, usize::MAX] {
        let other = cut(&up, &down, size);
        assert_eq!(session.client_hello(), other.client_hello());
        assert_eq!(session.server_hello(), other.server_hello());
        assert_eq!(session.progress(), other.progress());
    }
    if let Some(hello) = session.client_hello() {
        check_hello(hello, &session);
    }
    check_search(&up);
    check_body(&up);
});

/// The same streams in pieces of one size.
fn cut(up: &[u8], down: &[u8], size: usize) -> Session {
    let mut session = Session::new();
    for piece in up.chunks(size) {
        session.push(Direction::ToServer, piece);
    }
    for piece in down.chunks(size) {
        session.push(Direction::ToClient, piece);
    }
    session
}

fn check_hello(hello: &ClientHello, session: &Session) {
    check_ja4(hello, "t");
    assert!(hello.sni.as_ref().is_none_or(|name| !name.is_empty()));
    if let Some(fqdn) = hello.fqdn() {
        is_presentation(fqdn.as_str());
        assert!(!fqdn.as_str().bytes().any(|byte| byte.is_ascii_uppercase()));
    }
    let server = session.server_hello();
    let version = server.map_or(hello.version, |server| server.version);
    let record = Tls {
        sni: hello.sni.as_deref(),
        version: &version_word(version),
        ja4: Some(hello.ja4.as_str()),
        client_alpns: &hello.alpns,
        server_alpn: server.and_then(|server| server.alpn.as_deref()),
    };
    line(|line| {
        record.write(line);
        Claim::default().write(line);
    });
}

/// `t13d1516h2_8daaf6152771_e5627efa2ab1`: 36 characters, whatever was offered.
fn check_ja4(hello: &ClientHello, transport: &str) {
    let text = hello.ja4.as_str();
    let parts: Vec<&str> = text.split('_').collect();
    let [start, ciphers, extensions] = parts[..] else {
        panic!("{text}")
    };
    assert_eq!(
        (start.len(), ciphers.len(), extensions.len()),
        (10, 12, 12),
        "{text}"
    );
    assert!(start.starts_with(transport) && start.bytes().all(|b| b.is_ascii_alphanumeric()));
    let is_hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    assert!(is_hex(ciphers) && is_hex(extensions), "{text}");
    assert_eq!(
        &start[3..4] == "d",
        hello.sni.is_some() || &start[3..4] == "d"
    );
}

/// What is found in the midst of a stream looks like a hello from there on.
fn check_search(stream: &[u8]) {
    if let Some(at) = find_client_hello(stream) {
        assert_eq!(probe(&stream[at..]), Probe::Yes);
        assert_eq!(find_client_hello(&stream[at..]), Some(0));
    }
}

/// Any bytes as the body of a hello: TCP and QUIC differ in one character alone.
fn check_body(body: &[u8]) {
    let over = |transport| ClientHello::parse(body, transport);
    match (over(Transport::Tcp), over(Transport::Quic)) {
        (Some(tcp), Some(quic)) => {
            check_ja4(&quic, "q");
            assert_eq!(tcp.ja4.as_str()[1..], quic.ja4.as_str()[1..]);
            assert_eq!(
                (tcp.sni, tcp.alpns, tcp.ech),
                (quic.sni, quic.alpns, quic.ech)
            );
        }
        (tcp, quic) => assert!(tcp.is_none() && quic.is_none()),
    }
}
