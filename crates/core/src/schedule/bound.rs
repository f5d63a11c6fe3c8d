//! What binds a unit to the host it is on: it can't be made elsewhere, whatever is free there.

use super::declared_volumes;
use crate::{Slot, Unit, World};

/// Why a unit can't live on another host than its own, in words; `None` if it can.
pub(crate) fn bound(world: &World, unit: &Unit) -> Option<String> {
    if matches!(unit.key.slot, Slot::Host(_)) {
        return Some("its service runs one on each host".to_owned());
    }
    let template = world.template(unit.key.service, unit.key.revision)?;
    if template.members().any(|(_, spec)| spec.requested_host.is_some()) {
        return Some("its service asks for this host".to_owned());
    }
    data(world, unit)
}

/// What a unit left on its host and can't be had elsewhere, in words.
pub(crate) fn data(world: &World, unit: &Unit) -> Option<String> {
    let service = world.service(unit.key.service)?;
    let template = world.template(unit.key.service, unit.key.revision)?;
    let mut local = declared_volumes(world, service, unit.key.slot, template);
    let (_, name, _) = local.find(|(_, _, local)| *local)?;
    Some(format!("its data, volume {name}, lies there"))
}
