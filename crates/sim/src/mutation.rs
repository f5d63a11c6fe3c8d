//! Safety rules that can be taken out, to prove that the checker would notice: a checker that nothing can
//! offend proves nothing.
//!
//! The product's code has no switches for this. A rule is removed at a seam of the simulation: what the planner
//! is shown, what becomes of its plan, what an agent or the database accepts.

use std::collections::BTreeMap;
use std::sync::Arc;

use drover_core::plan::Plan;
use drover_core::{
    Change, Course, Desired, Failed, Followed, Health, Move, Observed, Phase, Service, ServiceId,
    Template, Time, Unit, UnitKey, Upgrade, UpgradePhase, World,
};

/// A rule to do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mutation {
    /// Plans made from an old snapshot are committed all the same.
    NoCompareAndSet,
    /// Late and repeated reports overwrite newer ones.
    ReportsWithoutClock,
    /// Agents take an older assignment over a newer one.
    OldAssignments,
    /// An observation counts whatever generation it was made under.
    AnyGeneration,
    /// The planner thinks that what runs is ready.
    RunningIsReady,
    /// The planner thinks that an upgrade's batch is unlimited.
    NoBatchLimit,
    /// The planner forgets the pause between batches.
    NoInterval,
    /// Start-first upgrades are planned stop-first.
    NoStartFirst,
    /// The planner thinks that the target of an upgrade between services serves as soon as anything is seen of it.
    ShiftUngated,
    /// The planner doesn't know which ports are published.
    PortsUnknown,
    /// The planner doesn't know where data lies.
    VolumesUnknown,
    /// Units are forgotten before their containers are known to be gone.
    ForgetEarly,
    /// Old units are removed by the upgrade instead of kept.
    NothingKept,
    /// A host is given up the moment it is away.
    NoGrace,
    /// Whoever leaves a host that is to be emptied does so without waiting until another serves.
    LeaveEarly,
    /// All of a service leave such a host at once.
    LeaveTogether,
    /// All units that are to stand elsewhere for balance are made there at once.
    MoveTogether,
    /// Units are stopped without draining.
    NoDrain,
    /// The planner thinks that every balancer has acknowledged.
    Unacknowledged,
    /// The planner thinks that no request is in flight.
    NothingInFlight,
    /// What must never run twice is replaced like anything else.
    NoFence,
    /// The planner asks nobody but a unit's own host how it is.
    NoVote,
    /// The planner thinks that a unit is ill which another host can't reach.
    AnybodyFails,
    /// An upgrade that ends by itself does so whether its slots serve or not.
    ConfirmUnserved,
    /// The planner judges what it found good again and again.
    JudgeForever,
    /// The planner doesn't know what a service waits for before it starts.
    StartEarly,
    /// What balancers acknowledge is no news for the planner.
    AcknowledgementsUnheard,
    /// That a host is lost is no news for those that take over what it looked at.
    LossUntold,
    /// How a unit does is no news for name services.
    NamesUntold,
}

