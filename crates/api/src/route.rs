//! Which resource answers, and everything that is the same for all of them: type names, ids, links, filters, who may
//! do it, actions that are not available, answers after a commit.

mod gate;
mod inactive;
mod links;
mod root;

use drover_core::ProjectId;
use serde_json::Value;

use crate::access::{Deed, Reach};
use crate::address::is_members;
use crate::body::Body;
use crate::collection::collection;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::openapi::openapi;
use crate::outcome::{Answer, Outcome, Then};
use crate::query::Query;
use crate::resource::{
    Resource, account, api_key, audit_log, certificate, container, derived, empty, host, identity,
    listed, mount, project, project_member, project_template, pull_task, registration_token,
    registry, registry_credential, secret, service, service_consume_map, service_expose_map,
    service_log, service_revision, setting, stack, volume, volume_template, webhook_receiver,
};
use crate::schema::{self, Schema, Write, accept};
use crate::transform::transform;
use gate::{inside, list, make, must, never, raw_row, row};

/// Every type with a collection. The order is that of the schema list.
static TABLE: &[&dyn Resource] = &[
    &stack::Stacks,
    &service::ALL,
    &service::BALANCERS,
    &service::ALIASES,
    &service::EXTERNALS,
    &service::STORAGE_DRIVERS,
    &service::NETWORK_DRIVERS,
    &service_consume_map::ServiceConsumeMaps,
    &service_log::ServiceLogs,
    &service_revision::ServiceRevisions,
    &service_expose_map::ServiceExposeMaps,
    &container::CONTAINERS,
    &container::INSTANCES,
    &host::Hosts,
    &registration_token::RegistrationTokens,
    &project::Projects,
    &project_member::ProjectMembers,
    &project_template::ProjectTemplates,
    &account::Accounts,
    &audit_log::AuditLogs,
    &identity::Identities,
    &api_key::ApiKeys,
    &registry::Registries,
    &registry_credential::RegistryCredentials,
    &certificate::Certificates,
    &secret::Secrets,
    &volume_template::VolumeTemplates,
    &pull_task::PullTasks,
    &setting::SETTINGS,
    &setting::ACTIVE_SETTINGS,
    &volume::Volumes,
    &mount::Mounts,
    &webhook_receiver::WebhookReceivers,
    &derived::StoragePools,
    &derived::Ports,
    &derived::IpAddresses,
    &derived::Labels,
    &derived::Networks,
    &derived::PhysicalHosts,
    &empty::MACHINE,
    &listed::CREDENTIALS,
    &empty::AGENT,
    &empty::BACKUP,
    &empty::HOST_TEMPLATE,
    &empty::MACHINE_DRIVER,
    &empty::PROCESS_INSTANCE,
    &empty::SNAPSHOT,
    &empty::USER_PREFERENCE,
    &empty::VIRTUAL_MACHINE,
    &derived::STORAGE_DRIVERS,
    &derived::NETWORK_DRIVERS,
];

/// `GET`, with what the server has to make for it where a link leads to that.
pub fn read(ctx: &Context<'_>, path: &[&str], query: &Query) -> Result<Then, ApiError> {
    let own = ctx.scope.map(|id| Kind::Project.id(id.0));
    let at = match (path, &own) {
        // Under a project's URL its own links stand beside the collections in it.
        ([link], Some(own)) => &["projects", own, link],
        _ => path,
    };
    if let [kind, id, link] = at
        && let Ok(resource) = find(kind)
        && let Some(make) = links::made(resource.schema(), link)
    {
        ctx.admit()?;
        row(ctx, resource, id)?;
        let none = || ApiError::not_found(format!("link `{link}` of {kind} {id}"));
        return make(ctx, id).ok_or_else(none);
    }
    get(ctx, path, query).map(Then::Body)
}

/// `GET`: a collection, a resource, a link of one to others, the schemas, or the root.
pub fn get(ctx: &Context<'_>, path: &[&str], query: &Query) -> Result<Value, ApiError> {
    ctx.admit()?;
    query.check()?;
    match path {
        [] => Ok(root::api_version(ctx)),
        ["openapi.json"] => Ok(openapi(ctx)),
        [first, rest @ ..] if is_named(first, "schema", "schemas") => schemas_at(ctx, rest),
        [kind] => {
            let resource = find(kind)?;
            let schema = resource.schema();
            if !Reach::of(ctx).offers(schema.name, Deed::Read) {
                return Err(no_type(kind));
            }
            let own_url = ctx.url(&schema.plural.to_ascii_lowercase());
            let mut page =
                collection(ctx, schema, &own_url, query, |only| list(ctx, resource, only));
            if let Some(rows) = page["data"].as_array_mut() {
                links::embed(ctx, schema, rows, query);
            }
            Ok(page)
        }
        [kind, id] => {
            let resource = find(kind)?;
            let mut found = row(ctx, resource, id)?;
            links::embed(ctx, resource.schema(), std::slice::from_mut(&mut found), query);
            Ok(found)
        }
        [kind, id, link] => {
            let resource = find(kind)?;
            links::follow(ctx, resource.schema(), &row(ctx, resource, id)?, link, query)
        }
        _ => Err(ApiError::not_found(format!("/{}", path.join("/")))),
    }
}

