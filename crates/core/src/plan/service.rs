//! Which life a service leads now: coming up, at rest, upgrading, going away.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::roll::{Roll, roll};
use super::slot::{ensure, in_slot, is_arrived, is_kept_out, live};
use super::{
    dependence, evacuate, heal, notes, policy, reap, rebalance, rehearse, replace, restart, retain,
    scale, shift, together, votes,
};
use crate::derive::has_arrived;
use crate::schedule::{Need, is_down};
use crate::{
    Change, Course, Desired, HostId, Pace, RevisionNo, Service, ServiceId, Slot, Unit, UnitKey,
    Upgrade, UpgradePhase, Wanted, World, derive,
};

/// Plan one service.
pub(super) fn plan_service(draft: &mut Draft, id: ServiceId) {
    draft.look_at(id);
    // Read before units of removed hosts are forgotten: it is the units that tell which slots there are.
    let held = derive::in_motion(&draft.world, id);
    reap::reap(draft, id);
    pin_images(draft, id);
    await_ends(draft, id);
    let Some(service) = draft.world.service(id).cloned() else { return };
    match service.wanted {
        Wanted::Removed => remove(draft, &service),
        Wanted::Inactive => stop(draft, &service),
        Wanted::Active => run(draft, &service, held),
    }
    retain::retain(draft, id);
    notes::units(draft, id);
    votes::notes(draft, id);
}

/// Time alone decides from when on others may run in the place of units whose hosts are lost.
fn await_ends(draft: &mut Draft, service: ServiceId) {
    if draft.world.lost.is_empty() {
        return;
    }
    let ends = draft.world.units_of(service).filter_map(|u| derive::given_up_at(&draft.world, u));
    if let Some(at) = ends.filter(|at| *at > draft.now).min() {
        draft.wake(service, at);
    }
}

fn run(draft: &mut Draft, service: &Service, held: Option<BTreeSet<Slot>>) {
    if !service.kind.has_units() {
        end_swap(draft, service.id);
        return settle(draft, service);
    }
    if held.is_none() {
        policy::follow(draft, service.id);
    }
    let Some(service) = &draft.world.service(service.id).cloned() else { return };
    if dependence::waits(draft, service) {
        evacuate::leave_nothing_behind(draft, service);
        // Of what does not run yet an upgrade is a swap, too.
        return end_swap(draft, service.id);
    }
    let slots = match &held {
        Some(held) => held.iter().copied().collect(),
        None => wanted_slots(draft, service),
    };
    // While it moves to another service, or from one, its slots are those that run; what waits to be started is down.
    let with_staged = match &held {
        Some(held) => held.union(&staged(draft, service.id)).copied().collect(),
        None => slots.clone(),
    };
    rebalance::strike(draft, service.id);
    let mut moving = replace::go_on(draft, service, &with_staged);
    match held {
        Some(held) => shift::hold(draft, service, &held),
        None => run_at_scale(draft, service, &slots, &moving),
    }
    evacuate::leave_nothing_behind(draft, service);
    heal::begin(draft, service, &with_staged, &mut moving);
    evacuate::begin(draft, service, &with_staged, &mut moving);
    rebalance::begin(draft, service, &with_staged, &moving);
    rebalance::strike(draft, service.id);
    if slots.iter().all(|slot| is_arrived(draft, service, *slot, service.current)) {
        settle(draft, service);
    }
}

/// Slots in which something waits to take the place of what goes: nothing that shall run is in them just then.
fn staged(draft: &Draft, service: ServiceId) -> BTreeSet<Slot> {
    let units = draft.world.units_of(service).filter(|unit| unit.desired == Desired::Staged);
    units.map(|unit| unit.key.slot).collect()
}

/// Run what the scale says, at the revision it shall be.
fn run_at_scale(draft: &mut Draft, service: &Service, slots: &[Slot], moving: &BTreeSet<Slot>) {
    drop_unwanted(draft, service.id, slots);
    match draft.world.upgrade(service.id).cloned() {
        None if service.restart.is_some() => restart::restart(draft, service, slots, moving),
        None => keep_target(draft, service, slots),
        Some(upgrade) => match upgrade.course {
            Course::InService { from, to, start_first } => {
                follow(draft, service, slots, &upgrade, (from, to, start_first));
            }
            Course::ToService(_) => {} // its sides are held, see `shift`
        },
    }
}

