//! Following a link of a resource: over rendered rows, by the ids in them.

use drover_core::AccountId;
use serde_json::Value;

use super::find;
use super::gate::{row as row_of, rows};
use crate::collection::collection;
use crate::context::Context;
use crate::error::ApiError;
use crate::ids::Kind;
use crate::query::Query;
use crate::schema::{Link, Schema};

/// What a link leads to.
pub(super) fn follow(
    ctx: &Context<'_>,
    schema: &Schema,
    row: &Value,
    name: &str,
    query: &Query,
) -> Result<Value, ApiError> {
    let id = row["id"].as_str().unwrap_or_default();
    let none = || ApiError::not_found(format!("link `{name}` of {} {id}", schema.name));
    let link = schema.links.iter().find(|link| link.name().eq_ignore_ascii_case(name));
    let link = link.ok_or_else(none)?;
    let plural = match *link {
        Link::Parent { plural, field, .. } => {
            let parent = row[field].as_str().ok_or_else(none)?;
            // On the wire a project is an account, and what owns something may be either.
            let owner = Kind::Account.parse(parent).map(AccountId).filter(|_| plural == "projects");
            let is_person = owner.is_some_and(|id| ctx.world.accounts.contains_key(&id));
            let plural = if is_person { "accounts" } else { plural };
            return row_of(ctx, find(plural)?, parent).map_err(|_| none());
        }
        Link::Children { plural, .. } | Link::Listed { plural, .. } => plural,
    };
    let resource = find(plural)?;
    let rows = rows(ctx, resource).into_iter().filter(|other| leads_to(link, row, other)).collect();
    let own_url = format!("{}/{}", row["links"]["self"].as_str().unwrap_or_default(), name);
    Ok(collection(ctx, resource.schema(), &own_url, rows, query))
}

fn leads_to(link: &Link, row: &Value, other: &Value) -> bool {
    let id = |row: &Value| row["id"].as_str().unwrap_or_default().to_owned();
    match *link {
        Link::Parent { field, .. } => row[field] == other["id"],
        Link::Children { field, .. } => holds(&other[field], &id(row)),
        Link::Listed { field, .. } => holds(&row[field], &id(other)),
    }
}

/// Whether a member is this id, or a list or map with it.
fn holds(member: &Value, id: &str) -> bool {
    match member {
        Value::String(held) => held == id,
        Value::Array(items) => items.iter().any(|item| item == id),
        Value::Object(members) => members.values().any(|item| item == id),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
