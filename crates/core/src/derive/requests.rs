//! What balancers counted of an upgrade's requests, added up.

use crate::{Ledger, ServiceId, World};

/// Requests for a service since its upgrade began, over all balancers that are known; empty without an upgrade.
pub fn upgrade_requests(world: &World, service: ServiceId) -> Ledger {
    let mut sum = Ledger::default();
    let Some(upgrade) = world.upgrade(service) else { return sum };
    sum.number = upgrade.ledger;
    let followed = world.balancers_followed.values();
    let ledgers = followed.filter_map(|followed| followed.ledgers.get(&service));
    for ledger in ledgers.filter(|ledger| ledger.number == upgrade.ledger) {
        for (revision, counts) in &ledger.revisions {
            sum.revisions.entry(*revision).or_default().add(counts);
        }
    }
    sum
}
