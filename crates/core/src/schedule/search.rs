//! The search for the host of least rank, without a look at all of them, gone on with from slot to slot of a service.
//!
//! Hosts are looked at in the order of a [`Field`]. One that was not looked at is no better than the next in that order
//! would be if it had no unit of the service and broke no constraint on containers; once the best so far is that good, the
//! search is over. What was found of a host holds until a unit on it changes, so that the next slot goes on where this one
//! ended, and a service of many slots looks at each host once.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use super::bearers::Bearers;
use super::field::{Field, Place};
use super::fits::Asker;
use super::place::{Rank, candidates, is_candidate, rank};
use super::{Misfit, Need, Subject, Unplaceable, explain};
use crate::{Host, HostId, RevisionNo, Unit, UnitKey, World};

/// What is known of the hosts for the slots of one service.
#[derive(Debug)]
pub(crate) struct Search {
    /// What a slot needs that has no unit yet.
    need: Need,
    bearers: Vec<Rc<Bearers>>,
    /// The service's own units.
    own: Bearers,
    /// Only some hosts have the containers that must be there, and all of them were looked at.
    is_whole: bool,
    /// Soft constraints on containers that no host keeps but those looked at.
    broken: usize,
    /// Hosts that were looked at, with their rank if they fit.
    found: BTreeMap<HostId, Option<Rank>>,
    ranked: BTreeSet<Rank>,
    /// Changed since.
    stale: BTreeSet<HostId>,
    /// How far the order was followed.
    reached: Option<Place>,
    /// Why there is no host for such a slot.
    nowhere: Option<Unplaceable>,
}

impl Search {
    /// A search that has not begun.
    pub(crate) fn new(world: &World, need: &Need, bearers: Vec<Rc<Bearers>>) -> Self {
        let need = need.of_no_slot();
        let mut search = Self {
            is_whole: false,
            broken: 0,
            found: BTreeMap::new(),
            ranked: BTreeSet::new(),
            stale: BTreeSet::new(),
            reached: None,
            nowhere: None,
            own: Bearers::one(world, need.service),
            need,
            bearers,
        };
        search.narrow(world);
        search
    }

    /// Whether what it knows is of use for a need.
    pub(crate) fn is_for(&self, need: &Need) -> bool {
        self.need.is_alike(need)
    }

    /// Who has what each of its constraints looks for.
    pub(super) fn bearers(&self) -> &[Rc<Bearers>] {
        &self.bearers
    }

    /// A unit on the host changed.
    pub(crate) fn touch(&mut self, host: HostId) {
        self.bearers.iter().for_each(|bearers| bearers.touch(host));
        self.own.touch(host);
        self.stale.insert(host);
        self.nowhere = None;
    }

    /// The best host for a slot; see [`super::place()`].
    pub(crate) fn best(
        &mut self,
        world: &World,
        field: &mut Field,
        need: &Need,
        stay: Option<HostId>,
    ) -> Result<HostId, Unplaceable> {
        if let Some(only) = only(need) {
            let found = self.rank_of(world, need, only, stay);
            return found.map_or_else(|| Err(self.explain(world, need)), |_| Ok(only));
        }
        // What is known of a slot without units does not hold where this one has some.
        let own = hosts_of(world, need, stay);
        let here = own.iter().filter_map(|host| self.rank_of(world, need, *host, stay)).min();
        // Every other host is away, and keeps no more soft constraints than there are.
        if let Some((0, false, _, tail)) = here.filter(|_| stay.is_some()) {
            return Ok(tail.3);
        }
        let other = self
            .first(world, field, &own)
            .map(|(soft, _, siblings, tail)| (soft, stay.is_some(), siblings, tail));
        match here.into_iter().chain(other).min() {
            Some((.., tail)) => Ok(tail.3),
            None if !own.is_empty() => Err(self.explain(world, need)),
            None => {
                let nowhere = self.nowhere.take().unwrap_or_else(|| self.explain(world, need));
                self.nowhere = Some(nowhere.clone());
                Err(nowhere)
            }
        }
    }

