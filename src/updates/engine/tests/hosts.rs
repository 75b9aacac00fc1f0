//! Whose doing it is, over changes of addresses.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;

use super::{
    CAB, CHECK, DOWNLOAD, at, burst, catalogue, contact, endpoint, exchange, question, range, run,
    verdicts,
};
use crate::updates::engine::{Cause, Engine};
use crate::updates::fact::{Activity, Contact, Exchange, Failure};
use crate::updates::hosts::{Evidence, Hops, HostKey, Mac, Neighbour};
use crate::updates::output::{Access, Output, Session};
use crate::updates::verdict::Evidence as Told;
use crate::updates::{Fact, UpdateOptions};

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

/// What a worker tells of a large transfer before it is over.
fn grows(flow: u64, start: f64, now: f64) -> Fact {
    let Fact::Activity(large) = burst(DOWNLOAD, flow, start, now, 400_000) else {
        unreachable!()
    };
    Fact::Activity(Activity {
        is_ongoing: true,
        time: at(now),
        ..large
    })
}

#[test]
fn sessions_of_two_addresses_become_one_and_keep_the_id_that_was_told() {
    let facts = [
        sighted(0.0, V4, ONE),
        sighted(0.0, V6, ONE),
        burst(CHECK, 1, 1.0, 2.0, 9_000),
        from(V6, grows(2, 8.0, 9.0)),
        says(10.0, V4, ONE, Evidence::Arp),
        says(10.0, V6, ONE, Evidence::Ndp),
        from(V6, burst(DOWNLOAD, 2, 8.0, 12.0, 900_000)),
    ];
    let (accesses, sessions) = run(&facts);
    let named: Vec<_> = accesses.iter().map(|access| access.session).collect();
    assert_eq!(named, [Some(sessions[0].id); 3]);
    assert_eq!(sessions.len(), 1);
    assert_eq!((sessions[0].checks, sessions[0].downloads), (1, 1));
    assert_eq!(sessions[0].outcome.as_str(), "downloaded");
    assert_eq!(sessions[0].start, at(1.0));
    assert_eq!(sessions[0].client, V4.parse::<std::net::IpAddr>().unwrap());
    assert_eq!(sessions[0].reported, at(612.0));
}

#[test]
fn sessions_that_were_both_told_stay_two() {
    let facts = [
        sighted(0.0, V4, ONE),
        sighted(0.0, V6, ONE),
        grows(1, 1.0, 2.0),
        from(V6, grows(2, 1.5, 2.0)),
        says(10.0, V4, ONE, Evidence::Arp),
        says(10.0, V6, ONE, Evidence::Ndp),
        burst(DOWNLOAD, 1, 1.0, 12.0, 900_000),
        from(V6, burst(DOWNLOAD, 2, 1.5, 12.0, 900_000)),
        from(V6, burst(CHECK, 3, 15.0, 16.0, 9_000)),
    ];
    let (accesses, sessions) = run(&facts);
    counts(&accesses, &sessions);
    assert_eq!(sessions.len(), 2);
    assert!(sessions.iter().all(|session| session.downloads == 1));
    assert!(
        sessions
            .iter()
            .all(|session| session.host == HostKey::Mac(ONE))
    );
}

#[test]
fn what_goes_back_to_another_address_leaves_the_session_unless_it_was_told() {
    let shared = |told: &[Fact]| {
        let begin = [
            says(0.0, V4, ONE, Evidence::Arp),
            says(0.0, V6, ONE, Evidence::Ndp),
            burst(CHECK, 1, 1.0, 2.0, 9_000),
        ];
        let end = [
            says(15.0, "192.0.2.30", ONE, Evidence::Arp),
            from(V6, burst(DOWNLOAD, 2, 3.0, 16.0, 900_000)),
        ];
        let facts: Vec<Fact> = begin.into_iter().chain(told.to_vec()).chain(end).collect();
        let (accesses, sessions) = run(&facts);
        counts(&accesses, &sessions);
        assert_eq!(macs(&accesses).last(), Some(&None));
        sessions.len()
    };
    assert_eq!(shared(&[from(V6, grows(2, 3.0, 9.0))]), 1);
    assert_eq!(shared(&[from(V6, burst(CHECK, 3, 3.0, 4.0, 9_000))]), 2);
}

#[test]
fn a_name_asked_over_both_families_is_reached_once_they_are_known_to_be_one() {
    let facts = [
        sighted(0.0, V4, ONE),
        sighted(0.0, V6, ONE),
        Fact::Asked(question(CHECK, 1.0)),
        from(V6, Fact::Asked(question(CHECK, 1.1))),
        says(5.0, V4, ONE, Evidence::Arp),
        says(5.0, V6, ONE, Evidence::Ndp),
        from(V6, burst(CHECK, 1, 6.0, 7.0, 9_000)),
    ];
    let (accesses, _) = run(&facts);
    assert_eq!(accesses.len(), 1, "nothing was only resolved");
    assert_eq!(accesses[0].asked, Some(at(1.0)));
}

fn refused(time: f64) -> Fact {
    Fact::Failed(Failure {
        contact: contact(CHECK, 9, time),
        refused: true,
        evidence: None,
        time: at(time),
        end: at(time),
        bytes_toserver: 180,
        bytes_toclient: 0,
    })
}

