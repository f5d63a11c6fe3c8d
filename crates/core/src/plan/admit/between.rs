//! What an upgrade from one service to another can't be: both sides must be able to take part, and the first new unit
//! must have a place beside the old ones.

use super::{Refusal, misfits};
use crate::schedule::{Need, Usage, explain, place};
use crate::{Service, ServiceId, Slot, UpgradePhase, Wanted, World};

/// Whether an upgrade from `source` to `target` can be begun, and place its first new unit.
pub fn admit_shift(
    world: &World,
    source: ServiceId,
    target: ServiceId,
    final_scale: u32,
) -> Result<(), Refusal> {
    let (Some(from), Some(to)) = (world.service(source), world.service(target)) else {
        return Err(Refusal("the service does not exist".to_owned()));
    };
    let why = apart(from, to).or_else(|| {
        let mut sides = [from, to].into_iter();
        sides.find_map(|side| unfit(world, side).or_else(|| busy(world, side)))
    });
    match why.or_else(|| without_place(world, from, to, final_scale)) {
        Some(why) => {
            let (from, to) = (&from.name, &to.name);
            Err(Refusal(format!("{from} can't be upgraded to {to}: {why}. Nothing was changed")))
        }
        None => Ok(()),
    }
}

fn apart(from: &Service, to: &Service) -> Option<String> {
    if from.id == to.id {
        return Some("that is the service itself; what it runs is changed in place".to_owned());
    }
    if from.project != to.project {
        return Some("they are in different projects".to_owned());
    }
    (from.wanted == Wanted::Inactive).then(|| {
        let (from, to) = (&from.name, &to.name);
        format!(
            "{from} is stopped, so there is nothing to take over; start {from} first, or only {to}"
        )
    })
}

/// What it is stands against it.
fn unfit(world: &World, side: &Service) -> Option<String> {
    let name = &side.name;
    if !side.kind.has_units() {
        return Some(format!("{name} has no containers of its own"));
    }
    if side.wanted == Wanted::Removed {
        return Some(format!("{name} is removed"));
    }
    let global = world.current_template(side).is_some_and(|template| template.primary.is_global());
    global.then(|| {
        format!("{name} runs once on every host. Upgrade is not supported for global services")
    })
}

/// What it is doing now.
fn busy(world: &World, side: &Service) -> Option<String> {
    let name = &side.name;
    if side.restart.is_some() {
        return Some(format!("{name} is being restarted; wait for that"));
    }
    if let Some(upgrade) = world.upgrade(side.id) {
        let phase = match upgrade.phase {
            UpgradePhase::Upgraded => "waits for finishupgrade or rollback",
            UpgradePhase::Canceled => "was cancelled and waits for continueupgrade or rollback",
            UpgradePhase::Upgrading
            | UpgradePhase::Finishing
            | UpgradePhase::Canceling
            | UpgradePhase::RollingBack => "is not over yet",
        };
        return Some(format!("an upgrade of {name} {phase}"));
    }
    let (upgrade, ..) = world.shift(side.id)?;
    let other = world.service(upgrade.service).map_or("?", |other| other.name.as_str());
    Some(format!("{other} is being upgraded to {name}, and that is not over yet"))
}

/// New units start beside old ones, unless fewer are wanted: then the first to leave makes room.
fn without_place(world: &World, from: &Service, to: &Service, final_scale: u32) -> Option<String> {
    let template = world.current_template(to)?;
    if to.scale >= final_scale || from.scale > final_scale {
        return None;
    }
    let need = match Need::of(world, to, Slot::Number(to.scale + 1), template) {
        Ok(need) => need,
        Err(bad) => return Some(bad.to_string()),
    };
    let usage = Usage::of(world);
    if place(world, &usage, &need, None).is_ok() {
        return None;
    }
    let why = explain(&misfits(world, &usage, &need));
    Some(format!(
        "its new containers start while old ones still run, and {why}. Give them another host, or no fixed host port \
         and a balancer in front"
    ))
}
