//! What balancers counted of an upgrade's requests, added up.

use crate::{Ledger, ServiceId, World};

/// Requests for a service since the upgrade began that it takes part in, over all balancers that are known; empty
/// without one. An upgrade from service to service has two such ledgers.
pub fn upgrade_requests(world: &World, service: ServiceId) -> Ledger {
    let mut sum = Ledger::default();
    let Some(number) = ledger_number(world, service) else { return sum };
    sum.number = number;
    let followed = world.balancers_followed.values();
    let ledgers = followed.filter_map(|followed| followed.ledgers.get(&service));
    for ledger in ledgers.filter(|ledger| ledger.number == number) {
        for (revision, counts) in &ledger.revisions {
            sum.revisions.entry(*revision).or_default().add(counts);
        }
    }
    sum
}

/// The counting that requests for a service are for now; `None` outside of any upgrade.
pub fn ledger_number(world: &World, service: ServiceId) -> Option<u64> {
    let own = world.upgrade(service);
    own.or_else(|| world.shift(service).map(|(upgrade, ..)| upgrade)).map(|upgrade| upgrade.ledger)
}
