//! Small clusters by chance, in which much is alike, so that ranks tie, ports clash and constraints bite. A seed is a whole
//! history of one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drover_core::check::check;
use drover_core::{
    Change, ContainerSpec, Course, Desired, Host, HostFacts, HostId, HostSeen, Observed, Phase,
    PickedPort, Project, ProjectId, Protocol, Revision, RevisionNo, Service, ServiceId,
    ServiceKind, Shift, Slot, Stack, StackId, Template, Time, Unit, UnitKey, Upgrade,
    UpgradeDefaults, VolumeKey, VolumeTemplate, VolumeTemplateId, Wanted, World,
};

pub const HOSTS: u64 = 9;
pub const SERVICES: u64 = 14;
const PROJECTS: [ProjectId; 2] = [ProjectId(1), ProjectId(2)];
const STACKS: [StackId; 3] = [StackId(3), StackId(4), StackId(5)];
const STACK_NAMES: [&str; 4] = ["blog", "Blog", "shop-a", "shop"];
const NAMES: [&str; 4] = ["web", "Web", "db", "a-web"];
const LABELS: [(&str, &str); 5] =
    [("tier", "db"), ("Tier", "DB"), ("tier", "web"), ("disk", "ssd"), (" disk ", " SSD")];
const AFFINITY: &str = "io.rancher.scheduler.affinity:";

/// SplitMix64.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    pub fn one_in(&mut self, cases: u64) -> bool {
        self.below(cases) == 0
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()].clone()
    }
}

pub fn host_id(n: u64) -> HostId {
    HostId(100 + n)
}

pub fn service_id(n: u64) -> ServiceId {
    ServiceId(200 + n)
}

/// A cluster, and the chance that goes on with it.
pub struct Cluster {
    pub world: World,
    pub chance: Chance,
    tick: u64,
}

impl Cluster {
    pub fn new(seed: u64) -> Self {
        let mut new = Self { world: World::new(), chance: Chance(seed), tick: 0 };
        for id in PROJECTS {
            new.commit(Change::PutProject(Project {
                id,
                name: format!("p{id}"),
                description: String::new(),
                settings: drover_core::ProjectSettings::default(),
                created_at: Time(0),
                removed_at: None,
            }));
        }
        (0..STACKS.len() * 2).for_each(|_| new.put_stack());
        (0..HOSTS * 2).for_each(|_| new.put_host());
        (0..HOSTS * 2).for_each(|_| new.see_host());
        (0..6).for_each(|_| new.put_volume());
        (0..SERVICES * 2).for_each(|_| new.put_service());
        (0..SERVICES * 2).for_each(|_| new.add_revision());
        (0..60).for_each(|_| new.create_unit());
        new
    }

    /// Something happens, anything; and the index is still what it would be made anew.
    pub fn go_on(&mut self) {
        match self.chance.below(24) {
            0 => self.put_stack(),
            1 | 2 => self.put_host(),
            3 | 4 => self.see_host(),
            5 => self.put_volume(),
            6 | 7 => self.put_service(),
            8 => self.add_revision(),
            9..=12 => self.create_unit(),
            13 | 14 => self.set_desired(),
            15 => self.drop_units(),
            16 | 17 => self.observe(),
            18 => self.upgrade(),
            19 => self.place_volume(),
            20 => {
                let service = self.service();
                self.commit(Change::EndUpgrade(service));
            }
            21 => {
                let id = self.service();
                self.commit(Change::DropService(id));
            }
            22 => {
                let id = self.host();
                self.commit(Change::DropHost(id));
            }
            _ => {
                let id = self.chance.pick(&[VolumeTemplateId(10), VolumeTemplateId(11)]);
                self.commit(Change::DropVolumeTemplate(id));
            }
        }
        let wrong = check(&self.world);
        assert!(wrong.iter().all(|found| found.rule != "index"), "{wrong:?}");
        let rows = World::load(self.world.all_rows()).unwrap();
        assert!(check(&rows).iter().all(|found| found.rule != "index"));
    }

    pub fn service(&mut self) -> ServiceId {
        service_id(self.chance.below(SERVICES))
    }

    pub fn host(&mut self) -> HostId {
        host_id(self.chance.below(HOSTS))
    }

    pub fn slot(&mut self) -> Slot {
        if self.chance.one_in(5) {
            return Slot::Host(self.host());
        }
        Slot::Number(u32::try_from(self.chance.below(5)).unwrap() + 1)
    }

    /// What is refused did not happen.
    fn commit(&mut self, change: Change) {
        if let Ok((next, _)) = self.world.commit(&[change]) {
            self.world = next;
        }
    }

