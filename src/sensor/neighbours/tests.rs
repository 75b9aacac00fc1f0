use super::*;
use crate::types::VlanTags;
use crate::types::packet::{IcmpMessage, TcpSegment};

const MAC: Mac = [2, 0, 0x5e, 0, 0, 7];
const OTHER: Mac = [2, 0, 0x5e, 0, 0, 8];
const BROADCAST: Mac = [0xff; 6];

fn packet<'p>(source: &str, destination: &str, transport: Transport<'p>) -> Packet<'p> {
    Packet {
        timestamp: Timestamp::EPOCH,
        recorded: Timestamp::EPOCH,
        number: 1,
        origin: 0,
        number_in_origin: 1,
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        transport,
        wire_bytes: 60,
        frames: 1,
        identification: 0,
        hop_limit: 255,
        vlan: VlanTags::default(),
        tunnel: None,
        source_mac: Some(MAC),
        destination_mac: Some(BROADCAST),
    }
}

fn told(read: Result<Vec<Neighbour>, Malformed>) -> Vec<(String, Mac, Evidence)> {
    let Ok(evidence) = read else {
        return vec![("malformed".to_owned(), [0; 6], Evidence::OnLink)];
    };
    let one = |one: Neighbour| (one.address.to_string(), one.mac, one.what);
    evidence.into_iter().map(one).collect()
}

fn says(address: &str, mac: Mac, what: Evidence) -> (String, Mac, Evidence) {
    (address.to_owned(), mac, what)
}

fn arp_message(mac: Mac, sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4, 0, 1];
    [&head[..], &mac, &sender, &[0; 6], &target].concat()
}

fn of_arp(mac: Mac, sender: [u8; 4], target: [u8; 4]) -> Vec<(String, Mac, Evidence)> {
    let message = arp_message(mac, sender, target);
    let mut packet = packet("0.0.0.0", "0.0.0.0", Transport::Arp(&message));
    packet.source_mac = Some(if mac == OTHER { MAC } else { mac });
    told(arp(&packet))
}

#[test]
fn arp_tells_who_has_an_address_and_who_tries_one() {
    let (own, asked) = ([192, 0, 2, 7], [192, 0, 2, 1]);
    assert_eq!(
        of_arp(MAC, own, asked),
        [says("192.0.2.7", MAC, Evidence::Arp)]
    );
    assert_eq!(
        of_arp(MAC, own, own),
        [
            says("192.0.2.7", MAC, Evidence::Probe),
            says("192.0.2.7", MAC, Evidence::Arp)
        ]
    );
    assert_eq!(
        of_arp(MAC, [0; 4], own),
        [says("192.0.2.7", MAC, Evidence::Probe)]
    );
    assert_eq!(
        of_arp(MAC, [169, 254, 1, 1], asked),
        [says("0.0.0.0", MAC, Evidence::OnLink)]
    );
}

#[test]
fn arp_that_another_machine_sent_or_that_names_nobody_tells_nothing() {
    let own = [192, 0, 2, 7];
    assert_eq!(of_arp(OTHER, own, own), []);
    assert_eq!(of_arp(BROADCAST, own, own), []);
    assert_eq!(of_arp([0; 6], own, own), []);
    assert_eq!(of_arp(MAC, [255; 4], own), []);
    assert_eq!(of_arp(MAC, [224, 0, 0, 1], own), []);
    let virtual_mac = [0, 0, 0x5e, 0, 1, 3];
    assert_eq!(
        of_arp(virtual_mac, own, own),
        [
            says("0.0.0.0", virtual_mac, Evidence::Router),
            says("192.0.2.7", virtual_mac, Evidence::Probe),
            says("192.0.2.7", virtual_mac, Evidence::Arp)
        ]
    );
}

fn of_discovery(source: &str, kind: u8, body: &[u8]) -> Vec<(String, Mac, Evidence)> {
    let message = IcmpMessage {
        kind,
        code: 0,
        quoted: None,
        payload: body,
        message_length: 24,
    };
    told(discovery(&packet(
        source,
        "ff02::1",
        Transport::Icmp(message),
    )))
}

fn body(flags: u8, target: &str, option: &[u8]) -> Vec<u8> {
    let target: std::net::Ipv6Addr = target.parse().unwrap();
    [&[flags, 0, 0, 0], &target.octets()[..], option].concat()
}

#[test]
fn discovery_tells_hosts_from_routers_and_trying_from_having() {
    let link = |kind: u8, mac: Mac| [&[kind, 1][..], &mac].concat();
    let own = "2001:db8::7";
    let tried = of_discovery("::", 135, &body(0, own, &[]));
    assert_eq!(tried, [says(own, MAC, Evidence::Probe)]);
    let asks = of_discovery(own, 135, &body(0, "2001:db8::1", &link(1, MAC)));
    assert_eq!(asks, [says(own, MAC, Evidence::Ndp)]);
    let passed_on = of_discovery(own, 135, &body(0, "2001:db8::1", &link(1, OTHER)));
    assert_eq!(passed_on, []);
    let answers = of_discovery("fe80::7", 136, &body(0x60, own, &link(2, MAC)));
    assert_eq!(answers, [says(own, MAC, Evidence::Ndp)]);
    let router = of_discovery("fe80::1", 136, &body(0xe0, "fe80::1", &link(2, MAC)));
    let on_link = says("0.0.0.0", MAC, Evidence::OnLink);
    let is_router = says("0.0.0.0", MAC, Evidence::Router);
    assert_eq!(router, [is_router.clone(), on_link.clone()]);
    let advertised = of_discovery("fe80::1", 134, &[0; 12]);
    assert_eq!(advertised, [is_router, on_link]);
}

