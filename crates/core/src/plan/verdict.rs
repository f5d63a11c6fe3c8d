//! What becomes of an upgrade that is judged: by its policy it goes on, is paused, rolled back or finished.
//!
//! Who judges is [`derive::judge`]; what then happens to units, `roll` and `shift`.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::together;
use crate::derive::{self, Judgement};
use crate::{
    Change, FinishPolicy, OnFailure, ServiceId, Time, Upgrade, UpgradePhase, Wanted, World,
};

/// While requests or probes are looked at, nothing tells the planner that there are more of them.
const LOOK_EVERY_MS: u64 = 1_000;
/// When an upgrade that does not move is said to stand still, in milliseconds.
const STILL_MS: u64 = 10_000;

fn judged(world: &World, services: &BTreeSet<ServiceId>) -> BTreeSet<ServiceId> {
    let sources = services.iter().copied();
    sources.filter(|service| world.upgrades.contains_key(service)).collect()
}

/// Decide on the upgrades of these services, before anything of them moves.
pub(super) fn plan_verdicts(draft: &mut Draft, services: &BTreeSet<ServiceId>) {
    let judged = judged(&draft.world, services);
    for &service in &judged {
        plan_verdict(draft, service);
    }
    // One that goes back may be back at once, and those that go together with it must have seen that it went.
    for &service in &judged {
        together::follow(draft, service);
    }
}

fn plan_verdict(draft: &mut Draft, service: ServiceId) {
    if together::follow(draft, service) {
        return;
    }
    let Some(upgrade) = draft.world.upgrade(service).cloned() else { return };
    // What has not started yet shows nothing to judge.
    let runs = draft.world.service(service).is_some_and(|held| {
        held.wanted == Wanted::Active && derive::unmet(&draft.world, held).is_none()
    });
    if !runs || together::is_held(&draft.world, &upgrade) {
        return;
    }
    match derive::judge(&draft.world, &upgrade, draft.now) {
        Judgement::None => {}
        Judgement::Open { until } => {
            let verify = &upgrade.policy.verify;
            let looks = verify.requests.is_some() || verify.probe.is_some();
            let next = if looks { until.min(draft.now + LOOK_EVERY_MS) } else { until };
            draft.wake(service, next);
            if upgrade.phase == UpgradePhase::Upgraded {
                say_open(draft, &upgrade, until);
            } else {
                say_still(draft, &upgrade, until);
            }
        }
        Judgement::Bad(why) => end(draft, &upgrade, why),
        Judgement::Good(why) => draft.change(Change::ApproveUpgrade { service, why }),
    }
    finish(draft, service);
}

/// What was found good ends by itself, if its policy says so and nobody has anything against those that go with it.
fn finish(draft: &mut Draft, service: ServiceId) {
    let Some(upgrade) = draft.world.upgrade(service).cloned() else { return };
    let Some(why) = upgrade.approved.clone().filter(|_| upgrade.phase == UpgradePhase::Upgraded)
    else {
        return;
    };
    if upgrade.policy.finish != FinishPolicy::Auto {
        return;
    }
    // It may have waited for others since it was found good.
    if !derive::is_well(&draft.world, &upgrade) {
        return draft.note(service, None, "finished when all of it serves again".to_owned());
    }
    match together::holds_up(draft, &upgrade) {
        None => decide(draft, service, UpgradePhase::Finishing, why),
        Some(other) => {
            draft.note(service, None, format!("finished when {other} is well too"));
        }
    }
}

fn say_open(draft: &mut Draft, upgrade: &Upgrade, until: Time) {
    let seconds = (until - draft.now).div_ceil(1000);
    let watched = upgrade.phase_at + upgrade.policy.verify_for_ms() > draft.now;
    let text = if watched {
        format!("watching the new version for another {seconds} s")
    } else {
        format!("the new version does not serve as a whole; judged in {seconds} s at the latest")
    };
    draft.note_until(upgrade.service, None, until, text);
}

/// What it has come to by then, if nothing moves until then; said when nothing has for a while.
fn say_still(draft: &mut Draft, upgrade: &Upgrade, until: Time) {
    let patience = upgrade.policy.deadline_ms() + upgrade.interval_ms;
    let stands = patience.saturating_sub(until - draft.now);
    if stands < STILL_MS {
        return draft.wake(upgrade.service, draft.now + (STILL_MS - stands));
    }
    let then = match upgrade.policy.on_failure {
        OnFailure::Retry => "no longer finished by itself",
        OnFailure::Pause => "paused",
        OnFailure::Rollback => "rolled back",
    };
    let (stands, left) = (stands / 1000, (until - draft.now).div_ceil(1000));
    let text = format!("nothing has moved for {stands} s: it is {then} in {left} s");
    draft.note_until(upgrade.service, None, until, text);
}

/// It is not to be kept.
fn end(draft: &mut Draft, upgrade: &Upgrade, why: String) {
    let service = upgrade.service;
    match (upgrade.policy.on_failure, upgrade.phase) {
        (OnFailure::Retry, UpgradePhase::Upgraded) if hangs(&draft.world, upgrade) => {
            decide(draft, service, UpgradePhase::Upgraded, why);
        }
        (OnFailure::Retry, _) => {
            let text = format!("it is not finished by itself: {why}");
            draft.stuck(service, None, text);
        }
        (OnFailure::Pause, UpgradePhase::Upgrading) => {
            decide(draft, service, UpgradePhase::Canceling, why);
        }
        // All has moved already: there is nothing to stop, only someone to ask.
        (OnFailure::Pause, _) => decide(draft, service, UpgradePhase::Upgraded, why),
        (OnFailure::Rollback, _) => decide(draft, service, UpgradePhase::RollingBack, why),
    }
}

/// Its trial stop went wrong: to try that again is to kill one more.
fn hangs(world: &World, upgrade: &Upgrade) -> bool {
    upgrade.policy.verify.stop
        && matches!(derive::rehearsal(world, upgrade), derive::Rehearsal::Hangs(_))
}

fn decide(draft: &mut Draft, service: ServiceId, phase: UpgradePhase, why: String) {
    let at = draft.now;
    draft.change(Change::SetUpgradePhase { service, phase, at, verdict: Some(why) });
}