    fn labels(&mut self) -> BTreeMap<String, String> {
        let count = self.chance.below(3);
        let labels = (0..count).map(|_| self.chance.pick(&LABELS));
        labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    fn put_stack(&mut self) {
        let id = self.chance.pick(&STACKS);
        let stack = Stack::new(id, PROJECTS[0], self.chance.pick(&STACK_NAMES), Time(0));
        self.commit(Change::PutStack(stack));
    }

    fn put_host(&mut self) {
        let id = self.host();
        let mut labels = self.labels();
        if self.chance.one_in(8) {
            labels.insert("io.rancher.scheduler.require_any".into(), "tier=db, disk".into());
        }
        let change = Change::PutHost(Host {
            id,
            project: PROJECTS[usize::from(self.chance.one_in(9))],
            identity: format!("i{id}"),
            hostname: format!("h{id}"),
            name: String::new(),
            description: String::new(),
            labels,
            address: String::new(),
            subnet: None,
            active: !self.chance.one_in(8),
            evacuation: None,
            memory_limit: self.chance.one_in(5).then_some(9),
            milli_cpu_limit: self.chance.one_in(5).then_some(3_000),
            created_at: Time(0),
            removed_at: self.chance.one_in(20).then_some(Time(1)),
        });
        self.commit(change);
    }

    fn see_host(&mut self) {
        let host = self.host();
        let facts = HostFacts {
            cpus: self.chance.pick(&[4, 6]),
            memory: self.chance.pick(&[10, 12]),
            problem: if self.chance.one_in(12) { "no Docker".into() } else { String::new() },
            ..HostFacts::default()
        };
        let connected = !self.chance.one_in(8);
        let seen = HostSeen { connected, facts, ..HostSeen::default() };
        self.commit(Change::SeeHost { host, seen: Box::new(seen) });
    }

    fn put_volume(&mut self) {
        let change = Change::PutVolumeTemplate(VolumeTemplate {
            id: self.chance.pick(&[VolumeTemplateId(10), VolumeTemplateId(11)]),
            project: PROJECTS[0],
            stack: self.chance.pick(&STACKS),
            name: "data".into(),
            driver: self.chance.pick(&["", "nfs"]).to_owned(),
            driver_options: BTreeMap::new(),
            external: false,
            per_container: self.chance.one_in(2),
            inactive: false,
            created_at: Time(0),
            removed_at: self.chance.one_in(6).then_some(Time(1)),
        });
        self.commit(change);
    }

    fn place_volume(&mut self) {
        let template = self.chance.pick(&[VolumeTemplateId(10), VolumeTemplateId(11)]);
        let slot = self.chance.one_in(2).then(|| self.slot());
        let (volume, host) = (VolumeKey { template, slot }, self.host());
        self.commit(Change::PlaceVolume { volume, host });
    }

    fn put_service(&mut self) {
        let id = self.service();
        let pick = |public| PickedPort { private: 80, protocol: Protocol::Tcp, public };
        let picked_ports = match self.chance.below(3) {
            0 => Vec::new(),
            1 => vec![pick(8080)],
            _ => vec![pick(8081)],
        };
        let kinds = [ServiceKind::Containers, ServiceKind::Containers, ServiceKind::Balancer];
        let change = Change::PutService(Box::new(Service {
            id,
            project: PROJECTS[0],
            stack: self.chance.pick(&STACKS),
            name: self.chance.pick(&NAMES).to_owned(),
            description: String::new(),
            kind: self.chance.pick(&kinds),
            scale: 0,
            wanted: Wanted::Active,
            settled: None,
            current: RevisionNo(1),
            links: Vec::new(),
            balancer: None,
            external: None,
            metadata: serde_json::Map::new(),
            picked_ports,
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
        }));
        self.commit(change);
    }

    fn add_revision(&mut self) {
        let service = self.service();
        let last = self.world.revisions(service).next_back().map_or(RevisionNo(0), |r| r.number);
        self.revise(service, last.next());
    }

    /// A revision by chance.
    pub fn revise(&mut self, service: ServiceId, number: RevisionNo) {
        let primary = self.spec();
        let mut sidekicks = BTreeMap::new();
        if self.chance.one_in(4) {
            sidekicks.insert("log".to_owned(), self.spec());
        }
        let change = Change::AddRevision(Box::new(Revision {
            service,
            number,
            template: Arc::new(Template { primary, sidekicks }),
            pins: BTreeMap::new(),
            by: "test".into(),
            reason: String::new(),
            created_at: Time(0),
        }));
        self.commit(change);
    }

    fn spec(&mut self) -> ContainerSpec {
        let chance = &mut self.chance;
        let mut spec = ContainerSpec::default();
        if chance.one_in(3) {
            let port = chance.pick(&["80", "80:80", "8080:80", "81:80/udp", "10.0.0.5:80:80"]);
            spec.ports.push(port.parse().unwrap());
        }
        spec.memory_reservation = chance.pick(&[None, None, Some(1), Some(3)]);
        spec.milli_cpu_reservation = chance.pick(&[None, None, Some(500), Some(2_000)]);
        spec.requested_host = chance.one_in(20).then(|| host_id(1));
        if chance.one_in(6) {
            spec.volumes.push("data:/data".into());
        }
        for _ in 0..chance.below(3) {
            let kind = chance.pick(&["host_label", "container_label", "container"]);
            let how = chance.pick(&["", "_ne", "_soft", "_soft_ne"]);
            let what = match kind {
                "host_label" => chance.pick(&["disk=ssd", "tier=db", "tier=web", "gpu=yes"]),
                "container" => chance.pick(&["blog-web-1", "shop-a-web-2", "blog-db-log-1"]),
                _ => chance.pick(&[
                    "tier=db",
                    "tier=web",
                    "gpu=yes",
                    "io.rancher.stack.name=blog",
                    "io.rancher.stack_service.name=${stack_name}/${service_name}",
                    "io.rancher.stack_service.name=shop/db",
                ]),
            };
            spec.labels.insert(format!("{AFFINITY}{kind}{how}"), what.to_owned());
        }
        spec.labels.extend(self.labels());
        spec
    }

    fn create_unit(&mut self) {
        let (service, slot) = (self.service(), self.slot());
        let revision = self.chance.pick(&[RevisionNo(1), RevisionNo(2)]);
        let incarnation = self.chance.pick(&[1, 2]);
        let key = UnitKey { service, slot, revision, incarnation };
        let host = self.host();
        let change = Change::CreateUnit(Unit {
            key,
            host,
            desired: Desired::Running,
            generation: 0,
            drain_until: None,
            run: 0,
            replacements: 0,
            serial: self.world.next_id,
            created_at: Time(0),
        });
        self.commit(change);
    }

    fn unit(&mut self) -> Option<Unit> {
        let units: Vec<Unit> = self.world.units.values().map(|u| (**u).clone()).collect();
        (!units.is_empty()).then(|| self.chance.pick(&units))
    }

    fn set_desired(&mut self) {
        let Some(unit) = self.unit() else { return };
        let desired = self.chance.pick(&[
            Desired::Running,
            Desired::Draining,
            Desired::Stopped,
            Desired::Stopped,
            Desired::Staged,
            Desired::Removed,
        ]);
        self.commit(Change::SetDesired { unit: unit.key, desired, run: None, until: None });
    }

    fn drop_units(&mut self) {
        let removed = self.world.units.values().filter(|u| u.desired == Desired::Removed);
        for key in removed.map(|u| u.key).collect::<Vec<_>>() {
            self.commit(Change::DropUnit(key));
        }
    }

    fn observe(&mut self) {
        let Some(unit) = self.unit() else { return };
        self.tick += 1;
        let seen = Observed {
            generation: unit.generation,
            tick: self.tick,
            phase: self.chance.pick(&[Phase::Running, Phase::Stopped, Phase::Gone]),
            ready: false,
            since: Time(0),
            ..Observed::default()
        };
        self.world.observe(unit.host, &BTreeMap::from([(unit.key, seen)]), Time(0));
    }

    fn upgrade(&mut self) {
        let (service, other) = (self.service(), self.service());
        let course = if self.chance.one_in(2) {
            let (from, to) = (RevisionNo(1), RevisionNo(2));
            Course::InService { from, to, start_first: false }
        } else {
            let to_service = other;
            Course::ToService(Shift { to_service, final_scale: 1, to_scale: 0, update_links: true })
        };
        let change = Change::StartUpgrade(Upgrade {
            interval_ms: 0,
            ..Upgrade::begin(service, course, Time(0), "test")
        });
        self.commit(change);
    }

    /// Units of a slot, some of them.
    pub fn some_of(&mut self, service: ServiceId, slot: Slot) -> BTreeSet<UnitKey> {
        let units = self.world.units_of(service).filter(|u| u.key.slot == slot);
        let keys: Vec<UnitKey> = units.map(|u| u.key).collect();
        keys.into_iter().filter(|_| self.chance.one_in(2)).collect()
    }
}
