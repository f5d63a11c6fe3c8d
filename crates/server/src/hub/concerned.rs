//! Which hosts have to look at their assignments anew after a change: those that it is about, and those whose balancers, network
//! or probes it reaches.
//!
//! One too many costs a derivation; one too few leaves an agent with old orders until its session looks by itself.

use std::collections::BTreeSet;

use drover_core::{
    HostId, ProjectId, RowKey, Service, ServiceId, ServiceKind, Stack, StackId, Tunnels, UnitKey,
    Upgrade, World, derive,
};
use drover_store::Update;

/// Hosts whose assignment may differ after an update.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Concerned {
    all: bool,
    /// All hosts of these.
    projects: BTreeSet<ProjectId>,
    /// Those with balancers of these.
    balanced: BTreeSet<ProjectId>,
    hosts: BTreeSet<HostId>,
}

impl Concerned {
    pub(super) fn contains(&self, world: &World, host: HostId) -> bool {
        let of_project = || world.host(host).is_some_and(|h| self.projects.contains(&h.project));
        self.all || self.hosts.contains(&host) || (!self.projects.is_empty() && of_project())
    }
}

/// The hosts that an update concerns.
pub(super) fn concerned(before: &World, update: &Update) -> Concerned {
    let world = &*update.world;
    let mut look = Look { worlds: [before, world], found: Concerned::default() };
    for key in &update.touched {
        look.at(key);
    }
    let mut found = look.found;
    for project in std::mem::take(&mut found.balanced) {
        let units = world.balancers(project).flat_map(|service| world.units_of(service));
        found.hosts.extend(units.map(|unit| unit.host));
    }
    found
}

/// The worlds before and after, and what was found so far.
struct Look<'a> {
    worlds: [&'a World; 2],
    found: Concerned,
}

impl Look<'_> {
    fn at(&mut self, key: &RowKey) {
        match key {
            RowKey::Unit(key) => {
                let units = self.worlds.iter().filter_map(|world| world.unit(*key));
                self.found.hosts.extend(units.map(|unit| unit.host));
                self.witnesses(*key);
                self.balancers_of(key.service);
            }
            RowKey::Observed(key) => {
                self.witnesses(*key);
                self.balancers_of(key.service);
            }
            RowKey::Revision(service, _) => self.service(*service),
            RowKey::Service(service) if self.is_edited(*service) => {
                self.service(*service);
                // Its rules reach units of other services: which ports must accept, and on what.
                let is_rule = |service: &Service| {
                    service.kind == ServiceKind::Balancer || service.balancer.is_some()
                };
                for held in self.worlds.iter().filter_map(|world| world.service(*service)) {
                    self.found.projects.extend(is_rule(held).then_some(held.project));
                }
            }
            RowKey::Upgrade(service) => {
                self.balancers_of(*service);
                // What it asks of its own new units, or no longer does.
                let asks = |upgrade: &Upgrade| upgrade.policy.verify.probe.is_some();
                if self.worlds.iter().any(|world| world.upgrade(*service).is_some_and(asks)) {
                    self.service(*service);
                }
                // What balancers send to the source they send to the target, too: on other ports than before.
                let shifts =
                    self.worlds.iter().filter_map(|world| world.upgrade(*service)?.shift());
                let targets: Vec<ServiceId> = shifts.map(|shift| shift.to_service).collect();
                for target in targets {
                    self.service(target);
                }
            }
            RowKey::Seen(host) => {
                let [before, after] = self.worlds.map(|world| sealing(world, *host));
                if before != after {
                    self.peers(*host);
                }
            }
            RowKey::Host(host) => self.peers(*host),
            RowKey::Lost(host) => self.lost(*host),
            RowKey::Stack(stack) => {
                let [before, after] = self.worlds.map(|world| world.stacks.get(stack));
                let named = |stack: &Stack| (stack.name.clone(), stack.removed_at);
                if before.map(|s| named(s)) != after.map(|s| named(s)) {
                    self.stack(*stack);
                }
            }
            RowKey::VolumeTemplate(id) => {
                let held = self.worlds.iter().filter_map(|world| world.volume_templates.get(id));
                let stacks: Vec<StackId> = held.map(|template| template.stack).collect();
                for stack in stacks {
                    self.stack(stack);
                }
            }
            RowKey::Volume(volume) => self.at(&RowKey::VolumeTemplate(volume.template)),
            RowKey::Registry(id) => {
                let held = self.worlds.iter().filter_map(|world| world.registries.get(id));
                self.found.projects.extend(held.map(|held| held.project));
            }
            RowKey::Secret(id) => {
                let held = self.worlds.iter().filter_map(|world| world.secrets.get(id));
                self.found.projects.extend(held.map(|held| held.project));
            }
            RowKey::ProjectVolume(id) => {
                let held = self.worlds.iter().filter_map(|world| world.project_volumes.get(id));
                self.found.projects.extend(held.map(|held| held.project));
            }
            RowKey::Withdrawn(project) => drop(self.found.balanced.insert(*project)),
            RowKey::Certificate(id) => {
                let held = self.worlds.iter().filter_map(|world| world.certificates.get(id));
                self.found.balanced.extend(held.map(|held| held.project));
            }
            RowKey::Setting(_) => self.found.all = true,
            RowKey::Service(_)
            | RowKey::Counters
            | RowKey::Credential(_)
            | RowKey::Webhook(_)
            | RowKey::Account(_)
            | RowKey::Member(_)
            | RowKey::Project(_)
            | RowKey::Outcome(_)
            | RowKey::BalancerFollowed(_)
            | RowKey::NamesFollowed(_)
            | RowKey::Witnessed(_) => {}
        }
    }

    fn services(&self, id: ServiceId) -> [Option<&Service>; 2] {
        self.worlds.map(|world| world.service(id))
    }

    /// Where a service's units are, who looks at them, and who balances them.
    fn service(&mut self, id: ServiceId) {
        for world in self.worlds {
            for unit in world.units_of(id) {
                self.found.hosts.insert(unit.host);
            }
        }
        let keys: BTreeSet<UnitKey> =
            self.worlds.iter().flat_map(|world| world.units_of(id)).map(|unit| unit.key).collect();
        for key in keys {
            self.witnesses(key);
        }
        self.balancers_of(id);
    }

    /// The same for all services of a stack.
    fn stack(&mut self, id: StackId) {
        let services = self.worlds.iter().flat_map(|world| world.services_in(id));
        let services: BTreeSet<ServiceId> = services.map(|service| service.id).collect();
        for service in services {
            self.service(service);
        }
    }

    fn balancers_of(&mut self, id: ServiceId) {
        let held = self.worlds.iter().filter_map(|world| world.service(id));
        self.found.balanced.extend(held.map(|service| service.project));
    }

    /// The hosts that probe a unit, if there is anything else to probe than before.
    fn witnesses(&mut self, key: UnitKey) {
        let [before, world] = self.worlds;
        let watched = |world: &World| derive::watched(world, world.unit(key)?);
        let unit = world.unit(key).or_else(|| before.unit(key));
        if let Some(unit) = unit.filter(|_| watched(before) != watched(world)) {
            self.found.hosts.extend(world.witnesses_of(unit.host));
        }
    }

    /// The hosts that share a network with one.
    fn peers(&mut self, id: HostId) {
        let held = self.worlds.iter().filter_map(|world| world.host(id));
        self.found.projects.extend(held.map(|host| host.project));
    }

    /// Others look at what a lost host looked at, or no longer have to.
    fn lost(&mut self, id: HostId) {
        let [before, world] = self.worlds;
        if before.watched_by(id) != world.watched_by(id) {
            self.found.hosts.extend(world.witnesses_of(id));
            self.found.hosts.insert(id);
        }
        let held = self.worlds.iter().filter_map(|world| world.host(id));
        self.found.balanced.extend(held.map(|host| host.project));
    }

    /// Whether more of a service changed than what its agents don't see.
    fn is_edited(&self, id: ServiceId) -> bool {
        let [before, after] = self.services(id).map(|service| {
            service.map(|service| Service { settled: None, scale: 0, ..service.clone() })
        });
        before != after
    }
}

