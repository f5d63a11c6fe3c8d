//! One slot and one revision: is its unit there, and if not, what brings it there.

use super::draft::Draft;
use crate::derive::has_arrived;
use crate::schedule::{
    HeldPort, Need, bound, container_name, declared_volumes, is_down, port_taken,
};
use crate::{
    Change, Desired, Host, HostId, RevisionNo, Service, ServiceId, Slot, Unit, UnitKey, World,
    derive,
};

/// The unit of a slot at a revision: the newest incarnation that is not to be removed. One that drains is on its way out
/// if there is another, and one that is only being made does not count while another runs.
pub(super) fn live(
    world: &World,
    service: ServiceId,
    slot: Slot,
    revision: RevisionNo,
) -> Option<&Unit> {
    let at = |incarnation| UnitKey { service, slot, revision, incarnation };
    let units = || world.units.range(at(0)..=at(u32::MAX)).map(|(_, u)| u.as_ref());
    let not = |gone: &'static [Desired]| move |unit: &&Unit| !gone.contains(&unit.desired);
    let runs = units().rfind(|unit| unit.desired == Desired::Running);
    let stays = || units().rfind(not(&[Desired::Removed, Desired::Draining]));
    runs.or_else(stays).or_else(|| units().rfind(not(&[Desired::Removed])))
}

/// All units of a slot that are not to be removed, of any revision.
pub(super) fn in_slot(
    world: &World,
    service: ServiceId,
    slot: Slot,
) -> impl Iterator<Item = &Unit> {
    let low = UnitKey { service, slot, revision: RevisionNo(0), incarnation: 0 };
    let high = UnitKey { revision: RevisionNo(u32::MAX), incarnation: u32::MAX, ..low };
    let range = world.units.range(low..=high).map(|(_, u)| u.as_ref());
    range.filter(|u| u.desired != Desired::Removed)
}

/// Whether a slot's unit at `revision` is where it shall be: serving, or for a start-once service ended well.
pub(super) fn is_arrived(
    draft: &Draft,
    service: &Service,
    slot: Slot,
    revision: RevisionNo,
) -> bool {
    live(&draft.world, service.id, slot, revision).is_some_and(|u| has_arrived(&draft.world, u))
}

/// Bring a slot to `revision`: its unit exists, on a host that can run it, and shall run. What stands in the
/// way is noted. True if the unit shall run now.
pub(super) fn ensure(
    draft: &mut Draft,
    service: &Service,
    slot: Slot,
    revision: RevisionNo,
) -> bool {
    let Some(unit) = live(&draft.world, service.id, slot, revision).cloned() else {
        return create(draft, service, slot, revision, None);
    };
    if is_missed(draft, &unit) {
        // The old one is dropped when its host returns and confirms, or is removed.
        return create(draft, service, slot, revision, Some(unit.key));
    }
    match unit.desired {
        Desired::Running => true,
        Desired::Draining => {
            draft.start(unit.key, unit.run);
            true
        }
        Desired::Staged if waits_for_predecessor(draft, &unit) => false,
        Desired::Staged | Desired::Stopped | Desired::Removed => {
            resume(draft, service, &unit, unit.run)
        }
    }
}

/// Whether its host is lost and it has something to do elsewhere: what ran once and ended well has not.
fn is_lost(world: &World, unit: &Unit) -> bool {
    world.is_lost(unit.host) && !has_arrived(world, unit)
}

/// Whether another one is to be made in its place, its host being given up.
pub(super) fn is_missed(draft: &Draft, unit: &Unit) -> bool {
    is_lost(&draft.world, unit) && draft.is_given_up(unit) && bound(&draft.world, unit).is_none()
}

/// Whether the unit that a staged one replaces is still there: they may share what only one can have.
fn waits_for_predecessor(draft: &mut Draft, unit: &Unit) -> bool {
    let replaces = |other: &Unit| {
        other.key.revision == unit.key.revision && other.key.incarnation < unit.key.incarnation
    };
    if runs_beside(draft, unit.key, replaces) {
        let name = container_name(&draft.world, unit.key, "");
        let text = format!("{name}: starts when the one before it is gone");
        draft.note(unit.key.service, Some(unit.key), text);
        return true;
    }
    false
}

/// Whether another unit of its slot may be running: one of those, or any if no two may run at a time.
fn runs_beside(draft: &Draft, key: UnitKey, counts: impl Fn(&Unit) -> bool) -> bool {
    let single = is_single(draft, key);
    beside(draft, key).any(|other| single || counts(other))
}

