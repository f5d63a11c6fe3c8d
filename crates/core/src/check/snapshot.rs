//! What must hold of every snapshot.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fail, Violation};
use crate::{
    Course, Desired, HostId, Phase, Protocol, Service, ServiceKind, Slot, Unit, UnitKey, Upgrade,
    UpgradePhase, World,
};

/// Everything wrong with a snapshot.
pub fn check(world: &World) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut fail = |rule, what: String| found.push(Violation { rule, what });
    if !world.index_is_right() {
        fail("index", "the index differs from one made anew".to_owned());
    }
    for unit in world.units.values() {
        references(world, unit, &mut fail);
    }
    one_per_slot(world, &mut fail);
    ports(world, &mut fail);
    serials(world, &mut fail);
    volumes(world, &mut fail);
    upgrades(world, &mut fail);
    observations(world, &mut fail);
    found
}

fn references(world: &World, unit: &Unit, fail: Fail) {
    let key = unit.key;
    match (world.service(key.service), world.host(unit.host)) {
        (None, _) => fail("reference", format!("unit {key} has no service")),
        (_, None) => fail("reference", format!("unit {key} has no host")),
        (Some(service), Some(host)) if service.project != host.project => {
            fail("isolation", format!("unit {key} is on a host of another project"));
        }
        (Some(_), Some(_)) => {}
    }
    if world.revision_of(key.service, key.revision).is_none() {
        fail("reference", format!("unit {key} has no revision"));
    }
    if unit.generation > world.revision {
        fail(
            "clock",
            format!("unit {key} is of generation {}, ahead of the world", unit.generation),
        );
    }
}

/// One running unit per slot and revision, and a second one while it takes the first one's place (that it may is a rule of
/// steps); and per slot one revision, but for the two sides of an upgrade.
fn one_per_slot(world: &World, fail: Fail) {
    let mut running: BTreeMap<_, Vec<&Unit>> = BTreeMap::new();
    // One that drains is on its way out, whatever takes its place.
    let up = |u: &&std::sync::Arc<Unit>| u.desired == Desired::Running;
    for unit in world.units.values().filter(up) {
        running.entry((unit.key.service, unit.key.slot)).or_default().push(unit);
    }
    for ((service, slot), units) in running {
        let revisions: BTreeSet<_> = units.iter().map(|u| u.key.revision).collect();
        for revision in &revisions {
            let same: Vec<_> = units.iter().filter(|u| u.key.revision == *revision).collect();
            if same.len() > 2 {
                let keys: Vec<_> = same.iter().map(|u| u.key).collect();
                fail("double", format!("slot {slot} of service {service} runs twice: {keys:?}"));
            }
        }
        if revisions.len() > 1 && world.upgrade(service).is_none() {
            fail("mixed", format!("slot {slot} of service {service} runs two revisions at rest"));
        }
    }
}

/// No two units that shall run publish one port on one host.
fn ports(world: &World, fail: Fail) {
    type Held = Vec<(Option<String>, UnitKey)>;
    let mut taken: BTreeMap<(HostId, u16, Protocol), Held> = BTreeMap::new();
    for unit in world.units.values().filter(|u| u.desired <= Desired::Draining) {
        let Some(service) = world.service(unit.key.service) else { continue };
        let Some(template) = world.template(unit.key.service, unit.key.revision) else { continue };
        for port in template.members().flat_map(|(_, spec)| &spec.ports) {
            let picked = service.picked_ports.iter();
            let mut picked = picked
                .filter(|p| (p.private, p.protocol) == (port.private, port.protocol))
                .map(|p| p.public);
            let same = (service.kind == ServiceKind::Balancer).then_some(port.private);
            let Some(public) = port.public.or(same).or_else(|| picked.next()) else { continue };
            let held = taken.entry((unit.host, public, port.protocol)).or_default();
            let clash = held.iter().find(|(ip, key)| {
                *key != unit.key && (ip.is_none() || port.ip.is_none() || *ip == port.ip)
            });
            if let Some((_, other)) = clash {
                let (key, host) = (unit.key, unit.host);
                fail("port", format!("{key} and {other} both publish {public} on host {host}"));
            }
            held.push((port.ip.clone(), unit.key));
        }
    }
}

fn serials(world: &World, fail: Fail) {
    let mut seen: BTreeMap<u64, UnitKey> = BTreeMap::new();
    for unit in world.units.values() {
        let members = world.template(unit.key.service, unit.key.revision).map_or(1, |t| t.len());
        for serial in unit.serial..unit.serial + members as u64 {
            if let Some(other) = seen.insert(serial, unit.key) {
                fail("serial", format!("{} and {other} share container {serial}", unit.key));
            }
            if serial >= world.next_id {
                fail("serial", format!("container {serial} of {} was never given", unit.key));
            }
        }
    }
}

