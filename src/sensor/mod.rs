//! Starts the threads and ties the stages together.
//!
//! * [`replay`]: capture files through every stage
//! * [`setup`]: what comes before the first packet
//! * [`live`]: interfaces through every stage
//! * [`clients`]: which networks the clients are in
//! * [`cores`]: cores that workers are bound to
//! * [`sandbox`]: what a live run gives up before it reads the first packet
//! * [`doctor`]: what a mirror port lacks, from files or interfaces
//! * `pool`: one worker in the thread that reads, or several in threads of their own, with `reading`, `feed`, `frames`, `road`
//!   and `gate`
//! * `worker`: packets to lines and facts, with `writing`, `postponed`, `streams`, `resolving`, `naming`, `volume`, `systems`, `ending` and `mirror`
//! * `collector`: facts to accesses and sessions, and what is written, with `printer`, `hosts` and `statistics`
//! * [`metrics`]: metrics and health of a live run over HTTP, with `delays`
//! * [`outputs`]: live lines to every output: a thread and two bounded queues each
//! * [`state`]: the file that a run leaves for the next one, with `kept`: what of flows is in it
//! * [`order`]: the total order of what is written

mod annotation;
mod application;
mod batch;
pub mod clients;
mod collector;
pub mod cores;
mod delays;
pub mod doctor;
mod early;
mod ending;
mod feed;
mod frames;
mod gate;
mod hosts;
mod kept;
pub mod live;
pub mod memory;
pub mod metrics;
mod mirror;
mod naming;
mod neighbours;
pub mod order;
pub mod outputs;
mod pool;
mod postponed;
mod presence;
mod printer;
mod reading;
pub mod replay;
mod resolving;
mod road;
pub mod sandbox;
pub mod setup;
pub mod state;
mod statistics;
mod streams;
mod systems;
mod volume;
mod wording;
mod worker;
mod writing;
