//! Services and their revisions.

use std::sync::Arc;

use super::{Touched, exists, missing, need, step};
use crate::{Course, Refused, Revision, RevisionNo, RowKey, Service, ServiceId, World};

impl World {
    pub(super) fn put_service(
        &mut self,
        service: &Service,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        need(self.stacks.contains_key(&service.stack), "the service's stack")?;
        self.count(service.id.0);
        let held = self.service(service.id);
        let settled = held.and_then(|held| held.settled);
        let found = held.filter(|held| held.scale_policy.and(service.scale_policy).is_some());
        let scale = found.map_or(service.scale, |held| held.scale);
        let service = Service { scale, settled, ..service.clone() };
        touched.insert(RowKey::Service(service.id));
        self.write_service(service);
        Ok(())
    }

    /// Only a policy leaves the scale to the planner.
    pub(super) fn set_scale(
        &mut self,
        id: ServiceId,
        scale: u32,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        if self.service(id).is_some_and(|service| service.scale_policy.is_none()) {
            return Err(step(format!("service {id}"), "its scale is its users' to set"));
        }
        self.edit_service(id, touched, |service| service.scale = scale)
    }

    /// Ports that were picked are the service's, and those that its units publish change with it.
    fn write_service(&mut self, service: Service) {
        let held = self.services.get(&service.id).cloned();
        let ports = |of: &Service| (of.kind, of.picked_ports.clone());
        let changed = held.as_ref().is_some_and(|held| ports(held) != ports(&service));
        let units = changed.then(|| self.units_of(service.id).cloned().collect::<Vec<_>>());
        let units = units.unwrap_or_default();
        for unit in &units {
            self.index_ports(unit, false);
        }
        if let Some(held) = held {
            self.index.service(&held, false);
        }
        self.index.service(&service, true);
        self.services.insert(service.id, Arc::new(service));
        for unit in &units {
            self.index_ports(unit, true);
        }
    }

    pub(super) fn drop_service(
        &mut self,
        id: ServiceId,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        if self.units_of(id).next().is_some() {
            return Err(step(format!("service {id}"), "units of it are left"));
        }
        let revisions: Vec<_> = self.revisions(id).map(|r| (id, r.number)).collect();
        for key in revisions {
            if let Some(revision) = self.revisions.remove(&key) {
                self.index.revision(&revision, false);
            }
            touched.insert(RowKey::Revision(key.0, key.1));
        }
        if let Some(service) = self.services.remove(&id) {
            self.index.service(&service, false);
        }
        self.remove_upgrade(id);
        self.outcomes.remove(&id);
        touched.extend([RowKey::Service(id), RowKey::Upgrade(id), RowKey::Outcome(id)]);
        Ok(())
    }

    pub(super) fn add_revision(
        &mut self,
        revision: &Revision,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        let key = (revision.service, revision.number);
        if self.revisions.contains_key(&key) {
            return Err(exists(format!("revision {} of service {}", key.1, key.0)));
        }
        self.index.revision(revision, true);
        self.revisions.insert(key, Arc::new(revision.clone()));
        touched.insert(RowKey::Revision(key.0, key.1));
        Ok(())
    }

    /// What runs or may run again keeps what it was made from.
    pub(super) fn drop_revision(
        &mut self,
        service: ServiceId,
        number: RevisionNo,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        let what = || format!("revision {number} of service {service}");
        let current = self.service(service).is_some_and(|held| held.current == number);
        let runs = self.units_of(service).any(|unit| unit.key.revision == number);
        let moves = self.upgrade(service).is_some_and(|upgrade| match upgrade.course {
            Course::InService { from, to, .. } => [from, to].contains(&number),
            Course::ToService(_) => false,
        });
        if current || runs || moves {
            return Err(step(what(), "it is in use"));
        }
        let held = self.revisions.remove(&(service, number)).ok_or_else(|| missing(what()))?;
        self.index.revision(&held, false);
        // What it has in common with others is theirs still.
        let others: Vec<Arc<Revision>> = self.revisions(service).cloned().map(Arc::new).collect();
        for other in &others {
            self.index.revision(other, true);
        }
        touched.insert(RowKey::Revision(service, number));
        Ok(())
    }

    /// A digest is found out once.
    pub(super) fn pin_image(
        &mut self,
        key: (ServiceId, RevisionNo),
        image: &str,
        digest: &str,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        let held = self.revisions.get(&key);
        let held = held.ok_or_else(|| missing(format!("revision {} of {}", key.1, key.0)))?;
        match held.pins.get(image) {
            Some(pinned) if pinned != digest => {
                let why = format!("it is {pinned} already");
                return Err(step(format!("digest of {image}"), why));
            }
            Some(_) => {}
            None => {
                let mut revision = (**held).clone();
                revision.pins.insert(image.to_owned(), digest.to_owned());
                self.revisions.insert(key, Arc::new(revision));
                touched.insert(RowKey::Revision(key.0, key.1));
            }
        }
        Ok(())
    }

    pub(in crate::world) fn edit_service(
        &mut self,
        id: ServiceId,
        touched: &mut Touched,
        edit: impl FnOnce(&mut Service),
    ) -> Result<(), Refused> {
        let service = self.services.get(&id).ok_or_else(|| missing(format!("service {id}")))?;
        let mut service = (**service).clone();
        edit(&mut service);
        self.write_service(service);
        touched.insert(RowKey::Service(id));
        Ok(())
    }
}
