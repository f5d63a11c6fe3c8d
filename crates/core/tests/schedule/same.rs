//! The scheduler finds the host that a plain scan finds.

use std::collections::BTreeSet;

use drover_core::plan::plan;
use drover_core::schedule::{Need, place};
use drover_core::{Change, Desired, RevisionNo, Scope, ServiceId, Time, UnitKey, Wanted, World};

use crate::chance::{Cluster, SERVICES, service_id};
use crate::scan::{self, Usage};

/// Clusters; each is asked again and again as it goes on.
const SEEDS: u64 = 60;
const STEPS: usize = 40;

#[test]
fn of_any_unit_in_any_cluster() {
    let (mut asked, mut placed) = (0, 0);
    for seed in 0..SEEDS {
        let mut cluster = Cluster::new(seed);
        for _ in 0..STEPS {
            cluster.go_on();
            let usage = Usage::of(&cluster.world);
            for n in 0..SERVICES {
                let slot = cluster.slot();
                let revision = cluster.chance.pick(&[RevisionNo(1), RevisionNo(2)]);
                let Some(mut need) = need(&cluster.world, service_id(n), slot, revision) else {
                    continue;
                };
                need.replaces = cluster.some_of(service_id(n), slot);
                let stay = cluster.chance.one_in(2).then(|| cluster.host());
                let found = place(&cluster.world, &need, stay).ok();
                let want = scan::place(&cluster.world, &usage, &need, stay);
                assert_eq!(found, want, "seed {seed}: {need:#?} stay {stay:?}");
                asked += 1;
                placed += usize::from(found.is_some());
            }
        }
    }
    assert!(asked > 10_000 && placed > asked / 4, "{placed} of {asked}: the clusters are no test");
}

/// A plan places one unit after the other, each with those before it in place.
#[test]
fn of_every_unit_of_a_plan() {
    let (mut plans, mut placed) = (0, 0);
    for seed in 0..SEEDS * 4 {
        let mut cluster = Cluster::new(seed);
        (0..8).for_each(|_| cluster.go_on());
        // What was learnt for one service is used for the next.
        let ids: BTreeSet<ServiceId> = (0..4).map(|_| cluster.service()).collect();
        let services = ids.iter().filter_map(|id| cluster.world.service(*id).cloned());
        let edited = services.map(|mut service| {
            (service.scale, service.wanted) = (6, Wanted::Active);
            Change::PutService(Box::new(service))
        });
        let (world, _) = cluster.world.commit(&edited.collect::<Vec<_>>()).unwrap();
        // What is replaced, and for whom, is the planner's to say: only new slots are looked at.
        let plan = plan(&world, &Scope { services: ids, ..Scope::default() }, Time(1_000_000));
        plans += 1;
        for (at, change) in plan.changes.iter().enumerate() {
            let Change::CreateUnit(unit) = change else { continue };
            let (before, _) = world.commit(&plan.changes[..at]).unwrap();
            let UnitKey { service, slot, revision, .. } = unit.key;
            if before.units_of(service).any(|u| u.key.slot == slot) {
                continue;
            }
            let need = need(&before, service, slot, revision).unwrap();
            let want = scan::place(&before, &Usage::of(&before), &need, None);
            assert_eq!(Some(unit.host), want, "seed {seed}, change {at}: {need:#?}");
            assert_ne!(unit.desired, Desired::Removed);
            placed += 1;
        }
    }
    assert!(placed > plans, "{placed} of {plans} plans: the clusters are no test");
}

fn need(
    world: &World,
    service: ServiceId,
    slot: drover_core::Slot,
    revision: RevisionNo,
) -> Option<Need> {
    let template = world.template(service, revision)?.clone();
    Need::of(world, world.service(service)?, slot, &template).ok()
}
