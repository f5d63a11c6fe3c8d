//! Who did what: every write through the API is kept in the audit log, whatever came of it, before it is answered. Keys that
//! are wrong are kept there by [`crate::attempts`].

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::http::request::Parts;
use drover_api::{Address, Answer, ApiError, Kind, Query, type_name};
use drover_core::{Audit, Grant, ProjectId, World};

use crate::call::Verb;
use crate::clock;
use crate::server::Server;
use crate::who::Known;

/// Characters of what a client says that are kept.
const KEPT: usize = 64;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// What was asked for, before it is known what comes of it.
pub(crate) struct Asked {
    known: Known,
    from: String,
    deed: String,
    kind: String,
    id: String,
    scope: Option<ProjectId>,
}

impl Asked {
    /// What a request asks for; `None` if it only reads.
    pub(crate) fn of(
        known: &Known,
        verb: Verb,
        address: &Address,
        query: &Query,
        from: String,
    ) -> Option<Self> {
        let deed = match (verb, query.get("action")) {
            (Verb::Get, _) => return None,
            (Verb::Post, None) => "create",
            (Verb::Post, Some(action)) => action,
            (Verb::Put, _) => "update",
            (Verb::Delete, _) => "delete",
        };
        let path = &address.path;
        let segment = path.first().map_or("", String::as_str);
        Some(Self {
            known: known.clone(),
            from,
            deed: cut(deed),
            kind: type_name(segment).map_or_else(|| cut(segment), str::to_owned),
            id: path.get(1).map(|id| cut(id)).unwrap_or_default(),
            scope: address.scope.or(known.caller.within),
        })
    }

    /// Keep what came of it.
    pub(crate) async fn keep(self, server: &Server, answer: &Result<Answer, ApiError>) {
        let world = server.store.world();
        let body = answer.as_ref().ok().and_then(|answer| answer.body.as_ref());
        let text = |name: &str| body.and_then(|body| body[name].as_str()).unwrap_or_default();
        let own = if text("type") == self.kind { text("id") } else { "" };
        let audit = Audit {
            at: clock::now(),
            access: self.known.caller.access.clone(),
            by_token: self.known.by_token,
            account: match self.known.caller.grant {
                Grant::Account(id) => Some(id),
                _ => None,
            },
            project: self.project(&world, text("accountId")),
            resource: if self.id.is_empty() { own.to_owned() } else { self.id },
            deed: self.deed,
            kind: self.kind,
            from: self.from,
            status: match answer {
                Ok(answer) => answer.status,
                Err(refused) => refused.status(),
            },
        };
        if let Err(error) = server.store.add_audit(audit).await {
            tracing::error!(%error, "a request could not be written to the audit log");
        }
    }

    /// Which project it is about, as far as the caller has a say in it: who has none leaves no trace there.
    fn project(&self, world: &World, owner: &str) -> Option<ProjectId> {
        let key = match self.known.caller.grant {
            Grant::Project(own) => Some(own),
            _ => None,
        };
        let named = || {
            let named = if self.kind == "project" { self.id.as_str() } else { "" };
            Kind::Project.parse(if owner.is_empty() { named } else { owner }).map(ProjectId)
        };
        let about = self.scope.or_else(named).or(key)?;
        let rights = self.known.caller.rights(world);
        let known = world.projects.contains_key(&about);
        (known && rights.in_project(about).is_some()).then_some(about)
    }
}

/// The connection's other end. Whom that says it asks for is anybody's to write, and nothing goes by it.
pub(crate) fn address(parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<Peer>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip().to_canonical())
}

/// Where a request comes from: the connection's other end, and whom that says it asks for.
pub(crate) fn from(parts: &Parts) -> String {
    let peer = parts.extensions.get::<Peer>();
    let peer = peer.map_or_else(String::new, |peer| peer.0.ip().to_string());
    match parts.headers.get("x-forwarded-for").and_then(|value| value.to_str().ok()) {
        Some(whom) if !whom.trim().is_empty() => format!("{peer} for {}", cut(whom.trim())),
        _ => peer,
    }
}

/// Its beginning: what a client writes must not fill the log.
fn cut(text: &str) -> String {
    text.chars().take(KEPT).collect()
}