/// What the scale says; but of a service that an upgrade leads to, one may be tried out.
fn keep_target(draft: &mut Draft, service: &Service, slots: &[Slot]) {
    let shift = draft.world.shift(service.id).map(|(upgrade, ..)| upgrade.clone());
    let led_to = shift.filter(|upgrade| upgrade.phase == UpgradePhase::Upgraded);
    let tried = led_to.and_then(|upgrade| rehearse::step(draft, service, &upgrade));
    let others: Vec<Slot> = slots.iter().copied().filter(|slot| tried != Some(*slot)).collect();
    keep_only(draft, service, &others, service.current);
}

/// One step of an in-service upgrade's life.
fn follow(
    draft: &mut Draft,
    service: &Service,
    slots: &[Slot],
    upgrade: &Upgrade,
    (from, to, start_first): (RevisionNo, RevisionNo, bool),
) {
    let now = draft.now;
    let set = |phase| Change::phase(service.id, phase, now);
    let way = |from, to, pace: Pace| Roll {
        from,
        to,
        batch_size: pace.batch_size.unwrap_or(upgrade.batch_size),
        interval_ms: pace.interval_ms.unwrap_or(upgrade.interval_ms),
        start_first: pace.start_first.unwrap_or(start_first),
        yields: upgrade.phase == UpgradePhase::RollingBack,
    };
    match upgrade.phase {
        UpgradePhase::Upgrading | UpgradePhase::RollingBack if together::waits(draft, upgrade) => {
            hold(draft, service, slots, (from, to));
        }
        UpgradePhase::Upgrading => {
            if roll(draft, service, slots, &way(from, to, Pace::default())) {
                draft.change(set(UpgradePhase::Upgraded));
            }
        }
        UpgradePhase::Upgraded => {
            let rehearses = rehearse::step(draft, service, upgrade);
            for &slot in slots.iter().filter(|slot| rehearses != Some(**slot)) {
                ensure(draft, service, slot, to);
            }
            park(draft, service.id, to);
        }
        UpgradePhase::Finishing => {
            keep_only(draft, service, slots, to);
            if only_left(draft, service.id, to) {
                draft.change(Change::EndUpgrade(service.id));
            }
        }
        UpgradePhase::Canceling => {
            draft.change(set(UpgradePhase::Canceled));
            hold(draft, service, slots, (from, to));
        }
        UpgradePhase::Canceled => {
            if let Some(why) = &upgrade.verdict {
                draft.note(service.id, None, format!("its upgrade is paused: {why}"));
            }
            hold(draft, service, slots, (from, to));
        }
        UpgradePhase::RollingBack => {
            if roll(draft, service, slots, &way(to, from, upgrade.policy.back)) {
                keep_only(draft, service, slots, from);
                draft.change(Change::EndUpgrade(service.id));
            }
        }
    }
}

/// Every slot runs `revision`; whatever is of another one goes, but only once it is not what serves: so that
/// *finish* on a slot whose new unit just died keeps nothing, and a changed plan never leaves a gap.
fn keep_only(draft: &mut Draft, service: &Service, slots: &[Slot], revision: RevisionNo) {
    for &slot in slots {
        ensure(draft, service, slot, revision);
    }
    let others: Vec<UnitKey> = draft
        .world
        .units_of(service.id)
        .filter(|u| u.key.revision != revision && u.desired != Desired::Removed)
        .map(|u| u.key)
        .collect();
    for key in others {
        draft.set(key, Desired::Removed);
    }
}

/// *Finish* is over when no old unit is left on a host that can be asked; one on a host that is away stays
/// marked for removal and is dealt with when the host returns.
fn only_left(draft: &Draft, service: ServiceId, to: RevisionNo) -> bool {
    !draft.world.units_of(service).any(|u| u.key.revision != to && draft.world.is_connected(u.host))
}

