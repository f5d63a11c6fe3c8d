//! Moving a service's units to another service, a batch at a time: one side shrinks as the other grows. A rollback is
//! the same movement with the sides changed.
//!
//! Progress is read from the units: a side has the slots with a unit that shall run. A step is taken only when all that
//! the growing side shall run has arrived and all that left the other is down. By Rancher's rule a step takes a batch
//! from the shrinking side if both together are more than the goal, else it adds one to the growing side, with at most
//! the goal and a batch in all. What does not serve leaves first; so at least the goal serves after a step that takes
//! away, unless less did before.
//!
//! Not what brings a slot's unit up or puts it elsewhere when a host is lost: `slot` does, in every phase.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::slot::ensure;
use crate::derive::has_arrived;
use crate::schedule::is_down;
use crate::{
    Change, Desired, Pace, Service, ServiceId, Shift, Slot, Time, Unit, UnitKey, Upgrade,
    UpgradePhase, Wanted, derive,
};

/// Where units go.
struct Way {
    /// The side that shrinks, and how many slots it keeps: the lowest.
    leaves: ServiceId,
    keeps: u32,
    /// The side that grows, and to what.
    enters: ServiceId,
    goal: u32,
}

/// The next step of an upgrade that leads from `source` to another service.
pub(super) fn plan_shift(draft: &mut Draft, source: ServiceId) {
    let Some(upgrade) = draft.world.upgrade(source).cloned() else { return };
    let Some(&shift) = upgrade.shift() else { return };
    if is_removed(draft, source) {
        return draft.change(Change::EndUpgrade(source));
    }
    let now = draft.now;
    let set = |phase| Change::phase(source, phase, now);
    let target_is_gone = is_removed(draft, shift.to_service);
    match upgrade.phase {
        UpgradePhase::Upgrading | UpgradePhase::Upgraded | UpgradePhase::Canceled
            if target_is_gone =>
        {
            draft.change(set(UpgradePhase::RollingBack));
            plan_shift(draft, source);
        }
        UpgradePhase::Upgrading => {
            if advance(draft, &upgrade, &forward(draft, source, shift)) {
                draft.change(set(UpgradePhase::Upgraded));
            }
        }
        UpgradePhase::Finishing => finish(draft, source),
        UpgradePhase::Canceling => {
            draft.change(set(UpgradePhase::Canceled));
            plan_shift(draft, source);
        }
        UpgradePhase::Canceled => fill_up(draft, source, shift),
        UpgradePhase::RollingBack => {
            let Pace { batch_size, interval_ms, .. } = upgrade.policy.back;
            let upgrade = Upgrade {
                batch_size: batch_size.unwrap_or(upgrade.batch_size),
                interval_ms: interval_ms.unwrap_or(upgrade.interval_ms),
                ..upgrade
            };
            if advance(draft, &upgrade, &back(draft, source, shift)) {
                draft.change(Change::EndUpgrade(source));
            }
        }
        UpgradePhase::Upgraded => {}
    }
}

/// A side keeps the slots it has, on hosts that are there; what left it is stopped once it has drained, and kept.
pub(super) fn hold(draft: &mut Draft, service: &Service, slots: &BTreeSet<Slot>) {
    for &slot in slots {
        ensure(draft, service, slot, service.current);
    }
    let left = draft.world.units_of(service.id).filter(|u| u.desired < Desired::Stopped);
    for key in left.map(|u| u.key).collect::<Vec<UnitKey>>() {
        if key.revision != service.current {
            // Still on its way out of an upgrade that ended before this one began.
            draft.set(key, Desired::Removed);
        } else if !slots.contains(&key.slot) {
            draft.set(key, Desired::Stopped);
        }
    }
    if service.restart.is_some() {
        let text = "its restart waits until the upgrade between services is over".to_owned();
        draft.note(service.id, None, text);
    }
}

fn forward(draft: &Draft, source: ServiceId, shift: Shift) -> Way {
    let goal = scale(draft, shift.to_service);
    Way { leaves: source, keeps: 0, enters: shift.to_service, goal }
}

