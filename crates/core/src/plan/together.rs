//! Upgrades of several services that are one: each member moves when those it comes after have; when one goes back, all
//! do, those that came last first; and all are confirmed at once.
//!
//! Each member is an upgrade like any other, with its own batches and policy. What binds them is
//! [`Together::number`](crate::Together); a member that was finished or is back has left.

use std::collections::BTreeSet;

use super::draft::Draft;
use crate::{Change, Desired, ServiceId, Time, Unit, Upgrade, UpgradePhase, World, derive};

/// How long one that goes back is waited for by those it came after: what can't go back, since its old version does not come
/// up either, must not keep the others from it. In milliseconds.
const BACK_FIRST_MS: u64 = 60_000;

/// The way round what a member waits for.
const ALL_THE_SAME: &str = "; to go on all the same, cancel this upgrade and continue it";

/// The services that go together with any of these, themselves among them.
pub(crate) fn companions(world: &World, services: &BTreeSet<ServiceId>) -> BTreeSet<ServiceId> {
    let held = services.iter().filter_map(|service| world.upgrade(*service));
    let numbers: BTreeSet<u64> = held.filter_map(number).collect();
    if numbers.is_empty() {
        return BTreeSet::new();
    }
    let all = world.upgrades.values();
    let among = all.filter(|upgrade| number(upgrade).is_some_and(|n| numbers.contains(&n)));
    among.map(|upgrade| upgrade.service).collect()
}

fn number(upgrade: &Upgrade) -> Option<u64> {
    upgrade.together.as_ref().map(|together| together.number)
}

/// The others of an upgrade.
fn others<'a>(world: &'a World, upgrade: &Upgrade) -> Vec<&'a Upgrade> {
    let Some(wanted) = number(upgrade) else { return Vec::new() };
    let all = world.upgrades.values().map(AsRef::as_ref);
    all.filter(|other| number(other) == Some(wanted) && other.service != upgrade.service).collect()
}

/// Whether it stands, as others have to be through before.
pub(super) fn is_held(world: &World, upgrade: &Upgrade) -> bool {
    upgrade.phase == UpgradePhase::Upgrading && blocking(world, upgrade, upgrade.phase_at).is_some()
}

/// A member that has to move before this one does, in the direction that it moves.
fn blocking<'a>(world: &'a World, upgrade: &Upgrade, now: Time) -> Option<&'a Upgrade> {
    let together = upgrade.together.as_ref()?;
    let comes_after = |later: &Upgrade, service| {
        later.together.as_ref().is_some_and(|held| held.after.contains(&service))
    };
    let mut others = others(world, upgrade).into_iter();
    match upgrade.phase {
        UpgradePhase::Upgrading => others.find(|other| {
            let has_moved = match other.phase {
                // Found bad, or not what is needed of it, it is gone on above only by who said so since.
                UpgradePhase::Upgraded => {
                    let is_ready =
                        other.verdict.is_none() && still_needs(world, upgrade, other).is_none();
                    is_ready || upgrade.phase_at > other.phase_at
                }
                UpgradePhase::Finishing => true,
                UpgradePhase::Upgrading
                | UpgradePhase::Canceling
                | UpgradePhase::Canceled
                | UpgradePhase::RollingBack => false,
            };
            together.after.contains(&other.service) && !has_moved
        }),
        UpgradePhase::RollingBack => others.find(|other| {
            let had_its_time =
                other.phase == UpgradePhase::RollingBack && now >= other.phase_at + BACK_FIRST_MS;
            comes_after(other, upgrade.service) && !had_its_time
        }),
        UpgradePhase::Upgraded
        | UpgradePhase::Finishing
        | UpgradePhase::Canceling
        | UpgradePhase::Canceled => None,
    }
}

/// What a member that has moved is not yet for one that comes after it and has not begun: a job has to end well, not only to
/// run. What has begun goes on, and is judged by what becomes of it.
fn still_needs(world: &World, upgrade: &Upgrade, first: &Upgrade) -> Option<derive::Unmet> {
    let (service, revision) = upgrade.leads_to();
    let is_new = |unit: &Unit| {
        revision.is_none_or(|new| unit.key.revision == new) && unit.desired != Desired::Removed
    };
    if world.units_of(service).any(is_new) {
        return None;
    }
    derive::unmet_between(world, upgrade.service, first.service)
}

