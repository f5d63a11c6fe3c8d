//! What an upgrade from one service to another can't be: both sides must be able to take part, and the first new unit
//! must have a place beside the old ones.

use super::{Refusal, misfits};
use crate::schedule::{Need, explain, place};
use crate::{Service, ServiceId, Slot, Upgrade, UpgradePhase, Wanted, World};

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
    let why = why.or_else(|| above_policy(to, final_scale));
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

/// It would be shrunk as soon as the upgrade is over.
fn above_policy(to: &Service, final_scale: u32) -> Option<String> {
    let policy = to.scale_policy.filter(|policy| final_scale > policy.max)?;
    let (name, max) = (&to.name, policy.max);
    Some(format!("{name} has a scale policy of at most {max}, and would run {final_scale}"))
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
    if side.restart.is_some() {
        return Some(format!("{} is being restarted; wait for that", side.name));
    }
    let shift = world.shift(side.id).map(|(upgrade, ..)| upgrade);
    world.upgrade(side.id).or(shift).map(|upgrade| in_the_way(world, upgrade))
}

/// An upgrade that stands against another one, and the way out.
pub fn in_the_way(world: &World, upgrade: &Upgrade) -> String {
    let name = |id| world.service(id).map_or("?", |held| held.name.as_str());
    let mut what = format!("the upgrade of {}", name(upgrade.service));
    if let Some(shift) = upgrade.shift() {
        what = format!("{what} to {}", name(shift.to_service));
    }
    let phase = match upgrade.phase {
        UpgradePhase::Upgraded => "waits for finishupgrade or rollback",
        UpgradePhase::Canceled => "was cancelled and waits for continueupgrade or rollback",
        UpgradePhase::Upgrading => "is not over yet: wait for it, cancel it, or roll it back",
        UpgradePhase::Finishing | UpgradePhase::Canceling | UpgradePhase::RollingBack => {
            "is not over yet: wait for it"
        }
    };
    format!("{what} {phase}")
}

/// New units start beside old ones, unless the first step is that some leave: that makes room.
fn without_place(world: &World, from: &Service, to: &Service, final_scale: u32) -> Option<String> {
    let template = world.current_template(to)?;
    let runs = |side: &Service| if side.wanted == Wanted::Active { side.scale } else { 0 };
    let has = runs(to);
    if has >= final_scale || runs(from).saturating_add(has) > final_scale {
        return None;
    }
    let need = match Need::of(world, to, Slot::Number(has + 1), template) {
        Ok(need) => need,
        Err(bad) => return Some(bad.to_string()),
    };
    if place(world, &need, None).is_ok() {
        return None;
    }
    let why = explain(&misfits(world, &need));
    Some(format!(
        "its new containers start while old ones still run, and {why}. Give them another host, or no fixed host port \
         and a balancer in front"
    ))
}
