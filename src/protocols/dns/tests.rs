//! DNS on messages that one can read, and on hostile ones.

use super::*;

/// `www.example.net A?` answered by a CNAME, an unknown type, an address; all owners compressed.
fn response() -> Vec<u8> {
    let mut bytes = vec![0x12, 0x67, 0x81, 0xc0, 0, 1, 0, 3, 0, 0, 0, 1];
    bytes.extend(b"\x03www\x07eXample\x03net\x00\x00\x01\x00\x01");
    bytes.extend(b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x07\x04edge\xc0\x10");
    bytes.extend(b"\xc0\x2d\xff\x00\x00\x01\x00\x00\x00\x3c\x00\x03abc");
    bytes.extend(b"\xc0\x2d\x00\x01\x00\x01\x00\x00\x00\x14\x00\x04\xcb\x00\x71\x09");
    bytes.extend(b"\x00\x00\x29\x04\xd0\x01\x00\x00\x00\x00\x00");
    bytes
}

fn text(name: Name<'_>) -> Option<String> {
    let mut text = String::new();
    name.push_to(&mut text).map(|()| text)
}

#[test]
fn an_unknown_type_costs_only_itself() {
    let bytes = response();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(
        (message.id(), message.flags(), message.is_response()),
        (0x1267, 0x81c0, true)
    );
    let question = message.questions().next().unwrap();
    assert_eq!(text(question.name).unwrap(), "www.eXample.net");
    let answers: Vec<_> = message.answers().collect();
    assert_eq!(answers.len(), 3);
    assert!(
        matches!(answers[0].data(), Data::Name(name) if text(name).unwrap() == "edge.eXample.net")
    );
    assert!(matches!(answers[1].data(), Data::Other));
    assert!(matches!(answers[2].data(), Data::A(address) if address.octets() == [203, 0, 113, 9]));
    assert_eq!(text(answers[2].name).unwrap(), "edge.eXample.net");
    assert_eq!(
        message.rcode(),
        16,
        "the OPT record extends the response code"
    );
}

#[test]
fn a_compression_loop_is_a_broken_name_not_a_hang() {
    let mut bytes = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    bytes.extend(b"\xc0\x0c\x00\x01\x00\x01");
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(text(message.questions().next().unwrap().name), None);
}

#[test]
fn a_chain_of_eight_thousand_pointers_is_not_followed() {
    let mut bytes = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for target in (14..16_000_u16).step_by(2) {
        bytes.extend((0xc000 | target).to_be_bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    assert_eq!(text(Name::new(&bytes, 12)), None);
}

#[test]
fn two_names_that_differ_never_print_the_same() {
    let dotted = b"\x03a.b\x00";
    let separate = b"\x01a\x01b\x00";
    assert_eq!(text(Name::new(dotted, 0)).unwrap(), "a\\.b");
    assert_eq!(text(Name::new(separate, 0)).unwrap(), "a.b");
    assert_eq!(
        text(Name::new(b"\x04\x00\xff\\ \x00", 0)).unwrap(),
        "\\000\\255\\\\ "
    );
    assert_eq!(text(Name::new(b"\x00", 0)).unwrap(), "");
}

#[test]
fn forged_counts_reserve_nothing() {
    let mut bytes = response();
    bytes[6..8].copy_from_slice(&u16::MAX.to_be_bytes());
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(
        message.answers().count(),
        4,
        "the OPT record is read as an answer, then the bytes end"
    );
}

/// `a HTTPS`: protocols, an address hint, an ECH configuration.
fn https_response() -> Vec<u8> {
    let config =
        b"\xfe\x0d\x00\x1b\x07\x00\x20\x00\x03key\x00\x04\x00\x01\x00\x01\x00\x0bpub.example";
    let mut list = ((config.len()) as u16).to_be_bytes().to_vec();
    list.extend(config);
    let mut data =
        b"\x00\x01\x00\x00\x01\x00\x06\x02h2\x02h3\x00\x04\x00\x04\xcb\x00\x71\x09\x00\x05"
            .to_vec();
    data.extend((list.len() as u16).to_be_bytes());
    data.extend(&list);
    let mut bytes = vec![0, 1, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    bytes.extend(b"\x01a\x00\x00\x41\x00\x01\x00\x00\x00\x01");
    bytes.extend((data.len() as u16).to_be_bytes());
    bytes.extend(data);
    bytes
}

/// Records of the other types that are read.
fn odd_response() -> Vec<u8> {
    let mut bytes = vec![0, 1, 0x84, 0, 0, 1, 0, 4, 0, 1, 0, 0];
    bytes.extend(b"\x01a\x07example\x00\x00\xff\x00\x01");
    bytes.extend(b"\xc0\x0c\x00\x0f\x00\x01\x00\x00\x00\x01\x00\x06\x00\x05\x01m\xc0\x0e");
    bytes.extend(b"\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x01\x00\x05\x01x\x02yz");
    bytes.extend(
        b"\xc0\x0c\x00\x21\x00\x01\x00\x00\x00\x01\x00\x08\x00\x01\x00\x02\x00\x50\xc0\x0c",
    );
    bytes.extend(b"\xc0\x0c\x00\x2c\x00\x01\x00\x00\x00\x01\x00\x04\x01\x02\xab\xcd");
    bytes.extend(b"\xc0\x0e\x00\x06\x00\x01\x00\x00\x00\x01\x00\x18\xc0\x0c\xc0\x0e");
    bytes.extend([0, 0, 0, 9, 0, 0, 0, 8, 0, 0, 0, 7, 0, 0, 0, 6, 0, 0, 0, 5]);
    bytes
}

#[test]
fn records_of_many_types_are_read() {
    let bytes = odd_response();
    let message = Message::parse(&bytes).unwrap();
    let answers: Vec<_> = message.answers().map(|record| record.data()).collect();
    assert!(matches!(&answers[0], Data::Mx(name) if text(*name).unwrap() == "m.example"));
    assert!(matches!(&answers[1], Data::Txt(strings) if strings.iter().eq([&b"x"[..], b"yz"])));
    assert!(
        matches!(&answers[2], Data::Srv(1, 2, 80, name) if text(*name).unwrap() == "a.example")
    );
    assert!(matches!(&answers[3], Data::Sshfp(1, 2, [0xab, 0xcd])));
    let authority = message.authorities().next().unwrap().data();
    assert!(matches!(authority, Data::Soa(_, _, [9, 8, 7, 6, 5])));
}

#[test]
fn an_https_record_gives_hints_and_ech() {
    let bytes = https_response();
    let message = Message::parse(&bytes).unwrap();
    let Data::Service(service) = message.answers().next().unwrap().data() else {
        panic!("not read")
    };
    assert_eq!(service.alpn().collect::<Vec<_>>(), [b"h2", b"h3"]);
    assert_eq!(
        service.ipv4_hints().next().unwrap().octets(),
        [203, 0, 113, 9]
    );
    let configs: Vec<_> = svcb::ech_configs(service.ech().unwrap()).collect();
    assert_eq!(
        configs,
        [svcb::EchConfig {
            config_id: 7,
            public_name: b"pub.example"
        }]
    );
}

#[test]
fn messages_over_tcp_come_in_any_pieces() {
    let stream = b"\x00\x03abc\x00\x00\x00\x05hello\x00\x01x";
    let expected: Vec<Vec<u8>> = vec![b"abc".to_vec(), vec![], b"hello".to_vec(), b"x".to_vec()];
    for size in 1..=stream.len() {
        let (mut framer, mut messages) = (Framer::default(), Vec::new());
        for piece in stream.chunks(size) {
            framer.push(piece, |message| messages.push(message.to_vec()));
        }
        assert_eq!(messages, expected, "in pieces of {size}");
    }
}

/// Everything that records and the resolver ask of a message.
fn walk(bytes: &[u8]) {
    let _ = is_plausible(bytes);
    let Ok(message) = Message::parse(bytes) else {
        return;
    };
    message
        .questions()
        .for_each(|question| drop(text(question.name)));
    let sections = message.answers().chain(message.authorities());
    for record in sections.chain(message.additionals()) {
        let _ = text(record.name);
        match record.data() {
            Data::Name(name) | Data::Mx(name) | Data::Srv(_, _, _, name) => drop(text(name)),
            Data::Soa(first, second, _) => drop((text(first), text(second))),
            Data::Txt(strings) => strings.iter().for_each(drop),
            Data::Service(service) => {
                let _ = (text(service.target), service.alpn().count());
                let _ = (service.ipv4_hints().count(), service.ipv6_hints().count());
                svcb::ech_configs(service.ech().unwrap_or_default()).for_each(drop);
            }
            _ => {}
        }
    }
    let mut stream = Framer::default();
    stream.push(bytes, |_| {});
    stream.push(bytes, |_| {});
}

#[test]
fn every_prefix_and_every_changed_byte_is_harmless() {
    for whole in [response(), https_response(), odd_response()] {
        for length in 0..whole.len() {
            walk(&whole[..length]);
        }
        for at in 0..whole.len() {
            for value in 0..=255 {
                let mut changed = whole.clone();
                changed[at] = value;
                walk(&changed);
            }
        }
    }
}

#[test]
fn a_message_that_was_put_together_keeps_no_memory() {
    let mut framer = Framer::default();
    let stream = [&[0xff, 0xff][..], &[0; 65_535]].concat();
    let mut messages = 0;
    for piece in stream.chunks(1_000) {
        framer.push(piece, |message| messages += message.len());
    }
    assert_eq!((messages, framer.memory()), (65_535, 0));
    framer.push(&stream[..60_000], |_| {});
    assert!(framer.memory() >= 60_000);
    framer.gap();
    assert_eq!(framer.memory(), 0);
}
