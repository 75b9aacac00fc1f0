//! Frames for several workers, in parts: whoever finds none behind the part at hand reads the next one, for all.
//!
//! So no thread does nothing but read, and while one reads the others have work. They may not be far apart in packet time ([`super::gate`]):
//! parts are small. Who reads looks whose a plain frame is, as its headers are at hand: no other worker touches it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};

use super::frames::Frames;
use super::reading::{Cutter, Reader};
use super::road::Shares;
use crate::decode::Decoder;
use crate::types::{Tick, Timestamp};

/// Parts that a worker may be ahead of the slowest.
const MOST_AHEAD: usize = 8;
/// Frames of a part.
const PART_FRAMES: usize = 512;

/// Frames that are worked on at once, by all workers.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub frames: Arc<Frames>,
    /// The tick in which they end.
    pub tick: Tick,
    /// A step ends with them.
    pub ends_step: bool,
    /// The end of input, and when that is.
    pub end: Option<Timestamp>,
}

/// Where workers get their parts.
pub(super) struct Feed<'r, 'e> {
    source: Mutex<Source<'r, 'e>>,
    ready: Mutex<Ready>,
    /// A part was taken by the last worker that had not.
    moved: Condvar,
}

/// What makes parts.
struct Source<'r, 'e> {
    reader: &'r mut Reader<'e>,
    cutter: Cutter,
    shares: Shares,
    key_vlan: bool,
    /// Frames of the last parts, as long as a worker may look at them.
    lent: VecDeque<Arc<Frames>>,
}

/// Parts that were read.
struct Ready {
    /// Those that not every worker has taken.
    parts: VecDeque<Part>,
    /// Number of the first of them.
    first: usize,
    /// How many each worker has taken.
    taken: Vec<usize>,
}

impl<'r, 'e> Feed<'r, 'e> {
    /// What `reader` reads, for workers with these shares.
    pub fn new(reader: &'r mut Reader<'e>, shares: Shares, key_vlan: bool) -> Self {
        let workers = shares.workers();
        Self {
            source: Mutex::new(Source {
                reader,
                cutter: Cutter::default(),
                shares,
                key_vlan,
                lent: VecDeque::new(),
            }),
            ready: Mutex::new(Ready {
                parts: VecDeque::new(),
                first: 0,
                taken: vec![0; workers],
            }),
            moved: Condvar::new(),
        }
    }

    /// The next part for a worker, behind which another one lies ready or is read. The last one has an end; no more may be asked for.
    pub fn next(&self, worker: usize) -> Part {
        let part = self.wait(worker);
        if part.end.is_none() {
            self.read_ahead(worker);
        }
        part
    }

    /// Reads a part, where the worker has none before it, nobody else reads, and there is room. Not to be asked for once the worker has the
    /// last one.
    pub fn read_ahead(&self, worker: usize) {
        if locked(&self.ready).is_read_for(worker) {
            return;
        }
        let mut source = match self.source.try_lock() {
            Ok(source) => source,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let ready = locked(&self.ready);
        if !ready.is_read_for(worker) && !ready.is_full() {
            drop(ready);
            self.read(&mut source);
        }
    }

    fn wait(&self, worker: usize) -> Part {
        loop {
            if let Some(part) = self.take(worker) {
                return part;
            }
            let mut source = locked(&self.source);
            // Another worker may have read it in the meantime.
            if let Some(part) = self.take(worker) {
                return part;
            }
            if !locked(&self.ready).is_full() {
                self.read(&mut source);
                continue;
            }
            drop(source);
            let ready = locked(&self.ready);
            // Whoever made room may have filled it since.
            let must_wait = |ready: &mut Ready| ready.is_full() && !ready.is_read_for(worker);
            drop(
                self.moved
                    .wait_while(ready, must_wait)
                    .unwrap_or_else(PoisonError::into_inner),
            );
        }
    }

    /// Reads a part for all workers.
    fn read(&self, source: &mut Source<'r, 'e>) {
        let part = source.read();
        locked(&self.ready).parts.push_back(part);
    }

    /// Whatever ends a worker, nobody waits for it any more.
    pub fn leave(&self, worker: usize) {
        let mut ready = locked(&self.ready);
        if let Some(taken) = ready.taken.get_mut(worker) {
            *taken = usize::MAX;
        }
        self.forget(ready);
    }

    fn take(&self, worker: usize) -> Option<Part> {
        let mut ready = locked(&self.ready);
        let part = ready.of(worker)?.clone();
        if let Some(taken) = ready.taken.get_mut(worker) {
            *taken += 1;
        }
        self.forget(ready);
        Some(part)
    }

    /// Parts that every worker has taken are forgotten.
    fn forget(&self, mut ready: MutexGuard<'_, Ready>) {
        let slowest = ready.taken.iter().min().copied().unwrap_or_default();
        let passed = slowest.saturating_sub(ready.first).min(ready.parts.len());
        ready.parts.drain(..passed);
        ready.first += passed;
        drop(ready);
        if passed > 0 {
            self.moved.notify_all();
        }
    }
}

impl Ready {
    /// The next one for a worker.
    fn of(&self, worker: usize) -> Option<&Part> {
        let taken = self.taken.get(worker)?;
        self.parts.get(taken.checked_sub(self.first)?)
    }

