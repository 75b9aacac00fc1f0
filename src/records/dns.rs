//! `dns`: one record a message, in EVE's version 3.
//!
//! Names stand in the case of the wire, in presentation form, without a trailing dot; the root is empty. Of HTTPS and SVCB records the
//! owner, type and TTL stand in `answers`, the rest in `patchspan.svcb`.

use crate::protocols::dns::name::Space;
use crate::protocols::dns::svcb::ServiceBinding;
use crate::protocols::dns::words::{rcode_word, type_word};
use crate::protocols::dns::{Data, Message, Name, Resource, Resources};

use super::{Line, Style};

/// Writes the kind's own object and, where it has anything to say, ours. `tx_id`: the message's place in its flow, from 0.
pub fn write(line: &mut Line<'_>, message: &Message<'_>, tx_id: u64, style: &Style) {
    line.object("dns", |line| {
        line.integer("version", 3);
        let kind = if message.is_response() {
            "response"
        } else {
            "request"
        };
        line.word("type", kind);
        line.integer("tx_id", tx_id);
        line.integer("id", u64::from(message.id()));
        write_flags(line, message.flags());
        line.integer("opcode", u64::from(message.opcode()));
        line.word("rcode", &rcode_word(message.rcode()));
        write_queries(line, message);
        let keys = ("answers", "dns.answers");
        write_section(line, keys, Depth::All, message.answers());
        let keys = ("authorities", "dns.authorities");
        write_section(line, keys, Depth::Authority, message.authorities());
        let keys = ("additionals", "dns.additionals");
        write_section(line, keys, Depth::Text, message.additionals());
    });
    let services = || {
        message
            .answers()
            .filter(|record| matches!(record.data(), Data::Service(_)))
    };
    let has_services = services().next().is_some();
    if !style.eve_strict && (has_services || line.was_cut()) {
        line.object("patchspan", |line| {
            if has_services {
                write_services(line, services());
            }
            line.cuts();
        });
    }
}

fn write_flags(line: &mut Line<'_>, flags: u16) {
    const NAMED: [(u16, &str); 6] = [
        (0x8000, "qr"),
        (0x0400, "aa"),
        (0x0200, "tc"),
        (0x0100, "rd"),
        (0x0080, "ra"),
        (0x0040, "z"),
    ];
    line.hexadecimal_number("flags", flags.into());
    for (bit, name) in NAMED {
        if flags & bit != 0 {
            line.boolean(name, true);
        }
    }
}

fn write_queries(line: &mut Line<'_>, message: &Message<'_>) {
    if message.questions().next().is_none() {
        return;
    }
    let (limit, all) = (
        line.limits().list,
        usize::from(message.announced_questions()),
    );
    line.list("queries", |line| {
        for question in message.questions().take(limit) {
            line.element_object(|line| {
                write_name(line, "rrname", "dns.queries.rrname", question.name);
                line.word("rrtype", &type_word(question.kind));
            });
        }
    });
    if all > limit {
        line.note_cut("dns.queries", limit, all);
    }
}

/// How much EVE tells of the records of a section: the inner ones tell less.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    /// Additional section: nothing that is an object.
    Text,
    /// Authority section: `soa` too.
    Authority,
    /// Answer section: all.
    All,
}

fn write_section(
    line: &mut Line<'_>,
    (key, path): (&str, &str),
    depth: Depth,
    records: Resources<'_>,
) {
    let mut records = records.peekable();
    if records.peek().is_none() {
        return;
    }
    let (limit, mut all) = (line.limits().list, 0);
    line.list(key, |line| {
        for record in records.by_ref().take(limit) {
            line.element_object(|line| {
                write_owner(line, path, &record);
                write_data(line, path, record.data(), depth);
            });
            all += 1;
        }
    });
    all += records.count();
    if all > limit {
        line.note_cut(path, limit, all);
    }
}

fn write_owner(line: &mut Line<'_>, path: &str, record: &Resource<'_>) {
    write_name(line, "rrname", path, record.name);
    line.word("rrtype", &type_word(record.kind));
    line.integer("ttl", u64::from(record.ttl));
}

fn write_data(line: &mut Line<'_>, path: &str, data: Data<'_>, depth: Depth) {
    match data {
        Data::Soa(..) if depth < Depth::Authority => {}
        Data::Srv(..) | Data::Sshfp(..) if depth < Depth::All => {}
        Data::A(address) => line.address("rdata", address.into()),
        Data::Aaaa(address) => line.address("rdata", address.into()),
        Data::Name(name) | Data::Mx(name) => write_name(line, "rdata", path, name),
        Data::Txt(strings) => {
            let joined: Vec<u8> = strings.iter().flatten().copied().collect();
            line.wire("rdata", path, &joined);
        }
        Data::Soa(mname, rname, numbers) => line.object("soa", |line| {
            write_name(line, "mname", path, mname);
            write_name(line, "rname", path, rname);
            for (key, value) in ["serial", "refresh", "retry", "expire", "minimum"]
                .into_iter()
                .zip(numbers)
            {
                line.integer(key, u64::from(value));
            }
        }),
        Data::Srv(priority, weight, port, target) => line.object("srv", |line| {
            line.integer("priority", u64::from(priority));
            line.integer("weight", u64::from(weight));
            line.integer("port", u64::from(port));
            write_name(line, "name", path, target);
        }),
        Data::Sshfp(algorithm, kind, fingerprint) => line.object("sshfp", |line| {
            const DIGITS: usize = "00:".len();
            let most = 64.min(line.limits().value / DIGITS);
            let hex: Vec<String> = fingerprint
                .iter()
                .take(most)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            line.text("fingerprint", &hex.join(":"));
            line.integer("algo", u64::from(algorithm));
            line.integer("type", u64::from(kind));
        }),
        Data::Service(_) | Data::Other => {}
    }
}

