//! Commands that read records back.
//!
//! * [`diff`]: what changed between two runs
//! * [`erase`]: takes the lines of one client out of files

pub mod diff;
pub mod erase;
