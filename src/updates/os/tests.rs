//! What clients do, and what they are taken for. Each trap is a client that does what another system does.

use super::*;
use crate::protocols::syn::Shape;
use crate::updates::verdict::Confidence;

const HOUR: i64 = 3_600;
const MOST: usize = 1 << 20;
const LINUX: (u8, &str) = (64, "mss,sok,ts,nop,ws");
const WINDOWS: (u8, &str) = (128, "mss,nop,ws,nop,nop,sok");
const APPLE: (u8, &str) = (64, "mss,nop,ws,nop,nop,ts,sok,eol");

fn at(hours: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + hours * HOUR, 0)
}

fn client(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// A host by its address and its MAC address.
fn host(last: u8) -> impl Iterator<Item = HostKey> {
    [
        HostKey::Address(client(last)),
        HostKey::Mac([2, 0, 0, 0, 0, last]),
    ]
    .into_iter()
}

/// It asks for an address.
fn asks(last: u8, class: &[u8], options: &[u8]) -> Neighbour {
    let (class, options) = (class.into(), options.into());
    Neighbour {
        time: at(0),
        address: IpAddr::from([0; 4]),
        mac: [2, 0, 0, 0, 0, last],
        what: Evidence::Asks { class, options },
    }
}

/// One client, told by what it does.
struct Told {
    guesses: Guesses,
    hours: i64,
}

impl Told {
    fn new() -> Self {
        Self {
            guesses: Guesses::new(Rules::embedded()),
            hours: 0,
        }
    }

    fn later(mut self, hours: i64) -> Self {
        self.hours += hours;
        self
    }

    fn see(mut self, evidence: OsEvidence) -> Self {
        let client = HostKey::Address(client(1));
        self.guesses.note(client, evidence, at(self.hours), MOST);
        self
    }

    fn name(self, name: &str, is_contact: bool, agent: Option<&str>) -> Self {
        let agent = agent.map(str::as_bytes);
        let row = self.guesses.rules.of_name(name, Some(b"/"), agent);
        let evidence = OsEvidence::seen((row.unwrap(), ""));
        self.see(OsEvidence {
            is_contact,
            ..evidence
        })
    }

    fn contact(self, name: &str) -> Self {
        self.name(name, true, None)
    }

    fn question(self, name: &str) -> Self {
        self.name(name, false, None)
    }

    fn agent(self, agent: &str) -> Self {
        let seen = OsEvidence::seen(self.guesses.rules.of_agent(agent.as_bytes()).unwrap());
        self.see(seen)
    }

    fn syn(self, (hops, options): (u8, &str)) -> Self {
        let shape = Shape::parse(hops, options).unwrap();
        let row = self.guesses.rules.of_shape(&shape).unwrap();
        self.see(OsEvidence::seen((row, "")))
    }

    fn forwarded(self) -> Self {
        let row = self.guesses.rules.of_forwarding().unwrap();
        self.see(OsEvidence::seen((row, "")))
    }

    fn apt(self, version: &str, archive: &str) -> Self {
        let agent = format!("Debian APT-HTTP/1.3 ({version})");
        let told = self.agent(&agent);
        told.name(archive, true, Some(&agent))
    }

    fn windows(self) -> Self {
        let told = self.contact("www.msftconnecttest.com");
        let told = told.contact("slscr.update.microsoft.com");
        told.agent("Windows-Update-Agent/10.0.10011.16384 Client-Protocol/2.50")
    }

    fn guess(&self) -> Option<OsGuess> {
        self.guesses.of(host(1), at(self.hours))
    }

    #[track_caller]
    fn is(&self, name: &str, confidence: Confidence, is_mixed: bool) {
        let guess = self.guess().unwrap();
        let told = (guess.name.as_str(), guess.confidence, guess.is_mixed);
        assert_eq!(told, (name, confidence, is_mixed), "{:?}", guess.evidence);
    }

    #[track_caller]
    fn has_version(&self, version: Option<&str>) {
        assert_eq!(self.guess().unwrap().version.as_deref(), version);
    }
}

#[test]
fn two_kinds_that_agree_and_the_stack_make_it_sure() {
    let windows = Told::new().windows().syn(WINDOWS);
    windows.is("windows", Confidence::High, false);
    windows.has_version(Some("10 or later"));
    let debian = Told::new()
        .apt("2.6.1", "ftp.jp.debian.org")
        .contact("2.debian.pool.ntp.org");
    debian.is("debian", Confidence::Medium, false);
    let debian = debian.syn(LINUX);
    debian.is("debian", Confidence::High, false);
    debian.has_version(Some("12"));
    let fedora = Told::new()
        .agent("libdnf (Fedora Linux 42; kde; Linux.x86_64)")
        .syn(LINUX);
    let fedora = fedora.contact("2.fedora.pool.ntp.org");
    fedora.is("fedora", Confidence::High, false);
    fedora.has_version(Some("42"));
}

#[test]
fn one_kind_is_a_guess_and_programs_alone_are_no_more() {
    Told::new()
        .contact("www.msftconnecttest.com")
        .syn(WINDOWS)
        .is("windows", Confidence::Medium, false);
    // A name and the agent of the program that asks it: a container does the same.
    Told::new().apt("2.6.1", "ftp.jp.debian.org").syn(LINUX).is(
        "debian",
        Confidence::Medium,
        false,
    );
    let ncsi = Told::new()
        .contact("www.msftconnecttest.com")
        .agent("Microsoft NCSI")
        .syn(WINDOWS);
    ncsi.is("windows", Confidence::Medium, false);
}

#[test]
fn a_stack_alone_tells_a_family() {
    Told::new().syn(LINUX).is("linux", Confidence::Low, false);
    Told::new()
        .syn(WINDOWS)
        .is("windows", Confidence::Low, false);
    Told::new().syn(APPLE).is("apple", Confidence::Low, false);
}

#[test]
fn what_a_stack_contradicts_is_hardly_believed() {
    // Played by programs on Linux, or handed on by a proxy that says nothing of it.
    let played = Told::new().windows().contact("time.windows.com").syn(LINUX);
    played.is("windows", Confidence::Low, false);
    assert!(played.guess().unwrap().evidence.contains(&"syn_differs"));
    let wine = Told::new()
        .agent("Mozilla/5.0 (Windows NT 10.0; Win64; x64)")
        .syn(LINUX);
    assert_eq!(
        wine.guess(),
        None,
        "a browser that says otherwise than the stack"
    );
}

#[test]
fn a_resolver_asks_for_all_its_clients() {
    let resolver = Told::new()
        .question("www.msftconnecttest.com")
        .question("captive.apple.com");
    assert_eq!(resolver.guess(), None);
    let with_own = resolver.contact("1.openwrt.pool.ntp.org").syn(LINUX);
    with_own.is("openwrt", Confidence::Medium, false);
    let asked = Told::new()
        .question("www.msftconnecttest.com")
        .question("time.windows.com");
    asked.is("windows", Confidence::Low, false);
}

#[test]
fn a_proxy_is_not_what_its_clients_are() {
    let proxy = Told::new()
        .windows()
        .contact("www.msftconnecttest.com")
        .forwarded()
        .syn(LINUX);
    proxy.is("linux", Confidence::Low, false);
    let cache = Told::new()
        .agent("Debian Apt-Cacher-NG/3.7.4")
        .apt("2.6.1", "ftp.jp.debian.org")
        .syn(LINUX);
    cache.is("linux", Confidence::Low, false);
    let own = cache.contact("ntp.ubuntu.com");
    own.is("ubuntu", Confidence::Medium, false);
}

#[test]
fn containers_and_subsystems_are_not_the_host() {
    let docker = Told::new()
        .contact("ntp.ubuntu.com")
        .apt("2.4.11", "archive1.ubuntu.com")
        .syn(LINUX);
    docker.is("ubuntu", Confidence::High, false);
    let docker = docker.apt("2.6.1", "ftp.jp.debian.org");
    docker.is("ubuntu", Confidence::Medium, true);
    docker.has_version(None);
    let builder = Told::new()
        .apt("2.4.11", "archive1.ubuntu.com")
        .apt("2.6.1", "ftp.jp.debian.org")
        .syn(LINUX);
    builder.is("linux", Confidence::Medium, true);
    let wsl = Told::new()
        .windows()
        .syn(WINDOWS)
        .apt("2.4.11", "archive1.ubuntu.com");
    wsl.is("windows", Confidence::Medium, true);
    let parallels = Told::new()
        .contact("captive.apple.com")
        .syn(APPLE)
        .windows();
    parallels.is("windows", Confidence::Low, true);
}

#[test]
fn address_translation_is_mixed_and_never_sure() {
    let home = Told::new()
        .windows()
        .syn(WINDOWS)
        .contact("captive.apple.com")
        .syn(APPLE);
    let guess = home.guess().unwrap();
    assert!(guess.is_mixed && guess.confidence == Confidence::Low);
    let stacks = Told::new()
        .windows()
        .contact("time.windows.com")
        .syn(WINDOWS)
        .syn(LINUX);
    stacks.is("windows", Confidence::Medium, true);
    let apples = Told::new()
        .contact("time-ios.apple.com")
        .contact("time-macos.apple.com")
        .syn(APPLE);
    apples.is("apple", Confidence::Medium, true);
}

#[test]
fn browsers_ask_where_phones_do() {
    let desktop = Told::new()
        .contact("connectivitycheck.gstatic.com")
        .windows()
        .syn(WINDOWS);
    desktop.is("windows", Confidence::High, false);
    Told::new()
        .contact("connectivitycheck.gstatic.com")
        .syn(LINUX)
        .is("linux", Confidence::Low, false);
    let phone = Told::new()
        .contact("connectivitycheck.gstatic.com")
        .contact("time.android.com")
        .syn(LINUX);
    phone.is("android", Confidence::Medium, false);
    assert!(
        Rules::embedded()
            .of_name("detectportal.firefox.com", None, None)
            .is_none()
    );
}

#[test]
fn mirrors_and_update_servers_are_no_clients() {
    let rules = Rules::embedded();
    // A mirror fetches with another program, a person reads in a browser.
    assert!(
        rules
            .of_name(
                "ftp.jp.debian.org",
                Some(b"/debian/"),
                Some(b"rsync-mirror/1")
            )
            .is_none()
    );
    assert!(rules.of_name("archive1.ubuntu.com", None, None).is_none());
    assert!(
        rules
            .of_name("fedoraproject.org", Some(b"/wiki/"), None)
            .is_none()
    );
    assert!(
        rules
            .of_name("catalog.update.microsoft.com", None, None)
            .is_none()
    );
    Told::new()
        .contact("download.windowsupdate.com")
        .is("windows", Confidence::Low, false);
    let mirror = Told::new().contact("download.windowsupdate.com").syn(LINUX);
    assert_eq!(mirror.guess(), None, "a mirror of Windows updates on Linux");
}

#[test]
fn an_address_that_changed_hands_is_the_new_host_and_not_sure_for_a_week() {
    let first = Told::new()
        .windows()
        .contact("time.windows.com")
        .syn(WINDOWS);
    let second = first
        .later(30)
        .contact("captive.apple.com")
        .contact("time-macos.apple.com")
        .syn(APPLE);
    second.is("macos", Confidence::Medium, false);
    let same_day = Told::new()
        .windows()
        .syn(WINDOWS)
        .later(20)
        .contact("captive.apple.com")
        .syn(APPLE);
    assert!(
        same_day.guess().unwrap().is_mixed,
        "two systems on one computer"
    );
}

#[test]
fn evidence_fades() {
    let old = Told::new()
        .windows()
        .syn(WINDOWS)
        .later(weigh::FADES as i64);
    assert!(old.guess().is_some());
    assert_eq!(old.later(1).guess(), None);
}

#[test]
fn an_upgrade_brings_the_newer_version() {
    let fedora = Told::new()
        .agent("libdnf (Fedora Linux 41; kde; Linux.x86_64)")
        .later(1);
    let fedora = fedora.agent("libdnf (Fedora Linux 42; kde; Linux.x86_64)");
    fedora.has_version(Some("42"));
    let both = fedora.agent("libdnf (Fedora Linux 41; container; Linux.x86_64)");
    both.has_version(None);
}

#[test]
fn a_lease_tells_what_the_host_says_of_itself() {
    let mut told = Told::new().windows();
    let guesses = &mut told.guesses;
    guesses.neighbour(&asks(1, b"MSFT 5.0", &[]), MOST);
    guesses.neighbour(&asks(2, b"android-dhcp-14", &[1, 3, 6]), MOST);
    let listed = [1, 121, 3, 6, 15, 108, 114, 119, 252];
    guesses.neighbour(&asks(3, b"", &listed), MOST);
    let of = |last| told.guesses.of(host(last), at(0)).unwrap();
    let windows = of(1);
    assert_eq!(
        (windows.name, windows.confidence, windows.is_mixed),
        (System::Windows, Confidence::High, false)
    );
    assert_eq!(
        (of(2).name, of(2).version.as_deref()),
        (System::Android, Some("14"))
    );
    assert_eq!(
        (of(3).name, of(3).confidence),
        (System::Apple, Confidence::Low)
    );
}

#[test]
fn the_table_is_bounded_and_forgets_whom_nothing_was_seen_of() {
    let mut guesses = Guesses::new(Rules::embedded());
    let most = 4 * (HOST_BYTES + SEEN_BYTES);
    let windows = OsEvidence::seen(guesses.rules.of_agent(b"Microsoft NCSI").unwrap());
    for last in 1..=4 {
        guesses.note(HostKey::Address(client(last)), windows.clone(), at(0), most);
    }
    guesses.note(HostKey::Address(client(1)), windows.clone(), at(1), most);
    guesses.note(HostKey::Address(client(5)), windows.clone(), at(1), most);
    let known = |last| guesses.of(host(last), at(1)).is_some();
    assert!(known(1) && known(5) && !known(2) && known(3));
    assert_eq!(guesses.counters.evicted, 1);
    let (row, _) = guesses
        .rules
        .of_agent(b"libdnf (Fedora Linux 42; kde; Linux.x86_64)")
        .unwrap();
    for version in 0..100 {
        let seen = OsEvidence::seen((row, version.to_string().as_str()));
        guesses.note(HostKey::Address(client(9)), seen, at(2), MOST);
    }
    assert_eq!(guesses.hosts[&HostKey::Address(client(9))].len(), MOST_SEEN);
    assert_eq!(guesses.counters.crowded, 100 - MOST_SEEN as u64);
    let sum = |host: &Vec<Seen>| HOST_BYTES + host.len() * SEEN_BYTES;
    assert_eq!(
        guesses.bytes,
        guesses.hosts.values().map(sum).sum::<usize>()
    );
}

#[test]
fn the_order_and_the_number_of_sightings_within_an_hour_change_nothing() {
    let once = Told::new()
        .windows()
        .syn(WINDOWS)
        .apt("2.4.11", "archive1.ubuntu.com");
    let again = Told::new()
        .syn(WINDOWS)
        .apt("2.4.11", "archive1.ubuntu.com")
        .windows()
        .windows();
    assert_eq!(once.guess(), again.guess());
    assert_eq!(once.guesses.counters, again.guesses.counters);
}

#[test]
fn what_is_kept_is_taken_up_and_nothing_from_the_future() {
    let told = Told::new()
        .windows()
        .syn(WINDOWS)
        .apt("2.4.11", "archive1.ubuntu.com");
    let kept: Vec<_> = told.guesses.kept().collect();
    let mut next = Guesses::new(Rules::embedded());
    for (client, seen) in kept.clone() {
        assert!(next.take_up(client, seen, at(0), MOST));
    }
    assert_eq!(next.of(host(1), at(0)), told.guess());
    assert_eq!(next.bytes, told.guesses.bytes);
    let mut earlier = Guesses::new(Rules::embedded());
    for (client, mut seen) in kept {
        assert!(!earlier.take_up(client, seen.clone(), at(-1), MOST));
        seen.iter_mut().for_each(|seen| seen.version = "<b>".into());
        assert!(!earlier.take_up(client, seen, at(0), MOST));
    }
    assert!(earlier.hosts.is_empty());
}

#[test]
fn cameras_come_with_the_time_servers_of_others() {
    let camera = Told::new().contact("time.windows.com");
    camera.is("windows", Confidence::Low, false);
    let computer = camera.syn(WINDOWS);
    computer.is("windows", Confidence::Medium, false);
}

#[test]
fn a_derivative_that_uses_its_parent_s_time_servers_is_itself() {
    let kali = Told::new().apt("2.9.1", "http.kali.org");
    let kali = kali.contact("2.debian.pool.ntp.org").syn(LINUX);
    kali.is("kali", Confidence::Medium, false);
}
