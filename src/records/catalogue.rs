//! What `patchspan catalogue` tells of rules, as JSON lines.
//!
//! These lines are no records of a run: nothing but `catalogue show --json` and `catalogue match --json` writes them.

use super::Line;
use super::line::{Scratch, write_line};
use crate::updates::Catalogue;
use crate::updates::catalogue::pattern::NamePattern;
use crate::updates::catalogue::{Endpoint, EndpointId, Product};

/// A contact that was looked up, and all that matched.
#[derive(Clone, Debug)]
pub struct Found<'c> {
    /// The name.
    pub name: &'c str,
    /// The path asked for.
    pub path: Option<&'c str>,
    /// The client's User-Agent.
    pub agent: Option<&'c str>,
    /// Patterns of the name, the one that wins first.
    pub matching: Vec<(NamePattern, EndpointId)>,
    /// What the name leads to: a rule of the files, else an own source.
    pub endpoint: Option<EndpointId>,
}

/// Writes an endpoint of a catalogue with its patterns, a line with its newline, to the end of `buffer`.
pub fn write_endpoint(
    buffer: &mut Vec<u8>,
    (product, endpoint): (&Product, &Endpoint),
    patterns: &[NamePattern],
) {
    write_line(buffer, &mut Scratch::default(), |line| {
        line.object("catalogue_rule", |line| {
            line.integer("v", 1);
            line.text("rule", &endpoint.rule);
            line.text("role", endpoint.role.as_str());
            line.list("patterns", |line| {
                patterns
                    .iter()
                    .for_each(|pattern| line.element_display(pattern));
            });
            line.integer("paths", endpoint.paths.len() as u64);
            line.text("transport", endpoint.facts.transport.as_str());
            line.boolean("by_volume", endpoint.by_volume);
            line.boolean("shared_host", endpoint.shared_host);
            write_alternatives(line, endpoint);
            line.text("source", &endpoint.facts.source);
            if let Some(day) = endpoint.facts.verified {
                line.display("verified", day);
            }
            write_product(line, product);
        });
    });
}

/// Writes which rule a contact leads to, and why, as a line.
pub fn write_found(buffer: &mut Vec<u8>, catalogue: &Catalogue, found: &Found<'_>) {
    write_line(buffer, &mut Scratch::default(), |line| {
        line.object("catalogue_match", |line| {
            line.integer("v", 1);
            line.text("name", found.name);
            for (key, text) in [("path", found.path), ("agent", found.agent)] {
                if let Some(text) = text {
                    line.text(key, text);
                }
            }
            line.text("catalogue", catalogue.version());
            if let Some(named) = found.endpoint.and_then(|id| catalogue.endpoint(id)) {
                write_rule(line, catalogue, found, named);
            }
        });
    });
}

fn write_rule(line: &mut Line<'_>, catalogue: &Catalogue, found: &Found<'_>, named: &Endpoint) {
    let told = named.role_for(
        found.path.map(str::as_bytes),
        found.agent.map(str::as_bytes),
    );
    let meant = told.endpoint.and_then(|id| catalogue.endpoint(id));
    let meant = meant.unwrap_or(named);
    line.text("rule", &meant.rule);
    line.text("role", told.role.as_str());
    line.boolean("by_path", told.by_path);
    if let Some(product) = catalogue.product(meant.product) {
        line.text("vendor", &product.vendor);
        line.text("product", &product.id);
    }
    line.text("named_rule", &named.rule);
    if let Some((pattern, _)) = found.matching.first() {
        line.display("pattern", pattern);
        line.text("kind", pattern.kind());
    }
    line.boolean("shared_host", named.shared_host);
    write_alternatives(line, named);
    if found.matching.len() > 1 {
        line.list("beats", |line| {
            for (pattern, id) in found.matching.iter().skip(1) {
                line.element_object(|line| {
                    line.display("pattern", pattern);
                    let rule = catalogue.endpoint(*id).map(|endpoint| &endpoint.rule);
                    line.text("rule", rule.map_or("", String::as_str));
                });
            }
        });
    }
}

fn write_alternatives(line: &mut Line<'_>, endpoint: &Endpoint) {
    if !endpoint.alternatives.is_empty() {
        line.list("alternatives", |line| {
            for (vendor, product) in &endpoint.alternatives {
                line.element_display(format_args!("{vendor}/{product}"));
            }
        });
    }
}

fn write_product(line: &mut Line<'_>, product: &Product) {
    line.object("product", |line| {
        line.text("vendor", &product.vendor);
        line.text("id", &product.id);
        line.text("title", &product.title);
        line.text("platform", product.facts.platform.as_str());
        line.text("security", product.security.as_str());
        for (key, time) in [
            ("check_interval_s", product.facts.check_interval),
            ("overdue_after_s", product.facts.overdue_after),
        ] {
            if let Some(time) = time {
                line.integer(key, time.as_secs());
            }
        }
        if let Some(cadence) = &product.facts.release_cadence {
            line.text("release_cadence", cadence);
        }
        for (key, bytes) in [
            ("typical_check_bytes", product.facts.typical_check_bytes),
            (
                "typical_download_bytes",
                product.facts.typical_download_bytes,
            ),
            ("download_threshold", product.download_threshold),
        ] {
            if let Some(bytes) = bytes {
                line.integer(key, bytes);
            }
        }
    });
}
