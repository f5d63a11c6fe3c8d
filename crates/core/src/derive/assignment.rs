//! What one host shall run.

use crate::{HostAssignment, HostId, World};

/// Everything the agent of `host` needs to know.
pub fn assignment(world: &World, host: HostId) -> HostAssignment {
    let _ = world;
    HostAssignment::none(host)
}
