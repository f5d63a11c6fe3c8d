//! A host: an engine, and the product's own agent logic driving it. What an agent process knows and what its disk
//! keeps are told apart, so that restarts lose exactly what they would lose.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use drover_agent::{
    Attempts, Checkup, ContainerState, DockerOp, DockerView, Lease, SeenContainer, UnitOps,
    VolumeCleanup, reconcile_host,
};
use drover_core::check::Violation;
use drover_core::protocol::Report;
use drover_core::{
    AssignedTemplate, AssignedUnit, BalancerConfig, Checked, Desired, Health, HostAssignment,
    HostId, LEASE_MS, Observed, Phase, Time, UnitKey, Verdict, Watched, Witnessed, World, label,
};

use crate::engine::{Container, Engine};
use crate::mutation::Mutation;

/// How often an agent tells everything again, in milliseconds.
const FULL_REPORT_MS: u64 = 15_000;

/// What an agent that just started waits for its server, in milliseconds.
const FIRST_LEASE_MS: u64 = 2_000;

/// One host.
#[derive(Debug)]
pub struct Node {
    /// Its engine.
    pub engine: Engine,
    /// The machine has power.
    pub powered: bool,
    /// The way to the servers is cut.
    pub cut: bool,
    /// Its agent reaches none of its own containers.
    pub blind: bool,
    /// Since when it does not answer other hosts, if it doesn't.
    pub unheard_since: Option<Time>,
    /// Until when it may run what must never run twice.
    pub lease_until: Time,
    /// When the servers heard it last, while they don't.
    pub left_at: Time,
    /// The server it is connected to.
    pub server: Option<usize>,
    /// Counts connections, so that messages of an old one are not taken for the new one's.
    pub session: u64,
    /// Counts agent processes, so that an operation of a dead one is not seen through.
    pub epoch: u64,
    /// When the agent wants to look again, if nothing happens before.
    pub wake_at: Option<Time>,
    /// Units whose primary was stopped because it was not to run any more.
    pub stopped_by_order: BTreeSet<UnitKey>,
    host: HostId,
    disk: Ledger,
    busy: BTreeMap<UnitKey, Phase>,
    told: BTreeMap<UnitKey, Observed>,
    told_all_at: Option<Time>,
    probes: Probes,
    /// An assignment came over this connection.
    has_orders: bool,
    /// A server acknowledged this process.
    is_proven: bool,
}

/// What an agent's process knows of units on other hosts.
#[derive(Debug, Default)]
struct Probes {
    /// Each as it was to be probed, how it does, and how many rounds it failed without ever passing; `None` once it passed.
    asked: BTreeMap<UnitKey, (Watched, Checked, Option<u32>)>,
    found: Witnessed,
    untold: bool,
}

impl Probes {
    /// What is found after one more round.
    fn round(
        &mut self,
        watched: &BTreeMap<UnitKey, Watched>,
        reached: &BTreeMap<UnitKey, bool>,
    ) -> BTreeMap<UnitKey, Verdict> {
        self.asked.retain(|unit, (asked, ..)| watched.get(unit) == Some(asked));
        let mut found = BTreeMap::new();
        for (unit, watched) in watched {
            let new = || (watched.clone(), Checked::not_yet(), Some(0));
            let (_, checked, failed) = self.asked.entry(*unit).or_insert_with(new);
            let passes = reached.get(unit).is_some_and(|reached| *reached);
            let result =
                if passes { Ok(()) } else { Err("its health check fails from here".to_owned()) };
            *checked = checked.clone().after(result, &watched.check);
            *failed = match failed.filter(|_| checked.down.is_some()) {
                Some(_) if passes => Some(0),
                Some(times) => Some(times + 1),
                None => None,
            };
            if failed.is_none_or(|times| times >= watched.check.fall()) {
                found.insert(*unit, watched.verdict(checked.down.clone()));
            }
        }
        found
    }
}

/// What survives the agent's process.
#[derive(Clone, Debug)]
struct Ledger {
    assignment: HostAssignment,
    attempts: Attempts,
    tick: u64,
}

/// Steps for one unit, as decided; the first is being done.
#[derive(Clone, Debug)]
pub struct Op {
    key: UnitKey,
    unit: Option<(AssignedUnit, AssignedTemplate)>,
    steps: VecDeque<DockerOp>,
}

/// What an agent does when it wakes.
#[derive(Debug, Default)]
pub struct Step {
    /// Operations it begins.
    pub ops: Vec<Op>,
    /// What it tells its server.
    pub report: Option<Report>,
    /// When to wake it again at the latest.
    pub wake_at: Option<Time>,
}