/// Old units of a done upgrade are kept, stopped.
fn park(draft: &mut Draft, service: ServiceId, to: RevisionNo) {
    let old: Vec<UnitKey> = draft
        .world
        .units_of(service)
        .filter(|u| u.key.revision != to && u.desired < Desired::Stopped)
        .map(|u| u.key)
        .collect();
    for key in old {
        draft.set(key, Desired::Stopped);
    }
}

/// A cancelled upgrade stays as it is, but heals: what runs keeps running, and a slot that was caught between
/// old and new gets its old unit back.
fn hold(
    draft: &mut Draft,
    service: &Service,
    slots: &[Slot],
    (from, to): (RevisionNo, RevisionNo),
) {
    // Paused because it fails: what serves nobody is taken back, if the old one is still there.
    let is_paused = draft
        .world
        .upgrade(service.id)
        .is_some_and(|held| held.phase == UpgradePhase::Canceled && held.verdict.is_some());
    for &slot in slots {
        let running = |draft: &Draft, revision| {
            live(&draft.world, service.id, slot, revision)
                .is_some_and(|u| u.desired == Desired::Running)
        };
        let (old, new) = (running(draft, from), running(draft, to));
        let kept = live(&draft.world, service.id, slot, from)
            .is_some_and(|unit| !draft.world.is_lost(unit.host));
        // Not the newest one only: one that leaves its host serves until its replacement does.
        let serves = in_slot(&draft.world, service.id, slot).any(|unit| {
            let runs = unit.desired == Desired::Running && unit.key.revision == to;
            runs && has_arrived(&draft.world, unit)
        });
        if is_paused && new && kept && !serves {
            // It may hold the ports of the old one, or be what must not run beside it. One that was to be replaced goes with its
            // replacement: left alone, it would call that back.
            if !is_kept_out(draft, service, slot, from) {
                let units = in_slot(&draft.world, service.id, slot);
                let failing =
                    units.filter(|u| u.key.revision == to && u.desired == Desired::Running);
                for key in failing.map(|unit| unit.key).collect::<Vec<UnitKey>>() {
                    draft.set(key, Desired::Stopped);
                }
            }
            ensure(draft, service, slot, from);
            continue;
        }
        if old || !new {
            let back = old || live(&draft.world, service.id, slot, from).is_some();
            ensure(draft, service, slot, if back { from } else { to });
        }
        if new {
            ensure(draft, service, slot, to);
        }
    }
}

fn stop(draft: &mut Draft, service: &Service) {
    let units: Vec<UnitKey> = draft
        .world
        .units_of(service.id)
        .filter(|u| u.desired < Desired::Stopped || is_left_staged(&draft.world, u))
        .map(|u| u.key)
        .collect();
    for key in units {
        draft.set(key, Desired::Stopped);
    }
    let slots: BTreeSet<Slot> = draft.world.units_of(service.id).map(|u| u.key.slot).collect();
    let slots: Vec<Slot> = slots.into_iter().collect();
    rebalance::call_off(draft, service.id);
    replace::go_on(draft, service, &slots);
    evacuate::leave_nothing_behind(draft, service);
    if service.restart.is_some() {
        draft.change(Change::EndRestart(service.id));
    }
    let world = &draft.world;
    let down = world
        .units_of(service.id)
        .all(|u| is_down(world, u) || u.desired == Desired::Removed || !world.is_connected(u.host));
    if down {
        settle(draft, service);
    }
}

/// It was made to take the place of one that is gone by now. What an upgrade stages goes on waiting to be made: only then
/// it is known to be possible.
fn is_left_staged(world: &World, unit: &Unit) -> bool {
    let same =
        |other: &Unit| (other.key.slot, other.key.revision) == (unit.key.slot, unit.key.revision);
    let mut others = world.units_of(unit.key.service).filter(|other| other.key != unit.key);
    unit.desired == Desired::Staged
        && !world.upgrades.contains_key(&unit.key.service)
        && !others.any(|other| same(other) && other.desired != Desired::Removed)
}

