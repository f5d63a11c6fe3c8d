//! The action `upgradeservices` of a stack: upgrades of several of its services as one, all or none. Rancher's client
//! began them one by one, and what had moved when one failed was left as it was.

use std::collections::BTreeSet;

use drover_core::{Change, RevisionNo, Service, ServiceId, Stack, Together, UpgradePhase, World};
use serde_json::Value;

use super::{back_to, in_place};
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::state;

/// Begin them. Each item names its service (`serviceId`), what it is to run (`inServiceStrategy`, or `toRevision`, one that
/// there was), and the services of the list that have to be upgraded before it begins (`after`).
pub(crate) fn start(
    ctx: &Context<'_>,
    stack: &Stack,
    body: Body<'_>,
) -> Result<Vec<Change>, ApiError> {
    let items = body.list("services")?;
    let reason = body.text("reason")?;
    let ids = items.iter().map(|item| service_id(ctx, stack, Body::of(item)?));
    let ids: Vec<ServiceId> = ids.collect::<Result<_, ApiError>>()?;
    let mut begun: BTreeSet<ServiceId> = BTreeSet::new();
    let mut world = ctx.world.clone();
    let mut changes = Vec::new();
    for (item, &id) in items.iter().zip(&ids) {
        let item = Body::of(item)?;
        let service = world.service(id).cloned().ok_or_else(|| ApiError::missing("serviceId"))?;
        // First: one that stands twice in the list is on its way by the time it comes up again.
        if begun.contains(&id) {
            let why = format!("{} is named twice", service.name);
            return Err(ApiError::on(Code::InvalidOption, "services", why));
        }
        check_state(&world, &service)?;
        let after = after(item, &service, &begun)?;
        begun.insert(id);
        // As it will be with those before it: no two get the same port.
        let seen = Context { world: &world, ..ctx.clone() };
        let mut ours = one(&seen, &service, item, reason.clone())?;
        for change in &mut ours {
            if let Change::StartUpgrade(upgrade) = change {
                upgrade.together = Some(Together { number: 0, after: after.clone() });
            }
        }
        world = world.commit(&ours).map_err(|why| ApiError::contradicts(&why))?.0;
        changes.extend(ours);
    }
    Ok(changes)
}

/// Begin one of them, as if it were upgraded by itself.
fn one(
    ctx: &Context<'_>,
    service: &Service,
    item: Body<'_>,
    reason: Option<String>,
) -> Result<Vec<Change>, ApiError> {
    let strategy = item.inner("inServiceStrategy")?;
    match (item.number("toRevision")?, strategy) {
        (None, Some(strategy)) => in_place(ctx, service, strategy, reason),
        (None, None) => Err(ApiError::missing("inServiceStrategy")),
        (Some(to), Some(pace)) => back_to(ctx, service, RevisionNo(to), pace),
        (Some(to), None) => back_to(ctx, service, RevisionNo(to), Body::of(&Value::Null)?),
    }
}

fn service_id(ctx: &Context<'_>, stack: &Stack, item: Body<'_>) -> Result<ServiceId, ApiError> {
    let text = item.required("serviceId")?;
    let found = Kind::Service.parse(&text).and_then(|id| ctx.world.service(ServiceId(id)));
    let found = found.filter(|service| service.stack == stack.id && service.removed_at.is_none());
    found.map(|service| service.id).ok_or_else(|| {
        let why = format!("stack {} has no service {text}", stack.name);
        ApiError::on(Code::InvalidReference, "serviceId", why)
    })
}

fn check_state(world: &World, service: &Service) -> Result<(), ApiError> {
    let standing = state::of_service(world, service, &[]);
    if standing.actions.contains(&"upgrade") {
        return Ok(());
    }
    let state = standing.state;
    let way_out = super::why_not(state, "upgrade").unwrap_or_default();
    let why = format!("{} is {state} and can't be upgraded: {way_out}", service.name);
    Err(ApiError::new(Code::InvalidState, why))
}

/// Those that it waits for: they stand before it in the list, so that nobody waits for himself.
fn after(
    item: Body<'_>,
    service: &Service,
    begun: &BTreeSet<ServiceId>,
) -> Result<Vec<ServiceId>, ApiError> {
    let mut after = Vec::new();
    for text in item.texts("after")?.unwrap_or_default() {
        let id = Kind::Service.parse(&text).map(ServiceId).filter(|id| begun.contains(id));
        after.push(id.ok_or_else(|| {
            let name = &service.name;
            let why = format!(
                "{name} can't come after {text}: that does not stand before it in the list"
            );
            ApiError::on(Code::InvalidReference, "after", why)
        })?);
    }
    Ok(after)
}

/// Whether one of several that are upgraded as one can be confirmed: only all of them, when all have moved.
pub(crate) fn check_finish(world: &World, service: &Service) -> Result<(), ApiError> {
    let together = world.upgrade(service.id).and_then(|upgrade| upgrade.together.as_ref());
    let Some(together) = together else { return Ok(()) };
    let others = world.upgrades.values().filter(|other| {
        other.together.as_ref().is_some_and(|held| held.number == together.number)
            && !matches!(other.phase, UpgradePhase::Upgraded | UpgradePhase::Finishing)
    });
    let others: Vec<&str> = others
        .filter_map(|other| world.service(other.service))
        .map(|service| service.name.as_str())
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    let why = format!(
        "{} is upgraded together with {}, which is not through yet: it is confirmed with it, or rolled back with it",
        service.name,
        others.join(", ")
    );
    Err(ApiError::new(Code::InvalidState, why))
}
