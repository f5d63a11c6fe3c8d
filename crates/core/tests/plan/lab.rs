//! A cluster in a few lines: hosts whose agents obey at once, a planner that runs until it has nothing to do,
//! the checker on every step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drover_core::check::{check, check_step};
use drover_core::plan::{Note, admit_evacuation, plan};
use drover_core::{
    BalancerSpec, Change, ContainerSpec, Course, Desired, Followed, Health, HearingNow, Host,
    HostFacts, HostId, HostSeen, Observed, ObservedContainer, Phase, PortRule, Project, ProjectId,
    Revision, RevisionNo, Scope, Service, ServiceId, ServiceKind, Shift, Stack, StackId, Template,
    Time, Together, Unit, UnitKey, Upgrade, UpgradeDefaults, UpgradePhase, UpgradePolicy, Wanted,
    World,
};

pub struct Lab {
    pub world: World,
    pub now: Time,
    pub notes: BTreeMap<ServiceId, Vec<Note>>,
    /// Images whose containers never become ready.
    pub broken: BTreeSet<String>,
    /// Units that run and whose health check fails.
    pub sick: BTreeSet<UnitKey>,
    /// Images that can't be pulled.
    pub missing: BTreeSet<String>,
    /// Hosts whose agents don't answer.
    pub mute: BTreeSet<HostId>,
    /// What upgrades decide without people.
    pub policy: UpgradePolicy,
    tick: u64,
}

pub const STACK: StackId = StackId(2);
pub const PROJECT: ProjectId = ProjectId(1);

impl Lab {
    /// Hosts `h1`…, all connected, with these labels.
    pub fn new(hosts: &[&[(&str, &str)]]) -> Self {
        let mut lab = Self {
            world: World::new(),
            now: Time(1_000_000),
            notes: BTreeMap::new(),
            broken: BTreeSet::new(),
            sick: BTreeSet::new(),
            missing: BTreeSet::new(),
            mute: BTreeSet::new(),
            policy: UpgradePolicy::default(),
            tick: 0,
        };
        let project = Project {
            id: PROJECT,
            name: "Default".into(),
            description: String::new(),
            settings: drover_core::ProjectSettings::default(),
            created_at: lab.now,
            removed_at: None,
        };
        let stack = Stack::new(STACK, PROJECT, "blog", lab.now);
        lab.commit(vec![Change::PutProject(project), Change::PutStack(stack)]);
        for (n, labels) in hosts.iter().enumerate() {
            lab.add_host(n as u64 + 1, labels);
        }
        lab
    }

    pub fn add_host(&mut self, n: u64, labels: &[(&str, &str)]) {
        let id = HostId(100 + n);
        let host = Host {
            id,
            project: PROJECT,
            identity: format!("i{n}"),
            hostname: format!("h{n}"),
            name: String::new(),
            description: String::new(),
            labels: labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            address: format!("10.0.0.{n}"),
            subnet: None,
            active: true,
            evacuation: None,
            memory_limit: None,
            milli_cpu_limit: None,
            created_at: self.now,
            removed_at: None,
        };
        self.commit(vec![Change::PutHost(host)]);
        self.connect(id, true);
    }

    pub fn connect(&mut self, host: HostId, connected: bool) {
        let facts = HostFacts { cpus: 4, memory: 8 << 30, ..HostFacts::default() };
        let caught_up = connected;
        let seen = HostSeen { connected, caught_up, since: self.now, facts, ..HostSeen::default() };
        self.commit(vec![Change::SeeHost { host, seen: Box::new(seen) }]);
        if connected {
            self.mute.remove(&host);
        } else {
            self.mute.insert(host);
        }
    }

    /// What a host hears of others: those that answer, and those that were heard last so many milliseconds ago.
    pub fn hear(&mut self, host: HostId, heard: &[HostId], silent: &[(HostId, u64)]) {
        let now = HearingNow {
            heard: heard.iter().copied().collect(),
            silent_ms: silent.iter().copied().collect(),
        };
        let seen = self.world.seen[&host].as_ref().clone();
        let seen = HostSeen { hearing: now.at(self.now), ..seen };
        self.commit(vec![Change::SeeHost { host, seen: Box::new(seen) }]);
    }

    /// Somebody wants a host emptied.
    pub fn evacuate(&mut self, host: HostId) {
        let host = self.world.host(host).unwrap();
        let wanted = admit_evacuation(&self.world, host, self.now).unwrap();
        self.commit(vec![Change::PutHost(wanted)]);
    }

    /// A service that shall run, not planned yet.
    pub fn service(&mut self, name: &str, scale: u32, primary: ContainerSpec) -> ServiceId {
        let id = ServiceId(self.world.next_id);
        let service = Service {
            id,
            project: PROJECT,
            stack: STACK,
            name: name.into(),
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
            created_at: self.now,
            removed_at: None,
        };
        let revision = self.revision(id, 1, primary);
        self.commit(vec![Change::PutService(Box::new(service)), revision]);
        id
    }

