//! Public ports for ports published without one.

use crate::{PickedPort, ProjectId, Template, World};

/// Ports 49153–65535 that no other service of the project has picked or published: one for each port of
/// `template` that names none. Picks in `kept` stay as they are, so that an upgrade changes no port.
pub fn pick_ports(
    world: &World,
    project: ProjectId,
    template: &Template,
    kept: &[PickedPort],
) -> Vec<PickedPort> {
    let _ = (world, project, template);
    kept.to_vec()
}
