//! What must hold of every unit in a step: it goes one way only, is stopped when it has drained, is replaced and doubled for a
//! reason, and forgotten when it is gone. What upgrades owe their services is judged beside, in `in_service` and `shift`.

use std::collections::BTreeSet;

use super::Fail;
use super::in_service::{is_gone, serves, slots};
use crate::derive::DRAIN_TIMEOUT_MS;
use crate::{
    Desired, Health, HostId, OnHostLoss, Phase, Service, ServiceId, Slot, Time, Unit, UnitKey,
    Upgrade, UpgradePhase, World, derive,
};

pub(super) fn one_way(old: &Unit, new: &Unit, fail: Fail) {
    let key = old.key;
    if old.desired == Desired::Removed && new.desired != Desired::Removed {
        fail("one-way", format!("{key} was to be removed and is now {:?}", new.desired));
    }
    if new.generation < old.generation {
        fail("clock", format!("{key} went back from generation {}", old.generation));
    }
    if old.host != new.host {
        fail("moved", format!("{key} changed its host"));
    }
}

/// A unit that answers requests is stopped only when every balancer has let go of it and nothing is in flight to it,
/// or when its time is over; its time is cut short only when every balancer has let go of it. Balancers that were given
/// up are not waited for, nor those that did not let go in their time: these send it new requests, whoever waits.
pub(super) fn drained(
    (before, after): (&World, &World),
    old: &Unit,
    new: &Unit,
    now: Time,
    fail: Fail,
) {
    // A host that is given up in this very step is gone already.
    let is_lost = |host| is_gone(before, host) || is_gone(after, host);
    let stops = old.desired <= Desired::Draining && new.desired >= Desired::Stopped;
    let drains = old.desired == Desired::Draining;
    let hurries = drains && new.desired == old.desired && new.drain_until < old.drain_until;
    let gone =
        is_lost(old.host) || before.host(old.host).is_none_or(|host| host.removed_at.is_some());
    let answers = before.observed(old.key).is_some_and(|seen| seen.ready);
    let over = |in_ms: u64| old.drain_until.is_some_and(|until| now + in_ms >= until);
    let spec = before.template(old.key.service, old.key.revision).map(|t| &t.primary);
    let takes_ms = spec.map_or(0, |spec| spec.drain_timeout_ms.unwrap_or(DRAIN_TIMEOUT_MS));
    if !(stops || hurries) || gone || !answers || over(0) || takes_ms == 0 {
        return;
    }
    let project = before.service(old.key.service).map(|s| s.project);
    for balancer in before.units.values() {
        let service = before.service(balancer.key.service);
        let is_one = service
            .is_some_and(|s| s.kind == crate::ServiceKind::Balancer && Some(s.project) == project);
        let runs = before.observed(balancer.key).is_some_and(|seen| seen.phase == Phase::Running);
        if !is_one || !runs || is_lost(balancer.host) || balancer.key == old.key {
            continue;
        }
        let held = before.balancers_followed.get(&balancer.key);
        let knows = drains && held.is_some_and(|f| f.routing >= old.generation);
        let busy = stops && held.is_some_and(|f| f.in_flight.contains_key(&old.key));
        let may_send = if knows { busy } else { !over(takes_ms) };
        if may_send {
            let (key, balancer) = (old.key, balancer.key);
            fail("drained", format!("{key} was stopped while {balancer} could still send to it"));
        }
    }
}

