//! The actions file: what was started on which verification host, and when.
//!
//! ```text
//! time,host,what
//! 2026-11-28 10:00,192.0.2.20,Windows Update
//! 2026-11-28T10:30:00+09:00,,Firefox
//! ```
//!
//! CSV with a header line, as people and spreadsheets write it: with or without a byte order mark, quoted or not, separated by commas,
//! semicolons or tabs. The columns may come in any order, others are passed over. A time without an offset is one of the zone that the
//! caller names. Without a host, every host that is updated by hand is meant.

use std::net::IpAddr;

use csv::StringRecord;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::types::Timestamp;

/// No longer file is read.
pub const MAX_FILE: u64 = 4 << 20;
/// No more rows are taken.
const MAX_ROWS: usize = 16_384;
/// No longer field is taken.
const MAX_FIELD: usize = 256;
/// Errors that are told.
const MAX_ERRORS: usize = 20;

/// Something that a person started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// When.
    pub time: Timestamp,
    /// On which host; `None`: on each that is updated by hand.
    pub host: Option<IpAddr>,
    /// What.
    pub what: String,
}

/// One error of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {what}")]
pub struct ActionError {
    /// Line, from 1.
    pub line: u64,
    /// What is wrong, and what is accepted.
    pub what: String,
}

/// Reads `text`; every error of it (the first twenty), where there are any. The actions come in the order of their times.
pub fn parse(text: &str, zone: &TimeZone) -> Result<Vec<Action>, Vec<ActionError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(true)
        .delimiter(delimiter(text))
        .from_reader(text.as_bytes());
    let columns = reader.headers().map_err(error_of).and_then(Columns::read);
    let columns = columns.map_err(|error| vec![error])?;
    let (mut actions, mut errors) = (Vec::new(), Vec::new());
    for row in reader.records() {
        match row
            .map_err(error_of)
            .and_then(|row| columns.action(&row, zone))
        {
            Ok(_) if actions.len() >= MAX_ROWS => {
                let what = format!("there are more than {MAX_ROWS} rows");
                errors.push(ActionError { line: 0, what });
                break;
            }
            Ok(action) => actions.extend(action),
            Err(error) => errors.push(error),
        }
        if errors.len() >= MAX_ERRORS {
            break;
        }
    }
    actions.sort_by_key(|action: &Action| action.time);
    if errors.is_empty() {
        Ok(actions)
    } else {
        Err(errors)
    }
}

/// What separates the fields of the first line.
fn delimiter(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or_default();
    let count = |mark: &u8| header.bytes().filter(|byte| byte == mark).count();
    let marks = [b',', b';', b'\t'];
    // The first of those that stand there most often.
    marks.into_iter().rev().max_by_key(count).unwrap_or(b',')
}

struct Columns {
    time: usize,
    host: Option<usize>,
    what: usize,
}

impl Columns {
    fn read(header: &StringRecord) -> Result<Self, ActionError> {
        let place = |column: &str| {
            let mut names = header.iter();
            names.position(|name| name.eq_ignore_ascii_case(column))
        };
        let needed = |column| {
            let what = format!(
                "there is no column `{column}`: the first line names the columns time, host and what"
            );
            place(column).ok_or(ActionError { line: 1, what })
        };
        Ok(Self {
            time: needed("time")?,
            host: place("host"),
            what: needed("what")?,
        })
    }

    /// A row; none where all of it is empty.
    fn action(&self, row: &StringRecord, zone: &TimeZone) -> Result<Option<Action>, ActionError> {
        let line = row.position().map_or(0, csv::Position::line);
        let fail = |what: String| Err(ActionError { line, what });
        if row.iter().all(str::is_empty) {
            return Ok(None);
        }
        if row.iter().any(|field| field.len() > MAX_FIELD) {
            return fail(format!("a field is longer than {MAX_FIELD} bytes"));
        }
        let field = |at: usize| row.get(at).unwrap_or_default();
        let Some(time) = moment(field(self.time), zone) else {
            let given = field(self.time).escape_debug();
            return fail(format!(
                "time `{given}` is not a time like 2026-11-28 10:00, 2026/11/28 10:00:00 or 2026-11-28T10:00:00+09:00"
            ));
        };
        let host = match self.host.map(field).unwrap_or_default() {
            "" => None,
            text => match text.parse::<IpAddr>() {
                Ok(address) => Some(address.to_canonical()),
                Err(_) => return fail(format!("host `{}` is not an address", text.escape_debug())),
            },
        };
        let what = field(self.what);
        if what.is_empty() {
            return fail("`what` is empty: say what was started".to_owned());
        }
        let what = what.chars().filter(|letter| !letter.is_control()).collect();
        Ok(Some(Action { time, host, what }))
    }
}

