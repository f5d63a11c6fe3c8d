//! What must hold of every step while an upgrade in service moves slots from one revision to another: its floor, its batches
//! and the pause between them.

use std::collections::BTreeSet;

use super::Fail;
use crate::{
    Desired, HostId, OnHostLoss, Phase, RevisionNo, ServiceId, Slot, Time, Unit, UnitKey, Upgrade,
    UpgradePhase, World,
};

/// An upgrade in service: the row, whether it starts first, from which revision to which.
pub(super) type InService<'a> = (&'a Upgrade, bool, RevisionNo, RevisionNo);

/// An upgrade takes down serving units only as far as the batch allows, and none if it starts first.
pub(super) fn floor(
    before: &World,
    after: &World,
    service: ServiceId,
    course: InService,
    fail: Fail,
) {
    let (upgrade, start_first, from, to) = course;
    let rolls = matches!(upgrade.phase, UpgradePhase::Upgrading | UpgradePhase::RollingBack);
    let slots = slots(before, service).intersection(&slots(after, service)).copied().collect();
    let slots: BTreeSet<Slot> = slots;
    let is_removed =
        |w: &World| w.service(service).is_none_or(|s| s.wanted != crate::Wanted::Active);
    if !rolls || is_removed(after) {
        return;
    }
    let served_before: BTreeSet<Slot> =
        slots.iter().copied().filter(|slot| serves(before, before, service, *slot)).collect();
    // A host that is given up or removed in this very step takes its slots down, not the upgrade.
    let given_up = |u: &Unit| is_gone(after, u.host) && !before.is_lost(u.host);
    let excused: BTreeSet<Slot> =
        before.units_of(service).filter(|u| given_up(u)).map(|u| u.key.slot).collect();
    let served_before: BTreeSet<Slot> = served_before.difference(&excused).copied().collect();
    let taken_down: Vec<Slot> = served_before
        .iter()
        .copied()
        .filter(|slot| !serves(before, after, service, *slot))
        .collect();
    if taken_down.is_empty() {
        return;
    }
    // On the way back nobody can be asked for another place, and the ones that come back have theirs. One that goes back as
    // another does that it goes together with may take its first step at once.
    let phases = [Some(upgrade.phase), after.upgrade(service).map(|held| held.phase)];
    let gives_way = phases.contains(&Some(UpgradePhase::RollingBack))
        && [from, to].into_iter().any(|revision| has_one_place(before, service, revision));
    if start_first && !gives_way {
        fail("start-first", format!("service {service} lost slots {taken_down:?} to its upgrade"));
    }
    // A host that is taken back in this very step brings its slots.
    let back = slots
        .iter()
        .filter(|slot| !served_before.contains(slot) && serves(before, after, service, **slot));
    let down = slots.len() - served_before.len() - back.count() + taken_down.len();
    if down > upgrade.batch_size as usize {
        let what = format!(
            "service {service} has {down} of {} slots down in a batch of {}",
            slots.len(),
            upgrade.batch_size
        );
        fail("batch", what);
    }
}

/// What it publishes, or that it must not run twice, can keep it from running beside another.
fn has_one_place(world: &World, service: ServiceId, revision: RevisionNo) -> bool {
    let template = world.template(service, revision);
    template.is_some_and(|template| {
        let publishes = template.members().any(|(_, spec)| !spec.ports.is_empty());
        publishes || template.primary.on_host_loss == Some(OnHostLoss::Fence)
    })
}

/// Slots that some unit fills or shall fill. Those of a number that are on their way out don't count where there are as many
/// others as the scale asks for: which of them go is the planner's choice.
pub(super) fn slots(world: &World, service: ServiceId) -> BTreeSet<Slot> {
    let scale = world.service(service).map_or(0, |s| s.scale);
    let stays = |unit: &&Unit| !matches!(unit.desired, Desired::Draining | Desired::Removed);
    let stay: BTreeSet<Slot> =
        world.units_of(service).filter(stays).map(|unit| unit.key.slot).collect();
    let missing = usize::try_from(scale).unwrap_or(usize::MAX).saturating_sub(stay.len());
    // Of those on their way out as many count as are to come back: the lowest numbers.
    let leave = world.units_of(service).map(|unit| unit.key.slot);
    let leave: BTreeSet<Slot> = leave.filter(|slot| !stay.contains(slot)).collect();
    let back: BTreeSet<Slot> = leave.into_iter().take(missing).collect();
    let kept = |slot: &Slot| match slot {
        Slot::Number(_) => stay.contains(slot) || back.contains(slot),
        Slot::Host(host) => world.host(*host).is_some_and(|h| h.evacuation.is_none()),
    };
    world.units_of(service).map(|u| u.key.slot).filter(kept).collect()
}