impl Mutation {
    /// All of them.
    pub fn all() -> &'static [Self] {
        clap::ValueEnum::value_variants()
    }

    /// Whether it is about who is told of a step, which is looked at in some seeds only.
    pub fn is_about_news(self) -> bool {
        matches!(self, Self::AcknowledgementsUnheard | Self::LossUntold | Self::NamesUntold)
    }

    /// The snapshot as a planner without the rule would see it.
    pub fn shown(self, world: &World) -> World {
        let mut world = world.clone();
        match self {
            Self::AnyGeneration => {
                each_observed(&mut world, |unit, seen| seen.generation = unit.generation);
            }
            Self::RunningIsReady => {
                each_observed(&mut world, |_, seen| seen.ready = seen.phase == Phase::Running);
            }
            Self::NoBatchLimit => each_upgrade(&mut world, |u| u.batch_size = 1_000),
            Self::NoInterval => each_upgrade(&mut world, |u| u.interval_ms = 0),
            Self::NoStartFirst => each_upgrade(&mut world, |u| {
                if let Course::InService { start_first, .. } = &mut u.course {
                    *start_first = false;
                }
            }),
            Self::ShiftUngated => {
                let targets: Vec<ServiceId> = world
                    .upgrades
                    .values()
                    .filter_map(|upgrade| Some(upgrade.shift()?.to_service))
                    .collect();
                each_observed(&mut world, |unit, seen| {
                    if unit.desired == Desired::Running && targets.contains(&unit.key.service) {
                        (seen.phase, seen.generation, seen.ready) =
                            (Phase::Running, unit.generation, true);
                    }
                });
            }
            Self::PortsUnknown => each_template(&mut world, |t| t.primary.ports.clear()),
            Self::VolumesUnknown => world.volumes.clear(),
            Self::ForgetEarly => each_observed(&mut world, |unit, seen| {
                if unit.desired == Desired::Removed {
                    (seen.phase, seen.generation, seen.ready) =
                        (Phase::Gone, unit.generation, false);
                }
            }),
            Self::NoGrace => {
                let seen = world.seen.iter().map(|(id, seen)| {
                    let mut seen = (**seen).clone();
                    seen.since = Time(0);
                    (*id, Arc::new(seen))
                });
                world.seen = seen.collect();
            }
            Self::LeaveEarly => replaced_serve(&mut world),
            Self::LeaveTogether => {
                each_service(&mut world, |s| s.upgrade_defaults.batch_size = Some(1_000));
            }
            Self::StartEarly => {
                each_service(&mut world, |service| service.depends_on.clear());
            }
            Self::NoDrain => {
                each_template(&mut world, |t| t.primary.drain_timeout_ms = Some(0));
            }
            Self::Unacknowledged => each_followed(&mut world, |followed| {
                followed.routing = u64::MAX;
            }),
            Self::NothingInFlight => {
                each_followed(&mut world, |followed| followed.in_flight.clear());
            }
            Self::ConfirmUnserved => {
                let moved = world.upgrades.values();
                let moved = moved.filter(|upgrade| upgrade.phase == UpgradePhase::Upgraded);
                let moved: Vec<ServiceId> = moved.map(|upgrade| upgrade.service).collect();
                each_observed(&mut world, |unit, seen| {
                    if unit.desired == Desired::Running && moved.contains(&unit.key.service) {
                        (seen.phase, seen.generation, seen.ready) =
                            (Phase::Running, unit.generation, true);
                        (seen.failed, seen.containers) = (Failed::default(), BTreeMap::new());
                    }
                });
            }
            Self::JudgeForever => each_upgrade(&mut world, |u| u.approved = None),
            Self::NoFence => each_template(&mut world, |t| t.primary.on_host_loss = None),
            Self::NoVote => world.witnessed.clear(),
            Self::AnybodyFails => {
                let said = world.witnessed.values().flat_map(|said| &said.verdicts);
                let failing = said.filter(|(_, verdict)| verdict.down.is_some());
                let failing: Vec<UnitKey> = failing.map(|(unit, _)| *unit).collect();
                each_observed(&mut world, |unit, seen| {
                    if failing.contains(&unit.key) {
                        let held = seen.containers.values_mut();
                        held.for_each(|container| container.health = Health::Unhealthy);
                    }
                });
            }
            Self::NoCompareAndSet
            | Self::ReportsWithoutClock
            | Self::OldAssignments
            | Self::MoveTogether
            | Self::AcknowledgementsUnheard
            | Self::LossUntold
            | Self::NamesUntold
            | Self::NothingKept => {}
        }
        world
    }

    /// The plan as a planner without the rule would have made it.
    pub fn planned(self, world: &World, mut plan: Plan) -> Plan {
        if self == Self::MoveTogether {
            move_together(world, &mut plan);
        }
        if self != Self::NothingKept {
            return plan;
        }
        for change in &mut plan.changes {
            if let Change::SetDesired { unit, desired, .. } = change
                && *desired == Desired::Stopped
                && world.upgrade(unit.service).is_some_and(|u| u.phase == UpgradePhase::Upgrading)
            {
                *desired = Desired::Removed;
            }
        }
        plan
    }
}

