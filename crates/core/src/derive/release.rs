//! Whether what an upgrade leads to is any good: read from its units, and from what balancers count of its requests.
//!
//! Not what becomes of it: that is the planner's, by [`crate::UpgradePolicy`].

use super::{has_arrived, ill, upgrade_requests};
use crate::schedule::{container_name, is_down};
use crate::{
    Counts, Course, Desired, Host, RequestBounds, Time, Unit, Upgrade, UpgradePhase, VerifyAsk,
    World,
};

/// Times below this are not told apart when a version's are compared with another's, in milliseconds: a host that starts
/// containers has hiccups of that size.
const SLOW_FROM_MS: u64 = 100;

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

/// Failures of new containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleaseFailures {
    /// How many.
    pub count: u32,
    /// One of them, in words; empty without any.
    pub why: String,
}

/// Judge an upgrade by its policy. While it moves, what is wrong counts at once; when all has moved, it is watched for as
/// long as the policy says.
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
    if !policy.decides() || upgrade.verdict.is_some() {
        return Judgement::None;
    }
    let watched_until = upgrade.phase_at + policy.verify_for_ms();
    let is_over = !moving && now >= watched_until;
    let bad = too_many_failures(world, upgrade)
        .or_else(|| failed_probes(world, upgrade))
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
    let serves = new_units(world, upgrade).iter().all(|unit| has_arrived(world, unit));
    match (is_over, serves && tried == Rehearsal::Done) {
        (true, true) => Judgement::Good(good(world, upgrade)),
        (true, false) => stands_still(world, upgrade, now),
        (false, _) => Judgement::Open { until: watched_until },
    }
}

/// What a unit is asked because an upgrade leads to it and is yet to be judged.
pub(super) fn verification(world: &World, unit: &Unit) -> Option<VerifyAsk> {
    let service = unit.key.service;
    let shift = world.shift(service).map(|(upgrade, ..)| upgrade);
    let upgrade = world.upgrade(service).or(shift)?;
    let probe = upgrade.policy.verify.probe.as_ref()?;
    let undecided = matches!(upgrade.phase, UpgradePhase::Upgrading | UpgradePhase::Upgraded);
    let (to, revision) = upgrade.leads_to();
    let is_new = to == service && revision.is_none_or(|wanted| wanted == unit.key.revision);
    (is_new && undecided && upgrade.policy.decides() && upgrade.verdict.is_none())
        .then(|| probe.ask.clone())
}

