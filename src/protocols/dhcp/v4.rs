//! DHCP for IPv4 (RFC 2131 section 2).
//!
//! ```text
//! | op 1 | hardware 1 | length 1 | hops 1 | transaction 4 | seconds 2 | flags 2 | ciaddr 4 | yiaddr 4 | siaddr 4 | giaddr 4 |
//! | chaddr 16 | sname 64 | file 128 | magic 4 | options: code 1, length 1, value ... |
//! ```
//!
//! Options may go on in `file` and `sname` (RFC 2132 section 9.3). One that is split over several (RFC 3396) is read up to its first part.
#![warn(clippy::indexing_slicing)]

use std::net::Ipv4Addr;

use super::{DhcpError, name_of_labels, plain_name};

const FIXED: usize = 236;
const MAGIC: [u8; 4] = [99, 130, 83, 99];
const ETHERNET: u8 = 1;
const PAD: u8 = 0;
const END: u8 = 255;
/// Options (RFC 2132, RFC 4702).
const ROUTER: u8 = 3;
const HOST_NAME: u8 = 12;
const REQUESTED: u8 = 50;
const LEASE_TIME: u8 = 51;
const OVERLOAD: u8 = 52;
const KIND: u8 = 53;
const PARAMETERS: u8 = 55;
const VENDOR_CLASS: u8 = 60;
const FQDN: u8 = 81;
/// The flag E: the name is in labels (RFC 4702 section 2.1).
const IN_LABELS: u8 = 0x04;

/// What a message is (RFC 2132 section 9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A client looks for servers.
    Discover,
    /// A server offers an address.
    Offer,
    /// A client asks for an address, or for more time.
    Request,
    /// The client does not take the address: somebody else has it.
    Decline,
    /// The server gives the address.
    Ack,
    /// The server refuses.
    Nak,
    /// The client gives the address back.
    Release,
    /// A client with an address asks for settings alone.
    Inform,
    /// Another one.
    Unknown(u8),
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is.
    pub kind: Kind,
    /// Number of the exchange.
    pub transaction: u32,
    /// The address that the client has.
    pub client: Ipv4Addr,
    /// The address that the client gets.
    pub yours: Ipv4Addr,
    /// The relay that it came over; unspecified where client and server are on one link.
    pub relay: Ipv4Addr,
    /// The client's MAC address, over Ethernet.
    pub mac: Option<[u8; 6]>,
    /// The address that the client asks for, or declines.
    pub requested: Option<Ipv4Addr>,
    /// For how long the address is given, in seconds.
    pub lease_s: Option<u32>,
    /// The first default router.
    pub router: Option<Ipv4Addr>,
    /// What the client calls itself, in presentation form: its full name where it tells that, else its host name.
    pub name: Option<String>,
    /// What made the client's software: `MSFT 5.0`, `android-dhcp-13`.
    pub vendor_class: Option<&'a [u8]>,
    /// Numbers of the options that the client asks for, in its order: they tell its software.
    pub parameters: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a datagram's payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DhcpError> {
        let (fixed, rest) = bytes.split_first_chunk::<FIXED>().ok_or(DhcpError::Short)?;
        let (magic, options) = rest.split_first_chunk().ok_or(DhcpError::Short)?;
        let [op, hardware, length, ..] = *fixed;
        if *magic != MAGIC || !(1..=2).contains(&op) {
            return Err(DhcpError::Form);
        }
        let mac = field(fixed, 28).filter(|_| (hardware, length) == (ETHERNET, 6));
        let address = |at| field::<4>(fixed, at).map_or(Ipv4Addr::UNSPECIFIED, Ipv4Addr::from);
        let mut message = Self {
            kind: Kind::Unknown(0),
            transaction: field(fixed, 4).map_or(0, u32::from_be_bytes),
            client: address(12),
            yours: address(16),
            relay: address(24),
            mac,
            requested: None,
            lease_s: None,
            router: None,
            name: None,
            vendor_class: None,
            parameters: &[],
        };
        let overload = message.options(options)?;
        let (file, sname) = (fixed.get(108..), fixed.get(44..108));
        for (flag, part) in [(1, file), (2, sname)] {
            if overload & flag != 0 {
                message.options(part.unwrap_or_default())?;
            }
        }
        match message.kind {
            // BOOTP (RFC 1534) gives no leases.
            Kind::Unknown(0) => Err(DhcpError::Form),
            _ => Ok(message),
        }
    }

    /// Takes in options; gives where more of them are.
    fn options(&mut self, mut rest: &'a [u8]) -> Result<u8, DhcpError> {
        let mut overload = 0;
        while let Some((code, after)) = rest.split_first() {
            match *code {
                END => break,
                PAD => rest = after,
                code => {
                    let (length, after) = after.split_first().ok_or(DhcpError::Short)?;
                    let (value, after) = after
                        .split_at_checked(usize::from(*length))
                        .ok_or(DhcpError::Short)?;
                    if code == OVERLOAD {
                        overload = value.first().copied().unwrap_or(0);
                    }
                    self.option(code, value);
                    rest = after;
                }
            }
        }
        Ok(overload)
    }

    fn option(&mut self, code: u8, value: &'a [u8]) {
        let address = || value.first_chunk::<4>().copied().map(Ipv4Addr::from);
        match code {
            KIND => {
                self.kind = value
                    .first()
                    .map_or(Kind::Unknown(0), |kind| (*kind).into())
            }
            REQUESTED => self.requested = address(),
            ROUTER => self.router = address(),
            LEASE_TIME => self.lease_s = value.first_chunk().copied().map(u32::from_be_bytes),
            VENDOR_CLASS => self.vendor_class = Some(value),
            PARAMETERS => self.parameters = value,
            HOST_NAME if self.name.is_none() => self.name = plain_name(value),
            FQDN => self.name = full_name(value).or(self.name.take()),
            _ => {}
        }
    }
}

