//! Packet time as text: `2026-01-02T03:04:05.678901+0000`, always UTC.

use crate::types::Timestamp;

const SECONDS_PER_DAY: i64 = 86_400;

/// Writes times; remembers the day last written, because most records of a stretch of traffic share it.
#[derive(Debug, Default)]
pub struct TimeText {
    day: Option<i64>,
    date: [u8; DATE],
}

/// Length of a date: the years of a timestamp, 1677 to 2262, have four digits.
const DATE: usize = "2026-01-02".len();

impl TimeText {
    /// Appends `moment` with microseconds and offset, quoted.
    pub fn push_quoted(&mut self, buffer: &mut Vec<u8>, moment: Timestamp) {
        let (seconds, nanos) = moment.seconds_and_nanos();
        let day = seconds.div_euclid(SECONDS_PER_DAY);
        let second = seconds.rem_euclid(SECONDS_PER_DAY) as u32;
        if self.day != Some(day) {
            (self.day, self.date) = (Some(day), date(day));
        }
        let micros = nanos / 1_000;
        let pairs = [
            (12, second / 3_600),
            (15, second / 60 % 60),
            (18, second % 60),
            (21, micros / 10_000),
            (23, micros / 100 % 100),
            (25, micros % 100),
        ];
        let mut text = *b"\"yyyy-mm-ddThh:mm:ss.uuuuuu+0000\"";
        if let Some(place) = text.get_mut(1..=DATE) {
            place.copy_from_slice(&self.date);
        }
        for (at, pair) in pairs {
            if let Some(place) = text.get_mut(at..at + 2) {
                place.copy_from_slice(&digits(pair));
            }
        }
        buffer.extend_from_slice(&text);
    }
}

/// The date of a day, counted from 1970.
fn date(day: i64) -> [u8; DATE] {
    let moment = jiff::Timestamp::from_second(day.saturating_mul(SECONDS_PER_DAY));
    let date = moment.map(|moment| moment.strftime("%Y-%m-%d").to_string());
    let date = date.ok().and_then(|date| date.into_bytes().try_into().ok());
    date.unwrap_or(*b"1970-01-01")
}

/// Both digits of a number below 100.
const fn digits(value: u32) -> [u8; 2] {
    [b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]
}

/// `moment` as text, without quotes.
pub fn text(moment: Timestamp) -> String {
    let mut buffer = Vec::new();
    TimeText::default().push_quoted(&mut buffer, moment);
    String::from_utf8_lossy(&buffer)
        .trim_matches('"')
        .to_owned()
}

/// The moment that a time in a record means; `None` where the text is none.
pub fn parsed(text: &str) -> Option<Timestamp> {
    let moment = jiff::Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok()?;
    i64::try_from(moment.as_nanosecond())
        .ok()
        .map(Timestamp::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_microseconds() {
        assert_eq!(
            text(Timestamp::from_seconds(1_534_277_865, 678_901_999)),
            "2018-08-14T20:17:45.678901+0000"
        );
        assert_eq!(
            text(Timestamp::from_nanos(-1)),
            "1969-12-31T23:59:59.999999+0000"
        );
        assert_eq!(text(Timestamp::MAX), "2262-04-11T23:47:16.854775+0000");
    }

    #[test]
    fn a_time_is_read_as_it_is_written() {
        let moment = Timestamp::from_seconds(1_534_277_865, 678_901_000);
        assert_eq!(parsed(&text(moment)), Some(moment));
        assert_eq!(parsed("2018-08-15T05:17:45.678901+0900"), Some(moment));
        for wrong in [
            "",
            "2018-08-14",
            "2018-08-14T20:17:45",
            "9999-12-31T23:59:59.0+0000",
            "x",
        ] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
