//! What would come of changes that nobody has made yet: the planner at work on a copy of the world, with agents that obey
//! at once and new versions that serve. So it is the very rules that place, batch and drain which say it, and no second set.
//!
//! It says nothing of what containers will do: one that crashes is not foreseen.

mod warnings;

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{Note, plan};
use crate::schedule::container_name;
use crate::{
    Change, Desired, Followed, HostId, Observed, ObservedContainer, Phase, Refused, RevisionNo,
    Scope, ServiceId, Slot, Time, Unit, UnitKey, UpgradePhase, World, derive,
};

pub use warnings::{Warning, warnings};

/// Plans after which it is given up: an upgrade of thousands of slots, one by one, is told as far as it goes.
const MOST_PLANS: usize = 20_000;

/// What would happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// By service; those of which nothing changes are left out.
    pub services: BTreeMap<ServiceId, ServiceForecast>,
    /// Images that a host is not known to have, as they stand in specs.
    pub pulls: BTreeMap<HostId, BTreeSet<String>>,
    /// What would stand in the way, in words.
    pub obstacles: Vec<String>,
}

/// What would happen to one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceForecast {
    /// Units that would be made, in that order: where, and in whose place.
    pub made: Vec<Placement>,
    /// Containers of units that would be stopped and kept.
    pub stopped: Vec<String>,
    /// Containers of units that would be removed.
    pub removed: Vec<String>,
    /// Slots that serve now.
    pub serving_now: usize,
    /// The fewest that would serve at any time.
    pub serving_least: usize,
    /// Those that would serve in the end.
    pub serving_then: usize,
    /// How many steps it would take in which something is stopped or started: its batches, about.
    pub steps: usize,
}

/// A unit that would be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Its slot.
    pub slot: Slot,
    /// Name of its primary container.
    pub container: String,
    /// Where.
    pub host: HostId,
    /// The host of what is in the slot now.
    pub from: Option<HostId>,
    /// Its revision.
    pub revision: RevisionNo,
}

/// What would come of these changes; refused if they can't be made at all.
pub fn forecast(world: &World, changes: &[Change], now: Time) -> Result<Forecast, Refused> {
    let (after, _) = world.commit(changes)?;
    let mut scope = Scope::default();
    for change in changes {
        scope.merge(change.dirties(world));
    }
    let mut course =
        Course { world: after, now, notes: BTreeMap::new(), told: Forecast::default() };
    for service in scope.services.iter().copied() {
        let serving_now = serving(world, service);
        let told =
            ServiceForecast { serving_now, serving_least: serving_now, ..Default::default() };
        course.told.services.insert(service, told);
    }
    course.run(world, scope);
    Ok(course.told)
}

struct Course {
    world: World,
    now: Time,
    notes: BTreeMap<ServiceId, Vec<Note>>,
    told: Forecast,
}

impl Course {
    fn run(&mut self, before: &World, mut scope: Scope) {
        for _ in 0..MOST_PLANS {
            let planned = plan(&self.world, &scope, self.now);
            for service in &planned.looked_at {
                let notes = planned.notes.iter().filter(|note| note.service == *service).cloned();
                self.notes.insert(*service, notes.collect());
            }
            for change in &planned.changes {
                self.tell(before, change);
            }
            let Ok((next, _)) = self.world.commit(&planned.changes) else { break };
            let before = std::mem::replace(&mut self.world, next);
            let mut next: BTreeSet<ServiceId> = planned.waiting;
            let dirtied =
                planned.changes.iter().flat_map(|change| change.dirties(&before).services);
            next.extend(dirtied);
            let obeyed = self.obey();
            next.extend(obeyed.iter().copied());
            self.count(&planned.changes);
            if planned.changes.is_empty() && obeyed.is_empty() {
                match planned.wake_at {
                    Some(at) if at > self.now && self.moves() => self.now = at,
                    _ => break,
                }
            }
            scope = Scope { services: next, ..Scope::default() };
        }
        for (service, told) in &mut self.told.services {
            told.serving_then = serving(&self.world, *service);
            let notes = self.notes.get(service).into_iter().flatten().filter(|note| note.stuck);
            self.told.obstacles.extend(notes.map(|note| note.text.clone()));
        }
        self.told.services.retain(|_, told| {
            let same =
                told.serving_now == told.serving_then && told.serving_least == told.serving_now;
            !same || !told.made.is_empty() || !told.stopped.is_empty() || !told.removed.is_empty()
        });
    }

    /// Something goes on by itself: an upgrade, or a unit that drains.
    fn moves(&self) -> bool {
        let moves = |phase| match phase {
            UpgradePhase::Upgrading | UpgradePhase::Finishing | UpgradePhase::RollingBack => true,
            UpgradePhase::Upgraded | UpgradePhase::Canceling | UpgradePhase::Canceled => false,
        };
        self.told.services.keys().any(|service| {
            self.world.upgrade(*service).is_some_and(|upgrade| moves(upgrade.phase))
                || self.world.service(*service).is_some_and(|held| held.restart.is_some())
                || self.world.units_of(*service).any(|unit| unit.desired == Desired::Draining)
        })
    }

    fn tell(&mut self, before: &World, change: &Change) {
        if let Change::CreateUnit(unit) = change {
            self.tell_made(before, unit);
        } else if let Change::SetDesired { unit, desired, .. } = change
            && before.unit(*unit).is_some()
        {
            // What is made on the way and goes again concerns nobody.
            let name = container_name(before, *unit, "");
            let Some(told) = self.told.services.get_mut(&unit.service) else { return };
            match desired {
                Desired::Stopped => told.stopped.push(name),
                Desired::Removed => told.removed.push(name),
                Desired::Running | Desired::Draining | Desired::Staged => {}
            }
        }
    }

