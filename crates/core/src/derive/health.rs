//! Which units are to be replaced because they are not healthy. Who checks them is the agents' doing; what their service
//! wants done is read here too.

use super::vote::is_outvoted;
use crate::{Desired, HealthStrategy, Phase, Time, Unit, World};

/// A unit that runs and isn't healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ill {
    /// Since when, as far as is known.
    pub since: Time,
    /// What its check says.
    pub why: String,
}

/// Whether a unit that shall run runs, and is not healthy: by its service's check or by its image's. A container that is
/// yet to pass for the first time is not, until the time it has for that is over; nor is one that only its own host finds ill.
pub fn ill(world: &World, unit: &Unit) -> Option<Ill> {
    let seen = world.observed(unit.key).filter(|seen| seen.generation == unit.generation)?;
    let runs = unit.desired == Desired::Running && seen.phase == Phase::Running;
    if !seen.is_unhealthy() || !runs || world.is_lost(unit.host) {
        return None;
    }
    if is_outvoted(world, unit) {
        return None;
    }
    let why = if seen.message.is_empty() { "its health check fails" } else { &seen.message };
    Some(Ill { since: seen.since, why: why.to_owned() })
}

/// What happens to a unit that isn't healthy, and how many others must be for
/// [`HealthStrategy::RecreateOnQuorum`] (1 if users say nothing). The primary's check decides for the whole unit, as in
/// Rancher.
pub fn health_strategy(world: &World, unit: &Unit) -> (HealthStrategy, usize) {
    let template = world.template(unit.key.service, unit.key.revision);
    let mut checks =
        template.into_iter().flat_map(|t| t.members()).filter_map(|(_, m)| m.health_check.as_ref());
    let first = checks.next(); // the primary's, if it has one
    let quorum = first.and_then(|check| check.quorum).unwrap_or(1);
    let strategy = first.map(|check| check.strategy).unwrap_or_default();
    (strategy, usize::try_from(quorum).unwrap_or(usize::MAX))
}
