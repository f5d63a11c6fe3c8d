//! How a unit is when several hosts have looked at it: its own, and up to two others.
//!
//! Its own host's word decides, unless more hosts say otherwise than agree with it. An own host that finds it well is always
//! believed: it is the nearest, and what the others miss is then the way to it, which no replacement would mend. One that
//! does not is outvoted where two others find it well: what they pass is no broken container. With one other it stands
//! one against one, and the own host's word decides, as it does where nobody else has a say.

use super::discovery::owner;
use crate::{
    Desired, Health, HealthCheck, HostId, NetworkMode, ObservedContainer, Phase, Unit, Verdict,
    Watched, World,
};

/// What all that have a say find of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Whether its own host finds it well.
    pub own: bool,
    /// Others that do.
    pub well: Vec<HostId>,
    /// Others that don't, and why.
    pub failing: Vec<(HostId, String)>,
}

impl Vote {
    /// Whether its own host finds it ill, and most of all that were asked find it well.
    pub fn is_outvoted(&self) -> bool {
        !self.own && self.well.len() > self.failing.len() + 1
    }
}

/// What others are to probe of a unit: the first of its members that has a health check, the primary's before others', once its
/// own host has found it well or ill. `None` where there is nothing, or where others can't reach it.
pub fn watched(world: &World, unit: &Unit) -> Option<Watched> {
    let (held, check, address) = subject(world, unit)?;
    let is_judged = matches!(held.health, Health::Healthy | Health::Unhealthy);
    is_judged.then(|| Watched {
        generation: unit.generation,
        starts: held.starts,
        address: address.to_owned(),
        check: check.clone(),
    })
}

/// What is found of a unit; `None` where its own host can't say, or nobody else has a say: not those whose agents are
/// away, and not what was found of an earlier run.
pub fn vote(world: &World, unit: &Unit) -> Option<Vote> {
    let (held, ..) = subject(world, unit)?;
    let own = match held.health {
        Health::Healthy => true,
        // What Docker checks, inside the container, others can't judge.
        Health::Unhealthy if held.probed && is_the_only_one(world, unit) => false,
        Health::Unhealthy | Health::None | Health::Starting => return None,
    };
    let watched = watched(world, unit)?;
    let mut vote = Vote { own, well: Vec::new(), failing: Vec::new() };
    let mut witnesses = world.witnesses_of(unit.host);
    witnesses.sort_unstable();
    if !own {
        let earlier = earlier(world, unit, &watched, &witnesses);
        witnesses.extend(earlier);
    }
    for witness in witnesses {
        match verdict(world, witness, unit).filter(|verdict| verdict.is_of(&watched)) {
            Some(Verdict { down: None, .. }) => vote.well.push(witness),
            Some(Verdict { down: Some(why), .. }) => vote.failing.push((witness, why.clone())),
            None => {}
        }
    }
    (!vote.well.is_empty() || !vote.failing.is_empty()).then_some(vote)
}

/// Hosts that looked at a unit until a moment ago, in the place of those that are to now and have not yet: who looks changes
/// when a host comes or goes, and the container is as it was.
fn earlier(world: &World, unit: &Unit, watched: &Watched, witnesses: &[HostId]) -> Vec<HostId> {
    let says =
        |host: HostId| verdict(world, host, unit).is_some_and(|verdict| verdict.is_of(watched));
    let silent = witnesses.iter().filter(|host| !says(**host)).count();
    let others = world.witnessed.keys().copied();
    others.filter(|host| !witnesses.contains(host) && says(*host)).take(silent).collect()
}

/// Whether a unit's own host finds it ill, and is outvoted.
pub fn is_outvoted(world: &World, unit: &Unit) -> bool {
    vote(world, unit).is_some_and(|vote| vote.is_outvoted())
}

/// What a host that can be asked says of a unit, of whatever run.
pub(crate) fn verdict<'a>(world: &'a World, witness: HostId, unit: &Unit) -> Option<&'a Verdict> {
    let said = world.witnessed.get(&witness).filter(|_| world.is_connected(witness))?;
    said.verdicts.get(&unit.key)
}

/// The container of a unit that others look at while it runs, its check, and its own address on the network of all hosts.
fn subject<'a>(
    world: &'a World,
    unit: &Unit,
) -> Option<(&'a ObservedContainer, &'a HealthCheck, &'a str)> {
    let template = world.template(unit.key.service, unit.key.revision)?;
    let checked = |(name, spec): (&'a str, &'a crate::ContainerSpec)| {
        Some((name, spec.health_check.as_ref()?))
    };
    let (member, check) = template.members().find_map(checked)?;
    let seen = world.observed(unit.key).filter(|seen| seen.generation == unit.generation)?;
    let runs = unit.desired == Desired::Running && seen.phase == Phase::Running;
    let (owner, network) = owner(template, member).filter(|_| runs && !world.is_lost(unit.host))?;
    if *network != NetworkMode::Managed {
        return None;
    }
    // A host that has no part of the network gives addresses of Docker's own, which mean nothing elsewhere.
    let subnet = world.host(unit.host)?.subnet.as_deref()?;
    let address = seen.containers.get(owner)?.address.as_str();
    crate::network::is_in(subnet, address).then_some(())?;
    Some((seen.containers.get(member)?, check, address))
}

/// Whether no other member of a unit is ill.
fn is_the_only_one(world: &World, unit: &Unit) -> bool {
    let containers = world.observed(unit.key).into_iter().flat_map(|seen| seen.containers.values());
    containers.filter(|held| held.health == Health::Unhealthy).count() == 1
}
