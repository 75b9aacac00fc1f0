//! What a client has of a file.

use std::sync::Arc;

use super::{CAB, DOWNLOAD, at, burst, contact, endpoint, exchange, get, range, run, verdicts};
use crate::updates::Fact;
use crate::updates::fact::{Activity, Contact, Ended, Exchange};
use crate::updates::hosts::{Evidence as Shown, Hops, Neighbour};
use crate::updates::verdict::{Evidence, Offered, Outcome, Verdict};

const FIREFOX: &str = "download.mozilla.org";
const MAR: &str = "/pub/firefox/releases/140.0/update/firefox-140.0.complete.mar";

#[test]
fn who_asks_anew_for_a_file_that_came_whole_has_what_comes_then() {
    let whole =
        |flow_id, time, got| exchange(FIREFOX, flow_id, time, get(MAR, 200, 1_000_000, got));
    let (accesses, _) = run(&[whole(1, 0.0, 1_000_000), whole(2, 300.0, 200_000)]);
    let told = accesses.iter().map(|access| {
        let percent = access.ranges_percent;
        (
            access.verdict,
            access.evidence.contains(&Evidence::ContentLengthReached),
            percent,
        )
    });
    let told: Vec<_> = told.collect();
    assert_eq!(
        told,
        [
            (Verdict::Downloaded, true, Some(100)),
            (Verdict::Partial, false, Some(20))
        ]
    );
    let rest = exchange(FIREFOX, 3, 310.0, range(MAR, 200_000, 1_000_000, 1_000_000));
    let (accesses, _) = run(&[whole(1, 0.0, 1_000_000), whole(2, 300.0, 200_000), rest]);
    assert_eq!(accesses[1].verdict, Verdict::Downloaded, "it went on");
}

fn ended(flow_id: u64, time: f64, change: impl FnOnce(&mut Ended)) -> Fact {
    let mut ended = Ended {
        contact: contact(FIREFOX, flow_id, 0.0),
        end: at(time),
        time: at(time),
        bytes_toserver: 0,
        bytes_toclient: 0,
        rest_toserver: 0,
        rest_toclient: 0,
        was_reset: false,
        acknowledged: None,
        is_cut: false,
        application: None,
    };
    change(&mut ended);
    Fact::Ended(ended)
}

/// The client reset the flow, and had acknowledged so much of what was sent to it.
fn reset(flow_id: u64, time: f64, acknowledged: u64) -> Fact {
    ended(flow_id, time, |end| {
        end.was_reset = true;
        end.acknowledged = Some(acknowledged);
    })
}

/// What ends there in its flow.
fn up_to(end: u64, exchange: Exchange) -> Exchange {
    Exchange {
        end: Some(end),
        ..exchange
    }
}

/// Verdict, confidence, size of all files, percent of the only access.
fn only(facts: &[Fact]) -> (&'static str, &'static str, Option<u64>, Option<u8>) {
    let (accesses, _) = run(facts);
    let [access] = &*accesses else {
        panic!("{accesses:?}");
    };
    (
        access.verdict.as_str(),
        access.confidence.as_str(),
        access.bytes_expected,
        access.ranges_percent,
    )
}

#[test]
fn what_a_client_has_of_a_file_moves_with_it_to_its_host() {
    let says = |what| {
        Fact::Neighbour(Neighbour {
            time: at(1.0),
            address: endpoint("192.0.2.20", 0).address,
            mac: [2, 0, 0, 0, 0, 1],
            what,
        })
    };
    let hops = Hops::of(64);
    let sighted = says(Shown::Packet { hops, stack: None });
    let parts = |between: Vec<Fact>| {
        let first = exchange(FIREFOX, 1, 0.0, range(MAR, 0, 1_000_000, 2_000_000));
        let second = range(MAR, 1_000_000, 2_000_000, 2_000_000);
        let second = exchange(FIREFOX, 2, 2.0, second);
        [vec![first], between, vec![second]].concat()
    };
    let whole = ("downloaded", "high", Some(2_000_000), Some(100));
    assert_eq!(only(&parts(Vec::new())), whole);
    assert_eq!(only(&parts(vec![sighted, says(Shown::Arp)])), whole);
}

