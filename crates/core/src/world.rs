//! The snapshot of everything, and the only two functions that write to it: [`World::apply`] for decisions,
//! [`World::observe`] for what agents saw.
//!
//! Cheap to clone: ordered persistent maps of shared rows. Two counters: `revision` counts commits and is what
//! plans are checked against; `version` counts commits and reports, so that it orders everything derived
//! from a snapshot.

mod apply;
mod handover;
mod index;
mod lookup;
mod row;
mod witnesses;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdMap;
use index::Index;

pub use row::{BadRow, Row, RowKey};

use crate::{
    Account, AccountId, Certificate, CertificateId, Credential, CredentialId, Followed, Host,
    HostId, HostSeen, Member, MemberId, Observed, Outcome, Project, ProjectId, ProjectSecret,
    ProjectTemplate, ProjectTemplateId, ProjectVolume, Registry, RegistryId, Revision, RevisionNo,
    Scope, SecretId, Service, ServiceId, Shift, Side, Slot, Stack, StackId, Template, Time, Unit,
    UnitKey, Upgrade, VolumeId, VolumeKey, VolumeTemplate, VolumeTemplateId, Webhook, WebhookId,
    Witnessed,
};

/// An immutable snapshot of a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// Commits so far.
    pub revision: u64,
    /// Commits and reports so far.
    pub version: u64,
    /// The number the next numbered object gets.
    pub next_id: u64,
    /// Environments.
    pub projects: OrdMap<ProjectId, Arc<Project>>,
    /// Hosts as configured.
    pub hosts: OrdMap<HostId, Arc<Host>>,
    /// Hosts as seen.
    pub seen: OrdMap<HostId, Arc<HostSeen>>,
    /// Hosts given up for lost; the planner's verdict on `seen`.
    pub lost: OrdMap<HostId, bool>,
    /// Stacks.
    pub stacks: OrdMap<StackId, Arc<Stack>>,
    /// Services.
    pub services: OrdMap<ServiceId, Arc<Service>>,
    /// Revisions, immutable but for image pins.
    pub revisions: OrdMap<(ServiceId, RevisionNo), Arc<Revision>>,
    /// Upgrades in progress or waiting for finish; at most one per service.
    pub upgrades: OrdMap<ServiceId, Arc<Upgrade>>,
    /// Units as planned.
    pub units: OrdMap<UnitKey, Arc<Unit>>,
    /// Units as seen.
    pub observed: OrdMap<UnitKey, Arc<Observed>>,
    /// Declared volumes.
    pub volume_templates: OrdMap<VolumeTemplateId, Arc<VolumeTemplate>>,
    /// Where their data lies.
    pub volumes: OrdMap<VolumeKey, HostId>,
    /// Volumes that were asked for by themselves.
    pub project_volumes: OrdMap<VolumeId, Arc<ProjectVolume>>,
    /// Keys and tokens.
    pub credentials: OrdMap<CredentialId, Arc<Credential>>,
    /// Image registries.
    pub registries: OrdMap<RegistryId, Arc<Registry>>,
    /// Certificates.
    pub certificates: OrdMap<CertificateId, Arc<Certificate>>,
    /// Secrets that containers read as files.
    pub secrets: OrdMap<SecretId, Arc<ProjectSecret>>,
    /// Receivers of calls from outside.
    pub webhooks: OrdMap<WebhookId, Arc<Webhook>>,
    /// What new projects can be made of.
    pub project_templates: OrdMap<ProjectTemplateId, Arc<ProjectTemplate>>,
    /// Who has keys of their own.
    pub accounts: OrdMap<AccountId, Arc<Account>>,
    /// Who belongs to which project.
    pub members: OrdMap<MemberId, Arc<Member>>,
    /// How services' last upgrades went.
    pub outcomes: OrdMap<ServiceId, Arc<Outcome>>,
    /// What balancers acknowledged.
    pub balancers_followed: OrdMap<UnitKey, Arc<Followed>>,
    /// What hosts' name services acknowledged.
    pub names_followed: OrdMap<HostId, Arc<Followed>>,
    /// What hosts found of units on others.
    pub witnessed: OrdMap<HostId, Arc<Witnessed>>,
    /// Revision of the newest commit that withdrew a unit of a project from traffic.
    pub withdrawn: OrdMap<ProjectId, u64>,
    /// Settings by name.
    pub settings: OrdMap<String, String>,
    /// What is looked up otherwise than by key.
    index: Index,
}

/// Name of the setting that holds the cluster's id.
pub const CLUSTER_SETTING: &str = "drover.cluster";

impl World {
    /// A world with nothing in it but its counter; numbers start at 1.
    pub fn new() -> Self {
        Self { next_id: 1, ..Self::default() }
    }

