//! What an agent sees in its engine, and what of it it tells its server.

use std::collections::BTreeMap;

use drover_agent::{Checkup, ContainerState, DockerView, Lease, SeenContainer, VolumeCleanup};
use drover_core::protocol::Report;
use drover_core::{Health, Observed, Time, UnitKey, label};

use super::{FULL_REPORT_MS, Node};
use crate::engine::Container;

impl Node {
    /// What it may run of what must never run twice.
    pub(super) fn lease(&self, now: Time) -> Lease {
        match (now >= self.lease_until, self.is_proven) {
            (true, _) => Lease::Over,
            (false, true) => Lease::Held,
            (false, false) => Lease::Unproven,
        }
    }

    pub(super) fn view(&self, now: Time) -> DockerView {
        let (busy, lease) = (self.busy.clone(), self.lease(now));
        let mut view = DockerView { busy, lease, ..DockerView::default() };
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
    pub(super) fn tell(
        &mut self,
        observed: BTreeMap<UnitKey, Observed>,
        now: Time,
    ) -> Option<Report> {
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
}

/// The unit and the member of it that a container is.
pub(super) fn owner(container: &Container) -> Option<(UnitKey, String)> {
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
