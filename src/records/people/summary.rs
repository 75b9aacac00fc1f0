//! `summary`: what it means, a line a host and product.
//!
//! ```text
//! 192.0.2.20 windows-update  20:17:44 checked -> 20:17:45 downloaded 3.2 MB  high
//! ```
//!
//! Checks and downloads by start time; equal ones in a row are one step. Sizes are bytes on the wire, both directions together, as in the
//! other forms. The last field is the confidence of the strongest conclusion. Where the steps of all lines fall on several days, each
//! line begins with its first day, and a step on another day than the one before tells its own. Two vendors' products of one id stand
//! with their vendor.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::ops::Range;

use super::Look;
use super::gathered::{Gathered, Step};
use super::words;
use crate::types::Timestamp;
use crate::updates::catalogue::{Catalogue, ProductId};
use crate::updates::verdict::{Confidence, Verdict};

/// Most steps of a line: of more, the first ones and the last one are shown.
const MAX_STEPS: usize = 8;
/// No column is padded to more than this.
const WIDEST: usize = 48;

/// The lines, by client, then by the first step.
pub(super) fn lines(gathered: Gathered, look: Look) -> impl Iterator<Item = String> {
    let mut steps = gathered.steps;
    steps.sort_by_cached_key(|step| (step.client, product(step, &look), step.start, step.number));
    let names = ProductNames::of(&look.catalogue);
    let groups = groups(&steps, &look);
    let widths = Widths::of(&groups, &steps, &look, &names);
    groups.into_iter().filter_map(move |group| {
        let steps = steps.get(group.steps.clone())?;
        let mut line = String::new();
        push_start(&mut line, &group, &look, &names, &widths);
        push_steps(&mut line, steps, &look);
        let confidence = strongest(steps)?.1;
        let _ = write!(line, "  {}", confidence.as_str());
        Some(line)
    })
}

/// The accesses of one host for one product.
#[derive(Debug)]
struct Group {
    client: IpAddr,
    product: Option<ProductId>,
    start: Timestamp,
    steps: Range<usize>,
}

fn product(step: &Step, look: &Look) -> Option<ProductId> {
    let endpoint = look.catalogue.endpoint(step.endpoint);
    endpoint.map(|endpoint| endpoint.product)
}

fn groups(steps: &[Step], look: &Look) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let product = product(step, look);
        match groups.last_mut() {
            Some(group) if group.client == step.client && group.product == product => {
                group.steps.end = at + 1;
            }
            _ => groups.push(Group {
                client: step.client,
                product,
                start: step.start,
                steps: at..at + 1,
            }),
        }
    }
    groups.sort_by_key(|group| (group.client, group.start));
    groups
}

/// What products are called.
#[derive(Debug)]
struct ProductNames(HashMap<ProductId, String>);

impl ProductNames {
    fn of(catalogue: &Catalogue) -> Self {
        let products = || {
            (0..)
                .map(ProductId)
                .map_while(|id| Some((id, catalogue.product(id)?)))
        };
        let mut uses: HashMap<&str, usize> = HashMap::new();
        for (_, product) in products() {
            *uses.entry(&product.id).or_default() += 1;
        }
        let names = products().map(|(id, product)| {
            let is_shared = uses.get(product.id.as_str()).is_some_and(|uses| *uses > 1);
            let name = if is_shared {
                format!("{}/{}", product.vendor, product.id)
            } else {
                product.id.clone()
            };
            (id, name)
        });
        Self(names.collect())
    }

    fn name(&self, product: Option<ProductId>) -> &str {
        let name = product.and_then(|product| self.0.get(&product));
        name.map_or("unknown", String::as_str)
    }
}

/// How wide columns are, and whether days are told.
#[derive(Debug, Default)]
struct Widths {
    client: usize,
    product: usize,
    has_days: bool,
}

impl Widths {
    fn of(groups: &[Group], steps: &[Step], look: &Look, names: &ProductNames) -> Self {
        let mut widths = Self::default();
        for group in groups {
            let client = look.client(group.client).chars().count();
            widths.client = widths.client.max(client).min(WIDEST);
            let product = names.name(group.product).chars().count();
            widths.product = widths.product.max(product).min(WIDEST);
        }
        let first = steps.iter().map(|step| step.start).min();
        let last = steps.iter().map(|step| step.start).max();
        let day = |moment: Option<Timestamp>| moment.map(|moment| look.clock.date(moment));
        widths.has_days = day(first) != day(last);
        widths
    }
}

fn push_start(
    line: &mut String,
    group: &Group,
    look: &Look,
    names: &ProductNames,
    widths: &Widths,
) {
    if widths.has_days {
        let _ = write!(line, "{}  ", look.clock.date(group.start));
    }
    let (client, product) = (look.client(group.client), names.name(group.product));
    let _ = write!(
        line,
        "{client:<0$} {product:<1$}  ",
        widths.client, widths.product
    );
}

/// Equal accesses in a row.
#[derive(Debug)]
struct Run {
    start: Timestamp,
    verdict: Verdict,
    count: usize,
    bytes: u64,
}

fn push_steps(line: &mut String, steps: &[Step], look: &Look) {
    let runs = runs(steps);
    let is_long = runs.len() > MAX_STEPS;
    let left_out = if is_long {
        MAX_STEPS - 1..runs.len() - 1
    } else {
        0..0
    };
    let mut day = None;
    for (at, run) in runs.iter().enumerate() {
        if left_out.contains(&at) {
            if at == left_out.start {
                let _ = write!(line, " -> {} more", left_out.len());
            }
            continue;
        }
        if at > 0 {
            line.push_str(" -> ");
        }
        let date = look.clock.date(run.start);
        if day.as_ref().is_some_and(|day| *day != date) {
            let _ = write!(line, "{date} ");
        }
        day = Some(date);
        push_run(line, run, look);
    }
}

fn runs(steps: &[Step]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for step in steps {
        match runs.last_mut() {
            Some(run) if run.verdict == step.verdict => {
                run.count += 1;
                run.bytes = run.bytes.saturating_add(step.bytes);
            }
            _ => runs.push(Run {
                start: step.start,
                verdict: step.verdict,
                count: 1,
                bytes: step.bytes,
            }),
        }
    }
    runs
}

fn push_run(line: &mut String, run: &Run, look: &Look) {
    let word = words::times(run.verdict.as_str(), run.count);
    let _ = write!(line, "{} {word}", look.clock.time(run.start));
    if matches!(
        run.verdict,
        Verdict::Downloaded | Verdict::Downloading | Verdict::Partial
    ) {
        let _ = write!(line, " {}", words::megabytes(run.bytes));
    }
}

/// The strongest conclusion, and the best confidence in it.
fn strongest(steps: &[Step]) -> Option<(u8, Confidence)> {
    let strength = |verdict| match verdict {
        Verdict::Resolved => 0,
        Verdict::Unanswered => 1,
        Verdict::Refused => 2,
        Verdict::Checked => 3,
        Verdict::Partial => 4,
        Verdict::Downloading => 5,
        Verdict::Downloaded => 6,
    };
    let conclusions = steps.iter();
    conclusions
        .map(|step| (strength(step.verdict), step.confidence))
        .max()
}