/// A unit with data on one host runs there.
fn volumes(world: &World, fail: Fail) {
    for unit in world.units.values().filter(|u| u.desired <= Desired::Draining) {
        let Some(service) = world.service(unit.key.service) else { continue };
        let Some(template) = world.template(unit.key.service, unit.key.revision) else { continue };
        let mounts = template.members().flat_map(|(_, spec)| &spec.volumes);
        let names: BTreeSet<&str> = mounts.filter_map(|m| m.split_once(':')).map(|m| m.0).collect();
        for (key, host) in &world.volumes {
            let Some(declared) = world.volume_templates.get(&key.template) else { continue };
            let mine = declared.stack == service.stack
                && declared.removed_at.is_none()
                && names.contains(declared.name.as_str())
                && key.slot.is_none_or(|slot| slot == unit.key.slot);
            if mine && declared.is_local() && *host != unit.host {
                fail("data", format!("{} runs away from volume {}", unit.key, declared.name));
            }
        }
    }
}

fn upgrades(world: &World, fail: Fail) {
    for (&id, upgrade) in &world.upgrades {
        let Some(service) = world.service(id) else {
            fail("reference", format!("upgrade of {id} has no service"));
            continue;
        };
        let Course::InService { from, to, .. } = upgrade.course else {
            between(world, service, upgrade, fail);
            continue;
        };
        let goal = match upgrade.phase {
            UpgradePhase::RollingBack => from,
            UpgradePhase::Upgrading
            | UpgradePhase::Upgraded
            | UpgradePhase::Finishing
            | UpgradePhase::Canceling
            | UpgradePhase::Canceled => to,
        };
        if service.current != goal {
            fail("upgrade", format!("service {id} is at {}, not {goal}", service.current));
        }
        // "Upgraded" is a promise: the old containers are still there for a rollback.
        if upgrade.phase == UpgradePhase::Upgraded {
            let running = world
                .units_of(id)
                .find(|u| u.key.revision == from && u.desired == Desired::Running);
            if let Some(unit) = running {
                fail("upgrade", format!("{} of the old revision still shall run", unit.key));
            }
        }
    }
}

/// An upgrade from service to service: both are there, in one project, and busy with nothing else.
fn between(world: &World, source: &Service, upgrade: &Upgrade, fail: Fail) {
    let Some(shift) = upgrade.shift() else { return };
    let (id, target) = (source.id, shift.to_service);
    let others = world.upgrades.values().filter(|other| other.service != id);
    let involved = |other: &&std::sync::Arc<Upgrade>| {
        let leads_to = other.shift().map(|shift| shift.to_service);
        let sides = [Some(other.service), leads_to];
        sides.contains(&Some(id)) || sides.contains(&Some(target))
    };
    if let Some(other) = others.into_iter().find(involved) {
        fail("upgrade", format!("{id} to {target} and that of {} share a side", other.service));
    }
    match world.service(target) {
        // It was removed and forgotten; the upgrade goes back.
        None if upgrade.phase == UpgradePhase::RollingBack => {}
        None => fail("reference", format!("upgrade of {id} leads to {target}, which is not there")),
        Some(held) if held.project != source.project || target == id => {
            fail("upgrade", format!("service {id} can't be upgraded to {target}"));
        }
        Some(_) => {}
    }
    let still = world.units_of(id).find(|u| u.desired == Desired::Running);
    if let Some(unit) = still.filter(|_| upgrade.phase == UpgradePhase::Upgraded) {
        fail("upgrade", format!("{} of the source still shall run", unit.key));
    }
}

/// An observation never runs ahead of what was asked.
fn observations(world: &World, fail: Fail) {
    for (&key, seen) in &world.observed {
        match world.unit(key) {
            None => fail("reference", format!("observation of {key}, which is not planned")),
            Some(unit) if seen.generation > unit.generation => {
                fail("clock", format!("{key} was seen under a generation of the future"));
            }
            Some(_) => {}
        }
        if seen.ready && seen.phase != Phase::Running {
            fail("ready", format!("{key} is ready but not running"));
        }
    }
    for unit in world.units.values() {
        if let Slot::Host(host) = unit.key.slot
            && host != unit.host
        {
            fail("global", format!("{} fills the slot of another host", unit.key));
        }
    }
}
