//! Which counters of `patchspan_stats` a metric tells. What an interface or an output counts has metrics of its own.

use prometheus::proto::MetricType;

/// A metric: its series are words of `label`, each a counter.
#[derive(Debug)]
pub(in crate::sensor::metrics) struct Counted {
    pub name: &'static str,
    pub help: &'static str,
    pub kind: MetricType,
    pub label: &'static str,
    /// Words and counters; one without a word has no label.
    pub members: &'static [(&'static str, &'static str)],
}

const fn counter(
    name: &'static str,
    help: &'static str,
    member: &'static [(&'static str, &'static str)],
) -> Counted {
    counters(name, help, "", member)
}

const fn gauge(
    name: &'static str,
    help: &'static str,
    member: &'static [(&'static str, &'static str)],
) -> Counted {
    Counted {
        kind: MetricType::GAUGE,
        ..counters(name, help, "", member)
    }
}

const fn counters(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    members: &'static [(&'static str, &'static str)],
) -> Counted {
    Counted {
        name,
        help,
        kind: MetricType::COUNTER,
        label,
        members,
    }
}

/// Every one, in the order in which they are told.
#[rustfmt::skip]
pub(in crate::sensor::metrics) const FAMILIES: &[Counted] = &[
    counter("patchspan_capture_failed_waits_total", "Waits for frames that the kernel ended with an error", &[("", "capture.failed_waits")]),
    counter("patchspan_capture_unbound_workers_total", "Workers that could not be bound to their core", &[("", "capture.unbound")]),
    counter("patchspan_capture_handed_over_packets_total", "Packets handed over to the worker that has their flow", &[("", "capture.handed_over")]),
    counter("patchspan_capture_handover_dropped_packets_total", "Packets dropped because that worker was behind", &[("", "capture.handover_drops")]),
    counter("patchspan_decoded_frames_total", "Frames that were unwrapped", &[("", "decoder.frames")]),
    counter("patchspan_decoded_packets_total", "IP packets in them, inner ones included", &[("", "decoder.packets")]),
    counter("patchspan_decoded_arp_messages_total", "ARP messages in them", &[("", "decoder.arp")]),
    counter("patchspan_decoded_bytes_total", "Bytes of the frames on the wire", &[("", "decoder.bytes")]),
    counters("patchspan_undecoded_packets_total", "Frames and packets that could not be read, or carry no IP, by reason", "reason", &[
        ("bad_fragments", "decoder.bad_fragments"), ("bad_ipv4", "decoder.bad_ipv4"), ("bad_ipv6", "decoder.bad_ipv6"),
        ("bad_link", "decoder.bad_link"), ("bad_tcp", "decoder.bad_tcp"), ("bad_tunnel", "decoder.bad_tunnel"), ("bad_udp", "decoder.bad_udp"),
        ("encrypted_wireless", "decoder.encrypted_wireless"), ("not_ip", "decoder.not_ip"), ("short_icmp", "decoder.short_icmp"),
        ("short_ipv4", "decoder.short_ipv4"), ("short_ipv6", "decoder.short_ipv6"), ("short_link", "decoder.short_link"),
        ("short_tcp", "decoder.short_tcp"), ("short_udp", "decoder.short_udp"), ("too_many_layers", "decoder.too_many_layers"),
        ("unknown_link_type", "decoder.unknown_link_type"), ("wireless_control", "decoder.wireless_control"),
    ]),
    counter("patchspan_fragments_total", "Fragments", &[("", "decoder.fragments")]),
    counter("patchspan_reassembled_datagrams_total", "Datagrams put together from fragments", &[("", "decoder.reassembled")]),
    counters("patchspan_refused_fragments_total", "Fragments seen before, and datagrams given up, by reason", "reason", &[
        ("duplicate", "decoder.fragment_duplicates"), ("evicted", "decoder.fragment_evictions"), ("overlap", "decoder.fragment_overlaps"),
        ("timeout", "decoder.fragment_timeouts"),
    ]),
    counters("patchspan_odd_stamps_total", "Frames whose stamp lay behind the clock or far ahead of it, and jumps that were confirmed", "reason", &[
        ("behind", "clock.behind"), ("unconfirmed", "clock.unconfirmed"), ("jump", "clock.jumps"),
    ]),
    counter("patchspan_far_behind_stamps_total", "Frames whose stamp lay more than a second behind the clock", &[("", "clock.far_behind")]),
    counter("patchspan_flows_total", "Flows of every protocol", &[("", "flow.total")]),
    counters("patchspan_protocol_flows_total", "Flows by protocol", "protocol", &[("tcp", "flow.tcp"), ("udp", "flow.udp"), ("icmp", "flow.icmp")]),
    gauge("patchspan_flows_active", "Flows in the tables of all workers", &[("", "flow.active")]),
    gauge("patchspan_flows_ceiling", "Most flows that these tables hold", &[("", "flow.ceiling")]),
    counters("patchspan_flows_refused_total", "Flows that ended or were forgotten early because a table was full, by reason", "reason", &[
        ("forced", "flow.forced"), ("hurried", "flow.hurried"), ("forgotten", "flow.forgotten"),
    ]),
    counter("patchspan_reused_flows_total", "5-tuples taken into use again", &[("", "flow.tcp_reuse")]),
    counter("patchspan_duplicate_packets_total", "Packets that the mirror showed twice", &[("", "flow.duplicates")]),
    counter("patchspan_unbelieved_segments_total", "TCP segments whose sequence number was not believed", &[("", "flow.unbelieved_sequence")]),
    gauge("patchspan_streams_buffered_bytes", "Bytes of what is incomplete: heads, hellos, messages, and names of flows", &[("", "streams.buffered_bytes")]),
    counters("patchspan_streams_refused_total", "Streams that went on behind gaps, and flows read no further, because too much waited", "reason", &[
        ("waiting", "streams.refused"), ("buffers", "streams.buffers_refused"),
    ]),
    counter("patchspan_mirror_tcp_flows_total", "TCP flows of four packets or more that carried payload and have ended", &[("", "mirror.tcp_flows")]),
    counters("patchspan_mirror_one_sided_flows_total", "Those of which only one side was seen, by that side", "side", &[
        ("client", "mirror.client_only"), ("server", "mirror.server_only"),
    ]),
    counter("patchspan_mirror_bytes_total", "Payload bytes of TCP flows seen both ways and from their beginning, each once", &[("", "mirror.bytes")]),
    counter("patchspan_mirror_unseen_bytes_total", "Those that were acknowledged and never seen", &[("", "mirror.unseen_bytes")]),
    counter("patchspan_mirror_gaps_total", "Holes that they left", &[("", "mirror.gaps")]),
    counter("patchspan_dns_queries_total", "DNS queries", &[("", "dns.queries")]),
    counter("patchspan_dns_responses_total", "DNS responses", &[("", "dns.responses")]),
    counter("patchspan_dns_unanswered_queries_total", "Queries that no response to was seen until their flow ended, each repetition once", &[("", "dns.unanswered_queries")]),
    counters("patchspan_dns_unasked_responses_total", "Responses whose query was not seen, by whether the configuration believes the resolver", "believed", &[
        ("no", "dns.unasked_responses"), ("yes", "dns.unasked_believed"),
    ]),
    counter("patchspan_dns_malformed_messages_total", "Payload on a DNS port that is no message", &[("", "dns.malformed")]),
    counter("patchspan_names_answered_total", "Addresses that answers named", &[("", "names.answered")]),
    gauge("patchspan_names_entries", "Entries of the table of names, also those that nobody wants any more", &[("", "names.entries")]),
    gauge("patchspan_names_ceiling", "Most entries that the table of names holds", &[("", "names.ceiling")]),
    counter("patchspan_names_evicted_total", "Entries of the table of names that were forgotten early, because it was full", &[("", "names.evicted")]),
    counters("patchspan_named_flows_total", "Flows by where their name is from", "source", &[
        ("tls", "naming.tls"), ("quic", "naming.quic"), ("http", "naming.http"), ("dns", "naming.dns"),
        ("dns_shared", "naming.dns_shared"), ("inherited", "naming.inherited"), ("none", "naming.none"),
    ]),
    counters("patchspan_name_claims_total", "Flows whose name a client claimed, by what DNS says of it", "dns", &[
        ("agrees", "naming.agreed"), ("disagrees", "naming.disagreed"), ("silent", "naming.uncompared"),
    ]),
    counter("patchspan_tls_handshakes_total", "TLS handshakes", &[("", "tls.handshakes")]),
    counter("patchspan_tls_broken_streams_total", "Streams that began as TLS and made no sense", &[("", "tls.broken")]),
    counter("patchspan_quic_hellos_total", "QUIC connections whose hello was read", &[("", "quic.hellos")]),
    counter("patchspan_quic_passed_over_datagrams_total", "QUIC datagrams that were not opened, because too many came at once", &[("", "quic.passed_over")]),
    counter("patchspan_quic_unreadable_flows_total", "QUIC flows whose hello could not be read", &[("", "quic.unreadable")]),
    counter("patchspan_http_transactions_total", "HTTP transactions", &[("", "http.transactions")]),
    counter("patchspan_update_facts_total", "Facts about update servers that workers told", &[("", "updates.facts")]),
    counter("patchspan_update_facts_not_local_total", "Facts about clients outside the local networks", &[("", "updates.not_local")]),
    gauge("patchspan_update_facts_waiting", "Facts that wait for a slower worker", &[("", "updates.facts_waiting")]),
    counter("patchspan_update_accesses_total", "Final accesses", &[("", "updates.accesses")]),
    counter("patchspan_update_sessions_total", "Sessions", &[("", "updates.sessions")]),
    gauge("patchspan_update_open_entries", "Accesses, windows and sessions that are open", &[("", "updates.open")]),
    counters("patchspan_update_refused_total", "What ended early, was dropped, or counted out of order because there was too much, by reason", "reason", &[
        ("evicted", "updates.evicted"), ("pending_dropped", "updates.pending_dropped"), ("facts_dropped", "updates.facts_dropped"),
        ("facts_hurried", "updates.facts_hurried"),
    ]),
    counter("patchspan_os_evidence_total", "Things that were seen to tell of a client's operating system, each for the first time", &[("", "os.evidence")]),
    counters("patchspan_os_refused_total", "What tells of operating systems and was forgotten early because there was too much, by reason", "reason", &[
        ("crowded", "os.crowded"), ("evicted", "os.evicted"), ("sightings_full", "os.sightings_full"),
    ]),
    counter("patchspan_coverage_minutes_total", "Minutes of clients of which workers told what could be seen", &[("", "coverage.minutes")]),
    counter("patchspan_coverage_records_total", "Hours of clients that were told", &[("", "coverage.records")]),
    gauge("patchspan_coverage_clients", "Clients of the open hour and of the one before", &[("", "coverage.clients")]),
    counters("patchspan_coverage_refused_total", "Minutes of clients that did not count, by reason", "reason", &[
        ("full", "coverage.refused"), ("late", "coverage.late"), ("crowded", "coverage.crowded"),
    ]),
    gauge("patchspan_hosts_entries", "Entries of the list of hosts", &[("", "hosts.entries")]),
    gauge("patchspan_hosts_seen_entries", "Those of which something about update servers was seen", &[("", "hosts.seen")]),
    counters("patchspan_hosts_outside_total", "Final accesses and sessions of clients whose entries were not valid then", "what", &[
        ("access", "hosts.accesses_outside"), ("session", "hosts.sessions_outside"),
    ]),
    gauge("patchspan_bindings", "Addresses that are known to belong to a MAC address", &[("", "bindings.bound")]),
    counter("patchspan_binding_evidence_total", "Messages and packets that told of addresses and MAC addresses", &[("", "bindings.evidence")]),
    counters("patchspan_binding_changes_total", "Bindings made and ended", "change", &[("made", "bindings.made"), ("ended", "bindings.ended")]),
    counters("patchspan_binding_refused_total", "Messages that told nothing, claims not believed, bindings ended by others' packets, and what was forgotten, by reason", "reason", &[
        ("malformed", "bindings.malformed"), ("passed_over", "bindings.passed_over"), ("disputed", "bindings.disputed"),
        ("contradicted", "bindings.contradicted"), ("evicted", "bindings.evicted"),
    ]),
    counters("patchspan_shared_macs_total", "MAC addresses and addresses found to be no single host's, by what they are", "what", &[
        ("router", "bindings.routers"), ("shared", "bindings.shared"), ("nat", "bindings.nat"),
    ]),
    counter("patchspan_state_written_files_total", "State files written", &[("", "state.written")]),
    gauge("patchspan_state_file_bytes", "Bytes of the last one", &[("", "state.bytes")]),
    counters("patchspan_state_missed_files_total", "State files that were not written, by reason", "reason", &[
        ("failed", "state.failed"), ("late", "state.late"),
    ]),
    counter("patchspan_state_left_out_items_total", "Items that did not fit into state files", &[("", "state.left_out")]),
    counters("patchspan_state_found_items_total", "Items of the state file that this run began with, by what became of them", "outcome", &[
        ("taken_up", "state.taken_up"), ("dropped", "state.dropped"),
    ]),
    counter("patchspan_state_refused_files_total", "State files that this run could not begin with", &[("", "state.refused")]),
];

/// Counters that have no metric here, by how they begin, and why.
#[cfg(test)]
pub(in crate::sensor::metrics) const ELSEWHERE: &[(&str, &str)] = &[
    ("live.", "told for each interface"),
    ("interface.", "told for each interface"),
    ("naming.claimed", "a sum of three that are told"),
    ("source.", "only capture files have them"),
];
