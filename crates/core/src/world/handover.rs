//! The end of an upgrade: how it went is kept, and after one from service to service the users' specs say what came of
//! it. Scales become what the units are already; what named the source names the target.
//!
//! While it lasts nothing of this is written: see [`crate::derive::carried`].

use std::sync::Arc;

use super::{RowKey, World, apply::Touched};
use crate::{
    BalancerSpec, DependsOn, Link, Outcome, Refused, Service, ServiceId, Shift, UpgradePhase,
    Wanted, derive,
};

impl World {
    pub(super) fn end_upgrade(
        &mut self,
        service: ServiceId,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        let requests = derive::upgrade_requests(self, service);
        touched.extend([RowKey::Upgrade(service), RowKey::Outcome(service)]);
        let Some(upgrade) = self.upgrades.get(&service).cloned() else { return Ok(()) };
        let shift = upgrade.shift().copied();
        let target_requests = shift.map(|s| derive::upgrade_requests(self, s.to_service));
        self.remove_upgrade(service);
        if let Some(shift) = shift {
            self.hand_over(service, shift, upgrade.phase, touched)?;
        }
        let outcome = Outcome { upgrade: (*upgrade).clone(), requests, target_requests };
        self.outcomes.insert(service, Arc::new(outcome));
        Ok(())
    }

    /// A rollback gives the target its old scale back. Every other end leaves everything to the target, also that of a
    /// source that was removed half-way.
    fn hand_over(
        &mut self,
        source: ServiceId,
        shift: Shift,
        phase: UpgradePhase,
        touched: &mut Touched,
    ) -> Result<(), Refused> {
        let target = shift.to_service;
        let lives =
            |world: &Self, id| world.service(id).is_some_and(|s| s.wanted != Wanted::Removed);
        if phase == UpgradePhase::RollingBack && lives(self, source) {
            if self.services.contains_key(&target) {
                self.edit_service(target, touched, |s| s.scale = shift.to_scale)?;
            }
            return Ok(());
        }
        if !lives(self, target) {
            return Ok(());
        }
        let name = self.service(source).map(|s| s.name.clone()).unwrap_or_default();
        self.edit_service(source, touched, |s| s.scale = 0)?;
        if shift.update_links {
            let project = self.service(source).map(|s| s.project);
            let all = self.services.values().filter(|s| Some(s.project) == project);
            let changed: Vec<Service> =
                all.filter_map(|held| renamed(held, (source, &name), target)).collect();
            for service in changed {
                self.edit_service(service.id, touched, |held| *held = service)?;
            }
        }
        Ok(())
    }
}

/// A service that named the source, with the target in its place; `None` if it didn't.
fn renamed(held: &Service, source: (ServiceId, &str), target: ServiceId) -> Option<Service> {
    let links = relinked(held, source, target);
    let balancer = held.balancer.as_ref().map(|spec| rerouted(held, spec, source.0, target));
    let mut depends_on: Vec<DependsOn> = Vec::new();
    for needed in &held.depends_on {
        let service = if needed.service == source.0 { target } else { needed.service };
        if service != held.id && !depends_on.iter().any(|one| one.service == service) {
            depends_on.push(DependsOn { service, ..*needed });
        }
    }
    let service = Service { links, depends_on, balancer, ..held.clone() };
    (service != *held).then_some(service)
}

/// Names are kept: a link without an alias went by the source's name.
fn relinked(held: &Service, (source, name): (ServiceId, &str), target: ServiceId) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    for link in &held.links {
        let mut link = link.clone();
        if link.service == source {
            let alias = if link.alias.is_empty() { name.to_owned() } else { link.alias };
            link = Link { service: target, alias };
        }
        if link.service != held.id && !links.contains(&link) {
            links.push(link);
        }
    }
    links
}

fn rerouted(
    held: &Service,
    spec: &BalancerSpec,
    source: ServiceId,
    target: ServiceId,
) -> BalancerSpec {
    let mut rules = Vec::new();
    for rule in &spec.rules {
        let mut rule = rule.clone();
        if rule.service == Some(source) && target != held.id {
            rule.service = Some(target);
        }
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    BalancerSpec { rules, ..spec.clone() }
}
