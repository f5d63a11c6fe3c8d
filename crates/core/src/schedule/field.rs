//! The hosts of a project in the order in which their ranks can be, as far as that is the same for many services: those
//! without a label that must be there left out, then by how many wishes they break, then the freest first.
//!
//! Gone through only as far as somebody asks, and one for all services of a plan that ask the same. Such wishes are of
//! labels of hosts, and of containers of many services that should not be there: hosts with these stay free, and each
//! search would look at them first. Whether a host has room, and what else is on it, is for the search to find out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::rc::Rc;

use super::bearers::Bearers;
use super::fits::{Asker, has_host_label};
use super::{Asks, Constraint, Need, Subject, Tail};
use crate::{HostId, ProjectId, World};

/// So many hosts are looked at for being the only ones that have what is asked for.
pub(super) const FEW: usize = 64;

/// A host's place in the order: soft constraints that it breaks itself, and what its rank ends with.
pub(super) type Place = (usize, Tail);

/// The order for one kind of need.
#[derive(Debug)]
pub(crate) struct Field {
    project: ProjectId,
    asks: Asks,
    /// Those on labels of hosts.
    constraints: Vec<Constraint>,
    /// What should not be there, asked for a slot that has no unit.
    unwanted: Unwanted,
    /// Only some hosts have what must be there, and all of them were looked at.
    is_whole: bool,
    /// Soft constraints that no host keeps but those looked at.
    broken: usize,
    /// Hosts that were looked at, with their place if they have one.
    found: BTreeMap<HostId, Option<Place>>,
    order: BTreeSet<Place>,
    /// Changed since.
    stale: BTreeSet<HostId>,
    /// How far the freest were gone through.
    reached: Option<Tail>,
}

/// Soft constraints on containers of many services.
#[derive(Debug)]
struct Unwanted {
    /// With nothing else in it.
    need: Need,
    bearers: Vec<Rc<Bearers>>,
}

impl Field {
    /// The order for a need; `bearers` are of each of its constraints.
    pub(crate) fn new(world: &World, need: &Need, bearers: &[Rc<Bearers>]) -> Self {
        let mut field = Self {
            project: need.project,
            asks: need.asks(),
            constraints: of_hosts(need).cloned().collect(),
            unwanted: Unwanted::of(need, bearers),
            is_whole: false,
            broken: 0,
            found: BTreeMap::new(),
            order: BTreeSet::new(),
            stale: BTreeSet::new(),
            reached: None,
        };
        field.narrow(world);
        field
    }

    /// Whether it is the order for a need.
    pub(crate) fn is_for(&self, need: &Need, bearers: &[Rc<Bearers>]) -> bool {
        let unwanted = unwanted(need, bearers).map(|(constraint, _)| constraint);
        (self.project, self.asks) == (need.project, need.asks())
            && self.constraints.iter().eq(of_hosts(need))
            && self.unwanted.need.constraints.iter().eq(unwanted)
    }

    /// A unit on a host changed, and with it the host's place.
    pub(crate) fn touch(&mut self, host: HostId) {
        self.stale.insert(host);
    }

    /// The place that comes next.
    pub(super) fn next(&mut self, world: &World, after: Option<Place>) -> Option<Place> {
        if self.constraints.is_empty() && self.unwanted.bearers.is_empty() {
            let tail = world.freest(self.project, self.asks, after.map(|after| after.1)).next()?;
            return Some((0, tail));
        }
        for host in std::mem::take(&mut self.stale) {
            self.look_at(world, host);
        }
        loop {
            let best = match after {
                Some(after) => self.order.range((Excluded(after), Unbounded)).next(),
                None => self.order.first(),
            };
            let best = best.copied();
            let Some(tail) = self.freest(world) else { return best };
            if best.is_some_and(|best| best <= (self.broken, tail)) {
                return best;
            }
            self.reached = Some(tail);
            self.look_at(world, tail.3);
        }
    }

    /// The freest of those that were not looked at.
    fn freest(&self, world: &World) -> Option<Tail> {
        if self.is_whole {
            return None;
        }
        let mut hosts = world.freest(self.project, self.asks, self.reached);
        hosts.find(|tail| !self.found.contains_key(&tail.3))
    }

    fn look_at(&mut self, world: &World, host: HostId) {
        let place = self.place(world, host);
        if let Some(Some(old)) = self.found.insert(host, place) {
            self.order.remove(&old);
        }
        self.order.extend(place);
    }

    fn place(&self, world: &World, host: HostId) -> Option<Place> {
        let host = world.host(host).filter(|host| host.project == self.project)?;
        let broken = |hard| {
            let those = self.constraints.iter().filter(move |c| c.hard == hard);
            those.filter(|c| has_host_label(host, c) == c.negated)
        };
        if broken(true).next().is_some() {
            return None;
        }
        let Unwanted { need, bearers } = &self.unwanted;
        let unwanted = Asker { world, need, bearers }.soft_misfits(host);
        Some((broken(false).count() + unwanted, world.tail(host, self.asks)))
    }

    /// What has to be there and is in few places leaves only those; what should be there is looked for in them first.
    fn narrow(&mut self, world: &World) {
        let mut least: Option<Vec<HostId>> = None;
        let mut first = Vec::new();
        for constraint in self.constraints.iter().filter(|constraint| !constraint.negated) {
            let Subject::HostLabel(key, value) = &constraint.subject else { continue };
            let hosts = world.hosts_labelled(self.project, key, value).take(FEW + 1);
            let hosts: Vec<HostId> = hosts.collect();
            if hosts.len() > FEW {
                continue;
            }
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
}

impl Unwanted {
    fn of(need: &Need, bearers: &[Rc<Bearers>]) -> Self {
        let (constraints, bearers) =
            unwanted(need, bearers).map(|(c, b)| (c.clone(), b.clone())).unzip();
        Self { need: need.of_no_slot().with_only(constraints), bearers }
    }
}

/// What should not be on a host beside a unit, with who has it, where that are many services.
fn unwanted<'a>(
    need: &'a Need,
    bearers: &'a [Rc<Bearers>],
) -> impl Iterator<Item = (&'a Constraint, &'a Rc<Bearers>)> {
    let all = need.constraints.iter().zip(bearers);
    all.filter(|(constraint, bearers)| {
        let of_host = matches!(constraint.subject, Subject::HostLabel(..));
        constraint.negated && !constraint.hard && !of_host && bearers.are_many()
    })
}

fn of_hosts(need: &Need) -> impl Iterator<Item = &Constraint> {
    need.constraints.iter().filter(|c| matches!(c.subject, Subject::HostLabel(..)))
}
