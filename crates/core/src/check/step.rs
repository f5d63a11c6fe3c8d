//! What must hold of every step from one snapshot to the next.

use std::collections::BTreeSet;

use super::kept::{found_good, kept};
use super::{Violation, shift};
use crate::derive::DRAIN_TIMEOUT_MS;
use crate::plan::{LOST_AFTER_MS, SILENT_LOST_AFTER_MS};
use crate::{
    Course, Desired, Health, HostId, HostSeen, OnHostLoss, Phase, RevisionNo, Service, ServiceId,
    Slot, Time, Unit, UnitKey, Upgrade, UpgradePhase, World, derive,
};

/// Everything wrong with the step from `before` to `after`, taken at `now`.
pub fn check_step(before: &World, after: &World, now: Time) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut fail = |rule, what: String| found.push(Violation { rule, what });
    for (&key, old) in &before.units {
        match after.unit(key) {
            Some(new) if new.serial == old.serial => {
                one_way(old, new, &mut fail);
                drained((before, after), old, new, now, &mut fail);
            }
            // Forgotten; a new unit may have its key at once.
            Some(_) | None => dropped(before, old, &mut fail),
        }
    }
    for unit in after.units.values() {
        replaced(before, after, unit, &mut fail);
        doubled(before, after, unit, &mut fail);
    }
    for service in after.services.values() {
        early(before, after, service, &mut fail);
    }
    for unit in before.units.values() {
        evacuated(before, after, unit, &mut fail);
    }
    for (&service, upgrade) in &before.upgrades {
        kept(before, after, upgrade, &mut fail);
        found_good(after, upgrade, &mut fail);
        match &upgrade.course {
            Course::InService { from, to, start_first } => {
                let course: InService = (upgrade, *start_first, *from, *to);
                floor(before, after, service, course, &mut fail);
                interval(before, after, service, course, now, &mut fail);
            }
            Course::ToService(shift) => {
                shift::check_shift(before, after, upgrade, *shift, now, &mut fail);
            }
        }
    }
    for (key, old) in &before.observed {
        // A unit of the same key that was made since has a history of its own.
        let same = before.unit(*key).map(|u| u.serial) == after.unit(*key).map(|u| u.serial);
        if after.observed(*key).is_some_and(|new| same && new.clock() < old.clock()) {
            fail("clock", format!("what was seen of {key} went back in time"));
        }
    }
    for host in after.lost.keys().filter(|host| !before.is_lost(**host)) {
        let away = before.seen.get(host).filter(|seen| !seen.connected);
        let least = if may_be_gone(before, *host) { SILENT_LOST_AFTER_MS } else { LOST_AFTER_MS };
        if away.is_none_or(|seen| now < seen.since + least) {
            fail("lost", format!("host {host} was given up before its time"));
        }
    }
    taken_back(before, after, &mut fail);
    found
}

/// Nothing is built on what was seen before a host was lost: it speaks first.
fn taken_back(before: &World, after: &World, fail: Fail) {
    for host in before.lost.keys().filter(|host| !after.is_lost(**host)) {
        let speaks = |seen: &HostSeen| seen.connected && seen.caught_up;
        let is_gone = after.host(*host).is_none();
        if !is_gone && !before.seen.get(host).is_some_and(|seen| speaks(seen)) {
            fail("taken back", format!("host {host} counts again before it said what runs there"));
        }
    }
}

/// Somebody heard it who can still be asked, and nobody who can hears it now.
fn may_be_gone(world: &World, host: HostId) -> bool {
    let asked = world.seen.values().filter(|seen| seen.connected).map(|seen| &seen.hearing);
    let (mut some, mut none) = (false, true);
    for hearing in asked {
        some |= hearing.silent.contains_key(&host);
        none &= !hearing.heard.contains(&host);
    }
    some && none
}

type Fail<'a> = &'a mut dyn FnMut(&'static str, String);

/// An upgrade in service: the row, whether it starts first, from which revision to which.
type InService<'a> = (&'a Upgrade, bool, RevisionNo, RevisionNo);

fn one_way(old: &Unit, new: &Unit, fail: Fail) {
    let key = old.key;
    if old.desired == Desired::Removed && new.desired != Desired::Removed {
        fail("one-way", format!("{key} was to be removed and is now {:?}", new.desired));
    }
    if new.generation < old.generation {
        fail("clock", format!("{key} went back from generation {}", old.generation));
    }
    if old.host != new.host {
        fail("moved", format!("{key} changed its host"));
    }
}

