//! What a catalogue tells of products and endpoints beyond what verdicts need: how often, how large, by which transport, and how it is known.

use std::time::Duration;

use jiff::civil::Date;

/// What a product runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Platform {
    /// Several, or not said.
    #[default]
    Cross,
    /// Windows.
    Windows,
    /// macOS.
    Macos,
    /// iOS and its relatives.
    Ios,
    /// Linux, and other free systems.
    Linux,
    /// Android.
    Android,
    /// ChromeOS.
    Chromeos,
    /// Routers, switches, storage.
    Network,
    /// The firmware of computers.
    Firmware,
}

/// How a client reaches servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// In several ways, or not said.
    #[default]
    Any,
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// HTTP over QUIC.
    Quic,
}

/// A product's habits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductFacts {
    /// What it runs on.
    pub platform: Platform,
    /// How often a client asks by itself.
    pub check_interval: Option<Duration>,
    /// How often there is something new, in words.
    pub release_cadence: Option<String>,
    /// A host that is on, and has fetched nothing for so long, is late. A judgement, and no fact.
    pub overdue_after: Option<Duration>,
    /// Bytes that a check usually brings.
    pub typical_check_bytes: Option<u64>,
    /// Bytes that an update usually has.
    pub typical_download_bytes: Option<u64>,
}

/// How an endpoint is reached, and how that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointFacts {
    /// The transport.
    pub transport: Transport,
    /// Where the fact comes from; `unsourced` where nobody said it.
    pub source: String,
    /// The day on which it was last seen on the wire; `None`: never.
    pub verified: Option<Date>,
    /// What else there is to know.
    pub notes: Option<String>,
}

/// What files call by one of a closed list of words.
pub(super) trait Worded: Copy + PartialEq + 'static {
    /// Every value with its word.
    const WORDS: &'static [(Self, &'static str)];

    /// The word of a value.
    fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(value, _)| *value == self);
        found.map_or("", |(_, word)| word)
    }

    /// The value of a word; the error lists what is accepted.
    fn parse(text: &str) -> Result<Self, String> {
        let found = Self::WORDS.iter().find(|(_, word)| *word == text);
        found.map(|(value, _)| *value).ok_or_else(|| {
            let words: Vec<&str> = Self::WORDS.iter().map(|(_, word)| *word).collect();
            words.join(", ")
        })
    }
}

impl Worded for Platform {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Cross, "cross"),
        (Self::Windows, "windows"),
        (Self::Macos, "macos"),
        (Self::Ios, "ios"),
        (Self::Linux, "linux"),
        (Self::Android, "android"),
        (Self::Chromeos, "chromeos"),
        (Self::Network, "network"),
        (Self::Firmware, "firmware"),
    ];
}

impl Worded for Transport {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Any, "any"),
        (Self::Http, "http"),
        (Self::Https, "https"),
        (Self::Quic, "quic"),
    ];
}

impl Platform {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        self.word()
    }
}

impl Transport {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        self.word()
    }
}

/// A day on which something was seen, `2026-11-28`, or `never`. The error says what is accepted.
pub(super) fn verified(text: &str) -> Result<Option<Date>, &'static str> {
    match text {
        "never" => Ok(None),
        // jiff takes other forms of ISO 8601 too, and times behind the day.
        text if text.len() == 10 => text.parse().map(Some).map_err(|_| VERIFIED),
        _ => Err(VERIFIED),
    }
}

const VERIFIED: &str = "a day such as 2026-11-28, or never";

/// A length of time of at least a minute, `22h`, `14d`. The error says what is accepted.
pub(super) fn interval(text: &str) -> Result<Duration, &'static str> {
    const ACCEPTED: &str = "a time with its unit, such as 30min, 22h, 14d or 2w";
    const DAY: u64 = 86_400;

    let days = |number: &str, length: u64| {
        let number: u64 = number.parse().ok()?;
        Some(Duration::from_secs(number.checked_mul(length)?))
    };
    let duration = if let Some(number) = text.strip_suffix('w') {
        days(number, 7 * DAY)
    } else if let Some(number) = text.strip_suffix('d') {
        days(number, DAY)
    } else {
        let time: Result<jiff::SignedDuration, _> = text.parse();
        time.ok().and_then(|time| Duration::try_from(time).ok())
    };
    duration
        .filter(|time| (60..=10 * 365 * DAY).contains(&time.as_secs()))
        .ok_or(ACCEPTED)
}

/// `2w`, `14h`, `30min`: the longest unit that gives a whole number.
pub fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(604_800, "w"), (86_400, "d"), (3_600, "h"), (60, "min")];
    let unit = units
        .into_iter()
        .find(|(length, _)| seconds >= *length && seconds.is_multiple_of(*length));
    let (length, name) = unit.unwrap_or((1, "s"));
    format!("{}{name}", seconds / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_as_they_are_told() {
        for text in ["30min", "22h", "5d", "2w"] {
            assert_eq!(in_words(interval(text).unwrap()), text);
        }
        for odd in ["", "22", "-1h", "1s", "d", "99999999999999999999d", "5000w"] {
            assert!(interval(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_day_is_a_day_or_never() {
        assert_eq!(verified("never"), Ok(None));
        let day = verified("2026-11-28").unwrap().unwrap();
        assert_eq!(day.to_string(), "2026-11-28");
        for odd in ["", "2026-02-30", "28.11.2026", "2026-11-28T00:00", "today"] {
            assert!(verified(odd).is_err(), "{odd}");
        }
    }
}