#[test]
fn a_name_may_have_been_asked_for_whoever_tried_to_reach_it_without() {
    let asked = from(V6, Fact::Asked(question(CHECK, 1.0)));
    let (accesses, _) = run(std::slice::from_ref(&asked));
    assert_eq!(verdicts(&accesses), [("check", "resolved", "medium")]);
    let (accesses, _) = run(&[asked, refused(2.0)]);
    let mut told = verdicts(&accesses);
    told.sort_unstable();
    assert_eq!(
        told,
        [("check", "refused", "medium"), ("check", "resolved", "low")]
    );
}

#[test]
fn a_failure_over_one_family_is_a_fallback_of_a_contact_over_the_other() {
    let failed = refused(2.0);
    let facts = [
        sighted(0.0, V4, ONE),
        sighted(0.0, V6, ONE),
        from(V6, burst(CHECK, 1, 1.0, 2.0, 9_000)),
        failed,
        says(10.0, V4, ONE, Evidence::Arp),
        says(10.0, V6, ONE, Evidence::Ndp),
    ];
    let (accesses, _) = run(&facts);
    assert_eq!(accesses.len(), 1);
    assert!(accesses[0].evidence.contains(&Told::Fallback));
}

/// Each session tells what the accesses that name it came to, and each access names one that is told.
fn counts(accesses: &[Access], sessions: &[Session]) {
    let mut ids: Vec<u64> = sessions.iter().map(|session| session.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), sessions.len(), "a session was told twice");
    for session in sessions {
        let own = |access: &&Access| access.is_final && access.session == Some(session.id);
        let own: Vec<&Access> = accesses.iter().filter(own).collect();
        let of = |verdict: &str| {
            let same = own
                .iter()
                .filter(|access| access.verdict.as_str() == verdict);
            same.count() as u64
        };
        assert_eq!(
            (session.checks, session.downloads),
            (of("checked"), of("downloaded"))
        );
        let delivered: u64 = own.iter().map(|access| access.delivered_toclient).sum();
        assert_eq!(session.delivered_toclient, delivered);
        let strongest = ["downloaded", "partial", "checked"];
        let strongest = strongest.iter().find(|verdict| of(verdict) > 0);
        let outcome = session.outcome.as_str();
        let outcome = if outcome == "offered" {
            "checked"
        } else {
            outcome
        };
        assert_eq!(strongest, Some(&outcome));
        assert_eq!(
            Some(session.start),
            own.iter().map(|access| access.start).min()
        );
        let end = own.iter().map(|access| access.end).max().unwrap();
        assert!(session.end >= end);
        assert!(own.iter().all(|access| access.reported <= session.reported));
    }
    let named = accesses.iter().filter(|access| access.is_final);
    let mut named = named.filter_map(|access| access.session);
    assert!(named.all(|id| ids.binary_search(&id).is_ok()));
}

/// A step of a network on which hosts say who they are, and are found out.
fn step() -> impl Strategy<Value = (u8, u8, u8, u16)> {
    (0_u8..10, 0_u8..4, 0_u8..2, 1_u16..200)
}

fn fact_of((what, who, which, _): (u8, u8, u8, u16), flow: u64, time: f64) -> Fact {
    let address = [V4, V6, "192.0.2.30", "2001:db8::30"][usize::from(who)];
    let mac = [ONE, OTHER][usize::from(which)];
    let name = [CHECK, DOWNLOAD][usize::from(which)];
    let says_so = if who % 2 == 0 {
        Evidence::Arp
    } else {
        Evidence::Ndp
    };
    match what {
        0 => says(time, address, mac, says_so),
        1 => says(time, address, mac, Evidence::Probe),
        2 => sighted(time, address, mac),
        3 => says(time, address, mac, Evidence::Router),
        4 | 5 => from(address, grows(flow, time - 1.0, time)),
        6 => from(address, Fact::Asked(question(name, time))),
        7 => from(address, cab(flow, time, (0, 1_500_000))),
        _ => from(address, burst(name, flow, time - 7.0, time - 5.0, 9_000)),
    }
}

proptest! {
    #[test]
    fn whatever_becomes_of_hosts_a_session_tells_all_of_its_accesses(
        steps in vec(step(), 1..60),
        most in select(vec![4_usize, 1_000]),
    ) {
        let options = UpdateOptions { max_open: most, ..UpdateOptions::default() };
        let mut engine = Engine::new(catalogue(), options);
        let (mut accesses, mut sessions, mut time) = (Vec::new(), Vec::new(), 10.0);
        let mut sink = |_: Cause, output| match output {
            Output::Access(access) => accesses.push(*access),
            Output::Session(session) => sessions.push(*session),
            Output::Binding(_) | Output::Coverage(_) => {}
        };
        for (flow, step) in (1..).zip(steps) {
            time += f64::from(step.3) / 7.0;
            engine.fact(&fact_of(step, flow, time), &mut sink);
        }
        // By then whatever goes on is over; nothing waits for the end of input.
        engine.advance(at(time + 100_000.0), &mut sink);
        prop_assert_eq!(engine.open_entries(), 0);
        prop_assert_eq!(engine.bytes, 0);
        prop_assert!(engine.timers.is_empty());
        counts(&accesses, &sessions);
    }
}
