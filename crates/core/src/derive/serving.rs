//! Which units count as up.

use crate::{Desired, Phase, Unit, World};

/// Running under its current generation and ready for requests: what an upgrade waits for and what balancers
/// send to.
pub fn is_serving(world: &World, unit: &Unit) -> bool {
    unit.desired == Desired::Running && is_up(world, unit)
}

/// Seen running and ready under its current generation, whatever it shall be.
pub fn is_up(world: &World, unit: &Unit) -> bool {
    let Some(seen) = world.observed(unit.key) else { return false };
    !world.is_lost(unit.host)
        && seen.generation == unit.generation
        && seen.phase == Phase::Running
        && seen.ready
}
