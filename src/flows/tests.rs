//! The flow table on connections packet by packet.

use std::time::Duration;

use super::table::{FEW_TIMERS, REMEMBERED_BYTES};
use super::*;
use crate::types::packet::{TcpFlags, TcpSegment, Transport};
use crate::types::{Direction, Place, VlanTags};

const CLIENT: ([u8; 4], u16) = ([192, 0, 2, 20], 50_000);
const SERVER: ([u8; 4], u16) = ([203, 0, 113, 9], 443);

#[derive(Default)]
struct Log(Vec<String>);

impl Observer<()> for Log {
    type Memory = u64;

    fn opened(&mut self, flow: &mut Flow<()>, _: &Packet<'_>, earlier: Option<u64>) {
        self.0.push(format!(
            "open {}{}",
            flow.first().number,
            earlier.map_or(String::new(), |id| format!(" after {id}"))
        ));
    }

    fn stream(
        &mut self,
        flow: &mut Flow<()>,
        side: Side,
        (chunk, _): (Chunk<'_>, Place),
        _: Stamp,
    ) -> Interest {
        let way = if flow.direction(side) == Direction::ToServer {
            '>'
        } else {
            '<'
        };
        match chunk {
            Chunk::Bytes(bytes) => self
                .0
                .push(format!("{way}{}", String::from_utf8_lossy(bytes))),
            other => self.0.push(format!("{way}{other:?}")),
        }
        Interest::Continue
    }

    fn datagram(
        &mut self,
        _: &mut Flow<()>,
        _: Side,
        datagram: &UdpDatagram<'_>,
        _: Stamp,
    ) -> Interest {
        self.0.push(format!("datagram {}", datagram.payload_length));
        Interest::Continue
    }

    fn delivered(&mut self, _: &mut Flow<()>, _: Side, _: u64, _: Timestamp) {}

    fn alarm(&mut self, _: &mut Flow<()>, now: Timestamp) {
        self.0.push(format!("alarm {now:?}"));
    }

    fn ended(&mut self, flow: &mut Flow<()>, reason: EndReason, at: Timestamp) -> Option<u64> {
        self.0.push(format!(
            "end {} {} {:?} {} {} {}/{}",
            flow.first().number,
            reason.as_str(),
            at,
            flow.handshake().map_or("-", Handshake::as_str),
            flow.tcp_state().unwrap_or("-"),
            flow.delivered(Direction::ToServer).bytes,
            flow.delivered(Direction::ToClient).bytes,
        ));
        Some(flow.first().number)
    }
}

struct Bench {
    table: FlowTable<(), u64>,
    log: Log,
    number: u64,
    now: Timestamp,
}

impl Bench {
    fn new() -> Self {
        Self {
            table: FlowTable::new(FlowOptions::default()),
            log: Log::default(),
            number: 0,
            now: Timestamp::EPOCH,
        }
    }

    fn packet(&mut self, from_client: bool, transport: Transport<'_>, identification: u32) {
        self.number += 1;
        let (source, destination) = if from_client {
            (CLIENT, SERVER)
        } else {
            (SERVER, CLIENT)
        };
        let packet = Packet {
            timestamp: self.now,
            recorded: self.now,
            number: self.number,
            origin: 0,
            number_in_origin: self.number,
            source: source.0.into(),
            destination: destination.0.into(),
            transport,
            wire_bytes: 60,
            frames: 1,
            identification,
            hop_limit: 64,
            vlan: VlanTags::default(),
            tunnel: None,
            source_mac: None,
            destination_mac: None,
        };
        self.table.packet(&packet, &mut self.log);
    }

    fn tcp(
        &mut self,
        from_client: bool,
        flags: u8,
        sequence: u32,
        acknowledgement: u32,
        payload: &[u8],
    ) {
        let identification = self.number as u32;
        self.tcp_again(
            from_client,
            flags,
            sequence,
            acknowledgement,
            payload,
            identification,
        );
    }

