//! Placing one unit after another, while the cluster changes under the placements: what was learnt for one is kept for the
//! next as long as it holds.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::bearers::Bearers;
use super::field::Field;
use super::search::Search;
use super::{Need, Subject, Unplaceable};
use crate::{HostId, World};

/// So many orders of hosts are kept: each has to hear of every change.
const FIELDS: usize = 8;

/// What is known so far. Whoever changes the world between two placements says where.
#[derive(Debug, Default)]
pub(crate) struct Scheduler {
    /// The search for the service that was placed last.
    search: Option<Search>,
    /// Orders of hosts that searches went through, the last used first.
    fields: Vec<Field>,
    /// Whose containers have what constraints look for, where these are many: other services may look for the same.
    bearers: BTreeMap<Subject, Rc<Bearers>>,
}

impl Scheduler {
    /// The best host for a unit, see [`super::place()`].
    pub(crate) fn place(
        &mut self,
        world: &World,
        need: &Need,
        stay: Option<HostId>,
    ) -> Result<HostId, Unplaceable> {
        let held = self.search.take().filter(|search| search.is_for(need));
        let search = match held {
            Some(held) => held,
            None => Search::new(world, need, self.bearers(world, need)),
        };
        let bearers = search.bearers();
        let held = self.fields.iter().position(|field| field.is_for(need, bearers));
        let field = match held {
            Some(at) => self.fields.remove(at),
            None => Field::new(world, need, bearers),
        };
        self.fields.insert(0, field);
        self.fields.truncate(FIELDS);
        let search = self.search.insert(search);
        search.best(world, &mut self.fields[0], need, stay)
    }

    /// A unit on a host came, changed or went.
    pub(crate) fn touch(&mut self, host: HostId) {
        self.search.iter_mut().for_each(|search| search.touch(host));
        self.fields.iter_mut().for_each(|field| field.touch(host));
        self.bearers.values().for_each(|bearers| bearers.touch(host));
    }

    /// Anything may have changed.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    fn bearers(&mut self, world: &World, need: &Need) -> Vec<Rc<Bearers>> {
        let subjects = need.constraints.iter().map(|constraint| &constraint.subject);
        let of = |subject: &Subject| {
            if let Some(held) = self.bearers.get(subject) {
                return held.clone();
            }
            let found = Rc::new(Bearers::of(world, subject));
            if found.are_many() {
                self.bearers.insert(subject.clone(), found.clone());
            }
            found
        };
        subjects.map(of).collect()
    }
}