/// The other units of a unit's slot that may be running.
pub(super) fn beside(draft: &Draft, key: UnitKey) -> impl Iterator<Item = &Unit> {
    let world = &draft.world;
    let low = UnitKey { revision: RevisionNo(0), incarnation: 0, ..key };
    let high = UnitKey { revision: RevisionNo(u32::MAX), incarnation: u32::MAX, ..key };
    let others = world.units.range(low..=high).map(|(_, unit)| unit.as_ref());
    let others = others.filter(move |other| other.key != key);
    others.filter(|other| !is_down(world, other) && !draft.is_given_up(other))
}

/// Make everything a slot's new unit needs, on a host where it fits once `replaces` are down, but don't start it.
/// True when that is done; what stands in the way is noted.
pub(super) fn stage(
    draft: &mut Draft,
    service: &Service,
    slot: Slot,
    revision: RevisionNo,
    replaces: &[UnitKey],
) -> bool {
    let Some(unit) = live(&draft.world, service.id, slot, revision).cloned() else {
        match find_host(draft, service, slot, revision, replaces) {
            Ok(host) => {
                make(draft, service, New::first(slot, revision, host, Desired::Staged));
            }
            Err(why) => {
                let held = replaces.first().copied();
                let name = held.map_or(String::new(), |key| container_name(&draft.world, key, ""));
                let text = format!("{name} keeps its old version: the new one has no place: {why}");
                draft.stuck(service.id, None, text);
            }
        }
        return false;
    };
    match unit.desired {
        Desired::Staged if draft.world.is_lost(unit.host) || leaves(&draft.world, &unit) => {
            draft.set(unit.key, Desired::Removed);
            false
        }
        Desired::Staged => is_down(&draft.world, &unit),
        // What runs in its place need not go for what would not start.
        Desired::Stopped => match kept_out_by(draft, service, &unit) {
            Some(held) => {
                say_taken(draft, &unit, &held);
                false
            }
            None => true,
        },
        Desired::Running | Desired::Draining | Desired::Removed => true,
    }
}

/// Whether the unit that a slot is to return to would not start even once what runs in its place is down.
pub(super) fn is_kept_out(
    draft: &Draft,
    service: &Service,
    slot: Slot,
    revision: RevisionNo,
) -> bool {
    let unit = live(&draft.world, service.id, slot, revision);
    unit.is_some_and(|unit| {
        unit.desired == Desired::Stopped && kept_out_by(draft, service, unit).is_some()
    })
}

/// The port of a stopped unit that is taken by another slot's, if it is to be started again where it is.
fn kept_out_by(draft: &Draft, service: &Service, unit: &Unit) -> Option<HeldPort> {
    if leaves(&draft.world, unit) || is_missed(draft, unit) {
        return None;
    }
    let own = |holder: UnitKey| (holder.service, holder.slot) == (service.id, unit.key.slot);
    let template = draft.world.template(service.id, unit.key.revision)?;
    let need = Need::of(&draft.world, service, unit.key.slot, template).ok()?;
    port_taken(&draft.world, unit.host, &need.ports, own)
}

fn say_taken(draft: &mut Draft, unit: &Unit, held: &HeldPort) {
    let world = &draft.world;
    let [name, holder] = [unit.key, held.holder].map(|key| container_name(world, key, ""));
    let (public, protocol) = (held.public, held.protocol);
    let host = world.host(unit.host).map_or("its host", Host::shown_name);
    let why = format!("port {public}/{protocol} of {host} is taken by {holder}");
    let is_replaced = in_slot(world, unit.key.service, unit.key.slot)
        .any(|other| other.desired == Desired::Running);
    let text = if is_replaced {
        format!(
            "{name} stays as it is: the version it is to return to can't be started again: {why}"
        )
    } else {
        format!("{name} can't be started again: {why}")
    };
    draft.stuck(unit.key.service, Some(unit.key), text);
}

/// Start a stopped unit again, having been through restart `run`, unless someone else has taken its ports
/// meanwhile. One whose host is to be emptied belongs elsewhere, if there is a place.
pub(super) fn resume(draft: &mut Draft, service: &Service, unit: &Unit, run: u64) -> bool {
    let (slot, revision) = (unit.key.slot, unit.key.revision);
    if runs_beside(draft, unit.key, |_| false) {
        let name = container_name(&draft.world, unit.key, "");
        let text = format!("{name}: starts when the other one of its place is down");
        draft.note(service.id, Some(unit.key), text);
        return false;
    }
    if leaves(&draft.world, unit) && find_host(draft, service, slot, revision, &[unit.key]).is_ok()
    {
        return create(draft, service, slot, revision, Some(unit.key));
    }
    let Some(template) = draft.world.template(service.id, unit.key.revision).cloned() else {
        return false;
    };
    let Ok(need) = Need::of(&draft.world, service, unit.key.slot, &template) else { return false };
    let own = |holder| holder == unit.key;
    if let Some(held) = port_taken(&draft.world, unit.host, &need.ports, own) {
        say_taken(draft, unit, &held);
        return false;
    }
    draft.start(unit.key, run);
    true
}

