//! TLS sessions on hellos made byte by byte.

use super::*;

fn prefixed(size: usize, bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u32).to_be_bytes();
    [&length[4 - size..], bytes].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &prefixed(2, data)].concat()
}

/// The body of a ClientHello for `name`, with a malformed extension between the others.
pub(crate) fn client_hello_body(name: &[u8]) -> Vec<u8> {
    let sni = prefixed(2, &[&[0][..], &prefixed(2, name)].concat());
    let alpn = prefixed(2, &[prefixed(1, b"h2"), prefixed(1, b"http/1.1")].concat());
    let extensions = [
        extension(0x1a1a, &[]),
        extension(10, &[0xff]),
        extension(0, &sni),
        extension(16, &alpn),
        extension(43, &[6, 0x2a, 0x2a, 3, 4, 3, 3]),
        extension(13, &[0, 4, 4, 3, 8, 4]),
        extension(0xfe0d, &[0, 0, 1, 0, 1, 42, 0, 0, 0, 0]),
    ]
    .concat();
    let ciphers = prefixed(2, &[0x3a, 0x3a, 0x13, 1, 0x13, 2]);
    [
        &[3, 3][..],
        &[7; 32],
        &[0],
        &ciphers,
        &[1, 0],
        &prefixed(2, &extensions),
    ]
    .concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &prefixed(3, body)].concat()
}

fn record(kind: u8, fragment: &[u8]) -> Vec<u8> {
    [&[kind, 3, 1][..], &prefixed(2, fragment)].concat()
}

fn server_hello(random: [u8; 32], extensions: &[u8]) -> Vec<u8> {
    let body = [
        &[3, 3][..],
        &random,
        &[0, 0x13, 1, 0],
        &prefixed(2, extensions),
    ]
    .concat();
    record(22, &handshake(2, &body))
}

fn check(session: &Session) {
    let hello = session.client_hello().unwrap();
    assert_eq!(hello.sni.as_deref(), Some(&b"dl.Example.net"[..]));
    assert_eq!(hello.fqdn().unwrap().as_str(), "dl.example.net");
    assert_eq!(hello.version, 0x0304);
    assert_eq!(hello.alpns, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert_eq!(hello.ech, Some(EchOuter { config_id: 42 }));
    assert!(
        hello.ja4.as_str().starts_with("t13d0206h2_"),
        "{:?}",
        hello.ja4
    );
}

#[test]
fn a_hello_is_whole_in_any_pieces_over_any_records() {
    let message = handshake(1, &client_hello_body(b"dl.Example.net"));
    for fragment in [1, 7, 50, message.len()] {
        let stream: Vec<u8> = message
            .chunks(fragment)
            .flat_map(|piece| record(22, piece))
            .collect();
        for segment in [1, 3, 100, stream.len()] {
            let mut session = Session::new();
            stream.chunks(segment).for_each(|piece| {
                session.push(Direction::ToServer, piece);
            });
            check(&session);
            assert!(session.is_done(Direction::ToServer));
        }
    }
}

#[test]
fn a_retry_request_is_no_server_hello() {
    let mut session = Session::new();
    session.push(
        Direction::ToServer,
        &record(22, &handshake(1, &client_hello_body(b"dl.Example.net"))),
    );
    let mut retry = [0; 32];
    retry.copy_from_slice(&[
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8,
        0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8,
        0x33, 0x9c,
    ]);
    let versions = extension(43, &[3, 4]);
    assert_eq!(
        session.push(Direction::ToClient, &server_hello(retry, &versions)),
        Progress::NeedMore
    );
    assert_eq!(
        session.push(Direction::ToClient, &server_hello([9; 32], &versions)),
        Progress::Complete
    );
    assert_eq!(session.server_hello().unwrap().version, 0x0304);
}

#[test]
fn the_servers_choice_is_seen_up_to_tls_1_2() {
    let mut session = Session::new();
    let alpn = extension(16, &prefixed(2, &prefixed(1, b"http/1.1")));
    session.push(Direction::ToClient, &server_hello([9; 32], &alpn));
    let hello = session.server_hello().unwrap();
    assert_eq!(
        (hello.version, hello.alpn.as_deref()),
        (0x0303, Some(&b"http/1.1"[..]))
    );
}

#[test]
fn encrypted_data_of_the_server_completes_what_the_client_said() {
    let mut session = Session::new();
    session.push(
        Direction::ToServer,
        &record(22, &handshake(1, &client_hello_body(b"a.example"))),
    );
    assert_eq!(
        session.push(Direction::ToClient, &record(23, b"secret")),
        Progress::Complete
    );
}

#[test]
fn a_hello_ends_where_it_does_whatever_comes_with_it() {
    let hello = record(22, &handshake(1, &client_hello_body(b"a.example")));
    let early_data = record(23, &[9; 60]);
    for behind in [&[][..], &early_data] {
        for first in [0, 1, hello.len() - 1] {
            let mut session = Session::new();
            let (first, rest) = hello.split_at(first);
            session.push(Direction::ToServer, first);
            session.push(Direction::ToServer, &[rest, behind].concat());
            assert!(session.client_hello().is_some());
            assert_eq!(session.behind_client_hello(), behind.len() as u64);
        }
    }
}

#[test]
fn other_protocols_are_not_taken_for_tls() {
    assert_eq!(probe(b"GET / HTTP/1.1\r\n"), Probe::No);
    assert_eq!(probe(b"SSH-2.0-x"), Probe::No);
    assert_eq!(probe(&[22, 3, 1]), Probe::NeedMore);
    let mut session = Session::new();
    assert_eq!(
        session.push(Direction::ToServer, b"GET / HTTP/1.1\r\n"),
        Progress::NeedMore
    );
    assert!(session.is_done(Direction::ToServer));
}

#[test]
fn a_hello_after_starttls_is_found() {
    let hello = record(22, &handshake(1, &client_hello_body(b"mail.example")));
    let stream = [b"STARTTLS\r\n\x16\x03".as_slice(), &hello].concat();
    assert_eq!(find_client_hello(&stream), Some(12));
    assert_eq!(find_client_hello(&[22; 400]), None);
}

#[test]
fn a_message_of_sixteen_megabytes_is_not_waited_for() {
    let mut session = Session::new();
    session.push(
        Direction::ToServer,
        &record(22, &[1, 0xff, 0xff, 0xff, 0, 0]),
    );
    assert!(session.is_done(Direction::ToServer));
}

#[test]
fn every_prefix_and_every_changed_byte_is_harmless() {
    let client = record(22, &handshake(1, &client_hello_body(b"dl.example.net")));
    let server = server_hello([9; 32], &extension(43, &[3, 4]));
    for (direction, whole) in [(Direction::ToServer, client), (Direction::ToClient, server)] {
        for length in 0..whole.len() {
            Session::new().push(direction, &whole[..length]);
        }
        for at in 0..whole.len() {
            for value in 0..=255 {
                let mut changed = whole.clone();
                changed[at] = value;
                Session::new().push(direction, &changed);
                let _ = find_client_hello(&changed);
            }
        }
    }
}
