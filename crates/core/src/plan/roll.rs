//! Moving every slot from one revision to another, a batch at a time. An upgrade rolls forward, a rollback
//! rolls back; it is the same movement.
//!
//! Progress is read from the units. A slot is *settled* when its new unit has arrived and its old one is down;
//! *in flight* while its old side is not up or its new side is being made or shall run; else it waits. At most a batch is in
//! flight, host failures included: a new batch starts only when none is.

use super::draft::Draft;
use super::slot::{ensure, find_host, in_slot, is_kept_out, live, stage};
use crate::derive::{has_arrived, is_served};
use crate::schedule::{Need, is_down, port_taken};
use crate::{Desired, RevisionNo, Service, Slot, Time, Unit, UnitKey, derive};

/// The way slots go.
pub(super) struct Roll {
    pub(super) from: RevisionNo,
    pub(super) to: RevisionNo,
    pub(super) batch_size: u32,
    pub(super) interval_ms: u64,
    pub(super) start_first: bool,
    /// Stop first all the same where the two of a slot can't run side by side: nobody is there to ask.
    pub(super) yields: bool,
}

/// What may be taken down of what serves.
struct Leave {
    /// Slots; those that are down for whatever reason are taken off.
    room: usize,
    /// Not before.
    next_at: Time,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Done, since then.
    Settled(Time),
    InFlight,
    Waiting,
}

/// Take the next steps. True when every slot is settled.
pub(super) fn roll(draft: &mut Draft, service: &Service, slots: &[Slot], way: &Roll) -> bool {
    let progress: Vec<(Slot, Progress)> =
        slots.iter().map(|&slot| (slot, progress(draft, service, slot, way))).collect();
    let settled = progress.iter().filter(|(_, p)| matches!(p, Progress::Settled(_))).count();
    if settled == slots.len() {
        return true;
    }
    let name = if way.to > way.from { "upgrading" } else { "rolling back" };
    draft.note(service.id, None, format!("{name}: {settled} of {} moved", slots.len()));

    let last = progress.iter().filter_map(|(_, p)| match p {
        Progress::Settled(at) => Some(*at),
        Progress::InFlight | Progress::Waiting => None,
    });
    // What has arrived counts also where the host of its old unit came back with that.
    let arrived = slots.iter().filter_map(|slot| {
        let new = live(&draft.world, service.id, *slot, way.to)?;
        draft.world.observed(new.key).filter(|_| has_arrived(&draft.world, new)).map(|o| o.since)
    });
    let next_at = last.chain(arrived).max().map_or(draft.now, |last| last + way.interval_ms);

    let batch = usize::try_from(way.batch_size.max(1)).unwrap_or(usize::MAX);
    let down = slots.iter().filter(|slot| !is_served(&draft.world, service.id, **slot)).count();
    let mut leave = Leave { room: batch.saturating_sub(down), next_at };

    let in_flight: Vec<Slot> = at(&progress, Progress::InFlight);
    for &slot in &in_flight {
        advance(draft, service, slot, way, &mut leave);
    }
    for (slot, _) in progress.iter().filter(|(_, p)| matches!(p, Progress::Settled(_))) {
        ensure(draft, service, *slot, way.to); // its host may have been lost since
    }
    if !in_flight.is_empty() {
        return false;
    }
    if draft.now < next_at {
        draft.pause(service.id, next_at);
        return false;
    }
    // Going back, a slot may have to wait for one behind it: what moved later took the ports of what had moved before.
    let mut waiting = at(&progress, Progress::Waiting);
    waiting.sort_by_key(|slot| is_kept_out(draft, service, *slot, way.to));
    for slot in waiting.into_iter().take(batch) {
        advance(draft, service, slot, way, &mut leave);
    }
    false
}

fn at(progress: &[(Slot, Progress)], wanted: Progress) -> Vec<Slot> {
    progress.iter().filter(|(_, p)| *p == wanted).map(|(slot, _)| *slot).collect()
}

fn progress(draft: &Draft, service: &Service, slot: Slot, way: &Roll) -> Progress {
    let world = &draft.world;
    let new = live(world, service.id, slot, way.to);
    let since = |unit: &Unit| world.observed(unit.key).map_or(Time::default(), |seen| seen.since);
    let old: Vec<&Unit> = old_units(draft, service, slot, way.to).collect();
    let is_parked = |u: &Unit| match u.desired {
        Desired::Stopped | Desired::Staged => is_down(world, u) || away(draft, u),
        Desired::Running | Desired::Draining | Desired::Removed => false,
    };
    let old_is_down = old.iter().all(|u| is_parked(u));
    if let Some(new) = new.filter(|new| has_arrived(world, new) && old_is_down) {
        let moments = std::iter::once(new).chain(old.iter().copied()).map(since);
        return Progress::Settled(moments.max().unwrap_or_default());
    }
    let old_is_up = old.iter().any(|u| has_arrived(world, u) && u.desired == Desired::Running);
    let new_is_coming = new.is_some_and(|u| u.desired != Desired::Stopped);
    if old_is_up && !new_is_coming { Progress::Waiting } else { Progress::InFlight }
}