/// Whether a unit of the slot was seen serving in `seen_in` and shall still run, in the same generation, in
/// `world`, which counts on its host.
pub(super) fn serves(seen_in: &World, world: &World, service: ServiceId, slot: Slot) -> bool {
    let was_up = |key: UnitKey| {
        let unit = seen_in.unit(key);
        let seen = seen_in.observed(key);
        unit.zip(seen).is_some_and(|(unit, seen)| {
            let runs = seen.phase == Phase::Running && seen.ready && !world.is_lost(unit.host);
            // A start-once unit has served when it ended well.
            let ended_well = seen.phase == Phase::Completed
                && seen.containers.values().all(|c| c.exit_code.unwrap_or(0) == 0);
            unit.desired == Desired::Running
                && seen.generation == unit.generation
                && (runs || ended_well)
        })
    };
    world.units_of(service).any(|u| {
        u.key.slot == slot
            && u.desired == Desired::Running
            && was_up(u.key)
            && seen_in.unit(u.key).is_some_and(|old| old.generation == u.generation)
    })
}

/// The pause between batches: while every slot that was touched has settled, no further one is taken down
/// before the pause is over.
pub(super) fn interval(
    before: &World,
    after: &World,
    service: ServiceId,
    (upgrade, start_first, from, to): InService,
    now: Time,
    fail: Fail,
) {
    let (from, to) = match upgrade.phase {
        UpgradePhase::Upgrading => (from, to),
        UpgradePhase::RollingBack => (to, from),
        UpgradePhase::Upgraded
        | UpgradePhase::Finishing
        | UpgradePhase::Canceling
        | UpgradePhase::Canceled => return,
    };
    let is_removed = after.service(service).is_none_or(|s| s.wanted != crate::Wanted::Active);
    // A slot that is no longer wanted goes whenever that is decided.
    let wanted = slots(after, service);
    let taken_down = before.units_of(service).any(|old| {
        old.key.revision == from
            && wanted.contains(&old.key.slot)
            && !after.is_lost(old.host) // then it is missed already
            && serves(before, before, service, old.key.slot)
            && !serves(before, after, service, old.key.slot)
            && old.desired == Desired::Running
            && after.unit(old.key).is_some_and(|new| new.desired != Desired::Running)
    });
    if is_removed || !taken_down || start_first {
        return;
    }
    let settled = before.units_of(service);
    // One that leaves its host, another being there in its place or on its way, has not settled by that.
    let is_replaced = |unit: &Unit| {
        let after = UnitKey { incarnation: unit.key.incarnation + 1, ..unit.key };
        let last = UnitKey { incarnation: u32::MAX, ..unit.key };
        before.units.range(after..=last).any(|(_, newer)| newer.desired == Desired::Running)
    };
    let settled = settled.filter(|u| u.desired == Desired::Running && !is_replaced(u));
    // What a lost host says that is on its way back counts for nothing yet; which are lost is decided first.
    let settled = settled.filter(|u| !is_gone(after, u.host));
    let settled = settled.filter(|u| u.key.revision == to && wanted.contains(&u.key.slot));
    // One that was just called back has not said yet that it is there.
    let ready = |u: &Unit| {
        let seen = before.observed(u.key).filter(|seen| seen.generation == u.generation);
        seen.filter(|seen| seen.ready).map(|seen| seen.since)
    };
    let settled = settled.filter_map(ready);
    if let Some(last) = settled.max()
        && now < last + upgrade.interval_ms
    {
        let ms = now - last;
        fail("interval", format!("service {service} went on {ms} ms after its last batch"));
    }
}

/// Nobody counts on the host any more.
pub(super) fn is_gone(world: &World, host: HostId) -> bool {
    world.is_lost(host) || world.host(host).is_none_or(|host| host.removed_at.is_some())
}
