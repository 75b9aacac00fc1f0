//! Files of a small run: what comes back, what is refused, and what the next engine makes of it.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use super::*;
use crate::flows::kept::Standing;
use crate::names::{Names, NamesOptions};
use crate::pseudonyms::{Clients, Key, Pseudonyms};
use crate::sensor::annotation::Naming;
use crate::sensor::kept::Earlier;
use crate::types::{Endpoint, FlowKey, Fqdn, Protocol};
use crate::updates::catalogue::{Catalogue, SourceFile};
use crate::updates::coverage::{Blind, CoverageVerdict, Minute, Sign, Sums};
use crate::updates::engine::kept::{Resumption, resolve};
use crate::updates::fact::{Activity, Answer, Contact, Ended, Fact, NameSource, Question};
use crate::updates::hosts::{Evidence as Said, HostKey, Hosts, Neighbour};
use crate::updates::os::{OsEvidence, OsFact, Rules, System};
use crate::updates::output::{Access, Output};
use crate::updates::verdict::{Evidence, Verdict};
use crate::updates::{Engine, UpdateOptions};

const NAME_ASKED: &str = "download.mozilla.org";
const CLIENT: &str = "192.0.2.20";
const FLOW_ID: u64 = 7;

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + second, 0)
}

fn endpoint(address: &str, port: u16) -> Endpoint {
    Endpoint {
        address: address.parse().unwrap(),
        port,
    }
}

/// A catalogue of `vendor/product/download` and `vendor/product/check`, with a name each.
fn small_catalogue(vendor: &str, names: [&str; 2]) -> Catalogue {
    let mut text = format!(
        "[vendor]\nid = \"{vendor}\"\n[[product]]\nid = \"firefox\"\ntitle = \"Firefox\"\nsecurity = \"yes\"\n"
    );
    for (role, name) in ["download", "check"].into_iter().zip(names) {
        text += &format!(
            "[[product.endpoint]]\nid = \"{role}\"\npatterns = [\"{name}\"]\nrole = \"{role}\"\nexamples = [\"{name}\"]\n\
             not = [\"example.org\"]\nsource = \"made for this test\"\nverified = \"never\"\n"
        );
    }
    let file = SourceFile {
        name: "a.toml".into(),
        text,
    };
    Catalogue::from_files("test", &[file]).unwrap()
}

fn catalogue() -> Catalogue {
    small_catalogue("mozilla", [NAME_ASKED, "aus5.mozilla.org"])
}

fn contact() -> Arc<Contact> {
    Arc::new(Contact {
        flow_id: FLOW_ID,
        client: endpoint(CLIENT, 50_000),
        server: endpoint("203.0.113.9", 443),
        protocol: Protocol::TCP,
        start: at(10),
        endpoint: catalogue().find(NAME_ASKED).unwrap(),
        name: NAME_ASKED.to_owned(),
        source: NameSource::Tls,
        corroborated: true,
        chain: vec![NAME_ASKED.to_owned()],
        answered: Some(at(9)),
        alternatives: Vec::new(),
        is_doubtful: false,
        is_elsewhere: false,
    })
}

/// From `start` to `end`, in seconds.
fn activity(start: i64, end: i64, bytes: u64, is_ongoing: bool) -> Fact {
    Fact::Activity(Activity {
        contact: contact(),
        start: at(start),
        end: at(end),
        time: at(end),
        delivered_toclient: bytes,
        inferred_toclient: 0,
        largest_burst: bytes,
        bytes_toserver: 100,
        bytes_toclient: bytes,
        is_ongoing,
        exchange: None,
    })
}

/// What tells that the client is Fedora.
fn system() -> Fact {
    let seen = Rules::embedded();
    let seen = seen.of_agent(b"libdnf (Fedora Linux 42; kde; Linux.x86_64)");
    Fact::Os(OsFact {
        client: CLIENT.parse().unwrap(),
        time: at(14),
        evidence: OsEvidence::seen(seen.unwrap()),
    })
}

fn question(name: &str, second: i64) -> Question {
    Question {
        time: at(second),
        flow_id: 1,
        client: endpoint(CLIENT, 40_000),
        resolver: endpoint("192.0.2.53", 53),
        protocol: Protocol::UDP,
        endpoint: catalogue().find(name).unwrap(),
        name: name.to_owned(),
    }
}

