//! Carrying out one change: the only place where a row of the world is written by a decision.
//!
//! It checks what must hold of a single write (references, one-way states, legal steps); what makes a *good*
//! decision is the planner's and the API's business.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{RowKey, World};
use crate::{Change, Course, Desired, Host, Refused, Service, Unit, Upgrade, UpgradePhase};

impl World {
    pub(super) fn apply(
        &mut self,
        change: &Change,
        touched: &mut BTreeSet<RowKey>,
    ) -> Result<(), Refused> {
        match change {
            Change::PutProject(project) => {
                self.count(project.id.0);
                self.projects.insert(project.id, Arc::new(project.clone()));
                touched.insert(RowKey::Project(project.id));
            }
            Change::DropProject(id) => {
                self.projects.remove(id);
                touched.insert(RowKey::Project(*id));
            }
            Change::PutHost(host) => {
                need(self.projects.contains_key(&host.project), "the host's project")?;
                self.count(host.id.0);
                // Its part of the network is the planner's.
                let subnet = self.host(host.id).and_then(|held| held.subnet.clone());
                let host = Host { subnet: subnet.or_else(|| host.subnet.clone()), ..host.clone() };
                touched.insert(RowKey::Host(host.id));
                self.hosts.insert(host.id, Arc::new(host));
            }
            Change::DropHost(id) => {
                if self.units_on(*id).next().is_some() {
                    return Err(step(format!("host {id}"), "units are left on it"));
                }
                self.hosts.remove(id);
                self.seen.remove(id);
                self.lost.remove(id);
                self.names_followed.remove(id);
                touched.extend([RowKey::Host(*id), RowKey::Seen(*id), RowKey::Lost(*id)]);
                touched.insert(RowKey::NamesFollowed(*id));
            }
            Change::PutStack(stack) => {
                need(self.projects.contains_key(&stack.project), "the stack's project")?;
                self.count(stack.id.0);
                self.stacks.insert(stack.id, Arc::new(stack.clone()));
                touched.insert(RowKey::Stack(stack.id));
            }
            Change::DropStack(id) => {
                self.stacks.remove(id);
                touched.insert(RowKey::Stack(*id));
            }
            Change::PutService(service) => self.put_service(service, touched)?,
            Change::DropService(id) => {
                if self.units_of(*id).next().is_some() {
                    return Err(step(format!("service {id}"), "units of it are left"));
                }
                let revisions: Vec<_> = self.revisions(*id).map(|r| (*id, r.number)).collect();
                for key in revisions {
                    self.revisions.remove(&key);
                    touched.insert(RowKey::Revision(key.0, key.1));
                }
                self.services.remove(id);
                self.upgrades.remove(id);
                self.outcomes.remove(id);
                touched.extend([RowKey::Service(*id), RowKey::Upgrade(*id), RowKey::Outcome(*id)]);
            }
            Change::AddRevision(revision) => {
                let key = (revision.service, revision.number);
                if self.revisions.contains_key(&key) {
                    return Err(exists(format!("revision {} of service {}", key.1, key.0)));
                }
                self.revisions.insert(key, Arc::new((**revision).clone()));
                touched.insert(RowKey::Revision(key.0, key.1));
            }
            Change::StartUpgrade(upgrade) => self.start_upgrade(upgrade, touched)?,
            Change::SetUpgradePhase { service, phase } => {
                let upgrade = self.upgrades.get(service);
                let upgrade = upgrade.ok_or_else(|| missing(format!("upgrade of {service}")))?;
                if !may_follow(upgrade.phase, *phase) {
                    let why = format!("{:?} does not lead to {phase:?}", upgrade.phase);
                    return Err(step(format!("upgrade of service {service}"), why));
                }
                let upgrade = Upgrade { phase: *phase, ..(**upgrade).clone() };
                // What the service shall run follows the direction the upgrade moves in.
                let goal = match (&upgrade.course, phase) {
                    (Course::InService { from, .. }, UpgradePhase::RollingBack) => Some(*from),
                    (Course::InService { to, .. }, UpgradePhase::Upgrading) => Some(*to),
                    (
                        Course::InService { .. } | Course::ToService(_),
                        UpgradePhase::Upgrading
                        | UpgradePhase::RollingBack
                        | UpgradePhase::Upgraded
                        | UpgradePhase::Finishing
                        | UpgradePhase::Canceling
                        | UpgradePhase::Canceled,
                    ) => None,
                };
                if let Some(goal) = goal {
                    self.edit_service(*service, touched, |s| s.current = goal)?;
                }
                self.upgrades.insert(*service, Arc::new(upgrade));
                touched.insert(RowKey::Upgrade(*service));
            }
            Change::EndUpgrade(service) => self.end_upgrade(*service, touched)?,
            Change::Settle { service, wanted } => {
                self.edit_service(*service, touched, |s| s.settled = Some(*wanted))?;
            }
            Change::EndRestart(service) => {
                self.edit_service(*service, touched, |s| s.restart = None)?;
            }
            Change::PinImage { service, revision, image, digest } => {
                let key = (*service, *revision);
                let held = self.revisions.get(&key);
                let held =
                    held.ok_or_else(|| missing(format!("revision {revision} of {service}")))?;
                match held.pins.get(image) {
                    Some(pinned) if pinned != digest => {
                        let why = format!("it is {pinned} already");
                        return Err(step(format!("digest of {image}"), why));
                    }
                    Some(_) => {}
                    None => {
                        let mut revision = (**held).clone();
                        revision.pins.insert(image.clone(), digest.clone());
                        self.revisions.insert(key, Arc::new(revision));
                        touched.insert(RowKey::Revision(key.0, key.1));
                    }
                }
            }
            Change::CreateUnit(unit) => self.create_unit(unit, touched)?,
            Change::SetDesired { unit: key, desired, run, until } => {
                let unit = self.unit(*key).ok_or_else(|| missing(format!("unit {key}")))?;
                if unit.desired == Desired::Removed && *desired != Desired::Removed {
                    return Err(step(format!("unit {key}"), "it is being removed"));
                }
                if unit.desired != *desired || run.is_some_and(|run| run != unit.run) {
                    let generation = self.revision;
                    let run = run.unwrap_or(unit.run);
                    let withdrawn = unit.desired == Desired::Running;
                    let drain_until = until.filter(|_| *desired == Desired::Draining);
                    let unit =
                        Unit { desired: *desired, generation, run, drain_until, ..unit.clone() };
                    self.units.insert(*key, Arc::new(unit));
                    touched.insert(RowKey::Unit(*key));
                    let project = self.service(key.service).map(|service| service.project);
                    if let Some(project) = project.filter(|_| withdrawn) {
                        self.withdrawn.insert(project, generation);
                        touched.insert(RowKey::Withdrawn(project));
                    }
                } else if *desired == Desired::Draining
                    && until.is_some_and(|u| Some(u) != unit.drain_until)
                {
                    // Only its end moves: what has been acknowledged stays acknowledged.
                    let unit = Unit { drain_until: *until, ..unit.clone() };
                    self.units.insert(*key, Arc::new(unit));
                    touched.insert(RowKey::Unit(*key));
                }
            }
            Change::DropUnit(key) => {
                let unit = self.unit(*key).ok_or_else(|| missing(format!("unit {key}")))?;
                if unit.desired != Desired::Removed {
                    return Err(step(format!("unit {key}"), "it is not to be removed"));
                }
                self.by_host.remove(&(unit.host, *key));
                self.units.remove(key);
                self.observed.remove(key);
                self.balancers_followed.remove(key);
                touched.extend([RowKey::Unit(*key), RowKey::Observed(*key)]);
                touched.insert(RowKey::BalancerFollowed(*key));
            }
            Change::GiveSubnet { host, subnet } => {
                let held = self.host(*host).ok_or_else(|| missing(format!("host {host}")))?;
                if let Some(held) = &held.subnet {
                    return Err(step(format!("host {host}"), format!("its subnet is {held}")));
                }
                let host = Host { subnet: Some(subnet.clone()), ..held.clone() };
                touched.insert(RowKey::Host(host.id));
                self.hosts.insert(host.id, Arc::new(host));
            }
            Change::LoseHost { host, lost } => {
                need(self.hosts.contains_key(host), "the host")?;
                match lost {
                    true => self.lost.insert(*host, true),
                    false => self.lost.remove(host),
                };
                touched.insert(RowKey::Lost(*host));
            }
            Change::PlaceVolume { volume, host } => {
                self.volumes.insert(*volume, *host);
                touched.insert(RowKey::Volume(*volume));
            }
            Change::PutVolumeTemplate(template) => {
                need(self.stacks.contains_key(&template.stack), "the volume's stack")?;
                self.count(template.id.0);
                self.volume_templates.insert(template.id, Arc::new(template.clone()));
                touched.insert(RowKey::VolumeTemplate(template.id));
            }
            Change::DropVolumeTemplate(id) => {
                self.volume_templates.remove(id);
                touched.insert(RowKey::VolumeTemplate(*id));
                let placed: Vec<_> =
                    self.volumes.keys().filter(|k| k.template == *id).copied().collect();
                for key in placed {
                    self.volumes.remove(&key);
                    touched.insert(RowKey::Volume(key));
                }
            }
            Change::PutCredential(credential) => {
                self.count(credential.id.0);
                self.credentials.insert(credential.id, Arc::new(credential.clone()));
                touched.insert(RowKey::Credential(credential.id));
            }
            Change::DropCredential(id) => {
                self.credentials.remove(id);
                touched.insert(RowKey::Credential(*id));
            }
            Change::PutRegistry(registry) => {
                need(self.projects.contains_key(&registry.project), "the registry's project")?;
                self.count(registry.id.0);
                if let Some(login) = &registry.login {
                    self.count(login.id.0);
                }
                self.registries.insert(registry.id, Arc::new(registry.clone()));
                touched.insert(RowKey::Registry(registry.id));
            }
            Change::DropRegistry(id) => {
                self.registries.remove(id);
                touched.insert(RowKey::Registry(*id));
            }
            Change::PutCertificate(certificate) => {
                need(
                    self.projects.contains_key(&certificate.project),
                    "the certificate's project",
                )?;
                self.count(certificate.id.0);
                touched.insert(RowKey::Certificate(certificate.id));
                self.certificates.insert(certificate.id, Arc::new((**certificate).clone()));
            }
            Change::DropCertificate(id) => {
                self.certificates.remove(id);
                touched.insert(RowKey::Certificate(*id));
            }
            Change::SetSetting { name, value } => {
                match value {
                    Some(value) => self.settings.insert(name.clone(), value.clone()),
                    None => self.settings.remove(name),
                };
                touched.insert(RowKey::Setting(name.clone()));
            }
            Change::SeeHost { host, seen } => {
                need(self.hosts.contains_key(host), "the host")?;
                self.seen.insert(*host, Arc::new((**seen).clone()));
                touched.insert(RowKey::Seen(*host));
            }
        }
        Ok(())
    }

