//! Units that run and are not healthy are replaced, unless their service wants to keep them: at once the first time, and
//! after ever longer waits when their replacements do no better.
//!
//! Who says that they aren't is [`derive::ill`]; how they are replaced, [`super::replace`]. A unit on a host that is to be
//! emptied leaves that as any other, unless its service is busy and waits for it to serve.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::slot::{New, find_host, in_slot, leaves, make};
use crate::derive::{Ill, ill};
use crate::schedule::container_name;
use crate::{
    Course, Desired, HealthStrategy, NetworkMode, Service, Slot, Time, Unit, UpgradePhase, World,
    derive,
};

/// The wait after the first replacement that was no better, in milliseconds; each further one doubles it.
const FIRST_WAIT_MS: u64 = 10_000;
const LONGEST_WAIT_MS: u64 = 300_000;
/// One that was not found sick for so long after it was made begins anew.
const LONG_LIFE_MS: u64 = 600_000;

/// Begin what is due in slots where nothing is being replaced; they join those.
pub(super) fn begin(
    draft: &mut Draft,
    service: &Service,
    slots: &[Slot],
    moving: &mut BTreeSet<Slot>,
) {
    let is_busy = derive::busy(&draft.world, service).is_some();
    for &slot in slots.iter().filter(|slot| !moving.contains(slot)).collect::<Vec<_>>() {
        let world = &draft.world;
        let sick = in_slot(world, service.id, slot)
            .filter(|unit| is_busy || !leaves(world, unit))
            .filter(|unit| stays(world, service, unit));
        let sick: Vec<(Unit, Ill)> =
            sick.filter_map(|unit| Some((unit.clone(), ill(world, unit)?))).collect();
        for (unit, ill) in sick {
            if replace(draft, service, slots, &unit, &ill) {
                moving.insert(slot);
            }
        }
    }
}

/// Whether a unit is of the revision its service goes to: what an upgrade or a rollback leaves, that replaces.
fn stays(world: &World, service: &Service, unit: &Unit) -> bool {
    let upgrade = world.upgrade(service.id);
    match upgrade.map(|upgrade| (&upgrade.course, upgrade.phase)) {
        Some((Course::InService { to, .. }, UpgradePhase::Upgrading)) => unit.key.revision == *to,
        Some((Course::InService { from, .. }, UpgradePhase::RollingBack)) => {
            unit.key.revision == *from
        }
        Some(_) | None => true,
    }
}

/// Make a unit's replacement, if that is due; else say what is waited for.
fn replace(draft: &mut Draft, service: &Service, slots: &[Slot], unit: &Unit, ill: &Ill) -> bool {
    let name = container_name(&draft.world, unit.key, "");
    if let Some(why) = held_back(draft, service, slots, unit) {
        draft.stuck(
            service.id,
            Some(unit.key),
            format!("{name} is not healthy: {}; {why}", ill.why),
        );
        return false;
    }
    let replacements = in_a_row(unit, ill.since);
    let due_at = ill.since + wait_ms(replacements);
    if draft.now < due_at {
        let seconds = (due_at - draft.now).div_ceil(1000);
        let text = format!(
            "{name} is not healthy: {}; it is replaced in {seconds} s, for the {} time in a row",
            ill.why,
            ordinal(replacements + 1)
        );
        draft.stuck_until(service.id, Some(unit.key), due_at, text);
        return false;
    }
    let (slot, revision) = (unit.key.slot, unit.key.revision);
    let replacements = replacements + 1;
    let beside = find_host(draft, service, slot, revision, &[]);
    let shares = shares(draft, unit);
    let side_by_side = beside.as_ref().ok().filter(|host| **host != unit.host || !shares);
    let place = if let Some(host) = side_by_side {
        Some((*host, Desired::Running))
    } else {
        let instead = find_host(draft, service, slot, revision, &[unit.key]);
        instead.ok().map(|host| (host, Desired::Staged))
    };
    let Some((host, desired)) = place else {
        let why = beside.err().unwrap_or_default();
        let text = format!("{name} is not healthy: {}; it has no place elsewhere: {why}", ill.why);
        draft.stuck(service.id, Some(unit.key), text);
        return false;
    };
    make(draft, service, New { slot, revision, host, desired, replacements });
    true
}

/// Whether another one of it on the same host would use what this one uses: files, or the host's own ports.
fn shares(draft: &Draft, unit: &Unit) -> bool {
    let template = draft.world.template(unit.key.service, unit.key.revision);
    let writes = |mount: &String| mount.contains(':') && !mount.ends_with(":ro");
    template.is_some_and(|template| {
        template
            .members()
            .any(|(_, spec)| spec.network == NetworkMode::Host || spec.volumes.iter().any(writes))
    })
}

/// What its service's strategy has against replacing it now, in words.
fn held_back(draft: &Draft, service: &Service, slots: &[Slot], unit: &Unit) -> Option<String> {
    let world = &draft.world;
    let (strategy, quorum) = derive::health_strategy(world, unit);
    match strategy {
        HealthStrategy::Recreate => None,
        HealthStrategy::None => Some("it stays, as its health check's strategy is none".to_owned()),
        HealthStrategy::RecreateOnQuorum => {
            let others = slots.iter().filter(|slot| **slot != unit.key.slot);
            let others = others.filter(|slot| derive::is_served(world, service.id, **slot)).count();
            (others < quorum).then(|| {
                format!("it is replaced when {quorum} others are healthy; {others} are now")
            })
        }
    }
}

/// How many in a row were replaced for their health before this one, which was well until `since`.
fn in_a_row(unit: &Unit, since: Time) -> u32 {
    if since - unit.created_at >= LONG_LIFE_MS { 0 } else { unit.replacements }
}

fn wait_ms(replacements: u32) -> u64 {
    match replacements {
        0 => 0,
        more => (FIRST_WAIT_MS << (more - 1).min(10)).min(LONGEST_WAIT_MS),
    }
}

/// `1st`, `2nd`, `3rd`, `11th`.
fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_five_minutes() {
        let seconds: Vec<u64> = (0..9).map(|n| wait_ms(n) / 1000).collect();
        assert_eq!(seconds, [0, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(wait_ms(u32::MAX), LONGEST_WAIT_MS);
    }

    #[test]
    fn ordinals() {
        let said = [1, 2, 3, 4, 11, 12, 21, 112].map(ordinal).join(" ");
        assert_eq!(said, "1st 2nd 3rd 4th 11th 12th 21st 112th");
    }
}
