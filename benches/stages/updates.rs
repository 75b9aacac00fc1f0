//! Accesses and sessions of 100,000 clients, with 5,000 patterns.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use criterion::Criterion;
use patchspan::types::{Endpoint, Protocol, Timestamp};
use patchspan::updates::engine::Cause;
use patchspan::updates::fact::{Activity, Contact, NameSource, Question};
use patchspan::updates::output::Output;
use patchspan::updates::{Catalogue, Engine, Fact, UpdateOptions};

const CLIENTS: u32 = 100_000;
const STEP: i64 = 1_000_000;

/// Facts of clients in turn, a millisecond apart: each client comes back after 100 s, so everything it did ends in between.
struct Facts {
    number: u32,
    now: Timestamp,
    catalogue: Arc<Catalogue>,
}

impl Facts {
    fn contact(&self) -> Arc<Contact> {
        let name = format!("host{}.update.example.org", self.number % 1_250 * 4 + 1);
        let address = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + self.number % CLIENTS));
        let endpoint = |address, port| Endpoint { address, port };
        Arc::new(Contact {
            flow_id: u64::from(self.number),
            client: endpoint(address, 50_000),
            server: endpoint(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)), 443),
            protocol: Protocol::TCP,
            start: self.now,
            endpoint: self.catalogue.find(&name).unwrap(),
            name,
            source: NameSource::Tls,
            corroborated: true,
            chain: Vec::new(),
            answered: None,
            alternatives: Vec::new(),
            is_doubtful: false,
            is_elsewhere: false,
        })
    }

    /// A question, and the burst that follows.
    fn next(&mut self) -> [Fact; 2] {
        self.number = self.number.wrapping_add(1);
        self.now = Timestamp::from_nanos(self.now.as_nanos() + STEP);
        let contact = self.contact();
        let question = Question {
            time: self.now,
            flow_id: contact.flow_id,
            client: contact.client,
            resolver: contact.server,
            protocol: Protocol::UDP,
            endpoint: contact.endpoint,
            name: contact.name.clone(),
        };
        let burst = Activity {
            contact,
            start: self.now,
            end: self.now,
            time: self.now,
            delivered_toclient: 9_000,
            inferred_toclient: 0,
            largest_burst: 9_000,
            bytes_toserver: 900,
            bytes_toclient: 10_000,
            is_ongoing: false,
            exchange: None,
        };
        [Fact::Asked(question), Fact::Activity(burst)]
    }
}

/// What a check costs from question to session, and what 100,000 clients keep open at most.
pub(crate) fn engine(c: &mut Criterion) {
    let catalogue = Arc::new(crate::large_catalogue());
    let mut engine = Engine::new(Arc::clone(&catalogue), UpdateOptions::default());
    let mut facts = Facts {
        number: 0,
        now: Timestamp::from_nanos(0),
        catalogue,
    };
    let mut given = 0_u64;
    let mut sink = |_: Cause, _: Output| given += 1;
    let mut turn = || {
        for fact in facts.next() {
            engine.fact(&fact, &mut sink);
        }
    };
    (0..2 * CLIENTS).for_each(|_| turn());
    let mut group = c.benchmark_group("updates");
    group.bench_function("a check, 100,000 clients, 5,000 patterns", |b| {
        b.iter(&mut turn)
    });
    group.finish();
    println!(
        "{} entries are open, {given} records were given",
        engine.open_entries()
    );
}