impl Node {
    /// A machine that just got its agent.
    pub fn new(host: HostId) -> Self {
        Self {
            engine: Engine::default(),
            powered: true,
            cut: false,
            blind: false,
            unheard_since: None,
            lease_until: Time(0),
            left_at: Time(0),
            has_orders: false,
            is_proven: false,
            server: None,
            session: 0,
            epoch: 0,
            wake_at: None,
            stopped_by_order: BTreeSet::new(),
            host,
            disk: Ledger {
                assignment: HostAssignment::none(host),
                attempts: Attempts::default(),
                tick: 0,
            },
            busy: BTreeMap::new(),
            told: BTreeMap::new(),
            told_all_at: None,
            probes: Probes::default(),
        }
    }

    /// Whether it can talk to servers.
    pub fn is_on(&self) -> bool {
        self.powered && !self.cut
    }

    /// A connection is made; the server has seen its counter at `tick`.
    pub fn connect(&mut self, server: usize, tick: u64) {
        self.server = Some(server);
        self.session += 1;
        self.has_orders = false;
        self.disk.tick = self.disk.tick.max(tick);
        self.told_all_at = None;
    }

    /// The connection ends.
    pub fn disconnect(&mut self, now: Time) {
        if self.server.take().is_some() {
            self.acknowledged(now);
            self.left_at = now;
        }
    }

    /// A server answers it.
    fn acknowledged(&mut self, now: Time) {
        if self.has_orders {
            self.lease_until = self.lease_until.max(now + LEASE_MS);
            self.is_proven = true;
        }
    }

    /// The agent's process is replaced: what only it knew is gone, the ledger stays.
    pub fn restart_agent(&mut self, now: Time) {
        self.epoch += 1;
        self.lease_until = now + FIRST_LEASE_MS;
        (self.has_orders, self.is_proven) = (false, false);
        self.busy.clear();
        self.told.clear();
        self.probes = Probes::default();
        self.told_all_at = None;
    }

    /// Take in an assignment, by the ledger's rule: older ones are refused.
    pub fn assign(&mut self, assignment: HostAssignment, mutation: Option<Mutation>) {
        let newer = assignment.generation > self.disk.assignment.generation;
        if newer || mutation == Some(Mutation::OldAssignments) {
            self.disk.assignment = assignment;
        }
        self.has_orders = true;
    }

    /// What it is to probe on other hosts.
    pub fn watched(&self) -> BTreeMap<UnitKey, Watched> {
        self.disk.assignment.watched.clone()
    }

    /// One round of probes of others' units, by whether each was reached. True if it finds anything else than before.
    pub fn probe(&mut self, reached: &BTreeMap<UnitKey, bool>) -> bool {
        let found = self.probes.round(&self.disk.assignment.watched, reached);
        let changed = found != self.probes.found.verdicts;
        if changed {
            self.disk.tick += 1;
            self.probes.found = Witnessed { tick: self.disk.tick, verdicts: found };
            self.probes.untold = true;
        }
        changed
    }

    /// The balancers assigned to it.
    pub fn balancers(&self) -> Vec<UnitKey> {
        self.disk.assignment.balancers.keys().copied().collect()
    }

    /// The configuration file of one of them.
    pub fn balancer_config(&self, unit: UnitKey) -> Option<BalancerConfig> {
        self.disk.assignment.balancers.get(&unit).cloned()
    }

    /// Whether it is just telling everything.
    pub fn tells_all(&self, now: Time) -> bool {
        self.told_all_at == Some(now)
    }

    /// Look, decide, begin, tell.
    pub fn step(&mut self, now: Time) -> Step {
        let engine_at = self.engine.pass(now);
        if self.server.is_some() {
            self.acknowledged(now);
        }
        let view = self.view(now);
        let lease_ends_at = Some(self.lease_until).filter(|at| *at > now);
        let done = reconcile_host(&self.disk.assignment, &view, &self.disk.attempts, now);
        self.disk.attempts.take(done.remember);
        let report = self.tell(done.observed, now);
        let ops = done.ops.into_iter().map(|ops| self.begin(ops)).collect();
        let full_at = self.told_all_at.map(|at| at + FULL_REPORT_MS);
        let wakes = [engine_at, done.wake_at, full_at, lease_ends_at].into_iter().flatten();
        self.wake_at = wakes.min().map(|at| at.max(now + 1));
        Step { ops, report, wake_at: self.wake_at }
    }

