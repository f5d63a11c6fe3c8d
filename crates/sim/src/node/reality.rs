//! What really is on a host, for whoever judges: whatever its agent says.

use std::collections::BTreeSet;

use drover_core::check::Violation;
use drover_core::{Desired, Time, UnitKey, World};

use super::Node;
use super::sight::owner;
use crate::engine::Behaviour;

impl Node {
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
            let sound = Behaviour::of(image).is_sound();
            if sound && !there.contains(&(unit.key, String::new())) {
                fail(format!("unit {} ({image}) was to run and is not there", unit.key));
            }
        }
        found
    }
}
