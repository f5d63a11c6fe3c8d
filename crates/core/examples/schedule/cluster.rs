//! A cluster at rest: services of ten units each, spread by chance over hosts that are all there.

use std::collections::BTreeMap;
use std::sync::Arc;

use drover_core::{
    Change, ContainerSpec, Desired, Followed, Host, HostFacts, HostId, HostSeen, Observed, Phase,
    Project, ProjectId, Revision, RevisionNo, Service, ServiceId, ServiceKind, Slot, Stack,
    StackId, Template, Time, Unit, UnitKey, UpgradeDefaults, Wanted, World,
};

/// How large.
#[derive(Clone, Copy)]
pub struct Size {
    pub hosts: u64,
    pub services: u64,
}

pub const PROJECT: ProjectId = ProjectId(1);
/// Units of each service.
pub const SCALE: u32 = 10;
const STACK_SIZE: u64 = 10;
const FIRST_HOST: u64 = 10;
const FIRST_STACK: u64 = 10_000;
const FIRST_SERVICE: u64 = 20_000;
const ROLES: [&str; 5] = ["web", "api", "worker", "cache", "db"];

pub fn service_id(n: u64) -> ServiceId {
    ServiceId(FIRST_SERVICE + n)
}

pub fn stack_id(n: u64) -> StackId {
    StackId(FIRST_STACK + n)
}

/// Make it.
pub fn cluster(size: Size) -> World {
    let mut changes = vec![Change::PutProject(Project {
        id: PROJECT,
        name: "Default".into(),
        description: String::new(),
        settings: drover_core::ProjectSettings::default(),
        created_at: Time(0),
        removed_at: None,
    })];
    for n in 0..size.hosts {
        changes.extend(host(n));
    }
    for n in 0..size.services {
        if n % STACK_SIZE == 0 {
            changes.push(Change::PutStack(stack(n / STACK_SIZE)));
        }
        // As many balancers in a small cluster as in a large one: all of them are asked for every drain.
        let balances = n % (size.services / 2) == 1;
        let kind = if balances { ServiceKind::Balancer } else { ServiceKind::Containers };
        let service = Service { kind, ..service(n, SCALE) };
        changes.push(Change::PutService(Box::new(service)));
        changes.push(revision(service_id(n), 1, spec(n)));
    }
    let mut world = commit(&World::new(), &changes);
    let mut serial = world.next_id.max(1_000_000);
    let units = (0..size.services).flat_map(|n| (1..=SCALE).map(move |slot| (n, slot)));
    let units = units.map(|(n, slot)| {
        serial += 1;
        let host = scattered(serial) % size.hosts;
        Change::CreateUnit(unit(service_id(n), slot, HostId(FIRST_HOST + host), serial))
    });
    world = commit(&world, &units.collect::<Vec<_>>());
    let settled = (0..size.services)
        .map(|n| Change::Settle { service: service_id(n), wanted: Wanted::Active });
    world = commit(&world, &settled.collect::<Vec<_>>());
    for n in 0..size.hosts {
        let id = HostId(FIRST_HOST + n);
        let seen = world.units_on(id).map(|unit| (unit.key, serves(unit))).collect();
        world.observe(id, &seen, Time(1));
        world.follow(id, &BTreeMap::new(), Some(&Followed::default()));
    }
    world
}

/// The world after these.
pub fn commit(world: &World, changes: &[Change]) -> World {
    world.commit(changes).expect("what is made up here is never refused").0
}

/// Far from its neighbours': `SplitMix64`.
fn scattered(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn host(n: u64) -> [Change; 2] {
    let id = HostId(FIRST_HOST + n);
    let disk = if n.is_multiple_of(4) { "ssd" } else { "hdd" };
    let labels = [("zone", format!("z{}", n % 3)), ("disk", disk.to_owned())];
    let host = Host {
        id,
        project: PROJECT,
        identity: format!("i{n}"),
        hostname: format!("h{n}"),
        name: String::new(),
        description: String::new(),
        labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        address: format!("10.0.{}.{}", n / 250, n % 250),
        subnet: Some(format!("10.42.{n}.0/24")),
        active: true,
        evacuation: None,
        memory_limit: None,
        milli_cpu_limit: None,
        created_at: Time(0),
        removed_at: None,
    };
    let facts = HostFacts { cpus: 32, memory: 256 << 30, ..HostFacts::default() };
    let seen = HostSeen { connected: true, facts, ..HostSeen::default() };
    [Change::PutHost(host), Change::SeeHost { host: id, seen: Box::new(seen) }]
}

fn stack(n: u64) -> Stack {
    Stack::new(stack_id(n), PROJECT, &format!("stack{n}"), Time(0))
}

/// A service, of the stack that its number falls to.
pub fn service(n: u64, scale: u32) -> Service {
    Service {
        id: service_id(n),
        project: PROJECT,
        stack: stack_id(n / STACK_SIZE),
        name: format!("service{n}"),
        description: String::new(),
        kind: ServiceKind::Containers,
        scale,
        wanted: Wanted::Active,
        settled: None,
        current: RevisionNo(1),
        links: Vec::new(),
        balancer: None,
        external: None,
        metadata: serde_json::Map::new(),
        picked_ports: Vec::new(),
        retain_ip: false,
        selector_link: None,
        selector_container: None,
        depends_on: Vec::new(),
        upgrade_defaults: UpgradeDefaults::default(),
        restart: None,
        rebalance: None,
        driver: None,
        scale_policy: None,
        remarks: drover_core::Remarks::default(),
        created_at: Time(0),
        removed_at: None,
    }
}

/// A container as many are: some labels, memory set aside for one in four. One in two hundred services is noisy.
pub fn spec(n: u64) -> ContainerSpec {
    let role = usize::try_from(n % 5).unwrap_or_default();
    let mut labels = vec![("role", ROLES[role].to_owned()), ("team", format!("t{}", n % 40))];
    if n % 200 == 7 {
        labels.push(("noisy", "yes".to_owned()));
    }
    ContainerSpec {
        image: format!("registry.example/app{n}:1"),
        labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        memory_reservation: n.is_multiple_of(4).then_some(64 << 20),
        ..ContainerSpec::default()
    }
}

/// A revision.
pub fn revision(service: ServiceId, number: u32, primary: ContainerSpec) -> Change {
    Change::AddRevision(Box::new(Revision {
        service,
        number: RevisionNo(number),
        template: Arc::new(Template { primary, ..Template::default() }),
        pins: BTreeMap::new(),
        by: "bench".into(),
        reason: String::new(),
        created_at: Time(0),
    }))
}

fn unit(service: ServiceId, slot: u32, host: HostId, serial: u64) -> Unit {
    let slot = Slot::Number(slot);
    Unit {
        key: UnitKey { service, slot, revision: RevisionNo(1), incarnation: 1 },
        host,
        desired: Desired::Running,
        generation: 0,
        drain_until: None,
        run: 0,
        replacements: 0,
        serial,
        created_at: Time(0),
    }
}

fn serves(unit: &Unit) -> Observed {
    Observed {
        generation: unit.generation,
        tick: 1,
        phase: Phase::Running,
        ready: true,
        since: Time(0),
        ..Observed::default()
    }
}
