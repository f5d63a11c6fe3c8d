//! Trying how a new container stops: before an upgrade that asks for it is finished, one of its units is stopped and
//! started again. Where it stands is read from the units, see [`derive::rehearsal`]; what comes of it is judged there.

use super::draft::Draft;
use super::slot::resume;
use crate::derive::{self, Rehearsal};
use crate::{Desired, Service, Slot, Upgrade};

/// The next step, if the upgrade asks for it; the slot that is not to be started meanwhile.
pub(super) fn step(draft: &mut Draft, service: &Service, upgrade: &Upgrade) -> Option<Slot> {
    if !upgrade.policy.verify.stop || !derive::is_undecided(upgrade) {
        return None;
    }
    match derive::rehearsal(&draft.world, upgrade) {
        Rehearsal::Begin(unit) | Rehearsal::Stopping(unit) => {
            draft.set(unit, Desired::Stopped);
            Some(unit.slot)
        }
        Rehearsal::Ended(unit) => {
            let held = draft.world.unit(unit).cloned()?;
            resume(draft, service, &held, upgrade.ledger);
            Some(unit.slot)
        }
        Rehearsal::Hangs(_) | Rehearsal::Waits | Rehearsal::Done => None,
    }
}
