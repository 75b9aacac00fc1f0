//! A host in a line: its system, its addresses and who had them else, who looks after it, and how much was seen of it.

use super::View;
use crate::offline::report::Host;
use crate::offline::report::data::HoursData;
use crate::offline::report::held::Held;
use crate::offline::report::whose::{HostKey, mac_text};

/// Most addresses in a line.
const MOST: usize = 2;

impl View<'_> {
    /// System, addresses, who looks after it.
    pub(super) fn about(self, host: &Host) -> String {
        let mut parts = vec![self.system(host)];
        let shown = host.addresses.iter().take(MOST);
        parts.extend(shown.map(|held| self.address(held, host)));
        if host.addresses.len() > MOST {
            let more = (host.addresses.len() - MOST).to_string();
            parts.push(self.words.fill("more", &[("n", &more)]));
        }
        // Whoever has an id is found by it.
        let mac = host
            .macs
            .first()
            .filter(|_| !matches!(host.key, HostKey::Id(_)));
        parts.extend(mac.map(|mac| mac_text(*mac)));
        parts.extend(host.manager.clone());
        parts.retain(|part| *part != host.name);
        parts.join(" · ")
    }

    /// Addresses, MAC addresses, and what it calls itself.
    pub(super) fn own_names(self, host: &Host) -> String {
        let addresses = host.addresses.iter().map(|held| self.address(held, host));
        let macs = host.macs.iter().map(|mac| mac_text(*mac));
        let all = addresses.chain(macs).chain(host.names.iter().cloned());
        all.collect::<Vec<_>>().join(self.words.say("comma"))
    }

    /// An address; whether the host has another one since, and from or until when it is another host's.
    fn address(self, held: &Held, host: &Host) -> String {
        let newest = host.addresses.first();
        let is_earlier = newest.is_some_and(|newest| held.last < newest.first);
        let (key, at) = match (is_earlier, held.is_others, held.was_others) {
            (true, true, _) => ("address.until", held.last),
            (true, false, _) => ("address.earlier", held.last),
            (false, _, true) => ("address.since", held.first),
            (false, _, false) => return held.address.to_string(),
        };
        let values = [
            ("address", &*held.address.to_string()),
            ("at", &self.voice.date(at)),
        ];
        // Not every phrase has a place for the date.
        self.words.fill(key, &values)
    }

    /// When it was last active; and, a matter of its own, how much the sensor saw of it.
    pub(super) fn activity(self, host: &Host) -> String {
        let seen = self.coverage(host.hours_of(self.report));
        format!("{} · {seen}", self.voice.activity(host, self.report))
    }

    /// How many of a host's hours were seen completely; nothing where nothing says so.
    pub(super) fn coverage(self, hours: HoursData) -> String {
        if hours.total() == 0 || !self.report.has_coverage {
            return self.words.say("coverage_unknown").to_owned();
        }
        let percent = hours.percent().to_string();
        let values = [
            ("percent", percent.as_str()),
            ("hours", &self.words.count("hours", hours.total())),
        ];
        self.words.fill("coverage_of", &values)
    }

    /// What hid something of it, what is to be known, and for how long nothing tells.
    pub(super) fn blind_spots(self, host: &Host) -> String {
        let hours = host.hours_of(self.report);
        let mut parts = Vec::new();
        for words in [host.hidden(self.report), host.remarks(self.report)] {
            if !words.is_empty() {
                parts.push(self.voice.coverage_words(words));
            }
        }
        if hours.unknown > 0 && self.report.has_coverage {
            let hours = self.words.count("hours", hours.unknown);
            parts.push(self.words.fill("hours_unsaid", &[("hours", &hours)]));
        }
        if parts.is_empty() {
            return self.words.say("none").to_owned();
        }
        parts.join(self.words.say("comma"))
    }
}
