//! Failures of new containers and of what they are asked, against what is tolerated.

use super::new_units;
use crate::derive::ill;
use crate::schedule::container_name;
use crate::{Tally, Unit, Upgrade, World};

/// Failures of new containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleaseFailures {
    /// How many.
    pub count: u32,
    /// One of them, in words; empty without any.
    pub why: String,
    /// One is such that the next try can't go better: it wants more memory than it may have.
    pub is_hopeless: bool,
}

/// Failures of the containers it leads to.
pub fn release_failures(world: &World, upgrade: &Upgrade) -> ReleaseFailures {
    let mut all = ReleaseFailures::default();
    for unit in new_units(world, upgrade) {
        let one = unit_failures(world, unit, upgrade.policy.max_failures());
        all.count = all.count.saturating_add(one.count);
        if all.why.is_empty() || one.is_hopeless && !all.is_hopeless {
            all.why = one.why;
        }
        all.is_hopeless |= one.is_hopeless;
    }
    all
}

/// Verifications that failed in its new containers.
pub fn failed_probes(world: &World, upgrade: &Upgrade) -> u32 {
    let tallies = new_units(world, upgrade).into_iter().filter_map(|unit| tally(world, unit));
    tallies.fold(0, |sum, tally| sum.saturating_add(tally.failed))
}

/// What became of what a unit is asked; none before the first time.
pub(super) fn tally<'a>(world: &'a World, unit: &Unit) -> Option<&'a Tally> {
    let seen = world.observed(unit.key).filter(|seen| seen.generation == unit.generation)?;
    seen.verified.as_ref()
}

fn unit_failures(world: &World, unit: &Unit, tolerated: u32) -> ReleaseFailures {
    let name = container_name(world, unit.key, "");
    let host = world.host(unit.host).map_or("?", |host| host.shown_name());
    let seen = world.observed(unit.key);
    let seen = seen.filter(|seen| seen.generation == unit.generation && !world.is_lost(unit.host));
    let failed = seen.map(|seen| seen.failed.clone()).unwrap_or_default();
    let sick = ill(world, unit);
    let is_hopeless = failed.out_of_memory;
    let decisive = if is_hopeless { tolerated.saturating_add(1) } else { 0 };
    let count = failed.times.max(decisive).saturating_add(u32::from(sick.is_some()));
    let count = count.saturating_add(unit.replacements);
    let how = match &sick {
        Some(sick) => format!("is not healthy: {}", sick.why),
        None if failed.how.is_empty() => "was not healthy before it was replaced".to_owned(),
        None => failed.how,
    };
    let why = if count == 0 { String::new() } else { format!("{name} on {host} {how}") };
    ReleaseFailures { count, why, is_hopeless }
}

pub(super) fn too_many_failures(world: &World, upgrade: &Upgrade) -> Option<String> {
    let ReleaseFailures { count, why, is_hopeless } = release_failures(world, upgrade);
    let count = count.saturating_sub(upgrade.forgiven);
    let tolerated = upgrade.policy.max_failures();
    if count <= tolerated {
        return None;
    }
    if is_hopeless {
        return Some(format!(
            "{why}; it wants more memory than it may have, so it is not tried again"
        ));
    }
    let times = if count == 1 { "failure" } else { "failures" };
    Some(format!(
        "{why}; {count} {times} of new containers, {tolerated} are tolerated (max_failures)"
    ))
}

pub(super) fn probes_out_of_bounds(world: &World, upgrade: &Upgrade) -> Option<String> {
    let tolerated = upgrade.policy.verify.probe.as_ref()?.failures;
    let failed = failed_probes(world, upgrade).saturating_sub(upgrade.forgiven_probes);
    let tallies = new_units(world, upgrade).into_iter();
    let mut tallies = tallies.filter_map(|unit| Some((unit, tally(world, unit)?)));
    let (unit, tally) = tallies.find(|(_, tally)| tally.failed > 0 && failed > tolerated)?;
    let name = container_name(world, unit.key, "");
    let host = world.host(unit.host).map_or("?", |host| host.shown_name());
    Some(format!("{name} on {host} failed its verification: {}", tally.why))
}
