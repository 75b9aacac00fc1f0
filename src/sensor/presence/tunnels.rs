//! Tunnels that nobody looks into, by the shape of their first messages. What `decode` unwraps is no such tunnel.
//!
//! Sources: WireGuard, <https://www.wireguard.com/protocol/> (messages 1, 2 and 4); OpenVPN, `openvpn_protocol` in its documentation and
//! `ssl_pkt.h` (opcodes); DTLS, RFC 6347 section 4.1. A tunnel that was there before the sensor shows its handshake again within minutes,
//! but its flow is looked at in the beginning alone: WireGuard is known by its data too.

/// What the first messages of a flow said so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::sensor) enum Probe {
    /// Nothing that looks like a tunnel.
    #[default]
    Unknown,
    /// A first message of WireGuard, with bytes set that should be zero, as one operator does.
    WireGuardAsked,
    /// Data that may be WireGuard's: so many datagrams in a row.
    WireGuardData(u8),
    /// A client's first message of OpenVPN.
    OpenVpnAsked,
    /// It is a tunnel.
    Tunnel,
}

/// Length and type of WireGuard's first message, and of its answer.
const INITIATION: (usize, u8) = (148, 1);
const RESPONSE: (usize, u8) = (92, 2);
/// Type of WireGuard's data, and its least length.
const DATA: (usize, u8) = (32, 4);
/// So many datagrams of data in a row are WireGuard.
const ENOUGH_DATA: u8 = 3;
/// OpenVPN's opcodes in the upper five bits: the client's reset, without and with a wrapped key, and the server's.
const CLIENT_RESETS: [u8; 2] = [7 << 3, 10 << 3];
const SERVER_RESET: u8 = 8 << 3;
/// Opcode, session, no acknowledgement, message number.
const LEAST_RESET: usize = 14;
/// A DTLS record of a handshake: 1.0 and 1.2.
const DTLS: [[u8; 3]; 2] = [[22, 0xfe, 0xff], [22, 0xfe, 0xfd]];
const HTTPS: u16 = 443;

impl Probe {
    /// Whether it is one.
    pub fn is_tunnel(self) -> bool {
        self == Self::Tunnel
    }

    /// One of the first datagrams of a flow to `server_port`.
    pub fn datagram(&mut self, payload: &[u8], server_port: u16) {
        let is_dtls = DTLS.iter().any(|record| payload.starts_with(record));
        *self = match (*self, wire_guard(payload)) {
            (Self::Tunnel, _) => Self::Tunnel,
            (_, Some(WireGuard::Handshake)) => Self::Tunnel,
            (Self::WireGuardAsked, Some(WireGuard::OddResponse)) => Self::Tunnel,
            (_, Some(WireGuard::OddInitiation)) => Self::WireGuardAsked,
            (Self::Unknown, Some(WireGuard::Data)) => Self::WireGuardData(1),
            (Self::WireGuardData(seen), Some(WireGuard::Data)) if seen + 1 < ENOUGH_DATA => {
                Self::WireGuardData(seen + 1)
            }
            (Self::WireGuardData(_), Some(WireGuard::Data)) => Self::Tunnel,
            // A DTLS connection to a web server's port is a gateway's; elsewhere it may be a call.
            _ if is_dtls && server_port == HTTPS => Self::Tunnel,
            (before, _) => before.open_vpn(payload),
        };
    }

    /// The first bytes of a side of a TCP stream that is neither TLS nor HTTP.
    pub fn stream(&mut self, bytes: &[u8]) {
        if let Some((length, message)) = bytes.split_first_chunk()
            && usize::from(u16::from_be_bytes(*length)) == message.len()
        {
            *self = self.open_vpn(message);
        }
    }

    fn open_vpn(self, message: &[u8]) -> Self {
        let first = message.first().copied().unwrap_or_default();
        let is_whole = message.len() >= LEAST_RESET;
        match self {
            Self::Unknown if is_whole && CLIENT_RESETS.contains(&first) => Self::OpenVpnAsked,
            Self::OpenVpnAsked if is_whole && first == SERVER_RESET => Self::Tunnel,
            before => before,
        }
    }
}

/// What a datagram is, as WireGuard.
enum WireGuard {
    Handshake,
    OddInitiation,
    OddResponse,
    Data,
}

fn wire_guard(payload: &[u8]) -> Option<WireGuard> {
    let [kind, reserved @ ..] = *payload.first_chunk::<4>()?;
    let is_plain = reserved == [0; 3];
    let message = (payload.len(), kind);
    if message == INITIATION || message == RESPONSE {
        return Some(match (is_plain, message == INITIATION) {
            (true, _) => WireGuard::Handshake,
            (false, true) => WireGuard::OddInitiation,
            (false, false) => WireGuard::OddResponse,
        });
    }
    let (least, data) = DATA;
    let is_data =
        kind == data && is_plain && payload.len() >= least && payload.len().is_multiple_of(16);
    is_data.then_some(WireGuard::Data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagrams(payloads: &[Vec<u8>], port: u16) -> bool {
        let mut probe = Probe::default();
        for payload in payloads {
            probe.datagram(payload, port);
        }
        probe.is_tunnel()
    }

    fn message(start: &[u8], length: usize) -> Vec<u8> {
        let mut message = start.to_vec();
        message.resize(length, 7);
        message
    }

    #[test]
    fn wireguard_shows_by_its_handshake_or_by_data() {
        assert!(datagrams(&[message(&[1, 0, 0, 0], 148)], 51_820));
        assert!(datagrams(&[message(&[2, 0, 0, 0], 92)], 51_820));
        let odd = [message(&[1, 8, 8, 8], 148), message(&[2, 8, 8, 8], 92)];
        assert!(datagrams(&odd, 2_408) && !datagrams(&odd[..1], 2_408) && !datagrams(&odd[1..], 1));
        let data = [
            message(&[4, 0, 0, 0], 96),
            message(&[4, 0, 0, 0], 1_456),
            message(&[4, 0, 0, 0], 32),
        ];
        assert!(datagrams(&data, 9_999) && !datagrams(&data[..2], 9_999));
        for other in [
            message(&[4, 0, 0, 0], 97),
            message(&[1, 0, 0, 0], 147),
            vec![1],
            Vec::new(),
        ] {
            assert!(!datagrams(&vec![other; 4], 51_820));
        }
    }

    #[test]
    fn openvpn_shows_by_question_and_answer() {
        let (ask, answer) = (message(&[0x38], 14), message(&[0x40], 26));
        assert!(datagrams(&[ask.clone(), answer.clone()], 1_194));
        assert!(!datagrams(&[answer.clone(), ask.clone()], 1_194));
        assert!(!datagrams(&[ask.clone(), message(&[0x40], 13)], 1_194));
        let mut probe = Probe::default();
        probe.stream(&[&[0, 14][..], &ask].concat());
        probe.stream(&[&[0, 27][..], &answer].concat());
        assert!(!probe.is_tunnel(), "its length is wrong");
        probe.stream(&[&[0, 26][..], &answer].concat());
        assert!(probe.is_tunnel());
    }

    #[test]
    fn dtls_is_a_gateway_at_the_port_of_web_servers_alone() {
        let hello = [message(&[22, 0xfe, 0xff], 200)];
        assert!(datagrams(&hello, 443) && !datagrams(&hello, 3_478));
    }
}