/// Begin every move that was asked for and has not begun.
fn move_together(world: &World, plan: &mut Plan) {
    let Ok((mut next, _)) = world.commit(&plan.changes) else { return };
    let moves = world.services.values().filter_map(|service| service.rebalance.as_ref());
    let moves: Vec<Move> = moves.flat_map(|rebalance| rebalance.moves.clone()).collect();
    for held in moves {
        let Some(old) = next.unit(held.unit).cloned() else { continue };
        let same = |unit: &Unit| {
            (unit.key.slot, unit.key.revision) == (held.unit.slot, held.unit.revision)
        };
        let alone = next.units_of(held.unit.service).filter(|unit| same(unit)).count() == 1;
        if old.desired != Desired::Running || !alone {
            continue;
        }
        let key = UnitKey { incarnation: old.key.incarnation + 1, ..old.key };
        let made = Unit { key, host: held.to, serial: next.next_id, ..old };
        let change = Change::CreateUnit(made);
        if let Ok((after, _)) = next.commit(std::slice::from_ref(&change)) {
            next = after;
            plan.changes.push(change);
        }
    }
}

fn each_observed(world: &mut World, edit: impl Fn(&Unit, &mut Observed)) {
    let observed = world.observed.iter().map(|(key, seen)| {
        let mut seen = (**seen).clone();
        if let Some(unit) = world.unit(*key) {
            edit(unit, &mut seen);
        }
        (*key, Arc::new(seen))
    });
    world.observed = observed.collect();
}

/// What was begun in place of a unit that still runs is seen serving.
fn replaced_serve(world: &mut World) {
    let begun: Vec<Unit> = world.units.values().map(|unit| (**unit).clone()).collect();
    let begun = begun.into_iter().filter(|unit| {
        unit.desired == Desired::Running
            && world.units_of(unit.key.service).any(|old| {
                (old.key.slot, old.key.revision) == (unit.key.slot, unit.key.revision)
                    && old.key.incarnation < unit.key.incarnation
                    && old.desired == Desired::Running
            })
    });
    let serving = begun.map(|unit| {
        let seen = Observed {
            generation: unit.generation,
            tick: 0,
            phase: Phase::Running,
            ready: true,
            since: Time(0),
            ..Observed::default()
        };
        (unit.key, Arc::new(seen))
    });
    let serving: Vec<_> = serving.collect();
    world.observed.extend(serving);
}

fn each_service(world: &mut World, edit: impl Fn(&mut Service)) {
    let services = world.services.iter().map(|(id, service)| {
        let mut service = (**service).clone();
        edit(&mut service);
        (*id, Arc::new(service))
    });
    world.services = services.collect();
}

fn each_upgrade(world: &mut World, edit: impl Fn(&mut Upgrade)) {
    let upgrades = world.upgrades.iter().map(|(id, upgrade)| {
        let mut upgrade = (**upgrade).clone();
        edit(&mut upgrade);
        (*id, Arc::new(upgrade))
    });
    world.upgrades = upgrades.collect();
}

/// What was followed; and by those that said nothing yet, as if they had.
fn each_followed(world: &mut World, edit: impl Fn(&mut Followed)) {
    let units = world.units.keys().map(|key| {
        let held = world.balancers_followed.get(key);
        let mut followed = held.map(|held| (**held).clone()).unwrap_or_default();
        edit(&mut followed);
        (*key, Arc::new(followed))
    });
    world.balancers_followed = units.collect();
}

fn each_template(world: &mut World, edit: impl Fn(&mut Template)) {
    let revisions = world.revisions.iter().map(|(key, revision)| {
        let mut revision = (**revision).clone();
        let mut template = (*revision.template).clone();
        edit(&mut template);
        revision.template = Arc::new(template);
        (*key, Arc::new(revision))
    });
    world.revisions = revisions.collect();
}

impl std::fmt::Display for Mutation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = clap::ValueEnum::to_possible_value(self);
        f.write_str(name.as_ref().map_or("?", |name| name.get_name()))
    }
}