/// `POST` to a collection, or to `scripts/transform`, which translates and makes nothing.
pub fn create(ctx: &Context<'_>, path: &[&str], body: &Value) -> Result<Outcome, ApiError> {
    ctx.admit()?;
    match path {
        [kind] => make(ctx, find(kind)?, body),
        // The collection of a project's members is a link of the project, which can be added to.
        [kind, id, link] if is_named(kind, "project", "projects") && is_members(link) => {
            let project = row(ctx, find(kind)?, id)?;
            let scope = project["id"].as_str().and_then(|id| Kind::Project.parse(id));
            let inside = Context { scope: scope.map(ProjectId), ..ctx.clone() };
            make(&inside, find(link)?, body)
        }
        ["scripts", "transform"] => {
            Ok(Outcome { changes: Vec::new(), then: Then::Body(transform(body)?) })
        }
        _ => Err(no_method("POST", path)),
    }
}

/// `PUT` to a resource. Members that are unknown or can't be changed are ignored, as clients expect: they
/// send whole objects back.
pub fn update(ctx: &Context<'_>, path: &[&str], body: &Value) -> Result<Outcome, ApiError> {
    ctx.admit()?;
    let [kind, id] = path else { return Err(no_method("PUT", path)) };
    let resource = find(kind)?;
    let row = row(ctx, resource, id)?;
    if !resource.schema().resource.contains(&"PUT") {
        return never(resource.update(ctx, id, Body::of(body)?), "PUT", path);
    }
    must(ctx, resource, &row, Deed::Update)?;
    if is_removed(&row) {
        let why = format!("{} is removed; make a new one instead", shown(resource, &row));
        return Err(ApiError::new(Code::MethodNotAllowed, why));
    }
    inactive::guard(ctx, resource, &row, "changed")?;
    let taken = accept(schema_of(resource, &row), body, Write::Update)?;
    resource.update(&inside(ctx, &row), id, Body::of(&taken)?)
}

/// `DELETE` of a resource; doing it again changes nothing.
pub fn delete(ctx: &Context<'_>, path: &[&str]) -> Result<Outcome, ApiError> {
    ctx.admit()?;
    let [kind, id] = path else { return Err(no_method("DELETE", path)) };
    let resource = find(kind)?;
    let row = row(ctx, resource, id)?;
    if !resource.schema().resource.contains(&"DELETE") {
        return never(resource.delete(ctx, id), "DELETE", path);
    }
    must(ctx, resource, &row, Deed::Delete)?;
    if is_removed(&row) {
        return Ok(Outcome::render(Vec::new(), resource.schema().plural, (*id).to_owned(), 200));
    }
    resource.delete(&inside(ctx, &row), id)
}

/// `POST` to a resource with `?action=name`.
pub fn action(
    ctx: &Context<'_>,
    path: &[&str],
    name: &str,
    body: &Value,
) -> Result<Outcome, ApiError> {
    ctx.admit()?;
    let [kind, id] = path else { return Err(no_method("POST", path)) };
    let resource = find(kind)?;
    let row = raw_row(ctx, resource, id)?;
    must(ctx, resource, &row, Deed::Read)?;
    if is_action(resource.schema(), name) {
        must(ctx, resource, &row, Deed::Act(name))?;
    }
    if row["actions"].get(name).is_none() {
        return Err(not_available(resource, &row, name));
    }
    if name != "remove" {
        inactive::guard(ctx, resource, &row, "changed")?;
    }
    let ctx = &inside(ctx, &row);
    match name {
        // An action was accepted, where the method would have done it.
        "remove" => resource.delete(ctx, id).map(|begun| begun.answered(202)),
        "update" => {
            let taken = accept(schema_of(resource, &row), body, Write::Update)?;
            resource.update(ctx, id, Body::of(&taken)?)
        }
        _ => {
            let taken = accept(input(resource.schema(), name), body, Write::Part)?;
            resource.act(ctx, id, name, Body::of(&taken)?)
        }
    }
}

