//! Links of a service: written whole where they differ from the files. Those of balancers and external services
//! are their rules' affair, and what a selector adds is the server's.

use std::collections::BTreeMap;

use drover_compose::ServiceSpec;
use drover_core::ServiceKind;

use super::body;
use crate::error::Failure;
use crate::event::Event;
use crate::session::{Session, view_of};
use crate::view::ServiceView;

/// Write the links of a service. Whether they differed.
pub(super) async fn write(
    session: &Session<'_>,
    spec: &ServiceSpec,
    views: &[ServiceView],
) -> Result<bool, Failure> {
    let has_links = matches!(spec.kind, ServiceKind::Containers | ServiceKind::Alias);
    let Some(view) = view_of(views, &spec.name).filter(|_| has_links) else { return Ok(false) };
    let links = wanted(session, spec, views).await?;
    if links == view.linked {
        return Ok(false);
    }
    let (doing, path) =
        (format!("set the links of {}", spec.name), format!("services/{}", view.id));
    session.reporter.asks();
    session.api.act(&doing, &path, "setservicelinks", &body::links(&links)).await?;
    Ok(true)
}

/// Name here → id. A link to nothing is left out, and said.
async fn wanted(
    session: &Session<'_>,
    spec: &ServiceSpec,
    views: &[ServiceView],
) -> Result<BTreeMap<String, String>, Failure> {
    let mut links = BTreeMap::new();
    for link in &spec.links {
        let target = match &link.stack {
            None => view_of(views, &link.service).cloned(),
            Some(stack) => session.find_service(stack, &link.service).await?,
        };
        let Some(target) = target else {
            session.reporter.tell(&Event::warning(format!(
                "{} links to {}, which is not there; the link is left out",
                spec.name, link.service
            )));
            continue;
        };
        let name = if link.alias.is_empty() { &link.service } else { &link.alias };
        links.insert(name.clone(), target.id);
    }
    Ok(links)
}