    /// The first step of an operation is done; the operation goes on with the next, or ends.
    pub fn finish(&mut self, op: &Op, now: Time) -> Option<Op> {
        let mut op = op.clone();
        let Some(step) = op.steps.pop_front() else {
            self.busy.remove(&op.key);
            return None;
        };
        let done = self.carry_out(&op, &step, now);
        if let Err(reason) = &done {
            let generation = op.unit.as_ref().map_or(0, |(unit, _)| unit.generation);
            let member = step.member();
            self.disk.attempts.refused(op.key, generation, member, reason.clone(), now);
        }
        if done.is_err() || op.steps.is_empty() {
            self.busy.remove(&op.key);
            return None;
        }
        Some(op)
    }

    /// Units whose primary runs and must never run twice at a time.
    pub fn singles(&self) -> impl Iterator<Item = UnitKey> {
        let running = self.engine.containers.values().filter(|c| c.running_since.is_some());
        let singles = running.filter(|c| c.behaviour.single).filter_map(owner);
        singles.filter(|(_, member)| member.is_empty()).map(|(key, _)| key)
    }

    /// Units of which a container runs and answers nobody.
    pub fn hanging(&self) -> impl Iterator<Item = UnitKey> {
        let running = self.engine.containers.values().filter(|held| held.running_since.is_some());
        running.filter(|container| container.hangs).filter_map(owner).map(|(key, _)| key)
    }

    /// What at rest differs from the plan.
    pub fn differs_from(&self, world: &World, now: Time) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut fail = |what: String| found.push(Violation { rule: "reality", what });
        let mut there: BTreeSet<(UnitKey, String)> = BTreeSet::new();
        for (name, container) in &self.engine.containers {
            let Some((key, member)) = owner(container) else { continue };
            let sound = container.behaviour.is_sound() && !container.hangs;
            match world.unit(key).filter(|u| u.host == self.host).map(|u| u.desired) {
                None | Some(Desired::Removed) => fail(format!("{name} was to be removed")),
                Some(Desired::Stopped | Desired::Staged) if container.running_since.is_some() => {
                    fail(format!("{name} runs and was to be stopped"));
                }
                Some(Desired::Running | Desired::Draining) if sound && !container.is_ready(now) => {
                    fail(format!("{name} was to run and does not"));
                }
                Some(Desired::Staged | Desired::Stopped | Desired::Running | Desired::Draining) => {
                }
            }
            if !there.insert((key, member)) {
                fail(format!("{name} is there twice"));
            }
        }
        for unit in world.units_on(self.host).filter(|u| u.desired == Desired::Running) {
            let Some(template) = world.template(unit.key.service, unit.key.revision) else {
                continue;
            };
            let image = &template.primary.image;
            let sound = crate::engine::Behaviour::of(image).is_sound();
            if sound && !there.contains(&(unit.key, String::new())) {
                fail(format!("unit {} ({image}) was to run and is not there", unit.key));
            }
        }
        found
    }

    fn view(&self, now: Time) -> DockerView {
        let lease = match (now >= self.lease_until, self.is_proven) {
            (true, _) => Lease::Over,
            (false, true) => Lease::Held,
            (false, false) => Lease::Unproven,
        };
        let mut view = DockerView { busy: self.busy.clone(), lease, ..DockerView::default() };
        for container in self.engine.containers.values() {
            if let Some((key, member)) = owner(container) {
                let seen = seen(container, member.clone(), self.address_of(container), now);
                let is_ready = container.is_ready(now) && !(self.blind && container.checked);
                if member.is_empty() && is_ready {
                    view.accepting.insert(key, seen.run());
                }
                let down = (!is_ready).then(|| "its health check fails".to_owned());
                let checkup = Checkup { run: seen.run(), passed: is_ready, down };
                view.checked.insert((key, member), checkup);
                view.put(key, seen);
            }
        }
        view
    }

    /// Count observations that differ from what was told before.
    fn tell(&mut self, observed: BTreeMap<UnitKey, Observed>, now: Time) -> Option<Report> {
        let all = self.told_all_at.is_none_or(|at| now >= at + FULL_REPORT_MS);
        self.told.retain(|key, _| observed.contains_key(key));
        let mut units = BTreeMap::new();
        for (key, mut seen) in observed {
            let told = self.told.get(&key);
            let same = told.filter(|told| Observed { tick: told.tick, ..seen.clone() } == **told);
            if let Some(told) = same {
                if all {
                    units.insert(key, told.clone());
                }
                continue;
            }
            self.disk.tick += 1;
            seen.tick = self.disk.tick;
            self.told.insert(key, seen.clone());
            units.insert(key, seen);
        }
        if all {
            self.told_all_at = Some(now);
        }
        let assigned = self.disk.assignment.generation;
        let whole = all;
        let untold = std::mem::take(&mut self.probes.untold) || all;
        let witnessed = untold.then(|| self.probes.found.clone());
        (whole || untold || !units.is_empty()).then(|| Report {
            assigned,
            whole,
            units,
            witnessed,
            ..Report::default()
        })
    }

    /// Where other hosts reach a container.
    pub fn address_of(&self, container: &Container) -> String {
        let network = self.disk.assignment.network.as_ref();
        let subnet = network.and_then(|network| network.subnet.strip_suffix("0/24"));
        format!("{}{}", subnet.unwrap_or("172.17.0."), 2 + container.number % 200)
    }

    fn begin(&mut self, ops: UnitOps) -> Op {
        self.busy.insert(ops.unit, ops.doing);
        let assignment = &self.disk.assignment;
        let unit = assignment.units.get(&ops.unit).cloned();
        let unit = unit.and_then(|u| Some((assignment.templates.get(&u.template)?.clone(), u)));
        Op { key: ops.unit, unit: unit.map(|(t, u)| (u, t)), steps: ops.ops.into() }
    }

    fn carry_out(&mut self, op: &Op, step: &DockerOp, now: Time) -> Result<(), String> {
        match step {
            DockerOp::Create { member, .. } => {
                let Some((unit, template)) = &op.unit else { return Ok(()) };
                let members = template.template.members();
                let Some((_, spec)) = { members }.find(|(name, _)| name == member) else {
                    return Ok(());
                };
                let labels = BTreeMap::from([
                    (label::UNIT.to_owned(), op.key.to_string()),
                    (label::MEMBER.to_owned(), member.clone()),
                ]);
                if member.is_empty() {
                    self.stopped_by_order.remove(&op.key);
                }
                let ports = template.ports.get(member).cloned().unwrap_or_default();
                let name = unit.docker_name(member);
                self.engine.create(&name, &spec.image, labels, ports, now)?;
                if let Some(made) = self.engine.containers.get_mut(&name) {
                    made.checked = spec.health_check.is_some();
                }
                Ok(())
            }
            DockerOp::Start { container, member } => {
                let name = self.name_of(container);
                self.engine.start(&name, now)?;
                if member.is_empty() {
                    self.stopped_by_order.remove(&op.key);
                }
                Ok(())
            }
            DockerOp::Stop { container, member, .. } => {
                let name = self.name_of(container);
                let shall_run = op.unit.as_ref().is_some_and(|(u, _)| u.desired < Desired::Stopped);
                let runs =
                    self.engine.containers.get(&name).is_some_and(|c| c.running_since.is_some());
                if member.is_empty() && runs && !shall_run {
                    self.stopped_by_order.insert(op.key);
                }
                self.engine.end(&name, 143, now);
                Ok(())
            }
            DockerOp::Remove { container, .. } => {
                let name = self.name_of(container);
                self.engine.remove(&name);
                Ok(())
            }
        }
    }

    /// Docker takes a name where it takes an id.
    fn name_of(&self, container: &str) -> String {
        let mut by_id = self.engine.containers.iter().filter(|(_, c)| c.id == container);
        by_id.next().map_or_else(|| container.to_owned(), |(name, _)| name.clone())
    }
}