/// A unit that answers requests is stopped only when every balancer has let go of it and nothing is in flight to it,
/// or when its time is over; its time is cut short only when every balancer has let go of it. Balancers that were given
/// up are not waited for.
fn drained((before, after): (&World, &World), old: &Unit, new: &Unit, now: Time, fail: Fail) {
    // A host that is given up in this very step is gone already.
    let is_lost = |host| is_gone(before, host) || is_gone(after, host);
    let stops = old.desired <= Desired::Draining && new.desired >= Desired::Stopped;
    let drains = old.desired == Desired::Draining;
    let hurries = drains && new.desired == old.desired && new.drain_until < old.drain_until;
    let gone =
        is_lost(old.host) || before.host(old.host).is_none_or(|host| host.removed_at.is_some());
    let answers = before.observed(old.key).is_some_and(|seen| seen.ready);
    let over = |in_ms: u64| old.drain_until.is_some_and(|until| now + in_ms >= until);
    let spec = before.template(old.key.service, old.key.revision).map(|t| &t.primary);
    let takes_ms = spec.map_or(0, |spec| spec.drain_timeout_ms.unwrap_or(DRAIN_TIMEOUT_MS));
    if !(stops || hurries) || gone || !answers || over(0) || takes_ms == 0 {
        return;
    }
    let project = before.service(old.key.service).map(|s| s.project);
    for balancer in before.units.values() {
        let service = before.service(balancer.key.service);
        let is_one = service
            .is_some_and(|s| s.kind == crate::ServiceKind::Balancer && Some(s.project) == project);
        let runs = before.observed(balancer.key).is_some_and(|seen| seen.phase == Phase::Running);
        if !is_one || !runs || is_lost(balancer.host) || balancer.key == old.key {
            continue;
        }
        let held = before.balancers_followed.get(&balancer.key);
        let knows = drains && held.is_some_and(|f| f.routing >= old.generation);
        let busy = stops && held.is_some_and(|f| f.in_flight.contains_key(&old.key));
        if busy || !knows && !over(takes_ms) {
            let (key, balancer) = (old.key, balancer.key);
            fail("drained", format!("{key} was stopped while {balancer} could still send to it"));
        }
    }
}

/// A slot runs a second unit of one revision only to have the first leave a host that is to be emptied, because the first
/// is not healthy, or because users want it elsewhere. At most a batch of a service leaves hosts at a time, and for the sake
/// of balance at most one.
fn doubled(before: &World, after: &World, unit: &Unit, fail: Fail) {
    let runs = |world: &World, key| world.unit(key).is_some_and(|u| u.desired == Desired::Running);
    if !runs(after, unit.key) || runs(before, unit.key) {
        return;
    }
    let beside = |unit: &Unit| {
        let (key, units) = (unit.key, after.units_of(unit.key.service));
        let same = move |u: &&Unit| (u.key.slot, u.key.revision) == (key.slot, key.revision);
        units.filter(same).find(|u| u.key != key && u.desired == Desired::Running).cloned()
    };
    let Some(other) = beside(unit) else { return };
    let leaves = |u: &Unit| after.host(u.host).is_some_and(|h| h.evacuation.is_some() && !h.active);
    let asked = |u: &Unit| is_asked(before, u.key) || is_asked(after, u.key);
    let is_ill = |u: &Unit| {
        let seen = before.observed(u.key).filter(|seen| seen.generation == u.generation);
        seen.is_some_and(|seen| {
            seen.phase == Phase::Running
                && seen.containers.values().any(|c| c.health == Health::Unhealthy)
        })
    };
    let fine = [unit, &other].into_iter().any(|u| leaves(u) || is_ill(u) || asked(u));
    if !fine {
        let what =
            format!("{} was begun beside {}, which is well where it is", unit.key, other.key);
        return fail("double", what);
    }
    let Some(service) = after.service(unit.key.service).filter(|_| !is_ill(&other)) else { return };
    if asked(&other) && !leaves(&other) {
        let units = after.units_of(service.id).filter(|u| u.desired == Desired::Running);
        let moving = units.filter(|u| asked(u) && !leaves(u) && !is_ill(u) && beside(u).is_some());
        let moving: BTreeSet<Slot> = moving.map(|u| u.key.slot).collect();
        if moving.len() > 1 {
            let what = format!("{} moves slots {moving:?} at once, for balance", service.name);
            fail("moving", what);
        }
    }
    if !leaves(&other) {
        return;
    }
    let moving = after.units_of(service.id).filter(|u| u.desired == Desired::Running && leaves(u));
    let moving = moving.filter(|u| !is_ill(u) && beside(u).is_some());
    let moving: BTreeSet<Slot> = moving.map(|u| u.key.slot).collect();
    let batch = service.upgrade_defaults.batch_size.unwrap_or(1).max(1);
    if moving.len() > batch as usize {
        let name = &service.name;
        fail("moving", format!("{name} moves slots {moving:?} at once, in a batch of {batch}"));
    }
}

