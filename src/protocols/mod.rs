//! Pure functions of bytes: no table, no clock, no log line.
//!
//! * [`dns`]: messages over UDP and TCP (RFC 1035)
//! * [`http`]: HTTP/1 transactions (RFC 9112)
//! * [`quic`]: Initial packets (RFC 9000, RFC 9001, RFC 9369)
//! * [`tls`]: hellos (RFC 8446), JA4
//! * [`wall`]: what servers say of the time

pub mod dns;
pub mod http;
pub mod quic;
pub mod tls;
pub mod wall;
