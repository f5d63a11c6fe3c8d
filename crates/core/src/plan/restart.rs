//! A rolling restart: every unit is stopped and started again, a batch at a time.
//!
//! A unit remembers the number of the restart it has been through, so that progress survives anything.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::slot::{ensure, live, resume};
use crate::derive::has_arrived;
use crate::schedule::is_down;
use crate::{Change, Desired, Service, Slot, Time};

/// Take the next steps; ends the restart when every slot has been through it and arrived. Slots that are `moving` to
/// another host have two units, of which one is to serve: they are left alone until they have moved.
pub(super) fn restart(
    draft: &mut Draft,
    service: &Service,
    slots: &[Slot],
    moving: &BTreeSet<Slot>,
) {
    let Some(restart) = service.restart else { return };
    let (mut waiting, mut last) = (Vec::new(), None::<Time>);
    let mut in_flight = slots.iter().any(|slot| moving.contains(slot));
    for &slot in slots.iter().filter(|slot| !moving.contains(slot)) {
        let Some(unit) = live(&draft.world, service.id, slot, service.current).cloned() else {
            in_flight = true;
            ensure(draft, service, slot, service.current);
            continue;
        };
        let done = unit.run >= restart.run;
        if done && has_arrived(&draft.world, &unit) {
            let since = draft.world.observed(unit.key).map(|seen| seen.since);
            last = last.max(since);
        } else if done {
            in_flight = true;
            ensure(draft, service, slot, service.current);
        } else if unit.desired == Desired::Stopped {
            in_flight = true;
            if is_down(&draft.world, &unit) || draft.world.is_lost(unit.host) {
                resume(draft, service, &unit, restart.run);
            }
        } else if unit.desired == Desired::Draining {
            in_flight = true;
            draft.set(unit.key, Desired::Stopped);
        } else {
            waiting.push(unit.key);
        }
    }
    if in_flight {
        return draft.note(service.id, None, format!("restarting: {} to go", waiting.len()));
    }
    if waiting.is_empty() {
        return draft.change(Change::EndRestart(service.id));
    }
    let next_at = last.map_or(draft.now, |last| last + restart.interval_ms);
    if draft.now < next_at {
        draft.note(service.id, None, format!("restarting: {} to go", waiting.len()));
        return draft.pause(service.id, next_at);
    }
    let batch = usize::try_from(restart.batch_size.max(1)).unwrap_or(usize::MAX);
    for &unit in waiting.iter().take(batch) {
        draft.set(unit, Desired::Stopped);
    }
    draft.note(service.id, None, format!("restarting: {} to go", waiting.len()));
}
