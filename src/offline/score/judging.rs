//! What is right in a pair, and what of the rest is wrong.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::pairing::{Match, Pair, pairs};
use super::tally::Cell;
use super::told::{Records, Told};
use super::truth::{Expect, Truth, Truths};
use super::{Case, MOST_CELLS, OTHER, Score, Side, place};
use crate::records::time;

/// Stands in the tables for an access without a record, and for a record without an access.
const NOTHING: &str = "(nothing)";

impl Score {
    /// Judges one run.
    pub fn judge(&mut self, pair: usize, truths: Truths, records: Records) {
        let truths = truths.all;
        for truth in &truths {
            if self.families.len() < MOST_CELLS {
                self.families
                    .insert(truth.product.clone(), truth.family.clone());
            }
        }
        let found = pairs(&truths, &records.all, self.options.tolerance);
        let run = Run {
            number: pair,
            truths: &truths,
            records: &records,
        };
        let mut by_truth: HashMap<usize, Pair> = HashMap::new();
        let mut paired = BTreeSet::new();
        for pair in found {
            paired.insert(pair.told);
            by_truth.insert(pair.truth, pair);
        }
        let is_judged = |(_, truth): &(usize, &Truth)| self.options.judges(&truth.transport);
        let judged: Vec<_> = truths.iter().enumerate().filter(is_judged).collect();
        for (at, truth) in judged {
            let with = by_truth.get(&at);
            let told = with.and_then(|pair| Some((pair.by, records.all.get(pair.told)?)));
            self.truth(&run, truth, told);
        }
        let scenarios = Scenarios::of(&truths);
        for (at, told) in records.all.iter().enumerate() {
            if !paired.contains(&at) && self.options.judges(told.transport) {
                self.invented(&run, told, &scenarios);
            }
        }
        self.payloads(&run, &by_truth);
    }

    fn truth(&mut self, run: &Run<'_>, truth: &Truth, with: Option<(Match, &Told)>) {
        let Some((by, told)) = with else {
            return self.missed(run, truth);
        };
        let wrong = match truth.expect {
            Expect::CannotTell | Expect::NeverConfident => {
                let is_sure = told.confidence == "high";
                let is_wrong = match truth.expect {
                    Expect::CannotTell => told.product != truth.product,
                    _ => true,
                };
                if !(is_sure && is_wrong) {
                    self.cell(cell(truth)).excused += 1;
                    return;
                }
                self.count_unfounded(told);
                Some("confident")
            }
            Expect::Must | Expect::May => self.wrong(run.records, truth, by, told),
        };
        let is_expected = truth.expect == Expect::Must;
        let counts = self.cell(cell(truth));
        counts.told += 1;
        counts.right += u64::from(wrong.is_none());
        counts.expected += u64::from(is_expected);
        counts.found += u64::from(is_expected && wrong.is_none());
        match wrong {
            Some(what) => self.note_case(run.case(what, Some(truth), Some(told))),
            None => {
                self.other_names += u64::from(!truth.fqdn.is_empty() && truth.fqdn != told.fqdn)
            }
        }
    }