/// Failures of the containers it leads to that nobody forgave.
pub fn release_failures(world: &World, upgrade: &Upgrade) -> ReleaseFailures {
    let mut all = ReleaseFailures::default();
    for unit in new_units(world, upgrade) {
        let one = unit_failures(world, unit, upgrade.policy.max_failures());
        all.count = all.count.saturating_add(one.count);
        if all.why.is_empty() {
            all.why = one.why;
        }
    }
    all
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

fn unit_failures(world: &World, unit: &Unit, tolerated: u32) -> ReleaseFailures {
    let name = container_name(world, unit.key, "");
    let host = world.host(unit.host).map_or("?", |host| host.shown_name());
    let seen = world.observed(unit.key);
    let seen = seen.filter(|seen| seen.generation == unit.generation && !world.is_lost(unit.host));
    let failed = seen.map(|seen| seen.failed.clone()).unwrap_or_default();
    let sick = ill(world, unit);
    // The next run has no more memory than this one.
    let decisive = if failed.out_of_memory { tolerated.saturating_add(1) } else { 0 };
    let count = unit.replacements + failed.times.max(decisive) + u32::from(sick.is_some());
    let how = match &sick {
        Some(sick) => format!("is not healthy: {}", sick.why),
        None if failed.how.is_empty() => "was not healthy before it was replaced".to_owned(),
        None => failed.how,
    };
    let why = if count == 0 { String::new() } else { format!("{name} on {host} {how}") };
    ReleaseFailures { count, why }
}

fn too_many_failures(world: &World, upgrade: &Upgrade) -> Option<String> {
    let failures = release_failures(world, upgrade);
    let count = failures.count.saturating_sub(upgrade.forgiven);
    let tolerated = upgrade.policy.max_failures();
    (count > tolerated).then(|| {
        let times = if count == 1 { "failure" } else { "failures" };
        format!(
            "{}; {count} {times} of new containers, {tolerated} are tolerated (max_failures)",
            failures.why
        )
    })
}

fn failed_probes(world: &World, upgrade: &Upgrade) -> Option<String> {
    let tolerated = upgrade.policy.verify.probe.as_ref()?.failures;
    let tallies = new_units(world, upgrade).into_iter().filter_map(|unit| {
        let seen = world.observed(unit.key).filter(|seen| seen.generation == unit.generation)?;
        Some((unit, seen.verified.as_ref().filter(|tally| tally.failed > 0)?))
    });
    let tallies: Vec<_> = tallies.collect();
    let failed: u32 = tallies.iter().map(|(_, tally)| tally.failed).sum();
    let (unit, tally) = tallies.first().filter(|_| failed > tolerated)?;
    let name = container_name(world, unit.key, "");
    let host = world.host(unit.host).map_or("?", |host| host.shown_name());
    Some(format!("{name} on {host} failed its verification: {}", tally.why))
}

/// What balancers counted of both versions: the new one's and the old one's.
fn counted(world: &World, upgrade: &Upgrade) -> (Counts, Counts) {
    match &upgrade.course {
        Course::InService { from, to, .. } => {
            let ledger = upgrade_requests(world, upgrade.service);
            let of = |revision| ledger.revisions.get(revision).cloned().unwrap_or_default();
            (of(to), of(from))
        }
        Course::ToService(shift) => {
            let of = |service| upgrade_requests(world, service).total();
            (of(shift.to_service), of(upgrade.service))
        }
    }
}

fn bad_requests(world: &World, upgrade: &Upgrade) -> Option<String> {
    let bounds = upgrade.policy.verify.requests?;
    let (new, old) = counted(world, upgrade);
    compare(bounds, &new, &old)
}

/// What is wrong with one version's requests, compared with another's.
fn compare(bounds: RequestBounds, new: &Counts, old: &Counts) -> Option<String> {
    let failed = new.failures();
    if failed > bounds.failed {
        let tolerated = bounds.failed;
        return Some(format!(
            "{failed} requests to the new version got no answer, {tolerated} may (verify.requests.failed)"
        ));
    }
    if new.answered < bounds.at_least {
        return None;
    }
    let share = |counts: &Counts| {
        (counts.server_errors * 1000).checked_div(counts.answered).unwrap_or_default()
    };
    let (ours, theirs) = (share(new), share(old));
    if ours > theirs + u64::from(bounds.server_errors_per_mille) {
        return Some(format!(
            "{} of {} answers of the new version were errors (5xx), {} % against {} % of the old one's \
             (verify.requests.server_errors)",
            new.server_errors,
            new.answered,
            percent(ours),
            percent(theirs)
        ));
    }
    let factor = u64::from(bounds.p99_percent?);
    let (ours, theirs) = (new.quantile_ms(990)?, old.quantile_ms(990)?);
    let slow = ours * 100 > theirs.max(SLOW_FROM_MS) * factor;
    (slow && old.answered >= bounds.at_least).then(|| {
        format!(
            "the new version is slow: 99 of 100 answers begin within {ours} ms, within {theirs} ms of the old one's \
             (verify.requests.p99_factor)"
        )
    })
}

/// `1.5` for 15 thousandths.
fn percent(per_mille: u64) -> String {
    format!("{}.{}", per_mille / 10, per_mille % 10)
}

/// Nothing came to serve for too long.
fn stands_still(world: &World, upgrade: &Upgrade, now: Time) -> Judgement {
    let (service, _) = upgrade.leads_to();
    let sides =
        std::iter::once(upgrade.service).chain((service != upgrade.service).then_some(service));
    let moved = sides.flat_map(|side| world.units_of(side)).filter(|unit| {
        has_arrived(world, unit) || unit.desired >= Desired::Stopped && is_down(world, unit)
    });
    let moved = moved.filter_map(|unit| world.observed(unit.key)).map(|seen| seen.since);
    // Until those that it comes after had moved it could not begin.
    let after = upgrade.together.iter().flat_map(|together| &together.after);
    let begun = after.filter_map(|service| world.upgrade(*service)).map(|other| other.phase_at);
    let last = moved.chain(begun).max().unwrap_or_default().max(upgrade.phase_at);
    let until = last + upgrade.policy.deadline_ms() + upgrade.interval_ms;
    if now < until {
        return Judgement::Open { until };
    }
    let stuck = new_units(world, upgrade).into_iter().find(|unit| !has_arrived(world, unit));
    let how = stuck.map_or_else(
        || "it has no place, or waits for another".to_owned(),
        |unit| {
            let name = container_name(world, unit.key, "");
            let host = world.host(unit.host).map_or("?", |host| host.shown_name());
            let seen = world.observed(unit.key).map_or("", |seen| seen.message.as_str());
            let seen = if seen.is_empty() { "it does not serve" } else { seen };
            format!("{name} on {host}: {seen}")
        },
    );
    let seconds = upgrade.policy.deadline_ms() / 1000;
    Judgement::Bad(format!("nothing moved for {seconds} s (deadline); {how}"))
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
    if upgrade.policy.verify.stop {
        said.push_str("; one was stopped and ended in time");
    }
    said
}

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
    // Whoever leaves a host is not stopped for this before another serves in its place.
    let leaves = |unit: &Unit| world.host(unit.host).is_some_and(Host::is_evacuating);
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
    // What goes may have served until a moment ago; of a host that is away nobody knows when it is gone.
    let counts = |unit: &&Unit| unit.desired != Desired::Removed || world.is_connected(unit.host);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(answered: u64, errors: u64, failed: u64, ms: u64) -> Counts {
        let mut counts = Counts::default();
        (0..answered).for_each(|_| counts.answer(ms));
        counts.server_errors = errors;
        if failed > 0 {
            counts.failed.insert(crate::Failure::Broken, failed);
        }
        counts
    }

    #[test]
    fn requests_of_two_versions_compared() {
        let bounds = RequestBounds { p99_percent: Some(150), ..RequestBounds::default() };
        for (what, new, old, bad) in [
            ("nothing yet", counts(0, 0, 0, 0), counts(0, 0, 0, 0), ""),
            ("as before", counts(500, 0, 0, 6), counts(500, 0, 0, 6), ""),
            ("one without an answer", counts(5, 0, 1, 6), counts(0, 0, 0, 0), "got no answer"),
            ("too few to say", counts(99, 99, 0, 6), counts(99, 0, 0, 6), ""),
            ("errors", counts(200, 6, 0, 6), counts(200, 0, 0, 6), "3.0 % against 0.0 %"),
            ("as many as ever", counts(200, 6, 0, 6), counts(200, 5, 0, 6), ""),
            ("slow", counts(200, 0, 0, 700), counts(200, 0, 0, 6), "within 768 ms"),
            ("slow, but so was the old one", counts(200, 0, 0, 700), counts(200, 0, 0, 600), ""),
            ("a hiccup", counts(200, 0, 0, 120), counts(200, 0, 0, 6), ""),
            ("nothing to compare with", counts(200, 0, 0, 700), counts(9, 0, 0, 6), ""),
        ] {
            let said = compare(bounds, &new, &old).unwrap_or_default();
            assert!(
                if bad.is_empty() { said.is_empty() } else { said.contains(bad) },
                "{what}: {said}"
            );
        }
    }
}
