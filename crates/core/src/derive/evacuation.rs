//! How far the emptying of a host is: which units are left on it, and what each waits for, in words.
//!
//! The planner moves them, see `plan/evacuate.rs`; both read from here what stays.

use std::collections::BTreeSet;

use super::{has_arrived, is_served, unmet};
use crate::schedule::{Need, bound, container_name, data, is_down, place};
use crate::{
    Desired, Host, HostId, Phase, Service, Side, Slot, Unit, UnitKey, UpgradePhase, Wanted, World,
};

/// What is left on a host that is to be emptied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evacuating {
    /// Units when it was asked for.
    pub asked: usize,
    /// Those left. Jobs that have ended are not counted: making them elsewhere would run them again.
    pub left: Vec<Left>,
}

/// A unit that has not left yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The unit.
    pub unit: UnitKey,
    /// It won't leave unless someone does something.
    pub held: bool,
    /// What it waits for; empty if it is on its way.
    pub why: String,
}

/// How many units are named in one message.
const NAMED: usize = 3;

impl Evacuating {
    /// All that is left waits for someone to act.
    pub fn is_held(&self) -> bool {
        !self.left.is_empty() && self.left.iter().all(|left| left.held)
    }

    /// In words: "3 of 7 units have left; blog-web-2 stays: no host fits: h1 has port 80/tcp taken by blog-web-1".
    pub fn words(&self, world: &World) -> String {
        let asked = self.asked.max(self.left.len());
        let gone = asked - self.left.len();
        let (noun, have) = if asked == 1 { ("unit", "has") } else { ("units", "have") };
        let parts = [format!("{gone} of {asked} {noun} {have} left"), self.obstacles(world)];
        parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("; ")
    }

    /// What is in the way: "blog-web-2 stays: no host fits: h1 has port 80/tcp taken by blog-web-1".
    pub fn obstacles(&self, world: &World) -> String {
        let said: Vec<&Left> = self.left.iter().filter(|left| !left.why.is_empty()).collect();
        let mut parts: Vec<String> = Vec::new();
        for left in said.iter().take(NAMED) {
            let (name, why) = (container_name(world, left.unit, ""), &left.why);
            let verb = if left.held { "stays" } else { "waits" };
            parts.push(format!("{name} {verb}: {why}"));
        }
        match said.len().saturating_sub(NAMED) {
            0 => {}
            more => parts.push(format!("and {more} more")),
        }
        parts.join("; ")
    }
}

/// How far the emptying of a host is; `None` if nobody asked for it.
pub fn evacuation(world: &World, host: HostId) -> Option<Evacuating> {
    let asked = world.host(host).filter(|host| host.is_evacuating())?.evacuation?;
    let left = world.units_on(host).filter(|unit| !has_ended(world, unit));
    let (last, first): (Vec<&Unit>, Vec<&Unit>) = left.partition(|unit| goes_last(unit));
    let mut left: Vec<Left> = first.iter().map(|unit| look(world, unit)).collect();
    let waits_for = left.first().map(|left| container_name(world, left.unit, ""));
    let held = !left.is_empty() && left.iter().all(|left| left.held);
    left.extend(last.iter().map(|unit| Left {
        unit: unit.key,
        held: held && unit.desired == Desired::Running,
        why: match &waits_for {
            Some(name) => format!("it goes last, and {name} is still there"),
            None => String::new(),
        },
    }));
    Some(Evacuating { asked: usize::try_from(asked.units).unwrap_or(usize::MAX), left })
}

/// Why a unit stays on a host that is to be emptied, whatever is free elsewhere; `None` if it leaves. One that is kept
/// stopped does nothing there: only its data holds it.
pub fn stays(world: &World, unit: &Unit) -> Option<String> {
    match unit.desired {
        Desired::Stopped => data(world, unit),
        Desired::Running | Desired::Draining | Desired::Staged | Desired::Removed => {
            bound(world, unit).or_else(|| runs_once(world, unit).then(|| "it runs once".to_owned()))
        }
    }
}

/// What a unit that is kept stopped is still needed for, on a host that is to be emptied; `None` if it goes. It does when
/// its slot is served by another, when nobody wants it to run, or not before others do, and when another service has taken
/// over.
pub fn kept_for(world: &World, unit: &Unit) -> Option<String> {
    let service = world.service(unit.key.service)?;
    let is_served = is_served(world, service.id, unit.key.slot);
    if service.wanted != Wanted::Active || is_served || unmet(world, service).is_some() {
        return None;
    }
    let upgrade = world.upgrade(service.id);
    match upgrade.and_then(|upgrade| Some((upgrade.phase, upgrade.shift()?))) {
        Some((UpgradePhase::Upgraded | UpgradePhase::Canceled, _)) => None,
        Some((UpgradePhase::Upgrading, shift)) => {
            let to = world.service(shift.to_service).map_or("?", |to| to.name.as_str());
            Some(format!("it is kept until {to} has taken over"))
        }
        Some((
            UpgradePhase::Finishing | UpgradePhase::Canceling | UpgradePhase::RollingBack,
            _,
        ))
        | None => Some("it is kept until another serves in its slot".to_owned()),
    }
}

/// Whether the units of global services may leave a host that is to be emptied: they serve the others on it, and go
/// last.
pub fn only_global_left(world: &World, host: &Host) -> bool {
    host.is_evacuating()
        && world.units_on(host.id).all(|unit| goes_last(unit) || has_ended(world, unit))
}

