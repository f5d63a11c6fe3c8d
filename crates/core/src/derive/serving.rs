//! Which units count as up.

use crate::{Desired, Phase, RevisionNo, ServiceId, Slot, Unit, UnitKey, World};

/// Running under its current generation and ready for requests: what an upgrade waits for and what balancers
/// send to.
pub fn is_serving(world: &World, unit: &Unit) -> bool {
    unit.desired == Desired::Running && is_up(world, unit)
}

/// Serving, or ended well if it is to run once: what it was started for is so.
pub fn has_arrived(world: &World, unit: &Unit) -> bool {
    is_serving(world, unit)
        || world.observed(unit.key).is_some_and(|seen| {
            seen.generation == unit.generation
                && seen.phase == Phase::Completed
                && seen.containers.values().all(|c| c.exit_code.unwrap_or(0) == 0)
        })
}

/// Whether a unit of a slot, of whatever revision, shall run and is where it shall be.
pub fn is_served(world: &World, service: ServiceId, slot: Slot) -> bool {
    let low = UnitKey { service, slot, revision: RevisionNo(0), incarnation: 0 };
    let high = UnitKey { revision: RevisionNo(u32::MAX), incarnation: u32::MAX, ..low };
    let mut units = world.units.range(low..=high).map(|(_, unit)| unit.as_ref());
    units.any(|unit| unit.desired == Desired::Running && has_arrived(world, unit))
}

/// Seen running and ready under its current generation, whatever it shall be.
pub fn is_up(world: &World, unit: &Unit) -> bool {
    let Some(seen) = world.observed(unit.key) else { return false };
    !world.is_lost(unit.host)
        && seen.generation == unit.generation
        && seen.phase == Phase::Running
        && seen.ready
}