/// Whether it is not its turn; then it is said whose it is.
pub(super) fn waits(draft: &mut Draft, upgrade: &Upgrade) -> bool {
    let Some(first) = blocking(&draft.world, upgrade, draft.now) else { return false };
    let name = draft.world.service(first.service).map_or("?", |service| service.name.as_str());
    let needs = still_needs(&draft.world, upgrade, first);
    let until = first.phase_at + BACK_FIRST_MS;
    let text = match (upgrade.phase, first.phase) {
        (UpgradePhase::RollingBack, UpgradePhase::RollingBack) => {
            let seconds = (until - draft.now).div_ceil(1000);
            let text = format!("goes back when {name} is back, in {seconds} s at the latest");
            draft.wake(upgrade.service, until);
            draft.note_until(upgrade.service, None, until, text);
            return true;
        }
        (UpgradePhase::RollingBack, _) => format!("goes back when {name} is back"),
        (_, UpgradePhase::Upgraded)
            if first.verdict.is_none()
                && let Some(needs) = needs =>
        {
            let text = format!("begins when {}{ALL_THE_SAME}", needs.words);
            if needs.stuck {
                draft.stuck(upgrade.service, None, text);
                return true;
            }
            text
        }
        (_, UpgradePhase::Upgraded) => {
            let why = first.verdict.as_deref().unwrap_or_default();
            format!("goes on when it is decided about {name}: {why}{ALL_THE_SAME}")
        }
        (..) => format!("begins when {name} is upgraded"),
    };
    draft.wait(upgrade.service, None, text);
    true
}

/// A member that has not moved, or is not found good by its policy, by name.
pub(super) fn holds_up(draft: &Draft, upgrade: &Upgrade) -> Option<String> {
    let good = |other: &Upgrade| match other.phase {
        UpgradePhase::Upgraded => {
            let judged = other.approved.is_some() || !other.policy.decides();
            other.verdict.is_none() && judged && derive::is_well(&draft.world, other)
        }
        UpgradePhase::Finishing => true,
        UpgradePhase::Upgrading
        | UpgradePhase::Canceling
        | UpgradePhase::Canceled
        | UpgradePhase::RollingBack => false,
    };
    let other = others(&draft.world, upgrade).into_iter().find(|other| !good(other))?;
    Some(draft.world.service(other.service).map_or("?", |service| service.name.as_str()).to_owned())
}

/// Go where another member goes: back, or to the end. Whether that was so.
pub(super) fn follow(draft: &mut Draft, service: ServiceId) -> bool {
    let Some(upgrade) = draft.world.upgrade(service) else { return false };
    let others = others(&draft.world, upgrade);
    let leads = |phase| others.iter().find(|other| other.phase == phase).copied();
    let may_go_back = matches!(
        upgrade.phase,
        UpgradePhase::Upgrading
            | UpgradePhase::Upgraded
            | UpgradePhase::Canceling
            | UpgradePhase::Canceled
    );
    let (phase, leader) = match (leads(UpgradePhase::RollingBack), leads(UpgradePhase::Finishing)) {
        (Some(back), _) if may_go_back => (UpgradePhase::RollingBack, back),
        (_, Some(done)) if upgrade.phase == UpgradePhase::Upgraded => {
            (UpgradePhase::Finishing, done)
        }
        _ => return false,
    };
    let name = draft.world.service(leader.service).map_or("?", |service| service.name.as_str());
    // Where people decided on one, they did on all.
    let verdict = leader.verdict.as_ref().map(|why| match why.strip_prefix("with ") {
        Some(_) => why.clone(),
        None => format!("with {name}: {why}"),
    });
    let at = draft.now;
    draft.change(Change::SetUpgradePhase { service, phase, at, verdict });
    true
}
