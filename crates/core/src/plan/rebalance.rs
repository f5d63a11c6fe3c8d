//! Carrying out moves that users looked at and asked for: one unit of a service at a time, start-first, by [`super::replace`].
//!
//! Which moves there are was decided before, see `derive/rebalance.rs`. Here each is made as it was shown, or dropped with a
//! note when it can't be made any more or nothing is gained by it. A move that is over is struck from the service's row.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::slot::{New, in_slot, make};
use crate::derive::{has_arrived, ill, keeps_place};
use crate::schedule::{Misfit, Need, container_name, explain, fits, gain};
use crate::{
    Change, Desired, Host, Move, Service, ServiceId, Slot, Time, Unit, UnitKey, World, derive,
};

/// How often the unit that is to take the place may fail before the move is dropped.
const FAILURES_TOLERATED: u32 = 2;
/// How long it may take to serve, in milliseconds.
const COMES_UP_MS: u64 = 600_000;

/// How far a move is.
enum Fate {
    /// Nothing was begun.
    Waits,
    /// Its unit has one on another host beside it.
    UnderWay,
    /// The unit is gone.
    Over,
    /// It won't be made: why, in words.
    Dropped(String),
}

/// Strike what is over or won't be. What was begun of a move that is struck is called off by [`super::replace`].
pub(super) fn strike(draft: &mut Draft, service: ServiceId) {
    for held in moves(&draft.world, service) {
        match fate(&draft.world, held, draft.now) {
            Fate::UnderWay => {
                let units = in_slot(&draft.world, service, held.unit.slot);
                let over = units.map(|unit| unit.created_at + COMES_UP_MS).max();
                if let Some(at) = over.filter(|at| *at > draft.now) {
                    draft.wake(service, at);
                }
            }
            Fate::Waits => {}
            Fate::Over => draft.change(Change::EndMove(held.unit)),
            Fate::Dropped(why) => drop_move(draft, held, &why),
        }
    }
}

/// Nothing moves any more.
pub(super) fn call_off(draft: &mut Draft, service: ServiceId) {
    for held in moves(&draft.world, service) {
        draft.change(Change::EndMove(held.unit));
    }
}

/// Whether a unit is one that is to move.
pub(super) fn is_moved(world: &World, unit: UnitKey) -> bool {
    let rebalance = world.service(unit.service).and_then(|service| service.rebalance.as_ref());
    rebalance.is_some_and(|rebalance| rebalance.moves(unit))
}

/// Begin the next move, once nothing else of the service is on its way and all of it serves.
pub(super) fn begin(draft: &mut Draft, service: &Service, slots: &[Slot], moving: &BTreeSet<Slot>) {
    let world = &draft.world;
    let mut waiting = moves(world, service.id);
    let all = waiting.len();
    waiting.retain(|held| matches!(fate(world, *held, draft.now), Fate::Waits));
    if all == 0 {
        return;
    }
    draft.note(service.id, None, format!("rebalancing: {all} to go"));
    if waiting.is_empty() {
        return;
    }
    if let Some(why) = derive::busy(&draft.world, service) {
        return draft.wait(service.id, None, format!("rebalancing waits: {why}"));
    }
    if !moving.is_empty() {
        return;
    }
    if !slots.iter().all(|slot| derive::is_served(&draft.world, service.id, *slot)) {
        let text = format!("rebalancing waits: {}", derive::OTHERS_DOWN);
        return draft.wait(service.id, None, text);
    }
    let mut without_place: Vec<(Move, String, bool)> = Vec::new();
    for held in waiting {
        match look(&draft.world, service, held) {
            Look::Better => return step_aside(draft, service, held),
            Look::NoBetter(why) => drop_move(draft, held, &why),
            Look::NoPlace(why, passes) => without_place.push((held, why, passes)),
        }
    }
    // What others leave may make room; nobody waits for those that wait themselves.
    let others_move = !without_place.is_empty() && others_move(draft, service);
    for (held, why, passes) in without_place {
        if passes || others_move {
            let name = container_name(&draft.world, held.unit, "");
            draft.wait(service.id, Some(held.unit), format!("{name} is to move, and waits: {why}"));
        } else {
            drop_move(draft, held, &why);
        }
    }
}

/// What a move would meet now.
enum Look {
    Better,
    NoBetter(String),
    /// And whether that may pass by itself.
    NoPlace(String, bool),
}

fn look(world: &World, service: &Service, held: Move) -> Look {
    let gone = || Look::NoPlace("it can't be made there".to_owned(), false);
    let Some((unit, to)) = world.unit(held.unit).zip(world.host(held.to)) else { return gone() };
    let Some(template) = world.template(service.id, held.unit.revision) else { return gone() };
    let Ok(need) = Need::of(world, service, held.unit.slot, template) else { return gone() };
    if let Err(misfit) = fits(world, to, &need) {
        let is_away = misfit == Misfit::Disconnected && !world.is_lost(to.id);
        let why = explain(&[(to.shown_name().to_owned(), misfit)]);
        return Look::NoPlace(why, is_away);
    }
    match gain(world, &need, template, unit, to) {
        Some(_) => Look::Better,
        None => Look::NoBetter(format!("nothing is gained any more on {}", to.shown_name())),
    }
}

