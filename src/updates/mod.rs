//! From facts to accesses, verdicts and sessions.
//!
//! * [`catalogue`]: which names belong to software updates

pub mod catalogue;
