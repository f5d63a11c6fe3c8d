//! One seed: a cluster, people who can't make up their minds, and everything that can go wrong; then fair weather,
//! in which everything must come to rest where it was last wanted.

use std::collections::BTreeMap;

use drover_core::check::Violation;
use drover_core::derive::Left;
use drover_core::{
    Change, ContainerSpec, Desired, FinishPolicy, HealthCheck, Host, HostId, OnFailure, OnHostLoss,
    ScalePolicy, Service, ServiceId, ServiceKind, Template, Unit, UnitKey, UpgradePhase,
    UpgradePolicy, Verify, Wanted,
};

use crate::cluster::{Cluster, Weather};
use crate::mutation::Mutation;
use crate::node::Node;
use crate::rng::Rng;
use crate::user::{self, Pace};

/// How a seed ended.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Rules broken, with the virtual moment, in milliseconds from the start.
    pub violations: Vec<(u64, Violation)>,
    /// Upgrades that were asked for and admitted.
    pub upgrades: u64,
    /// Requests that were answered.
    pub requests: u64,
    /// What happened, in words, if it was asked for.
    pub trace: Vec<String>,
}

/// Virtual time in which things go wrong, and that in which they must come right, in milliseconds.
const CHAOS_MS: u64 = 60_000;
const REST_MS: u64 = 240_000;

/// Live through a seed.
pub fn run(seed: u64, mutation: Option<Mutation>, trace: bool) -> Outcome {
    let mut chaos = Chaos::new(seed, mutation);
    chaos.cluster.database.trace = trace.then(Vec::new);
    let start = chaos.cluster.now;
    chaos.live();
    chaos.come_to_rest();
    let trace = chaos.cluster.database.trace.unwrap_or_default();
    let violations = chaos.cluster.database.violations;
    let violations = violations.into_iter().map(|(at, v)| (at - start, v)).collect();
    let requests = chaos.cluster.answered;
    Outcome { seed, violations, upgrades: chaos.upgrades, requests, trace }
}

struct Chaos {
    cluster: Cluster,
    hosts: Vec<HostId>,
    versions: u64,
    upgrades: u64,
}