fn step_aside(draft: &mut Draft, service: &Service, held: Move) {
    let (slot, revision) = (held.unit.slot, held.unit.revision);
    make(draft, service, New::first(slot, revision, held.to, Desired::Running));
}

/// Whether a unit of another service of the project is on its way.
fn others_move(draft: &Draft, service: &Service) -> bool {
    let (world, now) = (&draft.world, draft.now);
    let others = world.services.values().filter(|other| {
        other.id != service.id && other.project == service.project && other.rebalance.is_some()
    });
    let mut moves = others.flat_map(|other| moves(world, other.id));
    moves.any(|held| matches!(fate(world, held, now), Fate::UnderWay))
}

fn moves(world: &World, service: ServiceId) -> Vec<Move> {
    let rebalance = world.service(service).and_then(|service| service.rebalance.as_ref());
    rebalance.map(|rebalance| rebalance.moves.clone()).unwrap_or_default()
}

fn fate(world: &World, held: Move, now: Time) -> Fate {
    let Some(unit) = world.unit(held.unit) else { return Fate::Over };
    let next = in_slot(world, held.unit.service, held.unit.slot)
        .filter(|other| other.key.revision == held.unit.revision && other.key > held.unit)
        .max_by_key(|other| other.key.incarnation);
    match (unit.desired, next) {
        (Desired::Removed, _) | (Desired::Draining, None) => Fate::Over,
        (Desired::Stopped | Desired::Staged, _) => {
            Fate::Dropped("it is not to run any more".to_owned())
        }
        (Desired::Draining, Some(_)) => Fate::UnderWay,
        (Desired::Running, Some(next)) => under_way(world, held, (unit, next), now),
        (Desired::Running, None) => waits(world, held, unit),
    }
}

/// Of one that has another beside it.
fn under_way(world: &World, held: Move, (unit, next): (&Unit, &Unit), now: Time) -> Fate {
    let name = || world.host(held.to).map_or("?", Host::shown_name);
    let dropped = |why: &str| Fate::Dropped(why.to_owned());
    if ill(world, unit).is_some() {
        return dropped("it is not healthy, and replaced for that");
    }
    if next.host != held.to {
        return dropped("it is replaced on another host already");
    }
    if world.is_lost(next.host) {
        return Fate::Dropped(format!("{} is lost", name()));
    }
    if world.host(next.host).is_some_and(Host::is_evacuating) {
        return Fate::Dropped(format!("{} is to be emptied", name()));
    }
    match ill(world, next) {
        Some(ill) => {
            Fate::Dropped(format!("the one on {} is not healthy there: {}", name(), ill.why))
        }
        None if failures(world, next) > FAILURES_TOLERATED => {
            Fate::Dropped(format!("the one on {} does not stay up there", name()))
        }
        None if !has_arrived(world, next) && now >= next.created_at + COMES_UP_MS => {
            let minutes = COMES_UP_MS / 60_000;
            Fate::Dropped(format!("the one on {} did not serve within {minutes} minutes", name()))
        }
        None => Fate::UnderWay,
    }
}

fn failures(world: &World, unit: &Unit) -> u32 {
    let seen = world.observed(unit.key).filter(|seen| seen.generation == unit.generation);
    seen.map_or(0, |seen| seen.failed.times)
}

/// Of one that stands alone.
fn waits(world: &World, held: Move, unit: &Unit) -> Fate {
    let to = world.host(held.to).filter(|host| host.removed_at.is_none());
    let Some(to) = to else { return Fate::Dropped("the other host is gone".to_owned()) };
    if world.is_lost(unit.host) {
        return Fate::Dropped("its host is lost".to_owned());
    }
    if world.host(unit.host).is_some_and(Host::is_evacuating) {
        return Fate::Dropped(
            "its host is to be emptied, and it leaves with the others".to_owned(),
        );
    }
    if world.is_lost(to.id) {
        return Fate::Dropped(format!("{} is lost", to.shown_name()));
    }
    keeps_place(world, unit).map_or(Fate::Waits, Fate::Dropped)
}

fn drop_move(draft: &mut Draft, held: Move, why: &str) {
    let name = container_name(&draft.world, held.unit, "");
    let to = draft.world.host(held.to).map_or("?", Host::shown_name);
    let text = format!("{name} does not move to {to}: {why}");
    draft.note(held.unit.service, Some(held.unit), text);
    draft.change(Change::EndMove(held.unit));
}
