//! Commands that read records back.
//!
//! * [`diff`]: what changed between two runs

pub mod diff;
