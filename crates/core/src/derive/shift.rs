//! The sides of an upgrade from one service to another, while units move between them: their slots are those with a unit
//! that shall run, not those their scales ask for.

use std::collections::BTreeSet;

use crate::{Desired, Service, ServiceId, Side, Slot, UpgradePhase, World};

/// The slots of a service that has no say in them itself now: it is a side of an upgrade from service to service, and
/// units are under way or could be. `None` if its scale says what it runs.
pub fn in_motion(world: &World, service: ServiceId) -> Option<BTreeSet<Slot>> {
    let (upgrade, _, side) = world.shift(service)?;
    let moves = match (upgrade.phase, side) {
        (UpgradePhase::Upgraded | UpgradePhase::Finishing, Side::Target) => false,
        (
            UpgradePhase::Upgrading
            | UpgradePhase::Upgraded
            | UpgradePhase::Finishing
            | UpgradePhase::Canceling
            | UpgradePhase::Canceled
            | UpgradePhase::RollingBack,
            Side::Source | Side::Target,
        ) => true,
    };
    let runs = world.units_of(service).filter(|unit| unit.desired == Desired::Running);
    moves.then(|| runs.map(|unit| unit.key.slot).collect())
}

/// The scale to show: what it is to run now, on its way from one scale to another.
pub fn shown_scale(world: &World, service: &Service) -> u32 {
    let slots = in_motion(world, service.id);
    slots.map_or(service.scale, |slots| u32::try_from(slots.len()).unwrap_or(u32::MAX))
}