    fn put_service(
        &mut self,
        service: &Service,
        touched: &mut BTreeSet<RowKey>,
    ) -> Result<(), Refused> {
        need(self.stacks.contains_key(&service.stack), "the service's stack")?;
        self.count(service.id.0);
        let settled = self.service(service.id).and_then(|held| held.settled);
        let service = Service { settled, ..service.clone() };
        touched.insert(RowKey::Service(service.id));
        self.services.insert(service.id, Arc::new(service));
        Ok(())
    }

    fn start_upgrade(
        &mut self,
        upgrade: &Upgrade,
        touched: &mut BTreeSet<RowKey>,
    ) -> Result<(), Refused> {
        let service = upgrade.service;
        if self.upgrades.contains_key(&service) {
            return Err(exists(format!("an upgrade of service {service}")));
        }
        if let Some((other, ..)) = self.shift(service) {
            return Err(exists(format!("an upgrade from {} to {service}", other.service)));
        }
        let mut upgrade = Upgrade { ledger: self.revision, ..upgrade.clone() };
        match &mut upgrade.course {
            Course::InService { from, to, .. } => {
                for number in [*from, *to] {
                    if !self.revisions.contains_key(&(service, number)) {
                        return Err(missing(format!("revision {number} of service {service}")));
                    }
                }
                self.edit_service(service, touched, |s| s.current = *to)?;
            }
            Course::ToService(shift) => {
                need(self.services.contains_key(&service), "the service")?;
                if service == shift.to_service {
                    let why = "it can't lead to the service itself";
                    return Err(step(format!("upgrade of service {service}"), why));
                }
                let target = shift.to_service;
                let other = self.shift(target).map(|(other, ..)| other);
                if let Some(other) = self.upgrade(target).or(other) {
                    let what =
                        format!("an upgrade of {} that has a part in {target}", other.service);
                    return Err(exists(what));
                }
                self.edit_service(target, touched, |target| {
                    shift.to_scale = std::mem::replace(&mut target.scale, shift.final_scale);
                })?;
            }
        }
        self.upgrades.insert(service, Arc::new(upgrade));
        touched.insert(RowKey::Upgrade(service));
        Ok(())
    }

