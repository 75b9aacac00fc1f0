//! The schemas against the code: every word that the program can write, every key that EVE knows.

use serde_json::Value;

use super::*;
use crate::flows::EndReason;
use crate::flows::flow::Handshake;
use crate::updates::catalogue::{Role, Security};
use crate::updates::fact::NameSource;
use crate::updates::verdict::{Confidence, Evidence, Offered, Outcome, Verdict};

/// What EVE's own schema (Suricata 8) knows: an object's place, then its keys; `[]` stands for the elements of a list.
const EVE: &[(&str, &str)] = &[
    (
        "",
        "timestamp flow_id pcap_cnt pcap_filename in_iface event_type vlan src_ip src_port dest_ip dest_port proto icmp_type \
         icmp_code response_icmp_type response_icmp_code ip_v pkt_src tunnel community_id host app_proto app_proto_ts \
         app_proto_tc app_proto_orig app_proto_expected dns tls quic http flow tcp stats tx_id parent_id ether metadata \
         direction capture_file",
    ),
    (
        "tunnel",
        "depth dest_ip dest_port pcap_cnt pkt_src proto src_ip src_port",
    ),
    (
        "dns",
        "aa additionals answer answers authorities flags grouped id opcode qr queries query ra rcode rd rrname rrtype tc tx_id \
         type version z",
    ),
    ("dns.queries[]", "id opcode rrname rrtype tx_id type z"),
    ("dns.answers[]", "rdata rrname rrtype soa srv sshfp ttl"),
    ("dns.authorities[]", "rdata rrname rrtype soa ttl"),
    ("dns.additionals[]", "opt rdata rrname rrtype ttl"),
    (
        "dns.answers[].soa",
        "expire minimum mname refresh retry rname serial",
    ),
    (
        "dns.authorities[].soa",
        "expire minimum mname refresh retry rname serial",
    ),
    ("dns.answers[].srv", "name port priority weight"),
    ("dns.answers[].sshfp", "algo fingerprint type"),
    (
        "tls",
        "client client_alpns server_alpns certificate chain fingerprint from_proto issuerdn subjectaltname notafter notbefore \
         serial session_resumed sni subject version ja3 ja3s ja4",
    ),
    ("quic", "cyu extensions ja3 ja3s ja4 sni ua version"),
    (
        "http",
        "content_range hostname http2 http_content_type http_method http_port http_refer http_response_body \
         http_response_body_printable http_user_agent length protocol redirect request_headers response_headers status \
         status_string url version xff",
    ),
    ("http.content_range", "end raw size start"),
    (
        "flow",
        "action age alerted bypass bypassed bytes_toclient bytes_toserver dest_ip dest_port emergency end exception_policy \
         pkts_toclient pkts_toserver reason src_ip src_port start state tx_cnt wrong_thread",
    ),
    (
        "tcp",
        "ack cwr ecn fin psh rst state syn tc_gap tc_max_regions tcp_flags tcp_flags_tc tcp_flags_ts ts_gap ts_max_regions urg",
    ),
    (
        "stats",
        "uptime capture app_layer ips decoder defrag detect file_store flow flow_bypassed flow_mgr memcap ftp http tcp",
    ),
    ("stats.capture", "kernel_packets kernel_drops"),
    (
        "stats.decoder",
        "avg_pkt_size bytes chdlc erspan esp ethernet arp unknown_ethertype geneve gre icmpv4 icmpv6 ieee8021ah invalid ipv4 \
         ipv4_in_ipv6 ipv6 ipv6_in_ipv6 max_mac_addrs_dst max_mac_addrs_src max_pkt_size mpls nsh null pkts ppp pppoe raw \
         sctp sll tcp teredo too_many_layers udp vlan vlan_qinq vlan_qinqinq vntag vxlan event",
    ),
    (
        "stats.flow",
        "active emerg_mode_entered emerg_mode_over get_used icmpv4 icmpv6 memcap memuse spare tcp tcp_reuse total udp end mgr \
         recycler wrk",
    ),
];

fn kind(kind: Kind) -> Value {
    of_kind(kind, Form::Full).unwrap()
}

fn words(schema: &Value, pointer: &str) -> Vec<String> {
    let words = schema
        .pointer(pointer)
        .unwrap_or_else(|| panic!("{pointer}"));
    serde_json::from_value(words["enum"].clone()).unwrap_or_else(|_| panic!("{pointer}"))
}

fn listed<T: Copy>(all: &[T], word: fn(T) -> &'static str) -> Vec<String> {
    all.iter().map(|value| word(*value).to_owned()).collect()
}

#[test]
fn every_file_is_an_object() {
    for text in Kind::ALL.map(source).into_iter().chain([COMMON]) {
        serde_json::from_str::<Map<String, Value>>(text).unwrap();
    }
}