    fn tell_made(&mut self, before: &World, unit: &Unit) {
        let in_slot = before.units_of(unit.key.service).filter(|u| u.key.slot == unit.key.slot);
        let from = in_slot.filter(|u| u.desired == Desired::Running).map(|u| u.host).next();
        let container = container_name(&self.world, unit.key, "");
        let Some(told) = self.told.services.get_mut(&unit.key.service) else { return };
        told.made.push(Placement {
            slot: unit.key.slot,
            container,
            host: unit.host,
            from,
            revision: unit.key.revision,
        });
        self.pulls(before, unit);
    }

    /// Images of a unit that no container on its host was made of yet.
    fn pulls(&mut self, before: &World, unit: &Unit) {
        let Some(template) = self.world.template(unit.key.service, unit.key.revision) else {
            return;
        };
        for (_, spec) in template.members().filter(|(_, spec)| !spec.image.is_empty()) {
            let has = before.units_on(unit.host).any(|held| {
                let seen = before.observed(held.key);
                let template = before.template(held.key.service, held.key.revision);
                template.into_iter().flat_map(|template| template.members()).any(
                    |(member, other)| {
                        let was_made = seen.and_then(|seen| seen.containers.get(member));
                        other.image == spec.image
                            && was_made.is_some_and(|c| !c.docker_id.is_empty())
                    },
                )
            });
            if !has {
                self.told.pulls.entry(unit.host).or_default().insert(spec.image.clone());
            }
        }
    }

    /// Agents do what they are asked, balancers and names follow at once. The services of which that changed anything.
    fn obey(&mut self) -> BTreeSet<ServiceId> {
        let services: Vec<ServiceId> = self.told.services.keys().copied().collect();
        let units = services.iter().flat_map(|service| self.world.units_of(*service)).cloned();
        let units: Vec<Unit> = units.collect();
        let mut changed = BTreeSet::new();
        for unit in units {
            let held = self.world.observed(unit.key);
            let is_old = held.is_none_or(|seen| seen.generation != unit.generation);
            if !is_old || !self.world.is_connected(unit.host) {
                continue;
            }
            let seen = obeyed(&self.world, &unit, held);
            let report = BTreeMap::from([(unit.key, seen)]);
            self.world.observe(unit.host, &report, self.now);
            changed.insert(unit.key.service);
        }
        for (host, unit) in self.followers() {
            let followed = Followed { routing: u64::MAX, ..Followed::default() };
            let balancers = unit.map(|unit| (unit, followed.clone()));
            self.world.follow(host, &balancers.into_iter().collect(), Some(&followed));
        }
        changed
    }

    /// Whoever has to let go of units that drain: every host's names, and every balancer.
    fn followers(&self) -> Vec<(HostId, Option<UnitKey>)> {
        let drains = self.told.services.keys().any(|service| {
            self.world.units_of(*service).any(|unit| unit.desired == Desired::Draining)
        });
        if !drains {
            return Vec::new();
        }
        let projects = self.world.projects.keys();
        let balancers = projects.flat_map(|project| self.world.balancers(*project));
        let units = balancers.flat_map(|service| self.world.units_of(service));
        let units = units.map(|unit| (unit.host, Some(unit.key)));
        units.chain(self.world.hosts.keys().map(|host| (*host, None))).collect()
    }

    /// How many serve after a plan was obeyed.
    fn count(&mut self, changes: &[Change]) {
        let mut moved = BTreeSet::new();
        for change in changes {
            if let Change::CreateUnit(unit) = change {
                moved.insert(unit.key.service);
            } else if let Change::SetDesired { unit, desired, .. } = change
                && matches!(desired, Desired::Running | Desired::Stopped)
            {
                moved.insert(unit.service);
            }
        }
        for (service, told) in &mut self.told.services {
            told.steps += usize::from(moved.contains(service));
            if told.serving_now > 0 {
                told.serving_least = told.serving_least.min(serving(&self.world, *service));
            }
        }
    }
}

/// What the agent of a unit that does as it is told would say.
fn obeyed(world: &World, unit: &Unit, held: Option<&Observed>) -> Observed {
    let template = world.template(unit.key.service, unit.key.revision);
    let once = template.is_some_and(|template| template.primary.is_start_once());
    let phase = match unit.desired {
        Desired::Running if once => Phase::Completed,
        Desired::Running | Desired::Draining => Phase::Running,
        Desired::Stopped | Desired::Staged => Phase::Stopped,
        Desired::Removed => Phase::Gone,
    };
    let runs = phase == Phase::Running;
    let member = |name: &str| {
        let container =
            ObservedContainer { docker_id: "made".to_owned(), running: runs, ..Default::default() };
        (name.to_owned(), container)
    };
    Observed {
        generation: unit.generation,
        tick: held.map_or(1, |held| held.tick + 1),
        phase,
        ready: runs,
        containers: template
            .iter()
            .flat_map(|t| t.members())
            .map(|(name, _)| member(name))
            .collect(),
        ..Observed::default()
    }
}

/// Slots of a service that serve.
fn serving(world: &World, service: ServiceId) -> usize {
    let units = world.units_of(service).filter(|unit| {
        unit.desired == Desired::Running && derive::has_arrived(world, unit)
            || unit.desired == Desired::Draining && derive::is_up(world, unit)
    });
    units.map(|unit| unit.key.slot).collect::<BTreeSet<Slot>>().len()
}
