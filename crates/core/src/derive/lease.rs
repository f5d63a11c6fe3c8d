//! The images a host is to hold, so that its services can be taken back to any revision that is kept without asking a
//! registry. How a host holds an image is its agent's to know; that it should is said here.

use std::collections::BTreeSet;

use crate::{HostId, ServiceId, ServiceKind, World, pinned};

/// The images of all kept revisions of the services that have a unit on the host, where their digests are known.
///
/// Revisions that run are among them: an image is taken hold of while a container still needs it, not when nothing keeps
/// it any more. A balancer's image is the agent's own and can be made again.
pub(super) fn leases(world: &World, host: HostId) -> BTreeSet<String> {
    let services: BTreeSet<ServiceId> = world.held_on(host).map(|(service, _)| service).collect();
    let services = services.into_iter().filter_map(|id| world.service(id));
    let services = services.filter(|service| service.kind == ServiceKind::Containers);
    let revisions = services.flat_map(|service| world.revisions(service.id));
    let images = revisions.flat_map(|revision| {
        revision.template.members().map(|(_, spec)| {
            let pin = revision.pins.get(&spec.image).map(String::as_str);
            pinned(&spec.image, pin)
        })
    });
    // A tag alone says nothing of which image is meant.
    images.filter(|image| image.contains('@')).collect()
}
