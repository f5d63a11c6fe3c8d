//! Units that the snapshot has forgotten, as they were last. Their containers stay readable by id for a while, in state
//! `removed`: clients that wait for a removal take a 404 for a failure, or crash on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drover_core::{Observed, RowKey, Template, Time, Unit, World};

use crate::resource::container::by_number;

/// A unit that is forgotten.
#[derive(Clone, Debug)]
pub struct Departed {
    /// As it was planned last.
    pub unit: Arc<Unit>,
    /// Its containers.
    pub template: Arc<Template>,
    /// As it was seen last.
    pub seen: Option<Arc<Observed>>,
    /// When it was forgotten.
    pub at: Time,
}

impl Departed {
    /// The units that a change of these rows made the snapshot forget.
    pub fn between<'a>(
        before: &'a World,
        after: &'a World,
        touched: &'a BTreeSet<RowKey>,
        now: Time,
    ) -> impl Iterator<Item = Self> + 'a {
        touched.iter().filter_map(move |row| {
            let RowKey::Unit(key) = row else { return None };
            let unit = before.units.get(key)?;
            let is_there = after.unit(*key).is_some_and(|held| held.serial == unit.serial);
            let template = before.template(key.service, key.revision)?;
            let seen = before.observed.get(key).cloned();
            let gone = Self { unit: unit.clone(), template: template.clone(), seen, at: now };
            (!is_there).then_some(gone)
        })
    }

    /// Whether a container of this number need not be looked for here, since the snapshot has it.
    pub fn is_there(world: &World, container: u64) -> bool {
        by_number(world, container).is_some()
    }

    /// The unit that a container was of, among these by their serials.
    pub fn of(all: &BTreeMap<u64, Self>, container: u64) -> Option<&Self> {
        let (serial, held) = all.range(..=container).next_back()?;
        let index = usize::try_from(container - serial).ok()?;
        (index < held.template.len()).then_some(held)
    }
}
