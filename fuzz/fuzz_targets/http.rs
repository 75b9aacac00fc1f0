//! Any bytes as an HTTP connection, with losses: no byte counts twice, and cutting the streams otherwise changes nothing.
//!
//! Input: pieces: kind (bit 0 direction, bits 1 and 2 set: lost bytes), length (2 bytes, little-endian), bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchspan::protocols::http::{Connection, Transaction};
use patchspan::records::http::{ContentRange, Http};
use patchspan::types::{Direction, Stamp};
use patchspan_fuzz::{Pieces, is_presentation, line};

#[derive(Default)]
struct Figures {
    fed: u64,
    lost: u64,
    told: u64,
    missing: u64,
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Pieces(bytes);
    let mut pieces = Vec::new();
    while !input.is_empty() {
        let kind = input.byte();
        let direction = if kind & 1 == 0 {
            Direction::ToServer
        } else {
            Direction::ToClient
        };
        pieces.push((direction, kind & 6 == 6, input.piece()));
    }
    let mut figures = Figures::default();
    let transactions = run(&pieces, usize::MAX, &mut figures);
    for transaction in &transactions {
        check(transaction);
        let response = transaction.response.as_ref();
        figures.told += response.map_or(0, |response| response.body_bytes);
        figures.missing += response.map_or(0, |response| response.body_missing);
    }
    // What was fed behind a gap, and cannot be told apart, is missing as well.
    assert!(
        figures.told <= figures.fed && figures.told + figures.missing <= figures.fed + figures.lost
    );
    if pieces.iter().all(|(_, is_lost, _)| !is_lost) {
        let mut figures = Figures::default();
        assert_eq!(run(&pieces, 1, &mut figures), transactions);
    }
});

fn run(
    pieces: &[(Direction, bool, &[u8])],
    size: usize,
    figures: &mut Figures,
) -> Vec<Transaction> {
    let is_closed = pieces.len() % 2 == 0;
    let mut connection = Connection::new();
    let mut transactions = Vec::new();
    let mut out = |transaction: Transaction, _: Stamp| transactions.push(transaction);
    for (direction, is_lost, bytes) in pieces {
        let is_down = *direction == Direction::ToClient;
        if *is_lost {
            figures.lost += if is_down { bytes.len() as u64 } else { 0 };
            connection.gap(*direction, bytes.len() as u64, Stamp::default(), &mut out);
            continue;
        }
        figures.fed += if is_down { bytes.len() as u64 } else { 0 };
        for piece in bytes.chunks(size) {
            let taken = connection.data(*direction, piece, Stamp::default(), &mut out);
            assert!(taken <= piece.len());
            assert!(taken == piece.len() || connection.is_tunnel());
        }
    }
    connection.finish(is_closed, Stamp::default(), &mut out);
    assert!(connection.in_progress().is_none() && connection.first_waiting().is_none());
    transactions
}

fn check(transaction: &Transaction) {
    let (request, response) = (transaction.request.as_ref(), transaction.response.as_ref());
    assert!(request.is_some() || response.is_some());
    if let Some(request) = request {
        assert!(!request.method.is_empty() && request.path().len() <= request.target.len().max(1));
        if let Some(name) = request.host_name() {
            is_presentation(name.as_str());
        }
    }
    if let Some(response) = response {
        let is_counted = response.is_complete && !response.is_chunked && response.body_bytes > 0;
        let seen = response.body_bytes + response.body_missing;
        assert!(!is_counted || response.content_length.is_none_or(|length| length == seen));
        let range = response
            .content_range
            .as_ref()
            .and_then(|range| range.range);
        assert!(range.is_none_or(|(start, end)| start <= end));
    }
    let authority = request.and_then(|request| request.authority());
    let record = Http {
        hostname: authority.map(|authority| authority.host),
        port: authority.and_then(|authority| authority.port),
        url: request.map(|request| request.target.as_slice()),
        user_agent: request.and_then(|request| request.user_agent.as_deref()),
        method: request.map(|request| request.method.as_slice()),
        protocol: request.map(|request| request.version.as_slice()),
        status: response.map(|response| response.status),
        length: response.map_or(0, |response| response.body_bytes),
        content_type: response.and_then(|response| response.content_type.as_deref()),
        content_range: response
            .and_then(|response| response.content_range.as_ref())
            .map(|range| ContentRange {
                raw: &range.raw,
                range: range.range,
                size: range.size,
            }),
    };
    for drop_query in [false, true] {
        line(|line| record.write(line, drop_query));
    }
}