impl From<u8> for Kind {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Discover,
            2 => Self::Offer,
            3 => Self::Request,
            4 => Self::Decline,
            5 => Self::Ack,
            6 => Self::Nak,
            7 => Self::Release,
            8 => Self::Inform,
            other => Self::Unknown(other),
        }
    }
}

/// Flags, two codes that nobody reads, and the name (RFC 4702 section 2).
fn full_name(value: &[u8]) -> Option<String> {
    let ([flags, _, _], name) = value.split_first_chunk()?;
    if flags & IN_LABELS != 0 {
        name_of_labels(name)
    } else {
        plain_name(name)
    }
}

fn field<const N: usize>(fixed: &[u8; FIXED], at: usize) -> Option<[u8; N]> {
    fixed.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0x5e, 0, 0, 7];

    fn message(op: u8, yours: [u8; 4], options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; FIXED];
        bytes[..8].copy_from_slice(&[op, 1, 6, 0, 1, 2, 3, 4]);
        bytes[16..20].copy_from_slice(&yours);
        bytes[28..34].copy_from_slice(&MAC);
        [&bytes[..], &MAGIC, options].concat()
    }

    #[test]
    fn an_acknowledgement_tells_address_time_and_name() {
        let options = [
            &[53, 1, 5, 0, 51, 4, 0, 0, 14, 16, 3, 4, 192, 0, 2, 1, 12, 4][..],
            b"pc-7",
            &[255, 53, 1, 1],
        ]
        .concat();
        let bytes = message(2, [192, 0, 2, 7], &options);
        let read = Message::parse(&bytes).unwrap();
        assert_eq!((read.kind, read.mac), (Kind::Ack, Some(MAC)));
        assert_eq!(read.yours, Ipv4Addr::new(192, 0, 2, 7));
        assert_eq!(read.lease_s, Some(3_600));
        assert_eq!(read.router, Some(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(read.name.as_deref(), Some("pc-7"));
        assert_eq!(read.transaction, 0x0102_0304);
    }

    #[test]
    fn a_full_name_says_more_than_a_host_name_in_either_order_and_form() {
        let host = [&[12, 2][..], b"pc"].concat();
        let plain = [&[81, 13, 0, 0, 0][..], b"pc.example"].concat();
        let labels = [&[81, 15, 4, 0, 0, 2][..], b"pc", &[7], b"example", &[0]].concat();
        for full in [plain, labels] {
            for options in [[host.clone(), full.clone()], [full.clone(), host.clone()]] {
                let bytes = message(1, [0; 4], &[vec![53, 1, 3], options.concat()].concat());
                let read = Message::parse(&bytes).unwrap();
                assert_eq!(read.name.as_deref(), Some("pc.example"));
            }
        }
    }

    #[test]
    fn what_tells_the_software_is_given_as_it_is() {
        let options = [&[53, 1, 1, 60, 8][..], b"MSFT 5.0", &[55, 3, 1, 15, 3]].concat();
        let bytes = message(1, [0; 4], &options);
        let read = Message::parse(&bytes).unwrap();
        assert_eq!(read.vendor_class, Some(&b"MSFT 5.0"[..]));
        assert_eq!(read.parameters, [1, 15, 3]);
        let asked = read.parameters.iter().map(|option| u16::from(*option));
        assert_eq!(super::super::fingerprint(asked), "1,15,3");
    }

    #[test]
    fn options_go_on_in_the_fields_of_names() {
        let mut bytes = message(2, [192, 0, 2, 7], &[53, 1, 5, 52, 1, 3, 255]);
        bytes[44..51].copy_from_slice(&[12, 4, b'p', b'c', b'-', b'8', 255]);
        bytes[108..114].copy_from_slice(&[51, 4, 0, 0, 0, 60]);
        bytes[114] = 255;
        let read = Message::parse(&bytes).unwrap();
        assert_eq!(
            (read.name.as_deref(), read.lease_s),
            (Some("pc-8"), Some(60))
        );
    }

    #[test]
    fn hostile_names_are_plain_text_and_empty_ones_none() {
        let options = [&[53, 1, 3, 12, 5][..], b"a\x1b\xff\"b"].concat();
        let bytes = message(1, [0; 4], &options);
        let name = Message::parse(&bytes).unwrap().name.unwrap();
        assert_eq!(name, "a\\027\\255\"b");
        let bytes = message(1, [0; 4], &[53, 1, 3, 12, 2, 0, 0]);
        assert_eq!(Message::parse(&bytes).unwrap().name, None);
    }

    #[test]
    fn a_message_that_is_cut_is_short_and_bootp_is_another_form() {
        let whole = message(2, [192, 0, 2, 7], &[53, 1, 5, 51, 4, 0, 0, 14, 16]);
        for length in 0..whole.len() {
            let is_whole_option = length == FIXED + 4 + 3 || length == FIXED + 4;
            let read = Message::parse(&whole[..length]);
            assert!(read.is_err() || is_whole_option, "{length}");
        }
        let form = Err(DhcpError::Form);
        assert_eq!(Message::parse(&message(2, [0; 4], &[255])), form);
        assert_eq!(Message::parse(&message(3, [0; 4], &[53, 1, 5])), form);
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut other = whole.clone();
                other[at] ^= 1 << bit;
                let _ = Message::parse(&other);
            }
        }
    }
}
