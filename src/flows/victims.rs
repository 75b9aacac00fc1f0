//! Whom a full table gives up: flows in queues by what would be lost with them.
//!
//! A queue for each [`Worth`], as a list through one array of links: a flow goes in, out and to another queue in constant time,
//! and no flow but the one that is given up is touched. The order depends on packets alone.
//!
//! Every queue may keep a share of the table, whatever else comes: in a flood of whole handshakes the only flows that nobody has
//! answered yet are those of hosts that wait for an answer, or for their resolver.

/// What would be lost with a flow, the least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Worth {
    /// Nothing came back so far.
    #[default]
    OneWay,
    /// It is over, or its observer does not watch it.
    Spent,
    /// Both sides speak, and its observer has not decided whether to watch it.
    Undecided,
    /// It is watched.
    Watched,
}

/// How many of them there are.
const QUEUES: usize = 4;
/// A queue keeps this part of the table: so little that a full table has more than that in one queue at least.
const KEPT: usize = 8;
/// No slot.
const NONE: u32 = u32::MAX;

/// Where a slot stands in its queue.
#[derive(Clone, Copy, Debug)]
struct Link {
    before: u32,
    behind: u32,
}

#[derive(Clone, Copy, Debug)]
struct Queue {
    first: u32,
    last: u32,
    len: usize,
}

/// Slots by worth, those that were put in first at the front.
#[derive(Debug)]
pub(super) struct Victims {
    links: Vec<Link>,
    queues: [Queue; QUEUES],
}

impl Default for Victims {
    fn default() -> Self {
        let empty = Queue {
            first: NONE,
            last: NONE,
            len: 0,
        };
        Self {
            links: Vec::new(),
            queues: [empty; QUEUES],
        }
    }
}

impl Victims {
    /// Puts a slot that is in no queue at the end of one.
    pub fn push(&mut self, slot: u32, worth: Worth) {
        self.queue(worth).len += 1;
        let last = std::mem::replace(&mut self.queue(worth).last, slot);
        match last {
            NONE => self.queue(worth).first = slot,
            last => self.set(last, |link| link.behind = slot),
        }
        let link = Link {
            before: last,
            behind: NONE,
        };
        let index = slot as usize;
        if index >= self.links.len() {
            let unused = Link {
                before: NONE,
                behind: NONE,
            };
            self.links.resize(index + 1, unused);
        }
        self.set(slot, |place| *place = link);
    }

    /// Takes a slot out of the queue that it is in.
    pub fn remove(&mut self, slot: u32, worth: Worth) {
        let Some(Link { before, behind }) = self.links.get(slot as usize).copied() else {
            return;
        };
        self.queue(worth).len -= 1;
        match before {
            NONE => self.queue(worth).first = behind,
            before => self.set(before, |link| link.behind = behind),
        }
        match behind {
            NONE => self.queue(worth).last = before,
            behind => self.set(behind, |link| link.before = before),
        }
    }

    /// The slot that waits longest of those of the least worth, of which there are more than they may keep of a table for `max_flows`.
    pub fn first(&self, max_flows: usize) -> Option<u32> {
        let share = max_flows / KEPT;
        let mut queues = self.queues.iter();
        let queue = queues.find(|queue| queue.len > share)?;
        Some(queue.first)
    }

    fn queue(&mut self, worth: Worth) -> &mut Queue {
        let [one_way, spent, undecided, watched] = &mut self.queues;
        match worth {
            Worth::OneWay => one_way,
            Worth::Spent => spent,
            Worth::Undecided => undecided,
            Worth::Watched => watched,
        }
    }

    fn set(&mut self, slot: u32, change: impl FnOnce(&mut Link)) {
        if let Some(link) = self.links.get_mut(slot as usize) {
            change(link);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    const WORTHS: [Worth; QUEUES] = [
        Worth::OneWay,
        Worth::Spent,
        Worth::Undecided,
        Worth::Watched,
    ];

    proptest! {
        #[test]
        fn slots_come_up_as_from_plain_queues(
            steps in prop::collection::vec((0..3_u8, 0..12_u32, 0..QUEUES), 0..300),
            share in 0..4_usize,
        ) {
            let mut victims = Victims::default();
            let mut queues: [VecDeque<u32>; QUEUES] = Default::default();
            for (what, slot, worth) in steps {
                let held = queues.iter().position(|queue| queue.contains(&slot));
                if let Some(held) = held {
                    victims.remove(slot, WORTHS[held]);
                    queues[held].retain(|other| *other != slot);
                }
                if what > 0 {
                    victims.push(slot, WORTHS[worth]);
                    queues[worth].push_back(slot);
                }
                let expected = queues.iter().find(|queue| queue.len() > share);
                let expected = expected.and_then(VecDeque::front).copied();
                prop_assert_eq!(victims.first(share * KEPT), expected);
            }
        }
    }
}
