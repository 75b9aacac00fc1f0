//! Which networks the clients are in: told once in the log, a while after the start, so that whoever set the sensor up can name them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crossbeam_channel::Sender;

use crate::sensor::clients::ClientNetworks;
use crate::types::Timestamp;

/// Times between two `stats` records after which workers say whom they saw.
const ROUNDS: [u32; 2] = [1, 10];
/// Fewer connections say little; the last round tells whatever there is.
const ENOUGH: u64 = 50;

/// The connections of each client of a worker.
pub(super) type Clients = Vec<(IpAddr, u64)>;

/// When a worker says whom it saw.
#[derive(Debug)]
pub(super) struct Rounds {
    due: Vec<Timestamp>,
}

impl Rounds {
    pub fn new(began: Timestamp, interval: Duration) -> Self {
        let due = ROUNDS.iter().rev();
        Self {
            due: due.map(|round| began.plus(interval * *round)).collect(),
        }
    }

    /// Whether a round is due, and whether it is the last one.
    pub fn next(&mut self, now: Timestamp) -> Option<bool> {
        self.due.pop_if(|due| *due <= now)?;
        Some(self.due.is_empty())
    }
}

/// What all workers said.
#[derive(Debug)]
pub(super) struct Census {
    workers: usize,
    /// Of each round, how many have answered, and what.
    rounds: [(usize, HashMap<IpAddr, u64>); ROUNDS.len()],
    /// How often each worker has.
    answers: Vec<usize>,
    /// Who is told; `None` once that was done.
    listener: Option<Sender<String>>,
}

impl Census {
    pub fn new(workers: usize, listener: Sender<String>) -> Self {
        Self {
            workers,
            rounds: Default::default(),
            answers: vec![0; workers],
            listener: Some(listener),
        }
    }

    /// Takes in whom a worker saw so far; once all have said it, tells where they are.
    pub fn take_in(&mut self, worker: usize, clients: Clients) {
        let Some(answers) = self.answers.get_mut(worker) else {
            return;
        };
        let round = std::mem::replace(answers, *answers + 1);
        let is_last = round + 1 == ROUNDS.len();
        let Some((answered, sums)) = self.rounds.get_mut(round) else {
            return;
        };
        *answered += 1;
        for (client, connections) in clients {
            *sums.entry(client).or_default() += connections;
        }
        if *answered < self.workers || self.listener.is_none() {
            return;
        }
        let networks = ClientNetworks::of(std::mem::take(sums));
        if networks.connections >= if is_last { 1 } else { ENOUGH } {
            self.tell(&networks);
        }
    }

    fn tell(&mut self, networks: &ClientNetworks) {
        let (Some(step), Some(listener)) = (networks.step(), self.listener.take()) else {
            return;
        };
        let (all, said) = (networks.connections, networks.said());
        // There is room for this one line.
        let _ = listener.try_send(format!(
            "every client is a host, because networks.local is empty; {all} connections so far: {said}; {step}"
        ));
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;

    use super::*;

    fn clients(connections: u64) -> Clients {
        vec![("192.0.2.1".parse().unwrap(), connections)]
    }

    #[test]
    fn it_is_told_once_when_all_have_said_enough() {
        let (listener, heard) = bounded(1);
        let mut census = Census::new(2, listener);
        census.take_in(0, clients(40));
        assert!(heard.is_empty());
        census.take_in(1, clients(20));
        let line = heard.try_recv().unwrap();
        assert!(
            line.contains("60 connections so far: 192.0.2.0/24 100.00 %"),
            "{line}"
        );
        assert!(line.ends_with("local = [\"192.0.2.0/24\"]"), "{line}");
        for worker in [0, 1, 0] {
            census.take_in(worker, clients(100));
        }
        assert!(heard.is_empty());
    }

    #[test]
    fn little_is_told_in_the_last_round_only_and_nothing_never() {
        let (listener, heard) = bounded(1);
        let mut census = Census::new(1, listener);
        census.take_in(0, clients(3));
        assert!(heard.is_empty());
        census.take_in(0, clients(5));
        assert!(heard.try_recv().unwrap().contains("5 connections"));
        let (listener, heard) = bounded(1);
        let mut census = Census::new(1, listener);
        census.take_in(0, Vec::new());
        census.take_in(0, Vec::new());
        assert!(heard.is_empty());
    }

    #[test]
    fn rounds_come_after_one_and_ten_intervals() {
        let at = |second: i64| Timestamp::from_nanos(second * 1_000_000_000);
        let mut rounds = Rounds::new(at(0), Duration::from_secs(60));
        assert_eq!(rounds.next(at(59)), None);
        assert_eq!(
            (rounds.next(at(60)), rounds.next(at(60))),
            (Some(false), None)
        );
        assert_eq!(
            (rounds.next(at(700)), rounds.next(at(9_000))),
            (Some(true), None)
        );
    }
}
