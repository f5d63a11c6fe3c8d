//! The life of one unit: which of its members are missing, down or outdated, and the steps that bring it to
//! where it shall be.

use std::collections::{BTreeMap, BTreeSet};

use drover_core::{AssignedTemplate, AssignedUnit, Desired, HostAssignment, Phase, Time, UnitKey};

use super::attempt::{Attempt, Attempts, Happened, Reading};
use super::members::{Member, in_start_order};
use super::{Reconciled, observe, words};
use crate::op::{DockerOp, UnitOps};
use crate::view::{ContainerState, DockerView, SeenContainer};

/// One unit, looked at.
pub(super) struct Life<'a> {
    pub(super) key: UnitKey,
    pub(super) assigned: &'a AssignedUnit,
    /// Its members, providers first, each with its container.
    pub(super) members: Vec<(Member<'a>, Option<&'a SeenContainer>)>,
    /// Containers that are nobody's: doubles, and of members the template doesn't have.
    surplus: Vec<&'a SeenContainer>,
    /// What is remembered of the members, brought up to date.
    pub(super) memory: BTreeMap<String, Attempt>,
    /// Its ready ports accept.
    pub(super) accepting: bool,
    /// What is being done to it.
    pub(super) busy: Option<Phase>,
}

/// What a member needs so that it runs.
enum Need {
    /// It runs, or ran and was to run once.
    Nothing,
    /// Docker is doing something to it.
    Patience,
    /// It is there and down.
    Start,
    /// It runs, but in the network of a run that is over.
    Restart,
    /// It isn't there, or what is there is of no use.
    Make,
}

/// Look at an assigned unit, and add what follows to `result`.
pub(super) fn reconcile(
    assignment: &HostAssignment,
    view: &DockerView,
    attempts: &Attempts,
    now: Time,
    key: UnitKey,
    result: &mut Reconciled,
) {
    let Some(assigned) = assignment.units.get(&key) else { return };
    let Some(template) = assignment.templates.get(&assigned.template) else {
        result.observed.insert(key, observe::without_template(assigned));
        return;
    };
    let mut life = Life::look(view, attempts, key, assigned, template);
    life.remember(now, result);
    let ops = match (life.busy, assigned.desired) {
        (Some(_), _) => Vec::new(),
        (None, Desired::Running | Desired::Draining) => life.run(now, result),
        (None, Desired::Stopped) => life.stop(now, result),
        (None, Desired::Removed) => life.remove(now, result),
    };
    life.mark(&ops);
    result.observed.insert(key, observe::observe(&life, &ops, now));
    result.probes.extend(observe::probe(&life));
    if attempts.of(key) != Some(&life.memory) {
        result.remember.insert(key, life.memory);
    }
    push(result, key, ops);
}

/// Remove the containers of a unit that is not assigned to this host.
pub(super) fn remove_unknown(
    view: &DockerView,
    attempts: &Attempts,
    now: Time,
    key: UnitKey,
    result: &mut Reconciled,
) {
    let refused = attempts.of(key).into_iter().flatten().map(|(_, a)| a.not_before).max();
    if let Some(at) = refused.filter(|at| *at > now) {
        return result.wake(at);
    }
    if view.busy.contains_key(&key) {
        return;
    }
    let seen = view.containers.get(&key).into_iter().flatten();
    let ops = seen.flat_map(|c| removal(&c.member, c)).collect();
    push(result, key, ops);
}

fn push(result: &mut Reconciled, unit: UnitKey, ops: Vec<DockerOp>) {
    let ending = |op: &DockerOp| matches!(op, DockerOp::Stop { .. } | DockerOp::Remove { .. });
    if !ops.is_empty() {
        let doing = if ops.iter().all(ending) { Phase::Stopping } else { Phase::Starting };
        result.ops.push(UnitOps { unit, doing, ops });
    }
}

