//! Captures that benchmarks make up have the shapes that are told of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "the benchmark uses the rest, and fails by panicking"
)]
#[path = "../benches/replay/shapes/mod.rs"]
mod shapes;

use shapes::{Shape, Tally};

const PACKETS: u64 = 200_000;

fn made(shape: Shape) -> Tally {
    let mut capture = Vec::new();
    let tally = shape.write(PACKETS, &mut capture).unwrap();
    let headers = 24 + 16 * tally.packets;
    assert_eq!(capture.len() as u64, headers + tally.bytes);
    tally
}

/// Within five in a hundred.
fn about(count: u64, of: u64, expected: f64) -> bool {
    let found = count as f64 / of as f64;
    (found / expected - 1.0).abs() < 0.05
}

#[test]
fn captures_have_the_shapes_that_are_told_of_them() {
    let mix = made(Shape::Mix);
    let each = |count, in_thousand: f64| about(count, mix.packets, in_thousand / 1_000.0);
    assert!(about(mix.bytes, mix.packets, 320.0), "{mix:?}");
    assert!(each(mix.flows, 36.0) && each(mix.dns_messages, 13.0));
    assert!(each(mix.http_requests, 4.0) && each(mix.tls_hellos, 2.4));
    assert!(each(mix.quic_hellos, 2.2) && mix.carried > 0);

    let small = made(Shape::Small);
    assert!(about(small.flows, small.packets, 0.1));
    assert!((60..=100).contains(&(small.bytes / small.packets)));

    let dns = made(Shape::Dns);
    assert!(about(dns.bytes, dns.packets, 132.0));
    assert_eq!(dns.dns_messages, dns.packets);

    let bulk = made(Shape::Bulk);
    assert_eq!(bulk.flows, 16);
    assert!(bulk.bytes / bulk.packets > 1_470);
}

#[test]
fn the_same_capture_comes_each_time() {
    let mut both = [Vec::new(), Vec::new()];
    for capture in &mut both {
        Shape::Mix.write(20_000, capture).unwrap();
    }
    assert!(both[0] == both[1]);
}
