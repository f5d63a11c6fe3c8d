//! The agents that are connected: at most one link per host, and telling each link when its host's
//! assignment may have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use drover_core::protocol::Ask;
use drover_core::{
    HostId, RowKey, Service, ServiceId, ServiceKind, Tunnels, UnitKey, World, derive,
};
use drover_store::Update;

use crate::asks::Asking;
use crate::link::Link;
use crate::lock::lock;
use crate::server::Server;

/// Name of the hub in the change log.
pub(crate) const HUB: &str = "hub";

/// The links.
#[derive(Default)]
pub(crate) struct Hub {
    live: Mutex<BTreeMap<HostId, Arc<Link>>>,
    asked: AtomicU64,
}

impl Hub {
    /// A link takes its host's place; the one before it is ended.
    pub(crate) fn enter(&self, link: &Arc<Link>) {
        let before = lock(&self.live).insert(link.host, link.clone());
        if let Some(before) = before {
            before.end.cancel();
        }
    }

    /// A link is over. Whether its host is without one now.
    pub(crate) fn leave(&self, link: &Arc<Link>) -> bool {
        let mut live = lock(&self.live);
        let own = live.get(&link.host).is_some_and(|held| Arc::ptr_eq(held, link));
        if own {
            live.remove(&link.host);
        }
        own
    }

    /// A host's link.
    pub(crate) fn link(&self, host: HostId) -> Option<Arc<Link>> {
        lock(&self.live).get(&host).cloned()
    }

    /// Ask a host's agent for something; `None` if it is not connected.
    pub(crate) async fn ask(&self, host: HostId, what: Ask) -> Option<Asking> {
        let link = self.link(host)?;
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        Asking::start(link, number, what).await
    }
}

/// Tell links of changes until the server stops.
pub(crate) async fn run(server: Arc<Server>) {
    let mut feed = server.store.feed();
    let mut before = server.store.world();
    loop {
        let update = tokio::select! {
            () = server.stop.cancelled() => return,
            update = feed.next() => update,
        };
        server.directory.take(&before, &update);
        let touched = touched(&before, &update);
        for (host, link) in &*lock(&server.hub.live) {
            if touched.contains(*host) {
                link.stale.notify_one();
            }
        }
        before = update.world;
    }
}

/// Hosts whose assignment may differ after an update.
#[derive(Debug, Default, PartialEq, Eq)]
struct Touched {
    all: bool,
    hosts: BTreeSet<HostId>,
}

impl Touched {
    fn contains(&self, host: HostId) -> bool {
        self.all || self.hosts.contains(&host)
    }
}

