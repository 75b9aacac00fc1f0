//! What a flag's value may look like. An error is the end of the sentence "invalid value ... for ...: ".

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::config::job::MAX_WORKERS;
use crate::types::Timestamp;

/// Longest label of a host, in bytes.
const MAX_LABEL: usize = 64;
/// Longest time that an interface is looked at.
const MAX_SECONDS: u64 = 86_400;

/// Years of moments: behind them not every zone has times.
const YEARS: RangeInclusive<i16> = 1970..=9998;

/// A number of workers.
pub(super) fn workers(text: &str) -> Result<NonZeroUsize, String> {
    let workers = text.parse().ok();
    workers
        .filter(|workers: &NonZeroUsize| workers.get() <= MAX_WORKERS)
        .ok_or_else(|| format!("a number from 1 to {MAX_WORKERS} is accepted"))
}

/// A number of seconds.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok();
    let seconds = seconds.filter(|seconds| (1..=MAX_SECONDS).contains(seconds));
    let refused = || format!("a number from 1 to {MAX_SECONDS} is accepted");
    seconds.map(Duration::from_secs).ok_or_else(refused)
}

/// A time zone by its IANA name.
pub(super) fn timezone(text: &str) -> Result<TimeZone, String> {
    let refused = |_| "an IANA name is accepted: UTC, Asia/Tokyo, Europe/Berlin".to_owned();
    TimeZone::get(text).map_err(refused)
}

/// A moment: a date, which begins at midnight of `zone` (`is_end`: ends at the next one), or a time of RFC 3339.
pub(super) fn moment(text: &str, zone: &TimeZone, is_end: bool) -> Result<Timestamp, String> {
    let refused = || {
        "a date (2026-11-28) or a time of RFC 3339 (2026-11-28T09:00:00+09:00) is accepted"
            .to_owned()
    };
    let is_date = text.len() == 10;
    let moment = if is_date {
        let date: Date = text.parse().map_err(|_| refused())?;
        in_range(date)?;
        let date = if is_end {
            date.tomorrow().map_err(|_| refused())?
        } else {
            date
        };
        zone.to_timestamp(date.at(0, 0, 0, 0))
            .map_err(|_| refused())?
    } else {
        let moment: jiff::Timestamp = text.parse().map_err(|_| refused())?;
        in_range(zone.to_datetime(moment).date())?;
        moment
    };
    Ok(Timestamp::from_seconds(moment.as_second(), 0))
}

fn in_range(date: Date) -> Result<(), String> {
    let refused = || format!("the year must be from {} to {}", YEARS.start(), YEARS.end());
    YEARS
        .contains(&date.year())
        .then_some(())
        .ok_or_else(refused)
}

/// What a host is called.
pub(super) fn host(text: &str) -> Result<String, String> {
    let text = text.trim();
    let refused = || "an id, a name, an address or a MAC address is accepted".to_owned();
    (!text.is_empty())
        .then(|| text.to_owned())
        .ok_or_else(refused)
}

/// `ADDRESS=TEXT`.
pub(super) fn host_label(text: &str) -> Result<(IpAddr, String), String> {
    let refused = || "ADDRESS=TEXT is accepted, like 192.0.2.20=(HOST-B)".to_owned();
    let (address, label) = text.split_once('=').ok_or_else(refused)?;
    let address = address.trim().parse().map_err(|_| refused())?;
    let is_printable = label.chars().all(|c| !c.is_control());
    if label.is_empty() || label.len() > MAX_LABEL || !is_printable {
        return Err(format!(
            "the text must be 1 to {MAX_LABEL} bytes long, without control characters"
        ));
    }
    Ok((address, label.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_few_and_never_none() {
        assert_eq!(workers("4").unwrap().get(), 4);
        for wrong in ["0", "65", "-1", "many", ""] {
            assert!(workers(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn seconds_are_whole_and_at_most_a_day() {
        assert_eq!(seconds("30"), Ok(Duration::from_secs(30)));
        for wrong in ["0", "86401", "-1", "1.5", "30s", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_zone_is_known_by_its_iana_name() {
        assert!(timezone("Asia/Tokyo").is_ok() && timezone("UTC").is_ok());
        assert!(timezone("Tokio").is_err());
    }

    #[test]
    fn a_date_begins_at_midnight_of_its_zone_and_ends_at_the_next() {
        let tokyo = TimeZone::get("Asia/Tokyo").unwrap();
        let seconds = |text: &str, is_end| {
            moment(text, &tokyo, is_end).map(|time| time.seconds_and_nanos().0)
        };
        assert_eq!(seconds("1970-01-02", false), Ok(15 * 3_600));
        assert_eq!(seconds("1970-01-01", true), Ok(15 * 3_600));
        assert_eq!(seconds("1970-01-02T00:00:00+09:00", true), Ok(15 * 3_600));
        for wrong in ["", "yesterday", "2026-02-30", "2026-11-28T09:00:00"] {
            assert!(seconds(wrong, false).is_err(), "{wrong}");
        }
        for far in ["9999-12-31", "1969-12-31", "9999-01-01T00:00:00Z"] {
            let refused = Err("the year must be from 1970 to 9998".to_owned());
            assert_eq!(seconds(far, true), refused, "{far}");
        }
        assert!(seconds("9998-12-31", true).is_ok());
    }

    #[test]
    fn a_label_belongs_to_an_address() {
        let (address, label) = host_label("2001:db8::1=(HOST=A)").unwrap();
        assert_eq!(
            (address.to_string().as_str(), label.as_str()),
            ("2001:db8::1", "(HOST=A)")
        );
        for wrong in ["192.0.2.1", "host=x", "192.0.2.1=", "192.0.2.1=\u{1b}[0m"] {
            assert!(host_label(wrong).is_err(), "{wrong}");
        }
    }
}