#[test]
fn words_of_verdicts_are_those_of_the_code() {
    let update = kind(Kind::Update);
    let at = |key: &str| words(&update, &format!("/properties/update/properties/{key}"));
    assert_eq!(at("verdict"), listed(Verdict::ALL, Verdict::as_str));
    assert_eq!(
        at("confidence"),
        listed(Confidence::ALL, Confidence::as_str)
    );
    assert_eq!(
        at("evidence/items"),
        listed(Evidence::ALL, Evidence::as_str)
    );
    let session = kind(Kind::UpdateSession);
    let at = |key: &str| {
        words(
            &session,
            &format!("/properties/update_session/properties/{key}"),
        )
    };
    assert_eq!(at("offered"), listed(Offered::ALL, Offered::as_str));
    assert_eq!(at("outcome"), listed(Outcome::ALL, Outcome::as_str));
}

#[test]
fn words_of_the_catalogue_are_those_of_the_code() {
    let update = kind(Kind::Update);
    let mut roles: Vec<_> = Role::WORDS.iter().map(|(_, word)| *word).collect();
    roles.retain(|word| *word != Role::Ignore.as_str());
    assert_eq!(words(&update, "/properties/update/properties/role"), roles);
    let security = [Security::Yes, Security::No, Security::Mixed];
    assert_eq!(
        words(&update, "/$defs/security"),
        listed(&security, Security::as_str)
    );
}

#[test]
fn words_of_flows_are_those_of_the_code() {
    let flow = kind(Kind::Flow);
    let all = [
        NameSource::Address,
        NameSource::DnsShared,
        NameSource::Dns,
        NameSource::Http,
        NameSource::Quic,
        NameSource::Tls,
    ];
    let [_, of_flows @ ..] = all;
    assert_eq!(
        words(&flow, "/$defs/name_source"),
        listed(&of_flows, NameSource::as_str)
    );
    let at = "/properties/update/properties/name_source";
    let update = kind(Kind::Update);
    assert_eq!(words(&update, at), listed(&all, NameSource::as_str));
    let reasons = [
        EndReason::Timeout,
        EndReason::Reuse,
        EndReason::Forced,
        EndReason::Shutdown,
    ];
    let at = "/properties/flow/properties/reason";
    assert_eq!(words(&flow, at), listed(&reasons, EndReason::as_str));
    let handshakes = [
        Handshake::Complete,
        Handshake::Refused,
        Handshake::Unanswered,
        Handshake::Midstream,
    ];
    let at = "/properties/patchspan/properties/handshake";
    assert_eq!(words(&flow, at), listed(&handshakes, Handshake::as_str));
}

#[test]
fn the_strict_form_has_only_keys_that_eve_knows() {
    let mut seen = 0;
    for kind in Kind::ALL {
        let Some(schema) = of_kind(kind, Form::EveStrict) else {
            continue;
        };
        seen += 1;
        for (place, key) in keys(&schema, &schema, "") {
            let known = EVE.iter().find(|(object, _)| *object == place);
            let known = known
                .unwrap_or_else(|| panic!("EVE has no object `{place}`"))
                .1;
            assert!(
                known.split_whitespace().any(|word| word == key),
                "{place}: {key}"
            );
        }
    }
    assert_eq!(seen, 6);
}

/// Every key below `schema`, with the place of its object.
fn keys(root: &Value, schema: &Value, place: &str) -> Vec<(String, String)> {
    if let Some(name) = schema["$ref"].as_str() {
        return keys(
            root,
            root.pointer(name.trim_start_matches('#')).unwrap(),
            place,
        );
    }
    if schema["items"].is_object() {
        return keys(root, &schema["items"], &format!("{place}[]"));
    }
    let Some(properties) = schema["properties"].as_object() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (key, value) in properties {
        found.push((place.to_owned(), key.clone()));
        let dot = if place.is_empty() { "" } else { "." };
        found.extend(keys(root, value, &format!("{place}{dot}{key}")));
    }
    found
}

#[test]
fn every_object_is_closed_and_every_reference_leads_somewhere() {
    for schema in Kind::ALL
        .map(kind)
        .into_iter()
        .chain([of_all(Form::Full), of_all(Form::EveStrict)])
    {
        let mut names = BTreeSet::new();
        references(&schema, &mut names);
        for name in names {
            assert!(schema["$defs"][&name].is_object(), "{name}");
        }
        assert_closed(&schema);
    }
}

fn assert_closed(value: &Value) {
    if let Value::Object(members) = value {
        if members.get("type") == Some(&"object".into()) {
            assert!(members.contains_key("additionalProperties"), "{value}");
        }
        members.values().for_each(assert_closed);
    }
    if let Value::Array(elements) = value {
        elements.iter().for_each(assert_closed);
    }
}

#[test]
fn a_schema_carries_no_definition_that_it_does_not_need() {
    let tls = kind(Kind::Tls);
    assert!(tls["$defs"].get("ja4").is_some() && tls["$defs"].get("security").is_none());
}
