//! What a value may look like.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use jiff::SignedDuration;
use toml::de::DeValue;

use super::metrics::Listen;
use crate::records::Kind;
use crate::types::Fqdn;
use crate::types::networks::prefix;
use crate::updates::catalogue::pattern::NamePattern;
use crate::updates::catalogue::sources::{KINDS, SourceKind};
use crate::updates::coverage::known::ServerName;

/// Units of sizes, the longest first.
const SIZES: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

/// How a value is read, and what a message says that is accepted.
pub(super) struct Form<T> {
    accepted: String,
    read: Box<Read<T>>,
}

/// Longest path of a Unix socket: `sun_path` of unix(7), less its end.
const LONGEST_SOCKET: usize = 107;

type Read<T> = dyn Fn(&DeValue<'_>) -> Option<T>;

impl<T> Form<T> {
    fn new(
        accepted: impl Into<String>,
        read: impl Fn(&DeValue<'_>) -> Option<T> + 'static,
    ) -> Self {
        Self {
            accepted: accepted.into(),
            read: Box::new(read),
        }
    }

    /// A string that `read` makes sense of.
    fn text(accepted: impl Into<String>, read: impl Fn(&str) -> Option<T> + 'static) -> Self {
        Self::new(accepted, move |value| match value {
            DeValue::String(text) => read(text),
            _ => None,
        })
    }

    pub(super) fn accepted(&self) -> &str {
        &self.accepted
    }

    pub(super) fn read(&self, value: &DeValue<'_>) -> Option<T> {
        (self.read)(value)
    }
}

pub(super) fn yes_or_no() -> Form<bool> {
    Form::new("true or false", |value| match value {
        DeValue::Boolean(is_so) => Some(*is_so),
        _ => None,
    })
}

pub(super) fn port() -> Form<u16> {
    Form::new("a port, 1 to 65535", |value| match value {
        DeValue::Integer(number) => u16::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|port| *port > 0),
        _ => None,
    })
}

/// A whole number.
pub(super) fn number(range: RangeInclusive<u32>) -> Form<u32> {
    let accepted = format!("a number from {} to {}", range.start(), range.end());
    Form::new(accepted, move |value| match value {
        DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|number| range.contains(number)),
        _ => None,
    })
}

/// A processor core by its number, as the kernel counts them.
pub(super) fn core() -> Form<u16> {
    const LAST: u16 = 1_023;
    Form::new(
        format!("a core's number, 0 to {LAST}"),
        |value| match value {
            DeValue::Integer(number) => u16::from_str_radix(number.as_str(), number.radix())
                .ok()
                .filter(|core| *core <= LAST),
            _ => None,
        },
    )
}

/// A number of threads.
pub(super) fn workers(most: usize) -> Form<NonZeroUsize> {
    Form::new(
        format!("a number from 1 to {most}"),
        move |value| match value {
            DeValue::Integer(number) => usize::from_str_radix(number.as_str(), number.radix())
                .ok()
                .filter(|number| *number <= most)
                .and_then(NonZeroUsize::new),
            _ => None,
        },
    )
}

/// A part of a whole, in parts of a million.
pub(super) fn percent() -> Form<u32> {
    Form::new("a percentage above 0, at most 100, such as 0.5", |value| {
        let percent: f64 = match value {
            DeValue::Integer(number) => number.as_str().parse().ok()?,
            DeValue::Float(number) => number.as_str().parse().ok()?,
            _ => return None,
        };
        // From a millionth on, which also leaves out what is no number.
        let is_part = (0.000_1..=100.0).contains(&percent);
        is_part.then(|| (percent * 10_000.0).round() as u32)
    })
}

/// Where metrics are asked for: on this machine only, because nobody has to say who he is.
pub(super) fn listen() -> Form<Option<Listen>> {
    let accepted = "a Unix socket (\"unix:/run/patchspan/metrics.sock\", at most 107 bytes of path) or a loopback address with its \
                    port (\"127.0.0.1:9477\", \"[::1]:9477\")";
    Form::text(accepted, |text| {
        if let Some(path) = text.strip_prefix("unix:") {
            let is_path = (1..=LONGEST_SOCKET).contains(&path.len()) && !path.contains('\0');
            return is_path.then(|| Some(Listen::Unix(path.into())));
        }
        let address: SocketAddr = text.parse().ok()?;
        let is_ours = address.ip().is_loopback() && address.port() > 0;
        is_ours.then_some(Some(Listen::Tcp(address)))
    })
}