/// A unit is replaced for its health only if its own host finds it ill, and not if two others, that can be asked, both pass
/// the check that its host fails.
fn replaced(before: &World, after: &World, new: &Unit, fail: Fail) {
    let is_new = before.unit(new.key).is_none_or(|held| held.serial != new.serial);
    if !is_new || new.replacements == 0 {
        return;
    }
    let same = |u: &&Unit| (u.key.slot, u.key.revision) == (new.key.slot, new.key.revision);
    let units = before.units_of(new.key.service).filter(same);
    let running: Vec<&Unit> = units.filter(|u| u.desired == Desired::Running).collect();
    let seen = |u: &Unit| before.observed(u.key).filter(|seen| seen.generation == u.generation);
    let ill = |u: &Unit| -> Vec<_> {
        let held = seen(u).into_iter().flat_map(|seen| seen.containers.values());
        held.filter(|held| held.health == Health::Unhealthy).collect()
    };
    let Some(old) = running.iter().find(|u| !ill(u).is_empty()) else {
        return fail("replaced", format!("{} replaces what its own host finds well", new.key));
    };
    let found = ill(old);
    let [held] = found.as_slice() else { return };
    let says = |witness: HostId| {
        let seen = before.seen.get(&witness).filter(|seen| seen.connected);
        let said = seen.and_then(|_| before.witnessed.get(&witness)?.verdicts.get(&old.key))?;
        let same = (said.generation, said.starts, &said.address)
            == (old.generation, held.starts, &held.address);
        same.then_some(said.down.is_none())
    };
    // Who is asked changes with hosts that come and go in this very step.
    let said: Vec<bool> = after.witnesses_of(old.host).into_iter().filter_map(says).collect();
    if held.probed && said == [true, true] {
        fail("replaced", format!("{} replaces {}, which others find well", new.key, old.key));
    }
}

/// Nothing starts before what it depends on is as it needs it.
fn early(before: &World, after: &World, service: &Service, fail: Fail) {
    let runs =
        |world: &World| world.units_of(service.id).any(|unit| unit.desired == Desired::Running);
    let waited =
        before.service(service.id).is_some_and(|held| derive::unmet(before, held).is_some());
    if !waited || !runs(after) {
        return;
    }
    // As hosts were when that was decided; but what is needed may have been settled, or moved, by this very step.
    let mut decided_on = after.clone();
    decided_on.observed = before.observed.clone();
    let mut needed = service.depends_on.iter().map(|held| held.service);
    let unmet = needed.find_map(|id| derive::unmet_between(&decided_on, service.id, id));
    if let Some(unmet) = unmet {
        fail("early", format!("{} was started, which starts when {}", service.name, unmet.words));
    }
}

/// Whether users asked for a unit to be on another host.
fn is_asked(world: &World, unit: UnitKey) -> bool {
    let held = world.service(unit.service).and_then(|service| service.rebalance.as_ref());
    held.is_some_and(|held| held.moves.iter().any(|one| one.unit == unit))
}