#[test]
fn what_was_tried_in_vain_is_made_good_by_what_comes_whole() {
    let broken = |length, body| get(MAR, 200, length, body);
    // It has another size by now. Told in either order: what is broken off is told when its flow ends.
    let first = exchange(FIREFOX, 1, 0.0, broken(1_000_000, 350_000));
    let again = exchange(FIREFOX, 2, 1.0, broken(1_100_000, 1_100_000));
    let whole = ("downloaded", "high", Some(1_100_000), Some(100));
    assert_eq!(only(&[first.clone(), again.clone()]), whole);
    let late = |fact: &Fact| match fact {
        Fact::Activity(activity) => Fact::Activity(Activity {
            time: at(2.0),
            ..activity.clone()
        }),
        _ => unreachable!(),
    };
    assert_eq!(only(&[again.clone(), late(&first)]), whole);
    let halves = [(0, 500_000), (500_000, 1_100_000)];
    let halves =
        halves.map(|(from, to)| exchange(FIREFOX, 2, 1.0, range(MAR, from, to, 1_100_000)));
    let [one, other] = &halves;
    let facts = [first.clone(), one.clone(), other.clone()];
    assert_eq!(only(&facts), whole);
    let facts = [one.clone(), other.clone(), late(&first)];
    assert_eq!(only(&facts), whole);
    // What is broken off behind it says that the client wants it once more.
    let third = exchange(FIREFOX, 3, 3.0, broken(1_200_000, 10_000));
    assert_eq!(only(&[again, third]).0, "partial");
    // An answer that is smaller than what had come is something else; so is another file.
    let refusal = exchange(FIREFOX, 2, 1.0, get(MAR, 200, 2_000, 2_000));
    assert_eq!(only(&[first.clone(), refusal]).0, "partial");
    let other = get("/pub/something/else.bin", 200, 90_000, 90_000);
    assert_eq!(
        only(&[first, exchange(FIREFOX, 2, 1.0, other)]).0,
        "partial"
    );
}

#[test]
fn parts_of_one_file_may_come_from_several_servers() {
    let path = "/pub/firefox/releases/140.0/linux-x86_64/en-US/firefox.tar.xz";
    let part = |flow, from, to| {
        let mut fact = exchange(FIREFOX, flow, flow as f64, range(path, from, to, 2_000_000));
        if let Fact::Activity(activity) = &mut fact {
            let mut contact = Contact::clone(&activity.contact);
            contact.name = format!("mirror-{flow}.example");
            activity.contact = Arc::new(contact);
        }
        fact
    };
    let whole = only(&[part(1, 0, 900_000), part(2, 900_000, 2_000_000)]);
    assert_eq!((whole.0, whole.3), ("downloaded", Some(100)));
}

#[test]
fn volume_over_tls_fills_what_plain_http_left() {
    let first = exchange(FIREFOX, 1, 0.0, get(MAR, 200, 2_000_000, 400_000));
    let rest = |bytes| burst(FIREFOX, 2, 1.0, 2.0, bytes);
    let whole = ("downloaded", "medium", Some(2_000_000), Some(100));
    assert_eq!(only(&[first.clone(), rest(2_010_000)]), whole);
    assert_eq!(only(&[first, rest(1_500_000)]).0, "partial");
    // What went over before was something else.
    let late = exchange(FIREFOX, 3, 9.0, get(MAR, 200, 2_000_000, 400_000));
    assert_eq!(only(&[rest(2_010_000), late.clone()]).0, "partial");
    let small = burst(FIREFOX, 4, 10.0, 11.0, 300_000);
    assert_eq!(only(&[rest(2_010_000), late, small]).0, "partial");
}

#[test]
fn what_a_client_that_reset_the_connection_never_acknowledged_it_has_not() {
    let all = || {
        exchange(
            FIREFOX,
            1,
            0.0,
            up_to(300_300, get(MAR, 200, 300_000, 300_000)),
        )
    };
    assert_eq!(only(&[all(), reset(1, 1.0, 300_300)]).0, "downloaded");
    let partial = ("partial", "high", Some(300_000), Some(65));
    assert_eq!(only(&[all(), reset(1, 1.0, 195_300)]), partial);
    // Another flow's is not the file's, nor is what came behind it.
    assert_eq!(only(&[all(), reset(2, 1.0, 195_300)]).0, "downloaded");
    let small = up_to(301_500, get("/missing", 404, 900, 900));
    let small = exchange(FIREFOX, 1, 0.5, small);
    assert_eq!(
        only(&[all(), small, reset(1, 1.0, 300_300)]).0,
        "downloaded"
    );
    let other = get(&MAR.replace("140", "141"), 200, 900_000, 900_000);
    let other = exchange(FIREFOX, 2, 0.5, other);
    assert_eq!(only(&[all(), other, reset(1, 1.0, 195_300)]).0, "partial");
    // Without a length.
    let endless = |is_complete| Exchange {
        content_length: None,
        is_complete,
        ..up_to(300_300, get(MAR, 200, 300_000, 300_000))
    };
    let endless = exchange(FIREFOX, 1, 0.0, endless(true));
    let over = [endless.clone(), reset(1, 1.0, 300_300)];
    assert_eq!(only(&over).0, "downloaded");
    assert_eq!(only(&[endless, reset(1, 1.0, 195_300)]).0, "partial");
}

