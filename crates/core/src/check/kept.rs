//! What an upgrade leaves is kept until *finish*, so that a rollback starts the same containers again.

use std::collections::BTreeSet;

use super::step::slots;
use crate::{Course, Desired, Slot, Unit, Upgrade, UpgradePhase, Wanted, World};

/// Every slot that could go back still can after the step. By slot: a unit that leaves a host which is to be emptied may
/// go once another of its revision is there.
pub(super) fn kept(
    before: &World,
    after: &World,
    upgrade: &Upgrade,
    fail: &mut dyn FnMut(&'static str, String),
) {
    let service = upgrade.service;
    let removed = after.service(service).is_none_or(|s| s.wanted == Wanted::Removed);
    if upgrade.phase == UpgradePhase::Finishing || removed {
        return;
    }
    let is_left = |unit: &Unit| match upgrade.course {
        Course::InService { from, .. } => unit.key.revision == from,
        Course::ToService(_) => true,
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
    let wanted = slots(after, service);
    for slot in had.difference(&has).filter(|slot| wanted.contains(slot)) {
        fail("kept", format!("slot {slot} of {service} was to be kept until finish"));
    }
}
