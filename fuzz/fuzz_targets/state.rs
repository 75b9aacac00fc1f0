//! Any bytes as the items of a state file: they are refused, or taken up by a run that goes on, and written again as they were.
//!
//! Input: a file whose length and CRC are set right first, so that what is behind them is read.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use patchspan::names::{Names, NamesOptions};
use patchspan::sensor::state::{State, VERSION};
use patchspan::types::Timestamp;
use patchspan::updates::engine::kept::{Resumption, resolve};
use patchspan::updates::{Catalogue, Engine, UpdateOptions};

const HEADER: usize = 64;

static CATALOGUE: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::embedded().expect("the catalogue is whole"));

fuzz_target!(|bytes: &[u8]| {
    let _ = State::decode(bytes);
    let Ok(mut state) = State::decode(&sealed(bytes)) else {
        return;
    };
    let clients: Vec<_> = state
        .updates
        .iter()
        .filter_map(|item| item.client())
        .collect();
    take_up(&mut state);
    for client in clients {
        state.remove_client(&client);
        assert_eq!(state.remove_client(&client), 0);
    }
});

fn take_up(state: &mut State) {
    let resumed = state.moment.seen.max(Timestamp::EPOCH);
    let when = Resumption {
        seen: state.moment.seen,
        resumed,
        runs_since: state.moment.runs,
    };
    let names = Names::new(NamesOptions {
        entries: 64,
        text_bytes: 1 << 14,
        ..NamesOptions::default()
    });
    for name in &state.names {
        names.take_up(name, state.moment.written);
    }
    assert!(names.kept(state.moment.written).count() <= state.names.len());
    let updates = std::mem::take(&mut state.updates);
    let (catalogue, items) = resolve(CATALOGUE.clone(), updates);
    let mut engine = Engine::new(Arc::new(catalogue), UpdateOptions::default());
    let most = items.len() as u64;
    assert!(engine.take_up(items, &when) <= most);
    let coverage = std::mem::take(&mut state.coverage);
    let most = most + 2 * coverage.len() as u64;
    engine.take_up_coverage(coverage, &when);
    let mut told = 0_u64;
    engine.advance(resumed, &mut |_, _| told += 1);
    engine.finish(resumed, &mut |_, _| told += 1);
    assert!(told <= most);
}

/// The bytes with the length and the CRC that are right for them.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.len() >= HEADER {
        bytes[..8].copy_from_slice(b"PSPSTATE");
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        let length = (bytes.len() - HEADER) as u64;
        bytes[32..40].copy_from_slice(&length.to_le_bytes());
        let crc = crc32fast::hash(&bytes[16..]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    }
    bytes
}