impl<'a> Life<'a> {
    fn look(
        view: &'a DockerView,
        attempts: &Attempts,
        key: UnitKey,
        assigned: &'a AssignedUnit,
        template: &'a AssignedTemplate,
    ) -> Self {
        let held = view.containers.get(&key).map_or(&[][..], Vec::as_slice);
        // Of two containers for one member, the one that runs is kept, else the newer.
        let best = |name: &str| {
            let of_member = held.iter().filter(|c| c.member == name);
            of_member.max_by_key(|c| (c.is_up(), c.created_at))
        };
        let members: Vec<_> = in_start_order(assigned, &template.template)
            .into_iter()
            .map(|member| {
                let seen = best(member.name);
                (member, seen)
            })
            .collect();
        let taken: BTreeSet<&str> =
            members.iter().filter_map(|(_, seen)| seen.map(|c| c.id.as_str())).collect();
        Self {
            key,
            assigned,

            surplus: held.iter().filter(|c| !taken.contains(c.id.as_str())).collect(),
            members,
            memory: attempts.of(key).cloned().unwrap_or_default(),
            accepting: view.accepting.contains(&key),
            busy: view.busy.get(&key).copied(),
        }
    }

    /// Whether its members are to be up.
    pub(super) fn shall_run(&self) -> bool {
        matches!(self.assigned.desired, Desired::Running | Desired::Draining)
    }

    /// What is remembered of a member.
    pub(super) fn attempt(&self, member: &str) -> Option<&Attempt> {
        self.memory.get(member)
    }

    /// Bring the memory up to date, and tell what happened.
    fn remember(&mut self, now: Time, result: &mut Reconciled) {
        let (ready, shall_run) = (observe::is_ready(self), self.shall_run());
        for (member, seen) in &self.members {
            let reading = Reading {
                generation: self.assigned.generation,
                shall_run: shall_run && !member.spec.is_start_once(),
                ready,
                now,
            };
            let attempt = self.memory.entry(member.name.to_owned()).or_default();
            let happened =
                attempt.follow(*seen, &reading, |seen| words::why_ended(seen, member.spec));
            let name = self.assigned.display_name(member.name);
            let event = match happened {
                None => None,
                // What is started again at once is told when it runs: one event instead of two.
                Some(Happened::Ended) if attempt.delay_ms == 0 => None,
                Some(Happened::Ended) => Some(words::ended(&name, attempt)),
                Some(Happened::StartedAgain { after_ms }) => {
                    Some(words::started_again(&name, attempt, after_ms))
                }
                Some(Happened::Vanished) => {
                    Some(format!("{name}: its container was removed from outside; made again"))
                }
            };
            result.events.extend(event.map(|text| (self.key, text)));
            if let Some(at) = attempt.stable_at().filter(|_| seen.is_some_and(SeenContainer::is_up))
            {
                result.wake(at);
            }
        }
    }

    /// Remember which ends and removals are the agent's own doing.
    fn mark(&mut self, ops: &[DockerOp]) {
        for op in ops {
            let Some(attempt) = self.memory.get_mut(op.member()) else { continue };
            match op {
                DockerOp::Stop { .. } => attempt.stopping = true,
                DockerOp::Remove { .. } => attempt.removing = true,
                DockerOp::Create { .. } | DockerOp::Start { .. } => {}
            }
        }
    }

    /// The steps after which every member runs.
    fn run(&self, now: Time, result: &mut Reconciled) -> Vec<DockerOp> {
        let mut ops: Vec<DockerOp> =
            self.surplus.iter().flat_map(|c| removal(&c.member, c)).collect();
        // Members whose container is made, or whose run begins, by these steps; and those that won't be there or
        // won't be up after them.
        let (mut made, mut begun) = (BTreeSet::new(), BTreeSet::new());
        let (mut absent, mut down) = (BTreeSet::new(), BTreeSet::new());
        for (member, seen) in &self.members {
            let need = self.need(member, *seen, &made, &begun);
            if matches!(need, Need::Nothing) {
                continue;
            }
            let not_before = self.attempt(member.name).map_or(Time(0), |a| a.not_before);
            if not_before > now {
                result.wake(not_before);
            }
            let unsupported = member.network.is_some_and(|p| down.contains(p))
                || member.volumes.iter().any(|p| absent.contains(p));
            if matches!(need, Need::Patience) || not_before > now || unsupported {
                down.insert(member.name);
                if seen.is_none() {
                    absent.insert(member.name);
                }
                continue;
            }
            begun.insert(member.name);
            let name = member.name.to_owned();
            match (need, seen) {
                (Need::Make, _) => {
                    ops.extend(seen.iter().flat_map(|c| removal(member.name, c)));
                    let siblings = self.siblings(member, &made);
                    made.insert(member.name);
                    let container = self.assigned.docker_name(member.name);
                    ops.push(DockerOp::Create { member: name.clone(), siblings });
                    ops.push(DockerOp::Start { member: name, container });
                }
                (Need::Restart, Some(seen)) => {
                    ops.push(stop(member.name, seen));
                    ops.push(DockerOp::Start { member: name, container: seen.id.clone() });
                }
                (Need::Start, Some(seen)) => {
                    ops.push(DockerOp::Start { member: name, container: seen.id.clone() });
                }
                (Need::Nothing | Need::Patience, _) | (Need::Restart | Need::Start, None) => {}
            }
        }
        ops
    }

