//! When `patchspan report` calls a host overdue: the table `[report]`.

use std::time::Duration;

use super::document::{Document, Section};
use super::forms::{age, entry_word, number};

/// Most products with habits of their own.
const MAX_PRODUCTS: usize = 256;
/// Longest interval.
const MAX_DAYS: u64 = 366;

/// When a host is overdue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportConfig {
    /// No check for so many times the product's interval.
    pub intervals: u32,
    /// And no less than so many days on which the host was on the network.
    pub active_days: u32,
    /// Habits that differ from the catalogue's.
    pub products: Vec<Habit>,
}

/// What is known better of a product than the catalogue does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Habit {
    /// Its vendor, as the catalogue calls it.
    pub vendor: String,
    /// Its id.
    pub product: String,
    /// How often a client asks by itself.
    pub check_interval: Option<Duration>,
    /// An offer that was not fetched for so long is late.
    pub overdue_after: Option<Duration>,
}

impl Default for ReportConfig {
    fn default() -> Self {
        Self {
            intervals: 3,
            active_days: 2,
            products: Vec::new(),
        }
    }
}

/// Reads the table; what is wrong is told.
pub(super) fn read<'i>(document: &mut Document<'i>, root: &mut Section<'i>) -> ReportConfig {
    let mut section = document.section(root, "report");
    let mut report = ReportConfig::default();
    for (key, range, setting) in [
        ("intervals", 1..=100, &mut report.intervals),
        ("active_days", 1..=100, &mut report.active_days),
    ] {
        document.set(&mut section, key, &number(range), setting);
    }
    let tables = document.tables(&mut section, "products", MAX_PRODUCTS);
    for mut table in tables.unwrap_or_default() {
        report.products.extend(habit(document, &mut table));
        document.end(table);
    }
    document.end(section);
    report
}

/// `None` where the table does not say whose habit it is.
fn habit<'i>(document: &mut Document<'i>, table: &mut Section<'i>) -> Option<Habit> {
    let mut word = |key| {
        if !table.has(key) {
            document.miss(table, key, "the word by which the catalogue calls it");
        }
        let mut word = None;
        document.set(table, key, &entry_word(), &mut word);
        word
    };
    let (vendor, product) = (word("vendor"), word("product"));
    let time = age(0..=MAX_DAYS);
    let mut times = [Duration::ZERO; 2];
    for (key, time_of) in ["check_interval", "overdue_after"]
        .into_iter()
        .zip(&mut times)
    {
        document.set(table, key, &time, time_of);
    }
    // Without the key the catalogue's stays.
    let [check_interval, overdue_after] = times.map(|time| (!time.is_zero()).then_some(time));
    Some(Habit {
        vendor: vendor?,
        product: product?,
        check_interval,
        overdue_after,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;
    use super::*;

    #[test]
    fn habits_are_read_and_what_is_wrong_is_told() {
        let text = "[report]\nintervals = 4\n[[report.products]]\nvendor = \"mozilla\"\nproduct = \"firefox\"\ncheck_interval = \"12h\"\n";
        let report = Config::parse(text, Path::new("c")).unwrap().report;
        assert_eq!((report.intervals, report.active_days), (4, 2));
        assert_eq!(
            report.products[0].check_interval,
            Some(Duration::from_secs(43_200))
        );
        assert_eq!(report.products[0].overdue_after, None);
        let wrong = "[report]\nactive_days = 0\n[[report.products]]\nvendor = \"Mozilla\"\noverdue_after = \"soon\"\n";
        let errors = Config::parse(wrong, Path::new("c"))
            .unwrap_err()
            .to_string();
        let starts = [
            "c:2:15: report.active_days = 0: accepted is a number from 1 to 100",
            "c:3:1: report.products[0].product: is missing",
            "c:4:10: report.products[0].vendor = \"Mozilla\": accepted is 1 to 64",
            "c:5:17: report.products[0].overdue_after = \"soon\": accepted is a time with its unit",
        ];
        let said: Vec<_> = errors.lines().collect();
        assert_eq!(said.len(), starts.len(), "{errors}");
        for (said, start) in said.iter().zip(starts) {
            assert!(said.starts_with(start), "{said}\n{start}");
        }
    }
}