    pub fn revision(&self, service: ServiceId, number: u32, primary: ContainerSpec) -> Change {
        Change::AddRevision(Box::new(Revision {
            service,
            number: RevisionNo(number),
            template: Arc::new(Template { primary, ..Template::default() }),
            pins: BTreeMap::new(),
            by: "test".into(),
            reason: String::new(),
            created_at: self.now,
        }))
    }

    /// Ask for an upgrade; nothing has moved yet.
    pub fn upgrade(
        &mut self,
        service: ServiceId,
        to: ContainerSpec,
        batch: u32,
        start_first: bool,
    ) {
        let from = self.world.service(service).unwrap().current;
        let last = self.world.revisions(service).next_back().unwrap().number;
        let course = Course::InService { from, to: last.next(), start_first };
        let upgrade = Upgrade {
            batch_size: batch,
            policy: self.policy.clone(),
            ..Upgrade::begin(service, course, self.now, "test")
        };
        let revision = self.revision(service, last.0 + 1, to);
        self.commit(vec![revision, Change::StartUpgrade(upgrade)]);
    }

    /// Ask for an upgrade of several services as one, start-first, each from its first revision to this image and after
    /// these.
    pub fn upgrade_together(&mut self, members: &[(ServiceId, &str, Vec<ServiceId>)]) {
        let members = members.iter();
        let members = members.map(|(service, to, after)| (*service, image(to), after.clone()));
        self.upgrade_members(members.collect());
    }

    /// The same, to these.
    pub fn upgrade_members(&mut self, members: Vec<(ServiceId, ContainerSpec, Vec<ServiceId>)>) {
        let mut changes = Vec::new();
        for (service, to, after) in members {
            let course =
                Course::InService { from: RevisionNo(1), to: RevisionNo(2), start_first: true };
            changes.push(self.revision(service, 2, to));
            changes.push(Change::StartUpgrade(Upgrade {
                policy: self.policy.clone(),
                together: Some(Together { number: 0, after }),
                ..Upgrade::begin(service, course, self.now, "test")
            }));
        }
        self.commit(changes);
    }

    /// Ask for an upgrade from one service to another; nothing has moved yet.
    pub fn shift(&mut self, source: ServiceId, target: ServiceId, goal: u32, batch: u32) {
        self.shift_with(source, target, goal, batch, true);
    }

    /// The same, with links left alone or not.
    pub fn shift_with(
        &mut self,
        source: ServiceId,
        target: ServiceId,
        goal: u32,
        batch: u32,
        update_links: bool,
    ) {
        let shift = Shift { to_service: target, final_scale: goal, to_scale: 0, update_links };
        self.commit(vec![Change::StartUpgrade(Upgrade {
            batch_size: batch,
            policy: self.policy.clone(),
            ..Upgrade::begin(source, Course::ToService(shift), self.now, "test")
        })]);
    }

    pub fn phase(&mut self, service: ServiceId, phase: UpgradePhase) {
        self.commit(vec![Change::phase(service, phase, self.now)]);
    }

    pub fn edit(&mut self, service: ServiceId, edit: impl FnOnce(&mut Service)) {
        let mut edited = self.world.service(service).unwrap().clone();
        edit(&mut edited);
        self.commit(vec![Change::PutService(Box::new(edited))]);
    }

    #[allow(clippy::needless_pass_by_value)] // reads as a sentence
    pub fn commit(&mut self, changes: Vec<Change>) {
        let (next, _) = self.world.commit(&changes).unwrap();
        let wrong = [check(&next), check_step(&self.world, &next, self.now)].concat();
        assert_eq!(wrong, [], "after {changes:#?}");
        self.world = next;
    }

    /// One plan, committed. True if it changed anything.
    pub fn plan(&mut self) -> bool {
        let plan = plan(&self.world, &Scope::everything(), self.now);
        for service in &plan.looked_at {
            let notes = plan.notes.iter().filter(|n| n.service == *service).cloned();
            self.notes.insert(*service, notes.collect());
        }
        let changed = !plan.changes.is_empty();
        if changed {
            self.commit(plan.changes);
        }
        changed
    }

    /// Agents do and report what they are asked.
    pub fn obey(&mut self) -> bool {
        let units: Vec<Unit> = self.world.units.values().map(|u| (**u).clone()).collect();
        self.obey_of(units)
    }

    /// The same, for the units of one service.
    pub fn obey_for(&mut self, service: ServiceId) -> bool {
        let units: Vec<Unit> = self.world.units_of(service).cloned().collect();
        self.obey_of(units)
    }

