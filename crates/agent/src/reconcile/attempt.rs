//! What the agent remembers of a container beyond what Docker tells: how often it failed since its last stable
//! run, when it may be tried again, and why. Kept on disk as a convenience; without it, a back-off starts over.

use std::collections::BTreeMap;

use drover_core::{Failed, Time, UnitKey};
use serde::{Deserialize, Serialize};

use crate::backoff;
use crate::view::SeenContainer;

/// What is remembered of every member of every unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attempts(BTreeMap<UnitKey, BTreeMap<String, Attempt>>);

/// What is remembered of one member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attempt {
    /// The unit's generation that the failures belong to; under another one they are counted anew.
    pub generation: u64,
    /// The container it is about.
    pub docker_id: String,
    /// Times that container was started.
    pub starts: u32,
    /// Start of the run counted last.
    pub started_at: Time,
    /// End of the run counted last.
    pub ended_at: Time,
    /// Since when the unit has been ready in this run; 0 if it isn't.
    pub ready_since: Time,
    /// The start of the last run in which it passed its service's health check: another agent process believes it to be
    /// well until it finds out otherwise.
    pub well_in: Time,
    /// The agent itself asked it to end.
    pub stopping: bool,
    /// The agent itself asked for its removal.
    pub removing: bool,
    /// Failures since the last stable run.
    pub failures: u32,
    /// The same under this generation, stable runs or not.
    pub failed: Failed,
    /// How long it is left alone after the last of them, ms.
    pub delay_ms: u64,
    /// Until when that is.
    pub not_before: Time,
    /// Why the last attempt failed, in words.
    pub reason: String,
}

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Happened {
    /// It ended by itself.
    Ended,
    /// It runs again after a failure, this many ms later.
    StartedAgain { after_ms: u64 },
    /// Its container was removed, and not by the agent.
    Vanished,
}

/// How a look at a container is to be read.
pub(super) struct Reading {
    /// The unit's generation.
    pub(super) generation: u64,
    /// It shall run, so that an end is a failure.
    pub(super) shall_run: bool,
    /// Its unit is ready.
    pub(super) ready: bool,
    /// It was found healthy in this run.
    pub(super) well: bool,
    /// The moment.
    pub(super) now: Time,
}

impl Attempts {
    /// What is remembered of a unit's members.
    pub fn of(&self, unit: UnitKey) -> Option<&BTreeMap<String, Attempt>> {
        self.0.get(&unit)
    }

    /// The units something is remembered of.
    pub fn units(&self) -> impl Iterator<Item = &UnitKey> {
        self.0.keys()
    }

    /// Remember what [`crate::Reconciled::remember`] says.
    pub fn take(&mut self, changed: BTreeMap<UnitKey, BTreeMap<String, Attempt>>) {
        for (unit, members) in changed {
            if members.is_empty() {
                self.0.remove(&unit);
            } else {
                self.0.insert(unit, members);
            }
        }
    }

    /// A step for a member failed: leave it alone for a while. Returns what is remembered of it now, and whether
    /// this failure is worth an event (a reason that repeats isn't).
    pub fn refused(
        &mut self,
        unit: UnitKey,
        generation: u64,
        member: &str,
        reason: String,
        now: Time,
    ) -> (&Attempt, bool) {
        let attempt = self.0.entry(unit).or_default().entry(member.to_owned()).or_default();
        attempt.renew(generation);
        let news = attempt.reason != reason;
        attempt.fail(reason, now, backoff::refusal_delay_ms);
        (attempt, news)
    }
}

