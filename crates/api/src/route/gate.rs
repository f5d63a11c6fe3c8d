//! The gate: what the caller may see and do, looked up for every resource on its way in and out. What the table says is in
//! [`crate::access`].

use drover_core::ProjectId;
use serde_json::Value;

use super::{inactive, no_method};
use crate::access::{self, Deed, Place};
use crate::body::Body;
use crate::context::Context;
use crate::error::ApiError;
use crate::ids::Kind;
use crate::outcome::Outcome;
use crate::resource::Resource;
use crate::row::{Only, Rows};
use crate::schema::{Write, accept};

/// Make one where it may be made, seeing nothing but what is there.
pub(super) fn make(
    ctx: &Context<'_>,
    resource: &dyn Resource,
    given: &Value,
) -> Result<Outcome, ApiError> {
    let (schema, body) = (resource.schema(), Body::of(given)?);
    if !schema.collection.contains(&"POST") {
        return never(resource.create(ctx, body), "POST", &[schema.plural]);
    }
    let rights = &ctx.rights;
    let (rank, rights) = match resource.place(ctx, body)? {
        Place::Project(id) => (rights.in_project(id), rights.clone().within(id)),
        Place::Account(id) => (rights.over_account(id), rights.clone()),
        Place::Cluster => (Some(rights.base()), rights.clone()),
    };
    access::must(rank, Deed::Create, schema.name, || format!("the type `{}`", schema.plural))?;
    let taken = accept(schema, given, Write::Create)?;
    let outcome = resource.create(&Context { rights, ..ctx.clone() }, Body::of(&taken)?)?;
    let mut places = outcome.changes.iter().filter_map(inactive::made_in);
    places.try_for_each(|project| inactive::refuse(ctx, project, "made"))?;
    Ok(outcome)
}

/// Refuses what is not the caller's to do with a resource.
pub(super) fn must(
    ctx: &Context<'_>,
    resource: &dyn Resource,
    row: &Value,
    deed: Deed<'_>,
) -> Result<(), ApiError> {
    let kind = resource.schema().name;
    let shown = || format!("{kind} {}", row["id"].as_str().unwrap_or_default());
    access::must(access::rank_over(ctx, row), deed, kind, shown)
}

/// For a method that a type doesn't have: the resource says why.
pub(super) fn never(
    answer: Result<Outcome, ApiError>,
    method: &str,
    path: &[&str],
) -> Result<Outcome, ApiError> {
    answer.and_then(|_| Err(no_method(method, path)))
}

/// Those of a type that the caller may see; all of them, but for what `only` leaves out.
pub(super) fn list<'a>(ctx: &'a Context<'a>, resource: &dyn Resource, only: &Only<'_>) -> Rows<'a> {
    access::visible(resource.schema().name, resource.list(ctx, only))
}

/// One of them.
pub(super) fn row(ctx: &Context<'_>, resource: &dyn Resource, id: &str) -> Result<Value, ApiError> {
    let kind = resource.schema().name;
    let found = resource.row(ctx, id);
    let found = found.and_then(|row| access::shown(ctx, kind, row));
    found.ok_or_else(|| none_such(resource, id))
}

/// One with all its actions, whosever it is.
pub(super) fn raw_row(
    ctx: &Context<'_>,
    resource: &dyn Resource,
    id: &str,
) -> Result<Value, ApiError> {
    resource.row(ctx, id).ok_or_else(|| none_such(resource, id))
}

fn none_such(resource: &dyn Resource, id: &str) -> ApiError {
    ApiError::not_found(format!("{} {id}", resource.schema().name))
}

/// The same request, seeing nothing but the project of a row: what is changed there refers to nothing elsewhere, whatever
/// else the caller may see.
pub(super) fn inside<'a>(ctx: &Context<'a>, row: &Value) -> Context<'a> {
    let project = row["accountId"].as_str().and_then(|id| Kind::Project.parse(id)).map(ProjectId);
    let project = project.filter(|id| ctx.world.projects.contains_key(id));
    let rights = match project {
        Some(project) => ctx.rights.clone().within(project),
        None => ctx.rights.clone(),
    };
    Context { rights, ..ctx.clone() }
}
