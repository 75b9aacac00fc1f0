//! The list of hosts: who is behind an address or a MAC address, and when.
//!
//! ```text
//! id,label,address,mac,manager,sub_managers,valid_from,valid_until
//! pc-0017,Reading room 3,192.0.2.17,02:00:5e:00:53:17,lib@example.ac.jp,,2026-04-01,
//! lab-b,Laboratory B,2001:db8:b::/48,,prof@example.ac.jp,a@example.ac.jp;b@example.ac.jp,,
//! ```
//!
//! A CSV file (RFC 4180) in UTF-8 with a header line; the columns may come in any order, and all but `id` and one of
//! `address` and `mac` may be left out. A row needs an address (or prefix) or a MAC address, and no field holds a line end. `valid_until` is the first moment that is not meant any more. A time is one of RFC 3339
//! (`2026-04-01T09:00:00+09:00`), or a date, which begins at midnight UTC, or at that of its offset (`2026-04-01+09:00`): the
//! machine's own zone would make one list mean different things on different machines. An address may stand in several rows, one
//! after the other in time.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use csv::StringRecord;
use ipnet::IpNet;

use super::errors::{nearest, shown};
use super::read_text;
use crate::types::Timestamp;
use crate::types::networks::prefix;
use crate::types::text::harmless;
use crate::updates::hosts::Listed;

/// No longer file is read.
pub const MAX_FILE: u64 = 64 << 20;
/// No longer field is taken.
const MAX_FIELD: usize = 256;
/// Errors that are told; a file of another kind has one in every line.
const MAX_ERRORS: usize = 100;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    /// What records call it: `client_id`.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// Its addresses.
    pub prefix: Option<IpNet>,
    /// Its MAC address.
    pub mac: Option<[u8; 6]>,
    /// Who looks after it.
    pub manager: String,
    /// Who else does.
    pub sub_managers: Vec<String>,
    /// From when on the row is meant.
    pub valid_from: Option<Timestamp>,
    /// Until when, exclusive.
    pub valid_until: Option<Timestamp>,
}

/// What can be said of a list without traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListFigures {
    /// Rows.
    pub rows: usize,
    /// Rows that name a MAC address and no address.
    pub mac_only: usize,
    /// Rows whose validity is over.
    pub expired: usize,
    /// Rows whose validity has not begun.
    pub future: usize,
    /// Ids that stand in several rows.
    pub shared_ids: usize,
}

/// Rows, found by MAC address and by address.
#[derive(Clone, Debug, Default)]
pub struct HostList {
    hosts: Vec<Host>,
    /// The line of each.
    line_numbers: Vec<u64>,
    by_mac: HashMap<[u8; 6], Vec<usize>>,
    by_prefix: HashMap<IpNet, Vec<usize>>,
    /// Lengths of the prefixes there are, the longest first: IPv4, IPv6.
    lengths: [Vec<u8>; 2],
}

/// One error of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostError {
    /// Line, from 1; 0 where the whole file is meant.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

/// Every error of a list (the first hundred).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct HostErrors {
    /// The file.
    pub path: PathBuf,
    /// Its errors, at least one.
    pub errors: Vec<HostError>,
}