fn back(draft: &Draft, source: ServiceId, shift: Shift) -> Way {
    let goal = scale(draft, source);
    Way { leaves: shift.to_service, keeps: shift.to_scale, enters: source, goal }
}

fn scale(draft: &Draft, service: ServiceId) -> u32 {
    draft.world.service(service).map_or(0, |service| service.scale)
}

fn wants(draft: &Draft, service: ServiceId) -> Option<Wanted> {
    draft.world.service(service).map(|service| service.wanted)
}

fn is_removed(draft: &Draft, service: ServiceId) -> bool {
    wants(draft, service).is_none_or(|wanted| wanted == Wanted::Removed)
}

fn is_active(draft: &Draft, service: ServiceId) -> bool {
    wants(draft, service) == Some(Wanted::Active)
}

fn name(draft: &Draft, service: ServiceId) -> String {
    draft.world.service(service).map_or_else(|| "?".to_owned(), |service| service.name.clone())
}

/// The units that shall run of a side that is switched on. Of one that is not, none does or will.
fn running(draft: &Draft, service: ServiceId) -> Vec<Unit> {
    let units = draft.world.units_of(service).filter(|unit| unit.desired == Desired::Running);
    let units = units.filter(|_| is_active(draft, service));
    units.cloned().collect()
}

fn slots(units: &[Unit]) -> BTreeSet<Slot> {
    units.iter().map(|unit| unit.key.slot).collect()
}

/// Those of them with a unit that has arrived; one that is to take its place on another host need not have.
fn arrived(draft: &Draft, units: &[Unit]) -> BTreeSet<Slot> {
    let arrived = units.iter().filter(|unit| has_arrived(&draft.world, unit));
    arrived.map(|unit| unit.key.slot).collect()
}

/// Take the next step. True when nothing is left to move.
fn advance(draft: &mut Draft, upgrade: &Upgrade, way: &Way) -> bool {
    let entered = running(draft, way.enters);
    let leaving = running(draft, way.leaves);
    let keeps = usize::try_from(way.keeps).unwrap_or(usize::MAX);
    let stays: BTreeSet<Slot> = slots(&leaving).into_iter().take(keeps).collect();
    let leaving: Vec<Unit> =
        leaving.into_iter().filter(|unit| !stays.contains(&unit.key.slot)).collect();
    let (has, left) = (slots(&entered).len(), slots(&leaving).len());
    let goal = usize::try_from(way.goal).unwrap_or(usize::MAX);
    let moves_on = is_through(draft, way);
    if moves_on && leaving.is_empty() && has >= goal {
        return true;
    }
    say(draft, upgrade, way, &entered, left);
    let Some(side) = draft.world.service(way.enters).cloned().filter(|_| moves_on) else {
        return false;
    };
    if side.wanted != Wanted::Active {
        let text = format!(
            "{} is stopped: start it and the upgrade goes on, or turn the upgrade round",
            side.name
        );
        draft.stuck(upgrade.service, None, text);
        return false;
    }
    // With the other side switched off by its user every moment counts, and there is no batch to keep.
    let alone = !is_active(draft, way.leaves);
    if !alone {
        let next_at = settled_at(draft, way, &entered).map(|at| at + upgrade.interval_ms);
        if let Some(at) = next_at.filter(|at| draft.now < *at) {
            draft.pause(upgrade.service, at);
            return false;
        }
    }
    let batch = if alone { goal } else { usize::try_from(upgrade.batch_size.max(1)).unwrap_or(1) };
    let total = left + has;
    if total > goal && !leaving.is_empty() {
        shrink(draft, &leaving, batch.min(total - goal));
    } else {
        let room = goal.saturating_add(batch).saturating_sub(total);
        grow(draft, &side, &slots(&entered), batch.min(goal - has).min(room));
    }
    false
}