/// A message of DHCP.
fn lease(kind: u8, addresses: [[u8; 4]; 2], options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 236];
    bytes[..3].copy_from_slice(&[2, 1, 6]);
    bytes[12..16].copy_from_slice(&addresses[0]);
    bytes[16..20].copy_from_slice(&addresses[1]);
    bytes[28..34].copy_from_slice(&OTHER);
    [&bytes[..], &[99, 130, 83, 99, 53, 1, kind], options].concat()
}

fn of_lease(payload: &[u8]) -> Vec<(String, Mac, Evidence)> {
    let datagram = UdpDatagram {
        source_port: 67,
        destination_port: 68,
        payload,
        payload_length: payload.len() as u32,
    };
    told(lease_v4(&packet(
        "192.0.2.3",
        "192.0.2.7",
        Transport::Udp(datagram),
    )))
}

#[test]
fn leases_are_the_client_s_whoever_sent_the_frame() {
    let (none, own) = ([0; 4], [192, 0, 2, 7]);
    let name = [12, 4, b'p', b'c', b'-', b'7'];
    let given = of_lease(&lease(5, [none, own], &[51, 4, 0, 0, 0, 60]));
    let until = Some(Timestamp::EPOCH.plus(Duration::from_secs(60)));
    assert_eq!(given, [says("192.0.2.7", OTHER, Evidence::Given(until))]);
    let asks = of_lease(&lease(3, [none, none], &name));
    let named = Evidence::Named("pc-7".to_owned());
    assert_eq!(asks, [says("0.0.0.0", OTHER, named)]);
    let settings = of_lease(&lease(5, [own, none], &[]));
    assert_eq!(settings, [says("192.0.2.7", OTHER, Evidence::Given(None))]);
    let returned = of_lease(&lease(7, [own, none], &[]));
    assert_eq!(returned, [says("192.0.2.7", OTHER, Evidence::Returned)]);
    let declined = of_lease(&lease(4, [none, none], &[50, 4, 192, 0, 2, 9]));
    assert_eq!(declined, [says("192.0.2.9", OTHER, Evidence::Returned)]);
    assert_eq!(
        of_lease(&lease(2, [none, own], &[])),
        [],
        "an offer is none yet"
    );
    assert_eq!(of_lease(&[0; 20])[0].0, "malformed");
}

#[test]
fn a_lease_of_ipv6_is_that_of_the_machine_it_was_sent_to() {
    let address: std::net::Ipv6Addr = "2001:db8::7".parse().unwrap();
    let lease = [&address.octets()[..], &[0, 0, 0, 30, 0, 0, 0, 60]].concat();
    let association = [&[0; 12][..], &[0, 5, 0, 24], &lease].concat();
    let reply = [&[7, 0, 0, 1, 0, 3, 0, 40][..], &association].concat();
    let datagram = UdpDatagram {
        source_port: 547,
        destination_port: 546,
        payload: &reply,
        payload_length: reply.len() as u32,
    };
    let mut packet = packet("fe80::1", "fe80::7", Transport::Udp(datagram));
    packet.destination_mac = Some(OTHER);
    let until = Some(Timestamp::EPOCH.plus(Duration::from_secs(60)));
    let given = says("2001:db8::7", OTHER, Evidence::Given(until));
    assert_eq!(told(lease_v6(&packet)), [given]);
    // To a relay, without a word of the client's MAC address.
    packet.destination = "2001:db8::1".parse().unwrap();
    assert_eq!(told(lease_v6(&packet)), []);
}

#[test]
fn the_options_of_a_syn_tell_one_system_from_another_whatever_their_values() {
    let stack_of = |options: &[u8], flags: u8| {
        let segment = TcpSegment {
            source_port: 1,
            destination_port: 2,
            sequence: 0,
            acknowledgement: 0,
            flags: TcpFlags(flags),
            window: 0,
            options,
            payload: &[],
            payload_length: 0,
        };
        stack(&packet("192.0.2.1", "192.0.2.2", Transport::Tcp(segment)))
    };
    let linux = stack_of(&[2, 4, 5, 180, 4, 2, 1, 3, 3, 7], 2);
    assert_eq!(linux, stack_of(&[2, 4, 1, 2, 4, 2, 1, 3, 3, 9], 2));
    assert_ne!(linux, stack_of(&[2, 4, 5, 180, 1, 3, 3, 8, 4, 2], 2));
    assert_eq!(stack_of(&[], 0x12), None);
    assert_eq!(stack_of(&[], 0x10), None);
    assert_eq!(stack_of(&[2, 200], 2), None);
}

#[test]
fn addresses_that_every_link_has_and_groups_are_no_host_s() {
    for of in ["192.0.2.7", "2001:db8::7", "fd00::1"] {
        assert!(is_hosts(of.parse().unwrap()), "{of}");
    }
    for of in [
        "fe80::1",
        "169.254.0.1",
        "0.0.0.0",
        "::",
        "ff02::1",
        "224.0.0.1",
        "127.0.0.1",
        "255.255.255.255",
    ] {
        assert!(!is_hosts(of.parse().unwrap()), "{of}");
    }
}
