//! Any bytes as a DNS message and as a stream of them: bounded sections, names that read back, a line that is whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchspan::protocols::dns::svcb::ech_configs;
use patchspan::protocols::dns::{Data, Framer, Message, Name, Resources, is_plausible};
use patchspan::records::{Style, dns};
use patchspan_fuzz::{is_presentation, line};

/// The shortest record: root, type, class, TTL, data length.
const SHORTEST_RECORD: usize = 11;

fuzz_target!(|bytes: &[u8]| {
    pieces_do_not_matter(bytes);
    let Ok(message) = Message::parse(bytes) else {
        assert!(!is_plausible(bytes));
        return;
    };
    let room = bytes.len() / SHORTEST_RECORD + 1;
    assert!(message.questions().count() <= usize::from(message.announced_questions()));
    message
        .questions()
        .for_each(|question| check_name(question.name));
    for section in [
        message.answers(),
        message.authorities(),
        message.additionals(),
    ] {
        assert!(section.clone().count() <= room);
        check_section(section);
    }
    for eve_strict in [false, true] {
        let style = Style {
            eve_strict,
            ..Style::default()
        };
        let value = line(|line| dns::write(line, &message, 0, &style));
        assert_eq!(value["dns"]["id"], message.id());
        assert!(!eve_strict || value.get("patchspan").is_none());
    }
});

fn check_section(section: Resources<'_>) {
    for record in section {
        check_name(record.name);
        match record.data() {
            Data::Name(name) | Data::Mx(name) | Data::Srv(_, _, _, name) => check_name(name),
            Data::Soa(first, second, _) => [first, second].into_iter().for_each(check_name),
            Data::Txt(strings) => assert!(strings.iter().all(|string| string.len() < 256)),
            Data::Service(service) => {
                check_name(service.target);
                assert!(service.alpn().all(|protocol| protocol.len() < 256));
                let hints = service.ipv4_hints().count() + service.ipv6_hints().count();
                assert!(hints < 1 << 15);
                ech_configs(service.ech().unwrap_or_default()).for_each(drop);
            }
            Data::A(_) | Data::Aaaa(_) | Data::Sshfp(..) | Data::Other => {}
        }
    }
}

/// A name is as long as the RFC says, harmless as text, and its text tells every label.
fn check_name(name: Name<'_>) {
    let labels: Option<Vec<&[u8]>> = name.labels().collect();
    let mut text = String::new();
    let read = name.push_to(&mut text);
    is_presentation(&text);
    assert_eq!(labels.is_some(), read.is_some());
    let Some(labels) = labels else {
        assert!(name.to_fqdn().is_none());
        return;
    };
    assert!(labels.iter().all(|label| (1..64).contains(&label.len())));
    assert!(labels.iter().map(|label| label.len() + 1).sum::<usize>() < 255);
    assert_eq!(labels_of(&text), labels);
    let fqdn = name.to_fqdn().map(|fqdn| fqdn.as_str().to_owned());
    assert_eq!(
        fqdn,
        Some(text.to_ascii_lowercase()).filter(|text| !text.is_empty())
    );
}

/// What a person reads out of presentation form (RFC 1035 section 5.1).
fn labels_of(text: &str) -> Vec<Vec<u8>> {
    if text.is_empty() {
        return Vec::new();
    }
    let mut labels = vec![Vec::new()];
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let label = labels.last_mut().expect("one at least");
        match byte {
            b'.' => labels.push(Vec::new()),
            b'\\' => match bytes.next() {
                Some(first @ b'0'..=b'9') => {
                    let digits = [first, bytes.next().unwrap(), bytes.next().unwrap()];
                    label.push(std::str::from_utf8(&digits).unwrap().parse().unwrap());
                }
                escaped => label.push(escaped.expect("no escape at the end")),
            },
            _ => label.push(byte),
        }
    }
    labels
}

/// A stream gives the same messages however it is cut.
fn pieces_do_not_matter(bytes: &[u8]) {
    let messages = |size: usize| {
        let (mut framer, mut messages) = (Framer::default(), Vec::new());
        for piece in bytes.chunks(size) {
            framer.push(piece, |message| messages.push(message.to_vec()));
        }
        messages
    };
    let whole = messages(bytes.len().max(1));
    let size = usize::from(bytes.first().copied().unwrap_or_default()) + 1;
    assert_eq!(messages(size), whole);
    assert_eq!(messages(1), whole);
}
