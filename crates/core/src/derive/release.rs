//! Whether what an upgrade leads to is any good: read from its units, and from what balancers count of its requests.
//!
//! Not what becomes of it: that is the planner's, by [`crate::UpgradePolicy`].

mod compare;
mod failures;
mod rehearsal;

pub use failures::{ReleaseFailures, failed_probes, release_failures};
pub use rehearsal::{Rehearsal, rehearsal};

use std::collections::BTreeSet;

use self::compare::{bad_requests, counted};
use self::failures::{probes_out_of_bounds, tally, too_many_failures};
use super::has_arrived;
use crate::schedule::{container_name, is_down};
use crate::{Desired, Phase, ServiceId, Time, Unit, Upgrade, UpgradePhase, VerifyAsk, World};

/// How long an agent that has just connected may take to say what there is before it is looked again, in milliseconds.
const HEAR_MS: u64 = 1_000;
/// How long a container has to end if its spec does not say, in seconds: Docker's own.
const STOP_GRACE_S: u32 = 10;

/// What is known of a version by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Nobody asked, or it was judged before.
    None,
    /// Nothing is wrong so far; time alone changes that at this moment.
    Open {
        /// The moment.
        until: Time,
    },
    /// It is not to be kept: why, in words.
    Bad(String),
    /// All that was to be looked at is well: what was seen, in words.
    Good(String),
}

/// Judge an upgrade by its policy. While it moves, what is wrong counts at once; when all has moved, it is watched for as
/// long as the policy says, and on until all of it serves. What was found good is not judged any more.
pub fn judge(world: &World, upgrade: &Upgrade, now: Time) -> Judgement {
    let moving = match upgrade.phase {
        UpgradePhase::Upgrading => true,
        UpgradePhase::Upgraded => false,
        UpgradePhase::Finishing
        | UpgradePhase::Canceling
        | UpgradePhase::Canceled
        | UpgradePhase::RollingBack => return Judgement::None,
    };
    let policy = &upgrade.policy;
    if !is_undecided(upgrade) {
        return Judgement::None;
    }
    let watched_until = upgrade.phase_at + policy.verify_for_ms();
    let units = new_units(world, upgrade);
    if units.iter().any(|unit| is_unheard(world, unit)) {
        return Judgement::Open { until: watched_until.max(now + HEAR_MS) };
    }
    let bad = too_many_failures(world, upgrade)
        .or_else(|| probes_out_of_bounds(world, upgrade))
        .or_else(|| bad_requests(world, upgrade));
    if let Some(why) = bad {
        return Judgement::Bad(why);
    }
    if moving {
        return stands_still(world, upgrade, now);
    }
    let tried = if policy.verify.stop { rehearsal(world, upgrade) } else { Rehearsal::Done };
    if let Rehearsal::Hangs(why) = tried {
        return Judgement::Bad(why);
    }
    match (now >= watched_until, tried == Rehearsal::Done && is_well(world, upgrade)) {
        (true, true) => Judgement::Good(good(world, upgrade)),
        (true, false) => stands_still(world, upgrade, now),
        (false, _) => Judgement::Open { until: watched_until },
    }
}

/// Whether its policy is still to say what becomes of it.
pub fn is_undecided(upgrade: &Upgrade) -> bool {
    upgrade.policy.decides() && upgrade.verdict.is_none() && upgrade.approved.is_none()
}

/// Whether all that it leads to is there, serves, and has passed what it is asked.
pub fn is_well(world: &World, upgrade: &Upgrade) -> bool {
    let units = new_units(world, upgrade);
    units.len() >= wanted(world, upgrade)
        && units.iter().all(|unit| missing_of(world, upgrade, unit).is_none())
}

/// How many units there are to be of it; of a global service those that there are, as it goes by hosts.
fn wanted(world: &World, upgrade: &Upgrade) -> usize {
    let service = world.service(upgrade.leads_to().0);
    let numbered = service.filter(|service| {
        world.current_template(service).is_none_or(|template| !template.primary.is_global())
    });
    numbered.map_or(0, |service| usize::try_from(service.scale).unwrap_or(usize::MAX))
}

/// Its host is connected and has not said yet what became of its units while it wasn't: what is known may be long over.
fn is_unheard(world: &World, unit: &Unit) -> bool {
    world.seen.get(&unit.host).is_some_and(|seen| seen.connected && !seen.caught_up)
}

/// What one of its new units still owes, in words; none if it serves, can be asked and passed what it is asked.
fn missing_of(world: &World, upgrade: &Upgrade, unit: &Unit) -> Option<String> {
    let seen = world.observed(unit.key);
    if !has_arrived(world, unit) {
        let message = seen.map_or("", |seen| seen.message.as_str());
        return Some(if message.is_empty() { "it does not serve" } else { message }.to_owned());
    }
    if !world.is_connected(unit.host) {
        return Some("its host is away".to_owned());
    }
    let runs = seen.is_some_and(|seen| seen.phase == Phase::Running);
    let asked = upgrade.policy.verify.probe.is_some() && runs;
    let passed = tally(world, unit).is_some_and(|tally| tally.passed > 0);
    (asked && !passed).then(|| "it has not passed its verification yet".to_owned())
}

