//! Consul's read API over HTTP: `/v1/catalog/…`, `/v1/health/…` and what clients ask before them, with blocking
//! queries. What is in the catalog is `drover_api::consul`'s to say.
//!
//! The index counts changes of the whole catalog. A query that waits is answered only when its own answer differs, or
//! its time is over: with the newest index, so that what it did not see wakes it no more.

mod request;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::response::Response;
use drover_api::consul::{self, Catalog};
use drover_api::{ApiError, Code, Query};
use drover_core::{ProjectId, RowKey, World};
use drover_store::Feed;
use tokio::time::{Instant, timeout_at};

use crate::answer;
use crate::attempts::{self, Way};
use crate::auth;
use crate::lock::lock;
use crate::server::Server;
use crate::who;

pub(crate) use request::What;

/// Catalogs as of the newest snapshot anybody asked about.
#[derive(Default)]
pub(crate) struct Catalogs {
    known: Mutex<BTreeMap<ProjectId, Known>>,
}

#[derive(Clone)]
struct Known {
    /// Version of the snapshot it was read from.
    version: u64,
    /// Version of the one in which it last changed.
    index: u64,
    catalog: Arc<Catalog>,
}

/// Answer one request.
pub(crate) async fn answer(
    server: &Server,
    parts: &Parts,
    query: &Query,
    what: &What,
) -> Result<Response, ApiError> {
    // Before the first look: what changes meanwhile is heard of.
    let mut feed = server.store.feed();
    let world = server.store.world();
    let project = project(server, &world, parts, query).await?;
    let wait = request::wait(query)?.filter(|_| what.changes());
    let mut known = server.catalogs.get(&world, project);
    let body =
        |known: &Known, index| request::body(&known.catalog, what, query, index, world.cluster());
    if let Some(wait) = wait.filter(|wait| wait.index == known.index) {
        let until = Instant::now() + wait.time;
        let seen = body(&known, 0);
        while body(&known, 0) == seen {
            let newer = tokio::select! {
                () = server.stop.cancelled() => break,
                newer = timeout_at(until, next(&mut feed)) => newer,
            };
            let Ok(newer) = newer else { break };
            known = server.catalogs.get(&newer, project);
        }
    }
    Ok(with_index(answer::json(200, Some(&body(&known, known.index))), known.index))
}

impl Catalogs {
    fn get(&self, world: &World, project: ProjectId) -> Known {
        let mut all = lock(&self.known);
        if let Some(known) = all.get(&project).filter(|known| known.version >= world.version) {
            return known.clone();
        }
        let catalog = consul::catalog(world, project);
        let same = all.get(&project).filter(|known| *known.catalog == catalog);
        let known = match same {
            Some(known) => Known { version: world.version, ..known.clone() },
            None => Known {
                version: world.version,
                // Never 0: that is a client that has seen nothing.
                index: world.version.max(1),
                catalog: Arc::new(catalog),
            },
        };
        all.insert(project, known.clone());
        known
    }
}

/// The next snapshot in which a catalog may differ.
async fn next(feed: &mut Feed) -> Arc<World> {
    loop {
        let update = feed.next().await;
        if update.touched.iter().any(concerns) {
            return update.world;
        }
    }
}

fn concerns(key: &RowKey) -> bool {
    match key {
        RowKey::Unit(_)
        | RowKey::Observed(_)
        | RowKey::Service(_)
        | RowKey::Revision(..)
        | RowKey::Host(_)
        | RowKey::Lost(_)
        | RowKey::Stack(_)
        | RowKey::Project(_) => true,
        RowKey::Counters
        | RowKey::Seen(_)
        | RowKey::Upgrade(_)
        | RowKey::Outcome(_)
        | RowKey::Withdrawn(_)
        | RowKey::BalancerFollowed(_)
        | RowKey::NamesFollowed(_)
        | RowKey::Witnessed(_)
        | RowKey::VolumeTemplate(_)
        | RowKey::Volume(_)
        | RowKey::Credential(_)
        | RowKey::Registry(_)
        | RowKey::Certificate(_)
        | RowKey::Secret(_)
        | RowKey::ProjectVolume(_)
        | RowKey::Webhook(_)
        | RowKey::ProjectTemplate(_)
        | RowKey::Account(_)
        | RowKey::Member(_)
        | RowKey::Setting(_) => false,
    }
}

/// Whose catalog: the key's project, or the only one there is.
async fn project(
    server: &Server,
    world: &World,
    parts: &Parts,
    query: &Query,
) -> Result<ProjectId, ApiError> {
    let caller = match request::token(parts, query) {
        // To Consul's clients 401 says that there are no tokens at all.
        Some((access, secret)) => {
            let look = |world: &World| auth::user_by(world, &access, &secret);
            let found = attempts::check(server, parts, (Way::Key, &access), look).await;
            found.map_err(|refused| match refused.code {
                Code::Unauthorized => ApiError { code: Code::Forbidden, ..refused },
                _ => refused,
            })?
        }
        None => who::by_key(server, parts).await?,
    };
    let rights = caller.rights(world);
    let living = world.projects.values().filter(|project| project.removed_at.is_none());
    let mut seen = living.filter(|project| rights.in_project(project.id).is_some());
    match (seen.next(), seen.next()) {
        (Some(one), None) => Ok(one.id),
        (None, _) => Err(ApiError::new(Code::Forbidden, "this key sees no project")),
        _ => Err(ApiError::new(
            Code::Forbidden,
            "this key sees several projects, and a catalog is one project's: use an API key of the project",
        )),
    }
}

fn with_index(mut response: Response, index: u64) -> Response {
    let headers = response.headers_mut();
    headers.insert("x-consul-index", HeaderValue::from(index));
    headers.insert("x-consul-knownleader", HeaderValue::from_static("true"));
    headers.insert("x-consul-lastcontact", HeaderValue::from_static("0"));
    response
}
