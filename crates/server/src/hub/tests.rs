//! Who is told of what: every host whose assignment differs, and of the usual changes no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drover_core::{
    Change, Course, Desired, Health, HealthCheck, HostId, ObservedContainer, PickedPort, ProjectId,
    Protocol, Registry, RegistryId, RevisionNo, RowKey, Service, ServiceId, Shift, Time, Upgrade,
    Wanted, World, derive,
};

use crate::sample::{LB, WEB, host, key, revision, rules, running, service, stack, unit, world};

/// Every host whose assignment differs must be told, and only those in `want` are.
fn check(before: &World, world: &World, rows: &BTreeSet<RowKey>, want: &[u64], what: &str) {
    let told = derive::concerned(before, world, rows);
    for id in [10, 11, 12].map(HostId) {
        let same = derive::assignment(before, id).same_content(&derive::assignment(world, id));
        let is_told = told.contains(world, id);
        assert!(same || is_told, "{what}: host {id} is not told of its new orders");
        assert_eq!(is_told, want.contains(&id.0), "{what}: host {id}");
    }
}

#[test]
fn who_is_told_of_a_commit() {
    let check = |what: &str, change: Change, want: &[u64]| {
        let before = world();
        let (after, rows) = before.commit(&[change]).unwrap();
        check(&before, &after, &rows, want, what);
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
    check(&before, &after, &rows, &[11, 12], "another service takes over");
}

#[test]
fn who_is_told_of_a_unit_that_is_gone() {
    let remove =
        Change::SetDesired { unit: key(WEB, 1), desired: Desired::Removed, run: None, until: None };
    let before = world().commit(&[remove]).unwrap().0;
    let (after, rows) = before.commit(&[Change::DropUnit(key(WEB, 1))]).unwrap();
    check(&before, &after, &rows, &[10, 11], "a unit that is gone");
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
    check(&before, &begins, &rows, &[11], "a unit that begins");
    let (well, rows) = report(&begins, Health::Healthy, 6);
    check(&begins, &well, &rows, &[11, 12], "a unit that is well");
    let (ill, rows) = report(&well, Health::Unhealthy, 7);
    check(&well, &ill, &rows, &[11], "a unit that is ill, and looked at already");
    let lost = Change::LoseHost { host: HostId(12), lost: true };
    let (after, rows) = well.commit(&[lost]).unwrap();
    check(&well, &after, &rows, &[10, 11, 12], "one that looks at others is lost");
}

#[test]
fn who_is_told_of_a_report() {
    let before = world();
    let mut after = before.clone();
    let (rows, _) = after.observe(HostId(10), &running(&before), Time(2));
    check(&before, &after, &rows, &[11], "a report");
}
