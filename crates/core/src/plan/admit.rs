//! What cannot work is refused before anything moves, in words.

mod between;
mod rebalance;

use std::sync::Arc;

pub use between::{admit_shift, in_the_way};
pub use rebalance::{Admitted, admit_rebalance};

use crate::schedule::{Misfit, Need, explain, fits, place};
use crate::{
    Desired, Evacuation, Host, Service, ServiceId, Slot, Template, Time, Unit, World, derive,
};

/// Why a request is refused, with the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// Whether an upgrade of `service` to `to` can place its first unit, given what is taken now. Units that a
/// stop-first upgrade stops beforehand don't stand in its way, nor do those that a rollback is still taking down.
pub fn admit_upgrade(
    world: &World,
    service: ServiceId,
    to: &Template,
    start_first: bool,
) -> Result<(), Refusal> {
    let Some(service) = world.service(service) else {
        return Err(Refusal("the service does not exist".to_owned()));
    };
    // Both ways: what it leaves has to start again in a rollback.
    let held = world.current_template(service).is_some_and(|held| derive::is_single(held));
    if start_first && (held || derive::is_single(to)) {
        return Err(Refusal(format!(
            "{} can't be upgraded start-first: with `on_host_loss: fence` no two of a container run at once. \
             Upgrade it stop-first (start_first: false), and requests are held meanwhile by a balancer in front",
            service.name
        )));
    }
    if !service.kind.has_units() || service.scale == 0 && !to.primary.is_global() {
        return Ok(());
    }
    let Some(slot) = first_slot(world, service, to) else { return Ok(()) };
    let mut need = Need::of(world, service, slot, to).map_err(|bad| Refusal(bad.to_string()))?;
    let goes = |unit: &Unit| matches!(unit.desired, Desired::Draining | Desired::Removed);
    let stops = |unit: &Unit| !start_first && unit.key.slot == slot;
    let units = world.units_of(service.id).filter(|unit| goes(unit) || stops(unit));
    need.replaces = units.map(|unit| unit.key).collect();
    if place(world, &need, None).is_ok() {
        return Ok(());
    }
    Err(Refusal(refuse(world, service, &need, start_first)))
}

/// A host as users have it who want it emptied; refused if nothing on it could leave. Asked again, it stays what it was.
pub fn admit_evacuation(world: &World, host: &Host, now: Time) -> Result<Host, Refusal> {
    let asked = Evacuation { units: 0, asked_at: now };
    let mut wanted = Host { active: false, evacuation: Some(asked), ..host.clone() };
    let mut trial = world.clone();
    trial.hosts.insert(host.id, Arc::new(wanted.clone()));
    let left = derive::evacuation(&trial, host.id).unwrap_or_default();
    if left.is_held() {
        let (name, why) = (host.shown_name(), left.obstacles(&trial));
        return Err(Refusal(format!(
            "{name} can't be emptied: {why}. Nothing was changed; make room first, or deactivate it to give \
             it no new units"
        )));
    }
    let units = u32::try_from(left.left.len()).unwrap_or(u32::MAX);
    wanted.evacuation = host.evacuation.or(Some(Evacuation { units, ..asked }));
    Ok(wanted)
}

/// The slot that moves first; for a global service any that has a unit.
fn first_slot(world: &World, service: &Service, to: &Template) -> Option<Slot> {
    if !to.primary.is_global() {
        return super::scale::numbered(world, service).into_iter().next();
    }
    world.units_of(service.id).find(|u| u.desired == Desired::Running).map(|u| u.key.slot)
}

fn refuse(world: &World, service: &Service, need: &Need, start_first: bool) -> String {
    let misfits = misfits(world, need);
    let why = explain(&misfits);
    let name = &service.name;
    let port = misfits.iter().find_map(|(host, misfit)| match misfit {
        Misfit::PortTaken { port, protocol, holder } => Some((host, port, protocol, holder)),
        Misfit::Inactive
        | Misfit::Disconnected
        | Misfit::Impaired(_)
        | Misfit::NotTheRequestedHost
        | Misfit::DataElsewhere { .. }
        | Misfit::Memory
        | Misfit::Cpu
        | Misfit::RequireAny(_)
        | Misfit::Lacks(_)
        | Misfit::Has(_) => None,
    });
    match port {
        Some((host, port, protocol, holder)) if start_first => format!(
            "{name} can't be upgraded start-first: its fixed host port {port}/{protocol} is held by \
             {holder} on {host}, and {why}. Either upgrade it stop-first (start_first: false), or give \
             it another host to start on (or no fixed host port, with a balancer in front)"
        ),
        _ => format!("{name} can't be upgraded: {why}. Nothing was changed"),
    }
}

/// Why each host can't take it.
fn misfits(world: &World, need: &Need) -> Vec<(String, Misfit)> {
    let hosts = world.hosts.values().filter(|h| h.project == need.project);
    let misfits = hosts.filter(|h| h.removed_at.is_none()).filter_map(|h| {
        let misfit = fits(world, h, need).err()?;
        Some((h.shown_name().to_owned(), misfit))
    });
    misfits.collect()
}
