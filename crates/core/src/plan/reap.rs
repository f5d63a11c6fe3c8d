//! Forgetting units whose containers are gone.

use super::draft::Draft;
use crate::{Change, Desired, Phase, ServiceId, Unit, UnitKey, World};

/// Drop what is gone: removed units whose agent confirmed it, and units of hosts that were removed.
pub(super) fn reap(draft: &mut Draft, service: ServiceId) {
    let units: Vec<(UnitKey, bool, bool)> = draft
        .world
        .units_of(service)
        .map(|u| (u.key, host_is_removed(&draft.world, u), is_gone(&draft.world, u)))
        .collect();
    for (key, host_removed, gone) in units {
        if host_removed && draft.world.unit(key).is_some_and(|u| u.desired != Desired::Removed) {
            // There is nobody left to wait for, and nobody to tell.
            let desired = Desired::Removed;
            draft.change(Change::SetDesired { unit: key, desired, run: None, until: None });
        }
        if host_removed || gone {
            draft.change(Change::DropUnit(key));
        }
    }
}

fn host_is_removed(world: &World, unit: &Unit) -> bool {
    world.host(unit.host).is_none_or(|host| host.removed_at.is_some())
}

fn is_gone(world: &World, unit: &Unit) -> bool {
    unit.desired == Desired::Removed
        && world
            .observed(unit.key)
            .is_some_and(|seen| seen.generation == unit.generation && seen.phase == Phase::Gone)
}