/// A network interface's name, as Linux accepts it.
pub(super) fn interface() -> Form<String> {
    const MOST: usize = 15;
    Form::text(
        "an interface's name, 1 to 15 characters without spaces and `/`",
        |text| {
            let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
            let is_name = (1..=MOST).contains(&text.len()) && text.bytes().all(is_plain);
            (is_name && text != "." && text != "..").then(|| text.to_owned())
        },
    )
}

/// A filter of frames; what it means is known once an interface is open.
pub(super) fn filter() -> Form<Option<String>> {
    Form::text(
        "a filter of 1 to 4096 printable ASCII characters, see pcap-filter(7)",
        |text| {
            let is_printable = text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
            ((1..=4_096).contains(&text.len()) && is_printable).then(|| Some(text.to_owned()))
        },
    )
}

/// Seconds, and longer.
pub(super) fn duration(range: RangeInclusive<Duration>) -> Form<Duration> {
    let accepted = format!(
        "a time with its unit (\"500ms\", \"60s\", \"5min\", \"2h\"), from {} to {}",
        in_words(*range.start()),
        in_words(*range.end()),
    );
    Form::text(accepted, move |text| {
        let duration: SignedDuration = text.parse().ok()?;
        let duration = Duration::try_from(duration).ok()?;
        range.contains(&duration).then_some(duration)
    })
}

/// `90s`, `2h`: the longest unit that gives a whole number.
pub(super) fn in_words(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    let unit = units
        .into_iter()
        .find(|(length, _)| millis >= *length && millis.is_multiple_of(*length));
    let (length, name) = unit.unwrap_or((1, "ms"));
    format!("{}{name}", millis / length)
}

/// Bytes.
pub(super) fn size(range: RangeInclusive<u64>) -> Form<u64> {
    let accepted = format!(
        "a size with its unit (\"256KiB\", \"512MiB\", \"1GiB\"), from {} to {}",
        size_in_words(*range.start()),
        size_in_words(*range.end()),
    );
    Form::text(accepted, move |text| {
        parse_size(text).filter(|size| range.contains(size))
    })
}

fn parse_size(text: &str) -> Option<u64> {
    let (number, factor) = SIZES
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    let number: u64 = number.trim_end().parse().ok()?;
    number.checked_mul(*factor)
}

/// `1GiB`: the longest unit that gives a whole number.
pub(super) fn size_in_words(bytes: u64) -> String {
    let binary = SIZES.iter().take(4).rev();
    let unit = binary
        .into_iter()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    let (name, factor) = unit.unwrap_or(&("B", 1));
    format!("{}{name}", bytes / factor)
}

pub(super) fn network() -> Form<IpNet> {
    Form::text(
        "an address or a prefix (\"192.0.2.0/24\", \"2001:db8::/32\")",
        prefix,
    )
}

pub(super) fn address() -> Form<IpAddr> {
    Form::text("an address (\"192.0.2.53\", \"2001:db8::53\")", |text| {
        text.parse().ok()
    })
}

pub(super) fn name() -> Form<Fqdn> {
    Form::text("a host name (\"updates.example.org\")", host_name)
}

/// A server by address or by name.
pub(super) fn server_name() -> Form<ServerName> {
    Form::text(
        "an address or a host name (\"192.0.2.53\", \"dns.example.org\")",
        |text| {
            let address = text.parse().ok().map(ServerName::Address);
            address.or_else(|| host_name(text).map(ServerName::Name))
        },
    )
}

/// A server by address, by prefix or by names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Network(IpNet),
    /// A pattern, and its text.
    Named(NamePattern, String),
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Named(_, text) => f.write_str(text),
        }
    }
}

pub(super) fn server() -> Form<Server> {
    let accepted = "an address, a prefix, or a name as patterns of the catalogue (\"192.0.2.8\", \"wsus*.example.org\")";
    Form::text(accepted, |text| {
        let network = prefix(text).map(|prefix| Server::Network(prefix.trunc()));
        network.or_else(|| {
            let is_number = text.chars().all(|c| c.is_ascii_digit() || c == '.');
            let text = text.to_ascii_lowercase();
            let pattern = NamePattern::parse(&text).ok().filter(|_| !is_number)?;
            Some(Server::Named(pattern, text))
        })
    })
}