fn owner(container: &Container) -> Option<(UnitKey, String)> {
    let key = container.labels.get(label::UNIT)?.parse().ok()?;
    Some((key, container.labels.get(label::MEMBER)?.clone()))
}

fn seen(container: &Container, member: String, address: String, now: Time) -> SeenContainer {
    let state = match (container.running_since, container.finished_at) {
        (Some(_), _) => ContainerState::Running,
        (None, Some(_)) => ContainerState::Exited,
        (None, None) => ContainerState::Created,
    };
    let health = match container.running_since {
        None => Health::None,
        // Docker has no check of its own then.
        Some(_) if container.checked => Health::None,
        Some(_) if container.is_ready(now) => Health::Healthy,
        Some(_) if container.behaviour.sick => Health::Unhealthy,
        Some(_) => Health::Starting,
    };
    SeenContainer {
        id: container.id.clone(),
        member,
        state,
        created_at: container.created_at,
        started_at: container.started_at,
        ended_at: container.finished_at.unwrap_or_default(),
        exit_code: container.exit_code.unwrap_or(0),
        oom_killed: false,
        health,
        address,
        image_id: String::new(),
        digest: String::new(),
        requested: String::new(),
        stop_grace_s: 10,
        cleanup: VolumeCleanup::default(),
    }
}