/// Whether the last batch is done: all that entered has arrived, all that left is down.
fn is_through(draft: &Draft, way: &Way) -> bool {
    let entered = running(draft, way.enters);
    let left = draft.world.units_of(way.leaves).filter(|unit| unit.desired != Desired::Running);
    let mut left = left.filter(|unit| unit.desired != Desired::Removed);
    arrived(draft, &entered) == slots(&entered)
        && left.all(|unit| is_down(&draft.world, unit) || draft.is_given_up(unit))
}

/// When it was.
fn settled_at(draft: &Draft, way: &Way, entered: &[Unit]) -> Option<Time> {
    let left = draft.world.units_of(way.leaves).filter(|unit| unit.desired == Desired::Stopped);
    let entered = entered.iter().filter(|unit| has_arrived(&draft.world, unit));
    let keys = entered.map(|unit| unit.key).chain(left.map(|unit| unit.key));
    keys.filter_map(|key| draft.world.observed(key)).map(|seen| seen.since).max()
}

/// What serves nobody goes first, then the highest slots. A slot has two units while one takes over from the other on a
/// host that is to be emptied; both go.
fn shrink(draft: &mut Draft, leaving: &[Unit], count: usize) {
    let serves = arrived(draft, leaving);
    let mut order: Vec<Slot> = slots(leaving).into_iter().collect();
    order.sort_by_key(|slot| (serves.contains(slot), std::cmp::Reverse(*slot)));
    order.truncate(count);
    for unit in leaving.iter().filter(|unit| order.contains(&unit.key.slot)) {
        draft.set(unit.key, Desired::Stopped);
    }
}

/// The lowest slots that are free; a unit that was stopped there starts again.
fn grow(draft: &mut Draft, side: &Service, held: &BTreeSet<Slot>, count: usize) {
    let free = (1..).map(Slot::Number).filter(|slot| !held.contains(slot));
    for slot in free.take(count) {
        ensure(draft, side, slot, side.current);
    }
}

/// A cancelled upgrade stays as it is; but what was lost meanwhile with a host, beyond what can be told from the units,
/// is made up for on the source's side.
fn fill_up(draft: &mut Draft, source: ServiceId, shift: Shift) {
    let (held, target) = (running(draft, source), running(draft, shift.to_service));
    let total = slots(&held).len() + slots(&target).len();
    let least = scale(draft, source).min(scale(draft, shift.to_service));
    let missing = usize::try_from(least).unwrap_or(usize::MAX).saturating_sub(total);
    let side = draft.world.service(source).filter(|side| side.wanted == Wanted::Active).cloned();
    if let Some(side) = side {
        grow(draft, &side, &slots(&held), missing);
    }
}

/// The source's units are removed; it is over when they are gone from all hosts that can be asked.
fn finish(draft: &mut Draft, source: ServiceId) {
    let units: Vec<UnitKey> = draft.world.units_of(source).map(|unit| unit.key).collect();
    for key in units {
        draft.set(key, Desired::Removed);
    }
    if !draft.world.units_of(source).any(|unit| draft.world.is_connected(unit.host)) {
        draft.change(Change::EndUpgrade(source));
    }
}

fn say(draft: &mut Draft, upgrade: &Upgrade, way: &Way, entered: &[Unit], left: usize) {
    let (to, from) = (name(draft, way.enters), name(draft, way.leaves));
    let serving = entered.iter().filter(|unit| derive::is_serving(&draft.world, unit));
    let moved = slots(&serving.cloned().collect::<Vec<_>>()).len();
    let doing = match upgrade.phase {
        UpgradePhase::RollingBack => "rolling back",
        UpgradePhase::Upgrading
        | UpgradePhase::Upgraded
        | UpgradePhase::Finishing
        | UpgradePhase::Canceling
        | UpgradePhase::Canceled => "upgrading",
    };
    let goal = way.goal;
    let text = format!("{doing}: {moved} of {goal} moved to {to}, {left} of {from} left");
    draft.note(upgrade.service, None, text);
}
