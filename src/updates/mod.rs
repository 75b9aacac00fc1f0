//! From facts to accesses, verdicts and sessions.
//!
//! * [`catalogue`]: which names belong to software updates
//! * [`fact`]: what workers tell, about catalogue names only
//! * [`engine`]: what crosses flows: windows, accesses, sessions
//! * [`hosts`]: whose doing it is, over changes of addresses
//! * [`coverage`]: what could be seen of each client
//! * [`access`], [`session`]: what is kept while they go on
//! * [`verdict`]: the closed lists of words
//! * [`payload`]: what was fetched
//! * [`manifest`]: what small answers say
//! * [`ranges`]: which parts of a file came
//! * [`os`]: which operating system a client has
//! * [`options`]: times and limits
//! * [`output`]: what is given
//!
//! Blind spots: a download seen is no installation, and an update off this network is not seen at all.

pub mod access;
pub mod catalogue;
pub mod coverage;
pub mod engine;
pub mod fact;
pub mod hosts;
pub mod manifest;
pub mod options;
pub mod os;
pub mod output;
pub mod payload;
pub mod ranges;
pub mod session;
pub mod verdict;

pub use catalogue::Catalogue;
pub use engine::Engine;
pub use fact::Fact;
pub use options::UpdateOptions;