impl HostList {
    /// Reads `text`; `path` stands in the messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self, HostErrors> {
        let mut errors = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            // How many fields there are, `Columns::host` looks: a quotation mark that is not closed has to be told first.
            .flexible(true)
            .from_reader(text.as_bytes());
        let mut list = Self::default();
        match reader.headers().map_err(error_of).and_then(Columns::read) {
            Ok(columns) => {
                for row in reader.records() {
                    let row = row.map_err(error_of);
                    let line = row.as_ref().map_or(0, line_of);
                    match row.and_then(|row| columns.host(&row)) {
                        Ok(host) => list.add(host, line),
                        Err(error) if errors.len() < MAX_ERRORS => errors.push(error),
                        Err(_) => break,
                    }
                }
            }
            Err(error) => errors.push(error),
        }
        errors.extend(list.overlaps());
        if errors.is_empty() {
            return Ok(list);
        }
        errors.sort_by_key(|error| error.line);
        errors.truncate(MAX_ERRORS);
        Err(HostErrors {
            path: path.to_owned(),
            errors,
        })
    }

    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Self, HostErrors> {
        match read_text(path, MAX_FILE) {
            Ok(text) => Self::parse(&text, path),
            Err(error) => Err(HostErrors {
                path: path.to_owned(),
                errors: vec![HostError {
                    line: 0,
                    what: format!("cannot be read: {error}"),
                }],
            }),
        }
    }

    /// Who was at `address`, or had `mac`, at that time. A MAC address says more than an address, a longer prefix more than a
    /// shorter one.
    pub fn find(&self, address: IpAddr, mac: Option<[u8; 6]>, at: Timestamp) -> Option<&Host> {
        self.hosts.get(self.find_row(address, mac, at)?)
    }

    /// The same, as the place in [`HostList::hosts`].
    pub fn find_row(&self, address: IpAddr, mac: Option<[u8; 6]>, at: Timestamp) -> Option<usize> {
        let by_mac = mac.and_then(|mac| self.valid(self.by_mac.get(&mac)?, at));
        by_mac.or_else(|| {
            let mut rows = self.rows_of(address.to_canonical());
            rows.find_map(|rows| self.valid(rows, at))
        })
    }

    /// Whether any row has `address` or `mac`, at whatever time.
    pub fn has(&self, address: IpAddr, mac: Option<[u8; 6]>) -> bool {
        let is_listed = mac.is_some_and(|mac| self.by_mac.contains_key(&mac));
        is_listed || self.rows_of(address.to_canonical()).next().is_some()
    }

    /// The rows that say which MAC address one address has.
    pub fn pairs(&self) -> Vec<Listed> {
        let pair = |host: &Host| {
            let prefix = host.prefix?;
            let is_one = prefix.prefix_len() == prefix.max_prefix_len();
            Some(Listed {
                address: prefix.addr(),
                mac: host.mac.filter(|_| is_one)?,
                label: host.label.clone(),
                from: host.valid_from,
                until: host.valid_until,
            })
        };
        self.hosts.iter().filter_map(pair).collect()
    }

    /// What can be said of it without traffic, at that time.
    pub fn figures(&self, now: Timestamp) -> ListFigures {
        let count = |is_meant: &dyn Fn(&Host) -> bool| {
            let hosts = self.hosts.iter();
            hosts.filter(|host| is_meant(host)).count()
        };
        let mut ids: HashMap<&str, usize> = HashMap::new();
        for host in &self.hosts {
            *ids.entry(&host.id).or_default() += 1;
        }
        ListFigures {
            rows: self.hosts.len(),
            mac_only: count(&|host| host.prefix.is_none()),
            expired: count(&|host| host.valid_until.is_some_and(|until| until <= now)),
            future: count(&|host| host.valid_from.is_some_and(|from| from > now)),
            shared_ids: ids.values().filter(|rows| **rows > 1).count(),
        }
    }

    /// Every row, in the file's order.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The rows of each prefix that has `address`, the longest first.
    fn rows_of(&self, address: IpAddr) -> impl Iterator<Item = &Vec<usize>> {
        let [v4, v6] = &self.lengths;
        let lengths = if address.is_ipv4() { v4 } else { v6 };
        lengths.iter().filter_map(move |length| {
            let prefix = IpNet::new(address, *length).ok()?.trunc();
            self.by_prefix.get(&prefix)
        })
    }

    fn valid(&self, rows: &[usize], at: Timestamp) -> Option<usize> {
        let is_valid = |row: &&usize| self.hosts.get(**row).is_some_and(|host| host.is_valid(at));
        rows.iter().find(is_valid).copied()
    }

    /// Rows that claim one address for two hosts at one time. One host may have one MAC address in several rows, for its addresses.
    fn overlaps(&self) -> Vec<HostError> {
        let prefixes = self
            .by_prefix
            .iter()
            .map(|(prefix, rows)| (prefix.to_string(), rows, true));
        let macs = self
            .by_mac
            .iter()
            .map(|(mac, rows)| (mac_text(*mac), rows, false));
        let all = prefixes.chain(macs);
        all.flat_map(|(what, rows, is_prefix)| self.overlaps_of(&what, rows, is_prefix))
            .collect()
    }

    fn overlaps_of(&self, what: &str, rows: &[usize], is_prefix: bool) -> Vec<HostError> {
        let mut errors = Vec::new();
        let mut rows: Vec<(&Host, u64)> = rows
            .iter()
            .filter_map(|row| {
                self.hosts
                    .get(*row)
                    .zip(self.line_numbers.get(*row).copied())
            })
            .collect();
        rows.sort_by_key(|(host, line)| (host.valid_from, *line));
        // The one so far that is valid longest.
        let mut longest: Option<(&Host, u64)> = None;
        for (host, line) in rows {
            if let Some((earlier, other)) = longest
                && earlier.overlaps(host)
                && (is_prefix || earlier.id != host.id)
            {
                let (line, other) = (line.max(other), line.min(other));
                let what = format!(
                    "{what} stands in line {other} too, for a time that both mean: let one end (valid_until) where the other begins"
                );
                errors.push(HostError { line, what });
            }
            let is_longer = longest.is_none_or(|(earlier, _)| earlier.end() < host.end());
            if is_longer {
                longest = Some((host, line));
            }
        }
        errors
    }

    pub(super) fn add(&mut self, host: Host, line: u64) {
        self.line_numbers.push(line);
        let row = self.hosts.len();
        if let Some(mac) = host.mac {
            self.by_mac.entry(mac).or_default().push(row);
        }
        if let Some(prefix) = host.prefix {
            self.by_prefix.entry(prefix).or_default().push(row);
            let [v4, v6] = &mut self.lengths;
            let lengths = if prefix.addr().is_ipv4() { v4 } else { v6 };
            let place = lengths.binary_search_by(|length| prefix.prefix_len().cmp(length));
            if let Err(place) = place {
                lengths.insert(place, prefix.prefix_len());
            }
        }
        self.hosts.push(host);
    }
}