/// A slot runs a second unit of one revision only to have the first leave a host that is to be emptied, because the first
/// is not healthy, or because users want it elsewhere. At most a batch of a service leaves hosts at a time, and for the sake
/// of balance at most one.
pub(super) fn doubled(before: &World, after: &World, unit: &Unit, fail: Fail) {
    let wish = |world: &World| world.unit(unit.key).map(|held| held.desired);
    // One that still drains is called back, which is no more than there was.
    let began_before = matches!(wish(before), Some(Desired::Running | Desired::Draining));
    if wish(after) != Some(Desired::Running) || began_before {
        return;
    }
    let beside = |unit: &Unit| {
        let (key, units) = (unit.key, after.units_of(unit.key.service));
        let same = move |u: &&Unit| (u.key.slot, u.key.revision) == (key.slot, key.revision);
        units.filter(same).find(|u| u.key != key && u.desired == Desired::Running).cloned()
    };
    let Some(other) = beside(unit) else { return };
    let leaves = |u: &Unit| after.host(u.host).is_some_and(|h| h.evacuation.is_some() && !h.active);
    let asked = |u: &Unit| is_asked(before, u.key) || is_asked(after, u.key);
    let is_ill = |u: &Unit| {
        let seen = before.observed(u.key).filter(|seen| seen.generation == u.generation);
        seen.is_some_and(|seen| {
            seen.phase == Phase::Running
                && seen.containers.values().any(|c| c.health == Health::Unhealthy)
        })
    };
    let fine = [unit, &other].into_iter().any(|u| leaves(u) || is_ill(u) || asked(u));
    if !fine {
        let what =
            format!("{} was begun beside {}, which is well where it is", unit.key, other.key);
        return fail("double", what);
    }
    let Some(service) = after.service(unit.key.service).filter(|_| !is_ill(&other)) else { return };
    if asked(&other) && !leaves(&other) {
        let units = after.units_of(service.id).filter(|u| u.desired == Desired::Running);
        let moving = units.filter(|u| asked(u) && !leaves(u) && !is_ill(u) && beside(u).is_some());
        let moving: BTreeSet<Slot> = moving.map(|u| u.key.slot).collect();
        if moving.len() > 1 {
            let what = format!("{} moves slots {moving:?} at once, for balance", service.name);
            fail("moving", what);
        }
    }
    // A slot that an upgrade had taken down while it was being left comes back as it was, with both of its units.
    let is_back =
        |unit: &Unit| before.unit(unit.key).is_some_and(|u| u.desired != Desired::Running);
    if !leaves(&other) || is_back(unit) && is_back(&other) {
        return;
    }
    let moving = after.units_of(service.id).filter(|u| u.desired == Desired::Running && leaves(u));
    let moving = moving.filter(|u| !is_ill(u) && beside(u).is_some());
    let moving: BTreeSet<Slot> = moving.map(|u| u.key.slot).collect();
    let batch = service.upgrade_defaults.batch_size.unwrap_or(1).max(1);
    if moving.len() > batch as usize {
        let name = &service.name;
        fail("moving", format!("{name} moves slots {moving:?} at once, in a batch of {batch}"));
    }
}

/// A unit is replaced for its health only if its own host finds it ill, and not if two others, that can be asked, both pass
/// the check that its host fails.
pub(super) fn replaced(before: &World, after: &World, new: &Unit, fail: Fail) {
    let is_new = before.unit(new.key).is_none_or(|held| held.serial != new.serial);
    if !is_new || new.replacements == 0 {
        return;
    }
    let same = |u: &&Unit| (u.key.slot, u.key.revision) == (new.key.slot, new.key.revision);
    let units = before.units_of(new.key.service).filter(same);
    let running: Vec<&Unit> = units.filter(|u| u.desired == Desired::Running).collect();
    let seen = |u: &Unit| before.observed(u.key).filter(|seen| seen.generation == u.generation);
    let ill = |u: &Unit| -> Vec<_> {
        let held = seen(u).into_iter().flat_map(|seen| seen.containers.values());
        held.filter(|held| held.health == Health::Unhealthy).collect()
    };
    let Some(old) = running.iter().find(|u| !ill(u).is_empty()) else {
        return fail("replaced", format!("{} replaces what its own host finds well", new.key));
    };
    let found = ill(old);
    let [held] = found.as_slice() else { return };
    let says = |witness: HostId| {
        let seen = before.seen.get(&witness).filter(|seen| seen.connected);
        let said = seen.and_then(|_| before.witnessed.get(&witness)?.verdicts.get(&old.key))?;
        let same = (said.generation, said.starts, &said.address)
            == (old.generation, held.starts, &held.address);
        same.then_some(said.down.is_none())
    };
    // Who is asked changes with hosts that come and go in this very step.
    let said: Vec<bool> = after.witnesses_of(old.host).into_iter().filter_map(says).collect();
    if held.probed && said == [true, true] {
        fail("replaced", format!("{} replaces {}, which others find well", new.key, old.key));
    }
}

/// Nothing starts before what it depends on is as it needs it.
pub(super) fn early(before: &World, after: &World, service: &Service, fail: Fail) {
    let runs =
        |world: &World| world.units_of(service.id).any(|unit| unit.desired == Desired::Running);
    let waited =
        before.service(service.id).is_some_and(|held| derive::unmet(before, held).is_some());
    if !waited || !runs(after) {
        return;
    }
    // As hosts were when that was decided; but what is needed may have been settled, or moved, by this very step.
    let mut decided_on = after.clone();
    decided_on.observed = before.observed.clone();
    let mut needed = service.depends_on.iter().map(|held| held.service);
    let unmet = needed.find_map(|id| derive::unmet_between(&decided_on, service.id, id));
    if let Some(unmet) = unmet {
        fail("early", format!("{} was started, which starts when {}", service.name, unmet.words));
    }
}

/// Whether users asked for a unit to be on another host.
fn is_asked(world: &World, unit: UnitKey) -> bool {
    let held = world.service(unit.service).and_then(|service| service.rebalance.as_ref());
    held.is_some_and(|held| held.moves.iter().any(|one| one.unit == unit))
}

