//! What became of every request: counts by phase and kind, failures with their causes and moments, times, and orders
//! that arrived more than once. A phase that comes again is added to what it was before, so that what is kept doesn't
//! grow with the length of a run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::histogram::Histogram;
use super::mix::Kind;
use super::orders::Orders;

/// Different causes of failures that are kept, at most; all failures are counted.
const CAUSES: usize = 200;

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

/// A part of the run, every time it was done.
#[derive(Clone, Debug)]
pub struct Phase {
    /// What was done meanwhile.
    pub name: String,
    /// How often it was done.
    pub times: u64,
    /// Requests, by kind.
    pub counts: BTreeMap<Kind, Counts>,
    /// Requests that got no good answer.
    pub failed: u64,
    /// From when a short request was due to its answer.
    pub latencies: Histogram,
    /// How long it went on, without the time that goes on now.
    pub lasted: Duration,
}

/// The whole run.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Its parts, in the order in which they were first done.
    pub phases: Vec<Phase>,
    /// Requests that must not be done twice.
    pub orders: Orders,
    causes: BTreeMap<Cause, Moments>,
    /// The part that goes on, and since when.
    now: Option<(usize, Instant)>,
}

/// Why requests of one kind failed in one phase.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    phase: usize,
    kind: Kind,
    what: String,
}

/// How often something happened, and when first and last, since its phase began.
#[derive(Clone, Copy, Debug)]
struct Moments {
    count: u64,
    first: Duration,
    last: Duration,
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
    /// From now on requests belong to another phase, or again to one that was before.
    pub(super) fn begin(&mut self, name: &str) {
        self.end();
        let known = self.phases.iter().position(|phase| phase.name == name);
        let number = known.unwrap_or_else(|| {
            self.phases.push(Phase::new(name));
            self.phases.len() - 1
        });
        self.phases[number].times += 1;
        self.now = Some((number, Instant::now()));
    }

    /// Nothing more is sent.
    pub(super) fn end(&mut self) {
        if let Some((number, began)) = self.now.take() {
            self.phases[number].lasted += began.elapsed();
        }
    }

    /// A request was sent; its phase.
    pub(super) fn sent(&mut self, kind: Kind) -> Option<usize> {
        let (number, _) = self.now?;
        self.phases[number].counts.entry(kind).or_default().sent += 1;
        Some(number)
    }

    /// A request of a phase came to its end, so long after it was due.
    pub(super) fn ended(&mut self, number: usize, kind: Kind, end: End, took: Duration) {
        let after = self.now.map(|(_, began)| began.elapsed()).unwrap_or_default();
        let Some(phase) = self.phases.get_mut(number) else { return };
        let counts = phase.counts.entry(kind).or_default();
        match end {
            End::Good => counts.good += 1,
            End::Orderly => counts.ended += 1,
            End::Failed(what) => {
                phase.failed += 1;
                self.remember(Cause { phase: number, kind, what }, after);
                return;
            }
        }
        if kind.is_short() {
            phase.latencies.add(took);
        }
    }

    fn remember(&mut self, mut cause: Cause, after: Duration) {
        if self.causes.len() >= CAUSES && !self.causes.contains_key(&cause) {
            "(something else)".clone_into(&mut cause.what);
        }
        let fresh = Moments { count: 0, first: after, last: after };
        let moments = self.causes.entry(cause).or_insert(fresh);
        moments.count += 1;
        moments.last = after;
    }

    /// All requests.
    pub fn requests(&self) -> u64 {
        self.phases.iter().map(Phase::requests).sum()
    }

    /// All that got no good answer.
    pub fn failed(&self) -> u64 {
        self.phases.iter().map(|phase| phase.failed).sum()
    }

    /// Failures by phase, kind and cause, with how many and when the first and the last were.
    pub fn causes(&self) -> Vec<String> {
        let line = |(cause, moments): (&Cause, &Moments)| {
            let name = self.phases.get(cause.phase).map_or("?", |phase| &phase.name);
            let (first, last) = (moments.first.as_secs_f64(), moments.last.as_secs_f64());
            let (count, Cause { kind, what, .. }) = (moments.count, cause);
            format!(
                "{name}: {count} × {kind:?}, heard of {first:.2} to {last:.2} s after a phase began: {what}"
            )
        };
        self.causes.iter().map(line).collect()
    }
}

impl Phase {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            times: 0,
            counts: BTreeMap::new(),
            failed: 0,
            latencies: Histogram::default(),
            lasted: Duration::ZERO,
        }
    }

    /// Its requests.
    pub fn requests(&self) -> u64 {
        self.counts.values().map(|c| c.sent).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(what: &str) -> End {
        End::Failed(what.to_owned())
    }

    #[test]
    fn a_failure_belongs_to_the_phase_in_which_its_request_was_sent() {
        let mut tally = Tally::default();
        tally.begin("one");
        let number = tally.sent(Kind::Get).unwrap();
        tally.begin("two");
        tally.ended(number, Kind::Get, failed("cut"), Duration::ZERO);
        assert_eq!(tally.phases.iter().map(|p| p.failed).collect::<Vec<_>>(), [1, 0]);
        assert!(tally.causes()[0].starts_with("one: 1 × Get"), "{:?}", tally.causes());
        assert_eq!((tally.requests(), tally.failed()), (1, 1));
    }

    #[test]
    fn a_phase_that_comes_again_is_added_up() {
        let mut tally = Tally::default();
        for name in ["one", "two", "one"] {
            tally.begin(name);
            let number = tally.sent(Kind::Get).unwrap();
            tally.ended(number, Kind::Get, End::Good, Duration::from_millis(1));
        }
        let shown: Vec<_> = tally.phases.iter().map(|p| (p.name.as_str(), p.times)).collect();
        assert_eq!(shown, [("one", 2), ("two", 1)]);
        assert_eq!(tally.phases[0].requests(), 2);
    }

    #[test]
    fn all_failures_are_counted_and_few_causes_kept() {
        let mut tally = Tally::default();
        tally.begin("one");
        for number in 0..1000 {
            tally.ended(0, Kind::Get, failed(&number.to_string()), Duration::ZERO);
        }
        assert_eq!((tally.failed(), tally.causes().len()), (1000, CAUSES + 1));
        assert!(tally.causes().iter().any(|line| line.contains("800 × Get")));
    }
}
