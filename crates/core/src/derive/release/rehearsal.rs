//! Whether a new container ends when it is asked to, by an upgrade that asks for it: read from its units.

use super::new_units;
use crate::derive::has_arrived;
use crate::schedule::{container_name, is_down};
use crate::{Desired, Host, Unit, Upgrade, World};

/// Whether a new container ends when it is asked to. One unit is stopped and started again to know that; a restart's
/// number tells that it has been through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rehearsal {
    /// This one is to be stopped.
    Begin(crate::UnitKey),
    /// This one is on its way down.
    Stopping(crate::UnitKey),
    /// It is on its way up again, or there is none that could be stopped now.
    Waits,
    /// It ended in time; it is to be started again.
    Ended(crate::UnitKey),
    /// It had to be killed.
    Hangs(String),
    /// It was through it, and serves.
    Done,
}

/// Where the rehearsal of an upgrade stands, all of whose slots have moved.
pub fn rehearsal(world: &World, upgrade: &Upgrade) -> Rehearsal {
    let through = |unit: &&Unit| unit.run >= upgrade.ledger && unit.desired == Desired::Running;
    let units = new_units(world, upgrade); // by slot
    if let Some(unit) = units.iter().find(|unit| through(unit)) {
        return if has_arrived(world, unit) { Rehearsal::Done } else { Rehearsal::Waits };
    }
    // Whoever leaves a host is not stopped for this before another serves in its place; and of a lost host nobody is waited
    // for.
    let leaves = |unit: &Unit| {
        world.host(unit.host).is_some_and(Host::is_evacuating) || world.is_lost(unit.host)
    };
    let is_tried =
        |unit: &Unit| matches!(unit.desired, Desired::Draining | Desired::Stopped) && !leaves(unit);
    let tried = units.iter().find(|unit| is_tried(unit));
    let Some(first) = tried.or_else(|| units.iter().find(|unit| !leaves(unit))) else {
        return if units.is_empty() { Rehearsal::Done } else { Rehearsal::Waits };
    };
    match first.desired {
        Desired::Running if is_calm(world, upgrade, &units) => Rehearsal::Begin(first.key),
        Desired::Running | Desired::Staged | Desired::Removed => Rehearsal::Waits,
        Desired::Draining => Rehearsal::Stopping(first.key),
        Desired::Stopped if !is_down(world, first) => Rehearsal::Stopping(first.key),
        Desired::Stopped => match killed(world, first) {
            Some(why) => Rehearsal::Hangs(why),
            None => Rehearsal::Ended(first.key),
        },
    }
}

/// All slots serve, and nothing is being replaced: what is taken down now is missed by nobody.
fn is_calm(world: &World, upgrade: &Upgrade, newest: &[&Unit]) -> bool {
    let (service, revision) = upgrade.leads_to();
    let is_new = |unit: &&Unit| revision.is_none_or(|wanted| unit.key.revision == wanted);
    // What goes may have served until a moment ago; of a lost host nobody knows when it is gone.
    let counts = |unit: &&Unit| unit.desired != Desired::Removed || !world.is_lost(unit.host);
    let all = world.units_of(service).filter(is_new).filter(counts);
    newest.iter().all(|unit| has_arrived(world, unit)) && all.count() == newest.len()
}

/// A container that had to be killed, in words.
fn killed(world: &World, unit: &Unit) -> Option<String> {
    const SIGKILL: i64 = 137;
    let seen = world.observed(unit.key)?;
    let template = world.template(unit.key.service, unit.key.revision)?;
    let hung = seen.containers.iter().find(|(_, c)| c.exit_code == Some(SIGKILL) && !c.oom_killed);
    let (member, _) = hung?;
    let spec = template.members().find(|(name, _)| name == member).map(|(_, spec)| spec)?;
    let name = container_name(world, unit.key, member);
    let (signal, grace_s) =
        (spec.stop_signal.as_deref().unwrap_or("SIGTERM"), spec.stop_grace_s.unwrap_or(10));
    Some(format!("{name} did not end on {signal} and was killed after {grace_s} s (verify.stop)"))
}
