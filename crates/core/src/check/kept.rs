//! What an upgrade leaves is kept until *finish*, so that a rollback starts the same containers again.

use std::collections::BTreeSet;

use super::Fail;
use super::in_service::slots;
use super::shift::serves;
use crate::{
    Course, Desired, FinishPolicy, Service, Slot, Unit, Upgrade, UpgradePhase, Wanted, World,
};

/// Every slot that could go back still can after the step. By slot: a unit that leaves a host which is to be emptied may
/// go once another of its revision is there.
pub(super) fn kept(before: &World, after: &World, upgrade: &Upgrade, fail: Fail) {
    let service = upgrade.service;
    let removed = after.service(service).is_none_or(|s| s.wanted == Wanted::Removed);
    // Its policy may confirm it and act on that in one step.
    let ended = || after.outcomes.get(&service).map(|outcome| outcome.upgrade.phase);
    let phase = after.upgrade(service).map(|held| held.phase).or_else(ended);
    let is_confirmed = [Some(upgrade.phase), phase].contains(&Some(UpgradePhase::Finishing));
    if is_confirmed || removed {
        confirmed_by_itself(before, after, upgrade, fail);
        return;
    }
    let is_left = |unit: &Unit| match upgrade.course {
        Course::InService { from, .. } => unit.key.revision == from,
        // Older ones are on their way out since an upgrade before was confirmed.
        Course::ToService(_) => {
            before.service(service).is_some_and(|held| held.current == unit.key.revision)
        }
    };
    // Who loses a host, or wants it empty, loses what was kept there.
    let host_stays = |unit: &Unit| {
        let there = before.host(unit.host).is_some_and(|host| host.removed_at.is_none());
        let emptied = after.host(unit.host).is_some_and(|host| host.evacuation.is_some());
        there && !emptied && !before.is_lost(unit.host) && !after.is_lost(unit.host)
    };
    // A slot of a host comes and goes with it.
    let counts = |unit: &Unit| matches!(unit.key.slot, Slot::Number(_)) && is_left(unit);
    let held = |world: &World, stays: &dyn Fn(&Unit) -> bool| -> BTreeSet<Slot> {
        let units = world.units_of(service).filter(|u| u.desired != Desired::Removed);
        units.filter(|u| counts(u) && stays(u)).map(|u| u.key.slot).collect()
    };
    let (had, has) = (held(before, &host_stays), held(after, &|_| true));
    // Of those that leave, the planner chooses; as many as the scale asks for are left in any case.
    let scale = after.service(service).map_or(0, |held| held.scale);
    let are_enough = has.len() >= usize::try_from(scale).unwrap_or(usize::MAX);
    let wanted = slots(after, service);
    for slot in had.difference(&has).filter(|slot| !are_enough && wanted.contains(slot)) {
        fail("kept", format!("slot {slot} of {service} was to be kept until finish"));
    }
}

/// What its policy found good it does not take back; only people do, or those that go with it.
pub(super) fn found_good(after: &World, upgrade: &Upgrade, fail: Fail) {
    let service = upgrade.service;
    let was_good = upgrade.approved.is_some() && upgrade.phase == UpgradePhase::Upgraded;
    let now = after.upgrade(service).filter(|_| was_good && upgrade.together.is_none());
    let back = now.filter(|now| now.phase == UpgradePhase::RollingBack);
    if let Some(why) = back.and_then(|now| now.verdict.as_ref()) {
        fail("found good", format!("{service} was found good and is taken back: {why}"));
    }
}

/// Nothing is confirmed by itself that was not asked to be, nor while a slot of it is not served.
fn confirmed_by_itself(before: &World, after: &World, upgrade: &Upgrade, fail: Fail) {
    let service = upgrade.service;
    let now = after.upgrade(service);
    let now = now.or_else(|| after.outcomes.get(&service).map(|outcome| &outcome.upgrade));
    let is_new = upgrade.phase == UpgradePhase::Upgraded;
    let Some(now) = now.filter(|now| is_new && now.verdict.is_some()) else { return };
    if now.phase != UpgradePhase::Finishing {
        return;
    }
    // One that goes with others is confirmed when one of those is.
    let alone = upgrade.together.is_none();
    if alone && upgrade.policy.finish != FinishPolicy::Auto {
        fail("asked to be confirmed", format!("{service} was not to be confirmed by itself"));
    }
    let Course::InService { to, .. } = upgrade.course else { return };
    let runs = before.service(service).filter(|held| held.wanted == Wanted::Active);
    let wanted = slots(before, service);
    // A service that shrank while it was stopped has more than it shall have: as many as that are enough.
    let beyond = |held: &Service| {
        let is_number = |slot: &&Slot| matches!(slot, Slot::Number(_));
        let scale = usize::try_from(held.scale).unwrap_or(usize::MAX);
        wanted.iter().filter(is_number).count().saturating_sub(scale)
    };
    // Hosts that come or go in this very step do so before it is decided.
    let served = |slot: &Slot| {
        let mut units = before.units_of(service);
        units.any(|unit| {
            unit.key.slot == *slot && unit.key.revision == to && serves(before, after, unit)
        })
    };
    let mut unserved = wanted.iter().filter(|slot| !served(slot));
    if let Some(slot) = runs.and_then(|held| unserved.nth(beyond(held))) {
        fail("confirmed when served", format!("slot {slot} of {service} was not served"));
    }
}
