//! Replacing units: because their host is to be emptied, because they are not healthy, or because users want them on
//! another host.
//!
//! A unit never moves, and is never made well again. Its replacement is the next incarnation of the same slot and
//! revision, and the old one goes when that one serves. Where both can't be side by side, for a port or for what they
//! would share, the new one is made without being started, and starts when the old one is gone; one that serves goes only while
//! fewer of its service than a batch are down.
//!
//! Progress is read from the units. Where the reason is gone before the new unit serves, that one goes and the old one
//! stays.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::evacuate;
use super::rebalance::is_moved;
use super::slot::{beside, in_slot, is_single};
use super::together;
use crate::derive::{has_arrived, ill};
use crate::schedule::is_down;
use crate::{Desired, Host, Service, Slot, Unit, UpgradePhase, derive};

/// One step of every replacement under way; the slots where one still is. Before anything else is decided of them, so
/// that what follows finds one unit to a slot and revision that counts.
pub(super) fn go_on(draft: &mut Draft, service: &Service, slots: &[Slot]) -> BTreeSet<Slot> {
    let mut moving = BTreeSet::new();
    for &slot in slots {
        for (new, old) in pairs(draft, service, slot) {
            step(draft, service, slots, &new, &old);
            if draft.world.unit(old.key).is_some_and(|old| old.desired != Desired::Removed) {
                moving.insert(slot);
            }
        }
    }
    moving
}

/// The newest unit of a slot and revision, with each older one that is still there.
fn pairs(draft: &Draft, service: &Service, slot: Slot) -> Vec<(Unit, Unit)> {
    let units: Vec<&Unit> = in_slot(&draft.world, service.id, slot).collect();
    let newest = |old: &Unit| {
        let same = units.iter().rfind(|unit| unit.key.revision == old.key.revision)?;
        (same.key != old.key).then(|| ((*same).clone(), old.clone()))
    };
    units.iter().filter_map(|old| newest(old)).collect()
}

fn step(draft: &mut Draft, service: &Service, slots: &[Slot], new: &Unit, old: &Unit) {
    let serves = new.desired == Desired::Running && has_arrived(&draft.world, new);
    let is_ill = ill(&draft.world, old).is_some();
    // One that is on such a host itself was made for another reason.
    let emptied = |unit: &Unit| draft.world.host(unit.host).is_some_and(Host::is_evacuating);
    let leaves = emptied(old) && !emptied(new);
    let stays_put = !leaves && !is_moved(&draft.world, old.key);
    let called_off = stays_put && !is_ill;
    match old.desired {
        // It was to wait for the old one's place, and that one is on its way elsewhere: they begin anew.
        Desired::Draining if stays_put && new.desired >= Desired::Stopped => {
            draft.set(new.key, Desired::Removed);
        }
        // Nobody wants it to run any more, the one nor the other: what was there before is kept.
        Desired::Stopped if new.desired == Desired::Staged => draft.set(new.key, Desired::Removed),
        Desired::Stopped | Desired::Staged | Desired::Removed => {
            draft.set(old.key, Desired::Removed);
        }
        Desired::Running | Desired::Draining if serves || draft.is_given_up(old) => {
            draft.give_up(old.key);
        }
        // What waits to be started is looked for again elsewhere.
        Desired::Running | Desired::Draining
            if new.desired == Desired::Staged && draft.world.is_lost(new.host) =>
        {
            draft.set(new.key, Desired::Removed);
        }
        // An upgrade takes it down: of the two, the new one is what it keeps.
        Desired::Draining
            if new.desired == Desired::Stopped && rolls(draft, old) == Some(Side::Left) => {}
        // An upgrade called it off, and ended before it took the old one down: they begin anew.
        Desired::Running | Desired::Draining if new.desired == Desired::Stopped => {
            draft.set(new.key, Desired::Removed);
        }
        Desired::Running if called_off => draft.set(new.key, Desired::Removed),
        // There is room for one only, or the newer one is no better: whichever is tried next, it is not this one.
        Desired::Running if is_ill && (is_made(draft, new) || ill(&draft.world, new).is_some()) => {
            draft.give_up(old.key);
        }
        // What an upgrade leads to serves for both: should that be called off, one of them is called back.
        Desired::Draining if new.desired == Desired::Draining => {
            let goes = if emptied(new) && !emptied(old) { new } else { old };
            draft.give_up(goes.key);
        }
        // The two must never run at once: it is to leave, and goes when all is there for the other. While too many others are
        // down it stays, and what was to take its place keeps no place from them: they begin anew.
        Desired::Running | Desired::Draining
            if !stays_put
                && new.desired == Desired::Staged
                && is_single(draft, old.key)
                && !is_rolling(draft, old) =>
        {
            if !has_room(draft, service, slots, old) {
                draft.set(new.key, Desired::Removed);
                evacuate::wait(draft, std::slice::from_ref(old), derive::OTHERS_DOWN);
            } else if let Some(other) = third(draft, new, old) {
                let host = draft.world.host(other.host).map_or("?", Host::shown_name);
                let why = format!("another one of its place may run on {host}");
                evacuate::wait(draft, std::slice::from_ref(old), &why);
            } else if is_made(draft, new) {
                draft.set(old.key, Desired::Removed);
            }
        }
        // The new one is no good: another one is tried.
        Desired::Running if ill(&draft.world, new).is_some() => draft.give_up(new.key),
        Desired::Running if new.desired == Desired::Draining => draft.start(new.key, new.run),
        // The new one did serve, and does no longer: the old one still can.
        Desired::Draining if new.desired == Desired::Running => {
            if called_off {
                draft.set(new.key, Desired::Removed);
            }
            draft.start(old.key, old.run);
        }
        Desired::Running | Desired::Draining => {}
    }
}

