//! What became of every request: counts by phase and kind, every failure with its cause and moment, added time, and
//! orders that arrived more than once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::mix::Kind;

/// Requests of one kind in one phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sent.
    pub sent: u64,
    /// Those that were answered as they should be.
    pub good: u64,
    /// Conversations that the other side ended in an orderly way before their time.
    pub ended: u64,
}

/// A request that got no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its phase.
    pub phase: String,
    /// Its kind.
    pub kind: Kind,
    /// Between the beginning of the phase and the failure.
    pub after: Duration,
    /// What happened.
    pub cause: String,
}

/// A part of the run.
#[derive(Clone, Debug)]
pub struct Phase {
    /// What was done meanwhile.
    pub name: String,
    /// Requests, by kind.
    pub counts: BTreeMap<Kind, Counts>,
    /// From when a short request was due to its answer, microseconds.
    pub latencies_us: Vec<u64>,
    /// When it began.
    pub began: Instant,
    /// How long it went on; zero while it does.
    pub lasted: Duration,
}

/// The whole run.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Its parts, in order.
    pub phases: Vec<Phase>,
    /// Every failure.
    pub failures: Vec<Failure>,
    /// Orders that were answered.
    pub confirmed: BTreeSet<u64>,
    /// How often each order reached the service.
    pub arrived: BTreeMap<u64, u64>,
}

/// A request's end.
#[derive(Debug)]
pub(crate) enum End {
    Good,
    /// Ended by the other side, in an orderly way.
    Orderly,
    Failed(String),
}

impl Tally {
    /// From now on requests belong to a new phase.
    pub(super) fn begin(&mut self, name: &str) {
        let now = Instant::now();
        if let Some(last) = self.phases.last_mut() {
            last.lasted = now - last.began;
        }
        self.phases.push(Phase {
            name: name.to_owned(),
            counts: BTreeMap::new(),
            latencies_us: Vec::new(),
            began: now,
            lasted: Duration::ZERO,
        });
    }

    /// A request was sent; its phase.
    pub(super) fn sent(&mut self, kind: Kind) -> Option<usize> {
        let number = self.phases.len().checked_sub(1)?;
        self.phases[number].counts.entry(kind).or_default().sent += 1;
        Some(number)
    }

    /// A request of a phase came to its end, so long after it was due.
    pub(super) fn ended(&mut self, number: usize, kind: Kind, end: End, took: Duration) {
        let Some(phase) = self.phases.get_mut(number) else { return };
        let counts = phase.counts.entry(kind).or_default();
        match end {
            End::Good => counts.good += 1,
            End::Orderly => counts.ended += 1,
            End::Failed(cause) => {
                let (after, phase) = (phase.began.elapsed(), phase.name.clone());
                self.failures.push(Failure { phase, kind, after, cause });
                return;
            }
        }
        if kind.is_short() {
            phase.latencies_us.push(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    }

    /// All requests.
    pub fn requests(&self) -> u64 {
        self.phases.iter().map(Phase::requests).sum()
    }

    /// Orders that reached the service more than once.
    pub fn replays(&self) -> Vec<u64> {
        self.arrived.iter().filter(|(_, times)| **times > 1).map(|(id, _)| *id).collect()
    }

    /// Orders that were confirmed although the service never told of them: without this being zero, replays can't be
    /// told from what the network swallowed.
    pub fn unheard(&self) -> usize {
        self.confirmed.iter().filter(|id| !self.arrived.contains_key(id)).count()
    }

    /// Failures by phase, kind and cause, with how many and when the first was.
    pub fn causes(&self) -> Vec<String> {
        let mut by_cause: BTreeMap<(&str, Kind, &str), Vec<f64>> = BTreeMap::new();
        for f in &self.failures {
            let moments = by_cause.entry((&f.phase, f.kind, &f.cause)).or_default();
            moments.push(f.after.as_secs_f64());
        }
        let line = |((phase, kind, cause), moments): ((&str, Kind, &str), Vec<f64>)| {
            let (first, last) = (moments.first(), moments.last());
            let (first, last) = (first.unwrap_or(&0.0), last.unwrap_or(&0.0));
            let count = moments.len();
            format!(
                "{phase}: {count} × {kind:?}, {first:.2} to {last:.2} s after its beginning: {cause}"
            )
        };
        by_cause.into_iter().map(line).collect()
    }
}

impl Phase {
    /// Its requests.
    pub fn requests(&self) -> u64 {
        self.counts.values().map(|c| c.sent).sum()
    }

    /// The time within which so many in a thousand short requests were answered, milliseconds.
    pub fn latency_ms(&self, per_mille: usize) -> f64 {
        let mut sorted = self.latencies_us.clone();
        sorted.sort_unstable();
        let index = (sorted.len() * per_mille / 1000).min(sorted.len().saturating_sub(1));
        let us = sorted.get(index).copied().unwrap_or_default();
        Duration::from_micros(us).as_secs_f64() * 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_arrives_twice_is_a_replay_and_one_that_was_not_told_is_missed() {
        let mut tally = Tally::default();
        tally.confirmed.extend([1, 2, 3]);
        tally.arrived.extend([(1, 1), (2, 2)]);
        assert_eq!((tally.replays(), tally.unheard()), (vec![2], 1));
    }

    #[test]
    fn a_failure_belongs_to_the_phase_in_which_its_request_was_sent() {
        let mut tally = Tally::default();
        tally.begin("one");
        let number = tally.sent(Kind::Get).unwrap();
        tally.begin("two");
        tally.ended(number, Kind::Get, End::Failed("cut".to_owned()), Duration::ZERO);
        assert_eq!(tally.failures[0].phase, "one");
        assert_eq!(tally.requests(), 1);
    }

    #[test]
    fn percentiles_of_a_thousand() {
        let mut tally = Tally::default();
        tally.begin("one");
        tally.phases[0].latencies_us = (0..1000).rev().map(|us| us * 1000).collect();
        let at = [500, 990, 999].map(|per_mille| tally.phases[0].latency_ms(per_mille));
        assert_eq!(at.map(|ms| ms.to_string()), ["500", "990", "999"]);
    }
}
