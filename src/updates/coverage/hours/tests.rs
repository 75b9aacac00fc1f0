//! Minutes to hours, and hours in which the sensor did not run.

use super::super::kept::{KeptCoverage, KeptCoverageRef};
use super::super::{Blind, CoverageVerdict};
use super::*;

const CLIENT: &str = "192.0.2.7";
const OTHER: &str = "192.0.2.8";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds, 0)
}

/// `minute` of the hour `hour` since the epoch, of these clients, by a sensor that looks since `since`.
fn minute(hour: i64, minute: i64, clients: &[&str]) -> Minute {
    let start = at(hour * 3_600 + minute * 60);
    Minute {
        start,
        time: start.plus(Duration::from_secs(65)),
        since: at(3_600 * 10 + 90),
        clients: clients
            .iter()
            .map(|client| {
                let sums = Sums {
                    flows: 1,
                    bytes_toclient: 100,
                    ..Sums::default()
                };
                (client.parse().unwrap(), sums)
            })
            .collect(),
        asking: Vec::new(),
    }
}

fn coverage() -> Coverage {
    Coverage::new(Limits::default(), 100)
}

fn give(coverage: &mut Coverage, minute: &Minute) -> Vec<HourOfClient> {
    let mut told = Vec::new();
    coverage.advance(minute.time, &mut |_, hour| told.push(hour));
    coverage.minute(minute, |_| true, &mut |_, hour| told.push(hour));
    told
}

fn advance(coverage: &mut Coverage, seconds: i64) -> Vec<HourOfClient> {
    let mut told = Vec::new();
    coverage.advance(at(seconds), &mut |_, hour| told.push(hour));
    told
}

#[test]
fn queries_without_answers_count_where_any_worker_saw_the_client_active() {
    let asking = Minute {
        asking: vec![(CLIENT.parse().unwrap(), 3), (OTHER.parse().unwrap(), 2)],
        ..minute(10, 5, &[])
    };
    let active = minute(10, 5, &[CLIENT]);
    let queries = |parts: &[&Minute]| {
        let mut coverage = coverage();
        for part in parts {
            assert!(give(&mut coverage, part).is_empty());
        }
        let clients = coverage.clients.iter();
        let queries = clients.map(|(client, known)| (client.to_string(), known.sums.queries));
        queries.collect::<Vec<_>>()
    };
    let expected = [(CLIENT.to_owned(), 3)];
    assert_eq!(queries(&[&asking, &active]), expected);
    assert_eq!(queries(&[&active, &asking]), expected);
    let later = minute(10, 6, &[CLIENT]);
    assert_eq!(queries(&[&asking, &later]), [(CLIENT.to_owned(), 0)]);
    assert!(queries(&[&asking]).is_empty());
}

/// Client, start, end, active minutes, verdict.
fn short(told: &[HourOfClient]) -> Vec<(String, i64, i64, u32, CoverageVerdict)> {
    let seconds = |moment: Timestamp| moment.seconds_and_nanos().0 - 36_000;
    let short = told.iter().map(|hour| {
        let client = hour.client.to_string();
        let (start, end) = (seconds(hour.start), seconds(hour.end));
        (client, start, end, hour.active_minutes, hour.verdict)
    });
    short.collect()
}

use CoverageVerdict::{CannotTell, Complete, Partial};

#[test]
fn minutes_add_up_to_the_hour_of_the_clock() {
    let mut coverage = coverage();
    for (at, clients) in [(2, &[OTHER, CLIENT][..]), (3, &[CLIENT]), (59, &[CLIENT])] {
        assert!(give(&mut coverage, &minute(10, at, clients)).is_empty());
    }
    assert!(
        advance(&mut coverage, 11 * 3_600 + 9).is_empty(),
        "its last minute may come"
    );
    let told = advance(&mut coverage, 11 * 3_600 + 10);
    let expected = [
        (CLIENT.to_owned(), 90, 3_600, 3, Complete),
        (OTHER.to_owned(), 90, 3_600, 1, Complete),
    ];
    assert_eq!(
        short(&told),
        expected,
        "from where the sensor looked, in the order of addresses"
    );
    assert_eq!((told[0].sums.flows, told[0].sums.bytes_toclient), (3, 300));
    assert_eq!(give(&mut coverage, &minute(11, 0, &[OTHER])), []);
    let told = advance(&mut coverage, 12 * 3_600 + 10);
    assert_eq!(
        short(&told),
        [(OTHER.to_owned(), 3_600, 7_200, 1, Complete)]
    );
    assert!(advance(&mut coverage, 14 * 3_600).is_empty() && coverage.is_empty());
}

