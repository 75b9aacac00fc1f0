//! HTTP on exchanges that one can read, in any pieces.

use super::pairing::LATENESS;
use super::*;
use crate::types::Timestamp;

type Exchange<'a> = &'a [(Direction, &'a [u8])];
const UP: Direction = Direction::ToServer;
const DOWN: Direction = Direction::ToClient;

fn run(exchange: Exchange<'_>, piece: usize) -> (Vec<Transaction>, Connection) {
    let (mut connection, mut seen) = (Connection::new(), Vec::new());
    for (direction, bytes) in exchange {
        for piece in bytes.chunks(piece) {
            connection.data(
                *direction,
                piece,
                Stamp::default(),
                &mut |transaction, _| seen.push(transaction),
            );
        }
    }
    (seen, connection)
}

/// Status, target, body bytes, whether it came to its end.
fn summary(transactions: &[Transaction]) -> Vec<(u16, String, u64, bool)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    transactions
        .iter()
        .map(|transaction| {
            let target = transaction
                .request
                .as_ref()
                .map(|request| text(&request.target))
                .unwrap_or_default();
            let response = transaction.response.clone().unwrap_or_default();
            (
                response.status,
                target,
                response.body_bytes,
                response.is_complete,
            )
        })
        .collect()
}

fn same_in_any_pieces(exchange: Exchange<'_>, expected: &[(u16, &str, u64, bool)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(s, t, b, c)| (*s, (*t).to_owned(), *b, *c))
        .collect();
    for piece in [1, 2, 3, 7, 16, 10_000] {
        assert_eq!(
            summary(&run(exchange, piece).0),
            expected,
            "in pieces of {piece}"
        );
    }
}

#[test]
fn pipelined_requests_meet_their_responses_in_order() {
    same_in_any_pieces(
        &[
            (UP, b"GET /a HTTP/1.1\r\nHost: x.example\r\n\r\nHEAD /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n"),
            (DOWN, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
            (DOWN, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n"),
        ],
        &[(200, "/a", 3, true), (200, "/b", 0, true), (304, "/c", 0, true)],
    );
}

#[test]
fn chunks_are_counted_without_their_framing() {
    same_in_any_pieces(
        &[
            (UP, b"GET /a HTTP/1.1\n\nGET /b HTTP/1.1\n\n"),
            (DOWN, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5;x=y\r\nhello\r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"),
            (DOWN, b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"),
        ],
        &[(200, "/a", 15, true), (404, "/b", 0, true)],
    );
}

#[test]
fn a_length_beside_chunks_says_nothing() {
    let (told, _) = run(
        &[
            (UP, b"GET /a HTTP/1.1\r\n\r\n"),
            (DOWN, b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        ],
        1_000,
    );
    let response = told[0].response.as_ref().unwrap();
    assert_eq!((response.content_length, response.body_bytes), (None, 3));
    assert!(response.is_complete);
}

#[test]
fn request_bodies_are_passed_over() {
    same_in_any_pieces(
        &[
            (UP, b"POST /a HTTP/1.1\r\nContent-Length: 16\r\n\r\nGET /x HTTP/1.1\nGET /b HTTP/1.1\r\n\r\n"),
            (DOWN, b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
        ],
        &[(204, "/a", 0, true), (204, "/b", 0, true)],
    );
}

#[test]
fn a_body_without_a_length_ends_where_its_server_closes() {
    for is_closed in [true, false] {
        let (mut seen, mut connection) = run(
            &[
                (UP, b"GET / HTTP/1.0\r\n\r\n"),
                (DOWN, b"HTTP/1.0 200 OK\r\n\r\nsome bytes"),
            ],
            100,
        );
        assert!(seen.is_empty());
        connection.close(DOWN, is_closed, Stamp::default(), &mut |transaction, _| {
            seen.push(transaction)
        });
        assert_eq!(summary(&seen), [(200, "/".to_owned(), 10, is_closed)]);
    }
}

#[test]
fn a_client_that_closes_amid_a_body_without_a_length_does_not_want_the_rest() {
    const HEAD: &[u8] = b"HTTP/1.0 200 OK\r\n\r\n";
    let behind_head = HEAD.len() as u64;
    let end = behind_head + 10;
    // How far it had received the response, whose end counts as a byte.
    for (received, by_now, is_whole) in [
        (0, 0, true),
        (behind_head, end, true),
        (behind_head + 4, behind_head + 4, false),
        // It goes on to receive.
        (behind_head + 4, end, true),
        (end, end, false),
        (end + 1, end, true),
    ] {
        let (mut seen, mut connection) = (Vec::new(), Connection::new());
        let stamp = Stamp::default();
        let mut sink = |transaction, _| seen.push(transaction);
        let place = |end, acknowledged| {
            let acknowledged = Some(acknowledged);
            Some(Place { end, acknowledged })
        };
        connection.place(UP, place(18, 0));
        connection.data(UP, b"GET / HTTP/1.0\r\n\r\n", stamp, &mut sink);
        let response = [HEAD, b"some bytes"].concat();
        connection.place(DOWN, place(end, 18));
        connection.data(DOWN, &response, stamp, &mut sink);
        connection.place(UP, place(18, received));
        connection.close(UP, true, stamp, &mut sink);
        connection.client_has(Some(by_now));
        connection.place(DOWN, place(end, 19));
        connection.close(DOWN, true, stamp, &mut sink);
        assert_eq!(
            summary(&seen),
            [(200, "/".to_owned(), 10, is_whole)],
            "{received}"
        );
    }
}

#[test]
fn a_body_that_broke_off_is_incomplete() {
    let (mut seen, mut connection) = run(
        &[
            (UP, b"GET / HTTP/1.1\r\n\r\n"),
            (DOWN, b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc"),
        ],
        100,
    );
    assert_eq!(
        connection
            .in_progress()
            .unwrap()
            .response
            .as_ref()
            .unwrap()
            .body_bytes,
        3
    );
    connection.finish(true, Stamp::default(), &mut |transaction, _| {
        seen.push(transaction)
    });
    assert_eq!(summary(&seen), [(200, "/".to_owned(), 3, false)]);
}

#[test]
fn a_gap_within_a_body_of_known_length_loses_nothing_else() {
    let (mut seen, mut connection) = run(
        &[
            (UP, b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n"),
            (DOWN, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        ],
        100,
    );
    let mut sink = |transaction: Transaction, _| seen.push(transaction);
    connection.gap(DOWN, 5, Stamp::default(), &mut sink);
    connection.data(
        DOWN,
        b"deHTTP/1.1 204 x\r\n\r\n",
        Stamp::default(),
        &mut sink,
    );
    assert_eq!(seen[0].response.as_ref().unwrap().body_missing, 5);
    assert_eq!(
        summary(&seen),
        [
            (200, "/a".to_owned(), 5, true),
            (204, "/b".to_owned(), 0, true)
        ]
    );
}

#[test]
fn after_a_gap_in_a_head_the_next_start_line_counts() {
    let (mut seen, mut connection) = run(
        &[
            (UP, b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n"),
            (DOWN, b"HTTP/1.1 203 OK\r\nConte"),
        ],
        100,
    );
    let mut sink = |transaction: Transaction, _| seen.push(transaction);
    connection.gap(DOWN, 500, Stamp::default(), &mut sink);
    connection.data(DOWN, b"rest of a body", Stamp::default(), &mut sink);
    connection.data(
        DOWN,
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        Stamp::default(),
        &mut sink,
    );
    assert_eq!(
        summary(&seen),
        [
            (203, "/a".to_owned(), 0, false),
            (200, "/b".to_owned(), 0, true)
        ]
    );
}

#[test]
fn a_head_that_is_cut_tells_its_whole_lines() {
    let (mut seen, mut connection) = run(
        &[(UP, b"GET /a HTTP/1.1\r\nHost: a.example\r\nUser-Agent: cu")],
        100,
    );
    let mut sink = |transaction: Transaction, _| seen.push(transaction);
    connection.gap(UP, 60, Stamp::default(), &mut sink);
    connection.data(
        DOWN,
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nX",
        Stamp::default(),
        &mut sink,
    );
    connection.gap(DOWN, 60, Stamp::default(), &mut sink);
    connection.finish(true, Stamp::default(), &mut sink);
    let (request, response) = (
        seen[0].request.as_ref().unwrap(),
        seen[0].response.as_ref().unwrap(),
    );
    assert_eq!(request.host.as_deref(), Some(&b"a.example"[..]));
    assert_eq!(
        (request.user_agent.as_deref(), response.content_length),
        (None, Some(9))
    );
    assert_eq!(
        (
            response.body_bytes,
            response.body_missing,
            response.is_complete
        ),
        (0, 9, false),
        "no more than the length"
    );
}

#[test]
fn a_response_whose_head_was_lost_is_no_answer_to_the_next_request() {
    let requests = b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
    let (mut seen, mut connection) = run(&[(UP, requests)], 100);
    let mut sink = |transaction: Transaction, _| seen.push(transaction);
    connection.gap(DOWN, 1_460, Stamp::default(), &mut sink);
    connection.data(DOWN, b"rest of a body", Stamp::default(), &mut sink);
    let next = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    connection.data(DOWN, next, Stamp::default(), &mut sink);
    let expected = [
        (0, "/a".to_owned(), 0, false),
        (200, "/b".to_owned(), 1, true),
    ];
    assert_eq!(summary(&seen), expected);
}

#[test]
fn a_request_that_comes_after_its_response_s_head_is_its_request() {
    let at = |milliseconds: i64| Stamp {
        timestamp: Timestamp::from_nanos(milliseconds * 1_000_000),
        ..Stamp::default()
    };
    let summary_with = |method: &str, milliseconds| {
        let (mut connection, mut seen) = (Connection::new(), Vec::new());
        let mut sink = |transaction: Transaction, _| seen.push(transaction);
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
        connection.data(DOWN, head, at(0), &mut sink);
        let request = format!("{method} /a HTTP/1.1\r\n\r\n");
        connection.data(UP, request.as_bytes(), at(milliseconds), &mut sink);
        if method == "GET" {
            connection.data(DOWN, b"abc", at(milliseconds), &mut sink);
        }
        connection.finish(true, at(milliseconds), &mut sink);
        summary(&seen)
    };
    assert_eq!(summary_with("GET", 20), [(200, "/a".to_owned(), 3, true)]);
    assert_eq!(summary_with("HEAD", 20), [(200, "/a".to_owned(), 0, true)]);
    assert_eq!(
        summary_with("GET", 2_000),
        [
            (200, String::new(), 3, true),
            (0, "/a".to_owned(), 0, false)
        ],
        "too late"
    );
}

#[test]
fn a_gap_over_a_body_s_end_and_the_next_head_loses_one_response() {
    let requests = b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n";
    let first = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin";
    let (mut seen, mut connection) = run(&[(UP, requests), (DOWN, first)], 1_000);
    let mut sink = |transaction: Transaction, _| seen.push(transaction);
    connection.gap(DOWN, 300, Stamp::default(), &mut sink);
    connection.data(
        DOWN,
        b"HTTP/1.1 204 Empty\r\n\r\n",
        Stamp::default(),
        &mut sink,
    );
    let expected = [
        (200, "/a".to_owned(), 5, true),
        (0, "/b".to_owned(), 0, false),
        (204, "/c".to_owned(), 0, true),
    ];
    assert_eq!(summary(&seen), expected);
    assert_eq!(seen[0].response.as_ref().unwrap().body_missing, 95);
}

#[test]
fn what_follows_a_lost_chunk_is_counted_as_missing() {
    let (mut seen, mut connection) = run(
        &[
            (UP, b"GET /a HTTP/1.1\r\n\r\n"),
            (
                DOWN,
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc",
            ),
        ],
        1_000,
    );
    let mut sink = |transaction: Transaction, _| seen.push(transaction);
    connection.gap(DOWN, 20, Stamp::default(), &mut sink);
    connection.data(DOWN, b"within a chunk", Stamp::default(), &mut sink);
    connection.finish(true, Stamp::default(), &mut sink);
    let response = seen[0].response.as_ref().unwrap();
    assert_eq!(
        (response.body_bytes, response.body_missing, response.is_lost),
        (3, 34, true)
    );
}

#[test]
fn a_gap_before_the_first_line_is_whole_tells_nothing() {
    let (mut seen, mut connection) = run(&[(UP, b"GET /a HTT")], 100);
    let mut sink = |transaction: Transaction, _| seen.push(transaction);
    connection.gap(UP, 60, Stamp::default(), &mut sink);
    connection.finish(true, Stamp::default(), &mut sink);
    assert_eq!(seen, []);
}

#[test]
fn a_connect_that_was_answered_is_a_tunnel() {
    let mut connection = Connection::new();
    let mut seen = Vec::new();
    let mut sink = |transaction: Transaction, _| seen.push(transaction);
    connection.data(
        UP,
        b"CONNECT dl.example.net:443 HTTP/1.1\r\n\r\n",
        Stamp::default(),
        &mut sink,
    );
    let taken = connection.data(
        DOWN,
        b"HTTP/1.1 200 OK\r\n\r\n\x16\x03",
        Stamp::default(),
        &mut sink,
    );
    assert_eq!(taken, 19);
    assert!(connection.is_tunnel());
    assert_eq!(
        connection.data(UP, b"\x16\x03", Stamp::default(), &mut sink),
        0
    );
    assert_eq!(
        seen[0]
            .request
            .as_ref()
            .unwrap()
            .host_name()
            .unwrap()
            .as_str(),
        "dl.example.net"
    );
}

fn request(head: &[u8]) -> Request {
    Request::parse(head, Stamp::default()).unwrap()
}

#[test]
fn the_host_is_named_by_target_field_or_query() {
    let name = |head: &[u8]| {
        request(head)
            .host_name()
            .map(|name| name.as_str().to_owned())
    };
    assert_eq!(
        name(b"GET / HTTP/1.1\r\nhost:  DL.example.net:8080\r\n\r\n").as_deref(),
        Some("dl.example.net")
    );
    assert_eq!(
        name(b"GET http://a.example/x HTTP/1.1\r\nHost: b.example\r\n\r\n").as_deref(),
        Some("a.example")
    );
    assert_eq!(name(b"GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"), None);
    let query = b"GET /filestreamingservice/files/1?P1=2&cacheHostOrigin=dl.delivery.mp%2Emicrosoft.com HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n";
    assert_eq!(name(query).as_deref(), Some("dl.delivery.mp.microsoft.com"));
    assert_eq!(
        request(b"GET http://a.example/x?y HTTP/1.1\r\n\r\n").path(),
        b"/x?y"
    );
    assert_eq!(
        request(b"GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n")
            .authority()
            .unwrap()
            .host,
        b"2001:db8::1"
    );
}

#[test]
fn ranges_are_read() {
    let head = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-99/1000\r\nETag: \"x\"\r\nContent-Type: a/b; c=d\r\n\r\n";
    let response = Response::parse(head, Stamp::default()).unwrap();
    let range = response.content_range.unwrap();
    assert_eq!((range.range, range.size), (Some((0, 99)), Some(1_000)));
    assert_eq!(response.content_type.as_deref(), Some(&b"a/b"[..]));
}

#[test]
fn other_protocols_are_not_taken_for_http() {
    for other in [
        &b"OPTIONS rtsp://x RTSP/1.0\r\n"[..],
        b"EHLO x\r\n",
        b"SSH-2.0",
        b"\x16\x03\x01",
        b"PRI * HTTP/2.0\r\n\r\n",
    ] {
        assert_eq!(probe(other), Probe::No, "{other:?}");
    }
    assert_eq!(probe(b"GE"), Probe::NeedMore);
    assert_eq!(probe(b"HTTP/1"), Probe::NeedMore);
    assert_eq!(probe(b"GET /long"), Probe::Yes);
}

#[test]
fn what_is_no_request_is_none_in_one_piece_either() {
    let bytes = b"\0GET / HTTP/1.1\r\n\r\n";
    for size in [1, bytes.len()] {
        let mut connection = Connection::new();
        let mut none = |_: Transaction, _: Stamp| panic!("a transaction in pieces of {size}");
        for piece in bytes.chunks(size) {
            connection.data(UP, piece, Stamp::default(), &mut none);
        }
        connection.finish(true, Stamp::default(), &mut none);
    }
}

#[test]
fn every_prefix_and_every_changed_byte_is_harmless() {
    let up = b"GET /a?cacheHostOrigin=%41 HTTP/1.1\r\nHost: [::1]:5\r\nRange: bytes=0-1\r\n\r\n";
    let down = b"HTTP/1.1 206 OK\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes 0-1/2\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for (direction, whole) in [(UP, &up[..]), (DOWN, &down[..])] {
        for length in 0..whole.len() {
            run(&[(direction, &whole[..length])], 11);
        }
        for at in 0..whole.len() {
            for value in 0..=255 {
                let mut changed = whole.to_vec();
                changed[at] = value;
                let (_, mut connection) = run(&[(UP, &up[..]), (direction, &changed)], 23);
                connection.finish(true, Stamp::default(), &mut |transaction, _| {
                    let _ = transaction
                        .request
                        .as_ref()
                        .map(|request| (request.host_name(), request.path().len()));
                });
            }
        }
    }
}

#[test]
fn a_long_head_counts_and_leaves_no_long_buffer() {
    let head = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(60_000));
    let mut connection = Connection::new();
    let mut out = |_: Transaction, _: Stamp| {};
    let (first, last) = head.split_at(60_000);
    for piece in first.as_bytes().chunks(1_000) {
        connection.data(UP, piece, Stamp::default(), &mut out);
    }
    assert!(connection.memory() >= 60_000, "the head waits for its end");
    connection.data(UP, last.as_bytes(), Stamp::default(), &mut out);
    let waiting = connection.memory();
    assert!((8_000..10_000).contains(&waiting), "{waiting}");
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1";
    connection.data(DOWN, answer, Stamp::default(), &mut out);
    assert!(connection.memory() >= waiting, "the response goes on");
    connection.data(DOWN, b"23456789", Stamp::default(), &mut out);
    assert!(connection.memory() < 4_096, "{}", connection.memory());
}

#[test]
fn no_text_of_a_connection_is_left_as_it_was() {
    const SECRET: &[u8] = b"pc1";
    let mut connection = Connection::new();
    let stamp = Stamp::default();
    let requests =
        b"GET /pc1 HTTP/1.1\r\nHost: pc1\r\nUser-Agent: pc1\r\nRange: pc1\r\n\r\n".repeat(2);
    let response = b"HTTP/1.1 206 OK\r\nContent-Type: pc1\r\nContent-Range: pc1\r\nETag: \"pc1\"\r\nContent-Length: 9\r\n\r\na";
    connection.data(Direction::ToServer, &requests, stamp, &mut |_, _| {});
    connection.data(Direction::ToServer, b"GET /pc1 HT", stamp, &mut |_, _| {});
    connection.data(Direction::ToClient, response, stamp, &mut |_, _| {});
    let holds = |connection: &Connection| {
        let secret = format!("{SECRET:?}");
        let secret = secret.trim_matches(['[', ']']);
        format!("{connection:?}").matches(secret).count()
    };
    assert_eq!(holds(&connection), 12);
    let connection = connection.reworded(&mut |text| text.fill(b'x'));
    assert_eq!(holds(&connection), 0);
}

#[test]
fn a_small_text_is_kept_without_its_framing_however_it_is_cut() {
    const REQUEST: &[u8] = b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n";
    const RESPONSE: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: Text/XML\r\nTransfer-Encoding: chunked\r\n\r\n\
        4\r\n<upd\r\n6\r\nates/>\r\n0\r\n\r\n";
    for size in [1, 2, 7, RESPONSE.len()] {
        let mut connection = Connection::new();
        let mut bodies = Vec::new();
        let mut out = |transaction: Transaction, _: Stamp| {
            bodies.push(transaction.response.unwrap().small_body.unwrap());
        };
        connection.data(Direction::ToServer, REQUEST, Stamp::default(), &mut out);
        for piece in RESPONSE.chunks(size) {
            connection.data(Direction::ToClient, piece, Stamp::default(), &mut out);
        }
        connection.finish(true, Stamp::default(), &mut out);
        assert_eq!(bodies, [b"<updates/>"], "{size}");
    }
}

/// One after the other, request `/n` and a response of `n` bytes: what each side sends, and how far the other is acknowledged then.
fn one_after_the_other(count: u64) -> [Vec<(Vec<u8>, Place)>; 2] {
    let (mut asked, mut answered) = (0, 0);
    let [mut up, mut down] = [Vec::new(), Vec::new()];
    for number in 0..count {
        let request = format!("GET /{number} HTTP/1.1\r\n\r\n").into_bytes();
        asked += request.len() as u64;
        let place = |end, acknowledged| Place {
            end,
            acknowledged: Some(acknowledged),
        };
        up.push((request, place(asked, answered)));
        let body = "x".repeat(number as usize);
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {number}\r\n\r\n{body}");
        answered += response.len() as u64;
        down.push((response.into_bytes(), place(answered, asked)));
    }
    [up, down]
}

/// The same in two segments each, the first of `cut` bytes.
fn in_segments(messages: Vec<(Vec<u8>, Place)>, cut: usize) -> Vec<(Vec<u8>, Place)> {
    let halves = |(bytes, place): (Vec<u8>, Place)| {
        let (first, rest) = bytes.split_at(cut.min(bytes.len()));
        let end = place.end - rest.len() as u64;
        [
            (first.to_vec(), Place { end, ..place }),
            (rest.to_vec(), place),
        ]
    };
    let segments = messages.into_iter().flat_map(halves);
    segments.filter(|(bytes, _)| !bytes.is_empty()).collect()
}

proptest::proptest! {
    #[test]
    fn whatever_comes_first_a_response_meets_its_own_request(
        order in proptest::collection::vec(proptest::bool::ANY, 80),
        lost in proptest::collection::vec(proptest::bool::weighted(0.1), 20),
        cut in 0..100_usize,
    ) {
        let [up, down] = one_after_the_other(20);
        let (mut connection, mut seen) = (Connection::new(), Vec::new());
        let mut sink = |transaction: Transaction, _| seen.push(transaction);
        let mut up = up.into_iter().zip(&lost);
        let mut down = in_segments(down, cut).into_iter();
        for is_up in order.into_iter().chain([true; 20]).chain([false; 40]) {
            if is_up {
                let Some(((bytes, place), is_lost)) = up.next() else { continue };
                connection.place(UP, Some(place));
                if *is_lost {
                    connection.gap(UP, bytes.len() as u64, Stamp::default(), &mut sink);
                } else {
                    connection.data(UP, &bytes, Stamp::default(), &mut sink);
                }
            } else if let Some((bytes, place)) = down.next() {
                connection.place(DOWN, Some(place));
                connection.data(DOWN, &bytes, Stamp::default(), &mut sink);
            }
        }
        connection.finish(true, Stamp::default(), &mut sink);
        let mut seen = summary(&seen);
        seen.sort_by_key(|(_, _, length, _)| *length);
        let expected: Vec<_> = (0..20)
            .zip(lost)
            .map(|(number, is_lost)| {
                let target = if is_lost { String::new() } else { format!("/{number}") };
                (200, target, number, true)
            })
            .collect();
        proptest::prop_assert_eq!(seen, expected);
    }
}

#[test]
fn a_response_whose_request_is_not_shown_waits_a_second_for_it() {
    let (mut connection, mut seen) = (Connection::new(), Vec::new());
    let mut sink = |transaction: Transaction, _| seen.push(transaction);
    let [_, down] = one_after_the_other(2);
    for (bytes, place) in down {
        connection.place(DOWN, Some(place));
        connection.data(DOWN, &bytes, Stamp::default(), &mut sink);
    }
    let due = connection.due();
    assert_eq!(due, Some(Timestamp::EPOCH.plus(LATENESS)));
    connection.overdue(Timestamp::EPOCH, &mut sink);
    assert_eq!(connection.due(), due);
    connection.overdue(due.unwrap_or_default(), &mut sink);
    assert_eq!(connection.due(), None);
    let alone = |length| (200, String::new(), length, true);
    assert_eq!(summary(&seen), [alone(0), alone(1)]);
    let bytes = |transaction: &Transaction| transaction.response.as_ref()?.stream_bytes;
    let bytes: Vec<_> = seen.iter().map(bytes).collect();
    assert_eq!(
        bytes,
        [Some(38), Some(39)],
        "others may have come meanwhile"
    );
}

#[test]
fn an_answer_that_was_missed_is_not_the_next_one() {
    let (mut connection, mut seen) = (Connection::new(), Vec::new());
    let mut sink = |transaction: Transaction, _| seen.push(transaction);
    let [up, down] = one_after_the_other(2);
    for (bytes, place) in &up {
        connection.place(UP, Some(*place));
        connection.data(UP, bytes, Stamp::default(), &mut sink);
    }
    let (bytes, place) = &down[1];
    connection.place(DOWN, Some(*place));
    connection.data(DOWN, bytes, Stamp::default(), &mut sink);
    let expected = [
        (0, "/0".to_owned(), 0, false),
        (200, "/1".to_owned(), 1, true),
    ];
    assert_eq!(summary(&seen), expected);
}

#[test]
fn a_connect_that_comes_after_its_answer_opens_the_tunnel_all_the_same() {
    let (mut connection, mut seen) = (Connection::new(), Vec::new());
    let mut sink = |transaction: Transaction, _| seen.push(transaction);
    let answer = b"HTTP/1.0 200 Connection established\r\n\r\n";
    let behind = [&answer[..], b"what the server says in it"].concat();
    connection.data(DOWN, &behind, Stamp::default(), &mut sink);
    let request = b"CONNECT a.example:443 HTTP/1.1\r\n\r\n";
    let hello = b"\x16\x03\x01";
    let both = [&request[..], hello].concat();
    let taken = connection.data(UP, &both, Stamp::default(), &mut sink);
    assert_eq!((taken, connection.is_tunnel()), (request.len(), true));
    assert_eq!(summary(&seen), [(200, "a.example:443".to_owned(), 0, true)]);
}

#[test]
fn where_acknowledgements_are_unknown_a_whole_response_does_not_wait() {
    let (mut connection, mut seen) = (Connection::new(), Vec::new());
    let mut sink = |transaction: Transaction, _| seen.push(transaction);
    let [up, down] = one_after_the_other(1);
    let unknown = |place: Place| Place {
        acknowledged: None,
        ..place
    };
    for (direction, (bytes, place)) in [(DOWN, &down[0]), (UP, &up[0])] {
        connection.place(direction, Some(unknown(*place)));
        connection.data(direction, bytes, Stamp::default(), &mut sink);
    }
    connection.finish(true, Stamp::default(), &mut sink);
    let told = [
        (200, String::new(), 0, true),
        (0, "/0".to_owned(), 0, false),
    ];
    assert_eq!(summary(&seen), told, "whose it is is not known");
}