/// What kind of source it is.
pub(super) fn source_kind() -> Form<Option<&'static SourceKind>> {
    let words: Vec<String> = KINDS
        .iter()
        .map(|kind| format!("\"{}\"", kind.word))
        .collect();
    Form::text(words.join(", "), |text| {
        let found = KINDS.iter().find(|kind| kind.word == text);
        found.map(Some)
    })
}

/// A word as ids of the catalogue are.
pub(super) fn entry_word() -> Form<Option<String>> {
    Form::text(
        "1 to 64 of a to z, 0 to 9, `-`, `_` and `.`, beginning with a letter or digit",
        |text| {
            let is_plain = text
                .bytes()
                .all(|byte| is_word_byte(byte) && !byte.is_ascii_uppercase());
            let begins = text
                .bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_alphanumeric());
            (is_plain && begins && text.len() <= 64).then(|| Some(text.to_owned()))
        },
    )
}

/// Letters, digits, hyphens, underscores, and at least one dot: anything else was probably meant to be something else.
fn host_name(text: &str) -> Option<Fqdn> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut labels = text.split('.');
    let is_plain =
        labels.all(|label| (1..=63).contains(&label.len()) && label.chars().all(is_letter));
    let is_number = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let is_name = is_plain && !is_number && text.contains('.') && text.len() <= 253;
    Fqdn::from_presentation(text).filter(|_| is_name)
}

/// A short line of printable ASCII.
pub(super) fn label() -> Form<Option<String>> {
    let is_printable = |text: &str| text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    Form::text("1 to 64 printable ASCII characters", move |text| {
        let is_label = (1..=64).contains(&text.len()) && is_printable(text);
        is_label.then(|| Some(text.to_owned()))
    })
}

pub(super) fn path() -> Form<Option<PathBuf>> {
    Form::text("a path", |text| {
        (!text.is_empty()).then(|| Some(PathBuf::from(text)))
    })
}

/// The path of a Unix socket.
pub(super) fn socket_path() -> Form<Option<PathBuf>> {
    let accepted = format!("the path of a socket, 1 to {LONGEST_SOCKET} bytes");
    Form::text(accepted, |text| {
        let is_path = (1..=LONGEST_SOCKET).contains(&text.len()) && !text.contains('\0');
        is_path.then(|| Some(PathBuf::from(text)))
    })
}

/// One of some words; what it stands for.
pub(super) fn choice<T: Copy + 'static>(words: &'static [(&'static str, T)]) -> Form<T> {
    let accepted: Vec<String> = words
        .iter()
        .map(|(word, _)| format!("\"{word}\""))
        .collect();
    Form::text(accepted.join(", "), |text| {
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, meaning)| *meaning)
    })
}

/// A kind of record.
pub(super) fn record_kind() -> Form<Kind> {
    let words: Vec<&str> = Kind::ALL.into_iter().map(Kind::as_str).collect();
    let accepted = format!("a kind of record: {}", words.join(", "));
    Form::text(accepted, |text| text.parse().ok())
}

/// A word that can stand in a thread's name.
pub(super) fn word_of_letters() -> Form<Option<String>> {
    Form::text("1 to 64 letters, digits, `-`, `_` and `.`", |text| {
        let is_word = (1..=64).contains(&text.len()) && text.bytes().all(is_word_byte);
        is_word.then(|| Some(text.to_owned()))
    })
}

/// A line for people.
pub(super) fn sentence() -> Form<Option<String>> {
    Form::text("text of 3 to 500 characters on one line", |text| {
        let length = text.trim().chars().count();
        let is_line = (3..=500).contains(&length) && !text.chars().any(char::is_control);
        is_line.then(|| Some(text.to_owned()))
    })
}

/// A server and its port.
pub(super) fn server_and_port() -> Form<Option<String>> {
    let accepted =
        "a server with its port (\"collector.example.org:6000\", \"[2001:db8::1]:6000\")";
    Form::text(accepted, |text| {
        let (server, port) = text.rsplit_once(':')?;
        let port: u16 = port.parse().ok()?;
        let is_server = match server.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().is_ok(),
            None => is_server_name(server),
        };
        (is_server && port > 0).then(|| Some(text.to_owned()))
    })
}

/// The name in a certificate.
pub(super) fn certified_name() -> Form<Option<String>> {
    Form::text("the name or address in the server's certificate", |text| {
        let is_name = is_server_name(text) || text.parse::<IpAddr>().is_ok();
        is_name.then(|| Some(text.to_owned()))
    })
}

