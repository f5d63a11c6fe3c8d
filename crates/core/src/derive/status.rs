//! How a service does, in numbers and in one word. Rules from Rancher: healthy when as many containers as
//! expected are, sidekicks included.
//!
//! Not what it waits for: that is the planner's notes.

use std::collections::BTreeSet;

use super::shown_scale;
use crate::{
    ContainerSpec, Desired, Health, Observed, Phase, Service, Slot, Stack, Unit, Wanted, World,
};

/// How a service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    /// Containers it should have.
    pub expected: usize,
    /// Of these, those that run and aren't failing or too young to tell.
    pub healthy: usize,
    /// Those that run and are too young to tell.
    pub initializing: usize,
    /// Those that ran once and were meant to.
    pub started_once: usize,
    /// Slots with a unit that is up, ready or not; also of those that are to go, until their containers have stopped.
    pub slots_up: usize,
    /// All of it in one word.
    pub health: ServiceHealth,
}

/// The word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceHealth {
    /// As many as expected are healthy.
    Healthy,
    /// Some are.
    Degraded,
    /// None is.
    Unhealthy,
    /// Not enough are, but some may yet be.
    Initializing,
    /// All ran once, as they were meant to.
    StartedOnce,
}

/// How a service does.
pub fn status(world: &World, service: &Service) -> ServiceStatus {
    let mut status = ServiceStatus {
        expected: expected(world, service),
        healthy: 0,
        initializing: 0,
        started_once: 0,
        slots_up: 0,
        health: ServiceHealth::Healthy,
    };
    if !service.kind.has_units() {
        return status;
    }
    let up = world.units_of(service.id).filter(|unit| is_up(world, unit));
    status.slots_up = up.map(|unit| unit.key.slot).collect::<BTreeSet<Slot>>().len();
    for unit in filling(world, service).filter(|unit| unit.desired == Desired::Running) {
        let Some(seen) = world.observed(unit.key) else { continue };
        if seen.generation != unit.generation || world.is_lost(unit.host) {
            continue;
        }
        let Some(template) = world.template(service.id, unit.key.revision) else { continue };
        for (member, spec) in template.members() {
            match container(seen, member, spec) {
                Some(ServiceHealth::Healthy) => status.healthy += 1,
                Some(ServiceHealth::Initializing) => status.initializing += 1,
                Some(ServiceHealth::StartedOnce) => status.started_once += 1,
                Some(ServiceHealth::Degraded | ServiceHealth::Unhealthy) | None => {}
            }
        }
    }
    status.health = word(&status);
    status
}

/// The units that fill a service's slots now: neither being removed nor kept for a rollback.
pub fn filling<'a>(world: &'a World, service: &'a Service) -> impl Iterator<Item = &'a Unit> {
    world.units_of(service.id).filter(|unit| match unit.desired {
        Desired::Running | Desired::Draining => true,
        Desired::Stopped => {
            service.wanted == Wanted::Inactive && unit.key.revision == service.current
        }
        Desired::Staged | Desired::Removed => false,
    })
}

/// Whether it has containers that run, or has done what it was started for.
fn is_up(world: &World, unit: &Unit) -> bool {
    let Some(seen) = world.observed(unit.key).filter(|_| !world.is_lost(unit.host)) else {
        return false;
    };
    match seen.phase {
        Phase::Running | Phase::Stopping => true,
        Phase::Completed => unit.desired == Desired::Running,
        Phase::Pending
        | Phase::Pulling
        | Phase::Starting
        | Phase::BackOff
        | Phase::Stopped
        | Phase::Gone => false,
    }
}

/// How a stack does: healthy if all its services are; none at all is healthy too.
pub fn stack_health(world: &World, stack: &Stack) -> ServiceHealth {
    let living = world.services_in(stack.id).filter(|service| service.removed_at.is_none());
    let words: Vec<ServiceHealth> = living
        .map(|service| match service.wanted {
            Wanted::Active => status(world, service).health,
            Wanted::Inactive | Wanted::Removed => ServiceHealth::Unhealthy,
        })
        .collect();
    let is = |word| move |held: &ServiceHealth| *held == word;
    let good =
        |word: &ServiceHealth| matches!(word, ServiceHealth::Healthy | ServiceHealth::StartedOnce);
    if !words.is_empty() && words.iter().all(is(ServiceHealth::StartedOnce)) {
        ServiceHealth::StartedOnce
    } else if words.iter().all(good) {
        ServiceHealth::Healthy
    } else if words.iter().any(is(ServiceHealth::Initializing)) {
        ServiceHealth::Initializing
    } else if words.iter().any(|word| good(word) || *word == ServiceHealth::Degraded) {
        ServiceHealth::Degraded
    } else {
        ServiceHealth::Unhealthy
    }
}

