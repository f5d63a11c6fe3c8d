//! A plan in the making: the snapshot as it will be, and how it came to be so.
//!
//! Each decision is applied to a working copy at once, so that the next one sees it: two units never get the
//! same port from one plan.

use std::collections::BTreeSet;

use crate::derive::{self, Undrained};
use crate::schedule::{Need, Scheduler, Unplaceable, container_name};
use crate::{Change, Desired, HostId, ServiceId, Time, Unit, UnitKey, World};

use super::{Note, Plan};

/// Where a change could make another host the best one.
enum Moves {
    Nothing,
    On(HostId),
    Anything,
}

pub(super) struct Draft {
    pub(super) world: World,
    pub(super) now: Time,
    plan: Plan,
    scheduler: Scheduler,
}

impl Draft {
    pub(super) fn new(world: &World, now: Time) -> Self {
        Self { world: world.draft(), now, plan: Plan::default(), scheduler: Scheduler::default() }
    }

    pub(super) fn finish(self) -> Plan {
        self.plan
    }

    pub(super) fn looked_at(&self) -> BTreeSet<ServiceId> {
        self.plan.looked_at.clone()
    }

    pub(super) fn look_at(&mut self, service: ServiceId) {
        self.plan.looked_at.insert(service);
    }

    /// Decide a change. One that can't be applied is a mistake of the planner's: it is left out, said aloud,
    /// and caught by every test.
    pub(super) fn change(&mut self, change: Change) {
        let moves = self.moves(&change);
        match self.world.try_change(&change) {
            Ok(()) => self.plan.changes.push(change),
            Err(refused) => debug_assert!(false, "the planner made {change:?}: {refused}"),
        }
        match moves {
            Moves::Nothing => {}
            Moves::On(host) => self.scheduler.touch(host),
            Moves::Anything => self.scheduler.forget(),
        }
    }

    /// Where a change could make another host the best one.
    fn moves(&self, change: &Change) -> Moves {
        let of = |unit| self.world.unit(unit).map_or(Moves::Nothing, |held| Moves::On(held.host));
        if let Change::SetDesired { unit, .. } | Change::DropUnit(unit) = change {
            return of(*unit);
        }
        if let Change::CreateUnit(unit) = change {
            return Moves::On(unit.host);
        }
        // Where its data lies a service's need says itself.
        let nothing = matches!(
            change,
            Change::Settle { .. }
                | Change::SetScale { .. }
                | Change::EndRestart(_)
                | Change::EndMove(_)
                | Change::PinImage { .. }
                | Change::DropRevision { .. }
                | Change::GiveSubnet { .. }
                | Change::LoseHost { .. }
                | Change::PlaceVolume { .. }
        );
        if nothing { Moves::Nothing } else { Moves::Anything }
    }

    /// Stop or remove a unit, if it isn't to be that already. One that may be answering requests drains first: this
    /// is then asked again, plan after plan, until nobody is left to wait for or its time is over.
    pub(super) fn set(&mut self, unit: UnitKey, desired: Desired) {
        let Some(held) = self.world.unit(unit).filter(|u| u.desired != desired) else { return };
        if derive::must_drain(&self.world, held) {
            let until = derive::drain_until(&self.world, held, self.now);
            let desired = Desired::Draining;
            self.change(Change::SetDesired { unit, desired, run: None, until: Some(until) });
        }
        if !self.is_draining(unit) {
            self.change(Change::SetDesired { unit, desired, run: None, until: None });
        }
    }

    /// Remove a unit that is replaced. One that isn't ready for requests gets none that it could finish: it doesn't drain.
    pub(super) fn give_up(&mut self, unit: UnitKey) {
        // Also as what it was a moment ago: it may still be sent to as that.
        let is_ready = |u: &Unit| self.world.observed(u.key).is_some_and(|seen| seen.ready);
        let drains =
            self.world.unit(unit).is_none_or(|u| is_ready(u) || u.desired != Desired::Running);
        if drains {
            return self.set(unit, Desired::Removed);
        }
        let desired = Desired::Removed;
        self.change(Change::SetDesired { unit, desired, run: None, until: None });
    }