fn give(engine: &mut Engine, facts: &[Fact]) -> Vec<Access> {
    let mut given = Vec::new();
    for fact in facts {
        engine.fact(fact, &mut |_, output| given.push(output));
    }
    accesses(given)
}

fn advance(engine: &mut Engine, second: i64) -> Vec<Access> {
    let mut given = Vec::new();
    engine.advance(at(second), &mut |_, output| given.push(output));
    accesses(given)
}

fn accesses(given: Vec<Output>) -> Vec<Access> {
    let access = |output| match output {
        Output::Access(access) => Some(*access),
        Output::Session(_) | Output::Binding(_) | Output::Coverage(_) => None,
    };
    given.into_iter().filter_map(access).collect()
}

/// The client was there in the first minute.
fn presence() -> Fact {
    let mut sums = Sums {
        bytes_toclient: 300_000,
        flows: 1,
        ..Sums::default()
    };
    sums.name(Some(NameSource::Tls));
    sums.signs.add(Sign::Ech);
    Fact::Presence(Box::new(Minute {
        start: at(0),
        time: at(15),
        since: at(5),
        clients: vec![(CLIENT.parse().unwrap(), sums)],
        asking: Vec::new(),
    }))
}

/// A download under way, a name that was asked, and the client's presence.
fn engine() -> Engine {
    let mut engine = Engine::new(Arc::new(catalogue()), UpdateOptions::default());
    let asked = question("aus5.mozilla.org", 12);
    let answer = Answer {
        question: asked.clone(),
        chain: vec!["aus5.mozilla.org".to_owned()],
        addresses: vec!["203.0.113.10".parse().unwrap()],
        is_cut: false,
    };
    let facts = [
        activity(10, 10, 0, true),
        Fact::Asked(asked),
        Fact::Answered(answer),
        activity(10, 14, 300_000, true),
        system(),
        presence(),
    ];
    let told = give(&mut engine, &facts);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].revision, told[0].is_final), (1, false));
    engine
}

fn names() -> Names {
    let names = Names::new(NamesOptions::default());
    let (client, server) = (CLIENT.parse().unwrap(), "203.0.113.9".parse().unwrap());
    names.learn(client, server, &[NAME_ASKED, "edge.example"], at(9));
    names
}

fn flow() -> KeptFlow {
    let (key, client) = FlowKey::new(
        endpoint(CLIENT, 50_000),
        endpoint("203.0.113.9", 443),
        Protocol::TCP,
        None,
    );
    let naming = Naming {
        name: NAME_ASKED.to_owned(),
        source: NameSource::Tls,
        corroborated: true,
        chain: Vec::new(),
        answered: Some(at(9)),
        alternatives: Vec::new(),
        inherited: false,
        ech_accepted: false,
        is_contradicted: false,
    };
    KeptFlow {
        key,
        last: at(15),
        standing: Some(Standing {
            key,
            id: FLOW_ID,
            last: at(15),
            client,
            next: [Some(1), None],
        }),
        earlier: Earlier {
            naming: Some(naming),
            going_on: None,
        },
    }
}

fn moment(runs: u32) -> Moment {
    Moment {
        written: at(20),
        seen: at(15),
        runs,
    }
}

/// A directory of its own, with a state file.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("patchspan-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn store(&self, limit: u64) -> Store {
        self.store_of(Fingerprint::NONE, limit)
    }

    fn store_of(&self, clients: Fingerprint, limit: u64) -> Store {
        Store::open(&self.0, limit, clients).unwrap()
    }

    fn written(name: &str, runs: u32) -> Self {
        let folder = Self::new(name);
        let mut frames = Frames::new(1 << 20);
        hosts().kept(&mut |item| frames.host(item));
        let engine = engine();
        engine.kept(&mut |item| frames.update(item));
        engine.coverage().kept(&mut |item| frames.coverage(item));
        frames.flow(&flow());
        let store = folder.store(1 << 20);
        let kept = names();
        let written = store
            .write(moment(runs), &[&frames], kept.kept(at(15)))
            .unwrap();
        assert_eq!(written.left_out, 0);
        folder
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.0.join(NAME)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The bytes with a CRC that is right for them: what is behind it is read.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = (bytes.len().saturating_sub(HEADER) as u64).to_le_bytes();
    if let Some(field) = bytes.get_mut(32..40) {
        field.copy_from_slice(&length);
    }
    let crc = crc32fast::hash(bytes.get(COUNTED..).unwrap_or_default());
    if let Some(field) = bytes.get_mut(12..COUNTED) {
        field.copy_from_slice(&crc.to_le_bytes());
    }
    bytes
}

