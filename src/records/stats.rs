//! `stats` (as EVE has it), `patchspan_stats` and `loss`.

use super::time::TimeText;
use super::{Line, Style};
use crate::types::Timestamp;

/// Writes counters whose names hold dots (`decoder.pkts`) as nested objects; neighbours with one prefix share an object.
pub fn write_counters(line: &mut Line<'_>, counters: &[(&str, u64)]) {
    let mut rest = counters;
    while let Some((name, value)) = rest.first() {
        let Some((group, _)) = name.split_once('.') else {
            line.integer(name, *value);
            rest = rest.get(1..).unwrap_or_default();
            continue;
        };
        let size = rest
            .iter()
            .take_while(|(name, _)| in_group(name, group))
            .count();
        let (members, others) = rest.split_at(size);
        let members: Vec<(&str, u64)> = members
            .iter()
            .filter_map(|(name, value)| name.split_once('.').map(|(_, name)| (name, *value)))
            .collect();
        line.object(group, |line| write_counters(line, &members));
        rest = others;
    }
}

fn in_group(name: &str, group: &str) -> bool {
    name.split_once('.').is_some_and(|(own, _)| own == group)
}

/// The counters that EVE knows under the same name, of those that this program may have.
const EVE: [&str; 9] = [
    "capture.kernel_packets",
    "capture.kernel_drops",
    "decoder.pkts",
    "decoder.bytes",
    "decoder.too_many_layers",
    "flow.total",
    "flow.tcp",
    "flow.udp",
    "flow.tcp_reuse",
];

/// Writes the kind's own object of `stats`; with `eve_strict` only what EVE knows, packets under EVE's name.
pub fn write_stats(line: &mut Line<'_>, counters: &[(&str, u64)], style: &Style) {
    let known: Vec<(&str, u64)> = counters
        .iter()
        .map(|&(name, value)| match name {
            "decoder.packets" => ("decoder.pkts", value),
            _ => (name, value),
        })
        .filter(|(name, _)| !style.eve_strict || EVE.contains(name))
        .collect();
    line.object("stats", |line| write_counters(line, &known));
}

/// Something that was not seen or not written.
#[derive(Clone, Debug)]
pub struct Loss<'a> {
    /// What was lost: `frames`, `lines`, `bytes`, `restart`.
    pub what: &'a str,
    /// Where: a file's or an output's name.
    pub place: &'a str,
    /// How many, as far as it is known.
    pub count: u64,
    /// From here.
    pub start: Timestamp,
    /// To here.
    pub end: Timestamp,
}

impl Loss<'_> {
    /// Writes the kind's own object.
    pub fn write(&self, line: &mut Line<'_>, _style: &Style, time: &mut TimeText) {
        line.object("loss", |line| {
            line.integer("v", 1);
            line.text("what", self.what);
            line.long_text("where", "loss.where", self.place);
            line.integer("count", self.count);
            line.raw("start", |buffer| time.push_quoted(buffer, self.start));
            line.raw("end", |buffer| time.push_quoted(buffer, self.end));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::line::{Scratch, write_line};

    #[test]
    fn dotted_names_become_objects() {
        let mut buffer = Vec::new();
        let counters = [
            ("uptime", 1),
            ("decoder.pkts", 2),
            ("decoder.ipv4.short", 3),
            ("flow.total", 4),
        ];
        write_line(&mut buffer, &mut Scratch::default(), |line| {
            write_counters(line, &counters)
        });
        assert_eq!(
            String::from_utf8(buffer).unwrap(),
            "{\"uptime\":1,\"decoder\":{\"pkts\":2,\"ipv4\":{\"short\":3}},\"flow\":{\"total\":4}}\n"
        );
    }
}
