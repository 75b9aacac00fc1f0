//! Pure functions of bytes: no table, no clock, no log line.
//!
//! * [`dhcp`]: leases of addresses (RFC 2131, RFC 8415)
//! * [`dns`]: messages over UDP and TCP (RFC 1035)
//! * [`http`]: HTTP/1 transactions (RFC 9112)
//! * [`neighbour`]: who says that an address is his: ARP, neighbour discovery
//! * [`quic`]: Initial packets (RFC 9000, RFC 9001, RFC 9369)
//! * [`syn`]: the shape of a TCP SYN
//! * [`tls`]: hellos (RFC 8446), JA4
//! * [`wall`]: what servers say of the time

pub mod dhcp;
pub mod dns;
pub mod http;
pub mod neighbour;
pub mod quic;
pub mod syn;
pub mod tls;
pub mod wall;
