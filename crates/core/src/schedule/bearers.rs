//! Which services could have a container that a constraint looks for, so that not every unit of a host is asked; and on
//! which hosts one was found.
//!
//! May name more than there are, never fewer: the units found decide. What is known of a host holds for needs of no slot
//! until a unit on it changes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::field::FEW as FEW_UNITS;
use super::{Constraint, Need, Subject};
use crate::{HostId, ServiceId, StackId, Unit, World, label};

/// The services, and what is known of hosts.
#[derive(Debug)]
pub(super) struct Bearers {
    services: Services,
    /// If their units are few: all hosts that have one, or did.
    only_on: RefCell<Option<BTreeSet<HostId>>>,
    /// Whether a host has what is looked for.
    known: RefCell<BTreeMap<HostId, bool>>,
}

/// Services whose units may be what is looked for.
#[derive(Debug)]
enum Services {
    /// Any service's.
    Any,
    /// Some of these services', in order.
    Some(Vec<ServiceId>),
    /// All of these services'.
    All(Vec<ServiceId>),
}

/// So many services are looked for one by one on a host; of more, it is the host's units that are gone through.
const FEW: usize = 8;

/// Those of each constraint.
pub(super) fn bearers(world: &World, constraints: &[Constraint]) -> Vec<Rc<Bearers>> {
    let of = |constraint: &Constraint| Rc::new(Bearers::of(world, &constraint.subject));
    constraints.iter().map(of).collect()
}

impl Bearers {
    /// Of what a constraint looks for.
    pub(super) fn of(world: &World, subject: &Subject) -> Self {
        Self::new(world, Services::of(world, subject))
    }

    /// A service itself.
    pub(super) fn one(world: &World, service: ServiceId) -> Self {
        Self::new(world, Services::All(vec![service]))
    }

    fn new(world: &World, services: Services) -> Self {
        let only_on = RefCell::new(services.hosts(world));
        Self { services, only_on, known: RefCell::default() }
    }

    /// Whether so many services are meant that it is worth while to keep who they are.
    pub(super) fn are_many(&self) -> bool {
        match &self.services {
            Services::Any => true,
            Services::Some(services) | Services::All(services) => services.len() > FEW,
        }
    }

    /// The hosts of their units, and such as had some, if these are few.
    pub(super) fn hosts(&self) -> Option<BTreeSet<HostId>> {
        self.only_on.borrow().clone()
    }

    /// Whether a host could have one of their units.
    pub(super) fn may_be_on(&self, host: HostId) -> bool {
        self.only_on.borrow().as_ref().is_none_or(|hosts| hosts.contains(&host))
    }

    /// A unit on a host changed.
    pub(super) fn touch(&self, host: HostId) {
        self.known.borrow_mut().remove(&host);
        if let Some(hosts) = self.only_on.borrow_mut().as_mut() {
            hosts.insert(host);
        }
    }

    /// Whether one of their units on a host passes, and `is_it` if that is not certain.
    pub(super) fn any_on(
        &self,
        world: &World,
        host: HostId,
        need: &Need,
        passes: impl Fn(&Unit) -> bool,
        is_it: impl Fn(&Unit) -> bool,
    ) -> bool {
        if !self.may_be_on(host) {
            return false;
        }
        let look = || self.services.any_on(world, host, passes, is_it);
        if !need.is_of_no_slot() {
            return look();
        }
        let known = self.known.borrow().get(&host).copied();
        known.unwrap_or_else(|| {
            let found = look();
            self.known.borrow_mut().insert(host, found);
            found
        })
    }
}

impl Services {
    fn of(world: &World, subject: &Subject) -> Self {
        match subject {
            Subject::HostLabel(..) => Self::All(Vec::new()),
            Subject::ContainerLabel(key, value) if key == label::STACK => {
                let stacks = world.stacks_named(value);
                Self::All(sorted(stacks.flat_map(|stack| world.in_stack(stack)).collect()))
            }
            Subject::ContainerLabel(key, value) if key == label::STACK_SERVICE => {
                let found = named(world, value, '/', str::eq_ignore_ascii_case);
                found.map_or(Self::Any, |found| Self::All(sorted(found)))
            }
            Subject::ContainerLabel(key, value) => {
                Self::Some(world.services_labelled(key, value).collect())
            }
            Subject::Container(name) => {
                let found = named(world, name, '-', begins);
                found.map_or(Self::Any, |found| Self::Some(sorted(found)))
            }
        }
    }

    fn any_on(
        &self,
        world: &World,
        host: HostId,
        passes: impl Fn(&Unit) -> bool,
        is_it: impl Fn(&Unit) -> bool,
    ) -> bool {
        let both = |unit: &Unit| passes(unit) && is_it(unit);
        match self {
            Self::Any => world.units_on(host).any(both),
            Self::Some(services) => any_of(world, host, services, both),
            Self::All(services) => any_of(world, host, services, passes),
        }
    }

    /// The hosts of their units, if these are few.
    fn hosts(&self, world: &World) -> Option<BTreeSet<HostId>> {
        let (Self::Some(services) | Self::All(services)) = self else { return None };
        let units = services.iter().flat_map(|service| world.units_of(*service));
        let hosts: Vec<HostId> = units.take(FEW_UNITS + 1).map(|unit| unit.host).collect();
        (hosts.len() <= FEW_UNITS).then(|| hosts.into_iter().collect())
    }
}

fn any_of(
    world: &World,
    host: HostId,
    services: &[ServiceId],
    passes: impl Fn(&Unit) -> bool,
) -> bool {
    if services.len() <= FEW {
        return services.iter().any(|service| world.units_of_on(*service, host).any(&passes));
    }
    let mut held = world.held_on(host);
    held.any(|(service, unit)| services.binary_search(&service).is_ok() && passes(unit))
}

fn sorted(mut services: Vec<ServiceId>) -> Vec<ServiceId> {
    services.sort();
    services.dedup();
    services
}

/// Services by a text that begins with the name of their stack and goes on, after a separator, as `fits` says of it and
/// their own name; `None` if they could be of a stack that is not known.
fn named(
    world: &World,
    text: &str,
    separator: char,
    fits: impl Fn(&str, &str) -> bool,
) -> Option<Vec<ServiceId>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(separator) {
        let (stack, rest) = (&text[..at], &text[at + separator.len_utf8()..]);
        if stack.is_empty() || stack == "?" {
            return None;
        }
        let is_it = |id: &ServiceId| world.service(*id).is_some_and(|held| fits(rest, &held.name));
        let of_stack = |stack: StackId| world.in_stack(stack).filter(is_it);
        found.extend(world.stacks_named(stack).flat_map(of_stack));
    }
    Some(found)
}

/// `service-1`, `service-sidekick-1`.
fn begins(rest: &str, service: &str) -> bool {
    rest.get(..service.len()).is_some_and(|start| start.eq_ignore_ascii_case(service))
}
