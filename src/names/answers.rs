//! Answers on their way into the table.
//!
//! An answer is looked for in several places, each of which tells where to look next, and hardly any of them lies in a cache. So a few answers
//! are noted at once, step by step: the core waits for the memory of all of them together.

use std::net::IpAddr;

use super::chains::{Chain, Hashes};
use super::crowds::Crowds;
use super::key::{Key, Place};
use super::table::Survey;
use super::{MAX_NAMES_OF_A_SERVER, Names, Stored, upper};
use crate::types::Timestamp;

/// Most answers that wait, and most servers of one.
pub const AT_ONCE: usize = 16;
/// Entries of a server's list that are touched ahead.
const MOST_TOUCHED: usize = 2 * MAX_NAMES_OF_A_SERVER;

/// Answers that wait until they are noted, in the order in which they came.
#[derive(Debug, Default)]
pub struct Answers {
    /// Of these the first `count` wait; the buffers of the others are used again.
    answers: Vec<Answer>,
    count: usize,
    leads: Vec<Lead>,
    crowds: Crowds,
}

/// An answer.
#[derive(Debug, Default)]
struct Answer {
    chain: Chain,
    /// That of the name asked for.
    hash: u64,
    hashes: Hashes,
    time: Timestamp,
}

/// That an answer led a client to a server.
#[derive(Debug)]
struct Lead {
    /// Which answer.
    answer: usize,
    client: IpAddr,
    server: IpAddr,
    of_client: Place,
    of_server: Place,
    /// The half of the name's hash that entries bear.
    name_hash: u32,
    /// The server has many names: `of_server` is of this one.
    is_crowded: bool,
    /// How far the list at `of_server` was touched.
    next: u32,
}

impl Answers {
    /// For a worker: it remembers which servers have many names.
    pub fn of_worker() -> Self {
        Self {
            crowds: Crowds::new(),
            ..Self::default()
        }
    }

    /// `client` was answered `servers` for the first name of `chain`, through the others, at `time`. Where there is no room what waits is noted.
    pub fn push<'a>(
        &mut self,
        names: &Names,
        (client, time): (IpAddr, Timestamp),
        chain: impl ExactSizeIterator<Item = &'a str> + Clone,
        servers: impl Iterator<Item = IpAddr>,
    ) {
        let mut servers = servers.peekable();
        while servers.peek().is_some() {
            if self.count == AT_ONCE || self.leads.len() >= AT_ONCE {
                names.note_all(self);
            }
            if self.answers.len() == self.count {
                self.answers.push(Answer::default());
            }
            let Some(answer) = self.answers.get_mut(self.count) else {
                return;
            };
            answer.set(names, chain.clone(), time);
            let (answer, name_hash) = (self.count, upper(answer.hash));
            self.count += 1;
            let servers = servers.by_ref().take(AT_ONCE);
            self.leads.extend(servers.map(|server| Lead {
                answer,
                client,
                server,
                of_client: names.place(Key::Client(client, server)),
                of_server: names.place(Key::Server(server)),
                name_hash,
                is_crowded: false,
                next: 0,
            }));
        }
    }

    /// Whether none waits.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn waiting(&self) -> &[Answer] {
        self.answers.get(..self.count).unwrap_or_default()
    }
}

impl Answer {
    fn set<'a>(
        &mut self,
        names: &Names,
        chain: impl ExactSizeIterator<Item = &'a str>,
        time: Timestamp,
    ) {
        self.chain.set(chain);
        self.hash = names.hash(self.chain.name());
        self.hashes = names.chains.hashes(&self.chain, self.hash);
        self.time = time;
    }
}

impl Names {
    /// Notes what waits.
    pub fn note_all(&self, answers: &mut Answers) {
        if answers.is_empty() {
            return;
        }
        self.touch(answers);
        let Answers {
            answers: waiting,
            count,
            leads,
            crowds,
        } = answers;
        let mut led = leads.iter().peekable();
        for (index, answer) in waiting.iter_mut().take(*count).enumerate() {
            let stored = self.store(&mut answer.chain, answer.hash, &answer.hashes);
            while let Some(lead) = led.next_if(|lead| lead.answer == index) {
                if let Some(stored) = &stored {
                    self.note_lead(lead, stored, answer.time, crowds);
                }
            }
        }
        leads.clear();
        *count = 0;
    }

    /// Touches all that noting will look at, level by level.
    fn touch(&self, answers: &mut Answers) {
        let mut sum = self.table.touch_free(answers.leads.len());
        for answer in answers.waiting() {
            sum ^= self.chains.touch_index(&answer.hashes);
        }
        for lead in &answers.leads {
            sum ^= self.table.touch_head(&lead.of_client);
            sum ^= answers.crowds.touch(lead.of_server.hash);
        }
        self.find_crowds(answers);
        for lead in &answers.leads {
            sum ^= self.table.touch_head(&lead.of_server);
        }
        for answer in answers.waiting() {
            sum ^= self.chains.touch_texts(&answer.hashes);
        }
        for lead in &mut answers.leads {
            lead.next = self.table.first(&lead.of_server);
            let own = self.table.first(&lead.of_client);
            sum ^= u64::from(self.table.touch_entry(own));
        }
        for _ in 0..MOST_TOUCHED {
            for lead in &mut answers.leads {
                lead.next = self.table.touch_entry(lead.next);
            }
        }
        std::hint::black_box(sum);
    }

    /// Servers that are known to have many names are asked for the one alone.
    fn find_crowds(&self, answers: &mut Answers) {
        let written = self.table.written();
        for lead in &mut answers.leads {
            let Some(answer) = answers.answers.get(lead.answer) else {
                continue;
            };
            let server = (lead.of_server.hash, lead.server);
            let named = (lead.name_hash, answer.time);
            if answers.crowds.holds(server, named, written) {
                lead.is_crowded = true;
                lead.of_server = self.place(Key::Name(lead.server, lead.name_hash));
            }
        }
    }

    fn note_lead(&self, lead: &Lead, stored: &Stored<'_>, time: Timestamp, crowds: &mut Crowds) {
        let named;
        let (of_server, told) = if lead.is_crowded {
            (&lead.of_server, self.find(&lead.of_server, stored))
        } else {
            let is_wanted = |node: &_| self.is(node, stored);
            let name = (lead.name_hash, time);
            let found =
                self.table
                    .survey::<MAX_NAMES_OF_A_SERVER>(&lead.of_server, name, is_wanted);
            match found {
                Survey::Quiet(told) => (&lead.of_server, told),
                Survey::Crowded(crowd) => {
                    crowds.note((lead.of_server.hash, lead.server), crowd);
                    named = self.place(Key::Name(lead.server, lead.name_hash));
                    (&named, self.find(&named, stored))
                }
            }
        };
        let places = [&lead.of_client, of_server];
        self.note((lead.client, lead.server), places, told, stored, time);
    }
}
