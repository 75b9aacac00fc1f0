use super::*;

const ONE: Mac = [2, 0, 0, 0, 0, 1];
const OTHER: Mac = [2, 0, 0, 0, 0, 2];
const ROUTER: Mac = [2, 0, 0, 0, 0, 9];
const A: &str = "192.0.2.1";
const B: &str = "192.0.2.2";
const V6: &str = "2001:db8::1";
const PRIVACY: &str = "2001:db8::9999";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_000_000 + seconds, 0)
}

/// Hosts, and what they told.
struct Case {
    hosts: Hosts,
    told: Vec<Told>,
    adopted: Vec<IpAddr>,
}

impl Case {
    fn new() -> Self {
        Self {
            hosts: Hosts::new(1 << 20),
            told: Vec::new(),
            adopted: Vec::new(),
        }
    }

    fn say(&mut self, seconds: i64, of: &str, mac: Mac, what: Evidence) {
        let evidence = Neighbour {
            time: at(seconds),
            address: address(of),
            mac,
            what,
        };
        let told = &mut self.told;
        self.hosts
            .advance(at(seconds), &mut |_, binding| told.push(binding));
        let adopted = self
            .hosts
            .take_in(&evidence, &mut |binding| told.push(binding));
        self.adopted.extend(adopted);
    }

    fn packet(&mut self, seconds: i64, of: &str, mac: Mac, hop_limit: u8) {
        let hops = Hops::of(hop_limit);
        self.say(seconds, of, mac, Evidence::Packet { hops, stack: None });
    }

    fn syn(&mut self, seconds: i64, of: &str, mac: Mac, hop_limit: u8, stack: u32) {
        let (hops, stack) = (Hops::of(hop_limit), Some(stack));
        self.say(seconds, of, mac, Evidence::Packet { hops, stack });
    }

    fn given(&mut self, seconds: i64, of: &str, mac: Mac, for_s: i64) {
        let until = at(seconds + for_s);
        self.say(seconds, of, mac, Evidence::Given(Some(until)));
    }

    /// The MAC address of whoever had `of` then.
    fn who(&self, of: &str, seconds: i64) -> Option<Mac> {
        self.hosts.key_of(address(of), at(seconds)).mac()
    }

    fn count(&self, name: &str) -> u64 {
        let mut counts = self.hosts.counts();
        counts.find(|(known, _)| *known == name).unwrap().1
    }
}

#[test]
fn what_a_mirror_shows_just_before_the_first_frame_of_a_host_is_the_hosts() {
    let mut case = Case::new();
    case.say(0, A, ONE, Evidence::Arp);
    let before = |millis| at(0).minus(Duration::from_millis(millis));
    let who = |time| case.hosts.key_of(address(A), time).mac();
    assert_eq!(who(before(5)), Some(ONE));
    assert_eq!(who(before(2_000)), None);
}

#[test]
fn both_families_and_privacy_addresses_are_one_host() {
    let mut case = Case::new();
    case.say(0, A, ONE, Evidence::Arp);
    case.say(1, V6, ONE, Evidence::Ndp);
    case.say(2, PRIVACY, ONE, Evidence::Probe);
    assert_eq!(case.who(PRIVACY, 2), None, "it only tries");
    case.packet(4, PRIVACY, ONE, 64);
    for of in [A, V6, PRIVACY] {
        assert_eq!(case.who(of, 5), Some(ONE), "{of}");
    }
    let sources: Vec<Source> = case.told.iter().map(|told| told.source).collect();
    assert_eq!(sources, [Source::Arp, Source::Ndp, Source::Ndp]);
}

#[test]
fn a_change_of_address_neither_splits_nor_mixes() {
    let mut case = Case::new();
    case.given(0, A, ONE, 3_600);
    case.given(100, B, ONE, 3_600);
    case.given(200, A, OTHER, 3_600);
    assert_eq!(case.who(A, 50), Some(ONE));
    assert_eq!(case.who(A, 150), None, "nobody's between");
    assert_eq!(case.who(A, 250), Some(OTHER));
    assert_eq!(case.who(B, 250), Some(ONE));
}