/// The answer to a write, from the snapshot after its commit; `None` if the server has more to do for it first.
pub fn answer(ctx: &Context<'_>, then: Then) -> Option<Result<Answer, ApiError>> {
    // What was made is answered under whatever URL it was made: a project is in no other.
    let outside = Context { scope: None, ..ctx.clone() };
    let rendered = |plural: &str, id: &str| {
        let found = find(plural)?;
        row(ctx, found, id).or_else(|none| row(&outside, found, id).map_err(|_| none))
    };
    match then {
        Then::Render { plural, id, status } => {
            let whole = rendered(plural, &id);
            Some(whole.map(|whole| Answer { status, body: Some(whole) }))
        }
        Then::Reveal { plural, id, status, members } => {
            let whole = rendered(plural, &id).map(|mut whole| {
                if let Value::Object(held) = &mut whole {
                    held.extend(members);
                }
                whole
            });
            Some(whole.map(|whole| Answer { status, body: Some(whole) }))
        }
        Then::Link { plural, id, link } => {
            let body = get(ctx, &[plural, &id, link], &Query::default());
            Some(body.map(|body| Answer { status: 200, body: Some(body) }))
        }
        Then::NoContent => Some(Ok(Answer { status: 204, body: None })),
        Then::Forecast(foretold) => Some(foretold.answer()),
        Then::Body(value) => Some(Ok(Answer { status: 200, body: Some(value) })),
        Then::HostAccess { .. }
        | Then::Stats(_)
        | Then::Ask { .. }
        | Then::Pull { .. }
        | Then::DiagnoseNetwork { .. }
        | Then::ExportConfig { .. } => None,
    }
}

/// What a type is called, by its name in a URL.
pub fn type_name(segment: &str) -> Option<&'static str> {
    find(segment).ok().map(|found| found.schema().name)
}

/// The types with collections.
pub(crate) fn schemas() -> impl Iterator<Item = &'static Schema> {
    TABLE.iter().map(|resource| resource.schema())
}

/// A type by its name, singular or plural, in any case.
pub(crate) fn find(kind: &str) -> Result<&'static dyn Resource, ApiError> {
    let found = TABLE.iter().find(|resource| {
        let schema = resource.schema();
        is_named(kind, schema.name, schema.plural)
    });
    found.copied().ok_or_else(|| no_type(kind))
}

fn no_type(kind: &str) -> ApiError {
    ApiError::not_found(format!("the type `{kind}`"))
}

fn schemas_at(ctx: &Context<'_>, rest: &[&str]) -> Result<Value, ApiError> {
    match rest {
        [] => Ok(schema::documents(ctx)),
        // A client that appends `/schemas` twice must find something here.
        [name] if is_named(name, "schema", "schemas") => Ok(schema::documents(ctx)),
        [name] => schema::all()
            .filter(|schema| schema::is_shown(Reach::of(ctx), schema))
            .find(|schema| is_named(name, schema.name, schema.plural))
            .map(|schema| schema::document(ctx, schema))
            .ok_or_else(|| ApiError::not_found(format!("the schema `{name}`"))),
        _ => Err(ApiError::not_found(format!("/schemas/{}", rest.join("/")))),
    }
}

/// What a row looks like: a list of one kind holds rows of others too.
pub(crate) fn schema_of(resource: &dyn Resource, row: &Value) -> &'static Schema {
    let kind = row["type"].as_str().unwrap_or_default();
    schemas().find(|schema| schema.name == kind).unwrap_or_else(|| resource.schema())
}

/// What an action takes.
fn input(schema: &Schema, action: &str) -> &'static Schema {
    let named = schema.actions.iter().find(|(known, _, _)| *known == action);
    let named = named.and_then(|(_, input, _)| schema::all().find(|held| held.name == *input));
    named.unwrap_or(&NO_INPUT)
}

/// Of an action that takes none: whatever is sent says nothing.
static NO_INPUT: Schema = schema::inputs::part("", &[]);

fn is_action(schema: &Schema, name: &str) -> bool {
    schema.actions.iter().any(|(known, _, _)| *known == name)
}

fn not_available(resource: &dyn Resource, row: &Value, name: &str) -> ApiError {
    let schema = resource.schema();
    let what = shown(resource, row);
    if !is_action(schema, name) {
        let why = format!("{what} has no action `{name}`");
        return ApiError::new(Code::InvalidAction, why);
    }
    let state = row["state"].as_str().unwrap_or("unknown");
    let offered: Vec<&str> =
        row["actions"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let offered = if offered.is_empty() { "none".to_owned() } else { offered.join(", ") };
    let why = resource.why_not(state, name).map_or_else(String::new, |why| format!(": {why}"));
    let message =
        format!("`{name}` is not available on {what}, which is {state}{why}. Available: {offered}");
    ApiError::new(Code::ActionNotAvailable, message)
}

/// `service web (1s5)`.
fn shown(resource: &dyn Resource, row: &Value) -> String {
    let (kind, id) = (resource.schema().name, row["id"].as_str().unwrap_or_default());
    match row["name"].as_str() {
        Some(name) => format!("{kind} {name} ({id})"),
        None => format!("{kind} {id}"),
    }
}

fn is_removed(row: &Value) -> bool {
    !row["removed"].is_null()
}

fn is_named(asked: &str, name: &str, plural: &str) -> bool {
    asked.eq_ignore_ascii_case(name) || asked.eq_ignore_ascii_case(plural)
}

fn no_method(method: &str, path: &[&str]) -> ApiError {
    let why = format!("{method} /{} is not possible", path.join("/"));
    ApiError::new(Code::MethodNotAllowed, why)
}
