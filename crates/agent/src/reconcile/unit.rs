//! The life of one unit: looked at, remembered, told. What to do about it is decided in [`super::steps`].

use std::collections::{BTreeMap, BTreeSet};

use drover_core::{
    AssignedTemplate, AssignedUnit, Desired, HostAssignment, NetworkMode, OnHostLoss, Phase, Tally,
    Template, Time, UnitKey,
};

use super::attempt::{Attempt, Attempts, Happened, Reading};
use super::members::{Member, in_start_order};
use super::{Reconciled, health, observe, steps, words};
use crate::op::{DockerOp, UnitOps};
use crate::view::{Checkup, DockerView, Lease, SeenContainer};

/// One unit, looked at.
pub(super) struct Life<'a> {
    pub(super) key: UnitKey,
    pub(super) assigned: &'a AssignedUnit,
    /// Its members, providers first, each with its container.
    pub(super) members: Vec<(Member<'a>, Option<&'a SeenContainer>)>,
    /// Containers that are nobody's: doubles, and of members the template doesn't have.
    pub(super) surplus: Vec<&'a SeenContainer>,
    /// What is remembered of the members, brought up to date.
    pub(super) memory: BTreeMap<String, Attempt>,
    /// Its ready ports accept.
    pub(super) accepting: bool,
    /// How its members do on their health checks, as far as that is known.
    pub(super) checked: Vec<(&'a str, &'a Checkup)>,
    /// How it did at what its upgrade asks of it, in this run.
    pub(super) verified: Option<&'a Tally>,
    /// There is no server to ask.
    pub(super) alone: bool,
    /// Whether it may run, if it must never run twice.
    pub(super) lease: Lease,
    /// What is being done to it.
    pub(super) busy: Option<Phase>,
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
        (None, Desired::Running | Desired::Draining) => match life.lease {
            Lease::Held => steps::run(&life, now, result),
            Lease::Unproven => Vec::new(),
            Lease::Over => steps::halt(&life, result),
        },
        (None, Desired::Staged) => steps::stage(&life, now, result),
        (None, Desired::Stopped) => steps::stop(&life, now, result),
        (None, Desired::Removed) => steps::remove(&life, now, result),
    };
    life.mark(&ops, now);
    result.observed.insert(key, observe::observe(&life, &ops, now));
    result.probes.extend(observe::probe(&life));
    result.verifications.extend(observe::verification(&life));
    result.probes.extend(health::probes(&life));
    for at in health::deadlines(&life).filter(|at| *at > now) {
        result.wake(at);
    }
    if attempts.of(key) != Some(&life.memory) {
        result.remember.insert(key, life.memory);
    }
    push(result, key, ops);
}

/// Whether it runs only while a server acknowledges its host.
pub(crate) fn is_leased(template: &Template) -> bool {
    template.primary.on_host_loss == Some(OnHostLoss::Fence)
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
    let ops = seen.flat_map(|c| steps::removal(&c.member, c)).collect();
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
        let all = (key, String::new())..;
        let checked = view.checked.range(all).take_while(|((unit, _), _)| *unit == key);
        Self {
            key,
            assigned,
            surplus: held.iter().filter(|c| !taken.contains(c.id.as_str())).collect(),
            members,
            memory: attempts.of(key).cloned().unwrap_or_default(),
            accepting: view.accepting.get(&key).is_some_and(|run| {
                best("").is_some_and(|c| run.0 == c.id && run.1 == c.started_at)
            }),
            verified: view
                .verified
                .get(&key)
                .filter(|(run, _)| best("").is_some_and(|c| run.0 == c.id && run.1 == c.started_at))
                .map(|(_, tally)| tally),
            checked: checked.map(|((_, name), checkup)| (name.as_str(), checkup)).collect(),
            alone: view.alone,
            lease: if is_leased(&template.template) { view.lease } else { Lease::Held },
            busy: view.busy.get(&key).copied(),
        }
    }

    /// Whether its members are to be up.
    pub(super) fn shall_run(&self) -> bool {
        matches!(self.assigned.desired, Desired::Running | Desired::Draining)
    }

    /// Where this host reaches a member.
    pub(super) fn reached_at(&self, member: &str) -> Option<String> {
        let mut name = member;
        // No unit has so long a chain of shared networks that this would not be its end.
        for _ in 0..=self.members.len() {
            let (member, seen) = self.members.iter().find(|(m, _)| m.name == name)?;
            match (&member.spec.network, member.network) {
                (NetworkMode::Host, _) => return Some("127.0.0.1".to_owned()),
                (_, Some(provider)) => name = provider,
                _ => return seen.map(|c| c.address.clone()).filter(|address| !address.is_empty()),
            }
        }
        None
    }

    /// The container of a member.
    pub(super) fn seen(&self, member: &str) -> Option<&'a SeenContainer> {
        self.members.iter().find(|(m, _)| m.name == member).and_then(|(_, seen)| *seen)
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
                well: seen.is_some_and(|seen| health::was_found_well(self, member, seen)),
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
    fn mark(&mut self, ops: &[DockerOp], now: Time) {
        for (name, why) in health::left_to_us(self, now) {
            let stops = |op: &DockerOp| matches!(op, DockerOp::Stop { .. }) && op.member() == name;
            if let Some(attempt) = self.memory.get_mut(&name).filter(|_| ops.iter().any(stops)) {
                attempt.not_well(why, now);
            }
        }
        for op in ops {
            let Some(attempt) = self.memory.get_mut(op.member()) else { continue };
            match op {
                DockerOp::Stop { .. } => attempt.stopping = true,
                DockerOp::Remove { .. } => attempt.removing = true,
                DockerOp::Create { .. } | DockerOp::Start { .. } => {}
            }
        }
    }
}
