//! `dependsOn`: the services of its stack that a service waits for before it starts.

use std::collections::BTreeSet;

use drover_core::{Condition, DependsOn, Service, ServiceId, Wanted, World};
use serde_json::{Value, json};

use crate::body::Body;
use crate::error::{ApiError, Code};
use crate::ids::Kind;

/// As it is shown, without those that are gone.
pub(super) fn render(world: &World, service: &Service) -> Vec<Value> {
    let living = |held: &&DependsOn| {
        world.service(held.service).is_some_and(|needed| needed.wanted != Wanted::Removed)
    };
    let one = |held: &DependsOn| {
        json!({
            "serviceId": Kind::Service.id(held.service.0),
            "condition": held.condition.word(),
        })
    };
    service.depends_on.iter().filter(living).map(one).collect()
}

/// As it is asked for: of its own stack, each once, and in no circle. One that is gone since the client read it is
/// left out: clients send whole objects back.
pub(super) fn read(
    world: &World,
    into: &Service,
    body: Body<'_>,
) -> Result<Vec<DependsOn>, ApiError> {
    let mut needs: Vec<DependsOn> = Vec::new();
    for given in body.bodies("dependsOn")? {
        let id = given.required("serviceId")?;
        let words = Condition::ALL.map(|condition| (condition.word(), condition));
        let condition = given.choice("condition", &words)?.unwrap_or_default();
        let held = |id: &ServiceId| into.depends_on.iter().any(|need| need.service == *id);
        let number = Kind::Service.parse(&id).map(ServiceId);
        let living = number
            .and_then(|id| world.service(id))
            .filter(|service| service.stack == into.stack && service.wanted != Wanted::Removed);
        let Some(needed) = living else {
            if number.is_some_and(|id| held(&id)) {
                continue;
            }
            let why = format!("there is no service {id} in its stack");
            return Err(given.refuse(Code::InvalidReference, "serviceId", &why));
        };
        if leads_to(world, needed.id, into.id) {
            let why = format!("{} would wait for itself by way of {}", into.name, needed.name);
            return Err(given.refuse(Code::InvalidReference, "serviceId", &why));
        }
        if !needs.iter().any(|need| need.service == needed.id) {
            needs.push(DependsOn { service: needed.id, condition });
        }
    }
    Ok(needs)
}

/// Whether one waits for another, itself or by way of others.
fn leads_to(world: &World, from: ServiceId, to: ServiceId) -> bool {
    let (mut open, mut seen) = (vec![from], BTreeSet::new());
    while let Some(next) = open.pop() {
        if next == to {
            return true;
        }
        let held = world.service(next).filter(|held| held.wanted != Wanted::Removed);
        let held = held.filter(|_| seen.insert(next));
        open.extend(held.into_iter().flat_map(|held| &held.depends_on).map(|need| need.service));
    }
    false
}
