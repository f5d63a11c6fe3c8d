//! A service as Rancher shows it.

use drover_core::derive::{self, ServiceHealth};
use drover_core::{Driver, Service, ServiceKind, Template, UnitKey, Wanted, World};
use serde_json::{Map, Value, json};

use super::{dependence, schema_of, standing};
use crate::context::Context;
use crate::ids::Kind;
use crate::launch_config::write_check;
use crate::resource::project::rebalance;
use crate::resource::{Envelope, certificate, date, finish, secret};
use crate::row::said;
use crate::{lb_config, upgrade};

/// The whole resource.
pub(super) fn render(ctx: &Context<'_>, service: &Service) -> Value {
    let world = ctx.world;
    let envelope = Envelope {
        schema: schema_of(service),
        id: Kind::Service.id(service.id.0),
        name: &service.name,
        description: &service.description,
        standing: standing(ctx, service),
        project: Some(service.project),
        created: service.created_at,
        removed: service.removed_at,
    };
    let status = derive::status(world, service);
    let gone = service.wanted == Wanted::Removed;
    let health = (!gone).then(|| health(status.health));
    let (launch, secondaries) = configs(world, service);
    let mut fields = json!({
        "stackId": Kind::Stack.id(service.stack.0),
        "scale": derive::shown_scale(world, service),
        "currentScale": status.slots_up,
        "healthState": health,
        "causes": causes(ctx, service),
        "dependsOn": dependence::render(world, service),
        "rebalance": rebalance::under_way(ctx, service),
        "instanceIds": instance_ids(world, service),
        "publicEndpoints": endpoints(world, service),
        "linkedServices": linked(world, service),
        "launchConfig": launch,
        "secondaryLaunchConfigs": secondaries,
        "metadata": service.metadata,
        "upgrade": upgrade::render(ctx, service),
        "lastUpgrade": upgrade::last(world, service),
        "lbConfig": balancing(world, service),
        "selectorLink": service.selector_link,
        "selectorContainer": service.selector_container,
        "retainIp": service.retain_ip,
        "startOnCreate": service.remarks.start_on_create,
        "createIndex": 0,
        "system": false,
        "fqdn": null,
        "vip": service.remarks.vip,
        "externalId": service.remarks.external_id,
        "assignServiceIpAddress": service.remarks.assign_service_ip_address,
        "scalePolicy": service.scale_policy,
    });
    if service.kind == ServiceKind::External {
        let external = service.external.clone().unwrap_or_default();
        fields["externalIpAddresses"] = json!(external.addresses);
        fields["hostname"] = json!(external.hostname);
        fields["healthCheck"] = json!(external.health_check.as_ref().map(write_check));
    }
    match &service.driver {
        Some(Driver::Storage(said)) => fields["storageDriver"] = json!(said),
        Some(Driver::Network(said)) => fields["networkDriver"] = json!(said),
        None => {}
    }
    finish(ctx, envelope, fields)
}

/// A member that is known without the rest.
pub(super) fn brief(ctx: &Context<'_>, service: &Service, name: &str) -> Option<Value> {
    Some(match name {
        "id" => json!(Kind::Service.id(service.id.0)),
        "type" | "kind" => json!(schema_of(service).name),
        "name" => said(&service.name),
        "description" => said(&service.description),
        "state" => json!(standing(ctx, service).state),
        "transitioning" => json!(standing(ctx, service).transitioning),
        "removed" => json!(service.removed_at.map(date)),
        "created" => date(service.created_at),
        "accountId" => json!(Kind::Project.id(service.project.0)),
        "stackId" => json!(Kind::Stack.id(service.stack.0)),
        "healthState" => json!(shown_health(ctx.world, service)),
        "linkedServices" => linked(ctx.world, service),
        "system" => json!(false),
        _ => return None,
    })
}

fn shown_health(world: &World, service: &Service) -> Option<&'static str> {
    let gone = service.wanted == Wanted::Removed;
    (!gone).then(|| health(derive::status(world, service).health))
}