fn error_of(error: csv::Error) -> ActionError {
    ActionError {
        line: error.position().map_or(0, csv::Position::line),
        what: match error.kind() {
            csv::ErrorKind::Utf8 { .. } => "is not UTF-8".to_owned(),
            _ => "is no row of CSV".to_owned(),
        },
    }
}

/// A time with its offset, or one of `zone`.
fn moment(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    const FORMS: [&str; 6] = [
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%dT%H:%M",
        "%Y/%m/%d %H:%M:%S",
        "%Y/%m/%d %H:%M",
    ];
    let absolute = || text.parse::<jiff::Timestamp>().ok();
    let recorded = || jiff::Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok();
    let local = || {
        let forms = FORMS.iter();
        let civil = forms
            .filter_map(|form| DateTime::strptime(form, text).ok())
            .next()?;
        Some(
            zone.to_ambiguous_zoned_datetime(civil)
                .compatible()
                .ok()?
                .timestamp(),
        )
    };
    let moment = absolute().or_else(recorded).or_else(local)?;
    let nanos = i64::try_from(moment.as_nanosecond()).ok()?;
    Some(Timestamp::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Action>, Vec<ActionError>> {
        parse(text, &TimeZone::get("Asia/Tokyo").unwrap())
    }

    #[test]
    fn a_row_is_read_however_a_spreadsheet_wrote_it() {
        let plain = read("time,host,what\n2026-11-28 10:00,192.0.2.20,Firefox\n").unwrap();
        assert_eq!(plain[0].what, "Firefox");
        assert_eq!(plain[0].time, Timestamp::from_seconds(1_795_827_600, 0));
        for other in [
            "\u{feff}time,host,what\r\n2026/11/28 10:00,192.0.2.20,Firefox\r\n",
            "what;host;time\n\"Firefox\";\"192.0.2.20\";\"2026-11-28T10:00:00+09:00\"\n",
            "Time\tWhat\tHost\tby\n2026-11-28T01:00:00.000000+0000\tFirefox\t::ffff:192.0.2.20\tme\n",
            "time,host,what\n,,\n 2026-11-28T01:00:00Z , 192.0.2.20 , Firefox \n",
        ] {
            assert_eq!(read(other).as_ref(), Ok(&plain), "{other}");
        }
    }

    #[test]
    fn a_row_without_a_host_means_all_by_hand() {
        let actions = read("time,what\n2026-11-28 11:00,b\n2026-11-28 10:00,\"a, b\"\n").unwrap();
        assert_eq!(actions.len(), 2);
        assert_eq!((actions[0].host, actions[0].what.as_str()), (None, "a, b"));
    }

    #[test]
    fn every_error_has_its_line_and_what_is_accepted() {
        let errors =
            read("time,host,what\nyesterday,,a\n2026-11-28 10:00,pc,a\n2026-11-28 10:00,,\n");
        let told: Vec<_> = errors
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(told.len(), 3);
        assert!(
            told[0].starts_with("2: time `yesterday` is not"),
            "{told:?}"
        );
        assert!(told[1].starts_with("3: host `pc`") && told[2].starts_with("4: `what` is empty"));
        assert_eq!(read("a,b\n").unwrap_err()[0].line, 1);
        assert!(read("").is_err());
        let many = format!("time,what\n{}", "x,y\n".repeat(1_000));
        assert_eq!(read(&many).unwrap_err().len(), MAX_ERRORS);
    }
}
