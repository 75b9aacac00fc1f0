//! Timeouts and ceilings.

use std::time::Duration;

/// How long flows live without a packet, and how many there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowOptions {
    /// TCP without a complete handshake.
    pub tcp_incomplete: Duration,
    /// TCP after its handshake, or seen midway.
    pub tcp_established: Duration,
    /// TCP after FIN both ways, or RST.
    pub tcp_closed: Duration,
    /// UDP seen one way.
    pub udp_one_way: Duration,
    /// UDP seen both ways.
    pub udp_both_ways: Duration,
    /// UDP over which everything that was asked was answered: see [`super::Flow::set_answered`].
    pub udp_answered: Duration,
    /// ICMP.
    pub icmp: Duration,
    /// Everything else.
    pub other: Duration,
    /// Most flows at once.
    pub max_flows: usize,
    /// Most bytes of segments that wait for earlier ones, in all flows together.
    pub max_waiting: usize,
    /// Most bytes of what is remembered of ended flows.
    pub max_remembered: usize,
    /// Ports of servers beside those below 1024.
    pub service_ports: Vec<u16>,
    /// Whether the outermost VLAN id belongs to a flow's key.
    pub key_vlan: bool,
    /// Key of the hash: fixed in replay, random live.
    pub seed: u64,
}

impl Default for FlowOptions {
    fn default() -> Self {
        Self {
            tcp_incomplete: Duration::from_secs(60),
            tcp_established: Duration::from_secs(3_600),
            tcp_closed: Duration::from_secs(10),
            udp_one_way: Duration::from_secs(30),
            udp_both_ways: Duration::from_secs(300),
            udp_answered: Duration::from_secs(30),
            icmp: Duration::from_secs(30),
            other: Duration::from_secs(120),
            max_flows: 1 << 20,
            max_waiting: 64 << 20,
            max_remembered: 16 << 20,
            service_ports: vec![
                1_080, 3_128, 7_680, 8_000, 8_008, 8_080, 8_443, 8_530, 8_531, 8_888,
            ],
            key_vlan: false,
            seed: 0,
        }
    }
}

impl FlowOptions {
    /// Whether a connection is waited for less once it is confirmed: the other way round than is usual.
    #[inline]
    pub(super) fn ends_sooner_confirmed(&self) -> bool {
        self.tcp_established < self.tcp_incomplete
    }

    /// The shortest timeout.
    pub(super) fn shortest(&self) -> Duration {
        let tcp = [self.tcp_incomplete, self.tcp_established, self.tcp_closed];
        let udp = [self.udp_one_way, self.udp_both_ways, self.udp_answered];
        let all = tcp.into_iter().chain(udp).chain([self.icmp, self.other]);
        all.min().unwrap_or_default()
    }

    /// Whether `port` is a server's.
    pub fn is_service(&self, port: u16) -> bool {
        (port != 0 && port < 1_024) || self.service_ports.contains(&port)
    }
}
