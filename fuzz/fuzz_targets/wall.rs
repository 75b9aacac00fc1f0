//! Any bytes as an HTTP response and as an NTP answer: what they say of the time lies where such a time can lie, and what stands before or
//! behind does not change it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchspan::protocols::wall::{http_date, ntp_time};
use patchspan::types::Timestamp;

/// Bytes that are looked at.
const LOOKED_AT: usize = 2_048;
const NTP_HEADER: usize = 48;
/// What an NTP answer can say: 1968 to 2104, in seconds.
const NTP_TIMES: (i64, i64) = (-61_505_152, 4_233_462_144);
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
const SAID: i64 = 784_111_777;

fuzz_target!(|bytes: &[u8]| {
    http(bytes);
    ntp(bytes);
});

fn http(bytes: &[u8]) {
    let date = http_date(bytes);
    let looked_at = bytes.get(..LOOKED_AT).unwrap_or(bytes);
    assert_eq!(date, http_date(looked_at));
    assert!(date.is_none() || looked_at.starts_with(b"HTTP/1."));
    // Behind a Date, only an Age counts; one that leads out of all times leaves nothing.
    let whole = [HEAD, bytes].concat();
    let said = http_date(&whole);
    let has_age = bytes
        .windows(3)
        .any(|word| word.eq_ignore_ascii_case(b"age"));
    if !has_age {
        assert_eq!(said, Some(Timestamp::from_seconds(SAID, 0)));
    }
}

fn ntp(bytes: &[u8]) {
    let Some(time) = ntp_time(bytes) else {
        return;
    };
    let (earliest, latest) = NTP_TIMES;
    let (seconds, _) = time.seconds_and_nanos();
    assert!((earliest..latest).contains(&seconds), "{seconds}");
    assert_eq!(ntp_time(&bytes[..NTP_HEADER]), Some(time));
}