impl Chaos {
    fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let mut rng = crate::rng::Rng::new(seed);
        let servers = usize::try_from(rng.between(1, 3)).unwrap_or(1);
        let count = rng.between(1, 4);
        let mut cluster = Cluster::new(rng.draw(), servers, mutation);
        let now = cluster.now;
        cluster.ask(&user::found(now));
        let hosts: Vec<HostId> = (1..=count).map(|n| HostId(10 + n)).collect();
        for (n, &host) in (1..).zip(&hosts) {
            let disk = if n % 2 == 0 { "ssd" } else { "hdd" };
            let labels = BTreeMap::from([("disk".to_owned(), disk.to_owned())]);
            cluster.ask(&[user::register(host, &format!("h{n}"), labels, now)]);
            cluster.add_node(host);
        }
        let mut chaos = Self { cluster, hosts, versions: 0, upgrades: 0 };
        for n in 0..chaos.cluster.rng.between(1, 3) {
            let template = chaos.template();
            let scale = chaos.scale();
            let world = &chaos.cluster.database.world;
            let mut changes = user::create(world, &format!("s{n}"), scale, template, now);
            if chaos.cluster.rng.chance(15) {
                let policy = chaos.policy();
                user::found_out(&mut changes, policy);
            }
            chaos.cluster.ask(&changes);
        }
        if chaos.cluster.rng.chance(60) {
            let scale = u32::try_from(chaos.cluster.rng.between(1, 2)).unwrap_or(1);
            let targets = chaos.targets();
            let world = &chaos.cluster.database.world;
            let changes = user::balance(world, "lb", scale, &targets, now);
            chaos.cluster.ask(&changes);
        }
        chaos
    }

    fn live(&mut self) {
        self.cluster.run(2_000);
        if !self.cluster.rng.chance(20) {
            self.cluster.weather = Weather::FOUL;
        }
        let end = self.cluster.now + CHAOS_MS;
        while self.cluster.now < end && self.cluster.database.violations.is_empty() {
            let pause = self.cluster.rng.between(50, 4_000);
            self.cluster.run(pause);
            match self.cluster.rng.between(0, 9) {
                0..=5 => self.person(),
                _ => self.fault(),
            }
        }
    }

    /// Everything is mended; then every promise is due.
    fn come_to_rest(&mut self) {
        if !self.cluster.database.violations.is_empty() {
            return;
        }
        self.cluster.weather = Weather::FAIR;
        for server in 0..self.cluster.servers.len() {
            self.cluster.start_server(server);
        }
        for host in self.hosts.clone() {
            let node = self.cluster.nodes.get(&host);
            match node.map(|n| (n.powered, n.cut)) {
                Some((false, _)) => self.cluster.power(host, true),
                Some((true, true)) => self.cluster.heal(host),
                Some((true, false)) | None => {}
            }
            self.cluster.blind(host, false);
        }
        // Ways between hosts may stay broken: everything comes right all the same.
        if self.cluster.rng.chance(50) {
            self.cluster.broken_ways.clear();
        }
        self.give_ways_out();
        self.cluster.run(REST_MS);
        let found: Vec<Violation> = self.at_rest();
        let now = self.cluster.now;
        self.cluster.database.violations.extend(found.into_iter().map(|v| (now, v)));
    }

    /// No state is one that nobody can leave: what is half-way is rolled back, what runs a bad image is
    /// given a good one.
    fn give_ways_out(&mut self) {
        let services: Vec<Service> =
            self.cluster.database.world.services.values().map(|s| (**s).clone()).collect();
        for service in services.into_iter().filter(|s| s.wanted != Wanted::Removed) {
            let world = &self.cluster.database.world;
            let phase = world.upgrade(service.id).map(|u| u.phase);
            if phase.is_some_and(|phase| phase != UpgradePhase::Finishing) {
                let back =
                    user::steer(world, service.id, UpgradePhase::RollingBack, self.cluster.now);
                self.cluster.ask(back.as_slice());
            }
        }
    }

    fn person(&mut self) {
        let services: Vec<ServiceId> = {
            let all = self.cluster.database.world.services.values();
            all.filter(|s| s.wanted != Wanted::Removed).map(|s| s.id).collect()
        };
        let Some(id) = self.cluster.rng.pick(&services) else { return };
        let Some(service) = self.cluster.database.world.service(id).cloned() else { return };
        let what = self.cluster.rng.between(0, 22);
        let world = self.cluster.database.world.clone();
        let now = self.cluster.now;
        let steer = |phase| user::steer(&world, id, phase, now).into_iter().collect::<Vec<_>>();
        let idle = world.upgrade(id).is_none();
        let changes = match what {
            0..=2 => self.shift(&service),
            3..=6 => self.upgrade(&service),
            7 | 8 => steer(UpgradePhase::RollingBack),
            9 | 10 => steer(UpgradePhase::Finishing),
            11 => steer(UpgradePhase::Canceling),
            12 => steer(UpgradePhase::Upgrading),
            13..=16 if service.kind == ServiceKind::Balancer => {
                let targets = self.targets();
                vec![user::edit(&service, |s| s.balancer = Some(user::rules(&targets)))]
            }
            13 if self.cluster.rng.chance(15) => {
                let policy = self.cluster.rng.chance(60).then(|| self.policy());
                vec![user::edit(&service, |s| s.scale_policy = policy)]
            }
            13 | 14 => {
                let scale = self.scale();
                vec![user::edit(&service, |s| s.scale = scale)]
            }
            15 if idle && service.wanted == Wanted::Active => {
                vec![user::restart(&world, &service, 1)]
            }
            16 if idle => vec![user::edit(&service, |s| s.wanted = Wanted::Inactive)],
            17 => vec![user::edit(&service, |s| s.wanted = Wanted::Active)],
            18 if self.cluster.rng.chance(20) => {
                vec![user::edit(&service, |s| s.wanted = Wanted::Removed)]
            }
            20 | 21 => {
                let only = if self.cluster.rng.chance(50) { vec![id] } else { Vec::new() };
                user::rebalance(&world, &only).1
            }
            22 if self.cluster.rng.chance(30) => user::call_off(&world),
            _ => self.host_edit(),
        };
        self.cluster.ask(&changes);
    }

    /// Services to balance over: one, or all.
    fn targets(&mut self) -> Vec<ServiceId> {
        let all = self.cluster.database.world.services.values();
        let all: Vec<ServiceId> = all
            .filter(|s| s.kind == ServiceKind::Containers && s.wanted != Wanted::Removed)
            .map(|s| s.id)
            .collect();
        let one = self.cluster.rng.pick(&all);
        if self.cluster.rng.chance(40) { all } else { one.into_iter().collect() }
    }

    fn upgrade(&mut self, service: &Service) -> Vec<drover_core::Change> {
        let mut members = vec![(service.clone(), self.template())];
        if self.cluster.rng.chance(25) {
            let others = self.targets_of_all_kinds();
            let other = self.cluster.rng.pick(&others).filter(|other| *other != service.id);
            let other = other.and_then(|id| self.cluster.database.world.service(id).cloned());
            members.extend(other.map(|other| (other, self.template())));
        }
        let rng = &mut self.cluster.rng;
        let pace = Pace {
            batch_size: u32::try_from(rng.between(1, 3)).unwrap_or(1),
            interval_ms: rng.between(0, 3_000),
            start_first: rng.chance(50),
            policy: policy(rng),
        };
        let (world, now) = (&self.cluster.database.world, self.cluster.now);
        let changes = match members.as_slice() {
            [(service, template)] => user::upgrade(world, service, template.clone(), pace, now),
            members => user::upgrade_together(world, members, &pace, now),
        };
        let changes = changes.unwrap_or_default();
        self.upgrades += u64::from(!changes.is_empty());
        changes
    }

    /// An upgrade to another service: any, also one that can't be.
    fn shift(&mut self, source: &Service) -> Vec<drover_core::Change> {
        let others = self.targets_of_all_kinds();
        let rng = &mut self.cluster.rng;
        let Some(target) = rng.pick(&others) else { return Vec::new() };
        let pace = Pace {
            batch_size: u32::try_from(rng.between(1, 3)).unwrap_or(1),
            interval_ms: rng.between(0, 3_000),
            start_first: false,
            policy: policy(rng),
        };
        let goal = u32::try_from(rng.between(1, 4)).unwrap_or(1);
        let (world, now) = (&self.cluster.database.world, self.cluster.now);
        let changes = user::shift(world, source.id, target, goal, pace, now).unwrap_or_default();
        self.upgrades += u64::from(!changes.is_empty());
        changes
    }

    fn targets_of_all_kinds(&self) -> Vec<ServiceId> {
        let all = self.cluster.database.world.services.values();
        all.filter(|s| s.wanted != Wanted::Removed).map(|s| s.id).collect()
    }

    fn host_edit(&mut self) -> Vec<drover_core::Change> {
        let Some(host) = self.cluster.rng.pick(&self.hosts) else { return Vec::new() };
        let world = &self.cluster.database.world;
        match self.cluster.rng.between(0, 9) {
            0..=4 => user::switch(world, host, true),
            5 => user::switch(world, host, false),
            _ => user::evacuate(world, host, self.cluster.now).unwrap_or_default(),
        }
    }

    fn fault(&mut self) {
        let Some(host) = self.cluster.rng.pick(&self.hosts) else { return };
        let server = usize::try_from(self.cluster.rng.between(0, 2)).unwrap_or(0);
        match self.cluster.rng.between(0, 9) {
            0 => self.cluster.crash_server(server),
            1 | 2 => self.cluster.start_server(server),
            3 => self.cluster.restart_agent(host),
            4 if self.cluster.rng.chance(50) => self.cluster.pull(host),
            4 => self.cluster.cut(host),
            5 => self.cluster.heal(host),
            6 => {
                let on = self.cluster.rng.chance(60);
                self.cluster.power(host, on);
            }
            7 if self.cluster.rng.chance(50) => self.break_or_mend_a_way(host),
            7 => {
                let blind = self.cluster.rng.chance(60);
                self.cluster.blind(host, blind);
            }
            _ => self.hurt_a_container(host),
        }
    }

    fn break_or_mend_a_way(&mut self, host: HostId) {
        let Some(other) = self.cluster.rng.pick(&self.hosts).filter(|other| *other != host) else {
            return;
        };
        if self.cluster.rng.chance(70) {
            self.cluster.break_way(host, other);
        } else {
            self.cluster.mend_way(host, other);
        }
    }

    fn hurt_a_container(&mut self, host: HostId) {
        let now = self.cluster.now;
        let how = self.cluster.rng.between(0, 9);
        let Some(node) = self.cluster.nodes.get_mut(&host) else { return };
        let names: Vec<String> = node.engine.containers.keys().cloned().collect();
        let Some(name) = self.cluster.rng.pick(&names) else { return };
        let Some(node) = self.cluster.nodes.get_mut(&host) else { return };
        let has_check = node.engine.containers.get(&name).is_some_and(|c| c.checked);
        match how {
            0..=2 => node.engine.remove(&name),
            // What is checked by nobody would hang for ever.
            3..=6 if has_check => node.engine.hang(&name),
            _ => node.engine.end(&name, 137, now),
        }
        self.cluster.touch(host);
    }

    fn scale(&mut self) -> u32 {
        u32::try_from(self.cluster.rng.between(0, 4)).unwrap_or(1)
    }

    fn policy(&mut self) -> ScalePolicy {
        let rng = &mut self.cluster.rng;
        let mut number = |low, high| u32::try_from(rng.between(low, high)).unwrap_or(1);
        let min = number(1, 3);
        ScalePolicy { min, max: min + number(0, 3), increment: number(1, 2) }
    }

    fn template(&mut self) -> Template {
        self.versions += 1;
        let rng = &mut self.cluster.rng;
        let kind = match rng.between(0, 19) {
            0 => "missing",
            1 => "sick",
            2 => "crashes",
            3 => "job",
            4 => "slow",
            5 | 6 => "single",
            _ => "app",
        };
        let mut primary =
            ContainerSpec { image: format!("{kind}:v{}", self.versions), ..Default::default() };
        if kind == "single" {
            primary.on_host_loss = Some(OnHostLoss::Fence);
        }
        if rng.chance(40) {
            // Without a limit, one that never passed would be left alone for ever.
            primary.health_check = Some(HealthCheck {
                port: 80,
                initializing_timeout_ms: Some(20_000),
                reinitializing_timeout_ms: Some(20_000),
                ..HealthCheck::default()
            });
        }
        let mut label = |key: &str, value: &str| {
            primary.labels.insert(key.to_owned(), value.to_owned());
        };
        if kind == "job" {
            label("io.rancher.container.start_once", "true");
        }
        if rng.chance(15) {
            label("io.rancher.scheduler.affinity:host_label_soft", "disk=ssd");
        }
        if rng.chance(25) {
            primary.ports = "8080:80".parse().into_iter().collect();
        }
        if rng.chance(15) {
            primary.volumes = vec!["data:/data".to_owned()];
        }
        let mut template = Template { primary, ..Template::default() };
        if rng.chance(20) {
            let helper = ContainerSpec { image: "helper:1".to_owned(), ..Default::default() };
            template.sidekicks.insert("helper".to_owned(), helper);
        }
        template
    }

    /// What must hold once the weather has been fair for long enough.
    fn at_rest(&self) -> Vec<Violation> {
        let world = &self.cluster.database.world;
        let now = self.cluster.now;
        let mut found = Vec::new();
        let again = drover_core::plan::plan(world, &drover_core::Scope::everything(), now);
        let waits = again.wake_at.is_some_and(|at| at <= now + 1);
        // The next one in place of what never gets well may just be due.
        let due = |change: &Change| matches!(change, Change::CreateUnit(u) if u.replacements > 0);
        if !again.changes.iter().all(due) && !waits {
            let what = format!("there is still something to do: {:?}", again.changes);
            found.push(Violation { rule: "rest", what });
        }
        for node in self.cluster.nodes.values() {
            found.extend(node.differs_from(world, now));
            found.extend(node.hanging().filter_map(|unit| left_ill(world, unit, &again.notes)));
        }
        found.extend(world.hosts.values().filter_map(|host| lingering(world, host, &again.notes)));
        for service in world.services.values() {
            // An upgrade between services waits for one that answers nobody, and does not replace it; nor is one
            // replaced that is to leave its host and waits for its service's upgrade.
            let stays = |unit: UnitKey| {
                let host = world.unit(unit).and_then(|unit| world.host(unit.host));
                unit.service == service.id && host.is_some_and(Host::is_evacuating)
                    || world.shift(unit.service).is_some() && world.shift(service.id).is_some()
            };
            let mut hanging = self.cluster.nodes.values().flat_map(Node::hanging);
            if !hanging.any(stays) {
                found.extend(unsettled(world, service, &again.notes));
            }
            found.extend(still_moving(world, service, &again.notes));
        }
        found
    }
}

