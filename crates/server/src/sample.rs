//! A small cluster that tests of the server's loops start from.

use std::collections::BTreeMap;
use std::sync::Arc;

use drover_core::{
    BalancerSpec, Change, ContainerSpec, Desired, Host, HostId, Observed, ObservedContainer, Phase,
    PortRule, PortSpec, Project, ProjectId, Revision, RevisionNo, Service, ServiceId, ServiceKind,
    Slot, Stack, StackId, Template, Time, Unit, UnitKey, UpgradeDefaults, Wanted, World,
};

pub(crate) const WEB: ServiceId = ServiceId(20);
pub(crate) const LB: ServiceId = ServiceId(21);

pub(crate) fn host(id: u64, address: &str) -> Host {
    Host {
        id: HostId(id),
        project: ProjectId(1),
        identity: id.to_string(),
        hostname: format!("h{id}"),
        name: String::new(),
        description: String::new(),
        labels: BTreeMap::new(),
        address: address.to_owned(),
        subnet: None,
        active: true,
        evacuation: None,
        memory_limit: None,
        milli_cpu_limit: None,
        created_at: Time(0),
        removed_at: None,
    }
}

pub(crate) fn service(id: ServiceId, name: &str, balancer: Option<BalancerSpec>) -> Service {
    Service {
        id,
        project: ProjectId(1),
        stack: StackId(2),
        name: name.to_owned(),
        description: String::new(),
        kind: if balancer.is_some() { ServiceKind::Balancer } else { ServiceKind::Containers },
        scale: 1,
        wanted: Wanted::Active,
        settled: None,
        current: RevisionNo(1),
        links: Vec::new(),
        balancer,
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

pub(crate) fn rules() -> BalancerSpec {
    let rule = PortRule {
        source_port: 80,
        service: Some(WEB),
        target_port: Some(8080),
        ..PortRule::default()
    };
    BalancerSpec { rules: vec![rule], ..BalancerSpec::default() }
}

pub(crate) fn revision(service: ServiceId) -> Change {
    let ports = vec![PortSpec { private: 8080, ..PortSpec::default() }];
    let primary = ContainerSpec { image: "web:1".into(), ports, ..ContainerSpec::default() };
    Change::AddRevision(Box::new(Revision {
        service,
        number: RevisionNo(1),
        template: Arc::new(Template { primary, ..Template::default() }),
        pins: BTreeMap::new(),
        by: "test".into(),
        reason: String::new(),
        created_at: Time(0),
    }))
}

pub(crate) fn key(service: ServiceId, slot: u32) -> UnitKey {
    UnitKey { service, slot: Slot::Number(slot), revision: RevisionNo(1), incarnation: 1 }
}

pub(crate) fn unit(service: ServiceId, slot: u32, host: u64, serial: u64) -> Change {
    Change::CreateUnit(Unit {
        key: key(service, slot),
        host: HostId(host),
        desired: Desired::Running,
        generation: 0,
        drain_until: None,
        run: 0,
        replacements: 0,
        serial,
        created_at: Time(0),
    })
}

/// `web` on host 10, the balancer before it on host 11, nothing on host 12.
pub(crate) fn world() -> World {
    let project = Project {
        id: ProjectId(1),
        name: "p".into(),
        description: String::new(),
        settings: drover_core::ProjectSettings::default(),
        created_at: Time(0),
        removed_at: None,
    };
    let changes = [
        Change::PutProject(project),
        Change::PutStack(stack("shop")),
        Change::PutHost(host(10, "10.0.0.10")),
        Change::PutHost(host(11, "10.0.0.11")),
        Change::PutHost(host(12, "10.0.0.12")),
        Change::PutService(Box::new(service(WEB, "web", None))),
        Change::PutService(Box::new(service(LB, "lb", Some(rules())))),
        revision(WEB),
        revision(LB),
        unit(WEB, 1, 10, 30),
        unit(LB, 1, 11, 31),
    ];
    let mut world = World::new().commit(&changes).unwrap().0;
    world.observe(HostId(10), &running(&world), Time(1));
    world
}

pub(crate) fn stack(name: &str) -> Stack {
    Stack::new(StackId(2), ProjectId(1), name, Time(0))
}

pub(crate) fn running(world: &World) -> BTreeMap<UnitKey, Observed> {
    let unit = key(WEB, 1);
    let address = "172.17.0.2".to_owned();
    let container = ObservedContainer { address, running: true, ..ObservedContainer::default() };
    let observed = Observed {
        generation: world.unit(unit).unwrap().generation,
        tick: world.version,
        phase: Phase::Running,
        ready: true,
        containers: BTreeMap::from([(String::new(), container)]),
        since: Time(0),
        ..Observed::default()
    };
    BTreeMap::from([(unit, observed)])
}
