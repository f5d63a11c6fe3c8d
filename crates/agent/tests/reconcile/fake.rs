//! A Docker that is a map, and an agent that is a loop around `reconcile_host`. Steps take no time unless a story
//! holds them back.

use std::collections::BTreeMap;
use std::sync::Arc;

use drover_agent::{
    Attempts, Checkup, ContainerState, DockerOp, DockerView, Reconciled, SeenContainer, UnitOps,
    VolumeCleanup, reconcile_host,
};
use drover_core::{
    AssignedTemplate, AssignedUnit, ContainerSpec, Desired, HostAssignment, Observed, Phase,
    RevisionNo, Role, ServiceId, Slot, Template, Time, UnitKey,
};

/// The host under test.
pub(crate) struct Host {
    pub(crate) assignment: HostAssignment,
    pub(crate) view: DockerView,
    pub(crate) attempts: Attempts,
    pub(crate) now: Time,
    /// Steps done, in words, since they were last asked for.
    done: Vec<String>,
    /// Events, since they were last asked for.
    events: Vec<String>,
    /// What Docker says to every step about this member.
    pub(crate) refuses: BTreeMap<String, String>,
    made: u64,
}

pub(crate) fn key(slot: u32) -> UnitKey {
    UnitKey {
        service: ServiceId(7),
        slot: Slot::Number(slot),
        revision: RevisionNo(1),
        incarnation: 1,
    }
}

impl Host {
    /// A host with one unit `app-web-1` of these containers.
    pub(crate) fn with(template: Template) -> Self {
        let unit = AssignedUnit {
            verify: None,
            desired: Desired::Running,
            generation: 1,
            template: "7/1".into(),
            stack: "app".into(),
            service: "web".into(),
            number: "1".into(),
            serial: 11,
            volumes: BTreeMap::new(),
            retain_ip: false,
            ready_ports: Vec::new(),
        };
        let template = AssignedTemplate {
            template: Arc::new(template),
            role: Role::Image,
            ports: BTreeMap::new(),
            pins: BTreeMap::new(),
        };
        let assignment = HostAssignment {
            cluster: "c".into(),
            host: 3,
            generation: 9,
            units: [(key(1), unit)].into(),
            templates: [("7/1".into(), template)].into(),
            ..HostAssignment::default()
        };
        Self {
            assignment,
            view: DockerView::default(),
            attempts: Attempts::default(),
            now: Time(1_000_000),
            done: Vec::new(),
            events: Vec::new(),
            refuses: BTreeMap::new(),
            made: 0,
        }
    }

    /// One container.
    pub(crate) fn of(spec: ContainerSpec) -> Self {
        Self::with(Template { primary: spec, sidekicks: BTreeMap::new() })
    }

    pub(crate) fn plain() -> Self {
        Self::of(ContainerSpec::default())
    }

    /// Set what the unit shall be; its generation rises.
    pub(crate) fn want(&mut self, desired: Desired) {
        let unit = self.unit_mut();
        unit.desired = desired;
        unit.generation += 1;
    }

    pub(crate) fn unit_mut(&mut self) -> &mut AssignedUnit {
        self.assignment.units.get_mut(&key(1)).unwrap()
    }

    /// Look once, and do nothing about it.
    pub(crate) fn look(&mut self) -> Reconciled {
        let result = reconcile_host(&self.assignment, &self.view, &self.attempts, self.now);
        self.attempts.take(result.remember.clone());
        self.events.extend(result.events.iter().map(|(_, text)| text.clone()));
        result
    }

    /// Look and act until nothing is left to do; what is seen then.
    pub(crate) fn settle(&mut self) -> Reconciled {
        for _ in 0..20 {
            let result = self.look();
            if result.ops.is_empty() {
                return result;
            }
            for ops in &result.ops {
                self.carry_out(ops);
            }
        }
        panic!("it never comes to rest: {:?}", self.done);
    }

    /// Settle, and give what is seen of the unit.
    pub(crate) fn seen(&mut self) -> Observed {
        self.settle().observed.remove(&key(1)).unwrap()
    }

    /// Let time pass up to `ms`, waking when asked to; what is seen then.
    pub(crate) fn after(&mut self, ms: u64) -> Observed {
        let end = self.now + ms;
        while let Some(at) = self.settle().wake_at.filter(|at| *at <= end) {
            assert!(at > self.now, "woken for nothing at {at}");
            self.now = at;
        }
        self.now = self.now.max(end);
        self.seen()
    }

    /// Steps done since the last call.
    pub(crate) fn done(&mut self) -> String {
        std::mem::take(&mut self.done).join(", ")
    }

