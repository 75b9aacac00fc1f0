//! What clients were answered, out of one run of the sensor into the next.
//!
//! Only what clients were answered and ECH configurations are told; what anybody was answered follows from them when they are learnt again. The table may be in use meanwhile: nobody waits.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Names;
use super::key::Subject;
use crate::types::{Fqdn, Timestamp};

/// Something that a client was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeptName {
    /// A server, for a name.
    Server {
        /// The client.
        client: IpAddr,
        /// The server.
        server: IpAddr,
        /// From the name asked for to the owner of the address.
        chain: Vec<String>,
        /// When, oldest first.
        times: Vec<Timestamp>,
    },
    /// An ECH configuration.
    Ech {
        /// The client.
        client: IpAddr,
        /// Its public name.
        public_name: String,
        /// Its id.
        config_id: u8,
        /// When, oldest first.
        times: Vec<Timestamp>,
    },
}

impl KeptName {
    /// The client that it is about.
    pub const fn client(&self) -> IpAddr {
        match self {
            Self::Server { client, .. } | Self::Ech { client, .. } => *client,
        }
    }
}

impl Names {
    /// What would still name flows at `now`, newest first.
    pub fn kept(&self, now: Timestamp) -> impl Iterator<Item = KeptName> {
        let is_wanted = move |time| now.since(time) <= self.retention;
        self.table
            .entries()
            .filter(move |node| node.times.newest().is_some_and(is_wanted))
            .filter_map(|node| {
                let mut times: Vec<Timestamp> = node.times.iter().collect();
                times.sort_unstable();
                match node.subject() {
                    Subject::Anybody(_) => None,
                    Subject::Client(client, server) => Some(KeptName::Server {
                        client,
                        server,
                        chain: self.chains.chain(node.text)?,
                        times,
                    }),
                    Subject::Ech(client, config_id) => Some(KeptName::Ech {
                        client,
                        public_name: self.chains.name(node.text)?,
                        config_id,
                        times,
                    }),
                }
            })
    }

    /// Learns it again; whether it did. What is said to be of after `latest`, or is no name, teaches nothing.
    pub fn take_up(&self, kept: &KeptName, latest: Timestamp) -> bool {
        let is_name = |text: &String| Fqdn::from_presentation(text).is_some();
        match kept {
            KeptName::Server {
                client,
                server,
                chain,
                times,
            } => {
                let is_right =
                    chain.iter().all(is_name) && times.iter().all(|time| *time <= latest);
                if is_right {
                    for time in times {
                        self.learn(*client, *server, chain, *time);
                    }
                }
                is_right
            }
            KeptName::Ech {
                client,
                public_name,
                config_id,
                times,
            } => {
                let is_right = is_name(public_name) && times.iter().all(|time| *time <= latest);
                if is_right {
                    for time in times {
                        self.learn_ech(*client, public_name, *config_id, *time);
                    }
                }
                is_right
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::NamesOptions;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second, 0)
    }

    #[test]
    fn the_next_run_knows_what_this_one_learnt() {
        let (client, v6) = (address("192.0.2.20"), address("2001:db8::20"));
        let server = address("203.0.113.9");
        let before = Names::new(NamesOptions::default());
        before.learn(client, server, &["dl.example.net", "edge.example"], at(10));
        before.learn(client, server, &["b.example"], at(20));
        before.learn(client, server, &["dl.example.net", "edge.example"], at(30));
        before.learn(v6, address("2001:db8::9"), &["six.example"], at(30));
        before.learn_ech(client, "public.example", 255, at(30));
        let kept: Vec<KeptName> = before.kept(at(40)).collect();
        assert_eq!(kept.len(), 4, "{kept:?}");
        let after = Names::new(NamesOptions {
            seed: 7,
            ..NamesOptions::default()
        });
        for kept in kept.iter().rev() {
            assert!(after.take_up(kept, at(40)));
        }
        for moment in [15, 25, 40] {
            let of = |names: &Names| names.of_client(client, server, at(moment));
            assert_eq!(of(&before), of(&after), "as of {moment}");
        }
        assert!(after.corroborates(address("2001:db8::9"), "six.example", at(31)));
        assert_eq!(after.of_server(server, at(40)).len(), 2);
        assert!(after.knows_ech(client, "public.example", 255, at(31)));
        assert!(!after.knows_ech(client, "public.example", 254, at(31)));
    }

    #[test]
    fn what_is_old_or_of_the_future_or_no_name_is_not_kept() {
        let (client, server) = (address("192.0.2.20"), address("203.0.113.9"));
        let names = Names::new(NamesOptions::default());
        names.learn(client, server, &["a.example"], at(10));
        assert_eq!(names.kept(at(10 + 7_201)).count(), 0);
        let kept = |chain: &str, time| KeptName::Server {
            client,
            server,
            chain: vec![chain.to_owned()],
            times: vec![time],
        };
        let fresh = Names::new(NamesOptions::default());
        assert!(!fresh.take_up(&kept("b.example", at(51)), at(50)));
        assert!(!fresh.take_up(&kept("no name\n", at(50)), at(50)));
        assert_eq!(fresh.kept(at(50)).count(), 0);
    }
}
