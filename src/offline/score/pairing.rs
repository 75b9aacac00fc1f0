//! Which record tells of which access: one to one, the nearest in time.
//!
//! First by client, product and role; what is expected surely comes before what need not be told. Of what is left, records of the same
//! client at that time are paired with accesses that need not be told, and then with such as were told under another role or product:
//! those pairs are wrong, but say how.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::told::Told;
use super::truth::{Expect, Truth};
use crate::types::Timestamp;

/// Most records that one access is compared with: thousands that began at once are of no real client.
const MOST_NEAR: usize = 1_000;

/// Records that no access has yet, by their start.
type Free = BTreeSet<(Timestamp, usize)>;

/// What two sides have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// Client, product and role.
    Whole,
    /// Client and product, not the role.
    OtherRole,
    /// The client alone.
    OtherProduct,
}

/// An access and a record, as indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Of the access.
    pub truth: usize,
    /// Of the record.
    pub told: usize,
    /// What they have in common.
    pub by: Match,
}

/// All pairs, in no order that means anything.
pub fn pairs(truths: &[Truth], told: &[Told], tolerance: Duration) -> Vec<Pair> {
    let mut pairing = Pairing {
        truths,
        told,
        tolerance,
        free_truths: (0..truths.len()).collect(),
        free_told: vec![true; told.len()],
        pairs: Vec::new(),
    };
    let truth_key = |truth: &Truth| join(&[&truth.client, &truth.product, &truth.role]);
    let told_key = |told: &Told| join(&[&told.client, &told.product, &told.role]);
    pairing.pass(Match::Whole, |_| true, truth_key, told_key);
    let truth_client = |truth: &Truth| truth.client.clone();
    let told_client = |told: &Told| told.client.clone();
    let need_not = |truth: &Truth| truth.expect >= Expect::CannotTell;
    pairing.pass(Match::OtherProduct, need_not, truth_client, told_client);
    let truth_product = |truth: &Truth| join(&[&truth.client, &truth.product]);
    let told_product = |told: &Told| join(&[&told.client, &told.product]);
    pairing.pass(Match::OtherRole, |_| true, truth_product, told_product);
    pairing.pass(Match::OtherProduct, |_| true, truth_client, told_client);
    pairing.pairs
}

struct Pairing<'a> {
    truths: &'a [Truth],
    told: &'a [Told],
    tolerance: Duration,
    free_truths: Vec<usize>,
    free_told: Vec<bool>,
    pairs: Vec<Pair>,
}

impl Pairing<'_> {
    fn pass(
        &mut self,
        by: Match,
        takes: impl Fn(&Truth) -> bool,
        truth_key: impl Fn(&Truth) -> String,
        told_key: impl Fn(&Told) -> String,
    ) {
        let mut by_key: HashMap<String, Free> = HashMap::new();
        for (at, told) in self.told.iter().enumerate() {
            if self.free_told.get(at) == Some(&true) {
                by_key
                    .entry(told_key(told))
                    .or_default()
                    .insert((told.start, at));
            }
        }
        let mut waiting: Vec<(usize, &Truth)> = std::mem::take(&mut self.free_truths)
            .into_iter()
            .filter_map(|at| Some((at, self.truths.get(at)?)))
            .collect();
        waiting.sort_by_key(|(_, truth)| (truth.expect, truth.start));
        for (at, truth) in waiting {
            let mut near = by_key.get_mut(&truth_key(truth)).filter(|_| takes(truth));
            let nearest = near.as_ref().and_then(|near| self.nearest(truth, near));
            match nearest {
                Some((start, told)) => {
                    if let Some(near) = &mut near {
                        near.remove(&(start, told));
                    }
                    if let Some(free) = self.free_told.get_mut(told) {
                        *free = false;
                    }
                    self.pairs.push(Pair {
                        truth: at,
                        told,
                        by,
                    });
                }
                None => self.free_truths.push(at),
            }
        }
    }

    /// The free record that began nearest, one with the same server's name before others; of the first [`MOST_NEAR`].
    fn nearest(&self, truth: &Truth, free: &Free) -> Option<(Timestamp, usize)> {
        let first = (truth.start.minus(self.tolerance), 0);
        let last = (truth.start.plus(self.tolerance), usize::MAX);
        let near = free.range(first..=last).take(MOST_NEAR);
        let near = near.min_by_key(|(start, at)| {
            let away = start.since(truth.start).max(truth.start.since(*start));
            let fqdn = self.told.get(*at).map(|told| &told.fqdn);
            (fqdn != Some(&truth.fqdn), away, *at)
        });
        near.copied()
    }
}

/// No part holds a space: addresses, words of the catalogue.
fn join(parts: &[&str]) -> String {
    parts.join(" ")
}