/// Nobody leaves a host that is to be emptied, or that users want it off, before another serves in its place: never are fewer
/// of a service up because of that. What upgrades and restarts take down is judged by their own rules.
fn evacuated(before: &World, after: &World, old: &Unit, fail: Fail) {
    let key = old.key;
    let emptied = after.host(old.host).is_some_and(|h| h.evacuation.is_some());
    let leaves = emptied || is_asked(before, key) || is_asked(after, key);
    let taken = after.unit(key).is_none_or(|new| new.desired != Desired::Running);
    let Some(service) = after.service(key.service).filter(|_| leaves && taken) else { return };
    let wanted = service.wanted == crate::Wanted::Active
        && match key.slot {
            Slot::Number(_) => slots(after, service.id).contains(&key.slot),
            Slot::Host(_) => false, // goes with its host
        };
    let rolls =
        |u: &Upgrade| matches!(u.phase, UpgradePhase::Upgrading | UpgradePhase::RollingBack);
    let shift = before.shift(key.service).map(|(upgrade, ..)| upgrade);
    let upgrade = before.upgrade(key.service).or(shift);
    // One whose policy tries how a new container stops takes one down; only one, and not on a host that is to be emptied.
    let tried = upgrade.is_some_and(|upgrade| {
        let (to, revision) = upgrade.leads_to();
        let is_new = to == key.service && revision.is_none_or(|new| new == key.revision);
        upgrade.phase == UpgradePhase::Upgraded && upgrade.policy.verify.stop && is_new
    });
    let others = || {
        let units = after.units_of(key.service).filter(|unit| unit.key.revision == key.revision);
        units.filter(|unit| unit.key.slot != key.slot && unit.desired == Desired::Draining).count()
    };
    let tried = tried && !emptied && others() == 0;
    // Who goes back with another turns round and acts in one step.
    let turned = after.upgrade(key.service).is_some_and(rolls);
    let swapped = upgrade.is_some_and(rolls) || turned || service.restart.is_some() || tried;
    if !wanted
        || swapped
        || after.is_lost(old.host)
        || !serves(before, before, key.service, key.slot)
    {
        return;
    }
    // Of what must never run twice the next one is made, and waits.
    let waits = |unit: &Unit| {
        let made = before.observed(unit.key).is_some_and(|seen| seen.phase == Phase::Stopped);
        unit.key.slot == key.slot && unit.desired >= Desired::Stopped && made
    };
    let template = before.template(key.service, key.revision);
    let single = template.is_some_and(|t| t.primary.on_host_loss == Some(OnHostLoss::Fence));
    if single && before.units_of(key.service).any(waits) {
        return;
    }
    if old.desired == Desired::Running && !serves(before, after, key.service, key.slot) {
        fail("evacuation", format!("{key} was taken down before another served in its slot"));
    }
}

/// A unit is forgotten only when its containers are known to be gone, or its host is.
fn dropped(before: &World, unit: &Unit, fail: Fail) {
    let gone = before
        .observed(unit.key)
        .is_some_and(|seen| seen.phase == Phase::Gone && seen.generation == unit.generation);
    let no_host = before.host(unit.host).is_none_or(|host| host.removed_at.is_some());
    let removed = gone && unit.desired == Desired::Removed;
    if !no_host && !removed {
        fail("forgotten", format!("{} was dropped while its containers may exist", unit.key));
    }
}

/// An upgrade takes down serving units only as far as the batch allows, and none if it starts first.
fn floor(before: &World, after: &World, service: ServiceId, course: InService, fail: Fail) {
    let (upgrade, start_first, from, to) = course;
    let rolls = matches!(upgrade.phase, UpgradePhase::Upgrading | UpgradePhase::RollingBack);
    let slots = slots(before, service).intersection(&slots(after, service)).copied().collect();
    let slots: BTreeSet<Slot> = slots;
    let is_removed =
        |w: &World| w.service(service).is_none_or(|s| s.wanted != crate::Wanted::Active);
    if !rolls || is_removed(after) {
        return;
    }
    let served_before: BTreeSet<Slot> =
        slots.iter().copied().filter(|slot| serves(before, before, service, *slot)).collect();
    // A host that is given up or removed in this very step takes its slots down, not the upgrade.
    let given_up = |u: &Unit| is_gone(after, u.host) && !before.is_lost(u.host);
    let excused: BTreeSet<Slot> =
        before.units_of(service).filter(|u| given_up(u)).map(|u| u.key.slot).collect();
    let served_before: BTreeSet<Slot> = served_before.difference(&excused).copied().collect();
    let taken_down: Vec<Slot> = served_before
        .iter()
        .copied()
        .filter(|slot| !serves(before, after, service, *slot))
        .collect();
    if taken_down.is_empty() {
        return;
    }
    // On the way back nobody can be asked for another place, and the ones that come back have theirs.
    let gives_way = upgrade.phase == UpgradePhase::RollingBack
        && [from, to].into_iter().any(|revision| has_one_place(before, service, revision));
    if start_first && !gives_way {
        fail("start-first", format!("service {service} lost slots {taken_down:?} to its upgrade"));
    }
    // A host that is taken back in this very step brings its slots.
    let back = slots
        .iter()
        .filter(|slot| !served_before.contains(slot) && serves(before, after, service, **slot));
    let down = slots.len() - served_before.len() - back.count() + taken_down.len();
    if down > upgrade.batch_size as usize {
        let what = format!(
            "service {service} has {down} of {} slots down in a batch of {}",
            slots.len(),
            upgrade.batch_size
        );
        fail("batch", what);
    }
}

