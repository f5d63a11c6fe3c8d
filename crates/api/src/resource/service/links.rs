//! Links between services: the actions that set, add and remove them. Each is idempotent, because clients set
//! the whole list with every run.

use drover_core::name::{self, BadLink};
use drover_core::{Link, Service, World};

use super::{find, loops};
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};

/// Replace all links; no list at all clears them.
pub(super) fn set(ctx: &Context<'_>, held: &Service, body: Body<'_>) -> Result<Service, ApiError> {
    let mut links: Vec<Link> = Vec::new();
    for wanted in body.list("serviceLinks")? {
        join(&mut links, read(ctx, held, Body::of(wanted)?)?);
    }
    linked(ctx, held, links)
}

/// Add one link.
pub(super) fn add(ctx: &Context<'_>, held: &Service, body: Body<'_>) -> Result<Service, ApiError> {
    let wanted = body.inner("serviceLink")?.ok_or_else(|| body.lacks("serviceLink"))?;
    let mut links = held.links.clone();
    join(&mut links, read(ctx, held, wanted)?);
    linked(ctx, held, links)
}

/// Remove the links to a service, or only the one with a name.
pub(super) fn remove(
    ctx: &Context<'_>,
    held: &Service,
    body: Body<'_>,
) -> Result<Service, ApiError> {
    let unwanted = body.inner("serviceLink")?.ok_or_else(|| body.lacks("serviceLink"))?;
    let id = unwanted.required("serviceId")?;
    let name = unwanted.text("name")?.filter(|name| !name.is_empty());
    let target = find(ctx, &id).map(|service| service.id);
    let is_it = |link: &Link| {
        Some(link.service) == target && name.as_ref().is_none_or(|name| *name == link.alias)
    };
    let links = held.links.iter().filter(|link| !is_it(link)).cloned().collect();
    Ok(Service { links, ..held.clone() })
}

/// The links whose targets are not removed, with these.
pub(crate) fn living<'a>(
    world: &'a World,
    service: &'a Service,
) -> impl Iterator<Item = (&'a Link, &'a Service)> {
    service.links.iter().filter_map(|link| {
        let target = world.service(link.service).filter(|target| target.removed_at.is_none())?;
        Some((link, target))
    })
}

/// The service with these links, if no name leads back to itself by them.
fn linked(ctx: &Context<'_>, held: &Service, links: Vec<Link>) -> Result<Service, ApiError> {
    let edited = Service { links, ..held.clone() };
    loops::check(ctx.world, &edited)?;
    Ok(edited)
}

fn read(ctx: &Context<'_>, held: &Service, link: Body<'_>) -> Result<Link, ApiError> {
    let id = link.required("serviceId")?;
    let bad = |why: String| ApiError::on(Code::InvalidReference, "serviceId", why);
    let target = find(ctx, &id)
        .filter(|target| target.removed_at.is_none() && target.project == held.project)
        .ok_or_else(|| bad(format!("{} can't link to {id}: no such service", held.name)))?;
    if target.id == held.id {
        return Err(bad(format!("{} can't link to itself", held.name)));
    }
    let alias = link.text("name")?.filter(|alias| *alias != target.name).unwrap_or_default();
    name::check_link(&alias).map_err(|why| {
        let code = match why {
            BadLink::TooLong => Code::MaxLengthExceeded,
            BadLink::Character(_) | BadLink::Dot => Code::InvalidCharacters,
        };
        ApiError::on(code, "name", format!("{alias}: {why}"))
    })?;
    Ok(Link { service: target.id, alias })
}

/// One link per target and name: a second one of the same changes nothing.
fn join(links: &mut Vec<Link>, link: Link) {
    if !links.contains(&link) {
        links.push(link);
    }
}
