//! An upgrade from one service to another (`toServiceStrategy`): what is read, refused and shown of it.

use drover_core::plan::{admit_shift, in_the_way};
use drover_core::{
    Change, Course, Service, ServiceId, Shift, Upgrade, UpgradePhase, Wanted, World, derive,
};
use serde_json::{Value, json};

use super::{policy, requests};
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;

/// Begin it. Earlier upgrades of this kind that only wait for a decision and have a side in it are finished by it: so
/// the load can go back and forth between two services, as Rancher's clients do it.
pub(super) fn start(
    ctx: &Context<'_>,
    source: &Service,
    strategy: Body<'_>,
) -> Result<Vec<Change>, ApiError> {
    let target = target(ctx, source, strategy)?;
    let shift = Shift {
        to_service: target,
        final_scale: strategy.number("finalScale")?.unwrap_or(1),
        to_scale: 0, // filled in when it is applied
        update_links: strategy.flag("updateLinks")?.unwrap_or(false),
    };
    let upgrade = Upgrade {
        batch_size: strategy.number("batchSize")?.unwrap_or(1),
        interval_ms: strategy.number("intervalMillis")?.unwrap_or(2000),
        policy: policy::read(strategy)?.unwrap_or_default(),
        ..Upgrade::begin(source.id, Course::ToService(shift), ctx.now, &ctx.caller.access)
    };
    let mut changes = finish_others(ctx, &[source.id, target])?;
    let after = ctx.world.commit(&changes).map_or_else(|_| ctx.world.clone(), |(after, _)| after);
    admit_shift(&after, source.id, target, shift.final_scale)
        .map_err(|refusal| ApiError::on(Code::InvalidOption, "toServiceId", refusal.to_string()))?;
    // It ends running, whatever it began from: clients wait for `upgraded`.
    let off = after.service(target).filter(|target| target.wanted == Wanted::Inactive);
    changes.extend(off.map(|target| {
        Change::PutService(Box::new(Service { wanted: Wanted::Active, ..target.clone() }))
    }));
    changes.push(Change::StartUpgrade(upgrade));
    Ok(changes)
}

fn target(ctx: &Context<'_>, source: &Service, strategy: Body<'_>) -> Result<ServiceId, ApiError> {
    let id = strategy.required("toServiceId")?;
    let found = Kind::Service.parse(&id).and_then(|id| ctx.world.service(ServiceId(id)));
    let found = found.filter(|target| ctx.sees(target.project) && target.removed_at.is_none());
    match found {
        Some(target) if target.project == source.project => Ok(target.id),
        Some(_) | None => {
            let why = format!("{} can't be upgraded to {id}: no such service", source.name);
            Err(ApiError::on(Code::InvalidReference, "toServiceId", why))
        }
    }
}

/// Finish upgrades between services that wait for a decision and have one of these as a side. One that is still on its
/// way stands against whatever was asked.
pub(super) fn finish_others(
    ctx: &Context<'_>,
    sides: &[ServiceId],
) -> Result<Vec<Change>, ApiError> {
    let world = ctx.world;
    let mut changes = Vec::new();
    for &side in sides {
        let Some((upgrade, ..)) = world.shift(side) else { continue };
        let (service, phase) = (upgrade.service, UpgradePhase::Finishing);
        if upgrade.phase != UpgradePhase::Upgraded {
            return Err(ApiError::new(Code::InvalidState, in_the_way(world, upgrade)));
        }
        let finish = [Change::phase(service, phase, ctx.now), Change::EndUpgrade(service)];
        if !changes.contains(&finish[0]) {
            changes.extend(finish);
        }
    }
    Ok(changes)
}

/// A scale for a service that an upgrade is taking units from can't be kept to: said before it is lost.
pub(crate) fn check_scale(world: &World, service: &Service) -> Result<(), ApiError> {
    let back = world.shift(service.id).filter(|(upgrade, shift, _)| {
        upgrade.phase == UpgradePhase::RollingBack && shift.to_service == service.id
    });
    let Some((upgrade, ..)) = back else { return Ok(()) };
    let source = world.service(upgrade.service).map_or("?", |source| source.name.as_str());
    let why = format!(
        "the upgrade of {source} to {} is being rolled back, which gives {0} the scale it had: scale it when that is \
         over",
        service.name
    );
    Err(ApiError::on(Code::InvalidState, "scale", why))
}

/// `upgrade` of the source.
pub(super) fn render(world: &World, service: &Service, upgrade: &Upgrade, shift: Shift) -> Value {
    let requests = |id| requests::ledger(&derive::upgrade_requests(world, id));
    json!({
        "type": "serviceUpgrade",
        "inServiceStrategy": null,
        "toServiceStrategy": {
            "type": "toServiceUpgradeStrategy",
            "toServiceId": Kind::Service.id(shift.to_service.0),
            "finalScale": shift.final_scale,
            "updateLinks": shift.update_links,
            "batchSize": upgrade.batch_size,
            "intervalMillis": upgrade.interval_ms,
        },
        "phase": requests::phase(upgrade.phase),
        "startedTS": upgrade.started_at.0,
        "slotsMoved": requests::moved(world, upgrade),
        "requests": requests(service.id),
        "toServiceRequests": requests(shift.to_service),
    })
}