    /// Events since the last call.
    pub(crate) fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.events)
    }

    /// The container of a member.
    pub(crate) fn container(&mut self, member: &str) -> &mut SeenContainer {
        let held = self.view.containers.get_mut(&key(1)).unwrap();
        held.iter_mut().find(|c| c.member == member).unwrap()
    }

    /// The primary's ready ports accept connections.
    pub(crate) fn accept(&mut self) {
        let run = self.container("").run();
        self.view.accepting.insert(key(1), run);
    }

    /// What the primary's health check says.
    pub(crate) fn check(&mut self, passed: bool, down: Option<&str>) {
        let run = self.container("").run();
        let checkup = Checkup { run, passed, down: down.map(str::to_owned) };
        self.view.checked.insert((key(1), String::new()), checkup);
    }

    /// A member's process ends.
    pub(crate) fn end(&mut self, member: &str, code: i64) {
        let now = self.now;
        let container = self.container(member);
        assert!(container.is_up());
        (container.state, container.ended_at) = (ContainerState::Exited, now);
        container.exit_code = code;
    }

    /// Someone removes a member's container.
    pub(crate) fn vanish(&mut self, member: &str) {
        let id = self.container(member).id.clone();
        self.view.forget(&id).unwrap();
    }

    /// A container that is there before the story begins.
    pub(crate) fn put(&mut self, unit: UnitKey, member: &str, state: ContainerState) -> String {
        self.made += 1;
        let id = format!("id{}", self.made);
        let container = SeenContainer {
            id: id.clone(),
            member: member.into(),
            state,
            created_at: self.now,
            started_at: self.now,
            address: format!("10.42.1.{}", self.made),
            stop_grace_s: 10,
            ..SeenContainer::default()
        };
        self.view.put(unit, container);
        id
    }

    fn carry_out(&mut self, ops: &UnitOps) {
        for op in &ops.ops {
            let member = op.member();
            if let Some(why) = self.refuses.get(member).cloned() {
                self.done.push(format!("refused {}", shown(member)));
                let generation = self.assignment.units.get(&ops.unit).map_or(0, |u| u.generation);
                self.attempts.refused(ops.unit, generation, member, why, self.now);
                return;
            }
            self.now = self.now + 1;
            self.step(ops.unit, op);
        }
    }

    fn step(&mut self, unit: UnitKey, op: &DockerOp) {
        let name = shown(op.member());
        match op {
            DockerOp::Create { member, siblings } => {
                let on: Vec<&str> = siblings.values().map(String::as_str).collect();
                let on =
                    if on.is_empty() { String::new() } else { format!(" on {}", on.join("+")) };
                self.done.push(format!("create {name}{on}"));
                let id = self.put(unit, member, ContainerState::Created);
                let held = self.view.containers.get_mut(&unit).unwrap();
                held.iter_mut().find(|c| c.id == id).unwrap().started_at = Time(0);
            }
            DockerOp::Start { member, container } => {
                self.done.push(format!("start {name}"));
                let now = self.now;
                let docker_name = self.assignment.units.get(&unit).unwrap().docker_name(member);
                let held = self.view.containers.get_mut(&unit).unwrap().iter_mut();
                let found = held.rev().find(|c| {
                    c.id == *container || docker_name == *container && c.member == *member
                });
                let seen = found.unwrap();
                assert!(!seen.is_up(), "started twice");
                (seen.state, seen.started_at) = (ContainerState::Running, now);
            }
            DockerOp::Stop { container, grace_s, paused, .. } => {
                let thawed = if *paused { "thaw and " } else { "" };
                self.done.push(format!("{thawed}stop {name} within {grace_s} s"));
                let now = self.now;
                let held = self.view.containers.get_mut(&unit).unwrap();
                let seen = held.iter_mut().find(|c| c.id == *container).unwrap();
                (seen.state, seen.ended_at, seen.exit_code) = (ContainerState::Exited, now, 143);
            }
            DockerOp::Remove { container, cleanup, .. } => {
                let volumes = match cleanup {
                    VolumeCleanup::None => " without volumes",
                    VolumeCleanup::Unnamed => "",
                    VolumeCleanup::All => " with all volumes",
                };
                self.done.push(format!("remove {name}{volumes}"));
                self.view.forget(container).unwrap();
            }
        }
    }
}

fn shown(member: &str) -> &str {
    if member.is_empty() { "primary" } else { member }
}

/// What an observation comes down to: phase, ready, attempt, message.
pub(crate) fn says(seen: &Observed) -> (Phase, bool, u32, &str) {
    (seen.phase, seen.ready, seen.attempt, &seen.message)
}