#[test]
fn two_hosts_that_swap_addresses_are_kept_apart() {
    for source in [Evidence::Arp, Evidence::Given(None)] {
        let mut case = Case::new();
        case.say(0, A, ONE, source.clone());
        case.say(0, B, OTHER, source.clone());
        case.say(100, B, ONE, source.clone());
        case.say(101, A, OTHER, source.clone());
        assert_eq!((case.who(A, 50), case.who(B, 50)), (Some(ONE), Some(OTHER)));
        assert_eq!(
            (case.who(A, 150), case.who(B, 150)),
            (Some(OTHER), Some(ONE))
        );
        assert_eq!(case.count("bindings.shared"), 0);
    }
}

#[test]
fn what_a_host_did_before_it_said_who_it_is_was_its_doing() {
    let mut case = Case::new();
    case.packet(0, A, ONE, 64);
    assert_eq!(case.who(A, 0), None);
    case.say(5, A, ONE, Evidence::Arp);
    assert_eq!(case.adopted, [address(A)]);
    assert_eq!(case.who(A, -100), Some(ONE));
    // Another one's frames before: nobody knows whose doing that was.
    let mut case = Case::new();
    case.packet(0, A, OTHER, 64);
    case.packet(11, A, ONE, 64);
    case.say(15, A, ONE, Evidence::Arp);
    assert!(case.adopted.is_empty());
    assert_eq!((case.who(A, 12), case.who(A, 15)), (None, Some(ONE)));
}

#[test]
fn packets_through_a_router_bind_nothing_and_tell_the_router() {
    let mut case = Case::new();
    case.say(0, "192.0.2.254", ROUTER, Evidence::Arp);
    for (seconds, last) in (1..).zip(1..=8) {
        case.packet(seconds * 20, &format!("198.51.100.{last}"), ROUTER, 63);
    }
    assert_eq!(case.who("198.51.100.3", 200), None);
    assert_eq!(case.count("bindings.routers"), 1);
    assert_eq!(case.who("192.0.2.254", 200), None, "no host's");
    let last = case.told.last().unwrap();
    assert!(last.is_router && last.client == address("192.0.2.254"));
    assert_eq!(case.told.len(), 2);
}

#[test]
fn a_router_that_takes_no_hop_off_binds_nothing_of_ipv4() {
    let mut case = Case::new();
    case.say(0, "192.0.2.254", ROUTER, Evidence::Arp);
    for (seconds, last) in (1..).zip(1..=20) {
        let of = format!("198.51.100.{last}");
        case.packet(seconds * 20, &of, ROUTER, 64);
        assert_eq!(case.who(&of, seconds * 20), None, "{last}");
    }
    assert_eq!(case.count("bindings.routers"), 1);
}

#[test]
fn frames_for_the_addresses_of_others_go_to_a_router() {
    let mut case = Case::new();
    case.say(0, A, ONE, Evidence::Arp);
    case.say(0, "192.0.2.254", ROUTER, Evidence::Arp);
    for last in 1..6 {
        case.say(1, &format!("203.0.113.{last}"), ROUTER, Evidence::SentTo);
        case.say(last * 20, A, ONE, Evidence::SentTo);
    }
    assert_eq!(case.count("bindings.routers"), 1);
    assert_eq!(case.who(A, 100), Some(ONE));
}

#[test]
fn whoever_says_that_it_is_a_router_is_no_host() {
    let mut case = Case::new();
    case.say(0, V6, ROUTER, Evidence::Ndp);
    case.say(1, "0.0.0.0", ROUTER, Evidence::Router);
    assert_eq!((case.who(V6, 0), case.who(V6, 2)), (Some(ROUTER), None));
    case.say(3, PRIVACY, ROUTER, Evidence::Ndp);
    assert_eq!(case.who(PRIVACY, 4), None);
}

