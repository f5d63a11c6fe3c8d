//! Emptying hosts: a slot whose unit is on a host that users want emptied belongs elsewhere.
//!
//! Its unit is replaced (see [`super::replace`]), start-first, since the two are on different hosts; but for what must never run
//! twice. At most a batch of a service moves at a time, and nothing that serves is touched while as many of its slots are down
//! for whatever reason. What is kept stopped goes too: whoever needs it again gets one made elsewhere.
//!
//! That a host is no longer to be emptied ends what was begun.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::slot::{New, find_host, in_slot, leaves, make};
use crate::schedule::container_name;
use crate::{Desired, Host, Service, Slot, Unit, UnitKey, derive};

/// What is kept stopped on a host that is to be emptied goes once nothing needs it any more.
pub(super) fn leave_nothing_behind(draft: &mut Draft, service: &Service) {
    let world = &draft.world;
    let parked = world.units_of(service.id).filter(|unit| unit.desired == Desired::Stopped);
    let leaving =
        parked.filter(|unit| leaves(world, unit) && derive::kept_for(world, unit).is_none());
    for key in leaving.map(|unit| unit.key).collect::<Vec<UnitKey>>() {
        draft.set(key, Desired::Removed);
    }
}

/// Begin moves, as many as there is room for beside those that are `moving` already.
pub(super) fn begin(
    draft: &mut Draft,
    service: &Service,
    slots: &[Slot],
    moving: &mut BTreeSet<Slot>,
) {
    goes_last(draft, service, slots);
    let mut waiting: Vec<Unit> = Vec::new();
    let mut in_flight = moving.clone();
    for &slot in slots {
        let world = &draft.world;
        let running = || {
            let units = in_slot(world, service.id, slot);
            units.filter(|unit| unit.desired == Desired::Running)
        };
        if !derive::is_served(world, service.id, slot) {
            in_flight.insert(slot);
        }
        if !moving.contains(&slot) {
            waiting.extend(running().filter(|unit| leaves(world, unit)).cloned());
        }
    }
    if waiting.is_empty() {
        return;
    }
    if let Some(why) = derive::busy(&draft.world, service) {
        return wait(draft, &waiting, &why);
    }
    let batch = derive::batch(&draft.world, service);
    let mut later: Vec<Unit> = Vec::new();
    for unit in waiting {
        let slot = unit.key.slot;
        let is_down = in_flight.contains(&slot) && !moving.contains(&slot);
        let room = moving.len() < batch && (is_down || in_flight.len() < batch);
        if !room {
            later.push(unit);
        } else if step_aside(draft, service, &unit) {
            moving.insert(slot);
            in_flight.insert(slot);
        }
    }
    wait(draft, &later, derive::OTHERS_DOWN);
}

/// Units of global services serve what else is on their host, and leave it last.
fn goes_last(draft: &mut Draft, service: &Service, slots: &[Slot]) {
    let world = &draft.world;
    let on = |slot: &Slot| match slot {
        Slot::Host(host) => world.host(*host).filter(|host| host.is_evacuating()),
        Slot::Number(_) => None,
    };
    let slots = slots.iter().filter(|slot| on(slot).is_some());
    let units = slots.flat_map(|slot| in_slot(world, service.id, *slot));
    let units: Vec<Unit> = units.filter(|u| u.desired == Desired::Running).cloned().collect();
    wait(draft, &units, "it goes last");
}

/// Make a unit's replacement, if there is a place for it.
fn step_aside(draft: &mut Draft, service: &Service, unit: &Unit) -> bool {
    let (slot, revision) = (unit.key.slot, unit.key.revision);
    match find_host(draft, service, slot, revision, &[]) {
        Ok(host) => {
            make(draft, service, New::first(slot, revision, host, Desired::Running));
            true
        }
        Err(why) => {
            wait(draft, std::slice::from_ref(unit), &why);
            false
        }
    }
}

/// Units that can't leave now, and why. Most of them serve, so that this is no failure of their service; it is one of those
/// that are not healthy, which nobody replaces where they are.
pub(super) fn wait(draft: &mut Draft, units: &[Unit], why: &str) {
    for unit in units {
        let service = unit.key.service;
        let name = container_name(&draft.world, unit.key, "");
        let host = draft.world.host(unit.host).map_or("?", Host::shown_name);
        match derive::ill(&draft.world, unit) {
            Some(ill) => {
                let text =
                    format!("{name} is not healthy: {}; it is to leave {host}: {why}", ill.why);
                draft.stuck(service, Some(unit.key), text);
            }
            None => {
                draft.wait(service, Some(unit.key), format!("{name} is to leave {host}: {why}"));
            }
        }
    }
}