    fn need(
        &self,
        member: &Member<'_>,
        seen: Option<&SeenContainer>,
        made: &BTreeSet<&str>,
        begun: &BTreeSet<&str>,
    ) -> Need {
        let Some(seen) = seen else { return Need::Make };
        // A container is bound to the very containers it was made on; when one of them is made anew, it has to be.
        let outdated = member.providers().any(|p| {
            made.contains(p) || self.seen(p).is_some_and(|c| c.created_at > seen.created_at)
        });
        let done = member.spec.is_start_once() && seen.has_ended();
        // The network of a container ends with its run.
        let cut_off = member.network.is_some_and(|p| {
            begun.contains(p) || self.seen(p).is_some_and(|c| c.started_at > seen.started_at)
        });
        match seen.state {
            ContainerState::Removing => Need::Patience,
            ContainerState::Dead => Need::Make,
            _ if done => Need::Nothing,
            _ if outdated => Need::Make,
            ContainerState::Running | ContainerState::Paused if cut_off => Need::Restart,
            ContainerState::Running | ContainerState::Paused => Need::Nothing,
            ContainerState::Created | ContainerState::Exited => Need::Start,
        }
    }

    fn seen(&self, member: &str) -> Option<&'a SeenContainer> {
        self.members.iter().find(|(m, _)| m.name == member).and_then(|(_, seen)| *seen)
    }

    /// The containers a member is to be made on.
    fn siblings(&self, member: &Member<'_>, made: &BTreeSet<&str>) -> BTreeMap<String, String> {
        let container = |provider: &str| match self.seen(provider) {
            Some(seen) if !made.contains(provider) => seen.id.clone(),
            Some(_) | None => self.assigned.docker_name(provider),
        };
        member.providers().map(|p| (p.to_owned(), container(p))).collect()
    }

    /// The steps after which no member runs, dependents first.
    fn stop(&self, now: Time, result: &mut Reconciled) -> Vec<DockerOp> {
        if self.is_held_back(now, result) {
            return Vec::new();
        }
        let up = self.in_stop_order().filter(|(_, seen)| seen.is_up());
        up.map(|(name, seen)| stop(name, seen)).collect()
    }

    /// The steps after which no container is left.
    fn remove(&self, now: Time, result: &mut Reconciled) -> Vec<DockerOp> {
        if self.is_held_back(now, result) {
            return Vec::new();
        }
        let all = self.in_stop_order();
        all.flat_map(|(name, seen)| removal(name, seen)).collect()
    }

    fn in_stop_order(&self) -> impl Iterator<Item = (&str, &'a SeenContainer)> {
        let surplus = self.surplus.iter().map(|c| (c.member.as_str(), *c));
        let members = self.members.iter().rev();
        surplus.chain(members.filter_map(|(m, seen)| seen.map(|c| (m.name, c))))
    }

    /// Whether Docker refused to stop or remove it a moment ago.
    fn is_held_back(&self, now: Time, result: &mut Reconciled) -> bool {
        let until = self.memory.values().map(|a| a.not_before).max().unwrap_or_default();
        if until > now {
            result.wake(until);
        }
        until > now
    }
}

fn stop(member: &str, seen: &SeenContainer) -> DockerOp {
    DockerOp::Stop {
        member: member.to_owned(),
        container: seen.id.clone(),
        grace_s: seen.stop_grace_s,
        paused: seen.state == ContainerState::Paused,
    }
}

/// The steps that remove a container; none if Docker is doing it already.
fn removal(member: &str, seen: &SeenContainer) -> Vec<DockerOp> {
    if seen.state == ContainerState::Removing {
        return Vec::new();
    }
    let remove = DockerOp::Remove {
        member: member.to_owned(),
        container: seen.id.clone(),
        cleanup: seen.cleanup,
    };
    if seen.is_up() { vec![stop(member, seen), remove] } else { vec![remove] }
}
