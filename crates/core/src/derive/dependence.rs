//! What a service still waits for before it starts, or moves, of those it depends on.

use std::collections::BTreeSet;

use super::{ServiceHealth, shown_scale, status};
use crate::schedule::container_name;
use crate::{
    Condition, DependsOn, Desired, Phase, Service, ServiceId, Slot, Unit, UpgradePhase, Wanted,
    World,
};

/// For a job that did not end well.
const RUN_AGAIN: &str = "; correct it and upgrade it, or stop and start it to run it again";

/// Something that is not so yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// What is waited for, after "when": `db is healthy: 1 of 2 containers are`.
    pub words: String,
    /// It will not come about by itself: someone has to act.
    pub stuck: bool,
    /// What that someone can do for the other to start again; empty where the words say it.
    pub advice: &'static str,
}

/// The first thing that a service waits for before it starts. Nothing once it has started: what it needed then may fail
/// without taking it along. Nor while an upgrade between services moves its units, or gives it some.
pub fn unmet(world: &World, service: &Service) -> Option<Unmet> {
    if has_started(world, service) || world.shift(service.id).is_some() {
        return None;
    }
    service.depends_on.iter().find_map(|needed| unmet_of(world, *needed))
}

/// What a service waits for of another one, whether it runs or not.
pub fn unmet_between(world: &World, service: ServiceId, needed: ServiceId) -> Option<Unmet> {
    let service = world.service(service)?;
    let mut all = service.depends_on.iter().filter(|held| held.service == needed);
    all.find_map(|held| unmet_of(world, *held))
}

/// Whether it has units that run, or are about to, or never has come to rest with those it has: only what was stopped, or has
/// none yet, starts.
fn has_started(world: &World, service: &Service) -> bool {
    let counts = |unit: &Unit| match unit.desired {
        Desired::Running | Desired::Draining | Desired::Staged => true,
        Desired::Stopped => service.settled.is_none(),
        Desired::Removed => false,
    };
    service.settled == Some(Wanted::Active) || world.units_of(service.id).any(counts)
}

/// One that is gone, or has no containers, keeps nobody waiting.
fn unmet_of(world: &World, DependsOn { service, condition }: DependsOn) -> Option<Unmet> {
    let needed = world.service(service).filter(|held| held.wanted != Wanted::Removed)?;
    if !needed.kind.has_units() {
        return None;
    }
    match condition {
        Condition::ServiceStarted => None,
        Condition::ServiceHealthy => unhealthy(world, needed),
        Condition::ServiceCompletedSuccessfully => incomplete(world, needed),
    }
}

fn unhealthy(world: &World, needed: &Service) -> Option<Unmet> {
    let name = &needed.name;
    if needed.wanted == Wanted::Inactive {
        return Some(stopped(needed, "is healthy"));
    }
    let status = status(world, needed);
    let well = matches!(status.health, ServiceHealth::Healthy | ServiceHealth::StartedOnce);
    if well && needed.settled == Some(Wanted::Active) {
        return None;
    }
    let (healthy, all) = (status.healthy + status.started_once, status.expected);
    let words = format!("{name} is healthy: {} of {all} containers are", healthy.min(all));
    Some(Unmet { words, stuck: false, advice: "" })
}

fn incomplete(world: &World, needed: &Service) -> Option<Unmet> {
    let name = &needed.name;
    let once = world.current_template(needed).is_some_and(|held| held.primary.is_start_once());
    if !once {
        let words = format!(
            "{name} has ended with exit code 0, which it never will: it is run again whenever it ends. Give it the label \
             io.rancher.container.start_once: \"true\""
        );
        return Some(Unmet { words, stuck: true, advice: "" });
    }
    if needed.wanted == Wanted::Inactive {
        return Some(stopped(needed, "has ended with exit code 0"));
    }
    let units: Vec<&Unit> = world
        .units_of(needed.id)
        .filter(|unit| unit.key.revision == needed.current && unit.desired == Desired::Running)
        .collect();
    let open = units.iter().find_map(|unit| unfinished(world, unit));
    let is_moving = world.upgrade(needed.id).is_some_and(|upgrade| {
        matches!(upgrade.phase, UpgradePhase::Upgrading | UpgradePhase::RollingBack)
    });
    let is_global = world.current_template(needed).is_some_and(|held| held.primary.is_global());
    let slots: BTreeSet<Slot> = units.iter().map(|unit| unit.key.slot).collect();
    let scale = usize::try_from(shown_scale(world, needed)).unwrap_or(usize::MAX);
    let has_begun = !is_moving && (is_global || slots.len() >= scale);
    if open.is_none() && has_begun && needed.settled == Some(Wanted::Active) {
        return None;
    }
    let (why, stuck) = open.unwrap_or_else(|| ("not all of it has begun".to_owned(), false));
    let advice = if stuck { RUN_AGAIN } else { "" };
    Some(Unmet { words: format!("{name} has ended with exit code 0: {why}"), stuck, advice })
}

fn stopped(needed: &Service, what: &str) -> Unmet {
    let name = &needed.name;
    let words = format!("{name} {what}, and {name} is stopped: start it");
    Unmet { words, stuck: true, advice: "" }
}

/// Why a unit that is to run once has not ended well, and whether somebody has to act; `None` if it has.
fn unfinished(world: &World, unit: &Unit) -> Option<(String, bool)> {
    let name = container_name(world, unit.key, "");
    let seen = world.observed(unit.key).filter(|seen| seen.generation == unit.generation);
    let phase = seen.map(|seen| seen.phase);
    let Some(seen) = seen.filter(|seen| seen.phase == Phase::Completed) else {
        let what = if phase == Some(Phase::Running) { "runs" } else { "has not begun" };
        return Some((format!("{name} {what}"), false));
    };
    let code =
        seen.containers.values().filter_map(|held| held.exit_code).find(|code| *code != 0)?;
    Some((format!("{name} ended with {code}"), true))
}