fn expected(world: &World, service: &Service) -> usize {
    let Some(template) = world.current_template(service) else { return 0 };
    let slots = if template.primary.is_global() {
        let running = filling(world, service).filter(|unit| unit.desired == Desired::Running);
        running.map(|unit| unit.key.slot).collect::<BTreeSet<_>>().len()
    } else {
        usize::try_from(shown_scale(world, service)).unwrap_or(usize::MAX)
    };
    slots.saturating_mul(template.len())
}

fn container(seen: &Observed, member: &str, spec: &ContainerSpec) -> Option<ServiceHealth> {
    let held = seen.containers.get(member)?;
    if !held.running {
        let ran = spec.is_start_once() && held.starts > 0;
        return ran.then_some(ServiceHealth::StartedOnce);
    }
    match held.health {
        Health::Starting => Some(ServiceHealth::Initializing),
        Health::Unhealthy => Some(ServiceHealth::Unhealthy),
        // Without a check the unit's readiness speaks for its primary; a running sidekick is a good one.
        Health::None if member.is_empty() && !seen.ready => Some(ServiceHealth::Initializing),
        Health::None | Health::Healthy => Some(ServiceHealth::Healthy),
    }
}

/// The first that holds.
fn word(status: &ServiceStatus) -> ServiceHealth {
    if status.started_once > 0 && status.started_once >= status.expected {
        ServiceHealth::StartedOnce
    } else if status.healthy + status.started_once >= status.expected {
        ServiceHealth::Healthy
    } else if status.initializing > 0 {
        ServiceHealth::Initializing
    } else if status.healthy > 0 {
        ServiceHealth::Degraded
    } else {
        ServiceHealth::Unhealthy
    }
}

#[cfg(test)]
mod tests {
    use super::ServiceHealth as H;
    use super::*;

    #[test]
    fn the_first_rule_that_holds_gives_the_word() {
        for ((expected, healthy, initializing, started_once), want) in [
            ((0, 0, 0, 0), H::Healthy),
            ((2, 2, 0, 0), H::Healthy),
            ((2, 3, 1, 0), H::Healthy),
            ((2, 1, 0, 1), H::Healthy),
            ((2, 0, 0, 2), H::StartedOnce),
            ((2, 1, 1, 0), H::Initializing),
            ((2, 1, 0, 0), H::Degraded),
            ((2, 0, 0, 1), H::Unhealthy),
            ((2, 0, 0, 0), H::Unhealthy),
        ] {
            let status = ServiceStatus {
                expected,
                healthy,
                initializing,
                started_once,
                slots_up: 0,
                health: H::Unhealthy,
            };
            assert_eq!(word(&status), want, "{status:?}");
        }
    }

    #[test]
    fn a_container_is_judged_by_its_check_or_else_by_readiness() {
        use crate::ObservedContainer;
        let check = |health, running, starts, ready, once: bool, want| {
            let mut spec = ContainerSpec::default();
            if once {
                spec.labels.insert(crate::label::START_ONCE.into(), "true".into());
            }
            let held = ObservedContainer { running, starts, health, ..Default::default() };
            let seen = Observed {
                generation: 1,
                tick: 1,
                phase: Phase::Running,
                ready,
                containers: [(String::new(), held)].into(),
                since: crate::Time(0),
                ..Observed::default()
            };
            assert_eq!(container(&seen, "", &spec), want);
        };
        check(Health::None, true, 1, true, false, Some(H::Healthy));
        check(Health::None, true, 1, false, false, Some(H::Initializing));
        check(Health::Starting, true, 1, false, false, Some(H::Initializing));
        check(Health::Unhealthy, true, 1, true, false, Some(H::Unhealthy));
        check(Health::None, false, 1, false, false, None);
        check(Health::None, false, 1, false, true, Some(H::StartedOnce));
        check(Health::None, false, 0, false, true, None);
    }
}
