//! What cannot work is refused before anything moves, in words.

use crate::{ServiceId, Template, World};

/// Why a request is refused, with the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// Whether an upgrade of `service` to `to` could place its first unit.
pub fn admit_upgrade(
    world: &World,
    service: ServiceId,
    to: &Template,
    start_first: bool,
) -> Result<(), Refusal> {
    let _ = (world, service, to, start_first);
    Ok(())
}