/// The client has its address by a lease, and calls itself by a name.
fn hosts() -> Hosts {
    let mut hosts = Hosts::new(1 << 20);
    let mac = [2, 0, 0, 0, 0, 1];
    let until = at(3_600);
    for what in [Said::Named("pc-1".to_owned()), Said::Given(Some(until))] {
        let evidence = Neighbour {
            time: at(1),
            address: CLIENT.parse().unwrap(),
            mac,
            what,
        };
        hosts.take_in(&evidence, &mut |_| {});
    }
    hosts
}

/// The next run's engine, at 40 s.
fn resumed(state: State) -> Engine {
    let when = Resumption {
        seen: state.moment.seen,
        resumed: at(40),
        runs_since: state.moment.runs,
    };
    let (catalogue, items) = resolve(catalogue(), state.updates);
    let mut engine = Engine::new(Arc::new(catalogue), UpdateOptions::default());
    let all = items.len() as u64;
    assert_eq!(engine.take_up(items, &when), all);
    assert_eq!(engine.take_up_coverage(state.coverage, &when), 2);
    engine
}

#[test]
fn what_is_written_comes_back() {
    let folder = Folder::written("back", 0);
    let mode = std::fs::metadata(folder.0.join(NAME))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    assert!(!folder.0.join(ASIDE).exists());
    let state = State::decode(&folder.bytes()).unwrap();
    assert_eq!(state.moment, moment(0));
    // Two endpoints, an access, a session, a window.
    assert_eq!(
        (state.updates.len(), state.flows.len(), state.names.len()),
        (6, 1, 1)
    );
    let mut next = Hosts::new(1 << 20);
    let again = State::decode(&folder.bytes()).unwrap();
    assert_eq!(next.take_up(again.hosts, at(20)), 2);
    let client = CLIENT.parse().unwrap();
    assert_eq!(next.key_of(client, at(30)), hosts().key_of(client, at(30)));
    assert!(next.key_of(client, at(30)).mac().is_some());
    // The open hour, and the client.
    assert_eq!(state.coverage.len(), 2);
    let again = Folder::new("again");
    state.save(&again.0).unwrap();
    assert_eq!(folder.bytes(), again.bytes());
}

#[test]
fn another_form_of_the_items_is_another_version() {
    let bytes = Folder::written("form", 0).bytes();
    assert_eq!(
        (
            VERSION,
            bytes.len(),
            crc32fast::hash(bytes.get(HEADER..).unwrap())
        ),
        (7, 991, 199_818_429),
        "raise VERSION, then note the new figures"
    );
}

#[test]
fn what_is_known_of_a_client_s_system_goes_on() {
    let state = State::decode(&Folder::written("system", 0).bytes()).unwrap();
    let engine = resumed(state);
    let guess = engine
        .systems()
        .of(
            [HostKey::Address(CLIENT.parse().unwrap())].into_iter(),
            at(100),
        )
        .unwrap();
    assert_eq!(
        (guess.name, guess.version.as_deref()),
        (System::Fedora, Some("42"))
    );
}

#[test]
fn a_download_that_goes_on_is_told_once_with_both_parts() {
    let mut engine = resumed(State::decode(&Folder::written("once", 0).bytes()).unwrap());
    assert!(advance(&mut engine, 60).is_empty(), "it may go on");
    let ended = Fact::Ended(Ended {
        contact: contact(),
        end: at(70),
        time: at(71),
        bytes_toserver: 0,
        bytes_toclient: 0,
        rest_toserver: 1,
        rest_toclient: 2,
        was_reset: false,
        acknowledged: None,
        is_cut: false,
        application: None,
    });
    let facts = [
        activity(10, 65, 0, true),
        activity(10, 70, 900_000, false),
        ended,
    ];
    assert!(give(&mut engine, &facts).is_empty());
    let told = advance(&mut engine, 140);
    assert_eq!(told.len(), 1);
    let access = &told[0];
    assert_eq!(access.verdict, Verdict::Downloaded);
    assert!(access.is_final && access.revision == 2);
    assert_eq!((access.start, access.end), (at(10), at(70)));
    assert_eq!(access.delivered_toclient, 900_000);
    assert_eq!(access.flow_ids, [FLOW_ID]);
    assert!(access.session.is_some());
}