impl Host {
    fn end(&self) -> Timestamp {
        self.valid_until.unwrap_or(Timestamp::MAX)
    }

    /// Whether some moment is meant by both, of which `later` begins no earlier.
    fn overlaps(&self, later: &Self) -> bool {
        later.valid_from.is_none_or(|from| from < self.end())
    }

    fn is_valid(&self, at: Timestamp) -> bool {
        self.valid_from.is_none_or(|from| from <= at)
            && self.valid_until.is_none_or(|until| at < until)
    }
}

/// The columns of a list.
const COLUMNS: [&str; 8] = [
    "id",
    "label",
    "address",
    "mac",
    "manager",
    "sub_managers",
    "valid_from",
    "valid_until",
];

/// Where each of [`COLUMNS`] stands in a row.
struct Columns {
    places: [Option<usize>; COLUMNS.len()],
    /// Fields of the first line.
    count: usize,
}

impl Columns {
    fn read(header: &StringRecord) -> Result<Self, HostError> {
        let fail = |what| Err(HostError { line: 1, what });
        let mut places = [None; COLUMNS.len()];
        for (at, name) in header.iter().enumerate() {
            let Some(place) = COLUMNS.iter().position(|column| *column == name) else {
                let hint = nearest(name, COLUMNS.into_iter()).map_or_else(
                    || ".".to_owned(),
                    |column| format!("; did you mean {column}?"),
                );
                let columns = COLUMNS.join(", ");
                let name = shown(name);
                return fail(format!(
                    "there is no column `{name}`{hint} The first line names the columns: {columns}"
                ));
            };
            if let Some(slot) = places.get_mut(place) {
                if slot.is_some() {
                    return fail(format!("the column {name} stands there twice"));
                }
                *slot = Some(at);
            }
        }
        let columns = Self {
            places,
            count: header.len(),
        };
        if columns.place("id").is_none() {
            return fail("there is no column id".to_owned());
        }
        if columns.place("address").or(columns.place("mac")).is_none() {
            return fail("there is neither a column address nor a column mac".to_owned());
        }
        Ok(columns)
    }

