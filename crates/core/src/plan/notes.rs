//! What is known of units that are not where they shall be, in words.

use super::draft::Draft;
use super::hosts::lost_at;
use super::slot::in_slot;
use crate::derive::has_arrived;
use crate::schedule::{bound, container_name, is_down};
use crate::{Desired, OnHostLoss, Phase, ServiceId, Time, Unit, UnitKey, World, derive};

/// A note for every unit of a service that is not where it shall be.
pub(super) fn units(draft: &mut Draft, service: ServiceId) {
    let found: Vec<_> = draft
        .world
        .units_of(service)
        .filter_map(|unit| say(&draft.world, unit).map(|(stuck, text)| (unit.key, stuck, text)))
        .collect();
    for (key, stuck, text) in found {
        if let Some(until) = moved_at(&draft.world, key).filter(|_| stuck) {
            draft.stuck_until(service, Some(key), until, text);
        } else if stuck {
            draft.stuck(service, Some(key), text);
        } else {
            draft.note(service, Some(key), text);
        }
    }
}

/// When a unit is made elsewhere whose host is away, if nothing is heard of that until then.
fn moved_at(world: &World, unit: UnitKey) -> Option<Time> {
    let unit = world.unit(unit).filter(|unit| unit.desired == Desired::Running)?;
    let seen = world.seen.get(&unit.host).filter(|seen| !seen.connected)?;
    let waits = world.is_lost(unit.host) || bound(world, unit).is_some();
    let moves = !waits && derive::on_host_loss(world, unit) == OnHostLoss::Move;
    moves.then(|| lost_at(world, &world.listeners(), unit.host, seen))
}

fn say(world: &World, unit: &Unit) -> Option<(bool, String)> {
    let name = container_name(world, unit.key, "");
    let host = world.host(unit.host).map_or("?", |h| h.shown_name());
    if !world.is_connected(unit.host) && !arrived(world, unit) {
        let others = world.words_of(unit.host);
        let text = format!("{name}: waiting for host {host}, which is not connected{others}");
        return Some((true, text));
    }
    if arrived(world, unit) {
        return None;
    }
    let seen = world.observed(unit.key).filter(|seen| seen.generation == unit.generation);
    let Some(seen) = seen else { return Some((false, format!("{name}: waiting for {host}"))) };
    let why = if seen.message.is_empty() { default_words(unit, seen.phase) } else { &seen.message };
    let failed = match seen.phase {
        Phase::BackOff | Phase::Completed => true,
        Phase::Pending
        | Phase::Pulling
        | Phase::Starting
        | Phase::Running
        | Phase::Stopping
        | Phase::Stopped
        | Phase::Gone => false,
    };
    let then = if is_replaced(world, unit) { "; it is being replaced" } else { "" };
    Some((failed, format!("{name} on {host}: {why}{then}")))
}

/// Another unit is there to take its place.
fn is_replaced(world: &World, unit: &Unit) -> bool {
    let takes_over = |other: &Unit| {
        other.key.revision == unit.key.revision && other.key.incarnation > unit.key.incarnation
    };
    let mut in_slot = in_slot(world, unit.key.service, unit.key.slot);
    unit.desired == Desired::Running && in_slot.any(takes_over)
}

fn arrived(world: &World, unit: &Unit) -> bool {
    match unit.desired {
        Desired::Running => has_arrived(world, unit),
        Desired::Draining => true,
        Desired::Stopped | Desired::Staged => is_down(world, unit),
        Desired::Removed => false, // until it is forgotten
    }
}

fn default_words(unit: &Unit, phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "waiting",
        Phase::Pulling => "pulling its image",
        Phase::Starting => "starting",
        Phase::Running if unit.desired == Desired::Running => "running, not ready yet",
        Phase::Running => "still running",
        Phase::BackOff => "failed; will be tried again",
        Phase::Completed => "ended",
        Phase::Stopping => "stopping",
        Phase::Stopped => "stopped",
        Phase::Gone => "gone",
    }
}