#[test]
fn what_does_not_go_on_ends_shortly_after_the_restart() {
    let mut engine = resumed(State::decode(&Folder::written("ends", 0).bytes()).unwrap());
    let told = advance(&mut engine, 101);
    assert_eq!(told.len(), 1, "the restart and a minute");
    assert!(told[0].is_final && told[0].reported == at(100));
    let told = advance(&mut engine, 400);
    assert_eq!((told.len(), told[0].verdict), (1, Verdict::Resolved));
    assert!(told[0].evidence.contains(&Evidence::CaptureEnd));
}

#[test]
fn what_a_run_that_died_may_have_told_has_a_higher_revision() {
    let folder = Folder::written("died", 1);
    let store = folder.store(1 << 20);
    let mut revisions = Vec::new();
    for _ in 0..2 {
        let state = store.take_up(at(30)).unwrap().unwrap();
        let told = advance(&mut resumed(state), 101);
        revisions.push(told[0].revision);
    }
    assert_eq!(revisions, [4, 6]);
}

#[test]
fn a_rule_that_the_next_catalogue_lacks_ends_as_at_a_reload() {
    let state = State::decode(&Folder::written("rule", 0).bytes()).unwrap();
    let other = small_catalogue("other", ["a.example", "b.example"]);
    let (other, items) = resolve(other, state.updates);
    assert!(other.find(NAME_ASKED).is_none());
    let when = Resumption {
        seen: at(15),
        resumed: at(40),
        runs_since: 0,
    };
    let mut engine = Engine::new(Arc::new(other.clone()), UpdateOptions::default());
    assert_eq!(engine.take_up(items, &when), 4);
    let told = advance(&mut engine, 101);
    let rule = &other.endpoint(told[0].endpoint).unwrap().rule;
    assert_eq!(rule, "mozilla/firefox/download");
}

#[test]
fn a_file_that_is_not_right_is_refused_with_its_reason() {
    let folder = Folder::written("refused", 0);
    let bytes = folder.bytes();
    let refusal = |bytes: &[u8], limit, now| {
        std::fs::write(folder.0.join(NAME), bytes).unwrap();
        let taken = folder.store(limit).take_up(now).unwrap();
        taken.unwrap_err().to_string()
    };
    let now = at(30);
    let all = 1 << 20;
    let mut version = bytes.clone();
    version[8] = 9;
    let mut damaged = bytes.clone();
    damaged[HEADER + 9] ^= 1;
    let cut = &bytes[..bytes.len() - 1];
    assert_eq!(refusal(b"", all, now), "is no state of this program");
    assert_eq!(
        refusal(b"{\"a\":1}\n", all, now),
        "is no state of this program"
    );
    assert!(refusal(&version, all, now).starts_with("has version 9"));
    assert_eq!(refusal(&damaged, all, now), "is damaged");
    assert_eq!(refusal(cut, all, now), "is damaged");
    assert_eq!(
        refusal(&bytes, all, at(20 + 7_201)),
        "is older than 2 hours"
    );
    assert!(refusal(&bytes, all, at(20 - 61)).starts_with("was written in the future"));
    assert!(refusal(&bytes, 100, now).starts_with("is larger than 100 bytes"));
    std::fs::remove_file(folder.0.join(NAME)).unwrap();
    assert!(folder.store(all).take_up(now).is_none());
}