    fn place(&self, column: &str) -> Option<usize> {
        let index = COLUMNS.iter().position(|name| *name == column)?;
        self.places.get(index).copied().flatten()
    }

    fn field<'r>(&self, row: &'r StringRecord, column: &str) -> &'r str {
        let place = self.place(column);
        place.and_then(|at| row.get(at)).unwrap_or_default()
    }

    fn host(&self, row: &StringRecord) -> Result<Host, HostError> {
        let line = line_of(row);
        let fail = |what| HostError { line, what };
        self.whole(row).map_err(fail)?;
        let host = Host {
            id: self.field(row, "id").to_owned(),
            label: self.field(row, "label").to_owned(),
            prefix: self
                .parsed(row, "address", "an address or a prefix", prefix)
                .and_then(|prefix| prefix.map(network).transpose())
                .map_err(fail)?,
            mac: self
                .parsed(row, "mac", "a MAC address like 02:00:5e:00:53:01", mac)
                .map_err(fail)?,
            manager: self.field(row, "manager").to_owned(),
            sub_managers: people(self.field(row, "sub_managers")),
            valid_from: self.time(row, "valid_from").map_err(fail)?,
            valid_until: self.time(row, "valid_until").map_err(fail)?,
        };
        if host.id.is_empty() {
            return Err(fail("there is no id".to_owned()));
        }
        if harmless(&host.id) != host.id {
            return Err(fail(
                "the id holds a character that a terminal or a page would obey".to_owned(),
            ));
        }
        if host.valid_from.is_some_and(|from| from >= host.end()) {
            return Err(fail("valid_until is not after valid_from".to_owned()));
        }
        if host.prefix.is_none() && host.mac.is_none() {
            return Err(fail("there is neither an address nor a mac".to_owned()));
        }
        Ok(host)
    }

    /// Whether the row has its fields, and each is what one line can hold. A quotation mark that nobody closed takes all the lines behind
    /// it into one field, so a field with a line end is no field.
    fn whole(&self, row: &StringRecord) -> Result<(), String> {
        if let Some(field) = row.iter().find(|field| field.contains(['\n', '\r'])) {
            return Err(format!(
                "the field `{}` goes on in the next line: close its quotation mark, or take the line end out",
                shown(field)
            ));
        }
        if row.len() != self.count {
            let (len, expected) = (row.len(), self.count);
            return Err(format!(
                "there are {len} fields, the first line has {expected}"
            ));
        }
        match row.iter().find(|field| field.len() > MAX_FIELD) {
            Some(long) => Err(format!("{} is longer than {MAX_FIELD} bytes", shown(long))),
            None => Ok(()),
        }
    }

    fn time(&self, row: &StringRecord, column: &str) -> Result<Option<Timestamp>, String> {
        let accepted =
            "a date like 2026-04-01 or 2026-04-01+09:00, or a time like 2026-04-01T09:00:00+09:00";
        self.parsed(row, column, accepted, time)
    }

    /// A field that may be empty.
    fn parsed<T>(
        &self,
        row: &StringRecord,
        column: &str,
        accepted: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let field = self.field(row, column);
        if field.is_empty() {
            return Ok(None);
        }
        let refused = || format!("{column} `{}` is not {accepted}", shown(field));
        read(field).map(Some).ok_or_else(refused)
    }
}

/// The prefix that a row means; IPv4 that is written as IPv6 (RFC 4291, section 2.5.5.2) is IPv4, as it is in packets.
fn network(written: IpNet) -> Result<IpNet, String> {
    let prefix = as_ipv4(written).unwrap_or(written);
    if prefix.trunc() == prefix {
        return Ok(prefix);
    }
    Err(format!(
        "address `{written}` has bits behind its prefix: write {} for the one host, {} for the whole network",
        prefix.addr(),
        prefix.trunc()
    ))
}

