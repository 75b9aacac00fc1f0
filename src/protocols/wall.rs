//! What a server says of the time: the Date of an HTTP response (RFC 9110 section 6.6.1), the transmit time of an NTP answer
//! (RFC 5905 section 7.3). By these a capture's own clock can be judged.
//!
//! One segment or datagram at a time, without state: a head whose Date lies in a later segment tells nothing.
#![warn(clippy::indexing_slicing)]

use jiff::fmt::rfc2822::DateTimeParser;

use crate::types::Timestamp;

/// Bytes of a response in which its Date is looked for; servers write it among the first fields.
const LOOKED_AT: usize = 2_048;
/// Bytes of an NTP header.
const NTP_HEADER: usize = 48;
/// Where the transmit timestamp stands.
const NTP_TRANSMIT: usize = 40;
/// NTP counts from 1900.
const NTP_TO_UNIX: i64 = 2_208_988_800;
/// Seconds of an NTP era (RFC 5905 section 6): the second begins in 2036.
const NTP_ERA: i64 = 1 << 32;

/// When the server wrote this response, by its clock. An answer out of a cache tells its Age, which is added (RFC 9111
/// section 5.1); a cache that hides it makes the answer look older than it is.
pub fn http_date(payload: &[u8]) -> Option<Timestamp> {
    if !payload.starts_with(b"HTTP/1.") {
        return None;
    }
    let head = payload.get(..LOOKED_AT).unwrap_or(payload);
    let date = std::str::from_utf8(field(head, b"date")?).ok()?;
    let said = DateTimeParser::new().parse_timestamp(date).ok()?;
    let age = field(head, b"age").and_then(|age| std::str::from_utf8(age).ok()?.parse().ok());
    let seconds = said.as_second().checked_add(age.unwrap_or(0))?;
    Some(Timestamp::from_seconds(seconds, 0))
}

/// When a server sent this NTP answer, by its clock. `None` for questions, and for servers that have no time themselves.
pub fn ntp_time(payload: &[u8]) -> Option<Timestamp> {
    /// Leap indicator 3: not synchronised.
    const UNSYNCHRONISED: u8 = 3;
    const SERVER: u8 = 4;
    let header: &[u8; NTP_HEADER] = payload.first_chunk()?;
    let [first, stratum, ..] = *header;
    let is_version = matches!(first >> 3 & 7, 1..=4);
    if first & 7 != SERVER
        || first >> 6 == UNSYNCHRONISED
        || !is_version
        || !(1..=15).contains(&stratum)
    {
        return None;
    }
    let (seconds, fraction) = header.get(NTP_TRANSMIT..)?.split_first_chunk::<4>()?;
    let seconds = i64::from(u32::from_be_bytes(*seconds));
    let fraction = u64::from(u32::from_be_bytes(*fraction.first_chunk()?));
    // What lies before 1968 is of the next era (RFC 4330 section 3).
    let era = if seconds < 1 << 31 { NTP_ERA } else { 0 };
    let nanos = ((fraction * 1_000_000_000) >> 32) as u32;
    (seconds != 0).then(|| Timestamp::from_seconds(seconds + era - NTP_TO_UNIX, nanos))
}

/// The value of the first field of this name (lower case) in the head; `None` where the head ends before its line does.
fn field<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut lines = head.split_inclusive(|byte| *byte == b'\n').skip(1);
    lines
        .by_ref()
        .take_while(|line| !line.trim_ascii().is_empty())
        .filter(|line| line.ends_with(b"\n"))
        .find_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (key, value) = line.split_at_checked(colon)?;
            let is_it = key.eq_ignore_ascii_case(name);
            is_it.then(|| value.get(1..).unwrap_or_default().trim_ascii())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Tue, 14 Aug 2018 20:17:45 GMT\r\nAge: 15\r\n\r\nDate: x";

    fn ntp(first: u8, stratum: u8, seconds: u32) -> [u8; NTP_HEADER] {
        let mut header = [0; NTP_HEADER];
        header[0] = first;
        header[1] = stratum;
        header[40..44].copy_from_slice(&seconds.to_be_bytes());
        header[44] = 0x80;
        header
    }

    #[test]
    fn a_response_tells_when_it_was_written_and_how_long_a_cache_held_it() {
        let said = http_date(RESPONSE).unwrap();
        assert_eq!(said, Timestamp::from_seconds(1_534_277_880, 0));
    }

    #[test]
    fn a_cut_or_foreign_head_tells_nothing() {
        for length in 0..RESPONSE.len() {
            let said = http_date(&RESPONSE[..length]);
            let is_date_whole = length
                >= b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Tue, 14 Aug 2018 20:17:45 GMT\r\n"
                    .len();
            assert_eq!(said.is_some(), is_date_whole, "{length}");
        }
        for odd in [
            &b"GET / HTTP/1.1\r\nDate: Tue, 14 Aug 2018 20:17:45 GMT\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\n\r\nDate: Tue, 14 Aug 2018 20:17:45 GMT\r\n",
            b"HTTP/1.1 200 OK\r\nDate: yesterday\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nDate: \xff\xfe\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nDate: Tue, 14 Aug 2018 20:17:45 GMT\r\nAge: 9223372036854775807\r\n\r\n",
        ] {
            assert_eq!(http_date(odd), None, "{}", odd.escape_ascii());
        }
    }

    #[test]
    fn any_changed_byte_of_a_head_is_survived() {
        for at in 0..RESPONSE.len() {
            for value in [0, b'\n', b':', 0xff] {
                let mut changed = RESPONSE.to_vec();
                changed[at] = value;
                let _ = http_date(&changed);
            }
        }
    }

    #[test]
    fn an_answer_of_a_synchronised_time_server_tells_its_time() {
        // 2018-08-14T20:17:45 is 3743266665 in NTP's first era.
        let said = ntp_time(&ntp(0x24, 2, 3_743_266_665)).unwrap();
        assert_eq!(said, Timestamp::from_seconds(1_534_277_865, 500_000_000));
        let later = ntp_time(&ntp(0x24, 2, 1)).unwrap();
        assert_eq!(later, Timestamp::from_seconds(2_085_978_497, 500_000_000));
    }

    #[test]
    fn questions_and_servers_without_time_tell_nothing() {
        for (first, stratum, seconds) in [
            (0x23, 2, 9),
            (0xe4, 2, 9),
            (0x24, 0, 9),
            (0x24, 16, 9),
            (0x3c, 2, 9),
            (0x24, 2, 0),
        ] {
            assert_eq!(ntp_time(&ntp(first, stratum, seconds)), None);
        }
        let whole = ntp(0x24, 2, 3_743_266_665);
        for length in 0..whole.len() {
            assert_eq!(ntp_time(&whole[..length]), None);
        }
    }
}
