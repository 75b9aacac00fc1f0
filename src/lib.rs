//! patchspan: from packets to update records.
//!
//! A frame takes this road, one module a stage:
//!
//! 1. [`source`] reads frames from capture files (and interfaces).
//! 2. [`decode`] unwraps each frame to IP packets: link types, VLAN tags, tunnels, fragments.
//! 3. [`protocols`] are pure functions of bytes: DNS, TLS, QUIC, HTTP.
//! 4. [`flows`] keeps what belongs to a connection: who is the client, bytes, the streams in order, expiry.
//! 5. [`names`] is the shared table from (client, server) to the names that this client got for this server.
//! 6. [`updates`] knows the catalogue of update servers, and turns facts into accesses, verdicts and sessions.
//! 7. [`records`] writes one JSON line a record; the only place that knows field names.
//! 8. [`sinks`] takes lines out of the program.
//! 9. [`sensor`] starts the threads and ties the stages together.
//!
//! Where the configuration says so, [`pseudonyms`] stand for clients from the worker on: nothing behind it sees who they are.
//!
//! Around it: [`config`] (what an engine needs), [`cli`] (what a person types), [`offline`] (commands that read records back,
//! score them, and take some out). Every stage uses [`types`], which imports nothing of ours.

pub mod types;

pub mod source;

pub mod decode;

pub mod protocols;

pub mod flows;

pub mod names;

pub mod updates;

pub mod records;

pub mod sinks;

pub mod pseudonyms;

pub mod sensor;

pub mod config;

pub mod cli;

pub mod offline;
