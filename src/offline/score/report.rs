//! The table for people, and the same as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::tally::{Cell, Counts, Share};
use super::{Case, Score, Side};
use crate::offline::diff::fields::ascii;

/// What the table is cut by: a title, and what of a cell.
type Cut = (&'static str, fn(&Cell) -> String);
/// How the table is cut.
const CUTS: [Cut; 5] = [
    ("scenario", |cell| cell.scenario.clone()),
    ("transport", |cell| cell.transport.clone()),
    ("family", |cell| cell.family.clone()),
    ("role", |cell| cell.role.clone()),
    ("family, transport, role", claimed),
];

/// What is asked of a score.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// Least precision, %.
    pub precision: Option<f64>,
    /// Least recall, %.
    pub recall: Option<f64>,
    /// Accesses, or records, that a cell needs before anything is claimed of it.
    pub least: u64,
}

/// The cells about which something is claimed.
fn claimed(cell: &Cell) -> String {
    format!("{}, {}, {}", cell.family, cell.transport, cell.role)
}

impl Score {
    /// Everything together.
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.cells.values().for_each(|counts| total.add(counts));
        total
    }

    /// What falls short of what is asked: the whole, and each cell of family, transport and role that is large enough.
    pub fn shortfalls(&self, demand: &Demand) -> Vec<String> {
        let mut all = vec![("all".to_owned(), self.total())];
        all.extend(self.cut(claimed));
        let mut short = Vec::new();
        for (name, counts) in all {
            let shares = [
                (
                    "precision",
                    counts.precision(),
                    counts.told,
                    demand.precision,
                ),
                ("recall", counts.recall(), counts.expected, demand.recall),
            ];
            for (what, share, of, asked) in shares {
                let is_large = name == "all" || of >= demand.least;
                if let Some(asked) = asked.filter(|asked| is_large && share.percent < *asked) {
                    let found = percent(share.percent);
                    short.push(format!(
                        "{name}: {what} is {found} %, asked for is {asked} %"
                    ));
                }
            }
        }
        short
    }

    fn cut(&self, by: fn(&Cell) -> String) -> BTreeMap<String, Counts> {
        let mut cut: BTreeMap<String, Counts> = BTreeMap::new();
        for (cell, counts) in &self.cells {
            cut.entry(by(cell)).or_default().add(counts);
        }
        cut.retain(|_, counts| !counts.is_empty());
        cut
    }

    /// The table for people; text of the files is printed in ASCII, because it must not reach a terminal as it is.
    pub fn text(&self, demand: &Demand) -> String {
        let mut text = String::new();
        for (title, by) in CUTS {
            write_cut(&mut text, title, &self.cut(by), demand.least);
        }
        let total = BTreeMap::from([("all".to_owned(), self.total())]);
        write_cut(&mut text, "", &total, demand.least);
        let _ = writeln!(
            text,
            "* fewer than {} accesses or records: nothing is claimed",
            demand.least
        );
        write_words(&mut text, "verdict", &self.verdicts);
        write_words(&mut text, "offered", &self.offered);
        let payloads = &self.payloads;
        let _ = writeln!(
            text,
            "\npayload ids: {} fetched, {} of them told, {} told that were not fetched",
            payloads.fetched, payloads.told, payloads.invented
        );
        let _ = writeln!(
            text,
            "right, under another name of the server: {}",
            self.other_names
        );
        let wrong = self.unfounded.iter();
        let wrong: Vec<_> = wrong
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        let wrong = if wrong.is_empty() {
            "none".to_owned()
        } else {
            wrong.join(", ")
        };
        let _ = writeln!(text, "unfounded, by confidence: {}", ascii(&wrong));
        write_cases(&mut text, &self.cases, self.more_cases);
        text
    }

    /// The same as one JSON object.
    pub fn json(&self, demand: &Demand) -> Value {
        let cells = self.cells.iter();
        let cells: Vec<_> = cells
            .map(|(cell, counts)| json!({"cell": cell, "counts": counts}))
            .collect();
        let mut cuts = serde_json::Map::new();
        for (title, by) in CUTS {
            let rows = self.cut(by);
            let rows = rows.iter().map(|(name, counts)| row(name, counts, demand));
            cuts.insert(title.to_owned(), rows.collect());
        }
        let words = |table: &BTreeMap<(String, String), u64>| -> Value {
            let rows = table.iter();
            rows.map(|((truth, told), count)| json!({"truth": truth, "told": told, "count": count}))
                .collect()
        };
        json!({
            "all": row("all", &self.total(), demand),
            "cuts": cuts,
            "cells": cells,
            "verdicts": words(&self.verdicts),
            "offered": words(&self.offered),
            "payloads": self.payloads,
            "other_names": self.other_names,
            "unfounded": self.unfounded,
            "cases": self.cases,
            "more_cases": self.more_cases,
        })
    }
}

fn row(name: &str, counts: &Counts, demand: &Demand) -> Value {
    json!({
        "name": name,
        "counts": counts,
        "wrong": counts.wrong(),
        "precision": counts.precision(),
        "recall": counts.recall(),
        "claimed": counts.told.min(counts.expected) >= demand.least,
    })
}

fn write_cut(text: &mut String, title: &str, rows: &BTreeMap<String, Counts>, least: u64) {
    let names = rows.keys().map(|name| ascii(name));
    let widest = names.chain([title.to_owned()]).map(|name| name.len()).max();
    let width = widest.unwrap_or(0).max(24);
    let _ = writeln!(
        text,
        "{title:width$} expected  found missed   told  right  wrong excused  precision (at least)     recall (at least)"
    );
    for (name, counts) in rows {
        let _ = writeln!(
            text,
            "{:width$} {:8} {:6} {:6} {:6} {:6} {:6} {:7}  {}  {}",
            ascii(name),
            counts.expected,
            counts.found,
            counts.missed,
            counts.told,
            counts.right,
            counts.wrong(),
            counts.excused,
            share(counts.precision(), counts.told, least),
            share(counts.recall(), counts.expected, least),
        );
    }
    text.push('\n');
}

/// A share and its lower bound, marked where the sample is small; nothing without a sample.
fn share(share: Share, of: u64, least: u64) -> String {
    if of == 0 {
        return format!("{:>20}", "-");
    }
    let mark = if of < least { '*' } else { ' ' };
    let (found, at_least) = (percent(share.percent), percent(share.at_least));
    format!("{found:>9}{mark} ({at_least:>7})")
}

/// Rounded down: 99.997 is not 100.
fn percent(value: f64) -> String {
    format!("{:.2}", (value * 100.0 + 1e-9).floor() / 100.0)
}

fn write_words(text: &mut String, what: &str, table: &BTreeMap<(String, String), u64>) {
    if table.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{what} in truth -> told");
    for ((truth, told), count) in table {
        let _ = writeln!(
            text,
            "  {:>12} -> {:12} {count:8}",
            ascii(truth),
            ascii(told)
        );
    }
}

fn write_cases(text: &mut String, cases: &[Case], more: u64) {
    if cases.is_empty() {
        return;
    }
    text.push_str("\nwrong cases\n");
    for case in cases {
        let _ = writeln!(text, "  {}", case.what);
        for (name, side) in [("truth", &case.truth), ("told", &case.told)] {
            if let Some(Side { pair, line, words }) = side {
                let _ = writeln!(text, "    {name} {pair}:{line}  {}", ascii(words));
            }
        }
    }
    if more > 0 {
        let _ = writeln!(text, "  and {more} more");
    }
}
