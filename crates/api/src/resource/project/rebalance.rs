//! `rebalance` and `cancelrebalance` of a project: units that sit crowded are spread over its hosts again, and what of that
//! has not begun is called off. An addition to Rancher's actions, in their style.

use std::collections::{BTreeMap, BTreeSet};

use drover_core::derive::{BetterPlace, rebalancing};
use drover_core::plan::admit_rebalance;
use drover_core::{Change, Host, HostId, Move, ProjectId, Service, ServiceId, Unit, UnitKey};
use serde_json::{Value, json};

use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::outcome::{Outcome, Then};
use crate::resource::container;

/// The plan. Without `dryRun` it is begun; with `moves`, those are, as they were shown before.
pub(super) fn rebalance(
    ctx: &Context<'_>,
    project: ProjectId,
    body: Body<'_>,
) -> Result<Outcome, ApiError> {
    let shown = body.names("moves");
    let (places, mut held) = if shown {
        (asked(ctx, project, body)?, Vec::new())
    } else {
        let found = rebalancing(ctx.world, project, &named(ctx, project, body)?);
        (found.moves, found.held)
    };
    let moves: Vec<Move> = places.iter().map(BetterPlace::as_move).collect();
    let admitted = admit_rebalance(ctx.world, project, &moves);
    held.extend(admitted.held);
    let is_made = |place: &&BetterPlace| admitted.moves.contains(&place.as_move());
    let rows: Vec<Value> =
        places.iter().filter(is_made).map(|place| row(ctx, place, &place.why)).collect();
    let is_dry = body.flag("dryRun")?.unwrap_or(false);
    let plan = json!({
        "id": null,
        "type": "rebalancePlan",
        "links": {},
        "actions": {},
        "dryRun": is_dry,
        "moves": rows,
        "notes": held,
    });
    let changes = if is_dry { Vec::new() } else { admitted.changes };
    Ok(Outcome { changes, then: Then::Body(plan) })
}

/// What is on its way is called off too: where it was, it stays.
pub(super) fn cancel(
    ctx: &Context<'_>,
    project: ProjectId,
    body: Body<'_>,
) -> Result<Vec<Change>, ApiError> {
    let named = named(ctx, project, body)?;
    let services = ctx.world.services.values().filter(|service| {
        service.project == project && (named.is_empty() || named.contains(&service.id))
    });
    let moving = services.filter(|service| service.rebalance.is_some());
    let off = moving.map(|service| Service { rebalance: None, ..(**service).clone() });
    Ok(off.map(|service| Change::PutService(Box::new(service))).collect())
}

/// The moves of a service that are not over; null if there are none.
pub(in crate::resource) fn under_way(ctx: &Context<'_>, service: &Service) -> Value {
    let Some(rebalance) = &service.rebalance else { return Value::Null };
    let rows = rebalance.moves.iter().filter_map(|held| {
        let from = ctx.world.unit(held.unit)?.host;
        let place = BetterPlace { unit: held.unit, from, to: held.to, why: String::new() };
        Some(row(ctx, &place, ""))
    });
    rows.collect::<Vec<_>>().into()
}

/// The services a request names; none is all.
fn named(
    ctx: &Context<'_>,
    project: ProjectId,
    body: Body<'_>,
) -> Result<BTreeSet<ServiceId>, ApiError> {
    let ids = body.texts("serviceIds")?.unwrap_or_default();
    let find = |id: &String| {
        let service = Kind::Service.parse(id).and_then(|n| ctx.world.service(ServiceId(n)));
        let service = service.filter(|s| s.project == project && s.removed_at.is_none());
        service.map(|service| service.id).ok_or_else(|| {
            let why = format!("there is no service `{id}`");
            ApiError::on(Code::InvalidReference, "serviceIds", why)
        })
    };
    ids.iter().map(find).collect()
}

/// The moves a request lists. A container that is gone by now is no mistake of the request's: it has no unit, and is left out.
fn asked(
    ctx: &Context<'_>,
    project: ProjectId,
    body: Body<'_>,
) -> Result<Vec<BetterPlace>, ApiError> {
    let services = ctx.world.services.values().filter(|service| service.project == project);
    let units: BTreeMap<u64, &Unit> = services
        .flat_map(|service| ctx.world.units_of(service.id))
        .map(|unit| (unit.serial, unit))
        .collect();
    let mut places = Vec::new();
    for held in body.bodies("moves")? {
        let (instance, to) = (held.required("instanceId")?, held.required("toHostId")?);
        let number = Kind::Container.parse(&instance);
        let number = number.ok_or_else(|| bad(&instance, "container"))?;
        let host = Kind::Host.parse(&to).map(HostId).ok_or_else(|| bad(&to, "host"))?;
        if let Some(unit) = units.get(&number) {
            let why = held.text("reason")?.unwrap_or_default();
            places.push(BetterPlace { unit: unit.key, from: unit.host, to: host, why });
        }
    }
    Ok(places)
}

fn bad(id: &str, what: &str) -> ApiError {
    ApiError::on(Code::InvalidReference, "moves", format!("`{id}` is no id of a {what}"))
}

/// A `rebalanceMove`.
fn row(ctx: &Context<'_>, place: &BetterPlace, why: &str) -> Value {
    let host = |id| ctx.world.host(id).map_or("?", Host::shown_name);
    let service = ctx.world.service(place.unit.service);
    let stack = service.and_then(|service| ctx.world.stacks.get(&service.stack));
    let serial = ctx.world.unit(place.unit).map_or(0, |unit| unit.serial);
    json!({
        "instanceId": Kind::Container.id(serial),
        "name": name(ctx, place.unit),
        "serviceId": Kind::Service.id(place.unit.service.0),
        "service": service.map(|service| service.name.as_str()),
        "stack": stack.map(|stack| stack.name.as_str()),
        "fromHostId": Kind::Host.id(place.from.0),
        "from": host(place.from),
        "toHostId": Kind::Host.id(place.to.0),
        "to": host(place.to),
        "reason": why,
    })
}

fn name(ctx: &Context<'_>, unit: UnitKey) -> String {
    let unit = ctx.world.unit(unit);
    let primary = unit.and_then(|unit| container::of_unit(ctx.world, unit).next());
    primary.map(|member| member.shown_name(ctx.world)).unwrap_or_default()
}