#[test]
fn what_was_taken_back_has_to_come_again() {
    let all = exchange(
        FIREFOX,
        1,
        0.0,
        up_to(300_300, get(MAR, 200, 300_000, 300_000)),
    );
    let rest = |end| exchange(FIREFOX, 3, 2.0, range(MAR, 195_000, end, 300_000));
    let with = |rest| only(&[all.clone(), reset(1, 1.0, 195_300), rest]).0;
    assert_eq!(with(rest(195_010)), "partial");
    assert_eq!(with(rest(300_000)), "downloaded");
    // What the client had before stays.
    let twice = up_to(50_100, get(MAR, 200, 300_000, 50_000));
    let twice = exchange(FIREFOX, 2, 0.5, twice);
    let facts = [
        all.clone(),
        reset(1, 1.0, 300_300),
        twice,
        reset(2, 2.0, 100),
    ];
    assert_eq!(only(&facts).0, "downloaded");
    // What was fetched again before it showed stays.
    let again = exchange(FIREFOX, 3, 0.5, get(MAR, 200, 300_000, 300_000));
    assert_eq!(only(&[all, again, reset(1, 1.0, 195_300)]).0, "downloaded");
}

#[test]
fn a_part_is_trusted_less_where_more_may_be_there() {
    let whole = || get(MAR, 200, 1_000_000, 500_000);
    let broken = exchange(FIREFOX, 1, 0.0, whole());
    let over = |is_cut| ended(1, 1.0, |end| end.is_cut = is_cut);
    let told = |facts: &[Fact]| {
        let (accesses, _) = run(facts);
        let is_cut = accesses[0].evidence.contains(&Evidence::CaptureEnd);
        (
            accesses[0].verdict.as_str(),
            accesses[0].confidence.as_str(),
            is_cut,
        )
    };
    assert_eq!(
        told(&[broken.clone(), over(false)]),
        ("partial", "high", false)
    );
    assert_eq!(told(&[broken, over(true)]), ("partial", "medium", true));
    // An idle connection beside it says nothing.
    let beside = ended(2, 1.0, |end| end.is_cut = true);
    let broken = exchange(FIREFOX, 1, 0.0, whole());
    assert_eq!(told(&[broken, over(false), beside]).1, "high");
    let rest = range(MAR, 100_000, 1_000_000, 1_000_000);
    let rest = exchange(FIREFOX, 1, 0.0, rest);
    assert_eq!(told(&[rest]), ("partial", "medium", false));
    let unknown = Exchange {
        content_range: None,
        ..range(MAR, 0, 500_000, 1_000_000)
    };
    let unknown = exchange(FIREFOX, 1, 0.0, unknown);
    assert_eq!(told(&[unknown]), ("partial", "medium", false));
    let unseen = Exchange {
        status: None,
        content_length: None,
        ..whole()
    };
    let unseen = exchange(FIREFOX, 1, 0.0, unseen);
    assert_eq!(told(&[unseen]), ("downloaded", "medium", false));
}

#[test]
fn pieces_of_an_express_package_are_all_that_a_client_wants() {
    let path = CAB.replace(".cab", ".psf");
    let (accesses, sessions) = run(&[
        exchange(DOWNLOAD, 1, 0.0, get(CAB, 200, 50_000, 50_000)),
        exchange(DOWNLOAD, 1, 1.0, range(&path, 5_000, 900_000, 8_000_000)),
        exchange(
            DOWNLOAD,
            1,
            2.0,
            range(&path, 2_000_000, 2_600_000, 8_000_000),
        ),
    ]);
    assert_eq!(verdicts(&accesses), [("download", "downloaded", "medium")]);
    assert_eq!(sessions[0].outcome, Outcome::Downloaded);
    let broken = Exchange {
        body_bytes: 1_000,
        is_complete: false,
        ..range(&path, 2_000_000, 2_600_000, 8_000_000)
    };
    let pieces = [range(&path, 5_000, 900_000, 8_000_000), broken];
    for order in [[0, 1], [1, 0]] {
        let mut times = [0.0, 1.0].into_iter();
        let facts = order.map(|piece| {
            let time = times.next().unwrap();
            exchange(DOWNLOAD, 1, time, pieces[piece].clone())
        });
        assert_eq!(only(&facts).0, "partial", "{order:?}");
        // The rest of the piece makes it whole.
        let rest = range(&path, 2_001_000, 2_600_000, 8_000_000);
        let rest = exchange(DOWNLOAD, 1, 2.0, rest);
        assert_eq!(only(&[&facts[..], &[rest]].concat()).0, "downloaded");
    }
}

#[test]
fn whoever_asks_for_the_first_byte_asks_for_the_size() {
    let (accesses, sessions) = run(&[exchange(FIREFOX, 1, 0.0, range(MAR, 0, 1, 2_000_000))]);
    assert_eq!(accesses[0].verdict, Verdict::Checked);
    assert_eq!(sessions[0].offered, Offered::Unknown);
}