    fn tcp_again(
        &mut self,
        from_client: bool,
        flags: u8,
        sequence: u32,
        acknowledgement: u32,
        payload: &[u8],
        id: u32,
    ) {
        let (source_port, destination_port) = if from_client {
            (CLIENT.1, SERVER.1)
        } else {
            (SERVER.1, CLIENT.1)
        };
        let segment = TcpSegment {
            source_port,
            destination_port,
            sequence,
            acknowledgement,
            flags: TcpFlags(flags),
            window: 1_000,
            options: &[],
            payload,
            payload_length: payload.len() as u32,
        };
        self.packet(from_client, Transport::Tcp(segment), id);
    }

    fn wait(&mut self, duration: Duration) {
        self.now = self.now.plus(duration);
        self.table.advance(self.now, &mut self.log);
    }

    fn end_closed(&mut self) {
        let mut closed = self.table.closed();
        self.table
            .finish_part(&mut closed, usize::MAX, self.now, &mut self.log);
    }

    fn end(mut self) -> Vec<String> {
        self.table.finish(self.now, &mut self.log);
        assert!(self.table.is_empty());
        self.log.0
    }
}

const SYN: u8 = TcpFlags::SYN;
const ACK: u8 = TcpFlags::ACK;
const FIN: u8 = TcpFlags::FIN;
const RST: u8 = TcpFlags::RST;

fn connection(bench: &mut Bench) {
    bench.tcp(true, SYN, 100, 0, b"");
    bench.tcp(false, SYN | ACK, 900, 101, b"");
    bench.tcp(true, ACK, 101, 901, b"");
    bench.tcp(true, ACK, 101, 901, b"request");
    bench.tcp(false, ACK, 901, 108, b"response");
    bench.tcp(false, FIN | ACK, 909, 108, b"");
    bench.tcp(true, FIN | ACK, 108, 910, b"");
    bench.tcp(false, ACK, 910, 109, b"");
}

#[test]
fn a_connection_from_syn_to_fin() {
    let mut bench = Bench::new();
    connection(&mut bench);
    bench.wait(Duration::from_secs(11));
    assert!(bench.table.is_empty());
    assert_eq!(
        bench.end(),
        [
            "open 1",
            ">request",
            "<response",
            "<End",
            ">End",
            "end 1 timeout 10.000000000 complete closed 7/8"
        ]
    );
}

#[test]
fn flows_that_are_over_can_be_ended_before_those_that_go_on() {
    let mut bench = Bench::new();
    bench.tcp(true, SYN, 100, 0, b"");
    bench.tcp(false, SYN | ACK, 900, 101, b"");
    bench.end_closed();
    assert_eq!(bench.table.len(), 1);
    bench.tcp(true, RST, 101, 0, b"");
    bench.end_closed();
    assert!(bench.table.is_empty());
    assert!(bench.end().last().unwrap().starts_with("end 1 shutdown"));
}

#[test]
fn a_flow_whose_first_packet_shows_only_ports_is_followed() {
    let mut bench = Bench::new();
    let cut = Transport::Other {
        protocol: crate::types::Protocol::TCP,
        ports: [CLIENT.1, SERVER.1],
        payload_length: 32,
    };
    bench.packet(true, cut, 0);
    bench.tcp(true, ACK, 101, 901, b"request");
    let log = bench.end();
    assert_eq!(log[..2], ["open 1", ">request"]);
    assert_eq!(
        log.iter().filter(|line| line.starts_with("open")).count(),
        1
    );
}

#[test]
fn a_doubled_mirror_changes_no_figure_but_its_own() {
    let mut bench = Bench::new();
    let pairs: [(bool, u8, u32, u32, &[u8]); 4] = [
        (true, SYN, 100, 0, b""),
        (false, SYN | ACK, 900, 101, b""),
        (true, ACK, 101, 901, b"request"),
        (false, ACK, 901, 108, b"response"),
    ];
    for (id, (from_client, flags, sequence, acknowledgement, payload)) in
        pairs.into_iter().enumerate()
    {
        for _ in 0..2 {
            bench.tcp_again(
                from_client,
                flags,
                sequence,
                acknowledgement,
                payload,
                id as u32,
            );
        }
    }
    assert_eq!(bench.table.counters().duplicates, 4);
    assert_eq!(
        bench.end(),
        [
            "open 1",
            ">request",
            "<response",
            ">End",
            "<End",
            "end 1 shutdown 0.000000000 complete established 7/8"
        ]
    );
}

#[test]
fn the_client_is_right_when_the_syn_comes_late_or_never() {
    let mut bench = Bench::new();
    bench.tcp(false, SYN | ACK, 900, 101, b"");
    bench.tcp(true, SYN, 100, 0, b"");
    bench.tcp(true, ACK, 101, 901, b"x");
    assert_eq!(bench.end()[1], ">x");
    let mut midstream = Bench::new();
    midstream.tcp(false, ACK, 5_000, 70, b"data");
    midstream.tcp(true, ACK, 70, 5_004, b"");
    assert_eq!(
        midstream.end(),
        [
            "open 1",
            "<data",
            ">End",
            "<End",
            "end 1 shutdown 0.000000000 midstream established 0/4"
        ]
    );
}

#[test]
fn refused_and_unanswered_connections_are_told_apart() {
    let mut refused = Bench::new();
    refused.tcp(true, SYN, 100, 0, b"");
    refused.tcp(false, RST | ACK, 0, 101, b"");
    assert!(refused.end().last().unwrap().contains("refused closed"));
    let mut unanswered = Bench::new();
    unanswered.tcp(true, SYN, 100, 0, b"");
    unanswered.wait(Duration::from_secs(61));
    assert_eq!(
        unanswered.end(),
        [
            "open 1",
            ">End",
            "<End",
            "end 1 timeout 60.000000000 unanswered syn_sent 0/0"
        ]
    );
}

#[test]
fn a_new_syn_begins_a_new_flow_a_repeated_one_does_not() {
    let mut bench = Bench::new();
    connection(&mut bench);
    bench.tcp(true, SYN, 100, 0, b"");
    bench.tcp(true, SYN, 7_000, 0, b"");
    let log = bench.end();
    assert_eq!(
        log.iter()
            .filter(|line| line.starts_with("open"))
            .collect::<Vec<_>>(),
        ["open 1", "open 10"]
    );
    assert!(log.iter().any(|line| line.starts_with("end 1 tcp_reuse")));
}

#[test]
fn a_flow_that_goes_on_after_its_timeout_is_known() {
    let mut bench = Bench::new();
    bench.tcp(true, ACK, 100, 1, b"a");
    bench.wait(Duration::from_secs(3_700));
    bench.tcp(true, ACK, 101, 1, b"b");
    assert!(bench.end().contains(&"open 2 after 1".to_owned()));
}

#[test]
fn what_is_due_does_not_depend_on_how_often_one_asks() {
    let run = |steps: u32| {
        let mut bench = Bench::new();
        bench.tcp(true, SYN, 100, 0, b"");
        for _ in 0..steps {
            bench.wait(Duration::from_secs(100) / steps);
        }
        bench.end()
    };
    assert_eq!(run(1), run(1_000));
}

#[test]
fn one_sided_mirrors_still_tell_the_size() {
    let mut bench = Bench::new();
    bench.tcp(true, SYN, 100, 0, b"");
    bench.tcp(true, ACK, 101, 901, b"");
    bench.tcp(true, ACK, 101, 901, b"request");
    bench.tcp(true, ACK, 108, 5_901, b"");
    assert_eq!(
        bench.end().last().unwrap(),
        "end 1 shutdown 0.000000000 complete established 7/5000"
    );
}

#[test]
fn a_close_of_which_one_side_is_shown_ends_the_flow_and_its_fin_is_no_byte() {
    let mut bench = Bench::new();
    bench.tcp(true, SYN, 100, 0, b"");
    bench.tcp(true, ACK, 101, 901, b"request");
    bench.tcp(true, ACK, 108, 5_901, b"");
    bench.tcp(true, FIN | ACK, 108, 5_901, b"");
    bench.tcp(true, ACK, 109, 5_902, b"");
    bench.wait(Duration::from_secs(11));
    assert_eq!(
        bench.end().last().unwrap(),
        "end 1 timeout 10.000000000 complete fin_wait1 7/5000"
    );
}

#[test]
fn a_reset_leaves_what_was_acknowledged() {
    let mut bench = Bench::new();
    bench.tcp(true, SYN, 100, 0, b"");
    bench.tcp(true, ACK, 101, 5_901, b"");
    bench.tcp(true, FIN | ACK, 101, 901, b"");
    bench.tcp(true, RST, 102, 0, b"");
    assert!(bench.end().last().unwrap().ends_with("closed 0/0"));
    let mut acknowledged = Bench::new();
    acknowledged.tcp(true, ACK, 101, 901, b"");
    acknowledged.tcp(true, FIN | ACK, 101, 5_901, b"");
    acknowledged.tcp(true, RST | ACK, 102, 99_901, b"");
    assert!(
        acknowledged
            .end()
            .last()
            .unwrap()
            .ends_with("closed 0/5000")
    );
}

#[test]
fn data_in_a_syn_counts_once() {
    let mut bench = Bench::new();
    bench.tcp(true, SYN, 100, 0, b"GET");
    bench.tcp(false, SYN | ACK, 900, 101, b"");
    bench.tcp(true, ACK, 101, 901, b"GET /");
    bench.tcp(false, ACK, 901, 106, b"");
    assert!(bench.end().last().unwrap().ends_with(" 5/0"));
}

#[test]
fn probes_and_keep_alives_are_no_new_bytes() {
    let mut bench = Bench::new();
    bench.tcp(true, SYN, 100, 0, b"");
    bench.tcp(false, SYN | ACK, 900, 101, b"");
    bench.tcp(false, ACK, 901, 101, b"data");
    for _ in 0..3 {
        // A keep-alive with and without its byte, and the answer; a probe of a closed window, refused, then taken.
        bench.tcp(false, ACK, 904, 101, b"a");
        bench.tcp(false, ACK, 904, 101, b"");
        bench.tcp(true, ACK, 101, 905, b"");
        bench.tcp(false, ACK, 905, 101, b"b");
        bench.tcp(true, ACK, 101, 905, b"");
    }
    bench.tcp(false, ACK, 905, 101, b"bcd");
    bench.tcp(true, ACK, 101, 908, b"");
    assert!(bench.end().last().unwrap().ends_with(" 0/7"));
}

/// A table for so many flows.
fn small(max_flows: usize) -> Bench {
    let options = FlowOptions {
        max_flows,
        ..FlowOptions::default()
    };
    Bench {
        table: FlowTable::new(options),
        ..Bench::new()
    }
}

/// A segment without payload of the connection from `port`.
fn segment(bench: &mut Bench, port: u16, from_client: bool, flags: u8) {
    let (source_port, destination_port) = if from_client {
        (port, SERVER.1)
    } else {
        (SERVER.1, port)
    };
    let segment = TcpSegment {
        source_port,
        destination_port,
        sequence: 1,
        acknowledgement: 2,
        flags: TcpFlags(flags),
        window: 0,
        options: &[],
        payload: &[],
        payload_length: 0,
    };
    let identification = bench.number as u32;
    bench.packet(from_client, Transport::Tcp(segment), identification);
}

fn shake_hands(bench: &mut Bench, port: u16) {
    segment(bench, port, true, SYN);
    segment(bench, port, false, SYN | ACK);
    segment(bench, port, true, ACK);
}

fn flow(bench: &mut Bench, port: u16) -> Option<&mut Flow<()>> {
    let ends = [(CLIENT.0, port), SERVER].map(|(address, port)| crate::types::Endpoint {
        address: address.into(),
        port,
    });
    let (key, _) = crate::types::FlowKey::new(ends[0], ends[1], crate::types::Protocol::TCP, None);
    bench.table.flow(&key)
}

#[test]
fn in_a_flood_what_nobody_answered_goes_before_connections() {
    let mut bench = small(100);
    shake_hands(&mut bench, 9_000);
    for port in 10_000..11_000 {
        segment(&mut bench, port, true, SYN);
        assert!(bench.table.len() <= 100);
    }
    assert_eq!(bench.table.counters().forced, 901);
    assert!(flow(&mut bench, 9_000).is_some());
    assert!(flow(&mut bench, 10_900).is_none() && flow(&mut bench, 10_901).is_some());
}

#[test]
fn in_a_flood_of_connections_a_host_still_gets_its_answer() {
    let mut bench = small(100);
    for port in 10_000..11_000 {
        shake_hands(&mut bench, port);
        if port == 10_500 {
            segment(&mut bench, 9_000, true, SYN);
        }
        assert!(bench.table.len() <= 100);
    }
    assert!(flow(&mut bench, 9_000).is_some());
    assert!(flow(&mut bench, 10_800).is_none() && flow(&mut bench, 10_999).is_some());
}

#[test]
fn a_full_table_gives_up_what_is_least_wanted_and_waited_longest() {
    let mut bench = small(5);
    for port in 1_001..=1_005 {
        shake_hands(&mut bench, port);
    }
    // Everything but the first is decided: two flows are of no interest, two are watched, of which one is over.
    for (port, is_watched) in [(1_002, false), (1_003, false), (1_004, true), (1_005, true)] {
        flow(&mut bench, port).unwrap().set_watched(is_watched);
        segment(
            &mut bench,
            port,
            true,
            if port == 1_005 { RST } else { ACK },
        );
    }
    let mut order = Vec::new();
    for port in 2_001..=2_005 {
        segment(&mut bench, port, true, SYN);
        // Only while it is answered does it take the place of something that is wanted more.
        segment(&mut bench, port, false, SYN | ACK);
        flow(&mut bench, port).unwrap().set_watched(true);
        segment(&mut bench, port, true, ACK);
        let gone = (1_001..=1_005).filter(|port| flow(&mut bench, *port).is_none());
        order.push(gone.collect::<Vec<u16>>());
    }
    let of_no_interest = [1_002, 1_003, 1_005];
    assert!(
        order[0].len() == 1 && order[2] == of_no_interest,
        "{order:?}"
    );
    assert_eq!(order[3], [1_001, 1_002, 1_003, 1_005]);
    assert_eq!(order[4], [1_001, 1_002, 1_003, 1_004, 1_005]);
}

#[test]
fn a_full_table_passes_over_what_something_came_for() {
    let mut bench = small(3);
    for port in 1..=3 {
        segment(&mut bench, port, true, SYN);
    }
    segment(&mut bench, 1, true, SYN);
    segment(&mut bench, 4, true, SYN);
    assert!(flow(&mut bench, 1).is_some() && flow(&mut bench, 2).is_none());
    segment(&mut bench, 5, true, SYN);
    segment(&mut bench, 6, true, SYN);
    assert!(flow(&mut bench, 1).is_none() && flow(&mut bench, 4).is_some());
}

#[test]
fn a_port_reused_while_time_stands_still_leaves_no_timers_behind() {
    let mut bench = Bench::new();
    for number in 0..10_000_u32 {
        bench.tcp(true, SYN, number * 1_000, 0, b"");
    }
    assert_eq!(
        (bench.table.len(), bench.table.counters().reused),
        (1, 9_999)
    );
    assert!(bench.table.timers.len() <= FEW_TIMERS);
}

#[test]
fn what_is_remembered_is_bounded_in_bytes() {
    let options = FlowOptions {
        max_remembered: 10 * REMEMBERED_BYTES,
        ..FlowOptions::default()
    };
    let mut bench = Bench {
        table: FlowTable::new(options),
        ..Bench::new()
    };
    let segment = |port| TcpSegment {
        source_port: port,
        destination_port: 443,
        sequence: 1,
        acknowledgement: 1,
        flags: TcpFlags(ACK),
        window: 0,
        options: &[],
        payload: &[],
        payload_length: 0,
    };
    for port in 1..=100 {
        bench.packet(true, Transport::Tcp(segment(port)), 0);
    }
    bench.wait(Duration::from_secs(3_700));
    assert_eq!(
        (
            bench.table.remembered.len(),
            bench.table.counters().forgotten
        ),
        (10, 90)
    );
    for port in [90, 91] {
        bench.packet(true, Transport::Tcp(segment(port)), 0);
    }
    let log = bench.end();
    assert!(log.contains(&"open 101".to_owned()) && log.contains(&"open 102 after 91".to_owned()));
}