#[test]
fn two_addresses_by_turns_are_no_single_host() {
    let mut case = Case::new();
    for (seconds, of) in (0..).zip([A, B, A, B, A, B]) {
        case.say(seconds * 30, of, ONE, Evidence::Arp);
    }
    assert_eq!(case.count("bindings.shared"), 1);
    assert_eq!((case.who(A, 300), case.who(B, 300)), (None, None));
}

#[test]
fn an_address_over_which_two_quarrel_is_nobody_s() {
    let mut case = Case::new();
    for (seconds, mac) in (0..).zip([ONE, OTHER, ONE, OTHER]) {
        case.say(seconds, A, mac, Evidence::Arp);
    }
    assert_eq!(case.who(A, 4), None);
    case.say(300, A, OTHER, Evidence::Arp);
    assert_eq!(case.who(A, 301), None, "it goes on");
    assert_eq!(case.count("bindings.disputed"), 2);
    case.say(1_000, A, ONE, Evidence::Arp);
    assert_eq!(case.who(A, 1_000), Some(ONE), "it was quiet");
}

#[test]
fn a_forged_packet_changes_nothing_and_an_owner_who_is_gone_is_believed_so() {
    let mut case = Case::new();
    case.say(0, A, ONE, Evidence::Arp);
    case.packet(10, A, OTHER, 64);
    case.packet(20, A, OTHER, 64);
    case.packet(30, A, ONE, 64);
    case.packet(40, A, OTHER, 64);
    assert_eq!(case.who(A, 40), Some(ONE));
    case.packet(50, A, OTHER, 64);
    case.packet(60, A, OTHER, 64);
    assert_eq!(case.who(A, 60), None);
    assert_eq!(case.who(A, 25), Some(ONE));
    // Its owner had it until the other came and stayed.
    let told = case.told.last().unwrap();
    assert_eq!((told.end, told.is_ongoing), (at(40), false));
}

#[test]
fn a_lease_ends_when_it_says_and_other_bindings_when_nothing_is_heard() {
    let mut case = Case::new();
    case.given(0, A, ONE, 600);
    case.say(0, B, OTHER, Evidence::Arp);
    case.packet(100, B, OTHER, 64);
    case.packet(700, V6, ROUTER, 64);
    assert_eq!((case.who(A, 700), case.who(B, 700)), (None, Some(OTHER)));
    assert_eq!(case.told.last().unwrap().end, at(600));
    let night = 13 * 3_600;
    case.packet(night, V6, ROUTER, 64);
    assert_eq!(case.who(B, night), None);
    let told = case.told.last().unwrap();
    assert_eq!((told.end, told.is_ongoing), (at(100 + 12 * 3_600), false));
    assert_eq!(case.count("bindings.bound"), 0);
}

#[test]
fn the_end_of_input_ends_no_binding() {
    let mut case = Case::new();
    case.say(0, A, ONE, Evidence::Arp);
    case.packet(20, A, ONE, 64);
    let mut told = Vec::new();
    case.hosts.finish(&mut |binding| told.push(binding));
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].end, told[0].is_ongoing), (at(20), true));
    assert_eq!(case.count("bindings.bound"), 1);
}

#[test]
fn a_binding_begins_with_the_first_frame_where_the_host_alone_used_the_address() {
    let mut case = Case::new();
    case.packet(5, A, ONE, 64);
    case.say(30, A, ONE, Evidence::Arp);
    let told = case.told.last().unwrap();
    assert_eq!((told.start, told.end), (at(5), at(30)));
    // Of another, who used it before, it says nothing.
    case.packet(5, B, OTHER, 64);
    case.say(40, B, ONE, Evidence::Arp);
    assert_eq!(case.told.last().unwrap().start, at(40));
}

#[test]
fn a_lease_that_is_given_back_is_over_at_once() {
    let mut case = Case::new();
    case.given(0, A, ONE, 600);
    case.say(5, A, OTHER, Evidence::Returned);
    assert_eq!(case.who(A, 6), Some(ONE), "it was not its own");
    case.say(10, A, ONE, Evidence::Returned);
    assert_eq!((case.who(A, 9), case.who(A, 10)), (Some(ONE), None));
    // The frame that says so comes from the address.
    case.packet(10, A, ONE, 64);
    assert_eq!(case.who(A, 10), None);
}

