//! Lines for people: what happened with update servers, without the JSON.
//!
//! Facts and outputs of the updates stage come in one by one; the lines come out at the end, sorted, because a person reads by
//! time and an access is judged minutes after its flow began. What is kept until then is small and bounded: see [`MAX_EVENTS`] and
//! [`MAX_BYTES`]; what no longer fits is counted.
//!
//! * `gathered`: what is kept
//! * `words`: times, sizes, servers and names as people read them
//! * `text`, `figure2`, `summary`: the three forms
//!
//! Blind spots are those of the accesses themselves: a download seen is no installation.

mod figure2;
mod gathered;
mod summary;
mod text;
mod words;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::types::Networks;
use crate::updates::catalogue::{Catalogue, EndpointId, Role};
use crate::updates::fact::Fact;
use crate::updates::output::Output;
use gathered::Gathered;
use words::Clock;
pub use words::thousands;

/// Most events that are kept: lookups, flows and accesses together.
pub const MAX_EVENTS: usize = 1 << 20;
/// Most bytes that names, addresses and flow ids of all events take together.
pub const MAX_BYTES: usize = 1 << 28;
/// Questions of a client for one name are one lookup for so long: both address families, and what is asked again for want of an answer.
pub const LOOKUP: Duration = Duration::from_secs(10);

/// What the lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line an event, by start time: lookups, flows with what they came to, contacts that failed.
    Text,
    /// The lines of the prototype's second figure, by end time: `time,host,DNS,name` and the like.
    Figure2,
    /// A line a host and product: its checks and downloads, one after the other.
    Summary,
}

/// What the lines are made with.
#[derive(Clone, Debug)]
pub struct Options {
    /// What they look like.
    pub form: Form,
    /// Zone of all times.
    pub timezone: TimeZone,
    /// What stands instead of an address of a client.
    pub labels: HashMap<IpAddr, String>,
    /// Names products, and tells what is to be ignored.
    pub catalogue: Arc<Catalogue>,
    /// Networks whose clients are hosts; empty for all.
    pub local: Networks,
}

/// Gathers what happens and gives it as sorted lines.
#[derive(Debug)]
pub struct People {
    options: Options,
    gathered: Gathered,
}

impl People {
    /// Nothing gathered yet.
    pub fn new(options: Options) -> Self {
        Self::with_ceilings(options, MAX_EVENTS, MAX_BYTES)
    }

    /// Takes in a fact: in the order in which facts come.
    pub fn fact(&mut self, fact: &Fact) {
        if self.options.form == Form::Summary {
            return;
        }
        match fact {
            Fact::Asked(question) if self.is_shown(question.client.address, question.endpoint) => {
                self.gathered.asked(question);
            }
            Fact::Answered(answer)
                if self.is_shown(answer.question.client.address, answer.question.endpoint) =>
            {
                self.gathered.answered(answer);
            }
            Fact::Failed(failure)
                if self.is_shown(failure.contact.client.address, failure.contact.endpoint) =>
            {
                self.gathered.failed(failure);
            }
            Fact::Ended(ended)
                if self.is_shown(ended.contact.client.address, ended.contact.endpoint) =>
            {
                self.gathered.ended(ended);
            }
            _ => {}
        }
    }

    /// Takes in an output: in the order in which outputs come. A later revision of an access replaces the earlier one.
    pub fn output(&mut self, output: &Output) {
        let Output::Access(access) = output else {
            return; // What a session says, its accesses say.
        };
        let is_wanted = match self.options.form {
            Form::Text => true,
            Form::Figure2 => false,
            Form::Summary => access.role.opens_session(),
        };
        if is_wanted && self.is_local(access.client.address) {
            self.gathered.access(access);
        }
    }

    /// The lines, without their line ends; each is made when it is taken.
    pub fn finish(self) -> Box<dyn Iterator<Item = String>> {
        let form = self.options.form;
        let look = Look {
            clock: Clock(self.options.timezone),
            labels: self.options.labels,
            catalogue: self.options.catalogue,
        };
        match form {
            Form::Text => Box::new(text::lines(self.gathered, look)),
            Form::Figure2 => Box::new(figure2::lines(self.gathered, look)),
            Form::Summary => Box::new(summary::lines(self.gathered, look)),
        }
    }

    /// Events that came when there was no room: the lines are not complete.
    pub const fn dropped(&self) -> u64 {
        self.gathered.dropped()
    }

    fn with_ceilings(options: Options, events: usize, bytes: usize) -> Self {
        Self {
            options,
            gathered: Gathered::new(events, bytes),
        }
    }

    fn is_shown(&self, client: IpAddr, endpoint: EndpointId) -> bool {
        let endpoint = self.options.catalogue.endpoint(endpoint);
        self.is_local(client) && endpoint.is_some_and(|endpoint| endpoint.role != Role::Ignore)
    }

    fn is_local(&self, client: IpAddr) -> bool {
        let local = &self.options.local;
        local.is_empty() || local.contains(client)
    }
}

/// How things are called in the lines.
#[derive(Debug)]
struct Look {
    clock: Clock,
    labels: HashMap<IpAddr, String>,
    catalogue: Arc<Catalogue>,
}

impl Look {
    fn client(&self, address: IpAddr) -> String {
        let label = self.labels.get(&address);
        label.cloned().unwrap_or_else(|| address.to_string())
    }

    /// A product's id; its vendor is told by the server's name beside it.
    fn product(&self, endpoint: EndpointId) -> &str {
        let product = self.catalogue.product_of(endpoint);
        product.map_or("unknown", |product| product.id.as_str())
    }
}

#[cfg(test)]
mod tests;
