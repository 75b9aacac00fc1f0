//! What a client has of a file.

use std::sync::Arc;

use super::{CAB, DOWNLOAD, at, burst, contact, endpoint, exchange, get, range, run, verdicts};
use crate::updates::Fact;
use crate::updates::fact::{Activity, Contact, Ended, Exchange};
use crate::updates::hosts::{Evidence as Shown, Hops, Neighbour};
use crate::updates::verdict::{Evidence, Offered, Outcome, Verdict};

const FIREFOX: &str = "download.mozilla.org";
const MAR: &str = "/pub/firefox/releases/140.0/update/firefox-140.0.complete.mar";

fn ended(name: &str, flow_id: u64, time: f64, change: impl FnOnce(&mut Ended)) -> Fact {
    let mut ended = Ended {
        contact: contact(name, flow_id, 0.0),
        end: at(time),
        time: at(time),
        bytes_toserver: 0,
        bytes_toclient: 0,
        rest_toserver: 0,
        rest_toclient: 0,
        was_reset: true,
        unreceived: 0,
        is_cut: false,
        application: None,
    };
    change(&mut ended);
    Fact::Ended(ended)
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
    // What is broken off behind it says that the client wants it once more.
    let third = exchange(FIREFOX, 3, 3.0, broken(1_200_000, 10_000));
    assert_eq!(only(&[again, third]).0, "partial");
    // Another file is another file.
    let other = get(
        "/debian/dists/trixie/contrib/Packages.xz",
        200,
        90_000,
        90_000,
    );
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
    assert_eq!(only(&[first.clone(), rest(2_010_000)]).0, "downloaded");
    assert_eq!(only(&[first, rest(1_500_000)]).0, "partial");
}

#[test]
fn what_a_client_that_reset_the_connection_never_acknowledged_it_has_not() {
    let all = || exchange(FIREFOX, 1, 0.0, get(MAR, 200, 300_000, 300_000));
    let reset = |flow, unreceived| ended(FIREFOX, flow, 1.0, |end| end.unreceived = unreceived);
    assert_eq!(only(&[all(), reset(1, 0)]).0, "downloaded");
    let partial = ("partial", "high", Some(300_000), Some(64));
    assert_eq!(only(&[all(), reset(1, 105_219)]), partial);
    // Another flow's, or that of what came behind it, is not the file's.
    assert_eq!(only(&[all(), reset(2, 105_219)]).0, "downloaded");
    let small = exchange(FIREFOX, 1, 0.5, get("/missing", 404, 900, 900));
    assert_eq!(only(&[all(), small, reset(1, 900)]).0, "downloaded");
    // Fetched again, it is there.
    let again = exchange(FIREFOX, 3, 2.0, get(MAR, 200, 300_000, 300_000));
    assert_eq!(only(&[all(), reset(1, 105_219), again]).0, "downloaded");
}

#[test]
fn a_part_is_trusted_less_where_more_may_be_there() {
    let whole = || get(MAR, 200, 1_000_000, 500_000);
    let broken = exchange(FIREFOX, 1, 0.0, whole());
    let over = |is_cut| ended(FIREFOX, 1, 1.0, |end| end.is_cut = is_cut);
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
}

#[test]
fn whoever_asks_for_the_first_byte_asks_for_the_size() {
    let (accesses, sessions) = run(&[exchange(FIREFOX, 1, 0.0, range(MAR, 0, 1, 2_000_000))]);
    assert_eq!(accesses[0].verdict, Verdict::Checked);
    assert_eq!(sessions[0].offered, Offered::Unknown);
}