/// One answer too many costs a derivation; one too few leaves an agent with old orders.
fn touched(before: &World, update: &Update) -> Touched {
    let world = &*update.world;
    let mut touched = Touched::default();
    let mut balancers = false;
    for key in &update.touched {
        match key {
            RowKey::Unit(key) => {
                let units = [before.unit(*key), world.unit(*key)];
                touched.hosts.extend(units.into_iter().flatten().map(|unit| unit.host));
                touched.hosts.extend(witnesses(before, world, *key));
                balancers = true;
            }
            RowKey::Revision(service, _) => {
                touched.hosts.extend(world.units_of(*service).map(|unit| unit.host));
                balancers = true;
            }
            RowKey::Seen(host) => {
                touched.all |= sealing(before, *host) != sealing(world, *host);
            }
            RowKey::Upgrade(service) => {
                // What balancers send to the source they send to the target, too: on other ports than before.
                let sides =
                    [before, world].into_iter().filter_map(|w| w.upgrade(*service)?.shift());
                let units = sides.flat_map(|shift| world.units_of(shift.to_service));
                touched.hosts.extend(units.map(|unit| unit.host));
                // What it asks of its own new units, or no longer does.
                let asks = |upgrade: &drover_core::Upgrade| upgrade.policy.verify.probe.is_some();
                if [before, world].iter().any(|w| w.upgrade(*service).is_some_and(asks)) {
                    touched.hosts.extend(world.units_of(*service).map(|unit| unit.host));
                }
                balancers = true;
            }
            RowKey::Observed(key) => {
                touched.hosts.extend(witnesses(before, world, *key));
                balancers = true;
            }
            RowKey::Lost(host) => {
                // Others look at what it looked at, or no longer have to.
                if before.watched_by(*host) != world.watched_by(*host) {
                    touched.hosts.extend(world.witnesses_of(*host));
                    touched.hosts.insert(*host);
                }
                balancers = true;
            }
            RowKey::Withdrawn(_) | RowKey::Certificate(_) => balancers = true,
            RowKey::Service(service) => touched.all |= edited(before, world, *service),
            // Rare, and read by units of many services: names, logins, secrets, a host's address and part of the network.
            RowKey::Host(_)
            | RowKey::Stack(_)
            | RowKey::Registry(_)
            | RowKey::Secret(_)
            | RowKey::ProjectVolume(_)
            | RowKey::Setting(_)
            | RowKey::VolumeTemplate(_)
            | RowKey::Volume(_) => touched.all = true,
            RowKey::Counters
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
    if balancers && !touched.all {
        let services = world.services.values().filter(|s| s.kind == ServiceKind::Balancer);
        let units = services.flat_map(|service| world.units_of(service.id));
        touched.hosts.extend(units.map(|unit| unit.host));
    }
    touched
}

/// The hosts that probe a unit, if there is anything else to probe than before.
fn witnesses(before: &World, world: &World, key: UnitKey) -> Vec<HostId> {
    let watched = |world: &World| derive::watched(world, world.unit(key)?);
    let unit = world.unit(key).or_else(|| before.unit(key));
    let unit = unit.filter(|_| watched(before) != watched(world));
    unit.map(|unit| world.witnesses_of(unit.host)).unwrap_or_default()
}

/// What other hosts follow of a host's facts: its key, and how it sends and takes in.
fn sealing(world: &World, host: HostId) -> Option<(&str, &Tunnels)> {
    world.seen.get(&host).map(|seen| (seen.facts.public_key.as_str(), &seen.facts.tunnels))
}

/// Whether more of a service changed than what its agents don't see. Its rules and its kind reach units of
/// other services too: the ports that balancers send to.
fn edited(before: &World, world: &World, service: ServiceId) -> bool {
    let seen_by_agents = |world: &World| {
        world.service(service).map(|s| Service { settled: None, scale: 0, ..s.clone() })
    };
    seen_by_agents(before) != seen_by_agents(world)
}

#[cfg(test)]
mod tests {
    use drover_core::{
        Change, Course, Desired, Health, HealthCheck, ObservedContainer, PickedPort, ProjectId,
        Protocol, Registry, RegistryId, RevisionNo, Shift, Time, Upgrade, Wanted,
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
        let told = touched(before, &update);
        for id in [10, 11, 12].map(HostId) {
            let same = derive::assignment(before, id).same_content(&derive::assignment(&world, id));
            assert!(same || told.contains(id), "{what}: host {id} is not told of its new orders");
            assert_eq!(told.contains(id), want.contains(&id.0), "{what}: host {id}");
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
        check("a rename", put(Service { name: "site".into(), ..web() }), &[10, 11, 12]);
        let picked = PickedPort { private: 8080, protocol: Protocol::Tcp, public: 30000 };
        let picked = Service { picked_ports: vec![picked], ..web() };
        check("a picked port", put(picked), &[10, 11, 12]);
        let mut other = rules();
        other.rules[0].target_port = Some(9090);
        check("a rule", put(service(LB, "lb", Some(other))), &[10, 11, 12]);
        check("a stack's name", Change::PutStack(stack("store")), &[10, 11, 12]);
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
        check("a new service", put(service(ServiceId(60), "db", None)), &[10, 11, 12]);
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