#[test]
fn names_are_told_with_the_binding_whenever_they_come() {
    let mut case = Case::new();
    case.say(0, "0.0.0.0", ONE, Evidence::Named("pc-1".to_owned()));
    case.given(1, A, ONE, 600);
    case.say(2, "0.0.0.0", ONE, Evidence::Named("pc-2".to_owned()));
    case.say(3, "0.0.0.0", ONE, Evidence::Named("pc-2".to_owned()));
    let names: Vec<_> = case.told.iter().map(|told| told.names.clone()).collect();
    assert_eq!(names, [["pc-1"], ["pc-2"]]);
    let starts: Vec<_> = case.told.iter().map(|told| told.start).collect();
    assert_eq!(starts, [at(1); 2]);
}

#[test]
fn nat_is_marked_only_where_two_systems_send_through_one_address() {
    let marked = |syns: &[(i64, u8, u32)]| {
        let mut case = Case::new();
        case.say(0, A, ONE, Evidence::Arp);
        for (seconds, hop_limit, stack) in syns {
            case.syn(*seconds, A, ONE, *hop_limit, *stack);
        }
        assert_eq!(case.who(A, 900), Some(ONE));
        case.hosts
            .is_nat(case.hosts.key_of(address(A), at(1_000_000)))
    };
    assert!(marked(&[
        (10, 63, 1),
        (20, 127, 2),
        (30, 63, 1),
        (40, 127, 2)
    ]));
    assert!(marked(&[
        (10, 64, 1),
        (20, 127, 1),
        (30, 64, 1),
        (40, 127, 1)
    ]));
    // A host with two systems, one after the other; with containers of its own; that scans; that came once.
    assert!(!marked(&[
        (10, 64, 1),
        (20, 64, 1),
        (30, 128, 2),
        (40, 128, 2)
    ]));
    assert!(!marked(&[
        (10, 64, 1),
        (20, 63, 1),
        (30, 64, 1),
        (40, 63, 1)
    ]));
    assert!(!marked(&[
        (10, 64, 1),
        (20, 44, 2),
        (30, 64, 1),
        (40, 44, 2)
    ]));
    assert!(!marked(&[(10, 64, 1), (20, 127, 2), (30, 64, 1)]));
    assert!(!marked(&[
        (10, 63, 1),
        (20, 63, 1),
        (750, 127, 2),
        (760, 127, 2)
    ]));
}

#[test]
fn the_list_of_hosts_binds_what_says_nothing_of_itself() {
    let mut case = Case::new();
    let row = |of, mac| Listed {
        address: address(of),
        mac,
        label: "Room 3".to_owned(),
        from: None,
        until: Some(at(100)),
    };
    case.hosts.list(vec![row(A, ONE), row(V6, ONE)]);
    let told = &mut case.told;
    for (of, seconds) in [(A, 1), (V6, 2), (PRIVACY, 3), (A, 4)] {
        let sink = &mut |binding| told.push(binding);
        case.hosts.meet(address(of), at(seconds), sink);
    }
    assert_eq!((case.who(A, 1), case.who(V6, 2)), (Some(ONE), Some(ONE)));
    assert_eq!(case.told.len(), 2);
    assert!(case.told.iter().all(|told| told.names == ["Room 3"]));
    // What is seen says more.
    case.say(5, A, OTHER, Evidence::Arp);
    assert_eq!((case.who(A, 4), case.who(A, 5)), (Some(ONE), Some(OTHER)));
}