    /// What is wrong with a record of an access.
    fn wrong(
        &mut self,
        records: &Records,
        truth: &Truth,
        by: Match,
        told: &Told,
    ) -> Option<&'static str> {
        match by {
            Match::OtherProduct => {
                self.count_unfounded(told);
                return Some("product");
            }
            Match::OtherRole => return Some("role"),
            Match::Whole => {}
        }
        let is_right = truth.verdicts.contains(&told.verdict);
        // A word that is right counts as the true one: the wire does not tell them apart.
        let verdict = if is_right {
            &told.verdict
        } else {
            first(&truth.verdicts)
        };
        note_word(&mut self.verdicts, verdict, &told.verdict);
        let offered = records.offered(told);
        let is_offered_right =
            truth.offered.is_empty() || truth.offered.iter().any(|word| word == offered);
        if !truth.offered.is_empty() {
            note_word(&mut self.offered, first(&truth.offered), offered);
        }
        match (is_right, is_offered_right) {
            (false, _) => Some("verdict"),
            (true, false) => Some("offered"),
            (true, true) => None,
        }
    }

    fn missed(&mut self, run: &Run<'_>, truth: &Truth) {
        if truth.expect != Expect::Must {
            return;
        }
        let counts = self.cell(cell(truth));
        counts.expected += 1;
        counts.missed += 1;
        note_word(&mut self.verdicts, first(&truth.verdicts), NOTHING);
        self.note_case(run.case("missed", Some(truth), None));
    }

    fn invented(&mut self, run: &Run<'_>, told: &Told, scenarios: &Scenarios<'_>) {
        let family = self.families.get(&told.product).cloned();
        let vendor = told.product.split('/').next().unwrap_or(OTHER);
        let place = Cell {
            scenario: scenarios.of_client(&told.client).to_owned(),
            family: family.unwrap_or_else(|| vendor.to_owned()),
            transport: told.transport.to_owned(),
            role: told.role.clone(),
        };
        self.cell(place).told += 1;
        self.count_unfounded(told);
        note_word(&mut self.verdicts, NOTHING, &told.verdict);
        self.note_case(run.case("invented", None, Some(told)));
    }

    fn count_unfounded(&mut self, told: &Told) {
        let word = told.confidence.clone();
        *place(&mut self.unfounded, word, || OTHER.to_owned()) += 1;
    }

    /// Ids are compared over a session, because its accesses may be told in other pieces; without one, over the access.
    fn payloads(&mut self, run: &Run<'_>, by_truth: &HashMap<usize, Pair>) {
        let mut sessions: BTreeMap<&str, [BTreeSet<&str>; 2]> = BTreeMap::new();
        let telling = run.truths.iter().enumerate();
        let is_judged = |(_, truth): &(usize, &Truth)| {
            !truth.payloads.is_empty() && self.options.judges(&truth.transport)
        };
        for (at, truth) in telling.filter(is_judged).collect::<Vec<_>>() {
            let told = by_truth
                .get(&at)
                .filter(|pair| pair.by == Match::Whole)
                .and_then(|pair| run.records.all.get(pair.told));
            let fetched = truth.payloads.iter().map(String::as_str);
            let Some(told) = told else {
                if truth.expect == Expect::Must {
                    self.payloads.fetched += fetched.count() as u64;
                }
                continue;
            };
            let said = told.payload.as_deref();
            if told.session.is_empty() {
                self.compare(&fetched.collect(), &said.into_iter().collect());
                continue;
            }
            let [known, told] = sessions.entry(&told.session).or_default();
            known.extend(fetched);
            told.extend(said);
        }
        for (id, [known, mut said]) in sessions {
            let session = run.records.sessions.get(id);
            let more = session.iter().flat_map(|session| &session.payloads);
            said.extend(more.map(String::as_str));
            self.compare(&known, &said);
        }
    }

    fn compare(&mut self, fetched: &BTreeSet<&str>, told: &BTreeSet<&str>) {
        self.payloads.fetched += fetched.len() as u64;
        self.payloads.told += fetched.intersection(told).count() as u64;
        self.payloads.invented += told.difference(fetched).count() as u64;
    }
}

/// One pair of files.
struct Run<'a> {
    number: usize,
    truths: &'a [Truth],
    records: &'a Records,
}

impl Run<'_> {
    fn case(&self, what: &'static str, truth: Option<&Truth>, told: Option<&Told>) -> Case {
        let side = |line, words| Side {
            pair: self.number,
            line,
            words,
        };
        Case {
            what,
            truth: truth.map(|truth| side(truth.line, describe_truth(truth))),
            told: told.map(|told| side(told.line, describe_told(told, self.records.offered(told)))),
        }
    }
}

fn describe_truth(truth: &Truth) -> String {
    let verdicts = truth.verdicts.join("|");
    let offered = match truth.offered.join("|") {
        words if words.is_empty() => String::new(),
        words => format!(" offered={words}"),
    };
    format!(
        "{} {} {} {} {} {verdicts}{offered} {} by {} ({})",
        time::text(truth.start),
        truth.client,
        truth.product,
        truth.role,
        truth.fqdn,
        match truth.expect {
            Expect::Must => "must",
            Expect::May => "may",
            Expect::CannotTell => "cannot_tell",
            Expect::NeverConfident => "never_confident",
        },
        truth.transport,
        truth.scenario,
    )
}

fn describe_told(told: &Told, offered: &str) -> String {
    format!(
        "{} {} {} {} {} {} offered={offered} {} by {}",
        time::text(told.start),
        told.client,
        told.product,
        told.role,
        told.fqdn,
        told.verdict,
        told.confidence,
        told.transport,
    )
}

/// Where a record without an access belongs: to what its client played, else to what the file played first.
struct Scenarios<'a> {
    by_client: HashMap<&'a str, &'a str>,
    first: &'a str,
}

impl<'a> Scenarios<'a> {
    fn of(truths: &'a [Truth]) -> Self {
        let by_client = truths
            .iter()
            .map(|truth| (truth.client.as_str(), truth.scenario.as_str()));
        Self {
            by_client: by_client.collect(),
            first: truths.first().map_or(OTHER, |truth| &truth.scenario),
        }
    }

    fn of_client(&self, client: &str) -> &'a str {
        self.by_client.get(client).copied().unwrap_or(self.first)
    }
}

fn cell(truth: &Truth) -> Cell {
    Cell {
        scenario: truth.scenario.clone(),
        family: truth.family.clone(),
        transport: truth.transport.clone(),
        role: truth.role.clone(),
    }
}

fn first(words: &[String]) -> &String {
    const NONE: &String = &String::new();
    words.first().unwrap_or(NONE)
}

fn note_word(table: &mut BTreeMap<(String, String), u64>, truth: &str, told: &str) {
    let key = (truth.to_owned(), told.to_owned());
    *place(table, key, || (OTHER.to_owned(), OTHER.to_owned())) += 1;
}
