//! Calls of webhooks: the one route of the API that is opened by a key in the URL, for those who call have no other place for
//! it. What a call comes to is `drover-api`'s to decide.

use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use drover_api::{Address, Answer, ApiError, Kind, Query, Version};
use drover_core::{ProjectId, Webhook, World};

use crate::attempts::{self, Way};
use crate::audit::{Asked, from};
use crate::auth::hash;
use crate::body;
use crate::call::{self, Call, Verb};
use crate::server::Server;
use crate::who::Known;

/// Bytes of the largest body: a registry's notifications are gathered, but not to that.
const MAX_BYTES: usize = 512 << 10;

/// Have done what the receiver with the key in the query is there for. `base` is how this server was reached.
pub(crate) async fn fire(
    server: &Arc<Server>,
    parts: &Parts,
    query: &Query,
    body: Body,
    base: String,
) -> Result<Answer, ApiError> {
    let key = hash(query.get("key").unwrap_or_default());
    let project = query.get("projectId").unwrap_or_default().to_owned();
    let find = |world: &World| -> Result<Webhook, ApiError> {
        drover_api::webhook(world, &project, &key).cloned()
    };
    let held = attempts::check(server, parts, (Way::Webhook, &key), find).await?;
    let caller = drover_api::webhook_caller(&held);
    let path = vec!["webhookReceivers".to_owned(), Kind::Webhook.id(held.id.0)];
    let address = Address { version: Version::V2Beta, scope: Some(held.project), path };
    let known = Known { caller: caller.clone(), by_token: false };
    let asked = Asked::of(&known, Verb::Post, &address, &Query::parse("action=fire"), from(parts));
    let answer = match body::value_within(body, MAX_BYTES).await {
        Ok(body) => {
            let query = Query::default();
            let call = Call { verb: Verb::Post, address, query, body, base, caller };
            call::fire(server, &call, find).await
        }
        Err(refused) => Err(refused),
    };
    if let Some(asked) = asked {
        asked.keep(server, &answer).await;
    }
    answer
}

/// The project of an id in the query.
pub(crate) fn project(id: &str) -> Result<ProjectId, ApiError> {
    let found = Kind::Project.parse(id).map(ProjectId);
    found.ok_or_else(|| ApiError::not_found(format!("project {id}")))
}