    fn obey_of(&mut self, units: Vec<Unit>) -> bool {
        let mut changed = false;
        for unit in units {
            if self.mute.contains(&unit.host) {
                continue;
            }
            let template = self.world.template(unit.key.service, unit.key.revision).unwrap();
            let ready = !self.broken.contains(&template.primary.image);
            let missing = self.missing.contains(&template.primary.image);
            let phase = match unit.desired {
                Desired::Running | Desired::Draining | Desired::Staged if missing => Phase::BackOff,
                Desired::Running | Desired::Draining => Phase::Running,
                Desired::Stopped | Desired::Staged => Phase::Stopped,
                Desired::Removed => Phase::Gone,
            };
            let is_sick = phase == Phase::Running && self.sick.contains(&unit.key);
            let health = if is_sick { Health::Unhealthy } else { Health::None };
            let ready = ready && phase == Phase::Running && !is_sick;
            let running = phase == Phase::Running;
            let container = ObservedContainer { health, running, ..Default::default() };
            changed |= self.see(unit.key, phase, ready, container);
        }
        changed
    }

    /// An agent reports this of a unit.
    pub fn see(
        &mut self,
        key: UnitKey,
        phase: Phase,
        ready: bool,
        container: ObservedContainer,
    ) -> bool {
        let Some(unit) = self.world.unit(key).cloned() else { return false };
        let same = self.world.observed(key).is_some_and(|seen| {
            (seen.generation, seen.phase, seen.ready) == (unit.generation, phase, ready)
        });
        if same {
            return false;
        }
        self.tick += 1;
        let seen = Observed {
            generation: unit.generation,
            tick: self.tick,
            phase,
            ready,
            containers: BTreeMap::from([(String::new(), container)]),
            ..Observed::default()
        };
        let before = self.world.clone();
        self.world.observe(unit.host, &BTreeMap::from([(key, seen)]), self.now);
        assert_eq!([check(&self.world), check_step(&before, &self.world, self.now)].concat(), []);
        true
    }

    /// Plan and obey, with time going on, until nothing changes.
    pub fn settle(&mut self) {
        for _ in 0..500 {
            let planned = self.plan();
            let seen = self.obey();
            if planned || seen {
                continue;
            }
            let wake = plan(&self.world, &Scope::everything(), self.now).wake_at;
            match wake {
                Some(at) if at > self.now && at - self.now < 30_000 => self.now = at,
                _ => return,
            }
        }
        panic!("it never came to rest");
    }

    /// Plans and agents come to rest, and no time passes.
    pub fn settle_now(&mut self) {
        for _ in 0..500 {
            let planned = self.plan();
            if !self.obey() && !planned {
                return;
            }
        }
        panic!("it never came to rest");
    }

    /// The units of a balancer's service acknowledge what they are told, and say what is in flight.
    pub fn acknowledge(&mut self, balancer: ServiceId, in_flight: &[(UnitKey, u64)]) {
        let units: Vec<Unit> = self.world.units_of(balancer).cloned().collect();
        for unit in units {
            let routing = drover_core::derive::balancer_config(&self.world, unit.key).routing;
            let in_flight = in_flight.iter().copied().collect();
            let followed = Followed { routing, in_flight, ..Followed::default() };
            self.world.follow(unit.host, &BTreeMap::from([(unit.key, followed)]), None);
        }
    }

    /// Another service becomes a balancer before `target`.
    pub fn balance(&mut self, balancer: ServiceId, target: ServiceId) {
        let rule = PortRule {
            source_port: 80,
            service: Some(target),
            target_port: Some(8080),
            ..PortRule::default()
        };
        self.edit(balancer, |service| {
            service.kind = ServiceKind::Balancer;
            service.balancer = Some(BalancerSpec { rules: vec![rule], ..BalancerSpec::default() });
        });
    }

    /// The units of a service as lines: `slot.revision[.incarnation] host desired`.
    pub fn show(&self, service: ServiceId) -> Vec<String> {
        let line = |u: &Unit| {
            let host = &self.world.host(u.host).unwrap().hostname;
            let again = match u.key.incarnation {
                1 => String::new(),
                n => format!(".{n}"),
            };
            let desired = format!("{:?}", u.desired).to_lowercase();
            format!("{}.{}{again} {host} {desired}", u.key.slot, u.key.revision)
        };
        self.world.units_of(service).map(line).collect()
    }

    /// The notes of a service.
    pub fn said(&self, service: ServiceId) -> Vec<String> {
        let notes = self.notes.get(&service).into_iter().flatten();
        notes.map(|n| format!("{}{}", if n.stuck { "! " } else { "" }, n.text)).collect()
    }

    pub fn serving(&self, service: ServiceId) -> usize {
        let units = self.world.units_of(service);
        units.filter(|u| drover_core::derive::is_serving(&self.world, u)).count()
    }
}

/// A container of this image.
pub fn image(image: &str) -> ContainerSpec {
    ContainerSpec { image: image.into(), ..ContainerSpec::default() }
}

/// The same, publishing a port.
pub fn with_port(name: &str, port: &str) -> ContainerSpec {
    ContainerSpec { ports: vec![port.parse().unwrap()], ..image(name) }
}

/// The same, with a label.
pub fn labelled(spec: ContainerSpec, key: &str, value: &str) -> ContainerSpec {
    let mut spec = spec;
    spec.labels.insert(key.into(), value.into());
    spec
}