#[test]
fn the_end_of_input_ends_the_hour_and_a_jump_of_time_does_too() {
    let mut coverage = coverage();
    give(&mut coverage, &minute(10, 5, &[CLIENT]));
    let told = give(&mut coverage, &minute(1_000, 30, &[CLIENT]));
    assert_eq!(short(&told), [(CLIENT.to_owned(), 90, 3_600, 1, Complete)]);
    let mut told = Vec::new();
    let end = at(1_000 * 3_600 + 1_900);
    coverage.finish(end, &mut |boundary, hour| {
        assert_eq!(boundary, Some(end));
        told.push(hour);
    });
    assert_eq!((told[0].start, told[0].end), (at(1_000 * 3_600), end));
    assert_eq!(told.len(), 1);
}

#[test]
fn what_comes_late_or_finds_no_room_is_counted() {
    let mut coverage = Coverage::new(Limits::default(), 1);
    give(&mut coverage, &minute(10, 5, &[CLIENT, OTHER]));
    give(&mut coverage, &minute(10, 6, &[CLIENT]));
    let counters = coverage.counters();
    assert_eq!((counters.minutes, counters.refused), (2, 1));
    advance(&mut coverage, 11 * 3_600 + 10);
    give(&mut coverage, &minute(10, 59, &[CLIENT]));
    assert_eq!(
        (coverage.counters().late, coverage.counters().records),
        (1, 1)
    );
}

#[test]
fn a_large_network_is_told_a_thousand_clients_at_a_time() {
    let mut coverage = Coverage::new(Limits::default(), 10_000);
    let mut all = minute(10, 5, &[]);
    let sums = Sums::default();
    let address = |number: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number));
    all.clients = (0..2_500)
        .map(|number| (address(number), sums.clone()))
        .collect();
    give(&mut coverage, &all);
    let due = at(11 * 3_600 + 10);
    let mut at_boundaries = Vec::new();
    for tenths in [0, 1, 1, 9] {
        let now = due.plus(Duration::from_millis(100 * tenths));
        let mut told = 0;
        coverage.advance(now, &mut |boundary, hour| {
            assert_eq!(boundary, Some(hour.reported));
            assert!(hour.reported <= now);
            told += 1;
        });
        at_boundaries.push(told);
    }
    assert_eq!(at_boundaries, [1_000, 1_000, 0, 500]);
    give(&mut coverage, &minute(11, 5, &[CLIENT]));
    let mut rest = 0;
    coverage.advance(at(12 * 3_600 + 10), &mut |_, _| rest += 1);
    coverage.tell_rest(None, at(0), &mut |_, _| rest += 1);
    assert_eq!(rest, 1);
}

#[test]
fn nobody_outside_the_networks_has_an_hour() {
    let mut coverage = coverage();
    let own: IpAddr = CLIENT.parse().unwrap();
    let minute = minute(10, 5, &[CLIENT, OTHER]);
    coverage.minute(&minute, |client| client == own, &mut |_, _| {});
    let told = advance(&mut coverage, 11 * 3_600 + 10);
    assert_eq!(short(&told), [(CLIENT.to_owned(), 90, 3_600, 1, Complete)]);
}

#[test]
fn frames_without_room_are_of_the_hour() {
    let mut coverage = coverage();
    give(&mut coverage, &minute(10, 5, &[CLIENT]));
    coverage.dropped(10, 90);
    coverage.dropped(0, 10);
    let told = advance(&mut coverage, 11 * 3_600 + 10);
    assert_eq!((told[0].loss, told[0].verdict), (10_000, CannotTell));
    give(&mut coverage, &minute(11, 5, &[CLIENT]));
    let told = advance(&mut coverage, 12 * 3_600 + 10);
    assert_eq!((told[0].loss, told[0].verdict), (0, Complete));
}

