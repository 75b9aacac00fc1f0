//! Times, sizes, servers and names as people read them.

use std::borrow::Cow;
use std::fmt::Write as _;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::types::{Endpoint, Protocol, Timestamp};

/// Tells the time of a zone, in whole seconds, rounded down.
#[derive(Debug)]
pub(super) struct Clock(pub(super) TimeZone);

impl Clock {
    /// `2018-08-14T20:17:43`.
    pub(super) fn moment(&self, moment: Timestamp) -> String {
        self.civil(moment).to_string()
    }

    /// `2018-08-14`.
    pub(super) fn date(&self, moment: Timestamp) -> String {
        self.civil(moment).date().to_string()
    }

    /// `20:17:43`.
    pub(super) fn time(&self, moment: Timestamp) -> String {
        self.civil(moment).time().to_string()
    }

    fn civil(&self, moment: Timestamp) -> DateTime {
        let (seconds, _) = moment.seconds_and_nanos();
        jiff::Timestamp::from_second(seconds)
            .map(|moment| self.0.to_datetime(moment))
            .unwrap_or_default()
    }
}

/// `0:01:06`: whole seconds, rounded down.
pub(super) fn duration(start: Timestamp, end: Timestamp) -> String {
    let seconds = end.since(start).as_secs();
    format!(
        "{}:{:02}:{:02}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// `82,075`.
pub fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `3.2 MB`: millions of bytes to one digit.
pub(super) fn megabytes(bytes: u64) -> String {
    let tenths = bytes.saturating_add(50_000) / 100_000;
    if tenths == 0 {
        return "<0.1 MB".to_owned();
    }
    format!("{}.{} MB", thousands(tenths / 10), tenths % 10)
}

/// `134.170.51.247:443`, `[2001:db8::1]:443`.
pub(super) fn server(server: Endpoint) -> String {
    std::net::SocketAddr::new(server.address, server.port).to_string()
}

/// What was spoken: by the application where that is known, else the transport.
pub(super) fn protocol(application: Option<&str>, protocol: Protocol) -> Cow<'static, str> {
    Cow::Borrowed(match (application, protocol) {
        (Some("tls"), _) => "HTTPS",
        (Some("http"), _) => "HTTP",
        (Some("quic"), _) => "QUIC",
        (_, Protocol::TCP) => "TCP",
        (_, Protocol::UDP) => "UDP",
        (_, Protocol(other)) => return Cow::Owned(format!("IP{other}")),
    })
}

/// A name in which nothing can pass for the end of a field: presentation form (RFC 1035 section 5.1) with blanks and commas
/// escaped as well, and so is whatever should not be there.
pub(super) fn name(name: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b',';
    if name.bytes().all(is_plain) {
        return Cow::Borrowed(name);
    }
    let mut text = String::with_capacity(name.len() + 8);
    for byte in name.bytes() {
        if is_plain(byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "\\{byte:03}");
        }
    }
    Cow::Owned(text)
}

/// `word`, or `word x3` for three of the same.
pub(super) fn times(word: &str, count: usize) -> String {
    if count == 1 {
        word.to_owned()
    } else {
        format!("{word} x{count}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_down_in_the_zone_asked_for() {
        let moment = Timestamp::from_seconds(1_534_277_863, 999_999_999);
        let clock = |zone: &str| Clock(TimeZone::get(zone).unwrap());
        assert_eq!(clock("UTC").moment(moment), "2018-08-14T20:17:43");
        assert_eq!(clock("Asia/Tokyo").moment(moment), "2018-08-15T05:17:43");
        assert_eq!(
            clock("UTC").moment(Timestamp::from_nanos(-1)),
            "1969-12-31T23:59:59"
        );
        assert_eq!(clock("UTC").moment(Timestamp::MAX), "2262-04-11T23:47:16");
    }

    #[test]
    fn hours_do_not_wrap() {
        let from = Timestamp::EPOCH;
        assert_eq!(
            duration(from, Timestamp::from_seconds(66, 999_999_999)),
            "0:01:06"
        );
        assert_eq!(
            duration(from, Timestamp::from_seconds(360_000, 0)),
            "100:00:00"
        );
        assert_eq!(duration(Timestamp::MAX, from), "0:00:00");
    }

    #[test]
    fn digits_are_grouped_by_three() {
        let shown = [0, 999, 1_000, 82_075, 52_050_906].map(thousands);
        assert_eq!(shown, ["0", "999", "1,000", "82,075", "52,050,906"]);
    }

    #[test]
    fn megabytes_are_millions_and_never_nothing() {
        let shown = [1, 49_999, 50_000, 3_218_248, 4_500_000_000].map(megabytes);
        assert_eq!(
            shown,
            ["<0.1 MB", "<0.1 MB", "0.1 MB", "3.2 MB", "4,500.0 MB"]
        );
        assert!(megabytes(u64::MAX).ends_with(" MB"));
    }

    #[test]
    fn a_name_never_ends_its_own_field() {
        assert_eq!(name("dl.example.net"), "dl.example.net");
        assert_eq!(name("a b,c\\.d\\\\"), "a\\032b\\044c\\.d\\\\");
        assert_eq!(name("\u{202e}\n"), "\\226\\128\\174\\010");
    }
}
