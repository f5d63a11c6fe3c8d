//! Telling the server what changed. Changes that come close together share a report; over a new connection, and now
//! and then, everything is said.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use drover_core::UnitKey;
use drover_core::protocol::{FromAgent, Report};
use tokio::time::Instant;

use super::Agent;

/// Between two reports at least: a host that starts a hundred containers is not to write a hundred times.
const GATHER: Duration = Duration::from_millis(30);
/// Between two reports of balancers' counters.
const COUNTERS_EVERY: Duration = Duration::from_secs(1);
/// Everything is said this often.
const EVERYTHING_EVERY: Duration = Duration::from_mins(2);

/// What is still to be said.
#[derive(Default)]
pub(super) struct Reports {
    units: BTreeSet<UnitKey>,
    everything: bool,
    assigned: bool,
    facts: bool,
    hearing: bool,
    witnessed: bool,
    names: bool,
    balancers: bool,
    /// When counters that changed are to be told.
    counters_at: Option<Instant>,
    counted_at: Option<Instant>,
    /// Number of the last event said over this connection.
    events: u64,
    last_at: Option<Instant>,
    everything_at: Option<Instant>,
}

impl Reports {
    pub(super) fn unit_changed(&mut self, unit: UnitKey) {
        self.units.insert(unit);
    }

    pub(super) fn assigned_changed(&mut self) {
        self.assigned = true;
    }

    pub(super) fn facts_changed(&mut self) {
        self.facts = true;
    }

    /// Another host went silent, or answers again.
    pub(super) fn hearing_changed(&mut self) {
        self.hearing = true;
    }

    /// Something else is found of units on other hosts.
    pub(super) fn witnessed_changed(&mut self) {
        self.witnessed = true;
    }

    /// Balancers acknowledge something else, or count on.
    pub(super) fn balancers_changed(&mut self, at_once: bool) {
        self.balancers |= at_once;
        let due = self.counted_at.map_or_else(Instant::now, |at| at + COUNTERS_EVERY);
        self.counters_at.get_or_insert(due);
    }

    /// The name service acknowledges something else.
    pub(super) fn names_changed(&mut self) {
        self.names = true;
    }

    /// A new connection: whatever was said over the last one may be lost.
    pub(super) fn say_everything(&mut self) {
        (self.everything, self.events) = (true, 0);
    }

    /// When the next report is due.
    pub(super) fn due_at(&self, now: Instant) -> Option<Instant> {
        let something = self.everything
            || self.assigned
            || self.facts
            || self.hearing
            || self.witnessed
            || self.names
            || self.balancers
            || !self.units.is_empty();
        let gathered = self.last_at.map_or(now, |at| at + GATHER);
        [something.then_some(gathered), self.counters_at].into_iter().flatten().min()
    }
}

impl Agent {
    /// Send what is due.
    pub(super) fn report(&mut self) {
        let Some(link) = &self.link else {
            // It is said when there is a connection again.
            self.reports.units.clear();
            (self.reports.assigned, self.reports.facts) = (false, false);
            (self.reports.names, self.reports.balancers) = (false, false);
            (self.reports.hearing, self.reports.witnessed) = (false, false);
            self.reports.counters_at = None;
            return;
        };
        let reports = &mut self.reports;
        let now = Instant::now();
        reports.everything |= reports.everything_at.is_some_and(|at| now >= at);
        let news = self.journal.last() > reports.events;
        let due = reports.due_at(now).is_some_and(|at| at <= now);
        if !due && !news {
            return;
        }
        let everything = std::mem::take(&mut reports.everything);
        if everything {
            reports.everything_at = Some(now + EVERYTHING_EVERY);
        }
        let changed = std::mem::take(&mut reports.units);
        let units = self.observed.iter().filter(|(unit, _)| everything || changed.contains(unit));
        let units: BTreeMap<_, _> = units.map(|(unit, seen)| (*unit, seen.clone())).collect();
        let events = self.journal.later_than(reports.events);
        reports.events = self.journal.last();
        reports.last_at = Some(now);
        reports.assigned = false;
        let facts = std::mem::take(&mut reports.facts).then(|| self.facts.clone());
        let heard = std::mem::take(&mut reports.hearing) || everything;
        let witnessed = std::mem::take(&mut reports.witnessed) || everything;
        let assigned = self.assignment.generation;
        let named = std::mem::take(&mut reports.names) || everything;
        let counted = reports.counters_at.is_some_and(|at| at <= now);
        let told = std::mem::take(&mut reports.balancers) || counted || everything;
        if told {
            (reports.counters_at, reports.counted_at) = (None, Some(now));
        }
        link.send(FromAgent::Report(Report {
            assigned,
            // Without its engine an agent knows nothing of its units.
            whole: everything && self.engine.is_some(),
            units,
            balancers: if told { self.naming.followed.clone() } else { BTreeMap::new() },
            names: self.naming.named.clone().filter(|_| named),
            events,
            facts,
            hearing: heard.then(|| self.hearing.now()),
            witnessed: witnessed.then(|| self.witnessed.clone()),
        }));
    }
}
