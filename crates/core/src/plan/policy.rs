//! A scale policy carried out: the scale is raised while what there is runs and more would find a place, and lowered when
//! something has none.
//!
//! Whether more would fit is tried on a copy, so that nothing is made that has to go again. Which slots go when it shrinks,
//! [`super::scale`] says: those first that serve nobody.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::scale::numbered;
use super::slot::{New, find_host, is_arrived, is_missed, live, make};
use crate::{Change, Desired, ScalePolicy, Service, ServiceId, Slot, UnitKey, derive};

/// Bring the scale to where the policy has it now. A service whose units have gone over to another has none.
pub(super) fn follow(draft: &mut Draft, id: ServiceId) {
    let Some(service) = draft.world.service(id).cloned() else { return };
    let Some(policy) = service.scale_policy.filter(|_| service.scale > 0) else { return };
    let template = draft.world.current_template(&service);
    if template.is_none_or(|template| template.primary.is_global()) {
        return;
    }
    // What an upgrade or a restart is about is not for it to judge; and what an upgrade between services leads to, users said.
    if derive::busy(&draft.world, &service).is_some() || draft.world.shift(id).is_some() {
        return;
    }
    let least = policy.min.max(1);
    set(draft, id, service.scale.clamp(least, policy.max.max(least)));
    shrink(draft, id, policy);
    grow(draft, id, policy);
}

fn set(draft: &mut Draft, service: ServiceId, scale: u32) {
    if draft.world.service(service).is_some_and(|held| held.scale != scale) {
        draft.change(Change::SetScale { service, scale });
    }
}

/// Step down as long as something has no place, but never below the least.
fn shrink(draft: &mut Draft, id: ServiceId, policy: ScalePolicy) {
    loop {
        let Some(service) = draft.world.service(id).cloned() else { return };
        let slots = numbered(&draft.world, &service);
        if without_place(draft, &service, &slots).is_none() {
            return;
        }
        let Some(lower) = policy.below(service.scale) else { return };
        set(draft, id, lower);
    }
}

/// Step up once, when all there is runs and the step would find a place.
fn grow(draft: &mut Draft, id: ServiceId, policy: ScalePolicy) {
    let Some(service) = draft.world.service(id).cloned() else { return };
    let slots = numbered(&draft.world, &service);
    let all_run = slots.iter().all(|slot| is_arrived(draft, &service, *slot, service.current));
    let Some(higher) = policy.above(service.scale).filter(|_| all_run) else { return };
    if service.rebalance.is_some() {
        return;
    }
    let more = Service { scale: higher, ..service.clone() };
    match without_place(draft, &more, &numbered(&draft.world, &more)) {
        None => set(draft, id, higher),
        Some(why) => {
            let (scale, max) = (service.scale, policy.max);
            let text = format!("it runs at {scale} of at most {max}, and not at {higher}: {why}");
            draft.wait(id, None, text);
        }
    }
}

/// Why not all of these slots find a place, put there one after another on a copy; `None` if they do.
fn without_place(draft: &Draft, service: &Service, slots: &BTreeSet<Slot>) -> Option<String> {
    let missing: Vec<(Slot, Option<UnitKey>)> =
        slots.iter().filter_map(|slot| missing(draft, service, *slot)).collect();
    if missing.is_empty() {
        return None;
    }
    let mut trial = Draft::new(&draft.world, draft.now);
    let revision = service.current;
    for (slot, lost) in missing {
        match find_host(&mut trial, service, slot, revision, lost.as_slice()) {
            Ok(host) => {
                make(&mut trial, service, New::first(slot, revision, host, Desired::Running));
            }
            Err(why) => return Some(why),
        }
    }
    None
}

/// A slot that needs a unit made: it has none, or one on a host that is given up.
fn missing(draft: &Draft, service: &Service, slot: Slot) -> Option<(Slot, Option<UnitKey>)> {
    match live(&draft.world, service.id, slot, service.current) {
        None => Some((slot, None)),
        Some(unit) => is_missed(draft, unit).then_some((slot, Some(unit.key))),
    }
}
