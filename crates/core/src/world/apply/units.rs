//! Units: made, told what to be, forgotten.

use std::sync::Arc;

use super::{Touched, exists, missing, need, step};
use crate::{Desired, Refused, RowKey, Time, Unit, UnitKey, World};

impl World {
    pub(super) fn create_unit(
        &mut self,
        unit: &Unit,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        let key = unit.key;
        if self.units.contains_key(&key) {
            return Err(exists(format!("unit {key}")));
        }
        need(self.services.contains_key(&key.service), "the unit's service")?;
        need(self.hosts.contains_key(&unit.host), "the unit's host")?;
        let members = self.template(key.service, key.revision);
        let members = members.ok_or_else(|| missing(format!("revision {}", key.revision)))?.len();
        if unit.serial < self.next_id {
            return Err(exists(format!("container number {}", unit.serial)));
        }
        self.next_id = unit.serial + members as u64;
        // The generation is the revision of the commit: it only rises, even when a key is used again, so
        // a report about an earlier unit of the same key can never pass for one about this.
        let unit = Unit { generation: self.revision, ..unit.clone() };
        let unit = Arc::new(unit);
        self.index_unit(&unit, true);
        self.units.insert(key, unit);
        touched.insert(RowKey::Unit(key));
        Ok(())
    }

    pub(super) fn set_desired(
        &mut self,
        key: UnitKey,
        desired: Desired,
        run: Option<u64>,
        until: Option<Time>,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        let unit = self.unit(key).ok_or_else(|| missing(format!("unit {key}")))?;
        if unit.desired == Desired::Removed && desired != Desired::Removed {
            return Err(step(format!("unit {key}"), "it is being removed"));
        }
        let run = run.unwrap_or(unit.run);
        let drain_until = until.filter(|_| desired == Desired::Draining);
        if unit.desired != desired || unit.run != run {
            let withdrawn = unit.desired == Desired::Running;
            let generation = self.revision;
            let unit = Unit { desired, generation, drain_until, run, ..unit.clone() };
            self.write_unit(unit);
            touched.insert(RowKey::Unit(key));
            let project = self.service(key.service).map(|service| service.project);
            if let Some(project) = project.filter(|_| withdrawn) {
                self.withdrawn.insert(project, generation);
                touched.insert(RowKey::Withdrawn(project));
            }
        } else if drain_until.is_some() && drain_until != unit.drain_until {
            // Only its end moves: what has been acknowledged stays acknowledged.
            let unit = Unit { drain_until, ..unit.clone() };
            self.write_unit(unit);
            touched.insert(RowKey::Unit(key));
        }
        Ok(())
    }

    pub(super) fn drop_unit(&mut self, key: UnitKey, touched: &mut Touched) -> Result<(), Refused> {
        let unit = self.units.get(&key).ok_or_else(|| missing(format!("unit {key}")))?;
        if unit.desired != Desired::Removed {
            return Err(step(format!("unit {key}"), "it is not to be removed"));
        }
        self.index_unit(&Arc::clone(unit), false);
        self.units.remove(&key);
        self.observed.remove(&key);
        self.balancers_followed.remove(&key);
        touched.extend([RowKey::Unit(key), RowKey::Observed(key)]);
        touched.insert(RowKey::BalancerFollowed(key));
        Ok(())
    }
}