/// A unit that answers nobody was not replaced, and nothing says why.
fn left_ill(
    world: &drover_core::World,
    unit: UnitKey,
    notes: &[drover_core::plan::Note],
) -> Option<Violation> {
    let shall_run = world.unit(unit).is_some_and(|u| u.desired == Desired::Running);
    // What moves to another service, or from one, is not replaced; nor what an upgrade or a rollback leaves.
    let moves = drover_core::derive::in_motion(world, unit.service).is_some()
        || world.upgrade(unit.service).is_some()
            && world.service(unit.service).is_some_and(|s| s.current != unit.revision);
    // Of one that is to leave its host, the host says why it is still there.
    let leaves = world.unit(unit).and_then(|u| world.host(u.host)).is_some_and(Host::is_evacuating);
    let said = notes.iter().any(|note| {
        let about = note.unit.is_none_or(|held| held == unit);
        note.stuck && note.service == unit.service && about
    });
    let what = format!("{unit} answers nobody, its host is well, and it is not replaced");
    (shall_run && !said && !moves && !leaves).then_some(Violation { rule: "left ill", what })
}

/// Something is left on a host that was to be emptied, and nothing says why; or two units fill one slot still.
fn lingering(
    world: &drover_core::World,
    host: &Host,
    notes: &[drover_core::plan::Note],
) -> Option<Violation> {
    let units = || world.units_on(host.id);
    let fail = |what| Some(Violation { rule: "lingering", what });
    let left = drover_core::derive::evacuation(world, host.id).unwrap_or_default().left;
    let said = |unit: &UnitKey| {
        notes
            .iter()
            .any(|note| note.service == unit.service && (note.stuck || note.unit == Some(*unit)))
    };
    // At rest it stays for good, and the host's own message says why; or it is a job; or it waits for what its service
    // is about.
    let waits = |unit: &UnitKey| {
        let job =
            world.template(unit.service, unit.revision).is_some_and(|t| t.primary.is_start_once());
        let restarts = world.service(unit.service).is_some_and(|service| service.restart.is_some());
        job || restarts
            || world.upgrade(unit.service).is_some()
            || world.shift(unit.service).is_some()
    };
    let is_excused = |left: &&Left| left.held || said(&left.unit) || waits(&left.unit);
    if let Some(left) = left.iter().find(|left| !is_excused(left)) {
        let (unit, why) = (left.unit, &left.why);
        return fail(format!(
            "{unit} is left on {} at rest, though it is not held: {why}",
            host.hostname
        ));
    }
    let twin = |unit: &&Unit| {
        world.units_of(unit.key.service).any(|other| {
            (other.key.slot, other.key.revision) == (unit.key.slot, unit.key.revision)
                && other.key.incarnation > unit.key.incarnation
                && (other.desired, unit.desired) == (Desired::Running, Desired::Running)
        })
    };
    let is_asked = |unit: &Unit| {
        let service = world.service(unit.key.service);
        let held = service.and_then(|service| service.rebalance.as_ref());
        held.is_some_and(|held| held.moves(unit.key))
    };
    // Of what never gets well the next one is always about to be tried.
    let sound = |unit: &&Unit| {
        let template = world.template(unit.key.service, unit.key.revision);
        template.is_some_and(|t| crate::engine::Behaviour::of(&t.primary.image).is_sound())
    };
    let twin = units()
        .find(|unit| host.evacuation.is_none() && sound(unit) && !is_asked(unit) && twin(unit))?;
    fail(format!("{} runs beside its replacement, and leaves no host", twin.key))
}

