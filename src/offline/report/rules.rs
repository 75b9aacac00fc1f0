//! When a host is late, and with what: the catalogue's habits of products, as the configuration changes them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::report::ReportConfig;
use crate::updates::Catalogue;
use crate::updates::catalogue::facts::Platform;

/// What a system is expected to ask for, whatever else is on it.
pub const EXPECTED: [(&str, &str); 11] = [
    ("windows", "microsoft/windows-update"),
    ("macos", "apple/macos-ios-software-update"),
    ("ios", "apple/macos-ios-software-update"),
    ("chromeos", "google/chromeos"),
    ("debian", "debian/apt"),
    ("ubuntu", "canonical/ubuntu-apt"),
    ("fedora", "fedora/dnf"),
    ("rhel", "red-hat/rhel"),
    ("suse", "suse/opensuse-sles"),
    ("arch", "arch-linux/pacman"),
    ("linuxmint", "linux-mint/apt"),
];

/// What is known of a product.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Habits {
    /// Its name for people.
    pub title: String,
    /// How often a client asks by itself.
    pub check_interval: Option<Duration>,
    /// An offer that was not fetched for so long is late.
    pub overdue_after: Option<Duration>,
    /// Whether it belongs to one system, and may come from a server of the site.
    pub is_of_system: bool,
}

/// When a host is late.
#[derive(Clone, Debug)]
pub struct Rules {
    /// No check for so many times the product's interval.
    pub intervals: u32,
    /// And no less than so many days on which it was on the network.
    pub active_days: u32,
    products: BTreeMap<String, Habits>,
}

impl Rules {
    /// The catalogue's habits, with those of the configuration over them. The names of what the catalogue does not know are returned.
    pub fn new(catalogue: &Catalogue, config: &ReportConfig) -> (Self, Vec<String>) {
        let mut products = BTreeMap::new();
        for endpoint in catalogue.endpoints() {
            let Some(product) = catalogue.product(endpoint.product) else {
                continue;
            };
            let name = format!("{}/{}", product.vendor, product.id);
            let is_expected = EXPECTED.iter().any(|(_, expected)| *expected == name);
            products.entry(name).or_insert_with(|| Habits {
                title: product.title.clone(),
                check_interval: product.facts.check_interval,
                overdue_after: product.facts.overdue_after,
                is_of_system: is_expected || product.facts.platform != Platform::Cross,
            });
        }
        let mut unknown = Vec::new();
        for habit in &config.products {
            let name = format!("{}/{}", habit.vendor, habit.product);
            if !products.contains_key(&name) {
                unknown.push(name.clone());
            }
            let known = products.entry(name).or_default();
            known.check_interval = habit.check_interval.or(known.check_interval);
            known.overdue_after = habit.overdue_after.or(known.overdue_after);
        }
        let rules = Self {
            intervals: config.intervals,
            active_days: config.active_days,
            products,
        };
        (rules, unknown)
    }

    /// What is known of `vendor/product`; of one that nobody knows, its name.
    pub fn habits(&self, product: &str) -> Habits {
        let known = self.products.get(product).cloned();
        let mut habits = known.unwrap_or_default();
        if habits.title.is_empty() {
            product.clone_into(&mut habits.title);
        }
        // The catalogue calls several package managers alike, and some products by a word that says little.
        const SHORT: usize = 5;
        if habits.title.len() <= SHORT {
            let vendor = product.split('/').next().unwrap_or_default();
            habits.title = format!("{} ({vendor})", habits.title);
        }
        habits
    }

    /// What hosts with this system ask for.
    pub fn expected(os: &str) -> impl Iterator<Item = &'static str> {
        let rows = EXPECTED.iter().filter(move |(system, _)| *system == os);
        rows.map(|(_, product)| *product)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::report::Habit;

    #[test]
    fn every_expected_product_is_one_of_the_catalogue() {
        let catalogue = Catalogue::embedded().unwrap();
        let (rules, unknown) = Rules::new(&catalogue, &ReportConfig::default());
        assert!(unknown.is_empty());
        for (system, product) in EXPECTED {
            assert!(rules.products.contains_key(product), "{system}: {product}");
        }
    }

    #[test]
    fn a_configured_habit_wins_and_the_rest_stays() {
        let catalogue = Catalogue::embedded().unwrap();
        let day = Duration::from_secs(86_400);
        let habit = |vendor: &str, product: &str| Habit {
            vendor: vendor.to_owned(),
            product: product.to_owned(),
            check_interval: Some(day),
            overdue_after: None,
        };
        let config = ReportConfig {
            products: vec![habit("mozilla", "firefox"), habit("example", "own")],
            ..ReportConfig::default()
        };
        let (rules, unknown) = Rules::new(&catalogue, &config);
        assert_eq!(unknown, ["example/own"]);
        let firefox = rules.habits("mozilla/firefox");
        assert_eq!(firefox.check_interval, Some(day));
        assert_eq!(firefox.overdue_after, Some(14 * day));
        assert_eq!(rules.habits("example/own").title, "example/own");
    }
}