fn remove(draft: &mut Draft, service: &Service) {
    let units: Vec<UnitKey> = draft.world.units_of(service.id).map(|u| u.key).collect();
    for &key in &units {
        draft.set(key, Desired::Removed);
    }
    if draft.world.upgrades.contains_key(&service.id) {
        draft.change(Change::EndUpgrade(service.id));
    }
    if units.is_empty() {
        settle(draft, service);
    }
}

/// Where there are no units, an upgrade is a swap, done at once: of aliases, of external services, of what has not started.
fn end_swap(draft: &mut Draft, service: ServiceId) {
    let phase = draft.world.upgrade(service).map(|u| u.phase);
    match phase {
        Some(UpgradePhase::Upgrading) => {
            draft.change(Change::phase(service, UpgradePhase::Upgraded, draft.now));
        }
        Some(UpgradePhase::Canceling) => {
            draft.change(Change::phase(service, UpgradePhase::Canceled, draft.now));
        }
        Some(UpgradePhase::Finishing | UpgradePhase::RollingBack) => {
            draft.change(Change::EndUpgrade(service));
        }
        Some(UpgradePhase::Upgraded | UpgradePhase::Canceled) | None => {}
    }
}

fn settle(draft: &mut Draft, service: &Service) {
    let wanted = service.wanted;
    if draft.world.service(service.id).is_some_and(|s| s.settled != Some(wanted)) {
        draft.change(Change::Settle { service: service.id, wanted });
    }
}

/// Slots beyond the scale, and of hosts a global service no longer covers: their units go.
fn drop_unwanted(draft: &mut Draft, service: ServiceId, slots: &[Slot]) {
    let wanted: BTreeSet<Slot> = slots.iter().copied().collect();
    let extra: Vec<UnitKey> = draft
        .world
        .units_of(service)
        .filter(|u| !wanted.contains(&u.key.slot) && u.desired != Desired::Removed)
        .map(|u| u.key)
        .collect();
    for key in extra {
        draft.set(key, Desired::Removed);
    }
}

/// The slots a service shall fill. A global service covers each host that its constraints allow, and keeps its
/// unit on a host that was deactivated or is away, and on one that is to be emptied until it is the last there.
fn wanted_slots(draft: &Draft, service: &Service) -> Vec<Slot> {
    let world = &draft.world;
    let Some(template) = world.current_template(service) else { return Vec::new() };
    if !template.primary.is_global() {
        return scale::numbered(world, service).into_iter().collect();
    }
    let has_unit = |host: HostId| in_slot(world, service.id, Slot::Host(host)).next().is_some();
    let hosts = world.hosts.values().filter(|h| h.project == service.project);
    let hosts = hosts.filter(|h| h.removed_at.is_none());
    let covered = hosts.filter(|host| {
        let kept = (!host.active || !world.is_connected(host.id))
            && !derive::only_global_left(world, host)
            && has_unit(host.id);
        kept || Need::of(world, service, Slot::Host(host.id), template).is_ok_and(|need| {
            let need = Need { ports: Vec::new(), memory: 0, milli_cpu: 0, ..need };
            crate::schedule::fits(world, host, &need).is_ok()
        })
    });
    covered.map(|host| Slot::Host(host.id)).collect()
}

/// The first digest seen for an image of a revision is the one all its slots run.
fn pin_images(draft: &mut Draft, service: ServiceId) {
    let mut pins = Vec::new();
    for unit in draft.world.units_of(service) {
        let Some(revision) = draft.world.revision_of(service, unit.key.revision) else { continue };
        let Some(seen) = draft.world.observed(unit.key) else { continue };
        for (member, spec) in revision.template.members() {
            let digest = seen.containers.get(member).map_or("", |c| c.digest.as_str());
            if !digest.is_empty() && !revision.pins.contains_key(&spec.image) {
                pins.push((revision.number, spec.image.clone(), digest.to_owned()));
            }
        }
    }
    pins.sort();
    pins.dedup_by(|a, b| (a.0, &a.1) == (b.0, &b.1));
    for (revision, image, digest) in pins {
        draft.change(Change::PinImage { service, revision, image, digest });
    }
}