    fn create_unit(&mut self, unit: &Unit, touched: &mut BTreeSet<RowKey>) -> Result<(), Refused> {
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
        self.by_host.insert((unit.host, key));
        self.units.insert(key, Arc::new(unit));
        touched.insert(RowKey::Unit(key));
        Ok(())
    }

    pub(super) fn edit_service(
        &mut self,
        id: crate::ServiceId,
        touched: &mut BTreeSet<RowKey>,
        edit: impl FnOnce(&mut Service),
    ) -> Result<(), Refused> {
        let service = self.services.get(&id).ok_or_else(|| missing(format!("service {id}")))?;
        let mut service = (**service).clone();
        edit(&mut service);
        self.services.insert(id, Arc::new(service));
        touched.insert(RowKey::Service(id));
        Ok(())
    }

    /// Numbers are never given twice.
    fn count(&mut self, used: u64) {
        self.next_id = self.next_id.max(used + 1);
    }
}

/// The life of an upgrade, as steps.
fn may_follow(from: UpgradePhase, to: UpgradePhase) -> bool {
    use UpgradePhase as P;
    match from {
        P::Upgrading => matches!(to, P::Upgraded | P::Canceling | P::RollingBack),
        P::Upgraded => matches!(to, P::Finishing | P::RollingBack | P::Upgrading),
        P::Finishing => matches!(to, P::Canceling),
        P::Canceling => matches!(to, P::Canceled | P::RollingBack),
        P::Canceled => matches!(to, P::Upgrading | P::RollingBack),
        P::RollingBack => matches!(to, P::Upgrading),
    }
}

fn need(there: bool, what: &str) -> Result<(), Refused> {
    if there { Ok(()) } else { Err(missing(what.to_owned())) }
}

fn missing(what: String) -> Refused {
    Refused::Missing { what }
}

fn exists(what: String) -> Refused {
    Refused::Exists { what }
}

fn step(what: String, why: impl Into<String>) -> Refused {
    Refused::Step { what, why: why.into() }
}