#[test]
fn tables_are_bounded_and_say_what_they_forget() {
    let mut case = Case::new();
    for host in 0..10_000_u32 {
        let [_, b, c, d] = host.to_be_bytes();
        let of = IpAddr::from([10, b, c, d]).to_string();
        case.say(host.into(), &of, [2, 0, 0, b, c, d], Evidence::Arp);
    }
    let (addresses, stations) = (case.hosts.addresses.len(), case.hosts.stations.len());
    assert!(addresses * ADDRESS_BYTES <= 1 << 19 && stations * STATION_BYTES <= 1 << 19);
    assert!(case.count("bindings.evicted") > 0);
    assert_eq!(
        case.hosts.timers.len(),
        case.count("bindings.bound") as usize
    );
    assert_eq!(case.who("10.0.39.15", 10_000), Some([2, 0, 0, 0, 39, 15]));
    let ended = case.count("bindings.ended");
    assert_eq!(case.told.len() as u64, case.count("bindings.made") + ended);
}

#[test]
fn evidence_that_workers_tell_twice_counts_once() {
    let run = |times: usize| {
        let mut case = Case::new();
        case.say(0, A, ONE, Evidence::Arp);
        for seconds in [3, 4, 11, 12, 21, 33] {
            for _ in 0..times {
                case.packet(seconds, A, OTHER, 64);
                case.syn(seconds, B, ONE, 63, 7);
            }
        }
        let counted = case.count("bindings.evidence");
        (case.who(A, 40), case.told, counted)
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn of_a_station_that_sends_for_thousands_a_slot_takes_in_few() {
    let mut case = Case::new();
    case.say(0, A, ONE, Evidence::Arp);
    for number in 0..5_000_u32 {
        let [_, b, c, d] = number.to_be_bytes();
        let of = IpAddr::from([198, 18 + b, c, d]).to_string();
        case.packet(1, &of, ROUTER, 64);
        case.say(1, &of, ROUTER, Evidence::SentTo);
    }
    let counted = 1 + 2 * u64::from(MOST_OF_A_STATION);
    assert_eq!(case.count("bindings.evidence"), counted);
    let kind = case.hosts.stations.get(&ROUTER).map(|known| known.kind);
    assert_eq!(kind, Some(Kind::Router));
    // It is heard again in the next slot, and others were heard all the time.
    case.packet(1, A, ONE, 64);
    case.packet(12, B, ROUTER, 64);
    assert_eq!(case.count("bindings.evidence"), counted + 2);
}

#[test]
fn a_host_that_changes_its_name_all_the_time_is_told_a_few_times_a_slot() {
    let mut case = Case::new();
    case.say(0, A, ONE, Evidence::Arp);
    let told = case.told.len();
    for number in 0..100 {
        let name = Evidence::Named(format!("pc-{number}"));
        case.say(1, "0.0.0.0", ONE, name);
    }
    assert_eq!(case.told.len(), told + 4);
    case.say(12, "0.0.0.0", ONE, Evidence::Named("pc-last".to_owned()));
    assert_eq!(case.told.last().unwrap().names, ["pc-last"]);
}

#[test]
fn what_is_kept_is_taken_up_as_it_was() {
    let mut case = Case::new();
    case.say(0, "0.0.0.0", ONE, Evidence::Named("pc-1".to_owned()));
    case.given(1, A, ONE, 600);
    case.say(2, V6, ONE, Evidence::Ndp);
    case.say(3, B, OTHER, Evidence::Arp);
    case.say(4, "0.0.0.0", OTHER, Evidence::Router);
    let mut items = Vec::new();
    case.hosts
        .kept(&mut |item| items.push(postcard::to_allocvec(item).unwrap()));
    let read = |bytes: &Vec<u8>| postcard::from_bytes(bytes).unwrap();
    let mut next = Case::new();
    let taken = next.hosts.take_up(items.iter().map(read).collect(), at(5));
    assert_eq!(taken, 5);
    for of in [A, V6, B] {
        for seconds in [0, 3, 5] {
            assert_eq!(next.who(of, seconds), case.who(of, seconds), "{of}");
        }
    }
    next.packet(700, PRIVACY, ROUTER, 64);
    let told = next.told.last().unwrap();
    assert_eq!(
        (told.start, told.end, told.names.len()),
        (at(1), at(601), 1)
    );
    // What lies behind the moment of telling makes no sense.
    let mut late = Case::new();
    let taken = late.hosts.take_up(items.iter().map(read).collect(), at(2));
    assert!(taken < 5);
}