    fn is_read_for(&self, worker: usize) -> bool {
        self.of(worker).is_some()
    }

    fn is_full(&self) -> bool {
        self.parts.len() >= MOST_AHEAD
    }
}

impl Source<'_, '_> {
    fn read(&mut self) -> Part {
        let mut frames = self.take_back();
        let Self {
            reader,
            cutter,
            shares,
            key_vlan,
            ..
        } = self;
        let (mut is_full, mut read) = (false, 0);
        while !is_full && read < PART_FRAMES {
            let goes_on = reader.next(&mut |group| {
                for frame in group {
                    if let Some(tick) = cutter.frame(frame) {
                        frames.push_tick(tick);
                    }
                    let key = Decoder::plain_key(frame, *key_vlan);
                    frames.push(frame, key.map(|key| shares.owner(&key)));
                }
                read += group.len();
                is_full = cutter.is_full();
            });
            if !goes_on {
                let (last, now) = cutter.finish();
                last.into_iter().for_each(|tick| frames.push_tick(tick));
                return self.lend(frames, true, Some(now));
            }
        }
        self.lend(frames, is_full, None)
    }

    fn lend(&mut self, frames: Frames, ends_step: bool, end: Option<Timestamp>) -> Part {
        let frames = Arc::new(frames);
        self.lent.push_back(Arc::clone(&frames));
        Part {
            frames,
            tick: self.cutter.tick(),
            ends_step,
            end,
        }
    }

    /// Frames that no worker looks at any more, emptied.
    fn take_back(&mut self) -> Frames {
        let is_free = |frames: &Arc<Frames>| Arc::strong_count(frames) == 1;
        let free = self.lent.front().is_some_and(is_free);
        let free = free.then(|| self.lent.pop_front()).flatten();
        let frames = free.and_then(Arc::into_inner);
        let mut frames = frames.unwrap_or_else(|| Frames::new(self.shares.workers()));
        frames.clear();
        frames
    }
}

/// A worker that panicked left nothing half done: what it holds is replaced as a whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use super::super::frames::Item;
    use super::*;
    use crate::source::{Order, Replay};

    /// A capture of frames that are one in each millisecond.
    fn capture(name: &str, frames: u32) -> PathBuf {
        let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
        file.extend([0; 8]);
        file.extend([65_535_u32, 1].map(u32::to_le_bytes).concat());
        for number in 0..frames {
            let stamp = [number / 1_000, number % 1_000 * 1_000, 60, 60];
            file.extend(stamp.map(u32::to_le_bytes).concat());
            file.extend([number as u8; 60]);
        }
        let name = format!("patchspan-feed-{name}-{}.pcap", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, file).unwrap();
        path
    }

    /// What each worker saw of all steps, until it leaves behind `leaves` of them: frames, ticks, whether the end came.
    /// `has_pauses`: each is slow at times, and never for long.
    fn seen(name: &str, leaves: [usize; 3], has_pauses: bool) -> Vec<(usize, usize, bool)> {
        let path = capture(name, 30_000);
        let mut told = |_: super::super::replay::Event<'_>| {};
        let replay = Replay::new(vec![path.clone()], Order::ByTime);
        let mut reader = Reader::new(replay, Arc::new(AtomicBool::new(false)), &mut told);
        let feed = Feed::new(&mut reader, Shares::new(leaves.len()), false);
        let work = |worker: usize, leaves: usize| {
            let (mut frames, mut ticks, mut has_end) = (0, 0, false);
            for step in 0..leaves {
                let next = feed.next(worker);
                let is_frame = |item: &&Item| matches!(item, Item::Own(_) | Item::Other(_));
                let in_step = next.frames.items(worker).iter().filter(is_frame).count();
                frames += in_step;
                ticks += next.frames.items(worker).len() - in_step;
                has_end = next.end.is_some();
                if has_end {
                    break;
                }
                if has_pauses {
                    std::thread::sleep(Duration::from_millis(((step + worker) % 3) as u64));
                }
                assert!(locked(&feed.ready).parts.len() <= MOST_AHEAD);
            }
            feed.leave(worker);
            (frames, ticks, has_end)
        };
        let seen = std::thread::scope(|scope| {
            let work = &work;
            let threads = (0..).zip(leaves);
            let threads: Vec<_> = threads
                .map(|(worker, leaves)| scope.spawn(move || work(worker, leaves)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        std::fs::remove_file(path).unwrap();
        seen
    }

    #[test]
    fn every_worker_sees_every_frame() {
        let all = (30_000, 301, true);
        assert_eq!(seen("all", [usize::MAX; 3], true), [all; 3]);
    }

    #[test]
    fn workers_that_wait_for_one_another_all_come_to_the_end() {
        for _ in 0..100 {
            let all = (30_000, 301, true);
            assert_eq!(seen("waiting", [usize::MAX; 3], false), [all; 3]);
        }
    }

    #[test]
    fn a_worker_that_leaves_holds_nobody_up() {
        let seen = seen("leaves", [1, usize::MAX, usize::MAX], true);
        assert!(!seen[0].2);
        assert_eq!(seen[1..], [(30_000, 301, true); 2]);
    }
}