/// What the next run makes of it, which begins at `resumed` after one that told everything up to `seen`.
fn resumed(before: &Coverage, seen: i64, resumed: i64) -> Coverage {
    let mut items = Vec::new();
    before
        .kept(&mut |item| items.push(postcard::to_allocvec::<KeptCoverageRef<'_>>(item).unwrap()));
    let items = items
        .iter()
        .map(|bytes| postcard::from_bytes::<KeptCoverage>(bytes).unwrap());
    let items: Vec<KeptCoverage> = items.collect();
    let all = items.len() as u64;
    let mut after = coverage();
    assert_eq!(after.take_up(items, (at(seen), at(resumed)), |_| true), all);
    after
}

#[test]
fn a_short_stop_is_a_remark() {
    let mut before = coverage();
    give(&mut before, &minute(10, 5, &[CLIENT]));
    let mut after = resumed(&before, 36_000 + 600, 36_000 + 605);
    assert!(advance(&mut after, 36_000 + 606).is_empty());
    give(&mut after, &minute(10, 15, &[CLIENT]));
    let told = advance(&mut after, 11 * 3_600 + 10);
    assert_eq!(short(&told), [(CLIENT.to_owned(), 90, 3_600, 2, Complete)]);
    assert_eq!(told[0].blind, [Blind::NotRunning]);
}

#[test]
fn a_stop_of_minutes_makes_the_hour_partial() {
    let mut before = coverage();
    give(&mut before, &minute(10, 5, &[CLIENT]));
    let mut after = resumed(&before, 36_000 + 600, 36_000 + 700);
    let told = advance(&mut after, 11 * 3_600 + 10);
    assert_eq!(short(&told), [(CLIENT.to_owned(), 90, 3_600, 1, Partial)]);
}

#[test]
fn an_interface_that_is_down_is_a_sensor_that_does_not_look() {
    let mut coverage = coverage();
    give(&mut coverage, &minute(10, 5, &[CLIENT]));
    let down = |coverage: &mut Coverage, seconds| {
        (0..seconds).for_each(|_| coverage.blinded(Duration::from_secs(1)));
    };
    down(&mut coverage, 120);
    let told = advance(&mut coverage, 11 * 3_600 + 10);
    assert_eq!(short(&told), [(CLIENT.to_owned(), 90, 3_600, 1, Partial)]);
    assert_eq!(told[0].blind, [Blind::NotRunning]);
    down(&mut coverage, 3_590);
    let told = advance(&mut coverage, 12 * 3_600 + 10);
    let silent = (CLIENT.to_owned(), 3_600, 7_200, 0, CannotTell);
    assert_eq!(short(&told), [silent], "whoever was there may still be");
    assert!(advance(&mut coverage, 13 * 3_600 + 10).is_empty());
}

#[test]
fn hours_without_the_sensor_are_told_of_everybody_who_was_there() {
    let mut before = coverage();
    give(&mut before, &minute(10, 5, &[OTHER]));
    give(&mut before, &minute(10, 50, &[CLIENT]));
    // OTHER was there in the hour before the stop, not in its own.
    give(&mut before, &minute(11, 1, &[CLIENT]));
    let mut after = resumed(&before, 11 * 3_600 + 300, 13 * 3_600 + 600);
    let told = advance(&mut after, 13 * 3_600 + 601);
    let expected = [
        (CLIENT.to_owned(), 3_600, 3_900, 1, CannotTell),
        (OTHER.to_owned(), 3_600, 3_900, 0, CannotTell),
        (CLIENT.to_owned(), 7_200, 10_800, 0, CannotTell),
        (OTHER.to_owned(), 7_200, 10_800, 0, CannotTell),
    ];
    assert_eq!(short(&told), expected);
    assert!(told.iter().all(|hour| hour.blind == [Blind::NotRunning]));
    give(&mut after, &minute(13, 30, &[CLIENT]));
    let told = advance(&mut after, 14 * 3_600 + 10);
    let expected = [
        (CLIENT.to_owned(), 11_400, 14_400, 1, CannotTell),
        (OTHER.to_owned(), 11_400, 14_400, 0, CannotTell),
    ];
    assert_eq!(short(&told), expected);
    give(&mut after, &minute(14, 30, &[CLIENT]));
    let told = advance(&mut after, 15 * 3_600 + 10);
    assert_eq!(
        short(&told),
        [(CLIENT.to_owned(), 14_400, 18_000, 1, Complete)]
    );
}

#[test]
fn a_stop_over_the_full_hour_costs_what_it_took_of_each() {
    let mut before = coverage();
    give(&mut before, &minute(10, 58, &[CLIENT]));
    let mut after = resumed(&before, 11 * 3_600 - 10, 11 * 3_600 + 10);
    let told = advance(&mut after, 11 * 3_600 + 11);
    assert_eq!(short(&told), [(CLIENT.to_owned(), 90, 3_590, 1, Complete)]);
    assert!(
        advance(&mut after, 12 * 3_600 + 10).is_empty(),
        "it was not there any more"
    );
}

#[test]
fn an_hour_that_makes_no_sense_is_not_taken_up() {
    let mut before = coverage();
    give(&mut before, &minute(10, 58, &[CLIENT]));
    let mut items = Vec::new();
    before
        .kept(&mut |item| items.push(postcard::to_allocvec::<KeptCoverageRef<'_>>(item).unwrap()));
    let read = || {
        let items = items
            .iter()
            .map(|bytes| postcard::from_bytes::<KeptCoverage>(bytes).unwrap());
        items.collect::<Vec<_>>()
    };
    for seen in [9 * 3_600, 13 * 3_600] {
        assert_eq!(
            coverage().take_up(read(), (at(seen), at(seen)), |_| true),
            0,
            "{seen}"
        );
    }
    assert_eq!(
        coverage().take_up(read(), (at(39_590), at(39_600)), |_| false),
        1
    );
}