    /// Whether a unit still drains; then it is said whom it waits for, and looked at again in time.
    fn is_draining(&mut self, key: UnitKey) -> bool {
        let Some(unit) = self.world.unit(key).filter(|u| u.desired == Desired::Draining) else {
            return false;
        };
        let left = derive::undrained(&self.world, unit, self.now);
        if left.is_empty() {
            return false;
        }
        let until = self.end_of_drain(unit, &left);
        let moments = [derive::names_until, derive::let_go_until].map(|of| of(&self.world, unit));
        let next = moments.into_iter().filter(|at| *at > self.now).min().unwrap_or(until);
        let (name, words) = (container_name(&self.world, key, ""), left.words(&self.world));
        let seconds = (until - self.now).div_ceil(1000);
        let text = format!("{name} drains: {words}; it is stopped in {seconds} s at the latest");
        if unit.drain_until != Some(until) {
            let desired = Desired::Draining;
            self.change(Change::SetDesired { unit: key, desired, run: None, until: Some(until) });
        }
        self.note_until(key.service, Some(key), until, text);
        self.wake(key.service, next);
        true
    }

    /// When a draining unit is stopped in any case. The time for requests in flight begins when everybody has let go, which
    /// is earlier than was said at first: to be said again does not move it.
    fn end_of_drain(&self, unit: &Unit, left: &Undrained) -> Time {
        let until = unit.drain_until.unwrap_or_default();
        if left.is_let_go() {
            until.min(self.now + derive::drain_timeout_ms(&self.world, unit))
        } else {
            until
        }
    }

    /// Whether another unit may run in the place of this one, whose host is lost.
    pub(super) fn is_given_up(&self, unit: &Unit) -> bool {
        derive::is_given_up(&self.world, unit, self.now)
    }

    /// Start a stopped unit again; see [`super::slot::resume`], which makes sure that it can be.
    pub(super) fn start(&mut self, unit: UnitKey, run: u64) {
        let desired = Desired::Running;
        self.change(Change::SetDesired { unit, desired, run: Some(run), until: None });
    }

    pub(super) fn create(&mut self, unit: Unit) {
        self.change(Change::CreateUnit(unit));
    }

    /// The best host for a unit, see [`crate::schedule::place`].
    pub(super) fn place(
        &mut self,
        need: &Need,
        stay: Option<HostId>,
    ) -> Result<HostId, Unplaceable> {
        self.scheduler.place(&self.world, need, stay)
    }

    /// Progress that needs nobody.
    pub(super) fn note(&mut self, service: ServiceId, unit: Option<UnitKey>, text: String) {
        self.plan.notes.push(Note { service, unit, stuck: false, until: None, text });
    }

    /// Progress that is over by then at the latest, whoever says so.
    pub(super) fn note_until(
        &mut self,
        service: ServiceId,
        unit: Option<UnitKey>,
        until: Time,
        text: String,
    ) {
        let until = Some(until);
        self.plan.notes.push(Note { service, unit, stuck: false, until, text });
    }

    /// What is done a batch at a time pauses until then.
    pub(super) fn pause(&mut self, service: ServiceId, until: Time) {
        let seconds = (until - self.now).div_ceil(1000);
        let text = format!("the next batch begins in {seconds} s");
        self.note_until(service, None, until, text);
        self.wake(service, until);
    }

    /// An unmet need that is looked at again then.
    pub(super) fn stuck_until(
        &mut self,
        service: ServiceId,
        unit: Option<UnitKey>,
        until: Time,
        text: String,
    ) {
        let note = Note { service, unit, stuck: true, until: Some(until), text };
        self.plan.notes.push(note);
        self.wake(service, until);
    }

    /// Progress that anything may help on: a place that is freed, a unit of another service that goes.
    pub(super) fn wait(&mut self, service: ServiceId, unit: Option<UnitKey>, text: String) {
        self.plan.waiting.insert(service);
        self.note(service, unit, text);
    }

    /// An unmet need: someone has to act, or something has to be freed.
    pub(super) fn stuck(&mut self, service: ServiceId, unit: Option<UnitKey>, text: String) {
        self.plan.waiting.insert(service);
        self.plan.notes.push(Note { service, unit, stuck: true, until: None, text });
    }

    /// What is said of one service is said of another too: a client that waits for an upgrade polls its source.
    pub(super) fn pass_on(&mut self, from: ServiceId, to: ServiceId) {
        let notes = self.plan.notes.iter().filter(|note| note.service == from).cloned();
        let notes: Vec<Note> = notes.map(|note| Note { service: to, ..note }).collect();
        self.plan.notes.extend(notes);
    }

    /// Look at `service` again at `at`.
    pub(super) fn wake(&mut self, service: ServiceId, at: Time) {
        self.plan.waiting.insert(service);
        self.wake_at(at);
    }

    pub(super) fn wake_at(&mut self, at: Time) {
        self.plan.wake_at = Some(self.plan.wake_at.map_or(at, |sooner| sooner.min(at)));
    }
}
