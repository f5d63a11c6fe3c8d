//! The best host for a unit: of those that fit, the one with the least rank.

use std::cmp::Reverse;

use super::Need;
use super::bearers::Bearers;
use super::fits::Asker;
use super::scheduler::Scheduler;
use crate::{Desired, Host, HostId, World};

/// No host fits; in words, why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unplaceable(pub String);

/// The best host for a unit. `stay` is where the slot was before: it is preferred, so that images, data and
/// the spread stay as they were.
pub fn place(world: &World, need: &Need, stay: Option<HostId>) -> Result<HostId, Unplaceable> {
    Scheduler::default().place(world, need, stay)
}

/// The hosts that are asked.
pub(super) fn candidates<'a>(world: &'a World, need: &Need) -> impl Iterator<Item = &'a Host> {
    let hosts = world.hosts.values().map(AsRef::as_ref);
    hosts.filter(|host| is_candidate(host, need))
}

pub(super) fn is_candidate(host: &Host, need: &Need) -> bool {
    host.project == need.project && host.removed_at.is_none()
}

/// Least is best: soft constraints broken; not where it was; units of the service's other slots that are to run there;
/// then what has to do with the host alone.
pub(super) type Rank = (usize, bool, usize, Tail);

/// The most free of the resources asked for, memory before CPU, the fewest containers, and the host's number.
pub(crate) type Tail = (Reverse<i64>, Reverse<i64>, usize, HostId);

/// Whether memory is asked for, and CPU.
pub(crate) type Asks = (bool, bool);

/// A host's rank, if it fits. `own` are the service's units.
pub(super) fn rank(asker: &Asker, host: &Host, own: &Bearers, away: bool) -> Option<Rank> {
    asker.fits(host).ok()?;
    let need = asker.need;
    let siblings = || {
        let units = asker.world.units_of_on(need.service, host.id);
        units.filter(|u| u.key.slot != need.slot && u.desired == Desired::Running).count()
    };
    let siblings = if own.may_be_on(host.id) { siblings() } else { 0 };
    let tail = asker.world.tail(host, need.asks());
    Some((asker.soft_misfits(host), away, siblings, tail))
}