    /// Id of the cluster, made at its first start.
    pub fn cluster(&self) -> &str {
        self.settings.get(CLUSTER_SETTING).map_or("", String::as_str)
    }

    /// A service.
    pub fn service(&self, id: ServiceId) -> Option<&Service> {
        self.services.get(&id).map(Arc::as_ref)
    }

    /// A host.
    pub fn host(&self, id: HostId) -> Option<&Host> {
        self.hosts.get(&id).map(Arc::as_ref)
    }

    /// A unit.
    pub fn unit(&self, key: UnitKey) -> Option<&Unit> {
        self.units.get(&key).map(Arc::as_ref)
    }

    /// What was last seen of a unit.
    pub fn observed(&self, key: UnitKey) -> Option<&Observed> {
        self.observed.get(&key).map(Arc::as_ref)
    }

    /// A service's upgrade.
    pub fn upgrade(&self, service: ServiceId) -> Option<&Upgrade> {
        self.upgrades.get(&service).map(Arc::as_ref)
    }

    /// The upgrade from one service to another that this one takes part in, and its part.
    pub fn shift(&self, service: ServiceId) -> Option<(&Upgrade, &Shift, Side)> {
        let own = self.upgrade(service).and_then(|up| Some((up, up.shift()?, Side::Source)));
        own.or_else(|| {
            let upgrade = self.upgrade(self.shifted_from(service)?)?;
            Some((upgrade, upgrade.shift()?, Side::Target))
        })
    }

    /// A revision.
    pub fn revision_of(&self, service: ServiceId, number: RevisionNo) -> Option<&Revision> {
        self.revisions.get(&(service, number)).map(Arc::as_ref)
    }

    /// The containers of a revision.
    pub fn template(&self, service: ServiceId, number: RevisionNo) -> Option<&Arc<Template>> {
        self.revisions.get(&(service, number)).map(|r| &r.template)
    }

    /// The containers of the revision a service shall run.
    pub fn current_template(&self, service: &Service) -> Option<&Arc<Template>> {
        self.template(service.id, service.current)
    }

    /// A service's revisions, oldest first.
    pub fn revisions(&self, service: ServiceId) -> impl DoubleEndedIterator<Item = &Revision> {
        let (low, high) = ((service, RevisionNo(0)), (service, RevisionNo(u32::MAX)));
        self.revisions.range(low..=high).map(|(_, r)| r.as_ref())
    }

    /// A service's units, by slot, then revision, then incarnation.
    pub fn units_of(&self, service: ServiceId) -> impl DoubleEndedIterator<Item = &Unit> {
        let (low, high) = whole_service(service);
        self.units.range(low..=high).map(|(_, u)| u.as_ref())
    }

    /// The services of a stack, removed ones included.
    pub fn services_in(&self, stack: StackId) -> impl Iterator<Item = &Service> {
        self.in_stack(stack).filter_map(|id| self.service(id))
    }

    /// Whether a host's agent can be expected to act: connected, not removed.
    pub fn is_connected(&self, host: HostId) -> bool {
        self.seen.get(&host).is_some_and(|s| s.connected)
    }

    /// Whether a host was given up: its units are no longer counted on.
    pub fn is_lost(&self, host: HostId) -> bool {
        self.lost.contains_key(&host)
    }

    /// The world after a commit, with the rows it touched; or why not, nothing changed.
    pub fn commit(
        &self,
        changes: &[crate::Change],
    ) -> Result<(Self, std::collections::BTreeSet<RowKey>), crate::Refused> {
        let mut next = self.clone();
        next.revision += 1;
        next.version += 1;
        let mut touched = std::collections::BTreeSet::from([RowKey::Counters]);
        for change in changes {
            next.apply(change, &mut touched)?;
        }
        Ok((next, touched))
    }

    /// A copy to plan on: what is changed in it carries the revision the commit will have.
    pub(crate) fn draft(&self) -> Self {
        Self { revision: self.revision + 1, ..self.clone() }
    }

    /// How it would be with a unit on another host. There is no such change: units never move.
    pub(crate) fn suppose(&mut self, unit: UnitKey, host: HostId) {
        let Some(held) = self.units.get(&unit).cloned() else { return };
        self.index_unit(&held, false);
        let there = Arc::new(Unit { host, ..(*held).clone() });
        self.index_unit(&there, true);
        self.units.insert(unit, there);
    }

    /// Apply one change to a draft.
    pub(crate) fn try_change(&mut self, change: &crate::Change) -> Result<(), crate::Refused> {
        self.apply(change, &mut std::collections::BTreeSet::new())
    }