/// What a unit is asked because an upgrade leads to it and is yet to be judged.
pub(super) fn verification(world: &World, unit: &Unit) -> Option<VerifyAsk> {
    let service = unit.key.service;
    let shift = world.shift(service).map(|(upgrade, ..)| upgrade);
    let upgrade = world.upgrade(service).or(shift)?;
    let probe = upgrade.policy.verify.probe.as_ref()?;
    let moves = matches!(upgrade.phase, UpgradePhase::Upgrading | UpgradePhase::Upgraded);
    let (to, revision) = upgrade.leads_to();
    let is_new = to == service && revision.is_none_or(|wanted| wanted == unit.key.revision);
    (is_new && moves && is_undecided(upgrade)).then(|| probe.ask.clone())
}

/// Its newest units: what is being replaced counts in its replacement.
fn new_units<'a>(world: &'a World, upgrade: &Upgrade) -> Vec<&'a Unit> {
    let (service, revision) = upgrade.leads_to();
    let stays = |unit: &&Unit| unit.desired != Desired::Removed;
    let is_new = |unit: &&Unit| revision.is_none_or(|wanted| unit.key.revision == wanted);
    let mut units: Vec<&Unit> = world.units_of(service).filter(stays).filter(is_new).collect();
    units.reverse();
    units.dedup_by_key(|unit| (unit.key.slot, unit.key.revision));
    units.reverse();
    units
}

/// Nothing came to serve for too long.
fn stands_still(world: &World, upgrade: &Upgrade, now: Time) -> Judgement {
    let until = last_step(world, upgrade) + upgrade.policy.deadline_ms() + upgrade.interval_ms;
    if now < until {
        return Judgement::Open { until };
    }
    let stuck = new_units(world, upgrade).into_iter();
    let mut stuck = stuck.filter_map(|unit| Some((unit, missing_of(world, upgrade, unit)?)));
    let how = stuck.next().map_or_else(
        || "it has no place, or waits for another".to_owned(),
        |(unit, why)| {
            let name = container_name(world, unit.key, "");
            let host = world.host(unit.host).map_or("?", |host| host.shown_name());
            format!("{name} on {host}: {why}")
        },
    );
    let seconds = upgrade.policy.deadline_ms() / 1000;
    Judgement::Bad(format!("nothing moved for {seconds} s (deadline); {how}"))
}

/// When something moved last, or something that takes its time is over.
fn last_step(world: &World, upgrade: &Upgrade) -> Time {
    let (service, _) = upgrade.leads_to();
    let sides =
        std::iter::once(upgrade.service).chain((service != upgrade.service).then_some(service));
    let units: Vec<&Unit> = sides.flat_map(|side| world.units_of(side)).collect();
    let since = |unit: &&Unit| world.observed(unit.key).map(|seen| seen.since);
    let goes = |unit: &&Unit| unit.desired >= Desired::Stopped;
    let moved = units
        .iter()
        .copied()
        .filter(|unit| has_arrived(world, unit) || goes(unit) && is_down(world, unit));
    // Those that drain and then end may take as long as their service lets them.
    let ends = units.iter().filter(|unit| !is_down(world, unit)).filter_map(|unit| {
        let drained = unit.drain_until.or_else(|| since(unit).filter(|_| goes(unit)))?;
        Some(drained + stop_grace_ms(world, unit))
    });
    // Until those that it comes after had moved it could not begin, nor until those it depends on were as it needs them.
    let after = upgrade.together.iter().flat_map(|together| together.after.iter().copied());
    let held = world.service(upgrade.service);
    let depends_on = held.into_iter().flat_map(|held| &held.depends_on).map(|held| held.service);
    let needed: BTreeSet<ServiceId> = after.chain(depends_on).collect();
    let ran = needed.iter().flat_map(|service| world.units_of(*service));
    let begun = ran.filter_map(|unit| since(&unit)).chain(
        needed.iter().filter_map(|service| world.upgrade(*service)).map(|other| other.phase_at),
    );
    // While a host or the server was away nothing could be told.
    let new = new_units(world, upgrade);
    let heard = new.iter().filter_map(|unit| world.seen.get(&unit.host)).map(|seen| seen.since);
    // What served all the time until a moment ago has not stood still.
    let stopped = new.iter().copied().filter(|_| upgrade.phase == UpgradePhase::Upgraded);
    let moments = moved.chain(stopped).filter_map(|unit| since(&unit)).chain(ends);
    moments.chain(begun).chain(heard).max().unwrap_or_default().max(upgrade.phase_at)
}

fn stop_grace_ms(world: &World, unit: &Unit) -> u64 {
    let template = world.template(unit.key.service, unit.key.revision);
    let graces = template.into_iter().flat_map(|template| template.members());
    let seconds = graces.map(|(_, spec)| spec.stop_grace_s.unwrap_or(STOP_GRACE_S)).max();
    u64::from(seconds.unwrap_or_default()) * 1000
}

/// What was seen of a version that is good.
fn good(world: &World, upgrade: &Upgrade) -> String {
    let seconds = upgrade.policy.verify_for_ms() / 1000;
    let mut said = format!("all containers serve, watched for {seconds} s");
    if let Some(bounds) = upgrade.policy.verify.requests {
        let (new, _) = counted(world, upgrade);
        let few = if new.answered < bounds.at_least { ", too few to judge by" } else { "" };
        said = format!("{said}; {} requests, {} failed{few}", new.answered, new.failures());
    }
    let passed = new_units(world, upgrade).into_iter().filter_map(|unit| tally(world, unit));
    if upgrade.policy.verify.probe.is_some() {
        let passed = passed.fold(0_u32, |sum, tally| sum.saturating_add(tally.passed.min(1)));
        said = format!("{said}; {passed} passed their verification");
    }
    if upgrade.policy.verify.stop {
        said.push_str("; one was stopped and ended in time");
    }
    said
}
