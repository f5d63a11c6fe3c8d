//! The best host for a unit: of those that fit, the one with the least rank.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::fits::{capacity, soft_misfits};
use super::{HostUse, Misfit, Need, Usage, explain, fits};
use crate::{Desired, Host, HostId, World};

/// No host fits; in words, why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unplaceable(pub String);

/// The best host for a unit. `stay` is where the slot was before: it is preferred, so that images, data and
/// the spread stay as they were.
pub fn place(
    world: &World,
    usage: &Usage,
    need: &Need,
    stay: Option<HostId>,
) -> Result<HostId, Unplaceable> {
    let nothing = HostUse::default();
    let siblings = siblings_by_host(world, need);
    let mut misfits: Vec<(String, Misfit)> = Vec::new();
    let mut best: Option<(Rank, HostId)> = None;
    for host in candidates(world, need) {
        let taken = usage.on(host.id).unwrap_or(&nothing);
        if let Err(misfit) = fits(world, host, taken, need) {
            misfits.push((host.shown_name().to_owned(), misfit));
            continue;
        }
        let siblings = siblings.get(&host.id).copied().unwrap_or(0);
        let away = stay.is_some_and(|stay| stay != host.id);
        let rank = rank(world, host, taken, need, (away, siblings));
        if best.as_ref().is_none_or(|(least, _)| rank < *least) {
            best = Some((rank, host.id));
        }
    }
    best.map(|(_, host)| host).ok_or_else(|| Unplaceable(explain(&misfits)))
}

fn candidates<'a>(world: &'a World, need: &'a Need) -> impl Iterator<Item = &'a Host> {
    let hosts = world.hosts.values().map(AsRef::as_ref);
    hosts.filter(|host: &&Host| host.project == need.project && host.removed_at.is_none())
}

/// Units of the service's other slots that are to run, by host.
fn siblings_by_host(world: &World, need: &Need) -> BTreeMap<HostId, usize> {
    let mut siblings = BTreeMap::new();
    for unit in world.units_of(need.service) {
        if unit.key.slot != need.slot && unit.desired == Desired::Running {
            *siblings.entry(unit.host).or_default() += 1;
        }
    }
    siblings
}

/// Least is best: soft constraints broken; not where it was; units of the same service there; then the most
/// free of the resources asked for, the fewest containers, and the host's number.
type Rank = (usize, bool, usize, Reverse<i64>, Reverse<i64>, usize, HostId);

fn rank(
    world: &World,
    host: &Host,
    taken: &HostUse,
    need: &Need,
    (away, siblings): (bool, usize),
) -> Rank {
    let (memory, milli_cpu) = capacity(world, host);
    let free = |asked: i64, capacity: i64, taken: i64| {
        Reverse(if asked > 0 { capacity - taken } else { 0 })
    };
    (
        soft_misfits(world, host, need),
        away,
        siblings,
        free(need.memory, memory, taken.memory),
        free(need.milli_cpu, milli_cpu, taken.milli_cpu),
        taken.containers,
        host.id,
    )
}
