//! What can change while a sensor runs.

use super::Config;

impl Config {
    /// The settings in which `new` differs and that count only from the next start, by their keys: memory, sockets, rights, flow tables,
    /// the form of records and outputs are made once.
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let differs = [
            ("memory", self.memory != new.memory),
            ("capture", self.capture != new.capture),
            ("flows", self.flows != new.flows),
            ("names", self.names != new.names),
            ("pseudonyms", self.pseudonyms != new.pseudonyms),
            ("state", self.state != new.state),
            ("sandbox", self.sandbox != new.sandbox),
            ("records", self.form() != new.form()),
            ("metrics", self.metrics != new.metrics),
            ("stats", self.stats_interval != new.stats_interval),
            ("output", self.outputs != new.outputs),
        ];
        let differs = differs.into_iter().filter(|(_, differs)| *differs);
        differs.map(|(key, _)| key).collect()
    }

    /// The form of records, but for the query of URLs, which workers cut.
    const fn form(&self) -> (&Option<String>, bool, bool, bool) {
        let records = &self.records;
        (
            &records.host,
            records.community_id,
            records.ipv6_long,
            records.eve_strict,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_is_made_once_needs_a_restart() {
        let parse = |text: &str| Config::parse(text, Path::new("sensor.toml")).unwrap();
        let old = Config::default();
        let soft = "networks.local = [\"192.0.2.0/24\"]\nupdates.idle = \"30s\"\nhttp.query = \"drop\"\nhealth.silent_after = \"5min\"\ndns.ports = [5353]";
        assert!(old.needs_restart(&parse(soft)).is_empty());
        let hard = "memory = \"2GiB\"\nflows.udp = \"1min\"\nrecords.host = \"a\"\nmetrics.listen = \"unix:/a\"\n[[output]]\nkind = \"unix\"\npath = \"/a\"";
        assert_eq!(
            old.needs_restart(&parse(hard)),
            ["memory", "flows", "records", "metrics", "output"]
        );
    }
}