/// What it waits for or what is in its way, each by itself; what someone has to act on first.
fn causes(ctx: &Context<'_>, service: &Service) -> Vec<Value> {
    let notes = ctx.notes.get(&service.id).map_or(&[][..], Vec::as_slice);
    let mut notes: Vec<_> = notes.iter().collect();
    notes.sort_by_key(|note| !note.stuck);
    notes.dedup_by_key(|note| &note.text);
    let cause = |note: &&drover_core::plan::Note| {
        let unit = note.unit.and_then(|key| ctx.world.unit(key));
        json!({
            "text": note.text,
            "stuck": note.stuck,
            "deadline": note.until.map(date),
            "deadlineTS": note.until.map(|until| until.0),
            "instanceId": unit.map(|unit| Kind::Container.id(unit.serial)),
            "hostId": unit.map(|unit| Kind::Host.id(unit.host.0)),
        })
    };
    notes.iter().map(cause).collect()
}

/// A word of core's as the wire spells it.
pub(in crate::resource) fn health(word: ServiceHealth) -> &'static str {
    match word {
        ServiceHealth::Healthy => "healthy",
        ServiceHealth::Degraded => "degraded",
        ServiceHealth::Unhealthy => "unhealthy",
        ServiceHealth::Initializing => "initializing",
        ServiceHealth::StartedOnce => "started-once",
    }
}

/// The launch configs of the current revision. Never null: clients read into them blindly.
fn configs(world: &World, service: &Service) -> (Value, Value) {
    let none = Template::default();
    let template = world.current_template(service).map_or(&none, |template| template);
    let (mut launch, mut secondaries) = secret::launch_configs(world, service, template);
    for config in std::iter::once(&mut launch).chain(&mut secondaries) {
        config["version"] = json!(service.current.to_string());
    }
    let secondaries = if secondaries.is_empty() { Value::Null } else { secondaries.into() };
    (launch, secondaries)
}

/// The containers that fill its slots, sidekicks included.
fn instance_ids(world: &World, service: &Service) -> Vec<String> {
    let units = derive::filling(world, service);
    let ids = units.flat_map(|unit| {
        let members = world.template(service.id, unit.key.revision).map_or(1, |t| t.len());
        (0..members).map(|member| container_id(unit.serial, member))
    });
    ids.collect()
}

fn endpoints(world: &World, service: &Service) -> Vec<Value> {
    let serial = |key: UnitKey| world.unit(key).map_or(0, |unit| unit.serial);
    let found = derive::endpoints(world, service).into_iter().map(|endpoint| {
        json!({
            "type": "publicEndpoint",
            "ipAddress": endpoint.ip,
            "port": endpoint.port,
            "serviceId": Kind::Service.id(service.id.0),
            "instanceId": container_id(serial(endpoint.unit), endpoint.member),
            "hostId": Kind::Host.id(endpoint.host.0),
        })
    });
    found.collect()
}

/// The primary's number is the unit's; its sidekicks' follow.
fn container_id(serial: u64, member: usize) -> String {
    Kind::Container.id(serial + u64::try_from(member).unwrap_or(0))
}

/// Links by the name they go by here; null when there is none, as Rancher has it.
fn linked(world: &World, service: &Service) -> Value {
    let links: Map<String, Value> = super::links::living(world, service)
        .map(|(link, target)| {
            let alias = if link.alias.is_empty() { &target.name } else { &link.alias };
            (alias.clone(), json!(Kind::Service.id(target.id.0)))
        })
        .collect();
    if links.is_empty() { Value::Null } else { links.into() }
}

fn balancing(world: &World, service: &Service) -> Value {
    let Some(spec) = &service.balancer else { return Value::Null };
    if service.kind == ServiceKind::Balancer {
        let mut config = lb_config::to_wire(&certificate::by_id(world, service, spec));
        // So that files, which name them, can be compared without another request.
        config["certificateNames"] = json!(spec.certificates);
        config["defaultCertificateName"] = json!(spec.default_certificate);
        config
    } else {
        lb_config::target_to_wire(spec)
    }
}