/// The IPv4 prefix in one of `::ffff:0:0/96`.
fn as_ipv4(prefix: IpNet) -> Option<IpNet> {
    const MAPPED: u8 = 96;
    let IpNet::V6(prefix) = prefix else {
        return None;
    };
    let address = prefix.addr().to_ipv4_mapped()?;
    IpNet::new(address.into(), prefix.prefix_len().checked_sub(MAPPED)?).ok()
}

fn line_of(row: &StringRecord) -> u64 {
    row.position().map_or(0, csv::Position::line)
}

/// A day begins at midnight UTC, or at that of its offset.
fn time(text: &str) -> Option<Timestamp> {
    const DATE: usize = "2026-04-01".len();
    let moment = match text.split_at_checked(DATE) {
        Some((date, "")) => format!("{date}T00:00:00Z").parse(),
        Some((date, offset)) if offset.starts_with(['+', '-']) => {
            format!("{date}T00:00:00{offset}").parse()
        }
        _ => text.parse::<jiff::Timestamp>(),
    };
    let moment = moment.ok()?;
    let nanos = i64::try_from(moment.as_nanosecond()).ok()?;
    Some(Timestamp::from_nanos(nanos))
}

/// A MAC address: six bytes in hexadecimal, with colons, hyphens, Cisco's dots, or nothing between.
pub fn mac(text: &str) -> Option<[u8; 6]> {
    let digits: String = text.chars().filter(|c| !":-.".contains(*c)).collect();
    let is_hex = digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u64::from_str_radix(&digits, 16).ok().filter(|_| is_hex)?;
    let [_, _, mac @ ..] = number.to_be_bytes();
    Some(mac)
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn people(text: &str) -> Vec<String> {
    let names = text.split(';').map(str::trim);
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn error_of(error: csv::Error) -> HostError {
    HostError {
        line: error.position().map_or(0, csv::Position::line),
        what: error.to_string(),
    }
}

impl fmt::Display for HostErrors {
    /// One line an error: `FILE:LINE: what`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, HostError { line, what }) in self.errors.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}", self.path.display())?;
            match line {
                0 => write!(f, ": {what}")?,
                line => write!(f, ":{line}: {what}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
id,label,address,mac,manager,sub_managers,valid_from,valid_until
pc-17,\"Room 3, left\",192.0.2.17,02-00-5E-00-53-17,lib@example.org,,2026-04-01,2026-10-01
pc-17b,,192.0.2.17,,,,2026-10-01T00:00:00Z,
lab,Laboratory,192.0.2.0/24,,prof@example.org,a@example.org; b@example.org,,
lab6,,2001:db8:b::/48,,,,,
";

    fn parse(text: &str) -> Result<HostList, HostErrors> {
        HostList::parse(text, Path::new("hosts.csv"))
    }

    fn find(list: &HostList, address: &str, mac: Option<[u8; 6]>, day: &str) -> Option<String> {
        let at = time(day).unwrap();
        let host = list.find(address.parse().unwrap(), mac, at)?;
        Some(host.id.clone())
    }

    #[test]
    fn the_most_specific_row_that_is_valid_names_a_host() {
        let list = parse(LIST).unwrap();
        let day = "2026-05-01";
        let some = |id: &str| Some(id.to_owned());
        assert_eq!(find(&list, "192.0.2.17", None, day), some("pc-17"));
        assert_eq!(
            find(&list, "192.0.2.17", None, "2026-10-01"),
            some("pc-17b")
        );
        assert_eq!(find(&list, "192.0.2.17", None, "2026-03-31"), some("lab"));
        assert_eq!(find(&list, "192.0.2.18", None, day), some("lab"));
        assert_eq!(find(&list, "2001:db8:b::1", None, day), some("lab6"));
        assert_eq!(find(&list, "2001:db8:c::1", None, day), None);
        let mac = Some([2, 0, 0x5e, 0, 0x53, 0x17]);
        assert_eq!(find(&list, "198.51.100.1", mac, day), some("pc-17"));
        assert_eq!(find(&list, "192.0.2.18", mac, "2026-11-01"), some("lab"));
    }

    #[test]
    fn a_row_keeps_what_people_wrote() {
        let list = parse(LIST).unwrap();
        assert_eq!(list.hosts()[0].label, "Room 3, left");
        assert_eq!(
            list.hosts()[2].sub_managers,
            ["a@example.org", "b@example.org"]
        );
    }

    #[test]
    fn columns_may_come_in_any_order_and_be_left_out() {
        let list = parse("\u{feff}mac,id\r\n0200.5e00.5301,x\r\n").unwrap();
        assert_eq!(list.hosts()[0].mac, Some([2, 0, 0x5e, 0, 0x53, 1]));
    }

    #[test]
    fn every_wrong_row_is_told_with_its_line() {
        let text = "id,address,mac,valid_from\na,192.0.2.1,,\n,192.0.2.2,,\nb,192.0.2.256,,\n\
                    c,,02:00,\nd,,,\ne,192.0.2.3,,tomorrow\nf,1\n";
        let expected = "hosts.csv:3: there is no id\n\
            hosts.csv:4: address `192.0.2.256` is not an address or a prefix\n\
            hosts.csv:5: mac `02:00` is not a MAC address like 02:00:5e:00:53:01\n\
            hosts.csv:6: there is neither an address nor a mac\n\
            hosts.csv:7: valid_from `tomorrow` is not a date like 2026-04-01 or 2026-04-01+09:00, or a time like 2026-04-01T09:00:00+09:00\n\
            hosts.csv:8: there are 2 fields, the first line has 4";
        assert_eq!(parse(text).unwrap_err().to_string(), expected);
    }

    #[test]
    fn an_id_that_a_terminal_would_obey_is_refused() {
        for id in ["pc\u{1b}[31m", "pc\u{202e}1", "pc\0"] {
            let said = parse(&format!("id,address\n{id},192.0.2.1\n"));
            assert!(
                said.unwrap_err().to_string().contains("the id holds"),
                "{id:?}"
            );
        }
        assert!(parse("id,address\n研究室 2-1,192.0.2.1\n").is_ok());
    }

    #[test]
    fn a_quotation_mark_that_is_not_closed_is_told_with_its_line() {
        let rows = [
            "a,192.0.2.1,\"boss",
            "\"a,192.0.2.1,boss",
            "a,\"192.0.2.1,boss",
        ];
        for row in rows {
            let said = parse(&format!(
                "id,address,manager\n{row}\nb,192.0.2.2,x\nc,192.0.2.3,y\n"
            ));
            let said = said.unwrap_err().to_string();
            assert!(
                said.starts_with("hosts.csv:2: the field `"),
                "{row}: {said}"
            );
        }
        let closed = parse("id,address,label\nb,192.0.2.2,x\na,192.0.2.1,\"two\rlines\"\n");
        assert!(closed.unwrap_err().to_string().starts_with("hosts.csv:3:"));
    }

    #[test]
    fn an_address_with_a_length_is_one_of_a_network_or_refused() {
        let said = parse("id,address\na,192.0.2.1/24\nb,2001:db8::1/64\n").unwrap_err();
        let expected = "hosts.csv:2: address `192.0.2.1/24` has bits behind its prefix: \
            write 192.0.2.1 for the one host, 192.0.2.0/24 for the whole network\n\
            hosts.csv:3: address `2001:db8::1/64` has bits behind its prefix: \
            write 2001:db8::1 for the one host, 2001:db8::/64 for the whole network";
        assert_eq!(said.to_string(), expected);
    }

    #[test]
    fn ipv4_that_is_written_as_ipv6_is_ipv4() {
        let list = parse("id,address\na,::ffff:198.51.100.7\nb,::ffff:192.0.2.0/120\n").unwrap();
        let found = |address| find(&list, address, None, "2026-05-01");
        assert_eq!(found("198.51.100.7").as_deref(), Some("a"));
        assert_eq!(found("192.0.2.9").as_deref(), Some("b"));
        assert!(parse("id,address\na,::ffff:192.0.2.1/120\n").is_err());
    }

    #[test]
    fn two_rows_that_mean_one_address_at_one_time_are_told_with_both_lines() {
        let text = "id,address,mac,valid_from,valid_until\n\
            a,192.0.2.1,,2026-01-01,2026-12-31\nb,192.0.2.1,,2026-03-01,2026-04-01\nc,192.0.2.1,,2026-06-01,\n\
            d,192.0.2.2,,,2026-01-01\ne,192.0.2.2,,2026-01-01,\nf,192.0.2.0/24,,,\n\
            g,192.0.2.3,02:00:00:00:00:01,,\ng,2001:db8::3,02:00:00:00:00:01,,\nh,192.0.2.4,02:00:00:00:00:01,,\n\
            i,192.0.2.5,,2026-02-01,2026-02-01\n";
        let end = "for a time that both mean: let one end (valid_until) where the other begins";
        let expected = [
            format!("hosts.csv:3: 192.0.2.1/32 stands in line 2 too, {end}"),
            format!("hosts.csv:4: 192.0.2.1/32 stands in line 2 too, {end}"),
            format!("hosts.csv:10: 02:00:00:00:00:01 stands in line 8 too, {end}"),
            "hosts.csv:11: valid_until is not after valid_from".to_owned(),
        ];
        let said = parse(text).unwrap_err().to_string();
        assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_date_begins_at_midnight_utc_or_at_that_of_its_offset() {
        let hour = |text: &str| time(text).map(|moment| moment.as_nanos() / 3_600_000_000_000);
        let midnight = hour("2026-04-01T00:00:00Z").unwrap();
        assert_eq!(hour("2026-04-01"), Some(midnight));
        assert_eq!(hour("2026-04-01+09:00"), Some(midnight - 9));
        assert_eq!(hour("2026-04-01-05:00"), Some(midnight + 5));
        assert_eq!(hour("2026-04-01T09:00:00+09:00"), Some(midnight));
        for wrong in [
            "2026-13-01",
            "2026-04-01 ",
            "2026-04-01T09:00:00",
            "2026-04-01+9x",
            "1 April",
        ] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_a_list_says_without_traffic_is_counted() {
        let text = "id,address,mac,valid_from,valid_until\na,192.0.2.1,,,2026-01-01\na,,02:00:00:00:00:01,,\n\
            b,192.0.2.1,,2026-06-01,\nc,2001:db8::/64,02:00:00:00:00:02,,\n";
        let expected = ListFigures {
            rows: 4,
            mac_only: 1,
            expired: 1,
            future: 1,
            shared_ids: 1,
        };
        let list = parse(text).unwrap();
        assert_eq!(list.figures(time("2026-03-01").unwrap()), expected);
        let has = |address: &str| list.has(address.parse().unwrap(), None);
        assert!(has("192.0.2.1") && has("2001:db8::9") && !has("192.0.2.2"));
    }

    #[test]
    fn a_wrong_header_is_told() {
        let error = |text| parse(text).unwrap_err().to_string();
        assert!(error("id,adress\n").contains("did you mean address?"));
        assert!(error("a,192.0.2.1\n").starts_with("hosts.csv:1: there is no column `a`. The"));
        assert!(error("id,label\n").contains("neither a column address"));
        assert!(error("label,mac\n").contains("no column id"));
        assert!(error("id,id,mac\n").contains("twice"));
        assert!(error("").contains("no column id"));
    }

    #[test]
    fn every_prefix_and_every_changed_byte_is_harmless() {
        let read = |text: &str| match parse(text) {
            Ok(list) => assert!(list.hosts().iter().all(|host| !host.id.is_empty())),
            Err(errors) => assert!(!errors.errors.is_empty()),
        };
        for length in 0..LIST.len() {
            read(&LIST[..length]);
        }
        for at in 0..LIST.len() {
            let byte = LIST.as_bytes()[at];
            for value in [0, b'"', b',', b'\n', b'9', 0x7f, byte ^ 1] {
                let mut changed = LIST.to_owned().into_bytes();
                changed[at] = value;
                read(&String::from_utf8(changed).unwrap());
            }
        }
    }
}