/// An IPv4 address, or a name, a single label too.
fn is_server_name(text: &str) -> bool {
    let is_plain = (1..=253).contains(&text.len()) && text.bytes().all(is_word_byte);
    let is_number = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_plain && (!is_number || text.parse::<IpAddr>().is_ok())
}

const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// A time in days (`30d`), or in smaller units.
pub(super) fn age(days: RangeInclusive<u64>) -> Form<Duration> {
    const DAY_S: u64 = 86_400;
    let accepted = format!(
        "a time with its unit (\"36h\", \"30d\"), from {}d to {}d",
        days.start(),
        days.end(),
    );
    let range = days.start() * DAY_S..=days.end() * DAY_S;
    Form::text(accepted, move |text| {
        let duration = match text.strip_suffix('d') {
            Some(days) => {
                Duration::from_secs(days.trim_end().parse::<u64>().ok()?.checked_mul(DAY_S)?)
            }
            None => Duration::try_from(text.parse::<SignedDuration>().ok()?).ok()?,
        };
        range.contains(&duration.as_secs()).then_some(duration)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_needs_its_unit() {
        assert_eq!(parse_size("1GiB"), Some(1 << 30));
        assert_eq!(parse_size("64 KiB"), Some(65_536));
        assert_eq!(parse_size("5kB"), Some(5_000));
        assert_eq!(parse_size("12B"), Some(12));
        for wrong in ["12", "", "GiB", "-1GiB", "1.5GiB", "99999999TiB", "1gib"] {
            assert_eq!(parse_size(wrong), None, "{wrong}");
        }
    }

    fn read_duration(text: &str) -> Option<Duration> {
        let form = duration(Duration::from_millis(1)..=Duration::from_secs(86_400));
        form.read(&DeValue::String(text.into()))
    }

    #[test]
    fn a_duration_needs_its_unit() {
        for (text, seconds) in [("60s", 60), ("5min", 300), ("2h", 7_200), ("1h 30m", 5_400)] {
            assert_eq!(
                read_duration(text),
                Some(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        assert_eq!(read_duration("500ms"), Some(Duration::from_millis(500)));
        for wrong in ["60", "", "-5s", "0s", "25h", "soon"] {
            assert_eq!(read_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn words_for_figures_take_the_longest_unit() {
        assert_eq!(in_words(Duration::from_secs(90)), "90s");
        assert_eq!(in_words(Duration::from_secs(7_200)), "2h");
        assert_eq!(in_words(Duration::from_millis(1_500)), "1500ms");
        assert_eq!(size_in_words(1 << 30), "1GiB");
        assert_eq!(size_in_words(1_500), "1500B");
    }

    #[test]
    fn an_interface_s_name_is_one_that_linux_accepts() {
        let read = |text: &str| interface().read(&DeValue::String(text.to_owned().into()));
        for right in ["eth1", "enp3s0f0.100", "veth@x"] {
            assert_eq!(read(right), Some(right.to_owned()));
        }
        for wrong in ["", "..", "a/b", "eth 1", "sixteen-letters-"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_collector_is_a_server_with_its_port() {
        let read = |text: &str| server_and_port().read(&DeValue::String(text.to_owned().into()));
        for right in [
            "vector:6000",
            "192.0.2.1:1",
            "[2001:db8::1]:65535",
            "a.example.org:24224",
        ] {
            assert_eq!(read(right), Some(Some(right.to_owned())), "{right}");
        }
        for wrong in [
            "vector",
            "vector:0",
            "vector:70000",
            "2001:db8::1:5",
            "[x]:5",
            ":5",
            "192.0.2.300:5",
            "a b:5",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_age_may_be_in_days() {
        let read = |text: &str| age(1..=400).read(&DeValue::String(text.to_owned().into()));
        assert_eq!(read("30d"), Some(Duration::from_secs(30 * 86_400)));
        assert_eq!(read("36h"), Some(Duration::from_secs(36 * 3_600)));
        for wrong in ["30", "0d", "401d", "1h", "-3d", "99999999999999999999d"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_number_is_no_host_name() {
        assert!(host_name("wsus.example.org").is_some());
        for wrong in [
            "192.0.2.300",
            "localhost",
            "a..b",
            "",
            "*.example.org",
            "a b.c",
        ] {
            assert!(host_name(wrong).is_none(), "{wrong}");
        }
    }
}