/// What a service is about that keeps its units from leaving a host now, in words. Upgrades and restarts replace
/// units themselves, and those they make go to other hosts.
pub fn busy(world: &World, service: &Service) -> Option<String> {
    let upgrade = match world.shift(service.id) {
        // Once it has taken over, the target runs what its own scale says.
        Some((upgrade, _, Side::Target)) if upgrade.phase == UpgradePhase::Upgraded => None,
        Some((upgrade, ..)) => Some(upgrade),
        None => world.upgrade(service.id),
    };
    let of = upgrade.and_then(|upgrade| world.service(upgrade.service));
    let name = &of.unwrap_or(service).name;
    match upgrade.map(|upgrade| upgrade.phase) {
        Some(UpgradePhase::Upgrading) => {
            return Some(format!(
                "{name} is being upgraded; finish that, cancel it or roll it back"
            ));
        }
        Some(UpgradePhase::RollingBack) => return Some(format!("{name} is being rolled back")),
        Some(
            UpgradePhase::Upgraded
            | UpgradePhase::Finishing
            | UpgradePhase::Canceling
            | UpgradePhase::Canceled,
        )
        | None => {}
    }
    service.restart.map(|_| format!("{} is being restarted", service.name))
}

/// Why a unit that serves waits while a batch of its service is down.
pub(crate) const OTHERS_DOWN: &str = "others of its service don't serve yet";

/// How many slots of a service may be down at a time because units leave their hosts: what its upgrades do by default, and no
/// more than the one does that is there.
pub(crate) fn batch(world: &World, service: &Service) -> usize {
    let shift = world.shift(service.id).map(|(upgrade, ..)| upgrade);
    let upgrade = world.upgrade(service.id).or(shift).map(|upgrade| upgrade.batch_size);
    let usual = service.upgrade_defaults.batch_size.unwrap_or(1);
    let batch = upgrade.map_or(usual, |batch| batch.min(usual)).max(1);
    usize::try_from(batch).unwrap_or(usize::MAX)
}

/// Whether a batch of a service is down without this slot, so that what serves in it is not to go.
pub(crate) fn is_batch_down(
    world: &World,
    service: &Service,
    slots: impl IntoIterator<Item = Slot>,
    slot: Slot,
) -> bool {
    let others = slots.into_iter().filter(|other| *other != slot);
    let down = others.filter(|other| !is_served(world, service.id, *other)).count();
    down >= batch(world, service)
}

fn look(world: &World, unit: &Unit) -> Left {
    let left =
        |held, why: Option<String>| Left { unit: unit.key, held, why: why.unwrap_or_default() };
    match (unit.desired, stays(world, unit)) {
        // A job ends by itself.
        (Desired::Running, Some(why)) => left(bound(world, unit).is_some(), Some(why)),
        (Desired::Stopped, Some(why)) => left(true, Some(why)),
        (Desired::Running, None) => moves(world, unit),
        (Desired::Draining | Desired::Staged | Desired::Stopped | Desired::Removed, _)
            if !world.is_connected(unit.host) =>
        {
            left(false, Some("the host is not connected".to_owned()))
        }
        (Desired::Stopped, None) => left(false, kept_for(world, unit)),
        (Desired::Draining | Desired::Staged | Desired::Removed, _) => left(false, None),
    }
}

/// How far one is that runs and may leave.
fn moves(world: &World, unit: &Unit) -> Left {
    let on_its_way = || Left { unit: unit.key, held: false, why: String::new() };
    let Some(service) = world.service(unit.key.service) else { return on_its_way() };
    if world.units_of(service.id).any(|other| replaces(other, unit)) {
        let why = "its replacement does not serve yet".to_owned();
        return Left { why, ..on_its_way() };
    }
    if let Some(why) = busy(world, service) {
        return Left { why, ..on_its_way() };
    }
    let held = world.units_of(service.id).filter(|unit| unit.desired != Desired::Removed);
    let slots: BTreeSet<Slot> = held.map(|unit| unit.key.slot).collect();
    if has_arrived(world, unit) && is_batch_down(world, service, slots, unit.key.slot) {
        return Left { why: OTHERS_DOWN.to_owned(), ..on_its_way() };
    }
    let Some(template) = world.template(service.id, unit.key.revision) else { return on_its_way() };
    let place = Need::of(world, service, unit.key.slot, template)
        .map_err(|bad| bad.to_string())
        .and_then(|need| place(world, &need, None).map_err(|none| none.to_string()));
    match place {
        Ok(_) => on_its_way(),
        Err(why) => Left { unit: unit.key, held: true, why },
    }
}

fn replaces(new: &Unit, old: &Unit) -> bool {
    let same = (new.key.slot, new.key.revision) == (old.key.slot, old.key.revision);
    same && new.key.incarnation > old.key.incarnation && new.desired != Desired::Removed
}

fn goes_last(unit: &Unit) -> bool {
    matches!(unit.key.slot, Slot::Host(_)) && unit.desired != Desired::Stopped
}

fn runs_once(world: &World, unit: &Unit) -> bool {
    let template = world.template(unit.key.service, unit.key.revision);
    template.is_some_and(|template| template.primary.is_start_once())
}

/// A job that was done, and is not being removed.
fn has_ended(world: &World, unit: &Unit) -> bool {
    runs_once(world, unit)
        && unit.desired != Desired::Removed
        && is_down(world, unit)
        && world.observed(unit.key).is_some_and(|seen| seen.phase == Phase::Completed)
}
