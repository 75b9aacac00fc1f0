//! Commands that read records back.
//!
//! * [`lines`]: lines of a file, none longer than a limit
//! * [`diff`]: what changed between two runs
//! * [`score`]: how right records are, against what clients did
//! * [`report`]: what records mean for who looks after hosts
//! * [`learn`]: which update servers the catalogue lacks
//! * [`erase`]: takes the lines of one client out of files

pub mod diff;
pub mod erase;
pub mod learn;
pub mod lines;
pub mod report;
pub mod score;
