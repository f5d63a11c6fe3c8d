//! Carrying out what an agent decided, step by step, in the host's engine.

use std::collections::{BTreeMap, VecDeque};

use drover_agent::{DockerOp, UnitOps};
use drover_core::{AssignedTemplate, AssignedUnit, Desired, Time, UnitKey, label};

use super::Node;

/// Steps for one unit, as decided; the first is being done.
#[derive(Clone, Debug)]
pub struct Op {
    key: UnitKey,
    unit: Option<(AssignedUnit, AssignedTemplate)>,
    steps: VecDeque<DockerOp>,
}

impl Node {
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

    pub(super) fn begin(&mut self, ops: UnitOps) -> Op {
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
