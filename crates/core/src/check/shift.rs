//! What must hold of every step while an upgrade leads from one service to another.

use std::collections::BTreeSet;

use super::Fail;
use super::unit::gives_way;
use crate::{
    Desired, Phase, Service, ServiceId, Shift, Slot, Time, Unit, Upgrade, UpgradePhase, Wanted,
    World,
};

/// A step, and the upgrade it is looked at for.
struct Step<'a> {
    before: &'a World,
    after: &'a World,
    upgrade: &'a Upgrade,
    shift: Shift,
    now: Time,
}

/// Everything wrong with a step from `before` to `after`, as far as this upgrade is concerned.
pub(super) fn check_shift(
    before: &World,
    after: &World,
    upgrade: &Upgrade,
    shift: Shift,
    now: Time,
    fail: Fail,
) {
    let step = Step { before, after, upgrade, shift, now };
    let goes_on = after.upgrade(upgrade.service).is_some_and(|new| new.phase == upgrade.phase);
    let any =
        |is: fn(&Service) -> bool| step.sides().iter().any(|id| after.service(*id).is_none_or(is));
    // Whoever stops or removes a side wants that at once.
    let off = any(|side| side.wanted != Wanted::Active);
    // A restart that waited for the end begins with it, and has a batch of its own.
    let restarts = !goes_on && any(|side| side.restart.is_some());
    let rolls = matches!(upgrade.phase, UpgradePhase::Upgrading | UpgradePhase::RollingBack);
    if !rolls || off || restarts {
        return;
    }
    let shrank = step.floor(fail);
    let grew = step.ceiling(fail);
    // Once it has arrived the target's own scale counts, without a pause.
    if goes_on && (shrank || grew) {
        step.pause(fail);
    }
}

impl Step<'_> {
    fn sides(&self) -> [ServiceId; 2] {
        [self.upgrade.service, self.shift.to_service]
    }

    fn scale(&self, service: ServiceId) -> u64 {
        self.before.service(service).map_or(0, |s| u64::from(s.scale))
    }

    /// As many serve on both sides together as the smaller of the scales, unless fewer did before; true if any is taken
    /// away.
    /// By slot: one that leaves a host that is to be emptied has another beside it for a while.
    fn floor(&self, fail: Fail) -> bool {
        let [source, target] = self.sides();
        let units = self.sides().into_iter().flat_map(|id| self.before.units_of(id));
        // A host that is given up in this very step takes its units down, not the upgrade.
        let served: Vec<&Unit> = units.filter(|u| serves(self.before, self.after, u)).collect();
        let slot = |unit: &&Unit| (unit.key.service, unit.key.slot);
        let remains = |old: &&&Unit| {
            let new = self.after.unit(old.key);
            let stays = new
                .is_some_and(|u| u.desired == Desired::Running && u.generation == old.generation);
            stays || gives_way(self.before, old)
        };
        let stay: BTreeSet<_> = served.iter().filter(remains).map(slot).collect();
        let go: BTreeSet<_> = served.iter().map(slot).filter(|slot| !stay.contains(slot)).collect();
        let serve = served.iter().map(slot).collect::<BTreeSet<_>>().len() as u64;
        // Through with it, one whose policy tries how a new container stops takes one down.
        let now =
            self.after.upgrade(self.upgrade.service).filter(|_| self.upgrade.policy.verify.stop);
        let tried = now.is_some_and(|upgrade| upgrade.phase == UpgradePhase::Upgraded);
        // A scale policy may lower one in the very step that ends the upgrade.
        let scale = |id| self.after.service(id).map_or(u64::MAX, |side| u64::from(side.scale));
        let least = self.sides().map(|id| self.scale(id).min(scale(id)));
        let least = least.into_iter().min().unwrap_or_default();
        let floor = least.min(serve).saturating_sub(u64::from(tried));
        if !go.is_empty() && (stay.len() as u64) < floor {
            let (stay, go) = (stay.len(), go.len());
            let what = format!(
                "{source} and {target} serve with {stay} units while {go} go, of at least {floor}"
            );
            fail("shift-floor", what);
        }
        !go.is_empty()
    }

    /// Both sides together never run more than the goal and a batch; true if they run more than before.
    fn ceiling(&self, fail: Fail) -> bool {
        let [source, target] = self.sides();
        let slots = |world| [source, target].iter().map(|id| running(world, *id)).sum::<u64>();
        let (was, is) = (slots(self.before), slots(self.after));
        // Its policy may turn it round and act on that in one step.
        let now = self.after.upgrade(self.upgrade.service).map_or(self.upgrade.phase, |u| u.phase);
        let goal = match now {
            UpgradePhase::RollingBack => self.scale(source) + u64::from(self.shift.to_scale),
            UpgradePhase::Upgrading
            | UpgradePhase::Upgraded
            | UpgradePhase::Finishing
            | UpgradePhase::Canceling
            | UpgradePhase::Canceled => self.scale(target),
        };
        let goal = goal.max(self.own_scale().unwrap_or_default());
        if is > was && is > goal + u64::from(self.upgrade.batch_size) {
            fail("shift-ceiling", format!("{source} and {target} shall run {is} of {goal} units"));
        }
        is > was
    }

    /// What both sides are to run once it is over: they have their own scales again then, and a scale policy may change one
    /// in that very step. `None` while it goes on.
    fn own_scale(&self) -> Option<u64> {
        let scales = self.sides().into_iter().filter_map(|id| self.after.service(id));
        let own = scales.map(|service| u64::from(service.scale)).sum();
        self.after.upgrade(self.upgrade.service).is_none().then_some(own)
    }

    /// The pause between batches: while what was started serves, nothing further moves before the pause is over.
    fn pause(&self, fail: Fail) {
        let Self { before, upgrade, now, .. } = self;
        let enters = match upgrade.phase {
            UpgradePhase::RollingBack => upgrade.service,
            UpgradePhase::Upgrading
            | UpgradePhase::Upgraded
            | UpgradePhase::Finishing
            | UpgradePhase::Canceling
            | UpgradePhase::Canceled => self.shift.to_service,
        };
        let up = before.units_of(enters).filter(|unit| serves(before, before, unit));
        let last = up.filter_map(|unit| before.observed(unit.key)).map(|seen| seen.since).max();
        if let Some(last) = last.filter(|last| *now < *last + upgrade.interval_ms) {
            let late = *now - last;
            let what =
                format!("service {} went on {late} ms after its last batch", upgrade.service);
            fail("interval", what);
        }
    }
}

/// Slots with a unit that shall run.
fn running(world: &World, service: ServiceId) -> u64 {
    let units = world.units_of(service).filter(|unit| unit.desired == Desired::Running);
    units.map(|unit| unit.key.slot).collect::<BTreeSet<Slot>>().len() as u64
}

/// It shall run, and was seen serving as what it is now, on a host that is counted on; or it ran once and ended well.
pub(super) fn serves(world: &World, counted_on: &World, unit: &Unit) -> bool {
    let Some(seen) = world.observed(unit.key) else { return false };
    let runs = seen.phase == Phase::Running && seen.ready && !counted_on.is_lost(unit.host);
    let ended_well = seen.phase == Phase::Completed
        && seen.containers.values().all(|c| c.exit_code.unwrap_or(0) == 0);
    unit.desired == Desired::Running && seen.generation == unit.generation && (runs || ended_well)
}