/// Moves that were asked for and are not over, though nothing excuses them.
fn still_moving(
    world: &drover_core::World,
    service: &Service,
    notes: &[drover_core::plan::Note],
) -> Option<Violation> {
    service.rebalance.as_ref().filter(|_| service.wanted != Wanted::Removed)?;
    let said = notes.iter().any(|note| note.service == service.id && note.stuck);
    let busy = world.upgrade(service.id).is_some() || world.shift(service.id).is_some();
    if said || busy || service.restart.is_some() || runs_bad_images(world, service) {
        return None;
    }
    let what = format!("{} is still being rebalanced at rest", service.name);
    Some(Violation { rule: "rebalance", what })
}

fn runs_bad_images(world: &drover_core::World, service: &Service) -> bool {
    world.units_of(service.id).filter(|u| u.desired == Desired::Running).any(|u| {
        let template = world.template(service.id, u.key.revision);
        template.is_some_and(|t| !crate::engine::Behaviour::of(&t.primary.image).is_sound())
    })
}

/// A service that is not where it is wanted, though nothing excuses it.
fn unsettled(
    world: &drover_core::World,
    service: &Service,
    notes: &[drover_core::plan::Note],
) -> Option<Violation> {
    let said = notes.iter().any(|note| note.service == service.id && note.stuck);
    let bad = runs_bad_images(world, service);
    let settled = service.settled == Some(service.wanted);
    let upgrading = world.upgrade(service.id).is_some_and(|u| u.phase != UpgradePhase::Upgraded);
    if (settled && !upgrading) || said || bad {
        return None;
    }
    let what = format!(
        "service {} wants to be {:?}, is {:?}, its upgrade is {:?}, and nothing says why",
        service.name,
        service.wanted,
        service.settled,
        world.upgrade(service.id).map(|u| u.phase)
    );
    Some(Violation { rule: "liveness", what })
}

/// What an upgrade decides by itself: half of them nothing.
fn policy(rng: &mut Rng) -> UpgradePolicy {
    if rng.chance(50) {
        return UpgradePolicy::default();
    }
    let on_failure = [OnFailure::Retry, OnFailure::Pause, OnFailure::Rollback];
    UpgradePolicy {
        on_failure: rng.pick(&on_failure).unwrap_or_default(),
        max_failures: u32::try_from(rng.between(0, 3)).ok(),
        deadline_ms: Some(rng.between(15_000, 90_000)),
        verify: Verify {
            for_ms: Some(rng.between(0, 10_000)),
            stop: rng.chance(30),
            ..Verify::default()
        },
        finish: if rng.chance(50) { FinishPolicy::Auto } else { FinishPolicy::Manual },
        back: drover_core::Pace::default(),
    }
}