    /// Take in what a host's agent saw. Accepts an observation if its clock is greater than that of the one
    /// held and the unit lives on that host; everything else is late or not this host's to say. Returns what
    /// changed: rows and the services whose plan may differ.
    pub fn observe(
        &mut self,
        host: HostId,
        units: &BTreeMap<UnitKey, Observed>,
        now: Time,
    ) -> (std::collections::BTreeSet<RowKey>, Scope) {
        let mut touched = std::collections::BTreeSet::new();
        let mut scope = Scope::default();
        for (&key, new) in units {
            let Some(unit) = self.unit(key) else { continue };
            let held = self.observed(key);
            if unit.host != host
                || new.generation > unit.generation
                || held.is_some_and(|held| held.clock() >= new.clock())
            {
                continue;
            }
            let same_state = held.filter(|held| {
                (held.generation, held.phase, held.ready, held.is_unhealthy())
                    == (new.generation, new.phase, new.ready, new.is_unhealthy())
            });
            let since = same_state.map_or(now, |held| held.since);
            self.observed.insert(key, Arc::new(Observed { since, ..new.clone() }));
            touched.insert(RowKey::Observed(key));
            scope.services.insert(key.service);
        }
        if !touched.is_empty() {
            self.version += 1;
            touched.insert(RowKey::Counters);
        }
        (touched, scope)
    }

    /// Take in what a host's data-plane processes acknowledged and counted. An acknowledgement never goes back.
    /// Returns what changed: rows and the services whose plan may differ.
    pub fn follow(
        &mut self,
        host: HostId,
        balancers: &BTreeMap<UnitKey, Followed>,
        names: Option<&Followed>,
    ) -> (std::collections::BTreeSet<RowKey>, Scope) {
        let mut touched = std::collections::BTreeSet::new();
        for (&key, new) in balancers {
            let lives_here = self.unit(key).is_some_and(|unit| unit.host == host);
            let held = self.balancers_followed.get(&key);
            if lives_here && is_news(held, new) {
                self.balancers_followed.insert(key, Arc::new(new.clone()));
                touched.insert(RowKey::BalancerFollowed(key));
            }
        }
        let known = self.hosts.contains_key(&host);
        if let Some(new) = names.filter(|new| known && is_news(self.names_followed.get(&host), new))
        {
            self.names_followed.insert(host, Arc::new(new.clone()));
            touched.insert(RowKey::NamesFollowed(host));
        }
        if touched.is_empty() {
            return (touched, Scope::default());
        }
        self.version += 1;
        touched.insert(RowKey::Counters);
        let services = self.host(host).map(|host| self.waits_for_acknowledgements(host.project));
        (touched, Scope { services: services.unwrap_or_default(), ..Scope::default() })
    }

    /// Services of a project of which something drains, and those that an upgrade judges by what balancers count.
    fn waits_for_acknowledgements(&self, project: ProjectId) -> BTreeSet<ServiceId> {
        let draining = self.index.draining.iter().map(|unit| &unit.service);
        let all = draining.chain(self.upgrades.keys());
        let ours = |id: &&ServiceId| self.service(**id).is_some_and(|s| s.project == project);
        all.filter(ours).copied().collect()
    }

    /// Take in what a host found of units on others, all of it. What comes late, after something newer, is passed over. Returns
    /// what changed: rows and the services whose plan may differ.
    pub fn witness(
        &mut self,
        host: HostId,
        new: &Witnessed,
    ) -> (std::collections::BTreeSet<RowKey>, Scope) {
        let held = self.witnessed.get(&host).cloned().unwrap_or_default();
        if new.tick <= held.tick || !self.hosts.contains_key(&host) {
            return (std::collections::BTreeSet::new(), Scope::default());
        }
        self.witnessed.insert(host, Arc::new(new.clone()));
        self.version += 1;
        let units = held.verdicts.keys().chain(new.verdicts.keys());
        let differs = units.filter(|unit| held.verdicts.get(unit) != new.verdicts.get(unit));
        let services = differs.map(|unit| unit.service).collect();
        let scope = Scope { services, ..Scope::default() };
        (std::collections::BTreeSet::from([RowKey::Counters, RowKey::Witnessed(host)]), scope)
    }
}

fn is_news(held: Option<&Arc<Followed>>, new: &Followed) -> bool {
    held.is_none_or(|held| new.routing >= held.routing && **held != *new)
}

/// Lowest and highest key a service's units can have.
fn whole_service(service: ServiceId) -> (UnitKey, UnitKey) {
    let low = UnitKey { service, slot: Slot::Number(0), revision: RevisionNo(0), incarnation: 0 };
    let high = UnitKey {
        service,
        slot: Slot::Host(HostId(u64::MAX)),
        revision: RevisionNo(u32::MAX),
        incarnation: u32::MAX,
    };
    (low, high)
}