/// Whether a unit may be taken down before its replacement starts: it serves nobody, or fewer others of its service than move
/// at a time are down, for whatever reason. They may have been up when the replacement was begun.
fn has_room(draft: &Draft, service: &Service, slots: &[Slot], old: &Unit) -> bool {
    let serves = old.desired == Desired::Running && has_arrived(&draft.world, old);
    let slots = slots.iter().copied();
    !serves || !derive::is_batch_down(&draft.world, service, slots, old.key.slot)
}

/// All that it needs to start is there, but for the place the old one takes, and its host can be asked to start it.
fn is_made(draft: &Draft, new: &Unit) -> bool {
    let world = &draft.world;
    new.desired == Desired::Staged && is_down(world, new) && world.is_connected(new.host)
}

/// Another unit of their slot that may be running, so that the new one could not be started once the old one is down.
fn third(draft: &Draft, new: &Unit, old: &Unit) -> Option<Unit> {
    beside(draft, new.key).find(|other| other.key != old.key).cloned()
}

/// An upgrade moves its service's slots: how many may be down at a time is for that to say, and what it leads away from it
/// takes itself. Of what it leads to, a unit that left before is waited for.
fn is_rolling(draft: &Draft, unit: &Unit) -> bool {
    match rolls(draft, unit) {
        None => false,
        Some(Side::Left) => true,
        Some(Side::Entered) => unit.desired != Desired::Draining,
    }
}

/// A side of an upgrade.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Entered,
}

/// On which side of an upgrade that moves a unit is; none while others of it come first.
fn rolls(draft: &Draft, unit: &Unit) -> Option<Side> {
    let (world, service) = (&draft.world, unit.key.service);
    let shift = world.shift(service).map(|(upgrade, ..)| upgrade);
    let upgrade = world.upgrade(service).or(shift)?;
    let (to, revision) = upgrade.leads_to();
    let is_new = service == to && revision.is_none_or(|new| unit.key.revision == new);
    let is_entered = match upgrade.phase {
        UpgradePhase::Upgrading => is_new,
        UpgradePhase::RollingBack => !is_new,
        UpgradePhase::Upgraded
        | UpgradePhase::Finishing
        | UpgradePhase::Canceling
        | UpgradePhase::Canceled => return None,
    };
    let side = if is_entered { Side::Entered } else { Side::Left };
    (!together::is_held(world, upgrade)).then_some(side)
}
