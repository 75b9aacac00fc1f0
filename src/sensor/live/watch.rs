//! The main thread while the others work: signals, reloads, and what the network team is told.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use signal_hook::consts::SIGHUP;
use signal_hook::iterator::Signals;

use super::renewal::rewritten;
use super::{Event, Parts, Reload};
use crate::sensor::setup::catalogue;
use crate::source::live::{Change, LinkEvent};

/// How often it looks at signals and at threads.
const LOOK: Duration = Duration::from_millis(100);
/// Endpoints of all catalogues together that were in force since the start.
const MAX_ENDPOINTS: usize = 1 << 20;

/// What the main thread looks at while the others work.
pub(super) struct Watch<'w, 'scope> {
    /// Where the clients are, once that is known.
    heard: Receiver<String>,
    parts: &'w Parts<'w>,
    threads: &'w [ScopedJoinHandle<'scope, ()>],
    /// Turns of each worker when it was last told that all had turned.
    turns: Vec<u64>,
    /// When that was.
    told: Option<Instant>,
    /// No output has a reader any more.
    is_unread: bool,
}

impl<'w, 'scope> Watch<'w, 'scope> {
    pub fn new(
        parts: &'w Parts<'w>,
        threads: &'w [ScopedJoinHandle<'scope, ()>],
        heard: Receiver<String>,
    ) -> Self {
        Self {
            heard,
            parts,
            threads,
            turns: vec![0; parts.fixed.workers],
            told: None,
            is_unread: false,
        }
    }

    /// Until a signal, or the end of a thread, ends the run.
    pub fn run(
        &mut self,
        events: &Receiver<LinkEvent>,
        notices: &Receiver<String>,
        signals: &mut Signals,
        reload: &mut Reload<'_>,
        on_event: &mut dyn FnMut(Event),
    ) {
        loop {
            match events.recv_timeout(LOOK) {
                Ok(event) => on_event(Event::Notice(self.words(event))),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            for signal in signals.pending() {
                if signal == SIGHUP {
                    self.parts.outputs.reopen();
                    for notice in self.reload(reload) {
                        on_event(Event::Notice(notice));
                    }
                } else {
                    on_event(Event::Stopping);
                    self.stop();
                }
            }
            // Without it `run | head` would go on for nobody. The threads take their time to end: it is told once.
            if self.parts.outputs.have_ended() && !std::mem::replace(&mut self.is_unread, true) {
                let what = "no output has a reader any more, and none can come: the run ends";
                on_event(Event::Notice(what.to_owned()));
                on_event(Event::Stopping);
                self.stop();
            }
            // A thread that ends by itself has panicked: the run ends, and its join tells.
            if self.threads.iter().any(ScopedJoinHandle::is_finished) {
                self.stop();
            }
            let notices = self.heard.try_iter().chain(notices.try_iter());
            for notice in notices.chain(self.parts.outputs.notices()) {
                on_event(Event::Notice(notice));
            }
            self.look_at_turns(on_event);
        }
    }

    /// What can change does, all of it or nothing; gives what the network team has to know.
    fn reload(&self, reload: &mut Reload<'_>) -> Vec<String> {
        let parts = self.parts;
        let refused = |reason: String| vec![format!("reload refused: {reason}")];
        let job = match reload() {
            Ok(job) => rewritten(&job, parts.fixed.pseudonyms.as_deref()),
            Err(errors) => {
                let all = refused("the settings before stay in force".to_owned());
                return errors.into_iter().chain(all).collect();
            }
        };
        let fixed = parts.config.needs_restart(&job.config);
        if !fixed.is_empty() {
            return refused(format!("needs restart: {}", fixed.join(", ")));
        }
        let now = parts.shared.board.newest();
        let catalogue = match catalogue(&job.config) {
            Ok(catalogue) => catalogue.succeeding(&now.catalogue),
            Err(error) => return refused(error.to_string()),
        };
        if catalogue.len() > MAX_ENDPOINTS {
            return refused("needs restart: too many catalogues were in force".to_owned());
        }
        let renewal = parts.fixed.renewal(&job, Arc::new(catalogue));
        parts.shared.board.renew(renewal);
        vec!["configuration, catalogue and list of hosts were read again".to_owned()]
    }

    fn stop(&self) {
        self.parts.shared.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Tells that every worker has turned: the first time at once, then now and then.
    fn look_at_turns(&mut self, on_event: &mut dyn FnMut(Event)) {
        let is_due = self
            .told
            .is_none_or(|told| told.elapsed() >= self.parts.alive_every);
        let turns = self.parts.shared.turns.iter();
        let turns: Vec<u64> = turns.map(|turns| turns.load(Ordering::Relaxed)).collect();
        let have_turned = turns
            .iter()
            .zip(&self.turns)
            .all(|(now, before)| now > before);
        if is_due && have_turned {
            self.turns = turns;
            on_event(if self.told.is_none() {
                Event::Ready
            } else {
                Event::Alive
            });
            self.told = Some(Instant::now());
        }
    }

    fn words(&self, event: LinkEvent) -> String {
        let interfaces = &self.parts.config.capture.interfaces;
        let name = interfaces
            .get(usize::from(event.interface))
            .map_or("?", String::as_str);
        match event.change {
            Change::Down => format!("interface {name} was taken down; waiting for it"),
            Change::Gone => format!("interface {name} is gone; waiting for one of that name"),
            Change::Up => format!("interface {name} is back"),
        }
    }
}