impl Attempt {
    /// Take in what Docker shows of the member's container.
    pub(super) fn follow(
        &mut self,
        seen: Option<&SeenContainer>,
        reading: &Reading,
        why_ended: impl FnOnce(&SeenContainer) -> String,
    ) -> Option<Happened> {
        self.renew(reading.generation);
        let Some(seen) = seen else { return self.missing(reading) };
        if self.docker_id != seen.id {
            self.docker_id.clone_from(&seen.id);
            (self.starts, self.started_at, self.ended_at) = (0, Time(0), Time(0));
            (self.stopping, self.removing) = (false, false);
        }
        let mut happened = None;
        if seen.started_at != self.started_at {
            happened = self.started(seen);
        }
        if seen.is_up() {
            self.running(reading);
        } else if seen.has_ended() && seen.ended_at != self.ended_at {
            if self.ended(seen, reading) {
                // The wait runs from the end, which may lie before the agent was there to see it; a clock that was
                // set back must not make it longer.
                let since = seen.ended_at.min(reading.now);
                self.fail(why_ended(seen), since, backoff::restart_delay_ms);
                self.failed.out_of_memory |= seen.oom_killed;
                happened = Some(Happened::Ended);
            }
            self.stopping = false;
        }
        happened
    }

    /// When a run that is on becomes stable, if there are failures to forget.
    pub(super) fn stable_at(&self) -> Option<Time> {
        let by_run = self.started_at + backoff::STABLE_RUN_MS;
        let by_ready = self.ready_since + backoff::STABLE_READY_MS;
        let ready = self.ready_since != Time(0);
        (self.failures > 0).then(|| if ready { by_run.min(by_ready) } else { by_run })
    }

    /// It is started again because it is not healthy, which counts as a failure.
    pub(super) fn not_well(&mut self, why: String, now: Time) {
        self.fail(why, now, backoff::restart_delay_ms);
    }

    /// Failures of an earlier wish don't count against a new one.
    fn renew(&mut self, generation: u64) {
        if self.generation != generation {
            self.generation = generation;
            self.failed = Failed::default();
            self.forgive();
        }
    }

    fn forgive(&mut self) {
        (self.failures, self.delay_ms, self.not_before) = (0, 0, Time(0));
        self.reason.clear();
    }

    fn fail(&mut self, reason: String, since: Time, delay_ms: fn(u32) -> u64) {
        self.failures = self.failures.saturating_add(1);
        self.failed.times = self.failed.times.saturating_add(1);
        self.failed.how.clone_from(&reason);
        self.delay_ms = delay_ms(self.failures);
        self.not_before = since + self.delay_ms;
        self.reason = reason;
    }

    fn missing(&mut self, reading: &Reading) -> Option<Happened> {
        let known = !self.docker_id.is_empty() && !self.removing;
        self.docker_id.clear();
        self.removing = false;
        (known && reading.shall_run).then_some(Happened::Vanished)
    }

    fn started(&mut self, seen: &SeenContainer) -> Option<Happened> {
        self.starts = self.starts.saturating_add(1);
        self.started_at = seen.started_at;
        self.ready_since = Time(0);
        self.stopping = false;
        let again = self.failures > 0 && self.ended_at != Time(0) && seen.is_up();
        again.then(|| Happened::StartedAgain { after_ms: seen.started_at - self.ended_at })
    }

    fn running(&mut self, reading: &Reading) {
        match (reading.ready, self.ready_since) {
            (true, Time(0)) => self.ready_since = reading.now,
            (true, _) => {}
            (false, _) => self.ready_since = Time(0),
        }
        if reading.well {
            self.well_in = self.started_at;
        }
        if self.stable_at().is_some_and(|at| reading.now >= at) {
            self.forgive();
        }
    }

    /// Count the end of a run; true if it is a failure.
    fn ended(&mut self, seen: &SeenContainer, reading: &Reading) -> bool {
        let stable = seen.ended_at - seen.started_at >= backoff::STABLE_RUN_MS
            || self.ready_since != Time(0)
                && seen.ended_at - self.ready_since >= backoff::STABLE_READY_MS;
        if stable {
            self.forgive();
        }
        self.ended_at = seen.ended_at;
        self.ready_since = Time(0);
        reading.shall_run && !self.stopping
    }
}
