//! Following a link of a resource: over rendered rows, by the ids in them.

use std::collections::BTreeMap;

use drover_core::AccountId;
use serde_json::Value;

use super::find;
use super::gate::{row as row_of, rows};
use crate::collection::collection;
use crate::context::Context;
use crate::error::ApiError;
use crate::ids::Kind;
use crate::outcome::Then;
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
        Link::Made { .. } => return Err(none()),
    };
    let resource = find(plural)?;
    let rows = rows(ctx, resource).into_iter().filter(|other| leads_to(link, row, other)).collect();
    let own_url = format!("{}/{}", row["links"]["self"].as_str().unwrap_or_default(), name);
    Ok(collection(ctx, resource.schema(), &own_url, rows, query))
}

/// What makes what a link leads to, where that is no row.
pub(super) fn made(schema: &Schema, name: &str) -> Option<fn(&Context<'_>, &str) -> Option<Then>> {
    schema.links.iter().find_map(|link| match link {
        Link::Made { name: known, make } if known.eq_ignore_ascii_case(name) => Some(*make),
        Link::Made { .. } | Link::Parent { .. } | Link::Children { .. } | Link::Listed { .. } => {
            None
        }
    })
}

/// Put what the links named by `include` lead to into rows: a resource, or a list of them without its frame. Names that are no
/// links are ignored, as all that a query has too much.
pub(super) fn embed(ctx: &Context<'_>, schema: &Schema, into: &mut [Value], query: &Query) {
    for name in query.all("include") {
        let link = schema.links.iter().find(|link| link.name().eq_ignore_ascii_case(name));
        let Some(link) = link else { continue };
        let (Link::Parent { plural, .. }
        | Link::Children { plural, .. }
        | Link::Listed { plural, .. }) = *link
        else {
            continue;
        };
        let Ok(resource) = find(plural) else { continue };
        if let Link::Parent { field, .. } = *link {
            for row in into.iter_mut() {
                row[name] =
                    row[field].as_str().and_then(|id| row_of(ctx, resource, id).ok()).into();
            }
            continue;
        }
        let others = rows(ctx, resource);
        let by_id = by_id_they_are_led_to_by(link, &others);
        for row in into.iter_mut() {
            let from = match *link {
                Link::Listed { field, .. } => &row[field],
                Link::Made { .. } | Link::Parent { .. } | Link::Children { .. } => &row["id"],
            };
            let led_to = ids(from).filter_map(|id| by_id.get(id)).flatten();
            row[name] = led_to.map(|other| (*other).clone()).collect();
        }
    }
}

/// What is not removed, by what leads there: its own id, or the ids it holds.
fn by_id_they_are_led_to_by<'a>(
    link: &Link,
    others: &'a [Value],
) -> BTreeMap<&'a str, Vec<&'a Value>> {
    let mut by_id: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for other in others.iter().filter(|other| other["removed"].is_null()) {
        let from = match *link {
            Link::Children { field, .. } => &other[field],
            Link::Made { .. } | Link::Parent { .. } | Link::Listed { .. } => &other["id"],
        };
        for id in ids(from) {
            by_id.entry(id).or_default().push(other);
        }
    }
    by_id
}

fn leads_to(link: &Link, row: &Value, other: &Value) -> bool {
    match *link {
        Link::Parent { field, .. } => row[field] == other["id"],
        Link::Children { field, .. } => ids(&other[field]).any(|id| row["id"] == id),
        Link::Listed { field, .. } => ids(&row[field]).any(|id| other["id"] == id),
        Link::Made { .. } => false,
    }
}

/// The ids in a member: one, a list or a map of them.
fn ids(member: &Value) -> impl Iterator<Item = &str> {
    let (one, list, map) = (member.as_str(), member.as_array(), member.as_object());
    let listed = list.into_iter().flatten();
    let mapped = map.into_iter().flat_map(|members| members.values());
    one.into_iter().chain(listed.chain(mapped).filter_map(Value::as_str))
}