fn old_units<'a>(
    draft: &'a Draft,
    service: &Service,
    slot: Slot,
    to: RevisionNo,
) -> impl Iterator<Item = &'a Unit> {
    in_slot(&draft.world, service.id, slot).filter(move |u| u.key.revision != to)
}

/// Nobody can be asked whether it is down, and nobody counts on it.
fn away(draft: &Draft, unit: &Unit) -> bool {
    draft.is_given_up(unit)
}

/// One step of one slot.
fn advance(draft: &mut Draft, service: &Service, slot: Slot, way: &Roll, leave: &mut Leave) {
    // What was being made for the other direction needs nothing any more.
    let old = old_units(draft, service, slot, way.to).filter(|u| u.desired == Desired::Staged);
    for key in old.map(|u| u.key).collect::<Vec<_>>() {
        draft.set(key, Desired::Stopped);
    }
    if way.start_first && !(way.yields && excludes(draft, service, slot, way.to)) {
        start_first(draft, service, slot, way);
    } else {
        stop_first(draft, service, slot, way, leave);
    }
}

/// Whether a slot's unit of that revision can't run beside its others: of what must not run twice, and where they have the
/// ports of its host or all other places are taken.
fn excludes(draft: &mut Draft, service: &Service, slot: Slot, revision: RevisionNo) -> bool {
    let template = draft.world.template(service.id, revision).cloned();
    if template.as_deref().is_some_and(derive::is_single) {
        return true;
    }
    let Some(kept) = live(&draft.world, service.id, slot, revision).cloned() else {
        return find_host(draft, service, slot, revision, &[]).is_err();
    };
    let need = template.and_then(|template| Need::of(&draft.world, service, slot, &template).ok());
    let own = |holder| holder == kept.key;
    need.and_then(|need| port_taken(&draft.world, kept.host, &need.ports, own))
        .is_some_and(|held| held.holder.service == service.id && held.holder.slot == slot)
}

fn stop_first(draft: &mut Draft, service: &Service, slot: Slot, way: &Roll, leave: &mut Leave) {
    let old: Vec<Unit> = old_units(draft, service, slot, way.to).cloned().collect();
    let running: Vec<UnitKey> =
        old.iter().filter(|u| u.desired < Desired::Stopped).map(|u| u.key).collect();
    // Don't take down what serves for something that can't be made: no place, no image, a bad configuration.
    if !running.is_empty() && !stage(draft, service, slot, way.to, &running) {
        return;
    }
    // The slots of a batch are staged at different moments, and others may have failed meanwhile.
    if old.iter().any(|u| u.desired == Desired::Running && has_arrived(&draft.world, u)) {
        if draft.now < leave.next_at {
            return draft.wake(service.id, leave.next_at);
        }
        let Some(room) = leave.room.checked_sub(1) else { return };
        leave.room = room;
    }
    for &key in &running {
        draft.set(key, Desired::Stopped);
    }
    let down =
        old_units(draft, service, slot, way.to).all(|u| is_down(&draft.world, u) || away(draft, u));
    if down {
        ensure(draft, service, slot, way.to);
    }
}

fn start_first(draft: &mut Draft, service: &Service, slot: Slot, way: &Roll) {
    let old: Vec<Unit> = old_units(draft, service, slot, way.to).cloned().collect();
    // What ran once and ended well has arrived even on its way out: it counts once it is called back.
    let new_arrived = live(&draft.world, service.id, slot, way.to)
        .is_some_and(|new| new.desired == Desired::Running && has_arrived(&draft.world, new));
    if new_arrived {
        for unit in old.iter().filter(|u| u.desired < Desired::Stopped) {
            draft.set(unit.key, Desired::Stopped);
        }
        return;
    }
    let old_serves = old.iter().any(|u| has_arrived(&draft.world, u));
    let running: Vec<UnitKey> =
        old.iter().filter(|u| u.desired < Desired::Stopped).map(|u| u.key).collect();
    let has_new = live(&draft.world, service.id, slot, way.to).is_some();
    if !old_serves && !has_new && find_host(draft, service, slot, way.to, &[]).is_err() {
        // The old unit serves nobody and stands in the way: nothing is lost by stopping it first.
        for &key in &running {
            draft.set(key, Desired::Stopped);
        }
    }
    ensure(draft, service, slot, way.to);
}
