//! What must hold of every step while an upgrade leads from one service to another.

use std::collections::BTreeSet;

use super::step::has_twin;
use crate::{
    Desired, Phase, ServiceId, Shift, Slot, Time, Unit, Upgrade, UpgradePhase, Wanted, World,
};

type Fail<'a> = &'a mut dyn FnMut(&'static str, String);

/// Everything wrong with a step from `before` to `after`, as far as this upgrade is concerned.
pub(super) fn check_shift(
    before: &World,
    after: &World,
    upgrade: &Upgrade,
    shift: Shift,
    now: Time,
    fail: Fail,
) {
    let (source, target) = (upgrade.service, shift.to_service);
    kept(before, after, upgrade, fail);
    let rolls = matches!(upgrade.phase, UpgradePhase::Upgrading | UpgradePhase::RollingBack);
    // Whoever stops or removes a side wants that at once.
    let on = |id| after.service(id).is_some_and(|s| s.wanted == Wanted::Active);
    let sides = [source, target];
    let goes_on = after.upgrade(source).is_some_and(|new| new.phase == upgrade.phase);
    // A restart that waited for the end begins with it, and has a batch of its own.
    let restarts =
        !goes_on && sides.iter().any(|id| after.service(*id).is_some_and(|s| s.restart.is_some()));
    if !rolls || restarts || !sides.iter().all(|id| on(*id)) {
        return;
    }
    let scale = |id| before.service(id).map_or(0, |s| u64::from(s.scale));
    let batch = u64::from(upgrade.batch_size);
    let served: Vec<&Unit> =
        sides.iter().flat_map(|id| before.units_of(*id)).filter(|u| serves(before, u)).collect();
    // A host that is given up in this very step takes its units down, not the upgrade.
    let served: Vec<&Unit> = served.into_iter().filter(|u| !after.is_lost(u.host)).collect();
    // By slot: one that leaves a host that is to be emptied has another beside it for a while.
    let slot = |unit: &&Unit| (unit.key.service, unit.key.slot);
    let remains = |old: &&&Unit| {
        let new = after.unit(old.key);
        new.is_some_and(|u| u.desired == Desired::Running && u.generation == old.generation)
    };
    let stay: BTreeSet<_> = served.iter().filter(remains).map(slot).collect();
    let go: BTreeSet<_> = served.iter().map(slot).filter(|slot| !stay.contains(slot)).collect();
    let floor = scale(source).min(scale(target)).saturating_sub(batch);
    if !go.is_empty() && (stay.len() as u64) < floor {
        let what = format!(
            "{source} and {target} serve with {} units while {} go, of at least {floor}",
            stay.len(),
            go.len()
        );
        fail("shift-floor", what);
    }
    let slots =
        |world: &World| sides.iter().map(|id| running(world, *id).len() as u64).sum::<u64>();
    let (was, is) = (slots(before), slots(after));
    let goal = match upgrade.phase {
        UpgradePhase::RollingBack => scale(source) + u64::from(shift.to_scale),
        UpgradePhase::Upgrading
        | UpgradePhase::Upgraded
        | UpgradePhase::Finishing
        | UpgradePhase::Canceling
        | UpgradePhase::Canceled => scale(target),
    };
    if is > was && is > goal + batch {
        fail("shift-ceiling", format!("{source} and {target} shall run {is} of {goal} units"));
    }
    // Once it has arrived the target's own scale counts, without a pause.
    let moved = goes_on && (!go.is_empty() || is > was);
    pause(before, upgrade, shift, now, moved, fail);
}

/// The pause between batches: while what was started serves, nothing further moves before the pause is over.
fn pause(before: &World, upgrade: &Upgrade, shift: Shift, now: Time, moved: bool, fail: Fail) {
    let enters = match upgrade.phase {
        UpgradePhase::RollingBack => upgrade.service,
        UpgradePhase::Upgrading
        | UpgradePhase::Upgraded
        | UpgradePhase::Finishing
        | UpgradePhase::Canceling
        | UpgradePhase::Canceled => shift.to_service,
    };
    let up = before.units_of(enters).filter(|unit| serves(before, unit));
    let last = up.filter_map(|unit| before.observed(unit.key)).map(|seen| seen.since).max();
    if let Some(last) = last.filter(|last| moved && now < *last + upgrade.interval_ms) {
        let what =
            format!("service {} went on {} ms after its last batch", upgrade.service, now - last);
        fail("interval", what);
    }
}

/// Until *finish*, the source's units are kept, so that a rollback starts the same containers again.
fn kept(before: &World, after: &World, upgrade: &Upgrade, fail: Fail) {
    let removed = after.service(upgrade.service).is_none_or(|s| s.wanted == Wanted::Removed);
    let ends = !after.upgrades.contains_key(&upgrade.service);
    if upgrade.phase == UpgradePhase::Finishing || removed || ends {
        return;
    }
    for old in before.units_of(upgrade.service).filter(|u| u.desired != Desired::Removed) {
        let goes = after.unit(old.key).is_none_or(|new| new.desired == Desired::Removed);
        let emptied = after.host(old.host).is_some_and(|host| host.evacuation.is_some());
        let host_gone = before.host(old.host).is_none_or(|host| host.removed_at.is_some());
        let excused = emptied || host_gone || has_twin(after, old);
        if goes && !excused && !before.is_lost(old.host) && !after.is_lost(old.host) {
            fail("kept", format!("{} was to be kept until finish", old.key));
        }
    }
}

fn running(world: &World, service: ServiceId) -> BTreeSet<(ServiceId, Slot)> {
    let units = world.units_of(service).filter(|unit| unit.desired == Desired::Running);
    units.map(|unit| (service, unit.key.slot)).collect()
}

/// It shall run, and was seen serving as what it is now; or it ran once and ended well.
fn serves(world: &World, unit: &Unit) -> bool {
    let Some(seen) = world.observed(unit.key) else { return false };
    let runs = seen.phase == Phase::Running && seen.ready && !world.is_lost(unit.host);
    let ended_well = seen.phase == Phase::Completed
        && seen.containers.values().all(|c| c.exit_code.unwrap_or(0) == 0);
    unit.desired == Desired::Running && seen.generation == unit.generation && (runs || ended_well)
}
