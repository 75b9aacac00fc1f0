//! Starts the threads and ties the stages together.
//!
//! * [`order`]: the total order of what is written

pub mod order;
