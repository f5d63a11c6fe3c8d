//! What is said of addresses: who was given which, who has it, and who is sought at it.

use std::collections::BTreeMap;
use std::sync::Arc;

use drover_core::doctor::{Endpoint, WrongNeighbour, known_name};
use drover_core::{
    Change, Desired, HostId, Observed, ObservedContainer, Phase, Revision, RevisionNo, ServiceId,
    Time, Unit, UnitKey,
};
use serde_json::json;

use crate::ward::{NOW, PROJECT, Ward};

#[test]
fn addresses() {
    let mut ward = Ward::new(2);
    let endpoint = |address: &str, container: &str, answers| Endpoint {
        address: address.into(),
        docker_id: "0123456789abcdef".into(),
        container: container.into(),
        unit: None,
        answers,
    };
    ward.examined(1).endpoints.push(endpoint("10.42.1.7", "", false));
    ward.says(&[
        "address-unused: 10.42.1.7 is allocated on host1, but no container has it: Docker holds it for 0123456789ab",
    ]);
    let mut ward = Ward::new(2);
    ward.examined(1).endpoints.push(endpoint("10.42.1.7", "r-shop-web-1-9", true));
    ward.examined(2).endpoints.push(endpoint("10.42.1.7", "r-shop-db-1-8", true));
    ward.says(&[
        "address-twice: two containers have 10.42.1.7: r-shop-web-1-9 on host1 and r-shop-db-1-8 on host2",
    ]);
    let mut ward = Ward::new(2);
    ward.examined(1).endpoints.push(endpoint("10.42.1.7", "r-shop-web-1-9", false));
    ward.says(&[
        "container-silent: r-shop-web-1-9 (10.42.1.7) on host1 runs, but doesn't even answer ICMP echo of its own host",
    ]);
    ward.examined(1).neighbours.push(WrongNeighbour {
        address: "10.42.1.7".into(),
        held: "02:00:00:00:00:01".into(),
        right: "02:42:0a:2a:01:07".into(),
        container: "r-shop-web-1-9".into(),
        permanent: true,
    });
    ward.says(&[
        "stale-neighbour: host1 takes 02:00:00:00:00:01 for the neighbour 10.42.1.7, but r-shop-web-1-9 has that address, \
         with 02:42:0a:2a:01:07: what other hosts send there is lost",
    ]);
}

/// A ward of two, on whose host 1 the unit `web` 1 runs, known at this address.
fn with_web(known: &str) -> (Ward, UnitKey) {
    let mut ward = Ward::new(2);
    let stack = json!({ "id": 2, "project": 1, "name": "shop", "created_at": 0 });
    let service = json!({
        "id": 12, "project": 1, "stack": 2, "name": "web", "kind": "containers", "scale": 1, "wanted": "active",
        "current": 1, "created_at": 0,
    });
    let revision = Revision {
        service: ServiceId(12),
        number: RevisionNo(1),
        template: Arc::default(),
        pins: BTreeMap::new(),
        by: String::new(),
        reason: String::new(),
        created_at: Time(0),
    };
    let key: UnitKey = "12/1/1/1".parse().unwrap();
    let unit = Unit {
        key,
        host: HostId(1),
        desired: Desired::Running,
        generation: 1,
        drain_until: None,
        run: 0,
        replacements: 0,
        serial: 0, // the next one
        created_at: Time(0),
    };
    let changes = [
        Change::PutStack(serde_json::from_value(stack).unwrap()),
        Change::PutService(serde_json::from_value(service).unwrap()),
        Change::AddRevision(Box::new(revision)),
    ];
    ward.world = ward.world.commit(&changes).unwrap().0;
    let unit = Unit { serial: ward.world.next_id, ..unit };
    ward.world = ward.world.commit(&[Change::CreateUnit(unit)]).unwrap().0;
    let generation = ward.world.unit(key).unwrap().generation;
    let container = ObservedContainer {
        docker_id: "abc".into(),
        running: true,
        address: known.into(),
        ..ObservedContainer::default()
    };
    let seen = Observed {
        generation,
        tick: 1,
        phase: Phase::Running,
        ready: true,
        containers: BTreeMap::from([(String::new(), container)]),
        since: Time(0),
        ..Observed::default()
    };
    ward.world.observe(HostId(1), &BTreeMap::from([(key, seen)]), NOW);
    (ward, key)
}

#[test]
fn names_that_lead_to_an_address_of_nobody() {
    let web = |address: &str, unit| Endpoint {
        address: address.into(),
        docker_id: "abc".into(),
        container: "r-shop-web-1-9".into(),
        unit: Some(unit),
        answers: true,
    };
    let (mut ward, unit) = with_web("10.42.1.7");
    assert_eq!(known_name(&ward.world, PROJECT).unwrap(), "web.shop.rancher.internal");
    ward.examined(1).endpoints.push(web("10.42.1.7", unit));
    ward.says(&[]);
    ward.examined(1).endpoints.pop();
    ward.says(&[
        "address-unknown: 10.42.1.7 on host1 is where names and balancers lead for shop-web-1, but no container has it (its \
         address now: none)",
    ]);
    ward.examined(1).endpoints.push(web("10.42.1.9", unit));
    ward.says(&[
        "address-unknown: 10.42.1.7 on host1 is where names and balancers lead for shop-web-1, but no container has it (its \
         address now: 10.42.1.9)",
    ]);
    // A container on Docker's own network is none of ours to judge.
    with_web("172.17.0.2").0.says(&[]);
}

#[test]
fn a_kept_address_that_another_has() {
    let (mut ward, unit) = with_web("10.42.1.130");
    ward.examined(1).kept.insert("12/1".into(), "10.42.1.130".into());
    let mut holder = Endpoint {
        address: "10.42.1.130".into(),
        docker_id: "abc".into(),
        container: "r-shop-web-1-9".into(),
        unit: Some(unit),
        answers: true,
    };
    ward.examined(1).endpoints.push(holder.clone());
    ward.says(&[]);
    (holder.container, holder.unit) = ("r-shop-db-1-8".into(), None);
    *ward.examined(1).endpoints.last_mut().unwrap() = holder;
    ward.says(&[
        "(warning) address-kept: 10.42.1.130 on host1 is kept for web (slot 1, retain_ip), but r-shop-db-1-8 has it: the \
         next container of that slot gets another",
    ]);
}
