//! Whose doing it is, over changes of addresses.

use std::sync::Arc;

use super::{
    Access, CAB, CHECK, DOWNLOAD, at, burst, catalogue, endpoint, exchange, question, range, run,
};
use crate::updates::Fact;
use crate::updates::fact::{Contact, Exchange};
use crate::updates::hosts::{Evidence, Hops, HostKey, Mac, Neighbour};

const ONE: Mac = [2, 0, 0, 0, 0, 1];
const OTHER: Mac = [2, 0, 0, 0, 0, 2];
const V4: &str = "192.0.2.20";
const V6: &str = "2001:db8::20";

fn says(time: f64, address: &str, mac: Mac, what: Evidence) -> Fact {
    Fact::Neighbour(Neighbour {
        time: at(time),
        address: address.parse().unwrap(),
        mac,
        what,
    })
}

fn sighted(time: f64, address: &str, mac: Mac) -> Fact {
    let hops = Hops::of(64);
    says(time, address, mac, Evidence::Packet { hops, stack: None })
}

/// The same from another address.
fn from(address: &str, fact: Fact) -> Fact {
    let moved = |contact: &Arc<Contact>| {
        let mut contact = Contact::clone(contact);
        contact.client = endpoint(address, 50_000);
        Arc::new(contact)
    };
    match fact {
        Fact::Activity(mut activity) => {
            activity.contact = moved(&activity.contact);
            Fact::Activity(activity)
        }
        Fact::Asked(mut question) => {
            question.client = endpoint(address, 50_000);
            Fact::Asked(question)
        }
        other => other,
    }
}

fn cab(flow: u64, time: f64, (start, end): (u64, u64)) -> Fact {
    let part: Exchange = range(CAB, start, end, 3_000_000);
    exchange(DOWNLOAD, flow, time, part)
}

fn macs(accesses: &[Access]) -> Vec<Option<Mac>> {
    accesses.iter().map(|access| access.host.mac()).collect()
}

#[test]
fn a_check_over_one_family_and_a_download_over_the_other_are_one_session() {
    let facts = [
        says(0.0, V6, ONE, Evidence::Ndp),
        says(0.0, V4, ONE, Evidence::Arp),
        from(V6, burst(CHECK, 1, 1.0, 2.0, 9_000)),
        cab(2, 10.0, (0, 3_000_000)),
    ];
    let (accesses, sessions) = run(&facts);
    assert_eq!(macs(&accesses), [Some(ONE); 2]);
    assert_eq!(sessions.len(), 1);
    assert_eq!((sessions[0].checks, sessions[0].downloads), (1, 1));
    assert_eq!(sessions[0].client, V6.parse::<std::net::IpAddr>().unwrap());
    assert_eq!(
        run(&facts[2..]).1.len(),
        2,
        "nobody knows that they are one"
    );
}

#[test]
fn a_name_asked_over_one_family_is_reached_over_the_other() {
    let facts = [
        says(0.0, V6, ONE, Evidence::Ndp),
        says(0.0, V4, ONE, Evidence::Arp),
        Fact::Asked(question(CHECK, 1.0)),
        from(V6, burst(CHECK, 1, 1.5, 2.0, 9_000)),
    ];
    let (accesses, _) = run(&facts);
    assert_eq!(accesses.len(), 1, "nothing was only resolved");
    assert_eq!(accesses[0].asked, Some(at(1.0)));
}

#[test]
fn what_is_open_when_an_address_changes_hands_stays_with_its_host() {
    // Halves of one file, at one address within a minute, by two hosts.
    let facts = [
        says(0.0, V4, ONE, Evidence::Arp),
        cab(1, 1.0, (0, 1_500_000)),
        says(10.0, V4, OTHER, Evidence::Arp),
        cab(2, 20.0, (1_500_000, 3_000_000)),
    ];
    let (accesses, sessions) = run(&facts);
    assert_eq!(macs(&accesses), [Some(ONE), Some(OTHER)]);
    assert!(
        accesses
            .iter()
            .all(|access| access.ranges_percent == Some(50))
    );
    assert!(
        accesses
            .iter()
            .all(|access| access.verdict.as_str() == "partial")
    );
    assert_eq!(sessions.len(), 2);
    // Without the change of hands it is one download.
    let [_, first, _, second] = facts;
    let (accesses, _) = run(&[first, second]);
    assert_eq!(accesses[0].ranges_percent, Some(100));
}

#[test]
fn a_flow_that_outlives_the_change_stays_with_its_host() {
    let facts = [
        says(0.0, V4, ONE, Evidence::Arp),
        says(5.0, V4, OTHER, Evidence::Arp),
        // It began at 1 s, and told something after the change.
        burst(CHECK, 1, 1.0, 8.0, 9_000),
    ];
    assert_eq!(macs(&run(&facts).0), [Some(ONE)]);
}

#[test]
fn a_host_that_moves_has_one_session_and_all_parts_of_its_file() {
    let facts = [
        says(0.0, V4, ONE, Evidence::Arp),
        cab(1, 1.0, (0, 1_500_000)),
        says(9.0, "192.0.2.30", ONE, Evidence::Probe),
        says(10.0, "192.0.2.30", ONE, Evidence::Arp),
        from("192.0.2.30", cab(2, 20.0, (1_500_000, 3_000_000))),
    ];
    let (accesses, sessions) = run(&facts);
    assert_eq!(macs(&accesses), [Some(ONE); 2]);
    let last = accesses.iter().max_by_key(|access| access.start).unwrap();
    assert_eq!(last.ranges_percent, Some(100));
    assert_eq!(sessions.len(), 1);
}

#[test]
fn many_addresses_of_one_machine_that_says_nothing_of_itself_are_as_many_hosts() {
    let facts = [
        says(0.0, V4, ONE, Evidence::Arp),
        burst(CHECK, 1, 1.0, 2.0, 9_000),
        says(3.0, "192.0.2.30", ONE, Evidence::Arp),
        from("192.0.2.30", burst(CHECK, 2, 4.0, 5.0, 9_000)),
        cab(3, 10.0, (0, 3_000_000)),
    ];
    let (accesses, sessions) = run(&facts);
    assert_eq!(macs(&accesses), [None; 3]);
    let mut of_first = sessions
        .iter()
        .filter(|session| session.client.to_string() == V4);
    let first = of_first.next().unwrap();
    assert_eq!((first.checks, first.downloads), (1, 1));
    assert!(of_first.next().is_none() && sessions.len() == 2);
}

#[test]
fn what_is_open_goes_over_when_a_host_says_who_it_is() {
    let facts = [
        sighted(0.0, V4, ONE),
        Fact::Asked(question(DOWNLOAD, 0.5)),
        burst(CHECK, 1, 1.0, 2.0, 9_000),
        says(8.0, V4, ONE, Evidence::Arp),
        says(8.0, V6, ONE, Evidence::Ndp),
        from(V6, cab(2, 10.0, (0, 3_000_000))),
    ];
    let (accesses, sessions) = run(&facts);
    assert_eq!(macs(&accesses), [Some(ONE); 2]);
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].host, HostKey::Mac(ONE));
    assert!(catalogue().find(DOWNLOAD).is_some());
}
