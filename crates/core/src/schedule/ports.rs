//! Public ports for ports published without one.

use std::collections::BTreeSet;

use super::usage::published;
use crate::{PickedPort, ProjectId, Template, World};

/// First and last port that is picked, where a project says no others; Rancher's range.
pub const PICKED_PORTS: (u16, u16) = (49_153, 65_535);

/// One pick for each port of `template` that names no public port. Picks in `kept` stay as they are, so that
/// an upgrade changes no port; new ones are the lowest that no other service of the project has.
pub fn pick_ports(
    world: &World,
    project: ProjectId,
    template: &Template,
    kept: &[PickedPort],
) -> Vec<PickedPort> {
    let own = world.projects.get(&project).and_then(|project| project.settings.picked_ports);
    let (first, last) = own.unwrap_or(PICKED_PORTS);
    let mut taken: BTreeSet<u16> = kept.iter().map(|p| p.public).collect();
    for service in world.services.values().filter(|s| s.project == project) {
        taken.extend(service.picked_ports.iter().map(|p| p.public));
        if let Some(template) = world.current_template(service) {
            taken.extend(published(service, template).iter().filter_map(|p| p.public));
        }
    }
    let mut picks: Vec<PickedPort> = Vec::new();
    let open = template.members().flat_map(|(_, spec)| &spec.ports).filter(|p| p.public.is_none());
    for port in open {
        let same = |p: &&PickedPort| (p.private, p.protocol) == (port.private, port.protocol);
        if picks.iter().any(|p| same(&p)) {
            continue;
        }
        let public = match kept.iter().find(same) {
            Some(kept) => Some(kept.public),
            None => (first..=last).find(|p| !taken.contains(p)),
        };
        // A range that is used up leaves the port unpublished; the planner's note says so.
        let Some(public) = public else { continue };
        taken.insert(public);
        picks.push(PickedPort { private: port.private, protocol: port.protocol, public });
    }
    picks
}