/// Whether no other unit of its slot may run beside it.
pub(super) fn is_single(draft: &Draft, unit: UnitKey) -> bool {
    let template = draft.world.template(unit.service, unit.revision);
    template.is_some_and(|template| derive::is_single(template))
}

/// Whether a unit is to leave its host, which users want emptied.
pub(super) fn leaves(world: &World, unit: &Unit) -> bool {
    world.host(unit.host).is_some_and(Host::is_evacuating) && derive::stays(world, unit).is_none()
}

/// Make a unit on the best host; the one it replaces goes once a place is found.
fn create(
    draft: &mut Draft,
    service: &Service,
    slot: Slot,
    revision: RevisionNo,
    replaces: Option<UnitKey>,
) -> bool {
    let host = match find_host(draft, service, slot, revision, replaces.as_slice()) {
        Ok(host) => host,
        Err(why) => {
            let key = UnitKey { service: service.id, slot, revision, incarnation: 0 };
            let text = format!("{}: {why}", container_name(&draft.world, key, ""));
            draft.stuck(service.id, None, text);
            return false;
        }
    };
    if let Some(old) = replaces {
        draft.set(old, Desired::Removed);
    }
    make(draft, service, New::first(slot, revision, host, Desired::Running));
    true
}

/// A unit to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct New {
    pub(super) slot: Slot,
    pub(super) revision: RevisionNo,
    pub(super) host: HostId,
    pub(super) desired: Desired,
    /// See [`Unit::replacements`].
    pub(super) replacements: u32,
}

impl New {
    /// One that does not follow one that was not well.
    pub(super) fn first(slot: Slot, revision: RevisionNo, host: HostId, desired: Desired) -> Self {
        Self { slot, revision, host, desired, replacements: 0 }
    }
}

/// Make a unit: the next incarnation of its slot and revision.
pub(super) fn make(draft: &mut Draft, service: &Service, new: New) {
    let New { slot, revision, host, desired, replacements } = new;
    place_volumes(draft, service, slot, revision, host);
    let all = UnitKey { service: service.id, slot, revision, incarnation: 0 };
    let last = draft.world.units.range(all..=UnitKey { incarnation: u32::MAX, ..all }).next_back();
    let key = UnitKey { incarnation: last.map_or(0, |(key, _)| key.incarnation) + 1, ..all };
    // What must not run twice is started when the other one is down.
    let waits = desired == Desired::Running && runs_beside(draft, key, |_| false);
    let desired = if waits { Desired::Staged } else { desired };
    draft.create(Unit {
        key,
        host,
        desired,
        generation: 0, // set when it is applied
        drain_until: None,
        run: service.restart.map_or(0, |restart| restart.run),
        replacements,
        serial: draft.world.next_id,
        created_at: draft.now,
    });
}

/// Where a new unit of a slot would go. `replaces` are units that are down before it starts, so that their
/// ports don't count.
pub(super) fn find_host(
    draft: &mut Draft,
    service: &Service,
    slot: Slot,
    revision: RevisionNo,
    replaces: &[UnitKey],
) -> Result<HostId, String> {
    let Some(template) = draft.world.template(service.id, revision).cloned() else {
        return Err(format!("its revision {revision} is not known"));
    };
    let mut need =
        Need::of(&draft.world, service, slot, &template).map_err(|bad| bad.to_string())?;
    need.replaces = replaces.iter().copied().collect();
    // The host of what was last in the slot.
    let stay = in_slot(&draft.world, service.id, slot).max_by_key(|u| u.serial).map(|u| u.host);
    draft.place(&need, stay).map_err(|why| why.to_string())
}

/// Data of a declared local volume comes to lie where its first unit goes.
fn place_volumes(
    draft: &mut Draft,
    service: &Service,
    slot: Slot,
    revision: RevisionNo,
    host: HostId,
) {
    let Some(template) = draft.world.template(service.id, revision).cloned() else { return };
    let new: Vec<_> = declared_volumes(&draft.world, service, slot, &template)
        .filter(|(key, _, local)| *local && !draft.world.volumes.contains_key(key))
        .map(|(key, _, _)| key)
        .collect();
    for volume in new {
        draft.change(Change::PlaceVolume { volume, host });
    }
}
