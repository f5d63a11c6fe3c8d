//! Which slots a service fills: as many as its scale says. Those it has stay its own; what is missing gets the lowest free
//! numbers, and of those that are too many the ones that serve least go first.

use std::collections::{BTreeMap, BTreeSet};

use super::slot::leaves;
use crate::derive::has_arrived;
use crate::{Desired, HostId, Service, Slot, Unit, World};

/// What is known of a slot that may go.
struct Held {
    slot: Slot,
    /// All it has is on its way out.
    leaves: bool,
    /// A unit of it serves, or has done what it was for. Not on a host that is lost, and not one that is not healthy.
    serves: bool,
    /// It is to leave its host anyway, which users want emptied.
    moves: bool,
    host: Option<HostId>,
}

/// The slots of a service that is not global.
pub(super) fn numbered(world: &World, service: &Service) -> BTreeSet<Slot> {
    let scale = usize::try_from(service.scale).unwrap_or(usize::MAX);
    let mut held = held(world, service);
    while held.len() > scale {
        let Some(at) = least(&held) else { break };
        held.remove(at);
    }
    let mut slots: BTreeSet<Slot> = held.iter().map(|held| held.slot).collect();
    let free: Vec<Slot> = (1..)
        .map(Slot::Number)
        .filter(|slot| !slots.contains(slot))
        .take(scale.saturating_sub(slots.len()))
        .collect();
    slots.extend(free);
    slots
}

fn held(world: &World, service: &Service) -> Vec<Held> {
    let mut slots: BTreeMap<Slot, Vec<&Unit>> = BTreeMap::new();
    for unit in world.units_of(service.id).filter(|unit| unit.desired != Desired::Removed) {
        if matches!(unit.key.slot, Slot::Number(_)) {
            slots.entry(unit.key.slot).or_default().push(unit);
        }
    }
    let look = |(slot, units): (Slot, Vec<&Unit>)| {
        let runs = || units.iter().filter(|unit| unit.desired == Desired::Running);
        let arrived = runs().rfind(|unit| has_arrived(world, unit));
        let shown = arrived.or_else(|| runs().next_back());
        Held {
            slot,
            leaves: units.iter().all(|unit| unit.desired == Desired::Draining),
            serves: arrived.is_some(),
            moves: shown.is_some_and(|unit| leaves(world, unit)),
            host: shown.map(|unit| unit.host),
        }
    };
    slots.into_iter().map(look).collect()
}

/// Which one goes first: what is leaving already, what does not serve, what would have to move, what shares its host with
/// most of the service, and the highest number.
fn least(held: &[Held]) -> Option<usize> {
    let mut crowd: BTreeMap<HostId, usize> = BTreeMap::new();
    for host in held.iter().filter(|held| !held.leaves).filter_map(|held| held.host) {
        *crowd.entry(host).or_default() += 1;
    }
    let rank = |held: &Held| {
        let here = held.host.and_then(|host| crowd.get(&host)).copied().unwrap_or_default();
        (held.leaves, !held.serves, held.moves, here, held.slot)
    };
    (0..held.len()).max_by_key(|at| rank(&held[*at]))
}
