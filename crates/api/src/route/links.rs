//! Following a link of a resource, by the ids in rows: only what it leads to is rendered.

use std::collections::{BTreeMap, BTreeSet};

use drover_core::AccountId;
use serde_json::Value;

use super::find;
use super::gate::{list, row as row_of};
use crate::access;
use crate::collection::collection;
use crate::context::Context;
use crate::error::ApiError;
use crate::ids::Kind;
use crate::outcome::Then;
use crate::query::Query;
use crate::resource::Resource;
use crate::row::{Only, Row, Rows};
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
    let own_url = format!("{}/{}", row["links"]["self"].as_str().unwrap_or_default(), name);
    // All that it leads to are looked at: what else a query asks of them narrows nothing more.
    let led_to = |_: &Only<'_>| led_to(ctx, resource, link, row);
    Ok(collection(ctx, resource.schema(), &own_url, query, led_to))
}

/// The rows that a link of a row leads to.
fn led_to<'a>(
    ctx: &'a Context<'a>,
    resource: &dyn Resource,
    link: &'a Link,
    row: &'a Value,
) -> Rows<'a> {
    let lists = match *link {
        Link::Parent { .. } | Link::Made { .. } => Vec::new(),
        Link::Children { field, .. } => {
            let own = row["id"].as_str().unwrap_or_default();
            vec![list(ctx, resource, &Only::holding(field, own))]
        }
        Link::Listed { field, .. } if resource.is_narrowed_by("id") => {
            let ids: BTreeSet<&str> = ids(&row[field]).collect();
            ids.into_iter().map(|id| list(ctx, resource, &Only::one("id", id))).collect()
        }
        Link::Listed { .. } => vec![list(ctx, resource, &Only::default())],
    };
    let rows = lists.into_iter().flatten();
    Box::new(rows.filter(move |other| leads_to(link, row, other.as_ref())))
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
    let mut done = BTreeSet::new();
    for name in query.all("include") {
        let link = schema.links.iter().find(|link| link.name().eq_ignore_ascii_case(name));
        // Once is enough, however often it is asked for.
        let Some(link) = link.filter(|link| done.insert(link.name())) else { continue };
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
        let narrowed = match *link {
            Link::Parent { .. } | Link::Made { .. } => false,
            Link::Children { field, .. } => resource.is_narrowed_by(field),
            Link::Listed { .. } => resource.is_narrowed_by("id"),
        };
        let kind = resource.schema().name;
        if narrowed {
            for row in into.iter_mut() {
                let living = led_to(ctx, resource, link, row)
                    .filter(|other| other.get("removed").is_none_or(|at| at.is_null()));
                let living = living.map(|other| access::rendered(kind, other)).collect();
                row[name] = living;
            }
            continue;
        }
        let others = list(ctx, resource, &Only::default());
        let others: Vec<Value> = others.map(|other| access::rendered(kind, other)).collect();
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

fn leads_to(link: &Link, row: &Value, other: &dyn Row) -> bool {
    match *link {
        Link::Parent { field, .. } => other.get("id").is_some_and(|id| row[field] == *id),
        Link::Children { field, .. } => {
            other.get(field).is_some_and(|held| ids(&held).any(|id| row["id"] == id))
        }
        Link::Listed { field, .. } => {
            other.get("id").is_some_and(|own| ids(&row[field]).any(|id| *own == id))
        }
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
