//! A container as Rancher shows it: its launch config, where it is, and how it does.

use drover_core::derive::{mounts, published_ports};
use drover_core::{Desired, Health, NetworkMode, Time};
use serde_json::{Map, Value, json};

use super::SCHEMA;
use super::member::Member;
use crate::context::Context;
use crate::ids::Kind;
use crate::resource::derived::network_id;
use crate::resource::{Envelope, date, finish, secret, volume};
use crate::state::Standing;
use crate::{launch_config, state};

/// The whole resource.
pub(super) fn render(ctx: &Context<'_>, member: &Member<'_>) -> Value {
    let world = ctx.world;
    let unit = member.unit;
    let standing = standing(ctx, member);
    let removed = removed(member, &standing);
    let envelope = Envelope {
        schema: &SCHEMA,
        id: member.id(),
        name: &member.shown_name(world),
        description: "",
        standing,
        project: Some(member.service.project),
        created: unit.created_at,
        removed,
    };
    let mut fields = configured(ctx, member);
    fields.extend(found(ctx, member));
    finish(ctx, envelope, fields.into())
}

fn standing(ctx: &Context<'_>, member: &Member<'_>) -> Standing {
    if member.departed.is_some() {
        return state::of_departed();
    }
    let standing = state::of_container(ctx.world, member.unit, member.name);
    match ctx.errands.get(&member.serial()) {
        Some(errand) => state::on_errand(standing, errand),
        None => standing,
    }
}

/// The state of that, without the words.
fn state_of(ctx: &Context<'_>, member: &Member<'_>) -> &'static str {
    if member.departed.is_some() || ctx.errands.contains_key(&member.serial()) {
        return standing(ctx, member).state;
    }
    state::state_of_container(member.unit, member.seen(), member.name)
}

/// Since it was seen so, or its unit was forgotten.
fn removed(member: &Member<'_>, standing: &Standing) -> Option<Time> {
    if let Some(departed) = member.departed {
        return Some(departed.at);
    }
    if standing.state == "removed" { member.seen().map(|seen| seen.since) } else { None }
}

/// A member that is known without the rest.
pub(super) fn brief(ctx: &Context<'_>, member: &Member<'_>, name: &str) -> Option<Value> {
    let service = member.service;
    Some(match name {
        "id" => json!(member.id()),
        "type" | "kind" => json!(SCHEMA.name),
        "name" => json!(member.shown_name(ctx.world)),
        "state" => json!(state_of(ctx, member)),
        "removed" if member.unit.desired != Desired::Removed => Value::Null,
        "removed" => json!(removed(member, &standing(ctx, member)).map(date)),
        "accountId" => json!(Kind::Project.id(service.project.0)),
        "hostId" => json!(Kind::Host.id(member.unit.host.0)),
        "serviceId" => json!(Kind::Service.id(service.id.0)),
        "serviceIds" => json!([Kind::Service.id(service.id.0)]),
        "stackId" => json!(Kind::Stack.id(service.stack.0)),
        "healthState" => json!(health(member)),
        "system" => json!(false),
        _ => return None,
    })
}

fn health(member: &Member<'_>) -> Option<&'static str> {
    let held = member.held()?;
    match held.health {
        _ if !held.running || member.departed.is_some() => None,
        _ if member.unit.desired == Desired::Removed => None,
        Health::None => None,
        Health::Starting => Some("initializing"),
        Health::Healthy => Some("healthy"),
        Health::Unhealthy => Some("unhealthy"),
    }
}

/// What it was made from, with ids of its siblings where a launch config has names.
fn configured(ctx: &Context<'_>, member: &Member<'_>) -> Map<String, Value> {
    let mut config = launch_config::to_wire(member.spec);
    secret::show_ids(ctx.world, member.service.project, &mut config);
    let Value::Object(mut fields) = config else { return Map::new() };
    for only_in_launch_configs in
        ["type", "kind", "networkLaunchConfig", "dataVolumesFromLaunchConfigs"]
    {
        fields.shift_remove(only_in_launch_configs);
    }
    if let NetworkMode::Container(name) = &member.spec.network {
        fields.insert("networkContainerId".to_owned(), json!(member.sibling_named(name)));
    }
    let from = member.spec.volumes_from.iter();
    let from: Vec<_> = from.filter_map(|name| member.sibling_named(name)).collect();
    fields.insert("dataVolumesFrom".to_owned(), json!(from));
    let ports = published_ports(member.service, member.spec);
    let ports: Vec<_> = ports.iter().map(ToString::to_string).collect();
    fields.insert("userPorts".to_owned(), json!(ports));
    fields.insert("ports".to_owned(), json!(ports));
    fields
}

/// Where it is and how it does.
fn found(ctx: &Context<'_>, member: &Member<'_>) -> Map<String, Value> {
    let (unit, service) = (member.unit, member.service);
    let held = member.held().cloned().unwrap_or_default();
    let service_id = Kind::Service.id(service.id.0);
    let is_managed = member.spec.network == NetworkMode::Managed;
    let (mounts, by_path) = mounted(ctx, member);
    let found = json!({
        "externalId": said(&held.docker_id),
        "hostId": Kind::Host.id(unit.host.0),
        "primaryIpAddress": said(&held.address),
        "serviceId": service_id,
        "serviceIds": [service_id],
        "stackId": Kind::Stack.id(service.stack.0),
        "deploymentUnitUuid": drover_core::uuid(ctx.world.cluster(), &format!("unit/{}", unit.key)),
        "createIndex": member.number(),
        "startCount": held.starts,
        "exitCode": held.exit_code,
        "version": unit.key.revision.to_string(),
        "healthState": health(member),
        "mounts": mounts,
        "dataVolumeMounts": by_path,
        "primaryNetworkId": is_managed.then(|| network_id(service.project)),
        "system": false,
        "systemContainer": null,
        "nativeContainer": false,
    });
    match found {
        Value::Object(found) => found,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

/// What it mounts by name, and the same as ids by path.
fn mounted(ctx: &Context<'_>, member: &Member<'_>) -> (Vec<Value>, Map<String, Value>) {
    let Member { unit, service, index, spec, .. } = *member;
    let (mut entries, mut by_path) = (Vec::new(), Map::new());
    for (origin, name, mount) in mounts(ctx.world, service, unit, (index, spec)) {
        let id = volume::id_of(ctx, &origin);
        by_path.insert(mount.path.clone(), json!(id));
        let own_name = member.shown_name(ctx.world);
        entries.push(volume::entry(&id, &name, (&member.id(), &own_name), &mount));
    }
    (entries, by_path)
}

fn said(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