/// What it publishes, or that it must not run twice, can keep it from running beside another.
fn has_one_place(world: &World, service: ServiceId, revision: RevisionNo) -> bool {
    let template = world.template(service, revision);
    template.is_some_and(|template| {
        let publishes = template.members().any(|(_, spec)| !spec.ports.is_empty());
        publishes || template.primary.on_host_loss == Some(OnHostLoss::Fence)
    })
}

/// Nobody counts on the host any more.
fn is_gone(world: &World, host: HostId) -> bool {
    world.is_lost(host) || world.host(host).is_none_or(|host| host.removed_at.is_some())
}

/// Slots that some unit fills or shall fill. Those of a number that are on their way out don't count where there are as many
/// others as the scale asks for: which of them go is the planner's choice.
pub(super) fn slots(world: &World, service: ServiceId) -> BTreeSet<Slot> {
    let scale = world.service(service).map_or(0, |s| s.scale);
    let stays = |unit: &&Unit| !matches!(unit.desired, Desired::Draining | Desired::Removed);
    let stay: BTreeSet<Slot> =
        world.units_of(service).filter(stays).map(|unit| unit.key.slot).collect();
    let are_enough = stay.len() >= usize::try_from(scale).unwrap_or(usize::MAX);
    let kept = |slot: &Slot| match slot {
        Slot::Number(_) => !are_enough || stay.contains(slot),
        Slot::Host(host) => world.host(*host).is_some_and(|h| h.evacuation.is_none()),
    };
    world.units_of(service).map(|u| u.key.slot).filter(kept).collect()
}

/// Whether a unit of the slot was seen serving in `seen_in` and shall still run, in the same generation, in
/// `world`, which counts on its host.
fn serves(seen_in: &World, world: &World, service: ServiceId, slot: Slot) -> bool {
    let was_up = |key: UnitKey| {
        let unit = seen_in.unit(key);
        let seen = seen_in.observed(key);
        unit.zip(seen).is_some_and(|(unit, seen)| {
            let runs = seen.phase == Phase::Running && seen.ready && !world.is_lost(unit.host);
            // A start-once unit has served when it ended well.
            let ended_well = seen.phase == Phase::Completed
                && seen.containers.values().all(|c| c.exit_code.unwrap_or(0) == 0);
            unit.desired == Desired::Running
                && seen.generation == unit.generation
                && (runs || ended_well)
        })
    };
    world.units_of(service).any(|u| {
        u.key.slot == slot
            && u.desired == Desired::Running
            && was_up(u.key)
            && seen_in.unit(u.key).is_some_and(|old| old.generation == u.generation)
    })
}

/// The pause between batches: while every slot that was touched has settled, no further one is taken down
/// before the pause is over.
fn interval(
    before: &World,
    after: &World,
    service: ServiceId,
    (upgrade, start_first, from, to): InService,
    now: Time,
    fail: Fail,
) {
    let (from, to) = match upgrade.phase {
        UpgradePhase::Upgrading => (from, to),
        UpgradePhase::RollingBack => (to, from),
        UpgradePhase::Upgraded
        | UpgradePhase::Finishing
        | UpgradePhase::Canceling
        | UpgradePhase::Canceled => return,
    };
    let is_removed = after.service(service).is_none_or(|s| s.wanted != crate::Wanted::Active);
    // A slot that is no longer wanted goes whenever that is decided.
    let wanted = slots(after, service);
    let taken_down = before.units_of(service).any(|old| {
        old.key.revision == from
            && wanted.contains(&old.key.slot)
            && !after.is_lost(old.host) // then it is missed already
            && serves(before, before, service, old.key.slot)
            && !serves(before, after, service, old.key.slot)
            && old.desired == Desired::Running
            && after.unit(old.key).is_some_and(|new| new.desired != Desired::Running)
    });
    if is_removed || !taken_down || start_first {
        return;
    }
    let settled = before.units_of(service);
    // One that leaves its host, another being there in its place, has not settled by that.
    let settled = settled.filter(|u| u.desired == Desired::Running);
    let settled = settled.filter(|u| u.key.revision == to && wanted.contains(&u.key.slot));
    let settled = settled.filter_map(|u| before.observed(u.key).filter(|seen| seen.ready));
    if let Some(last) = settled.map(|seen| seen.since).max()
        && now < last + upgrade.interval_ms
    {
        let ms = now - last;
        fail("interval", format!("service {service} went on {ms} ms after its last batch"));
    }
}