#[test]
fn addresses_and_pseudonyms_of_two_runs_never_mix() {
    let of = |key: &str, networks: &str, domains: &[&str]| {
        let domains = domains.iter().map(|name| Fqdn::from_presentation(name));
        let clients = Clients {
            networks: networks.parse().unwrap(),
            domains: domains.collect::<Option<_>>().unwrap(),
        };
        let key = Key::parse(&key.repeat(32)).unwrap();
        Pseudonyms::new(&key, clients).unwrap().fingerprint()
    };
    let ways = [
        Fingerprint::NONE,
        of("07", "192.0.2.0/24", &[]),
        of("08", "192.0.2.0/24", &[]),
        of("07", "192.0.2.0/25", &[]),
        of("07", "192.0.2.0/24", &["clients.example.edu"]),
    ];
    let folder = Folder::new("mix");
    for before in ways {
        folder
            .store_of(before, 1 << 20)
            .write(moment(0), &[], std::iter::empty())
            .unwrap();
        for now in ways {
            let taken = folder.store_of(now, 1 << 20).take_up(at(30)).unwrap();
            match taken {
                Ok(state) => assert!(now == before && state.clients == before),
                Err(refusal) => {
                    assert!(now != before && matches!(refusal, Refusal::Clients));
                }
            }
        }
        let mut state = State::load(&folder.0.join(NAME), 1 << 20).unwrap();
        state.remove_client(&CLIENT.parse().unwrap());
        state.save(&folder.0).unwrap();
        let state = State::load(&folder.0.join(NAME), 1 << 20).unwrap();
        assert_eq!(state.clients, before);
    }
    let listed = |domains: &[&str]| of("07", "192.0.2.128/25,192.0.2.0/25", domains);
    assert_eq!(listed(&[]), ways[1], "another way to say the same");
    assert_eq!(
        listed(&["a.example", "b.example"]),
        listed(&["B.example", "a.example"])
    );
}

#[test]
fn no_prefix_and_no_changed_byte_breaks_the_reader() {
    let bytes = Folder::written("bytes", 0).bytes();
    for length in 0..bytes.len() {
        let prefix = bytes[..length].to_vec();
        assert!(State::decode(&prefix).is_err(), "{length}");
        let _ = State::decode(&sealed(prefix));
    }
    for place in 0..bytes.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[place] ^= change;
            assert!(State::decode(&changed).is_err(), "{place}");
            let Ok(state) = State::decode(&sealed(changed)) else {
                continue;
            };
            take_in(state);
        }
    }
}

/// Whatever a file says, the next run goes on.
fn take_in(state: State) {
    let when = Resumption {
        seen: state.moment.seen,
        resumed: at(40),
        runs_since: state.moment.runs,
    };
    let names = Names::new(NamesOptions {
        entries: 64,
        text_bytes: 1 << 14,
        ..NamesOptions::default()
    });
    for name in &state.names {
        names.take_up(name, at(20));
    }
    let (catalogue, items) = resolve(catalogue(), state.updates);
    let mut engine = Engine::new(Arc::new(catalogue), UpdateOptions::default());
    engine.take_up(items, &when);
    engine.take_up_coverage(state.coverage, &when);
    give(&mut engine, &[activity(41, 45, 1_000, false)]);
    engine.finish(at(50), &mut |_, _| {});
}

#[test]
fn the_hour_of_a_restart_is_one_with_what_was_seen_before_it() {
    let mut engine = resumed(State::decode(&Folder::written("hour", 0).bytes()).unwrap());
    let mut told = Vec::new();
    engine.finish(at(50), &mut |_, output| match output {
        Output::Coverage(hour) => told.push(*hour),
        Output::Access(_) | Output::Session(_) | Output::Binding(_) => {}
    });
    let [hour] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!((hour.start, hour.end), (at(5), at(50)));
    assert_eq!((hour.sums.flows, hour.active_minutes), (1, 1));
    assert_eq!(hour.blind, [Blind::Ech, Blind::NotRunning]);
    assert_eq!(
        hour.verdict,
        CoverageVerdict::Complete,
        "25 seconds are a remark"
    );
}

#[test]
fn a_client_can_be_taken_out() {
    let folder = Folder::written("client", 0);
    let mut state = State::decode(&folder.bytes()).unwrap();
    assert_eq!(state.remove_client(&"192.0.2.21".parse().unwrap()), 0);
    assert_eq!(state.remove_client(&CLIENT.parse().unwrap()), 9);
    assert!(state.hosts.is_empty());
    state.save(&folder.0).unwrap();
    let state = State::decode(&folder.bytes()).unwrap();
    assert!(state.flows.is_empty() && state.names.is_empty());
    assert!(state.updates.iter().all(|item| item.client().is_none()));
    assert!(state.coverage.iter().all(|item| item.client().is_none()));
}

