//! Aliases that lead back to themselves: a name that no address is behind. Refused where a link would close the loop.

use std::collections::BTreeSet;

use drover_core::{Selector, Service, ServiceId, ServiceKind, Wanted, World};

use crate::error::{ApiError, Code};

/// Whether `edited`, as it is to be, stands in a loop of aliases. Services with containers of their own may link in
/// circles: nothing is resolved through them.
pub(super) fn check(world: &World, edited: &Service) -> Result<(), ApiError> {
    if edited.kind != ServiceKind::Alias {
        return Ok(());
    }
    let mut path = vec![edited];
    let mut seen = BTreeSet::new();
    if !leads_back(world, edited, &mut path, &mut seen) {
        return Ok(());
    }
    let names: Vec<&str> = path.iter().chain([&edited]).map(|service| &*service.name).collect();
    let why = format!(
        "the name {} would lead back to itself: {}; take one of these links out",
        edited.name,
        names.join(" → ")
    );
    Err(ApiError::on(Code::InvalidReference, "serviceId", why))
}

/// Follow the aliases behind the last of `path`; when it returns true, `path` is the loop.
fn leads_back<'a>(
    world: &'a World,
    edited: &'a Service,
    path: &mut Vec<&'a Service>,
    seen: &mut BTreeSet<ServiceId>,
) -> bool {
    let Some(last) = path.last().copied() else { return false };
    for target in targets(world, last) {
        if target == edited.id {
            return true;
        }
        let alias = world.service(target).filter(|target| target.kind == ServiceKind::Alias);
        let Some(alias) = alias.filter(|alias| seen.insert(alias.id)) else { continue };
        path.push(alias);
        if leads_back(world, edited, path, seen) {
            return true;
        }
        path.pop();
    }
    false
}

/// What an alias stands for: its links, and what its selector finds.
fn targets(world: &World, alias: &Service) -> Vec<ServiceId> {
    let written = alias.links.iter().map(|link| link.service);
    let selector = alias.selector_link.as_deref().and_then(|text| text.parse::<Selector>().ok());
    let selected = world.services.values().filter(|service| {
        service.project == alias.project
            && service.id != alias.id
            && service.wanted != Wanted::Removed
            && world
                .current_template(service)
                .zip(selector.as_ref())
                .is_some_and(|(template, selector)| selector.matches(&template.primary.labels))
    });
    written.chain(selected.map(|service| service.id)).collect()
}