    /// The best of all hosts but some, for a slot without units.
    fn first(&mut self, world: &World, field: &mut Field, but: &BTreeSet<HostId>) -> Option<Rank> {
        for host in std::mem::take(&mut self.stale) {
            self.look_at(world, host);
        }
        loop {
            let best = self.ranked.iter().find(|(.., tail)| !but.contains(&tail.3)).copied();
            let next = if self.is_whole { None } else { field.next(world, self.reached) };
            let Some((soft, tail)) = next else { return best };
            if best.is_some_and(|best| best <= (soft + self.broken, false, 0, tail)) {
                return best;
            }
            self.reached = next;
            if !self.found.contains_key(&tail.3) {
                self.look_at(world, tail.3);
            }
        }
    }

    fn look_at(&mut self, world: &World, host: HostId) {
        let rank = self.rank_of(world, &self.need, host, None);
        if let Some(Some(old)) = self.found.insert(host, rank) {
            self.ranked.remove(&old);
        }
        self.ranked.extend(rank);
    }

    /// Containers that have to be there and are in few places leave only those; such as should be are looked for first.
    fn narrow(&mut self, world: &World) {
        if only(&self.need).is_some() {
            return;
        }
        let mut least: Option<BTreeSet<HostId>> = None;
        let mut first = BTreeSet::new();
        for (constraint, bearers) in self.need.constraints.iter().zip(&self.bearers) {
            if constraint.negated || matches!(constraint.subject, Subject::HostLabel(..)) {
                continue;
            }
            let Some(hosts) = bearers.hosts() else { continue };
            if !constraint.hard {
                self.broken += 1;
                first.extend(hosts);
            } else if least.as_ref().is_none_or(|least| hosts.len() < least.len()) {
                least = Some(hosts);
            }
        }
        self.is_whole = least.is_some();
        for host in least.unwrap_or(first) {
            self.look_at(world, host);
        }
    }

    /// A host's rank for a slot, if it fits.
    fn rank_of(
        &self,
        world: &World,
        need: &Need,
        host: HostId,
        stay: Option<HostId>,
    ) -> Option<Rank> {
        let host = world.host(host).filter(|host| is_candidate(host, need))?;
        let asker = Asker { world, need, bearers: &self.bearers };
        rank(&asker, host, &self.own, stay.is_some_and(|stay| stay != host.id))
    }

    /// Why there is no host: what every one of them says, or the one that was asked for.
    fn explain(&self, world: &World, need: &Need) -> Unplaceable {
        let asker = Asker { world, need, bearers: &self.bearers };
        let misfit = |host: &Host| Some((host.shown_name().to_owned(), asker.fits(host).err()?));
        let asked = need.pinned.and_then(|host| world.host(host));
        let misfits: Vec<(String, Misfit)> = match asked.filter(|host| is_candidate(host, need)) {
            Some(host) => misfit(host).into_iter().collect(),
            None => candidates(world, need).filter_map(misfit).collect(),
        };
        Unplaceable(explain(&misfits))
    }
}

/// The only host that can do, if one is asked for or has the data.
fn only(need: &Need) -> Option<HostId> {
    need.pinned.or(need.data.first().map(|(host, _)| *host))
}

/// Where a slot has units or had them, and where units that don't count are.
fn hosts_of(world: &World, need: &Need, stay: Option<HostId>) -> BTreeSet<HostId> {
    let low =
        UnitKey { service: need.service, slot: need.slot, revision: RevisionNo(0), incarnation: 0 };
    let high = UnitKey { revision: RevisionNo(u32::MAX), incarnation: u32::MAX, ..low };
    let own = world.units.range(low..=high).map(|(_, unit): (_, &Arc<Unit>)| unit.host);
    let replaced = need.replaces.iter().filter_map(|key| world.unit(*key)).map(|unit| unit.host);
    own.chain(replaced).chain(stay).collect()
}