fn write_services<'a>(line: &mut Line<'_>, records: impl Iterator<Item = Resource<'a>>) {
    const MOST: usize = 16;
    line.list("svcb", |line| {
        for record in records.take(MOST.min(line.limits().list)) {
            if let Data::Service(service) = record.data() {
                line.element_object(|line| write_service(line, &service));
            }
        }
    });
}

fn write_service(line: &mut Line<'_>, service: &ServiceBinding<'_>) {
    const MOST: usize = 32;
    line.integer("priority", u64::from(service.priority));
    write_name(line, "target", "patchspan.svcb.target", service.target);
    if service.alpn().next().is_some() {
        line.list("alpn", |line| {
            service
                .alpn()
                .take(MOST)
                .for_each(|protocol| line.element_wire(protocol))
        });
    }
    if service.ipv4_hints().next().is_some() {
        line.list("ipv4hint", |line| {
            service
                .ipv4_hints()
                .take(MOST)
                .for_each(|hint| line.element_address(hint.into()))
        });
    }
    if service.ipv6_hints().next().is_some() {
        line.list("ipv6hint", |line| {
            service
                .ipv6_hints()
                .take(MOST)
                .for_each(|hint| line.element_address(hint.into()))
        });
    }
    if service.ech().is_some() {
        line.boolean("ech", true);
    }
}

/// A name that is broken is told as far as it could be read.
fn write_name(line: &mut Line<'_>, key: &str, path: &str, name: Name<'_>) {
    if let Some(plain) = name.plain(&mut Space::default()) {
        return line.plain(key, path, plain);
    }
    let mut text = String::new();
    let _ = name.push_to(&mut text);
    line.long_text(key, path, &text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::line::{Scratch, write_line};

    #[test]
    fn a_response_is_written_as_eve_has_it() {
        let mut bytes = vec![0x12, 0x67, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0];
        bytes.extend(b"\x02dL\x07example\x03net\x00\x00\x01\x00\x01");
        bytes.extend(b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x07\x04edge\xc0\x0f");
        bytes.extend(b"\xc0\x2c\x00\x01\x00\x01\x00\x00\x00\x14\x00\x04\xcb\x00\x71\x09");
        let message = Message::parse(&bytes).unwrap();
        let mut buffer = Vec::new();
        write_line(&mut buffer, &mut Scratch::default(), |line| {
            write(line, &message, 1, &Style::default())
        });
        assert_eq!(
            String::from_utf8(buffer).unwrap(),
            "{\"dns\":{\"version\":3,\"type\":\"response\",\"tx_id\":1,\"id\":4711,\"flags\":\"8180\",\"qr\":true,\"rd\":true,\
             \"ra\":true,\"opcode\":0,\"rcode\":\"NOERROR\",\"queries\":[{\"rrname\":\"dL.example.net\",\"rrtype\":\"A\"}],\
             \"answers\":[{\"rrname\":\"dL.example.net\",\"rrtype\":\"CNAME\",\"ttl\":60,\"rdata\":\"edge.example.net\"},\
             {\"rrname\":\"edge.example.net\",\"rrtype\":\"A\",\"ttl\":20,\"rdata\":\"203.0.113.9\"}]}}\n"
        );
    }

    #[test]
    fn a_message_with_three_thousand_records_stays_one_short_line() {
        let mut bytes = vec![0, 1, 0x80, 0, 0, 0, 0x0b, 0xb8, 0, 0, 0, 0];
        for number in 0..3_000_u16 {
            bytes.extend(b"\x01a\x00\x00\x01\x00\x01\x00\x00\x00\x14\x00\x04\xcb\x00");
            bytes.extend(number.to_be_bytes());
        }
        let message = Message::parse(&bytes).unwrap();
        let mut buffer = Vec::new();
        write_line(&mut buffer, &mut Scratch::default(), |line| {
            write(line, &message, 0, &Style::default())
        });
        assert!(buffer.len() <= crate::records::MAX_LINE);
        let value: serde_json::Value = serde_json::from_slice(&buffer).unwrap();
        let kept = value["dns"]["answers"].as_array().unwrap().len();
        assert_eq!(
            value["patchspan"]["cut"][0],
            format!("dns.answers:{kept}/3000")
        );
    }
}