/// What other hosts follow of a host's facts: its key, and how it sends and takes in.
fn sealing(world: &World, host: HostId) -> Option<(&str, &Tunnels)> {
    world.seen.get(&host).map(|seen| (seen.facts.public_key.as_str(), &seen.facts.tunnels))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use drover_core::{
        Change, Course, Desired, Health, HealthCheck, ObservedContainer, PickedPort, Protocol,
        Registry, RegistryId, RevisionNo, Shift, Time, Wanted,
    };

    use super::*;
    use crate::sample::{
        LB, WEB, host, key, revision, rules, running, service, stack, unit, world,
    };

    /// Every host whose assignment differs must be told, and only those in `want` are.
    fn check(
        before: &World,
        world: World,
        touched_rows: BTreeSet<RowKey>,
        want: &[u64],
        what: &str,
    ) {
        let world = Arc::new(world);
        let scope = drover_core::Scope::default();
        let update = Update { world: world.clone(), touched: touched_rows, scope };
        let told = concerned(before, &update);
        for id in [10, 11, 12].map(HostId) {
            let same = derive::assignment(before, id).same_content(&derive::assignment(&world, id));
            let is_told = told.contains(&world, id);
            assert!(same || is_told, "{what}: host {id} is not told of its new orders");
            assert_eq!(is_told, want.contains(&id.0), "{what}: host {id}");
        }
    }

    #[test]
    fn who_is_told_of_a_commit() {
        let check = |what: &str, change: Change, want: &[u64]| {
            let before = world();
            let (after, rows) = before.commit(&[change]).unwrap();
            check(&before, after, rows, want, what);
        };
        let web = || service(WEB, "web", None);
        let put = |service: Service| Change::PutService(Box::new(service));
        check("a new unit", unit(WEB, 2, 12, 40), &[11, 12]);
        let desired = Desired::Stopped;
        check(
            "a stop",
            Change::SetDesired { unit: key(WEB, 1), desired, run: None, until: None },
            &[10, 11],
        );
        let (image, digest) = ("web:1".to_owned(), "sha256:1".to_owned());
        let pin = Change::PinImage { service: WEB, revision: RevisionNo(1), image, digest };
        check("a digest", pin, &[10, 11]);
        check("an address", Change::PutHost(host(10, "10.0.0.99")), &[10, 11, 12]);
        check("a lost host", Change::LoseHost { host: HostId(10), lost: true }, &[11]);
        check("a scale", put(Service { scale: 9, ..web() }), &[]);
        check("settled", Change::Settle { service: WEB, wanted: Wanted::Active }, &[]);
        check("a rename", put(Service { name: "site".into(), ..web() }), &[10, 11]);
        let picked = PickedPort { private: 8080, protocol: Protocol::Tcp, public: 30000 };
        let picked = Service { picked_ports: vec![picked], ..web() };
        check("a picked port", put(picked), &[10, 11]);
        let mut other = rules();
        other.rules[0].target_port = Some(9090);
        check("a rule", put(service(LB, "lb", Some(other))), &[10, 11, 12]);
        check("a stack's name", Change::PutStack(stack("store")), &[10, 11]);
        let registry = Registry {
            id: RegistryId(50),
            project: ProjectId(1),
            server: "r".into(),
            name: String::new(),
            description: String::new(),
            login: None,
            active: true,
            created_at: Time(0),
            removed_at: None,
        };
        check("a registry", Change::PutRegistry(registry), &[10, 11, 12]);
        check("a new service", put(service(ServiceId(60), "db", None)), &[11]);
    }

    #[test]
    fn who_is_told_that_a_service_takes_over() {
        let other = ServiceId(60);
        let put = Change::PutService(Box::new(service(other, "next", None)));
        let made = [put, revision(other), unit(other, 1, 12, 70)];
        let before = world().commit(&made).unwrap().0;
        let shift = Shift { to_service: other, final_scale: 1, to_scale: 0, update_links: true };
        let upgrade = Upgrade {
            batch_size: 1,
            interval_ms: 0,
            ..Upgrade::begin(WEB, Course::ToService(shift), Time(0), "test")
        };
        let (after, rows) = before.commit(&[Change::StartUpgrade(upgrade)]).unwrap();
        check(&before, after, rows, &[11, 12], "another service takes over");
    }

    #[test]
    fn who_is_told_of_a_unit_that_is_gone() {
        let remove = Change::SetDesired {
            unit: key(WEB, 1),
            desired: Desired::Removed,
            run: None,
            until: None,
        };
        let before = world().commit(&[remove]).unwrap().0;
        let (after, rows) = before.commit(&[Change::DropUnit(key(WEB, 1))]).unwrap();
        check(&before, after, rows, &[10, 11], "a unit that is gone");
    }

    #[test]
    fn who_is_told_to_look_at_a_unit_elsewhere() {
        let other = ServiceId(60);
        let Change::AddRevision(mut made) = revision(other) else { panic!("no revision") };
        let mut template = (*made.template).clone();
        template.primary.health_check = Some(HealthCheck { port: 80, ..HealthCheck::default() });
        made.template = Arc::new(template);
        let put = Change::PutService(Box::new(service(other, "next", None)));
        let mut changes = vec![put, Change::AddRevision(made), unit(other, 1, 10, 70)];
        changes.extend([10, 11, 12].map(|id| {
            let subnet = format!("10.42.{id}.0/24");
            Change::GiveSubnet { host: HostId(id), subnet }
        }));
        let before = world().commit(&changes).unwrap().0;
        let (_, mut seen) = running(&before).pop_first().unwrap();
        seen.generation = before.unit(key(other, 1)).unwrap().generation;
        let report = |world: &World, health, tick| {
            let address = "10.42.10.2".to_owned();
            let container = ObservedContainer { health, address, ..ObservedContainer::default() };
            let containers = BTreeMap::from([(String::new(), container)]);
            let seen = drover_core::Observed { containers, tick, ..seen.clone() };
            let mut after = world.clone();
            let (rows, _) = after.observe(HostId(10), &[(key(other, 1), seen)].into(), Time(2));
            (after, rows)
        };
        let (begins, rows) = report(&before, Health::Starting, 5);
        check(&before, begins.clone(), rows, &[11], "a unit that begins");
        let (well, rows) = report(&begins, Health::Healthy, 6);
        check(&begins, well.clone(), rows, &[11, 12], "a unit that is well");
        let (ill, rows) = report(&well, Health::Unhealthy, 7);
        check(&well, ill, rows, &[11], "a unit that is ill, and looked at already");
        let lost = Change::LoseHost { host: HostId(12), lost: true };
        let (after, rows) = well.commit(&[lost]).unwrap();
        check(&well, after, rows, &[10, 11, 12], "one that looks at others is lost");
    }

    #[test]
    fn who_is_told_of_a_report() {
        let before = world();
        let mut after = before.clone();
        let (rows, _) = after.observe(HostId(10), &running(&before), Time(2));
        check(&before, after, rows, &[11], "a report");
    }
}