#[test]
fn names_that_do_not_fit_are_left_out_and_counted() {
    let folder = Folder::new("fit");
    let names = names();
    let server = "203.0.113.10".parse().unwrap();
    for number in 0..20_000_u32 {
        let client = std::net::Ipv4Addr::from_bits(0x0a00_0000 + number);
        names.learn(client.into(), server, &["a.example"], at(10));
    }
    let store = folder.store(200_000);
    let written = store.write(moment(0), &[], names.kept(at(15))).unwrap();
    let size = std::fs::metadata(store.path()).unwrap().len();
    assert_eq!(written.bytes, size);
    assert!(size <= 200_000 && size > 100_000, "{size}");
    let state = State::load(&store.path(), 200_000).unwrap();
    let kept = state.names.len() as u64;
    assert_eq!(kept + written.left_out, names.kept(at(15)).count() as u64);
    // The oldest is what was left out.
    let oldest: IpAddr = CLIENT.parse().unwrap();
    assert!(state.names.iter().all(|name| name.client() != oldest));
}

#[test]
fn where_it_cannot_be_written_the_file_before_stays() {
    let folder = Folder::written("stays", 0);
    let before = folder.bytes();
    std::fs::create_dir(folder.0.join(ASIDE)).unwrap();
    let store = folder.store(1 << 20);
    assert!(store.write(moment(1), &[], std::iter::empty()).is_err());
    assert_eq!(folder.bytes(), before);
}

#[test]
fn two_sensors_do_not_share_a_directory() {
    let folder = Folder::new("shared");
    let held = folder.store(1 << 20);
    let refused = Store::open(&folder.0, 1 << 20, Fingerprint::NONE).unwrap_err();
    assert_eq!(refused.to_string(), "another sensor keeps its state there");
    drop(held);
    folder.store(1 << 20);
}

#[test]
#[ignore = "a measurement"]
fn a_hundred_thousand_open_accesses_are_told_quickly() {
    let mut engine = Engine::new(Arc::new(catalogue()), UpdateOptions::default());
    for number in 0..100_000_u32 {
        let Fact::Activity(mut told) = activity(10, 14, 300_000, true) else {
            unreachable!()
        };
        let contact = Arc::make_mut(&mut told.contact);
        contact.client.address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into();
        contact.flow_id = number.into();
        engine.fact(&Fact::Activity(told), &mut |_, _| {});
    }
    let mut frames = Frames::new(1 << 30);
    let began = std::time::Instant::now();
    engine.kept(&mut |item| frames.update(item));
    let took = began.elapsed();
    println!("{took:?} for {} bytes", frames.len());
    assert!(took < Duration::from_secs(1));
}

#[test]
fn what_lies_in_the_place_of_a_file_is_neither_waited_for_nor_written_into() {
    let directory = Folder::new("places");
    let other = directory.0.join("other");
    let pipe = |name: &str| {
        let path = directory.0.join(name);
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
        path
    };
    let store = directory.store(1 << 20);
    let moment = Moment {
        written: at(20),
        seen: at(20),
        runs: 0,
    };
    // A pipe where the file should be, and one where it is written first.
    pipe(NAME);
    let refused = store.take_up(at(21)).unwrap();
    assert!(matches!(refused, Err(Refusal::Unreadable(_))));
    let aside = pipe(ASIDE);
    store.write(moment, &[], std::iter::empty()).unwrap();
    assert!(store.take_up(at(21)).unwrap().is_ok() && !aside.exists());
    // A link to something else, and a file that others may read.
    std::fs::write(&other, "mine").unwrap();
    std::os::unix::fs::symlink(&other, &aside).unwrap();
    store.write(moment, &[], std::iter::empty()).unwrap();
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "mine");
    std::fs::write(&aside, "").unwrap();
    std::fs::set_permissions(&aside, std::fs::Permissions::from_mode(0o666)).unwrap();
    store.write(moment, &[], std::iter::empty()).unwrap();
    let mode = std::fs::metadata(store.path())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_file_that_has_seen_more_than_there_was_is_refused() {
    let directory = Folder::new("future");
    let store = directory.store(1 << 20);
    let moment = Moment {
        written: at(20),
        seen: Timestamp::MAX,
        runs: 0,
    };
    store.write(moment, &[], std::iter::empty()).unwrap();
    let refused = store.take_up(at(21)).unwrap();
    assert!(matches!(refused, Err(Refusal::Damaged)), "{refused:?}");
}