/// Whether a unit goes before the next one of its slot runs, and may: of what must never run twice that is made, and waits.
pub(super) fn gives_way(before: &World, old: &Unit) -> bool {
    let waits = |unit: &Unit| {
        let made = before.observed(unit.key).is_some_and(|seen| seen.phase == Phase::Stopped);
        unit.key.slot == old.key.slot && unit.desired >= Desired::Stopped && made
    };
    let template = before.template(old.key.service, old.key.revision);
    let single = template.is_some_and(|t| t.primary.on_host_loss == Some(OnHostLoss::Fence));
    single && before.units_of(old.key.service).any(waits)
}

/// Nobody leaves a host that is to be emptied, or that users want it off, before another serves in its place: never are fewer
/// of a service up because of that; of what must never run twice never more than a batch are down. What upgrades and restarts
/// take down is judged by their own rules.
pub(super) fn evacuated(before: &World, after: &World, old: &Unit, fail: Fail) {
    let key = old.key;
    let emptied = after.host(old.host).is_some_and(|h| h.evacuation.is_some());
    let leaves = emptied || is_asked(before, key) || is_asked(after, key);
    let taken = after.unit(key).is_none_or(|new| new.desired != Desired::Running);
    let Some(service) = after.service(key.service).filter(|_| leaves && taken) else { return };
    let wanted = service.wanted == crate::Wanted::Active
        && match key.slot {
            Slot::Number(_) => slots(after, service.id).contains(&key.slot),
            Slot::Host(_) => false, // goes with its host
        };
    let rolls =
        |u: &Upgrade| matches!(u.phase, UpgradePhase::Upgrading | UpgradePhase::RollingBack);
    let moved_by = |world: &World| -> Option<Upgrade> {
        let shift = || world.shift(key.service).map(|(upgrade, ..)| upgrade);
        world.upgrade(key.service).or_else(shift).cloned()
    };
    let upgrade = moved_by(before);
    let upgrade = upgrade.as_ref();
    // One whose policy tries how a new container stops takes one down; only one, and not on a host that is to be emptied.
    let tried = upgrade.is_some_and(|upgrade| {
        let (to, revision) = upgrade.leads_to();
        let is_new = to == key.service && revision.is_none_or(|new| new == key.revision);
        upgrade.phase == UpgradePhase::Upgraded && upgrade.policy.verify.stop && is_new
    });
    let others = || {
        let units = after.units_of(key.service).filter(|unit| unit.key.revision == key.revision);
        units.filter(|unit| unit.key.slot != key.slot && unit.desired == Desired::Draining).count()
    };
    let tried = tried && !emptied && others() == 0;
    // Who goes back, or with another, turns round and acts in one step.
    let turned = moved_by(after).as_ref().is_some_and(rolls);
    let swapped = upgrade.is_some_and(rolls) || turned || service.restart.is_some() || tried;
    if !wanted
        || swapped
        || after.is_lost(old.host)
        || !serves(before, before, key.service, key.slot)
    {
        return;
    }
    if gives_way(before, old) {
        let down = slots(after, service.id)
            .into_iter()
            .filter(|slot| is_filled(after, key.service, *slot));
        let down = down.filter(|slot| !serves(before, after, service.id, *slot)).count();
        let batch = service.upgrade_defaults.batch_size.unwrap_or(1).max(1) as usize;
        if old.desired == Desired::Running && down > batch {
            let name = &service.name;
            let what = format!("{key} was taken down: {down} of {name} are, in a batch of {batch}");
            fail("evacuation", what);
        }
        return;
    }
    if old.desired == Desired::Running && !serves(before, after, key.service, key.slot) {
        fail("evacuation", format!("{key} was taken down before another served in its slot"));
    }
}

/// Whether something runs in a slot or is to, of a side of an upgrade between services: others have moved to the other side.
fn is_filled(world: &World, service: ServiceId, slot: Slot) -> bool {
    let mut units = world.units_of(service).filter(|unit| unit.key.slot == slot);
    world.shift(service).is_none()
        || units.any(|unit| matches!(unit.desired, Desired::Running | Desired::Staged))
}

/// A unit is forgotten only when its containers are known to be gone, or its host is.
pub(super) fn dropped(before: &World, unit: &Unit, fail: Fail) {
    let gone = before
        .observed(unit.key)
        .is_some_and(|seen| seen.phase == Phase::Gone && seen.generation == unit.generation);
    let no_host = before.host(unit.host).is_none_or(|host| host.removed_at.is_some());
    let removed = gone && unit.desired == Desired::Removed;
    if !no_host && !removed {
        fail("forgotten", format!("{} was dropped while its containers may exist", unit.key));
    }
}
